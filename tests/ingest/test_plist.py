"""Property lists: the real ones of the samples, identifiers by their keys."""

import io
import plistlib
import random
from datetime import datetime

import pytest

from ingest.extraction import Fact, Format, Found, Problem
from ingest.extractors import plist
from ingest.readers.peek import Peek
from tests.shared import shared


def read(content):
    what = Format("application/x-bplist", "", "", False, "single", ())
    return list(plist.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


@pytest.mark.parametrize("form", [plistlib.FMT_BINARY, plistlib.FMT_XML])
def test_identifiers_are_found_by_their_keys_and_the_rest_is_counted(form):
    values = {
        "SerialNumber": "F2LXK0ABHG7",
        "LastSeen Date": datetime(2024, 5, 1, 7, 30),
        "x": "secret",
    }
    said = facts(read(plistlib.dumps(values, fmt=form)))
    assert said["Plist:SerialNumber"] == "serial:F2LXK0ABHG7"
    assert said["Plist:LastSeenDate"] == "2024-05-01T07:30:00Z"
    assert said["Plist:Keys"] == "3"
    assert "secret" not in said.values()


def test_the_real_lists_of_the_samples_are_read():
    base = shared("samples", "mobile", "plaso")
    for path in [*base.glob("ios/*.plist"), *base.glob("plist/*.plist")]:
        content = path.read_bytes()
        assert plist.CONTAINERS["plist"](Peek(io.BytesIO(content), "x/y")), path.name
        items = read(content)
        assert not [item for item in items if isinstance(item, Problem)], path.name
    networks = read((base / "ios/com.apple.wifi.known-networks.plist").read_bytes())
    assert "WiFi:Network" in facts(networks)


@pytest.mark.parametrize("seed", range(40))
def test_no_mutation_escapes_as_an_exception(seed):
    chance = random.Random(seed)
    sound = plistlib.dumps(
        {"a": [1, {"b": "c"}], "IMEI": "490154203237518"}, fmt=plistlib.FMT_BINARY
    )
    changed = bytearray(sound)
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    read(bytes(changed))
