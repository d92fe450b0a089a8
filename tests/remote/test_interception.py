"""Somebody else answers: named in one line, and told nothing.

Every byte that the false server was sent is kept and looked at: no token, no name of a file, no
digest, no evidence.
"""

import json
import ssl
from datetime import timedelta
from hashlib import sha256

import pytest

from api.errors import LineIntercepted
from api.remote.invitation import Address, Invitation
from api.remote.rate import Limiter
from api.remote.service import Service
from api.remote.wire import Far, Wire
from api.told import Stop
from custody.note import VerifierKey
from tests.house import CODE, run
from tests.remote.false_servers import Authority, false_server, http_answer

NO_KEY = "sha256:" + "0" * 64
TOKEN = "0011223344556677.this-is-the-secret-token"
EVIDENCE = b"what the witness wrote down that night"
LOG = VerifierKey("evidence.invalid/ledger", 0x01, bytes(range(32)))
PAGE = b"<html><head><title>Hotel Wi-Fi</title></head><body>Room number?</body></html>"
ASKED = b"GET /api/v1/ledger/checkpoint HTTP/1.1\r\n"


@pytest.fixture
def evidence(tmp_path):
    file = tmp_path / "in" / "statement-of-witness-7.txt"
    file.parent.mkdir()
    file.write_bytes(EVIDENCE)
    return file


def send(evidence, port, *, scheme="http", host="127.0.0.1", pin=None, log=LOG):
    """Run the whole command against whatever answers there; return what it said."""
    invitation = Invitation(Address(scheme, host, port, ""), TOKEN, pin, log, CODE)
    state = evidence.parents[1] / "state"
    said = run("--json", "ingest", evidence, "--to", invitation, "--state", state)
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err  # one line
    return said


def assert_told_nothing(server, *, asked=True):
    heard = b"".join(server.heard)
    for secret in (
        TOKEN.encode(), b"Authorization", EVIDENCE, b"statement", CODE.encode() + b'"',
        sha256(EVIDENCE).hexdigest().encode(), sha256(EVIDENCE).digest(),
    ):  # fmt: skip
        assert secret not in heard
    if asked:  # the one question that betrays nothing
        assert heard.startswith(ASKED)
        assert heard.count(b"HTTP/1.1") == 1
    else:
        assert heard == b""


PORTALS = {
    "a log-in page": (http_answer("200 OK", PAGE, Content_Type="text/html"), "Hotel Wi-Fi"),
    "a redirect": (
        http_answer("302 Found", Location="http://login.hotel.example/?u=1"), "login.hotel.example"
    ),
    "a permanent redirect": (http_answer("308 Permanent Redirect", Location="/x"), "redirects"),
    "511": (http_answer("511 Network Authentication Required", PAGE), "log-in first"),
    "an empty answer": (http_answer("204 No Content"), "204"),
    "somebody's JSON": (http_answer("200 OK", b"{}", Content_Type="application/json"), "json"),
    "text that is no checkpoint": (
        http_answer("200 OK", b"Welcome!\n", Content_Type="text/plain"), "no evidence service"
    ),
    "another page that is not there": (http_answer("404 Not Found", PAGE), "404"),
    "a gateway": (http_answer("502 Bad Gateway", PAGE, Content_Type="text/html"), "502"),
    "a page of gigabytes": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999999999\r\n\r\n",
        "too long",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PORTALS)
def test_a_portal_on_a_plain_line_is_named_and_told_nothing(evidence, kind):
    answer, says = PORTALS[kind]
    with false_server(answer) as server:
        said = send(evidence, server.port)
    assert said.code == 3
    assert says in said.err
    assert_told_nothing(server)


def test_another_service_of_the_same_kind_is_told_nothing(evidence, house):
    """Its checkpoint is a good one, but of another ledger."""
    note = house.repo.ledger.checkpoint().note.encode()
    with false_server(http_answer("200 OK", note, Content_Type="text/plain")) as server:
        said = send(evidence, server.port)
        assert_told_nothing(server)
    assert "signed by another key" in said.err
    assert said.code == 3


def test_what_is_no_http_at_all_is_told_nothing(evidence):
    with false_server(b"SSH-2.0-OpenSSH_9.2\r\n") as server:
        said = send(evidence, server.port)
    assert said.code == 3
    assert "no HTTP" in said.err
    assert_told_nothing(server)


def test_another_key_on_an_encrypted_line_is_named_with_both_keys(evidence, tmp_path):
    pin = "sha256:" + "ab" * 32
    proxy = Authority(tmp_path, "Ministry Inspection CA").server()
    with false_server(http_answer("200 OK", PAGE), proxy) as server:
        said = send(evidence, server.port, scheme="https", pin=pin)
        assert server.connections
    assert said.code == 3
    assert "the line is intercepted" in said.err
    assert pin in said.err
    assert "Ministry Inspection CA" in said.err
    assert_told_nothing(server, asked=False)


def test_a_pinned_key_counts_more_than_any_authority(evidence, tmp_path, monkeypatch):
    """An interceptor whom this computer's authorities vouch for is still not the service."""
    trusted = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    with false_server(http_answer("200 OK", PAGE), trusted.server()) as server:
        said = send(evidence, server.port, scheme="https", host="localhost", pin=NO_KEY)
    assert "the line is intercepted" in said.err
    assert_told_nothing(server, asked=False)


CERTIFICATES = {
    "expired": ({"begins": timedelta(-30), "ends": timedelta(-2)}, "is the clock right?"),
    "not yet valid": ({"begins": timedelta(2)}, "is the clock right?"),
    "of another host": ({"host": "login.hotel.example"}, "certificate of another host"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_without_a_pin_a_certificate_that_does_not_fit_is_explained(
    evidence, tmp_path, monkeypatch, kind
):
    options, says = CERTIFICATES[kind]
    trusted = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    with false_server(b"", trusted.server(**options)) as server:
        said = send(evidence, server.port, scheme="https", host="localhost")
    assert said.code == 3
    assert says in said.err
    assert_told_nothing(server, asked=False)


def test_without_a_pin_an_unknown_authority_is_named(evidence, tmp_path):
    with false_server(b"", Authority(tmp_path, "Hotel CA").server()) as server:
        said = send(evidence, server.port, scheme="https", host="localhost")
    assert said.code == 3
    assert "no authority of this computer vouches" in said.err
    assert "Hotel CA" in said.err
    assert_told_nothing(server, asked=False)


def test_without_a_pin_a_vouched_for_stranger_is_still_no_service(evidence, tmp_path, monkeypatch):
    trusted = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    answer = http_answer("200 OK", PAGE, Content_Type="text/html")
    with false_server(answer, trusted.server()) as server:
        said = send(evidence, server.port, scheme="https", host="localhost", log=None)
    assert "Hotel Wi-Fi" in said.err
    assert_told_nothing(server)


@pytest.mark.parametrize(
    "answer",
    [http_answer("302 Found", Location="http://x/"), http_answer("200 OK", PAGE), b"SSH-2"],
)
def test_a_portal_that_speaks_plain_http_where_tls_is_expected_is_named(evidence, answer):
    with false_server(answer) as server:
        said = send(evidence, server.port, scheme="https", pin=NO_KEY)
        heard = b"".join(server.heard)
    assert said.code == 3
    assert "does not speak TLS" in said.err or "TLS" in said.err
    assert TOKEN.encode() not in heard
    assert EVIDENCE not in heard
    assert b"HTTP/1.1" not in heard  # a ClientHello, and nothing after it


def test_old_tls_is_refused(evidence, tmp_path):
    context = Authority(tmp_path).server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with false_server(b"", context) as server:
        said = send(evidence, server.port, scheme="https", pin=NO_KEY)
    assert said.code == 3
    assert "TLS" in said.err
    assert_told_nothing(server, asked=False)


def test_an_interceptor_in_the_middle_of_a_run_is_told_nothing_more(tmp_path):
    """The first connection reached the service; the next one ends at a box with its own key."""
    from api.tls import pin_of

    honest = Authority(tmp_path, "Service").server()
    with false_server(http_answer("204 No Content", Upload_Offset="0"), honest) as real:
        shown = ssl.get_server_certificate(("127.0.0.1", real.port))
        pin = pin_of(ssl.PEM_cert_to_DER_cert(shown))
        far = Far(Address("https", "127.0.0.1", real.port, ""), pin)
        service = Service(Wire(far, Limiter(None), Stop()), TOKEN, "service")
        assert service.offset("upload-1") == 0
        service.close()
        before = len(real.heard)
        real.tls = Authority(tmp_path, "Box").server()  # from here on somebody else answers
        with pytest.raises(LineIntercepted, match="intercepted"):
            service.append("upload-1", 0, [EVIDENCE], len(EVIDENCE))
        assert real.heard[before:] == []


def test_a_name_that_should_be_this_computer_is_looked_at_on_the_connection(monkeypatch):
    """`localhost` that leads elsewhere (a hosts file, a resolver) gets no plain http."""
    import socket

    from api.remote import wire

    class Elsewhere:
        def getpeername(self):
            return ("192.0.2.7", 80)

        def setsockopt(self, *_):
            pass

        def close(self):
            self.closed = True

    made = Elsewhere()
    monkeypatch.setattr(socket, "create_connection", lambda *_: made)
    far = Far(Address("http", "localhost", 80, ""))
    with pytest.raises(LineIntercepted, match="another computer"):
        Wire(far, Limiter(None), Stop()).exchange("GET", "/", headers={})
    assert made.closed
    assert wire.socket is socket


def test_proxies_of_the_environment_are_not_used(evidence, monkeypatch):
    with false_server(http_answer("200 OK", PAGE, Content_Type="text/html")) as proxy:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with false_server(http_answer("204 No Content")) as server:
            send(evidence, server.port)
            assert server.heard
        assert proxy.connections == 0


def test_a_named_proxy_is_asked_for_a_tunnel_and_told_nothing_else(evidence):
    with false_server(http_answer("407 Proxy Authentication Required", PAGE)) as proxy:
        invitation = Invitation(
            Address("https", "evidence.example", 443, ""), TOKEN, NO_KEY, LOG, CODE
        )
        state = evidence.parents[1] / "state"
        said = run(
            "--json", "ingest", evidence, "--to", invitation, "--state", state,
            "--proxy", f"http://127.0.0.1:{proxy.port}",
        )  # fmt: skip
    assert said.code == 3
    assert "answers 407" in said.err
    assert b"".join(proxy.heard) == (
        b"CONNECT evidence.example:443 HTTP/1.1\r\nHost: evidence.example:443\r\n\r\n"
    )


def test_a_wrong_port_is_said_at_once(evidence):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        said = send(evidence, taken.getsockname()[1])
    assert said.code == 3
    assert "nothing answers at this address" in said.err


def test_plain_http_to_another_computer_is_refused_before_it_is_tried(evidence, monkeypatch):
    monkeypatch.setenv("EVIDENCE_TOKEN", TOKEN)
    said = run("--json", "ingest", evidence, "--to", "http://192.0.2.7:8080/", "--case", CODE)
    assert said.code == 2
    assert "use https" in said.err


def test_what_to_names_is_a_file_a_string_or_an_address_with_a_token(
    evidence, tmp_path, monkeypatch
):
    monkeypatch.delenv("EVIDENCE_TOKEN", raising=False)
    with false_server(http_answer("204 No Content")) as server:
        invitation = Invitation(Address("http", "127.0.0.1", server.port, ""), TOKEN, log=LOG)
        file = tmp_path / "invitation.txt"
        file.write_text(f"{invitation}\n")
        options = ("--case", CODE, "--state", tmp_path / "state")
        for to in (file, invitation):
            said = run("ingest", evidence, "--to", to, *options)
            assert "204" in said.err
        address = f"http://127.0.0.1:{server.port}/"
        assert "EVIDENCE_TOKEN" in run("ingest", evidence, "--to", address, *options).err
        monkeypatch.setenv("EVIDENCE_TOKEN", TOKEN)
        assert "204" in run("ingest", evidence, "--to", address, *options).err
    assert "neither an address nor a file" in run("ingest", evidence, "--to", "no", *options).err
    assert "--case" in run("ingest", evidence, "--to", address).err
    assert json.dumps(TOKEN) not in "".join(str(path) for path in tmp_path.rglob("*"))
