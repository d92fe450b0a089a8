"""Selections: named sets of exhibits and places in a case, shared with the people that are named.

Each version is an entry of the house; nobody rewrites one. Of what is in it everybody is shown what
they may know of, and nothing tells that there is more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from custody.append import take_lock
from custody.entry import Act, Actor, timestamp, uuid7
from repository import Repository
from repository.access import Right
from repository.annotated import Annotation
from repository.annotations import add_version
from repository.authorise import Caller, on_case, refuse
from repository.consult import consulted, known
from repository.errors import BadRequest, UnknownSelection
from repository.exhibits import find_exhibit
from repository.locators import parse
from repository.models import Case, Person
from repository.naming import shown
from repository.people import find_person
from repository.spoken import opened_versions

MOST_ITEMS = 2_000
MOST_PEOPLE = 100
MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """The newest version of a selection, as its reader is shown it."""

    name: str
    case: str
    title: str
    items: list[str]  # exhibit numbers and locators
    shared_with: list[str]  # names of persons
    author: str | None
    version: int
    at: str
    entry: int

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "selection": self.name, "case": self.case, "title": self.title, "items": self.items,
            "shared_with": self.shared_with, "author": self.author, "version": self.version,
            "at": self.at, "entry": self.entry,
        }  # fmt: skip


def select_items(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    title: str,
    items: Sequence[str],
    shared_with: Sequence[str] = (),
    named: str | None = None,
) -> Selection:
    """Make a selection in a case; with a name, its next version, by its author.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        UnknownSelection: there is none of this name that the caller made; recorded.
        BadLocator, UnknownPerson, BadRequest: an item that the caller may not know of, nobody of
            that name, or no title; nothing of it is kept.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.ANNOTATION)
    if not title.strip() or len(title) > MAX_TITLE or not title.isprintable():
        raise BadRequest(f"a title has 1 to {MAX_TITLE} characters")
    if not 1 <= len(items) <= MOST_ITEMS or len(shared_with) > MOST_PEOPLE:
        raise BadRequest(
            f"a selection has 1 to {MOST_ITEMS} items and is shared with at most {MOST_PEOPLE}"
        )
    wanted = list(dict.fromkeys(items))
    mine = _known(repo, caller, wanted)
    missing = [one for one in wanted if one not in mine]
    if missing:
        raise BadRequest(f"there is no exhibit of {shown(missing[0][:80])} that you may know of")
    with repo.database.reading() as session:
        people = sorted({find_person(session, one).id for one in shared_with} - {actor.id})
    row = _row(repo, caller, case, actor, named)
    with repo.database.writing() as session:
        take_lock(session)
        if named is None:
            session.add(row)
            session.flush()
        said = {"items": wanted, "shared_with": people}
        add_version(repo, session, row, actor, said, case=case, exhibit=None, title=title)
    [found] = _shown(repo, caller, case, [row])
    return found


def listed(repo: Repository, caller: Caller, code: str) -> list[Selection]:
    """Return the selections of a case that the caller made or is named in; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.CONSULTATION)
    query = select(Annotation).where(Annotation.case_id == case.id, Annotation.kind == "selection")
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(Annotation.at, Annotation.id)))
    found = _shown(repo, caller, case, rows)
    consulted(repo, actor, [one.name for one in found], "selection-list", case=case)
    return found


def show(repo: Repository, caller: Caller, named: str) -> Selection:
    """Return a selection that the caller made or is named in; recorded.

    Raises:
        UnknownSelection: there is none; recorded.
    """
    unknown = _unknown(named)
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
        case = session.get_one(Case, row.case_id) if row and row.kind == "selection" else None
    if row is None or case is None:
        refuse(repo, caller, Act.CONSULTATION, ["unknown-selection"], unknown, asked=named)
    actor, _ = on_case(repo, caller, Right.ANNOTATE, case.code, attempted=Act.CONSULTATION)
    found = _shown(repo, caller, case, [row])
    if not found:
        refuse(repo, caller, Act.CONSULTATION, ["not-shared"], unknown, case=case)
    consulted(repo, actor, found[0].items, "selection", case=case)
    return found[0]


def _row(
    repo: Repository, caller: Caller, case: Case, actor: Actor, named: str | None
) -> Annotation:
    if named is None:
        at = repo.clock()
        return Annotation(
            id=f"SEL-{uuid7(at, repo.random)}", kind="selection", case_id=case.id,
            exhibit_id=None, author=actor.id, at=at,
        )  # fmt: skip
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
    mine = row is not None and row.kind == "selection" and row.case_id == case.id
    if row is None or not mine or row.author != actor.id:
        refuse(repo, caller, Act.ANNOTATION, ["not-own"], _unknown(named), case=case)
    return row


def _shown(
    repo: Repository, caller: Caller, case: Case, rows: Sequence[Annotation]
) -> list[Selection]:
    newest = {row.id: (row, one, values) for row, one, values in opened_versions(repo, rows)}
    found = []
    for row, one, values in newest.values():
        detail = values.get("detail")
        people = detail["shared_with"] if detail else []
        if detail is None or caller.person.id not in {row.author, *people}:
            continue
        mine = _known(repo, caller, detail["items"])
        query = select(Person.name).where(Person.id.in_(people)).order_by(Person.name)
        with repo.database.reading() as session:
            names = list(session.scalars(query))
        found.append(
            Selection(
                row.id, case.code, values.get("title", ""),
                [item for item in detail["items"] if item in mine], names,
                values.get("actor_name"), one.version, timestamp(one.at), one.index,
            )
        )  # fmt: skip
    return found


def _known(repo: Repository, caller: Caller, items: Sequence[str]) -> set[str]:
    """Return which of these exhibits and places the caller may know of."""
    numbers = {item: parse(item).exhibit for item in items}
    with repo.database.reading() as session:
        exhibits = {n: find_exhibit(session, n) for n in set(numbers.values())}
        homes: dict[str, list[Any]] = {}
        for exhibit in exhibits.values():
            if exhibit is not None:
                homes.setdefault(exhibit.case_id, []).append(exhibit)
        mine = {
            one.number
            for case_id, some in homes.items()
            for one in known(repo, session, caller, session.get_one(Case, case_id), some)
        }
    return {item for item, number in numbers.items() if number in mine}


def _unknown(named: str) -> UnknownSelection:
    return UnknownSelection(f"there is no selection {shown(named[:60])} that you may know of")
