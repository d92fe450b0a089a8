"""The files of a bundle beside its exhibits: each maker gives some, of what was gathered alone.

A further file is a function in `TAG_FILES`.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import custody
from custody.canonical import dumps
from custody.entry import CustodyEntry
from custody.errors import LedgerDamaged
from custody.receipt import Proof
from repository import Repository
from repository.exports import checker
from repository.exports.gathered import Gathered
from repository.exports.report_files import report
from repository.exports.said import FILE as SAID
from repository.exports.signatures import documents
from repository.exports.twins import twins
from repository.exports.verify_text import LANGUAGES, verify_text
from repository.publication import policy_text, trust_file
from repository.quoted import quoted_documents
from repository.succession import named_gaps

TagFile = tuple[str, Iterable[bytes]]  # its path in the bag, and its blocks, used up at once

Maker = Callable[[Gathered], Iterator[TagFile]]


def entries(found: Gathered) -> Iterator[TagFile]:
    """Yield custody.json: every entry with its proof, openings, and what was left out."""
    yield "custody.json", _custody_json(found)


def _custody_json(found: Gathered) -> Iterator[bytes]:
    """Yield custody.json piece by piece; its entries may be many."""
    head = {
        "v": 1,
        "request_id": found.job.request_id,
        "tree_size": found.size,
        **({"volumes": found.volumes[0]} if found.volumes else {}),
        "exhibits": [
            {
                "number": exhibit.number,
                "id": exhibit.id,
                "sha256": exhibit.sha256,
                "size": exhibit.size,
                "last_seq": found.last_seq[exhibit.id],
                "registration": exhibit.registration,
                "files": files,
                **({"volume": found.volumes[1][place]} if found.volumes else {}),
            }
            for place, (exhibit, files) in enumerate(found.listed)
        ],
        "left_out": [{"what": what, "why": why} for what, why in found.left_out],
    }
    yield _json(head)[:-1].encode() + b',"entries":['
    comma = b""
    for start in range(0, len(found.history), 256):
        some = found.history[start : start + 256]
        proved = found.job.repo.ledger.with_proofs([one.index for one in some], size=found.size)
        for kept, (entry, proof) in zip(some, proved, strict=True):
            if not kept.is_of(entry.body):  # the report would say something else
                raise LedgerDamaged(f"entry {entry.index} is not what it was a moment ago")
            told = {
                "index": entry.index,
                "body": entry.body.decode(),
                "proof": str(proof),
                "openings": {name: o.to_json() for name, o in found.openings[entry.index].items()},
            }
            yield comma + _json(told).encode()
            comma = b",\n"
    yield b"]}\n"


def annotations(found: Gathered) -> Iterator[TagFile]:
    """Yield what the exporter chose of what the case team says of the exhibits."""
    if found.job.annotations:
        yield SAID, [found.said.document()]


def ledger_files(found: Gathered) -> Iterator[TagFile]:
    """Yield the checkpoint and what is needed to judge it."""
    repo = found.job.repo
    yield "ledger/checkpoint", [found.sealed.note.encode()]
    yield "ledger/policy", [policy_text(repo).encode()]
    yield "ledger/trust", [trust_file(repo).encode()]
    for number, der in enumerate(found.sealed.tokens, 1):
        yield f"ledger/tokens/{number}.tsr", [der]


def successions(found: Gathered) -> Iterator[TagFile]:
    """Yield the entries that say what the ledgers before this one lost, where there are any."""
    ledger, size = found.job.repo.ledger, found.size
    indexes = [gap.entry for gap in named_gaps(found.job.repo) if gap.entry < size]
    if indexes:
        told = [_told(*pair) for pair in ledger.with_proofs(indexes, size=size)]
        yield "ledger/successions.json", [dumps({"v": 1, "entries": told}) + b"\n"]


def evidence_records(found: Gathered) -> Iterator[TagFile]:
    """Yield the evidence records (RFC 4998) over entries of the bundle, where there are any.

    Each with the checkpoint that it covers as one of its data objects, and the proof that the
    bundle's own tree is a continuation of that one.
    """
    for one in found.records:
        name = f"ledger/evidence-records/{one.lo}-{one.hi}"
        yield f"{name}.ers", [one.der]
        yield f"{name}.checkpoint", [found.job.repo.ledger.checkpoint_at(one.hi).note.encode()]
        proof = found.job.repo.ledger.consistency(one.hi, found.size)
        yield f"{name}.consistency", ["".join(f"{b64encode(h).decode()}\n" for h in proof).encode()]


def quoted(found: Gathered) -> Iterator[TagFile]:
    """Yield what other ledgers recorded of exhibits before they came here."""
    choice = found.job.choice
    for exhibit, document in quoted_documents(found.job.repo, found.job.exhibits):
        told = json.loads(document) if choice else None
        choice.close_quoted(exhibit.number, told)
        yield f"quoted/{exhibit.number}.json", [_json(told).encode() if choice else document]


def verifier(_: Gathered) -> Iterator[TagFile]:
    """Yield the verifiers, and words on what a reader does with and without them, in languages."""
    yield "verify.py", [(Path(custody.__file__).parent / "verify.py").read_bytes()]
    yield checker.NAME, [checker.checker_html()]
    for language in LANGUAGES:
        name, text = verify_text(language)
        yield name, [text]


def _told(entry: CustodyEntry, proof: Proof) -> dict[str, Any]:
    """Return an entry with its proof; what it withholds stays closed."""
    return {
        "index": entry.index, "body": entry.body.decode(), "proof": str(proof), "openings": {},
    }  # fmt: skip


def closing_file(repo: Repository, opened: int, closed: int) -> tuple[str, bytes]:
    """Return what closes a bundle: the house's two entries, proved in the tree that has both."""
    proved = repo.ledger.with_proofs([opened, closed], size=closed + 1)
    told = {name: _told(*pair) for name, pair in zip(("opened", "closed"), proved, strict=True)}
    document = dumps({"v": 1, "kind": "bundle-closing", **told})
    return "ledger/closing.json", document + b"\n"


TAG_FILES: tuple[Maker, ...] = (
    report, entries, annotations, ledger_files, successions, evidence_records, quoted, verifier,
    twins, documents,
)  # fmt: skip


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
