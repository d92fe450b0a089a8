"""Another repository's bundle: verified, its custody quoted, its conditions kept; or held whole."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from custody import verify
from ingest import bundle_files
from ingest.bundle_files import pack, unpack
from ingest.bundles import import_bundle
from ingest.errors import BadBundle, BundleHeld, SourceIncomplete
from ingest.quarantine import release
from repository import consents
from repository.approvals import mark
from repository.conditions import Marking
from repository.continuity import case_continuity
from repository.counterparts import counterparts, pin, unpin
from repository.errors import AccessDenied, AlreadyExists, BadRequest, UnknownCase
from repository.exhibits import find_exhibit
from repository.marking import carried, current, show_marking
from repository.models import Case
from repository.people import new_person
from repository.quoted import show_quoted
from repository.retrieve import retrieve
from tests.house import CODE, House, own_house

GIVEN = Marking(handling="H1", tlp="GREEN")  # on the exhibit; the case excludes a use


def me(house: House):
    return house.caller(house.custodian.name or "")


@pytest.fixture(scope="module")
def sender(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("sender")) as found:
        folder = tmp_path_factory.mktemp("files")
        for name, content in (("a.jpg", b"first"), ("b.bin", bytes(range(256)) * 5_000)):
            (folder / name).write_bytes(content)
        words = ["--case", CODE, "--no-extract", "--collected-by", "A. Field"]
        said = found.evidence("ingest", folder / "a.jpg", folder / "b.bin", *words)
        assert said.code == 0, said.err
        mark(found.repo, me(found), f"{CODE}-000002", GIVEN, motive="m")
        mark(found.repo, me(found), CODE, Marking(excluded_uses=("immigration",)), motive="m")
        yield found


@pytest.fixture(scope="module")
def original(sender, tmp_path_factory):
    place = tmp_path_factory.mktemp("original") / "bundle"
    words = ["--purpose", "sharing", "--out", place, "--assured", "immigration"]
    said = sender.evidence("export", "--case", CODE, f"{CODE}-000002", *words)
    assert said.code == 0, said.err
    return place


@pytest.fixture(scope="module")
def house(sender, tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("receiver")) as found:
        vkey = str(sender.repo.ledger.key)
        pin(found.repo, me(found), "Unit", vkey, motive="read out on the telephone")
        yield found


@pytest.fixture
def bundle(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def take(house: House, source, code: str = CODE, **more):
    return import_bundle(house.repo, me(house), code, source, purpose=None, **more).taken


OWN = (verify.TAGS, verify.CLOSING)  # what the tag manifest does not list


def listed_anew(bundle: Path) -> Path:
    """Write the manifests again, as whoever changed a file can."""
    for name, kind in verify.MANIFESTS.items():
        payload = name != verify.TAGS
        rows = []
        for file in sorted(bundle.rglob("*")):
            path = file.relative_to(bundle).as_posix()
            if file.is_file() and path.startswith("data/") == payload and path not in OWN:
                rows.append(f"{hashlib.new(kind, file.read_bytes()).hexdigest()}  {path}\n")
        (bundle / name).write_text("".join(rows))
    return bundle


def held(house: House, source, reason: str):
    """See that a bundle is held whole for a reason, and nothing of it registered or given out."""
    with house.repo.database.reading() as session:
        before = session.get_one(Case, house.case.id).exhibits
    with pytest.raises(BundleHeld) as found:
        take(house, source)
    assert found.value.facts["reason"] == reason, found.value
    with house.repo.database.reading() as session:
        assert session.get_one(Case, house.case.id).exhibits == before
    last = house.last("quarantine")
    assert (last["reason"], last["outcome"]) == (reason, "done")
    assert found.value.facts["quarantine"].startswith("QUA-")
    return found.value.facts


def test_an_import_quotes_custody_of_before_and_begins_its_own_with_the_receipt(
    house, sender, bundle, tmp_path
):
    [taken] = take(house, bundle)
    number = taken.outcome.number
    assert (taken.their_number, taken.outcome.status) == (f"{CODE}-000002", "registered")
    repo = house.repo
    with repo.database.reading() as session:
        exhibit = find_exhibit(session, number)
    own = [one.fields for one in repo.ledger.history(exhibit.id)]
    assert [one["type"] for one in own][:4] == [
        "receipt", "message_digest_calculation", "registration", "signature_validation",
    ]  # fmt: skip
    assert own[1]["outcome"] == "pass"
    claims = own[3]["instrument"]["parameters"]
    assert {claims[name] for name in (*verify.REQUIRED, "registration", "key-trusted")} == {"pass"}
    told = show_quoted(repo, me(house), number)
    document = json.loads((bundle / "custody.json").read_bytes())
    theirs = [e for e in document["entries"] if json.loads(e["body"]).get("exhibit")]
    assert told["entries"] == theirs
    assert own[3]["count"] == len(theirs)
    reading = retrieve(repo, me(house), number, purpose="analysis", assured=("immigration",))
    assert b"".join(reading) == bytes(range(256)) * 5_000
    stated = dict(case_continuity(repo, me(house), CODE)[0])[number]
    assert (stated.quoted[0]["origin"], stated.gaps) == (sender.repo.ledger.origin, [])
    assert str(exhibit.path, "utf-8") == f"{CODE}-000002/b.bin"
    out = tmp_path / "again"
    words = ["--purpose", "sharing", "--assured", "immigration", "--out", out]
    said = house.evidence("export", "--case", CODE, number, *words)
    assert said.code == 0, said.err
    checked = subprocess.run(
        [sys.executable, "-I", out / "verify.py", out], capture_output=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert f"{len(theirs)} entries quoted, as signed by {sender.repo.ledger.origin}" in str(
        checked.stdout
    )
    quoted = out / "quoted" / f"{number}.json"
    quoted.write_text(quoted.read_text().replace("A. Field", "B. Other"))
    listed_anew(out)
    found = {one.claim: one.outcome for one in verify.verify_path(out, None)}
    assert (found["quoted"], found["bag"]) == ("fail", "pass")
    shown = house.evidence("show", number, "--custody")
    assert [("quoted" in one) for one in shown.lines] == [True] * len(theirs) + [False] * (
        len(shown.lines) - len(theirs)
    )


def test_the_same_bundle_again_is_one_result(house, bundle):
    [first] = take(house, bundle)
    size = house.repo.ledger.size()
    [again] = take(house, bundle)
    assert (again.outcome.number, again.outcome.again) == (first.outcome.number, True)
    assert house.repo.ledger.size() == size
    tar = bundle.with_suffix(".tar")
    with tar.open("wb") as out:
        out.writelines(pack(bundle))
    assert take(house, tar)[0].outcome.number == first.outcome.number
    with tar.open("rb") as stream:
        same = take(house, stream, size=tar.stat().st_size)
    assert same[0].outcome.number == first.outcome.number
    assert list((house.data / "work").glob("bundle-*")) == []


@pytest.fixture(scope="module")
def volumes(sender, tmp_path_factory):
    """A bundle in two volumes, and one by reference of the same exhibits."""
    place = tmp_path_factory.mktemp("volumes")
    words = ["export", "--case", CODE, "--purpose", "sharing", "--assured", "immigration"]
    words += ["--twins", "none"]
    for name, spread in (
        ("bundle", ["--volume-size", "1280000"]),
        ("other", ["--volume-size", "1280000"]),
        ("far", ["--by-reference"]),
    ):
        said = sender.evidence(*words, "--out", place / name, *spread)
        assert said.code == 0, said.err
    return place


def test_volumes_come_one_by_one_in_any_order_and_each_twice(volumes, house):
    first, second = (volumes / "bundle" / f"volume-{n}" for n in (1, 2))
    case = ["--case", CODE]
    said = house.evidence("import", second, *case)
    assert said.code == 0, said.err
    later, told = said.lines
    assert (later["from"], later["status"]) == (f"{CODE}-000002", "registered")
    assert (told["number"], told["volumes"], told["missing"]) == (2, 2, [1])
    tar = volumes / "download.tar"  # as a download over HTTP has it: in folders of its name
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as out:
        for file in sorted(one for one in first.rglob("*") if one.is_file()):
            out.add(file, f"EXP-1/volume-1/{file.relative_to(first)}")
    said = house.evidence("import", tar, *case)
    assert said.code == 0, said.err
    early, told = said.lines
    assert (early["from"], told["missing"]) == (f"{CODE}-000001", [])
    size = house.repo.ledger.size()
    said = house.evidence("import", volumes / "bundle", *case)  # the folder that has both
    assert said.code == 0, said.err
    assert [one["exhibit"] for one in said.lines[:2]] == [early["exhibit"], later["exhibit"]]
    assert house.repo.ledger.size() == size
    for one in (early, later):
        quoted = show_quoted(house.repo, me(house), one["exhibit"])
        types = [json.loads(entry["body"])["type"] for entry in quoted["entries"]]
        assert types[:2] == ["collection", "receipt"]
        assert "dissemination" in types


def test_a_volume_of_another_bundle_is_refused_in_one_line(volumes, house):
    before = house.repo.ledger.size()
    pair = (volumes / "bundle" / "volume-1", volumes / "other" / "volume-2")
    said = house.evidence("import", *pair, "--case", CODE)
    assert said.code == 1
    assert "is a volume of another bundle than" in said.err
    assert house.repo.ledger.size() == before


def test_a_bundle_by_reference_is_taken_in_from_where_its_exhibits_are(volumes, house, tmp_path):
    words = ["import", volumes / "far", "--case", CODE]
    said = house.evidence(*words)
    assert said.code == 1
    assert "--payload DIR" in said.err
    said = house.evidence(*words, "--payload", volumes / "bundle" / "volume-1")
    assert f"{CODE}-000002 are not there" in said.err
    said = house.evidence(*words, "--payload", volumes / "bundle")
    assert said.code == 0, said.err
    assert [one["status"] for one in said.lines] == ["registered"] * 2


def test_conditions_hold_here_from_the_first_moment(house, bundle):
    [taken] = take(house, bundle)
    marking = current(house.repo, taken.outcome.exhibit_id)
    assert marking == Marking(handling="H1", tlp="GREEN", excluded_uses=("immigration",))
    with pytest.raises(AccessDenied, match="excluded-use"):
        retrieve(house.repo, me(house), taken.outcome.number, purpose="immigration")
    words = ["--case", CODE, taken.outcome.number, "--out", bundle / "x", "--purpose", "court"]
    said = house.evidence("export", *words, "--assured", "immigration")
    assert (said.code, "handling-h1" in said.err) == (4, True)


def agreed(house: House, number: str, recipient: str, owner: str) -> list[str]:
    """Have somebody of an owner agree; return whose consent is asked."""
    rows = consents.ask(house.repo, me(house), [number], recipient=recipient, motive="trial")
    head = new_person(
        house.repo, house.custodian, name=f"of {owner}", role="submitter", organisation=owner
    )
    [row] = [one for one in rows if one.owner == owner]
    consents.give(house.repo, house.caller(head.name), row.id, motive="agreed")
    return [one.owner for one in rows]


def test_all_owners_of_what_came_from_elsewhere_answer_here(sender, house, tmp_path):
    (tmp_path / "c.bin").write_bytes(b"of two owners")
    words = ["--case", CODE, "--no-extract", "--owner", "Heir", "--consent", "partners"]
    [line] = sender.evidence("ingest", tmp_path / "c.bin", *words).lines
    mark(sender.repo, me(sender), line["exhibit"], Marking(owner="NCB"), motive="m")
    agreed(sender, line["exhibit"], "partners", "NCB")
    words = ["--purpose", "sharing", "--out", tmp_path / "bundle", "--assured", "immigration"]
    said = sender.evidence("export", "--case", CODE, line["exhibit"], *words)
    assert said.code == 0, said.err
    [taken] = take(house, tmp_path / "bundle")
    number = taken.outcome.number
    assert show_marking(house.repo, me(house), number).owner == "Heir; NCB"
    words = ["--purpose", "court", "--recipient", "Tribunal", "--assured", "immigration"]
    for owner in ("Heir", "NCB"):
        said = house.evidence("export", "--case", CODE, number, *words, "--out", tmp_path / "out")
        assert (said.code, "owner-consent" in said.err) == (4, True)
        assert set(agreed(house, number, "Tribunal", owner)) <= {"Heir", "NCB"}
    said = house.evidence("export", "--case", CODE, number, *words, "--out", tmp_path / "out")
    assert said.code == 0, said.err


def test_conditions_are_carried_in_their_words_or_restrict_untold():
    told = Marking(handling="H3", restriction="no copies", sealed=True, named=("p",), tlp="RED")
    codes = {
        "handling": "H3", "tlp": "RED", "sealed": True, "named": 1,
        "restriction": f"sha256:{hashlib.sha256(b'no copies').hexdigest()}",
    }  # fmt: skip
    found = carried(codes, {"marking": told.to_json()})
    assert found == Marking(handling="H3", restriction="no copies", sealed=True, tlp="RED")
    untold = carried(codes, {})
    assert (untold.handling, untold.sealed) == ("H3", True)
    assert codes["restriction"] in untold.restriction
    for bad_codes, bad_detail in (
        ({"handling": "H9"}, {}), ({"sealed": "yes"}, {}), ({"invented": True}, {}),
        (codes, {"marking": {**told.to_json(), "tlp": None}}),
    ):  # fmt: skip
        with pytest.raises((BadRequest, TypeError, ValueError)):
            carried(bad_codes, bad_detail)


def test_a_key_that_nobody_pinned_is_not_believed(sender, house, bundle, tmp_path):
    vkey = str(sender.repo.ledger.key)
    unpin(house.repo, me(house), vkey, motive="m")
    try:
        held(house, bundle, "key-unknown")
        again = held(house, bundle, "key-unknown")
        assert again["quarantine"] == held(house, bundle, "key-unknown")["quarantine"]
    finally:
        pin(house.repo, me(house), "Unit", vkey, motive="m")
    assert take(house, bundle)[0].outcome.status == "registered"
    with pytest.raises(AlreadyExists):
        pin(house.repo, me(house), "Unit", vkey, motive="m")
    for wrong in ("nonsense", str(house.repo.ledger.key), vkey[:-4] + "AAA="):
        with pytest.raises(BadRequest):
            pin(house.repo, me(house), "Unit", wrong, motive="m")
    with pytest.raises(AccessDenied):
        pin(house.repo, house.caller("analyst"), "Unit", vkey, motive="m")
    assert [one.vkey for one in counterparts(house.repo, me(house))] == [vkey]
    assert house.last("configuration_change")["key"] == {"vkey": vkey, "state": "added"}


def payload(bundle):
    file = bundle / "data" / f"{CODE}-000002.bin"
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)


def entry_gone(bundle):
    file = bundle / "custody.json"
    document = json.loads(file.read_bytes())
    del document["entries"][1]
    file.write_text(json.dumps(document))


def entry_edited(bundle):
    file = bundle / "custody.json"
    file.write_text(file.read_text().replace("A. Field", "B. Other"))


def other_root(bundle):
    file = bundle / "ledger" / "checkpoint"
    lines = file.read_text().split("\n")
    lines[2] = lines[2][:-4] + "AAA="
    file.write_text("\n".join(lines))


def strange_digest(bundle):
    file = bundle / "custody.json"
    file.write_text(file.read_text().replace('\\"sha512\\"', '\\"sha999\\"'))


def endless_numbers(bundle):
    (bundle / "custody.json").write_text('{"v":1,"tree_size":' + "9" * 400 + "}")


def deep(bundle):
    (bundle / "custody.json").write_text("[" * 100_000 + "]" * 100_000)


def no_checkpoint(bundle):
    (bundle / "ledger" / "checkpoint").unlink()


CHANGED = {
    payload: "bundle-registration", entry_gone: "bundle-exhibit-seq",
    entry_edited: "bundle-openings", other_root: "bundle-log-signature",
    strange_digest: "bundle-inclusion", endless_numbers: "bundle-canonical",
    deep: "bundle-canonical", no_checkpoint: "bundle-log-signature",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED, ids=lambda change: change.__name__)
def test_whatever_was_changed_is_held_even_with_its_manifests_written_anew(house, bundle, change):
    change(bundle)
    held(house, listed_anew(bundle), CHANGED[change])


def test_a_changed_file_without_its_manifest_is_held_and_the_bytes_are_kept(house, bundle):
    payload(bundle)
    facts = held(house, bundle, "bundle-digests")
    listed = house.evidence("quarantine", "list").lines
    assert facts["quarantine"] in [one["quarantine"] for one in listed]
    outcome = release(house.repo, me(house).actor(), facts["quarantine"], motive="to look at it")
    reading = retrieve(house.repo, me(house), outcome.number, purpose="analysis")
    name = f"data/{CODE}-000002.bin"
    with tarfile.open(fileobj=io.BytesIO(b"".join(reading))) as kept:
        assert kept.extractfile(name).read() == (bundle / name).read_bytes()


def test_a_link_out_of_the_bundle_is_not_followed(house, bundle, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"4711 secret 4711")
    (bundle / "data" / "link.bin").symlink_to(secret)
    facts = held(house, bundle, "bundle-bag")
    outcome = release(house.repo, me(house).actor(), facts["quarantine"], motive="m")
    reading = retrieve(house.repo, me(house), outcome.number, purpose="analysis")
    assert b"4711 secret" not in b"".join(reading)


def tar_of(*members, kind=tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            if kind != tarfile.REGTYPE:
                info.size, info.linkname = 0, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


HOSTILE = {
    "leads out": tar_of(("../outside", b"x")),
    "absolute": tar_of(("/tmp/outside", b"x")),
    "hidden": tar_of((".hidden", b"x")),
    "twice": tar_of(("bagit.txt", b"x"), ("bagit.txt", b"y")),
    "a file for a folder": tar_of(("data", b"x"), ("data/a", b"y")),
    "a link": tar_of(("data/a", b""), kind=tarfile.SYMTYPE),
    "a hard link": tar_of(("data/a", b""), kind=tarfile.LNKTYPE),
    "a device": tar_of(("data/a", b""), kind=tarfile.CHRTYPE),
    "truncated": tar_of(("data/a", b"x" * 5_000))[:3_000],
    "a size beyond everything": tar_of(("data/a", b"x"))[:124] + b"\x80" + b"\xff" * 11,
    "no tar": b"x" * 2_000,
    "nothing": b"",
    "no bundle in it": tar_of(("readme", b"x")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tars_write_nothing_outside_and_are_held(house, name):
    held(house, io.BytesIO(HOSTILE[name]), "bundle-unreadable")
    assert list(house.data.parent.rglob("outside")) == []
    assert not Path("/tmp/outside").exists()
    assert list((house.data / "work").glob("bundle-*")) == []


def test_too_many_files_or_too_much_beside_the_payload_end_the_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_files, "MAX_FILES", 3)
    many = tar_of(*((f"data/{n}", b"") for n in range(4)))
    with pytest.raises(BadBundle, match="at most 3 files"):
        unpack(io.BytesIO(many), tmp_path)
    monkeypatch.setattr(bundle_files, "MAX_TAGS", 10)
    (tmp_path / "b").mkdir()
    with pytest.raises(BadBundle):
        unpack(io.BytesIO(tar_of(("custody.json", b"x" * 11))), tmp_path / "b")
    assert not (tmp_path / "b" / "custody.json").exists()


def test_a_bomb_of_files_is_held_unread(house, bundle, monkeypatch):
    monkeypatch.setattr("ingest.bundle_files.MAX_FILES", 5)
    held(house, bundle, "bundle-limits")


def test_what_packs_unpacks_the_same(bundle, tmp_path):
    deep_name = bundle / ("d" * 90) / ("f" * 90)
    deep_name.parent.mkdir()
    deep_name.write_bytes(b"deep")
    out = tmp_path / "out"
    out.mkdir()
    packed = b"".join(pack(bundle))
    unpack(io.BytesIO(packed), out)
    for file in bundle.rglob("*"):
        if file.is_file():
            assert (out / file.relative_to(bundle)).read_bytes() == file.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert len(tar.getnames()) == len([f for f in bundle.rglob("*") if f.is_file()])


def test_a_stream_that_ends_early_leaves_nothing(house, bundle):
    size = house.repo.ledger.size()
    packed = b"".join(pack(bundle))
    with pytest.raises(SourceIncomplete):
        take(house, io.BytesIO(packed[:-600]), size=len(packed))
    assert house.repo.ledger.size() == size


def test_what_is_no_bundle_and_who_may_not_import(house, tmp_path, bundle):
    for nothing in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadRequest):
            take(house, nothing)
    with pytest.raises(UnknownCase):
        import_bundle(house.repo, house.caller("stranger"), CODE, bundle, purpose=None)
    with pytest.raises(AccessDenied):
        import_bundle(house.repo, house.caller("analyst"), CODE, bundle, purpose=None)


def test_the_command_line_says_by_its_exit_code(house, bundle):
    said = house.evidence("import", bundle, "--case", CODE, person="investigator")
    assert (said.code, said.lines[0]["from"]) == (0, f"{CODE}-000002")
    payload(bundle)
    assert house.evidence("import", bundle, "--case", CODE).code == 1
    assert (
        house.evidence("import", os.devnull, "--case", CODE).code == 2
    )  # there is nothing to check


def test_what_a_killed_import_left_unpacked_goes_with_the_next_one(house, bundle):
    work = house.data / "work"
    left, living, young = (work / f"bundle-{name}" for name in ("left", "living", "young"))
    long_ago = time.time() - 3_600
    for place in (left, living, young):
        place.mkdir()
        (place / "evidence").write_bytes(b"in the clear")
    for place in (left, living):
        os.utime(place, (long_ago, long_ago))
    lock = os.open(living, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        take(house, bundle)
        assert sorted(work.glob("bundle-*")) == [living, young]
    finally:
        os.close(lock)
        shutil.rmtree(living)
        shutil.rmtree(young)
