"""Intake of many small photographs, extraction included, and where the time goes.

python -m tests.benchmarks.bench_small_files [--files 1000] [--kib 100] [--profile]
"""

import argparse
import cProfile
import os
import pstats
import subprocess
import threading
import time
from io import BytesIO, StringIO

from PIL import Image

from tests.benchmarks.house_of import evidence, new_house, say, workplace


def photograph(number: int, size: int) -> bytes:
    """Return a JPEG with EXIF, filled up to a size behind its end."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", f"Model {number}"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:20 12:00:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (36.0, 20.0, 1.0), 3: "E", 4: (43.0, 7.0, 1.0)})
    out = BytesIO()
    Image.new("RGB", (64, 64), (number % 256, 80, 80)).save(out, "JPEG", exif=exif)
    return out.getvalue() + os.urandom(max(0, size - out.tell()))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=1000)
    arguments.add_argument("--kib", type=int, default=100)
    arguments.add_argument("--on")
    arguments.add_argument("--profile", action="store_true")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        folder = place / "in"
        folder.mkdir()
        for n in range(given.files):
            (folder / f"{n:05d}.jpg").write_bytes(photograph(n, given.kib << 10))
        new_house(place / "data")
        subprocess.run(["sync"], check=True)
        words = evidence(place / "data", "ingest", folder, "--case", "KRN")
        if given.profile:
            say(profiled(words[3:]))
            return
        start = time.perf_counter()
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        say(f"$ evidence ingest FOLDER --case KRN   ({given.files} files of {given.kib} KiB)")
        say(done.stderr.strip() or f"{len(done.stdout.splitlines())} results")
        say(f"{seconds:.2f} s, {given.files / seconds:.0f} files/s, extraction included")


def profiled(words: list[str]) -> str:
    """Run the command in this process and return where its time went, all threads."""
    from api.cli import main as command

    profile = cProfile.Profile()
    threading.setprofile(None)
    try:
        profile.runcall(command, words)
    except SystemExit:
        profile.disable()
    text = StringIO()
    pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats(35)
    return text.getvalue()


if __name__ == "__main__":
    main()
