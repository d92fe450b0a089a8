"""Retrieval, verified and decrypted, against the same HTTP server sending the plain file (08, 2).

    python -m tests.benchmarks.bench_retrieval [--gib 2] [--pairs 5]

Interleaved, warm cache, one client that throws the bytes away. The other sides, in the same
gunicorn: the file read in blocks of 1 MiB, and the output of `cat FILE`.
"""

import argparse
import http.client
import subprocess
import sys
import time

from tests.benchmarks.house_of import evidence, fill, new_house, new_token, say, spread, workplace
from tests.service import Running, free_port, serving

CAT = """
import subprocess, sys
from flask import Flask, Response
from api.server import claim, run
def make():
    app = Flask("cat")
    @app.get("/")
    def cat():
        def blocks():
            with open(sys.argv[1], "rb", buffering=0) as file:
                while block := file.read(1 << 20):
                    yield block
        return Response(blocks(), content_type="application/octet-stream")
    @app.get("/process")
    def process():
        def blocks():
            with subprocess.Popen(["cat", sys.argv[1]], stdout=subprocess.PIPE, bufsize=0) as cat:
                while block := cat.stdout.read(1 << 20):
                    yield block
        return Response(blocks(), content_type="application/octet-stream")
    return app
run(make, claim("127.0.0.1", int(sys.argv[2])))
"""


def fetch(port: int, path: str, headers: dict[str, str]) -> tuple[float, int]:
    """Return seconds and bytes of one download."""
    start = time.perf_counter()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    line.request("GET", path, headers=headers)
    answer = line.getresponse()
    assert answer.status == 200, answer.read()
    buffer, got = memoryview(bytearray(1 << 20)), 0
    while n := answer.readinto(buffer):
        got += n
    line.close()
    return time.perf_counter() - start, got


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=float, default=2)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        file, data = place / "evidence.bin", place / "data"
        size = int(given.gib * (1 << 30))
        fill(file, size)
        new_house(data)
        subprocess.run(
            evidence(data, "ingest", file, "--case", "KRN", "--no-extract"),
            check=True, capture_output=True,
        )  # fmt: skip
        token = new_token(data)
        theirs = free_port()
        headers = {"Authorization": f"Bearer {token}", "Evidence-Purpose": "analysis"}
        path = "/api/v1/exhibits/KRN-000001/content"
        cat = Running([sys.executable, "-c", CAT, str(file), str(theirs)])
        times: list[tuple[float, float, float]] = []
        with serving(data) as service, cat.until_answered("127.0.0.1", theirs):
            ours = service.port
            fetch(ours, path, headers)
            fetch(theirs, "/", {})
            fetch(theirs, "/process", {})
            for number in range(given.pairs):
                a, got = fetch(ours, path, headers)
                b, plain = fetch(theirs, "/", {})
                c, piped = fetch(theirs, "/process", {})
                assert got == plain == piped == size
                times.append((a, b, c))
                say(f"{number + 1}: ours {a:.2f} s, file read {b:.2f} s, `cat FILE` {c:.2f} s")
    for name, column in (("ours", 0), ("file read", 1), ("`cat FILE`", 2)):
        say(f"{name}, MB/s: {spread([size / 1e6 / one[column] for one in times])}")
    say(f"rate as a part of reading the file: {spread([b / a for a, b, _ in times])}")
    say(f"rate as a part of `cat FILE`:       {spread([c / a for a, _, c in times])}")


if __name__ == "__main__":
    main()
