"""What somebody keeps in a case under a title and shares with people by name, version by version.

Selections and saved searches are such things. Each version is an entry of the house; nobody
rewrites one. Whoever made it or is named in it is shown it, and nothing tells the others of it.
"""

from collections.abc import Mapping, Sequence
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
from repository.errors import BadRequest, RepositoryError
from repository.models import Case, Person
from repository.naming import shown
from repository.people import find_person
from repository.spoken import opened_versions

MOST_PEOPLE = 100
MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of such things: its word in entries, how its names begin, what it is called."""

    name: str
    prefix: str
    called: str
    error: type[RepositoryError]

    def unknown(self, named: str) -> RepositoryError:
        """Return what is said of a name that stands for nothing the caller may know of."""
        return self.error(f"there is no {self.called} {shown(named[:60])} that you may know of")


@dataclass(frozen=True, slots=True)
class Titled:
    """The newest version of one, as whoever may know of it is shown it."""

    name: str
    case: str
    title: str
    said: Mapping[str, Any]  # what is kept
    shared_with: list[str]  # names of persons
    author: str | None
    version: int
    at: str
    entry: int


def check_title(title: str, shared_with: Sequence[str]) -> None:
    """Refuse a title that is none, or too many people.

    Raises:
        BadRequest: one of them.
    """
    if not title.strip() or len(title) > MAX_TITLE or not title.isprintable():
        raise BadRequest(f"a title has 1 to {MAX_TITLE} characters")
    if len(shared_with) > MOST_PEOPLE:
        raise BadRequest(f"this is shared with at most {MOST_PEOPLE}")


def keep(
    repo: Repository,
    caller: Caller,
    actor: Actor,
    case: Case,
    kind: Kind,
    said: Mapping[str, Any],
    *,
    title: str,
    shared_with: Sequence[str],
    named: str | None,
) -> Titled:
    """Keep something under a checked title; with a name, its next version, by its author.

    Raises:
        RepositoryError: of the kind: there is none of this name that the caller made; recorded.
        UnknownPerson: nobody of that name; nothing is kept.
    """
    with repo.database.reading() as session:
        people = sorted({find_person(session, one).id for one in shared_with} - {actor.id})
    row = _row(repo, caller, case, actor, kind, named)
    with repo.database.writing() as session:
        take_lock(session)
        if named is None:
            session.add(row)
            session.flush()
        told = {**said, "shared_with": people}
        add_version(repo, session, row, actor, told, case=case, exhibit=None, title=title)
    [found] = _visible(repo, caller, case, [row])
    return found


def of_case(repo: Repository, caller: Caller, case: Case, kind: Kind) -> list[Titled]:
    """Return those of a case that the caller made or is named in; the caller records it."""
    query = select(Annotation).where(Annotation.case_id == case.id, Annotation.kind == kind.name)
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(Annotation.at, Annotation.id)))
    return _visible(repo, caller, case, rows)


def find(repo: Repository, caller: Caller, kind: Kind, named: str) -> tuple[Actor, Case, Titled]:
    """Return one that the caller made or is named in; the caller records that it was looked at.

    Raises:
        RepositoryError: of the kind: there is none; recorded.
        UnknownCase, AccessDenied: the caller has no such part in its case any more; recorded.
    """
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
        case = session.get_one(Case, row.case_id) if row and row.kind == kind.name else None
    unknown = kind.unknown(named)
    if row is None or case is None:
        refuse(repo, caller, Act.CONSULTATION, [f"unknown-{kind.name}"], unknown, asked=named)
    actor, _ = on_case(repo, caller, Right.ANNOTATE, case.code, attempted=Act.CONSULTATION)
    found = _visible(repo, caller, case, [row])
    if not found:
        refuse(repo, caller, Act.CONSULTATION, ["not-shared"], unknown, case=case)
    return actor, case, found[0]


def _row(
    repo: Repository, caller: Caller, case: Case, actor: Actor, kind: Kind, named: str | None
) -> Annotation:
    if named is None:
        at = repo.clock()
        return Annotation(
            id=f"{kind.prefix}-{uuid7(at, repo.random)}", kind=kind.name, case_id=case.id,
            exhibit_id=None, author=actor.id, at=at,
        )  # fmt: skip
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
    mine = row is not None and row.kind == kind.name and row.case_id == case.id
    if row is None or not mine or row.author != actor.id:
        refuse(repo, caller, Act.ANNOTATION, ["not-own"], kind.unknown(named), case=case)
    return row


def _visible(
    repo: Repository, caller: Caller, case: Case, rows: Sequence[Annotation]
) -> list[Titled]:
    newest = {row.id: (row, one, values) for row, one, values in opened_versions(repo, rows)}
    found = []
    for row, one, values in newest.values():
        detail = values.get("detail")
        people = detail["shared_with"] if detail else []
        if detail is None or caller.person.id not in {row.author, *people}:
            continue
        query = select(Person.name).where(Person.id.in_(people)).order_by(Person.name)
        with repo.database.reading() as session:
            names = list(session.scalars(query))
        found.append(
            Titled(
                row.id, case.code, values.get("title", ""), detail, names,
                values.get("actor_name"), one.version, timestamp(one.at), one.index,
            )
        )  # fmt: skip
    return found
