"""What is asked and answered about signing in."""

from typing import Any

from pydantic import BaseModel


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
)

# As `api.refusals.REFUSALS`.
SESSION_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/session"): ("access-denied",),
    ("post", f"{_V1}/session"): ("access-denied",),
    ("delete", f"{_V1}/session"): ("access-denied", "unknown-session"),
}
