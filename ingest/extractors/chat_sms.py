"""SMS Backup & Restore, and Signal's plaintext export in its form: XML of messages or calls.

Counted are messages (or calls), numbers, first and last time. The times are milliseconds since
1970 and so UTC. What was said is not read.
"""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import fact
from ingest.normalise.identifiers import telephone
from ingest.normalise.times import since
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.tallies import Tally
from ingest.readers.xmls import Node, nodes

NAME = "chat_sms"
VERSION = "SMS backup reader 1"
LIMITS = LONG
FORMATS = frozenset({"sms-backup"})


def _is_backup(peek: Peek) -> bool:
    """Return whether an XML's first element is that of the backup."""
    head = peek.head[:16_384]
    return (b"<smses" in head or b"<calls" in head) and b"<?xml" in head[:200]


CONTAINERS = {"sms-backup": _is_backup}
SAMPLE = (
    b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
    b'<smses count="2" backup_set="a-1" backup_date="1714550000000" type="full">\n'
    b'<sms protocol="0" address="+380441234567" date="1714548600000" type="1" body="hello" />\n'
    b'<mms address="+380441234567~+380447654321" date="1714549600500" m_type="132"><parts>'
    b'<part seq="0" ct="image/jpeg" data="AAAA" /></parts></mms>\n</smses>\n'
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the backup came to."""
    tally = Tally()
    declared, kind, problem = "", "SMS (backup)", ""
    try:
        for node in nodes(read_blocks(file, 0, size_of(file)), Budget(14.0, 24.0)):
            if node.text is not None:
                continue
            at = node.attributes
            match node.path:
                case ("smses",) | ("calls",):
                    declared = at.get("count", "")
                    kind = "Calls (backup)" if node.name == "calls" else kind
                    yield from _root(node)
                case (_, "sms" | "mms" | "call"):
                    tally.count += 1
                    when = at.get("date", "")
                    if when.isdecimal() and len(when) < 16:
                        tally.moment(when, since("unix", int(when), per_second=1000))
                    for number in (at.get("address") or at.get("number") or "").split("~")[:50]:
                        if number:
                            tally.participant(number, telephone(number))
                case (_, "mms", "parts", "part"):
                    tally.media += at.get("ct", "").startswith(("image/", "video/", "audio/"))
                case _:
                    pass
    except (Unreadable, Exhausted) as error:
        problem = str(error)
    yield from tally.facts(kind, VERSION)
    if declared.isdecimal() and int(declared[:12]) != tally.count:
        yield Fact(
            "Messages:DeclaredCount", declared, declared, VERSION, None, "not the number found"
        )
    if problem:
        yield Problem(f"the backup was not read to its end: {problem}")


def _root(node: Node) -> Iterator[Item]:
    made = node.attributes.get("backup_date", "")
    if made.isdecimal() and len(made) < 16:
        normal = since("unix", int(made), per_second=1000)
        yield fact("Messages:BackupDate", made, f"{VERSION} backup_date", normal)
