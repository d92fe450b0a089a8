"""What config/deploy holds works as it is written: units, proxy, roles, policies, containers."""

import json
import os
import ssl
import subprocess
from contextlib import ExitStack
from urllib.request import urlopen

import psycopg
import pytest
import yaml
from minio import Minio
from minio.error import S3Error

from api.commands.context import login
from tests.ceph import ceph
from tests.faults.test_many_machines import WAITING, wait_for
from tests.house import run
from tests.machines import copy_of, network
from tests.postgres import Server, find_or_skip
from tests.relay import relay
from tests.service import Running
from tests.units import DEPLOY, PROGRAM, certificate, pin_of, proxy, tool, unit

UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.service"))
LOCKED = ("evidence", "ledger")
ERASABLE = ("derived", "keys", "staging")
# As a unit starts it: no capabilities, and no way to any. The account stays ours: the interpreter
# of a test may lie where no other can read it.
UNPRIVILEGED = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line_and_finds_little_exposed(name, tmp_path):
    analyze = tool("systemd-analyze", "systemd")
    file = tmp_path / name
    file.write_text((DEPLOY / "systemd" / name).read_text().replace(PROGRAM, "/bin/true"))
    done = subprocess.run([analyze, "verify", file], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if name in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    words = [analyze, "security", "--offline=true", "--no-pager", "--threshold=20", file]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]  # at most 2.0 of 10


def test_the_timer_is_one(tmp_path):
    analyze = tool("systemd-analyze", "systemd")
    for name in ("evidence-backup.timer", "evidence-backup.service"):
        text_of = (DEPLOY / "systemd" / name).read_text().replace(PROGRAM, "/bin/true")
        (tmp_path / name).write_text(text_of)
    words = [analyze, "verify", tmp_path / "evidence-backup.timer"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_proxy_takes_its_file(tmp_path):
    nginx = tool("nginx", "nginx-light")
    certificate(tmp_path, "127.0.0.1")
    file = proxy(tmp_path, upstream="127.0.0.1:8080")
    done = subprocess.run([nginx, "-t", "-c", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_container_is_read_only_without_capabilities_and_only_the_proxy_is_reached():
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, one in found["services"].items():
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert ("ports" in one) == (name == "serve"), name  # whose network is the proxy's
        assert one["image"].startswith("${"), name  # named by digest where it is run
    assert found["services"]["proxy"]["network_mode"] == "service:serve"
    assert found["networks"]["inside"]["internal"]


def policies(client: Minio, prefix: str) -> None:
    for kind, buckets in (("locked", LOCKED), ("erasable", ERASABLE)):
        for bucket in buckets:
            words = (DEPLOY / "buckets" / f"{kind}.json").read_text()
            words = words.replace("BUCKET", prefix + bucket)
            words = words.replace("SERVICE", "arn:aws:iam:::user/nobody-else")
            client.set_bucket_policy(prefix + bucket, json.dumps(json.loads(words)))


def answers(url: str) -> bool:
    """Say whether the service answers through the proxy, whose certificate is its own."""
    try:
        with urlopen(url, context=ssl._create_unverified_context(), timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.ceph
@pytest.mark.postgres
@pytest.mark.sqlite_only("it brings a server of its own")
def test_a_service_and_a_worker_behind_the_proxy_run_from_these_files(tmp_path, monkeypatch):
    nginx = tool("nginx", "nginx-light")
    find_or_skip()
    keys = ceph()
    with ExitStack() as undo:
        first, second, door = undo.enter_context(network(3))
        here = first.gateway
        server = Server()
        server.make()
        with (server.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {here}/24 trust\n")
        server.start(listen_addresses=f"127.0.0.1,{here}")
        undo.callback(server.stop)
        s3 = ("127.0.0.1", int(keys["S3_ENDPOINT"].rpartition(":")[2]))
        line = undo.enter_context(relay(s3, listen=here))
        for name in ("access", "secret"):
            (tmp_path / name).write_text(keys[f"S3_{name.upper()}_KEY"])
        prefix = f"d{os.urandom(3).hex()}-"
        place = f"{here}:{line.place[1]}"
        owner = server.url.replace("127.0.0.1", here)
        settings = {
            "EVIDENCE_DATABASE_URL": owner,
            "EVIDENCE_STORE_URL": f"s3+http://{place}/?prefix={prefix}&mode=GOVERNANCE",
            "EVIDENCE_STORE_ACCESS_KEY_FILE": str(tmp_path / "access"),
            "EVIDENCE_STORE_SECRET_KEY_FILE": str(tmp_path / "secret"),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        data = tmp_path / "data"

        def evidence(*words):
            said = run("--data", data, "--json", *words)
            assert said.code == 0, said.err + said.out
            return said.lines

        # The owner of the tables makes them; from then on the service's role does everything.
        evidence("init")
        with psycopg.connect(owner.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute("CREATE ROLE evidence_service LOGIN")
            admin.execute((DEPLOY / "postgresql-roles.sql").read_text())  # type: ignore[arg-type]
        settings["EVIDENCE_DATABASE_URL"] = owner.replace("postgres@", "evidence_service@")
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", settings["EVIDENCE_DATABASE_URL"])
        client = Minio(place, keys["S3_ACCESS_KEY"], keys["S3_SECRET_KEY"], secure=False)
        policies(client, prefix)
        evidence("case", "new", "KRN", "--title", "The bridge")
        certificate(tmp_path, door.address)
        pin = pin_of(tmp_path)
        [invited] = evidence(
            "invite", login(), "--url", f"https://{door.address}/", "--case", "KRN", "--pin", pin
        )
        (tmp_path / "invitation").write_text(invited["invitation"])
        processes = []
        for machine, name, own in (
            (first, "evidence-serve.service", {"HOST": first.address}),
            (second, "evidence-worker.service", {}),
        ):
            folder = copy_of(data, tmp_path / machine.name / "data")
            read = unit(name, data=folder, **settings, **own)
            processes.append(
                Running([*machine.prefix, *UNPRIVILEGED, *read.command],
                        log=tmp_path / f"{machine.name}.log", **read.environment)
            )  # fmt: skip
        file = proxy(tmp_path, upstream=f"{first.address}:8080")
        processes.append(
            Running([*door.prefix, nginx, "-c", str(file), "-g", "daemon off;"],
                    log=tmp_path / "nginx.log")
        )  # fmt: skip
        for one in processes:
            one.start()
            undo.callback(one.kill)
        try:
            wait_for(lambda: answers(f"https://{door.address}/readyz"))
        except AssertionError as error:
            said = [path.read_text()[-2000:] for path in tmp_path.glob("*.log")]
            raise AssertionError(said) from error
        (tmp_path / "in").mkdir()
        for n in range(5):
            (tmp_path / "in" / f"{n}.txt").write_text(f"what I saw, {n}")
        (tmp_path / "in" / "large.bin").write_bytes(os.urandom(20 << 20))
        with monkeypatch.context() as patch:
            for name in settings:
                patch.delenv(name)
            said = run(
                "--json", "ingest", tmp_path / "in", "--to", tmp_path / "invitation",
                "--state", tmp_path / "state", "--patience", "120s",
            )  # fmt: skip
        words = [path.read_text()[-2000:] for path in tmp_path.glob("*.log")]
        assert said.code == 0, (said.err, words)
        assert len([one for one in said.lines if one.get("exhibit")]) == 6
        with psycopg.connect(owner.replace("+psycopg", "")) as asking:
            wait_for(lambda: not asking.execute(WAITING).fetchone()[0])
            outcomes = asking.execute("SELECT DISTINCT outcome FROM extraction_run").fetchall()
        assert ("refused",) not in outcomes  # the sandbox locks itself under these limits too
        evidence("verify", "--objects")
        # Whoever holds the service's credentials deletes nothing that is locked, not even by order.
        for bucket in LOCKED:
            one = next(client.list_objects(prefix + bucket, recursive=True, include_version=True))
            with pytest.raises(S3Error, match="AccessDenied"):
                client.remove_object(prefix + bucket, one.object_name, version_id=one.version_id)
        log = (tmp_path / "evidence-access.log").read_text()
        assert "PATCH 204" in log or "POST 201" in log
        assert "KRN" not in log
