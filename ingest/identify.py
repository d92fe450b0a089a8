"""Ask libmagic what a file is: the one home of libmagic, in the locked process only.

What PRONOM says comes from a process of its own (`ingest.siegfried`), and the containers from the
extractors; `ingest.formats` compares them with each other and with what the name claims.
"""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any

from ingest.extraction import Format, visible
from ingest.formats import EMPTY, NOT_ASKED, Pronom, decide


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


def identify(descriptor: int, *, extension: str = "", pronom: Pronom = NOT_ASKED) -> Format:
    """Return the format of an open file: what libmagic says, compared with what else is known.

    The file itself is given to libmagic, not its first bytes: on 2 KiB alone 30 of 630 answers
    differ (JSON becomes text).

    Args:
        descriptor: the file.
        extension: what its name claims.
        pronom: what PRONOM says of it.

    Raises:
        LibmagicUnloadable: there is no libmagic to ask.
    """
    library = _library()
    place = f"/proc/self/fd/{descriptor}"
    mime = library.ask(place, flags=library.module.MAGIC_MIME_TYPE)
    if mime == "application/x-empty":  # the word of some versions
        mime = EMPTY
    return decide(
        mime=mime,
        description=visible(library.ask(place, flags=0)),
        libmagic=version(),
        pronom=pronom,
        extension=extension,
    )


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
