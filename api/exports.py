"""Exports over HTTP: ask for one, see how far it is, fetch the bundle; and what came back of it."""

from collections.abc import Iterator
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.exhibits import byte_range
from api.exports_schema import (
    AGE,
    TAR,
    ZIP,
    NewAcknowledgement,
    NewBundleReceipt,
    NewCertificate,
    NewExport,
)
from api.once import requested_once
from api.request import assured, authority, caller, json_body, purpose, repo
from custody.canonical import dumps
from repository import bundle_receipts
from repository.authorise import Caller
from repository.errors import BadRequest
from repository.exports import bundles
from repository.exports.certificates import certify_export
from repository.exports.handing import HandingOut, hand_out

_DIGITS = 10

blueprint = Blueprint("exports", __name__, url_prefix="/api/v1")


@blueprint.post("/cases/<code>/exports")
def ask(code: str) -> tuple[Response, int, dict[str, str]]:
    """Ask for an export: 202, and where to see how far it is."""
    who = caller()
    asked = json_body(NewExport)
    rests = authority(), assured()
    with requested_once(who, f"{asked.model_dump_json()} {rests}") as held:
        row = bundles.ask(
            repo(), who, code, numbers=asked.exhibits or (), purpose=purpose(), authority=rests[0],
            assured=rests[1], recipient=asked.recipient, annotations=asked.annotations,
            twins=asked.twins, language=asked.language,
            stamped=asked.stamped, reveal=asked.reveal, withhold=asked.withhold,
            redaction_of=asked.redaction_of, volume_size=asked.volume_size,
            by_reference=asked.by_reference, encrypt_to=asked.encrypt_to,
            drawn=held.made if held else None,
        )  # fmt: skip
    return jsonify(bundles.view(row, code)), 202, {"Location": f"/api/v1/exports/{row.id}"}


@blueprint.get("/exports/<export_id>")
def show(export_id: str) -> Response:
    """Say how far an export is."""
    return jsonify(bundles.show(repo(), caller(), export_id))


@blueprint.get("/exports/<export_id>/bundle")
def bundle(export_id: str) -> Response:
    """Return the bundle, or one range of it; each chunk is compared before it is sent."""
    return download(caller(), export_id)


def download(who: Caller, export_id: str) -> Response:
    """Return a bundle, or the range of it that the request asks for, to somebody."""
    house = repo()
    span = byte_range(request.headers.get("Range"))
    volume = _volume(request.args.get("volume"))
    if request.method == "HEAD" or {"If-None-Match", "If-Range"} & {*request.headers.keys()}:
        looked = hand_out(house, who, export_id, None, volume=volume, look=True)
        headers = _headers(looked)
        if not looked.keys and request.if_none_match.contains(_tag(looked)):
            return Response(status=304, headers=headers, content_type=TAR)
        if request.method == "HEAD":
            if not looked.keys:
                headers["Content-Length"] = str(looked.length)
            return Response(headers=headers, content_type=AGE if looked.keys else TAR)
        if request.headers.get("If-Range") not in (None, headers.get("ETag")):
            span = None
    found = hand_out(house, who, export_id, span, volume=volume)
    return _send(found, partial=span is not None and not found.keys)


@blueprint.get("/cases/<code>/bundles")
def finished(code: str) -> Response:
    """List the finished bundles of a case, and whether the other side's receipt came."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("-1")
    waiting = request.args.get("waiting") == "true"
    found = bundle_receipts.of_case(
        repo(), who, code, waiting=waiting, after=int(after), limit=limit + 1
    )
    more, found = len(found) > limit, found[:limit]
    cursor = paging.cursor(str(found[-1].row.index)) if more else None
    return jsonify(items=[one.to_json() for one in found], next=cursor)


@blueprint.post("/bundles/receipts")
def receipt() -> Response:
    """Take in the signed receipt of whoever got a bundle."""
    who = caller()
    asked = json_body(NewBundleReceipt)
    found = bundle_receipts.take(repo(), who, dumps(asked.receipt), fingerprint=asked.fingerprint)
    return jsonify(found.to_json())


@blueprint.post("/bundles/<report>/acknowledgement")
def acknowledgement(report: str) -> Response:
    """Say that one got a bundle, as somebody with an account here."""
    who = caller()
    asked = json_body(NewAcknowledgement)
    found = bundle_receipts.acknowledge(repo(), who, report, manifest=asked.manifest)
    return jsonify(found.to_json())


@blueprint.post("/exports/<export_id>/certificates")
def certificate(export_id: str) -> Response:
    """Fill in a custodian's statement about an export: to edit and as PDF, in one archive."""
    who = caller()
    asked = json_body(NewCertificate)
    made = certify_export(repo(), who, export_id, kind=asked.kind, purpose=purpose())
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr(f"{asked.kind}.docx", made.word)
        archive.writestr(f"{asked.kind}.pdf", made.signed.pdf)
    headers = {
        "Content-Disposition": f'attachment; filename="{asked.kind}.zip"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(packed.getvalue(), 201, headers, content_type=ZIP)


def _send(found: HandingOut, *, partial: bool) -> Response:
    blocks = iter(found)
    first = next(blocks, b"")  # compared before the status line says that all is well
    headers = _headers(found)
    if not found.keys:
        headers["Content-Length"] = str(found.length)
    if partial:
        headers["Content-Range"] = f"bytes {found.first}-{found.last}/{found.size}"

    def body() -> Iterator[bytes]:
        yield first
        yield from blocks

    answer = Response(
        body(), 206 if partial else 200, headers, content_type=AGE if found.keys else TAR
    )
    answer.call_on_close(blocks.close)  # type: ignore[attr-defined]  # a generator
    answer.call_on_close(lambda: found.close("aborted", "connection-closed"))
    return answer


def _volume(said: str | None) -> int | None:
    if said is not None and not (said.isascii() and said.isdecimal() and len(said) < _DIGITS):
        raise BadRequest("volume is a number from 1")
    return None if said is None else int(said)


def _tag(found: HandingOut) -> str:
    return f"{found.row.id}-{found.row.manifest}-{found.volume}".replace(":", "-")


def _headers(found: HandingOut) -> dict[str, str]:
    name = f"{found.row.id}-{found.volume}.tar" if found.volume else f"{found.row.id}.tar"
    name += ".age" if found.keys else ""
    headers = {
        "Accept-Ranges": "none" if found.keys else "bytes",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return headers if found.keys else {**headers, "ETag": f'"{_tag(found)}"'}
