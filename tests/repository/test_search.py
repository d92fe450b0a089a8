"""Search: what finds what, in which order, for whom; and that it is recorded before it is told."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.app import create_app
from repository import facts
from repository.access import Right, Thing, decide
from repository.authorise import of_exhibits, who
from repository.cases import find_case
from repository.errors import AccessDenied, BadQuery
from repository.models import Case, ChildExhibit, Exhibit
from repository.people import grant, new_person
from repository.search import ask, expression, find, grammar, index, saved, sources
from repository.search.ask import search
from repository.search.question import Question
from repository.search.scope import Scope
from repository.search.tokens import FACTS, OPEN, TEAM, Keyed
from tests.house import House, run
from tests.one_house import one_house, signed_in

TEXTS = {
    "bridge.txt": "The bridge over the river was blown up at night. Witness: Mohammed Al-Khatib",
    "міст.txt": "Міст через річку в Андріївці. Свідок: Мар’яна Шевченко з Маріуполя",
    "شهادة.txt": "شهادة محمد الخطيب وعبدالله عن القصف في المدرسة سنة ٢٠١٣، عبدالرحمن، عبد الكريم",
    "chinese.txt": "证据链很长，王先生在北京",
    "burmese.txt": "မြန်မာနိုင်ငံတွင် ဖြစ်ပွားခဲ့သည်",
    "france.txt": "L'église Saint-Étienne a été détruite; témoin: Chevtchenko, +380 50 123 45 67",
    "river of names.txt": "nothing else",
}


def said_in(about):
    name = about.exhibit.path.decode().rpartition("/")[2]
    yield sources.Text(FACTS, TEXTS.get(name, ""))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SOURCES", (*sources.SOURCES, said_in))
        house = found.house
        folder = tmp_path_factory.mktemp("texts")
        for name, content in TEXTS.items():
            (folder / name).write_text(content)
        repo, custodian = house.repo, house.custodian
        with repo.database.reading() as session:
            other = find_case(session, "OTHER")
        for name, role in (("giver", "submitter"), ("partner", "partner"), ("counsel", "counsel")):
            person = new_person(repo, custodian, name=name, role=role, organisation=None)
            party = "defence of A" if role == "counsel" else None
            grant(repo, custodian, case=house.case, person=person, role=role, party=party)
        grant(repo, custodian, case=other, person=house.caller("prosecutor").person,
              role="prosecutor")  # fmt: skip
        for code, person in (("KRN", "investigator"), ("OTHER", None), ("KRN", "giver")):
            paths = sorted(folder.iterdir()) if code == "KRN" else [folder / "bridge.txt"]
            paths = paths if person != "giver" else [folder / "france.txt"]
            said = house.evidence("ingest", *paths, "--case", code, "--no-extract", person=person)
            assert said.code == 0, said.err
        _index_all(house)
        yield found


def _index_all(house: House) -> None:
    with house.repo.database.writing() as session:
        ids = list(session.scalars(select(Exhibit.id)))
        for exhibit in session.scalars(select(Exhibit)):
            exhibit.processed_at = exhibit.registered_at
        index.expect(session, ids)
    assert index.make_all(house.repo)[1] == {}


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


_tokens = st.integers(0, 4).map(expression.Token)
_parts = st.recursive(
    _tokens,
    lambda part: (
        st.builds(expression.Not, part)
        | st.lists(part, min_size=1, max_size=3).map(tuple).map(expression.All)
        | st.lists(part, min_size=1, max_size=3).map(tuple).map(expression.Either)
    ),
    max_leaves=8,
)


def _finds(one: expression.Expression | None, has: set[int]) -> bool:
    match one:
        case None:
            return False
        case expression.Token(token):
            return token in has
        case expression.Not(part):
            return not _finds(part, has)
        case expression.All(parts):
            return all(_finds(part, has) for part in parts)
        case expression.Either(parts):
            return any(_finds(part, has) for part in parts)
    raise TypeError(one)


@settings(max_examples=150, deadline=None)
@given(_parts, _parts)
def test_what_a_tier_gains_is_all_that_it_finds_beyond_the_one_before_and_nothing_else(one, before):
    gained = expression.gained(one, before)
    for number in range(32):
        has = {n for n in range(5) if number >> n & 1}
        there = _finds(gained, has)
        assert not there or _finds(one, has)
        assert there or not _finds(one, has) or _finds(before, has)


def names(house: House, query: str, person: str = "analyst", **options) -> list[str]:
    found = search(house.repo, house.caller(person), query, **options).found
    return [one.described.exhibit.path.decode().rpartition("/")[2] for one in found]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bridge", {"bridge.txt"}),
        ("bridges", {"bridge.txt"}),
        ('"blown up"', {"bridge.txt"}),
        ('"up blown"', set()),
        ("river", {"bridge.txt", "river of names.txt"}),
        ("name:river", {"river of names.txt"}),
        ("мар'яна", {"міст.txt"}),
        ("Мар'яна Шевченко", {"міст.txt"}),
        ("Mariana Shevchenko", {"міст.txt"}),
        ("Маріуполь", {"міст.txt"}),
        ("Мариуполь", {"міст.txt"}),
        ("Shevchenko", {"міст.txt", "france.txt"}),
        ("محمد", {"شهادة.txt", "bridge.txt"}),
        ("مُحَمَّد الخطيب", {"شهادة.txt"}),
        ("المدرسه", {"شهادة.txt"}),
        ("عبد الرحمن", {"شهادة.txt"}),
        ('"عَبْد الكَرِيم"', {"شهادة.txt"}),
        ("عبدالكريم", {"شهادة.txt"}),
        ("مدرسة", {"شهادة.txt"}),
        ("2013", {"شهادة.txt"}),
        ("Muhammad", {"bridge.txt", "شهادة.txt"}),
        ("证据", {"chinese.txt"}),
        ("王", {"chinese.txt"}),
        ("北京 证据链很长", {"chinese.txt"}),
        ("北京人", set()),
        ("မြန်မာ", {"burmese.txt"}),
        ("eglise", {"france.txt"}),
        ("l'église", {"france.txt"}),
        ("saint-étienne", {"france.txt"}),
        ("міст OR bridge", {"міст.txt", "bridge.txt"}),
        ("bridge OR (міст NOT маріуполя)", {"bridge.txt"}),
        ("NOT (bridge OR міст) AND (river OR 王)", {"river of names.txt", "chinese.txt"}),
        ("river state:erased", set()),
        ("river (seal:yes OR name:names)", {"river of names.txt"}),
        ("river NOT state:erased seal:no case:KRN", {"bridge.txt", "river of names.txt"}),
        ("case:OTHER", set()),
        ("type:jpeg", set()),
    ],
)
def test_a_query_finds(house, query, found):
    assert set(names(house, query)) == found


def test_the_nearest_come_first_and_each_once(house):
    assert names(house, "river") == ["river of names.txt", "bridge.txt"]
    said = search(house.repo, house.caller("analyst"), "Mohammed").found
    assert [one.tier for one in said] == ["exact", "sound"]


def test_pages_follow_each_other_without_gap_or_repetition(house):
    whole = names(house, "NOT zebra")
    assert len(whole) == len(TEXTS) + 1
    paged, place = [], None
    while True:
        answer = search(
            house.repo, house.caller("analyst"), "NOT zebra", after=place, limit=3, facets=True
        )
        assert (answer.count is None) == (place is not None)
        paged += [one.described.exhibit.path.decode().rpartition("/")[2] for one in answer.found]
        place = answer.after
        if place is None:
            break
    assert paged == whole


@pytest.mark.parametrize("sample", [1, 10**6])  # all older ones have it; hardly any has
def test_where_few_are_found_among_the_newest_the_older_are_found_too(house, monkeypatch, sample):
    queries = (
        "river", "NOT zebra", "bridge OR міст", "case:KRN", "Шевченко NOT bridge",
        "(river OR міст) NOT маріуполя", "NOT (river OR bridge)", "міст NOT (river seal:yes)",
    )  # fmt: skip
    before = [names(house, one) for one in queries]
    monkeypatch.setattr(find, "_WINDOW", 5)
    monkeypatch.setattr(find, "_SAMPLE", sample)
    assert [names(house, one) for one in queries] == before
    assert all(before)


def test_what_is_left_out_is_said_once_however_a_tier_gains(house):
    tiers = dict(
        expression.tiers(Keyed(house.repo), FACTS, grammar.parse("bridges rivers NOT zebra"))
    )
    more = expression.gained(tiers["form"], tiers["exact"])
    assert [isinstance(one, expression.Not) for one in expression.parts_of(more)] == [False, True]


def test_counts_end_where_they_say_so(house, monkeypatch):
    monkeypatch.setattr(ask, "COUNTED", 3)
    answer = search(house.repo, house.caller("analyst"), "NOT zebra", limit=2, facets=True)
    assert (answer.count, answer.more) == (3, True)
    assert answer.facets is not None
    assert answer.facets["case"] == [{"value": "KRN", "count": 3}]


def test_a_search_is_an_entry_with_what_was_shown_and_what_was_asked_is_withheld(house):
    before = len(house.entries())
    answer = search(house.repo, house.caller("analyst"), "bridge")
    entry = house.entries()[before].fields
    assert (entry["type"], entry["reason"], entry["count"]) == ("consultation", "search", 1)
    assert entry["outputs"] == [answer.digest]
    assert "bridge" not in json.dumps(entry)
    [opened] = house.repo.ledger.openings([before]).values()
    assert "bridge" in repr(opened)


def test_nothing_is_answered_if_it_cannot_be_recorded(house, monkeypatch):
    def full(*_):
        raise OSError("no room")

    monkeypatch.setattr("custody.ledger.Ledger.record", full)
    with pytest.raises(OSError, match="no room"):
        search(house.repo, house.caller("analyst"), "bridge")


def test_an_answer_says_what_it_does_not_know_yet_of_what_the_asker_may_know(house):
    with house.repo.database.writing() as session:
        found = session.scalars(select(Exhibit).order_by(Exhibit.registration)).all()
        index.expect(session, [found[0].id])
        found[1].processed_at = None
    assert search(house.repo, house.caller("analyst"), "bridge").unread == 2
    assert search(house.repo, house.caller("stranger"), "bridge").unread == 0
    _index_all(house)
    assert search(house.repo, house.caller("analyst"), "bridge").unread == 0


def test_each_role_finds_what_it_may_know(house):
    assert names(house, "bridge", "stranger") == []
    assert names(house, "bridge", "counsel") == []
    assert len(names(house, "bridge", "prosecutor")) == 2  # in both cases
    assert names(house, "bridge", "prosecutor", case="OTHER") == ["bridge.txt"]
    assert names(house, "name:france", "giver") == ["france.txt"]
    assert names(house, "église", "giver") == []  # what stands in it is not theirs to search
    assert names(house, "name:bridge", "giver") == []


# --- scope


def decided(house: House, person: str) -> dict[str, str | None]:
    """Return what `decide` says of each exhibit, asked one by one."""
    found: dict[str, str | None] = {}
    caller, now = house.caller(person), house.repo.clock()
    with house.repo.database.reading() as session:
        for exhibit in session.scalars(select(Exhibit)).all():
            case = session.get_one(Case, exhibit.case_id)
            [thing] = of_exhibits(session, caller, case, [exhibit])
            asking = who(session, caller, case)
            level = None
            if decide(asking, Right.CONSULT, thing, None, now).allowed:
                level = OPEN
                if decide(asking, Right.FACTS, thing, None, now).allowed:
                    team = decide(asking, Right.ANNOTATE, thing, None, now).allowed
                    level = TEAM if team else FACTS
            found[exhibit.number] = level
    return found


def things(house: House, session: Session, person: str) -> dict[str, Thing]:
    """Return each exhibit as `decide` sees it, asked for with all others of its case."""
    found: dict[str, Thing] = {}
    for case in session.scalars(select(Case)).all():
        some = session.scalars(select(Exhibit).where(Exhibit.case_id == case.id)).all()
        of_it = of_exhibits(session, house.caller(person), case, some)
        found |= {one.id: thing for one, thing in zip(some, of_it, strict=True)}
    return found


def alone(house: House, person: str) -> dict[str, Thing]:
    """Return by number each exhibit as `decide` sees it, asked for by itself."""
    found: dict[str, Thing] = {}
    with house.repo.database.reading() as session:
        for exhibit in session.scalars(select(Exhibit)).all():
            case = session.get_one(Case, exhibit.case_id)
            [found[exhibit.number]] = of_exhibits(session, house.caller(person), case, [exhibit])
    return found


PEOPLE = ("analyst", "prosecutor", "stranger", "partner", "counsel", "giver", "investigator")


def test_the_scope_is_what_decide_says_of_every_exhibit(house):
    """Markings of every kind on exhibits, a submission and a case; a disclosure; a further case."""
    for words in (
        ("mark", "KRN-000002", "--sealed", "--named", "prosecutor", "--motive", "m"),
        ("mark", "KRN-000003", "--withdrawn", "--motive", "m"),
        ("mark", "KRN-000004", "--tlp", "RED", "--motive", "m"),
        ("disclose", "KRN-000001", "--to", "defence of A"),
        ("associate", "add", "KRN-000005", "OTHER", "--motive", "m"),
    ):
        said = house.evidence(*words)
        assert said.code == 0, said.err
    with house.repo.database.writing() as session:  # out of one that is sealed, and out of that
        of = dict(session.execute(select(Exhibit.number, Exhibit.id)).all())
        for child, parent in (("KRN-000006", "KRN-000002"), ("KRN-000007", "KRN-000006")):
            session.add(ChildExhibit(exhibit_id=of[child], parent_id=of[parent],
                                     member_sha256="0" * 64))  # fmt: skip
    every = []
    for person in PEOPLE:
        expected = decided(house, person)
        every.append(tuple(expected.values()))
        found = {
            one.described.exhibit.number
            for one in search(house.repo, house.caller(person), "NOT zebra").found
        }
        assert found == {number for number, level in expected.items() if level}, person
        with house.repo.database.reading() as session:
            scope = Scope.of(session, house.caller(person), house.repo.clock())
            ids = dict(session.execute(select(Exhibit.id, Exhibit.number)).all())
            levels = scope.levels(session, list(ids))
            together = things(house, session, person)
        assert {ids[one]: level for one, level in levels.items()} == expected, person
        assert {ids[one]: thing for one, thing in together.items()} == alone(house, person), person
    assert len(set(every)) >= 6  # each of them knows something else
    assert names(house, "name:chinese") == ["chinese.txt"]
    assert names(house, "证据") == []  # consent to use it was withdrawn: its name is all


def test_no_answer_differs_because_of_what_the_asker_may_not_know(house, tmp_path):
    """The same questions before and after exhibits with all those words came to another case."""
    queries = (
        "bridge", "river", '"blown up"', "Mohammed", "Шевченко", "证据", "NOT zebra",
        "bridge OR міст", "NOT bridge", "seal:no river", "case:OTHER", "name:bridge", "crossing",
    )  # fmt: skip

    asked = Question("bridge OR crossing")
    kept = saved.save(house.repo, house.caller("analyst"), "KRN", title="t", asked=asked)

    def answers():
        ran = saved.run(house.repo, house.caller("analyst"), kept.search, limit=3, facets=True)
        found = [([hit.described.exhibit.number for hit in ran.found], ran.count, ran.facets)]
        for query in queries:
            one = search(house.repo, house.caller("analyst"), query, limit=3, facets=True)
            found.append(
                (
                    [(hit.described.exhibit.number, hit.tier) for hit in one.found],
                    one.count, one.more, one.unread, one.facets, one.after, one.digest,
                )
            )  # fmt: skip
        return found

    before = answers()
    for n in range(3):
        hidden = tmp_path / f"bridge river {n}.txt"
        hidden.write_text(str(n))
        TEXTS[hidden.name] = "\n".join(TEXTS.values())
        said = house.evidence("ingest", hidden, "--case", "OTHER", "--no-extract")
        assert said.code == 0, said.err
        noted = house.evidence("note", said.lines[0]["exhibit"], "bridge crossing")
        assert noted.code == 0, noted.err
        assert answers() == before  # not looked at yet
    _index_all(house)
    assert answers() == before


# --- queries


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("a" * 10_000, "at most 1000 characters"),
        ('"open', "no partner"),
        ("(a", "not closed"),
        ("a)", "never opened"),
        ("a AND", "at its end"),
        ("OR a", "before OR"),
        ("()", "before a closing"),
        ("", "at its end"),
        ("   ", "at its end"),
        ("NOT", "at its end"),
        ("!!!", "no letter or digit"),
        ("a\u202eb", "U\\+202E"),
        ("a\0b", "U\\+0000"),
        ("a\ud800", "U\\+D800"),
        ("colour:red", "no field"),
        ("https://example.org", "no field"),
        ("seal:maybe", "yes, no"),
        ("name:!", "letter or digit"),
        (" ".join("a" * 33), "at most 32"),
        ("(" * 9 + "a" + ")" * 9, "at most 8 deep"),
        ("number:KRN-000001..", r"FIRST\.\.LAST"),
        ("number:KRN-000001..OTHER-000002", "both are of one case"),
        ("number:KRN-000002..KRN-000001", "the lower first"),
        ("after: 2022-02-24", "without a space"),
        ("bridge NOT Type:", "without a space"),
        ("brid*", "no wildcards"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do_and_nothing_is_recorded(house, query, why):
    before = len(house.entries())
    with pytest.raises(BadQuery, match=why):
        search(house.repo, house.caller("analyst"), query)
    assert len(house.entries()) == before


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab \"()ANDORNOT:*\u0301證\u1019?+{}[]\\^$|.%_'-", max_size=60))
def test_any_text_is_a_query_or_a_clear_refusal(text):
    with suppress(BadQuery):
        assert grammar.parse(text)


def test_a_telephone_number_is_found_however_its_digits_are_grouped(house):
    for query in ("+380501234567", "380501234567", "+380 50 123 45 67", "+380 50 123-45-67"):
        assert set(names(house, query)) == {"france.txt"}, query


def test_small_ands_and_ors_that_find_nothing_are_told_of(house, monkeypatch):
    if house.repo.settings.database_url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)
    told = [
        run("--data", str(house.data), "--as", "analyst", "search", f"bridge {one} zzzqqq").err
        for one in ("and", "AND")
    ]
    assert ["in capitals" in one for one in told] == [True, False]


def test_signs_of_expressions_and_of_databases_are_read_as_what_they_stand_between(house):
    for query in ("(a+)+$", "%_%a", "a* NEAR b", "{a b}: c", "a -- b", "a'; DROP TABLE x"):
        try:
            names(house, query)
        except BadQuery:
            continue
    assert names(house, '"brid*"') == []


# --- over HTTP, on the command line


def test_over_http_a_query_travels_in_the_body_and_pages_follow_by_cursor(house):
    client = create_app(house.repo).test_client()
    headers = signed_in(house, "analyst")
    body = {"query": "NOT zebra", "facets": True}
    first = client.post("/api/v1/search?limit=3", json=body, headers=headers)
    assert first.status_code == 200, first.json
    assert first.json["facets"]["case"]
    numbers = [one["exhibit"]["exhibit"] for one in first.json["items"]]
    then = client.post(
        f"/api/v1/search?limit=3&cursor={first.json['next']}", json=body, headers=headers
    ).json
    assert not set(numbers) & {one["exhibit"]["exhibit"] for one in then["items"]}
    refused = client.post("/api/v1/search", json={"query": '"'}, headers=headers)
    assert (refused.status_code, refused.json["type"].rpartition(":")[2].rpartition("/")[2]) == (
        400, "bad-query",
    )  # fmt: skip
    assert client.get("/api/v1/search?q=bridge", headers=headers).status_code == 405


def test_on_the_command_line(house):
    said = house.evidence("search", "bridge", "--case", "KRN", "--facets", person="investigator")
    assert said.code == 0, said.err
    assert said.lines[0]["found"] == "name"
    told = {line["facet"] for line in said.lines if "facet" in line}
    assert told == {"case", "family", "type", "state", "seal"}
    assert said.lines[-1] == {"count": 1, "more": False, "unread": 0}
    assert house.evidence("search", '"', person="investigator").code == 2
    assert house.evidence("reindex", person="analyst").code == 4
    assert house.evidence("reindex").code == 0


def test_a_token_that_only_adds_searches_nothing(house):
    adds = replace(house.caller("giver"), only="SUB-x")
    with pytest.raises(AccessDenied):
        search(house.repo, adds, "bridge")
    assert house.last("access_denied")["attempted"] == "consultation"


def test_a_grant_that_ended_finds_nothing(house):
    with house.repo.database.reading() as session:
        assert facts.granted(session, house.case.id, house.caller("analyst").person.id)
        later = house.repo.clock() + timedelta(days=1)
        scope = Scope.of(session, house.caller("stranger"), later)
    assert scope.cases == {}
