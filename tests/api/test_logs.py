"""What the service says of itself: enough to run it by, nothing of a person or a case."""

import http.client
import io
import json
import logging
import re
import time
from urllib.parse import quote

import pytest

from api import logs
from api.app import create_app
from custody.errors import LedgerUnavailable
from tests.house import CODE
from tests.service import Service, free_port

NAME = "Маріам Ковальчук"
SECRETS = {
    "name": NAME,
    "purpose": "interview of the second witness",
    "path": "DCIM/rahima-and-her-sons.jpg",
    "title": "Bridge at Lastva",
    "exhibit": "KRN-000001",
    "token": None,
}


@pytest.fixture
def lines():
    stream = io.StringIO()
    before = logs.LOG.handlers[:], logs.LOG.level, logs.LOG.propagate
    logs.install(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs.LOG.handlers[:], logs.LOG.propagate = before[0], before[2]
    logs.LOG.setLevel(before[1])


def test_every_request_has_an_id_and_one_line_by_its_route(house, lines):
    client = create_app(house.repo).test_client()
    given = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
    with client.get("/api/v1/cases/KRN", headers={"X-Request-Id": given}) as answer:
        assert answer.headers["X-Request-Id"] == given
    [line] = lines()
    assert line["request_id"] == given
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/v1/cases/<code>", 401)
    assert line["problem"] == "sign-in-refused"
    assert line["level"] == "info"


@pytest.mark.parametrize("given", ["", "A. Field", "x" * 30, "a" * 65, "1234567", "1234567\u00e9"])
def test_an_id_that_could_say_something_is_replaced(house, lines, given):
    client = create_app(house.repo).test_client()
    with client.get("/healthz", headers={"X-Request-Id": given}) as answer:
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["X-Request-Id"])


def test_an_error_is_logged_by_class_and_place_without_its_words(house, lines):
    app = create_app(house.repo)
    app.add_url_rule("/crash", view_func=lambda: int(NAME), endpoint="crash")

    def unavailable():
        try:
            raise OSError(NAME)
        except OSError as error:
            raise LedgerUnavailable(f"the row of {NAME}") from error

    app.add_url_rule("/off", view_func=unavailable, endpoint="off")
    for path, status, last in (("/crash", 500, "ValueError"), ("/off", 503, "OSError")):
        with app.test_client().get(path) as answer:
            assert answer.status_code == status
        error = next(line for line in reversed(lines()) if "error" in line)
        assert error["error"][-1]["class"] == last
        assert "test_logs.py" in error["error"][-1]["at"][-1]
    assert NAME not in json.dumps(lines(), ensure_ascii=False)


def test_of_other_peoples_records_only_the_template_is_kept():
    record = logging.LogRecord("gunicorn.error", 40, "f", 1, "Error handling %s", (NAME,), None)
    line = json.loads(logs.JsonLines().format(record))
    assert line["event"] == "Error handling %s"
    assert NAME not in json.dumps(line, ensure_ascii=False)


def test_a_running_service_writes_no_name_purpose_path_or_token(house, tmp_path):
    assert house.evidence("person", "new", NAME, "--role", "custodian").code == 0
    assert house.evidence("case", "new", "BR", "--title", SECRETS["title"]).code == 0
    token = house.evidence("token", "new", NAME).lines[0]["token"]
    secrets = {**SECRETS, "token": token.partition(".")[2], "token id": token.partition(".")[0]}
    assert house.evidence("case", "grant", CODE, NAME, "custodian").code == 0
    log, port = tmp_path / "log", free_port()
    # Of the service's processes only the first waits for SIGTERM with a clean end.
    service = Service(house.data, log=log, EVIDENCE_METRICS_PORT=str(port)).start()
    try:
        headers = {
            "Authorization": f"Bearer {token}",
            "Evidence-Purpose": quote(f"analysis: {secrets['purpose']}"),
            "Evidence-Path": quote(secrets["path"]),
        }
        said = f"case={CODE}&collected_by={quote(NAME)}&place={quote(secrets['title'])}"
        asked = [
            ("POST", f"/api/v1/exhibits?{said}", b"bytes"),
            ("GET", f"/api/v1/exhibits?{said}", None),
            ("GET", "/api/v1/exhibits/KRN-000001", None),
            ("GET", "/api/v1/exhibits/KRN-000001/content", None),
            ("GET", f"/api/v1/cases/{quote(NAME)}", None),
            ("GET", f"/{quote(NAME)}", None),
            ("POST", "/api/v1/cases", json.dumps({"code": "BR", "title": NAME}).encode()),
            ("RAHIMA", "/", None),
        ]
        for method, path, body in asked:
            line = http.client.HTTPConnection(*service.place, timeout=30)
            line.request(method, path, body, {**headers, "Content-Type": "application/json"})
            line.getresponse().read()
            line.close()
        house.flip("KRN-000001", 10)  # and one that fails while it is read
        line = http.client.HTTPConnection(*service.place, timeout=30)
        line.request("GET", "/api/v1/exhibits/KRN-000001/content", headers=headers)
        assert line.getresponse().status == 500
        line.close()
        failed = 'evidence_problems_total{type="integrity-error"} 1'
        until = time.monotonic() + 30  # a request is counted once its answer has ended
        while failed not in (counts := fetch(port)) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        assert service.stop() == 0
    written = log.read_text()
    served = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    requests = [line for line in served if line["event"] == "request"]
    assert len(requests) >= len(asked) + 1
    assert {line["route"] for line in requests} >= {"/api/v1/exhibits/<number>", "none"}
    for what, secret in secrets.items():
        for place in (written, counts):
            assert secret not in place, what
            assert quote(secret) not in place, what
    assert (
        'evidence_requests_total{method="POST",route="/api/v1/exhibits",status="201"} 1' in counts
    )
    assert failed in counts
    assert 'evidence_request_seconds_count{route="/api/v1/exhibits/<number>/content"}' in counts


def fetch(port):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("GET", "/metrics")
    answer = line.getresponse()
    assert answer.status == 200
    return answer.read().decode()


def test_metrics_are_off_where_nobody_asked_for_them(house):
    assert house.repo.settings.metrics_port == 0
    assert create_app(house.repo).test_client().get("/metrics").status_code == 404
