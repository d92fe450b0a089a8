"""The receipt's page: one page, readable, the same bytes for the same receipt, nothing claimed."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pypdf
import pytest

from custody.receipt import Receipt
from repository.exports.receipt_pdf import receipt_pdf
from tests.house import make_house

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
