"""Checkpoints and proofs, public: they hold no data of any entry."""

from flask import Blueprint, Response

from api.request import repo
from repository.errors import BadRequest

blueprint = Blueprint("ledger", __name__, url_prefix="/api/v1/ledger")


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """Return the newest checkpoint as a signed note (C2SP tlog-checkpoint)."""
    signed = repo().ledger.checkpoint()
    return Response(signed.note if signed else "", content_type="text/plain; charset=utf-8")


@blueprint.get("/proof/<index>")
def proof(index: str) -> Response:
    """Return an inclusion proof in the newest checkpoint (C2SP tlog-proof)."""
    if not (index.isascii() and index.isdigit() and len(index) < 16):
        raise BadRequest("an index is a decimal number")
    text = str(repo().ledger.proof(int(index)))
    return Response(text, content_type="text/plain; charset=utf-8")
