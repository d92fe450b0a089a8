"""What the command can choose of an export can be asked for over HTTP as well."""

import io
import json
import tarfile
import zipfile
from hashlib import sha256

import pyrage
import pytest

from api.app import create_app
from custody import verify
from tests.api.test_exports import PURPOSE, make
from tests.api.test_sessions import token
from tests.house import CODE, own_house

CONTENTS = {"a.bin": b"the marker bytes" * 100, "b.bin": b"b" * 600, "empty.bin": b""}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("house")) as found:
        files = tmp_path_factory.mktemp("files")
        for name, content in CONTENTS.items():
            (files / name).write_bytes(content)
            found.ingest(files / name)
        yield found


@pytest.fixture(scope="module")
def ask(house):
    client = create_app(house.repo).test_client()
    headers = token(house, "prosecutor")[1] | PURPOSE

    def said(method, path, **more):
        more["headers"] = headers | more.pop("headers", {})
        return client.open(f"/api/v1{path}", method=method, **more)

    return said


def made(house, ask, **options):
    answer = ask("POST", f"/cases/{CODE}/exports", json={"twins": [], **options})
    assert answer.status_code == 202, answer.text
    name = answer.json["export"]
    assert make(house) == [name]
    shown = ask("GET", f"/exports/{name}").json
    assert shown["state"] == "ready", shown
    return shown


def unpacked(data, folder):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_volumes_are_fetched_one_by_one_and_verify_together(house, ask, tmp_path):
    shown = made(house, ask, volume_size=1600)
    assert len(shown["manifests"]) == 2
    assert shown["manifest"] == shown["manifests"][0]
    path, fetched = f"/exports/{shown['export']}/bundle", 0
    for volume in (1, 2):
        answer = ask("GET", f"{path}?volume={volume}")
        assert f'{shown["export"]}-{volume}.tar"' in answer.headers["Content-Disposition"]
        part = ask("GET", f"{path}?volume={volume}", headers={"Range": "bytes=100-299"})
        assert (part.status_code, part.data) == (206, answer.data[100:300])
        fetched += len(answer.data)
        unpacked(answer.data, tmp_path)
        detail = house.repo.ledger.opened(house.entries()[-1])["detail"]
        assert detail["volume"] == volume
    assert fetched == shown["size"]
    first, second = sorted((tmp_path / shown["export"]).iterdir())
    assert [one.name for one in (first / "data").iterdir()] == ["KRN-000001.bin"]
    found = verify.verify_path(first, None, payload=(second,))
    assert verify.exit_code(found) == 0, found
    for wrong in ("3", "0", "-1", "x", "", "9" * 30):
        assert ask("GET", f"{path}?volume={wrong}").status_code == 400


def test_by_reference_no_exhibit_leaves_and_other_disks_verify(house, ask, tmp_path):
    shown = made(house, ask, by_reference=True)
    before = house.repo.ledger.size()
    data = ask("GET", f"/exports/{shown['export']}/bundle").data
    assert CONTENTS["a.bin"] not in data
    assert {e.fields["type"] for e in house.repo.ledger.entries(before)} == {"consultation"}
    bundle = unpacked(data, tmp_path) / shown["export"]
    disk = tmp_path / "disk"
    disk.mkdir()
    for name, content in CONTENTS.items():
        (disk / name).write_bytes(content)
    assert verify.exit_code(verify.verify_path(bundle, None)) == 3
    assert verify.exit_code(verify.verify_path(bundle, None, payload=(disk,))) == 0


def test_fields_are_withheld_and_a_redaction_names_the_full_bundle(house, ask, tmp_path):
    full = made(house, ask)
    shown = made(house, ask, withhold=["actor_name"], redaction_of=full["report"])
    bundle = unpacked(ask("GET", f"/exports/{shown['export']}/bundle").data, tmp_path)
    told = json.loads((bundle / shown["export"] / "custody.json").read_text())
    assert all("actor_name" not in one["openings"] for one in told["entries"])
    assert json.loads(told["entries"][-1]["body"])["inputs"] == full["manifests"]
    where = f"/cases/{CODE}/exports"
    for options in (
        {"exhibits": []},  # which is not all of them
        {"withhold": ["colour"]},
        {"reveal": ["name"], "withhold": ["name"]},
        {"redaction_of": "01a1f000-0000-7000-8000-000000000009"},
        {"volume_size": 0},
        {"volume_size": 1600, "by_reference": True},
        {"encrypt_to": ["age1x"]},
        {"encrypt_to": ["AGE-SECRET-KEY-1"]},
    ):
        assert ask("POST", where, json=options).status_code == 400, options


def test_a_statement_about_an_export_is_filled_in_over_http(house, ask):
    shown = made(house, ask)
    path = f"/exports/{shown['export']}/certificates"
    answer = ask("POST", path, json={"kind": "icc-custodian"})
    assert answer.status_code == 201, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(files) == ["icc-custodian.docx", "icc-custodian.pdf"]
    entry = house.last("report_generated")
    assert (entry["reason"], entry["inputs"]) == ("certificate", shown["manifests"])
    digests = {f"sha256:{sha256(data).hexdigest()}" for data in files.values()}
    assert set(entry["outputs"]) == digests
    assert ask("POST", path, json={"kind": "verdict"}).status_code == 400
    for file in (house.data / "store" / "staging").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert ask("POST", path, json={"kind": "icc-custodian"}).status_code == 500


def test_a_download_leaves_encrypted_and_its_digest_is_on_record(house, ask, tmp_path):
    identity = pyrage.x25519.Identity.generate()
    shown = made(house, ask, encrypt_to=[str(identity.to_public())])
    assert shown["encrypted"] is True
    path = f"/exports/{shown['export']}/bundle"
    head = ask("HEAD", path)
    assert head.headers["Accept-Ranges"] == "none"
    assert "ETag" not in head.headers
    answer = ask("GET", path, headers={"Range": "bytes=0-9"})
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith('.tar.age"')
    assert CONTENTS["a.bin"] not in answer.data
    plain = pyrage.decrypt(answer.data, [identity])
    assert len(plain) == shown["size"]
    bundle = unpacked(plain, tmp_path) / shown["export"]
    assert verify.exit_code(verify.verify_path(bundle, None)) == 0
    detail = house.repo.ledger.opened(house.entries()[-1])["detail"]
    assert detail["cipher"] == f"sha256:{sha256(answer.data).hexdigest()}"
    assert len(detail["encrypted_to"]) == 1
    assert ask("GET", path).data != answer.data  # encrypted anew, and as good


def test_a_changed_bit_cuts_an_encrypted_download_off(house, ask):
    identity = pyrage.x25519.Identity.generate()
    shown = made(house, ask, encrypt_to=[str(identity.to_public())])
    file = house.stored_file("KRN-000001")
    before = file.read_bytes()
    house.flip("KRN-000001", 40)
    try:
        with pytest.raises(Exception, match="KRN-000001"):
            ask("GET", f"/exports/{shown['export']}/bundle").get_data()
    finally:
        file.write_bytes(before)
    ends = house.last("consultation")
    assert (ends["outcome"], ends["reason"]) == ("aborted", "integrity-error")
    assert "cipher" not in house.repo.ledger.opened(house.entries()[-2]).get("detail", {})
