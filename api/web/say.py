"""The page for people who report without a name: it works without scripts and keeps no address.

Nothing here is logged or counted one by one, no cookie is set, no title or file name says what the
page is, and the code-name travels in the body of requests alone. See docs/decisions/0051.
"""

import re
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from api import logs, problems
from api.body import Arriving
from api.request import json_body, repo
from api.web import words
from api.web.say_schema import NewLetter
from api.web.shell import POLICY, field, fields
from api.web.streamed import Form
from custody.errors import EvidenceError
from ingest import letters
from repository.codewords import LANGUAGES
from repository.conditions import RECIPIENTS
from repository.errors import BadRequest, UnknownMailbox
from repository.mailbox_rows import Letter, Mailbox
from repository.mailboxes import HEARD, find_mailbox, letters_of, narrow, open_mailbox

blueprint = Blueprint("web_say", __name__, url_prefix="/say")
WORDS = "{number:03d}.txt"  # what the words of a letter are called: nothing of what they say


@blueprint.before_request
def _kept() -> None:
    """Answer only where the house takes reports."""
    if repo().settings.intake_case is None:
        abort(404)


@blueprint.get("")
def begin() -> Response:
    """Show who may see a report, what cannot be undone, and the form."""
    return _page("say/begin.html", typed={})


@blueprint.post("")
def send() -> Response:
    """Take the first words, and tell the code-name of the mailbox that they opened."""
    said = field("words")
    language = _language()
    codename, box = open_mailbox(
        repo(), language=language, consent=fields("consent"), heard=field("heard", "unknown")
    )
    if said:
        _write(box, said)
    return _box(box, codename, new=True)


@blueprint.post("/box")
def box() -> Response:
    """Show what came to a mailbox and what its reporter wishes."""
    key = field("key")
    return _box(find_mailbox(repo(), key), key)


@blueprint.post("/words")
def more() -> Response:
    """Take further words."""
    key, said = field("key"), field("words")
    found = find_mailbox(repo(), key)
    if said:
        _write(found, said)
    return _box(found, key)


@blueprint.post("/wishes")
def wishes() -> Response:
    """Narrow or withdraw the consent."""
    key = field("key")
    found = find_mailbox(repo(), key)
    withdrawn = found.withdrawn or field("withdrawn") == "yes"
    return _box(narrow(repo(), found, fields("consent"), withdrawn=withdrawn), key)


@blueprint.post("/files")
def files() -> Response:
    """Take files of a form as they arrive; what came of a broken line is kept and said."""
    form, found, key = Form(), None, ""
    for part in form:
        if part.filename is None:
            if part.name == "key":
                key = part.text()
                found = find_mailbox(repo(), key)
            continue
        if found is None:
            raise UnknownMailbox("the code-name comes first in this form")
        if not part.filename:
            continue  # the browser's field without a file
        letter = letters.begin(repo(), found, part.filename.encode("utf-8", "surrogateescape"))
        letters.add(repo(), letter, 0, part.blocks)
        if form.part_ended:
            letters.end(repo(), letter)
    if found is None:
        raise UnknownMailbox("the code-name comes first in this form")
    return _box(found, key)


@blueprint.post("/letter")
def letter() -> Response:
    """Say how much of a file is here: a script sends the rest."""
    asked = json_body(NewLetter)
    found = find_mailbox(repo(), asked.key)
    row = letters.begin(repo(), found, asked.name.encode(), size=asked.size, head=asked.head)
    return jsonify(letter=row.id, offset=row.offset)


@blueprint.post("/piece")
def piece() -> Response:
    """Take some bytes of a file from a script, from the offset on; say how many are here then."""
    found = find_mailbox(repo(), _header("Say-Key"))
    named = request.headers.get("Say-Letter", "")
    row = next((one for one in letters_of(repo(), found) if one.id == named), None)
    offset = request.headers.get("Upload-Offset", "")
    if row is None or not re.fullmatch(r"[0-9]{1,16}", offset):
        raise BadRequest("say which file of this mailbox, and from which byte on")
    here = letters.add(repo(), row, int(offset), Arriving(request.environ))
    if here == row.size:
        letters.end(repo(), row)
    return jsonify(offset=here)


@blueprint.errorhandler(EvidenceError)
def _refused(error: EvidenceError) -> Response:
    if request.path.endswith(("/letter", "/piece")):
        return problems.of_error(error)
    return _problem(error.code, problems.STATUSES.get(error.code, 500))


@blueprint.errorhandler(HTTPException)
def _http(error: HTTPException) -> Response:
    return _problem("http", error.code or 500)


@blueprint.errorhandler(Exception)
def _crashed(error: Exception) -> Response:
    logs.crashed("unforeseen error", error)
    return _problem("internal", 500)


def _problem(code: str, status: int) -> Response:
    posted = request.mimetype == "application/x-www-form-urlencoded"
    kept = {name: request.form.get(name, "") if posted else "" for name in ("key", "words")}
    return _page("say/problem.html", status, code=code, number=status, kept=kept)


def _box(box: Mailbox, key: str, *, new: bool = False) -> Response:
    rows: list[Letter] = letters_of(repo(), box)
    return _page("say/box.html", box=box, key=key, new=new, letters=rows)


def _write(box: Mailbox, said: str) -> None:
    raw = said.encode("utf-8", "surrogatepass")
    number = len(letters_of(repo(), box)) + 1
    row = letters.begin(repo(), box, WORDS.format(number=number).encode(), size=len(raw),
                        head=f"sha256:{sha256(raw).hexdigest()}")  # fmt: skip
    letters.add(repo(), row, row.offset, [raw])
    letters.end(repo(), row)


def _page(template: str, status: int = 200, /, **values: Any) -> Response:
    speech = words.language(_language())
    found = make_response(
        render_template(
            template, t=speech.say, speech=speech, recipients=RECIPIENTS, heard=HEARD,
            languages=[words.language(code) for code in LANGUAGES],
            exit_url=repo().settings.intake_exit_url, **values,
        ),
        status,
    )  # fmt: skip
    found.headers["Content-Security-Policy"] = POLICY
    return found


def _language() -> str:
    """Return the language of the form: its own field, the address, the browser; no cookie."""
    said = request.args.get("lang") or ""
    return said if said in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"


def _header(name: str) -> str:
    try:
        return unquote_to_bytes(request.headers.get(name, "")).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name} is percent-encoded UTF-8") from error
