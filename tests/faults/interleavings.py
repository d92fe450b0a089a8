"""Interleavings of grant, revoke, read, export and withdrawal: what took effect holds.

    python -m tests.faults.interleavings [--rounds 1000] [--database sqlite|postgresql]

In each round six acts race on one exhibit under an owner's consent: a custodian grants and revokes
a reader, who reads twice, a prosecutor exports, the owner withdraws the consent it gave. Afterwards
the ledger is read as a judge would read it: by index, no reading that was opened after the grant
had ended gave a byte out (unless it was granted again meanwhile), no export was finished after the
consent was withdrawn, no bundle lies there whose closing entry does not say so; what every act
answered and what the entries say are the same, and the exhibit's entries have no gap.
"""

import argparse
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from custody.errors import EvidenceError
from repository.consents import ask, give, withdraw
from repository.exports import export
from repository.exports.bag import FolderBag
from repository.people import grant, new_person, revoke
from repository.retrieve import retrieve
from tests.house import CODE, House, make_house
from tests.postgres import fresh_database, shared_server

MOTIVE = "interleaved"
RACED = 20  # rounds about one exhibit: an export has all its history, which grows with each
_BY_RULE = frozenset({"access-denied", "unknown-exhibit", "release-ended"})


@dataclass
class Judged:
    """What the rounds came to: counts of what happened, and every way in which a rule broke."""

    rounds: int
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


@dataclass
class Acts:
    """What the people of one round did, as they were answered."""

    house: House
    number: str
    consent: str
    place: Path
    draw: random.Random
    read: int = 0  # bytes the reader was given
    exported: bool = False
    refused: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)  # the export is

    def tried(self, name: str, act: Callable[[], Any]) -> None:
        """Do an act after a random moment; a refusal by rule is an answer, anything else is not."""
        time.sleep(self.draw.random() * 0.02)
        if name == "withdraw":  # an export takes longer than the others: at any moment of it
            self.over.wait(self.draw.choice((0.0, 0.1, 0.3, 60.0)) * self.draw.random())
        try:
            act()
        except EvidenceError as error:
            self.refused[f"{name}: {error.code}"] += 1
        if name == "export":
            self.over.set()


def run(rounds: int, seed: int, database: str = "sqlite") -> Judged:
    """Return what so many rounds came to."""
    with ExitStack() as until_the_end:
        memory = Path("/dev/shm")
        where = memory if memory.is_dir() else None
        folder = Path(until_the_end.enter_context(tempfile.TemporaryDirectory(dir=where)))
        settings: dict[str, Any] = {"database_timeout": 30.0}
        if database == "postgresql":
            settings["database_url"] = until_the_end.enter_context(fresh_database(shared_server()))
        house = make_house(folder, **settings)
        until_the_end.callback(house.repo.close)
        return rounds_in(house, folder, rounds, seed)


def rounds_in(house: House, folder: Path, rounds: int, seed: int) -> Judged:
    """Run rounds in a house that is there."""
    repo, custodian = house.repo, house.custodian
    for name, role, organisation in (
        ("owner", "submitter", "NCB"), ("reader", "analyst", None),
    ):  # fmt: skip
        new_person(repo, custodian, name=name, role=role, organisation=organisation)
    found = Judged(rounds)
    draw = random.Random(seed)
    numbers: list[str] = []
    for n in range(rounds):
        if n % RACED == 0:
            numbers.append(_owned(house, folder / f"{n}.bin", n.to_bytes(4) * (3 << 18)))
        _round(house, folder / f"bundle-{n}", numbers[-1], random.Random(draw.random()), found)
    for number in numbers:
        _whole(house, number, found)
    return found


def _owned(house: House, path: Path, content: bytes) -> str:
    """Return the number of a new exhibit that leaves only with its owner's consent."""
    path.write_bytes(content)
    number: str = house.ingest(path)[0]["exhibit"]
    said = house.evidence("mark", number, "--owner", "NCB", "--handling", "H2", "--motive", MOTIVE)
    assert said.code == 0, said.err
    return number


def _round(house: House, place: Path, number: str, draw: random.Random, found: Judged) -> None:
    repo = house.repo
    start = repo.ledger.size()
    reader = house.caller("reader")
    grant(repo, house.custodian, case=house.case, person=reader.person, role="analyst")
    [asked] = ask(repo, house.caller("prosecutor"), [number], recipient="Court", motive=MOTIVE)
    give(repo, house.caller("owner"), asked.id, motive=MOTIVE)
    acts = Acts(house, number, asked.id, place, draw)
    threads = [
        threading.Thread(target=acts.tried, args=(name, act))
        for name, act in (
            ("revoke", lambda: revoke(
                repo, house.custodian, case=house.case, person=reader.person, role="analyst")),
            ("read", lambda: _read(acts)),
            ("read", lambda: _read(acts)),
            ("export", lambda: _export(acts)),
            ("withdraw", lambda: withdraw(repo, house.caller("owner"), asked.id, motive=MOTIVE)),
            ("grant", lambda: grant(
                repo, house.custodian, case=house.case, person=reader.person, role="analyst")),
        )
    ]  # fmt: skip
    draw.shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _judge(acts, start, found)
    _settled(acts, found)
    shutil.rmtree(place, ignore_errors=True)


def _read(acts: Acts) -> None:
    reading = retrieve(
        acts.house.repo, acts.house.caller("reader"), acts.number, purpose="analysis"
    )
    for block in reading:
        acts.read += len(block)


def _export(acts: Acts) -> None:
    export(
        acts.house.repo, acts.house.caller("prosecutor"), code=CODE, numbers=[acts.number],
        into=FolderBag(acts.place), purpose="court", recipient="Court",
    )  # fmt: skip
    acts.exported = True


def _settled(acts: Acts, found: Judged) -> None:
    """Try once more, with nothing beside it: what was taken away stays away."""
    reader = acts.house.caller("reader").person
    revoke(
        acts.house.repo, acts.house.custodian, case=acts.house.case, person=reader, role="analyst"
    )
    for name, act, rule in (
        ("read", _read, "unknown-exhibit"), ("export", _export, "access-denied"),
    ):  # fmt: skip
        try:
            act(acts)
            answer = "given"
        except EvidenceError as error:
            answer = error.code
        found.counts[f"afterwards, {name}: {answer}"] += 1
        if answer != rule:
            found.broken.append(f"{name} after everything was over: {answer}, not {rule}")


def _judge(acts: Acts, start: int, found: Judged) -> None:
    """Read the entries of a round in their order."""
    reader = acts.house.caller("reader").person.id
    granted, withdrawn = True, False
    opened: dict[str, bool] = {}  # a reading -> whether the grant was there when it was opened
    given = closings = 0
    finished = False
    for entry in acts.house.repo.ledger.entries(start):
        fields = entry.fields
        kind, outcome = fields["type"], fields["outcome"]
        found.counts[f"{kind}/{outcome}"] += 1
        if kind == "access_revocation":
            granted = False
        elif kind == "access_grant":
            granted = True
            opened = dict.fromkeys(opened, True)  # what is open may go on
        elif kind == "consent_withdrawn":
            withdrawn = True
        elif kind == "retrieval" and fields["actor"]["id"] == reader:
            request = fields["request_id"]
            if outcome == "started":
                opened[request] = granted
                continue
            sent = sum(last - first + 1 for first, last in fields.get("ranges", []))
            given, closings = given + sent, closings + 1
            if sent and not opened[request]:
                found.broken.append(f"entry {entry.index}: {sent} bytes after the grant ended")
        elif kind == "dissemination" and outcome == "done":
            finished = True
            if withdrawn:
                found.broken.append(f"entry {entry.index}: exported after the withdrawal")
    if closings != len(opened):
        found.broken.append(f"{len(opened)} readings were opened and {closings} closed")
    if given != acts.read:
        found.broken.append(f"{acts.read} bytes were read and {given} are on record")
    if not finished == acts.exported == acts.place.exists():
        found.broken.append(
            f"exported: entries {finished}, answer {acts.exported}, bundle {acts.place.exists()}"
        )
    if not withdrawn and not any(one.startswith("withdraw") for one in acts.refused):
        found.broken.append("a withdrawal was acknowledged and has no entry")
    strange = [one for one in acts.refused if one.split(": ")[1] not in _BY_RULE]
    found.broken += [f"answered with no rule: {one}" for one in strange]
    found.counts.update(acts.refused)


def _whole(house: House, number: str, found: Judged) -> None:
    """See that no entry of the exhibit is missing."""
    seen = [
        e.fields["exhibit"]["seq"]
        for e in house.entries()
        if e.fields.get("exhibit", {}).get("number") == number
    ]
    if seen != list(range(1, len(seen) + 1)):
        found.broken.append("the numbers of the exhibit's entries have a gap")


def main() -> None:
    """Run from the command line and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    begun = time.monotonic()
    found = run(given.rounds, given.seed, given.database)
    for name, count in sorted(found.counts.items()):
        print(f"{count:8}  {name}")
    print(f"{found.rounds} rounds in {time.monotonic() - begun:.0f} s on {given.database}")
    print(f"{len(found.broken)} broken")
    for line in found.broken[:20]:
        print(f"  {line}")
    raise SystemExit(1 if found.broken else 0)


if __name__ == "__main__":
    main()
