"""What every view needs: the open repository, the caller, the stated purpose, the JSON body."""

import base64
import binascii
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from flask import current_app, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from api import strict_json
from api.sign_in import caller_of
from repository import Repository
from repository.authorise import Caller
from repository.conditions import EXCLUDED_USES
from repository.errors import BadRequest
from repository.naming import shown

MAX_JSON = 1 << 20
M = TypeVar("M", bound=BaseModel)


def repo() -> Repository:
    """Return the repository that this application serves."""
    found: Repository = current_app.extensions["evidence"]
    return found


def caller() -> Caller:
    """Return who asks.

    Raises:
        SignInRefused: no token or session, or one that is not valid; recorded.
    """
    found = caller_of(repo(), request)
    acknowledged = request.headers.get("Evidence-Acknowledged")
    return replace(found, acknowledged=acknowledged) if acknowledged else found


def purpose() -> str | None:
    """Return the purpose as stated in `Evidence-Purpose`: UTF-8, percent-encoded.

    Raises:
        BadRequest: not UTF-8.
    """
    return _header("Evidence-Purpose")


def authority() -> str | None:
    """Return the authority an access rests on, from `Evidence-Authority`: as `purpose`.

    Raises:
        BadRequest: not UTF-8.
    """
    return _header("Evidence-Authority")


def motive() -> str:
    """Return the motive of a request whose body is no JSON, from `Evidence-Motive`: as `purpose`.

    Raises:
        BadRequest: not UTF-8.
    """
    return _header("Evidence-Motive") or ""


def assured() -> tuple[str, ...]:
    """Return the excluded uses that are ruled out in writing, from `Evidence-Assured`.

    Raises:
        BadRequest: it names something else.
    """
    words = request.headers.get("Evidence-Assured", "")
    found = tuple(word.strip() for word in words.split(",") if word.strip())
    for one in found:
        if one not in EXCLUDED_USES:
            raise BadRequest(
                f"Evidence-Assured: {shown(one)} is none of {', '.join(EXCLUDED_USES)}"
            )
    return found


def evidence_path() -> bytes:
    """Return the original path of an upload from `Evidence-Path`, percent-encoded; any bytes."""
    return unquote_to_bytes(request.headers.get("Evidence-Path", "")) or b"upload"


def json_body(model: type[M]) -> M:
    """Return the JSON body as a model.

    Raises:
        UnsupportedMediaType: it says that it is something else.
        MalformedJson: it is not JSON as this service reads it.
        BadRequest: too long, or not of the form that is asked for.
    """
    if request.mimetype not in ("", "application/json"):
        raise UnsupportedMediaType("send JSON: Content-Type: application/json")
    data = request.stream.read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise BadRequest(f"a JSON body has at most {MAX_JSON} bytes")
    found: Any = strict_json.read(data)
    if any("\0" in text for text in strict_json.texts(found)):
        raise BadRequest("a text cannot hold U+0000")
    try:
        return model.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadRequest(f"{where}: {first['msg']}") from error


def repr_digest(header: str | None) -> dict[str, str]:
    """Read the digests a client declares in `Repr-Digest` (RFC 9530); unknown ones are ignored.

    Raises:
        BadRequest: a digest that is not of its algorithm's length.
    """
    found: dict[str, str] = {}
    for item in (header or "").split(","):
        name, _, value = item.strip().partition("=")
        algorithm, length = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}.get(
            name.lower(), ("", 0)
        )
        if not algorithm:
            continue
        try:
            raw = base64.b64decode(value.strip(":"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest("Repr-Digest is sha-256=:base64:") from error
        if len(raw) != length or not (value.startswith(":") and value.endswith(":")):
            raise BadRequest(f"Repr-Digest: {name} has {length} bytes in base64 between colons")
        found[algorithm] = f"{algorithm}:{raw.hex()}"
    return found


def _header(name: str) -> str | None:
    value = request.headers.get(name)
    if value is None:
        return None
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name} is percent-encoded UTF-8") from error
