"""check.html on a large bundle, its rate and memory: python -m tests.benchmarks.bench_checker.

The exhibit is a sparse file of zeros of `--gib` GiB, with its true digests. Memory is sampled from
/proc: resident bytes of the page's own process, and the proportional share (PSS) of all processes.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from hashlib import new, sha256
from pathlib import Path
from typing import Any

from tests.benchmarks.house_of import say
from tests.browser.checking import checker_file
from tests.browser.chromium import BEGIN, END
from tests.custody.bundle_builder import CHUNK, CLOSING, World, canonical, leaf_of, write_manifest
from tests.shared import ROOT

NAME = "data/KRN-000001.bin"
SCRIPT = """
import time
page.set_default_timeout(3_600_000)
page.goto("file://" + given[0])
began = time.time()
page.set_input_files("#folder", given[1])
page.wait_for_selector("#verdict")
seen["seconds"] = time.time() - began
seen["verdict"] = page.inner_text("#verdict")
seen["outcomes"] = page.eval_on_selector_all("#result .claim",
    "all => all.map((one) => [one.dataset.claim, one.dataset.outcome])")
"""


def large_bundle(folder: Path, size: int) -> Path:
    """Write a bundle of one exhibit of so many zeros, all of its digests true."""
    digests = {}
    for kind in ("sha256", "sha512", "md5"):
        running = new(kind)
        for _ in range(size // CHUNK):
            running.update(bytes(CHUNK))
        digests[kind] = f"{kind}:{running.hexdigest()}"
    level = [leaf_of(sha256(bytes(CHUNK)).digest())] * (size // CHUNK)
    while len(level) > 1:  # a power of two of equal leaves, or as it comes
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [sha256(b"\1" + b"".join(p)).digest() if len(p) == 2 else p[0] for p in pairs]
    chunks = {"size": CHUNK, "count": size // CHUNK, "root": f"sha256:{level[0].hex()}"}

    def change(_: int, fields: dict[str, Any]) -> None:
        if "exhibit" in fields:
            fields["exhibit"].update(sha256=digests["sha256"], size=size)
        if "parts" in fields:
            fields["parts"] = [{"part": 1, "digests": digests, "chunks": chunks}]

    world = World(contents=[[b"zeros"]], change_body=change)
    world.exhibits[0].update(sha256=digests["sha256"], size=size)
    root = world.write(folder / "bundle")
    with (root / NAME).open("r+b") as file:
        file.truncate(0)
        file.truncate(size)
    for kind in ("sha256", "sha512"):
        line = f"{digests[kind].partition(':')[2]}  {NAME}\n"
        (root / f"manifest-{kind}.txt").write_text(line)
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    tags = {name for name in names if not name.startswith(("data/", "tagmanifest"))} - {CLOSING}
    write_manifest(root, "tagmanifest-sha256.txt", sorted(tags), "sha256")
    (root / CLOSING).write_text(canonical(world.closing(root)) + "\n")
    return root


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        below.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += below.get(one, [])
    return found


def memory(pid: int) -> tuple[int, int]:
    """Return MiB: the largest renderer's resident memory; the share of all of Chromium."""
    largest = shared = 0
    for one in family(pid):
        try:
            words = Path(f"/proc/{one}/cmdline").read_bytes()
            rows = Path(f"/proc/{one}/smaps_rollup").read_text().split("\n")[1:]
        except OSError:
            continue  # it has ended
        if b"/chromium/" not in words:
            continue
        told = {row.split(":")[0]: int(row.split()[1]) // 1024 for row in rows if ":" in row}
        shared += told["Pss"]
        if b"--type=renderer" in words:
            largest = max(largest, told["Rss"])
    return largest, shared


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=int, default=4)
    size = arguments.parse_args().gib * 2**30
    program = shutil.which("chromium") or sys.exit("Chromium is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle, page = large_bundle(folder, size), checker_file(folder)
        command = [sys.executable, "-c", BEGIN + SCRIPT + END, program, name, page, bundle]
        with (folder / "said").open("wb") as said:
            running = subprocess.Popen(command, stdout=said, cwd=ROOT)
            peak = (0, 0)
            while running.poll() is None:
                peak = tuple(map(max, peak, memory(running.pid)))
                time.sleep(0.2)
        seen = json.loads((folder / "said").read_text())
    say(f"{size // 2**30} GiB: {seen['verdict']}; {dict(seen['outcomes'])}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = used.ru_utime + used.ru_stime
    say(f"{busy:.1f} s of processors, {size / 2**20 / busy:.0f} MiB a second of a processor")
    say(f"{seen['seconds']:.0f} s, {size / 2**20 / seen['seconds']:.0f} MiB/s of evidence")
    say(f"peak: {peak[0]} MiB resident in the page's process, {peak[1]} MiB of all of Chromium")


if __name__ == "__main__":
    main()
