"""RFC 8785 canonical JSON for our subset: one object, one sequence of bytes.

The subset has no floating-point numbers, no integer beyond 2^53-1, no lone surrogates and no
duplicate keys, so two implementations cannot differ on it.

    >>> dumps({"b": 1, "a": "é"})
    b'{"a":"\\xc3\\xa9","b":1}'
"""

import json
from typing import Any

from custody.errors import NotCanonical

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32

_encode_string = json.JSONEncoder(ensure_ascii=False).encode


def dumps(value: Any) -> bytes:
    """Return the canonical bytes of a value of our subset (RFC 8785 §3.2).

    Raises:
        NotCanonical: the value holds a float, a large integer, a lone surrogate, a key that is no
            string, a type JSON does not know, or is nested deeper than 32.
    """
    parts: list[str] = []
    _write(value, parts.append, 0)
    try:
        return "".join(parts).encode()
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
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise NotCanonical(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise NotCanonical(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise NotCanonical("nested too deeply") from error


def _write(value: Any, out: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical(f"nested deeper than {MAX_DEPTH}")
    kind = type(value)
    if kind is str or isinstance(value, str):
        out(_encode_string(str(value)))
    elif value is None:
        out("null")
    elif kind is bool:
        out("true" if value else "false")
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotCanonical(f"integer {value} is beyond 2^53-1; store it as a string")
        out(str(value))
    elif isinstance(value, dict):
        _write_object(value, out, depth)
    elif isinstance(value, list | tuple):
        out("[")
        for number, item in enumerate(value):
            if number:
                out(",")
            _write(item, out, depth + 1)
        out("]")
    else:
        raise NotCanonical(f"{kind.__name__} has no canonical form here")


def _write_object(value: dict[Any, Any], out: Any, depth: int) -> None:
    if any(not isinstance(key, str) for key in value):
        raise NotCanonical("an object key is not a string")
    out("{")
    for number, key in enumerate(sorted(value, key=_utf16)):
        if number:
            out(",")
        out(_encode_string(key))
        out(":")
        _write(value[key], out, depth + 1)
    out("}")


def _utf16(key: str) -> str | bytes:
    # For ASCII the order by code point is the order by UTF-16 code unit, and much cheaper.
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
