"""Every signer keeps the same promises: an encrypted file, and a key inside a PKCS #11 token."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from custody.audit import audit
from custody.errors import SignerUnavailable
from custody.ledger import Ledger
from custody.signers import file, open_signer, pkcs11
from tests.custody.conftest import make
from tests.softhsm import PIN, token_or_skip

NAME = "evidence.invalid/signer"


@dataclass
class Kind:
    """How a kind of signer is made, opened and opened wrongly."""

    create: object
    uri: str
    passphrase: bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("softhsm")


@pytest.fixture(params=["file", pytest.param("pkcs11", marks=pytest.mark.hsm)])
def kind(request, tmp_path, folder):
    if request.param == "file":
        path = tmp_path / "key.pem"
        return Kind(
            lambda: file.create(path, name=NAME, passphrase=b"secret"), path.as_uri(), b"secret"
        )
    uri = token_or_skip(folder, f"t{uuid.uuid4().hex[:12]}").format("log")
    return Kind(lambda: pkcs11.create(uri, name=NAME, passphrase=PIN), uri, PIN)


def opened(kind, passphrase=None):
    return open_signer(kind.uri, name=NAME, passphrase=passphrase or kind.passphrase)


def test_what_it_signs_verifies_and_the_key_is_the_same_when_opened_again(kind):
    made = kind.create()
    again = opened(kind)
    assert again.key == made.key
    for signer in (made, again):
        signature = signer.sign(b"checkpoint")
        assert signer.key.verify(b"checkpoint", signature)
        assert not signer.key.verify(b"checkpoinT", signature)
    assert made.sign(b"x") == again.sign(b"x")  # Ed25519 is deterministic (RFC 8032)


def test_many_threads_sign_at_once(kind):
    signer = kind.create()
    with ThreadPoolExecutor(4) as pool:
        signed = list(pool.map(lambda n: (b"%d" % n, signer.sign(b"%d" % n)), range(400)))
    assert all(signer.key.verify(message, signature) for message, signature in signed)


def test_parent_and_child_sign_after_a_fork(kind):
    signer = kind.create()
    assert signer.sign(b"before")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, signer.sign(b"child"))
        finally:
            os._exit(0)
    os.close(writing)
    signature = os.read(reading, 100)
    os.waitpid(child, 0)
    os.close(reading)
    assert signer.key.verify(b"child", signature)
    assert signer.key.verify(b"parent", signer.sign(b"parent"))


def test_a_key_is_never_overwritten(kind):
    key = kind.create().key
    with pytest.raises((FileExistsError, SignerUnavailable)):
        kind.create()
    assert opened(kind).key == key


def test_a_wrong_passphrase_is_one_line(kind):
    kind.create()
    with pytest.raises(SignerUnavailable) as caught:
        opened(kind, b"wrong")
    assert "\n" not in str(caught.value)


def test_a_key_that_is_not_there_is_one_line(kind):
    with pytest.raises(SignerUnavailable) as caught:
        opened(kind)
    assert "\n" not in str(caught.value)


def test_the_private_key_is_nowhere_in_clear(tmp_path):
    file.create(tmp_path / "k.pem", name=NAME, passphrase=b"p")
    assert b"ENCRYPTED" in (tmp_path / "k.pem").read_bytes()
    assert (tmp_path / "k.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "uri",
    ["pkcs11:object=x?module-path=/x", "pkcs11:token=x;object=y", "nothing:x", "pkcs11:",
     "pkcs11:token=x;object=y?module-path=/does/not/exist.so",
     "pkcs11:token=x;object=y?module-path=/m.so&pin-source=file:/does/not/exist"],
)  # fmt: skip
def test_a_uri_that_leads_nowhere_is_one_line(uri):
    with pytest.raises(SignerUnavailable) as caught:
        open_signer(uri, name=NAME, passphrase=b"1")
    assert "\n" not in str(caught.value)


@pytest.mark.hsm
def test_a_ledger_signed_inside_a_token_passes_its_audit(tmp_path, folder):
    uri = token_or_skip(folder, f"t{uuid.uuid4().hex[:12]}").format("log")
    signer = pkcs11.create(uri, name="evidence.invalid/test", passphrase=PIN)
    kept = make(tmp_path)
    ledger = Ledger(
        kept.database, signer, wrapping_key=kept.wrapping_key, clock=kept.clock, by="test 0"
    )
    for n in range(5):
        ledger.record(kept.draft(n))
    found = audit(kept.database, keys=ledger.key_history(), wrapping_key=kept.wrapping_key)
    assert [one for one in found if one.outcome == "fail"] == []
    kept.database.close()


def test_the_pin_may_stand_in_a_file(tmp_path, folder):
    uri = token_or_skip(folder, f"t{uuid.uuid4().hex[:12]}").format("log")
    pin = Path(tmp_path / "pin")
    pin.write_bytes(PIN + b"\n")
    made = pkcs11.create(f"{uri}&pin-source=file:{pin}", name=NAME, passphrase=b"not this")
    assert made.key.verify(b"x", made.sign(b"x"))
