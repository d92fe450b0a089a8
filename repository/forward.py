"""Bring a database that is older than what was given out forward, from what the store holds.

1. The ledger, from its mirror and then from the journals after it, every head checked.
2. The rows of exhibits that were registered since, with the openings of their arrival.
3. Every erasure since, again; and what was restricted or taken away since, as far as it must be
   guessed, is guessed strictly: such exhibits are sealed, tokens and sessions end.

Where more is known outside, or by a checkpoint in the store, than comes back, it ends after the
rows: nothing is recorded until the same is run again, with what was lost or after a successor
ledger has begun.

What people did otherwise since the database's copy was made is in the ledger, and is counted.
"""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select, update

from custody.entry import Act, Draft
from custody.errors import EntriesMissing
from custody.note import VerifierKey
from custody.rebuild import rebuild as rebuild_ledger
from repository import Repository, journal, ledger_mirror, marking, outside
from repository.conditions import Marking
from repository.credentials import WebSession
from repository.erasure import erase_again
from repository.identities import forget_again
from repository.keys import mirror_key
from repository.models import Case, Exhibit, Token
from repository.people import SYSTEM
from repository.remade import remake
from repository.rules import Marking as MarkingRow
from repository.stores import ObjectStore

# Of these the rows come back; and these leave none.
_COMES_BACK = frozenset(
    {
        Act.SUBMISSION, Act.RECEIPT, Act.REGISTRATION, Act.MESSAGE_DIGEST_CALCULATION,
        Act.QUARANTINE, Act.VIRUS_CHECK, Act.FORMAT_IDENTIFICATION, Act.METADATA_EXTRACTION,
        Act.DERIVATIVE_CREATION, Act.CONSULTATION, Act.RETRIEVAL, Act.ACCESS_DENIED,
        Act.DELETION_APPROVED, Act.ERASURE, Act.CHECKPOINT_ANCHORED, Act.KEY_ROTATION,
        Act.SERVICE_STARTED, Act.STORE_CHECK, Act.FIXITY_CHECK, Act.REPLICATION, Act.RESTORED,
        Act.SIGN_IN, Act.COLLECTION, Act.SIGNATURE_VALIDATION, Act.REPORT_GENERATED,
    }
)  # fmt: skip
_STRICTER = frozenset({Act.HANDLING_CHANGE, Act.SEALING, Act.CONSENT_WITHDRAWN})
_SEALED = "restored from a backup: how it is to be handled was changed after the backup was made"


@dataclass(frozen=True, slots=True)
class Forward:
    """What came back, and what did not."""

    start: int  # the size of the ledger before
    size: int
    added: int
    exhibits: tuple[str, ...]  # numbers of those that the database lacked
    erased_again: int
    forgotten_again: int
    sealed: tuple[str, ...]  # numbers of exhibits whose handling has to be said anew
    signed_out: int  # tokens and sessions that ended
    again: dict[str, int] = field(default_factory=dict)  # acts since that are to be done again
    beyond: tuple[outside.Shown, ...] = ()  # what is known outside, and nothing brought back
    unasked: tuple[str, ...] = ()  # witnesses that could not be compared with
    missing: str = ""  # what the store lacks of the entries under its own checkpoints


def bring_forward(
    repo: Repository,
    first: VerifierKey,
    *,
    store: ObjectStore | None = None,
    record: bool = True,
    known: outside.Known = outside.NOTHING,
) -> Forward:
    """Bring the repository forward to the newest entry that the store holds; record it.

    Broken off anywhere, the same again goes on.

    Args:
        repo: the repository; its ledger was not written to since it was opened.
        first: the log's first key.
        store: where the ledger is mirrored, if not in the repository's own store.
        record: False for a drill: nothing is written but this database.
        known: checkpoints and receipts from outside to compare with; the witnesses are asked too.

    Raises:
        EntriesMissing: in a drill: entries up to a checkpoint of the store are not there.
        LedgerDamaged: what is in the store does not lead to a checkpoint.
        MalformedNote, BadSignature: a checkpoint is not this ledger's.
        StoreUnavailable: the store does not answer.
    """
    mirror = store or repo.store
    marker = repo.settings.data / "work" / "forward.json"
    start = min(repo.ledger.size(), _begun(marker))
    before = repo.ledger.size()
    if start == before:  # else an interrupted run goes on: its rows are not all there yet
        marker.write_text(json.dumps({"from": start}) + "\n")
    missing = ""
    try:
        ledger_mirror.rebuild(repo.database, mirror, [first], key=mirror_key(repo, mirror))
    except EntriesMissing as error:
        if not record:
            raise
        missing = str(error)
    _from_journals(repo, first)
    size = repo.ledger.size()
    if record:
        outside.keep_mirrored(repo, ledger_mirror.last_note(mirror, size))
    exhibits = _rows(repo, start)
    beyond, unasked = outside.look(repo, known) if record else ([], [])
    if beyond:
        ended = _sign_out(repo) if size > start else 0
        return Forward(
            start, size, size - before, tuple(exhibits), 0, 0, (), ended,
            beyond=tuple(beyond), unasked=tuple(unasked), missing=missing,
        )  # fmt: skip
    erased, forgotten = erase_again(repo), forget_again(repo)
    sealed: list[str] = []
    ended = 0
    again: Counter[str] = Counter()
    if size > start:
        for entry in repo.ledger.entries(start, size):
            if entry.fields["type"] not in _COMES_BACK:
                again[entry.fields["type"]] += 1
        ended = _sign_out(repo)
    if size > start and record:
        repo.ledger.record(
            Draft(Act.RESTORED, SYSTEM, plain={"count": size - start}, reason="ledger-rebuilt")
        )
        sealed = _seal(repo, start, size)
    if record:
        ledger_mirror.publish(repo)
    marker.unlink(missing_ok=True)
    return Forward(
        start, size, size - before, tuple(exhibits), erased, forgotten, tuple(sealed), ended,
        dict(sorted(again.items())), unasked=tuple(unasked),
    )  # fmt: skip


def _begun(marker: Path) -> int:
    """Return from which size an interrupted run went forward; a very large one if none did."""
    with suppress(FileNotFoundError, ValueError, KeyError):
        return int(json.loads(marker.read_text())["from"])
    return 1 << 62


def _from_journals(repo: Repository, first: VerifierKey) -> None:
    for segment in ledger_mirror.segments(repo, repo.ledger.size()):
        size = repo.ledger.size()
        if segment.end <= size or segment.start > size:
            continue  # what lies between is in no journal: see `Forward.size`
        found = journal.read(repo, segment)
        some = (body.encode() for body in found["bodies"][size - segment.start :])
        rebuild_ledger(repo.database, some, [found["note"]], [first])


def _rows(repo: Repository, start: int) -> list[str]:
    """Write the rows that registrations since a size had left; return the numbers of exhibits."""
    got: list[str] = []
    size = repo.ledger.size()
    for document in ledger_mirror.read_registered(repo, start):
        if document["end"] <= size:
            got += remake(repo, document)
    for segment in ledger_mirror.segments(repo, start):
        found = journal.read(repo, segment)["registered"]
        if found is not None and segment.end <= size:
            got += remake(repo, found)
    numbers: list[str] = []
    for some in range(0, len(got), 500):
        query = select(Exhibit.number).where(Exhibit.id.in_(got[some : some + 500]))
        with repo.database.reading() as session:
            numbers += session.scalars(query.order_by(Exhibit.registration))
    return numbers


def _sign_out(repo: Repository) -> int:
    """End every token and session: some may have been taken away since."""
    at = repo.clock()
    with repo.database.writing() as session:
        count = 0
        for model, column in ((Token, Token.revoked_at), (WebSession, WebSession.ended_at)):
            ids = list(session.scalars(select(model.id).where(column.is_(None))))
            count += len(ids)
            session.execute(update(model).where(column.is_(None)).values({column.key: at}))
    return count


def _seal(repo: Repository, start: int, size: int) -> list[str]:
    """Seal the exhibits whose handling was changed since, as the change itself is not there."""
    changed = {
        entry.fields["exhibit"]["id"]: entry.index
        for entry in repo.ledger.entries(start, size)
        if entry.fields["type"] in _STRICTER and entry.fields.get("exhibit")
    }
    numbers = []
    for exhibit_id, index in changed.items():
        with repo.database.writing() as session:
            exhibit = session.get(Exhibit, exhibit_id)
            row = session.get(MarkingRow, exhibit_id)
            if exhibit is None or (row is not None and row.index >= index):
                continue
            old = Marking.from_json(row.marking) if row is not None else Marking()
            case = session.get_one(Case, exhibit.case_id)
            subject = marking.Subject(exhibit.id, exhibit.number, case, exhibit)
            new = replace(old, sealed=True, named=())
            marking.put(repo, session, SYSTEM, subject, old, new, motive=_SEALED)
            numbers.append(exhibit.number)
    return numbers
