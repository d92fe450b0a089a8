"""How a word is found in other forms of it: its stem, and how it sounds in other scripts.

Stems are Snowball's (Cyrillic by its Russian rules, which Ukrainian endings fit after `_ALIKE`;
Latin letters by its English ones). Other scripts are read by anyascii; of that only what the many
spellings of a name have in common is kept: its consonants, in classes.

>>> sound("шевченко") == sound("shevchenko") == sound("chevtchenko")
True
>>> sound("محمد") == sound("mohammed") == sound("muhamad")
True
"""

import re
import threading
from functools import lru_cache
from typing import Any

from anyascii import anyascii
from snowballstemmer import stemmer

_ALIKE = str.maketrans("іїєґыэё", "ииегиее")  # of Ukrainian, as Russian writes the sound
_SCRIPTS = (
    (re.compile("[\u0400-\u052f]"), "russian"),
    (re.compile("[\u0600-\u06ff]"), "arabic"),
    (re.compile("[a-z]"), "english"),
)
_LEAST = 3  # consonants: fewer are in too many words
_PLAIN = re.compile("[^a-z]")
_CLASSES = (
    # Letters that one sound is written with, the longest first.
    (re.compile("shch|sch|tsch|tch|tsh|sh|ch|ts|tz|cz|zh|dj|dzh|dz|z|j|c(?=[eiy])"), "s"),
    (re.compile("kh|gh|g|h"), "h"),
    (re.compile("ck|q|c|x"), "k"),
    (re.compile("ph"), "f"),
    (re.compile("dh|th"), "t"),
    (re.compile("[dt]"), "t"),
    (re.compile("b"), "p"),
)
_FIRST = re.compile("^(?:y|[aeiou])")
_AYN = re.compile("^[\u0627\u0639\u064a]")  # an Arabic word that begins with a vowel, or nearly
_LAST = re.compile("(?<![kgsczt])h$")  # of a feminine ending
_VOWELS = re.compile("[aeiouyw]")
_TWICE = re.compile(r"(.)\1+")
_local = threading.local()


@lru_cache(maxsize=1 << 16)
def stem(folded: str) -> str:
    """Return the stem of a folded word; the word itself where nothing is known of its script."""
    for script, language in _SCRIPTS:
        if script.search(folded):
            word = folded.translate(_ALIKE) if language == "russian" else folded
            if language == "arabic" and word.endswith("ه"):
                word = f"{word[:-1]}ة"  # folded before; the rules know it
            return str(_stemmer(language).stemWord(word)) or folded
    return folded


def _stemmer(language: str) -> Any:
    kept = _local.__dict__.setdefault("stemmers", {})  # they keep a state: one for each thread
    if language not in kept:
        kept[language] = stemmer(language)
    return kept[language]


@lru_cache(maxsize=1 << 16)
def sound(folded: str) -> str | None:
    """Return what a name sounds like in any script; None: too little of it to tell anything."""
    plain = _LAST.sub("", _PLAIN.sub("", anyascii(folded).lower()))
    first = "a" if _FIRST.match(plain) or _AYN.match(folded) else ""
    found = f"v{plain[1:]}" if plain.startswith("w") else plain
    for letters, one in _CLASSES:
        found = letters.sub(one, found)
    found = first + _VOWELS.sub("", found)
    found = _TWICE.sub(r"\1", found)
    return found if len(found) >= _LEAST else None
