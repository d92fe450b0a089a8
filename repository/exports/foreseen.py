"""What an export would be: what would go, what stands in its way, what it would lack. None is made.

Decided by the rules of the export itself, which decides again when it is asked for and made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from custody.canonical import dumps
from custody.entry import Act
from repository import Repository
from repository.access import STALE, Right, decide
from repository.authorise import Caller, on_case, on_exhibit
from repository.conditions import Marking
from repository.consult import consulted
from repository.exports.bag import filled
from repository.exports.choice import EVERYTHING, Choice
from repository.exports.chosen import chosen, marking_words, stood_in
from repository.exports.kept import entries_of
from repository.exports.left_out import ALWAYS, absent, closed, numbers_in
from repository.exports.report_words import Phrase
from repository.exports.said import check_choice, said_of
from repository.marking import strictest
from repository.models import Case, Exhibit, ObjectCheck
from repository.proceedings import Hold
from repository.purpose import RECIPIENT_OF, Purpose
from repository.stated import stated_purpose
from repository.still import of_several

FAILED = "check-failed"  # beside the reasons of `access.decide`: its bytes differed when last read
_TOGETHER = 500  # in one question to the database
COUNTED = 200  # of so many exhibits, values that stay closed are counted before


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One exhibit of it: what speaks against its leaving, and what restricts it all the same."""

    exhibit: Exhibit
    reasons: tuple[str, ...]
    marking: Marking
    held_for: tuple[str, ...]  # matters; a hold keeps from erasure, not from leaving


@dataclass(frozen=True, slots=True)
class Outlook:
    """An export as it would be now."""

    case: Case
    purpose: Purpose
    rows: list[Foreseen]
    left_out: list[tuple[str, str]]
    counted: bool  # whether `left_out` has the values that stay closed
    volumes: int  # bags that hold exhibits; 0: by reference

    @property
    def kept(self) -> list[Foreseen]:
        """Return what stands in its way: while there is any, nothing is exported."""
        return [one for one in self.rows if one.reasons]

    @property
    def handling(self) -> str | None:
        """Return what an export says of the handling of its exhibits, in the language spoken."""
        return marking_words([one.marking for one in self.rows], self.purpose)

    @property
    def digest(self) -> str:
        """Return what changes with anything that was shown."""
        told = [self.listed, [[str(what), str(why)] for what, why in self.left_out]]
        return sha256(dumps(told)).hexdigest()

    @property
    def listed(self) -> list[Any]:
        """Return what is shown of the exhibits."""
        return [
            [row.exhibit.number, list(row.reasons), row.marking.to_json(), list(row.held_for)]
            for row in self.rows
        ]


def foresee(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    numbers: Sequence[str],
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
    recipient: str | None = None,
    annotations: Sequence[str] = (),
    stamped: str | None = None,
    choice: Choice = EVERYTHING,
    volume_size: int | None = None,
    by_reference: bool = False,
) -> Outlook:
    """Return what `exports.bundles.ask` would come to; recorded as a look at its list.

    Raises:
        PurposeRequired, UnknownCase, UnknownExhibit, AccessDenied: as asking; recorded.
        BadRequest, ExportBlocked: the choice of annotations or fields; a volume is too small.
    """
    attempted = Act.REPORT_GENERATED
    stated = stated_purpose(
        repo, caller, purpose, attempted, authority=authority, assured=assured,
        recipient=recipient,
    )  # fmt: skip
    actor, case = on_case(repo, caller, Right.EXPORT, code, attempted=attempted, purpose=stated)
    found = chosen(repo, caller, case, numbers)
    _knows(repo, caller, found, stated)
    exhibits, instead = stood_in(repo, caller, case, found, stated, stamped)
    check_choice(repo, exhibits, annotations)
    choice.check({one.number for one in exhibits}, annotations)
    rows = _rows(repo, caller, [one for one in exhibits if one.erased_at is None], stated)
    left_out, counted = list[tuple[str, str]](ALWAYS), len(rows) <= COUNTED
    if counted:
        left_out += _closed(repo, case, [one.exhibit for one in rows], stated, annotations, choice)
    if not repo.policy.witnesses:
        left_out.append((Phrase("left.witnesses"), Phrase("left.witnesses.why")))
    if not repo.settings.tsa_urls:
        left_out.append((Phrase("left.tokens"), Phrase("left.tokens.why")))
    left_out += [(one.number, Phrase("left.key")) for one in exhibits if one.erased_at is not None]
    volumes = 0 if by_reference else 1
    if by_reference:
        left_out.insert(0, absent(len(rows)))
    if volume_size is not None and volumes:
        sizes = [(one.exhibit.number, one.exhibit.size) for one in rows]
        volumes = max(filled(sizes, volume_size), default=1)
    made = Outlook(case, stated, rows, left_out + instead, counted, volumes)
    consulted(repo, actor, made.listed, "export-foreseen", case=case)
    return made


def _knows(repo: Repository, caller: Caller, found: Sequence[Exhibit], stated: Purpose) -> None:
    """Refuse, as the export would, what was named and is not the caller's to know of.

    Raises:
        UnknownExhibit: so it is; recorded.
    """
    now = repo.clock()
    with repo.database.reading() as session:
        hidden = [
            exhibit.number
            for exhibit, asking, thing in of_several(session, caller, found)
            if not decide(asking, Right.CONSULT, thing, None, now).allowed
        ]
    for number in hidden:
        on_exhibit(
            repo, caller, Right.EXPORT, number, attempted=Act.REPORT_GENERATED, purpose=stated
        )


def _rows(
    repo: Repository, caller: Caller, exhibits: Sequence[Exhibit], stated: Purpose
) -> list[Foreseen]:
    now, ids = repo.clock(), [one.id for one in exhibits]
    held: dict[str, list[str]] = {}
    failed: set[str] = set()
    with repo.database.reading() as session:
        things = of_several(session, caller, exhibits)
        for start in range(0, len(ids), _TOGETHER):
            some = ids[start : start + _TOGETHER]
            differ = select(ObjectCheck.exhibit_id).where(ObjectCheck.exhibit_id.in_(some))
            failed |= set(session.scalars(differ.where(ObjectCheck.outcome == "fail")))
            on = select(Hold).where(Hold.exhibit_id.in_(some), Hold.released_at.is_(None))
            for row in session.scalars(on.order_by(Hold.placed_at, Hold.id)):
                held.setdefault(row.exhibit_id, []).append(row.matter)
    rows = []
    for exhibit, asking, thing in things:
        reasons = decide(asking, Right.EXPORT, thing, stated, now).reasons
        against = [one for one in reasons if one != STALE]
        against += [FAILED] if exhibit.id in failed else []
        rows.append(
            Foreseen(
                exhibit, tuple(against), strictest(thing.markings), tuple(held.get(exhibit.id, ()))
            )
        )
    return rows


def _closed(
    repo: Repository,
    case: Case,
    exhibits: Sequence[Exhibit],
    stated: Purpose,
    annotations: Sequence[str],
    choice: Choice,
) -> list[tuple[str, str]]:
    """Return which values of their entries would stay closed, counted as the export counts them."""
    size = repo.ledger.size()
    entries = entries_of(repo, exhibits, size)
    history, openings = entries.history, entries.openings
    reader = None if RECIPIENT_OF.get(stated.code) == "defence" else case.code
    said = said_of(repo, exhibits, annotations, size=size)
    told = said.entries | numbers_in(history, openings, case.code)
    found = closed(history, openings, reader, chosen=told)
    return found + choice.close(history, openings)
