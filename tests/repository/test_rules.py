"""Rules of access on the command line: who may do what, markings, two persons, the access log."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from api.app import create_app
from custody.note import VerifierKey
from repository import erasure
from repository.access_log import COLUMNS, cell
from repository.approvals import MAX_HOURS
from repository.errors import AccessDenied, BadRequest, UnknownExhibit
from repository.people import find_person, new_person, new_token
from repository.retrieve import retrieve
from repository.rules import Approval
from tests.house import CODE, House, login


@pytest.fixture
def number(house, files):
    return house.ingest(files / "a.txt", source="K.")[0]["exhibit"]


@pytest.fixture
def other(house):
    """A second custodian."""
    return new_person(house.repo, house.custodian, name="second", role="custodian").name


def read(house: House, number: str, person: str, *words: str):
    purpose = () if "--purpose" in words else ("--purpose", "analysis")
    out = house.data.parent / f"out-{house.repo.random(4).hex()}"
    return house.evidence("retrieve", number, "--out", out, *purpose, *words, person=person)


def person(house: House, name: str, role: str, *words: str) -> str:
    said = house.evidence("person", "new", name, "--role", role, *words)
    assert said.code == 0, said.err
    return name


def granted(house: House, name: str, role: str, *words: str) -> str:
    person(house, name, role)
    assert house.evidence("case", "grant", CODE, name, role, *words).code == 0
    return name


def mark(house: House, subject: str, *words: str, person: str | None = None):
    return house.evidence("mark", subject, *words, "--motive", "as ordered", person=person)


# --- people


def test_organisations_have_a_kind_and_people_belong_to_them(house):
    assert house.evidence("organisation", "new", "Unit", "--kind", "national-unit").code == 0
    assert house.evidence("organisation", "new", "Unit", "--kind", "ngo").code == 2
    assert house.evidence("organisation", "new", "X", "--kind", "ministry").code == 2
    person(house, "N", "analyst", "--organisation", "New one")
    found = {
        one["organisation"]: one["kind"] for one in house.evidence("organisation", "list").lines
    }
    assert found == {"Unit": "national-unit", "New one": "unstated"}


def test_a_custodian_of_an_institution_has_its_cases_alone(house, number):
    person(house, "theirs", "custodian", "--organisation", "Tribunal")
    assert read(house, number, "theirs").code == 2
    said = house.evidence("case", "new", "TRIB", "--title", "T", person="theirs")
    assert said.code == 0, said.err
    assert [one["case"] for one in house.evidence("case", "list", person="theirs").lines] == [
        "TRIB"
    ]


def test_an_administrator_reads_neither_evidence_nor_log(house, number):
    person(house, "admin", "administrator")
    assert house.evidence("case", "grant", CODE, "admin", "administrator").code == 2
    assert house.evidence("case", "grant", CODE, "admin", "analyst").code == 0
    assert read(house, number, "admin").code == 2
    assert house.last("access_denied")["reasons"] == ["no-grant"]
    assert house.evidence("access-log", person="admin").code == 4
    assert house.evidence("store", "check", person="admin").code in (0, 3)


def test_what_a_person_may_do_ends_with_the_person_and_the_grant(house, number):
    assert read(house, number, "analyst").code == 0
    assert house.evidence("case", "revoke", CODE, "analyst", "analyst").code == 0
    assert read(house, number, "analyst").code == 2
    assert house.evidence("case", "grant", CODE, "analyst", "analyst").code == 0
    said = house.evidence("person", "end", "analyst", "--motive", "left")
    assert said.code == 0, said.err
    assert read(house, number, "analyst").code == 2
    assert house.last("access_denied")["reasons"] == ["person-ended"]
    assert house.last("access_revocation")["reason"] == "person-ended"


def test_a_person_removed_while_reading_gets_no_more(house, tmp_path):
    (tmp_path / "large").write_bytes(bytes(20 << 20))
    [line] = house.ingest(tmp_path / "large")
    blocks = iter(
        reading := retrieve(
            house.repo, house.caller("analyst"), line["exhibit"], purpose="analysis"
        )
    )
    next(blocks)
    assert house.evidence("person", "end", "analyst", "--motive", "left").code == 0
    with pytest.raises(AccessDenied):
        list(blocks)
    assert reading.sent == 16 << 20
    closing = house.last("retrieval")
    assert (closing["outcome"], closing["reason"]) == ("aborted", "access-ended")


def test_a_submitter_sees_the_own_submission_and_no_other(house, number, files):
    granted(house, "giver", "submitter")
    [line] = house.ingest(files / "empty", person="giver")
    assert house.evidence("show", line["exhibit"], person="giver").code == 0
    assert house.evidence("show", number, person="giver").code == 2
    assert house.last("access_denied")["reasons"] == ["not-own"]
    listed = house.evidence("list", "--case", CODE, person="giver").lines
    assert [one["exhibit"] for one in listed] == [line["exhibit"]]
    assert house.evidence("case", "show", CODE, person="giver").code == 4
    for words in (("show", line["exhibit"], "--custody"), ("show", line["exhibit"], "--facts")):
        assert house.evidence(*words, person="giver").code == 4
    assert read(house, line["exhibit"], "giver").code == 4


def test_a_party_reads_what_was_disclosed_to_it_and_the_other_side_does_not_see_it(house, number):
    granted(house, "for A", "counsel", "--party", "defence of A")
    granted(house, "for B", "counsel", "--party", "defence of B")
    assert house.evidence("case", "grant", CODE, "for A", "counsel").code == 2
    assert read(house, number, "for A").code == 2
    assert house.last("access_denied")["reasons"] == ["not-disclosed"]
    said = house.evidence("disclose", number, "--to", "defence of A", person="prosecutor")
    assert (said.code, said.lines[0]["acting"]) == (0, 1), said.err
    assert house.last("disclosure")["exhibit"]["number"] == number
    assert read(house, number, "for A").code == 0
    assert read(house, number, "for B").code == 2
    assert house.evidence("list", "--case", CODE, person="for B").lines == []
    assert len(house.evidence("list", "--case", CODE, person="for A").lines) == 1

    def roles(name):
        history = house.evidence("show", number, "--custody", person=name).lines
        return {json.loads(one["body"])["actor"]["role"] for one in history}

    assert "counsel" in roles("for A")
    assert "counsel" not in roles("prosecutor") | roles("investigator")
    disclosed = house.evidence("disclose", number, "--to", "defence of B", person="prosecutor")
    assert disclosed.code == 0
    seen = house.evidence("show", number, "--custody", person="for B").lines
    own = house.caller("for A").person.id
    assert own not in {json.loads(one["body"])["actor"]["id"] for one in seen}


def test_a_bundle_does_not_open_what_the_parties_looked_at(house, number, tmp_path):
    granted(house, "for A", "counsel", "--party", "defence of A")
    assert house.evidence("disclose", number, "--to", "defence of A").code == 0
    assert read(house, number, "for A").code == 0
    out = tmp_path / "bundle"
    said = house.evidence("export", "--case", CODE, "--out", out, "--purpose", "court")
    assert said.code == 0, said.err
    entries = json.loads((out / "custody.json").read_text())["entries"]
    theirs = [e for e in entries if json.loads(e["body"])["actor"]["role"] == "counsel"]
    assert theirs
    assert [e["openings"] for e in theirs] == [{}] * len(theirs)


# --- markings


def test_tightening_counts_at_once_and_is_an_entry(house, number):
    said = mark(house, number, "--handling", "H2", "--tlp", "AMBER", person="investigator")
    assert said.code == 0, said.err
    entry = house.last("handling_change")
    assert (entry["handling"]["handling"], entry["handling"]["tlp"]) == ("H2", "AMBER")
    [shown] = house.evidence("mark", number, person="analyst").lines
    assert (shown["handling"], shown["tlp"], shown["sealed"]) == ("H2", "AMBER", False)
    assert mark(house, number, "--tlp", "RED", person="analyst").code == 4  # may not mark
    assert mark(house, number, "--handling", "H3").code == 2  # its words are missing


def test_what_its_provider_asks_stops_an_export(house, number, tmp_path):
    assert mark(house, number, "--handling", "H1", "--exclude", "death-penalty").code == 0
    words = ("export", "--case", CODE, "--purpose", "court", "--out", tmp_path / "b")
    assert house.evidence(*words).code == 4
    assert house.last("access_denied")["reasons"] == ["handling-h1", "excluded-use"]
    assert not (tmp_path / "b").exists()
    assert house.evidence(*words, "--assured", "death-penalty").code == 4
    assert house.last("access_denied")["reasons"] == ["handling-h1"]


def test_an_excluded_use_is_refused_where_it_is_stated_and_an_assurance_is_on_record(house, number):
    assert mark(house, number, "--exclude", "immigration").code == 0
    assert read(house, number, "analyst", "--purpose", "immigration: a visa").code != 0
    assert house.last("access_denied")["reasons"] == ["excluded-use"]
    assert read(house, number, "analyst", "--purpose", "something new").code != 0
    assert read(house, number, "analyst").code == 0  # analysis
    words = ("--purpose", "something new", "--assured", "immigration")
    assert read(house, number, "analyst", *words).code == 0
    opened = house.repo.ledger.opened(house.entries()[-1])
    assert opened["purpose"] == {"code": "other", "text": "something new",
                                 "assured": ["immigration"]}  # fmt: skip
    disclosed = ("disclose", number, "--to", "defence")
    assert house.evidence(*disclosed, person="prosecutor").code != 0
    said = house.evidence(*disclosed, "--assured", "immigration", person="prosecutor")
    assert (said.code, said.lines[0]["acting"]) == (0, 0)  # perhaps it is misspelt


def test_an_authority_is_stated_and_recorded_where_one_is_required(house, number):
    assert mark(house, CODE, "--authority-required").code == 0
    assert read(house, number, "analyst").code == 4
    assert house.last("access_denied")["reasons"] == ["authority-required"]
    assert read(house, number, "analyst", "--authority", "warrant 7").code == 0
    log = house.evidence("access-log", "--person", "analyst").lines
    assert [one["authority"] for one in log][-1] == "warrant 7"


def test_sealed_looks_absent_to_everybody_who_is_not_named(house, number):
    assert mark(house, number, "--sealed", "--named", "analyst").code == 0
    assert house.last("sealing")["handling"]["named"] == 1
    assert read(house, number, "analyst").code == 0
    for name in ("investigator", "prosecutor"):
        absent = house.evidence("show", f"{CODE}-000099", person=name)
        sealed = house.evidence("show", number, person=name)
        assert sealed.err.replace(number, "N") == absent.err.replace(f"{CODE}-000099", "N")
        assert house.last("access_denied")["reasons"] == ["sealed"]
        assert house.evidence("list", "--case", CODE, person=name).lines == []
    assert house.evidence("show", number).code == 2  # a custodian is not named either


# --- two persons


def asked(said) -> str:
    assert said.code == 0, said.err
    return said.lines[0]["approval"]


def give(house: House, name: str, person: str | None):
    return house.evidence("approval", "give", name, "--motive", "agreed", person=person)


def test_loosening_waits_for_another_human_being(house, number, other):
    assert mark(house, number, "--sealed").code == 0
    name = asked(mark(house, number, "--not-sealed"))
    assert house.last("approval_requested")["attempted"] == "handling_change"
    assert give(house, name, None).code == 4  # who asked
    assert house.evidence("show", number, person="investigator").code == 2
    [waits] = house.evidence("approval", "list", person=other).lines
    assert (waits["approval"], waits["subject"], waits["motive"]) == (name, number, "as ordered")
    assert give(house, name, other).code == 0
    assert house.last("unsealing")["exhibit"]["number"] == number
    assert house.evidence("show", number, person="investigator").code == 0
    assert give(house, name, other).code == 2  # once


def test_two_accounts_of_one_identity_are_one_person(house, number, other):
    again = person(house, "again", "custodian", "--same-as", other)
    third = person(house, "third", "custodian")
    assert mark(house, number, "--tlp", "RED").code == 0
    name = asked(mark(house, number, "--tlp", "GREEN", person=other))
    for account in (other, again):
        assert give(house, name, account).code == 4
        assert house.last("access_denied")["reasons"] == ["same-person"]
    assert give(house, name, third).code == 0
    order = number, "--order", house.data / "config.toml", "--motive", "m"
    erase = house.evidence("erase", "request", *order, person=other).lines[0]["erasure"]
    assert house.evidence("erase", "approve", erase, "--motive", "m", person=again).code == 4
    assert house.last("access_denied")["reasons"] == ["same-person"]


def test_a_custodian_of_an_institution_neither_sees_nor_decides_what_is_anothers(
    house, number, other
):
    person(house, "theirs", "custodian", "--organisation", "Tribunal")
    repo, first = house.repo, house.caller(other)
    words = number, "--order", house.data / "config.toml", "--motive", "m"
    name = house.evidence("erase", "request", *words).lines[0]["erasure"]
    assert mark(house, number, "--tlp", "RED").code == 0
    waits = asked(mark(house, number, "--tlp", "none"))
    assert [one["erasure"] for one in house.evidence("erase", "list", person=other).lines] == [name]
    assert house.last("consultation")["reason"] == "erasure-list"
    assert len(house.evidence("approval", "list", person=other).lines) == 1
    for group in ("erase", "approval"):
        assert house.evidence(group, "list", person="theirs").lines == []
    assert house.evidence("erase", "request", *words, person="theirs").code == 2
    assert house.last("access_denied")["attempted"] == "deletion_requested"
    said = house.evidence("erase", "approve", name, "--motive", "m", person="theirs")
    assert said.code == 2
    assert house.last("access_denied")["attempted"] == "deletion_approved"
    assert give(house, waits, "theirs").code == 2
    for wrong in ("", "sha256:", f"sha256:{'A' * 64}", f"sha256:{sha256().hexdigest()}"):
        with pytest.raises(BadRequest):
            erasure.request(repo, first, number, order=wrong, motive="m")


def test_a_refusal_changes_nothing(house, number, other):
    assert mark(house, number, "--tlp", "RED").code == 0
    name = asked(mark(house, number, "--tlp", "none"))
    said = house.evidence("approval", "refuse", name, "--motive", "no", person=other)
    assert said.lines[0]["state"] == "refused"
    assert house.last("approval_refused")["attempted"] == "handling_change"
    assert house.evidence("mark", number).lines[0]["tlp"] == "RED"


def test_what_nobody_decided_in_time_is_asked_anew(house, number, other):
    mark(house, number, "--handling", "H2")
    approval = mark(house, number, "--handling", "none").lines[0]["approval"]
    [row] = house.evidence("approval", "list", person=other).lines
    assert row["approval"] == approval
    with house.repo.database.writing() as session:
        days = timedelta(days=house.repo.settings.approval_days)
        session.get_one(Approval, approval).requested_at = house.repo.clock() - days
    assert house.evidence("approval", "list", person=other).lines == []
    for word in ("give", "refuse"):
        said = house.evidence("approval", word, approval, "--motive", "late", person=other)
        assert (said.code, "asked anew" in said.err) == (4, True)
        assert house.last("access_denied")["reasons"] == ["approval-expired"]
    second = house.caller(other).person
    _, token = new_token(house.repo, house.custodian, person=second, expires_at=None)
    answer = create_app(house.repo).test_client().post(
        f"/api/v1/approvals/{approval}/decision", json={"approve": True, "motive": "late"},
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert (answer.status_code, answer.json["type"][-16:]) == (410, "approval-expired")
    assert house.evidence("mark", number).lines[0]["handling"] == "H2"
    again = mark(house, number, "--handling", "none").lines[0]["approval"]
    assert house.evidence("approval", "give", again, "--motive", "m", person=other).code == 0


def test_what_was_tightened_meanwhile_is_not_undone(house, number, other):
    assert mark(house, number, "--tlp", "AMBER").code == 0
    name = asked(mark(house, number, "--tlp", "none"))
    assert mark(house, number, "--handling", "H2").code == 0
    assert give(house, name, other).code == 2
    assert house.evidence("mark", number).lines[0]["handling"] == "H2"


def test_tightening_and_loosening_at_once_is_refused(house, number):
    assert mark(house, number, "--tlp", "AMBER").code == 0
    assert mark(house, number, "--tlp", "none", "--sealed").code == 2


def test_an_unsealing_shows_it_to_the_asker_alone_and_for_a_time(house, number, other):
    assert mark(house, number, "--sealed").code == 0
    words = ("unseal", number, "--motive", "trial", "--hours", "2")
    name = asked(house.evidence(*words, person="analyst"))
    assert read(house, number, "analyst").code == 2
    assert give(house, name, other).code == 0
    assert house.last("unsealing")["reason"] == "for-a-time"
    assert read(house, number, "analyst").code == 0
    assert house.evidence("show", number, person="investigator").code == 2
    later = replace(house.repo, clock=lambda: house.repo.clock() + timedelta(hours=3))
    with pytest.raises(UnknownExhibit):
        retrieve(later, house.caller("analyst"), number, purpose="analysis")


def test_who_the_source_is_takes_two_persons(house, number, other):
    words = ("reveal", "show", number, "--motive", "trial")
    assert house.evidence(*words, person="prosecutor").code == 4
    assert house.last("access_denied")["reasons"] == ["not-permitted"]
    name = asked(
        house.evidence("reveal", "request", number, "--motive", "trial", person="prosecutor")
    )
    assert give(house, name, other).code == 0
    [found] = house.evidence(*words, person="prosecutor").lines
    assert found["source"] == "K."
    assert house.last("identity_revealed")["exhibit"]["number"] == number
    assert house.evidence(*words, person="analyst").code == 4  # the asker alone
    too_long = ("reveal", "request", number, "--motive", "m", "--hours", str(MAX_HOURS + 1))
    assert house.evidence(*too_long).code == 2


def test_an_export_says_that_a_source_is_withheld_and_not_erased(house, number, tmp_path):
    bundle = tmp_path / "bundle"
    words = ("export", "--case", CODE, "--out", bundle, "--purpose", "court")
    assert house.evidence(*words, person="prosecutor").code == 0
    custody = json.loads((bundle / "custody.json").read_text())
    assert b'"K."' not in (bundle / "custody.json").read_bytes()
    said = [one for one in custody["left_out"] if one["what"].startswith("the values of")]
    assert [one["what"] for one in said] == ["the values of 1 fields that name a source"]
    assert "two persons" in said[0]["why"]
    assert house.evidence("verify", bundle).code == 0


def test_a_key_is_compromised_when_two_custodians_say_so(house, other):
    key = str(house.repo.ledger.key)
    name = asked(house.evidence("ledger", "key", "compromised", key, "--motive", "stolen"))
    assert not any(one.compromised for one in house.repo.ledger.key_history())
    assert give(house, name, None).code == 4
    assert give(house, name, other).code == 0
    [known] = house.repo.ledger.key_history()
    assert known.key == VerifierKey.parse(key)
    assert known.compromised is not None


def test_the_head_by_which_a_key_was_replaced_is_not_of_after_its_theft(house, other):
    stolen = house.repo.ledger.key
    assert house.evidence("ledger", "key", "rotate").code == 0
    words = ("ledger", "key", "compromised", str(stolen), "--motive", "stolen")
    assert give(house, asked(house.evidence(*words)), other).code == 0
    [old, new] = house.repo.ledger.key_history()
    assert (old.stop, old.compromised, new.start) == (old.stop, old.stop, old.stop)
    assert house.evidence("verify", "--ledger").code == 0


# --- the access log


def test_the_access_log_shows_who_why_when_and_refusals_and_is_itself_an_access(house, number):
    person(house, "watch", "auditor")
    assert read(house, number, "analyst", "--purpose", "court: hearing").code == 0
    assert read(house, number, "stranger").code == 2
    rows = house.evidence("access-log", "--refused", person="watch").lines
    assert [(one["name"], one["reasons"], one["exhibit"]) for one in rows] == [
        ("stranger", ["no-grant"], number)
    ]
    [started, done] = house.evidence("access-log", "--purpose", "court", person="watch").lines
    assert (started["name"], started["justification"]) == ("analyst", "hearing")
    assert (started["outcome"], done["outcome"]) == ("started", "done")
    looked = house.last("consultation")
    assert (looked["reason"], looked["actor"]["role"]) == ("access-log", "auditor")
    assert house.evidence("show", number, person="watch").code == 2
    assert house.evidence("show", number, "--custody", person="watch").code == 0
    assert house.evidence("access-log", person="analyst").code == 4
    later = house.evidence("access-log", "--since", "2999-01-01", person="watch")
    assert later.lines == []


def test_the_access_log_comes_in_pages_that_later_accesses_do_not_move(house, number):
    client = create_app(house.repo).test_client()
    with house.repo.database.reading() as session:
        watch = find_person(session, login())
    _, text = new_token(house.repo, house.custodian, person=watch, expires_at=None)
    headers = {"Authorization": f"Bearer {text}"}
    for _ in range(7):
        house.evidence("show", number, person="analyst")
    path = "/api/v1/access-log?person=analyst"
    whole = client.get(path, headers=headers).json
    assert (len(whole["items"]), whole["next"]) == (7, None)
    paged, cursor = [], ""
    while True:
        page = client.get(f"{path}&limit=3{cursor}", headers=headers).json
        paged += page["items"]
        house.evidence("show", number, person="analyst")
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert paged == whole["items"]
    looks = [e.fields for e in house.entries() if e.fields.get("reason") == "access-log"]
    assert len(looks) == 4  # each page is a look


def test_an_institutions_auditor_is_shown_its_cases_and_its_people_alone(house, number):
    person(house, "their eyes", "auditor", "--organisation", "Tribunal")
    person(house, "theirs", "custodian", "--organisation", "Tribunal")
    opened = house.evidence("case", "new", "TRI", "--title", "T", person="theirs")
    assert opened.code == 0, opened.err
    house.evidence("show", number, person="analyst")
    house.evidence("case", "show", "TRI", person="analyst")  # refused, and about their case
    house.evidence("case", "show", "TRI", person="theirs")
    house.evidence("case", "show", "NONE", person="theirs")
    rows = house.evidence("access-log", person="their eyes").lines
    assert {row["case"] for row in rows} == {"TRI", None}
    assert {row["name"] for row in rows if row["case"] is None} == {"theirs"}
    assert {row["name"] for row in rows if row["case"] == "TRI"} == {"theirs", "analyst"}
    everything = house.evidence("access-log").lines
    assert {CODE, "TRI"} <= {row["case"] for row in everything}


def test_no_cell_is_a_formula(house, number):
    signs = "=+-@\t\r＝＋－＠"
    for sign in signs:
        assert cell(f"{sign}cmd|' /C calc'!A0") == f"'{sign}cmd|' /C calc'!A0"
        name = f"{sign}SUM({sign}1)"
        new_person(house.repo, house.custodian, name=name, role="analyst", organisation=sign + "x")
        with pytest.raises(UnknownExhibit):
            retrieve(house.repo, house.caller(name), number, purpose=f"analysis: {sign}1+1")
    text = house.evidence("access-log", "--csv").out
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len([row for row in rows if row[7].startswith("'")]) == len(signs)
    assert not [one for row in rows for one in row if one.startswith(tuple(signs))]
