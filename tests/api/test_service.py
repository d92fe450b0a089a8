"""The real service: gunicorn and its worker, started by `evidence serve`."""

import json
import os
import socket
import time
import urllib.error
import urllib.request
from hashlib import sha256

import pytest

from repository.people import find_person, new_token
from tests.house import new_case, own_house
from tests.service import serving


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture
def case(house):
    """A case of the test's own in the house and the service that all share."""
    return new_case(house)


@pytest.fixture(scope="module")
def service(house):
    with house.repo.database.reading() as session:
        people = {n: find_person(session, n) for n in ("investigator", "analyst")}
    tokens = {
        name: new_token(house.repo, house.custodian, person=person, expires_at=None)[1]
        for name, person in people.items()
    }
    with serving(house.data) as running:
        yield running.address, tokens


def ask(address, token, path, **more):
    request = urllib.request.Request(
        address + path, headers={"Authorization": f"Bearer {token}", **more.pop("headers", {})},
        **more,
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read()


def test_evidence_goes_in_and_out_and_the_worker_looks_at_it(service, house, case):
    address, tokens = service
    data = os.urandom(9 << 20)
    status, body = ask(
        address, tokens["investigator"], f"/api/v1/exhibits?case={case}", data=data, method="POST"
    )
    assert status == 201
    number = json.loads(body)["exhibit"]
    _, got = ask(
        address, tokens["analyst"], f"/api/v1/exhibits/{number}/content",
        headers={"Evidence-Purpose": "analysis"},
    )  # fmt: skip
    assert sha256(got).hexdigest() == sha256(data).hexdigest()
    for _ in range(100):
        _, described = ask(address, tokens["analyst"], f"/api/v1/exhibits/{number}")
        if json.loads(described)["extraction"]:
            break
        time.sleep(0.1)
    assert json.loads(described)["type"] == "application/octet-stream"
    kinds = [e.fields["type"] for e in house.entries()]
    assert kinds.count("service_started") == 2


def test_a_damaged_chunk_ends_the_connection_without_its_bytes(service, house, case):
    address, tokens = service
    data = os.urandom(3 << 20)
    _, body = ask(
        address, tokens["investigator"], f"/api/v1/exhibits?case={case}", data=data, method="POST"
    )
    number = json.loads(body)["exhibit"]
    house.flip(number, position=(2 << 20) + 5)
    from http.client import IncompleteRead

    with pytest.raises(IncompleteRead) as cut:
        ask(
            address, tokens["analyst"], f"/api/v1/exhibits/{number}/content",
            headers={"Evidence-Purpose": "analysis"},
        )  # fmt: skip
    assert cut.value.partial == data[: 1 << 20]  # the next chunk reaches into the segment


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_cut_off_registers_nothing(service, house, case, chunked):
    address, tokens = service
    host, port = address.removeprefix("http://").split(":")
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 9000000"
    start = b"4000000\r\n" if chunked else b""
    before = _stored(house)
    with socket.create_connection((host, int(port))) as line:
        line.sendall(
            b"POST /api/v1/exhibits?case=" + case.encode() + b" HTTP/1.1\r\nHost: x\r\n"
            + length + b"\r\nAuthorization: Bearer " + tokens["investigator"].encode() + b"\r\n\r\n"
            + start + os.urandom(2_000_000)
        )  # fmt: skip
    time.sleep(1)
    assert house.evidence("list", "--case", case).lines == []
    assert house.evidence("verify", "--ledger").code == 0
    assert _stored(house) == before


def _stored(house):
    return {path for path in (house.data / "store" / "evidence").rglob("*") if path.is_file()}


def test_a_stream_of_unknown_length_is_taken_in_whole(service, house, case):
    address, tokens = service
    host, port = address.removeprefix("http://").split(":")
    data = os.urandom(3_000_001)
    with socket.create_connection((host, int(port))) as line:
        line.sendall(
            b"POST /api/v1/exhibits?case=" + case.encode() + b" HTTP/1.1\r\nHost: x\r\n"
            b"Connection: close\r\nTransfer-Encoding: chunked\r\n"
            b"Authorization: Bearer " + tokens["investigator"].encode() + b"\r\n\r\n"
            + b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n"
        )  # fmt: skip
        answer = b""
        while block := line.recv(65536):
            answer += block
    assert answer.startswith(b"HTTP/1.1 201")
    [row] = house.evidence("list", "--case", case).lines
    assert row["sha256"] == f"sha256:{sha256(data).hexdigest()}"


def test_refusals_over_the_wire_are_problems(service):
    address, _ = service
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(address, "nonsense", "/api/v1/cases")
    assert refused.value.code == 401
    assert refused.value.headers["Content-Type"] == "application/problem+json"
    refused.value.close()


def test_over_tls_the_service_shows_the_key_that_invitations_pin(house):
    import ssl

    from api.tls import find_identity, pin_of

    with serving(house.data, options=("--tls",)) as running:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(running.place, 30) as line:
            with context.wrap_socket(line) as tls:
                tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert tls.recv(64).startswith(b"HTTP/1.1 200")
                shown = pin_of(tls.getpeercert(binary_form=True))
                assert tls.version() in ("TLSv1.2", "TLSv1.3")
        assert shown == find_identity(house.repo.settings).pin
