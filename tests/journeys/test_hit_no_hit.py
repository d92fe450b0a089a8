"""A second State asks and gets hit or no hit: over HTTP, from sign-in to result, on both sides."""

from urllib.parse import quote

import pytest

from ingest.extractors.chat_sms import SAMPLE
from repository.cases import open_case
from repository.people import grant, new_person
from tests.desk import Desks
from tests.house import make_house
from tests.journeys.left import left

NCB, STATE = "NCB Bravo", "Prosecutor of Alfa"
HEADERS = {"Sec-Fetch-Site": "same-origin", "Evidence-Purpose": quote("investigation: RFA 7")}
CASES = {NCB: "BR", STATE: "AL"}
ROLES = {NCB: ("investigator", "analyst"), STATE: ("investigator", "prosecutor")}


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path, match_answer_seconds=0.0, match_person_hour=3)
    repo, first = found.repo, found.custodian
    for organisation, code in CASES.items():
        people = [
            new_person(
                repo, first, name=f"{role} of {organisation}", role=role, organisation=organisation
            )
            for role in ROLES[organisation]
        ]
        case = open_case(
            repo, first, code=code, title=f"Case of {organisation}", organisation=organisation
        )
        for person in people:
            grant(repo, first, case=case, person=person, role=person.role)
        said = found.evidence(
            "match", "join", organisation, "--contact", f"{organisation}, war crimes desk",
            "--motive", "agreement of 2026",
        )  # fmt: skip
        assert said.code == 0, said.err
    yield found
    repo.close()


@pytest.fixture
def desks(house) -> Desks:
    """Return its people, each with a passkey registered by invitation."""
    found = Desks(house)
    found.register(*(f"{role} of {name}" for name in CASES for role in ROLES[name]))
    return found


def hand_in(client, code, content):
    answer = client.post(
        f"/api/v1/exhibits?case={code}&family=mobile", data=content, headers=HEADERS
    )
    assert answer.status_code == 201, answer.text
    return answer.json["exhibit"]


def ask(client, kind, value, **headers):
    body = {"kind": kind, "value": value}
    return client.post("/api/v1/matches", json=body, headers={**HEADERS, **headers})


def notices(client):
    answer = client.get("/api/v1/matches/notices")
    assert answer.status_code == 200
    return answer.json["items"]


def test_a_second_state_asks_and_both_sides_have_it_on_record(house, desks):
    start = house.repo.ledger.size()
    holder = desks(f"investigator of {NCB}").client
    number = hand_in(holder, CASES[NCB], SAMPLE)  # an SMS backup with +380441234567 in it
    assert house.evidence("worker", "--once").code == 0  # looks at it, then makes its tokens

    asker = desks(f"prosecutor of {STATE}").client
    before = house.repo.ledger.size()
    hit = ask(asker, "telephone", "00380 (44) 123-45-67")
    assert hit.status_code == 200
    assert hit.json["hit"] is True
    assert hit.json["contacts"] == [{"organisation": NCB, "contact": f"{NCB}, war crimes desk"}]
    assert number not in hit.text
    miss = ask(asker, "telephone", "+380 44 000 00 00")
    assert (miss.json["hit"], miss.json["contacts"]) == (False, [])
    added = [e.fields for e in house.repo.ledger.entries(before)]
    assert [e["type"] for e in added] == ["match_query", "match_notice"] * 2
    assert added[0]["actor"]["role"] == "prosecutor"
    assert {"asked", "purpose", "detail", "organisation"} <= set(added[0]["_sd"])

    [theirs] = notices(holder)
    assert (theirs["organisation"], theirs["exhibits"]) == (STATE, [number])
    assert theirs["kinds"] == ["telephone"]
    assert theirs["contact"] == f"{STATE}, war crimes desk"
    [mine] = notices(asker)
    assert (mine["organisation"], mine["exhibits"]) == (NCB, [])
    assert mine["query"] == theirs["query"] == hit.json["query"]
    stranger = desks(f"investigator of {STATE}").client  # of the same State, did not ask
    assert notices(stranger) == []
    path = f"/api/v1/matches/notices/{theirs['notice']}/acknowledgement"
    assert asker.post(path, headers=HEADERS).status_code == 404
    done = holder.post(path, headers=HEADERS)
    assert done.status_code == 200
    assert house.repo.ledger.entry(done.json["acknowledged_entry"]).fields["reason"] == (
        "match-notice"
    )
    assert notices(holder) == []
    assert len(holder.get("/api/v1/matches/notices?all=true").json["items"]) == 1

    own = hand_in(stranger, CASES[STATE], SAMPLE.replace(b"hello", b"another copy"))
    assert house.evidence("worker", "--once").code == 0
    [told] = notices(stranger)  # by itself: nobody asked
    assert (told["organisation"], told["exhibits"], told["query"]) == (NCB, [own], None)
    [told] = notices(holder)
    assert (told["organisation"], told["exhibits"]) == (STATE, [number])

    people = asker.get("/api/v1/matches/parties").json["items"]
    assert [one["organisation"] for one in people] == sorted(CASES)
    found = left("2 a second State asks and gets hit or no hit", house, start)
    assert (found["match_query/done"], found["match_notice/done"]) == (2, 4)
    audit = house.evidence("verify", "--ledger")
    assert audit.code == 0, audit.out


def test_what_is_refused_is_refused_in_words_and_recorded(house, desks):
    asker = desks(f"prosecutor of {STATE}").client
    nothing = ask(asker, "telephone", "+380441234567", **{"Evidence-Purpose": ""})
    assert (nothing.status_code, nothing.json["type"].rpartition("/")[2]) == (
        400, "purpose-required",
    )  # fmt: skip
    assert ask(asker, "telephone", "044 1234567").status_code == 400  # names no one line
    for _ in range(3):
        assert ask(asker, "url", "https://example.org/a").status_code == 200
    for _ in range(2):
        flood = ask(asker, "url", "https://example.org/a")
        assert flood.status_code == 429
        assert 0 < int(flood.headers["Retry-After"]) <= 3600
        assert house.last("access_denied")["reasons"] == ["query-limit"]
    said = house.evidence("match", "leave", STATE, "--motive", "it left")
    assert said.code == 0, said.err
    assert ask(asker, "url", "https://example.org/a").status_code == 403
    assert house.last("access_denied")["reasons"] == ["not-taking-part"]
    assert house.evidence("match", "leave", STATE, "--motive", "").code == 2
    last = [e for e in house.entries() if e.fields["type"] == "configuration_change"][-1]
    assert (last.fields["reason"], house.repo.ledger.opened(last)["motive"]) == (
        "match-left", "it left",
    )  # fmt: skip


def test_the_same_on_the_command_line(house, tmp_path, monkeypatch):
    monkeypatch.setenv("EVIDENCE_MATCH_PERSON_HOUR", "3")
    (tmp_path / "sms.xml").write_bytes(SAMPLE)
    said = house.evidence(
        "ingest", tmp_path / "sms.xml", "--case", CASES[NCB], person=f"investigator of {NCB}"
    )
    assert said.code == 0, said.err  # it has the tokens made itself
    words = ("--purpose", "investigation")
    asker = f"prosecutor of {STATE}"
    for asked, hit in (
        (("telephone", "+380 44 765 43 21"), True),
        (("file", "--file", tmp_path / "sms.xml"), True),
        (("imei", "490154203237518"), False),
    ):
        said = house.evidence("match", "ask", *asked, *words, person=asker)
        assert (said.code, said.lines[0]["hit"]) == (0, hit), said.err
    assert house.evidence("match", "ask", "url", "https://e.org", *words, person=asker).code == 4
    listed = house.evidence("match", "notices", person=f"analyst of {NCB}").lines
    assert [one["kinds"] for one in listed] == [["file"], ["telephone"]]
    said = house.evidence("match", "acknowledge", listed[0]["notice"], person=f"analyst of {NCB}")
    assert said.code == 0, said.err
    entry = house.repo.ledger.entry(said.lines[0]["acknowledged_entry"])
    assert entry.fields["type"] == "receipt_acknowledged"
