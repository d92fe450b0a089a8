"""Make chosen members of a container child exhibits: taken out in the sandbox, registered, linked.

A child is an exhibit like any other, with digests, a receipt and a data key of its own. Its
parent is read through the verified reader; where the parent's listing has a digest of the member,
what was taken out is compared with it, as a declared digest is. A member that is not taken out
leaves an entry that says why. The same member again gives the same child.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from platform import python_version
from typing import Any, BinaryIO

from custody.entry import Act, Actor, Draft, uuid7
from ingest.origin import Origin, known_children
from ingest.register import Outcome, register
from ingest.sandbox import Sandbox
from ingest.served import Part
from ingest.staging import Received, intend, stage
from ingest.takings import VERSION, Taking, Takings
from ingest.working_copy import MEMORY_COPY, ends_of, served, working_copy
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit
from repository.citations import of_member
from repository.closed_members import check_open
from repository.consult import known
from repository.errors import BadRequest, Erased, IntegrityError
from repository.exhibits import latest_run, ref
from repository.extractions import record_of, show_record
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.people import SYSTEM
from repository.purpose import parse
from repository.retrieve import integrity_failure, part_key, recorded_parts
from repository.submissions import Declaration, complete, open_submission

TOGETHER = 200  # members taken out in one pass over their container
ASKED_BYTES = 24_000  # of their paths, as the sandbox is told them
MOST_MEMBERS = 10_000  # asked for at once
MOST_PATH = 4096  # bytes: what a listing shows
# How the entry about a member ends that was not taken out; any other reason is a refusal by rule.
_ENDS = {
    "member-unknown": "not-done", "member-damaged": "error", "member-limits": "error",
    "timeout": "error", "crash": "error", "refused": "not-done",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """What became of one member: `registered`, `known` from before, `quarantined` or `refused`."""

    member: str
    status: str
    exhibit: str | None = None
    sha256: str | None = None
    size: int | None = None
    entry: int | None = None
    quarantine: str | None = None
    reason: str | None = None
    detail: str | None = None
    exhibit_id: str | None = None  # of a child that was not looked at yet

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        names = ("member", "status", "exhibit", "sha256", "size", "entry", "quarantine", "reason",
                 "detail")  # fmt: skip
        return {name: getattr(self, name) for name in names}


def list_members(repo: Repository, caller: Caller, number: str) -> Iterator[dict[str, Any]]:
    """Yield the members that the newest listing of an exhibit names, with their children.

    Raises:
        UnknownExhibit, NotExtracted, Erased, IntegrityError: as `show_record`; recorded.
    """
    members = show_record(repo, caller, number)["members"]
    _, case, exhibit = on_exhibit(repo, caller, Right.CONSULT, number, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        children = known_children(session, exhibit.id, [one["path"] for one in members])
        mine = {one.id for one in known(repo, session, caller, case, list(children.values()))}
    for one in members:
        child = children.get(one["path"])
        child = child if child is not None and child.id in mine else None
        yield {
            "member": one["path"],
            "size": one["size"],
            "modified_at": one["modified_at"],
            "sha256": one["sha256"],
            "flags": one["flags"],
            "exhibit": child.number if child else None,
            "locator": of_member(number, one["path"], child.sha256 if child else one["sha256"]),
        }


def take_out(
    repo: Repository,
    sandbox: Sandbox,
    caller: Caller,
    number: str,
    members: Sequence[str],
    *,
    purpose: str | None = None,
    odd_names: bool = False,
) -> list[Member]:
    """Make members of an exhibit child exhibits; return what became of each, in their order.

    Args:
        repo: the repository.
        sandbox: where the container is read.
        caller: who asks; decided as for looking at the parent again.
        number: the parent.
        members: their paths, as the listing shows them.
        purpose: why; a code, or code and words. None: investigation.
        odd_names: take members too whose names are absolute, lead out of the container or hide
            something. The name is kept as data either way.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        Erased: the parent was erased.
        BadRequest: no member, too many, or a path too long.
        IntegrityError: the parent's bytes failed their check; recorded.
        StoreUnavailable, LedgerUnavailable, SandboxUnavailable: what was not registered is not.
    """
    stated = parse(purpose or "investigation")
    actor, case, parent = on_exhibit(
        repo, caller, Right.EXTRACT, number, attempted=Act.DERIVATIVE_CREATION, purpose=stated
    )
    if parent.erased_at is not None:
        raise Erased(f"{parent.number} was erased; there is nothing to take out")
    wanted = list(dict.fromkeys(_plain(one) for one in members))
    if not 1 <= len(wanted) <= MOST_MEMBERS:
        raise BadRequest(f"name 1 to {MOST_MEMBERS} members at once")
    if actor.role != "reviewer":
        check_open(repo, caller, case, parent, wanted, Act.DERIVATIVE_CREATION)
    declared = Declaration(stated, family=parent.family)
    with repo.database.reading() as session:
        known = known_children(session, parent.id, wanted)
    done = {member: _known(member, child) for member, child in known.items()}
    work = _Work(repo, sandbox, actor, case, parent, declared, odd_names=odd_names)
    try:
        with _opened(repo, parent) as (file, parts):
            for lot in _lots([one for one in wanted if one not in known]):
                done |= work.lot(file, parts, lot)
    except IntegrityError as error:
        repo.ledger.record(integrity_failure(parent, SYSTEM, None, str(error)))
        raise
    return [done[_plain(one)] for one in members]


class _Work:
    """One request: who asks, for which parent, and what stands in all of its entries."""

    def __init__(
        self,
        repo: Repository,
        sandbox: Sandbox,
        actor: Actor,
        case: Case,
        parent: Exhibit,
        declared: Declaration,
        *,
        odd_names: bool,
    ) -> None:
        self._repo = repo
        self._sandbox = sandbox
        self._actor = actor
        self._case = case
        self._parent = parent
        self._declared = declared
        self._odd_names = odd_names
        self._listed = _listed(repo, parent)
        self._request = uuid7(repo.clock(), repo.random)

    def lot(
        self, file: BinaryIO, parts: Sequence[Part], members: Sequence[str]
    ) -> dict[str, Member]:
        """Take out members until each has an end: in memory where they are small, else on disk."""
        done: dict[str, Member] = {}
        most, waiting = MEMORY_COPY, list(members)
        while waiting:
            with output(self._repo, most) as into:
                taken = self._sandbox.take_out(
                    file, waiting, into, served=parts, most=most, odd_names=self._odd_names
                )
                ends = dict(zip(waiting, taken.members, strict=True))
                later = {one for one, end in ends.items() if end.later}
                too_large = {n for n, end in ends.items() if end.reason == "member-too-large"}
                if too_large and most < self._repo.settings.member_bytes:
                    later, most = later | too_large, self._repo.settings.member_bytes
                done |= self._settle(taken, into, ends, later)
            waiting = [one for one in waiting if one in later]
        return done

    def _settle(
        self, taken: Takings, into: int, ends: Mapping[str, Taking], later: set[str]
    ) -> dict[str, Member]:
        """Register what was taken out, and record what was not."""
        origin = Origin(ref(self._parent), "", self._instrument(taken), self._request)
        had = {one: end for one, end in ends.items() if not end.reason and not end.later}
        missed = {one: end for one, end in ends.items() if end.reason and one not in later}
        done = self._register(had, into, origin) if had else {}
        drafts: list[Draft] = []
        for member, end in missed.items():
            outcome = _ENDS.get(end.reason, "refused")
            purpose = self._declared.purpose
            drafts.append(
                origin.of(member).refusal(
                    self._actor, self._case, purpose, outcome, end.reason, end.detail
                )
            )
        if drafts:
            with self._repo.database.writing() as session:
                entries = self._repo.ledger.append(session, drafts)
            for (member, end), entry in zip(missed.items(), entries, strict=True):
                done[member] = Member(
                    member, "refused", entry=entry.index, reason=end.reason, detail=end.detail
                )
        return done

    def _register(self, had: Mapping[str, Taking], into: int, origin: Origin) -> dict[str, Member]:
        repo = self._repo
        submission, _ = open_submission(
            repo,
            self._actor,
            self._case,
            self._declared,
            sources=[self._parent.id.encode(), *(one.encode() for one in had)],
        )
        intents = intend(repo, submission, [[one.encode()] for one in had])
        received = []
        for (member, end), [intent] in zip(had.items(), intents, strict=True):
            expected = self._listed.get(member)
            staged = stage(
                repo,
                intent,
                Slice(into, end.offset, end.size),  # type: ignore[arg-type]  # it reads
                size=end.size,
                declared={"sha256": expected} if expected else {},
            )
            received.append(Received((staged,), origin=origin.of(member)))
        outcomes = register(repo, self._actor, self._case, submission, received)
        complete(repo, submission)
        return {
            member: _registered(member, outcome)
            for member, outcome in zip(had, outcomes, strict=True)
        }

    def _instrument(self, taken: Takings) -> dict[str, Any]:
        odd_names = {"odd_names": str(self._odd_names).lower()}
        return instrument_of(self._repo, VERSION, taken.isolation, **odd_names)


def instrument_of(
    repo: Repository, version: str, isolation: str, **parameters: str
) -> dict[str, Any]:
    """Return what an entry says of the sandbox that made something of an exhibit."""
    return {
        "tool": "extraction sandbox",
        "version": f"{version}; Python {python_version()}",
        "parameters": {
            "isolation": isolation,
            "limits": f"member_bytes={repo.settings.member_bytes}",
            **parameters,
        },
    }


class Slice:
    """Some bytes of the output as a source to be read once."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._place = offset
        self._end = offset + size

    def readinto(self, buffer: memoryview) -> int:
        """Read up to as many bytes as the buffer has."""
        view = memoryview(buffer)[: self._end - self._place]
        got = os.preadv(self._descriptor, [view], self._place) if view else 0
        self._place += got
        return got

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes; all that is left by default."""
        left = self._end - self._place
        data = os.pread(self._descriptor, left if size < 0 else min(size, left), self._place)
        self._place += len(data)
        return data


@contextmanager
def _opened(repo: Repository, parent: Exhibit) -> Iterator[tuple[BinaryIO, list[Part]]]:
    """Open the container, its first part, as extraction does: a verified copy, or pieces."""
    recorded = recorded_parts(repo, parent)[0]
    key = part_key(repo, parent, recorded)
    if recorded.size > repo.settings.extraction_copy_bytes:
        with ends_of(repo, parent, recorded, key) as ends:
            yield ends, [served(repo, parent, recorded, key)]
        return
    with working_copy(repo, parent, recorded, key) as copy:
        yield copy, []


@contextmanager
def output(repo: Repository, most: int) -> Iterator[int]:
    """Yield an unnamed file for what is taken out: in memory, or on disk where it may be large."""
    if most <= MEMORY_COPY:
        descriptor = os.memfd_create("members", os.MFD_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryFile(dir=repo.settings.data / "work", buffering=0) as file:
        yield file.fileno()


def _listed(repo: Repository, parent: Exhibit) -> dict[str, str]:
    """Return the digests that the parent's newest listing has of its members; of doubles none."""
    with repo.database.reading() as session:
        run = latest_run(session, parent.id)
    if run is None:
        return {}
    found: dict[str, str] = {}
    doubled: set[str] = set()
    for one in record_of(repo, parent, run)["members"]:
        if one["path"] in found:
            doubled.add(one["path"])
        if one["sha256"]:
            found[one["path"]] = one["sha256"]
    return {path: digest for path, digest in found.items() if path not in doubled}


def _lots(members: Sequence[str]) -> Iterator[list[str]]:
    """Yield members in lots that are taken out in one pass."""
    lot: list[str] = []
    size = 0
    for one in members:
        length = len(json.dumps(one)) + 2
        if lot and (len(lot) == TOGETHER or size + length > ASKED_BYTES):
            yield lot
            lot, size = [], 0
        lot.append(one)
        size += length
    if lot:
        yield lot


def _plain(member: str) -> str:
    """Return a member's path as text that can be recorded.

    Raises:
        BadRequest: it is empty, or longer than any that a listing shows.
    """
    found = member.encode("utf-8", "backslashreplace")
    if not 1 <= len(found) <= MOST_PATH:
        raise BadRequest(f"a member's path has 1 to {MOST_PATH} bytes: {shown(member[:80])}")
    return found.decode()


def _known(member: str, child: Exhibit) -> Member:
    return Member(member, "known", child.number, child.sha256, child.size, child.registration)


def _registered(member: str, outcome: Outcome) -> Member:
    return Member(
        member,
        "known" if outcome.again else outcome.status,
        outcome.number,
        outcome.sha256,
        outcome.size,
        outcome.index,
        outcome.quarantine,
        "digest-mismatch" if outcome.status == "quarantined" else None,
        exhibit_id=outcome.exhibit_id if outcome.status == "registered" else None,
    )
