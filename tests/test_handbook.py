"""The handbook's procedures are run as they stand, in its order, on a repository of its own."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.house import run
from tests.shared import ROOT

PAGE = (ROOT / "docs" / "handbook.md").read_text()
BLOCKS = [part.split("```")[0] for part in PAGE.split("```sh\n")[1:]]
# What a line may end with: exit codes that the page speaks of.
ALLOWED = {"": {0}, " || true": {0, 1, 3, 4}, " || [ $? = 3 ]": {0, 3}}


def command(line: str, said: str, tmp_path) -> str:
    """Run one line; `VKEY` and `ID` are what the line before printed, as the page says."""
    end = next(one for one in sorted(ALLOWED, key=len, reverse=True) if line.endswith(one))
    words, _, out = line.removesuffix(end).partition(" > ")
    if not words.startswith("evidence "):
        done = subprocess.run(
            ["sh", "-c", line.replace("python3", sys.executable, 1)],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout
    values = {"ID": (said.split() or [""])[0]}
    if "VKEY" in words:  # the one before the present one
        values["VKEY"] = re.findall(r"\S+\+[0-9a-f]{8}\+\S+", run("ledger", "key", "list").out)[-2]
    arguments = [
        values.get(word, word).replace("$PWD", str(tmp_path)) for word in shlex.split(words)[1:]
    ]
    found = run(*arguments)
    assert found.code in ALLOWED[end], f"{line}\n{found.out}{found.err}"
    if out:
        (tmp_path / out).write_text(found.out)
    return found.out


@pytest.mark.sqlite_only("it makes its repository by its own commands")
def test_every_command_of_the_handbook_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVIDENCE_DATA", str(tmp_path / "data"))
    lines = [line for block in BLOCKS for line in block.splitlines() if line]
    assert len(lines) > 35
    said = run("init").out if lines[0] == "evidence init" else ""
    assert "vkey" in said or "+" in said
    for line in lines[1:]:
        said = command(line, said, tmp_path)
    assert "goes on" in said or "pass" in said  # of the ledger, at its end


def test_every_test_and_file_that_the_page_names_is_there():
    for name in re.findall(r"`((?:tests|config|requirements)/[\w./-]+)`", PAGE):
        assert (ROOT / name).exists(), name
