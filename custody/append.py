"""Append: complete drafts under the ledger's lock and write entries, tiles and one signed head.

Insert-only. The last head is read under the write lock, the new leaves are carried into its
frontier, and the signed head goes into the same transaction: nothing signed leaves before COMMIT.
What needs no lock, the commitments to withheld values, is `prepare`d before.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.orm import Session

from custody import tables
from custody.canonical import dumps
from custody.checkpoint import Checkpoint
from custody.commitment import Opening, Random, new_key, seal, unwrap_key
from custody.entry import MAX_BODY, Clock, CustodyEntry, Draft, body_of
from custody.errors import LedgerUnavailable, MalformedEntry, SignerUnavailable
from custody.heads import last_head
from custody.keys import KeyEvent, KeyState, events
from custody.merkle import Frontier, leaf_hash
from custody.note import VerifierKey
from custody.signers import Signer, sign_note
from custody.tables import as_bytes, fetch, insert_rows
from custody.tiles import write_tiles

_LOCK = 0x45564944  # "EVID": PostgreSQL's advisory lock of this log

OpenKey = Callable[[KeyEvent], Signer]
Outside = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft and fresh openings of what it withholds."""

    draft: Draft
    openings: dict[str, Opening]


def take_lock(session: Session) -> None:
    """Hold the ledger's lock until the transaction ends; on SQLite it began with it."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


class Appender:
    """What every append of one process needs: the log's key as it is now, and the wrapping key."""

    def __init__(
        self,
        signer: Signer,
        *,
        wrapping_key: bytes,
        clock: Clock,
        by: str,
        random: Random,
        open_key: OpenKey | None = None,
        outside: Outside | None = None,
    ) -> None:
        """Bind to the first key.

        Args:
            signer: the log's first key; its name is the origin.
            wrapping_key: 32 bytes that wrap the keys of openings.
            clock: gives the aware time of recording.
            by: software name and version, written in every entry.
            random: n random bytes.
            open_key: returns the signer of a key that was added later.
            outside: told the size before the first append; raises if memory outside is longer.
        """
        self.signer = self._first = signer
        self._wrapping_key = wrapping_key
        self._clock = clock
        self._by = by
        self._random = random
        self._open_key = open_key
        self._outside = outside
        self._admitting = threading.Lock()
        self._refusal: LedgerUnavailable | None = None

    def refuse(self, error: LedgerUnavailable | None) -> None:
        """Append nothing more in this process: every later append raises the error; None: go on."""
        self._refusal = error

    def _admit(self, session: Session) -> None:
        """Compare the size with memory outside, once, before anything is appended.

        Raises:
            LedgerBehind: this ledger is shorter than one given out before.
        """
        with self._admitting:
            if self._refusal is not None:
                raise self._refusal
            if self._outside is not None:
                self._outside(last_head(session).size)
                self._outside = None

    def prepare(self, drafts: Sequence[Draft]) -> list[Prepared]:
        """Commit to what drafts withhold; needs no lock.

        Raises:
            NotCanonical: a withheld value has no canonical form.
        """
        return [Prepared(draft, draft.openings(self._random)) for draft in drafts]

    def append(
        self, session: Session, prepared: Sequence[Prepared], *, admitted: bool = False
    ) -> list[CustodyEntry]:
        """Append inside the caller's write transaction; see `Ledger.append`.

        `admitted`: memory outside was compared already, as where a successor begins.
        """
        take_lock(session)  # first: else another process could grow and publish in between
        if not admitted:
            self._admit(session)
        last = last_head(session)
        entries, leaves = self._write_entries(session, prepared, last.size)
        frontier = last.frontier
        for leaf in leaves:
            frontier.append(leaf)
        write_tiles(session, last.size, leaves)
        self._write_head(session, frontier)
        return entries

    def _write_entries(
        self, session: Session, prepared: Sequence[Prepared], start: int
    ) -> tuple[list[CustodyEntry], list[bytes]]:
        at = self._clock()
        next_seq = _next_seqs(session, {p.draft.exhibit.id for p in prepared if p.draft.exhibit})
        entries, leaves, rows, exhibits = [], [], [], []
        openings: list[tuple[int, str, str, Opening]] = []
        for index, one in enumerate(prepared, start):
            draft, opened, seq = one.draft, one.openings, None
            if draft.exhibit is not None:
                seq = next_seq[draft.exhibit.id]
                next_seq[draft.exhibit.id] += 1
                exhibits.append((draft.exhibit.id, seq, index))
            fields = body_of(draft, opened, at=at, seq=seq, by=self._by, random=self._random)
            body = dumps(fields)
            if len(body) > MAX_BODY:
                raise MalformedEntry(f"an entry of {len(body)} bytes is longer than {MAX_BODY}")
            leaf = leaf_hash(body)
            entries.append(CustodyEntry(index, body))
            leaves.append(leaf)
            rows.append((index, leaf, body, fields["id"]))
            openings.extend((index, name, draft.subject_of(name), o) for name, o in opened.items())
        insert_rows(session, tables.entry, rows)
        insert_rows(session, tables.entry_exhibit, exhibits)
        self._write_openings(session, openings)
        return entries, leaves

    def _write_openings(
        self, session: Session, openings: Sequence[tuple[int, str, str, Opening]]
    ) -> None:
        keys = self._opening_keys(session, {subject for _, _, subject, _ in openings})
        ciphers = {subject: AESGCM(key) for subject, key in keys.items()}
        rows = [
            (
                index,
                name,
                subject,
                seal(opening, ciphers[subject], index=index, field=name, random=self._random),
            )
            for index, name, subject, opening in openings
        ]
        insert_rows(session, tables.opening, rows)

    def _opening_keys(self, session: Session, subjects: set[str]) -> dict[str, bytes]:
        """Return the keys of subjects, made where there is none.

        They are read anew each time: a key that was destroyed must seal nothing more.
        """
        if not subjects:
            return {}
        found: dict[str, bytes] = {}
        names, fresh = sorted(subjects), []
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            marks = ", ".join("?" * len(some))
            query = f"SELECT subject, wrapped FROM opening_key WHERE subject IN ({marks})"  # noqa: S608 - marks only
            for row in fetch(session, query, some):
                found[row.subject] = unwrap_key(self._wrapping_key, as_bytes(row.wrapped))
        for subject in sorted(subjects - set(found)):
            found[subject], wrapped = new_key(self._wrapping_key, self._random)
            fresh.append((subject, wrapped))
        insert_rows(session, tables.opening_key, fresh)
        return found

    def _write_head(self, session: Session, frontier: Frontier) -> None:
        root = frontier.root()
        signer = self.signer_for(session, frontier.size)
        note = sign_note(Checkpoint(signer.key.name, frontier.size, root).text(), signer)
        insert_rows(session, tables.head, [(frontier.size, root, frontier.to_bytes(), note)])

    def signer_for(self, session: Session, size: int) -> Signer:
        """Return the signer whose key counts for a head of this size; another process may rotate.

        Raises:
            SignerUnavailable: the key that counts cannot be opened here.
        """
        kind = self.signer.key.type
        added = [
            event
            for event in events(session)
            if event.state is KeyState.ADDED and event.key.type == kind and event.size <= size
        ]
        if not added:
            self.signer = self._first  # also after a key was added and undone
        elif added[-1].key != self.signer.key:
            if self._open_key is None:
                raise SignerUnavailable("the log's key was rotated; its new key is not known here")
            self.signer = _checked(self._open_key(added[-1]), added[-1].key)
        return self.signer


def _checked(signer: Signer, key: VerifierKey) -> Signer:
    if signer.key != key:
        raise SignerUnavailable(f"the key of {key.name} that was opened is not the one recorded")
    return signer


def _next_seqs(session: Session, exhibits: set[str]) -> dict[str, int]:
    """Return the next sequence number of each exhibit; each found by one step into the index."""
    found = dict.fromkeys(exhibits, 1)
    names = sorted(exhibits)
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        rows = fetch(
            session,
            "SELECT column1, (SELECT max(seq) FROM entry_exhibit WHERE exhibit = column1) AS last "  # noqa: S608 - marks only
            f"FROM (VALUES {', '.join(['(?)'] * len(some))}) AS asked",
            some,
        )
        found.update((row.column1, row.last + 1) for row in rows if row.last is not None)
    return found
