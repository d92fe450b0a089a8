"""A place in an exhibit has one written form; it opens there, and nothing else does."""

import io
import json
import zipfile
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.app import create_app
from repository.errors import BadLocator
from repository.locators import Locator, parse
from tests.house import CODE, House
from tests.one_house import one_house, signed_in

COUNTS = st.integers(1, 999_999_999)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
SECONDS = st.integers(0, 10**8).map(lambda n: f"{n / 4:.2f}".rstrip("0").rstrip("."))
SPANS = st.tuples(st.integers(0, 10**14), st.integers(0, 10**14)).map(lambda p: tuple(sorted(p)))
DEEPER = st.one_of(
    st.fixed_dictionaries({}),
    st.fixed_dictionaries({"page": COUNTS}),
    st.fixed_dictionaries({"time": SECONDS}),
    st.fixed_dictionaries({"message": NAMES}),
    st.fixed_dictionaries({"run": COUNTS, "fact": COUNTS}),
    st.fixed_dictionaries({"span": SPANS}),
)
DIGESTS = st.one_of(
    st.none(), st.binary(min_size=32, max_size=32).map(lambda d: f"sha256:{d.hex()}")
)


@settings(max_examples=200, deadline=None)
@given(DEEPER, st.one_of(st.none(), NAMES), DIGESTS)
def test_what_is_printed_is_read_again_and_as_the_same(deeper, member, digest):
    said = Locator("KRN-000042", member=member, sha256=digest, **deeper)
    text = str(said)
    assert parse(text) == said
    assert text.isascii()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80).map(lambda rest: f"KRN-000042#{rest}"))
def test_any_text_is_a_locator_written_once_or_a_refusal(text):
    try:
        assert str(parse(text)) == text
    except BadLocator:
        return


@pytest.mark.parametrize(
    "text",
    [
        "", "KRN", "krn-000042", "KRN-000042#", "KRN-000042#member=", "KRN-000042#member",
        "KRN-000042#page=0", "KRN-000042#page=01", "KRN-000042#page=-1", "KRN-000042#page=1&page=2",
        "KRN-000042#page=1&t=2", "KRN-000042#bytes=5-4", "KRN-000042#bytes=0-", "KRN-000042#t=1.0",
        "KRN-000042#t=5,4", "KRN-000042#fact=1", "KRN-000042#run=1", "KRN-000042#sha256=00",
        "KRN-000042#member=%zz", "KRN-000042#member=%ff", "KRN-000042#member=a%2fb",
        "KRN-000042#member=a%2Fb", "KRN-000042#member=фото", "KRN-000042#part=2&page=1",
        "KRN-000042#sha256=" + "a" * 64 + "&page=1", "KRN-000042#exhibit=X", "KRN-000042#x=1",
        "KRN-000042#member=" + "a" * 17_000, "KRN-000042#member=a#page=1", "KRN-٠٠٠٠٤٢",
    ],
)  # fmt: skip
def test_what_is_no_locator_is_refused(text):
    with pytest.raises(BadLocator):
        parse(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture(scope="module")
def box(made, tmp_path_factory):
    """An archive with two members, one of them taken out."""
    with pytest.MonkeyPatch.context() as patch:
        house = made.enter(patch)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("фото/a b.txt", "one two three")
            archive.writestr("other.txt", "nothing")
        file = tmp_path_factory.mktemp("box") / "box.zip"
        file.write_bytes(buffer.getvalue())
        number = house.ingest(file, extract=True)[0]["exhibit"]
        said = house.evidence("derive", number, "--member", "фото/a b.txt", person="investigator")
        assert said.code == 0, said.err
        return number, said.lines[0]["exhibit"], buffer.getvalue()


def digest_of(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def test_members_and_facts_carry_locators_that_open_where_they_point(house, box):
    number, child, _ = box
    rows = {one["member"]: one for one in house.evidence("members", number, person="analyst").lines}
    locator = rows["фото/a b.txt"]["locator"]
    assert locator == (
        f"{number}#member=%D1%84%D0%BE%D1%82%D0%BE/a%20b.txt&sha256="
        f"{sha256(b'one two three').hexdigest()}"
    )
    [place] = house.evidence("open", locator, person="analyst").lines
    assert (place["exhibit"], place["digest"]) == (child, "same")
    assert place["member"]["member"] == "фото/a b.txt"
    [record] = house.evidence("show", number, "--facts", person="analyst").lines
    fact = record["facts"][0]
    [there] = house.evidence("open", fact["locator"], person="analyst").lines
    assert [(one["name"], one["value"]) for one in there["facts"]] == [
        (fact["name"], fact["value"])
    ]
    assert house.last("consultation")["reason"] == "extraction-record"


def test_a_range_is_cited_with_its_digest_and_written_only_if_it_is_the_same(house, box, tmp_path):
    number, child, data = box
    asked = ("cite", number, "--bytes", "2-9", "--purpose", "analysis")
    [found] = house.evidence(*asked, person="analyst").lines
    assert found["sha256"] == digest_of(data[2:10])
    assert house.last("retrieval")["outcome"] == "started"
    out = tmp_path / "range"
    opened = ("open", found["locator"], "--out", out, "--purpose", "analysis")
    assert house.evidence(*opened, person="analyst").code == 0
    assert out.read_bytes() == data[2:10]
    other = found["locator"].replace(found["sha256"][7:], "0" * 64)
    said = house.evidence(
        "open", other, "--out", tmp_path / "other", "--purpose", "analysis", person="analyst"
    )
    assert said.code == 1
    assert not (tmp_path / "other").exists()
    within = f"{number}#member=%D1%84%D0%BE%D1%82%D0%BE/a%20b.txt&bytes=4-6"
    said = house.evidence(
        "open", within, "--out", tmp_path / "within", "--purpose", "analysis", person="analyst"
    )
    assert said.code == 0, said.err
    assert (tmp_path / "within").read_bytes() == b"two"
    assert said.lines[0]["exhibit"] == child


def test_beyond_the_end_elsewhere_and_not_taken_out_are_refusals_of_their_own(house, box):
    number, _, data = box
    client = create_app(house.repo).test_client()
    who = {**signed_in(house, "analyst"), "Evidence-Purpose": "analysis"}

    def asked(locator: str, place: str = "citations", headers=who):
        answer = client.get(f"/api/v1/{place}", query_string={"locator": locator}, headers=headers)
        kind = answer.json["type"].rpartition("/")[2] if answer.status_code >= 400 else ""
        return answer.status_code, kind.rpartition(":")[2]

    end = len(data)
    cases = {
        f"{number}#bytes=0-{end}": (404, "unknown-place"),
        f"{number}#page=1": (404, "unknown-place"),
        f"{number}#t=1": (404, "unknown-place"),
        f"{number}#message=row%201": (404, "unknown-place"),
        f"{number}#run=1&fact=9999": (404, "unknown-place"),
        f"{number}#run=9&fact=1": (404, "not-extracted"),
        f"{number}#part=2": (404, "unknown-part"),
        f"{number}#member=none": (404, "unknown-place"),
        f"{number}#member=other.txt&bytes=0-1": (409, "member-not-taken-out"),
        f"{number}#sha256={'0' * 64}": (409, "cited-digest-differs"),
        f"{CODE}-999999#page=1": (404, "unknown-exhibit"),
        "nonsense": (400, "bad-locator"),
        "": (400, "bad-locator"),
    }
    for locator, expected in cases.items():
        assert asked(locator) == expected, locator
    assert asked(f"{number}#bytes=0-{end}", "citations/content") == (404, "unknown-place")
    assert asked(f"{number}#bytes=0-0&sha256={'0' * 64}", "citations/content") == (
        409, "cited-digest-differs",
    )  # fmt: skip
    stranger = {**signed_in(house, "stranger"), "Evidence-Purpose": "analysis"}
    for place in ("citations", "citations/content"):
        assert asked(number, place, stranger) == (404, "unknown-exhibit")
    assert house.last("access_denied")["attempted"] == "retrieval"


def test_bytes_over_http_are_those_of_the_place(house, box):
    number, _, data = box
    client = create_app(house.repo).test_client()
    who = {**signed_in(house, "analyst"), "Evidence-Purpose": "analysis"}
    digest = sha256(data[1:5]).hexdigest()
    locator = f"{number}#bytes=1-4&sha256={digest}"
    answer = client.get("/api/v1/citations/content", query_string={"locator": locator}, headers=who)
    assert (answer.status_code, answer.data) == (206, data[1:5])
    assert answer.headers["Content-Range"] == f"bytes 1-4/{len(data)}"
    listed = client.get(f"/api/v1/exhibits/{number}/facts?limit=1", headers=who).json
    assert len(listed["items"]) == 1
    assert parse(listed["items"][0]["locator"]).exhibit == number
    before = house.repo.ledger.size()
    without = client.get(
        "/api/v1/citations/content", query_string={"locator": number},
        headers=signed_in(house, "analyst"),
    )  # fmt: skip
    assert without.status_code == 400
    assert house.last("access_denied")["reasons"] == ["purpose-required"]
    assert house.repo.ledger.size() > before


def test_a_child_that_one_may_not_know_of_is_told_by_no_listing_and_no_place(house, box):
    number, child, _ = box
    marked = house.evidence("mark", child, "--sealed", "--motive", "m")
    assert marked.code == 0, marked.err
    rows = house.evidence("members", number, person="analyst").lines
    assert [one["exhibit"] for one in rows] == [None, None]
    locator = next(one["locator"] for one in rows if "a%20b" in one["locator"])
    [place] = house.evidence("open", locator, person="analyst").lines
    assert (place["exhibit"], place["member"]["exhibit"]) == (number, None)
    assert child not in json.dumps([rows, place])
    deeper = f"{number}#member=%D1%84%D0%BE%D1%82%D0%BE/a%20b.txt&bytes=0-1"
    assert house.evidence("open", deeper, person="analyst").code == 2  # as one not taken out
