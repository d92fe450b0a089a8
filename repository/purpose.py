"""The purpose that every access states: a code, or a code and words."""

from dataclasses import dataclass

from repository.errors import BadRequest, PurposeRequired, PurposeTooLong

CODES = (
    "investigation", "analysis", "prosecution", "defence", "court", "disclosure", "sharing",
    "preservation", "audit", "victim-request", "other",
)  # fmt: skip
MAX_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class Purpose:
    """A code of the fixed list, and free words (may be empty)."""

    code: str
    text: str

    def to_json(self) -> dict[str, str]:
        """Return the withheld value of an entry."""
        return {"code": self.code, "text": self.text}


def parse(stated: str | None) -> Purpose:
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
    code, _, words = stated.partition(":")
    if code.strip().lower() in CODES:
        return Purpose(code.strip().lower(), words.strip())
    return Purpose("other", stated.strip())
