"""WARC and WACZ: real ones against warcio, sound and broken ones of our own."""

import base64
import gzip
import hashlib
import io
import json
import random

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from warcio.archiveiterator import ArchiveIterator

from ingest.extraction import Fact, Format, Found, Member, Problem, Seal
from ingest.extractors import fitting, wacz, warc
from tests.make_archives import zipped
from tests.shared import shared


def read(extractor, content):
    what = Format("application/zip", "", "", False, "single", ())
    return list(extractor.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def seals(items):
    return {item.kind: item.verdict for item in items if isinstance(item, Seal)}


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem)]


@pytest.mark.parametrize(
    "name",
    ["example-collection-with-lists.warc", "example-iana.warc", "example-resource.warc.gz"],
)
def test_real_warcs_have_the_records_and_digests_that_warcio_finds(name):
    content = shared("samples", "web-archives", "py-wacz", name).read_bytes()
    uris, equal = [], 0
    for record in ArchiveIterator(io.BytesIO(content), check_digests=True):
        record.content_stream().read()
        uris.append(record.rec_headers.get_header("WARC-Target-URI"))
        equal += record.digest_checker.passed is True
    items = read(warc, content)
    members = [item for item in items if isinstance(item, Member)]
    paths = [m.path.partition(" ")[2] for m in members if "://" in m.path]
    assert paths == [uri for uri in uris if uri]
    assert len(members) == len(uris)
    (seal,) = [item for item in items if isinstance(item, Seal)]
    assert seal.verdict == ("valid" if equal else "absent"), seal.detail
    assert not problems(items)


def test_a_warc_says_software_times_page_and_address():
    items = read(warc, warc.SAMPLE)
    said = facts(items)
    assert (said["WARC:Software"], said["WARC:Operator"]) == ("test 1", "Field")
    assert said["WARC:Page"] == "https://example.org/a"
    assert said["WARC:LastDate"] == "2024-05-01T07:31:00Z"
    page = next(item for item in items if isinstance(item, Fact) and item.name == "WARC:Page")
    assert page.raw.endswith("200 text/html 192.0.2.7")
    member = [item for item in items if isinstance(item, Member)][1]
    assert member.sha256 == f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    assert member.flags == ("response", "status-200")


def test_pictures_of_pages_that_the_collector_took_are_named_as_such():
    """As Browsertrix writes them; they are no pages themselves."""
    shot = (
        b"WARC/1.1\r\nWARC-Type: resource\r\nWARC-Date: 2024-05-01T07:31:05Z\r\n"
        b"WARC-Record-ID: <urn:uuid:9>\r\nWARC-Target-URI: urn:fullPage:https://example.org/a\r\n"
        b"Content-Type: image/png\r\nContent-Length: 4\r\n\r\nshot\r\n\r\n"
    )
    items = read(warc, warc.SAMPLE + shot)
    [found] = [i for i in items if isinstance(i, Fact) and i.name == "WARC:Screenshot"]
    assert (found.value, found.kind) == ("https://example.org/a", "url")
    assert found.raw == "fullPage https://example.org/a 2024-05-01T07:31:05Z record=3"
    assert [i.value for i in items if isinstance(i, Fact) and i.name == "WARC:Page"] == [
        "https://example.org/a"
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_one_changed_byte_of_a_payload_breaks_the_digests(pack):
    assert seals(read(warc, pack(warc.SAMPLE))) == {"WARC digests": "valid"}
    changed = read(warc, pack(warc.SAMPLE.replace(b"hello", b"hellO")))
    assert seals(changed) == {"WARC digests": "broken"}


@pytest.mark.parametrize("form", ["hex", "base32", "base64"])
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_digests_are_read_in_whatever_way_they_are_written(algorithm, form):
    raw = hashlib.new(algorithm, b"hello").digest()
    text = {
        "hex": raw.hex(), "base32": base64.b32encode(raw).decode().rstrip("="),
        "base64": base64.b64encode(raw).decode(),
    }[form]  # fmt: skip
    old = b"sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N"
    content = warc.SAMPLE.replace(old, f"{algorithm}:{text}".encode())
    assert seals(read(warc, content)) == {"WARC digests": "valid"}


def test_a_digest_by_an_unknown_algorithm_is_not_checked_and_no_digest_is_absent():
    unknown = warc.SAMPLE.replace(b"sha1:VL2M", b"blake9:VL2M")
    assert seals(read(warc, unknown)) == {"WARC digests": "not-checked"}
    without = warc.SAMPLE.replace(b"WARC-Payload-Digest", b"X-Other")
    assert seals(read(warc, without)) == {"WARC digests": "absent"}


def test_a_zip_of_warcs_is_no_warc_although_a_record_stands_in_it():
    called = {"application/zip", "application/warc", "fmt/1355", "archive"}
    assert warc.NAME not in {one.NAME for one in fitting(called)}


def test_after_damage_the_next_record_is_found_and_a_cut_is_said():
    items = read(warc, b"garbage\nmore garbage\n" + warc.SAMPLE)
    assert facts(items)["WARC:Page"] == "https://example.org/a"
    assert any("begins no record" in reason for reason in problems(items))
    cut = read(warc, warc.SAMPLE[:-12])
    assert any("cut off" in reason for reason in problems(cut))
    for length in range(0, len(warc.SAMPLE), 9):
        read(warc, warc.SAMPLE[:length])
        read(warc, gzip.compress(warc.SAMPLE)[: length // 2])


def test_headers_without_end_are_bounded():
    endless = b"WARC/1.0\r\n" + b"X: y\r\n" * 500_000
    assert problems(read(warc, endless + warc.SAMPLE)) != []
    assert read(warc, b"WARC/1.0\r\nContent-Length: 99999999999999999\r\n\r\nx")


KEY = ec.derive_private_key(7, ec.SECP384R1())


def package(*, change=None, raw=False, sign=True, key=KEY):
    files = {
        "archive/data.warc.gz": gzip.compress(warc.SAMPLE, mtime=0),
        "pages/pages.jsonl": b'{"format": "json-pages-1.0"}\n'
        b'{"url": "https://example.org/a", "ts": "2024-05-01T07:31:00Z", "title": "A"}\n',
    }
    listed = [
        {"name": path, "path": path, "hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
         "bytes": len(data)}
        for path, data in files.items()
    ]  # fmt: skip
    said = {"profile": "data-package", "title": "Krynytsia", "created": "2024-05-01T08:00:00Z",
            "software": "test 1", "wacz_version": "1.1.1", "resources": listed}  # fmt: skip
    files["datapackage.json"] = json.dumps(said).encode()
    stated = f"sha256:{hashlib.sha256(files['datapackage.json']).hexdigest()}"
    digest = {"path": "datapackage.json", "hash": stated}
    if sign:
        signature = key.sign(stated.encode(), ec.ECDSA(hashes.SHA256()))
        if raw:
            r, s = utils.decode_dss_signature(signature)
            signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        public = KEY.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest["signedData"] = {
            "hash": stated, "created": "2024-05-01T08:00:01Z", "software": "test 1",
            "signature": base64.b64encode(signature).decode(),
            "publicKey": base64.b64encode(public).decode(),
        }  # fmt: skip
    files["datapackage-digest.json"] = json.dumps(digest).encode()
    files.update(change or {})
    return zipped(list(files.items()))


@pytest.mark.parametrize("raw", [False, True])
def test_a_wacz_whose_seals_all_hold(raw):
    items = read(wacz, package(raw=raw))
    assert seals(items) == {
        "WACZ resources": "valid", "WACZ package digest": "valid", "WACZ signature": "untrusted",
        "WARC digests": "valid",
    }  # fmt: skip
    said = facts(items)
    assert (said["WACZ:Title"], said["WACZ:Pages"]) == ("Krynytsia", "1")
    assert said["WACZ:Page"] == "https://example.org/a"
    assert said["WACZ:Created"] == "2024-05-01T08:00:00Z"
    assert not problems(items)


def test_each_seal_breaks_by_itself():
    assert (
        seals(read(wacz, package(change={"pages/pages.jsonl": b""})))["WACZ resources"] == "broken"
    )
    added = package(change={"archive/more.warc": b""})
    assert seals(read(wacz, added))["WACZ resources"] == "broken"
    found = seals(read(wacz, package(change={"datapackage.json": b'{"resources": []}'})))
    assert (found["WACZ package digest"], found["WACZ signature"]) == ("broken", "broken")
    other = package(key=ec.derive_private_key(8, ec.SECP384R1()))
    assert seals(read(wacz, other))["WACZ signature"] == "broken"
    assert seals(read(wacz, package(sign=False)))["WACZ signature"] == "absent"


def test_the_real_ones_are_broken_where_their_makers_broke_them():
    old = shared("samples", "web-archives", "py-wacz/invalid_example_1.wacz").read_bytes()
    assert seals(read(wacz, old))["WACZ resources"] == "broken"
    signed = shared("samples", "web-archives", "py-wacz/invalid_signed_example_1.wacz").read_bytes()
    items = read(wacz, signed)
    found = seals(items)
    assert (found["WACZ resources"], found["WACZ package digest"]) == ("valid", "valid")
    assert facts(items)["WACZ:SignedDomain"] == "btrix-sign-test.webrecorder.net"
    assert found["WACZ signature"] in {"untrusted", "broken"}


@pytest.mark.parametrize("seed", range(25))
def test_no_mutation_escapes_as_an_exception(seed):
    chance = random.Random(seed)
    for extractor, sound in ((warc, warc.SAMPLE), (wacz, package())):
        changed = bytearray(sound)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        read(extractor, bytes(changed))
