"""Which algorithms are trusted until when, and what becomes of proofs made with one that fell."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from custody.errors import BadEvidenceRecord

HASHES = ("sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")


class Verdict(StrEnum):
    """How far a proof is accepted."""

    ACCEPTED = "accepted"
    BY_EARLIER_EVIDENCE = "accepted only because of earlier evidence"
    NOT_ACCEPTED = "not accepted"


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Until when each algorithm counts, by name; one that is not named counts without end."""

    until: Mapping[str, datetime] = field(default_factory=dict)

    def counts(self, name: str, at: datetime) -> bool:
        """Say whether an algorithm is still trusted at a time."""
        end = self.until.get(name)
        return end is None or at < end

    def judge(self, name: str, now: datetime, proved_at: datetime | None) -> Verdict:
        """Judge a proof made with an algorithm, given when something sounder dated it."""
        if self.counts(name, now):
            return Verdict.ACCEPTED
        if proved_at is not None and self.counts(name, proved_at):
            return Verdict.BY_EARLIER_EVIDENCE
        return Verdict.NOT_ACCEPTED


def digest(name: str, data: bytes) -> bytes:
    """Return the digest of data.

    Raises:
        BadEvidenceRecord: the algorithm is not one of `HASHES`.
    """
    if name not in HASHES:
        raise BadEvidenceRecord(f"the hash algorithm {name} is not known here")
    return hashlib.new(name, data).digest()
