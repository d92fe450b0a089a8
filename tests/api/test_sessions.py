"""Sessions of browsers: begun and stepped up by a sign-in, ended on either side, each an entry."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app
from api.commands.context import login
from custody.entry import Act
from repository.approvals import mark, request
from repository.conditions import Marking
from repository.errors import AccessDenied
from repository.people import end_person, find_person, new_person, new_token, revoke_token
from tests.house import CODE

OURS = {"Origin": "http://localhost"}  # as a page of ours says it
COOKIE = "evidence-session"


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


def token(house, name, **more):
    with house.repo.database.reading() as session:
        person = find_person(session, name)
    made, text = new_token(house.repo, house.custodian, person=person, expires_at=None, **more)
    return made.id, {"Authorization": f"Bearer {text}"}


def signed_in(house, app, name):
    """Return a browser in which somebody signed in with a token."""
    client = app.test_client()
    answer = client.post("/api/v1/session", headers=token(house, name)[1])
    assert answer.status_code == 201, answer.text
    return client


def sign_ins(house):
    found = [e.fields for e in house.entries() if e.fields["type"] == "sign_in"]
    return [(e["outcome"], e["reason"]) for e in found]


def test_a_token_begins_a_session_that_no_script_reads_and_no_other_site_sends(house, app):
    client = app.test_client()
    answer = client.post("/api/v1/session", headers=token(house, "analyst")[1])
    said = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(said.split("; "))
    assert "Secure" not in said
    assert answer.json["person"]["name"] == "analyst"
    assert client.get("/api/v1/cases").json["items"][0]["case"] == CODE
    assert client.get("/api/v1/session").json == answer.json
    entry = house.last("sign_in")
    assert (entry["outcome"], entry["reason"]) == ("done", "session-begun")
    assert entry["actor"]["assurance"] == "token"
    secret = client.get_cookie(COOKIE).value.partition(".")[2]
    with house.repo.database.reading() as session:
        rows = str(session.connection().exec_driver_sql("SELECT * FROM web_session").all())
    assert secret not in rows


def test_under_tls_the_cookie_is_for_this_host_alone(house):
    settings = house.repo.settings.model_copy(update={"public_url": "https://evidence.example/"})
    client = create_app(replace(house.repo, settings=settings)).test_client()
    answer = client.post("/api/v1/session", headers=token(house, "analyst")[1])
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == f"__Host-{COOKIE}"
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(rest.split("; "))
    assert "Domain" not in rest


@pytest.mark.parametrize("host", ["evidence.example", "localhost.evil.example", "10.0.0.7:8080"])
def test_without_an_address_of_its_own_nobody_signs_in_from_elsewhere(house, app, host):
    client = app.test_client()
    answer = client.post(
        "/api/v1/session", headers=token(house, "analyst")[1], base_url=f"http://{host}"
    )
    assert answer.status_code == 400
    assert "public_url" in answer.json["detail"]


def test_a_page_may_ask_who_is_signed_in_without_an_entry(house, app):
    before = house.repo.ledger.size()
    answer = app.test_client().get("/api/v1/session")
    assert answer.json == {"signed_in": False, "person": None, "session": None, "providers": []}
    assert house.repo.ledger.size() == before
    wrong = app.test_client()
    wrong.set_cookie(COOKIE, "0123456789abcdef.wrong")
    assert wrong.get("/api/v1/session").status_code == 401
    wrong.set_cookie(COOKIE, "a\\000b.\u0641")
    assert wrong.get("/api/v1/session").status_code == 401
    assert sign_ins(house)[-1] == ("refused", "session-unknown")


FOREIGN = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:81"},
    {"Sec-Fetch-Site": "cross-site", **OURS},
    {"Sec-Fetch-Site": "same-site", **OURS},
    {"Sec-Fetch-Site": "none", **OURS},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_sites_page_changes_nothing_with_the_cookie(house, app, headers):
    client = signed_in(house, app, "investigator")
    body = {"code": "FORGED", "title": "t"}
    answer = client.post("/api/v1/cases", json=body, headers=headers)
    assert answer.status_code == 401
    assert sign_ins(house)[-1] == ("refused", "cross-site-request")
    assert house.last("sign_in")["actor"]["id"] == house.caller("investigator").person.id
    assert client.post("/api/v1/cases", json=body, headers=OURS).status_code == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_reads_nothing_with_the_cookie(house, app, site):
    client = signed_in(house, app, "analyst")
    assert client.get("/api/v1/cases", headers={"Sec-Fetch-Site": site}).status_code == 401
    assert client.get("/api/v1/cases", headers={"Sec-Fetch-Site": "none"}).status_code == 200


def test_signing_out_ends_it_on_both_sides(house, app):
    client = signed_in(house, app, "analyst")
    old = client.get_cookie(COOKIE).value
    assert client.delete("/api/v1/session", headers=OURS).status_code == 204
    assert sign_ins(house)[-1] == ("done", "signed-out")
    assert client.get_cookie(COOKIE) is None
    client.set_cookie(COOKIE, old)
    assert client.get("/api/v1/cases").status_code == 401
    assert sign_ins(house)[-1] == ("refused", "session-ended")


def test_it_ends_unused_and_in_any_case(house, app, clock):
    client = signed_in(house, app, "analyst")
    clock.move(minutes=29)
    assert client.get("/api/v1/cases").status_code == 200
    clock.move(minutes=29)
    assert client.get("/api/v1/cases").status_code == 200
    clock.move(minutes=31)
    assert client.get("/api/v1/cases").status_code == 401
    assert sign_ins(house)[-1] == ("refused", "session-expired")
    busy = signed_in(house, app, "analyst")
    for _ in range(12 * 60 // 20):
        assert busy.get("/api/v1/session").status_code == 200
        clock.move(minutes=20)
    assert busy.get("/api/v1/session").status_code == 401
    assert sign_ins(house)[-1] == ("refused", "session-expired")


def test_it_ends_with_its_token_and_with_its_person(house, app):
    made, headers = token(house, "analyst")
    client = app.test_client()
    client.post("/api/v1/session", headers=headers)
    revoke_token(house.repo, house.custodian, made)
    assert client.get("/api/v1/cases").status_code == 401
    assert sign_ins(house)[-1] == ("refused", "token-revoked")
    other = signed_in(house, app, "prosecutor")
    end_person(house.repo, house.custodian, house.caller("prosecutor").person, motive="left")
    assert other.get("/api/v1/cases").status_code == 401
    assert house.evidence("session", "list").lines == []


def test_a_token_for_one_submission_begins_no_session(house, app, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    [line] = house.ingest(tmp_path / "a")
    _, headers = token(house, "investigator", submission=line["submission"])
    assert app.test_client().post("/api/v1/session", headers=headers).status_code == 403


def test_the_command_line_lists_and_ends_sessions(house, app):
    client = signed_in(house, app, "analyst")
    [listed] = house.evidence("session", "list").lines
    assert (listed["name"], listed["way"]) == ("analyst", "token")
    assert house.last("consultation")["reason"] == "session-list"
    assert house.evidence("session", "list", person="analyst").code == 4
    assert house.evidence("session", "end", listed["session"]).code == 0
    assert sign_ins(house)[-1] == ("done", "ended-by-another")
    assert client.get("/api/v1/cases").status_code == 401
    assert house.evidence("session", "end", "nothing").code == 2


@pytest.mark.parametrize("what", ["session", "token", "person"])
def test_what_is_being_read_breaks_off_with_what_it_rests_on(house, app, tmp_path, what):
    (tmp_path / "a").write_bytes(bytes(20 << 20))
    [line] = house.ingest(tmp_path / "a")
    made, headers = token(house, "analyst")
    client = app.test_client()
    if what != "token":
        client.post("/api/v1/session", headers=headers)
        headers = {}
    answer = client.get(
        f"/api/v1/exhibits/{line['exhibit']}/content",
        headers={"Evidence-Purpose": "analysis", **headers},
    )
    blocks = iter(answer.response)
    got = len(next(blocks))
    if what == "session":
        [listed] = house.evidence("session", "list").lines
        house.evidence("session", "end", listed["session"])
    elif what == "token":
        revoke_token(house.repo, house.custodian, made)
    else:
        end_person(house.repo, house.custodian, house.caller("analyst").person, motive="left")
    with pytest.raises(AccessDenied):
        got += sum(len(block) for block in blocks)
    assert house.last("retrieval")["reason"] == "access-ended"
    assert house.last("retrieval")["ranges"] == [[0, (16 << 20) - 1]]


# --- step-up


@pytest.fixture
def asked(house, tmp_path):
    """Return an unsealing that waits for a decision, and its case's other custodian."""
    new_person(house.repo, house.custodian, name="second", role="custodian")
    (tmp_path / "a").write_bytes(b"a")
    [line] = house.ingest(tmp_path / "a", source="A. Witness")
    first = house.caller(login())
    mark(house.repo, first, line["exhibit"], Marking(sealed=True), motive="m")
    return line["exhibit"], request(
        house.repo, first, Act.UNSEALING, line["exhibit"], motive="m", hours=1
    ).id


def test_a_decision_needs_a_recent_sign_in(house, app, clock, asked):
    _, approval = asked
    client = signed_in(house, app, "second")
    clock.move(minutes=10)
    path, body = f"/api/v1/approvals/{approval}/decision", {"approve": True, "motive": "m"}
    assert client.get("/api/v1/approvals").status_code == 200  # to look needs none
    answer = client.post(path, json=body, headers=OURS)
    assert answer.status_code == 401
    assert answer.json["type"].endswith("/step-up-required")
    assert answer.json["max_age"] == 600
    challenge = answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert "max_age=600" in challenge
    refused = house.last("access_denied")
    assert refused["reasons"] == ["step-up-required"]
    assert refused["attempted"] == "approval_given"
    before = client.get_cookie(COOKIE).value
    assert client.post("/api/v1/session", headers=token(house, "second")[1]).status_code == 201
    assert sign_ins(house)[-1] == ("done", "step-up")
    after = client.get_cookie(COOKIE).value
    assert before.partition(".")[0] == after.partition(".")[0]  # the same session, a new secret
    assert before != after
    assert client.post(path, json=body, headers=OURS).status_code == 200
    stolen = app.test_client()
    stolen.set_cookie(COOKIE, before)
    assert stolen.get("/api/v1/session").status_code == 401


def test_disclosure_and_a_sources_name_need_a_recent_sign_in(house, app, clock, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    [line] = house.ingest(tmp_path / "a")
    client = signed_in(house, app, "prosecutor")
    clock.move(minutes=11)
    path = f"/api/v1/exhibits/{line['exhibit']}"
    purpose = {"Evidence-Purpose": "disclosure", **OURS}
    party = {"party": "defence"}
    answer = client.post(f"{path}/disclosures", json=party, headers=purpose)
    assert answer.json["type"].endswith("/step-up-required")
    answer = client.post(f"{path}/source", json={"motive": "m"}, headers=OURS)
    assert answer.json["type"].endswith("/step-up-required")
    client.post("/api/v1/session", headers=token(house, "prosecutor")[1])
    assert client.post(f"{path}/disclosures", json=party, headers=purpose).status_code == 201
    answer = client.post(f"{path}/source", json={"motive": "m"}, headers=OURS)
    assert answer.status_code == 403  # two persons did not permit it


def test_asking_for_an_unsealing_and_an_erasure_and_deciding_need_a_recent_sign_in(
    house, app, clock, asked
):
    number, _ = asked
    clients = [signed_in(house, app, name) for name in (login(), "second")]
    clock.move(minutes=11)
    order = {"exhibit": number, "order": f"sha256:{'a' * 64}", "motive": "judgment 7"}
    unseal = {"act": "unsealing", "subject": number, "motive": "m"}
    for path, asks, made in (("approvals", unseal, "approval"), ("erasures", order, "erasure")):
        what, body = f"/api/v1/{path}", asks
        for client, name in zip(clients, (login(), "second"), strict=True):
            answer = client.post(what, json=body, headers=OURS)
            assert answer.json["type"].endswith("/step-up-required"), what
            assert house.last("access_denied")["reasons"] == ["step-up-required"]
            client.post("/api/v1/session", headers=token(house, name)[1])
            answer = client.post(what, json=body, headers=OURS)
            assert answer.status_code in (200, 201), answer.text
            # The other one decides.
            what = f"/api/v1/{path}/{answer.json[made]}/decision"
            body = {"approve": True, "motive": "m"}
        clock.move(minutes=11)
    assert answer.json["state"] == "erased"


def test_who_may_not_do_it_is_not_asked_to_sign_in_again(house, app, clock, asked):
    number, approval = asked
    client = signed_in(house, app, "analyst")
    clock.move(minutes=11)
    body = {"approve": True, "motive": "m"}
    answer = client.post(f"/api/v1/approvals/{approval}/decision", json=body, headers=OURS)
    assert answer.status_code in (403, 404)
    assert "step-up" not in answer.json["type"]
    answer = client.post(
        f"/api/v1/exhibits/{number}/disclosures", json={"party": "defence"},
        headers={"Evidence-Purpose": "disclosure", **OURS},
    )  # fmt: skip
    assert answer.status_code == 404  # sealed: not even that it is there


def test_a_tokens_own_requests_prove_who_asks_each_time(house, app, asked):
    _, approval = asked
    _, headers = token(house, "second")
    answer = app.test_client().post(
        f"/api/v1/approvals/{approval}/decision", json={"approve": False, "motive": "m"},
        headers=headers,
    )  # fmt: skip
    assert answer.status_code == 200


def test_somebody_elses_sign_in_in_the_same_browser_ends_the_session_before(house, app):
    client = signed_in(house, app, "analyst")
    old = client.get_cookie(COOKIE).value
    client.post("/api/v1/session", headers=token(house, "prosecutor")[1])
    assert sign_ins(house)[-2:] == [("done", "session-replaced"), ("done", "session-begun")]
    assert client.get("/api/v1/session").json["person"]["name"] == "prosecutor"
    other = app.test_client()
    other.set_cookie(COOKIE, old)
    assert other.get("/api/v1/session").status_code == 401
