"""Read JSON from outside: only texts that every reader understands alike (RFC 8259, RFC 7493)."""

import json
import math
import re
from typing import Any

from api.errors import MalformedJson

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
_BOM = b"\xef\xbb\xbf"
# A string that never ends is taken for one too: looking is linear in the length of the text.
_STRINGS_AND_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)


def read(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        MalformedJson: not UTF-8, a byte order mark, not JSON, bytes after the value, a key twice, a
            lone surrogate, an integer beyond 2^53, a number that is not finite, or nested deeper
            than 32.
    """
    if data.startswith(_BOM):
        raise MalformedJson("the text begins with a byte order mark; leave it out")
    if _depth(data) > MAX_DEPTH:
        raise MalformedJson(f"the text is nested deeper than {MAX_DEPTH}")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_int=_integer,
            parse_constant=_refuse,
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the text is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(
            f"the text is not JSON: {error.msg} at character {error.pos}"
        ) from error
    if any(_lone_surrogate(text) for text in texts(value)):
        raise MalformedJson("a string holds half a surrogate pair, which no UTF-8 can carry")
    return value


def texts(value: Any) -> list[str]:
    """Return every string of a value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in (key, *texts(one))]
    return [text for one in value for text in texts(one)] if isinstance(value, list) else []


def _depth(data: bytes) -> int:
    depth = deepest = 0
    for found in _STRINGS_AND_BRACKETS.finditer(data):
        sign = found[0]
        if sign in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif sign in (b"]", b"}"):
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("an object names the same key twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedJson("a number is too large to be read alike everywhere")
    return value


def _integer(text: str) -> int:
    if len(text) > 17 or not -MAX_INTEGER <= int(text) <= MAX_INTEGER:
        raise MalformedJson("an integer is beyond 2^53-1; readers would round it differently")
    return int(text)


def _refuse(_text: str) -> Any:
    raise MalformedJson("NaN and Infinity are no JSON")


def _lone_surrogate(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)
