"""Further views of a case: gallery, timeline and map; and which pictures are veiled."""

from flask import Blueprint, Response, request

from api import paging
from api.request import repo
from api.web import answers, pictures
from api.web.shell import field, fields, go, page, visitor
from custody.errors import EvidenceError
from repository.access import ALLOWED, Right
from repository.errors import BadRequest
from repository.exhibits import find_exhibit
from repository.looks import show_gallery
from repository.search import seen
from repository.search.sightings import Time
from repository.search.times import written
from repository.sensitive import set_sensitive

blueprint = Blueprint("web_views", __name__)
answers.install(blueprint)
TILES = 48
ROWS = 300


@blueprint.get("/cases/<code>/gallery")
def gallery(code: str) -> Response:
    """Show a case's exhibits as pictures, a page at a time; one entry lists them."""
    return _gallery(code)


@blueprint.post("/cases/<code>/sensitivity")
def sensitivity(code: str) -> Response:
    """Say of chosen exhibits whether their pictures are veiled at first."""
    who = visitor()
    try:
        sensitive, chosen = field("sensitive"), fields("exhibit")
        if sensitive not in ("yes", "no") or not chosen:
            raise BadRequest("choose exhibits, and say whether they are sensitive")
        if sensitive == "yes" and not field("motive"):
            raise BadRequest("say why they are veiled again")
        with repo().database.reading() as session:
            found = [find_exhibit(session, one) for one in chosen[: 2 * TILES]]
        exhibits = [one for one in found if one is not None]
        changed = set_sensitive(
            repo(), who, exhibits, sensitive=sensitive == "yes", motive=field("motive")
        )
    except BadRequest as error:
        return _gallery(code, problem=error)
    return go(f"/cases/{code}/gallery", said="views.set", count=changed)


@blueprint.get("/cases/<code>/timeline")
def timeline(code: str) -> Response:
    """Show when what the exhibits show took place, as far as something says so."""
    who = visitor()
    [first] = paging.after("0")
    found = seen.timeline(repo(), who, code, first=int(first), limit=ROWS)
    return page(
        "web/timeline.html",
        case=found.case,
        found=found,
        events=[(one, *_ends(one.time)) for one in found.seen if one.time],
        following=_following(found, int(first)),
    )


@blueprint.get("/cases/<code>/map")
def on_map(code: str) -> Response:
    """Show where it was, on a map and as a list."""
    who = visitor()
    [first] = paging.after("0")
    found = seen.places(repo(), who, code, first=int(first), limit=ROWS)
    return page(
        "web/map.html",
        case=found.case,
        found=found,
        following=_following(found, int(first)),
    )


def _following(found: seen.Shown, first: int) -> str | None:
    return paging.cursor(first + ROWS) if found.count > first + ROWS else None


def _ends(time: Time) -> tuple[str | None, str | None]:
    """Return between which times of UTC something was; None: it is open there."""
    first, last = seen.ends(time)
    return (
        None if first is None else written(first),
        None if last is None else written(max(time.first, last - 1)),
    )


def _gallery(code: str, problem: EvidenceError | None = None) -> Response:
    who = visitor()
    [after] = paging.after("0")
    case, found = show_gallery(repo(), who, code, after=int(after), limit=TILES + 1)
    serial = found[TILES - 1].described.exhibit.serial if len(found) > TILES else None
    return page(
        "web/gallery.html",
        200 if problem is None else 400,
        case=case,
        tiles=[(one, one.picture and pictures.address(who, one.picture)) for one in found[:TILES]],
        revealed=request.args.get("reveal") == "1",
        veiled=request.args.get("reveal") != "1"
        and any(one.sensitive and one.picture for one in found),
        choosing=who.person.role in ALLOWED[Right.ANNOTATE],
        following=None if serial is None else paging.cursor(serial),
        problem=problem,
    )
