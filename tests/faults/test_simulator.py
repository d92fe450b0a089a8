"""A few seeds of the simulator hold, a seed replays, the judge finds what is broken on purpose."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from tests.faults import simulator
from tests.faults.invariants import judge

pytestmark = pytest.mark.sqlite_only("its database is a file that dies with it")


@pytest.mark.parametrize("seed", range(3))
def test_nothing_breaks_whatever_fails_and_whoever_dies(seed):
    broken, _ = simulator.simulate(seed, steps=15)
    assert broken == []


def test_a_seed_is_lived_through_the_same_way_again():
    lives = []
    for _ in range(2):
        said: list[str] = []
        _, faults = simulator.simulate(7, steps=10, say=said.append)
        lives.append((said, faults))
    assert lives[0] == lives[1]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    """What one house left without any fault: database, store and what was told."""
    folder = tmp_path_factory.mktemp("dumps")
    world = simulator.World(1, folder, lambda _: None)
    world.faults = simulator.Faults(world.draw, 0.0)
    world.open()
    for act in (world.submit, world.submit, world.read, world.hold, world.follow):
        act()
    signed = world.repo.ledger.checkpoint()
    world.told["checkpoints"].append([signed.checkpoint.size, signed.checkpoint.root.hex()])
    world.repo.close()
    return world.data, world.told


def broken(dumps, tmp_path, *sql: str, tell=None, store=lambda _: None) -> Counter[str]:
    """Break a copy of the dumps, and return which invariants the judge names."""
    data, told = dumps
    shutil.copytree(data, tmp_path / "data")
    told = json.loads(json.dumps(told))
    with closing(sqlite3.connect(tmp_path / "data" / "evidence.db")) as raw:
        for [name] in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            raw.execute(f"DROP TRIGGER {name}")
        for line in sql:
            raw.execute(line)
        raw.commit()
    if tell is not None:
        tell(told)
    store(tmp_path / "data" / "store")
    database = tmp_path / "data" / "evidence.db"
    return Counter(line[:2] for line in judge(database, told, [tmp_path / "data" / "store"]))


def objects(store):
    return sorted(
        file
        for file in (store / "evidence" / "o").rglob("*")
        if file.is_file() and file.suffix not in (".lock", ".manifest")
    )


def flip(store):
    for file in objects(store):
        file.chmod(0o600)
        file.write_bytes(b"x" + file.read_bytes()[1:])


def unhold(store):
    for file in (store / "evidence").rglob("*.lock"):
        file.chmod(0o600)
        file.write_text(json.dumps({**json.loads(file.read_text()), "hold": False}))


def stranger(store):
    (store / "evidence" / "o" / "stranger").write_bytes(b"?")


def plaintext(store):
    (store / "derived" / "leak").write_bytes(b"... MARK-00000001- ...")


def test_the_judge_finds_nothing_where_nothing_is_broken(dumps, tmp_path):
    assert broken(dumps, tmp_path) == Counter()


@pytest.mark.parametrize(
    ("invariant", "how"),
    [
        ("I1", {"sql": "DELETE FROM exhibit"}),
        ("I1", {"sql": "UPDATE exhibit SET sha256 = 'sha256:0'"}),
        ("I1", {"store": flip}),
        ("I1", {"tell": lambda told: told["acknowledged"].update({"KRN-000099": "sha256:0"})}),
        ("I2", {"tell": lambda told: told["served"].append("a read that nobody recorded")}),
        ("I2", {"tell": lambda told: told.update(reads={"KRN-000001": [None] * 9})}),
        ("I2", {"tell": lambda told: told.update(reads={"KRN-000001": [0.0]})}),
        ("I3", {"sql": "DELETE FROM entry WHERE idx = 3"}),
        (
            "I3",
            {"sql": "UPDATE entry SET body = x'7b7d' WHERE idx = 4"},
        ),
        ("I3", {"sql": "UPDATE head SET root = zeroblob(32) WHERE size = 5"}),
        ("I3", {"tell": lambda told: told["checkpoints"].append([4, "00" * 32])}),
        ("I4", {"store": stranger}),
        ("I5", {"sql": "UPDATE intake SET state = 'open'"}),
        ("I6", {"store": unhold}),
        ("I7", {"store": plaintext}),
    ],
)
def test_the_judge_names_what_is_broken(dumps, tmp_path, invariant, how):
    sql = [how["sql"]] if "sql" in how else []
    rest = {name: value for name, value in how.items() if name != "sql"}
    assert broken(dumps, tmp_path, *sql, **rest)[invariant]
