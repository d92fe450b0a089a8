"""Decisions of two persons, people and their parts in cases, as pages."""

import re
from dataclasses import replace

import pytest

from api.app import create_app
from repository import erasure
from repository.approvals import mark
from repository.conditions import Marking
from repository.passkeys import NewKey, add, invited
from repository.people import find_person, new_person, new_token
from tests.api.test_sessions import Clock
from tests.web import sign_in, text

HOSTILE = "</textarea><script>alert(1)</script>"


@pytest.fixture
def clock(house):
    found = Clock(house)
    house.repo = replace(house.repo, clock=found)
    return found


@pytest.fixture
def client(house, clock):
    new_person(house.repo, house.custodian, name="second", role="custodian")
    client = create_app(house.repo).test_client()
    sign_in(client, house, "custodian")
    return client


@pytest.fixture
def loosening(house, client, files):
    """Return what the first custodian asked for: to loosen the marking of an exhibit."""
    house.ingest(files)
    first = house.caller_of_login()
    mark(house.repo, first, "KRN-000001", Marking(tlp="RED", sealed=False), motive="as given")
    _, waiting = mark(house.repo, first, "KRN-000001", Marking(tlp="GREEN"), motive=HOSTILE)
    return waiting.id


def test_a_second_person_decides_and_the_first_sees_what_became_of_it(house, client, loosening):
    mine = client.get("/decisions")
    assert "you asked; another decides" in text(mine.text)
    assert "<script>alert" not in mine.text
    own = client.post(f"/decisions/{loosening}", data={"act": "approve", "motive": "m"})
    assert own.status_code == 403
    sign_in(client, house, "second")
    shown = client.get(f"/decisions/{loosening}")
    assert re.search(r"tlp.*RED.*GREEN", text(shown.text))
    assert "<script>alert" not in shown.text
    without = client.post(f"/decisions/{loosening}", data={"act": "approve", "motive": ""})
    assert without.status_code == 400
    done = client.post(f"/decisions/{loosening}", data={"act": "approve", "motive": HOSTILE})
    assert done.status_code == 303
    assert house.last("approval_given")["outcome"] == "done"
    assert "Nothing waits for a second person" in text(client.get("/decisions").text)
    assert client.get(f"/decisions/{loosening}").status_code == 404
    sign_in(client, house, "custodian")
    assert re.search(r"approved second", text(client.get("/decisions").text))


def test_a_decision_takes_a_sign_in_that_is_not_long_ago_and_keeps_what_was_typed(
    house, client, clock, loosening
):
    sign_in(client, house, "second")
    clock.move(minutes=house.repo.settings.step_up_minutes + 1)
    answer = client.post(f"/decisions/{loosening}", data={"act": "refuse", "motive": "a <motive>"})
    assert answer.status_code == 401
    assert "Confirm that it is you" in text(answer.text)
    assert "a &lt;motive&gt;" in answer.text
    assert f'action="/decisions/{loosening}"' in answer.text
    sign_in(client, house, "second")
    done = client.post(f"/decisions/{loosening}", data={"act": "refuse", "motive": "a <motive>"})
    assert done.status_code == 303
    assert house.last("approval_refused")["outcome"] == "done"


def test_an_erasure_says_that_nobody_can_undo_it(house, client, loosening):
    order = "sha256:" + "a" * 64
    row = erasure.request(
        house.repo, house.caller_of_login(), "KRN-000002", order=order, motive="by order"
    )
    sign_in(client, house, "second")
    shown = text(client.get(f"/decisions/{row.id}").text)
    assert "Nobody can undo this" in shown
    assert order in shown
    done = client.post(f"/decisions/{row.id}", data={"act": "refuse", "motive": "not yet"})
    assert done.status_code == 303


def test_whoever_is_no_custodian_sees_what_they_asked_for_alone(house, client, loosening):
    sign_in(client, house, "investigator")
    asked = client.post(
        "/decisions",
        data={"act": "unsealing", "subject": "KRN-000001", "hours": "8", "motive": "the hearing"},
    )
    assert asked.status_code == 303
    seen = text(client.get("/decisions").text)
    assert "the hearing" in seen
    assert "as given" not in seen
    assert "Waits for a second person" not in seen
    assert client.get(f"/decisions/{loosening}").status_code == 403
    wrong = client.post("/decisions", data={"act": "x", "subject": "KRN-000001", "motive": "m"})
    assert wrong.status_code == 400
    assert 'value="KRN-000001"' in wrong.text


def test_people_are_the_custodians(house, client):
    for person, status in (("custodian", 200), ("analyst", 403), ("prosecutor", 403)):
        sign_in(client, house, person)
        for path in ("/people", f"/people/{house.custodian.id}", "/cases/KRN/people"):
            assert client.get(path).status_code == status, (person, path)


def test_somebody_is_registered_let_in_and_out(house, client):
    made = client.post(
        "/people", data={"name": f"Ana {HOSTILE}", "role": "analyst", "organisation": "NCB"}
    )
    assert made.status_code == 303
    again = client.post("/people", data={"name": f"Ana {HOSTILE}", "role": "analyst"})
    assert again.status_code == 409
    assert "<script>alert" not in client.get("/people").text + again.text
    person = made.headers["Location"].rpartition("/")[2]
    where = "/cases/KRN/people"
    wrong = client.post(where, data={"act": "in", "person": person, "role": "counsel"})
    assert wrong.status_code == 400
    let = client.post(
        where, data={"act": "in", "person": person, "role": "counsel", "party": "The <defence>"}
    )
    assert let.status_code == 303
    listed = client.get(where)
    assert "The <defence>" in text(listed.text)
    assert "<defence>" not in listed.text
    assert "KRN" in text(client.get(f"/people/{person}").text)
    assert client.post(
        where, data={"act": "out", "person": person, "role": "counsel"}
    ).status_code == 303  # fmt: skip
    assert house.last("access_revocation")["outcome"] == "done"
    assert client.post(
        where, data={"act": "in", "person": "nobody", "role": "analyst"}
    ).status_code == 404  # fmt: skip


def test_letting_in_takes_a_sign_in_that_is_not_long_ago(house, client, clock):
    clock.move(minutes=house.repo.settings.step_up_minutes + 1)
    for path, data in (
        ("/cases/KRN/people", {"act": "in", "person": "stranger", "role": "analyst"}),
        (f"/people/{house.custodian.id}", {"act": "token"}),
        (f"/people/{house.custodian.id}", {"act": "invite", "hours": "5"}),
    ):
        assert client.post(path, data=data).status_code == 401, data


def test_what_a_person_signs_in_with_is_given_once_and_taken_away(house, client):
    with house.repo.database.reading() as session:
        analyst = find_person(session, "analyst")
    where = f"/people/{analyst.id}"
    shown = client.post(where, data={"act": "invite", "hours": "5"})
    [address] = re.findall(r"(http://localhost/register#[^<]+)</code>", shown.text)
    row, person = invited(house.repo, address.partition("#")[2])
    assert person.id == analyst.id
    assert address not in client.get(where).text
    issued = client.post(where, data={"act": "token", "until": "2099-01-01"})
    [secret] = re.findall(r'id="token">.*?<code dir="ltr">([^<]+)</code>', issued.text, re.S)
    token = secret.partition(".")[0]
    assert secret not in client.get(where).text
    key = add(house.repo, analyst.id, NewKey("c", b"k", 0, HOSTILE), invitation=row.id)
    sign_in(create_app(house.repo).test_client(), house, "analyst")
    page = client.get(where)
    assert "<script>alert" not in page.text
    [open_] = re.findall(r'name="which" value="([^"]+)"><button[^>]*value="session"', page.text)
    for act, which, reason in (
        ("passkey", key.id, "passkey-removed"), ("revoke", token, "token-revoked"),
    ):  # fmt: skip
        assert client.post(where, data={"act": act, "which": which}).status_code == 303
        assert house.last("configuration_change")["reason"] == reason
    assert open_
    other, _ = new_token(house.repo, house.custodian, person=house.caller("stranger").person,
                         expires_at=None)  # fmt: skip
    assert client.post(where, data={"act": "revoke", "which": other.id}).status_code == 400
    for data in ({"act": "token", "until": "2001-01-01"}, {"act": "invite", "hours": "x"}, {}):
        assert client.post(where, data=data).status_code == 400, data


def test_all_that_a_person_may_do_is_ended_with_a_motive(house, client):
    with house.repo.database.reading() as session:
        analyst = find_person(session, "analyst")
    where = f"/people/{analyst.id}"
    assert client.post(where, data={"act": "end", "motive": ""}).status_code == 400
    assert client.post(where, data={"act": "end", "motive": "left us"}).status_code == 303
    assert "This person may do nothing any more" in text(client.get(where).text)
    own = client.post(f"/people/{house.custodian.id}", data={"act": "end", "motive": "m"})
    assert own.status_code == 400


def test_an_exhibit_is_marked_kept_and_ordered_erased_from_its_page(house, client, files):
    house.ingest(files)
    where = "/exhibits/KRN-000001/rules"
    shown = client.get(where)
    assert "No matter keeps it" in text(shown.text)
    assert f'href="{where}"' in client.get("/exhibits/KRN-000001").text
    for wrong in (
        {"act": "hold", "matter": "", "motive": "m"}, {"act": "hold", "matter": "m", "motive": ""},
        {"act": "erase", "order": "x", "motive": "m"}, {"act": "free", "hold": "HLD-1"}, {},
        {"act": "mark", "sealed": "yes", "named": "nobody <b>", "motive": "m"},
    ):  # fmt: skip
        assert client.post(where, data=wrong).status_code in (400, 404), wrong
    tight = {"act": "mark", "tlp": "RED", "excluded_uses": "immigration", "motive": "as given"}
    assert client.post(where, data=tight).status_code == 303
    assert house.last("handling_change")["handling"]["tlp"] == "RED"
    kept = client.get(where).text
    assert '<option value="RED" selected>' in kept
    assert 'id="excluded_uses-immigration" name="excluded_uses" value="immigration" checked' in kept
    loose = {**tight, "tlp": "GREEN", "motive": HOSTILE}
    asked = client.post(where, data=loose, follow_redirects=True)
    assert "until another custodian decides" in text(asked.text)
    hold = {"act": "hold", "matter": "<b>trial 9", "motive": "asked for"}
    placed = client.post(where, data=hold, follow_redirects=True)
    assert "&lt;b&gt;trial 9" in placed.text
    order = {"act": "erase", "order": f"SHA256:{'AB' * 32}", "motive": "by order"}
    held = client.post(where, data=order)
    assert (held.status_code, house.last("access_denied")["reasons"]) == (409, ["on-hold"])
    name = re.search(r"HLD-[0-9a-f-]+", placed.text).group()
    assert client.post(where, data={"act": "free", "hold": name, "motive": "m"}).status_code == 303
    waiting = text(client.get("/decisions").text)
    assert "Release a hold" in waiting
    assert "Loosen a marking" in waiting
    other = client.post("/exhibits/KRN-000002/rules", data=order)
    assert other.status_code == 303
    assert house.last("deletion_requested")["inputs"] == [f"sha256:{'ab' * 32}"]
    sign_in(client, house, "investigator")
    assert "Ask for its erasure" not in text(client.get(where).text)
    assert client.post("/exhibits/KRN-000003/rules", data=order).status_code == 403
