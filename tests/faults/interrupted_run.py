"""Kill a run of the command-line client in the middle of many files; run the same command again.

    python -m tests.faults.interrupted_run [--files 40000] [--at 23112] [--size 2000]

Counts what went over the line in both runs, exhibits, receipts, and what `evidence verify` says.
"""

import argparse
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from tests.benchmarks.house_of import say
from tests.faults.checker import Judged
from tests.house import CODE, House, make_house
from tests.relay import relay
from tests.remote.sending import Field, invited, results
from tests.service import serving

PACK = 8 << 20  # what may be on its way on each of four connections
RATE = 4e6  # bytes a second of the line


def run(files: int, at: int, size: int) -> Judged:
    """Return what killing the client once `at` files were registered came to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digests = _fill(folder / "in", files, size)
        house = make_house(folder)
        try:
            return _interrupted(house, folder, digests, at, files * size)
        finally:
            house.repo.close()


def _fill(folder: Path, files: int, size: int) -> dict[str, str]:
    """Make files that are all different; return their digests by the paths they will have."""
    digests = {}
    for n in range(files):
        data = (b"%08d" % n) * (size // 8)
        place = folder / f"{n // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{n:06d}.jpg").write_bytes(data)
        digests[f"in/{n // 1000:03d}/{n:06d}.jpg"] = f"sha256:{sha256(data).hexdigest()}"
    return digests


def _interrupted(
    house: House, folder: Path, digests: dict[str, str], at: int, total: int
) -> Judged:  # fmt: skip
    found = Judged()
    with serving(house.data) as service, relay(service.place, rate=RATE) as line:
        far = invited(house, line.address, folder)
        first = far.start(folder / "in", "--patience", "10m")
        while first.running and first.out.count("\n") < at:
            time.sleep(0.05)
        if not first.running:
            found.add("wrong", f"it ended before it was killed: {first.err}")
        first.kill()
        registered, before = first.out.count("\n"), line.told()["uploaded"]
        began = time.monotonic()
        second = far.start(folder / "in", "--patience", "10m")
        code = second.wait(7200)
        seconds, sent = time.monotonic() - began, line.told()["uploaded"]
    say(f"killed when {registered:,} of {len(digests):,} files were acknowledged")
    say(f"the same command again: {seconds:.0f} s; {before / 1e6:.1f} MB sent before the kill,")
    say(f"   {(sent - before) / 1e6:.1f} MB after it, for {total / 1e6:.1f} MB of files")
    if code:
        found.add("wrong", f"the second run ended with {code}: {second.err}")
    _judge(house, far, digests, second.out, found)
    # Requests, the list (twice at most) and what was on its way.
    if sent > total + 4 * PACK + 2 * len(digests) * 250:
        found.add("doubled", f"{sent} bytes were sent for {total}")
    return found


def _judge(
    house: House, far: Field, digests: dict[str, str], out: str, found: Judged
) -> None:  # fmt: skip
    told = {row["path"]: row["sha256"] for row in results(out)}
    rows = house.evidence("list", "--case", CODE).lines
    kept = {row["path"]: row["sha256"] for row in rows}
    receipts = len(list(far.submissions[0].glob(f"receipts/{CODE}-*.json")))
    found.acknowledged += len(told)
    found.exhibits += len(rows)
    for path, digest in digests.items():
        if told.get(path) != digest or kept.get(path) != digest:
            found.add("lost", path)
    if len(rows) != len(kept) or len(far.submissions) != 1:
        found.add("doubled", f"{len(rows)} exhibits, {len(far.submissions)} submissions")
    if receipts != len(digests):
        found.add("lost", f"{len(digests) - receipts} receipts")
    if code := house.evidence("verify").code:
        found.add("wrong", f"evidence verify ended with {code}")


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=40_000)
    arguments.add_argument("--at", type=int, default=23_112)
    arguments.add_argument("--size", type=int, default=2_000)
    given = arguments.parse_args()
    found = run(given.files, given.at, given.size)
    say(str(found))
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
