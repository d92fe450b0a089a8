"""The relay itself: its delay, its rate, its fairness and its cuts are what they claim to be."""

import os
import socket
import threading
import time
from contextlib import contextmanager
from hashlib import sha256

import pytest

from tests.relay import relay

DATA = os.urandom(1 << 20)


@contextmanager
def server(answer):
    """Run `answer` in a thread for every connection; yield where it listens."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve():
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=within, args=(line,), daemon=True).start()

    def within(line):
        with line:
            try:
                answer(line)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def echo(line):
    while data := line.recv(65536):
        line.sendall(data)


class Sink:
    """Takes everything, and keeps how much of it came on each connection and its digest."""

    def __init__(self):
        self.got = []
        self.ended = []

    def __call__(self, line):
        mine = [0, sha256()]
        self.got.append(mine)
        try:
            while data := line.recv(65536):
                mine[0] += len(data)
                mine[1].update(data)
        finally:
            self.ended.append(mine)
        line.sendall(b"!")


def until(true):
    for _ in range(400):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it never came to that")


def test_bytes_pass_unchanged_in_both_directions_and_ends_are_passed_on():
    with server(echo) as place, relay(place) as line, socket.create_connection(line.place) as own:
        sender = threading.Thread(target=lambda: (own.sendall(DATA), own.shutdown(1)))
        sender.start()
        got = b""
        while data := own.recv(65536):
            got += data
        sender.join()
        assert got == DATA
        assert line.told()["uploaded"] == len(DATA)


def test_a_round_trip_takes_its_time_and_connecting_takes_one_more():
    with server(echo) as place, relay(place, rtt=0.2) as line:
        start = time.monotonic()
        with socket.create_connection(line.place) as own:
            own.sendall(b"x")
            own.recv(1)
            first = time.monotonic() - start
            start = time.monotonic()
            own.sendall(b"x")
            own.recv(1)
            second = time.monotonic() - start
    assert first >= 0.4
    assert second >= 0.2
    assert first + second < 1.5  # not more than it must, on a machine that does something else too


def test_all_connections_share_the_rate_fairly():
    sink = Sink()
    rate, count = 4e6, 4

    def send(place):
        with socket.create_connection(place) as own:
            for _ in range(2):
                own.sendall(DATA)
            own.shutdown(socket.SHUT_WR)
            own.recv(1)
        took.append(time.monotonic() - start)

    took = []
    with server(sink) as place, relay(place, rate=rate) as line:
        start = time.monotonic()
        senders = [threading.Thread(target=send, args=(line.place,)) for _ in range(count)]
        for one in senders:
            one.start()
        for one in senders:
            one.join()
    right = count * 2 * len(DATA) / rate
    assert right * 0.97 < max(took) < right * 1.5
    assert min(took) > right * 0.8  # none was served before the others


@pytest.mark.parametrize("how", ["reset", "hang"])
def test_cuts_come_after_as_many_bytes_as_were_asked_for(how):
    sink = Sink()
    sent = 0
    with server(sink) as place, relay(place, cut_every=1 << 20, how=how, seed=5) as line:
        while line.told()["cuts"] < 12:
            with socket.create_connection(line.place, timeout=0.2) as own:
                try:
                    for n in range(0, len(DATA), 1 << 14):
                        sent += own.send(DATA[n : n + (1 << 14)])
                    own.shutdown(socket.SHUT_WR)
                    own.recv(1)
                except OSError:
                    continue
        told = line.told()
    assert 0.5 < told["bytes"] / told["cuts"] / (1 << 20) < 2


@pytest.mark.parametrize("how", ["reset", "hang"])
@pytest.mark.parametrize("count", [1, 100_000])
def test_a_cut_at_an_exact_place_lets_exactly_so_many_bytes_through(how, count):
    sink = Sink()
    with server(sink) as place, relay(place, rtt=0.02) as line:
        line.cut_after(count, how)
        with socket.create_connection(line.place, timeout=5) as own:
            own.sendall(DATA)
            if how == "reset":
                with pytest.raises(ConnectionResetError):
                    own.recv(1)
                until(lambda: sink.ended)
            else:
                own.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    own.recv(1)
                assert not sink.ended  # the server believes that the client is still there
        [[got, digest]] = sink.got
        assert got == count
        assert digest.hexdigest() == sha256(DATA[:count]).hexdigest()
        with socket.create_connection(line.place) as own:  # the line is there again
            own.shutdown(socket.SHUT_WR)
            assert own.recv(1) == b"!"


def test_half_open_and_black_hole():
    sink = Sink()
    with server(sink) as place, relay(place) as line:
        line.half_open()
        with socket.create_connection(line.place, timeout=0.2) as own:
            own.sendall(b"hello")
            with pytest.raises(TimeoutError):
                own.recv(1)
        assert not sink.got
        line.half_open(silent=False)
        with socket.create_connection(line.place, timeout=0.2) as own:
            own.sendall(b"hello")
            until(lambda: sink.got and sink.got[0][0] == 5)
            line.black_hole()
            own.sendall(b"again")
            own.shutdown(socket.SHUT_WR)
            with pytest.raises(TimeoutError):
                own.recv(1)
        assert (sink.got[0][0], sink.ended) == (5, [])


def test_a_server_that_resets_or_is_not_there_is_passed_on():
    with server(lambda line: line.recv(3)) as place, relay(place) as line:
        with socket.create_connection(line.place, timeout=5) as own:
            own.sendall(b"hello")  # two bytes are never read: the server's close is a reset
            with pytest.raises(ConnectionResetError):
                own.recv(1)
    with relay(("127.0.0.1", 9)) as line, socket.create_connection(line.place, timeout=5) as own:
        with pytest.raises(ConnectionResetError):
            own.recv(1)
