"""What isolation costs a file, and how many photographs a second are looked at, beside others.

python -m tests.benchmarks.bench_extraction [--photographs 1000] [--forks 500]

Prints ratios as well as seconds: seconds are this machine's.
"""

import argparse
import gc
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from ingest import lockdown
from ingest.child import warm
from ingest.extraction import Limits
from ingest.extractors import HERE
from ingest.sandbox import Sandbox
from tests.benchmarks.house_of import say
from tests.shared import SHARED

THREADS = 2


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--photographs", type=int, default=1000)
    arguments.add_argument("--forks", type=int, default=500)
    given = arguments.parse_args()
    isolation(given.forks)
    with tempfile.TemporaryDirectory() as place:
        files = photographs(Path(place), given.photographs)
        size = sum(file.stat().st_size for file in files) / len(files)
        say(f"{len(files)} photographs of {size / 1024:.0f} KiB on average, {THREADS} threads")
        ours("our own readers alone", files, without=("preview", "exiftool"))
        ours("all extractors, previews and PDQ", files)
        others(files, ours("without previews", files, without=("preview",)))
    restart()


def isolation(forks: int) -> None:
    """Compare a bare fork of the warm process with one that locks itself."""
    warm([HERE])
    lockdown.prepare()
    gc.collect()
    gc.freeze()
    evidence = os.open(__file__, os.O_RDONLY)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bare, locked = [], []
    for _ in range(forks):  # in turn, so that both meet the same neighbours
        bare.append(forked(lambda: None))
        locked.append(forked(lambda: lockdown.lock(Limits(), [evidence])))
    plain, whole = statistics.median(bare) * 1000, statistics.median(locked) * 1000
    say(f"warm process of {resident:.0f} MB, {forks} forks, medians:")
    say(f"bare fork {plain:.2f} ms; with all layers {whole:.2f} ms: {whole - plain:+.2f} ms")


def forked(what) -> float:
    """Return the seconds from fork to burial of a child that does something."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            what()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return time.perf_counter() - start


def photographs(place: Path, count: int) -> list[Path]:
    """Return so many photographs: the samples, again and again."""
    found = [
        path for folder in ("exif-samples", "camera-vendors")
        for path in sorted((SHARED / "samples" / folder).rglob("*"))
        if path.suffix.lower() in {".jpg", ".jpeg"} and "/." not in str(path)
    ]  # fmt: skip
    files = []
    for number in range(count):
        file = place / f"{number:05d}.jpg"
        shutil.copyfile(found[number % len(found)], file)
        files.append(file)
    return files


def ours(name: str, files: list[Path], without: tuple[str, ...] = ()) -> "Cost":
    """Return what our sandboxes take for the files."""
    outcomes: Counter[str] = Counter()
    ready = threading.Barrier(THREADS + 1)
    below: list[float] = []

    def look(mine: list[Path]) -> None:
        with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox:
            with working_copy(files[0]) as first:
                sandbox.extract(first, name_hint="")
            for extractor in without:
                sandbox._zygote.extractors[extractor]["formats"] = None
            before = processor(sandbox)
            ready.wait()
            for path in mine:
                with working_copy(path) as file:
                    outcomes[sandbox.extract(file, name_hint=path.name).outcome] += 1
            below.append(processor(sandbox) - before)

    threads = [threading.Thread(target=look, args=[files[n::THREADS]]) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    start, own = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    cost = Cost(len(files), seconds, time.process_time() - own + sum(below))
    say(f"ours, {name}: {cost}  {dict(outcomes)}")
    return cost


def working_copy(path: Path) -> BinaryIO:
    """Return a file as the service hands it over: a copy in memory."""
    copy = os.fdopen(os.memfd_create("exhibit"), "w+b")
    copy.write(path.read_bytes())
    copy.seek(0)
    return copy


@dataclass
class Cost:
    """Files, and the seconds of the clock and of the processor that they took."""

    files: int
    seconds: float
    processor: float

    def __str__(self) -> str:
        each = self.processor / self.files * 1000
        return f"{self.files / self.seconds:.0f} files/s, {each:.1f} ms of a core a file"

    def beside(self, other: "Cost") -> str:
        """Return the ratio of two, by processor time: neighbours distort the clock's."""
        ratio = (self.processor / self.files) / (other.processor / other.files)
        return f"{ratio:.2f} times its processor time"


def processor(sandbox: Sandbox) -> float:
    """Return the processor seconds of the warm processes, and of all that is or was below them."""
    waiting = [sandbox._zygote.process.pid, sandbox._pronom._warm.process.pid]
    found = 0.0
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        stat = (process / "stat").read_text()
        found += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
        waiting += map(int, (process / "task" / process.name / "children").read_text().split())
    return found / os.sysconf("SC_CLK_TCK")


def others(files: list[Path], cost: Cost) -> None:
    """Print what Pillow alone and ExifTool take, without any isolation."""
    start, own = time.perf_counter(), time.process_time()
    for path in files:
        with Image.open(path) as picture:
            picture.getexif().get_ifd(0x8769)
    pillow = Cost(len(files), time.perf_counter() - start, time.process_time() - own)
    say(f"Pillow, Exif alone, one process, no isolation: {pillow}; ours is {cost.beside(pillow)}")
    if shutil.which("exiftool") is None:
        say("ExifTool is not installed: not compared")
        return
    batches = [files[n::THREADS] for n in range(THREADS)]
    batch = exiftool(batches)
    say(f"ExifTool, two batches, no isolation: {batch}; ours is {cost.beside(batch)}")
    single = exiftool([[path] for path in files[:50]])
    say(f"ExifTool, one process a file: {single}; ours is {cost.beside(single)}")


def exiftool(batches: list[list[Path]]) -> Cost:
    """Return what ExifTool takes, a process for each batch, two at a time."""
    command = ["exiftool", "-config", "", "-json", "-G1", "-struct"]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for n in range(0, len(batches), THREADS):
        running = [
            subprocess.Popen([*command, *map(str, batch)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
            for batch in batches[n : n + THREADS]
        ]  # fmt: skip
        for each in running:
            each.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(sum(map(len, batches)), time.perf_counter() - start, used)


def restart() -> None:
    """Print how long a new warm process takes to be ready."""
    taken = []
    for _ in range(5):
        with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox, tempfile.TemporaryFile() as file:
            start = time.perf_counter()
            sandbox.extract(file, name_hint="")
            taken.append(time.perf_counter() - start)
    say(f"warm process started and asked, median of 5: {statistics.median(taken):.2f} s")


if __name__ == "__main__":
    main()
