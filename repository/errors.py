"""What the repository refuses or cannot do."""

from collections.abc import Mapping, Sequence
from typing import Any

from custody.errors import EvidenceError


class RepositoryError(EvidenceError):
    """The repository cannot do what was asked."""

    code = "repository-error"


class WrongUse(RepositoryError):
    """What was asked makes no sense as it was asked."""

    code = "wrong-use"


class StoreError(RepositoryError):
    """The object store cannot do what was asked."""

    code = "store-error"


class StoreUnavailable(StoreError):
    """The object store does not answer, or answers with an error."""

    code = "store-unavailable"


class StoreFull(StoreError):
    """The object store has no room left."""

    code = "store-full"


class StoreUnfit(StoreError):
    """The object store lacks what evidence needs: lock, versioning, or a readable lock."""

    code = "store-unfit"


class NameTaken(StoreError):
    """Other bytes are stored under this name already; nothing was overwritten."""

    code = "name-taken"


class NoSuchObject(StoreError):
    """The object store has no such object or version."""

    code = "no-such-object"


class Locked(StoreError):
    """A lock or a legal hold forbids it; nothing was changed."""

    code = "locked"


class KeyUnavailable(RepositoryError):
    """A key that is needed cannot be read, or does not fit."""

    code = "key-unavailable"


class Erased(RepositoryError):
    """The exhibit's key was destroyed by order; its bytes cannot be read by anyone."""

    code = "exhibit-erased"


class NotExtracted(RepositoryError):
    """Nobody has looked at the exhibit yet, or nothing of that kind was made of it."""

    code = "not-extracted"


class IntegrityError(RepositoryError):
    """Stored bytes differ from what was recorded; nothing of the differing part was given out."""

    code = "integrity-error"


class BackupDamaged(IntegrityError):
    """A backup was cut off or changed, or holds other than it says; nothing was taken from it."""

    code = "backup-damaged"


class DigestMismatch(IntegrityError):
    """The bytes received do not have the digest that was declared."""

    code = "digest-mismatch"


class AlreadyInitialised(RepositoryError):
    """A repository is in this folder already; nothing was changed."""

    code = "already-initialised"


class NotInitialised(RepositoryError):
    """There is no repository in this folder."""

    code = "not-initialised"


class WrongDatabase(RepositoryError):
    """The database was made by another version of this program."""

    code = "wrong-database"


class BackupRefused(WrongUse):
    """This backup cannot be used here, or not with these shares."""

    code = "backup-refused"


class DiskFull(RepositoryError):
    """There is no room left on the disk of the data folder."""

    code = "disk-full"


class BadRequest(WrongUse):
    """A value does not fit what it is for."""

    code = "bad-request"


class BadQuery(BadRequest):
    """A search cannot be read; the message says what to do."""

    code = "bad-query"


class ListConflicts(WrongUse):
    """Rows of a list cannot be applied; nothing of it was."""

    code = "list-conflicts"

    def __init__(self, message: str, *, count: int, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.facts = {"count": count, "problems": list(problems)}


class UnknownCase(WrongUse):
    """There is no such case, or you have no part in it."""

    code = "unknown-case"


class UnknownExhibit(WrongUse):
    """There is no such exhibit, or you have no part in its case."""

    code = "unknown-exhibit"


class UnknownIdentity(WrongUse):
    """There is no such codename in the vault, or you have no part in its case."""

    code = "unknown-identity"


class UnknownPerson(WrongUse):
    """There is no such person."""

    code = "unknown-person"


class UnknownSubmission(WrongUse):
    """There is no such submission in this case."""

    code = "unknown-submission"


class UnknownQuarantine(WrongUse):
    """Nothing with this id is in quarantine."""

    code = "unknown-quarantine"


class UnknownErasure(WrongUse):
    """No erasure with this id waits for a decision."""

    code = "unknown-erasure"


class UnknownMailbox(WrongUse):
    """No mailbox is opened by this code-name, or none are kept here."""

    code = "unknown-mailbox"


class UnknownNotice(WrongUse):
    """There is no such notice of a match that you may know of."""

    code = "unknown-notice"


class TooManyQueries(RepositoryError):
    """A person or an institution asked for matches more often than it may; recorded."""

    code = "too-many-queries"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownHold(WrongUse):
    """No hold with this id is on, or you have no part in its case."""

    code = "unknown-hold"


class UnknownConsent(WrongUse):
    """Your institution is asked for no consent with this id, or answered it."""

    code = "unknown-consent"


class UnknownWorkingCopy(WrongUse):
    """There are no working copies of this name, or somebody else made them."""

    code = "unknown-working-copy"


class UnknownAnnotation(WrongUse):
    """There is no such tag, note or assessment, or you have no part in its case."""

    code = "unknown-annotation"


class UnknownSelection(WrongUse):
    """There is no such selection, or it is not shared with you."""

    code = "unknown-selection"


class UnknownSearch(WrongUse):
    """There is no such saved search, or it is not shared with you."""

    code = "unknown-search"


class OnHold(RepositoryError):
    """A matter keeps the exhibit: nothing of it is erased before every hold is released."""

    code = "on-hold"


class UnknownApproval(WrongUse):
    """No act of two persons with this id waits for a decision."""

    code = "unknown-approval"


class ApprovalExpired(RepositoryError):
    """Nobody decided in time about what was asked for."""

    code = "approval-expired"


class UnknownTransfer(WrongUse):
    """There is no such transfer of custody that you have a part in."""

    code = "unknown-transfer"


class TransferOpen(RepositoryError):
    """The exhibit was released before, and that is not answered yet."""

    code = "transfer-open"


class TransferAnswered(RepositoryError):
    """Nothing of this transfer waits for an answer any more."""

    code = "transfer-answered"


class AnswerRefused(RepositoryError):
    """A receipt of another installation does not fit; nothing was changed, and it is on record."""

    code = "answer-refused"


class NoEarlierCustody(RepositoryError):
    """The exhibit did not come from another repository; custody begins with its receipt here."""

    code = "no-earlier-custody"


class UnknownToken(WrongUse):
    """There is no such token."""

    code = "unknown-token"


class UnknownPasskey(WrongUse):
    """There is no such passkey, or it is somebody else's."""

    code = "unknown-passkey"


class UnknownSession(WrongUse):
    """There is no such session of a browser."""

    code = "unknown-session"


class AlreadyExists(WrongUse):
    """This code or name is taken."""

    code = "already-exists"


class PurposeRequired(WrongUse):
    """Every access to evidence states a purpose."""

    code = "purpose-required"


class PurposeTooLong(WrongUse):
    """A purpose has at most 2,000 bytes."""

    code = "purpose-too-long"


class RangeNotSatisfiable(WrongUse):
    """The range lies outside the exhibit."""

    code = "range-not-satisfiable"

    def __init__(self, message: str, *, size: int | None) -> None:
        super().__init__(message)
        self.size = size


class PartRequired(BadRequest):
    """The exhibit has several parts; say which one."""

    code = "part-required"


class UnknownPart(RepositoryError):
    """The exhibit has no such part."""

    code = "unknown-part"


class BadLocator(BadRequest):
    """This is no locator, or it is written otherwise than a locator is printed."""

    code = "bad-locator"


class UnknownPlace(WrongUse):
    """The exhibit has no such place: it lies beyond its end, or nothing of it is known."""

    code = "unknown-place"


class CitedDigestDiffers(RepositoryError):
    """What stands at the place has another digest than was cited."""

    code = "cited-digest-differs"


class MemberNotTakenOut(RepositoryError):
    """The member of a container has to be made an exhibit before more of it can be opened."""

    code = "member-not-taken-out"


class AccessDenied(RepositoryError):
    """The rules do not allow this act; the refusal was recorded."""

    code = "access-denied"


class SignInRefused(RepositoryError):
    """The credentials do not identify anyone who may act."""

    code = "sign-in-refused"


class StepUpRequired(SignInRefused):
    """This act needs a sign-in that is not long ago (RFC 9470); the refusal was recorded."""

    code = "step-up-required"

    def __init__(self, message: str, *, max_age: int) -> None:
        super().__init__(message)
        self.facts = {"max_age": max_age}


class ExportBlocked(RepositoryError):
    """The export was not made; nothing that looks complete was left."""

    code = "export-blocked"


class SignatureUnavailable(RepositoryError):
    """The signature that the settings demand cannot be made now; nothing was handed out."""

    code = "signature-unavailable"


class ExportNotReady(RepositoryError):
    """The export is still being made."""

    code = "export-not-ready"
    retry_after = 5


class ExportEnded(RepositoryError):
    """The export was kept for some days; it has to be asked for anew."""

    code = "export-ended"


class UnknownExport(WrongUse):
    """There is no such export, or somebody else asked for it."""

    code = "unknown-export"


class ReleaseEnded(ExportBlocked):
    """Consent or access ended while the export was being made; nothing was handed out."""

    code = "release-ended"


class IdempotencyKeyReused(RepositoryError):
    """A key that stood for one request comes with another."""

    code = "idempotency-key-reused"


class IdempotencyKeyInUse(RepositoryError):
    """The request that a key stands for is being dealt with at this moment."""

    code = "idempotency-key-in-use"
    retry_after = 1
