"""What a request's body gives when the line breaks, hangs, or drips; under the real gunicorn."""

import json
import os
import socket
import ssl
import sys
import time
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO

import pytest

from api.body import Arriving
from tests.certificates import certificate
from tests.service import Running, free_port
from tests.wire import all_read, finish, reset

APP = """
import json, ssl, sys, time
from hashlib import sha256
from pathlib import Path
from flask import Flask, request
from api import body, server
body.PAUSE, body.IDLE, server.HEAD_SECONDS = 0.1, 1.0, 1.0
given, tls = Path(sys.argv[1]), sys.argv[3:]
def make():
    app = Flask("lines")
    @app.post("/<name>")
    def take(name):
        digest, first = sha256(), time.monotonic()
        arriving = body.Arriving(request.environ, lambda: Path(given, name + ".give").exists())
        for block in arriving:
            digest.update(block)
        said = dict(received=arriving.received, whole=arriving.whole, sha256=digest.hexdigest(),
                    seconds=time.monotonic() - first)
        Path(given, name + ".new").write_text(json.dumps(said))
        Path(given, name + ".new").rename(Path(given, name))
        return said
    @app.get("/")
    def index():
        return "here"
    return app
context = None
if tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*tls)
server.run(make, server.claim("127.0.0.1", int(sys.argv[2])), context)
"""
SIZE = 5_300_001
DATA = os.urandom(SIZE)


class Lines:
    """Sends to the little application, and looks at what it got."""

    def __init__(self, folder, port, process, context=None):
        self.folder, self.port, self.process, self._context = folder, port, process, context

    def connect(self):
        line = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line if self._context is None else self._context.wrap_socket(line)

    def post(self, name, data, *, length=SIZE, chunked=False):
        """Send the head and a beginning of the body; return the open line."""
        line = self.connect()
        how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
        line.sendall(f"POST /{name} HTTP/1.1\r\nHost: x\r\n{how}\r\n\r\n".encode())
        if chunked:
            line.sendall(b"%x\r\n" % length)
        line.sendall(data)
        return line

    def given(self, name):
        """Return what the application says of a body, once it says so."""
        for _ in range(400):
            if (self.folder / name).exists():
                return json.loads((self.folder / name).read_text())
            time.sleep(0.05)
        pytest.fail("the body never ended")

    def index(self):
        start = time.monotonic()
        with self.connect() as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200")
        return time.monotonic() - start


@contextmanager
def application(folder, *words, context=None):
    port = free_port()
    command = [sys.executable, "-c", APP, str(folder), str(port), *map(str, words)]
    with_log = Running(command, log=folder / "log")
    lines = Lines(folder, port, with_log.start(), context)
    try:
        for _ in range(200):
            try:
                lines.index()
                break
            except OSError:
                time.sleep(0.05)
        yield lines
    finally:
        with_log.kill()
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module", params=["plain", "tls"])
def lines(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "plain":
        with application(folder) as found:
            yield found
        return
    certificate(folder)
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.check_hostname = False
    tls = (folder / "server.pem", folder / "server.key")
    with application(folder, *tls, context=context) as found:
        yield found


def digest(data):
    return sha256(data).hexdigest()


def test_a_whole_body_is_whole(lines):
    finish(lines.post("whole", DATA))
    said = lines.given("whole")
    assert (said["received"], said["sha256"]) == (len(DATA), digest(DATA))
    assert said["whole"]


@pytest.mark.parametrize("cut", [1, 1 << 20, len(DATA) - 1])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_came_before_the_end_of_a_connection_is_given_out_to_the_last_byte(
    lines, cut, chunked
):
    name = f"fin-{cut}-{chunked}"
    finish(lines.post(name, DATA[:cut], chunked=chunked))
    said = lines.given(name)
    assert (said["received"], said["sha256"]) == (cut, digest(DATA[:cut]))
    assert not said["whole"]


@pytest.mark.parametrize("cut", [1, 3_000_001])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_reset_loses_nothing_that_had_been_read(lines, cut, chunked):
    name = f"rst-{cut}-{chunked}"
    line = lines.post(name, DATA[:cut], chunked=chunked)
    all_read(line)
    reset(line)
    said = lines.given(name)
    assert (said["received"], said["sha256"]) == (cut, digest(DATA[:cut]))
    assert not said["whole"]


@pytest.mark.parametrize("cut", [1, 3_000_001])
def test_a_body_that_hangs_gives_way_and_keeps_what_came(lines, cut):
    name = f"hang-{cut}"
    with lines.post(name, DATA[:cut]) as line:
        all_read(line)
        assert not (lines.folder / name).exists()
        (lines.folder / f"{name}.give").touch()
        said = lines.given(name)
    assert (said["received"], said["sha256"]) == (cut, digest(DATA[:cut]))
    assert not said["whole"]
    assert said["seconds"] < 1.0


def test_a_body_that_flows_gives_way_too(lines):
    (lines.folder / "flow.give").touch()
    sent = 0
    line = lines.post("flow", b"", length=1 << 40)
    try:
        while sent < 1 << 33 and not (lines.folder / "flow").exists():
            line.sendall(DATA)
            sent += len(DATA)
    except OSError:
        pass  # the connection ended, as it should
    line.close()
    said = lines.given("flow")
    assert 0 < said["received"] <= sent + len(DATA)
    assert not said["whole"]


def test_a_dripping_body_stays_and_a_silent_one_ends(lines):
    line = lines.post("drip", b"")
    for n in range(15):
        line.sendall(DATA[n : n + 1])
        time.sleep(0.1)
    assert not (lines.folder / "drip").exists()  # longer than a silent line may take
    said = lines.given("drip")
    assert (said["received"], said["sha256"]) == (15, digest(DATA[:15]))
    line.close()


def test_a_chunked_body_may_not_pause_for_long(lines):
    with lines.post("pause", DATA[:70_000], chunked=True):
        said = lines.given("pause")
    assert (said["received"], said["sha256"]) == (70_000, digest(DATA[:70_000]))
    assert not said["whole"]


def test_a_client_that_drips_its_head_is_sent_away(lines):
    with lines.connect() as line:
        line.sendall(b"GET / HTTP/1.1\r\n")
        ended = False
        for n in range(60):
            try:
                line.sendall(b"X-%d: y\r\n" % n)
                time.sleep(0.1)
            except OSError:
                ended = True
                break
        assert ended


def test_clients_that_never_close_keep_nobody_waiting(lines):
    held = [lines.connect() for _ in range(8)]
    for line in held:
        line.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    time.sleep(0.2)
    assert lines.index() < 1.5  # gunicorn's own loop would wait 2 s for each of the eight
    for line in held:
        line.close()


def test_a_stopping_service_keeps_what_came(tmp_path):
    with application(tmp_path) as lines:
        with lines.post("stopped", DATA[:3_000_001]) as line:
            all_read(line)
            start = time.monotonic()
            assert lines.process.stop() == 0
            assert (
                time.monotonic() - start < 20
            )  # gunicorn waits up to 30 for requests on their way
        said = lines.given("stopped")
    assert (said["received"], said["sha256"]) == (3_000_001, digest(DATA[:3_000_001]))


def test_without_a_server_a_body_is_read_all_the_same():
    arriving = Arriving({"wsgi.input": BytesIO(DATA), "CONTENT_LENGTH": str(len(DATA))})
    assert b"".join(arriving) == DATA
    assert arriving.whole
    short = Arriving({"wsgi.input": BytesIO(b"abc"), "CONTENT_LENGTH": "4"})
    assert b"".join(short) == b"abc"
    assert not short.whole
    empty = Arriving({"wsgi.input": BytesIO(b"abc")})
    assert b"".join(empty) == b""
    assert empty.whole
