"""What people made of an exhibit is an exhibit that names it, and goes where that may not."""

import io
import json

import pytest

from api.app import create_app
from custody.verify import exit_code, verify_path
from ingest import derive as module
from repository.derivations import Making
from repository.errors import BadRequest, UnknownExhibit
from repository.people import new_person
from tests.house import CODE, House
from tests.one_house import one_house, signed_in

WORDS = ("--author", "B. Editor", "--tool", "Shears", "--tool-version", "2.1", "--reason", "trial")
REDACTION = ("--kind", "redaction", "--code", "R3: witness safety", *WORDS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        new_person(found.house.repo, found.house.custodian, name="second", role="custodian")
        found.house.evidence("case", "new", "THIRD", "--title", "T")
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def take_in(house: House, folder, *words: str) -> str:
    name = folder / house.repo.random(4).hex()
    name.write_bytes(house.repo.random(40))
    said = house.evidence(
        "ingest", name, "--case", CODE, "--no-extract", *words, person="investigator"
    )
    assert said.code == 0, said.err
    return said.lines[0]["exhibit"]


def derived(house: House, folder, parent: str, *words: str, person: str = "analyst"):
    file = folder / f"made-{house.repo.random(4).hex()}"
    file.write_bytes(house.repo.random(20))
    return house.evidence("derive", parent, file, "--no-extract", *words, person=person)


def test_it_names_its_parent_and_both_histories_say_who_made_it_with_what_and_why(house, tmp_path):
    parent = take_in(house, tmp_path)
    said = derived(house, tmp_path, parent, *REDACTION, "--language", "uk")
    assert said.code == 0, said.err
    [line] = said.lines
    assert (line["parent"], line["kind"], line["status"]) == (parent, "redaction", "registered")
    [shown] = house.evidence("show", line["exhibit"]).lines
    assert shown["derived_from"] == {
        "exhibit": parent, "sha256": shown["derived_from"]["sha256"], "kind": "redaction",
        "language": "uk", "own": False,
    }  # fmt: skip
    [above] = house.evidence("show", parent).lines
    assert [one["exhibit"] for one in above["children"]] == [line["exhibit"]]
    pair = [e for e in house.entries() if e.fields.get("reason") == "redaction"][-2:]
    assert {e.fields["exhibit"]["number"] for e in pair} == {parent, line["exhibit"]}
    for entry in pair:
        assert entry.fields["instrument"]["tool"] == "Shears"
        assert entry.fields["inputs"] == [above["sha256"]]
        assert line["sha256"] in entry.fields["outputs"]
        assert "B. Editor" not in entry.body.decode()
        opened = house.repo.ledger.opened(entry)
        assert opened["motive"] == "trial"
        assert opened["detail"]["author"] == "B. Editor"
        assert opened["detail"]["codes"] == ["R3: witness safety"]
    [one] = [o for o in house.evidence("show", line["exhibit"], "--custody").lines
             if '"reason":"redaction"' in o["body"]]  # fmt: skip
    assert one["opened"]["detail"]["author"] == "B. Editor"


@pytest.mark.parametrize(
    "words",
    [
        ("--kind", "redaction", *WORDS),  # without codes
        ("--kind", "translation", *WORDS),  # without a language
        ("--kind", "clip", "--author", "A", "--tool", "T"),  # without a reason
        ("--kind", "clip", *WORDS, "--language", "not a tag"),
        (*WORDS,),  # without a kind
        ("--kind", "clip", *WORDS, "--member", "a"),
    ],
)
def test_what_says_too_little_is_refused_and_nothing_is_taken_in(house, tmp_path, words):
    parent = take_in(house, tmp_path)
    before = house.case.exhibits
    assert derived(house, tmp_path, parent, *words).code == 2
    assert house.case.exhibits == before


def test_a_parent_that_is_none_or_not_for_the_caller_leaves_a_refusal_alone(house, tmp_path):
    parent = take_in(house, tmp_path)
    making = Making("clip", "A", "T", "r")

    class Unread(io.BytesIO):
        def read(self, *_):
            raise AssertionError("read before it was decided")

        readinto = read

    before, size = house.case.exhibits, house.repo.ledger.size()
    for number, person in ((f"{CODE}-999999", "analyst"), (parent, "stranger")):
        with pytest.raises(UnknownExhibit):
            module.derive(house.repo, house.caller(person), number, Unread(), making, path=b"x")
    assert derived(house, tmp_path, parent, *REDACTION, person="prosecutor").code == 4
    assert house.case.exhibits == before
    added = [e.fields["type"] for e in house.repo.ledger.entries(size)]
    assert set(added) == {"access_denied"}
    with pytest.raises(BadRequest):
        Making("copy", "A", "T", "r").check()


def test_another_digest_than_declared_sets_it_apart(house, tmp_path):
    parent = take_in(house, tmp_path)
    said = derived(house, tmp_path, parent, *REDACTION, "--digest", f"sha256:{'0' * 64}")
    assert said.code == 1
    [line] = said.lines
    assert (line["status"], line["exhibit"]) == ("quarantined", None)
    freed = house.evidence("quarantine", "release", line["quarantine"], "--motive", "typed wrong")
    assert freed.code == 0, freed.err
    [above] = house.evidence("show", parent).lines
    assert [one["kind"] for one in above["children"]] == ["redaction"]


def exported(house: House, folder, *numbers: str, person: str = "prosecutor"):
    out = folder / f"bundle-{house.repo.random(4).hex()}"
    said = house.evidence(
        "export", "--case", CODE, *numbers, "--out", out, "--purpose", "court", person=person
    )
    if said.code:
        return said, [], {}
    told = json.loads((out / "custody.json").read_text())
    assert exit_code(verify_path(out, None)) == 0
    left = {one["what"]: one["why"] for one in told["left_out"]}
    return said, [one["number"] for one in told["exhibits"]], left


def own(house: House, number: str) -> None:
    asked = house.evidence("own-marking", number, "--motive", "names are gone", person="analyst")
    assert asked.code == 0, asked.err
    given = ("approval", "give", asked.lines[0]["approval"], "--motive", "seen")
    assert house.evidence(*given, person="second").code == 0


def test_what_is_empty_is_no_redaction_and_a_copy_of_the_parent_stays_as_the_parent_is(
    house, tmp_path
):
    original, empty = tmp_path / "original", tmp_path / "empty"
    original.write_bytes(house.repo.random(20))
    empty.touch()
    [row] = house.ingest(original)
    said = house.evidence("derive", row["exhibit"], empty, *REDACTION)
    assert (said.code, "is empty" in said.err) == (2, True)
    same = house.evidence("derive", row["exhibit"], original, "--no-extract", *REDACTION)
    asked = house.evidence("own-marking", same.lines[0]["exhibit"], "--motive", "m")
    assert (asked.code, "very bytes" in asked.err) == (2, True)


def test_a_redaction_goes_in_place_of_what_is_kept_and_never_beside_it(house, tmp_path):
    parent = take_in(house, tmp_path)
    redaction = derived(house, tmp_path, parent, *REDACTION).lines[0]["exhibit"]
    clip = derived(house, tmp_path, parent, "--kind", "clip", *WORDS).lines[0]["exhibit"]
    _, numbers, left = exported(house, tmp_path, parent, redaction, clip)
    assert numbers == [parent, clip]
    assert left[redaction] == f"a redaction of {parent}, which is given itself"
    house.evidence("mark", parent, "--handling", "H2", "--motive", "m")
    assert exported(house, tmp_path, parent)[0].code == 4  # all that was made of it inherits it
    own(house, redaction)
    said, numbers, left = exported(house, tmp_path, parent)
    assert said.code == 0, said.err
    assert numbers == [redaction]
    assert left[parent] == (
        f"the rules keep it from this recipient; in its place: {redaction} (redaction)"
    )
    assert exported(house, tmp_path, parent, clip)[0].code == 4  # the clip is kept as it is
    [shown] = house.evidence("show", redaction).lines
    assert shown["derived_from"]["own"] is True


def test_what_stands_in_goes_over_http_too_and_only_it_is_handed_out(house, tmp_path):
    from repository.exports import bundles

    parent = take_in(house, tmp_path)
    redaction = derived(house, tmp_path, parent, *REDACTION).lines[0]["exhibit"]
    house.evidence("mark", parent, "--handling", "H2", "--motive", "m")
    own(house, redaction)
    client = create_app(house.repo).test_client()
    who = {**signed_in(house, "prosecutor"), "Evidence-Purpose": "court"}
    place = f"/api/v1/cases/{CODE}/exports"
    asked = client.post(place, json={"exhibits": [parent]}, headers=who)
    assert asked.status_code == 202, asked.text
    where = f"/api/v1/exports/{asked.json['export']}"
    assert client.get(f"{where}/bundle", headers=who).status_code == 409  # not made yet
    bundles.make(house.repo, asked.json["export"])
    told = client.get(where, headers=who).json
    assert parent in {one["what"] for one in told["left_out"]}
    archive = client.get(f"{where}/bundle", headers=who)
    assert archive.status_code == 200
    assert f"data/{redaction}.bin".encode() in archive.data
    assert f"data/{parent}.bin".encode() not in archive.data


def test_loosening_is_for_what_people_made_and_takes_a_second_person(house, tmp_path):
    parent = take_in(house, tmp_path)
    made = derived(house, tmp_path, parent, *REDACTION).lines[0]["exhibit"]
    assert house.evidence("own-marking", parent, "--motive", "m", person="analyst").code == 2
    asked = house.evidence("own-marking", made, "--motive", "m").lines[0]["approval"]
    assert house.evidence("approval", "give", asked, "--motive", "m").code == 4  # the same person
    assert house.evidence("show", made).lines[0]["derived_from"]["own"] is False


def test_working_copies_are_counted_until_none_is_out(house, tmp_path):
    number = take_in(house, tmp_path)
    made = (
        "copies",
        "made",
        number,
        "--count",
        3,
        "--holder",
        "Lab of D.",
        "--purpose",
        "analysis",
    )
    assert house.evidence(*made, person="investigator").code == 4  # reads nothing, copies nothing
    said = house.evidence(*made, person="analyst")
    assert said.code == 0, said.err
    name = said.lines[0]["copies"]
    assert house.evidence("show", number).lines[0]["copies_out"] == 3
    entry = house.last("working_copy_creation")
    assert (entry["reason"], entry["count"]) == ("made", 3)
    assert "Lab of D." not in json.dumps(entry)
    end = ("copies", "end", name, "--as", "returned", "--motive", "m")
    assert house.evidence(*end, "--count", 4, person="analyst").code == 2
    assert house.evidence(*end, "--count", 1, person="stranger").code == 2
    assert house.evidence(*end, "--count", 1, person="analyst").lines[0]["out"] == 2
    destroyed = ("copies", "end", name, "--as", "destroyed", "--motive", "wiped")
    assert house.evidence(*destroyed, person="analyst").lines[0]["out"] == 0
    assert (house.last("working_copy_creation")["reason"]) == "destroyed"
    assert "copies_out" not in house.evidence("show", number).lines[0]
    assert house.evidence(*destroyed, person="analyst").code == 2
    client = create_app(house.repo).test_client()
    who = {**signed_in(house, "analyst"), "Evidence-Purpose": "analysis"}
    again = client.post(f"/api/v1/exhibits/{number}/copies", json={"holder": "L"}, headers=who)
    assert again.status_code == 201
    place = f"/api/v1/copies/{again.json['copies']}/end"
    ended = client.post(place, json={"how": "returned", "motive": "m"}, headers=who)
    assert ended.json["out"] == 0
    listed = client.get(f"/api/v1/exhibits/{number}/copies", headers=who).json["items"]
    assert [one["out"] for one in listed] == [0, 0]


def test_a_derivative_comes_over_http_with_its_parent(house, tmp_path):
    parent = take_in(house, tmp_path)
    client = create_app(house.repo).test_client()
    who = signed_in(house, "analyst")
    place = f"/api/v1/exhibits/{parent}/derivatives"
    query = {
        "kind": "transcript",
        "author": "A",
        "tool": "by hand",
        "reason": "r",
        "language": "ar",
    }
    answer = client.post(place, query_string=query, data=b"words", headers=who)
    assert answer.status_code == 201, answer.text
    found = client.get(answer.headers["Location"], headers=who).json
    assert found["derived_from"]["kind"] == "transcript"
    assert client.post(place, query_string={"kind": "clip"}, headers=who).status_code == 400
    assert house.last("access_denied")["attempted"] == "derivative_creation"
    elsewhere = f"/api/v1/exhibits/{CODE}-999999/derivatives"
    assert client.post(elsewhere, query_string=query, headers=who).status_code == 404
    wrong = client.post(
        place, query_string=query, data=b"words",
        headers={**who, "Repr-Digest": f"sha-256=:{'A' * 43}=:"},
    )  # fmt: skip
    assert wrong.status_code == 422
