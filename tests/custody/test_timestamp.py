"""Time-stamps: an honest token verifies for ever; a forged one never does."""

import random
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from custody.errors import (
    BadTimestamp,
    CustodyError,
    MalformedTimestamp,
    TimestampRefused,
    TimestampUnavailable,
)
from custody.timestamp import ask, read, request, verify
from tests.authority import make_authority
from tests.shared import shared
from tests.witnesses import answering, serving

OURS = shared("vectors", "ours")
CLIENT = shared("vectors", "rfc3161-client")
ROOT = (OURS / "root.pem").read_text()
DATA = (OURS / "cp.txt").read_bytes()


@pytest.fixture(scope="module", params=["ec", "rsa"])
def authority(request, tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("tsa"), kind=request.param)


def test_the_honest_token_of_the_vectors_verifies():
    token = verify((OURS / "r.tsr").read_bytes(), DATA, roots=[ROOT])
    assert token.algorithm in ("sha256", "sha512")
    assert token.time.tzinfo is UTC


@pytest.mark.parametrize("name", ["rogue.tsr", "rogue2.tsr"])
def test_a_self_made_authority_is_never_believed_under_a_pinned_root(name):
    with pytest.raises(BadTimestamp):
        verify((OURS / name).read_bytes(), DATA, roots=[ROOT])


def test_other_data_is_refused():
    with pytest.raises(BadTimestamp):
        verify((OURS / "r.tsr").read_bytes(), DATA + b"\n", roots=[ROOT])


@pytest.mark.parametrize("roots", [[], [""], ["-----BEGIN CERTIFICATE-----\nAA==\n"]])
def test_without_a_pinned_root_nobody_vouches(roots):
    with pytest.raises(BadTimestamp):
        verify((OURS / "r.tsr").read_bytes(), DATA, roots=roots)


@pytest.mark.parametrize(
    ("folder", "name", "good"),
    [
        ("sigstage", "response-sha256.tsr", True),
        ("sigstage", "response-sha384.tsr", True),
        ("sigstage", "response-sha512.tsr", True),
        ("sigstage", "response-no-embedded-cert.tsr", True),
        ("sigstage", "response-invalid-signature.tsr", False),
        ("sigstore.mock", "response-expired.tsr", True),
        ("test_tsa", "response.tsr", True),
        ("test_tsa", "response-injected-certs.tsr", False),
    ],
)
def test_published_tokens(folder, name, good):
    roots = [(CLIENT / folder / "ts_chain.pem").read_text()]
    der = (CLIENT / folder / name).read_bytes()
    for data in (b"hello", b"hello world", b"hello\n", b"artifact", b"some data"):
        try:
            verify(der, data, roots=roots)
        except CustodyError as error:
            said = str(error)
            if "Mismatch between messages" in said:
                continue  # the signature and the chain were right, these bytes are not
            assert not good, said
            return
        assert good
        return
    assert good


def test_a_token_for_another_request_does_not_match():
    folder = CLIENT / "test_tsa"
    asked = (folder / "request.der").read_bytes()
    other = (folder / "other_response.tsr").read_bytes()
    with pytest.raises(CustodyError):
        verify(other, b"hello", roots=[(folder / "ts_chain.pem").read_text()], asked=asked)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_round_trip_and_openssl_agree(authority, algorithm, tmp_path):
    data = b"evidence.example/log\n12\nroot\n"
    asked = request(data, algorithm=algorithm, nonce=2**63 + 5)
    der = authority.answer(asked)
    token = verify(der, data, roots=[authority.root], asked=asked)
    assert (token.algorithm, token.nonce) == (algorithm, 2**63 + 5)
    assert "TSA A" in token.authority
    assert abs((token.time - datetime.now(UTC)).total_seconds()) < 60
    (tmp_path / "d").write_bytes(data)
    (tmp_path / "r").write_bytes(der)
    said = subprocess.run(
        ["openssl", "ts", "-verify", "-data", tmp_path / "d", "-in", tmp_path / "r",
         "-CAfile", authority.folder / "root.pem"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr


def test_the_token_of_a_real_authority_verifies_in_its_chain():
    folder = CLIENT / "identrust"
    der = (folder / "issue-104.tsr").read_bytes()
    pinned = x509.load_der_x509_certificate((folder / "ts_chain.pem").read_bytes())
    roots = [pinned.public_bytes(Encoding.PEM).decode()]
    assert "IdenTrust" in read(der).authority
    with pytest.raises(BadTimestamp):  # its data is not known here
        verify(der, b"", roots=roots)


def test_an_answer_to_another_request_is_refused(authority):
    first, second = (request(b"x", algorithm="sha256", nonce=n) for n in (7, 8))
    with pytest.raises(BadTimestamp, match="Nonce"):
        verify(authority.answer(first), b"x", roots=[authority.root], asked=second)


def test_an_unpinned_authority_is_refused(authority, tmp_path):
    other = make_authority(tmp_path / "other", name="B")
    asked = request(b"x", algorithm="sha256", nonce=1)
    with pytest.raises(BadTimestamp):
        verify(other.answer(asked), b"x", roots=[authority.root])
    own = (authority.folder / "tsa.pem").read_text()
    with pytest.raises(BadTimestamp, match="another authority"):
        verify(other.answer(asked), b"x", roots=[other.root, own])


def test_no_changed_byte_makes_a_token_hold_for_other_data_or_another_time(authority):
    asked = request(b"x", algorithm="sha256", nonce=1)
    der = authority.answer(asked)
    right = verify(der, b"x", roots=[authority.root])
    draw = random.Random(3161)
    for position in draw.sample(range(len(der)), 400):
        changed = bytearray(der)
        changed[position] ^= 1 << draw.randrange(8)
        try:
            token = verify(bytes(changed), b"x", roots=[authority.root])
        except CustodyError:
            continue
        assert (token.time, token.imprint) == (right.time, right.imprint)
        with pytest.raises(CustodyError):
            verify(bytes(changed), b"y", roots=[authority.root])


def test_a_refusal_is_not_a_token(authority):
    asked = bytearray(request(b"x", algorithm="sha256", nonce=1))
    asked[-1] ^= 0xFF
    der = authority.answer(bytes(asked[:-2]))
    with pytest.raises((TimestampRefused, MalformedTimestamp)):
        read(der)


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"garbage", b"\x30" * 200])
def test_garbage_is_malformed(data):
    with pytest.raises(MalformedTimestamp):
        read(data)


def test_authorities_are_asked_over_http(authority):
    asked = request(b"x", algorithm="sha256", nonce=1)
    with authority.serving() as url:
        verify(ask(url, asked, timeout=10), b"x", roots=[authority.root], asked=asked)
    kind = "application/timestamp-reply"
    for status, body, said in (
        ("500 Oops", b"", kind), ("200 OK", b"<html>", "text/html"), ("200 OK", b"x" * 70_000, kind)
    ):  # fmt: skip
        with serving(answering(status, body, said)) as url, pytest.raises(TimestampUnavailable):
            ask(url, asked, timeout=2)
    with pytest.raises(TimestampUnavailable):
        ask("http://127.0.0.1:9/", asked, timeout=2)
    with pytest.raises(TimestampUnavailable):
        ask("ftp://127.0.0.1/", asked, timeout=2)
