"""Owners keep control: conditions from the first, consent asked, given, withdrawn; who leaves."""

import json
import threading
from datetime import timedelta

import pytest

from api.commands.context import login
from repository import exports, transfers
from repository.approvals import mark
from repository.conditions import Marking
from repository.errors import AccessDenied, ReleaseEnded, UnknownTransfer
from repository.exports import bundles
from repository.exports.bag import FolderBag
from repository.exports.chosen import marking_words
from repository.exports.handing import hand_out
from repository.matching import parties
from repository.organisations import answering
from repository.people import grant, new_organisation, new_person
from repository.purpose import Purpose
from repository.retrieve import retrieve
from repository.submissions import Declaration, open_submission
from repository.transfer_lists import released
from tests.house import CODE, House
from tests.one_house import one_house

COURT = ("--purpose", "court", "--recipient", "Tribunal")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        repo, custodian = house.repo, house.custodian
        with pytest.MonkeyPatch.context() as patch:
            found.enter(patch)
            for name, role, organisation in (
                ("giver", "submitter", "NCB"),
                ("their head", "investigator", "NCB"),
                ("their analyst", "analyst", "NCB"),
                ("heir", "custodian", "Heir"),
                ("second", "custodian", None),
                ("for A", "counsel", None),
                ("tribunal", "partner", "Tribunal"),
            ):
                new_person(repo, custodian, name=name, role=role, organisation=organisation)
            for name in ("giver", "for A", "tribunal"):
                person = house.caller(name).person
                party = "defence of A" if name == "for A" else None
                grant(repo, custodian, case=house.case, person=person, role=person.role,
                      party=party)  # fmt: skip
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def number(house, tmp_path):
    """An exhibit that was handed in under H2 and with excluded uses."""
    (tmp_path / "a.txt").write_bytes(house.repo.random(32))
    words = ("--handling", "H2", "--exclude", "death-penalty", "--no-extract")
    said = house.evidence("ingest", tmp_path / "a.txt", "--case", CODE, *words, person="giver")
    assert said.code == 0, said.err
    return said.lines[0]["exhibit"]


def ask(house: House, number: str, *words: str, recipient: str = "Tribunal") -> str:
    asked = ("consent", "ask", number, "--recipient", recipient, *words, "--motive", "the trial")
    said = house.evidence(*asked, person="prosecutor")
    assert said.code == 0, said.err
    return said.lines[0]["consent"]


def answer(house: House, word: str, consent: str, *words: str, person: str = "their head"):
    return house.evidence("consent", word, consent, *words, "--motive", "agreed", person=person)


def export(house: House, number: str, place, *words: str):
    more = words or (*COURT, "--assured", "death-penalty")
    return house.evidence("export", number, "--case", CODE, "--out", place, *more)


def read(house: House, number: str, person: str):
    out = house.data.parent / f"out-{house.repo.random(4).hex()}"
    words = ("retrieve", number, "--out", out, "--purpose", "analysis")
    return house.evidence(*words, person=person)


def reasons(house: House) -> list[str]:
    return house.last("access_denied")["reasons"]


# --- conditions from the first


def test_what_is_handed_in_under_conditions_has_them_and_their_owner_before_its_first_exhibit(
    house, number
):
    submission = house.evidence("show", number).lines[0]["submission"]
    [found] = house.evidence("mark", submission, person="giver").lines
    assert (found["handling"], found["owner"]) == ("H2", "NCB")
    entries = [e.fields for e in house.entries()]
    types = [e["type"] for e in entries]
    last = len(types) - 1 - types[::-1].index("registration")
    before = [e for e in entries[:last] if e["type"] == "handling_change"][-1]
    assert before["handling"]["handling"] == "H2"
    assert before["handling"]["version"].startswith("sha256:")
    assert "NCB" not in json.dumps(before)  # an institution is not named in the clear
    # The provider tightens its own; it loosens nothing alone.
    words = ("mark", submission, "--motive", "m")
    assert house.evidence(*words, "--lead-only", person="giver").code == 0
    assert house.evidence(*words, "--handling", "none", person="giver").lines[0]["approval"]


def test_each_access_says_under_which_version_of_the_conditions_it_was(house, number):
    assert read(house, number, "analyst").code == 0
    [version] = [e for e in _of(house, number) if e["outcome"] == "started"][-1]["handling"][
        "versions"
    ]
    assert house.evidence("mark", number, "--tlp", "AMBER", "--motive", "m").code == 0
    assert read(house, number, "analyst").code == 0
    later = [e for e in _of(house, number) if e["outcome"] == "started"][-1]["handling"]
    assert later["versions"][0] == version
    assert len(later["versions"]) == 2
    assert later["tlp"] == "AMBER"


def _of(house: House, number: str) -> list[dict]:
    found = [e.fields for e in house.entries() if e.fields["type"] == "retrieval"]
    return [e for e in found if e["exhibit"]["number"] == number]


# --- the queue


def test_sharing_waits_for_the_owners_answer_and_is_printed_on_the_report(house, number, tmp_path):
    assert export(house, number, tmp_path / "x").code == 4
    assert reasons(house) == ["handling-h2", "owner-consent"]
    consent = ask(house, number, "--purpose", "court")
    assert ask(house, number, "--purpose", "court") == consent  # it is asked already
    [waits] = [
        one
        for one in house.evidence("consent", "list", person="giver").lines
        if one["consent"] == consent
    ]
    assert (waits["state"], waits["answers"], waits["subjects"]) == ("requested", "NCB", [number])
    for stranger in ("prosecutor", "second", "their analyst", "tribunal"):
        assert answer(house, "give", consent, person=stranger).code in (2, 4)
    assert house.evidence("consent", "give", consent, "--motive", "", person="giver").code == 2
    assert reasons(house) == ["motive-required"]
    assert answer(house, "give", consent).lines[0]["state"] == "given"
    recorded = house.last("consent_recorded")
    assert recorded["exhibit"]["number"] == number
    assert answer(house, "give", consent).code == 2  # once
    assert export(house, number, tmp_path / "y", *COURT).code == 4
    assert reasons(house) == ["excluded-use"]  # its conditions stay
    said = export(house, number, tmp_path / "z")
    assert said.code == 0, said.err
    opening = house.last("report_generated")["handling"]
    assert (opening["handling"], opening["excluded_uses"]) == ("H2", ["death-penalty"])
    custody = json.loads((tmp_path / "z" / "custody.json").read_text())
    types = {json.loads(one["body"])["type"] for one in custody["entries"]}
    assert "consent_recorded" in types
    assert b"death-penalty" in (tmp_path / "z" / "custody.json").read_bytes()


def test_a_refusal_keeps_it(house, number, tmp_path):
    consent = ask(house, number)
    assert answer(house, "refuse", consent, person="giver").lines[0]["state"] == "refused"
    assert house.last("approval_refused")["attempted"] == "consent_recorded"
    assert export(house, number, tmp_path / "x").code == 4
    [seen] = [
        one
        for one in house.evidence("consent", "list", "--case", CODE, person="prosecutor").lines
        if one["consent"] == consent
    ]
    assert seen["state"] == "refused"


def test_a_consent_ends_when_it_was_to_end(house, number, tmp_path):
    soon = (house.repo.clock() + timedelta(days=1)).isoformat()
    later = (house.repo.clock() + timedelta(days=2)).isoformat()
    consent = ask(house, number, "--until", soon)
    assert answer(house, "give", consent, "--until", later).code == 2
    assert answer(house, "give", consent).code == 0
    assert export(house, number, tmp_path / "x").code == 0


def test_nobody_is_asked_where_nobody_owns(house, tmp_path):
    (tmp_path / "b.txt").write_bytes(b"ours")
    own = house.ingest(tmp_path / "b.txt")[0]["exhibit"]
    words = ("consent", "ask", own, "--recipient", "Tribunal", "--motive", "m")
    assert house.evidence(*words, person="prosecutor").code == 2
    words = ("consent", "ask", CODE, "--recipient", "Tribunal", "--motive", "m")
    assert house.evidence(*words, person="prosecutor").code == 2


# --- withdrawal


def test_a_withdrawal_counts_at_once_and_every_recipient_sees_it(house, number, tmp_path):
    party = ask(house, number, recipient="defence of A")
    court = ask(house, number)
    for consent in (party, court):
        assert answer(house, "give", consent).code == 0
    disclosed = ("disclose", number, "--to", "defence of A", "--assured", "death-penalty")
    assert house.evidence(*disclosed, person="prosecutor").code == 0
    assert read(house, number, "for A").code == 0
    assert read(house, number, "tribunal").code == 0
    for consent in (party, court):
        assert answer(house, "withdraw", consent, person="giver").lines[0]["state"] == "withdrawn"
    assert house.last("consent_withdrawn")["exhibit"]["number"] == number
    for person in ("for A", "tribunal"):
        assert read(house, number, person).code == 4
        assert "consent-withdrawn" in reasons(house)
        seen = house.evidence("consent", "list", "--received", person=person).lines
        assert "withdrawn" in {one.get("state") for one in seen}
    told = house.evidence("consent", "list", "--received", person="for A").lines
    assert {"exhibit": number, "withdrawn": True} in told
    assert export(house, number, tmp_path / "x").code == 4
    assert house.evidence(*disclosed, person="prosecutor").code == 4
    assert read(house, number, "analyst").code == 0  # the case itself is no recipient


def test_a_withdrawal_stops_an_export_that_is_under_way(house, number, tmp_path, monkeypatch):
    consent = ask(house, number)
    assert answer(house, "give", consent).code == 0
    original = exports.verified_whole

    def withdrawn_meanwhile(*given):
        yield from original(*given)
        if not done.is_set():
            done.set()
            assert answer(house, "withdraw", consent).code == 0

    for moment in ("while its bytes are read", "after the bag has its name"):
        done = threading.Event()
        with monkeypatch.context() as patch:
            if moment.startswith("while"):
                patch.setattr(exports, "verified_whole", withdrawn_meanwhile)
            else:
                consent = ask(house, number)
                assert answer(house, "give", consent).code == 0
                finish = FolderBag.finish

                def named(bag, *, info, finish=finish, consent=consent):
                    found = finish(bag, info=info)
                    assert answer(house, "withdraw", consent).code == 0
                    return found

                patch.setattr(FolderBag, "finish", named)
            place = tmp_path / "bundle"
            said = export(house, number, place)
        assert said.code == 4, (moment, said.err)
        assert "may leave no more" in said.err
        assert not place.exists()
        assert not list(tmp_path.glob(".bundle*"))
        closing = [e.fields for e in house.entries()][-2:]
        assert [(e["type"], e["outcome"], e["reason"]) for e in closing] == [
            ("dissemination", "aborted", "release-ended"),
            ("report_generated", "aborted", "release-ended"),
        ]


def test_a_withdrawal_between_deciding_and_reading_lets_no_byte_out(house, number):
    reading = retrieve(house.repo, house.caller("analyst"), number, purpose="analysis")
    assert house.evidence("mark", number, "--withdrawn", "--motive", "m").code == 0
    with pytest.raises(AccessDenied):
        next(iter(reading))
    closing = house.last("retrieval")
    assert (closing["outcome"], closing["reason"], closing["ranges"]) == (
        "aborted", "access-ended", [],
    )  # fmt: skip


def fetching(house: House, number: str):
    """Return a finished export that is being fetched, of which nothing has left yet."""
    assert answer(house, "give", ask(house, number)).code == 0
    caller = house.caller("prosecutor")
    row = bundles.ask(
        house.repo, caller, CODE, numbers=[number], purpose="court", recipient="Tribunal",
        assured=["death-penalty"],
    )  # fmt: skip
    bundles.make(house.repo, row.id)
    return row.id, hand_out(house.repo, caller, row.id, None)


def withdraw_all(house: House, number: str) -> None:
    for one in house.evidence("consent", "list", person="giver").lines:
        if one["state"] == "given" and one["subjects"] == [number]:
            assert answer(house, "withdraw", one["consent"], person="giver").code == 0


@pytest.mark.parametrize("when", ["before its first byte", "while its own files leave"])
def test_a_withdrawal_stops_the_fetching_of_a_finished_export(house, number, when):
    name, found = fetching(house, number)
    blocks, got = iter(found), []
    if when.startswith("while"):
        got.append(next(blocks))  # report and entries, which tell of the exhibit too
    withdraw_all(house, number)
    at = house.repo.ledger.size()
    with pytest.raises(AccessDenied, match="may leave no more"):
        got.extend(blocks)
    sent = sum(map(len, got))
    [head] = [part for part in found.parts if part.exhibit and not part.number]
    assert sent == (head.start if got else 0)  # not even the name of the exhibit left after it
    closing = [e.fields for e in house.repo.ledger.entries(at)]
    assert [(e["type"], e["outcome"], e["reason"]) for e in closing] == [
        ("dissemination", "aborted", "access-ended"), ("consultation", "aborted", "access-ended"),
    ]  # fmt: skip
    assert closing[1]["ranges"] == ([[0, sent - 1]] if got else [])
    with pytest.raises(AccessDenied):
        hand_out(house.repo, house.caller("prosecutor"), name, None)
    assert "owner-consent" in reasons(house)


def test_a_withdrawal_while_bytes_are_read_stops_release_and_receipt(house, number, monkeypatch):
    repo, prosecutor = house.repo, house.caller("prosecutor")
    giving = {"to": "Tribunal", "purpose": "sharing", "assured": ("death-penalty",)}
    original = transfers.verified_bytes

    def withdrawn_meanwhile(*given):
        yield from original(*given)
        withdraw_all(house, number)

    assert answer(house, "give", ask(house, number)).code == 0
    at = house.repo.ledger.size()
    with monkeypatch.context() as patch:
        patch.setattr(transfers, "verified_bytes", withdrawn_meanwhile)
        with pytest.raises(ReleaseEnded):
            transfers.release(repo, prosecutor, [number], **giving)
    refused = house.last("access_denied")
    assert (refused["attempted"], refused["reasons"]) == ("transfer_released", ["release-ended"])
    assert "transfer_released/done" not in house.types()[at:]

    assert answer(house, "give", ask(house, number)).code == 0
    [one] = transfers.release(repo, prosecutor, [number], **giving)
    with monkeypatch.context() as patch:
        patch.setattr(transfers, "verified_bytes", withdrawn_meanwhile)
        with pytest.raises(ReleaseEnded):
            transfers.receive(repo, house.caller("tribunal"), one.row.id)
    ended = house.last("transfer_received")
    assert (ended["outcome"], ended["reason"]) == ("aborted", "release-ended")
    with pytest.raises(UnknownTransfer):  # and it is not received later
        transfers.receive(repo, house.caller("tribunal"), one.row.id)
    assert "owner-consent" in reasons(house)
    [state] = [
        row.row.state
        for row in released(repo, house.caller("tribunal"), None)
        if row.row.id == one.row.id
    ]
    assert state == "provided"  # begun, and not received: it waits to be taken back
    told = house.evidence("consent", "list", "--received", person="tribunal").lines
    assert {"exhibit": number, "withdrawn": True} in told
    [back] = transfers.withdraw(repo, prosecutor, one.row.id, motive="the owner withdrew")
    assert back.row.state == "dropped"


def test_who_takes_part_as_a_partner_sees_the_end_of_a_consent_to_any_partner(house, number):
    consent = ask(house, number, recipient="partners")
    assert answer(house, "give", consent).code == 0
    assert answer(house, "withdraw", consent).code == 0
    seen = house.evidence("consent", "list", "--received", person="tribunal").lines
    assert ("partners", "withdrawn") in {(one.get("recipient"), one.get("state")) for one in seen}
    seen = house.evidence("consent", "list", "--received", person="for A").lines
    assert "partners" not in {one.get("recipient") for one in seen}


# --- several owners


def test_of_several_owners_each_is_asked_and_none_speaks_for_another(house, number, tmp_path):
    words = ("mark", number, "--owner", "NCB; Heir", "--motive", "as it was given there")
    assert house.evidence(*words).code == 0
    said = house.evidence(
        "consent", "ask", number, "--recipient", "Tribunal", "--motive", "m", person="prosecutor"
    )
    asked = {one["owner"]: one["consent"] for one in said.lines}
    assert set(asked) == {"NCB", "Heir"}
    assert answer(house, "give", asked["NCB"]).code == 0
    assert export(house, number, tmp_path / "x").code == 4
    assert "owner-consent" in reasons(house)
    assert answer(house, "give", asked["Heir"], person="their head").code in (2, 4)
    assert answer(house, "give", asked["Heir"], person="heir").code == 0
    said = export(house, number, tmp_path / "y")
    assert said.code == 0, said.err
    assert answer(house, "withdraw", asked["Heir"], person="heir").code == 0  # one is enough
    assert export(house, number, tmp_path / "z").code == 4
    # One of two owners is not taken away without a second person; a further one comes at once.
    words = ("mark", number, "--motive", "m", "--owner")
    assert house.evidence(*words, "NCB").lines[0]["approval"]
    assert house.evidence(*words, "NCB; Heir; Third").lines[0]["approval"] is None


# --- who the recipient is, what was meant, and who left


def test_an_assurance_is_not_enough_where_the_recipients_jurisdiction_is_on_record(
    house, number, tmp_path
):
    new_organisation(house.repo, house.custodian, name="Ministry", kind="other", country="XX")
    words = ("organisation", "uses", "Ministry", "--use", "death-penalty", "--motive")
    assert house.evidence(*words, "").code == 2
    assert house.evidence(*words, "its code, art. 1").code == 0
    loose = ("mark", number, "--consent", "partners", "--motive", "m")
    name = house.evidence(*loose).lines[0]["approval"]
    assert house.evidence("approval", "give", name, "--motive", "m", person="second").code == 0
    to = ("--purpose", "sharing", "--recipient", "Ministry", "--assured", "death-penalty")
    assert export(house, number, tmp_path / "x", *to).code == 4
    assert "excluded-use-recipient" in reasons(house)
    consent = ask(house, number, recipient="Ministry")
    assert answer(house, "give", consent).code == 0
    assert export(house, number, tmp_path / "x", *to).code == 0


def test_conditions_that_contradict_each_other_are_held_and_shown(house, tmp_path):
    asking = house.caller("second")
    row, _ = open_submission(
        house.repo, asking.actor(), house.case, Declaration(Purpose("analysis", "")),
        sources=[b"held"], marking=Marking(handling="H2", tlp="CLEAR"),
    )  # fmt: skip
    (tmp_path / "c.txt").write_bytes(b"held")
    words = ("ingest", tmp_path / "c.txt", "--case", CODE, "--submission", row.id, "--no-extract")
    number = house.evidence(*words, person="second").lines[0]["exhibit"]
    assert export(house, number, tmp_path / "x").code == 4
    assert "conditions-contradict" in reasons(house)
    held = house.evidence("consent", "held").lines
    assert row.id in {one["subject"] for one in held}
    assert house.evidence("consent", "held", person="prosecutor").code == 4
    _, waits = mark(house.repo, asking, row.id, Marking(handling="H2"), motive="H2 is meant")
    if waits is not None:
        words = ("approval", "give", waits.id, "--motive", "m")
        assert house.evidence(*words).code == 0
    assert row.id not in {one["subject"] for one in house.evidence("consent", "held").lines}


def test_an_institution_that_leaves_keeps_its_conditions_and_loses_its_access(
    house, number, tmp_path
):
    """The last test of this module: the institution is gone after it."""
    waits = ask(house, number)
    repo = house.repo
    joined = {"contact": "desk", "mode": "both", "motive": "m"}
    parties.join(repo, house.caller(login()), "NCB", **joined)
    (tmp_path / "free.txt").write_bytes(repo.random(32))
    free = house.ingest(tmp_path / "free.txt")[0]["exhibit"]
    sent = house.evidence("transfer", "release", free, "--to", "NCB", "--purpose", "sharing")
    assert sent.code == 0, sent.err
    end = ("organisation", "end", "NCB", "--motive")
    assert house.evidence(*end, "").code == 2
    assert house.evidence(*end, "left", person="prosecutor").code == 4
    left = house.evidence(*end, "left")
    assert (left.code, left.lines[0]["questions"], left.lines[0]["transfers"]) == (0, 1, 1)
    ended = [e.fields for e in house.entries() if e.fields.get("reason") == "organisation-ended"]
    assert [e["type"] for e in ended] == ["access_revocation"]
    # Nothing of it is matched any more, nothing more goes there, and nobody joins it.
    assert "match-left" in [e.fields.get("reason") for e in house.entries()]
    with repo.database.reading() as session:
        assert "NCB" not in parties.active(session)
    for words in (
        ("transfer", "release", free, "--to", "NCB", "--purpose", "sharing"),
        ("person", "new", "late", "--role", "analyst", "--organisation", "NCB"),
        ("match", "join", "NCB", "--contact", "c", "--motive", "m"),
    ):
        assert house.evidence(*words).code in (2, 4), words
    to = ("--purpose", "sharing", "--recipient", "NCB")
    assert export(house, free, tmp_path / "there", *to).code == 4
    assert reasons(house) == ["recipient-left"]
    # What was released to it waits, is seen to wait, and is taken back.
    name = sent.lines[0]["transfer"]
    assert house.evidence("transfer", "receive", name, person="their head").code == 2
    [row] = [one for one in house.evidence("transfer", "list", "--case", CODE).lines
             if one["transfer"] == name]  # fmt: skip
    assert row["state"] == "released"
    assert house.evidence("transfer", "withdraw", name, "--motive", "it left").code == 0
    assert house.evidence("show", number, person="giver").code == 2
    assert reasons(house) == ["person-ended"]
    assert answer(house, "give", waits).code == 2  # nobody is left to answer
    assert export(house, number, tmp_path / "x").code == 4
    assert "owner-consent" in reasons(house)
    [held] = [
        one
        for one in house.evidence("consent", "list", "--case", CODE).lines
        if one["consent"] == waits
    ]
    assert (held["state"], held["answers"]) == ("requested", None)
    assert house.evidence(*end, "m", "--successor", "Nobody").code == 2
    assert house.evidence(*end, "treaty of 2026", "--successor", "Heir").code == 0
    assert house.last("configuration_change")["reason"] == "organisation-successor"
    [falls] = [
        one
        for one in house.evidence("consent", "list", person="heir").lines
        if one["consent"] == waits
    ]
    assert falls["answers"] == "Heir"
    assert answer(house, "give", waits, person="heir").code == 0
    assert export(house, number, tmp_path / "x").code == 0


def test_a_ring_of_successors_answers_nothing(house):
    repo, custodian = house.repo, house.custodian
    for name in ("R1", "R2"):
        new_organisation(repo, custodian, name=name, kind="other")
    assert house.evidence(
        "organisation", "end", "R1", "--successor", "R2", "--motive", "m"
    ).code == 0  # fmt: skip
    words = ("organisation", "end", "R2", "--successor", "R1", "--motive", "m")
    assert house.evidence(*words).code == 2
    assert house.evidence("organisation", "end", "R2", "--motive", "m").code == 0
    with repo.database.reading() as session:
        assert answering(session, "R1") is None


def test_what_a_report_says_of_its_handling_is_the_strictest_of_all_with_the_excluded_uses():
    markings = [
        Marking(handling="H1", owner="NCB"), Marking(tlp="AMBER"),
        Marking(handling="H2", excluded_uses=("death-penalty",)),
    ]  # fmt: skip
    assured = Purpose("court", "", assured=("death-penalty",))
    assert marking_words(markings, assured) == (
        "H2; TLP:AMBER; excluded uses: death-penalty (ruled out in writing: death-penalty); "
        "owner: NCB"
    )
    assert marking_words([Marking()], assured) is None
