"""The report as PDF: complete, the same every time, and it stops rather than print gaps."""

import io
import json
import re
import subprocess
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pikepdf
import pytest
from pypdf import PdfReader

from repository.errors import RepositoryError
from repository.exports import fonts, press
from repository.exports.fonts import FONTS, GlyphMissing
from repository.exports.glyphs import coverage, display
from repository.exports.pdf import render
from repository.exports.press import RenderFailed
from tests.repository.report_rows import SHA256, SHA512, history, report, row
from tests.shared import shared


def text_of(pdf):
    """Return the text of all pages without white space (lines break anywhere)."""
    pages = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return squeezed(pages)


def squeezed(text):
    return re.sub(r"[\s\u200b\u2066\u2069]", "", text)


def with_name(name):
    return report([row(1, "receipt", opened={"name": name})])


@pytest.fixture(scope="module")
def pdf():
    return render(report(history()))


def test_the_same_data_gives_the_same_bytes(pdf):
    again = json.loads(json.dumps(report(history())))
    assert render(again) == pdf


def test_a_process_of_its_own_prints_the_same_bytes_and_says_why_it_could_not(pdf, monkeypatch):
    monkeypatch.setattr(press, "SHORT", 0)
    assert render(report(history())) == pdf
    with pytest.raises(RenderFailed, match="Typst refuses the report"):
        press.printed("receipt.typ", {}, [FONTS], 0)


def test_fields_that_no_entry_has_are_all_named_in_one_row(pdf):
    assert squeezed("– not recorded ERN or other external numbers · Submitter’s") in text_of(pdf)


def test_the_file_claims_pdf_a_3a_and_pdf_ua_1_and_is_tagged(pdf):
    """What ISO 19005-3 and ISO 14289-1 ask that can be read off the file; veraPDF runs nowhere."""
    with pikepdf.open(io.BytesIO(pdf)) as found, found.open_metadata() as metadata:
        root = found.Root
        assert not found.is_encrypted
        assert metadata.pdfa_status == "3A"
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Custody report"
        assert root.MarkInfo.Marked
        assert str(root.Lang) == "en"
        assert root.ViewerPreferences.DisplayDocTitle
        assert str(root.OutputIntents[0].S) == "/GTS_PDFA1"
        assert "/DestOutputProfile" in root.OutputIntents[0]
        assert not {"/JavaScript", "/OpenAction", "/AA"} & set(root.keys())
        objects = [one for one in found.objects if isinstance(one, pikepdf.Dictionary)]
        actions = {str(one["/S"]) for one in objects if one.get("/Type") == "/Action"}
        assert actions <= {"/URI", "/GoTo"}
        fonts_of = [one for one in objects if one.get("/Type") == "/Font"]
        for one in fonts_of:
            if one.Subtype == "/Type0":
                assert "/ToUnicode" in one
            elif one.Subtype != "/Type3":
                assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(one.FontDescriptor.keys())
        assert fonts_of
        tags = list(tagged(root.StructTreeRoot.K))
        kinds = [str(one.S) for one in tags]
        assert kinds[0] == "/Document"
        assert {"/H1", "/Table", "/TR", "/TH", "/TD", "/Figure", "/P"} <= set(kinds)
        for one in tags:
            if one.S == "/Figure":
                assert str(one.Alt).strip()
            if one.S == "/TH":
                owned = [one.A] if isinstance(one.A, pikepdf.Dictionary) else one.A
                assert {str(each.Scope) for each in owned if "/Scope" in each} <= {
                    "/Row", "/Column", "/Both",
                }  # fmt: skip
                assert any("/Scope" in each for each in owned)
        levels = [int(kind[2:]) for kind in kinds if re.fullmatch("/H[1-6]", kind)]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))  # none is skipped
        for page in found.pages:
            assert str(page.Tabs) == "/S"
            assert "/StructParents" in page
            within, texts = 0, 0
            for one in pikepdf.parse_content_stream(page):
                word = str(one.operator)
                within += (word in ("BDC", "BMC")) - (word == "EMC")
                texts += word in ("Tj", "TJ")
                assert within or word not in ("Tj", "TJ")  # of the structure, or an artifact
            assert texts


def tagged(kids):
    """Yield the elements below others, in the order of reading."""
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from tagged(kid.get("/K", pikepdf.Array()))


def test_the_date_is_the_reports_own(pdf):
    assert PdfReader(io.BytesIO(pdf)).metadata.creation_date.isoformat() == (
        "2026-11-20T22:26:53+00:00"
    )


def test_every_label_and_latin_value_of_the_report_is_in_the_pdf(pdf):
    found = text_of(pdf)
    data = report(history())
    wanted = [some["what"] for some in data["left_out"]]
    for section in data["sections"]:
        wanted.append(section["title"])
        for block in section["blocks"]:
            wanted += [block[key] for key in ("text", "label", "at", "type") if key in block]
            wanted += block.get("lines", []) + block.get("head", [])
            wanted += [cell for cells in block.get("rows", []) for cell in cells]
            for fact in block.get("facts", []):
                wanted += [fact["label"], fact["note"], *fact["values"]]
    latin = [text for text in wanted if not re.search("[\u0530-\u1dff]", text)]
    assert len(latin) > 300
    assert [text for text in latin if squeezed(text) not in found] == []


def test_every_page_has_its_number_the_report_the_case_and_the_marking(pdf):
    pages = PdfReader(io.BytesIO(pdf)).pages
    for number, page in enumerate(pages, 1):
        found = squeezed(page.extract_text())
        assert f"Page{number}of{len(pages)}" in found
        assert "018f0000-0000-7000-8000-000000000063" in found
        assert "KRN" in found
        assert "CONFIDENTIAL" in found


def test_long_digests_stay_whole_in_the_text(pdf):
    assert SHA256 in text_of(pdf)
    assert SHA512 in text_of(pdf)


def test_a_direction_override_is_printed_as_its_code_point_and_listed():
    found = text_of(render(with_name("evidence\u202egpj.exe")))
    assert "evidenceU+202Egpj.exe" in found
    assert "charactersprintedascodepointsinabox:U+202E(2×)" in found


def test_an_emoji_is_printed_as_its_code_point():
    assert "U+1F600" in text_of(render(with_name("holiday 😀.jpg")))


def test_a_report_without_such_characters_does_not_mention_them(pdf):
    assert "codepoints" not in text_of(pdf)


@pytest.mark.parametrize(
    ("name", "package"), [("王.jpg", "fonts-noto-cjk"), ("ꡀ", "fonts-noto-extra")]
)
def test_a_letter_without_a_font_stops_the_report_and_names_what_is_missing(
    name, package, monkeypatch
):
    monkeypatch.setattr(fonts, "CJK", Path("nowhere.ttc"))
    with pytest.raises(GlyphMissing, match=package) as raised:
        render(with_name(name))
    assert name[0] in str(raised.value)
    assert raised.value.code == "glyph-missing"
    assert issubclass(GlyphMissing, RepositoryError)


def test_markup_in_a_name_stays_text():
    name = '#panic("x") $x$ *b* = h <a> @b `c` \\u{41} #read("/etc/passwd") // c'
    assert squeezed(name) in text_of(render(with_name(name)))


@pytest.mark.parametrize(
    "name",
    ["x" * 10_000, "ص" * 10_000, "😀" * 2_000, "မောင်" * 2_000, "a " * 5_000, "e" + "\u0301" * 9_999,
     "", " ", "\u202e" * 500],
    ids=["latin", "arabic", "emoji", "burmese", "words", "accents", "empty", "space", "override"],
)  # fmt: skip
def test_very_long_and_empty_names_are_printed(name):
    pdf = render(with_name(name))
    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) >= 2


def test_a_long_name_does_not_leave_the_page():
    def visit(text, matrix, text_matrix, *_):
        if text.strip():
            places.append(text_matrix[4] * matrix[0] + matrix[4])

    places = []
    for page in PdfReader(io.BytesIO(render(with_name("x" * 3_000 + "y")))).pages:
        page.extract_text(visitor_text=visit)
    assert places
    assert max(places) < 595 - 50  # A4 less the margin, in points


def test_zero_rows_make_a_pdf():
    assert "Noentryofthisexhibitisinthisreport." in text_of(render(report([])))


def test_hostile_names_are_printed_or_named_as_missing_never_anything_else(monkeypatch):
    names = json.loads(shared("hostile", "strings", "blns.json").read_text())
    assert len(names) > 500
    monkeypatch.setattr(fonts, "CJK", Path("nowhere.ttc"))
    stopped = [name for name in names if display(name, coverage(FONTS)).missing]
    assert 0 < len(stopped) < 30
    for name in stopped:
        with pytest.raises(GlyphMissing):
            render(with_name(name))
    printed = [name for name in names if name not in stopped]
    rows = [row(n, "receipt", seq=n, opened={"name": name}) for n, name in enumerate(printed, 1)]
    assert render(report(rows)).startswith(b"%PDF")


@pytest.mark.parametrize(
    "broken",
    [{}, {"heading": {}}, {"heading": {"generated_at": "yesterday"}},
     {**report([]), "sections": [{"id": "A", "title": 1.5, "blocks": []}]},
     {**report([]), "sections": None}],
)  # fmt: skip
def test_what_is_no_report_is_refused_with_a_typed_error(broken):
    with pytest.raises(RenderFailed):
        render(broken)


def test_a_combination_no_font_can_spell_is_never_a_crash():
    for name in ("\u0627\u0301\u0302", "\u1000\u0301", "\u05d0\u0e48", "\u1780\u17d2\u0915"):
        with suppress(GlyphMissing):
            render(with_name(name))


def test_a_sentence_of_the_report_keeps_its_order_whatever_name_it_begins_with():
    """`أحمد Ahmed; at not told; place القاهرة` was set from the right, its parts turned round."""
    opened = {"collected_by": "أحمد Ahmed", "place": "القاهرة"}
    pdf = render(report([row(1, "collection", opened=opened), row(2, "receipt", seq=2)]))
    said = subprocess.run(
        ["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()
    words = [
        (float(x), word)
        for x, word in re.findall(r'xMin="([0-9.]+)".*>(.*)</word>', said.replace("\u200e", ""))
    ]
    [first] = [x for x, word in words if "Ahmed; at" in word]
    [second] = [x for x, word in words if "told; place" in word]
    [third] = [x for x, word in words if word == "(declared"]
    assert first < second < third
