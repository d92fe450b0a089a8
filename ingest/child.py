"""What happens in the locked process: identify, run extractors, say what they yield, line by line.

Each line is a JSON object with one key. `isolation` or `refused` comes first and `end` last; the
service (`ingest.findings`) believes no more than what is well formed and within the limits.
"""

import codecs
import encodings
import importlib
import json
import os
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from ingest import extractors, kept, served
from ingest.extraction import (
    LONG,
    Derivative,
    Fact,
    Format,
    Found,
    Inhibitor,
    Item,
    Limits,
    Member,
    Problem,
    Program,
    Ran,
    Seal,
    shortened,
    visible,
)
from ingest.extractors import Extractor
from ingest.formats import pronom_from
from ingest.identify import identify
from ingest.program import find
from ingest.program import run as run_program
from ingest.readers import stamps
from ingest.readers.members import MOST_DECLARED, Budget
from ingest.readers.peek import Peek
from ingest.readers.takeout import take_out

_KINDS: dict[type[Item], str] = {
    Fact: "fact", Seal: "seal", Member: "member", Inhibitor: "inhibitor", Problem: "problem",
    Derivative: "derivative",
}  # fmt: skip

_ROOM = 200  # lines that say what was cut, and their bytes

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Full(Exception):
    """An extractor has yielded as much as one may."""


class Child:
    """One job of the locked process: where it reads, where it writes, and how much so far."""

    def __init__(
        self,
        job: dict[str, Any],
        limits: Limits,
        evidence: Sequence[int],
        pipe: int,
        derived: int,
        asking: int,
        versions: dict[str, str],
        printing: kept.Printing | None,
    ) -> None:
        self._job = job
        self._limits = limits
        self._evidence = evidence
        self._pipe = pipe
        self._derived = derived
        self._asking = asking
        self._sizes: list[int] = job["served"]  # of parts that are read over the socket
        self._versions = versions  # of the programs that the extractor runs
        self._printing = printing  # where it prints, if it was kept warm
        self._members = self._member_bytes = self._items = self._bytes = self._derived_bytes = 0

    def say(self, **line: Any) -> None:
        """Write one line."""
        self._write(_encode(line).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[os.write(self._pipe, left) :]

    def look(self, folders: Sequence[Path]) -> None:
        """Do the job: identify and run the usual extractors, or run the one it names."""
        if self._job.get("take") is not None:
            self._take_out(**self._job["take"])
            return
        if self._job.get("stamp") is not None:
            self._stamp(**self._job["stamp"])
            return
        known = self._job["format"]
        if known is not None:
            one = next(
                e for e in extractors.everything(folders) if self._job["extractor"] == e.NAME
            )
            self._extract(one, Format.from_json(known))
            return
        try:
            found = identify(
                self._evidence[0],
                extension=self._job["extension"],
                pronom=pronom_from(self._job["pronom"]),
            )
            with self._opened(0) as file:
                found = recognised(file, found, folders, self._failed)
            self.say(format=found.to_json())
        except Exception as error:  # noqa: BLE001  (top of the child: recorded, not raised)
            self._failed("identify", error)
            return
        for one in extractors.fitting(found.names, folders):
            if not apart(one):
                self._extract(one, found)

    def _extract(self, one: Extractor, found: Format) -> None:
        self.say(extractor=one.NAME)
        files = [self._opened(n) for n in range(len(self._sizes or self._evidence))]
        wanted = extractors.program(one)
        told = Found(found, tuple(files[1:]))
        if wanted is not None:
            run = partial(self._program, extractors.programs(one))
            told = Found(found, tuple(files[1:]), run)
        try:
            for item in one.extract(files[0], told):
                self._tell(item)
        except Full as full:
            self.say(problem=Problem(f"{one.NAME}: {full}").to_json())
        except Exception as error:  # noqa: BLE001  (as above; the next extractor still runs)
            self._failed(one.NAME, error)
        finally:
            for file in files:
                file.close()

    def _take_out(self, wanted: Sequence[str], most: int, *, odd_names: bool) -> None:
        """Write chosen members of a container to the descriptor for what is derived."""
        limits = self._limits
        budget = Budget(limits.cpu_seconds - 4, limits.wall_ms / 1000 - 4, MOST_DECLARED)

        def shown(path: str) -> str:
            return shortened(visible(path), limits.text_bytes)

        with self._opened(0) as file:
            for one in take_out(
                file, wanted, shown=shown, write=self._put, most=most, odd_names=odd_names,
                budget=budget,
            ):  # fmt: skip
                self.say(member=one)

    def _put(self, data: bytes, place: int) -> None:
        left = memoryview(data)
        while left:
            done = os.pwrite(self._derived, left, place)
            left, place = left[done:], place + done

    def _stamp(
        self, labels: Sequence[Any], pages: int | None, *, picture: bool, frames: bool
    ) -> None:
        """Write a copy with a number on each page to the descriptor for what is derived."""
        prefix, digits, first = labels
        step = 0 if pages is None else 1  # one number for the file: the same on each page
        with self._opened(0) as file:
            try:
                made = stamps.stamped(
                    file, picture=picture, pages=pages, frames=frames,
                    label=lambda page: f"{prefix}{first + step * page:0{digits}d}",
                )  # fmt: skip
            except stamps.NotStamped as why:
                said = shortened(visible(str(why)), self._limits.text_bytes)
                self.say(stamped={"reason": why.reason, "detail": said})
                return
        self._put(made, 0)
        self.say(stamped={"size": len(made), "sha256": f"sha256:{sha256(made).hexdigest()}"})

    def _program(
        self,
        known: Sequence[Program],
        *arguments: str,
        program: str | None = None,
        data: bytes | None = None,
    ) -> Ran:
        wanted = next((one for one in known if program in {one.name, None}), None)
        if wanted is None:
            raise FileNotFoundError(f"this extractor does not name {program}")
        version = self._versions[wanted.name]
        if self._printing is not None:
            ran, raw = kept.collect(wanted, version, self._printing)
        else:
            os.lseek(self._evidence[0], 0, os.SEEK_SET)
            ran, raw = run_program(wanted, version, arguments, self._evidence[0], data)
        self.say(raw=raw.to_json())
        if wanted.kept:
            raw_output = Derivative.of("raw", "application/octet-stream", ran.stdout)
            self._tell(raw_output)
        return ran

    def _opened(self, number: int) -> BinaryIO:
        if self._sizes:
            return served.opened(self._asking, number, self._sizes[number])
        file = os.fdopen(os.dup(self._evidence[number]), "rb")
        file.seek(0)
        return file

    def _tell(self, item: Item) -> None:
        limits = self._limits
        plain = {
            name: shortened(visible(value), limits.text_bytes) if isinstance(value, str) else value
            for name, value in item.to_json().items()
        }
        if isinstance(item, Derivative):
            plain["offset"] = self._keep(item)
        line = _encode({_KINDS[type(item)]: plain}).encode() + b"\n"
        if isinstance(item, Member):
            self._members, self._member_bytes = self._members + 1, self._member_bytes + len(line)
            if self._members > limits.members or self._member_bytes > limits.member_bytes:
                raise Full(f"the listing ends after {self._members - 1} members")
        else:
            self._items, self._bytes = self._items + 1, self._bytes + len(line)
            if self._items > limits.items - _ROOM or self._bytes > limits.output_bytes - _ROOM**2:
                raise Full(f"only the first {self._items - 1} findings are kept")
        self._write(line)

    def _keep(self, item: Derivative) -> int:
        """Write what was made to the descriptor for it, and return where."""
        offset = self._derived_bytes
        if offset + len(item.data) > self._limits.file_bytes:
            raise Full(f"derivatives beyond {self._limits.file_bytes} bytes are not made")
        left = memoryview(item.data)
        while left:
            left = left[os.write(self._derived, left) :]
        self._derived_bytes += len(item.data)
        return offset

    def _failed(self, what: str, error: Exception) -> None:
        reason = f"{what}: {type(error).__name__}: {error}"[:200]
        self.say(problem=Problem(shortened(visible(reason), self._limits.text_bytes)).to_json())


def apart(one: Extractor) -> bool:
    """Return whether an extractor runs in a process of its own."""
    return (
        extractors.program(one) is not None
        or extractors.own_limits(one) is not None
        or extractors.asked(one)
        or extractors.threaded(one)
    )


def recognised(
    file: BinaryIO,
    found: Format,
    folders: Sequence[Path],
    failed: Callable[[str, Exception], None] | None = None,
) -> Format:
    """Return the format with the containers that the extractors know it by.

    Args:
        file: the evidence.
        found: what the identifying tools say.
        folders: of extractors.
        failed: told what a test raised; None: it is raised.
    """
    peek = Peek(file, found.mime)
    names: list[str] = []
    for one in extractors.everything(folders):
        for name, test in extractors.containers(one).items():
            try:
                if test(peek):
                    names.append(name)
            except Exception as error:
                if failed is None:
                    raise
                failed(f"{one.NAME}, container {name}", error)
    return replace(found, containers=tuple(sorted(set(names))))


def warm(folders: Sequence[Path]) -> list[Extractor]:
    """Load and try everything now: in a locked process a late import fails, and costs time.

    Raises:
        Exception: an extractor cannot be imported, or fails on its own sample.
    """
    for each in pkgutil.iter_modules(encodings.__path__):  # mail and archives name any of them
        if each.name not in {"mbcs", "oem"}:  # of Windows
            importlib.import_module(f"encodings.{each.name}")
            codecs.lookup(each.name) if each.name != "aliases" else None
    found = extractors.everything(folders)
    stamps.sample()
    for one in found:
        with os.fdopen(os.memfd_create("warm"), "w+b") as file:
            file.write(one.SAMPLE)
            file.flush()
            format_ = recognised(file, identify(file.fileno()), folders)
            file.seek(0)
            if extractors.program(one) is None:
                for item in one.extract(file, Found(format_)):
                    _encode(item.to_json())
    return found


def hello(one: Extractor) -> dict[str, Any]:
    """Return what the service has to know of an extractor."""
    limits, wanted = extractors.own_limits(one), extractors.program(one)
    return {
        "version": one.VERSION,
        "formats": sorted(one.FORMATS) if apart(one) else None,
        "limits": (limits or LONG).to_json() if apart(one) else None,
        "program": wanted.name if wanted else None,
        "asked": extractors.asked(one),
        "missing": wanted is not None and find(wanted.name) is None,
    }
