"""The wire over real sockets: stalls and drips end, early answers are read, a cut is LineLost."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from api.errors import LineLost
from api.remote import wire
from api.remote.invitation import Address
from api.remote.proxy import Proxy
from api.remote.rate import Limiter
from api.remote.wire import Far, Stopped, Wire
from api.told import Stop
from repository.errors import BadRequest, DiskFull


@contextmanager
def peer(talk):
    """Run a server whose every connection is given to `talk`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(line):
        with line, suppress(OSError):
            talk(line)

    def serve():
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(line,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def head(line):
    data = b""
    while b"\r\n\r\n" not in data:
        block = line.recv(65536)
        if not block:
            return data
        data += block
    return data


MADE = []


@pytest.fixture(autouse=True)
def closing():
    yield
    while MADE:
        MADE.pop().close()


def to(port, *, rate=None, stop=None):
    far = Far(Address("http", "127.0.0.1", port, ""))
    MADE.append(Wire(far, Limiter(rate), stop or Stop()))
    return MADE[-1]


@pytest.fixture
def hurried(monkeypatch):
    """The limits of the wire, a hundred times shorter."""
    for name in ("CONNECT", "STALL", "ANSWER"):
        monkeypatch.setattr(wire, name, getattr(wire, name) / 100)


def test_exchanges_share_one_connection():
    seen = []

    def talk(line):
        seen.append(line.getpeername())
        while head(line):
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with peer(talk) as port:
        one = to(port)
        for _ in range(3):
            assert one.exchange("GET", "/", headers={}).body == b"ok"
    assert len(seen) == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew():
    def talk(line):
        head(line)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with peer(talk) as port:
        one = to(port)
        for _ in range(3):
            assert one.exchange("GET", "/", headers={}).status == 200
            time.sleep(0.02)  # the end of the connection arrives


def test_a_body_that_nobody_takes_is_given_up(hurried):
    with peer(lambda line: time.sleep(3)) as port:
        begun = time.monotonic()
        with pytest.raises(LineLost, match="no byte moved"):
            to(port).exchange("PUT", "/", headers={}, body=[bytes(64 << 20)], length=64 << 20)
        assert time.monotonic() - begun < 2


def test_an_answer_that_never_begins_is_given_up(hurried):
    with peer(lambda line: (head(line), time.sleep(3))) as port:
        with pytest.raises(LineLost, match="no byte moved"):
            to(port).exchange("GET", "/", headers={})


def test_an_answer_that_drips_is_given_up(hurried):
    def talk(line):
        head(line)
        line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            line.sendall(b"x")
            time.sleep(0.02)

    with peer(talk) as port:
        begun = time.monotonic()
        with pytest.raises(LineLost, match="too slowly"):
            to(port).exchange("GET", "/", headers={})
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_a_cut_answer_is_a_lost_line(answer):
    with peer(lambda line: (head(line), line.sendall(answer))) as port:
        with pytest.raises(LineLost):
            to(port).exchange("GET", "/", headers={})


@pytest.mark.parametrize("cut", [0, 3])
def test_an_answer_that_goes_into_a_file_is_whole_or_a_lost_line(tmp_path, cut):
    body = b"a receipt"[: 9 - cut]
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n" + body
    with peer(lambda line: (head(line), line.sendall(answer))) as port:
        with (tmp_path / "file").open("wb") as into:
            if cut:
                with pytest.raises(LineLost):
                    to(port).exchange("GET", "/", headers={}, into=into)
            else:
                assert to(port).exchange("GET", "/", headers={}, into=into).status == 201
    assert (tmp_path / "file").read_bytes() == body


def test_a_full_disk_here_is_not_taken_for_the_line():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na receipt"
    with peer(lambda line: (head(line), line.sendall(answer))) as port:
        with open("/dev/full", "wb", buffering=0) as into, pytest.raises(DiskFull):
            to(port).exchange("GET", "/", headers={}, into=into)


def test_an_answer_before_the_end_of_the_body_is_read_and_the_rest_not_sent():
    took = []

    def talk(line):
        head(line)
        line.sendall(b"HTTP/1.1 507 Full\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull")
        line.shutdown(socket.SHUT_WR)
        while block := line.recv(65536):
            took.append(len(block))

    def body():
        for _ in range(400):
            yield bytes(1 << 20)
            time.sleep(0.005)

    with peer(talk) as port:
        answer = to(port).exchange("PATCH", "/", headers={}, body=body(), length=400 << 20)
    assert (answer.status, answer.body) == (507, b"full")
    assert sum(took) < 100 << 20


def test_a_reset_in_the_middle_of_the_body_is_a_lost_line():
    def talk(line):
        head(line)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with peer(talk) as port:
        with pytest.raises(LineLost):
            to(port).exchange("PATCH", "/", headers={}, body=[bytes(64 << 20)], length=64 << 20)


def test_whoever_ends_the_run_is_not_kept_waiting():
    stop = Stop()
    with peer(lambda line: time.sleep(5)) as port:
        threading.Timer(0.1, stop.set).start()
        begun = time.monotonic()
        with pytest.raises(Stopped):
            to(port, stop=stop).exchange("GET", "/", headers={})
        with pytest.raises(Stopped):
            to(port, rate=10.0, stop=stop).exchange(
                "PUT", "/", headers={}, body=[bytes(100)], length=100
            )
        assert time.monotonic() - begun < 3


def test_the_rate_holds_on_a_real_connection():
    moments = []

    def talk(line):
        got = len(head(line).partition(b"\r\n\r\n")[2])
        while got < 200_000:
            got += len(line.recv(65536))
            moments.append((time.monotonic(), got))
        line.sendall(b"HTTP/1.1 204 No\r\n\r\n")

    with peer(talk) as port:
        one = to(port, rate=400_000.0)
        one.exchange("PUT", "/", headers={}, body=[bytes(200_000)], length=200_000)
    begin = moments[0][0]
    assert len(moments) > 5
    assert all(got <= 400_000 * (at - begin) + 70_000 for at, got in moments)


def test_a_failing_body_leaves_no_half_request_on_the_connection():
    heard = []

    both = threading.Event()

    def talk(line):
        heard.append(head(line))
        if len(heard) == 2:
            both.set()
        while line.recv(65536):
            pass

    def body():
        yield b"first"
        raise KeyError("a file that changed")

    with peer(talk) as port:
        one = to(port)
        with pytest.raises(KeyError):
            one.exchange("PUT", "/", headers={}, body=body(), length=100)
        with pytest.raises(KeyError):
            one.exchange("PUT", "/", headers={}, body=body(), length=100)
        assert both.wait(10)  # two connections


def test_a_proxy_is_an_http_address():
    assert Proxy.parse("http://u:p%40@proxy.example:3128") == Proxy("proxy.example", 3128, "u:p@")
    for text in ("proxy.example:3128", "https://proxy:1/", "http://proxy/", "http://p:99999/"):
        with pytest.raises(BadRequest):
            Proxy.parse(text)
