"""Times as people and reports write them: `14/09/2016 16:49:42(UTC-3)`, `9/14/16, 4:49 PM`.

The order of day and month depends on a locale that nobody wrote down. It is told only where one
of the two is beyond 12; else the text stays as it is and `AMBIGUOUS` says why.
"""

import re

from ingest.normalise import Normal
from ingest.normalise.times import iso

AMBIGUOUS = "day and month cannot be told apart"
_WRITTEN = re.compile(
    r"([0-9]{1,4})([./-])([0-9]{1,2})\2([0-9]{2,4}),?[\s\u202f\u00a0]+"
    r"([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"[\s\u202f\u00a0]*(?:([ap])\.?[\s\u202f\u00a0]?m\.?)?"
    r"\s*\(?(?:UTC|GMT)?\s*(?:([+-])([0-9]{1,2})(?::?([0-9]{2}))?)?\)?",
    re.I,
)


def written(text: str, *, day_first: bool | None = None) -> tuple[Normal | None, str | None]:
    """Return the time a text means, and why it means none.

    Args:
        text: the text.
        day_first: whether the day stands before the month, where something else told.

    >>> written("14/09/2016 16:49:42(UTC-3)")[0].value
    '2016-09-14T16:49:42-03:00'
    >>> written("10/09/2016 16:49:42")
    (None, 'day and month cannot be told apart')
    """
    plain = text.strip().replace("\u200e", "")
    normal = iso(plain)
    if normal is not None:
        return normal, None
    found = _WRITTEN.fullmatch(plain)
    if not found:
        return None, None
    first, second, third = found[1], found[3], found[4]
    if len(first) == 4:
        year, month, day = first, second, third
    elif len(third) in {2, 4}:
        year = third if len(third) == 4 else f"20{third}"
        if day_first is None:
            day_first = order(int(first), int(second))
        if day_first is None:
            return None, AMBIGUOUS
        day, month = (first, second) if day_first else (second, first)
    else:
        return None, None
    hour = int(found[5])
    if found[9]:
        hour = hour % 12 + (12 if found[9].lower() == "p" else 0)
    digits = f".{found[8]}" if found[8] else ""
    zone = ""
    if found[10]:
        zone = f"{found[10]}{int(found[11]):02}:{found[12] or '00'}"
    elif re.search(r"UTC|GMT", plain, re.I):
        zone = "Z"
    value = f"{year}-{int(month):02}-{int(day):02}T{hour:02}:{found[6]}:{found[7] or '00'}"
    return iso(f"{value}{digits}{zone}"), None


def order(first: int, second: int) -> bool | None:
    """Return whether the first of two numbers is the day; None: it cannot be told."""
    if first > 12 >= second:
        return True
    if second > 12 >= first:
        return False
    return True if first == second else None
