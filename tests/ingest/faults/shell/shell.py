"""An extractor whose program is a shell that does what the file says."""

from ingest.extraction import PATH, Fact, Limits, Program, Seal

NAME = "shell"
VERSION = "shell 1"
FORMATS = frozenset({"text/plain"})
SAMPLE = b""
PROGRAM = Program("bash", ("--version",), stdout_bytes=1 << 20)
LIMITS = Limits(cpu_seconds=4, wall_ms=8_000)  # of 30 seconds, for what ends at no other limit


def extract(file, found):
    text = file.read().decode()
    if not text:
        return
    ran = found.run("--norc", "-c", text)
    yield Fact("Shell:Exit", str(ran.exit), "", "test")
    yield Fact("Shell:Out", ran.stdout[:1000].decode(), "", "test")
    yield Fact("Shell:Err", ran.stderr[:1000].decode(), "", "test")
    yield Seal("shell", "absent", PATH)
