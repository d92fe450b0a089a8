"""What intake refuses or cannot do."""

from custody.errors import EvidenceError


class IngestError(EvidenceError):
    """Intake cannot do what was asked."""

    code = "ingest-error"


class SandboxUnavailable(IngestError):
    """The locked process that reads evidence files cannot be started."""

    code = "sandbox-unavailable"


class LibmagicMissing(IngestError):
    """The library that names file formats cannot be loaded."""

    code = "libmagic-missing"


class BadDigest(IngestError):
    """A declared digest is not well formed, or contradicts another."""

    code = "bad-digest"


class BadManifest(IngestError):
    """A list of files cannot be read, or contradicts itself; the line is named."""

    code = "bad-manifest"


class BadBundle(IngestError):
    """What was given is no bundle that can be read; nothing of it was taken in."""

    code = "bad-bundle"


class BundleHeld(IngestError):
    """A bundle does not verify: it is kept in quarantine as it came, and nothing was registered."""

    code = "bundle-held"

    def __init__(self, message: str, *, reason: str, quarantine: str, index: int) -> None:
        super().__init__(message)
        self.facts = {"reason": reason, "quarantine": quarantine, "index": index}


class SourceUnreadable(IngestError):
    """A file to be taken in cannot be opened, or is no regular file."""

    code = "source-unreadable"


class SourceChanged(IngestError):
    """A file changed while it was being taken in."""

    code = "source-changed"


class SourceIncomplete(IngestError):
    """Fewer or more bytes came in than were announced."""

    code = "source-incomplete"


class BadUpload(IngestError):
    """What an upload says of itself cannot be read, or contradicts itself or the list."""

    code = "bad-upload"


class UnknownUpload(IngestError):
    """There is no such upload, or it is somebody else's."""

    code = "unknown-upload"


class UploadExists(IngestError):
    """An upload is to be begun under an id that is taken."""

    code = "upload-exists"


class OffsetConflict(IngestError):
    """Bytes were offered for another place than the next one; `offset` is the next one."""

    code = "offset-conflict"

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class UploadTaken(IngestError):
    """A newer request goes on with this upload; what came in until then is kept."""

    code = "upload-taken-over"


class UploadEnded(IngestError):
    """The upload was terminated, has expired, or is complete; it takes no more bytes."""

    code = "upload-ended"


class UploadTooLarge(IngestError):
    """More bytes than announced, or than one upload may have."""

    code = "upload-too-large"


class ChecksumMismatch(IngestError):
    """The bytes of a request do not have the checksum it names; none of them was kept."""

    code = "checksum-mismatch"


class BadList(IngestError):
    """The list of a submission cannot be read; nothing of it was taken."""

    code = "bad-list"

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.facts = {} if line is None else {"line": line}


class ListDiffers(IngestError):
    """The submission has announced another list; a list is sent once."""

    code = "list-differs"


class SubmissionIncomplete(IngestError):
    """Files that were announced have not arrived, or are still being worked on."""

    code = "submission-incomplete"

    def __init__(self, message: str, **counts: int) -> None:
        super().__init__(message)
        self.facts = counts


class SubmissionCompleted(IngestError):
    """The submission is complete; begin another one for what is left."""

    code = "submission-completed"


class NoReceipt(IngestError):
    """The submission has no receipt of this stage yet."""

    code = "no-receipt"
