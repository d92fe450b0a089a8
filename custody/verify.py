#!/usr/bin/env python3
"""Check a court bundle or a receipt offline, with Python's standard library alone.

    python verify.py PATH [--trust FILE]

PATH is a bundle's folder or a receipt. FILE is a trust file that you got another way than PATH:
without it the signature is checked, but whose key made it is left for you to compare.

One line per claim: `pass`, `fail`, or `not-done` for a check that could not be made. Exit: 0 nothing
failed and every required claim was made; 1 a claim failed; 3 a required claim was not made; 2 wrong
use. Written from the description of the formats alone (docs/format.md) and sharing no code with the
repository, so that a mistake made there is not repeated here. Nothing is sent, written or followed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    _Point = tuple[int, int, int, int]

_T = TypeVar("_T")
REQUIRED = ("bag", "digests", "log-signature", "inclusion", "exhibit.seq")
CHUNK = 1_048_576
_SMALL = 64 * CHUNK  # nothing but payloads and custody.json comes near this
_MANIFESTS = {  # name: algorithm, and whether it lists the payload
    "manifest-sha256.txt": ("sha256", True),
    "manifest-sha512.txt": ("sha512", True),
    "tagmanifest-sha256.txt": ("sha256", False),
}
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    name + digit for name in ("COM", "LPT") for digit in "0123456789¹²³"
}
_KEY_SIZES = {1: 32, 4: 32, 6: 1312}  # log Ed25519; cosignatures: Ed25519, ML-DSA-44
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBER = re.compile(r"[A-Z0-9]{2,12}-[0-9]{6,15}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUBMISSION = re.compile(r"SUB-" + _UUID.pattern)
_SALT = re.compile(r"[0-9a-f]{32}")
_TYPES = set(
    """collection submission receipt quarantine virus_check message_digest_calculation
    format_identification metadata_extraction signature_validation registration fixity_check
    replication migration integrity_failure consultation retrieval access_denied
    working_copy_creation derivative_creation transfer_released transfer_received transfer_refused
    sealing unsealing dissemination disclosure report_generated handling_change access_grant
    access_revocation consent_recorded consent_withdrawn identity_revealed approval_requested
    approval_given approval_refused association annotation correction hold_placed hold_released
    retention_change deletion_requested deletion_approved erasure checkpoint_anchored key_rotation
    case_opened person_registered sign_in service_started store_check repair match_query
    match_notice receipt_acknowledged configuration_change upload_abandoned restored""".split()
)


class Finding(NamedTuple):
    """What was found about one claim: `pass`, `fail` or `not-done`, and why."""

    claim: str
    outcome: str
    detail: str


class Failed(Exception):
    """What was looked at does not hold: the claim fails."""


class ParseError(Failed):
    """What was looked at is not of its format."""


class NotDone(Exception):
    """The claim could not be made."""


class WrongUse(Exception):
    """There is no such path, or it is neither a bundle nor a receipt."""


class Key(NamedTuple):
    """A verifier key, from its text (C2SP signed-note)."""

    vkey: str
    name: str
    key_id: bytes
    kind: int
    public: bytes


class Note(NamedTuple):
    """A checkpoint: what is signed, and the signature lines as (name, key id and signature)."""

    origin: str
    size: int
    root: bytes
    body: bytes
    lines: list[tuple[str, bytes]]


class Policy(NamedTuple):
    """A C2SP tlog-policy; `groups` are (name, how many, members) in the order of the file."""

    logs: list[Key]
    witnesses: dict[str, Key]
    groups: list[tuple[str, int, list[str]]]
    quorum: str


class Trust(NamedTuple):
    """The log keys that count, each with its tree sizes `from` (in) and `to` (out)."""

    origin: str
    keys: list[tuple[Key, int, int | None]]


class Exhibit(NamedTuple):
    """An exhibit as `custody.json` lists it; `identity` is (id, number, sha256, size)."""

    identity: tuple[str, str, str, int]
    last_seq: int
    registration: int
    files: list[str]


class Entry(NamedTuple):
    """A custody entry: its exact bytes, and its fields or why they cannot be read."""

    index: int
    body: bytes
    fields: dict[str, object] | Failed
    proof: str
    openings: dict[str, object]


class Custody(NamedTuple):
    """What a bundle's `custody.json`, or a receipt (one entry, no exhibits), brings."""

    entries: list[Entry]
    exhibits: list[Exhibit]
    request_id: str
    tree_size: int | None
    left_out: int
    receipt: dict[str, object]


class Measured(NamedTuple):
    """A file as it is: size, digests in hex, number of chunks and the root of their tree."""

    size: int
    digests: dict[str, str]
    chunks: int
    root: str


@dataclass
class _State:
    """What the claims share; a part that could not be read holds the reason in its place."""

    custody: Custody | Failed
    policy: Policy | Failed | None = None
    trust: Trust | Failed | None = None
    own_keys: list[Key] = field(default_factory=list)
    checkpoint: str | Failed = ""
    files: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    listed: dict[str, dict[str, str]] | None = None
    measured: dict[str, Measured] = field(default_factory=dict)
    note: Note | None = None
    signers: list[Key] = field(default_factory=list)
    cosigners: set[Key] = field(default_factory=set)
    unchecked: set[Key] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def verify_path(path: Path, trust: Path | None) -> list[Finding]:
    """Give one finding per claim about the bundle or receipt at `path`.

    Raises:
        WrongUse: there is nothing to check at `path`, or no file at `trust`.
    """
    return _examine(path, trust).findings


def exit_code(findings: list[Finding]) -> int:
    """Give 1 if a claim failed, 3 if a required one was not made, else 0."""
    if any(found.outcome == "fail" for found in findings):
        return 1
    made = {found.claim for found in findings if found.outcome == "pass"}
    wanted = {found.claim for found in findings if found.claim in REQUIRED}
    return 0 if wanted <= made and {"log-signature", "inclusion"} <= made else 3


def main(argv: list[str]) -> int:
    """Run as a program: print one line per claim, the facts, and what was not checked."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a bundle or a receipt.")
    parser.add_argument("path", type=Path, help="a bundle's folder, or a receipt")
    parser.add_argument("--trust", type=Path, help="a trust file that you got another way")
    try:
        arguments = parser.parse_args(argv)
        state = _examine(arguments.path, arguments.trust)
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else 2
    except WrongUse as error:
        print(_shown(f"verify.py: {error}"), file=sys.stderr)
        return 2
    for found in state.findings:
        print(f"{found.outcome:<8}  {found.claim:<13}  {found.detail}")
    custody, size = state.custody, state.note.size if state.note else "unknown"
    if isinstance(custody, Custody):
        about = f"exhibits: {len(custody.exhibits) or 1}, entries: {len(custody.entries)}"
        about += f", left out: {custody.left_out}"
    else:
        about = "exhibits: unknown, entries: unknown"
    prints = ", ".join(map(fingerprint, state.signers)) or "unknown"
    print(f"{about}, tree size: {size}, fingerprint of the log's key: {prints}")
    failed, undone = (
        ", ".join(found.claim for found in state.findings if found.outcome == outcome) or "none"
        for outcome in ("fail", "not-done")
    )
    print(f"failed: {failed}; not checked: {undone}")
    return exit_code(state.findings)


# --- The claims, in the order of the table -----------------------------------------------------


def _examine(path: Path, trust: Path | None) -> _State:
    if trust is not None and not trust.is_file():
        raise WrongUse(f"no such file: {trust}")
    marks = ("bagit.txt", "custody.json", "ledger", *_MANIFESTS)
    if path.is_dir() and any(os.path.lexists(path / mark) for mark in marks):
        state = _open_bundle(path)
    elif path.is_file() and _looks_like_receipt(path):
        state = _open_receipt(path)
    else:
        raise WrongUse(f"no such path, or neither a bundle nor a receipt: {path}")
    if trust is not None:
        state.trust = _load(lambda: parse_trust(_read(trust)))
    bundle = path.is_dir()
    if bundle:
        _claim(state, "bag", _bag)
        _claim(state, "digests", _digests)
    _claim(state, "canonical", _canonical)
    _claim(state, "log-signature", _log_signature)
    _claim(state, "inclusion", _inclusion, "log-signature")
    if bundle:
        _claim(state, "exhibit.seq", _sequence, "canonical")
    _claim(state, "registration", _payload if bundle else _receipt_fields, "canonical")
    _claim(state, "openings", _openings, "canonical")
    _claim(state, "key-trusted", _key_trusted, "log-signature")
    _claim(state, "witnesses", _witnesses, "log-signature")
    _claim(state, "time-stamps", _time_stamps)
    return state


def _claim(state: _State, claim: str, check: Callable[[_State], str], needs: str = "") -> None:
    try:
        if any(found.claim == needs and found.outcome != "pass" for found in state.findings):
            raise NotDone(f"{needs} did not pass")
        outcome, detail = "pass", check(state)
    except NotDone as error:
        outcome, detail = "not-done", str(error)
    except Failed as error:
        outcome, detail = "fail", str(error)
    except Exception as error:  # noqa: BLE001 - hostile input must end in a line, not a traceback
        outcome, detail = "fail", f"{type(error).__name__}: {error}"
    state.findings.append(Finding(claim, outcome, _shown(detail)))


def _bag(state: _State) -> str:
    problems, listed = list(state.problems), dict[str, dict[str, str]]()
    declaration = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    if "fetch.txt" in state.files:
        problems.append("fetch.txt: a bundle is whole, nothing is fetched")
    if _lines_of(state, "bagit.txt") != declaration:
        problems.append("bagit.txt does not say version 1.0 and UTF-8")
    for name, (algorithm, payload) in _MANIFESTS.items():
        for path, digest in parse_manifest(_lines_of(state, name), algorithm).items():
            if path.startswith("data/") != payload or path == "tagmanifest-sha256.txt":
                problems.append(f"{path} does not belong into {name}")
            listed.setdefault(path, {})[algorithm] = digest
    for path in sorted(set(listed) | set(state.files) - {"tagmanifest-sha256.txt"}):
        wanted = {"sha256", "sha512"} if path.startswith("data/") else {"sha256"}
        if path not in state.files:
            problems.append(f"{path} is listed but missing")
        elif set(listed.get(path, ())) != wanted:
            problems.append(f"{path} is not listed in every manifest it belongs to")
        elif re.match(r"(tag)?manifest-[^/]*$", path) and path not in _MANIFESTS:
            problems.append(f"{path} is a manifest that bundles do not have")
    state.listed = listed
    return _all_hold(problems, f"{len(listed)} files, each listed where it belongs")


def _digests(state: _State) -> str:
    if state.listed is None:
        raise NotDone("the manifests could not be read")
    problems, algorithms = [], _algorithms(state.custody)
    for path, expected in sorted(state.listed.items()):
        if path not in state.files:
            problems.append(f"{path} is missing")
            continue
        payload = path.startswith("data/")
        measured = measure(state.files[path], algorithms if payload else ["sha256"])
        state.measured[path] = measured
        problems += [
            f"{path} is not the file that was listed ({name})"
            for name, digest in expected.items()
            if measured.digests[name] != digest
        ]
    return _all_hold(problems, f"{len(state.listed)} files have the digests listed")


def _canonical(state: _State) -> str:
    if isinstance(state.custody, Failed):
        raise state.custody
    entries = state.custody.entries
    if not entries:
        raise NotDone("there are no entries")
    bad = [f"entry {e.index}: {e.fields}" for e in entries if isinstance(e.fields, Failed)]
    strange = sorted({str(e.fields["type"]) for e in entries if isinstance(e.fields, dict)} - _TYPES)
    more = f"; of types unknown to this reader: {', '.join(strange)}" if strange else ""
    return _all_hold(bad, f"{len(entries)} entries of version 1{more}")


def _log_signature(state: _State) -> str:
    if isinstance(state.checkpoint, Failed):
        raise state.checkpoint
    log_keys, others = list(state.own_keys), list[Key]()
    if isinstance(state.policy, Policy):
        log_keys += state.policy.logs
        others += state.policy.witnesses.values()
    if isinstance(state.trust, Trust):
        log_keys += [key for key, _, _ in state.trust.keys]
    if not log_keys and isinstance(state.policy, Failed):
        raise state.policy
    note = parse_note(state.checkpoint)
    if not log_keys:
        raise NotDone("no key of the log is given")
    checked, state.unchecked = open_note(note, [*log_keys, *others])
    signers = [key for key in checked if key.kind == 1 and key.name == note.origin]
    if not signers:
        raise Failed(f"no signature of a known key of {note.origin}")
    state.note, state.cosigners = note, checked
    state.signers = sorted(key for key in signers if key in log_keys)
    return f"{note.origin}, tree size {note.size}"


def _inclusion(state: _State) -> str:
    entries, note, problems = _custody(state).entries, state.note, list[str]()
    if note is None or not entries:
        raise NotDone("there are no entries")
    if _custody(state).tree_size not in (None, note.size):
        problems.append("the checkpoint is not of the tree size that custody.json says")
    indexes = [entry.index for entry in entries]
    if any(later <= index for index, later in zip(indexes, indexes[1:])):  # noqa: B905 - 3.8
        problems.append("the entries are not in the order of their indexes")
    accepted = {state.checkpoint}  # each distinct text of the checkpoint is opened once
    for entry in entries:
        index, hashes, checkpoint = parse_proof(entry.proof)
        if checkpoint not in accepted:
            if parse_note(checkpoint).body != note.body:
                problems.append(f"entry {entry.index}: the proof carries another checkpoint")
                continue
            open_note(parse_note(checkpoint), state.signers)
            accepted.add(checkpoint)
        leaf = hashlib.sha256(b"\0" + entry.body).digest()
        if index != entry.index or not included(index, note.size, leaf, hashes, note.root):
            problems.append(f"entry {entry.index} is not in the tree at its index")
    return _all_hold(problems, f"{len(entries)} entries, the last at index {indexes[-1]}")


def _sequence(state: _State) -> str:
    custody, problems = _custody(state), list[str]()
    histories: dict[tuple[str, str, str, int], list[tuple[int, dict[str, object]]]] = {}
    for exhibit in custody.exhibits:
        histories[exhibit.identity] = []
    for column in (0, 1):
        if len({item.identity[column] for item in custody.exhibits}) != len(custody.exhibits):
            problems.append("an exhibit is listed twice")
    for entry in custody.entries:
        fields = _fields(entry)
        if "exhibit" not in fields:
            continue  # an act on the house
        identity = _identity(fields["exhibit"])
        if identity not in histories:
            problems.append(f"entry {entry.index} is of {identity[1]}, not as listed in exhibits")
        else:
            seq = _get(fields["exhibit"], "seq", int)
            histories[identity].append((seq, fields))
    for exhibit in custody.exhibits:
        problems += _gaps(exhibit, histories[exhibit.identity], custody.request_id)
    if not custody.exhibits:
        raise NotDone("there are no exhibits")
    return _all_hold(problems, f"{len(custody.exhibits)} exhibits, each history without a gap")


def _gaps(
    exhibit: Exhibit, history: list[tuple[int, dict[str, object]]], request_id: str
) -> list[str]:
    number = exhibit.identity[1]
    for position, (seq, _) in enumerate(history, 1):
        if seq != position:
            return [f"{number}: entry {position} of its history expected, {seq} found"]
    if len(history) != exhibit.last_seq or not history:
        return [f"{number}: {len(history)} entries of {exhibit.last_seq}"]
    last = history[-1][1]
    own = last.get("outcome") == "started" and last.get("request_id") == request_id
    if own and last["type"] in ("dissemination", "disclosure"):
        return []
    return [f"{number}: the last entry is not this export's own"]


def _payload(state: _State) -> str:
    custody, problems, owned = _custody(state), list[str](), set[str]()
    if not custody.exhibits or not state.measured:
        raise NotDone("there are no exhibits" if state.measured else "digests could not be made")
    by_index = {entry.index: _fields(entry) for entry in custody.entries}
    unable = set[str]()
    for exhibit in custody.exhibits:
        number, fields = exhibit.identity[1], by_index.get(exhibit.registration, {})
        if fields.get("type") != "registration":
            problems.append(f"{number}: entry {exhibit.registration} is not a registration")
            continue
        parts = _get(fields, "parts", list)
        names = [f"data/{number}.{place}.bin" for place in range(1, len(parts) + 1)]
        names = [f"data/{number}.bin"] if len(parts) == 1 else names
        owned.update(names)
        if _identity(fields.get("exhibit")) != exhibit.identity or exhibit.files != names:
            problems.append(f"{number}: listed otherwise than registered")
        for place, part in enumerate(parts, 1):
            measured = state.measured.get(names[place - 1])
            if measured is None:
                problems.append(f"{names[place - 1]} is missing")
                continue
            whole = (f"sha256:{measured.digests['sha256']}", measured.size)
            if _get(part, "part", int) != place or not _same_bytes(part, measured, unable):
                problems.append(f"{names[place - 1]} is not what was registered")
            elif len(parts) == 1 and exhibit.identity[2:] != whole:
                problems.append(f"{names[0]} has not the digest and size of {number}")
    paths = [path for path in state.files if path.startswith("data/")]
    problems += [f"{path} belongs to no exhibit" for path in paths if path not in owned]
    detail = _all_hold(problems, f"{len(paths)} files are the bytes registered")
    if unable:
        raise NotDone(f"{detail}, but these digests could not be made: {', '.join(sorted(unable))}")
    return detail


def _same_bytes(part: object, measured: Measured, unable: set[str]) -> bool:
    digests, chunks = _get(part, "digests", dict), _get(part, "chunks", dict)
    unable.update(name for name in digests if name not in measured.digests)
    found = {name: f"{name}:{value}" for name, value in measured.digests.items() if name in digests}
    told = tuple(_get(chunks, "size", int) for _ in "1") + (_get(chunks, "count", int),)
    return (
        "sha256" in digests
        and all(digests[name] == value for name, value in found.items())
        and told == (CHUNK, measured.chunks)
        and _get(chunks, "root", str) == f"sha256:{measured.root}"
    )
