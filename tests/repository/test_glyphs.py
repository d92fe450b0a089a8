"""How evidence text may stand on a page."""

import hashlib
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.exports.fonts import FONTS
from repository.exports.glyphs import coverage, display, script_of, scripts

COVERED = coverage(FONTS)


def pieces(text):
    return list(display(text, COVERED).pieces)


def test_the_fonts_are_the_ones_listed_and_small():
    listed = dict(line.split()[::-1] for line in (FONTS / "SHA256SUMS").read_text().splitlines())
    files = [file for file in FONTS.iterdir() if file.name != "SHA256SUMS"]
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == listed
    assert sum(file.stat().st_size for file in files) <= 4_000_000
    assert "SIL OPEN FONT LICENSE" in (FONTS / "OFL.txt").read_text()


@pytest.mark.parametrize(
    "text",
    ["Zażółć", "Шевченко їґє", "Αθήνα", "صورة", "မောင်", "መቐለ", "ភ្នំពេញ", "ঢাকা", "देवनागरी",
     "עברית", "Հայաստան", "საქართველო", "กรุงเทพ"],
)  # fmt: skip
def test_each_promised_script_is_covered(text):
    shown = display(text, COVERED)
    assert not shown.missing
    assert not shown.escaped


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("evidence\u202egpj.exe", ["U+202E"]),
        ("a\x00b\x1b\x7f", ["U+0000", "U+001B", "U+007F"]),
        ("a\nb\u2028", ["U+000A", "U+2028"]),
        ("\u2066a\u2069\ufeff", ["U+2066", "U+2069", "U+FEFF"]),
        ("a\u200bb\u200dc\u00ad", ["U+200B", "U+200D", "U+00AD"]),
        ("x\ue000\ud800\uffff", ["U+E000", "U+D800", "U+FFFF"]),
        ("👩\u200d🚒.png", ["U+1F469", "U+200D", "U+1F692"]),
        ("𝐓Ａ", ["U+1D413", "U+FF21"]),
        (" a ", ["U+0020", "U+0020"]),
        ("\u0301a", ["U+0301"]),
        ("a" + "\u0301" * 5, ["U+0301"] * 2),
        ("ﾠ\u3164", ["U+FFA0", "U+3164"]),
    ],
)
def test_what_is_not_printed_is_shown_as_its_code_point(text, escaped):
    shown = display(text, COVERED)
    assert list(shown.escaped) == escaped
    assert [piece for kind, piece in shown.pieces if kind == "e"] == escaped
    assert not shown.missing


def test_joiners_stay_where_spelling_needs_them():
    assert pieces("می\u200cخواهم") == [("t", "می\u200cخواهم")]
    assert pieces("ភាសា\u200bខ្មែរ") == [("t", "ភាសា\u200bខ្មែរ")]


@pytest.mark.parametrize(
    ("text", "script"), [("王.jpg", "CJK"), ("한", "HANGUL"), ("ｶ", "KATAKANA"), ("ꡀ", "PHAGS-PA")]
)
def test_a_letter_of_a_script_without_a_font_is_missing(text, script):
    missing = display(text, COVERED).missing
    assert len(missing) == 1
    assert script_of(missing[0]) == script
    assert script not in scripts(COVERED)


def test_dates_and_paths_keep_their_order_among_letters_from_the_right():
    text = "".join(piece for _, piece in pieces("طلب 2013-08-21 في a/b.jpg"))
    assert text == "طلب \u20662013-08-21\u2069 في \u2066a/b.jpg\u2069"
    assert display("طلب", COVERED).from_right
    assert not display("a طلب", COVERED).from_right


def test_a_long_word_may_break_but_never_within_a_letter():
    found = pieces("a" * 100)
    assert {kind for kind, _ in found} == {"b"}
    assert "".join(piece for _, piece in found) == "a" * 100
    accented = pieces("e\u0301" * 60)
    assert all(not unicodedata.combining(piece[0]) for _, piece in accented)


@given(st.text(alphabet=st.characters(max_codepoint=sys.maxunicode), max_size=200))
def test_no_character_is_lost_whatever_the_text(text):
    shown = display(text, COVERED)
    back = ""
    for kind, piece in shown.pieces:
        back += chr(int(piece[2:], 16)) if kind == "e" else piece
    hidden = {"\u2066", "\u2069"}
    assert [c for c in back if c not in hidden] == [c for c in text if c not in hidden]


@given(st.text(max_size=80))
def test_nothing_printed_changes_direction_or_is_invisible(text):
    for kind, piece in display(text, COVERED).pieces:
        if kind != "e":
            assert all(unicodedata.category(c) not in {"Cc", "Co", "Cs"} for c in piece)
            assert not set(piece) & set(
                "\u202a\u202b\u202c\u202d\u202e\u2067\u2068\u200e\u200f\u061c"
            )
