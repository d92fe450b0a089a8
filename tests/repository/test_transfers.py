"""Custody passes on from one institution to another inside one house, and every gap shows."""

import threading
from pathlib import Path

import pytest

from repository.approvals import mark
from repository.authorise import Caller
from repository.conditions import Marking
from repository.consult import list_exhibits, show_custody
from repository.continuity import GAPS, Told, case_continuity, statement
from repository.disclose import disclose
from repository.errors import (
    AccessDenied,
    BadRequest,
    IntegrityError,
    TransferAnswered,
    TransferOpen,
    UnknownCase,
    UnknownTransfer,
)
from repository.exhibits import find_exhibit
from repository.exports.report_custody import continuity_facts
from repository.exports.report_entries import Row
from repository.marking import strictest
from repository.people import grant, new_person
from repository.transfer_lists import released
from repository.transfers import receive, release, turn_down, withdraw
from tests.house import CODE, House, own_house

COLLECTED = {
    "collected_by": "A. Field", "collected_at": "2026-11-20T14:05:00+01:00", "place": "Kranj",
}  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("transfers")) as found:
        for name, role in (("clerk", "custodian"), ("lab", "analyst"), ("outsider", "custodian")):
            where = "Elsewhere" if name == "outsider" else "Tribunal"
            new_person(found.repo, found.custodian, name=name, role=role, organisation=where)
        yield found


def take_in(house: House, folder: Path, *contents: bytes, **declared: str) -> list[str]:
    """Return the numbers of files taken in as they are, unread."""
    paths = []
    for n, content in enumerate(contents):
        paths.append(folder / f"{n}.txt")
        paths[-1].write_bytes(content)
    words = [w for name, value in declared.items() for w in (f"--{name.replace('_', '-')}", value)]
    said = house.evidence("ingest", *paths, "--case", CODE, "--no-extract", *words)
    assert said.code == 0, said.err
    return [one["exhibit"] for one in said.lines]


@pytest.fixture
def numbers(house, tmp_path):
    contents = [f"{tmp_path} {n}".encode() for n in range(3)]
    return take_in(house, tmp_path, *contents, **COLLECTED)


def custodian(house: House) -> Caller:
    return house.caller(house.custodian.name or "")


def let_go(house: House, *numbers: str, to: str = "Tribunal", purpose: str = "sharing"):
    return release(house.repo, custodian(house), numbers, to=to, purpose=purpose)


def stated(house: House, number: str):
    found, _ = case_continuity(house.repo, custodian(house), CODE)
    return dict(found)[number]


def state(house: House, number: str) -> str | None:
    """Return how the last transfer of an exhibit stands."""
    every = released(house.repo, custodian(house), CODE)
    return next((one.row.state for one in reversed(every) if one.exhibit.number == number), None)


def gaps(house: House, number: str) -> list[str]:
    return [one.kind for one in stated(house, number).gaps]


def test_both_sides_read_every_byte_again_and_record_both_digests(house, numbers):
    [out, _] = let_go(house, *numbers[:2])
    assert (out.row.state, gaps(house, numbers[0])) == ("released", ["not-answered"])
    done = receive(house.repo, house.caller("clerk"), out.row.id)
    assert [one.row.state for one in done] == ["received", "received"]
    mine = [
        e.fields for e in house.entries()
        if e.fields["type"].startswith("transfer_") and e.fields.get("exhibit")
        and e.fields["exhibit"]["number"] == numbers[0]
    ]  # fmt: skip
    assert [(e["type"], e["outcome"]) for e in mine] == [
        ("transfer_released", "done"), ("transfer_received", "started"),
        ("transfer_received", "done"),
    ]  # fmt: skip
    assert len({e["request_id"] for e in mine}) == 1
    for one in (mine[0], mine[2]):
        assert one["verification"] == {
            "expected": [out.exhibit.sha256], "observed": [out.exhibit.sha256]
        }  # fmt: skip
    assert {"case", "recipient", "actor_name"} <= set(mine[2]["_sd"])
    told = stated(house, numbers[0])
    assert (told.holder, told.gaps) == ("Tribunal", [])
    assert told.declared[0]["collected_by"] == "A. Field"
    last = house.last("transfer_released")  # the house's own, of all exhibits together
    assert (last["count"], last["request_id"]) == (2, mine[0]["request_id"])
    assert "exhibit" not in last


def test_only_the_institution_it_was_released_to_answers(house, numbers):
    name = let_go(house, numbers[0])[0].row.id
    for who in ("outsider", "analyst", "stranger"):
        for act in (
            lambda caller: receive(house.repo, caller, name),
            lambda caller: turn_down(house.repo, caller, name, motive="no"),
            lambda caller: withdraw(house.repo, caller, name, motive="no"),
        ):
            with pytest.raises(UnknownTransfer):
                act(house.caller(who))
            assert house.last("access_denied")["outcome"] == "refused"
    with pytest.raises(UnknownTransfer):
        receive(house.repo, custodian(house), name)  # who released does not receive
    with pytest.raises(UnknownTransfer):
        withdraw(house.repo, house.caller("clerk"), name, motive="m")
    with pytest.raises(UnknownTransfer):
        receive(house.repo, house.caller("clerk"), "TRF-none")


def test_the_recipient_sees_what_was_released_to_it_and_nothing_else_of_the_case(house, numbers):
    let_go(house, numbers[0])
    listed = released(house.repo, house.caller("lab"), None)
    assert [one.exhibit.number for one in listed][-1] == numbers[0]
    assert not set(numbers[1:]) & {one.exhibit.number for one in listed}
    assert released(house.repo, house.caller("outsider"), None) == []
    with pytest.raises(UnknownCase):
        list_exhibits(house.repo, house.caller("lab"), CODE)


def test_a_refusal_leaves_custody_where_it_was_and_both_may_try_again(house, numbers):
    name = let_go(house, numbers[0])[0].row.id
    with pytest.raises(BadRequest):
        turn_down(house.repo, house.caller("clerk"), name, motive=" ")
    [refused] = turn_down(house.repo, house.caller("clerk"), name, motive="no warrant")
    assert refused.row.state == "refused"
    with pytest.raises(TransferAnswered):
        receive(house.repo, house.caller("clerk"), name)
    told = stated(house, numbers[0])
    assert (told.holder, told.gaps, told.passings[0].state) == (None, [], "refused")
    receive(house.repo, house.caller("clerk"), let_go(house, numbers[0])[0].row.id)
    assert stated(house, numbers[0]).holder == "Tribunal"


def test_never_provided_and_accepted_then_dropped_are_different_states(house, numbers):
    never, begun = (let_go(house, one)[0] for one in numbers[:2])
    house.flip(numbers[1], 70)
    with pytest.raises(IntegrityError):
        receive(house.repo, house.caller("clerk"), begun.row.id)
    assert [gaps(house, one) for one in numbers[:2]] == [["not-answered"], ["not-acknowledged"]]
    last = house.last("transfer_received")
    assert (last["outcome"], last["reason"]) == ("aborted", "integrity-failure")
    assert house.last("integrity_failure")["request_id"] == last["request_id"]
    for one in (never, begun):
        withdraw(house.repo, custodian(house), one.row.id, motive="nobody came")
    assert [state(house, one) for one in numbers[:2]] == ["withdrawn", "dropped"]
    assert [gaps(house, one) for one in numbers[:2]] == [[], ["dropped"]]


def test_what_is_released_is_not_released_again_until_it_is_answered(house, numbers):
    let_go(house, numbers[0])
    with pytest.raises(TransferOpen):
        let_go(house, numbers[1], numbers[0])
    assert state(house, numbers[1]) is None


def test_damaged_bytes_are_not_released(house, numbers):
    house.flip(numbers[0], 70)
    with pytest.raises(IntegrityError):
        let_go(house, numbers[0])
    assert state(house, numbers[0]) is None
    assert house.last("transfer_released")["outcome"] == "aborted"
    assert gaps(house, numbers[0]) == []


def test_provider_conditions_stop_a_release_and_one_made_since_stops_the_receipt(house, numbers):
    me = custodian(house)
    mark(house.repo, me, numbers[0], Marking(handling="H2"), motive="m")
    with pytest.raises(AccessDenied, match="handling-h2"):
        let_go(house, numbers[0])
    mark(house.repo, me, numbers[1], Marking(handling="H1", tlp="GREEN"), motive="m")
    out = let_go(house, numbers[1])[0]
    entry = house.repo.ledger.entry(out.row.index)
    told = entry.fields["handling"]
    assert (told["handling"], told["tlp"], len(told)) == ("H1", "GREEN", 3)  # and its version
    assert house.repo.ledger.opened(entry)["detail"]["marking"]["handling"] == "H1"
    tighter = Marking(handling="H1", tlp="GREEN", withdrawn=True)
    mark(house.repo, me, numbers[1], tighter, motive="m")
    with pytest.raises(UnknownTransfer):
        receive(house.repo, house.caller("clerk"), out.row.id)
    assert house.last("access_denied")["reasons"] == ["consent-withdrawn"]
    [one] = turn_down(house.repo, house.caller("clerk"), out.row.id, motive="withdrawn since")
    assert one.row.state == "refused"


def test_what_makes_no_sense_is_refused_and_leaves_nothing(house, numbers, tmp_path):
    me = custodian(house)
    for given in ([], [f"{CODE}-{n:06d}" for n in range(1, 1002)]):
        with pytest.raises(BadRequest):
            release(house.repo, me, given, to="Tribunal", purpose="sharing")
    with pytest.raises(BadRequest, match="no organisation"):
        let_go(house, numbers[0], to="Nobody")
    (tmp_path / "o").write_bytes(b"other")
    words = ["--case", "OTHER", "--no-extract"]
    other = house.evidence("ingest", tmp_path / "o", *words).lines[0]["exhibit"]
    with pytest.raises(BadRequest, match="one case"):
        let_go(house, numbers[0], other)
    name = let_go(house, numbers[0])[0].row.id
    with pytest.raises(BadRequest, match=numbers[1]):
        receive(house.repo, house.caller("clerk"), name, [numbers[1]])


def test_of_two_who_answer_at_once_one_does(house, numbers):
    name = let_go(house, numbers[0])[0].row.id
    outcomes = []

    def answer(act):
        try:
            outcomes.append(act()[0].row.state)
        except TransferAnswered:
            outcomes.append("late")

    acts = [
        lambda: receive(house.repo, house.caller("clerk"), name),
        lambda: turn_down(house.repo, house.caller("lab"), name, motive="m"),
        lambda: withdraw(house.repo, custodian(house), name, motive="m"),
    ]
    threads = [threading.Thread(target=answer, args=(act,)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(o == "late" for o in outcomes) == [False, True, True], outcomes
    [told] = stated(house, numbers[0]).passings
    assert told.state in ("received", "refused", "withdrawn", "dropped")
    assert told.answer is not None


def test_nothing_declared_is_a_gap_and_an_undated_row_borrows_no_time(house, tmp_path):
    [nothing] = take_in(house, tmp_path, b"a")
    [undated] = take_in(house, tmp_path, b"b", collected_by="A. Field", collected_at="2026-11-20")
    [gap] = stated(house, nothing).gaps
    assert (gap.kind, gap.since) == ("before-undeclared", None)
    told = stated(house, undated)
    assert [(g.kind, g.since) for g in told.gaps] == [("before-undated", None)]
    assert told.declared[0]["at"] is None
    pages, after = [], 0
    while after is not None:
        some, after = case_continuity(house.repo, custodian(house), CODE, after=after, limit=2)
        pages += [number for number, _ in some]
    assert pages == sorted(set(pages))
    assert {nothing, undated} <= set(pages)


def test_a_missing_entry_and_digests_that_differ_are_gaps():
    def line(index, kind, seq, outcome="done", **more):
        body = {"type": kind, "outcome": outcome, "at": f"2026-11-27T00:00:{index:02d}.000Z",
                "exhibit": {"seq": seq}, "request_id": "r", **more}  # fmt: skip
        return Told(index, body, {"recipient": "T"})

    def digest(one):
        return {"verification": {"expected": ["sha256:a"], "observed": [one]}}

    told = statement([
        line(0, "collection", 1, occurred_at="2026-11-26T00:00:00.000Z"), line(1, "receipt", 2),
        line(5, "transfer_released", 4, **digest("sha256:a")),
        line(9, "transfer_received", 5, **digest("sha256:b")),
    ])  # fmt: skip
    assert [(g.kind, g.entries) for g in told.gaps] == [
        ("digest-differs", (5, 9)), ("entry-missing", (1, 5)),
    ]  # fmt: skip
    assert {g.kind for g in told.gaps} <= set(GAPS)


def test_the_report_says_who_held_it_and_every_gap(house, numbers, tmp_path):
    receive(house.repo, house.caller("clerk"), let_go(house, numbers[0])[0].row.id)
    let_go(house, numbers[1])

    def facts(number):
        with house.repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
        rows = [
            Row(e.index, e.fields, house.repo.ledger.opened(e))
            for e in house.repo.ledger.history(exhibit.id)
        ]
        return {
            one["name"]: one["values"] for one in continuity_facts(rows, "2026-11-27T00:00:00.000Z")
        }

    whole, open_one, untouched = (facts(one) for one in numbers)
    assert whole["gaps"] == untouched["gaps"] == ["no gap between releases and receipts"]
    assert "to Tribunal" in whole["releases"][0]
    assert "digest equal" in whole["releases"][0]
    assert GAPS["not-answered"] in open_one["gaps"][0]
    assert untouched["releases"] == ["none: no release is recorded since it was received"]
    assert "A. Field" in untouched["before"][0]
    words = ["--case", CODE, *numbers, "--out", tmp_path / "bundle", "--purpose", "court"]
    said = house.evidence("export", *words)
    assert said.code == 0, said.err


def test_a_party_reads_in_the_history_of_what_it_was_disclosed_that_custody_passed(house, numbers):
    repo, me = house.repo, custodian(house)
    counsel = new_person(repo, house.custodian, name="counsel", role="counsel")
    grant(repo, house.custodian, case=house.case, person=counsel, role="counsel", party="defence")
    disclose(repo, me, numbers[0], party="defence", purpose="disclosure")
    receive(repo, house.caller("clerk"), let_go(house, numbers[0])[0].row.id)
    _, history = show_custody(repo, house.caller("counsel"), numbers[0])
    assert "transfer_received" in [one.entry.fields["type"] for one in history]


def test_the_command_line_does_the_whole_of_it(house, numbers):
    words = ["--to", "Tribunal", "--purpose", "sharing", "--authority", "RFA 12"]
    said = house.evidence("transfer", "release", *numbers[:2], *words)
    assert said.code == 0, said.err
    name = said.lines[0]["transfer"]
    assert [one["state"] for one in said.lines] == ["released", "released"]
    listed = house.evidence("transfer", "list", person="clerk")
    assert [one["exhibit"] for one in listed.lines][-2:] == numbers[:2]
    took = house.evidence("transfer", "receive", name, numbers[0], person="clerk")
    assert (took.code, took.lines[0]["state"]) == (0, "received")
    refused = house.evidence("transfer", "refuse", name, "--motive", "m", person="clerk")
    assert [one["exhibit"] for one in refused.lines] == [numbers[1]]
    again = house.evidence("transfer", "withdraw", name, "--motive", "m")
    assert again.code == 2
    told = house.evidence("continuity", "--case", CODE)
    holders = {one["exhibit"]: one["holder"] for one in told.lines}
    assert [holders[one] for one in numbers] == ["Tribunal", None, None]
    assert house.evidence("transfer", "receive", name, person="stranger").code == 2


def test_the_strictest_of_several_markings_forbids_whatever_one_of_them_forbids():
    found = strictest(
        [
            Marking(handling="H1", consent=("court", "defence"), excluded_uses=("immigration",)),
            Marking(tlp="AMBER", consent=("court",), conditions="ask us"),
            Marking(), Marking(sealed=True, named=("p", "q")), Marking(sealed=True, named=("q",)),
        ]
    )  # fmt: skip
    assert found == Marking(
        handling="H1", tlp="AMBER", conditions="ask us", excluded_uses=("immigration",),
        sealed=True, named=("q",), consent=(),
    )  # fmt: skip
    assert strictest([]) == strictest([Marking()]) == Marking()
    assert strictest([Marking(handling="H1", consent=("court",)), Marking()]).consent == ("court",)
