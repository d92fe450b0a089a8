"""The mapped tables: Person, Case, Grant, Token, Submission, Upload, Exhibit, Part and more."""

# Rows say how things are now; what happened stands in the ledger beside them (`custody.tables`).
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from repository import annotated, bundle, credentials, derivations, handovers, proceedings, rules  # noqa: F401
from repository.columns import DIGEST, UUID, Model
from repository.installed import Installed  # noqa: F401
from repository.mailbox_rows import Mailbox  # noqa: F401
from repository.matching import tables  # noqa: F401
from repository.numbered import Numbering  # noqa: F401
from repository.search import tables as search_tables  # noqa: F401


class Person(Model):
    """Someone who acts: the pseudonymous id stands in the ledger, the rest only here."""

    __tablename__ = "person"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str] = mapped_column(String(32))
    organisation: Mapped[str | None]
    country: Mapped[str | None]
    login: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    identity: Mapped[str | None] = mapped_column(UUID)  # first account of the same human being
    ended_at: Mapped[datetime | None]  # from then on nothing is allowed

    @property
    def one(self) -> str:
        """Return what all accounts of one human being have in common."""
        return self.identity or self.id


class Token(Model):
    """An API token; only the digest of its secret is kept."""

    __tablename__ = "token"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    submission_id: Mapped[str | None] = mapped_column(String(40))  # adds to it, and nothing else
    certificate_sha256: Mapped[str | None] = mapped_column(String(64))  # works with it alone


class Case(Model):
    """An investigation or proceeding; exhibit numbers are counted per case."""

    __tablename__ = "case_file"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    code: Mapped[str] = mapped_column(String(12), unique=True)
    title: Mapped[str]
    exhibits: Mapped[int] = mapped_column(default=0)  # numbers given so far
    opened_at: Mapped[datetime]
    organisation: Mapped[str | None]  # whose case it is; None: the house's own


class Grant(Model):
    """A person's role on one case."""

    __tablename__ = "case_grant"
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)
    granted_at: Mapped[datetime]
    party: Mapped[str | None]  # for whom counsel and experts act
    until: Mapped[datetime | None]
    __table_args__ = (Index("case_grant_person", "person_id"),)


class Submission(Model):
    """One act of handing over, with its declarations."""

    __tablename__ = "submission"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    declared: Mapped[dict[str, Any]]
    fingerprint: Mapped[str] = mapped_column(String(64))  # of who, where and what was named
    opened_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    touched_at: Mapped[datetime | None]  # when its last byte came in through an upload
    list_sha256: Mapped[str | None] = mapped_column(DIGEST)  # of its list, claims included
    list_index: Mapped[int | None]  # of the entry about the list; until then there is none
    done_index: Mapped[int | None]  # of the entry that completed it
    __table_args__ = (
        Index("submission_fingerprint", "fingerprint"),
        Index("submission_case", "case_id", "completed_at"),
    )


class Announced(Model):
    """One file of a submission's list, and what became of it."""

    __tablename__ = "announced"
    submission_id: Mapped[str] = mapped_column(
        String(40), ForeignKey("submission.id"), primary_key=True
    )
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 … in the list
    path: Mapped[bytes]
    path_sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    digests: Mapped[dict[str, Any]]  # algorithm -> "algorithm:hex", as declared
    claims: Mapped[dict[str, Any] | None]  # what is declared of this file alone
    thing: Mapped[int]  # the n of the first part of what it belongs to; its own if it stands alone
    part: Mapped[int]  # 1 … within the thing
    state: Mapped[str] = mapped_column(String(16))  # announced, stored, registered, quarantined
    exhibit_id: Mapped[str | None] = mapped_column(UUID)  # reserved once its bytes come in
    staged: Mapped[dict[str, Any] | None]  # everything registration needs, once it is stored
    index: Mapped[int | None]  # of its `registration` or `quarantine` entry
    __table_args__ = (
        Index("announced_state", "submission_id", "state", "n"),
        Index("announced_thing", "submission_id", "thing"),
        Index("announced_path", "submission_id", "path_sha256"),
        Index("announced_exhibit", "exhibit_id"),
    )


# Not over: bytes are missing; a worker finishes it; a request does (stored already; in memory).
COMING = ("open", "arrived", "closing", "finishing")


class Upload(Model):
    """One resumable upload: how far it has come, and what became of it."""

    __tablename__ = "upload"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    actor: Mapped[dict[str, Any]]  # who hands over, as entries will record them
    case_id: Mapped[str | None] = mapped_column(UUID, ForeignKey("case_file.id"))
    submission_id: Mapped[str | None] = mapped_column(String(40), ForeignKey("submission.id"))
    kind: Mapped[str] = mapped_column(String(16))  # whole, pack, partial, final
    path: Mapped[bytes]
    told: Mapped[str | None]  # `Upload-Metadata` as the client wrote it
    digests: Mapped[dict[str, Any]]  # algorithm -> "algorithm:hex", as declared
    first: Mapped[int | None]  # the files of the submission's list that it brings
    last: Mapped[int | None]
    partials: Mapped[list[Any] | None]  # the uploads that a final one consists of, in order
    length: Mapped[int | None]  # bytes in all, once that is known
    offset: Mapped[int]  # bytes that are stored durably
    writer: Mapped[str | None] = mapped_column(UUID)  # the request that may add bytes
    generation: Mapped[int]  # raised by a request that asks the writer to yield
    exhibit_id: Mapped[str | None] = mapped_column(UUID)  # reserved, for a file without a list
    alone: Mapped[bool]  # its submission was opened for it and ends with it
    sealed: Mapped[bool]  # False: it waits for its digest when the last byte is there
    state: Mapped[str] = mapped_column(String(16))  # `COMING`, or done, joined, ended
    reason: Mapped[str | None] = mapped_column(String(32))  # why it ended: terminated, expired, …
    results: Mapped[list[Any] | None]  # what became of its files
    wrapped: Mapped[bytes | None]  # the key of its pieces, wrapped by the house's; gone with them
    opened_at: Mapped[datetime]
    touched_at: Mapped[datetime]  # when the last byte came in
    __table_args__ = (
        Index("upload_state", "state", "touched_at"),
        Index("upload_submission", "submission_id"),
    )


class Piece(Model):
    """Some bytes of an upload, sealed as one object in the bucket `staging`."""

    __tablename__ = "piece"
    upload_id: Mapped[str] = mapped_column(UUID, ForeignKey("upload.id"), primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]  # bytes of plaintext
    key: Mapped[str] = mapped_column(String(100))  # of its object
    stored: Mapped[dict[str, Any]]
    __table_args__ = (Index("piece_key", "key"),)


class Machine(Model):
    """A process that serves or works, and when it last said so."""

    __tablename__ = "machine"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # serve, worker
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    __table_args__ = (Index("machine_beat", "beat_at"),)


class Setback(Model):
    """What background work could not do, why, and when it is tried again."""

    __tablename__ = "setback"
    duty: Mapped[str] = mapped_column(String(32), primary_key=True)
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)  # a thing, or the whole duty
    tries: Mapped[int]
    reason: Mapped[str]
    since: Mapped[datetime]
    next_at: Mapped[datetime | None]  # None: given up, and on record


class Intake(Model):
    """The durable intent to store one file: names its object before a byte is written."""

    __tablename__ = "intake"
    exhibit_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    submission_id: Mapped[str] = mapped_column(String(40), ForeignKey("submission.id"))
    path: Mapped[bytes]
    path_sha256: Mapped[str] = mapped_column(String(64))
    key: Mapped[str]
    started_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))  # open, registered, quarantined, abandoned
    __table_args__ = (
        Index("intake_path", "submission_id", "path_sha256"),
        Index("intake_key", "key"),
        Index("intake_state", "state", "started_at"),
    )


_ERASED, _REFUSED = text("erased_at IS NOT NULL"), text("outcome = 'refused'")


class Exhibit(Model):
    """One registered exhibit as lists show it; what counts in court is in the ledger."""

    __tablename__ = "exhibit"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    serial: Mapped[int]
    submission_id: Mapped[str] = mapped_column(String(40), ForeignKey("submission.id"))
    path: Mapped[bytes]
    path_sha256: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(DIGEST)
    size: Mapped[int]
    family: Mapped[str] = mapped_column(String(16))
    registered_at: Mapped[datetime]
    registration: Mapped[int]  # ledger index
    processed_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]  # of all its objects and copies, the longest not read
    copied_at: Mapped[datetime | None]  # when all its objects stood in the second store
    locked_until: Mapped[datetime | None]  # the earliest end of the locks of its objects
    erased_at: Mapped[datetime | None]  # when its key was destroyed by order
    __table_args__ = (
        UniqueConstraint("case_id", "serial"),
        Index("exhibit_sha256", "sha256"),
        Index("exhibit_submission", "submission_id", "path_sha256", "sha256"),
        Index("exhibit_registration", "submission_id", "registration"),
        Index("exhibit_unprocessed", "processed_at"),
        Index("exhibit_checked", "checked_at"),
        Index("exhibit_copied", "copied_at"),
        Index("exhibit_locked", "locked_until"),
        Index("exhibit_erased", "id", sqlite_where=_ERASED, postgresql_where=_ERASED),
    )


class Part(Model):
    """One part of an exhibit and where its bytes are."""

    __tablename__ = "part"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    digests: Mapped[dict[str, Any]]
    chunk_count: Mapped[int]
    chunk_root: Mapped[str] = mapped_column(DIGEST)
    stored: Mapped[dict[str, Any]]
    further: Mapped[list[Any] | None]  # objects after the first, where one was not enough
    manifest: Mapped[dict[str, Any]]  # the stored manifest object
    encryption: Mapped[str | None] = mapped_column(String(32))


class ChildExhibit(Model):
    """An exhibit that was taken out of another one, where it was the member its path names."""

    __tablename__ = "child_exhibit"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    parent_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    member_sha256: Mapped[str] = mapped_column(String(64))  # of the path; of a derivative its id
    __table_args__ = (UniqueConstraint("parent_id", "member_sha256"),)


class Quarantined(Model):
    """Bytes kept without an exhibit number: their declared digest is another."""

    __tablename__ = "quarantined"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(UUID, unique=True)  # becomes the exhibit's on release
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    submission_id: Mapped[str] = mapped_column(String(40), ForeignKey("submission.id"))
    path: Mapped[bytes]
    staged: Mapped[dict[str, Any]]  # everything registration needs
    index: Mapped[int]  # of its `quarantine` entry
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))  # held, released, rejected


class ExtractionRun(Model):
    """One run of identification and extraction over a part; the record itself is an object."""

    __tablename__ = "extraction_run"
    __table_args__ = (
        Index("extraction_run_refused", "exhibit_id", sqlite_where=_REFUSED,
              postgresql_where=_REFUSED),
    )  # fmt: skip
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(String(16))
    mime: Mapped[str | None]
    mismatch: Mapped[bool]
    facts: Mapped[int]
    record: Mapped[dict[str, Any]]  # the stored object
    record_sha256: Mapped[str] = mapped_column(DIGEST)
    index: Mapped[int]  # of its `metadata_extraction` entry
    at: Mapped[datetime]


class DerivedObject(Model):
    """One derivative of a run, encrypted under its exhibit's key; the record says what it is."""

    __tablename__ = "derived_object"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # as in the record
    kind: Mapped[str] = mapped_column(String(16))  # thumbnail, preview, page, text …
    mime: Mapped[str]
    size: Mapped[int]
    stored: Mapped[dict[str, Any]]
    index: Mapped[int]  # of its `derivative_creation` entry


class DataKey(Model):
    """The wrapped data key of an exhibit, or of the house's own documents; deleted by erasure."""

    __tablename__ = "data_key"
    __table_args__ = (Index("data_key_kek", "kek"),)
    subject: Mapped[str] = mapped_column(UUID, primary_key=True)
    kek: Mapped[str] = mapped_column(String(64))  # which key-encryption key wrapped it
    wrapped: Mapped[bytes]
    made_at: Mapped[datetime]


class ObjectCopy(Model):
    """Where an object of an exhibit is beside its registration: a copy, or a repaired one."""

    __tablename__ = "object_copy"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)  # as registered
    place: Mapped[str] = mapped_column(String(16), primary_key=True)  # primary, replica
    stored: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class ObjectCheck(Model):
    """When an object was last read again in a place and compared; none yet: see its copying."""

    __tablename__ = "object_check"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)  # as registered
    place: Mapped[str] = mapped_column(String(16), primary_key=True)  # primary, replica
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))  # pass, fail


class StoreTrial(Model):
    """What trying to break a store's locks came to, last time."""

    __tablename__ = "store_trial"
    place: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))  # pass, fail
    strength: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str]


class Chore(Model):
    """When a recurring task was last done, whichever machine did it."""

    __tablename__ = "chore"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    done_at: Mapped[datetime]


class Stray(Model):
    """An object in the store that no intent of ours names; on record once."""

    __tablename__ = "stray"
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[str] = mapped_column(String(100), primary_key=True)
    index: Mapped[int]  # of its `upload_abandoned` entry


class FixityRun(Model):
    """One run over all objects: how far it came and what it found, so that it can go on."""

    __tablename__ = "fixity_run"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    started_at: Mapped[datetime]
    last: Mapped[str] = mapped_column(String(24))  # number of the exhibit checked last
    checked: Mapped[int]
    failed: Mapped[int]
    undone: Mapped[int]
    finished_at: Mapped[datetime | None]


class Flow(Model):
    """Ranges of one exhibit read by one person for one purpose: one opening, one closing entry."""

    __tablename__ = "flow"
    request_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    fingerprint: Mapped[str] = mapped_column(String(64))  # of person, exhibit, part, purpose, role
    part: Mapped[int | None]  # of an exhibit of several
    actor: Mapped[dict[str, Any]]
    withheld: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    __table_args__ = (Index("flow_open", "fingerprint", "closed_at"),)


class FlowRange(Model):
    """One range of a flow: what was asked, and how much of it was sent."""

    __tablename__ = "flow_range"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    request_id: Mapped[str] = mapped_column(UUID, ForeignKey("flow.request_id"))
    first: Mapped[int]
    last: Mapped[int]
    sent: Mapped[int | None]  # None while it is being sent
    outcome: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = (Index("flow_range_of", "request_id"),)


class Erasure(Model):
    """An order to erase: who asked, who else decided, and what became of it. Kept for good."""

    __tablename__ = "erasure"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    document: Mapped[str] = mapped_column(DIGEST)
    requested_by: Mapped[str] = mapped_column(UUID)
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(UUID)
    decided_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16))  # requested, approved, refused, erased
    wrapped_sha256: Mapped[str | None] = mapped_column(String(64))  # of the destroyed wrapped key
    index: Mapped[int]  # of its `deletion_requested` entry
    __table_args__ = (Index("erasure_state", "state"),)
