"""The files of a bundle beside its exhibits: each maker gives some, of what was gathered alone.

A further file is a function in `TAG_FILES`.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import custody
from custody.canonical import dumps
from custody.entry import CustodyEntry
from custody.ledger import checked_values
from repository import Repository, software
from repository.exports.chosen import marking_words
from repository.exports.gathered import Gathered
from repository.exports.left_out import SECTIONS_LEFT_OUT
from repository.exports.said import FILE as SAID
from repository.exports.signatures import documents, signed_document
from repository.exports.verify_text import LANGUAGES, verify_text
from repository.publication import policy_text, status, trust_file
from repository.quoted import quoted_document

REPORT = "custody-report.pdf"

TagFile = tuple[str, Iterable[bytes]]  # its path in the bag, and its blocks, used up at once

Maker = Callable[[Gathered], Iterator[TagFile]]


def report(found: Gathered) -> Iterator[TagFile]:
    """Yield the custody report as PDF, composed from entries alone."""
    from repository.exports.pdf import render  # brings a typesetter: on first use
    from repository.exports.report import ExhibitFacts, Heading, Row, compose

    job, key = found.job, found.signed.signed_by[0]
    heading = Heading(
        report_id=job.request_id,
        case=job.case.code,
        case_title=job.case.title,
        asked_by=job.actor.name or job.actor.id,
        recipient=job.recipient,
        purpose=": ".join(filter(None, (job.purpose.code, job.purpose.text))),
        authority=None,
        generated_at=job.at,
        generator=software(),
        tree_size=found.size,
        root=f"sha256:{found.signed.checkpoint.root.hex()}",
        key_name=key.name,
        key_fingerprint=key.fingerprint,
        checkpoint=found.sealed.own,
        marking=marking_words(list(job.markings.values()), job.purpose),
        witnesses=found.sealed.witnesses(status(job.repo)),
        time_stamps=found.sealed.dated(),
    )
    rows = [
        Row(entry.index, entry.fields, checked_values(entry, found.openings[entry.index]))
        for entry in found.history
    ]
    composed = compose(
        heading,
        [ExhibitFacts(one.number, one.id, tuple(names)) for one, names in found.listed],
        rows,
        found.left_out,  # the report names its own sections that are lacking
        [(path, f"sha256:{hexed}", size) for path, hexed, size in found.payload],
    )
    yield REPORT, [signed_document(found, REPORT, render(composed))]


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
        "left_out": [{"what": what, "why": why} for what, why in left_out_of(found)],
    }
    yield _json(head)[:-1].encode() + b',"entries":['
    comma = b""
    for start in range(0, len(found.history), 256):
        some = found.history[start : start + 256]
        proofs = found.job.repo.ledger.proofs([entry.index for entry in some], size=found.size)
        for entry, proof in zip(some, proofs, strict=True):
            told = {
                "index": entry.index,
                "body": entry.body.decode(),
                "proof": str(proof),
                "openings": {name: o.to_json() for name, o in found.openings[entry.index].items()},
            }
            yield comma + _json(told).encode()
            comma = b",\n"
    yield b"]}\n"


def left_out_of(found: Gathered) -> list[tuple[str, str]]:
    """Return what a bundle does not hold, and why; the report's own gaps come last."""
    return [*found.left_out, SECTIONS_LEFT_OUT]


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


def quoted(found: Gathered) -> Iterator[TagFile]:
    """Yield what other ledgers recorded of exhibits before they came here."""
    for exhibit in found.job.exhibits:
        document = quoted_document(found.job.repo, exhibit)
        if document is not None:
            yield f"quoted/{exhibit.number}.json", [document]


def verifier(_: Gathered) -> Iterator[TagFile]:
    """Yield the verifier, and words on what a reader does with and without it, in languages."""
    yield "verify.py", [(Path(custody.__file__).parent / "verify.py").read_bytes()]
    for language in LANGUAGES:
        name, text = verify_text(language)
        yield name, [text]


def closing_file(repo: Repository, opened: CustodyEntry, closed: CustodyEntry) -> tuple[str, bytes]:
    """Return what closes a bundle: the house's two entries, proved in the tree that has both."""
    proofs = repo.ledger.proofs([opened.index, closed.index], size=closed.index + 1)
    told = {
        name: {
            "index": entry.index,
            "body": entry.body.decode(),
            "proof": str(proof),
            "openings": {},
        }
        for name, entry, proof in zip(("opened", "closed"), (opened, closed), proofs, strict=True)
    }
    document = dumps({"v": 1, "kind": "bundle-closing", **told})
    return "ledger/closing.json", document + b"\n"


TAG_FILES: tuple[Maker, ...] = (
    report, entries, annotations, ledger_files, quoted, verifier, documents,
)  # fmt: skip


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
