"""Bundles encrypted to their recipients' keys, opened with a foreign tool (age)."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pyrage
import pytest

from custody import verify
from repository.errors import BadRequest, ExportBlocked
from repository.exports.encryption import (
    MAX_RECIPIENTS,
    Sealing,
    check_recipients,
    fingerprint,
    read_recipients,
)
from tests.house import CODE, own_house

CONTENTS = {"a.bin": b"the marker bytes " * 50_000, "b.bin": b"b" * 1000, "empty.bin": b""}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("house")) as found:
        files = tmp_path_factory.mktemp("files")
        for name, content in CONTENTS.items():
            (files / name).write_bytes(content)
            found.ingest(files / name)
        yield found


def identity(folder: Path, name: str) -> tuple[Path, Path, str]:
    """Return a recipient's private key file, public key file and public key."""
    made = pyrage.x25519.Identity.generate()
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_text(f"{made}\n")
    public.write_text(f"# {name}\n{made.to_public()}\n")
    return private, public, str(made.to_public())


def opened(file: Path, key: Path) -> bytes:
    """Decrypt with the tool that recipients have."""
    age = shutil.which("age")
    if age is None:
        if os.environ.get("CI"):
            pytest.fail("age is not installed (Debian: age)")
        pytest.skip("age is not installed (Debian: age)")
    words = [age, "--decrypt", "-i", str(key), str(file)]
    return subprocess.run(words, capture_output=True, check=True, timeout=60).stdout


def export(house, place: Path, *words: object, code: int = 0):
    said = house.evidence(
        "export", "--case", CODE, "--purpose", "court", "--out", place, "--twins", "none", *words
    )
    assert said.code == code, said.err
    return said


def test_each_recipient_opens_it_with_age_and_what_is_inside_verifies(house, tmp_path):
    keys = [identity(tmp_path, name) for name in ("court", "defence")]
    place = tmp_path / "bundle"
    words = [word for _, public, _ in keys for word in ("--encrypt-to", public)]
    told = export(house, place, *words).lines[0]
    [file] = place.iterdir()
    assert file.name == "bundle.tar.age"
    data = file.read_bytes()
    assert told["encrypted"] == [
        {"file": str(file), "sha256": f"sha256:{sha256(data).hexdigest()}"}
    ]
    assert b"marker" not in data
    plain = [opened(file, private) for private, _, _ in keys]
    assert plain[0] == plain[1]
    with tarfile.open(fileobj=io.BytesIO(plain[0])) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    bundle = tmp_path / "out" / "bundle"
    assert verify.exit_code(verify.verify_path(bundle, None)) == 0
    assert (bundle / "data" / "KRN-000001.bin").read_bytes() == CONTENTS["a.bin"]
    for changed in (data[:-20], data[:70_000], data[:-1] + bytes([data[-1] ^ 1])):
        (tmp_path / "changed").write_bytes(changed)
        with pytest.raises(subprocess.CalledProcessError):
            opened(tmp_path / "changed", keys[0][0])
    entry = house.last("report_generated")
    assert (entry["reason"], entry["count"]) == ("encrypted", 1)
    assert entry["inputs"] == told["manifests"]
    assert entry["outputs"] == [told["encrypted"][0]["sha256"]]
    last = [one for one in house.entries() if one.fields["type"] == "report_generated"][-1]
    detail = house.repo.ledger.opened(last)["detail"]
    assert detail["encrypted_to"] == [fingerprint(key) for *_, key in keys]
    assert detail["files"] == [
        {"name": "bundle.tar.age", "plain": f"sha256:{sha256(plain[0]).hexdigest()}"}
    ]
    custody = json.loads((bundle / "custody.json").read_text())
    begun = custody["entries"][-1]["openings"]["detail"]["value"]
    assert begun["encrypted_to"] == detail["encrypted_to"]


def test_each_volume_is_encrypted_on_its_own(house, tmp_path):
    private, public, _ = identity(tmp_path, "court")
    place = tmp_path / "bundle"
    told = export(house, place, "--encrypt-to", public, "--volume-size", "850kB").lines[0]
    names = sorted(file.name for file in place.iterdir())
    assert names == ["volume-1.tar.age", "volume-2.tar.age"]
    assert names == [Path(one["file"]).name for one in told["encrypted"]]
    for name in names:
        with tarfile.open(fileobj=io.BytesIO(opened(place / name, private))) as archive:
            archive.extractall(tmp_path / "out", filter="data")
    first, second = sorted((tmp_path / "out" / "bundle").iterdir())
    found = verify.verify_path(first, None, payload=(second,))
    assert verify.exit_code(found) == 0


@pytest.mark.parametrize("kind", ["x25519", "ssh"])
def test_keys_are_read_as_recipients_give_them(kind):
    key = {
        "x25519": str(pyrage.x25519.Identity.generate().to_public()),
        "ssh": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
    }[kind]
    comment = " somebody@somewhere" if kind == "ssh" else ""
    assert read_recipients(f"# ours\r\n\r\n {key}{comment}\n{key}\n") == [key]


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "age1xyz\n", "ssh-ed25519 AAAA\n", "AGE-SECRET-KEY-1QQ\n", "hello\n"],
)
def test_what_is_no_public_key_exports_nothing(house, tmp_path, text):
    file = tmp_path / "keys"
    file.write_text(text)
    before = house.repo.ledger.size()
    export(house, tmp_path / "bundle", "--encrypt-to", file, code=2)
    assert house.repo.ledger.size() == before
    assert not (tmp_path / "bundle").exists()
    file.write_bytes(b"\xff\xfe")
    export(house, tmp_path / "bundle", "--encrypt-to", file, code=2)
    with pytest.raises(BadRequest, match="at most"):
        check_recipients(["age1"] * (MAX_RECIPIENTS + 1))


def test_an_export_that_stops_leaves_no_archive(house, tmp_path):
    _, public, _ = identity(tmp_path, "court")
    place = house.stored_file("KRN-000002")
    before = place.read_bytes()
    house.flip("KRN-000002", 40)
    try:
        export(house, tmp_path / "bundle", "--encrypt-to", public, code=1)
    finally:
        place.write_bytes(before)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["court.key", "court.pub"]
    assert house.last("report_generated")["outcome"] == "aborted"


def test_a_full_disk_and_a_dead_process_are_told(tmp_path):
    key = str(pyrage.x25519.Identity.generate().to_public())

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    def pour(sealing: Sealing) -> None:
        for _ in range(100):
            sealing.write(bytes(1 << 20))
        sealing.finish()

    with Sealing([key], full) as sealing, pytest.raises(OSError, match="No space"):
        pour(sealing)
    with Sealing([key], lambda _: None) as sealing:
        sealing._process.kill()
        with pytest.raises(ExportBlocked):
            pour(sealing)
