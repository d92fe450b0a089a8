"""The process that asks PRONOM's signatures what a file is: the one home of Siegfried (pygfried).

Run by `ingest.pronom` as a program of its own. A Go runtime does not survive a fork, and loading
the signatures takes 0.1 s of a core, so this process serves some files before it is replaced. It
is locked before it meets the first: it can open nothing but what it is handed, in memory. What a
captured one could do is lie about the next few files, of which its answer is one witness.
"""

import json
import os
import socket
import sys
from typing import Any

from ingest import lockdown, seccomp
from ingest.extraction import Limits
from ingest.warm import unheard
from ingest.zygote import MESSAGE, die_with_parent

# Go reserves address space that it never uses; what it uses is bounded as data.
LIMITS = Limits(cpu_seconds=60, memory_bytes=4 << 30, file_bytes=0)
DATA_BYTES = 1 << 30


def main(arguments: list[str]) -> int:
    """Answer until the service is gone. Arguments: socket, service's pid."""
    channel = socket.socket(fileno=int(arguments[0]))
    die_with_parent(int(arguments[1]))
    try:
        import pygfried

        first = pygfried.identify(_sample(), detailed=True)  # this loads the signatures
        tool = _tool(first)
        unheard()
        held = lockdown.lock(LIMITS, (), calls=seccomp.SERVE, data_bytes=DATA_BYTES)
    except (ImportError, OSError) as error:
        channel.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()[:MESSAGE])
        return 1
    channel.send(json.dumps({"ready": True, "tool": tool, "isolation": held}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE, 1)
        if not message:
            return 0
        [descriptor] = descriptors
        try:
            found = pygfried.identify(f"/proc/self/fd/{descriptor}", detailed=True)
            answer = _answer(found, tool)
        except Exception as error:  # noqa: BLE001  (top of the process: recorded, not raised)
            answer = _silent(tool, f"{type(error).__name__}: {error}")
        finally:
            os.close(descriptor)
        channel.send(json.dumps(answer).encode()[:MESSAGE])


def _sample() -> str:
    descriptor = os.memfd_create("warm", os.MFD_CLOEXEC)
    os.write(descriptor, b"GIF89a\x01\0\x01\0\0\0\0;")
    return f"/proc/self/fd/{descriptor}"


def _tool(found: Any) -> str:
    return f"siegfried {found['siegfried']} {found['identifiers'][0]['details']}"


def _answer(found: Any, tool: str) -> dict[str, Any]:
    """Return the one format that bytes tell; the name's extension is no evidence here."""
    matches = [
        one for one in found["files"][0]["matches"]
        if one["id"] != "UNKNOWN" and not one["basis"].startswith("extension match")
    ]  # fmt: skip
    if not matches:
        return _silent(tool, "no signature matches")
    if len(matches) > 1:
        return _silent(tool, "several match: " + ", ".join(one["id"] for one in matches))
    [one] = matches
    words = " ".join(filter(None, (one["format"], one["version"])))
    return {
        "tool": tool,
        "puid": one["id"],
        "mimes": [mime.strip() for mime in one["mime"].split(",") if mime.strip()],
        "words": f"{words}; {one['basis'][:300]}",
    }


def _silent(tool: str, why: str) -> dict[str, Any]:
    return {"tool": tool, "puid": None, "mimes": [], "words": why[:300]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
