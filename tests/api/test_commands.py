"""The command line finds every command, though it imports a module only where it is called."""

import re
from pathlib import Path

from api.cli import ADDED_TO, COMMANDS

MODULES = sorted((Path(__file__).parents[2] / "api" / "commands").glob("*.py"))


def test_a_module_that_adds_commands_to_a_group_of_another_is_imported_with_it():
    added = {}
    for module in MODULES:
        for group in set(re.findall(r"^@(\w+)\.command\(", module.read_text(), re.MULTILINE)):
            home = COMMANDS.get(group)
            if home is not None and home != module.stem:
                added[group] = module.stem
    assert added == ADDED_TO


def test_every_command_of_a_module_is_named():
    named = set(COMMANDS.values())
    for module in MODULES:
        if re.search(r"^COMMANDS = ", module.read_text(), re.MULTILINE):
            assert module.stem in named, f"no command of {module.name} can be called"
