"""Tags, notes and assessments of exhibits: each version is an entry, and none is ever rewritten.

The words are read from the ledger, where they stand behind commitments under the exhibit's key, so
that what is shown is what was signed, and ends with the exhibit. They are for the case team: no
party is shown them, and an export has those alone that were chosen for it (`exports.said`).
Selections are in `selections`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from repository import Repository
from repository.access import Right
from repository.annotated import Annotation, AnnotationVersion
from repository.authorise import Caller, on_exhibit, refuse
from repository.citations import check_place
from repository.errors import BadRequest, Erased, UnknownAnnotation
from repository.exhibits import ref
from repository.locators import parse
from repository.models import Case, Exhibit, Person
from repository.naming import instant, shown
from repository.search import index as search_index
from repository.spoken import opened_versions
from repository.stated import stated_motive

KINDS = ("tag", "note", "assessment")
SOURCES = ("A", "B", "C", "X")
INFORMATION = ("1", "2", "3", "4")
MAX_NOTE = 20_000
MAX_TAG = 100
MAX_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Assessment:
    """How reliable somebody holds an exhibit to be, and where, when and how that was verified."""

    source: str | None = None  # one of SOURCES: how reliable who gave it is
    information: str | None = None  # one of INFORMATION: how good what it says is
    place: str | None = None  # where it was made, in words
    position: str | None = None  # "latitude,longitude" in decimal degrees
    begins: str | None = None  # when it was made: not before
    ends: str | None = None  # and not after
    method: str | None = None  # how that was found out

    def check(self) -> None:
        """Refuse what says nothing, or says it in other words.

        Raises:
            BadRequest: so it is.
        """
        given = {name: value for name, value in asdict(self).items() if value is not None}
        if not given.keys() - {"method"}:
            raise BadRequest("an assessment says source, information, place, position or time")
        for name, value in given.items():
            if not value.strip() or len(value) > MAX_TEXT:
                raise BadRequest(f"{name} has 1 to {MAX_TEXT} characters")
        if self.source not in (None, *SOURCES) or self.information not in (None, *INFORMATION):
            raise BadRequest("a source is A, B, C or X, information 1, 2, 3 or 4")
        located = given.keys() & {"place", "position", "begins", "ends"}
        if located and self.method is None:
            raise BadRequest("say by which method place or time were found out")
        if self.position is not None:
            _check_position(self.position)
        begins, ends = (instant(t) if t else None for t in (self.begins, self.ends))
        if begins and ends and begins > ends:
            raise BadRequest("it ends before it begins")


def _check_position(text: str) -> None:
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    fits = len(numbers) == 2 and abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180
    if not fits or not set(text) <= set("0123456789.,- "):
        raise BadRequest("a position is LATITUDE,LONGITUDE in decimal degrees")


@dataclass(frozen=True, slots=True)
class Version:
    """One version as it is shown: who said what, when, and in which entry it stands."""

    annotation: str
    kind: str
    exhibit: str
    version: int
    versions: int  # how many there are
    author: str | None
    at: str
    entry: int
    said: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {**asdict(self), "said": dict(self.said)}


def annotate(
    repo: Repository,
    caller: Caller,
    place: str,
    kind: str,
    said: str | Assessment,
) -> Version:
    """Say something of an exhibit, or of a place in it.

    Args:
        repo: the repository.
        caller: who says it.
        place: an exhibit number or a locator.
        kind: tag, note or assessment.
        said: the words of a tag or note; an assessment.

    Raises:
        BadLocator: it names no place.
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        BadRequest: nothing is said, or too much; recorded.
        Erased: the exhibit was erased.
        UnknownPlace, CitedDigestDiffers, …: as `check_place`.
    """
    locator = parse(place)
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.ANNOTATE, locator.exhibit, attempted=Act.ANNOTATION
    )
    words = _words(repo, caller, case, exhibit, kind, said)
    if locator.pointers():
        check_place(repo, caller, place)
        words["locator"] = str(locator)
    at = repo.clock()
    row = Annotation(
        id=f"ANN-{uuid7(at, repo.random)}", kind=kind, case_id=case.id, exhibit_id=exhibit.id,
        author=actor.id, at=at,
    )  # fmt: skip
    with repo.database.writing() as session:
        take_lock(session)
        session.add(row)
        session.flush()
        add_version(repo, session, row, actor, words, case=case, exhibit=exhibit)
    return _versions(repo, exhibit.number, [row])[-1]


def revise(repo: Repository, caller: Caller, named: str, said: str | Assessment) -> Version:
    """Say it anew, as its author: a new version; the earlier ones stay.

    Raises:
        UnknownAnnotation, AccessDenied, BadRequest, Erased: as `annotate`; recorded.
    """
    actor, case, exhibit, row = _find(repo, caller, named, Act.ANNOTATION)
    _only(repo, caller, case, exhibit, fits=row.author == actor.id, who="its author")
    words = _words(repo, caller, case, exhibit, row.kind, said)
    before = _versions(repo, exhibit.number, [row])[0].said
    if "locator" in before:
        words["locator"] = before["locator"]
    return _added(repo, actor, case, exhibit, row, words)


def withdraw(repo: Repository, caller: Caller, named: str, *, motive: str) -> Version:
    """Withdraw it, as its author or a custodian; what it said stays in its history.

    Raises:
        UnknownAnnotation, AccessDenied, BadRequest, Erased: as `annotate`; recorded.
    """
    actor, case, exhibit, row = _find(repo, caller, named, Act.ANNOTATION)
    may = row.author == actor.id or actor.role == "custodian"
    _only(repo, caller, case, exhibit, fits=may, who="its author or a custodian")
    stated_motive(repo, caller, motive, Act.ANNOTATION, case=case, exhibit=exhibit)
    return _added(repo, actor, case, exhibit, row, {"withdrawn": motive})


def review(repo: Repository, caller: Caller, named: str, *, agrees: bool, motive: str) -> Version:
    """Say as another human being whether an assessment holds, and why.

    Raises:
        BadRequest: it is no assessment, or was withdrawn; recorded.
        UnknownAnnotation, AccessDenied, Erased: as `annotate`; also for its author; recorded.
    """
    actor, case, exhibit, row = _find(repo, caller, named, Act.ANNOTATION)
    newest = _versions(repo, exhibit.number, [row])[-1]
    if row.kind != "assessment" or "withdrawn" in newest.said:
        error = BadRequest("only an assessment that stands is reviewed")
        refuse(repo, caller, Act.ANNOTATION, [error.code], error, case=case, exhibit=exhibit)
    with repo.database.reading() as session:
        author = session.get_one(Person, row.author)
    other = author.one != caller.person.one
    _only(repo, caller, case, exhibit, fits=other, who="another person than its author")
    stated_motive(repo, caller, motive, Act.ANNOTATION, case=case, exhibit=exhibit)
    said = {"review": {"agrees": agrees, "why": motive, "of": newest.version}}
    return _added(repo, actor, case, exhibit, row, said)


def listed(repo: Repository, caller: Caller, number: str) -> list[Version]:
    """Return the newest version of what was said of an exhibit; recorded.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        Erased: it was erased, and what was said of it.
    """
    act = Act.CONSULTATION
    actor, case, exhibit = on_exhibit(repo, caller, Right.ANNOTATE, number, attempted=act)
    found = of_exhibit(repo, exhibit)
    _looked(repo, actor, case, exhibit, len(found))
    return found


def of_exhibit(repo: Repository, exhibit: Exhibit) -> list[Version]:
    """Return the newest version of what was said of an exhibit; showing it is an entry.

    Of an assessment that was reviewed it is the one that was, with the review, and by whom, beside.
    """
    query = select(Annotation).where(Annotation.exhibit_id == exhibit.id)
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(Annotation.at, Annotation.id)))
    every = _versions(repo, exhibit.number, rows) if exhibit.erased_at is None else []
    versions = {(one.annotation, one.version): one for one in every}
    return [_with_review(one, versions) for one in every if one.version == one.versions]


def _with_review(newest: Version, versions: Mapping[tuple[str, int], Version]) -> Version:
    judged = newest.said.get("review")
    if judged is None:
        return newest
    said_on = versions[newest.annotation, judged["of"]]
    while "review" in said_on.said:  # a review of a review is of what that one was of
        said_on = versions[newest.annotation, said_on.said["review"]["of"]]
    judged = {**judged, "by": newest.author}
    return replace(said_on, said={**said_on.said, "review": judged})


def history(repo: Repository, caller: Caller, named: str) -> list[Version]:
    """Return every version of one, the first first; recorded.

    Raises:
        UnknownAnnotation, Erased: as `listed`; recorded.
    """
    actor, case, exhibit, row = _find(repo, caller, named, Act.CONSULTATION)
    _looked(repo, actor, case, exhibit, 1)
    return _versions(repo, exhibit.number, [row])


def add_version(
    repo: Repository,
    session: Session,
    row: Annotation,
    actor: Actor,
    said: Mapping[str, Any],
    *,
    case: Case,
    exhibit: Exhibit | None,
    title: str | None = None,
) -> int:
    """Append the next version of an annotation with its entry, and return its number."""
    query = select(func.max(AnnotationVersion.version))
    last = session.scalar(query.where(AnnotationVersion.annotation_id == row.id)) or 0
    withheld: dict[str, Any] = {
        "case": case.code,
        "detail": {"annotation": row.id, "version": last + 1, **said},
    }
    if title is not None:
        withheld["title"] = title
    draft = Draft(
        Act.ANNOTATION,
        actor,
        reason=row.kind,
        exhibit=ref(exhibit) if exhibit else None,
        withheld=withheld,
        subject=None if exhibit else case.id,
    )
    [entry] = repo.ledger.append(session, [draft])
    session.add(
        AnnotationVersion(
            annotation_id=row.id, version=last + 1, author=actor.id, at=repo.clock(),
            index=entry.index,
        )
    )  # fmt: skip
    session.flush()
    if exhibit is not None:
        search_index.expect(session, [exhibit.id])
    return int(last + 1)


def _added(
    repo: Repository,
    actor: Actor,
    case: Case,
    exhibit: Exhibit,
    row: Annotation,
    said: Mapping[str, Any],
) -> Version:
    with repo.database.writing() as session:
        take_lock(session)
        add_version(repo, session, row, actor, said, case=case, exhibit=exhibit)
    return _versions(repo, exhibit.number, [row])[-1]


def _versions(repo: Repository, number: str, rows: Sequence[Annotation]) -> list[Version]:
    every = opened_versions(repo, rows)
    counts: dict[str, int] = {}
    for row, one, _ in every:
        counts[row.id] = max(counts.get(row.id, 0), one.version)
    found = []
    for row, one, values in every:
        said = dict(values.get("detail", {}))
        for name in ("annotation", "version"):
            said.pop(name, None)
        found.append(
            Version(
                row.id, row.kind, number, one.version, counts[row.id], values.get("actor_name"),
                timestamp(one.at), one.index, said,
            )
        )  # fmt: skip
    return found


def _words(
    repo: Repository,
    caller: Caller,
    case: Case,
    exhibit: Exhibit,
    kind: str,
    said: str | Assessment,
) -> dict[str, Any]:
    """Return what an entry withholds of it; what says nothing is refused on record."""
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased, and what was said of it")
    try:
        if kind not in KINDS or (kind == "assessment") != isinstance(said, Assessment):
            raise BadRequest(f"what is said is one of {', '.join(KINDS)}")
        if isinstance(said, Assessment):
            said.check()
            return {name: value for name, value in asdict(said).items() if value is not None}
        most = MAX_TAG if kind == "tag" else MAX_NOTE
        if not said.strip() or len(said) > most or (kind == "tag" and not said.isprintable()):
            raise BadRequest(f"a {kind} has 1 to {most} characters")
    except BadRequest as error:
        refuse(repo, caller, Act.ANNOTATION, [error.code], error, case=case, exhibit=exhibit)
    return {"text": said.strip()}


def _find(
    repo: Repository, caller: Caller, named: str, attempted: Act
) -> tuple[Actor, Case, Exhibit, Annotation]:
    unknown = UnknownAnnotation(f"there is no annotation {shown(named[:60])} that you may know of")
    with repo.database.reading() as session:
        row = session.get(Annotation, named)
        exhibit = session.get(Exhibit, row.exhibit_id) if row and row.exhibit_id else None
    if row is None or exhibit is None:
        refuse(repo, caller, attempted, ["unknown-annotation"], unknown, asked=named)
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.ANNOTATE, exhibit.number, attempted=attempted
    )
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased, and what was said of it")
    return actor, case, exhibit, row


def _only(
    repo: Repository, caller: Caller, case: Case, exhibit: Exhibit, *, fits: bool, who: str
) -> None:
    if not fits:
        error = BadRequest(f"this is for {who}")
        refuse(repo, caller, Act.ANNOTATION, ["not-own"], error, case=case, exhibit=exhibit)


def _looked(repo: Repository, actor: Actor, case: Case, exhibit: Exhibit, count: int) -> None:
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased, and what was said of it")
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="annotations",
            exhibit=ref(exhibit),
            plain={"count": count},
            withheld={"case": case.code},
        )
    )
