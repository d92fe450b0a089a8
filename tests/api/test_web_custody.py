"""What needs a person, quarantine and the ledger as pages: who sees them, and what they tell."""

import csv
import io
import re

import pytest

from api.app import create_app
from api.web import words
from ingest import wellbeing
from repository.approvals import mark
from repository.cases import open_case
from repository.conditions import Marking
from repository.people import new_person
from tests.web import sign_in, text

HOSTILE = "=1+1<script>alert(1)</script>\u202e"


@pytest.fixture
def client(house):
    new_person(house.repo, house.custodian, name="auditor", role="auditor")
    client = create_app(house.repo).test_client()
    sign_in(client, house, "custodian")
    return client


@pytest.fixture
def held(house, tmp_path):
    """Return the id of bytes in quarantine."""
    file = tmp_path / "a<img src=x onerror=alert(1)>.txt"
    file.write_bytes(b"what came")
    said = house.evidence(
        "ingest", file, "--case", "KRN", "--no-extract", "--sha256", "0" * 64, person="investigator"
    )
    assert said.code == 1
    [line] = [one for one in said.lines if one.get("quarantine")]
    return line["quarantine"]


def test_pages_are_for_whom_the_commands_and_the_service_are_for(house, client):
    seen = {"/work": "custodian auditor", "/work/quarantine": "custodian",
            "/work/differing": "custodian", "/ledger": "custodian auditor",
            "/ledger/0": "custodian auditor", "/ledger/accesses": "custodian auditor",
            "/ledger/accesses.csv": "custodian auditor"}  # fmt: skip
    for person in ("custodian", "auditor", "analyst", "prosecutor", "investigator"):
        sign_in(client, house, person)
        for path, roles in seen.items():
            status = client.get(path).status_code
            assert status == (200 if person in roles.split() else 403), (person, path)
            if status == 403:
                assert house.last("access_denied")["outcome"] == "refused"


def test_what_needs_a_person_leads_to_where_one_acts(house, client, held):
    found = client.get("/work")
    assert '<tr id="m-quarantine">' in found.text.split('id="rest"')[0]
    assert 'href="/work/quarantine"' in found.text
    assert "1 held" in text(found.text)
    for one in wellbeing.measures(house.repo):
        assert words.language("ar").has(f"work.m_{one.name}"), one.name
    sign_in(client, house, "auditor")
    assert 'href="/work/quarantine"' not in client.get("/work").text


def test_quarantine_is_looked_at_and_decided_with_a_motive(house, client, held):
    listed = client.get("/work/quarantine")
    assert f"/work/quarantine/{held}" in listed.text
    assert "<img" not in listed.text
    shown = client.get(f"/work/quarantine/{held}")
    assert "00000000" in shown.text
    assert "differs" in text(shown.text)
    without = client.post(f"/work/quarantine/{held}", data={"act": "release", "motive": ""})
    assert without.status_code == 400
    assert "Nothing was decided" in text(without.text)
    done = client.post(f"/work/quarantine/{held}", data={"act": "release", "motive": HOSTILE})
    assert done.status_code == 303
    assert "It is the exhibit KRN-000001 now" in text(client.get("/work/quarantine").text)
    again = client.post(f"/work/quarantine/{held}", data={"act": "reject", "motive": "m"})
    assert again.status_code == 404


def test_what_is_rejected_stays_out(house, client, held):
    done = client.post(f"/work/quarantine/{held}", data={"act": "reject", "motive": "not ours"})
    assert done.status_code == 303
    assert house.last("approval_refused")["reason"] == "quarantine-rejected"
    assert "Nothing is held" in text(client.get("/work/quarantine").text)


def test_stored_bytes_that_differ_are_listed(house, client, files):
    house.ingest(files)
    assert "Every object that was read again" in text(client.get("/work/differing").text)
    house.flip("KRN-000001")
    assert house.evidence("verify", "--objects", "KRN-000001").code == 1
    listed = text(client.get("/work/differing").text)
    assert "KRN-000001" in listed
    assert "/work/differing" in client.get("/work").text


def rows(html):
    """Return the indexes of the entries that a page lists."""
    return [int(one) for one in re.findall(r'<a href="/ledger/(\d+)">\1</a>', html)]


def test_entries_are_shown_newest_first_and_filtered(house, client, files):
    house.ingest(files)
    size = house.repo.ledger.size()
    listed = client.get("/ledger")
    found = rows(listed.text)
    assert found == sorted(found, reverse=True)
    assert found[0] == size - 1
    assert house.last("consultation")["reason"] == "ledger"
    registered = rows(client.get("/ledger?type=registration").text)
    assert [house.repo.ledger.entry(one).fields["type"] for one in registered] == [
        "registration"
    ] * len(registered)
    assert registered
    of = rows(client.get("/ledger?exhibit=KRN-000001&person=investigator").text)
    for one in of:
        fields = house.repo.ledger.entry(one).fields
        assert fields["exhibit"]["number"] == "KRN-000001"
        assert fields["actor"]["id"] == house.caller("investigator").person.id
    assert of
    assert not rows(client.get("/ledger?until=2001-01-01").text)
    assert rows(client.get("/ledger?since=2001-01-01&type=case_opened").text)
    for wrong in ("type=x", "since=yesterday"):
        assert client.get(f"/ledger?{wrong}").status_code == 400


def test_entries_come_in_pages(house, client, monkeypatch):
    monkeypatch.setattr("api.web.ledger.ROWS", 5)
    first = client.get("/ledger")
    [more] = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = rows(client.get(more.replace("&amp;", "&")).text)
    assert second[0] == rows(first.text)[-1] - 1
    monkeypatch.setattr("repository.ledger_view.MOST", 3)
    few = client.get("/ledger?type=case_opened")
    assert not rows(few.text)
    assert 'rel="next"' in few.text


def test_an_entry_is_shown_in_words_with_what_may_be_opened(house, client, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"a")
    house.ingest(file, place=HOSTILE)
    size = house.repo.ledger.size()
    for index in range(size):
        answer = client.get(f"/ledger/{index}")
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "\u202e" not in answer.text
    registration = house.last("registration")
    index = next(e.index for e in house.entries() if e.fields == registration)
    shown = client.get(f"/ledger/{index}")
    assert "'wasm-unsafe-eval'" in shown.headers["Content-Security-Policy"]
    assert house.repo.ledger.key.fingerprint in shown.text
    looked = house.last("consultation")
    assert (looked["reason"], looked["exhibit"]["number"]) == ("ledger-entry", "KRN-000001")
    assert client.get("/ledger/99999").status_code == 404


def test_withheld_values_of_what_is_sealed_or_of_another_institution_stay_closed(
    house, client, files
):
    house.ingest(files)
    index = next(e.index for e in house.entries() if e.fields["type"] == "registration")
    opened = next(e.index for e in house.entries() if e.fields["type"] == "case_opened")
    sign_in(client, house, "auditor")
    assert "Not for you" not in text(client.get(f"/ledger/{index}").text)
    number = house.repo.ledger.entry(index).fields["exhibit"]["number"]
    mark(house.repo, house.caller_of_login(), number, Marking(sealed=True), motive="m")
    assert "Not for you" in text(client.get(f"/ledger/{index}").text)
    new_person(house.repo, house.custodian, name="theirs", role="auditor", organisation="NCB")
    open_case(house.repo, house.custodian, code="NCB1", title="Of NCB", organisation="NCB")
    sign_in(client, house, "theirs")
    closed = client.get(f"/ledger/{opened}")
    assert "Not for you" in text(closed.text)
    assert "The bridge" not in closed.text


def test_accesses_are_shown_and_taken_as_a_table_without_formulas(house, client, files):
    house.ingest(files)
    house.evidence("retrieve", "KRN-000001", "--out", files / "out", "--purpose",
                   f"analysis: {HOSTILE}", person="analyst")  # fmt: skip
    shown = client.get("/ledger/accesses?person=analyst&purpose=analysis")
    assert "KRN-000001" in shown.text
    assert "<script>alert" not in shown.text
    table = client.get("/ledger/accesses.csv?person=analyst")
    assert table.mimetype == "text/csv"
    cells = [cell for line in csv.reader(io.StringIO(table.text)) for cell in line]
    assert f"'{HOSTILE}" in cells
    assert not [one for one in cells if one.startswith(("=", "+", "-", "@"))]
    assert house.last("consultation")["reason"] == "access-log"
    refused = client.get("/ledger/accesses?refused=yes")
    assert refused.status_code == 200


def test_the_modules_that_check_are_those_of_the_page_that_checks_bundles(client):
    for name in ("engine/notes.js", "engine/tree.js", "vendor/sha256.umd.min.js"):
        answer = client.get(f"/static/checker/{name}")
        assert answer.status_code == 200
        assert answer.mimetype == "text/javascript"
    assert client.get("/static/checker/page/run.js").status_code == 404
