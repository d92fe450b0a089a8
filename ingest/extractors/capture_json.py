"""What capture tools write beside a media file: yt-dlp's info.json, auto-archiver's results.

Address, id, uploader, title, times, tool and version; the digests that the tool computed. Whether a
media file lies beside it is for whoever looks at the submission: here is one file alone.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import Normal, fact, times
from ingest.normalise import identifiers as ids
from ingest.readers.named import tag
from ingest.readers.peek import Peek

NAME = "capture_json"
VERSION = "capture result reader 1"
FORMATS = frozenset({"yt-dlp-info", "auto-archiver"})
MOST = 64 << 20
MOST_MEDIA = 500


def _begins(peek: Peek) -> bytes:
    head = peek.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return head if head[:1] == b"{" else b""


def _is_info(peek: Peek) -> bool:
    """Return whether a JSON has the marks of yt-dlp, at its beginning or its end."""
    head = _begins(peek)
    if not head:
        return False
    peek.file.seek(max(0, peek.size - 65_536))
    both = head + peek.file.read(65_536)
    marks = (b'"extractor"', b'"extractor_key"', b'"webpage_url"')
    return b'"id"' in head and sum(mark in both for mark in marks) >= 2


def _is_result(peek: Peek) -> bool:
    head = _begins(peek)
    return b'"_processed_at"' in head and b'"status"' in head


CONTAINERS = {"yt-dlp-info": _is_info, "auto-archiver": _is_result}
SAMPLE = json.dumps(
    {
        "id": "abc123", "title": "Krynytsia bridge", "extractor": "youtube",
        "extractor_key": "Youtube", "webpage_url": "https://www.youtube.com/watch?v=abc123",
        "uploader": "Field", "uploader_id": "@field", "channel_id": "UC1", "duration": 61,
        "timestamp": 1714548600, "upload_date": "20240501", "epoch": 1714550000,
        "ext": "mp4", "_version": {"version": "2024.04.09", "repository": "yt-dlp/yt-dlp"},
    }
).encode()  # fmt: skip

_TEXTS = (
    "id", "title", "fulltitle", "extractor", "extractor_key", "channel", "uploader", "ext",
    "format", "duration", "view_count", "like_count", "comment_count", "language", "location",
    "playlist_title", "playlist_id", "live_status", "availability", "width", "height", "fps",
)  # fmt: skip
_URLS = ("webpage_url", "original_url", "uploader_url", "channel_url", "thumbnail")
_MOMENTS = {"timestamp": "Published", "release_timestamp": "Released", "epoch": "Captured",
            "modified_timestamp": "Modified"}  # fmt: skip


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the tool wrote of the capture."""
    file.seek(0)
    data = file.read(MOST + 1)
    if len(data) > MOST:
        yield Problem(f"a file of more than {MOST} bytes is not read")
        return
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        yield Problem(f"the JSON cannot be read: {type(error).__name__}")
        return
    if not isinstance(said, dict):
        yield Problem("the JSON is no object")
    elif "_processed_at" in str(said.get("metadata", said))[:1_000_000]:
        yield from _archiver(said)
    else:
        yield from _info(said)


def _info(said: Mapping[str, Any]) -> Iterator[Item]:
    for key in _TEXTS:
        text = _plain(said.get(key))
        if text:
            yield Fact(tag("YtDlp", key), text, text, f"{VERSION} {key}")
    for key in _URLS:
        text = _plain(said.get(key))
        if text:
            yield fact(tag("YtDlp", key), text, f"{VERSION} {key}", ids.url(text))
    service = re.split("[:+]", _plain(said.get("extractor")).lower())[0] or "unknown"
    for key, kind in (("uploader_id", "name"), ("channel_id", "id")):
        text = _plain(said.get(key))
        if text:
            normal = ids.account(service[:40], text, kind=kind)
            yield fact(tag("YtDlp", key), text, f"{VERSION} {key}", normal)
    for key, name in _MOMENTS.items():
        value = said.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
            normal = times.since("unix", int(value))
            yield fact(f"YtDlp:{name}", str(value), f"{VERSION} {key}", normal)
    day = _plain(said.get("upload_date"))
    if re.fullmatch("[0-9]{8}", day):
        shown = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        yield Fact("YtDlp:UploadDate", shown, day, f"{VERSION} upload_date")
    version = said.get("_version")
    if isinstance(version, dict):
        text = " ".join(filter(None, map(_plain, version.values())))[:300]
        yield Fact("YtDlp:ToolVersion", text, text, f"{VERSION} _version")


def _archiver(said: Mapping[str, Any]) -> Iterator[Item]:
    inner = said.get("metadata")
    metadata = inner if isinstance(inner, dict) else said
    status = _plain(said.get("status"))
    if status:
        yield Fact("AutoArchiver:Status", status, status, VERSION)
    for key, value in list(metadata.items())[:200]:
        text = _plain(value)
        if not text or not isinstance(key, str):
            continue
        normal: Normal | None = None
        if "url" in key.lower():
            normal = ids.url(text)
        elif re.search("date|time|_at$", key):
            normal = times.iso(text)
        yield fact(tag("AutoArchiver", key), text, f"{VERSION} {key}"[:200], normal)
    media = said.get("media")
    listed = [each for each in media if isinstance(each, dict)] if isinstance(media, list) else []
    yield Fact("AutoArchiver:Media", str(len(listed)), str(len(listed)), VERSION)
    for each in listed[:MOST_MEDIA]:
        yield from _media(each)


def _media(each: Mapping[str, Any]) -> Iterator[Item]:
    name = _plain(each.get("filename")) or _plain(each.get("key"))
    properties = each.get("properties")
    values = properties if isinstance(properties, dict) else {}
    if "screenshot" in _plain(values.get("id")).lower():
        yield Fact("AutoArchiver:Screenshot", name, name, VERSION)
    stated = _plain(values.get("hash"))
    algorithm, colon, value = stated.partition(":")
    normal = ids.digest(value if colon else stated, algorithm if colon else "")
    if normal is not None:
        said = f"{stated} {name}"
        yield Fact("AutoArchiver:MediaHash", normal.value, said, VERSION, None, None, "digest")
    for target in each.get("urls") or () if isinstance(each.get("urls"), list) else ():
        text = _plain(target)
        if text:
            yield fact("AutoArchiver:MediaUrl", text, f"{VERSION} {name}"[:300], ids.url(text))


def _plain(value: Any) -> str:
    if isinstance(value, bool | str | int):
        return str(value).strip()[:2000]
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else ""
