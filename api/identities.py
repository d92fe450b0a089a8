"""The vault of identities over HTTP: put in, list codenames, reveal to whoever was permitted it."""

from flask import Blueprint, Response, jsonify

from api.request import caller, json_body, repo
from api.rules_schema import NewIdentity, NewMotive
from custody.entry import timestamp
from repository import identities
from repository.identities import Person
from repository.rules import Identity

blueprint = Blueprint("identities", __name__, url_prefix="/api/v1")


@blueprint.get("/cases/<code>/identities")
def index(code: str) -> Response:
    """List the codenames of a case."""
    found = identities.listed(repo(), caller(), code)
    return jsonify(items=[_view(code, row) for row in found])


@blueprint.post("/cases/<code>/identities")
def add(code: str) -> tuple[Response, int]:
    """Put an identity into the vault; the answer has its codename and nothing of what was sent.

    It takes no `Idempotency-Key`: what is kept of a request for that is a digest of all it says,
    and a name can be guessed from its digest.
    """
    who = caller()
    asked = json_body(NewIdentity)
    person = Person(asked.name, asked.contact, asked.note)
    return jsonify(_view(code, identities.add(repo(), who, code, asked.kind, person))), 201


@blueprint.post("/identities/<codename>/reveal")
def reveal(codename: str) -> Response:
    """Say who stands behind a codename, to whoever was permitted it by two persons."""
    who = caller()
    asked = json_body(NewMotive)
    found = identities.reveal(repo(), who, codename, motive=asked.motive)
    return jsonify(
        codename=codename,
        name=found["name"],
        contact=found.get("contact"),
        note=found.get("note"),
    )


def _view(code: str, row: Identity) -> dict[str, object]:
    return {
        "codename": row.codename,
        "case": code,
        "kind": row.kind,
        "made_at": timestamp(row.made_at),
        "erased_at": timestamp(row.erased_at) if row.erased_at else None,
        "entry": row.index,
    }
