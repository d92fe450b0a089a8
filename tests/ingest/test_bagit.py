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
