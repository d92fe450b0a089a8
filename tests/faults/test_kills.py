"""kill -9 in the middle of intake: nothing acknowledged is lost, nothing is registered twice."""

import pytest

from tests.faults import kill_recorders
from tests.faults.kill_ingest import Counted, run


def test_killed_submissions_go_on_where_they_stopped():
    counted = run(12, seed=20261120)
    assert counted.kills == 12
    assert counted.acknowledged > 0
    assert counted == Counted(counted.kills, counted.acknowledged)


def test_a_killed_recorder_loses_no_acknowledged_entry():
    counted = kill_recorders.run_sqlite(60, seed=20261121)
    assert counted.acknowledged > 100
    assert counted == kill_recorders.Counted(60, counted.acknowledged)


@pytest.mark.postgres
def test_a_killed_postgresql_loses_no_acknowledged_entry():
    counted = kill_recorders.run_postgres(6, seed=20261121)
    assert counted.acknowledged > 100
    assert counted == kill_recorders.Counted(6, counted.acknowledged)
