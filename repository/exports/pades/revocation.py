"""Whether certificates were revoked: asked of configured hosts alone, or read from files.

What a certificate names as its OCSP responder or CRL is an address somebody else wrote. It is
asked only where its host is among `report_revocation_hosts`; nothing else is ever fetched.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asn1crypto import crl, ocsp, pem, x509
from pyhanko_certvalidator.authority import Authority
from pyhanko_certvalidator.errors import CRLFetchError, OCSPFetchError, OCSPValidationError
from pyhanko_certvalidator.fetchers import (
    CertificateFetcher,
    CRLFetcher,
    Fetchers,
    OCSPFetcher,
)
from pyhanko_certvalidator.fetchers.common_utils import (
    enumerate_delivery_point_urls,
    format_ocsp_request,
    process_ocsp_response_data,
)

from custody.errors import HostUnavailable
from custody.outbound import get, post
from repository.errors import SignatureUnavailable

OCSP = "application/ocsp-request"
MAX_CRL = 16 << 20


class Asking:
    """Asks configured hosts, and remembers for people what it could not learn."""

    def __init__(self, hosts: Sequence[str], timeout: float) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._timeout = timeout
        self.problems: list[str] = []

    def post(self, url: str, body: bytes) -> bytes:
        """Return what an OCSP responder answers.

        Raises:
            HostUnavailable: not configured, or no such answer.
        """
        self._check(url)
        return self._found(url, post(url, body, content_type=OCSP, timeout=self._timeout))

    def get(self, url: str) -> bytes:
        """Return a CRL.

        Raises:
            HostUnavailable: not configured, or no such answer.
        """
        self._check(url)
        return self._found(url, get(url, limit=MAX_CRL, timeout=self._timeout))

    def failed(self, error: Exception) -> str:
        """Remember why something was not learned; return it in words."""
        if str(error) not in self.problems:
            self.problems.append(str(error))
        return str(error)

    def fetchers(self) -> Fetchers:
        """Return what pyHanko asks through."""
        return Fetchers(_Ocsp(self), _Crl(self), _NoCertificates())

    def _check(self, url: str) -> None:
        host = (urlsplit(url).hostname or "").lower()
        if host not in self._hosts:
            raise HostUnavailable(f"{host or url} is not among report_revocation_hosts")

    def _found(self, url: str, answer: Any) -> bytes:
        if answer.status != 200:
            raise HostUnavailable(f"{urlsplit(url).hostname}: HTTP status {answer.status}")
        return bytes(answer.body)


class _Ocsp(OCSPFetcher):
    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._found: dict[bytes, list[ocsp.OCSPResponse]] = defaultdict(list)

    async def fetch(self, cert: x509.Certificate, authority: Authority) -> ocsp.OCSPResponse:
        said = "it names no OCSP responder"
        for url in cert.ocsp_urls:
            asked = format_ocsp_request(
                cert, authority, certid_hash_algo="sha1", request_nonces=True
            )
            try:
                data = self._asking.post(url, asked.dump())
                answer = process_ocsp_response_data(data, ocsp_request=asked, ocsp_url=url)
            except (HostUnavailable, OCSPFetchError, OCSPValidationError) as error:
                said = self._asking.failed(error)
                continue
            self._found[cert.issuer_serial].append(answer)
            return answer
        raise OCSPFetchError(said)

    def fetched_responses(self) -> Iterable[ocsp.OCSPResponse]:
        return [one for some in self._found.values() for one in some]

    def fetched_responses_for_cert(self, cert: x509.Certificate) -> Iterable[ocsp.OCSPResponse]:
        return self._found.get(cert.issuer_serial, [])


class _Crl(CRLFetcher):
    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._found: dict[bytes, list[crl.CertificateList]] = {}

    async def fetch(
        self, cert: x509.Certificate, *, use_deltas: bool | None = None
    ) -> Iterable[crl.CertificateList]:
        urls = [
            url
            for point in cert.crl_distribution_points
            for url in enumerate_delivery_point_urls(point)
        ]
        found: list[crl.CertificateList] = []
        said = "it names no CRL"
        for url in urls:
            try:
                found.append(read_crl(self._asking.get(url), url))
            except (HostUnavailable, SignatureUnavailable) as error:
                said = self._asking.failed(error)
        if urls and not found:
            raise CRLFetchError(said)
        self._found[cert.issuer_serial] = found
        return found

    def fetched_crls(self) -> Iterable[crl.CertificateList]:
        return [one for some in self._found.values() for one in some]

    def fetched_crls_for_cert(self, cert: x509.Certificate) -> Iterable[crl.CertificateList]:
        return self._found[cert.issuer_serial]


class _NoCertificates(CertificateFetcher):
    """Certificates are configured, or came along; none is fetched."""

    async def fetch_cert_issuers(
        self, cert: x509.Certificate
    ) -> AsyncGenerator[x509.Certificate, None]:
        nothing: tuple[x509.Certificate, ...] = ()
        for one in nothing:
            yield one

    async def fetch_crl_issuers(
        self, certificate_list: crl.CertificateList
    ) -> AsyncGenerator[x509.Certificate, None]:
        nothing: tuple[x509.Certificate, ...] = ()
        for one in nothing:
            yield one

    def fetched_certs(self) -> Iterable[x509.Certificate]:
        return ()


def read_crl(data: bytes, where: str) -> crl.CertificateList:
    """Return a CRL of DER or PEM.

    Raises:
        SignatureUnavailable: it is none.
    """
    try:
        der = pem.unarmor(data)[2] if pem.detect(data) else data
        return crl.CertificateList.load(der, strict=True)
    except (ValueError, TypeError) as error:
        raise SignatureUnavailable(f"{where} is no CRL: {error}") from error


def crls_of(files: Sequence[Path]) -> list[crl.CertificateList]:
    """Return the CRLs that were put there by hand.

    Raises:
        SignatureUnavailable: one cannot be read.
    """
    found = []
    for file in files:
        try:
            found.append(read_crl(file.read_bytes(), str(file)))
        except OSError as error:
            raise SignatureUnavailable(f"{file} cannot be read: {error.strerror}") from error
    return found
