"""What a file is called, against what it is."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import claimed_extension
from ingest.formats import ALIASES, Pronom, agreement, mismatch
from ingest.identify import identify, version
from tests.shared import shared

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9"
SQLITE = b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20" + b"\0\0\0\x01" * 20


@pytest.fixture
def named(tmp_path):
    def identified(content, name, **more):
        (tmp_path / "evidence").write_bytes(content)
        with (tmp_path / "evidence").open("rb") as file:
            return identify(file.fileno(), extension=claimed_extension(name), **more)

    return identified


def test_a_photo_named_pdf_is_a_mismatch_and_keeps_its_real_format(named):
    """04 section 8."""
    found = named(JPEG, "report.pdf")
    assert (found.mime, found.claimed_extension, found.mismatch) == ("image/jpeg", "pdf", True)


def test_a_hex_named_database_is_no_mismatch(named):
    """04 section 8: iOS backups name their files with 40 hex digits."""
    found = named(SQLITE, "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28")
    assert (found.mime, found.claimed_extension) == ("application/vnd.sqlite3", "")
    assert not found.mismatch


def test_an_empty_file_is_empty_and_claims_nothing(named):
    found = named(b"", "photo.jpg")
    assert (found.mime, found.mismatch) == ("inode/x-empty", False)


@pytest.mark.parametrize(
    ("mime", "theirs", "puid", "word"),
    [
        ("image/jpeg", ("image/jpeg",), "fmt/43", "agree"),
        ("application/json", ("text/plain",), "x-fmt/111", "agree"),
        ("application/zip", ("application/x-wacz",), "fmt/1840", "agree"),
        ("video/mp4", ("application/mp4",), "fmt/199", "agree"),
        ("image/jpeg", ("application/pdf",), "fmt/276", "differ"),
        ("image/png", ("image/jpeg",), "fmt/43", "differ"),
        ("application/zip", ("application/warc",), "fmt/1355", "differ"),
        ("application/octet-stream", ("application/encase",), "fmt/803", "single"),
        ("image/png", (), None, "single"),
        ("image/png", (), "fmt/99999", "single"),
    ],
)
def test_two_witnesses_agree_differ_or_stand_alone(mime, theirs, puid, word):
    assert agreement(mime, theirs, puid=puid) == word


def test_what_says_more_of_the_same_is_chosen_and_both_are_names(named):
    pronom = Pronom("siegfried 1", "fmt/1840", ("application/x-wacz",), "WACZ")
    found = named(b"PK\x05\x06" + bytes(18), "a.wacz", pronom=pronom)
    assert (found.mime, found.also) == ("application/x-wacz", ("application/zip",))
    assert found.names == {"application/x-wacz", "application/zip", "fmt/1840"}
    assert not found.mismatch
    assert len(found.witnesses) == 2


def test_one_witness_is_said_to_be_one_and_its_version_is_kept(named):
    found = named(JPEG, "a.jpg")
    assert (found.agreement, found.puid) == ("single", None)
    assert found.tools == (version(),)
    assert found.tools[0].startswith("libmagic 5.")


def test_the_descriptor_is_followed_not_described(tmp_path):
    (tmp_path / "real").write_bytes(JPEG)
    (tmp_path / "link").symlink_to("real")
    descriptor = os.open(tmp_path / "link", os.O_RDONLY)
    try:
        assert identify(descriptor).mime == "image/jpeg"
    finally:
        os.close(descriptor)


def test_a_file_without_a_name_on_disk_is_identified():
    descriptor = os.memfd_create("x")
    try:
        os.write(descriptor, JPEG)
        assert identify(descriptor).mime == "image/jpeg"
    finally:
        os.close(descriptor)


def test_a_long_json_is_not_judged_by_its_first_bytes(named):
    text = json.dumps({"text": "word " * 40_000}).encode()
    assert named(text, "chat.json").mime == "application/json"


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("IMG_0001.JPG", "jpg"), ("a/b.c/photo", ""), ("a/.profile", ""), ("x.tar.gz", "gz"),
        ("photo.", ""), ("photo.jpg ", ""), ("نام.jpg", "jpg"), ("x." + "e" * 40, ""), ("", ""),
        ("3d0d7e5fb2ce288813306e4d4636395e047a3d28", ""), ("x.\u202egpj", ""),
    ],
)  # fmt: skip
def test_the_claim_of_a_name_is_its_last_extension(name, extension):
    assert claimed_extension(name) == extension


@given(st.text(max_size=300))
def test_any_name_has_a_short_plain_claim_or_none(name):
    found = claimed_extension(name)
    assert found == "" or (found.isascii() and found.isalnum() and len(found) <= 16) or "_" in found


@pytest.mark.parametrize(
    ("mime", "extension"),
    [
        ("image/heic", "heif"), ("image/heif", "heic"), ("application/octet-stream", "e01"),
        ("application/octet-stream", "e02"), ("application/octet-stream", "e99"),
        ("application/octet-stream", "l01"), ("application/gzip", "warc"),
        ("application/gzip", "tgz"), ("application/octet-stream", "dd"),
        ("application/vnd.sqlite3", "db"), ("application/vnd.sqlite3", "sqlite"),
        ("application/octet-stream", "unheard"), ("image/jpeg", ""),
    ],
)  # fmt: skip
def test_an_alias_is_no_mismatch(mime, extension):
    assert not mismatch({mime}, extension)


@pytest.mark.parametrize(
    ("mime", "extension"),
    [
        ("application/octet-stream", "jpg"), ("text/html", "jpg"), ("application/zip", "pdf"),
        ("image/jpeg", "e02"), ("application/x-dosexec", "mp4"), ("image/png", "jpeg"),
    ],
)  # fmt: skip
def test_another_format_is_a_mismatch(mime, extension):
    assert mismatch({mime}, extension)


def test_extensions_are_written_in_lower_case_and_media_types_are_types():
    assert all(extension == extension.lower() for extension in ALIASES)
    assert all("/" in mime for mimes in ALIASES.values() for mime in mimes)


def test_samples_are_called_what_two_tools_agree_on():
    """04 section 8: the media type where PRONOM and libmagic 5.44 agree; and few mismatches."""
    compared, wrong, flagged = 0, [], []
    for oracle in sorted(shared("samples").glob("*/.oracle/pronom-*.json")):
        for name, theirs in json.loads(oracle.read_text()).items():
            with (oracle.parents[1] / name).open("rb") as file:
                found = identify(file.fileno(), extension=claimed_extension(name))
            if found.mismatch:
                flagged.append(name)
            if theirs["libmagic"] in theirs["mime"].split(", "):
                compared += 1
                if found.mime != theirs["libmagic"]:
                    wrong.append((name, found.mime, theirs["mime"]))
    assert compared > 150
    assert wrong == []
    # One MP3 that is text by any reader, one "text" log with binary inside.
    assert sorted(flagged) == [
        "exceptions/mp3/ArithmeticException.Mp3Reader.extract.mp3", "mvt/androidqf/dumpsys.txt",
    ]  # fmt: skip
