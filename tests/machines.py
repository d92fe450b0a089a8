"""Machines of their own: what each has to have, and a disk that is soon full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def copy_of(data: Path, folder: Path) -> Path:
    """Return a data folder for another machine: what docs/operate.md says has to be copied."""
    folder.mkdir(parents=True)
    for name in ("keys", "secrets"):
        shutil.copytree(data / name, folder / name)
    shutil.copy(data / "config.toml", folder / "config.toml")
    return folder


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount an empty file system of a few MiB; `grow` makes it larger.

    Skips with a reason where nothing may be mounted; fails under CI=true as root.
    """
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        why = f"nothing can be mounted here: {done.stderr.strip()}"
        if os.environ.get("CI") == "true" and os.getuid() == 0:
            pytest.fail(why)
        pytest.skip(why)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(folder: Path, size: str) -> None:
    """Give a small disk more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
