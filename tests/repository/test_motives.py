"""An act that takes a motive is refused without one, and the refusal is on record: each alike."""

import pytest

from api.commands.context import login
from custody.entry import Act
from ingest import bundles, quarantine
from repository import identities
from repository.counterparts import pin, unpin
from repository.errors import BadRequest
from repository.identities import Person
from repository.matching import parties
from repository.matching.key import rotate
from repository.people import new_person
from repository.transfers import release, turn_down, withdraw
from tests.house import CODE, House
from tests.one_house import one_house

EMPTY = ("", "  \n", "x" * 2_001)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        new_person(house.repo, house.custodian, name="clerk", role="partner", organisation="Court")
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def released(house, tmp_path):
    (tmp_path / "a").write_bytes(house.repo.random(16))
    [line] = house.ingest(tmp_path / "a")
    me = house.caller(login())
    [one] = release(house.repo, me, [line["exhibit"]], to="Court", purpose="sharing")
    return one.row.id


def refused(house: House, attempted: Act, act) -> None:
    """See that an act is refused for want of a motive, once for each that says nothing."""
    for motive in EMPTY:
        before = house.repo.ledger.size()
        with pytest.raises(BadRequest, match="state a motive"):
            act(motive)
        [entry] = list(house.repo.ledger.entries(before))
        found = entry.fields
        assert (found["type"], found["attempted"], found["reasons"]) == (
            "access_denied", str(attempted), ["motive-required"],
        )  # fmt: skip


def test_answers_to_a_transfer(house, released):
    repo, me, clerk = house.repo, house.caller(login()), house.caller("clerk")
    refused(house, Act.TRANSFER_REFUSED, lambda m: turn_down(repo, clerk, released, motive=m))
    refused(house, Act.TRANSFER_RELEASED, lambda m: withdraw(repo, me, released, motive=m))


def test_keys_of_other_installations(house):
    repo, me, key = house.repo, house.caller(login()), str(house.repo.ledger.key)
    attempted = Act.CONFIGURATION_CHANGE
    refused(house, attempted, lambda m: pin(repo, me, "Court", key, motive=m))
    refused(house, attempted, lambda m: unpin(repo, me, key, motive=m))


def test_taking_part_in_matching(house):
    repo, me = house.repo, house.caller(login())
    joined = {"contact": "desk", "mode": "both"}
    attempted = Act.CONFIGURATION_CHANGE
    refused(house, attempted, lambda m: parties.join(repo, me, "Court", **joined, motive=m))
    refused(house, attempted, lambda m: parties.leave(repo, me, "Court", motive=m))
    refused(house, attempted, lambda m: rotate(repo, me, motive=m))


def test_institutions_and_people_that_end(house):
    commands = ("organisation", "end", "Court"), ("person", "end", "clerk")
    for words in commands:
        said = house.evidence(*words, "--motive", " ")
        assert (said.code, "state a motive" in said.err) == (2, True)
        denied = house.last("access_denied")
        assert (denied["attempted"], denied["reasons"]) == (
            "access_revocation", ["motive-required"],
        )  # fmt: skip


def test_quarantine_a_bundle_and_a_submission(house, tmp_path):
    repo, me = house.repo, house.caller(login())
    for act, attempted in (
        (quarantine.release, Act.APPROVAL_GIVEN), (quarantine.reject, Act.APPROVAL_REFUSED),
    ):  # fmt: skip
        refused(house, attempted, lambda m, act=act: act(repo, me.actor(), "QUA-1", motive=m))
    refused(
        house, Act.TRANSFER_REFUSED,
        lambda m: bundles.refuse_bundle(repo, me, CODE, tmp_path / "none", motive=m),
    )  # fmt: skip


def test_who_somebody_is(house):
    repo, me = house.repo, house.caller(login())
    said = house.evidence("identity", "key")
    assert said.code == 0, said.err
    row = identities.add(repo, house.caller("investigator"), CODE, "source", Person("N. N."))
    refused(
        house, Act.IDENTITY_REVEALED,
        lambda m: identities.reveal(repo, me, row.codename, motive=m),
    )  # fmt: skip
