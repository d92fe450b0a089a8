"""Some of the hostile JSON and strings through each field: the whole is a command."""

import pytest

from tests.attacks.hostile_fields import BODIES, Scene, bodies, strings


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EVIDENCE_DATABASE_URL", raising=False)
        found = Scene(tmp_path_factory.mktemp("hostile"))
        yield found
        found.house.repo.close()


def test_hostile_json_is_refused_by_every_body_and_never_a_5xx(scene):
    statuses, wrong = bodies(scene, step=24)
    assert wrong == []
    assert len(BODIES) >= 16
    assert statuses.total() > 200


def test_naughty_strings_stand_in_the_record_as_they_were_sent_in_every_field(scene):
    statuses, wrong = strings(scene, step=50)
    assert wrong == []
    assert statuses.total() > 200
