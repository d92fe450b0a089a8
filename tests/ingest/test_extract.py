"""Looking at exhibits: each run an entry, what was made encrypted; all of it ends with the key."""

from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from custody.canonical import dumps
from ingest import workflows
from ingest.extract import Wish, extract
from ingest.extraction import DERIVATIVES, Extraction
from ingest.extractors import image
from ingest.sandbox import Sandbox
from repository.errors import Erased, IntegrityError, NotExtracted, UnknownExhibit
from repository.exhibits import derived_objects, find_exhibit
from repository.extractions import read_derivative, show_record
from repository.models import DerivedObject, ExtractionRun
from repository.stores import Stored
from tests.ingest.test_parts import take_in, thing

FAULTS = Path(__file__).parent / "faults"
SECRET = "the witness lives behind the bakery"


@pytest.fixture
def makers(house):
    with Sandbox(clock=house.repo.clock, extractors=[FAULTS / "makers"]) as sandbox:
        yield sandbox


def taken_in(house, tmp_path, content, name="evidence.txt"):
    (tmp_path / name).write_bytes(content)
    said = house.evidence(
        "ingest", tmp_path / name, "--case", "KRN", "--no-extract", person="investigator"
    )
    assert said.code == 0, said.err
    return said.lines[0]["exhibit"]


def exhibit_of(house, number):
    with house.repo.database.reading() as session:
        return find_exhibit(session, number)


def looked_at(house, sandbox, number, **wish):
    [run] = extract(house.repo, sandbox, [exhibit_of(house, number)], Wish(**wish))
    return run


def test_a_run_leaves_its_entries_with_tools_limits_and_digests(house, tmp_path, makers):
    number = taken_in(house, tmp_path, SECRET.encode())
    run = looked_at(house, makers, number)
    record = show_record(house.repo, house.caller("analyst"), number)
    assert Extraction.from_json(record).outcome == "ok"
    assert f"sha256:{sha256(dumps(record)).hexdigest()}" == run.record_sha256
    extracted = house.last("metadata_extraction")
    assert (extracted["outcome"], extracted["reason"]) == ("done", "ok")
    assert extracted["outputs"] == [run.record_sha256]
    parameters = extracted["instrument"]["parameters"]
    assert parameters["output"] == record["output_digest"]
    assert parameters["isolation"] == record["sandbox"]
    assert "maker" in parameters["extractors"].split()
    assert "cpu_seconds=10" in parameters["limits"]
    assert "maker 1" in extracted["instrument"]["version"]


def test_what_was_made_is_an_object_of_its_own_with_an_entry(house, tmp_path, makers):
    number = taken_in(house, tmp_path, SECRET.encode())
    looked_at(house, makers, number)
    exhibit = exhibit_of(house, number)
    with house.repo.database.reading() as session:
        rows = list(session.query(DerivedObject).order_by(DerivedObject.number))
    made = house.last("derivative_creation")
    assert [row.kind for row in rows] == [*DERIVATIVES, "text"]  # of a text, its text
    assert made["inputs"] == [exhibit.sha256, house.last("metadata_extraction")["outputs"][0]]
    assert made["outputs"] == [row.stored["sha256"] for row in rows]
    assert {row.stored["bucket"] for row in rows} == {"derived"}
    for row in rows[:-1]:
        with house.repo.store.open(Stored.from_json(row.stored)) as file:
            assert SECRET.encode() not in file.read()
        mime, data = read_derivative(
            house.repo, house.caller("analyst"), number, row.kind, locator=SECRET
        )
        assert (mime, data) == ("text/plain", f"{row.kind} {SECRET}".encode())
    assert house.last("consultation")["reason"] == "derivative"


def test_every_look_at_what_was_made_is_recorded_and_strangers_see_nothing(house, tmp_path, makers):
    number = taken_in(house, tmp_path, b"hello")
    with pytest.raises(NotExtracted):
        show_record(house.repo, house.caller("analyst"), number)
    looked_at(house, makers, number)
    with pytest.raises(NotExtracted):
        read_derivative(house.repo, house.caller("analyst"), number, "page")
    with pytest.raises(UnknownExhibit):
        show_record(house.repo, house.caller("analyst"), "KRN-000099")
    assert house.last("access_denied")["attempted"] == "consultation"


def test_another_look_is_another_run_and_the_first_stays(house, tmp_path):
    number = taken_in(house, tmp_path, image.SAMPLE, "a.tif")
    first = house.evidence("extract", "--again", number, person="analyst")
    second = house.evidence("extract", "--again", number, person="investigator")
    assert (first.code, second.code) == (0, 0)
    assert [said.lines[0]["run"] for said in (first, second)] == [1, 2]
    entries = [e for e in house.entries() if e.fields["type"] == "metadata_extraction"]
    assert [e.index for e in entries] == [said.lines[0]["entry"] for said in (first, second)]
    assert {e.fields["actor"]["role"] for e in entries} == {"analyst", "investigator"}
    with house.repo.database.reading() as session:
        assert len(list(session.query(ExtractionRun))) == 2
    shown = house.evidence("show", number, "--facts", person="analyst")
    assert shown.code == 0
    names = {fact["name"] for fact in shown.lines[0]["facts"]}
    assert "Composite:DateTimeOriginal" in names


def test_who_may_not_look_again_is_refused_and_it_is_recorded(house, tmp_path):
    number = taken_in(house, tmp_path, b"hello")
    said = house.evidence("extract", "--again", number, person="prosecutor")
    assert said.code == 4
    assert house.last("access_denied")["attempted"] == "metadata_extraction"
    unknown = house.evidence("extract", "--again", "KRN-000099", person="analyst")
    assert unknown.code == 2
    misspelt = house.evidence("extract", "--again", number, "--with", "ocrr", person="analyst")
    assert misspelt.code == 2
    assert "ocr," in misspelt.err


def test_a_damaged_exhibit_is_never_looked_at(house, tmp_path):
    number = taken_in(house, tmp_path, b"hello")
    place = house.stored_file(number)
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[:-1] + b"X")
    said = house.evidence("extract", "--again", number, person="analyst")
    assert (said.code, said.lines[0]["error"]) == (1, "integrity-failure")
    assert house.last("integrity_failure")["outcome"] == "fail"


def test_contents_are_read_only_where_they_are_asked_for(house, tmp_path, makers):
    number = taken_in(house, tmp_path, SECRET.encode())
    looked_at(house, makers, number)
    quiet = show_record(house.repo, house.caller("analyst"), number)
    assert "quiet: not done: it was not asked for" in quiet["problems"]
    assert quiet["outcome"] == "ok"
    looked_at(house, makers, number, again=True, extractors=("quiet",))
    told = show_record(house.repo, house.caller("analyst"), number)
    assert {"Test:Content"} <= {fact["name"] for fact in told["facts"]}


def test_the_parts_of_an_exhibit_are_looked_at_together(house, tmp_path, makers):
    [outcome] = take_in(house, thing(tmp_path, [b"first", b"second", b"third"]))
    looked_at(house, makers, outcome.number)
    record = show_record(house.repo, house.caller("analyst"), outcome.number)
    assert [f["value"] for f in record["facts"] if f["name"] == "Test:Part"] == ["second", "third"]
    assert house.last("metadata_extraction")["inputs"] == [outcome.sha256]


def test_a_changed_record_is_not_given_out(house, tmp_path, makers):
    number = taken_in(house, tmp_path, b"hello")
    run = looked_at(house, makers, number)
    with house.repo.database.writing() as session:
        session.get_one(ExtractionRun, (run.exhibit_id, run.run)).record_sha256 = (
            "sha256:" + "0" * 64
        )
    with pytest.raises(IntegrityError, match="the record of run 1 is another"):
        show_record(house.repo, house.caller("analyst"), number)


def test_background_work_leaves_the_same_and_runs_once(house, tmp_path, makers):
    number = taken_in(house, tmp_path, b"hello")
    exhibit = exhibit_of(house, number)
    assert workflows.process(house.repo, makers, exhibit.id).outcome == "ok"
    assert workflows.process(house.repo, makers, exhibit.id) is None


def test_erasure_reaches_everything_that_was_read_out_and_made(house, tmp_path, makers):
    """Issue 6, point 6: database dump, stores and files are searched for the plaintext: 0 finds."""
    number = taken_in(house, tmp_path, SECRET.encode())
    looked_at(house, makers, number)
    (tmp_path / "evidence.txt").unlink()
    with house.repo.database.reading() as session:
        derived = derived_objects(session, exhibit_of(house, number).id)
    assert len(derived) == 2 + len(DERIVATIVES)
    erase(house, tmp_path, number)
    for stored in derived:
        assert house.repo.store.find("derived", stored.key) is None
    tombstone = house.last("erasure")
    assert {one.sha256 for one in derived} <= set(tombstone["outputs"])
    with pytest.raises(Erased):
        show_record(house.repo, house.caller("analyst"), number)
    said = house.evidence("extract", "--again", number, person="analyst")
    assert (said.code, said.lines[0]["error"]) == (4, "exhibit-erased")
    assert finds(house, SECRET.encode()) == []


def test_the_search_finds_what_is_there(house, tmp_path):
    """A search that cannot find would always find nothing."""
    taken_in(house, tmp_path, b"hello", f"{SECRET}.txt")
    assert finds(house, SECRET.encode())


def erase(house, tmp_path, number):
    order = tmp_path / "order.pdf"
    order.write_bytes(b"the order of the court")
    assert house.evidence("person", "new", "second", "--role", "custodian").code == 0
    asked = house.evidence("erase", "request", number, "--order", order, "--motive", "ordered")
    assert asked.code == 0, asked.err
    approved = house.evidence(
        "erase", "approve", asked.lines[0]["erasure"], "--motive", "checked", person="second"
    )
    assert approved.code == 0, approved.err


# What a virtual table holds is in tables beside it.
SQLITE = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"


def finds(house, needle):
    """Return where a plaintext is: in the database's dump, and in every file of the house."""
    found = []
    with house.repo.database.reading() as session:
        tables = (
            session.execute(text(SQLITE))
            if session.bind.dialect.name == "sqlite"
            else session.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
        )
        for [table] in list(tables):
            for row in session.execute(text(f'SELECT * FROM "{table}"')):
                values = [
                    bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row
                ]
                if any(needle in value for value in values):
                    found.append(table)
    files = (file for file in sorted(house.data.rglob("*")) if file.is_file())
    return found + [str(file) for file in files if needle in file.read_bytes()]
