"""Seconds of a processor that the program takes before it does anything, command by command.

    python -m tests.benchmarks.bench_start [--rounds 7]

Beside them what it would take if every command's module were imported, as for `evidence --help`.
"""

import argparse
import resource
import statistics
import subprocess
import sys

from tests.benchmarks.house_of import say

FINDING = "from api.cli import evidence; evidence.get_command(None, {name!r})"
ALL = (
    "from api.cli import COMMANDS, evidence; [evidence.get_command(None, one) for one in COMMANDS]"
)


def seconds(program: str) -> float:
    """Return the processor time of a process that runs this."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median of each, and its share of all."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    programs = {"all": ALL} | {
        name: FINDING.format(name=name)
        for name in ("list", "show", "retrieve", "ingest", "export", "ledger", "worker")
    }
    taken = {
        name: statistics.median(found)
        for name, found in zip(
            programs,
            zip(
                *([seconds(one) for one in programs.values()] for _ in range(given.rounds)),
                strict=True,
            ),
            strict=True,
        )
    }
    for name, found in taken.items():
        say(f"{name:10} {found:.2f} s  {found / taken['all']:.2f}")


if __name__ == "__main__":
    main()
