"""Every way custody can fail, and the base of all errors of the system."""

from collections.abc import Mapping
from typing import Any


class EvidenceError(Exception):
    """The base of every error of the system.

    `code` is a stable slug (the RFC 9457 `type` on HTTP). The docstring of each class is the
    general sentence; the message names the thing and what to do next. `facts` are what programs
    are told beside it (further members of the RFC 9457 document).
    """

    code = "error"
    facts: Mapping[str, Any] = {}


class CustodyError(EvidenceError):
    """The custody ledger cannot do what was asked."""

    code = "custody-error"


class NotCanonical(CustodyError):
    """A value has no canonical form, or bytes are not in it."""

    code = "not-canonical"


class MalformedEntry(CustodyError):
    """An entry breaks the rules of its format or vocabulary."""

    code = "malformed-entry"


class MalformedNote(CustodyError):
    """A signed note, checkpoint, verifier key or proof is not well formed."""

    code = "malformed-note"


class MalformedPolicy(CustodyError):
    """A witness policy is not well formed (C2SP tlog-policy)."""

    code = "malformed-policy"


class HostUnavailable(CustodyError):
    """A configured host does not answer usably."""

    code = "host-unavailable"


class WitnessRefused(CustodyError):
    """A witness refuses the checkpoint, or what it answers makes no sense."""

    code = "witness-refused"


class WitnessUnavailable(CustodyError):
    """A witness does not answer."""

    code = "witness-unavailable"


class MalformedTimestamp(CustodyError):
    """These bytes are no time-stamp answer or request (RFC 3161)."""

    code = "malformed-timestamp"


class BadTimestamp(CustodyError):
    """A time-stamp does not verify: other data, or nobody pinned vouches for it."""

    code = "bad-timestamp"


class TimestampRefused(CustodyError):
    """A time-stamping authority refused to give a token."""

    code = "timestamp-refused"


class TimestampUnavailable(CustodyError):
    """A time-stamping authority does not answer usably."""

    code = "timestamp-unavailable"


class MalformedEvidenceRecord(CustodyError):
    """These bytes are no evidence record (RFC 4998)."""

    code = "malformed-evidence-record"


class BadEvidenceRecord(CustodyError):
    """An evidence record does not prove what it should."""

    code = "bad-evidence-record"


class BadSignature(CustodyError):
    """A signature does not verify, or no known key signed."""

    code = "bad-signature"


class BadProof(CustodyError):
    """An inclusion or consistency proof does not verify."""

    code = "bad-proof"


class BadOpening(CustodyError):
    """An opening does not open its commitment, or its key does not fit."""

    code = "bad-opening"


class SignerUnavailable(CustodyError):
    """The signing key cannot be read or used."""

    code = "signer-unavailable"


class LedgerUnavailable(CustodyError):
    """The ledger cannot be written or read now; nothing is served."""

    code = "ledger-unavailable"


class LedgerBehind(LedgerUnavailable):
    """The ledger is shorter than one that was given out before; nothing is appended."""

    code = "ledger-behind"

    def __init__(self, message: str, *, size: int = 0, by: str = "") -> None:
        """Say so; where a witness showed it, which one, and the size that it cosigned."""
        super().__init__(message)
        self.size = size
        self.by = by


class LedgerDamaged(CustodyError):
    """The ledger's stored rows contradict each other."""

    code = "ledger-damaged"


class EntriesMissing(LedgerDamaged):
    """Entries up to a checkpoint that was given out are not where they were kept."""


class NoSuchEntry(CustodyError):
    """No entry stands at this index."""

    code = "no-such-entry"
