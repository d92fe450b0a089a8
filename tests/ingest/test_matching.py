"""A row finds its file by raw bytes; near matches are reported; contradictions stop everything."""

import os
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import BadManifest
from ingest.gather import gather
from ingest.manifests import Row, read_manifest
from ingest.manifests.matching import match
from ingest.sources import Source, find


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder `photos` with three files, one level deep and two; the working folder above it."""
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def matched(rows, arguments=("photos",), *, folder=".", root=b"", near=False):
    """Return what each file's row says its place is, and the unmatched rows' paths."""
    sources = list(find(arguments))
    with match(rows, sources, folder=Path(folder), root=root) as matching:
        if near:
            matching.take_near()
        found = {
            sources[n].path.decode(): row.claims.get("place", "") for n, _, row in matching.rows()
        }
        return found, [row.path for row in matching.unmatched()]


def row(path, place="Mosul", *, line=2, **more):
    raw = path if isinstance(path, bytes) else path.encode()
    claims = {"place": place} if place else {}
    return Row(f"list, line {line}", raw, claims=claims, **more)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("photos/a.jpg", {}),
        ("./photos//a.jpg", {}),
        ("a.jpg", {}),
        ("./a.jpg", {}),
        ("a.jpg", {"folder": "photos"}),
        ("../photos/a.jpg", {"folder": "photos"}),
        ("photos/sub/../a.jpg", {}),
        ("E:\\evidence\\a.jpg", {"root": b"E:\\evidence"}),
        ("/media/usb/a.jpg", {"root": b"/media/usb/"}),
    ],
)
def test_a_path_may_be_written_from_where_it_was_made(photos, path, options):
    assert matched([row(path)], **options) == ({"photos/a.jpg": "Mosul"}, [])


def test_an_absolute_path_fits_its_file(photos):
    found = matched([row(str(photos / "photos" / "sub" / "c.jpg"))], folder="/nowhere")
    assert found == ({"photos/sub/c.jpg": "Mosul"}, [])


@pytest.mark.parametrize(
    "path",
    ["../a.jpg", "/etc/passwd", "photos/a.jpg/", "photos/a.jpgx", "A.JPG", "c.jpg", "photos",
     "photos\\a.jpg", "~/a.jpg", "a.jpg\n"],
)  # fmt: skip
def test_other_paths_fit_nothing_and_are_never_opened(photos, path):
    found, unmatched = matched([row(path)])
    if path == "photos/a.jpg/":  # an empty part counts for nothing
        assert found == {"photos/a.jpg": "Mosul"}
        return
    assert (found, unmatched) == ({}, [path.encode()])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("A.JPG", "a.jpg"),
        ("sub\\c.jpg", "sub/c.jpg"),
        (normalize("NFC", "é.jpg"), normalize("NFD", "é.jpg")),
        (normalize("NFD", "é.jpg"), normalize("NFC", "é.jpg")),
        ("é.JPG ", normalize("NFD", "É.jpg")),
    ],
)
def test_a_near_match_is_reported_and_taken_only_when_said_so(photos, path, name):
    (photos / "photos" / name).write_bytes(b"x")
    sources = list(find(["photos"]))
    with match([row(path)], sources, folder=Path()) as matching:
        assert list(matching.rows()) == []
        [(one, file)] = matching.near()
        assert (one.path.decode(), file.decode()) == (path, f"photos/{name}")
        matching.take_near()
        [(n, _, taken)] = matching.rows()
        assert sources[n].path == file
        assert taken.claims == {"place": "Mosul"}
        assert list(matching.near()) == list(matching.unmatched()) == []


def test_a_near_match_of_two_files_is_refused(photos):
    for form in ("NFC", "NFD"):
        (photos / "photos" / normalize(form, "é.jpg")).write_bytes(b"x")
    with pytest.raises(BadManifest, match="fits two files"):
        matched([row("É.jpg")], near=True)


def test_an_exact_match_leaves_its_neighbours_alone(photos):
    for form in ("NFC", "NFD"):
        (photos / "photos" / normalize(form, "é.jpg")).write_bytes(b"x")
    found, unmatched = matched([row(normalize("NFC", "é.jpg"))], near=True)
    assert (list(found), unmatched) == ([normalize("NFC", "photos/é.jpg")], [])


def test_a_row_that_fits_two_files_is_refused_with_both(photos):
    (photos / "other").mkdir()
    (photos / "other" / "a.jpg").write_bytes(b"another")
    with pytest.raises(BadManifest, match=r"line 2.*other/a.jpg and photos/a.jpg"):
        matched([row("a.jpg")], ("photos", "other"))
    found = matched([row("other/a.jpg", "Erbil")], ("photos", "other"))
    assert found == ({"other/a.jpg": "Erbil"}, [])


def test_a_file_named_twice_is_one_file_to_the_list(photos):
    found, _ = matched([row("photos/a.jpg")], ("photos", "photos/a.jpg"))
    assert found == {"photos/a.jpg": "Mosul"}


def test_rows_that_agree_are_one_and_rows_that_contradict_stop_everything(photos):
    md5, sha1 = {"md5": "md5:" + "0" * 32}, {"sha1": "sha1:" + "0" * 40}
    rows = [
        row("a.jpg", "", digests=md5, line=2),
        row("photos/a.jpg", "Mosul", digests=sha1, line=9),
    ]
    sources = list(find(["photos"]))
    with match(rows, sources, folder=Path()) as matching:
        [(_, _, both)] = matching.rows()
    assert both.digests == {**md5, **sha1}
    assert both.claims == {"place": "Mosul"}
    for one, two in (
        (row("a.jpg", "Mosul", line=2), row("./a.jpg", "Erbil", line=7)),
        (row("a.jpg", size=1, line=2), row("photos/a.jpg", size=2, line=7)),
        (row("a.jpg", digests={"md5": "1"}, line=2), row("a.jpg", digests={"md5": "2"}, line=7)),
    ):  # fmt: skip
        with (
            match([one, two], sources, folder=Path()) as matching,
            pytest.raises(BadManifest, match=r"line 2.*line 7 contradict"),
        ):
            gather(sources, matching)


def test_a_size_that_differs_keeps_the_file_out_and_says_both(photos):
    sources = list(find(["photos"]))
    with match([row("a.jpg", size=99)], sources, folder=Path()) as matching:
        found = gather(sources, matching)
    [first, *_] = found.things()
    assert "5 bytes, list, line 2 says 99" in first.sources[0].problem


@given(
    st.lists(
        st.binary(min_size=1, max_size=20).filter(
            lambda name: not set(name) & set(b"/\0\\") and name not in (b".", b"..")
        ),
        unique=True,
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_names_find_their_own_files_whatever_the_order(tmp_path, names, random):
    sources = [Source(b"/nowhere/d/" + name, b"d/" + name, 1, inside=name) for name in names]
    shuffled = list(names)
    random.shuffle(shuffled)
    rows = [row(name, os.fsdecode(name).encode("unicode_escape").decode()) for name in shuffled]
    with match(rows, sources, folder=tmp_path) as matching:
        found = {sources[n].inside: one.path for n, _, one in matching.rows()}
        assert found == {name: name for name in names}
        assert list(matching.unmatched()) == []


# -- things that the list confirms


def gathered(photos, content, *arguments):
    file = photos / "list.csv"
    file.write_text(content)
    sources = list(find(arguments or ["photos"]))
    listed = read_manifest(file)
    with match(listed, sources, folder=listed.folder) as matching:
        return gather(sources, matching)


def paths(things):
    return [[source.path.decode() for source in thing.sources] for thing in things]


def test_a_column_joins_files_in_the_order_of_the_rows_or_of_their_numbers(photos):
    found = gathered(photos, "path,thing\nb.jpg,x\nsub/c.jpg,\na.jpg,x\n")
    assert paths(found.things()) == [["photos/b.jpg", "photos/a.jpg"], ["photos/sub/c.jpg"]]
    found = gathered(photos, "path,thing,part\nb.jpg,x,2\nsub/c.jpg,x,3\na.jpg,x,1\n")
    assert paths(found.things()) == [["photos/a.jpg", "photos/b.jpg", "photos/sub/c.jpg"]]


def test_the_parts_of_a_thing_declare_one_thing(photos):
    found = gathered(photos, "path,thing,place,source\na.jpg,x,Mosul,\nb.jpg,x,Mosul,K.\n")
    [thing, _] = found.things()
    assert thing.claims == {"place": "Mosul", "source": "K."}
    found = gathered(photos, "path,thing,place\na.jpg,x,Mosul\nb.jpg,x,Erbil\n")
    with pytest.raises(BadManifest, match=r"line 2.*line 3.*parts of one thing.*different place"):
        found.things()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,thing\na.jpg,x\ngone.jpg,x\n", "line 3 .gone.jpg. is a part of x, and no such file"),
        ("path,thing,part\na.jpg,x,1\nb.jpg,x,3\n", "numbered 1, 3, where 1 to 2"),
        ("path,thing,part\na.jpg,x,1\nb.jpg,x,1\n", "numbered 1, 1, where 1 to 2"),
        ("path,thing,part\na.jpg,x,1\nb.jpg,x,\n", "numbered 1, where 1 to 2"),
    ],
)
def test_a_thing_that_lacks_a_part_is_refused(photos, content, words):
    with pytest.raises(BadManifest, match=words):
        gathered(photos, content)


def test_what_the_list_joins_is_not_proposed_again(photos):
    for name in ("d.E01", "d.E02", "d.E03"):
        (photos / "photos" / name).write_bytes(name.encode())
    found = gathered(photos, "path,thing\nd.E02,x\nd.E01,x\n")
    assert found.proposals() == []
    found = gathered(photos, "path,place\na.jpg,Mosul\n")
    [one] = found.proposals()
    assert found.paths(one.parts) == [b"photos/d.E01", b"photos/d.E02", b"photos/d.E03"]
    assert ["photos/d.E01", "photos/d.E02", "photos/d.E03"] in paths(found.things([one]))
    assert len(found.things()) == 6


def test_files_of_one_name_in_two_folders_are_no_set(photos):
    for folder, name in (("one", "d.E01"), ("two", "d.E02")):
        (photos / folder).mkdir()
        (photos / folder / name).write_bytes(b"x")
    sources = list(find([str(photos / "one" / "d.E01"), str(photos / "two" / "d.E02")]))
    assert all(not one.whole for one in gather(sources).proposals())
