"""receive(): measure, store, compare, register, acknowledge.

Intake, in order:
1. a durable intent names the object before a byte is written;
2. one streaming pass digests the bytes while the store writes them once;
3. the manifest of chunk digests is stored beside them;
4. declared digests are compared; a difference means quarantine, never loss;
5. exhibit row and custody entries commit in one transaction;
6. only then does the submitter get a receipt.

A crash between 1 and 5 leaves an intent: the next run of the same submission finds the object
under its name and goes on there.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

from custody.entry import Actor, timestamp
from ingest.errors import BadDigest
from ingest.register import Outcome, register
from ingest.staging import Received, Unchanged, abandon, intend, stage
from repository import Repository
from repository.errors import NameTaken
from repository.models import Case, Quarantined, Submission
from repository.submissions import held_back, registered

ALGORITHMS: Mapping[str, int] = {
    "sha256": 64, "sha512": 128, "sha384": 96, "sha224": 56, "sha1": 40, "md5": 32,
}  # fmt: skip


def declared_digests(given: Sequence[str]) -> dict[str, str]:
    """Read digests as submitters write them: `ALG:HEX`.

    Raises:
        BadDigest: an unknown algorithm, or hex that does not fit it.
    """
    found: dict[str, str] = {}
    for text in given:
        name, colon, digits = text.strip().partition(":")
        name, digits = name.lower().replace("-", ""), digits.lower()
        if not colon or name not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            raise BadDigest(f"a declared digest is ALG:HEX with ALG one of {known}")
        if len(digits) != ALGORITHMS[name] or set(digits) - set("0123456789abcdef"):
            raise BadDigest(f"a {name} digest has {ALGORITHMS[name]} hex digits")
        if found.setdefault(name, f"{name}:{digits}") != f"{name}:{digits}":
            raise BadDigest(f"two different {name} digests were declared")
    return found


def receive(
    repo: Repository,
    actor: Actor,
    case: Case,
    submission: Submission,
    source: BinaryIO,
    *,
    path: bytes,
    size: int | None,
    declared: Mapping[str, str],
    unchanged: Unchanged = lambda _: None,
) -> Outcome:
    """Take in one file, from intent to receipt.

    Args:
        repo: the repository.
        actor: an investigator or custodian of the case; the caller has authorised.
        case: the case.
        submission: the open submission it belongs to.
        source: the bytes, read once.
        path: its original path as raw bytes; data, never a path of ours.
        size: bytes to expect, if known.
        declared: algorithm -> `algorithm:hex` as declared by the submitter.
        unchanged: asked at the end of the stream whether the source stayed the same.

    Raises:
        StoreFull, StoreUnavailable: the bytes could not be stored; nothing was registered.
        NameTaken: an interrupted run left other bytes; they were put aside, send it once more.
        LedgerUnavailable: the registration could not be committed.
    """
    [[intent]] = intend(repo, submission, [[path]])
    try:
        staged = stage(repo, intent, source, size=size, declared=declared, unchanged=unchanged)
    except NameTaken:
        # An interrupted run stored other bytes under this name, and a stream cannot be read twice.
        abandon(repo, actor, [intent.row], reason="source-changed")
        raise
    [outcome] = register(repo, actor, case, submission, [Received((staged,))])
    return outcome


def made_before(
    repo: Repository, submission: Submission, path: bytes, *, since: datetime
) -> Outcome | None:
    """Return what became of a file that this submission was sent under a path since a time."""
    with repo.database.reading() as session:
        exhibits = registered(session, submission, path)
        held = held_back(session, submission, path)
    for one in exhibits:
        if one.registered_at >= since:
            at = timestamp(one.registered_at)
            return Outcome(
                "registered", path, one.sha256, one.size, submission.id, one.registration, at,
                one.id, number=one.number, again=True,
            )  # fmt: skip
    return next((_kept(one, submission) for one in held if one.at >= since), None)


def sha256_of(source: BinaryIO) -> str:
    """Read a stream to its end and return its digest."""
    digest = sha256()
    while block := source.read(1 << 20):
        digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _kept(row: Quarantined, submission: Submission) -> Outcome:
    received = Received.from_json(row.staged, exhibit_id=row.exhibit_id, path=row.path)
    return Outcome(
        "quarantined", row.path, received.sha256, received.size, submission.id, row.index,
        timestamp(row.at), row.exhibit_id, quarantine=row.id, again=True,
    )  # fmt: skip
