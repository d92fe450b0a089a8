"""Property lists of Apple: form, keys, identifiers of devices and accounts, known Wi-Fi networks.

Values are taken where their key says what they are (IMEI, serial, mail, UDID); all else is counted.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact
from ingest.readers import plists
from ingest.readers.members import Unreadable
from ingest.readers.named import meaning, tag

NAME = "plist"
VERSION = "property list reader 1"
FORMATS = frozenset({"plist"})
CONTAINERS = {"plist": lambda peek: plists.is_plist(peek.head)}
MOST_NETWORKS = 1000
MOST_FACTS = 500
_NETWORK = "wifi.network.ssid."
_KINDS = {"device", "mail", "telephone", "account", "time"}
SAMPLE = base64.b64decode(
    "YnBsaXN0MDDSAQIDBFxTZXJpYWxOdW1iZXJRYVtGMkxYSzBBQkhHNxABCA0aHCgAAAAAAAABAQAAAAAAAAAFAAAA"
    "AAAAAAAAAAAAAAAAKg=="
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield form, number of keys, identifiers and networks."""
    file.seek(0)
    data = file.read(plists.MOST + 1)
    form = "binary" if data.startswith(b"bplist0") else "XML"
    yield Fact("Plist:Form", form, form, VERSION)
    try:
        values = plists.load(data)
    except Unreadable as error:
        if "no dictionary" in str(error):
            yield Fact("Plist:Keys", "0", str(error), VERSION)
        else:
            yield Problem(str(error))
        return
    yield Fact("Plist:Keys", str(len(values)), str(len(values)), VERSION)
    archiver = plists.text(values, "$archiver")
    if archiver:
        yield Fact("Plist:Archiver", archiver, archiver, VERSION)
    count = networks = 0
    for key in values:
        if not isinstance(key, str):
            continue
        if key.startswith(_NETWORK):
            networks += 1
            if networks <= MOST_NETWORKS:
                yield from _network(key, plists.inner(values, key))
            continue
        moment = plists.moment(values[key])
        text = plists.text(values, key)
        normal = moment or meaning(key, text)[0]
        if text and normal is not None and normal.kind in _KINDS and count < MOST_FACTS:
            count += 1
            yield fact(tag("Plist", key), text[:1000], f"{VERSION} {key}"[:300], normal)


def _network(key: str, said: Mapping[str, object]) -> Iterator[Item]:
    name = key.removeprefix(_NETWORK)[:200]
    yield Fact("WiFi:Network", name, name, f"{VERSION} known networks")
    for what in ("AddedAt", "JoinedByUserAt", "JoinedBySystemAt", "UpdatedAt"):
        moment = plists.moment(said.get(what))
        if moment is not None:
            raw = f"{name} {plists.text(said, what)}"
            yield fact(f"WiFi:{what}", raw, f"{VERSION} {what}", moment)
