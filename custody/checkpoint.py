"""Checkpoint: origin, size and root of the ledger at one moment (C2SP tlog-checkpoint)."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from custody.errors import MalformedNote
from custody.merkle import HASH_SIZE
from custody.note import ED25519, Note, VerifierKey, b64decode


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the ledger: three lines and nothing else; no time, no extension lines."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three body lines, which are what is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse_text(cls, text: str) -> "Checkpoint":
        """Read the three body lines.

        Raises:
            MalformedNote: not exactly origin, decimal size and base64 of 32 bytes.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise MalformedNote("a checkpoint has exactly three lines: origin, size, root")
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", lines[1]):
            raise MalformedNote("the size of a checkpoint is a decimal number")
        root = b64decode(lines[2])
        if len(root) != HASH_SIZE:
            raise MalformedNote("the root of a checkpoint has 32 bytes")
        return cls(lines[0], int(lines[1]), root)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with the note that carries it; only `open_checkpoint` makes one."""

    checkpoint: Checkpoint
    note: str
    signed_by: tuple[VerifierKey, ...]


def open_checkpoint(note: str, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
    """Return the checkpoint of a note that at least one of the keys signed.

    Says nothing about witnesses, nor whether the keys deserve trust.

    Raises:
        MalformedNote: not a checkpoint.
        BadSignature: no given key signed it, or a given key's line does not verify.
    """
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse_text(parsed.text)
    own = [key for key in keys if key.type == ED25519 and key.name == checkpoint.origin]
    signed_by = parsed.verified_by(own)
    return SignedCheckpoint(checkpoint, note, tuple(signed_by))
