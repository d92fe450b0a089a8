"""Print volumes of a report, each in a process of its own with bounded memory.

What a typesetter keeps of a long document would stay with the service. The process gets a report on
standard input and answers on standard output; it has nothing else: no settings, no keys. A short
report is printed here, where starting a process would take longer than printing it.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from repository.exports.fonts import GlyphMissing
from repository.exports.pdf import RenderFailed, render

SHORT = 400_000  # bytes of a report as JSON: some hundred entries
MEMORY = 900 << 20  # bytes of data that a printing process may have
_SECONDS = 600
_MISSING, _FAILED = 3, 4  # how the process ends


def printed(report: Mapping[str, Any]) -> bytes:
    """Return the PDF of a report or a volume of one.

    Raises:
        GlyphMissing, RenderFailed: as `pdf.render`, or the process ended without an answer.
    """
    data = json.dumps(report, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(data) <= SHORT:
        return render(report)
    command = [sys.executable, "-m", "repository.exports.press"]
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RenderFailed(f"a volume was not printed within {_SECONDS} s") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace")[-2_000:].strip()
    if done.returncode == _MISSING:
        raise GlyphMissing(said)
    if done.returncode == _FAILED:
        raise RenderFailed(said)
    raise RenderFailed(f"the process that prints a volume ended with {done.returncode}: {said}")


def main() -> int:
    """Print what is on standard input, within the memory that is allowed."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    report = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    try:
        pdf = render(report)
    except (GlyphMissing, RenderFailed) as error:
        sys.stderr.write(str(error).encode(errors="replace").decode())
        return _MISSING if isinstance(error, GlyphMissing) else _FAILED
    sys.stdout.buffer.write(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
