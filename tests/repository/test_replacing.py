"""Files replaced as a whole, by many writers at once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from repository.replacing import replacing
from tests.shared import ROOT

ADD_ONE = """
import sys
from pathlib import Path
from repository.replacing import replacing
file = Path(sys.argv[1])
for _ in range(100):
    with replacing(file) as new:
        new.write(str(int(file.read_bytes()) + 1).encode() + b" " * 100_000)
"""


def test_processes_that_replace_a_file_at_once_lose_nothing_of_each_other(tmp_path):
    file = tmp_path / "count"
    file.write_bytes(b"0")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", ADD_ONE, str(file)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    seen = set()
    while any(child.poll() is None for child in children):
        seen.add(re.fullmatch(rb"(\d+) *", file.read_bytes()) is not None)
    assert [child.communicate()[1] for child in children] == [b""] * 4
    assert seen == {True}  # whole at each moment
    assert int(file.read_bytes()) == 400
    assert [found.name for found in tmp_path.iterdir()] == ["count"]


def fail_half_way(file: Path) -> None:
    with replacing(file) as new:
        new.write(b"half of")
        raise RuntimeError


def test_a_writer_that_fails_leaves_the_old_file_and_lets_the_next_one_in(tmp_path):
    file = tmp_path / "receipt.json"
    file.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        fail_half_way(file)
    assert file.read_bytes() == b"old"
    with replacing(file) as new:
        new.write(b"new")
    assert file.read_bytes() == b"new"
