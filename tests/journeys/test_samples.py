"""All real samples go in: stored, hashed, in the ledger, byte-exact on exit; and are looked at.

Here one of each kind is looked at on its whole way, in tests/ingest/test_sandbox.py every
third in the sandbox; every one, in both:

    EVIDENCE_EVERY_SAMPLE=1 pytest tests/journeys/test_samples.py tests/ingest/test_sandbox.py
"""

import json
import os
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from ingest import landlock
from repository.exhibits import latest_run
from repository.models import ExtractionRun
from repository.retrieve import retrieve
from tests.house import CODE
from tests.shared import shared

SAMPLES = 299


@pytest.fixture(scope="module")
def manifest():
    rows = shared("samples", "MANIFEST.jsonl").read_text().splitlines()
    found = [json.loads(row) for row in rows]
    assert len(found) == SAMPLES
    return found


def test_every_sample_comes_in_is_looked_at_and_comes_out_as_it_was(house, manifest):
    folder = shared("samples")
    kinds = {Path(row["path"]).suffix.lower(): row for row in manifest}
    if os.environ.get("EVIDENCE_EVERY_SAMPLE"):
        kinds = {row["path"]: row for row in manifest}
    looked_at = list(kinds.values())
    others = [row for row in manifest if row not in looked_at]
    lines = []
    for rows, words in ((looked_at, ()), (others, ("--no-extract",))):
        paths = [folder / row["group"] / row["path"] for row in rows]
        if not paths:
            continue
        said = house.evidence("ingest", *paths, "--case", CODE, *words)
        assert said.code == 0, said.err
        assert [line["sha256"] for line in said.lines] == [f"sha256:{r['sha256']}" for r in rows]
        submission = ("--submission", said.lines[0]["submission"])
        again = house.evidence("ingest", *paths, "--case", CODE, *words, *submission)
        assert [one["exhibit"] for one in again.lines] == [one["exhibit"] for one in said.lines]
        lines += said.lines
    assert len({line["exhibit"] for line in lines}) == SAMPLES
    registered = [e for e in house.entries() if e.fields["type"] == "registration"]
    assert len(registered) == SAMPLES
    _byte_exact(house, lines)
    _looked_at(house, len(looked_at))
    assert house.evidence("verify").code == 0


def _byte_exact(house, lines):
    analyst = house.caller("analyst")
    for line in lines:
        digest = sha256()
        for block in retrieve(house.repo, analyst, line["exhibit"], purpose="analysis"):
            digest.update(block)
        assert f"sha256:{digest.hexdigest()}" == line["sha256"]


def _looked_at(house, count):
    with house.repo.database.reading() as session:
        runs = list(session.query(ExtractionRun))
        assert latest_run(session, runs[0].exhibit_id) is not None
    assert len(runs) == count
    outcomes = Counter(run.outcome for run in runs)
    assert set(outcomes) <= {"ok", "partial", "unsupported", "timeout", "crash"}
    assert outcomes["ok"] > count / 3
    entries = [e.fields for e in house.entries() if e.fields["type"] == "metadata_extraction"]
    assert Counter(e["reason"] for e in entries) == outcomes
    layers = {e["instrument"]["parameters"]["isolation"].partition(",")[0] for e in entries}
    assert layers == {f"landlock{landlock.version()}+seccomp+rlimit"}


def test_hanging_photographs_are_bounded_and_their_tags_still_read(house):
    files = sorted(shared("hostile", "hanging").glob("*.jpg"))
    said = house.evidence("ingest", *files, "--case", CODE)
    assert said.code == 0
    listed = house.evidence("list", "--case", CODE).lines
    assert {line["extraction"] for line in listed} <= {"ok", "partial"}
    with house.repo.database.reading() as session:
        assert all(run.facts > 5 for run in session.query(ExtractionRun))
