"""What every benchmark needs: a fresh repository on the disk that is measured, and commands."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.commands.context import login
from tests.service import evidence


@contextmanager
def workplace(folder: str | None) -> Iterator[Path]:
    """Yield an empty folder on the disk to measure, removed afterwards."""
    place = Path(tempfile.mkdtemp(prefix="evidence-bench-", dir=folder or "."))
    try:
        yield place.absolute()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def new_token(data: Path) -> str:
    """Return a token of the person who made the repository."""
    words = evidence(data, "token", "new", login())
    made = subprocess.run(words, check=True, capture_output=True, text=True)
    token: str = json.loads(made.stdout)["token"]
    return token


def new_house(data: Path) -> None:
    """Make a repository with a case KRN."""
    for words in (["init"], ["case", "new", "KRN", "--title", "Benchmark"]):
        subprocess.run(evidence(data, *words), check=True, capture_output=True)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def spread(values: list[float]) -> str:
    """Return median, least and most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def fill(file: Path, size: int) -> None:
    """Write a file of random bytes; the page cache is warm afterwards."""
    block = os.urandom(4 << 20)
    with file.open("wb") as out:
        for n in range(0, size, len(block)):
            out.write(n.to_bytes(8, "big") + block[8 : min(len(block), size - n)])
