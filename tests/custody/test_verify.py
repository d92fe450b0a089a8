"""The stand-alone verifier says what holds, and never more."""

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from base64 import b64decode, b64encode
from contextlib import suppress
from copy import deepcopy
from hashlib import new, sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody import verify

_spec = spec_from_file_location("bundle_builder", Path(__file__).with_name("bundle_builder.py"))
builder = module_from_spec(_spec)
sys.modules["bundle_builder"] = builder
_spec.loader.exec_module(builder)
World, Signer, ORIGIN = builder.World, builder.Signer, builder.ORIGIN

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"
shared = pytest.mark.skipif(not VECTORS.is_dir(), reason="../shared/vectors is not there")
REFUSED = (verify.ParseError, ValueError)  # `verify_path` turns both into a failed claim
REQUIRED = {
    "bag", "digests", "log-signature", "inclusion", "exhibit.seq", "complete", "closing",
}  # fmt: skip
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def outcomes(path, trust=None):
    return {found.claim: found.outcome for found in verify.verify_path(path, trust)}


def failed(path, trust=None):
    return {claim for claim, outcome in outcomes(path, trust).items() if outcome == "fail"}


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture
def bag(world, tmp_path):
    return world.write(tmp_path / "bag")


def covered_up(bag, name, content):
    """Write a file of the bag, and every manifest anew, as a careful forger would."""
    written(bag / name, content)
    builder.remake_manifests(bag)
    return bag


def with_custody(world, tmp_path, change):
    custody = world.custody()
    change(custody)
    return world.write(tmp_path / "bag", custody)


# --- Good ones ---------------------------------------------------------------------------------


def test_a_good_bundle_passes_every_claim_that_can_be_made(bag, tmp_path, world):
    trust = written(tmp_path / "trust", world.trust)
    found = outcomes(bag, trust)
    undone = {claim for claim, outcome in found.items() if outcome != "pass"}
    assert undone == {"witnesses", "time-stamps"}
    assert list(found) == [
        "bag",
        "digests",
        "canonical",
        "log-signature",
        "inclusion",
        "exhibit.seq",
        "complete",
        "registration",
        "openings",
        "closing",
        "key-trusted",
        "witnesses",
        "time-stamps",
    ]
    assert verify.exit_code(verify.verify_path(bag, trust)) == 0


def test_a_good_receipt_passes_every_claim_that_can_be_made(world, tmp_path):
    path = written(tmp_path / "r.json", world.receipt())
    found = outcomes(path, written(tmp_path / "trust", world.trust))
    assert {claim for claim, outcome in found.items() if outcome == "pass"} == {
        "canonical",
        "log-signature",
        "inclusion",
        "registration",
        "key-trusted",
    }
    assert verify.exit_code(verify.verify_path(path, None)) == 0


def test_parts_chunks_and_empty_files_are_measured(tmp_path):
    contents = [[b"x" * (3 * builder.CHUNK + 1)], [b"a", b"y" * 2 * builder.CHUNK], [b""]]
    assert not failed(World(contents=contents).write(tmp_path / "bag"))


def test_without_trust_the_fingerprint_is_shown_and_nothing_is_claimed(bag, world, capsys):
    assert verify.main([str(bag)]) == 0
    shown = capsys.readouterr().out
    assert sha256(world.log.vkey.encode()).hexdigest() in shown
    assert "not-done  key-trusted" in shown
    for said in ("2 exhibits", "9 entries", "tree size 10"):
        assert said in shown
    assert shown.splitlines()[-1] == "not checked: key-trusted, witnesses, time-stamps"
    assert not {"authentic", "admissible"} & set(shown.lower().split())


def test_it_runs_as_a_program_alone(bag, tmp_path):
    program = tmp_path / "alone" / "verify.py"
    program.parent.mkdir()
    program.write_bytes(Path(verify.__file__).read_bytes())
    ran = subprocess.run(
        [sys.executable, "-I", program, bag], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments", [[], ["nowhere"], ["."], ["--what"], ["bag", "--trust", "no"]]
)
def test_wrong_use_is_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    World().write(tmp_path / "bag")
    with pytest.raises(SystemExit) as stopped:
        verify.main(arguments)
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_of_another_kind_is_wrong_use(tmp_path):
    with pytest.raises(verify.WrongUse):
        verify.verify_path(written(tmp_path / "x.jpg", b"\xff\xd8\xff"), None)


def test_the_exit_code_is_that_of_the_page():
    def findings(outcome, claim):
        rest = [verify.Finding(name, "pass", "") for name in REQUIRED - {claim}]
        return [*rest, verify.Finding(claim, outcome, "")]

    for claim in REQUIRED:
        assert verify.exit_code(findings("pass", claim)) == 0
        assert verify.exit_code(findings("not-done", claim)) == 3
        assert verify.exit_code(findings("fail", claim)) == 1
    assert verify.exit_code(findings("not-done", "openings")) == 0


# --- The bag -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "data/KRN-000001.bin",
        "custody.json",
        "custody-report.pdf",
        "ledger/checkpoint",
        "ledger/policy",
        "verify.py",
    ],
)
def test_a_changed_file_shows_in_its_digest(bag, name):
    written(bag / name, (bag / name).read_bytes() + b" ")
    assert "digests" in failed(bag)


@pytest.mark.parametrize(
    "name",
    [
        "data/KRN-000001.bin",
        "bagit.txt",
        "manifest-sha512.txt",
        "tagmanifest-sha256.txt",
        "custody.json",
        "ledger/policy",
    ],
)
def test_a_missing_file_fails_the_bag(bag, name):
    (bag / name).unlink()
    assert "bag" in failed(bag)


@pytest.mark.parametrize("name", ["extra", "data/extra.bin", "ledger/x", "__pycache__/a.pyc"])
def test_an_unlisted_file_fails_the_bag(bag, name):
    (bag / name).parent.mkdir(exist_ok=True)
    written(bag / name, b"x")
    assert failed(bag) >= {"bag"}


def test_a_payload_of_no_exhibit_fails_registration(bag):
    assert failed(covered_up(bag, "data/extra.bin", b"x")) == {"registration"}


@pytest.mark.parametrize("name", ["fetch.txt", "manifest-md5.txt", "tagmanifest-sha512.txt"])
def test_what_has_no_place_in_a_bundle_fails_the_bag(bag, name):
    assert "bag" in failed(covered_up(bag, name, b""))


@pytest.mark.parametrize("target", ["../outside", "bagit.txt"])
def test_a_symbolic_link_fails_the_bag(bag, target):
    written(bag.parent / "outside", b"x")
    try:
        (bag / "link").symlink_to(target)
    except OSError:
        pytest.skip("this system lets no links be made")
    assert failed(bag) == {"bag"}


def test_a_payload_that_is_a_link_is_never_read(bag):
    payload = bag / "data" / "KRN-000001.bin"
    written(bag.parent / "outside", payload.read_bytes())
    payload.unlink()
    payload.symlink_to(bag.parent / "outside")
    assert failed(bag) >= {"bag", "digests", "registration"}


def test_a_linked_folder_is_not_entered(bag):
    (bag / "data").rename(bag.parent / "elsewhere")
    (bag / "data").symlink_to(bag.parent / "elsewhere")
    assert failed(bag) >= {"bag", "digests"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_fails_the_bag_and_is_not_read(bag):
    os.mkfifo(bag / "data" / "pipe")
    assert "bag" in failed(bag)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "data/../x",
        "~/x",
        "~root",
        "C:/x",
        "data/C:x",
        "\\\\host\\x",
        "a\\b",
        "//host/x",
        "data//x",
        "data/./x",
        "data/NUL",
        "data/con.txt",
        "COM1",
        "data/lpt9.bin ",
        "data/x.",
        "data/",
        "a%41",
        "a%",
        "a%2",
        "aux .txt",
        "x\0",
        "",
    ],
)
def test_a_path_that_may_lead_out_of_the_bag_fails_it(path, bag):
    """Listed paths are sought among the files of the folder; none is ever opened as it stands."""
    with (bag / "manifest-sha256.txt").open("a", encoding="utf-8") as manifest:
        manifest.write(f"{'0' * 64}  {path}\n")
    assert "bag" in failed(bag)


def test_a_listed_file_outside_of_the_bag_is_not_read(bag):
    outside = written(bag.parent / "outside", b"x")
    for path in ("../outside", "data/../../outside", str(outside)):
        line = f"{sha256(b'x').hexdigest()}  {path}\n"
        (bag / "manifest-sha256.txt").write_text(line)
        assert failed(bag) >= {"bag", "digests"}


def test_a_path_that_stands_twice_is_refused():
    line = f"{'0' * 64}  data/Ä\n"
    with pytest.raises(verify.ParseError):
        verify.parse_manifest(line + line, "sha256")


@pytest.mark.parametrize(
    "text",
    [
        "0" * 63 + "  a\n",
        "0" * 64 + "a\n",
        "A" * 64 + "  a\n",
        "0" * 64 + "  a",
        "\n",
        "\ufeff" + "0" * 64 + "  a\n",
    ],
)
def test_a_manifest_line_that_is_none_is_refused(text):
    with pytest.raises(verify.ParseError):
        verify.parse_manifest(text, "sha256")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n",
        "\ufeffBagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-16\n",
        "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\nmore: 1\n",
    ],
)
def test_another_declaration_fails_the_bag(bag, text):
    assert failed(covered_up(bag, "bagit.txt", text.encode())) == {"bag"}


@pytest.mark.parametrize(
    "manifest", ["manifest-sha256.txt", "manifest-sha512.txt", "tagmanifest-sha256.txt"]
)
def test_each_manifest_counts(bag, manifest):
    text = (bag / manifest).read_text()
    flipped = ("1" if text[0] == "0" else "0") + text[1:]
    (bag / manifest).write_text(flipped)
    assert "digests" in failed(bag)
    (bag / manifest).write_text(text[text.index("\n") + 1 :])
    assert "bag" in failed(bag)
    (bag / manifest).write_bytes(b"\xff" + text.encode())
    assert "bag" in failed(bag)


# --- The closing entry, and volumes ------------------------------------------------------------


def test_a_bundle_that_was_never_closed_is_not_whole(bag):
    (bag / builder.CLOSING).unlink()
    assert outcomes(bag)["closing"] == "not-done"
    assert verify.exit_code(verify.verify_path(bag, None)) == 3


@pytest.mark.parametrize("name", ["custody-report.pdf", "VERIFY.txt", "verify.py", "bag-info.txt"])
def test_what_no_entry_is_about_is_still_as_the_ledger_closed_it(bag, name):
    """Whoever can change a file can list it anew; the ledger recorded the list."""
    written(bag / name, (bag / name).read_bytes() + b" ")
    builder.list_anew(bag)
    assert failed(bag) == {"closing"}


def test_what_was_left_out_cannot_be_told_otherwise(bag):
    custody = json.loads((bag / "custody.json").read_text())
    custody["left_out"].append({"what": "nothing", "why": "-"})
    written(bag / "custody.json", custody)
    builder.list_anew(bag)
    assert failed(bag) == {"closing"}


def _signed_by_another(world, bag):
    return {**world.closing(bag), "closed": World(log=Signer(seed=7)).closing(bag)["closed"]}


CLOSINGS = {
    "another manifest": lambda w, b: w.closing(b, outputs=["sha256:" + "0" * 64]),
    "more volumes than are told of": lambda w, b: w.closing(b, "sha256:" + "0" * 64),
    "no outputs": lambda w, b: w.closing(b, outputs=[]),
    "another request": lambda w, b: w.closing(b, request_id=builder.uuid(9)),
    "another count": lambda w, b: w.closing(b, count=1),
    "not done": lambda w, b: w.closing(b, outcome="aborted"),
    "of another type": lambda w, b: w.closing(b, type="dissemination"),
    "about an exhibit": lambda w, b: w.closing(b, exhibit={}),
    "the two swapped": lambda w, b: {**(c := w.closing(b)), "opened": c["closed"]},
    "closed before": lambda w, b: {**(c := w.closing(b)), "closed": c["opened"]},
    "signed by another": _signed_by_another,
    "more than it holds": lambda w, b: {**w.closing(b), "more": 1},
    "an opening of its own": lambda w, b: {
        **(c := w.closing(b)), "closed": {**c["closed"], "openings": {"x": {}}},
    },
    "a line that nobody knows": lambda w, b: {
        **(c := w.closing(b)),
        "closed": {**c["closed"], "proof": c["closed"]["proof"] + "\u2014 a AAAAAA==\n"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSINGS)
def test_a_closing_that_is_not_of_this_bundle_fails(bag, world, name):
    text = builder.canonical(CLOSINGS[name](world, bag)) + "\n"
    written(bag / builder.CLOSING, text.encode())
    assert failed(bag) == {"closing"}


def test_a_closing_is_laid_out_in_one_way(bag, world):
    told = world.closing(bag)
    for text in (builder.canonical(told), json.dumps(told) + "\n"):
        written(bag / builder.CLOSING, text.encode())
        assert failed(bag) == {"closing"}


def test_a_folder_with_nothing_in_it_fails_the_bag(bag):
    (bag / "more").mkdir()
    assert failed(bag) == {"bag"}


def test_a_manifest_is_laid_out_in_one_way(bag):
    text = (bag / "tagmanifest-sha256.txt").read_text()
    lines = text.splitlines(keepends=True)
    for other in (text.replace("  ", " \t", 1), "".join([*lines[1:], lines[0]])):
        written(bag / "tagmanifest-sha256.txt", other.encode())
        assert "bag" in failed(bag)


def volume(world, tmp_path, number, *, volumes=2):
    """One volume of the exhibits of a world; the digests of all are in the closing entry."""
    custody = world.custody()
    custody["volumes"] = volumes
    for place, exhibit in enumerate(custody["exhibits"], 1):
        exhibit["volume"] = place if volumes else 0
    bags = []
    for place in range(1, max(volumes, 1) + 1):
        bag = world.write(tmp_path / f"volume-{place}", custody)
        for other, exhibit in enumerate(custody["exhibits"], 1):
            if other != place or not volumes:
                (bag / exhibit["files"][0]).unlink()
        builder.list_anew(bag)
        bags.append(bag)
    outputs = [
        "sha256:" + sha256((bag / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
        for bag in bags
    ]
    for bag in bags:
        text = builder.canonical(world.closing(bag, outputs=outputs)) + "\n"
        written(bag / builder.CLOSING, text.encode())
    return bags[number - 1]


def test_one_volume_is_not_the_whole_and_says_what_is_absent(world, tmp_path):
    bag = volume(world, tmp_path, 1)
    findings = verify.verify_path(bag, None)
    assert not failed(bag)
    assert verify.exit_code(findings) == 3
    [said] = [found for found in findings if found.claim == "complete"]
    assert (said.outcome, said.detail) == (
        "not-done",
        "volume 1 of 2; 1 exhibits are not here (--payload DIR): KRN-000002 (volume 2)",
    )
    assert {one.claim: one.detail for one in findings}["registration"].startswith("1 files")


def test_volumes_together_are_the_whole(world, tmp_path):
    bag = volume(world, tmp_path, 2)
    findings = verify.verify_path(bag, None, (), (tmp_path / "volume-1",))
    assert verify.exit_code(findings) == 0
    assert {one.claim: one.detail for one in findings}["registration"].startswith("2 files")


@pytest.mark.parametrize("name", ["KRN-000001.bin", "as it was called.jpg"])
def test_a_bundle_by_reference_verifies_what_comes_on_other_disks(world, tmp_path, name):
    bag, disk = volume(world, tmp_path, 1, volumes=0), tmp_path / "disk" / "deep"
    assert outcomes(bag)["complete"] == "not-done"
    cited = f"KRN-000002#sha256={sha256(b'second').hexdigest()}"
    [told] = [one for one in verify.verify_path(bag, None, (cited,)) if one.claim == "citation"]
    assert told.outcome == "not-done"
    assert "KRN-000002 is not here" in told.detail
    disk.mkdir(parents=True)
    written(disk / name, b"evidence")
    findings = verify.verify_path(bag, None, (), (tmp_path / "disk",))
    assert verify.exit_code(findings) == 3
    written(disk / "KRN-000002.bin", b"second")
    assert verify.exit_code(verify.verify_path(bag, None, (), (tmp_path / "disk",))) == 0
    written(disk / "KRN-000002.bin", b"Second")
    findings = verify.verify_path(bag, None, (), (tmp_path / "disk",))
    assert [one.claim for one in findings if one.outcome == "fail"] == ["registration"]


def test_an_exhibit_is_missing_where_no_volume_can_have_it(world, tmp_path):
    bag = volume(world, tmp_path, 1)
    (bag / "data" / "KRN-000001.bin").rename(bag / "data" / "KRN-000002.bin")
    builder.remake_manifests(bag)
    assert failed(bag) >= {"registration", "closing"}
    whole = world.write(tmp_path / "whole")
    (whole / "data" / "KRN-000001.bin").unlink()
    builder.remake_manifests(whole)
    assert failed(whole) == {"complete", "registration"}
    assert verify.main([str(whole), "--payload", str(bag)]) == 1


def test_where_the_rest_is_must_be_a_folder(bag, tmp_path):
    with pytest.raises(verify.WrongUse):
        verify.verify_path(bag, None, (), (tmp_path / "nowhere",))


# --- Entries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [0, 1, 5, 7])
def test_a_missing_entry_shows_as_a_gap(world, tmp_path, gone):
    bag = with_custody(world, tmp_path, lambda custody: custody["entries"].pop(gone))
    assert failed(bag) >= {"exhibit.seq"}
    assert outcomes(bag)["inclusion"] == "pass"


def test_a_missing_last_entry_shows_even_when_the_count_is_changed(world, tmp_path):
    def cut(custody):
        custody["entries"].pop(6)
        custody["exhibits"][0]["last_seq"] -= 1

    assert failed(with_custody(world, tmp_path, cut)) == {"exhibit.seq"}


def test_entries_out_of_order_or_twice_are_refused(world, tmp_path):
    def swap(custody):
        custody["entries"][2:4] = custody["entries"][3:1:-1]

    assert "inclusion" in failed(with_custody(world, tmp_path, swap))

    def twice(custody):
        custody["entries"].insert(4, custody["entries"][4])

    assert failed(with_custody(world, tmp_path, twice)) == {"inclusion", "exhibit.seq"}


def _proof(custody, change):
    custody["entries"][0]["proof"] = change(custody["entries"][0]["proof"])


def _short(text):
    lines = text.split("\n")
    return text.replace(lines[2], b64encode(b"x" * 12).decode())


CHANGES = {
    "wrong index": (lambda c: c["entries"][4].update(index=400), {"inclusion"}),
    "tree size": (lambda c: c.update(tree_size=9), {"inclusion", "exhibit.seq"}),
    "request": (lambda c: c.update(request_id=builder.uuid(9)), {"exhibit.seq", "closing"}),
    "number": (
        lambda c: c["exhibits"][0].update(number="KRN-000009"),
        {"exhibit.seq", "registration"},
    ),
    "id": (lambda c: c["exhibits"][0].update(id=builder.uuid(9)), {"exhibit.seq", "registration"}),
    "size": (lambda c: c["exhibits"][0].update(size=1), {"exhibit.seq", "registration"}),
    "digest": (
        lambda c: c["exhibits"][0].update(sha256="sha256:" + "0" * 64),
        {"exhibit.seq", "registration"},
    ),
    "short digest": (
        lambda c: c["exhibits"][0].update(sha256="sha256:00"),
        {"exhibit.seq", "registration"},
    ),
    "last_seq": (lambda c: c["exhibits"][0].update(last_seq=2**53 - 1), {"exhibit.seq"}),
    "last_seq true": (lambda c: c["exhibits"][0].update(last_seq=True), {"exhibit.seq"}),
    "exhibit twice": (lambda c: c["exhibits"].append(c["exhibits"][0]), {"exhibit.seq", "closing"}),
    "exhibit hidden": (lambda c: c["exhibits"].pop(), {"exhibit.seq", "registration", "closing"}),
    "no files": (lambda c: c["exhibits"][0].update(files=[]), {"registration"}),
    "files swapped": (
        lambda c: c["exhibits"][0].update(files=["data/KRN-000002.bin"]),
        {"registration"},
    ),
    "registration": (lambda c: c["exhibits"][0].update(registration=0), {"registration"}),
    "other's registration": (lambda c: c["exhibits"][0].update(registration=3), {"registration"}),
    "version": (lambda c: c.update(v=2), {"canonical"}),
    "version true": (lambda c: c.update(v=True), {"canonical"}),
    "no entries": (lambda c: c.pop("entries"), {"canonical"}),
    "entries an object": (lambda c: c.update(entries={}), {"canonical"}),
    "entry a text": (lambda c: c["entries"].append("x"), {"canonical", "inclusion"}),
    "no proof": (lambda c: c["entries"][0].pop("proof"), {"canonical", "inclusion"}),
    "opening": (
        lambda c: c["entries"][5]["openings"]["note"].update(value="another"),
        {"openings"},
    ),
    "salt": (lambda c: c["entries"][5]["openings"]["note"].update(salt="00"), {"openings"}),
    "opening of nothing": (
        lambda c: c["entries"][0].update(openings=c["entries"][5]["openings"]),
        {"openings"},
    ),
    "more in an opening": (
        lambda c: c["entries"][5]["openings"]["note"].update(by="me"),
        {"openings"},
    ),
    "truncated proof": (
        lambda c: _proof(
            c, lambda text: text[: text.index("\n\n") - 45] + text[text.index("\n\n") :]
        ),
        {"inclusion"},
    ),
    "proof without checkpoint": (
        lambda c: _proof(c, lambda text: text[: text.index("\n\n")]),
        {"inclusion"},
    ),
    "12-byte hash": (lambda c: _proof(c, _short), {"inclusion"}),
    "index with zero": (
        lambda c: _proof(c, lambda text: text.replace("index 0", "index 00")),
        {"inclusion"},
    ),
    "CRLF": (lambda c: _proof(c, lambda text: text.replace("\n", "\r\n")), {"inclusion"}),
    "another proof": (
        lambda c: c["entries"][0].update(proof=c["entries"][1]["proof"]),
        {"inclusion"},
    ),
    "other body": (
        lambda c: c["entries"][4].update(body=c["entries"][4]["body"].replace("done", "fail")),
        {"inclusion"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_custody_file_fails_the_claim_it_concerns(world, tmp_path, name):
    change, expected = CHANGES[name]
    assert failed(with_custody(world, tmp_path, change)) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'{"v":1,"v":1}',
        b'{"v":1.0}',
        b'{"v":1e2}',
        b'{"v":01}',
        b'{"v":-0}',
        b'{"v":NaN}',
        b'{"v":Infinity}',
        b'{"v":' + b"9" * 10_000 + b"}",
        b'{"v":9007199254740992}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"v":"\\ud800"}',
        b'{"\\udc00":1}',
        b"[" * 50_000 + b"]" * 50_000,
        '{"v":1}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_of_ours_is_a_failed_claim(bag, content):
    assert failed(covered_up(bag, "custody.json", content)) >= {"canonical"}
    with pytest.raises((verify.ParseError, UnicodeDecodeError)):
        verify.members(verify.parse_json(content.decode("utf-8")), {"entries": list})


@pytest.mark.parametrize(
    "odd",
    ["[1.5]", "[1.0]", "[-0]", "[01]", "[NaN]", "[9007199254740992]", '["\\ud800"]', '[],"v":1'],
)
def test_a_good_document_with_one_odd_value_is_refused(world, bag, odd):
    whole = json.dumps(world.custody())
    for text, expected in (
        (whole, set()),
        (whole.replace('"left_out": []', f'"left_out": {odd}'), 1),
    ):
        assert bool(failed(covered_up(bag, "custody.json", text.encode()))) == bool(expected)


def test_a_text_larger_than_any_is_not_read_whole(bag, monkeypatch):
    monkeypatch.setattr(verify, "MOST", (bag / "custody.json").stat().st_size + 1)
    assert not failed(bag)
    monkeypatch.setattr(verify, "MOST", (bag / "custody.json").stat().st_size)
    assert failed(bag) >= {"canonical"}


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"x","v":1 }',
        '{"v":1,"type":"x"}',
        '{"type":"x","v":2}',
        '{"type":"x","v":true}',
        '{"type":"\\u0078","v":1}',
        '{"type":"x","type":"x","v":1}',
        '{"n":1.5,"type":"x","v":1}',
        '{"n":-0,"type":"x","v":1}',
        '\ufeff{"type":"x","v":1}',
        '{"type":"x","v":1}\n',
        '{"v":1}',
        "[]",
        '{"n":"' + "x" * 65_535 + '","type":"x","v":1}',
        '{"type":null,"v":1}',
    ],
)
def test_a_body_that_is_not_canonical_is_refused(world, tmp_path, body):
    with pytest.raises(verify.ParseError):
        verify.parse_body(body)
    bag = with_custody(world, tmp_path, lambda custody: custody["entries"][4].update(body=body))
    found = outcomes(bag)
    assert (found["canonical"], found["exhibit.seq"]) == ("fail", "not-done")


def test_a_deep_body_is_a_failed_claim(world, tmp_path):
    body = '{"n":' + "[" * 30_000 + "]" * 30_000 + ',"type":"x","v":1}'
    bag = with_custody(world, tmp_path, lambda custody: custody["entries"][4].update(body=body))
    assert "canonical" in failed(bag)


def test_keys_are_sorted_by_utf_16_units():
    text = '{"type":"x","v":1,"\U0001f600":1,"\ufb33":1}'
    assert verify.parse_body(text)["v"] == 1
    with pytest.raises(verify.ParseError):
        verify.parse_body('{"type":"x","v":1,"\ufb33":1,"\U0001f600":1}')


def test_an_unknown_type_is_said_and_not_refused(tmp_path):
    def strange(index, fields):
        if index == 5:
            fields["type"] = "x\u202egnp"

    bag = World(change_body=strange).write(tmp_path / "bag")
    found = {finding.claim: finding for finding in verify.verify_path(bag, None)}
    assert found["canonical"].outcome == "pass"
    assert "x\\u202egnp" in found["canonical"].detail


def _body(changes):
    def change(index, fields):
        if index in changes:
            changes[index](fields)

    return change


SIGNED = {
    "seq double": ({5: lambda f: f["exhibit"].update(seq=2)}, {"exhibit.seq"}),
    "seq false": ({0: lambda f: f["exhibit"].update(seq=False)}, {"exhibit.seq"}),
    "exhibit null": ({5: lambda f: f.update(exhibit=None)}, {"exhibit.seq"}),
    "exhibit without digest": ({5: lambda f: f["exhibit"].pop("sha256")}, {"exhibit.seq"}),
    "other digest": (
        {5: lambda f: f["exhibit"].update(sha256="sha256:" + "1" * 64)},
        {"exhibit.seq"},
    ),
    "last not started": ({7: lambda f: f.update(outcome="done")}, {"exhibit.seq"}),
    "last not an export": ({7: lambda f: f.update(type="retrieval")}, {"exhibit.seq"}),
    "last of another request": (
        {7: lambda f: f.update(request_id=builder.uuid(8))},
        {"exhibit.seq"},
    ),
    "chunk root": (
        {1: lambda f: f["parts"][0]["chunks"].update(root="sha256:" + "0" * 64)},
        {"registration"},
    ),
    "chunk size": ({1: lambda f: f["parts"][0]["chunks"].update(size=1)}, {"registration"}),
    "chunk count": ({1: lambda f: f["parts"][0]["chunks"].update(count=2)}, {"registration"}),
    "md5": ({1: lambda f: f["parts"][0]["digests"].update(md5="md5:0")}, {"registration"}),
    "sha512": ({1: lambda f: f["parts"][0]["digests"].update(sha512="sha512:0")}, {"registration"}),
    "no sha256": ({1: lambda f: f["parts"][0]["digests"].pop("sha256")}, {"registration"}),
    "no parts": ({1: lambda f: f.update(parts=[])}, {"registration"}),
    "parts missing": ({1: lambda f: f.pop("parts")}, {"registration"}),
    "parts of texts": ({1: lambda f: f.update(parts=["x"])}, {"registration"}),
    "part 2": ({1: lambda f: f["parts"][0].update(part=2)}, {"registration"}),
    "_sd a list": ({5: lambda f: f.update(_sd=["note"])}, {"openings"}),
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_wrong_entry_fails_its_claim_though_well_signed(tmp_path, name):
    changes, expected = SIGNED[name]
    assert failed(World(change_body=_body(changes)).write(tmp_path / "bag")) == expected


def test_a_digest_that_cannot_be_made_is_not_passed_over(tmp_path):
    change = _body({1: lambda f: f["parts"][0]["digests"].update(whirl="whirl:00", shake_128="x")})
    assert outcomes(World(change_body=change).write(tmp_path / "bag"))["registration"] == "not-done"


@pytest.mark.parametrize("kind", ["sha224", "sha384"])
def test_a_digest_that_somebody_declared_is_made_anew(tmp_path, kind):
    made = f"{kind}:{new(kind, b'evidence').hexdigest()}"
    for said, outcome in ((made, "pass"), (f"{kind}:00", "fail")):
        change = _body({1: lambda f, said=said: f["parts"][0]["digests"].update({kind: said})})
        bag = World(change_body=change).write(tmp_path / outcome)
        assert outcomes(bag)["registration"] == outcome


def test_a_payload_replaced_with_all_manifests_fails_registration(bag):
    assert failed(covered_up(bag, "data/KRN-000001.bin", b"forged..")) == {"registration"}


def test_a_payload_taken_out_with_all_manifests_fails_registration(world, tmp_path):
    bag = with_custody(world, tmp_path, lambda custody: custody["exhibits"][0].update(files=[]))
    (bag / "data" / "KRN-000001.bin").unlink()
    builder.remake_manifests(bag)
    assert "registration" in failed(bag)


def test_what_cannot_be_read_is_not_done_where_nothing_was_compared(bag):
    (bag / "manifest-sha256.txt").write_bytes(b"\xff")
    found = outcomes(bag)
    assert (found["bag"], found["digests"], found["registration"]) == ("fail", *["not-done"] * 2)


def test_a_bundle_without_entries_or_exhibits_claims_nothing_about_them(world, tmp_path):
    bag = with_custody(world, tmp_path, lambda custody: custody.update(entries=[]))
    found = outcomes(bag)
    for claim in ("canonical", "inclusion", "exhibit.seq", "registration"):
        assert found[claim] == "not-done"
    assert outcomes(World(contents=[]).write(tmp_path / "empty"))["exhibit.seq"] == "not-done"


@pytest.mark.parametrize("change", [{}, {"id": builder.uuid(9)}, {"number": "KRN-000009"}])
def test_an_exhibit_listed_twice_is_refused_even_if_the_count_agrees(tmp_path, change):
    world = World(house={"count": 3})
    custody = world.custody()
    custody["exhibits"].append({**custody["exhibits"][0], **change})
    assert "exhibit.seq" in failed(world.write(tmp_path / "bag", custody))


def test_a_bundle_of_nothing_is_not_passed(world, tmp_path):
    bag = with_custody(world, tmp_path, lambda custody: custody.update(exhibits=[], entries=[]))
    (bag / "data" / "KRN-000001.bin").unlink()
    (bag / "data" / "KRN-000002.bin").unlink()
    builder.remake_manifests(bag)
    findings = verify.verify_path(bag, None)
    assert verify.exit_code(findings) == 3


# --- Checkpoint, keys, trust, witnesses --------------------------------------------------------


def test_a_checkpoint_of_another_tree_is_refused(world, bag):
    body = builder.checkpoint_body(world.leaves[:-1])
    found = failed(covered_up(bag, "ledger/checkpoint", f"{body}\n{world.log.line(body)}".encode()))
    assert found == {"inclusion"}


NOTES = {
    "BOM": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no last newline": lambda text: text[:-1],
    "no signature": lambda text: text[: text.index("\u2014")],
    "hyphen": lambda text: text.replace("\u2014", "-"),
    "four lines": lambda text: text.replace("\n\n", "\nextension\n\n"),
    "leading zero": lambda text: text.replace("\n10\n", "\n010\n"),
    "other size": lambda text: text.replace("\n10\n", "\n11\n"),
    "other digits": lambda text: text.replace("\n10\n", "\n\u0661\u0660\n"),
    "101 lines": lambda text: text + text[text.index("\u2014") :].replace("log.", "xlog.") * 100,
    "tab": lambda text: text.replace("\u2014 ", "\u2014\t"),
    "12-byte root": lambda text: text.replace(text.split("\n")[2], b64encode(b"x" * 12).decode()),
    "base64 bits": lambda text: text.replace(text.split("\n")[2], text.split("\n")[2][:-2] + "B="),
    "other origin": lambda text: text.replace("log.example", "lag.example"),
    "signer unknown": lambda text: text.replace("\u2014 log", "\u2014 lag"),
    "bad line of a known key": lambda text: (
        text + "\u2014 " + text.split(" ")[1] + " " + _flipped(text)
    ),
}


def _flipped(text):
    blob = bytearray(b64decode(text.split(" ")[2]))
    blob[-1] ^= 1
    return b64encode(bytes(blob)).decode() + "\n"


@pytest.mark.parametrize("name", NOTES)
def test_a_bad_checkpoint_fails_the_signature(world, bag, name):
    changed = NOTES[name](world.checkpoint)
    assert changed != world.checkpoint
    found = outcomes(covered_up(bag, "ledger/checkpoint", changed.encode()))
    assert (found["log-signature"], found["inclusion"]) == ("fail", "not-done")


def test_a_key_of_another_name_than_the_origin_is_no_key_of_the_log(tmp_path):
    world = World(log=Signer("other.example"))
    assert failed(world.write(tmp_path / "bag")) == {"log-signature"}
    assert failed(written(tmp_path / "r", world.receipt())) == {"log-signature"}


def test_a_witness_alone_is_no_key_of_the_log(tmp_path):
    witness = Signer(ORIGIN, 4, 30)
    policy = f"log {Signer().vkey}\nwitness w {witness.vkey}\nquorum w\n"
    world = World(log=witness, policy=policy)
    bag = world.write(tmp_path / "bag")
    assert failed(bag) == {"log-signature"}
    assert outcomes(bag)["witnesses"] == "not-done"


def test_lines_of_unknown_keys_are_ignored(tmp_path):
    body = Signer("stranger.example", seed=9).line("x")
    assert not failed(World(more_lines=body).write(tmp_path / "bag"))


def _trust(world, **changes):
    trust = deepcopy(world.trust)
    trust["keys"][0].update({k: v for k, v in changes.items() if k in ("vkey", "from", "to")})
    trust.update({k: v for k, v in changes.items() if k not in ("vkey", "from", "to")})
    return trust


TRUSTS = {
    "other key": {"vkey": Signer(seed=7).vkey},
    "expired": {"to": 10},
    "not yet": {"from": 11},
    "empty range": {"from": 10, "to": 10},
    "true": {"from": True},
    "text": {"to": "11"},
    "no keys": {"keys": []},
    "keys an object": {"keys": {}},
    "kind": {"kind": "evidence-receipt"},
    "version": {"v": 2},
    "origin": {"origin": "other.example"},
    "witness": {"vkey": Signer(kind=4).vkey},
    "vkey cut": {"vkey": Signer().vkey[:-1]},
}


@pytest.mark.parametrize("name", TRUSTS)
def test_the_wrong_trust_file_fails_key_trusted(world, bag, tmp_path, name):
    trust = written(tmp_path / "trust", _trust(world, **TRUSTS[name]))
    assert failed(bag, trust) == {"key-trusted"}
    assert failed(written(tmp_path / "r", world.receipt()), trust) == {"key-trusted"}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"{}", b"[]", b'"x"'])
def test_a_trust_file_that_is_none_fails_key_trusted(bag, tmp_path, content):
    assert failed(bag, written(tmp_path / "trust", content)) == {"key-trusted"}


def test_the_ranges_of_a_key_are_half_open(world, bag, tmp_path):
    good = written(tmp_path / "trust", _trust(world, **{"from": 10, "to": 11}))
    assert outcomes(bag, good)["key-trusted"] == "pass"


def test_a_receipt_of_another_key_is_told_by_the_trust_file(world, tmp_path):
    forged = World(log=Signer(seed=5))
    path = written(tmp_path / "r", forged.receipt())
    assert outcomes(path)["log-signature"] == "pass"
    assert failed(path, written(tmp_path / "trust", world.trust)) == {"key-trusted"}


def test_a_policy_without_logs_needs_a_trust_file(tmp_path):
    world = World(policy="quorum none\n")
    bag = world.write(tmp_path / "bag")
    assert verify.exit_code(verify.verify_path(bag, None)) == 3
    assert not failed(bag, written(tmp_path / "trust", world.trust))


def _witnessed(cosigning, rule, extra_line="", extra_witness=""):
    witnesses = [Signer(f"w{n}.example", 4, 20 + n) for n in range(3)]
    lines = "".join(f"witness w{n} {signer.vkey}\n" for n, signer in enumerate(witnesses))
    policy = f"# rule\nlog {Signer().vkey} https://x\n\n{lines}{extra_witness}{rule}"
    return World(witnesses=witnesses[:cosigning], policy=policy, more_lines=extra_line)


PQ = Signer("pq.example/w", 6, 40)
PQ_KEY, PQ_LINE = PQ.vkey, PQ.line(builder.checkpoint_body(World().leaves))
QUORUMS = {
    "two of three": (2, "group g 2 w0 w1 w2\nquorum g\n", "", "pass"),
    "one is not two": (1, "group g 2 w0 w1 w2\nquorum g\n", "", "fail"),
    "any": (1, "group g any w0 w1 w2\nquorum g\n", "", "pass"),
    "all": (2, "group g all w0 w1 w2\nquorum g\n", "", "fail"),
    "one alone": (1, " quorum\tw0 \n", "", "pass"),
    "the other": (1, "quorum w1\n", "", "fail"),
    "nested": (2, "group a all w0 w1\ngroup b any a w2\nquorum b\n", "", "pass"),
    "hangs on ML-DSA": (1, "group g 2 w0 pq\nquorum g\n", PQ_LINE, "not-done"),
    "enough without ML-DSA": (1, "group g 1 w0 pq\nquorum g\n", PQ_LINE, "pass"),
    "ML-DSA did not sign": (1, "group g 2 w0 pq\nquorum g\n", "", "fail"),
}


@pytest.mark.parametrize("name", QUORUMS)
def test_the_quorum_is_counted_and_nothing_unchecked_counts(tmp_path, name):
    cosigning, rule, line, expected = QUORUMS[name]
    world = _witnessed(cosigning, rule, line, f"witness pq {PQ_KEY}\n")
    assert outcomes(world.write(tmp_path / "bag"))["witnesses"] == expected


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "quorum w9\n",
        "quorum w0\nquorum w0\n",
        "group g 0 w0\nquorum g\n",
        "group g 2 w0\nquorum g\n",
        "group g 01 w0\nquorum g\n",
        "group g any\nquorum g\n",
        "group g any none\nquorum g\n",
        "quorum w0",
        "group g any h\ngroup h any w0\nquorum g\n",
        "group g any w0 w0\nquorum g\n",
        "other x\nquorum w0\n",
        "group g any w0\ngroup h any w0\nquorum h\n",
        "group w0 any w1\nquorum w0\n",
        "quorum w0\r\n",
        f"witness twin {Signer('twin', 4, 20).vkey}\nquorum w0\n",
        f"log {Signer(seed=1).vkey}\nquorum w0\n",
        f"witness log {Signer(seed=3).vkey}\nquorum w0\n",
        "group none any w0\nquorum none\n",
    ],
)
def test_a_bad_policy_is_refused(tmp_path, rule):
    assert "log-signature" in failed(_witnessed(1, rule).write(tmp_path / "bag"))


def test_a_bad_cosignature_refuses_the_checkpoint(tmp_path):
    bad = Signer("w2.example", 4, 22).line("another body")
    bag = _witnessed(2, "quorum w0\n", bad).write(tmp_path / "bag")
    assert failed(bag) == {"log-signature", "witnesses"}


def test_a_bad_cosignature_refuses_the_checkpoint_even_where_no_quorum_is_asked_for(tmp_path):
    bad = Signer("w2.example", 4, 22).line("another body")
    bag = _witnessed(0, "quorum none\n", bad).write(tmp_path / "bag")
    assert failed(bag) == {"log-signature", "witnesses"}


@pytest.mark.parametrize("kind", [4, 6])
def test_a_cosignature_at_time_zero_is_refused(tmp_path, kind):
    signer = Signer("zero.example", kind, 50)
    rule = f"witness zero {signer.vkey}\nquorum zero\n"
    body = builder.checkpoint_body(World().leaves)
    for at, expected in ((0, "fail"), (1, "pass" if kind == 4 else "not-done")):
        bag = _witnessed(0, rule, signer.line(body, at=at)).write(tmp_path / f"bag{at}")
        assert outcomes(bag)["witnesses"] == expected
        assert outcomes(bag)["log-signature"] == ("pass" if at else "fail")


def test_a_cosignature_of_another_size_is_refused(tmp_path):
    """Same root, other size: what a cosigner said about another tree does not count for this."""
    world = World()
    body = builder.checkpoint_body(world.leaves).replace("\n10\n", "\n11\n")
    line = Signer("w2.example", 4, 22).line(body)
    assert "witnesses" in failed(_witnessed(0, "quorum w2\n", line).write(tmp_path / "bag"))


def test_a_cosigned_checkpoint_whose_line_is_cut_misses_the_quorum(tmp_path):
    world = _witnessed(2, "group g 2 w0 w1 w2\nquorum g\n")
    bag = world.write(tmp_path / "bag")
    assert outcomes(bag)["witnesses"] == "pass"
    cut = "\n".join(world.checkpoint.split("\n")[:-2]) + "\n"
    assert failed(covered_up(bag, "ledger/checkpoint", cut.encode())) == {"witnesses"}


def test_cosignatures_of_unknown_keys_count_for_nothing(tmp_path):
    body = builder.checkpoint_body(World().leaves)
    line = Signer("w0.example", 4, 99).line(body)  # the name of a witness, another key
    found = outcomes(_witnessed(0, "quorum w0\n", line).write(tmp_path / "bag"))
    assert (found["log-signature"], found["witnesses"]) == ("pass", "fail")


def test_one_witness_signing_twice_is_one_witness(tmp_path):
    body = builder.checkpoint_body(World().leaves)
    again = Signer("w0.example", 4, 20).line(body, at=1_800_000_001)
    world = _witnessed(1, "group g 2 w0 w1 w2\nquorum g\n", again)
    assert outcomes(world.write(tmp_path / "bag"))["witnesses"] == "fail"


def test_the_proofs_may_carry_other_cosignatures_but_never_lack_the_line_of_the_log(tmp_path):
    world = _witnessed(1, "quorum w0\n")
    custody = world.custody()
    log_line = world.log.line(builder.checkpoint_body(world.leaves))
    for entry in custody["entries"]:
        entry["proof"] = entry["proof"].split("\u2014")[0] + log_line
    bag = world.write(tmp_path / "bag", custody)
    assert not failed(bag)
    witness = world.witnesses[0].line(builder.checkpoint_body(world.leaves))
    entry = custody["entries"][3]
    entry["proof"] = entry["proof"].replace(log_line, witness)
    assert failed(covered_up(bag, "custody.json", custody)) == {"inclusion"}


def test_a_proof_with_a_line_that_does_not_verify_is_refused(tmp_path):
    world = _witnessed(1, "quorum w0\n")
    custody = world.custody()
    custody["entries"][3]["proof"] += world.witnesses[0].line("another body")
    assert failed(world.write(tmp_path / "bag", custody)) == {"inclusion"}


# --- The policy of the trust file ---------------------------------------------------------------


def test_the_policy_of_the_trust_file_replaces_the_bundle_s_own(tmp_path):
    world = _witnessed(1, "quorum w0\n")
    bag = world.write(tmp_path / "bag")
    assert outcomes(bag)["witnesses"] == "pass"
    for quorum, expected in (("w1", "fail"), ("w0", "pass"), ("none", "not-done")):
        policy = world.policy.replace("quorum w0", f"quorum {quorum}")
        trust = written(tmp_path / "trust", {**world.trust, "policy": policy})
        assert outcomes(bag, trust)["witnesses"] == expected
    assert outcomes(bag, written(tmp_path / "trust", world.trust))["witnesses"] == "pass"


def test_a_witness_that_only_the_trust_file_knows_is_counted(tmp_path):
    stranger = Signer("friend.example", 4, 60)
    world = World(witnesses=[stranger])
    policy = f"witness friend {stranger.vkey}\nquorum friend\n"
    trust = written(tmp_path / "trust", {**world.trust, "policy": policy})
    bag, receipt = world.write(tmp_path / "bag"), written(tmp_path / "r", world.receipt())
    for path in (bag, receipt):
        assert outcomes(path)["witnesses"] == "not-done"
        found = {finding.claim: finding for finding in verify.verify_path(path, trust)}
        assert found["witnesses"].outcome == "pass"
        assert "--trust" in found["witnesses"].detail


@pytest.mark.parametrize(
    "policy", ["", "quorum w\n", "quorum none", "x\nquorum none\n", None, 1, ["quorum none\n"]]
)
def test_a_trust_file_with_a_bad_policy_fails_key_trusted(world, bag, tmp_path, policy):
    trust = written(tmp_path / "trust", {**world.trust, "policy": policy})
    assert failed(bag, trust) == {"key-trusted"}


# --- ML-DSA-44 by the machine's openssl ---------------------------------------------------------


STAND_IN = """#!{python}
import sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_der_public_key
words = sys.argv[1:]
assert words[:5] == ["pkeyutl", "-verify", "-pubin", "-keyform", "DER"] and "-rawin" in words, words
key, message, signature = (
    open(words[words.index(name) + 1], "rb").read() for name in ("-inkey", "-in", "-sigfile")
)
try:
    load_der_public_key(key).verify(signature, message)
    print("Signature Verified Successfully")
except InvalidSignature:
    print("Signature Verification Failure")
    sys.exit(1)
"""


@pytest.fixture
def new_openssl(tmp_path, monkeypatch):
    """An OpenSSL >= 3.5: the machine's, or a stand-in of `cryptography` behind the same words."""
    ran = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False)
    if tuple(map(int, ran.stdout.split(" ")[1].split(".")[:2])) < (3, 5):
        tool = tmp_path / "bin" / "openssl"
        tool.parent.mkdir()
        tool.write_text(STAND_IN.format(python=sys.executable))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    verify.open_note.cache_clear()
    yield
    verify.open_note.cache_clear()


@pytest.fixture
def no_openssl(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    verify.open_note.cache_clear()
    yield
    verify.open_note.cache_clear()


POST_QUANTUM = f"witness pq {PQ_KEY}\ngroup g 2 w0 pq\nquorum g\n"


def test_an_ml_dsa_cosignature_counts_where_openssl_can_check_it(tmp_path, new_openssl):
    bag = _witnessed(1, POST_QUANTUM, PQ_LINE).write(tmp_path / "bag")
    assert outcomes(bag)["witnesses"] == "pass"


@pytest.mark.parametrize("body", ["10", "11"])
def test_an_ml_dsa_cosignature_that_does_not_verify_is_refused(tmp_path, new_openssl, body):
    signed = builder.checkpoint_body(World().leaves).replace("\n10\n", f"\n{body}\n")
    line = PQ.line(signed)
    flipped = line if body == "11" else line.rsplit(" ", 1)[0] + " " + _flipped(line)
    bag = _witnessed(1, POST_QUANTUM, flipped).write(tmp_path / "bag")
    assert failed(bag) == {"log-signature", "witnesses"}


def test_an_ml_dsa_line_of_another_length_is_refused_without_any_tool(tmp_path, no_openssl):
    name, blob = PQ_LINE[:-1].rsplit(" ", 1)
    short = f"{name} {b64encode(b64decode(blob)[:-1]).decode()}\n"
    bag = _witnessed(1, POST_QUANTUM, short).write(tmp_path / "bag")
    assert failed(bag) == {"log-signature", "witnesses"}


def test_without_a_tool_an_ml_dsa_cosignature_is_not_done_and_never_a_pass(tmp_path, no_openssl):
    bag = _witnessed(1, POST_QUANTUM, PQ_LINE).write(tmp_path / "bag")
    assert outcomes(bag)["witnesses"] == "not-done"
    assert verify.exit_code(verify.verify_path(bag, None)) == 0


def test_a_post_quantum_line_of_the_log_is_no_witness_and_does_not_stand_alone(
    tmp_path, new_openssl
):
    log = Signer(ORIGIN, 6, 3)
    line = log.line(builder.checkpoint_body(World().leaves))
    policy = f"log {Signer().vkey}\nlog {log.vkey}\nquorum none\n"
    world = World(more_lines=line, policy=policy)
    bag = world.write(tmp_path / "bag")
    assert not failed(bag)
    alone = world.checkpoint.split("\u2014")[0] + line
    assert "log-signature" in failed(covered_up(bag, "ledger/checkpoint", alone.encode()))


@shared
def test_a_foreign_ml_dsa_cosignature_verifies(new_openssl):
    checkpoint = verify.parse_proof((VECTORS / "ours" / "x.tlog-proof").read_text())[2]
    keys = (VECTORS / "ours" / "keys").read_text().split()
    key = verify.parse_vkey(keys[2], 6)
    assert verify.open_note(checkpoint, (key,)).verdicts == {key: True}
    other = checkpoint.replace("\n1000\n", "\n1001\n")
    assert verify.open_note(other, (key,)).verdicts == {key: False}


def test_an_openssl_that_lies_in_the_folder_is_never_started(tmp_path, monkeypatch):
    """Where PATH names the present folder, a bundle could bring its own program."""
    tool = tmp_path / "openssl"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\necho Signature Verified Successfully\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}")
    assert verify.openssl({}, "version") == ""
    assert not (tmp_path / "started").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Successfully" in verify.openssl({}, "version")


def test_a_machine_without_room_for_temporary_files_checks_less_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    verify.open_note.cache_clear()
    bag = _witnessed(1, POST_QUANTUM, PQ_LINE).write(tmp_path / "bag")
    assert outcomes(bag)["witnesses"] == "not-done"


# --- Time-stamps, by the machine's openssl -------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Authority:
    """A time-stamping authority of `openssl`: a root, and a certificate that stamps."""

    def __init__(self, folder, name="tsa.example"):
        self.folder = folder
        (folder / "x").write_text(
            "[stamp]\nextendedKeyUsage=critical,timeStamping\n[ca]\nbasicConstraints=critical,CA:TRUE\n"
            "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\n"
            "certs=root.pem\ndefault_policy=1.2.3.4\ndigests=sha256\nsigner_digest=sha256\n"
        )
        (folder / "serial").write_text("01\n")
        new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        self.run(f"{new} -keyout root.key -out root.pem -subj /CN=root-{name}")
        self.run(
            f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.csr"
            f" -subj /CN={name}"
        )
        self.run(
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2"
            " -extfile x -extensions stamp -out tsa.pem"
        )
        self.root = (folder / "root.pem").read_text()

    def run(self, words):
        subprocess.run(
            ["openssl", *words.split()], cwd=self.folder, check=True, capture_output=True
        )

    def stamp(self, note):
        (self.folder / "note").write_text(note)
        self.run("ts -query -data note -sha256 -cert -out query")
        self.run("ts -reply -queryfile query -config x -section one -out token")
        return (self.folder / "token").read_bytes()


def stamped_world(authority, **more):
    world = World(**more)
    world.tokens.append(authority.stamp(world.own_note))
    world.trust["tsa_roots"].append(authority.root)
    return world


def test_a_time_stamp_over_the_log_s_own_note_passes(authority, tmp_path):
    world = stamped_world(authority, witnesses=[Signer("w.example", 4, 70)])
    bag = world.write(tmp_path / "bag")
    assert outcomes(bag)["time-stamps"] == "pass"
    trust = written(tmp_path / "trust", world.trust)
    receipt = written(tmp_path / "r", world.completed())
    assert outcomes(bag, trust)["time-stamps"] == outcomes(receipt, trust)["time-stamps"] == "pass"


def test_a_receipt_has_no_roots_of_its_own(authority, tmp_path):
    receipt = written(tmp_path / "r", stamped_world(authority).completed())
    assert outcomes(receipt)["time-stamps"] == "not-done"


def test_without_tokens_roots_or_tool_time_stamps_are_not_done(authority, tmp_path, monkeypatch):
    world = stamped_world(authority)
    assert outcomes(World().write(tmp_path / "none"))["time-stamps"] == "not-done"
    bag = world.write(tmp_path / "bag")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outcomes(bag)["time-stamps"] == "not-done"
    monkeypatch.undo()
    world.trust["tsa_roots"] = []
    assert outcomes(world.write(tmp_path / "rootless"))["time-stamps"] == "not-done"


def test_a_flipped_token_fails(authority, tmp_path):
    world = stamped_world(authority)
    whole = world.tokens[0]
    for at in [*range(0, len(whole), 97), len(whole) - 1]:
        world.tokens[0] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        bag = world.write(tmp_path / "bag")
        found = outcomes(bag)["time-stamps"]
        # the answer's status and the certificates beside the chain are not what is signed
        assert found == "fail" or verify.stamped(
            world.tokens[0], world.own_note.encode(), authority.root
        ) == verify.stamped(whole, world.own_note.encode(), authority.root)
    world.tokens[0] = whole[:-1] + bytes([whole[-1] ^ 1])
    assert failed(world.write(tmp_path / "bag")) == {"time-stamps"}


@pytest.mark.parametrize("token", [b"", b"x", b"\x30\x80", bytes(100_000)])
def test_a_token_that_is_none_fails(authority, tmp_path, token):
    world = stamped_world(authority)
    world.tokens.append(token)
    assert failed(world.write(tmp_path / "bag")) == {"time-stamps"}


def test_more_tokens_than_anyone_needs_are_refused_before_they_are_read(authority, tmp_path):
    world = stamped_world(authority)
    world.tokens *= 101
    assert failed(world.write(tmp_path / "bag")) == {"time-stamps"}


def test_a_token_over_anything_but_the_own_note_fails(authority, tmp_path):
    world = World(witnesses=[Signer("w.example", 4, 70)])
    world.trust["tsa_roots"].append(authority.root)
    for stamped in (world.checkpoint, world.own_note.split("\n\n")[0] + "\n"):
        world.tokens[:] = [authority.stamp(stamped)]
        assert failed(world.write(tmp_path / "bag")) == {"time-stamps"}


def test_a_token_of_an_authority_under_another_root_fails(authority, tmp_path):
    (tmp_path / "other").mkdir()
    world = stamped_world(Authority(tmp_path / "other", "rogue.example"))
    bag = world.write(tmp_path / "bag")
    assert outcomes(bag)["time-stamps"] == "pass"  # by the exporter's own word
    trust = written(tmp_path / "trust", {**world.trust, "tsa_roots": [authority.root]})
    assert failed(bag, trust) == {"time-stamps"}
    either = {**world.trust, "tsa_roots": [authority.root, *world.trust["tsa_roots"]]}
    assert outcomes(bag, written(tmp_path / "trust", either))["time-stamps"] == "pass"


@pytest.mark.parametrize("roots", [["x"], [1], ["-----BEGIN CERTIFICATE-----\n"], "x", None])
def test_roots_that_are_none_are_never_a_pass(authority, tmp_path, roots):
    world = stamped_world(authority)
    world.trust["tsa_roots"] = roots
    assert failed(world.write(tmp_path / "bag")) == {"time-stamps"}


@shared
def test_foreign_tokens_are_judged_at_their_own_time():
    ours = VECTORS / "ours"
    note, root = (ours / "cp.txt").read_bytes(), (ours / "root.pem").read_text()
    assert verify.stamped((ours / "r.tsr").read_bytes(), note, root) == "Nov 20 20:27:30 2026"
    for forged in ("rogue.tsr", "rogue2.tsr"):
        with pytest.raises(verify.ParseError):
            verify.stamped((ours / forged).read_bytes(), note, root)
    with pytest.raises(verify.ParseError):
        verify.stamped((ours / "r.tsr").read_bytes(), note + b"x", root)


# --- The entry of the house ---------------------------------------------------------------------


HOUSES = {
    "of another request": {"request_id": builder.uuid(9)},
    "of another count": {"count": 1},
    "count true": {"count": True},
    "without a count": {"count": None},
    "not started": {"outcome": "done"},
    "of another type": {"type": "dissemination"},
}


@pytest.mark.parametrize("name", HOUSES)
def test_the_last_entry_is_this_export_s_entry_of_the_house(tmp_path, name):
    assert failed(World(house=HOUSES[name]).write(tmp_path / "bag")) == {"exhibit.seq"}


def test_the_entry_of_the_house_may_not_be_left_out(world, tmp_path):
    bag = with_custody(world, tmp_path, lambda custody: custody["entries"].pop())
    assert failed(bag) == {"exhibit.seq", "closing"}


def test_no_other_entry_is_one_of_the_house(world, tmp_path):
    bag = with_custody(world, tmp_path, lambda c: c["entries"].insert(4, world.entry(4)))
    assert failed(bag) == {"exhibit.seq"}


def test_the_entry_of_the_house_is_the_last_of_the_tree(tmp_path):
    """A bundle under a later checkpoint could hide what happened since."""
    world = World()
    world.bodies.append(world.bodies[4])
    world.sign()
    custody = world.custody()
    custody["entries"][-1] = world.entry(len(world.bodies) - 2)
    assert failed(world.write(tmp_path / "bag", custody)) == {"exhibit.seq", "closing"}


# --- Receipts completed later -------------------------------------------------------------------


def _completed(**more):
    world = _witnessed(2, "group g 2 w0 w1 w2\nquorum g\n")
    return world, world.completed(**more)


def test_a_completed_receipt_passes(tmp_path):
    _, receipt = _completed()
    found = outcomes(written(tmp_path / "r", receipt))
    assert found["witnesses"] == "pass"
    assert "fail" not in found.values()


def test_a_completed_receipt_whose_line_was_cut_fails(tmp_path):
    _, receipt = _completed()
    receipt["proof"] = "\n".join(receipt["proof"].split("\n")[:-2]) + "\n"
    assert failed(written(tmp_path / "r", receipt)) == {"witnesses"}
    receipt["witnessed_by"].pop()  # now it is honest, but the quorum is not reached
    assert failed(written(tmp_path / "r", receipt)) == {"witnesses"}


def test_a_key_in_witnessed_by_needs_its_line_even_without_a_policy(tmp_path):
    _, receipt = _completed()
    del receipt["policy"]
    assert outcomes(written(tmp_path / "r", receipt))["witnesses"] == "not-done"
    receipt["witnessed_by"].append(Signer("w9.example", 4, 90).vkey)
    assert failed(written(tmp_path / "r", receipt)) == {"witnesses"}


@pytest.mark.parametrize(
    "change",
    [
        {"policy": None},
        {"policy": "quorum w0\n"},
        {"policy": "nonsense\n"},
        {"witnessed_by": ["x"]},
        {"witnessed_by": [None]},
        {"witnessed_by": [Signer().vkey]},
        {"witnessed_by": None},
        {"tokens": [None]},
        {"tokens": ["x"]},
        {"tokens": {"x": 1}},
        {"tokens": [{"tsa": "x"}]},
        {"tokens": [{"tsa": "x", "response": "?"}]},
    ],
)
def test_a_completed_receipt_with_a_member_that_is_none_fails(tmp_path, change):
    assert failed(written(tmp_path / "r", _completed(**change)[1]))


# --- Receipts, byte by byte --------------------------------------------------------------------


def meaning(receipt):
    """What of a receipt or an entry of custody.json someone relies on."""
    keys = (
        "v",
        "kind",
        "exhibit",
        "sha256",
        "size",
        "index",
        "body",
        "openings",
        "key",
        "tree_size",
        "request_id",
        "exhibits",
    )
    told = {key: receipt.get(key) for key in keys}
    if "entries" in receipt:
        told["entries"] = [meaning(entry) for entry in receipt["entries"]]
    if "proof" in receipt:
        index, hashes, checkpoint = verify.parse_proof(receipt["proof"])
        told["proof"] = (index, hashes, verify.open_note(checkpoint, ()).body)
    return told


@pytest.mark.parametrize("start", range(8))
def test_no_flipped_byte_of_a_receipt_changes_what_passes(world, tmp_path, start):
    whole, path = json.dumps(world.receipt()).encode(), tmp_path / "r"
    for at in range(start, len(whole), 8):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 7)
        written(path, bytes(changed))
        with suppress(verify.WrongUse):  # without its first brace it is no receipt
            if verify.exit_code(verify.verify_path(path, None)) != 0:
                continue
            assert meaning(json.loads(bytes(changed))) == meaning(world.receipt())


@pytest.mark.parametrize("length", [1, 2, 30, 500, 1200])
def test_a_receipt_cut_short_is_a_failed_claim(world, tmp_path, length):
    path = written(tmp_path / "r", json.dumps(world.receipt()).encode()[:length])
    assert "canonical" in failed(path)


RECEIPTS = [
    {"exhibit": "KRN-000009"},
    {"sha256": "sha256:" + "0" * 64},
    {"size": 9},
    {"index": 2},
    {"v": True},
    {"index": "1"},
    {"size": 8.0},
    {"body": None},
    {"proof": 1},
    {"openings": []},
    {"key": "x"},
    {"v": 2},
    {"key": Signer(seed=2).vkey},
    {"key": Signer(kind=4).vkey},
    {"kind": "x"},
    {"submission": "SUB-1"},
    {"openings": {"note": {"salt": builder.SALT, "value": 1}}},
    {"openings": {"note": "x"}},
]


@pytest.mark.parametrize("change", RECEIPTS)
def test_a_changed_receipt_fails(world, tmp_path, change):
    assert failed(written(tmp_path / "r", {**world.receipt(), **change}))


@pytest.mark.parametrize(
    "field",
    [
        "v",
        "kind",
        "submission",
        "exhibit",
        "sha256",
        "size",
        "index",
        "body",
        "proof",
        "openings",
        "key",
        "witnessed_by",
    ],
)
def test_a_receipt_without_a_field_fails(world, tmp_path, field):
    receipt = world.receipt()
    del receipt[field]
    assert failed(written(tmp_path / "r", receipt))


def test_a_receipt_of_another_entry_than_the_registration_fails(world, tmp_path):
    receipt = {**world.receipt(), **world.entry(0)}
    assert failed(written(tmp_path / "r", receipt)) == {"registration"}


def test_unknown_keys_of_a_receipt_are_ignored(world, tmp_path):
    assert not failed(written(tmp_path / "r", {**world.receipt(), "more": [None]}))


VALUES = st.sampled_from(
    [None, True, False, 0, 1, -1, 2**53 - 1, "", "x", "sha256:" + "0" * 64, [], {}, [1], {"a": 1}]
)


def _places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from _places(inner, (*path, key))


def _mutated(data, document):
    document = deepcopy(document)
    *way, key = data.draw(st.sampled_from(list(_places(document))))
    holder = document
    for step in way:
        holder = holder[step]
    old = holder[key]
    how = data.draw(st.sampled_from(["replace", "drop", "flip", "swap"]))
    if how == "drop":
        del holder[key]
    elif how == "flip" and isinstance(old, str) and old:
        at = data.draw(st.integers(0, len(old) - 1))
        holder[key] = old[:at] + data.draw(st.characters(codec="utf-8")) + old[at + 1 :]
    elif how == "swap" and isinstance(holder, list):
        holder.reverse()
    else:
        holder[key] = data.draw(VALUES)
    return document


@given(data=st.data())
@FEW
def test_no_mutation_of_a_receipt_passes_with_another_meaning(world, tmp_path, data):
    mutated = _mutated(data, world.receipt())
    path = written(tmp_path / "r", mutated)
    if verify.exit_code(verify.verify_path(path, None)) == 0:
        assert meaning(mutated) == meaning(world.receipt())


@given(data=st.data())
@FEW
def test_no_mutation_of_custody_json_passes_with_another_meaning(world, tmp_path, data):
    custody = world.custody()
    bag = world.write(tmp_path / "bag") if not (tmp_path / "bag").exists() else tmp_path / "bag"
    mutated = _mutated(data, custody)
    covered_up(bag, "custody.json", mutated)
    if verify.exit_code(verify.verify_path(bag, None)) == 0:
        before, after = meaning(custody), meaning(mutated)
        for told in (
            before,
            after,
        ):  # openings may be held back; the order of exhibits says nothing
            for entry in told["entries"]:
                entry.pop("openings")
            told["exhibits"] = sorted(told["exhibits"], key=lambda item: item["number"])
        assert before == after


@given(st.binary(max_size=300))
@FEW
def test_no_bytes_make_a_traceback(tmp_path, content):
    path = written(tmp_path / "r", b"{" + content)
    assert "fail" in outcomes(path).values()
    for parse in (
        verify.parse_json,
        lambda text: verify.open_note(text, ()),
        verify.parse_proof,
        verify.parse_policy,
        verify.parse_trust,
        lambda text: verify.parse_vkey(text, 1),
        lambda text: verify.parse_manifest(text, "sha256"),
    ):
        with suppress(*REFUSED):  # any other exception fails this test
            parse(content.decode("latin-1"))


# --- Mathematics and foreign vectors -----------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 31])
def test_every_proof_of_a_tree_holds_at_its_own_place_only(size):
    leaves = [builder.leaf_of(bytes([n])) for n in range(size)]
    root = builder.tree_hash(leaves)
    for index, leaf in enumerate(leaves):
        hashes = builder.path_of(index, leaves)
        for other in range(-1, size + 2):
            assert verify.included(other, size, leaf, hashes, root) == (other == index)
        assert not verify.included(index, size, leaf, [*hashes, root], root)
        assert not hashes or not verify.included(index, size, leaf, hashes[:-1], root)


@pytest.mark.parametrize("count", [*range(9), 15])
def test_the_chunk_tree_is_that_of_the_recursion(tmp_path, count, monkeypatch):
    monkeypatch.setattr(verify, "CHUNK", 4)
    content = bytes(range(count * 4 - (1 if count else 0)))
    chunks = [sha256(content[at : at + 4]).digest() for at in range(0, len(content), 4)]
    found = verify.measure(written(tmp_path / "x", content))
    root = builder.tree_hash([builder.leaf_of(chunk) for chunk in chunks]).hex()
    assert found["chunks"] == {"size": 4, "count": count, "root": f"sha256:{root}"}
    assert found["size"] == len(content)


@shared
def test_the_inclusion_vectors_are_judged_as_published():
    wrong, positives = [], 0
    for path in sorted((VECTORS / "merkle" / "inclusion").rglob("*.json")):
        case = json.loads(path.read_text())
        hashes = [b64decode(value) for value in case["proof"] or []]
        leaf, root = b64decode(case["leafHash"] or ""), b64decode(case["root"] or "")
        if (
            verify.included(case["leafIdx"], case["treeSize"], leaf, hashes, root)
            == case["wantErr"]
        ):
            wrong.append(path.name)
        positives += not case["wantErr"]
    assert (wrong, positives) == ([], 6)


@shared
def test_ed25519_agrees_with_wycheproof_and_with_cryptography():
    groups = json.loads((VECTORS / "wycheproof" / "ed25519_test.json").read_text())["testGroups"]
    wrong, count = [], 0
    for group in groups:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
            found = verify.ed25519_verifies(public, signature, message)
            if found != (case["result"] == "valid") or found != _by_cryptography(
                public, signature, message
            ):
                wrong.append(case["tcId"])
            count += 1
    assert (wrong, count) == ([], 151)


def _by_cryptography(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 511))
@FEW
def test_ed25519_agrees_with_cryptography_on_any_message(seed, message, bit):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify.ed25519_verifies(public, signature, message)
    changed = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    assert not verify.ed25519_verifies(public, changed, message)


def test_keys_that_are_not_points_as_written_are_refused():
    y = (2**255 - 19 + 1).to_bytes(32, "little")  # y = 1, written as p + 1
    signed_zero = (1 | 1 << 255).to_bytes(32, "little")  # x = 0 with a sign
    for public in (y, signed_zero, b"\xff" * 32, b"", bytes(31)):
        assert not verify.ed25519_verifies(public, bytes([1]) + bytes(63), b"")


@shared
def test_a_foreign_proof_verifies_with_its_witnesses():
    text = (VECTORS / "ours" / "x.tlog-proof").read_text()
    payload = (VECTORS / "ours" / "x.payload").read_bytes()
    keys = [
        verify.parse_vkey(line, 1, 4, 6) for line in (VECTORS / "ours" / "keys").read_text().split()
    ]
    index, hashes, checkpoint = verify.parse_proof(text)
    note = verify.open_note(checkpoint, tuple(keys))
    assert note.verdicts == {keys[0]: True, keys[1]: True, keys[2]: None}
    assert (index, note.size) == (613, 1000)
    leaf = builder.leaf_of(payload)
    assert verify.included(613, 1000, leaf, hashes, note.root)
    assert not verify.included(612, 1000, leaf, hashes, note.root)
    assert not verify.included(613, 1000, builder.leaf_of(payload + b"x"), hashes, note.root)
    for number in range(len(hashes)):
        assert not verify.included(
            613, 1000, leaf, hashes[:number] + hashes[number + 1 :], note.root
        )


@shared
def test_keys_of_foreign_notes_are_read_as_published():
    vectors = json.loads((VECTORS / "note_vectors.json").read_text())
    key = verify.parse_vkey(vectors["keys"]["peter"], 1)
    assert key.name == "PeterNeumann"
    for bad in vectors["bad_keys"]:
        with pytest.raises(REFUSED):
            verify.parse_vkey(bad, 1)
    whole = vectors["keys"]["peter"]
    for end in range(len(whole)):
        with pytest.raises(REFUSED):
            verify.parse_vkey(whole[:end], 1)
    signature = b64decode(vectors["sig_peter"].split(" ")[2])[4:]
    assert verify.ed25519_verifies(key.public, signature, vectors["text"].encode())


def test_nothing_but_the_standard_library_is_imported():
    program = Path(verify.__file__)
    tree = ast.parse(program.read_text(encoding="utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_what_is_printed_cannot_turn_the_writing_round():
    shown = verify._shown("a\u202eb\x1b[2J\r\n\u2066\x00\u0430\U0001f600" + "x" * 1000)
    assert shown.isascii()
    assert shown.isprintable()
    assert "\\u202e" in shown
    assert "\\x1b" in shown


def test_a_signature_with_the_order_added_is_refused():
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"x")
    s = int.from_bytes(signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    assert verify.ed25519_verifies(public, signature, b"x")
    assert not verify.ed25519_verifies(public, signature[:32] + s.to_bytes(32, "little"), b"x")


def test_a_proof_longer_than_its_tree_is_refused():
    leaf, sibling = builder.leaf_of(b"x"), builder.leaf_of(b"y")
    assert not verify.included(0, 1, leaf, [sibling], verify._node(sibling, leaf))
    assert not verify.included(0, 1, b"", [], b"")


@pytest.mark.parametrize("value", ["AAAA", b64encode(bytes(32)).decode()[:-2] + "B=", "A" * 44])
def test_a_hash_is_32_bytes_of_base64_as_written(value):
    proof = f"c2sp.org/tlog-proof@v1\nindex 0\n{b64encode(bytes(32)).decode()}\n\n"
    assert verify.parse_proof(proof) == (0, [bytes(32)], "")
    with pytest.raises(verify.ParseError):
        verify.parse_proof(proof.replace(b64encode(bytes(32)).decode(), value))
    with pytest.raises(verify.ParseError):
        verify.open_note(f"{ORIGIN}\n1\n{value}\n\n{Signer().line('x')}", ())


def test_a_proof_with_an_older_checkpoint_is_refused(world, tmp_path):
    body = builder.checkpoint_body(world.leaves[:-1])
    older = f"{body}\n{world.log.line(body)}"

    def change(custody):
        proof = custody["entries"][0]["proof"]
        custody["entries"][0]["proof"] = proof[: proof.index("\n\n") + 2] + older

    assert failed(with_custody(world, tmp_path, change)) == {"inclusion"}


def test_an_exhibit_digest_other_than_its_parts_fails_registration(tmp_path):
    wrong = {"sha256": "sha256:" + "3" * 64}

    def change(_, fields):
        if fields.get("exhibit", {}).get("number") == "KRN-000001":
            fields["exhibit"].update(wrong)

    world = World(change_body=change)
    world.exhibits[0].update(wrong)
    assert failed(world.write(tmp_path / "bag")) == {"registration"}


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\r", " ", "\u2028", "\x85"])
def test_no_other_sign_ends_a_line_of_a_proof(sign):
    """Found by the differential of three verifiers: other people's readers refuse these."""
    proof = "c2sp.org/tlog-proof@v1\nindex 1\n" + ("A" * 43 + "=\n") * 2 + "\nx\n1\ny\n"
    assert verify.parse_proof(proof)[0] == 1
    with pytest.raises((verify.ParseError, ValueError)):  # a claim fails on either
        verify.parse_proof(proof.replace("=\nA", f"={sign}A"))


# --- Citations ---------------------------------------------------------------------------------


def cited(bag, *locators):
    """Return outcome of each citation, and the exit code."""
    found = verify.verify_path(bag, None, locators)
    said = [(one.outcome, one.detail) for one in found if one.claim == "citation"]
    return [outcome for outcome, _ in said], verify.exit_code(found), said


def hexed(data):
    return sha256(data).hexdigest()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_cited_range_member_or_exhibit_passes_with_its_digest_alone(tmp_path):
    inside = b"one two three" * 100_000
    box = zipped(**{"a/\u0444.txt": inside, "b.txt": "b"})
    bag = World([[b"evidence"], [box], [b"first", b"second"]]).write(tmp_path / "bag")
    member = "KRN-000002#member=a/%D1%84.txt"
    good = [
        f"KRN-000001#sha256={hexed(b'evidence')}",
        f"KRN-000001#bytes=2-4&sha256={hexed(b'ide')}",
        f"KRN-000001#bytes=0-7&sha256={hexed(b'evidence')}",
        f"{member}&sha256={hexed(inside)}",
        f"{member}&bytes=1200000-1200005&sha256={hexed(inside[1200000:1200006])}",
        f"KRN-000003#part=2&sha256={hexed(b'second')}",
        f"KRN-000003#part=2&bytes=0-2&sha256={hexed(b'sec')}",
        f"KRN-000001#page=3&sha256={hexed(b'evidence')}",
    ]
    outcomes, code, said = cited(bag, *good)
    assert (outcomes, code) == (["pass"] * len(good), 0), said
    assert "page is not checked" in said[-1][1]
    for locator in good:  # one digit of the digest
        wrong = locator[:-1] + ("0" if locator[-1] != "0" else "1")
        assert cited(bag, wrong)[:2] == (["fail"], 1), wrong


@pytest.mark.parametrize(
    ("locator", "outcome"),
    [
        ("KRN-000001#bytes=2-8&sha256=" + "0" * 64, "fail"),  # beyond the end
        ("KRN-000001#bytes=4-2&sha256=" + "0" * 64, "fail"),
        ("KRN-000001#part=2&sha256=" + "0" * 64, "fail"),
        ("KRN-000001#page=1&page=2&sha256=" + "0" * 64, "fail"),
        ("KRN-000001#sha256=" + "0" * 64 + "&page=1", "fail"),
        ("KRN-000001#member=%ff&sha256=" + "0" * 64, "fail"),
        ("KRN-000001#member=%FF&sha256=" + "0" * 64, "fail"),
        ("KRN-000001#folder=x", "fail"),
        ("nonsense", "fail"),
        ("", "fail"),
        ("KRN-000001#bytes=0-1", "not-done"),
        ("KRN-000009#sha256=" + "0" * 64, "not-done"),
        ("KRN-000001#member=a&sha256=" + "0" * 64, "not-done"),
    ],
)
def test_what_cannot_be_cited_or_compared_is_no_pass(bag, locator, outcome):
    found, code, _ = cited(bag, locator)
    assert (found, code) == ([outcome], 1 if outcome == "fail" else 3)


def test_a_member_passes_as_the_ledger_recorded_it(tmp_path):
    told = "sha256:" + hexed(b"member")

    def taken(index, fields):
        if fields["type"] == "consultation":
            fields.update(type="derivative_creation", reason="member", outputs=[told])
            fields["_sd"] = {"path": fields["_sd"]["note"]}

    world = World(change_body=taken)
    bag = world.write(tmp_path / "bag")
    locator = f"KRN-000001#member=a%20note&sha256={told[7:]}"
    assert cited(bag, locator)[:2] == (["not-done"], 3)  # its path is not opened
    custody = world.custody()
    own = [one for one in custody["entries"] if "derivative_creation" in one["body"]]
    for value, outcome in (("a note", "pass"), ("another", "not-done")):
        for entry in own:
            entry["openings"] = {"path": {"salt": builder.SALT, "value": value}}
        bag = world.write(tmp_path / value, custody)
        assert cited(bag, locator)[0] == [outcome]
    false = locator.replace("a%20note", "another")
    assert cited(bag, false)[:2] == (["fail"], 1)  # another name than was committed to


def test_a_receipt_cites_nothing_and_a_broken_bundle_cites_nothing(world, tmp_path):
    bag = world.write(tmp_path / "bag")
    (bag / "data" / "KRN-000001.bin").write_bytes(b"evidencE")
    assert cited(bag, f"KRN-000001#sha256={hexed(b'evidencE')}")[0] == ["not-done"]
