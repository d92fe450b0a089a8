"""What is in a verified bundle: exhibits, each with its quoted history and its conditions."""

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from custody import verify
from custody.entry import Act, uuid7
from ingest.quoted import Quoted
from ingest.sources import Source, Thing
from repository import Repository
from repository.access import IDENTIFYING
from repository.conditions import Marking
from repository.errors import BadRequest
from repository.marking import carried
from repository.naming import of_recorded


class Unverified(Exception):
    """Why a bundle is not believed: a short code, and words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def exhibits_of(repo: Repository, found: verify.Examination) -> list[tuple[Quoted, Thing]]:
    """Return the exhibits of a verified bundle, each with its quoted history and conditions."""
    histories: dict[str, list[dict[str, Any]]] = {}
    for entry in found.entries:
        about = entry["fields"].get("exhibit")
        if about:
            histories.setdefault(about["id"], []).append(entry)
    own = {str(one.key) for one in repo.ledger.key_history()}
    common: dict[str, Any] = {
        "origin": found.note.origin if found.note else "",
        "bundle": found.measured[verify.TAGS]["digests"]["sha256"],
        "claims": {one.claim: one.outcome for one in found.findings},
        "request_id": uuid7(repo.clock(), repo.random),
    }
    made = []
    for item in found.document["exhibits"]:
        if item["number"] in found.absent:
            continue
        history = histories[item["id"]]
        release = _release(history, own)
        quoted = Quoted(
            their_id=item["id"],
            their_number=item["number"],
            sha256=item["sha256"],
            count=len(history),
            document=_document(found, item, history),
            marking=_marking(history),
            release=_digest_of(release["body"]) if release else None,
            transfer=f"TRF-{release['fields']['request_id']}" if release else None,
            released_at=release["fields"]["at"] if release else None,
            **common,
        )
        made.append((quoted, Thing(_sources(found, item, history), quoted=quoted)))
    return made


def _sources(
    found: verify.Examination, item: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> tuple[Source, ...]:
    """Return the files of an exhibit, each with the digests they registered it with."""
    parts = [
        part
        for entry in history
        if entry["fields"]["type"] == Act.REGISTRATION
        for part in entry["fields"]["parts"]
    ]
    names = _names(history, len(parts))
    made = []
    for name, part, file in zip(names, parts, item["files"], strict=True):
        place = found.files[file]
        size = found.measured[file]["size"]
        path = f"{item['number']}/".encode() + name
        made.append(Source(os.fsencode(place), path, size, declared=dict(part["digests"])))
    return tuple(made)


def _names(history: Sequence[Mapping[str, Any]], count: int) -> list[bytes]:
    """Return what the files were called when they came there; numbers, where that is not told."""
    plain = [f"part {n}".encode() for n in range(1, count + 1)]
    for entry in history:
        if entry["fields"]["type"] != Act.RECEIPT:
            continue
        opened = {name: one["value"] for name, one in entry["openings"].items()}
        told = opened.get("detail", {})
        several = told.get("names") if isinstance(told, dict) else None
        given = several if count > 1 else [opened.get("name")]
        try:
            names = [of_recorded(one) for one in given or ()]
        except ValueError:
            return plain
        fits = len(names) == count and all(0 < len(one) <= 4_096 for one in names)
        return names if fits and b"\0" not in b"".join(names) else plain
    return plain


def _release(history: Sequence[dict[str, Any]], own: set[str]) -> dict[str, Any] | None:
    """Return the entry that released an exhibit to this repository, if that still holds."""
    last = None
    for entry in history:
        fields = entry["fields"]
        if fields["type"] != Act.TRANSFER_RELEASED:
            continue
        if fields["outcome"] == "aborted":
            same = last and last["fields"].get("request_id") == fields.get("request_id")
            last = None if same else last  # taken back
        elif "verification" in fields:
            detail = entry["openings"].get("detail", {}).get("value")
            to = detail.get("counterpart") if isinstance(detail, dict) else None
            named = [one for one in to if isinstance(one, str)] if isinstance(to, list) else []
            last = entry if own.intersection(named) else last
    return last


def _marking(history: Sequence[Mapping[str, Any]]) -> Marking:
    """Return under which conditions an exhibit was given: what the last entry about them says.

    Raises:
        Unverified: conditions that nobody here could keep.
    """
    for entry in reversed(history):
        codes = entry["fields"].get("handling")
        if codes is None:
            continue
        detail = entry["openings"].get("detail", {}).get("value", {})
        try:
            return carried(codes, detail)
        except (BadRequest, TypeError, ValueError, AttributeError) as error:
            why = f"the conditions in entry {entry['index']} cannot be read: {error}"
            raise Unverified("conditions-unreadable", why) from error
    return Marking()


def _document(
    found: verify.Examination,
    item: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> bytes:
    """Return the quoted history of one exhibit (docs/format.md 7.2): its entries as they came."""
    names = ("checkpoint", "policy", "trust")
    ledger = {name: found.files[f"ledger/{name}"].read_text() for name in names}
    before = found.files.get(f"quoted/{item['number']}.json")
    quoted = {
        "v": 1,
        "kind": "quoted-history",
        "tree_size": found.document["tree_size"],
        "request_id": found.document["request_id"],
        "exhibit": dict(item),
        **ledger,
        "entries": [
            {
                **{name: entry[name] for name in ("index", "body", "proof")},
                # who a source is takes two persons here too: it is not taken over
                "openings": {k: v for k, v in entry["openings"].items() if k not in IDENTIFYING},
            }
            for entry in history
        ],
        "quoted": json.loads(before.read_bytes()) if before else None,  # the verifier read it
    }
    return json.dumps(quoted, ensure_ascii=False, separators=(",", ":")).encode()


def _digest_of(body: str) -> str:
    return f"sha256:{sha256(body.encode()).hexdigest()}"
