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
from custody.file_list import ListDigest
from custody.merkle import inclusion_proof, leaf_hash, root_of
from custody.note import COSIGNATURE_ED25519, ED25519
from custody.receipt import Proof, Receipt, SubmissionReceipt
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
        "submission-receipts.json": _submission_receipts(),
    }  # fmt: skip


SUBMISSION = "SUB-01a1f000-0000-7000-8000-000000000002"
ANNOUNCED = [
    {
        "n": 1, "path": "جسر/1.jpg", "size": 12,
        "digests": {"md5": "md5:" + "6d" * 16, "sha256": "sha256:" + "5e" * 32},
    },
    {"n": 2, "path": {"base64": "//4="}, "size": 0, "digests": {}},
    {"n": 3, "path": "d.E01", "size": 2**53 - 1, "digests": {}},
    {"n": 4, "path": "d.E02", "size": 7, "digests": {}, "thing": 3, "part": 2},
]  # fmt: skip
RESULTS = [
    {
        "n": 1, "path": "جسر/1.jpg", "size": 12, "status": "registered",
        "sha256": "sha256:" + "5e" * 32, "exhibit": "KRN-000042", "entry": 3,
    },
    {
        "n": 2, "path": {"base64": "//4="}, "size": 0, "status": "quarantined",
        "sha256": "sha256:" + "5f" * 32, "entry": 4,
        "quarantine": "QUA-01a1f000-0000-7000-8000-000000000003",
    },
    {"n": 3, "path": "d.E01", "size": 2**53 - 1, "status": "not-arrived"},
    {
        "n": 4, "path": "d.E02", "size": 7, "status": "incomplete",
        "sha256": "sha256:" + "61" * 32,
    },
    {
        "n": 5, "path": "later.txt", "size": 1, "status": "registered", "further": True,
        "sha256": "sha256:" + "60" * 32, "exhibit": "KRN-000043", "entry": 9, "part": 2,
    },
]  # fmt: skip


def _submission_receipts() -> dict[str, Any]:
    """Return the receipt of a list, and that of what became of it: a log of three entries."""
    draw = random.Random(5)
    actor = Actor("01a1f000-0000-7000-8000-000000000001", "investigator", "token", "Ana Ruiz")
    bodies, digests = [], []
    for stage, files in (("announced", ANNOUNCED), ("complete", RESULTS)):
        digest = ListDigest(stage, SUBMISSION)
        for one in files:
            digest.add(dumps(one))
        holder, outcome = ("inputs", "started") if stage == "announced" else ("outputs", "done")
        draft = Draft(
            Act.SUBMISSION, actor, outcome, plain={holder: [digest.value()], "count": len(files)},
            withheld={"case": "KRN"},
        )  # fmt: skip
        openings = draft.openings(draw.randbytes)
        fields = body_of(draft, openings, at=AT, seq=None, by="vectors 1", random=draw.randbytes)
        bodies.append(dumps(fields))
        digests.append(digest.value())
    bodies.append(bodies[0].replace(b'"started"', b'"aborted"'))  # neither stage
    leaves = [leaf_hash(body) for body in bodies]
    note = sign_note(Checkpoint(LOG.key.name, len(leaves), root_of(leaves)).text(), LOG)

    def node(level: int, n: int) -> bytes:
        return root_of(leaves[n << level : (n + 1) << level])

    def text(stage: str, index: int, files: list[dict[str, Any]]) -> str:
        receipt = SubmissionReceipt(
            stage=stage, submission=SUBMISSION, sha256=digests[min(index, 1)], count=len(files),
            index=index, body=bodies[index].decode(), key=str(LOG.key), openings={},
            proof=str(Proof(index, tuple(inclusion_proof(index, len(leaves), node)), note)),
            witnessed_by=[], unwitnessed_since="2026-11-21T12:00:00.000Z",
        )  # fmt: skip
        return b"".join(receipt.lines(map(dumps, files))).decode()

    good = [text("announced", 0, ANNOUNCED), text("complete", 1, RESULTS)]
    return {"log": str(LOG.key), "good": good, "bad": _bad_lists(*good)}


def _bad_lists(announced: str, complete: str) -> list[dict[str, str]]:
    head, *files, end, _ = announced.split("\n")
    forged = json.loads(complete)["sha256"]
    told = json.loads(announced)["sha256"]

    def rebuilt(*lines: str) -> str:
        return "\n".join([head, *lines, end, ""])

    return [
        {"why": "another size", "receipt": announced.replace('"size":12', '"size":13')},
        {"why": "another path", "receipt": announced.replace("d.E02", "d.E03")},
        {"why": "another digest of a file", "receipt": announced.replace("5e5e5e", "5e5e5f", 1)},
        {"why": "a file left out", "receipt": rebuilt(*files[:-2], files[2][:-1])},
        {"why": "a file too many", "receipt": rebuilt(*files[:-1], files[3] + ",", files[3])},
        {"why": "two files exchanged", "receipt": rebuilt(files[1], files[0], *files[2:])},
        {"why": "no files", "receipt": rebuilt()},
        {"why": "no member files", "receipt": announced.replace('"files":[', '"iles":[')},
        {"why": "a number left out", "receipt": announced.replace('"n":2,', '"n":3,')},
        {"why": "white space in a line", "receipt": announced.replace('"n":1,', '"n": 1,')},
        {"why": "two files on one line", "receipt": rebuilt(files[0] + files[1], *files[2:])},
        {"why": "no comma", "receipt": rebuilt(files[0][:-1], *files[1:])},
        {"why": "a comma too many", "receipt": rebuilt(*files[:3], files[3] + ",")},
        {"why": "an empty line", "receipt": rebuilt(*files, "")},
        {"why": "cut after a file", "receipt": "\n".join([head, *files[:2], ""])},
        {"why": "no end", "receipt": "\n".join([head, *files, ""])},
        {"why": "something after the end", "receipt": announced + "\n"},
        {
            "why": "another submission",
            "receipt": announced.replace("000000000002", "000000000003"),
        },
        {"why": "another stage", "receipt": announced.replace("announced", "complete")},
        {"why": "another count", "receipt": announced.replace('"count":4,', '"count":5,', 1)},
        {"why": "the digest of another list", "receipt": announced.replace(told, forged, 1)},
        {"why": "another index", "receipt": announced.replace('"index":0', '"index":1', 1)},
        {"why": "another version", "receipt": announced.replace('{"v":1', '{"v":2', 1)},
        {
            "why": "a status that is none",
            "receipt": complete.replace('"not-arrived"', '"arrived"', 1),
        },
        {
            "why": "laid out otherwise",
            "receipt": json.dumps(json.loads(complete), ensure_ascii=False),
        },
    ]


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
