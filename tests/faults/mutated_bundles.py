"""Mutations of a court bundle: none passes `verify.py` or the project's own check; each is named.

python -m tests.faults.mutated_bundles [--count 100000] [--seed 20261127]

A real bundle of two exhibits is changed in one place: single bytes anywhere; files removed,
doubled, renamed, linked; or what is in `custody.json` and `ledger/`, with every manifest listed
anew, as whoever can write files can. Each is given to `verify.py` and to `evidence import` in a
repository that has pinned the key. Prints how many of each kind were refused, and by which claim.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import new
from pathlib import Path

from custody import verify
from ingest.bundle_exhibits import Unverified
from ingest.bundles import _believed
from ingest.errors import BadBundle
from repository import Repository
from repository.counterparts import pin
from tests.house import House, own_house

LINK = "\0link"  # in place of a file's bytes: it is a link to what follows

Files = dict[str, bytes | str]  # path: bytes, or a link's target; a path ending in / is a folder
Mutator = Callable[[Files, random.Random], Files]


# --- single bytes


def flip(files: Files, chance: random.Random) -> Files:
    """Turn one bit."""
    name, data = _some(files, chance)
    place = chance.randrange(len(data))
    return {**files, name: _with(data, place, bytes([data[place] ^ 1 << chance.randrange(8)]))}


def replace(files: Files, chance: random.Random) -> Files:
    """Put another byte in the place of one, often another white space or digit."""
    name, data = _some(files, chance)
    other = bytes([chance.choice((9, 10, 13, 32, 48, 65, chance.randrange(256)))])
    return {**files, name: _with(data, chance.randrange(len(data)), other)}


def insert(files: Files, chance: random.Random) -> Files:
    """Put one byte in."""
    name, data = _some(files, chance)
    place = chance.randrange(len(data) + 1)
    other = bytes([chance.choice((9, 10, 32, 48, 0xEF, chance.randrange(256)))])
    return {**files, name: data[:place] + other + data[place:]}


def drop(files: Files, chance: random.Random) -> Files:
    """Take one byte out."""
    name, data = _some(files, chance)
    place = chance.randrange(len(data))
    return {**files, name: data[:place] + data[place + 1 :]}


def cut(files: Files, chance: random.Random) -> Files:
    """End a file early."""
    name, data = _some(files, chance)
    return {**files, name: data[: chance.randrange(len(data))]}


# --- files


def remove(files: Files, chance: random.Random) -> Files:
    """Take a file away."""
    gone = chance.choice(sorted(files))
    return {name: data for name, data in files.items() if name != gone}


def double(files: Files, chance: random.Random) -> Files:
    """Put a file in twice."""
    name, data = _some(files, chance)
    return {**files, f"{name.rsplit('.', 1)[0]}{chance.choice(('.2', ' ', '.bin', '~'))}": data}


def rename(files: Files, chance: random.Random) -> Files:
    """Give a file another name."""
    return _renamed(files, chance, lambda name: f"{name}{chance.choice('x. 1')}")


def fold(files: Files, chance: random.Random) -> Files:
    """Write a name in the other case."""
    return _renamed(files, chance, str.swapcase)


def exchange(files: Files, chance: random.Random) -> Files:
    """Exchange what is in two files."""
    (one, first), (two, second) = _some(files, chance), _some(files, chance)
    return {**files, one: second, two: first}


def link(files: Files, chance: random.Random) -> Files:
    """Put a link where a file is, or beside it."""
    name, _ = _some(files, chance)
    target = chance.choice(("../outside", "bagit.txt", f"../copy/{name}"))
    return {**files, chance.choice((name, f"{name}.link")): LINK + target}


def extra(files: Files, chance: random.Random) -> Files:
    """Put one more file or folder in."""
    places = ("more", "data/KRN-000009.bin", "ledger/tokens/9.tsr", "quoted/KRN-000001.json",
              "fetch.txt", "manifest-md5.txt", ".hidden", "__pycache__/json.pyc", "a/", "data/b/",
              "tagmanifest-sha512.txt", "ledger/.closing.json", "json.py")  # fmt: skip
    return {**files, chance.choice(places): chance.choice((b"", b"x"))}


# --- what is in them, with every manifest listed anew


def entries(files: Files, chance: random.Random) -> Files:
    """Exchange, double, take away or move entries."""
    document = json.loads(_bytes(files, "custody.json"))
    listed = document["entries"]
    one, two = (chance.randrange(len(listed)) for _ in range(2))
    how = chance.randrange(4)
    if how == 0:
        listed[one], listed[two] = listed[two], listed[one]
    elif how == 1:
        listed.insert(two, listed[one])
    elif how == 2:
        listed.pop(one)
    else:
        name = chance.choice(("body", "proof", "index"))
        listed[one][name] = listed[two][name]
    return _listed_anew({**files, "custody.json": _json(document)})


def bodies(files: Files, chance: random.Random) -> Files:
    """Say something else in an entry: its place, its type, its time, its number."""
    document = json.loads(_bytes(files, "custody.json"))
    entry = chance.choice(document["entries"])
    body = json.loads(entry["body"])
    exhibit = body.get("exhibit", body)
    how = chance.randrange(4)
    if how == 0:
        exhibit["seq"] = exhibit.get("seq", 0) + chance.choice((-1, 1))
    elif how == 1:
        body["type"] = chance.choice(("consultation", "retrieval", "fixity_check"))
    elif how == 2:
        body["at"] = body["at"][:-2] + f"{chance.randrange(10)}Z"
    else:
        body["outcome"] = chance.choice(("done", "refused", "started"))
    text = verify.canonical(verify.parse_json(json.dumps(body, ensure_ascii=False))).decode()
    entry["body"] = text
    return _listed_anew({**files, "custody.json": _json(document)})


def proofs(files: Files, chance: random.Random) -> Files:
    """Cut a proof short, or exchange its lines."""
    document = json.loads(_bytes(files, "custody.json"))
    entry = chance.choice(document["entries"])
    lines = entry["proof"].splitlines(keepends=True)
    place = chance.randrange(len(lines))
    if chance.random() < 0.5:
        del lines[place]
    else:
        lines[place], lines[-1] = lines[-1], lines[place]
    entry["proof"] = "".join(lines)
    return _listed_anew({**files, "custody.json": _json(document)})


def openings(files: Files, chance: random.Random) -> Files:
    """Open a commitment to another value, or leave an opening out."""
    document = json.loads(_bytes(files, "custody.json"))
    entry = chance.choice([one for one in document["entries"] if one["openings"]])
    name = chance.choice(sorted(entry["openings"]))
    how = chance.randrange(3)
    if how == 0:
        entry["openings"][name]["value"] = chance.choice(("", "another", 1, None, {}))
    elif how == 1:
        entry["openings"][name]["salt"] = chance.randbytes(16).hex()
    else:
        del entry["openings"][name]
    return _listed_anew({**files, "custody.json": _json(document)})


def facts(files: Files, chance: random.Random) -> Files:
    """Say something else of the exhibits, or of what is lacking."""
    document = json.loads(_bytes(files, "custody.json"))
    exhibit = chance.choice(document["exhibits"])
    how = chance.randrange(8)
    if how == 0:
        document["left_out"].pop(chance.randrange(len(document["left_out"])))
    elif how == 1:
        document["exhibits"].remove(exhibit)
    elif how == 2:
        document["exhibits"].reverse()
    elif how == 3:
        document["volumes"] = chance.choice((0, 1, 2, True, None))
        exhibit["volume"] = chance.choice((0, 1, 2))
    elif how == 4:
        exhibit["files"] = [*exhibit["files"], "data/more.bin"]
    else:
        name = chance.choice(("last_seq", "size", "registration"))
        exhibit[name] += chance.choice((-1, 1))
    return _listed_anew({**files, "custody.json": _json(document)})


def layout(files: Files, chance: random.Random) -> Files:
    """Write the same JSON in another way: order of keys, white space."""
    name = chance.choice(("custody.json", "ledger/trust", "ledger/closing.json"))
    document = json.loads(_bytes(files, name))
    if chance.random() < 0.5:
        keys = list(document)
        chance.shuffle(keys)
        document = {key: document[key] for key in keys}
    spaced = json.dumps(document, ensure_ascii=False, indent=chance.choice((None, 0, 1, 2)))
    return _listed_anew({**files, name: spaced.encode() + b"\n"})


def covered(files: Files, chance: random.Random) -> Files:
    """Change one byte of a file, and list it anew."""
    changed = chance.choice((flip, replace, insert, drop, cut))(files, chance)
    return _listed_anew(changed)


def gone(files: Files, chance: random.Random) -> Files:
    """Take a file away, rename or add one, and list that."""
    return _listed_anew(chance.choice((remove, rename, double, extra, exchange))(files, chance))


def closing(files: Files, chance: random.Random) -> Files:
    """Say something else in what closes the bundle."""
    told = json.loads(_bytes(files, verify.CLOSING))
    one = told[chance.choice(("opened", "closed"))]
    how = chance.randrange(6)
    if how == 0:
        one["index"] += chance.choice((-1, 1))
    elif how == 1:
        lines = one["proof"].splitlines(keepends=True)
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
        one["proof"] = "".join(lines)
    elif how == 2:
        told["opened"], told["closed"] = told["closed"], told["opened"]
    elif how == 3:
        one["body"] = one["body"].replace("sha256:", "sha512:", 1).replace("done", "started")
    elif how == 4:
        one["openings"] = {"x": {"salt": "00" * 16, "value": 1}}
    else:
        told[chance.choice(("v", "kind", "more"))] = chance.choice((2, "x"))
    text = verify.canonical(verify.parse_json(json.dumps(told, ensure_ascii=False)))
    return {**files, verify.CLOSING: text + b"\n"}


BYTES: tuple[Mutator, ...] = (flip, replace, insert, drop, cut)
FILES: tuple[Mutator, ...] = (remove, double, rename, fold, exchange, link, extra)
COVERED: tuple[Mutator, ...] = (
    entries, bodies, proofs, openings, facts, layout, covered, gone, closing,
)  # fmt: skip


def _some(files: Files, chance: random.Random) -> tuple[str, bytes]:
    """Return a file that is not empty; the small ones, which decide, as often as the large."""
    name = chance.choice([name for name, data in sorted(files.items()) if data])
    return name, _bytes(files, name)


def _bytes(files: Files, name: str) -> bytes:
    data = files[name]
    assert isinstance(data, bytes)
    return data


def _with(data: bytes, place: int, other: bytes) -> bytes:
    return data[:place] + other + data[place + 1 :]


def _renamed(files: Files, chance: random.Random, how: Callable[[str], str]) -> Files:
    name, data = _some(files, chance)
    return {**{one: kept for one, kept in files.items() if one != name}, how(name): data}


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _listed_anew(files: Files) -> Files:
    """Return the bag with its manifests as whoever changed a file can write them."""
    made = dict(files)
    for manifest, kind in verify.MANIFESTS.items():
        payload = manifest != verify.TAGS
        rows = [
            f"{new(kind, data).hexdigest()}  {name}\n"
            for name, data in sorted(made.items())
            if isinstance(data, bytes) and not name.endswith("/")
            and name.startswith("data/") == payload and name not in (verify.TAGS, verify.CLOSING)
        ]  # fmt: skip
        made[manifest] = "".join(rows).encode()
    return made


# --- the run


@dataclass
class Counted:
    """What became of mutations: by kind and the first claim that failed; those that passed."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    passed: list[str] = field(default_factory=list)
    same: int = 0  # that changed nothing: drawn again


class Bench:
    """A bundle on disk, which is changed from one mutation to the next."""

    def __init__(self, place: Path, bundle: Path, importer: Repository, trust: Path) -> None:
        self.place, self.importer, self.trust = place, importer, trust
        self.good: Files = {
            path.relative_to(bundle).as_posix(): path.read_bytes()
            for path in sorted(bundle.rglob("*"))
            if path.is_file()
        }
        self.there: Files = {}
        self.put(self.good)

    def put(self, wanted: Files) -> None:
        """Make the folder hold exactly these files."""
        for name in [name for name, data in self.there.items() if wanted.get(name) is not data]:
            path = self.place / name
            path.rmdir() if name.endswith("/") else path.unlink()
            with suppress(OSError):  # what is left of folders that hold nothing any more
                for folder in path.relative_to(self.place).parents[:-1]:
                    (self.place / folder).rmdir()
        for name, data in wanted.items():
            if self.there.get(name) is data:
                continue
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            elif isinstance(data, str):
                path.symlink_to(data.removeprefix(LINK))
            else:
                path.write_bytes(data)
        self.there = dict(wanted)

    def judged(self) -> tuple[str, bool]:
        """Return the first claim not made (or "") by `verify.py`, and whether it was imported."""
        try:
            found = verify.verify_path(self.place, self.trust)
        except verify.WrongUse:
            claim = "no bundle"
        else:
            order = ("fail", "not-done")
            code = verify.exit_code(found)
            named = [one.claim for kind in order for one in found if one.outcome == kind]
            claim = named[0] if code else ""
        try:
            _believed(self.importer, self.place, self.trust.parent)
        except (Unverified, BadBundle):
            return claim, False
        return claim, True


def run(bench: Bench, count: int, *, seed: int, progress: bool = False) -> Counted:
    """Make so many mutations; each must fail by name, and not be imported."""
    chance, found, began = random.Random(seed), Counted(), time.monotonic()
    kinds = [(BYTES, 0.6), (FILES, 0.15), (COVERED, 0.25)]
    while sum(found.refused.values()) + len(found.passed) < count:
        [group] = chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        mutator = chance.choice(group)
        files = mutator(bench.good, chance)
        if files == bench.good:
            found.same += 1
            continue
        bench.put(files)
        claim, imported = bench.judged()
        if not claim or imported:
            found.passed.append(f"{mutator.__name__}: {sorted(files.items() ^ bench.good.items())}")
        else:
            found.refused[mutator.__name__, claim] += 1
        done = sum(found.refused.values())
        if progress and done % 5_000 == 0:
            rate = done / (time.monotonic() - began)
            print(f"{done} mutations, {rate:.0f} a second", file=sys.stderr, flush=True)
    bench.put(bench.good)
    return found


@contextmanager
def benched(folder: Path) -> Iterator[Bench]:
    """Give a bundle that one house made and another, which pinned its key, would take in."""
    with own_house(folder / "sender") as sender, own_house(folder / "receiver") as receiver:
        for name, content in (("a.jpg", b"first" * 40), ("b.bin", bytes(range(256)) * 8)):
            (folder / name).write_bytes(content)
            sender.ingest(folder / name, collected_by="A. Field")
        bundle = folder / "bundle"
        words = ["--case", "KRN", "--purpose", "sharing", "--out", bundle]
        assert sender.evidence("export", *words).code == 0
        pin(receiver.repo, _custodian(receiver), "Unit", str(sender.repo.ledger.key), motive="-")
        work, place = folder / "work", folder / "changed"
        work.mkdir()
        place.mkdir()
        (folder / "outside").write_bytes(b"first" * 40)
        trust = work / "trust"
        trust.write_bytes((bundle / "ledger" / "trust").read_bytes())
        bench = Bench(place, bundle, receiver.repo, trust)
        assert bench.judged() == ("", True), "the bundle itself is not taken"
        yield bench


def _custodian(house: House):
    return house.caller(house.custodian.name or "")


def main() -> int:
    """Print what became of them; 1 if one passed."""
    parser = argparse.ArgumentParser(prog="tests.faults.mutated_bundles")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20261127)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, benched(Path(folder)) as bench:
        began = time.monotonic()
        found = run(bench, said.count, seed=said.seed, progress=True)
        seconds = time.monotonic() - began
    by_kind: Counter[str] = Counter()
    for (kind, _), number in found.refused.items():
        by_kind[kind] += number
    for kind, number in sorted(by_kind.items()):
        named = {claim: n for (one, claim), n in sorted(found.refused.items()) if one == kind}
        print(f"{kind:9} {number:7}  {', '.join(f'{claim} {n}' for claim, n in named.items())}")
    print(
        f"{sum(by_kind.values())} refused by both, {len(found.passed)} passed, in {seconds:.0f} s"
    )
    print("\n".join(found.passed))
    return 1 if found.passed else 0


if __name__ == "__main__":
    sys.exit(main())
