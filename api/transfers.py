"""Custody that passes on, over HTTP: releases and answers, continuity, bundles of other houses."""

from contextlib import ExitStack
from itertools import chain
from typing import BinaryIO, cast

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.request import assured, authority, caller, json_body, purpose, repo
from api.transfers_schema import NewAnswer, NewReceipts, NewTransfer
from ingest.bundle_files import pack
from ingest.bundles import import_bundle
from repository import deliveries, transfer_lists, transfers
from repository.continuity import case_continuity
from repository.errors import BadRequest, NoEarlierCustody
from repository.naming import shown
from repository.quoted import show_quoted
from repository.workplace import workplace

blueprint = Blueprint("transfers", __name__, url_prefix="/api/v1")


@blueprint.get("/transfers")
def index() -> Response:
    """List the transfers of a case; without one, those released to one's institution."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("")
    code = request.args.get("case")
    found = transfer_lists.released(repo(), who, code, after=after, limit=limit + 1)
    more, found = len(found) > limit, found[:limit]
    last = found[-1] if more else None
    cursor = paging.cursor(f"{last.row.id}/{last.exhibit.number}") if last else None
    return jsonify(items=[one.to_json() for one in found], next=cursor)


@blueprint.post("/transfers")
def create() -> tuple[Response, int]:
    """Release custody of exhibits of one case to an institution."""
    who = caller()
    asked = json_body(NewTransfer)
    made = transfers.release(
        repo(), who, asked.exhibits, to=asked.to, purpose=purpose(), authority=authority(),
        assured=assured(),
    )  # fmt: skip
    return jsonify(transfer=made[0].row.id, items=[one.to_json() for one in made]), 201


@blueprint.post("/transfers/<transfer>/answer")
def answer(transfer: str) -> Response:
    """Receive or refuse what was released to one's institution; or take one's own release back."""
    who = caller()
    asked = json_body(NewAnswer)
    if asked.answer == "receive":
        made = transfers.receive(repo(), who, transfer, asked.exhibits)
    else:
        act = transfers.turn_down if asked.answer == "refuse" else transfers.withdraw
        made = act(repo(), who, transfer, asked.exhibits, motive=asked.motive)
    return jsonify(transfer=transfer, items=[one.to_json() for one in made])


@blueprint.get("/transfers/<transfer>/bundle")
def bundle(transfer: str) -> Response:
    """Give the bundle of a transfer to another installation, as a tar: to either side."""
    who, house = caller(), repo()
    with ExitStack() as stack:
        place = stack.enter_context(workplace(house)) / "bundle"
        made = deliveries.bundle(house, who, transfer, place)
        headers = {
            "Content-Disposition": f'attachment; filename="{transfer}.tar"',
            "Evidence-Manifest": made.manifest,
        }
        blocks = deliveries.handed(house, who, transfer, pack(place))
        first = next(blocks)  # decided before the status line says that all is well
        body = chain([first], blocks)
        answer = Response(body, 200, headers, content_type="application/x-tar")
        answer.call_on_close(blocks.close)
        answer.call_on_close(stack.pop_all().close)
    return answer


@blueprint.post("/transfers/receipts")
def receipts() -> Response:
    """Take receipts of another installation; what goes back to it is in the answer."""
    who = caller()
    asked = json_body(NewReceipts)
    backs = [deliveries.acknowledge(repo(), who, deliveries.as_file(one)) for one in asked.items]
    return jsonify(items=[one.to_json() for one in backs if one is not None])


@blueprint.get("/cases/<code>/continuity")
def continuity(code: str) -> Response:
    """State who held each exhibit of a case from when to when, and every gap."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("0")
    found, more = case_continuity(repo(), who, code, after=int(after), limit=limit)
    items = [{"exhibit": number, **told.to_json()} for number, told in found]
    return jsonify(case=code, items=items, next=None if more is None else paging.cursor(more))


@blueprint.get("/exhibits/<number>/quoted")
def quoted(number: str) -> Response:
    """Show custody of before, as another repository recorded it."""
    found = show_quoted(repo(), caller(), number)
    if found is None:
        raise NoEarlierCustody(f"{shown(number)} did not come from another repository")
    return jsonify(found)


@blueprint.post("/imports")
def take() -> tuple[Response, int]:
    """Take in another repository's bundle: the body is its tar, streamed."""
    who = caller()
    code = request.args.get("case")
    if not code:
        raise BadRequest("name the case: ?case=CODE")
    found = import_bundle(
        repo(), who, code, cast("BinaryIO", request.stream), purpose=purpose(),
        size=request.content_length,
    )  # fmt: skip
    given = deliveries.receipts(repo(), [one.outcome.exhibit_id for one in found.taken])
    items = [one.to_json() for one in found.taken]
    volume = found.volume.to_json() if found.volume else None
    return jsonify(items=items, receipts=[one.to_json() for one in given], volume=volume), 201
