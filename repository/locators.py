"""Locators: one written form for a place in an exhibit, read and printed (docs/format.md 13).

`KRN-000042#member=DCIM/a.jpg&bytes=0-99&sha256=…`. Pure: whether there is such a place, and who may
see it, is asked elsewhere (`citations`). Exactly one text names a place, so that two citations of
it can be compared as texts.
"""

import re
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from repository.errors import BadLocator
from repository.naming import shown, split_number

MOST = 16_384  # characters
_PLAIN = "/!"  # beside letters, digits and "-._~": written as they are
_COUNT = re.compile("[1-9][0-9]{0,8}", re.ASCII)
_SECONDS = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{0,8}[1-9])?", re.ASCII)
_BYTES = re.compile("(0|[1-9][0-9]{0,14})-(0|[1-9][0-9]{0,14})", re.ASCII)
_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Locator:
    """A place: an exhibit, and how far into it; each further member narrows those before it.

    `sha256` is of the bytes that are named: the range, else the member, else the part or exhibit.
    What stands at a page, time, message or fact was made of these bytes.
    """

    exhibit: str
    part: int | None = None
    member: str | None = None  # as the listing names it
    page: int | None = None
    time: str | None = None  # seconds, or two of them with a comma between
    message: str | None = None  # as the extraction names it: "row 17"
    run: int | None = None  # of an extraction; together with `fact`
    fact: int | None = None  # 1, 2, 3 … in that run's record
    span: tuple[int, int] | None = None  # first and last byte, counted from 0
    sha256: str | None = None  # "sha256:…"

    def __str__(self) -> str:
        """Print it."""
        said = [f"{name}={_printed(name, value)}" for name, value in self.pointers().items()]
        return "#".join([self.exhibit, *filter(None, ["&".join(said)])])

    def pointers(self) -> dict[str, Any]:
        """Return what is named after the exhibit, in the order in which it is written."""
        found = {_WRITTEN.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}
        del found["exhibit"]
        return {name: value for name, value in found.items() if value is not None}

    @property
    def within(self) -> bool:
        """Say whether more is named than the exhibit, a part or a member as a whole."""
        return any(one is not None for one in (self.page, self.time, self.message, self.fact))

    def cited(self, sha256: str | None) -> "Locator":
        """Return it with the digest of what it names."""
        return replace(self, sha256=sha256)


_WRITTEN = {"time": "t", "span": "bytes"}
_FIELDS = {_WRITTEN.get(one.name, one.name): one.name for one in fields(Locator)}


def parse(text: str) -> Locator:
    """Read a locator.

    Raises:
        BadLocator: it is none, or it is written otherwise than it is printed.
    """
    if len(text) > MOST:
        raise BadLocator(f"a locator has at most {MOST} characters")
    number, sign, rest = text.partition("#")
    if split_number(number) is None:
        raise BadLocator(f"a locator begins with an exhibit number, not with {shown(number[:40])}")
    values: dict[str, Any] = {}
    for one in rest.split("&") if sign else []:
        name, equals, value = one.partition("=")
        if not equals or name == "exhibit" or name not in _FIELDS or _FIELDS[name] in values:
            raise BadLocator(
                f"after the # stand part, member, page, t, message, run, fact, bytes, sha256, each "
                f"once, as NAME=VALUE and with & between them; not {shown(one[:40])}"
            )
        values[_FIELDS[name]] = _read(name, value)
    found = Locator(number, **values)
    _check(found)
    if str(found) != text:
        raise BadLocator(f"this locator is written {found}")
    return found


def locate(number: str, **named: Any) -> Locator:
    """Return a locator of values as people name them.

    Raises:
        BadLocator: they name no place.
    """
    if split_number(number) is None:
        raise BadLocator(f"{shown(number[:40])} is no exhibit number")
    for name in ("member", "message"):
        try:
            (named.get(name) or "").encode()
        except UnicodeEncodeError as error:
            raise BadLocator(f"{name} is not valid Unicode text") from error
    found = Locator(number, **named)
    return parse(str(found))


def _read(name: str, value: str) -> Any:
    match name:
        case "part" | "page" | "run" | "fact" if _COUNT.fullmatch(value):
            return int(value)
        case "t":
            first, comma, last = value.partition(",")
            ends = [first, last] if comma else [first]
            if all(map(_SECONDS.fullmatch, ends)) and (not comma or float(first) < float(last)):
                return value
        case "bytes" if ends_of := _BYTES.fullmatch(value):
            return int(ends_of[1]), int(ends_of[2])
        case "sha256" if _DIGEST.fullmatch(value):
            return f"sha256:{value}"
        case "member" | "message":
            try:
                return unquote_to_bytes(value.encode("ascii", "strict")).decode()
            except UnicodeError as error:
                raise BadLocator(
                    f"{name} is UTF-8, percent-encoded but for A-Z a-z 0-9 - . _ ~ / !"
                ) from error
    raise BadLocator(f"{name} is not {shown(value[:60])}: {_FORMS.get(name, 'a number from 1 on')}")


_FORMS = {
    "t": "seconds without needless zeros, 12.5, or a first and a later last, 12.5,20",
    "bytes": "the first and the last byte, counted from 0: 0-99",
    "sha256": "64 hex digits",
}


def _check(found: Locator) -> None:
    """Refuse what cannot be meant.

    Raises:
        BadLocator: two places at once, an empty name, or a range that ends before it begins.
    """
    if "" in (found.member, found.message):
        raise BadLocator("a member or message has a name")
    if (found.run is None) != (found.fact is None):
        raise BadLocator("a fact is named by its run and its number in it: run=1&fact=17")
    deeper = [found.page, found.time, found.message, found.fact, found.span]
    if sum(one is not None for one in deeper) > 1:
        raise BadLocator("a locator names one of page, t, message, fact and bytes")
    if found.part is not None and (found.member is not None or found.within):
        raise BadLocator("a part is named alone or with bytes: the rest is counted over all parts")
    if found.span is not None and found.span[0] > found.span[1]:
        raise BadLocator("a range of bytes ends where it begins, or later")


def _printed(name: str, value: Any) -> str:
    match name:
        case "bytes":
            return f"{value[0]}-{value[1]}"
        case "sha256":
            return str(value).removeprefix("sha256:")
        case "member" | "message":
            return quote(value, safe=_PLAIN)
    return str(value)
