"""The custody for machines: other people's validators accept it, and nothing in it runs."""

import csv
import io
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from lxml import etree

from repository.exports.twins.tables import BOM, safe
from tests.house import CODE, own_house

HOSTILE = ["=cmd|'calc'!A1.txt", "+1+1.txt", "-2.txt", "@SUM(1).txt", "'quoted.txt"]
ODD = ["þ field\x14 two\nlines.txt", "evidence\u202egpj.exe", "відео <&> \x01.mp4"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
SCHEMA = Path(__file__).parents[1] / "vectors" / "premis-v3-0.xsd"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of files with names that somebody hostile chose."""
    folder = tmp_path_factory.mktemp("twins")
    with own_house(folder) as house:
        taken = folder / "in"
        taken.mkdir()
        for name in (*HOSTILE, *ODD):
            (taken / name).write_bytes(name.encode())
        house.ingest(
            *sorted(taken.iterdir()), collected_by="=A. Field", source="a phone",
            authority="warrant 7 <&>", collected_at="2026-11-20",
        )  # fmt: skip
        said = house.evidence(
            "export", "--case", CODE, "--out", folder / "bundle", "--purpose", "court",
            "--authority", "order 9", person="prosecutor",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert house.evidence("verify", folder / "bundle").code == 0
        yield folder / "bundle"


@pytest.fixture(scope="module")
def custody(bundle):
    return json.loads((bundle / "custody.json").read_bytes())


def rows(file):
    text = file.read_bytes().decode()
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline="")))


def test_case_utils_accepts_the_case_document(bundle):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from case_utils.case_validate import main; main()",
         "--built-version", "case-1.5.0", bundle / "twins" / "case.jsonld"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "Conforms: True" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.returncode == 0


def test_the_case_document_has_every_entry_exhibit_and_file(bundle, custody):
    graph = json.loads((bundle / "twins" / "case.jsonld").read_bytes())["@graph"]
    kinds = [one["@type"] for one in graph]
    assert kinds.count("investigation:InvestigativeAction") == len(custody["entries"])
    assert kinds.count("investigation:ProvenanceRecord") == len(custody["exhibits"])
    assert "warrant 7 <&>" in [one.get("core:description") for one in graph]
    records = [one for one in graph if one["@type"] == "investigation:ProvenanceRecord"]
    assert {one["investigation:exhibitNumber"] for one in records} == {
        one["number"] for one in custody["exhibits"]
    }
    hashes = {
        value["types:hashValue"]["@value"]
        for one in graph
        for facet in one.get("core:hasFacet", [])
        for value in facet.get("observable:hash", [])
        if value["types:hashMethod"] == "SHA256"
    }
    assert hashes == {one["sha256"].removeprefix("sha256:") for one in custody["exhibits"]}
    names = {one["@id"] for one in graph}
    assert len(names) == len(graph)
    for one in graph:
        for name in ("core:object", "action:object", "action:result", "action:instrument"):
            assert {other["@id"] for other in one.get(name, [])} <= names


def test_the_schema_of_premis_accepts_the_premis_document(bundle, custody):
    found = etree.parse(bundle / "twins" / "premis.xml")
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(found)
    space = {"p": "http://www.loc.gov/premis/v3"}
    assert len(found.findall("p:event", space)) == len(custody["entries"])
    kinds = [
        one.get(f"{{{found.getroot().nsmap['xsi']}}}type")
        for one in found.findall("p:object", space)
    ]
    assert kinds.count("file") == kinds.count("intellectualEntity") == len(custody["exhibits"])
    agents = {
        one.text for one in found.findall("p:agent/p:agentIdentifier/p:agentIdentifierValue", space)
    }
    linked = {one.text for one in found.iterfind(".//p:linkingAgentIdentifierValue", space)}
    assert linked <= agents
    notes = [one.text for one in found.iterfind(".//p:otherRightsNote", space)]
    assert {"warrant 7 <&>", "order 9"} <= set(notes)


def test_no_cell_of_any_table_is_a_formula_and_each_is_restored_by_one_rule(bundle, custody):
    for file in sorted((bundle / "twins").glob("*.csv")):
        for row in rows(file):
            assert not [
                one for one in row.values() if one.startswith(("=", "+", "-", "@", "\t", "\r"))
            ]
    names = {row["name"].removeprefix("'") for row in rows(bundle / "twins" / "exhibits.csv")}
    assert names == {*HOSTILE, *ODD}
    entries = rows(bundle / "twins" / "entries.csv")
    assert [int(row["index"]) for row in entries] == [one["index"] for one in custody["entries"]]
    files = {row["path"]: row["sha256"] for row in rows(bundle / "twins" / "files.csv")}
    listed = dict(
        reversed(line.split("  ", 1))
        for line in (bundle / "manifest-sha256.txt").read_text().splitlines()
    )
    assert files == listed


@pytest.mark.parametrize("cell", ["", "a", "=1", "'=1", "''", "\t", "\r\n", "-5", "a=1"])
def test_taking_off_one_quote_gives_the_cell_back(cell):
    made = safe(cell)
    assert (made.removeprefix("'") if made.startswith("'") else made) == cell
    assert not made.startswith(FORMULA)


def test_the_load_file_has_a_row_for_each_file_in_the_form_of_concordance(bundle, custody):
    text = (bundle / "twins" / "load-file" / "exhibits.dat").read_bytes().decode()
    lines = text.removeprefix(BOM).split("\r\n")
    assert (text[0], lines[-1]) == (BOM, "")
    cells = [line[1:-1].split("þ\x14þ") for line in lines[:-1]]
    head, body = cells[0], cells[1:]
    assert {len(one) for one in cells} == {len(head)}
    assert head[:3] == ["DOCID", "BEGBATES", "ENDBATES"]
    found = [dict(zip(head, one, strict=True)) for one in body]
    assert {one["SHA256"] for one in found} == {
        one["sha256"].removeprefix("sha256:") for one in custody["exhibits"]
    }
    for one in found:
        assert (bundle / one["NATIVE_LINK"].replace("\\", "/")).is_file()
        # Who a source is takes two persons' permission: it goes into no twin either.
        assert (one["CUSTODIAN"], one["COLLECTED_BY"]) == ("", "=A. Field")
    assert "U+00FE fieldU+0014 two®lines.txt" in {one["FILE_NAME"] for one in found}


def test_names_of_the_defence_are_only_what_the_bundle_opens(bundle, custody):
    """Nothing stands in a twin that custody.json does not open."""
    opened = {
        json.dumps(value["value"], ensure_ascii=False)
        for one in custody["entries"]
        for value in one["openings"].values()
    }
    people = {row["actor_name"] for row in rows(bundle / "twins" / "entries.csv")} - {""}
    assert {json.dumps(one) for one in people} <= opened


@contextmanager
def exported(house, place, *words):
    said = house.evidence(
        "export", "--case", CODE, "--out", place, "--purpose", "court", *words, person="prosecutor"
    )
    assert said.code == 0, said.err
    yield place


def test_twins_are_chosen(house, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"bytes")
    house.ingest(tmp_path / "a.txt")
    with exported(house, tmp_path / "none", "--twins", "none") as place:
        assert not (place / "twins").exists()
    with exported(house, tmp_path / "one", "--twins", "premis") as place:
        assert [one.name for one in (place / "twins").iterdir()] == ["premis.xml"]
