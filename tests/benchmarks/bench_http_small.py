"""Many small files through HTTP by the real client, beside bagit-python packing the same files.

    python -m tests.benchmarks.bench_http_small [--files 10000] [--kib 20] [--tls] [--small]

Ours: `evidence ingest FOLDER --to ADDRESS`, the whole command: hashing, list, bytes, exhibits
encrypted, stored, recorded and acknowledged, receipts fetched and checked, one receipt for all; the
service and its worker share the machine's cores with it. Theirs: bagit-python makes a bag of a copy
in place, SHA-256 and SHA-512: no second copy, no encryption, no sync, no signature.
"""

import argparse
import json
import os
import shutil
import subprocess
import time

import bagit

from tests.benchmarks.bench_bad_line import ingest_to
from tests.benchmarks.house_of import new_house, new_token, say, workplace
from tests.service import serving


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--kib", type=int, default=20)
    arguments.add_argument("--connections", type=int, default=4)
    arguments.add_argument("--small", action="store_true", help="a quick run")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    count = 500 if given.small else given.files
    with workplace(given.on) as place:
        folder, data = place / "in", place / "data"
        for n in range(count):
            part = folder / f"{n // 100:03d}"
            part.mkdir(parents=True, exist_ok=True)
            (part / f"{n:05d}.jpg").write_bytes(os.urandom(given.kib << 10))
        shutil.copytree(folder, place / "bag")
        subprocess.run(["sync"], check=True)
        start = time.perf_counter()
        bagit.make_bag(str(place / "bag"), checksums=["sha256", "sha512"])
        theirs = time.perf_counter() - start
        say(f"bagit-python packs {count} files of {given.kib} KiB: {theirs:.2f} s")
        new_house(data)
        token = new_token(data)
        with serving(data) as service:
            words = ingest_to(service.address, folder, place / "state")
            words += ["--connections", str(given.connections)]
            start = time.perf_counter()
            done = subprocess.run(
                words, capture_output=True, text=True, check=False,
                env={**os.environ, "EVIDENCE_TOKEN": token},
            )  # fmt: skip
            ours = time.perf_counter() - start
        assert done.returncode == 0, done.stderr[-2000:]
        results = [json.loads(one) for one in done.stdout.splitlines()]
        registered = sum(one.get("status") == "registered" for one in results)
        assert registered == count, f"{registered} of {count}"
        say(f"evidence ingest --to: {ours:.2f} s, {count / ours:.0f} acknowledged exhibits/s")
        say(f"times bagit-python's time: {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
