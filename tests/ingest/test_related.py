"""What exhibits share: found by what each names, told with the distance, and of nothing hidden."""

import json
import random

import pytest

from api.app import create_app
from ingest import related as asking
from repository.exhibits import find_exhibit
from repository.matching.values import Value
from repository.people import grant, new_person
from repository.related import forget, keep
from tests.house import CODE, House
from tests.one_house import one_house, signed_in
from tests.repository.test_register import take_in

FIRST = random.Random(7).getrandbits(256)


def picture(turned: int, of: int = FIRST, seed: int = 1) -> Value:
    """Return a hash that differs in so many bits."""
    for bit in random.Random(seed).sample(range(256), turned):
        of ^= 1 << bit
    return Value("picture", f"{of:064x}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        for name, role, party in (("counsel of A", "counsel", "A"), ("outside", "analyst", None)):
            person = new_person(house.repo, house.custodian, name=name, role=role)
            if party:
                grant(house.repo, house.custodian, case=house.case, person=person, role=role,
                      party=party)  # fmt: skip
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def named(house, tmp_path, monkeypatch):
    """Return a function that takes an exhibit in which names these values."""
    known: dict[str, list[Value]] = {}
    monkeypatch.setattr(asking, "_values", lambda repo, session, one: known[one.id])

    def take(*values: Value) -> str:
        number = take_in(house, tmp_path)
        with house.repo.database.writing() as session:
            exhibit = find_exhibit(session, number)
            known[exhibit.id] = list(values)
            keep(house.repo, session, exhibit.id, values)
        return number

    return take


def related(house: House, number: str, person: str = "analyst"):
    return house.evidence("related", number, person=person)


def test_pictures_alike_are_found_with_their_distance_and_others_are_not(house, named):
    one = named(picture(0))
    near, edge = named(picture(3)), named(picture(31, seed=5))
    named(picture(32, seed=6))
    named(picture(0, of=random.Random(8).getrandbits(256)))
    lines = related(house, one).lines
    assert [(row["exhibit"], row["why"]) for row in lines] == [
        (near, [{"kind": "picture", "bits": 3}]), (edge, [{"kind": "picture", "bits": 31}]),
    ]  # fmt: skip
    looked = house.last("consultation")
    assert (looked["reason"], looked["count"], looked["exhibit"]["number"]) == ("related", 2, one)


def test_devices_telephones_and_places_are_told_by_what_is_shared(house, named):
    imei = Value("imei", "49015420323751")
    here, near = "48853000 2349000 1714564800 1714564800", "48853500 2349000 1714565400 1714565400"
    one = named(imei, Value("telephone", "+1555"), Value("place", here))
    both, place = named(imei, Value("telephone", "+1555")), named(Value("place", near))
    lines = {row["exhibit"]: row["why"] for row in related(house, one).lines}
    assert lines[both] == [
        {"kind": "imei", "value": imei.text}, {"kind": "telephone", "value": "+1555"},
    ]  # fmt: skip
    assert lines[place] == [{"kind": "place", "kilometres": 0.056, "seconds": 600}]


@pytest.mark.parametrize("how", ["sealed", "privileged", "erased", "not disclosed", "other case"])
def test_a_hidden_exhibit_changes_no_answer(house, named, how, monkeypatch):
    monkeypatch.setattr(asking, "MOST_EACH", 2)
    person = "counsel of A" if how == "not disclosed" else "analyst"
    shared = Value("mail", f"{how.replace(' ', '.')}@unit.example")
    numbers = [named(shared, picture(n, seed=n + 9)) for n in range(4)]
    if how == "not disclosed":
        for number in numbers:
            assert house.evidence("disclose", number, "--to", "A", person="prosecutor").code == 0
    before = [related(house, one, person).out for one in numbers]
    hidden = _hide(house, named(shared, picture(0)), how)
    after = [related(house, one, person).out for one in numbers]
    assert after == before
    assert related(house, hidden, person).code in (2, 4)


def _hide(house: House, number: str, how: str) -> str:
    words = {"sealed": ("mark", number, "--sealed"), "privileged": ("privilege", "claim", number)}
    if how in words:
        assert house.evidence(*words[how], "--motive", "m").code == 0
    if how in ("erased", "other case"):
        with house.repo.database.writing() as session:
            exhibit = find_exhibit(session, number)
            if how == "erased":
                exhibit.erased_at = house.repo.clock()
            else:
                other = next(c for c in _cases(session) if c.code == "OTHER")
                exhibit.case_id, exhibit.serial = other.id, 900_000 + exhibit.serial
    return number


def _cases(session):
    from repository.cases import cases_of

    return cases_of(session, "", every=True)


def test_what_is_forgotten_is_found_no_more(house, named):
    value = Value("url", "https://unit.example/x")
    one, other = named(value), named(value)
    assert [row["exhibit"] for row in related(house, one).lines] == [other]
    with house.repo.database.writing() as session:
        forget(session, find_exhibit(session, other).id)
    assert related(house, one).lines == []


def test_the_api_says_the_same_and_strangers_are_told_nothing(house, named):
    value = Value("account", "telegram:name:somebody")
    one, other = named(value), named(value)
    client = create_app(house.repo).test_client()
    url = f"/api/v1/exhibits/{one}/related"
    found = client.get(url, headers=signed_in(house, "analyst")).json
    assert found == {"items": [json.loads(json.dumps(found["items"][0]))], "more": False}
    assert found["items"][0]["exhibit"] == other
    assert client.get(url, headers=signed_in(house, "outside")).status_code == 404


def test_what_was_looked_at_before_is_made_by_one_command(house, tmp_path):
    [first] = house.ingest(_file(tmp_path, "a", b"the same bytes"), person="investigator")
    said = house.evidence("ingest", _file(tmp_path, "b", b"the same bytes"), "--case", CODE)
    second = said.lines[0]["exhibit"]
    lines = related(house, first["exhibit"]).lines
    assert [row["exhibit"] for row in lines] == [second]
    assert {one["kind"] for one in lines[0]["why"]} == {"file"}
    with house.repo.database.writing() as session:
        forget(session, find_exhibit(session, second).id)
    assert related(house, first["exhibit"]).lines == []
    assert house.evidence("related", "--make", person="analyst").code == 4
    assert house.evidence("related", "--make").code == 0
    assert [row["exhibit"] for row in related(house, first["exhibit"]).lines] == [second]


def _file(folder, name: str, data: bytes):
    file = folder / name
    file.write_bytes(data)
    return file
