"""Hostile JSON through every body, and naughty strings through every text field of the API.

python -m tests.attacks.hostile_fields

No answer may be a 5xx; JSON that every reader must refuse is refused; and whatever text was taken
stands in the record, byte for byte, as it was sent.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from sqlalchemy import select

from api.app import create_app
from api.commands.context import login
from api.openapi import OPERATIONS
from repository.approvals import mark
from repository.conditions import Marking
from repository.disclose import MAX_PARTY
from repository.people import find_person, new_person, new_token
from repository.rules import Identity
from repository.vault import Sealed, unseal
from tests.benchmarks.house_of import say
from tests.house import CODE, make_house
from tests.shared import shared

V1 = "/api/v1"
ORDER = f"sha256:{'a' * 64}"
DEFENCE = {"Evidence-Purpose": "disclosure"}
BODIES = tuple(
    (method, path)
    for method, path, *_, asked in OPERATIONS
    if isinstance(asked, type) and issubclass(asked, BaseModel)
)
# What says no before it reads: a token is no passkey.
EARLIER = frozenset({f"{V1}/passkeys/options", f"{V1}/passkeys/registration"})
CLAIMS = ("collected_by", "place", "method", "authority", "source", "conditions")

Field = Callable[[str], tuple[Any, str | None]]
"""Sends a text; returns the answer, and what stands in the record where it was taken."""


class Scene:
    """A house with something of everything, and a client that asks as one of two custodians."""

    def __init__(self, folder: Path) -> None:
        self.house = make_house(folder)
        repo, custodian = self.house.repo, self.house.custodian
        self.client = create_app(repo).test_client()
        new_person(repo, custodian, name="second", role="custodian")
        self._headers = {name: self._bearer(name) for name in (login(), "second")}
        (folder / "a").write_bytes(b"a")
        said = self.house.evidence("ingest", folder / "a", "--case", CODE, "--no-extract")
        self.number = said.lines[0]["exhibit"]
        strict = Marking(handling="H3", restriction="first", tlp="RED", conditions="first")
        mark(repo, self.house.caller(login()), CODE, strict, motive="m")
        begun = self.ask("POST", f"{V1}/submissions", json={"case": CODE})
        made = self.ask(
            "POST", f"{V1}/cases/{CODE}/identities", json={"kind": "source", "name": "N"}
        )
        self.names = {
            "code": CODE, "subject": self.number, "number": self.number,
            "submission": begun.json["submission"], "codename": made.json["codename"],
        }  # fmt: skip

    def _bearer(self, name: str) -> dict[str, str]:
        repo = self.house.repo
        with repo.database.reading() as session:
            person = find_person(session, name)
        _, token = new_token(repo, self.house.custodian, person=person, expires_at=None)
        return {"Authorization": f"Bearer {token}", "Sec-Fetch-Site": "same-origin"}

    def ask(self, method: str, path: str, name: str | None = None, **more: Any) -> Any:
        """Send a request as one of the custodians."""
        headers = {**self._headers[name or login()], **more.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **more)

    def opened(self, field: str) -> Any:
        """Return what the newest entry says in a withheld field."""
        ledger = self.house.repo.ledger
        return ledger.opened(ledger.entry(ledger.size() - 1)).get(field)

    def detail(self) -> Any:
        return self.opened("detail")

    def place(self, path: str) -> str:
        """Return the path of an operation with what there is in place of its parameters."""
        if path.endswith("approvals/{approval}/decision"):
            return path.replace("{approval}", self._waits())
        if path.endswith("erasures/{erasure_id}/decision"):
            return path.replace("{erasure_id}", self._ends())
        if "/submissions/{subject}" in path or "/cases/{subject}" in path:
            named = CODE if "/cases/" in path else self.names["submission"]
            return path.replace("{subject}", named)
        for name, value in self.names.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    def _waits(self) -> str:
        body = {"act": "unsealing", "subject": self.number, "motive": "m"}
        return str(self.ask("POST", f"{V1}/approvals", json=body).json["approval"])

    def _ends(self) -> str:
        body = {"exhibit": self.number, "order": ORDER, "motive": "m"}
        return str(self.ask("POST", f"{V1}/erasures", json=body).json["erasure"])

    def fields(self) -> Iterator[tuple[str, Field]]:
        """Yield every text field of a body or header that people fill with words."""
        serial = iter(range(100_000))

        def sent(
            path: str, body: Any, found: Callable[[], Any], method: str = "POST", **more: Any
        ) -> tuple[Any, str | None]:
            answer = self.ask(method, f"{V1}{path}", json=body, **more)
            return answer, found() if answer.status_code < 300 else None

        def title(text: str) -> tuple[Any, str | None]:
            code = f"T{next(serial):05d}"
            return sent("/cases", {"code": code, "title": text}, lambda: self.opened("title"))

        def decided(kind: str, name: Callable[[], str]) -> Field:
            def decide(text: str) -> tuple[Any, str | None]:
                path, body = f"/{kind}/{name()}/decision", {"approve": False, "motive": text}
                return sent(path, body, lambda: self.opened("motive"), name="second")

            return decide

        def marked(field: str) -> Field:
            def found() -> Any:
                return self.detail()["asked"]["to"][field]

            def change(text: str) -> tuple[Any, str | None]:
                first = {"handling": "H3", "restriction": "first", "conditions": "first"}
                body = {**first, "tlp": "RED", "motive": "m", field: text}
                return sent(f"/cases/{CODE}/marking", body, found, method="PUT")

            return change

        def loosened(text: str) -> tuple[Any, str | None]:
            body = {"handling": "H3", "restriction": "first", "motive": text}
            path = f"/cases/{CODE}/marking"
            return sent(path, body, lambda: self.opened("motive"), method="PUT")

        def claimed(field: str) -> Field:
            def begin(text: str) -> tuple[Any, str | None]:
                body = {"case": CODE, field: text}
                found = self.detail if field == "conditions" else lambda: self.opened(field)
                answer, said = sent("/submissions", body, found)
                return answer, said["conditions"] if isinstance(said, dict) else said

            return begin

        def vault(field: str) -> Field:
            def add(text: str) -> tuple[Any, str | None]:
                body = {"kind": "source", "name": "N", field: text}
                answer = self.ask("POST", f"{V1}/cases/{CODE}/identities", json=body)
                if answer.status_code >= 300:
                    return answer, None
                return answer, self._unsealed(answer.json["codename"])[field]

            return add

        def exported(field: str) -> Field:
            def export(text: str) -> tuple[Any, str | None]:
                said = quote(text, safe="")
                headers = {"Evidence-Purpose": f"other:{said}" if field == "purpose" else "audit"}
                headers |= {"Evidence-Authority": said} if field == "authority" else {}
                body: dict[str, Any] = {"exhibits": [self.free]}
                body |= {"recipient": text} if field == "recipient" else {}
                path, found = "/cases/FREE/exports", lambda: self.opened(field)
                answer, value = sent(path, body, found, headers=headers)
                return answer, value["text"] if isinstance(value, dict) else value

            return export

        def motive(path: str, **body: Any) -> Field:
            return lambda text: sent(
                path, {**body, "motive": text}, lambda: self.opened("motive"), headers=DEFENCE
            )

        yield "case: title", title
        yield "marking: motive", loosened
        for name in ("restriction", "conditions"):
            yield f"marking: {name}", marked(name)
        for name in CLAIMS:
            yield f"submission: {name}", claimed(name)
        for name in ("name", "contact", "note"):
            yield f"identity: {name}", vault(name)
        self._free()
        for name in ("recipient", "purpose", "authority"):
            yield f"export: {name}", exported(name)
        yield "approval: motive", motive("/approvals", act="unsealing", subject=self.number)
        yield "erasure: motive", motive("/erasures", exhibit=self.number, order=ORDER)
        yield "decision: motive", decided("approvals", self._waits)
        yield "decision of an erasure: motive", decided("erasures", self._ends)
        yield "disclosure: party", lambda text: sent(
            f"/exhibits/{self.free}/disclosures", {"party": text},
            lambda: self.opened("recipient"), headers=DEFENCE,
        )  # fmt: skip

    def _free(self) -> None:
        """Make a case that nothing restricts, with an exhibit."""
        self.ask("POST", f"{V1}/cases", json={"code": "FREE", "title": "t"})
        sent = self.ask("POST", f"{V1}/exhibits?case=FREE", data=b"free")
        self.free = sent.json["exhibit"]

    def _unsealed(self, codename: str) -> dict[str, Any]:
        repo = self.house.repo
        with repo.database.reading() as session:
            row = session.scalars(select(Identity).where(Identity.codename == codename)).one()
        assert row.wrapped is not None
        assert row.sealed is not None
        sealed = Sealed(row.kek, bytes(row.wrapped), bytes(row.sealed), row.commitment)
        return unseal(repo, row.id, sealed)


def bodies(scene: Scene, *, step: int = 1) -> tuple[Counter[int], list[str]]:
    """Send JSONTestSuite through every body; return statuses and what should not be."""
    files = sorted(shared("hostile", "json").glob("*.json"))
    assert len(files) == 318
    statuses: Counter[int] = Counter()
    wrong = []
    for n, (method, path) in enumerate(BODIES):
        place = scene.place(path)
        for file in files[n % step :: step]:
            if path.endswith("complete") and file.name == "y_object_empty.json":
                continue  # this is what ends a submission
            headers = {"Content-Type": "application/json", **DEFENCE}
            answer = scene.ask(method, place, data=file.read_bytes(), headers=headers)
            statuses[answer.status_code] += 1
            said = answer.json.get("type", "").rpartition("/")[2]
            refused = said == "malformed-json" or path in EARLIER
            if answer.status_code >= 500 or (file.name.startswith("n_") and not refused):
                wrong.append(f"{method} {path} {file.name}: {answer.status_code} {said}")
    return statuses, wrong


def strings(scene: Scene, *, step: int = 1) -> tuple[Counter[int], list[str]]:
    """Send naughty strings through every text field; return statuses and what should not be."""
    texts = json.loads(shared("hostile", "strings", "blns.json").read_text())
    assert len(texts) == 515
    texts = list(dict.fromkeys(texts))  # what was disclosed to a party before is no entry again
    statuses: Counter[int] = Counter()
    wrong = []
    for n, (name, send) in enumerate(scene.fields()):
        for text in texts[n % step :: step]:
            answer, found = send(text)
            statuses[answer.status_code] += 1
            if answer.status_code < 300:
                # Of words after a code the purpose keeps no space around them.
                fits = found == (text.strip() if name == "export: purpose" else text)
            else:
                long = name == "disclosure: party" and len(text) > MAX_PARTY
                fits = answer.status_code == 400 and (not text.strip() or "\0" in text or long)
            if not fits:
                said = f"{answer.status_code} {answer.text[:200]} {found!r}"
                wrong.append(f"{name}: {text!r}: {said}")
    return statuses, wrong


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        found = []
        for what, act in (("JSONTestSuite through every body", bodies),
                          ("naughty strings through every text field", strings)):  # fmt: skip
            statuses, wrong = act(scene)
            found += wrong
            told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
            say(f"{what}: {statuses.total()} requests ({told}), {len(wrong)} wrong")
        scene.house.repo.close()
    say(f"{len(BODIES)} bodies; {time.monotonic() - began:.0f} s")
    for one in found[:50]:
        say(one)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
