"""Suggestions: spellings near a word that finds nothing, which exhibits of the asker do have.

The index has no words, only keyed tokens of them: so every spelling that is one slip away is made,
and its token looked for among what the asker may know. A word that stands only in other exhibits
is never suggested, nor does how often it stands there count.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository.search.find import Finder
from repository.search.grammar import All, Either, Marks, Node, Term
from repository.search.tables import SearchExhibit
from repository.search.tokens import Keyed, read_as
from repository.search.words import words

FEW = 3  # exhibits found: beyond it nothing is suggested
MOST = 3  # spellings of a word
_MOST_WORDS = 3
_LEAST = 4  # letters
_LOOKED = 20  # exhibits
_ALPHABETS = (
    (re.compile("[a-z]+"), "abcdefghijklmnopqrstuvwxyz"),
    (re.compile("[\u0400-\u04ff]+"), "абвгдежзийклмнопрстуфхцчшщъыьэюяєії"),
    (re.compile("[\u0600-\u06ff]+"), "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"),
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that was asked for, another spelling of it, and the query with that."""

    word: str
    instead: str
    query: str

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {"word": self.word, "instead": self.instead, "query": self.query}


def suggested(
    session: Session, finder: Finder, keyed: Keyed, node: Node | None, query: str
) -> list[Suggestion]:
    """Return other spellings of words that are nowhere in what the asker may know of."""
    found: list[Suggestion] = []
    for term in islice(_plain(node), _MOST_WORDS):
        [word] = words(term.text)
        if any(True for _ in islice(finder.hits(Term(term.text)), 1)):
            continue
        for spelling in _known(session, finder, keyed, word.folded):
            whole = re.sub(rf"(?<!\w){re.escape(term.text)}(?!\w)", spelling, query, count=1)
            found.append(Suggestion(term.text, spelling, whole))
    return found


def _plain(node: Node | None) -> Iterator[Term]:
    """Yield the terms that are one word of a script with spaces, in no field, not excluded."""
    if isinstance(node, Term):
        made = list(words(node.text))
        if node.field is None and len(made) == 1 and not made[0].grams:
            yield node
    elif isinstance(node, All | Either):
        for part in node.parts:
            yield from _plain(part)


def near(word: str) -> list[str]:
    """Return all spellings one slip away: a letter less, more or other, or two exchanged.

    >>> "bridge" in near("brigde"), "bridge" in near("brdge"), near("ab")
    (True, True, [])
    """
    letters = next((every for script, every in _ALPHABETS if script.fullmatch(word)), None)
    if letters is None or len(word) < _LEAST:
        return []
    found: dict[str, None] = {}
    for n in range(len(word) + 1):
        head, tail = word[:n], word[n:]
        found |= dict.fromkeys(f"{head}{one}{tail}" for one in letters)
        if tail:
            found[head + tail[1:]] = None
            found |= dict.fromkeys(f"{head}{one}{tail[1:]}" for one in letters)
        if len(tail) > 1:
            found[head + tail[1] + tail[0] + tail[2:]] = None
    found.pop(word, None)
    return list(found)


def _known(session: Session, finder: Finder, keyed: Keyed, word: str) -> list[str]:
    spellings = near(word)
    if not spellings:
        return []
    marks = Marks(tuple(("word", one) for one in spellings))
    hits = {one.exhibit_id: one.level for one in islice(finder.hits(marks), _LOOKED)}
    query = select(SearchExhibit.exhibit_id, SearchExhibit.tokens)
    counts: Counter[str] = Counter()
    for row in session.execute(query.where(SearchExhibit.exhibit_id.in_(hits))):
        level = read_as(hits[row.exhibit_id])
        has = set(row.tokens)
        counts.update(one for one in spellings if keyed.token(level, "word", one) in has)
    return [one for one, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]]
