"""Ledger: append in the caller's transaction, record durably before release, read, prove.

Insert-only. Every append reads the last head under the write lock, carries the new leaves into its
frontier and writes entries, full tiles and one signed head; nothing signed leaves before COMMIT.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody import tables
from custody.append import Appender, OpenKey, Outside, take_lock
from custody.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from custody.commitment import Opening, Random, unseal, unwrap_key
from custody.database import Database
from custody.entry import Act, Actor, Clock, CustodyEntry, Draft
from custody.errors import (
    BadOpening,
    CustodyError,
    LedgerDamaged,
    LedgerUnavailable,
    MalformedEntry,
    NoSuchEntry,
)
from custody.heads import Head, head_of, last_head, note_with_lines
from custody.keys import KeyState, TrustedKey, events, history, keys_for, vouch
from custody.merkle import consistency_proof, inclusion_proof, leaf_hash, verify_inclusion
from custody.note import VerifierKey
from custody.receipt import AnyReceipt, Proof, Receipt, SubmissionReceipt, TransferReceipt
from custody.recorder import Recorder
from custody.signers import Signer
from custody.tables import as_bytes, insert_rows
from custody.tiles import Nodes


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
        open_key: OpenKey | None = None,
        outside: Outside | None = None,
    ) -> None:
        """Bind the ledger to its database.

        Args:
            database: where the ledger's tables are.
            signer: the log's first key; its name is the origin.
            wrapping_key: 32 bytes that wrap the keys of openings.
            clock: gives the aware time of recording.
            by: software name and version, written in every entry.
            random: n random bytes.
            open_key: returns the signer of a key that was added later.
            outside: told the size before the first append; raises `LedgerBehind` if memory
                outside the database is longer.
        """
        self.database = database
        self._first_key = signer.key
        self._wrapping_key = wrapping_key
        self._appender = Appender(
            signer, wrapping_key=wrapping_key, clock=clock, by=by, random=random,
            open_key=open_key, outside=outside,
        )  # fmt: skip
        self._recorder = Recorder(self._commit)
        # All receipts of a batch carry one checkpoint; which key signed it never changes.
        self._key_under = lru_cache(maxsize=8)(
            lambda note: str(keys_for(note, self.key_history())[-1])
        )

    @property
    def origin(self) -> str:
        """Return the ledger's name in checkpoints: the successor's where there is one."""
        return self.key.name

    @property
    def key(self) -> VerifierKey:
        """Return the verifier key that signs now."""
        return [known.key for known in self.key_history() if known.stop is None][-1]

    def key_history(self) -> list[TrustedKey]:
        """Return every signing key the log ever had, with the sizes each may sign."""
        with self.database.reading() as session:
            return history([self._first_key], events(session))

    def append(
        self, session: Session, drafts: Sequence[Draft], *, admitted: bool = False
    ) -> list[CustodyEntry]:
        """Append entries inside the caller's write transaction, as its last statements.

        They exist when, and only when, the caller's transaction commits. `admitted`: memory outside
        was compared already, as where a successor begins.

        Raises:
            MalformedEntry: a draft breaks the vocabulary; nothing is appended.
            LedgerBehind: this ledger is shorter than one given out before.
        """
        if not drafts:
            return []
        for one in drafts:
            one.check()
        return self._appender.append(session, self._appender.prepare(drafts), admitted=admitted)

    def record(self, *drafts: Draft) -> list[CustodyEntry]:
        """Append entries durably, grouped with what other threads record; return after COMMIT.

        Raises:
            LedgerUnavailable: the entries could not be committed; the act must not go on.
            LedgerBehind: this ledger is shorter than one given out before.
            MalformedEntry: a draft breaks the vocabulary.
        """
        for one in drafts:
            one.check()  # in the caller's own thread: what is malformed spoils nobody's batch
        return self._recorder.record(drafts)

    def refuse(self, error: LedgerUnavailable | None) -> None:
        """Append nothing more in this process: memory outside is longer, or contradicts it.

        None: what was refused is settled.
        """
        self._appender.refuse(error)

    def change_key(
        self,
        actor: Actor,
        key: VerifierKey,
        state: KeyState,
        *,
        uri: str | None = None,
        size: int | None = None,
    ) -> CustodyEntry:
        """Record that a key of the log was added, retired or compromised.

        Args:
            actor: who decides it.
            key: the key it is about.
            state: what happened to it.
            uri: where a key that is added can be opened.
            size: from which tree size on; by default the size after this entry's own head.

        Raises:
            MalformedEntry: the key belongs to another log.
            LedgerUnavailable: it could not be committed.
        """
        with self.database.writing() as session:
            return self.change_key_within(session, actor, key, state, uri=uri, size=size)

    def change_key_within(
        self,
        session: Session,
        actor: Actor,
        key: VerifierKey,
        state: KeyState,
        *,
        uri: str | None = None,
        size: int | None = None,
    ) -> CustodyEntry:
        """Do as `change_key` inside the caller's write transaction, as its last statements."""
        if key.name != self.origin:
            raise MalformedEntry(f"a key of this log is named {self.origin}, not {key.name}")
        take_lock(session)
        head = last_head(session).size + 1  # of this entry
        since = head + 1 if size is None else size
        about = vouch(self.signer_for(session, head), state, key, since)
        [entry] = self.append(session, [Draft(Act.KEY_ROTATION, actor, plain={"key": about})])
        row = (entry.index, str(key), str(state), since, uri)
        insert_rows(session, tables.key_event, [row])
        return entry

    def signer_for(self, session: Session, size: int) -> Signer:
        """Return the signer whose key counts for a head of this size."""
        return self._appender.signer_for(session, size)

    def checkpoint(self) -> SignedCheckpoint | None:
        """Return the latest signed head, or None for an empty ledger."""
        with self.database.reading() as session:
            head = last_head(session)
        return self._open(head) if head.size else None

    def published_note(self) -> str | None:
        """Return the newest published checkpoint with every line it has, or None."""
        with self.database.reading() as session:
            size = session.scalar(select(func.max(tables.published.c.size)))
            return None if size is None else note_with_lines(session, size)

    def checkpoint_at(self, size: int) -> SignedCheckpoint:
        """Return the signed head of a size.

        Raises:
            NoSuchEntry: no head of this size was ever made.
        """
        with self.database.reading() as session:
            return self._open(head_of(session, size))

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
        return [entry for entry, _ in self.with_proofs(indexes)]

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[CustodyEntry]:
        """Yield the entries from start to before stop as stored; nothing is verified."""
        position = start
        while stop is None or position < stop:
            upto = position + 1_000 if stop is None else min(position + 1_000, stop)
            with self.database.reading() as session:
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
        with self.database.reading() as session:
            return session.scalar(select(func.max(tables.head.c.size))) or 0

    def history(
        self, exhibit: str, *, after: int = -1, size: int | None = None, limit: int | None = None
    ) -> list[CustodyEntry]:
        """Return the entries about an exhibit (internal id), in order: all, or those after an index
        and below a tree size, at most `limit`.
        """
        query = (
            select(tables.entry.c.idx, tables.entry.c.body)
            .join(tables.entry_exhibit, tables.entry_exhibit.c.idx == tables.entry.c.idx)
            .where(tables.entry_exhibit.c.exhibit == exhibit, tables.entry.c.idx > after)
            .order_by(tables.entry_exhibit.c.seq)
            .limit(limit)
        )
        if size is not None:
            query = query.where(tables.entry.c.idx < size)
        with self.database.reading() as session:
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
        return [proof for _, proof in self.with_proofs(indexes, size=size)]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """Return the proof that the tree of a size extends that of an older size.

        Raises:
            NoSuchEntry: the tree does not reach so far.
        """
        with self.database.reading() as session:
            if not 0 < old <= size <= last_head(session).size:
                raise NoSuchEntry(f"there is no proof from {old} to {size} entries")
            return consistency_proof(old, size, Nodes(session, size).node)

    def receipt(self, entry: CustodyEntry, proof: Proof, *, submission: str) -> Receipt:
        """Return the receipt of a registration with its proof."""
        about = entry.fields["exhibit"]
        return Receipt(
            submission=submission,
            exhibit=about["number"],
            sha256=about["sha256"],
            size=about["size"],
            **self._vouchers(entry, proof),
        )

    def submission_receipt(
        self, entry: CustodyEntry, proof: Proof, *, submission: str
    ) -> SubmissionReceipt:
        """Return the receipt of the entry about a submission's list; the list itself is apart."""
        stage = "announced" if entry.fields["outcome"] == "started" else "complete"
        return SubmissionReceipt(
            stage=stage,
            submission=submission,
            sha256=entry.fields["inputs" if stage == "announced" else "outputs"][0],
            count=entry.fields["count"],
            **self._vouchers(entry, proof),
        )

    def transfer_receipt(self, entry: CustodyEntry, proof: Proof) -> TransferReceipt:
        """Return the receipt of an entry that answers another house's about custody."""
        fields = entry.fields
        return TransferReceipt(
            submission=f"TRF-{fields['request_id']}",
            sha256=fields["verification"]["observed"][0],
            answers=fields["inputs"][0],
            **self._vouchers(entry, proof),
        )

    def _vouchers(self, entry: CustodyEntry, proof: Proof) -> dict[str, Any]:
        return {
            "index": entry.index,
            "body": entry.body.decode(),
            "proof": str(proof),
            "key": self._key_under(proof.note),
            "openings": {},
            "witnessed_by": [],
            "unwitnessed_since": entry.fields["at"],
        }

    def openings(self, indexes: Sequence[int]) -> dict[int, dict[str, Opening]]:
        """Return the openings of entries that still can be opened, by index and field.

        An opening whose key was destroyed is absent. Whether openings fit their commitments is
        for the caller (`Opening.opens`) or the audit to check.

        Raises:
            BadOpening: a stored opening is damaged.
        """
        found: dict[int, dict[str, Opening]] = {index: {} for index in indexes}
        keys: dict[bytes, bytes] = {}  # by their wrapped form: many openings have one in common
        with self.database.reading() as session:
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
                    wrapped, sealed = as_bytes(row.wrapped), as_bytes(row.sealed)
                    if wrapped not in keys:
                        keys[wrapped] = unwrap_key(self._wrapping_key, wrapped)
                    found[row.idx][row.field] = unseal(
                        sealed, keys[wrapped], index=row.idx, field=row.field
                    )
        return found

    def opened(self, entry: CustodyEntry) -> dict[str, Any]:
        """Return the withheld values of an entry that can be opened, each checked.

        Raises:
            BadOpening: an opening does not belong to its commitment.
        """
        openings = self.openings([entry.index])[entry.index]
        return checked_values(entry, openings)

    # --- proving ---

    def with_proofs(
        self, indexes: Sequence[int], *, size: int | None = None
    ) -> list[tuple[CustodyEntry, Proof]]:
        """Return entries with what `proofs` returns of them, and as it raises."""
        with self.database.reading() as session:
            head = last_head(session) if size is None else head_of(session, size)
            nodes = Nodes(session, head.size)
            bodies = tables.bodies(session, [one for one in indexes if 0 <= one < head.size])
            found = []
            for index in indexes:
                if index not in bodies:
                    raise NoSuchEntry(f"the ledger of {head.size} entries has no entry {index}")
                path = inclusion_proof(index, head.size, nodes.node)
                proof = Proof(index, tuple(path), head.note or "")
                found.append((CustodyEntry(index, bodies[index]), proof))
        if found:
            checkpoint = self._open(head).checkpoint
            for entry, proof in found:
                _check(entry, proof, checkpoint)
        return found

    def open_checkpoint(self, note: str) -> SignedCheckpoint:
        """Return the checkpoint of a note that a key of this log, valid for its size, signed.

        Raises:
            MalformedNote: not a checkpoint.
            BadSignature: no such key signed it.
        """
        return open_checkpoint(note, keys_for(note, self.key_history()))

    def check_receipt(self, receipt: AnyReceipt) -> SignedCheckpoint:
        """Return the checkpoint that vouches for a receipt of this ledger.

        Raises:
            MalformedEntry, MalformedNote, BadSignature, BadProof: it does not verify.
        """
        return receipt.verify(keys_for(Proof.parse(receipt.proof).note, self.key_history()))

    def _commit(self, drafts: Sequence[Draft]) -> list[CustodyEntry]:
        prepared = self._appender.prepare(drafts)  # before the lock that all processes share
        with self.database.writing() as session:
            return self._appender.append(session, prepared)

    def _open(self, head: Head) -> SignedCheckpoint:
        if head.note is None:
            raise LedgerDamaged(f"the head of size {head.size} was never signed")
        try:
            return self.open_checkpoint(head.note)
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
