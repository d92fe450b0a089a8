"""The ledger over HTTP as C2SP tlog-tiles: checkpoint, hash tiles and proofs are public.

They hold no data of any entry. Entry bundles do: they need authority, and reading them is recorded.
"""

from flask import Blueprint, Response

from api.request import caller, repo
from custody.entry import Act, Draft
from custody.static_log import ENTRIES, TileName, read_tile
from repository.access import Right
from repository.authorise import on_house
from repository.errors import BadRequest

blueprint = Blueprint("ledger", __name__, url_prefix="/api/v1/ledger")
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """Return the newest checkpoint (C2SP tlog-checkpoint).

    Where witnesses are configured it is the newest published one, with their lines: clients of
    the log ask for these.
    """
    signed = repo().ledger.checkpoint()
    note = signed.note if signed else ""
    if repo().settings.witness_policy_file:
        note = repo().ledger.published_note() or note
    return Response(note, content_type=TEXT)


@blueprint.get("/tile/<path:name>")
def tile(name: str) -> Response:
    """Return a hash tile, or with authority an entry bundle (C2SP tlog-tiles)."""
    found = TileName.parse(name)
    ledger = repo().ledger
    if found.level == ENTRIES:
        actor = on_house(repo(), caller(), Right.AUDIT, attempted=Act.CONSULTATION)
        ledger.record(Draft(Act.CONSULTATION, actor, reason="ledger-tiles"))
    with ledger.database.reading() as session:
        data = read_tile(session, ledger.size(), found)
    answer = Response(data, content_type=BYTES)
    if found.level != ENTRIES:
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer


@blueprint.get("/proof/<index>")
def proof(index: str) -> Response:
    """Return an inclusion proof in the newest checkpoint (C2SP tlog-proof)."""
    if not (index.isascii() and index.isdigit() and len(index) < 16):
        raise BadRequest("an index is a decimal number")
    text = str(repo().ledger.proof(int(index)))
    return Response(text, content_type=TEXT)
