"""Other people's tools accept what this ledger gives out, and refuse what was changed."""

import base64
import subprocess
from types import SimpleNamespace

import pymerkle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from proofbundle import verify_tlog_proof, verify_witnessed_checkpoint
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError

from custody.cosignature import cosign
from custody.merkle import leaf_hash, root_of
from custody.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, Note
from custody.signers import file


@pytest.fixture
def grown(kept):
    kept.ledger.record(*[kept.draft(n) for n in range(130)])
    return kept


def test_pymerkle_finds_the_same_roots(grown):
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    leaves = []
    for entry in grown.ledger.entries():
        tree.append_entry(entry.body)
        leaves.append(leaf_hash(entry.body))
        assert tree.get_root() == root_of(leaves)


def test_sigstore_accepts_every_inclusion_proof_and_no_other_body(grown):
    for index in range(130):
        entry, proof = grown.ledger.entry(index), grown.ledger.proof(index)
        head = grown.ledger.checkpoint().checkpoint
        told = SimpleNamespace(
            log_index=index, tree_size=head.size, hashes=list(proof.path), root_hash=head.root
        )
        for body, good in ((entry.body, True), (entry.body + b" ", False)):
            asked = SimpleNamespace(
                _inner=SimpleNamespace(inclusion_proof=told, canonicalized_body=body)
            )
            if good:
                verify_merkle_inclusion(asked)
            else:
                with pytest.raises(VerificationError):
                    verify_merkle_inclusion(asked)


@pytest.mark.parametrize("kind", [COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44])
def test_proofbundle_accepts_our_proofs_and_cosignatures(grown, tmp_path, kind):
    witness = file.create(tmp_path / "w.pem", name="w.example/w", passphrase=b"p", kind=kind)
    signed = grown.ledger.checkpoint()
    note = signed.note + str(cosign(witness, signed.checkpoint, time=1_700_000_000))
    log, keys = str(grown.ledger.key), [str(witness.key)]
    assert verify_witnessed_checkpoint(note, log, keys, threshold=1)["ok"]
    for index in (0, 64, 129):
        body = grown.ledger.entry(index).body
        proof = str(grown.ledger.proof(index).with_note(note))
        assert verify_tlog_proof(proof, body, log, keys, threshold=1)["ok"]
        assert not verify_tlog_proof(proof, body + b" ", log, keys, threshold=1)["ok"]


def test_openssl_verifies_a_checkpoint(grown, tmp_path):
    note = Note.parse(grown.ledger.checkpoint().note)
    key = Ed25519PublicKey.from_public_bytes(grown.ledger.key.key)
    pem, body, signature = tmp_path / "key.pem", tmp_path / "body", tmp_path / "signature"
    pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    signature.write_bytes(note.signatures[0].signature)
    for text, code in ((note.text, 0), (note.text.replace("130", "131"), 1)):
        body.write_text(text)
        said = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", body,
             "-sigfile", signature],
            capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        assert said.returncode == code, said.stderr
    assert base64.b64encode(grown.ledger.key.key)
