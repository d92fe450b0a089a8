"""Whatever holds members that can be taken out: archives, and mails, mailboxes, web archives."""

import itertools
import re
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from functools import partial
from typing import BinaryIO

from ingest.readers import ewf, hars, mails, mboxes, mhtmls, outlooks, pdfs, tars, warcs
from ingest.readers.containers import ZIP, Container, open_container
from ingest.readers.members import (
    BLOCK,
    Budget,
    Entry,
    FromBlocks,
    FromFile,
    Sequential,
    Unreadable,
    size_of,
)
from ingest.readers.streams import Inflate, gunzip, read_blocks, unpacked

MOST_MAIL = 64 << 20  # bytes of a mail whose attachments are taken out


def opened(file: BinaryIO, budget: Budget) -> Container | None:
    """Open a seekable file whose members are listed; None: it is none that is read here.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: it is damaged.
    """
    file.seek(0)
    head = file.read(BLOCK)
    if warcs.begins(head):
        found = _warc(warcs.warc_blocks(file), budget)
        packed = open_container(file, budget)  # a gzip is listed as the one file that it is, too
        if packed is not None:
            found.entries = itertools.chain(packed.entries, found.entries)
        return found
    if mboxes.begins(head):
        return Container("mbox", mboxes.members(file))
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return Container("msg", outlooks.members(file))
    if head.startswith(b"%PDF-"):
        return Container("pdf", pdfs.members(file))
    if hars.begins(head):
        return Container("har", hars.members(file, budget))
    other = open_container(file, budget) or _android(file, budget) or _mail(file)
    if mhtmls.begins(head):  # what is attached to a mail of that form is listed by its name, too
        named = other.entries if other is not None else iter(())
        return Container("mhtml", itertools.chain(named, mhtmls.members(file, budget)))
    return other


def only_listed(file: BinaryIO) -> bool:
    """Return whether members of such a file are listed by an extractor, and cannot be taken out."""
    file.seek(0)
    return file.read(8).startswith((ewf.L01, ewf.LX01))


def streamed(entry: Entry, container: Container, budget: Budget) -> Container | None:
    """Open a WARC in a WACZ, whatever its size, without holding it; None: it is none."""
    if container.kind != ZIP or entry.read is None:
        return None
    if not re.search(r"\.warc(?:\.gz)?$", entry.path):
        return None
    blocks = entry.read()
    return _warc(FromBlocks(gunzip(blocks) if entry.path.endswith(".gz") else blocks), budget)


def _warc(source: Sequential, budget: Budget) -> Container:
    problems: list[str] = []
    return Container("warc", warcs.members(source, budget, problems), problems)


def _android(file: BinaryIO, budget: Budget) -> Container | None:
    """Return an Android backup (.ab) as the tar that it holds; None: it is none."""
    file.seek(0)
    lines = file.read(4096).split(b"\n", 5)
    if lines[0] != b"ANDROID BACKUP" or len(lines) < 5:
        return None
    if lines[3] != b"none":
        return Container("android backup", iter(()), encrypted=True)
    start = sum(len(line) + 1 for line in lines[:4])
    source: Sequential = FromFile(file, start)
    if lines[2] == b"1":
        blocks = read_blocks(file, start, size_of(file))
        source = FromBlocks(unpacked(blocks, Inflate(15)))
    return Container("android backup", tars.members(source, budget, []))


def _mail(file: BinaryIO) -> Container | None:
    """Return a mail as a container of what is attached to it; None: it is none."""
    file.seek(0)
    data = file.read(MOST_MAIL + 1)
    if len(data) > MOST_MAIL:
        return None
    message = BytesParser(policy=policy.compat32).parsebytes(data.lstrip(b"\xef\xbb\xbf"))
    if not {"from", "date", "received", "message-id"} & {name.lower() for name in message}:
        return None

    def entries() -> Iterator[Entry]:
        try:
            for part, name, content in mails.named_parts(message):
                entry = Entry(name, len(content))
                if not part.is_multipart():  # a mail within would be written anew, not as it was
                    entry.read = partial(iter, [content])
                yield entry
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Unreadable(f"{type(error).__name__}: {error}"[:200]) from error

    return Container("mail", entries())
