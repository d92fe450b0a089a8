"""The same request sent twice has one effect; pages and tags keep their word."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app
from api.commands.context import login
from ingest import completion
from repository import once
from repository.errors import IdempotencyKeyInUse
from tests.house import CODE, reopen

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


@pytest.fixture
def client(house):
    return create_app(house.repo).test_client()


@pytest.fixture
def as_(house):
    def headers(name):
        return {"Authorization": f"Bearer {house.evidence('token', 'new', name).lines[0]['token']}"}

    return headers


def exhibits(client, headers):
    return client.get(f"/api/v1/exhibits?case={CODE}", headers=headers).json["items"]


def send(client, headers, data=b"bytes", path="a.txt", query=""):
    said = {**headers, **KEY, "Evidence-Path": path}
    return client.post(f"/api/v1/exhibits?case={CODE}{query}", data=data, headers=said)


def test_an_exhibit_sent_twice_is_registered_once_also_after_a_restart(client, as_, house):
    headers = as_("investigator")
    first = send(client, headers)
    again = send(client, headers)
    reopened = reopen(house.repo.settings)
    third = send(create_app(reopened).test_client(), headers)
    reopened.close()
    assert [a.status_code for a in (first, again, third)] == [201] * 3
    assert len({(a.json["exhibit"], a.json["body"], a.headers["ETag"]) for a in
                (first, again, third)}) == 1  # fmt: skip
    assert len(exhibits(client, headers)) == 1


def test_a_key_is_good_for_one_request(client, as_):
    headers = as_("investigator")
    assert send(client, headers).status_code == 201
    for other in (
        send(client, headers, data=b"other"),
        send(client, headers, data=b"others are longer"),
        send(client, headers, path="b.txt"),
        send(client, headers, query="&family=social"),
        client.post("/api/v1/cases", json={"code": "A1", "title": "t"}, headers={**headers, **KEY}),
    ):
        assert other.status_code == 422
        assert other.json["type"].endswith("/idempotency-key-reused")
    assert len(exhibits(client, headers)) == 1


def test_a_key_is_its_persons_own(client, as_):
    first = send(client, as_("investigator"))
    second = send(client, as_(login()))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["exhibit"] != second.json["exhibit"]
    assert send(client, as_("stranger")).status_code == 404  # who may not ask gets no answer


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, "\u00e9"])
def test_a_malformed_key_is_refused(client, as_, key):
    headers = {**as_("investigator"), "Idempotency-Key": key}
    made = client.post("/api/v1/cases", json={"code": "A1", "title": "t"}, headers=headers)
    assert made.status_code == 400


def test_cases_and_submissions_sent_twice_are_begun_once(client, as_, house):
    headers = {**as_("investigator"), **KEY}
    for _ in range(2):
        made = client.post("/api/v1/cases", json={"code": "A1", "title": "t"}, headers=headers)
        assert (made.status_code, made.json["case"]) == (201, "A1")
    other = client.post("/api/v1/cases", json={"code": "A2", "title": "t"}, headers=headers)
    assert other.status_code == 422
    assert house.types().count("case_opened/done") == 3  # with the two that the house began with
    headers["Idempotency-Key"] = "another"
    begun = [
        client.post("/api/v1/submissions", json={"case": CODE}, headers=headers) for _ in range(2)
    ]
    assert [a.status_code for a in begun] == [201, 201]
    assert begun[0].json["submission"] == begun[1].json["submission"]


def test_an_act_of_two_persons_asked_for_twice_waits_once(client, as_, house):
    number = client.post(
        f"/api/v1/exhibits?case={CODE}", data=b"x", headers=as_("investigator")
    ).json["exhibit"]
    order = {"exhibit": number, "order": f"sha256:{'a' * 64}", "motive": "m"}
    unseal = {"act": "unsealing", "subject": number, "motive": "m"}
    for path, body, name in (("approvals", unseal, "approval"), ("erasures", order, "erasure")):
        headers = {**as_(login()), "Idempotency-Key": "k"}
        made = [
            client.post(f"/api/v1/{path}", json=body, headers=headers).json.get(name)
            for _ in range(2)
        ]
        if path == "erasures":  # the same key with another request
            assert made == [None, None]
            headers["Idempotency-Key"] = "other"
            made = [
                client.post(f"/api/v1/{path}", json=body, headers=headers).json[name]
                for _ in range(2)
            ]
        assert made[0] == made[1]
        assert len(client.get(f"/api/v1/{path}", headers=as_(login())).json["items"]) == 1


def test_wrong_bytes_sent_twice_are_kept_once(client, as_, house):
    headers = {**as_("investigator"), "Repr-Digest": f"sha-256=:{'A' * 43}=:"}
    answers = [send(client, headers) for _ in range(2)]
    assert [a.status_code for a in answers] == [422, 422]
    assert answers[0].json["quarantine"] == answers[1].json["quarantine"]
    assert house.types().count("quarantine/done") == 1


def test_sixteen_at_once_have_one_effect(house, as_):
    headers = as_("investigator")
    app = create_app(house.repo)
    answers, start = [], threading.Barrier(16)

    def ask(n):
        start.wait()
        client = app.test_client()
        if n % 2:
            answers.append(send(client, headers).status_code)
            return
        key = {**headers, "Idempotency-Key": "c"}
        said = {"code": "A1", "title": "t"}
        answers.append(client.post("/api/v1/cases", json=said, headers=key).status_code)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(answers) <= {201, 409}
    assert answers.count(201) >= 2
    assert send(app.test_client(), headers).status_code == 201
    assert len(exhibits(app.test_client(), headers)) == 1
    assert house.types().count("case_opened/done") == 3


def test_a_request_whose_process_died_is_taken_over_after_its_lease(house):
    repo, person = house.repo, house.custodian.id
    first = once.claim(repo, person, "k", "f")
    with pytest.raises(IdempotencyKeyInUse):
        once.claim(repo, person, "k", "f")
    later = replace(repo, clock=lambda: repo.clock() + once.LEASE + timedelta(seconds=1))
    again = once.claim(later, person, "k", "f")
    assert (again.made, first.again, again.again) == (first.made, False, True)
    once.settle(repo, again)
    assert once.forget_old(repo) == 0
    old = replace(repo, clock=lambda: repo.clock() + once.LIFE + timedelta(seconds=1))
    assert once.claim(old, person, "k", "another request").made != first.made
    much_later = replace(repo, clock=lambda: repo.clock() + 3 * once.LIFE)
    assert once.forget_old(much_later) == 1


def test_cases_submissions_and_entries_come_in_pages(client, as_, house):
    headers = as_("investigator")
    for n in range(4):
        house.evidence("case", "new", f"P{n}", "--title", "t", person="investigator")
        client.post("/api/v1/submissions", json={"case": CODE}, headers=headers)
    number = send(client, headers).json["exhibit"]
    for path, name in (
        ("/api/v1/cases?", "case"),
        (f"/api/v1/submissions?case={CODE}&", "submission"),
        (f"/api/v1/exhibits/{number}/custody?", "index"),
    ):
        whole = [one[name] for one in client.get(path, headers=headers).json["items"]]
        seen, cursor = [], ""
        for _ in range(20):
            page = client.get(
                f"{path}limit=1{cursor and '&cursor=' + cursor}", headers=headers
            ).json
            seen += [one[name] for one in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert cursor is None
        assert seen[: len(whole)] == whole
        assert len(seen) <= len(whole) + 1  # of an exhibit's entries the first look is one more
        assert len(set(seen)) == len(seen) >= 4


def test_a_cursor_is_good_for_its_own_list_alone(client, as_, house):
    headers = as_("investigator")
    for n in range(2):
        send(client, {**headers, "Idempotency-Key": f"k{n}"})
        house.evidence("case", "new", f"P{n}", "--title", "t", person="investigator")
    cursor = client.get("/api/v1/cases?limit=1", headers=headers).json["next"]
    for path in (f"/api/v1/exhibits?case={CODE}&", f"/api/v1/submissions?case={CODE}&"):
        assert client.get(f"{path}cursor={cursor}", headers=headers).status_code == 400
    for changed in (cursor[:-1], cursor + "A", "A" + cursor[1:], "", "%00", "=", "\u00e9"):
        got = client.get("/api/v1/cases", query_string={"cursor": changed}, headers=headers)
        assert got.status_code == 400, changed


def test_what_did_not_change_is_not_sent_again(client, as_):
    headers = as_("investigator")
    first = client.get(f"/api/v1/cases/{CODE}", headers=headers)
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get(f"/api/v1/cases/{CODE}", headers={**headers, **tag})
    assert (again.status_code, again.data) == (304, b"")
    send(client, headers)
    assert client.get(f"/api/v1/cases/{CODE}", headers={**headers, **tag}).status_code == 200


def test_what_changed_meanwhile_is_not_completed_unseen(client, as_, monkeypatch):
    headers = as_("investigator")
    place = client.post("/api/v1/submissions", json={"case": CODE}, headers=headers).headers[
        "Location"
    ]
    seen = client.get(place, headers=headers).headers["ETag"]
    query = f"&submission={place.rpartition('/')[2]}"
    assert send(client, headers, query=query).status_code == 201
    said = {**headers, "If-Match": seen, "Content-Type": "application/json"}
    refused = client.post(f"{place}/complete", data=json.dumps({}), headers=said)
    assert refused.status_code == 412
    assert refused.json["type"].endswith("/precondition-failed")
    lines = {**headers, "If-Match": seen, "Content-Type": "application/x-ndjson"}
    assert client.put(f"{place}/list", data=b"", headers=lines).status_code == 412
    said["If-Match"] = client.get(place, headers=headers).headers["ETag"]
    lines["If-Match"] = said["If-Match"]

    def busy(*_arguments):  # somebody else hands in, after the tag was compared and before the end
        late = client.post(f"/api/v1/exhibits?case={CODE}{query}", data=b"late", headers=headers)
        assert late.status_code == 201
        return []

    with monkeypatch.context() as patch:
        patch.setattr(completion, "_open_uploads", busy)
        late = client.post(f"{place}/complete", data=json.dumps({}), headers=said)
    assert late.status_code == 412
    assert client.get(place, headers=headers).json["completed_at"] is None
    assert client.put(f"{place}/list", data=b"", headers=lines).status_code == 412
    said["If-Match"] = client.get(place, headers=headers).headers["ETag"]
    assert client.post(f"{place}/complete", data=json.dumps({}), headers=said).status_code == 201
