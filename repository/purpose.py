"""The purpose that every access states: a code, or a code and words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repository.errors import BadRequest, PurposeRequired, PurposeTooLong

# The last four are uses that a provider may exclude (`conditions.EXCLUDED_USES`): whoever reads for
# one of them says so, and is refused where it is excluded.
CODES = (
    "investigation", "analysis", "prosecution", "defence", "court", "disclosure", "sharing",
    "preservation", "audit", "victim-request", "other",
    "death-penalty", "trial-in-absentia", "immigration", "intelligence",
)  # fmt: skip
MAX_BYTES = 2_000

# A purpose -> for whom something leaves, as providers consent to it.
RECIPIENT_OF = {
    "court": "court", "prosecution": "court", "defence": "defence", "disclosure": "defence",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Purpose:
    """A code of the fixed list, and free words (may be empty); and on what it rests.

    `authority` is the warrant, request or article that an access states; `assured` are the uses
    that a recipient has ruled out in writing (`conditions.EXCLUDED_USES`).
    """

    code: str
    text: str
    authority: str | None = None
    assured: tuple[str, ...] = ()
    recipient: str | None = None  # for whom it leaves: an institution or a party
    practised: tuple[str, ...] = ()  # excluded uses on record of the recipient's jurisdiction
    left: bool = False  # the recipient is an institution that left

    def to_json(self) -> dict[str, Any]:
        """Return the withheld value of an entry."""
        found: dict[str, Any] = {"code": self.code, "text": self.text}
        if self.assured:
            found["assured"] = sorted(self.assured)
        return found


def parse(
    stated: str | None, *, authority: str | None = None, assured: Sequence[str] = ()
) -> Purpose:
    """Read `code` or `code: free text`; words without a code are `other`.

    Raises:
        PurposeRequired: nothing stated.
        PurposeTooLong: more than 2,000 bytes of UTF-8.
        BadRequest: not valid text.
    """
    if stated is None or not stated.strip():
        raise PurposeRequired(f"state a purpose: one of {', '.join(CODES)}, or 'code: your words'")
    try:
        length = len(stated.encode())
    except UnicodeEncodeError as error:
        raise BadRequest("the purpose is not valid Unicode text") from error
    if length > MAX_BYTES:
        raise PurposeTooLong(f"the purpose has {length} bytes; at most {MAX_BYTES} are allowed")
    if authority is not None and not (authority.strip() and len(authority.encode()) <= MAX_BYTES):
        raise BadRequest(f"an authority has 1 to {MAX_BYTES} bytes")
    code, _, words = stated.partition(":")
    rest = (authority, tuple(assured))
    if code.strip().lower() in CODES:
        return Purpose(code.strip().lower(), words.strip(), *rest)
    return Purpose("other", stated.strip(), *rest)
