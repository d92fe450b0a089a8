"""Saved searches: what is asked again and again in a case, kept by whoever asks and shared by name.

Each version is an entry of the house, as of a selection; what is asked stands behind its
commitment. Running one is a search by whoever runs it: nobody finds with another's eyes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from custody.append import take_lock
from custody.entry import Act, Actor, timestamp, uuid7
from repository import Repository
from repository.access import Right
from repository.annotated import Annotation
from repository.annotations import add_version
from repository.authorise import Caller, on_case, refuse
from repository.consult import consulted
from repository.errors import BadRequest, UnknownSearch
from repository.models import Case, Person
from repository.naming import shown
from repository.people import find_person
from repository.search.ask import Answer, search
from repository.search.grammar import parse
from repository.spoken import opened_versions

MOST_PEOPLE = 100
MAX_TITLE = 200
_KIND = "search"


@dataclass(frozen=True, slots=True)
class Saved:
    """The newest version of a saved search."""

    search: str  # its name
    case: str
    title: str
    query: str
    shared_with: list[str]  # names of persons
    author: str | None
    version: int
    at: str
    entry: int

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return asdict(self)


def save(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    title: str,
    query: str,
    shared_with: Sequence[str] = (),
    named: str | None = None,
) -> Saved:
    """Keep a search in a case; with a name, its next version, by its author.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        UnknownSearch: there is none of this name that the caller made; recorded.
        BadQuery, UnknownPerson, BadRequest: it cannot be read, nobody of that name, or no title;
            nothing of it is kept.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.ANNOTATION)
    if not title.strip() or len(title) > MAX_TITLE or not title.isprintable():
        raise BadRequest(f"a title has 1 to {MAX_TITLE} characters")
    if len(shared_with) > MOST_PEOPLE:
        raise BadRequest(f"a search is shared with at most {MOST_PEOPLE}")
    parse(query)
    with repo.database.reading() as session:
        people = sorted({find_person(session, one).id for one in shared_with} - {actor.id})
    row = _row(repo, caller, case, actor, named)
    with repo.database.writing() as session:
        take_lock(session)
        if named is None:
            session.add(row)
            session.flush()
        said = {"query": query, "shared_with": people}
        add_version(repo, session, row, actor, said, case=case, exhibit=None, title=title)
    [found] = _shown(repo, caller, case, [row])
    return found


def listed(repo: Repository, caller: Caller, code: str) -> list[Saved]:
    """Return the saved searches of a case that the caller made or is named in; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.CONSULTATION)
    query = select(Annotation).where(Annotation.case_id == case.id, Annotation.kind == _KIND)
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(Annotation.at, Annotation.id)))
    found = _shown(repo, caller, case, rows)
    consulted(repo, actor, [one.search for one in found], "search-list", case=case)
    return found


def run(
    repo: Repository,
    caller: Caller,
    named: str,
    *,
    after: tuple[int, int] | None = None,
    limit: int,
    facets: bool = False,
) -> Answer:
    """Search with a saved search in its case, as whoever runs it; recorded as any search.

    Raises:
        UnknownSearch: there is none that the caller made or is named in; recorded.
        UnknownCase, AccessDenied: the caller has no such part in its case any more; recorded.
    """
    unknown = _unknown(named)
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
        case = session.get_one(Case, row.case_id) if row and row.kind == _KIND else None
    if row is None or case is None:
        refuse(repo, caller, Act.CONSULTATION, ["unknown-search"], unknown, asked=named)
    on_case(repo, caller, Right.ANNOTATE, case.code, attempted=Act.CONSULTATION)
    found = _shown(repo, caller, case, [row])
    if not found:
        refuse(repo, caller, Act.CONSULTATION, ["not-shared"], unknown, case=case)
    return search(
        repo, caller, found[0].query, case=case.code, after=after, limit=limit, facets=facets
    )


def _row(
    repo: Repository, caller: Caller, case: Case, actor: Actor, named: str | None
) -> Annotation:
    if named is None:
        at = repo.clock()
        return Annotation(
            id=f"SRC-{uuid7(at, repo.random)}", kind=_KIND, case_id=case.id, exhibit_id=None,
            author=actor.id, at=at,
        )  # fmt: skip
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
    mine = row is not None and row.kind == _KIND and row.case_id == case.id
    if row is None or not mine or row.author != actor.id:
        refuse(repo, caller, Act.ANNOTATION, ["not-own"], _unknown(named), case=case)
    return row


def _shown(repo: Repository, caller: Caller, case: Case, rows: Sequence[Annotation]) -> list[Saved]:
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
            Saved(
                row.id, case.code, values.get("title", ""), detail["query"], names,
                values.get("actor_name"), one.version, timestamp(one.at), one.index,
            )
        )  # fmt: skip
    return found


def _unknown(named: str) -> UnknownSearch:
    return UnknownSearch(f"there is no saved search {shown(named[:60])} that you may know of")
