"""Look at lists, exhibits and their custody: every look is a `consultation` entry first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Actor, CustodyEntry, Draft
from custody.ledger import checked_values
from repository import Repository
from repository.access import EVERYWHERE, IDENTIFYING, INTERNAL, PARTIES, Right, decide
from repository.authorise import Caller, of_case, of_exhibits, on_case, on_exhibit, refuse, who
from repository.cases import cases_of
from repository.derivations import Derivation, kinds_of, out_of
from repository.errors import AccessDenied
from repository.exhibits import (
    children_of,
    exhibits_of,
    find_exhibit,
    latest_run,
    meant_part,
    parent_of,
    part_names,
    parts_of,
    ref,
)
from repository.external_numbers import external_of
from repository.journal import cover
from repository.listed import Line, Listed, page_of, told
from repository.models import Case, Exhibit, ExtractionRun, Grant, Part, Submission
from repository.naming import recorded_name
from repository.numbered import Numbering, NumberRange
from repository.proceedings import Privilege, claims_on
from repository.publication import completed
from repository.sealed import put_document

_AT_ONCE = 2_000
T = TypeVar("T", Exhibit, Line)


@dataclass(frozen=True, slots=True)
class Described:
    """An exhibit as its page shows it."""

    exhibit: Exhibit
    case: str
    run: ExtractionRun | None
    parts: Sequence[Part] = ()  # looked up for a single exhibit
    names: Mapping[int, bytes] = field(default_factory=dict)  # original paths by part
    parent: Exhibit | None = None  # the container it was taken out of
    children: Sequence[Exhibit] = ()  # what was taken out of it, or made of it
    made: Mapping[str, Derivation] = field(default_factory=dict)  # those that people made, by id
    copies_out: int = 0  # working copies that were neither returned nor destroyed
    privilege: Sequence[Privilege] = ()  # what was named in it as possibly privileged
    numbers: Sequence[dict[str, Any]] = ()  # by which proceedings cite it
    external: Sequence[dict[str, Any]] = ()  # those that others gave it

    def part(self, number: int | None) -> tuple[Part, int | None]:
        """Return the part that is meant, and its number where the exhibit has several.

        Raises:
            PartRequired, UnknownPart: none was named of several, or it has no such part.
        """
        return meant_part(self.exhibit, self.parts, number)

    def to_json(self) -> dict[str, Any]:
        """Return the exhibit as the API answers it."""
        found = told(self.exhibit, self.case, self.run)
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
            found["derived_from"] = self._derived(self.parent, self.exhibit)
        if self.children:
            found["children"] = [self._derived(one, one) for one in self.children]
        if self.copies_out:
            found["copies_out"] = self.copies_out
        if self.privilege:
            found["privilege"] = [
                {"member": one.member or None, "state": one.state} for one in self.privilege
            ]
        if self.numbers:
            found["numbers"] = list(self.numbers)
        if self.external:
            found["external_numbers"] = list(self.external)
        return found

    def _derived(self, other: Exhibit, child: Exhibit) -> dict[str, Any]:
        """Return the exhibit at the other end of a derivation, and what the child is of it."""
        found: dict[str, Any] = {"exhibit": other.number, "sha256": other.sha256}
        made = self.made.get(child.id)
        if made is None:
            return {**found, "member": recorded_name(child.path)}
        return {**found, "kind": made.kind, "language": made.language, "own": made.own}


@dataclass(frozen=True, slots=True)
class Custody:
    """One entry of a history with its proof and the values that may be shown."""

    entry: CustodyEntry
    proof: str
    opened: dict[str, Any]


def list_cases(
    repo: Repository, caller: Caller, *, after: str = "", limit: int | None = None
) -> list[Case]:
    """Return the cases the caller takes part in, after a code; recorded.

    Raises:
        AccessDenied: the token adds to one submission; recorded.
    """
    if caller.only is not None:
        error = AccessDenied("this token adds to one submission and reads nothing")
        refuse(repo, caller, Act.CONSULTATION, ["token-scope"], error)
    found: list[Case] = []
    with repo.database.reading() as session:
        while some := _cases(session, caller, after):
            found += [case for case in some if _listed(repo, session, caller, case)]
            after = some[-1].code
            if limit is not None and len(found) >= limit:
                found = found[:limit]
                break
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
) -> list[Listed]:
    """Return those exhibits of a case that the caller may consult, after a serial number.

    Recorded with the digest of the list.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.LIST, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        found = known_listed(repo, session, caller, case, after=after, limit=limit)
    consulted(repo, actor, [one.exhibit.number for one in found], "exhibit-list", case=case)
    return found


def known_listed(
    repo: Repository,
    session: Session,
    caller: Caller,
    case: Case,
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[Listed]:
    """Return the same exhibits as `known_exhibits`, as lists show them."""
    found: list[Listed] = []
    while True:
        some = page_of(session, case, after=after, limit=limit or _AT_ONCE)
        listed = {one.exhibit.id: one for one in some}
        mine = known(repo, session, caller, case, [one.exhibit for one in some])
        found += [listed[one.id] for one in mine]
        if limit is not None and len(found) >= limit:
            return found[:limit]
        if len(some) < (limit or _AT_ONCE):
            return found
        after = some[-1].exhibit.serial


def known_exhibits(
    repo: Repository,
    session: Session,
    caller: Caller,
    case: Case,
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[Exhibit]:
    """Return the exhibits of a case after a serial number that the caller may know of."""
    found: list[Exhibit] = []
    while True:
        some = exhibits_of(session, case, after=after, limit=limit or _AT_ONCE)
        found += known(repo, session, caller, case, some)
        if limit is not None and len(found) >= limit:
            return found[:limit]
        if len(some) < (limit or _AT_ONCE):
            return found
        after = some[-1].serial


def known(
    repo: Repository, session: Session, caller: Caller, case: Case, some: Sequence[T]
) -> list[T]:
    """Return those of some exhibits of a case that the caller may know of."""
    if not some:
        return []
    asking, now = who(session, caller, case), repo.clock()
    things = of_exhibits(session, caller, case, some)
    allowed: dict[int, bool] = {}  # asked once of those that are one thing
    for thing in things:
        if id(thing) not in allowed:
            allowed[id(thing)] = decide(asking, Right.CONSULT, thing, None, now).allowed
    return [one for one, thing in zip(some, things, strict=True) if allowed[id(thing)]]


def known_numbers(repo: Repository, caller: Caller, numbers: Collection[str]) -> set[str]:
    """Return which of these numbers are of exhibits that the caller may know of."""
    with repo.database.reading() as session:
        homes: dict[str, list[Exhibit]] = {}
        for number in set(numbers):
            exhibit = find_exhibit(session, number)
            if exhibit is not None:
                homes.setdefault(exhibit.case_id, []).append(exhibit)
        return {
            one.number
            for case_id, some in homes.items()
            for one in known(repo, session, caller, session.get_one(Case, case_id), some)
        }


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
        return describe(repo, session, caller, actor, case, exhibit), actor


def describe(
    repo: Repository, session: Session, caller: Caller, actor: Actor, case: Case, exhibit: Exhibit
) -> Described:
    """Return an exhibit's description for somebody; showing it is an entry."""
    parts = parts_of(session, [exhibit.id])
    names = part_names(session, exhibit.id) if len(parts) > 1 else {}
    run = latest_run(session, exhibit.id)
    above = [one for one in [parent_of(session, exhibit.id)] if one is not None]
    parent = known(repo, session, caller, case, above)
    children = known(repo, session, caller, case, children_of(session, exhibit.id))
    made = kinds_of(session, [exhibit.id, *(one.id for one in children)])
    copies = out_of(session, exhibit.id) if actor.role not in PARTIES else 0
    claimed = claims_on(session, exhibit.id)
    numbers = _numbers(repo, session, caller, exhibit)
    external = external_of(session, exhibit.id) if actor.role not in PARTIES else []
    return Described(
        exhibit,
        case.code,
        run,
        parts,
        names,
        parent[0] if parent else None,
        children,
        made,
        copies,
        claimed,
        numbers,
        external,
    )


def _numbers(
    repo: Repository, session: Session, caller: Caller, exhibit: Exhibit
) -> list[dict[str, Any]]:
    """Return the numbers of an exhibit in the cases that the caller takes part in."""
    query = (
        select(Case, Numbering, NumberRange)
        .join(Numbering, Numbering.case_id == Case.id)
        .join(NumberRange, NumberRange.case_id == Case.id)
        .where(NumberRange.exhibit_id == exhibit.id)
        .order_by(Case.code)
    )
    return [
        {"case": case.code, "first": scheme.text(row.first), "last": scheme.text(row.last)}
        for case, scheme, row in session.execute(query)
        if _listed(repo, session, caller, case)
    ]


def show_custody(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    after: int = -1,
    size: int | None = None,
    limit: int | None = None,
) -> tuple[Exhibit, list[Custody]]:
    """Return every entry about an exhibit with its proof; this look is the last of them.

    Who a source is is not among it (`disclose.reveal`). What counsel and experts of a party did
    is shown to their own party, custodians and auditors.

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
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.HISTORY, number, attempted=Act.CONSULTATION
    )
    looked = Draft(
        Act.CONSULTATION,
        actor,
        reason="custody",
        exhibit=ref(exhibit),
        withheld={"case": case.code},
    )
    repo.ledger.record(looked)
    own = None if actor.role in EVERYWHERE else _side(repo, caller, case)
    entries: list[CustodyEntry] = []
    while some := repo.ledger.history(exhibit.id, after=after, size=size, limit=limit):
        entries += [one for one in some if own is None or _open_to(one, own)]
        after = some[-1].index
        if limit is None or len(entries) >= limit:
            entries = entries[:limit]
            break
    indexes = [entry.index for entry in entries]
    proofs = repo.ledger.proofs(indexes)
    openings = repo.ledger.openings(indexes)
    return exhibit, [
        Custody(
            entry, str(proof), _shown(entry, checked_values(entry, openings[entry.index]), actor)
        )
        for entry, proof in zip(entries, proofs, strict=True)
    ]


def _open_to(entry: CustodyEntry, own: frozenset[str]) -> bool:
    actor = entry.fields["actor"]
    return actor["role"] not in PARTIES or actor["id"] in own


def _cases(session: Session, caller: Caller, after: str) -> list[Case]:
    every = caller.person.role in EVERYWHERE
    return cases_of(session, caller.person.id, every=every, after=after, limit=_AT_ONCE)


def _listed(repo: Repository, session: Session, caller: Caller, case: Case) -> bool:
    asking, thing = who(session, caller, case), of_case(session, caller, case)
    return decide(asking, Right.LIST, thing, None, repo.clock()).allowed


def _shown(entry: CustodyEntry, values: dict[str, Any], actor: Actor) -> dict[str, Any]:
    if actor.role in PARTIES and entry.fields["type"] in INTERNAL:
        return {}
    return {name: value for name, value in values.items() if name not in IDENTIFYING}


def _side(repo: Repository, caller: Caller, case: Case) -> frozenset[str]:
    """Return the ids of everybody who acts for the caller's own party in a case."""
    with repo.database.reading() as session:
        parties = {one.party for one in who(session, caller, case).held if one.party}
        query = select(Grant.person_id).where(Grant.case_id == case.id, Grant.party.in_(parties))
        return frozenset(session.scalars(query))


def make_receipt(repo: Repository, exhibit: Exhibit) -> str:
    """Return an exhibit's receipt as text, proved in the newest checkpoint."""
    cover(repo, exhibit.registration + 1)
    entry = repo.ledger.entry(exhibit.registration)
    proof = repo.ledger.proof(entry.index)
    receipt = repo.ledger.receipt(entry, proof, submission=exhibit.submission_id)
    return completed(repo, receipt).to_text()


def submission_of(repo: Repository, exhibit: Exhibit) -> Submission:
    """Return the submission an exhibit came with."""
    with repo.database.reading() as session:
        return session.get_one(Submission, exhibit.submission_id)


def consulted(
    repo: Repository, actor: Actor, listed: Sequence[Any], reason: str, case: Case | None = None
) -> str:
    """Store the list that is about to be shown, record its digest and length, return the digest."""
    stored, digest = put_document(repo, dumps(list(listed)))
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
    return digest
