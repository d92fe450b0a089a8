"""Programs of Node for the tests that need one, kept in a cache folder outside of the tree.

Skips with a reason on a machine without Node; fails under CI=true, where it must be there.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

TUS_JS = "tus-js-client@4.3.1"


@cache
def package(name: str) -> Path:
    """Return where a package of npm is installed, at exactly this version."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            _cannot(f"{program} is not installed")
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache_home / "evidence-tests" / name.replace("/", "-")
    found = folder / "node_modules" / name.rpartition("@")[0]
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", name],
            cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if done.returncode != 0:
            _cannot(f"{name} cannot be installed: {done.stderr.strip()[-200:]}")
        (folder / "complete").touch()
    return found


def _cannot(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI needs Node: {why}")
    pytest.skip(why)
