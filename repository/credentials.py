"""The mapped tables of sign-in, and of requests that come twice: sessions, passkeys, keys …"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import UUID, Model


class WebSession(Model):
    """A browser that somebody signed in with; only the digest of the cookie's secret is kept."""

    __tablename__ = "web_session"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    way: Mapped[str] = mapped_column(String(16))  # of the last sign-in: `web_sessions.WAYS`
    token_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("token.id"))
    begun_at: Mapped[datetime]
    authenticated_at: Mapped[datetime | None]  # when they last proved who they are, if known
    used_at: Mapped[datetime]  # to the minute
    ended_at: Mapped[datetime | None]
    __table_args__ = (Index("web_session_person", "person_id", "ended_at"),)


class IdentityLink(Model):
    """Whom an identity provider means by a subject; one person and no other, for good once used."""

    __tablename__ = "identity_link"
    issuer: Mapped[str] = mapped_column(String(500), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    linked_at: Mapped[datetime]
    used_at: Mapped[datetime | None]  # when it first signed somebody in
    ended_at: Mapped[datetime | None]  # unlinked: it signs nobody in, and can become nobody else


class Ceremony(Model):
    """A sign-in or registration that a browser has begun: good once, for a few minutes."""

    __tablename__ = "ceremony"
    secret_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)  # of its cookie
    kind: Mapped[str] = mapped_column(String(16))
    said: Mapped[dict[str, Any]]  # nonce, challenge and the like
    expires_at: Mapped[datetime]
    __table_args__ = (Index("ceremony_expires", "expires_at"),)


class Passkey(Model):
    """A passkey (WebAuthn): the public key of somebody's authenticator; one person and no other."""

    __tablename__ = "passkey"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    credential: Mapped[str] = mapped_column(unique=True)  # its id at the authenticator, base64url
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    public_key: Mapped[bytes]  # COSE
    sign_count: Mapped[int]  # as it last said; 0: it does not count
    label: Mapped[str]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (Index("passkey_person", "person_id"),)


class PersonInvitation(Model):
    """A code with which a person registers a passkey, once; only the digest of it is kept."""

    __tablename__ = "person_invitation"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    __table_args__ = (Index("person_invitation_person", "person_id"),)


class RequestKey(Model):
    """What a client's `Idempotency-Key` stands for: one request, and the id of what it makes."""

    __tablename__ = "request_key"
    person_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))  # of everything the request says
    made: Mapped[str] = mapped_column(UUID)  # the id of what it makes, drawn with the key
    at: Mapped[datetime]
    busy_until: Mapped[datetime | None]  # while it is dealt with; then its process is given up
    __table_args__ = (Index("request_key_at", "at"),)
