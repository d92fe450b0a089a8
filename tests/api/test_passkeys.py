"""Passkeys: by invitation, for one person, good for one challenge on a page of ours alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app
from api.commands.context import login
from custody.entry import Act
from repository.approvals import mark, request
from repository.conditions import Marking
from repository.people import end_person, find_person, new_person, new_token
from tests.authenticator import PRESENT, Authenticator

OURS = {"Sec-Fetch-Site": "same-origin"}
V1 = "/api/v1"


class Clock:
    """The house's clock, which a test moves."""

    def __init__(self, house):
        self._clock, self._ahead = house.repo.clock, timedelta()

    def __call__(self):
        return self._clock() + self._ahead

    def move(self, **by):
        self._ahead += timedelta(**by)


@pytest.fixture
def clock(house):
    found = Clock(house)
    house.repo = replace(house.repo, clock=found)
    return found


@pytest.fixture
def app(house, clock):
    return create_app(house.repo)


def code_for(house, name, *options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVIDENCE_PUBLIC_URL", "https://evidence.example/")
        said = house.evidence("person", "invite", name, *options)
    assert said.code == 0, said.err
    assert said.lines[0]["url"].startswith("https://evidence.example/register#")
    assert said.lines[0]["url"].endswith(f"/register#{said.lines[0]['invitation']}")
    return said.lines[0]["invitation"]


def options(client, invitation=None, status=200):
    body = {"invitation": invitation} if invitation else {}
    answer = client.post(f"{V1}/passkeys/options", json=body, headers=OURS)
    assert answer.status_code == status, answer.text
    return answer.json.get("options")


def register(client, credential, label="my key"):
    body = {"credential": credential, "label": label}
    return client.post(f"{V1}/passkeys/registration", json=body, headers=OURS)


def registered(house, app, name):
    """Return a person's passkey, registered by invitation."""
    client, key = app.test_client(), Authenticator()
    made = register(client, key.make(options(client, code_for(house, name))))
    assert made.status_code == 201, made.text
    return key


def challenge(client):
    answer = client.post(f"{V1}/session/passkey/options", headers=OURS)
    assert answer.status_code == 200
    return answer.json["options"]


def sign_in(client, credential, headers=OURS):
    body = {"credential": credential}
    return client.post(f"{V1}/session/passkey", json=body, headers=headers)


def signed_in(app, key):
    client = app.test_client()
    assert sign_in(client, key.use(challenge(client))).status_code == 201
    return client


def reasons(house):
    found = [e.fields for e in house.entries() if e.fields["type"] == "sign_in"]
    return [(e["outcome"], e["reason"]) for e in found]


def test_who_was_invited_registers_a_passkey_and_signs_in_with_it(house, app):
    client, key = app.test_client(), Authenticator()
    asked = options(client, code_for(house, "analyst"))
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["rp"]["id"] == "localhost"
    assert register(client, key.make(asked)).json["label"] == "my key"
    entry = house.last("configuration_change")
    assert (entry["reason"], entry["actor"]["assurance"]) == ("passkey-registered", "invitation")
    asked = challenge(client)
    assert (asked["userVerification"], asked["allowCredentials"]) == ("required", [])
    answer = sign_in(client, key.use(asked))
    assert answer.status_code == 201
    assert (answer.json["person"]["name"], answer.json["session"]["way"]) == ("analyst", "passkey")
    assert house.last("sign_in")["actor"]["assurance"] == "passkey"
    assert client.get(f"{V1}/cases").status_code == 200
    assert client.get_cookie("evidence-pending") is None


def test_an_invitation_is_good_once_for_its_time_and_until_the_next(house, app, clock, monkeypatch):
    first = code_for(house, "analyst")
    code = code_for(house, "analyst", "--hours", "2")
    two = [app.test_client(), app.test_client()]
    options(two[0], first, 401)
    assert reasons(house)[-1] == ("refused", "invitation-used")  # by the later one
    asked = [options(client, code) for client in two]  # begun twice, ended once
    assert register(two[0], Authenticator().make(asked[0])).status_code == 201
    assert register(two[1], Authenticator().make(asked[1])).status_code == 401
    assert reasons(house)[-1] == ("refused", "invitation-used")
    options(two[0], code, 401)
    late = code_for(house, "analyst", "--hours", "2")
    clock.move(hours=3)
    options(two[0], late, 401)
    assert reasons(house)[-1] == ("refused", "invitation-expired")
    for wrong in ("x", f"{code.partition('.')[0]}.wrong", "a\0.b", "\u0641.\u0641"):
        answer = two[0].post(f"{V1}/passkeys/options", json={"invitation": wrong}, headers=OURS)
        assert answer.status_code in (400, 401)
    said = house.evidence("person", "invite", "analyst")  # where browsers go is a setting
    assert (said.code, house.last("configuration_change")["reason"]) == (2, "passkey-invited")
    assert "public_url" in said.err
    monkeypatch.setenv("EVIDENCE_PUBLIC_URL", "https://evidence.example")
    assert house.evidence("person", "invite", "analyst", "--hours", "999").code == 2
    assert house.evidence("person", "invite", "analyst", person="analyst").code == 4
    end_person(house.repo, house.custodian, house.caller("prosecutor").person, motive="left")
    options(two[0], code_for(house, "prosecutor"), 401)
    assert reasons(house)[-1] == ("refused", "person-ended")


WRONG = {
    "another origin": {"origin": "https://evil.example"},
    "another port": {"origin": "http://localhost:81"},
    "another service": {"rp": "evil.example"},
    "nobody verified": {"flags": PRESENT},
    "another challenge": {"challenge": "AAAA"},
}


def test_no_wrong_answer_registers_a_passkey(house, app):
    code = code_for(house, "analyst")
    for name, wrong in WRONG.items():
        client = app.test_client()
        made = Authenticator().make(options(client, code), **wrong)
        assert register(client, made).status_code == 401, name
        assert reasons(house)[-1] == ("refused", "passkey-not-proved"), name
    client = app.test_client()
    options(client, code)
    for broken in ({}, {"id": "x"}, {"id": 7, "response": []}):
        assert register(client, broken).status_code == 401
        options(client, code)
    assert house.evidence("person", "passkeys", "analyst").lines == []


def test_no_wrong_answer_signs_anybody_in(house, app):
    key, other = registered(house, app, "analyst"), Authenticator()
    for name, wrong in {**WRONG, "an answer to create": {"kind": "webauthn.create"}}.items():
        client = app.test_client()
        assert sign_in(client, key.use(challenge(client), **wrong)).status_code == 401, name
        assert reasons(house)[-1] == ("refused", "passkey-not-proved"), name
        assert client.get_cookie("evidence-session") is None, name
    client = app.test_client()
    assert sign_in(client, other.use(challenge(client))).status_code == 401
    assert reasons(house)[-1] == ("refused", "passkey-unknown")
    other.id = key.id  # another key under its name
    assert sign_in(client, other.use(challenge(client))).status_code == 401
    assert reasons(house)[-1] == ("refused", "passkey-not-proved")
    for broken in ({}, {"id": None}, {"id": "x", "response": {}}):
        challenge(client)
        assert sign_in(client, broken).status_code == 401


def test_a_challenge_is_good_once_and_for_the_browser_that_asked(house, app, clock):
    key = registered(house, app, "analyst")
    client, stranger = app.test_client(), app.test_client()
    answer = key.use(challenge(client))
    assert sign_in(stranger, answer).status_code == 401
    assert reasons(house)[-1] == ("refused", "passkey-not-begun")
    pending = client.get_cookie("evidence-pending").value
    assert sign_in(client, answer).status_code == 201
    client.set_cookie("evidence-pending", pending)
    assert sign_in(client, answer).status_code == 401
    assert reasons(house)[-1] == ("refused", "passkey-not-begun")
    late = key.use(challenge(client))
    clock.move(minutes=11)
    assert sign_in(client, late).status_code == 401
    fresh = key.use(challenge(client))
    assert sign_in(client, fresh, {"Sec-Fetch-Site": "cross-site"}).status_code == 401
    assert reasons(house)[-1] == ("refused", "cross-site-request")
    away = client.post(f"{V1}/session/passkey/options", headers={"Origin": "https://evil.example"})
    assert away.status_code == 401
    begun = options(client, code_for(house, "prosecutor"))  # a registration is no sign-in
    assert sign_in(client, key.use({**begun, "rpId": "localhost"})).status_code == 401


def test_a_counter_that_does_not_rise_means_a_copy(house, app):
    key = registered(house, app, "analyst")
    signed_in(app, key)
    signed_in(app, key)
    for count in (2, 1, 0):
        client = app.test_client()
        assert sign_in(client, key.use(challenge(client), count=count)).status_code == 401
        assert reasons(house)[-1] == ("refused", "passkey-counter")
    key.count = 2
    signed_in(app, key)
    still = registered(house, app, "prosecutor")  # one that does not count
    for _ in range(2):
        client = app.test_client()
        assert sign_in(client, still.use(challenge(client), count=0)).status_code == 201


def test_a_further_passkey_takes_a_recent_sign_in_with_one(house, app, clock):
    key = registered(house, app, "analyst")
    client = signed_in(app, key)
    assert register(client, Authenticator().make(options(client)), "second").status_code == 201
    listed = client.get(f"{V1}/passkeys").json["items"]
    assert [one["label"] for one in listed] == ["my key", "second"]
    clock.move(minutes=11)
    answer = client.post(f"{V1}/passkeys/options", json={}, headers=OURS)
    assert answer.json["type"].endswith("/step-up-required")
    answer = client.delete(f"{V1}/passkeys/{listed[1]['passkey']}", headers=OURS)
    assert answer.json["type"].endswith("/step-up-required")
    assert sign_in(client, key.use(challenge(client))).status_code == 201  # the step-up
    assert reasons(house)[-1] == ("done", "step-up")
    path = f"{V1}/passkeys/{listed[1]['passkey']}"
    assert client.delete(path, headers=OURS).status_code == 204
    assert client.delete(path, headers=OURS).status_code == 404
    assert client.get(f"{V1}/passkeys").status_code == 200  # its own session goes on
    with house.repo.database.reading() as session:
        person = find_person(session, "analyst")
    _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
    browser = app.test_client()
    browser.post(f"{V1}/session", headers={"Authorization": f"Bearer {token}"})
    options(browser, status=403)  # a stolen token becomes no passkey
    assert house.last("access_denied")["reason"] == "invitation-required"


def test_a_removed_passkey_opens_nothing_and_its_sessions_end(house, app):
    key = registered(house, app, "analyst")
    client = signed_in(app, key)
    [listed] = house.evidence("person", "passkeys", "analyst").lines
    stranger = signed_in(app, registered(house, app, "prosecutor"))
    path = f"{V1}/passkeys/{listed['passkey']}"
    assert stranger.delete(path, headers=OURS).status_code == 404  # somebody else's
    words = ("person", "passkeys", "analyst", "--remove", listed["passkey"])
    assert house.evidence(*words).code == 0
    assert house.last("configuration_change")["reason"] == "passkey-removed"
    assert client.get(f"{V1}/cases").status_code == 401
    assert stranger.get(f"{V1}/cases").status_code == 200
    assert sign_in(client, key.use(challenge(client))).status_code == 401
    assert reasons(house)[-1] == ("refused", "passkey-removed")
    assert house.evidence(*words).code == 2


# --- two persons are two


def test_two_accounts_of_one_human_being_are_not_two_deciders(house, app, tmp_path):
    with house.repo.database.reading() as session:
        first = find_person(session, login())
    new_person(house.repo, house.custodian, name="again", role="custodian", same_as=first)
    new_person(house.repo, house.custodian, name="other", role="custodian")
    (tmp_path / "a").write_bytes(b"a")
    [line] = house.ingest(tmp_path / "a")
    asking = house.caller(login())
    mark(house.repo, asking, line["exhibit"], Marking(sealed=True), motive="m")
    waits = request(house.repo, asking, Act.UNSEALING, line["exhibit"], motive="m", hours=1)
    path, body = f"{V1}/approvals/{waits.id}/decision", {"approve": True, "motive": "m"}
    key = registered(house, app, login())
    # The same passkey is taken for no second account, removed or not.
    for name in ("again", "other"):
        client = app.test_client()
        answer = register(client, key.make(options(client, code_for(house, name))))
        assert answer.status_code == 409
    for one in (key, registered(house, app, "again")):
        answer = signed_in(app, one).post(path, json=body, headers=OURS)
        assert answer.status_code == 403
        assert house.last("access_denied")["reasons"] == ["same-person"]
    second = signed_in(app, registered(house, app, "other"))
    assert second.post(path, json=body, headers=OURS).status_code == 200
