"""What is asked and answered about signing in."""

from typing import Any

from pydantic import BaseModel, Field

from api.schema import Strict


class PersonView(BaseModel):
    """Who is signed in."""

    id: str
    name: str
    role: str
    organisation: str | None


class BrowserView(BaseModel):
    """A session of a browser; `way`: token, oidc, passkey; `ends_at`: if it is not used again."""

    id: str
    way: str
    begun_at: str
    authenticated_at: str | None
    ends_at: str


class ProviderView(BaseModel):
    """An identity provider; a browser begins at `/sign-in/with/{name}`, with `?again=1` anew."""

    name: str
    label: str


class SessionView(BaseModel):
    """Who asks, in which session, if it is one, and with whose accounts people can sign in."""

    signed_in: bool
    person: PersonView | None
    session: BrowserView | None
    providers: list[ProviderView]


class PasskeyOptions(BaseModel):
    """What the browser asks of an authenticator (`PublicKeyCredential.parse…OptionsFromJSON`)."""

    options: dict[str, Any]


class PasskeyInvited(Strict):
    """The invitation to register a first passkey; a further one needs none."""

    invitation: str | None = Field(None, max_length=200)


class NewPasskey(Strict):
    """What the authenticator made (`credential.toJSON()`), and how its person calls it."""

    credential: dict[str, Any]
    label: str = Field(max_length=100)


class UsedPasskey(Strict):
    """What the authenticator answered (`credential.toJSON()`)."""

    credential: dict[str, Any]


class PasskeyView(BaseModel):
    """A passkey."""

    passkey: str
    label: str
    made_at: str
    used_at: str | None


class PasskeyList(BaseModel):
    """Somebody's own passkeys."""

    items: list[PasskeyView]


_V1 = "/api/v1"

# As `api.openapi.OPERATIONS`.
SESSION_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    ("get", f"{_V1}/session", "Who is signed in", {200: SessionView}, [], None),
    (
        "post",
        f"{_V1}/session",
        "Sign in to a session with a token; within a session of one's own it is the step-up",
        {201: SessionView},
        [],
        None,
    ),
    ("delete", f"{_V1}/session", "Sign out", {204: None}, [], None),
    (
        "post",
        f"{_V1}/session/passkey/options",
        "Begin to sign in with a passkey (WebAuthn); a page of ours does",
        {200: PasskeyOptions},
        [],
        None,
    ),
    (
        "post",
        f"{_V1}/session/passkey",
        "Sign in with a passkey; within a session of one's own it is the step-up",
        {201: SessionView},
        [],
        UsedPasskey,
    ),
    (
        "post",
        f"{_V1}/passkeys/options",
        "Begin to register a passkey: by an invitation, or within a session that one began",
        {200: PasskeyOptions},
        [],
        PasskeyInvited,
    ),
    (
        "post",
        f"{_V1}/passkeys/registration",
        "Register the passkey that was made",
        {201: PasskeyView},
        [],
        NewPasskey,
    ),
    ("get", f"{_V1}/passkeys", "Your passkeys", {200: PasskeyList}, [], None),
    (
        "delete",
        f"{_V1}/passkeys/{{passkey}}",
        "Remove one of your passkeys; other sessions that passkeys began end with it",
        {204: None},
        [{"name": "passkey", "in": "path", "required": True, "schema": {"type": "string"}}],
        None,
    ),
)

_BODY = ("malformed-json", "unsupported-media-type")
# Public as they are, a refused sign-in is recorded before it is answered.
_RECORDED = (
    "sign-in-refused", "ledger-behind", "ledger-damaged", "signer-unavailable", "malformed-entry",
    "store-unavailable", "store-error",
)  # fmt: skip

SESSION_PUBLIC = frozenset(
    {
        f"{_V1}/session/passkey/options",
        f"{_V1}/session/passkey",
        f"{_V1}/passkeys/registration",
    }
)

# As `api.refusals.REFUSALS`.
SESSION_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/session"): ("access-denied",),
    ("post", f"{_V1}/session"): ("access-denied",),
    ("delete", f"{_V1}/session"): ("access-denied", "unknown-session"),
    ("post", f"{_V1}/session/passkey/options"): _RECORDED,
    ("post", f"{_V1}/session/passkey"): (*_RECORDED, *_BODY),
    ("post", f"{_V1}/passkeys/options"): (*_BODY, "access-denied", "step-up-required"),
    ("post", f"{_V1}/passkeys/registration"): (*_RECORDED, *_BODY, "already-exists"),
    ("get", f"{_V1}/passkeys"): ("access-denied",),
    ("delete", f"{_V1}/passkeys/{{passkey}}"): (
        "not-found", "access-denied", "unknown-passkey", "step-up-required",
    ),
}  # fmt: skip
