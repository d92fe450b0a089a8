"""The ledger as pages: entries, one of them with a proof that the browser checks, and accesses."""

import json
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request

from api import paging
from api.request import repo
from api.web import answers
from api.web.shell import POLICY, page, visitor
from custody.entry import Act
from custody.note import COSIGNATURE_ED25519, ED25519
from repository.access_log import ACCESSES, Wanted, access_log, as_csv
from repository.errors import BadRequest
from repository.exports.report_words import speaking, type_words
from repository.ledger_view import MOST, Sought, entries, entry
from repository.naming import instant, shown
from repository.purpose import CODES

blueprint = Blueprint("web_ledger", __name__)
answers.install(blueprint)
ROWS = 100


@blueprint.get("/ledger")
def index() -> Response:
    """Show the entries that are asked for, newest first."""
    who = visitor()
    asked, [before] = _asked("type", "person", "exhibit"), paging.after("")
    sought = Sought(asked["type"], asked["person"], asked["exhibit"], *_times())
    if sought.type is not None and sought.type not in set(Act):
        raise BadRequest(f"there is no type of entry {shown(sought.type)}")
    found, more = entries(repo(), who, sought, before=int(before) if before else None, limit=ROWS)
    return page(
        "web/ledger.html",
        rows=found,
        following=None if more is None else paging.cursor(more),
        size=repo().ledger.size(),
        types=list(Act),
        type_words=_type_words,
        given=request.args,
        most=MOST,
        seeks=bool(sought.told()),
    )


@blueprint.get("/ledger/<int:index>")
def one(index: int) -> Response:
    """Show an entry with its fields in words, and check its proof in the browser."""
    found = entry(repo(), visitor(), index)
    house = repo()
    keys = [str(one.key) for one in house.ledger.key_history() if one.key.type == ED25519]
    witnesses = [str(one) for one in house.policy.keys if one.type == COSIGNATURE_ED25519]
    answer = page(
        "web/ledger_entry.html",
        found=found,
        fields=found.entry.fields,
        body=found.entry.body.decode(),
        type_words=_type_words,
        told=_told,
        key=house.ledger.key,
        keys=json.dumps(keys),
        witnesses=json.dumps(witnesses),
    )
    # The digests of the checker, which also serves check.html, are computed in WebAssembly.
    answer.headers["Content-Security-Policy"] = POLICY.replace(
        "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
    )
    return answer


@blueprint.get("/ledger/accesses")
def accesses() -> Response:
    """Show who looked at what, why and when, and what was refused."""
    who = visitor()
    after, before = paging.after("-1", str(repo().ledger.size()))
    rows = access_log(repo(), who, _wanted(), after=int(after), size=int(before))
    found = list(islice(rows, ROWS + 1))
    more = paging.cursor(found[ROWS - 1]["index"], before) if len(found) > ROWS else None
    return page(
        "web/accesses.html",
        rows=found[:ROWS],
        following=more,
        given=request.args,
        purposes=CODES,
        types=sorted(ACCESSES),
        type_words=_type_words,
    )


@blueprint.get("/ledger/accesses.csv")
def accesses_csv() -> Response:
    """Return the same as a table, all of it; no cell is a formula."""
    rows = access_log(repo(), visitor(), _wanted())
    headers = {"Content-Disposition": 'attachment; filename="access-log.csv"'}
    return Response(as_csv(rows), headers=headers, content_type="text/csv; charset=utf-8")


def _wanted() -> Wanted:
    asked = _asked("person", "exhibit", "purpose", "refused")
    since, until = _times()
    return Wanted(
        asked["person"], asked["exhibit"], asked["purpose"], since, until,
        refused=asked["refused"] == "yes",
    )  # fmt: skip


def _asked(*names: str) -> dict[str, str | None]:
    return {name: request.args.get(name, "").strip() or None for name in names}


def _times() -> tuple[datetime | None, datetime | None]:
    """Return from when to when entries are asked for; a date counts to its end.

    Raises:
        BadRequest: neither a date nor a time.
    """
    asked = _asked("since", "until")
    since, until = (instant(text) if text else None for text in asked.values())
    if until is not None and len(asked["until"] or "") == len("2026-01-01"):
        until += timedelta(days=1)
    return since, until


def _type_words(language: str, type_: str) -> tuple[str, str]:
    with speaking(language):
        return type_words(type_) or (type_, "")


def _told(value: Any) -> str:
    """Return a value of an entry as text; what has an inner order as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
