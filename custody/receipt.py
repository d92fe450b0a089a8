"""Receipt: an entry, its inclusion proof and a checkpoint, readable offline.

The proof is C2SP `.tlog-proof` text (docs/format.md 5 and 6); its checkpoint carries the only
signature. A receipt is of one exhibit, or of a whole submission: then its list follows, read and
written line by line, for it may name a million files.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Self

from custody.canonical import loads, loads_any
from custody.checkpoint import SignedCheckpoint, open_checkpoint
from custody.commitment import Opening
from custody.entry import parse_body
from custody.errors import BadProof, MalformedEntry, MalformedNote
from custody.file_list import ListDigest, checked_file, end_of_list
from custody.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from custody.note import VerifierKey, b64decode

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63
MAX_HEAD = 16 << 20  # bytes of a submission receipt's first line
MAX_FILE_LINE = 128 << 10  # bytes of each line about a file


@dataclass(frozen=True, slots=True)
class Proof:
    """An inclusion proof: where the entry stands, its path, and the checkpoint's note."""

    index: int
    path: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        hashes = "".join(base64.b64encode(h).decode() + "\n" for h in self.path)
        return f"{_FIRST_LINE}\nindex {self.index}\n{hashes}\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Read a `.tlog-proof` text; an `extra` line is allowed and ignored.

        Raises:
            MalformedNote: any other shape.
        """
        top, gap, note = text.partition("\n\n")
        lines = top.split("\n")
        if not gap or lines[0] != _FIRST_LINE:
            raise MalformedNote(f"a proof begins with {_FIRST_LINE}")
        del lines[0]
        if lines and lines[0].startswith("extra "):
            b64decode(lines[0].removeprefix("extra "))
            del lines[0]
        match = re.fullmatch(r"index (0|[1-9][0-9]{0,17})", lines[0]) if lines else None
        if match is None:
            raise MalformedNote("a proof names its index in decimal")
        path = tuple(b64decode(line) for line in lines[1:])
        if len(path) > _MAX_HASHES or any(len(h) != HASH_SIZE for h in path):
            raise MalformedNote("a proof holds at most 63 hashes of 32 bytes")
        return cls(int(match[1]), path, note)

    def with_note(self, note: str) -> "Proof":
        """Return the same proof with another note: one with more lines on the same checkpoint."""
        return replace(self, note=note)

    def verify(self, body: bytes, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
        """Return the checkpoint in whose tree the body stands at `index`.

        Raises:
            MalformedNote: the checkpoint is malformed.
            BadSignature: no given key signed the checkpoint.
            BadProof: the path does not lead from this body to the root.
        """
        signed = open_checkpoint(self.note, keys)
        head = signed.checkpoint
        if not verify_inclusion(leaf_hash(body), self.index, head.size, self.path, head.root):
            raise BadProof(f"the entry is not at index {self.index} of the tree of {head.size}")
        return signed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vouched:
    """What every receipt has: an entry, its proof, and who vouches for the checkpoint in it."""

    submission: str
    sha256: str
    index: int
    body: str
    proof: str
    key: str
    openings: Mapping[str, Opening]
    witnessed_by: Sequence[str]
    unwitnessed_since: str | None
    policy: str | None = None
    tokens: Sequence[tuple[str, bytes]] = ()

    def completed(
        self,
        *,
        proof: Proof,
        witnessed_by: Sequence[str],
        unwitnessed_since: str | None,
        policy: str,
        tokens: Sequence[tuple[str, bytes]],
    ) -> Self:
        """Return the receipt proved in a later checkpoint, with what came since it was given."""
        return replace(
            self,
            proof=str(proof),
            witnessed_by=list(witnessed_by),
            unwitnessed_since=unwitnessed_since,
            policy=policy,
            tokens=list(tokens),
        )

    def _vouchers(self) -> dict[str, Any]:
        """Return the members that every receipt ends with."""
        later: dict[str, Any] = {}
        if self.policy is not None:
            later["policy"] = self.policy
            later["tokens"] = [
                {"tsa": name, "response": base64.b64encode(der).decode()}
                for name, der in self.tokens
            ]
        return {
            "index": self.index,
            "body": self.body,
            "proof": self.proof,
            "openings": {name: opening.to_json() for name, opening in self.openings.items()},
            "witnessed_by": list(self.witnessed_by),
            "unwitnessed_since": self.unwitnessed_since,
            "key": self.key,
            **later,
        }

    def _fields(self) -> dict[str, Any]:
        return parse_body(self.body.encode("utf-8", "surrogatepass"))

    def _proved(self, fields: Mapping[str, Any], keys: Sequence[VerifierKey]) -> SignedCheckpoint:
        commitments = fields.get("_sd", {})
        for name, opening in self.openings.items():
            if name not in commitments or not opening.opens(commitments[name]):
                raise MalformedEntry(f"the opening of {name} does not belong to the entry")
        proof = Proof.parse(self.proof)
        if proof.index != self.index:
            raise BadProof("the proof is about another index than the receipt says")
        return proof.verify(self.body.encode(), keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(_Vouched):
    """What a submitter takes home about one exhibit."""

    exhibit: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as the object of docs/format.md 6."""
        return {
            "v": 1,
            "kind": "evidence-receipt",
            "submission": self.submission,
            "exhibit": self.exhibit,
            "sha256": self.sha256,
            "size": self.size,
            **self._vouchers(),
        }

    def to_text(self) -> str:
        """Return the receipt as a file's text."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, data: bytes) -> "Receipt":
        """Read a receipt's shape; nothing is verified.

        Raises:
            NotCanonical: not JSON of our subset.
            MalformedEntry: not a receipt.
            BadOpening: an opening has another shape.
        """
        found = _receipt(data, "evidence-receipt", {**_SHAPE, "exhibit": str, "size": int})
        return cls(exhibit=found["exhibit"], size=found["size"], **_vouchers(found))

    def verify(self, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
        """Return the checkpoint that vouches for this receipt; offline, without the ledger.

        Says nothing about witnesses, nor whether the keys deserve trust.

        Raises:
            MalformedEntry: the body is no canonical registration, or says other than the receipt.
            MalformedNote, BadSignature, BadProof: the proof does not verify.
        """
        fields = self._fields()
        about = fields.get("exhibit")
        if fields.get("type") != "registration" or not isinstance(about, dict):
            raise MalformedEntry("the entry of a receipt is a registration")
        said = (about.get("number"), about.get("sha256"), about.get("size"))
        if said != (self.exhibit, self.sha256, self.size):
            raise MalformedEntry("the entry is about another exhibit than the receipt says")
        return self._proved(fields, keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionReceipt(_Vouched):
    """What a submitter takes home about a whole submission; `sha256` is the digest of its list.

    Stage `announced`: the list of what is going to come. Stage `complete`: what became of each
    file. The list is not held here but streamed, before and after (docs/format.md 6.1).
    """

    stage: str
    count: int

    def head(self) -> bytes:
        """Return the first line, which is all but the list."""
        found = {
            "v": 1,
            "kind": "submission-receipt",
            "stage": self.stage,
            "submission": self.submission,
            "sha256": self.sha256,
            "count": self.count,
            **self._vouchers(),
        }
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        return text[:-1].encode() + LIST + b"\n"

    def lines(self, files: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the receipt as a file's lines; `files` are the canonical texts of the list.

        Raises:
            MalformedEntry: the list is not the one that was signed.
        """
        yield self.head()
        digest = ListDigest(self.stage, self.submission)
        before = b""
        for file in files:
            digest.add(file)
            if before:
                yield before + b",\n"
            before = file
        self._same(digest)
        yield before + b"\n"
        yield end_of_list(self.stage, self.submission) + b"}\n"

    @classmethod
    def parse(cls, line: bytes) -> "SubmissionReceipt":
        """Read what `head` returns; nothing is verified.

        Raises:
            NotCanonical: not JSON of our subset.
            MalformedEntry: not a submission receipt.
            BadOpening: an opening has another shape.
        """
        if len(line) > MAX_HEAD or not line.endswith(LIST + b"\n"):
            raise MalformedEntry(
                "the first line of a submission receipt ends where its list begins"
            )
        shape = {**_SHAPE, "stage": str, "count": int, "list": dict}
        found = _receipt(line + b"]}}", "submission-receipt", shape)
        if found["stage"] not in _STAGES:
            raise MalformedEntry("the stage of a submission receipt is announced or complete")
        return cls(stage=found["stage"], count=found["count"], **_vouchers(found))

    def verify(self, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
        """Return the checkpoint that vouches for the digest and length of the list.

        The list itself is for `check_list`; neither says anything about witnesses or trust.

        Raises:
            MalformedEntry: the body is no entry about this list.
            MalformedNote, BadSignature, BadProof: the proof does not verify.
        """
        fields = self._fields()
        outcome, holder = _STAGES[self.stage]
        if (fields.get("type"), fields.get("outcome")) != ("submission", outcome):
            raise MalformedEntry(f"the entry of this receipt is a submission, {outcome}")
        if (fields.get(holder), fields.get("count")) != ([self.sha256], self.count):
            raise MalformedEntry("the entry is about another list than the receipt says")
        if self.unwitnessed_since not in (None, fields.get("at")):
            raise MalformedEntry("the receipt says another time than its entry")
        return self._proved(fields, keys)

    def check_list(self, file: BinaryIO) -> Iterator[dict[str, Any]]:
        """Yield each file of the list that follows the first line; at its end it was the whole.

        A line at a time: however long the list, it costs no memory.

        Raises:
            MalformedEntry, NotCanonical: a line, or the whole, is not as it must be.
        """
        digest = ListDigest(self.stage, self.submission)
        more = True
        while more:
            line = file.readline(MAX_FILE_LINE)
            more = line.endswith(b",\n")
            text = line[:-2] if more else line[:-1]
            if not line.endswith(b"\n"):
                raise MalformedEntry(f"the list breaks off after {digest.count} files")
            digest.add(text)
            yield checked_file(loads(text), digest.count, self.stage)
        end = end_of_list(self.stage, self.submission) + b"}\n"
        if file.readline(MAX_FILE_LINE) != end or file.read(1):
            raise MalformedEntry("a submission receipt ends with its stage and submission")
        self._same(digest)

    def _same(self, digest: "ListDigest") -> None:
        if (digest.value(), digest.count) != (self.sha256, self.count):
            raise MalformedEntry("the list is not the one that the receipt's entry is about")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReceipt(_Vouched):
    """What one house signs for another about custody that passed between them.

    It is of the entry that custody was received or refused, or that a receipt was acknowledged;
    `answers` is the digest of the body of the other house's entry, `submission` the transfer.
    """

    answers: str

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as the object of docs/format.md 6.2."""
        return {
            "v": 1,
            "kind": "transfer-receipt",
            "submission": self.submission,
            "answers": self.answers,
            "sha256": self.sha256,
            **self._vouchers(),
        }

    def to_text(self) -> str:
        """Return the receipt as a file's text."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, data: bytes) -> "TransferReceipt":
        """Read a receipt's shape; nothing is verified.

        Raises:
            NotCanonical: not JSON of our subset.
            MalformedEntry: not a receipt of a transfer.
            BadOpening: an opening has another shape.
        """
        found = _receipt(data, "transfer-receipt", {**_SHAPE, "answers": str})
        return cls(answers=found["answers"], **_vouchers(found))

    def verify(self, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
        """Return the checkpoint that vouches for this receipt; offline, without the ledger.

        Raises:
            MalformedEntry: the body is no such entry, or says other than the receipt.
            MalformedNote, BadSignature, BadProof: the proof does not verify.
        """
        fields = self._fields()
        if fields.get("type") not in _ANSWERS or fields.get("outcome") != "done":
            raise MalformedEntry("the entry of this receipt answers no transfer")
        told = fields.get("verification")
        observed = told.get("observed") if isinstance(told, dict) else None
        if (fields.get("inputs"), observed) != ([self.answers], [self.sha256]):
            raise MalformedEntry("the entry answers another one, or of other bytes, than it says")
        if f"TRF-{fields.get('request_id')}" != self.submission:
            raise MalformedEntry("the entry is of another transfer than the receipt says")
        return self._proved(fields, keys)


_ANSWERS = ("transfer_received", "transfer_refused", "receipt_acknowledged")
AnyReceipt = Receipt | SubmissionReceipt | TransferReceipt


def _receipt(data: bytes, kind: str, shape: Mapping[str, type]) -> dict[str, Any]:
    found = loads_any(data)
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise MalformedEntry(f"this file is not an {kind}".replace("an sub", "a sub"))
    if found.get("v") != 1:
        raise MalformedEntry("a receipt of another version than 1 cannot be read")
    for name, wanted in shape.items():
        if not isinstance(found.get(name), wanted) or isinstance(found.get(name), bool):
            raise MalformedEntry(f"a receipt needs {name}")
    if "unwitnessed_since" not in found:
        raise MalformedEntry("a receipt needs unwitnessed_since")
    return found


def _vouchers(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: found[name] for name in _SHAPE if name != "openings"},
        "openings": {name: Opening.from_json(one) for name, one in found["openings"].items()},
        "unwitnessed_since": _optional_text(found, "unwitnessed_since"),
        "policy": _optional_text(found, "policy"),
        "tokens": _tokens(found.get("tokens", [])),
    }


def _optional_text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedEntry(f"{name} in a receipt is text")
    return value


def _tokens(found: object) -> list[tuple[str, bytes]]:
    if not isinstance(found, list):
        raise MalformedEntry("tokens in a receipt are a list")
    tokens = []
    for one in found:
        if not isinstance(one, dict) or not all(
            isinstance(one.get(name), str) for name in ("tsa", "response")
        ):
            raise MalformedEntry("a token in a receipt has a tsa and a response")
        tokens.append((one["tsa"], b64decode(one["response"])))
    return tokens


_SHAPE: Mapping[str, type] = {
    "submission": str,
    "sha256": str,
    "index": int,
    "body": str,
    "proof": str,
    "key": str,
    "openings": dict,
    "witnessed_by": list,
}

LIST = b',"list":{"files":['
# stage -> outcome of its entry, and the member of the entry that holds the digest of the list
_STAGES: Mapping[str, tuple[str, str]] = {
    "announced": ("started", "inputs"),
    "complete": ("done", "outputs"),
}
