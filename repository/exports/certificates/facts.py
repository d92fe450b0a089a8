"""What a bundle's entries support of a custodian's statement: counted, never concluded."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from repository.errors import BadRequest

KNOWN = Path(__file__).parent / "known.json"


@dataclass(slots=True)
class Facts:
    """Of one bundle: its exhibits, what was done to them by which program, and what failed."""

    report: str
    tree_size: int
    root_line: str  # the checkpoint's three lines, as they are compared
    manifest: str  # digest of the bag's tag manifest
    last: Mapping[str, Any]  # the bundle's last entry: index and body
    case: str | None
    exhibits: list[tuple[str, str, int]] = field(default_factory=list)  # number, digest, size
    acts: Counter[tuple[str, str]] = field(default_factory=Counter)  # program, type of entry
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)  # type, outcome
    compared: Counter[tuple[str, str]] = field(default_factory=Counter)  # type, outcome
    algorithms: Counter[str] = field(default_factory=Counter)
    clocks: Counter[str] = field(default_factory=Counter)
    span: tuple[str, str] = ("", "")
    installed: list[tuple[str, str, int]] = field(default_factory=list)  # program, digest, entry

    @property
    def programs(self) -> list[str]:
        """Return the programs that recorded these entries, as the entries name them."""
        return sorted({program for program, _ in self.acts})

    @property
    def undigested(self) -> list[str]:
        """Return those of which no entry says what its files were."""
        known = {program for program, _, _ in self.installed}
        return [program for program in self.programs if program not in known]


def read(bundle: Path) -> Facts:
    """Return what a bundle says; whether it is genuine is checked before.

    Raises:
        BadRequest: it is no bundle.
    """
    try:
        told = json.loads((bundle / "custody.json").read_bytes())
        note = (bundle / "ledger" / "checkpoint").read_text()
        manifest = sha256((bundle / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
        last = told["entries"][-1]
        case = last["openings"].get("case", {}).get("value")
        found = Facts(
            told["request_id"], told["tree_size"], "\n".join(note.split("\n")[:3]),
            f"sha256:{manifest}", last, case,
            [(one["number"], one["sha256"], one["size"]) for one in told["exhibits"]],
        )  # fmt: skip
        for entry in told["entries"]:
            _count(found, json.loads(entry["body"]))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise BadRequest(f"{bundle} is no bundle that can be read: {error}") from error
    return found


def known_errors() -> list[str]:
    """Return what is known to limit what this program records, as it is shipped with it."""
    return [str(one) for one in json.loads(KNOWN.read_bytes())["known"]]


def _count(found: Facts, body: Mapping[str, Any]) -> None:
    kind, outcome = str(body["type"]), str(body["outcome"])
    found.acts[str(body["by"]), kind] += 1
    found.clocks[str(body.get("clock", {}).get("source", "not recorded"))] += 1
    if outcome in ("fail", "error", "aborted") or kind == "integrity_failure":
        found.failures[kind, outcome] += 1
    if kind in ("message_digest_calculation", "fixity_check"):
        found.compared[kind, outcome] += 1
    for part in body.get("parts", []):
        found.algorithms.update(part.get("digests", {}).keys())
    found.span = (found.span[0] or body["at"], body["at"])
