"""README: its two commands stand there word for word, and its quick start runs as written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import ROOT

DEMO = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/evidence demo"
TESTS = (
    "python3 -m venv .venv && .venv/bin/pip install '.[test]' && "
    ".venv/bin/pytest -n 3 --dist loadfile"
)


def blocks(page: Path) -> list[str]:
    return [part.split("```")[0] for part in page.read_text().split("```sh\n")[1:]]


def test_the_two_commands_are_in_the_first_screen():
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:24])
    assert DEMO in first
    assert TESTS in first


def test_the_quick_start_runs_as_written(tmp_path):
    [quick] = [block for block in blocks(ROOT / "README.md") if "evidence-data init" in block]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a photograph")
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "evidence").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m api.cli "$@"\n'
    )
    (tmp_path / "bin" / "evidence").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", quick], cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_is_documented():
    from config.settings import Settings

    text = (ROOT / "docs" / "operate.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in text
        assert field.description, name


def test_every_dependency_is_explained():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    named = [*project["dependencies"], *(one for extra in extras for one in extra)]
    text = (ROOT / "docs" / "dependencies.md").read_text()
    for requirement in named:
        name = requirement.split(">=")[0].split("[")[0]
        assert name in text, name


@pytest.mark.parametrize(
    "page", sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))
)
def test_links_between_the_documents_lead_somewhere(page):
    import re

    file = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
        assert (file.parent / target).exists(), target
