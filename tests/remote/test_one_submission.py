"""Sending with a token that adds to one submission: everything arrives, nothing else is opened."""

import pytest

from api.remote.invitation import Invitation
from repository.people import grant, new_person, revoke_token
from tests.house import CODE, House
from tests.relay import relay
from tests.remote.sending import Field
from tests.remote.test_resuming import MIB, assert_whole, fill, wait_for
from tests.service import serving


def invited(house: House, url: str, folder) -> Field:
    """Return a submitter with an invitation for one submission."""
    person = new_person(house.repo, house.custodian, name="field", role="submitter")
    grant(house.repo, house.custodian, case=house.case, person=person, role="submitter")
    said = house.evidence("invite", "field", "--url", url, "--case", CODE, "--only")
    assert said.code == 0, said.err
    folder.mkdir(exist_ok=True)
    return Field(said.lines[0]["invitation"], folder)


@pytest.fixture
def service(house):
    with serving(house.data, options=["--tls"]) as found:
        yield found


def test_everything_arrives_and_receipts_come_home(house, service, files, tmp_path):
    far = invited(house, service.address, tmp_path / "far")
    said = far.send(files)
    assert said.code == 0, said.err
    assert {row["status"] for row in said.lines} == {"registered"}
    [folder] = far.submissions
    assert folder.name == Invitation.parse(far.invitation).submission
    kept = folder / "receipts"
    assert {f"{folder.name}.json", f"{folder.name}.announced.json"} < {
        p.name for p in kept.iterdir()
    }
    refusals = [e for e in house.types() if e == "access_denied/refused"]
    assert refusals == []  # the command asks for nothing that it may not have
    assert house.evidence("verify").code == 0


def test_an_interrupted_run_goes_on_and_the_token_ends(house, tmp_path):
    digests = fill(tmp_path / "in", 3, 9 * MIB)
    with serving(house.data) as service, relay(service.place, rate=8e6) as line:
        far = invited(house, line.address, tmp_path / "far")
        run = far.start(tmp_path / "in", "--connections", "1")
        wait_for(lambda: house.evidence("list", "--case", CODE).lines)
        run.kill()
        run = far.start(tmp_path / "in")
        assert run.wait() == 0, run.err
        revoke_token(house.repo, house.custodian, far.token_id)
        after = far.start(tmp_path / "in", say=True)
        assert after.wait() == 4
        assert "does not accept this token" in after.err
    assert_whole(house, far, digests, run.out)


def test_such_an_invitation_is_for_one_submission_of_one_case(house, service, files, tmp_path):
    far = invited(house, service.address, tmp_path / "far")
    other = "SUB-01a1f000-0000-7000-8000-000000000001"
    said = far.send(files, "--submission", other)
    assert (said.code, "alone" in said.err) == (2, True)
    for words in (("--place", "Bucha"), ("--family", "mobile"), ("--purpose", "court")):
        said = far.send(files, *words)
        assert (said.code, words[0][2:] in said.err) == (2, True)
    assert house.evidence("invite", "field", "--url", "https://x.example/", "--only").code == 2
