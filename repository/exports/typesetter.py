"""The process that prints a document (Typst): run by its path, it imports nothing of this program.

The one home of typst. A report on standard input, its PDF on standard output: it has nothing else,
no settings and no keys. What is short is printed by the same function without a process.
"""

import json
import resource
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typst

ASSETS = Path(__file__).parent / "assets"
REFUSED = 3  # how the process ends where Typst refuses a document
_MEMORY = 900 << 20  # bytes of data that the process may have
_STANDARDS: "list[typst.PDFStandard]" = ["a-3a", "ua-1"]  # the alias is in the stubs only
_KEPT = 10  # Typst keeps what it laid out until it has made this many other documents


class Refused(Exception):
    """Typst refuses a document, or warns about it; in its own words."""


def families(paths: Iterable[str]) -> list[str]:
    """Return the font families that lie in folders or files."""
    return _fonts(paths).families()


def compiled(document: Mapping[str, Any]) -> bytes:
    """Return the PDF of a document.

    Args:
        document: `template`, a file of `assets`; `report`, its data as JSON; `fonts`, folders and
            files; `timestamp`, in seconds.

    Raises:
        Refused: it cannot be printed as it is.
    """
    try:
        pdf, warnings = typst.compile_with_warnings(
            ASSETS / document["template"],
            root=ASSETS,
            font_paths=_fonts(document["fonts"]),
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"report": document["report"]},
            pdf_standards=_STANDARDS,
            timestamp=document["timestamp"],
        )
    except typst.TypstError as error:
        raise Refused(f"Typst refuses the report: {error.message[:400]}") from error
    if warnings:
        raise Refused(f"Typst warns about the report: {warnings[0].message[:400]}")
    if not isinstance(pdf, bytes):
        raise Refused("Typst made no single document")
    return pdf


def forget(paths: Iterable[str]) -> None:
    """Let Typst drop what it kept of a document, so that memory does not grow one by one."""
    fonts = _fonts(paths)
    for _ in range(_KEPT + 1):
        typst.compile(b"", font_paths=fonts, ignore_system_fonts=True)


def _fonts(paths: Iterable[str]) -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=list(paths)
    )


def main() -> int:
    """Print what is on standard input, within the memory that is allowed."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    try:
        pdf = compiled(json.load(sys.stdin.buffer))
    except Refused as error:
        sys.stderr.write(str(error).encode(errors="replace").decode())
        return REFUSED
    sys.stdout.buffer.write(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
