"""A submission over a bad line, against one plain transfer of as many bytes over the same line.

    python -m tests.benchmarks.bench_bad_line [--mib 512] [--files 2000] [--small] [--how reset]
                                              [--hits one]

The line: 300 ms round trip, 50 Mbit/s for all connections together, for the submission also a cut
after every 32 MiB on average, of the connection that carried the last byte, or of all. The plain
transfer is one POST of raw bytes to a server that throws them away, without cuts. The limit: 0.9 ×
its rate. The submission's time is that of the whole command: hashing, list, bytes, receipts,
completion.
"""

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.house_of import new_house, new_token, say, workplace
from tests.relay import relay
from tests.service import Service, serving

RTT = 0.3
RATE = 50e6 / 8
CUT_EVERY = 32 << 20
KINDS = (("reset", "one"), ("reset", "all"), ("mixed", "one"), ("mixed", "all"))


def make_files(folder: Path, count: int, size: int, seed: int) -> int:
    """Write files of very different sizes that together have about `size` bytes; return it."""
    draw = random.Random(seed)
    weights = [draw.lognormvariate(0, 1.3) for _ in range(count)]
    total = 0
    for n, weight in enumerate(weights):
        place = folder / f"{n % 40:02d}"
        place.mkdir(parents=True, exist_ok=True)
        data = os.urandom(max(1, int(size * weight / sum(weights))))
        (place / f"{n:05d}.bin").write_bytes(data)
        total += len(data)
    return total


@contextmanager
def sink() -> Iterator[tuple[str, int]]:
    """Run a server that takes one body after the other and answers 204."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        buffer = bytearray(1 << 20)
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += line.recv(65536)
                left = int(head.lower().split(b"content-length:")[1].split()[0])
                left -= len(head.partition(b"\r\n\r\n")[2])
                while left:
                    left -= line.recv_into(buffer, min(left, len(buffer)))
                line.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        listener.close()


def plain(size: int) -> float:
    """Return the seconds of one plain transfer."""
    block = os.urandom(1 << 20)
    with sink() as place, relay(place, rtt=RTT, rate=RATE) as line:
        start = time.perf_counter()
        own = http.client.HTTPConnection(*line.place, timeout=60)
        body = (block[: min(len(block), size - n)] for n in range(0, size, len(block)))
        own.request("POST", "/", body=body, headers={"Content-Length": str(size)})
        assert own.getresponse().status == 204
        own.close()
        return time.perf_counter() - start


def ingest_to(address: str, folder: Path, state: Path) -> list[str]:
    """Return the command that hands a folder in to a service."""
    words = ["ingest", str(folder), "--case", "KRN", "--to", address, "--state", str(state)]
    return [sys.executable, "-m", "api.cli", "--data", str(state / "none"), "--json", *words]


def submission(
    service: Service, token: str, folder: Path, state: Path, count: int, **cuts: str
) -> float:
    """Return the seconds of the whole command over the bad line."""
    with relay(service.place, rtt=RTT, rate=RATE, cut_every=CUT_EVERY, seed=11, **cuts) as line:  # type: ignore[arg-type]
        address = line.address.replace("http:", "https:") if service.tls else line.address
        start = time.perf_counter()
        done = subprocess.run(
            ingest_to(address, folder, state), capture_output=True, text=True, check=False,
            env={**os.environ, "EVIDENCE_TOKEN": token},
        )  # fmt: skip
        seconds = time.perf_counter() - start
        told = line.told()
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(one) for one in done.stdout.splitlines()]
    registered = sum(one.get("status") == "registered" for one in results)
    assert registered == count, f"{registered} of {count}"
    say(
        f"   {told['cuts']} cuts, {told['connections']} connections, "
        f"{told['bytes'] / (1 << 20):.0f} MiB passed in both directions"
    )
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--mib", type=int, default=512)
    arguments.add_argument("--files", type=int, default=2000)
    arguments.add_argument("--how", choices=["reset", "hang", "mixed"])
    arguments.add_argument("--hits", choices=["one", "all"])
    arguments.add_argument("--small", action="store_true", help="a quick run")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    if given.small:
        given.mib, given.files = 64, 250
    with workplace(given.on) as place:
        folder, data = place / "in", place / "data"
        size = make_files(folder, given.files, given.mib << 20, seed=1)
        new_house(data)
        token = new_token(data)
        theirs = plain(size)
        say(f"one plain transfer of {size / (1 << 20):.0f} MiB, no cuts: {theirs:.1f} s")
        kinds = [(given.how, given.hits)] if given.how and given.hits else KINDS
        for n, (how, hits) in enumerate(kinds):
            with serving(data) as service:
                state = place / f"state{n}"
                ours = submission(service, token, folder, state, given.files, how=how, hits=hits)
            say(f"a submission of {given.files} files, cuts that {how} {hits}: {ours:.1f} s")
            say(f"   rate as a part of the plain transfer's (limit 0.9): {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
