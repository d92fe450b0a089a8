"""Resumable uploads over HTTP: from the first request to the exhibit; the clauses of the protocol
are in tests/conformance."""

import base64
import os
from hashlib import sha256

import pytest

from api.app import create_app
from repository.people import find_person, new_token

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"
DATA = os.urandom(300_000)


@pytest.fixture
def http(house):
    return Client(house)


class Client:
    """A client of tus for one person."""

    def __init__(self, house, name="investigator"):
        self.house = house
        self._client = create_app(house.repo).test_client()
        with house.repo.database.reading() as session:
            person = find_person(session, name)
        _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
        self._token = {"Authorization": f"Bearer {token}"}

    def ask(self, method, path="/api/v1/uploads", data=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            named.setdefault("Content-Type", OCTETS)
        return self._client.open(
            path, method=method, data=data, headers={**TUS, **self._token, **named}
        )

    def create(self, data=None, **headers):
        headers.setdefault("Upload_Metadata", metadata(case=b"KRN", filename=b"a.bin"))
        return self.ask("POST", data=data, **headers)


def metadata(**values):
    return ",".join(f"{n} {base64.b64encode(v).decode()}" for n, v in values.items())


def repr_digest(data):
    return f"sha-256=:{base64.b64encode(sha256(data).digest()).decode()}:"


def test_an_upload_in_two_requests_becomes_an_exhibit_with_its_digest(http):
    made = http.create(Upload_Length=str(len(DATA)), Repr_Digest=repr_digest(DATA))
    assert made.status_code == 201
    place = made.headers["Location"]
    assert made.headers["Upload-Expires"].endswith("GMT")
    first = http.ask("PATCH", place, DATA[:100_000], Upload_Offset="0")
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "100000")
    head = http.ask("HEAD", place)
    assert head.headers["Upload-Offset"] == "100000"
    assert head.headers["Upload-Length"] == str(len(DATA))
    assert head.headers["Cache-Control"] == "no-store"
    last = http.ask("PATCH", place, DATA[100_000:], Upload_Offset="100000")
    assert (last.status_code, last.headers["Evidence-Exhibit"]) == (204, "KRN-000001")
    assert last.headers["Repr-Digest"] == repr_digest(DATA)
    found = http.ask("GET", place).json
    assert (found["state"], found["results"][0]["exhibit"]) == ("done", "KRN-000001")
    assert http.ask("HEAD", place).headers["Upload-Offset"] == str(len(DATA))
    receipt = http.ask("GET", "/api/v1/exhibits/KRN-000001/receipt").json
    assert receipt["sha256"] == f"sha256:{sha256(DATA).hexdigest()}"


def test_creation_may_bring_everything_at_once(http):
    made = http.create(DATA, Upload_Length=str(len(DATA)))
    assert (made.status_code, made.headers["Evidence-Exhibit"]) == (201, "KRN-000001")
    assert made.headers["Upload-Offset"] == str(len(DATA))
    empty = http.create(Upload_Length="0")
    assert (empty.status_code, empty.headers["Evidence-Exhibit"]) == (201, "KRN-000002")


def test_another_digest_than_declared_is_said_and_the_bytes_are_kept(http):
    made = http.create(DATA, Upload_Length=str(len(DATA)), Repr_Digest=repr_digest(b"other"))
    assert (made.status_code, made.json["type"].rpartition("/")[2]) == (422, "digest-mismatch")
    assert made.json["quarantine"].startswith("QUA-")
    assert made.json["sha256"] == f"sha256:{sha256(DATA).hexdigest()}"


def test_a_digest_may_come_at_the_end(http):
    made = http.create(
        DATA, Upload_Length=str(len(DATA)),
        Upload_Metadata=metadata(case=b"KRN", filename=b"a", seal=b"later"),
    )  # fmt: skip
    assert "Evidence-Exhibit" not in made.headers
    place = made.headers["Location"]
    assert http.ask("POST", f"{place}/seal").status_code == 400
    sealed = http.ask("POST", f"{place}/seal", Repr_Digest=repr_digest(DATA))
    assert (sealed.status_code, sealed.headers["Evidence-Exhibit"]) == (204, "KRN-000001")
    again = http.ask("POST", f"{place}/seal", Repr_Digest=repr_digest(DATA))
    assert again.headers["Evidence-Exhibit"] == "KRN-000001"
    other = http.ask("POST", f"{place}/seal", Repr_Digest=repr_digest(b"other"))
    assert other.status_code == 400


def test_the_collection_is_recorded_as_declared(http, house):
    said = metadata(
        case=b"KRN", filename="мост.jpg".encode(), collected_by="Олена".encode(), place=b"Kherson",
        family=b"heritage", purpose=b"court: the bridge",
    )  # fmt: skip
    made = http.create(DATA, Upload_Length=str(len(DATA)), Upload_Metadata=said)
    assert made.status_code == 201
    described = http.ask("GET", "/api/v1/exhibits/KRN-000001").json
    assert (described["path"], described["family"]) == ("мост.jpg", "heritage")
    assert "collection/done" in house.types()


def test_parts_sent_side_by_side_are_joined(http):
    first = http.ask(
        "POST", data=DATA[:1000], Upload_Length="1000", Upload_Concat="partial"
    ).headers["Location"]  # fmt: skip
    second = http.ask("POST", Upload_Length="299000", Upload_Concat="partial").headers["Location"]
    unfinished = http.create(Upload_Concat=f"final;{first} {second}")
    assert unfinished.status_code == 400
    http.ask("PATCH", second, DATA[1000:], Upload_Offset="0")
    final = http.create(
        Upload_Concat=f"final;{first} https://example.invalid{second}",
        Repr_Digest=repr_digest(DATA),
    )
    assert (final.status_code, final.headers["Evidence-Exhibit"]) == (201, "KRN-000001")
    refused = http.ask("PATCH", final.headers["Location"], b"x", Upload_Offset=str(len(DATA)))
    assert refused.status_code == 403


def test_who_may_not_hand_in_begins_nothing_and_the_refusal_is_recorded(house):
    for name, status in (("analyst", 403), ("stranger", 404)):
        other = Client(house, name)
        assert other.create(Upload_Length="3").status_code == status
        assert other.ask("POST", Upload_Length="3", Upload_Concat="partial").status_code == 404
    assert house.types().count("access_denied/refused") == 4


def test_anothers_upload_cannot_be_told_from_none(http, house):
    place = http.create(Upload_Length="3").headers["Location"]
    stranger = Client(house, "stranger")
    for method in ("HEAD", "GET", "PATCH", "DELETE"):
        headers = {"Upload_Offset": "0"} if method == "PATCH" else {}
        data = b"abc" if method == "PATCH" else None
        mine = stranger.ask(method, place, data, **headers)
        none = stranger.ask(method, "/api/v1/uploads/nothing", data, **headers)
        assert (mine.status_code, mine.data) == (none.status_code, none.data) == (404, mine.data)
    assert house.types().count("access_denied/refused") == 8


@pytest.mark.parametrize(
    "said",
    [
        "case", "case !!!", "case S1JO,case S1JO", "case S1JO,filename a b", ",", "x" * 70_000,
        metadata(filename=b"a"), metadata(case=b"\xff"), metadata(submission=b"SUB-x"),
        metadata(submission=b"SUB-01a1f000-0000-7000-8000-0000000000ff", place=b"Erbil"),
        metadata(case=b"KRN", file=b"1"), metadata(case=b"KRN", files=b"2-1"),
        metadata(case=b"NONE"), metadata(case=b"KRN", collected_at=b"yesterday"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_read_or_names_nothing_is_refused(http, said):
    answer = http.create(Upload_Length="3", Upload_Metadata=said)
    assert answer.status_code in (400, 404)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "name",
    [b"", b"\0", "\u202egpj.exe".encode(), b"\xff\xfe", b"../../etc/passwd", b"n" * 10_000,
     b"a\r\nSet-Cookie: x=1"],
)  # fmt: skip
def test_any_name_is_data_and_comes_back_as_it_was(http, name):
    made = http.create(b"abc", Upload_Length="3", Upload_Metadata=metadata(case=b"KRN", name=name))
    assert made.status_code == 201
    path = http.ask("GET", "/api/v1/exhibits/KRN-000001").json["path"]
    found = base64.b64decode(path["base64"]) if isinstance(path, dict) else path.encode()
    assert found == (name or b"upload")


def test_an_upload_is_given_up_by_its_own_word(http):
    place = http.create(DATA[:10], Upload_Length="20").headers["Location"]
    assert http.ask("DELETE", place).status_code == 204
    assert http.ask("HEAD", place).status_code == 410
    assert http.ask("PATCH", place, b"x", Upload_Offset="10").status_code == 410
    done = http.create(b"abc", Upload_Length="3").headers["Location"]
    assert http.ask("DELETE", done).status_code == 410  # registered: nothing is taken back
    assert http.ask("GET", done).json["state"] == "done"
