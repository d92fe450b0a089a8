"""The custody report in six languages: complete, filled in alike, and printed as it is read."""

import io
import os
import re
import shutil
import subprocess

import pytest
from babel import Locale
from pypdf import PdfReader

from custody.entry import Act
from repository.continuity import GAPS
from repository.exports import fonts
from repository.exports.fonts import CJK, GlyphMissing, check_language
from repository.exports.pdf import render
from repository.exports.report_words import (
    FOLDER,
    LANGUAGES,
    Phrase,
    language,
    speaking,
    spoken,
    word,
)
from tests.repository.report_rows import SHA256, history, report

ENGLISH = language("en")
OTHERS = [code for code in LANGUAGES if code != "en"]


def texts(one):
    """Return name -> every form of a text."""
    return {
        name: [said] if isinstance(said, str) else list(said.values())
        for name, said in one.words.items()
    }


def needs(there, package):
    """Skip without a package of Debian; fail where CI should have installed it."""
    if there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{package} is not installed")
    pytest.skip(f"{package} is not installed")


def needs_cjk():
    needs(CJK.is_file(), "fonts-noto-cjk")


def test_there_is_a_file_for_each_language_and_no_other():
    assert sorted(file.stem for file in FOLDER.iterdir()) == sorted(LANGUAGES)


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_says_all_that_english_says_and_nothing_else(code):
    assert set(language(code).words) == set(ENGLISH.words)
    assert set(language(code).types) == set(ENGLISH.types) == {str(act) for act in Act}


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_is_filled_in_with_what_the_english_one_is(code):
    places = re.compile(r"\{(\w*)\}")
    wanted = {name: sorted(places.findall(said[0])) for name, said in texts(ENGLISH).items()}
    for name, forms in texts(language(code)).items():
        for form in forms:
            assert sorted(places.findall(form)) == wanted[name], name


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_count_has_every_plural_form_of_its_language(code):
    rules = Locale.parse(code).plural_form
    for name, said in language(code).words.items():
        if not isinstance(said, str):
            assert set(said) == {*rules.tags, "other"}, name


def test_plurals_follow_the_language():
    with speaking("ru"):
        said = [word("bytes", count=count) for count in (1, 3, 5, 21)]
    assert said == ["1 байт", "3 байта", "5 байт", "21 байт"]
    with speaking("ar"):
        assert word("bytes", count=5) == "5 بايتات"


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_was_left_in_english(code):
    same = {
        name
        for name, said in texts(language(code)).items()
        if said == texts(ENGLISH)[name] and len(re.sub(r"\{\w+\}|\W", "", said[0])) > 3
    }
    cognates = {
        "C.note", "C.source", "F.act", "F.organisation", "G.member", "G.version", "J.date",
        "J.qualification", "J.signature", "V.sections", "V.volume", "description", "exhibit_id",
        "field.note", "field.organisation", "field.source", "field.instrument", "outcome.error",
        "J.place", "type", "volume", "C.place",
        "I", "J",
    }  # fmt: skip
    assert same <= cognates


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_says_whether_a_person_reviewed_it(code):
    assert language(code).reviewed is False


def test_the_words_for_gaps_are_those_of_the_api():
    assert {name: ENGLISH.words[f"gap.{name}"] for name in GAPS} == dict(GAPS)


def test_what_is_left_out_is_said_in_the_language_of_the_report():
    said = Phrase("left.tokens")
    assert said == "time-stamp tokens"
    with speaking("fr"):
        assert spoken(said) == "jetons d’horodatage"
        assert spoken("in nobody's words") == "in nobody's words"


@pytest.mark.parametrize("code", OTHERS)
def test_every_page_says_that_the_translation_was_not_reviewed(code):
    if code == "zh":
        needs_cjk()
    pdf = render(report(history(), code))
    reader = PdfReader(io.BytesIO(pdf))
    assert reader.trailer["/Root"]["/Lang"] == code
    if code != "ar":  # letters of Arabic are joined: their order in the text is the reader's own
        said = re.sub(r"\s", "", str(language(code).words["not-reviewed"]))
        assert all(said in re.sub(r"\s", "", page.extract_text()) for page in reader.pages)
    assert render(report(history(), code)) == pdf


def test_a_digest_keeps_its_order_on_a_page_from_the_right(tmp_path):
    needs(shutil.which("pdftotext"), "poppler-utils")
    file = tmp_path / "report.pdf"
    file.write_bytes(render(report(history(), "ar")))
    said = subprocess.run(["pdftotext", file, "-"], capture_output=True, text=True, check=True)
    plain = re.sub("[\u2066-\u2069\u202a-\u202e\u200e\u200f\\s]", "", said.stdout)
    assert plain.count(SHA256) > 5


def test_a_report_in_chinese_stops_where_its_font_is_missing_and_names_the_package(monkeypatch):
    monkeypatch.setattr(fonts, "CJK", FOLDER / "nowhere.ttc")
    with pytest.raises(GlyphMissing, match="fonts-noto-cjk"):
        check_language("zh")
    check_language("ar")


def test_a_chinese_name_is_printed_where_the_font_is_installed():
    needs_cjk()
    found = PdfReader(io.BytesIO(render(report(history("王小明.jpg")))))
    assert "王小明.jpg" in "".join(page.extract_text() for page in found.pages)
