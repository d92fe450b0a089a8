"""How long an act of a transfer holds its request: each reads every byte again.

    python -m tests.benchmarks.bench_transfers [--gib 1] [--runs 3]

Within one house: release, receive. To another: release, the bundle, its import there. Seconds of
the clock, and of the processor beside them: on a machine that does other things these count.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ingest.bundles import import_bundle
from repository.authorise import Caller
from repository.counterparts import pin
from repository.deliveries import bundle
from repository.people import new_person
from repository.transfers import receive, release
from tests.benchmarks.house_of import fill, say, workplace
from tests.house import CODE, House, make_house

Times = dict[str, list[tuple[float, float]]]


def timed(times: Times, name: str, act: Callable[[], Any]) -> Any:
    """Do an act and note how long it took."""
    clock, processor = time.perf_counter(), time.process_time()
    found = act()
    times.setdefault(name, []).append(
        (time.perf_counter() - clock, time.process_time() - processor)
    )
    return found


def main() -> None:
    """Measure and print the table."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=float, default=1)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    times: Times = {}
    with workplace(given.on) as place:
        for name in ("unit", "tribunal", "file"):
            (place / name).mkdir()
        unit, tribunal = make_house(place / "unit"), make_house(place / "tribunal")
        for house, other, name in ((unit, tribunal, "Tribunal"), (tribunal, unit, "Unit")):
            pin(house.repo, me(house), name, str(other.repo.ledger.key), motive="by telephone")
        new_person(unit.repo, unit.custodian, name="near", role="partner", organisation="Near")
        for run in range(given.runs):
            number = taken_in(unit, place / "file" / str(run), int(given.gib * (1 << 30)))
            from_unit = unit.repo, me(unit)
            let_go = partial(release, *from_unit, [number], purpose="sharing")
            [near] = timed(times, "release", partial(let_go, to="Near"))
            timed(times, "receive", partial(receive, unit.repo, unit.caller("near"), near.row.id))
            [far] = let_go(to="Tribunal")
            there = place / f"bundle{run}"
            timed(times, "bundle", partial(bundle, *from_unit, far.row.id, there))
            to_tribunal = partial(import_bundle, tribunal.repo, me(tribunal), CODE, there)
            timed(times, "import", partial(to_tribunal, purpose="court"))
            shutil.rmtree(there)
        unit.repo.close()
        tribunal.repo.close()
    say(f"| {given.gib:g} GiB, {given.runs} runs | seconds, median | of the processor |")
    say("|---|---|---|")
    for name, found in times.items():
        clock, processor = (statistics.median(each) for each in zip(*found, strict=True))
        say(f"| {name} | {clock:.1f} | {processor:.1f} |")


def me(house: House) -> Caller:
    return house.caller(house.custodian.name or "")


def taken_in(house: House, file: Path, size: int) -> str:
    """Return the number of a new exhibit of this size."""
    fill(file, size)
    said = house.evidence("ingest", file, "--case", CODE, "--no-extract")
    assert said.code == 0, said.err
    file.unlink()
    number: str = said.lines[0]["exhibit"]
    return number


if __name__ == "__main__":
    main()
