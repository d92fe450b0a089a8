"""What the command line and the service refuse or cannot do themselves."""

from custody.errors import EvidenceError

TYPE_PREFIX = "https://evidence.invalid/problems/"  # before an error's code, in problems (RFC 9457)


class PortInUse(EvidenceError):
    """Another program listens on this address."""

    code = "port-in-use"


class CertificateUnusable(EvidenceError):
    """The service's certificate or its key cannot be used."""

    code = "certificate-unusable"


class BadInvitation(EvidenceError):
    """An invitation or the address of a service cannot be read."""

    code = "bad-invitation"


class LineLost(EvidenceError):
    """The line to the service broke or stood still; what arrived there stays."""

    code = "line-lost"


class LineIntercepted(EvidenceError):
    """Somebody else than the service answers; nothing is sent to him."""

    code = "line-intercepted"


class ServiceUnavailable(EvidenceError):
    """The service says that it cannot at the moment."""

    code = "service-unavailable"
    retry_after: int | None = None  # seconds, if it says so


class ServiceRefused(EvidenceError):
    """The service does not let this token do what was asked."""

    code = "service-refused"


class ServiceDisagrees(EvidenceError):
    """The service does not accept what was sent, or answers what cannot be."""

    code = "service-disagrees"
    problem: str | None = None  # the code of the service's own problem


class RunningAlready(EvidenceError):
    """Another run of the same command is at work."""

    code = "running-already"


class ProviderUnavailable(EvidenceError):
    """An identity provider does not answer, or not as one does."""

    code = "provider-unavailable"


class WrongVersion(EvidenceError):
    """The client speaks another version of the protocol of uploads."""

    code = "wrong-version"


class NotListed(EvidenceError):
    """A file was found only after the list of its submission had been sent."""

    code = "not-listed"


class ReceiptRefused(EvidenceError):
    """A receipt that was given does not verify, or is about something else."""

    code = "receipt-refused"


class SandboxBusy(EvidenceError):
    """Another request is having a container read; this one was not begun."""

    code = "sandbox-busy"


class PreconditionFailed(EvidenceError):
    """What was to be changed is not any more as the client saw it."""

    code = "precondition-failed"


class MalformedJson(EvidenceError):
    """A body is not JSON as this service reads it."""

    code = "malformed-json"


class TooManyRequests(EvidenceError):
    """A caller asks more often than its allowance lets it."""

    code = "too-many-requests"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
