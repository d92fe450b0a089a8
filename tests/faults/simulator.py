"""A whole house in one thread: store, database, clock and witness fail or die at any step, by seed.

    python -m tests.faults.simulator [--seeds 100] [--from 0] [--seed N] [--minutes M --kept FILE]

In each seed a house takes in, reads, holds, publishes, copies, checks, renews, moves and wraps its
keys anew, in an order drawn from the seed, and so are the faults: an operation of the store or a
transaction fails or the process dies, before or after its effect; the disk is full; a read gives a
wrong bit; the witness is away or answers rubbish; the clock jumps. After a death everything is
opened again over what is left. In the end the faults stop, workers do what they do in their time,
and `tests.faults.invariants` judges the dumps. `--seed N` replays one, step by step. With `--kept`
the counts stand in a file, and the same command goes on after the last seed that stands there.
"""

import argparse
import gc
import io
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import custody.ask_witness
import repository
import repository.wrapping.file
from api.commands.context import login
from config.settings import load
from custody.errors import EvidenceError, HostUnavailable, LedgerUnavailable
from custody.outbound import Answer
from ingest.receive import made_before, receive
from repository import (
    approvals,
    chores,
    copies,
    fixity,
    holds,
    move,
    open_repository,
    publication,
    rewrapping,
    terms,
)
from repository.authorise import Caller
from repository.cases import find_case
from repository.errors import StoreFull, StoreUnavailable
from repository.people import find_person, new_person
from repository.purpose import parse
from repository.reconcile import reconcile
from repository.retrieve import retrieve
from repository.submissions import Declaration, open_submission
from tests.faults.invariants import judge
from tests.house import CODE, copied_house
from tests.witnesses import make_witness

STORE_FAULTS = ("fails before", "fails after", "dies before", "dies after", "full", "wrong bit")
DATABASE_FAULTS = ("fails before", "fails after", "dies before", "dies after")
WITNESS_FAULTS = ("away", "rubbish", "refuses")
FAULTY = {"put", "open", "find", "stat", "extend", "set_hold", "verify", "versions", "discard"}


class Died(BaseException):
    """The process ended here, as by kill -9: nothing below may catch it."""


@dataclass
class Faults:
    """Draws what fails; counts what did."""

    draw: random.Random
    rate: float
    on: bool = False
    happened: Counter[str] = field(default_factory=Counter)

    def at(self, where: str, kinds: tuple[str, ...]) -> str | None:
        if not self.on or self.draw.random() >= self.rate:
            return None
        kind = self.draw.choice(kinds)
        self.happened[f"{where}: {kind}"] += 1
        return kind


class Store:
    """A store whose operations fail or take the process with them."""

    def __init__(self, real: Any, faults: Faults) -> None:
        self._real, self._faults = real, faults
        self.name, self.largest = real.name, real.largest

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in FAULTY:
            return found

        def call(*words: Any, **more: Any) -> Any:
            kind = self._faults.at("store", STORE_FAULTS)
            if kind == "full" and name == "put":
                raise StoreFull("no room, by seed")
            if kind in ("fails before", "full"):
                raise StoreUnavailable(f"{name} failed before, by seed")
            if kind == "dies before":
                raise Died(name)
            result = found(*words, **more)
            if kind == "wrong bit" and name == "open":
                with result as file:
                    data = bytearray(file.read())
                if data:
                    data[self._faults.draw.randrange(len(data))] ^= 1
                return io.BytesIO(data)
            if kind in ("fails after", "dies after") and hasattr(result, "close"):
                result.close()
            if kind == "fails after":
                raise StoreUnavailable(f"{name} failed after, by seed")
            if kind == "dies after":
                raise Died(name)
            return result

        return call


class Clock:
    """A clock that goes on by milliseconds, and jumps when told to."""

    def __init__(self) -> None:
        self.now = datetime(2027, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=7)
        return self.now


class World:
    """One seed: a house in a folder, its faults, and what its clients were told."""

    def __init__(
        self, seed: int, folder: Path, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.draw = random.Random(seed)
        self.faults = Faults(self.draw, self.draw.choice((0.01, 0.03, 0.1)))
        self.clock, self.say, self.folder = Clock(), say, folder
        house = copied_house(folder)
        new_person(house.repo, house.custodian, name="second", role="custodian")
        house.repo.close()
        self.data = house.data
        key = house.repo.ledger.key
        self.witness, [line, _] = make_witness(folder / "w", "w", key, clock=self.clock)
        policy = folder / "policy"
        policy.write_text(f"log {key}\nwitness one {line} http://one\nquorum one\n")
        self.settings = load(self.data).model_copy(
            update={
                "witness_policy_file": policy,
                "replica_store_url": (folder / "second").as_uri(),
            }
        )
        self.told: dict[str, Any] = {
            "acknowledged": {}, "served": [], "checkpoints": [], "marks": [f"MARK-{seed:08d}-"],
        }  # fmt: skip
        self.given: dict[str, bytes] = {}
        self.waiting: list[tuple[Any, bytes, bytes]] = []
        self.count = 0
        self.open()
        self.repo.replica.prepare()

    def open(self) -> None:
        """Open the house, as a process that begins does; from then on things may fail."""
        self.faults.on = False
        self.repo = open_repository(self.settings, clock=self.clock, random=self.draw.randbytes)
        house: Any = self.repo.store
        house._own = house._target = Store(house._own, self.faults)
        opened = house._open
        house._open = lambda row: Store(opened(row), self.faults)
        house.places(anew=True)
        object.__setattr__(self.repo, "replica", Store(self.repo.replica, self.faults))
        database: Any = self.repo.database
        session = database._session

        @contextmanager
        def failing(*, write: bool, snapshot: bool = False) -> Iterator[Any]:
            kind = self.faults.at("database", DATABASE_FAULTS) if write else None
            with session(write=write, snapshot=snapshot) as found:
                yield found
                if kind == "fails before":
                    raise LedgerUnavailable("not committed, by seed")
                if kind == "dies before":
                    raise Died("before the commit")
            if kind == "fails after":
                raise LedgerUnavailable("committed, and the answer was lost, by seed")
            if kind == "dies after":
                raise Died("after the commit")

        database._session = failing
        with self.repo.database.reading() as found:
            self.people = {
                name: Caller(find_person(found, name), "named")
                for name in (login(), "second", "investigator", "analyst")
            }
            case = find_case(found, CODE)
        assert case is not None
        self.case = case
        self.actor = self.people["investigator"].actor()
        self.faults.on = True

    def post(self, _url: str, body: bytes, **_: Any) -> Any:
        """Be the line to the witness."""
        kind = self.faults.at("witness", WITNESS_FAULTS)
        if kind == "away":
            raise HostUnavailable("away, by seed")
        if kind is not None:
            return Answer(200 if kind == "rubbish" else 403, "text/plain", b"no")
        reply = self.witness.add_checkpoint(body)
        return Answer(reply.status, reply.content_type, reply.text.encode())

    def run(self, steps: int) -> list[str]:
        """Live through the steps and to the end; return what is broken."""
        acts = (
            self.submit, self.submit, self.again, self.read, self.hold, self.publish,
            self.replicate, self.check, self.renew, self.reconcile, self.jump, self.move, self.wrap,
        )  # fmt: skip
        for _ in range(steps):
            self.attempt(self.draw.choice(acts))
        self.faults.on = False
        while self.waiting:
            self.attempt(self.again)
        for act in (self.follow, self.publish, self.replicate, self.check, self.reconcile):
            self.faults.on = False
            act()
        while rewrapping.unfinished(self.repo) is not None:
            self.wrap()
        keks = [(one.state, bool(one.data_keys)) for one in rewrapping.known(self.repo)]
        if ("former", True) in keks:
            return ["a data key is still wrapped by a former key"]
        for number, data in self.given.items():
            if self.bytes_of(number) != data:
                return [f"I1 {number}: other bytes than were handed in"]
        database = self.data / "evidence.db"
        self.repo.close()
        stores = [one for one in (self.data / "store", self.folder / "new") if one.exists()]
        return judge(database, self.told, [*stores], [self.data / "work", self.folder / "second"])

    def attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
            self.say(f"{act.__name__}")
        except Died as death:
            self.say(f"{act.__name__}: died: {death}")
            on = self.faults.on
            self.repo.close()
            self.open()
            self.faults.on = on
        except EvidenceError as error:
            self.say(f"{act.__name__}: {error}")

    def submit(self) -> None:
        """Hand in a file; one that is not acknowledged is handed in again later."""
        self.count += 1
        mark = self.told["marks"][0].encode()
        data = mark + self.draw.randbytes(self.draw.choice((0, 10, 5_000, 70_000)))
        path = b"%d.bin" % self.count
        submission, _ = open_submission(
            self.repo, self.actor, self.case, Declaration(parse("court")), sources=[path]
        )
        self.waiting.append((submission, path, data))
        self.send(*self.waiting[-1])

    def again(self) -> None:
        if self.waiting:
            self.send(*self.draw.choice(self.waiting))

    def send(self, submission: Any, path: bytes, data: bytes) -> None:
        since = datetime(2027, 1, 1, tzinfo=UTC) - timedelta(days=1)
        outcome = made_before(self.repo, submission, path, since=since) or receive(
            self.repo, self.actor, self.case, submission, io.BytesIO(data), path=path,
            size=len(data), declared={},
        )  # fmt: skip
        assert outcome.number is not None
        self.told["acknowledged"][outcome.number] = outcome.sha256
        self.given[outcome.number] = data
        self.waiting.remove((submission, path, data))

    def bytes_of(self, number: str) -> bytes:
        reading = retrieve(self.repo, self.people["analyst"], number, purpose="analysis")
        parts = []
        for block in reading:
            self.told["served"].append(reading.request_id)
            parts.append(block)
        return b"".join(parts)

    def read(self) -> None:
        if self.given:
            number = self.draw.choice(sorted(self.given))
            if self.bytes_of(number) != self.given[number]:
                raise AssertionError(f"wrong bytes of {number} were given out")

    def hold(self) -> None:
        if self.given:
            number = self.draw.choice(sorted(self.given))
            matter = self.draw.choice(("one", "another"))
            holds.place(self.repo, self.people[login()], number, matter=matter, authority=None,
                        motive="asked")  # fmt: skip

    def follow(self) -> None:
        assert not holds.follow(self.repo, holds.unfollowed(self.repo))

    def publish(self) -> None:
        publication.announce(self.repo)
        signed = self.repo.ledger.checkpoint()
        if signed is not None:
            found = signed.checkpoint
            self.told["checkpoints"].append([found.size, found.root.hex()])

    def replicate(self) -> None:
        copies.replicate(self.repo)
        copies.replicate_ledger(self.repo)

    def check(self) -> None:
        fixity.check_oldest(self.repo)

    def renew(self) -> None:
        terms.renew(self.repo)

    def reconcile(self) -> None:
        on, older = self.faults.on, timedelta(days=7) if self.faults.on else timedelta()
        reconcile(self.repo, older=older)
        self.faults.on = on

    def jump(self) -> None:
        """Let the clock jump: on by up to a year, or back by up to a day."""
        self.faults.happened["clock: jumps"] += 1
        hours = self.draw.choice((-24, -1, 1, 24, 24 * 30, 24 * 200))
        self.clock.now += timedelta(hours=hours * self.draw.random())

    def move(self) -> None:
        """Move the store, or go on with it."""
        actor = self.people[login()].actor()
        target = move.Target((self.folder / "new").as_uri())
        move.run(self.repo, actor, move.begin(self.repo, actor, target), lambda _: None)

    def wrap(self) -> None:
        """Bring another key-encryption key into use, or wrap some data keys by it."""
        if rewrapping.unfinished(self.repo) is not None:
            rewrapping.rewrap(self.repo, rewrapping.waiting(self.repo, limit=4))
            return
        row = approvals.request_wrapping_key(
            self.repo, self.people[login()], uri=None, motive="asked"
        )
        chores.done(self.repo, chores.BACKUP)
        approvals.approve(self.repo, self.people["second"], row.id, motive="agreed")


_KEYS = (cache(repository.wrapping_key), cache(repository.wrapping.file._derive))


@contextmanager
def quick_keys() -> Iterator[None]:
    """Derive each key once: scrypt is slow on purpose, and was a quarter of a seed."""
    slow = repository.wrapping_key, repository.wrapping.file._derive
    repository.wrapping_key, repository.wrapping.file._derive = _KEYS  # type: ignore[assignment]
    try:
        yield
    finally:
        repository.wrapping_key, repository.wrapping.file._derive = slow


def simulate(
    seed: int, *, steps: int = 25, say: Callable[[str], None] = lambda _: None
) -> tuple[list[str], Counter[str]]:
    """Run one seed; return what is broken, and which faults happened."""
    post = custody.ask_witness.post
    threads, move._THREADS = move._THREADS, 1  # one thread: the same seed, the same order
    folder = Path(tempfile.mkdtemp(prefix="evidence-sim-"))
    try:
        with quick_keys():
            world = World(seed, folder, say)
            custody.ask_witness.post = world.post  # type: ignore[assignment]
            return world.run(steps), world.faults.happened
    finally:
        custody.ask_witness.post = post
        move._THREADS = threads
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Counts:
    """How many seeds were lived through, from which on, and what happened in them."""

    first: int
    seeds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def live(self, steps: int) -> None:
        """Live through the next seed."""
        seed, began = self.first + self.seeds, time.process_time()
        try:
            broken, happened = simulate(seed, steps=steps)
        except Exception as error:  # whatever ends a house is counted, and the next one lives
            broken, happened = [f"ended with {error!r}"], Counter()
        self.seeds += 1
        self.faults += happened
        self.seconds += time.process_time() - began
        if broken:
            self.broken[str(seed)] = broken
            print(f"seed {seed}: {broken[0]}", flush=True)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=100)
    words.add_argument("--from", dest="first", type=int, default=0)
    words.add_argument("--seed", type=int, help="Replay one, step by step.")
    words.add_argument("--steps", type=int, default=25)
    words.add_argument("--minutes", type=float, help="End after so many, wherever it is.")
    words.add_argument("--kept", type=Path, help="Keep the counts here, and go on from them.")
    given = words.parse_args()
    if given.seed is not None:
        broken, happened = simulate(given.seed, steps=given.steps, say=print)
        print(json.dumps({"broken": broken, "faults": happened}, indent=1))
        sys.exit(1 if broken else 0)
    counts = Counts(given.first)
    if given.kept is not None and given.kept.exists():
        counts = Counts(**json.loads(given.kept.read_text()))
        counts.faults = Counter(counts.faults)
    gc.freeze()  # what was imported is looked through no more
    end = time.monotonic() + 60 * (given.minutes or 1e6)
    while counts.seeds < given.seeds and time.monotonic() < end:
        counts.live(given.steps)
        if given.kept is not None:
            given.kept.write_text(json.dumps(vars(counts)) + "\n")
    print(f"{counts.seeds} seeds, {len(counts.broken)} with something broken, "
          f"{counts.seconds / max(1, counts.seeds):.2f} s of a processor each")  # fmt: skip
    print("\n".join(f"{count:6}  {kind}" for kind, count in sorted(counts.faults.items())))
    sys.exit(1 if counts.broken else 0)


if __name__ == "__main__":
    main()
