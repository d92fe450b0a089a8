"""Code-names of words in the reporter's own language, which open a mailbox and stand nowhere.

The words are names of things in CLDR's annotations (Unicode licence), 256 in each language; those
in Sorani, which CLDR has not, are our own. A code-name has at least 56 bits by chance; of it only
a slow digest is kept (`repository.mailboxes`).
"""

import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh", "uk", "fa", "ckb", "my", "ti")
BITS = 56
MAX_TEXT = 300  # characters of a code-name as somebody types it


@cache
def words(language: str) -> tuple[str, ...]:
    """Return the words of a language, one of `LANGUAGES`: as many as a power of two."""
    text = (Path(__file__).parent / f"{language}.txt").read_text("utf-8")
    return tuple(text.split("\n")[:-1])


def draw(random: Callable[[int], bytes], language: str) -> str:
    """Return a new code-name: words in a row, each drawn by itself."""
    known = words(language)
    each = len(known).bit_length() - 1
    drawn = (int.from_bytes(random(2)) % len(known) for _ in range(-(-BITS // each)))
    return " ".join(known[one] for one in drawn)


def normal(text: str) -> str:
    """Return a code-name as it is compared: whatever stands between its words is one blank.

    >>> normal("  Lion-eagle,  DUCK ")
    'lion eagle duck'
    """
    folded = unicodedata.normalize("NFKC", text[:MAX_TEXT]).casefold()
    parts = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
    return " ".join(parts)
