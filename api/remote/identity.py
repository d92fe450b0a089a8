"""Who is at the other end of a TLS connection: compared with the pin, or vouched for; explained.

What is said here goes to people at a bad line, in one sentence each.
"""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.errors import CertificateUnusable, LineIntercepted, LineLost
from api.remote.invitation import Address
from api.tls import pin_of
from custody.errors import EvidenceError
from repository.naming import shown

# OpenSSL's X509_V_ERR_ numbers.
_NOT_YET, _EXPIRED, _OTHER_NAME = 9, 10, (62, 64)
_NOTHING = "nothing was sent to it"


def client_context(pin: str | None, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return how to speak TLS, 1.2 or later; with a client's certificate and key, as that client.

    With a pin nobody else vouches: the key is compared by `check_pin`, and name and dates do not
    matter, since field computers have wrong clocks.

    Raises:
        CertificateUnusable: the certificate or its key cannot be read, or do not belong together.
    """
    if pin is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        file, key = certificate
        try:
            # A passphrase is not asked for: nobody may be there.
            context.load_cert_chain(file, key, password=lambda: "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise CertificateUnusable(
                f"the certificate in {file} cannot be used with the key in {key}: {why}"
            ) from error
    return context


def check_pin(tls: ssl.SSLSocket, pin: str, host: str) -> None:
    """Compare the key of this connection with the pin; nothing was sent on it yet.

    Raises:
        LineIntercepted: it is another key, or none.
    """
    certificate = tls.getpeercert(binary_form=True)
    try:
        found = pin_of(certificate or b"")
    except ValueError:
        found = "none that can be read"
    if found != pin:
        raise LineIntercepted(
            f"the line is intercepted: {host} shows the key {found}{_signed(certificate)}, the "
            f"invitation names {pin}; {_NOTHING}"
        )


def explain_refusal(error: ssl.SSLError, address: Address) -> EvidenceError:
    """Return what a failed TLS handshake means."""
    where = f"{address.host}:{address.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return LineIntercepted(_distrusted(error, address, where))
    reason = (error.reason or "").upper()
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return LineLost(f"{where}: the line broke while TLS began")
    if any(word in reason for word in ("WRONG_VERSION", "HTTP_REQUEST", "RECORD", "UNKNOWN_PRO")):
        return LineIntercepted(
            f"what answers at {where} does not speak TLS: a log-in page of this network, or "
            f"another port? {_NOTHING}"
        )
    return LineIntercepted(
        f"{where} and this computer agree on no TLS ({error.reason or error}); {_NOTHING}"
    )


def _distrusted(error: ssl.SSLCertVerificationError, address: Address, where: str) -> str:
    certificate = _shown_by(address)
    if error.verify_code in (_NOT_YET, _EXPIRED) and certificate is not None:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return (
            f"the certificate of {where} holds from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and this "
            f"computer's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: is the clock right? "
            f"{_NOTHING}"
        )
    if error.verify_code in _OTHER_NAME:
        return f"{where} shows the certificate of another host: a log-in page? {_NOTHING}"
    der = None if certificate is None else certificate.public_bytes(Encoding.DER)
    return (
        f"no authority of this computer vouches for {where}{_signed(der)}: the line is "
        f"intercepted, or the service has a key of its own and needs an invitation; {_NOTHING}"
    )


def _shown_by(address: Address) -> x509.Certificate | None:
    """Return the certificate that is shown there, by a second handshake that sends nothing."""
    context = client_context("any")
    try:
        with (
            socket.create_connection((address.host, address.port), 10) as sock,
            context.wrap_socket(sock, server_hostname=address.host) as tls,
        ):
            return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None  # then it is explained without


def _signed(certificate: bytes | None) -> str:
    """Return in words whose certificate it is, if it says so."""
    if not certificate:
        return ""
    try:
        issuer = x509.load_der_x509_certificate(certificate).issuer.rfc4514_string()
    except ValueError:
        return ""
    return f" (signed by {shown(issuer)[:80]})" if issuer else ""
