"""What containers hold, and chosen members of them as exhibits of their own, over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, jsonify

from api import paging
from api.errors import SandboxBusy
from api.request import caller, json_body, purpose, repo
from api.schema import Derivation
from ingest.members import list_members, take_out
from ingest.sandbox import Sandbox

blueprint = Blueprint("members", __name__, url_prefix="/api/v1/exhibits")

WAIT_SECONDS = 20
# A sandbox brings all parsers along: one at a time in a process that serves many.
_TURN = threading.Lock()


@contextmanager
def one_sandbox() -> Iterator[Sandbox]:
    """Yield a sandbox, once it is this request's turn.

    Raises:
        SandboxBusy: it was not within `WAIT_SECONDS`.
    """
    if not _TURN.acquire(timeout=WAIT_SECONDS):
        raise SandboxBusy("members of another container are being taken out; ask again")
    try:
        with Sandbox(clock=repo().clock) as sandbox:
            yield sandbox
    finally:
        _TURN.release()


@blueprint.get("/<number>/members")
def index(number: str) -> Response:
    """List what a container holds, a page at a time, with the exhibits made of it."""
    who = caller()
    return jsonify(paging.part_of(list_members(repo(), who, number)))


@blueprint.post("/<number>/members")
def create(number: str) -> Response:
    """Make members exhibits of their own; each has an end of its own in the answer."""
    who = caller()
    asked = json_body(Derivation)
    with one_sandbox() as sandbox:
        found = take_out(
            repo(), sandbox, who, number, asked.members, purpose=purpose(),
            odd_names=asked.odd_names,
        )  # fmt: skip
    return jsonify(exhibit=number, items=[one.to_json() for one in found])
