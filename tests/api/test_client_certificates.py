"""Tokens of machines that work over lines with one client certificate alone, over real TLS."""

import json
import ssl
from http.client import HTTPSConnection

import pytest

from api.errors import CertificateUnusable
from api.tls import make_identity, server_context
from tests.certificates import client_certificates
from tests.house import CODE, run
from tests.service import serving


def ask(service, token, pair=None, method="GET", path="/api/v1/cases"):
    """Ask as a client with a certificate and its key, or with none; return status and body."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(f"{pair}.pem", f"{pair}.key")
    line = HTTPSConnection(service.host, service.port, timeout=30, context=context)
    try:
        line.request(method, path, headers={"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        line.close()


def refused(service, token, pair):
    """Say whether the handshake itself fails."""
    try:
        ask(service, token, pair)
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def test_a_bound_token_works_with_its_certificate_alone(house, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        client_certificates(folder, "one", "two")
    words = ("token", "new", "analyst")
    [bound] = house.evidence(*words, "--certificate", ours / "one.pem").lines
    [foreign] = house.evidence(*words, "--certificate", theirs / "one.pem").lines
    [free] = house.evidence(*words).lines
    assert house.evidence(*words, "--certificate", ours / "one.key").code == 3
    size = house.repo.ledger.size()
    authorities = {"EVIDENCE_TLS_CLIENT_CA_FILE": str(ours / "clients.pem")}
    with serving(house.data, options=["--tls"], **authorities) as service:
        status, found = ask(service, bound["token"], ours / "one")
        assert (status, found["items"][0]["case"]) == (200, "KRN")
        assert ask(service, bound["token"])[0] == 401
        assert ask(service, bound["token"], ours / "two")[0] == 401
        assert ask(service, free["token"])[0] == 200  # a certificate is asked for, not required
        assert ask(service, free["token"], ours / "two")[0] == 200
        # Nobody vouches here for this one, though a token was bound to it.
        assert refused(service, foreign["token"], theirs / "one")
        session = ("POST", "/api/v1/session")
        status, found = ask(service, bound["token"], ours / "one", *session)
        assert (status, found["type"].rpartition("/")[2]) == (403, "access-denied")
    added = [e.fields for e in house.repo.ledger.entries(size)]
    assert [e["reason"] for e in added if e["type"] == "sign_in"] == ["token-certificate"] * 2
    looks = [e for e in added if e["type"] == "consultation"]
    assert [e["actor"]["assurance"] for e in looks] == ["token-certificate", "token", "token"]


def test_evidence_is_sent_with_a_token_that_works_with_one_certificate_alone(house, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        client_certificates(folder, "one", "two")
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"bytes")
    authorities = {"EVIDENCE_TLS_CLIENT_CA_FILE": str(ours / "clients.pem")}
    with serving(house.data, options=["--tls"], **authorities) as service:
        invited = house.evidence(
            "invite", "investigator", "--url", service.address, "--case", CODE,
            "--certificate", ours / "one.pem",
        )  # fmt: skip
        assert invited.code == 0, invited.err

        def send(*certificate):
            return run(
                "--json", "ingest", file, "--to", invited.lines[0]["invitation"],
                "--state", tmp_path / "state", "--patience", "20s", *certificate,
            )  # fmt: skip

        def shown(pair, key=None):
            return "--certificate", f"{pair}.pem", "--key", key or f"{pair}.key"

        assert send().code == 4  # the token alone is worth nothing
        assert send(*shown(ours / "two")).code == 4
        refused = send(*shown(theirs / "one"))
        assert refused.code == 3
        assert "does not take the certificate" in refused.err
        for wrong, code in (
            (shown(ours / "one")[:2], 2),
            (shown(ours / "one", ours / "two.key"), 3),
            (shown(ours / "none"), 3),
        ):
            assert send(*wrong).code == code
        done = send(*shown(ours / "one"))
        assert done.code == 0, done.err
        assert done.lines[0]["status"] == "registered"
    receipt = house.last("registration")
    assert receipt["actor"]["assurance"] == "token-certificate"


def test_authorities_that_cannot_be_read_stop_the_service(house, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    for file in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        settings = house.repo.settings.model_copy(update={"tls_client_ca_file": file})
        with pytest.raises(CertificateUnusable):
            server_context(make_identity(settings), settings)
