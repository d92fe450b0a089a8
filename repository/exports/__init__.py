"""export(): decide, record, report, prove, pack, record.

In order: 1. purpose and authority; 2. opening entries, one per exhibit and one for the house, in
one transaction: the size of the tree right after it is the size everything is proved in; 3. its
checkpoint goes to the store; 4. each exhibit through the verified reader; 5. the report, composed
from entries alone; 6. entries, proofs and openings; 7. the bag gets its name; 8. closing entries
with the digest of its manifest, or saying that nothing was handed out; 9. the closing entry with
its proof goes into the bag, which is whole only now.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.checkpoint import SignedCheckpoint
from custody.entry import Act, Actor, CustodyEntry, Draft, timestamp, uuid7
from custody.errors import EvidenceError, LedgerUnavailable
from repository import Repository, software
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.conditions import Marking
from repository.errors import DiskFull, ExportBlocked, NoSuchObject, StoreError
from repository.exports.bag import NO_ROOM, Bag, Measured
from repository.exports.choice import EVERYTHING, Choice
from repository.exports.chosen import picked
from repository.exports.encryption import fingerprint
from repository.exports.fonts import check_language, check_printed
from repository.exports.gathered import gather
from repository.exports.interrupted import interrupted_entries, mark_of, opened
from repository.exports.job import TWINS, Job, encrypted_entry, entries_about, made_row
from repository.exports.left_out import absent
from repository.exports.payload import part_keys, verified_whole
from repository.exports.said import check_choice, check_recipient
from repository.exports.tag_files import TAG_FILES, closing_file
from repository.ledger_mirror import publish
from repository.models import Case, Exhibit
from repository.naming import file_name
from repository.publication import announce
from repository.purpose import Purpose
from repository.retrieve import Recorded, recorded
from repository.stated import stated_purpose
from repository.still import check_still

_LOT = 50  # exhibits that are decided, and whose records are proved, together

Progress = Callable[[str], None]

Still = Callable[[Session, Sequence[Exhibit]], None]
"""Raises `ReleaseEnded` if one of these may leave no more."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished bundle: of which tree, its tag manifest's digest, its files, what it lacks."""

    report_id: str
    tree_size: int
    manifests: list[str]  # one; of each volume, where there are several
    listed: list[tuple[Exhibit, list[str]]]  # with the names of its parts, in order
    left_out: list[tuple[str, str]]
    ciphers: list[tuple[str, str, str]]  # as `Bag.ciphers`

    @property
    def manifest(self) -> str:
        """Return the digest of the tag manifest of the one bag, or of the first volume."""
        return self.manifests[0]

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
    stamped: str | None = None,
    twins: Sequence[str] = TWINS,
    choice: Choice = EVERYTHING,
    request_id: str | None = None,
    language: str = "en",
    encrypt_to: Sequence[str] = (),
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
        stamped: numbered copies go `beside` their originals, or `instead` of them.
        twins: which of the forms for machines go too.
        choice: which personal fields of the entries are opened, of those that the rules let out.
        request_id: of its entries and its report; drawn here, if none is given.
        language: of its report, one of `report_words.LANGUAGES`.
        encrypt_to: public keys that it leaves encrypted to; the entries name their fingerprints.
        progress: is told each step.

    Raises:
        BadRequest: no words for a recipient, or too many.
        PurposeRequired, UnknownCase, UnknownExhibit, AccessDenied: refused and recorded.
        ExportBlocked: nothing to export, the place is taken, or something cannot be put in.
        GlyphMissing: the fonts of that language are not installed, or none prints its own words.
        IntegrityError: an exhibit's stored bytes differ; nothing was handed out.
    """
    check_language(language)
    check_printed(purpose, recipient, authority)
    check_recipient(recipient)
    stated = stated_purpose(  # (1)
        repo, caller, purpose, Act.REPORT_GENERATED, authority=authority, assured=assured,
        recipient=recipient,
    )  # fmt: skip
    actor, case = on_case(
        repo, caller, Right.EXPORT, code, attempted=Act.REPORT_GENERATED, purpose=stated
    )
    found = picked(repo, caller, case, numbers, stated, stamped)
    check_choice(repo, found.exhibits, annotations)
    choice.check({one.number for one in found.exhibits}, annotations)

    def still(session: Session, exhibits: Sequence[Exhibit]) -> None:
        check_still(repo, caller, session, Right.EXPORT, exhibits, stated)

    return bundle_of(
        repo, actor, case, found.exhibits, found.markings, into,
        purpose=stated, recipient=recipient, request_id=request_id, still=still,
        instead=found.instead, annotations=annotations, language=language, twins=twins,
        choice=choice, answered=True, encrypt_to=encrypt_to, progress=progress,
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
    twins: Sequence[str] = (),
    language: str = "en",
    choice: Choice = EVERYTHING,
    answered: bool = False,
    encrypt_to: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> Exported:
    """Write the bundle of exhibits; whether it may be made was decided before.

    `answered`: a receipt is awaited of whoever gets it; that of a transfer comes another way.

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
        twins=twins,
        language=language,
        choice=choice,
        answered=answered,
        encrypt_to=[fingerprint(one) for one in encrypt_to],
    )
    with into as bag:
        mark = mark_of(job, bag.spread)
        before, size = _gone_on(job, bag, mark, request_id)
        for told in bag.interrupted:
            if told != before:
                progress(f"{told['report']} was interrupted here, and is removed: it begins anew")
                if ends := interrupted_entries(job, told):
                    repo.ledger.record(*ends)
        if before is not None:
            progress(f"{before['report']} was interrupted here: it goes on")
            if repo.ledger.size() == size:
                announce(repo, stamp=True)  # (3) it may have ended before that
            job = replace(job, request_id=before["report"], at=before["at"])
        bag.begun(before or mark)
        head = _opened(job, "resumed" if before else None)  # (2)
        try:
            return _write(job, bag, size or head, still, progress)
        except BaseException as error:
            repo.ledger.record(*entries_about(job, "aborted", reason=_reason(error)))  # (8)
            raise


def _opened(job: Job, reason: str | None) -> int:
    """Write the opening entries; return the size of the tree that ends with them."""
    drafts = entries_about(job, "started", reason=reason)
    with job.repo.database.writing() as session:  # not grouped: a head ends with them
        return job.repo.ledger.append(session, drafts)[-1].index + 1


def _reason(error: BaseException) -> str:
    """Return the code by which an entry says why an export ended."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return DiskFull.code
    return error.code if isinstance(error, EvidenceError) else "error"


def _gone_on(
    job: Job, bag: Bag, mark: Mapping[str, Any], request_id: str | None
) -> tuple[Mapping[str, Any] | None, int]:
    """Return the mark of the same export that was interrupted there, and the size of its tree."""
    for told in bag.interrupted:
        named = request_id in (None, told.get("report"))
        if named and told.get("same") == mark["same"] and (size := opened(job, told)):
            return told, size
    return None, 0


def _write(job: Job, bag: Bag, size: int, still: Still, progress: Progress) -> Exported:
    repo = job.repo
    signed = repo.ledger.checkpoint_at(size)
    progress("checkpoint: witnesses and time-stamps")
    announced = announce(repo, stamp=True)  # (3)
    problems = announced.problems if announced else []
    volumes = bag.lay_out([(exhibit.number, exhibit.size) for exhibit in job.exhibits])
    listed = _packed(job, bag, volumes, still, progress)  # (4)
    left_out = _described(job, bag, signed, listed, volumes, problems, progress)  # (5) (6)
    info = [
        ("Bag-Software-Agent", software()),
        ("Bagging-Date", job.at[:10]),
        ("External-Identifier", job.request_id),
    ]
    manifests = bag.finish(info=info)  # (7)
    done = entries_about(job, "done", manifests=manifests, left_out=left_out)
    try:
        closing = _close(job, still, done, size)  # (8)
        bag.seal(*closing_file(repo, size - 1, closing.index))  # (9)
        if bag.ciphers:
            repo.ledger.record(encrypted_entry(job, bag.ciphers, manifests))
    except BaseException:
        bag.take_back()  # whatever it was: nobody was given it
        raise
    try:
        publish(repo)
    except (StoreError, LedgerUnavailable) as error:  # the bundle is whole, and says so
        progress(
            f"the newest checkpoint is not in the store yet, and is brought there later: {error}"
        )
    return Exported(job.request_id, size, manifests, listed, left_out, bag.ciphers)


def _described(
    job: Job,
    bag: Bag,
    signed: SignedCheckpoint,
    listed: Sequence[tuple[Exhibit, list[str]]],
    volumes: Sequence[int],
    problems: Sequence[str],
    progress: Progress,
) -> list[tuple[str, str]]:
    """Write what stands beside the exhibits, and let go of it; return what was left out."""
    progress("entries")
    found = gather(job, signed, listed, bag.files, problems)
    if bag.volumes is not None:
        found = replace(found, volumes=(bag.volumes, tuple(volumes)))
    if found.by_reference:
        found.left_out.insert(0, absent(len(listed)))
    progress("report")
    for make in TAG_FILES:
        for name, blocks in make(found):
            bag.add(name, blocks)
            progress(name)
    return found.left_out


def _packed(
    job: Job, bag: Bag, volumes: Sequence[int], still: Still, progress: Progress
) -> list[tuple[Exhibit, list[str]]]:
    """Put the exhibits into the bag, as many at once as it takes; return them with their files."""
    repo = job.repo
    listed: list[tuple[Exhibit, list[str]]] = []

    def pack(
        exhibit: Exhibit, parts: Sequence[Recorded], keys: Sequence[bytes | None], volume: int
    ) -> list[Measured]:
        found = []
        for part, key in zip(parts, keys, strict=True):
            name, size = _file_name(exhibit, part, len(parts)), part.size
            kept = bag.kept(name, volume, (part.digests["sha256"].removeprefix("sha256:"), size))
            digest = sha256()
            blocks = verified_whole(repo, exhibit, part, key, digest)
            try:
                found.append(kept or bag.measured(name, blocks, volume, size, digest))
            except NoSuchObject as error:  # it names an object, and no exhibit
                raise NoSuchObject(f"{exhibit.number}: {error}; nothing was handed out") from error
        return found

    def listing(lot: Sequence[Exhibit], packed: Iterator[list[Measured]]) -> None:
        for exhibit, files in zip(lot, packed, strict=True):
            progress(exhibit.number)
            bag.files += files
            listed.append((exhibit, [path for path, *_ in files]))

    pool = ThreadPoolExecutor(bag.at_once)
    packing: list[tuple[Sequence[Exhibit], Iterator[list[Measured]]]] = []
    try:
        for start in range(0, len(job.exhibits), _LOT):
            lot = job.exhibits[start : start + _LOT]
            with repo.database.reading() as session:
                still(session, lot)
            parts = recorded(repo, lot)
            keys = part_keys(repo, parts)
            packed = pool.map(
                pack, lot, [parts[one.id] for one in lot], [keys[one.id] for one in lot],
                volumes[start : start + _LOT],
            )  # fmt: skip
            packing.append((lot, packed))
            if len(packing) > 1:  # the next lot is decided while one is being packed
                listing(*packing.pop(0))
        for one in packing:
            listing(*one)
    finally:
        pool.shutdown(cancel_futures=True)
    return listed


def _close(job: Job, still: Still, drafts: Sequence[Draft], size: int) -> CustodyEntry:
    """Write the closing entries, unless something may leave no more.

    Returns:
        That of the house, which has the digests of the tag manifests.

    Raises:
        ReleaseEnded: what was withdrawn has an earlier entry than this one would have.
    """
    repo = job.repo
    with repo.database.writing() as session:
        take_lock(session)
        still(session, job.exhibits)
        closed = repo.ledger.append(session, drafts)[-1]
        if job.answered:
            session.merge(made_row(job, size, closed))  # perhaps it was closed, and not sealed
        return closed


def _file_name(exhibit: Exhibit, part: Recorded, parts: int) -> str:
    return f"data/{file_name(exhibit.number, part.part if parts > 1 else None)}"
