"""Institutions that share and keep control, over HTTP, each from sign-in to result.

An NCB hands in under H2 and excluded uses, is asked, agrees and withdraws; an expert of the defence
reads what was disclosed to its party and nothing else; a custodian disposes under an order with a
second person, once no matter holds it any more. Each says which entries it leaves.
"""

from collections import Counter
from datetime import timedelta
from hashlib import sha256

import pytest

from repository.people import grant, new_person
from tests.desk import Desk, Desks
from tests.house import CODE, House
from tests.journeys.left import left
from tests.one_house import one_house

PEOPLE = (
    ("giver", "submitter", "NCB"), ("second", "custodian", None), ("third", "custodian", None),
    ("counsel of A", "counsel", None), ("expert of A", "expert", None),
    ("counsel of B", "counsel", None),
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        for name, role, organisation in PEOPLE:
            person = new_person(
                house.repo, house.custodian, name=name, role=role, organisation=organisation
            )
            party = f"defence of {name[-1]}" if role in ("counsel", "expert") else None
            if role != "custodian":
                grant(house.repo, house.custodian, case=house.case, person=person, role=role,
                      party=party)  # fmt: skip
        yield found


@pytest.fixture(scope="module")
def everybody(made) -> Desks:
    """Return the people of the house, each with a passkey registered by invitation."""
    desks = Desks(made.house)
    desks.register("investigator", "prosecutor", *(name for name, _, _ in PEOPLE))
    return desks


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def desks(everybody, house) -> Desks:
    return everybody


def take_in(desk: Desk, data: bytes, submission: str = "") -> str:
    more = f"&submission={submission}" if submission else ""
    digest = sha256(data).hexdigest()
    answer = desk.ask("POST", f"/exhibits?case={CODE}{more}", 201, data=data)
    assert answer["sha256"] == f"sha256:{digest}"
    return answer["exhibit"]


def test_an_ncb_hands_in_is_asked_agrees_and_withdraws(house, desks):
    start = house.repo.ledger.size()
    giver, prosecutor, counsel = (desks(n) for n in ("giver", "prosecutor", "counsel of A"))
    marking = {"handling": "H2", "excluded_uses": ["death-penalty"]}
    begun = giver.ask(
        "POST", "/submissions", 201, json={"case": CODE, "purpose": "sharing", "marking": marking}
    )
    data = house.repo.random(2_000)
    number = take_in(giver, data, begun["submission"])
    in_force = giver.ask("GET", f"/submissions/{begun['submission']}/marking", 200)
    assert (in_force["handling"], in_force["owner"]) == ("H2", "NCB")

    # Before trial: it may show innocence, and the provider forbids. The owner is asked at once.
    said = {"classification": "potentially-exculpatory", "rule": "67(2)", "motive": "read"}
    row = prosecutor.ask("PUT", f"/exhibits/{number}/register/{CODE}", 200, json=said)
    assert row["warning"] == "potentially exculpatory, provider forbids"
    share = {"party": "defence of A", "form": "copy"}
    assured = {"headers": {"Evidence-Assured": "death-penalty"}}
    where = f"/exhibits/{number}/disclosures"
    prosecutor.ask("POST", where, 403, purpose="disclosure", json=share, **assured)
    assert house.last("access_denied")["reasons"] == ["handling-h2", "owner-consent"]
    counsel.ask("GET", f"/exhibits/{number}/content", 404, purpose="defence")

    assert left("1 an NCB hands in under H2 and excluded uses", house, start) >= FIRST

    asked = house.repo.ledger.size()
    [waits] = giver.ask("GET", "/consents?state=requested", 200)["items"]
    assert (waits["subjects"], waits["recipient"]) == ([number], "defence")
    answer = f"/consents/{waits['consent']}/answer"
    prosecutor.ask("POST", answer, 404, json={"give": True, "motive": "m"})
    giver.ask("POST", answer, 400, json={"give": True, "motive": ""})
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    giver.ask("POST", answer, 200, json={"give": True, "motive": "for this trial"})
    prosecutor.ask("POST", where, 403, purpose="disclosure", json=share)  # nothing was assured
    assert house.last("access_denied")["reasons"] == ["excluded-use"]
    prosecutor.ask("POST", where, 201, purpose="disclosure", json=share, **assured)
    assert counsel.ask("GET", f"/exhibits/{number}/content", 200, purpose="defence") == data
    counsel.ask("POST", f"/exhibits/{number}/acknowledgement", 200, json={})

    withdraw = f"/consents/{waits['consent']}/withdraw"
    giver.ask("POST", withdraw, 200, json={"motive": "the source asks for it"})
    counsel.ask("GET", f"/exhibits/{number}/content", 403, purpose="defence")
    assert house.last("access_denied")["reasons"] == ["consent-withdrawn"]
    told = counsel.ask("GET", "/consents/received", 200)
    assert told["withdrawn"] == [number]
    assert [one["state"] for one in told["items"]] == ["withdrawn"]
    register = prosecutor.ask("GET", f"/cases/{CODE}/register", 200)
    [row] = [one for one in register["items"] if one["exhibit"] == number]
    assert (row["warning"] is None, bool(row["disclosed"])) == (False, True)

    assert left("3 consent is asked, given, used, withdrawn", house, asked) >= CONSENT


FIRST = Counter({
    "sign_in/done": 3, "submission/started": 1, "handling_change/done": 1, "registration/done": 1,
    "annotation/done": 1, "approval_requested/done": 1, "access_denied/refused": 2,
})  # fmt: skip
CONSENT = Counter({
    "consent_recorded/done": 1, "disclosure/done": 1, "retrieval/started": 1, "retrieval/done": 1,
    "receipt_acknowledged/done": 1, "consent_withdrawn/done": 1, "access_denied/refused": 4,
})  # fmt: skip


def test_an_expert_reads_what_was_disclosed_to_the_own_party_and_nothing_else(house, desks):
    investigator, prosecutor = desks("investigator"), desks("prosecutor")
    mine, theirs, kept = (take_in(investigator, house.repo.random(500 + n)) for n in range(3))
    for number, party in ((mine, "defence of A"), (theirs, "defence of B")):
        where = f"/exhibits/{number}/disclosures"
        prosecutor.ask("POST", where, 201, purpose="disclosure", json={"party": party})
    start = house.repo.ledger.size()
    expert, other = desks("expert of A"), desks("counsel of B")
    items = expert.ask("GET", f"/exhibits?case={CODE}", 200)["items"]
    seen = {one["exhibit"] for one in items}
    assert mine in seen
    assert not seen & {theirs, kept}
    expert.ask("GET", f"/exhibits/{mine}", 200)
    assert expert.ask("GET", f"/exhibits/{mine}/content", 200, purpose="defence")
    for number in (theirs, kept):
        for what in ("", "/content", "/custody", "/members", "/receipt", "/associations"):
            expert.ask("GET", f"/exhibits/{number}{what}", 404, purpose="defence")
    for path in (f"/cases/{CODE}", f"/cases/{CODE}/register", f"/cases/{CODE}/consents"):
        expert.ask("GET", path, 403)
    for path in ("/approvals", "/access-log", "/situations", "/conditions/held"):
        expert.ask("GET", path, 403)
    history = expert.ask("GET", f"/exhibits/{mine}/custody", 200)["items"]
    assert all("defence of B" not in str(one) for one in history)
    other.ask("GET", f"/exhibits/{mine}", 404)
    refused = [
        e.fields for e in house.repo.ledger.entries(start) if e.fields["type"] == "access_denied"
    ]
    assert len(refused) == 2 * 6 + 3 + 4 + 1  # each refusal is an entry
    read = left("5 an expert of the defence reads what was disclosed", house, start)
    assert read >= Counter({"sign_in/done": 2, "retrieval/started": 1, "retrieval/done": 1})


def test_a_custodian_disposes_under_an_order_with_a_second_person(house, desks):
    investigator, prosecutor = desks("investigator"), desks("prosecutor")
    number = take_in(investigator, house.repo.random(700))
    start = house.repo.ledger.size()
    second, third = desks("second"), desks("third")
    said = {"matter": "ICC-01/12", "authority": "order 7", "motive": "the trial goes on"}
    hold = prosecutor.ask("POST", f"/exhibits/{number}/holds", 201, json=said)
    digest = f"sha256:{sha256(b'the order').hexdigest()}"
    order = {"exhibit": number, "order": digest, "motive": "art. 5"}
    second.ask("POST", "/erasures", 409, json=order)
    assert house.last("access_denied")["reasons"] == ["on-hold"]
    release = f"/holds/{hold['hold']}/release"
    asked = prosecutor.ask("POST", release, 202, json={"motive": "the trial is over"})
    decision = f"/approvals/{asked['approval']}/decision"
    third.ask("POST", decision, 200, json={"approve": True, "motive": "agreed"})
    assert prosecutor.ask("GET", f"/exhibits/{number}/holds", 200)["free"] is True

    second.ask("POST", "/erasures", 400, json={**order, "motive": " "})
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    erasure = second.ask("POST", "/erasures", 201, json=order)["erasure"]
    decision = f"/erasures/{erasure}/decision"
    second.ask("POST", decision, 403, json={"approve": True, "motive": "m"})
    assert house.last("access_denied")["reasons"] == ["same-person"]
    final = {"approve": True, "motive": "order 9 is final"}
    desks.clock.ahead += timedelta(minutes=11)  # the order was read meanwhile
    stale = third.ask("POST", decision, 401, json=final)
    assert stale["type"].endswith("/step-up-required")
    assert house.last("access_denied")["reasons"] == ["step-up-required"]
    done = third.sign_in().ask("POST", decision, 200, json=final)
    assert done["state"] == "erased"
    second.ask("GET", f"/exhibits/{number}/content", 410, purpose="preservation")
    assert second.ask("GET", f"/exhibits/{number}", 200)["erased_at"]
    prosecutor.ask("POST", f"/exhibits/{number}/holds", 410, json=said)  # nothing is left to keep
    expected = {
        "sign_in/done": 3, "hold_placed/done": 1, "approval_requested/done": 1,
        "approval_given/done": 1, "hold_released/done": 2, "deletion_requested/done": 1,
        "deletion_approved/done": 1, "erasure/done": 1, "access_denied/refused": 4,
    }  # fmt: skip
    assert left("6 a custodian disposes under an order", house, start) >= Counter(expected)
