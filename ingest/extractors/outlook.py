"""Outlook messages (msg): the internet headers it keeps, sender, recipients, times, attachments.

Times in the message's own properties are UTC by the specification. Bodies are not facts.
"""

import base64
import contextlib
import zlib
from collections.abc import Iterator
from email import policy
from email.parser import HeaderParser
from hashlib import sha256
from typing import Any, BinaryIO

from ingest.extraction import Fact, Found, Item, Member, Problem
from ingest.normalise import fact, identifiers, times
from ingest.readers import mails, outlooks
from ingest.readers.members import Unreadable
from ingest.readers.peek import Peek

NAME = "outlook"
VERSION = f"{outlooks.VERSION}, msg reader 1"
_MSG = "outlook-message"
FORMATS = frozenset({"application/vnd.ms-outlook", _MSG})
_MARK = outlooks.MARK.encode("utf-16-le")
CONTAINERS = {_MSG: lambda peek: peek.head[:4] == b"\xd0\xcf\x11\xe0" and _holds(peek)}
# A message of our own without a body: headers, a subject and a time.
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNrt2stKAlEcBvBPzUrLyi52WbmukLELkoRImIuW9QBWJCKUipeoN2nbI9QrtGlXm/b1IGXfHI9gUTRCi4zvN3xz"
        "zpzDnL94ZNzM40P0+fpm6QWfZBDAWzuE4Z4xn40xBc63226327raMlBeGXf/Aty7ISbIuHs+wowyIbu/Y2zHmQgz"
        "wUx2fgKI2vkZtrPMHBNj5pkFZtHOy9+0jyqPJuLYRYVtHZfoRwxBX3ctn8d7ep8XBR41Vq3yXGTbRJltg6Pn5rrB"
        "6yo/WRIJOF+s5cBv6vvts8dLfb99fnXrN9DCMc9NlGydAuNgHSnTJpH/dq1lWz/QR/2wx/op5DzX7/JSf7qn/k+y"
        "2Or8BxzeXt3fPfkgIiIiIiIiIgNnB3WUcYISivoyRERERERERP6pvHn34gxpxHFgekXzvkWR19tofBjJMhc44kgN"
        "p+wnOF5HCRlEEEaOM02OdlZq8Y5V9jaZPc5U2K7BMYkjyfE0exvm7I6s2DnHrCUiIiIiIiIiv+kdXNLHGg=="
    )
)

_TEXTS = {
    0x0037: "Subject", 0x0C1A: "SenderName", 0x0042: "SentRepresentingName", 0x0E04: "DisplayTo",
    0x0E03: "DisplayCc", 0x0E02: "DisplayBcc", 0x1035: "Message-ID", 0x1042: "In-Reply-To",
    0x0070: "ConversationTopic", 0x001A: "MessageClass", 0x3FFA: "LastModifierName",
}  # fmt: skip
_ADDRESSES = {0x0C1F: "Sender", 0x5D01: "Sender", 0x0065: "From", 0x5D02: "From"}
_MOMENTS = {
    0x0039: "ClientSubmitTime", 0x0E06: "DeliveryTime", 0x3007: "CreateDate",
    0x3008: "ModifyDate",
}  # fmt: skip
_HEADERS = 0x007D
_SHOWN = 2000


def _holds(peek: Peek) -> bool:
    """Return whether the directory, wherever it lies, names a message's properties."""
    if _MARK in peek.head:
        return True
    start = int.from_bytes(peek.head[48:52], "little")
    peek.file.seek(512 * (start + 1))
    return _MARK in peek.file.read(65_536)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the internet headers, then the message's own properties, then what is attached."""
    try:
        message = outlooks.opened(file)
    except Unreadable as error:
        yield Problem(str(error))
        return
    with contextlib.closing(message):
        for part in (_headers, _properties, _recipients, _attachments):
            try:
                yield from part(message)
            except Exception as error:  # noqa: BLE001  (one broken part costs no other)
                reason = f"msg, {part.__name__.strip('_')}: {type(error).__name__}: {error}"
                yield Problem(reason[:200])


def _headers(message: Any) -> Iterator[Item]:
    text = outlooks.text(message, "", _HEADERS)
    if text:
        parsed = HeaderParser(policy=policy.compat32).parsestr(text)
        headers = [(name, str(value)) for name, value in parsed.items()]
        yield from mails.header_facts(headers, VERSION)


def _properties(message: Any) -> Iterator[Item]:
    for number, name in _TEXTS.items():
        text = outlooks.text(message, "", number)[:_SHOWN]
        if text:
            yield Fact(f"Mail:{name}", text, text, f"{VERSION} {number:04X}")
    for number, name in _ADDRESSES.items():
        text = outlooks.text(message, "", number)
        if text:
            yield fact(f"Mail:{name}", text, f"{VERSION} {number:04X}", identifiers.address(text))
    if not message.exists("__properties_version1.0"):
        return
    data = message.openstream("__properties_version1.0").read(outlooks.MOST_STREAM)
    for at in range(32, len(data) - 15, 16):
        kind, number = (int.from_bytes(data[at + n : at + n + 2], "little") for n in (0, 2))
        if kind == 0x40 and number in _MOMENTS:
            count = int.from_bytes(data[at + 8 : at + 16], "little")
            normal = times.since("windows", count, per_second=10_000_000)
            if normal is not None:
                short = normal.value.removesuffix("Z").rstrip("0").rstrip(".")
                normal = normal._replace(value=f"{short}Z" if len(short) >= 19 else normal.value)
                source = f"{VERSION} {number:04X}"
                yield fact(f"Mail:{_MOMENTS[number]}", str(count), source, normal)


def _recipients(message: Any) -> Iterator[Item]:
    folders = outlooks.storages(message, "__recip_version1.0_#")
    for folder in folders[: outlooks.MOST_STORAGES]:
        name = outlooks.text(message, folder, 0x3001)
        mail = outlooks.text(message, folder, 0x39FE) or outlooks.text(message, folder, 0x3003)
        if mail or name:
            raw = f"{name} <{mail}>" if name and mail else mail or name
            normal = identifiers.address(mail)
            yield fact("Mail:Recipient", raw[:_SHOWN], f"{VERSION} {folder}", normal)
    if len(folders) > outlooks.MOST_STORAGES:
        yield Problem(f"more than {outlooks.MOST_STORAGES} recipients")


def _attachments(message: Any) -> Iterator[Item]:
    for one in outlooks.attached(message):
        if one.stream is None:
            yield Member(one.name, 0, None, None, ("embedded",))  # a message of its own
            continue
        if one.size > outlooks.MOST_ATTACHMENT:
            yield Member(one.name, one.size, None, None, ("unread",))
            continue
        data = message.openstream(one.stream).read()
        yield Member(one.name, len(data), None, f"sha256:{sha256(data).hexdigest()}")
    if len(outlooks.storages(message, "__attach_version1.0_#")) > outlooks.MOST_STORAGES:
        yield Problem(f"more than {outlooks.MOST_STORAGES} attachments")
