"""The invariants of a repository, judged from dumps alone: a database file, folders, what was told.

    python -m tests.faults.invariants DATABASE TOLD.json STORE… [--clear FOLDER…]

Standard library alone, and none of the code that made the dumps: SQL, SHA-256, JSON. TOLD is what
clients were told and kept: `acknowledged`, `served` (requests) or `reads` (of each exhibit, when
readings ended, null where no clock is to be believed), `checkpoints`, and `marks`, texts that stand
in every file that was handed in. Prints what is broken, by the names of design 06, and ends with 1.

I1 what was acknowledged is there, in object, row and entry, with one digest.
I2 what was served has an earlier entry that says it would be.
I3 the ledger is dense, its heads are its own, and it extends every checkpoint given out.
I4 no object without an intent or an entry that names it.
I5 every intake ended as one thing, and none was registered twice.
I6 what is held is there, with a lock that says so.
I7 no plaintext stands in a store, or in a folder of work or logs.
I8 judged again, the same comes out.
"""

import argparse
import json
import math
import sqlite3
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

CANARY = "canary/"
Broken = list[str]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of RFC 9162, by its definition."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def hex_of(root: str) -> str:
    """Return the root of a checkpoint's third line as TOLD has it."""
    return b64decode(root).hex()


def objects(stores: Sequence[Path], bucket: str) -> dict[str, list[Path]]:
    """Return the files of a bucket in every store, by key; records of locks are none."""
    found: dict[str, list[Path]] = {}
    for store in stores:
        for file in sorted((store / bucket).rglob("*")):
            key = file.relative_to(store / bucket).as_posix()
            hidden = file.suffix == ".lock" or file.name.startswith(".")
            if file.is_file() and not hidden and not key.startswith(CANARY):
                found.setdefault(key, []).append(file)
    return found


def held(file: Path) -> bool:
    """Say whether the newest lock record of an object holds it."""
    number = 1
    while file.with_name(f"{file.name}.{number + 1}.lock").exists():
        number += 1
    record = file.with_name(f"{file.name}.{number}.lock")
    return record.exists() and bool(json.loads(record.read_text())["hold"])


def digest(file: Path) -> str:
    return f"sha256:{sha256(file.read_bytes()).hexdigest()}"


class Dump:
    """The rows of a database file, and what stands in the stores."""

    def __init__(self, database: Path, stores: Sequence[Path]) -> None:
        self.rows = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self.rows.row_factory = sqlite3.Row
        self.entries = self.ask("SELECT idx, leaf, body FROM entry ORDER BY idx")
        self.bodies = [json.loads(row["body"]) for row in self.entries]
        self.evidence = objects(stores, "evidence")
        self.moved = {
            (row["bucket"], row["key"]): json.loads(row["stored"])
            for row in self.ask("SELECT bucket, key, stored FROM moved_object")
        }

    def ask(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self.rows.execute(query, values).fetchall()


def acknowledged(dump: Dump, told: Mapping[str, Any]) -> Iterator[str]:
    for number, plain in told["acknowledged"].items():
        rows = dump.ask("SELECT * FROM exhibit WHERE number = ?", number)
        if len(rows) != 1:
            yield f"I1 {number}: {len(rows)} rows"
            continue
        [row] = rows
        body = dump.bodies[row["registration"]]
        if body.get("type") != "registration" or body["exhibit"]["id"] != row["id"]:
            yield f"I1 {number}: entry {row['registration']} is not its registration"
            continue
        if row["sha256"] != plain or body["parts"][0]["digests"]["sha256"] != plain:
            yield f"I1 {number}: another digest than was acknowledged"
        for one in (body["parts"][0]["stored"], body["parts"][0]["manifest"]):
            files = dump.evidence.get(one["key"], [])
            if one["sha256"] not in map(digest, files):
                yield f"I1 {number}: {one['key'][:12]} is in no store as it was recorded"


def served(dump: Dump, told: Mapping[str, Any]) -> Iterator[str]:
    opened = {
        body["request_id"]
        for body in dump.bodies
        if body.get("type") == "retrieval" and body["outcome"] == "started"
    }
    for request in told["served"]:
        if request not in opened:
            yield f"I2 {request}: bytes were served, and no entry says so"
    for number, times in told.get("reads", {}).items():
        [row] = dump.ask("SELECT id FROM exhibit WHERE number = ?", number) or [{"id": ""}]
        entries = sorted(
            datetime.fromisoformat(body["at"]).timestamp()
            for body in dump.bodies
            if body.get("type") == "retrieval" and body["outcome"] == "started"
            if body["exhibit"]["id"] == row["id"]
        )
        ends = sorted(math.inf if one is None else one for one in times)
        before = sum(at <= end for at, end in zip(entries, ends, strict=False))
        if before < len(ends):
            yield f"I2 {number}: {len(ends)} readings ended, {before} entries of before say so"


def ledger(dump: Dump, told: Mapping[str, Any]) -> Iterator[str]:
    if [row["idx"] for row in dump.entries] != list(range(len(dump.entries))):
        yield "I3 the entries are not dense"
    leaves = [sha256(b"\x00" + bytes(row["body"])).digest() for row in dump.entries]
    if leaves != [bytes(row["leaf"]) for row in dump.entries]:
        yield "I3 a leaf is not that of its body"
    for row in dump.ask("SELECT size, root FROM head"):
        if root_of(leaves[: row["size"]]) != bytes(row["root"]):
            yield f"I3 the head of size {row['size']} is not over its entries"
    for size, root in told["checkpoints"]:
        if size > len(leaves) or root_of(leaves[:size]).hex() != root:
            yield f"I3 a checkpoint of size {size} was given out, and is not of this ledger"


def named(dump: Dump, _: Mapping[str, Any]) -> Iterator[str]:
    intents = {row["key"] for row in dump.ask("SELECT key FROM intake")}
    strays = {row["key"] for row in dump.ask("SELECT key FROM stray")}
    for key in dump.evidence:
        if key.partition(".")[0] not in intents and key not in strays:
            yield f"I4 {key[:12]}: nothing names it"


def ended(dump: Dump, _: Mapping[str, Any]) -> Iterator[str]:
    for row in dump.ask("SELECT exhibit_id, state FROM intake"):
        count = dump.ask("SELECT count(*) n FROM exhibit WHERE id = ?", row["exhibit_id"])[0]["n"]
        if count != (row["state"] == "registered"):
            yield f"I5 {row['exhibit_id']}: an intake {row['state']}, {count} exhibits"
        if row["state"] == "open":
            yield f"I5 {row['exhibit_id']}: neither registered nor given up after all this time"
    doubled = Counter(
        body["exhibit"]["id"] for body in dump.bodies if body.get("type") == "registration"
    )
    yield from (f"I5 {one}: registered {n} times" for one, n in doubled.items() if n > 1)


def kept(dump: Dump, _: Mapping[str, Any]) -> Iterator[str]:
    for row in dump.ask("SELECT DISTINCT exhibit_id FROM hold WHERE released_at IS NULL"):
        for part in dump.ask("SELECT stored FROM part WHERE exhibit_id = ?", row["exhibit_id"]):
            key = json.loads(part["stored"])["key"]
            files = dump.evidence.get(key, [])
            if not files or not all(held(file) for file in files):
                yield f"I6 {row['exhibit_id']}: held, and {key[:12]} is not"


def sealed(folders: Sequence[Path], marks: Sequence[str]) -> Iterator[str]:
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                if any(mark.encode() in data for mark in marks):
                    yield f"I7 {file.name}: plaintext"


def judge(
    database: Path, told: Mapping[str, Any], stores: Sequence[Path], clear: Sequence[Path] = ()
) -> Broken:
    """Return what is broken; looked at twice, as a second look must find the same."""

    def once() -> Broken:
        dump = Dump(database, stores)
        found = [
            line
            for rule in (acknowledged, served, ledger, named, ended, kept)
            for line in rule(dump, told)
        ]
        dump.rows.close()
        return [*found, *sealed([*stores, *clear], told["marks"])]

    first, second = once(), once()
    return first if first == second else [*first, "I8 a second look found something else"]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("database", type=Path)
    words.add_argument("told", type=Path)
    words.add_argument("stores", type=Path, nargs="+")
    words.add_argument("--clear", type=Path, nargs="*", default=[])
    given = words.parse_args()
    found = judge(given.database, json.loads(given.told.read_text()), given.stores, given.clear)
    print("\n".join(found) or "nothing is broken")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
