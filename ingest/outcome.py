"""What all processes that looked at one file came to, put together as one record."""

import signal
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from ingest.extraction import (
    Derivative,
    Extraction,
    Fact,
    Format,
    Limits,
    Member,
    NotARecord,
    Raw,
    Seal,
)
from ingest.findings import Findings
from ingest.formats import NOT_ASKED, Pronom


@dataclass(slots=True)
class Run:
    """How a job ended, as far as the zygote and the kernel can tell, and the bytes it wrote."""

    output: bytes = b""
    overflow: bool = False
    ended: str = ""  # exit, time or told, in the zygote's words
    status: int = 0  # exit code, or minus the signal
    lost: str = ""  # the zygote "died" or "hung"
    tools: tuple[str, ...] = ()
    extractors: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Whole:
    """What all processes that looked at one file came to, put together as one record."""

    limits: Limits
    extension: str
    started: datetime
    format: Format | None = None
    refused: str = ""
    facts: list[Fact] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    inhibitors: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    derivatives: list[Derivative] = field(default_factory=list)
    raw: list[Raw] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    isolations: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # of the runs that did not end well
    incomplete: bool = False
    tools: tuple[str, ...] = ()
    extractors: dict[str, dict[str, Any]] = field(default_factory=dict)
    digest: Any = field(default_factory=sha256)
    pronom: Pronom = field(default=NOT_ASKED)

    def take(self, run: Run, derived: int, limits: Limits, extractor: str | None) -> None:
        """Add what one process came to."""
        self.tools, self.extractors = run.tools, run.extractors
        self.digest.update(run.output)
        found = Findings()
        try:
            if not run.lost:
                found.read(run.output, derived, run.extractors, limits)
            word, why = how_ended(run, found, limits)
        except NotARecord as error:
            # Who breaks the form is not our code any more: nothing it said counts.
            word, why, found = "crash", f"malformed output: {error}", Findings()
        if found.format is not None:
            # What the service knows itself is not taken from the process.
            self.format = replace(
                found.format,
                claimed_extension=self.extension,
                tools=(*run.tools, *filter(None, (self.pronom.tool,))),
                puid=self.pronom.puid,
                witnesses=(*found.format.witnesses[:1], self.pronom.line),
            )
        for name in (
            "facts", "seals", "members", "inhibitors", "problems", "derivatives", "raw", "ran",
        ):  # fmt: skip
            getattr(self, name).extend(getattr(found, name))
        self.isolations.append(found.isolation or "none")
        self.incomplete = self.incomplete or found.incomplete
        if word:
            self.words.append(word)
            self.problems.append(f"{extractor}: {why}" if extractor else why)
            self.refused = self.refused or (why if word == "refused" else "")

    def record(self, ended: datetime) -> Extraction:
        """Return the record."""
        ran = list(dict.fromkeys(self.ran))
        versions = [f"{self.extractors[name]['version']}" for name in ran]
        return Extraction(
            outcome=self._outcome(),
            format=self.format,
            facts=tuple(self.facts),
            seals=tuple(self.seals),
            members=tuple(self.members),
            inhibitors=tuple(dict.fromkeys(self.inhibitors)),
            problems=tuple(self.problems),
            derivatives=tuple(self.derivatives),
            raw=tuple(self.raw),
            output_digest=f"sha256:{self.digest.hexdigest()}",
            extractors=tuple(f"{name}: {self.extractors[name]['version']}" for name in ran),
            tools=(
                *(self.format.tools if self.format else self.tools),
                *dict.fromkeys(versions),
                *dict.fromkeys(f"{one.tool} {one.version}" for one in self.raw),
            ),
            sandbox=", ".join(dict.fromkeys(self.isolations)) or "none",
            limits=self.limits,
            started=self.started.isoformat(),
            ended=ended.isoformat(),
        )

    def _outcome(self) -> str:
        something = self.facts or self.seals or self.members or self.inhibitors
        if self.words:
            word = self.words[0]
            return "partial" if word in {"timeout", "crash"} and something else word
        if self.incomplete:
            return "partial"
        return "ok" if self.ran else "unsupported"


def how_ended(run: Run, found: Findings, limits: Limits) -> tuple[str, str]:
    """Return the outcome word of a run that did not end well, and why; empty if it did."""
    if run.lost:
        why = f"the sandbox {run.lost} on this file, twice"
        return ("timeout" if run.lost == "hung" else "crash"), why
    if run.overflow or found.cut:
        return "partial", f"output limit: {found.cut or 'more bytes than all limits together'}"
    if run.ended == "time":
        return "timeout", f"time limit: {limits.wall_ms} ms"
    if run.status == -signal.SIGXCPU:
        return "timeout", f"processor limit: {limits.cpu_seconds} s"
    if found.refused:
        return "refused", found.refused
    if run.status < 0:
        return "crash", f"ended by signal {-run.status}"
    if run.status or not found.finished:
        return "crash", f"ended early with exit code {run.status}"
    return "", ""
