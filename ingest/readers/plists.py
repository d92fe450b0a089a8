"""Property lists of Apple, binary and XML, as plain values; cycles and depth do no harm.

`plistlib` raises whatever comes to it on damaged files; here it is one error. A list may refer to
itself, so values are looked at by key and never walked through.
"""

import plistlib
from collections.abc import Mapping
from datetime import datetime

from ingest.normalise import Normal
from ingest.readers.members import Unreadable

MAGICS = (b"bplist0", b"<?xml", b"<!DOCTYPE plist", b"<plist")
MOST = 64 << 20


def is_plist(head: bytes) -> bool:
    """Return whether a file begins as a property list."""
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return plain.startswith(b"bplist0") or (plain.startswith(MAGICS) and b"<plist" in plain[:1024])


def load(data: bytes) -> Mapping[str, object]:
    """Return the dictionary a property list holds.

    Raises:
        Unreadable: it is damaged, too large, or no dictionary.
    """
    if len(data) > MOST:
        raise Unreadable(f"a property list of more than {MOST} bytes")
    try:
        found = plistlib.loads(data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t "))
    except Exception as error:  # what plistlib raises on damage is not declared
        raise Unreadable(f"the property list is damaged: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise Unreadable("the property list is no dictionary")
    return found


def text(values: Mapping[str, object], key: str) -> str:
    """Return a value as text; empty: it is not there, or is no simple value."""
    value = values.get(key)
    if isinstance(value, bool | int | float | str):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else ""


def moment(value: object) -> Normal | None:
    """Return a date of a property list, which is UTC by the format."""
    if not isinstance(value, datetime):
        return None
    return Normal("time", f"{value.isoformat(timespec='seconds')}Z", "UTC")


def inner(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return a dictionary inside; empty: there is none."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}
