"""Inclusion proofs at 10^5, 10^6 and 10^7 entries; pymerkle beside it at 10^6.

python -m tests.benchmarks.bench_proofs [--sizes 100000,1000000,10000000] [--databases sqlite]

The entries are small and written in bulk: a proof reads tiles and one body, whatever its length.
Every proof is verified before it is given out, as `Ledger.proof` always does.
"""

import argparse
import random
import time

import pymerkle

from custody import tables
from custody.checkpoint import Checkpoint
from custody.heads import last_head
from custody.merkle import leaf_hash
from custody.signers import sign_note
from custody.tables import insert_rows
from custody.tiles import write_tiles
from tests.benchmarks.house_of import say, workplace
from tests.custody.conftest import Kept, make
from tests.postgres import postgres_server

BULK = 65_536


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sizes", default="100000,1000000,10000000")
    arguments.add_argument("--databases", default="sqlite,postgresql")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    sizes = [int(word) for word in given.sizes.split(",")]
    with workplace(given.on) as place:
        if "sqlite" in given.databases:
            measure("sqlite", make(place), sizes)
        if "postgresql" in given.databases:
            with postgres_server(min_wal_size="2GB", max_wal_size="4GB") as url:
                measure("postgresql", make(place, "pg", url=url), sizes)
    beside(1_000_000)


def measure(name: str, kept: Kept, sizes: list[int]) -> None:
    for size in sizes:
        began = time.perf_counter()
        start = kept.ledger.size()
        fill(kept, size)
        grown = (size - start) / (time.perf_counter() - began)
        draw, times = random.Random(size), []
        for _ in range(1000):
            began = time.perf_counter()
            kept.ledger.proof(draw.randrange(size))
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        say(
            f"{name:11} {size:12,} entries: proof p50 {times[500]:.2f} ms, p99 {times[990]:.2f} ms"
            f"   (filled at {grown:,.0f}/s)"
        )
    kept.database.close()


def fill(kept: Kept, size: int) -> None:
    """Grow the ledger in bulk; one signed head a batch."""
    while (start := kept.ledger.size()) < size:
        count = min(BULK, size - start)
        bodies = [b'{"n":%d}' % n for n in range(start, start + count)]
        leaves = [leaf_hash(body) for body in bodies]
        rows = [
            (start + n, leaf, body, f"{start + n:036d}")
            for n, (leaf, body) in enumerate(zip(leaves, bodies, strict=True))
        ]
        with kept.database.writing() as session:
            frontier = last_head(session).frontier
            insert_rows(session, tables.entry, rows)
            write_tiles(session, start, leaves)
            for leaf in leaves:
                frontier.append(leaf)
            root = frontier.root()
            text = Checkpoint(kept.signer.key.name, frontier.size, root).text()
            head = (frontier.size, root, frontier.to_bytes(), sign_note(text, kept.signer))
            insert_rows(session, tables.head, [head])


def beside(size: int) -> None:
    """Say what pymerkle does in memory with the same bodies."""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    began = time.perf_counter()
    for n in range(size):
        tree.append_entry(b'{"n":%d}' % n)
    rate = size / (time.perf_counter() - began)
    draw, times = random.Random(size), []
    for _ in range(1000):
        began = time.perf_counter()
        tree.prove_inclusion(draw.randrange(1, size + 1), size)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    say(
        f"pymerkle in memory, nothing stored, {size:,}: {rate:,.0f} appends/s, "
        f"proof p50 {times[500]:.2f} ms, p99 {times[990]:.2f} ms"
    )


if __name__ == "__main__":
    main()
