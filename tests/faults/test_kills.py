"""kill -9 in the middle of intake: nothing acknowledged is lost, nothing is registered twice."""

import json
import os
import subprocess

import pytest

from tests.faults import cut_commits, kill_recorders
from tests.faults.kill_ingest import SUBMISSION, Counted, run
from tests.service import evidence


def test_killed_submissions_go_on_where_they_stopped():
    counted = run(6, seed=20261120)
    assert counted.kills == 6
    assert counted.acknowledged > 0
    assert counted == Counted(counted.kills, counted.acknowledged)


def test_a_killed_recorder_loses_no_acknowledged_entry():
    counted = kill_recorders.run_sqlite(30, seed=20261121)
    assert counted.acknowledged > 50
    assert counted == kill_recorders.Counted(30, counted.acknowledged)


@pytest.mark.postgres
def test_a_killed_postgresql_loses_no_acknowledged_entry():
    counted = kill_recorders.run_postgres(3, seed=20261121)
    assert counted.acknowledged > 50
    assert counted == kill_recorders.Counted(3, counted.acknowledged)


@pytest.mark.long
@pytest.mark.postgres
def test_a_line_that_is_cut_at_commit_loses_and_doubles_nothing():
    found, done = cut_commits.run(8, seed=20261128)
    assert done.total() == 8
    assert found.clean, found
    assert found.acknowledged > 0


def test_two_processes_on_the_same_submission_register_everything_once(tmp_path):
    data, files = tmp_path / "data", tmp_path / "in"
    files.mkdir()
    for n in range(60):
        (files / f"{n:03d}").write_bytes(b"same" if n % 10 == 0 else os.urandom(2_000))
    for words in (["init"], ["case", "new", "KRN", "--title", "T"]):
        subprocess.run(evidence(data, *words), check=True, capture_output=True, timeout=60)
    words = ["ingest", files, "--case", "KRN", "--no-extract", "--submission", SUBMISSION]
    outputs = [tmp_path / f"out{n}" for n in range(3)]
    children = []
    for place in outputs:
        with place.open("wb") as out, place.with_suffix(".said").open("wb") as errors:
            children.append(subprocess.Popen(evidence(data, *words), stdout=out, stderr=errors))
    codes = [child.wait(timeout=120) for child in children]
    told = [place.with_suffix(".said").read_text()[-1_000:] for place in outputs]
    # As text: of a list pytest shows the ends alone.
    assert codes == [0, 0, 0], "\n".join(f"{c}: {t}" for c, t in zip(codes, told, strict=True))
    said = [
        {line["path"]: line["exhibit"] for line in map(json.loads, place.read_text().splitlines())}
        for place in outputs
    ]
    assert said[0] == said[1] == said[2]
    assert len(set(said[0].values())) == 60
    done = subprocess.run(evidence(data, "verify"), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
