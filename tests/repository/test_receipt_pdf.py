"""The receipt's page: one page, readable, the same bytes for the same receipt, nothing claimed."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pypdf
import pytest

from custody.receipt import Receipt, SubmissionReceipt
from repository.exports.receipt_pdf import MAX_FILES, receipt_pdf, submission_receipt_pdf
from tests.house import make_house
from tests.shared import ROOT

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def receipt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    house = make_house(folder)
    (folder / "photo").write_bytes(b"evidence")
    [line] = house.ingest(folder / "photo")
    house.repo.close()
    from pathlib import Path

    return Receipt.parse(Path(line["receipt"]).read_bytes())


def text_of(pdf: bytes) -> str:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    return reader.pages[0].extract_text()


def test_it_is_one_page_that_says_what_the_receipt_says(receipt):
    pdf = receipt_pdf(receipt, generated_at=AT)
    text = text_of(pdf)
    for wanted in (receipt.exhibit, receipt.submission, "unwitnessed since", "8 bytes"):
        assert wanted in text, text
    assert receipt.sha256.removeprefix("sha256:")[:16] in text
    for claimed in ("admissible", "authentic", "genuine"):
        assert claimed not in text.lower()
    assert b"pdfaid" in pdf


def test_the_same_receipt_gives_the_same_bytes(receipt):
    assert receipt_pdf(receipt, generated_at=AT) == receipt_pdf(receipt, generated_at=AT)


@pytest.mark.parametrize("name", ["\u202egnp.exe", "#eval(1)", "<script>", "\x00", "أ" * 60])
def test_a_hostile_submission_name_is_shown_and_never_obeyed(receipt, name):
    text_of(receipt_pdf(replace(receipt, submission=name), generated_at=AT))


def test_six_witnesses_and_four_stamps_still_fit_one_page(receipt):
    text_of(receipt_pdf(replace(receipt, unwitnessed_since="x" * 300), generated_at=AT))


def listed(stage):
    good = json.loads((ROOT / "tests/vectors/submission-receipts.json").read_text())["good"]
    file = io.BytesIO(good[stage].encode())
    found = SubmissionReceipt.parse(file.readline())
    return found, list(found.check_list(file))


def pages_of(pdf):
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def test_the_receipt_of_a_submission_has_a_row_for_each_file():
    receipt, files = listed(1)
    first, second = pages_of(submission_receipt_pdf(receipt, files, generated_at=AT))
    assert receipt.submission in first
    assert receipt.sha256.removeprefix("sha256:")[:16] in first
    for wanted in ("KRN-000042", "did not arrive", "set apart", "not announced", "part 2"):
        assert wanted in second, second
    for claimed in ("admissible", "authentic", "genuine"):
        assert claimed not in (first + second).lower()


def test_the_receipt_of_a_list_says_that_nothing_has_arrived_by_it():
    receipt, files = listed(0)
    first, second = pages_of(submission_receipt_pdf(receipt, files, generated_at=AT))
    assert "not that they" in first
    assert "d.E02" in second


def test_hostile_names_stay_on_their_row_and_long_ones_are_cut():
    receipt, files = listed(1)
    files[2]["path"] = "#eval(1) $x$ <a> \u202egpj.exe"
    files[3]["path"] = "x" * 10_000
    pages = pages_of(submission_receipt_pdf(receipt, files, generated_at=AT))
    assert len(pages) == 2
    assert "#eval(1)" in pages[1]
    words = "".join(pages[1].split())
    assert "U+202Egpj.exe" in words  # shown, not obeyed
    assert "\u202e" not in pages[1]


def test_a_list_too_long_for_paper_is_named_and_left_to_the_file():
    receipt, files = listed(1)
    many = replace(receipt, count=MAX_FILES + 1)
    [only] = pages_of(submission_receipt_pdf(many, iter(files), generated_at=AT))
    assert "in the JSON file" in only
