"""How fast a whole ledger is audited, each part apart.

python -m tests.benchmarks.bench_audit [--entries 200000] [--batch 100] [--databases sqlite]
"""

import argparse
import time
from collections.abc import Callable
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from custody.audit import audit_signatures
from custody.audit_form import audit_form, audit_openings
from custody.audit_tree import audit_tree
from tests.benchmarks.house_of import say, workplace
from tests.custody.conftest import Kept, make
from tests.postgres import postgres_server


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--entries", type=int, default=200_000)
    arguments.add_argument("--batch", type=int, default=100)
    arguments.add_argument("--databases", default="sqlite,postgresql")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        if "sqlite" in given.databases:
            measure("sqlite", make(place), given.entries, given.batch)
        if "postgresql" in given.databases:
            with postgres_server() as url:
                measure("postgresql", make(place, "pg", url=url), given.entries, given.batch)


def measure(name: str, kept: Kept, entries: int, batch: int) -> None:
    for first in range(0, entries, batch):
        kept.ledger.record(*[kept.draft(first + k) for k in range(batch)])
    made = getrusage(RUSAGE_SELF).ru_maxrss >> 10
    keys = kept.ledger.key_history()
    say(f"{name}: {entries} entries, a head every {batch}")
    with kept.database.reading() as session:
        rate(
            "re-hashing, tiles and heads", entries, lambda: audit_tree(session, {}, _quiet).findings
        )
        rate(
            "canonical form and side tables",
            entries,
            lambda: audit_form(session, entries, keys, _quiet),
        )
        rate(
            "openings (five an entry)",
            5 * entries,
            lambda: audit_openings(session, kept.wrapping_key),
        )
        rate("signatures of heads", entries // batch, lambda: audit_signatures(session, keys))
    here, there = (getrusage(who).ru_maxrss >> 10 for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    say(f"  at most {here} MiB here ({made} after making it), {there} MiB in each other process")
    kept.database.close()


def rate(what: str, count: int, check: Callable[[], list[object]]) -> None:
    began = time.perf_counter()
    found = check()
    seconds = time.perf_counter() - began
    failures = [one for one in found if one.outcome == "fail"]  # type: ignore[attr-defined]
    say(f"  {what:32} {count / seconds:12,.0f}/s   {len(failures)} failures")


def _quiet(_: int) -> None:
    pass


if __name__ == "__main__":
    main()
