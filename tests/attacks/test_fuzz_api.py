"""A short run of schemathesis; in every role and long: python -m tests.attacks.fuzz_api."""

import pytest

from tests.attacks.fuzz_api import NOBODY, rounds


@pytest.mark.sqlite_only(
    "the long run is on SQLite; what is asked of the database is asked elsewhere"
)
def test_the_service_answers_only_what_its_document_says(tmp_path):
    found = []
    people = ("investigator", NOBODY)  # all of them: the command
    for one in rounds(tmp_path, examples=1, seed=3, kinds=[True], people=people, phases="fuzzing"):
        assert one.code == 0, one.said[-4_000:]
        assert one.cases > 20
        found.append(one)
    assert len(found) == 2
    everybody = sum((one.statuses for one in found), start=type(found[0].statuses)())
    assert {"200", "201", "400", "401", "404"} <= set(everybody)
    assert not [status for status in everybody if status.startswith("5")]
