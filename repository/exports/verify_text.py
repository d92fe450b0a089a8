"""VERIFY.txt: what a reader of the bundle does, with and without this program."""

VERIFY_TEXT = """\
HOW TO CHECK THIS BUNDLE

Nothing here needs the institution that made it, its program, or a network.

1. With Python 3.8 or later, in this folder:

       python3 -I verify.py .

   (-I keeps Python from loading anything else that lies here; a copy of verify.py that you got
   another way is better still.) It prints one line per claim: pass, fail or not-done. A check
   that could not be made is not-done, never a pass. It ends with 0 if nothing failed and
   everything required was done.

2. The key. verify.py prints the fingerprint of the key that signed the checkpoint. Compare it
   with one you got another way: by telephone, from an earlier bundle or receipt, in court.
   With a trust file got another way:   python3 -I verify.py . --trust FILE

3. The files, with tools every system has:

       sha256sum -c manifest-sha256.txt
       sha256sum -c tagmanifest-sha256.txt

4. What the parts are:

   data/               the exhibits, under their exhibit numbers, byte for byte as received
   custody-report.pdf  the custody report for people to read
   custody.json        every custody entry of these exhibits, with its proof
   annotations.json    if it is there: what the exporter's people said of the exhibits, and
                       in which entries of custody.json that stands
   ledger/checkpoint   the signed head of the ledger that the proofs lead to
   ledger/policy       whose signatures the exporter asks for
   ledger/trust        the exporter's keys: his own word until compared (see 2)
   verify.py           the verifier: one file, standard library only; read it

5. What the proofs cover: the exhibits' bytes and the custody entries. The report, this text and
   the list of what was left out are covered by the manifests alone. The exporter's ledger holds
   the digest of tagmanifest-sha256.txt in an entry made after this bundle; ask for its proof.

What the bundle leaves out is listed in the report and in custody.json under "left_out".
This bundle states facts and how they can be checked. What they mean is for the court to say.
"""
