"""What pages show of exhibits: facts, pictures, words; one entry lists them before any is sent.

A page looks once: what it will show is put together, a `consultation` that lists it is committed,
and only then is anything of it given out. Pictures are asked for one by one afterwards
(`picture_bytes`), each under the digest that the entry has. Originals are never shown.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Actor, Draft
from custody.errors import LedgerDamaged
from repository import Repository, envelope, facts
from repository.access import Right, decide
from repository.annotations import Version, of_exhibit
from repository.authorise import Caller, decided, on_case, refuse, who
from repository.conditions import Marking
from repository.consult import Described, describe, known_listed
from repository.errors import AccessDenied, IntegrityError, KeyUnavailable, NotExtracted, StoreError
from repository.exhibits import latest_runs, parts_of, ref
from repository.extractions import record_of
from repository.holds import standing
from repository.keys import unwrap
from repository.listed import Line, Listed
from repository.marking import handling
from repository.models import Case, DerivedObject, Exhibit
from repository.proceedings import Hold
from repository.sealed import put_document
from repository.sensitive import NOT_SENSITIVE, unveiled
from repository.still import of_several, still_allowed
from repository.stores import Stored

KINDS = ("preview", "thumbnail", "page", "keyframe")  # of derivatives that are pictures
TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
PLAYED = {"film": "video/webm", "sound": "audio/ogg"}  # derivatives that are played, not seen
MOST = 24  # pictures of one exhibit on its page
_RIGHTS = (Right.FACTS, Right.HISTORY, Right.ANNOTATE, Right.HOLD)


@dataclass(frozen=True, slots=True)
class Picture:
    """A derivative that a page shows, and the entry that lists it."""

    exhibit_id: str
    number: str
    run: int
    n: int  # of the run's derivatives
    kind: str
    digest: str  # of the stored object, as its `derivative_creation` has it
    locator: str = ""
    entry: int = -1


@dataclass(frozen=True, slots=True)
class Look:
    """All that the page of an exhibit shows to one person."""

    described: Described
    actor: Actor
    may: frozenset[Right]
    markings: Sequence[tuple[str, Marking]]  # what restricts it: said of which of its subjects
    holds: Sequence[Hold]
    record: dict[str, Any] | None  # what was read out of it
    unreadable: str | None  # why there is no record, although it was looked at
    pictures: Sequence[Picture]
    said: Sequence[Version]
    sensitive: bool
    entry: int


@dataclass(frozen=True, slots=True)
class Tile:
    """An exhibit in a gallery."""

    described: Listed
    picture: Picture | None
    sensitive: bool


def show_page(repo: Repository, caller: Caller, number: str) -> Look:
    """Return all that the page of an exhibit shows; one entry in its history lists it.

    Raises:
        UnknownExhibit: not for this caller; recorded.
    """
    actor, case, exhibit, thing = decided(
        repo, caller, Right.CONSULT, number, attempted=Act.CONSULTATION
    )
    with repo.database.reading() as session:
        asking = who(session, caller, case)
        may = frozenset(
            one for one in _RIGHTS if decide(asking, one, thing, None, repo.clock()).allowed
        )
        described = describe(repo, session, caller, actor, case, exhibit)
        markings = _markings(session, case, exhibit)
        holds = standing(session, exhibit.id) if Right.HOLD in may else []
    record, unreadable = _record(repo, described) if Right.FACTS in may else (None, None)
    pictures = _of_record(repo, described, record, independent=actor.role == "reviewer")
    said = of_exhibit(repo, exhibit) if Right.ANNOTATE in may else []
    outputs = [described.run.record_sha256] if record is not None and described.run else []
    [entry] = repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="exhibit-page",
            exhibit=ref(exhibit),
            plain={
                "count": len(pictures),
                "outputs": [*outputs, *(one.digest for one in pictures)],
            },
            withheld={"case": case.code},
        )
    )
    return Look(
        described, actor, may, markings, holds, record, unreadable,
        [replace(one, entry=entry.index) for one in pictures],
        [one for one in said if "withdrawn" not in one.said],
        not any(_frees(one) for one in said),
        entry.index,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asking:
    """What somebody is shown who is about to retrieve: nothing of the content."""

    described: Described
    actor: Actor
    markings: Sequence[tuple[str, Marking]]
    recorded: dict[str, Any]  # `handling`, as the entry of the retrieval will have it


def show_asking(repo: Repository, caller: Caller, number: str) -> Asking:
    """Return what is told before a retrieval; recorded as a look at the exhibit.

    Raises:
        UnknownExhibit: not for this caller; recorded.
    """
    actor, case, exhibit, thing = decided(
        repo, caller, Right.CONSULT, number, attempted=Act.CONSULTATION
    )
    with repo.database.reading() as session:
        described = describe(repo, session, caller, actor, case, exhibit)
        markings = _markings(session, case, exhibit)
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="retrieval-page",
            exhibit=ref(exhibit),
            withheld={"case": case.code},
        )
    )
    return Asking(described, actor, markings, handling(thing.markings))


def show_gallery(
    repo: Repository, caller: Caller, code: str, *, after: int, limit: int
) -> tuple[Case, list[Tile]]:
    """Return a case's exhibits with a picture each, after a serial; one entry lists them.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.LIST, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        listed = known_listed(repo, session, caller, case, after=after, limit=limit)
    return case, tiles(repo, caller, actor, listed, case=case)


def tiles(
    repo: Repository,
    caller: Caller,
    actor: Actor,
    described: Sequence[Listed],
    *,
    case: Case | None = None,
) -> list[Tile]:
    """Return a picture of each of some exhibits that the caller may know of; one entry lists them.

    A picture has who may see the facts; there is none of a container that holds what is closed.
    """
    exhibits = [one.exhibit for one in described]
    with repo.database.reading() as session:
        now = repo.clock()
        open_, team = [], []
        for exhibit, asking, thing in of_several(session, caller, exhibits):
            facts_too = decide(asking, Right.FACTS, thing, None, now).allowed
            if facts_too and not thing.holds_privileged and exhibit.erased_at is None:
                open_.append(exhibit)
            if decide(asking, Right.ANNOTATE, thing, None, now).allowed:
                team.append(exhibit)
        pictures = _first_pictures(session, open_)
    listed = [[one.number, pictures[one.id].digest] for one in exhibits if one.id in pictures]
    stored, digest = put_document(repo, dumps(listed))
    [entry] = repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="gallery",
            plain={"count": len(listed), "outputs": [digest], "location": stored.location()},
            withheld={"case": case.code} if case else {},
            subject=case.id if case else None,
        )
    )
    shown = {id_: replace(one, entry=entry.index) for id_, one in pictures.items()}
    free = unveiled(repo, team)
    return [Tile(one, shown.get(one.exhibit.id), one.exhibit.id not in free) for one in described]


def picture_bytes(repo: Repository, caller: Caller, picture: Picture) -> tuple[str, bytes]:
    """Return the media type and the bytes of a picture that an entry lists; adds no entry.

    Raises:
        AccessDenied: the access ended since the page was shown; recorded.
        NotExtracted, IntegrityError: it is no such picture, or not the one that was listed.
    """
    with repo.database.reading() as session:
        exhibit = session.get(Exhibit, picture.exhibit_id)
        row = session.get(DerivedObject, (picture.exhibit_id, picture.run, picture.n))
        parts = parts_of(session, [picture.exhibit_id])
    if (
        exhibit is None
        or row is None
        or row.mime not in (*PLAYED.values(), *TYPES)
        or exhibit.erased_at is not None
    ):
        raise NotExtracted("this picture is not there any more")
    if not still_allowed(repo, caller, Right.FACTS, exhibit, None):
        error = AccessDenied("the access ended since this page was shown")
        refuse(repo, caller, Act.CONSULTATION, ["access-ended"], error, exhibit=exhibit)
    stored = Stored.from_json(row.stored)
    with repo.store.open(stored) as file:
        raw = file.read()
    if f"sha256:{sha256(raw).hexdigest()}" != picture.digest:
        raise IntegrityError(f"{exhibit.number}: its {row.kind} is not the one that was made")
    if parts[0].encryption is None:
        return row.mime, raw

    @contextmanager
    def read(start: int, length: int) -> Iterator[BinaryIO]:
        yield io.BytesIO(raw[start : start + length])

    size = envelope.plain_size(len(raw))
    key = unwrap(repo, exhibit.id)
    with envelope.opened(read, key=key, name=stored.key, size=size)(0, size) as plain:
        return row.mime, plain.read()


def _frees(one: Version) -> bool:
    return one.kind == "tag" and one.said.get("text") == NOT_SENSITIVE and "locator" not in one.said


def _markings(session: Session, case: Case, exhibit: Exhibit) -> list[tuple[str, Marking]]:
    """Return what restricts an exhibit, by what it was said of: nearest first."""
    [line] = facts.lines(session, [exhibit.id]).values()
    subjects = [
        (exhibit.id, "exhibit"), (exhibit.submission_id, "submission"),
        *((one, "above") for one in line), (case.id, "case"),
    ]  # fmt: skip
    marked = facts.markings(session, [one for one, _ in subjects])
    plain = Marking()
    return [(kind, marked[one]) for one, kind in subjects if marked.get(one, plain) != plain]


def _record(repo: Repository, of: Described) -> tuple[dict[str, Any] | None, str | None]:
    if of.run is None or of.exhibit.erased_at is not None:
        return None, None
    try:
        return record_of(repo, of.exhibit, of.run), None
    except (IntegrityError, KeyUnavailable, LedgerDamaged, StoreError) as error:
        return None, str(error)


def _of_record(
    repo: Repository, of: Described, record: dict[str, Any] | None, *, independent: bool
) -> list[Picture]:
    """Return what of a record is played and seen, what says most first, but what is closed."""
    if record is None or of.run is None:
        return []
    exhibit = of.exhibit
    query = select(DerivedObject).where(
        DerivedObject.exhibit_id == exhibit.id,
        DerivedObject.run == of.run.run,
        DerivedObject.kind.in_([*PLAYED, *KINDS]),
        DerivedObject.mime.in_([*PLAYED.values(), *TYPES]),
    )
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(DerivedObject.number)))
        lines = facts.lines(session, [exhibit.id])
        closed = set() if independent else facts.closed_in(session, lines).get(exhibit.id, set())
    made = record["derivatives"]
    found = []
    for row in rows:
        locator = str(made[row.number - 1]["locator"])
        member = locator.removeprefix("member=") if locator.startswith("member=") else None
        if member and any(facts.within(member, shut) for shut in closed):
            continue
        found.append(_picture(exhibit, row, locator))
    whole = {one.locator for one in found if one.kind == "preview"}
    found = [one for one in found if one.kind != "thumbnail" or one.locator not in whole]
    order = (*PLAYED, *KINDS)
    return sorted(found, key=lambda one: (order.index(one.kind), one.n))[:MOST]


def _first_pictures(session: Session, exhibits: Sequence[Line]) -> dict[str, Picture]:
    """Return of each exhibit the smallest picture that its newest run made, where it made one."""
    by_id = {one.id: one for one in exhibits}
    runs = latest_runs(session, list(by_id))
    query = select(DerivedObject).where(
        DerivedObject.exhibit_id.in_(list(runs)),
        DerivedObject.kind.in_(KINDS),
        DerivedObject.mime.in_(TYPES),
        DerivedObject.number <= MOST,
    )
    found: dict[str, Picture] = {}
    rank = {kind: n for n, kind in enumerate(("thumbnail", "preview", "keyframe", "page"))}
    rows = session.scalars(query)
    for row in sorted(rows, key=lambda one: (rank[one.kind], one.number)):
        if row.run == runs[row.exhibit_id].run and row.exhibit_id not in found:
            found[row.exhibit_id] = _picture(by_id[row.exhibit_id], row, "")
    return found


def _picture(exhibit: Exhibit | Line, row: DerivedObject, locator: str) -> Picture:
    digest = str(row.stored["sha256"])
    return Picture(exhibit.id, exhibit.number, row.run, row.number, row.kind, digest, locator)
