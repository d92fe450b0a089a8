"""A tribunal receives custody from a national unit: two repositories, over HTTP and by file.

At the end both ledgers hold the other's signed receipt, and everything that does not fit was
refused and is on record.
"""

import io
import json
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from custody import verify
from custody.receipt import TransferReceipt
from ingest.bundle_files import unpack
from repository import consent_lists, consents, deliveries, exports
from repository.approvals import mark
from repository.conditions import Marking
from repository.continuity import case_continuity
from repository.counterparts import pin
from repository.deliveries import acknowledge, as_file, bundle, fits
from repository.errors import (
    AccessDenied,
    AnswerRefused,
    BadRequest,
    ReleaseEnded,
    UnknownTransfer,
)
from repository.people import new_person
from repository.transfer_lists import released
from repository.transfers import receive, release, withdraw
from tests.desk import Desks
from tests.house import CODE, House, own_house, run

OURS = {"Origin": "http://localhost", "Content-Type": "application/json"}
PURPOSE = {"Evidence-Purpose": "sharing", "Evidence-Assured": "death-penalty"}


@dataclass
class Houses:
    unit: House
    tribunal: House


def me(house: House):
    return house.caller(house.custodian.name or "")


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """Two houses that know each other's keys; the tribunal's clerk has an account at the unit."""
    with (
        own_house(tmp_path_factory.mktemp("unit")) as unit,
        own_house(tmp_path_factory.mktemp("tribunal")) as tribunal,
    ):
        for house, other, name in ((unit, tribunal, "Tribunal"), (tribunal, unit, "National Unit")):
            key = str(other.repo.ledger.key)
            pin(house.repo, me(house), name, key, motive="compared by telephone")
        new_person(unit.repo, unit.custodian, name="clerk", role="partner", organisation="Tribunal")
        yield Houses(unit, tribunal)


def take_in(house: House, folder, *contents: bytes) -> list[str]:
    for n, content in enumerate(contents):
        (folder / f"{n}.bin").write_bytes(content)
    paths = [folder / f"{n}.bin" for n in range(len(contents))]
    said = house.evidence("ingest", *paths, "--case", CODE, "--no-extract")
    assert said.code == 0, said.err
    return [one["exhibit"] for one in said.lines]


@pytest.fixture
def numbers(houses, tmp_path):
    contents = [f"{tmp_path} {n}".encode() * 999 for n in range(2)]
    found = take_in(houses.unit, tmp_path, *contents)
    for one in found:
        conditions = Marking(handling="H1", excluded_uses=("death-penalty",))
        mark(houses.unit.repo, me(houses.unit), one, conditions, motive="the unit's conditions")
    return found


def signed_in(house: House, name: str):
    """Return a function that asks in a session, as somebody's browser does."""
    desks = Desks(house)
    desks.register(name)
    client = desks(name).client

    def ask(method, path, body=None, **headers):
        data = json.dumps(body) if isinstance(body, dict) else body
        return client.open(f"/api/v1{path}", method=method, data=data, headers={**OURS, **headers})

    return ask


def let_go(houses: Houses, *numbers: str):
    assured = ("death-penalty",)
    return release(
        houses.unit.repo, me(houses.unit), numbers, to="Tribunal", purpose="sharing",
        assured=assured,
    )  # fmt: skip


def entries_of(house: House, number: str) -> list[dict]:
    found = [one.fields for one in house.entries()]
    return [one for one in found if one.get("exhibit", {}).get("number") == number]


def carried_over(houses: Houses, folder, *numbers: str):
    """Carry a transfer over by file up to the receipts, which are returned as they are sent."""
    name = let_go(houses, *numbers)[0].row.id
    place = folder / "bundle"
    bundle(houses.unit.repo, me(houses.unit), name, place)
    receipts = folder / "receipts.json"
    said = houses.tribunal.evidence("import", place, "--case", CODE, "--receipts", receipts)
    assert said.code == 0, said.err
    return name, place, [as_file(one) for one in json.loads(receipts.read_bytes())["items"]]


def test_over_http_from_signing_in_to_both_receipts(houses, numbers, tmp_path):
    unit, tribunal = houses.unit, houses.tribunal
    ours = signed_in(unit, unit.custodian.name)
    clerk = signed_in(unit, "clerk")
    theirs = signed_in(tribunal, tribunal.custodian.name)
    made = ours("POST", "/transfers", {"exhibits": numbers, "to": "Tribunal"}, **PURPOSE)
    assert made.status_code == 201, made.text
    name = made.json["transfer"]
    waits = clerk("GET", "/transfers").json["items"]
    assert {one["exhibit"] for one in waits if one["transfer"] == name} == set(numbers)
    assert clerk("GET", f"/exhibits/{numbers[0]}").status_code == 404  # the case stays closed
    assert clerk("GET", f"/transfers/{name}x/bundle").status_code == 404
    packed = clerk("GET", f"/transfers/{name}/bundle")
    assert (packed.status_code, packed.content_type) == (200, "application/x-tar")
    body = packed.data
    packed.close()
    assert {one["state"] for one in clerk("GET", "/transfers").json["items"]
            if one["transfer"] == name} == {"provided"}  # fmt: skip
    took = theirs("POST", f"/imports?case={CODE}", body, **{"Content-Type": "application/x-tar"})
    assert took.status_code == 201, took.text
    assert [one["from"] for one in took.json["items"]] == numbers
    mine = [one["exhibit"] for one in took.json["items"]]
    acknowledged = clerk("POST", "/transfers/receipts", {"items": took.json["receipts"]})
    assert (acknowledged.status_code, len(acknowledged.json["items"])) == (200, 2)
    closed = theirs("POST", "/transfers/receipts", acknowledged.json)
    assert (closed.status_code, closed.json["items"]) == (200, [])
    # again, it is one result on either side
    size = unit.repo.ledger.size(), tribunal.repo.ledger.size()
    again = clerk("POST", "/transfers/receipts", {"items": took.json["receipts"]})
    assert [one["index"] for one in again.json["items"]] == [
        one["index"] for one in acknowledged.json["items"]
    ]
    assert theirs("POST", "/transfers/receipts", acknowledged.json).json["items"] == []
    signing = [e.fields["type"] for e in unit.repo.ledger.entries(size[0])]
    assert set(signing) <= {"sign_in"}
    # what each side's history says
    every = [(e["type"], e["outcome"], e.get("reason")) for e in entries_of(unit, numbers[0])]
    there = [one for one in every if one[0] not in ("access_denied", "consultation")]
    assert there[-5:] == [
        ("transfer_released", "done", None), ("dissemination", "started", None),
        ("dissemination", "done", None), ("transfer_released", "done", "provided"),
        ("receipt_acknowledged", "done", "received"),
    ]  # fmt: skip
    here = [(e["type"], e["outcome"]) for e in entries_of(tribunal, mine[0])]
    assert here == [
        ("receipt", "done"), ("message_digest_calculation", "pass"), ("registration", "done"),
        ("signature_validation", "pass"), ("transfer_received", "done"),
        ("handling_change", "done"), ("receipt_acknowledged", "done"),
    ]  # fmt: skip
    told = ours("GET", f"/cases/{CODE}/continuity?limit=500").json["items"]
    one = next(one for one in told if one["exhibit"] == numbers[0])
    assert (one["holder"], one["transfers"][0]["state"]) == ("Tribunal", "received")
    assert [gap["kind"] for gap in one["gaps"]] == ["before-undeclared"]  # none between the two
    quoted = theirs("GET", f"/exhibits/{mine[0]}/quoted").json
    kinds = [json.loads(e["body"])["type"] for e in quoted["entries"]]
    assert kinds[0] == "receipt"
    assert "transfer_released" in kinds
    content = theirs("GET", f"/exhibits/{mine[0]}/content", **{"Evidence-Purpose": "analysis"})
    assert content.data == (tmp_path / "0.bin").read_bytes()
    # the unit's conditions hold at the tribunal
    refused = theirs("GET", f"/exhibits/{mine[0]}/content", **{"Evidence-Purpose": "death-penalty"})
    assert refused.status_code == 403
    assert theirs("GET", f"/exhibits/{mine[0]}/marking").json["handling"] == "H1"


def test_offline_by_file_with_a_receipt_that_a_stranger_can_check(houses, numbers, tmp_path):
    unit, tribunal = houses.unit, houses.tribunal
    words = ["--to", "Tribunal", "--purpose", "sharing", "--assured", "death-penalty"]
    said = unit.evidence("transfer", "release", *numbers, *words)
    name = said.lines[0]["transfer"]
    place = tmp_path / "bundle"
    assert unit.evidence("transfer", "bundle", name, "--out", place).code == 0
    sent, back = tmp_path / "receipts.json", tmp_path / "back.json"
    said = tribunal.evidence("import", place, "--case", CODE, "--receipts", sent)
    assert said.code == 0, said.err
    one = tmp_path / "one.json"
    one.write_bytes(as_file(json.loads(sent.read_bytes())["items"][0]))
    checked = subprocess.run(
        [sys.executable, "-I", place / "verify.py", one], capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    assert b"transfer_received of sha256:" in checked.stdout
    assert unit.evidence("transfer", "acknowledge", sent, "--receipts", back).code == 0
    assert tribunal.evidence("transfer", "acknowledge", back).code == 0
    states = {one["state"] for one in unit.evidence("transfer", "list", "--case", CODE).lines
              if one["transfer"] == name}  # fmt: skip
    assert states == {"received"}
    for house, number in ((unit, numbers[0]), (tribunal, said.lines[0]["exhibit"])):
        entry = [e for e in entries_of(house, number) if e["type"] == "receipt_acknowledged"][-1]
        assert (entry["outcome"], entry["verification"]["expected"]) == (
            "done", entry["verification"]["observed"],
        )  # fmt: skip
        assert house.evidence("verify", "--ledger").code == 0
    # and the tribunal's own bundle carries the unit's history, which verifies by itself
    again = tmp_path / "again"
    words = ["--purpose", "sharing", "--assured", "death-penalty", "--out", again]
    number = said.lines[0]["exhibit"]
    assert tribunal.evidence("export", "--case", CODE, number, *words).code == 0
    found = {one.claim: one.outcome for one in verify.verify_path(again, None)}
    assert (found["quoted"], found["exhibit.seq"], found["bag"]) == ("pass",) * 3


def test_a_release_answered_there_is_not_received_here_and_one_bundle_is_one_result(
    houses, numbers, tmp_path
):
    name = let_go(houses, numbers[0])[0].row.id
    with pytest.raises(BadRequest, match="another installation"):
        receive(houses.unit.repo, houses.unit.caller("clerk"), name)
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:  # the line broke off, and it was fetched again
        bundle(houses.unit.repo, houses.unit.caller("clerk"), name, place)
    taken = [houses.tribunal.evidence("import", place, "--case", CODE).lines for place in places]
    assert taken[0][0]["exhibit"] == taken[1][0]["exhibit"]
    elsewhere = houses.tribunal.evidence("import", places[1], "--case", "OTHER")
    assert (elsewhere.code, "received before" in elsewhere.err) == (2, True)


def refused(houses: Houses, number: str, data: bytes, reason: str):
    """See that a receipt is refused, on record in the exhibit's history, and changes nothing."""
    unit = houses.unit
    before = [one.to_json() for one in released(unit.repo, me(unit), CODE)]
    with pytest.raises(AnswerRefused):
        acknowledge(unit.repo, me(unit), data)
    last = entries_of(unit, number)[-1]
    assert (last["type"], last["outcome"], last["reason"]) == (
        "receipt_acknowledged", "refused", reason,
    )  # fmt: skip
    assert [one.to_json() for one in released(unit.repo, me(unit), CODE)] == before


def test_receipts_that_are_forged_replayed_or_of_other_bytes_are_refused_and_recorded(
    houses, numbers, tmp_path
):
    unit = houses.unit
    _, place, [good] = carried_over(houses, tmp_path, numbers[0])
    value = json.loads(good)

    def changed(**members) -> bytes:
        return as_file({**value, **members})

    forged = value["body"].replace('"role":"custodian"', '"role":"prosecutor"')
    refused(houses, numbers[0], changed(body=forged), "receipt-unproved")
    refused(houses, numbers[0], changed(sha256="sha256:" + "0" * 64), "receipt-unproved")
    refused(houses, numbers[0], changed(answers="sha256:" + "0" * 64), "receipt-unproved")
    own = unit.repo.ledger
    entry = own.entry(own.size() - 1)
    refused(houses, numbers[0], changed(body=entry.body.decode()), "receipt-unproved")
    # a receipt of the unit's own ledger, well signed, is no receipt of the tribunal's
    (tmp_path / "other").mkdir()
    with own_house(tmp_path / "other") as stranger:
        pin(stranger.repo, me(stranger), "National Unit", str(own.key), motive="m")
        said = stranger.evidence("import", place, "--case", CODE, "--receipts", tmp_path / "s.json")
        assert said.code == 0, said.err
        assert not (tmp_path / "s.json").exists()  # it was not released to them
    # a receipt for another release is replayed
    withdraw(unit.repo, me(unit), value["submission"], motive="too slow")
    refused(houses, numbers[0], good, "answered-otherwise")
    folder = tmp_path / "second"
    folder.mkdir()
    second, _, [fresh] = carried_over(houses, folder, numbers[0])
    replayed = as_file({**value, "submission": second})
    refused(houses, numbers[0], replayed, "receipt-unproved")
    assert acknowledge(unit.repo, me(unit), fresh) is not None
    assert dict(case_continuity(unit.repo, me(unit), CODE)[0])[numbers[0]].holder == "Tribunal"
    for nothing in (b"", b"[]", b"{}", b"\xff", b"x" * (5 << 20), changed(kind="evidence-receipt")):
        with pytest.raises(AnswerRefused):
            acknowledge(unit.repo, me(unit), nothing)
        assert houses.unit.last("access_denied")["reasons"] == ["receipt-malformed"]


def test_receipts_of_transfers_are_checked_offline_and_refused_in_one_line(
    houses, numbers, tmp_path
):
    name, _, [good] = carried_over(houses, tmp_path, numbers[0])
    file, both = tmp_path / "one.json", tmp_path / "receipts.json"
    file.write_bytes(good)
    for said in (
        houses.unit.evidence("receipt", "check", file),  # where it was released: key pinned
        houses.unit.evidence("receipt", "check", both),  # as `import --receipts` wrote it
    ):
        [line] = said.lines
        assert (said.code, line["subject"], line["act"]) == (0, name, "transfer_received")
        assert (line["key_trusted"], line["answers_ours"]) == ("pass", "pass")
    [line] = houses.tribunal.evidence("receipt", "check", file).lines  # its own word, of no entry
    assert (line["key_trusted"], line["answers_ours"]) == ("pass", "not-done")
    audit = houses.tribunal.evidence("verify", "--ledger", "--receipt", both)  # memory outside
    assert audit.code == 0, audit.out
    assert houses.unit.evidence("verify", "--ledger", "--receipt", both).code == 1  # another's
    away = run("--data", tmp_path / "elsewhere", "--json", "receipt", "check", both)
    assert (away.code, away.lines[0]["key_trusted"]) == (0, "not-done")  # no house, no network

    value = json.loads(good)
    folder = tmp_path / "again"
    folder.mkdir()
    withdraw(houses.unit.repo, me(houses.unit), name, motive="too slow")
    second, _, [other] = carried_over(houses, folder, numbers[0])
    replayed = {**json.loads(other), "answers": value["answers"]}
    nothing = "sha256:" + "0" * 64
    wrong = {
        "forged": {**value, "body": value["body"].replace("custodian", "prosecutor", 1)},
        "signed by nobody": {**value, "key": str(houses.unit.repo.ledger.key)},
        "replayed": {**value, "submission": second},
        "the other's answer": replayed,
        "other bytes": {**value, "sha256": nothing},
    }
    for why, changed in wrong.items():
        file.write_bytes(as_file(changed))
        for said in (
            houses.unit.evidence("receipt", "check", file),
            run("--data", tmp_path / "elsewhere", "receipt", "check", file),
        ):
            assert (said.code, said.out, said.err.count("\n")) == (1, "", 1), (why, said)
    # well signed, of the name of a transfer that is known, and made for another release of it
    with pytest.raises(AnswerRefused, match="another release"):
        fits(houses.unit.repo, replace(TransferReceipt.parse(good), answers=nothing))
    with pytest.raises(AnswerRefused, match="other bytes"):
        fits(houses.unit.repo, replace(TransferReceipt.parse(good), sha256=nothing))
    assert fits(houses.unit.repo, replace(TransferReceipt.parse(good), submission="TRF-x")) is False
    for nothing_at_all in (b'{"items":[]}', b'{"items":[7]}', b'{"items":7}'):
        file.write_bytes(nothing_at_all)
        assert houses.unit.evidence("receipt", "check", file).code == 1


def test_a_receipt_for_another_exhibit_of_the_transfer_does_not_answer_for_it(
    houses, numbers, tmp_path
):
    _, _, receipts = carried_over(houses, tmp_path, *numbers)
    first, second = (json.loads(one) for one in receipts)
    crossed = as_file({**first, "answers": second["answers"]})
    with pytest.raises(AnswerRefused):
        acknowledge(houses.unit.repo, me(houses.unit), crossed)
    assert acknowledge(houses.unit.repo, me(houses.unit), receipts[1]) is not None
    states = {
        one.exhibit.number: one.row.state
        for one in released(houses.unit.repo, me(houses.unit), CODE)
    }
    assert [states[one] for one in numbers] == ["provided", "received"]


def test_what_the_other_house_refuses_comes_back_signed_and_custody_stays(
    houses, numbers, tmp_path
):
    unit, tribunal = houses.unit, houses.tribunal
    name = let_go(houses, numbers[0])[0].row.id
    place, sent = tmp_path / "bundle", tmp_path / "refused.json"
    bundle(unit.repo, me(unit), name, place)
    words = ["--case", CODE, "--refuse", "no mandate for this case", "--receipts", sent]
    assert tribunal.evidence("import", place, *words).code == 0
    entry = tribunal.last("transfer_refused")
    assert (entry["outcome"], entry["reason"]) == ("done", "not-imported")
    [receipt] = [as_file(one) for one in json.loads(sent.read_bytes())["items"]]
    assert acknowledge(unit.repo, me(unit), receipt) is None
    assert acknowledge(unit.repo, me(unit), receipt) is None  # again, it is one result
    told = dict(case_continuity(unit.repo, me(unit), CODE)[0])[numbers[0]]
    assert (told.holder, told.passings[-1].state) == (None, "refused")
    assert [gap.kind for gap in told.gaps] == ["before-undeclared"]
    # taken in all the same, it stays refused at the unit, which says so
    [late] = [as_file(one) for one in _receipts_of_import(tribunal, place, tmp_path / "late.json")]
    refused(houses, numbers[0], late, "answered-before")
    assert tribunal.evidence("import", place, *words[:-1], tmp_path / "no").code == 2


def _receipts_of_import(house: House, place, file) -> list[dict]:
    said = house.evidence("import", place, "--case", CODE, "--receipts", file)
    assert said.code == 0, said.err
    return json.loads(file.read_bytes())["items"]


def test_a_receipt_that_never_comes_is_seen_and_the_release_taken_back(houses, numbers, tmp_path):
    unit = houses.unit
    name = let_go(houses, numbers[0])[0].row.id
    bundle(unit.repo, me(unit), name, tmp_path / "bundle")
    told = dict(case_continuity(unit.repo, me(unit), CODE)[0])[numbers[0]]
    assert "not-acknowledged" in [gap.kind for gap in told.gaps]
    [one] = withdraw(unit.repo, me(unit), name, motive="it never came")
    assert one.row.state == "dropped"
    told = dict(case_continuity(unit.repo, me(unit), CODE)[0])[numbers[0]]
    assert "dropped" in [gap.kind for gap in told.gaps]
    # a bundle that left before it was taken back is a copy whose release no longer holds
    later = tmp_path / "later"
    words = ["--purpose", "sharing", "--assured", "death-penalty", "--out", later]
    assert unit.evidence("export", "--case", CODE, numbers[0], *words).code == 0
    taken = houses.tribunal.evidence("import", later, "--case", CODE, "--receipts", tmp_path / "r")
    assert (taken.code, (tmp_path / "r").exists()) == (0, False)


def test_a_withdrawal_stops_the_bundle_that_is_written_and_the_one_that_leaves(
    houses, tmp_path, monkeypatch
):
    unit, clerk = houses.unit, houses.unit.caller("clerk")
    [number] = take_in(unit, tmp_path, unit.repo.random(40))
    mark(unit.repo, me(unit), number, Marking(handling="H2", owner="NCB"), motive="as given")
    new_person(unit.repo, unit.custodian, name="head", role="investigator", organisation="NCB")

    def agree() -> str:
        [row] = consents.ask(unit.repo, me(unit), [number], recipient="Tribunal", motive="trial")
        consents.give(unit.repo, unit.caller("head"), row.id, motive="agreed")
        return row.id

    def end(consent: str) -> None:
        consents.withdraw(unit.repo, unit.caller("head"), consent, motive="no longer")

    consent = agree()
    name = release(unit.repo, me(unit), [number], to="Tribunal", purpose="sharing")[0].row.id
    original = exports.verified_whole

    def meanwhile(*given):
        yield from original(*given)
        end(consent)

    with monkeypatch.context() as patch:
        patch.setattr(exports, "verified_whole", meanwhile)
        with pytest.raises(ReleaseEnded):
            bundle(unit.repo, me(unit), name, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    closing = [e.fields for e in unit.entries()][-2:]
    assert [(e["type"], e["outcome"], e["reason"]) for e in closing] == [
        ("dissemination", "aborted", "release-ended"),
        ("report_generated", "aborted", "release-ended"),
    ]
    with pytest.raises(UnknownTransfer):
        bundle(unit.repo, clerk, name, tmp_path / "theirs")
    waits = [one.row.state for one in released(unit.repo, clerk, None) if one.row.id == name]
    assert waits == ["released"]  # nothing was provided

    # What leaves over a line is decided again while it leaves.
    consent = agree()
    monkeypatch.setattr(deliveries, "ASK_AGAIN", 6)
    blocks = deliveries.handed(unit.repo, clerk, name, [b"first", b"second", b"third"])
    assert next(blocks) == b"first"
    end(consent)
    assert next(blocks) == b"second"  # less than the bytes after which it is asked again
    with pytest.raises(UnknownTransfer):
        next(blocks)
    refusal = unit.last("access_denied")
    assert refusal["attempted"] == "transfer_released"
    assert "owner-consent" in refusal["reasons"]
    assert number in consent_lists.received(unit.repo, clerk)[1]  # the recipient sees it
    withdraw(unit.repo, me(unit), name, motive="its owner withdrew")


def test_who_has_no_part_in_a_transfer_neither_fetches_nor_acknowledges(houses, numbers, tmp_path):
    unit = houses.unit
    name, _, [receipt] = carried_over(houses, tmp_path, numbers[0])
    for who in ("stranger", "analyst"):
        with pytest.raises(UnknownTransfer):
            bundle(unit.repo, unit.caller(who), name, tmp_path / "x")
        assert not (tmp_path / "x").exists()
    with pytest.raises(AccessDenied):
        acknowledge(unit.repo, unit.caller("analyst"), receipt)
    unknown = as_file({**json.loads(receipt), "submission": "TRF-none"})
    with pytest.raises(UnknownTransfer):
        acknowledge(unit.repo, me(unit), unknown)
    assert TransferReceipt.parse(receipt).to_text().encode() == receipt
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UnknownTransfer):  # nothing is served before it is decided
        bundle(unit.repo, me(unit), "TRF-none", out)
    unpack(io.BytesIO(bytes(1024)), out)
    assert list(out.iterdir()) == []
