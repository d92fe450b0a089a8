"""kill -9 in the middle of intake: nothing acknowledged is lost, nothing is registered twice."""

import json
import subprocess

from tests.faults.kill_ingest import SUBMISSION, Counted, evidence, run
from tests.house import CODE


def test_killed_submissions_go_on_where_they_stopped():
    counted = run(12, seed=20261120)
    assert counted.kills == 12
    assert counted.acknowledged > 0
    assert counted == Counted(counted.kills, counted.acknowledged)


def test_two_processes_on_the_same_submission_register_everything_once(house, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(120):
        (folder / f"{n:03d}").write_bytes(b"%d" % n * 5_000)
    words = ["ingest", str(folder), "--case", CODE, "--no-extract", "--submission", SUBMISSION]
    first = [subprocess.Popen(evidence(house.data, *words), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) for _ in range(3)]  # fmt: skip
    said = [process.communicate() for process in first]
    assert [process.returncode for process in first] == [0, 0, 0], [err for _, err in said]
    seen = [[json.loads(line)["exhibit"] for line in out.splitlines()] for out, _ in said]
    assert seen[0] == seen[1] == seen[2]
    assert len(set(seen[0])) == 120
    assert len(house.evidence("list", "--case", CODE).lines) == 120
    assert house.evidence("verify").code == 0
