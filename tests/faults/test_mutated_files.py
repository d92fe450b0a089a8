"""Damaged files through the sandbox; the full count is in docs/measurements.md."""

from tests.faults.mutated_files import MUTATORS, run, samples
from tests.shared import shared


def test_no_damaged_file_brings_anything_down_and_each_failure_has_its_reason():
    shared("samples")
    assert len(MUTATORS) == 7
    assert len(samples()) > 15
    counted = run(150, seed=20261127)
    assert sum(counted.outcomes.values()) == 150
    assert counted.wrong == 0, counted
