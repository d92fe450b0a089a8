#!/usr/bin/env python3
"""Check a court bundle or a receipt offline, with Python's standard library alone.

    python verify.py PATH [--trust FILE]

PATH is a bundle's folder or a receipt; FILE a trust file that you got another way than PATH.
One line per claim: `pass`, `fail`, or `not-done` for a check that could not be made. Exit: 0
nothing failed and every required claim was made; 1 a claim failed; 3 a required claim was not made;
2 wrong use. Written from the description of the formats alone (docs/format.md), sharing no code
with the repository: a mistake made there is not repeated here. Nothing is sent or written.
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:  # this way of writing types cannot be run by Python 3.8
    _Point = tuple[int, int, int, int]
    _Identity = tuple[str, str, str, int]
_T = TypeVar("_T")
REQUIRED = ("bag", "digests", "log-signature", "inclusion", "exhibit.seq")
CHUNK = 1_048_576
MANIFESTS = {"manifest-sha256.txt": "sha256", "manifest-sha512.txt": "sha512"}  # of the payload
TAGS = "tagmanifest-sha256.txt"
BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
DEVICES = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\..*)?", re.I | re.S)
DIGEST, SALT, NUMBER = r"sha256:[0-9a-f]{64}", r"[0-9a-f]{32}", r"[A-Z0-9]{2,12}-[0-9]{6,15}"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY_SIZES = {1: 32, 4: 32, 6: 1312}  # the log's Ed25519; cosignatures Ed25519 and ML-DSA-44
TYPES = re.findall(
    "[a-z_]+",
    """collection submission receipt quarantine virus_check message_digest_calculation
format_identification metadata_extraction signature_validation registration fixity_check
replication migration integrity_failure consultation retrieval access_denied working_copy_creation
derivative_creation transfer_released transfer_received transfer_refused sealing unsealing
dissemination disclosure report_generated handling_change access_grant access_revocation
consent_recorded consent_withdrawn identity_revealed approval_requested approval_given
approval_refused association annotation correction hold_placed hold_released retention_change
deletion_requested deletion_approved erasure checkpoint_anchored key_rotation case_opened
person_registered sign_in service_started store_check repair match_query match_notice
receipt_acknowledged configuration_change upload_abandoned restored""",
)


class Finding(NamedTuple):
    """What was found about one claim: `pass`, `fail` or `not-done`, and why."""

    claim: str
    outcome: str
    detail: str


class ParseError(Exception):
    """What was looked at is not as its format demands: the claim fails."""


class NotDone(Exception):
    """The claim could not be made."""


class WrongUse(Exception):
    """There is no such path, or it is neither a bundle nor a receipt."""


class Key(NamedTuple):
    """A verifier key (C2SP signed-note)."""

    vkey: str
    name: str
    key_id: bytes
    kind: int
    public: bytes


class Note(NamedTuple):
    """A checkpoint: the signed body, and the lines as (name, key id and signature)."""

    origin: str
    size: int
    root: bytes
    body: bytes
    lines: list[tuple[str, bytes]]


class Entry(NamedTuple):
    """A custody entry as handed over, and what its body says."""

    position: int
    body: bytes
    proof: str
    openings: dict[str, object]
    fields: dict[str, object]


class Measured(NamedTuple):
    """A file as it is: size, hex digests by algorithm, number of chunks, root of their tree."""

    size: int
    digests: dict[str, str]
    chunks: int
    root: str


@dataclass
class _State:
    path: Path
    bundle: bool
    trust: list[tuple[Key, int, int]] | ParseError | None = None
    files: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # of the bag
    listed: dict[str, dict[str, str]] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    document: dict[str, object] = field(default_factory=dict)  # custody.json, or the receipt
    entries: list[Entry] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)  # what is not canonical
    text: str = ""  # of the checkpoint
    note: Note | None = None
    names: dict[str, Key | tuple[int, list[str]]] = field(default_factory=dict)  # of the policy
    quorum: str = "none"
    known: list[Key] = field(default_factory=list)
    signers: list[Key] = field(default_factory=list)  # keys of the log that did sign
    checked: dict[Key, bool] = field(default_factory=dict)  # of all known keys that signed
    findings: list[Finding] = field(default_factory=list)


def verify_path(path: Path, trust: Path | None) -> list[Finding]:
    """Give one finding per claim; raise WrongUse where there is nothing to check."""
    return _examine(path, trust).findings


def exit_code(findings: list[Finding]) -> int:
    """Give 1 if a claim failed, 3 if a required one was not made, else 0."""
    if any(found.outcome == "fail" for found in findings):
        return 1
    made = {found.claim for found in findings if found.outcome == "pass"}
    wanted = {found.claim for found in findings if found.claim in REQUIRED}
    return 0 if wanted | {"log-signature", "inclusion"} <= made else 3


def main(argv: list[str]) -> int:
    """Print one line per claim, the facts, and what was not checked; give the exit code."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a bundle or a receipt.")
    parser.add_argument("path", type=Path, help="a bundle's folder, or a receipt")
    parser.add_argument("--trust", type=Path, help="a trust file that you got another way")
    try:
        arguments = parser.parse_args(argv)
        state = _examine(arguments.path, arguments.trust)
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else 2
    except (WrongUse, OSError) as error:
        print(_shown(f"verify.py: {error}"), file=sys.stderr)
        return 2
    for found in state.findings:
        print(f"{found.outcome:<8}  {found.claim:<13}  {found.detail}")
    listed = state.document.get("exhibits") if state.bundle else [state.document]
    exhibits = len(listed) if isinstance(listed, list) and state.document else "unknown"
    size = state.note.size if state.note else "unknown"
    prints = ", ".join(fingerprint(key.vkey) for key in state.signers) or "unknown"
    print(f"exhibits: {exhibits}; entries: {len(state.entries)}; tree size: {size}")
    print(f"fingerprint of the log's key: {prints}")
    undone = ", ".join(found.claim for found in state.findings if found.outcome == "not-done")
    print(f"not checked: {undone or 'nothing, every claim was made'}")
    return exit_code(state.findings)


def _examine(path: Path, trust: Path | None) -> _State:
    marks = ("bagit.txt", "custody.json", "ledger", TAGS, *MANIFESTS)
    bundle = path.is_dir() and any(os.path.lexists(path / mark) for mark in marks)
    if trust is not None and not trust.is_file():
        raise WrongUse(f"no such file: {trust}")
    if not bundle and not (path.is_file() and _looks_like_receipt(path)):
        raise WrongUse(f"no such path, or neither a bundle nor a receipt: {path}")
    state = _State(path, bundle)
    try:
        state.trust = None if trust is None else parse_trust(_text(trust))
    except Exception as error:  # noqa: BLE001 - as in _claim
        state.trust = ParseError(_reason(error))
    try:
        _open_bundle(state) if bundle else _open_receipt(state)
    except Exception as error:  # noqa: BLE001 - as in _claim
        state.bad.append(_reason(error))
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
        outcome, detail = "not-done", f"{error}"
    except Exception as error:  # noqa: BLE001 - hostile input must end in a line, not a traceback
        outcome, detail = "fail", _reason(error)
    state.findings.append(Finding(claim, outcome, _shown(detail)))


def _reason(error: Exception) -> str:
    return f"{error}" if isinstance(error, ParseError) else f"{type(error).__name__}: {error}"


def _none_of(problems: list[str]) -> None:
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ParseError("; ".join(problems[:3]) + more)


def _open_bundle(state: _State) -> None:
    root, found = state.path, state.problems
    for folder, folders, names in os.walk(root, onerror=lambda error: found.append(f"{error}")):
        for name in [*folders, *names]:
            path, status = Path(folder, name), Path(folder, name).lstat()
            inside = path.relative_to(root).as_posix()
            # 0x400: a reparse point, the links of Windows
            if stat.S_ISLNK(status.st_mode) or getattr(status, "st_file_attributes", 0) & 0x400:
                found.append(f"{inside} is a link")
                folders[:] = [other for other in folders if other != name]
            elif stat.S_ISREG(status.st_mode):
                state.files[inside] = path
            elif not stat.S_ISDIR(status.st_mode):
                found.append(f"{inside} is no file")
    state.document = _object(parse_json(_tag(state, "custody.json")), "custody.json")
    if _get(state.document, "v", int) != 1:
        raise ParseError("custody.json is not of version 1")
    _get(state.document, "left_out", list)
    state.entries = [_entry(state, item) for item in _get(state.document, "entries", list)]


def _open_receipt(state: _State) -> None:
    state.document = receipt = _object(parse_json(_text(state.path)), "the receipt")
    if _get(receipt, "v", int) != 1 or _get(receipt, "kind", str) != "evidence-receipt":
        raise ParseError("not a receipt of version 1")
    _match(receipt, "submission", "SUB-" + UUID)
    _get(receipt, "witnessed_by", list)
    state.entries = [_entry(state, receipt)]


def _entry(state: _State, item: object) -> Entry:
    index = _get(item, "index", int)
    fields: dict[str, object] = {}
    body = _get(item, "body", str).encode("utf-8")
    try:
        fields = parse_body(body)
    except ParseError as error:
        state.bad.append(f"entry {index}: {error}")
    return Entry(index, body, _get(item, "proof", str), _get(item, "openings", dict), fields)


def _bag(state: _State) -> str:
    problems = state.problems
    listed: dict[str, dict[str, str]] = {}
    if _lines(_tag(state, "bagit.txt")) != BAGIT:
        problems.append("bagit.txt does not say version 1.0 and UTF-8")
    for name, algorithm in {**MANIFESTS, TAGS: "sha256"}.items():
        for path, digest in parse_manifest(_tag(state, name), algorithm).items():
            if path.startswith("data/") != (name in MANIFESTS) or path == TAGS:
                problems.append(f"{path} does not belong into {name}")
            listed.setdefault(path, {})[algorithm] = digest
    for path in sorted({*listed, *state.files} - {TAGS}):
        wanted = {"sha256", "sha512"} if path.startswith("data/") else {"sha256"}
        if path not in state.files:
            problems.append(f"{path} is listed but missing")
        elif set(listed.get(path, ())) != wanted:
            problems.append(f"{path} is not listed in every manifest it belongs to")
        elif re.match("fetch.txt$|(tag)?manifest-[^/]*$", path) and path not in MANIFESTS:
            problems.append(f"{path} has no place in a bundle")
    state.listed = listed
    _none_of(problems)
    return f"{len(listed)} files, each listed where it belongs"


def _digests(state: _State) -> str:
    problems, algorithms = [], {"sha256", "sha512"}
    if not state.listed:
        raise NotDone("the manifests could not be read")
    for entry in state.entries:  # registrations may tell further digests: read 20 GiB once
        parts = entry.fields.get("parts")
        for part in parts if isinstance(parts, list) else []:
            told = part.get("digests") if isinstance(part, dict) else None
            algorithms.update(told if isinstance(told, dict) else ())
    for path, expected in sorted(state.listed.items()):
        if path in state.files:
            wanted = algorithms if path.startswith("data/") else {"sha256"}
            state.measured[path] = found = measure(state.files[path], wanted)
            if any(found.digests[name] != digest for name, digest in expected.items()):
                problems.append(f"{path} is not the file that was listed")
        else:
            problems.append(f"{path} is missing")
    _none_of(problems)
    return f"{len(state.listed)} files have the digests listed"


def _canonical(state: _State) -> str:
    _none_of(state.bad)
    if not state.entries:
        raise NotDone("there are no entries")
    strange = sorted({str(entry.fields["type"]) for entry in state.entries} - set(TYPES))
    more = f"; of types unknown to this reader: {', '.join(strange)}" if strange else ""
    return f"{len(state.entries)} entries of version 1{more}"


def _log_signature(state: _State) -> str:
    logs = [key for key, _, _ in state.trust] if isinstance(state.trust, list) else []
    if not state.bundle:
        logs.append(parse_vkey(_get(state.document, "key", str), 1))
        state.text = parse_proof(_get(state.document, "proof", str))[2]
    else:
        if "ledger/policy" in state.files or not logs:
            more, state.names, state.quorum = parse_policy(_tag(state, "ledger/policy"))
            logs += more
        state.text = _tag(state, "ledger/checkpoint")
    note = parse_note(state.text)
    if not logs:
        raise NotDone("neither the policy nor a trust file names a key of the log")
    state.known = logs + [key for key in state.names.values() if isinstance(key, Key)]
    state.checked = open_note(note, state.known)
    own = {key for key in logs if key.kind == 1 and key.name == note.origin}
    state.signers = sorted(own & {key for key, checked in state.checked.items() if checked})
    if not state.signers:
        raise ParseError(f"no signature of a known key of {note.origin}")
    state.note = note
    return f"{note.origin}, tree size {note.size}"


def _inclusion(state: _State) -> str:
    note, same = state.note, {state.text}
    problems: list[str] = []
    if note is None or not state.entries:
        raise NotDone("there are no entries to look for")
    if state.bundle and _get(state.document, "tree_size", int) != note.size:
        problems.append("the checkpoint is not of the tree size in custody.json")
    indexes = [entry.position for entry in state.entries]
    if indexes != sorted(set(indexes)):
        problems.append("the entries are not in the order of their indexes")
    for entry in state.entries:
        index, hashes, text = parse_proof(entry.proof)
        if text not in same:  # each distinct text is opened once: thousands of proofs carry one
            open_note(parse_note(text), state.known)
            if parse_note(text).body != note.body:
                raise ParseError(f"entry {entry.position}: its proof carries another checkpoint")
            same.add(text)
        leaf = hashlib.sha256(b"\0" + entry.body).digest()
        if index != entry.position or not included(index, note.size, leaf, hashes, note.root):
            problems.append(f"entry {entry.position} is not in the tree at its index")
    _none_of(problems)
    return f"{len(indexes)} entries, the last at index {indexes[-1]}"


def _sequence(state: _State) -> str:
    exhibits = _get(state.document, "exhibits", list)
    problems: list[str] = []
    request = _match(state.document, "request_id", UUID)
    histories: dict[_Identity, list[tuple[int, dict[str, object]]]]
    histories = {_identity(item): [] for item in exhibits}
    if not exhibits:
        raise NotDone("there are no exhibits")
    if min(len({item[column] for item in histories}) for column in (0, 1)) < len(exhibits):
        problems.append("an exhibit is listed twice")
    for entry in state.entries:
        if "exhibit" in entry.fields:  # if not, an act on the house
            about = entry.fields["exhibit"]
            if _identity(about) in histories:
                histories[_identity(about)].append((_get(about, "seq", int), entry.fields))
            else:
                problems.append(f"entry {entry.position} is of no exhibit as listed")
    for exhibit in exhibits:
        number, history = _get(exhibit, "number", str), histories[_identity(exhibit)]
        places = [place for place, (seq, _) in enumerate(history, 1) if seq != place]
        end, last = _get(exhibit, "last_seq", int), history[-1][1] if history else {}
        if places or len(history) != end:
            place = (places or [min(len(history), end) + 1])[0]
            problems.append(f"{number}: entry {place} of {end} is missing, or not in its place")
        elif (last.get("outcome"), last.get("request_id")) != ("started", request) or (
            last["type"] not in ("dissemination", "disclosure")
        ):
            problems.append(f"{number}: the last entry is not this export's own")
    _none_of(problems)
    return f"{len(exhibits)} exhibits, each history without a gap"


def _payload(state: _State) -> str:
    problems: list[str] = []
    owned: set[str] = set()
    unable: set[str] = set()
    if not state.measured:
        raise NotDone("the files could not be read")
    registered = {e.position: e.fields for e in state.entries if e.fields["type"] == "registration"}
    for exhibit in _get(state.document, "exhibits", list):
        identity = _identity(exhibit)
        fields = registered.get(_get(exhibit, "registration", int), {})
        if not fields or _identity(fields.get("exhibit")) != identity:
            problems.append(f"{identity[1]}: its registration is not where custody.json says")
            continue
        parts = _get(fields, "parts", list)
        several = [f"data/{identity[1]}.{place}.bin" for place in range(1, len(parts) + 1)]
        names = [f"data/{identity[1]}.bin"] if len(parts) == 1 else several
        owned.update(names)
        if _get(exhibit, "files", list) != names or not names:
            problems.append(f"{identity[1]}: its files are not one for each registered part")
        for place, name in enumerate(names, 1):
            found, part = state.measured.get(name), parts[place - 1]
            digests, chunks = _get(part, "digests", dict), _get(part, "chunks", dict)
            if found is None or _get(part, "part", int) != place or "sha256" not in digests:
                problems.append(f"{name} is missing, or registered otherwise")
                continue
            unable.update(set(digests) - set(found.digests))
            made = {alg: f"{alg}:{found.digests[alg]}" for alg in digests if alg in found.digests}
            told = [_get(chunks, "size", int), _get(chunks, "count", int), chunks.get("root")]
            if told != [CHUNK, found.chunks, "sha256:" + found.root] or any(
                digests[alg] != value for alg, value in made.items()
            ):
                problems.append(f"{name} is not what was registered")
            elif len(parts) == 1 and identity[2:] != (made["sha256"], found.size):
                problems.append(f"{name} has not the digest and size of {identity[1]}")
    payload = [path for path in state.files if path.startswith("data/")]
    problems += [f"{path} belongs to no exhibit" for path in payload if path not in owned]
    _none_of(problems)
    if unable:
        raise NotDone(f"digests this Python cannot make: {', '.join(sorted(unable))}")
    return f"{len(payload)} files are the bytes registered"


def _receipt_fields(state: _State) -> str:
    fields, receipt = state.entries[0].fields, state.document
    _, number, digest, size = _identity(fields.get("exhibit"))
    told = (_match(receipt, "exhibit", NUMBER), _match(receipt, "sha256", DIGEST))
    if fields["type"] != "registration":
        raise ParseError("the entry is not a registration")
    if (*told, _get(receipt, "size", int)) != (number, digest, size):
        raise ParseError("number, digest or size are not those of the entry")
    return f"{number}, {size} bytes, {digest}; the entry does not hold the submission"


def _openings(state: _State) -> str:
    problems, count = [], 0
    for entry in state.entries:
        for name, opening in entry.openings.items():
            count += 1
            salt, commitments = _match(opening, "salt", SALT), entry.fields.get("_sd")
            if not isinstance(opening, dict) or set(opening) != {"salt", "value"}:
                raise ParseError(f"entry {entry.position}: an opening is a salt and a value")
            value = bytes.fromhex(salt) + canonical(opening["value"])
            commitment = "sha256:" + hashlib.sha256(value).hexdigest()
            if not isinstance(commitments, dict) or commitments.get(name) != commitment:
                problems.append(f"entry {entry.position}: {name} is not what was committed to")
    _none_of(problems)
    if not count:
        raise NotDone("no openings were given")
    return f"{count} openings are what was committed to"


def _key_trusted(state: _State) -> str:
    if isinstance(state.trust, ParseError):
        raise state.trust
    size, prints = state.note.size if state.note else -1, fingerprint(state.signers[0].vkey)
    if state.trust is None:
        raise NotDone(f"no --trust; compare the fingerprint with one got another way: {prints}")
    for key, first, end in state.trust:
        if key in state.signers and first <= size < end:
            return f"{key.name}, fingerprint {fingerprint(key.vkey)}"
    raise ParseError(f"no key of the trust file for tree size {size} signed; signed by {prints}")


def _witnesses(state: _State) -> str:
    if not state.bundle or state.quorum == "none":
        raise NotDone("the policy asks for none" if state.bundle else "a receipt has no policy")
    sure: set[str] = set()
    perhaps: set[str] = set()
    for name, meant in state.names.items():  # a group stands after all that it names
        for reached, wanted in ((sure, (True,)), (perhaps, (True, False))):
            if isinstance(meant, Key):
                enough = state.checked.get(meant) in wanted
            else:
                enough = len(reached.intersection(meant[1])) >= meant[0]
            reached.update([name] if enough else [])
    if state.quorum in sure:
        return f"the bundle's own policy is met ({state.quorum})"
    if state.quorum in perhaps:
        raise NotDone("the quorum hangs on ML-DSA cosignatures, which are not checked here")
    raise ParseError(f"the quorum {state.quorum} did not cosign")


def _time_stamps(state: _State) -> str:
    count = sum(path.startswith("ledger/tokens/") for path in state.files)
    raise NotDone(f"{count} tokens, not checked here" if count else "there are no tokens")


# --- The formats -------------------------------------------------------------------------------


def parse_json(text: str) -> object:
    """Give the value of a JSON text of our subset, the keys of its objects sorted (RFC 8785)."""
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
        canonical(value if "\\u" in text else None)  # a lone surrogate can only come escaped
    except RecursionError:
        raise ParseError("JSON nested too deeply") from None
    except ValueError as error:
        raise ParseError(f"not JSON as allowed: {error}") from None
    return value


def canonical(value: object) -> bytes:
    """Print a value of `parse_json` as canonical JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def parse_body(body: bytes) -> dict[str, object]:
    """Give the fields of an entry's body, which must be canonical and of version 1."""
    if len(body) > 65_535:
        raise ParseError("the body is longer than allowed")
    fields = _object(parse_json(body.decode("utf-8")), "the body")
    if canonical(fields) != body or _get(fields, "v", int) != 1:
        raise ParseError("the body is not canonical, or not of version 1")
    _get(fields, "type", str)
    return fields


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be")))
    if len(found) != len(pairs):
        raise ParseError("a key stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > 17 or str(int(text)) != text or abs(int(text)) >= 2**53:
        raise ParseError("a number out of range, or written oddly")
    return int(text)


def _refuse(text: str) -> object:
    raise ParseError("a number that is not an integer")


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ParseError(f"{name} is not an object")
    return value


def _get(holder: object, name: str, kind: type[_T]) -> _T:
    value: object = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, kind) or type(value) is not kind:  # a bool is an int to Python
        raise ParseError(f"{name} is missing or not of its type")
    return value


def _match(holder: object, name: str, pattern: str) -> str:
    value = _get(holder, name, str)
    if not re.fullmatch(pattern, value):
        raise ParseError(f"{name} is not written as it must be")
    return value


def _identity(holder: object) -> _Identity:
    texts = (_match(holder, "id", UUID), _match(holder, "number", NUMBER))
    return (*texts, _match(holder, "sha256", DIGEST), _get(holder, "size", int))


def _text(path: Path) -> str:
    if path.stat().st_size > 2**30:
        raise ParseError(f"{path.name} is too large to be what it should be")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError(f"{path.name} is not UTF-8") from None


def _tag(state: _State, name: str) -> str:
    if name not in state.files:
        raise ParseError(f"{name} is missing")
    return _text(state.files[name])


def _looks_like_receipt(path: Path) -> bool:
    with path.open("rb") as source:
        start = source.read(CHUNK)
    return start.lstrip()[:1] == b"{" or b"evidence-receipt" in start or b"tlog-proof@" in start


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")  # BagIt allows all three ends


def parse_manifest(text: str, algorithm: str) -> dict[str, str]:
    """Give the digest of each path of a BagIt 1.0 manifest, every path one that stays inside."""
    found: dict[str, str] = {}
    folded = set()
    if text and text[-1] not in "\r\n":
        raise ParseError("a manifest cut short in its last line")
    for line in _lines(text).split("\n")[:-1]:
        match = re.fullmatch(r"([0-9a-f]+)[ \t]+([^ \t].*)", line)
        if not match or len(match[1]) != hashlib.new(algorithm).digest_size * 2:
            raise ParseError(f"a line that is no digest and path: {line}")
        if re.search("%(?!0[AaDd]|25)", match[2]):
            raise ParseError(f"a path encoded otherwise than BagIt allows: {line}")
        path = re.sub("%(..)", lambda code: chr(int(code[1], 16)), match[2])
        parts = path.split("/")
        if (
            path[0] == "~"
            or any(sign in path for sign in "\\:\0")
            or any(part == "" or part[-1] in ". " or DEVICES.fullmatch(part) for part in parts)
        ):
            raise ParseError(f"a path that may lead out of the bag: {path}")
        # two names that one file system holds apart are one file on another
        fold = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
        if fold in folded:
            raise ParseError(f"a path that stands twice: {path}")
        folded.add(fold)
        found[path] = match[1]
    return found


def _base64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        raise ParseError("not base64") from None
    if base64.b64encode(value).decode() != text:
        raise ParseError("base64 written oddly")
    return value


def _hash(text: str) -> bytes:
    value = _base64(text)
    if len(value) != 32:
        raise ParseError("a hash that is not of 32 bytes")
    return value


def _decimal(text: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise ParseError("not a decimal number as it must be written")
    return int(text)


def parse_vkey(text: str, *kinds: int) -> Key:
    """Give the verifier key of a text; its key id must follow from its name and key."""
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(.+)", text)
    blob = _base64(match[3]) if match else b""
    if not match or not blob or blob[0] not in kinds or len(blob) != 1 + KEY_SIZES[blob[0]]:
        raise ParseError("not a verifier key of a type allowed here")
    key_id = hashlib.sha256(match[1].encode("utf-8") + b"\n" + blob).digest()[:4]
    if key_id.hex() != match[2]:
        raise ParseError(f"the key id of {match[1]} does not follow from its name and key")
    return Key(text, match[1], key_id, blob[0], blob[1:])


def fingerprint(vkey: str) -> str:
    """Give what people compare: the hex SHA-256 of the key's text."""
    return hashlib.sha256(vkey.encode("utf-8")).hexdigest()


def parse_note(text: str) -> Note:
    """Give the parts of a checkpoint; no signature is checked (`open_note` does)."""
    lines = text.split("\n")
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text) or not 6 <= len(lines) <= 105:
        raise ParseError("a checkpoint with control characters, or of too few or many lines")
    if not lines[0] or lines[3] or lines[-1]:
        raise ParseError("a checkpoint is three lines, an empty line, and signature lines")
    signatures = []
    for line in lines[4:-1]:
        match = re.fullmatch(r"\u2014 ([^\s+]+) ([^\s]+)", line)
        if not match or len(_base64(match[2])) < 5:
            raise ParseError("a signature line that is none")
        signatures.append((match[1], _base64(match[2])))
    body = "\n".join(lines[:3]) + "\n"
    return Note(lines[0], _decimal(lines[1]), _hash(lines[2]), body.encode("utf-8"), signatures)


def open_note(note: Note, keys: list[Key]) -> dict[Key, bool]:
    """Give which keys signed: True verified, False cannot be checked here (ML-DSA).

    A line of a known key that does not verify refuses the whole note; other lines are ignored.
    """
    found = {}
    for name, blob in note.lines:
        for key in keys:
            if (key.name, key.key_id) != (name, blob[:4]):
                continue
            message, signature, at = note.body, blob[4:], 1
            if key.kind != 1:
                at, signature = int.from_bytes(blob[4:12], "big"), blob[12:]
                message = f"cosignature/v1\ntime {at}\n".encode() + note.body
            valid = len(signature) == 2420 or key.kind != 6
            if key.kind != 6:
                valid = ed25519_verifies(key.public, signature, message)
            if not valid or not 0 < at < 2**63:
                raise ParseError(f"the signature of {name} on the checkpoint does not verify")
            found[key] = key.kind != 6
    return found


def parse_proof(text: str) -> tuple[int, list[bytes], str]:
    """Give index, hashes and checkpoint of a C2SP tlog-proof."""
    head, _, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise ParseError("not a tlog-proof of version 1")
    if lines and lines[0].startswith("extra "):
        _base64(lines.pop(0)[6:])
    if not lines or not lines[0].startswith("index ") or len(lines) > 64:
        raise ParseError("a tlog-proof without index, or too long")
    return _decimal(lines[0][6:]), [_hash(line) for line in lines[1:]], checkpoint


def parse_policy(text: str) -> tuple[list[Key], dict[str, Key | tuple[int, list[str]]], str]:
    """Give logs, witnesses and groups by name, and the quorum, of a C2SP tlog-policy."""
    logs: list[Key] = []
    names: dict[str, Key | tuple[int, list[str]]] = {}
    members: list[str] = []
    quorums: list[str] = []
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text) or not text.endswith("\n"):
        raise ParseError("a policy with control characters, or without its last newline")
    for line in text.split("\n"):
        words = re.split("[ \t]+", line.strip(" \t"))
        kind, count = words[0], len(words)
        if not kind or kind.startswith("#"):
            continue
        if kind in ("witness", "group") and count > 1 and words[1] in {*names, "none"}:
            raise ParseError(f"a policy that names {words[1]} twice")
        if kind == "log" and count in (2, 3):
            logs.append(parse_vkey(words[1], 1, 6))
        elif kind == "witness" and count in (3, 4):
            names[words[1]] = parse_vkey(words[2], 4, 6)
        elif kind == "group" and count > 3 and set(words[3:]) <= set(names):
            some = {"any": 1, "all": count - 3}
            wanted = some[words[2]] if words[2] in some else _decimal(words[2])
            if not 1 <= wanted <= count - 3:
                raise ParseError(f"a group that nobody can or must reach: {words[1]}")
            names[words[1]] = (wanted, words[3:])
            members += words[3:]
        elif kind == "quorum" and count == 2 and words[1] in {*names, "none"}:
            quorums.append(words[1])
        else:
            raise ParseError(f"a policy line that is none: {line}")
    public = [key.public for key in [*logs, *names.values()] if isinstance(key, Key)]
    # one key under two names, or a name in two groups, would count twice
    if len(set(public)) < len(public) or len(set(members)) < len(members) or len(quorums) != 1:
        raise ParseError("a policy with a key or member twice, or without exactly one quorum")
    return logs, names, quorums[0]


def parse_trust(text: str) -> list[tuple[Key, int, int]]:
    """Give the log keys of a trust file, each with its tree sizes from (in) and to (out)."""
    trust = parse_json(text)
    found: list[tuple[Key, int, int]] = []
    if (_get(trust, "v", int), _get(trust, "kind", str)) != (1, "evidence-trust"):
        raise ParseError("not a trust file of version 1")
    for item in _get(trust, "keys", list):
        key, first = parse_vkey(_get(item, "vkey", str), 1, 6), _get(item, "from", int)
        end = _get(item, "to", int) if _object(item, "a key").get("to", 0) is not None else 2**63
        if key.name != _get(trust, "origin", str) or not 0 <= first < end:
            raise ParseError("a trust file with a key of another origin, or of no tree size")
        found.append((key, first, end))
    return found


# --- The mathematics ---------------------------------------------------------------------------


def measure(path: Path, algorithms: set[str]) -> Measured:
    """Read a file once, chunk by chunk; algorithms that this Python has not are left out."""
    hashes, size, count = {}, 0, 0
    stack: list[bytes] = []  # the roots of complete subtrees, large to small: at most one a level
    for name in algorithms & hashlib.algorithms_guaranteed:
        try:
            hashes[name] = hashlib.new(name)
        except ValueError:  # a machine that forbids MD5: said where it matters
            continue
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            for running in hashes.values():
                running.update(chunk)
            stack.append(hashlib.sha256(b"\0" + hashlib.sha256(chunk).digest()).digest())
            size, count = size + len(chunk), count + 1
            for _ in range((count & -count).bit_length() - 1):
                stack[-2:] = [_node(stack[-2], stack[-1])]
    while len(stack) > 1:
        stack[-2:] = [_node(stack[-2], stack[-1])]
    root = stack[0] if stack else hashlib.sha256(b"").digest()
    digests = {name: made.hexdigest() for name, made in hashes.items() if made.digest_size}
    return Measured(size, digests, count, root.hex())


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def included(index: int, size: int, leaf: bytes, hashes: list[bytes], root: bytes) -> bool:
    """Tell whether the hashes lead from the leaf at `index` to the root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or any(len(value) != 32 for value in [leaf, root, *hashes]):
        return False
    place, last, value = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = _node(sibling, value)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = _node(value, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and value == root


# Ed25519, RFC 8032 §5.1: points as (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z. Nothing here is
# secret, so nothing needs constant time.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _add(one: _Point, two: _Point) -> _Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _point(encoded: bytes) -> _Point | None:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if len(encoded) != 32 or y >= _P or (x * x - square) % _P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else _P - x
    return x, y, 1, x * y % _P


def ed25519_verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature is one of the message, strictly and without the cofactor."""
    key, s = _point(public), int.from_bytes(signature[32:], "little")
    if key is None or len(signature) != 64 or s >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % _L
    base = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
    assert base is not None
    minus = (_P - key[0], key[1], 1, _P - key[3])
    summands, total = (base, minus, _add(base, minus)), (0, 1, 1, 0)
    for bit in range(252, -1, -1):  # total = s * base - k * key, both at once
        total = _add(total, total)
        chosen = (s >> bit & 1) + 2 * (k >> bit & 1)
        total = _add(total, summands[chosen - 1]) if chosen else total
    inverse = pow(total[2], _P - 2, _P)
    x, y = total[0] * inverse % _P, total[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def _shown(text: str) -> str:
    # one line of printable ASCII: no value can turn the writing round, or pass for another letter
    text = text if len(text) <= 400 else text[:400] + "..."
    text = re.sub(r"[\x00-\x1f\x7f]", lambda sign: f"\\x{ord(sign[0]):02x}", text)
    return text.encode("ascii", "backslashreplace").decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
