"""Which exhibits an export is about, and whether the rules let all of them leave.

What people made of an exhibit goes in its place where the rules keep that; a redaction never goes
beside what it is of.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from custody.entry import Act
from repository import Repository
from repository.access import Right, Thing, Who, decide
from repository.associations import is_in, known_associated
from repository.authorise import Caller, on_exhibit, refuse
from repository.conditions import Marking
from repository.consult import known_exhibits
from repository.derivations import STAMPED, kinds_of
from repository.errors import AccessDenied, UnknownExhibit
from repository.exhibits import derived_of, find_exhibit
from repository.exports.report_words import Phrase, word
from repository.marking import strictest, together
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.purpose import Purpose
from repository.still import not_allowed, of_several

_NAMED = 20  # numbers of exhibits in one refusal


def chosen(repo: Repository, caller: Caller, case: Case, numbers: Sequence[str]) -> list[Exhibit]:
    """Return the exhibits that were named, or all of a case that the caller may know of.

    Those of other cases that belong to it too come last.

    Raises:
        UnknownExhibit: one does not belong to the case; recorded.
    """
    with repo.database.reading() as session:
        if not numbers:
            own = known_exhibits(repo, session, caller, case)
            return [*own, *known_associated(repo, session, caller, case)]
        found = []
        for number in dict.fromkeys(numbers):
            exhibit = find_exhibit(session, number)
            known = exhibit is not None and is_in(session, exhibit, case)
            found.append((number, exhibit if known else None))
    exhibits = []
    for number, exhibit in found:
        if exhibit is None:
            unknown = UnknownExhibit(f"there is no exhibit {shown(number)} that you may know of")
            refuse(
                repo, caller, Act.REPORT_GENERATED, ["unknown-exhibit"], unknown,
                asked=number, case=case,
            )  # fmt: skip
        exhibits.append(exhibit)
    return _in_order(exhibits, case)


def _in_order(exhibits: Iterable[Exhibit], case: Case) -> list[Exhibit]:
    """Return exhibits by their numbers, those of other cases last."""
    return sorted(exhibits, key=lambda one: (one.case_id != case.id, one.case_id, one.serial))


@dataclass(frozen=True, slots=True)
class Picked:
    """What leaves: exhibits, what restricts each all the same, and what is left out for another."""

    asked: list[str]  # numbers, before anything stood in for another
    exhibits: list[Exhibit]
    markings: dict[str, Marking]
    instead: list[tuple[str, str]]  # as a bundle says what it lacks, and why


def picked(
    repo: Repository,
    caller: Caller,
    case: Case,
    numbers: Sequence[str],
    purpose: Purpose,
    stamped: str | None = None,
) -> Picked:
    """Return what an export of these numbers (all of the case, if there are none) is of.

    `stamped`: numbered copies go `beside` their originals, or `instead` of them, as far as there
    are any.

    Raises:
        UnknownExhibit, AccessDenied: one is not for this caller or purpose, and nothing stands in
            for it; recorded.
    """
    found = chosen(repo, caller, case, numbers)
    exhibits, instead = stood_in(repo, caller, case, found, purpose, stamped)
    markings = released(repo, caller, exhibits, purpose)
    return Picked([one.number for one in found], exhibits, markings, instead)


def stood_in(
    repo: Repository,
    caller: Caller,
    case: Case,
    found: Sequence[Exhibit],
    purpose: Purpose,
    stamped: str | None,
) -> tuple[list[Exhibit], list[tuple[str, str]]]:
    """Return what goes of chosen exhibits, or in their place, and what is said of that."""
    with repo.database.reading() as session:
        exhibits, instead = _stand_ins(repo, session, caller, case, found, purpose)
        if stamped is not None:
            exhibits, more = _stamped(repo, session, caller, case, exhibits, purpose, stamped)
            instead += more
    return exhibits, instead


def _stand_ins(
    repo: Repository,
    session: Session,
    caller: Caller,
    case: Case,
    exhibits: Sequence[Exhibit],
    purpose: Purpose,
) -> tuple[list[Exhibit], list[tuple[str, str]]]:
    """Return what goes when derivatives stand in for what is kept, and what is said of that."""
    every = of_several(session, caller, exhibits)
    kept = set(not_allowed(repo, Right.EXPORT, every, purpose))
    made = derived_of(session, [one.id for one in exhibits])
    candidates = [one for pairs in made.values() for one, _ in pairs if is_in(session, one, case)]
    things = of_several(session, caller, [one for one in candidates if one.erased_at is None])
    barred = set(not_allowed(repo, Right.EXPORT, things, purpose))
    free = {one.id for one, _, _ in things if one.number not in barred}
    now, going = repo.clock(), {one.id: one for one in exhibits}
    instead: list[tuple[str, str]] = []
    for exhibit, asking, thing in every:
        pairs = [(one, kind) for one, kind in made.get(exhibit.id, ())]
        pairs = [(one, kind) for one, kind in pairs if one.id in free and kind != STAMPED]
        if exhibit.number not in kept:
            for one, kind in pairs:
                if kind == "redaction" and going.pop(one.id, None) is not None:
                    instead.append((one.number, Phrase("left.redaction", number=exhibit.number)))
        elif pairs and decide(asking, Right.CONSULT, thing, None, now).allowed:
            del going[exhibit.id]
            going |= {one.id: one for one, _ in pairs}
            given = ", ".join(f"{one.number} ({kind})" for one, kind in pairs)
            instead.append((exhibit.number, Phrase("left.in-place", given=given)))
    return _in_order(going.values(), case), instead


def _stamped(
    repo: Repository,
    session: Session,
    caller: Caller,
    case: Case,
    exhibits: Sequence[Exhibit],
    purpose: Purpose,
    how: str,
) -> tuple[list[Exhibit], list[tuple[str, str]]]:
    """Return what goes with numbered copies, and what is said of what has none or stays behind."""
    made = derived_of(session, [one.id for one in exhibits])
    copies = {
        parent: [one for one, kind in pairs if kind == STAMPED and one.erased_at is None]
        for parent, pairs in made.items()
    }
    every = [one for some in copies.values() for one in some if is_in(session, one, case)]
    barred = set(not_allowed(repo, Right.EXPORT, of_several(session, caller, every), purpose))
    themselves = {
        one.exhibit_id
        for one in kinds_of(session, [one.id for one in exhibits]).values()
        if one.kind == STAMPED
    }
    going, instead = {one.id: one for one in exhibits}, list[tuple[str, str]]()
    for exhibit in exhibits:
        free = [one for one in copies.get(exhibit.id, ()) if one.number not in barred]
        free = [one for one in free if one in every]
        if not free:
            if exhibit.id not in themselves:
                what = Phrase("left.stamped", number=exhibit.number)
                instead.append((what, Phrase("left.stamped.why")))
            continue
        if how == "instead":
            del going[exhibit.id]
            why = Phrase("left.stamped-instead", copy=free[0].number)
            instead.append((exhibit.number, why))
        going[free[0].id] = free[0]
    return _in_order(going.values(), case), instead


def released(
    repo: Repository, caller: Caller, exhibits: Sequence[Exhibit], purpose: Purpose
) -> dict[str, Marking]:
    """Refuse an export as a whole if the rules keep one of its exhibits; those are named.

    Returns:
        What restricts each of them all the same, by its id.

    Raises:
        UnknownExhibit, AccessDenied: one is not for this caller or purpose; recorded.
    """
    with repo.database.reading() as session:
        things = of_several(session, caller, exhibits)
        kept = not_allowed(repo, Right.EXPORT, things, purpose)
    for number in kept:
        try:
            on_exhibit(
                repo, caller, Right.EXPORT, number, attempted=Act.REPORT_GENERATED, purpose=purpose
            )
        except AccessDenied as error:
            more = _known(repo, things, set(kept) - {number})
            raise AccessDenied(f"{error}{more}") from error
    return {exhibit.id: strictest(thing.markings) for exhibit, _, thing in things}


def _known(
    repo: Repository, things: Sequence[tuple[Exhibit, Who, Thing]], kept: Collection[str]
) -> str:
    """Return in words which others are kept too, of those that the caller may know of."""
    now = repo.clock()
    more = [
        exhibit.number
        for exhibit, asking, thing in things
        if exhibit.number in kept and decide(asking, Right.CONSULT, thing, None, now).allowed
    ]
    if not more:
        return ""
    rest = f" and {len(more) - _NAMED} more" if len(more) > _NAMED else ""
    return f"; nor on {', '.join(more[:_NAMED])}{rest}: name the exhibits that are to go"


def marking_words(markings: Sequence[Marking], purpose: Purpose) -> str | None:
    """Return what an export says of the handling of its exhibits; None: nothing is restricted."""
    found, comma = together(markings), ", "
    words = [found[name] for name in ("handling",) if name in found]
    words += [f"TLP:{found['tlp']}"] if "tlp" in found else []
    words += [word("mark.lead-only")] if "lead_only" in found else []
    words += [word("mark.sealed")] if "sealed" in found else []
    if "excluded_uses" in found:
        ruled = comma.join(purpose.assured)
        assured = f" ({word('mark.assured', uses=ruled)})" if ruled else ""
        words.append(word("mark.excluded", uses=comma.join(found["excluded_uses"])) + assured)
    owners = sorted({owner for one in markings for owner in one.owners})
    words += [word("mark.owner", owner=comma.join(owners))] if owners else []
    return word("list").join(words) or None
