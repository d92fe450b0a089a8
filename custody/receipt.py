"""Receipt: an entry, its inclusion proof and a checkpoint, readable offline.

The proof is C2SP `.tlog-proof` text (docs/format.md 5 and 6); its checkpoint carries the only
signature.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from custody.canonical import loads_any
from custody.checkpoint import SignedCheckpoint, open_checkpoint
from custody.commitment import Opening
from custody.entry import parse_body
from custody.errors import BadProof, MalformedEntry, MalformedNote
from custody.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from custody.note import VerifierKey, b64decode

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63


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


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a submitter takes home about one exhibit."""

    submission: str
    exhibit: str
    sha256: str
    size: int
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
    ) -> "Receipt":
        """Return the receipt proved in a later checkpoint, with what came since it was given."""
        return replace(
            self,
            proof=str(proof),
            witnessed_by=list(witnessed_by),
            unwitnessed_since=unwitnessed_since,
            policy=policy,
            tokens=list(tokens),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as the object of docs/format.md 6."""
        later: dict[str, Any] = {}
        if self.policy is not None:
            later["policy"] = self.policy
            later["tokens"] = [
                {"tsa": name, "response": base64.b64encode(der).decode()}
                for name, der in self.tokens
            ]
        return {
            "v": 1,
            "kind": "evidence-receipt",
            "submission": self.submission,
            "exhibit": self.exhibit,
            "sha256": self.sha256,
            "size": self.size,
            "index": self.index,
            "body": self.body,
            "proof": self.proof,
            "openings": {name: opening.to_json() for name, opening in self.openings.items()},
            "witnessed_by": list(self.witnessed_by),
            "unwitnessed_since": self.unwitnessed_since,
            "key": self.key,
            **later,
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
        found = loads_any(data)
        if not isinstance(found, dict) or found.get("kind") != "evidence-receipt":
            raise MalformedEntry("this file is not an evidence receipt")
        if found.get("v") != 1:
            raise MalformedEntry("a receipt of another version than 1 cannot be read")
        for name, kind in _SHAPE.items():
            if not isinstance(found.get(name), kind) or isinstance(found.get(name), bool):
                raise MalformedEntry(f"a receipt needs {name}")
        return cls(
            **{name: found[name] for name in _SHAPE if name != "openings"},
            openings={name: Opening.from_json(o) for name, o in found["openings"].items()},
            unwitnessed_since=found.get("unwitnessed_since"),
            policy=_optional_text(found, "policy"),
            tokens=_tokens(found.get("tokens", [])),
        )

    def verify(self, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
        """Return the checkpoint that vouches for this receipt; offline, without the ledger.

        Says nothing about witnesses, nor whether the keys deserve trust.

        Raises:
            MalformedEntry: the body is no canonical registration, or says other than the receipt.
            MalformedNote, BadSignature, BadProof: the proof does not verify.
        """
        fields = parse_body(self.body.encode("utf-8", "surrogatepass"))
        about = fields.get("exhibit")
        if fields.get("type") != "registration" or not isinstance(about, dict):
            raise MalformedEntry("the entry of a receipt is a registration")
        said = (about.get("number"), about.get("sha256"), about.get("size"))
        if said != (self.exhibit, self.sha256, self.size):
            raise MalformedEntry("the entry is about another exhibit than the receipt says")
        commitments = fields.get("_sd", {})
        for name, opening in self.openings.items():
            if name not in commitments or not opening.opens(commitments[name]):
                raise MalformedEntry(f"the opening of {name} does not belong to the entry")
        proof = Proof.parse(self.proof)
        if proof.index != self.index:
            raise BadProof("the proof is about another index than the receipt says")
        return proof.verify(self.body.encode(), keys)


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
    "exhibit": str,
    "sha256": str,
    "size": int,
    "index": int,
    "body": str,
    "proof": str,
    "key": str,
    "openings": dict,
    "witnessed_by": list,
}
