"""Ask an identity provider who somebody is: OpenID Connect, code flow, with PKCE, state and nonce.

Nothing is asked of a host that the settings do not name: the provider's description of itself may
point to the issuer's own host and to `hosts`, nowhere else. Description and keys are kept for some
minutes; a signature that they do not explain has the keys fetched once more, at most once a minute.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import KeySet

from api.errors import ProviderUnavailable
from api.kept import OLDEST, SOONEST, Kept
from api.place import LOOPBACK
from config.settings import OidcProvider
from repository.bounded_http import pool, within

ALGORITHMS = ("RS256", "PS256", "ES256")  # signatures of a key we can fetch: no shared secrets
LEEWAY = 60  # seconds between two clocks
KEPT = Kept()
_OTHER_KEY = ("oidc-invalid-key-id", "oidc-bad-signature")
_MAX_ANSWER = 256 << 10


class NotProved(Exception):
    """What came back proves nothing; `reason` is a short code for the record."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proved:
    """Whom the provider means, and when they last proved it to the provider, if it says so."""

    issuer: str
    subject: str
    at: datetime | None


def start(provider: OidcProvider, back: str, *, again: bool) -> tuple[str, dict[str, Any]]:
    """Return where to send the browser, and what its return is compared with.

    Args:
        provider: whom to ask.
        back: our address that the provider sends the browser back to.
        again: have the person prove anew who they are, also where the provider knows them.

    Raises:
        ProviderUnavailable: it does not answer, or points to hosts that are not configured.
    """
    said = {
        "provider": provider.name,
        "state": secrets.token_urlsafe(32),
        "nonce": secrets.token_urlsafe(32),
        "verifier": secrets.token_urlsafe(48),
    }
    more = {"prompt": "login", "max_age": 0} if again else {}
    url, _ = _client(provider, back).create_authorization_url(
        _described(provider)["authorization_endpoint"],
        state=said["state"],
        nonce=said["nonce"],
        code_verifier=said["verifier"],
        **more,
    )
    return url, said


def finish(
    provider: OidcProvider,
    back: str,
    said: Mapping[str, Any],
    answer: Mapping[str, str],
    now: datetime,
) -> Proved:
    """Return whom the provider means by what the browser brought back.

    Args:
        provider: whom was asked.
        back: as at the start.
        said: what was kept at the start, and is not kept any more.
        answer: the parameters of the browser's return.
        now: the time.

    Raises:
        NotProved: it is not the answer to what was asked, or does not hold.
        ProviderUnavailable: the provider does not answer.
    """
    if not secrets.compare_digest(answer.get("state", "").encode(), said["state"].encode()):
        raise NotProved("oidc-state")
    if answer.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
        raise NotProved("oidc-issuer")
    if "code" not in answer:
        raise NotProved("oidc-refused-there")
    described = _described(provider)
    try:
        token = _client(provider, back).fetch_token(
            described["token_endpoint"],
            grant_type="authorization_code",
            code=answer["code"],
            code_verifier=said["verifier"],
        )
    except (OAuth2Error, ValueError) as error:  # refused, or no answer of a token endpoint
        raise NotProved("oidc-code") from error
    keys = _keys(provider, described["jwks_uri"])
    try:
        claims = _claims(provider, token, keys, said["nonce"], now)
    except NotProved as error:
        if error.reason not in _OTHER_KEY:
            raise
        newer = _keys(provider, described["jwks_uri"], oldest=SOONEST)
        if newer is keys:
            raise
        claims = _claims(provider, token, newer, said["nonce"], now)
    subject = claims.get(provider.claim)
    # What cannot be printed (U+0000, half a surrogate) no database could be asked for.
    if not isinstance(subject, str) or not subject or not subject.isprintable():
        raise NotProved("oidc-no-subject")
    return Proved(provider.issuer, subject, _proved_at(claims, now))


def _claims(
    provider: OidcProvider, token: Mapping[str, Any], keys: Any, nonce: str, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of an ID token that holds.

    Raises:
        NotProved: it does not; the reason names what.
    """
    try:
        found = jwt.decode(str(token.get("id_token")), KeySet.import_key_set(keys), [*ALGORITHMS])
        claims = CodeIDToken(
            found.claims,
            found.header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
            },
            params={
                "nonce": nonce,
                "client_id": provider.client_id,
                "access_token": token.get("access_token"),
            },
        )
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
    except ClaimError as error:
        raise NotProved(f"oidc-{error.claim}".replace("_", "-")) from error
    except JoseError as error:
        raise NotProved(f"oidc-{error.error}".replace("_", "-")) from error
    except (ValueError, TypeError, KeyError) as error:  # what is no token or no set of keys at all
        raise NotProved("oidc-malformed") from error
    return dict(claims)


def _proved_at(claims: Mapping[str, Any], now: datetime) -> datetime | None:
    at = claims.get("auth_time")
    if not isinstance(at, (int, float)) or isinstance(at, bool):
        return None
    try:
        return min(datetime.fromtimestamp(at, UTC), now)
    except (OverflowError, ValueError, OSError):
        return None  # no time at all: as if nothing were said


def _client(provider: OidcProvider, back: str) -> OAuth2Client:
    file = provider.client_secret_file
    try:
        secret = file.read_text().strip() if file else None
    except OSError as error:
        raise ProviderUnavailable(f"the client's secret in {file} cannot be read") from error
    return OAuth2Client(
        _Line(provider),
        client_id=provider.client_id,
        client_secret=secret,
        scope=provider.scope,
        redirect_uri=back,
        code_challenge_method="S256",
    )


def _described(provider: OidcProvider) -> Mapping[str, str]:
    """Return where the provider's endpoints are, by its own description (OIDC Discovery).

    Raises:
        ProviderUnavailable: it gives none, is another one, or points to a host that is not named.
    """

    def fetch() -> Mapping[str, str]:
        found = _fetch(provider, provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if not isinstance(found, dict) or found.get("issuer") != provider.issuer:
            raise ProviderUnavailable(f"{provider.issuer} does not describe itself under that name")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _check_host(provider, str(found.get(name)))
        return found

    kept: Mapping[str, str] = KEPT.get((provider.issuer, "description"), fetch)
    return kept


def _keys(provider: OidcProvider, url: str, *, oldest: float = OLDEST) -> Any:
    """Return the keys that the provider signs with; whether they are such is seen when used."""
    return KEPT.get((provider.issuer, "keys", url), lambda: _fetch(provider, url), oldest=oldest)


def _check_host(provider: OidcProvider, url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ProviderUnavailable(f"{provider.name} points to what is no address") from error
    named = {urlsplit(provider.issuer).hostname, *provider.hosts}
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if parts.hostname not in named or not encrypted:
        raise ProviderUnavailable(
            f"{provider.name} points to {parts.scheme}://{parts.hostname}, which is not configured"
        )


def _fetch(provider: OidcProvider, url: str) -> Any:
    answer = _Line(provider).ask("GET", url)
    if answer.status_code != 200:
        raise ProviderUnavailable(f"{provider.name} answers {answer.status_code}")
    try:
        return answer.json()
    except ValueError as error:
        raise ProviderUnavailable(f"{provider.name} answers no JSON") from error


class _Answer:
    """An answer as Authlib reads it."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self._body = body

    def json(self) -> Any:
        return json.loads(self._body)

    def raise_for_status(self) -> None:
        raise ProviderUnavailable(f"the identity provider answers {self.status_code}")


class _Line:
    """Connections to the hosts of one provider, in the form that Authlib asks for."""

    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any
    ) -> _Answer:
        """Send a form, with the client's own authentication."""
        sent = dict(headers)
        url, sent, body = auth.prepare("POST", url, sent, urlencode(data))
        return self.ask("POST", url, body=body, headers=sent)

    def ask(
        self, method: str, url: str, *, body: str | None = None, headers: Any = None
    ) -> _Answer:
        """Ask one thing.

        Raises:
            ProviderUnavailable: the host is not configured, or gives no whole answer in time.
        """
        _check_host(self._provider, url)
        lines = pool(secure=url.startswith("https:"), ca_file=self._provider.ca_file)
        try:
            with within():
                got = lines.request(
                    method, url, body=body, headers=headers, redirect=False, preload_content=False
                )
                found = got.read(_MAX_ANSWER + 1)
                got.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ProviderUnavailable(f"{self._provider.name} does not answer") from error
        finally:
            lines.clear()
        if len(found) > _MAX_ANSWER:
            raise ProviderUnavailable(f"{self._provider.name} answers more than it should")
        return _Answer(got.status, found)
