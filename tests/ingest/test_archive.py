"""Archives: members listed, digested and flagged; whatever lies in them is bounded and said."""

import gzip
import hashlib
import io
import lzma
import random
import tarfile
import time
import zipfile
import zlib

import pytest

from ingest.extraction import Fact, Format, Found, Inhibitor, Member, Problem
from ingest.extractors import archive
from ingest.readers import listing, packed, rars
from ingest.readers.listing import flags
from ingest.readers.members import Budget, Entry
from ingest.readers.zips import read_zip
from tests import make_archives as make
from tests.libarchive import needs_libarchive
from tests.shared import shared


def read(content):
    what = Format("application/zip", "", "", False, "single", ())
    return list(archive.extract(io.BytesIO(content), Found(what)))


def members(items):
    return {item.path: item for item in items if isinstance(item, Member)}


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem) and item.incomplete]


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


PAIRS = [("a.txt", b"evidence"), ("фото/мій.jpg", b"\xff\xd8" * 400)]


@pytest.mark.parametrize(
    "content",
    [
        make.zipped(PAIRS),
        make.zipped(PAIRS, method=zipfile.ZIP_STORED),
        make.zipped(PAIRS, method=zipfile.ZIP_BZIP2),
        make.zipped(PAIRS, method=zipfile.ZIP_LZMA),
        make.tarred(PAIRS),
        make.tarred(PAIRS, "w:gz"),
        make.tarred(PAIRS, "w:bz2"),
        make.tarred(PAIRS, "w:xz"),
        make.zstandard(make.tarred(PAIRS)),
        make.rar4(PAIRS),
        make.rar5(PAIRS),
        pytest.param(make.rar5(PAIRS, packed=True), marks=needs_libarchive),
        pytest.param(make.sevenz(PAIRS), marks=needs_libarchive),
    ],
    ids=[
        "deflate",
        "stored",
        "bzip2",
        "lzma",
        "tar",
        "gz",
        "bz2",
        "xz",
        "zstd",
        "rar4",
        "rar5",
        "rar5 packed",
        "7z packed",
    ],
)
def test_members_are_listed_with_size_and_digest_whatever_the_container(content):
    found = members(
        list(listing.listing(io.BytesIO(content), "t 1")) if content[:1] != b"#" else []
    )
    if content[:1] == b"#":  # told by its end: only the reader of zips is asked
        from ingest.readers.zips import read_zip

        entries = read_zip(io.BytesIO(content), Budget()).entries
        assert [entry.path for entry in entries] == [name for name, _ in PAIRS]
        assert b"".join(entries[0].read()) == b"evidence"
        return
    for name, inside in PAIRS:
        assert found[name].size == len(inside)
        assert found[name].sha256 == digest(inside)


def test_a_zip_that_a_program_stands_before_is_read_all_the_same():
    entries = read_zip(io.BytesIO(b"#!/bin/sh\n" * 9 + make.zipped(PAIRS)), Budget()).entries
    assert [entry.path for entry in entries] == [name for name, _ in PAIRS]
    assert b"".join(entries[0].read()) == b"evidence"


def test_a_single_compressed_file_is_one_member():
    for content in (gzip.compress(b"abc" * 99), lzma.compress(b"abc" * 99)):
        assert [m.sha256 for m in members(read(content)).values()] == [digest(b"abc" * 99)]


def test_names_that_need_care_are_flagged_and_kept_as_they_are():
    seen: set[str] = set()
    for path, flag in (
        ("../up", "parent"), ("a\\..\\b", "parent"), ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"), ("a\0b", "nul"), ("a\nb", "control"), ("a\u202eb", "bidirectional"),
    ):  # fmt: skip
        assert flag in flags(Entry(path, 0), seen), path
    assert flags(Entry("plain.txt", 0), seen) == ()
    assert flags(Entry("plain.txt", 0), seen) == ("duplicate",)
    assert flags(Entry("PLAIN.txt", 0), seen) == ("duplicate-by-case-or-form",)
    assert flags(Entry("caf\u00e9", 0), seen) == ()
    assert flags(Entry("cafe\u0301", 0), seen) == ("duplicate-by-case-or-form",)


def test_links_and_devices_are_listed_and_never_followed():
    device = tarfile.TarInfo("null")
    device.type = tarfile.CHRTYPE
    hard = tarfile.TarInfo("hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/shadow"
    found = members(read(make.tarred([(device, b""), (hard, b"")])))
    assert (found["null"].flags, found["hard"].flags) == (("device",), ("link",))
    found = members(read(make.zipped([(make.link("out"), b"../secret")])))
    assert found["out"].flags == ("link",)
    assert found["out"].sha256 is None


def test_containers_within_are_listed_to_a_depth_of_three_and_no_deeper():
    content = b"core"
    for depth in range(6):
        content = make.zipped([(f"{depth}.zip" if depth else "core.txt", content)])
    paths = list(members(read(content)))
    assert paths == ["5.zip", "5.zip!/4.zip", "5.zip!/4.zip!/3.zip"]


def test_a_bomb_of_zeros_is_not_unpacked():
    began = time.process_time()
    items = read(make.zipped([("zeros", bytes(64 << 20))]))
    assert members(items)["zeros"].flags == ("unread",)
    assert any("one byte becomes more than 200" in reason for reason in problems(items))
    assert time.process_time() - began < 5


def test_members_that_share_bytes_are_never_read():
    items = read(make.overlapping())
    assert all("overlapping" in member.flags for member in members(items).values())
    assert not any(member.sha256 for member in members(items).values())
    assert any("share bytes" in reason for reason in problems(items))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (make.lying(declared=10), "holds more than the 10 bytes it declares"),
        (make.lying(declared=9999), "holds 5000 of the 9999 bytes it declares"),
        (make.two_names(), "the local header has another name"),
        (make.huge_64(), "9223372036854775808 members"),
        (make.zipped(PAIRS)[:-40], "no central directory"),
        (gzip.compress(random.Random(1).randbytes(5000))[:-2000], "ends early"),
        (make.tarred(PAIRS)[:1500], "without its closing blocks"),
        (make.tarred([("big", bytes(9000))])[:1024], "ends inside a member"),
    ],
)
def test_what_lies_or_is_cut_off_is_said(content, reason):
    assert any(reason in each for each in problems(read(content))), problems(read(content))


def test_a_zip_without_its_directory_is_read_from_its_local_headers():
    whole = make.zipped(PAIRS)
    cut = whole[: whole.index(b"PK\x01\x02")]
    found = members(read(cut))
    assert found["a.txt"].sha256 == digest(b"evidence")
    streamed = io.BytesIO()

    class Unseekable(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return streamed.write(data)

    with zipfile.ZipFile(Unseekable(), "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("s.txt", b"streamed" * 50)
    cut = streamed.getvalue()
    found = members(read(cut[: cut.index(b"PK\x01\x02")]))
    assert found["s.txt"].sha256 == digest(b"streamed" * 50)


def test_an_encrypted_archive_is_listed_and_named_as_such():
    locked = bytearray(make.zipped(PAIRS))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := locked.find(mark, place + 1)) >= 0:
            locked[place + at] |= 1
    items = read(bytes(locked))
    assert Inhibitor("encrypted") in items
    assert facts(items)["Archive:EncryptedMembers"] == "2"
    assert not problems(items)


def test_when_the_budget_is_spent_the_rest_is_listed_without_digests():
    content = make.zipped([(f"{n}", b"x" * 1000) for n in range(100)])
    what = listing.listing(io.BytesIO(content), "t 1", Budget(digested=10))
    items = list(what)
    assert len(members(items)) == 100
    assert sum(1 for m in members(items).values() if m.sha256) == 10
    remarks = [item for item in items if isinstance(item, Problem)]
    assert [(p.incomplete, p.reason) for p in remarks] == [
        (True, "90 of 100 members were not read: more than 10 members")
    ]


def test_so_many_members_are_listed_and_no_more(monkeypatch):
    monkeypatch.setattr(listing, "MOST_MEMBERS", 100)
    items = read(make.zipped([(f"{n}", b"") for n in range(120)]))
    assert facts(items)["Archive:Members"] == "100"
    assert any("no more are" in reason for reason in problems(items))


def test_real_archives_give_their_known_texts():
    for name in ("tar/mixed_paths.tar", "zip/mixed_paths.zip"):
        items = read(shared("samples", "disk-images", "dfvfs", name).read_bytes())
        found = members(items)
        syslog = shared("samples", "disk-images", "dfvfs/syslog").read_bytes()
        assert found["/folder/syslog"].sha256 == digest(syslog)
        assert found["/folder/syslog"].flags == ("absolute",)


def test_the_damaged_gzip_of_the_samples_is_partial():
    content = shared("samples", "disk-images", "dfvfs/corrupt1.gz").read_bytes()
    assert any("ends early" in reason for reason in problems(read(content)))


@pytest.mark.parametrize("seed", range(60))
def test_no_mutation_escapes_as_an_exception(seed):
    chance = random.Random(seed)
    kinds = [make.zipped(PAIRS), make.tarred(PAIRS), make.tarred(PAIRS, "w:gz"), make.rar4(PAIRS),
             make.rar5(PAIRS), make.huge_64(), SEVEN, make.sevenz(PAIRS),
             make.rar5(PAIRS, packed=True), make.zstandard(make.tarred(PAIRS))]  # fmt: skip
    for sound in kinds:
        changed = bytearray(sound)
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        read(bytes(changed[: chance.randint(len(changed) // 2, len(changed))]))


# Made by 7-Zip 16.02: a.txt (6 bytes), sub/ü.txt, an empty file; LZMA header.
SEVEN = bytes.fromhex(
    "377abcaf271c0004a9f3564c90000000000000002200000000000000a0aef60a01000768656c6c6f0a770a00"
    "0000813307ae0fce9c06c5092aaed3aa8526281318bb032567e0ff99de22cd23167d38c4118160a0cf514e12"
    "c401e57cd4bb7db001cb81bd6acf48fc4a6acbf9878b9213a3cec0502a20e9032f30b4ad4490926a4108cc40"
    "7284bca46e23b1ddb9af5b9d3e8a885cc330a87962d2504707b8d7c90377cea85c979f734065ec8e78000000"
    "17060c0109808400070b01000123030101055d001000000c80c20a01bd85e73b0000"
)


def test_a_7z_is_listed_from_its_packed_header():
    found = members(read(SEVEN))
    assert found["d/a.txt"].size == 6
    assert found["d/sub/ü.txt"].size == 2
    assert found["d/a.txt"].modified_at.endswith("Z")


@needs_libarchive
@pytest.mark.parametrize("make_one", [make.sevenz, lambda p, **k: make.rar5(p, packed=True, **k)])
def test_a_packed_member_whose_crc_is_wrong_has_no_digest(make_one):
    found = read(make_one(PAIRS, crc=1))
    assert [one.sha256 for one in members(found).values()] == [None, None]
    assert all("damaged" in one.flags for one in members(found).values())
    assert len(problems(found)) == 2


@needs_libarchive
@pytest.mark.parametrize("more", [-5, 5, 1 << 40])
def test_a_7z_that_lies_about_its_size_gives_no_wrong_digest(more):
    found = members(read(make.sevenz(PAIRS, size=more)))
    true = {digest(content) for _, content in PAIRS}
    assert {one.sha256 for one in found.values()} <= true | {None}
    assert found["фото/мій.jpg"].sha256 is None


@needs_libarchive
def test_a_packed_bomb_is_stopped_by_how_much_it_grows():
    found = read(make.sevenz([("zeros", bytes(64 << 20))]))
    assert members(found)["zeros"].sha256 is None
    assert problems(found) == [
        "1 of 1 members were not read", "zeros: one byte becomes more than 200"
    ]  # fmt: skip


@needs_libarchive
def test_an_archive_on_which_libarchive_fails_again_and_again_is_left():
    many = [(f"{n}", b"x" * 50) for n in range(200)]
    found = read(make.sevenz(many, crc=1))
    assert len(members(found)) == 200
    assert facts(found)["Archive:DigestedMembers"] == "0"
    # Seventeen are damaged; of the others nobody knows, and the outcome is "partial" for it.
    flags = [one.flags for one in members(found).values()]
    assert flags == [("damaged",)] * 17 + [("unread",)] * 183
    assert problems(found)[0] == "183 of 200 members were not read"


# Names as WinRAR wrote them (the first two), and one in runs: what it takes from the first form.
@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("955c82be82e60088686860308830", "表だよ"),
        (
            "e8a1a8e381a0e382885ce38395e382a1e382a4e383ab00886868603088305caad530a130a430eb30",
            "表だよ/ファイル",
        ),
        (b"a\\photo-1.jpg\0\x04\xc0\x0b".hex(), "a/photo-1.jpg"),
        (b"????.jpg\0\x04\xc0\x82\x00.jp\x00g".hex(), "пппп.jpg"),
        ("фото.jpg".encode().hex(), "фото.jpg"),
        (b"a\0".hex(), "a"),
        (b"a\0\x04".hex(), "a"),  # the second form is cut off
    ],
)  # fmt: skip
def test_names_of_rar_4_are_read_in_their_unicode_form(raw, name):
    found = read(make.rar4([(bytes.fromhex(raw), b"x"), ("next", b"y")]))
    assert [m.path for m in found if isinstance(m, Member)] == [name, "next"]


def test_a_name_that_the_archives_own_system_wrote_is_shown_as_escapes():
    assert rars._name_4(b"\x95\\\x82.txt", unicode=False) == "\\x95/\\x82.txt"


@needs_libarchive
def test_packed_members_can_be_read_in_any_order_and_again():
    entries = [Entry(name, len(content)) for name, content in PAIRS]
    packed.readable(entries, io.BytesIO(make.sevenz(PAIRS)))
    for n in (1, 0, 0, 1):
        assert b"".join(entries[n].read()) == PAIRS[n][1]


def test_without_libarchive_what_is_packed_is_listed_and_said_not_to_be_read(monkeypatch):
    monkeypatch.setattr(packed, "_library", None)
    for content in (make.sevenz(PAIRS), make.rar5(PAIRS, packed=True)):
        found = read(content)
        assert [one.sha256 for one in members(found).values()] == [None, None]
        assert any(
            "packed members are listed, not read" in one.reason
            for one in found
            if isinstance(one, Problem)
        )


def test_a_zstandard_window_that_would_fill_the_memory_is_refused():
    frame = bytes.fromhex("28b52ffd00b0") + bytes(20)  # window of 2^32 bytes
    assert any("frame" in reason.lower() or "memory" in reason for reason in problems(read(frame)))


def test_a_zstandard_member_of_a_zip_is_read():
    # Python's zipfile cannot write method 93: a stored member's method is set in both headers.
    content = make.zstandard(b"evidence" * 9)
    raw = bytearray(make.zipped([("a.txt", content)], method=zipfile.ZIP_STORED))
    for magic, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        place = raw.index(magic)
        raw[place + at : place + at + 2] = b"\x5d\0"
        crc, size = (14, 22) if magic[2] == 3 else (16, 24)
        raw[place + crc : place + crc + 4] = zlib.crc32(b"evidence" * 9).to_bytes(4, "little")
        raw[place + size : place + size + 4] = (72).to_bytes(4, "little")
    assert members(read(bytes(raw)))["a.txt"].sha256 == digest(b"evidence" * 9)
