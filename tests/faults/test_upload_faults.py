"""Some of the faults of uploads in every run; the full counts are in docs/measurements.md."""

import pytest

from tests.faults import (
    disk_full,
    interrupted_run,
    kill_postgres,
    kill_service,
    lost_connections,
    upload_races,
)


@pytest.mark.long
@pytest.mark.sqlite_only("each round has a repository of its own")
def test_a_killed_service_and_worker_lose_and_double_nothing():
    found = kill_service.run(3, seed=3)
    assert found.clean, found
    assert found.acknowledged > 0


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.sqlite_only("it brings a server of its own")
def test_a_killed_postgresql_loses_and_doubles_nothing():
    found = kill_postgres.run(2, seed=3)
    assert found.clean, found
    assert found.acknowledged > 0


@pytest.mark.sqlite_only("each round has a repository of its own")
def test_of_64_requests_at_one_offset_the_bytes_of_one_count():
    found = upload_races.run(2, writers=64, seed=3)
    assert found.clean, found
    assert found.acknowledged == 2


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.sqlite_only("it brings a server of its own")
def test_the_same_on_postgresql():
    found = upload_races.run(2, writers=64, seed=3, database="postgresql")
    assert found.clean, found
    assert found.acknowledged == 2


@pytest.mark.sqlite_only("each round has a repository of its own")
def test_a_connection_lost_at_any_stage_loses_and_doubles_nothing():
    found = lost_connections.run(2, seed=3)
    assert found.clean, found
    assert found.acknowledged > 25


@pytest.mark.long
@pytest.mark.sqlite_only("each round has a repository of its own")
def test_a_disk_that_fills_up_loses_nothing():
    found = disk_full.run(1, seed=3)
    assert found.clean, found
    assert found.acknowledged > 0


@pytest.mark.long
def test_a_client_killed_among_many_files_goes_on_there():
    found = interrupted_run.run(200, at=117, size=2_000)
    assert found.clean, found
    assert found.acknowledged == 200
