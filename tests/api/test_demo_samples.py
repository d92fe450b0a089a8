"""The demonstration's own files: in the shape real ones have, and nothing copied."""

import gzip
import io
import json
import plistlib
import re
import sqlite3
import tarfile
import zipfile
import zlib
from base64 import b32encode
from hashlib import sha1, sha256

import exifread
import pytest

from api.demo_samples import make_samples
from repository import now


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    return folder, {sample.path.as_posix(): sample for sample in make_samples(folder, clock=now)}


def only(made, suffix):
    folder, samples = made
    [path] = [path for path in samples if path.endswith(suffix)]
    return (folder / path).read_bytes()


def test_all_three_families_are_there_and_small(made):
    folder, samples = made
    assert {s.family for s in samples.values()} == {"mobile", "social", "heritage"}
    assert sum((folder / path).stat().st_size for path in samples) < 3_000_000


def test_the_photographs_carry_camera_time_and_place(made):
    folder, samples = made
    photographs = [path for path in samples if path.endswith(".jpg")]
    assert len(photographs) == 3
    zones = []
    for path in photographs:
        with (folder / path).open("rb") as file:
            tags = exifread.process_file(file, details=False)
        assert "Image Make" in tags
        assert "EXIF DateTimeOriginal" in tags
        assert "GPS GPSLatitude" in tags
        zones.append("EXIF OffsetTimeOriginal" in tags)
    assert sorted(zones) == [False, False, True]


def test_the_digests_of_the_web_capture_recompute(made):
    data = gzip.decompress(only(made, ".warc.gz"))
    records = [part for part in data.split(b"WARC/1.1\r\n") if part]
    assert len(records) >= 3
    for record in records:
        head, _, rest = record.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        said = re.search(rb"WARC-Block-Digest: (\S+)", head)[1].decode()
        digest = b32encode(sha256(rest[:length]).digest()).decode()
        assert said == f"sha256:{digest}"
        assert rest[length:] == b"\r\n\r\n"


def test_the_ios_backup_holds_what_its_manifest_says(made, tmp_path):
    archive = zipfile.ZipFile(io.BytesIO(only(made, ".zip")))
    names = {name.partition("/")[2]: name for name in archive.namelist()}
    (tmp_path / "Manifest.db").write_bytes(archive.read(names["Manifest.db"]))
    database = sqlite3.connect(tmp_path / "Manifest.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = database.execute("SELECT fileID, domain, relativePath FROM Files").fetchall()
    database.close()
    assert rows
    for name, domain, path in rows:
        assert name == sha1(f"{domain}-{path}".encode()).hexdigest()
        assert archive.read(names[f"{name[:2]}/{name}"])
    information = plistlib.loads(archive.read(names["Info.plist"]))
    digits = [int(digit) for digit in information["IMEI"]]
    doubled = [sum(divmod(2 * d, 10)) if n % 2 else d for n, d in enumerate(digits)]
    assert sum(doubled) % 10 == 0


def test_the_android_backup_unpacks(made):
    data = only(made, ".ab")
    header, rest = data.split(b"\n", 4)[:4], data.split(b"\n", 4)[4]
    assert header == [b"ANDROID BACKUP", b"5", b"1", b"none"]
    with tarfile.open(fileobj=io.BytesIO(zlib.decompress(rest))) as tar:
        assert "apps/example.messenger/_manifest" in tar.getnames()


def test_records_and_names_in_other_scripts_are_text(made):
    _, samples = made
    assert json.loads(only(made, "object-id.json"))
    assert any(ord(c) > 0x600 for path in samples for c in path)
    assert json.loads(only(made, ".info.json"))["description"]
