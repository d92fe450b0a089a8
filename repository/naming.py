"""Identifiers as people write them, and file names as evidence has them."""

import base64
import re
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from repository.errors import BadRequest

_CASE = re.compile(r"[A-Z0-9]{2,12}", re.ASCII)
CODENAME_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another
_CODENAME = re.compile(rf"ID-[{CODENAME_LETTERS}]{{4}}-[{CODENAME_LETTERS}]{{4}}", re.ASCII)
_NUMBER = re.compile(r"([A-Z0-9]{2,12})-([0-9]{6,9})", re.ASCII)  # a serial fits its column


def case_code(text: str) -> str:
    """Return a case code.

    Raises:
        BadRequest: not 2 to 12 of A-Z and 0-9.
    """
    if not _CASE.fullmatch(text):
        raise BadRequest(f"a case code is 2 to 12 of A-Z and 0-9, not {shown(text)}")
    return text


def exhibit_number(code: str, serial: int) -> str:
    """Return the number of a case's serial-th exhibit: `KRN-000042`."""
    return f"{code}-{serial:06d}"


def split_number(number: str) -> tuple[str, int] | None:
    """Return case code and serial of an exhibit number, or None if it is none."""
    match = _NUMBER.fullmatch(number)
    return (match[1], int(match[2])) if match and len(number) <= 24 else None


def is_codename(text: str) -> bool:
    """Say whether this is written like a codename of the vault: `ID-7K3M-Q9RT`."""
    return _CODENAME.fullmatch(text) is not None


def file_name(number: str, part: int | None) -> str:
    """Return what an exhibit's bytes are called outside: `KRN-000042.bin`, of parts `….2.bin`."""
    return f"{number}.bin" if part is None else f"{number}.{part}.bin"


def submission_id(text: str) -> str:
    """Return a submission's id in its one spelling.

    Raises:
        BadRequest: not `SUB-` and a UUID.
    """
    try:
        return f"SUB-{UUID(text.removeprefix('SUB-'))}"
    except ValueError as error:
        raise BadRequest(f"a submission's id is SUB-<UUID>, not {shown(text)}") from error


def recorded_name(raw: bytes) -> str | dict[str, str]:
    """Return a file name as entries record it: text, or base64 where it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def of_recorded(found: object) -> bytes:
    """Return the raw name that `recorded_name` made this of.

    Raises:
        ValueError: neither text of Unicode characters nor base64 in its object.
    """
    if isinstance(found, str):
        return found.encode()
    if isinstance(found, dict) and set(found) == {"base64"} and isinstance(found["base64"], str):
        return base64.b64decode(found["base64"], validate=True)
    raise ValueError("neither text nor base64")


def instant(text: str) -> datetime:
    """Return a date or time that people wrote, as an aware time; without a zone it is UTC.

    Raises:
        BadRequest: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("a time is a date or like 2027-01-31T18:00:00+01:00") from error


def name_digest(raw: bytes) -> str:
    """Return the hex SHA-256 of a name, by which tables find it whatever its length."""
    return sha256(raw).hexdigest()


def shown(name: object) -> str:
    """Return evidence text for a screen: control, bidirectional and unprintable signs escaped."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "backslashreplace")
    if isinstance(name, dict):
        name = base64.b64decode(name["base64"]).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(name))
