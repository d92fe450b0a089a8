"""Conditions stated by who sends from far away: in force from the first, never contradictory."""

import pytest

from tests.house import CODE
from tests.remote.sending import Field, invited, results
from tests.service import serving

CONDITIONS = ("--handling", "H2", "--exclude", "death-penalty", "--consent", "court", "--lead-only")


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "in" / "a.txt"
    found.parent.mkdir()
    found.write_bytes(b"given in confidence")
    return found


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--handling", "H2", "--tlp", "CLEAR"), "open-by-tlp-and-kept-by-handling"),
        (("--tlp", "RED", "--consent", "partners"), "closed-by-tlp-and-open-to-partners"),
        (("--handling", "H3"), "H3 says in words what is restricted"),
        (("--restriction", "ask us first"), "H3 says in words what is restricted"),
        (("--owner", " "), "an owner has a name"),
    ],
)
@pytest.mark.parametrize("far", [True, False])
def test_what_cannot_be_meant_is_refused_in_one_line_before_anything_leaves(
    house, file, tmp_path, words, why, far
):
    size = house.repo.ledger.size()
    if far:  # nothing listens there: were anything sent, it would be another error
        field = invited(house, "http://127.0.0.1:9", tmp_path / "far")
        size = house.repo.ledger.size()
        said = field.send(file, *words)
        assert not field.state.exists()
    else:
        said = house.evidence("ingest", file, "--case", CODE, *words)
    assert (said.code, said.out) == (2, "")
    assert why in said.err
    assert said.err.count("\n") == 1
    assert house.repo.ledger.size() == size


def test_conditions_stated_over_the_wire_are_in_force_before_the_first_exhibit(
    house, file, tmp_path
):
    with serving(house.data) as service:
        far = invited(house, service.address, tmp_path / "far")
        said = far.send(file, *CONDITIONS)
        assert said.code == 0, said.err
        [row] = results(said.out)
        [marking] = house.evidence("mark", row["submission"]).lines
        assert {name: marking[name] for name in EXPECTED} == EXPECTED
        types = [e.fields["type"] for e in house.entries()]
        assert types.index("consent_recorded") < types.index("registration")  # all in one entry
        # The same submission goes on under no other conditions than those it was begun with.
        words = ("--submission", row["submission"], "--handling", "H1")
        other = Field(far.invitation, tmp_path / "other").send(file, *words)
        assert other.code == 2, other.err
        assert "other declarations" in other.err
        # Who was invited to one submission finds its conditions stated, and states none.
        only = house.evidence(
            "invite", "investigator", "--url", service.address, "--case", CODE, "--only",
            "--tlp", "RED",
        )  # fmt: skip
        assert only.code == 0, only.err
        named = only.lines[0]["submission"]
        assert house.evidence("mark", named).lines[0]["tlp"] == "RED"
        bound = Field(only.lines[0]["invitation"], tmp_path / "bound")
        assert "leave out conditions of handling" in bound.send(file, *CONDITIONS).err


EXPECTED = {
    "handling": "H2", "excluded_uses": ["death-penalty"], "consent": ["court"],
    "lead_only": True, "owner": "Unit",
}  # fmt: skip


def test_conditions_of_an_invitation_are_of_one_submission(house):
    words = ("invite", "investigator", "--url", "http://127.0.0.1:9", "--case", CODE)
    said = house.evidence(*words, "--handling", "H2")
    assert (said.code, "--only" in said.err) == (2, True)


def test_an_interrupted_submission_does_not_go_on_under_other_conditions(house, file):
    words = ("ingest", file, "--case", CODE, "--no-extract")
    first = house.evidence(*words, "--handling", "H2").lines[0]["submission"]
    said = house.evidence(*words, "--submission", first, "--handling", "H1")
    assert (said.code, "evidence mark" in said.err) == (2, True)
    assert house.evidence(*words, "--submission", first, "--handling", "H2").code == 0
    assert house.evidence(*words, "--submission", first).code == 0  # they stay as they are
