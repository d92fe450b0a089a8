"""The vault of identities: a name is nowhere but there, two persons reveal it, two erase it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app
from custody.entry import Act
from repository import identities
from repository.approvals import request
from repository.authorise import Caller
from repository.errors import (
    AccessDenied,
    BadRequest,
    Erased,
    IntegrityError,
    KeyUnavailable,
    UnknownIdentity,
)
from repository.identities import KINDS, Person
from repository.naming import is_codename
from repository.people import grant, new_person, new_token
from repository.rules import Identity
from repository.vault import vault_key_uri, vault_passphrase_file
from repository.wrapping import open_wrapper
from tests.house import CODE, House, reopen, run
from tests.plaintext import finds

NAME = "Wilhelmina Ångström-Ó Súilleabháin"
SECRETS = [NAME.encode(), json.dumps(NAME)[1:-1].encode(), b"+31 6 1234 5678"]
WHO = Person(NAME, "+31 6 1234 5678", "speaks to nobody but the investigator")


@pytest.fixture
def codename(house) -> str:
    return identities.add(house.repo, house.caller("investigator"), CODE, "source", WHO).codename


@pytest.fixture
def second(house) -> str:
    """A second custodian."""
    return new_person(house.repo, house.custodian, name="second", role="custodian").name


def ask(house: House, codename: str, what: str = "ask", person: str = "investigator") -> str:
    said = house.evidence("identity", what, codename, "--motive", "the hearing", person=person)
    assert said.code == 0, said.err
    return said.lines[0]["approval"]


def give(house: House, approval: str, person: str):
    return house.evidence("approval", "give", approval, "--motive", "as asked", person=person)


def shown(house: House, codename: str, person: str = "investigator"):
    return house.evidence("identity", "reveal", codename, "--motive", "hearing", person=person)


def row_of(house: House, codename: str) -> Identity:
    with house.repo.database.reading() as session:
        [found] = [r for r in session.query(Identity).all() if r.codename == codename]
        return found


# --- nowhere but in the vault


def test_a_name_is_in_no_entry_no_dump_no_object_and_no_file(house, codename, files):
    assert is_codename(codename)
    house.ingest(files / "a.txt", source=codename)
    assert finds(house.repo, SECRETS, house.data) == []
    entry = house.last("person_registered")
    assert entry["reason"] == "protected"
    assert entry["outputs"] == [row_of(house, codename).commitment]


def test_a_name_that_comes_over_http_is_nowhere_either(house):
    person = house.caller("investigator").person
    _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
    client = create_app(house.repo).test_client()
    answer = client.post(
        f"/api/v1/cases/{CODE}/identities",
        json={"kind": "witness", "name": NAME, "contact": "+31 6 1234 5678"},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
    )
    assert answer.status_code == 201
    assert NAME not in answer.text
    assert finds(house.repo, SECRETS, house.data) == []


def test_the_length_of_what_is_sealed_tells_nothing(house):
    who = house.caller("investigator")
    names = ["A", "Bo", "C" * 500, "Ž" * 200]
    added = [
        identities.add(house.repo, who, CODE, kind, Person(name))
        for kind, name in zip(KINDS, names, strict=True)
    ]
    assert len({len(row.sealed) for row in added}) == 1


def test_the_evidence_key_and_its_passphrase_do_not_open_the_vault(house, codename):
    row = row_of(house, codename)
    with pytest.raises(KeyUnavailable):
        house.repo.kek.first().unwrap(bytes(row.wrapped))
    evidence = (house.data / "secrets" / "passphrase").read_bytes().strip()
    with pytest.raises(KeyUnavailable):
        open_wrapper(vault_key_uri(house.repo.settings), passphrase=evidence)


def test_a_machine_without_the_vaults_key_does_all_else_and_says_so(house, codename, second, files):
    give(house, ask(house, codename), second)
    vault_passphrase_file(house.repo.settings).rename(house.data.parent / "elsewhere")
    assert house.ingest(files / "a.txt")[0]["exhibit"]
    before = house.repo.ledger.size()
    said = shown(house, codename)
    assert (said.code, "evidence identity key" in said.err) == (3, True)
    assert [e for e in house.types()[before:] if e.startswith("identity_revealed")] == []


def test_a_repository_of_before_has_its_key_made_on_the_command_line(house):
    (house.data / "keys" / "identities.json").unlink()
    vault_passphrase_file(house.repo.settings).unlink()
    assert house.evidence("identity", "key", person="investigator").code == 4
    assert house.evidence("identity", "key").code == 0
    identities.add(house.repo, house.caller("investigator"), CODE, "source", WHO)


# --- two persons


def test_nobody_is_told_before_a_second_person_agreed_and_the_refusal_is_recorded(house, codename):
    assert shown(house, codename).code == 4
    assert house.last("access_denied")["reasons"] == ["not-permitted"]
    approval = ask(house, codename)
    assert shown(house, codename).code == 4
    assert give(house, approval, "investigator").code == 4  # no custodian
    assert shown(house, codename).code == 4


def test_the_asker_alone_is_told_each_time_is_an_entry_and_it_ends(house, codename, second):
    approval = ask(house, codename)
    assert give(house, approval, second).code == 0
    said = shown(house, codename)
    assert said.lines == [
        {"codename": codename, "name": NAME, "contact": WHO.contact, "note": WHO.note}
    ]
    entry = house.last("identity_revealed")
    assert entry["inputs"] == [row_of(house, codename).commitment]
    assert NAME not in json.dumps(entry)
    assert shown(house, codename, "prosecutor").code == 4
    assert shown(house, codename, second).code == 4
    later = replace(house.repo, clock=lambda: house.repo.clock() + timedelta(hours=25))
    with pytest.raises(AccessDenied):
        identities.reveal(later, house.caller("investigator"), codename, motive="m")
    assert finds(house.repo, SECRETS, house.data) == []


def test_who_asks_under_a_second_account_decides_nothing(house, codename):
    first = new_person(house.repo, house.custodian, name="first", role="custodian")
    new_person(house.repo, house.custodian, name="again", role="custodian", same_as=first)
    approval = ask(house, codename, person="first")
    assert give(house, approval, "again").code == 4
    assert house.last("access_denied")["reasons"] == ["same-person"]
    assert shown(house, codename, "first").code == 4


@pytest.mark.parametrize("role", ["administrator", "auditor", "submitter", "counsel", "partner"])
def test_whoever_has_no_business_with_names_is_told_nothing(house, codename, role):
    person = new_person(house.repo, house.custodian, name=role, role=role)
    if role != "administrator":
        party = "defence" if role == "counsel" else None
        grant(house.repo, house.custodian, case=house.case, person=person, role=role, party=party)
    for words in (
        ("list", "--case", CODE), ("ask", codename, "--motive", "m"),
        ("reveal", codename, "--motive", "m"), ("erase", codename, "--motive", "m"),
    ):  # fmt: skip
        before = house.repo.ledger.size()
        said = house.evidence("identity", *words, person=role)
        assert said.code in (2, 4)
        assert NAME not in said.out + said.err
        assert "access_denied/refused" in house.types()[before:]


def test_a_codename_that_is_not_known_and_one_of_another_case_answer_alike(house, codename):
    stranger: Caller = house.caller("stranger")
    for name in (codename, "ID-0000-0000"):
        with pytest.raises(UnknownIdentity) as found:
            identities.reveal(house.repo, stranger, name, motive="m")
        assert str(found.value) == f"there is no codename {name} that you may know of"


# --- erasure


def test_an_erasure_takes_two_persons_and_leaves_the_codename(house, codename, second):
    assert give(house, ask(house, codename), second).code == 0
    row = row_of(house, codename)
    gone = [bytes(row.wrapped), bytes(row.sealed)[:64]]
    approval = ask(house, codename, "erase")
    assert shown(house, codename).code == 0  # nothing is destroyed yet
    assert give(house, approval, second).code == 0
    assert house.last("erasure")["reason"] == "identity"
    with pytest.raises(Erased):
        identities.reveal(house.repo, house.caller("investigator"), codename, motive="m")
    listed = house.evidence("identity", "list", "--case", CODE, person="investigator").lines
    assert [(one["codename"], one["erased_at"] is None) for one in listed] == [(codename, False)]
    assert finds(house.repo, [*SECRETS, *gone], house.data) == []
    assert house.evidence("verify").code == 0


@pytest.mark.sqlite_only("it brings a copy of the file back")
def test_a_restored_database_does_not_bring_an_erased_identity_back(house, codename, second):
    copy = house.data.parent / "backup.db"
    with closing(sqlite3.connect(house.data / "evidence.db")) as live:
        with closing(sqlite3.connect(copy)) as kept:
            live.backup(kept)
    row = row_of(house, codename)
    gone = [bytes(row.wrapped), bytes(row.sealed)[:64]]
    assert give(house, ask(house, codename, "erase"), second).code == 0
    house.repo.close()
    for name in ("evidence.db-wal", "evidence.db-shm"):
        (house.data / name).unlink(missing_ok=True)
    copy.replace(house.data / "evidence.db")
    house.repo = reopen(house.repo.settings)
    assert row_of(house, codename).wrapped is not None  # the restored one knows nothing of it
    said = house.evidence("ledger", "rebuild")
    assert said.code == 0, said.err
    assert row_of(house, codename).wrapped is None
    assert finds(house.repo, [*SECRETS, *gone], house.data) == []


# --- bad input


@pytest.mark.parametrize(
    ("kind", "person"),
    [
        ("friend", Person("N")), ("source", Person("")), ("source", Person(" ")),
        ("source", Person("N" * 2_001)), ("source", Person("N", "")),
        ("source", Person("N", None, "x" * 2_001)),
    ],
)  # fmt: skip
def test_what_is_no_identity_is_not_kept(house, kind, person):
    before = house.repo.ledger.size()
    with pytest.raises(BadRequest):
        identities.add(house.repo, house.caller("investigator"), CODE, kind, person)
    assert house.repo.ledger.size() == before


@pytest.mark.parametrize("text", [b"", b"[]", b'{"name": 1}', b'{"surname": "x"}', b"\xff"])
def test_a_file_that_holds_no_identity_is_refused(house, text):
    words = ["--data", house.data, "--as", "investigator", "identity", "add"]
    said = run(*words, "--case", CODE, "--kind", "source", "--file", "-", stdin=text)
    assert (said.code, "Traceback" in said.err) == (2, False)


def test_a_name_is_read_from_standard_input_and_not_repeated(house):
    words = ["--data", house.data, "--json", "--as", "investigator", "identity", "add"]
    text = json.dumps({"name": NAME, "note": "\u202e naughty \u0001"}).encode()
    said = run(*words, "--case", CODE, "--kind", "victim", "--file", "-", stdin=text)
    assert said.code == 0, said.err
    assert NAME not in said.out + said.err
    assert finds(house.repo, SECRETS, house.data) == []


def test_a_row_that_was_exchanged_is_noticed(house, codename, second):
    other = identities.add(house.repo, house.caller("investigator"), CODE, "source", Person("B"))
    give(house, ask(house, codename), second)
    with house.repo.database.writing() as session:
        mine = session.get_one(Identity, row_of(house, codename).id)
        mine.sealed, mine.wrapped = other.sealed, other.wrapped
        mine.commitment = other.commitment
    with pytest.raises(IntegrityError):
        identities.reveal(house.repo, house.caller("investigator"), codename, motive="m")


def test_an_identity_is_not_unsealed_but_revealed(house, codename):
    who = house.caller("investigator")
    with pytest.raises(BadRequest):
        request(house.repo, who, Act.UNSEALING, codename, motive="m", hours=1)
