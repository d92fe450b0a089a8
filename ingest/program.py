"""Run one outside program on the evidence, in the locked process: bounded, and on record."""

import functools
import os
import select
import selectors
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from ingest.extraction import Program, Ran, Raw

# Where programs are looked for: the system's folders, never the service's PATH.
FOLDERS = (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin"))
ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin",
               "HOME": "/nonexistent", "OMP_THREAD_LIMIT": "1"}  # fmt: skip

_BLOCK = 65_536
_STDERR_KEPT = 65_536
_VERSION_SECONDS = 10


@functools.cache
def find(name: str) -> Path | None:
    """Return where a program is installed, or None."""
    for folder in FOLDERS:
        if os.access(folder / name, os.X_OK):
            return (folder / name).resolve()
    return None


@functools.cache
def version(wanted: Program) -> str:
    """Return the first line a program prints of its version; it sees no evidence."""
    place = find(wanted.name)
    if place is None:
        return "not installed"
    done = subprocess.run(
        [str(place), *wanted.version],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=ENVIRONMENT,
        timeout=_VERSION_SECONDS,
        check=False,
    )
    lines = (done.stdout or done.stderr).decode("utf-8", "backslashreplace").splitlines()
    return lines[0].strip()[:200] if lines else "unknown"


def run(
    wanted: Program,
    version_: str,
    arguments: Sequence[str],
    evidence: int,
    data: bytes | None = None,
) -> tuple[Ran, Raw]:
    """Run the program with the evidence, or the bytes given, as its standard input.

    Raises:
        OSError: it cannot be started.
        ValueError: it printed more than it may.
    """
    place = find(wanted.name)
    if place is None:
        raise FileNotFoundError(f"{wanted.name} is not installed")
    process = subprocess.Popen(
        [str(place), *arguments],
        stdin=evidence if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
    )
    assert process.stdout is not None
    assert process.stderr is not None
    # Should this raise, the program is not waited for: no signal can be sent from here, and the
    # zygote ends the whole group when this process ends.
    with process.stdout, process.stderr:
        out, err = process.stdout.fileno(), process.stderr.fileno()
        printed = read(out, err, wanted.stdout_bytes, process.stdin, data or b"")
    code = process.wait()
    return ran(wanted, version_, arguments, 128 - code if code < 0 else code, printed)


def ran(
    wanted: Program, version_: str, arguments: Sequence[str], code: int, printed: "Printed"
) -> tuple[Ran, Raw]:
    """Return what a program came to, for the extractor and for the record."""
    raw = Raw(
        tool=wanted.name,
        version=version_,
        args=tuple(arguments),
        exit=code,
        stdout_digest=f"sha256:{sha256(printed.stdout).hexdigest()}",
        stdout_size=len(printed.stdout),
        stderr_digest=f"sha256:{printed.stderr_digest}",
    )
    return Ran(code, printed.stdout, printed.stderr), raw


@dataclass(frozen=True, slots=True)
class Printed:
    """What a program printed: of its complaints the beginning, and the digest of all of them."""

    stdout: bytes
    stderr: bytes
    stderr_digest: str


def read(
    out: int, err: int, most: int, given: IO[bytes] | None = None, data: bytes = b""
) -> Printed:
    """Read two pipes to their ends; meanwhile the program is given the bytes it is to read.

    Raises:
        ValueError: more than `most` bytes came from the first.
    """
    stdout, stderr, errors = bytearray(), bytearray(), sha256()
    left = memoryview(data)
    with selectors.PollSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        selector.register(err, selectors.EVENT_READ)
        if given is not None:
            selector.register(given, selectors.EVENT_WRITE)
        while selector.get_map():
            for key, _ in selector.select():
                if given is not None and key.fileobj is given:
                    left = _give(key.fd, left)
                    if not left:
                        selector.unregister(given)
                        given.close()
                    continue
                block = os.read(key.fd, _BLOCK)
                if not block:
                    selector.unregister(key.fd)
                elif key.fd == out:
                    stdout += block
                    if len(stdout) > most:
                        raise ValueError(f"the program printed more than {most} bytes")
                else:
                    errors.update(block)
                    stderr += block[: max(0, _STDERR_KEPT - len(stderr))]
    return Printed(bytes(stdout), bytes(stderr), errors.hexdigest())


def _give(descriptor: int, left: memoryview) -> memoryview:
    """Write what a pipe takes at once; return what is left, nothing where nobody reads it."""
    try:
        return left[os.write(descriptor, left[: select.PIPE_BUF]) :]
    except BrokenPipeError:  # the program has had enough: its exit code says why
        return left[:0]
