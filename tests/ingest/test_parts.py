"""A thing of several parts is one exhibit: taken in, read, kept, exported, checked by part."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from api.app import create_app
from api.commands.context import login
from custody.canonical import dumps
from custody.verify import exit_code, verify_path
from ingest.batch import Failure, ingest
from ingest.quarantine import held, release
from ingest.sources import Source, Thing
from ingest.staging import intend, stage
from repository import copies, erasure
from repository.authorise import Caller
from repository.errors import (
    Erased,
    IntegrityError,
    PartRequired,
    StoreUnavailable,
    UnknownPart,
)
from repository.exhibits import digest_of_parts, find_exhibit
from repository.fixity import check_objects
from repository.flows import close_ended
from repository.models import Exhibit, Intake
from repository.people import find_person, new_person, new_token
from repository.purpose import parse
from repository.reconcile import reconcile
from repository.retrieve import recorded_parts, retrieve
from repository.submissions import Declaration, open_submission
from tests.hostile import FailsAt
from tests.house import CODE

PARTS = [b"first part" * 200_000, b"second", b""]


def submission_of(house, name="SUB-01a1f000-0000-7000-8000-000000000001"):
    submission, _ = open_submission(
        house.repo, house.custodian, house.case, Declaration(parse("court")), named=name, sources=[]
    )
    return submission


def thing(folder, contents, *, stem="disk", declared=None, claims=None):
    """Write the parts into a folder and return the thing they form."""
    sources = []
    for n, content in enumerate(contents, 1):
        file = folder / f"{stem}.{n:03d}"
        file.write_bytes(content)
        said = (declared or {}).get(n, {})
        path = file.name.encode()
        sources.append(Source(str(file).encode(), path, len(content), declared=said))
    return Thing(tuple(sources), claims or {})


def take_in(house, *things, submission=None):
    submission = submission or submission_of(house)
    return list(ingest(house.repo, house.custodian, house.case, submission, things))


def known_by(contents):
    """The digest of an exhibit of several parts, computed as docs/format.md 2.3 says."""
    digests = ["sha256:" + sha256(content).hexdigest() for content in contents]
    return "sha256:" + sha256(json.dumps(digests, separators=(",", ":")).encode()).hexdigest()


def read(house, number, part, **more):
    caller = house.caller("analyst")
    return b"".join(retrieve(house.repo, caller, number, purpose="analysis", part=part, **more))


@pytest.fixture
def taken(house, tmp_path):
    [outcome] = take_in(house, thing(tmp_path, PARTS))
    return outcome


def test_one_number_one_digest_and_one_history_for_all_parts(house, taken):
    assert (taken.status, taken.number) == ("registered", "KRN-000001")
    assert (taken.sha256, taken.size) == (known_by(PARTS), sum(map(len, PARTS)))
    fields = house.last("registration")
    assert [part["part"] for part in fields["parts"]] == [1, 2, 3]
    assert [part["digests"]["sha256"] for part in fields["parts"]] == [
        "sha256:" + sha256(content).hexdigest() for content in PARTS
    ]
    assert len({part["stored"]["key"] for part in fields["parts"]}) == 3
    [entry] = [e for e in house.entries() if e.fields["type"] == "receipt"]
    assert house.repo.ledger.opened(entry)["detail"] == {
        "names": ["disk.001", "disk.002", "disk.003"]
    }
    [data_key] = {part["encryption"] for part in fields["parts"]}
    assert data_key == "AES256_GCM_HKDF_1MB"


def test_each_part_is_read_by_its_number(house, taken):
    assert [read(house, taken.number, n) for n in (1, 2, 3)] == PARTS
    assert house.last("retrieval")["part"] == 3
    assert read(house, taken.number, 1, span=(1_999_990, None)) == b"first part"


def test_without_a_part_nothing_is_read_and_the_refusal_names_how_many(house, taken):
    caller = house.caller("analyst")
    with pytest.raises(PartRequired, match="has 3 parts; name one, from 1 to 3"):
        retrieve(house.repo, caller, taken.number, purpose="analysis")
    assert house.last("access_denied")["reason"] == "part-required"
    for wrong in (0, 4, 999_999):
        with pytest.raises(UnknownPart, match="3 parts"):
            retrieve(house.repo, caller, taken.number, purpose="analysis", part=wrong)
    assert house.last("access_denied")["reason"] == "unknown-part"


def test_an_exhibit_of_one_part_is_read_as_before(house, files):
    house.ingest(files / "a.txt")
    assert read(house, "KRN-000001", None) == read(house, "KRN-000001", 1) == b"first"
    assert "part" not in house.last("retrieval")
    with pytest.raises(UnknownPart, match="has one part"):
        read(house, "KRN-000001", 2)


def test_over_http_a_part_is_asked_for_by_its_number(house, taken):
    with house.repo.database.reading() as session:
        _, text = new_token(
            house.repo, house.custodian, person=find_person(session, "analyst"), expires_at=None
        )
    client = create_app(house.repo).test_client()
    url = f"/api/v1/exhibits/{taken.number}/content"
    headers = {"Authorization": f"Bearer {text}", "Evidence-Purpose": "analysis"}
    for n, content in enumerate(PARTS, 1):
        tag = f'"sha256-{sha256(content).hexdigest()}"'
        answer = client.get(f"{url}?part={n}", headers=headers)
        assert (answer.status_code, answer.data) == (200, content)
        assert answer.headers["ETag"] == tag
        assert f"KRN-000001.{n}.bin" in answer.headers["Content-Disposition"]
        head = client.head(f"{url}?part={n}", headers=headers)
        assert head.headers["Content-Length"] == str(len(content))
        same = client.get(f"{url}?part={n}", headers={**headers, "If-None-Match": tag})
        assert same.status_code == 304
    answer = client.get(f"{url}?part=2", headers={**headers, "Range": "bytes=1-2"})
    assert (answer.status_code, answer.data) == (206, b"ec")
    assert answer.headers["Content-Range"] == "bytes 1-2/6"
    answer = client.get(f"{url}?part=1", headers={**headers, "Range": "bytes=1-2"})
    assert answer.data == b"ir"
    later = replace(house.repo, clock=lambda: datetime.now(UTC) + timedelta(minutes=16))
    assert close_ended(later) == 2
    closing = [e.fields for e in house.entries() if "ranges" in e.fields and "count" in e.fields]
    assert [(one["part"], one["ranges"]) for one in closing] == [(2, [[1, 2]]), (1, [[1, 2]])]
    for query, status, code in (
        ("", 400, "part-required"),
        ("?part=4", 404, "unknown-part"),
        ("?part=0", 400, "bad-request"),
        ("?part=x", 400, "bad-request"),
        ("?part=99999999999999999999", 400, "bad-request"),
    ):
        answer = client.get(url + query, headers=headers)
        assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (status, code)


def test_the_command_line_writes_one_part_or_all_of_them(house, taken, tmp_path):
    words = ["retrieve", taken.number, "--purpose", "analysis"]
    said = house.evidence(*words, "--out", tmp_path / "all", person="analyst")
    assert said.code == 0, said.err
    names = ["KRN-000001.1.bin", "KRN-000001.2.bin", "KRN-000001.3.bin"]
    assert [(tmp_path / "all" / name).read_bytes() for name in names] == PARTS
    assert [line["part"] for line in said.lines] == [1, 2, 3]
    assert house.types()[-6:] == ["retrieval/started", "retrieval/done"] * 3
    said = house.evidence(*words, "--out", tmp_path / "two", "--part", 2, person="analyst")
    assert (said.code, (tmp_path / "two").read_bytes()) == (0, PARTS[1])
    before = house.repo.ledger.size()
    again = house.evidence(*words, "--out", tmp_path / "all", person="analyst")
    assert (again.code, house.repo.ledger.size()) == (2, before)
    assert "nothing is overwritten" in again.err
    for out in ("-", tmp_path / "two"):
        assert house.evidence(*words, "--out", out, person="analyst").code == 2


def test_the_parts_are_shown_with_their_names_and_digests(house, taken):
    [said] = house.evidence("show", taken.number, person="analyst").lines
    assert [(one["part"], one["path"], one["size"]) for one in said["parts"]] == [
        (1, "disk.001", 2_000_000), (2, "disk.002", 6), (3, "disk.003", 0),
    ]  # fmt: skip


def test_a_bundle_holds_every_part_and_one_flipped_byte_in_part_2_is_found(house, taken, tmp_path):
    bundle = tmp_path / "bundle"
    said = house.evidence("export", "--case", CODE, "--out", bundle, "--purpose", "court")
    assert said.code == 0, said.err
    for n, content in enumerate(PARTS, 1):
        assert (bundle / "data" / f"KRN-000001.{n}.bin").read_bytes() == content
    assert house.evidence("verify", bundle).code == 0
    assert {f.claim for f in verify_path(bundle, None) if f.outcome == "fail"} == set()
    second = bundle / "data" / "KRN-000001.2.bin"
    second.chmod(0o600)
    second.write_bytes(b"seconD")
    failed = {f.claim for f in verify_path(bundle, None) if f.outcome == "fail"}
    assert failed == {"digests", "registration"}
    assert house.evidence("verify", bundle).code == 1


def test_the_receipt_of_several_parts_verifies_offline(house, taken):
    assert house.evidence("receipt", "check", taken.receipt).code == 0
    assert exit_code(verify_path(taken.receipt, None)) == 0


def test_a_flipped_bit_in_part_2_is_never_given_out_and_is_found_by_the_check(house, taken):
    [_, second, _] = house.last("registration")["parts"]
    file = house.data / "store" / "evidence" / second["stored"]["key"]
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[-17] ^= 1
    file.write_bytes(data)
    assert read(house, taken.number, 1) == PARTS[0]
    with pytest.raises(IntegrityError):
        read(house, taken.number, 2)
    [finding] = check_objects(house.repo, house.custodian, numbers=[taken.number])
    assert finding.outcome == "fail"
    assert "primary: " in finding.detail


def test_a_declared_digest_that_differs_in_one_part_sets_the_whole_thing_apart(house, tmp_path):
    wrong = {2: {"md5": "md5:" + "0" * 32}, 3: {"sha256": "sha256:" + sha256(b"").hexdigest()}}
    claims = {"collected_by": "A. Field", "place": "Mosul"}
    whole = thing(tmp_path, PARTS, declared=wrong, claims=claims)
    [outcome] = take_in(house, whole)
    assert (outcome.status, outcome.number, outcome.sha256) == (
        "quarantined", None, known_by(PARTS),
    )  # fmt: skip
    assert house.types()[-4:] == [
        "message_digest_calculation/done",
        "message_digest_calculation/fail",
        "message_digest_calculation/pass",
        "quarantine/done",
    ]
    [again] = take_in(house, whole)
    assert (again.quarantine, again.again) == (outcome.quarantine, True)
    [line] = house.evidence("quarantine", "list").lines
    assert [part["mismatches"] for part in line["parts"]] == [[], ["md5"], []]
    [(kept, _)] = held(house.repo)
    released = release(house.repo, house.custodian, kept.id, motive="the list was mistyped")
    assert (released.number, released.sha256) == ("KRN-000001", known_by(PARTS))
    assert [read(house, released.number, n) for n in (1, 2, 3)] == PARTS
    [entry] = [e for e in house.entries() if e.fields["type"] == "collection"]
    assert house.repo.ledger.opened(entry)["place"] == "Mosul"


def test_each_thing_has_its_own_declaration(house, tmp_path):
    said = [{"collected_by": name} for name in ("A. Field", "B. Field")]
    take_in(
        house,
        thing(tmp_path, [b"a"], stem="a", claims=said[0]),
        thing(tmp_path, [b"b"], stem="b", claims=said[1]),
        thing(tmp_path, [b"c"], stem="c"),
    )
    found = [e for e in house.entries() if e.fields["type"] == "collection"]
    assert [house.repo.ledger.opened(e)["collected_by"] for e in found] == ["A. Field", "B. Field"]


def test_the_same_thing_again_in_one_submission_registers_nothing(house, tmp_path, taken):
    size = house.repo.ledger.size()
    [again] = take_in(house, thing(tmp_path, PARTS))
    assert (again.number, again.again) == (taken.number, True)
    assert house.repo.ledger.size() == size


def test_a_thing_is_the_same_only_when_all_its_parts_are(house, tmp_path, taken):
    [other] = take_in(house, thing(tmp_path, [PARTS[0], b"changed", b""]))
    [fewer] = take_in(house, thing(tmp_path, PARTS[:2]))
    [alone] = take_in(house, thing(tmp_path, PARTS[:1]))
    numbers = {one.number for one in (taken, other, fewer, alone)}
    assert len(numbers) == 4
    assert all(not one.known_as for one in (other, fewer, alone))
    submission = submission_of(house, "SUB-01a1f000-0000-7000-8000-000000000002")
    [copy] = take_in(house, thing(tmp_path, PARTS), submission=submission)
    assert copy.known_as == (taken.number,)


def test_one_part_that_cannot_be_read_keeps_the_whole_thing_out(house, tmp_path):
    whole = thing(tmp_path, PARTS)
    (tmp_path / "disk.002").unlink()
    [failure] = take_in(house, whole)
    assert isinstance(failure, Failure)
    assert failure.path == b"disk.002"
    (tmp_path / "disk.002").write_bytes(PARTS[1])
    [outcome] = take_in(house, whole)
    assert outcome.number == "KRN-000001"
    with house.repo.database.reading() as session:
        assert {row.state for row in session.query(Intake)} == {"registered"}


def test_what_an_interrupted_run_stored_of_a_thing_is_used_again(house, tmp_path):
    submission = submission_of(house)
    whole = thing(tmp_path, PARTS)
    [intents] = intend(house.repo, submission, [[one.path for one in whole.sources]])
    with (tmp_path / "disk.001").open("rb", buffering=0) as file:
        first = stage(house.repo, intents[0], file, size=len(PARTS[0]), declared={})
    [outcome] = take_in(house, whole)
    fields = house.last("registration")
    assert outcome.exhibit_id == first.exhibit_id
    assert fields["parts"][0]["stored"]["version"] == first.stored.version


def test_a_part_that_changed_since_an_interrupted_run_begins_the_thing_anew(house, tmp_path):
    submission = submission_of(house)
    whole = thing(tmp_path, PARTS)
    [intents] = intend(house.repo, submission, [[one.path for one in whole.sources]])
    with (tmp_path / "disk.002").open("rb", buffering=0) as file:
        stage(house.repo, intents[1], file, size=len(PARTS[1]), declared={})
    (tmp_path / "disk.002").write_bytes(b"SECOND")
    [outcome] = take_in(house, whole)
    assert outcome.number == "KRN-000001"
    assert read(house, outcome.number, 2) == b"SECOND"
    with house.repo.database.reading() as session:
        states = sorted(row.state for row in session.query(Intake))
    assert states == ["abandoned"] * 3 + ["registered"] * 3


def test_parts_joined_otherwise_than_in_the_interrupted_run_get_intents_of_their_own(
    house, tmp_path
):
    submission = submission_of(house)
    whole = thing(tmp_path, PARTS)
    [[first, *_]] = intend(house.repo, submission, [[one.path for one in whole.sources]])
    apart = [Thing((source,)) for source in whole.sources]
    outcomes = take_in(house, *apart)
    assert len({outcome.number for outcome in outcomes}) == 3
    assert first.row.exhibit_id not in {outcome.exhibit_id for outcome in outcomes}
    reconcile(house.repo, older=timedelta())
    assert house.last("upload_abandoned")["reason"] == "nobody-came-back"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_the_store_fails_the_next_run_makes_one_exhibit_of_the_thing(
    house, tmp_path, after
):
    """Every operation of the store fails once, in a submission of its own, then it goes on."""
    contents = [b"first", b"second", b""]
    whole = thing(tmp_path, contents)
    for n in range(1, 30):
        submission = submission_of(house, f"SUB-01a1f000-0000-7000-8000-{n:012d}")
        store = FailsAt(house.repo.store, n, after=after)
        failing = replace(house.repo, store=store)
        with suppress(StoreUnavailable):
            list(ingest(failing, house.custodian, house.case, submission, [whole]))
        [outcome] = take_in(house, whole, submission=submission)
        with house.repo.database.reading() as session:
            found = select(Exhibit.number).where(Exhibit.submission_id == submission.id)
            assert list(session.scalars(found)) == [outcome.number]
        assert [read(house, outcome.number, k) for k in (1, 2, 3)] == contents
        if not store.failed:
            break
    assert n == 9  # bytes and manifest of three parts, their key, and the journal


def test_two_runs_of_one_submission_at_once_register_a_thing_once(house, tmp_path):
    things = [thing(tmp_path, [b"%d" % n, b"b", b"c"], stem=f"d{n}") for n in range(6)]
    submission = submission_of(house)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(take_in, house, *things, submission=submission) for _ in range(2)]
        outcomes = [run.result() for run in runs]
    numbers = [[one.number for one in run] for run in outcomes]
    assert numbers[0] == numbers[1]
    assert len(set(numbers[0])) == len(things)
    assert house.case.exhibits == len(things)


@pytest.fixture
def many(tmp_path):
    """A house with a second store, and an exhibit of more parts than one entry can hold."""
    from tests.house import make_house

    house = make_house(tmp_path, replica_store_url=(tmp_path / "second").as_uri())
    [outcome] = take_in(house, thing(tmp_path, [b"part %d" % n for n in range(1, MANY + 1)]))
    yield house, outcome
    house.repo.close()


MANY = 152  # two objects of each, in two places: more than 600 digests


def test_a_thing_of_very_many_parts_is_registered_in_several_entries(many, tmp_path):
    house, outcome = many
    registrations = [e for e in house.entries() if e.fields["type"] == "registration"]
    assert len(registrations) > 2
    assert outcome.index == registrations[0].index
    assert {e.fields["count"] for e in registrations} == {MANY}
    parts = recorded_parts(house.repo, exhibit_of(house, outcome.number))
    assert [part.part for part in parts] == list(range(1, MANY + 1))
    assert read(house, outcome.number, MANY) == b"part %d" % MANY
    bundle = tmp_path / "bundle"
    said = house.evidence("export", "--case", CODE, "--out", bundle, "--purpose", "court")
    assert said.code == 0, said.err
    found = verify_path(bundle, None)
    assert exit_code(found) == 0, found
    last = bundle / "data" / f"KRN-000001.{MANY}.bin"
    last.chmod(0o600)
    last.write_bytes(b"part XXX")
    failed = {f.claim for f in verify_path(bundle, None) if f.outcome == "fail"}
    assert failed == {"digests", "registration"}


def test_a_thing_of_very_many_parts_is_copied_checked_and_erased(many):
    house, outcome = many
    assert copies.replicate(house.repo) == 1
    entries = [e.fields for e in house.entries() if e.fields["type"] == "replication"]
    assert [len(fields["outputs"]) for fields in entries] == [300, 4]
    [finding] = check_objects(house.repo, house.custodian, numbers=[outcome.number])
    assert finding.outcome == "pass", finding
    checks = [e.fields for e in house.entries() if e.fields["type"] == "fixity_check"]
    assert [len(fields["verification"]["observed"]) for fields in checks] == [300, 300, 8]
    other = new_person(house.repo, house.custodian, name="second custodian", role="custodian")
    asked = erasure.request(
        house.repo, house.caller(login()), outcome.number, order=f"sha256:{'a' * 64}", motive="m"
    )
    erasure.approve(house.repo, Caller(other, "named"), asked.id, motive="m")
    tombs = [e.fields for e in house.entries() if e.fields["type"] == "erasure"]
    assert len({digest for fields in tombs for digest in fields["outputs"]}) == 2 * MANY
    with pytest.raises(Erased):
        read(house, outcome.number, 7)


def exhibit_of(house, number):
    with house.repo.database.reading() as session:
        return find_exhibit(session, number)


def test_the_digest_of_parts_is_that_of_their_canonical_list():
    digests = ["sha256:" + sha256(content).hexdigest() for content in PARTS]
    assert digest_of_parts(digests) == "sha256:" + sha256(dumps(digests)).hexdigest()
    assert digest_of_parts(digests[:1]) == digests[0]
