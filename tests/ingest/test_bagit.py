"""Bags inside archives: the Library of Congress's own verdicts, and lies of our own."""

import hashlib
import io

import pytest

from ingest.extraction import Fact, Format, Found, Seal
from ingest.extractors import bagit
from tests.make_archives import tarred, zipped
from tests.shared import shared


def read(content):
    what = Format("application/zip", "", "", False, "single", ())
    return list(bagit.extract(io.BytesIO(content), Found(what)))


def seal(items):
    (found,) = [item for item in items if isinstance(item, Seal)]
    return found


def bag(changes=(), *, root="bag/"):
    payload = b"evidence"
    files = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": b"Source-Organization: Field Office\nPayload-Oxum: 8.1\n",
        "manifest-sha256.txt": f"{hashlib.sha256(payload).hexdigest()}  data/a.txt\n".encode(),
        "data/a.txt": payload,
        **dict(changes),
    }
    return [(root + name, content) for name, content in files.items() if content is not None]


@pytest.mark.parametrize("pack", [zipped, tarred, lambda pairs: tarred(pairs, "w:gz")])
@pytest.mark.parametrize("root", ["", "a bag/"])
def test_a_sound_bag_is_valid_in_any_archive(pack, root):
    items = read(pack(bag(root=root)))
    assert seal(items).verdict == "valid"
    said = {item.name: item.value for item in items if isinstance(item, Fact)}
    assert said["BagIt:SourceOrganization"] == "Field Office"
    assert said["BagIt:PayloadFiles"] == "1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data/a.txt": b"evidencE"}, "differs: data/a.txt"),
        ({"data/a.txt": None}, "missing: data/a.txt"),
        ({"data/b.txt": b""}, "in no manifest: data/b.txt"),
        ({"bag-info.txt": b"Payload-Oxum: 9.1\n"}, "Payload-Oxum 9.1, found 8.1"),
        ({"manifest-sha256.txt": None}, "no manifest of the payload"),
        ({"manifest-md5.txt": b"d41d8cd98f00b204e9800998ecf8427e  ../x\n"}, "leads out of the bag"),
        ({"tagmanifest-md5.txt": b"d41d8cd98f00b204e9800998ecf8427e  bagit.txt"}, "differs: bagit"),
    ],
)  # fmt: skip
def test_what_does_not_hold_breaks_the_seal_and_is_named(changes, reason):
    found = seal(read(zipped(bag(changes))))
    assert found.verdict == "broken"
    assert reason in found.detail


def test_a_bag_whose_files_are_to_be_fetched_is_not_checked_and_nothing_is_fetched():
    changes = {"data/a.txt": None, "fetch.txt": b"http://host.invalid/a 8 data/a.txt\n"}
    assert seal(read(zipped(bag(changes)))).verdict == "not-checked"


def test_the_library_of_congress_and_we_agree():
    content = shared("samples", "bagit", "bagit-v0.93-v0.97.tar").read_bytes()
    seals = [item for item in read(content) if isinstance(item, Seal)]
    verdicts = {item.detail.split(": ")[0]: item for item in seals}
    differing = {
        place: item.detail
        for place, item in verdicts.items()
        if len(place.split("/")) == 3
        and place.split("/")[1] in {"valid", "invalid"}
        and item.verdict != {"valid": "valid", "invalid": "broken"}[place.split("/")[1]]
    }
    assert not differing
    assert len(verdicts) > 30


A, B = (hashlib.sha256(one).hexdigest() for one in (b"evidence", b"more"))
LISTS = hashlib.sha256(f"{A}  data/a.txt\n".encode()).hexdigest()
LONGER = hashlib.sha512(b"evidence").hexdigest()
TWO_LINES = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BOTH = {"data/b.txt": b"more", "bag-info.txt": None}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"bag-info.txt": None}, id="2.2.2 bag-info.txt may be absent"),
        pytest.param(
            {"bagit.txt": b"BagIt-Version: 1.0\r\nTag-File-Character-Encoding: UTF-8\r\n"},
            id="2.1.1 lines may end in CR LF",
        ),
        pytest.param(
            {"manifest-sha256.txt": f"{A.upper()}  data/a.txt\n".encode()},
            id="2.4 digests in either case",
        ),
        pytest.param(
            {"manifest-sha256.txt": f"{A} \t data/a.txt".encode()},
            id="2.1.3 any white space between, no end of line after the last",
        ),
        pytest.param(
            {"manifest-sha512.txt": f"{LONGER}  data/a.txt\n".encode()},
            id="2.1.3 several manifests",
        ),
        pytest.param(
            {"data/a.txt": None, "bag-info.txt": None, "manifest-sha256.txt": b""},
            id="2.1.2 an empty payload",
        ),
        pytest.param(
            {
                "data/a.txt": None, "data/a\n%.txt": b"evidence",
                "manifest-sha256.txt": f"{A}  data/a%0A%25.txt\n".encode(),
            },
            id="2.1.3 LF, CR and % of names in percent",
        ),
        pytest.param(
            {"notes/n.txt": b"more", "tagmanifest-sha256.txt":
                f"{LISTS}  manifest-sha256.txt\n{B}  notes/n.txt\n".encode()},
            id="2.2.1 and 2.2.4 other tag files, in folders, listed or not",
        ),
        pytest.param({"notes/n.txt": b"more"}, id="2.2.4 a tag file that no manifest names"),
        pytest.param(
            {"bag-info.txt": b"X: 1\nx: 2\nPayload-Oxum: 8.1\nLong: a\n  b\n"},
            id="2.2.2 labels more than once, and values that go on",
        ),
    ],
)  # fmt: skip
def test_what_rfc_8493_allows_is_valid(changes):
    assert seal(read(zipped(bag(changes)))).verdict == "valid"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"bagit.txt": b"BagIt-Version: 1.0\n"}, "no encoding", id="2.1.1 two lines"),
        pytest.param(
            {"bagit.txt": b"BagIt-Version: 1\nTag-File-Character-Encoding: UTF-8\n"}, "no version",
            id="2.1.1 M.N",
        ),
        pytest.param(
            {"bagit.txt": b"\xef\xbb\xbf" + TWO_LINES},
            "byte order mark", id="2.1.1 no byte order mark",
        ),
        pytest.param(
            {"bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: X-NONE\n"},
            "no encoding", id="2.1.1 an encoding that exists",
        ),
        pytest.param(
            {"bagit.txt": b"BagIt-Version : 1.0\nTag-File-Character-Encoding: UTF-8\n"},
            "other lines", id="2.1.1 no white space before the colon",
        ),
        pytest.param(
            BOTH | {
                "manifest-sha256.txt": f"{A}  data/a.txt\n{B}  data/b.txt\n".encode(),
                "manifest-sha512.txt":
                    f"{LONGER}  data/a.txt\n".encode(),
            },
            "not in manifest-sha512.txt: data/b.txt", id="3 every manifest lists every file",
        ),
        pytest.param(
            {"manifest-sha256.txt": f"{A}  data/a.txt\n{B}  notes.txt\n".encode(),
             "notes.txt": b"more"},
            "beside the payload: notes.txt", id="2.1.3 only payload files",
        ),
        pytest.param(
            {"tagmanifest-sha256.txt": f"{A}  data/a.txt\n".encode()},
            "payload: data/a.txt", id="2.2.1 no payload file",
        ),
        pytest.param(
            {"tagmanifest-sha256.txt": f"{'0' * 64}  tagmanifest-sha256.txt\n".encode()},
            "a tag manifest", id="2.2.1 no tag manifest",
        ),
        pytest.param(
            {"manifest-sha256.txt": f"{A}  data/a.txt\n{A}  data/a.txt\n".encode()},
            "twice: data/a.txt", id="2.1.3 a file once",
        ),
        pytest.param(
            {"fetch.txt": b"http://host.invalid/a 4 data/b.txt\n"},
            "not in manifest-sha256.txt: data/b.txt", id="2.2.3 what is to be fetched is listed",
        ),
        pytest.param(
            {"fetch.txt": b"http://host.invalid/a 4 ../b.txt\n"}, "leads out", id="2.2.3 within",
        ),
        pytest.param(
            {"fetch.txt": f"http://host.invalid/a {'x'} data/a.txt\n".encode()}, "length",
            id="2.2.3 a length or a dash",
        ),
        pytest.param(
            {"tagmanifest-sha256.txt": f"{B}  notes/n.txt\n".encode(), "notes/n.txt": b"more"},
            "not in tagmanifest-sha256.txt: manifest-sha256.txt", id="2.2.1 every manifest",
        ),
        pytest.param({"manifest-sha256.txt": b"none\n"}, "no digest and path", id="2.1.3 lines"),
        pytest.param(
            {"manifest-sha256.txt": f"{A}  /data/a.txt\n".encode()}, "leads out",
            id="2.1.3 relative",
        ),
    ],
)  # fmt: skip
def test_what_rfc_8493_forbids_breaks_the_seal_and_is_named(changes, reason):
    found = seal(read(zipped(bag(changes))))
    assert found.verdict == "broken"
    assert reason in found.detail
