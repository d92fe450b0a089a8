"""Damage what is stored, and fail each operation of the store at its n-th call; count what is lost.

    python -m tests.faults.storage_faults [--flips 1000] [--cuts 100] [--swaps 100]
                                          [--deletions 100] [--repairs 100]

Prints counts. Lost, wrong bytes delivered, not found, not repaired and orphans must all be 0.
"""

import argparse
import io
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from custody.errors import EvidenceError
from ingest.receive import receive
from repository import copies, fixity
from repository.exhibits import find_exhibit
from repository.models import Exhibit, Intake, Stray
from repository.purpose import parse
from repository.reconcile import reconcile
from repository.retrieve import recorded_parts, retrieve
from repository.submissions import Declaration, open_submission
from tests.hostile import FailsAt
from tests.house import House, make_house, open_house

SIZES = (0, 1, 5_000, 1_048_520, 1_048_521, 2_500_000)
# Failures of an operation that were noticed and said; what is acknowledged stays.
SAID = (EvidenceError,)


def fill(house: House, draw: random.Random, count: int) -> dict[str, bytes]:
    """Take in files and return what each number must give back."""
    found = {}
    for n in range(count):
        data = draw.randbytes(SIZES[n % len(SIZES)])
        found[take(house, data, b"%d" % n)] = data
    return found


def take(house: House, data: bytes, path: bytes) -> str:
    """Take in one file in a submission of its own; return its number."""
    repo = house.repo
    submission, _ = open_submission(
        repo, house.custodian, house.case, Declaration(parse("court")), sources=[path]
    )
    outcome = receive(
        repo, house.custodian, house.case, submission, io.BytesIO(data), path=path,
        size=len(data), declared={},
    )  # fmt: skip
    assert outcome.number is not None
    return outcome.number


def delivered(house: House, number: str) -> tuple[bytes, bool]:
    """Read an exhibit; return the bytes that came and whether it said that all did."""
    got: list[bytes] = []
    try:
        got.extend(retrieve(house.repo, house.caller("analyst"), number, purpose="audit"))
    except SAID:
        return b"".join(got), False
    return b"".join(got), True


def files_of(house: House, number: str) -> list[Path]:
    """Return the files of an exhibit's objects in the first store, as they are read now."""
    with house.repo.database.reading() as session:
        exhibit = find_exhibit(session, number)
    assert exhibit is not None
    parts = recorded_parts(house.repo, exhibit)
    places = [part.at(one) for part in parts for one in (*part.objects, part.manifest)]
    return [house.data / "store" / one.bucket / one.key for one in places]


@contextmanager
def kept(*files: Path) -> Iterator[None]:
    """Put files back as they were."""
    before = {file: file.read_bytes() for file in files}
    try:
        yield
    finally:
        for file, data in before.items():
            if file.exists():
                file.chmod(0o600)
            file.write_bytes(data)
            file.chmod(0o444)


def write(file: Path, data: bytes) -> None:
    file.chmod(0o600)
    file.write_bytes(data)


def rot(house: House, kept_bytes: dict[str, bytes], draw: random.Random, kind: str) -> Counter[str]:
    """Damage one object, look whether it is found and what is delivered, and put it back."""
    counts: Counter[str] = Counter({"tried": 1})
    number = draw.choice(list(kept_bytes))
    file = draw.choice(files_of(house, number))
    other = draw.choice([one for n in kept_bytes for one in files_of(house, n) if one != file])
    with kept(file, other):
        damage(kind, file, other, draw)
        data, whole = delivered(house, number)
        right = kept_bytes[number]
        if data != right[: len(data)] or (whole and data != right):
            counts["wrong bytes delivered"] += 1
        [found] = list(fixity.check_objects(house.repo, house.custodian, numbers=[number]))
        counts["found"] += found.outcome == "fail"
    return counts


def damage(kind: str, file: Path, other: Path, draw: random.Random) -> None:
    data = bytearray(file.read_bytes())
    if kind == "flips":
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        write(file, bytes(data))
    elif kind == "cuts":
        write(file, bytes(data[: draw.randrange(len(data))]))
    elif kind == "swaps":
        swapped = other.read_bytes()
        write(other, bytes(data))
        write(file, swapped)
    else:
        file.unlink()


def damaged(folder: Path, counts: dict[str, int], seed: int) -> dict[str, Counter[str]]:
    """Run every kind of damage without a second store: found, and nothing wrong delivered."""
    house = make_house(folder)
    draw = random.Random(seed)
    exhibits = fill(house, draw, 12)
    results = {}
    for kind, count in counts.items():
        total: Counter[str] = Counter()
        for _ in range(count):
            total += rot(house, exhibits, draw, kind)
        results[kind] = total
    [*clean] = fixity.check_all(house.repo, house.custodian, fixity.open_run(house.repo))
    results["false alarms"] = Counter(fail=sum(one.outcome != "pass" for one in clean))
    house.repo.close()
    return results


def repaired(folder: Path, count: int, seed: int) -> Counter[str]:
    """Damage objects that have a copy: each is repaired, and read whole afterwards."""
    house = make_house(folder, replica_store_url=(folder / "second").as_uri())
    draw = random.Random(seed)
    exhibits = fill(house, draw, 12)
    while copies.replicate(house.repo):
        continue
    total: Counter[str] = Counter()
    for n in range(count):
        number = draw.choice(list(exhibits))
        file = draw.choice(files_of(house, number))
        damage(("flips", "cuts", "deletions")[n % 3], file, file, draw)
        [found] = list(fixity.check_objects(house.repo, house.custodian, numbers=[number]))
        [again] = list(fixity.check_objects(house.repo, house.custodian, numbers=[number]))
        data, whole = delivered(house, number)
        good = found.outcome == "fail" and again.outcome == "pass" and whole
        total["tried"] += 1
        total["repaired"] += good and data == exhibits[number]
    house.repo.close()
    return total


def job(house: House, data: dict[bytes, bytes], done: dict[bytes, str]) -> None:
    """Take in, copy, check and read: the work whose operations fail one after the other."""
    for path, content in data.items():
        if path not in done:
            done[path] = take(house, content, path)
    copies.replicate(house.repo)
    for number in done.values():
        list(fixity.check_objects(house.repo, house.custodian, numbers=[number]))
        delivered(house, number)


def failing(folder: Path, *, after: bool, step: int) -> Counter[str]:
    """Fail the n-th operation of the store, for each `step`-th n until a run meets none."""
    total: Counter[str] = Counter()
    fresh = folder / "fresh"
    make_house(fresh, replica_store_url=(fresh / "second").as_uri()).repo.close()
    n = 1 - step
    while True:
        n += step
        place = folder / f"{n}-{after}"
        shutil.copytree(fresh, place)
        house = open_house(place, replica_store_url=(place / "second").as_uri())
        whole, store = house.repo, FailsAt(house.repo.store, n, after=after)
        house.repo = replace(whole, store=store)  # type: ignore[arg-type]
        data = {b"%d" % k: os.urandom(size) for k, size in enumerate((0, 3_000, 1_200_000))}
        done: dict[bytes, str] = {}
        try:
            job(house, data, done)
        except SAID:
            total["said"] += 1
        acknowledged = dict(done)
        house.repo = whole
        job(house, data, done)
        total["tried"] += 1
        total["lost"] += lost(house, data, acknowledged)
        total["wrong"] += lost(house, data, done)
        reconcile(replace(whole, clock=lambda w=whole: w.clock() + timedelta(days=30)))
        total["orphans"] += orphans(house)
        shutil.rmtree(place)
        whole.close()
        if not store.failed:
            return total


def lost(house: House, data: dict[bytes, bytes], done: dict[bytes, str]) -> int:
    return sum(delivered(house, done[path]) != (data[path], True) for path in done)


def orphans(house: House) -> int:
    """Count objects without an exhibit and without an entry that tells of them."""
    told = {
        e.fields["location"]["key"]
        for e in house.repo.ledger.entries()
        if e.fields["type"] in ("upload_abandoned", "quarantine", "repair")
    }
    with house.repo.database.reading() as session:
        registered = set(session.scalars(select(Intake.key).where(Intake.state == "registered")))
        ids = set(session.scalars(select(Exhibit.id)))
        strays = set(session.scalars(select(Stray.key)))
    assert len(ids) == len(registered)
    count = 0
    for one in house.repo.store.versions("evidence", "o/"):
        base = one.key.partition(".")[0]
        count += base not in registered | told and one.key not in told | strays
    return count


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--flips", type=int, default=1000)
    options.add_argument("--cuts", type=int, default=100)
    options.add_argument("--swaps", type=int, default=100)
    options.add_argument("--deletions", type=int, default=100)
    options.add_argument("--repairs", type=int, default=100)
    options.add_argument("--step", type=int, default=1, help="fail each so many-th operation")
    options.add_argument("--seed", type=int, default=7)
    given = options.parse_args(arguments)
    say: Callable[[str], None] = lambda text: print(text, flush=True)  # noqa: E731
    bad = 0
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).absolute()
        wanted = {kind: getattr(given, kind) for kind in ("flips", "cuts", "swaps", "deletions")}
        for kind, counts in damaged(folder / "damaged", wanted, given.seed).items():
            say(f"{kind:14} {dict(counts)}")
            bad += counts["tried"] - counts["found"] + counts["wrong bytes delivered"]
            bad += counts["fail"]
        mended = repaired(folder / "repaired", given.repairs, given.seed)
        say(f"{'repairs':14} {dict(mended)}")
        bad += mended["tried"] - mended["repaired"]
        for after in (False, True):
            counts = failing(folder / f"failing-{after}", after=after, step=given.step)
            when = "after its effect" if after else "before its effect"
            say(f"each operation failing once, {when}: {dict(counts)}")
            bad += counts["lost"] + counts["wrong"] + counts["orphans"]
    say("all counts as they must be" if not bad else f"NOT as they must be: {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
