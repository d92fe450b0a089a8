"""Mails (eml): who, to whom, when, by which way, what is attached; DKIM as far as offline goes.

Bodies are not facts. The Date is the sender's own clock; each Received line is a server's.
"""

import re
from collections.abc import Iterator
from email import policy
from email.message import Message
from email.parser import BytesParser
from typing import BinaryIO

from ingest.extraction import Found, Item, Problem
from ingest.readers import mails, mboxes
from ingest.readers.peek import Peek

NAME = "mail"
VERSION = "mail reader 1"
_MAIL = "mail"
FORMATS = frozenset({"message/rfc822", "message/news", _MAIL})
SAMPLE = (
    b"From: =?utf-8?q?Someone?= <someone@example.org>\r\nTo: other@example.org\r\n"
    b"Subject: Bridge\r\nDate: Sun, 5 Jan 2020 15:04:00 +0200\r\nMessage-ID: <1@example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain\r\n\r\ntext\r\n--b\r\n"
    b"Content-Disposition: attachment; filename=a.txt\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--b\r\nContent-Type: message/rfc822\r\n"
    b"\r\nSubject: within\r\n\r\ntext\r\n--b--\r\n"
)
MOST_MAIL = 64 << 20  # bytes
_HEADER = re.compile(rb"^[A-Za-z][A-Za-z0-9-]{0,60}:[ \t]", re.M)
_TELLING = re.compile(
    rb"^(?:Message-ID|Received|Return-Path|MIME-Version|DKIM-Signature|X-Mailer|Subject|From|To"
    rb"|Date|Delivered-To):",
    re.M | re.I,
)


def _is_mail(peek: Peek) -> bool:
    """Return whether a text begins with headers of which three are those of mails."""
    if not peek.mime.startswith(("text/", "message/", "application/octet-stream")):
        return False
    head = peek.head[:16_384].lstrip(b"\xef\xbb\xbf\r\n")
    top = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    if not _HEADER.match(top):
        return False
    told = {name.lower() for name in _TELLING.findall(top)}
    return len(told) >= 3 and b"from:" in told


CONTAINERS = {_MAIL: _is_mail}


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the headers, then what is attached, then the seals."""
    data = file.read(MOST_MAIL + 1)
    if mboxes.begins(data):  # a box, if of one mail: each is read when it is ingested alone
        return
    if len(data) > MOST_MAIL:
        data = data[:MOST_MAIL]
        yield Problem(f"a mail of more than {MOST_MAIL} bytes: read to there")
    data = data.lstrip(b"\xef\xbb\xbf")
    message = parsed(data)
    headers = [(name, str(value)) for name, value in message.items()]
    yield from mails.header_facts(headers, VERSION)
    for defect in message.defects[:20]:
        yield Problem(f"mail: {type(defect).__name__}", incomplete=False)
    try:
        yield from mails.attachments(message, VERSION)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        yield Problem(f"attachments: {type(error).__name__}: {error}"[:200])
    body = re.split(rb"\r?\n\r?\n", data, maxsplit=1)
    yield from mails.dkim(headers, body[1] if len(body) == 2 else b"")


def parsed(data: bytes) -> Message:
    """Return a mail parsed leniently: the old policy never raises on what stands in headers."""
    return BytesParser(policy=policy.compat32).parsebytes(data)
