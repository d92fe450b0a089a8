"""Bundles as pages: what one would be is shown before anything is exported; then made, fetched."""

import inspect
import re
from dataclasses import replace
from html import unescape

import pytest
from werkzeug.datastructures import MultiDict

from api.app import create_app
from api.web import words
from api.web.exhibit_lists import in_ranges
from ingest.duties import duties
from repository import access, selections
from repository.approvals import mark
from repository.conditions import Marking
from repository.exports.encryption import fingerprint
from repository.exports.foreseen import FAILED
from repository.holds import place
from tests.api.test_sessions import Clock
from tests.house import CODE
from tests.web import sign_in, text

HOSTILE = "</textarea><script>alert(1)</script>\u202e"
ASKED = {"case": CODE, "what": "case", "purpose": "court", "words": "hearing 7", "options": "yes"}


@pytest.fixture
def numbers(house, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.txt", "b<img src=x onerror=alert(1)>.txt", "evidence\u202egpj.exe"):
        (folder / name).write_bytes(name.encode())
    return sorted(line["exhibit"] for line in house.ingest(folder) if "exhibit" in line)


@pytest.fixture
def clock(house):
    found = Clock(house)
    house.repo = replace(house.repo, clock=found)
    return found


@pytest.fixture
def client(house, clock):
    client = create_app(house.repo).test_client()
    sign_in(client, house, "prosecutor")
    return client


def hidden(html):
    """Return the hidden fields of the form of a page."""
    found = re.findall(r'<textarea name="(\w+)" hidden>\n(.*?)</textarea>', html, re.S)
    found += re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
    return [(name, unescape(value)) for name, value in found]


def pressed(html, act):
    """Return what a button of the form of a page sends."""
    return MultiDict([*hidden(html), ("act", act)])


def shown(house, number, **marking):
    mark(house.repo, house.caller_of_login(), number, Marking(**marking), motive="as was asked")


def test_what_it_would_be_is_shown_before_anything_is_exported(house, client, numbers):
    before = house.types()
    answer = client.post("/bundles/new", data={**ASKED, "act": "look", "recipient": "the court"})
    said = text(answer.text)
    assert answer.status_code == 200
    assert "Nothing was exported yet" in said
    assert "Nothing stands in the way" in said
    assert all(number in said for number in numbers)
    assert "no witness is configured" in said
    assert house.types()[len(before) :] == ["consultation/done"]
    looked = house.last("consultation")
    assert (looked["reason"], looked["count"]) == ("export-foreseen", 3)


def test_conflicts_are_named_and_nothing_is_made_while_there_are_any(house, client, numbers):
    shown(house, numbers[0], handling="H2", conditions=HOSTILE, authority_required=True)
    place(
        house.repo, house.caller_of_login(), numbers[1], matter="trial <b>9</b>", authority=None,
        motive="asked for",
    )  # fmt: skip
    house.flip(numbers[2])
    assert house.evidence("verify", "--objects", numbers[2]).code == 1
    answer = client.post("/bundles/new", data={**ASKED, "act": "look"})
    said = text(answer.text)
    assert "2 exhibits may not leave so" in said
    for reason in ("handling-h2", "authority-required", "provider-conditions", FAILED):
        assert words.language("en").say(f"bundle.why_{reason}") in said
    assert "Kept from erasure for: trial <b>9</b>" in said
    assert "<script>alert" not in answer.text
    assert 'value="make"' not in answer.text
    refused = client.post("/bundles/new", data=pressed(answer.text, "make"))
    assert refused.status_code == 200
    assert "export-asked" not in [e.fields.get("reason") for e in house.entries()]
    fewer = client.post("/bundles/new", data=pressed(answer.text, "without"))
    assert f">{numbers[1]}</textarea>" in fewer.text


def test_what_changed_since_it_was_seen_is_shown_again(house, client, numbers):
    seen = client.post("/bundles/new", data={**ASKED, "act": "look"})
    shown(house, numbers[0], tlp="GREEN")
    again = client.post("/bundles/new", data=pressed(seen.text, "make"))
    assert "Something changed since you looked" in text(again.text)
    assert "export-asked" not in [e.fields.get("reason") for e in house.entries()]


def test_a_bundle_is_asked_for_once_made_by_a_worker_and_fetched(house, client, numbers):
    assert "You have asked for no bundle yet" in text(client.get("/bundles").text)
    seen = client.post("/bundles/new", data={**ASKED, "act": "look", "recipient": HOSTILE})
    posted = pressed(seen.text, "make")
    first, twice = (client.post("/bundles/new", data=posted) for _ in range(2))
    assert first.status_code == twice.status_code == 303
    where = first.headers["Location"]
    assert twice.headers["Location"] == where
    waiting = client.get(where)
    assert "The bundle was asked for" in text(waiting.text)
    assert 'data-state="asked"' in waiting.text
    assert client.get(f"{where}/download").status_code == 409
    duty = next(one for one in duties(house.repo, None, print) if one.name == "export")
    assert duty.do([one.id for one in duty.find(10)]) == {}
    ready = client.get(where)
    said = text(ready.text)
    manifest = house.last("report_generated")["outputs"][0].removeprefix("sha256:")
    assert manifest in said.replace(" ", "")
    assert "no witness is configured" in said
    assert "none came yet" in said
    got = client.get(f"{where}/download")
    assert (got.status_code, got.mimetype) == (200, "application/x-tar")
    assert len(got.data) == int(got.headers["Content-Length"])
    assert house.last("consultation")["outputs"] == [f"sha256:{manifest}"]
    listed = client.get("/bundles")
    assert where in listed.text
    assert "<script>alert" not in listed.text + ready.text + waiting.text
    sign_in(client, house, "analyst")
    assert client.get(where).status_code == 404
    assert where not in client.get("/bundles").text


def test_every_option_is_told_before_and_done_or_refused(house, client, numbers):
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    options = {
        "withhold": ["name"], "withhold_of": f"{numbers[0]}:motive", "volume_size": "50B",
        "encrypt_to": f"# the court\n{key}\n", "stamped": "beside", "twins": "csv",
    }  # fmt: skip
    seen = client.post("/bundles/new", data={**ASKED, **options, "act": "look"})
    said = text(seen.text)
    assert "In 2 volumes" in said
    assert "encrypted to 1 key" in said
    assert fingerprint(key).removeprefix("sha256:") in said.replace(" ", "")
    assert f"Closed stay: Name, {numbers[0]}: Motive." in said
    assert "the values of 3 fields name" in said
    where = client.post("/bundles/new", data=pressed(seen.text, "make")).headers["Location"]
    duty = next(one for one in duties(house.repo, None, print) if one.name == "export")
    assert duty.do([one.id for one in duty.find(10)]) == {}
    ready = client.get(where).text
    assert "the values of 3 fields name" in text(ready)
    assert [f"{where}/download?volume={n}" in ready for n in (1, 2, 3)] == [True, True, False]
    assert client.get(f"{where}/download?volume=2").data.startswith(b"age-encryption.org/v1")
    bare = client.post("/bundles/new", data={**ASKED, "by_reference": "yes", "act": "look"})
    assert "no exhibit. Their bytes have to come another way" in text(bare.text)
    secret = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SJ7H0HN"
    for wrong in (
        {"volume_size": "30B", "by_reference": "yes"}, {"volume_size": "1B"},
        {"volume_size": "much"}, {"encrypt_to": secret}, {"encrypt_to": "age1x"},
        {"withhold": "place", "reveal": "place"}, {"reveal_of": "OTHER-000001:place"},
    ):  # fmt: skip
        refused = client.post("/bundles/new", data={**ASKED, **wrong, "act": "look"})
        assert refused.status_code in (400, 409), wrong
        assert secret not in refused.text
    forged = {**ASKED, "redaction_of": "0" * 36, "act": "look"}
    again = client.post("/bundles/new", data=pressed(client.post(
        "/bundles/new", data=forged).text, "make"))  # fmt: skip
    assert "is the full one" in text(again.text)


def test_a_sign_in_of_some_time_ago_is_confirmed_first_and_what_was_typed_is_kept(
    house, client, clock, numbers
):
    clock.move(minutes=house.repo.settings.step_up_minutes + 1)
    answer = client.post("/bundles/new", data={**ASKED, "act": "look", "recipient": "the <court>"})
    assert answer.status_code == 401
    assert "Confirm that it is you" in text(answer.text)
    assert "the &lt;court&gt;" in answer.text


def test_who_may_not_export_sees_no_outlook(house, client, numbers):
    for name, status in (("analyst", 403), ("investigator", 403), ("stranger", 404)):
        sign_in(client, house, name)
        assert client.post("/bundles/new", data={**ASKED, "act": "look"}).status_code == status
        assert house.last("access_denied")["attempted"] == "report_generated"


def test_an_exhibit_that_is_sealed_for_others_is_refused_as_one_that_is_not_there(
    house, client, numbers
):
    shown(house, numbers[1], sealed=True)
    whole = client.post("/bundles/new", data={**ASKED, "act": "look"})
    assert numbers[1] not in whole.text
    named = {**ASKED, "act": "look", "what": "numbers", "exhibits": f"{numbers[1]}"}
    never = {**named, "exhibits": "999"}
    sealed, unknown = (client.post("/bundles/new", data=one) for one in (named, never))
    assert (sealed.status_code, unknown.status_code) == (404, 404)
    told = [
        re.findall(r'<div class="notice".*?</div>', one.text, re.S)[0] for one in (sealed, unknown)
    ]
    assert told[0].replace(numbers[1], "N") == told[1].replace("KRN-000999", "N")
    ranged = client.post("/bundles/new", data={**named, "exhibits": "1-3"})
    assert numbers[1] not in ranged.text.replace(f">{numbers[1]}<", "")


def test_numbers_ranges_and_selections_name_exhibits(house, client, numbers):
    who, title = house.caller("prosecutor"), HOSTILE.rstrip("\u202e")
    place = f"{numbers[2]}#bytes=0-1"
    made = selections.select_items(house.repo, who, CODE, title=title, items=[place])
    form = client.get(f"/bundles/new?case={CODE}")
    assert "<script>alert" not in form.text
    for typed, expected in (
        ({"what": "numbers", "exhibits": "1 - 2, 3"}, numbers),
        ({"what": "numbers", "exhibits": f"{numbers[0]}..{numbers[1]}"}, numbers[:2]),
        ({"what": "selection", "selection": made.name}, numbers[2:]),
    ):
        answer = client.post("/bundles/new", data={**ASKED, **typed, "act": "look"})
        assert f'id="count">{len(expected)}, ' in answer.text, typed
    for typed in ("x", "3-1", "1-99999999", "", "OTHER-000001-OTHER-000002"):
        answer = client.post(
            "/bundles/new", data={**ASKED, "what": "numbers", "exhibits": typed, "act": "look"}
        )
        assert answer.status_code in (400, 404), typed
    assert in_ranges(CODE, [numbers[0], numbers[1], "OTHER-000003"]) == (
        f"{numbers[0]}..{numbers[1]} OTHER-000003"
    )


def test_every_reason_against_an_export_has_words():
    policy = inspect.getsource(access)
    kept = policy[policy.index("def _forbidden") :]
    found = set(re.findall(r'found\.append\("([a-z0-9-]+)"\)', kept)) | {
        "handling-h2", "handling-h3", "privileged", "recipient-left", "role", FAILED,
    }  # fmt: skip
    for reason in found:
        assert words.language("en").has(f"bundle.why_{reason}"), reason
