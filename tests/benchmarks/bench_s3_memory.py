"""Memory while a long stream goes to S3: through the whole pipeline, to a server that discards.

    python -m tests.benchmarks.bench_s3_memory [--gib 64]

The server acknowledges every part and keeps none of it (a stand-in for size alone: nothing of the
contract is shown here). Digests, encryption, parts and requests are those of every intake.
"""

import argparse
import os
import resource
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.benchmarks.house_of import say

CHILD = """
import os, resource, sys
from minio import Minio
from repository.digests import Measure
from repository.envelope import seal
from repository.sealed import put_objects
from repository.stores import Access, open_store
from repository.stores.s3 import S3Store

class Long:
    left = int(sys.argv[2])
    block = os.urandom(1 << 20)
    def readinto(self, buffer):
        n = min(len(buffer), self.left, 1 << 20); buffer[:n] = self.block[:n]; self.left -= n
        return n
    def read(self, size):
        n = min(size, self.left, 1 << 20); self.left -= n
        return self.block[:n]

store = open_store(f"s3+http://{sys.argv[1]}/?prefix=x", Access("key", "secret"))
# The discarding server can give nothing back: what reads back is left out, what sends is not.
S3Store._newest = lambda self, bucket, key: None
S3Store._lock = lambda self, stored, until, hold: stored
S3Store._digest = lambda self, stored: (stored.sha256, stored.size)
with Measure(Long()) as measure:
    found = put_objects(store, seal(measure, key=bytes(32), name="o", random=os.urandom),
                        bucket="evidence", key="o")
    assert measure.size == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(found), measure.chunk_count)
"""
CREATED = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
DONE = (
    b"<CompleteMultipartUploadResult><Bucket>xevidence</Bucket><Key>o</Key>"
    b"<ETag>e</ETag></CompleteMultipartUploadResult>"
)


class Discards(BaseHTTPRequestHandler):
    """Acknowledges everything, keeps nothing."""

    protocol_version = "HTTP/1.1"
    buffer = bytearray(1 << 20)

    def log_message(self, *_: Any) -> None:
        return

    def answer(self) -> None:
        left = int(self.headers.get("Content-Length") or 0)
        buffer = bytearray(1 << 20)
        while left:
            got = self.rfile.readinto(memoryview(buffer)[: min(left, 1 << 20)])
            left -= got
        body = b""
        if self.command == "POST":
            body = CREATED if self.path.endswith("uploads=") else DONE
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("x-amz-version-id", "v")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_GET = do_HEAD = answer  # noqa: N815


def peak(address: str, size: int) -> tuple[int, int]:
    """Return peak memory (KiB) and the number of objects for a stream of a size."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, address, str(size)], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    memory, objects, _ = map(int, done.stdout.split())
    return memory, objects


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=float, default=64)
    given = arguments.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Discards)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    small, _ = peak(address, 1)
    large, objects = peak(address, int(given.gib * (1 << 30)))
    say(f"{given.gib:g} GiB as {objects} object(s): peak {large / 1024:.1f} MiB, one byte "
        f"{small / 1024:.1f} MiB, growth {(large - small) / 1024:.1f} MiB")  # fmt: skip
    say(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
