"""Handing in evidence: the page that sends files, and what became of a submission."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.datastructures import MultiDict

from api import paging
from api.request import repo
from api.web import answers, words
from api.web.shell import field, go, page, visitor
from custody.entry import Act
from ingest import overview
from ingest.completion import complete
from ingest.errors import SubmissionIncomplete
from ingest.overview import Cursor
from ingest.pending import Pending, may_hand_in, own_open, pending
from repository.access import Right
from repository.authorise import Caller, on_own_submission, on_submission
from repository.errors import BadRequest
from repository.submissions import CLAIMS

blueprint = Blueprint("web_handing_in", __name__)
answers.install(blueprint)

ROWS = 100
SHOWN = 20  # pending files of an open submission on the page
# What the form of a family asks for: the field's name in `said`, the claim it becomes part of, and
# how the claim calls it. Claims are read by people of other languages, so this stands in one.
FORMS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "social": (
        ("url", "source", "Address"),
        ("account", "source", "Account"),
        ("tool", "method", "Tool and version"),
        ("settings", "method", "Settings"),
        ("machine", "method", "Address of the collecting machine"),
        ("identity", "method", "Virtual identity used"),
        ("clock", "method", "Clock, offset to network time"),
    ),
    "mobile": (
        ("device", "source", "Device, make and model"),
        ("serial", "source", "Serial number"),
        ("imei", "source", "IMEI"),
        ("owner", "source", "From whom"),
        ("condition", "source", "Condition and seals"),
        ("acquisition", "method", "Kind of acquisition"),
        ("tool", "method", "Tool and version"),
        ("changes", "method", "Unavoidable changes, and why"),
    ),
    "heritage": (
        ("object", "source", "Type of object"),
        ("title", "source", "Title"),
        ("subject", "source", "Subject"),
        ("materials", "source", "Materials and techniques"),
        ("measurements", "source", "Measurements"),
        ("inscriptions", "source", "Inscriptions and markings"),
        ("features", "source", "Distinguishing features"),
        ("period", "source", "Date or period"),
        ("maker", "source", "Maker"),
        ("description", "source", "Short description"),
        ("photographs", "method", "Photographs"),
    ),
    "other": (("origin", "source", ""), ("way", "method", "")),
}
ZONES = [f"{sign}{hour:02}:00" for sign, hours in (("-", range(12, 0, -1)), ("+", range(15)))
         for hour in hours]  # fmt: skip
ZONES += ["-09:30", "-03:30", "+03:30", "+04:30", "+05:30", "+05:45", "+06:30", "+09:30", "+12:45"]


@blueprint.app_template_global("hands_in")
def hands_in(code: str) -> bool:
    """Say whether the visitor is offered to hand in to a case."""
    return may_hand_in(repo(), g.visitor, code)


@blueprint.get("/cases/<code>/upload")
def upload(code: str) -> Response:
    """Show where files are dropped, and what of the own submissions has not arrived."""
    who = visitor()
    case, found = own_open(repo(), who, code)
    return page(
        "web/upload.html",
        case=case,
        waiting=list(_waiting(who, code, found)),
        forms=FORMS,
        zones=sorted(ZONES, key=_hours),
        words=words.language(words.chosen(request)).words["sending"],
    )


@blueprint.get("/submissions/<submission>")
def show(submission: str) -> Response:
    """Show how far a submission is, each file, and its receipts."""
    return _page(visitor(), submission)


@blueprint.post("/submissions/<submission>/complete")
def end(submission: str) -> Response:
    """End a submission; where files are missing, with the reason."""
    who = visitor()
    actor, _, row = on_own_submission(repo(), who, submission)
    on_submission(repo(), who, Right.CONSULT, submission, attempted=Act.CONSULTATION)
    without = bool(field("without"))
    try:
        complete(repo(), actor, row.id, without_missing=without, motive=field("motive"))
    except (SubmissionIncomplete, BadRequest) as error:
        return _page(who, submission, error)
    return go(f"/submissions/{row.id}", said="upload.said_complete")


def _page(
    who: Caller, submission: str, problem: SubmissionIncomplete | BadRequest | None = None
) -> Response:
    house = repo()
    found = overview.show(house, who, submission)
    n, *place = paging.after("0")
    after: Cursor = int(n), (int(place[0]), int(place[1])) if place else None
    files = overview.files(house, who, submission, after=after, limit=ROWS + 1)
    following = None
    if len(files) > ROWS:
        at, further = overview.cursor_of(files[ROWS - 1])
        following = paging.cursor(at, *(further or ()))
    row = found.progress.submission
    typed: MultiDict[str, str] = request.form
    return page(
        "web/submission.html",
        200 if problem is None else 409 if isinstance(problem, SubmissionIncomplete) else 400,
        found=found,
        submission=row,
        files=files[:ROWS],
        following=following,
        declared={name: row.declared.get(name) for name in CLAIMS},
        own=row.person_id == who.person.id,
        problem=problem,
        typed=typed,
    )


def _waiting(who: Caller, code: str, found: list[Any]) -> Iterator[tuple[Any, list[Pending]]]:
    for one in found:
        name = one.submission.id
        yield one, pending(repo(), who, code, submission=name, limit=SHOWN)


def _hours(zone: str) -> float:
    hours = int(zone[1:3]) + int(zone[4:]) / 60
    return -hours if zone[0] == "-" else hours
