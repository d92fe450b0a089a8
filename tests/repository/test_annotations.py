"""What the case team says of exhibits: by whom, in every version, and for nobody outside."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import text

from api.app import create_app
from repository.annotations import Assessment
from repository.errors import BadRequest
from repository.people import grant, new_person
from tests.house import CODE, House
from tests.one_house import one_house, signed_in


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        for name, role, party in (
            ("counsel of A", "counsel", "defence of A"), ("other analyst", "analyst", None),
        ):  # fmt: skip
            person = new_person(house.repo, house.custodian, name=name, role=role)
            grant(house.repo, house.custodian, case=house.case, person=person, role=role,
                  party=party)  # fmt: skip
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def number(house, tmp_path):
    return take_in(house, tmp_path)


def take_in(house: House, folder) -> str:
    name = folder / house.repo.random(4).hex()
    name.write_bytes(house.repo.random(32))
    said = house.evidence("ingest", name, "--case", CODE, "--no-extract", person="investigator")
    assert said.code == 0, said.err
    return said.lines[0]["exhibit"]


def listed(house: House, number: str, person: str = "analyst"):
    return house.evidence("annotation", "list", number, person=person)


def test_every_version_stays_with_its_author_and_its_words_are_withheld(house, number):
    [first] = house.evidence("note", f"{number}#page=3", "The bridge, мост", person="analyst").lines
    entry = house.last("annotation")
    assert (entry["reason"], entry["exhibit"]["number"]) == ("note", number)
    assert "bridge" not in json.dumps(entry)
    name = first["annotation"]
    again = house.evidence("annotation", "revise", name, "Another bridge", person="analyst")
    assert again.code == 0, again.err
    assert house.evidence("annotation", "revise", name, "x", person="investigator").code == 2
    assert house.last("access_denied")["reasons"] == ["not-own"]
    [newest] = listed(house, number, "prosecutor").lines
    assert (newest["version"], newest["author"]) == (2, "analyst")
    assert newest["said"] == {"text": "Another bridge", "locator": f"{number}#page=3"}
    every = house.evidence("annotation", "history", name, person="prosecutor").lines
    assert [one["said"]["text"] for one in every] == ["The bridge, мост", "Another bridge"]
    gone = house.evidence("annotation", "withdraw", name, "--motive", "wrong one")  # a custodian
    assert gone.lines[0]["said"] == {"withdrawn": "wrong one"}
    assert len(house.evidence("annotation", "history", name).lines) == 3
    assert house.last("consultation")["reason"] == "annotations"


def test_what_is_shown_is_what_was_signed_and_ends_with_the_exhibit(house, number, tmp_path):
    house.evidence("tag", number, "bridge", person="analyst")
    with house.repo.database.reading() as session:
        row = session.execute(text("SELECT * FROM annotation_version LIMIT 1")).mappings().one()
    assert set(row) == {"annotation_id", "version", "author", "at", "index"}  # no words
    order = tmp_path / "order"
    order.write_bytes(b"by order")
    new_person(house.repo, house.custodian, name=f"second {number}", role="custodian")
    asked = house.evidence("erase", "request", number, "--order", order, "--motive", "m")
    assert asked.code == 0, asked.err
    given = ("erase", "approve", asked.lines[0]["erasure"], "--motive", "m")
    assert house.evidence(*given, person=f"second {number}").code == 0
    assert listed(house, number).code == 4
    assert house.evidence("note", number, "more", person="analyst").code == 4


def test_an_assessment_is_reviewed_by_another_person_than_its_author(house, number):
    said = (
        "assess", number, "--source", "B", "--information", "2", "--position", "48.5,35.1",
        "--from", "2026-02-01T10:00:00+02:00", "--to", "2026-02-01T12:00:00+02:00",
        "--method", "shadows, and the tower",
    )  # fmt: skip
    [made] = house.evidence(*said, person="analyst").lines
    name = made["annotation"]
    assert made["said"]["method"] == "shadows, and the tower"
    judge = ("annotation", "review", name, "--agree", "--motive", "the tower stands there")
    assert house.evidence(*judge, person="analyst").code == 2
    assert house.last("access_denied")["reasons"] == ["not-own"]
    [judged] = house.evidence(*judge, person="other analyst").lines
    assert judged["said"]["review"] == {
        "agrees": True, "why": "the tower stands there", "of": 1,
    }  # fmt: skip
    assert judged["author"] == "other analyst"
    [shown] = [one for one in listed(house, number).lines if one["annotation"] == name]
    assert (shown["version"], shown["versions"], shown["author"]) == (1, 2, "analyst")
    assert (shown["said"]["method"], shown["said"]["review"]["by"]) == (
        "shadows, and the tower", "other analyst",
    )  # fmt: skip
    [again] = house.evidence(
        "assess", number, "--source", "C", "--again", name, person="analyst"
    ).lines
    assert (again["version"], again["said"]) == (3, {"source": "C"})
    [note] = house.evidence("note", number, "n", person="analyst").lines
    on_note = ("annotation", "review", note["annotation"], "--agree", "--motive", "m")
    assert house.evidence(*on_note, person="other analyst").code == 2


@pytest.mark.parametrize(
    "said",
    [
        {}, {"method": "m"}, {"source": "D"}, {"information": "5"}, {"place": "Kyiv"},
        {"position": "91,0", "method": "m"}, {"position": "nan,0", "method": "m"},
        {"position": "1", "method": "m"}, {"begins": "tomorrow", "method": "m"},
        {"begins": "2026-02-02", "ends": "2026-02-01", "method": "m"}, {"source": ""},
        {"place": "x" * 3_000, "method": "m"},
    ],
)  # fmt: skip
def test_an_assessment_that_says_nothing_is_refused(said):
    with pytest.raises(BadRequest):
        Assessment(**said).check()


def test_no_party_and_no_bundle_is_told_and_the_bundle_says_so(house, number, tmp_path):
    house.evidence("note", number, "for us alone", person="analyst")
    house.evidence("tag", number, "secret tag", person="analyst")
    told = house.evidence(
        "disclose", number, "--to", "defence of A", "--purpose", "disclosure", person="prosecutor"
    )
    assert told.code == 0, told.err
    assert listed(house, number, "counsel of A").code == 4
    client = create_app(house.repo).test_client()
    who = signed_in(house, "counsel of A")
    seen = client.get(f"/api/v1/exhibits/{number}/custody?limit=500", headers=who)
    assert seen.status_code == 200
    assert "for us alone" not in seen.text
    assert "secret tag" not in seen.text
    for purpose in ("court", "disclosure"):
        out = tmp_path / purpose
        made = house.evidence(
            "export", "--case", CODE, number, "--out", out, "--purpose", purpose,
            person="prosecutor",
        )  # fmt: skip
        assert made.code == 0, made.err
        document = (out / "custody.json").read_text()
        assert "for us alone" not in document
        assert "secret tag" not in document
        left = [one["what"] for one in json.loads(document)["left_out"]]
        assert any("tags, notes and assessments" in one for one in left)


def test_an_assessment_of_one_page_keeps_its_own_words_of_a_place(house, number):
    words = ("--place", "Krynky", "--method", "shadows")
    [made] = house.evidence("assess", f"{number}#page=3", *words, person="analyst").lines
    assert made["said"]["place"] == "Krynky"
    assert made["said"]["locator"] == f"{number}#page=3"


def test_what_is_chosen_goes_with_its_entries_and_the_rest_does_not(house, number, tmp_path):
    [kept] = house.evidence("note", number, "for us alone", person="analyst").lines
    [chosen] = house.evidence("note", number, "for the court", person="analyst").lines
    words = ("assess", number, "--source", "B", "--place", "Krn", "--method", "shadows")
    [held] = house.evidence(*words, person="analyst").lines
    [gone] = house.evidence("assess", number, "--source", "C", person="analyst").lines
    house.evidence("annotation", "withdraw", gone["annotation"], "--motive", "m", person="analyst")
    out = tmp_path / "bundle"
    made = house.evidence(
        "export", "--case", CODE, number, "--out", out, "--purpose", "court",
        "--annotations", "assessment", "--annotations", chosen["annotation"], person="prosecutor",
    )  # fmt: skip
    assert made.code == 0, made.err
    told = json.loads((out / "annotations.json").read_text())["annotations"]
    assert [(one["annotation"], one["said"], one["author"]) for one in told] == [
        (chosen["annotation"], {"text": "for the court"}, "analyst"),
        (held["annotation"], {"source": "B", "place": "Krn", "method": "shadows"}, "analyst"),
    ]
    document = json.loads((out / "custody.json").read_text())
    opened = {one["index"]: one["openings"] for one in document["entries"]}
    assert [opened[one["entry"]]["detail"]["value"]["version"] for one in told] == [1, 1]
    assert "for us alone" not in json.dumps(document)
    assert opened[kept["entry"]] == opened[gone["entry"]] == {}
    checked = subprocess.run(
        [sys.executable, "-I", "verify.py", "."], cwd=out, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    asked = house.repo.ledger.openings([document["tree_size"] - 1])[document["tree_size"] - 1]
    assert asked["detail"].value["annotations"] == ["assessment", chosen["annotation"]]


def test_a_choice_of_annotations_that_is_none_exports_nothing(house, number, tmp_path):
    [other] = house.evidence("note", take_in(house, tmp_path), "n", person="analyst").lines
    words = ("export", "--case", CODE, number, "--purpose", "court", "--out", tmp_path / "b")
    for wrong in ("selection", "ANN-none", other["annotation"]):
        said = house.evidence(*words, "--annotations", wrong, person="prosecutor")
        assert said.code == 2, said.err
    assert not (tmp_path / "b").exists()


def test_strangers_are_told_of_nothing_and_what_says_nothing_is_refused(house, number):
    [note] = house.evidence("note", number, "n", person="analyst").lines
    before = house.repo.ledger.size()
    for words in (
        ("annotation", "list", number), ("annotation", "history", note["annotation"]),
        ("annotation", "history", "ANN-none"), ("note", number, "x"),
        ("tag", f"{CODE}-999999", "y"),
    ):  # fmt: skip
        assert house.evidence(*words, person="stranger").code == 2, words
    added = [e.fields["type"] for e in house.repo.ledger.entries(before)]
    assert added == ["access_denied"] * 5
    for words in (
        ("note", number, " "),
        ("tag", number, "a\u202eb"),
        ("note", number, "x" * 20_001),
    ):
        assert house.evidence(*words, person="analyst").code == 2, words
        assert house.last("access_denied")["attempted"] == "annotation"
    assert house.evidence("note", f"{number}#page=0", "x", person="analyst").code == 2


def test_what_is_said_of_a_place_that_is_not_there_is_refused_and_nothing_is_kept(house, number):
    client, who = create_app(house.repo).test_client(), signed_in(house, "analyst")
    beyond, other = f"{number}#bytes=0-32", f"{number}#sha256={'0' * 64}"  # it has 32 bytes
    for place, status in ((beyond, 404), (other, 409)):
        note = {"kind": "note", "text": "x", "place": place}
        answer = client.post(f"/api/v1/exhibits/{number}/annotations", json=note, headers=who)
        assert answer.status_code == status, answer.text
        chosen = {"title": "T", "items": [number, place], "shared_with": []}
        answer = client.post(f"/api/v1/cases/{CODE}/selections", json=chosen, headers=who)
        assert answer.status_code == status, answer.text
    assert house.evidence("assess", beyond, "--source", "A", person="analyst").code == 2
    assert listed(house, number).lines == []
    assert "T" not in [one["title"] for one in house.evidence("selection", "list", CODE).lines]
    # Nobody looked at it yet: what stands on its pages is not known.
    assert house.evidence("note", f"{number}#page=3", "x", person="analyst").code == 0


def test_a_selection_shows_each_reader_what_that_one_may_know_of(house, number, tmp_path):
    sealed, place = take_in(house, tmp_path), f"{number}#bytes=0-3"
    made = house.evidence(
        "selection", "set", CODE, place, sealed, "--title", "For the hearing", "--share",
        "prosecutor", person="analyst",
    )  # fmt: skip
    assert made.code == 0, made.err
    name = made.lines[0]["selection"]
    entry = house.last("annotation")
    assert entry["reason"] == "selection"
    assert "hearing" not in json.dumps(entry)
    show = ("selection", "show", name)
    assert house.evidence(*show, person="prosecutor").lines[0]["items"] == [place, sealed]
    assert house.evidence(*show, person="investigator").code == 2  # not named
    assert house.evidence("selection", "list", CODE, person="investigator").lines == []
    house.evidence("mark", sealed, "--sealed", "--motive", "m")
    assert house.evidence(*show, person="prosecutor").lines[0]["items"] == [place]
    again = ("selection", "set", CODE, place, "--title", "Shorter", "--again", name)
    assert house.evidence(*again, person="prosecutor").code == 2  # not its author
    [second] = house.evidence(*again, person="analyst").lines
    assert (second["version"], second["shared_with"]) == (2, [])
    assert house.evidence(*show, person="prosecutor").code == 2  # shared no more
    for items in ((sealed,), (f"{CODE}-999999",), ("nonsense",)):
        words = ("selection", "set", CODE, *items, "--title", "T")
        assert house.evidence(*words, person="analyst").code == 2
    whom = ("selection", "set", CODE, place, "--title", "T", "--share", "nobody")
    assert house.evidence(*whom, person="analyst").code == 2


def test_all_of_it_goes_over_http(house, number):
    client = create_app(house.repo).test_client()
    who, other = signed_in(house, "analyst"), signed_in(house, "other analyst")
    place = f"/api/v1/exhibits/{number}/annotations"
    said = {"source": "A", "place": "Kyiv", "method": "m"}
    made = client.post(place, json={"kind": "assessment", "assessment": said}, headers=who)
    assert made.status_code == 201, made.text
    one = f"/api/v1/annotations/{made.json['annotation']}"
    judged = client.post(f"{one}/review", json={"agrees": False, "motive": "m"}, headers=other)
    assert judged.json["said"]["review"]["agrees"] is False
    note = client.post(place, json={"kind": "note", "text": "n"}, headers=who).json["annotation"]
    changed = client.post(f"/api/v1/annotations/{note}/versions", json={"text": "m"}, headers=who)
    assert changed.json["version"] == 2
    ended = client.post(f"/api/v1/annotations/{note}/withdrawal", json={"motive": "m"}, headers=who)
    assert ended.json["version"] == 3
    assert len(client.get(place, headers=who).json["items"]) == 2
    assert len(client.get(one, headers=other).json["items"]) == 2
    for wrong in (
        {"kind": "note"}, {"kind": "note", "text": "x", "assessment": said},
        {"kind": "note", "assessment": said}, {"kind": "assessment", "text": "x"},
        {"kind": "note", "text": "x", "place": f"{CODE}-999999#page=1"},
    ):  # fmt: skip
        assert client.post(place, json=wrong, headers=who).status_code == 400, wrong
    sets = f"/api/v1/cases/{CODE}/selections"
    asked = {"title": "T", "items": [number], "shared_with": ["other analyst"]}
    kept = client.post(sets, json=asked, headers=who)
    assert kept.status_code == 201, kept.text
    name = kept.json["selection"]
    assert client.get(f"/api/v1/selections/{name}", headers=other).json["items"] == [number]
    assert name in [s["selection"] for s in client.get(sets, headers=other).json["items"]]
    assert client.get("/api/v1/selections/SEL-none", headers=who).status_code == 404
    assert client.get("/api/v1/annotations/ANN-none", headers=who).status_code == 404
