"""Consents as pages: asked about a case, answered by the owner's people, withdrawn, told."""

import re

import pytest

from api.app import create_app
from repository.approvals import mark
from repository.conditions import Marking
from repository.people import grant, new_person
from tests.house import CODE
from tests.web import sign_in, text

HOSTILE = "</textarea><script>alert(1)</script>\u202e"
ONE = "KRN-000001"


@pytest.fixture
def client(house, files):
    for name, role, owner in (
        ("their head", "investigator", "NCB"), ("tribunal", "partner", "Tribunal <b>"),
        ("elsewhere", "investigator", "Others"),
    ):  # fmt: skip
        new_person(house.repo, house.custodian, name=name, role=role, organisation=owner)
    tribunal = house.caller("tribunal").person
    grant(house.repo, house.custodian, case=house.case, person=tribunal, role="partner")
    house.ingest(files)
    mark(house.repo, house.caller_of_login(), ONE, Marking(handling="H2", owner="NCB"), motive="m")
    return create_app(house.repo).test_client()


def test_a_consent_is_asked_given_and_withdrawn_and_each_side_is_told(house, client):
    sign_in(client, house, "prosecutor")
    where = f"/cases/{CODE}/consents"
    assert "No owner was asked about this case" in text(client.get(where).text)
    asked = {"subjects": ONE, "recipient": "Tribunal <b>", "purpose": "court", "motive": HOSTILE}
    for wrong in ({"subjects": ""}, {"subjects": "KRN-999999"}, {"motive": ""}, {"until": "soon"}):
        refused = client.post(where, data={**asked, **wrong})
        assert refused.status_code in (400, 404), wrong
        assert "Tribunal &lt;b&gt;" in refused.text
        assert "<script>alert" not in refused.text
    assert "1 owner is asked" in text(client.post(where, data=asked, follow_redirects=True).text)
    sign_in(client, house, "custodian")
    work = client.get("/work").text
    assert 'href="/consents"' in work.partition('id="m-consents"')[2].partition("</tr>")[0]
    waiting = client.get("/consents").text.partition('id="waiting"')[2].partition("</table>")[0]
    assert f'href="{where}"' in waiting
    sign_in(client, house, "elsewhere")
    assert ONE not in client.get("/consents").text
    consent = re.search(r"CNS-[0-9a-f-]+", _asked(client, house)).group()
    sign_in(client, house, "elsewhere")
    assert client.get(f"/consents/{consent}").status_code == 404
    assert _answered(client, consent, "give").status_code == 404
    assert house.last("access_denied")["attempted"] == "consent_recorded"
    sign_in(client, house, "their head")
    shown = client.get(f"/consents/{consent}")
    assert "If you give it, these may go to this recipient" in text(shown.text)
    assert house.last("consultation")["reason"] == "consent-list"
    without = _answered(client, consent, "give", motive="", until="2030")
    assert without.status_code == 400
    assert 'value="2030"' in without.text
    assert _answered(client, consent, "").status_code == 400
    assert _answered(client, consent, "give").status_code == 303
    assert house.last("consent_recorded")["exhibit"]["number"] == ONE
    assert _answered(client, consent, "refuse").status_code == 404  # once
    sign_in(client, house, "tribunal")
    assert ONE in client.get("/consents").text.partition('id="received"')[2]
    sign_in(client, house, "their head")
    assert _answered(client, consent, "withdraw").status_code == 303
    assert house.last("consent_withdrawn")["exhibit"]["number"] == ONE
    sign_in(client, house, "prosecutor")
    told = client.get(where).text
    assert "withdrawn" in text(told)
    assert "<script>alert" not in told


def _asked(client, house):
    sign_in(client, house, "their head")
    return client.get("/consents").text


def _answered(client, consent, act, motive="agreed", **more):
    return client.post(f"/consents/{consent}", data={"act": act, "motive": motive, **more})
