"""A submission sends its list first, gets a receipt for it at once, and ends in one for all."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.errors import LedgerUnavailable
from custody.receipt import SubmissionReceipt
from ingest import announce as announcing
from ingest.announce import announce
from ingest.completion import complete, expire, progress, receipt_of, spooled
from ingest.errors import (
    BadList,
    ListDiffers,
    NoReceipt,
    SubmissionCompleted,
    SubmissionIncomplete,
)
from ingest.lines import page
from ingest.quarantine import release
from ingest.receive import receive
from repository.errors import BadRequest, UnknownSubmission
from repository.models import Announced, Exhibit, Submission
from repository.purpose import Purpose
from repository.submissions import Declaration, open_submission
from tests.shared import shared

FILES = [(b"a/1.jpg", b"one"), (b"a/2.jpg", b""), (b"\xff.bin", b"three")]


def listed(files=FILES, **more):
    """Return the lines of a list as a client writes them."""
    found = []
    for n, (path, data) in enumerate(files, 1):
        try:
            name = path.decode()
        except UnicodeDecodeError:
            import base64

            name = {"base64": base64.b64encode(path).decode()}
        digests = {"sha256": sha256(data).hexdigest()}
        found.append({"n": n, "path": name, "size": len(data), "digests": digests, **more})
    return found


def text(found):
    return io.BytesIO(b"".join(json.dumps(one).encode() + b"\n" for one in found))


class Handing:
    """A submission of the investigator's, and what is done with it."""

    def __init__(self, house, person="investigator"):
        self.house, self.repo = house, house.repo
        self.caller = house.caller(person)
        self.actor = self.caller.actor("investigator")
        declared = Declaration(purpose=Purpose("investigation", None))
        self.submission, _ = open_submission(
            self.repo, self.actor, house.case, declared, sources=[house.repo.random(8)]
        )
        self.id = self.submission.id

    def announce(self, found=None, **more):
        return announce(
            self.repo, self.caller, self.id, text(listed() if found is None else found), **more
        )

    def send(self, path, data, declared=None):
        return receive(
            self.repo, self.actor, self.house.case, self.submission, io.BytesIO(data),
            path=path, size=len(data), declared=declared or {},
        )  # fmt: skip

    def complete(self, **more):
        return complete(self.repo, self.actor, self.id, **more)

    def files(self, stage):
        """Return the list of a receipt of which everything was checked."""
        receipt = receipt_of(self.repo, self.id, stage)
        with spooled(self.repo, receipt) as file:
            found = SubmissionReceipt.parse(file.readline())
            self.repo.ledger.check_receipt(found)
            return list(found.check_list(file))

    def states(self):
        lines = page(self.repo, self.id, state=None, after=(0, None), limit=500)
        return [(line.n, line.state) for line in lines]


@pytest.fixture
def handing(house):
    return Handing(house)


def test_a_list_is_given_a_receipt_at_once(handing):
    made = handing.announce()
    assert (made.again, made.receipt.stage, made.receipt.count) == (False, "announced", 3)
    files = handing.files("announced")
    assert [one["path"] for one in files] == ["a/1.jpg", "a/2.jpg", {"base64": "/y5iaW4="}]
    assert files[0]["digests"] == {"sha256": "sha256:" + sha256(b"one").hexdigest()}
    assert handing.states() == [(1, "announced"), (2, "announced"), (3, "announced")]
    entry = handing.repo.ledger.entry(made.receipt.index)
    assert (entry.fields["outcome"], entry.fields["reason"]) == ("started", "list")
    for word in ("a/1.jpg", "1.jpg", handing.id, "KRN"):  # nothing of it stands in the open
        assert word not in entry.body.decode()


def test_the_same_list_again_is_the_same_receipt_and_another_is_refused(handing):
    first = handing.announce()
    size = handing.repo.ledger.size()
    again = handing.announce()
    assert again.again
    assert (again.receipt.index, again.receipt.sha256) == (
        first.receipt.index,
        first.receipt.sha256,
    )
    assert handing.repo.ledger.size() == size
    for other in (listed(FILES[:2]), listed(claims={"place": "Mosul"})):
        with pytest.raises(ListDiffers):
            handing.announce(other)
    assert len(handing.files("announced")) == 3


def test_what_is_claimed_of_single_files_stays_out_of_the_receipt_and_in_the_commitment(handing):
    found = listed()
    found[1]["claims"] = {"collected_by": "A. Field", "place": "Mosul"}
    made = handing.announce(found)
    assert "Mosul" not in json.dumps(handing.files("announced"))
    entry = handing.repo.ledger.entry(made.receipt.index)
    assert "Field" not in entry.body.decode()
    detail = handing.repo.ledger.opened(entry)["detail"]
    canonical = b'[[2,{"collected_by":"A. Field","place":"Mosul"}]]'
    assert detail == {
        "submission": handing.id, "claims": f"sha256:{sha256(canonical).hexdigest()}",
    }  # fmt: skip


GOOD = {"n": 1, "path": "x", "size": 1}


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([], None),
        ([{**GOOD, "n": 2}], 1),
        ([{**GOOD, "n": 0}], 1),
        ([{**GOOD, "n": -1}], 1),
        ([{**GOOD, "n": "1"}], 1),
        ([{**GOOD, "n": True}], 1),
        ([GOOD, GOOD], 2),
        ([GOOD, {**GOOD, "n": 3}], 2),
        ([{**GOOD, "size": -1}], 1),
        ([{**GOOD, "size": 2**53}], 1),
        ([{**GOOD, "size": 1.5}], 1),
        ([{**GOOD, "size": "1"}], 1),
        ([{**GOOD, "size": None}], 1),
        ([{"n": 1, "size": 1}], 1),
        ([{"n": 1, "path": "x"}], 1),
        ([{**GOOD, "path": ""}], 1),
        ([{**GOOD, "path": 1}], 1),
        ([{**GOOD, "path": {"base64": "*"}}], 1),
        ([{**GOOD, "path": {"base64": "eA==", "more": 1}}], 1),
        ([{**GOOD, "path": "\ud800"}], 1),
        ([{**GOOD, "digests": {"sha256": "0" * 63}}], 1),
        ([{**GOOD, "digests": {"crc32": "0" * 8}}], 1),
        ([{**GOOD, "digests": {"sha256": 7}}], 1),
        ([{**GOOD, "digests": ["sha256"]}], 1),
        ([{**GOOD, "claims": {"who": "x"}}], 1),
        ([{**GOOD, "claims": {"family": "x"}}], 1),
        ([{**GOOD, "claims": {"collected_at": "yesterday"}}], 1),
        ([{**GOOD, "claims": {"place": " "}}], 1),
        ([{**GOOD, "claims": {"place": "x" * 2_001}}], 1),
        ([{**GOOD, "claims": {"place": "\udfff"}}], 1),
        ([{**GOOD, "claims": {"purpose": "analysis"}}], 1),
        ([{**GOOD, "claims": []}], 1),
        ([{**GOOD, "what": 1}], 1),
        ([{**GOOD, "part": 2}], 1),
        ([{**GOOD, "thing": 2, "part": 2}], 1),
        ([{**GOOD, "thing": 0}], 1),
        ([GOOD, {**GOOD, "n": 2, "thing": 1}], 2),
        ([GOOD, {**GOOD, "n": 2, "thing": 1, "part": 3}], 2),
        ([GOOD, {**GOOD, "n": 2, "thing": 1, "part": 1}], 2),
        (
            [
                GOOD,
                {**GOOD, "n": 2, "thing": 1, "part": 2},
                {**GOOD, "n": 3, "thing": 2, "part": 2},
            ],
            3,
        ),
        ([GOOD, {**GOOD, "n": 2, "thing": 1, "part": 2, "claims": {"place": "x"}}], 2),
        ([["x"]], 1),
        ([7], 1),
        ([GOOD, None], 2),
        ([{**GOOD, "path": "x" * (64 << 10)}], 1),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_the_list_is_taken(handing, lines, line):
    with pytest.raises(BadList) as refused:
        handing.announce(lines)
    assert refused.value.facts == ({} if line is None else {"line": line})
    with handing.repo.database.reading() as session:
        assert session.get_one(Submission, handing.id).list_index is None
        assert session.query(Announced).count() == 0
    assert not handing.announce().again  # a good one is taken after that


@pytest.mark.parametrize(
    "data",
    [
        b"\n", b"{}\n\n", b"{", b"\xff\n", b'{"n":1,"n":1,"path":"x","size":1}\n',
        b'{"n":1,"path":"x","size":1}\n\n', b'{"n":1,"path":"x","size":1}{"n":2}\n',
        b'\xef\xbb\xbf{"n":1,"path":"x","size":1}\n', b'{"n":1,"path":"x","size":1e0}\n',
        b'{"n":1,"path":"x","size":NaN}\n', b"[" * 100_000, b"x" * 200_000,
        b'{"n":1,"path":"x","size":' + b"9" * 5_000 + b"}\n",
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused(handing, data):
    with pytest.raises(BadList):
        announce(handing.repo, handing.caller, handing.id, io.BytesIO(data))


def test_a_list_that_is_too_long_is_refused(handing, monkeypatch):
    monkeypatch.setattr("ingest.filelist.MAX_LIST", 100)
    with pytest.raises(BadList):
        handing.announce()


def test_a_list_that_did_not_arrive_as_it_was_sent_is_refused(handing):
    data = text(listed()).getvalue()
    cut = data[: data.index(b"\n") + 1]  # whole lines, but not all
    told = f"sha256:{sha256(data).hexdigest()}"
    with pytest.raises(BadList):
        announce(handing.repo, handing.caller, handing.id, io.BytesIO(cut), sha256=told)
    made = announce(handing.repo, handing.caller, handing.id, io.BytesIO(data), sha256=told)
    assert made.receipt.count == 3


def test_parts_of_a_thing_follow_on_their_first(handing):
    found = [
        {"n": 1, "path": "d.E01", "size": 1, "thing": 1, "part": 1},
        {"n": 2, "path": "photo", "size": 1},
        {"n": 3, "path": "d.E02", "size": 1, "thing": 1, "part": 2},
        {"n": 4, "path": "d.E03", "size": 1, "thing": 1, "part": 3, "claims": {}},
    ]
    handing.announce(found)
    assert [(one.get("thing"), one.get("part")) for one in handing.files("announced")] == [
        (None, None), (None, None), (1, 2), (1, 3),
    ]  # fmt: skip


def test_what_arrives_is_told_from_what_has_not(handing):
    handing.announce()
    outcome = handing.send(*FILES[0])
    assert handing.states() == [(1, "registered"), (2, "announced"), (3, "announced")]
    found = progress(handing.repo, handing.id)
    assert (found.files, found.missing) == ({"registered": 1, "announced": 2}, 2)
    assert (found.size, found.arrived, found.further) == (8, 3, 0)
    [waiting] = page(handing.repo, handing.id, state="registered", after=(0, None), limit=9)
    assert (waiting.exhibit, waiting.entry) == (outcome.number, outcome.index)


def test_it_ends_in_one_receipt_for_all(handing):
    handing.announce()
    outcomes = [handing.send(*one) for one in FILES]
    receipt = handing.complete()
    assert (receipt.stage, receipt.count) == ("complete", 3)
    assert [(one["exhibit"], one["entry"], one["sha256"]) for one in handing.files("complete")] == [
        (one.number, one.index, one.sha256) for one in outcomes
    ]
    entry = handing.repo.ledger.entry(receipt.index).fields
    assert entry["inputs"] == [receipt_of(handing.repo, handing.id, "announced").sha256]
    assert entry["outputs"] == [receipt.sha256]
    size = handing.repo.ledger.size()
    again = handing.complete()
    assert (again.index, again.sha256) == (receipt.index, receipt.sha256)
    assert handing.repo.ledger.size() == size


def test_what_is_missing_is_not_passed_over_in_silence(handing):
    handing.announce()
    handing.send(*FILES[0])
    with pytest.raises(SubmissionIncomplete) as refused:
        handing.complete()
    assert refused.value.facts["announced"] == 2
    with pytest.raises(NoReceipt):
        receipt_of(handing.repo, handing.id, "complete")
    for motive in (None, "", "  ", "x" * 2_001):
        with pytest.raises(BadRequest):
            handing.complete(without_missing=True, motive=motive)
    receipt = handing.complete(without_missing=True, motive="the card was seized")
    assert [one["status"] for one in handing.files("complete")] == [
        "registered", "not-arrived", "not-arrived",
    ]  # fmt: skip
    entry = handing.repo.ledger.entry(receipt.index)
    assert entry.fields["reason"] == "without-missing"
    assert "seized" not in entry.body.decode()
    assert handing.repo.ledger.opened(entry)["motive"] == "the card was seized"


def test_nothing_handed_in_is_nothing_to_complete(handing):
    with pytest.raises(SubmissionIncomplete):
        handing.complete(without_missing=True, motive="none")


def test_what_was_not_announced_is_a_further_file(handing):
    handing.announce()
    handing.send(b"a/1.jpg", b"on")  # of another size than announced
    handing.send(b"a/1.jpg", b"oNe")  # of another digest
    handing.send(b"other", b"one")
    assert [state for _, state in handing.states()] == ["announced"] * 3 + ["registered"] * 3
    assert progress(handing.repo, handing.id).further == 3
    handing.complete(without_missing=True, motive="a test")
    found = handing.files("complete")
    assert [one["n"] for one in found] == [1, 2, 3, 4, 5, 6]
    assert [one.get("further", False) for one in found] == [False] * 3 + [True] * 3


def test_two_files_of_one_path_are_told_apart_by_their_numbers(handing):
    twice = [(b"x.jpg", b"same"), (b"x.jpg", b"same"), (b"x.jpg", b"else")]
    handing.announce(listed(twice))
    outcomes = [handing.send(*one) for one in (twice[2], twice[0], twice[1])]
    handing.complete()
    assert [one["exhibit"] for one in handing.files("complete")] == [
        outcomes[1].number, outcomes[2].number, outcomes[0].number,
    ]  # fmt: skip


def test_a_list_may_come_after_files_and_finds_them(handing):
    before = handing.send(*FILES[2])
    handing.send(b"other", b"x")
    handing.announce()
    assert handing.states() == [
        (1, "announced"), (2, "announced"), (3, "registered"), (4, "registered"),
    ]  # fmt: skip
    [found] = page(handing.repo, handing.id, state=None, after=(2, None), limit=1)
    assert (found.exhibit, found.entry) == (before.number, before.index)
    assert progress(handing.repo, handing.id).further == 1


def test_what_is_decided_later_changes_no_receipt(handing):
    handing.announce(listed(FILES[:1]))
    wrong = {"sha256": "sha256:" + "0" * 64}
    # the list's own digest is right, but the sender of the bytes declares another
    outcome = handing.send(*FILES[0], declared=wrong)
    kept = handing.send(b"more", b"x", declared=wrong)
    assert [state for _, state in handing.states()] == ["quarantined", "quarantined"]
    receipt = handing.complete()
    before = handing.files("complete")
    assert [(one["status"], one["quarantine"]) for one in before] == [
        ("quarantined", outcome.quarantine), ("quarantined", kept.quarantine),
    ]  # fmt: skip
    custodian = handing.house.custodian
    for one in (outcome, kept):
        release(handing.repo, custodian, one.quarantine, motive="typing error")
    assert [state for _, state in handing.states()] == ["registered", "registered"]
    assert receipt_of(handing.repo, handing.id, "complete").sha256 == receipt.sha256
    assert handing.files("complete") == before
    # Registered by now, so completing again says so, in an entry and receipt of its own.
    later = handing.complete()
    assert later.index > receipt.index
    assert [one["status"] for one in handing.files("complete")] == ["registered"] * 2


def test_after_the_end_there_is_no_other_list(handing):
    handing.send(b"x", b"y")
    handing.complete()
    with pytest.raises(SubmissionCompleted):
        handing.announce()


def test_the_same_list_is_still_acknowledged_after_the_end(handing):
    first = handing.announce()
    for one in FILES:
        handing.send(*one)
    handing.complete()
    assert handing.announce().receipt.index == first.receipt.index


@pytest.mark.parametrize("person", ["stranger", "analyst", "prosecutor"])
def test_another_persons_submission_looks_like_an_unknown_one(handing, person):
    said = []
    for name in (handing.id, "SUB-01a1f000-0000-7000-8000-00000000dead", "nonsense"):
        with pytest.raises(UnknownSubmission) as refused:
            announce(handing.repo, handing.house.caller(person), name, text(listed()))
        said.append(str(refused.value).replace(name, ""))
        assert handing.house.last("access_denied")["attempted"] == "submission"
    assert len(set(said)) == 1


def test_an_investigator_of_the_case_does_not_go_on_with_anothers_list(handing):
    from repository.people import grant, new_person

    custodian = handing.house.custodian
    other = new_person(handing.repo, custodian, name="second", role="investigator")
    grant(handing.repo, custodian, case=handing.house.case, person=other, role="investigator")
    with pytest.raises(UnknownSubmission):
        announce(handing.repo, handing.house.caller("second"), handing.id, text(listed()))
    assert handing.house.last("access_denied")["reason"] == "not-own"


# --- Crashes and races ---------------------------------------------------------------------------


class Killed(BaseException):
    """As if the process had ended here."""


@pytest.mark.parametrize("at", range(6))
def test_a_crash_leaves_no_list_or_the_whole(handing, monkeypatch, at):
    """The process dies in its at-th transaction; then the same list, or another, is sent."""
    monkeypatch.setattr(announcing, "TOGETHER", 1)
    real = handing.repo.database.writing
    seen = []

    def writing():
        seen.append(1)
        if len(seen) > at:
            raise Killed
        return real()

    monkeypatch.setattr(handing.repo.database, "writing", writing)
    died = False
    try:
        handing.announce()
    except Killed:
        died = True
    monkeypatch.setattr(handing.repo.database, "writing", real)
    assert died == (at < 5)  # claimed, three rows, recorded
    with handing.repo.database.reading() as session:
        recorded = session.get_one(Submission, handing.id).list_index is not None
    assert recorded == (not died)
    if died:
        assert handing.states() == []  # rows of half a list count for nothing
        assert progress(handing.repo, handing.id).listed == 0
        handing.announce(listed(FILES[:2]))
        assert len(handing.files("announced")) == 2
    else:
        assert len(handing.files("announced")) == 3


def test_two_requests_with_one_list_make_one_list(handing):
    """A client that lost its answer sends the list again while the first request still works."""
    from concurrent.futures import ThreadPoolExecutor

    files = [(f"{n}.jpg".encode(), bytes([n])) for n in range(200)]
    announcing_ = announcing.TOGETHER
    try:
        announcing.TOGETHER = 7
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(handing.announce, listed(files)) for _ in range(4)]
            found = [job.result() for job in jobs]
    finally:
        announcing.TOGETHER = announcing_
    assert len({one.receipt.index for one in found}) == 1
    assert sorted(one.again for one in found) == [False, True, True, True]
    assert len(handing.files("announced")) == 200
    started = [e for e in handing.house.entries() if e.fields.get("reason") == "list"]
    assert len(started) == 1


def test_of_two_lists_at_once_one_is_recorded_whole(handing):
    from concurrent.futures import ThreadPoolExecutor

    lists = [listed([(f"{name}{n}".encode(), b"x") for n in range(60)]) for name in "ab"]

    def attempt(found):
        try:
            return handing.announce(found).receipt.sha256
        except ListDiffers:
            return None

    announcing_ = announcing.TOGETHER
    try:
        announcing.TOGETHER = 3
        with ThreadPoolExecutor(2) as pool:
            won = [one for one in pool.map(attempt, lists) if one is not None]
    finally:
        announcing.TOGETHER = announcing_
    assert len(won) <= 1
    if not won:  # each stopped the other: whoever sends it again is heard
        won = [handing.announce(lists[0]).receipt.sha256]
    files = handing.files("announced")
    assert len(files) == 60
    assert len({one["path"][0] for one in files}) == 1
    assert receipt_of(handing.repo, handing.id, "announced").sha256 == won[0]


def test_no_ledger_no_receipt(handing, monkeypatch):
    def refused(*_):
        raise LedgerUnavailable("not now")

    monkeypatch.setattr(handing.repo.ledger, "append", refused)
    with pytest.raises(LedgerUnavailable):
        handing.announce()
    monkeypatch.undo()
    with pytest.raises(NoReceipt):
        receipt_of(handing.repo, handing.id, "announced")
    assert not handing.announce().again


def test_a_file_registered_while_the_end_is_written_is_in_the_list(handing, monkeypatch):
    handing.send(b"a", b"1")
    from ingest import completion

    real = completion.lines
    calls = []

    def lines(*given, **more):
        yield from real(*given, **more)
        calls.append(1)
        if len(calls) == 1:
            handing.send(b"b", b"2")

    monkeypatch.setattr(completion, "lines", lines)
    handing.complete()
    assert len(calls) >= 2
    assert [one["path"] for one in handing.files("complete")] == ["a", "b"]


# --- Time ----------------------------------------------------------------------------------------


def test_what_nobody_goes_on_with_expires_and_says_so(tmp_path):
    from tests.house import make_house

    house = make_house(tmp_path, upload_days=60)
    try:
        now = [house.repo.clock()]
        house.repo = replace(house.repo, clock=lambda: now[0])
        handing = Handing(house)
        handing.announce()
        outcome = handing.send(*FILES[0])
        now[0] += timedelta(days=59)
        assert expire(house.repo) == []
        now[0] += timedelta(days=2)
        assert expire(house.repo) == [handing.id]
        assert expire(house.repo) == []
        entry = house.last("upload_abandoned")
        assert (entry["reason"], entry["count"]) == ("submission-expired", 2)
        assert [one["status"] for one in handing.files("complete")] == [
            "registered", "not-arrived", "not-arrived",
        ]  # fmt: skip
        assert house.last("submission")["reason"] == "expired"
        with house.repo.database.reading() as session:
            assert session.query(Exhibit).filter_by(number=outcome.number).count() == 1
        with pytest.raises(ListDiffers):
            handing.announce(listed(FILES[:1]))
    finally:
        house.repo.close()


def test_a_local_submission_that_was_interrupted_does_not_expire(tmp_path, files):
    from tests.house import CODE, make_house

    house = make_house(tmp_path, upload_days=1)
    try:
        (files / "link").symlink_to("nowhere")
        house.evidence("ingest", files, "--case", CODE)
        late = house.repo.clock() + timedelta(days=1_000)
        assert expire(replace(house.repo, clock=lambda: late)) == []
    finally:
        house.repo.close()


# --- Anything ------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).map(str.encode),
    st.binary(min_size=1, max_size=20),
)
FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(st.lists(st.tuples(NAMES, st.integers(0, 2**53 - 1)), min_size=1, max_size=30))
@FEW
def test_any_list_comes_back_as_it_went(house, found):
    from repository.naming import of_recorded, recorded_name

    handing = Handing(house)
    handing.announce(
        [{"n": n, "path": recorded_name(p), "size": s} for n, (p, s) in enumerate(found, 1)]
    )
    back = handing.files("announced")
    assert [(of_recorded(one["path"]), one["size"]) for one in back] == found
    stored = page(handing.repo, handing.id, state=None, after=(0, None), limit=100)
    assert [(bytes(one.path), one.size) for one in stored] == found


def test_hostile_names_come_back_to_the_byte(handing):
    found = [
        one.encode() for one in json.loads(shared("hostile", "strings", "blns.json").read_text())
        if one
    ]  # fmt: skip
    assert len(found) > 400
    handing.announce(listed([(name, b"") for name in found]))
    from repository.naming import of_recorded

    assert [of_recorded(one["path"]) for one in handing.files("announced")] == found


@pytest.mark.sqlite_only("it is about the form of a list")
def test_every_hostile_text_of_json_is_taken_whole_or_refused(handing):
    """As a size, a path, claims, and a whole line; what is taken can be written out again."""
    house = handing.house
    taken = []
    kinds = ("y_", "i_", "n_number", "n_string", "n_structure")
    for file in sorted(shared("hostile", "json").glob("*.json")):
        if not file.name.startswith(kinds):
            continue
        value = file.read_bytes()
        inner = value.strip()[1:-1]  # most of them are a list of one
        for line in (
            b'{"n":1,"path":"x","size":%s}' % inner,
            b'{"n":1,"path":%s,"size":1}' % inner,
            b'{"n":1,"path":"x","size":1,"claims":{"place":%s}}' % inner,
            b'{"n":1,"path":"x","size":1,"claims":%s}' % value,
            value,
        ):
            try:
                announce(house.repo, handing.caller, handing.id, io.BytesIO(line + b"\n"))
            except BadList:
                continue
            taken.append(line)
            assert [one["n"] for one in handing.files("announced")] == [1]
            handing = Handing(house)
    assert len(taken) > 40
    assert not [line for line in taken if b'size":1e' in line.lower()]
