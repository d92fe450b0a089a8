"""Invitation: one string that says where to send evidence, with which token, and whom to believe.

It is the service's address with a fragment, which no program sends to a server:

    https://evidence.example:8443/#v=1&token=ID.SECRET&pin=sha256:HEX&log=VKEY&case=KRN&sum=HEX8

`submission` is there where the token adds to that one submission and reads nothing. `pin` is the
SHA-256 of the service's public key (SubjectPublicKeyInfo), `log` the verifier key of its custody
ledger, `sum` the beginning of the SHA-256 of all that stands before it, so that a sign lost on the
way is noticed here and not at the door.
"""

import ipaddress
import re
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlsplit

from api.errors import BadInvitation
from custody.errors import MalformedNote
from custody.note import VerifierKey
from repository.naming import case_code, shown, submission_id

VERSION = "1"
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{1,128}")
_FIELDS = frozenset({"v", "token", "pin", "log", "case", "submission", "sum"})
_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service answers. Plain http is for this computer alone."""

    scheme: str
    host: str
    port: int
    base: str  # path before /api/v1, without a slash at its end

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.base}/"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read a URL.

        Raises:
            BadInvitation: no http or https address, one with a password or a query, or plain http
                to another computer.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise BadInvitation(f"{shown(text)} is no address") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInvitation(f"{shown(text)} is no address like https://evidence.example:8443/")
        if parts.username is not None or parts.query:
            raise BadInvitation("an address of a service has no user name and no query")
        found = cls(
            parts.scheme,
            parts.hostname,
            port or (443 if parts.scheme == "https" else 80),
            parts.path.rstrip("/"),
        )
        if found.scheme == "http" and not found.is_loopback:
            raise BadInvitation(
                f"{found} is not encrypted, and plain http goes to this computer alone: use https"
            )
        return found

    @property
    def is_loopback(self) -> bool:
        """Say whether the name is this computer's own; the connection is looked at once more."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Invitation:
    """Where to send, with which token, and whose keys to believe."""

    address: Address
    token: str
    pin: str | None = None  # None: the system's authorities vouch for the service
    log: VerifierKey | None = None
    case: str | None = None
    submission: str | None = None  # the token is good for this one alone

    def __str__(self) -> str:
        fields = [("v", VERSION), ("token", self.token)]
        if self.pin:
            fields.append(("pin", self.pin))
        if self.log:
            fields.append(("log", str(self.log)))
        if self.case:
            fields.append(("case", self.case))
        if self.submission:
            fields.append(("submission", self.submission))
        body = "&".join(f"{name}={quote(value, safe=':.')}" for name, value in fields)
        text = f"{self.address}#{body}"
        return f"{text}&sum={_sum(text)}"

    @classmethod
    def parse(cls, text: str) -> "Invitation":
        """Read an invitation; white space, which mail programs add, does not count.

        Raises:
            BadInvitation: it is damaged, of another version, or none.
        """
        text = "".join(text.split())
        if len(text) > _MAX:
            raise BadInvitation("this is too long for an invitation")
        where, _, fragment = text.partition("#")
        fields = _fields(fragment)
        before, mark, told = text.rpartition("&sum=")
        if not mark or _sum(before) != told:
            raise _damaged()
        if fields.get("v") != VERSION:
            raise BadInvitation("this invitation is of another version; ask for one of version 1")
        pin, log, case = (fields.get(name) for name in ("pin", "log", "case"))
        if pin is not None and not _PIN.fullmatch(pin):
            raise _damaged()
        try:
            key = VerifierKey.parse(log) if log is not None else None
        except MalformedNote as error:
            raise _damaged() from error
        return cls(
            Address.parse(where),
            checked_token(fields.get("token", "")),
            pin,
            key,
            None if case is None else case_code(case),
            submission_id(fields["submission"]) if "submission" in fields else None,
        )


def checked_token(text: str) -> str:
    """Return a token that can stand in a header.

    Raises:
        BadInvitation: it cannot be a token; it is not repeated, for it may be half of one.
    """
    if not _TOKEN.fullmatch(text):
        raise BadInvitation("the token is not of the form ID.SECRET; copy the whole of it")
    return text


def checked_pin(text: str) -> str:
    """Return a pin in its one spelling.

    Raises:
        BadInvitation: it is none.
    """
    found = text.strip().lower()
    found = found if found.startswith("sha256:") else f"sha256:{found}"
    if not _PIN.fullmatch(found):
        raise BadInvitation("a pin is sha256: and 64 hexadecimal digits of the service's key")
    return found


def _fields(fragment: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(fragment, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise _damaged() from error
    found = dict(pairs)
    if len(found) != len(pairs) or not set(found) <= _FIELDS:
        raise _damaged()
    return found


def _sum(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _damaged() -> BadInvitation:
    return BadInvitation(
        "this invitation is damaged: a sign is missing or changed; copy the whole of it again"
    )
