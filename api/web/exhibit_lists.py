"""Which exhibits somebody means: numbers, ranges of them, and a selection, as they are typed."""

import re
from collections.abc import Iterable, Sequence

from repository import Repository, selections
from repository.authorise import Caller
from repository.consult import list_exhibits
from repository.errors import BadRequest
from repository.locators import parse
from repository.naming import exhibit_number, shown, split_number

MOST = 20_000  # named one by one; a whole case has no limit
_ONE = "[A-Z0-9]{2,12}-[0-9]{6,12}|[0-9]{1,12}"
_TO = r"-|\u2013|\.\."
_PIECE = re.compile(f"(?P<first>{_ONE})(?:(?:{_TO})(?P<last>{_ONE}))?")
_BLANKS = re.compile(rf"\s*({_TO})\s*(?=[A-Z0-9])")


def typed_numbers(repo: Repository, caller: Caller, code: str, text: str) -> list[str]:
    """Return the numbers that a text of numbers and ranges names, in its order.

    `7`, `KRN-000007`, `3-9`, `KRN-000003–KRN-000009`, with blanks, commas or lines between them. Of
    a range those are meant that the caller may know of, which is a look at the list; recorded.

    Raises:
        BadRequest: it cannot be read, or names too many.
        UnknownCase: a range in a case that is not for this caller; recorded.
    """
    found: dict[str, None] = {}
    for piece in re.split(r"[\s,;]+", _BLANKS.sub(r"\1", text).strip()):
        if not piece:
            continue
        match = _PIECE.fullmatch(piece)
        if match is None:
            raise BadRequest(f"{shown(piece[:40])} is neither a number of an exhibit nor a range")
        first, last = _number(code, match["first"]), match["last"]
        some: Iterable[str] = [first]
        if last is not None:
            some = _range(repo, caller, first, _number(code, last))
        found |= dict.fromkeys(some)
        if len(found) > MOST:
            raise BadRequest(f"at most {MOST} exhibits are named; choose the whole case, or fewer")
    return list(found)


def selected_numbers(repo: Repository, caller: Caller, named: str) -> list[str]:
    """Return the exhibits of a selection that the caller made or is named in; recorded.

    Raises:
        UnknownSelection: there is none; recorded.
    """
    items = selections.show(repo, caller, named).items
    return list(dict.fromkeys(parse(item).exhibit for item in items))


def in_ranges(case: str, numbers: Sequence[str]) -> str:
    """Return a text that names these, with neighbours of the case as ranges.

    >>> in_ranges("KRN", ["KRN-000001", "KRN-000002", "KRN-000003", "KRN-000007"])
    'KRN-000001..KRN-000003 KRN-000007'
    """
    spans: list[list[str]] = []
    for number in numbers:
        code, serial = split_number(number) or ("", 0)
        if code == case and spans and split_number(spans[-1][1]) == (code, serial - 1):
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(first if first == last else f"{first}..{last}" for first, last in spans)


def _number(code: str, text: str) -> str:
    return text if split_number(text) else exhibit_number(code, int(text))


def _range(repo: Repository, caller: Caller, first: str, last: str) -> list[str]:
    """Return the exhibits between two numbers of a case, both included."""
    low, high = split_number(first), split_number(last)
    if low is None or high is None or low[0] != high[0] or high[1] < low[1]:
        raise BadRequest(f"{shown(first[:40])} to {shown(last[:40])} is no range of one case")
    if high[1] - low[1] >= MOST:
        raise BadRequest(f"a range has at most {MOST} exhibits; choose the whole case, or less")
    known = list_exhibits(repo, caller, low[0], after=low[1] - 1, limit=high[1] - low[1] + 1)
    return [one.exhibit.number for one in known if one.exhibit.serial <= high[1]]
