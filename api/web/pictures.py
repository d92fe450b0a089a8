"""Pictures of evidence: at addresses that a page gave to one session, for some minutes.

An address holds which derivative, the entry that lists it, its digest and until when, signed
together with whose session it is. So no picture leaves that no committed entry lists, and an
address that was copied or came late is none.
"""

import base64
import binascii
import hmac
from datetime import timedelta
from hashlib import sha256

from flask import Blueprint, Response

from api.request import repo
from api.web import answers
from api.web.shell import visitor
from custody.entry import Act
from repository.authorise import Caller, refuse
from repository.errors import AccessDenied
from repository.looks import Picture, picture_bytes

blueprint = Blueprint("web_pictures", __name__)
answers.install(blueprint)
MINUTES = 10
_SIGNED = 16  # bytes of the signature


def address(who: Caller, picture: Picture) -> str:
    """Return where this person's session finds a picture."""
    until = int((repo().clock() + timedelta(minutes=MINUTES)).timestamp())
    said = "\n".join(
        [
            picture.exhibit_id, picture.number, str(picture.run), str(picture.n), picture.kind,
            picture.digest, str(picture.entry), str(until),
        ]
    ).encode()  # fmt: skip
    token = base64.urlsafe_b64encode(_sign(who, said) + said).decode().rstrip("=")
    return f"/shown/{token}"


@blueprint.get("/shown/<token>")
def shown(token: str) -> Response:
    """Return the bytes of a picture that a page of this session lists; adds no entry."""
    who = visitor()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    signed, said = raw[:_SIGNED], raw[_SIGNED:]
    if not hmac.compare_digest(signed, _sign(who, said)):
        error = AccessDenied("this address of a picture was not given to this session")
        refuse(repo(), who, Act.CONSULTATION, ["picture-foreign"], error)
    id_, number, run, n, kind, digest, entry, until = said.decode().split("\n")
    if int(until) <= repo().clock().timestamp():
        error = AccessDenied("this picture was shown some time ago; load its page again")
        refuse(repo(), who, Act.CONSULTATION, ["picture-expired"], error)
    picture = Picture(id_, number, int(run), int(n), kind, digest, entry=int(entry))
    mime, data = picture_bytes(repo(), who, picture)
    return Response(
        data, content_type=mime, headers={"Content-Security-Policy": "sandbox; default-src 'none'"}
    )


def _sign(who: Caller, said: bytes) -> bytes:
    whose = who.session or who.token or who.person.id
    message = b"shown\0" + f"{who.person.id}\0{whose}\0".encode() + said
    return hmac.digest(repo().wrapping_key, message, sha256)[:_SIGNED]
