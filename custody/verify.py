#!/usr/bin/env python3
"""Check a court bundle or a receipt offline, with Python's standard library alone.

    python verify.py PATH [--trust FILE] [--payload DIR]… [--receipt FILE]…
                     [--cite 'KRN-000042#bytes=0-99&sha256=…']

PATH is a bundle's folder or a receipt; FILE a trust file that you got another way than PATH; DIR a
folder where exhibits are that the bundle has not itself: its other volumes, a disk; what is cited
(docs/format.md 13) is compared with the bytes; --receipt: what a recipient signed for the bundle.
One line per claim: `pass`, `fail`, or `not-done` for a check that could not be made. Exit: 0
nothing failed and every required claim was made; 1 a claim failed; 3 a required claim was not made;
2 wrong use. Written from the description of the formats alone (docs/format.md), sharing no code
with the repository: a mistake made there is not repeated here. Nothing is sent; nothing is written
but short-lived files for `openssl`, which judges time-stamps and ML-DSA where it is installed.
"""

from __future__ import annotations

import argparse
import base64
import calendar
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple
from urllib.parse import unquote_to_bytes
from zipfile import ZipFile, is_zipfile

REQUIRED = ("bag", "digests", "log-signature", "inclusion", "exhibit.seq", "complete", "closing")
CHUNK = 1_048_576
MOST = 2**30  # bytes of a text that is read whole
ALGORITHMS = {"sha256": 64, "sha512": 128, "md5": 32, "sha1": 40}  # hex digits of their digests
DECLARED = {"sha224", "sha384"}  # made only of files for which somebody declared one
TAGS = "tagmanifest-sha256.txt"
SUCCESSIONS = "ledger/successions.json"  # only where the ledger goes on for one that lost entries
CLOSING = "ledger/closing.json"  # written last, of the tag manifest: listed in no manifest
MANIFESTS = {"manifest-sha256.txt": "sha256", "manifest-sha512.txt": "sha512", TAGS: "sha256"}
BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
KEY_SIZES = {1: 32, 4: 32, 6: 1312}  # the log's Ed25519; cosignatures Ed25519 and ML-DSA-44
ML_DSA_44 = bytes.fromhex("30820532300b06096086480165030403110382052100")  # then the key: DER
DECIMAL = "0|[1-9][0-9]{0,18}"
# What an object must hold: a type, a pattern that the whole text matches, or the one number.
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DIGEST = "sha256:[0-9a-f]{64}"
IDENTITY = {"id": UUID, "number": "[A-Z0-9]{2,12}-[0-9]{6,15}", "sha256": DIGEST, "size": int}
ENTRY = {"index": int, "body": str, "proof": str, "openings": dict}
CUSTODY = {"v": 1, "left_out": list, "entries": list}
QUOTED = {"v": 1, "kind": "quoted-history", "checkpoint": str, "policy": str, "exhibit": dict}
SUCCEEDED = {"origin": str, "size": int, "to": int}
CLOSED = {"v": 1, "kind": "bundle-closing", "opened": dict, "closed": dict}
EXPORT = {"tree_size": int, "request_id": UUID, "exhibits": list}
REGISTRATION = {"type": "registration", "exhibit": dict, "parts": list}
PART = {"digests": dict, "chunks": dict, "part": int}
KIND, SUB = "(evidence|submission|transfer)-receipt", f"SUB-{UUID}"
RECEIPT = {"v": 1, "kind": KIND, "submission": f"(SUB|TRF)-{UUID}", "witnessed_by": list}
ANSWERS = {"type": "transfer_(received|refused)|receipt_acknowledged", "outcome": "done"}
SUBMISSION = {"stage": "announced|complete", "submission": SUB, "sha256": DIGEST, "count": int}
STATUS = "registered|quarantined|incomplete|not-arrived"
LIST = b',"list":{"files":[\n'  # ends the first line of a submission's receipt
NUMBER = "[1-9][0-9]{0,8}"
SECONDS = r"(0|[1-9][0-9]{0,8})(\.[0-9]{0,8}[1-9])?"
NAME = r"([A-Za-z0-9._~/!-]|%[0-9A-F]{2})+"
POINTERS: dict[str, str] = {
    "part": NUMBER, "member": NAME, "page": NUMBER, "t": f"{SECONDS}(,{SECONDS})?",
    "message": NAME, "run": NUMBER, "fact": NUMBER, "bytes": f"({DECIMAL})-({DECIMAL})",
    "sha256": "[0-9a-f]{64}",
}  # fmt: skip
RETURNED = {"v": 1, "kind": "bundle-receipt", "answers": DIGEST, "bundle": dict, "recipient": dict,
            "at": str, "key": dict, "signature": str}  # fmt: skip
ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # then the key (RFC 8410)
CHECKABLE = {"key": str, "proof": str, "witnessed_by": list}
TRUST = {"v": 1, "kind": "evidence-trust", "origin": str, "keys": list, "tsa_roots": list}
TYPES = """collection submission receipt quarantine virus_check message_digest_calculation
format_identification metadata_extraction signature_validation registration fixity_check
replication migration integrity_failure consultation retrieval access_denied working_copy_creation
derivative_creation transfer_released transfer_received transfer_refused sealing unsealing
dissemination disclosure report_generated handling_change access_grant access_revocation
consent_recorded consent_withdrawn identity_revealed approval_requested approval_given
approval_refused association annotation correction hold_placed hold_released retention_change
deletion_requested deletion_approved erasure checkpoint_anchored key_rotation case_opened
person_registered sign_in service_started store_check repair match_query match_notice
receipt_acknowledged configuration_change upload_abandoned restored"""


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
    """A checkpoint: the signed body, what it says, and the lines as (name, key id and signature).

    `verdicts` are of the known keys that signed: True verified, False not, None not checked here.
    """

    body: bytes
    origin: str
    size: int
    root: bytes
    lines: list[tuple[str, bytes]]
    verdicts: dict[Key, bool | None]


class Policy(NamedTuple):
    """Keys of logs and witnesses; names as (how many, of which keys and names); the quorum."""

    logs: list[Key]
    witnesses: list[Key]
    names: dict[str, tuple[int, set[Any]]]
    quorum: str


class Trust(NamedTuple):
    """Log keys, each with its tree sizes from (in) and to (out); time-stamping roots; a policy."""

    keys: list[tuple[Key, int, int]]
    roots: str
    policy: Policy | None


def verify_path(
    path: Path, trust: Path | None, cited: tuple[str, ...] = (), payload: tuple[Path, ...] = (),
    receipts: tuple[Path, ...] = (),
) -> list[Finding]:  # fmt: skip
    """Give one finding per claim; raise WrongUse where there is nothing to check."""
    return Examination(path, trust, cited, payload, receipts).findings


def exit_code(findings: list[Finding]) -> int:
    """Give 1 if a claim failed, 3 if a required one was not made, else 0."""
    if any(found.outcome == "fail" for found in findings):
        return 1
    undone = {found.claim for found in findings if found.outcome != "pass"}
    return 3 if undone.intersection((*REQUIRED, "citation", "receipt")) else 0  # those asked for


def main(argv: list[str]) -> int:
    """Print one line per claim, and what was not checked; give the exit code."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a bundle or a receipt.")
    parser.add_argument("path", type=Path, help="a bundle's folder, or a receipt")
    parser.add_argument("--trust", type=Path, help="a trust file that you got another way")
    parser.add_argument("--cite", action="append", default=[], help="a locator; may be repeated")
    parser.add_argument("--payload", action="append", default=[], type=Path,
                        help="where exhibits are that PATH has not; may be repeated")  # fmt: skip
    parser.add_argument("--receipt", action="append", default=[], type=Path,
                        help="what a recipient signed for the bundle; may be repeated")  # fmt: skip
    said = parser.parse_args(argv)
    given = tuple(said.cite), tuple(said.payload), tuple(said.receipt)
    try:
        findings = verify_path(said.path, said.trust, *given)
    except (WrongUse, OSError) as error:
        parser.error(_shown(f"{error}"))  # leaves with 2
    for found in findings:
        print(f"{found.outcome:<8}  {found.claim:<13}  {found.detail}")
    undone = ", ".join(found.claim for found in findings if found.outcome == "not-done")
    print(f"not checked: {undone or 'nothing, every claim was made'}")
    return exit_code(findings)


class Examination:
    """One bundle or receipt: a method makes each claim, and keeps what later ones need."""

    def __init__(
        self, path: Path, trust: Path | None, cited: tuple[str, ...] = (),
        payload: tuple[Path, ...] = (), receipts: tuple[Path, ...] = (),
    ) -> None:  # fmt: skip
        self.path, self.trust_file, self.payload = path, trust, payload
        self.bundle = any((path / mark).exists() for mark in ("bagit.txt", "custody.json", TAGS))
        if not self.bundle and not (path.is_file() and _read(path, 64).lstrip()[:1] == b"{"):
            raise WrongUse(f"no such path, or neither a bundle nor a receipt: {path}")
        if trust is not None and not trust.is_file():
            raise WrongUse(f"no such file: {trust}")
        for folder in payload:
            if not (self.bundle and folder.is_dir()):
                raise WrongUse(f"no such folder, or no bundle: {folder}")
        self.findings: list[Finding] = []
        self.files: dict[str, Path] = {}
        self.listed: dict[str, dict[str, str]] = {}  # path: manifest: digest
        self.measured: dict[str, dict[str, Any]] = {}
        self.document: Any = None  # custody.json, or the receipt
        self.entries: list[dict[str, Any]] = []  # as ENTRY, and "fields": what the body says
        self.trust = Trust([], "", None)
        self.policy: Policy | None = None
        self.named: list[Key] = []  # the witnesses that a receipt names
        self.keys: tuple[Key, ...] = ()  # all that are known: of the log, the receipt, the policy
        self.note: Note | None = None
        self.signers: list[Key] = []  # keys of the log that signed the note
        self.volume = 0  # which one, where a bundle is of several
        self.others: dict[str, tuple[Path, dict[str, Any]]] = {}  # below the folders given, by
        # name and by digest: measured
        self.absent: dict[str, int] = {}  # exhibits that are elsewhere by plan: in which volume
        if self.bundle:
            self._claim("bag", self._bag)
            self._claim("digests", self._digests)
        self._claim("canonical", self._canonical)
        self._claim("log-signature", self._log_signature)
        self._claim("inclusion", self._inclusion, "log-signature")
        if self.bundle:
            self._claim("exhibit.seq", self._sequence, "canonical")
            self._claim("complete", self._complete, "exhibit.seq")
        self._claim("registration", self._payload if self.bundle else self._receipt, "canonical")
        self._claim("openings", self._openings, "canonical")
        if any(name.startswith("quoted/") for name in self.files):
            self._claim("quoted", self._quoted, "registration")
        if SUCCESSIONS in self.files:
            self._claim("gap", self._gap, "inclusion")
        if self.bundle:
            self._claim("closing", self._closing, "inclusion")
        self._claim("key-trusted", self._key_trusted, "log-signature")
        self._claim("witnesses", self._witnesses)
        self._claim("time-stamps", self._time_stamps, "log-signature")
        for locator in cited:
            self._claim("citation", partial(self._citation, locator), "registration")
        for file in receipts:
            self._claim("receipt", partial(self._returned, file), "closing")

    def _claim(self, claim: str, check: Callable[[], str], needs: str = "") -> None:
        try:
            if any(found.claim == needs and found.outcome != "pass" for found in self.findings):
                raise NotDone(f"{needs} did not pass")
            outcome, detail = "pass", check()
        except NotDone as error:
            outcome, detail = "not-done", f"{error}"
        except Exception as error:  # noqa: BLE001 - hostile input ends in a line, not a traceback
            kinds = {ParseError: "", KeyError: "missing: "}
            outcome, detail = (
                "fail",
                f"{kinds.get(type(error), type(error).__name__ + ': ')}{error}",
            )
        self.findings.append(Finding(claim, outcome, _shown(detail)))

    def _bag(self) -> str:
        problems: list[object] = []
        for folder, folders, names in os.walk(self.path, onerror=problems.append):
            for path in [Path(folder, name) for name in folders + names]:
                mode, inside = path.lstat().st_mode, path.relative_to(self.path).as_posix()
                if stat.S_ISREG(mode):
                    self.files[inside] = path
                elif not stat.S_ISDIR(mode):
                    problems.append(f"{inside} is a link, or no file")
                elif inside != "data" and not any(path.iterdir()):
                    problems.append(f"{inside} is a folder with nothing in it")
        if _text(self.files["bagit.txt"]) != BAGIT:
            problems.append("bagit.txt does not say version 1.0 and UTF-8")
        listed: dict[str, dict[str, str]] = {}
        for manifest, algorithm in MANIFESTS.items():
            for name, digest in parse_manifest(_text(self.files[manifest]), algorithm).items():
                listed.setdefault(name, {})[manifest] = digest
        # a listed path is sought among the files found, never opened: none leads out of the bag
        for name in sorted({*listed, *self.files} - {TAGS, CLOSING}):
            wanted = set(MANIFESTS) - {TAGS} if name.startswith("data/") else {TAGS}
            if name not in self.files or set(listed.get(name, ())) != wanted:
                problems.append(f"{name} is missing, or not in exactly its manifests")
            elif re.match("fetch.txt$|(tag)?manifest-[^/]*$", name) and name not in MANIFESTS:
                problems.append(f"{name} has no place in a bundle")
        self.listed = listed
        if problems:
            raise ParseError(f"{problems[0]}; problems in all: {len(problems)}")
        return f"{len(listed)} files, each listed where it belongs"

    def _digests(self) -> str:
        if not self.listed:
            raise NotDone("the manifests could not be read")
        self.measured = {name: measure(path) for name, path in sorted(self.files.items())}
        for name, told in sorted(self.listed.items()):
            if not set(told.values()) <= set(self.measured[name]["digests"].values()):
                raise ParseError(f"{name} is not the file that was listed")
        return f"{len(self.listed)} files have the digests listed"

    def _canonical(self) -> str:
        if self.bundle:
            self.document = parse_json(_text(self.files["custody.json"]))
            self.entries = members(self.document, CUSTODY)[-1]
        else:
            self.document = parse_json(_head(self.path))
            members(self.document, RECEIPT)
            self.entries = [self.document]
        for entry in self.entries:
            members(entry, ENTRY)
            entry["fields"] = parse_body(entry["body"])
        if not self.entries:
            raise NotDone("there are no entries")
        strange = sorted({entry["fields"]["type"] for entry in self.entries} - set(TYPES.split()))
        more = f"; of types unknown to this reader: {', '.join(strange)}" if strange else ""
        return f"{len(self.entries)} entries of version 1{more}"

    def _log_signature(self) -> str:
        if self.trust_file:
            with suppress(Exception):  # key-trusted says what is wrong with it
                self.trust = parse_trust(_text(self.trust_file))
        logs = [key for key, _, _ in self.trust.keys]
        if self.bundle:
            text = _text(self.files["ledger/checkpoint"])
            self.policy = parse_policy(_text(self.files["ledger/policy"]))
            logs += self.policy.logs
        else:
            vkey, proof, named = members(self.document, CHECKABLE)
            text = parse_proof(proof)[2]
            logs.append(parse_vkey(vkey, 1))
            self.named = [parse_vkey(name, 4, 6) for name in named]
            if "policy" in self.document:
                self.policy = parse_policy(*members(self.document, {"policy": str}))
        self.policy = self.trust.policy or self.policy
        witnesses = self.named + (self.policy.witnesses if self.policy else [])
        if not logs:
            raise NotDone("neither the policy nor a trust file names a key of the log")
        self.keys = tuple(dict.fromkeys(logs + witnesses))
        self.note = open_note(text, self.keys)
        for key, verdict in self.note.verdicts.items():
            if verdict is False:
                raise ParseError(f"the line of {key.name} on the checkpoint does not verify")
            if verdict and key in logs and (key.kind, key.name) == (1, self.note.origin):
                self.signers.append(key)
        if not self.signers:
            raise ParseError(f"no signature of a known key of {self.note.origin}")
        return f"{self.note.origin}, tree size {self.note.size}"

    def _inclusion(self) -> str:
        note, last = self.note, -1
        if note is None or not self.entries:
            raise NotDone("there are no entries to look for")
        if self.bundle and members(self.document, {"tree_size": int}) != [note.size]:
            raise ParseError("the checkpoint is not of the tree size in custody.json")
        for entry in self.entries:
            place, body, proof, _ = members(entry, ENTRY)
            index, hashes, text = parse_proof(proof)
            theirs = open_note(text, self.keys)
            leaf = hashlib.sha256(b"\0" + body.encode()).digest()
            if theirs.body != note.body or not theirs.verdicts.get(self.signers[0]):
                raise ParseError(f"entry {place}: its proof carries another checkpoint")
            if False in theirs.verdicts.values():
                raise ParseError(f"entry {place}: its checkpoint has a line that does not verify")
            if index != place or not included(index, note.size, leaf, hashes, note.root):
                raise ParseError(f"entry {place} is not in the tree at its index")
            if place <= last:
                raise ParseError(f"entry {place} is not in the order of the indexes")
            last = place
        return f"{len(self.entries)} entries, the last at index {last}"

    def _sequence(self) -> str:
        size, request, exhibits = members(self.document, EXPORT)
        listed = [tuple(members(item, IDENTITY)) for item in exhibits]
        histories: dict[tuple[Any, ...], list[Any]] = {exhibit: [] for exhibit in listed}
        if not listed:
            raise NotDone("there are no exhibits")
        if any(len(set(column)) < len(listed) for column in list(zip(*listed))[:2]):  # noqa: B905
            raise ParseError("an exhibit is listed twice")
        *entries, house = self.entries
        for entry in entries:
            exhibit = tuple(members(entry["fields"].get("exhibit"), IDENTITY, "an entry: "))
            if exhibit not in histories:
                raise ParseError(f"entry {entry['index']} is of no exhibit as listed")
            histories[exhibit].append(entry["fields"])
        own = {"type": "dissemination|disclosure", "outcome": "started", "request_id": request}
        for item in exhibits:
            (end,), exhibit = members(item, {"last_seq": int}), tuple(members(item, IDENTITY))
            history = histories[exhibit]
            places = [members(fields["exhibit"], {"seq": int})[0] for fields in history]
            gap = next((n for n, seq in enumerate(places, 1) if n != seq), len(places) + 1)
            if (len(places), gap) != (end, end + 1) or not places:
                raise ParseError(f"{exhibit[1]}: entry {gap} of {end} is missing, or out of place")
            members(history[-1], own, f"{exhibit[1]}, this export's own entry: ")
        wanted = {**own, "type": "report_generated", "count": len(listed)}
        members(house["fields"], wanted, "the last entry, which is the house's: ")
        if "exhibit" in house["fields"] or house["index"] != size - 1:
            raise ParseError("the last entry is not the house's, or not the last of the tree")
        told = ", ".join(f"{item['number']} 1-{item['last_seq']}" for item in exhibits)
        return f"{len(listed)} exhibits, each history without a gap: {told}"

    def _closing(self) -> str:
        """After all else, the ledger recorded the digest of this bag's tag manifest."""
        if CLOSING not in self.files:
            raise NotDone("no closing entry: the export did not end, or is of an earlier version")
        if self.note is None or not self.measured:
            raise NotDone("the files could not be read")
        text = _text(self.files[CLOSING])
        told = parse_json(text)
        *_, opened, closed = members(told, CLOSED)
        if canonical(told) + b"\n" != text.encode() or set(told) != set(CLOSED):
            raise ParseError(f"{CLOSING} is not laid out as it must be")
        notes = [self._proved(entry) for entry in (opened, closed)]
        if notes[0].body != notes[1].body or opened["body"] != self.entries[-1]["body"]:
            raise ParseError("it is not in one tree with this export's own entry")
        if opened["index"] != self.note.size - 1 or closed["index"] < self.note.size:
            raise ParseError("its entries are not where they must be in the tree")
        _, request, exhibits = members(self.document, EXPORT)
        wanted = {"type": "report_generated", "outcome": "done", "request_id": request}
        fields, volumes = parse_body(closed["body"]), self.document.get("volumes", 0)
        outputs = members(fields, {**wanted, "count": len(exhibits), "outputs": list})[-1]
        tags = self.measured[TAGS]["digests"]["sha256"]
        if "exhibit" in fields or len(outputs) != max(volumes, 1):
            raise ParseError("the ledger recorded another number of volumes")
        if outputs[max(self.volume, 1) - 1] != tags:
            raise ParseError("the ledger recorded another tag manifest than that of this bag")
        return f"entry {closed['index']} names the tag manifest of this bag"

    def _gap(self) -> str:
        """What was lost by ledgers that this one goes on for, in its own entries' words."""
        lost = []
        told = parse_json(_text(self.files[SUCCESSIONS]))
        for entry in members(told, {"v": 1, "entries": list})[-1]:
            self._proved(entry)
            fields = parse_body(entry["body"])
            origin, size, to = members(members(fields, {"succession": dict})[0], SUCCEEDED)
            lost.append(f"entries {size} to {to - 1} of {origin} are lost: entry {entry['index']}")
        raise NotDone("; ".join(lost))  # nobody can check what is lost

    def _proved(self, entry: Any) -> Note:
        place, body, proof, none = members(entry, ENTRY)
        index, hashes, text = parse_proof(proof)
        note = open_note(text, self.keys)
        leaf = hashlib.sha256(b"\0" + body.encode()).digest()
        if index != place or not included(index, note.size, leaf, hashes, note.root):
            raise ParseError(f"entry {place} is not in the tree at its index")
        # nothing in it that nobody signed: no other line, no text that a reader passes over
        alone = len(note.lines) == 1 and note.verdicts.get(self.signers[0])
        if not alone or "\nextra " in proof or none or set(entry) != set(ENTRY):
            raise ParseError(
                f"entry {place} has not the one signature of the log's key, and no more"
            )
        return note

    def _returned(self, file: Path) -> str:
        """What a recipient signed is of this bundle, and nobody changed it since."""
        text = _text(file)
        told = parse_json(text)
        _, _, answers, about, who, _, key, signature = members(told, RETURNED)
        algorithm, public = members(key, {"algorithm": str, "public": str})
        signed = canonical({name: value for name, value in told.items() if name != "signature"})
        if canonical(told) + b"\n" != text.encode():
            raise ParseError("a receipt that is not laid out as it must be")
        closed = parse_json(_text(self.files[CLOSING]))["closed"]["body"].encode()
        request, manifests, note = members(about, {"report": UUID, "manifests": list,
                                                   "checkpoint": str})  # fmt: skip
        mine = (self.document["request_id"], parse_body(closed.decode())["outputs"])
        wanted = f"sha256:{hashlib.sha256(closed).hexdigest()}"
        own = self.note.body if self.note else b""
        if answers != wanted or (request, manifests) != mine or note.encode() != own:
            raise ParseError("a receipt of another bundle")
        der, made = _base64(public), _base64(signature)
        if algorithm == "ed25519":
            good = der[:12] == ED25519_DER and ed25519_verifies(der[12:], made, signed)
        elif algorithm in ("ecdsa-sha256", "rsa-sha256"):
            words = "dgst -sha256 -keyform DER -verify key -signature signature message"
            said = openssl({"key": der, "message": signed, "signature": made}, words).strip()
            if said not in ("Verified OK", "Verification failure", "Verification Failure"):
                raise NotDone("there is no openssl here that can check this receipt")
            good = said == "Verified OK"
        else:
            raise NotDone(f"a receipt signed with {algorithm}, which this reader does not know")
        if not good:
            raise ParseError("a receipt whose signature is not of its words and its key")
        name, organisation = members(who, {"name": str, "organisation": str})
        shown = hashlib.sha256(der).hexdigest()
        return f"{name}, {organisation}, {told['at']}; compare their key: sha256:{shown}"

    def _complete(self) -> str:
        """Every exhibit is here, or elsewhere by plan and found there."""
        exhibits, volumes, far = self.document["exhibits"], self.document.get("volumes"), 0
        held = {
            item.get("volume") if volumes else 0
            for item in exhibits if not self.measured.keys().isdisjoint(item["files"])
        }  # fmt: skip
        if volumes is not None:
            members(self.document, {"volumes": int})
            self.volume = max(held, default=0)
            if len(held) != bool(volumes) or not (volumes == 0 or 1 <= self.volume <= volumes > 1):
                raise ParseError("not the exhibits of one volume")
        for item in exhibits:
            own = volumes is None or (volumes > 0 and item["volume"] == self.volume)
            for name in item["files"]:
                if own != (name in self.measured):
                    raise ParseError(f"{name} is missing, or belongs to another volume")
                if not own and self._elsewhere(item, name):
                    far += 1
                elif not own:
                    self.absent[item["number"]] = item.get("volume", 0)
        this = f"volume {self.volume} of {volumes}; " if volumes else ""
        if self.absent:
            told = ", ".join(f"{one} (volume {n})" if n else one for one, n in self.absent.items())
            raise NotDone(f"{this}{len(self.absent)} exhibits are not here (--payload DIR): {told}")
        more = f"; {far} files of them were found with --payload" if far else ""
        return f"{this}{len(exhibits)} exhibits are here{more}"

    def _elsewhere(self, item: dict[str, Any], name: str) -> bool:
        """Look in the folders given for a file of that name, else one of the digest registered."""
        if not self.others:
            found = [path for folder in self.payload for path in sorted(folder.rglob("*"))]
            for path in [path for path in found if path.is_file() and not path.is_symlink()]:
                measured = measure(path)
                for known_by in (measured["digests"]["sha256"], path.name):
                    self.others[known_by] = (path, measured)
        entry = next(one for one in self.entries if one["index"] == item["registration"])
        digests = [part["digests"]["sha256"] for part in members(entry["fields"], REGISTRATION)[2]]
        wanted = dict(zip(item["files"], digests)).get(name, "")  # noqa: B905 - more in later ones
        place = self.others.get(Path(name).name) or self.others.get(wanted)
        if place:
            self.files[name], self.measured[name] = place
        return place is not None

    def _payload(self) -> str:
        owned: set[str] = set()
        unable: set[str] = set()
        bodies = {entry["index"]: entry["fields"] for entry in self.entries}
        if not self.measured:
            raise NotDone("the files could not be read")
        for item in members(self.document, {"exhibits": list})[0]:
            place, files = members(item, {"registration": int, "files": list})
            identity = members(item, IDENTITY)
            number = identity[1]
            if number in self.absent:
                continue  # `complete` says so
            _, about, parts = members(bodies.get(place), REGISTRATION, f"{number}, registration: ")
            while len(parts) < bodies[place].get("count", 0):  # too many for one entry: it goes on
                place += 1
                more = members(bodies.get(place), REGISTRATION, f"{number}, registration: ")
                if members(more[1], IDENTITY) != identity or not more[2]:
                    raise ParseError(f"{number}: entry {place} does not go on with its parts")
                parts = parts + more[2]
            several = [f"data/{number}.{n}.bin" for n in range(1, len(parts) + 1)]
            names = [f"data/{number}.bin"] if len(parts) == 1 else several
            if members(about, IDENTITY) != identity or files != names or not names:
                raise ParseError(f"{number}: exhibit or files are not those of its registration")
            owned.update(names)
            for n, name in enumerate(names, 1):
                digests, chunks, _ = members(parts[n - 1], {**PART, "part": n}, f"{name}: ")
                found = self.measured[name]
                kinds = DECLARED & set(digests)
                made = dict(found["digests"])
                made.update({kind: digest_of(self.files[name], kind) for kind in kinds})
                unable.update(set(digests) - set(made))
                same = all(made.get(kind, told) == told for kind, told in digests.items())
                if not same or "sha256" not in digests or {**chunks, **found["chunks"]} != chunks:
                    raise ParseError(f"{name} is not what was registered")
            whole = [self.measured[name]["digests"]["sha256"] for name in names]
            if len(whole) > 1:  # what several parts are known by
                whole = ["sha256:" + hashlib.sha256(canonical(whole)).hexdigest()]
            if identity[2:] != [*whole, sum(self.measured[name]["size"] for name in names)]:
                raise ParseError(f"the files of {number} have not its digest and size")
        for name in self.files:
            if name.startswith("data/") and name not in owned:
                raise ParseError(f"{name} belongs to no exhibit")
        if unable:
            raise NotDone(f"digests this reader cannot make: {', '.join(sorted(unable))}")
        return f"{len(owned)} files are the bytes registered"

    def _receipt(self) -> str:
        fields = self.entries[0]["fields"]
        if self.document["kind"] == "submission-receipt":
            return self._list(fields)
        if self.document["kind"] == "transfer-receipt":
            answers, told = members(self.document, {"answers": DIGEST, "sha256": DIGEST})
            about = {"inputs": [answers], "request_id": self.document["submission"][4:]}
            members(fields, {**ANSWERS, **about})
            members(fields.get("verification"), {"observed": [told]})
            return f"{fields['type']} of {told}, in answer to the entry {answers}"
        _, exhibit = members(fields, {"type": "registration", "exhibit": dict})
        told = members(self.document, {"exhibit": str, "sha256": str, "size": int})
        if members(exhibit, IDENTITY)[1:] != told:
            raise ParseError("number, digest or size are not those of the entry")
        return f"{told[0]}, {told[2]} bytes, {told[1]}; the entry does not hold the submission"

    def _list(self, fields: dict[str, Any]) -> str:
        stage, submission, told, count = members(self.document, SUBMISSION)
        began, n = stage == "announced", 0
        states: dict[str, int] = {}
        outcome, holder = ("started", "inputs") if began else ("done", "outputs")
        members(fields, {"type": "submission", "outcome": outcome, "count": count, holder: [told]})
        shape = {"size": int} if began else {"status": STATUS}
        end = b"]," + canonical({"stage": stage, "submission": submission, "v": 1})[1:]
        digest = hashlib.sha256(b'{"files":[')
        with self.path.open("rb") as source:  # line by line, for it may be of a million files
            begun = source.readline(MOST).endswith(LIST)
            for n, line in enumerate(iter(lambda: source.readline(MOST), b""), 1):
                text = line.rstrip(b",\n")
                file = parse_json(text.decode())
                members(file, {"n": n, **shape})
                if canonical(file) != text or line not in (text + b"\n", text + b",\n"):
                    raise ParseError(f"file {n} of the list is not canonical, or not on its line")
                digest.update(b"," * (n > 1) + text)
                state = file.get("status", stage)
                states[state] = states.get(state, 0) + 1
                if line == text + b"\n":
                    break
            digest.update(end)
            same = "sha256:" + digest.hexdigest() == told
            if source.read(MOST) != end + b"}\n" or n != count or not (same and begun):
                raise ParseError(f"the list is not the one of {count} files that was signed")
        return f"{submission}: " + ", ".join(f"{n} {state}" for state, n in states.items())

    def _quoted(self) -> str:
        """What other ledgers recorded of exhibits before they came, each proved in its own tree."""
        own = {f"quoted/{item['number']}.json": item for item in self.document["exhibits"]}
        names = sorted(name for name in self.files if name.startswith("quoted/"))
        count, origins = 0, set()
        for name in names:
            about, told = own.get(name), parse_json(_text(self.files[name]))
            if about is None:
                raise ParseError(f"{name} is of no exhibit of this bundle")
            while told is not None:
                note, entries = self._history(told, about, name)
                count, told = count + entries, told.get("quoted")
                origins.add(note.origin)
        return f"{count} entries quoted, as signed by {', '.join(sorted(origins))}"

    def _history(self, told: Any, about: dict[str, Any], name: str) -> tuple[Note, int]:
        *_, text, policy, item = members(told, QUOTED, f"{name}: ")
        size, entries = members(told, {"tree_size": int, "entries": list}, f"{name}: ")
        logs = tuple(parse_policy(policy).logs)
        note = open_note(text, logs)
        if True not in [note.verdicts.get(key) for key in logs if key.name == note.origin]:
            raise ParseError(f"{name}: no signature of a key of {note.origin}")
        if False in note.verdicts.values() or note.size != size:
            raise ParseError(f"{name}: its checkpoint does not verify, or is of another size")
        for seq, entry in enumerate(entries, 1):
            index, body, proof, _ = members(entry, ENTRY, f"{name}: ")
            fields, (place, hashes, _) = parse_body(body), parse_proof(proof)
            leaf = hashlib.sha256(b"\0" + body.encode()).digest()
            if place != index or not included(index, size, leaf, hashes, note.root):
                raise ParseError(f"{name}: entry {index} is not in the tree at its index")
            identity = members(item, IDENTITY, f"{name}: ")
            if members(fields.get("exhibit"), {**IDENTITY, "seq": seq}, name) != [*identity, seq]:
                raise ParseError(f"{name}: entry {index} is of another exhibit")
            _opened(entry, fields)
        if [item["sha256"], item["size"], item.get("last_seq")] != [
            about["sha256"], about["size"], len(entries),
        ]:  # fmt: skip
            raise ParseError(f"{name}: of other bytes than the exhibit, or not its whole history")
        return note, len(entries)

    def _citation(self, text: str) -> str:
        """The bytes that a locator names have the digest it gives; what stands there is read."""
        number, place = parse_locator(text)
        told, member = place.get("sha256"), place.get("member")
        items = members(self.document, {"exhibits": list})[0] if self.bundle else []
        item = next((one for one in items if one["number"] == number), None)
        if item is None or told is None:
            raise NotDone(f"{text}: " + ("no such exhibit here" if item is None else "no digest"))
        if number in self.absent:
            raise NotDone(f"{text}: {number} is not here (--payload DIR)")
        names, part = item["files"], int(place.get("part", 1))
        if part > len(names):
            raise ParseError(f"{text}: {number} has {len(names)} parts")
        file, span = self.files[names[part - 1]], place.get("bytes")
        how, more = "of the bytes registered", place.keys() - {"part", "member", "bytes", "sha256"}
        if member is None and span is None:
            whole = self.measured[names[part - 1]]["digests"]["sha256"]
            found = whole if "part" in place else item["sha256"]
        elif span is None and (entry := self._taken(number, member, f"sha256:{told}")):
            found, how = f"sha256:{told}", f"of the member, as entry {entry} recorded it"
        elif member is not None:
            found, how = digest_within(file, member, span), "of the member, read here"
        elif len(names) > 1 and "part" not in place:
            raise ParseError(f"{text}: {number} has {len(names)} parts; none is named")
        else:
            with file.open("rb") as source:
                found = digest_between(source, span)
        if found != f"sha256:{told}":
            raise ParseError(f"{text}: {found} {how}, not what was cited")
        said = f"; what stands at {', '.join(sorted(more))} is not checked" if more else ""
        return f"{text}: the digest {how}{said}"

    def _taken(self, number: str, member: str | None, told: str) -> int | None:
        """Give the entry in a container's history that a member of this digest was taken out."""
        for entry in self.entries:
            fields, opened = entry["fields"], entry["openings"].get("path", {}).get("value")
            said = [fields["type"], fields.get("reason"), fields.get("outcome"), opened]
            of = fields.get("exhibit", {}).get("number") == number
            made = [*said, told in fields.get("outputs", ())]
            if of and made == ["derivative_creation", "member", "done", member, True]:
                _opened(entry, fields)  # the name too is what was committed to
                return int(entry["index"])
        return None

    def _openings(self) -> str:
        count = sum(_opened(entry, entry["fields"]) for entry in self.entries)
        if not count:
            raise NotDone("no openings were given")
        kept = sum(len(entry["fields"].get("_sd", ())) for entry in self.entries) - count
        return f"{count} openings are what was committed to; {kept} fields stay withheld"

    def _key_trusted(self) -> str:
        prints = ", ".join(hashlib.sha256(key.vkey.encode()).hexdigest() for key in self.signers)
        if self.trust_file is None or self.note is None:
            raise NotDone(f"no --trust; compare the fingerprint with one got another way: {prints}")
        for key, first, end in parse_trust(_text(self.trust_file)).keys:
            if key in self.signers and first <= self.note.size < end:
                return f"{key.name}, fingerprint {prints}"
        raise ParseError(f"no key of the trust file for this tree size signed; signed by {prints}")

    def _witnesses(self) -> str:
        verdicts, policy = self.note.verdicts if self.note else {}, self.policy
        for key, verdict in verdicts.items():
            if verdict is False and (key in self.named or (policy and key in policy.witnesses)):
                raise ParseError(f"the line of {key.name} does not verify")
        if not self.signers:
            raise NotDone("log-signature did not pass")
        if not set(self.named) <= set(verdicts):
            raise ParseError("witnessed_by names a key whose line is not there")
        if policy is None or policy.quorum == "none":
            raise NotDone("the policy asks for none" if policy else "there is no policy")
        quorum = f"{policy.quorum}, policy {'of --trust' if self.trust.policy else 'given along'}"
        if satisfied(policy, {key for key, verdict in verdicts.items() if verdict}):
            return f"cosigned by the quorum ({quorum})"
        if satisfied(policy, set(verdicts)):
            raise NotDone(f"the quorum hangs on ML-DSA, for which OpenSSL 3.5 is needed ({quorum})")
        raise ParseError(f"the quorum did not cosign ({quorum})")

    def _time_stamps(self) -> str:
        if self.bundle:
            names = sorted(name for name in self.files if name.startswith("ledger/tokens/"))
            tokens = [_read(self.files[name], CHUNK) for name in names]
        else:
            shape = {"tsa": str, "response": str}
            tokens = [_base64(members(item, shape)[1]) for item in self.document.get("tokens", [])]
        roots, whose = self.trust.roots, "of --trust"
        if self.bundle and tokens and not roots:
            roots, whose = parse_trust(_text(self.files["ledger/trust"])).roots, "given along"
        if not tokens or not roots or self.note is None:
            raise NotDone("there are no roots to judge by" if tokens else "there are no tokens")
        if len(tokens) > 100:
            raise ParseError("more than 100 tokens")
        key = self.signers[0]
        own = next(blob for name, blob in self.note.lines if (name, blob[:4]) == key[1:3])
        line = f"\n\u2014 {key.name} {base64.b64encode(own).decode()}\n"
        times = [stamped(token, self.note.body + line.encode(), roots) for token in tokens]
        return f"{len(times)} tokens, of {', '.join(times)} UTC, by the roots {whose}"


def parse_locator(text: str) -> tuple[str, dict[str, Any]]:
    """Give exhibit number and pointers of a locator, its names decoded."""
    number, _, rest = text.partition("#")
    pairs = [one.partition("=")[::2] for one in rest.split("&")] if rest else []
    order = [name for name in POINTERS if name in dict(pairs)]
    good = all(re.fullmatch(POINTERS.get(name, "(?!)"), value) for name, value in pairs)
    good = good and order == [name for name, _ in pairs]
    if not good or not re.fullmatch("[A-Z0-9]{2,12}-[0-9]{6,15}", number):
        raise ParseError(f"{text}: no locator, or written otherwise than format 13 says")
    place: dict[str, Any] = dict(pairs)
    for name in {"member", "message"} & place.keys():
        place[name] = unquote_to_bytes(place[name]).decode()
    return number, place


def digest_between(source: IO[bytes], span: str | None) -> str:
    """Give the digest of a stream, or of the bytes from A to B of it."""
    first, last = (int(one) for one in span.split("-")) if span else (0, 2**63)
    hashed, place = hashlib.sha256(), 0
    while place <= last and (block := source.read(CHUNK)):
        hashed.update(block[max(0, first - place) : last + 1 - place])
        place += len(block)
    if span and (place <= last or first > last):
        raise ParseError(f"there are no bytes {span}; the end is before {place}")
    return f"sha256:{hashed.hexdigest()}"


def digest_within(file: Path, member: str, span: str | None) -> str:
    """Give the digest of a member of a ZIP, or of bytes of it; this reader opens no other kind."""
    if not is_zipfile(file):
        raise NotDone(f"{member}: no entry of this bundle has its digest, and it is in no ZIP")
    with ZipFile(file) as archive:
        found = [one for one in archive.infolist() if one.filename == member]
        if len(found) != 1 or found[0].flag_bits & 1:
            raise NotDone(f"{member}: {len(found)} members of that name that could be read here")
        try:
            with archive.open(found[0]) as source:
                return digest_between(source, span)
        except NotImplementedError as error:
            raise NotDone(f"{member}: {error}") from None


def _opened(entry: dict[str, Any], fields: dict[str, Any]) -> int:
    for name, opening in entry["openings"].items():
        salt = bytes.fromhex(members(opening, {"salt": "[0-9a-f]{32}"})[0])
        made = "sha256:" + hashlib.sha256(salt + canonical(opening["value"])).hexdigest()
        if len(opening) != 2 or fields["_sd"][name] != made:
            raise ParseError(f"entry {entry['index']}: {name} is not what was committed to")
    return len(entry["openings"])


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as source:
        return source.read(most)


def _head(path: Path) -> str:
    with path.open("rb") as source:
        first = source.readline(MOST)
    return first.decode() + "]}}" if first.endswith(LIST) else _text(path)


def _text(path: Path) -> str:
    content = _read(path, MOST)
    if len(content) == MOST:
        raise ParseError(f"{path.name} is too large to be what it should be")
    return content.decode("utf-8")


def parse_json(text: str) -> Any:
    """Give the value of a JSON text of our subset, the keys of its objects sorted (RFC 8785)."""
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_int=_int, parse_float=_int, parse_constant=_int
        )
        canonical(value if "\\u" in text else None)  # a lone surrogate can only come escaped
    except (RecursionError, ValueError) as error:
        raise ParseError(f"not JSON as allowed: {error}") from None
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be")))
    if len(found) != len(pairs):
        raise ParseError("a key stands twice in one object")
    return found


def _int(text: str) -> int:
    if not re.fullmatch("0|-?[1-9][0-9]{0,15}", text) or abs(int(text)) >= 2**53:
        raise ParseError("a number that is no integer, out of range, or written oddly")
    return int(text)


def canonical(value: Any) -> bytes:
    """Print a value of `parse_json` as canonical JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def members(holder: Any, shape: dict[str, Any], where: str = "") -> list[Any]:
    """Give the members of an object that a shape names, each as the shape demands."""
    found = []
    for name, wanted in shape.items():
        value = holder.get(name) if isinstance(holder, dict) else None
        kind = wanted if isinstance(wanted, type) else type(wanted)
        good = type(value) is kind  # a bool is no int here
        if good and kind is not wanted:
            good = bool(re.fullmatch(wanted, str(value))) if kind is str else value == wanted
        if not good:
            raise ParseError(f"{where}{name} is missing, or not as it must be")
        found.append(value)
    return found


def parse_body(text: str) -> dict[str, Any]:
    """Give the fields of an entry's body, which must be canonical and of version 1."""
    fields: dict[str, Any] = parse_json(text)
    members(fields, {"v": 1, "type": str})
    if len(text.encode()) > 65_535 or canonical(fields) != text.encode():
        raise ParseError("a body that is not canonical, or longer than allowed")
    return fields


def parse_manifest(text: str, algorithm: str) -> dict[str, str]:
    """Give the digest of each path of a BagIt manifest (RFC 8493 §2.1.3), laid out as ours are."""
    line = rf"^([0-9a-f]{{{ALGORITHMS[algorithm]}}})  ([^ \t\n].*)\n"
    found = {path: f"{algorithm}:{digest}" for digest, path in re.findall(line, text, re.M)}
    if len(found) != len(text.split("\n")) - 1 or text[-1:] not in ("", "\n"):
        raise ParseError("a manifest with a line that is no digest and path, or a path twice")
    if list(found) != sorted(found):
        raise ParseError("a manifest that is not in the order of its paths")
    return found


def _base64(text: str, length: int | None = None) -> bytes:
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text or length not in (None, len(value)):
        raise ParseError("base64 written oddly, or not of its length")
    return value


def parse_vkey(text: str, *kinds: int) -> Key:
    """Give the verifier key of a text; its key id must follow from its name and key."""
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(.+)", text)
    blob = _base64(match[3]) if match else b""
    if not match or not blob or blob[0] not in kinds or len(blob) != 1 + KEY_SIZES[blob[0]]:
        raise ParseError("not a verifier key of a type allowed here")
    key_id = hashlib.sha256(match[1].encode() + b"\n" + blob).digest()[:4]
    if key_id.hex() != match[2]:
        raise ParseError(f"the key id of {match[1]} does not follow from its name and key")
    return Key(text, match[1], key_id, blob[0], blob[1:])


@lru_cache(maxsize=16)  # thousands of proofs carry one text
def open_note(text: str, keys: tuple[Key, ...]) -> Note:
    """Give a checkpoint, and whether the lines of these keys are their signatures."""
    lines = r"((?:\u2014 [^\s+]+ [^\s]+\n){1,100})"
    match = re.fullmatch(rf"(([^\n]+)\n({DECIMAL})\n([^\n]+)\n)\n{lines}", text)
    if not match or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text):
        raise ParseError("a checkpoint is three lines, an empty line, and signature lines")
    signed = [line.split(" ")[1:] for line in match[5].split("\n")[:-1]]
    blobs = [(name, _base64(signature)) for name, signature in signed]
    note = Note(match[1].encode(), match[2], int(match[3]), _base64(match[4], 32), blobs, {})
    for name, blob in blobs:
        for key in keys:
            if (key.name, key.key_id) == (name, blob[:4]) and note.verdicts.get(key) is not False:
                note.verdicts[key] = _verifies(key, blob[4:], note)
    return note


def _verifies(key: Key, blob: bytes, note: Note) -> bool | None:
    if key.kind == 1:
        return ed25519_verifies(key.public, blob, note.body)
    at, signature = int.from_bytes(blob[:8], "big"), blob[8:]
    if at == 0 or len(signature) != {4: 64, 6: 2420}[key.kind]:
        return False
    if key.kind == 4:
        stated = b"cosignature/v1\ntime %d\n" % at
        return ed25519_verifies(key.public, signature, stated + note.body)
    name, origin = key.name.encode(), note.origin.encode()
    message = b"subtree/v1\n\0%c%b%b" % (len(name), name, blob[:8])
    message += b"%c%b" % (len(origin), origin) + bytes(8) + note.size.to_bytes(8, "big") + note.root
    files = {"key": ML_DSA_44 + key.public, "message": message, "signature": signature}
    words = "pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message -sigfile signature"
    said = openssl(files, words)
    known = {"Signature Verified Successfully": True, "Signature Verification Failure": False}
    return known.get(said.strip())


def parse_proof(text: str) -> tuple[int, list[bytes], str]:
    """Give index, hashes and checkpoint of a C2SP tlog-proof."""
    head = rf"c2sp\.org/tlog-proof@v1\n(?:extra ([^\n]+)\n)?index ({DECIMAL})\n"
    match = re.match(head + r"((?:[^\n]+\n){0,63})\n", text)
    if not match:
        raise ParseError("not a tlog-proof of version 1")
    _base64(match[1] or "")
    hashes = [_base64(line, 32) for line in match[3].split("\n")[:-1]]  # no other sign ends a line
    return int(match[2]), hashes, text[match.end() :]


def parse_policy(text: str) -> Policy:
    """Give the keys, names and quorum of a C2SP tlog-policy."""
    found = Policy([], [], {"none": (0, set())}, "")
    taken: list[str] = []
    quorums: list[str] = []
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text) or not text.endswith("\n"):
        raise ParseError("a policy with control characters, or without its last newline")
    for line in text.split("\n"):
        kind, *words = re.split("[ \t]+", line.strip(" \t"))
        new = bool(words) and words[0] not in found.names
        if not kind or kind.startswith("#"):
            continue
        if kind == "log" and len(words) in (1, 2):
            found.logs.append(parse_vkey(words[0], 1, 6))
        elif kind == "witness" and len(words) in (2, 3) and new:
            found.witnesses.append(parse_vkey(words[1], 4, 6))
            found.names[words[0]] = (1, {found.witnesses[-1]})
        elif (
            kind == "group"
            and len(words) > 2
            and new
            and set(words[2:]) <= found.names.keys() - {"none"}
        ):
            count = len(words) - 2
            least = {"any": "1", "all": f"{count}"}.get(words[1], words[1])
            if not re.fullmatch("[1-9][0-9]{0,8}", least) or int(least) > count:
                raise ParseError(f"a group that nobody can or must reach: {words[0]}")
            found.names[words[0]] = (int(least), set(words[2:]))
            taken += words[2:]
        elif kind == "quorum" and len(words) == 1 and not new:
            quorums += words
        else:
            raise ParseError(f"a policy line that is none, or of a name that is taken: {line}")
    public = [key.public for key in found.logs + found.witnesses]
    # one key under two names, or a name in two groups, would count twice
    if len(set(public)) < len(public) or len(set(taken)) < len(taken) or len(quorums) != 1:
        raise ParseError("a policy with a key or member twice, or without exactly one quorum")
    return found._replace(quorum=quorums[0])


def satisfied(policy: Policy, signed: set[Any]) -> bool:
    """Tell whether these keys meet the quorum; a group stands after all that it names."""
    for name, (least, of) in policy.names.items():
        signed = signed | {name} if len(signed & of) >= least else signed
    return policy.quorum in signed


def parse_trust(text: str) -> Trust:
    """Give what a trust file says."""
    trust, found = parse_json(text), []
    *_, origin, keys, roots = members(trust, TRUST)
    for item in keys:
        vkey, first = members(item, {"vkey": str, "from": int})
        end = 2**63 if item.get("to", 0) is None else members(item, {"to": int})[0]
        key = parse_vkey(vkey, 1, 6)
        if key.name != origin or not 0 <= first < end:
            raise ParseError("a trust file with a key of another origin, or of no tree size")
        found.append((key, first, end))
    policy = parse_policy(*members(trust, {"policy": str})) if "policy" in trust else None
    return Trust(found, "\n".join(roots), policy)


def measure(path: Path) -> dict[str, Any]:
    """Read a file once: its size, digests, and what a registration says of its chunks."""
    hashes, size, level = {}, 0, []
    for name in ALGORITHMS:
        with suppress(ValueError):  # a machine that forbids MD5: said where it matters
            hashes[name] = hashlib.new(name)
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            for running in hashes.values():
                running.update(chunk)
            size += len(chunk)
            level.append(hashlib.sha256(b"\0" + hashlib.sha256(chunk).digest()).digest())
    chunks: dict[str, Any] = {"size": CHUNK, "count": len(level)}
    while len(level) > 1:  # the last one of an odd level goes up as it is
        pairs = [level[place : place + 2] for place in range(0, len(level), 2)]
        level = [_node(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    chunks["root"] = "sha256:" + (level[0] if level else hashlib.sha256().digest()).hex()
    digests = {name: f"{name}:{made.hexdigest()}" for name, made in hashes.items()}
    return {"size": size, "digests": digests, "chunks": chunks}


def digest_of(path: Path, kind: str) -> str:
    """Give one further digest of a file."""
    running = hashlib.new(kind)
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            running.update(chunk)
    return f"{kind}:{running.hexdigest()}"


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def included(index: int, size: int, leaf: bytes, hashes: list[bytes], root: bytes) -> bool:
    """Tell whether the hashes lead from the leaf at `index` to the root (RFC 6962 §2.1.1)."""
    rights = []  # from the root down: does the leaf stand in the right half?
    if not 0 <= index < size or len(leaf) != 32:
        return False
    while size > 1:
        half = 1 << (size - 1).bit_length() - 1
        rights.append(index >= half)
        index, size = (index - half, size - half) if index >= half else (index, half)
    if len(rights) != len(hashes):
        return False
    for right, sibling in zip(reversed(rights), hashes):  # noqa: B905 - of one length
        leaf = _node(sibling, leaf) if right else _node(leaf, sibling)
    return leaf == root


# Ed25519, RFC 8032 §5.1: points as [X, Y, Z, T] with x = X/Z, y = Y/Z, xy = T/Z. Nothing here is
# secret, so nothing needs constant time.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _add(one: list[int], two: list[int]) -> list[int]:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return [e * f % _P, g * h % _P, f * g % _P, e * h % _P]


def _times(number: int, point: list[int]) -> list[int]:
    total = [0, 1, 1, 0]
    while number:
        total = _add(total, point) if number & 1 else total
        point, number = _add(point, point), number >> 1
    return total


def _point(encoded: bytes) -> list[int]:
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if len(encoded) != 32 or y >= _P or (x * x - square) % _P or (x == 0 and sign):
        raise ParseError("not a point of Ed25519, as it must be written")
    x = x if x & 1 == sign else _P - x
    return [x, y, 1, x * y % _P]


def ed25519_verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature is one of the message, strictly and without the cofactor."""
    s = int.from_bytes(signature[32:], "little")
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    try:
        base = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
        left, key, r = _times(s % _L, base), _point(public), _point(signature[:32])
    except ParseError:
        return False
    right = _add(r, _times(int.from_bytes(digest, "little") % _L, key))
    same = all((left[n] * right[2] - right[n] * left[2]) % _P == 0 for n in (0, 1))
    return same and len(signature) == 64 and s < _L


def openssl(files: dict[str, bytes], words: str) -> str:
    """Give what `openssl` says when run among these files; nothing where there is none."""
    # not one that lies beside the bundle, where Windows would look first
    places = [Path(folder) for folder in os.get_exec_path() if Path(folder).is_absolute()]
    tools = [place / name for place in places for name in ("openssl", "openssl.exe")]
    with suppress(OSError, subprocess.SubprocessError), TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        for tool in [tool for tool in tools if tool.is_file()][:1]:
            ran = subprocess.run(
                [str(tool), *words.split()], cwd=folder, timeout=60, check=False,
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
            return ran.stdout.decode("latin-1").replace("\r", "")
    return ""


def stamped(token: bytes, note: bytes, roots: str) -> str:
    """Give the time of a time-stamp over the note, which must verify as of that time."""
    files = {"token": token, "note": note, "roots": roots.encode()}
    # without the answer around it, which nobody signed and which may hold any text
    said = openssl(files, "ts -reply -in token -token_out -text")
    found = re.findall(r"^Time stamp: (.{15})(?:\.\d+)?( \d{4}) GMT$", said, re.M)
    moment = "".join(found[0]) if len(found) == 1 else "Jan  1 00:00:00 1970"
    at = calendar.timegm(time.strptime(moment, "%b %d %H:%M:%S %Y"))
    said = openssl(files, f"ts -verify -in token -data note -CAfile roots -attime {at}")
    if "Verification: " not in said:
        raise NotDone("there is no openssl here that can check time-stamps")
    if said.strip() != "Verification: OK":
        raise ParseError(f"a token of {moment} UTC that does not verify")
    return moment


def _shown(text: str) -> str:
    # one line of printable ASCII: no value can turn the writing round, or pass for another letter
    text = text if len(text) <= 400 else text[:400] + "..."
    text = re.sub(r"[\x00-\x1f\x7f]", lambda sign: f"\\x{ord(sign[0]):02x}", text)
    return text.encode("ascii", "backslashreplace").decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
