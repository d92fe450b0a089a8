"""The disclosure register as a list to work on elsewhere: written as CSV, read back whole or not.

Each row says at which entry it was written out. Read back, a row that was changed since is a
conflict that is shown; with any problem in any row nothing is applied. Text stays text: a cell
that a spreadsheet would take for a formula is written with a `'` before it and read without.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Draft, uuid7
from custody.errors import EvidenceError
from repository import Repository
from repository.access import Right, decide
from repository.access_log import cell, csv_line, uncell
from repository.associations import is_in, known_associated
from repository.authorise import Caller, of_exhibits, on_case, who
from repository.consult import known, known_exhibits
from repository.errors import BadRequest, ListConflicts
from repository.exhibits import ref
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.register import (
    WARNED,
    Judgement,
    Proposed,
    apply,
    check_judgement,
    reviews_of,
    rows_of,
)  # fmt: skip
from repository.review_bulk import Looked, lots, put_down, touched_since
from repository.sealed import put_document
from repository.stated import stated_motive

NEEDED = ("exhibit", "entry", "classification")
WORDS = ("rule", "withheld", "redactions")
TOLD = ("review", "reviewer", "reviewed_at", "privilege")  # written for people, not read back
COLUMNS = (*NEEDED, *WORDS, *TOLD)
MAX_BYTES = 64 << 20
MAX_ROWS = 100_000
MAX_PROBLEMS = 1_000  # told; all are counted
MAX_CELL = 500_000
_TOGETHER = 1_000
_WRITTEN = 2_000  # with one signature of the ledger

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a list that was read back."""

    rows: int
    changed: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {"rows": self.rows, "changed": self.changed, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    number: str
    entry: str
    said: Judgement


@dataclass(slots=True)
class _Problems:
    """What is wrong with a list, by line."""

    told: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, what: str) -> None:
        self.count += 1
        if len(self.told) < MAX_PROBLEMS:
            self.told.append({"line": line, "problem": what})

    def stop(self) -> None:
        """Refuse the list if anything is wrong with it."""
        if self.count:
            first = self.told[0]
            raise ListConflicts(
                f"nothing was applied: {self.count} problem(s), the first in line "
                f"{first['line']}: {first['problem']}",
                count=self.count,
                problems=self.told,
            )


def write_list(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    numbers: Sequence[str] | None = None,
    second: bool = False,
) -> bytes:
    """Return the register of a proceeding as CSV: all of it, or the numbers that are given.

    For the second review, the words of the first are not in it.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: a number that is none of the proceeding, for this caller.
    """
    actor, case = on_case(repo, caller, Right.REVIEW, code, attempted=Act.CONSULTATION)
    lines, count = [csv_line(COLUMNS)], 0
    with repo.database.reading() as session:
        for exhibits in _chosen(repo, session, caller, case, numbers):
            count += len(exhibits)
            pairs = [
                (one, thing)
                for home, some in _by_home(session, exhibits)
                for one, thing in zip(some, of_exhibits(session, caller, home, some), strict=True)
            ]
            found = {row["exhibit"]: row for row in rows_of(repo, session, case, pairs)}
            had = reviews_of(session, case, [one.id for one in exhibits], second=second)
            for one in exhibits:
                row, mine = found[one.number], had.get(one.id)
                said = mine.said if mine else Judgement("not-reviewed").to_json()
                entry = "" if mine is None else str(mine.index)
                values = _cells(Judgement.from_json(said))
                reviewer = row["second"]["reviewer"] if second and mine else row["reviewer"]
                at = row["second"]["reviewed_at"] if second and mine else row["reviewed_at"]
                told = (row["review"], reviewer, at, row["privilege"])
                lines.append(csv_line((one.number, entry, *values, *told)))
    data = "".join(lines).encode()
    stored, digest = put_document(repo, data)
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="disclosure-register-list",
            plain={"count": count, "outputs": [digest], "location": stored.location()},
            withheld={"case": case.code},
            subject=case.id,
        )
    )
    return data


def read_list(
    repo: Repository,
    caller: Caller,
    code: str,
    file: BinaryIO,
    *,
    motive: str,
    second: bool = False,
    progress: Progress = lambda _: None,
) -> Applied:
    """Apply a list that was written out and worked on: all of its rows, or none.

    Args:
        repo: the repository.
        caller: who reviewed; entries say so.
        code: the proceeding.
        file: the CSV.
        motive: why; in every entry.
        second: it is the second review.
        progress: is told how many rows were looked at.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive (recorded), too long, not UTF-8, or no such columns.
        ListConflicts: some rows cannot be applied, each named by its line; nothing was.
    """
    actor, case = on_case(repo, caller, Right.REVIEW, code, attempted=Act.ANNOTATION)
    stated_motive(repo, caller, motive, Act.ANNOTATION, case=case)
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadRequest(f"a list has at most {MAX_BYTES} bytes; send it in several")
    problems, size = _Problems(), repo.ledger.size()
    looked: dict[str, Looked] = {}  # in order as it is, and simple enough to be put down as it is
    again: set[str] = set()  # to be looked at once more under the lock
    numbers: set[str] = set()
    for some in _lots(data, problems):
        with repo.database.reading() as session:
            for one in _proposed(repo, session, caller, case, some, problems, second=second):
                if one.said.classification == WARNED:  # owners are asked, of those kept by them
                    again.add(one.exhibit.number)
                before = one.before.said if one.before else None
                looked[one.exhibit.number] = Looked(ref(one.exhibit), one.said.to_json(), before)
        numbers |= {row.number for row in some}
        progress(len(numbers))
    problems.stop()
    stored, digest = put_document(repo, data)
    request, changed, count = uuid7(repo.clock(), repo.random), 0, len(numbers)
    with repo.database.writing() as session:
        take_lock(session)
        touched = touched_since(repo, session, size)
        again |= numbers if touched is None else touched & numbers
        for lot in _lots(data, problems) if again else ():
            rows = [row for row in lot if row.number in again]
            found = _proposed(repo, session, caller, case, rows, problems, second=second)
            problems.stop()
            changed += apply(repo, session, actor, case, found, motive=motive, request_id=request)
            session.expunge_all()
        simple = (one for number, one in looked.items() if number not in again)
        for some_looked in lots(simple, _WRITTEN):
            put_down(
                repo, session, actor, case, some_looked, second=second, motive=motive,
                request_id=request,
            )  # fmt: skip
            changed += len(some_looked)
        if changed:
            withheld = {"case": case.code, "motive": motive}
            draft = Draft(
                Act.ANNOTATION,
                actor,
                reason="disclosure-review-list",
                request_id=request,
                plain={"count": changed, "inputs": [digest], "location": stored.location()},
                withheld=withheld,
                subject=case.id,
            )
            repo.ledger.append(session, [draft])
    return Applied(count, changed, digest)


# --- reading


def _lots(data: bytes, problems: _Problems) -> Iterator[list[_Row]]:
    """Yield the rows of a list in lots; what cannot be read of them is a problem."""
    text = _text(data)
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lot: list[_Row] = []
    seen: dict[str, tuple[int, bytes]] = {}
    try:
        names = _names(next(reader, []))
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue
            if len(seen) >= MAX_ROWS:
                raise BadRequest(f"a list has at most {MAX_ROWS} rows; send it in several")
            if len(cells) != len(names):
                problems.add(line, f"{len(cells)} cells under {len(names)} columns")
                continue
            given = {name: uncell(value) for name, value in zip(names, cells, strict=True)}
            row = _row(line, given, problems)
            if row is None:
                continue
            mark = sha256(repr((row.entry, row.said)).encode()).digest()
            if row.number in seen:
                first, before = seen[row.number]
                how = "the same" if before == mark else "with other words"
                problems.add(line, f"{shown(row.number)} stands in line {first} too, {how}")
                continue
            seen[row.number] = (line, mark)
            lot.append(row)
            if len(lot) == _TOGETHER:
                yield lot
                lot = []
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num}: this is no CSV: {error}") from error
    if lot:
        yield lot


def _text(data: bytes) -> str:
    """Return the text of a list; a byte order mark of UTF-8 is allowed.

    Raises:
        BadRequest: another encoding, or a character that no text of ours holds.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadRequest("this is UTF-16; save the list as CSV in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadRequest(f"line {line}: not UTF-8; save the list as CSV in UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadRequest(f"line {line}: a text cannot hold U+0000")
    return text


def _names(head: list[str]) -> list[str]:
    names = [one.strip() for one in head]
    for name in names:
        if name not in COLUMNS:
            raise BadRequest(
                f"line 1: there is no column {shown(name)}; there are {', '.join(COLUMNS)}"
            )
        if names.count(name) > 1:
            raise BadRequest(f"line 1: the column {name} stands there twice")
    missing = [name for name in (*NEEDED, *WORDS) if name not in names]
    if missing:
        raise BadRequest(f"line 1: these columns are missing: {', '.join(missing)}")
    return names


def _row(line: int, given: dict[str, str], problems: _Problems) -> _Row | None:
    redactions = []
    for one in given["redactions"].splitlines():
        short, colon, basis = one.partition(":")
        if not colon:
            problems.add(line, "redactions are CODE:BASIS, one a line of the cell")
            return None
        redactions.append((short.strip(), basis.strip()))
    said = Judgement(
        given["classification"].strip(),
        given["rule"].strip() or None,
        given["withheld"].strip() or None,
        tuple(redactions),
    )
    try:
        check_judgement(said)
    except BadRequest as error:
        problems.add(line, str(error))
        return None
    entry = given["entry"].strip()
    if entry and not (entry.isascii() and entry.isdecimal()):
        problems.add(line, "the column entry has the number that was written out, or nothing")
        return None
    return _Row(line, given["exhibit"].strip(), entry, said)


def _proposed(
    repo: Repository,
    session: Session,
    caller: Caller,
    case: Case,
    rows: Sequence[_Row],
    problems: _Problems,
    *,
    second: bool,
) -> list[Proposed]:
    """Return what rows would change, and note what is against any of them."""
    by_number = {row.number: row for row in rows}
    query = select(Exhibit).where(Exhibit.number.in_(by_number))
    known_ones = {one.number: one for one in session.scalars(query)}
    may: dict[str, tuple[Exhibit, Case, Any]] = {}
    for home, some in _by_home(session, list(known_ones.values())):
        asking, now = who(session, caller, home), repo.clock()
        for one, thing in zip(some, of_exhibits(session, caller, home, some), strict=True):
            allowed = decide(asking, Right.REVIEW, thing, None, now).allowed
            if allowed and (home.id == case.id or is_in(session, one, case)):
                may[one.number] = (one, home, thing)
    ids = [one.id for one, _, _ in may.values()]
    had = reviews_of(session, case, ids, second=second)
    other = reviews_of(session, case, ids, second=not second)
    found = []
    for row in rows:
        if row.number not in may:
            problems.add(row.line, f"{case.code} has no exhibit {shown(row.number)} for you")
            continue
        one, home, thing = may[row.number]
        before = had.get(one.id)
        if before is None and row.said == Judgement("not-reviewed"):
            continue  # as it was written out
        if before is not None and _same(Judgement.from_json(before.said), row.said):
            continue
        entry = "" if before is None else str(before.index)
        if row.entry != entry:
            was = "not reviewed" if before is None else f"changed by entry {before.index}"
            problems.add(row.line, f"{one.number} is {was}, not as it was written out")
            continue
        proposed = Proposed(one, home, thing, row.said, before, other.get(one.id), second=second)
        try:
            proposed.check(session, case, caller)
        except EvidenceError as error:
            problems.add(row.line, str(error))
            continue
        found.append(proposed)
    return found


# --- writing


def _chosen(
    repo: Repository,
    session: Session,
    caller: Caller,
    case: Case,
    numbers: Sequence[str] | None,
) -> Iterator[list[Exhibit]]:
    """Yield the exhibits to list, in lots: of the proceeding, or those of the numbers given."""
    if numbers is None:
        after = 0
        while some := known_exhibits(repo, session, caller, case, after=after, limit=_TOGETHER):
            yield some
            after = some[-1].serial
        further = known_associated(repo, session, caller, case)
        for start in range(0, len(further), _TOGETHER):
            yield further[start : start + _TOGETHER]
        return
    wanted = list(dict.fromkeys(numbers))
    if len(wanted) > MAX_ROWS:
        raise BadRequest(f"a list has at most {MAX_ROWS} rows")
    for start in range(0, len(wanted), _TOGETHER):
        lot = wanted[start : start + _TOGETHER]
        rows = list(session.scalars(select(Exhibit).where(Exhibit.number.in_(lot))))
        seen = {
            one.number: one
            for home, some in _by_home(session, rows)
            for one in known(repo, session, caller, home, some)
            if home.id == case.id or is_in(session, one, case)
        }
        for number in lot:
            if number not in seen:
                raise BadRequest(f"{case.code} has no exhibit {shown(number)} for you")
        yield [seen[number] for number in lot]


def _by_home(session: Session, exhibits: Sequence[Exhibit]) -> Iterator[tuple[Case, list[Exhibit]]]:
    homes: dict[str, list[Exhibit]] = {}
    for one in exhibits:
        homes.setdefault(one.case_id, []).append(one)
    for case_id, some in homes.items():
        yield session.get_one(Case, case_id), some


def _cells(said: Judgement) -> tuple[str, ...]:
    """Return how a judgement is written in a list; the lines of a basis become one."""
    redactions = "\n".join(f"{code}:{' '.join(basis.split())}" for code, basis in said.redactions)
    return (
        said.classification,
        (said.rule or "").strip(),
        (said.withheld or "").strip(),
        redactions,
    )


def _same(one: Judgement, other: Judgement) -> bool:
    """Say whether two judgements are written alike: what a list cannot tell apart is no change."""
    pairs = zip(_cells(one), _cells(other), strict=True)
    return all(uncell(cell(a)) == uncell(cell(b)) for a, b in pairs)
