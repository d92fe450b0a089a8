"""Sign-in with an account elsewhere: true providers, and providers and browsers that lie."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from api import oidc
from api.app import create_app
from api.kept import OLDEST, SOONEST, Kept
from config.settings import OidcProvider, load
from repository.people import new_person
from tests.providers import CLIENT, provider

COOKIE, PENDING = "evidence-session", "evidence-pending"


@pytest.fixture(scope="module")
def running():
    with provider() as found:
        yield found


@pytest.fixture
def other(running):
    """Return the provider, honest again, with its account linked to the analyst."""
    running.claims, running.described, running.sign = {}, {}, None
    running.subject = "subject-1"
    running.asked.clear()
    oidc.KEPT.forget()
    return running


@pytest.fixture
def app(house, other):
    named = OidcProvider(name="bureau", label="The bureau", issuer=other.issuer, client_id=CLIENT)
    settings = house.repo.settings.model_copy(update={"oidc": (named,)})
    linked = house.evidence(
        "person", "link", "analyst", "--issuer", other.issuer, "--subject", "subject-1"
    )
    assert linked.code == 0, linked.err
    return create_app(replace(house.repo, settings=settings))


def away(client, query=""):
    """Go to the provider; return the address there."""
    answer = client.get(f"/sign-in/with/bureau{query}")
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def back(client, url):
    parts = urlsplit(url)
    return client.get(f"{parts.path}?{parts.query}")


def reasons(house):
    found = [e.fields for e in house.entries() if e.fields["type"] == "sign_in"]
    return [(e["outcome"], e["reason"]) for e in found]


def test_whoever_a_custodian_linked_is_signed_in(house, other, app):
    client = app.test_client()
    shown = client.get("/api/v1/session").json
    assert shown["providers"] == [{"name": "bureau", "label": "The bureau"}]
    answer = client.get("/sign-in/with/bureau")
    pending = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(pending.split("; "))
    sent = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert len(sent["nonce"]) >= 43
    assert "verifier" not in str(sent).replace("code_verifier", "verifier")
    done = back(client, other.log_in(answer.headers["Location"]))
    assert (done.status_code, done.headers["Location"]) == (303, "/")
    assert client.get_cookie(PENDING) is None
    shown = client.get("/api/v1/session").json
    assert (shown["person"]["name"], shown["session"]["way"]) == ("analyst", "oidc")
    assert shown["session"]["authenticated_at"] is not None
    entry = house.last("sign_in")
    assert (entry["reason"], entry["actor"]["assurance"]) == ("session-begun", "oidc")
    assert client.get("/api/v1/cases").status_code == 200


def _none(claims):
    header = {"alg": "none"}
    parts = [json.dumps(one).encode() for one in (header, claims)]
    from joserfc.util import urlsafe_b64encode

    return b".".join([*map(urlsafe_b64encode, parts), b""]).decode()


def lies(other):
    """Return what a false or broken provider may give, and what is then on record."""
    public = other.key.as_pem(private=False)
    shared = OctKey.import_key(b"k" * 32)
    head = {"alg": "RS256", "kid": "1"}
    return {
        "wrong nonce": ({"nonce": "another"}, None, "oidc-nonce"),
        "no nonce": ({"nonce": None}, None, "oidc-nonce"),
        "wrong audience": ({"aud": "somebody-else"}, None, "oidc-aud"),
        "second audience": ({"aud": [CLIENT, "x"]}, None, "oidc-azp"),
        "wrong issuer": ({"iss": "https://evil.example"}, None, "oidc-iss"),
        "expired": ({"exp": 1_700_000_000}, None, "oidc-exp"),
        "issued in the future": ({"iat": 4_000_000_000}, None, "oidc-iat"),
        "no subject": ({"sub": None}, None, "oidc-sub"),
        "a number as subject": ({"sub": 7}, None, "oidc-sub"),
        "a zero in the subject": ({"sub": "subject-1\0"}, None, "oidc-no-subject"),
        "half a surrogate": (
            {"sub": "\ud800"}, lambda one: jws.serialize_compact(head, json.dumps(one), other.key),
            "oidc-no-subject",
        ),
        "an empty subject": ({"sub": ""}, None, "oidc-no-subject"),
        "alg none": ({}, _none, "oidc-unsupported-algorithm"),
        "another key": (
            {}, lambda one: jwt.encode({"alg": "RS256", "kid": "1"}, one, other.other_key),
            "oidc-bad-signature",
        ),
        "an unknown key": (
            {}, lambda one: jwt.encode({"alg": "RS256", "kid": "9"}, one, other.other_key),
            "oidc-invalid-key-id",
        ),
        "a shared secret": (
            {}, lambda one: jwt.encode({"alg": "HS256", "kid": "1"}, one, shared),
            "oidc-unsupported-algorithm",
        ),
        "no token": ({}, lambda one: "not.a.token", "oidc-decode-error"),
        "somebody nobody linked": ({"sub": "subject-2"}, None, "identity-unknown"),
        "the public key as a secret": (
            {}, lambda one: _signed_with(public, one), "oidc-unsupported-algorithm",
        ),
    }  # fmt: skip


def _signed_with(pem, claims):
    import hmac
    from hashlib import sha256

    from joserfc.util import urlsafe_b64encode

    head = b'{"alg":"HS256","kid":"1"}'
    signed = b".".join(map(urlsafe_b64encode, (head, json.dumps(claims).encode())))
    mac = hmac.new(pem, signed, sha256).digest()
    return b".".join([signed, urlsafe_b64encode(mac)]).decode()


def test_no_lie_of_a_provider_signs_anybody_in_and_each_is_recorded(house, other, app):
    for name, (claims, sign, reason) in lies(other).items():
        other.claims, other.sign = claims, sign
        client = app.test_client()
        done = back(client, other.log_in(away(client)))
        assert done.headers["Location"] == "/#refused", name
        assert client.get_cookie(COOKIE) is None, name
        assert reasons(house)[-1] == ("refused", reason), name
    assert house.evidence("session", "list").lines == []


def test_an_answer_is_good_once_and_for_the_browser_that_asked(house, other, app):
    client, stranger = app.test_client(), app.test_client()
    home = other.log_in(away(client))
    assert back(stranger, home).headers["Location"] == "/#refused"  # a code put under somebody
    assert reasons(house)[-1] == ("refused", "oidc-not-begun")
    pending = client.get_cookie(PENDING).value
    assert back(client, home).headers["Location"] == "/"
    client.set_cookie(PENDING, pending)
    assert back(client, home).headers["Location"] == "/#refused"  # the same state again
    assert reasons(house)[-1] == ("refused", "oidc-not-begun")
    used = dict(parse_qsl(urlsplit(home).query))
    again = dict(parse_qsl(urlsplit(away(client)).query))
    replayed = {"code": used["code"], "state": again["state"]}
    assert back(client, f"/sign-in/back?{urlencode(replayed)}").headers["Location"] == "/#refused"
    assert reasons(house)[-1] == ("refused", "oidc-code")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "another"}, "oidc-state"),
        ({"state": "\u0641"}, "oidc-state"),
        ({"iss": "https://evil.example"}, "oidc-issuer"),
        ({"code": None, "error": "access_denied"}, "oidc-refused-there"),
        ({"code": "invented"}, "oidc-code"),
    ],
    ids=str,
)
def test_an_answer_that_is_not_to_what_was_asked_is_refused(house, other, app, change, reason):
    client = app.test_client()
    sent = dict(parse_qsl(urlsplit(other.log_in(away(client))).query))
    sent = {name: value for name, value in {**sent, **change}.items() if value is not None}
    answer = client.get("/sign-in/back", query_string=sent)
    assert answer.headers["Location"] == "/#refused"
    assert reasons(house)[-1] == ("refused", reason)


STRANGE = ("https://evil.example/x", "http://127.0.0.2:1/x", "file:///etc/passwd", "http://[", None)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_no_host_is_asked_that_is_not_configured(other, app, name):
    for url in STRANGE:
        other.described = {name: url}
        answer = app.test_client().get("/sign-in/with/bureau")
        assert answer.headers["Location"] == "/#unavailable"
    assert set(other.asked) == {"/.well-known/openid-configuration"}


def test_a_provider_that_calls_itself_otherwise_or_is_away_signs_nobody_in(house, other, app):
    other.described = {"issuer": "https://evil.example"}
    assert app.test_client().get("/sign-in/with/bureau").headers["Location"] == "/#unavailable"
    assert app.test_client().get("/sign-in/with/nobody").status_code == 404
    gone = OidcProvider(name="gone", label="G", issuer="http://127.0.0.1:9", client_id=CLIENT)
    settings = house.repo.settings.model_copy(update={"oidc": (gone,)})
    client = create_app(replace(house.repo, settings=settings)).test_client()
    assert client.get("/sign-in/with/gone").headers["Location"] == "/#unavailable"


def test_to_prove_oneself_anew_takes_the_providers_word_for_when(house, other, app):
    client = app.test_client()
    other.claims = {"auth_time": 1_700_000_000}  # known to the provider, but long ago
    back(client, other.log_in(away(client)))
    first = client.get("/api/v1/session").json["session"]
    assert first["authenticated_at"].startswith("2023-")
    other.claims = {"auth_time": None}
    url = away(client, "?again=1")
    sent = dict(parse_qsl(urlsplit(url).query))
    assert (sent["prompt"], sent["max_age"]) == ("login", "0")
    back(client, other.log_in(url))
    assert client.get("/api/v1/session").json["session"]["authenticated_at"] is None
    other.claims = {"auth_time": 4_000_000_000}
    back(client, other.log_in(away(client, "?again=1")))
    last = client.get("/api/v1/session").json["session"]
    assert last["id"] == first["id"]  # the same session, stepped up
    assert (
        last["authenticated_at"]
        <= house.repo.ledger.entry(house.repo.ledger.size() - 1).fields["at"]
    )
    assert reasons(house)[-1] == ("done", "step-up")


def test_one_account_elsewhere_is_one_person_here(house, other, app):
    words = ("--issuer", other.issuer, "--subject", "subject-1")
    new_person(house.repo, house.custodian, name="second", role="custodian")
    said = house.evidence("person", "link", "second", *words)
    assert said.code == 2
    assert "linked to analyst already" in said.err
    assert [one["name"] for one in house.evidence("person", "links").lines] == ["analyst"]
    assert house.evidence("person", "link", "analyst", *words, person="analyst").code == 4
    client = app.test_client()
    free = ("--issuer", other.issuer, "--subject", "slip")
    assert house.evidence("person", "link", "second", *free).code == 0
    assert house.evidence("person", "unlink", *free).code == 0
    assert house.evidence("person", "link", "analyst", *free).code == 0  # it was nobody's yet
    assert house.evidence("person", "unlink", *free).code == 0
    back(client, other.log_in(away(client)))
    assert house.evidence("person", "unlink", *words).code == 0
    assert client.get("/api/v1/cases").status_code == 401
    back(client, other.log_in(away(client)))
    assert reasons(house)[-1] == ("refused", "identity-unknown")
    assert house.evidence("person", "unlink", *words).code == 2
    assert house.evidence("person", "links").lines == []
    said = house.evidence("person", "link", "second", *words)  # it stays the analyst's for good
    assert said.code == 2
    assert "has signed in as analyst" in said.err
    ends = [e.fields["reason"] for e in house.entries()
            if e.fields["type"] == "configuration_change"]  # fmt: skip
    assert ends[-2:] == ["identity-unlinked", "identity-unlinked"]
    assert house.evidence("person", "link", "analyst", *words).code == 0
    back(client, other.log_in(away(client)))
    assert client.get("/api/v1/session").json["person"]["name"] == "analyst"


def test_an_ended_person_is_not_signed_in_again(house, other, app):
    assert house.evidence("person", "end", "analyst", "--motive", "left").code == 0
    client = app.test_client()
    assert back(client, other.log_in(away(client))).headers["Location"] == "/#refused"
    assert reasons(house)[-1] == ("refused", "person-ended")


DESCRIPTION, KEYS = "/.well-known/openid-configuration", "/keys"


def test_what_a_provider_says_of_itself_is_kept_for_a_while(house, other, app, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(oidc, "KEPT", Kept(lambda: now[0]))

    def signed_in():
        other.asked.clear()
        client = app.test_client()
        answer = back(client, other.log_in(away(client)))
        asked = [one for one in other.asked if one in (DESCRIPTION, KEYS)]
        return answer.headers["Location"] == "/", asked

    assert signed_in() == (True, [DESCRIPTION, KEYS])
    assert signed_in() == (True, [])
    now[0] += OLDEST
    assert signed_in() == (True, [DESCRIPTION, KEYS])
    # A key that is not known has the keys fetched once more, and then not for a minute.
    fresh = RSAKey.generate_key(2048, {"kid": "2", "use": "sig"})
    other.sign = lambda one: jwt.encode({"alg": "RS256", "kid": "2"}, one, fresh)
    now[0] += SOONEST
    assert signed_in() == (False, [KEYS])
    assert signed_in() == (False, [])
    assert reasons(house)[-1] == ("refused", "oidc-invalid-key-id")
    monkeypatch.setattr(other, "key", fresh)  # now the provider says that it has it
    assert signed_in() == (False, [])
    now[0] += SOONEST
    assert signed_in() == (True, [KEYS])
    # A key that the provider has withdrawn is good for no longer than what is kept.
    old = other.other_key
    other.sign = lambda one: jwt.encode({"alg": "RS256", "kid": "1"}, one, old)
    now[0] += OLDEST
    assert signed_in() == (False, [DESCRIPTION, KEYS])


def test_what_fails_is_not_kept(other, app):
    other.described = {"token_endpoint": "https://evil.example/x"}
    for _ in range(2):
        assert app.test_client().get("/sign-in/with/bureau").headers["Location"] == "/#unavailable"
    assert other.asked == [DESCRIPTION] * 2
    other.described = {}
    assert app.test_client().get("/sign-in/with/bureau").headers["Location"] != "/#unavailable"


def test_providers_are_settings(tmp_path):
    (tmp_path / "config.toml").write_text(
        '[[oidc]]\nname = "bureau"\nlabel = "B"\nissuer = "https://id.example"\nclient_id = "c"\n'
    )
    [found] = load(tmp_path).oidc
    assert (found.name, found.claim, found.hosts) == ("bureau", "sub", ())
