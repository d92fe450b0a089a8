"""Open the place that a locator names: what stands there, and its bytes; every look is an entry.

Rights and entries are those of looking at the exhibit, its record or its bytes, for this is one of
the three. What was made of an exhibit shows its places; the original is opened for its bytes alone.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from repository import Repository
from repository.authorise import Caller
from repository.consult import known, show_exhibit
from repository.errors import (
    CitedDigestDiffers,
    MemberNotTakenOut,
    NotExtracted,
    UnknownPlace,
)
from repository.exhibits import child_of
from repository.extractions import read_derivative, record_at
from repository.locators import Locator, locate, parse
from repository.models import Case, Exhibit, ExtractionRun
from repository.naming import shown
from repository.retrieve import Reading, retrieve

_PICTURES = ("page", "keyframe")
_LENGTH = re.compile(r"[0-9]{1,9}(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at a place. `digest` says how what was cited compares with what is recorded.

    `same`, `not-stated` (none was cited) or `not-compared` (none is on record: reading tells).
    """

    locator: Locator
    exhibit: str  # where the bytes are: of a member that was taken out, the child
    sha256: str | None
    size: int | None
    member: Mapping[str, Any] | None = None
    facts: Sequence[Mapping[str, Any]] = ()
    made: Sequence[Mapping[str, Any]] = ()  # pictures and texts of the place

    @property
    def digest(self) -> str:
        """Say how the cited digest compares."""
        if self.locator.sha256 is None:
            return "not-stated"
        return "not-compared" if self.sha256 is None else "same"

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "locator": str(self.locator),
            "exhibit": self.exhibit,
            "sha256": self.sha256,
            "size": self.size,
            "digest": self.digest,
            "member": dict(self.member) if self.member else None,
            "facts": [dict(one) for one in self.facts],
            "made": [dict(one) for one in self.made],
        }


def look(repo: Repository, caller: Caller, text: str) -> Place:
    """Return what stands at a place, without opening an original; recorded.

    Raises:
        BadLocator: it is no locator.
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        UnknownPlace, UnknownPart, PartRequired, NotExtracted, Erased: there is no such place.
        MemberNotTakenOut: more of a member is named, and it is no exhibit yet.
        CitedDigestDiffers: what is on record has another digest than was cited.
    """
    locator = parse(text)
    if locator.member is not None:
        found = _member(repo, caller, locator)
    elif locator.within:
        found = _within(repo, caller, locator)
    else:
        found = _whole(repo, caller, locator)
    cited = locator.sha256
    if cited is not None and found.sha256 is not None and cited != found.sha256:
        raise CitedDigestDiffers(
            f"cited was {cited}, on record is {found.sha256}: {shown(text[:200])}"
        )
    return found


def check_place(repo: Repository, caller: Caller, text: str) -> None:
    """Refuse a place that is not there; looking is recorded.

    What nobody could look at yet is let be: an exhibit that was not read, the inside of a member
    that was not taken out.

    Raises:
        BadLocator, UnknownPlace, CitedDigestDiffers, AccessDenied, …: as `look`.
    """
    with suppress(NotExtracted, MemberNotTakenOut):
        look(repo, caller, text)


def read(
    repo: Repository,
    caller: Caller,
    text: str,
    *,
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
) -> Reading | tuple[str, bytes]:
    """Return the verified bytes of a place; of a page or time the picture made of it, and its type.

    Where a digest was cited, the last bytes are given out once all together have it.

    Raises:
        BadLocator, UnknownPlace, …: as `look`.
        PurposeRequired, AccessDenied, …: as `retrieve`; recorded.
    """
    locator = parse(text)
    if locator.member is not None:
        place = look(repo, caller, text)
        if place.member is not None and place.member["exhibit"] is None:
            raise _not_taken_out(locator)
        locator = replace(locator, exhibit=place.exhibit, member=None)
    if locator.within:
        made = [one for one in look(repo, caller, str(locator)).made if one["kind"] in _PICTURES]
        if not made:
            raise UnknownPlace(f"no picture was made of {locator}; what is known of it is shown")
        kind, where = made[-1]["kind"], made[-1]["locator"]
        return read_derivative(repo, caller, locator.exhibit, kind, locator=where)
    reading = retrieve(
        repo, caller, locator.exhibit, purpose=purpose, authority=authority, assured=assured,
        span=locator.span, part=locator.part,
    )  # fmt: skip
    if locator.span is not None and reading.last < locator.span[1]:
        reading.close("aborted", "unknown-place")
        raise _beyond(locator, reading.recorded.size)
    reading.cited = locator.sha256
    return reading


def cite(
    repo: Repository, caller: Caller, number: str, *, purpose: str | None = None, **named: Any
) -> Place:
    """Return a place with its locator, digest included; a range is read for that.

    Args:
        repo: the repository.
        caller: who cites.
        number: the exhibit.
        purpose: why bytes are read, where a range is cited.
        named: `part`, `member`, `page`, `time`, `message`, `run` and `fact`, `span`.

    Raises:
        BadLocator, UnknownPlace, …: as `look` and `read`.
    """
    locator = locate(number, **named)
    found = look(repo, caller, str(locator))
    digest = found.sha256
    if locator.span is not None:
        reading = read(repo, caller, str(locator), purpose=purpose)
        running = sha256()
        for block in reading if isinstance(reading, Reading) else ():
            running.update(block)
        digest = f"sha256:{running.hexdigest()}"
    return replace(found, locator=locator.cited(digest), sha256=digest)


def list_facts(repo: Repository, caller: Caller, number: str) -> list[dict[str, Any]]:
    """Return what the newest run read out of an exhibit, each fact with its locator; recorded.

    Raises:
        UnknownExhibit, NotExtracted, Erased: as `record_at`.
    """
    return with_locators(*record_at(repo, caller, number))


def with_locators(
    exhibit: Exhibit, run: ExtractionRun, record: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the facts of a record, each with its locator."""
    return [_fact(exhibit, run.run, n, one) for n, one in enumerate(record["facts"], 1)]


def of_member(number: str, path: str, digest: str | None) -> str:
    """Return the locator of a member, as a list of members shows it."""
    return str(Locator(number, member=path, sha256=digest))


def _whole(repo: Repository, caller: Caller, locator: Locator) -> Place:
    described, _ = show_exhibit(repo, caller, locator.exhibit, reason="citation")
    exhibit = described.exhibit
    if locator.part is None and locator.span is None:
        return Place(locator, exhibit.number, exhibit.sha256, exhibit.size)
    part, _ = described.part(locator.part)
    if locator.span is None:
        return Place(locator, exhibit.number, part.digests["sha256"], part.size)
    first, last = locator.span
    if last >= part.size:
        raise _beyond(locator, part.size)
    return Place(locator, exhibit.number, None, last - first + 1)


def _member(repo: Repository, caller: Caller, locator: Locator) -> Place:
    exhibit, _, record = record_at(repo, caller, locator.exhibit)
    rows = [one for one in record["members"] if one["path"] == locator.member]
    if len(rows) != 1:
        often = f"{len(rows)} members" if rows else "no member"
        raise UnknownPlace(f"{exhibit.number} has {often} {shown(locator.member)}")
    [row] = rows
    with repo.database.reading() as session:
        child = child_of(session, exhibit.id, row["path"])
        if child is not None:
            home = session.get_one(Case, child.case_id)
            child = next(iter(known(repo, session, caller, home, [child])), None)
    if locator.within or locator.span is not None:
        if child is None:
            raise _not_taken_out(locator)
        inner = replace(locator, exhibit=child.number, member=None)
        return replace(look(repo, caller, str(inner)), locator=locator)
    digest = child.sha256 if child is not None else row["sha256"]
    about = {
        "member": row["path"],
        "modified_at": row["modified_at"],
        "flags": row["flags"],
        "exhibit": child.number if child is not None else None,
    }
    holder = child.number if child is not None else exhibit.number
    return Place(locator, holder, digest, row["size"], member=about)


def _within(repo: Repository, caller: Caller, locator: Locator) -> Place:
    exhibit, run, record = record_at(repo, caller, locator.exhibit, locator.run)
    numbered = [(n, one) for n, one in enumerate(record["facts"], 1)]
    made = record["derivatives"]
    pictures: list[dict[str, Any]] = []
    if locator.fact is not None:
        chosen = numbered[locator.fact - 1 : locator.fact]
        there = bool(chosen)
    elif locator.message is not None:
        where = f"message={locator.message}"
        chosen = [pair for pair in numbered if pair[1].get("locator") == where]
        there = bool(chosen)
    elif locator.page is not None:
        where = f"page={locator.page}"
        chosen = [pair for pair in numbered if pair[1].get("locator") == where]
        pictures = [one for one in made if one["locator"] == where]
        there = bool(pictures) or locator.page <= _pages(record)
    else:
        chosen, (pictures, there) = [], _at_time(record, str(locator.time))
    if not there:
        raise UnknownPlace(
            f"nothing that was read out of {exhibit.number} is at {locator}: it lies beyond the "
            "end, or where that is was not read"
        )
    facts = [_fact(exhibit, run.run, n, one) for n, one in chosen]
    shown_ = [
        {name: one[name] for name in ("kind", "mime", "locator", "size", "sha256")}
        for one in pictures
    ]
    return Place(locator, exhibit.number, exhibit.sha256, exhibit.size, facts=facts, made=shown_)


def _pages(record: Mapping[str, Any]) -> int:
    counts = [
        int(one["value"])
        for one in record["facts"]
        if one["name"].endswith(":PageCount") and one["value"].isdecimal()
    ]
    return max(counts, default=0)


def _at_time(record: Mapping[str, Any], time: str) -> tuple[list[dict[str, Any]], bool]:
    """Return the key frames of a time or stretch, with the last one before it, and if it is there.

    How long it is say the facts of the name `Duration`, the longest of them.
    """
    first, _, last = time.partition(",")
    lengths = [
        float(one["value"])
        for one in record["facts"]
        if one["name"].endswith("Duration") and _LENGTH.fullmatch(one["value"])
    ]
    frames = sorted(
        (float(one["locator"][2:]), n, one)
        for n, one in enumerate(record["derivatives"])
        if one["kind"] == "keyframe" and _LENGTH.fullmatch(one["locator"][2:])
    )
    if float(last or first) > max([*lengths, *(at for at, _, _ in frames)], default=-1.0):
        return [], False
    before = [one for at, _, one in frames if at <= float(first)][-1:]
    between = [one for at, _, one in frames if float(first) < at <= float(last or first)]
    return before + between, True


def _fact(exhibit: Exhibit, run: int, n: int, one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fact with its locator: where it stands in the file, else in the record."""
    kind, _, value = (one.get("locator") or "").partition("=")
    where = Locator(exhibit.number, sha256=exhibit.sha256)
    if kind == "message" and value:
        where = replace(where, message=value)
    else:
        where = replace(where, run=run, fact=n)
    return {**one, "locator": str(where)}


def _beyond(locator: Locator, size: int) -> UnknownPlace:
    return UnknownPlace(f"{locator.exhibit} ends after {size} bytes; {locator} lies beyond it")


def _not_taken_out(locator: Locator) -> MemberNotTakenOut:
    return MemberNotTakenOut(
        f"{shown(locator.member)} is no exhibit yet, or none that you may know of; "
        f"first: evidence derive {locator.exhibit} --member PATH"
    )
