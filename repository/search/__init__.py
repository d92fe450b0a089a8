"""Search: words of exhibits in every script, found only by whoever may know of them.

1. `sources` says where words come from; each is one entry there. 2. `words` and `sounds` make them
regular, pure. 3. `tokens` keys them. 4. `index` keeps them by exhibit; whoever changes what a
source reads calls `index.expect` in the same transaction, and a worker does the rest.
5. `grammar` reads what is asked, `expression` turns it into tokens, nearest first. 6. `scope` says
of which exhibits the asker may know. 7. `find` finds. 8. `ask` records, then answers.
"""
