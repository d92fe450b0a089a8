"""Every route of the service times every role times every relation to what is asked for.

`RULES` says of each route who may use it; a route without a rule fails the first test. The
expectation is written here from the rules of the house, not taken from `decide`.
"""

import base64
import json
from dataclasses import dataclass, replace

import pytest

from api.app import create_app
from custody.entry import Act
from ingest import uploads
from ingest.uploads import Said
from repository.access import ROLES, Marking
from repository.approvals import mark, request
from repository.cases import find_case, open_case
from repository.disclose import disclose
from repository.exhibits import find_exhibit
from repository.models import Submission
from repository.people import grant, new_person, new_token
from repository.purpose import Purpose
from repository.submissions import Declaration, open_submission

RELATIONS = ("own", "other", "sealed", "institution", "withdrawn")
UNIT, TRIBUNAL = "Unit", "Tribunal"
EVERYBODY = frozenset(ROLES)
LOOK = EVERYBODY - {"auditor", "administrator"}
FACTS = LOOK - {"submitter"}
CASE = frozenset({"investigator", "analyst", "prosecutor", "custodian", "partner"})
HAND_IN = frozenset({"investigator", "custodian", "submitter"})
PARTIES = frozenset({"counsel", "expert"})
CUSTODIAN = frozenset({"custodian"})


@dataclass(frozen=True)
class Rule:
    """Who may use a route; `about` says what a relation means for it."""

    about: str  # public, person, house, case, exhibit, submission, upload
    roles: frozenset[str] = EVERYBODY
    uses: bool = False  # of contents: withdrawn consent stops it
    shows: bool = True  # a seal stops it
    body: object = None
    query: str = ""


ASK = {"act": "unsealing", "subject": "{subject}", "motive": "m"}
MARK = {"motive": "m"}
PUBLIC = Rule("public")
MARKING = {
    "GET": Rule("exhibit", LOOK),
    "PUT": Rule("exhibit", frozenset({"investigator", "custodian"}), shows=False, body=MARK),
}
UPLOAD = Rule("upload", HAND_IN)
RULES: dict[tuple[str, str], Rule] = {
    **{
        ("GET", path): PUBLIC
        for path in (
            "/", "/static/<name>", "/healthz", "/readyz", "/api/v1/openapi.json",
            "/api/v1/ledger/checkpoint", "/api/v1/ledger/proof/<index>",
        )
    },
    ("GET", "/api/v1/ledger/tile/<path:name>"): Rule("house", frozenset({"auditor", "custodian"})),
    ("GET", "/api/v1/access-log"): Rule("house", frozenset({"auditor", "custodian"})),
    ("GET", "/api/v1/approvals"): Rule("house", CUSTODIAN),
    ("POST", "/api/v1/approvals"): Rule(
        "exhibit", frozenset({"investigator", "analyst", "prosecutor", "custodian"}),
        shows=False, body=ASK,
    ),
    ("POST", "/api/v1/approvals/<approval>/decision"): Rule(
        "exhibit", CUSTODIAN, shows=False, body={"approve": False, "motive": "m"}
    ),
    ("GET", "/api/v1/cases"): Rule("person"),
    ("POST", "/api/v1/cases"): Rule(
        "house", frozenset({"investigator", "custodian"}), body={"code": "{fresh}", "title": "t"}
    ),
    ("GET", "/api/v1/cases/<code>"): Rule("case", CASE),
    ("GET", "/api/v1/cases/<subject>/marking"): Rule("case", CASE),
    ("PUT", "/api/v1/cases/<subject>/marking"): replace(MARKING["PUT"], about="case"),
    ("GET", "/api/v1/exhibits"): Rule("case", LOOK, query="?case={case}"),
    ("POST", "/api/v1/exhibits"): Rule("case", HAND_IN, query="?case={case}", body=b"bytes"),
    ("GET", "/api/v1/exhibits/<number>"): Rule("exhibit", LOOK),
    ("GET", "/api/v1/exhibits/<number>/receipt"): Rule("exhibit", LOOK),
    ("GET", "/api/v1/exhibits/<number>/custody"): Rule(
        "exhibit", (LOOK | {"auditor"}) - {"submitter", "partner"}
    ),
    ("GET", "/api/v1/exhibits/<number>/content"): Rule(
        "exhibit", PARTIES | {"analyst", "custodian", "partner"}, uses=True
    ),
    ("GET", "/api/v1/exhibits/<number>/members"): Rule("exhibit", FACTS, uses=True),
    ("POST", "/api/v1/exhibits/<number>/members"): Rule(
        "exhibit", frozenset({"investigator", "analyst", "custodian"}), uses=True,
        body={"members": ["none"]},
    ),
    ("POST", "/api/v1/exhibits/<number>/disclosures"): Rule(
        "exhibit", frozenset({"prosecutor", "custodian"}), uses=True, body={"party": "defence"}
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
    ("PUT", "/api/v1/submissions/<submission>/list"): Rule("own submission", HAND_IN, body=b""),
    ("POST", "/api/v1/submissions/<submission>/complete"): Rule(
        "own submission", HAND_IN, body={}
    ),
    ("POST", "/api/v1/uploads"): Rule("case", HAND_IN),
    ("HEAD", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("GET", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("PATCH", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("POST", "/api/v1/uploads/<upload_id>"): UPLOAD,
    ("POST", "/api/v1/uploads/<upload_id>/seal"): UPLOAD,
    ("DELETE", "/api/v1/uploads/<upload_id>"): UPLOAD,
}  # fmt: skip


def routes(app):
    """Return every method and path of the application; OPTIONS tells nothing of anything."""
    found = set()
    for rule in app.url_map.iter_rules():
        methods = rule.methods - {"OPTIONS"}
        if "GET" in methods:
            methods -= {"HEAD"}  # answered by the same function
        found |= {(method, rule.rule) for method in methods}
    return found


def test_every_route_has_a_rule(house):
    assert routes(create_app(house.repo)) == set(RULES)


def expected(rule: Rule, role: str, relation: str) -> bool:
    """Say whether a role may use a route, from the rules of the house."""
    if rule.about in ("public", "person"):
        return True
    if role not in rule.roles:
        return False
    if rule.about == "house":
        return True
    if relation == "institution":
        return False
    if relation == "other":  # of the same institution, without a grant
        return role in ("custodian", "auditor")
    if relation == "sealed":
        return not rule.shows
    return not (relation == "withdrawn" and rule.uses)


@dataclass
class Place:
    """What the requests of one relation are about."""

    case: str
    number: str
    approval: str
    tokens: dict[str, str]
    submissions: dict[str, str]  # by role
    people: dict[str, str]
    shared: str  # the submission the exhibit came with
    upload: str = ""


@pytest.fixture
def place(house, tmp_path, request):
    return _prepare(house, tmp_path, request.param)


def _prepare(house, tmp_path, relation: str) -> Place:
    repo, custodian = house.repo, house.custodian
    code = {"institution": "TRIB"}.get(relation, "MTX")
    owner = TRIBUNAL if relation == "institution" else UNIT
    if relation == "institution":
        new_person(repo, custodian, name="elsewhere", role="custodian", organisation=TRIBUNAL)
    case = (
        open_case(repo, custodian, code=code, title="T", organisation=UNIT)
        if (relation != "institution")
        else open_case(repo, house.caller("elsewhere").actor(), code=code, title="T")
    )
    assert case.organisation == owner
    (tmp_path / "a.txt").write_bytes(b"first")
    said = house.evidence("ingest", tmp_path / "a.txt", "--case", code)
    assert said.code == 0, said.err
    number, shared = said.lines[0]["exhibit"], said.lines[0]["submission"]
    tokens, submissions, people = {}, {}, {}
    for role in ROLES:
        person = new_person(repo, custodian, name=f"a {role}", role=role, organisation=UNIT)
        if relation in ("own", "sealed", "withdrawn") and role != "administrator":
            party = "defence" if role in PARTIES else None
            grant(repo, custodian, case=case, person=person, role=role, party=party)
        tokens[role] = new_token(repo, custodian, person=person, expires_at=None)[1]
        people[role] = person.id
        declared = Declaration(Purpose("analysis", ""))
        actor = house.caller(f"a {role}").actor()
        row, _ = open_submission(repo, actor, case, declared, sources=[role.encode()])
        submissions[role] = row.id
    disclose(repo, house.caller(house.custodian.name or ""), number, party="defence",
             purpose="disclosure")  # fmt: skip
    with repo.database.writing() as session:
        # The submitter's own thing, so that "own" means the same for every role.
        exhibit = find_exhibit(session, number)
        assert exhibit is not None
        session.get_one(Submission, shared).person_id = people["submitter"]
    asking = house.caller(house.custodian.name or "")
    waits = request(repo, asking, Act.UNSEALING, number, motive="m", hours=1)
    if relation == "sealed":
        mark(repo, asking, code, Marking(sealed=True), motive="m")
    if relation == "withdrawn":
        mark(repo, asking, number, Marking(withdrawn=True), motive="m")
    return Place(code, number, waits.id, tokens, submissions, people, shared)


PASSED = {400, 404, 409, 415}  # of a route that let the caller in and then found nothing to do


@pytest.mark.parametrize("place", RELATIONS, indirect=True, ids=RELATIONS)
def test_no_cell_succeeds_that_should_not_and_every_refusal_is_recorded(house, place, request):
    relation = request.node.callspec.id
    client = create_app(house.repo).test_client()
    fresh = iter(f"F{n}" for n in range(10, 99))
    wrong, cells = [], 0
    for (method, path), rule in sorted(RULES.items()):
        for role in ROLES:
            cells += 1
            if rule.about == "upload":
                place.upload = _begin(house, place, role)
            before = house.repo.ledger.size()
            answer = _ask(client, method, path, rule, role, place, relation, fresh)
            added = [e.fields for e in house.repo.ledger.entries(before)]
            refusals = [
                e for e in added
                if e["type"] == "access_denied" and e["actor"]["id"] == place.people[role]
            ]  # fmt: skip
            allowed = expected(rule, role, relation)
            done = answer.status_code < 400 or (not refusals and answer.status_code in PASSED)
            cell = (method, path, role, relation, answer.status_code, answer.text[:150])
            if done != allowed:
                wrong.append((allowed, *cell))
            if not allowed and not (refusals and all(e["reasons"] for e in refusals)):
                wrong.append(("not recorded", *cell))
    assert wrong == [], "\n".join(str(one) for one in wrong)
    assert cells == len(RULES) * len(ROLES)


def _ask(client, method, path, rule, role, place, relation, fresh):
    """Send the request of one cell."""
    own = rule.about == "own submission"
    submission = place.submissions[role] if own else place.shared
    names = {
        "<number>": place.number,
        "<code>": place.case,
        "<submission>": submission,
        "<approval>": place.approval,
        "<index>": "0",
        "<name>": "front.css",
        "<path:name>": "entries/000.p/1",
        "<subject>": {"case": place.case, "submission": submission}.get(rule.about, place.number),
        "<upload_id>": place.upload,
    }
    for name, value in names.items():
        path = path.replace(name, value)
    headers = {
        "Authorization": f"Bearer {place.tokens[role]}",
        "Evidence-Purpose": "disclosure",
        "Tus-Resumable": "1.0.0",
    }
    fill = {"{case}": place.case, "{subject}": place.number}
    more = {}
    if isinstance(rule.body, bytes):
        more["data"] = rule.body
        if own:
            headers["Content-Type"] = "application/x-ndjson"
    elif rule.body is not None:
        text = json.dumps(rule.body)
        if "{fresh}" in text:
            fill["{fresh}"] = next(fresh)
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
    query = rule.query.replace("{case}", place.case)
    return client.open(path + query, method=method, headers=headers, **more)


def _same(rule: Rule, relation: str) -> dict[str, object]:
    """Return the marking as it is: the cell is about who may, and changes nothing."""
    found = Marking()
    if relation == "sealed" and rule.about == "case":
        found = Marking(sealed=True)
    if relation == "withdrawn" and rule.about == "exhibit":
        found = Marking(withdrawn=True)
    return {**found.to_json(), "motive": "m"}


def _begin(house, place, role: str) -> str:
    """Return an upload of the person's own, as if it had been begun while that was allowed."""
    with house.repo.database.reading() as session:
        case = find_case(session, place.case)
        submission = session.get(Submission, place.submissions[role])
    said = Said("whole", b"x", 5, {}, None, sealed=True, alone=False, told=None, id=None)
    actor = house.caller(f"a {role}").actor()
    return uploads.begin(house.repo, actor, case, submission, said).id
