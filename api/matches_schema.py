"""What is asked and answered about matches across institutions."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class NewQuestion(BaseModel):
    """What is asked for: a value of a kind; of a place also when, with its zone."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal[
        "file", "picture", "telephone", "imei", "device", "account", "mail", "url", "place"
    ]
    value: str
    at: str | None = None


class ContactView(BaseModel):
    """Whom to contact at an institution."""

    organisation: str
    contact: str


class PartyList(BaseModel):
    """The institutions that take part."""

    items: list[ContactView]


class AnswerView(BaseModel):
    """Hit or no hit, and whom to contact; `entry` is the index of the question's entry."""

    query: str
    hit: bool
    contacts: list[ContactView]
    entry: int


class NoticeView(BaseModel):
    """There is a match with another institution; `exhibits` are your own, `query` was asked."""

    notice: str
    at: str
    kinds: list[str]
    organisation: str
    contact: str
    exhibits: list[str]
    query: str | None
    entry: int
    acknowledged_at: str | None
    acknowledged_entry: int | None


class NoticeList(BaseModel):
    """Notices, the newest first."""

    items: list[NoticeView]


_V1 = "/api/v1"
_PURPOSE = {
    "name": "Evidence-Purpose",
    "in": "header",
    "required": True,
    "description": "`code` or `code: words`, UTF-8, percent-encoded",
    "schema": {"type": "string"},
}
_AUTHORITY = {
    "name": "Evidence-Authority",
    "in": "header",
    "required": False,
    "description": "the warrant, request or article it rests on, UTF-8, percent-encoded",
    "schema": {"type": "string"},
}
_ALL = {"name": "all", "in": "query", "schema": {"enum": ["true"]}}
_NOTICE = {"name": "notice", "in": "path", "required": True, "schema": {"type": "string"}}

# As `api.openapi.OPERATIONS`.
MATCH_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "post",
        f"{_V1}/matches",
        "Ask whether somebody holds a value: hit or no hit, and whom to contact",
        {200: AnswerView},
        [_PURPOSE, _AUTHORITY],
        NewQuestion,
    ),
    ("get", f"{_V1}/matches/parties", "Who takes part in matching", {200: PartyList}, [], None),
    (
        "get",
        f"{_V1}/matches/notices",
        "What your institution was told of matches",
        {200: NoticeList},
        [_ALL],
        None,
    ),
    (
        "post",
        f"{_V1}/matches/notices/{{notice}}/acknowledgement",
        "Note that your institution has read a notice",
        {200: NoticeView},
        [_NOTICE],
        None,
    ),
)

# As `api.refusals.REFUSALS`.
MATCH_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("post", f"{_V1}/matches"): (
        "access-denied", "malformed-json", "unsupported-media-type", "purpose-required",
        "purpose-too-long", "too-many-queries",
    ),
    ("get", f"{_V1}/matches/parties"): ("access-denied",),
    ("get", f"{_V1}/matches/notices"): ("access-denied",),
    ("post", f"{_V1}/matches/notices/{{notice}}/acknowledgement"): (
        "not-found", "access-denied", "unknown-notice",
    ),
}  # fmt: skip
