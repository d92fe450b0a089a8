"""The attack matrix: what a chain, signatures and outside memory each find, over random trials.

    python -m tests.attacks.matrix [--trials 1000]

Every trial starts from a copy of one honest ledger of 300 entries. `chain` is a plain hash chain
over the same bodies, as an audit table would have it; `signed` is our audit without outside memory;
`witnessed` is our audit with the newest checkpoint that witnesses hold. The attacker owns the
database; in the attacks so named he also holds the log's signing key.
"""

import argparse
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from custody.audit import audit
from custody.canonical import dumps, loads
from custody.checkpoint import Checkpoint, SignedCheckpoint
from custody.cosignature import cosignatures
from custody.database import Database
from custody.merkle import Frontier, leaf_hash, root_of
from custody.quorum import Policy
from custody.signers import sign_note
from tests.benchmarks.house_of import say
from tests.custody.conftest import Kept, make
from tests.custody.test_witness import request
from tests.witnesses import make_witness

ENTRIES = 300
LEVELS = ("chain", "signed", "witnessed")


@dataclass
class Honest:
    """The ledger before the attack."""

    kept: Kept
    file: Path
    bodies: list[bytes]
    sizes: list[int]  # of its heads
    newest: SignedCheckpoint


@dataclass
class Attacked:
    """What an attack left: the bodies, and whether hashes were made to fit again."""

    bodies: list[bytes]
    rehashed: bool = True  # leaves, tiles and the plain chain follow the new bodies
    signed: bool = False  # heads were signed again with the stolen key
    heads: list[int] = field(default_factory=list)


Attack = Callable[[Honest, random.Random], Attacked]


def changed(body: bytes, draw: random.Random) -> bytes:
    fields = loads(body)
    fields["outcome"] = draw.choice(["done", "aborted", "refused", "error"])
    fields["reason"] = f"r{draw.randrange(10**6)}"
    return dumps(fields)


def added(bodies: list[bytes], like: bytes, draw: random.Random) -> list[bytes]:
    """Append a forged entry that is right in itself: its own id, the exhibit's next number."""
    fields = loads(changed(like, draw))
    fields["id"] = str(UUID(int=draw.getrandbits(128)))
    exhibit = fields["exhibit"]["id"]
    known = [loads(body)["exhibit"] for body in bodies]
    fields["exhibit"]["seq"] = 1 + sum(one["id"] == exhibit for one in known)
    return [*bodies, dumps(fields)]


def edit(honest: Honest, draw: random.Random) -> Attacked:
    at = draw.randrange(ENTRIES)
    bodies = list(honest.bodies)
    bodies[at] = changed(bodies[at], draw)
    return Attacked(bodies, rehashed=False, heads=honest.sizes)


def re_leaf(honest: Honest, draw: random.Random) -> Attacked:
    return Attacked(edit(honest, draw).bodies, heads=honest.sizes)


def delete(honest: Honest, draw: random.Random) -> Attacked:
    at = draw.randrange(ENTRIES - 1)
    bodies = honest.bodies[:at] + honest.bodies[at + 1 :]
    return Attacked(bodies, rehashed=False, heads=[s for s in honest.sizes if s <= len(bodies)])


def delete_and_rehash(honest: Honest, draw: random.Random) -> Attacked:
    found = delete(honest, draw)
    return Attacked(found.bodies, heads=found.heads)


def swap(honest: Honest, draw: random.Random) -> Attacked:
    one, two = draw.sample(range(ENTRIES), 2)
    bodies = list(honest.bodies)
    bodies[one], bodies[two] = bodies[two], bodies[one]
    return Attacked(bodies, heads=honest.sizes)


def forge(honest: Honest, draw: random.Random) -> Attacked:
    bodies = added(honest.bodies, draw.choice(honest.bodies), draw)
    return Attacked(bodies, heads=honest.sizes)


def cut_entries(honest: Honest, draw: random.Random) -> Attacked:
    return Attacked(honest.bodies[: draw.randrange(1, ENTRIES)], heads=honest.sizes)


def cut_entries_and_heads(honest: Honest, draw: random.Random) -> Attacked:
    size = draw.choice(honest.sizes[:-1])
    return Attacked(honest.bodies[:size], heads=[s for s in honest.sizes if s <= size])


def cut_the_last_batch(honest: Honest, draw: random.Random) -> Attacked:
    size = honest.sizes[-2]
    return Attacked(honest.bodies[:size], heads=honest.sizes[:-1])


def restore_and_go_on(honest: Honest, draw: random.Random) -> Attacked:
    """An old backup, then other entries appended honestly with the log's key."""
    size = draw.choice(honest.sizes[:-1])
    bodies = honest.bodies[:size]
    for _ in range(3):
        bodies = added(bodies, draw.choice(honest.bodies), draw)
    heads = [s for s in honest.sizes if s <= size]
    return Attacked(bodies, signed=True, heads=[*heads, len(bodies)])


def edit_with_key(honest: Honest, draw: random.Random) -> Attacked:
    return Attacked(edit(honest, draw).bodies, signed=True, heads=honest.sizes)


def drop_with_key(honest: Honest, draw: random.Random) -> Attacked:
    found = delete(honest, draw)
    return Attacked(found.bodies, signed=True, heads=found.heads)


def append_with_key(honest: Honest, draw: random.Random) -> Attacked:
    """Rewrites the last batch and goes on: the checkpoint given out is contradicted."""
    size = honest.sizes[-2]
    bodies = honest.bodies[:size] + [changed(one, draw) for one in honest.bodies[size:]]
    return Attacked(bodies, signed=True, heads=honest.sizes)


ATTACKS: dict[str, Attack] = {
    "edit": edit,
    "edit, leaf and tiles fitted": re_leaf,
    "delete": delete,
    "delete, hashes fitted": delete_and_rehash,
    "swap, hashes fitted": swap,
    "forged entry appended": forge,
    "cut entries": cut_entries,
    "cut entries and heads": cut_entries_and_heads,
    "cut the last batch and its head": cut_the_last_batch,
    "old backup restored, gone on": restore_and_go_on,
    "stolen key: edit, signed again": edit_with_key,
    "stolen key: drop, signed again": drop_with_key,
    "stolen key: last batch rewritten": append_with_key,
}


def build(folder: Path) -> Honest:
    kept = make(folder, "honest")
    draw, sizes = random.Random(6962), []
    while (done := sizes[-1] if sizes else 0) < ENTRIES:
        count = min(draw.randrange(1, 8), ENTRIES - done)
        kept.ledger.record(*[kept.draft(done + k) for k in range(count)])
        sizes.append(done + count)
    bodies = [entry.body for entry in kept.ledger.entries()]
    newest = kept.ledger.checkpoint()
    assert newest is not None
    kept.database.close()
    with closing(sqlite3.connect(kept.path)) as raw, raw:
        for [name] in raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("DELETE FROM opening")  # looked at by tests of their own
    with closing(sqlite3.connect(kept.path)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")  # so that one file is the whole
    return Honest(kept, kept.path, bodies, sizes, newest)


def trial(honest: Honest, place: Path, attack: Attack, draw: random.Random) -> dict[str, bool]:
    """Return at which levels one attack is found."""
    shutil.copy(honest.file, place)
    left = attack(honest, draw)
    write(honest, place, left)
    database = Database(f"sqlite:///{place}")

    def found(outside: Sequence[SignedCheckpoint]) -> bool:
        findings = audit(
            database, keys=honest.kept.ledger.key_history(), wrapping_key=None, outside=outside
        )
        return any(one.outcome == "fail" for one in findings)

    result = {
        "chain": chain_finds(honest, left),
        "signed": found([]),
        "witnessed": found([honest.newest]),
    }
    database.close()
    return result


def write(honest: Honest, place: Path, left: Attacked) -> None:
    """Change the database as its owner can: every hash he may fit is fitted."""
    hashed = left.bodies if left.rehashed else honest.bodies
    leaves = [leaf_hash(body) for body in hashed]
    if not left.rehashed:
        leaves = leaves[: len(left.bodies)]
    with closing(sqlite3.connect(place, isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute("BEGIN")
        for table in ("entry", "entry_exhibit", "tile"):
            raw.execute(f"DELETE FROM {table}")
        keep = ",".join(map(str, left.heads)) or "-1"
        raw.execute(f"DELETE FROM head WHERE size NOT IN ({keep})")
        for index, (body, leaf) in enumerate(zip(left.bodies, leaves, strict=True)):
            fields = loads(body)
            raw.execute(
                "INSERT INTO entry VALUES (?, ?, ?, ?)",
                (index, leaf, body, fields["id"]),
            )
            about = fields["exhibit"]
            raw.execute(
                "INSERT OR IGNORE INTO entry_exhibit VALUES (?, ?, ?)",
                (about["id"], about["seq"], index),
            )
        if len(leaves) >= 256:
            raw.execute(
                "INSERT INTO tile VALUES (0, 0, ?, ?)",
                (root_of(leaves[:256]), b"".join(leaves[:256])),
            )
        if left.signed:
            sign_again(honest, raw, leaves, set(left.heads))
        raw.execute("COMMIT")


def sign_again(
    honest: Honest, raw: sqlite3.Connection, leaves: Sequence[bytes], heads: set[int]
) -> None:
    raw.execute("DELETE FROM head")
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
        if frontier.size in heads:
            text = Checkpoint(honest.kept.signer.key.name, frontier.size, frontier.root()).text()
            note = sign_note(text, honest.kept.signer)
            row = (frontier.size, frontier.root(), frontier.to_bytes(), note)
            raw.execute("INSERT INTO head VALUES (?, ?, ?, ?)", row)


def chain(bodies: Sequence[bytes]) -> list[bytes]:
    links, last = [], bytes(32)
    for body in bodies:
        last = sha256(last + body).digest()
        links.append(last)
    return links


def chain_finds(honest: Honest, left: Attacked) -> bool:
    """Verify a plain hash chain that whoever owns the table fits again where the attack does."""
    stored = chain(left.bodies) if left.rehashed else chain(honest.bodies)
    if not left.rehashed and len(left.bodies) < len(honest.bodies):
        gone = next(
            (n for n, body in enumerate(left.bodies) if body != honest.bodies[n]), len(left.bodies)
        )
        stored = stored[:gone] + stored[gone + 1 :]
    return chain(left.bodies) != stored


def fork_finds(folder: Path, honest: Honest, draw: random.Random) -> dict[str, bool]:
    """With the stolen key, a fork is shown to one of four witnesses; three know the truth."""
    key, size = honest.kept.signer.key, honest.newest.checkpoint.size
    made = [make_witness(folder / f"{n}", f"w{n}.example/w", key, kinds=(4,)) for n in range(4)]
    true = honest.newest.note
    forged = sign_note(Checkpoint(key.name, size, draw.randbytes(32)).text(), honest.kept.signer)
    victim = draw.randrange(4)
    lines = {true: "", forged: ""}
    for number, (witness, _) in enumerate(made):
        first, second = (forged, true) if number == victim else (true, forged)
        for note in (first, second):
            reply = witness.add_checkpoint(request(0, [], note))
            lines[note] += reply.text if reply.status == 200 else ""
        witness._database.close()
    keys = [keys[0] for _, keys in made]
    policy = policy_of_four(key, keys)
    shown = forged + lines[forged]
    quorum = policy.satisfied(cosignatures(shown, keys))
    assert policy.satisfied(cosignatures(true + lines[true], keys))
    # A chain and the log's signature hold for either history: nothing tells them apart.
    return {"chain": False, "signed": False, "witnessed": not quorum}


def policy_of_four(key, keys) -> Policy:
    from custody.quorum import parse

    lines = [f"log {key}", *(f"witness W{n} {one}" for n, one in enumerate(keys))]
    return parse("\n".join([*lines, "group q 3 W0 W1 W2 W3", "quorum q"]) + "\n")


def clean_alarms(honest: Honest, place: Path, trials: int) -> int:
    """Return how often the audit fails on the honest ledger."""
    shutil.copy(honest.file, place)
    database = Database(f"sqlite:///{place}")
    alarms = 0
    for _ in range(trials):
        findings = audit(
            database, keys=honest.kept.ledger.key_history(), wrapping_key=None,
            outside=[honest.newest],
        )  # fmt: skip
        alarms += any(one.outcome == "fail" for one in findings)
    database.close()
    return alarms


def run(trials: int, seed: int, on: str | None = None) -> dict[str, dict[str, int]]:
    """Return how often each attack was found, by attack and level."""
    draw = random.Random(seed)
    result = {}
    with tempfile.TemporaryDirectory(dir=on) as name:
        folder = Path(name)
        honest = build(folder)
        for attack, function in ATTACKS.items():
            counts = dict.fromkeys(LEVELS, 0)
            for _ in range(trials):
                for level, found in trial(honest, folder / "copy.db", function, draw).items():
                    counts[level] += found
            result[attack] = counts
        counts = dict.fromkeys(LEVELS, 0)
        for number in range(trials):
            place = folder / f"fork{number}"
            for level, found in fork_finds(place, honest, draw).items():
                counts[level] += found
            shutil.rmtree(place)
        result["stolen key: fork to one of four"] = counts
        result["(no attack: false alarms)"] = {
            "chain": 0, "signed": 0, "witnessed": clean_alarms(honest, folder / "c.db", trials)
        }  # fmt: skip
    return result


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--trials", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=20261121)
    arguments.add_argument("--on", default="/dev/shm" if Path("/dev/shm").is_dir() else None)
    given = arguments.parse_args()
    say(f"| attack, {given.trials} trials each | chain only | signatures | witnesses |")
    say("|---|---|---|---|")
    for attack, counts in run(given.trials, given.seed, given.on).items():
        say(f"| {attack} | {counts['chain']} | {counts['signed']} | {counts['witnessed']} |")


if __name__ == "__main__":
    main()
