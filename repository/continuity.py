"""Continuity: who held an exhibit from when to when, computed from its entries, and every gap.

A gap is what no entry accounts for: nothing declared of the time before receipt, a release that
nobody acknowledged, digests that differ between the two sides, an entry that is missing. What was
declared stays a declaration, and an undated one never borrows a time. `statement` is pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from custody.entry import Act
from custody.ledger import checked_values
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_exhibits, on_case, who
from repository.consult import consulted
from repository.exhibits import exhibits_of

GAPS: Mapping[str, str] = {
    "before-undeclared": "nothing was declared of who held it before it was received here",
    "before-undated": "what was declared of the time before receipt names no time with a zone",
    "not-answered": "released, and neither received nor refused: no entry says who holds it",
    "not-acknowledged": "the other side began to take it over, and acknowledged nothing",
    "dropped": "the other side had begun to take it over when the release was taken back",
    "digest-differs": "the digests of the two sides, or those recorded and read, differ",
    "entry-missing": "an entry of its history is not there",
}


class Line(Protocol):
    """An entry and those of its withheld values that may be shown."""

    @property
    def index(self) -> int:
        """Return where it stands in the ledger."""

    @property
    def body(self) -> Mapping[str, Any]:
        """Return its fields."""

    @property
    def openings(self) -> Mapping[str, Any]:
        """Return what may be shown of what it withholds."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line of an own ledger."""

    index: int
    body: Mapping[str, Any]
    openings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """What no entry accounts for, and between which times, where they are known."""

    kind: str
    since: str | None
    until: str | None
    entries: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "kind": self.kind,
            "what": GAPS[self.kind],
            "from": self.since,
            "to": self.until,
            "entries": list(self.entries),
        }


@dataclass(slots=True)
class Passing:
    """One release and what came of it."""

    transfer: str
    to: str | None
    released_at: str
    entry: int
    state: str = "released"
    answered_at: str | None = None
    answer: int | None = None
    digests: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "transfer": f"TRF-{self.transfer}",
            "to": self.to,
            "state": self.state,
            "released_at": self.released_at,
            "answered_at": self.answered_at,
            "digests": sorted(self.digests),
            "entry": self.entry,
            "answer": self.answer,
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """The continuity of one exhibit: before receipt as declared, each transfer, and the gaps."""

    declared: list[dict[str, Any]]
    quoted: list[dict[str, Any]]  # custody that another repository recorded before
    received_at: str | None
    entry: int | None  # the receipt
    passings: list[Passing]
    gaps: list[Gap]

    @property
    def holder(self) -> str | None:
        """Return whom the last complete transfer went to; None: it is where it was received."""
        return next((p.to for p in reversed(self.passings) if p.state == "received"), None)

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "declared": self.declared,
            "quoted": self.quoted,
            "received_at": self.received_at,
            "entry": self.entry,
            "transfers": [one.to_json() for one in self.passings],
            "holder": self.holder,
            "gaps": [one.to_json() for one in self.gaps],
        }


def statement(lines: Sequence[Line]) -> Statement:
    """Return the continuity of an exhibit from the entries of its history, in their order."""
    declared = [_declared(one) for one in lines if one.body["type"] == Act.COLLECTION]
    receipts = [one for one in lines if one.body["type"] == Act.RECEIPT]
    began = receipts[0] if receipts else None
    received_at = began.body["at"] if began else None
    quoted = [_quoted(one) for one in lines if one.body.get("reason") == "bundle-verified"]
    gaps = []
    if not declared and not quoted:
        gaps.append(Gap("before-undeclared", None, received_at, _at(began)))
    elif not quoted and all(one["at"] is None for one in declared):
        gaps.append(Gap("before-undated", None, received_at, (declared[0]["entry"],)))
    passings: dict[str, Passing] = {}
    for one in lines:
        _pass(passings, one)
    for passing in passings.values():
        gaps += _gaps(passing)
    gaps += _missing(lines)
    return Statement(
        declared, quoted, received_at, began.index if began else None, list(passings.values()), gaps
    )


def case_continuity(
    repo: Repository, caller: Caller, code: str, *, after: int = 0, limit: int | None = None
) -> tuple[list[tuple[str, Statement]], int | None]:
    """Return number and continuity of those exhibits whose history the caller may read.

    Of the exhibits after a serial number, at most `limit`; and the serial number after which there
    may be more. Recorded with the digest of the list.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.HISTORY, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        exhibits = exhibits_of(session, case, after=after, limit=limit)
        asking, now = who(session, caller, case), repo.clock()
        things = of_exhibits(session, caller, case, exhibits)
    some = [
        one
        for one, thing in zip(exhibits, things, strict=True)
        if decide(asking, Right.HISTORY, thing, None, now).allowed
    ]
    consulted(repo, actor, [one.number for one in some], "continuity", case=case)
    more = exhibits[-1].serial if limit is not None and len(exhibits) == limit else None
    return [(one.number, _of(repo, one.id)) for one in some], more


def _of(repo: Repository, exhibit_id: str) -> Statement:
    entries = repo.ledger.history(exhibit_id)
    told = [one.index for one in entries if one.fields["type"] in _TELLING]
    openings = repo.ledger.openings(told)
    return statement(
        [
            Told(one.index, one.fields, checked_values(one, openings.get(one.index, {})))
            for one in entries
        ]
    )


_TRANSFERS = (
    Act.TRANSFER_RELEASED, Act.TRANSFER_RECEIVED, Act.TRANSFER_REFUSED, Act.RECEIPT_ACKNOWLEDGED,
)  # fmt: skip
_TELLING = frozenset(
    {Act.COLLECTION, Act.SIGNATURE_VALIDATION, *_TRANSFERS}
)  # whose withheld values are part of it
_ENDS = {  # type and outcome of an entry -> what became of the release
    (Act.TRANSFER_RECEIVED, "started"): "provided",
    (Act.TRANSFER_RECEIVED, "done"): "received",
    (Act.TRANSFER_REFUSED, "done"): "refused",
}


def _declared(line: Line) -> dict[str, Any]:
    found = {name: line.openings.get(name) for name in ("collected_by", "place", "method")}
    return {"entry": line.index, "at": line.body.get("occurred_at"), **found}


def _quoted(line: Line) -> dict[str, Any]:
    detail = line.openings.get("detail") or {}
    return {
        "entry": line.index,
        "origin": detail.get("origin"),
        "exhibit": detail.get("exhibit"),
        "entries": line.body.get("count"),
        "sha256": next(iter(line.body.get("outputs", ())), None),
    }


def _pass(passings: dict[str, Passing], line: Line) -> None:
    """Take an entry of a transfer into account."""
    body, request = line.body, line.body.get("request_id", "")
    if body["type"] not in _TRANSFERS or "exhibit" not in body:
        return
    if body["type"] == Act.TRANSFER_RELEASED and "verification" in body:
        to = line.openings.get("recipient")
        passings[request] = Passing(request, to, body["at"], line.index)
    passing = passings.get(request)
    if passing is None:  # what was read before a release that never came about
        return
    passing.digests |= {d for side in body.get("verification", {}).values() for d in side}
    state = _ENDS.get((body["type"], body["outcome"]))
    if body["type"] == Act.TRANSFER_RELEASED and body.get("reason"):
        state = body["reason"]  # provided, withdrawn, dropped
    if body["type"] == Act.RECEIPT_ACKNOWLEDGED and body["outcome"] == "done":
        state = body["reason"]  # received, refused
    if state is not None:
        passing.state = state
    if state not in (None, "provided"):
        passing.answered_at, passing.answer = body["at"], line.index


def _gaps(passing: Passing) -> Iterable[Gap]:
    entries = tuple(n for n in (passing.entry, passing.answer) if n is not None)
    kind = {"released": "not-answered", "provided": "not-acknowledged", "dropped": "dropped"}
    if passing.state in kind:
        yield Gap(kind[passing.state], passing.released_at, passing.answered_at, entries)
    if len(passing.digests) > 1:
        yield Gap("digest-differs", passing.released_at, passing.answered_at, entries)


def _missing(lines: Sequence[Line]) -> Iterable[Gap]:
    """Yield where the numbers of a history skip."""
    before: Line | None = None
    for line in lines:
        seq = line.body.get("exhibit", {}).get("seq")
        last = before.body["exhibit"]["seq"] if before else 0
        if seq != last + 1:
            since = before.body["at"] if before else None
            yield Gap("entry-missing", since, line.body["at"], (*_at(before), line.index))
        before = line


def _at(line: Line | None) -> tuple[int, ...]:
    return () if line is None else (line.index,)
