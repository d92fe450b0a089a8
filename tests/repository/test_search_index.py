"""What search keeps of exhibits: made once, anew when something changed, and gone with them."""

import pytest
from sqlalchemy import select, text

from repository.models import Exhibit
from repository.search import index, sources
from repository.search.index import as_text
from repository.search.tables import SearchExhibit
from repository.search.tokens import FACTS, OPEN, Keyed
from repository.search.words import words
from tests.house import House
from tests.one_house import one_house


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, text_source))
    return made.enter(monkeypatch)


def take_in(house: House, folder, name: str, content: str) -> str:
    """Take a file in as if it had been looked at: its text is what it holds."""
    file = folder / name
    file.write_text(content)
    said = house.evidence("ingest", file, "--case", "KRN", "--no-extract", person="investigator")
    assert said.code == 0, said.err
    with house.repo.database.writing() as session:
        number = said.lines[0]["exhibit"]
        found = str(session.scalar(select(Exhibit.id).where(Exhibit.number == number)))
        TEXTS[found] = content
        index.expect(session, [found])
    index.make_all(house.repo)
    return found


TEXTS: dict[str, str] = {}


def text_source(about):
    yield sources.Text(FACTS, TEXTS.get(about.exhibit.id, ""))


def row(house: House, exhibit: str) -> SearchExhibit:
    with house.repo.database.reading() as session:
        found = session.scalar(select(SearchExhibit).where(SearchExhibit.exhibit_id == exhibit))
        assert found is not None
        return found


def of(house: House, level: str, word: str) -> int:
    return Keyed(house.repo).token(level, "word", word)


def test_names_are_found_by_who_knows_of_it_and_texts_by_who_may_see_its_facts(house, tmp_path):
    exhibit = take_in(house, tmp_path, "Мар'яна.txt", "the bridge of Andrivka was blown up")
    found = row(house, exhibit)
    assert found.made == found.asked
    assert of(house, OPEN, "маряна") in found.tokens
    assert of(house, FACTS, "маряна") in found.tokens
    assert of(house, FACTS, "andrivka") in found.tokens
    assert of(house, OPEN, "andrivka") not in found.tokens


def test_no_word_stands_in_the_database(house, tmp_path):
    exhibit = take_in(house, tmp_path, "plain.txt", "wherever zanzibarskaya was seen")
    assert of(house, FACTS, "zanzibarskaya") in row(house, exhibit).tokens
    with house.repo.database.reading() as session:
        found = session.execute(text("SELECT * FROM search_exhibit")).all()
    assert "zanzibarskaya" not in repr(found)


def test_another_house_makes_other_tokens(house):
    other = Keyed(type("Other", (), {"wrapping_key": bytes(32)})())
    assert other.token(FACTS, "word", "bridge") != of(house, FACTS, "bridge")


def test_what_changed_is_made_anew_and_a_change_meanwhile_is_not_lost(house, tmp_path, monkeypatch):
    exhibit = take_in(house, tmp_path, "a.txt", "first")

    def note(about):
        index_again(house, exhibit)  # somebody adds a note while it is read
        yield sources.Text(FACTS, "a later note")

    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, note))
    index_again(house, exhibit)
    assert index.make(house.repo, [exhibit]) == {}
    found = row(house, exhibit)
    assert of(house, FACTS, "later") in found.tokens
    assert found.made < found.asked
    assert exhibit in index.waiting(house.repo, limit=10)
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES[:-1],))
    assert index.make_all(house.repo)[0] >= 1
    assert of(house, FACTS, "later") not in row(house, exhibit).tokens


def index_again(house: House, exhibit: str) -> None:
    with house.repo.database.writing() as session:
        index.expect(session, [exhibit])


def test_what_is_erased_is_forgotten_at_once_and_found_as_what_it_was_only(house, tmp_path):
    exhibit = take_in(house, tmp_path, "secret-name.txt", "gone words")
    with house.repo.database.writing() as session:
        index.forget(session, exhibit)
        session.get_one(Exhibit, exhibit).erased_at = house.repo.clock()
    assert row(house, exhibit).tokens == ()
    index.make_all(house.repo)
    found = row(house, exhibit).tokens
    assert of(house, OPEN, "secret") not in found
    assert of(house, FACTS, "gone") not in found
    assert Keyed(house.repo).token(OPEN, "field case", "krn") in found


def test_no_token_of_what_was_erased_is_left_in_a_file_of_sqlite(house, tmp_path):
    """Tokens stand as hexadecimal digits whose first ones a page may leave out, and as numbers."""
    if house.repo.database.dialect != "sqlite":
        pytest.skip("on PostgreSQL VACUUM FULL removes it (docs/operate.md)")
    exhibit = take_in(house, tmp_path, "gone.txt", "kvartolanska unheardof")
    take_in(house, tmp_path, "stays.txt", "other words")
    tokens = [of(house, FACTS, one) for one in ("kvartolanska", "unheardof")]

    def left():
        house.repo.database.overwrite_log()
        files = b"".join(one.read_bytes() for one in sorted(house.data.glob("evidence.db*")))
        return [
            shape
            for one in tokens
            for shape in (f"{one:x}"[-8:].encode(), one.to_bytes(8, "little"))
            if shape in files
        ]

    assert len(left()) == 4
    with house.repo.database.writing() as session:
        index.forget(session, exhibit)
    index.scrub(house.repo)
    assert left() == []
    index.scrub(house.repo)  # nothing is left to do


def test_all_can_be_made_anew(house, tmp_path):
    exhibit = take_in(house, tmp_path, "b.txt", "kept words")
    before = row(house, exhibit).tokens
    index.rebuild(house.repo)
    assert exhibit in index.waiting(house.repo, limit=1_000)
    _, failed = index.make_all(house.repo)
    assert failed == {}
    assert row(house, exhibit).tokens == before


def test_a_long_text_is_indexed_up_to_a_limit_and_says_so(house, monkeypatch):
    monkeypatch.setattr(index, "MOST_TOKENS", 50)
    keyed = Keyed(house.repo)
    many = " ".join(f"word{n}" for n in range(100_000))
    found, partial = index.tokens_of(keyed, [sources.Text(FACTS, many), sources.Text(FACTS, "x")])
    assert partial
    assert of(house, FACTS, "word1") in found
    assert not index.tokens_of(keyed, [sources.Text(FACTS, "few words")])[1]


def test_two_words_are_found_side_by_side_also_across_a_long_text(house):
    keyed = Keyed(house.repo)
    line = "alpha beta gamma " * 10_000
    found, _ = index.tokens_of(keyed, [sources.Text(FACTS, line)])
    assert set(keyed.of_text(FACTS, list(words("gamma alpha")))) <= set(found)
    assert as_text(found).count(" ") == len(found) - 1


def test_lines_of_json_are_read_for_their_texts_and_a_cut_one_as_it_stands():
    lines = '{"t": "\\u0431\\u0430", "n": [{"x": "inner"}, 3]}\n{"t": "cut'
    assert list(sources._strings(lines)) == ["inner", "\u0431\u0430", '{"t": "cut']
