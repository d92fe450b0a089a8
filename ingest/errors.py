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


class SourceUnreadable(IngestError):
    """A file to be taken in cannot be opened, or is no regular file."""

    code = "source-unreadable"


class SourceChanged(IngestError):
    """A file changed while it was being taken in."""

    code = "source-changed"


class SourceIncomplete(IngestError):
    """Fewer or more bytes came in than were announced."""

    code = "source-incomplete"
