"""Custody passes between two installations that run: two services, two databases, two stores.

Nothing but what institutions have: the commands on either machine, and HTTP over TLS for people who
signed in with a passkey. At the end each ledger holds the other's signed receipt.
"""

import json
from contextlib import ExitStack, contextmanager
from hashlib import sha256

from tests.desk import Desk, Line
from tests.house import CODE, House, own_house, run
from tests.journeys.left import left
from tests.service import Service, serving

ASSURED = {"Evidence-Assured": "death-penalty"}
MARKING = {"handling": "H1", "excluded_uses": ["death-penalty"], "motive": "the unit's conditions"}


def test_a_tribunal_receives_custody_and_both_ledgers_hold_the_others_signed_receipt(tmp_path):
    with ExitStack() as stack:
        unit, tribunal = (
            stack.enter_context(own_house(made(tmp_path, name))) for name in ("unit", "tribunal")
        )
        for house, other, name in ((unit, tribunal, "Tribunal"), (tribunal, unit, "Unit")):
            said = house.evidence(
                "counterpart", "add", name, other.repo.ledger.key, "--motive", "by telephone"
            )
            assert said.code == 0, said.err
        words = ("--role", "partner", "--organisation", "Tribunal")
        assert unit.evidence("person", "new", "clerk", *words).code == 0
        here, there = (stack.enter_context(service_of(house)) for house in (unit, tribunal))
        investigator, prosecutor, clerk = (
            desk(unit, here, name) for name in ("investigator", "prosecutor", "clerk")
        )
        registrar = desk(tribunal, there, tribunal.custodian.name or "")
        starts = unit.repo.ledger.size(), tribunal.repo.ledger.size()

        files = [unit.repo.random(size) for size in (2_500_000, 1)]
        numbers = [
            investigator.ask("POST", f"/exhibits?case={CODE}", 201, data=data)["exhibit"]
            for data in files
        ]
        for number in numbers:
            investigator.ask("PUT", f"/exhibits/{number}/marking", 200, json=MARKING)
        asked = {"exhibits": numbers, "to": "Tribunal"}
        name = prosecutor.ask(
            "POST", "/transfers", 201, purpose="sharing: RFA 7", json=asked, headers=ASSURED
        )["transfer"]
        waits = clerk.ask("GET", "/transfers", 200)["items"]
        assert [(one["transfer"], one["exhibit"]) for one in waits] == [(name, n) for n in numbers]
        tar = clerk.ask("GET", f"/transfers/{name}/bundle", 200)
        took = registrar.ask("POST", f"/imports?case={CODE}", 201, data=tar)
        back = clerk.ask("POST", "/transfers/receipts", 200, json={"items": took["receipts"]})
        assert registrar.ask("POST", "/transfers/receipts", 200, json=back)["items"] == []
        mine = [one["exhibit"] for one in took["items"]]
        for number, data in zip(mine, files, strict=True):
            read = registrar.ask("GET", f"/exhibits/{number}/content", 200, purpose="analysis")
            assert read == data
        # the line broke, and all of it is sent once more: one result
        again = registrar.ask("POST", f"/imports?case={CODE}", 201, data=tar)
        assert [one["exhibit"] for one in again["items"]] == mine
        clerk.ask("POST", "/transfers/receipts", 200, json={"items": took["receipts"]})
        registrar.ask("POST", "/transfers/receipts", 200, json=back)

        told = prosecutor.ask("GET", f"/cases/{CODE}/continuity?limit=500", 200)["items"]
        held = {one["exhibit"]: one for one in told}
        assert [(held[n]["holder"], held[n]["transfers"][0]["state"]) for n in numbers] == [
            ("Tribunal", "received")
        ] * 2
        left("4 a tribunal receives a transfer: at the unit that released", unit, starts[0])
        left("4 a tribunal receives a transfer: at the tribunal", tribunal, starts[1])
        digests = [f"sha256:{sha256(data).hexdigest()}" for data in files]
        both_re_hashed(unit, "transfer_released", numbers, digests)
        both_re_hashed(tribunal, "transfer_received", mine, digests)
        for house, items in ((unit, took["receipts"]), (tribunal, back["items"])):
            assert len(items) == 2
            acknowledged = [
                e.fields for e in house.repo.ledger.entries()
                if e.fields["type"] == "receipt_acknowledged"
            ]  # fmt: skip
            assert [e["outcome"] for e in acknowledged] == ["done", "done"]
            file = tmp_path / "receipts.json"
            file.write_text(json.dumps({"items": items}))
            lines = house.evidence("receipt", "check", file).lines
            assert [(one["key_trusted"], one["answers_ours"]) for one in lines] == [
                ("pass", "pass")
            ] * 2
            away = run("--data", tmp_path / "elsewhere", "--json", "receipt", "check", file)
            assert (away.code, len(away.lines)) == (0, 2)
            audit = house.evidence("verify", "--ledger")
            assert audit.code == 0, audit.out


def made(folder, name: str):
    place = folder / name
    place.mkdir()
    return place


@contextmanager
def service_of(house: House):
    """Run a house's own service, with TLS, on its own database."""
    url = house.repo.settings.database_url
    more = {"EVIDENCE_DATABASE_URL": url} if url else {}
    with serving(house.data, options=("--tls",), **more) as found:
        yield found


def desk(house: House, service: Service, name: str) -> Desk:
    """Sign somebody in at a service, with a passkey they register by invitation."""
    line = Line(service)
    return Desk(house, line, name, origin=line.origin).register().sign_in()


def both_re_hashed(house: House, act: str, numbers: list[str], digests: list[str]) -> None:
    """See that an act's entries name the digest that was recorded and the one that was read."""
    found = {}
    for entry in house.repo.ledger.entries():
        fields = entry.fields
        if fields["type"] == act and "verification" in fields and fields["outcome"] == "done":
            found[fields["exhibit"]["number"]] = fields["verification"]
    assert found == {
        number: {"expected": [digest], "observed": [digest]}
        for number, digest in zip(numbers, digests, strict=True)
    }
