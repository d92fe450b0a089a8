"""Disclosure in numbered batches: what is due goes together, and the state of any date is known."""

import csv
import io
import json

import pytest

from api.app import create_app
from custody.canonical import loads
from custody.entry import timestamp
from repository import batches
from repository.errors import BadRequest
from repository.keys import house_key
from repository.people import grant, new_person
from repository.sealed import read_document
from repository.stores import Stored
from tests.house import CODE, House
from tests.one_house import one_house, signed_in
from tests.repository.test_register import classify, take_in

PARTIES = ("defence of A", "defence of B", "victims")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        repo, custodian = house.repo, house.custodian
        for name, role in (("counsel of A", "counsel"), ("second", "prosecutor")):
            person = new_person(repo, custodian, name=name, role=role)
            party = "defence of A" if role == "counsel" else None
            grant(repo, custodian, case=house.case, person=person, role=role, party=party)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def party(house) -> str:
    """Return a party that nothing was disclosed to yet."""
    return f"party {house.repo.random(4).hex()}"


def batch(house: House, party: str, *words: object):
    return house.evidence("disclosure", "batch", CODE, "--to", party, *words, person="prosecutor")


def state(house: House, *words: str, person: str = "prosecutor"):
    return house.evidence("disclosure", "state", CODE, *words, person=person)


def reviewed(house: House, folder, what: str = "rule-77", *words: str) -> str:
    number = take_in(house, folder)
    assert classify(house, number, what, *words).code == 0
    return number


def test_what_is_due_goes_and_the_rest_stays(house, tmp_path, party):
    due = reviewed(house, tmp_path)
    other = reviewed(house, tmp_path, "other")
    withheld = reviewed(house, tmp_path, "rule-77", "--withheld", "pending")
    unreviewed = take_in(house, tmp_path)
    closed = reviewed(house, tmp_path)
    claim = ("privilege", "claim", closed, "--motive", "m")
    assert house.evidence(*claim, person="prosecutor").code == 0
    size = house.repo.ledger.size()
    [said] = batch(house, party, "--form", "copy").lines
    assert (said["batch"], said["acting"]) == (1, 0)
    assert due in said["exhibits"]
    assert not {other, withheld, unreviewed, closed} & set(said["exhibits"])
    assert {"exhibit": closed, "reasons": ["privileged"]} in said["left_out"]
    added = [e.fields for e in house.repo.ledger.entries(size)]
    assert [e["type"] for e in added] == ["disclosure"] * said["count"] + ["report_generated"]
    assert len({e["request_id"] for e in added}) == 1
    whole = added[-1]
    assert (whole["reason"], whole["count"], whole["outputs"]) == (
        "disclosure-batch", said["count"], [said["digest"]],
    )  # fmt: skip
    stored = house.repo.store.find(whole["location"]["bucket"], whole["location"]["key"])
    assert isinstance(stored, Stored)
    listed = loads(read_document(house.repo.store, stored, key=house_key(house.repo)))
    assert [number for number, _ in listed] == said["exhibits"]
    assert batch(house, party).code == 2  # nothing more is due


def test_numbers_that_are_given_all_go_or_none_does(house, tmp_path, party):
    due, later = reviewed(house, tmp_path), take_in(house, tmp_path)
    size = house.repo.ledger.size()
    said = batch(house, party, due, later)
    assert (said.code, house.repo.ledger.size()) == (2, size)
    assert f"{later} was not reviewed" in said.err
    forbidden = reviewed(house, tmp_path)
    mark = ("mark", forbidden, "--handling", "H2", "--motive", "m")
    assert house.evidence(*mark).code == 0
    assert batch(house, party, due, forbidden).code == 4
    assert house.last("access_denied")["reasons"] == ["handling-h2"]
    assert state(house, "--party", party).lines == []
    assert batch(house, party, due).lines[0]["exhibits"] == [due]
    assert "before" in batch(house, party, due).err
    assert batch(house, party, f"{CODE}-999999").code == 2


def test_a_list_that_names_nothing_discloses_nothing(house, tmp_path, party):
    reviewed(house, tmp_path)
    chosen = tmp_path / "numbers.txt"
    size = house.repo.ledger.size()
    for data, why in ((b"\n \n", "names no exhibit"), (b"\xff\xfeK\0", "not UTF-8")):
        chosen.write_bytes(data)
        said = batch(house, party, "--numbers", chosen)
        assert (said.code, why in said.err) == (2, True), said.err
    assert house.repo.ledger.size() == size
    client, who = create_app(house.repo).test_client(), signed_in(house, "prosecutor")
    asked = {"party": party, "exhibits": []}
    headers = {**who, "Evidence-Purpose": "disclosure"}
    answer = client.post(f"/api/v1/cases/{CODE}/disclosures", json=asked, headers=headers)
    assert answer.status_code == 400, answer.text
    assert state(house, "--party", party).lines == []


@pytest.mark.parametrize(
    "meanwhile", ["nothing", "a look", "a seal", "a seal above", "a review", "a rule"]
)
def test_what_was_looked_at_before_the_lock_goes_as_far_as_nothing_touched_it(
    house, tmp_path, party, monkeypatch, meanwhile
):
    due, parent, later = (make(house, tmp_path) for make in (reviewed, take_in, take_in))
    file = tmp_path / "redacted"
    file.write_bytes(house.repo.random(20))
    of_parent = ("derive", parent, file, "--no-extract", "--kind", "redaction", "--code",
                 "R3: witness safety", "--author", "A", "--tool", "T", "--tool-version", "1",
                 "--reason", "m")  # fmt: skip
    [said] = house.evidence(*of_parent, person="analyst").lines
    child = said["exhibit"]
    assert classify(house, child, "rule-77").code == 0
    acts: dict[str, tuple[str, ...]] = {
        "a look": ("show", due),
        "a seal": ("mark", due, "--sealed", "--motive", "m"),
        "a seal above": ("mark", parent, "--sealed", "--motive", "m"),
        "a rule": ("register", "rule", CODE, "--second-review", "--motive", "m"),
    }
    looks = []
    look = batches._Looked.at

    def then(looked, session, candidates):
        lots = list(candidates)
        look(looked, session, lots)
        looks.append({one.number for lot in lots for one in lot} & {due, child, later})
        if len(looks) == 1:  # between the look and the transaction
            if meanwhile == "a review":
                assert classify(house, later, "rule-77").code == 0
            if meanwhile in acts:
                assert house.evidence(*acts[meanwhile]).code == 0

    monkeypatch.setattr(batches._Looked, "at", then)
    caller = house.caller("prosecutor")
    again = {
        "a seal": {due},
        "a seal above": {child},
        "a review": {later},
        "a rule": {due, child, later},
    }.get(meanwhile)
    goes = {"a seal": {child}, "a seal above": {due}, "a review": {due, child, later}}
    try:
        if meanwhile == "a rule":  # nobody reviewed a second time
            with pytest.raises(BadRequest, match="nothing is due"):
                batches.make_batch(house.repo, caller, CODE, party=party)
        else:
            made = batches.make_batch(house.repo, caller, CODE, party=party)
            shown = set(made.exhibits) & {due, child, later}
            assert shown == goes.get(meanwhile, {due, child})
    finally:
        if meanwhile == "a rule":
            off = ("register", "rule", CODE, "--no-second-review", "--motive", "m")
            assert house.evidence(*off, person="prosecutor").code == 0
    assert looks == [{due, child, later}, *([again] if again else [])]


def test_state_at_a_date_and_difference_since_a_batch(house, tmp_path, party):
    first = reviewed(house, tmp_path)
    [one] = batch(house, party, first).lines
    between = timestamp(house.repo.clock())
    second, alone = reviewed(house, tmp_path), reviewed(house, tmp_path)
    disclose = ("disclose", alone, "--to", party)
    assert house.evidence(*disclose, person="prosecutor").code == 0
    [two] = batch(house, party, second).lines
    assert (one["batch"], two["batch"]) == (1, 2)
    rows = state(house, "--party", party).lines
    assert [(row["exhibit"], row["batch"]) for row in rows] == [
        (first, 1), (alone, None), (second, 2),
    ]  # fmt: skip
    then = state(house, "--party", party, "--at", between).lines
    assert [row["exhibit"] for row in then] == [first]
    diff = ("disclosure", "diff", CODE, "--party", party, "--since", "1")
    assert [row["exhibit"] for row in house.evidence(*diff, person="prosecutor").lines] == [
        alone, second,
    ]  # fmt: skip
    looked = house.last("consultation")
    assert (looked["reason"], looked["count"]) == ("disclosure-difference", 2)
    assert house.evidence(*diff[:-1], "3", person="prosecutor").code == 2
    table = csv.DictReader(io.StringIO(state(house, "--party", party, "--csv").out))
    assert [row["exhibit"] for row in table] == [first, alone, second]


def test_counsel_see_what_their_own_party_got_and_nothing_of_others(house, tmp_path, party):
    mine, theirs = reviewed(house, tmp_path), reviewed(house, tmp_path)
    assert batch(house, "defence of A", mine).code == 0
    assert batch(house, party, theirs).code == 0
    found = state(house, person="counsel of A")
    assert mine in {row["exhibit"] for row in found.lines}
    assert theirs not in found.out
    assert state(house, "--party", party, person="counsel of A").code in (2, 4)
    assert house.last("access_denied")["reasons"] == ["not-own"]
    assert state(house, "--party", party, person="analyst").code == 4
    words = ("--out", tmp_path / "x", "--purpose", "defence")
    assert house.evidence("retrieve", mine, *words, person="counsel of A").code == 0
    assert house.evidence("mark", mine, "--sealed", "--motive", "m").code == 0
    assert mine not in state(house, person="counsel of A").out


def test_where_two_persons_review_a_batch_is_made_of_what_both_said(house, tmp_path, party):
    number = reviewed(house, tmp_path)
    rule = ("register", "rule", CODE, "--motive", "m")
    assert house.evidence(*rule, "--second-review", person="prosecutor").code == 0
    assert "two persons" in batch(house, party, number).err
    assert classify(house, number, "rule-77", "--second", person="second").code == 0
    assert batch(house, party, number).code == 0
    assert house.evidence(*rule, "--no-second-review", person="prosecutor").code == 0


def test_the_api_makes_and_tells_the_same(house, tmp_path, party):
    number = reviewed(house, tmp_path)
    client = create_app(house.repo).test_client()
    asking = {**signed_in(house, "prosecutor"), "Evidence-Purpose": "disclosure"}
    url = f"/api/v1/cases/{CODE}/disclosures"
    body = {"party": party, "exhibits": [number]}
    answer = client.post(url, json=body, headers=asking)
    assert (answer.status_code, answer.json["batch"]) == (201, 1), answer.text
    assert client.post(url, json=body, headers=asking).status_code == 400
    found = client.get(f"{url}?party={party}", headers=asking).json
    assert (found["count"], found["items"][0]["exhibit"]) == (1, number)
    table = client.get(f"{url}?party={party}&format=csv&since=1", headers=asking)
    assert table.text.count("\n") == 1
    for bad in ("?party=", f"?party={party}&since=x", f"?party={party}&at=never", "?format=pdf"):
        assert client.get(url + bad, headers=asking).status_code in (200, 400), bad
    assert number not in json.dumps(client.get(f"{url}?party=nobody", headers=asking).json)
