"""Blocks of metadata are found in every container, bounded, and broken containers say so."""

import io
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.extraction import Problem
from ingest.extractors import image, iptc, picture, xmp
from ingest.readers import pictures
from ingest.readers.blocks import MOST_BLOCK, MOST_BLOCKS, Block
from ingest.readers.boxes import MOST_BOXES, Boxes, TooManyBoxes
from tests.ingest.containers import (
    XMP,
    box,
    chunk,
    data_set,
    extended,
    heic,
    jpeg,
    packet,
    photoshop,
    png,
    webp,
)
from tests.ingest.pictures import ASCII, tiff
from tests.shared import shared

EXIF = tiff(ifd0=[(0x10F, ASCII, b"Maker\0")])
PACKET = packet("<dc:format>image/x</dc:format>")
RECORD = data_set(120, b"Bridge")
BOTH = {("exif", EXIF), ("xmp", PACKET)}
RAF = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, 0)
JPEG = jpeg((0xE1, b"Exif\0\0" + EXIF), (0xE1, XMP + PACKET))
PNG = png((b"eXIf", EXIF), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET))
WEBP = webp((b"VP8X", b"\x0c\0\0\0\x02\0\0\x01\0\0"), (b"EXIF", EXIF), (b"XMP ", PACKET))
HEIC = heic(EXIF, PACKET)
CONTAINERS = {"jpeg": JPEG, "png": PNG, "webp": WEBP, "heic": HEIC, "raf": RAF + JPEG}
READERS = [image, iptc, picture, xmp]


def found(data):
    return list(pictures.blocks(io.BytesIO(data)))


def kinds(data):
    return {(one.kind, one.data) for one in found(data) if isinstance(one, Block)}


def problems(data):
    return [one.reason for one in found(data) if isinstance(one, Problem)]


@pytest.mark.parametrize("name", CONTAINERS)
def test_exif_and_xmp_are_found_in_every_container(name):
    assert kinds(CONTAINERS[name]) >= BOTH
    assert problems(CONTAINERS[name]) == []


def test_canons_raw_files_keep_each_directory_in_a_stream_of_its_own():
    parts = [box(name, EXIF) for name in (b"CMT1", b"CMT2", b"CMT4")]
    uuid = box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), *parts)
    whole = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", uuid)
    assert {("exif", EXIF), ("exif-part", EXIF), ("gps-part", EXIF)} <= kinds(whole)
    names = {item.name for item in image.extract(io.BytesIO(whole), None) if hasattr(item, "name")}
    assert {"IFD0:Make", "ExifIFD:Make"} <= names


def test_a_raw_profile_in_a_png_is_unpacked():
    text = b"\niptc\n" + str(len(RECORD)).encode() + b"\n" + RECORD.hex().encode() + b"\n"
    data = b"Raw profile type iptc\0\0" + zlib.compress(text)
    assert ("photoshop", RECORD) in kinds(png((b"zTXt", data)))


def test_extended_xmp_is_put_together_and_its_digest_checked():
    more = packet("<dc:source>" + "x" * 5000 + "</dc:source>")
    whole = jpeg((0xE1, XMP + PACKET), *extended(more))
    items = list(xmp.extract(io.BytesIO(whole), None))
    assert any(getattr(item, "name", "") == "XMP-dc:Source" for item in items)
    assert not any(isinstance(item, Problem) for item in items)
    broken = whole.replace(b"xxxxxxx", b"xxxyxxx", 1)
    assert any(
        "MD5" in i.reason for i in xmp.extract(io.BytesIO(broken), None) if hasattr(i, "reason")
    )


@pytest.mark.parametrize("name", CONTAINERS)
def test_cut_at_every_place_a_container_gives_items_and_no_exception(name):
    whole = CONTAINERS[name]
    for length in range(len(whole)):
        for reader in READERS:
            list(reader.extract(io.BytesIO(whole[:length]), None))
    assert problems(whole[: len(whole) // 2])


@given(
    st.sampled_from(sorted(CONTAINERS)), st.binary(min_size=1, max_size=12), st.integers(0, 2000)
)
@settings(max_examples=300)
def test_changed_anywhere_a_container_gives_items_and_no_exception(name, patch, at):
    whole = CONTAINERS[name]
    changed = whole[:at] + patch + whole[at + len(patch) :]
    for reader in READERS:
        list(reader.extract(io.BytesIO(changed), None))


# --- bounds ---


def test_ten_thousand_segments_are_not_all_read():
    many = jpeg(*[(0xE1, XMP + PACKET)] * 10_000)
    assert any("segments" in reason for reason in problems(many))
    assert sum(isinstance(one, Block) for one in found(many)) <= MOST_BLOCKS


def test_a_text_that_unpacks_to_gigabytes_is_not_unpacked():
    bomb = zlib.compress(b"\0" * (64 << 20), 9)
    started = time.process_time()
    reasons = problems(png((b"zTXt", b"Comment\0\0" + bomb), (b"iTXt", b"C\0\1\0\0\0" + bomb)))
    assert time.process_time() - started < 5
    assert len(reasons) == 2
    assert all(str(MOST_BLOCK) in reason for reason in reasons)


def test_boxes_in_boxes_a_thousand_deep_cost_a_bounded_number_of_reads():
    deep = b""
    for _ in range(1000):
        deep = box(b"moov", deep)
    assert problems(deep[:4] + b"ftyp" + deep[8:]) == []
    boxes = Boxes(io.BytesIO(box(b"free") * (MOST_BOXES + 1)))
    with pytest.raises(TooManyBoxes):
        list(boxes.top())


def test_a_length_beyond_the_file_reads_no_more_than_the_file():
    lying = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0x7FFFFFFF) + b"tEXt" + b"x"
    assert len(problems(lying)) == 2
    assert found(b"\xff\xd8\xff\xe1\xff\xff" + XMP)[-1].incomplete


def test_a_checksum_that_does_not_match_is_said():
    wrong = bytearray(png((b"tEXt", b"Comment\0bridge")))
    wrong[wrong.index(b"bridge")] ^= 1
    assert any("checksum" in reason for reason in problems(bytes(wrong)))


def test_iptc_records_without_end_are_not_read():
    many = photoshop((0x0404, data_set(25, b"k") * 8000))
    items = list(iptc.extract(io.BytesIO(jpeg(many)), None))
    assert len(items) == 2001
    assert "data sets" in items[-1].reason
    endless = pictures.blocks(io.BytesIO(jpeg((0xED, b"Photoshop 3.0\0" + b"8BIM" * 9000))))
    assert list(endless)


def test_a_png_that_has_more_chunks_than_any_sound_one_is_not_read_to_its_end():
    many = png(*[(b"tEXt", b"a\0b")] * (MOST_BLOCKS + 5))
    assert any("chunks" in reason for reason in problems(many))
    assert chunk(b"tEXt", b"a\0b") in many


# --- real files ---


def test_real_pictures_are_read_without_exception_and_broken_ones_say_so():
    """299 samples and the hostile photographs: outcome classes, not exception texts."""
    for folder in (shared("samples"), shared("hostile", "photos"), shared("hostile", "hanging")):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not {".truth", ".oracle"} & set(file.parts):
                for reader in READERS:
                    with file.open("rb") as evidence:
                        items = list(reader.extract(evidence, None))
                    assert len(items) < 9000, file
