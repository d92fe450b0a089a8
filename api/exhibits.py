"""Take in, list, describe and retrieve exhibits over HTTP."""

import base64
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.once import requested_once
from api.problems import problem
from api.request import assured, authority, caller, evidence_path, purpose, repo, repr_digest
from custody.entry import Act, Actor
from custody.receipt import Receipt
from ingest.announce import still_open
from ingest.receive import made_before, receive, sha256_of
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, on_exhibit
from repository.consult import list_exhibits, make_receipt, show_custody, show_exhibit
from repository.errors import BadRequest, IdempotencyKeyReused, RangeNotSatisfiable
from repository.models import Case
from repository.naming import file_name
from repository.purpose import parse
from repository.retrieve import Reading, Span, retrieve
from repository.stated import stated_purpose
from repository.submissions import CLAIMS, Declaration, complete, open_submission

blueprint = Blueprint("exhibits", __name__, url_prefix="/api/v1/exhibits")


@blueprint.get("")
def index() -> Response:
    """List a case's exhibits, a page at a time."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("0")
    found = list_exhibits(repo(), who, _case(), after=int(after), limit=limit + 1)
    more = len(found) > limit
    items = found[:limit]
    cursor = paging.cursor(items[-1].exhibit.serial) if more else None
    return jsonify(items=[one.to_json() for one in items], next=cursor)


@blueprint.post("")
def create() -> Response:
    """Take in one file: the request's body, streamed; 201 and the receipt."""
    who = caller()
    house = repo()
    declared = repr_digest(request.headers.get("Repr-Digest"))
    claims: dict[str, Any] = {name: request.args[name] for name in CLAIMS if request.args.get(name)}
    named = request.args.get("submission")
    actor, case = _into(house, who, named)
    declaration = Declaration(purpose=parse(purpose() or "investigation"), **claims)
    with requested_once(who) as held:
        path = evidence_path()
        submission, _ = open_submission(
            house,
            actor,
            case,
            declaration,
            named=named or (f"SUB-{held.made}" if held else None),
            sources=[path, house.random(16)],
        )
        outcome = made_before(house, submission, path, since=held.at) if held else None
        if outcome is None:
            source = cast("BinaryIO", request.stream)
            size = request.content_length
            outcome = receive(
                house, actor, case, submission, source, path=path, size=size, declared=declared
            )
        elif sha256_of(cast("BinaryIO", request.stream)) != outcome.sha256:
            raise IdempotencyKeyReused(
                "this Idempotency-Key came before with other bytes; draw a new one"
            )
        if not named:
            complete(house, submission)
    if outcome.status == "quarantined":
        return problem(
            "digest-mismatch",
            422,
            "the bytes received do not have the declared digest; they are kept in quarantine",
            quarantine=outcome.quarantine,
            index=outcome.index,
            sha256=outcome.sha256,
            submission=submission.id,
        )
    headers = {"Location": f"/api/v1/exhibits/{outcome.number}", **_digest_headers(outcome.sha256)}
    if outcome.receipt is None:
        _, _, exhibit = on_exhibit(
            house, who, Right.INGEST, str(outcome.number), attempted=Act.SUBMISSION
        )
        text = make_receipt(house, exhibit)
    else:
        text = outcome.receipt.read_text()
    return Response(text, 201, headers, content_type="application/json")


@blueprint.get("/<number>")
def show(number: str) -> Response:
    """Describe an exhibit."""
    described, _ = show_exhibit(repo(), caller(), number)
    return jsonify(described.to_json())


@blueprint.get("/<number>/receipt")
def receipt(number: str) -> Response:
    """Return the receipt, proved in the newest checkpoint."""
    described, _ = show_exhibit(repo(), caller(), number, reason="receipt")
    text = make_receipt(repo(), described.exhibit)
    if request.args.get("format", "json") == "pdf":
        from repository.exports.receipt_pdf import receipt_pdf  # brings a typesetter: on first use

        page = receipt_pdf(Receipt.parse(text.encode()), generated_at=repo().clock())
        return Response(page, content_type="application/pdf")
    return Response(text, content_type="application/json")


@blueprint.get("/<number>/custody")
def custody(number: str) -> Response:
    """Return the entries about an exhibit with their proofs, a page at a time.

    To look is an entry too: what comes after the first page's own is not part of its pages.
    """
    who = caller()
    limit, [after, size] = paging.limit(), paging.after("-1", "")
    _, history = show_custody(
        repo(), who, number, after=int(after), size=int(size) if size else None, limit=limit + 1
    )
    more, history = len(history) > limit, history[:limit]
    size = size or str(repo().ledger.size())
    cursor = paging.cursor(history[-1].entry.index, size) if more else None
    items = [
        {
            "index": one.entry.index,
            "body": one.entry.body.decode(),
            "proof": one.proof,
            "opened": one.opened,
        }
        for one in history
    ]
    return jsonify(exhibit=number, items=items, next=cursor)


@blueprint.get("/<number>/content")
def content(number: str) -> Response:
    """Return the bytes of an exhibit, or of its part N with `?part=N`; or one range of them.

    Each chunk is verified before it is sent.
    """
    who = caller()
    house = repo()
    part = _part(request.args.get("part"))
    if request.method == "HEAD" or request.headers.get("If-None-Match"):
        stated_purpose(house, who, purpose(), Act.CONSULTATION)
        described, _ = show_exhibit(house, who, number, reason="content-headers")
        row, named = described.part(part)
        sha256 = row.digests["sha256"]
        same = request.if_none_match.contains(sha256.replace(":", "-"))
        if same or request.method == "HEAD":
            headers = {**_digest_headers(sha256), **_content_headers(number, named)}
            if not same:
                headers["Content-Length"] = str(row.size)
            return Response(status=304 if same else 200, headers=headers, content_type=OCTETS)
    span = byte_range(request.headers.get("Range"))
    if span is not None and request.headers.get("If-Range"):
        described, _ = show_exhibit(house, who, number, reason="content-headers")
        row, _ = described.part(part)
        if request.headers["If-Range"] != _etag(row.digests["sha256"]):
            span = None
    reading = retrieve(
        house, who, number, purpose=purpose(), authority=authority(), assured=assured(),
        span=span, part=part,
    )  # fmt: skip
    return send(reading, partial=span is not None)


OCTETS = "application/octet-stream"


def _into(house: Repository, who: Caller, named: str | None) -> tuple[Actor, Case]:
    """Return who hands in and to which case: a submission that goes on, or one to be begun."""
    begun = still_open(house, who, named) if named else None
    if begun is None:
        return on_case(house, who, Right.INGEST, _case(), attempted=Act.SUBMISSION)
    actor, case = begun
    if case.code != _case():
        raise BadRequest(f"{named} belongs to another case")
    return actor, case


def send(reading: Reading, *, partial: bool) -> Response:
    """Answer with the bytes of a reading, the first of which are checked before it begins."""
    blocks = iter(reading)
    try:
        # The first chunk is checked before the status line says that all is well.
        first = next(blocks, b"")
    except BaseException:
        reading.close("aborted", "error")
        raise
    headers = {
        **_digest_headers(reading.recorded.digests["sha256"]),
        **_content_headers(reading.exhibit.number, reading.part),
        "Content-Length": str(reading.length),
    }
    if partial:
        last = reading.last
        headers["Content-Range"] = f"bytes {reading.first}-{last}/{reading.recorded.size}"

    def body() -> Iterator[bytes]:
        yield first
        yield from blocks

    answer = Response(body(), 206 if partial else 200, headers, content_type=OCTETS)
    answer.call_on_close(blocks.close)  # type: ignore[attr-defined]  # a generator
    answer.call_on_close(lambda: reading.close("aborted", "connection-closed"))
    return answer


def _content_headers(number: str, part: int | None) -> dict[str, str]:
    name = file_name(number, part)
    return {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }


def _digest_headers(sha256: str) -> dict[str, str]:
    """Return strong ETag and `Repr-Digest` (RFC 9530) of the whole exhibit or part."""
    raw = bytes.fromhex(sha256.removeprefix("sha256:"))
    encoded = base64.b64encode(raw).decode()
    return {"ETag": _etag(sha256), "Repr-Digest": f"sha-256=:{encoded}:"}


def _etag(sha256: str) -> str:
    return f'"{sha256.replace(":", "-")}"'


def _case() -> str:
    code = request.args.get("case")
    if not code:
        raise BadRequest("name the case: ?case=CODE")
    return code


def _part(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise BadRequest("part is a number from 1: ?part=2")
    return int(text)


def byte_range(header: str | None) -> Span | None:
    """Read a `Range` header: one range of bytes; other units are ignored (RFC 9110 §14.2).

    Raises:
        RangeNotSatisfiable: several ranges, or one that is none.
    """
    if header is None or not header.strip().lower().startswith("bytes="):
        return None
    wanted = header.strip()[len("bytes=") :].strip()
    match = re.fullmatch(r"([0-9]{0,18})-([0-9]{0,18})", wanted)
    if match is None or wanted == "-":
        message = "ask for one range: bytes=A-B, bytes=A- or bytes=-N"
        raise RangeNotSatisfiable(message, size=None)
    first, last = (int(text) if text else None for text in match.groups())
    if first is None and last == 0:
        raise RangeNotSatisfiable("the last 0 bytes are no range", size=None)
    return first, last
