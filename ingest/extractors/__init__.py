"""The list of extractors: every file beside this one; what a file must define.

An extractor is one file. Dropping it into this folder is the whole registration; it is imported
on first use. It defines

- `NAME`, the name of the file;
- `VERSION`, the tool it relies on and that tool's version;
- `FORMATS`, the media types it reads;
- `SAMPLE`, a small sound file of our own, read once before any process is locked;
- `extract(file)`, a generator, so that a crash or time limit keeps what was already found.

It imports the standard library, its own parser and `ingest.extraction`, and all of them at the
top: once the process is locked, a late import fails.
"""

import functools
import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Protocol, cast

from ingest.extraction import Item

HERE = Path(__file__).parent


class Extractor(Protocol):
    """What a file of this folder is: a module that reads some formats."""

    NAME: str
    VERSION: str
    FORMATS: frozenset[str]
    SAMPLE: bytes

    def extract(self, file: BinaryIO) -> Iterator[Item]:
        """Yield what the file says. May raise anything: the sandbox records it."""


def names(folder: Path = HERE) -> list[str]:
    """Return the names of the extractors in a folder: its own list of files, sorted."""
    return sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))


def everything(folders: Sequence[Path] = (HERE,)) -> list[Extractor]:
    """Import and return every extractor of the folders, by name.

    Args:
        folders: this one, and any further one an installation or a test adds.
    """
    return [_load(folder, name) for folder in folders for name in names(folder)]


def for_format(mime: str, folders: Sequence[Path] = (HERE,)) -> list[Extractor]:
    """Return the extractors that read a media type; several may, none is preferred."""
    return [extractor for extractor in everything(folders) if mime in extractor.FORMATS]


@functools.cache
def _load(folder: Path, name: str) -> Extractor:
    if folder == HERE:
        return cast("Extractor", importlib.import_module(f"{__name__}.{name}"))
    place = folder / f"{name}.py"
    found = importlib.util.spec_from_file_location(f"ingest_extractor_{name}", place)
    if found is None or found.loader is None:
        raise ImportError(f"{place} cannot be imported")
    module: ModuleType = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return cast("Extractor", module)
