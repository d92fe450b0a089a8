"""A little trouble of each kind on real processes; the full counts: docs/measurements.md."""

import shutil

import pytest

from tests.faults.trouble import MEMORY, run

pytestmark = [pytest.mark.sqlite_only("its dump is one file"), pytest.mark.long]


@pytest.mark.parametrize("kind", ["keys", "memory", "clock"])
def test_nothing_acknowledged_is_lost_whatever_troubles_the_service(kind):
    if kind == "clock" and shutil.which("cc") is None:
        pytest.skip("there is no compiler here for the clock that jumps")
    if kind == "memory" and not MEMORY.is_dir():
        pytest.skip("there is no control group for memory here")
    found = run(kind, 4, seed=20261128)
    assert found.clean, (found.judged, found.broken)
    assert found.judged.acknowledged > 0
    assert kind != "clock" or found.backwards > 0
