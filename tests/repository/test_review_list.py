"""Review in bulk: a list goes out, is worked on, and comes back whole or not at all."""

import csv
import io
import re
from urllib.parse import quote

import pytest

from api.app import create_app
from repository import review_list
from repository.errors import BadRequest, ListConflicts
from repository.people import grant, new_person
from repository.review_list import COLUMNS
from repository.sealed import put_document
from tests.house import CODE, House
from tests.one_house import one_house, signed_in
from tests.repository.test_register import classify, rows, take_in


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        person = new_person(house.repo, house.custodian, name="second", role="prosecutor")
        grant(house.repo, house.custodian, case=house.case, person=person, role="prosecutor")
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def number(house, tmp_path):
    return take_in(house, tmp_path)


def written(house: House, folder, *words: str, person: str = "prosecutor") -> list[dict]:
    out = folder / f"{house.repo.random(4).hex()}.csv"
    said = house.evidence("register", "export", CODE, "--out", out, *words, person=person)
    assert said.code == 0, said.err
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def given(lines: list[dict], **options) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue().encode(options.get("encoding", "utf-8"))


def put(house: House, folder, data: bytes, *words: str, person: str = "prosecutor"):
    file = folder / f"{house.repo.random(4).hex()}.csv"
    file.write_bytes(data)
    words = (*words, "--motive", "read in full")
    return house.evidence("register", "import", CODE, file, *words, person=person)


def only(lines: list[dict], *numbers: str) -> list[dict]:
    return [line for line in lines if line["exhibit"] in numbers]


def test_what_was_worked_on_is_applied_with_an_entry_for_each_change(house, number, tmp_path):
    other = take_in(house, tmp_path)
    lines = only(written(house, tmp_path), number, other)
    assert [line["classification"] for line in lines] == ["not-reviewed"] * 2
    lines[0] |= {"classification": "rule-77", "rule": "77", "redactions": "R1:safety\nR2:art. 9: b"}
    size = house.repo.ledger.size()
    [said] = put(house, tmp_path, given(lines)).lines
    assert (said["rows"], said["changed"]) == (2, 1)
    added = [e.fields for e in house.repo.ledger.entries(size)]
    assert [(e["type"], e["reason"]) for e in added] == [
        ("annotation", "disclosure-review"), ("annotation", "disclosure-review-list"),
    ]  # fmt: skip
    assert added[1]["inputs"] == [said["digest"]]
    assert added[0]["request_id"] == added[1]["request_id"]
    row = rows(house)[number]
    assert row["redactions"] == [
        {"code": "R1", "basis": "safety"}, {"code": "R2", "basis": "art. 9: b"},
    ]  # fmt: skip
    again = only(written(house, tmp_path), number, other)
    assert put(house, tmp_path, given(again)).lines[0]["changed"] == 0


def test_a_row_changed_since_it_was_written_out_stops_the_whole_list(house, number, tmp_path):
    other = take_in(house, tmp_path)
    lines = only(written(house, tmp_path), number, other)
    assert classify(house, number, "incriminating").code == 0
    for line in lines:
        line["classification"] = "other"
    said = put(house, tmp_path, given(lines))
    assert said.code == 2
    [problem] = said.lines
    assert problem["line"] == 2
    assert "changed by entry" in problem["problem"]
    assert rows(house)[number]["classification"] == "incriminating"
    assert rows(house)[other]["classification"] == "not-reviewed"


def test_what_would_be_a_formula_stays_text_on_both_ways(house, number, tmp_path):
    text = '=HYPERLINK("http://x","y")'
    [line] = only(written(house, tmp_path), number)
    line |= {"classification": "other", "withheld": text}
    assert put(house, tmp_path, given([line])).code == 0
    assert rows(house)[number]["withheld"] == text
    [line] = only(written(house, tmp_path), number)
    assert line["withheld"] == f"'{text}"
    assert put(house, tmp_path, given([line])).lines[0]["changed"] == 0
    line["rule"] = "+1"
    assert put(house, tmp_path, given([line])).lines[0]["changed"] == 1
    assert rows(house)[number]["withheld"] == text


HEAD = ",".join(COLUMNS[:6])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("é".encode("latin-1"), "line 1: not UTF-8"),
        (HEAD.encode("utf-16"), "UTF-16"),
        (f"{HEAD}\n{CODE}-000001,,other,a\0b,,".encode(), "line 2: a text cannot hold U+0000"),
        (b"", "columns are missing"),
        (b"exhibit,entry,classification", "columns are missing: rule, withheld, redactions"),
        (f"{HEAD},salary".encode(), "no column salary"),
        (f"{HEAD},rule".encode(), "rule stands there twice"),
        (f'{HEAD}\n"{CODE}-000001,,other'.encode(), "no CSV"),
        (f"{HEAD}\n{CODE}-000001,,other".encode(), "line 2: 3 cells under 6 columns"),
        (f"{HEAD}\n{CODE}-000001,,nice,,,".encode(), "line 2: a classification is one of"),
        (f"{HEAD}\n{CODE}-000001,-3,other,,,".encode(), "line 2: the column entry"),
        (f"{HEAD}\n{CODE}-000001,,other,,,R1".encode(), "line 2: redactions are CODE:BASIS"),
        (f"{HEAD}\n{CODE}-999999,,other,,,".encode(), "line 2: KRN has no exhibit KRN-999999"),
        (f"{HEAD}\n\u202eKRN,,other,,,".encode(), "line 2: KRN has no exhibit \\u202eKRN"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_its_line_and_applies_nothing(house, tmp_path, data, words):
    size = house.repo.ledger.size()
    said = put(house, tmp_path, data)
    assert said.code == 2
    assert words in said.err
    assert house.repo.ledger.size() == size


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("exhibit,entry\nKRN-1,Київ\n".encode("cp1251"), "line 2: not UTF-8"),
        ("exhibit,entry\n".encode("utf-16"), "UTF-16"),
        ("exhibit,entry\n".encode("utf-16-le"), "U+0000"),
        (b"exhibit," * 1_000_000, "twice"),
        (b"," * 1_000_000, "there is no column"),
    ],
    ids=["cp1251", "utf-16", "utf-16 without mark", "many columns", "many empty columns"],
)
def test_another_encoding_and_a_million_columns_are_refused_at_once(house, data, words):
    with pytest.raises(BadRequest, match=re.escape(words)):
        review_list.read_list(
            house.repo, house.caller("prosecutor"), CODE, io.BytesIO(data), motive="m"
        )


def test_rows_that_stand_there_twice_or_that_one_may_not_know_are_problems(house, number, tmp_path):
    sealed = take_in(house, tmp_path)
    [line] = only(written(house, tmp_path), number)
    [hidden] = only(written(house, tmp_path), sealed)
    assert house.evidence("mark", sealed, "--sealed", "--motive", "m").code == 0
    lines = [line, {**line, "classification": "other"}, line, {**hidden, "classification": "other"}]
    problems = put(house, tmp_path, given(lines)).lines
    assert {one["line"] for one in problems} == {3, 4, 5}
    assert "with other words" in problems[0]["problem"] + problems[1]["problem"]
    unknown = put(house, tmp_path, given([{**line, "exhibit": f"{CODE}-999999"}])).lines
    hidden_ones = [one["problem"] for one in problems if one["line"] == 5]
    assert hidden_ones == [unknown[0]["problem"].replace(f"{CODE}-999999", sealed)]
    assert sealed not in str(written(house, tmp_path))


def test_a_second_person_reviews_where_the_proceeding_asks_for_it(house, number, tmp_path):
    assert classify(house, number, "other", "--second", person="second").code == 2
    rule = ("register", "rule", CODE, "--second-review", "--motive", "order 7")
    assert house.evidence(*rule, person="prosecutor").code == 0
    assert house.last("configuration_change")["reason"] == "second-review-on"
    assert classify(house, number, "other", "--second", person="second").code == 2  # no first yet
    assert classify(house, number, "other").lines[0]["review"] == "first-review"
    assert classify(house, number, "other", "--second").code == 2  # the same person
    [line] = only(written(house, tmp_path, "--second", person="second"), number)
    assert (line["classification"], line["entry"]) == ("not-reviewed", "")  # without the first's
    line["classification"] = "rule-77"
    assert put(house, tmp_path, given([line]), "--second", person="prosecutor").code == 2
    assert put(house, tmp_path, given([line]), "--second", person="second").code == 0
    row = rows(house)[number]
    assert (row["review"], row["classification"]) == ("conflict", "other")
    assert (row["second"]["classification"], row["second"]["reviewer"]) == ("rule-77", "second")
    assert classify(house, number, "rule-77", person="second").code == 2  # both by one person
    assert classify(house, number, "rule-77").lines[0]["review"] == "second-review"
    off = (*rule[:3], "--no-second-review", *rule[4:])
    assert house.evidence(*off, person="prosecutor").code == 0


def test_the_api_gives_and_takes_the_same_list(house, number, tmp_path):
    client = create_app(house.repo).test_client()
    asking = signed_in(house, "prosecutor")
    url = f"/api/v1/cases/{CODE}/register/list"
    got = client.get(f"{url}?exhibit={number}", headers=asking)
    assert got.content_type == "text/csv; charset=utf-8"
    [line] = csv.DictReader(io.StringIO(got.text))
    line["classification"] = "incriminating"
    headers = {**asking, "Content-Type": "text/csv", "Evidence-Motive": quote("прочитано")}
    answer = client.post(url, data=given([line]), headers=headers)
    assert (answer.status_code, answer.json["changed"]) == (200, 1)
    answer = client.post(url, data=given([{**line, "rule": "9"}]), headers=headers)
    assert (answer.status_code, answer.json["problems"][0]["line"]) == (409, 2)
    assert client.post(url, data=b"", headers=asking).status_code == 415
    silent = {**asking, "Content-Type": "text/csv"}
    assert client.post(url, data=given([line]), headers=silent).status_code == 400
    assert client.get(f"{url}?exhibit=NONE", headers=asking).status_code == 400
    body = {"second_review": False, "motive": "m"}
    assert client.put(f"/api/v1/cases/{CODE}/register/rule", json=body, headers=asking).json == {
        "case": CODE, "second_review": False,
    }  # fmt: skip


@pytest.mark.parametrize("meanwhile", ["nothing", "a look", "a review", "a seal", "a rule"])
def test_what_was_looked_at_before_the_lock_counts_as_far_as_nothing_touched_it(
    house, number, tmp_path, monkeypatch, meanwhile
):
    other = take_in(house, tmp_path)
    listed = [only(written(house, tmp_path), one)[0] for one in (number, other)]
    for line in listed:
        line["classification"] = "rule-77"
    said: dict[str, tuple[str, ...]] = {
        "a look": ("show", number),
        "a seal": ("mark", other, "--sealed", "--motive", "m"),
        "a rule": ("register", "rule", CODE, "--second-review", "--motive", "m"),
    }

    def between(repo, data):  # between the look at the rows and their transaction
        if meanwhile == "a review":
            assert classify(house, other, "other").code == 0
        if meanwhile in said:
            assert house.evidence(*said[meanwhile]).code == 0
        return put_document(repo, data)

    monkeypatch.setattr(review_list, "put_document", between)
    asked = []
    proposed = review_list._proposed

    def counted(repo, session, caller, case, rows, problems, *, second):
        asked.append(sorted(row.number for row in rows))
        return proposed(repo, session, caller, case, rows, problems, second=second)

    monkeypatch.setattr(review_list, "_proposed", counted)
    file, caller = io.BytesIO(given(listed)), house.caller("prosecutor")
    both = sorted([number, other])
    again = {"a review": [other], "a seal": [other], "a rule": both}.get(meanwhile)
    if meanwhile in ("a review", "a seal"):  # a conflict; not to be known of any more
        with pytest.raises(ListConflicts):
            review_list.read_list(house.repo, caller, CODE, file, motive="m")
        assert rows(house)[number]["classification"] == "not-reviewed"  # the other one neither
    else:
        assert review_list.read_list(house.repo, caller, CODE, file, motive="m").changed == 2
        assert {rows(house)[one]["classification"] for one in both} == {"rule-77"}
    assert asked == [both, *([again] if again else [])]
    if meanwhile == "a rule":
        off = ("register", "rule", CODE, "--no-second-review", "--motive", "m")
        assert house.evidence(*off, person="prosecutor").code == 0


def test_what_changes_while_a_list_is_applied_is_seen_under_the_lock(
    house, number, tmp_path, monkeypatch
):
    [line] = only(written(house, tmp_path), number)
    line["classification"] = "other"

    def meanwhile(repo, data):  # between the look at the rows and their transaction
        assert classify(house, number, "rule-77").code == 0
        return put_document(repo, data)

    monkeypatch.setattr(review_list, "put_document", meanwhile)
    file = io.BytesIO(given([line]))
    with pytest.raises(ListConflicts, match="changed by entry"):
        review_list.read_list(house.repo, house.caller("prosecutor"), CODE, file, motive="m")
    assert rows(house)[number]["classification"] == "rule-77"
