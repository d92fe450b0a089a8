"""Telegram's exports: result.json of one chat or of all, alone or in an archive; read as a stream.

Messages are counted, senders named by their ids, times given: where the export has `date_unixtime`
in UTC, else as the telephone's clock without a zone. The account that made the export is a fact.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import fact, times
from ingest.normalise import identifiers as ids
from ingest.readers.containers import open_container
from ingest.readers.jsons import Path, walk
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.tallies import Tally

NAME = "chat_telegram"
VERSION = "Telegram export reader 1"
LIMITS = LONG
FORMATS = frozenset({"telegram-export", "telegram-export-zip"})
MOST_CHATS = 3000
_OWNER = {
    "user_id": "AccountId", "first_name": "FirstName", "last_name": "LastName",
    "phone_number": "PhoneNumber", "username": "UserName",
}  # fmt: skip


def _is_export(peek: Peek) -> bool:
    """Return whether a JSON begins as Telegram's export does."""
    head = peek.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:8192]
    if head[:1] != b"{":
        return False
    whole = b'"personal_information"' in head or b"This page lists" in head or b'"about"' in head
    one = b'"messages"' in head and b'"type"' in head and b'"id"' in head
    return (
        (whole and b"Telegram" in peek.head)
        or (one and b'"date_unixtime"' in peek.head)
        or (one and b'"from_id"' in peek.head)
    )


CONTAINERS = {
    "telegram-export": _is_export,
    "telegram-export-zip": lambda peek: peek.has("result.json"),
}
SAMPLE = (
    b'{"name": "Krynytsia", "type": "private_group", "id": 4501, "messages": [\n'
    b'{"id": 1, "type": "message", "date": "2024-05-01T10:30:00", "date_unixtime": "1714548600",'
    b' "from": "Oksana", "from_id": "user77", "text": "hello"},\n'
    b'{"id": 2, "type": "message", "date": "2024-05-01T10:46:40", "date_unixtime": "1714549600",'
    b' "from": "Petro", "from_id": "user78", "text": "", "photo": "photos/p.jpg"}]}'
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the export came to."""
    budget = Budget(14.0, 24.0)
    if "telegram-export" in found.format.containers:
        yield from _export(read_blocks(file, 0, size_of(file)), budget)
        return
    try:
        container = open_container(file, budget)
        for entry in container.entries if container else ():
            if entry.path.rpartition("/")[2] == "result.json" and entry.read is not None:
                yield from _export(entry.read(), budget)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))


def _export(blocks: Iterator[bytes], budget: Budget) -> Iterator[Item]:
    tally = Tally()
    chats: set[Path] = set()
    problem = ""
    try:
        for path, value in walk(blocks, budget, lambda path: path[-1:] == ("messages",)):
            if len(path) >= 2 and path[-2] == "messages":
                chats.add(path[:-2])
                _message(value, tally)
            elif path[-1:] in {("name",), ("id",), ("type",)} and len(path) in {1, 4}:
                if len(chats) < MOST_CHATS:
                    yield from _chat(str(path[-1]), value)
            elif path[:1] == ("personal_information",) and len(path) == 2:
                yield from _owner(str(path[1]), value)
    except (Unreadable, Exhausted) as error:
        problem = str(error)
    tally.conversations = len(chats)
    yield from tally.facts("Telegram (export)", VERSION)
    if problem:
        yield Problem(f"the export was not read to its end: {problem}")


def _message(value: Any, tally: Tally) -> None:
    if not isinstance(value, dict) or value.get("type") not in ("message", "service"):
        return
    tally.count += value["type"] == "message"
    seconds = str(value.get("date_unixtime", ""))
    date = str(value.get("date", ""))[:40]
    if seconds.isdecimal() and len(seconds) < 12:
        tally.moment(seconds, times.since("unix", int(seconds)))
    else:
        tally.moment(date, times.iso(date))
    who = value.get("from_id") or value.get("actor_id")
    if isinstance(who, str) and who:
        tally.participant(who, ids.account("telegram", who, kind="id"))
    media = [value.get(key) for key in ("photo", "file", "thumbnail") if value.get(key)]
    if media:
        tally.media += 1
        tally.missing += any("not included" in str(each) for each in media)


def _chat(key: str, value: Any) -> Iterator[Item]:
    if isinstance(value, str | int) and str(value):
        text = str(value)[:300]
        yield Fact(f"Telegram:Chat{key.capitalize()}", text, text, f"{VERSION} {key}")


def _owner(key: str, value: Any) -> Iterator[Item]:
    if key in _OWNER and isinstance(value, str | int) and str(value):
        text = str(value)[:300]
        normal = {
            "user_id": lambda: ids.account("telegram", f"user{text}", kind="id"),
            "phone_number": lambda: ids.telephone(text),
            "username": lambda: ids.account("telegram", text),
        }.get(key, lambda: ids.person(text))()
        yield fact(f"Telegram:{_OWNER[key]}", text, f"{VERSION} personal_information", normal)
