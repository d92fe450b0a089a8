"""Changed proofs, receipts and checkpoints before three verifiers that share no code.

    python -m tests.attacks.differential [--mutations 100000] [--processes 2]

`ours` is the ledger's own code; `offline` is custody/verify.py, written from docs/format.md alone:
every mutation changes something that is protected, so neither may accept any, and they may not
disagree. `proofbundle` is other people's, and is asked about body and proof: what it takes and
ours refuse is counted apart.
"""

import argparse
import json
import multiprocessing
import os
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from proofbundle import verify_tlog_proof

from custody import verify as offline
from custody.cosignature import cosign, cosignatures
from custody.entry import Act
from custody.errors import CustodyError
from custody.note import COSIGNATURE_ED25519, Note, VerifierKey
from custody.quorum import Policy, parse
from custody.receipt import Proof, Receipt
from custody.signers import file
from tests.benchmarks.house_of import say
from tests.custody.conftest import make

LENIENT = "taken by proofbundle alone"


@dataclass
class Subject:
    """An honest receipt, completed by one witness, and what its reader trusts."""

    receipt: Receipt
    log: VerifierKey
    witness: VerifierKey
    policy: Policy
    trust: str


def honest(folder: Path) -> list[Subject]:
    """Return receipts of entries at several places of trees of several sizes."""
    kept = make(folder)
    witness = file.create(
        folder / "w.pem", name="w.example/w", passphrase=b"p", kind=COSIGNATURE_ED25519
    )
    log = kept.signer.key
    text = f"log {log}\nwitness W {witness.key}\nquorum W\n"
    trust = json.dumps(
        {
            "v": 1, "kind": "evidence-trust", "origin": log.name, "tsa_roots": [],
            "keys": [{"vkey": str(log), "from": 0, "to": None}], "policy": text,
        }
    )  # fmt: skip
    part = {
        "part": 1,
        "digests": {"sha256": "sha256:" + "0" * 64},
        "chunks": {"size": 1048576, "count": 1, "root": "sha256:" + "0" * 64},
        "stored": {},
    }
    subjects = []
    for count in (1, 2, 5, 13, 100, 300):
        drafts = [
            kept.draft(
                n, type=Act.REGISTRATION, outcome="done", plain={"parts": [part]},
                withheld={"case": "KRN"},
            )
            for n in range(count)
        ]  # fmt: skip
        entry = kept.ledger.record(*drafts)[count // 2]
        signed = kept.ledger.checkpoint()
        assert signed is not None
        line = cosign(witness, signed.checkpoint, time=1_700_000_000)
        proof = kept.ledger.proof(entry.index)
        found = kept.ledger.receipt(
            entry, proof, submission="SUB-01a1f000-0000-7000-8000-000000000001"
        ).completed(
            proof=proof.with_note(signed.note + str(line)),
            witnessed_by=[str(witness.key)],
            unwitnessed_since=None,
            policy=text,
            tokens=[],
        )
        subjects.append(Subject(found, log, witness.key, parse(text), trust))
    kept.database.close()
    return subjects


def ours(data: bytes, subject: Subject) -> bool:
    try:
        receipt = Receipt.parse(data)
        receipt.verify([subject.log])
        found = cosignatures(Proof.parse(receipt.proof).note, subject.policy.keys)
    except (CustodyError, UnicodeError):
        return False
    return subject.policy.satisfied(found)


def by_offline(data: bytes, place: Path, trust: Path) -> bool:
    place.write_bytes(data)
    try:
        findings = offline.verify_path(place, trust)
    except offline.WrongUse:
        return False
    passed = {found.claim for found in findings if found.outcome == "pass"}
    return offline.exit_code(findings) == 0 and {"key-trusted", "witnesses"} <= passed


def by_proofbundle(data: bytes, subject: Subject) -> bool | None:
    """Judge body and proof alone; None where the receipt cannot even be taken apart."""
    try:
        receipt = json.loads(data)
        body = receipt["body"].encode()
        proof = receipt["proof"]
        if not isinstance(proof, str):
            return None
        found = verify_tlog_proof(
            proof, body, str(subject.log), [str(subject.witness)], threshold=1,
            expected_origin=subject.log.name,
        )  # fmt: skip
    except Exception:  # whatever it raises, it does not accept
        return None
    return bool(found["ok"])


def mutate(subject: Subject, draw: random.Random) -> tuple[str, bytes]:
    """Return what was changed and the changed receipt; what is changed is always protected."""
    receipt = subject.receipt.to_json()
    kind = draw.choice(
        ["body byte", "proof byte", "proof line", "field", "hash", "index", "file byte", "cut"]
    )
    if kind == "body byte":
        receipt["body"] = _byte(receipt["body"], draw)
    elif kind == "proof byte":
        receipt["proof"] = _byte(receipt["proof"], draw)
    elif kind == "proof line":
        lines = receipt["proof"].split("\n")
        one, two = draw.sample(range(len(lines) - 1), 2)
        how = draw.randrange(3)
        if how == 0:
            lines[one], lines[two] = lines[two], lines[one]
        elif how == 1:
            del lines[one]
        else:
            lines.insert(one, lines[two])
        receipt["proof"] = "\n".join(lines)
    elif kind == "field":
        name = draw.choice(["exhibit", "sha256", "size", "index", "v", "kind"])
        value = receipt[name]
        receipt[name] = (
            value + draw.choice([1, -1, 2**53]) if isinstance(value, int) else _byte(value, draw)
        )
    elif kind == "hash":
        lines = receipt["proof"].split("\n")
        last = lines.index("")
        lines[2:last] = [
            *lines[2:last],
            lines[draw.randrange(2, last)] if last > 2 else "A" * 43 + "=",
        ]
        receipt["proof"] = "\n".join(lines)
    elif kind == "index":
        fresh = draw.choice([0, receipt["index"] + 1, receipt["index"] - 1, 2**63, 10**30])
        old = f"index {receipt['index']}\n"
        receipt["proof"] = receipt["proof"].replace(old, f"index {fresh}\n")
        receipt["index"] = fresh
    data = json.dumps(receipt, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if kind == "cut":
        data = data[: draw.randrange(len(data))]
    elif kind == "file byte":
        spans = [json.dumps(receipt[name], ensure_ascii=False) for name in ("body", "proof")]
        span = draw.choice(spans).encode()
        start = data.index(span)
        position = draw.randrange(start + 1, start + len(span) - 1)
        data = (
            data[:position]
            + bytes([data[position] ^ (1 << draw.randrange(8))])
            + data[position + 1 :]
        )
    return kind, data


def _byte(text: str, draw: random.Random) -> str:
    position = draw.randrange(len(text))
    sign = chr(ord(text[position]) ^ (1 << draw.randrange(7)))
    return text[:position] + sign + text[position + 1 :]


def same(data: bytes, subject: Subject) -> bool:
    """Say whether a change left the receipt's meaning as it was: signature lines have no order."""
    try:
        return _meaning(Receipt.parse(data)) == _meaning(subject.receipt)
    except CustodyError:
        return False


def _meaning(receipt: Receipt) -> tuple[object, ...]:
    proof = Proof.parse(receipt.proof)
    note = Note.parse(proof.note)
    said = {**receipt.to_json(), "proof": None}
    return said, proof.index, proof.path, note.text, frozenset(note.signatures)


def run(mutations: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return counts by kind of change, and each acceptance or disagreement in words."""
    draw, counts, wrong = random.Random(seed), Counter[str](), []
    on = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=on) as name:
        folder = Path(name)
        subjects = honest(folder)
        trusts = []
        for number, subject in enumerate(subjects):
            trusts.append(folder / f"trust{number}")
            trusts[-1].write_text(subject.trust)
            data = subject.receipt.to_text().encode()
            verdicts = [
                ours(data, subject), by_offline(data, folder / "r", trusts[-1]),
                by_proofbundle(data, subject),
            ]  # fmt: skip
            assert verdicts == [True, True, True], verdicts
        while sum(counts.values()) - counts[LENIENT] < mutations:
            number = draw.randrange(len(subjects))
            kind, data = mutate(subjects[number], draw)
            if same(data, subjects[number]):
                continue
            counts[kind] += 1
            verdicts = {
                "ours": ours(data, subjects[number]),
                "offline": by_offline(data, folder / "r", trusts[number]),
            }
            if any(verdicts.values()):
                wrong.append(f"{kind}: {verdicts} {data[:2000]!r}")
            if kind != "field" and by_proofbundle(data, subjects[number]):
                counts[LENIENT] += 1  # it refuses less of base64's odd forms than we do
    return counts, wrong


def _part(asked: tuple[int, int]) -> tuple[Counter[str], list[str]]:
    return run(*asked)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--mutations", type=int, default=100_000)
    arguments.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--seed", type=int, default=20261121)
    given = arguments.parse_args()
    parts = [(given.mutations // given.processes, given.seed + n) for n in range(given.processes)]
    with multiprocessing.Pool(given.processes) as pool:
        results = pool.map(_part, parts)
    counts, wrong = Counter[str](), []
    for some, found in results:
        counts.update(some)
        wrong += found
    total = sum(counts.values()) - counts[LENIENT]
    say(f"{total} mutations {dict(counts)}: {len(wrong)} accepted or disagreed on")
    for one in wrong[:20]:
        say(one)


if __name__ == "__main__":
    main()
