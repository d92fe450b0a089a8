"""The log of the module that holds the key of keys: each unwrapping has its read entry."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from repository.errors import BadRequest
from repository.keys import HOUSE, wrapped_key
from repository.unwraps import read_log
from tests.house import CODE
from tests.softhsm import MODULE, PIN, token_or_skip

SPIES = ("/usr/lib/x86_64-linux-gnu/pkcs11-spy.so", "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so")


def line(wrapped: bytes, at: datetime) -> str:
    return json.dumps({"at": at.isoformat(), "operation": "unwrap", "wrapped": wrapped.hex()})


@pytest.fixture
def wrapped(house, tmp_path):
    (tmp_path / "f").write_bytes(b"evidence")
    [taken] = house.evidence("ingest", tmp_path / "f", "--case", CODE, "--no-extract").lines
    [entry] = [e for e in house.entries() if e.fields["type"] == "registration"]
    assert taken["exhibit"] == entry.fields["exhibit"]["number"]
    return wrapped_key(house.repo, entry.fields["exhibit"]["id"]).wrapped


def checked(house, tmp_path, *lines):
    log = tmp_path / "unwraps.log"
    log.write_text("\n".join(lines) + "\n")
    settings = house.data / "config.toml"
    if "unwrap_log_file" not in settings.read_text():
        settings.write_text(settings.read_text() + f'unwrap_log_file = "{log}"\n')
    return house.evidence("verify", "--unwraps")


def test_without_a_log_nothing_was_compared_and_it_is_no_pass(house):
    said = house.evidence("verify", "--unwraps")
    assert said.code == 3
    assert [one["outcome"] for one in said.lines] == ["not-done", "not-done"]


def test_each_unwrapping_needs_an_entry_of_its_own(house, tmp_path, wrapped):
    at = datetime.now(UTC)
    assert checked(house, tmp_path, line(wrapped, at)).code == 0  # the registration tells of one
    said = checked(house, tmp_path, line(wrapped, at), line(wrapped, at))
    assert said.code == 1
    assert "KRN-000001" in said.out
    read = ["retrieve", "KRN-000001", "--out", tmp_path / "o", "--purpose", "analysis"]
    assert house.evidence(*read, person="analyst").code == 0
    assert checked(house, tmp_path, line(wrapped, at), line(wrapped, at)).code == 0


def test_an_unwrapping_long_after_every_entry_is_named(house, tmp_path, wrapped):
    late = datetime.now(UTC) + timedelta(hours=3)
    said = checked(house, tmp_path, line(wrapped, late))
    assert said.code == 1
    assert f"{late:%Y-%m-%dT%H:%M}" in said.out


def test_keys_of_nobody_are_named_and_the_houses_own_is_counted(house, tmp_path, wrapped):
    at = datetime.now(UTC)
    own = wrapped_key(house.repo, HOUSE).wrapped
    assert checked(house, tmp_path, line(own, at), line(own, at)).code == 0
    said = checked(house, tmp_path, line(os.urandom(40), at))
    assert said.code == 1
    assert "no exhibit's" in said.out


def test_a_damaged_or_missing_log_is_not_done(house, tmp_path, wrapped):
    said = checked(house, tmp_path, '{"at": "yesterday", "operation": "unwrap"}')
    assert said.code == 3
    (tmp_path / "unwraps.log").unlink()
    assert house.evidence("verify", "--unwraps").code == 3
    with pytest.raises(BadRequest):
        list(read_log(["nonsense"]))


@pytest.mark.sqlite_only("it reads the file")
@pytest.mark.hsm
def test_the_whole_job_with_the_key_in_a_module_whose_own_log_is_compared(
    tmp_path, tmp_path_factory
):
    """SoftHSM behind OpenSC's pkcs11-spy, which logs what the module was asked to do."""
    spy = next((one for one in SPIES if Path(one).exists()), None)
    if spy is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs pkcs11-spy (Debian: opensc-pkcs11)")
        pytest.skip("pkcs11-spy is not installed (Debian: opensc-pkcs11)")
    uri = token_or_skip(tmp_path_factory.mktemp("hsm"), f"spied-{os.urandom(4).hex()}")
    uri = uri.format("kek").replace(str(MODULE), spy)
    (tmp_path / "pin").write_bytes(PIN)
    log = tmp_path / "spy.log"
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'kek_uri = "{uri}&pin-source=file:{tmp_path}/pin"\nunwrap_log_file = "{log}"\n'
        'origin = "evidence.example/hsm"\n'
    )
    environment = {
        **os.environ, "PKCS11SPY": str(MODULE), "PKCS11SPY_OUTPUT": str(log),
    }  # fmt: skip

    def evidence(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", "--data", tmp_path / "data", "--config", settings,
             *map(str, words)],
            capture_output=True, text=True, check=False, env=environment, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    evidence("init")
    evidence("case", "new", CODE, "--title", "T")
    data = os.urandom(2_000_000)
    (tmp_path / "f").write_bytes(data)
    evidence("ingest", tmp_path / "f", "--case", CODE)
    out = tmp_path / "out"
    evidence("retrieve", "KRN-000001", "--out", out, "--purpose", "analysis")
    assert out.read_bytes() == data
    evidence("export", "--case", CODE, "--out", tmp_path / "bundle", "--purpose", "court")
    evidence("verify", "KRN-000001")
    said = evidence("verify", "--unwraps")
    assert "with a read entry each" in said
    assert "0 unwrappings" not in said
    # Somebody with access to the module unwraps a key past the program: no entry tells of it.
    script = (
        "import sys, sqlite3; from repository.wrapping import open_wrapper\n"
        'row = sqlite3.connect(sys.argv[1]).execute("select wrapped from data_key where subject '
        'in (select id from exhibit)").fetchone()\n'
        "kek = open_wrapper(sys.argv[2], passphrase=b'1234')\n"
        "[kek.unwrap(row[0]) for _ in range(9)]\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "data" / "evidence.db", uri],
        check=True, env=environment, timeout=60,
    )  # fmt: skip
    said = evidence("verify", "--unwraps", code=1)
    assert "KRN-000001" in said
