"""Intake and retrieval on S3 (Ceph RGW) against the plain minio client on the same server.

    python -m tests.benchmarks.bench_s3 [--gib 2] [--pairs 3]

A server of its own is started (tests/ceph-rgw.sh). Theirs: `put_object` and `get_object` of the
same file, nothing else. Ours: the whole command with digests, encryption, locks read back, the
bytes read back and hashed, ledger and receipt; retrieval checked and decrypted.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.house_of import evidence, fill, say, spread, workplace

SCRIPT = Path(__file__).parents[1] / "ceph-rgw.sh"
PUT = """
import sys, os; from minio import Minio
client = Minio(sys.argv[1], sys.argv[2], sys.argv[3], secure=False)
client.bucket_exists("plain") or client.make_bucket("plain")
client.fput_object("plain", sys.argv[5], sys.argv[4])
"""
GET = """
import sys; from minio import Minio
client = Minio(sys.argv[1], sys.argv[2], sys.argv[3], secure=False)
answer = client.get_object("plain", sys.argv[5])
with open(sys.argv[4], "wb") as out:
    while block := answer.read(1 << 20): out.write(block)
"""


def server(place: Path) -> dict[str, str]:
    """Start a server of its own and return what it says."""
    environment = {
        **os.environ, "CEPH_HOME": str(place / "ceph"), "RGW_PORT": "19100", "OSD_GB": "40",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", SCRIPT, "up"], capture_output=True, text=True, check=True, env=environment
    )
    lines = [line.removeprefix("export ") for line in done.stdout.splitlines()]
    return {**environment, **dict(line.split("=", 1) for line in lines if "=" in line)}


def timed(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=float, default=2)
    arguments.add_argument("--pairs", type=int, default=3)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        found = server(place)
        try:
            measure(place, found, given.gib, given.pairs)
        finally:
            subprocess.run(
                ["bash", SCRIPT, "wipe", "--all"], env=found, check=False, capture_output=True
            )


def measure(place: Path, found: dict[str, str], gib: float, pairs: int) -> None:
    host = found["S3_ENDPOINT"].removeprefix("http://")
    keys = (found["S3_ACCESS_KEY"], found["S3_SECRET_KEY"])
    for name, value in zip(("access", "secret"), keys, strict=True):
        (place / name).write_text(value)
    environment = {
        **found,
        "EVIDENCE_STORE_URL": f"s3+http://{host}/?prefix=bench-&mode=GOVERNANCE",
        "EVIDENCE_STORE_ACCESS_KEY_FILE": str(place / "access"),
        "EVIDENCE_STORE_SECRET_KEY_FILE": str(place / "secret"),
    }
    file, out, data = place / "evidence.bin", place / "out", place / "data"
    fill(file, int(gib * (1 << 30)))
    for words in (["init"], ["case", "new", "KRN", "--title", "Benchmark"]):
        timed(evidence(data, *words), environment)
    puts, gets = [], []
    for n in range(1, pairs + 1):
        plain = [sys.executable, "-c"]
        theirs = timed([*plain, PUT, host, *keys, str(file), f"o{n}"], found)
        ours = timed(evidence(data, "ingest", file, "--case", "KRN", "--no-extract"), environment)
        puts.append((theirs, ours))
        their_get = timed([*plain, GET, host, *keys, str(out), f"o{n}"], found)
        out.unlink()
        number = f"KRN-{n:06d}"
        words = ["retrieve", number, "--out", out, "--purpose", "audit"]
        our_get = timed(evidence(data, *words), environment)
        out.unlink()
        gets.append((their_get, our_get))
        say(f"pair {n}: put {theirs:.2f} s, ours {ours:.2f} s; "
            f"get {their_get:.2f} s, ours {our_get:.2f} s")  # fmt: skip
    say(f"intake as a part of put_object's rate:    {spread([a / b for a, b in puts])}")
    say(f"retrieval as a part of get_object's rate: {spread([a / b for a, b in gets])}")


if __name__ == "__main__":
    main()
