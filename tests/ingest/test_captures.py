"""What browsers and capture tools save: HAR, MHTML, SingleFile, yt-dlp, auto-archiver."""

import io
import json
import random

import pytest

from ingest.extraction import Fact, Format, Found, Problem
from ingest.extractors import capture_json, har, saved_page
from ingest.readers.peek import Peek


def names(extractor, content):
    peek = Peek(io.BytesIO(content), "text/plain")
    return tuple(name for name, test in extractor.CONTAINERS.items() if test(peek))


def read(extractor, content):
    what = Format("text/plain", "", "", False, "single", (), None, names(extractor, content))
    return list(extractor.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item for item in items if isinstance(item, Fact)}


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem)]


def test_a_har_says_tool_pages_addresses_and_times_with_their_zone():
    said = facts(read(har, har.SAMPLE))
    assert said["HAR:CreatorName"].value == "Firefox"
    assert said["HAR:Page"].value == "A page"
    assert said["HAR:Document"].value == "https://example.org/a"
    assert said["HAR:Document"].raw.endswith("200 text/html 192.0.2.7")
    assert (said["HAR:First"].value, said["HAR:First"].tz) == (
        "2024-05-01T10:30:00.123+03:00",
        "+03:00",
    )
    assert (said["HAR:Entries"].value, said["HAR:Bodies"].value) == ("1", "1")
    assert said["HAR:Status"].value == "200 1"


def test_a_har_cut_off_gives_what_there_was():
    one = json.loads(har.SAMPLE)
    one["log"]["entries"] *= 500
    content = json.dumps(one).encode()
    items = read(har, content[: len(content) // 2])
    assert 200 < int(facts(items)["HAR:Entries"].value) < 500
    assert problems(items)


def test_an_mhtml_says_address_title_time_and_parts():
    said = facts(read(saved_page, saved_page.SAMPLE))
    assert said["SavedPage:URL"].value == "https://example.org/a"
    assert said["SavedPage:Title"].value == "Криниця"
    assert said["SavedPage:Saved"].value == "2024-05-01T10:30:00+03:00"
    assert said["SavedPage:Parts"].value == "2"
    cut = read(saved_page, saved_page.SAMPLE[:-20])
    assert any("cut off" in reason for reason in problems(cut))


def test_the_parts_of_an_mhtml_are_counted_over_the_edges_of_blocks():
    head, _, rest = saved_page.SAMPLE.partition(b"------X\r\n")
    filler = b"------X\r\nContent-Type: image/png\r\n\r\n" + b"x" * 65_000 + b"\r\n"
    content = head + filler * 9 + b"------X\r\n" + rest
    assert facts(read(saved_page, content))["SavedPage:Parts"].value == "11"


SINGLE = (
    "<!DOCTYPE html> <html lang=uk><!--\n Page saved with SingleFile \n"
    " url: https://example.org/b?x=1 \n"
    " saved date: Wed May 01 2024 10:30:00 GMT+0300 (Eastern European Summer Time)\n--><head>"
    "<title>Криниця &amp; міст</title>"
)


def test_a_page_of_singlefile_says_address_and_time():
    said = facts(read(saved_page, SINGLE.encode()))
    assert said["SavedPage:URL"].value == "https://example.org/b?x=1"
    assert said["SavedPage:Saved"].value == "2024-05-01T10:30:00+03:00"
    assert said["SavedPage:Title"].value == "Криниця &amp; міст"


def test_a_page_saved_from_an_address_says_it_and_another_page_is_none():
    page = b"<!-- saved from url=(0021)https://example.org/c -->\n<html><title>C</title>"
    assert facts(read(saved_page, page))["SavedPage:URL"].value == "https://example.org/c"
    assert names(saved_page, b"<html><title>plain</title>") == ()


def test_an_info_file_of_yt_dlp_says_whose_video_it_is_and_when_it_was_taken():
    said = facts(read(capture_json, capture_json.SAMPLE))
    expected = {
        "YtDlp:Id": "abc123", "YtDlp:Title": "Krynytsia bridge",
        "YtDlp:WebpageUrl": "https://www.youtube.com/watch?v=abc123",
        "YtDlp:UploaderId": "youtube:name:field", "YtDlp:ChannelId": "youtube:id:UC1",
        "YtDlp:Published": "2024-05-01T07:30:00Z", "YtDlp:Captured": "2024-05-01T07:53:20Z",
        "YtDlp:UploadDate": "2024-05-01", "YtDlp:ToolVersion": "2024.04.09 yt-dlp/yt-dlp",
    }  # fmt: skip
    assert {name: said[name].value for name in expected} == expected


def test_an_info_file_with_a_long_list_of_formats_in_front_is_still_known():
    said = {"formats": [{"url": "https://example.org/" + "x" * 80}] * 2000} | json.loads(
        capture_json.SAMPLE
    )
    content = json.dumps({"id": "abc123"} | said).encode()
    assert names(capture_json, content) == ("yt-dlp-info",)


def test_a_result_of_auto_archiver_says_address_status_and_digests():
    digest = "SHA3-512:" + "ab" * 64
    content = json.dumps(
        {
            "status": "yt-dlp: success",
            "metadata": {"_processed_at": "2024-05-01T07:30:00+00:00", "url": "https://example.org/v"},
            "media": [{"filename": "v.mp4", "urls": ["https://host.invalid/v.mp4"],
                       "properties": {"hash": digest}},
                      {"filename": "page.png", "properties": {"id": "screenshot"}}],
        }
    ).encode()  # fmt: skip
    said = facts(read(capture_json, content))
    assert said["AutoArchiver:Status"].value == "yt-dlp: success"
    assert said["AutoArchiver:Url"].value == "https://example.org/v"
    assert said["AutoArchiver:ProcessedAt"].value == "2024-05-01T07:30:00+00:00"
    assert said["AutoArchiver:MediaHash"].value == "sha3512:" + "ab" * 64
    assert said["AutoArchiver:Screenshot"].value == "page.png"


@pytest.mark.parametrize("seed", range(30))
def test_no_mutation_escapes_as_an_exception(seed):
    chance = random.Random(seed)
    for extractor in (har, saved_page, capture_json):
        for sound in (extractor.SAMPLE, SINGLE.encode()):
            changed = bytearray(sound)
            for _ in range(chance.randint(1, 8)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            read(extractor, bytes(changed))
