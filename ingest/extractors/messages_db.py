"""Databases of messengers and telephones: how many messages and calls, with whom, and when.

WhatsApp, Telegram, SMS and MMS, iMessage, calls, contacts, accounts, Hangouts, imo, Tango, Viber,
Messenger, Skype (`ingest.readers.app_databases` has one row for each). What was said is not read.
Encrypted ones, WhatsApp's crypt12 to crypt15 and Signal's backups, are named as such.
"""

import base64
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Inhibitor, Item, Problem
from ingest.readers import app_databases, databases
from ingest.readers.members import Exhausted, Unreadable
from ingest.readers.peek import Peek

NAME = "messages_db"
LIMITS = databases.LIMITS
VERSION = "message database reader 2"
FORMATS = frozenset(
    {
        "application/vnd.sqlite3",
        "application/x-sqlite3",
        "sqlite",
        "whatsapp-crypt",
        "signal-backup",
    }
)
_MOST_VARIETY = 150  # different bytes among 1000: packed or encrypted content has more


def _is_crypt(peek: Peek) -> bool:
    """Return whether a file is a WhatsApp backup of crypt12, crypt14 or crypt15."""
    head = peek.head
    if peek.size < 1200 or len(set(head[200:1200])) < _MOST_VARIETY:
        return False
    if head[:2] == b"\0\1" and head[2] in {1, 2}:
        return True
    return (
        head[0] > 40
        and head[1] in {1, 8}
        and bool(re.search(rb"[0-9]\.[0-9]{2}\.[0-9]{1,3}\.[0-9]{1,3}", head[:300]))
    )


def _is_signal(peek: Peek) -> bool:
    """Return whether a file is a backup of Signal for Android: a framed header with IV and salt."""
    head = peek.head
    framed = 50 <= int.from_bytes(head[:4], "big") <= 100
    return framed and head[4:5] == b"\n" and head[6:8] == b"\n\x10" and head[24:26] == b"\x12\x20"


CONTAINERS = {"whatsapp-crypt": _is_crypt, "signal-backup": _is_signal}
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNoLDvTJLElVSMsvyk0sUTBmYGJgZGRwUFBggAAWBgRgRuMzMhAJeMGaLzAwdjNqASmagghmdnFRUcZG4ZLEpJzU"
        "5IzEEhBmcQ5ydQxxVQhxdPJxVQCJKGgE+Yd7uih4+oW4ursGKQQEefo6BkUqeLtG6oAVxGempOaVZKZlphYphLhG"
        "hGjGM7GLS0oyNkqCTc5IzEuBkcwopkPE8JqfmQI2UkehOLWoLDM5FWJBMSO7uLQ0Y6Mt2ILc1OLixHQYxYRiBVQQ"
        "rx0lqRUlOgopicDIhcrrQJ0G9JmOQlpRfm58bqomKG6YGE8wMD4BEqNgyAIpJjYGVTZOzuLU5KLUEoXy/KKUYi7z"
        "9ZXJDxcwSDGC5ThQ5ZYliuZD8iYj4ysGIBoFwxqIMLIwqAtrG1sYmJgYGhmbmJqZB/sGQ+L/HQMQjYJhDwQYmRnU"
        "UZIAACnJgEc="
    )
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield counts, times and participants, of whatever application is known."""
    for container, application in (
        ("whatsapp-crypt", "WhatsApp (encrypted backup)"),
        ("signal-backup", "Signal (encrypted backup)"),
    ):
        if container in found.format.containers:
            yield Fact("Messages:Application", application, application, VERSION)
            yield Inhibitor("encrypted")
            return
    try:
        database = databases.read_database(file, found.further, seconds=12.0)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    try:
        yield from app_databases.facts(database, VERSION)
    finally:
        database.close()
