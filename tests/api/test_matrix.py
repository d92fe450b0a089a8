"""Every route of the service times every role times every relation to what is asked for.

`RULES` says of each route who may use it; a route without a rule fails the first test. The
expectation is written here from the rules of the house, not taken from `decide`.

All of the caller's own, and of the other relations a sixth of the cells, always the same;
`EVIDENCE_MATRIX=whole pytest tests/api/test_matrix.py` asks all of them.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import pytest

from api.app import create_app
from custody.entry import Act
from ingest import uploads
from ingest.uploads import Said
from repository import erasure, identities
from repository.access import ROLES
from repository.approvals import mark, request
from repository.bundle import Bundle
from repository.cases import find_case, open_case
from repository.conditions import Marking
from repository.disclose import disclose
from repository.holds import place as hold
from repository.identities import Person
from repository.models import Submission
from repository.people import grant, new_person, new_token, revoke
from repository.purpose import Purpose
from repository.submissions import Declaration, open_submission
from repository.transfers import release
from tests.house import House, make_house
from tests.postgres import fresh_database, shared_server

WHOLE = os.environ.get("EVIDENCE_MATRIX") == "whole"
RELATIONS = (
    "own", "other", "institution", "revoked", "ended", "sealed case", "sealed exhibit",
    "withdrawn case", "withdrawn exhibit", "other party", "excluded use", "excluded use stated",
)  # fmt: skip
MARKED = {  # what is marked, and how
    "sealed case": ("case", Marking(sealed=True)),
    "sealed exhibit": ("exhibit", Marking(sealed=True)),
    "withdrawn case": ("case", Marking(withdrawn=True)),
    "withdrawn exhibit": ("exhibit", Marking(withdrawn=True)),
    "excluded use": ("exhibit", Marking(excluded_uses=("immigration",))),
    "excluded use stated": ("exhibit", Marking(excluded_uses=("immigration",))),
}
TOKEN = "token for one submission"  # a role of its own: a submitter's token that only adds
OF_TOKEN = {TOKEN: "submitter"}
UNIT, TRIBUNAL = "Unit", "Tribunal"
EVERYBODY = frozenset(ROLES)
LOOK = EVERYBODY - {"auditor", "administrator", "reviewer"}  # who sees what may be privileged
LISTS = LOOK | {"reviewer"}
FACTS = LOOK - {"submitter"}
CASE = frozenset({"investigator", "analyst", "prosecutor", "custodian", "partner"})
CASE_TEAM = CASE - {"partner"}
HAND_IN = frozenset({"investigator", "custodian", "submitter"})
PARTIES = frozenset({"counsel", "expert"})
HISTORY = frozenset({"investigator", "analyst", "prosecutor", "custodian", "auditor"})
PROTECT = frozenset({"investigator", "prosecutor", "custodian"})
TEAM = frozenset({"investigator", "analyst", "prosecutor", "custodian"})
READ = PARTIES | {"analyst", "custodian", "partner"}
KEEP = frozenset({"investigator", "prosecutor", "custodian"})  # holds, further cases
REVIEW = frozenset({"prosecutor", "custodian"})
CUSTODIAN = frozenset({"custodian"})


@dataclass(frozen=True)
class Rule:
    """Who may use a route; `about` says what a relation means for it."""

    about: str  # public, person, house, case, exhibit, submission, upload, transfer
    roles: frozenset[str] = EVERYBODY
    uses: bool = False  # of contents: withdrawn consent stops it
    shows: bool = True  # a seal stops it
    states: bool = False  # a purpose, of which a use can be excluded
    leaves: bool = False  # something leaves by it: excluded uses are to be ruled out in writing
    body: object = None
    query: str = ""


ASK = {"act": "unsealing", "subject": "{subject}", "motive": "m"}
MARK = {"motive": "m"}
SAID = {"motive": "withdrawn"}
PUBLIC = Rule("public")
MARKING = {
    "GET": Rule("exhibit", LOOK),
    "PUT": Rule(
        "exhibit", frozenset({"investigator", "custodian", "submitter"}), shows=False, body=MARK
    ),
}
UPLOAD = Rule("upload", HAND_IN)
LIST = Rule("own submission", HAND_IN, body=b"")
EXPORT = Rule(
    "exhibit", frozenset({"prosecutor", "custodian"}), uses=True, states=True, leaves=True,
    body={"exhibits": ["{subject}"]},
)  # fmt: skip
RULES: dict[tuple[str, str], Rule] = {
    **{
        ("GET", path): PUBLIC
        for path in (
            "/sign-in/with/<name>", "/sign-in/back", "/static/<path:name>", "/check.html",
            "/healthz", "/readyz",
            "/api/v1/openapi.json",
            "/api/v1/ledger/checkpoint", "/api/v1/ledger/proof/<index>",
        )
    },
    ("GET", "/api/v1/ledger/tile/<path:name>"): Rule("house", frozenset({"auditor", "custodian"})),
    ("POST", "/api/v1/session/passkey/options"): PUBLIC,  # of a page of ours: test_passkeys.py
    ("POST", "/api/v1/session/passkey"): PUBLIC,
    ("POST", "/api/v1/passkeys/registration"): PUBLIC,
    ("POST", "/api/v1/passkeys/options"): Rule("house", frozenset()),  # no token is enough
    ("GET", "/api/v1/passkeys"): Rule("person"),
    ("DELETE", "/api/v1/passkeys/<passkey>"): Rule("person"),
    ("GET", "/api/v1/session"): Rule("person"),
    ("POST", "/api/v1/session"): Rule("person"),
    ("DELETE", "/api/v1/session"): Rule("person"),
    ("GET", "/api/v1/access-log"): Rule("house", frozenset({"auditor", "custodian"})),
    ("GET", "/api/v1/approvals"): Rule("house", CUSTODIAN),
    ("POST", "/api/v1/matches"): Rule(  # nobody's institution takes part
        "house", frozenset(), body={"kind": "telephone", "value": "+1 555 0100"}
    ),
    ("POST", "/api/v1/search"): Rule("person", body={"query": "anything"}),
    ("GET", "/api/v1/matches/notices"): Rule("house", CASE),
    ("GET", "/api/v1/matches/parties"): Rule("house", CASE),
    ("POST", "/api/v1/matches/notices/<notice>/acknowledgement"): Rule("house", frozenset()),
    ("POST", "/api/v1/approvals"): Rule(
        "exhibit", frozenset({"investigator", "analyst", "prosecutor", "custodian"}),
        shows=False, body=ASK,
    ),
    ("POST", "/api/v1/approvals/<approval>/decision"): Rule(
        "exhibit", CUSTODIAN, shows=False, body={"approve": False, "motive": "m"}
    ),
    ("GET", "/api/v1/erasures"): Rule("house", CUSTODIAN),
    ("POST", "/api/v1/erasures"): Rule(
        "exhibit", CUSTODIAN, shows=False,
        body={"exhibit": "{subject}", "order": f"sha256:{'a' * 64}", "motive": "m"},
    ),
    ("POST", "/api/v1/erasures/<erasure_id>/decision"): Rule(
        "exhibit", CUSTODIAN, shows=False, body={"approve": False, "motive": "m"}
    ),
    ("POST", "/api/v1/cases/<code>/exports"): EXPORT,
    ("GET", "/api/v1/exports/<export_id>"): Rule("case", CASE),
    ("GET", "/api/v1/exports/<export_id>/bundle"): replace(EXPORT, body=None),
    ("POST", "/api/v1/exports/<export_id>/certificates"): Rule(
        "case", frozenset({"prosecutor", "custodian"}), uses=True, states=True, leaves=True,
        body={"kind": "icc-custodian"},
    ),
    ("GET", "/api/v1/cases/<code>/bundles"): Rule("case", REVIEW, shows=False),
    ("POST", "/api/v1/bundles/receipts"): Rule("case", frozenset(), body={"receipt": {}}),
    ("POST", "/api/v1/bundles/<report>/acknowledgement"): Rule(  # of a bundle there is none
        "case", frozenset(), body={"manifest": f"sha256:{'0' * 64}"}
    ),
    ("GET", "/api/v1/transfers"): Rule(
        "case", frozenset({"prosecutor", "custodian"}), query="?case={case}"
    ),
    ("POST", "/api/v1/transfers"): Rule(
        "exhibit", frozenset({"prosecutor", "custodian"}), uses=True, states=True, leaves=True,
        body={"exhibits": ["{subject}"], "to": TRIBUNAL},
    ),
    ("POST", "/api/v1/transfers/<transfer>/answer"): Rule(
        "transfer", CASE, body={"answer": "refuse", "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/continuity"): Rule("case", HISTORY),
    ("GET", "/api/v1/transfers/<transfer>/bundle"): Rule(  # in one house there is none
        "transfer", CASE, uses=True, leaves=True,
    ),
    ("POST", "/api/v1/transfers/receipts"): Rule("transfer", frozenset(), body={"items": [{}]}),
    ("POST", "/api/v1/imports"): Rule(
        "case", frozenset({"investigator", "custodian"}), query="?case={case}", body=b"",
    ),
    ("GET", "/api/v1/exhibits/<number>/quoted"): Rule(
        "exhibit", (LOOK | {"auditor"}) - {"submitter", "partner"}
    ),
    ("GET", "/api/v1/cases"): Rule("person"),
    ("POST", "/api/v1/cases"): Rule(
        "house", frozenset({"investigator", "custodian"}), body={"code": "{fresh}", "title": "t"}
    ),
    ("GET", "/api/v1/cases/<code>"): Rule("case", CASE),
    ("GET", "/api/v1/cases/<subject>/marking"): Rule("case", CASE),
    ("PUT", "/api/v1/cases/<subject>/marking"): replace(
        MARKING["PUT"], about="case", roles=frozenset({"investigator", "custodian"})
    ),
    ("GET", "/api/v1/consents"): Rule("house", KEEP | {"submitter"}),
    ("POST", "/api/v1/consents"): Rule(  # nobody owns it
        "exhibit", KEEP | {"analyst"}, shows=False,
        body={"subjects": ["{subject}"], "recipient": "R", "motive": "m"},
    ),
    ("GET", "/api/v1/consents/received"): Rule("person"),
    ("POST", "/api/v1/consents/<consent>/answer"): Rule(  # no institution here is asked
        "house", frozenset(), body={"give": True, "motive": "m"}
    ),
    ("POST", "/api/v1/consents/<consent>/withdraw"): Rule(
        "house", frozenset(), body={"motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/consents"): Rule("case", KEEP, shows=False),
    ("GET", "/api/v1/conditions/held"): Rule("house", CUSTODIAN),
    ("POST", "/api/v1/organisations/end"): Rule(  # those here are of an institution
        "house", frozenset(), body={"organisation": "NONE", "motive": "m"}
    ),
    ("POST", "/api/v1/organisations/uses"): Rule(  # as above
        "house", frozenset(), body={"organisation": "NONE", "uses": [], "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/grants"): Rule("case", CUSTODIAN, shows=False),
    ("POST", "/api/v1/cases/<code>/grants"): Rule(
        "case", CUSTODIAN, shows=False, body={"person": "nobody", "role": "analyst"}
    ),
    ("POST", "/api/v1/cases/<code>/grants/end"): Rule(
        "case", CUSTODIAN, shows=False, body={"person": "nobody", "role": "analyst"}
    ),
    ("GET", "/api/v1/situations"): Rule(
        "house", CASE | {"auditor"}
    ),
    ("POST", "/api/v1/situations"): Rule(
        "house", frozenset({"investigator", "custodian"}), body={"code": "{fresh}", "title": "t"}
    ),
    ("PUT", "/api/v1/cases/<code>/situation"): Rule(
        "case", CUSTODIAN, shows=False, body={"situation": "NONE", "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/associations"): Rule("case", LISTS),
    ("GET", "/api/v1/exhibits/<number>/associations"): Rule("exhibit", LOOK),
    ("POST", "/api/v1/exhibits/<number>/associations"): Rule(
        "exhibit", KEEP, body={"case": "{case}", "motive": "m"}
    ),
    ("POST", "/api/v1/exhibits/<number>/associations/<code>/end"): Rule(
        "exhibit", KEEP, body={"motive": "m"}
    ),
    ("GET", "/api/v1/exhibits/<number>/holds"): Rule("exhibit", KEEP, shows=False),
    ("POST", "/api/v1/exhibits/<number>/holds"): Rule(
        "exhibit", KEEP, shows=False, body={"matter": "m", "motive": "m"}
    ),
    ("POST", "/api/v1/holds/<hold>/release"): Rule(
        "exhibit", KEEP, shows=False, body={"motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/register"): Rule("case", REVIEW),
    ("GET", "/api/v1/cases/<code>/disclosures"): Rule(
        "case", REVIEW | PARTIES, query="?party=defence"
    ),
    ("POST", "/api/v1/cases/<code>/disclosures"): Rule(  # not to those who are tried here
        "case", REVIEW, uses=True, leaves=True, body={"party": "prosecution"}
    ),
    ("PUT", "/api/v1/cases/<code>/register/rule"): Rule(
        "case", REVIEW, body={"second_review": False, "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/register/list"): Rule("case", REVIEW),
    ("POST", "/api/v1/cases/<code>/register/list"): Rule("case", REVIEW, body=b""),  # no CSV
    ("PUT", "/api/v1/exhibits/<number>/register/<code>"): Rule(
        "exhibit", REVIEW, body={"classification": "other", "motive": "m"}
    ),
    ("POST", "/api/v1/exhibits/<number>/acknowledgement"): Rule("exhibit", PARTIES, body={}),
    ("PUT", "/api/v1/cases/<code>/numbering"): Rule("case", REVIEW, body={"motive": "m"}),
    ("POST", "/api/v1/cases/<code>/numbers"): Rule("case", REVIEW, body={}),  # nothing is named
    ("POST", "/api/v1/cases/<code>/numbers/copies"): Rule(  # nothing is named
        "case", REVIEW, body={"exhibits": []}
    ),
    ("GET", "/api/v1/cases/<code>/numbers"): Rule("case", LISTS),  # or that it numbers nothing
    ("POST", "/api/v1/exhibits/<number>/external-numbers"): Rule(
        "exhibit", TEAM, body={"issuer": "ICC", "first": "1", "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/privileges"): Rule("case", LISTS),
    ("POST", "/api/v1/exhibits/<number>/privilege"): Rule(  # no container: such a member is none
        "exhibit", CASE_TEAM | PARTIES, body={"member": "", "motive": "m"}
    ),
    ("POST", "/api/v1/exhibits/<number>/privilege/decision"): Rule(  # nothing is closed
        "exhibit", frozenset(), body={"decision": "release", "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/identities"): Rule("case", PROTECT),
    ("POST", "/api/v1/cases/<code>/identities"): Rule(
        "case", PROTECT, body={"kind": "source", "name": "Somebody"}
    ),
    ("POST", "/api/v1/identities/<codename>/reveal"): Rule(  # nobody was permitted it
        "case", frozenset(), body={"motive": "m"}
    ),
    ("GET", "/api/v1/exhibits"): Rule("case", LISTS, query="?case={case}"),
    ("POST", "/api/v1/exhibits"): Rule("case", HAND_IN, query="?case={case}", body=b"bytes"),
    ("GET", "/api/v1/exhibits/<number>"): Rule("exhibit", LOOK),
    ("GET", "/api/v1/exhibits/<number>/related"): Rule("exhibit", FACTS, uses=True),
    ("GET", "/api/v1/exhibits/<number>/receipt"): Rule("exhibit", LOOK),
    ("GET", "/api/v1/exhibits/<number>/custody"): Rule(
        "exhibit", (LOOK | {"auditor"}) - {"submitter", "partner"}
    ),
    ("GET", "/api/v1/exhibits/<number>/content"): Rule(
        "exhibit", PARTIES | {"analyst", "custodian", "partner"}, uses=True, states=True
    ),
    ("GET", "/api/v1/exhibits/<number>/members"): Rule("exhibit", FACTS, uses=True),
    ("GET", "/api/v1/exhibits/<number>/annotations"): Rule("exhibit", TEAM),
    ("POST", "/api/v1/exhibits/<number>/annotations"): Rule(
        "exhibit", TEAM, body={"kind": "tag", "text": "t"}
    ),
    ("GET", "/api/v1/annotations/<annotation>"): Rule("house", frozenset()),  # there are none
    ("POST", "/api/v1/annotations/<annotation>/versions"): Rule(
        "house", frozenset(), body={"text": "t"}
    ),
    ("POST", "/api/v1/annotations/<annotation>/withdrawal"): Rule("house", frozenset(), body=SAID),
    ("POST", "/api/v1/annotations/<annotation>/review"): Rule(
        "house", frozenset(), body={"agrees": True, "motive": "m"}
    ),
    ("GET", "/api/v1/cases/<code>/selections"): Rule("case", TEAM),
    ("POST", "/api/v1/cases/<code>/selections"): Rule(
        "case", TEAM, body={"title": "t", "items": []}
    ),
    ("GET", "/api/v1/cases/<code>/searches"): Rule("case", TEAM),
    ("POST", "/api/v1/cases/<code>/searches"): Rule("case", TEAM, body={"title": "", "query": "a"}),
    ("POST", "/api/v1/searches/<search>/run"): Rule("house", frozenset(), body={}),
    ("GET", "/api/v1/selections/<selection>"): Rule("house", frozenset()),
    ("POST", "/api/v1/exhibits/<number>/derivatives"): Rule(
        "exhibit", frozenset({"investigator", "analyst", "custodian"}), uses=True, states=True,
        query="?kind=clip&author=a&tool=t&reason=r", body=b"bytes",
    ),
    ("POST", "/api/v1/exhibits/<number>/own-marking"): Rule(  # people did not make it
        "exhibit", CASE - {"partner"}, shows=False, body={"motive": "m"}
    ),
    ("GET", "/api/v1/exhibits/<number>/copies"): Rule("exhibit", READ, uses=True),
    ("POST", "/api/v1/exhibits/<number>/copies"): Rule(
        "exhibit", READ, uses=True, states=True, body={"holder": "h"}
    ),
    ("POST", "/api/v1/copies/<copies>/end"): Rule(  # there are none
        "house", frozenset(), body={"how": "returned", "motive": "m"}
    ),
    ("GET", "/api/v1/exhibits/<number>/facts"): Rule("exhibit", FACTS, uses=True),
    ("GET", "/api/v1/citations"): Rule("exhibit", LOOK, query="?locator={subject}"),
    ("GET", "/api/v1/citations/content"): Rule(
        "exhibit", PARTIES | {"analyst", "custodian", "partner"}, uses=True, states=True,
        query="?locator={subject}",
    ),
    ("POST", "/api/v1/exhibits/<number>/members"): Rule(
        "exhibit", frozenset({"investigator", "analyst", "custodian"}), uses=True,
        states=True, body={"members": ["none"]},
    ),
    ("POST", "/api/v1/exhibits/<number>/disclosures"): Rule(
        "exhibit", frozenset({"prosecutor", "custodian"}), uses=True, states=True, leaves=True,
        body={"party": "prosecution"},
    ),
    ("POST", "/api/v1/exhibits/<number>/source"): Rule(  # nobody was permitted it
        "exhibit", frozenset(), body={"motive": "m"}
    ),
    ("GET", "/api/v1/exhibits/<subject>/marking"): MARKING["GET"],
    ("PUT", "/api/v1/exhibits/<subject>/marking"): MARKING["PUT"],
    ("POST", "/api/v1/submissions"): Rule(
        "case", HAND_IN, body={"case": "{case}", "purpose": "analysis"}
    ),
    ("GET", "/api/v1/submissions"): Rule("case", CASE, query="?case={case}"),
    ("GET", "/api/v1/submissions/<subject>/marking"): Rule("submission", CASE | {"submitter"}),
    ("PUT", "/api/v1/submissions/<subject>/marking"): replace(
        MARKING["PUT"], about="submission"
    ),
    ("GET", "/api/v1/submissions/<submission>"): Rule("submission", CASE | {"submitter"}),
    ("GET", "/api/v1/submissions/<submission>/files"): Rule("submission", CASE | {"submitter"}),
    ("GET", "/api/v1/submissions/<submission>/receipt"): Rule(
        "submission", CASE | {"submitter"}
    ),
    ("GET", "/api/v1/submissions/<submission>/receipts"): Rule(
        "submission", CASE | {"submitter"}
    ),
    ("PUT", "/api/v1/submissions/<submission>/list"): LIST,
    ("POST", "/api/v1/submissions/<submission>/complete"): Rule(
        "own submission", HAND_IN, body={}
    ),
    ("POST", "/api/v1/uploads"): Rule("case", HAND_IN),
    ("GET", "/api/v1/uploads"): Rule("case", HAND_IN, query="?case={case}"),
    ("HEAD", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("GET", "/api/v1/uploads/<upload_id>"): replace(UPLOAD),  # tells what became of it
    ("PATCH", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("POST", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("POST", "/api/v1/uploads/<upload_id>/seal"): UPLOAD,
    ("DELETE", "/api/v1/uploads/<upload_id>"): UPLOAD,
}  # fmt: skip


def routes(app):
    """Return every method and path of the API; OPTIONS tells nothing of anything.

    The pages for people stand on the same functions: test_web.py.
    """
    found = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("web_"):
            continue
        methods = rule.methods - {"OPTIONS"}
        if "GET" in methods:
            methods -= {"HEAD"}  # answered by the same function
        found |= {(method, rule.rule) for method in methods}
    return found


def test_every_route_has_a_rule(house):
    assert routes(create_app(house.repo)) == set(RULES)


def expected(rule: Rule, role: str, relation: str) -> bool:
    """Say whether a role may use a route, from the rules of the house."""
    if rule.about == "public":
        return True
    if role == TOKEN:  # adds to its own submission, and nothing else
        if rule is not LIST and rule is not UPLOAD:
            return False
        return relation not in ("other", "revoked", "ended", "institution", "sealed case")
    if rule.about == "person":
        return True
    if role not in rule.roles:
        return False
    if rule.about == "house":
        return True
    if rule.about == "transfer":  # released to their institution: no grant is asked for
        return not (rule.uses and relation in MARKED)
    if relation == "institution":
        return False
    if relation in ("other", "revoked", "ended"):  # of the same institution, without a grant
        return role in ("custodian", "auditor")
    if relation == "sealed case":
        return not rule.shows
    if rule.about == "exhibit":
        if relation == "sealed exhibit":
            return not rule.shows
        if relation == "other party":
            return role not in PARTIES
        if relation == "excluded use":
            return not rule.leaves
        if relation == "excluded use stated":
            return not rule.states
        return not (relation.startswith("withdrawn") and rule.uses)
    return not (relation == "withdrawn case" and rule.uses)


@dataclass
class Place:
    """What the requests of one relation are about."""

    case: str
    number: str
    approval: str
    erasure: str
    submissions: dict[str, str]  # by role
    codename: str
    transfer: str
    shared: str  # the submission the exhibit came with
    upload: str = ""
    export: str = ""


@dataclass
class Scene:
    """One house for all relations: its people, and a case for each relation."""

    house: House
    people: dict[str, str]
    tokens: dict[str, str]
    fresh: Iterator[str]
    url: str  # of its database; empty: a file in its folder

    def token(self, role: str, place: Place) -> str:
        """Return the token a role presents; that for one submission is made for it."""
        if role != TOKEN:
            return self.tokens[role]
        return self.tokens.setdefault(f"{TOKEN} {place.case}", self._one(place))

    def _one(self, place: Place) -> str:
        repo, custodian = self.house.repo, self.house.custodian
        person = self.house.caller(f"a {TOKEN}").person
        only = place.submissions[TOKEN]
        return new_token(repo, custodian, person=person, expires_at=None, submission=only)[1]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Iterator[Scene]:
    """Return the house; in memory where the system can, for nothing here is about durability."""
    memory = Path("/dev/shm")
    url = ""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        if os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql":
            url = stack.enter_context(fresh_database(shared_server()))
            patch.setenv("EVIDENCE_DATABASE_URL", url)
        where = tmp_path_factory.mktemp("matrix")
        if memory.is_dir() and os.access(memory, os.W_OK):
            where = Path(stack.enter_context(TemporaryDirectory(dir=memory)))
        house = make_house(where)
        repo, custodian = house.repo, house.custodian
        new_person(repo, custodian, name="elsewhere", role="custodian", organisation=TRIBUNAL)
        people, tokens = {}, {}
        for role in (*ROLES, TOKEN):
            person = new_person(
                repo, custodian, name=f"a {role}", role=OF_TOKEN.get(role, role), organisation=UNIT
            )
            people[role] = person.id
            tokens[role] = new_token(repo, custodian, person=person, expires_at=None)[1]
        yield Scene(house, people, tokens, iter(f"F{n}" for n in range(10, 99)), url)
        repo.close()


def _prepare(scene: Scene, folder: Path, relation: str) -> Place:
    house = scene.house
    repo, custodian = house.repo, house.custodian
    asking = house.caller(custodian.name or "")
    code = f"M{RELATIONS.index(relation)}X"
    if relation == "institution":
        case = open_case(repo, house.caller("elsewhere").actor(), code=code, title="T")
    else:
        case = open_case(repo, custodian, code=code, title="T", organisation=UNIT)
    assert case.organisation == (TRIBUNAL if relation == "institution" else UNIT)
    (folder / "a.txt").write_bytes(relation.encode())
    said = house.evidence("ingest", folder / "a.txt", "--case", code)
    assert said.code == 0, said.err
    number, shared = said.lines[0]["exhibit"], said.lines[0]["submission"]
    submissions = {}
    for role in (*ROLES, TOKEN):
        caller = house.caller(f"a {role}")
        if relation not in ("other", "institution") and role != "administrator":
            party = "defence" if role in PARTIES else None
            until = repo.clock() - timedelta(hours=1) if relation == "ended" else None
            granted = caller.person.role
            grant(repo, custodian, case=case, person=caller.person, role=granted, party=party,
                  until=until)  # fmt: skip
            if relation == "revoked":
                revoke(repo, custodian, case=case, person=caller.person, role=granted)
        declared = Declaration(Purpose("analysis", ""))
        row, _ = open_submission(repo, caller.actor(), case, declared, sources=[role.encode()])
        submissions[role] = row.id
    party = "prosecution" if relation == "other party" else "defence"
    disclose(repo, asking, number, party=party, purpose="disclosure")
    with repo.database.writing() as session:
        # The submitter's own thing, so that "own" means the same for every role.
        session.get_one(Submission, shared).person_id = scene.people["submitter"]
    waits = request(repo, asking, Act.UNSEALING, number, motive="m", hours=1)
    order = f"sha256:{'b' * 64}"
    ends = erasure.request(repo, asking, number, order=order, motive="m")
    codename = identities.add(repo, asking, code, "source", Person("Somebody")).codename
    releasing = house.caller("elsewhere") if relation == "institution" else asking
    [out] = release(repo, releasing, [number], to=UNIT, purpose="sharing")
    transfer = out.row.id
    if relation in MARKED:
        about, marking = MARKED[relation]
        mark(repo, asking, code if about == "case" else number, marking, motive="m")
    return Place(code, number, waits.id, ends.id, submissions, codename, transfer, shared)


PASSED = {400, 404, 409, 415, 422}  # of a route that let the caller in and then found nothing to do


@pytest.mark.parametrize("relation", RELATIONS)
def test_no_cell_succeeds_that_should_not_and_every_refusal_is_recorded(
    scene, tmp_path, relation, monkeypatch
):
    if scene.url:  # not the one that every test has of its own
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", scene.url)
    house, place = scene.house, _prepare(scene, tmp_path, relation)
    client = create_app(house.repo).test_client()
    wrong, cells = [], 0
    for (method, path), rule in sorted(RULES.items()):
        if relation != "own" and rule.about in ("public", "person", "house"):
            continue  # no relation changes them
        for role in (*ROLES, TOKEN):
            cell = f"{method} {path} {role} {relation}"
            if relation != "own" and not WHOLE and crc32(cell.encode()) % 6:
                continue
            cells += 1
            if rule.about == "upload":
                place.upload = _begin(house, place, role)
            if "/exports/" in path:
                place.export = _ask_export(house, place, role, relation)
            before = house.repo.ledger.size()
            answer = _ask(client, method, path, rule, role, place, relation, scene)
            added = [e.fields for e in house.repo.ledger.entries(before)]
            refusals = [
                e for e in added
                if e["type"] == "access_denied" and e["actor"]["id"] == scene.people[role]
            ]  # fmt: skip
            allowed = expected(rule, role, relation)
            done = answer.status_code < 400 or (not refusals and answer.status_code in PASSED)
            cell = (method, path, role, relation, answer.status_code, answer.text[:150])
            if done != allowed:
                wrong.append((allowed, *cell))
            if not allowed and not (refusals and all(e["reasons"] for e in refusals)):
                wrong.append(("not recorded", *cell))
    assert wrong == [], "\n".join(str(one) for one in wrong)
    assert cells >= (350 if WHOLE else 50)


def _ask(client, method, path, rule, role, place, relation, scene):
    """Send the request of one cell."""
    own = rule.about == "own submission"
    submission = place.submissions[role] if own else place.shared
    names = {
        "<number>": place.number,
        "<code>": place.case,
        "<submission>": submission,
        "<approval>": place.approval,
        "<codename>": place.codename,
        "<transfer>": place.transfer,
        "<hold>": _held(scene, place) if "<hold>" in path else "",
        "<consent>": "CNS-none",
        "<index>": "0",
        "<name>": "front.css",
        "<erasure_id>": place.erasure,
        "<export_id>": place.export,
        "<path:name>": "entries/000.p/1",
        "<subject>": {"case": place.case, "submission": submission}.get(rule.about, place.number),
        "<upload_id>": place.upload,
    }
    for name, value in names.items():
        path = path.replace(name, value)
    headers = {
        "Authorization": f"Bearer {scene.token(role, place)}",
        "Evidence-Purpose": "immigration" if relation.endswith("stated") else "disclosure",
        "Tus-Resumable": "1.0.0",
        "Sec-Fetch-Site": "same-origin",
    }
    fill = {"{case}": place.case, "{subject}": place.number}
    more = {}
    if isinstance(rule.body, bytes):
        more["data"] = rule.body
        if own:
            headers["Content-Type"] = "application/x-ndjson"
        elif path.endswith("/register/list"):
            headers |= {"Content-Type": "text/csv", "Evidence-Motive": "m"}
    elif rule.body is not None:
        text = json.dumps(rule.body)
        if "{fresh}" in text:
            fill["{fresh}"] = next(scene.fresh)
        body = text
        for name, value in fill.items():
            body = body.replace(name, value)
        if rule.body is MARK:
            body = json.dumps(_same(rule, relation))
        more["data"] = body
        headers["Content-Type"] = "application/json"
    elif rule.about == "upload":
        headers |= {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
        headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"
        if method in ("PATCH", "POST") and not path.endswith("/seal"):
            headers["Content-Type"] = "application/offset+octet-stream"
            more["data"] = b"x"
    elif path == "/api/v1/uploads":
        code = base64.b64encode(place.case.encode()).decode()
        headers |= {"Upload-Length": "1", "Upload-Metadata": f"case {code}"}
    query = rule.query.replace("{case}", place.case).replace("{subject}", place.number)
    return client.open(path + query, method=method, headers=headers, **more)


def _held(scene: Scene, place: Place) -> str:
    """Return a hold on the exhibit; there is none before: what is held is not erased."""
    asking = scene.house.caller(scene.house.custodian.name or "")
    words = {"matter": "M", "authority": None, "motive": "m"}
    return hold(scene.house.repo, asking, place.number, **words).id


def _same(rule: Rule, relation: str) -> dict[str, object]:
    """Return the marking as it is: the cell is about who may, and changes nothing."""
    about, marking = MARKED.get(relation, ("", Marking()))
    found = marking if about == rule.about else Marking()
    return {**found.to_json(), "motive": "m"}


def _ask_export(house, place, role: str, relation: str) -> str:
    """Return an export of the person's own, as if it had been asked for while that was allowed."""
    use = "immigration" if relation.endswith("stated") else "disclosure"
    asked = {"exhibits": [place.number], "purpose": use, "authority": None, "assured": [],
             "recipient": None}  # fmt: skip
    person, at = house.caller(f"a {role}").person.id, house.repo.clock()
    with house.repo.database.writing() as session:
        row = Bundle(
            id=f"EXP-{house.repo.random(16).hex()}",
            case_id=find_case(session, place.case).id,
            person_id=person,
            assurance="token",
            asked=asked,
            asked_at=at,
            state="failed",
            reason="not-made",
        )
        session.add(row)
    return row.id


def _begin(house, place, role: str) -> str:
    """Return an upload of the person's own, as if it had been begun while that was allowed."""
    with house.repo.database.reading() as session:
        case = find_case(session, place.case)
        submission = session.get(Submission, place.submissions[role])
    said = Said("whole", b"x", 5, {}, None, sealed=True, alone=False, told=None, id=None)
    actor = house.caller(f"a {role}").actor()
    return uploads.begin(house.repo, actor, case, submission, said).id
