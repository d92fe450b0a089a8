"""The report as PDF/A-3a and PDF/UA-1, made by Typst (`press`).

The same data gives the same bytes: fonts are ours alone, and the document's date is the report's.
Data is handed over as JSON and never becomes markup. Whether the file conforms is Typst's claim;
no independent PDF/A validator is run here.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import segno

from repository.exports.fonts import (
    CJK_FAMILY,
    FONTS,
    covered,
    font_paths,
    missing,
    needs_cjk,
)
from repository.exports.glyphs import display
from repository.exports.press import RenderFailed, printed
from repository.exports.typesetter import families

_AS_THEY_ARE = frozenset(
    {"kind", "form", "forms", "state", "id", "name", "outcome", "language", "direction", "page",
     "document"}
)  # fmt: skip
_NAMED = 12  # how many code points the list of what is left out names
_TALL = re.compile("[\u0590-\u1dff]")  # Hebrew, Arabic and everything Indic or South-East Asian
_FROM_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")  # letters of such scripts
_display = lru_cache(maxsize=4_096)(display)  # two of three texts are labels, met again and again
_SHORT = 60  # characters of case and marking in the running heads


def render(report: Mapping[str, Any]) -> bytes:
    """Return the PDF of a report that `report.compose` made.

    Characters that are not printed as themselves are shown as code points, and the list of what
    is left out says so.

    Raises:
        GlyphMissing: a letter of a script that no font has (`fonts`).
        RenderFailed: Typst refuses the document or warns about it, or the report is not one.
    """
    seen: Counter[str] = Counter()
    cjk = needs_cjk(json.dumps(report, ensure_ascii=False, default=str))
    try:
        at = datetime.fromisoformat(report["heading"]["generated_at"])
        running = {**report, "running": _running(report), "document": report["words"]["title"]}
        prepared = _prepared(running, covered(cjk), seen)
    except (KeyError, TypeError, ValueError) as error:
        raise RenderFailed(f"this is no report that can be printed: {error!r}") from error
    if seen:
        prepared["left_out"] = [*prepared["left_out"], _code_points(report["words"], seen)]
    return _dated("report.typ", prepared, at, cjk)


def render_page(template: str, data: Mapping[str, Any], *, at: datetime) -> bytes:
    """Return the PDF of a template in `assets` from data, as `render` makes it.

    Args:
        template: the file's name.
        data: texts, numbers, lists and mappings; never markup.
        at: the document's own date.

    Raises:
        GlyphMissing, RenderFailed: as `render`.
    """
    cjk = needs_cjk(json.dumps(data, ensure_ascii=False, default=str))
    prepared = _prepared(data, covered(cjk), Counter())
    return _dated(template, prepared, at, cjk)


def _dated(template: str, prepared: dict[str, Any], at: datetime, cjk: bool) -> bytes:
    fonts = font_paths(cjk)
    prepared["fonts"] = [
        *families([str(FONTS)]),
        *[name for name in families(map(str, fonts)) if name == CJK_FAMILY],
    ]
    prepared["date"] = {
        part: getattr(at, part) for part in ("year", "month", "day", "hour", "minute", "second")
    }
    return printed(template, prepared, fonts, int(at.timestamp()))


def _prepared(value: Any, covered: frozenset[int], seen: Counter[str]) -> Any:
    """Return the data with every text as it may be printed."""
    if isinstance(value, str):
        return _printed(value, covered, seen)
    if isinstance(value, Mapping):
        found = {
            key: inner if key in _AS_THEY_ARE else _prepared(inner, covered, seen)
            for key, inner in value.items()
            if not (value.get("kind") == "qr" and key in {"content", "alt"})
        }
        if value.get("kind") == "qr":
            found |= {"svg": _qr(value["content"]), "alt": value["alt"]}
        return found
    if isinstance(value, list | tuple):
        return [_prepared(inner, covered, seen) for inner in value]
    if value is None or isinstance(value, bool | int):
        return value
    raise TypeError(f"{type(value).__name__} is not data of a report")


def _printed(text: str, covered: frozenset[int], seen: Counter[str]) -> str | dict[str, Any]:
    shown = _display(text, covered)
    if shown.missing:
        raise missing(text, shown.missing)
    if shown.escaped:
        seen.update(shown.escaped)
    tall = bool(_TALL.search(text))
    if shown.plain and not tall:
        return text
    mixed = bool(_FROM_RIGHT.search(text))
    return {"rtl": shown.from_right, "mixed": mixed, "tall": tall, "pieces": shown.pieces}


def _running(report: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands on every page, cut where a line would overflow."""
    words, heading = report["words"], report["heading"]
    return {
        "title": words["title"],
        "volume": words["volume"] if "volume" in report else "",
        "reviewed": "" if report.get("reviewed", True) else words["not-reviewed"],
        "report": f"{words['report']} {_cut(heading['report_id'])}",
        "case": _cut(heading["case"]),
        "marking": _cut(heading["marking"] or ""),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def _code_points(words: Mapping[str, str], seen: Counter[str]) -> dict[str, str]:
    named = [f"{sign} ({count}×)" for sign, count in sorted(seen.items())[:_NAMED]]
    if len(seen) > _NAMED:
        named.append(words["more"].format(count=len(seen) - _NAMED))
    return {
        "what": words["code_points"].format(signs=", ".join(named)),
        "why": words["why.code_points"],
    }


def _qr(content: str) -> str:
    picture = io.BytesIO()
    segno.make(content, error="m", micro=False).save(picture, kind="svg", border=4, svgclass=None)
    return picture.getvalue().decode()
