"""PostgreSQL with least privilege: the service does the whole job and can rewrite nothing."""

import re
from pathlib import Path

import psycopg
import pytest

from custody.tables import INSERT_ONLY
from repository.models import Model
from tests.house import run
from tests.postgres import fresh_database, shared_server
from tests.service import serving

SQL = Path(__file__).parents[2] / "config" / "deploy" / "postgresql-roles.sql"

pytestmark = pytest.mark.postgres


@pytest.fixture
def urls():
    """Return the owner's and the service's URL of a database of its own."""
    server = shared_server()
    with fresh_database(server) as url:
        with psycopg.connect(plain(url), autocommit=True) as admin:
            admin.execute(
                "DO $$ BEGIN CREATE ROLE evidence_service LOGIN; "
                "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            )
        yield url, url.replace("postgres@", "evidence_service@")


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def test_every_table_has_a_line_in_the_roles():
    named = set(re.findall(r"\b[a-z_]+\b", re.sub(r"--.*", "", SQL.read_text())))
    assert set(Model.metadata.tables) <= named


def test_the_services_role_does_the_whole_job_and_can_change_no_entry(urls, tmp_path, monkeypatch):
    owner, service = urls
    data = tmp_path / "data"

    def evidence(*words, url=service):
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)
        said = run("--data", data, "--json", *words)
        assert said.code == 0, said.err + said.out
        return said

    evidence("init", url=owner)
    with psycopg.connect(plain(owner)) as admin:
        admin.execute(SQL.read_text())  # type: ignore[arg-type]
    evidence("case", "new", "KRN", "--title", "The bridge")
    (tmp_path / "in").mkdir()
    for n in range(40):
        (tmp_path / "in" / str(n)).write_bytes(b"evidence %d" % n)
    assert len(evidence("ingest", tmp_path / "in", "--case", "KRN").lines) == 40
    out = tmp_path / "out"
    evidence("retrieve", "KRN-000007", "--out", out, "--purpose", "analysis")
    evidence("export", "--case", "KRN", "KRN-000007", "--out", tmp_path / "b", "--purpose", "court")
    evidence("ledger", "checkpoint")
    evidence("store", "check")
    evidence("person", "new", "ana", "--role", "investigator")
    evidence("case", "grant", "KRN", "ana", "investigator")
    with serving(data, EVIDENCE_DATABASE_URL=service) as there:
        invited = evidence("invite", "ana", "--url", there.address, "--case", "KRN").lines[0]
        words = ["--to", invited["invitation"], "--state", tmp_path / "state"]
        (tmp_path / "far").write_bytes(b"evidence from far away")
        evidence("ingest", tmp_path / "far", *words)
    evidence("mark", "KRN", "--handling", "H1", "--motive", "m")
    evidence("access-log")
    evidence("case", "revoke", "KRN", "ana", "investigator")
    evidence("person", "new", "second", "--role", "custodian")
    (tmp_path / "order").write_bytes(b"an order")
    words = ["--order", tmp_path / "order", "--motive", "m"]
    name = evidence("erase", "request", "KRN-000007", *words).lines[0]["erasure"]
    evidence("--as", "second", "erase", "approve", name, "--motive", "m")
    words = ["--shares", 2, "--threshold", 2, "--out", tmp_path / "shares"]
    evidence("recovery", "new", *words)
    [asked] = evidence("kek", "rotate", "--motive", "m").lines
    evidence("backup", "--out", tmp_path)
    evidence("--as", "second", "approval", "give", asked["approval"], "--motive", "m")
    evidence("worker", "--once")
    evidence("kek", "rewrap")
    listed = {one["state"]: one["data_keys"] for one in evidence("kek", "list").lines}
    assert (listed["former"], listed["in-use"] > 40) == (0, True)
    evidence("verify")

    attacks = [
        "UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL", "ALTER TABLE {} OWNER TO evidence_service",
        "CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION ledger_refuses()",
    ]  # fmt: skip
    with psycopg.connect(plain(service), autocommit=True) as line:
        for table in INSERT_ONLY:
            column = next(iter(Model.metadata.tables[table].columns)).name
            for attack in attacks:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    line.execute(attack.format(table, column, column))
        for attack in (
            "CREATE TABLE mine (n int)", "CREATE SCHEMA mine", "DELETE FROM exhibit",
            "UPDATE alembic_version SET version_num = '9'", "TRUNCATE data_key",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                line.execute(attack)
