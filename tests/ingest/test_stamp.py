"""Numbered copies: on each page of a copy, in a margin of its own; never on the original."""

import io
import json
import subprocess
import sys

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from api.app import create_app
from ingest.extraction import NotARecord
from ingest.readers import stamps
from ingest.stampings import _stamped as believed
from tests.house import House
from tests.ingest.test_previews import installed
from tests.one_house import one_house, signed_in
from tests.repository.test_numbers import give, scheme, took
from tests.repository.test_numbers import other as other_case

other = other_case


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def written(turns=(0,), words=b"", *, secret=b"", password="") -> bytes:
    """Return a PDF of pages with text, turned; one text below what is visible."""
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer, out = PdfWriter(), io.BytesIO()
    font = DictionaryObject(
        {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
         NameObject("/BaseFont"): NameObject("/Helvetica")}
    )  # fmt: skip
    for turn in turns:
        page = writer.add_blank_page(300, 200)
        content = DecodedStreamObject()
        content.set_data(b"BT /F 20 Tf 20 90 Td (%s) Tj ET BT /F 9 Tf 20 -12 Td (%s) Tj ET Q Q Q"
                         % (words, secret))  # fmt: skip
        page[NameObject("/Contents")] = writer._add_object(content)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F"): font})}
        )
        page.rotate(turn)
    if password:
        writer.encrypt(password, algorithm="AES-256")
    writer.write(out)
    return out.getvalue()


def shown(data: bytes, page: int = 0) -> Image.Image:
    """Return how a page looks, by a program that is not ours."""
    ran = subprocess.run(
        ["pdftoppm", "-png", "-r", "72", "-cropbox", "-f", str(page + 1), "-singlefile", "-"],
        input=data, capture_output=True, check=True,
    )  # fmt: skip
    return Image.open(io.BytesIO(ran.stdout)).convert("L")


def test_the_number_stands_below_each_page_however_it_is_turned_and_covers_nothing():
    installed("pdftoppm")
    turns = (0, 90, 180, 270)
    before = written(turns, b"bridge", secret=b"hidden")
    after = stamps.stamped(io.BytesIO(before), picture=False, pages=4, label="A(7)-{}".format)
    for number in range(4):
        was, is_now = shown(before, number), shown(after, number)
        assert is_now.size == (was.width, was.height + 18)
        above = is_now.crop((0, 0, was.width, was.height))
        assert above.tobytes() == was.tobytes()
        margin = is_now.crop((0, was.height, was.width, is_now.height))
        dark = margin.point(lambda shade: 255 * (shade < 128)).getbbox()
        assert dark is not None
        assert dark[0] > was.width / 2  # at the right, upright as the page is read
        assert dark[2] - dark[0] > 2 * (dark[3] - dark[1])
    texts = [page.extract_text() for page in PdfReader(io.BytesIO(after)).pages]
    assert [f"A(7)-{n}" in text for n, text in enumerate(texts)] == [True] * 4


def test_one_number_for_the_file_stands_on_each_of_its_pages():
    pages: dict[str, bytes] = {"a.pdf": written((0, 0, 0))}
    tiff, one = io.BytesIO(), Image.new("L", (40, 30), 90)
    one.save(tiff, "TIFF", save_all=True, append_images=[one, one])
    pages["a.tif"] = tiff.getvalue()
    for name, data in pages.items():
        picture = name == "a.tif"
        made = stamps.stamped(
            io.BytesIO(data), picture=picture, pages=None, label=lambda _: "F-1", frames=picture
        )
        assert ["F-1" in page.extract_text() for page in PdfReader(io.BytesIO(made)).pages] == [
            True, True, True,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "pages", "reason"),
    [
        (written(), 2, "pages-differ"),
        (b"%PDF-1.4 nothing", 1, "damaged"),
        (written(password="p"), 1, "encrypted"),
        (b"", 1, "damaged"),
    ],
)
def test_what_cannot_be_stamped_is_said(data, pages, reason):
    with pytest.raises(stamps.NotStamped) as caught:
        stamps.stamped(io.BytesIO(data), picture=False, pages=pages, label=str)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "said",
    [{"size": 9, "sha256": "sha256:0"}, {"size": 0, "sha256": ""}, {"reason": "x", "detail": ""}],
)
def test_nothing_that_the_locked_process_says_is_believed(tmp_path, said):
    (tmp_path / "f").write_bytes(b"123456789")
    with (tmp_path / "f").open("rb") as file, pytest.raises(NotARecord):
        believed(said, file.fileno())


def test_copies_are_exhibits_of_their_own_and_go_beside_or_instead(house, other, tmp_path):
    tiff, first, second = io.BytesIO(), Image.new("L", (40, 30), 90), Image.new("L", (40, 30), 9)
    first.save(tiff, "TIFF", save_all=True, append_images=[second])
    originals = {
        "a.pdf": written((0, 0), b"bridge"), "b.tif": tiff.getvalue(), "c.txt": b"a letter",
        "d.pdf": written(password="p"),
    }  # fmt: skip
    numbers = [took(house, tmp_path, other, name, data) for name, data in originals.items()]
    assert scheme(house, other, "--prefix", "ERN-", "--digits", "3").code == 0
    given = give(house, other, *numbers).lines
    assert [row["last"] for row in given] == ["ERN-002", "ERN-004", "ERN-005", "ERN-006"]
    words = ("number", "stamp", other, *numbers)
    done = house.evidence(*words, person="prosecutor")
    assert done.code == 0, done.err
    assert [(one["status"], one["reason"]) for one in done.lines] == [
        ("stamped", None), ("stamped", None), ("not-stamped", "no-pages"),
        ("not-stamped", "encrypted"),
    ]  # fmt: skip
    entry = house.last("derivative_creation")
    assert (entry["reason"], entry["outcome"]) == ("not-stamped-encrypted", "not-done")
    again = house.evidence(*words, person="prosecutor").lines
    assert [one["status"] for one in again] == ["known", "known", "not-stamped", "not-stamped"]
    copies = [one["made"] for one in done.lines[:2]]
    [of] = house.evidence("show", copies[1], person="prosecutor").lines
    assert (of["derived_from"]["exhibit"], of["derived_from"]["kind"]) == (numbers[1], "stamped")
    for how, expected in (("beside", {*numbers, *copies}), ("instead", {*copies, *numbers[2:]})):
        out = tmp_path / how
        said = house.evidence(
            "export", "--case", other, *numbers, "--out", out, "--purpose", "court",
            "--stamped", how, person="prosecutor",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert set(said.lines[0]["exhibits"]) == expected
        left = {one["what"]: one["why"] for one in said.lines[0]["left_out"]}
        assert f"the stamped copy of {numbers[3]}" in left
        assert (numbers[0] in left) == (how == "instead")
    table = (out / "twins" / "load-file" / "exhibits.dat").read_text("utf-8-sig")
    rows = [[c.strip("\u00fe") for c in r.split("\x14")] for r in table.splitlines()[1:]]
    numbered = {row[3]: (row[1], row[2]) for row in rows}  # BEGBATES and ENDBATES, by exhibit
    assert numbered[copies[1]] == ("ERN-003", "ERN-004")
    assert numbered[numbers[3]] == ("ERN-006", "ERN-006")
    page = PdfReader(out / "data" / f"{copies[1]}.bin").pages[1]
    assert "ERN-004" in page.extract_text()
    checked = subprocess.run([sys.executable, "-I", "verify.py", "."], cwd=out, check=False)
    assert checked.returncode == 0
    entries = json.loads((out / "custody.json").read_text())["entries"]
    made = [json.loads(one["body"]) for one in entries]
    [stamped] = [
        one for one in made
        if one.get("reason") == "stamped" and one["exhibit"]["number"] == copies[0]
    ]  # fmt: skip
    assert stamped["inputs"] == [one["sha256"] for one in (house_row(house, numbers[0]),)]
    assert "number stamp" in stamped["instrument"]["version"]


def house_row(house: House, number: str) -> dict:
    return house.evidence("show", number, person="prosecutor").lines[0]


def test_over_http_the_same(house, other, tmp_path):
    number = took(house, tmp_path, other, "a.pdf", written())
    scheme(house, other, "--prefix", "A-")
    client, asking = create_app(house.repo).test_client(), signed_in(house, "prosecutor")
    at = f"/api/v1/cases/{other}/numbers/copies"
    [none] = client.post(at, json={"exhibits": [number]}, headers=asking).json["items"]
    assert (none["status"], none["reason"]) == ("not-stamped", "no-number")
    give(house, other, number)
    [one] = client.post(at, json={"exhibits": [number]}, headers=asking).json["items"]
    assert (one["status"], one["first"]) == ("stamped", "A-000001")
    assert client.post(at, json={"exhibits": ["KRN-999999"]}, headers=asking).status_code == 404
