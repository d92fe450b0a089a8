"""Look at lists, exhibits and their custody: every look is a `consultation` entry first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from custody.canonical import dumps
from custody.entry import Act, Actor, CustodyEntry, Draft, timestamp
from custody.ledger import checked_values
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, on_exhibit
from repository.cases import visible_cases
from repository.exhibits import (
    children_of,
    exhibits_of,
    latest_run,
    latest_runs,
    meant_part,
    parent_of,
    part_names,
    parts_of,
    ref,
)
from repository.models import Case, Exhibit, ExtractionRun, Part, Submission
from repository.naming import recorded_name
from repository.publication import completed
from repository.sealed import put_document


@dataclass(frozen=True, slots=True)
class Described:
    """An exhibit as lists and pages show it."""

    exhibit: Exhibit
    case: str
    run: ExtractionRun | None
    parts: Sequence[Part] = ()  # looked up for a single exhibit
    names: Mapping[int, bytes] = field(default_factory=dict)  # original paths by part
    parent: Exhibit | None = None  # the container it was taken out of
    children: Sequence[Exhibit] = ()  # what was taken out of it

    def part(self, number: int | None) -> tuple[Part, int | None]:
        """Return the part that is meant, and its number where the exhibit has several.

        Raises:
            PartRequired, UnknownPart: none was named of several, or it has no such part.
        """
        return meant_part(self.exhibit, self.parts, number)

    def to_json(self) -> dict[str, Any]:
        """Return the exhibit as the API answers it."""
        found: dict[str, Any] = {
            "exhibit": self.exhibit.number,
            "case": self.case,
            "submission": self.exhibit.submission_id,
            "path": recorded_name(self.exhibit.path),
            "sha256": self.exhibit.sha256,
            "size": self.exhibit.size,
            "family": self.exhibit.family,
            "registered_at": timestamp(self.exhibit.registered_at),
            "entry": self.exhibit.registration,
            "type": self.run.mime if self.run else None,
            "mismatch": self.run.mismatch if self.run else None,
            "extraction": self.run.outcome if self.run else None,
        }
        if len(self.parts) > 1:
            found["parts"] = [
                {
                    "part": one.part,
                    "path": recorded_name(self.names[one.part]),
                    "sha256": one.digests["sha256"],
                    "size": one.size,
                }
                for one in self.parts
            ]
        if self.parent is not None:
            found["derived_from"] = _derived(self.parent, self.exhibit)
        if self.children:
            found["children"] = [_derived(one, one) for one in self.children]
        if self.exhibit.erased_at is not None:
            found["erased_at"] = timestamp(self.exhibit.erased_at)
        return found


def _derived(other: Exhibit, child: Exhibit) -> dict[str, Any]:
    """Return the exhibit at the other end of a derivation, and the member that the child was."""
    member = recorded_name(child.path)
    return {"exhibit": other.number, "member": member, "sha256": other.sha256}


@dataclass(frozen=True, slots=True)
class Custody:
    """One entry of a history with its proof and the values that may be shown."""

    entry: CustodyEntry
    proof: str
    opened: dict[str, Any]


def list_cases(
    repo: Repository, caller: Caller, *, after: str = "", limit: int | None = None
) -> list[Case]:
    """Return the cases the caller takes part in, after a code; recorded."""
    with repo.database.reading() as session:
        found = visible_cases(
            session, caller.person.id, caller.person.role, after=after, limit=limit
        )
    consulted(repo, caller.actor(), [case.code for case in found], "case-list")
    return found


def show_case(repo: Repository, caller: Caller, code: str) -> Case:
    """Return a case; recorded.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.CONSULT, code, attempted=Act.CONSULTATION)
    consulted(repo, actor, [case.code], "case", case=case)
    return case


def list_exhibits(
    repo: Repository, caller: Caller, code: str, *, after: int = 0, limit: int | None = None
) -> list[Described]:
    """Return a case's exhibits after a serial number; recorded with the digest of the list.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.CONSULT, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        exhibits = exhibits_of(session, case, after=after, limit=limit)
        runs = latest_runs(session, [one.id for one in exhibits])
        found = [Described(one, case.code, runs.get(one.id)) for one in exhibits]
    consulted(repo, actor, [one.exhibit.number for one in found], "exhibit-list", case=case)
    return found


def show_exhibit(
    repo: Repository, caller: Caller, number: str, *, reason: str = "exhibit"
) -> tuple[Described, Actor]:
    """Return an exhibit's description; recorded in its own history.

    Raises:
        UnknownExhibit: not for this caller; recorded.
    """
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.CONSULT, number, attempted=Act.CONSULTATION
    )
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason=reason,
            exhibit=ref(exhibit),
            withheld={"case": case.code},
        )
    )
    with repo.database.reading() as session:
        parts = parts_of(session, [exhibit.id])
        names = part_names(session, exhibit.id) if len(parts) > 1 else {}
        run = latest_run(session, exhibit.id)
        parent, children = parent_of(session, exhibit.id), children_of(session, exhibit.id)
    return Described(exhibit, case.code, run, parts, names, parent, children), actor


def show_custody(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    after: int = -1,
    size: int | None = None,
    limit: int | None = None,
) -> tuple[Described, list[Custody]]:
    """Return every entry about an exhibit with its proof; this look is the last of them.

    Args:
        repo: the repository.
        caller: who looks.
        number: of the exhibit.
        after: only entries with a larger index.
        size: only entries below this size of the tree.
        limit: at most so many.

    Raises:
        UnknownExhibit: not for this caller; recorded.
        LedgerDamaged: an entry is not what was signed.
    """
    described, _ = show_exhibit(repo, caller, number, reason="custody")
    entries = repo.ledger.history(described.exhibit.id, after=after, size=size, limit=limit)
    indexes = [entry.index for entry in entries]
    proofs = repo.ledger.proofs(indexes)
    openings = repo.ledger.openings(indexes)
    return described, [
        Custody(entry, str(proof), checked_values(entry, openings[entry.index]))
        for entry, proof in zip(entries, proofs, strict=True)
    ]


def make_receipt(repo: Repository, exhibit: Exhibit) -> str:
    """Return an exhibit's receipt as text, proved in the newest checkpoint."""
    entry = repo.ledger.entry(exhibit.registration)
    proof = repo.ledger.proof(entry.index)
    receipt = repo.ledger.receipt(entry, proof, submission=exhibit.submission_id)
    return completed(repo, receipt).to_text()


def submission_of(repo: Repository, exhibit: Exhibit) -> Submission:
    """Return the submission an exhibit came with."""
    with repo.database.reading() as session:
        return session.get_one(Submission, exhibit.submission_id)


def consulted(
    repo: Repository, actor: Actor, listed: list[str], reason: str, case: Case | None = None
) -> None:
    """Store the list that is about to be shown, and record its digest and length."""
    stored, digest = put_document(repo, dumps(listed))
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason=reason,
            plain={"count": len(listed), "outputs": [digest], "location": stored.location()},
            withheld={"case": case.code} if case else {},
            subject=case.id if case else None,
        )
    )
