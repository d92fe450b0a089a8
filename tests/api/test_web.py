"""What every page keeps: who may see it, its words in six languages, what was typed."""

import json
import re
from hashlib import sha256
from string import Formatter

import pytest

from api import pages as pages_files
from api.app import create_app
from api.problems import STATUSES
from api.web import words
from tests.web import sign_in, text

# Addresses without a sign-in: what is typed there identifies, or nobody is to be identified.
PUBLIC = {("GET", "/register")}
SAY = "/say"  # of people without a name, in more languages: test_say.py


@pytest.fixture
def app(house):
    return create_app(house.repo)


@pytest.fixture
def client(app):
    return app.test_client()


def pages(app):
    """Return every method and address of a page."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("web_") and not rule.rule.startswith(SAY):
            for method in sorted(rule.methods - {"OPTIONS", "HEAD"}):
                path = re.sub(r"<int:\w+>", "1", rule.rule)
                yield method, rule.rule, re.sub(r"<[^>]+>", "KRN-000001", path)


def test_nobody_sees_a_page_and_asking_is_no_entry(app, client, house):
    before = house.repo.ledger.size()
    for method, rule, path in pages(app):
        if (method, rule) in PUBLIC:
            continue
        answer = client.open(path, method=method)
        assert answer.status_code == 401, (method, rule)
        assert "Sign in" in text(answer.text)
    assert house.repo.ledger.size() == before


def test_another_sites_form_changes_nothing(app, client, house):
    sign_in(client, house, "custodian")
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "cross-site"
    for method, rule, path in pages(app):
        if method == "POST" and (method, rule) not in PUBLIC:
            assert client.post(path, data={"reason": "x"}).status_code == 401, rule


def test_cases_and_their_exhibits_are_listed_and_each_look_is_recorded(client, house, files):
    (files / "evidence\u202egpj.exe").write_bytes(b"MZ")
    house.ingest(files)
    sign_in(client, house, "analyst")
    front = client.get("/")
    assert front.status_code == 200
    assert "KRN" in text(front.text)
    assert house.last("consultation")["reason"] == "case-list"
    listed = client.get("/cases/KRN")
    assert "evidenceU+202Egpj.exe" in text(listed.text)
    assert "\u202e" not in listed.text
    seen = house.last("consultation")
    assert (seen["reason"], seen["count"]) == ("exhibit-list", 4)


def test_a_case_of_others_is_refused_as_one_that_is_not_there(client, house):
    sign_in(client, house, "analyst")
    refused, unknown = client.get("/cases/OTHER"), client.get("/cases/NEVER")
    assert refused.status_code == unknown.status_code == 404
    assert text(refused.text).replace("OTHER", "") == text(unknown.text).replace("NEVER", "")
    assert house.last("access_denied")["outcome"] == "refused"


def test_an_address_without_a_page_says_so_in_words(client, house):
    sign_in(client, house, "analyst")
    answer = client.get("/nothing-here", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is nothing here" in text(answer.text)
    assert client.get("/api/v1/nothing").mimetype == "application/problem+json"


@pytest.mark.parametrize("code", words.LANGUAGES)
def test_each_problem_has_a_heading_in_each_language(code):
    speech = words.language(code)
    assert [one for one in STATUSES if not speech.has(f"problem.{one}")] == []


def test_every_page_has_the_strict_policy_and_no_inline_script(app, client, house):
    sign_in(client, house, "custodian")
    for path in ("/", "/cases/KRN", "/me", "/register", "/nothing-here"):
        answer = client.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", answer.text), path


@pytest.mark.parametrize("code", words.LANGUAGES)
def test_a_language_has_every_text_with_the_same_places_to_fill_in(code):
    english, other = words.language("en"), words.language(code)
    assert {g: set(t) for g, t in other.words.items()} == {
        g: set(t) for g, t in english.words.items()
    }
    for group, texts in english.words.items():
        for name, said in texts.items():
            theirs = other.words[group][name]
            forms = [theirs] if isinstance(theirs, str) else list(theirs.values())
            wanted = said if isinstance(said, str) else said["other"]
            for form in forms:
                extra = _places(form) - _places(wanted)
                assert not extra, (group, name)
                assert _places(wanted) - _places(form) <= {"count"}, (group, name)


def test_a_page_speaks_the_language_that_is_asked_for_and_remembers_it(client, house):
    sign_in(client, house, "analyst")
    answer = client.get("/?lang=ar")
    assert '<html lang="ar" dir="rtl">' in answer.text
    assert "القضايا" in client.get("/").text
    assert words.language("ar").say("shell.unreviewed") in answer.text
    assert client.get("/?lang=en").text.count('dir="ltr"') > 0


def test_what_was_typed_is_kept_where_the_session_ended(app, client):
    posts = [path for method, _, path in pages(app) if method == "POST"]
    for path in posts:
        answer = client.post(path, data={"reason": "</textarea><b>kept"})
        if answer.status_code == 401:
            assert "&lt;/textarea&gt;&lt;b&gt;kept" in answer.text


def test_a_session_outlives_the_service_and_ends_in_every_window_at_once(client, house):
    sign_in(client, house, "analyst")
    cookie = client.get_cookie("evidence-session").value
    other = create_app(house.repo).test_client()  # the service, started again; another window
    other.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    other.set_cookie("evidence-session", cookie)
    assert other.get("/cases/KRN").status_code == 200
    assert client.delete("/api/v1/session").status_code == 204
    said = other.post("/exhibits/KRN-000001/annotations", data={"text": "typed & kept"})
    assert said.status_code == 401
    assert "typed &amp; kept" in said.text
    assert said.headers["Cache-Control"] == "no-store"  # going back shows no evidence


def test_files_of_the_pages_are_compared_before_they_are_used_again(client):
    first = client.get("/static/front.css")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/front.css", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    for other in ("app.py", "../app.py", "vendor/README.md", "vendor/htmx.LICENSE"):
        assert client.get(f"/static/{other}").status_code == 404


def test_vendored_files_are_those_of_their_packages():
    folder = words.FOLDER.parent / "static" / "vendor"
    listed = dict(
        reversed(line.split("  "))
        for line in (folder / "README.md").read_text("utf-8").splitlines()
        if re.match(r"[0-9a-f]{64}  ", line)
    )
    kept = [one for one in folder.rglob("*") if one.suffix[1:] in pages_files.TYPES]
    assert {str(one.relative_to(folder)) for one in kept} == set(listed)
    for one in kept:
        assert sha256(one.read_bytes()).hexdigest() == listed[str(one.relative_to(folder))], one


def _places(pattern: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(pattern) if name}


def test_language_files_are_json_of_one_shape():
    for path in sorted(words.FOLDER.glob("*.json")):
        found = json.loads(path.read_text("utf-8"))
        assert list(found) == ["name", "direction", "reviewed", "words"]
        assert found["direction"] in ("ltr", "rtl")
