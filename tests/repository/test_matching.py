"""Hit or no hit: what both sides are told, what nobody is told, and what stands in the record."""

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text

from api.commands.context import login
from ingest import matchable
from ingest.matchable import asked_for, values_of
from repository import Repository, consents, erasure
from repository.agreed import Consent
from repository.approvals import approve, mark
from repository.authorise import Caller
from repository.cases import open_case
from repository.conditions import Marking
from repository.errors import (
    AccessDenied,
    BadRequest,
    KeyUnavailable,
    PurposeRequired,
    TooManyQueries,
    UnknownNotice,
)
from repository.matching import ask as asking
from repository.matching import index, notices, parties
from repository.matching.ask import Told, ask
from repository.matching.key import rotate
from repository.matching.policy import Answer, Asker, answer_of
from repository.matching.tables import MatchItem, MatchKey, MatchNotice, MatchQuery, MatchToken
from repository.matching.values import Value
from repository.models import Case, Exhibit
from repository.people import grant, new_person
from tests.house import House, make_house
from tests.postgres import fresh_database, shared_server

NUMBER = "+380441234567"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@dataclass
class Two:
    """Two institutions in one house, each with a case, an analyst and a custodian."""

    house: House
    n: int  # of the test: institutions, people and contents are its own

    @property
    def repo(self) -> Repository:
        return self.house.repo

    @property
    def alfa(self) -> str:
        return f"Alfa {self.n}"

    @property
    def bravo(self) -> str:
        return f"Bravo {self.n}"

    @property
    def content(self) -> bytes:
        return b"what both of them hold, %d" % self.n

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()

    def who(self, name: str) -> Caller:
        """Return a caller: `analyst Alfa`, `custodian Bravo`."""
        return self.house.caller(f"{name} {self.n}")

    def ask(self, who: str, kind: str, value: str, **more: str | None) -> Told:
        asking = {"purpose": "investigation", **more}
        return ask(self.repo, self.who(who), asked_for(kind, value), **asking)  # type: ignore[arg-type]

    def named(self, who: str) -> set[str]:
        """Return whom the answer names to somebody who asks for what both hold."""
        return {one.organisation for one in self.ask(who, "file", self.digest).contacts}

    def hand_in(self, organisation: str, *contents: bytes) -> list[str]:
        """Take files in for an institution and return their numbers; tokens are made too."""
        folder = Path(mkdtemp(dir=self.house.data.parent))
        for n, content in enumerate(contents):
            (folder / f"{n:03}").write_bytes(content)
        said = self.house.evidence(
            "ingest", folder, "--case", self.code(organisation), "--no-extract",
            person=f"custodian {organisation}",
        )  # fmt: skip
        assert said.code == 0, said.err
        numbers = [str(line["exhibit"]) for line in said.lines if line.get("exhibit")]
        with self.repo.database.writing() as session:  # as if they had been looked at
            exhibits = session.scalars(select(Exhibit).where(Exhibit.number.in_(numbers)))
            index.expect(session, [one.id for one in exhibits])
        assert matchable.make_all(self.repo)[1] == {}
        return numbers

    def code(self, organisation: str) -> str:
        return f"{organisation[:2].upper()}{self.n}"

    def join(self, organisation: str, **more: str) -> None:
        given = {"contact": f"desk@{organisation[:4]}.example", "mode": "both", "motive": "m"}
        parties.join(
            self.repo, self.house.caller(f"custodian {organisation}"), organisation,
            **{**given, **more},
        )  # fmt: skip

    def tokens(self) -> int:
        """Return how many tokens both institutions' exhibits have."""
        query = (
            select(func.count())
            .select_from(MatchToken)
            .join(MatchItem, MatchItem.id == MatchToken.item)
            .join(Exhibit, Exhibit.id == MatchItem.exhibit_id)
            .join(Case, Case.id == Exhibit.case_id)
            .where(Case.organisation.in_([self.alfa, self.bravo]))
        )
        with self.repo.database.reading() as session:
            return session.scalar(query) or 0

    def rows(self, table: type[MatchNotice] | type[MatchQuery]) -> int:
        """Return how many notices or questions both institutions have."""
        mine = table.organisation.in_([self.alfa, self.bravo])
        with self.repo.database.reading() as session:
            return session.scalar(select(func.count()).select_from(table).where(mine)) or 0

    def notices(self, who: str, **more: bool) -> list[notices.Seen]:
        return notices.listed(self.repo, self.who(who), **more)

    def mark(self, number: str, **marking: Any) -> None:
        mark(self.repo, self.who("custodian Bravo"), number, Marking(**marking), motive="m")

    def detail(self, kind: str) -> dict[str, Any]:
        """Return what the newest entry of a type withholds."""
        entry = [e for e in self.house.entries() if e.fields["type"] == kind][-1]
        return dict(self.repo.ledger.opened(entry))

    def since(self, before: int) -> list[str]:
        """Return the types of the entries since the ledger had a size."""
        return [e.fields["type"] for e in self.repo.ledger.entries(before)]


@pytest.fixture(scope="module")
def one_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, str]]:
    """Return the house of all tests here, and the URL of its database (empty: in its folder)."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        url = ""
        if os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql":
            url = stack.enter_context(fresh_database(shared_server()))
            patch.setenv("EVIDENCE_DATABASE_URL", url)
        house = make_house(tmp_path_factory.mktemp("matching"), match_answer_seconds=0.0)
        yield house, url
        house.repo.close()


_COUNT = itertools.count(10)


@pytest.fixture
def two(one_house: tuple[House, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    house, url = one_house
    if url:  # not the one that every test has of its own
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)
    found, first = Two(house, next(_COUNT)), house.custodian
    for organisation in (found.alfa, found.bravo):
        for role in ("custodian", "analyst"):
            new_person(
                house.repo, first, name=f"{role} {organisation}", role=role,
                organisation=organisation,
            )  # fmt: skip
        custodian = house.caller(f"custodian {organisation}")
        case = open_case(house.repo, custodian.actor(), code=found.code(organisation), title="T")
        analyst = house.caller(f"analyst {organisation}").person
        grant(house.repo, first, case=case, person=analyst, role="analyst")
        found.join(organisation)
    settings = house.repo.settings
    yield found
    object.__setattr__(house.repo, "settings", settings)


def test_a_hit_names_a_contact_alone_and_both_sides_have_it_in_entry_and_notice(two):
    [number] = two.hand_in(two.bravo, two.content)
    before = two.repo.ledger.size()
    told = two.ask("analyst Alfa", "file", two.digest)
    assert told.hit
    assert [(c.organisation, c.contact) for c in told.contacts] == [
        (two.bravo, "desk@Brav.example")
    ]
    added = [e.fields for e in two.repo.ledger.entries(before)]
    assert [e["type"] for e in added] == ["match_query", "match_notice"]
    assert added[0]["request_id"] == added[1]["request_id"] == told.query
    assert two.digest not in json.dumps(added)
    assert number not in json.dumps(added)
    assert two.detail("match_query")["asked"] == {"kind": "file", "value": f"sha256:{two.digest}"}
    sides = {t["organisation"]: t for t in two.detail("match_notice")["detail"]["told"]}
    assert sides[two.bravo]["exhibits"] == [number]
    assert sides[two.alfa]["exhibits"] == []
    [mine] = two.notices("analyst Alfa")
    assert (mine.notice.other, mine.numbers, mine.notice.query_id) == (two.bravo, (), told.query)
    [theirs] = two.notices("analyst Bravo")
    assert (theirs.notice.other, theirs.numbers) == (two.alfa, (number,))
    assert theirs.notice.contact == "desk@Alfa.example"


def test_no_hit_leaves_the_same_entries_and_nobody_is_told(two):
    before = two.repo.ledger.size()
    assert not two.ask("analyst Alfa", "telephone", NUMBER).hit
    added = [e.fields["type"] for e in two.repo.ledger.entries(before)]
    assert added == ["match_query", "match_notice"]
    assert two.rows(MatchNotice) == 0


def test_the_database_has_no_value_in_clear(two):
    two.hand_in(two.bravo, two.content)
    two.ask("analyst Alfa", "telephone", NUMBER)
    with two.repo.database.reading() as session:
        dump = ""
        for table in (
            "match_token", "match_item", "match_query", "match_notice", "match_key", "match_state",
            "opening", "entry",
        ):  # fmt: skip
            for row in session.execute(text(f"SELECT * FROM {table}")):
                dump += " ".join(
                    bytes(v).decode("latin-1") if isinstance(v, bytes | memoryview) else str(v)
                    for v in row
                )
    assert NUMBER not in dump
    assert NUMBER.lstrip("+") not in dump
    assert "analyst" not in dump.replace('"analyst"', "")  # the role alone, in entries


SILENT = {"withdrawn": True}
HIDDEN = (
    {"sealed": True}, {"lead_only": True}, {"handling": "H3", "restriction": "ask first"},
    {"conditions": "not without us"}, {"tlp": "RED"}, {"tlp": "AMBER+STRICT"},
)  # fmt: skip


def test_what_is_hidden_answers_no_hit_and_its_owner_alone_is_told(two):
    contents = [b"%d of %d" % (n, two.n) for n in range(len(HIDDEN))]
    numbers = two.hand_in(two.bravo, *contents)
    for number, marking in zip(numbers, HIDDEN, strict=True):
        two.mark(number, **marking)
    absent = two.ask("analyst Alfa", "file", sha256(b"nobody has it").hexdigest())
    for content, marking in zip(contents, HIDDEN, strict=True):
        before = two.repo.ledger.size()
        told = two.ask("analyst Alfa", "file", sha256(content).hexdigest())
        assert (told.hit, told.contacts) == (absent.hit, absent.contacts) == (False, ()), marking
        assert two.repo.ledger.size() == before + 2
    assert two.notices("analyst Alfa") == []
    assert two.notices("custodian Alfa") == []
    # The sealed one is known to nobody there either, and so is its notice.
    seen = {n for one in two.notices("custodian Bravo") for n in one.numbers}
    assert seen == set(numbers[1:])


def test_withdrawn_consent_is_as_if_it_were_not_there_for_both(two):
    [number] = two.hand_in(two.bravo, two.content)
    two.mark(number, **SILENT)
    assert not two.ask("analyst Alfa", "file", two.digest).hit
    assert two.rows(MatchNotice) == 0


@pytest.mark.parametrize(
    ("marking", "purpose", "answer"),
    [
        (Marking(), None, Answer.BOTH),
        (Marking(handling="H2"), "sharing", Answer.BOTH),
        (Marking(tlp="AMBER"), None, Answer.BOTH),
        (Marking(lead_only=True), None, Answer.OWNER),
        (Marking(lead_only=True, consent=("partners",)), None, Answer.BOTH),
        (Marking(lead_only=True, consent=("court",)), None, Answer.OWNER),
        (Marking(conditions="c", consent=("partners",)), None, Answer.BOTH),
        (Marking(sealed=True, consent=("partners",)), None, Answer.OWNER),
        (Marking(excluded_uses=("immigration",)), "immigration", Answer.OWNER),
        (Marking(excluded_uses=("immigration",)), "investigation", Answer.BOTH),
        (Marking(withdrawn=True, sealed=True), None, Answer.NOBODY),
    ],
)
def test_what_each_marking_answers(marking, purpose, answer):
    asker = Asker("Alfa", purpose, NOW)
    assert answer_of([marking], asker) is answer
    assert answer_of([Marking(), marking], asker) is answer  # the strictest decides


LEAD = Marking(lead_only=True, tlp="RED", owner="Bravo")
JOINT = Marking(lead_only=True, owner="Bravo; Charlie")


@pytest.mark.parametrize(
    ("marking", "consents", "answer"),
    [
        (LEAD, [Consent("Bravo", "Alfa")], Answer.BOTH),
        (LEAD, [Consent("Bravo", "partners", until=NOW + timedelta(1))], Answer.BOTH),
        (LEAD, [Consent("Bravo", "Alfa", "court")], Answer.OWNER),  # for another purpose
        (LEAD, [Consent("Bravo", "Alfa", until=NOW)], Answer.OWNER),
        (LEAD, [Consent("Bravo", "Delta")], Answer.OWNER),
        (LEAD, [Consent("Charlie", "Alfa")], Answer.OWNER),  # not its owner's
        (JOINT, [Consent("Bravo", "Alfa")], Answer.OWNER),
        (JOINT, [Consent("Bravo", "Alfa"), Consent("Charlie", "partners")], Answer.BOTH),
        (replace(LEAD, sealed=True), [Consent("Bravo", "Alfa")], Answer.OWNER),
        (replace(LEAD, excluded_uses=("intelligence",)), [Consent("Bravo", "Alfa")], Answer.BOTH),
        (Marking(handling="H2", owner="Bravo"), [Consent("Bravo", "Alfa")], Answer.BOTH),
        (
            Marking(handling="H2", owner="Bravo"),
            [Consent("Bravo", "Alfa", withdrawn=True)], Answer.OWNER,
        ),
        (replace(LEAD, withdrawn=True), [Consent("Bravo", "Alfa")], Answer.NOBODY),
    ],
)  # fmt: skip
def test_what_an_owner_agreed_to_for_one_recipient_counts_for_that_one(marking, consents, answer):
    assert answer_of([marking], Asker("Alfa", "investigation", NOW), consents) is answer


def test_a_consent_given_later_raises_the_notice_that_it_kept_back(two):
    [number] = two.hand_in(two.bravo, two.content)
    two.mark(number, lead_only=True, owner=two.bravo)
    two.hand_in(two.alfa, two.content)
    assert two.notices("analyst Alfa") == []
    assert len(two.notices("analyst Bravo")) == 1  # the owner alone is told
    bravo = two.who("custodian Bravo")
    [asked] = consents.ask(two.repo, bravo, [number], recipient=two.alfa, motive="a joint team")
    consents.give(two.repo, bravo, asked.id, motive="agreed")
    assert two.bravo in two.named("analyst Alfa")
    before = two.repo.ledger.size()
    assert matchable.make_all(two.repo) == (1, {})
    [entry] = two.repo.ledger.entries(before)
    assert (entry.fields["type"], entry.fields["reason"]) == ("match_notice", "compared-again")
    [mine] = [one for one in two.notices("analyst Alfa") if one.notice.query_id is None]
    assert (mine.notice.other, mine.notice.kinds) == (two.bravo, ["file"])
    raised = [one for one in two.notices("analyst Bravo") if one.notice.query_id is None]
    assert len(raised) == 1  # it is not told again what it knew
    assert matchable.make_all(two.repo) == (0, {})  # once
    consents.withdraw(two.repo, bravo, asked.id, motive="the team ended")
    assert two.named("analyst Alfa") == {two.alfa}


def test_what_is_unsealed_raises_the_notice_that_the_seal_kept_back(two):
    [number] = two.hand_in(two.bravo, two.content)
    two.mark(number, sealed=True)
    two.hand_in(two.alfa, two.content)
    assert two.notices("analyst Alfa") == []
    two.house.evidence(
        "person", "new", f"second {two.n}", "--role", "custodian", "--organisation", two.bravo
    )
    _, waits = mark(two.repo, two.who("custodian Bravo"), number, Marking(), motive="published")
    assert matchable.make_all(two.repo) == (0, {})  # nobody has decided
    approve(two.repo, two.who("second"), waits.id, motive="agreed")
    assert matchable.make_all(two.repo) == (1, {})
    [mine] = two.notices("analyst Alfa")
    assert mine.notice.other == two.bravo


def test_an_institution_may_have_all_its_answers_for_itself(two):
    two.hand_in(two.bravo, two.content)
    parties.join(
        two.repo, two.who("custodian Bravo"), two.bravo, contact="desk", mode="owner",
        motive="m",
    )  # fmt: skip
    assert not two.ask("analyst Alfa", "file", two.digest).hit
    assert len(two.notices("analyst Bravo")) == 1


def test_an_institution_that_left_neither_asks_nor_answers_and_has_no_tokens_left(two):
    two.hand_in(two.bravo, two.content)
    repo, custodian = two.repo, two.who("custodian Bravo")
    with pytest.raises(BadRequest, match="motive"):
        parties.leave(repo, custodian, two.bravo, motive=" ")
    assert parties.leave(repo, custodian, two.bravo, motive="a treaty ended") > 0
    assert two.tokens() == 0
    assert not two.ask("analyst Alfa", "file", two.digest).hit
    with pytest.raises(AccessDenied, match="takes no part"):
        two.ask("analyst Bravo", "file", two.digest)
    refused = two.house.last("access_denied")
    assert (refused["attempted"], refused["reasons"]) == ("match_query", ["not-taking-part"])
    with pytest.raises(BadRequest, match="no part"):
        parties.leave(repo, custodian, two.bravo, motive="again")
    parties.join(repo, custodian, two.bravo, contact="desk", mode="both", motive="it is back")
    assert matchable.make_all(repo) == (1, {})
    assert two.ask("analyst Alfa", "file", two.digest).hit


def test_only_its_own_custodian_or_the_houses_decides_for_an_institution(two):
    repo = two.repo
    with pytest.raises(AccessDenied, match="its own custodian"):
        parties.leave(repo, two.who("custodian Alfa"), two.bravo, motive="m")
    assert two.house.last("access_denied")["reasons"] == ["other-organisation"]
    with pytest.raises(BadRequest, match="contact"):
        parties.join(
            repo, two.who("custodian Alfa"), two.alfa, contact=" ", mode="both", motive="m"
        )
    with pytest.raises(AccessDenied):
        parties.leave(repo, two.who("analyst Alfa"), two.alfa, motive="m")


def test_a_flood_is_refused_by_person_and_by_institution_and_recorded(two):
    repo = two.repo
    limits = {"match_person_hour": 3, "match_organisation_day": 5}
    object.__setattr__(repo, "settings", repo.settings.model_copy(update=limits))
    for _ in range(3):
        two.ask("analyst Alfa", "telephone", NUMBER)
    with pytest.raises(TooManyQueries) as refused:
        two.ask("analyst Alfa", "telephone", NUMBER)
    assert 0 < refused.value.retry_after <= 3600
    assert two.house.last("access_denied")["reasons"] == ["query-limit"]
    for _ in range(2):
        two.ask("custodian Alfa", "telephone", NUMBER)
    with pytest.raises(TooManyQueries) as refused:  # of the institution, whoever asks
        two.ask("custodian Alfa", "telephone", NUMBER)
    assert refused.value.retry_after > 3600
    assert two.rows(MatchQuery) == 5
    two.ask("analyst Bravo", "telephone", NUMBER)  # others' allowance is their own


def test_a_question_without_a_purpose_is_refused_and_recorded(two):
    for nothing in (None, "", "  "):
        with pytest.raises(PurposeRequired):
            two.ask("analyst Alfa", "telephone", NUMBER, purpose=nothing)
    assert two.house.last("access_denied")["reasons"] == ["purpose-required"]
    assert two.rows(MatchQuery) == 0


def test_an_erased_exhibit_matches_no_more(two):
    [number] = two.hand_in(two.bravo, two.content)
    repo = two.repo
    request = erasure.request(
        repo, two.who("custodian Bravo"), number, order="sha256:" + "0" * 64, motive="m"
    )
    assert two.tokens() > 0
    erasure.approve(repo, two.house.caller(login()), request.id, motive="m")
    assert two.tokens() == 0
    assert not two.ask("analyst Alfa", "file", two.digest).hit
    assert index.waiting(repo, limit=9) == []


def test_a_new_exhibit_tells_both_owners_of_each_other_and_nothing_else(two):
    [held] = two.hand_in(two.bravo, two.content)
    assert two.rows(MatchNotice) == 0
    before = two.repo.ledger.size()
    [new] = two.hand_in(two.alfa, two.content)
    [entry] = [e for e in two.repo.ledger.entries(before) if e.fields["type"] == "match_notice"]
    assert entry.fields["reason"] == "new-exhibits"
    assert entry.fields["count"] == 1
    [mine], [theirs] = two.notices("analyst Alfa"), two.notices("analyst Bravo")
    assert (mine.notice.other, mine.numbers, mine.notice.kinds) == (two.bravo, (new,), ["file"])
    assert (theirs.notice.other, theirs.numbers) == (two.alfa, (held,))
    assert mine.notice.index == theirs.notice.index == entry.index


def test_one_round_without_a_match_leaves_the_same_entry(two):
    before = two.repo.ledger.size()
    two.hand_in(two.alfa, two.content)
    kinds = [e.fields["type"] for e in two.repo.ledger.entries(before)]
    assert kinds.count("match_notice") == 1


def test_a_hidden_exhibit_is_told_of_the_other_and_the_other_is_not(two):
    [held] = two.hand_in(two.bravo, two.content)
    two.mark(held, lead_only=True)
    two.hand_in(two.alfa, two.content)
    assert two.notices("analyst Alfa") == []
    [theirs] = two.notices("analyst Bravo")
    assert (theirs.notice.other, theirs.numbers) == (two.alfa, (held,))


def test_what_everybody_has_raises_nothing(two, monkeypatch):
    monkeypatch.setattr(notices, "MOST_ALIKE", 1)
    two.hand_in(two.bravo, two.content)
    two.hand_in(two.bravo, two.content)
    two.hand_in(two.alfa, two.content)
    assert two.rows(MatchNotice) == 0


def test_a_new_key_makes_all_tokens_anew_tells_nobody_again_and_the_old_one_ends(two):
    two.hand_in(two.bravo, two.content)
    two.hand_in(two.alfa, two.content)
    with two.repo.database.reading() as session:
        old = set(session.scalars(select(MatchToken.token)))
    with pytest.raises(BadRequest):
        rotate(two.repo, two.who("custodian Alfa"), motive="")
    new = rotate(two.repo, two.who("custodian Alfa"), motive="once a year")
    assert two.ask("analyst Alfa", "file", two.digest).hit  # by the old tokens, meanwhile
    told, before = two.rows(MatchNotice), two.repo.ledger.size()
    done, failed = matchable.make_all(two.repo)
    assert (done >= 2, failed) == (True, {})
    assert (two.rows(MatchNotice), two.repo.ledger.size()) == (told, before)
    with two.repo.database.reading() as session:
        assert not set(session.scalars(select(MatchToken.token))) & old
        assert list(session.scalars(select(MatchKey.id))) == [new]
    assert two.ask("analyst Alfa", "file", two.digest).hit


def test_without_its_key_a_machine_matches_nothing_and_makes_no_other_key(two):
    two.hand_in(two.bravo, two.content)
    file = two.house.data / "secrets" / "matching-passphrase"
    two.repo.match_keys.clear()
    file.rename(file.with_name("elsewhere"))
    try:
        with pytest.raises(KeyUnavailable, match="matching"):
            two.ask("analyst Alfa", "file", two.digest)
        with pytest.raises(KeyUnavailable):
            two.join(two.alfa)
        assert not file.exists()
    finally:
        file.with_name("elsewhere").rename(file)
    assert two.ask("analyst Alfa", "file", two.digest).hit


def test_acknowledging_is_an_entry_once_and_for_those_who_see_the_notice(two):
    two.hand_in(two.bravo, two.content)
    two.ask("analyst Alfa", "file", two.digest)
    repo = two.repo
    [theirs] = two.notices("analyst Bravo")
    for stranger, named in (("analyst Alfa", theirs.notice.id), ("analyst Bravo", "none")):
        with pytest.raises(UnknownNotice):
            notices.acknowledge(repo, two.who(stranger), named)
        assert two.house.last("access_denied")["reasons"] == ["unknown-notice"]
    first = notices.acknowledge(repo, two.who("analyst Bravo"), theirs.notice.id)
    size = repo.ledger.size()
    again = notices.acknowledge(repo, two.who("custodian Bravo"), theirs.notice.id)
    assert again.notice.acknowledged_index == first.notice.acknowledged_index == size - 1
    assert repo.ledger.size() == size
    assert two.house.last("receipt_acknowledged")["reason"] == "match-notice"
    assert two.notices("analyst Bravo") == []
    assert len(two.notices("analyst Bravo", every=True)) == 1


def test_answers_are_held_back_to_a_whole_multiple_of_one_time(two, monkeypatch):
    changed = two.repo.settings.model_copy(update={"match_answer_seconds": 0.5})
    object.__setattr__(two.repo, "settings", changed)
    waits: list[float] = []
    clock = iter((10.0, 10.1, 20.0, 20.7))
    time = SimpleNamespace(monotonic=lambda: next(clock), sleep=waits.append)
    monkeypatch.setattr(asking, "time", time)
    two.ask("analyst Alfa", "telephone", NUMBER)
    two.ask("analyst Alfa", "telephone", NUMBER)
    assert waits == pytest.approx([0.4, 0.3])


# --- what is asked for, and what exhibits have


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("telephone", ("+380 (44) 123-45-67", "00380441234567", "+380441234567")),
        ("imei", ("49-015420-323751-8", "490154203237518", "4901542032375100", "49015420323751")),
        ("url", ("HTTPS://Example.org:443/a", "https://example.org/a")),
        ("mail", ("<somebody@Example.ORG>", "somebody@example.org")),
        ("account", ("telegram:@Somebody", "telegram:name:somebody")),
        ("device", ("mac:02-AA-bb-01-02-03", "mac:02:aa:bb:01:02:03")),
        ("file", ("D41D8CD98F00B204E9800998ECF8427E", "md5:d41d8cd98f00b204e9800998ecf8427e")),
        ("picture", ("pdq:" + "AB" * 32, "ab" * 32)),
    ],
)
def test_the_ways_of_writing_one_thing_are_one_value(kind, texts):
    assert len({asked_for(kind, one) for one in texts}) == 1


@pytest.mark.parametrize(
    ("kind", "value", "at"),
    [
        ("telephone", "044 1234567", None), ("telephone", "x", None), ("imei", "1" * 13, None),
        ("imei", "0" * 15, None), ("url", "example.org", None), ("file", "abc", None),
        ("picture", "00", None), ("account", "somebody", None), ("device", "F2LXK0", None),
        ("mail", "somebody", None), ("member", "a" * 64, None), ("thing", "x", None),
        ("place", "48.8 2.3", None), ("place", "0 0", "2024-05-01T12:00Z"),
        ("place", "91 2", "2024-05-01T12:00Z"), ("place", "48.8 2.3", "2024-05-01T12:00"),
        ("place", "48.8 2.3", "noon"),
        ("telephone", NUMBER, "2024-05-01T12:00Z"), ("url", "https://e.org/" + "a" * 2_000, None),
    ],
)  # fmt: skip
def test_what_names_no_one_thing_is_not_asked_for(kind, value, at):
    with pytest.raises(BadRequest):
        asked_for(kind, value, at=at)


def test_an_exhibits_values_are_those_that_can_be_asked_for():
    def fact(kind, value, name="A:B", suspect=None):
        return {"kind": kind, "value": value, "name": name, "suspect": suspect}

    record = {
        "members": [
            {"sha256": "sha256:" + "b" * 64, "size": 3},
            {"sha256": "sha256:" + "c" * 64, "size": 0},
            {"sha256": None, "size": 9},
        ],
        "facts": [
            fact("telephone", "tel:+380441234567"),
            fact("telephone", "tel:0441234567", suspect="no country code"),
            fact("device", "imei:490154203237518"),
            fact("device", "imei:490154203237519", suspect="its check digit is wrong"),
            fact("device", "serial:0000", suspect="a placeholder"),
            fact("account", "telegram:name:somebody"),
            fact("url", "https://example.org/a"),
            fact("digest", "pdq:" + "0f" * 32),
            fact("person", "Somebody"),
            fact("place", "48.853 2.349"),
            fact("time", "2024-05-01T12:00:00Z", "Composite:DateTimeOriginal"),
            fact("time", "2025-05-01T12:00:00Z", "Composite:ModifyDate"),
            fact(None, "text"),
        ],
    }
    found = values_of([], record)
    for kind, text_, at in (
        ("telephone", NUMBER, None), ("imei", "4901542032375199", None),
        ("account", "telegram:@Somebody", None), ("url", "https://example.org/a", None),
        ("picture", "0f" * 32, None),
        ("place", "48.853, 2.349", "2024-05-01T14:00+02:00"),
    ):  # fmt: skip
        assert asked_for(kind, text_, at=at) in found
    assert sorted({one.kind for one in found}) == [
        "account", "imei", "member", "picture", "place", "telephone", "url",
    ]  # fmt: skip
    assert len(found) == 7
    assert Value("member", "sha256:" + "b" * 64) in found
