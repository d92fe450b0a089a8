"""Identifiers: devices, cards, telephones, accounts, mail addresses, URLs and digests.

A value begins with what it identifies, so that two kinds never match by chance:
`imei:490154203237518`, `serial:F2LXK0ABHG7`, `telegram:id:12345`. What fails its own check digit
is kept and marked, since devices and reports do carry wrong ones.
"""

import re
from urllib.parse import urlsplit, urlunsplit

from ingest.normalise import Normal

_PORTS = {"http": 80, "https": 443, "ftp": 21}
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.I)


def imei(text: str) -> Normal | None:
    """Read an IMEI (15 digits with a check digit), an IMEISV (16) or an IMEI without it (14).

    >>> imei("49-015420-323751-8").value
    'imei:490154203237518'
    """
    digits = re.sub(r"[\s./-]", "", text)
    if not re.fullmatch(r"[0-9]{14,16}", digits):
        return None
    doubt = None
    if set(digits) == {"0"}:
        doubt = "all zeros: the device gave none"
    elif len(digits) == 15 and not _luhn(digits):
        doubt = "its check digit is wrong"
    kind = "imeisv" if len(digits) == 16 else "imei"
    return Normal("device", f"{kind}:{digits}", None, doubt)


def iccid(text: str) -> Normal | None:
    """Read the number of a SIM card: 18 to 20 digits that begin with 89, the last a check digit."""
    digits = re.sub(r"[\s-]", "", text).upper().rstrip("F")
    if not re.fullmatch(r"[0-9]{18,20}", digits):
        return None
    doubt = None if digits.startswith("89") else "a SIM card's number begins with 89"
    if doubt is None and len(digits) != 18 and not _luhn(digits):
        doubt = "its check digit is wrong"
    return Normal("device", f"iccid:{digits}", None, doubt)


def imsi(text: str) -> Normal | None:
    """Read the subscriber's number on a SIM card: 14 or 15 digits."""
    digits = re.sub(r"[\s-]", "", text)
    return Normal("device", f"imsi:{digits}") if re.fullmatch(r"[0-9]{14,15}", digits) else None


def mac(text: str) -> Normal | None:
    """Read a network address of a device: Wi-Fi, Bluetooth."""
    if not _MAC.fullmatch(text.strip()):
        return None
    digits = re.sub("[:-]", "", text.strip().lower())
    pairs = ":".join(digits[n : n + 2] for n in range(0, 12, 2))
    doubt = "a placeholder" if digits in {"0" * 12, "f" * 12, "020000000000"} else None
    return Normal("device", f"mac:{pairs}", None, doubt)


def device(kind: str, text: str) -> Normal | None:
    """Return another identifier of a device (`serial`, `udid`, `android-id`), as it stands."""
    value = text.strip().strip("\0")
    if not value or len(value) > 200:
        return None
    placeholder = not value.strip("0- ") or value.lower() in {"unknown", "none", "n/a", "null"}
    return Normal("device", f"{kind}:{value}", None, "a placeholder" if placeholder else None)


def telephone(text: str) -> Normal | None:
    """Read a telephone number; without its country code it is marked, for it names no one line.

    >>> telephone("+380 (44) 123-45-67").value
    'tel:+380441234567'
    """
    kept = re.sub(r"[\s().\u00a0/-]", "", text.strip())
    if kept.startswith("00"):
        kept = f"+{kept[2:]}"
    if not re.fullmatch(r"\+?[0-9]{3,15}", kept):
        return None
    doubt = None if kept.startswith("+") else "no country code"
    return Normal("telephone", f"tel:{kept}", None, doubt)


def account(service: str, text: str, *, kind: str = "name") -> Normal | None:
    """Return an account of a service: `account("x", "@Name")` is `x:name:name`.

    Args:
        service: a short word: `whatsapp`, `telegram`, `x`, `facebook`, `youtube` …
        text: the name or number as the service writes it.
        kind: `name` for handles, which services compare without case; `id` for numbers.
    """
    value = text.strip().lstrip("@") if kind == "name" else text.strip()
    if not value or len(value) > 300:
        return None
    return Normal("account", f"{service}:{kind}:{value.lower() if kind == 'name' else value}")


def person(text: str) -> Normal | None:
    """Return a name of a person as it stands; names are never made regular."""
    value = " ".join(text.split())
    return Normal("person", value) if value else None


def address(text: str) -> Normal | None:
    """Read a mail address; its domain is compared without case, the rest as it stands."""
    name, at, domain = text.strip().strip("<>").rpartition("@")
    if not at or not name or not re.fullmatch(r"[^\s@<>]{1,253}", domain) or re.search(r"\s", name):
        return None
    return Normal("mail", f"{name}@{domain.lower()}")


def url(text: str) -> Normal | None:
    """Read an absolute URL: scheme and host in lower case, no default port; nothing is fetched.

    >>> url("HTTPS://Example.ORG:443/a?b#c").value
    'https://example.org/a?b#c'
    """
    value = text.strip()
    try:
        parts = urlsplit(value)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if not parts.scheme or not host or re.search(r"\s", value):
        return None
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS.get(parts.scheme.lower()):
        place += f":{port}"
    user = parts.netloc.rpartition("@")[0]
    if user:
        place = f"{user}@{place}"
    rest = (parts.path or "/", parts.query, parts.fragment)
    return Normal("url", urlunsplit((parts.scheme.lower(), place, *rest)))


def digest(text: str, algorithm: str = "") -> Normal | None:
    """Read a digest in hexadecimal; its algorithm is named, or told by its length.

    >>> digest("D41D8CD98F00B204E9800998ECF8427E").value
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    value = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]+", value) or len(value) not in _DIGESTS:
        return None
    return Normal("digest", f"{algorithm.lower().replace('-', '') or _DIGESTS[len(value)]}:{value}")


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0
