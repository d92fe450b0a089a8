"""The disclosure register: a row for every number, warnings before trial, section H."""

import json
from hashlib import sha256

import pytest

from api.app import create_app
from custody.canonical import dumps
from repository.cases import find_case
from repository.people import grant, new_person
from tests.house import CODE, House
from tests.one_house import one_house, signed_in


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        repo, custodian = house.repo, house.custodian
        for name, role, organisation in (
            ("giver", "submitter", "NCB"), ("counsel of A", "counsel", None),
            ("second", "custodian", None), ("other prosecutor", "prosecutor", None),
        ):  # fmt: skip
            new_person(repo, custodian, name=name, role=role, organisation=organisation)
        grant(repo, custodian, case=house.case, person=house.caller("giver").person,
              role="submitter")  # fmt: skip
        grant(repo, custodian, case=house.case, person=house.caller("counsel of A").person,
              role="counsel", party="defence of A")  # fmt: skip
        with repo.database.reading() as session:
            case = find_case(session, "OTHER")
        grant(repo, custodian, case=case, person=house.caller("other prosecutor").person,
              role="prosecutor")  # fmt: skip
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def number(house, tmp_path):
    return take_in(house, tmp_path)


def take_in(house: House, folder, *words: str, person: str = "investigator") -> str:
    name = folder / house.repo.random(4).hex()
    name.write_bytes(house.repo.random(32))
    said = house.evidence("ingest", name, "--case", CODE, "--no-extract", *words, person=person)
    assert said.code == 0, said.err
    return said.lines[0]["exhibit"]


def classify(house: House, number: str, what: str, *words: str, person: str = "prosecutor"):
    motive = () if "--motive" in words else ("--motive", "read in full")
    given = ("register", "set", number, "--case", CODE, "--as", what, *words, *motive)
    return house.evidence(*given, person=person)


def rows(house: House, code: str = CODE, person: str = "prosecutor") -> dict[str, dict]:
    found = house.evidence("register", "show", code, person=person).lines
    return {one["exhibit"]: one for one in found}


def test_each_change_is_an_entry_and_the_row_says_who_when_and_under_which_rule(house, number):
    assert rows(house)[number]["classification"] == "not-reviewed"
    words = ("--rule", "ICC 67(2)", "--redaction", "R3: witness safety", "--withheld", "pending")
    [row] = classify(house, number, "rule-77", *words).lines
    assert (row["reviewer"], row["rule"], row["withheld"]) == ("prosecutor", "ICC 67(2)", "pending")
    assert row["redactions"] == [{"code": "R3", "basis": "witness safety"}]
    entry = house.last("annotation")
    assert (entry["reason"], entry["exhibit"]["number"]) == ("disclosure-review", number)
    assert "rule-77" not in json.dumps(entry)  # behind a commitment
    size = house.repo.ledger.size()
    again = classify(house, number, "rule-77", *words)
    assert (again.code, house.repo.ledger.size()) == (0, size)
    assert classify(house, number, "incriminating").lines[0]["withheld"] is None
    opened = house.repo.ledger.opened(
        [e for e in house.entries() if e.fields["type"] == "annotation"][-1]
    )
    assert opened["detail"]["before"]["classification"] == "rule-77"


def test_what_says_nothing_is_refused_and_recorded(house, number):
    assert classify(house, number, "other", "--motive", " ").code == 2
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    assert classify(house, number, "other", "--withheld", " ").code == 2
    assert house.last("access_denied")["attempted"] == "annotation"
    assert classify(house, number, "other", person="investigator").code == 4
    assert classify(house, number, "other", person="other prosecutor").code == 2
    assert rows(house)[number]["classification"] == "not-reviewed"


def test_the_list_has_every_number_that_was_given_and_its_digest_is_on_record(
    house, number, tmp_path
):
    sealed = take_in(house, tmp_path)
    assert house.evidence("mark", sealed, "--sealed", "--motive", "m").code == 0
    client = create_app(house.repo).test_client()
    answer = client.get(f"/api/v1/cases/{CODE}/register", headers=signed_in(house, "prosecutor"))
    found = answer.json
    assert found["count"] == house.case.exhibits == len(found["items"])
    assert [one["exhibit"] for one in found["items"]] == [
        f"{CODE}-{n:06d}" for n in range(1, house.case.exhibits + 1)
    ]
    by_number = {one["exhibit"]: one for one in found["items"]}
    assert by_number[sealed]["classification"] == "not-shown"
    assert (
        sum(found["counts"][name] for name in set(found["counts"]) & set(_CLASSES))
        == (found["count"])
    )
    looked = house.last("consultation")
    assert (looked["reason"], looked["count"]) == ("disclosure-register", found["count"])
    assert looked["outputs"] == [found["digest"]]
    assert found["digest"] == f"sha256:{sha256(dumps(found['items'])).hexdigest()}"


_CLASSES = (
    "incriminating", "potentially-exculpatory", "rule-77", "lead-only", "other", "not-reviewed",
    "not-shown",
)  # fmt: skip


def test_potentially_exculpatory_and_kept_by_its_provider_warns_and_asks_before_trial(
    house, tmp_path
):
    number = take_in(house, tmp_path, "--handling", "H2", person="giver")
    [row] = classify(house, number, "potentially-exculpatory", "--rule", "67(2)").lines
    assert row["warning"] == "potentially exculpatory, provider forbids"
    assert row["barred"] == ["handling-h2", "owner-consent"]
    [asked] = row["consents"]
    assert asked["state"] == "requested"
    assert classify(house, number, "potentially-exculpatory").lines[0]["consents"] == [asked]
    [waits] = house.evidence("consent", "list", person="giver").lines
    assert (waits["recipient"], waits["purpose"]) == ("defence", "disclosure")
    disclose = ("disclose", number, "--to", "defence of A", "--form", "copy")
    assert house.evidence(*disclose, person="prosecutor").code == 4
    assert rows(house)[number]["warning"]  # it stands
    give = ("consent", "give", asked["consent"], "--motive", "for the trial")
    assert house.evidence(*give, person="giver").code == 0
    assert rows(house)[number]["warning"] is None
    assert house.evidence(*disclose, person="prosecutor").code == 0
    acknowledge = ("register", "acknowledge", number)
    assert house.evidence(*acknowledge, person="prosecutor").code == 4
    assert house.evidence(*acknowledge, person="counsel of A").code == 0
    assert house.last("receipt_acknowledged")["exhibit"]["number"] == number
    [given] = rows(house)[number]["disclosed"]
    assert (given["party"], given["form"], bool(given["acknowledged_at"])) == (
        "defence of A", "copy", True,
    )  # fmt: skip
    withdraw = ("consent", "withdraw", asked["consent"], "--motive", "changed")
    assert house.evidence(*withdraw, person="giver").code == 0
    assert rows(house)[number]["warning"]


def test_an_exhibit_of_two_proceedings_has_a_row_in_each(house, number):
    said = house.evidence("associate", "add", number, "OTHER", "--motive", "m")
    assert said.code == 0, said.err
    assert classify(house, number, "incriminating").code == 0
    there = rows(house, "OTHER", "other prosecutor")
    assert there[number]["classification"] == "not-reviewed"
    words = ("register", "set", number, "--case", "OTHER", "--as", "rule-77", "--motive", "m")
    assert house.evidence(*words, person="other prosecutor").code == 0
    assert rows(house)[number]["classification"] == "incriminating"
    assert rows(house, "OTHER", "other prosecutor")[number]["classification"] == "rule-77"


def test_section_h_is_fed_from_entries_of_this_proceeding_and_tells_the_defence_no_judgement(
    house, number, tmp_path
):
    assert house.evidence("associate", "add", number, "OTHER", "--motive", "m").code == 0
    words = ("register", "set", number, "--case", "OTHER", "--as", "other", "--rule", "elsewhere")
    assert house.evidence(*words, "--motive", "m", person="other prosecutor").code == 0
    assert classify(house, number, "incriminating", "--rule", "ICC 76").code == 0
    disclosed = ("disclose", number, "--to", "defence of A", "--form", "copy")
    assert house.evidence(*disclosed, person="prosecutor").code == 0
    for purpose, seen in (("court", True), ("defence", False)):
        place = tmp_path / purpose
        out = ("export", number, "--case", CODE, "--out", place, "--purpose", purpose)
        said = house.evidence(*out, person="prosecutor")
        assert said.code == 0, said.err
        told = (place / "custody.json").read_text()
        assert ("ICC 76" in told) == seen
        assert "elsewhere" not in told
        assert '"reviewed"' in told  # how many were, and how many are withheld, both sides know
        assert house.evidence("verify", place).code == 0
