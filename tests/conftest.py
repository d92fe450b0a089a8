"""Fixtures of all upper parts: a repository, samples."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, make_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Return a repository with a case and one person of each role."""
    found = make_house(tmp_path)
    yield found
    found.repo.close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a few small files, awkward names included."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"first")
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)) * 10_000)
    (folder / "empty").write_bytes(b"")
    return folder
