"""Selections: named sets of exhibits and places in a case, shared with the people that are named.

Each version is an entry of the house; nobody rewrites one. Of what is in it everybody is shown what
they may know of, and nothing tells that there is more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from custody.entry import Act
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.citations import check_place
from repository.consult import consulted, known_numbers
from repository.errors import BadRequest, UnknownSelection
from repository.locators import parse
from repository.naming import shown
from repository.titled import Kind, Titled, check_title, find, keep, of_case

MOST_ITEMS = 2_000
_KIND = Kind("selection", "SEL", "selection", UnknownSelection)


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
        UnknownPlace, CitedDigestDiffers, …: as `check_place`; nothing of it is kept.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.ANNOTATION)
    check_title(title, shared_with)
    if not 1 <= len(items) <= MOST_ITEMS:
        raise BadRequest(f"a selection has 1 to {MOST_ITEMS} items")
    wanted = list(dict.fromkeys(items))
    mine = _known(repo, caller, wanted)
    missing = [one for one in wanted if one not in mine]
    if missing:
        raise BadRequest(f"there is no exhibit of {shown(missing[0][:80])} that you may know of")
    for one in wanted:
        if parse(one).pointers():
            check_place(repo, caller, one)
    made = keep(
        repo, caller, actor, case, _KIND, {"items": wanted}, title=title, shared_with=shared_with,
        named=named,
    )  # fmt: skip
    return _shown(repo, caller, made)


def listed(repo: Repository, caller: Caller, code: str) -> list[Selection]:
    """Return the selections of a case that the caller made or is named in; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.ANNOTATE, code, attempted=Act.CONSULTATION)
    found = [_shown(repo, caller, one) for one in of_case(repo, caller, case, _KIND)]
    consulted(repo, actor, [one.name for one in found], "selection-list", case=case)
    return found


def show(repo: Repository, caller: Caller, named: str) -> Selection:
    """Return a selection that the caller made or is named in; recorded.

    Raises:
        UnknownSelection: there is none; recorded.
    """
    actor, case, one = find(repo, caller, _KIND, named)
    found = _shown(repo, caller, one)
    consulted(repo, actor, found.items, "selection", case=case)
    return found


def _shown(repo: Repository, caller: Caller, one: Titled) -> Selection:
    mine = _known(repo, caller, one.said["items"])
    return Selection(
        one.name, one.case, one.title, [item for item in one.said["items"] if item in mine],
        one.shared_with, one.author, one.version, one.at, one.entry,
    )  # fmt: skip


def _known(repo: Repository, caller: Caller, items: Sequence[str]) -> set[str]:
    """Return which of these exhibits and places the caller may know of."""
    numbers = {item: parse(item).exhibit for item in items}
    mine = known_numbers(repo, caller, numbers.values())
    return {item for item, number in numbers.items() if number in mine}
