"""Lists come a page at a time: how long a page is, and signed cursors that lead to the next one.

A cursor is opaque to clients and good for one list only: what it says is signed together with the
list's name, so that none can be made up, or taken from one list to another.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from typing import Any

from flask import request

from api.request import repo
from repository.errors import BadRequest

PAGE = 100
MAX_PAGE = 500
_SIGNED = 12  # bytes of the signature
# As the document of the API says it of every list with pages.
PARAMETERS: tuple[dict[str, Any], ...] = (
    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
    },
)


def limit() -> int:
    """Return how many items the asked page has.

    Raises:
        BadRequest: not a number from 1 to `MAX_PAGE`.
    """
    return number("limit", PAGE, 1, MAX_PAGE)


def number(name: str, default: int, least: int, most: int) -> int:
    """Return a number among the parameters of the request.

    Raises:
        BadRequest: it is none, or beyond its bounds.
    """
    text = request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,16}", text) or not least <= int(text) <= most:
        raise BadRequest(f"{name} is a number from {least} to {most}")
    return int(text)


def part_of(found: Iterable[Any]) -> dict[str, Any]:
    """Return the asked page of a list that is made anew each time, as the API answers it."""
    most, [place] = limit(), after("0")
    first = int(place)
    items = list(islice(found, first, first + most + 1))
    following = cursor(first + most) if len(items) > most else None
    return {"items": items[:most], "next": following}


def cursor(*place: object) -> str:
    """Return the cursor of what follows a place in the list that the request asks for."""
    said = "\n".join(str(part) for part in place).encode()
    return base64.urlsafe_b64encode(_sign(said) + said).decode().rstrip("=")


def after(*default: str) -> list[str]:
    """Return the place that the request's cursor stands for; without one, the default.

    Raises:
        BadRequest: it was not given out here, or for another list.
    """
    text = request.args.get("cursor")
    if text is None:
        return list(default)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    signed, said = raw[:_SIGNED], raw[_SIGNED:]
    if not hmac.compare_digest(signed, _sign(said)):
        raise BadRequest("this cursor was not given out for this list")
    return said.decode().split("\n")


def _sign(said: bytes) -> bytes:
    scope = [request.path, *(request.args.get(name, "") for name in ("case", "state"))]
    message = b"cursor\0" + "\0".join(scope).encode() + b"\0" + said
    return hmac.digest(repo().wrapping_key, message, sha256)[:_SIGNED]
