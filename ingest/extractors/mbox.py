"""Mailboxes (mbox): how many mails, from when to when, between whom; each mail with its digest.

A mail of a box is found again by its number and its digest; its own headers are read by ingesting
it alone. Addresses are facts, at most 500 of them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Member, Problem
from ingest.normalise import Normal, fact, identifiers, times
from ingest.readers import mboxes
from ingest.readers.mails import unfolded

NAME = "mbox"
VERSION = "mbox reader 1"
LIMITS = LONG
_MBOX = "mbox"
FORMATS = frozenset({"application/mbox", _MBOX})
_ONE = (
    b"From someone@example.org Sun Jan  5 15:04:00 2020\nFrom: someone@example.org\n"
    b"To: other@example.org\nSubject: Bridge\nDate: Sun, 5 Jan 2020 15:04:00 +0200\n\ntext\n\n"
)
SAMPLE = _ONE + _ONE.replace(b"15:04:00 +0200", b"16:04:00 +0200")
MOST_ADDRESSES = 500
CONTAINERS = {_MBOX: lambda peek: mboxes.begins(peek.head)}


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield every mail as a member, then what the box comes to."""
    box = _Box()
    for mail in mboxes.mails_of(file):
        if box.count >= mboxes.MOST_MAILS:
            yield Problem(f"more than {mboxes.MOST_MAILS} mails: the others are not listed")
            break
        yield box.mail(mail)
    yield from box.facts()


class _Box:
    """What the mails of a box come to."""

    def __init__(self) -> None:
        self.count = 0
        self._undated = 0
        self._first: Normal | None = None
        self._last: Normal | None = None
        self._addresses: dict[str, Normal] = {}
        self._more = False

    def mail(self, mail: mboxes.Mail) -> Member:
        self.count += 1
        headers = mail.headers()
        moment = times.mail(unfolded(str(headers.get("Date", ""))))
        if moment is None:
            self._undated += 1
        else:
            self._first = min(self._first or moment, moment, key=_instant)
            self._last = max(self._last or moment, moment, key=_instant)
        for name in ("From", "To", "Cc"):
            for _, address in getaddresses([unfolded(str(headers.get(name, "")))[:20_000]])[:100]:
                normal = identifiers.address(address)
                if normal is not None and len(self._addresses) < MOST_ADDRESSES:
                    self._addresses.setdefault(normal.value, normal)
                elif normal is not None and normal.value not in self._addresses:
                    self._more = True
        at = moment.value if moment else None
        name = mboxes.name_of(mail, headers)
        return Member(name, mail.size, at, f"sha256:{mail.digest}")

    def facts(self) -> Iterator[Item]:
        yield Fact("Mail:MessageCount", str(self.count), str(self.count), VERSION)
        if self._first is not None and self._last is not None:
            yield fact("Mail:FirstDate", self._first.value, f"{VERSION} Date", self._first)
            yield fact("Mail:LastDate", self._last.value, f"{VERSION} Date", self._last)
        if self._undated:
            yield Problem(f"{self._undated} mails have no date that can be read", incomplete=False)
        for value, normal in self._addresses.items():
            yield fact("Mail:Address", value, f"{VERSION} From, To, Cc", normal)
        if self._more:
            yield Problem(f"more than {MOST_ADDRESSES} addresses; the others are not facts")


def _instant(moment: Normal) -> float:
    """Return what times are put in order by; one without a zone is taken as it stands."""
    found = datetime.fromisoformat(moment.value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
