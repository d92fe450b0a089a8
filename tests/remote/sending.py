"""What tests of sending share: an invited investigator, and the command in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from api.remote.invitation import Invitation
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

    @property
    def token(self) -> str:
        return Invitation.parse(self.invitation).token

    @property
    def token_id(self) -> str:
        return self.token.partition(".")[0]

    def words(self, *words: object) -> list[str]:
        options = ["--to", self.invitation, "--state", str(self.state), "--patience", "30s"]
        return ["--json", "ingest", *options, *map(str, words)]

    def send(self, *words: object) -> Any:
        """Run the command in this process and return what it said."""
        return run(*self.words(*words))

    def start(self, *words: object, say: bool = False, hasty: bool = False) -> "Run":
        """Run the command in a process of its own; a `hasty` one waits seconds for a dead line."""
        program = "tests.remote.hasty" if hasty else "api.cli"
        return Run(self.words(*words)[1 if say else 0 :], self.folder, program)


class Run:
    """The command in a process of its own; what it says goes into files."""

    def __init__(self, words: list[str], folder: Path, program: str = "api.cli") -> None:
        self._out = Path(mkstemp(dir=folder, suffix=".out")[1])
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", program, *words], stdout=out, stderr=err,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def kill(self) -> None:
        """End it with kill -9."""
        self._process.kill()
        self._process.wait(10)

    def interrupt(self) -> int:
        """End it as Ctrl-C does, and return its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait(60)

    def wait(self, seconds: float = 120) -> int:
        """Wait for its end and return its exit code; what does not end is killed."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it does not end: {self.err}") from None


def invited(house: House, url: str, folder: Path, *, case: str = CODE) -> Field:
    """Return an investigator who was sent an invitation to a URL."""
    said = house.evidence("invite", "investigator", "--url", url, "--case", case)
    assert said.code == 0, said.err
    folder.mkdir(exist_ok=True)
    return Field(said.lines[0]["invitation"], folder)


def results(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]
