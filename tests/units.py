"""The files of config/deploy as tests use them: a unit's command and variables, the proxy."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shared import ROOT

DEPLOY = ROOT / "config" / "deploy"
PROGRAM = "/opt/evidence/bin/evidence"


@dataclass(frozen=True)
class Unit:
    """What a unit file starts, and with which variables; a machine's own come after, as there."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    settings: Mapping[str, list[str]]


def unit(name: str, *, data: Path, **own: str) -> Unit:
    """Read a unit; its program and folder are those of here, `own` is the machine's own file."""
    settings: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    environment = dict(one.split("=", 1) for one in settings.get("Environment", []))
    environment |= {"EVIDENCE_DATA": str(data), **own}
    [line] = settings["ExecStart"]
    words = [
        re.sub(r"\$\{(\w+)\}", lambda found: environment[found[1]], word)
        for word in shlex.split(line)
    ]
    assert words[0] == PROGRAM
    return Unit((sys.executable, "-m", "api.cli", *words[1:]), environment, settings)


def proxy(folder: Path, *, upstream: str) -> Path:
    """Write the proxy's file for a folder of its own: certificate, words, process number."""
    text = (DEPLOY / "nginx.conf").read_text()
    for theirs, ours in {
        "server 127.0.0.1:8080": f"server {upstream}",
        "/etc/evidence/tls/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
        "/run/nginx-evidence.pid": f"{folder}/pid",
    }.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    file = folder / "nginx.conf"
    file.write_text(text)
    return file


def certificate(folder: Path, host: str) -> None:
    """Make the proxy's key and certificate as docs/handbook.md does."""
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes",
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem", "-days", "30",
         "-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}"],
        check=True, capture_output=True,
    )  # fmt: skip


def pin_of(folder: Path) -> str:
    """Return the digest of the proxy's public key, by the command of docs/operate.md."""
    command = (
        "openssl x509 -in certificate.pem -pubkey -noout | "
        "openssl pkey -pubin -outform DER | openssl dgst -sha256 -r"
    )
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[0]


def tool(name: str, package: str) -> str:
    """Return where a program is; skips with a reason, and fails under CI=true."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        why = f"{name} is not installed (Debian: {package})"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return found
