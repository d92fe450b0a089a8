"""CustodyEntry, Actor and the closed vocabulary of acts with the fields each requires.

A `Draft` is what a caller wants recorded. The ledger completes it under its lock (index, sequence
number, time, salts) and writes the body once; those bytes are the entry from then on.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from custody.canonical import loads
from custody.commitment import Opening, Random, commit
from custody.errors import MalformedEntry, NotCanonical

VERSION = 1
MAX_BODY = 65_535

Clock = Callable[[], datetime]


class Act(StrEnum):
    """Every type of entry there is (docs/format.md 2.2). None is ever renamed or removed."""

    COLLECTION = "collection"
    SUBMISSION = "submission"
    RECEIPT = "receipt"
    QUARANTINE = "quarantine"
    VIRUS_CHECK = "virus_check"
    MESSAGE_DIGEST_CALCULATION = "message_digest_calculation"
    FORMAT_IDENTIFICATION = "format_identification"
    METADATA_EXTRACTION = "metadata_extraction"
    SIGNATURE_VALIDATION = "signature_validation"
    REGISTRATION = "registration"
    FIXITY_CHECK = "fixity_check"
    REPLICATION = "replication"
    MIGRATION = "migration"
    INTEGRITY_FAILURE = "integrity_failure"
    CONSULTATION = "consultation"
    RETRIEVAL = "retrieval"
    ACCESS_DENIED = "access_denied"
    WORKING_COPY_CREATION = "working_copy_creation"
    DERIVATIVE_CREATION = "derivative_creation"
    TRANSFER_RELEASED = "transfer_released"
    TRANSFER_RECEIVED = "transfer_received"
    TRANSFER_REFUSED = "transfer_refused"
    SEALING = "sealing"
    UNSEALING = "unsealing"
    DISSEMINATION = "dissemination"
    DISCLOSURE = "disclosure"
    REPORT_GENERATED = "report_generated"
    HANDLING_CHANGE = "handling_change"
    ACCESS_GRANT = "access_grant"
    ACCESS_REVOCATION = "access_revocation"
    CONSENT_RECORDED = "consent_recorded"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    IDENTITY_REVEALED = "identity_revealed"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_GIVEN = "approval_given"
    APPROVAL_REFUSED = "approval_refused"
    ASSOCIATION = "association"
    ANNOTATION = "annotation"
    CORRECTION = "correction"
    HOLD_PLACED = "hold_placed"
    HOLD_RELEASED = "hold_released"
    RETENTION_CHANGE = "retention_change"
    DELETION_REQUESTED = "deletion_requested"
    DELETION_APPROVED = "deletion_approved"
    ERASURE = "erasure"
    CHECKPOINT_ANCHORED = "checkpoint_anchored"
    KEY_ROTATION = "key_rotation"
    CASE_OPENED = "case_opened"
    PERSON_REGISTERED = "person_registered"
    SIGN_IN = "sign_in"
    SERVICE_STARTED = "service_started"
    STORE_CHECK = "store_check"
    REPAIR = "repair"
    MATCH_QUERY = "match_query"
    MATCH_NOTICE = "match_notice"
    RECEIPT_ACKNOWLEDGED = "receipt_acknowledged"
    CONFIGURATION_CHANGE = "configuration_change"
    UPLOAD_ABANDONED = "upload_abandoned"
    RESTORED = "restored"


OUTCOMES = frozenset({"done", "started", "aborted", "refused", "pass", "fail", "error", "not-done"})
CHECKS = frozenset({Act.VIRUS_CHECK, Act.FIXITY_CHECK, Act.SIGNATURE_VALIDATION, Act.STORE_CHECK})
CHECK_OUTCOMES = frozenset({"pass", "fail", "error", "not-done"})

# Names of fields in the body (and `exhibit`), or of withheld ones.
REQUIRED: Mapping[Act, frozenset[str]] = {
    Act.SUBMISSION: frozenset({"case"}),
    Act.RECEIPT: frozenset({"exhibit", "location"}),
    Act.QUARANTINE: frozenset({"reason", "location"}),
    Act.MESSAGE_DIGEST_CALCULATION: frozenset({"verification"}),
    Act.FORMAT_IDENTIFICATION: frozenset({"exhibit", "instrument"}),
    Act.METADATA_EXTRACTION: frozenset({"exhibit", "instrument", "reason"}),
    Act.REGISTRATION: frozenset({"exhibit", "parts"}),
    Act.FIXITY_CHECK: frozenset({"exhibit", "verification"}),
    Act.INTEGRITY_FAILURE: frozenset({"exhibit", "detail"}),
    Act.RETRIEVAL: frozenset({"exhibit", "purpose", "request_id"}),
    Act.ACCESS_DENIED: frozenset({"attempted", "reason"}),
    Act.TRANSFER_RELEASED: frozenset({"case", "purpose", "request_id"}),
    Act.TRANSFER_RECEIVED: frozenset({"case", "request_id"}),
    Act.TRANSFER_REFUSED: frozenset({"case", "request_id"}),
    Act.DISSEMINATION: frozenset({"exhibit", "purpose", "request_id"}),
    Act.DISCLOSURE: frozenset({"exhibit", "purpose", "request_id"}),
    Act.REPORT_GENERATED: frozenset({"request_id"}),
    Act.CORRECTION: frozenset({"corrects"}),
    Act.KEY_ROTATION: frozenset({"key"}),
    Act.CHECKPOINT_ANCHORED: frozenset({"anchor", "inputs", "outputs"}),
    Act.CASE_OPENED: frozenset({"case"}),
    Act.ACCESS_GRANT: frozenset({"case"}),
    Act.DELETION_REQUESTED: frozenset({"exhibit", "inputs", "motive"}),
    Act.DELETION_APPROVED: frozenset({"exhibit", "inputs", "motive"}),
    Act.ERASURE: frozenset({"inputs"}),  # of an exhibit, or of an identity in the vault
    Act.REPAIR: frozenset({"exhibit", "location"}),
    Act.REPLICATION: frozenset({"location"}),  # of an exhibit, or of the house: a backup
    Act.HANDLING_CHANGE: frozenset({"handling", "case", "motive"}),
    Act.IDENTITY_REVEALED: frozenset({"motive"}),  # an exhibit's source, or a codename
    Act.UNSEALING: frozenset({"case", "motive"}),
    Act.ASSOCIATION: frozenset({"case", "motive"}),
    Act.CONSENT_RECORDED: frozenset({"case", "motive"}),
    Act.CONSENT_WITHDRAWN: frozenset({"case", "motive"}),
    Act.HOLD_PLACED: frozenset({"exhibit", "count", "motive"}),
    Act.APPROVAL_REQUESTED: frozenset({"attempted", "motive"}),
    Act.APPROVAL_GIVEN: frozenset({"attempted", "motive"}),
    Act.APPROVAL_REFUSED: frozenset({"attempted", "motive"}),
}

WITHHELD = frozenset(
    {
        "actor_name", "organisation", "country", "case", "title", "purpose", "authority",
        "recipient", "name", "path", "source", "collected_by", "place", "method", "note",
        "asked", "motive", "detail",
    }
)  # fmt: skip
PERSONAL = frozenset({"actor_name", "organisation", "country"})  # sealed under the actor's key
PLAIN = frozenset(
    {
        "attempted", "occurred_at", "parts", "instrument", "inputs", "outputs", "verification",
        "location", "part", "ranges", "count", "handling", "corrects", "key", "anchor", "reasons",
        "succession",
    }
)  # fmt: skip

_REASON = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a pseudonymous id and a role that stay plain, and what is withheld.

    `assurance` says how the actor is known: `os-login`, `named`, `token`, `system` or `none`.
    """

    id: str
    role: str
    assurance: str
    name: str | None = None
    organisation: str | None = None
    country: str | None = None

    def withheld(self) -> dict[str, Any]:
        """Return what goes behind commitments: name, organisation and country as they are now."""
        found = {
            "actor_name": self.name,
            "organisation": self.organisation,
            "country": self.country,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ExhibitRef:
    """The exhibit an entry is about: internal id, number, digest and size in bytes."""

    id: str
    number: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller wants recorded.

    `plain` holds further fields of the body, `withheld` what goes behind commitments; `subject`
    is whose key seals the openings that are not personal: the exhibit by default, else a case id.
    """

    type: Act
    actor: Actor
    outcome: str = "done"
    reason: str | None = None
    exhibit: ExhibitRef | None = None
    request_id: str | None = None
    plain: Mapping[str, Any] = field(default_factory=dict)
    withheld: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None

    def openings(self, random: Random) -> dict[str, Opening]:
        """Return fresh openings of all withheld fields, the actor's own included."""
        values = {**self.actor.withheld(), **self.withheld}
        return {name: commit(value, random) for name, value in sorted(values.items())}

    def subject_of(self, name: str) -> str:
        """Return whose key seals the opening of a field."""
        if name in PERSONAL:
            return self.actor.id
        return self.subject or (self.exhibit.id if self.exhibit else self.actor.id)

    def check(self) -> None:
        """Refuse what the vocabulary does not allow.

        Raises:
            MalformedEntry: unknown type, outcome or field, a bad reason, or a required field that
                is missing.
        """
        if not isinstance(self.type, Act):
            raise MalformedEntry(f"{self.type!r} is no type of entry")
        if self.outcome not in (CHECK_OUTCOMES if self.type in CHECKS else OUTCOMES):
            raise MalformedEntry(f"{self.type} cannot have the outcome {self.outcome!r}")
        if self.reason is not None and not _REASON.fullmatch(self.reason):
            raise MalformedEntry(f"the reason {self.reason!r} is not a short code")
        strange = (set(self.plain) - PLAIN) | (set(self.withheld) - WITHHELD)
        if strange:
            raise MalformedEntry(f"an entry has no field {', '.join(sorted(strange))}")
        present = set(self.plain) | set(self.withheld)
        present |= {name for name in ("exhibit", "reason", "request_id") if getattr(self, name)}
        missing = REQUIRED.get(self.type, frozenset()) - present
        if missing:
            raise MalformedEntry(f"an entry {self.type} needs {', '.join(sorted(missing))}")


def body_of(
    draft: Draft, openings: Mapping[str, Opening], *, at: datetime, seq: int | None, by: str,
    random: Random,
) -> dict[str, Any]:  # fmt: skip
    """Return the body of an entry as a value, ready for `canonical.dumps`."""
    body: dict[str, Any] = {
        "v": VERSION,
        "id": uuid7(at, random),
        "at": timestamp(at),
        "type": str(draft.type),
        "outcome": draft.outcome,
        "actor": {
            "id": draft.actor.id,
            "role": draft.actor.role,
            "assurance": draft.actor.assurance,
        },
        "by": by,
        "clock": {"source": "system"},
        "salt": random(16).hex(),
        **draft.plain,
    }
    if draft.reason is not None:
        body["reason"] = draft.reason
    if draft.request_id is not None:
        body["request_id"] = draft.request_id
    if draft.exhibit is not None:
        body["exhibit"] = {
            "id": draft.exhibit.id,
            "number": draft.exhibit.number,
            "sha256": draft.exhibit.sha256,
            "size": draft.exhibit.size,
            "seq": seq,
        }
    if openings:
        body["_sd"] = {name: opening.commitment() for name, opening in openings.items()}
    return body


@dataclass(frozen=True)
class CustodyEntry:
    """One entry as it stands in the ledger: its index and its exact bytes."""

    index: int
    body: bytes

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Return the parsed body.

        Raises:
            MalformedEntry: the bytes are not a canonical object of version 1.
        """
        return parse_body(self.body)


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the fields of a body.

    Raises:
        MalformedEntry: too long, not canonical, not an object, or of an unknown version.
    """
    if len(body) > MAX_BODY:
        raise MalformedEntry(f"an entry of {len(body)} bytes is longer than {MAX_BODY}")
    try:
        found = loads(body)
    except NotCanonical as error:
        raise MalformedEntry(str(error)) from error
    if not isinstance(found, dict) or found.get("v") != VERSION:
        raise MalformedEntry(f"an entry is an object of version {VERSION}")
    return found


@lru_cache(maxsize=16)  # all entries of one transaction have one time
def timestamp(at: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with milliseconds.

    Raises:
        ValueError: the time is naive.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be recorded")
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def uuid7(at: datetime, random: Random) -> str:
    """Return a UUID version 7 (RFC 9562 §5.7) for a time."""
    milliseconds = int(at.timestamp() * 1000)
    value = (milliseconds << 80) | int.from_bytes(random(10))
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
