"""After an erasure nothing of an exhibit is left in plaintext, whatever keeps it: 0 finds.

Issue 6, point 6. Database dump, every version of every object in every bucket of both stores, and
all files are searched: for the evidence, for what was read out of it and made of it (facts, text,
thumbnails, previews, perceptual hashes), for its pieces of an upload, and for its wrapped key.
"""

import base64
import io
import os
import zipfile
from pathlib import Path

import psycopg
import pytest
from PIL import Image

from api.app import create_app
from api.demo_pictures import relief
from ingest.extract import Wish, extract
from ingest.members import take_out
from ingest.sandbox import Sandbox
from repository import copies, fixity
from repository.erasure import finish_all
from repository.exhibits import derived_objects, find_exhibit
from repository.extractions import record_of
from repository.keys import wrapped_key
from repository.ledger_mirror import publish
from repository.models import DerivedObject, ExtractionRun
from repository.people import find_person, new_token
from repository.sealed import read_document
from repository.stores import Stored
from tests.ceph import ceph
from tests.house import CODE, make_house
from tests.plaintext import files_of, finds, places
from tests.postgres import fresh_database, shared_server

MAKERS = Path(__file__).parent / "faults" / "makers"
WRAPPED = 40  # bytes of a wrapped data key
KINDS = (
    "sqlite, folder",
    "sqlite, folder, second folder",
    pytest.param("postgres, folder, second folder", marks=pytest.mark.postgres),
    pytest.param("postgres, ceph, second ceph", marks=[pytest.mark.postgres, pytest.mark.ceph]),
)


@pytest.fixture(params=KINDS)
def house(request, tmp_path, monkeypatch):
    """Return a house on that database, with those stores."""
    database, first, *second = request.param.split(", ")
    if first == "ceph":
        found = ceph()
        for name in ("ACCESS_KEY", "SECRET_KEY"):
            (tmp_path / name).write_text(found[f"S3_{name}"])
            for store in ("STORE", "REPLICA")[: 1 + len(second)]:
                monkeypatch.setenv(f"EVIDENCE_{store}_{name}_FILE", str(tmp_path / name))
        place = found["S3_ENDPOINT"].removeprefix("http://")
        prefix = f"s3+http://{place}/?mode=GOVERNANCE&prefix=erase-{os.urandom(4).hex()}"
        monkeypatch.setenv("EVIDENCE_STORE_URL", f"{prefix}-a-")
        monkeypatch.setenv("EVIDENCE_REPLICA_STORE_URL", f"{prefix}-b-")
    elif second:
        monkeypatch.setenv("EVIDENCE_REPLICA_STORE_URL", (tmp_path / "second").as_uri())
    if database == "sqlite":
        if os.environ.get("EVIDENCE_DATABASE_URL"):
            pytest.skip("this run is on PostgreSQL")
        made = make_house(tmp_path)
        yield made
        made.repo.close()
        return
    with fresh_database(shared_server()) as url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)
        made = make_house(tmp_path)
        yield made
        made.repo.close()


def text_about(token):
    return f"the witness {token} lives behind the bakery of the old town\n".encode() * 30


def picture_by(token):
    """Return a JPEG that names its maker: of it come facts, thumbnail, preview, PDQ."""
    exif = Image.Exif()
    exif[0x013B] = f"photographer {token}"
    out = io.BytesIO()
    relief().save(out, "JPEG", exif=exif, quality=90)
    return out.getvalue()


def box_with(token):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("letter.txt", text_about(token))
    return out.getvalue()


def taken_in(house, folder, name, data):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    said = house.evidence(
        "ingest", folder / name, "--case", CODE, "--no-extract", person="investigator"
    )
    assert said.code == 0, said.err
    (folder / name).unlink()  # the submitter's own copy
    return said.lines[0]["exhibit"]


def uploaded(house, data):
    """Hand in over a resumable upload: its pieces pass through the bucket `staging`."""
    client = create_app(house.repo).test_client()
    with house.repo.database.reading() as session:
        person = find_person(session, "investigator")
    _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    told = ",".join(
        f"{name} {base64.b64encode(value).decode()}"
        for name, value in (("case", CODE.encode()), ("filename", b"piece.txt"))
    )
    begun = client.post(
        "/api/v1/uploads",
        headers={**headers, "Upload-Length": str(len(data)), "Upload-Metadata": told},
    )
    assert begun.status_code == 201, begun.text
    for start in (0, len(data) // 2):
        part = data[: len(data) // 2] if not start else data[start:]
        answer = client.patch(
            begun.headers["Location"],
            data=part,
            headers={
                **headers,
                "Upload-Offset": str(start),
                "Content-Type": "application/offset+octet-stream",
            },
        )
        assert answer.status_code == 204, answer.text
    return answer.headers["Evidence-Exhibit"]


def exhibit_of(house, number):
    with house.repo.database.reading() as session:
        return find_exhibit(session, number)


def needles_of(house, number, data, token):
    """Return what would give the exhibit away: parts of it, of its record, of all that was made."""
    repo, exhibit = house.repo, exhibit_of(house, number)
    with repo.database.reading() as session:
        runs = list(session.query(ExtractionRun).filter_by(exhibit_id=exhibit.id))
        made = list(session.query(DerivedObject).filter_by(exhibit_id=exhibit.id))
    assert runs
    key = house.repo.kek.unwrap(wrapped_key(repo, exhibit.id))
    found = {token.encode(), data[len(data) // 2 :][:32], wrapped_key(repo, exhibit.id).wrapped}
    for run in runs:
        for fact in record_of(repo, exhibit, run)["facts"]:
            if fact["name"] == "Derived:PDQ":
                found |= {fact["value"].encode(), bytes.fromhex(fact["value"].removeprefix("pdq:"))}
    for row in made:
        content = read_document(repo.store, Stored.from_json(row.stored), key=key)
        found.add(content[len(content) // 2 :][:32])
    return {one for one in found if len(one) >= 8}, {row.kind for row in made}


def erase(house, tmp_path, number):
    order = tmp_path / "order"
    order.write_bytes(b"the order of the court")
    asked = house.evidence("erase", "request", number, "--order", order, "--motive", "ordered")
    assert asked.code == 0, asked.err
    approved = house.evidence(
        "erase", "approve", asked.lines[0]["erasure"], "--motive", "checked", person="second"
    )
    assert approved.code == 0, approved.err


def test_nothing_is_left_in_plaintext(house, tmp_path):
    repo = house.repo
    assert house.evidence("person", "new", "second", "--role", "custodian").code == 0
    tokens = [os.urandom(8).hex() for _ in range(4)]
    contents = [
        text_about(tokens[0]), picture_by(tokens[1]), box_with(tokens[2]), text_about(tokens[3]),
    ]  # fmt: skip
    names = ("a.txt", "b.jpg", "c.zip")
    numbers = [
        taken_in(house, tmp_path / "in", name, data)
        for name, data in zip(names, contents, strict=False)
    ]
    numbers.append(uploaded(house, contents[3]))
    with Sandbox(clock=repo.clock, extractors=[MAKERS]) as sandbox:
        extract(repo, sandbox, [exhibit_of(house, one) for one in numbers], Wish())
        [child] = take_out(repo, sandbox, house.caller("investigator"), numbers[2], ["letter.txt"])
        numbers.append(child.exhibit)
        contents.append(text_about(tokens[2]))
        tokens.append(tokens[2])
        extract(repo, sandbox, [exhibit_of(house, child.exhibit)], Wish())
    if repo.replica is not None:
        copies.replicate(repo)
    publish(repo)
    needles, kinds = set(), set()
    for number, data, token in zip(numbers, contents, tokens, strict=True):
        some, made = needles_of(house, number, data, token)
        needles |= some
        kinds |= made
    assert {"thumbnail", "preview", "text", "page", "ocr"} <= kinds
    with repo.database.reading() as session:
        derived = [
            one for n in numbers for one in derived_objects(session, exhibit_of(house, n).id)
        ]
    for number in numbers:
        erase(house, tmp_path, number)
    finish_all(repo)
    if repo.replica is not None:  # nothing comes back by what the worker does afterwards
        copies.replicate(repo)
    fixity.check_oldest(repo)
    publish(repo)
    for stored in derived:
        for store in repo.stores.values():
            assert store.find("derived", stored.key) is None
    assert len(list(places(repo))) > 10
    assert finds(repo, needles, tmp_path) == []
    if repo.database.dialect != "sqlite":
        # The server's own files never held anything of the evidence; the wrapped key of a deleted
        # row stays in them until the table is written anew, and in the log until it is recycled.
        keys = {one for one in needles if len(one) == WRAPPED}
        files = files_of(shared_server())
        assert finds(repo, needles - keys, files) == []
        with psycopg.connect(url_of(repo), autocommit=True) as server:
            server.execute("VACUUM FULL data_key")
            server.execute("CHECKPOINT")
        assert [one for one in finds(repo, keys, files) if "/pg_wal/" not in one] == []


def url_of(repo):
    return repo.settings.database_url.replace("+psycopg", "")


def test_the_search_finds_what_is_there(house, tmp_path):
    """A search that cannot find would always find nothing: one needle in each kind of place."""
    token = os.urandom(8).hex().encode()
    repo = house.repo
    house.evidence("case", "new", "FIND", "--title", f"about {token.decode()}")
    (tmp_path / "left").write_bytes(b"behind " + token)
    for store in repo.stores.values():
        key = f"o/{os.urandom(1).hex()}/{os.urandom(32).hex()}"
        for bucket in ("evidence", "derived", "staging"):
            store.put(iter([b"unsealed " + token]), bucket=bucket, key=key)
    found = finds(repo, [token], tmp_path)
    assert "database dump" in found
    assert str(tmp_path / "left") in found
    assert len([one for one in found if " evidence/" in one]) == len(repo.stores)
    assert len([one for one in found if " staging/" in one]) == len(repo.stores)
