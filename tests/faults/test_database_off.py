"""While the ledger's database is gone nothing is served; when it is back, everything goes on."""

import math
import tempfile
from pathlib import Path

import pytest

from tests.faults import database_off


def judge(found):
    assert found.before > 0
    assert found.asked > 0
    assert found.served == 0
    assert (found.sick, found.healthy > 0) == (0, True)
    assert math.isfinite(found.all_back)


@pytest.mark.sqlite_only("it locks the file")
def test_a_locked_ledger_serves_no_byte(tmp_path):
    found = database_off.locked(tmp_path, seconds=2, clients=4)
    judge(found)
    assert found.statuses["503"] > 0


@pytest.mark.postgres
@pytest.mark.sqlite_only("it brings a server of its own")
@pytest.mark.parametrize(
    "way", [database_off.stopped, pytest.param(database_off.paused, marks=pytest.mark.long)]
)
def test_a_ledger_that_is_gone_serves_no_byte(monkeypatch, way):
    monkeypatch.delenv("EVIDENCE_DATABASE_URL", raising=False)
    with tempfile.TemporaryDirectory() as place:  # the server runs under an account of its own
        Path(place).chmod(0o755)
        judge(way(Path(place), seconds=2, clients=4))


@pytest.mark.postgres
@pytest.mark.sqlite_only("it brings a server of its own")
def test_a_database_that_stands_still_is_refused_with_503_in_bounded_time(monkeypatch):
    monkeypatch.delenv("EVIDENCE_DATABASE_URL", raising=False)
    hurried = {"EVIDENCE_DATABASE_STATEMENT_SECONDS": "0.5", "EVIDENCE_DATABASE_TIMEOUT": "1"}
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        found = database_off.paused(Path(place), seconds=8, clients=4, **hurried)
    judge(found)
    assert found.statuses["503"] > 0
