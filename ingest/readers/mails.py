"""What a mail's headers and parts say, shared by extractors of mails: facts, members, DKIM.

Headers are decoded leniently: what cannot be decoded stays as it stands. Nothing is fetched, so a
DKIM signature is never more than `not-checked`; that the body was changed after signing can be
seen without a key, and is `broken`.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from hashlib import sha1, sha256

from ingest.extraction import Fact, Item, Member, Problem, Seal
from ingest.normalise import fact, identifiers, times
from ingest.readers.members import Exhausted

MOST_HEADERS = 500
MOST_ADDRESSES = 500
MOST_PARTS = 1_000
MOST_DEPTH = 20
_SHOWN = 2000
_PEOPLE = ("From", "Sender", "To", "Cc", "Bcc", "Reply-To", "Return-Path", "Delivered-To",
           "Resent-From", "Resent-To", "Disposition-Notification-To")  # fmt: skip
_TEXTS = ("Subject", "Message-ID", "In-Reply-To", "References", "X-Mailer", "User-Agent",
          "Organization", "Authentication-Results", "X-Originating-IP",
          "X-Forefront-Antispam-Report", "List-Id", "Thread-Topic", "Thread-Index",
          "X-MS-Exchange-Organization-AuthSource", "X-Sender-IP", "X-Spam-Status",
          "ARC-Authentication-Results", "Importance", "Content-Language")  # fmt: skip
_DATES = ("Date", "Resent-Date", "Delivery-Date", "Deferred-Delivery")


def header_facts(headers: Iterable[tuple[str, str]], tool: str) -> Iterator[Item]:
    """Yield the facts of a mail's headers, in their order."""
    people = {name.lower(): name for name in _PEOPLE}
    texts = {name.lower(): name for name in _TEXTS}
    dates = {name.lower(): name for name in _DATES}
    hops = addresses = 0
    for number, (name, raw) in enumerate(headers):
        if number >= MOST_HEADERS:
            yield Problem(f"more than {MOST_HEADERS} headers")
            return
        text, key = unfolded(raw), name.lower()
        if key in people:
            for one in _addresses(people[key], text, tool):
                addresses += 1
                if addresses > MOST_ADDRESSES:
                    yield Problem(f"more than {MOST_ADDRESSES} addresses")
                    return
                yield one
        elif key in dates:
            normal = times.mail(text)
            doubt = None if normal else "not a time"
            yield fact(f"Mail:{dates[key]}", text[:200], f"{tool} {name}", normal, suspect=doubt)
        elif key == "received":
            hops += 1
            yield from _received(hops, text, tool)
        elif key in texts:
            shown = decoded(text)[:_SHOWN]
            yield Fact(f"Mail:{texts[key]}", shown, text[:_SHOWN], f"{tool} {name}")


def unfolded(raw: str) -> str:
    """Return a header on one line."""
    return re.sub(r"\r?\n[ \t]+", " ", str(raw)).strip()


def decoded(text: str) -> str:
    """Return encoded words in the clear; what cannot be decoded stays as it stands."""
    if "=?" not in text:
        return text
    found = []
    try:
        parts = decode_header(text)
    except (ValueError, binascii.Error, LookupError, HeaderParseError):
        return text
    for part, charset in parts:
        if isinstance(part, bytes):
            try:
                found.append(part.decode(charset or "ascii", "backslashreplace"))
            except (LookupError, ValueError):
                found.append(part.decode("latin-1"))
        else:
            found.append(part)
    return "".join(found)


def _addresses(name: str, text: str, tool: str) -> Iterator[Fact]:
    try:
        pairs = getaddresses([text[:20_000]])
    except (ValueError, IndexError, TypeError):
        pairs = []
    seen = False
    for shown, mail in pairs[:MOST_ADDRESSES]:
        normal = identifiers.address(mail) if mail else None
        if normal is None:
            continue
        seen = True
        raw = f"{decoded(shown)} <{mail}>" if shown else mail
        yield fact(f"Mail:{name}", raw[:_SHOWN], f"{tool} {name}", normal)
    if not seen and text:
        yield Fact(f"Mail:{name}", decoded(text)[:_SHOWN], text[:_SHOWN], f"{tool} {name}")


def _received(hop: int, text: str, tool: str) -> Iterator[Fact]:
    """Yield one hop of the way, newest first as they stand; its own clock's time beside it."""
    yield Fact("Mail:Received", text[:_SHOWN], text[:_SHOWN], f"{tool} Received {hop}")
    _, _, moment = text.rpartition(";")
    normal = times.mail(re.sub(r"\([^()]*\)", "", moment))
    if normal is not None:
        yield fact("Mail:ReceivedDate", moment.strip()[:200], f"{tool} Received {hop}", normal)


def attachments(message: Message, tool: str) -> Iterator[Item]:
    """Yield the parts of a mail that have a name or are mails, with their digests."""
    try:
        for part, name, data in named_parts(message):
            yield Member(name, len(data), None, f"sha256:{sha256(data).hexdigest()}")
            kind = part.get_content_type()
            if kind in {"application/pkcs7-signature", "application/x-pkcs7-signature"}:
                yield Seal("smime", "not-checked", "an S/MIME signature; not checked here")
            elif kind == "application/pgp-signature":
                yield Seal("pgp", "not-checked", "a PGP signature; the signer's key is not here")
    except Exhausted as error:
        yield Problem(str(error))


def named_parts(message: Message) -> Iterator[tuple[Message, str, bytes]]:
    """Yield each part of a mail that has a name or is a mail: the part, its name, its bytes.

    Raises:
        Exhausted: it has too many parts, or they lie too deep.
    """
    waiting: list[tuple[Message, int]] = [(message, 0)]
    count = 0
    while waiting:
        part, depth = waiting.pop(0)
        count += 1
        if count > MOST_PARTS or depth > MOST_DEPTH:
            raise Exhausted(f"more than {MOST_PARTS} parts, or {MOST_DEPTH} deep")
        payload = part.get_payload()
        if part.is_multipart() and isinstance(payload, list):
            inner = [one for one in payload if isinstance(one, Message)]
            if part.get_content_type() == "message/rfc822" and inner and depth:
                subject = decoded(unfolded(inner[0].get("Subject", "")))[:200]
                yield part, f"{subject or 'message'}.eml", inner[0].as_bytes()
            waiting += [(one, depth + 1) for one in inner]
        elif (name := filename(part)) or part.get_content_disposition() == "attachment":
            data = part.get_payload(decode=True)
            if isinstance(data, bytes):
                yield part, name or "unnamed", data


def filename(part: Message) -> str:
    """Return the name of a part, in whichever header it stands; empty if it has none."""
    try:
        found = part.get_filename() or ""
    except (ValueError, LookupError, TypeError, IndexError):
        found = ""
    return decoded(unfolded(found))[:_SHOWN]


def dkim(headers: Iterable[tuple[str, str]], body: bytes) -> Iterator[Seal]:
    """Yield one seal for each DKIM signature: whether the body is still the one it was made of."""
    for name, raw in headers:
        if name.lower() != "dkim-signature":
            continue
        tags = dict(re.findall(r"([a-z]{1,3})\s*=\s*([^;]*)", unfolded(raw)))
        who = (
            f"domain {tags.get('d', '?').strip()[:200]}, selector {tags.get('s', '?').strip()[:80]}"
        )
        stated = re.sub(r"\s", "", tags.get("bh", ""))
        found = _body_hash(tags, body)
        if found is None or not stated:
            yield Seal("dkim", "not-checked", f"{who}: a form that is not checked")
        elif found != stated:
            yield Seal("dkim", "broken", f"{who}: the body is not the one that was signed")
        else:
            detail = "the body is the one that was signed; the signature needs the domain's key"
            yield Seal("dkim", "not-checked", f"{who}: {detail}, which is not fetched")


def _body_hash(tags: dict[str, str], body: bytes) -> str | None:
    """Return the digest of a body in the signature's canonical form (RFC 6376, 3.4)."""
    hashers = {"rsa-sha256": sha256, "ed25519-sha256": sha256, "rsa-sha1": sha1}
    hasher = hashers.get(tags.get("a", "").strip())
    if hasher is None:
        return None
    lines = re.sub(rb"\r?\n", b"\r\n", body)
    form = tags.get("c", "simple/simple").strip().partition("/")[2] or "simple"
    if form == "relaxed":
        lines = re.sub(rb"[ \t]+\r\n", b"\r\n", re.sub(rb"[ \t]+", b" ", lines))
        lines = re.sub(rb"[ \t]+$", b"", lines)
    elif form != "simple":
        return None
    lines = lines.rstrip(b"\r\n")
    lines = lines + b"\r\n" if lines or form == "simple" else b""
    if tags.get("l", "").strip().isdigit():
        lines = lines[: int(tags["l"])]
    return base64.b64encode(hasher(lines).digest()).decode()
