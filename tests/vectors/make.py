"""Make the vectors of docs/format.md: `python -m tests.vectors.make`; a test makes them again.

Everything is drawn from fixed seeds and fixed keys, so the files are the same on every machine.
The keys are for these files alone: their private halves follow from the seeds below.
"""

import base64
import json
import random
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.canonical import dumps
from custody.checkpoint import Checkpoint
from custody.commitment import Opening
from custody.cosignature import cosign
from custody.entry import Act, Actor, Draft, ExhibitRef, body_of
from custody.merkle import inclusion_proof, leaf_hash, root_of
from custody.note import COSIGNATURE_ED25519, ED25519
from custody.receipt import Proof, Receipt
from custody.signers import sign_note
from custody.signers.file import FileSigner

FOLDER = Path(__file__).parent
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def signer(seed: str, name: str, kind: int) -> FileSigner:
    private = Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()).digest())
    return FileSigner(private, name, kind)


LOG = signer("vectors/log", "evidence.example/ledger", ED25519)
WITNESS = signer("vectors/witness", "court.example/witness", COSIGNATURE_ED25519)


def entries() -> list[tuple[bytes, dict[str, Opening]]]:
    """Return seven bodies with their openings: a house entry, then one exhibit's history."""
    draw = random.Random(2026)
    actor = Actor("01a1f000-0000-7000-8000-000000000001", "investigator", "token", "Ana Ruiz")
    about = ExhibitRef(
        "01a1f000-0000-7000-8000-00000000000e", "KRN-000042", "sha256:" + "5e" * 32, 12
    )
    part = {
        "part": 1,
        "digests": {"sha256": about.sha256, "sha512": "sha512:" + "5f" * 64},
        "chunks": {
            "size": 1048576, "count": 1, "root": "sha256:" + "60" * 32,
            "manifest": "sha256:" + "61" * 32,
        },
        "stored": {
            "store": "folder", "bucket": "evidence", "key": "o/ab/abc", "version": "1",
            "sha256": about.sha256, "size": 12, "hold": False,
        },
    }  # fmt: skip
    purpose = {"code": "investigation", "text": "جسر المدينة 𝄞"}
    drafts = [
        Draft(Act.CASE_OPENED, actor, withheld={"case": "KRN", "title": "The bridge"}),
        Draft(Act.RECEIPT, actor, exhibit=about, plain={"location": {"key": "o/ab/abc"}}),
        Draft(
            Act.MESSAGE_DIGEST_CALCULATION, actor, "pass", exhibit=about,
            plain={"verification": {"expected": [about.sha256], "observed": [about.sha256]}},
        ),
        Draft(
            Act.REGISTRATION, actor, exhibit=about, plain={"parts": [part]},
            withheld={"case": "KRN", "purpose": purpose},
        ),
        *[
            Draft(
                Act.RETRIEVAL, actor, "started", exhibit=about,
                request_id="01a1f000-0000-7000-8000-0000000000aa", withheld={"purpose": purpose},
            )
            for _ in range(3)
        ],
    ]  # fmt: skip
    found, seq = [], 0
    for draft in drafts:
        seq += draft.exhibit is not None
        openings = draft.openings(draw.randbytes)
        fields = body_of(
            draft, openings, at=AT, seq=seq if draft.exhibit else None, by="vectors 1",
            random=draw.randbytes,
        )  # fmt: skip
        found.append((dumps(fields), openings))
    return found


def vectors() -> dict[str, Any]:
    """Return every vector by the name of its file."""
    made = entries()
    bodies = [body for body, _ in made]
    leaves = [leaf_hash(body) for body in bodies]
    size = len(leaves)
    head = Checkpoint(LOG.key.name, size, root_of(leaves))
    note = sign_note(head.text(), LOG)
    line = cosign(WITNESS, head, time=1_795_262_400)
    policy = f"log {LOG.key}\nwitness court {WITNESS.key}\nquorum court\n"

    def node(level: int, n: int) -> bytes:
        return root_of(leaves[n << level : (n + 1) << level])

    path = tuple(inclusion_proof(3, size, node))
    proof = Proof(3, path, note + str(line))
    receipt = Receipt(
        submission="SUB-01a1f000-0000-7000-8000-000000000002", exhibit="KRN-000042",
        sha256="sha256:" + "5e" * 32, size=12, index=3, body=bodies[3].decode(), proof=str(proof),
        key=str(LOG.key), openings=made[3][1], witnessed_by=[str(WITNESS.key)],
        unwitnessed_since=None, policy=policy,
    ).to_json()  # fmt: skip
    return {
        "entries.json": {
            "good": [
                {"body": body.decode(), "leaf": leaf.hex()}
                for body, leaf in zip(bodies, leaves, strict=True)
            ],
            "bad": _bad_bodies(bodies[0].decode()),
        },
        "commitments.json": [
            {
                "index": index, "field": name, "commitment": opening.commitment(),
                "opening": opening.to_json(),
            }
            for index, (_, openings) in enumerate(made)
            for name, opening in openings.items()
        ],
        "checkpoint.json": {
            "log": str(LOG.key), "witness": str(WITNESS.key), "policy": policy,
            "good": note + str(line), "root": head.root.hex(), "size": size,
            "bad": _bad_notes(note + str(line)),
        },
        "proofs.json": {
            "log": str(LOG.key),
            "good": [
                {
                    "body": body.decode(),
                    "proof": str(Proof(n, tuple(inclusion_proof(n, size, node)), note)),
                }
                for n, body in enumerate(bodies)
            ],
            "bad": _bad_proofs(bodies[3].decode(), str(proof)),
        },
        "receipts.json": {
            "log": str(LOG.key), "good": receipt, "bad": _bad_receipts(receipt),
        },
    }  # fmt: skip


def _bad_bodies(body: str) -> list[dict[str, str]]:
    return [
        {"why": "white space", "body": body.replace(",", ", ", 1)},
        {
            "why": "keys not in order",
            "body": "{" + ",".join(reversed(body[1:-1].split(",", 1))) + "}",
        },
        {"why": "a key twice", "body": '{"v":1,' + body[1:]},
        {"why": "a floating-point number", "body": body.replace('"v":1', '"v":1.0')},
        {"why": "another version", "body": body.replace('"v":1', '"v":2')},
        {"why": "cut", "body": body[:-1]},
        {"why": "too long", "body": body.replace("vectors 1", "x" * 65_536)},
        {"why": "an integer beyond 2^53-1", "body": body.replace('"v":1', '"v":9007199254740992')},
    ]


def _bad_notes(note: str) -> list[dict[str, str]]:
    lines = note.split("\n")
    return [
        {"why": "no signature", "note": "\n".join(lines[:4]) + "\n"},
        {"why": "another size", "note": note.replace("\n7\n", "\n8\n")},
        {"why": "a size with a leading zero", "note": note.replace("\n7\n", "\n07\n")},
        {"why": "an extension line", "note": note.replace("\n\n", "\nmore\n\n", 1)},
        {"why": "the log's line cut", "note": note.replace(lines[4], lines[4][:-4])},
        {"why": "the witness's line changed", "note": note[:-12] + "AAAA" + note[-8:]},
        {"why": "a carriage return", "note": note.replace("\n", "\r\n")},
        {"why": "no last newline", "note": note[:-1]},
    ]


def _bad_proofs(body: str, proof: str) -> list[dict[str, str]]:
    lines = proof.split("\n")
    short = "\n".join(lines[:2] + lines[3:])
    return [
        {"why": "another body", "body": body.replace("KRN-000042", "KRN-000043"), "proof": proof},
        {"why": "another index", "body": body, "proof": proof.replace("index 3", "index 2")},
        {"why": "a hash too few", "body": body, "proof": short},
        {"why": "a hash too many", "body": body, "proof": "\n".join(lines[:3] + lines[2:])},
        {
            "why": "hashes swapped", "body": body,
            "proof": "\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
        },
        {"why": "another first line", "body": body, "proof": proof.replace("@v1", "@v2")},
        {
            "why": "a vertical tab for a newline", "body": body,
            "proof": proof.replace("=\n", "=\x0b", 1),
        },
        {
            "why": "hashes of 31 bytes", "body": body,
            "proof": proof.replace(lines[2], base64.b64encode(bytes(31)).decode()),
        },
    ]  # fmt: skip


def _bad_receipts(receipt: dict[str, Any]) -> list[dict[str, Any]]:
    opening = {"salt": "00" * 16, "value": "XXX"}
    return [
        {"why": "another digest", "receipt": {**receipt, "sha256": "sha256:" + "00" * 32}},
        {"why": "another size", "receipt": {**receipt, "size": 13}},
        {"why": "another number", "receipt": {**receipt, "exhibit": "KRN-000043"}},
        {"why": "another index", "receipt": {**receipt, "index": 2}},
        {
            "why": "an opening that does not open",
            "receipt": {**receipt, "openings": {"case": opening}},
        },
        {"why": "another kind", "receipt": {**receipt, "kind": "receipt"}},
        {"why": "another version", "receipt": {**receipt, "v": 2}},
        {"why": "no proof", "receipt": {k: v for k, v in receipt.items() if k != "proof"}},
    ]  # fmt: skip


def text(found: Any) -> str:
    return json.dumps(found, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    for name, found in vectors().items():
        (FOLDER / name).write_text(text(found))


if __name__ == "__main__":
    main()
