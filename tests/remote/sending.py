"""What tests of sending share: an invited investigator, and the command in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.house import CODE, House, run
from tests.shared import ROOT


@dataclass
class Field:
    """An investigator far away, with an invitation and a folder for what runs remember."""

    invitation: str
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def submissions(self) -> list[Path]:
        return sorted(self.state.glob("SUB-*"))

    def words(self, *words: object) -> list[str]:
        options = ["--to", self.invitation, "--state", str(self.state), "--patience", "30s"]
        return ["--json", "ingest", *options, *map(str, words)]

    def send(self, *words: object) -> Any:
        """Run the command in this process and return what it said."""
        return run(*self.words(*words))

    def start(self, *words: object, say: bool = False) -> "subprocess.Popen[str]":
        """Run the command in a process of its own."""
        command = self.words(*words)[1 if say else 0 :]
        return subprocess.Popen(
            [sys.executable, "-m", "api.cli", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip


def invited(house: House, url: str, folder: Path, *, case: str = CODE) -> Field:
    """Return an investigator who was sent an invitation to a URL."""
    said = house.evidence("invite", "investigator", "--url", url, "--case", case)
    assert said.code == 0, said.err
    return Field(said.lines[0]["invitation"], folder)


def results(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]
