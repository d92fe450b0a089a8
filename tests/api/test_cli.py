"""The command line knows where each command is, and imports no more than it needs."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from api import cli, commands

MODULES = [
    one.stem
    for one in Path(commands.__path__[0]).glob("*.py")
    if "\nCOMMANDS = " in one.read_text()
]


def test_every_command_is_found_where_the_table_says():
    there = {
        command.name: module
        for module in MODULES
        for command in import_module(f"api.commands.{module}").COMMANDS
    }
    assert there == cli.COMMANDS
    assert {name for name in there if cli.evidence.get_command(None, name) is None} == set()


def test_a_command_starts_without_the_others():
    """Started hundreds of times by scripts: what serves pages, reads pictures or signs is left."""
    program = (
        "import sys; from api.cli import evidence; evidence.get_command(None, 'list');"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"flask", "dbos", "numpy", "PIL", "typst", "gunicorn", "minio", "webauthn", "authlib"}
    assert heavy & set(done.stdout.split()) == set()
