"""Submissions over HTTP: begin, announce, look how far, complete, receipts."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from api import paging
from api.body import Arriving
from api.conditional import unchanged_since
from api.once import requested_once
from api.problems import problem
from api.request import caller, json_body, repo, repr_digest
from api.schema import Completion, NewSubmission
from custody.entry import Act
from custody.receipt import SubmissionReceipt
from ingest import overview
from ingest.announce import announce, begin
from ingest.completion import complete, receipt_pages, spooled
from ingest.errors import BadList
from ingest.overview import Cursor, line_json
from repository.access import Right
from repository.authorise import on_own_submission, on_submission
from repository.conditions import Marking
from repository.errors import BadRequest
from repository.purpose import parse
from repository.submissions import CLAIMS, Declaration

blueprint = Blueprint("submissions", __name__, url_prefix="/api/v1/submissions")

LINES = "application/x-ndjson"
_BLOCK = 256 << 10


@blueprint.post("")
def create() -> tuple[Response, int, dict[str, str]]:
    """Begin a submission, under an id of the client's own where it names one."""
    who = caller()
    asked = json_body(NewSubmission)
    claims: dict[str, Any] = {
        name: value for name in CLAIMS if (value := getattr(asked, name)) is not None
    }
    declared = Declaration(purpose=parse(asked.purpose), **claims)
    manifest = asked.manifest.model_dump(exclude_none=True) if asked.manifest else None
    with requested_once(who, asked.model_dump_json()) as held:
        named = asked.id or (f"SUB-{held.made}" if held else None)
        submission, again = begin(
            repo(), who, asked.case, declared, named=named, manifest=manifest,
            marking=Marking.from_json(asked.marking.model_dump()) if asked.marking else None,
        )  # fmt: skip
        again = again and not (held and held.again)
    found = overview.overview(repo(), submission.id)
    location = {"Location": f"{blueprint.url_prefix}/{submission.id}"}
    return jsonify(found.to_json()), 200 if again else 201, location


@blueprint.get("")
def index() -> Response:
    """List the submissions of a case that are not complete, a page at a time."""
    code = request.args.get("case")
    who = caller()
    if not code:
        raise BadRequest("name the case: ?case=CODE")
    limit, place = paging.limit(), paging.after()
    after = (datetime.fromisoformat(place[0]), place[1]) if place else None
    found = overview.open_ones(repo(), who, code, after=after, limit=limit + 1)
    items = found[:limit]
    cursor = None
    if len(found) > limit:
        last = items[-1].progress.submission
        cursor = paging.cursor(last.opened_at.isoformat(), last.id)
    return jsonify(items=[one.to_json() for one in items], next=cursor)


@blueprint.get("/<submission>")
def show(submission: str) -> Response:
    """Tell how far a submission is."""
    return jsonify(overview.show(repo(), caller(), submission).to_json())


@blueprint.put("/<submission>/list")
def announce_list(submission: str) -> Response:
    """Take in the list of its files and give the receipt for it."""
    who = caller()
    if request.mimetype != LINES:
        return problem("unsupported-media-type", 415, f"a list comes as {LINES}")
    unchanged = None
    if request.if_match:
        row = on_own_submission(repo(), who, submission)[2]
        unchanged = unchanged_since(lambda within: _state(row.id, within))
    digest = repr_digest(request.headers.get("Repr-Digest")).get("sha256")
    made = announce(repo(), who, submission, _list(), sha256=digest, unchanged=unchanged)
    return _receipt(made.receipt, 200 if made.again else 201)


@blueprint.get("/<submission>/files")
def files(submission: str) -> Response:
    """List its files and what became of each, a page at a time."""
    who = caller()
    limit, [n, *place] = paging.limit(), paging.after("0")
    after: Cursor = int(n), (int(place[0]), int(place[1])) if place else None
    state = request.args.get("state")
    found = overview.files(repo(), who, submission, state=state, after=after, limit=limit + 1)
    more = len(found) > limit
    items = found[:limit]
    cursor = _cursor(overview.cursor_of(items[-1])) if more else None
    return jsonify(items=[line_json(one) for one in items], next=cursor)


@blueprint.post("/<submission>/complete")
def end(submission: str) -> Response:
    """End it and give one receipt for all."""
    who = caller()
    asked = json_body(Completion)
    actor, _, row = on_own_submission(repo(), who, submission)
    # The receipt lists everything: a token that only adds does not get it.
    on_submission(repo(), who, Right.CONSULT, submission, attempted=Act.CONSULTATION)
    made = complete(
        repo(), actor, row.id, without_missing=asked.without_missing, motive=asked.motive,
        unchanged=unchanged_since(lambda within: _state(row.id, within)),
    )  # fmt: skip
    return _receipt(made, 200 if made.index == row.done_index else 201)


@blueprint.get("/<submission>/receipt")
def receipt(submission: str) -> Response:
    """Give the receipt of its list or of its end, with the witnesses it has by now."""
    stage = request.args.get("stage", "complete")
    found = overview.receipt(repo(), caller(), submission, stage)
    if request.args.get("format", "json") == "pdf":
        return Response(receipt_pages(repo(), found), content_type="application/pdf")
    return _receipt(found, 200)


@blueprint.get("/<submission>/receipts")
def receipts(submission: str) -> Response:
    """Give receipts of what it registered after an entry, one a line."""
    after = paging.number("after", -1, -1, 2**53 - 1)
    limit = paging.limit()
    found = overview.receipts(repo(), caller(), submission, after=after, limit=limit)
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)
    return Response(text, content_type=LINES)


def _state(submission: str, within: Session | None) -> dict[str, Any]:
    return overview.overview(repo(), submission, within).to_json()


def _list() -> Iterator[bytes]:
    arriving = Arriving(request.environ)
    yield from arriving
    if not arriving.whole:
        raise BadList("the line broke before the list was here; send it again")


def _receipt(found: SubmissionReceipt, status: int) -> Response:
    """Answer with a receipt and its list; both are whole in a file before the first byte."""
    file = spooled(repo(), found)
    length = file.seek(0, 2)
    file.seek(0)
    headers = {"Content-Length": str(length)}
    if status == 201:
        place = f"{blueprint.url_prefix}/{found.submission}/receipt?stage={found.stage}"
        headers["Location"] = place
    answer = Response(_blocks(file), status, headers, content_type="application/json")
    answer.call_on_close(file.close)
    return answer


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block


def _cursor(place: Cursor) -> str:
    n, further = place
    return paging.cursor(n, *(further or ()))
