"""Hostile vectors through every field of every form of the pages, found by reading the pages.

python -m tests.attacks.hostile_forms [--step 1]

Every person follows every link; each form that is found is sent with vectors of ../shared/hostile
in each of its fields, then every page is read again. A new form is covered by being there. No
answer is a 5xx, what is refused stays typed, nothing that was typed is markup anywhere, a sign that
is obeyed is named instead, and no cell of a table is a formula.
"""

import argparse
import csv
import io
import json
import re
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from api.app import create_app
from api.place import SESSION
from api.web.shell import plain_shown
from ingest.duties import duties
from repository import consents
from repository.approvals import mark
from repository.conditions import Marking
from repository.exports import bundles
from repository.people import new_person
from tests.api.test_web_handing_in import announced
from tests.house import CODE, House, make_house
from tests.shared import shared
from tests.web import sign_in

PEOPLE = (
    "analyst", "investigator", "prosecutor", "auditor", "custodian", "owner", "",  # "": nobody
)  # fmt: skip
PLANTED = "\"'><planted>\u202e"  # stands at the end of every vector
ESCAPED = re.compile(r"&#34;(&#39;|\\u0027)(&gt;|\\u003e)(&lt;|\\u003c)$|%22%27%3E%3C$")
# Forms that a script sends as JSON: their bodies are those of tests/attacks/hostile_fields.py.
BY_SCRIPT = {"sign-in", "add", "said", "register"}
FILLED = {
    "search": "words",
    "date": "2024-01-02",
    "datetime-local": "2024-01-02T03:04",
    "number": "1",
}
NO_PAGE = re.compile(r"^/(shown|static|api)\b|/(download|content|pdf|json)$")
ENDING = {"end", "out"}  # buttons that end somebody's part: pressed last
# What no page leads to while all is well.
STARTS = ("/", "/work/differing")


@dataclass
class Form:
    """A form as it stands in a page."""

    method: str
    action: str
    id: str
    open: dict[str, str] = field(default_factory=dict)
    """What people write, with what is written where it does not matter."""
    closed: dict[str, list[str]] = field(default_factory=dict)
    """What people choose, or what the page sends along."""
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, value and where it sends to."""
    files: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """The links, forms and words of a page; `words` leaves out what stands in a field."""

    def __init__(self, html: str, path: str, away: str) -> None:
        super().__init__()
        self.away = away  # where the button of /say that leaves leads to
        self.links: list[str] = []
        self.forms: dict[str, Form] = {}
        self.words: list[str] = []
        self.wrong: list[str] = []
        self._path, self._form, self._inside = path, "", ""
        self._parts: list[tuple[str, str, dict[str, str]]] = []
        self._name, self._options = "", list[tuple[str, bool]]()
        self.feed(html)
        self.close()
        for form, tag, attributes in self._parts:
            if form in self.forms:
                _add(self.forms[form], tag, attributes)

    def values(self) -> list[str]:
        """Return what stands in the fields of the page."""
        return [of.get("value", "") for _, _, of in self._parts]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        for name, value in of.items():
            if "planted" in tag + name or name.startswith("on") or name == "style":
                self.wrong.append(f"<{tag} {name}>")
            if name in ("src", "href", "action") and not value.startswith(
                ("/", "#", "?", self.away)
            ):
                self.wrong.append(f"<{tag} {name}={value!r}>")
        if tag == "a" and of.get("href", "").startswith(("/", "?")):
            self.links.append(of["href"] if of["href"][0] == "/" else self._path + of["href"])
        elif tag == "form":
            self._form = of.get("id") or f"form {len(self.forms)}"
            action = of.get("action") or self._path
            self.forms[self._form] = Form(of.get("method", ""), action, self._form)
        elif tag in ("input", "button"):
            self._parts.append((of.get("form", self._form), tag, of))
        elif tag in ("select", "textarea"):
            self._inside, self._options, self._written = tag, [], ""
            self._parts.append((of.get("form", self._form), tag, of))
        elif tag == "option" and self._inside == "select":
            chosen = self._parts[-1][2]
            value = of.get("value", "")
            if "selected" in of or not chosen.get("value"):
                chosen["value"] = value
        elif tag in ("script", "style") and "src" not in of:
            self.wrong.append(f"<{tag}> in the page")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = ""
        elif tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "textarea":
            self._parts[-1][2]["value"] = self._parts[-1][2].get("value", "") + data
        else:
            self.words.append(data)


def _add(form: Form, tag: str, of: dict[str, str]) -> None:
    name, kind = of.get("name", ""), of.get("type", "text" if tag == "input" else tag)
    if tag == "button":
        if of.get("type", "submit") == "submit":
            action = of.get("formaction", form.action)
            form.buttons.append((name, of.get("value", ""), action))
    elif not name:
        return
    elif kind == "file":
        form.files.append(name)
    elif kind in ("hidden", "select", "radio", "checkbox") or "hidden" in of:
        found = form.closed.setdefault(name, [])
        if kind != "radio" or not found or "checked" in of:
            found[:] = [of.get("value", "on")] if kind == "radio" else [*found, of.get("value", "")]
    else:
        usual = "words" if "required" in of or tag == "textarea" else ""
        form.open[name] = of.get("value") or FILLED.get(kind, usual)


def _bare(text: str) -> str:
    """Return a text as it is after a field took the blanks around it and its ends of lines."""
    return "\n".join(text.split("\r\n")).replace("\r", "\n").strip()


def vectors() -> list[str]:
    """Return every vector that a browser can send, the shortest first."""
    page = shared("hostile", "html", "vectors.txt").read_text("utf-8", "replace")
    found = re.findall(r'<div id="\d+">(.*?)//\["\'`-->\]\]>\]</div>', page, re.S)
    for name in ("csv-payload.txt", "readme-payload.txt"):
        found += shared("hostile", "csv", name).read_text("utf-8").splitlines()
    found += json.loads(shared("hostile", "strings", "blns.json").read_text("utf-8"))
    found += [
        "\u202e\u2066gpj.exe",
        "\x1b[2J\x07\x08",
        "../../etc/passwd",
        "CON.txt",
        "\ufeff\u00ad",
    ]
    sent = {one for one in found if one == one.encode("utf-8", "ignore").decode()}
    return sorted(sent, key=lambda one: (len(one), one))


class Walk:
    """People who look at every page of a house and send every form, and what was wrong with it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app: Flask = create_app(house.repo)
        self.clients = {name: self._client(name) for name in PEOPLE}
        self.wrong: list[str] = []
        self.seen: dict[str, dict[str, tuple[int, str]]] = {name: {} for name in PEOPLE}
        """Of each person by rule: how often it shows what was planted, and its address."""
        self.forms: dict[tuple[str, str, str], tuple[str, Form]] = {}
        """Each form once, with who saw it first; by rule, method and names of its fields."""
        self.sent: Counter[tuple[str, str]] = Counter()
        """How often a field of a form of a rule was sent with a vector."""
        self.statuses: Counter[int] = Counter()
        self.cells = self.planted = 0
        """Cells of tables; how often the last look saw what was planted."""

    def look(self, near: int = 1) -> None:
        """Follow every link as everybody, to so many addresses of each kind."""
        self.planted = 0
        for name in PEOPLE:
            rules: Counter[str] = Counter()
            waiting = deque(STARTS if name else ("/say", "/register"))
            known = set(waiting)
            while waiting:
                path = waiting.popleft()
                rule = self._rule("GET", path)
                if rule is None or rules[rule] >= near:
                    continue
                rules[rule] += 1
                links = self._read(name, path, self.clients[name].get(path))
                waiting.extend(one for one in links if one not in known)
                known.update(links)

    def rules(self) -> set[str]:
        """Return what was looked at and what a form sends to."""
        return {*(r for seen in self.seen.values() for r in seen), *(at for at, *_ in self.forms)}

    def once(self) -> list[tuple[str, str]]:
        """Return who sees the most of what was planted on each page, and its address."""
        rules = sorted({rule for seen in self.seen.values() for rule in seen})
        found = [max((*seen[r], n) for n, seen in self.seen.items() if r in seen) for r in rules]
        return sorted((name, path) for _, path, name in found)

    def send(self, texts: Iterable[str], *, ending: bool) -> None:
        """Send each form with a vector in each field, then in all that people write at once.

        What an answer shows is sent as well: the second step of something, for instance.

        Args:
            texts: the vectors; the next field takes the next one.
            ending: press the buttons that end somebody's part, or all others.
        """
        given, done = cycle(texts), set[tuple[str, str, str]]()
        while waiting := [one for one in self.forms.items() if one[0] not in done]:
            key, (name, form) = waiting[0]
            done.add(key)
            if not form.method:
                if form.id not in BY_SCRIPT:
                    self.wrong.append(f"{key[0]}: form {form.id} has no method")
                continue
            if name and not ending:  # an act may have ended this very session
                sign_in(self.clients[name], self.house, name)
            usual = {**{n: [v] for n, v in form.open.items()}, **form.closed}
            each = [[one] for one in (*form.open, *form.closed, *form.files)]
            for button, value, action in form.buttons:
                if (value in ENDING) is not ending:
                    continue
                for filled in [[], *each, [*form.open, *form.files]]:
                    data: dict[str, Any] = {**usual, **({button: [value]} if button else {})}
                    for one in filled:
                        text = next(given) + PLANTED
                        data[one] = [text]
                        self.sent[key[0], one] += 1
                        if one in form.files:
                            data[one] = [(io.BytesIO(text.encode()), text)]
                    self._send(
                        name, form.method, action, data, [f for f in filled if f in form.open]
                    )

    def _send(
        self, name: str, method: str, action: str, data: dict[str, Any], filled: list[str]
    ) -> None:
        client = self.clients[name]
        if method == "get":
            answer = client.get(action, query_string=data)
        else:
            answer = client.post(action, data=data)
        self.statuses[answer.status_code] += 1
        if answer.status_code in (400, 409, 422) and method == "post":
            self._kept(name, action, answer.text, [data[one][0] for one in filled])
        self._read(name, action, answer)
        led = answer.headers.get("Location", "")
        if led.startswith("/"):
            self._read(name, led, client.get(led))

    def _kept(self, name: str, path: str, html: str, typed: list[str]) -> None:
        """Look for what was typed in the page that refuses it: in a field, or to be read."""
        page = Page(html, path, "")
        stands, read = {_bare(one) for one in page.values()}, "".join(page.words)
        for text in typed:
            if "\0" not in text and _bare(text) not in stands and plain_shown(text) not in read:
                self.wrong.append(f"{name or 'nobody'} at {path}: lost {text[:60]!r}")

    def _read(self, name: str, path: str, answer: TestResponse) -> list[str]:
        """Judge an answer, keep its forms, return what it leads to."""
        where = f"{name or 'nobody'} at {path[:80]}"
        if answer.status_code >= 500:
            self.wrong.append(f"{where}: {answer.status_code}")
        if answer.mimetype == "text/csv":
            for cell in (c for line in csv.reader(io.StringIO(answer.text)) for c in line):
                self.cells += 1
                if cell.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r")):
                    self.wrong.append(f"{where}: formula {cell[:60]!r}")
        if answer.mimetype != "text/html":
            answer.close()
            return []
        html = answer.text
        if "default-src 'none'" not in answer.headers.get("Content-Security-Policy", ""):
            self.wrong.append(f"{where}: no policy")
        planted = list(re.finditer("planted", html))
        self.planted += len(planted)
        if answer.status_code == 200 and (rule := self._rule("GET", path)):
            before = self.seen[name].get(rule, (0, path))
            self.seen[name][rule] = max(before, (len(planted), path))
        for found in planted:
            before = html[max(0, found.start() - 40) : found.start()]
            if not ESCAPED.search(before):
                self.wrong.append(f"{where}: not escaped: {before!r}")
        page = Page(html, path.partition("?")[0], self.house.repo.settings.intake_exit_url)
        self.wrong += [f"{where}: {one}" for one in page.wrong]
        self.wrong += [
            f"{where}: obeyed {c!r} in {said[:80]!r}"
            for said in page.words
            for c in set(said)
            if c not in "\n\t\u200c\u200d" and category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        ]
        for form in page.forms.values():
            at = self._rule(form.method.upper() or "GET", form.action) or form.action
            names = ",".join([*form.open, *form.closed, *form.files])
            self.forms.setdefault((at, form.method, names), (name, form))
        return page.links

    def cookie(self, name: str) -> str:
        """Return the session of somebody, signed in anew."""
        sign_in(self.clients[name], self.house, name)
        found = self.clients[name].get_cookie(SESSION)
        assert found is not None
        return found.value

    def _client(self, name: str) -> FlaskClient:
        client = self.app.test_client()
        if name:
            sign_in(client, self.house, name)
        return client

    def _rule(self, method: str, path: str) -> str | None:
        """Return the rule of a page's address; None of what is no page."""
        asked = urlsplit(path)
        if NO_PAGE.search(asked.path) or re.search(r"\blang=(?!en)", asked.query):
            return None
        try:
            found, _ = self.app.url_map.bind("x").match(asked.path, method=method, return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        return found.rule if found.endpoint.startswith("web_") else None


def filled(folder: Path) -> House:
    """Make a house with something on every page, named as badly as can be."""
    house = make_house(folder, intake_case=CODE)
    bad = f"b<img src=x onerror=alert(1)>{PLANTED}.txt"
    taken = folder / "in"
    taken.mkdir()
    for name in ("a.txt", bad, "evidence\u202egpj.exe"):
        (taken / name).write_bytes(name.encode())
    house.ingest(taken, collected_by=bad, place="50.45 30.52", method=bad, authority=bad)
    wrong = folder / bad
    wrong.write_bytes(b"what came")
    house.evidence("ingest", wrong, "--case", CODE, "--no-extract", "--sha256", "0" * 64)
    announced(house, [(bad, 3)], collected_by=bad, conditions=bad)
    first, repo = house.caller_of_login(), house.repo
    new_person(repo, house.custodian, name="second", role="custodian")
    new_person(repo, house.custodian, name="auditor", role="auditor")
    second = house.caller("second")
    mark(repo, second, "KRN-000001", Marking(tlp="RED", handling="H2"), motive="as given")
    mark(repo, second, "KRN-000001", Marking(tlp="GREEN", handling="H2"), motive=bad)
    bundles.ask(repo, first, CODE, numbers=["KRN-000002"], purpose="court", recipient=bad)
    said = house.evidence("retrieve", "KRN-000001", "--out", folder / "out", "--purpose",
                          f"analysis: =1+1{bad}", person="analyst")  # fmt: skip
    assert said.code == 0, said.err
    duty = next(one for one in duties(repo, None, print) if one.name == "export")
    assert duty.do([one.id for one in duty.find(10)]) == {}
    new_person(repo, house.custodian, name="owner", role="submitter", organisation="Owner & sons")
    mark(repo, second, "KRN-000003", Marking(owner="Owner & sons"), motive="as given")
    consents.ask(repo, first, ["KRN-000003"], recipient=bad, motive=bad)
    return house


def every_page(walk: Walk) -> set[str]:
    """Return the rules of all pages; not of files, and of what a script alone sends."""
    return {
        rule.rule
        for rule in walk.app.url_map.iter_rules()
        if rule.endpoint.startswith("web_")
        and not NO_PAGE.search(rule.rule)
        and not rule.rule.endswith((".csv", "/say/letter", "/say/piece"))
    }


def main() -> int:
    """Send every step-th vector through every field; print what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1)
    step, begun = parser.parse_args().step, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        house = filled(Path(folder))
        walk = Walk(house)
        walk.look()
        texts = vectors()[::step]
        for at in range(len(texts)):
            walk.send(texts[at:] + texts[:at], ending=False)
        walk.look(3)
        walk.send(texts, ending=True)
        house.repo.close()
    print(
        f"{len(walk.forms)} forms, {len(walk.sent)} fields, {walk.sent.total()} vectors sent, "
        f"{walk.planted} seen, {walk.cells} cells, {time.monotonic() - begun:.0f} s; "
        f"{dict(walk.statuses)}"
    )
    print("\n".join(sorted(set(walk.wrong))))
    return 1 if walk.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
