"""Words are made regular: what people write in many ways is one word, whatever the script."""

import pytest

from repository.search import grammar
from repository.search.grammar import parse
from repository.search.sounds import sound, stem
from repository.search.words import asked_grams, grams, respelled, telephones, units, words


def folded(text: str) -> list[str]:
    return [word.folded for word in words(text)]


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        ("مُحَمَّد", "محمد"),
        ("الـمـدرسة", "المدرسه"),
        ("أحمد إبراهيم آمنة", "احمد ابراهيم امنه"),
        ("مصطفى", "مصطفي"),
        ("علی کریم", "علي كريم"),
        ("سنة ٢٠١٣", "سنه 2013"),
        ("سال ۲۰۱۳", "سال 2013"),
        ("مؤسسة رئيس", "موسسه رييس"),
        ("ﷴ", "محمد"),
        ("Мар'яна", "Мар’яна"),
        ("Марʼяна", "маряна"),
        ("Ґалаґан", "Галаган"),
        ("Артём", "артем"),
        ("Mаріуполь", "Маріуполь"),  # its first letter is Latin
        ("ХEPCOH", "херсон"),  # five of six are
        ("Église", "eglise"),
        ("O’Brien", "O'Brien"),
        ("l’église d`Étienne", "l'eglise d'etienne"),
        ("STRASSE", "straße"),
        ("Ｔａｎｋ", "tank"),
        ("soft\u00adhyphen", "softhyphen"),
        ("e\u0301te\u0301", "été"),
    ],
)
def test_what_is_written_in_two_ways_is_one_word(written, otherwise):
    assert folded(written) == folded(otherwise)
    assert folded(written)


@pytest.mark.parametrize(
    ("one", "other"),
    [("мир", "мір"), ("йод", "иод"), ("สวัสดี", "สวสด"), ("မြို့", "မြ"), ("cat", "car")],
)
def test_what_are_two_words_stay_two(one, other):
    assert folded(one) != folded(other)


def test_scripts_without_spaces_are_found_by_what_stands_side_by_side():
    [chinese] = words("证据链很长")
    assert chinese.grams
    assert {"证", "证据", "证据链", "链很长"} <= set(grams(chinese.folded))
    assert units("မြန်မာနိုင်ငံ") == ["မြန်", "မာ", "နိုင်", "ငံ"]
    assert asked_grams("证据") == ["证据"]
    assert asked_grams("证据链很长") == ["证据链", "据链很", "链很长"]
    assert set(asked_grams("မြန်မာနိုင်ငံ")) <= set(grams("ပြည်ထောင်စုမြန်မာနိုင်ငံတော်"))


def test_a_text_of_several_scripts_is_cut_where_the_script_changes():
    assert folded("GPS证据2013 файл.jpg") == ["gps", "证据", "2013", "файл", "jpg"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("шевченко", "shevchenko"), ("шевченко", "chevtchenko"), ("محمد", "muhammad"),
        ("محمد", "mohamed"), ("احمد", "ahmad"), ("خالد", "khaled"), ("حسين", "hussein"),
        ("غسان", "ghassan"), ("قاسم", "qassem"), ("зеленський", "zelensky"), ("عمر", "omar"),
        ("يوسف", "youssef"), ("євген", "yevhen"), ("маряна", "mariana"), ("фатима", "fatima"),
        ("فاطمه", "fatima"), ("маріуполь", "mariupol"),
    ],
)  # fmt: skip
def test_a_name_sounds_alike_in_every_script(one, other):
    assert sound(one) == sound(other) is not None


def test_other_names_sound_otherwise_and_short_ones_tell_nothing():
    assert sound("шевченко") != sound("kovalenko")
    assert sound("али") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("маріуполь", "маріуполем"), ("маріуполь", "мариуполе"), ("школа", "школою"),
        ("مدرسه", "المدرسه"), ("bridge", "bridges"), ("eglise", "eglises"),
    ],
)  # fmt: skip
def test_a_word_has_the_stem_of_its_other_forms(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize("marks", ["“”", "„“", "«»", "»«", "「」", "『』"])
def test_quotation_marks_of_any_language_make_a_phrase(marks):
    left, right = marks
    assert parse(f"{left}міст через{right} NOT name:{left}a b{right}") == parse(
        '"міст через" NOT name:"a b"'
    )


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("عبدالرحمن", '(عبدالرحمن OR "عبد الرحمن")'),
        ("عبد الرحمن", "((عبد الرحمن) OR عبدالرحمن)"),
        ("عَبْد الرَّحمن", "((عَبْد الرَّحمن) OR عبدالرحمن)"),
        ('"محمد عبد الله"', '("محمد عبد الله" OR "محمد عبدالله")'),
        ("name:أبوبكر x", '(name:أبوبكر OR name:"أبو بكر") x'),
        ("أبو بكر OR y", "((أبو بكر) OR أبوبكر) OR y"),
        ("NOT عبد الله", "(NOT عبد) الله"),
    ],
)
def test_arabic_names_of_two_words_are_asked_for_in_one_too(asked, meant):
    assert repr(parse(asked)) == repr(_read(meant))


def _read(text: str):
    """Read a query as it stands, without other writings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "respelled", lambda _: None)
        return parse(text)


@pytest.mark.parametrize("text", ["عبد", "عبده", "ابن سينا", "Abu Bakr", "معبد الشمس"])
def test_what_is_no_such_name_is_asked_for_as_it_stands(text):
    assert respelled(text) is None


def test_a_telephone_number_in_groups_is_one_word_too():
    said = "call +380 (50) 123-45-67, or +1 202 555 0123; not +1 2 3, 2+2 3 4 or +02:00 2023-01-01"
    assert list(telephones(said)) == ["380501234567", "12025550123"]
    assert list(telephones("+٣٨٠ ٥٠ ١٢٣ ٤٥ ٦٧")) == ["380501234567"]
    assert parse("x (+380 50 123-45-67)") == parse('x ("+380 50 123-45-67" OR 380501234567)')
    assert parse("+380 50 123 45 67x") != parse("+380 50 123 45 67")


def test_what_is_no_text_gives_no_word_and_no_failure():
    for hostile in ("", "!!! … —", "\u202e\u202d", "\ud800", "'" * 1000, "_" * 1000, "\0"):
        assert folded(hostile) == []
    assert len(folded("a" * 100_000)[0]) == 80
