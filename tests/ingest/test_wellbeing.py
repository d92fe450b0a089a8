"""`evidence status`: what needs a person is seen, and what was not looked at is not well."""

import json
import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, update

from api.metrics import HouseMeasures
from custody.keys import KeyState
from custody.note import COSIGNATURE_ED25519
from custody.quorum import Witness
from custody.signers import file as file_signer
from ingest import wellbeing
from ingest.wellbeing import measures
from repository import setbacks
from repository.chores import BACKUP, DRILL, done
from repository.models import ExtractionRun, StoreTrial
from repository.people import new_person
from tests.certificates import certificate

TEXT: dict[str, Any] = {"capture_output": True, "text": True}
RULES = Path(__file__).parents[2] / "config" / "deploy" / "alerts.yml"


def found(repo, name):
    [one] = [one for one in measures(repo) if one.name == name]
    return one


def later(house, **delta):
    """Return the repository as it is after a while."""
    return replace(house.repo, clock=lambda: real(house) + timedelta(**delta))


def real(house):
    return house.repo.clock()


def with_settings(house, **settings):
    return replace(house.repo, settings=house.repo.settings.model_copy(update=settings))


@pytest.fixture
def exhibit(house, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a name nobody may read here")
    return house.ingest(tmp_path / "a.txt")[0]["exhibit"]


def test_a_house_at_work_is_well_and_one_where_nobody_works_is_not(house):
    assert found(house.repo, "workers").state == "act"
    said = house.evidence("status")
    assert said.code == 1
    assert house.evidence("worker", "--once").code == 0
    said = house.evidence("status")
    assert said.code == 0, said.lines
    assert {line["state"] for line in said.lines} == {"well", "off"}
    assert found(later(house, minutes=20), "workers").state == "act"


def test_what_was_not_looked_at_is_not_well(house, monkeypatch):
    gone = with_settings(house, tls_certificate_file=Path("/nowhere/server.pem"))
    one = found(gone, "certificate")
    assert (one.state, one.needs_person) == ("not-done", True)
    assert len(measures(gone)) == len(measures(house.repo))  # the others were taken all the same
    with house.repo.database.writing() as session:
        session.execute(delete(StoreTrial))
    assert found(house.repo, "store-primary").state == "not-done"
    house.evidence("worker", "--once")  # it tries the locks
    assert found(house.repo, "store-primary").state == "well"


def test_what_waits_too_long_needs_a_person(house, exhibit):
    assert found(house.repo, "queue").state == "well"
    waits = found(later(house, hours=2), "queue")
    assert (waits.state, waits.value) == ("act", 1)
    with house.repo.database.writing() as session:
        setbacks.give_up(session, real(house), "look", exhibit, 3, "crash")
    assert found(house.repo, "setbacks").state == "act"
    second = with_settings(house, replica_store_url=house.data.joinpath("second").as_uri())
    second = replace(second, replica=house.repo.store)
    assert found(second, "copies").state == "well"
    assert found(replace(second, clock=later(house, days=2).clock), "copies").state == "act"


def test_what_could_not_be_looked_into_needs_a_person_until_it_was(house, exhibit):
    """On a machine, or in a container, that lets no process lock itself up."""
    assert house.evidence("extract", "--again", exhibit).code == 0
    assert found(house.repo, "sandbox").state == "well"
    with house.repo.database.writing() as session:
        session.execute(update(ExtractionRun).values(outcome="refused"))
    one = found(house.repo, "sandbox")
    assert (one.state, one.value, "evidence extract --again" in one.advice) == ("act", 1, True)
    assert house.evidence("extract", "--again", exhibit).code == 0
    assert found(house.repo, "sandbox").state == "well"


def test_what_ends_is_seen_before_it_does(house, exhibit, tmp_path):
    certificate(tmp_path)  # for two days
    one = found(with_settings(house, tls_certificate_file=tmp_path / "server.pem"), "certificate")
    assert one.state == "act"
    assert 1 < one.value <= 2
    roots = replace(house.repo, tsa_roots=((tmp_path / "ca.pem").read_text(),))
    assert found(roots, "time-stamp-roots").state == "act"
    assert found(house.repo, "locks").state == "well"
    days = house.repo.settings.lock_days
    assert found(later(house, days=days * 0.8), "locks").state == "act"
    assert found(later(house, days=days + 9), "locks").value < 0


def test_nobody_who_vouches_or_dates_is_seen(house, tmp_path):
    dating = with_settings(house, tsa_urls=("http://127.0.0.1:9/tsa",))
    assert found(dating, "time-stamps").state == "act"
    witness = file_signer.create(
        tmp_path / "w.pem", name="witness.example/w", passphrase=b"p", kind=COSIGNATURE_ED25519
    ).key
    policy = replace(house.repo.policy, witnesses=(Witness("w", witness, None),), quorum="w")
    unheard = replace(house.repo, policy=policy)
    assert found(unheard, "witnesses").state == "well"  # for two hours nobody need have come
    assert found(replace(unheard, clock=later(house, hours=3).clock), "witnesses").state == "act"


def test_a_compromised_key_is_seen(house):
    ledger = house.repo.ledger
    assert found(house.repo, "log-key").state == "well"
    ledger.change_key(house.custodian, ledger.key, KeyState.COMPROMISED, size=1)
    assert found(house.repo, "log-key").state == "act"


def test_differing_bytes_and_late_readings_are_seen(house, exhibit):
    assert found(house.repo, "fixity").state == "well"
    assert found(later(house, days=house.repo.settings.fixity_days + 8), "fixity").state == "act"
    house.flip(exhibit, 40)
    assert house.evidence("verify", "--objects").code == 1
    one = found(house.repo, "fixity")
    assert (one.state, one.value) == ("act", 1)


@pytest.mark.parametrize(("name", "days"), [(BACKUP, 3), (DRILL, 200)])
def test_a_backup_and_a_drill_that_are_too_long_ago_are_seen(house, name, days):
    assert found(house.repo, name).state == "well"  # a new house has its first term
    old = later(house, days=days)
    assert found(old, name).state == "act"
    done(old, name)
    assert (found(old, name).state, found(old, name).value) == ("well", 0)


def test_a_store_that_does_not_hold_and_a_full_disk_are_seen(house, monkeypatch):
    with house.repo.database.writing() as session:
        session.execute(update(StoreTrial).values(outcome="fail", detail="an object was replaced"))
    assert found(house.repo, "store-primary").state == "act"
    assert found(house.repo, "disk-data").state in ("well", "act")
    full = SimpleNamespace(f_bavail=5, f_blocks=100, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    assert (found(house.repo, "disk-data").state, found(house.repo, "disk-data").value) == (
        "act", 5.0,
    )  # fmt: skip


def test_everything_that_waits_for_somebody_is_counted_and_nobody_is_named(
    house, exhibit, tmp_path
):
    order = tmp_path / "order.pdf"
    order.write_bytes(b"an order")
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"other bytes than declared")
    for words in (
        ("erase", "request", exhibit, "--order", order, "--motive", "ordered"),
        ("mark", exhibit, "--handling", "H2", "--owner", "Unit", "--motive", "asked by them"),
        ("mark", exhibit, "--handling", "H0", "--motive", "no longer"),
        ("consent", "ask", exhibit, "--recipient", "Court", "--motive", "trial"),
    ):
        said = house.evidence(*words)
        assert said.code == 0, said.err
    assert house.evidence("ingest", wrong, "--case", "KRN", "--sha256", "0" * 64).code == 1
    for name in ("quarantine", "approvals", "erasures", "consents"):
        one = found(house.repo, name)
        assert (one.state, one.value) == ("act", 1), name
    told = json.dumps(house.evidence("status").lines)
    for secret in (exhibit, "KRN", "wrong.bin", "Court", "investigator", "a.txt"):
        assert secret not in told


def test_only_who_runs_the_house_sees_it(house):
    assert house.evidence("status", person="analyst").code == 4
    new_person(house.repo, house.custodian, name="admin", role="administrator")
    assert house.evidence("status", person="admin").code == 1


def test_prometheus_is_told_the_same_and_that_a_house_cannot_be_read(house):
    with closing(HouseMeasures(house.repo.settings)) as opened:
        told = {family.name: family for family in opened.collect()}
    assert [s.value for s in told["evidence_house_readable"].samples] == [1]
    needed_for = {s.labels["measure"]: s.value for s in told["evidence_person_needed"].samples}
    assert needed_for == {one.name: float(one.needs_person) for one in measures(house.repo)}
    gone = house.repo.settings.model_copy(update={"data": house.data / "gone"})
    told = {family.name: family for family in HouseMeasures(gone).collect()}
    assert [s.value for s in told["evidence_house_readable"].samples] == [0]
    assert told["evidence_person_needed"].samples == []


def test_each_measure_has_an_alert_that_fires_for_it_alone(tmp_path):
    names = {"store": "store-primary", "disk": "disk-data"}
    series = [names.get(name, name) for name in wellbeing._MEASURES]
    alerts = [
        "Evidence" + "".join(word.title() for word in name.split("-"))
        for name in wellbeing._MEASURES
    ]
    cases = [
        _case({one: int(one == name) for one in series}, alert)
        for name, alert in zip(series, alerts, strict=True)
    ]
    cases += [_case(dict.fromkeys(series, 0), None), _case({}, "EvidenceHouseUnreadable")]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(RULES)], "tests": cases}))
    ran = subprocess.run([_promtool(), "test", "rules", file], check=False, **TEXT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert RULES.read_text().count("- alert:") == len(alerts) + 1


def _case(values, fires):
    """Return a test for promtool: after half an hour of these values one alert fires, or none."""
    told = [
        {"series": f'evidence_person_needed{{measure="{name}"}}', "values": f"{value}x40"}
        for name, value in values.items()
    ]
    if values:
        told.append({"series": "evidence_house_readable", "values": "1x40"})
    firing = [] if fires is None else [{"labels": f'{{alertname="{fires}"}}', "value": 1}]
    return {
        "interval": "1m",
        "input_series": told,
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "30m",
                "exp_samples": firing,
            }
        ],
    }


def _promtool():
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("promtool must be there in CI (Debian: prometheus)")
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found
