"""Mailboxes (mbox) mail by mail: where each lies, its head, its digest, and what it is called."""

from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser
from functools import partial
from hashlib import sha256
from typing import BinaryIO

from ingest.readers.mails import decoded, unfolded
from ingest.readers.members import Entry
from ingest.readers.streams import read_blocks

MOST_MAILS = 50_000
_MOST_HEAD = 65_536
_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of a box: the bytes behind the line that parts it from the one before."""

    number: int  # from 1
    start: int
    size: int
    head: bytes
    digest: str

    def headers(self) -> Message:
        """Return its headers, undecoded."""
        return BytesHeaderParser(policy=policy.compat32).parsebytes(self.head)


def begins(head: bytes) -> bool:
    """Return whether a file begins with the line that parts mails, and then with a header."""
    first, _, rest = head[:4096].partition(b"\n")
    name, colon, _ = rest.partition(b"\n")[0].partition(b":")
    return first.startswith(b"From ") and bool(colon) and name.replace(b"-", b"").isalnum()


def mails_of(file: BinaryIO) -> Iterator[Mail]:
    """Yield the mails of a box, one more than `MOST_MAILS` at most."""
    head = bytearray()
    number, start, size, at = 0, 0, 0, 0
    hasher, in_head = sha256(), True
    blank = True  # a line that parts mails stands behind an empty one
    file.seek(0)
    while line := file.readline(_LINE):  # one without an end in pieces: none fills the memory
        at += len(line)
        if blank and line.startswith(b"From "):
            if number:
                yield Mail(number, start, size, bytes(head), hasher.hexdigest())
                if number > MOST_MAILS:
                    return
                file.seek(at)  # whoever read the mail is elsewhere
            number, start, size, in_head, blank = number + 1, at, 0, True, False
            head.clear()
            hasher = sha256()
            continue
        blank = line in {b"\n", b"\r\n"}
        hasher.update(line)
        size += len(line)
        if in_head and blank:
            in_head = False
        if in_head and len(head) < _MOST_HEAD:
            head += line
    if number:
        yield Mail(number, start, size, bytes(head), hasher.hexdigest())


def name_of(mail: Mail, headers: Message) -> str:
    """Return what a mail is called as a member: its number and the beginning of its subject."""
    subject = decoded(unfolded(str(headers.get("Subject", ""))))[:200]
    return f"message={mail.number} {subject}".strip()


def members(file: BinaryIO) -> Iterator[Entry]:
    """Yield the mails of a box as members."""
    for mail in mails_of(file):
        read = partial(read_blocks, file, mail.start, mail.size)
        yield Entry(name_of(mail, mail.headers()), mail.size, read=read)
