"""Ledger: append in the caller's transaction, record durably before release, read, prove.

Insert-only. Every append reads the last head under the write lock, carries the new leaves into its
frontier and writes entries, full tiles and one signed head; nothing signed leaves before COMMIT.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from custody import tables
from custody.canonical import dumps
from custody.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from custody.commitment import Opening, Random, new_key, seal, unseal, unwrap_key
from custody.database import Database
from custody.entry import MAX_BODY, Clock, CustodyEntry, Draft, body_of
from custody.errors import BadOpening, CustodyError, LedgerDamaged, MalformedEntry, NoSuchEntry
from custody.merkle import Frontier, inclusion_proof, leaf_hash, verify_inclusion
from custody.note import VerifierKey
from custody.receipt import Proof, Receipt
from custody.signers import Signer, sign_note
from custody.tables import as_bytes
from custody.tiles import Nodes, write_tiles

_LOCK = 0x45564944  # "EVID": PostgreSQL's advisory lock of this log


@dataclass(frozen=True, slots=True)
class Head:
    """A stored head: size, root, frontier, and its note once it is signed."""

    size: int
    frontier: Frontier
    note: str | None


class Ledger:
    """The custody ledger in one database; made once and shared by all threads."""

    def __init__(
        self,
        database: Database,
        signer: Signer,
        *,
        wrapping_key: bytes,
        clock: Clock,
        by: str,
        random: Random = os.urandom,
    ) -> None:
        """Bind the ledger to its database.

        Args:
            database: where the ledger's tables are.
            signer: the log's key; its name is the origin.
            wrapping_key: 32 bytes that wrap the keys of openings.
            clock: gives the aware time of recording.
            by: software name and version, written in every entry.
            random: n random bytes.
        """
        self._database = database
        self._signer = signer
        self._wrapping_key = wrapping_key
        self._clock = clock
        self._by = by
        self._random = random

    @property
    def key(self) -> VerifierKey:
        """Return the log's verifier key."""
        return self._signer.key

    def append(self, session: Session, drafts: Sequence[Draft]) -> list[CustodyEntry]:
        """Append entries inside the caller's write transaction, as its last statements.

        They exist when, and only when, the caller's transaction commits.

        Raises:
            MalformedEntry: a draft breaks the vocabulary; nothing is appended.
        """
        if not drafts:
            return []
        for draft in drafts:
            draft.check()
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        last = _last_head(session)
        entries = self._write_entries(session, drafts, last.size)
        leaves = [leaf_hash(entry.body) for entry in entries]
        for leaf in leaves:
            last.frontier.append(leaf)
        write_tiles(session, last.size, leaves)
        self._write_head(session, last.frontier)
        return entries

    def record(self, *drafts: Draft) -> list[CustodyEntry]:
        """Append entries in a transaction of their own; return only after COMMIT.

        Raises:
            LedgerUnavailable: the entries could not be committed; the act must not go on.
            MalformedEntry: a draft breaks the vocabulary.
        """
        with self._database.writing() as session:
            return self.append(session, drafts)

    def checkpoint(self) -> SignedCheckpoint | None:
        """Return the latest signed head, or None for an empty ledger."""
        with self._database.reading() as session:
            head = _last_head(session)
        return self._open(head) if head.size else None

    def checkpoint_at(self, size: int) -> SignedCheckpoint:
        """Return the signed head of a size.

        Raises:
            NoSuchEntry: no head of this size was ever made.
        """
        with self._database.reading() as session:
            return self._open(_head(session, size))

    def entry(self, index: int) -> CustodyEntry:
        """Return the entry at an index, its bytes checked against the latest signed head.

        Raises:
            NoSuchEntry: no entry at this index.
            LedgerDamaged: the stored bytes are not those that were signed.
        """
        return self.proved([index])[0]

    def proved(self, indexes: Sequence[int]) -> list[CustodyEntry]:
        """Return entries, their bytes checked against the latest signed head; tiles are read once.

        Raises:
            NoSuchEntry, LedgerDamaged: as `entry`.
        """
        return [entry for entry, _ in self._prove(indexes, None)]

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[CustodyEntry]:
        """Yield the entries from start to before stop as stored; nothing is verified."""
        position = start
        while stop is None or position < stop:
            upto = position + 1_000 if stop is None else min(position + 1_000, stop)
            with self._database.reading() as session:
                rows = session.execute(
                    select(tables.entry.c.idx, tables.entry.c.body)
                    .where(tables.entry.c.idx >= position, tables.entry.c.idx < upto)
                    .order_by(tables.entry.c.idx)
                ).all()
            yield from (CustodyEntry(index, as_bytes(body)) for index, body in rows)
            if len(rows) < upto - position:
                return
            position = upto

    def size(self) -> int:
        """Return the number of entries under the latest head, as stored; nothing is verified."""
        with self._database.reading() as session:
            return session.scalar(select(func.max(tables.head.c.size))) or 0

    def history(self, exhibit: str, *, size: int | None = None) -> list[CustodyEntry]:
        """Return all entries about an exhibit (internal id), in order, below a tree size."""
        query = (
            select(tables.entry.c.idx, tables.entry.c.body)
            .join(tables.entry_exhibit, tables.entry_exhibit.c.idx == tables.entry.c.idx)
            .where(tables.entry_exhibit.c.exhibit == exhibit)
            .order_by(tables.entry_exhibit.c.seq)
        )
        if size is not None:
            query = query.where(tables.entry.c.idx < size)
        with self._database.reading() as session:
            rows = session.execute(query).all()
        return [CustodyEntry(index, as_bytes(body)) for index, body in rows]

    def proof(self, index: int, *, size: int | None = None) -> Proof:
        """Return the inclusion proof of an entry in the head of a size (the latest by default).

        Raises:
            NoSuchEntry: no such entry, or no head of this size.
            LedgerDamaged: the stored entry does not lead to the signed root.
        """
        return self.proofs([index], size=size)[0]

    def proofs(self, indexes: Sequence[int], *, size: int | None = None) -> list[Proof]:
        """Return inclusion proofs of several entries in one head; tiles are read once.

        Raises:
            NoSuchEntry, LedgerDamaged: as `proof`.
        """
        return [proof for _, proof in self._prove(indexes, size)]

    def receipt(self, entry: CustodyEntry, proof: Proof, *, submission: str) -> Receipt:
        """Return the receipt of a registration with its proof."""
        about = entry.fields["exhibit"]
        return Receipt(
            submission=submission,
            exhibit=about["number"],
            sha256=about["sha256"],
            size=about["size"],
            index=entry.index,
            body=entry.body.decode(),
            proof=str(proof),
            key=str(self.key),
            openings={},
            witnessed_by=[],
            unwitnessed_since=entry.fields["at"],
        )

    def openings(self, indexes: Sequence[int]) -> dict[int, dict[str, Opening]]:
        """Return the openings of entries that still can be opened, by index and field.

        An opening whose key was destroyed is absent. Whether openings fit their commitments is
        for the caller (`Opening.opens`) or the audit to check.

        Raises:
            BadOpening: a stored opening is damaged.
        """
        found: dict[int, dict[str, Opening]] = {index: {} for index in indexes}
        with self._database.reading() as session:
            for start in range(0, len(indexes), 500):
                rows = session.execute(
                    select(tables.opening, tables.opening_key.c.wrapped)
                    .join(
                        tables.opening_key,
                        tables.opening_key.c.subject == tables.opening.c.subject,
                    )
                    .where(tables.opening.c.idx.in_(indexes[start : start + 500]))
                ).all()
                for row in rows:
                    key = unwrap_key(self._wrapping_key, as_bytes(row.wrapped))
                    sealed = as_bytes(row.sealed)
                    found[row.idx][row.field] = unseal(sealed, key, index=row.idx, field=row.field)
        return found

    def opened(self, entry: CustodyEntry) -> dict[str, Any]:
        """Return the withheld values of an entry that can be opened, each checked.

        Raises:
            BadOpening: an opening does not belong to its commitment.
        """
        openings = self.openings([entry.index])[entry.index]
        return checked_values(entry, openings)

    # --- writing ---

    def _write_entries(
        self, session: Session, drafts: Sequence[Draft], start: int
    ) -> list[CustodyEntry]:
        at = self._clock()
        next_seq = _next_seqs(session, {d.exhibit.id for d in drafts if d.exhibit})
        entries, rows, exhibits = [], [], []
        openings: list[tuple[int, str, str, Opening]] = []
        for index, draft in enumerate(drafts, start):
            seq = None
            if draft.exhibit is not None:
                seq = next_seq[draft.exhibit.id]
                next_seq[draft.exhibit.id] += 1
                exhibits.append({"exhibit": draft.exhibit.id, "seq": seq, "idx": index})
            opened = draft.openings(self._random)
            fields = body_of(draft, opened, at=at, seq=seq, by=self._by, random=self._random)
            body = dumps(fields)
            if len(body) > MAX_BODY:
                raise MalformedEntry(f"an entry of {len(body)} bytes is longer than {MAX_BODY}")
            entries.append(CustodyEntry(index, body))
            rows.append({"idx": index, "leaf": leaf_hash(body), "body": body, "id": fields["id"]})
            openings.extend(
                (index, name, draft.subject_of(name), opening) for name, opening in opened.items()
            )
        session.execute(insert(tables.entry), rows)
        if exhibits:
            session.execute(insert(tables.entry_exhibit), exhibits)
        self._write_openings(session, openings)
        return entries

    def _write_openings(
        self, session: Session, openings: Sequence[tuple[int, str, str, Opening]]
    ) -> None:
        if not openings:
            return
        keys = self._opening_keys(session, {subject for _, _, subject, _ in openings})
        session.execute(
            insert(tables.opening),
            [
                {
                    "idx": index,
                    "field": name,
                    "subject": subject,
                    "sealed": seal(
                        opening, keys[subject], index=index, field=name, random=self._random
                    ),
                }
                for index, name, subject, opening in openings
            ],
        )

    def _opening_keys(self, session: Session, subjects: set[str]) -> dict[str, bytes]:
        found = {
            row.subject: unwrap_key(self._wrapping_key, as_bytes(row.wrapped))
            for row in session.execute(
                select(tables.opening_key).where(tables.opening_key.c.subject.in_(subjects))
            )
        }
        fresh = []
        for subject in sorted(subjects - set(found)):
            found[subject], wrapped = new_key(self._wrapping_key, self._random)
            fresh.append({"subject": subject, "wrapped": wrapped})
        if fresh:
            session.execute(insert(tables.opening_key), fresh)
        return found

    def _write_head(self, session: Session, frontier: Frontier) -> None:
        root = frontier.root()
        checkpoint = Checkpoint(self._signer.key.name, frontier.size, root)
        session.execute(
            insert(tables.head),
            {
                "size": frontier.size,
                "root": root,
                "frontier": frontier.to_bytes(),
                "note": sign_note(checkpoint.text(), self._signer),
            },
        )

    # --- proving ---

    def _prove(self, indexes: Sequence[int], size: int | None) -> list[tuple[CustodyEntry, Proof]]:
        with self._database.reading() as session:
            head = _last_head(session) if size is None else _head(session, size)
            nodes = Nodes(session, head.size)
            found = []
            for index in indexes:
                if not 0 <= index < head.size:
                    raise NoSuchEntry(f"the ledger of {head.size} entries has no entry {index}")
                path = inclusion_proof(index, head.size, nodes.node)
                proof = Proof(index, tuple(path), head.note or "")
                found.append((CustodyEntry(index, _body(session, index)), proof))
        if found:
            checkpoint = self._open(head).checkpoint
            for entry, proof in found:
                _check(entry, proof, checkpoint)
        return found

    def _open(self, head: Head) -> SignedCheckpoint:
        if head.note is None:
            raise LedgerDamaged(f"the head of size {head.size} was never signed")
        try:
            return open_checkpoint(head.note, [self.key])
        except CustodyError as error:
            raise LedgerDamaged(
                f"the head of size {head.size} is not signed by this ledger: {error}"
            ) from error


def _check(entry: CustodyEntry, proof: Proof, head: Checkpoint) -> None:
    leaf = leaf_hash(entry.body)
    if not verify_inclusion(leaf, entry.index, head.size, proof.path, head.root):
        raise LedgerDamaged(
            f"entry {entry.index} is not what was signed; run: evidence verify --ledger"
        )


def checked_values(entry: CustodyEntry, openings: Mapping[str, Opening]) -> dict[str, Any]:
    """Return the values of openings, each checked against the entry's commitment.

    Raises:
        BadOpening: an opening does not belong to the entry.
    """
    commitments = entry.fields.get("_sd", {})
    for name, opening in openings.items():
        if name not in commitments or not opening.opens(commitments[name]):
            raise BadOpening(f"the opening of {name} does not belong to entry {entry.index}")
    return {name: opening.value for name, opening in openings.items()}


def _last_head(session: Session) -> Head:
    row = session.execute(
        select(tables.head).order_by(tables.head.c.size.desc()).limit(1)
    ).one_or_none()
    return _to_head(row) if row else Head(0, Frontier(), None)


def _head(session: Session, size: int) -> Head:
    row = session.execute(select(tables.head).where(tables.head.c.size == size)).one_or_none()
    if row is None:
        raise NoSuchEntry(f"no checkpoint of size {size} was ever made")
    return _to_head(row)


def _to_head(row: Any) -> Head:
    try:
        return Head(row.size, Frontier.from_bytes(row.size, as_bytes(row.frontier)), row.note)
    except ValueError as error:
        raise LedgerDamaged(f"the head of size {row.size} is damaged: {error}") from error


def _body(session: Session, index: int) -> bytes:
    body = session.scalar(select(tables.entry.c.body).where(tables.entry.c.idx == index))
    if body is None:
        raise NoSuchEntry(f"the ledger has no entry {index}")
    return as_bytes(body)


def _next_seqs(session: Session, exhibits: set[str]) -> dict[str, int]:
    rows = session.execute(
        select(tables.entry_exhibit.c.exhibit, func.max(tables.entry_exhibit.c.seq))
        .where(tables.entry_exhibit.c.exhibit.in_(exhibits))
        .group_by(tables.entry_exhibit.c.exhibit)
    )
    found = {exhibit: seq + 1 for exhibit, seq in rows}
    return {exhibit: found.get(exhibit, 1) for exhibit in exhibits}
