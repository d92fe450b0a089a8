"""RFC 8785 canonical JSON for our subset: one object, one sequence of bytes.

The subset has no floating-point numbers, no integer beyond 2^53-1, no lone surrogates and no
duplicate keys, so two implementations cannot differ on it.

    >>> dumps({"b": 1, "a": "é"})
    b'{"a":"\\xc3\\xa9","b":1}'
"""

import json
from functools import lru_cache
from typing import Any

from custody.errors import NotCanonical

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32
_FEW = 24

_encode_string = json.encoder.encode_basestring  # escapes what RFC 8785 §3.2.2.2 says, no more


def dumps(value: Any) -> bytes:
    """Return the canonical bytes of a value of our subset (RFC 8785 §3.2).

    Raises:
        NotCanonical: the value holds a float, a large integer, a lone surrogate, a key that is no
            string, a type JSON does not know, or is nested deeper than 32.
    """
    try:
        return _text(value, 0).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds a lone surrogate; store such names as base64") from error


def loads(data: bytes) -> Any:
    """Parse canonical bytes, refusing every other form of the same value.

    Raises:
        NotCanonical: not JSON, or not byte for byte what `dumps` writes for the parsed value.
    """
    value = loads_any(data)
    if dumps(value) != data:
        raise NotCanonical("these bytes are JSON but not in canonical form (RFC 8785)")
    return value


def loads_any(data: bytes) -> Any:
    """Parse JSON of our subset in any layout: no duplicate keys, floats or non-finite numbers.

    Raises:
        NotCanonical: not UTF-8 JSON, or outside the subset.
    """
    try:
        return _READER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotCanonical(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise NotCanonical(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise NotCanonical("nested too deeply") from error


def _text(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return _encode_string(value)
    if kind is dict:
        return _object(value, depth)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotCanonical(f"integer {value} is beyond 2^53-1; store it as a string")
        return str(value)
    if isinstance(value, str):
        return _encode_string(str(value))
    if isinstance(value, list | tuple):
        if depth >= MAX_DEPTH:
            raise NotCanonical(f"nested deeper than {MAX_DEPTH}")
        return "[" + ",".join([_text(item, depth + 1) for item in value]) + "]"
    if isinstance(value, dict):
        return _object(value, depth)
    raise NotCanonical(f"{kind.__name__} has no canonical form here")


def _object(value: dict[Any, Any], depth: int) -> str:
    if depth >= MAX_DEPTH:
        raise NotCanonical(f"nested deeper than {MAX_DEPTH}")
    keys = tuple(value)
    order = _known_order(keys) if len(keys) <= _FEW else _order(keys)
    return "{" + ",".join([name + _text(value[key], depth + 1) for key, name in order]) + "}"


def _order(keys: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Return the keys as they are written: in order, each with its encoded name and colon."""
    try:
        # For ASCII the order by code point is the order by UTF-16 code unit, and much cheaper.
        found = sorted(keys) if "".join(keys).isascii() else sorted(keys, key=_utf16)
    except TypeError as error:
        raise NotCanonical("an object key is not a string") from error
    return [(key, f"{_encode_string(key)}:") for key in found]


# Entries have a few dozen sets of keys between them; sorting these was a tenth of an append.
_known_order = lru_cache(maxsize=64)(_order)


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("an object names the same key twice")
    return found


def _refuse_number(text: str) -> Any:
    raise NotCanonical(f"{text[:40]} is not an integer; numbers here are integers")


def _integer(text: str) -> int:
    if len(text) > 17:
        raise NotCanonical(f"integer {text[:20]}… is beyond 2^53-1")
    value = int(text)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise NotCanonical(f"integer {text} is beyond 2^53-1")
    return value


_READER = json.JSONDecoder(  # once: making one takes as long as reading a short text
    object_pairs_hook=_unique,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
    parse_int=_integer,
)
