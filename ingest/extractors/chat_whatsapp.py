"""WhatsApp's exported chats: `_chat.txt` of iOS, `WhatsApp Chat with ….txt` of Android, zips.

Messages are counted, senders named, the first and last time given. The order of day and month is
that of the telephone's language: it is taken as told only where the file itself has a number
beyond 12, and said so; else the times stay as they are written. There is never a zone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import identifiers as ids
from ingest.normalise.written import AMBIGUOUS, order, written
from ingest.readers.containers import open_container
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable, size_of
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.tallies import Tally
from ingest.readers.whatsapp_lines import CHAT_NAME, START, lines, named, regular, stands

NAME = "chat_whatsapp"
VERSION = "WhatsApp chat reader 1"
FORMATS = frozenset({"whatsapp-chat", "whatsapp-chat-zip"})
_FILE = re.compile(r"<attached: |\(file attached\)|\(файл додано\)|\(файл добавлен\)|\(ملف مرفق\)")
_GONE = re.compile(
    r"<Media omitted>|<Медіа пропущено>|<Без медиафайлов>|<تم استبعاد الوسائط>|(?:image|video|audio"
    r"|sticker|document|GIF|Contact card) omitted"
)


def _is_chat(peek: Peek) -> bool:
    """Return whether most of a text's first lines begin as messages do."""
    head = peek.head[:8192]
    if b"\0" in head:  # no text
        return False
    first = head.decode("utf-8-sig", "replace").splitlines()[:20]
    return sum(1 for line in first if START.match(regular(line))) >= max(1, len(first) // 3)


CONTAINERS = {
    "whatsapp-chat": _is_chat,
    "whatsapp-chat-zip": lambda peek: any(CHAT_NAME.search(name) for name in peek.names),
}
SAMPLE = (
    "[14.05.24, 16:49:42] Оксана: hello\n[14.05.24, 16:50:01] +380 44 123 45 67: "
    "<attached: 00000002-PHOTO-2024-05-14.jpg>\nand more\n"
    "[15.05.24, 07:00:00] Оксана: image omitted\n"
).encode()


@dataclass(slots=True)
class _Chat:
    """What one chat came to."""

    tally: Tally = field(default_factory=lambda: Tally(conversations=1))
    first: tuple[str, str] | None = None  # the time made regular, and as it stands
    last: tuple[str, str] | None = None
    day_first: set[bool] = field(default_factory=set)
    told: int = 0  # lines that told the order


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the chat came to, or each chat of a zip."""
    budget = Budget()
    if "whatsapp-chat" in found.format.containers:
        yield from _chat(read_blocks(file, 0, size_of(file)), budget, "")
        return
    try:
        container = open_container(file, budget)
        for entry in container.entries if container else ():
            if CHAT_NAME.search(entry.path):
                yield from _in_zip(entry, budget)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))


def _in_zip(entry: Entry, budget: Budget) -> Iterator[Item]:
    if entry.read is None:
        yield Problem(f"{entry.path[:200]} cannot be read: encrypted, or packed in another way")
        return
    yield from _chat(entry.read(), budget, entry.path)


def _chat(blocks: Iterator[bytes], budget: Budget, name: str) -> Iterator[Item]:
    chat = _Chat()
    problem = ""
    try:
        for line in lines(blocks, budget):
            _take(line, chat)
    except (Unreadable, Exhausted) as error:
        problem = str(error)
    source = f"{VERSION} {name}"[:300].strip()
    yield from chat.tally.facts("WhatsApp (exported chat)", source)
    day_first = next(iter(chat.day_first)) if len(chat.day_first) == 1 else None
    for tag, pair in (("First", chat.first), ("Last", chat.last)):
        if pair is None:
            continue
        raw = pair[1]
        normal, doubt = written(pair[0], day_first=day_first)
        value = normal.value if normal else raw
        if len(chat.day_first) == 2:
            doubt = "the order of day and month changes within the file"
        zone = "unknown" if normal else None
        kind = "time" if normal else None
        yield Fact(f"Messages:{tag}", value, raw, source, zone, doubt, kind)
    if day_first is not None:
        said = "day first" if day_first else "month first"
        yield Fact("Messages:DateOrder", said, f"told by {chat.told} lines", source)
    elif chat.first and not re.match("[0-9]{4}", chat.first[0]):
        yield Fact("Messages:DateOrder", "unknown", AMBIGUOUS, source)
    if problem:
        yield Problem(problem)


def _take(line: str, chat: _Chat) -> None:
    plain = regular(line)
    found = START.match(plain)
    if not found:
        return
    raw, sender = found[1], found[2]
    told_at = (raw, stands(line, plain))
    chat.first, chat.last = chat.first or told_at, told_at
    numbers = re.split(r"[./-]", raw.split(",")[0].split(" ")[0])
    if len(numbers) == 3 and len(numbers[0]) < 4:
        told = order(int(numbers[0]), int(numbers[1]))
        if told is not None and numbers[0].lstrip("0") != numbers[1].lstrip("0"):
            chat.day_first.add(told)
            chat.told += 1
    if sender is None:
        return  # a notice of WhatsApp's own
    chat.tally.count += 1
    name = named(sender)
    chat.tally.participant(name, ids.telephone(name) or ids.person(name))
    rest = plain[found.end() :]
    attached, gone = bool(_FILE.search(rest)), bool(_GONE.search(rest))
    chat.tally.media += attached or gone
    chat.tally.missing += gone
