"""What search keeps of exhibits: which are to be made, making them, and making all anew."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from repository import Repository
from repository.errors import Erased, IntegrityError, NoSuchObject
from repository.models import Exhibit
from repository.search import facets
from repository.search.sightings import cut, marks
from repository.search.sources import Text, about, sightings_of, texts_of
from repository.search.tables import SearchExhibit
from repository.search.tokens import EVERY, FACTS, OPEN, TEAM, Keyed
from repository.search.whereabouts import sealed
from repository.search.words import telephones, words

TOGETHER = 32  # exhibits made in one transaction
MOST_TOKENS = 1_000_000  # of one exhibit: some 20 MB of text; then it says that it is partial
_CHUNK = 500
_DROP = "INSERT INTO search_fts(search_fts, rowid, t) VALUES ('delete', :n, :t)"
_MERGE = "INSERT INTO search_fts(search_fts, rank) VALUES ('merge', :pages)"
_MERGED = 2_000  # pages in a step: some 8 MB
_ADD = "INSERT INTO search_fts(rowid, t) VALUES (:n, :t)"


def expect(session: Session, exhibits: Sequence[str]) -> None:
    """Note, in the caller's transaction, that exhibits are to be indexed, or indexed anew.

    Whoever changes what a source of words reads calls this; a worker does it within a second.
    """
    for start in range(0, len(exhibits), _CHUNK):
        some = exhibits[start : start + _CHUNK]
        known = set(
            session.scalars(
                update(SearchExhibit)
                .where(SearchExhibit.exhibit_id.in_(some))
                .values(asked=SearchExhibit.asked + 1)
                .returning(SearchExhibit.exhibit_id)
                .execution_options(synchronize_session=False)
            )
        )
        query = select(
            Exhibit.id, Exhibit.case_id, Exhibit.submission_id, Exhibit.registration
        ).where(Exhibit.id.in_([one for one in some if one not in known]))
        fresh = [
            {
                "n": row.registration, "exhibit_id": row.id, "case_id": row.case_id,
                "submission_id": row.submission_id, "asked": 1, "made": 0, "partial": False,
                "tokens": (), "sightings": None, "facets": None,
            }
            for row in session.execute(query)
        ]  # fmt: skip
        if fresh:
            session.execute(insert(SearchExhibit), fresh)


def waiting(repo: Repository, *, limit: int, among: Sequence[str] | None = None) -> list[str]:
    """Return exhibits that are to be indexed, the newest first."""
    query = (
        select(SearchExhibit.exhibit_id)
        .where(text("made < asked"))
        .order_by(SearchExhibit.n.desc())
        .limit(limit)
    )
    if among is not None:
        query = query.where(SearchExhibit.exhibit_id.in_(among))
    with repo.database.reading() as session:
        return list(session.scalars(query))


@dataclass(frozen=True, slots=True)
class Made:
    """The tokens of an exhibit, of which state of it, and whether they are all."""

    asked: int
    tokens: tuple[int, ...]
    partial: bool
    sightings: bytes | None
    facets: bytes | None


def make(repo: Repository, exhibits: Sequence[str]) -> dict[str, str]:
    """Index exhibits; return what failed, and why.

    What is stored is read before the transaction that writes; what changed meanwhile waits again.

    Raises:
        KeyUnavailable, StoreUnavailable, LedgerUnavailable: nothing of these was indexed.
    """
    keyed = Keyed(repo)
    failed: dict[str, str] = {}
    made: dict[str, Made] = {}
    with repo.database.reading() as session:
        asked = select(SearchExhibit.exhibit_id, SearchExhibit.asked)
        rows = session.execute(asked.where(SearchExhibit.exhibit_id.in_(exhibits)))
        states = {row.exhibit_id: row.asked for row in rows}
        found = session.scalars(select(Exhibit).where(Exhibit.id.in_(states))).all()
        for exhibit in found:
            try:
                it = about(repo, session, exhibit)
                seen, more = cut(sightings_of(it))
                kept = facets.of(it.record, seen)
                tokens, partial = tokens_of(keyed, texts_of(it))
                others = [keyed.token(FACTS, *one) for one in marks(seen)]
                others += facets.tokens(keyed, kept, it.mime)
                made[exhibit.id] = Made(
                    states[exhibit.id],
                    tuple(sorted({*tokens, *others})),
                    partial or more or kept.more,
                    sealed(repo, exhibit.id, seen),
                    facets.packed(repo, exhibit.id, kept),
                )
            except Erased:
                continue  # meanwhile: it waits again, as what it was
            except (IntegrityError, NoSuchObject) as error:
                failed[exhibit.id] = str(error)
    with repo.database.writing() as session:
        _write(session, made)
    return failed


def make_all(repo: Repository, among: Sequence[str] | None = None) -> tuple[int, dict[str, str]]:
    """Index all that waits, of all exhibits or some; return how many, and what failed.

    Raises:
        KeyUnavailable, StoreUnavailable, LedgerUnavailable: as `make`.
    """
    done = 0
    failed: dict[str, str] = {}
    while True:
        some = waiting(repo, limit=TOGETHER + len(failed), among=among)
        some = [one for one in some if one not in failed]
        if not some:
            return done, failed
        found = make(repo, some)
        failed |= found
        done += len(some) - len(found)


def rebuild(repo: Repository) -> None:
    """Note that every exhibit is to be indexed anew, and drop what the databases made of it."""
    last = -1
    while True:
        with repo.database.writing() as session:
            query = select(Exhibit.registration, Exhibit.id).where(Exhibit.registration > last)
            rows = session.execute(query.order_by(Exhibit.registration).limit(_CHUNK)).all()
            if not rows:
                break
            expect(session, [row.id for row in rows])
        last = rows[-1].registration


def tokens_of(keyed: Keyed, texts: Iterable[Text]) -> tuple[tuple[int, ...], bool]:
    """Return the tokens of texts, each once and sorted, and whether some were left out."""
    found = {keyed.token(level, EVERY, "") for level in (OPEN, FACTS)}
    partial = False
    for one in texts:
        if len(found) >= MOST_TOKENS:
            partial = True
            break
        for line in _pieces(one.text):
            made = list(words(line))
            found.update(keyed.of_text(TEAM if one.level == TEAM else FACTS, made))
            if one.level == OPEN:
                found.update(keyed.of_text(OPEN, made))
            for number in telephones(line):
                found.add(keyed.token(TEAM if one.level == TEAM else FACTS, "word", number))
                if one.level == OPEN:
                    found.add(keyed.token(OPEN, "word", number))
            if one.field is not None:
                found.update(keyed.of_field(one.level, one.field, made))
            if len(found) >= MOST_TOKENS:
                partial = True
                break
    return tuple(sorted(found)), partial


_PIECE = 1 << 16


def _pieces(said: str) -> Iterator[str]:
    """Yield a text in pieces that end between words, where it is long."""
    start = 0
    while len(said) - start > _PIECE:
        end = max(said.rfind(" ", start, start + _PIECE), said.rfind("\n", start, start + _PIECE))
        end = start + _PIECE if end <= start else end + 1
        yield said[start:end]
        start = end
    yield said[start:]


def _write(session: Session, made: dict[str, Made]) -> None:
    """Replace the tokens of exhibits, in the caller's transaction."""
    rows = session.scalars(
        select(SearchExhibit)
        .where(SearchExhibit.exhibit_id.in_(made))
        .order_by(SearchExhibit.n)
        .with_for_update(key_share=True)
    ).all()
    for row in rows:
        new = made[row.exhibit_id]
        if row.made >= new.asked:
            continue  # another process was quicker
        fill(session, row, new.tokens)
        row.made, row.partial = new.asked, new.partial
        row.sightings, row.facets = new.sightings, new.facets


def fill(session: Session, row: SearchExhibit, tokens: tuple[int, ...]) -> None:
    """Give a row its tokens, and to SQLite's table of words the same."""
    if session.get_bind().dialect.name == "sqlite":
        if row.tokens:
            session.execute(text(_DROP), {"n": row.n, "t": as_text(row.tokens)})
        if tokens:
            session.execute(text(_ADD), {"n": row.n, "t": as_text(tokens)})
    row.tokens = tokens


def as_text(tokens: Iterable[int]) -> str:
    """Return tokens as SQLite's tokenizer splits them."""
    return " ".join(f"{one:x}" for one in tokens)


def forget(session: Session, exhibit_id: str) -> None:
    """Forget an exhibit's words at once, in the caller's transaction: it is being erased."""
    row = session.scalar(
        select(SearchExhibit)
        .where(SearchExhibit.exhibit_id == exhibit_id)
        .with_for_update(key_share=True)
    )
    if row is None:
        return
    fill(session, row, ())
    row.sightings = row.facets = None
    row.asked += 1


def scrub(repo: Repository) -> None:
    """Have forgotten words stand in no file: SQLite's index is merged into one piece, in steps.

    FTS5 writes a deletion beside what it deletes until both are merged. Each step is a transaction
    of its own, so that others write between them. On PostgreSQL `VACUUM FULL` does it
    (docs/operate.md).
    """
    if repo.database.dialect != "sqlite":
        return
    pages = -_MERGED  # below zero: begin with all that there is
    while True:
        with repo.database.writing() as session:
            driver: Any = session.connection().connection.driver_connection
            before = driver.total_changes
            session.execute(text(_MERGE), {"pages": pages})
            if driver.total_changes - before < 2:  # as SQLite says that nothing was left to do
                return
        pages = _MERGED
