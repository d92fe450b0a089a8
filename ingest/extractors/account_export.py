"""Exports of accounts: Facebook, Instagram, X, TikTok, Google Takeout with YouTube.

Whose account, by name, id, address and number; how many posts, messages and views, from when to
when; which parts the export has. Lists are streamed, and what was said is not read. The HTML forms
of Facebook and Instagram are known and only listed.
"""

import base64
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import Normal, fact, times
from ingest.normalise import identifiers as ids
from ingest.readers.containers import names_of, open_container
from ingest.readers.jsons import Path, walk
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable, held
from ingest.readers.named import tag
from ingest.readers.tallies import Tally

NAME = "account_export"
VERSION = "account export reader 1"
LIMITS = LONG
FORMATS = frozenset({"account-export"})
SERVICES = {
    "facebook": re.compile(r"profile_information/profile_information\.(?:json|html)$"),
    "instagram": re.compile(
        r"(?:personal|account)_information/personal_information\.(?:json|html)$"
    ),
    "x": re.compile(r"(?:^|/)data/account\.js$"),
    "tiktok": re.compile(r"(?:^|/)user_data(?:_tiktok)?\.json$"),
    "google": re.compile(r"^Takeout/"),
}
CONTAINERS = {
    "account-export": lambda peek: any(
        pattern.search(name) for name in names_of(peek) for pattern in SERVICES.values()
    )
}
MOST_TEXT = 16 << 20
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVpvsUkElQAAALUAAAAPAAAAZGF0YS9hY2NvdW50LmpzLYzLCsIwEEV/JcxWGyZ9WCkICiK4"
    "cdWNiovYTLXQJCW2VCj9dx0o3MXl3MfYOONHeS2PUleVH1wvOx16FDtxn2BBUIgJyOqm/Tuo9/TVtmtJ+vCCtYDh"
    "Q8FpSxyeGmoNw2V6NkzznFEVSPdkDvwHMaoswiRCVSoskCUR8cbF7u0dXQb7pMDVVbLFNFVxkmabHOb58QNQSwME"
    "FAAAAAgAAAAhWiRIte1rAAAAcQAAABAAAABkYXRhL21hbmlmZXN0LmpzK8/MS8kv14uPD/FwDIp39vdz83RXsFWo"
    "VkosSs7ILEv1zEvLV7IC8tNT81KLEksy8/NcEktSgUJKRgZGJroGproGhiEG5lbGBlYGBnoGBgZRSjoKSpnFAYlF"
    "JZmJOY4QY4Dq0xJzilNrawFQSwMEFAAAAAgAAAAhWgJ8lSaFAAAAzwAAAA4AAABkYXRhL3R3ZWV0cy5qc22NzQrC"
    "MBCEX2XZqyVsoyAEvHn1VhARCcGsWCi2JFuilLy7aT3aOQ3zw5fal++TujRHJYlZohpcEIIDXCdcEjQwYettlFAs"
    "1lgB3gM7YW/d3OKZPZzcB6gG2pstGSLYUBFo0rt5/xi7zgq/l3nkchdIffARc65gHaT/Qc1z/IH0Kijn2xdQSwME"
    "FAAAAAgAAAAhWtwGygZ8AAAAlwAAABcAAABkYXRhL2RpcmVjdC1tZXNzYWdlcy5qcz2KMQvCMBBG/0q42YazWCwF"
    "B6mLexctIqF3SIYmchfsUPrfTQsKb3nf+yYfKE721l0seeEhPUdWdS9W+3aS0JxMPwONbQwfFnXJxwCNmeF3y9L/"
    "rRV2ibeuHIjlSlngWMPOwLBFOqd1KrE8FFgVuO+wbhAzFhHvsCyPzBdQSwECFAMUAAAACAAAACFab7FJBJUAAAC1"
    "AAAADwAAAAAAAAAAAAAAgAEAAAAAZGF0YS9hY2NvdW50LmpzUEsBAhQDFAAAAAgAAAAhWiRIte1rAAAAcQAAABAA"
    "AAAAAAAAAAAAAIABwgAAAGRhdGEvbWFuaWZlc3QuanNQSwECFAMUAAAACAAAACFaAnyVJoUAAADPAAAADgAAAAAA"
    "AAAAAAAAgAFbAQAAZGF0YS90d2VldHMuanNQSwECFAMUAAAACAAAACFa3AbKBnwAAACXAAAAFwAAAAAAAAAAAAAA"
    "gAEMAgAAZGF0YS9kaXJlY3QtbWVzc2FnZXMuanNQSwUGAAAAAAQABAD8AAAAvQIAAAAA"
)
_DATE_X = re.compile(r"\w{3} (\w{3}) (\d{2}) (\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2}) (\d{4})")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(slots=True)
class _Account:
    """What the export came to."""

    service: str
    tallies: dict[str, Tally] = field(default_factory=dict)
    parts: Counter[str] = field(default_factory=Counter)

    def tally(self, what: str) -> Tally:
        """The counts of posts, messages or views."""
        return self.tallies.setdefault(what, Tally())


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield whose account it is, then what the export holds."""
    budget = Budget(14.0, 24.0)
    account = _Account("")
    try:
        container = open_container(file, budget)
        for entry in container.entries if container else ():
            if not account.service:
                account.service = next(
                    (name for name, each in SERVICES.items() if each.search(entry.path)), ""
                )
            _part(entry.path, account)
            yield from _member(entry, account, budget)
        for problem in container.problems if container else ():
            yield Problem(problem)
    except (Unreadable, Exhausted) as error:
        yield Problem(f"the export was not read to its end: {error}")
    yield Fact("Account:Service", account.service, account.service, VERSION)
    for what, tally in account.tallies.items():
        yield from _counts(what, tally)
    for part, count in account.parts.most_common(100):
        yield Fact("Account:Part", part, f"{part} {count}", VERSION)


def _part(path: str, account: _Account) -> None:
    parts = path.split("/")
    name = parts[1] if parts[0] == "Takeout" and len(parts) > 2 else parts[0]
    if len(parts) > 1:
        account.parts[name[:100]] += 1


def _counts(what: str, tally: Tally) -> Iterator[Item]:
    yield Fact(f"Account:{what}", str(tally.count), str(tally.count), VERSION)
    for name, pair in (("First", tally.first), ("Last", tally.last)):
        if pair is not None:
            yield fact(f"Account:{what}{name}", pair[0], VERSION, pair[1])
    if tally.conversations:
        count = str(tally.conversations)
        yield Fact(f"Account:{what}Conversations", count, count, VERSION)
    for raw, normal in tally.participants.values():
        yield fact(f"Account:{what}Participant", raw, VERSION, normal)


def _member(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    for pattern, reader in _READERS:
        if entry.read is None or not pattern.search(entry.path):
            continue
        try:
            yield from reader(entry, account, budget)
        except Unreadable as error:
            yield Problem(f"{entry.path[:200]}: {error}")
        return


def _json(entry: Entry, budget: Budget) -> Any:
    """Return a small JSON of an export; X puts an assignment before it."""
    raw = held(entry, budget, MOST_TEXT).decode("utf-8-sig", "replace")
    if entry.path.endswith(".js"):
        raw = raw.partition("=")[2]
    try:
        return json.loads(raw.strip().rstrip(";"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("the JSON cannot be read") from error


def _stream(entry: Entry, budget: Budget, chosen: Callable[[Path], bool]) -> Iterator[Any]:
    assert entry.read is not None
    blocks = entry.read()
    if entry.path.endswith(".js"):
        first = next(blocks, b"")
        blocks = itertools.chain([first.partition(b"=")[2]], blocks)
    for path, value in walk(blocks, budget, chosen):
        if isinstance(value, dict) and chosen(path[:-1]):
            yield value


def _who(key: str, value: Any, service: str, origin: str) -> Iterator[Item]:
    """Yield what identifies the account: a name, address, number or id."""
    text = _repaired(value).strip() if isinstance(value, str | int) else ""
    if not text:
        return
    plain = re.sub("[^a-z]", "", key.lower())
    normal: Normal | None = None
    if "mail" in plain:
        normal = ids.address(text)
    elif "phone" in plain:
        normal = ids.telephone(text)
    elif plain in {"username", "accountid", "userid", "channelid"}:
        kind = "name" if plain == "username" else "id"
        normal = ids.account(service, text, kind=kind)
    elif plain in {"name", "fullname", "displayname", "accountdisplayname"}:
        normal = ids.person(text)
    elif "created" in plain or "date" in plain:
        normal = times.iso(text)
    elif plain in {"registrationtimestamp"} and text.isdecimal():
        normal = times.since("unix", int(text[:12]))
    yield fact(tag("Account", key), text[:1000], f"{VERSION} {origin}"[:300], normal)


def _repaired(value: Any) -> str:
    """Return a text; Meta writes UTF-8 as if each byte were a character."""
    text = str(value)
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _x_account(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    rows = _json(entry, budget)
    for row in rows if isinstance(rows, list) else ():
        inner = row.get("account") if isinstance(row, dict) else None
        for key, value in inner.items() if isinstance(inner, dict) else ():
            yield from _who(key, value, account.service, "account.js")


def _x_manifest(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    said = _json(entry, budget)
    info = said.get("archiveInfo") if isinstance(said, dict) else None
    for key in ("generationDate", "isPartialArchive", "sizeBytes"):
        value = info.get(key) if isinstance(info, dict) else None
        if isinstance(value, str | bool):
            normal = times.iso(str(value)) if key == "generationDate" else None
            yield fact(tag("Account", key), str(value), f"{VERSION} manifest.js", normal)


def _x_posts(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    tally = account.tally("Posts")
    for row in _stream(entry, budget, lambda path: path == ()):
        inner = row.get("tweet", row)
        made = str(inner.get("created_at", "")) if isinstance(inner, dict) else ""
        tally.count += 1
        tally.moment(made, _x_date(made))
    yield from ()


def _x_date(text: str) -> Normal | None:
    found = _DATE_X.fullmatch(text)
    if not found or found[1] not in _MONTHS:
        return None
    month = _MONTHS.index(found[1]) + 1
    return times.iso(f"{found[6]}-{month:02}-{found[2]}T{found[3]}{found[4]}:{found[5]}")


def _x_messages(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    tally = account.tally("Messages")
    for row in _stream(entry, budget, lambda path: path == ()):
        inner = row.get("dmConversation")
        tally.conversations += 1
        listed = inner.get("messages") if isinstance(inner, dict) else None
        for message in listed if isinstance(listed, list) else ():
            made = message.get("messageCreate") if isinstance(message, dict) else None
            if isinstance(made, dict):
                tally.count += 1
                tally.moment(str(made.get("createdAt", "")), times.iso(str(made.get("createdAt"))))
                sender = str(made.get("senderId", ""))
                tally.participant(sender, ids.account("x", sender, kind="id"))
    yield from ()


def _meta_profile(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    said = _json(entry, budget)
    profile = said.get("profile_v2") or said.get("profile") if isinstance(said, dict) else None
    if not isinstance(profile, dict):
        return
    name, mails = profile.get("name"), profile.get("emails")
    if isinstance(name, dict):
        yield from _who("FullName", name.get("full_name"), account.service, "profile")
    for key in ("username", "profile_uri", "registration_timestamp"):
        yield from _who(key, profile.get(key), account.service, "profile")
    for mail in mails.get("emails", []) if isinstance(mails, dict) else ():
        yield from _who("Email", mail, account.service, "profile")
    numbers = profile.get("phone_numbers")
    for number in numbers if isinstance(numbers, list) else ():
        value = number.get("phone_number") if isinstance(number, dict) else None
        yield from _who("PhoneNumber", value, account.service, "profile")


def _instagram(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    said = _json(entry, budget)
    listed = said.get("profile_user") if isinstance(said, dict) else None
    for user in listed if isinstance(listed, list) else ():
        values = user.get("string_map_data") if isinstance(user, dict) else None
        for key, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, dict) and key in {"Email", "Username", "Name", "Phone Number"}:
                yield from _who(key, value.get("value"), account.service, "personal_information")


def _meta_messages(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    tally = account.tally("Messages")
    tally.conversations += entry.path.endswith("message_1.json")
    for row in _stream(entry, budget, lambda path: path == ("messages",)):
        tally.count += 1
        when = row.get("timestamp_ms")
        if isinstance(when, int):
            tally.moment(str(when), times.since("unix", when, per_second=1000))
        sender = _repaired(row.get("sender_name", ""))
        if sender:
            tally.participant(sender, ids.person(sender))
    yield from ()


def _meta_posts(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    tally = account.tally("Posts")
    for row in _stream(entry, budget, lambda path: path == ()):
        tally.count += 1
        media = row.get("media")
        first = media[0] if isinstance(media, list) and media and isinstance(media[0], dict) else {}
        when = (
            row.get("timestamp") or row.get("creation_timestamp") or first.get("creation_timestamp")
        )
        if isinstance(when, int):
            tally.moment(str(when), times.since("unix", when))
    yield from ()


def _tiktok(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    assert entry.read is not None

    def chosen(path: Path) -> bool:
        return path[-1:] == ("VideoList",) or (
            bool(path) and str(path[-1]).startswith("Chat History with")
        )

    for path, value in walk(entry.read(), budget, chosen):
        if "ProfileMap" in path and len(path) >= 2 and path[-2] == "ProfileMap":
            if path[-1] in {"userName", "emailAddress", "telephoneNumber", "displayName"}:
                key = {"telephoneNumber": "PhoneNumber"}.get(str(path[-1]), str(path[-1]))
                yield from _who(key, value, account.service, "ProfileMap")
        elif isinstance(value, dict) and chosen(path[:-1]):
            messages = path[-2] != "VideoList"
            tally = account.tally("Messages" if messages else "Posts")
            tally.count += 1
            when = str(value.get("Date") or value.get("date") or "")[:40]
            tally.moment(when, times.iso(when))
            sender = str(value.get("From", ""))
            if messages and sender:
                tally.participant(sender, ids.account("tiktok", sender))


def _google_profile(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    said = _json(entry, budget)
    if not isinstance(said, dict):
        return
    name = said.get("name")
    if isinstance(name, dict):
        full = name.get("fullName") or name.get("formattedName")
        yield from _who("FullName", full, account.service, "Profile.json")
    mails = said.get("emails")
    for mail in mails if isinstance(mails, list) else ():
        value = mail.get("value") if isinstance(mail, dict) else None
        yield from _who("Email", value, account.service, "Profile.json")


def _google_history(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    tally = account.tally("Views" if "watch" in entry.path else "Searches")
    for row in _stream(entry, budget, lambda path: path == ()):
        tally.count += 1
        when = str(row.get("time", ""))[:40]
        tally.moment(when, times.iso(when))
    yield from ()


def _google_channel(entry: Entry, account: _Account, budget: Budget) -> Iterator[Item]:
    lines = held(entry, budget, MOST_TEXT).decode("utf-8-sig", "replace").splitlines()
    for line in lines[1:50]:
        found = re.match(r"(UC[\w-]{22}),(.{0,300})", line)
        if found:
            normal = ids.account("youtube", found[1], kind="id")
            yield fact("Account:Channel", found[0], f"{VERSION} channel.csv", normal)


_READERS: tuple[tuple[re.Pattern[str], Callable[..., Iterator[Item]]], ...] = (
    (re.compile(r"(?:^|/)data/account\.js$"), _x_account),
    (re.compile(r"(?:^|/)data/manifest\.js$"), _x_manifest),
    (re.compile(r"(?:^|/)data/tweets?(?:-part\d+)?\.js$"), _x_posts),
    (re.compile(r"(?:^|/)data/direct-messages(?:-group)?(?:-part\d+)?\.js$"), _x_messages),
    (re.compile(r"profile_information/profile_information\.json$"), _meta_profile),
    (re.compile(r"(?:personal|account)_information/personal_information\.json$"), _instagram),
    (re.compile(r"messages/[^/]+/[^/]+/message_\d+\.json$"), _meta_messages),
    (re.compile(r"(?:^|/)(?:your_posts[^/]*_\d+|posts_\d+)\.json$"), _meta_posts),
    (SERVICES["tiktok"], _tiktok),
    (re.compile(r"^Takeout/Profile/Profile\.json$"), _google_profile),
    (re.compile(r"^Takeout/.*(?:watch|search)-history\.json$"), _google_history),
    (re.compile(r"^Takeout/.*/channels?\.csv$"), _google_channel),
)
