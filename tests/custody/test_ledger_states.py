"""Whatever happens to a ledger in whatever order, what was acknowledged stays, and it is proved."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from custody.audit import audit
from custody.errors import LedgerBehind
from custody.keys import KeyState
from custody.merkle import verify_consistency
from custody.rebuild import rebuild
from custody.signers import file
from tests.custody.conftest import connect, make


class LedgerStates(RuleBasedStateMachine):
    """Append, roll back, record, rotate, reopen, restore an old copy and rebuild."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="evidence-states-"))
        self.first = make(self.folder)
        self.signers = {}
        self.given_out = []  # checkpoints that left the house, in order
        self.acknowledged = {}  # index -> body
        self.outside = 0
        self.kept = self.first
        self.reopen()

    def reopen_with(self, **changes):
        self.kept.database.close()
        self.kept = connect(
            self.first, open_key=lambda event: self.signers[str(event.key)], **changes
        )

    def keep(self, entries):
        self.acknowledged.update({entry.index: entry.body for entry in entries})

    @rule()
    def reopen(self):
        self.reopen_with(outside=self.compare)

    def compare(self, size):
        if size < self.outside:
            raise LedgerBehind("shorter than what was given out")

    @rule(count=st.integers(1, 40))
    def record(self, count):
        self.keep(self.kept.ledger.record(*[self.kept.draft(n) for n in range(count)]))

    @rule(count=st.integers(1, 5), commits=st.booleans())
    def append(self, count, commits):
        class Undone(Exception):
            pass

        try:
            with self.kept.database.writing() as session:
                found = self.kept.ledger.append(session, [self.kept.draft(n) for n in range(count)])
                if not commits:
                    raise Undone
        except Undone:
            return
        self.keep(found)

    @rule()
    def rotate(self):
        place = self.folder / f"key{len(self.signers)}.pem"
        signer = file.create(place, name=self.first.signer.key.name, passphrase=b"p")
        self.signers[str(signer.key)] = signer
        self.keep(
            [self.kept.ledger.change_key(self.kept.actor, signer.key, KeyState.ADDED, uri="x")]
        )

    @rule()
    def publish(self):
        signed = self.kept.ledger.checkpoint()
        if signed is not None:
            self.given_out.append(signed)
            self.outside = signed.checkpoint.size

    @rule(count=st.integers(1, 300))
    def an_old_copy_is_restored_and_brought_forward(self, count):
        self.kept.database.close()
        copy = self.folder / "copy.db"
        shutil.copy(self.first.path, copy)
        self.reopen()
        self.record(count)
        self.publish()
        bodies = [entry.body for entry in self.kept.ledger.entries()]
        notes = [one.note for one in self.given_out]
        self.kept.database.close()
        for rest in self.folder.glob(f"{self.first.path.name}-*"):
            rest.unlink()
        shutil.copy(copy, self.first.path)
        self.reopen()
        start = self.kept.ledger.size()
        try:
            self.kept.ledger.record(self.kept.draft())
            raise AssertionError("a shorter ledger took an entry")
        except LedgerBehind:
            pass
        newer = [note for note in notes if int(note.split("\n")[1]) >= start]
        rebuild(self.kept.database, bodies[start:], newer, [self.first.signer.key])
        self.reopen()

    @invariant()
    def nothing_acknowledged_is_lost_and_all_of_it_is_proved(self):
        if not hasattr(self, "kept"):
            return
        stored = {entry.index: entry.body for entry in self.kept.ledger.entries()}
        assert stored == self.acknowledged
        found = audit(
            self.kept.database, keys=self.kept.ledger.key_history(),
            wrapping_key=self.kept.wrapping_key, outside=self.given_out,
        )  # fmt: skip
        assert [one for one in found if one.outcome == "fail"] == []

    def teardown(self):
        if not hasattr(self, "kept"):
            return
        for one, two in zip(self.given_out, self.given_out[1:], strict=False):
            old, new = one.checkpoint, two.checkpoint
            proof = self.kept.ledger.consistency(old.size, new.size)
            assert verify_consistency(old.size, new.size, proof, old.root, new.root)
        self.kept.database.close()
        shutil.rmtree(self.folder)


LedgerStates.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestLedgerStates = LedgerStates.TestCase
