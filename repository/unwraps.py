"""Match a hardware module's log of unwrappings with the ledger: each must have its read entry.

Whoever can use the key-encryption key can read evidence past this program; the module's own log
shows it. Two formats are read: JSON lines `{"at": RFC 3339, "operation": "unwrap", "wrapped": hex}`
and what OpenSC's pkcs11-spy writes, whose times are those of the machine's zone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select

from custody.entry import Act, CustodyEntry, timestamp
from custody.findings import Finding
from repository import Repository
from repository.errors import BadRequest
from repository.flows import REASON, SHARED
from repository.keyring import Rewrapped
from repository.keys import HOUSE
from repository.models import DataKey, Erasure, Exhibit
from repository.rewrapping import REWRAPPED, list_digest

WINDOW = timedelta(minutes=15)  # between an unwrapping and the entry that tells of it
# The entries that tell of one opening of the evidence each.
READS = {
    (Act.RETRIEVAL, "started"),
    (Act.DISSEMINATION, "started"),
    (Act.DISCLOSURE, "started"),
    (Act.METADATA_EXTRACTION, None),
    (Act.FIXITY_CHECK, None),
    (Act.REGISTRATION, None),
    (Act.INTEGRITY_FAILURE, None),
}
_SPY_CALL = re.compile(r"^\d+: (C_\w+)$")
_SPY_HEX = re.compile(r"^    [0-9A-F]{8}  ((?:[0-9A-F]{2} ?)+)")


@dataclass(frozen=True, slots=True)
class Unwrapping:
    """One act of the module: when, and the SHA-256 of the wrapped key."""

    at: datetime
    wrapped_sha256: str


def check_unwraps(repo: Repository) -> list[Finding]:
    """Return a finding for each unwrapping that no entry tells of, and one that sums up."""
    file = repo.settings.unwrap_log_file
    if file is None:
        said = (
            "no log of a hardware module is named (setting unwrap_log_file): nothing was compared"
        )
        return [Finding("unwraps", "log", "not-done", said)]
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        said = f"{file} cannot be read: {error.strerror}"
        return [Finding("unwraps", "log", "not-done", said)]
    try:
        found = list(read_log(lines))
    except BadRequest as error:
        return [Finding("unwraps", "log", "not-done", str(error))]
    return _compare(repo, found, file)


def read_log(lines: list[str]) -> Iterator[Unwrapping]:
    """Yield the unwrappings of a log in either format.

    Raises:
        BadRequest: a line of JSON that is none, or lacks a member.
    """
    if any(_SPY_CALL.match(line) for line in lines[:200]):
        yield from _spy(lines)
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            if found["operation"] == "unwrap":
                at = datetime.fromisoformat(found["at"])
                wrapped = bytes.fromhex(found["wrapped"])
                yield Unwrapping(at.astimezone(UTC), sha256(wrapped).hexdigest())
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequest(f"line {number} of the log of unwrappings is damaged") from error


def _spy(lines: list[str]) -> Iterator[Unwrapping]:
    call, at, wrapped, reading = "", None, b"", False
    for line in lines:
        if match := _SPY_CALL.match(line):
            call, at, wrapped, reading = match[1], None, b"", False
        elif call == "C_UnwrapKey" and at is None:
            at = datetime.fromisoformat(line.strip()).astimezone(UTC)
        elif line.startswith("[in] pWrappedKey"):
            reading = True
        elif reading and (match := _SPY_HEX.match(line)):
            wrapped += bytes.fromhex(match[1])
        elif line.startswith("["):
            reading = False
        elif line.startswith("Returned:") and call == "C_UnwrapKey":
            if at is not None and "CKR_OK" in line:
                yield Unwrapping(at, sha256(wrapped).hexdigest())
            call = ""


def _compare(repo: Repository, log: list[Unwrapping], file: Path) -> list[Finding]:
    subjects = _subjects(repo)
    by_subject: dict[str | None, list[Unwrapping]] = {}
    rest, anew = _without_rewrapping(repo, log)
    for one in rest:
        by_subject.setdefault(subjects.get(one.wrapped_sha256), []).append(one)
    house = len(by_subject.pop(HOUSE, []))
    findings = []
    for subject, acts in by_subject.items():
        if subject is None:
            findings += [_rest(one, "a key that is no exhibit's") for one in acts]
            continue
        with repo.database.reading() as session:
            exhibit = session.get(Exhibit, subject)
        number = exhibit.number if exhibit else f"unregistered {subject}"
        rest = unmatched(acts, list(repo.ledger.history(subject)))
        findings += [_rest(one, number) for one in rest]
    matched = len(log) - anew - house - len(findings)
    said = f"{file.name}: {len(log)} unwrappings; {matched} with a read entry each"
    if anew:
        said += f"; {anew} when keys were wrapped anew, as entries tell"
    if house:
        said += f"; {house} of the house's own key, which opens no exhibit"
    return [*findings, Finding("unwraps", "all", "fail" if findings else "pass", said)]


def _without_rewrapping(repo: Repository, log: list[Unwrapping]) -> tuple[list[Unwrapping], int]:
    """Return the unwrappings but those by which keys were wrapped anew, and how many these are.

    One counts for each replaced form, and only as long as the entry bears the list of them.
    """
    by_entry: dict[int, list[Rewrapped]] = {}
    with repo.database.reading() as session:
        for row in session.scalars(select(Rewrapped)):
            by_entry.setdefault(row.entry, []).append(row)
    told: dict[str, datetime] = {}
    for index, rows in by_entry.items():
        entry = repo.ledger.entry(index)
        listed = list_digest({row.wrapped_sha256: row.subject for row in rows})
        if entry.fields.get("reason") == REWRAPPED and entry.fields.get("inputs") == [listed]:
            told |= {row.wrapped_sha256: _at(entry) for row in rows}
    rest = []
    for one in log:
        at = told.get(one.wrapped_sha256)
        if at is not None and abs(at - one.at) <= WINDOW:
            del told[one.wrapped_sha256]
        else:
            rest.append(one)
    return rest, len(log) - len(rest)


def unmatched(acts: list[Unwrapping], entries: list[CustodyEntry]) -> list[Unwrapping]:
    """Return the unwrappings that no entry tells of; an entry tells of one, a flow of all in it."""
    free = [entry for entry in entries if _reads(entry)]
    rest = []
    for one in sorted(acts, key=lambda act: act.at):
        near = [entry for entry in free if abs(_at(entry) - one.at) <= WINDOW]
        shared = [
            entry
            for entry in near
            if entry.fields.get("reason") == REASON
            and timedelta(seconds=-2) <= one.at - _at(entry) <= SHARED
        ]
        single = [entry for entry in near if entry.fields.get("reason") != REASON]
        if single:
            free.remove(min(single, key=lambda entry: abs(_at(entry) - one.at)))
        elif not shared:
            rest.append(one)
    return rest


def _subjects(repo: Repository) -> dict[str, str]:
    """Return by digest of the wrapped key whose it is, or was before its erasure."""
    with repo.database.reading() as session:
        found = {
            sha256(bytes(row.wrapped)).hexdigest(): row.subject
            for row in session.scalars(select(DataKey))
        }
        for replaced in session.scalars(select(Rewrapped)):
            found[replaced.wrapped_sha256] = replaced.subject
        erased = select(Erasure.wrapped_sha256, Erasure.exhibit_id).where(
            Erasure.wrapped_sha256.is_not(None)
        )
        for digest, subject in session.execute(erased):
            found[str(digest)] = subject
    return found


def _reads(entry: CustodyEntry) -> bool:
    kind, outcome = entry.fields["type"], entry.fields["outcome"]
    return (kind, outcome) in READS or (kind, None) in READS


def _at(entry: CustodyEntry) -> datetime:
    return datetime.fromisoformat(entry.fields["at"])


def _rest(one: Unwrapping, subject: str) -> Finding:
    said = f"unwrapped at {timestamp(one.at)}, and no entry tells who read it"
    return Finding("unwraps", subject, "fail", said)
