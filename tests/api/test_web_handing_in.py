"""The page on which evidence is handed in, and the page of a submission."""

import json
from hashlib import sha256

import pytest

from api.app import create_app
from ingest import uploads
from ingest.announce import announce, begin
from ingest.uploads import Said
from repository.models import Submission
from repository.purpose import Purpose
from repository.submissions import Declaration
from tests.web import sign_in, text

NAME = "evidence\u202egpj<b>.exe"


@pytest.fixture
def client(house):
    return create_app(house.repo).test_client()


def announced(house, files, **claims) -> Submission:
    """Return a submission of the investigator's that announced files by name and size."""
    who = house.caller("investigator")
    submission, _ = begin(
        house.repo, who, "KRN", Declaration(Purpose("investigation", ""), **claims)
    )
    lines = [
        json.dumps({"n": n, "path": path, "size": size}).encode() + b"\n"
        for n, (path, size) in enumerate(files, 1)
    ]
    announce(house.repo, who, submission.id, lines)
    return submission


def begun(house, submission, n, size, data: bytes, *, seal: bool = True):
    """Return an upload of one announced file that has brought some bytes."""
    actor = house.caller("investigator").actor("investigator")
    said = Said("whole", length=size, files=(n, n), sealed=seal)
    upload = uploads.begin(house.repo, actor, house.case, submission, said)
    return uploads.append(house.repo, upload.id, 0, lambda _: iter([data]))


def test_who_may_hand_in_sees_the_page_and_others_are_refused_on_record(client, house):
    sign_in(client, house, "investigator")
    before = house.repo.ledger.size()
    answer = client.get("/cases/KRN/upload")
    assert answer.status_code == 200
    assert "Drag files or folders" in text(answer.text)
    assert "Not finished yet" not in text(answer.text)
    assert house.repo.ledger.size() == before  # of evidence, nothing was looked at
    sign_in(client, house, "analyst")
    assert client.get("/cases/KRN/upload").status_code == 403
    assert house.last("access_denied")["attempted"] == "submission"
    sign_in(client, house, "stranger")
    assert client.get("/cases/KRN/upload").status_code == 404


def test_what_is_still_open_is_shown_with_what_of_it_is_here(client, house):
    submission = announced(house, [(NAME, 9), ("b", 4), ("c", 1)])
    begun(house, submission, 1, 9, b"four")
    begun(house, submission, 3, 1, b"c")
    sign_in(client, house, "investigator")
    said = text(client.get("/cases/KRN/upload").text)
    assert "1 of 3 files are here" in said
    assert "evidenceU+202Egpj<b>.exe 4 B / 9 B" in said
    front = text(client.get("/").text)
    assert "Not finished yet KRN: Begun" in front
    assert "1 of 3 files are here" in front
    found = client.get("/api/v1/uploads?case=KRN").json
    assert [(one["n"], one["path"], one["offset"]) for one in found["items"]] == [
        (1, NAME, 4), (2, "b", 0),
    ]  # fmt: skip
    assert found["items"][0]["upload"]
    assert found["items"][1]["upload"] is None
    first = client.get("/api/v1/uploads?case=KRN&limit=1").json
    second = client.get(f"/api/v1/uploads?case=KRN&limit=1&cursor={first['next']}").json
    assert first["items"] + second["items"] == found["items"]
    assert second["next"] is None


def test_a_file_that_waits_for_its_digest_is_still_to_be_sent(client, house):
    submission = announced(house, [("a", 1)])
    begun(house, submission, 1, 1, b"a", seal=False)
    sign_in(client, house, "investigator")
    [waiting] = client.get("/api/v1/uploads?case=KRN").json["items"]
    assert (waiting["offset"], waiting["size"]) == (1, 1)


def test_what_others_have_open_is_not_among_it(client, house):
    announced(house, [("a", 1)])
    sign_in(client, house, "custodian")
    assert client.get("/api/v1/uploads?case=KRN").json["items"] == []
    assert "Not finished yet" not in text(client.get("/cases/KRN/upload").text)


def test_a_submission_tells_each_file_and_what_was_not_stated(client, house):
    submission = announced(house, [(NAME, 2), ("b", 4)], place="Ka\u202eunas", family="mobile")
    begun(house, submission, 1, 2, b"ok")
    sign_in(client, house, "investigator")
    before = house.repo.ledger.size()
    said = text(client.get(f"/submissions/{submission.id}").text)
    assert house.repo.ledger.size() == before  # the own progress is no entry
    assert "evidenceU+202Egpj<b>.exe" in said
    assert "registered KRN-000001" in said
    assert sha256(b"ok").hexdigest() in said
    assert "not here yet" in said
    assert "KaU+202Eunas" in said
    assert "Telephone or other device" in said
    assert said.count("not stated") == 5 + 1
    sign_in(client, house, "analyst")
    assert client.get(f"/submissions/{submission.id}").status_code == 200
    assert house.last("consultation")["reason"] == "submission-files"
    assert "End it" not in text(client.get(f"/submissions/{submission.id}").text)


def test_it_ends_without_what_is_missing_only_with_a_reason(client, house):
    submission = announced(house, [("a", 2), ("b", 4)])
    begun(house, submission, 1, 2, b"ok")
    sign_in(client, house, "investigator")
    path = f"/submissions/{submission.id}"
    refused = client.post(f"{path}/complete", data={"motive": "the disk <b>broke"})
    assert refused.status_code == 409
    assert "have not arrived" in text(refused.text)
    assert "the disk &lt;b&gt;broke" in refused.text  # kept as it was typed
    silent = client.post(f"{path}/complete", data={"without": "yes"})
    assert silent.status_code == 400
    done = client.post(f"{path}/complete", data={"without": "yes", "motive": "the disk broke"})
    assert (done.status_code, done.headers["Location"]) == (303, path)
    said = text(client.get(path).text)
    assert "The submission has ended" in said
    assert "Receipt (PDF)" in said
    assert "End it" not in said
    assert house.last("submission")["reason"] == "without-missing"


def test_nobody_ends_what_another_began(client, house):
    submission = announced(house, [("a", 2)])
    sign_in(client, house, "analyst")
    data = {"without": "yes", "motive": "m"}
    assert client.post(f"/submissions/{submission.id}/complete", data=data).status_code in (
        403,
        404,
    )
    assert client.get("/submissions/SUB-0197d1c4-0000-7000-8000-000000000000").status_code == 404


def test_long_submissions_come_a_page_at_a_time(client, house):
    submission = announced(house, [(f"file {n}", 1) for n in range(1, 103)])
    sign_in(client, house, "investigator")
    first = client.get(f"/submissions/{submission.id}").text
    assert "file 100<" in first
    assert "file 101<" not in first
    href = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = client.get(href).text
    assert "file 102<" in second
    assert "file 100<" not in second


def test_webassembly_is_compiled_in_the_worker_alone(client, house):
    sign_in(client, house, "investigator")
    page = client.get("/cases/KRN/upload").headers["Content-Security-Policy"]
    worker = client.get("/static/upload-hash.js").headers["Content-Security-Policy"]
    other = client.get("/static/upload.js").headers["Content-Security-Policy"]
    assert "wasm" not in page + other
    assert worker == "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
    assert client.get("/static/vendor/sha256.umd.min.js").status_code == 200
