"""What films and sound say: times whose zone is not guessed, places, devices; bounded and cut."""

import io
import json
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.extraction import Fact, Problem
from ingest.extractors import audio, matroska, riff, video
from tests.ingest.containers import box, full, packet
from tests.ingest.films import (
    SINCE_1904,
    chunk,
    element,
    id3,
    keys,
    movie,
    said,
    track,
)
from tests.ingest.films import riff as riff_file
from tests.shared import shared

PHONE = {
    "com.apple.quicktime.make": "Maker",
    "com.apple.quicktime.location.ISO6709": "+50.4501+030.5234+110.000/",
    "com.apple.quicktime.creationdate": "2020-09-13T15:26:40+0300",
}
WAVE = riff_file(
    b"WAVE",
    chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16)),
    chunk(b"bext", b"d".ljust(256, b"\0") + b"o".ljust(32, b"\0") + b"r".ljust(32, b"\0")
          + b"2020-01-0515:04:05" + b"\0" * 264),
    chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"recorder")),
    chunk(b"data", b"\0" * 32_000),
)  # fmt: skip
MKV = element("1a45dfa3", element("4282", b"matroska")) + element(
    "18538067",
    element(
        "1549a966",
        element("2ad7b1", (1_000_000).to_bytes(3, "big")),
        element("4489", struct.pack(">d", 2500.0)),
        element("4461", (631_152_000 * 10**9).to_bytes(8, "big")),
        element("5741", b"recorder"),
    ),
    element("1654ae6b", element("ae", element("86", b"V_VP9"), element("b0", b"\x02\x80"))),
    element("1254c367", element("7373", element("67c8", element("45a3", b"LOCATION"),
                                                 element("4487", b"+50+030/")))),
)  # fmt: skip
SOUND = id3((b"TIT2", b"\3Bridge"), (b"TDRC", b"\0002020-01-05T15:04:05")) + b"\xff\xfb\x90\0" * 20
FILMS = {
    "mp4": (video, movie(box(b"udta", said(b"\xa9xyz", "+50.4501+030.5234/")), track())),
    "mov": (video, movie(keys(PHONE), track())),
    "wav": (riff, WAVE),
    "mkv": (matroska, MKV),
    "mp3": (audio, SOUND),
    "flac": (audio, audio.SAMPLE),
}


def items(extractor, data):
    return list(extractor.extract(io.BytesIO(data), None))


def facts(extractor, data):
    return {one.name: one for one in items(extractor, data) if isinstance(one, Fact)}


def problems(extractor, data):
    return [one.reason for one in items(extractor, data) if isinstance(one, Problem)]


# --- films made of boxes ---


def test_a_header_s_time_alone_has_no_zone():
    found = facts(video, movie())["QuickTime:CreateDate"]
    assert (found.value, found.tz, found.kind) == ("2020-09-13T12:26:40", "unknown", "time")
    assert found.raw == str(1_600_000_000 + SINCE_1904)


def test_a_header_s_time_that_another_time_bears_out_is_utc():
    found = facts(video, movie(keys(PHONE)))
    assert found["Keys:CreationDate"].tz == "+03:00"
    header = found["QuickTime:CreateDate"]
    assert (header.value, header.tz) == ("2020-09-13T12:26:40Z", "UTC")
    other = {**PHONE, "com.apple.quicktime.creationdate": "2020-09-13T12:26:40+0300"}
    assert facts(video, movie(keys(other)))["QuickTime:CreateDate"].tz == "unknown"


def test_a_time_of_zero_is_no_time_and_one_counted_from_1970_says_so():
    assert facts(video, movie(created=0))["QuickTime:CreateDate"].suspect == "no time was set"
    found = facts(video, movie(created=1_600_000_000))["QuickTime:CreateDate"]
    assert found.value == "2020-09-13T12:26:40"
    assert "1970" in found.suspect


@pytest.mark.parametrize("name", ["mp4", "mov"])
def test_the_place_of_a_phone_s_film_is_a_place(name):
    found = facts(*FILMS[name])["Composite:GPSPosition"]
    assert (found.value, found.kind, found.suspect) == ("50.4501 30.5234", "place", None)


def test_a_place_of_zero_is_suspect_and_what_is_no_place_is_none():
    zero = movie(box(b"udta", said(b"\xa9xyz", "+00.0000+000.0000/")))
    assert "0,0" in facts(video, zero)["Composite:GPSPosition"].suspect
    none = facts(video, movie(box(b"udta", said(b"\xa9xyz", "somewhere"))))
    assert none["UserData:GPSCoordinates"].suspect == "not a place"
    assert "Composite:GPSPosition" not in none


@pytest.mark.parametrize("name", ["Міст".encode(), b"\xfe\xff" + "Міст".encode("utf-16-be")])
def test_the_place_of_3gpp_has_its_altitude_and_a_name_in_either_encoding(name):
    end = b"\0\0" if name[:1] == b"\xfe" else b"\0"
    where = struct.pack(">3i", -70 << 16, -33 << 16, -12 << 16)
    place = full(b"loci", b"\x15\xc7" + name + end + b"\0" + where + b"earth\0\0")
    found = facts(video, movie(box(b"udta", place)))
    assert found["UserData:LocationInformation"].value.startswith("Міст Role=shooting Lat=-33")
    assert found["Composite:GPSPosition"].value == "-33 -70"
    assert found["Composite:GPSAltitude"].value == "-12"


def test_a_length_that_is_not_known_is_no_length():
    film = facts(video, movie(box(b"mvex"), duration=0))["QuickTime:Duration"]
    assert (film.value, "fragments" in film.suspect) == ("0", True)
    none = facts(video, movie(duration=0xFFFFFFFF))["QuickTime:Duration"]
    assert none.suspect == "no length was set"
    assert facts(video, movie(duration=0))["QuickTime:Duration"].suspect is None


def test_a_track_says_its_codec_size_rate_and_turn():
    found = facts(video, movie(track(matrix=(0, 1, -1, 0))))
    assert found["Track1:CompressorID"].value == "avc1"
    assert found["Track1:SourceImageWidth"].value == "640"
    assert found["Track1:VideoFrameRate"].value == "25"
    assert found["Composite:Rotation"].value == "90"
    assert found["QuickTime:Duration"].value == "2.5"


def test_the_next_number_of_a_track_and_how_it_is_played_are_told():
    """A gap below the next number: a track was removed."""
    head = struct.pack(">4I", 0, 0, 1000, 2500) + struct.pack(">IH", 3 << 15, 1 << 7) + b"\0" * 70
    film = box(b"ftyp", b"qt  \x20\x05\x03\0qt  ") + box(
        b"moov", full(b"mvhd", head + struct.pack(">I", 9)), track()
    )
    found = facts(video, film)
    assert found["QuickTime:MinorVersion"].value == "2005.3.0"
    assert found["QuickTime:NextTrackID"].value == "9"
    assert found["QuickTime:PreferredRate"].value == "1.5"
    assert found["QuickTime:PreferredVolume"].value == "0.5"
    assert found["Track1:TrackID"].value == "7"
    assert found["Track1:TrackLayer"].value == "0"


def test_a_language_that_is_none_loses_no_place():
    """Found by changing bytes: a code of other signs than letters once ended the reading."""
    film = movie(box(b"udta", said(b"\xa9xyz", "+50.4501+030.5234/", language=0x7C1F)))
    assert facts(video, film)["Composite:GPSPosition"].value == "50.4501 30.5234"


def test_the_xmp_of_a_film_is_read():
    uuid = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
               packet("<dc:format>video</dc:format>"))  # fmt: skip
    assert facts(video, movie() + uuid)["XMP-dc:Format"].value == "video"


def test_a_film_that_was_never_finished_says_so():
    broken = box(b"ftyp", b"mp42\0\0\0\0mp42") + b"\0\1\0\0mdat" + b"\0" * 100
    assert any("moov" in reason for reason in problems(video, broken))
    assert any("cut off" in reason for reason in problems(video, broken))


def test_nested_boxes_and_endless_tables_are_bounded():
    deep = track()
    for _ in range(1000):
        deep = box(b"trak", deep)
    started = time.process_time()
    items(video, movie(deep))
    liar = full(b"stts", struct.pack(">I", 0xFFFFFFFF)) + b"\0" * 64
    items(video, movie(box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", liar))))))
    assert any("tracks" in reason for reason in problems(video, movie(*[track()] * 200)))
    assert time.process_time() - started < 3


def test_the_thousand_nested_boxes_of_the_samples_are_read_in_time():
    started = time.process_time()
    items(video, shared("samples", "c2pa", "sdk", "nested_moov_1000.mp4").read_bytes())
    assert time.process_time() - started < 1


# --- others ---


def test_a_broadcast_wave_says_when_and_by_what_it_was_recorded():
    found = facts(riff, WAVE)
    moment = found["RIFF:DateTimeOriginal"]
    assert (moment.value, moment.tz) == ("2020-01-05T15:04:05", "unknown")
    assert found["RIFF:Originator"].value == "o"
    assert found["RIFF:Software"].value == "recorder"
    assert found["Composite:Duration"].value == "2"


def test_the_time_of_an_avi_is_read_and_has_no_zone():
    avi = riff_file(b"AVI ", chunk(b"IDIT", b"Mon Mar 10 15:04:43 2003\n\0"))
    found = facts(riff, avi)["RIFF:DateTimeOriginal"]
    assert (found.value, found.tz) == ("2003-03-10T15:04:43", "unknown")


def test_noise_where_an_avi_has_its_date_is_no_date():
    noise = b"E\xff\xff\rAVI RIFF[\xff\xff\xffhdrb"
    avi = riff_file(b"AVI ", chunk(b"IDIT", noise))
    assert "RIFF:DateTimeOriginal" not in facts(riff, avi)
    assert problems(riff, avi) == ["chunk IDIT: what stands for a date is no text"]


def test_matroska_s_time_is_utc_and_its_tags_are_facts():
    found = facts(matroska, MKV)
    assert found["Matroska:DateTimeOriginal"].value == "2021-01-01T00:00:00Z"
    assert found["Matroska:DateTimeOriginal"].tz == "UTC"
    assert found["Matroska:Duration"].value == "2.5"
    assert found["Matroska:WritingApp"].value == "recorder"
    assert found["Matroska:Location"].value == "+50+030/"
    assert found["Track1:ImageWidth"].value == "640"


def test_id3_says_title_and_time():
    found = facts(audio, SOUND)
    assert found["ID3v2_3:Title"].value == "Bridge"
    assert found["ID3v2_3:RecordingTime"].tz == "unknown"
    assert found["MPEG:SampleRate"].value == "44100"


def test_a_tag_that_unpacks_to_gigabytes_or_lies_about_its_length_is_bounded():
    packed = b"ID3\x03\0\0\x00\x00\x00\x20TIT2\0\0\0\x06\0\x80xxxxxx"
    assert any("packed" in reason for reason in problems(audio, packed))
    long = id3((b"TIT2", b"\3" + b"x" * 100_000))
    assert len(facts(audio, long)["ID3v2_3:Title"].value) <= 2000
    lying = b"ID3\x03\0\0\x7f\x7f\x7f\x7fTIT2"
    assert any("cut off" in reason for reason in problems(audio, lying))


def test_the_comments_of_a_voice_message_are_read():
    def page(data, number):
        head = b"OggS\0\2" + b"\0" * 8 + struct.pack("<III", 1, number, 0)
        return head + bytes([1, len(data)]) + data

    header = b"OpusHead\1\1\0\0" + struct.pack("<I", 48_000) + b"\0\0\0"
    tags = b"OpusTags" + struct.pack("<I", 3) + b"app" + struct.pack("<II", 1, 7) + b"TITLE=a"
    found = facts(audio, page(header, 0) + page(tags, 1))
    assert found["Opus:SampleRate"].value == "48000"
    assert (found["Vorbis:Vendor"].value, found["Vorbis:Title"].value) == ("app", "a")


# --- all ---


@pytest.mark.parametrize("name", FILMS)
def test_cut_at_every_place_a_file_gives_items_and_no_exception(name):
    extractor, whole = FILMS[name]
    for length in range(min(len(whole), 1500)):
        items(extractor, whole[:length])


@given(st.sampled_from(sorted(FILMS)), st.binary(min_size=1, max_size=12), st.integers(0, 1200))
@settings(max_examples=300)
def test_changed_anywhere_a_file_gives_items_and_no_exception(name, patch, at):
    extractor, whole = FILMS[name]
    for item in items(extractor, whole[:at] + patch + whole[at + len(patch) :]):
        json.dumps(item.to_json())


def test_real_films_agree_with_exiftool():
    compared = 0
    wanted = ("QuickTime:CreateDate", "QuickTime:Duration", "Track1:CompressorID",
              "Composite:GPSPosition", "Matroska:WritingApp", "RIFF:ImageWidth")  # fmt: skip
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            kind = str(tags.get("File:MIMEType"))
            extractor = {"video/mp4": video, "video/quicktime": video, "video/x-matroska": matroska,
                         "video/x-msvideo": riff}.get(kind)  # fmt: skip
            if extractor is None or "fuzzing" in name:
                continue
            ours = facts(extractor, (oracle.parents[1] / name).read_bytes())
            for tag in wanted:
                if tag in ours and tag in tags:
                    theirs = str(tags[tag]).strip()
                    if tag.endswith("Date"):
                        assert ours[tag].value[:19].replace("-", ":").replace("T", " ") == theirs
                    elif tag.endswith("Duration"):
                        assert abs(float(ours[tag].value) - float(theirs)) < 1e-6
                    elif tag.endswith("Position"):
                        for mine, other in zip(
                            ours[tag].value.split(), theirs.split(), strict=True
                        ):
                            assert abs(float(mine) - float(other)) < 1e-5
                    else:
                        assert ours[tag].value == theirs, (name, tag)
                    compared += 1
    assert compared >= 28
