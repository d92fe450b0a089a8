"""Resumable uploads over HTTP: tus 1.0.0, with digests after RFC 9530.

One resource per upload; every request may reach another process. Responses to requests that name
tus carry its headers; whoever asks plainly gets the state as JSON.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, cast

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import MethodNotAllowed

from api import paging
from api.body import Arriving
from api.errors import WrongVersion
from api.problems import problem
from api.request import caller, purpose, repo, repr_digest
from custody.entry import Act, timestamp
from ingest import uploads
from ingest.errors import BadUpload, UploadTooLarge
from ingest.pending import pending
from ingest.uploads import Checksum, Said
from ingest.writer import look
from repository.access import Right
from repository.authorise import Caller, on_case, on_own_submission, on_submission
from repository.errors import BadRequest
from repository.models import Case, Submission, Upload
from repository.naming import recorded_name
from repository.purpose import parse
from repository.submissions import CLAIMS, Declaration, open_submission

blueprint = Blueprint("uploads", __name__, url_prefix="/api/v1/uploads")

VERSION = "1.0.0"
EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum,"
    "concatenation"
)
CHECKSUMS = ("sha1", "sha256", "sha512")
OCTETS = "application/offset+octet-stream"
MAX_METADATA = 64 << 10
_KEY = re.compile(r"[!-+\--~]+")  # printable, without space and comma
_LENGTH = re.compile(r"[0-9]{1,18}")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@blueprint.after_request
def headers(response: Response) -> Response:
    """Say what is spoken, on every answer."""
    response.headers["Tus-Resumable"] = VERSION
    if response.status_code == 412:
        response.headers["Tus-Version"] = VERSION
    return response


@blueprint.route("", methods=["OPTIONS"])
@blueprint.route("/<upload_id>", methods=["OPTIONS"])
def options(upload_id: str | None = None) -> Response:
    """Say what this server can do."""
    del upload_id
    return Response(
        status=204,
        headers={
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
            "Tus-Max-Size": str(repo().settings.upload_max_bytes),
        },
    )


@blueprint.post("")
def create() -> Response:
    """Begin an upload, with its first bytes where the request brings some."""
    who = _asker()
    house = repo()
    metadata = _metadata(request.headers.get("Upload-Metadata", ""))
    concat = request.headers.get("Upload-Concat", "")
    digests = repr_digest(request.headers.get("Repr-Digest"))
    if concat.startswith("final;"):
        upload = _join(who, concat, metadata, digests)
        return _answer(upload, 201)
    if concat not in ("", "partial"):
        raise BadUpload("Upload-Concat is partial, or final; and the uploads to join")
    length = _upload_length(needed=True)
    if concat == "partial":
        own = _own_id(metadata)
        said = Said("partial", b"partial", length, digests, told=_told(), id=own)
        upload = uploads.begin(house, uploads.partial_actor(house, who), None, None, said)
    else:
        actor, case, submission, said = _said(who, metadata, digests, length)
        upload = uploads.begin(house, actor, case, submission, said)
    if request.headers.get("Content-Type") == OCTETS:
        upload = _append(upload, 0)
    elif (request.content_length or 0) > 0:
        raise BadUpload(f"the first bytes of an upload come as {OCTETS}")
    return _answer(upload, 201)


@blueprint.get("")
def index() -> Response:
    """List what the caller announced in a case and what has not arrived, a page at a time."""
    code = request.args.get("case")
    who = caller()
    if not code:
        raise BadRequest("name the case: ?case=CODE")
    limit, place = paging.limit(), paging.after()
    after = (datetime.fromisoformat(place[0]), place[1], int(place[2])) if place else None
    found = pending(repo(), who, code, after=after, limit=limit + 1)
    items = found[:limit]
    cursor = None
    if len(found) > limit:
        at, name, n = items[-1].place
        cursor = paging.cursor(at.isoformat(), name, n)
    return jsonify(items=[one.to_json() for one in items], next=cursor)


@blueprint.route("/<upload_id>", methods=["HEAD"])
def offset(upload_id: str) -> Response:
    """Tell the durable offset, after ending whatever request still hangs on the upload."""
    house = repo()
    uploads.find(house, _asker(), upload_id)
    return _answer(look(house, upload_id), 200)


@blueprint.get("/<upload_id>")
def show(upload_id: str) -> Response:
    """Tell how far an upload is and what became of its files."""
    house = repo()
    who = caller()
    upload = uploads.find(house, who, upload_id)
    if upload.submission_id is not None:  # a token that only adds reads nothing back
        on_submission(house, who, Right.CONSULT, upload.submission_id, attempted=Act.CONSULTATION)
    return jsonify(
        upload=upload.id,
        state=upload.state,
        reason=upload.reason,
        offset=upload.offset,
        length=upload.length,
        expires_at=timestamp(uploads.expires_at(house, upload)),
        submission=upload.submission_id,
        path=recorded_name(upload.path),
        results=upload.results or [],
    )


@blueprint.patch("/<upload_id>")
def append(upload_id: str) -> Response:
    """Add bytes at the durable offset."""
    house = repo()
    upload = uploads.find(house, _asker(), upload_id)
    if request.headers.get("Content-Type") != OCTETS:
        return problem("unsupported-media-type", 415, f"bytes of an upload come as {OCTETS}")
    if upload.kind == "final":
        return problem("final-upload", 403, "a final upload consists of others and takes no bytes")
    told = request.headers.get("Upload-Offset", "")
    if not _LENGTH.fullmatch(told):
        raise BadUpload("Upload-Offset is the number of the next byte")
    return _answer(_append(upload, int(told)), 204)


@blueprint.post("/<upload_id>")
def overridden(upload_id: str) -> Response:
    """Take another method for the request's, for clients that may send GET and POST alone."""
    views = {"HEAD": offset, "PATCH": append, "DELETE": terminate}
    view = views.get(request.headers.get("X-HTTP-Method-Override", ""))
    if view is None:
        caller()  # nothing is told to whoever shows no token
        raise MethodNotAllowed(["GET", *views])
    return view(upload_id)


@blueprint.post("/<upload_id>/seal")
def seal(upload_id: str) -> Response:
    """Declare the digest of the whole at the end; the upload is compared with it and finished."""
    house = repo()
    uploads.find(house, caller(), upload_id)
    digests = repr_digest(request.headers.get("Repr-Digest"))
    if not digests:
        raise BadUpload("name the digest of the whole: Repr-Digest: sha-256=:base64:")
    return _answer(uploads.seal(house, upload_id, digests), 204)


@blueprint.delete("/<upload_id>")
def terminate(upload_id: str) -> Response:
    """Give an upload up; what was registered of it stays."""
    house = repo()
    who = _asker()
    upload = uploads.find(house, who, upload_id)
    actor = who.actor(upload.actor["role"])
    uploads.end(house, actor, upload_id, "terminated")
    return Response(status=204)


def _asker() -> Caller:
    """Return who asks, in the one version of the protocol.

    Raises:
        SignInRefused: no token, or one that is not valid; recorded.
        WrongVersion: another version, or none.
    """
    who = caller()
    if request.headers.get("Tus-Resumable") != VERSION:
        raise WrongVersion(f"this server speaks tus {VERSION}: send Tus-Resumable: {VERSION}")
    return who


def _append(upload: Upload, at: int) -> Upload:
    length = _upload_length(needed=False)
    coming = request.content_length or 0
    environ = request.environ
    known = length if upload.length is None else upload.length
    if known is not None and at == upload.offset <= known < at + coming:
        raise UploadTooLarge(f"{coming} bytes from byte {at} on are more than are left")
    return uploads.append(
        repo(),
        upload.id,
        at,
        lambda give_way: Arriving(environ, give_way),
        length=length,
        checksum=_checksum(request.headers.get("Upload-Checksum")),
        digests=repr_digest(request.headers.get("Repr-Digest")),
    )


def _answer(upload: Upload, status: int) -> Response:
    """Return what the protocol says of an upload, or the problem its bytes turned out to have."""
    found = {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": format_datetime(uploads.expires_at(repo(), upload), usegmt=True),
        "Cache-Control": "no-store",
    }
    if upload.length is None:
        found["Upload-Defer-Length"] = "1"
    else:
        found["Upload-Length"] = str(upload.length)
    if status == 201:
        found["Location"] = f"/api/v1/uploads/{upload.id}"
    if upload.told:
        found["Upload-Metadata"] = upload.told
    if upload.kind == "partial":
        found["Upload-Concat"] = "partial"
    elif upload.kind == "final":
        parts = " ".join(f"/api/v1/uploads/{name}" for name in upload.partials or ())
        found["Upload-Concat"] = f"final;{parts}"
    if upload.state == "ended":
        return problem("upload-ended", 410, f"this upload has ended: {upload.reason}", found)
    if upload.state == "done" and upload.first is None:
        [result] = cast("list[dict[str, Any]]", upload.results)
        if result["status"] == "quarantined" and request.method != "HEAD":
            return problem(
                "digest-mismatch",
                422,
                "the bytes received do not have the declared digest; they are kept in quarantine",
                found,
                quarantine=result["quarantine"],
                index=result["entry"],
                sha256=result["sha256"],
                submission=upload.submission_id,
            )
        if result["exhibit"]:
            found["Evidence-Exhibit"] = result["exhibit"]
        raw = bytes.fromhex(result["sha256"].removeprefix("sha256:"))
        found["Evidence-Entry"] = str(result["entry"])
        found["Repr-Digest"] = f"sha-256=:{base64.b64encode(raw).decode()}:"
    return Response(status=status, headers=found)


def _said(
    who: Caller, metadata: Mapping[str, bytes], digests: Mapping[str, str], length: int | None
) -> tuple[Any, Case, Submission, Said]:
    """Return what a new upload is to be, after asking whether the caller may."""
    house = repo()
    text = {name: _text(name, metadata[name]) for name in _TEXTS if name in metadata}
    path = next(
        (metadata[name] for name in ("path", "filename", "name") if metadata.get(name)), b""
    )
    files, kind = _files(text)
    named = text.get("submission")
    if named:
        if told := [name for name in CLAIMS if name in text]:
            raise BadUpload(
                "what is declared of a submission's files stands in the submission or in its "
                f"list, and would be lost here; leave out {', '.join(told)}"
            )
        actor, case, submission = on_own_submission(house, who, named)
    elif files is not None:
        raise BadUpload("files of a list belong to a submission; name it")
    elif not text.get("case"):
        raise BadUpload("name the case or the submission in Upload-Metadata")
    else:
        claims = {name: text[name] for name in CLAIMS if name in text}
        declaration = Declaration(
            purpose=parse(text.get("purpose") or purpose() or "investigation"), **claims
        )
        actor, case = on_case(house, who, Right.INGEST, text["case"], attempted=Act.SUBMISSION)
        submission, _ = open_submission(
            house, actor, case, declaration, sources=[path, house.random(16)]
        )
    said = Said(
        kind,
        path or b"upload",
        length,
        digests,
        files,
        sealed=text.get("seal") != "later",
        alone=not named,
        told=_told(),
        id=_own_id(metadata),
    )
    return actor, case, submission, said


_TEXTS = ("case", "submission", "file", "files", "seal", "purpose", *CLAIMS)


def _own_id(metadata: Mapping[str, bytes]) -> str | None:
    """Return the id that the client drew for its upload, if it did."""
    if "upload" not in metadata:
        return None
    found = _text("upload", metadata["upload"])
    if not _ID.fullmatch(found):
        raise BadUpload("upload in Upload-Metadata is a UUID, in lower case")
    return found


def _join(
    who: Caller, concat: str, metadata: Mapping[str, bytes], digests: Mapping[str, str]
) -> Upload:
    if request.headers.get("Upload-Length") is not None:
        raise BadUpload("a final upload is as long as its parts; leave Upload-Length out")
    house = repo()
    names = concat.removeprefix("final;").split()
    partials = [uploads.find(house, who, name.rstrip("/").rpartition("/")[2]) for name in names]
    actor, case, submission, said = _said(who, metadata, digests, None)
    return uploads.join(house, actor, case, submission, said, partials)


def _files(text: Mapping[str, str]) -> tuple[tuple[int, int] | None, str]:
    """Return which files of the list an upload brings, and of which kind it is."""
    if "file" in text:
        if not re.fullmatch(r"[1-9][0-9]{0,8}", text["file"]):
            raise BadUpload("file is the number of a file in the submission's list")
        return (int(text["file"]), int(text["file"])), "whole"
    if "files" in text:
        match = re.fullmatch(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})", text["files"])
        if match is None or int(match[1]) > int(match[2]):
            raise BadUpload("files are two numbers of the submission's list, FIRST-LAST")
        return (int(match[1]), int(match[2])), "pack"
    return None, "whole"


def _upload_length(*, needed: bool) -> int | None:
    """Return the length the request tells; None where it is told later.

    Args:
        needed: the request has to tell it, or that it comes later.

    Raises:
        BadUpload: none, both, or no number.
    """
    told = request.headers.get("Upload-Length")
    later = request.headers.get("Upload-Defer-Length")
    if told is not None and later is not None:
        raise BadUpload("Upload-Length or Upload-Defer-Length, not both")
    if told is not None:
        if not _LENGTH.fullmatch(told):
            raise BadUpload("Upload-Length is a number of bytes")
        return int(told)
    if needed and later != "1":
        raise BadUpload("tell Upload-Length, or Upload-Defer-Length: 1")
    return None


def _checksum(header: str | None) -> Checksum | None:
    if header is None:
        return None
    name, _, value = header.partition(" ")
    if name not in CHECKSUMS:
        raise BadUpload(f"Upload-Checksum names one of {', '.join(CHECKSUMS)}")
    try:
        return Checksum(name, base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadUpload("Upload-Checksum is an algorithm and a digest in base64") from error


def _told() -> str | None:
    """Return the metadata as the client wrote them: whoever asks for the offset is told them."""
    return request.headers.get("Upload-Metadata") or None


def _metadata(header: str) -> dict[str, bytes]:
    """Read `Upload-Metadata`: names and values in base64, separated by commas.

    Raises:
        BadUpload: a name twice, a value that is no base64, or more than 64 KiB.
    """
    if len(header) > MAX_METADATA:
        raise BadUpload(f"Upload-Metadata has at most {MAX_METADATA} bytes")
    found: dict[str, bytes] = {}
    for pair in header.split(",") if header.strip() else ():
        name, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(name) or name in found:
            raise BadUpload("a name in Upload-Metadata is missing, malformed or given twice")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadUpload(f"{name} in Upload-Metadata is not base64") from error
    return found


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name} in Upload-Metadata is UTF-8 in base64") from error
