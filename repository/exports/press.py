"""Have a document printed: a long one in a process of its own, with bounded memory.

What a typesetter keeps of a long document would stay with the service. A short one is printed here,
where starting a process would take longer than printing it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repository.errors import RepositoryError
from repository.exports import typesetter
from repository.exports.fonts import GlyphMissing

SHORT = 400_000  # bytes of a report as JSON: some hundred entries
_SECONDS = 600
_NO_GLYPH = re.compile(r"the text `?\"(.*)\"`? could not be displayed")


class RenderFailed(RepositoryError):
    """The report cannot be made into a PDF."""

    code = "render-failed"


def printed(template: str, data: Mapping[str, Any], fonts: Sequence[Path], timestamp: int) -> bytes:
    """Return the PDF of a template in `assets` from data that is prepared for it.

    Raises:
        GlyphMissing: no font shows a text as it is spelt.
        RenderFailed: Typst refuses the document, or its process ended without an answer.
    """
    document: dict[str, Any] = {
        "template": template,
        "report": json.dumps(data, ensure_ascii=False),
        "fonts": [str(one) for one in fonts],
        "timestamp": timestamp,
    }
    if len(document["report"]) > SHORT or "volume" in data:  # one of several, each with its memory
        return _elsewhere(json.dumps(document, ensure_ascii=False).encode())
    try:
        pdf = typesetter.compiled(document)
    except typesetter.Refused as error:
        raise _failure(str(error)) from error
    typesetter.forget(document["fonts"])
    return pdf


def _elsewhere(document: bytes) -> bytes:
    command = [sys.executable, "-I", typesetter.__file__]
    try:
        done = subprocess.run(
            command, input=document, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RenderFailed(f"a volume was not printed within {_SECONDS} s") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace")[-2_000:].strip()
    if done.returncode == typesetter.REFUSED:
        raise _failure(said)
    raise RenderFailed(f"the process that prints a volume ended with {done.returncode}: {said}")


def _failure(said: str) -> GlyphMissing | RenderFailed:
    found = _NO_GLYPH.search(said)
    if found:
        return GlyphMissing(f"no font can show the text {found[1][:80]!r} as spelt")
    return RenderFailed(said)
