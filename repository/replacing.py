"""Files replaced as a whole, by one writer of a folder at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(file: Path) -> Iterator[BinaryIO]:
    """Yield a file whose bytes take the place of `file` at the end, if nothing failed.

    Whoever else replaces a file of this folder, in this process or another, waits meanwhile: what
    is read of the old file inside is what the new one replaces.

    Args:
        file: the file to replace or create; its folder exists.

    Raises:
        OSError: the folder cannot be written; the old file is as it was.
    """
    fresh = file.with_name(f".{file.name}.new")
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with fresh.open("wb") as target:
            yield target
        fresh.replace(file)
    finally:
        os.close(folder)
