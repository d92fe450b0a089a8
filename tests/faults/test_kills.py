"""kill -9 in the middle of intake: nothing acknowledged is lost, nothing is registered twice."""

from tests.faults.kill_ingest import Counted, run


def test_killed_submissions_go_on_where_they_stopped():
    counted = run(12, seed=20261120)
    assert counted.kills == 12
    assert counted.acknowledged > 0
    assert counted == Counted(counted.kills, counted.acknowledged)
