"""What a locked process said, read line by line: bounded, checked and made visible, never believed.

A hostile file may have taken over the process that wrote it, so a line that our own code cannot
have written makes everything it said void.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from ingest.extraction import (
    Derivative,
    Fact,
    Format,
    Inhibitor,
    Limits,
    Member,
    NotARecord,
    Problem,
    Raw,
    Seal,
    visible,
)

Line = Fact | Seal | Member | Inhibitor | Problem | Raw | Derivative
_KINDS: dict[str, type[Line]] = {
    "fact": Fact, "seal": Seal, "member": Member, "inhibitor": Inhibitor, "problem": Problem,
    "raw": Raw, "derivative": Derivative,
}  # fmt: skip


@dataclass(slots=True)
class Findings:
    """What one process said, as far as it is well formed and within the limits."""

    isolation: str = ""
    refused: str = ""
    format: Format | None = None
    facts: list[Fact] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    inhibitors: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    raw: list[Raw] = field(default_factory=list)
    derivatives: list[Derivative] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    incomplete: bool = False
    cut: str = ""  # the limit that ended the reading
    finished: bool = False

    @property
    def something(self) -> bool:
        """Whether anything at all was read out of the file."""
        return bool(self.facts or self.seals or self.members or self.inhibitors)

    def read(
        self, output: bytes, derived: int, known: Mapping[str, object], limits: Limits
    ) -> None:
        """Take the lines in; a last line without its end was cut off by the killing.

        Args:
            output: what was written to the pipe.
            derived: the file that holds the bytes of derivatives.
            known: the extractors there are.
            limits: of this run.

        Raises:
            NotARecord: a line that our own code cannot have written.
        """
        size = items = members = 0
        for number, line in enumerate(output.split(b"\n")[:-1]):
            key, value = line_of(line)
            if key == "member":
                members += 1
            else:
                items, size = items + 1, size + len(line) + 1
            if size > limits.output_bytes:
                self.cut = f"more than {limits.output_bytes} bytes"
            elif items > limits.items or members > limits.members:
                self.cut = f"more than {limits.items} findings or {limits.members} members"
            if self.cut:
                return
            if self.finished or (number == 0) != (key in {"isolation", "refused"}):
                raise NotARecord(f"{key} out of order")
            if key == "derivative":
                self._item(_derivative(value, derived, limits), limits)
            elif key in _KINDS:
                self._item(_KINDS[key].from_json(value), limits)
            elif key == "format" and self.format is None:
                self.format = Format.from_json(value)
                self.format = replace(self.format, description=bounded(self.format.description))
            elif key == "extractor" and isinstance(value, str) and value in known:
                self.ran.append(value)
            elif key in {"isolation", "refused"} and isinstance(value, str):
                setattr(self, key, bounded(value))
            elif key == "end" and value is True:
                self.finished = True
            else:
                raise NotARecord("an unknown line")

    def _item(self, item: Line, limits: Limits) -> None:
        item = self._shown(item, limits)
        if self.cut:
            return
        match item:
            case Fact():
                self.facts.append(item)
            case Seal():
                self.seals.append(item)
            case Member():
                self.members.append(item)
            case Inhibitor():
                self.inhibitors.append(item.kind)
            case Problem():
                self.problems.append(item.reason)
                self.incomplete = self.incomplete or item.incomplete
            case Raw():
                self.raw.append(item)
            case Derivative():
                self.derivatives.append(item)

    def _shown(self, item: Line, limits: Limits) -> Line:
        """Return the item with what cannot be seen made visible; too long a text is a cut."""
        plain: dict[str, Any] = {}
        for name, value in item.to_json().items():
            texts = value if isinstance(value, list) else [value]
            if not all(isinstance(text, str) for text in texts):
                continue
            if any(len(text.encode("utf-8", "replace")) > limits.text_bytes for text in texts):
                self.cut = f"a text of more than {limits.text_bytes} bytes"
                return item
            shown = list(map(visible, texts))
            if shown != texts:
                plain[name] = tuple(shown) if isinstance(value, list) else shown[0]
        return replace(item, **plain) if plain else item


def bounded(text: str) -> str:
    """Return the beginning of a text, with what cannot be seen made visible."""
    return visible(text[:1000])


def _derivative(found: object, derived: int, limits: Limits) -> Derivative:
    """Return a derivative with its bytes, digested here: its own word for them counts nothing."""
    if not isinstance(found, dict) or type(found.get("offset")) is not int:
        raise NotARecord("a derivative without its place")
    offset = found.pop("offset")
    said = Derivative.from_json(found)
    if offset < 0 or offset + said.size > limits.file_bytes:
        raise NotARecord("a derivative beyond the limit")
    data = os.pread(derived, said.size, offset)
    if f"sha256:{sha256(data).hexdigest()}" != said.sha256:
        raise NotARecord("a derivative whose bytes are others")
    return replace(said, data=data)


def line_of(line: bytes) -> tuple[str, object]:
    """Return the one key of a line and its value.

    Raises:
        NotARecord: no JSON object with one key, or one that our own code cannot have written.
    """
    try:
        found = json.loads(line, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise NotARecord("a line is no JSON of ours") from error
    if not isinstance(found, dict) or len(found) != 1:
        raise NotARecord("a line is an object with one key")
    return next(iter(found.items()))


def _no_float(text: str) -> float:
    raise ValueError(text)
