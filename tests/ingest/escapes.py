"""Try to get out of the sandbox in every way we know, and print what came of each, as JSON lines.

    python -m tests.ingest.escapes SCRATCH

A program of its own, so that the tests can run it as another user. SCRATCH is a folder to write in.
"""

import json
import os
import signal
import socket
import sys
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from ingest.extraction import Limits
from ingest.sandbox import Sandbox

LIMITS = Limits(cpu_seconds=1, wall_ms=3000)
FAULTS = Path(__file__).parent / "faults"


def main(scratch):
    """Run every attempt; each line says what was tried, how it ended and what was seen outside."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    with (
        Sandbox(clock=lambda: datetime.now(UTC), limits=LIMITS,
                extractors=[FAULTS / "escapes"]) as sandbox,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):  # fmt: skip
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(scratch / "listening"))
        abstract.bind(f"\0{scratch}")
        for each in (unix, abstract):
            each.listen()
        for each in (tcp, udp, unix, abstract):
            each.setblocking(False)
        kept = scratch / "kept"
        kept.write_text("kept")
        ways = {
            "read": "/etc/passwd", "write": scratch / "written", "make_folder": scratch / "made",
            "link": scratch / "linked", "remove": kept, "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1], "unix": scratch / "listening", "abstract": scratch,
        }  # fmt: skip
        ways |= dict.fromkeys(
            ("fork", "thread", "exec", "signal", "signal_by_descriptor", "memory", "cpu", "large",
             "recursion", "evidence", "parents_memory", "parents_environment", "parents_root",
             "raise_limits", "new_code", "ptrace", "io_uring", "unshare", "mount", "bpf",
             "kernel_keys", "x32"),
            "",
        )  # fmt: skip
        look(sandbox, "recursion")
        first = sandbox._zygote.process.pid
        for way, target in ways.items():
            line = look(sandbox, f"{way} {target}")
            line |= {
                "way": way,
                "user": os.geteuid(),
                "outside": [name for name in ("written", "made", "linked")
                            if os.path.lexists(scratch / name)],
                "kept": kept.exists(),
                "heard": [heard(each) for each in (tcp, udp, unix, abstract)],
                "zygote": sandbox._zygote.process.pid == first,
            }  # fmt: skip
            print(json.dumps(line), flush=True)


def look(sandbox, content):
    """Return what one run came to, and whether the evidence is as it was."""
    # An unnamed file on disk: one in memory is sealed by the house, and harder.
    with tempfile.TemporaryFile() as file:
        file.write(content.encode())
        record = sandbox.extract(file, name_hint="")
        file.seek(0)
        same = file.read() == content.encode()
    facts = {fact.name: fact.value for fact in record.facts}
    return {
        "outcome": record.outcome,
        "problems": record.problems,
        "isolation": record.sandbox,
        "result": facts.get("Escape:Result", "ended"),
        "unpacked": facts.get("Escape:Unpacked") == "True",
        "read": facts.get("Escape:Evidence") == sha256(content.encode()).hexdigest(),
        "same": same,
    }


def heard(listener):
    """Return whether anybody knocked."""
    try:
        if listener.type == socket.SOCK_DGRAM:
            return bool(listener.recv(100))
        listener.accept()[0].close()
        return True
    except BlockingIOError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
