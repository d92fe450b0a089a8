"""The recipient's receipt: checked and signed without a repository, taken in by the house."""

import errno
import json
import shutil
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

from api.app import create_app
from custody import verify
from custody.bundle_receipt import BundleReceipt
from custody.canonical import dumps
from repository.cases import find_case
from repository.people import grant, new_person
from tests.api.test_sessions import token
from tests.house import CODE, own_house, run

WHO = ("--name", "R. Ahmed", "--organisation", "The registry")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("house")) as found:
        files = tmp_path_factory.mktemp("files")
        for name in ("a.bin", "b.bin", "c.bin"):
            (files / name).write_bytes(name.encode() * 100)
            found.ingest(files / name)
        yield found


@pytest.fixture(scope="module")
def bundle(house, tmp_path_factory):
    """Return a bundle of which the house takes no receipt in."""
    return export(house, tmp_path_factory.mktemp("bundle") / "bundle")


def export(house, place: Path, *words: object) -> Path:
    said = house.evidence(
        "export", "--case", CODE, "--purpose", "court", "--recipient", "the registry",
        "--out", place, "--twins", "none", *words,
    )  # fmt: skip
    assert said.code == 0, said.err
    return place


def receive(bundle: Path, out: Path, *words: object, code: int = 0):
    """Do what a recipient does, who has no repository."""
    nowhere = out.with_name("nowhere")
    said = run("--data", str(nowhere), "--json", "bundle", "receipt", bundle, *WHO, "--out", out,
               *words)  # fmt: skip
    assert said.code == code, said.err
    assert not nowhere.exists()
    return said.lines[0] if code == 0 else said.err


def pem(private, *chain: x509.Certificate) -> bytes:
    own = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return own + b"".join(one.public_bytes(Encoding.PEM) for one in chain)


def certificate(private, *, days: int = 30) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The registry")])
    ends = datetime.now(UTC) + timedelta(days=days)
    made = x509.CertificateBuilder(name, name, private.public_key(), 7)
    made = made.not_valid_before(ends - timedelta(days=400)).not_valid_after(ends)
    return made.sign(private, hashes.SHA256())


def reason(house) -> tuple[str, str]:
    last = house.last("receipt_acknowledged")
    return last["outcome"], last["reason"]


def test_the_recipient_signs_what_it_got_and_both_halves_are_kept(house, tmp_path):
    bundle = export(house, tmp_path / "bundle")
    waits = house.evidence("exports", "--case", CODE, "--waiting").lines[-1]
    assert (waits["receipt"], waits["recipient"]) == (None, "the registry")
    file = tmp_path / "receipt.json"
    told = receive(bundle, file)
    printed = (tmp_path / "receipt.json.txt").read_text()
    for text in (told["fingerprint"], waits["report"], waits["manifests"][0], "R. Ahmed"):
        assert text in printed
    taken = house.evidence("receipt", "add", file, "--fingerprint", told["fingerprint"])
    assert taken.code == 0, taken.err
    came = taken.lines[0]["receipt"]
    assert (came["how"], came["organisation"], came["key_compared"]) == (
        "signed", "The registry", True,
    )  # fmt: skip
    assert came["key"] == told["fingerprint"]
    entry = house.last("receipt_acknowledged")
    closed = json.loads((bundle / verify.CLOSING).read_text())["closed"]["body"].encode()
    assert entry["inputs"] == [f"sha256:{hashes_of(closed)}"]
    assert entry["outputs"] == [f"sha256:{hashes_of(file.read_bytes())}"]
    assert (entry["count"], entry["request_id"]) == (3, waits["report"])
    said = [e.fields for e in house.entries() if e.fields["type"] == "receipt_acknowledged"][-4:]
    assert {e["exhibit"]["number"] for e in said if "exhibit" in e} == {
        "KRN-000001", "KRN-000002", "KRN-000003",
    }  # fmt: skip
    shown = house.evidence("exports", "--case", CODE).lines[-1]
    assert shown == taken.lines[0]
    assert waits["report"] not in {
        one["report"] for one in house.evidence("exports", "--case", CODE, "--waiting").lines
    }
    # The same one again changes nothing; another one, with another key, is refused.
    before = house.repo.ledger.size()
    assert house.evidence("receipt", "add", file).lines == taken.lines
    again = house.evidence("receipt", "add", file, "--fingerprint", told["fingerprint"])
    assert again.lines == taken.lines
    assert house.repo.ledger.size() == before
    other = house.evidence("receipt", "add", file, "--fingerprint", "0" * 64)
    assert (other.code, reason(house)) == (1, ("refused", "key-unknown"))
    receive(bundle, tmp_path / "second.json")
    assert house.evidence("receipt", "add", tmp_path / "second.json").code == 1
    assert reason(house) == ("refused", "answered-before")
    # It is of this bundle, and of no other.
    assert verify.main([str(bundle), "--receipt", str(file)]) == 0
    assert house.evidence("verify", "--ledger").code in (0, 3)


def hashes_of(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


def test_a_receipt_of_another_bundle_or_key_or_altered_is_refused(house, bundle, tmp_path):
    file, changed = tmp_path / "receipt.json", tmp_path / "changed.json"
    receive(bundle, file)
    told = json.loads(file.read_text())
    elsewhere = f"sha256:{'1' * 64}"

    def refused(expected: str, value: object, *words: object) -> None:
        changed.write_bytes(dumps(value) + b"\n")
        assert house.evidence("receipt", "add", changed, *words).code == 1
        assert reason(house) == ("refused", expected)

    refused("receipt-unproved", {**told, "recipient": {"name": "X", "organisation": "Y"}})
    refused("receipt-unproved", {**told, "answers": elsewhere})
    key = Ed25519PrivateKey.generate()
    refused("other-bundle", resigned(told, key, answers=elsewhere))
    refused("other-bundle", resigned(told, key, bundle={**told["bundle"], "exhibits": 4}))
    passed = [one for one in told["checks"] if one["claim"] != "closing"]
    refused("checks-failed", resigned(told, key, checks=passed))
    refused("key-unknown", told, "--fingerprint", "0" * 64)
    assert house.evidence("receipt", "add", file, "--fingerprint", "12").code == 2
    before = house.repo.ledger.size()
    unknown = {**told["bundle"], "report": "01a1f000-0000-7000-8000-000000000009"}
    changed.write_bytes(dumps(resigned(told, key, bundle=unknown)))
    assert house.evidence("receipt", "add", changed).code == 2
    assert house.last("access_denied")["reasons"] == ["unknown-export"]
    for broken in (b"{}", b"", b"[]", file.read_bytes()[:-9], b'{"v":1}', b"\xff" * 9):
        changed.write_bytes(broken)
        assert house.evidence("receipt", "add", changed).code == 1
        assert house.last("access_denied")["reasons"] == ["receipt-malformed"]
    assert house.repo.ledger.size() == before + 7
    made = house.evidence("exports", "--case", CODE).lines
    assert {one["receipt"] for one in made if one["report"] == told["bundle"]["report"]} == {None}


def resigned(told: dict, key: Ed25519PrivateKey, **changes: object) -> dict:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    found = {**told, **changes}
    found["key"] = {"algorithm": "ed25519", "public": b64encode(public).decode()}
    del found["signature"]
    return {**found, "signature": b64encode(key.sign(dumps(found))).decode()}


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa", "pkcs12"])
def test_any_key_that_the_recipient_has_signs_and_verify_py_checks_it(bundle, tmp_path, kind):
    private = {
        "ed25519": Ed25519PrivateKey.generate,
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "pkcs12": lambda: ec.generate_private_key(ec.SECP384R1()),
    }[kind]()
    key, out, secret = tmp_path / "key", tmp_path / "receipt.json", tmp_path / "passphrase"
    words: list[object] = ["--key", key]
    if kind == "ed25519":
        key.write_bytes(pem(private))
    elif kind == "pkcs12":
        secret.write_text("open it\n")
        key.write_bytes(
            serialize_key_and_certificates(
                b"x", private, certificate(private), None, BestAvailableEncryption(b"open it")
            )
        )
        words += ["--passphrase-file", secret]
    else:
        key.write_bytes(pem(private, certificate(private)))
    receive(bundle, out, *words)
    assert verify.main([str(bundle), "--receipt", str(out)]) == 0
    holder = BundleReceipt.parse(out.read_bytes()).holder()
    assert holder == (None if kind == "ed25519" else "CN=The registry")
    altered = json.loads(out.read_text())
    altered["recipient"]["name"] = "Somebody else"
    out.write_bytes(dumps(altered) + b"\n")
    assert verify.main([str(bundle), "--receipt", str(out)]) == 1


def test_verify_py_takes_no_receipt_of_another_bundle(bundle, tmp_path):
    file, key = tmp_path / "receipt.json", Ed25519PrivateKey.generate()
    receive(bundle, file)
    told = json.loads(file.read_text())
    for changes in (
        {"answers": f"sha256:{'1' * 64}"},
        {"bundle": {**told["bundle"], "manifests": [f"sha256:{'1' * 64}"]}},
        {"bundle": {**told["bundle"], "checkpoint": told["bundle"]["checkpoint"] + "\n"}},
    ):
        file.write_bytes(dumps(resigned(told, key, **changes)) + b"\n")
        found = verify.verify_path(bundle, None, receipts=(file,))
        assert found[-1] == ("receipt", "fail", "a receipt of another bundle")


def test_nobody_signs_for_a_bundle_that_does_not_verify(bundle, tmp_path):
    bundle = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (bundle / "data" / "KRN-000001.bin").write_bytes(b"other")
    assert "digests is fail" in receive(bundle, tmp_path / "receipt.json", code=1)
    assert not (tmp_path / "receipt.json").exists()
    assert "neither a bundle" in receive(tmp_path, tmp_path / "receipt.json", code=1)


def test_a_key_or_certificate_that_does_not_fit_signs_nothing(bundle, tmp_path):
    key, out = tmp_path / "key.pem", tmp_path / "receipt.json"
    private = ec.generate_private_key(ec.SECP256R1())
    other = ec.generate_private_key(ec.SECP256R1())
    for data, why in (
        (b"no key", "no key"),
        (pem(private, certificate(other)), "none of the certificates"),
        (pem(private, certificate(private, days=-1)), "was not valid"),
        (pem(rsa.generate_private_key(65537, 1024)), "2,048"),
    ):
        key.write_bytes(data)
        assert why in receive(bundle, out, "--key", key, code=1)
        assert not out.exists()
    out.write_text("mine")
    assert "is there already" in receive(bundle, out, code=2)


def test_a_receipt_is_of_all_volumes_together(house, tmp_path):
    place = export(house, tmp_path / "bundle", "--volume-size", "600B")
    assert len(list(place.iterdir())) == 3
    told = receive(place, tmp_path / "receipt.json")
    assert len(told["manifests"]) == 3
    assert house.evidence("receipt", "add", tmp_path / "receipt.json").code == 0
    (place / "volume-2" / "data" / "KRN-000002.bin").unlink()
    assert "complete is not-done" in receive(place, tmp_path / "again.json", code=1)


def test_over_http_a_receipt_is_taken_in_and_the_list_shows_it(house, tmp_path):
    bundle = export(house, tmp_path / "bundle")
    client = create_app(house.repo).test_client()
    headers = token(house, "prosecutor")[1]
    told = receive(bundle, tmp_path / "receipt.json")
    first = client.get(f"/api/v1/cases/{CODE}/bundles?waiting=true&limit=1", headers=headers).json
    assert len(first["items"]) == 1
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    said = {"receipt": receipt, "fingerprint": told["fingerprint"]}
    answer = client.post("/api/v1/bundles/receipts", headers=headers, json=said)
    assert answer.status_code == 200, answer.text
    assert answer.json["receipt"]["key_compared"] is True
    said["fingerprint"] = "0" * 64
    receipt["at"] = "2020-01-01T00:00:00.000Z"
    answer = client.post("/api/v1/bundles/receipts", headers=headers, json=said)
    assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (422, "answer-refused")
    items = client.get(f"/api/v1/cases/{CODE}/bundles", headers=headers).json["items"]
    assert items[-1]["receipt"]["key"] == told["fingerprint"]
    # What was acknowledged stands in its exhibits' histories from then on.
    again = export(house, tmp_path / "again")
    entries = json.loads((again / "custody.json").read_text())["entries"]
    assert any("receipt_acknowledged" in one["body"] for one in entries)


def test_counsel_acknowledges_on_the_site_by_the_digest_that_only_the_holder_knows(house, tmp_path):
    export(house, tmp_path / "bundle")
    counsel = new_person(house.repo, house.custodian, name="counsel C", role="counsel")
    with house.repo.database.reading() as session:
        case = find_case(session, CODE)
    grant(house.repo, house.custodian, case=case, person=counsel, role="counsel", party="defence")
    client = create_app(house.repo).test_client()
    made = house.evidence("exports", "--case", CODE).lines[-1]
    path = f"/api/v1/bundles/{made['report']}/acknowledgement"

    def say(name, manifest, where=path):
        headers = token(house, name)[1]
        return client.post(where, headers=headers, json={"manifest": manifest})

    assert say("counsel C", f"sha256:{'0' * 64}").json["type"].endswith("/answer-refused")
    assert reason(house) == ("refused", "other-bundle")
    assert say("prosecutor", made["manifests"][0]).status_code == 403
    assert say("stranger", made["manifests"][0]).status_code == 404
    answer = say("counsel C", made["manifests"][0])
    assert answer.json["receipt"]["how"] == "on-site"
    assert reason(house) == ("done", "bundle-on-site")
    before = house.types().count("receipt_acknowledged/done")
    assert say("counsel C", made["manifests"][0]).json == answer.json
    assert say("counsel C", f"sha256:{'0' * 64}").json["type"].endswith("/answer-refused")
    assert house.types().count("receipt_acknowledged/done") == before


def test_a_receipt_goes_nowhere_into_the_bundle_and_names_somebody(house, bundle, tmp_path):
    for words, told in (
        ((*WHO, "--out", bundle / "receipt.json"), "is in the bundle"),
        (("--name", " ", *WHO[2:], "--out", tmp_path / "r.json"), "--name has 1 to 500"),
    ):
        said = house.evidence("bundle", "receipt", bundle, *words)
        assert said.code == 2
        assert told in said.err
    assert not (bundle / "receipt.json").exists()
    real = Path.open

    def full(self, mode="r", *more, **named):
        if mode == "xb" and self.suffix == ".txt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", full)
        said = house.evidence("bundle", "receipt", bundle, *WHO, "--out", tmp_path / "r.json")
    assert (said.code, "no room for" in said.err) == (3, True)
    assert not (tmp_path / "r.json").exists()
