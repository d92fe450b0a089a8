"""Sending to the real service: what arrives, what comes back, and what is said."""

import base64
import json
import os
from hashlib import sha256

import pytest

from custody.receipt import Receipt
from custody.receipts import read_receipts
from tests.house import new_case, own_house, run
from tests.remote.sending import invited
from tests.service import serving


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("sending")) as found:
        yield found


@pytest.fixture(scope="module")
def service(house):
    with serving(house.data, options=["--tls"]) as found:
        yield found


@pytest.fixture
def case(house):
    """A case of the test's own in the house and the service that all share."""
    return new_case(house)


@pytest.fixture
def far(house, service, case, tmp_path):
    return invited(house, service.address, tmp_path, case=case)


def test_everything_arrives_once_with_its_name_and_comes_back_as_receipts(house, far, case, files):
    names = [
        b"\xff\xfe.jpg",
        b"\xe2\x80\xaegpj.exe",
        b"two\nlines",
        "صورة.jpg".encode(),
        b"n" * 255,
    ]
    for name in names:
        with open(os.path.join(os.fsencode(files), name), "wb") as file:
            file.write(b"bytes of " + name)
    said = far.send(files, "--collected-by", "A. Field", "--place", "Bucha", "--family", "mobile")
    assert said.code == 0, said.err
    assert said.err == ""  # --json: nothing but results
    rows = said.lines
    assert len(rows) == 3 + len(names)
    assert set(rows[0]) == {
        "exhibit", "submission", "sha256", "size", "entry", "stored", "status", "receipt", "path",
        "error",
    }  # fmt: skip
    assert {row["status"] for row in rows} == {"registered"}
    arrived = {_raw(row["path"]): row for row in rows}
    for name in names:
        row = arrived[b"in/" + name]
        assert row["sha256"] == f"sha256:{sha256(b'bytes of ' + name).hexdigest()}"
    kept = {_raw(row["path"]) for row in house.evidence("list", "--case", case).lines}
    assert kept == set(arrived)  # byte for byte
    log = house.repo.ledger.key
    for row in rows:
        with open(row["receipt"], "rb") as file:
            receipt = Receipt.parse(file.read())
        receipt.verify([log])
        assert (receipt.exhibit, receipt.sha256, receipt.index) == (
            row["exhibit"], row["sha256"], row["entry"],
        )  # fmt: skip
    [folder] = far.submissions
    for name, stage in (("announced.json", "announced"), ("json", "complete")):
        with (folder / "receipts" / f"{folder.name}.{name}").open("rb") as file:
            [whole] = read_receipts(file)
            whole.verify([log])
            assert whole.stage == stage
            assert len(list(whole.check_list(file))) == len(rows)
    assert house.evidence("verify").code == 0
    history = house.evidence("show", rows[0]["exhibit"], "--custody").lines
    collection = next(json.loads(one["body"]) for one in history)
    assert collection["type"] == "collection"
    assert history[0]["opened"]["place"] == "Bucha"


def _raw(path):
    return base64.b64decode(path["base64"]) if isinstance(path, dict) else path.encode()


def test_the_same_command_after_the_end_begins_a_new_submission(house, far, files):
    assert far.send(files / "a.txt").code == 0
    assert far.send(files / "a.txt").code == 0
    assert len(far.submissions) == 2


def test_people_are_told_calmly_and_nothing_of_it_goes_to_standard_output(far, case, files):
    sent = far.start(files, say=True)
    assert sent.wait() == 0, sent.err
    out, err = sent.out, sent.err
    assert err.splitlines()[0].startswith("submission SUB-")
    assert "the list of 3 files is on record, and its receipt verifies" in err
    assert "3 of 3 registered" in err
    assert "offline" in err
    assert out.count("\n") == 3
    assert f"{case}-000001  sha256:" in out


def test_a_declared_digest_that_differs_is_quarantined_and_the_rest_goes_on(house, far, files):
    said = far.send(files / "a.txt", "--sha256", "00" * 32)
    assert said.code == 1
    [row] = said.lines
    assert (row["status"], row["error"]) == ("quarantined", "digest-mismatch")
    assert row["exhibit"] is None
    assert row["quarantine"].startswith("QUA-")
    assert row["sha256"] == f"sha256:{sha256(b'first').hexdigest()}"
    right = sha256(b"first").hexdigest()
    assert far.send(files / "a.txt", "--sha256", right).code == 0


def test_what_cannot_be_read_is_reported_as_the_local_ingest_reports_it(house, far, case, files):
    (files / "link").symlink_to("a.txt")
    os.mkfifo(files / "pipe")
    said = far.send(files)
    local = house.evidence("ingest", files, "--case", case, "--no-extract", person="investigator")
    assert said.code == local.code == 2
    failed = [
        [row | {"submission": None} for row in one.lines if row["status"] == "failed"]
        for one in (said, local)
    ]
    assert failed[0] == failed[1]
    assert [row["path"] for row in failed[0]] == ["in/link", "in/pipe"]


WRONG_USE = (
    (["-"], "standard input"),
    (["--case", "NONE"], "no case"),
    (["--case", "lower"], "a case code"),
    (["--collected-at", "yesterday"], "time of collection"),
    (["--rate", "fast"], "a rate is like"),
    (["--patience", "long"], "a time is like"),
    (["--proxy", "socks5://x"], "a proxy is http://host:port"),
    (["--submission", "nonsense"], "SUB-<UUID>"),
)


def test_wrong_use_is_said_in_one_line_and_nothing_is_begun(house, far, files):
    before = " ".join(house.types()).count("submission")
    for words, says in WRONG_USE:
        paths = [] if words == ["-"] else [files / "a.txt"]
        said = far.send(*paths, *words)
        assert (said.code, said.out) == (2, ""), words
        assert says in said.err
        assert said.err.count("\n") == 1
    assert not far.submissions
    assert " ".join(house.types()).count("submission") == before


def test_a_token_that_was_revoked_is_refused_before_anything_is_told(house, far, files):
    [token] = [one for one in far.invitation.split("&") if "token=" in one]
    house.evidence("token", "revoke", token.partition("=")[2].partition(".")[0])
    said = far.send(files)
    assert said.code == 4
    assert "does not accept this token" in said.err


def test_whoever_may_only_look_may_not_send(house, service, case, files, tmp_path):
    said = house.evidence("invite", "analyst", "--url", service.address)
    state = tmp_path / "state"
    found = run(
        "--json", "ingest", files, "--case", case, "--to", said.lines[0]["invitation"],
        "--state", state,
    )  # fmt: skip
    assert found.code in (2, 4)
    assert house.evidence("list", "--case", case).lines == []


def test_a_plain_address_works_and_says_who_vouches(house, case, files, tmp_path, monkeypatch):
    with serving(house.data) as service:
        token = house.evidence("token", "new", "investigator").lines[0]["token"]
        monkeypatch.setenv("EVIDENCE_TOKEN", token)
        found = run(
            "ingest", files, "--to", service.address, "--case", case, "--state", tmp_path / "s"
        )
    assert found.code == 0, found.err
    assert f"fingerprint {house.repo.ledger.key.fingerprint}" in found.err
    assert all(
        token.encode() not in p.read_bytes() for p in tmp_path.rglob("s/**/*") if p.is_file()
    )


def test_a_list_and_things_of_several_parts_travel_with_the_files(house, far, tmp_path):
    folder = tmp_path / "phone"
    folder.mkdir()
    (folder / "x.ufd").write_bytes(b"[General]")
    (folder / "x.zip").write_bytes(b"PK" + bytes(100))
    (folder / "note.txt").write_bytes(b"as told")
    manifest = tmp_path / "list.csv"
    manifest.write_text(
        "path,sha256,collected_by,place\n"
        f"x.ufd,{sha256(b'[General]').hexdigest()},B. Scout,Izium\n"
        f"note.txt,{'00' * 32},A. Field,\n"
        "lost.bin,,,\n"
    )
    said = far.send(folder, "--manifest", manifest, "--things", "join", "--place", "Kharkiv")
    assert said.code == 1, said.err  # a row without a file, a digest that differs
    rows = {row["status"]: row for row in said.lines}
    assert rows["unmatched-row"]["path"] == "lost.bin"
    [proposed] = [json.loads(line) for line in said.err.splitlines() if "proposed-thing" in line]
    assert proposed["joined"]
    assert rows["quarantined"]["path"] == "phone/note.txt"
    thing = rows["registered"]
    assert [one["path"] for one in thing["parts"]] == ["phone/x.ufd", "phone/x.zip"]
    history = house.evidence("show", thing["exhibit"], "--custody").lines
    assert history[0]["opened"]["place"] == "Izium"
    assert history[0]["opened"]["collected_by"] == "B. Scout"
    first = [
        one for one in house.entries()
        if one.fields["type"] == "submission" and one.fields["outcome"] == "started"
        and not one.fields.get("count")
    ][-1]  # fmt: skip
    opened = house.repo.ledger.opened(first)
    assert opened["detail"]["manifest"]["sha256"] == (
        f"sha256:{sha256(manifest.read_bytes()).hexdigest()}"
    )
