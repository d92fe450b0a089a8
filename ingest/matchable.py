"""What of an exhibit can be matched, and what somebody asks for: both made regular the same way.

Of an exhibit these are the digests of its parts, and of its newest record the files within, the
hashes of pictures, and the facts of a kind whose value names one thing. What a normaliser doubts is
not matched: `no country code` names no one line, a placeholder no device.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import select

from ingest.normalise import Normal, identifiers, places, times
from repository import Repository
from repository.errors import BadRequest, Erased, IntegrityError, KeyUnavailable
from repository.exhibits import latest_runs, parts_of
from repository.extractions import record_of
from repository.matching import index
from repository.matching.key import keys
from repository.matching.notices import raise_for
from repository.matching.values import KINDS, Value, picture, place_and_time
from repository.models import Exhibit, ExtractionRun, Part
from repository.naming import shown

MOST_TEXT = 2_000
TOGETHER = 64  # exhibits whose tokens are made in one transaction, with one entry
# Which places belong to which times is known of a picture, not of a telephone's whole life.
MOST_PLACES, MOST_TIMES = 4, 8
_BEARABLE = {None, "its check digit is wrong"}  # devices and reports do carry wrong ones
_NOT_TAKEN = re.compile(r"(?i)modif|access|metadata|digiti|profile|sidecar")  # times of the file
_IMEI = 14  # digits that name a device; the rest is a check digit or its software's version


# --- of an exhibit


def values_of(parts: Sequence[Part], record: Mapping[str, Any] | None) -> list[Value]:
    """Return what of an exhibit can be matched, each once, in a steady order."""
    found = [
        Value("file", digest)
        for part in parts
        if part.size
        for digest in sorted(part.digests.values())
    ]
    if record is not None:
        found += (
            Value("member", member["sha256"])
            for member in record["members"]
            if member["sha256"] and member["size"]
        )
        for fact in record["facts"]:
            if fact["suspect"] in _BEARABLE and fact["kind"] is not None:
                found += _of_fact(fact["kind"], fact["value"])
        found += _places(record["facts"])
    return list(dict.fromkeys(found))


def _of_fact(kind: str, value: str) -> Iterator[Value]:
    if kind == "device":
        yield device(value)
    elif kind == "digest" and value.startswith("pdq:"):
        hashed = picture(value)
        if hashed is not None:
            yield hashed
    elif kind == "digest":
        yield Value("member", value)
    elif kind in ("telephone", "account", "mail", "url"):
        yield Value(kind, value)


def device(value: str) -> Value:
    """Return the value of a device's identifier; the three forms of an IMEI are one.

    >>> device("imei:490154203237518") == device("imeisv:4901542032375100")
    True
    """
    kind, _, rest = value.partition(":")
    if kind in ("imei", "imeisv"):
        return Value("imei", rest[:_IMEI])
    return Value("device", value)


def _places(facts: Sequence[Mapping[str, Any]]) -> Iterator[Value]:
    """Yield each place of a record with each time of its making, if both are few."""
    sure = [fact for fact in facts if fact["suspect"] is None]
    where = dict.fromkeys(fact["value"] for fact in sure if fact["kind"] == "place")
    when = dict.fromkeys(
        fact["value"]
        for fact in sure
        if fact["kind"] == "time" and not _NOT_TAKEN.search(fact["name"])
    )
    if len(where) > MOST_PLACES or len(when) > MOST_TIMES:
        return
    for place in where:
        for moment in when:
            with suppress(ValueError, OverflowError):  # what a captured parser says is no place
                latitude, longitude = map(float, place.split())
                yield place_and_time(latitude, longitude, datetime.fromisoformat(moment))


def make(repo: Repository, exhibits: Sequence[str]) -> dict[str, str]:
    """Make the tokens of exhibits that wait for it, and raise the notices; return what failed.

    Raises:
        KeyUnavailable: the key of matching, or an exhibit's, cannot be opened here.
        StoreUnavailable, LedgerUnavailable: nothing was made; try again later.
    """
    failed: dict[str, str] = {}
    for start in range(0, len(exhibits), TOGETHER):
        failed |= _make(repo, exhibits[start : start + TOGETHER])
    index.end_old_keys(repo)
    return failed


def make_all(repo: Repository, among: Sequence[str] | None = None) -> tuple[int, dict[str, str]]:
    """Make all tokens that wait, of all exhibits or some; return how many, and what failed.

    Raises:
        KeyUnavailable, StoreUnavailable, LedgerUnavailable: as `make`.
    """
    done = 0
    failed: dict[str, str] = {}
    while True:
        some = index.waiting(repo, limit=TOGETHER + len(failed), among=among)
        some = [one for one in some if one not in failed]
        if not some:
            return done, failed
        found = make(repo, some)
        failed |= found
        done += len(some) - len(found)


def _make(repo: Repository, exhibits: Sequence[str]) -> dict[str, str]:
    failed: dict[str, str] = {}
    values: dict[str, list[Value]] = {}
    with repo.database.reading() as session:
        opened = keys(repo, session)
        found = list(session.scalars(select(Exhibit).where(Exhibit.id.in_(exhibits))))
        runs = latest_runs(session, exhibits)
        parts: dict[str, list[Part]] = {}
        for part in parts_of(session, exhibits):
            parts.setdefault(part.exhibit_id, []).append(part)
    if not opened:
        raise KeyUnavailable("there is no key of matching; an institution has to join anew")
    for exhibit in found:
        try:
            record = _record(repo, exhibit, runs.get(exhibit.id))
        except Erased:
            continue  # meanwhile; there is nothing left to match
        except IntegrityError as error:
            failed[exhibit.id] = str(error)
            continue
        values[exhibit.id] = values_of(parts.get(exhibit.id, []), record)
    with repo.database.writing() as session:
        waiting = index.lock_waiting(session, values, opened[0].id)
        session.flush()
        made = [
            index.make(repo, session, opened, one, values[one], again=again)
            for one, again in waiting.items()
        ]
        raise_for(repo, session, opened, made)
    return failed


def _record(
    repo: Repository, exhibit: Exhibit, run: ExtractionRun | None
) -> Mapping[str, Any] | None:
    return None if run is None else record_of(repo, exhibit, run)


# --- what somebody asks for


def asked_for(kind: str, text: str, *, at: str | None = None) -> Value:
    """Return what somebody asks for, in the form in which exhibits' values stand.

    Args:
        kind: one of `KINDS`; `member` is asked for as `file`.
        text: as people write it: a digest, a number, `service:name`, an address, a place as
            `latitude, longitude`.
        at: of a place, when: ISO 8601 with its zone.

    Raises:
        BadRequest: no such kind, or the text is none of it, or names no one thing.
    """
    if kind not in KINDS or kind == "member":
        names = ", ".join(one for one in KINDS if one != "member")
        raise BadRequest(f"there is no kind {shown(kind)} to ask for; choose one of {names}")
    if len(text) > MOST_TEXT:
        raise BadRequest(f"a value to ask for has at most {MOST_TEXT} characters")
    if (at is not None) != (kind == "place"):
        raise BadRequest("a place is asked for with a time, and nothing else is")
    if kind == "picture":
        found = picture(text)
        if found is None:
            raise BadRequest("a picture is asked for by its PDQ hash: 64 hex digits")
        return found
    if kind == "place":
        return _place(text, at or "")
    normal = _normal(kind, text)
    if normal is None or normal.suspect not in _BEARABLE:
        why = f" ({normal.suspect})" if normal is not None else ""
        raise BadRequest(f"{shown(text)} is no {kind} that can be matched{why}; {_WRITTEN[kind]}")
    if kind in ("imei", "device"):
        return device(normal.value)
    return Value(kind, normal.value)


_WRITTEN = {
    "file": "write a digest in hex, of SHA-256, SHA-512, SHA-1 or MD5",
    "telephone": "write it with its country code: +380 44 123 45 67",
    "imei": "write 14 to 16 digits",
    "device": "write what it identifies before it: serial:…, mac:…, imsi:…, iccid:…",
    "account": "write the service before it: telegram:name:somebody, whatsapp:id:380441234567",
    "mail": "write name@domain",
    "url": "write it whole: https://example.org/page",
}


def _normal(kind: str, text: str) -> Normal | None:
    if kind == "file":
        name, _, rest = text.strip().rpartition(":")
        return identifiers.digest(rest, name)
    if kind == "telephone":
        return identifiers.telephone(text)
    if kind == "imei":
        return identifiers.imei(text.strip().lower().removeprefix("imei:"))
    if kind == "device":
        return _device(text)
    if kind == "mail":
        return identifiers.address(text)
    if kind == "url":
        return identifiers.url(text)
    service, _, rest = text.strip().partition(":")
    form, colon, name = rest.partition(":")
    if not colon or form not in ("name", "id") or not service:
        return identifiers.account(service.lower(), rest) if service and rest else None
    return identifiers.account(service.lower(), name, kind=form)


def _device(text: str) -> Normal | None:
    kind, _, rest = text.strip().partition(":")
    readers = {
        "imei": identifiers.imei, "imeisv": identifiers.imei, "mac": identifiers.mac,
        "imsi": identifiers.imsi, "iccid": identifiers.iccid,
    }  # fmt: skip
    reader = readers.get(kind.lower())
    if reader is not None:
        return reader(rest)
    return identifiers.device(kind.lower(), rest) if re.fullmatch(r"[a-z-]+", kind, re.I) else None


def _place(text: str, at: str) -> Value:
    found = re.fullmatch(r"\s*([^\s,;]+)[\s,;]+([^\s,;]+)\s*", text)
    place = places.decimals(found[1], found[2]) if found else None
    if place is None or place.suspect:
        raise BadRequest("a place is asked for as latitude and longitude: 48.853 2.349")
    moment = times.iso(at)
    if moment is None or moment.tz == times.UNKNOWN_ZONE:
        raise BadRequest("a time is asked for with its zone: 2024-05-01T12:00Z")
    latitude, longitude = map(float, place.value.split())
    return place_and_time(latitude, longitude, datetime.fromisoformat(moment.value))
