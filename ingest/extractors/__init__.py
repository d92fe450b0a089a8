"""The list of extractors: every file beside this one; what a file must define.

An extractor is one file. Dropping it into this folder is the whole registration. It defines

- `NAME`, the name of the file;
- `VERSION`, the library it relies on and that library's version ("exifread 3.5.1");
- `FORMATS`, what it reads: media types ("image/jpeg"), PRONOM's identifiers ("fmt/803") and
  containers ("ufdr"). It runs where one of them is a name of the file;
- `SAMPLE`, a small sound file of our own, read once before any process is locked;
- `extract(file, found)`, a generator, so that a crash or time limit keeps what was already found.
  `file` is the evidence, readable and seekable, at its beginning; `found`, a
  `ingest.extraction.Found`, says what it is and holds the exhibit's further parts.

and, where it needs them,

- `CONTAINERS`, a dict of the containers it knows: name to a test of a `Peek`
  (`ingest.readers.peek`), such as `{"ufdr": lambda peek: peek.has("report.xml")}`. Every test runs
  on every file, so it looks at what is cheap. All containers that hold are names of the file;
- `PROGRAM`, the outside program it runs (`ingest.extraction.Program`), with
  `found.run("-json", PATH)`. The run, its version, arguments, exit and the digest of all it
  printed are recorded without its doing, and the output is kept. Where the program is not
  installed the extractor does not run, and the record says so. One that takes long to load can be
  kept warm (`ingest.kept`): its arguments are then always the same, `Program(warm=…)`;
- `ALSO`, further programs that it needs beside PROGRAM: `found.run("-", program="pdftotext")`, and
  `data=…` for what a program is to read instead of the evidence. Where one is not installed the
  call raises FileNotFoundError;
- `ASKED = True`, where it runs only when it is asked for by name (`evidence extract --again --with
  NAME`, or the setting `extract_with`): contents of messages, what takes long. Else the record
  says that it was not done;
- `THREADS = True`, where its library decodes with threads (it then runs in a process of its own);
- `LIMITS`, where the usual ones do not do (`ingest.extraction.LONG`).

What it may yield stands in `ingest.extraction`: `Fact`, `Seal`, `Member`, `Inhibitor("encrypted")`
(never an error), `Problem` (something failed or was cut: the outcome is `partial`; with
`incomplete=False` a remark), `Derivative`. It may raise anything: that is a `Problem`, and what was
yielded before stays. A fact with a kind (time, place, device, account, telephone, mail, url,
digest, person) is made by `ingest.normalise.fact` and a normaliser, so that facts compare.

Bounds: a text longer than 4 KiB is cut and marked; after 10,000 items, 100,000 members or 16 MiB of
derivatives the extractor is ended and the record says so. What it reads into memory it bounds.

All extractors whose formats fit run, each on its own, in the order of their names: those with the
usual limits one after the other in one process, one with `LIMITS` or a `PROGRAM` in a process of
its own. Several may fit: a messenger's database is read as a database and as the messenger's own.

An extractor imports the standard library, its own parser, `ingest.extraction`, `ingest.normalise`
and `ingest.readers`, all of them at the top: once the process is locked no file can be opened, so a
late import fails, as does a library that opens a file of its own. SAMPLE should lead through
whatever loads late. A library that may be absent is imported in a `try`; its seals are then
`not-checked`.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Protocol, cast

from ingest.extraction import Found, Item, Limits, Program
from ingest.readers.peek import Peek

HERE = Path(__file__).parent


class Extractor(Protocol):
    """What a file of this folder is: a module that reads some formats."""

    NAME: str
    VERSION: str
    FORMATS: frozenset[str]
    SAMPLE: bytes

    def extract(self, file: BinaryIO, found: Found) -> Iterator[Item]:
        """Yield what the file says. May raise anything: the sandbox records it."""


def names(folder: Path = HERE) -> list[str]:
    """Return the names of the extractors in a folder: its own list of files, sorted."""
    return sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))


def everything(folders: Sequence[Path] = (HERE,)) -> list[Extractor]:
    """Import and return every extractor of the folders, by name.

    Args:
        folders: this one, and any further one an installation or a test adds.
    """
    return list(_everything(tuple(folders)))


def fitting(called: Collection[str], folders: Sequence[Path] = (HERE,)) -> list[Extractor]:
    """Return the extractors that read a file with these names; several may, none is preferred.

    Args:
        called: its media type, PRONOM identifier and containers (`Format.names`).
        folders: as `everything`.
    """
    wanted = frozenset(called)
    return [one for one in everything(folders) if not wanted.isdisjoint(one.FORMATS)]


def containers(one: Extractor) -> dict[str, Callable[[Peek], bool]]:
    """Return the containers an extractor knows, and how it tells them."""
    return getattr(one, "CONTAINERS", {})


def program(one: Extractor) -> Program | None:
    """Return the outside program an extractor runs, if it does."""
    return getattr(one, "PROGRAM", None)


def programs(one: Extractor) -> tuple[Program, ...]:
    """Return all programs an extractor runs, that of its name first."""
    return (*filter(None, (program(one),)), *getattr(one, "ALSO", ()))


def asked(one: Extractor) -> bool:
    """Return whether an extractor runs only when it is asked for."""
    return bool(getattr(one, "ASKED", False))


def threaded(one: Extractor) -> bool:
    """Return whether an extractor needs threads."""
    return bool(getattr(one, "THREADS", False))


def own_limits(one: Extractor) -> Limits | None:
    """Return the limits of an extractor that does with others than the usual ones."""
    return getattr(one, "LIMITS", None)


@functools.cache  # a locked process cannot list a folder
def _everything(folders: tuple[Path, ...]) -> tuple[Extractor, ...]:
    return tuple(_load(folder, name) for folder in folders for name in names(folder))


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
