"""Where the words of an exhibit come from: adding a source is one entry of `SOURCES`.

A source gets an `About` and yields texts, each with its level: OPEN for what whoever may know of
an exhibit is shown, FACTS for what only whoever may see its facts is, TEAM for what the case team
said. A text with a `field` is
also found by that field alone (`device:…`). It asks the database through `about.session`, stored
documents through `about.repo`, and changes nothing; whoever changes what a source reads calls
`index.expect` in the same transaction.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository import Repository
from repository.annotated import Annotation
from repository.exhibits import latest_run, part_names
from repository.extractions import derived_bytes, record_of
from repository.models import Case, DerivedObject, Exhibit, ExtractionRun, Submission
from repository.search import sightings
from repository.search.sightings import Sighting
from repository.search.tokens import FACTS, OPEN, TEAM
from repository.spoken import opened_versions


@dataclass(frozen=True, slots=True)
class Text:
    """Some text of an exhibit: who may find it, in which field, and what it is cited by."""

    level: str  # OPEN, FACTS or TEAM
    text: str
    field: str | None = None  # by which it is found too: name, device, place …
    locator: str = ""  # of which part of the exhibit: "", "page=2", "member=…"
    kind: str = "name"  # of `KINDS`: what says so


@dataclass(frozen=True, slots=True)
class About:
    """An exhibit whose words are wanted, and what several sources read of it."""

    repo: Repository
    session: Session
    exhibit: Exhibit
    case: Case
    run: ExtractionRun | None
    record: Mapping[str, Any] | None  # of that run, opened

    @property
    def mime(self) -> str | None:
        """Return its type, if it was looked at and was not erased."""
        known = self.run is not None and self.exhibit.erased_at is None
        return self.run.mime if known and self.run is not None else None


Source = Callable[[About], Iterator[Text]]

_PLACES = ("city", "country", "location", "state", "region", "district", "place", "address")
_FIELD_OF_KIND = {
    "device": "device", "account": "account", "telephone": "account", "mail": "account",
    "place": "place", "person": "account",
}  # fmt: skip
_CAMERA = ("make", "model", "cameramodelname", "androidmake", "androidmodel")  # as facts end
KINDS = ("name", "fact", "member", "text", "note")
_READ = ("text", "ocr")  # kinds of derivatives that are text


def names(about: About) -> Iterator[Text]:
    """Yield its number, its original names, its case, family and type."""
    exhibit = about.exhibit
    yield Text(OPEN, exhibit.number)
    for path in {bytes(exhibit.path), *part_names(about.session, exhibit.id).values()}:
        yield Text(OPEN, path.decode("utf-8", "replace"), "name")
    yield Text(OPEN, about.case.code, "case")
    yield Text(OPEN, exhibit.family, "family")
    if about.run is not None and about.run.mime:
        yield Text(OPEN, about.run.mime, "type")


def facts(about: About) -> Iterator[Text]:
    """Yield what was read out of it: the value of each fact, doubted or not."""
    for fact in (about.record or {}).get("facts", ()):
        field = _FIELD_OF_KIND.get(fact["kind"] or "")
        if fact["kind"] is None and any(one in fact["name"].casefold() for one in _PLACES):
            field = "place"
        elif fact["kind"] is None and fact["name"].rpartition(":")[2].casefold() in _CAMERA:
            field = "device"
        where = fact["locator"] or ""
        yield Text(FACTS, fact["value"], field, where, "fact")
        if fact["raw"] != fact["value"] and fact["kind"] is not None:
            yield Text(FACTS, fact["raw"], field, where, "fact")


def members(about: About) -> Iterator[Text]:
    """Yield the names of what a container holds."""
    for member in (about.record or {}).get("members", ()):
        yield Text(FACTS, member["path"], locator=f"member={member['path']}", kind="member")


def texts(about: About) -> Iterator[Text]:
    """Yield extracted and recognised text."""
    made = (about.record or {}).get("derivatives", ())
    wanted = [n for n, one in enumerate(made, 1) if one["kind"] in _READ]
    if not wanted or about.run is None:
        return
    query = (
        select(DerivedObject)
        .where(
            DerivedObject.exhibit_id == about.exhibit.id,
            DerivedObject.run == about.run.run,
            DerivedObject.number.in_(wanted),
        )
        .order_by(DerivedObject.number)
    )
    for row in about.session.scalars(query).all():
        one = made[row.number - 1]
        data = derived_bytes(about.repo, about.exhibit, row, one)
        said = data.decode("utf-8", "replace")
        if one["mime"] == "application/x-ndjson":
            said = "\n".join(_strings(said))
        yield Text(FACTS, said, locator=one["locator"], kind="text")


def _strings(lines: str) -> Iterator[str]:
    """Yield the texts in JSON lines: there letters stand as escapes, and names beside values."""
    for line in lines.splitlines():
        try:
            waiting: list[Any] = [json.loads(line)] if line else []
        except (ValueError, RecursionError):  # cut, or deeper than it should be: as it stands
            waiting = [line]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                yield one
            elif isinstance(one, dict | list):
                waiting += one.values() if isinstance(one, dict) else one


def said(about: About) -> Iterator[Text]:
    """Yield what the case team says of it, in the newest version of each that was not withdrawn.

    A review of an assessment says nothing instead of it.
    """
    query = select(Annotation).where(Annotation.exhibit_id == about.exhibit.id)
    rows = list(about.session.scalars(query.order_by(Annotation.id)))
    if not rows:
        return
    every = opened_versions(about.repo, rows)
    newest = {row.id: values for row, _, values in every if _says(values)}
    for values in newest.values():
        detail = values.get("detail", {})
        if "withdrawn" not in detail:
            for name in ("text", "place", "method"):
                if detail.get(name):
                    field = "place" if name == "place" else None
                    yield Text(TEAM, detail[name], field, _inside(detail), "note")


def _inside(detail: Mapping[str, Any]) -> str:
    """Return of which part of the exhibit something is said."""
    return str(detail.get("locator", "")).partition("#")[2]


SOURCES: tuple[Source, ...] = (names, facts, members, texts, said)


def about(repo: Repository, session: Session, exhibit: Exhibit) -> About:
    """Return an exhibit with what sources read of it.

    Raises:
        IntegrityError: its record is not the one that its entry names.
        Erased: its key was destroyed meanwhile.
    """
    run = latest_run(session, exhibit.id)
    record = None
    if run is not None and exhibit.erased_at is None:
        record = record_of(repo, exhibit, run)
    return About(repo, session, exhibit, session.get_one(Case, exhibit.case_id), run, record)


def texts_of(about: About) -> Iterator[Text]:
    """Yield all texts of an exhibit, from all sources; of an erased one only what it was."""
    if about.exhibit.erased_at is not None:
        yield Text(OPEN, about.exhibit.number)
        yield Text(OPEN, about.case.code, "case")
        yield Text(OPEN, about.exhibit.family, "family")
        return
    for source in SOURCES:
        yield from source(about)


def sightings_of(about: About) -> list[Sighting]:
    """Return where and when an exhibit's facts, its submitter and assessments of it say it was."""
    if about.exhibit.erased_at is not None:
        return []
    found = sightings.of_record(about.record) if about.record is not None else []
    declared = about.session.get_one(Submission, about.exhibit.submission_id).declared
    found += sightings.of_declaration(declared)
    query = (
        select(Annotation)
        .where(Annotation.exhibit_id == about.exhibit.id, Annotation.kind == "assessment")
        .order_by(Annotation.at, Annotation.id)
    )
    rows = about.session.scalars(query).all()
    said = {row.id: values for row, _, values in opened_versions(about.repo, rows) if _says(values)}
    for annotation, values in said.items():
        if "withdrawn" not in values["detail"]:
            found += sightings.of_assessment(annotation, values["detail"])
    return found


def _says(values: Mapping[str, Any]) -> bool:
    """Say whether a version of an assessment is one, and no review of it."""
    return "review" not in values.get("detail", {"review": None})
