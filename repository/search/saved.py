"""Saved searches: what is asked again and again in a case, kept by whoever asks and shared by name.

Each version is an entry of the house, as of a selection; all that is asked, places, times and
facets too, stands behind its commitment. Running one is a search by whoever runs it: nobody finds
with another's eyes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from custody.entry import Act
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.consult import consulted
from repository.errors import UnknownSearch
from repository.search.ask import Answer, search
from repository.search.question import Question
from repository.titled import Kind, Titled, check_title, find, keep, of_case

_KIND = Kind("search", "SRC", "saved search", UnknownSearch)


@dataclass(frozen=True, slots=True)
class Saved:
    """The newest version of a saved search."""

    search: str  # its name
    case: str
    title: str
    asked: Question
    shared_with: list[str]  # names of persons
    author: str | None
    version: int
    at: str
    entry: int

    def to_json(self) -> dict[str, Any]:
        """Return it with what it asks, each part as text."""
        told = {name: value for name, value in asdict(self).items() if name != "asked"}
        return {**told, **asdict(self.asked)}


def save(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    title: str,
    asked: Question,
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
    check_title(title, shared_with)
    asked.check()
    made = keep(
        repo, caller, actor, case, _KIND, asked.to_json(), title=title, shared_with=shared_with,
        named=named,
    )  # fmt: skip
    return _saved(made)


def listed(repo: Repository, caller: Caller, code: str) -> list[Saved]:
    """Return the saved searches of a case that the caller made or is named in; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.CONSULTATION)
    found = [_saved(one) for one in of_case(repo, caller, case, _KIND)]
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
    _, case, one = find(repo, caller, _KIND, named)
    asked = Question.of(one.said)
    return search(
        repo, caller, asked.query, case=case.code, after=after, limit=limit, facets=facets,
        where=asked.where(), filters=asked.filters,
    )  # fmt: skip


def _saved(one: Titled) -> Saved:
    return Saved(
        one.name, one.case, one.title, Question.of(one.said), one.shared_with, one.author,
        one.version, one.at, one.entry,
    )  # fmt: skip
