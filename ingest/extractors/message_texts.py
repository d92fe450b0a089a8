"""What was said in messages, each with its time and sender: read only where it is asked for.

Of messengers' databases, chats that WhatsApp and Telegram export, and SMS backups. The first
messages are facts; all of them, as far as there is room, are one text for the index.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from ingest.extraction import Derivative, Fact, Found, Item, Limits, Problem
from ingest.readers import databases, message_texts
from ingest.readers.containers import open_container
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.message_texts import Said
from ingest.readers.streams import read_blocks
from ingest.readers.whatsapp_lines import CHAT_NAME

NAME = "message_texts"
VERSION = "message text reader 3"
ASKED = True
LIMITS: Limits = replace(databases.LIMITS, output_bytes=16 << 20)
FORMATS = frozenset(
    {
        "application/vnd.sqlite3", "application/x-sqlite3", "sqlite", "whatsapp-chat",
        "whatsapp-chat-zip", "telegram-export", "telegram-export-zip", "sms-backup",
    }
)  # fmt: skip
MOST_FACTS = 9_000
MOST_TEXT = 15 << 20  # bytes
SAMPLE = (
    b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
    b'<smses count="1"><sms address="+380441234567" date="1714548600000" type="1"'
    b' body="hello" /></smses>\n'
)
_STREAMS: dict[str, Callable[[Iterator[bytes], Budget], Iterator[Said]]] = {
    "whatsapp-chat": message_texts.of_whatsapp,
    "telegram-export": message_texts.of_telegram,
    "sms-backup": message_texts.of_sms,
}
_NAMES = {"whatsapp-chat": CHAT_NAME, "telegram-export": re.compile(r"(?:^|/)result\.json$")}


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the messages as facts, then as one text."""
    text = bytearray()
    count, left_out = 0, 0
    why = ""
    try:
        for one in _messages(file, found):
            count += 1
            if count <= MOST_FACTS:
                yield _fact(one)
            line = _line(one)
            if len(text) + len(line) <= MOST_TEXT:
                text += line
            else:
                left_out += 1
    except (Unreadable, Exhausted) as error:
        why = str(error)
    if text:
        yield Derivative.of("text", "text/plain", bytes(text), locator="messages")
    if count > MOST_FACTS:
        yield Problem(
            f"{MOST_FACTS} of {count} messages are facts; {count - left_out} are in the text"
        )
    if why:
        yield Problem(f"not all messages were read: {why}")


def _messages(file: BinaryIO, found: Found) -> Iterator[Said]:
    budget = Budget(14.0, 24.0)
    names = found.format.containers
    for name, read in _STREAMS.items():
        if name in names:
            yield from read(read_blocks(file, 0, size_of(file)), budget)
            return
    for name, wanted in _NAMES.items():
        if f"{name}-zip" in names:
            yield from _within(file, budget, wanted, _STREAMS[name])
            return
    database = databases.read_database(file, found.further, seconds=12.0)
    try:
        yield from message_texts.of_database(database)
    finally:
        database.close()


def _within(
    file: BinaryIO,
    budget: Budget,
    wanted: re.Pattern[str],
    read: Callable[[Iterator[bytes], Budget], Iterator[Said]],
) -> Iterator[Said]:
    container = open_container(file, budget)
    for entry in container.entries if container else ():
        if wanted.search(entry.path) and entry.read is not None:
            place = partial("{} {}".format, entry.path[:200])
            for one in read(entry.read(), budget):
                yield replace(one, place=place(one.place))


def _fact(one: Said) -> Fact:
    when = one.when.value if one.when else one.moment
    source = f"{VERSION} {one.application} {one.place}, {when}, {one.sender}"
    where = f"message={one.place}"
    return Fact("Message:Text", one.text, one.text, source[:500], locator=where)


def _line(one: Said) -> bytes:
    when = one.when.value if one.when else one.moment
    words = " ".join(one.text.split())
    return f"{when}\t{one.sender}\t{words}\n".encode("utf-8", "backslashreplace")
