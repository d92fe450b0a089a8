"""export(): decide, record, report, prove, pack, record.

In order: 1. purpose and authority; 2. opening entries, one per exhibit and one for the house, in
one transaction: the size of the tree right after it is the size everything is proved in; 3. its
checkpoint goes to the store; 4. each exhibit through the verified reader; 5. the report, composed
from entries alone; 6. entries, proofs and openings; 7. the bag gets its name; 8. closing entries
with the digest of its manifest, or saying that nothing was handed out.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

import custody
from custody.append import take_lock
from custody.checkpoint import SignedCheckpoint
from custody.commitment import Opening
from custody.entry import Act, Actor, CustodyEntry, Draft, timestamp, uuid7
from custody.errors import EvidenceError
from custody.ledger import checked_values
from repository import Repository, software
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.conditions import Marking
from repository.errors import ExportBlocked, ReleaseEnded
from repository.exports.bag import Bag
from repository.exports.chosen import marking_words, picked
from repository.exports.job import Job, entries_about
from repository.exports.left_out import ALWAYS, SECTIONS_LEFT_OUT, closed, unsealed
from repository.exports.said import FILE as SAID
from repository.exports.said import check_choice, said_of
from repository.exports.verify_text import VERIFY_TEXT
from repository.ledger_mirror import publish
from repository.models import Case, Exhibit
from repository.naming import file_name
from repository.publication import Seals, announce, policy_text, seals_of, status, trust_file
from repository.purpose import RECIPIENT_OF, Purpose
from repository.quoted import quoted_document
from repository.retrieve import Recorded, recorded_parts, verified_bytes
from repository.stated import stated_purpose
from repository.still import check_still

Progress = Callable[[str], None]

Still = Callable[[Session, Sequence[Exhibit]], None]
"""Raises `ReleaseEnded` if one of these may leave no more."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished bundle: of which tree, its tag manifest's digest, its files, what it lacks."""

    report_id: str
    tree_size: int
    manifest: str
    listed: list[tuple[Exhibit, list[str]]]  # with the names of its parts, in order
    left_out: list[tuple[str, str]]

    @property
    def exhibits(self) -> list[str]:
        """Return the numbers of its exhibits."""
        return [exhibit.number for exhibit, _ in self.listed]


def export(
    repo: Repository,
    caller: Caller,
    *,
    code: str,
    numbers: Sequence[str] = (),
    into: Bag,
    purpose: str | None,
    recipient: str | None = None,
    authority: str | None = None,
    assured: Sequence[str] = (),
    annotations: Sequence[str] = (),
    request_id: str | None = None,
    progress: Progress = lambda _: None,
) -> Exported:
    """Write the court bundle of exhibits of one case (all the caller knows of if none is named).

    Args:
        repo: the repository.
        caller: who exports.
        code: the case.
        numbers: its exhibits.
        into: the bag to write.
        purpose: as stated.
        recipient: who gets it, in words.
        authority: the warrant, request or article it rests on.
        assured: excluded uses that the recipient has ruled out in writing.
        annotations: kinds or names of what is said of the exhibits and goes too; else nothing.
        request_id: of its entries and its report; drawn here, if none is given.
        progress: is told each step.

    Raises:
        PurposeRequired, UnknownCase, UnknownExhibit, AccessDenied: refused and recorded.
        ExportBlocked: nothing to export, the place is taken, or something cannot be put in.
        IntegrityError: an exhibit's stored bytes differ; nothing was handed out.
    """
    stated = stated_purpose(  # (1)
        repo, caller, purpose, Act.REPORT_GENERATED, authority=authority, assured=assured,
        recipient=recipient,
    )  # fmt: skip
    actor, case = on_case(
        repo, caller, Right.EXPORT, code, attempted=Act.REPORT_GENERATED, purpose=stated
    )
    found = picked(repo, caller, case, numbers, stated)
    check_choice(repo, found.exhibits, annotations)

    def still(session: Session, exhibits: Sequence[Exhibit]) -> None:
        check_still(repo, caller, session, Right.EXPORT, exhibits, stated)

    return bundle_of(
        repo, actor, case, found.exhibits, found.markings, into,
        purpose=stated, recipient=recipient, request_id=request_id, still=still,
        instead=found.instead, annotations=annotations, progress=progress,
    )  # fmt: skip


def bundle_of(
    repo: Repository,
    actor: Actor,
    case: Case,
    chosen: Sequence[Exhibit],
    markings: Mapping[str, Marking],
    into: Bag,
    *,
    purpose: Purpose,
    recipient: str | None,
    request_id: str | None = None,
    still: Still = lambda _session, _exhibits: None,
    instead: Sequence[tuple[str, str]] = (),
    annotations: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> Exported:
    """Write the bundle of exhibits; whether it may be made was decided before.

    Raises:
        ExportBlocked, IntegrityError: as `export`.
    """
    exhibits = [exhibit for exhibit in chosen if exhibit.erased_at is None]
    erased = [exhibit.number for exhibit in chosen if exhibit.erased_at is not None]
    if not exhibits:
        why = f"only erased exhibits: {', '.join(erased)}" if erased else "no exhibits yet"
        raise ExportBlocked(f"case {case.code} has {why}; nothing was exported")
    at = repo.clock()
    job = Job(
        repo,
        actor,
        case,
        exhibits,
        purpose,
        recipient,
        request_id=request_id or uuid7(at, repo.random),
        at=timestamp(at),
        erased=erased,
        markings=markings,
        instead=instead,
        annotations=annotations,
    )
    with into as bag:
        drafts = entries_about(job, "started")
        with repo.database.writing() as session:  # (2) not grouped: a head ends with them
            entries = repo.ledger.append(session, drafts)
        try:
            return _write(job, bag, entries[-1].index + 1, still, progress)
        except BaseException as error:
            reason = error.code if isinstance(error, EvidenceError) else "error"
            repo.ledger.record(*entries_about(job, "aborted", reason=reason))  # (8)
            raise


def _write(job: Job, bag: Bag, size: int, still: Still, progress: Progress) -> Exported:
    repo = job.repo
    signed = repo.ledger.checkpoint_at(size)
    progress("checkpoint: witnesses and time-stamps")
    announced = announce(repo, stamp=True)  # (3)
    problems = announced.problems if announced else []
    sealed = seals_of(repo, size)
    listed = []
    for exhibit in job.exhibits:  # (4)
        progress(exhibit.number)
        with repo.database.reading() as session:
            still(session, [exhibit])
        parts = recorded_parts(repo, exhibit)
        files = [_file_name(exhibit, part, len(parts)) for part in parts]
        for name, part in zip(files, parts, strict=True):
            bag.add(name, verified_bytes(repo, exhibit, part, 0, part.size - 1))
        listed.append((exhibit, files))
    progress("entries")
    history, openings, last_seq = _entries(job, size)
    reader = None if RECIPIENT_OF.get(job.purpose.code) == "defence" else job.case.code
    said = said_of(repo, job.exhibits, job.annotations, size=size)
    left_out = [*ALWAYS, *closed(history, openings, reader, chosen=said.entries)]
    left_out += unsealed(repo, sealed, problems)
    left_out += [
        (number, "its key was destroyed by order; its bytes cannot be read by anyone")
        for number in job.erased
    ]
    left_out += job.instead
    rows = [(entry, checked_values(entry, openings[entry.index])) for entry in history]
    progress("report")
    left_out.append(SECTIONS_LEFT_OUT)
    report = _report(job, signed, sealed, rows, left_out, listed, bag.files)
    bag.add("custody-report.pdf", [report])  # (5)
    bag.add("custody.json", _custody_json(job, size, listed, last_seq, history, openings, left_out))
    if job.annotations:
        bag.add(SAID, [said.document()])
    for name, data in _ledger_files(repo, sealed).items():
        bag.add(name, [data])
    for exhibit in job.exhibits:
        quoted = quoted_document(repo, exhibit)
        if quoted is not None:
            bag.add(f"quoted/{exhibit.number}.json", [quoted])
    bag.add("verify.py", [(Path(custody.__file__).parent / "verify.py").read_bytes()])
    bag.add("VERIFY.txt", [VERIFY_TEXT.encode()])
    info = [
        ("Bag-Software-Agent", software()),
        ("Bagging-Date", job.at[:10]),
        ("External-Identifier", job.request_id),
    ]
    manifest = bag.finish(info=info)  # (7)
    done = entries_about(job, "done", manifest=manifest, left_out=left_out)
    _close(job, bag, still, done)  # (8)
    publish(repo)
    return Exported(job.request_id, size, manifest, listed, left_out)


def _close(job: Job, bag: Bag, still: Still, drafts: Sequence[Draft]) -> None:
    """Write the closing entries, unless something may leave no more: then the bag is taken back.

    Raises:
        ReleaseEnded: what was withdrawn has an earlier entry than this one would have.
    """
    repo = job.repo
    try:
        with repo.database.writing() as session:
            take_lock(session)
            still(session, job.exhibits)
            repo.ledger.append(session, drafts)
    except ReleaseEnded:
        bag.take_back()
        raise


def _entries(
    job: Job, size: int
) -> tuple[list[CustodyEntry], dict[int, dict[str, Opening]], dict[str, int]]:
    """Return every entry of the exhibits and this export's own house entry, with openings."""
    ledger = job.repo.ledger
    history: list[CustodyEntry] = [ledger.entry(size - 1)]
    last_seq: dict[str, int] = {}
    for exhibit in job.exhibits:
        entries = ledger.history(exhibit.id, size=size)
        last_seq[exhibit.id] = len(entries)
        history.extend(entries)
    history.sort(key=lambda entry: entry.index)
    return history, ledger.openings([entry.index for entry in history]), last_seq


def _report(
    job: Job,
    signed: SignedCheckpoint,
    sealed: Seals,
    rows: Sequence[tuple[CustodyEntry, dict[str, Any]]],
    left_out: Sequence[tuple[str, str]],
    listed: Sequence[tuple[Exhibit, list[str]]],
    files: Sequence[tuple[str, str, int]],
) -> bytes:
    """Return the custody report as PDF, composed from entries alone."""
    from repository.exports.pdf import render  # brings a typesetter: on first use
    from repository.exports.report import ExhibitFacts, Heading, Row, compose

    key = signed.signed_by[0]
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
        tree_size=signed.checkpoint.size,
        root=f"sha256:{signed.checkpoint.root.hex()}",
        key_name=key.name,
        key_fingerprint=key.fingerprint,
        checkpoint=sealed.own,
        marking=marking_words(list(job.markings.values()), job.purpose),
        witnesses=sealed.witnesses(status(job.repo)),
        time_stamps=sealed.dated(),
    )
    return render(
        compose(
            heading,
            [ExhibitFacts(one.number, one.id, tuple(names)) for one, names in listed],
            [Row(entry.index, entry.fields, values) for entry, values in rows],
            [one for one in left_out if one != SECTIONS_LEFT_OUT],  # the report names each
            [(path, f"sha256:{hexed}", size) for path, hexed, size in files],
        )
    )


def _custody_json(
    job: Job,
    size: int,
    listed: Sequence[tuple[Exhibit, list[str]]],
    last_seq: dict[str, int],
    history: Sequence[CustodyEntry],
    openings: dict[int, dict[str, Opening]],
    left_out: Sequence[tuple[str, str]],
) -> Iterator[bytes]:
    """Yield custody.json piece by piece; its entries may be many. (6)"""
    head = {
        "v": 1,
        "request_id": job.request_id,
        "tree_size": size,
        "exhibits": [
            {
                "number": exhibit.number,
                "id": exhibit.id,
                "sha256": exhibit.sha256,
                "size": exhibit.size,
                "last_seq": last_seq[exhibit.id],
                "registration": exhibit.registration,
                "files": files,
            }
            for exhibit, files in listed
        ],
        "left_out": [{"what": what, "why": why} for what, why in left_out],
    }
    yield _json(head)[:-1].encode() + b',"entries":['
    comma = b""
    for start in range(0, len(history), 256):
        some = history[start : start + 256]
        proofs = job.repo.ledger.proofs([entry.index for entry in some], size=size)
        for entry, proof in zip(some, proofs, strict=True):
            opened = {name: o.to_json() for name, o in openings[entry.index].items()}
            yield (
                comma
                + _json(
                    {
                        "index": entry.index,
                        "body": entry.body.decode(),
                        "proof": str(proof),
                        "openings": opened,
                    }
                ).encode()
            )
            comma = b",\n"
    yield b"]}\n"


def _ledger_files(repo: Repository, sealed: Seals) -> dict[str, bytes]:
    found = {
        "ledger/checkpoint": sealed.note.encode(),
        "ledger/policy": policy_text(repo).encode(),
        "ledger/trust": trust_file(repo).encode(),
    }
    for number, der in enumerate(sealed.tokens, 1):
        found[f"ledger/tokens/{number}.tsr"] = der
    return found


def _file_name(exhibit: Exhibit, part: Recorded, parts: int) -> str:
    return f"data/{file_name(exhibit.number, part.part if parts > 1 else None)}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
