"""check.html on archives, on what is too large to be read whole, and in lesser browsers."""

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping

import pytest

from tests.browser.checking import Case, check_all, files_of, outcomes
from tests.custody.bundle_builder import World

pytestmark = pytest.mark.browser
LESSER = {  # a browser without Ed25519; files read in small blocks, the record as a stream
    'id="worker">': 'id="worker">crypto.subtle.importKey = async () => { throw Error("none"); };\n',
    "const BLOCK = 4 * 1_048_576;": "const BLOCK = 997;",
    "const STREAMED = 8 * 1_048_576;": "const STREAMED = 0;",
}


def tar(files: Mapping[str, bytes], *more: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in more:
            archive.addfile(info)
    return made.getvalue()


def zipped(files: Mapping[str, bytes], how: int = zipfile.ZIP_DEFLATED, twice: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if twice:
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(twice, b"")
    return made.getvalue()


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


def changed(data: bytes, at: int, fresh: bytes) -> bytes:
    return data[:at] + fresh + data[at + len(fresh) :]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    world = World(contents=[[b"evidence"], [b"second " * 9000]])
    good = files_of(world.write(folder / "bundle"))
    traversing = {**good, "bundle/../../out.txt": b"x"}
    data = zipped(good)
    start = data.rindex(b"PK\5\6")
    first = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", first + 4)
    bomb = changed(data, first + 24, struct.pack("<I", 2**32 - 2))
    for n in range(1, 5):  # each states four gibibytes
        place = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"][n]
        bomb = changed(bomb, place + 24, struct.pack("<I", 2**32 - 2))
    cases = {
        "tar": tar(good), "zip": data, "stored": zipped(good, zipfile.ZIP_STORED),
        "tar, leads out": tar(traversing), "zip, leads out": zipped(traversing),
        "tar, link": tar(good, link("bundle/data/link")),
        "zip, twice": zipped(good, twice="bundle/bagit.txt"),
        "tar, cut": tar(good)[:3000], "zip, cut": data[:-40],
        "tar, sum": changed(tar(good), 9, b"x"),
        "zip, overlapping": changed(data, second + 42, data[first + 42 : first + 46]),
        "zip, bomb": bomb,
        "zip, longer": changed(data, first + 24, struct.pack("<I", 7)),
        "zip, encrypted": changed(data, first + 8, b"\1\0"),
        "zip, elsewhere": changed(data, start + 16, b"\xff\xff\0\0"),
        "no bundle": zipped({"a.txt": b"x"}),
    }  # fmt: skip
    asked = {name: Case({f"{name}.bin": content}) for name, content in cases.items()}
    asked["folder"] = Case(good)
    results = check_all(list(asked.values()), folder)
    return dict(zip(asked, results, strict=True))


@pytest.mark.parametrize("name", ["tar", "zip", "stored"])
def test_an_archive_says_what_the_folder_says(said, name):
    assert outcomes(said[name]) == outcomes(said["folder"])
    assert said["folder"]["exit"] == 0


@pytest.mark.parametrize("name", ["tar, leads out", "zip, leads out", "tar, link", "zip, twice"])
def test_what_an_archive_must_not_hold_fails_the_bag(said, name):
    assert outcomes(said[name])["bag"] == "fail"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tar, cut", "it ends"), ("zip, cut", "directory"), ("tar, sum", "sum"),
        ("zip, overlapping", "overlap"), ("zip, bomb", "unpack to"),
        ("zip, encrypted", "encrypted"),
        ("zip, elsewhere", "directory"),
        ("no bundle", "no bundle"),
    ],
)  # fmt: skip
def test_an_archive_that_cannot_be_read_has_no_verdict(said, name, why):
    assert why in said[name]["refused"]


def test_a_member_that_is_longer_than_it_states_is_never_green(said):
    assert said["zip, longer"].get("exit") == 1


def test_a_lesser_browser_and_a_record_read_as_a_stream_say_the_same(tmp_path):
    world = World(contents=[[b"evidence" * 400], [b"a", b"b"]])
    trust = json.dumps(world.trust).encode()
    root = world.write(tmp_path / "bundle")
    good = files_of(root)
    note = good["bundle/ledger/checkpoint"].decode()
    place = note.rindex(" ") + 20
    other = "A" if note[place] != "A" else "B"
    false = f"{note[:place]}{other}{note[place + 1 :]}".encode()
    text = good["bundle/custody.json"].decode()
    cases = [Case(good, trust), Case({**good, "bundle/ledger/checkpoint": false}, trust)]
    for old, fresh in (
        ("{", '{"entries": [], '),  # the key twice
        ("[{", '[{"v": 1, "v": 1}, {'),
        ('}, {"index"', '}, , {"index"'),
        ('}, {"index"', '}}, {"index"'),
        ('"entries": [', '"entries": [],"more": ['),
    ):
        assert old in text
        cases.append(Case({**good, "bundle/custody.json": text.replace(old, fresh, 1).encode()}))
    blank = text.replace('}, {"index"', '} ,\n \t{"index"').encode()  # laid out otherwise
    cases.append(Case({**good, "bundle/custody.json": blank}))
    said = [outcomes(one) for one in check_all(cases, tmp_path, changes=LESSER)]
    assert "fail" not in said[0].values()
    assert (said[0]["key-trusted"], said[1]["log-signature"]) == ("pass", "fail")
    assert {one["canonical"] for one in said[2:6]} == {"fail"}
    assert (said[6]["canonical"], said[7]["canonical"]) == ("not-done", "pass")
