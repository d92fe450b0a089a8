"""Things proposed from names: segments, volumes, extractions, databases; gaps are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.things import propose
from tests.shared import shared


def proposed(*names):
    """The names of each thing, in the order of its parts; with what it lacks after a None."""
    raw = [name.encode() for name in names]
    return [
        [raw[place].decode() for place in one.parts]
        + ([None, *(name.decode() for name in one.missing)] if one.missing else [])
        for one in propose(raw)
    ]


def encase(n):
    """The ending of the n-th segment as libewf's documentation lists them."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    names = [f"E{k:02d}" for k in range(1, 100)]
    names += [a + b + c for a in letters[4:] for b in letters for c in letters]
    return names[n - 1]


@pytest.mark.parametrize(
    "names",
    [
        ["d.E01", "d.E02"],
        ["D.e01", "D.e02", "D.e03"],
        ["d.Ex01", "d.Ex02"],
        ["d.L01", "d.L02"],
        ["d.s01", "d.s02"],
        ["disk.dd.001", "disk.dd.002", "disk.dd.003"],
        ["disk.000", "disk.001"],
        ["disk.img.aa", "disk.img.ab", "disk.img.ac"],
        ["disk.img.aaa", "disk.img.aab"],
        ["a.z01", "a.z02", "a.zip"],
        ["a.part1.rar", "a.part2.rar"],
        ["a.part01.rar", "a.part02.rar"],
        ["a.rar", "a.r00", "a.r01"],
        ["vm.vmdk", "vm-s001.vmdk", "vm-s002.vmdk"],
        ["vm.vmdk", "vm-flat.vmdk"],
        ["Phone.ufd", "Phone.zip"],
        ["Phone.ufd", "Phone.ufdx", "Phone.zip"],
        ["Phone.ufd", "Phone.z01", "Phone.z02", "Phone.zip"],
        ["sms.db", "sms.db-wal", "sms.db-shm"],
        ["sms.db", "sms.db-journal"],
        [
            "3d0d7e5fb2ce288813306e4d4636395e047a3d28",
            "3d0d7e5fb2ce288813306e4d4636395e047a3d28-wal",
        ],
        ["رسائل.db", "رسائل.db-wal"],
    ],
)
def test_these_form_one_thing_in_this_order(names):
    assert proposed(*reversed(names)) == [names]
    assert proposed(*names, "readme.txt", "other.jpg") == [names]


@pytest.mark.parametrize(
    "names",
    [
        ["d.E01"],
        ["d.E01", "other.E02x", "d.txt"],
        ["a/d.E01"],
        ["a.zip"],
        ["a.jpg", "b.jpg"],
        ["x.aa"],
        ["x.ab", "x.ac"],
        ["report.2023", "report.2024"],
        ["log.001", "log.900"],
        ["notes.db-wal"],
        ["d.E01", "d.E01.txt"],
        ["page.html", "page_files/a.css"],
        ["IMG_1.HEIC", "IMG_1.MOV", "IMG_1.xmp"],
        ["a.vmdk"],
        ["phone.ufd", "phone.xml", "phone.pdf"],
        [".E01", ".E02"],
    ],
)
def test_these_do_not(names):
    assert proposed(*names) == []


def test_a_thing_is_of_one_folder():
    names = ["one/d.E01", "two/d.E02", "one/d.E02", "two/d.E01"]
    assert proposed(*names) == [["one/d.E01", "one/d.E02"], ["two/d.E01", "two/d.E02"]]


def test_after_e99_come_eaa_to_zzz():
    names = [f"disk.{encase(n)}" for n in range(1, 900)]
    assert names[98:101] == ["disk.E99", "disk.EAA", "disk.EAB"]
    assert "disk.FAA" in names
    assert proposed(*sorted(names)) == [names]
    assert proposed(*[name for name in names if name != "disk.EAA"])[0][-2:] == [None, "disk.EAA"]


def test_after_999_comes_1000():
    names = [f"disk.{n:03d}" for n in range(1, 1003)]
    assert proposed(*sorted(names)) == [names]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["d.E01", "d.E03"], ["d.E02"]),
        (["d.E02", "d.E03"], ["d.E01"]),
        (["d.E07"], [f"d.E0{n}" for n in range(1, 7)]),
        (["Disk.001", "Disk.002", "Disk.004"], ["Disk.003"]),
        (["d.aa", "d.ab", "d.ad"], ["d.ac"]),
        (["a.z01", "a.z02"], ["a.zip"]),
        (["a.z02", "a.zip"], ["a.z01"]),
        (["a.r00", "a.r01"], ["a.rar"]),
        (["vm-s001.vmdk", "vm-s002.vmdk"], ["vm.vmdk"]),
        (["p.ufd", "p.z02", "p.zip"], ["p.z01"]),
    ],
)
def test_a_gap_is_named_and_the_set_is_not_whole(names, missing):
    [one] = propose([name.encode() for name in names])
    assert [name.decode() for name in one.missing] == missing
    assert not one.whole


def test_a_segment_that_is_there_twice_is_named():
    [one] = propose([b"d.E01", b"d.e01", b"d.E02"])
    assert one.doubled == (b"d.E01",)
    assert not one.whole
    assert sorted(one.parts) == [0, 1, 2]


def test_the_split_images_of_the_samples_are_proposed():
    for folder, names in (
        (shared("samples", "disk-images", "dfvfs"), ["ext2.split.E01", "ext2.split.E02"]),
        (shared("samples", "disk-images", "plaso"), ["image-split.E01", "image-split.E02"]),
    ):
        files = [str(file) for file in sorted(folder.rglob("*")) if file.is_file()]
        found = [one for one in proposed(*files) if None not in one]
        assert [str(folder / name) for name in names] in found


ENDINGS = (".E01", ".E02", ".e03", ".001", ".002", ".aa", ".ab", ".zip", ".z01", "-wal", ".ufd", "")


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "x/a"]), st.sampled_from(ENDINGS))))
def test_whatever_the_names_no_file_is_in_two_things_or_lost_between_parts(parts):
    names = [(stem + ending).encode() for stem, ending in parts]
    found = propose(names)
    places = [place for one in found for place in one.parts]
    assert len(places) == len(set(places))
    assert all(0 <= place < len(names) for place in places)
    assert all(len(one.parts) > 1 or one.missing for one in found)


@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: b"/" not in name)))
def test_any_bytes_are_names(names):
    propose(names)
