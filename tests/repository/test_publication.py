"""Published checkpoints are witnessed and dated; what fails is shown and holds nothing up."""

import contextlib
import json
import shutil
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pypdf
import pytest

from config.settings import load
from custody.audit import audit
from custody.cosignature import cosignatures
from custody.entry import Act, Draft
from custody.errors import LedgerBehind
from custody.merkle import verify_consistency
from custody.receipt import Receipt
from custody.renewal import verify as verify_record
from custody.witness import Reply
from repository import open_repository
from repository.ledger_mirror import publish
from repository.people import new_person
from repository.publication import announce, seals_of, status
from tests.authority import make_authority
from tests.house import make_house, run
from tests.repository.printed_steps import run_printed
from tests.repository.test_mirror import cut
from tests.witnesses import answering, policy_of, served_witness, serving


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path)
    yield found
    found.repo.close()


def reopen(house, **settings):
    house.repo.close()
    made = load(house.data)
    house.repo = open_repository(made.model_copy(update=settings))


@contextlib.contextmanager
def three_witnesses(house, tmp_path, *, lying=False, threshold=2):
    """Two honest witnesses and a third, who may lie; the house's policy wants two of three."""
    key = house.repo.ledger.key
    with contextlib.ExitStack() as stack:
        found = []
        for n in range(3):
            name = f"w{n}.example/w"
            url, keys, witness = stack.enter_context(served_witness(tmp_path / name, name, key))
            if n == 2 and lying:
                url = stack.enter_context(
                    serving(answering("200 OK", b"\xe2\x80\x94 nobody AAAA\n"))
                )
            found.append((f"W{n}", keys, url, witness))
        policy = policy_of(key, [one[:3] for one in found], threshold)
        file = tmp_path / "policy"
        file.write_text(str(policy))
        reopen(house, witness_policy_file=file)
        yield found


def act(house, count=1):
    house.repo.ledger.record(
        *[Draft(Act.CONSULTATION, house.custodian, reason="test") for _ in range(count)]
    )


def test_two_of_three_suffice_and_the_third_is_named(house, tmp_path):
    with three_witnesses(house, tmp_path, lying=True):
        act(house)
        done = announce(house.repo)
        assert done.quorum
        assert len(done.cosigned) == 2
        assert [p.split(":")[0] for p in done.problems] == ["W2"]
        assert status(house.repo) == "witnessed"
        names = {line.split(" ")[1] for line in done.note.split("\n\n")[1].splitlines()}
        assert names == {house.repo.ledger.origin, "w0.example/w", "w1.example/w"}
        second = house.repo.second.key
        assert second in cosignatures(done.note, [second])


def test_without_a_quorum_work_goes_on_and_it_is_shown(house, tmp_path):
    with three_witnesses(house, tmp_path, threshold=2):
        announce(house.repo)
    since = house.repo.ledger.size()
    act(house, 3)
    done = announce(house.repo)  # nobody listens any more
    assert not done.quorum
    assert len(done.problems) == 3
    at = house.repo.ledger.entry(since).fields["at"]
    assert status(house.repo) == f"unwitnessed since {at}"
    act(house)


def test_witnesses_asked_again_continue_from_the_size_they_hold(house, tmp_path):
    with three_witnesses(house, tmp_path) as found:
        for count in (1, 300, 2):
            act(house, count)
            assert len(announce(house.repo).cosigned) == 3
        announce(house.repo)  # nothing new: nobody is asked, nothing changes
        assert {w.seen()[0][1] for *_, w in found} == {house.repo.ledger.size()}


@pytest.mark.sqlite_only("it edits the file")
def test_a_witness_that_has_seen_more_stops_all_recording(house, tmp_path):
    before = house.repo.ledger.size()
    with three_witnesses(house, tmp_path):
        act(house, 20)
        announce(house.repo)
        policy = house.repo.settings.witness_policy_file
        shutil.rmtree(house.data / "store" / "ledger")  # so that only the witnesses remember
        cut(house, before)
        reopen(house, witness_policy_file=policy)
        with pytest.raises(LedgerBehind, match="older copy"):
            announce(house.repo)
        with pytest.raises(LedgerBehind):
            act(house)


@pytest.fixture
def dated(house, tmp_path):
    with contextlib.ExitStack() as stack:
        made = [
            make_authority(tmp_path / name, name, kind)
            for name, kind in (("A", "ec"), ("B", "rsa"))
        ]
        urls = tuple(stack.enter_context(one.serving()) for one in made)
        roots = tmp_path / "roots.pem"
        roots.write_text("".join(one.root for one in made))
        reopen(house, tsa_urls=urls, tsa_roots_file=roots)
        yield house


def test_a_grown_ledger_is_dated_by_two_authorities_and_brackets_entries(dated):
    house = dated
    act(house, 5)
    index = house.repo.ledger.size() - 1
    done = announce(house.repo)
    assert sorted(t.algorithm for t in done.tokens) == ["sha256", "sha256", "sha512", "sha512"]
    assert len({t.authority for t in done.tokens}) == 2
    assert house.types().count("checkpoint_anchored/done") == 2
    act(house)
    later = house.repo.ledger.size() - 1
    announce(house.repo, stamp=True)
    settings = house.data / "config.toml"
    with settings.open("a") as file:
        file.write(f"tsa_urls = {json.dumps(list(house.repo.settings.tsa_urls))}\n")
        file.write(f'tsa_roots_file = "{house.repo.settings.tsa_roots_file}"\n')
    [first] = house.evidence("ledger", "time", index).lines
    [second] = house.evidence("ledger", "time", later).lines
    assert first["not_before"] is None
    assert first["not_after"]["time"] <= second["not_before"]["time"] <= second["not_after"]["time"]
    assert "time-stamp of" in second["not_after"]["proof"]
    assert [one["record"] for one in house.evidence("ledger", "renew").lines] == ["made"]
    act(house)
    said = house.evidence("ledger", "renew", "--hash", "sha3_512")
    assert [one["record"] for one in said.lines] == ["renewed", "made"], said.err
    said = house.evidence("verify", "--ledger")
    assert said.code == 0, said.out
    records = [line for line in said.lines if line["check"] == "evidence-records"]
    assert [line["outcome"] for line in records] == ["pass", "pass"]
    assert any(line["check"] == "time-stamps" and line["outcome"] == "pass" for line in said.lines)


def test_a_ledger_that_grew_by_anchors_alone_is_not_dated_again(dated):
    act(dated)
    assert announce(dated.repo).tokens
    size = dated.repo.ledger.size()
    assert announce(dated.repo).tokens == []
    assert dated.repo.ledger.size() == size


def test_a_drop_folder_serves_a_site_without_a_network(house, tmp_path):
    authority = make_authority(tmp_path / "A")
    roots, drop = tmp_path / "roots.pem", tmp_path / "drop"
    roots.write_text(authority.root)
    reopen(house, tsa_urls=(drop.as_uri(),), tsa_roots_file=roots)
    act(house)
    assert announce(house.repo, stamp=True).tokens == []
    queries = sorted(drop.glob("*.tsq"))
    assert len(queries) == 2
    wrong = make_authority(tmp_path / "B", "B")
    queries[0].with_suffix(".tsr").write_bytes(wrong.answer(queries[0].read_bytes()))
    queries[1].with_suffix(".tsr").write_bytes(authority.answer(queries[1].read_bytes()))
    done = announce(house.repo, stamp=True)
    assert len(done.tokens) == 1
    assert any("does not verify" in problem or "vouches" in problem for problem in done.problems)


def test_receipts_are_completed_when_the_witnesses_have_answered(house, tmp_path):
    file = tmp_path / "photo"
    file.write_bytes(b"evidence")
    [line] = house.ingest(file)
    place = Path(line["receipt"])
    first = Receipt.parse(place.read_bytes())
    assert first.unwitnessed_since is not None
    with three_witnesses(house, tmp_path):
        announce(house.repo)
    found = Receipt.parse(place.read_bytes())
    assert found.unwitnessed_since is None
    assert len(found.witnessed_by) == 3
    assert (found.index, found.body) == (first.index, first.body)
    assert house.repo.ledger.check_receipt(found)
    said = run("--json", "receipt", "check", place)
    assert said.code == 0, said.err
    assert said.lines[0]["witnesses"] == "pass"
    note = found.proof.rpartition("\n\n")[2]
    [line] = [one for one in note.splitlines() if "w0.example" in one]
    forged = note.replace(line[-20:-10], "AAAAAAAAAA")
    place.write_text(replace(found, proof=found.proof.replace(note, forged)).to_text())
    said = run("--json", "receipt", "check", place)
    assert said.code == 1


def test_an_export_carries_lines_policy_and_tokens(dated, tmp_path):
    house = dated
    file = tmp_path / "photo"
    file.write_bytes(b"evidence")
    settings = house.repo.settings
    house.ingest(file)
    urls, roots = settings.tsa_urls, settings.tsa_roots_file
    with three_witnesses(house, tmp_path):
        policy = house.repo.settings.witness_policy_file
        with (house.data / "config.toml").open("a") as out:
            out.write(f'witness_policy_file = "{policy}"\ntsa_roots_file = "{roots}"\n')
            out.write(f"tsa_urls = {json.dumps(list(urls))}\n")
        assert house.evidence("ledger", "renew").code == 0
        out_dir = tmp_path / "bundle"
        said = house.evidence(
            "export", "--case", "KRN", "--out", out_dir, "--purpose", "court", person="prosecutor"
        )
        assert said.code == 0, said.err
    left = {one["what"] for one in said.lines[0]["left_out"]}
    assert not any("witness" in what or "time-stamp" in what for what in left)
    assert len(list((out_dir / "ledger" / "tokens").iterdir())) == 4
    # The evidence record goes along, with the checkpoint it covers and the way to this tree.
    [record] = (out_dir / "ledger" / "evidence-records").glob("*.ers")
    note = record.with_suffix(".checkpoint").read_bytes()
    checked = verify_record(record.read_bytes(), [note], now=house.repo.clock(), check_token=None)
    assert checked.covered == 1
    old, new = (
        house.repo.ledger.open_checkpoint(one).checkpoint
        for one in (note.decode(), (out_dir / "ledger" / "checkpoint").read_text())
    )
    lines = record.with_suffix(".consistency").read_text().split()
    proof = [b64decode(one) for one in lines]
    assert verify_consistency(old.size, new.size, proof, old.root, new.root)
    assert f"an evidence record (RFC 4998) over entries from {old.size} on" in left
    assert (out_dir / "ledger" / "policy").read_text().startswith("log ")
    assert json.loads((out_dir / "ledger" / "trust").read_text())["tsa_roots"]
    assert (out_dir / "ledger" / "checkpoint").read_text().count("\n— ") == 5
    pages = pypdf.PdfReader(out_dir / "custody-report.pdf").pages
    text = "".join(page.extract_text() for page in pages)
    assert "w0.example/w" in text
    assert "TSA A" in text
    steps = run_printed(out_dir)
    assert steps.returncode == 0, steps.stderr
    assert steps.stderr.count("Verification: OK") + steps.stdout.count("Verification: OK") == 4
    # The bundle alone, with the verifier in it and the trust it carries: every claim is made.
    command = [sys.executable, out_dir / "verify.py", out_dir]
    said = subprocess.run(
        [*command, "--trust", out_dir / "ledger" / "trust"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout
    made = dict(line.split()[1::-1] for line in said.stdout.splitlines() if line[:1] in "pfn")
    assert {made[claim] for claim in ("witnesses", "time-stamps", "key-trusted")} == {"pass"}
    token = out_dir / "ledger" / "tokens" / "1.tsr"
    token.write_bytes(token.read_bytes()[:-1] + b"\0")
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 1


@pytest.mark.sqlite_only("it edits the file")
def test_the_audit_names_a_changed_line_or_token(house, tmp_path):
    import sqlite3

    with three_witnesses(house, tmp_path):
        announce(house.repo)
    repo = house.repo
    policy = repo.policy

    def failures():
        found = audit(
            repo.database, keys=repo.ledger.key_history(), wrapping_key=repo.wrapping_key,
            policy=policy, second=repo.second.key,
        )  # fmt: skip
        return [one for one in found if one.outcome == "fail"]

    assert failures() == []
    with contextlib.closing(sqlite3.connect(house.data / "evidence.db")) as raw, raw:
        raw.execute("DROP TRIGGER cosignature_no_update")
        raw.execute("UPDATE cosignature SET line = (SELECT line FROM cosignature LIMIT 1)")
    assert [one.check for one in failures()] == ["cosignatures"]
    with contextlib.closing(sqlite3.connect(house.data / "evidence.db")) as raw, raw:
        size = raw.execute("SELECT max(size) FROM cosignature").fetchone()[0]
        raw.execute("DROP TRIGGER cosignature_no_delete")
        smaller = raw.execute(
            "SELECT size FROM head WHERE size < ? ORDER BY size DESC", (size,)
        ).fetchone()[0]
        raw.execute("UPDATE cosignature SET size = ?", (smaller,))
    assert [one.check for one in failures()] == ["cosignatures"]


def test_a_clock_that_jumps_ten_years_is_seen_and_changes_no_order(dated, tmp_path):
    house = dated
    with three_witnesses(house, tmp_path):
        act(house)
        before = house.repo.ledger.size()
        late = house.repo.clock() + timedelta(days=3652)
        moved = replace(house.repo, clock=lambda: late)
        moved.ledger._appender._clock = lambda: late
        act(house)
        done = announce(moved)
        assert len([p for p in done.problems if "clock says" in p]) == 3
        assert done.quorum
        house.repo.ledger._appender._clock = house.repo.clock
        act(house)
    times = [entry.fields["at"][:4] for entry in house.repo.ledger.entries(before)]
    assert times[0] != times[-1]
    found = audit(
        house.repo.database, keys=house.repo.ledger.key_history(),
        wrapping_key=house.repo.wrapping_key, policy=house.repo.policy,
    )  # fmt: skip
    assert [one for one in found if one.outcome == "fail"] == []


def test_what_a_stolen_key_signed_counts_only_under_a_quorum(house, tmp_path):
    key = str(house.repo.ledger.key)
    act(house, 3)
    since = house.repo.ledger.size()
    words = ("ledger", "key", "compromised", key, "--since", since, "--motive", "stolen")
    said = house.evidence(*words)
    assert said.code == 0, said.err
    second = new_person(house.repo, house.custodian, name="second", role="custodian").name
    decided = ("approval", "give", said.lines[0]["approval"], "--motive", "seen")
    said = house.evidence(*decided, person=second)
    assert said.code == 0, said.err
    assert house.evidence("ledger", "key", "rotate").code == 0
    said = house.evidence("verify", "--ledger")
    assert said.code == 1
    assert "compromised" in said.out
    reopen(house)
    history = house.repo.ledger.key_history()
    assert [one.trusted_until for one in history] == [since, None]
    with three_witnesses(house, tmp_path):  # they were told of the new key
        act(house)
        assert announce(house.repo).quorum
        found = audit(
            house.repo.database, keys=house.repo.ledger.key_history(),
            wrapping_key=house.repo.wrapping_key, policy=house.repo.policy,
        )  # fmt: skip
    assert [one for one in found if one.outcome == "fail"] == []
    assert [one.outcome for one in found if one.check == "keys"] == ["pass"]


def test_a_receipt_is_completed_however_long_the_witnesses_were_away(house, tmp_path):
    file = tmp_path / "photo"
    file.write_bytes(b"evidence")
    [line] = house.ingest(file)
    with three_witnesses(house, tmp_path, threshold=3) as found:
        third = found[2][3]
        answers = third.add_checkpoint
        third.add_checkpoint = lambda body: Reply(500, "not today")
        for _ in range(40):  # more checkpoints than are looked at one by one
            act(house)
            assert not announce(house.repo).quorum
        third.add_checkpoint = answers
        act(house)
        assert announce(house.repo).quorum
        assert status(house.repo) == "witnessed"
        assert house.evidence("ledger", "time", line["entry"]).code == 0
    receipt = Receipt.parse(Path(line["receipt"]).read_bytes())
    assert receipt.unwitnessed_since is None
    assert len(receipt.witnessed_by) == 3


@pytest.mark.sqlite_only("it deletes the file")
def test_a_rebuilt_ledger_has_its_witnesses_and_time_stamps_back(dated, tmp_path):
    house = dated
    urls, roots = house.repo.settings.tsa_urls, house.repo.settings.tsa_roots_file
    with three_witnesses(house, tmp_path):
        policy = house.repo.settings.witness_policy_file
        reopen(house, witness_policy_file=policy, tsa_urls=urls, tsa_roots_file=roots)
        act(house, 300)
        done = announce(house.repo, stamp=True)
        publish(house.repo)  # the anchors too
    house.repo.close()
    for file in house.data.glob("evidence.db*"):
        file.unlink()
    said = house.evidence("ledger", "rebuild")
    assert said.code == 0, said.err
    reopen(house, witness_policy_file=policy, tsa_roots_file=roots)
    sealed = seals_of(house.repo, done.size)
    assert set(sealed.note.splitlines()) == set(done.note.splitlines())
    assert len(sealed.tokens) == 4
    found = audit(
        house.repo.database, keys=house.repo.ledger.key_history(),
        wrapping_key=house.repo.wrapping_key, policy=house.repo.policy, roots=house.repo.tsa_roots,
        second=house.repo.second.key,
    )  # fmt: skip
    assert [one for one in found if one.outcome == "fail"] == []
    assert {"cosignatures", "time-stamps"} <= {f.check for f in found if f.outcome == "pass"}
