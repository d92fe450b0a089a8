"""Run one outside program on the evidence, in the locked process: bounded, and on record."""

import functools
import os
import select
import selectors
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

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
    # Should this raise, the program is not waited for: no signal can be sent from here, and the
    # zygote ends the whole group when this process ends.
    stdout, stderr, errors = _read(process, wanted.stdout_bytes, data)
    code = process.wait()
    code = 128 - code if code < 0 else code
    raw = Raw(
        tool=wanted.name,
        version=version_,
        args=tuple(arguments),
        exit=code,
        stdout_digest=f"sha256:{sha256(stdout).hexdigest()}",
        stdout_size=len(stdout),
        stderr_digest=f"sha256:{errors}",
    )
    return Ran(code, stdout, stderr), raw


def _read(
    process: "subprocess.Popen[bytes]", most: int, data: bytes | None
) -> tuple[bytes, bytes, str]:
    """Return what a program prints; meanwhile it is given the bytes it is to read."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err, errors = bytearray(), bytearray(), sha256()
    left = memoryview(data or b"")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        if process.stdin is not None:
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            for key, _ in selector.select():
                if key.fileobj is process.stdin:
                    left = _give(key.fd, left)
                    if not left:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                block = os.read(key.fd, _BLOCK)
                if not block:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    out += block
                    if len(out) > most:
                        raise ValueError(f"the program printed more than {most} bytes")
                else:
                    errors.update(block)
                    err += block[: max(0, _STDERR_KEPT - len(err))]
    process.stdout.close()
    process.stderr.close()
    return bytes(out), bytes(err), errors.hexdigest()


def _give(descriptor: int, left: memoryview) -> memoryview:
    """Write what a pipe takes at once; return what is left, nothing where nobody reads it."""
    try:
        return left[os.write(descriptor, left[: select.PIPE_BUF]) :]
    except BrokenPipeError:  # the program has had enough: its exit code says why
        return left[:0]
