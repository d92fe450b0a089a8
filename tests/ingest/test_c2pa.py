"""C2PA manifests: hold, broken, elsewhere or absent; beside the samples' second opinion."""

import io
import json
import socket
import tempfile
from datetime import UTC, datetime

import pytest

from ingest.extraction import Fact, Seal
from ingest.extractors import c2pa
from ingest.sandbox import Sandbox
from tests.ingest.containers import jpeg
from tests.shared import shared

needs_library = pytest.mark.skipif(c2pa.library is None, reason="c2pa-python is not installed")


def items(data):
    return list(c2pa.extract(io.BytesIO(data), None))


def seal(data):
    (one,) = [item for item in items(data) if isinstance(item, Seal)]
    return one


def sample(name):
    return shared("samples", "c2pa", "sdk", name).read_bytes()


def facts(data):
    return {one.name: one for one in items(data) if isinstance(one, Fact)}


@needs_library
def test_a_manifest_that_holds_is_untrusted_and_says_who_made_it():
    one = seal(sample("CA.jpg"))
    assert one.verdict == "untrusted"
    assert "C2PA Signer" in one.detail
    found = facts(sample("CA.jpg"))
    assert found["C2PA:SignatureTime"].tz == "+00:00" or found["C2PA:SignatureTime"].tz == "UTC"
    assert found["C2PA:Ingredient"].value == "A.jpg (parentOf)"


@needs_library
def test_one_changed_byte_of_the_picture_breaks_it():
    data = bytearray(sample("CA.jpg"))
    data[-2000] ^= 1
    one = seal(bytes(data))
    assert one.verdict == "broken"
    assert "mismatch" in one.detail


@needs_library
def test_a_manifest_on_a_server_is_not_fetched(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert seal(sample("cloudx.jpg")).verdict == "not-checked"
    assert facts(sample("cloudx.jpg"))["C2PA:RemoteManifestURL"].kind == "url"


@needs_library
def test_no_manifest_is_absent_and_one_that_cannot_be_read_is_not_checked():
    assert seal(jpeg((0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"))).verdict == "absent"
    assert seal(c2pa.SAMPLE).verdict == "not-checked"
    assert seal(sample("no_alg.jpg")).verdict == "not-checked"


def test_without_the_library_a_manifest_is_not_checked_and_never_a_pass(monkeypatch):
    monkeypatch.setattr(c2pa, "library", None)
    monkeypatch.setattr(c2pa, "MISSING", "the library c2pa is not here", raising=False)
    assert seal(sample("CA.jpg")).verdict == "not-checked"
    assert items(jpeg()) == []


@needs_library
def test_every_verdict_agrees_with_the_second_opinion():
    """The samples' own oracle, made offline and without anchors by the same library, elsewhere."""
    oracle = shared("samples", "c2pa", ".oracle", "c2pa-python-0.38.1-offline.json")
    compared = 0
    for name, states in json.loads(oracle.read_text()).items():
        state, codes = states["no_anchors"]
        found = [one for one in items(shared("samples", "c2pa", name).read_bytes())
                 if isinstance(one, Seal)]  # fmt: skip
        if state == "Valid":
            assert [one.verdict for one in found] == ["untrusted"], name
        elif "ManifestNotFound" in str(codes):
            assert [one.verdict for one in found] == ["absent"], name
        else:
            assert {one.verdict for one in found} <= {"not-checked"}, name
        compared += 1
    assert compared >= 25


@needs_library
def test_it_works_in_the_sandbox_and_a_real_manifest_is_checked_there():
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox, tempfile.TemporaryFile() as file:
        file.write(sample("ocsp_with_assertion.jpg"))
        record = sandbox.extract(file, name_hint="a.jpg")
    (one,) = [one for one in record.seals if one.kind == "c2pa"]
    assert one.verdict == "untrusted"
    assert "Adobe" in one.detail
    assert record.outcome == "ok", record.problems


@needs_library
def test_cut_anywhere_a_manifest_never_holds():
    data = sample("C_with_CAWG_data.jpg")
    for length in range(0, len(data), len(data) // 40):
        for item in items(data[:length]):
            assert not isinstance(item, Seal) or item.verdict != "untrusted"
