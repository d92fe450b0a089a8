"""Facts right, wrong and missing against what the samples' own sources and other tools say.

    python -m tests.benchmarks.bench_ground_truth [GROUP …]

Every file `truth_*.py` beside this one is a group: `GROUP`, and `cases()` that yields a `Case` for
each exhibit with what is known of it. Each exhibit goes through the sandbox as evidence does. A
case claims only what an independent source says: the sample's maker, or another implementation.
What the installed ExifTool adds to a record is no merit of ours: its facts are counted apart.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ingest.extraction import Extraction, Fact
from ingest.sandbox import Sandbox
from tests.benchmarks.bench_extraction import working_copy

HERE = Path(__file__).parent


def exactly(wanted: set[str], found: list[Fact]) -> bool:
    """Return whether the facts have these values and no other."""
    return {fact.value for fact in found} == wanted


@dataclass(frozen=True)
class Case:
    """One exhibit and what is known of it."""

    paths: tuple[Path, ...]
    facts: dict[str, set[str]] = field(default_factory=dict)  # name -> all values it must have
    seals: dict[str, str] = field(default_factory=dict)  # kind -> verdict
    members: dict[str, tuple[int, str | None]] = field(default_factory=dict)  # path -> size, digest
    inhibitors: frozenset[str] = frozenset()
    same: Callable[[set[str], list[Fact]], bool] = exactly


@dataclass
class Score:
    """What came of one group."""

    exhibits: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    exiftool: int = 0  # of the facts, right by ExifTool's own in the same record

    def take(self, case: Case, record: Extraction) -> None:
        """Compare one record with what is known."""
        self.exhibits += 1
        where = case.paths[0].name
        found: dict[str, list[Fact]] = {}
        theirs: dict[str, list[Fact]] = {}
        for fact in record.facts:
            by = theirs if fact.source.startswith("exiftool ") else found
            by.setdefault(fact.name, []).append(fact)
        for name, values in case.facts.items():
            facts = found.get(name)
            said = facts and (values if case.same(values, facts) else {x.value for x in facts})
            self._one(f"{where} {name}", values, said)
            self.exiftool += name in theirs and case.same(values, theirs[name])
        seals = {seal.kind: seal.verdict for seal in record.seals}
        for kind, verdict in case.seals.items():
            self._one(f"{where} seal {kind}", verdict, seals.get(kind))
        members = {each.path: each for each in record.members}
        for path, (size, digest) in case.members.items():
            each = members.get(path)
            known = each and (each.size, each.sha256 if digest else None)
            self._one(f"{where} member {path}", (size, digest), known)
        if case.inhibitors:
            self._one(f"{where} inhibitors", case.inhibitors, frozenset(record.inhibitors) or None)

    def _one(self, what: str, wanted: object, found: object) -> None:
        if found == wanted:
            self.right += 1
        elif found is None:
            self.missing.append(what)
        else:
            self.wrong.append(f"{what}: {wanted!r} is true, {found!r} was said"[:300])


def groups() -> list[str]:
    """The names of the groups: the files beside this one."""
    return sorted(file.stem.removeprefix("truth_") for file in HERE.glob("truth_*.py"))


def score(group: str) -> Score:
    """Put a group's exhibits through the sandbox and compare."""
    module = importlib.import_module(f"tests.benchmarks.truth_{group}")
    cases: Iterator[Case] = module.cases()
    total = Score()
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox:
        for case in cases:
            with ExitStack() as stack:
                first, *further = [stack.enter_context(working_copy(path)) for path in case.paths]
                record = sandbox.extract(first, name_hint=case.paths[0].name, further=further)
            total.take(case, record)
    return total


def main() -> int:
    """Print a line for each group, then what is wrong and missing."""
    wanted = sys.argv[1:] or groups()
    print(
        f"{'group':24}{'exhibits':>9}{'right':>9}{'wrong':>7}{'missing':>9}"
        f"{'right of claimed':>18}{'ExifTool right':>16}"
    )
    worst = 1.0
    for group in wanted:
        total = score(group)
        claimed = total.right + len(total.wrong)
        share = total.right / claimed if claimed else 1.0
        worst = min(worst, share)
        print(
            f"{group:24}{total.exhibits:>9}{total.right:>9}{len(total.wrong):>7}"
            f"{len(total.missing):>9}{share:>17.2%}{total.exiftool or '–':>16}"
        )
        for line in total.wrong[:20]:
            print(f"    {line}")
        names = Counter(what.rpartition(" ")[2] for what in total.missing)
        for what, count in names.most_common(20):
            print(f"    missing: {what} ({count})")
    return 0 if worst >= 0.99 else 1


if __name__ == "__main__":
    sys.exit(main())
