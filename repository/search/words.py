"""Words made regular: one form for what people write in many ways, the same on every database.

>>> [word.folded for word in words("Мар\u2019яна ШЕВЧЕНКО, \u0661\u0669\u0664\u0661")]
['маряна', 'шевченко', '1941']
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

MOST_WORD = 80  # characters; what is longer is no word (a digest, a base64 line), its begin counts

_APOSTROPHES = "'`\u2019\u2018\u02bc\u02b9\u2032\uff07\u00b4"
# Scripts that are written without spaces between words.
_HAN = (
    "\u2e80-\u2fdf\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_SOUTHEAST = "\u0e00-\u0eff\u1780-\u17ff"
_MYANMAR = "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"
_SPACELESS = f"{_HAN}{_SOUTHEAST}{_MYANMAR}"
_ANY_SPACELESS = re.compile(f"[{_SPACELESS}]")
_RUN = re.compile(
    f"(?P<han>[{_HAN}]+)|(?P<southeast>[{_SOUTHEAST}]+)|(?P<myanmar>[{_MYANMAR}]+)|[^{_SPACELESS}]+"
)
_PLANES = 0x20000  # beyond these two planes there are neither marks nor digits, but for tags


@cache
def _marks() -> str:
    """Return all combining marks as ranges of a regular expression; without them few words hold."""
    found: list[list[int]] = []
    for n in range(0x300, _PLANES):
        if unicodedata.category(chr(n))[0] != "M":
            continue
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


@cache
def _regular() -> dict[int, str | None]:
    """Return what every digit becomes, and what is not seen at all (tatweel, joiners, marks)."""
    found: dict[int, str | None] = {0x0640: None}
    for n in range(0x80, _PLANES):
        one = chr(n)
        if one.isdecimal():
            found[n] = str(unicodedata.decimal(one))
        elif unicodedata.category(one) == "Cf":
            found[n] = None
    return found


@cache
def _word() -> re.Pattern[str]:
    one = f"[\\w{_marks()}]"
    return re.compile(f"{one}+(?:[{_APOSTROPHES}]{one}+)*")


_ASCII_WORD = re.compile(r"[A-Za-z0-9_]+(?:['`][A-Za-z0-9_]+)*")


@cache
def _unit(script: str) -> re.Pattern[str]:
    if script == "southeast":
        return re.compile(f"[^{_marks()}][{_marks()}]*|.")
    if script == "myanmar":
        # A syllable begins with a letter that is not stacked under another one, nor ends it (asat).
        return re.compile(
            "(?:[\u1000-\u102a\u103f\u104c-\u104f\u1050-\u1055]|[0-9]+|[\ua9e0-\ua9ff\uaa60-\uaa7f])"
            "(?:\u1039[\u1000-\u1021]|[\u102b-\u103e\u1056-\u109f]"
            "|[\u1000-\u1021](?=\u1037?\u103a))*|."
        )
    return re.compile(".")


_CYRILLIC = re.compile("[\u0400-\u052f]")
_LATIN = re.compile("[a-z\u00e0-\u024f]")
_ARABIC = re.compile("[\u0600-\u06ff]")
_LOOK_ALIKE = str.maketrans("aceopxyikhbmt", "асеорхуікнвмт")
_FOLDED_CYRILLIC = str.maketrans({"ґ": "г", "ё": "е", "ѝ": "и", **dict.fromkeys(_APOSTROPHES)})
_FOLDED_ARABIC = str.maketrans(
    {
        **dict.fromkeys("أإآٱٲٳ", "ا"), "ى": "ي", "ی": "ي", "ئ": "ي", "ې": "ي", "ؤ": "و",
        "ة": "ه", "ہ": "ه", "ھ": "ه", "ۀ": "ه", "ە": "ه", "ک": "ك", "ڪ": "ك", "ء": None,
    }
)  # fmt: skip
_VOWELS = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")


class Word(NamedTuple):
    """One word of a text: as written (casefolded), made regular, and what it is made of."""

    exact: str
    folded: str
    grams: bool = False  # of a script without spaces: found by what stands side by side
    capital: bool = False  # begins with a capital, or its script has none: it may be a name


def words(text: str) -> Iterator[Word]:
    """Yield the words of a text in order."""
    whole = regular(text)
    for found in (_ASCII_WORD if whole.isascii() else _word()).finditer(whole):
        if not _ANY_SPACELESS.search(found[0]):
            yield from _of_run(found[0])
            continue
        for run in _RUN.finditer(found[0]):
            if run.lastgroup is not None:
                yield Word(run[0], run[0], grams=True)
            else:
                yield from _of_run(run[0])


# A number with its country code, in groups: +380 50 123 45 67, +44 20-7946-0958, +1 (202) 555-0123.
_TELEPHONE = re.compile(r"\+[0-9]{1,4}(?:[ \u00a0.-]{1,2}\(?[0-9]{1,5}\)?){2,6}(?![0-9])")


def telephones(text: str) -> Iterator[str]:
    """Yield the telephone numbers that are written in groups, each as one word of digits.

    >>> list(telephones("call +380 (50) 123-45-67"))
    ['380501234567']
    """
    if "+" not in text and "\uff0b" not in text:
        return
    for found in _TELEPHONE.finditer(regular(text)):
        digits = "".join(one for one in found[0] if one.isdecimal())
        if 8 <= len(digits) <= 15:
            yield digits


# Arabic names that are written in two words or in one: Abd al-Rahman, Abu Bakr.
_APART = re.compile("(?<!\\w)(عبد|[أا]بو) +(?=[ء-ي]{3})")
_JOINED = re.compile("(?<!\\w)(عبد(?=ال[ء-ي]{2})|[أا]بو(?=[ء-ي]{3}))")


def respelled(text: str) -> str | None:
    """Return a text with its Arabic names in one word instead of two, or in two instead of one.

    None: it has no such names.

    >>> respelled("محمد عبد الرحمن"), respelled("محمد عبدالرحمن")
    ('محمد عبدالرحمن', 'محمد عبد الرحمن')
    """
    if not _ARABIC.search(text):
        return None
    plain = " ".join(_VOWELS.sub("", regular(text)).split())
    for names, other in ((_APART, r"\1"), (_JOINED, r"\1 ")):
        if names.search(plain):
            return names.sub(other, plain)
    return None


def spans(text: str) -> Iterator[tuple[int, int, Word]]:
    """Yield the words of a text with where each begins and ends in it, as it is written there."""
    for found in _written().finditer(text):
        for run in _RUN.finditer(found[0]):
            begin, end = found.start() + run.start(), found.start() + run.end()
            for word in words(run[0]):
                yield begin, end, word


@cache
def _written() -> re.Pattern[str]:
    one = f"[\\w{_marks()}\u00ad\u200c\u200d\u2060]"  # signs that are not seen join, too
    return re.compile(f"{one}+(?:[{_APOSTROPHES}]{one}+)*")


def regular(text: str) -> str:
    """Return a text in one Unicode form, its digits ASCII, without invisible characters."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(_regular())


@lru_cache(maxsize=1 << 16)
def _of_run(run: str) -> tuple[Word, ...]:
    run = run.strip(_APOSTROPHES)[:MOST_WORD]
    if not run.strip("_"):
        return ()
    for mark in _APOSTROPHES:
        run = run.replace(mark, "'")
    exact = unicodedata.normalize("NFKC", run.casefold())
    cyrillic, arabic = bool(_CYRILLIC.search(exact)), bool(_ARABIC.search(exact))
    capital = arabic or run[0].isupper()
    if not cyrillic and "'" in exact:
        # l'église is two words, and O'Brien is found however it is written.
        parts = tuple(word for part in run.split("'") for word in _of_run(part))
        whole = _folded(exact, cyrillic=False, arabic=arabic).replace("'", "")
        return (*(parts if len(parts) > 1 else ()), Word(exact, whole, capital=capital))
    folded = _folded(exact, cyrillic=cyrillic, arabic=arabic)
    return (Word(exact, folded, capital=capital),) if folded else ()


def _folded(exact: str, *, cyrillic: bool, arabic: bool) -> str:
    if cyrillic:
        if _LATIN.search(exact):
            exact = exact.translate(_LOOK_ALIKE)
        return exact.translate(_FOLDED_CYRILLIC)
    if arabic:
        return _VOWELS.sub("", exact).translate(_FOLDED_ARABIC)
    plain = unicodedata.normalize("NFD", exact)
    if plain == exact:
        return exact
    if not _LATIN.search(plain):  # of Indic scripts marks are letters
        return exact
    return "".join(one for one in plain if not unicodedata.combining(one))


def units(run: str) -> list[str]:
    """Return what a run of a script without spaces is made of: characters, or syllables.

    >>> units("\u1019\u103c\u1014\u103a\u1019\u102c")
    ['မြန်', 'မာ']
    """
    found = _RUN.match(run)
    script = found.lastgroup if found else None
    return [one[0] for one in _unit(script or "han").finditer(run)]


def grams(run: str) -> Iterator[str]:
    """Yield every one, two and three units that stand side by side."""
    made = units(run)
    for size in (1, 2, 3):
        for n in range(len(made) - size + 1):
            yield "".join(made[n : n + size])


def asked_grams(run: str) -> list[str]:
    """Return the fewest grams by which a run is looked for: all of three, or the run itself."""
    made = units(run)
    if len(made) <= 3:
        return ["".join(made)]
    return list(dict.fromkeys("".join(made[n : n + 3]) for n in range(len(made) - 2)))
