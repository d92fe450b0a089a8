"""The receipt of a whole submission: what is signed is the list, to the byte, however long."""

import io
import json
import re
import subprocess
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody import verify
from custody.canonical import dumps
from custody.errors import CustodyError
from custody.file_list import ListDigest
from custody.note import VerifierKey
from custody.receipt import SubmissionReceipt
from tests.shared import ROOT
from tests.vectors.make import WITNESS

GOOD = [
    text.encode()
    for text in json.loads((ROOT / "tests/vectors/submission-receipts.json").read_text())["good"]
]
FEW = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SUBMISSION = "SUB-01a1f000-0000-7000-8000-000000000002"


def read(data):
    """Return a receipt and its files, everything checked."""
    file = io.BytesIO(data)
    receipt = SubmissionReceipt.parse(file.readline())
    receipt.verify([VerifierKey.parse(receipt.key)])
    return receipt, list(receipt.check_list(file))


def failed(data, place):
    place.write_bytes(data)
    return [one for one in verify.verify_path(place, None) if one.outcome == "fail"]


@pytest.mark.parametrize("good", GOOD)
def test_it_is_written_again_as_it_was_read(good):
    receipt, files = read(good)
    assert b"".join(receipt.lines(map(dumps, files))) == good


@pytest.mark.parametrize("good", GOOD)
def test_every_other_reader_of_json_sees_the_same(good):
    receipt, files = read(good)
    found = json.loads(good)
    assert found["list"] == {
        "files": files, "stage": receipt.stage, "submission": SUBMISSION, "v": 1,
    }  # fmt: skip
    digest = ListDigest(receipt.stage, SUBMISSION)
    for one in files:
        digest.add(dumps(one))
    assert digest.value() == found["sha256"]


@pytest.mark.parametrize("good", GOOD)
def test_every_byte_counts_or_says_the_same(good):
    """Each byte is replaced, by a near one and by a blank: refused, or read as if nothing were."""
    was = read(good)
    for place in range(len(good)):
        for other in (good[place] ^ 1, 0x20):
            mutated = good[:place] + bytes([other]) + good[place + 1 :]
            try:
                assert read(mutated) == was, (place, mutated[place - 20 : place + 20])
            except CustodyError:
                continue


@given(data=st.data())
@FEW
def test_the_verifier_alone_passes_no_mutation_either(tmp_path, data):
    good = data.draw(st.sampled_from(GOOD))
    place = data.draw(st.integers(0, len(good) - 1))
    how = data.draw(st.sampled_from(["replace", "drop", "double", "cut"]))
    new = bytes([data.draw(st.integers(0, 255))])
    mutated = {
        "replace": good[:place] + new + good[place + 1 :],
        "drop": good[:place] + good[place + 1 :],
        "double": good[: place + 1] + good[place:],
        "cut": good[:place],
    }[how]
    try:
        found = failed(mutated, tmp_path / "r")
    except verify.WrongUse:
        return  # it does not even begin like a receipt
    if not found:  # it claims nothing about `unwitnessed_since`
        names = set(json.loads(good)) - {"unwitnessed_since"}
        now, was = json.loads(mutated), json.loads(good)
        assert {name: now.get(name) for name in names} == {name: was[name] for name in names}


def test_the_verifier_says_what_became_of_the_files(tmp_path):
    place = tmp_path / "r"
    for good, said in (
        (GOOD[0], f"{SUBMISSION}: 4 announced"),
        (GOOD[1], f"{SUBMISSION}: 2 registered, 1 quarantined, 1 not-arrived, 1 incomplete"),
    ):
        place.write_bytes(good)
        [found] = [one for one in verify.verify_path(place, None) if one.claim == "registration"]
        assert (found.outcome, found.detail) == ("pass", said)
        assert verify.main([str(place)]) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"status": "registered"},  # without what registered files have
        {"status": "announced"},
        {"status": {}},
        {"n": True},
        {"size": -1},
        {"path": {"base64": 1}},
        {"path": 7},
        {"more": 1},
        {"further": True},
    ],
)
def test_a_signed_list_must_still_have_the_members_of_its_stage(change):
    """A log that signs nonsense is not believed."""
    file = {"n": 1, "path": "a", "size": 1, "status": "not-arrived", **change}
    digest = ListDigest("complete", SUBMISSION)
    digest.add(dumps(file))
    receipt = replace(read(GOOD[1])[0], sha256=digest.value(), count=1)
    lines = list(receipt.lines([dumps(file)]))
    with pytest.raises(CustodyError):
        list(receipt.check_list(io.BytesIO(b"".join(lines[1:]))))


def test_nothing_is_written_as_whole_that_was_not_signed():
    receipt, files = read(GOOD[0])
    written = []
    with pytest.raises(CustodyError):
        written.extend(receipt.lines(map(dumps, files[:-1])))
    assert b"".join(written) + b"\n" not in GOOD[0]
    assert not b"".join(written).endswith(b"}}\n")


NAMES = st.one_of(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(min_size=1))


@given(st.lists(st.tuples(NAMES, st.integers(0, 2**53 - 1)), min_size=1, max_size=20))
@FEW
def test_random_lists_come_back_as_they_went(listed):
    from repository.naming import recorded_name

    files = [
        {
            "n": n, "size": size, "digests": {},
            "path": recorded_name(name.encode() if isinstance(name, str) else name),
        }
        for n, (name, size) in enumerate(listed, 1)
    ]  # fmt: skip
    digest = ListDigest("announced", SUBMISSION)
    for one in files:
        digest.add(dumps(one))
    receipt = replace(read(GOOD[0])[0], sha256=digest.value(), count=len(files))
    data = io.BytesIO(b"".join(receipt.lines(map(dumps, files))))
    assert SubmissionReceipt.parse(data.readline()) == receipt
    assert list(receipt.check_list(data)) == files


def test_the_length_of_a_list_costs_no_memory(tmp_path):
    """5,000 files of 300 bytes each are read, and written, in far less than they take."""
    receipt, _ = read(GOOD[0])

    def files():
        for n in range(1, 5_001):
            yield dumps({"n": n, "path": "x" * 250, "size": n, "digests": {}})

    digest = ListDigest("announced", SUBMISSION)
    for one in files():
        digest.add(one)
    long = replace(receipt, sha256=digest.value(), count=5_000)
    place = tmp_path / "r"
    tracemalloc.start()
    with place.open("wb") as file:
        for line in long.lines(files()):
            file.write(line)
    with place.open("rb") as file:
        assert SubmissionReceipt.parse(file.readline()) == long
        assert sum(one["n"] for one in long.check_list(file)) == 12_502_500
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert place.stat().st_size > 1_250_000
    assert most < 500_000


def test_another_key_vouches_for_nothing():
    receipt, _ = read(GOOD[0])
    with pytest.raises(CustodyError):
        receipt.verify([WITNESS.key])


def test_the_digest_can_be_made_by_hand(tmp_path):
    """With the command of docs/format.md 6.1 and no program of ours."""
    said = (ROOT / "docs" / "format.md").read_text()
    [command] = re.findall(r"`(sed 1d FILE \| .* sha256sum)`", said)
    place = tmp_path / "r"
    for good in GOOD:
        place.write_bytes(good)
        words = command.replace("FILE", str(place))
        done = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=True)
        assert f"sha256:{done.stdout.split()[0]}" == read(good)[0].sha256
