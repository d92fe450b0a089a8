"""How evidence text may stand on a page: which characters are printed, escaped, or stop the export.

A name is evidence: it may hide its extension behind U+202E, be 10,000 characters long, or be
written in a script the fonts lack. `display` is the one place that decides. Its rules:

1. control, direction-changing and invisible characters are shown as `U+202E`, never obeyed;
2. a letter of a script that no font has stops the export; every other sign without a glyph is
   shown as its code point;
3. in text with right-to-left letters, dates, digests, numbers and paths are isolated, so that they
   keep their order;
4. a long word is cut into pieces between which a line may break.
"""

import re
import struct
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Piece = tuple[str, str]  # "t" text, "e" escape, "b" part of a long word

_PLAIN = re.compile(r"(?:[!-~]{1,40}(?: |$))*")
_LETTER = r"0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f_"  # an accent ends no word
_LATIN = rf"[./\\]?[{_LETTER}][{_LETTER}./:+\-@#%&=~]*(?:\([{_LETTER}]+\))?"
_ISOLATED = re.compile(rf"{_LATIN}(?:,? {_LATIN})*")  # words that follow each other stay in order
_LRI, _PDI = "\u2066", "\u2069"
_LONG, _LONG_UNSPACED, _PIECE = 40, 240, 8
_DIGEST, _DIGEST_PIECE = re.compile(r"(?:[a-z0-9]+:)?[0-9a-f]+"), 16  # each piece costs a layout
# Scripts written without spaces; Typst breaks their lines by dictionary.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# Scripts in whose spelling joiners (and, without spaces, zero-width spaces) belong.
_JOINED = re.compile(r"[\u0600-\u08ff\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_JOINERS = "\u200b\u200c\u200d"
_INVISIBLE = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ACCENTS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_MAX_ACCENTS, _MAX_MARKS = 3, 8
_NOT_A_SCRIPT = re.compile(
    r" (LETTER|SYLLABLE|SIGN|IDEOGRAPH|UNIFIED|CAPITAL|SMALL|COMPATIBILITY)\b"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it may be printed: pieces in order, whether it reads from the right, and
    what is not printed as itself: `escaped` as code points, `missing` letters not at all.
    """

    pieces: tuple[Piece, ...]
    from_right: bool
    escaped: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Say whether the text can be printed as it is."""
        return len(self.pieces) == 1 and self.pieces[0][0] == "t" and not self.from_right


def display(text: str, covered: frozenset[int]) -> Shown:
    """Return a text as it may be printed with fonts that have glyphs for `covered`."""
    if _PLAIN.fullmatch(text) and not text.endswith(" "):
        return Shown((("t", text),), from_right=False, escaped=(), missing=())
    if text.isascii() and text.isprintable() and text == text.strip():  # most: nothing to decide
        return Shown(_joined(_words(text)), from_right=False, escaped=(), missing=())
    found = _escaped(text, covered)
    escaped = tuple(sign for kind, sign in found if kind == "e")
    missing = tuple(sign for kind, sign in found if kind == "m")
    readable = "".join(sign for kind, sign in found if kind == "t")
    first = next(
        (d for d in map(unicodedata.bidirectional, readable) if d in {"L", "R", "AL"}), "L"
    )
    mixed = any(unicodedata.bidirectional(c) in {"R", "AL", "AN"} for c in readable)
    pieces: list[Piece] = []
    for kind, run in _runs(found):
        if kind == "e":
            pieces.append(("e", run))
        else:
            pieces.extend(_isolated(run) if mixed else _words(run))
    return Shown(_joined(pieces), from_right=first != "L", escaped=escaped, missing=missing)


@cache
def coverage(folder: Path) -> frozenset[int]:
    """Return the code points for which some font file of the folder has a glyph."""
    fonts = sorted(file for file in folder.iterdir() if file.suffix in {".ttf", ".otf"})
    return frozenset().union(*(characters(file.read_bytes()) for file in fonts))


@cache
def scripts(covered: frozenset[int]) -> frozenset[str]:
    """Return the scripts (first words of character names) some font has letters of."""
    return frozenset(script_of(chr(code)).split()[0] for code in covered if chr(code).isalpha())


def script_of(sign: str) -> str:
    """Return the script of a letter by its Unicode name: `ETHIOPIC`, `OLD PERSIAN`, `CJK`."""
    name = unicodedata.name(unicodedata.normalize("NFKC", sign)[0], "UNKNOWN")
    return _NOT_A_SCRIPT.split(name)[0] or name


def code_point(sign: str) -> str:
    """Return how a character that is not printed is named: `U+202E`."""
    return f"U+{ord(sign):04X}"


def _escaped(text: str, covered: frozenset[int]) -> list[Piece]:
    """Return each character with what becomes of it: "t" printed, "e" escaped, "m" missing."""
    found: list[Piece] = []
    marks = _MAX_MARKS  # at the beginning no mark has a base to stand on
    for position, sign in enumerate(text):
        is_mark = unicodedata.category(sign)[0] == "M"
        marks = marks + 1 if is_mark else 0
        limit = _MAX_ACCENTS if _ACCENTS.match(sign) else _MAX_MARKS
        at_end = sign == " " and position in {0, len(text) - 1}
        kind = "e" if at_end or (is_mark and marks > limit) else _kind(sign, found, covered)
        if kind == "e":
            marks = _MAX_MARKS
        found.append((kind, code_point(sign) if kind == "e" else sign))
    return found


def _kind(sign: str, before: list[Piece], covered: frozenset[int]) -> str:
    if sign in _JOINERS and before and before[-1][0] == "t" and _JOINED.match(before[-1][1]):
        return "t"
    category = unicodedata.category(sign)
    if category in _HIDDEN or _INVISIBLE.match(sign):
        return "e"
    if ord(sign) in covered:
        return "t"
    if category[0] != "L" or all(ord(c) in covered for c in unicodedata.normalize("NFKC", sign)):
        return "e"  # no letter, or a mere form of letters we have (𝐓, Ａ)
    return "e" if script_of(sign).split()[0] in scripts(covered) else "m"


def _runs(found: list[Piece]) -> list[Piece]:
    """Join neighbouring printed characters into runs; each escape stays alone."""
    runs: list[Piece] = []
    text: list[str] = []
    for kind, sign in found:
        if kind == "e":
            runs.extend([("t", "".join(text))] if text else [])
            runs.append((kind, sign))
            text = []
        else:
            text.append(sign)
    return runs + ([("t", "".join(text))] if text else [])


def _isolated(run: str) -> list[Piece]:
    pieces: list[Piece] = []
    end = 0
    for match in _ISOLATED.finditer(run):
        pieces.extend(_words(run[end : match.start()]))
        pieces.extend([("t", _LRI), *_words(match[0]), ("t", _PDI)])
        end = match.end()
    return pieces + _words(run[end:])


def _words(run: str) -> list[Piece]:
    """Cut words too long for a line into pieces, never between a letter and its marks."""
    pieces: list[Piece] = []
    for word in re.split(r"( +)", run):
        limit = _LONG_UNSPACED if _UNSPACED.search(word) else _LONG
        if len(word) <= limit or word.isspace():
            pieces.append(("t", word))
            continue
        start, piece = 0, _DIGEST_PIECE if _DIGEST.fullmatch(word) else _PIECE
        for position in range(1, len(word)):
            if position - start >= piece and not _clings(word[position - 1], word[position]):
                pieces.append(("b", word[start:position]))
                start = position
        pieces.append(("b", word[start:]))
    return pieces


def _clings(before: str, sign: str) -> bool:
    stacked = unicodedata.combining(before) == 9  # a virama: the next letter is written below
    return stacked or sign in _JOINERS or before in _JOINERS or unicodedata.category(sign)[0] == "M"


def _joined(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Join neighbouring plain pieces, so that letters keep their connections."""
    joined: list[Piece] = []
    for kind, text in pieces:
        if kind == "t" and joined and joined[-1][0] == "t":
            joined[-1] = ("t", joined[-1][1] + text)
        elif text:
            joined.append((kind, text))
    return tuple(joined) or (("t", ""),)


def characters(font: bytes) -> set[int]:
    """Return the code points of a font's cmap (OpenType §cmap, formats 4 and 12).

    Of a collection those of its first font.
    """
    begin = struct.unpack_from(">L", font, 12)[0] if font[:4] == b"ttcf" else 0
    tables = {}
    for number in range(struct.unpack_from(">H", font, begin + 4)[0]):
        tag, _, offset, _ = struct.unpack_from(">4sLLL", font, begin + 12 + 16 * number)
        tables[tag] = offset
    cmap = tables[b"cmap"]
    found: set[int] = set()
    for number in range(struct.unpack_from(">H", font, cmap + 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHL", font, cmap + 4 + 8 * number)
        form = struct.unpack_from(">H", font, cmap + offset)[0]
        if (platform, encoding) not in {(0, 3), (0, 4), (3, 1), (3, 10)}:
            continue  # not Unicode
        if form == 12:
            found |= _groups(font, cmap + offset)
        elif form == 4:
            found |= _segments(font, cmap + offset)
    return found


def _groups(font: bytes, at: int) -> set[int]:
    found: set[int] = set()
    for number in range(struct.unpack_from(">L", font, at + 12)[0]):
        first, last, glyph = struct.unpack_from(">LLL", font, at + 16 + 12 * number)
        found.update(range(first + (glyph == 0), last + 1))
    return found


def _segments(font: bytes, at: int) -> set[int]:
    count = struct.unpack_from(">H", font, at + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", font, at + 14)
    starts = struct.unpack_from(f">{count}H", font, at + 16 + 2 * count)
    deltas = struct.unpack_from(f">{count}H", font, at + 16 + 4 * count)
    offsets = struct.unpack_from(f">{count}H", font, at + 16 + 6 * count)
    found: set[int] = set()
    for number, (first, last) in enumerate(zip(starts, ends, strict=True)):
        place = at + 16 + 6 * count + 2 * number + offsets[number]
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = code
            if offsets[number]:
                glyph = struct.unpack_from(">H", font, place + 2 * (code - first))[0]
            if glyph and (glyph + deltas[number]) & 0xFFFF:
                found.add(code)
    return found
