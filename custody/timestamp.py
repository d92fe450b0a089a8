"""RFC 3161 time-stamps: ask an authority for a token, and verify it at its own time.

A token dates bytes: they existed before its `time`. The chain is judged at that time, so a token
outlives its authority's certificate; what outlives its algorithms is `custody.renewal`.
Certificates inside an answer are never trusted, only used on the way to a pinned root.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import cms, tsp
from cryptography import x509
from rfc3161_client import (
    TimeStampResponse,
    VerifierBuilder,
    decode_timestamp_response,
)

from custody.errors import (
    BadTimestamp,
    HostUnavailable,
    MalformedTimestamp,
    TimestampRefused,
    TimestampUnavailable,
)
from custody.outbound import post

ALGORITHMS = ("sha256", "sha512")
_NAMES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_GRANTED = 0
# Parsers of hostile bytes raise what they like: KeyError, x509.InvalidVersion and more were seen.
_LIBRARY: type[Exception] = Exception


@dataclass(frozen=True, slots=True)
class Token:
    """A time-stamp answer as received, and what it says; `read` alone verifies nothing."""

    der: bytes
    time: datetime
    authority: str
    algorithm: str
    imprint: bytes
    serial: int
    accuracy: timedelta | None
    nonce: int | None


def stamp_imprint(
    url: str, imprint: bytes, algorithm: str, *, nonce: int, roots: Sequence[str], timeout: float
) -> bytes:
    """Return an authority's token (DER of its ContentInfo) over an imprint, verified.

    Raises:
        TimestampUnavailable, TimestampRefused, MalformedTimestamp, BadTimestamp: no such token.
    """
    about = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": imprint}
    asked = tsp.TimeStampReq(
        {"version": "v1", "message_imprint": about, "nonce": nonce, "cert_req": True}
    ).dump()
    der = ask(url, bytes(asked), timeout=timeout)
    response = _decoded(der)
    if response.tst_info.nonce != nonce:
        raise BadTimestamp("the answer is to another request")
    token = bytes(response.time_stamp_token())
    check_token(token, imprint, roots=roots, relied=response.tst_info.gen_time)
    return token


def check_token(token: bytes, imprint: bytes, *, roots: Sequence[str], relied: datetime) -> None:
    """Check a bare token (DER of its ContentInfo) that is relied on until a time (RFC 4998 §5.3).

    Raises:
        MalformedTimestamp: not a token.
        BadTimestamp: over another imprint, no pinned root vouches for it, or a certificate in it
            ended before it was renewed.
    """
    try:
        wrapped = tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
        ).dump()
    except _LIBRARY as error:
        raise MalformedTimestamp(f"this is no time-stamp token: {error}") from error
    response = _decoded(bytes(wrapped))
    pinned = _pinned(roots)
    if not pinned.roots:
        raise BadTimestamp("no root certificate is pinned: nobody vouches for this token")
    embedded = _certificates(response)
    _check_certificates(embedded, pinned)
    builder = VerifierBuilder(
        roots=pinned.roots,
        intermediates=pinned.intermediates,
        tsa_certificate=_signer(response, pinned.authorities),
    )
    try:
        right = builder.build().verify(response, imprint)
    except _LIBRARY as error:
        raise BadTimestamp(f"a token does not verify: {error}") from error
    if right is not True:
        raise BadTimestamp("a token does not verify")
    for certificate in embedded:
        if certificate.not_valid_after_utc < relied:
            name = certificate.subject.rfc4514_string()
            raise BadTimestamp(f"{name} ended on {certificate.not_valid_after_utc:%Y-%m-%d}, "
                               "before its token was renewed")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Pinned:
    """The certificates somebody decided to trust, by what they may do."""

    roots: list[x509.Certificate]
    intermediates: list[x509.Certificate]
    authorities: list[x509.Certificate]


def request(data: bytes, *, algorithm: str, nonce: int) -> bytes:
    """Return the DER request for a token over data, certificates asked for (RFC 3161 §2.4.1).

    Args:
        data: what is dated.
        algorithm: `sha256` or `sha512`.
        nonce: a number nobody can foresee; the answer must repeat it.
    """
    imprint = {
        "hash_algorithm": {"algorithm": algorithm},
        "hashed_message": hashlib.new(algorithm, data).digest(),
    }
    made = tsp.TimeStampReq(
        {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    )
    return bytes(made.dump())


def ask(url: str, asked: bytes, *, timeout: float) -> bytes:
    """Send a request to an authority and return its answer, unverified (RFC 3161 §3.4).

    Raises:
        TimestampUnavailable: no answer in time (seconds, in all), or not a time-stamp answer.
    """
    try:
        answer = post(url, asked, content_type="application/timestamp-query", timeout=timeout)
    except HostUnavailable as error:
        raise TimestampUnavailable(f"the time-stamping authority {error}") from error
    if answer.status != 200 or answer.content_type != "application/timestamp-reply":
        raise TimestampUnavailable(
            f"the time-stamping authority at {url} answers {answer.status} {answer.content_type}"
        )
    return answer.body


def read(der: bytes) -> Token:
    """Return what an answer says; nothing is verified.

    Raises:
        MalformedTimestamp: not a time-stamp answer; also one whose certificates are not in DER
            order, as `openssl ts -reply -chain` writes them.
        TimestampRefused: the authority did not grant a token.
    """
    return _token(der, _decoded(der))


def verify(der: bytes, data: bytes, *, roots: Sequence[str], asked: bytes | None = None) -> Token:
    """Return the token of an answer that a pinned root vouches for, over this data.

    Args:
        der: the answer.
        data: what it must be about.
        roots: PEM certificates, one or more in each text: roots, and if needed intermediates; an
            authority's own certificate among them is demanded as the signer.
        asked: the request, whose nonce must be repeated.

    Raises:
        MalformedTimestamp, TimestampRefused: as `read`.
        BadTimestamp: about other data or another request, not signed, or signed by somebody whom
            no pinned root vouches for at that time.
    """
    response = _decoded(der)
    token = _token(der, response)
    pinned = _pinned(roots)
    if not pinned.roots:
        raise BadTimestamp("no root certificate is pinned: nobody vouches for this token")
    _check_certificates(_certificates(response), pinned)
    nonce = None if asked is None else _nonce(asked)
    builder = VerifierBuilder(
        roots=pinned.roots,
        intermediates=pinned.intermediates,
        tsa_certificate=_signer(response, pinned.authorities),
        nonce=nonce,
    )
    try:
        right = builder.build().verify_message(response, data)
    except _LIBRARY as error:
        raise BadTimestamp(f"the token of {token.authority} does not verify: {error}") from error
    if right is not True:
        raise BadTimestamp(f"the token of {token.authority} does not verify")
    return token


def _decoded(der: bytes) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(der)
    except _LIBRARY as error:
        raise MalformedTimestamp(f"this is no time-stamp answer: {error}") from error
    if response.status != _GRANTED:
        said = " ".join(response.status_string or [])
        raise TimestampRefused(f"the authority refused: status {response.status} {said}".rstrip())
    return response


def _token(der: bytes, response: TimeStampResponse) -> Token:
    try:
        info = response.tst_info
        algorithm = info.message_imprint.hash_algorithm.dotted_string
        time = info.gen_time
        accuracy = info.accuracy
        return Token(
            der,
            time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC),
            _authority(response),
            _NAMES.get(algorithm, algorithm),
            info.message_imprint.message,
            info.serial_number,
            None
            if accuracy is None
            else timedelta(
                seconds=accuracy.seconds or 0,
                milliseconds=accuracy.millis or 0,
                microseconds=accuracy.micros or 0,
            ),
            info.nonce,
        )
    except _LIBRARY as error:
        raise MalformedTimestamp(f"this is no time-stamp answer: {error}") from error


def _authority(response: TimeStampResponse) -> str:
    """Return the name of the signing certificate, if it is in the answer, else its issuer's."""
    signed = response.signed_data
    infos = list(signed.signer_infos)
    if len(infos) != 1:
        raise MalformedTimestamp("a token has one signature")
    for certificate in _certificates(response):
        if _is(certificate, infos[0]):
            return certificate.subject.rfc4514_string()
    return f"issued by {infos[0].issuer.rfc4514_string()}"


def _certificates(response: TimeStampResponse) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der) for der in response.signed_data.certificates]


def _check_certificates(embedded: Sequence[x509.Certificate], pinned: _Pinned) -> None:
    """Refuse an answer that carries a certificate which does not lead to a pinned root.

    Forged tokens came with such certificates (rfc3161-client before 1.0.9 trusted them).
    """
    vouched = [*pinned.roots, *pinned.intermediates, *pinned.authorities]
    waiting = [one for one in embedded if one not in vouched]
    while waiting:
        issued = [one for one in waiting if any(_issued(one, issuer) for issuer in vouched)]
        if not issued:
            name = waiting[0].subject.rfc4514_string()
            raise BadTimestamp(f"the answer carries a certificate nobody vouches for: {name}")
        vouched += issued
        waiting = [one for one in waiting if one not in issued]


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except _LIBRARY:
        return False
    return True


def _signer(
    response: TimeStampResponse, authorities: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """Return the pinned authority that signed; None if none is pinned.

    Raises:
        BadTimestamp: authorities are pinned, and another one signed.
    """
    if not authorities:
        return None
    infos = list(response.signed_data.signer_infos)
    for certificate in authorities:
        if len(infos) == 1 and _is(certificate, infos[0]):
            return certificate
    raise BadTimestamp("the token is signed by another authority than the pinned one")


def _is(certificate: x509.Certificate, info: object) -> bool:
    return (certificate.issuer, certificate.serial_number) == (
        getattr(info, "issuer", None),
        getattr(info, "serial_number", None),
    )


def _pinned(roots: Sequence[str]) -> _Pinned:
    found = _Pinned([], [], [])
    for text in roots:
        try:
            certificates = x509.load_pem_x509_certificates(text.encode())
        except ValueError as error:
            raise BadTimestamp(f"a pinned root is no PEM certificate: {error}") from error
        for one in certificates:
            if not _may_issue(one):
                kind = found.authorities
            elif one.issuer == one.subject:
                kind = found.roots
            else:
                kind = found.intermediates
            if one not in kind:
                kind.append(one)
    return found


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return certificate.issuer == certificate.subject  # an old root
    return constraints.value.ca


def _nonce(asked: bytes) -> int:
    try:
        nonce = tsp.TimeStampReq.load(asked, strict=True)["nonce"].native
    except (ValueError, TypeError) as error:
        raise MalformedTimestamp(f"this is no time-stamp request: {error}") from error
    if not isinstance(nonce, int):
        raise MalformedTimestamp("a time-stamp request without a nonce proves nothing fresh")
    return nonce
