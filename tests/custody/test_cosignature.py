"""Cosignatures: published vectors verify; nothing changed does."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.checkpoint import Checkpoint, open_checkpoint
from custody.cosignature import (
    cosign,
    cosignatures,
    cosigned_at,
    line_time,
    moment,
    parse_line,
)
from custody.errors import BadProof, BadSignature, CustodyError, MalformedNote
from custody.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Note, VerifierKey
from custody.receipt import Proof
from custody.signers import file
from tests.shared import shared

OURS = shared("vectors", "ours")
TEXT = (OURS / "x.tlog-proof").read_text()
PAYLOAD = (OURS / "x.payload").read_bytes()
KEYS = [VerifierKey.parse(line) for line in (OURS / "keys").read_text().split()]


def test_the_published_proof_carries_a_log_and_two_witnesses():
    proof = Proof.parse(TEXT)
    signed = proof.verify(PAYLOAD, KEYS)
    assert (proof.index, signed.checkpoint.size) == (613, 1000)
    assert [key.type for key in signed.signed_by] == [ED25519]
    found = cosignatures(proof.note, KEYS)
    assert {key.type for key in found} == {COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44}
    assert all(time > 0 for time in found.values())


def test_another_payload_or_index_is_refused():
    with pytest.raises(BadProof):
        Proof.parse(TEXT).verify(PAYLOAD + b"\n", KEYS)
    with pytest.raises(BadProof):
        Proof.parse(TEXT.replace("index 613", "index 612")).verify(PAYLOAD, KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.type:#04x}")
def test_a_line_that_is_cut_or_changed_refuses_the_note(key):
    note = Note.parse(Proof.parse(TEXT).note)
    for line in note.signatures:
        if line.key_id != key.key_id:
            continue
        for changed in (
            line.signature[:-1],
            line.signature[:8],
            bytes(72),
            b"\0" * 8 + line.signature[8:],
        ):
            other = Note(note.text, (type(line)(line.name, line.key_id, changed),))
            check = open_checkpoint if key.type == ED25519 else cosignatures
            with pytest.raises(CustodyError):
                check(str(other), [key])


def test_every_changed_byte_of_the_note_is_refused_or_changes_nothing():
    note = Proof.parse(TEXT).note
    right = cosignatures(note, KEYS)
    root = open_checkpoint(note, KEYS).checkpoint
    for position in range(0, len(note.encode()), 1 if len(note) < 2000 else 3):
        data = bytearray(note.encode())
        data[position] ^= 0x01
        try:
            text = data.decode()
            found, checkpoint = cosignatures(text, KEYS), open_checkpoint(text, KEYS).checkpoint
        except (CustodyError, UnicodeDecodeError):
            continue
        assert checkpoint == root
        assert found.items() <= right.items()


def test_every_substring_of_a_key_but_itself_is_refused():
    text = str(KEYS[1])
    for start in range(len(text)):
        for end in range(start, len(text) + 1):
            if (start, end) != (0, len(text)):
                with pytest.raises(MalformedNote):
                    VerifierKey.parse(text[start:end])


@pytest.fixture(params=[COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44], ids=["ed25519", "ml-dsa-44"])
def signer(request, tmp_path):
    return file.create(tmp_path / "k.pem", name="w.example/w", passphrase=b"p", kind=request.param)


HEAD = Checkpoint("evidence.invalid/x", 7, bytes(range(32)))


def test_a_cosignature_is_about_one_checkpoint_one_time_and_one_key(signer, tmp_path):
    line = cosign(signer, HEAD, time=1_700_000_000)
    assert cosigned_at(line, signer.key, HEAD) == 1_700_000_000
    assert cosigned_at(parse_line(str(line)), signer.key, HEAD) == 1_700_000_000
    for other in (
        Checkpoint("evidence.invalid/y", 7, HEAD.root),
        Checkpoint(HEAD.origin, 8, HEAD.root),
        Checkpoint(HEAD.origin, 7, bytes(32)),
    ):
        with pytest.raises(BadSignature):
            cosigned_at(line, signer.key, other)
    later = type(line)(line.name, line.key_id, bytes(7) + b"\x01" + line.signature[8:])
    with pytest.raises(BadSignature):
        cosigned_at(later, signer.key, HEAD)
    stranger = file.create(
        tmp_path / "o.pem", name="w.example/w", passphrase=b"p", kind=signer.key.type
    )
    with pytest.raises(BadSignature):
        cosigned_at(line, stranger.key, HEAD)


def test_a_cosignature_without_a_time_is_refused(signer):
    line = cosign(signer, HEAD, time=0)
    with pytest.raises(BadSignature):
        cosigned_at(line, signer.key, HEAD)


def test_unknown_keys_are_ignored(signer):
    note = HEAD.text() + "\n" + str(cosign(signer, HEAD, time=5))
    assert cosignatures(note, []) == {}
    assert cosignatures(note, [signer.key]) == {signer.key: 5}


@given(st.binary(max_size=3000))
def test_no_bytes_make_a_reader_crash(data):
    line = f"— w.example/w {base64.b64encode(KEYS[1].key_id + data).decode()}\n"
    for key in KEYS[1:]:
        with pytest.raises(CustodyError):
            cosigned_at(parse_line(line), key, HEAD)


def test_an_impossible_time_is_a_late_one_and_crashes_nobody(signer):
    line = cosign(signer, HEAD, time=2**64 - 1)
    assert cosigned_at(line, signer.key, HEAD) == 2**64 - 1
    assert line_time(line).year == moment(2**64 - 1).year == 9999
