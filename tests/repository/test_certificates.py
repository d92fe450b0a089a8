"""Statements of custodians: filled in from entries, blank where a person knows, no verdict."""

import io
import json
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import docx
import pikepdf
import pytest
from pypdf import PdfReader

from repository import installed, software
from repository.exports.certificates import KINDS
from repository.exports.certificates.facts import known_errors
from repository.exports.certificates.statements import BLANK, LAWS
from repository.installed import record_start, software_digest
from tests.house import CODE, own_house


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return a house with a bundle of two exhibits."""
    folder = tmp_path_factory.mktemp("certificates")
    with own_house(folder) as house:
        for name in ("a.txt", "b.txt"):
            (folder / name).write_bytes(name.encode())
        house.ingest(folder / "a.txt", folder / "b.txt")
        said = house.evidence(
            "export", "--case", CODE, "--out", folder / "bundle", "--purpose", "court",
            person="prosecutor",
        )  # fmt: skip
        assert said.code == 0, said.err
        yield house, folder


@pytest.fixture(scope="module", params=KINDS)
def made(request, world):
    """Return a statement of each kind: what the command said, its PDF and DOCX as text."""
    house, folder = world
    said = house.evidence(
        "certificate", request.param, "--case", CODE, "--bundle", folder / "bundle",
        "--out", folder / "out", person="prosecutor",
    )  # fmt: skip
    assert said.code == 0, said.err
    pdf = (folder / "out" / f"{request.param}.pdf").read_bytes()
    word = (folder / "out" / f"{request.param}.docx").read_bytes()
    pages = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    words = "\n".join(one.text for one in docx.Document(io.BytesIO(word)).paragraphs)
    return request.param, said.lines[-1], (pdf, word), (squeezed(pages), squeezed(words))


def squeezed(text):
    return re.sub(r"[\s\u200b\u2066\u2069]", "", text)


def test_a_statement_names_its_law_and_says_what_the_entries_say(world, made):
    _, folder = world
    kind, _, _, texts = made
    told = json.loads((folder / "bundle" / "custody.json").read_bytes())
    manifest = sha256((folder / "bundle" / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    bodies = [json.loads(one["body"]) for one in told["entries"]]
    wanted = [LAWS[kind].source, *LAWS[kind].quotes, told["request_id"], manifest]
    wanted += [value for one in told["exhibits"] for value in (one["number"], one["sha256"])]
    if kind != "fre-902-14":
        wanted += known_errors()
    program = bodies[0]["by"]
    count = sum(one["type"] == "registration" for one in bodies)
    for text in texts:
        assert [one for one in wanted if squeezed(one) not in text] == []
        assert squeezed(f"registration by {program}") in text
    assert count == 2
    assert squeezed(f"registration by {program}: 2") in texts[1]


def test_what_only_a_person_knows_is_blank_and_listed_as_open(made):
    kind, line, _, texts = made
    blanks = [*LAWS[kind].blanks, "Place", "Date", "Signature"]
    assert set(blanks) <= set(line["unresolved"])
    for one in blanks:
        assert squeezed(f"{one}{BLANK}") in texts[0]
        assert squeezed(f"{one}: {BLANK}") in texts[1]


def test_the_programs_digest_is_a_blank_until_a_start_of_it_is_on_record(world, tmp_path):
    house, folder = world
    words = ("certificate", "fre-902-13", "--case", CODE, "--bundle", folder / "bundle", "--out")
    before = house.evidence(*words, tmp_path / "before", person="prosecutor").lines[-1]
    blank = f"SHA-256 of the program as installed, {software()}"
    assert blank in before["unresolved"]
    for kind in ("serve", "worker", "serve"):
        record_start(house.repo, kind)
    entry = house.last("service_started")
    assert entry["instrument"]["parameters"] == {"software": software_digest()}
    after = house.evidence(*words, tmp_path / "after", person="prosecutor").lines[-1]
    assert blank not in after["unresolved"]
    word = docx.Document(str(tmp_path / "after" / "fre-902-13.docx"))
    said = "\n".join(one.text for one in word.paragraphs)
    assert said.count(software_digest()) == 1


def test_the_programs_digest_is_what_the_tools_of_any_system_say_it_is():
    command = (
        "find api config custody ingest repository -type f ! -path '*/__pycache__/*' | "
        "LC_ALL=C sort | xargs sha256sum | sha256sum"
    )
    root = Path(installed.__file__).parents[1]
    said = subprocess.run(["sh", "-c", command], cwd=root, capture_output=True, check=True)
    assert software_digest() == f"sha256:{said.stdout.decode().split()[0]}"


def test_no_statement_gives_a_verdict(made):
    for text in made[3]:
        assert not re.search(r"admissible|isauthentic|genuine|tamper-?proof", text, re.I)


def test_its_pdf_is_archivable_and_its_making_an_entry(world, made):
    house, _ = world
    kind, line, files, _ = made
    with pikepdf.open(io.BytesIO(files[0])) as found, found.open_metadata() as metadata:
        assert (metadata.pdfa_status, metadata["pdfuaid:part"]) == ("3A", "1")
    assert line["signature"] == "none"
    assert "no certificate is configured" in line["left_out"][0]["why"]
    outputs = [f"sha256:{sha256(one).hexdigest()}" for one in files]
    assert outputs in [
        one.fields["outputs"]
        for one in house.entries()
        if one.fields.get("reason") == "certificate"
    ]
    assert kind in KINDS


def test_a_changed_bundle_and_one_of_another_case_get_no_statement(world, tmp_path):
    import shutil

    house, folder = world
    words = ("certificate", "uk-section-9", "--bundle")
    changed = tmp_path / "changed"
    shutil.copytree(folder / "bundle", changed)
    (changed / "data" / "KRN-000001.bin").write_bytes(b"other")
    said = house.evidence(
        *words, changed, "--case", CODE, "--out", tmp_path / "x", person="prosecutor"
    )
    assert said.code == 1
    assert "does not verify" in said.err
    bare = tmp_path / "bare"  # whatever somebody made of it: the ledger's last word is taken away
    shutil.copytree(folder / "bundle", bare, ignore=shutil.ignore_patterns("closing.json"))
    (tmp_path / "no").mkdir()
    for place, out, code, told in (
        (bare, "x", 1, "closing is not-done"),
        (tmp_path / "no", "x", 2, "is no folder of a bundle"),
        (folder / "bundle", folder / "bundle" / "x", 2, "is in the bundle"),
    ):
        where = ("--case", CODE, "--out", tmp_path / out)
        said = house.evidence(*words, place, *where, person="prosecutor")
        assert (said.code, told in said.err) == (code, True), said.err
    other = house.evidence(*words, folder / "bundle", "--case", "OTHER", "--out", tmp_path / "x")
    assert other.code in (2, 4)
    nobody = house.evidence(
        *words, folder / "bundle", "--case", CODE, "--out", tmp_path / "x", person="stranger"
    )
    assert nobody.code == 2
    assert not (tmp_path / "x").exists()


def test_the_next_report_lists_the_statements_that_were_made(world, tmp_path):
    house, folder = world
    words = ("--case", CODE, "--bundle", folder / "bundle", "--out", tmp_path / "out")
    said = house.evidence("certificate", "icc-custodian", *words, person="prosecutor")
    assert said.code == 0, said.err
    entry = house.entries()[-1].index
    house.evidence(
        "export", "--case", CODE, "--out", tmp_path / "later", "--purpose", "court",
        person="prosecutor",
    )  # fmt: skip
    pages = PdfReader(tmp_path / "later" / "custody-report.pdf").pages
    text = squeezed("".join(page.extract_text() for page in pages))
    wanted = f"icc-custodian: about the bundle of report {said.lines[-1]['report']}, entry {entry}"
    assert squeezed(wanted) in text
