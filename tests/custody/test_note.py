"""Signed notes: the published examples, and every way to damage them."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.checkpoint import Checkpoint, open_checkpoint
from custody.errors import BadSignature, CustodyError, MalformedNote
from custody.note import Note, SignatureLine, VerifierKey
from custody.receipt import Proof
from tests.shared import shared


@pytest.fixture
def found():
    return json.loads(shared("vectors", "note_vectors.json").read_text())


def keys(found, *names):
    return [VerifierKey.parse(found["keys"][name]) for name in names]


def test_published_keys_are_read_and_printed_as_they_were(found):
    for text in found["keys"].values():
        assert str(VerifierKey.parse(text)) == text


def test_published_bad_keys_are_refused(found):
    bad = [text for text in found["bad_keys"] if "+ARpc" in text]
    assert bad
    for text in bad:
        with pytest.raises(MalformedNote):
            VerifierKey.parse(text)


def test_no_shorter_text_is_a_key(found):
    text = found["keys"]["peter"]
    for end in range(len(text)):
        with pytest.raises(MalformedNote):
            VerifierKey.parse(text[:end])


def test_a_published_signature_is_made_again_byte_for_byte(found):
    raw = base64.b64decode(found["skey_peter"].split("+", 4)[4])
    private = Ed25519PrivateKey.from_private_bytes(raw[1:])
    [key] = keys(found, "peter")
    line = SignatureLine(key.name, key.key_id, private.sign(found["text"].encode()))
    assert str(line) == found["sig_peter"]


def test_published_notes_verify(found):
    both = found["text"] + "\n" + found["sig_peter"] + found["sig_enoch"]
    assert Note.parse(both).verified_by(keys(found, "peter", "enoch")) == keys(
        found, "peter", "enoch"
    )
    assert Note.parse(found["c2sp_note"]).verified_by(keys(found, "c2sp_example"))


def test_a_known_key_that_does_not_verify_refuses_the_whole_note(found):
    sig = found["sig_peter"]
    broken = sig[:60] + "ABCD" + sig[60:]
    note = found["text"] + "\n" + broken + found["sig_enoch"]
    with pytest.raises((BadSignature, MalformedNote)):
        Note.parse(note).verified_by(keys(found, "peter", "enoch"))


def test_unknown_keys_are_ignored_but_not_enough(found):
    note = Note.parse(found["text"] + "\n" + found["sig_peter"])
    with pytest.raises(BadSignature):
        note.verified_by(keys(found, "enoch"))


def test_malformed_notes_are_refused(found):
    text, sig = found["text"], found["sig_peter"]
    for note in (
        text,
        text + "\n",
        text + "\n" + sig[:-1],
        "\x01" + text + "\n" + sig,
        text + "\n\u2014 Bad Name " + sig.split()[-1] + "\n",
        text + "\n" + sig + "Unexpected line.\n",
        text + "\n" + sig * 101,
        "",
    ):
        with pytest.raises(MalformedNote):
            Note.parse(note)


def test_every_changed_byte_of_a_note_is_seen(found):
    note = (found["text"] + "\n" + found["sig_peter"]).encode()
    for position in range(len(note)):
        changed = bytearray(note)
        changed[position] ^= 0x01
        try:
            Note.parse(changed.decode()).verified_by(keys(found, "peter"))
        except (CustodyError, UnicodeDecodeError):
            continue
        pytest.fail(f"a change at byte {position} was not seen")


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n", "o\n01\nAAAA\n", "o\n-1\n" + "A" * 43 + "=\n", "o\n1\nAAAA\n", "\n1\nx\n",
        "o\n1\n" + "A" * 43 + "=\nextension\n", "o\n1\n" + "A" * 43 + "=",
    ],
)  # fmt: skip
def test_a_checkpoint_is_exactly_three_lines(text):
    with pytest.raises(MalformedNote):
        Checkpoint.parse_text(text)


def test_a_foreign_proof_with_two_kinds_of_witnesses_verifies():
    log = shared("vectors", "ours", "keys").read_text().splitlines()[0]
    text = shared("vectors", "ours", "x.tlog-proof").read_text()
    payload = shared("vectors", "ours", "x.payload").read_bytes()
    proof = Proof.parse(text)
    assert str(proof) == text
    signed = proof.verify(payload, [VerifierKey.parse(log)])
    assert (proof.index, signed.checkpoint.size) == (613, 1000)
    for changed, body in (
        (proof, payload + b"x"),
        (Proof.parse(text.replace("index 613", "index 612")), payload),
    ):
        with pytest.raises(CustodyError):
            changed.verify(body, [VerifierKey.parse(log)])


def test_a_checkpoint_of_another_origin_is_not_signed_by_this_log():
    private = Ed25519PrivateKey.generate()
    key = VerifierKey("other.example/log", 1, private.public_key().public_bytes_raw())
    text = Checkpoint("evidence.example/log", 0, b"\0" * 32).text()
    line = SignatureLine(key.name, key.key_id, private.sign(text.encode()))
    with pytest.raises(BadSignature):
        open_checkpoint(str(Note(text, (line,))), [key])
