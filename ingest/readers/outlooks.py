"""What lies in an Outlook message (msg): its texts by their number, and what is attached to it."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import olefile

from ingest.readers.members import Entry, Unreadable

VERSION = f"olefile {olefile.__version__}"
MARK = "__properties_version1.0"
MOST_STREAM = 1 << 20
MOST_ATTACHMENT = 64 << 20
MOST_STORAGES = 500
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Attached:
    """One attachment: its name, and the stream that holds it; None: a message of its own."""

    name: str
    size: int
    stream: str | None


def opened(file: BinaryIO) -> Any:
    """Return a message to be read.

    Raises:
        Unreadable: it is damaged.
    """
    try:
        return olefile.OleFileIO(file)
    except Exception as error:  # olefile raises many kinds on broken files
        raise Unreadable(f"OLE: {type(error).__name__}: {error}"[:200]) from error


def storages(message: Any, begin: str) -> list[str]:
    """Return the storages whose names begin so, in order."""
    found = {entry[0] for entry in message.listdir() if entry[0].startswith(begin)}
    return sorted(found)


def text(message: Any, folder: str, number: int) -> str:
    """Return a text property, in Unicode or in the eight-bit form."""
    place = f"{folder}/" if folder else ""
    for kind, coding in (("001F", "utf-16-le"), ("001E", "cp1252")):
        stream = f"{place}__substg1.0_{number:04X}{kind}"
        if message.exists(stream) and message.get_size(stream) <= MOST_STREAM:
            data = message.openstream(stream).read()
            return re.sub("\0+$", "", data.decode(coding, "backslashreplace"))
    return ""


def attached(message: Any) -> Iterator[Attached]:
    """Yield what is attached, as far as it is counted."""
    for folder in storages(message, "__attach_version1.0_#")[:MOST_STORAGES]:
        name = text(message, folder, 0x3707) or text(message, folder, 0x3704) or folder
        stream = f"{folder}/__substg1.0_37010102"
        if message.exists(stream):
            yield Attached(name[:_SHOWN], message.get_size(stream), stream)
        else:
            yield Attached(name[:_SHOWN], 0, None)


def members(file: BinaryIO) -> Iterator[Entry]:
    """Yield what is attached as members; a message within would be written anew: not read.

    Raises:
        Unreadable: the message is damaged from here on.
    """
    with contextlib.closing(opened(file)) as message:
        try:
            for one in attached(message):
                entry = Entry(one.name, one.size)
                if one.stream is not None and one.size <= MOST_ATTACHMENT:
                    entry.read = partial(_whole, message, one)
                yield entry
        except (OSError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise Unreadable(f"OLE: {type(error).__name__}: {error}"[:200]) from error


def _whole(message: Any, one: Attached) -> Iterator[bytes]:
    try:
        data: bytes = message.openstream(one.stream).read()
    except Exception as error:  # olefile raises many kinds on broken files
        raise Unreadable(f"OLE: {type(error).__name__}: {error}"[:200]) from error
    if len(data) != one.size:
        raise Unreadable("it has another size than the message says")
    yield data
