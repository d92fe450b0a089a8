"""Snippets and suggestions: what is quoted and spelled otherwise, for whom, and on record."""

import json
from hashlib import sha256

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from api.app import create_app
from repository import privilege
from repository.cases import find_case
from repository.errors import IntegrityError
from repository.models import Exhibit
from repository.people import grant, new_person
from repository.sealed import put_document
from repository.search import index, snippets, sources, suggest
from repository.search.ask import search
from repository.search.grammar import parse
from repository.search.snippets import CHARACTERS, Wanted
from repository.search.tokens import FACTS
from repository.search.words import spans
from tests.house import House
from tests.one_house import one_house, signed_in

LONG = f"{'Nothing to see here. ' * 40}Then the bridge at Horlivka fell.{' And so on.' * 40}"
TEXTS = {
    "long.txt": [("text", "page=7", LONG)],
    "box.zip": [("text", "member=a.txt", "the bridge in the box"), ("fact", "", "bridge")],
    "name.txt": [("fact", "message=12", "Мар\u2019яна Шевченко біля мосту")],
    "han.txt": [("text", "", "\u6211\u4eec\u5728\u8bc1\u636e\u94fe\u91cc\u627e\u5230\u8bc1\u636e")],
}


def said_in(about):
    for kind, where, said in TEXTS.get(about.exhibit.path.decode().rpartition("/")[2], ()):
        yield sources.Text(FACTS, said, locator=where, kind=kind)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SOURCES", (*sources.SOURCES, said_in))
        house = found.house
        for name, role in (("partner", "partner"), ("giver", "submitter"), ("judge", "reviewer")):
            person = new_person(house.repo, house.custodian, name=name, role=role)
            grant(house.repo, house.custodian, case=house.case, person=person, role=role)
        take_in(house, tmp_path_factory.mktemp("files"), TEXTS)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def take_in(house: House, folder, every, *, case: str = "KRN") -> list[str]:
    for name in every:
        (folder / name).write_text(f"{case} {name}")
    person = "investigator" if case == "KRN" else None
    told = house.evidence(
        "ingest", *[folder / one for one in every], "--case", case, "--no-extract", person=person
    )
    assert told.code == 0, told.err
    index_all(house)
    return [str(line["exhibit"]) for line in told.lines]


def index_all(house: House) -> None:
    with house.repo.database.writing() as session:
        for exhibit in session.scalars(select(Exhibit)):
            exhibit.processed_at = exhibit.registered_at
        index.expect(session, list(session.scalars(select(Exhibit.id))))
    assert index.make_all(house.repo)[1] == {}


def quoted(house: House, query: str, person: str = "analyst") -> dict:
    """Return by name what is quoted, each with its locator and what is marked in it."""
    found = search(house.repo, house.caller(person), query, snippets=True).found
    return {
        one.described.exhibit.path.decode().rpartition("/")[2]: one.snippets
        and [(it.locator, [it.text[a:b] for a, b in it.marks]) for it in one.snippets]
        for one in found
    }


# --- in their context


def test_what_was_found_is_quoted_in_its_context_with_its_locator_and_marked(house):
    assert quoted(house, "bridge")["long.txt"] == [("page=7", ["bridge"])]
    [said] = search(house.repo, house.caller("analyst"), "Horlivka", snippets=True).found
    [one] = said.snippets
    assert len(one.text) <= CHARACTERS
    assert "Then the bridge at Horlivka fell." in one.text
    assert (one.begins, one.ends, one.kind) == (False, False, "text")
    assert search(house.repo, house.caller("analyst"), "Horlivka").found[0].snippets == ()


@pytest.mark.parametrize(
    ("query", "name", "marked"),
    [
        ("мар'яна", "name.txt", ["Мар\u2019яна"]),
        ("Mariana Shevchenko", "name.txt", ["Мар\u2019яна", "Шевченко"]),
        ("bridges", "long.txt", ["bridge"]),
        ("bridge NOT box", "long.txt", ["bridge"]),
        ("\u8bc1\u636e", "han.txt", ["\u8bc1\u636e", "\u8bc1\u636e"]),
        ("horlivka OR nowhere", "long.txt", ["Horlivka"]),
    ],
)
def test_what_matched_is_marked_as_it_is_written_there(house, query, name, marked):
    [(_, found), *_] = quoted(house, query)[name]
    assert found == marked


def test_where_most_of_what_is_asked_stands_together_comes_before_the_rest():
    said = [sources.Text(FACTS, f"river {'x ' * 300} river bridge {'x ' * 300} river")]
    found = snippets.of_texts(said, Wanted.of(parse("river bridge"), "exact"))
    assert [len(one.marks) for one in found] == [1, 2, 1]
    many = [sources.Text(FACTS, f"river {n} {'x ' * n}") for n in range(9)]
    many.append(sources.Text(FACTS, "bridge river"))
    found = snippets.of_texts(many, Wanted.of(parse("river bridge"), "exact"))
    assert len(found) == snippets.MOST
    assert found[-1].text == "bridge river"


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet="ab \u0301'\u2019\u200d\u0640é\u8bc1\u1019\u06c1\n\x01\u202e-", max_size=80)
)
def test_every_word_s_place_is_in_the_text_and_every_mark_in_the_snippet(text):
    for begin, end, word in spans(text):
        assert 0 <= begin < end <= len(text)
        assert word.folded
    for one in snippets.of_texts([sources.Text(FACTS, text)], Wanted.of(parse("ab OR é"), "form")):
        assert all(0 <= first < last <= len(one.text) for first, last in one.marks)
        assert "\n" not in one.text
        assert "\x01" not in one.text


# --- for whom, and on record


def test_only_text_that_the_asker_may_read_is_quoted(house):
    assert quoted(house, "bridge", "partner")["box.zip"]
    assert quoted(house, "name:long", "giver") == {}
    said = house.evidence("note", "KRN-000001", "a bridge too far", person="analyst")
    assert said.code == 0, said.err
    index.make_all(house.repo)
    kinds = {
        person: {it.kind for it in search(
            house.repo, house.caller(person), "bridge", snippets=True
        ).found[-1].snippets}
        for person in ("analyst", "partner")
    }  # fmt: skip
    assert kinds == {"analyst": {"text", "note"}, "partner": {"text"}}


def test_of_a_container_in_which_something_may_be_privileged_nothing_is_quoted(house):
    one = privilege.claim(
        house.repo, house.caller("analyst"), "KRN-000002", member="b.txt", motive="m"
    )
    assert not quoted(house, "bridge")["box.zip"]
    assert quoted(house, "bridge")["long.txt"]
    assert quoted(house, "bridge", "judge")["box.zip"]
    privilege.judge(
        house.repo,
        house.caller("judge"),
        one.number,
        decision="release",
        member="b.txt",
        motive="m",
    )
    assert quoted(house, "bridge")["box.zip"]


def test_what_is_quoted_is_in_the_document_of_the_entry_and_nowhere_in_clear(house, monkeypatch):
    kept = []

    def put(repo, data):
        kept.append(data)
        return put_document(repo, data)

    monkeypatch.setattr("repository.search.ask.put_document", put)
    before = len(house.entries())
    search(house.repo, house.caller("analyst"), "Horlivka", snippets=True, suggestions=True)
    [entry] = house.entries()[before:]
    assert entry.fields["count"] == 1
    assert "Horlivka" not in json.dumps(entry.fields)
    [data] = kept
    assert entry.fields["outputs"] == [f"sha256:{sha256(data).hexdigest()}"]
    shown = json.loads(data)
    assert shown[0] == "KRN-000001"
    [[number, kind, locator, text]] = shown[-1]["snippets"]
    assert (number, kind, locator) == ("KRN-000001", "text", "page=7")
    assert "Horlivka" in text


def test_texts_that_cannot_be_read_are_said_to_be_so(house, monkeypatch):
    def damaged(*_):
        raise IntegrityError("another record")

    monkeypatch.setattr(snippets, "about", damaged)
    assert quoted(house, "Horlivka") == {"long.txt": None}


# --- suggestions


def spelled(house: House, query: str, person: str = "analyst") -> list[tuple[str, str]]:
    found = search(house.repo, house.caller(person), query, suggestions=True).suggestions
    return [(one.instead, one.query) for one in found or ()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("brigde", [("bridge", "bridge")]),
        ("hree bridge", [("here", "here bridge")]),
        ("horlivkaa bridge", []),
        ("біял", [("біля", "біля")]),
        ("bridge", []),
        ("zzzzzz", []),
        ("abc", []),
        ("name:brigde", []),
        ("NOT brigde", []),
        ('"brigde at horlivka"', []),
    ],
)
def test_a_word_that_is_nowhere_is_spelled_as_one_that_is_somewhere(house, query, found):
    assert spelled(house, query) == found


def test_nothing_is_suggested_where_enough_is_found_or_nobody_asked(house, monkeypatch):
    assert search(house.repo, house.caller("analyst"), "brigde").suggestions is None
    monkeypatch.setattr("repository.search.ask.FEW", -1)
    assert spelled(house, "brigde") == []
    assert spelled(house, "brigde", "giver") == []


def test_every_slip_of_a_letter_is_made():
    assert {"bridge"} == {one for one in suggest.near("bridgee") if one == "bridge"}
    for slip in ("bidge", "brridge", "brigde", "bradge"):
        assert "bridge" in suggest.near(slip)
    assert "bridge" not in suggest.near("bridge")
    assert suggest.near("br1dge") == []


# --- what is hidden


HIDDEN = st.lists(
    st.sampled_from(["brigade", "horlivka bridges", "Horlivka \u8bc1\u636e", "brigdee"]),
    min_size=1, max_size=3,
)  # fmt: skip


def test_nothing_quoted_or_suggested_differs_because_of_what_the_asker_may_not_know(
    house, tmp_path, monkeypatch
):
    """Generated: exhibits of another case with words near those asked for change nothing."""
    asked = ("brigde", "brigad", "horlivk", "bridge", "Шевченко", "\u8bc1\u636e", "brigdeee")

    def answers():
        found = []
        for person in ("analyst", "partner", "giver"):
            for query in asked:
                one = search(house.repo, house.caller(person), query, snippets=True,
                             suggestions=True, facets=True)  # fmt: skip
                hits = [(hit.described.exhibit.number, hit.snippets) for hit in one.found]
                found.append((hits, one.suggestions, one.count, one.facets, one.unread, one.digest))
        return found

    before = answers()
    rounds = iter(range(100))
    texts = dict(TEXTS)
    monkeypatch.setitem(globals(), "TEXTS", texts)

    @settings(max_examples=3, deadline=None, phases=[Phase.generate])
    @given(HIDDEN)
    def unchanged(hidden):
        every = {f"hidden {next(rounds)}.txt": [("text", "", said)] for said in hidden}
        texts.update(every)
        take_in(house, tmp_path, every, case="OTHER")
        assert answers() == before

    unchanged()
    with house.repo.database.reading() as session:
        other = find_case(session, "OTHER")
    assert other is not None
    person = new_person(house.repo, house.custodian, name="of the other", role="analyst")
    grant(house.repo, house.custodian, case=other, person=person, role="analyst")
    assert search(house.repo, house.caller("of the other"), "hidden", snippets=True).count


# --- over HTTP, on the command line


def test_over_http_and_on_the_command_line(house):
    client = create_app(house.repo).test_client()
    body = {"query": "horlivka", "snippets": True, "suggestions": True}
    found = client.post("/api/v1/search", json=body, headers=signed_in(house, "analyst")).json
    [one] = found["items"]
    [snippet] = one["snippets"]
    [[first, last]] = snippet["marks"]
    assert snippet["text"][first:last] == "Horlivka"
    assert found["suggestions"] == []
    said = house.evidence("search", "horlivka", "--snippets", person="analyst")
    assert said.lines[0]["snippets"] == one["snippets"]
    told = house.evidence("search", "brigde", "--suggestions", person="analyst")
    assert told.lines[0] == {"word": "brigde", "instead": "bridge", "query": "bridge"}
