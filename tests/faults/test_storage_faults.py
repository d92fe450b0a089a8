"""A part of the storage faults; the full counts are in docs/measurements.md."""

import pytest

from tests.faults.storage_faults import main


@pytest.mark.sqlite_only("it makes a hundred repositories, and a test has one database")
def test_damage_is_always_found_and_no_failing_operation_loses_anything():
    words = ["--flips", "25", "--cuts", "5", "--swaps", "5", "--deletions", "5"]
    assert main([*words, "--repairs", "5", "--step", "8"]) == 0
