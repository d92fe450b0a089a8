"""The search page: what is asked is posted, and stands in the address sealed for one session.

So back, reload and paging work, and no history, log or neighbour at the screen's address line tells
what is investigated. Every look at an answer is a search anew, on record as any other.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from flask import Blueprint, Response, request

from api.problems import STATUSES
from api.request import repo
from api.turns import in_turn
from api.web import answers, pictures
from api.web.shell import field, fields, go, page, visitor
from custody.errors import EvidenceError
from repository.authorise import Caller
from repository.consult import show_case
from repository.errors import BadQuery, BadRequest, IntegrityError, UnknownPerson, UnknownSearch
from repository.looks import tiles
from repository.search import saved
from repository.search.ask import Answer, search
from repository.search.question import Question
from repository.search.sealing import opened, sealed
from repository.search.snippets import Snippet

blueprint = Blueprint("web_search", __name__)
answers.install(blueprint)
LONGEST = 3_500  # characters of an address that every server takes
_KEPT = (
    "q", "case", "after", "before", "between", "near", "within", "box", "polygon", "certain",
    "view",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks, as they typed it."""

    q: str = ""
    case: str = ""
    after: str = ""
    before: str = ""
    between: str = ""
    near: str = ""  # latitude,longitude
    within: str = ""  # metres
    box: str = ""
    polygon: str = ""
    certain: str = ""
    view: str = "list"
    filters: tuple[str, ...] = ()  # name=value

    def narrowed(self) -> dict[str, list[str]]:
        """Return the values of facets that were chosen, by their names."""
        found: dict[str, list[str]] = {}
        for one in self.filters:
            name, _, value = one.partition("=")
            found.setdefault(name, []).append(value)
        return found

    def question(self) -> Question:
        """Return what is asked, as it is kept."""
        return Question(
            self.q,
            near=f"{self.near},{self.within or '1000m'}" if self.near else None,
            box=self.box or None, polygon=self.polygon or None, after=self.after or None,
            before=self.before or None, between=self.between or None,
            certain=self.certain == "yes", filters=self.narrowed(), view=self.view,
        )  # fmt: skip

    @classmethod
    def of(cls, kept: Question, case: str) -> "Asked":
        """Return a kept question as somebody types it, in a case."""
        near, _, within = (kept.near or "").rpartition(",")
        filters = tuple(f"{name}={one}" for name, some in kept.filters.items() for one in some)
        return cls(
            kept.query, case, kept.after or "", kept.before or "", kept.between or "", near, within,
            kept.box or "", kept.polygon or "", "yes" if kept.certain else "", kept.view, filters,
        )  # fmt: skip

    @property
    def empty(self) -> bool:
        """Say whether nothing is asked."""
        where = (self.after, self.before, self.between, self.near, self.box, self.polygon)
        return not (self.q or any(where) or self.filters)


@blueprint.get("/search")
def blank() -> Response:
    """Show an empty search."""
    visitor()
    return _page(Asked(case=request.args.get("case", "")[:12]))


@blueprint.post("/search")
def ask() -> Response:
    """Take a search, and lead to its answer."""
    who = visitor()
    asked = _typed()
    if field("add"):
        asked = replace(asked, filters=tuple(dict.fromkeys([*asked.filters, field("add")])))
    if field("drop"):
        asked = replace(asked, filters=tuple(f for f in asked.filters if f != field("drop")))
    if asked.empty:
        return _page(asked, problem=BadQuery("say what to look for: words, a time or a place"))
    address = _address(who, asked)
    return _answer(who, asked, None) if len(address) > LONGEST else go(address)


@blueprint.get("/search/<token>")
def answer(token: str) -> Response:
    """Show an answer: the search is made now."""
    who = visitor()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        found = json.loads(zlib.decompress(opened(repo(), _whose(who), "search page", raw)))
    except (binascii.Error, ValueError, IntegrityError) as error:
        message = "this address of a search was given to another session; ask anew"
        raise UnknownSearch(message) from error
    after = request.args.get("after")
    if after is not None and not re.fullmatch(r"[0-9]{1,2}\.[0-9]{1,18}", after):
        raise BadRequest("this is no place in a list")
    tier, _, n = (after or "").partition(".")
    asked = Asked(**{**found, "filters": tuple(found["filters"])})
    return _answer(who, asked, (int(tier), int(n)) if after else None)


@blueprint.get("/cases/<code>/searches")
def kept(code: str) -> Response:
    """Show the saved searches of a case that one made or is named in."""
    return _saved(code)


@blueprint.post("/cases/<code>/searches")
def keep(code: str) -> Response:
    """Save a search in a case, for oneself and whoever is named."""
    who = visitor()
    shared = [one.strip() for one in field("shared_with").splitlines() if one.strip()]
    try:
        saved.save(
            repo(), who, code, title=field("title"), asked=_typed().question(), shared_with=shared
        )
    except (BadRequest, BadQuery, UnknownPerson) as error:
        return _saved(code, problem=error)
    return go(f"/cases/{code}/searches", said="search.saved")


def _saved(code: str, problem: EvidenceError | None = None) -> Response:
    who = visitor()
    case = show_case(repo(), who, code)
    return page(
        "web/searches.html",
        200 if problem is None else STATUSES[problem.code],
        case=case,
        searches=[
            (one, asdict(Asked.of(one.asked, code))) for one in saved.listed(repo(), who, code)
        ],
        problem=problem,
        asked=asdict(_typed()),
        typed={name: request.form.get(name, "") for name in ("title", "shared_with")},
    )


def _typed() -> Asked:
    return Asked(
        **{name: field(name) for name in _KEPT if name != "view"},
        view="gallery" if field("view") == "gallery" else "list",
        filters=tuple(dict.fromkeys(fields("filter"))),
    )


@in_turn
def _answer(who: Caller, asked: Asked, after: tuple[int, int] | None) -> Response:
    question = asked.question()
    try:
        found = search(
            repo(), who, asked.q, case=asked.case or None, after=after, facets=True,
            where=question.where(), filters=question.filters, snippets=True, suggestions=True,
        )  # fmt: skip
    except BadQuery as error:
        return _page(asked, problem=error)
    shown: list[tuple[Any, str | None]] = []
    if asked.view == "gallery":
        described = [one.described for one in found.found]
        shown = [
            (one, pictures.address(who, one.picture) if one.picture else None)
            for one in tiles(repo(), who, who.actor(), described)
        ]
    following = None
    if found.after is not None:
        following = f"{_address(who, asked)}?after={found.after[0]}.{found.after[1]}"
    return _page(asked, answer=found, shown=shown, following=following)


def _page(
    asked: Asked,
    *,
    answer: Answer | None = None,
    shown: list[tuple[Any, str | None]] | None = None,
    following: str | None = None,
    problem: EvidenceError | None = None,
) -> Response:
    revealed = request.args.get("reveal") == "1"
    facets: Mapping[str, list[dict[str, Any]]] = (answer and answer.facets) or {}
    return page(
        "web/search.html",
        200 if problem is None else 400,
        asked=asdict(asked),
        answer=answer,
        facets={name: values for name, values in facets.items() if values},
        pieces_of=pieces_of,
        tiles=shown or [],
        revealed=revealed,
        veiled=not revealed and any(one.sensitive and one.picture for one, _ in shown or []),
        choosing=False,
        following=following,
        problem=problem,
    )


def pieces_of(snippet: Snippet) -> list[tuple[str, bool]]:
    """Return a quotation in pieces, each with whether it is what was found."""
    found, at = [], 0
    for begin, end in snippet.marks:
        found += [(snippet.text[at:begin], False), (snippet.text[begin:end], True)]
        at = end
    return [one for one in [*found, (snippet.text[at:], False)] if one[0]]


def _address(who: Caller, asked: Asked) -> str:
    plain = zlib.compress(json.dumps(asdict(asked), ensure_ascii=False).encode(), 9)
    raw = sealed(repo(), _whose(who), "search page", plain)
    return f"/search/{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def _whose(who: Caller) -> str:
    return f"{who.person.id} {who.session or who.token or ''}"
