"""VERIFY.txt: what a reader of the bundle does, with and without this program; a file a language.

The words are in `assets/verify`; the commands are the same in all, and stand here once.
"""

from pathlib import Path

LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")

_WORDS = Path(__file__).with_name("assets") / "verify"

_COMMANDS = {
    "python": """
python3 -I verify.py .
""",
    "sums": """
sha256sum -c manifest-sha256.txt
sha256sum -c tagmanifest-sha256.txt
grep -o "$(sha256sum tagmanifest-sha256.txt | cut -c 1-64)" ledger/closing.json
""",
    # A checkpoint: three lines that are signed, an empty one, then the log's own line.
    "signature": r"""
T=$(mktemp -d)
head -n 3 ledger/checkpoint > $T/body
sed -n 5p ledger/checkpoint | cut -d ' ' -f 3 | base64 -d > $T/line
tail -c 64 $T/line > $T/signature
ID=$(head -c 4 $T/line | od -An -tx1 | tr -d ' \n')
printf '\060\052\060\005\006\003\053\145\160\003\041\000' > $T/key
grep "+$ID+" ledger/policy | cut -d + -f 3- | base64 -d | tail -c 32 >> $T/key
openssl pkeyutl -verify -pubin -keyform DER -inkey $T/key -rawin -in $T/body -sigfile $T/signature
""",
    "stamps": r"""
head -n 5 ledger/checkpoint > $T/note
sed -n '/BEGIN CERT/s/\\n/\n/gp' ledger/trust | sed 's/^ *"//; s/",*$//' > $T/roots
for TOKEN in $(ls ledger/tokens 2> /dev/null); do
openssl ts -verify -in ledger/tokens/$TOKEN -data $T/note -CAfile $T/roots -no_check_time
done
rm -r $T
""",
}


def verify_text(language: str) -> tuple[str, bytes]:
    """Return the name and the bytes of the text in a language of `LANGUAGES`."""
    name = "VERIFY.txt" if language == "en" else f"VERIFY.{language}.txt"
    text = (_WORDS / f"{language}.txt").read_text(encoding="utf-8")
    for mark, commands in _COMMANDS.items():
        lines = "".join(f"       {line}\n" for line in commands.strip().split("\n"))
        text = text.replace(f"{{{mark}}}\n", f"{lines}\n")
    return name, text.encode()
