"""`evidence witness` as partner institutions run it: a process of its own, asked over HTTP."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from custody.note import COSIGNATURE_ED25519, VerifierKey
from tests.house import make_house, run


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path)
    yield found
    found.repo.close()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def witness(folder, port):
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "witness", "--dir", folder, "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                    break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.05)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        process.stderr.close()


def made(folder, name, log):
    """Make a witness on the command line and return its Ed25519 key."""
    said = run("--json", "witness", "--dir", folder, "init", "--name", name)
    assert said.code == 0, said.err
    assert run("witness", "--dir", folder, "trust", log).code == 0
    keys = [VerifierKey.parse(line["key"]) for line in said.lines if "key" in line]
    assert len({key.key for key in keys}) == 2  # never one key under two types
    return next(key for key in keys if key.type == COSIGNATURE_ED25519)


def test_a_witness_of_another_institution_cosigns_and_remembers_over_a_restart(house, tmp_path):
    log = str(house.repo.ledger.key)
    folder, port = tmp_path / "court", free_port()
    key = made(folder, "court.example/witness", log)
    assert (folder / "passphrase").stat().st_mode & 0o077 == 0
    policy = tmp_path / "policy"
    policy.write_text(f"log {log}\nwitness court {key} http://127.0.0.1:{port}\nquorum court\n")
    with (house.data / "config.toml").open("a") as file:
        file.write(f'witness_policy_file = "{policy}"\nwitness_timeout = 5.0\n')
    [line] = house.evidence("ledger", "checkpoint").lines
    assert not line["quorum"]  # nobody listens yet: said, and nothing stops
    assert "court" in line["problems"][0]
    for _ in range(2):
        with witness(folder, port):
            house.evidence("case", "list")
            said = house.evidence("ledger", "checkpoint")
            assert said.lines[0]["quorum"], said.lines
            assert said.lines[0]["witnessed_by"] == [str(key)]
    shown = run("--json", "witness", "--dir", folder, "show")
    assert {"origin": house.repo.ledger.origin, "size": said.lines[0]["size"]} in shown.lines


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["init", "--name", "two words"], 2),
        (["show"], 2),
        (["trust", "no key"], 2),
        ([], 2),
    ],
)
def test_wrong_use_is_one_line(tmp_path, words, code):
    said = run("witness", "--dir", tmp_path / "none", *words)
    assert said.code == code
    assert len(said.err.strip().splitlines()) == 1


def test_a_second_init_changes_nothing(tmp_path):
    folder = tmp_path / "w"
    first = run("--json", "witness", "--dir", folder, "init", "--name", "w.example/w")
    again = run("--json", "witness", "--dir", folder, "init", "--name", "w.example/w")
    assert again.code == 2
    assert run("--json", "witness", "--dir", folder, "show").lines == first.lines
