"""Numbers that courts cite by: each given once, none skipped, shown wherever the exhibit is."""

import io
import json
import threading

import pytest
from pypdf import PdfWriter

from api.app import create_app
from ingest.sandbox import Sandbox
from ingest.workflows import process_all
from repository import open_repository
from repository.authorise import Caller
from repository.cases import open_case
from repository.errors import BadQuery
from repository.exhibits import find_exhibit
from repository.numbered import NumberRange
from repository.numbering import assign
from repository.people import find_person, grant, new_person
from repository.search import index
from repository.search.ask import search
from tests.house import CODE, House
from tests.one_house import one_house, signed_in
from tests.repository.test_register import classify, take_in


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        person = new_person(house.repo, house.custodian, name="counsel of A", role="counsel")
        grant(house.repo, house.custodian, case=house.case, person=person, role="counsel",
              party="defence of A")  # fmt: skip
        said = scheme(house, CODE, "--per", "file", "--prefix", "KRN-OTP-", "--digits", "4")
        assert said.code == 0, said.err
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def other(house):
    """Return the code of a case of its own, which the prosecutor is on."""
    code = f"N{house.repo.random(4).hex().upper()}"
    case = open_case(house.repo, house.custodian, code=code, title="Another")
    for role in ("investigator", "prosecutor"):
        person = house.caller(role).person
        grant(house.repo, house.custodian, case=case, person=person, role=role)
    return code


def scheme(house: House, code: str, *words: str):
    return house.evidence(
        "number", "scheme", code, "--motive", "as ordered", *words, person="prosecutor"
    )


def give(house: House, code: str, *words: object):
    return house.evidence("number", "assign", code, *words, person="prosecutor")


def document(pages: int) -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    for _ in range(pages):
        writer.add_blank_page(200, 100)
    writer.write(out)
    return out.getvalue()


def took(house: House, folder, code: str, name: str, data: bytes, *, look: bool = True) -> str:
    (folder / name).write_bytes(data)
    words = ("ingest", folder / name, "--case", code, "--no-extract")
    number = house.evidence(*words, person="investigator").lines[0]["exhibit"]
    if look:
        with house.repo.database.reading() as session:
            found = find_exhibit(session, number)
        with Sandbox(clock=house.repo.clock) as sandbox:
            process_all(house.repo, sandbox, [found.id])
    return number


def test_each_is_numbered_once_in_the_order_asked_for_and_each_leaves_its_entry(house, tmp_path):
    one, two, three = (take_in(house, tmp_path) for _ in range(3))
    size = house.repo.ledger.size()
    said = give(house, CODE, two, one)
    assert said.code == 0, said.err
    first, second = said.lines
    assert (first["exhibit"], second["exhibit"]) == (two, one)
    assert first["first"] == first["last"]
    assert int(second["first"][-4:]) == int(first["last"][-4:]) + 1
    entries = [e.fields for e in house.repo.ledger.entries(size)]
    assert [(e["type"], e["reason"]) for e in entries] == [
        ("annotation", "number-given"), ("annotation", "number-given"),
        ("annotation", "numbers-given"),
    ]  # fmt: skip
    assert first["first"] not in json.dumps(entries)  # withheld, like all of its kind
    again = give(house, CODE, one, two, three).lines
    assert [row["new"] for row in again] == [False, False, True]
    assert [row["first"] for row in again[:2]] == [second["first"], first["first"]]
    assert scheme(house, CODE, "--prefix", "X").code == 2  # how it numbers stays
    [shown] = house.evidence("show", one, person="prosecutor").lines
    assert shown["numbers"] == [
        {"case": CODE, "first": second["first"], "last": second["last"]}
    ]  # fmt: skip
    [found] = house.evidence("number", "list", CODE, "--find", first["first"]).lines
    assert (found["exhibit"], found["page"]) == (two, None)


def test_pages_of_documents_have_numbers_of_their_own(house, other, tmp_path):
    pdf = took(house, tmp_path, other, "a.pdf", document(3))
    text = took(house, tmp_path, other, "b.txt", b"a letter")
    waits = took(house, tmp_path, other, "c.pdf", document(2), look=False)
    assert give(house, other, pdf).code == 2  # no numbering yet
    assert scheme(house, other, "--prefix", "ERN-", "--digits", "3", "--from", "7").code == 0
    numbered, single, left = give(house, other, pdf, text, waits).lines
    assert (numbered["first"], numbered["last"]) == ("ERN-007", "ERN-009")
    assert (single["first"], single["last"]) == ("ERN-010", "ERN-010")
    assert left == {"exhibit": waits, "reason": "not-looked-at"}
    [found] = house.evidence("number", "list", other, "--find", "ERN-008").lines
    assert (found["exhibit"], found["page"]) == (pdf, 2)
    assert house.evidence("number", "list", other, "--find", "ERN-011").lines == []
    assert house.evidence("number", "list", other, "--find", "KRN-001").code == 2


def test_numbers_that_are_used_up_are_said_and_none_is_given_half(house, other, tmp_path):
    words = ("--per", "file", "--digits", "1", "--from", "9")
    assert scheme(house, other, *words).code == 0
    one, two = (took(house, tmp_path, other, n, n.encode(), look=False) for n in "ab")
    given, left = give(house, other, one, two).lines
    assert given["first"] == "9"
    assert left == {"exhibit": two, "reason": "numbers-used-up"}


def test_a_batch_is_numbered_and_its_list_the_register_and_a_bundle_say_so(house, tmp_path):
    number = take_in(house, tmp_path)
    classify(house, number, "rule-77")
    words = ("disclosure", "batch", CODE, number, "--to", "defence of A")
    [batch] = house.evidence(*words, person="prosecutor").lines
    [given] = give(house, CODE, "--batch", "defence of A", batch["batch"]).lines
    assert given["exhibit"] == number
    [row] = house.evidence("disclosure", "state", CODE, person="counsel of A").lines
    assert (row["first_number"], row["last_number"]) == (given["first"], given["last"])
    rows = house.evidence("register", "show", CODE, person="prosecutor").lines
    [row] = [row for row in rows if row["exhibit"] == number]
    assert row["number"] == {"first": given["first"], "last": given["last"]}
    seen = house.evidence("number", "list", CODE, person="counsel of A").lines
    assert [row["exhibit"] for row in seen] == [number]  # nothing but what it was given
    out = tmp_path / "bundle"
    made = house.evidence(
        "export", "--case", CODE, number, "--out", out, "--purpose", "disclosure",
        "--recipient", "defence of A", person="prosecutor",
    )  # fmt: skip
    assert made.code == 0, made.err
    entries = json.loads((out / "custody.json").read_text())["entries"]
    [told] = [one for one in entries if one["index"] == given["entry"]]
    assert told["openings"]["detail"]["value"]["first"] == given["first"]


def test_two_who_number_at_once_give_no_number_twice_and_skip_none(house, other, tmp_path):
    assert scheme(house, other, "--per", "file").code == 0
    numbers = [took(house, tmp_path, other, str(n), b"%d" % n, look=False) for n in range(12)]
    failed: list[Exception] = []

    def work(mine) -> None:
        repo = open_repository(house.repo.settings)
        try:
            with repo.database.reading() as session:
                caller = Caller(find_person(session, "prosecutor"), "named")
            for one in mine:
                assign(repo, caller, other, numbers=[one])
        except Exception as error:
            failed.append(error)
        finally:
            repo.close()

    shares = (numbers[:8], numbers[4:], numbers[::-1])
    threads = [threading.Thread(target=work, args=(one,)) for one in shares]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    rows = house.evidence("number", "list", other).lines
    assert sorted(row["exhibit"] for row in rows) == numbers
    assert [int(row["first"]) for row in rows] == list(range(1, 13))


@pytest.mark.parametrize("clash", [{"first": 1}, {"last": 1}, {"exhibit_id": "same"}])
def test_the_database_itself_refuses_a_number_or_an_exhibit_twice(house, other, tmp_path, clash):
    from sqlalchemy.exc import IntegrityError

    one, two = (took(house, tmp_path, other, n, n.encode(), look=False) for n in "ab")
    with house.repo.database.reading() as session:
        first, second = (find_exhibit(session, n) for n in (one, two))
        case = first.case_id
    rows = [
        {"case_id": case, "first": n, "last": n, "exhibit_id": id_, "paged": False,
         "at": house.repo.clock(), "index": 1}
        for n, id_ in ((1, first.id), (2, second.id))
    ]  # fmt: skip
    rows[1] |= {"exhibit_id": first.id} if "exhibit_id" in clash else clash
    with pytest.raises(IntegrityError), house.repo.database.writing() as session:
        session.add_all([NumberRange(**row) for row in rows])


def test_a_number_of_another_court_is_a_claim_and_its_mistake_is_told(house, tmp_path):
    number = take_in(house, tmp_path)
    words = ("number", "external", number, "0045-0012", "--issuer", "ICC", "--last", "0045-0019")
    said = house.evidence(*words, "--motive", "stamped on page 1", person="analyst")
    assert said.code == 0, said.err
    entry = house.last("annotation")
    assert (entry["reason"], entry["exhibit"]["number"]) == ("external-number", number)
    assert "0045" not in json.dumps(entry["_sd"]) + json.dumps(entry.get("reason"))
    [shown] = house.evidence("show", number, person="prosecutor").lines
    expected = {"issuer": "ICC", "first": "0045-0012", "last": "0045-0019"}
    assert shown["external_numbers"] == [expected]
    assert house.evidence(*words, "--motive", "again", person="analyst").code == 2
    gone = house.evidence(*words, "--withdraw", "--motive", "misread", person="analyst")
    assert gone.code == 0, gone.err
    [shown] = house.evidence("show", number, person="prosecutor").lines
    assert "external_numbers" not in shown
    assert house.last("annotation")["reason"] == "external-number-withdrawn"


def test_a_search_for_a_number_finds_its_exhibit_and_page_only_where_one_may_know_the_number(
    house, other, tmp_path
):
    paged = took(house, tmp_path, other, "five.pdf", document(5))
    ours = took(house, tmp_path, CODE, "ours.txt", b"ours")
    assert scheme(house, other, "--prefix", f"{other}-", "--digits", "4").code == 0
    assert give(house, other, paged).code == 0
    external = ("number", "external", ours, "0045-0012", "--issuer", "ICC", "--last", "0045-0019")
    assert house.evidence(*external, "--motive", "stamped", person="analyst").code == 0
    with house.repo.database.writing() as session:
        mine, case = find_exhibit(session, ours), find_exhibit(session, paged).case_id
        session.add(
            NumberRange(
                case_id=case, first=9, last=9, exhibit_id=mine.id, paged=False,
                at=house.repo.clock(), index=-1,
            )
        )  # fmt: skip
    index.make_all(house.repo)

    def found(query: str, person: str) -> list[tuple[str, list[int | None]]]:
        answer = search(house.repo, house.caller(person), query)
        return [(one.described.exhibit.number, [c.page for c in one.cited]) for one in answer.found]

    assert found(f"number:{other}-0003", "prosecutor") == [(paged, [3])]
    assert found(f"number:{other}-0002..{other}-0008", "prosecutor") == [(paged, [None])]
    assert found(f"number:{other}-0003 name:five", "prosecutor") == [(paged, [3])]
    assert found(f"NOT number:{other}-0003 name:five", "prosecutor") == []
    assert found(f"number:{other}-0006", "prosecutor") == found("number:nothing-1", "analyst") == []
    for nines in ("9" * 10, "9" * 20):  # no column holds such a number
        for asked in (f"{CODE}-{nines}", f"{CODE}-000001..{CODE}-{nines}", f"{other}-{nines}"):
            assert found(f"number:{asked}", "analyst") == []
    # Known, but not by the number of a proceeding in which one has no part; nor the other way.
    assert found(f"number:{ours}", "analyst") == [(ours, [])]
    assert found(f"number:{ours}..{ours}", "analyst") == [(ours, [])]
    assert found(f"number:{other}-0009", "analyst") == found(f"number:{paged}", "analyst") == []
    assert found("number:0045-0012", "analyst") == found("number:0045-0019", "analyst")
    assert found("number:0045-0012", "analyst") == [(ours, [])]
    assert found("number:0045-0012", "counsel of A") == []
    with pytest.raises(BadQuery, match=r"FIRST\.\.LAST"):
        found("number:0045..", "analyst")
    [hit, _] = house.evidence("search", f"number:{other}-0005", person="prosecutor").lines
    told = {"case": other, "first": f"{other}-0001", "last": f"{other}-0005", "page": 5}
    assert hit["cited"] == [told]


def test_over_http_the_same(house, other, tmp_path):
    number = took(house, tmp_path, other, "a", b"a", look=False)
    client, asking = create_app(house.repo).test_client(), signed_in(house, "prosecutor")
    at = f"/api/v1/cases/{other}"
    none = client.post(f"{at}/numbers", json={"exhibits": [number]}, headers=asking)
    assert none.status_code == 400
    said = {"prefix": "A-", "digits": 2, "per": "file", "motive": "m"}
    put = client.put(f"{at}/numbering", json=said, headers=asking)
    assert (put.status_code, put.json["next_number"]) == (200, "A-01")
    given = client.post(f"{at}/numbers", json={"exhibits": [number]}, headers=asking).json
    assert [(one["exhibit"], one["first"]) for one in given["items"]] == [(number, "A-01")]
    listed = client.get(f"{at}/numbers?number=A-01", headers=asking).json
    assert (listed["items"][0]["exhibit"], listed["next"]) == (number, None)
    assert listed["next_number"] == "A-02"
    theirs = signed_in(house, "counsel of A")
    told = client.get(f"/api/v1/cases/{CODE}/numbers", headers=theirs).json
    assert "next_number" not in told  # how many there are is nothing for a party
    for wrong in ({}, {"exhibits": ["KRN-999999"]}, {"selection": "SEL-x"}):
        assert client.post(f"{at}/numbers", json=wrong, headers=asking).status_code in (400, 404)
