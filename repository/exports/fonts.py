"""Which fonts a report is printed with: ours, and where its text asks for them, Debian's for CJK.

Chinese, Japanese and Korean are too large to carry along. `fonts-noto-cjk` is looked for where
Debian puts it, and only for text that needs it, so that every other report is the same everywhere.
"""

import re
from functools import cache
from pathlib import Path

from repository.errors import RepositoryError
from repository.exports.glyphs import characters, coverage, display, script_of

FONTS = Path(__file__).parent / "assets" / "fonts"
CJK = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
CJK_PACKAGE = "fonts-noto-cjk"
CJK_FAMILY = "Noto Sans CJK SC"
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")
_NEEDED = (  # scripts of East Asia, without the wide forms of Latin
    "\u1100-\u11ff\u2e80-\u2fdf\u3001-\u3003\u3005-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
_CJK = re.compile(f"[{_NEEDED}]")
_PRINTED_WITH_THEM = re.compile(f"[{_NEEDED}\u3000-\u303f\ufe30-\ufe4f\uff01-\uff65\uffe0-\uffe6]")


class GlyphMissing(RepositoryError):
    """The report's fonts lack a letter; the report is not made rather than printed with gaps."""

    code = "glyph-missing"


def needs_cjk(text: str) -> bool:
    """Say whether a text has letters of East Asia."""
    return bool(_CJK.search(text))


def font_paths(cjk: bool) -> list[Path]:
    """Return our folder, and that with Chinese, Japanese and Korean where they are needed."""
    return [FONTS, CJK.parent] if cjk and CJK.is_file() else [FONTS]


def covered(cjk: bool) -> frozenset[int]:
    """Return the code points that these fonts have."""
    return coverage(FONTS) | _cjk(CJK) if cjk and CJK.is_file() else coverage(FONTS)


def check_language(code: str) -> None:
    """Refuse a language whose fonts this machine lacks, before anything is begun.

    Raises:
        GlyphMissing: it names the package.
    """
    if code == "zh" and not CJK.is_file():
        raise GlyphMissing(
            f"a report in Chinese needs the font of the package {CJK_PACKAGE} at {CJK}; "
            "install it, or ask for another language"
        )


def check_printed(*texts: str | None) -> None:
    """Refuse words of an export that no report could print, before an entry repeats them for good.

    Raises:
        GlyphMissing: it names the letter, its script and where a font of it is.
    """
    for text in filter(None, texts):
        found = display(text, covered(needs_cjk(text))).missing
        if found:
            raise missing(text, found)


def missing(text: str, letters: tuple[str, ...]) -> GlyphMissing:
    """Return what is said of letters of a text that no font has."""
    script = script_of(letters[0])
    some = "".join(dict.fromkeys(letters))[:40]
    what = f"no font of the report has {some!r} ({script}) in {text[:80]!r}"
    if script.split()[0] in _EAST_ASIAN:
        return GlyphMissing(f"{what}; install the package {CJK_PACKAGE} and ask again")
    package = "fonts-noto-core or fonts-noto-extra"
    return GlyphMissing(f"{what}; put a font of it, from the package {package}, into {FONTS}")


@cache
def _cjk(file: Path) -> frozenset[int]:
    found = characters(file.read_bytes())
    return frozenset(code for code in found if _PRINTED_WITH_THEM.match(chr(code)))
