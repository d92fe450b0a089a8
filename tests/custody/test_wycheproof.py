"""The published vectors of Wycheproof: every test of every group, as the libraries answer."""

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from custody.note import ED25519, VerifierKey
from custody.verify import ed25519_verifies
from tests.shared import shared

FOLDER = shared("vectors", "wycheproof")


def cases(name):
    found = json.loads((FOLDER / name).read_text())
    for group in found["testGroups"]:
        for test in group["tests"]:
            yield group, test


def test_ed25519_both_verifiers_answer_as_published():
    [name] = [one.name for one in FOLDER.glob("*25519*")]
    count = 0
    for group, test in cases(name):
        public = bytes.fromhex(group["publicKey"]["pk"])
        message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
        expected = test["result"] == "valid"
        key = VerifierKey("x", ED25519, public)
        assert key.verify(message, signature) is expected, test["tcId"]
        assert ed25519_verifies(public, signature, message) is expected, test["tcId"]
        count += 1
    assert count == 151


def test_ml_dsa_44_answers_as_published():
    [name] = [one.name for one in FOLDER.glob("*mldsa_44_verify*")]
    count = 0
    for group, test in cases(name):
        message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
        context = bytes.fromhex(test.get("ctx", ""))
        try:
            public = MLDSA44PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]))
            public.verify(signature, message, context or None)
            found = True
        except (InvalidSignature, ValueError):
            found = False
        assert found is (test["result"] == "valid"), test["tcId"]
        count += 1
    assert count == 180


@pytest.mark.parametrize("name", [one.name for one in FOLDER.glob("*.json")])
def test_every_file_is_one_we_know_of(name):
    assert any(word in name for word in ("25519", "mldsa", "secp256r1"))
