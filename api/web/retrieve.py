"""Retrieve an original: for which purpose, what will be recorded, then the verified bytes."""

import json
from hashlib import sha256

from flask import Blueprint, Response, request

from api.exhibits import send
from api.request import repo
from api.web import answers
from api.web.exhibit import restrictions
from api.web.shell import field, fields, page, visitor
from api.web.words import chosen, language
from custody.errors import EvidenceError
from repository.conditions import EXCLUDED_USES
from repository.errors import BadRequest, PurposeRequired, PurposeTooLong
from repository.exports import report_words
from repository.looks import Asking, show_asking
from repository.purpose import CODES, Purpose, parse
from repository.retrieve import retrieve

blueprint = Blueprint("web_retrieve", __name__)
answers.install(blueprint)


@blueprint.get("/exhibits/<number>/retrieve")
def ask(number: str) -> Response:
    """Ask for the purpose."""
    return _page(show_asking(repo(), visitor(), number))


@blueprint.post("/exhibits/<number>/retrieve")
def take(number: str) -> Response:
    """Show what will be recorded; once that was seen, send the verified bytes as a download."""
    who = visitor()
    code, words, authority = field("code"), field("words"), field("authority") or None
    assured = fields("assured")
    stated = f"{code}: {words}" if words else code
    if field("seen") == "" or field("change"):
        found = show_asking(repo(), who, number)
        try:
            if code not in CODES:
                raise PurposeRequired("choose a purpose")
            if any(one not in EXCLUDED_USES for one in assured):
                raise BadRequest("an excluded use is one of those that are listed")
            purpose = parse(stated, authority=authority, assured=assured)
        except (PurposeRequired, PurposeTooLong, BadRequest) as error:
            return _page(found, problem=error)
        return _page(found, purpose=None if field("change") else purpose)
    found = show_asking(repo(), who, number)
    if field("seen") != _digest(found) or (found.recorded and field("agreed") != "yes"):
        purpose = parse(stated, authority=authority, assured=assured)
        unseen = BadRequest("acknowledge the conditions as they are now, then it can go on")
        return _page(found, purpose=purpose, problem=unseen)
    part = field("part")
    if part and not (part.isascii() and part.isdigit() and len(part) <= 6):
        raise BadRequest("a part is a number from 1")
    reading = retrieve(
        repo(), who, number, purpose=stated, authority=authority, assured=assured,
        part=int(part) if part else None,
    )  # fmt: skip
    return send(reading, partial=False)


def _page(
    found: Asking, purpose: Purpose | None = None, problem: EvidenceError | None = None
) -> Response:
    report, speech = report_words.language(chosen(request)), language(chosen(request))
    uses = {use for _, one in found.markings for use in one.excluded_uses}
    return page(
        "web/retrieve.html",
        200 if problem is None else 400,
        asking=found,
        exhibit=found.described.exhibit,
        restrictions=restrictions(found.markings),
        uses=sorted(uses),
        purposes=[("", "–"), *((one, speech.called("purpose", one)) for one in CODES)],
        report=report,
        act=report.types["retrieval"][0],
        purpose=purpose,
        problem=problem,
        seen=_digest(found),
        handling=json.dumps(found.recorded, ensure_ascii=False, sort_keys=True),
        typed={name: request.form.get(name, "") for name in ("code", "words", "authority", "part")},
        assured=request.form.getlist("assured"),
    )


def _digest(found: Asking) -> str:
    """Return what stands for the conditions that somebody saw; another one: they changed since."""
    return sha256(json.dumps(found.recorded, sort_keys=True).encode()).hexdigest()
