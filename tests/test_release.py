"""What a release is made of: every dependency pinned by digest, and the tools that make it."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.shared import ROOT

FOLDER = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(file: Path) -> dict[str, tuple[str, int]]:
    """Return by name the version that a file pins, and how many digests it has of it."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", file.read_text()):
        named = re.match(r"([A-Za-z0-9_.-]+)==([^\s;\\]+)", block)
        if named:
            found[canonicalize_name(named[1])] = (named[2], block.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("name", ["run", "hsm", "build"])
def test_every_line_is_one_version_with_the_digests_of_its_files(name):
    found = pinned(FOLDER / f"{name}.txt")
    assert found
    assert [one for one, (_, digests) in found.items() if not digests] == []
    assert "://" not in re.sub(r"#.*", "", (FOLDER / f"{name}.txt").read_text())


@pytest.mark.parametrize(("name", "extra"), [("run", None), ("hsm", "hsm")])
def test_what_is_pinned_is_what_the_project_asks_for(name, extra):
    wanted = PROJECT["dependencies"] + (PROJECT["optional-dependencies"][extra] if extra else [])
    found = pinned(FOLDER / f"{name}.txt")
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate():
            version, _ = found[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_the_release_uses_the_tools_that_are_pinned():
    found = pinned(FOLDER / "build.txt")
    for line in (FOLDER / "build.in").read_text().split():
        assert canonicalize_name(line) in found
    script = (ROOT / ".ci" / "release").read_text()
    assert "--require-hashes -r requirements/build.txt" in script
