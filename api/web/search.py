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

from api.request import repo
from api.web import answers, pictures
from api.web.shell import field, fields, go, page, visitor
from custody.errors import EvidenceError
from repository.authorise import Caller
from repository.consult import show_case
from repository.errors import BadQuery, BadRequest, IntegrityError, UnknownSearch
from repository.looks import tiles
from repository.search import places, saved
from repository.search.ask import Answer, search
from repository.search.grammar import FIELDS
from repository.search.sealing import opened, sealed
from repository.search.snippets import Snippet
from repository.search.whereabouts import Whereabouts

blueprint = Blueprint("web_search", __name__)
answers.install(blueprint)
LONGEST = 3_500  # characters of an address that every server takes
_KEPT = ("q", "case", "after", "before", "near", "within", "certain", "view")
_TELLING = ("type", "family", "device", "account", "state", "seal", "marking")  # words can say it


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks, as they typed it."""

    q: str = ""
    case: str = ""
    after: str = ""
    before: str = ""
    near: str = ""  # latitude,longitude
    within: str = ""  # metres
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

    def where(self) -> Whereabouts:
        """Return where and when is asked for.

        Raises:
            BadQuery: it cannot be read.
        """
        area = places.near(self.near, self.within or "1000m") if self.near else None
        return Whereabouts.of(
            area=area, after=self.after or None, before=self.before or None,
            certain=self.certain == "yes",
        )  # fmt: skip

    def in_words(self) -> str:
        """Return the query with those facets that words can say, as it can be saved."""
        told = [
            " OR ".join(f'{name}:"{value}"' for value in values)
            for name, values in self.narrowed().items()
            if name in _TELLING and name in FIELDS
        ]
        parts = [f"({self.q})" if self.q and told else self.q, *(f"({one})" for one in told)]
        return " ".join(filter(None, parts))

    @property
    def empty(self) -> bool:
        """Say whether nothing is asked."""
        return not (self.q or self.after or self.before or self.near or self.filters)


@blueprint.get("/search")
def blank() -> Response:
    """Show an empty search."""
    visitor()
    return _page(Asked(case=request.args.get("case", "")[:12]))


@blueprint.post("/search")
def ask() -> Response:
    """Take a search, and lead to its answer."""
    who = visitor()
    asked = Asked(
        **{name: field(name) for name in _KEPT if name != "view"},
        view="gallery" if field("view") == "gallery" else "list",
        filters=tuple(dict.fromkeys(fields("filter"))),
    )
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
            repo(), who, code, title=field("title"), query=field("query"), shared_with=shared
        )
    except BadRequest as error:
        return _saved(code, problem=error)
    return go(f"/cases/{code}/searches", said="search.saved")


def _saved(code: str, problem: EvidenceError | None = None) -> Response:
    who = visitor()
    case = show_case(repo(), who, code)
    return page(
        "web/searches.html",
        200 if problem is None else 400,
        case=case,
        searches=saved.listed(repo(), who, code),
        problem=problem,
        typed={name: request.form.get(name, "") for name in ("title", "query", "shared_with")},
    )


def _answer(who: Caller, asked: Asked, after: tuple[int, int] | None) -> Response:
    try:
        found = search(
            repo(), who, asked.q, case=asked.case or None, after=after, facets=True,
            where=asked.where(), filters=asked.narrowed(), snippets=True, suggestions=True,
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
        narrowed=[(one, *one.partition("=")[::2]) for one in asked.filters],
        in_words=asked.in_words(),
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
