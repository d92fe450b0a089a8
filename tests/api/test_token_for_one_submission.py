"""A token for one submission adds to it, is told what it sent itself, and reads nothing back."""

from datetime import timedelta

import pytest

from repository.models import Submission
from repository.people import grant, new_person, new_token, revoke, revoke_token
from repository.purpose import Purpose
from repository.submissions import Declaration, open_submission
from tests.api.test_submissions import FILES, ROOT, TUS, Desk, _b64, checked, text
from tests.house import CODE


class Token(Desk):
    """Somebody whose token is good for one submission of theirs."""

    def __init__(self, house, **more):
        super().__init__(house, "field")
        self.name, _ = opened(house, b"x")
        self.token, secret = new_token(
            house.repo, house.custodian, person=house.caller("field").person,
            submission=self.name, **{"expires_at": None, **more},
        )  # fmt: skip
        self.headers = {"Authorization": f"Bearer {secret}"}

    def refused(self, kind="access_denied"):
        """Return what was recorded last; it must be a refusal."""
        found = self.house.entries()[-1].fields
        assert (found["type"], found["outcome"]) == (kind, "refused")
        return found

    def head(self, upload):
        return self.ask("HEAD", f"/api/v1/uploads/{upload}", headers=TUS)

    def patch(self, upload, offset, data):
        octets = "application/offset+octet-stream"
        headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": octets}
        return self.ask("PATCH", f"/api/v1/uploads/{upload}", data=data, headers=headers)


def opened(house, name):
    actor = house.caller("field").actor()
    declared = Declaration(Purpose("investigation", ""))
    row, _ = open_submission(house.repo, actor, house.case, declared, sources=[name])
    return row.id, row


@pytest.fixture
def field(house):
    """A submitter in the field."""
    person = new_person(house.repo, house.custodian, name="field", role="submitter")
    grant(house.repo, house.custodian, case=house.case, person=person, role="submitter")
    return person


@pytest.fixture
def desk(house, field):
    return Token(house)


def test_it_announces_sends_resumes_and_has_a_receipt_for_what_it_announced(desk, house):
    answer = desk.announce(desk.name, text(FILES))
    assert answer.status_code == 201, answer.text
    receipt, listed = checked(house, answer.data)
    assert (receipt.stage, len(listed)) == ("announced", len(FILES))
    data = FILES[0][1]
    told = f"submission {_b64(desk.name)},file {_b64(1)}"
    headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": told}
    begun = desk.ask("POST", "/api/v1/uploads", headers=headers)
    upload = begun.headers["Location"].rsplit("/")[-1]
    assert desk.patch(upload, 0, data[:1_000]).status_code == 204
    assert desk.head(upload).headers["Upload-Offset"] == "1000"  # after an interruption
    assert desk.patch(upload, 1_000, data[1_000:]).status_code == 204
    again = desk.announce(desk.name, text(FILES))
    assert again.status_code == 200
    assert checked(house, again.data)[0].index == receipt.index


@pytest.mark.parametrize("what", ["", "/files", "/receipts", "/receipt?stage=announced"])
def test_what_was_sent_cannot_be_read_back(desk, what):
    desk.announce(desk.name, text(FILES))
    assert desk.ask("GET", f"{ROOT}/{desk.name}{what}").status_code == 404
    assert desk.refused()["reasons"] == ["token-scope"]


def test_whoever_shows_the_receipt_of_the_list_is_told_what_became_of_it(desk, house):
    made = desk.announce(desk.name, text(FILES))
    receipt, _ = checked(house, made.data)
    shown = {"Evidence-Acknowledged": receipt.sha256}
    for what in ("", "/files", "/receipts", "/receipt?stage=announced"):
        assert desk.ask("GET", f"{ROOT}/{desk.name}{what}", headers=shown).status_code == 200
    for n, (_path, data) in enumerate(FILES, 1):
        assert desk.upload(desk.name, ("file", n), data).status_code == 201
    ended = desk.ask("POST", f"{ROOT}/{desk.name}/complete", json={}, headers=shown)
    assert ended.status_code == 201, ended.text
    whole, listed = checked(house, ended.data)
    assert (whole.stage, {one["status"] for one in listed}) == ("complete", {"registered"})
    number = listed[0]["exhibit"]
    for path in (f"/api/v1/exhibits/{number}", f"/api/v1/exhibits/{number}/receipt",
                 "/api/v1/cases", f"/api/v1/exhibits?case={CODE}"):  # fmt: skip
        assert desk.ask("GET", path, headers=shown).status_code in (403, 404)
        assert desk.refused()["reasons"] == ["token-scope"]


@pytest.mark.parametrize("shown", ["", "sha256:" + 64 * "0", "صورة", "x" * 5_000])
def test_a_made_up_receipt_opens_nothing(desk, shown):
    desk.announce(desk.name, text(FILES))
    headers = {"Evidence-Acknowledged": shown.encode().decode("latin-1")}
    assert desk.ask("GET", f"{ROOT}/{desk.name}", headers=headers).status_code == 404
    assert desk.refused()["reasons"] == ["token-scope"]


def test_the_receipt_of_another_list_opens_nothing(desk, house):
    other, _ = opened(house, b"another")
    with house.repo.database.reading() as session:
        mine = session.get_one(Submission, other)
    assert mine.list_index is None
    receipt, _ = checked(house, desk.announce(desk.name, text(FILES)).data)
    shown = {"Evidence-Acknowledged": receipt.sha256}
    assert desk.ask("GET", f"{ROOT}/{other}", headers=shown).status_code == 404
    assert desk.refused()["reasons"] == ["token-scope"]


def test_an_upload_tells_how_far_it_is_and_nothing_of_what_became_of_it(desk):
    desk.announce(desk.name, text(FILES))
    sent = desk.upload(desk.name, ("file", 1), FILES[0][1])
    upload = sent.headers["Location"].rsplit("/")[-1]
    assert desk.head(upload).status_code in (200, 410)
    assert desk.ask("GET", f"/api/v1/uploads/{upload}").status_code == 404
    assert desk.refused()["reasons"] == ["token-scope"]


def test_another_submission_of_the_same_person_is_none_of_its_business(desk, house):
    other, _ = opened(house, b"another")
    assert desk.announce(other, text(FILES)).status_code == 404
    assert desk.refused()["reasons"] == ["token-scope"]
    assert desk.upload(other, ("file", 1), b"x").status_code == 404
    assert desk.begin().status_code == 404
    assert desk.refused()["reasons"] == ["token-scope"]
    octets = {"Content-Type": "application/octet-stream"}
    assert desk.ask("POST", f"/api/v1/exhibits?case={CODE}", data=b"x", headers=octets
                    ).status_code == 404  # fmt: skip
    assert desk.refused()["reasons"] == ["token-scope"]


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_it_ends(house, field, how):
    past = house.repo.clock() - timedelta(seconds=1)
    desk = Token(house, **({"expires_at": past} if how == "expired" else {}))
    if how == "revoked":
        revoke_token(house.repo, house.custodian, desk.token.id)
    assert desk.announce(desk.name, text(FILES)).status_code == 401
    assert desk.refused("sign_in")["reason"] == f"token-{how}"


def test_it_ends_with_the_grant_of_its_person(desk, house, field):
    revoke(house.repo, house.custodian, case=house.case, person=field, role="submitter")
    assert desk.announce(desk.name, text(FILES)).status_code == 404
    assert desk.refused()["reasons"] == ["no-grant"]


def test_only_a_submission_of_the_person_has_such_a_token(house, field):
    stranger = house.caller("stranger").person
    name, _ = opened(house, b"x")
    said = house.evidence("token", "new", stranger.name, "--submission", name)
    assert said.code == 2
