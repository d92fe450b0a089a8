"""Authorise, record, then stream verified bytes; record how it ended.

Retrieval, in order:
1. the purpose is stated;  2. `decide`;  3. the opening entry is committed;
4. the part's manifest is checked against the root in its registration entry;
5. every chunk is hashed and compared before a byte of it is given out;
6. the closing entry says what was sent, or that a check failed.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from custody.entry import Act, Actor, CustodyEntry, Draft, uuid7
from custody.errors import LedgerDamaged
from repository import Repository, chunks
from repository.access import Right
from repository.authorise import Caller, decided, refuse
from repository.digests import compared
from repository.envelope import plain_size
from repository.errors import (
    AccessDenied,
    CitedDigestDiffers,
    Erased,
    IntegrityError,
    KeyUnavailable,
    PartRequired,
    RangeNotSatisfiable,
    StoreError,
    UnknownPart,
)
from repository.exhibits import about_part, meant_part, parts_of, ref, repaired_objects
from repository.flows import join, leave
from repository.keyring import Wrapped
from repository.keys import unwrap, wrapped_key
from repository.marking import handling
from repository.models import Case, Exhibit, FlowRange
from repository.purpose import Purpose
from repository.sealed import plain_reader
from repository.stated import stated_purpose
from repository.still import still_allowed
from repository.stores import Stored

_ASK_AGAIN = 16  # chunks

Span = tuple[int | None, int | None]
"""First and last byte, zero-based and inclusive: (A, B), (A, None) to the end, (None, N) last N."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One part as its registration entry recorded it: sizes, digests and where it is stored."""

    part: int
    size: int
    digests: dict[str, str]
    root: str
    manifest_sha256: str  # of its plaintext
    objects: tuple[Stored, ...]  # as registered
    manifest: Stored
    encryption: str | None
    repaired: Mapping[str, Stored] = field(default_factory=dict)  # by name: where it is instead

    @property
    def name(self) -> str:
        """Return the name that the bytes are sealed under, wherever they lie."""
        return self.objects[0].key

    def at(self, stored: Stored) -> Stored:
        """Return where an object is by now: as registered, or where a repair put it."""
        return self.repaired.get(stored.key, stored)


@dataclass(slots=True)
class Reading:
    """One open retrieval: iterate it to get verified bytes; it records how it ended."""

    repo: Repository
    actor: Actor
    case: Case
    exhibit: Exhibit
    purpose: Purpose
    request_id: str
    recorded: Recorded
    part: int | None  # None: the exhibit has one part
    first: int
    last: int  # inclusive; -1 for an empty part
    noted: FlowRange | None = None  # a range has its entries in common with others of its flow
    still: Callable[[], bool] = lambda: True  # asked again while it lasts
    cited: str | None = None  # the digest that all of it must have before its last bytes are given
    sent: int = 0
    closed: bool = field(default=False)

    @property
    def length(self) -> int:
        """Return how many bytes will be sent."""
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[bytes]:
        """Yield verified bytes; the closing entry is written when the iteration ends or is left.

        Raises:
            IntegrityError: a stored byte differs; recorded, and the chunk is not given out.
            StoreUnavailable: the store stopped answering; recorded.
            AccessDenied: the person, the grant or the permission ended meanwhile; recorded.
            CitedDigestDiffers: it is not what was cited; recorded.
        """
        try:
            for count, block in enumerate(compared(self._verified(), self.cited)):
                # Before the first too: what ended since it was decided has an earlier entry.
                if count % _ASK_AGAIN == 0 and not self.still():
                    self.close("aborted", "access-ended")
                    raise AccessDenied("the access ended while the bytes were being read")
                yield block
                self.sent += len(block)
            self.close("done")
        except IntegrityError as error:
            self.close("aborted", "integrity-failure", failure=str(error))
            raise
        except (StoreError, KeyUnavailable, Erased) as error:
            reason = "store-unavailable" if isinstance(error, StoreError) else error.code
            self.close("aborted", reason)
            raise
        except CitedDigestDiffers as error:
            self.close("aborted", error.code)
            raise
        finally:
            self.close("aborted", "connection-closed")

    def close(self, outcome: str, reason: str | None = None, *, failure: str | None = None) -> None:
        """Record the end of this reading once; later calls do nothing."""
        if self.closed:
            return
        self.closed = True
        drafts = []
        if self.noted is None:
            drafts.append(self._closing(outcome, reason))
        else:
            leave(self.repo, self.noted, self.sent, reason or outcome)
        if failure is not None:
            drafts.append(integrity_failure(self.exhibit, self.actor, self.request_id, failure))
        if drafts:
            self.repo.ledger.record(*drafts)

    def _verified(self) -> Iterator[bytes]:
        if self.noted is None:
            return verified_bytes(self.repo, self.exhibit, self.recorded, self.first, self.last)
        listed, key = _shared(self.repo, self.exhibit, self.recorded, self.request_id)
        return range_of(self.repo, self.exhibit, self.recorded, listed, key, self.first, self.last)

    def _closing(self, outcome: str, reason: str | None) -> Draft:
        ranges = [[self.first, self.first + self.sent - 1]] if self.sent else []
        return Draft(
            Act.RETRIEVAL,
            self.actor,
            outcome,
            reason=reason,
            exhibit=ref(self.exhibit),
            request_id=self.request_id,
            plain={"ranges": ranges, **about_part(self.part)},
            withheld={
                "purpose": self.purpose.to_json(),
                "case": self.case.code,
                **({"authority": self.purpose.authority} if self.purpose.authority else {}),
            },
        )


def retrieve(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
    span: Span | None = None,
    part: int | None = None,
) -> Reading:
    """Open a retrieval: everything up to the committed opening entry.

    Args:
        repo: the repository.
        caller: who asks.
        number: exhibit number.
        purpose: as stated.
        authority: the warrant, request or article it rests on.
        assured: excluded uses that are ruled out in writing.
        span: the bytes wanted; None: everything.
        part: which part; None: the only one.

    Raises:
        PurposeRequired, PurposeTooLong: no usable purpose; recorded.
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        PartRequired, UnknownPart: the exhibit has several parts, or not this one; recorded.
        RangeNotSatisfiable: the range lies outside the part; recorded.
        LedgerUnavailable: nothing could be recorded, so nothing is given out.
    """
    stated = stated_purpose(  # (1)
        repo, caller, purpose, Act.RETRIEVAL, authority=authority, assured=assured
    )
    actor, case, exhibit, thing = decided(  # (2)
        repo, caller, Right.RETRIEVE, number, attempted=Act.RETRIEVAL, purpose=stated
    )
    try:
        with repo.database.reading() as session:
            row, named = meant_part(exhibit, parts_of(session, [exhibit.id]), part)
        first, last = range_meant(span, row.size)
    except (PartRequired, UnknownPart, RangeNotSatisfiable) as error:
        refuse(repo, caller, Act.RETRIEVAL, [error.code], error, case=case, exhibit=exhibit)
    withheld: dict[str, Any] = {"purpose": stated.to_json(), "case": case.code}
    if stated.authority:
        withheld["authority"] = stated.authority
    noted, conditions = None, handling(thing.markings)
    if span is not None:
        noted = join(  # (3)
            repo, actor, exhibit, part=named, conditions=conditions, withheld=withheld,
            first=first, last=last,
        )  # fmt: skip
        request_id = noted.request_id
    else:
        request_id = uuid7(repo.clock(), repo.random)
        opening = Draft(
            Act.RETRIEVAL,
            actor,
            "started",
            exhibit=ref(exhibit),
            request_id=request_id,
            plain={**about_part(named), **conditions},
            withheld=withheld,
        )
        repo.ledger.record(opening)  # (3)
    reading = Reading(
        repo, actor, case, exhibit, stated, request_id, _UNREAD, named, first, last, noted,
        still=lambda: still_allowed(repo, caller, Right.RETRIEVE, exhibit, stated),
    )  # fmt: skip
    try:
        reading.recorded = recorded_parts(repo, exhibit)[row.part - 1]
    except LedgerDamaged as error:
        reading.close("aborted", "integrity-failure", failure=str(error))
        raise IntegrityError(f"the record of {number} does not hold: {error}") from error
    return reading


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the ranges of a flow have in common: checked once, for as long as the flow lasts."""

    listed: chunks.ChunkDigests
    key: bytes | None
    wrapped: Wrapped | None


_flows: OrderedDict[str, _Shared] = OrderedDict()
_flows_lock = Lock()
_FLOWS = 16  # kept in memory by one process


def _shared(
    repo: Repository, exhibit: Exhibit, recorded: Recorded, request_id: str
) -> tuple[chunks.ChunkDigests, bytes | None]:
    """Return the checked chunk digests and the data key of a flow.

    That the key was not destroyed meanwhile is looked at every time.
    """
    wrapped = wrapped_key(repo, exhibit.id) if recorded.encryption else None
    with _flows_lock:
        found = _flows.get(request_id)
    if found is None or found.wrapped != wrapped:
        key = None if wrapped is None else repo.kek.unwrap(wrapped)
        found = _Shared(listed_chunks(repo, exhibit, recorded, key), key, wrapped)
        with _flows_lock:
            _flows[request_id] = found
            if len(_flows) > _FLOWS:
                _flows.popitem(last=False)
    return found.listed, found.key


def recorded_parts(repo: Repository, exhibit: Exhibit) -> list[Recorded]:
    """Return what the ledger recorded of an exhibit's parts, proved against its signed head.

    Raises:
        LedgerDamaged: the registration entry is not what was signed, or not this exhibit's.
    """
    return recorded(repo, [exhibit])[exhibit.id]


def recorded(repo: Repository, exhibits: Sequence[Exhibit]) -> dict[str, list[Recorded]]:
    """Return the same for several exhibits, by id; the proofs share what they read.

    Raises:
        LedgerDamaged: one of the entries is not what was signed, or not its exhibit's.
    """
    entries = repo.ledger.proved([exhibit.registration for exhibit in exhibits])
    with repo.database.reading() as session:
        repaired = repaired_objects(session, [exhibit.id for exhibit in exhibits])
    return {
        exhibit.id: [
            _recorded(part, repaired.get(exhibit.id, {})) for part in _parts(repo, exhibit, entry)
        ]
        for exhibit, entry in zip(exhibits, entries, strict=True)
    }


def _parts(repo: Repository, exhibit: Exhibit, entry: CustodyEntry) -> list[dict[str, Any]]:
    """Return all parts of a registration; too many for one entry go on in those after it."""
    found = _registered(exhibit, entry)
    count = entry.fields.get("count", len(found))
    following = entry.index + 1
    while len(found) < count:
        some = -(-(count - len(found)) // len(found)) if found else 1
        for more in repo.ledger.proved(range(following, following + some)):
            if len(found) < count:
                found += _registered(exhibit, more)
        following += some
    if [part["part"] for part in found] != list(range(1, count + 1)):
        raise LedgerDamaged(f"the registration of {exhibit.number} lacks parts")
    return found


def _registered(exhibit: Exhibit, entry: CustodyEntry) -> list[dict[str, Any]]:
    fields = entry.fields
    about = fields.get("exhibit", {})
    if fields.get("type") != Act.REGISTRATION or about.get("id") != exhibit.id:
        raise LedgerDamaged(f"entry {entry.index} is not the registration of {exhibit.number}")
    return list(fields["parts"])


def verified_bytes(
    repo: Repository, exhibit: Exhibit, recorded: Recorded, first: int, last: int
) -> Iterator[bytes]:
    """Yield a byte range of a part, each chunk checked before it is given out; records nothing.

    Raises:
        IntegrityError: manifest or chunk differ from what the ledger recorded.
        Erased, KeyUnavailable: the data key was destroyed by order, or does not open.
        StoreUnavailable: the store does not answer.
    """
    key = part_key(repo, exhibit, recorded)
    with listed_chunks(repo, exhibit, recorded, key) as listed:  # (4)
        yield from range_of(repo, exhibit, recorded, listed, key, first, last)  # (5)


def part_key(repo: Repository, exhibit: Exhibit, recorded: Recorded) -> bytes | None:
    """Return the data key of a part; None if it is not encrypted."""
    return None if recorded.encryption is None else unwrap(repo, exhibit.id)


def listed_chunks(
    repo: Repository, exhibit: Exhibit, recorded: Recorded, key: bytes | None
) -> chunks.ChunkDigests:
    """Return the chunk digests of a part's manifest, checked against the ledger.

    Raises:
        IntegrityError: it is not the manifest that was recorded.
    """
    manifest = recorded.manifest
    size = manifest.size if key is None else plain_size(manifest.size)
    place = recorded.at(manifest)
    read = plain_reader(repo.store, [place], key=key, name=manifest.key, size=size)
    try:
        with read(0, size + 1) as file:
            return chunks.load(
                file,
                root=recorded.root,
                size=recorded.size,
                manifest_digest=recorded.manifest_sha256,
            )
    except IntegrityError as error:
        raise IntegrityError(f"{exhibit.number}: {error}") from error


def range_of(
    repo: Repository,
    exhibit: Exhibit,
    recorded: Recorded,
    listed: chunks.ChunkDigests,
    key: bytes | None,
    first: int,
    last: int,
    whole: "hashlib._Hash | None" = None,
) -> Iterator[bytes]:
    """Yield a byte range of a part, each chunk compared with its digest before it is given out.

    `whole` as in `chunks.verified`.

    Raises:
        IntegrityError: a chunk differs.
    """
    places = [recorded.at(one) for one in recorded.objects]
    read = plain_reader(repo.store, places, key=key, name=recorded.name, size=recorded.size)
    try:
        yield from chunks.verified(
            read, listed, size=recorded.size, first=first, last=last, whole=whole
        )
    except IntegrityError as error:
        raise IntegrityError(f"{exhibit.number}: {error}") from error


def integrity_failure(exhibit: Exhibit, actor: Actor, request_id: str | None, detail: str) -> Draft:
    """Return the entry that says stored bytes differ from what was recorded."""
    return Draft(
        Act.INTEGRITY_FAILURE,
        actor,
        "fail",
        reason="digest-differs",
        exhibit=ref(exhibit),
        request_id=request_id,
        withheld={"detail": detail},
    )


def range_meant(span: Span | None, size: int) -> tuple[int, int]:
    """Return the first and last byte that are meant; RangeNotSatisfiable: there are none such."""
    if span is None:
        return 0, size - 1
    first, last = span
    if first is None:
        first, last = max(0, size - (last or 0)), None
    if first >= size or (last is not None and last < first):
        raise RangeNotSatisfiable(f"there are {size} bytes", size=size)
    return first, size - 1 if last is None else min(last, size - 1)


def _recorded(part: dict[str, Any], repaired: Mapping[str, Stored]) -> Recorded:
    objects = tuple(Stored.from_json(one) for one in (part["stored"], *part.get("further", ())))
    return Recorded(
        part=part["part"],
        size=part["size"],
        digests=part["digests"],
        root=part["chunks"]["root"],
        manifest_sha256=part["chunks"]["manifest"],
        objects=objects,
        manifest=Stored.from_json(part["manifest"]),
        encryption=part.get("encryption"),
        repaired=repaired,
    )


_NOWHERE = Stored("", "", "", "", "", 0, None, hold=False)
_UNREAD = Recorded(0, 0, {}, "", "", (_NOWHERE,), _NOWHERE, None)
