"""Cosignatures: what a witness, and the log itself with ML-DSA, adds to a checkpoint.

https://c2sp.org/tlog-cosignature. A line carries a time (seconds since 1970) and a signature over
time and checkpoint. It says: this is the largest tree of this log that I had seen then, and it
extends every one I cosigned before.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from custody.checkpoint import Checkpoint
from custody.errors import BadSignature, MalformedNote
from custody.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_ML_DSA_44,
    Note,
    SignatureLine,
    VerifierKey,
)
from custody.signers import Signer

KINDS = (COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44)
_TIME = 8
_LAST = 253_402_300_799


def message(key: VerifierKey, checkpoint: Checkpoint, time: int) -> bytes:
    """Return what a key signs at a time (docs/format.md 4.1).

    Raises:
        MalformedNote: the key is no cosigner's, or a name is too long for the format.
    """
    if key.type == COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text()}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    if key.type != COSIGNATURE_ML_DSA_44 or len(name) > 255 or len(origin) > 255:
        raise MalformedNote(f"the key {key.name} cannot cosign")
    return b"".join(
        [
            b"subtree/v1\n\0",
            bytes([len(name)]) + name,
            time.to_bytes(8, "big"),
            bytes([len(origin)]) + origin,
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        ]
    )


def cosign(signer: Signer, checkpoint: Checkpoint, *, time: int) -> SignatureLine:
    """Return the line of a signer on a checkpoint at a time."""
    signature = signer.sign(message(signer.key, checkpoint, time))
    return SignatureLine(
        signer.key.name, signer.key.key_id, time.to_bytes(_TIME, "big") + signature
    )


def cosigned_at(line: SignatureLine, key: VerifierKey, checkpoint: Checkpoint) -> int:
    """Return when a key cosigned a checkpoint, in seconds since 1970.

    Raises:
        BadSignature: the line is not this key's over this checkpoint, or its time is 0.
        MalformedNote: the key is no cosigner's.
    """
    time = int.from_bytes(line.signature[:_TIME], "big")
    right = (line.name, line.key_id) == (key.name, key.key_id) and len(line.signature) > _TIME
    if not right or time == 0:
        raise BadSignature(f"this is no cosignature of {key.name}")
    if not key.verify(message(key, checkpoint, time), line.signature[_TIME:]):
        raise BadSignature(f"the cosignature of {line.name} does not verify")
    return time


def moment(seconds: int) -> datetime:
    """Return the time a cosignature states; one beyond the year 9999 is that year's last second."""
    return datetime.fromtimestamp(min(seconds, _LAST), UTC)


def line_time(line: SignatureLine) -> datetime:
    """Return the time that a cosignature line states; nothing is verified."""
    return moment(int.from_bytes(line.signature[:_TIME], "big"))


def cosignatures(note: str, keys: Sequence[VerifierKey]) -> dict[VerifierKey, int]:
    """Return which of the keys cosigned the checkpoint in a note, and when.

    Unknown keys are ignored. Says nothing about the log's own signature.

    Raises:
        MalformedNote: not a checkpoint.
        BadSignature: a line of one of the keys does not verify.
    """
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse_text(parsed.text)
    known = {(key.name, key.key_id): key for key in keys if key.type in KINDS}
    found: dict[VerifierKey, int] = {}
    for line in parsed.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None and key not in found:
            found[key] = cosigned_at(line, key, checkpoint)
    return found


def parse_line(text: str) -> SignatureLine:
    """Return the one signature line in a text.

    Raises:
        MalformedNote: not a single signature line.
    """
    lines = Note.parse(f"x\n\n{text}").signatures
    if len(lines) != 1:
        raise MalformedNote("a signature line was expected")
    return lines[0]
