"""Bundles for courts: what one would be before anything is exported, how far it is, the file."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, get_args

from flask import Blueprint, Response, request

from api import exports, paging
from api.exports_schema import NewExport
from api.problems import STATUSES
from api.remote.rate import parse_size
from api.request import repo
from api.web import answers
from api.web.exhibit_lists import in_ranges, selected_numbers, typed_numbers
from api.web.shell import field, fields, go, page, visitor
from custody.entry import WITHHELD, timestamp, uuid7
from custody.errors import EvidenceError
from repository import selections
from repository.annotations import KINDS
from repository.authorise import Caller
from repository.conditions import EXCLUDED_USES, Marking
from repository.consult import list_cases, show_case
from repository.errors import BadRequest, UnknownCase
from repository.exports import bundles
from repository.exports.bag import check_spread
from repository.exports.choice import Choice
from repository.exports.chosen import marking_words
from repository.exports.encryption import fingerprint, is_secret, read_recipients
from repository.exports.foreseen import Outlook, foresee
from repository.exports.job import TWINS
from repository.exports.report_words import Phrase, speaking, spoken
from repository.naming import shown
from repository.purpose import CODES

blueprint = Blueprint("web_bundles", __name__)
answers.install(blueprint)
ROWS = 50
SHOWN = 500  # rows of what would go; of what stands in the way, all
REPORTS: tuple[str, ...] = get_args(NewExport.model_fields["language"].annotation)
STAMPED = ("beside", "instead")
CLOSING = sorted(WITHHELD)  # fields of entries whose values can be opened or stay closed
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the form, as `bundles.ask` takes it."""

    numbers: list[str]
    purpose: str
    authority: str | None
    assured: tuple[str, ...]
    recipient: str | None
    annotations: tuple[str, ...]
    stamped: str | None
    twins: tuple[str, ...]
    language: str
    reveal: tuple[str, ...]
    withhold: tuple[str, ...]
    redaction_of: str | None
    volume_size: int | None
    by_reference: bool
    encrypt_to: tuple[str, ...]


@blueprint.get("/bundles")
def index() -> Response:
    """List the exports that the visitor asked for."""
    who = visitor()
    place = paging.after("", "")
    after = (datetime.fromisoformat(place[0]), place[1]) if place[0] else None
    found = bundles.own(repo(), who, after=after, limit=ROWS + 1)
    following = None
    if len(found) > ROWS:
        last = found[ROWS - 1][0]
        following = paging.cursor(timestamp(last.asked_at), last.id)
    rows = [bundles.view(row, code) for row, code in found[:ROWS]]
    return page("web/bundles.html", bundles=rows, following=following)


@blueprint.get("/bundles/new")
def new() -> Response:
    """Show the form; first, of which case."""
    who = visitor()
    code = request.args.get("case", "")
    if not code:
        return page("web/bundle_case.html", cases=list_cases(repo(), who))
    chosen = {"exhibits": request.args.get("exhibits", "")}
    chosen["what"] = "numbers" if chosen["exhibits"] else "case"
    if "selection" in request.args:
        chosen |= {"what": "selection", "selection": request.args["selection"]}
    return _form(who, code, chosen)


@blueprint.post("/bundles/new")
def ask() -> Response:
    """Show what it would be; once that was seen, ask for it."""
    who = visitor()
    code, act = field("case"), field("act")
    if act == "change":
        return _form(who, code, _typed())
    try:
        wish = _wish(who, code)
        found = foresee(
            repo(), who, code, numbers=wish.numbers, purpose=wish.purpose,
            authority=wish.authority, assured=wish.assured, recipient=wish.recipient,
            annotations=wish.annotations, stamped=wish.stamped,
            choice=Choice(wish.reveal, wish.withhold), volume_size=wish.volume_size,
            by_reference=wish.by_reference,
        )  # fmt: skip
        if act == "without" and found.kept:
            return _without(who, code, found)
        if act == "make" and not found.kept and field("seen") == found.digest:
            return _make(who, code, wish)
    except EvidenceError as error:
        status = STATUSES[error.code]
        if status in (401, 403) or status >= 500 or isinstance(error, UnknownCase):
            raise
        return _form(who, code, _typed(), error)
    return _preview(code, found, wish, changed=act == "make")


@blueprint.get("/bundles/<export_id>")
def show(export_id: str) -> Response:
    """Show how far an export is, and what there is to know of it."""
    return page("web/bundle.html", found=bundles.show(repo(), visitor(), export_id))


@blueprint.get("/bundles/<export_id>/download")
def download(export_id: str) -> Response:
    """Return the bundle as one archive, or one range of it."""
    return exports.download(visitor(), export_id)


def _make(who: Caller, code: str, wish: Wish) -> Response:
    drawn = field("drawn")
    if not _UUID.fullmatch(drawn):
        raise BadRequest("this form was not made here; open it anew")
    row = bundles.ask(repo(), who, code, **asdict(wish), drawn=drawn)
    return go(f"/bundles/{row.id}", said="bundle.asked_for")


def _preview(code: str, found: Outlook, wish: Wish, *, changed: bool = False) -> Response:
    def in_words(speech: str, text: str) -> str:
        with speaking(speech):
            return spoken(text)

    def restricted(speech: str, marking: Marking) -> str | None:
        with speaking(speech):
            return marking_words([marking], found.purpose)

    return page(
        "web/bundle_preview.html",
        code=code,
        found=found,
        wish=wish,
        changed=changed,
        shown_rows=SHOWN,
        typed=[pair for pair in request.form.items(multi=True) if pair[0] in _FIELDS],
        drawn=field("drawn") or uuid7(repo().clock(), repo().random),
        in_words=in_words,
        restricted=restricted,
        field_name=_field_name,
        fingerprints=[(one, fingerprint(one)) for one in wish.encrypt_to],
    )


def _without(who: Caller, code: str, found: Outlook) -> Response:
    """Show the form again, with what may leave alone."""
    going = [one.exhibit.number for one in found.rows if not one.reasons]
    return _form(who, code, {**_typed(), "what": "numbers", "exhibits": in_ranges(code, going)})


def _form(
    who: Caller, code: str, typed: Mapping[str, Any], problem: EvidenceError | None = None
) -> Response:
    case = show_case(repo(), who, code)
    return page(
        "web/bundle_new.html",
        200 if problem is None else STATUSES[problem.code],
        case=case,
        typed=typed,
        problem=problem,
        selections=selections.listed(repo(), who, code),
        purposes=CODES,
        uses=EXCLUDED_USES,
        kinds=KINDS,
        twins=TWINS,
        stamped=STAMPED,
        reports=REPORTS,
        closing=CLOSING,
        field_name=_field_name,
        earlier=[
            row for row, of in bundles.own(repo(), who, limit=ROWS) if of == code and row.report_id
        ],
    )


def _field_name(speech: str, name: str) -> str:
    """Return what a field of entries is called, in the words of the report."""
    with speaking(speech):
        return spoken(Phrase(f"field.{'actor' if name == 'actor_name' else name}"))


_FIELDS = (
    "case", "what", "exhibits", "selection", "purpose", "words", "authority", "assured",
    "recipient", "annotations", "stamped", "twins", "language", "reveal", "reveal_of", "withhold",
    "withhold_of", "redaction_of", "volume_size", "by_reference", "encrypt_to", "options",
)  # fmt: skip
_SEVERAL = ("assured", "annotations", "twins", "reveal", "withhold")


def _typed() -> dict[str, Any]:
    found: dict[str, Any] = {name: field(name) for name in _FIELDS if name not in _SEVERAL}
    if is_secret(found["encrypt_to"]):
        found["encrypt_to"] = ""  # a private key is sent back to nobody
    return found | {name: fields(name) for name in _SEVERAL}


def _wish(who: Caller, code: str) -> Wish:
    """Return what the form asks for.

    Raises:
        BadRequest: a field says what cannot be meant; UnknownSelection, UnknownCase: recorded.
    """
    what, purpose, words = field("what"), field("purpose"), field("words")
    numbers: list[str] = []
    if what == "numbers":
        numbers = typed_numbers(repo(), who, code, field("exhibits"))
    elif what == "selection":
        numbers = selected_numbers(repo(), who, field("selection"))
    if what != "case" and not numbers:
        raise BadRequest("name exhibits, or choose the whole case")
    stamped = field("stamped") or None
    for value, among in (
        *[(one, EXCLUDED_USES) for one in fields("assured")],
        *[(one, KINDS) for one in fields("annotations")],
        *[(one, TWINS) for one in fields("twins")],
        (field("language", "en"), REPORTS),
        (stamped or STAMPED[0], STAMPED),
    ):
        if value not in among:
            raise BadRequest(f"{shown(value[:40])} is none of {', '.join(among)}")
    volume_size = parse_size(field("volume_size")) if field("volume_size") else None
    by_reference = field("by_reference") == "yes"
    check_spread(volume_size, by_reference=by_reference)
    return Wish(
        numbers,
        f"{purpose}: {words}" if purpose and words else purpose or words,
        field("authority") or None,
        tuple(fields("assured")),
        field("recipient") or None,
        tuple(fields("annotations")),
        stamped,
        tuple(fields("twins")) if field("options") else TWINS,
        field("language", "en"),
        (*fields("reveal"), *field("reveal_of").split()),
        (*fields("withhold"), *field("withhold_of").split()),
        field("redaction_of") or None,
        volume_size,
        by_reference,
        tuple(read_recipients(field("encrypt_to"))) if field("encrypt_to") else (),
    )
