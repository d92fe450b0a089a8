"""What the access rules and the reads of the API ask of the database, they ask by an index."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from api.app import create_app
from repository.people import new_token
from repository.search import index
from tests.house import CODE, House, make_house
from tests.postgres import fresh_database, shared_server

READS = (
    "/api/v1/cases",
    f"/api/v1/cases/{CODE}",
    f"/api/v1/exhibits?case={CODE}",
    f"/api/v1/submissions?case={CODE}",
    "/api/v1/exhibits/{number}",
    "/api/v1/exhibits/{number}/custody",
    "/api/v1/exhibits/{number}/content",
    "/api/v1/exhibits/{number}/members",
    "/api/v1/exhibits/{number}/receipt",
    "/api/v1/exhibits/KRN-999999",
)

NO_WORDS = {  # asked without a word, and whether it is so of the exhibit
    "state:kept": 1, "state:erased": 0, "state:hold": 1, "state:hold OR state:privileged": 1,
    "state:hold seal:no": 1, "state:hold case:KRN": 1, "state:hold a.txt": 1, "seal:no": 1,
    "seal:yes": 0, "marking:tlp-green": 1, "marking:tlp-red": 0, "NOT state:hold": 0,
    "NOT b seal:no": 1,
}  # fmt: skip

_NO_TABLE = (
    "USING",  # an index, in order
    "CONSTANT", "subquery", "asked", "json_each",  # values of the question itself
    "search_fts VIRTUAL TABLE INDEX",  # by the words that are asked for
    "SCAN head",  # its newest row, in the order of its key
    "key_event",  # a row for each key the log ever had
    "SCAN marking", "Scan on marking",  # of search without a word: a row for each marked thing
    "SCAN case_file",  # how many exhibits there are: a row for each case
    "store_move",  # a row for each time the store was changed
)  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request, tmp_path, monkeypatch) -> Iterator[House]:
    """Return a repository on each of the two databases."""
    if request.param == "sqlite":
        monkeypatch.delenv("EVIDENCE_DATABASE_URL", raising=False)
        found = make_house(tmp_path)
        yield found
        found.repo.close()
        return
    with fresh_database(shared_server()) as url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)
        found = make_house(tmp_path)
        yield found
        found.repo.close()


@contextmanager
def asked(house: House) -> Iterator[list[tuple[str, Any]]]:
    """Collect what is asked of the database meanwhile."""
    found: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    event.listen(house.repo.database.engine, "before_cursor_execute", note)
    yield found
    event.remove(house.repo.database.engine, "before_cursor_execute", note)


def plan(house: House, statement: str, parameters: Any) -> list[str]:
    """Return how the database would answer: on PostgreSQL as if the tables were large."""
    sqlite = house.repo.database.dialect == "sqlite"
    with house.repo.database.reading() as session:
        connection = session.connection()
        if not sqlite:  # a few rows are quicker read than looked up
            session.execute(text("SET LOCAL enable_seqscan = off"))
        words = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
        return [
            str(row[-1]).strip()
            for row in connection.exec_driver_sql(words + statement, parameters)
        ]


def whole_tables(lines: list[str]) -> list[str]:
    """Return where a plan reads a table from one end to the other."""
    return [
        line
        for line in lines
        if ("Seq Scan" in line and not any(word in line for word in _NO_TABLE))
        or (line.startswith("SCAN") and not any(word in line for word in _NO_TABLE))
    ]


def test_the_plans_of_reading_and_deciding_use_indexes(house, files):
    number = house.ingest(files / "a.txt", person=house.custodian.name)[0]["exhibit"]
    for words in (
        ("hold", "place", number, "--matter", "m", "--motive", "m"),
        ("mark", number, "--tlp", "GREEN", "--motive", "m"),
    ):
        said = house.evidence(*words)
        assert said.code == 0, said.err
    client = create_app(house.repo).test_client()
    index.rebuild(house.repo)
    index.make_all(house.repo)
    for name, holds in ((house.custodian.name, 1), ("analyst", 1), ("stranger", 0)):
        person = house.caller(name).person
        token = new_token(house.repo, house.custodian, person=person, expires_at=None)[1]
        headers = {"Authorization": f"Bearer {token}", "Evidence-Purpose": "analysis"}
        with asked(house) as found:
            for path in READS:
                answer = client.get(path.format(number=number), headers=headers)
                assert answer.status_code in (200, 403, 404), answer.text
            if name != house.custodian.name:  # who may know of every case is told of every one
                words = {"query": "a OR NOT b", "facets": True}
                answer = client.post("/api/v1/search", json=words, headers=headers)
                assert [one["found"] for one in answer.json["items"]] == ["name"] * holds
                for query, so in NO_WORDS.items():
                    answer = client.post("/api/v1/search", json={"query": query}, headers=headers)
                    assert len(answer.json["items"]) == holds * so, query
        assert found
        slow = {
            statement: bad
            for statement, parameters in dict(found).items()
            if (bad := whole_tables(plan(house, statement, parameters)))
        }
        assert slow == {}, "\n".join(f"{one} {bad}" for one, bad in slow.items())
