"""Who asks too often is told to wait; nobody else is, and it costs bounded memory."""

import pytest

from api.app import create_app
from api.limits import BURST_SECONDS, SIGN_IN_COST, Allowance
from tests.house import make_house


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_an_allowance_is_ten_seconds_worth_at_once_and_then_the_rate(clock):
    allowance = Allowance("token", 2.0, clock=clock)
    burst = 2 * BURST_SECONDS
    assert [allowance.take(b"a").remaining for _ in range(burst)] == list(range(burst))[::-1]
    refused = allowance.take(b"a")
    assert (refused.remaining, round(refused.wait, 6)) == (0, 0.5)
    assert allowance.take(b"b").wait == 0  # another caller's is untouched
    clock.now += 0.5
    assert allowance.take(b"a").wait == 0
    assert allowance.take(b"a").wait > 0
    clock.now += BURST_SECONDS
    assert allowance.take(b"a").remaining == burst - 1


def test_asking_on_makes_nobody_wait_longer(clock):
    allowance = Allowance("token", 1.0, clock=clock)
    for _ in range(BURST_SECONDS):
        allowance.take(b"a")
    waits = {round(allowance.take(b"a").wait, 6) for _ in range(1000)}
    assert waits == {1.0}


def test_memory_is_bounded_and_the_longest_silent_caller_is_forgotten(clock):
    allowance = Allowance("address", 1.0, clock=clock, most=100)
    for n in range(10_000):
        allowance.take(b"%d" % n)
        allowance.take(b"kept")
    assert len(allowance) == 100
    assert allowance.take(b"kept").wait > 0


@pytest.fixture
def limited(tmp_path):
    house = make_house(tmp_path, rate_per_token=0.5, rate_per_address=4.0)
    yield house
    house.repo.close()


def ask(client, token="a.b", address="198.51.100.7", path="/api/v1/cases"):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.get(path, headers=headers, environ_base={"REMOTE_ADDR": address})


def test_a_token_that_asks_too_often_gets_429_and_is_told_when(limited):
    text = limited.evidence("token", "new", "analyst").lines[0]["token"]
    client = create_app(limited.repo).test_client()
    answers = [ask(client, text) for _ in range(8)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 3
    assert answers[0].headers["RateLimit-Policy"] == '"token";q=5;w=10, "address";q=40;w=10'
    assert answers[0].headers["RateLimit"].startswith('"token";r=4;t=')
    last = answers[-1]
    assert last.json["type"].endswith("/too-many-requests")
    assert 1 <= int(last.headers["Retry-After"]) <= 2
    assert last.headers["RateLimit"].startswith('"token";r=0;')


def test_refused_sign_ins_use_an_addresses_allowance_up_and_then_write_no_entries(limited):
    client = create_app(limited.repo).test_client()
    before = limited.repo.ledger.size()
    answers = [ask(client, f"{n}.x", address=f"2001:db8::{n:x}") for n in range(1, 10)]
    assert {a.status_code for a in answers} == {401, 429}
    refused = sum(a.status_code == 401 for a in answers)
    assert refused <= 1 + 40 // SIGN_IN_COST
    assert limited.repo.ledger.size() == before + refused
    assert ask(client, "1.x", address="2001:db8:0:1::1").status_code == 401  # the next network


def test_health_is_always_told(limited):
    client = create_app(limited.repo).test_client()
    for _ in range(60):
        assert ask(client, None, path="/healthz").status_code == 200


def test_addresses_are_read_behind_as_many_proxies_as_there_are(tmp_path):
    house = make_house(tmp_path, rate_per_address=0.1, trusted_proxies=1)
    client = create_app(house.repo).test_client()

    def status(forwarded):
        return client.get("/check.html", headers={"X-Forwarded-For": forwarded}).status_code

    assert [status("203.0.113.1"), status("203.0.113.1")] == [200, 429]
    assert status("203.0.113.1, 203.0.113.2") == 200  # what the client itself wrote is not believed
    assert status("9.9.9.9, 203.0.113.2") == 429
    house.repo.close()
