"""Name the format: libmagic's answer beside what the name claims, kept apart and compared.

The one home of libmagic. Runs in the locked process only. PRONOM and our own container table are
not asked yet, so `agreement` is always `single`. A mismatch is a flag, never a refusal.
"""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any

from ingest.extraction import Format, claimed_extension, visible

UNKNOWN = "application/octet-stream"  # libmagic's "data"
EMPTY = "inode/x-empty"

_TEXT = frozenset({"text/plain", "application/json", "application/x-ndjson"})
_XML = frozenset({"text/xml", "application/xml", "text/plain", "text/html"})
_ZIP = frozenset({"application/zip"})
_GZIP = frozenset({"application/gzip"})
_TIFF = frozenset({"image/tiff"})
_HEIF = frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"})
_MP4 = frozenset({"video/mp4", "video/quicktime", "video/3gpp", "video/3gpp2", "audio/mp4"})
_OLE = frozenset({"application/x-ole-storage", "application/cdfv2"})
_RAW_DISK = frozenset({"application/x-iso9660-image", "application/x-apple-diskimage", UNKNOWN})
_DATABASE = frozenset({"application/vnd.sqlite3", "application/x-sqlite3"})

# What libmagic may call a file that its name rightly calls so. UNKNOWN stands where libmagic 5.41
# does not know the format; an extension that is not listed claims nothing that we can compare.
ALIASES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "jps", "mpo"), frozenset({"image/jpeg"})),
    **dict.fromkeys(("tif", "tiff", "dng", "nef", "arw", "iiq"), _TIFF | {"image/x-adobe-dng"}),
    "cr2": frozenset({"image/x-canon-cr2", "image/tiff"}),
    "cr3": frozenset({"image/x-canon-cr3", "video/mp4", "video/quicktime", UNKNOWN}),
    **dict.fromkeys(("heic", "heif", "hif"), _HEIF),
    "avif": frozenset({"image/avif", *_HEIF}),
    "jxl": frozenset({"image/jxl"}),
    "jp2": frozenset({"image/jp2"}),
    "png": frozenset({"image/png", "image/apng"}),
    "gif": frozenset({"image/gif"}),
    "bmp": frozenset({"image/bmp", "image/x-ms-bmp"}),
    "webp": frozenset({"image/webp"}),
    "psd": frozenset({"image/vnd.adobe.photoshop"}),
    "svg": frozenset({"image/svg+xml", *_XML}),
    **dict.fromkeys(("mp4", "m4v", "mov", "3gp", "3g2", "m4a"), _MP4 | {"audio/x-m4a"}),
    "avi": frozenset({"video/x-msvideo"}),
    **dict.fromkeys(("mkv", "webm"), frozenset({"video/x-matroska", "video/webm"})),
    **dict.fromkeys(("mts", "m2ts", "ts"), frozenset({"video/mp2t", "video/MP2T", UNKNOWN})),
    **dict.fromkeys(("mpg", "mpeg"), frozenset({"video/mpeg", "video/mp2p", "video/mp2t"})),
    "mp3": frozenset({"audio/mpeg", UNKNOWN}),  # without ID3 a frame is easily missed
    "wav": frozenset({"audio/x-wav", "audio/wav", "audio/vnd.wave"}),
    **dict.fromkeys(("ogg", "oga", "opus", "ogv"), frozenset({"audio/ogg", "video/ogg"})),
    "flac": frozenset({"audio/flac", "audio/x-flac"}),
    "amr": frozenset({"audio/amr", "audio/AMR"}),
    "pdf": frozenset({"application/pdf"}),
    "doc": frozenset({"application/msword", *_OLE}),
    "xls": frozenset({"application/vnd.ms-excel", *_OLE}),
    "ppt": frozenset({"application/vnd.ms-powerpoint", *_OLE}),
    "msg": frozenset({"application/vnd.ms-outlook", *_OLE}),
    **{
        extension: _ZIP | {f"application/vnd.openxmlformats-officedocument.{kind}"}
        for extension, kind in (
            ("docx", "wordprocessingml.document"),
            ("xlsx", "spreadsheetml.sheet"),
            ("pptx", "presentationml.presentation"),
        )
    },
    "odt": _ZIP | {"application/vnd.oasis.opendocument.text"},
    "ods": _ZIP | {"application/vnd.oasis.opendocument.spreadsheet"},
    "epub": _ZIP | {"application/epub+zip"},
    "rtf": frozenset({"text/rtf", "application/rtf"}),
    **dict.fromkeys(("zip", "wacz", "ufdr", "cbz"), _ZIP),
    "apk": _ZIP | {"application/vnd.android.package-archive", "application/java-archive"},
    **dict.fromkeys(("gz", "tgz"), _GZIP),
    "tar": frozenset({"application/x-tar"}),
    "rar": frozenset({"application/x-rar", "application/vnd.rar"}),
    "7z": frozenset({"application/x-7z-compressed"}),
    "warc": _GZIP | {"application/warc", "text/plain", UNKNOWN},
    "ab": frozenset({"application/x-google-ab"}),
    **dict.fromkeys(("db", "sqlite", "sqlite3", "sqlitedb"), _DATABASE),
    **dict.fromkeys(("e01", "ex01", "l01", "lx01"), frozenset({UNKNOWN})),
    **dict.fromkeys(("raw", "img", "dd", "001"), _RAW_DISK | {"application/x-tar"}),
    "iso": frozenset({"application/x-iso9660-image"}),
    **dict.fromkeys(("json", "jsonl", "ndjson"), _TEXT),
    "txt": frozenset({"text/plain", "application/json", "text/csv", *_XML}),
    "csv": frozenset({"text/csv", "text/plain", "application/csv"}),
    **dict.fromkeys(("html", "htm"), frozenset({"text/html", "text/plain", "text/xml"})),
    **dict.fromkeys(("xml", "kml", "gpx", "xmp", "inx"), _XML),
    "plist": _XML | {"application/x-bplist", UNKNOWN},
    "eml": frozenset({"message/rfc822", "text/plain", "text/html"}),
}
_SEGMENTS = frozenset(f"e{number:02}" for number in range(2, 100))  # of a disk image, E02 to E99


class LibmagicUnloadable(ImportError):
    """libmagic or its table of formats cannot be loaded."""


@dataclass(frozen=True, slots=True)
class _Library:
    """libmagic with its table loaded: one handle, asked twice a file."""

    handle: Any
    module: Any
    version: str

    def ask(self, place: str, *, flags: int) -> str:
        # Without MAGIC_SYMLINK libmagic describes /proc/self/fd/N itself: "inode/symlink".
        self.module.magic_setflags(self.handle.cookie, flags | self.module.MAGIC_SYMLINK)
        return str(self.handle.from_file(place))


def identify(descriptor: int, *, name: str) -> Format:
    """Return the format of an open file, and whether the name claims another.

    The file itself is given to libmagic, not its first bytes: on 2 KiB alone 30 of 630 answers
    differ (JSON becomes text).

    Raises:
        LibmagicUnloadable: there is no libmagic to ask.
    """
    library = _library()
    place = f"/proc/self/fd/{descriptor}"
    mime = library.ask(place, flags=library.module.MAGIC_MIME_TYPE)
    if mime == "application/x-empty":  # the word of some versions
        mime = EMPTY
    extension = claimed_extension(name)
    return Format(
        mime=mime,
        description=visible(library.ask(place, flags=0)),
        claimed_extension=extension,
        mismatch=mismatch(mime, extension),
        agreement="single",
        tools=(version(),),
    )


def mismatch(mime: str, extension: str) -> bool:
    """Return whether an extension claims something else than what was detected.

    No extension, one we do not know and an empty file claim nothing.
    """
    if not extension or mime == EMPTY:
        return False
    if extension in _SEGMENTS:
        return mime != UNKNOWN
    return extension in ALIASES and mime not in ALIASES[extension]


def version() -> str:
    """Return libmagic's name and version, for the record.

    Raises:
        LibmagicUnloadable: there is no libmagic.
    """
    return f"libmagic {_library().version}"


@functools.cache
def _library() -> _Library:
    try:
        with contextlib.suppress(ImportError):  # without the wheel, the system's own libmagic
            import pylibmagic  # noqa: F401  (it must come first: it tells magic where to look)
        import magic

        module: Any = magic  # it carries no types
        handle = module.Magic(mime=True)
        number = module.version()
    except Exception as error:  # ctypes, the loader and magic raise what they like
        raise LibmagicUnloadable(
            f"libmagic cannot be loaded ({error}); install the package pylibmagic or libmagic1"
        ) from error
    return _Library(handle, module, f"{number // 100}.{number % 100:02}")
