"""ETags: what a client has already is not sent again; what it saw otherwise is not changed.

A tag is the digest of the answer. To look is an entry also where the answer is 304.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from flask import Flask, Response, jsonify, request
from sqlalchemy.orm import Session

from api.errors import PreconditionFailed

_CHANGED = "it is not any more as you saw it; look again, then decide"


def install(app: Flask) -> None:
    """Have the application tag its JSON answers to GET and answer 304 where it may."""

    def after(response: Response) -> Response:
        wanted = request.method in ("GET", "HEAD") and response.status_code == 200
        if not (wanted and response.mimetype == "application/json" and response.is_sequence):
            return response
        response.set_etag(_tag(response.get_data()))
        response.make_conditional(request.environ)
        return response

    app.after_request(after)


def unchanged_since(
    show: Callable[[Session | None], dict[str, Any]],
) -> Callable[[Session], None] | None:
    """Refuse a change where `If-Match` names another state than `show` tells; None without one.

    Returns:
        How to compare once more, within the transaction that makes the change, under its lock.

    Raises:
        PreconditionFailed: it is another state, now or then.
    """
    if not request.if_match:
        return None
    seen = show(None)
    if not request.if_match.contains(_tag(jsonify(seen).get_data())):
        raise PreconditionFailed(_CHANGED)

    def unchanged(session: Session) -> None:
        # Uploads that were begun and brought nothing end with the change itself.
        if {**show(session), "open": 0} != {**seen, "open": 0}:
            raise PreconditionFailed(_CHANGED)

    return unchanged


def _tag(data: bytes) -> str:
    return sha256(data).hexdigest()[:32]
