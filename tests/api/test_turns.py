"""Turns: in the order of asking, none lost, and nobody waits for ever for somebody slow."""

import socket
import time
from threading import Thread

import pytest

from api.server import Worker
from api.turns import Turns, in_turn


def waiting(turns: Turns, many: int) -> None:
    end = time.monotonic() + 10
    while len(turns._waiting) < many:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_whoever_asked_first_is_first():
    turns, order = Turns(at_once=1, patience=60), []

    def work(n):
        assert turns.enter()
        order.append(n)
        turns.leave()

    assert turns.enter()
    threads = [Thread(target=work, args=(n,)) for n in range(5)]
    for n, one in enumerate(threads):
        one.start()
        waiting(turns, n + 1)
    assert order == []
    turns.leave()
    for one in threads:
        one.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_slow_one_holds_nobody_up_for_longer_than_their_patience():
    turns = Turns(at_once=1, patience=0.02)
    assert turns.enter()
    assert not turns.enter()  # and works beside it
    turns.leave()
    assert turns.enter()
    turns.leave()


def test_a_turn_ends_whatever_happens(monkeypatch):
    turns = Turns(at_once=1, patience=0)
    monkeypatch.setattr("api.turns._TURNS", turns)

    @in_turn
    def broken():
        raise ValueError("broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            broken()
    assert turns.enter()


def test_a_process_that_counted_its_connections_wrongly_goes_on_taking_them():
    worker = Worker.__new__(Worker)
    worker.nr_conns = -1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        worker.accept(listener)  # nobody is there: it neither fails nor waits
    assert worker.nr_conns == -1
