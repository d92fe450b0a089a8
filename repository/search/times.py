"""Ranges of time as people ask for them, and what is said of a time against one.

A date is a day of UTC, a month or a year as long as it is written; a time of day is asked for with
its offset, for without one it may mean any of 26 hours.

>>> Range.of(after="2022-02-24", before="2022-03").text
'after 2022-02-24T00:00:00Z, before 2022-03-01T00:00:00Z'
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from repository.errors import BadQuery
from repository.matching.values import AFTER, BEFORE
from repository.naming import shown
from repository.search.cells import FIRST, LAST

_ASKED = re.compile(
    r"(?P<year>[0-9]{1,5})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_HOW = "write 2022, 2022-02, 2022-02-24 or 2022-02-24T05:00+02:00"


@dataclass(frozen=True, slots=True)
class Range:
    """From a second on, and up to another one, which is no more of it."""

    begin: int = FIRST
    end: int = LAST

    @classmethod
    def of(
        cls, *, after: str | None = None, before: str | None = None, between: str | None = None
    ) -> "Range":
        """Read what was asked for.

        Args:
            after: from its beginning on.
            before: up to its beginning.
            between: two with `..` between them: from the beginning of one to the end of the other.

        Raises:
            BadQuery: one cannot be read, has no offset, or the end is not after the beginning.
        """
        found = cls()
        if between is not None:
            first, dots, last = between.partition("..")
            if not dots:
                raise BadQuery("between is two times: 2022-02-24..2022-03-31")
            found = cls(_read(first)[0], _read(last)[1])
        if after is not None:
            found = cls(max(found.begin, _read(after)[0]), found.end)
        if before is not None:
            found = cls(found.begin, min(found.end, _read(before)[0]))
        if found.end <= found.begin:
            raise BadQuery("the time asked for ends before it begins; exchange the two")
        return found

    @property
    def text(self) -> str:
        """Return it as records have it."""
        said = []
        if self.begin > FIRST:
            said.append(f"after {written(self.begin)}")
        if self.end < LAST:
            said.append(f"before {written(self.end)}")
        return ", ".join(said) or "at any time"

    def holds(self, first: int, last: int) -> bool | None:
        """Say whether a time within two seconds is certainly in it; None: certainly not."""
        if self.begin <= first and last <= self.end:
            return True
        return False if first < self.end and last > self.begin else None


def written(second: int) -> str:
    """Return a second of 1970 as a time of UTC."""
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(second, LAST - 1))
    return found.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def stated(text: str) -> tuple[int, int] | None:
    """Return the seconds within which a time lies that a file or person states; None: it is none.

    One without a zone is all that it may mean, and a date is a day: `2024-05-01` is from the 30th
    of April, 10:00, to the second of May, 12:00 of UTC.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    day = re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text)
    first = last = _seconds(found if found.tzinfo else found.replace(tzinfo=UTC))
    last += 86_400 if day else 1
    if found.tzinfo is None:
        first -= int(BEFORE.total_seconds())
        last += int(AFTER.total_seconds())
    return max(first, FIRST), min(last, LAST)


def _read(text: str) -> tuple[int, int]:
    """Return the first second of what was written, and the first after it."""
    found = _ASKED.fullmatch(text.strip())
    if found is None:
        raise BadQuery(f"{shown(text[:40])} is no time; {_HOW}")
    year = int(found["year"])
    if not 1 <= year <= 9999:
        raise BadQuery(f"there is no year {year} to ask for; years are 1 to 9999")
    if found["hour"] and not found["zone"]:
        raise BadQuery(f"{shown(text)} has no offset, so it may be any of 26 hours; {_HOW}")
    if len(found["year"]) != 4:
        raise BadQuery(f"a year has four digits; {_HOW}")
    try:
        if found["hour"]:
            begin = _seconds(datetime.fromisoformat(found[0]))
            return begin, begin + (1 if found["second"] else 60)
        first = date(year, int(found["month"] or 1), int(found["day"] or 1))
        if found["day"]:
            end = first.toordinal() + 1
        elif found["month"]:
            end = (first.replace(day=28) + timedelta(days=4)).replace(day=1).toordinal()
        else:
            end = date(year, 12, 31).toordinal() + 1
    except (ValueError, OverflowError) as error:
        if (found["year"], found["month"]) == ("9999", "12") and not found["day"]:
            return _seconds(datetime(9999, 12, 1, tzinfo=UTC)), LAST
        raise BadQuery(f"{shown(text)} is no day or time that there is; {_HOW}") from error
    return _midnight(first.toordinal()), _midnight(end)


def _midnight(day: int) -> int:
    return (day - date(1970, 1, 1).toordinal()) * 86_400


def _seconds(moment: datetime) -> int:
    """Return whole seconds of 1970, without the rounding of floats far from it."""
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1))
