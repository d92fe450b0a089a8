"""The demonstration's own evidence: what investigators bring, made here and copied from nowhere.

Three families: photographs and an Object ID record of heritage, a web capture and a saved post
of social media, backups of two phones. Every person, number, place and object is fictional and
says so: numbers begin with +999, which no country has, hosts end in .example, IMEIs begin with
00, the mark of test devices. Bytes are the same at every run but for the web capture, a real one:
it fetches a page from a server started here, on 127.0.0.1 and nowhere else.
"""

import gzip
import json
from base64 import b32encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from socket import create_connection
from socketserver import TCPServer
from threading import Thread
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from api.demo_phones import android_backup as _android_backup
from api.demo_phones import ios_backup as _ios_backup
from api.demo_pictures import CAPTION, footage, relief, shrine, tablet

_LOOPBACK = "127.0.0.1"
_FIXED = datetime(2025, 3, 20, 6, 0, tzinfo=UTC)  # the time inside archives and backups
_TEAM = "Heritage team of the demonstration (fictional)"
_MONITOR = "Monitor of the demonstration (fictional)"
_EXAMINER = "Examiner of the demonstration (fictional)"
_VIDEO = "سوق النور بعد القصف [fx-7Q2m]"
_ARABIC = "سوق النور (مكان خيالي) بعد القصف. المئذنة مكسورة والضريح متضرر. لا أحد حقيقي هنا."
_UKRAINIAN = "Ринок Ан-Нур (вигадане місце) після обстрілу. Мінарет зламано, святиню пошкоджено."


@dataclass(frozen=True, slots=True)
class Sample:
    """One file of the demonstration, and what its collector would say of it.

    `path` is relative to the folder the samples were made in; `collected_at` is RFC 3339, or None
    where the collector noted no time.
    """

    path: Path
    family: Literal["mobile", "social", "heritage"]
    title: str
    collected_by: str
    collected_at: str | None
    place: str
    method: str
    source: str | None


def make_samples(folder: Path, *, clock: Callable[[], datetime]) -> list[Sample]:
    """Make every sample under `folder`, in heritage/, social/ and mobile/, and say what each is.

    `clock` dates the web capture alone. Files already there under these names are replaced.
    """
    for family in ("heritage", "social", "mobile"):
        (folder / family).mkdir(parents=True, exist_ok=True)
    building = shrine()
    return [
        *_make_heritage(folder, building),
        *_make_social(folder, building, clock=clock),
        *_make_mobile(folder, building),
    ]


def _make_heritage(folder: Path, building: Image.Image) -> Iterator[Sample]:
    """Three photographs: a full one, one of unknown time zone, one whose GPS had no fix."""
    shots = (
        ("CER-DEMO-001 obverse.jpg", "Relief with bearer and tree, upper corner broken off",
         "Store room 2, House of Tablets (fictional), near 36.34 N 43.13 E",
         "2025-03-18T09:14:22+03:00",
         _photograph(relief(), taken="2025:03:18 09:14:22", offset="+03:00",
                     fix=("2025:03:18", (6, 14, 21)), at=(36.340215, 43.130547))),
        ("CER-DEMO-002 from the south.jpg", "Shrine and broken minaret, seen from the south",
         "Al-Nour quarter (fictional), near 36.34 N 43.13 E", None,
         _photograph(building, taken="2025:03:18 17:41:05", offset=None,
                     fix=("2025:03:18", (14, 41, 4)), at=(36.343871, 43.128760))),
        ("CER-DEMO-003 with ledger.jpg", "Clay tablet beside its page of the inventory",
         "Reading room, House of Tablets (fictional)", "2025-03-19T10:02:48+03:00",
         _photograph(tablet(), taken="2025:03:19 10:02:48", offset=None, fix=None, at=(0, 0))),
    )  # fmt: skip
    for name, title, place, collected_at, content in shots:
        yield _keep(
            folder, f"heritage/{name}", content, title=title, collected_by=_TEAM,
            collected_at=collected_at, place=place, method="photographed, card copied unchanged",
        )  # fmt: skip
    yield _keep(
        folder, "heritage/CER-DEMO-001 object-id.json", _json(_object_id()),
        title="Object ID record of the relief CER-DEMO 001", collected_by=_TEAM,
        collected_at="2025-03-18T11:30:00+03:00", place=shots[0][2],
        method="described at the object, after the Object ID checklist",
    )  # fmt: skip


def _make_social(
    folder: Path, building: Image.Image, *, clock: Callable[[], datetime]
) -> Iterator[Sample]:
    capture, url, captured_at = _capture(_jpeg(building.resize((640, 480))), clock=clock)
    yield _keep(
        folder, "social/al-nour-post.warc.gz", capture,
        title="Post with picture: the market of Al-Nour after the shelling", collected_by=_MONITOR,
        collected_at=captured_at, place="Al-Nour market (fictional)", source=url,
        method="recorded over HTTP, request and response as they were on the wire",
    )  # fmt: skip
    frames = footage(building)
    video = BytesIO()
    frames[0].save(video, "GIF", save_all=True, append_images=frames[1:], duration=120, loop=0)
    information = _video_information(video.getvalue(), frames=len(frames))
    for suffix, content, title in (
        (".gif", video.getvalue(), "Silent footage of the market, two seconds"),
        (".info.json", _json(information), "Saved post of the footage, with its description"),
    ):
        yield _keep(
            folder, f"social/{_VIDEO}{suffix}", content, title=title, collected_by=_MONITOR,
            collected_at="2025-03-20T06:00:00Z", place="Al-Nour market (fictional)",
            method="saved by a downloader in the manner of yt-dlp",
            source="https://video.example/watch/fx-7Q2m",
        )  # fmt: skip


def _make_mobile(folder: Path, building: Image.Image) -> Iterator[Sample]:
    picture = _photograph(
        building.resize((800, 600)), taken="2025:03:18 17:39:50", offset="+03:00",
        fix=("2025:03:18", (14, 39, 50)), at=(36.343902, 43.128811),
    )  # fmt: skip
    phones = (
        ("witness-phone-ios-backup.zip", _ios_backup(picture), "Backup of a witness's iPhone"),
        ("mediator-phone.ab", _android_backup(), "Backup of a mediator's Android phone"),
    )
    for name, content, title in phones:
        yield _keep(
            folder, f"mobile/{name}", content, title=title, collected_by=_EXAMINER,
            collected_at="2025-03-20T06:00:00Z", place="Interview room 4 (fictional)",
            method="backup over cable with the owner's consent, not encrypted",
        )  # fmt: skip


def _keep(
    folder: Path, path: str, content: bytes, *, title: str, collected_by: str,
    collected_at: str | None, place: str, method: str, source: str | None = None,
) -> Sample:  # fmt: skip
    (folder / path).write_bytes(content)
    families: dict[str, Literal["mobile", "social", "heritage"]] = {
        "mobile": "mobile", "social": "social", "heritage": "heritage",
    }  # fmt: skip
    family = families[Path(path).parts[0]]
    return Sample(Path(path), family, title, collected_by, collected_at, place, method, source)


def _json(content: object) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


# Heritage


def _photograph(
    picture: Image.Image, *, taken: str, offset: str | None,
    fix: tuple[str, tuple[int, int, int]] | None, at: tuple[float, float],
) -> bytes:  # fmt: skip
    """A JPEG as the fictional camera writes it; without a fix it writes 0, 0 and status V."""
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = "Lumenfold (fictional)", "LF-20"
    exif[Base.Software], exif[Base.DateTime] = "LF firmware 2.1", taken
    exif[Base.Orientation], exif[Base.ImageDescription] = 1, CAPTION
    details: dict[int, object] = {
        Base.ExifVersion: b"0232", Base.DateTimeOriginal: taken, Base.DateTimeDigitized: taken,
        Base.SubsecTimeOriginal: "417", Base.FNumber: IFDRational(56, 10),
        Base.ExposureTime: IFDRational(1, 250), Base.ISOSpeedRatings: 200,
        Base.FocalLength: IFDRational(50), Base.BodySerialNumber: "DEMO-0020",
        Base.ExifImageWidth: picture.width, Base.ExifImageHeight: picture.height,
        Base.ImageUniqueID: sha256(picture.tobytes()).hexdigest()[:32],
    }  # fmt: skip
    if offset is not None:
        details[Base.OffsetTimeOriginal] = details[Base.OffsetTime] = offset
    position: dict[int, object] = {
        GPS.GPSVersionID: b"\2\3\0\0", GPS.GPSMapDatum: "WGS-84",
        GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: _sexagesimal(at[0]),
        GPS.GPSLongitudeRef: "E", GPS.GPSLongitude: _sexagesimal(at[1]),
        GPS.GPSStatus: "A" if fix else "V",
    }  # fmt: skip
    if fix is not None:
        position |= {GPS.GPSDateStamp: fix[0], GPS.GPSTimeStamp: fix[1]}
    exif[IFD.Exif], exif[IFD.GPSInfo] = details, position
    return _jpeg(picture, exif=exif)


def _sexagesimal(angle: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    hundredths = round(angle * 360_000)
    degrees, rest = divmod(hundredths, 360_000)
    return IFDRational(degrees), IFDRational(rest // 6000), IFDRational(rest % 6000, 100)


def _jpeg(picture: Image.Image, exif: Image.Exif | None = None) -> bytes:
    content = BytesIO()
    picture.save(content, "JPEG", quality=80, comment=CAPTION, exif=exif or Image.Exif())
    return content.getvalue()


def _object_id() -> dict[str, object]:
    return {
        "standard": "Object ID",
        "identifier": "CER-DEMO 001",
        "note": CAPTION,
        "type": "relief, fragment of a wall slab",
        "materials_and_techniques": ["limestone", "carved in low relief"],
        "measurements": {"height_cm": 17.7, "width_cm": 22.7, "depth_cm": 4.1, "weight_kg": 3.6},
        "inscriptions": "one line of wedge marks along the lower edge; invented, spells nothing",
        "distinguishing_features": [
            "upper right corner broken off, edges fresh",
            "hairline crack from the left edge through the robe",
        ],
        "title": "Bearer before the tree",
        "subject": "a robed bearer lifts a vessel before a stylised tree, a rayed disc above",
        "date_or_period": "fictional; drawn after the manner of the first millennium BCE",
        "maker": "unknown",
        "short_description": "Rectangular slab with raised border; figure in profile facing right.",
        "photographs": ["CER-DEMO-001 obverse.jpg"],
        "recorded_by": _TEAM,
        "recorded_at": "2025-03-18T11:30:00+03:00",
    }


# Social media


def _capture(picture: bytes, *, clock: Callable[[], datetime]) -> tuple[bytes, str, str]:
    """Serve a post, fetch it and its picture, and give the WARC (ISO 28500), its URL and time."""
    page = (
        '<!doctype html><html lang="ar"><meta charset="utf-8"><title>Al-Nour (fictional)</title>'
        f'<article><h1>@rasad_demo</h1><p lang="ar" dir="rtl">{_ARABIC}</p>'
        f'<p lang="uk">{_UKRAINIAN}</p><img src="/media/al-nour.jpg" alt="{CAPTION}">'
        "<footer>All people and places are fictional.</footer></article></html>\n"
    ).encode()
    pages = {
        "/post/4471": ("text/html; charset=utf-8", page),
        "/media/al-nour.jpg": ("image/jpeg", picture),
    }
    at = clock().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    fields = (
        "software: central-evidence-repository demonstration\r\nformat: WARC File Format 1.1\r\n"
        "conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/"
        f"warc-1.1/\r\ndescription: {CAPTION.replace('–', '-')}\r\n"
    ).encode()
    info, about = _warc_record(
        "warcinfo", fields, at=at, media="application/warc-fields",
        fields={"WARC-Filename": "al-nour-post.warc.gz"},
    )  # fmt: skip
    records = [info]
    with _serving(pages, clock=clock) as port:
        for path in pages:
            records += _exchange(port, path, at=at, about=about)
    return b"".join(records), f"http://{_LOOPBACK}:{port}/post/4471", at


def _exchange(port: int, path: str, *, at: str, about: str) -> list[bytes]:
    """Fetch one page; the response record and the request record, as bytes went over the wire."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {_LOOPBACK}:{port}\r\nUser-Agent: cer-demo/1\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode()
    with create_connection((_LOOPBACK, port), timeout=5) as connection:
        connection.sendall(request)
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    common = {
        "WARC-Target-URI": f"http://{_LOOPBACK}:{port}{path}",
        "WARC-IP-Address": _LOOPBACK,
        "WARC-Warcinfo-ID": about,
    }
    body = response.partition(b"\r\n\r\n")[2]
    answered, answer = _warc_record(
        "response", response, at=at, media="application/http; msgtype=response",
        fields=common | {"WARC-Payload-Digest": _digest(body)},
    )  # fmt: skip
    asked, _ = _warc_record(
        "request", request, at=at, media="application/http; msgtype=request",
        fields=common | {"WARC-Payload-Digest": _digest(b""), "WARC-Concurrent-To": answer},
    )  # fmt: skip
    return [answered, asked]


def _warc_record(
    kind: str, block: bytes, *, at: str, media: str, fields: Mapping[str, str]
) -> tuple[bytes, str]:
    """One record as its own gzip member (ISO 28500 Annex D), and its identifier."""
    target = fields.get("WARC-Target-URI", "")
    identifier = uuid5(NAMESPACE_URL, f"{kind} {target} {at} {_digest(block)}").urn
    header = {
        "WARC-Type": kind, "WARC-Record-ID": f"<{identifier}>", "WARC-Date": at, **fields,
        "WARC-Block-Digest": _digest(block), "Content-Type": media,
        "Content-Length": str(len(block)),
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in header.items())
    record = f"WARC/1.1\r\n{lines}\r\n".encode() + block + b"\r\n\r\n"
    return gzip.compress(record, mtime=0), f"<{identifier}>"


def _digest(content: bytes) -> str:
    return "sha256:" + b32encode(sha256(content).digest()).decode()


@contextmanager
def _serving(
    pages: Mapping[str, tuple[str, bytes]], *, clock: Callable[[], datetime]
) -> Iterator[int]:
    """Serve `pages` on the loopback until the block ends; gives the port.

    A TCPServer, because HTTPServer asks the resolver for the host's name, and that may leave
    the machine.
    """

    class Page(BaseHTTPRequestHandler):
        protocol_version, server_version, sys_version = "HTTP/1.1", "cer-demo/1", ""

        def do_GET(self) -> None:
            media, body = pages[self.path]
            self.send_response(200)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(clock().astimezone(UTC), usegmt=True)

        def log_message(self, *_: object) -> None:
            """Keep the demonstration's own output clean."""

    with TCPServer((_LOOPBACK, 0), Page) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _video_information(video: bytes, *, frames: int) -> dict[str, object]:
    """What a downloader in the manner of yt-dlp keeps beside a video, under its own names."""
    return {
        "id": "fx-7Q2m", "_type": "video", "title": "سوق النور بعد القصف (خيالي)",
        "fulltitle": "سوق النور بعد القصف (خيالي)", "description": f"{_ARABIC}\n{_UKRAINIAN}",
        "uploader": "راصد تجريبي", "uploader_id": "@rasad_demo", "channel": "راصد تجريبي",
        "channel_url": "https://video.example/@rasad_demo",
        "tags": ["fictional", "خيالي", "вигадка"],
        "timestamp": 1742315980, "upload_date": "20250318", "epoch": int(_FIXED.timestamp()),
        "webpage_url": "https://video.example/watch/fx-7Q2m", "webpage_url_domain": "video.example",
        "extractor": "video.example", "extractor_key": "VideoExample", "availability": "public",
        "ext": "gif", "format": "gif - 320x240", "vcodec": "gif", "acodec": "none",
        "width": 320, "height": 240, "fps": round(1000 / 120, 3), "duration": frames * 120 / 1000,
        "filesize": len(video), "view_count": 0, "filename": f"{_VIDEO}.gif",
    }  # fmt: skip
