"""The six journeys of institutions that share, and the entries that each leaves, as a table.

    python -m tests.journeys.entries        on SQLite
    EVIDENCE_TEST_DATABASE=postgresql python -m tests.journeys.entries

It runs their tests and prints what they counted; it fails where they do.
"""

import sys
from pathlib import Path

import pytest

from tests.benchmarks.house_of import say
from tests.journeys.left import KEPT

OF_INSTITUTIONS = ("control", "hit_no_hit", "two_services")


def main() -> None:
    """Run the tests of the journeys and print the table."""
    here = Path(__file__).parent
    files = [str(here / f"test_{name}.py") for name in OF_INSTITUTIONS]
    code = pytest.main(["-q", "-p", "no:cacheprovider", *files])
    say("| journey | entries | of which |")
    say("|---|---|---|")
    for journey, found in sorted(KEPT.items()):
        each = ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
        say(f"| {journey} | {found.total()} | {each} |")
    sys.exit(code)


if __name__ == "__main__":
    main()
