"""The vectors of docs/format.md: the same when made again, and judged alike by both verifiers."""

import io
import json

import pytest

from custody import verify as offline
from custody.checkpoint import open_checkpoint
from custody.commitment import Opening
from custody.cosignature import cosignatures
from custody.entry import parse_body
from custody.errors import CustodyError
from custody.merkle import leaf_hash
from custody.note import VerifierKey
from custody.quorum import parse
from custody.receipt import Proof, Receipt, SubmissionReceipt
from tests.vectors.make import FOLDER, text, vectors

VECTORS = {name: json.loads((FOLDER / name).read_text()) for name in vectors()}


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_they_are_made_again_byte_for_byte(name):
    assert (FOLDER / name).read_text() == text(vectors()[name])


def test_entries():
    for one in VECTORS["entries.json"]["good"]:
        body = one["body"].encode()
        assert leaf_hash(body).hex() == one["leaf"]
        assert parse_body(body) == offline.parse_body(one["body"])
    for one in VECTORS["entries.json"]["bad"]:
        with pytest.raises(CustodyError):
            parse_body(one["body"].encode())
        with pytest.raises((offline.ParseError, ValueError)):
            offline.parse_body(one["body"])


def test_commitments():
    bodies = [parse_body(one["body"].encode()) for one in VECTORS["entries.json"]["good"]]
    for one in VECTORS["commitments.json"]:
        assert Opening.from_json(one["opening"]).opens(one["commitment"])
        assert bodies[one["index"]]["_sd"][one["field"]] == one["commitment"]


def test_checkpoints():
    found = VECTORS["checkpoint.json"]
    log, policy = VerifierKey.parse(found["log"]), parse(found["policy"])
    signed = open_checkpoint(found["good"], [log]).checkpoint
    assert (signed.size, signed.root.hex()) == (found["size"], found["root"])
    assert policy.satisfied(cosignatures(found["good"], policy.keys))
    keys = tuple(offline.parse_vkey(found[name], 1, 4) for name in ("log", "witness"))
    assert all(offline.open_note(found["good"], keys).verdicts.values())
    for one in found["bad"]:
        with pytest.raises(CustodyError):
            _both(one["note"], log, policy)
        try:
            verdicts = offline.open_note(one["note"], keys).verdicts
        except (offline.ParseError, ValueError):
            continue
        assert False in verdicts.values(), one["why"]


def _both(note, log, policy):
    open_checkpoint(note, [log])
    cosignatures(note, policy.keys)


def test_proofs():
    found = VECTORS["proofs.json"]
    log = VerifierKey.parse(found["log"])
    for number, one in enumerate(found["good"]):
        assert Proof.parse(one["proof"]).verify(one["body"].encode(), [log])
        assert Proof.parse(one["proof"]).index == number
    for one in found["bad"]:
        with pytest.raises(CustodyError):
            Proof.parse(one["proof"]).verify(one["body"].encode(), [log])


@pytest.mark.parametrize("which", ["good", *range(8)])
def test_receipts(which, tmp_path):
    found = VECTORS["receipts.json"]
    log = VerifierKey.parse(found["log"])
    receipt = found["good"] if which == "good" else found["bad"][which]["receipt"]
    data = json.dumps(receipt).encode()
    place = tmp_path / "receipt.json"
    place.write_bytes(data)
    findings = offline.verify_path(place, None)
    failed = [one for one in findings if one.outcome == "fail"]
    if which == "good":
        assert Receipt.parse(data).verify([log])
        assert failed == []
        assert {"witnesses", "openings"} <= {f.claim for f in findings if f.outcome == "pass"}
        return
    assert failed, found["bad"][which]["why"]
    with pytest.raises(CustodyError):
        Receipt.parse(data).verify([log])


@pytest.mark.parametrize("stage", [0, 1])
def test_submission_receipts(stage, tmp_path):
    found = VECTORS["submission-receipts.json"]
    data = found["good"][stage].encode()
    files, failed = _judged(data, VerifierKey.parse(found["log"]), tmp_path)
    assert failed == []
    assert files == json.loads(data)["list"]["files"]  # it is JSON for every other reader too
    assert len(files) == [4, 5][stage]


def _judged(data, log, folder):
    """Return the files of a receipt by the ledger's own code, and what the verifier fails."""
    place = folder / "receipt.json"
    place.write_bytes(data)
    failed = [one for one in offline.verify_path(place, None) if one.outcome == "fail"]
    file = io.BytesIO(data)
    receipt = SubmissionReceipt.parse(file.readline())
    receipt.verify([log])
    return list(receipt.check_list(file)), failed


@pytest.mark.parametrize("which", range(len(VECTORS["submission-receipts.json"]["bad"])))
def test_bad_submission_receipts(which, tmp_path):
    found = VECTORS["submission-receipts.json"]
    data = found["bad"][which]["receipt"].encode()
    assert data.decode() not in found["good"]
    place = tmp_path / "receipt.json"
    place.write_bytes(data)
    findings = offline.verify_path(place, None)
    assert "fail" in [one.outcome for one in findings], found["bad"][which]["why"]
    with pytest.raises(CustodyError):
        _judged(data, VerifierKey.parse(found["log"]), tmp_path)
