"""`Idempotency-Key`: a POST that comes twice has one effect (an IETF draft of that name)."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from flask import request

from api.request import repo
from custody.errors import LedgerUnavailable
from repository import once
from repository.authorise import Caller
from repository.errors import BadRequest

_KEY = re.compile(r'"?([!#-~]{1,255})"?')
_SAID = ("Evidence-Path", "Evidence-Purpose", "Repr-Digest", "Content-Length")


@contextmanager
def requested_once(who: Caller, body: str = "") -> Iterator[once.Claim | None]:
    """Hold the request's key while the block deals with it; None where it has no key.

    Args:
        who: has signed in, and may do what is asked: an earlier answer is theirs to see.
        body: what the request's body says; of a streamed one the view compares it.

    Raises:
        BadRequest: the key is malformed.
        IdempotencyKeyReused, IdempotencyKeyInUse: see `repository.once`.
    """
    given = request.headers.get("Idempotency-Key")
    if given is None:
        yield None
        return
    match = _KEY.fullmatch(given.strip())
    if match is None:
        raise BadRequest("an Idempotency-Key has 1 to 255 printable ASCII characters")
    said = [
        request.method, request.path, sorted(request.args.items(multi=True)),
        [request.headers.get(name) for name in _SAID], body,
    ]  # fmt: skip
    fingerprint = sha256(json.dumps(said).encode()).hexdigest()
    held = once.claim(repo(), who.person.id, match[1], fingerprint)
    try:
        yield held
    finally:
        # Where the database is gone its lease ends by itself.
        with suppress(LedgerUnavailable):
            once.settle(repo(), held)
