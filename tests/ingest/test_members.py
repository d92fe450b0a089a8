"""Members of containers as child exhibits: linked, digested, sealed; hostile ones refused."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from custody.verify import main
from ingest import members as module
from ingest.extractors import mbox, warc
from ingest.members import take_out
from ingest.sandbox import Sandbox
from repository.errors import AccessDenied, BadRequest, Erased, IntegrityError, UnknownExhibit
from repository.exhibits import find_exhibit, parts_of
from repository.exports.report_entries import ExhibitFacts, Row, by_exhibit
from repository.exports.report_identity import identities
from repository.models import ChildExhibit, Exhibit
from tests import make_archives, make_phones
from tests.ingest.ole_files import message
from tests.libarchive import needs_libarchive

LETTER = b"the letter that was in the archive\n" * 40


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(clock=lambda: datetime.now(UTC)) as one:
        yield one


def a_zip(*names, content=LETTER, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 5, 12, 0, 0)), content, method)
    return buffer.getvalue()


def a_tar(*infos):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content in infos:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def taken_in(house, tmp_path, content, name="box.zip", *, look=False):
    (tmp_path / name).write_bytes(content)
    more = () if look else ("--no-extract",)
    said = house.evidence("ingest", tmp_path / name, "--case", "KRN", *more, person="investigator")
    assert said.code == 0, said.err
    return said.lines[0]["exhibit"]


def with_settings(house, changes):
    return replace(house.repo, settings=house.repo.settings.model_copy(update=changes))


def taken(house, sandbox, number, *members, person="investigator", **options):
    return take_out(house.repo, sandbox, house.caller(person), number, members, **options)


def entries_of(house, number, kind):
    with house.repo.database.reading() as session:
        exhibit = find_exhibit(session, number)
    history = house.repo.ledger.history(exhibit.id)
    return [e for e in history if e.fields["type"] == kind]


def opened(house, entry):
    return {
        name: one.value
        for name, one in house.repo.ledger.openings([entry.index])[entry.index].items()
    }


def content_of(house, number, tmp_path):
    out = tmp_path / f"{number}.out"
    said = house.evidence(
        "retrieve", number, "--out", out, "--purpose", "analysis", person="analyst"
    )
    assert said.code == 0, said.err
    return out.read_bytes()


def test_a_member_becomes_an_exhibit_linked_from_both_sides(house, tmp_path):
    box = taken_in(house, tmp_path, a_zip("a/letter.txt", "a/other.txt"), look=True)
    listed = house.evidence("members", box, person="analyst")
    assert [one["member"] for one in listed.lines] == ["a/letter.txt", "a/other.txt"]
    said = house.evidence("derive", box, "--member", "a/letter.txt", person="investigator")
    assert said.code == 0, said.err
    [child] = said.lines
    assert child["status"] == "registered"
    assert child["sha256"] == f"sha256:{sha256(LETTER).hexdigest()}"
    assert content_of(house, child["exhibit"], tmp_path) == LETTER

    [above] = [
        e for e in entries_of(house, box, "derivative_creation") if e.fields["reason"] == "member"
    ]
    [below] = [
        e
        for e in entries_of(house, child["exhibit"], "derivative_creation")
        if e.fields["reason"] == "member"
    ]
    parent_digest = above.fields["exhibit"]["sha256"]
    for entry in (above, below):
        assert entry.fields["inputs"] == [parent_digest]
        assert child["sha256"] in entry.fields["outputs"]
        assert entry.fields["instrument"]["version"].startswith("member reader 3")
        assert "landlock" in entry.fields["instrument"]["parameters"]["isolation"]
        assert opened(house, entry)["path"] == "a/letter.txt"
    assert above.fields["request_id"] == below.fields["request_id"]
    assert opened(house, above)["detail"]["child"]["exhibit"] == child["exhibit"]
    assert opened(house, below)["detail"]["parent"]["exhibit"] == box
    [compared] = entries_of(house, child["exhibit"], "message_digest_calculation")
    assert compared.fields["outcome"] == "pass"  # with the digest that the listing had
    [looked] = entries_of(house, child["exhibit"], "metadata_extraction")
    assert looked.index > below.index

    shown = house.evidence("show", child["exhibit"], person="analyst").lines[0]
    assert shown["derived_from"] == {
        "exhibit": box, "member": "a/letter.txt", "sha256": parent_digest,
    }  # fmt: skip
    assert house.evidence("show", box, person="analyst").lines[0]["children"] == [
        {"exhibit": child["exhibit"], "member": "a/letter.txt", "sha256": child["sha256"]}
    ]
    assert [one["exhibit"] for one in house.evidence("members", box).lines] == [
        child["exhibit"], None,
    ]  # fmt: skip
    receipt = house.repo.receipts / f"{child['exhibit']}.json"
    assert house.evidence("receipt", "check", receipt).code == 0


def test_a_child_has_a_key_of_its_own_and_lies_encrypted(house, tmp_path, sandbox):
    box = taken_in(house, tmp_path, a_zip("letter.txt", method=zipfile.ZIP_STORED))
    [child] = taken(house, sandbox, box, "letter.txt")
    with house.repo.database.reading() as session:
        [part] = parts_of(session, [find_exhibit(session, child.exhibit).id])
    assert part.encryption
    assert LETTER[:30] not in house.stored_file(child.exhibit).read_bytes()
    assert not list((house.data / "work").iterdir())


def test_the_same_member_again_gives_the_same_child(house, tmp_path, sandbox):
    box = taken_in(house, tmp_path, a_zip("letter.txt", "b.txt"))
    [first] = taken(house, sandbox, box, "letter.txt")
    before = len(house.entries())
    again, twice, other = taken(house, sandbox, box, "letter.txt", "letter.txt", "b.txt")
    assert (again.status, again.exhibit) == ("known", first.exhibit)
    assert twice == again
    assert other.status == "registered"
    assert other.exhibit != first.exhibit
    assert len(house.entries()) > before
    with house.repo.database.reading() as session:
        assert session.query(ChildExhibit).count() == 2
        assert session.query(Exhibit).count() == 3


def test_two_at_once_make_one_child(house, tmp_path, sandbox, monkeypatch):
    """The second finds, under the lock of its registration, that another was quicker."""
    box = taken_in(house, tmp_path, a_zip("letter.txt"))
    [first] = taken(house, sandbox, box, "letter.txt")
    monkeypatch.setattr(module, "known_children", lambda *_: {})
    [second] = taken(house, sandbox, box, "letter.txt")
    assert (second.status, second.exhibit) == ("known", first.exhibit)
    assert house.last("upload_abandoned")["reason"] == "already-registered"
    with house.repo.database.reading() as session:
        assert session.query(Exhibit).count() == 2


def test_compressed_tars_and_containers_within_containers(house, tmp_path, sandbox):
    inner = a_zip("deep/letter.txt")
    tar = a_tar(("inner.zip", tarfile.REGTYPE, inner), ("plain.txt", tarfile.REGTYPE, LETTER))
    for name, data in (
        ("a.tar", tar),
        ("a.tar.gz", gzip.compress(tar)),
        ("a.tar.bz2", bz2.compress(tar)),
        ("a.tar.xz", lzma.compress(tar)),
    ):
        box = taken_in(house, tmp_path, data, name)
        asked = ("inner.zip!/deep/letter.txt", "plain.txt", "inner.zip")
        found = taken(house, sandbox, box, *asked)
        assert [one.status for one in found] == ["registered"] * 3, name
        digests = [f"sha256:{sha256(one).hexdigest()}" for one in (LETTER, LETTER, inner)]
        assert [one.sha256 for one in found] == digests


# Made by 7-Zip with a password: a.txt, its name in the clear.
LOCKED_7Z = bytes.fromhex(
    "377abcaf271c0004bfaf3c96200000000000000062000000000000008082300bcead005cd9df660ec8aa174a7ba0"
    "65b60d1f638e4f807a6fec1bf36ecc0c9f1c0104060001092000070b0100022406f1070112530fec2962867eba4b"
    "3d6eabc47e66309eb52121010001000c161200080a01235db4ab00000501190100110d0061002e00740078007400"
    "0000140a0100bfe5d813417edd01150601002080a4810000"
)


@needs_libarchive
@pytest.mark.parametrize("kind", ["7z", "rar", "tar.zst", "zip"])
def test_packed_members_are_taken_out_in_any_order_whatever_packed_them(
    house, tmp_path, sandbox, kind
):
    pairs = [("a/letter.txt", LETTER), ("b.bin", bytes(range(256)) * 50), ("c.txt", b"third")]
    content = {
        "7z": lambda: make_archives.sevenz(pairs),
        "rar": lambda: make_archives.rar5(pairs, packed=True),
        "tar.zst": lambda: make_archives.zstandard(make_archives.tarred(pairs)),
        "zip": lambda: make_archives.zipped([("in.7z", make_archives.sevenz(pairs))]),
    }[kind]()
    box = taken_in(house, tmp_path, content, f"a.{kind}", look=True)
    listed = {one["member"]: one["sha256"] for one in house.evidence("members", box).lines}
    above = "in.7z!/" if kind == "zip" else ""
    asked = [f"{above}{name}" for name, _ in reversed(pairs)]
    found = taken(house, sandbox, box, *asked)
    assert [one.status for one in found] == ["registered"] * 3, found
    assert [one.sha256 for one in found] == [listed[name] for name in asked]
    assert content_of(house, found[2].exhibit, tmp_path) == LETTER


@needs_libarchive
def test_packed_members_that_are_broken_locked_bombs_or_oddly_named_are_refused(
    house, tmp_path, sandbox
):
    for name, content, member, reason in (
        ("crc.7z", make_archives.sevenz([("a", LETTER)], crc=1), "a", "member-damaged"),
        ("crc.rar", make_archives.rar5([("a", LETTER)], packed=True, crc=1), "a", "member-damaged"),
        ("cut.7z", make_archives.sevenz([("a", LETTER)], size=-9), "a", "member-damaged"),
        ("bomb.7z", make_archives.sevenz([("a", bytes(64 << 20))]), "a", "member-limits"),
        ("bomb.zst", make_archives.zstandard(bytes(64 << 20)), None, "member-limits"),
        ("locked.7z", LOCKED_7Z, "a.txt", "member-encrypted"),
        ("odd.7z", make_archives.sevenz([("../a", LETTER)]), "../a", "member-name"),
        ("odd.rar", make_archives.rar5([("/a", LETTER)], packed=True), "/a", "member-name"),
    ):
        box = taken_in(house, tmp_path, content, name)
        [found] = taken(house, sandbox, box, member or "(one file without a name)")
        assert found.reason == reason, (name, found)
    assert not list((house.data / "work").iterdir())


def test_what_is_attached_to_a_mail_is_a_member(house, tmp_path, sandbox):
    mail = (
        b"From: a@example.org\r\nTo: b@example.org\r\nDate: Sun, 5 Jan 2020 15:04:00 +0200\r\n"
        b"Message-ID: <1@example.org>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        b"text\r\n--b\r\nContent-Disposition: attachment; filename=a.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b\r\nContent-Type: message/rfc822\r\n"
        b"\r\nSubject: within\r\nFrom: c@example.org\r\n\r\nx\r\n--b--\r\n"
    )
    number = taken_in(house, tmp_path, mail, "a.eml", look=True)
    listed = [one["member"] for one in house.evidence("members", number).lines]
    assert listed == ["a.bin", "within.eml"]
    attached, within = taken(house, sandbox, number, "a.bin", "within.eml")
    assert (attached.status, attached.size) == ("registered", 3)
    assert content_of(house, attached.exhibit, tmp_path) == b"\0\1\2"
    assert within.reason == "member-unreadable"  # it would be written anew, not as it was


def test_mails_records_and_what_outlook_attaches_are_members(house, tmp_path, sandbox):
    """In the locked process too, and each compared with what its listing says."""
    for name, content, count in (
        ("a.mbox", mbox.SAMPLE, 2),
        ("a.msg", message({0x37: "s"}, (), [("a.txt", b"x" * 5000)]), 1),
        ("a.warc.gz", gzip.compress(warc.SAMPLE), 3),  # its records, and what gzip holds
    ):
        number = taken_in(house, tmp_path, content, name, look=True)
        listed = house.evidence("members", number).lines
        found = taken(house, sandbox, number, *(one["member"] for one in listed))
        assert [one.status for one in found] == ["registered"] * count, found
        assert [one.sha256 for one in found] == [one["sha256"] for one in listed]


@pytest.mark.parametrize("packed", [True, False])
def test_what_an_android_backup_holds_is_taken_out(house, tmp_path, sandbox, packed):
    number = taken_in(house, tmp_path, make_phones.android_backup(packed=packed), "a.ab", look=True)
    listed = house.evidence("members", number).lines
    found = taken(house, sandbox, number, *(one["member"] for one in listed))
    assert len(found) > 1
    assert [one.sha256 for one in found] == [one["sha256"] for one in listed]


def test_an_encrypted_android_backup_says_so(house, tmp_path, sandbox):
    content = make_phones.android_backup(cipher="AES-256")
    number = taken_in(house, tmp_path, content, "a.ab")
    assert taken(house, sandbox, number, "x")[0].reason == "member-encrypted"


HOSTILE = {
    "../up.txt": ("member-name", "refused"),
    "/etc/cron.d/x": ("member-name", "refused"),
    "C:\\windows\\x": ("member-name", "refused"),
    "a\u202etxt.exe": ("member-name", "refused"),
}


def test_names_that_lead_elsewhere_are_refused_unless_they_are_asked_for_as_such(
    house, tmp_path, sandbox
):
    infos = [(name, tarfile.REGTYPE, LETTER) for name in HOSTILE]
    box = taken_in(house, tmp_path, a_tar(*infos), "odd.tar")
    shown = [name.replace("\u202e", "⟦U+202E⟧") for name in HOSTILE]
    found = taken(house, sandbox, box, *shown)
    assert [(one.status, one.reason) for one in found] == [("refused", "member-name")] * 4
    refusals = entries_of(house, box, "derivative_creation")
    assert [e.fields["outcome"] for e in refusals] == ["refused"] * 4
    assert [e.fields["reason"] for e in refusals] == ["member-name"] * 4
    assert [opened(house, e)["path"] for e in refusals] == shown
    assert "outputs" not in refusals[0].fields
    before = sorted(path.name for path in tmp_path.iterdir())
    children = taken(house, sandbox, box, *shown, odd_names=True)
    assert [one.status for one in children] == ["registered"] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == before  # data, never a path


def test_links_folders_devices_and_doubles_are_no_exhibits(house, tmp_path, sandbox):
    box = taken_in(
        house,
        tmp_path,
        a_tar(
            ("link", tarfile.SYMTYPE, b""),
            ("hard", tarfile.LNKTYPE, b""),
            ("folder/", tarfile.DIRTYPE, b""),
            ("pipe", tarfile.FIFOTYPE, b""),
            ("twice", tarfile.REGTYPE, b"one"),
            ("twice", tarfile.REGTYPE, b"two"),
            ("good", tarfile.REGTYPE, LETTER),
        ),
        "odd.tar",
    )
    asked = ("link", "hard", "folder/", "pipe", "twice", "nowhere", "good")
    found = taken(house, sandbox, box, *asked)
    assert [one.reason for one in found] == [
        "member-link", "member-link", "member-folder", "member-device", "member-duplicate",
        "member-unknown", None,
    ]  # fmt: skip
    outcomes = [e.fields["outcome"] for e in entries_of(house, box, "derivative_creation")]
    assert sorted(outcomes) == ["done", "not-done", *["refused"] * 5]


def encrypted(data):
    """Set the flag of encryption in both headers of a zip."""
    data = bytearray(data)
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(magic) + at
        data[place : place + 2] = struct.pack("<H", 1)
    return bytes(data)


def test_encrypted_damaged_and_overlapping_members_are_refused(house, tmp_path, sandbox):
    locked = taken_in(house, tmp_path, encrypted(a_zip("letter.txt")), "locked.zip")
    assert taken(house, sandbox, locked, "letter.txt")[0].reason == "member-encrypted"
    broken = bytearray(a_zip("letter.txt", method=zipfile.ZIP_STORED))
    broken[60] ^= 1
    damaged = taken_in(house, tmp_path, bytes(broken), "damaged.zip")
    [found] = taken(house, sandbox, damaged, "letter.txt")
    assert (found.reason, found.detail) == ("member-damaged", "its CRC does not hold")
    assert entries_of(house, damaged, "derivative_creation")[-1].fields["outcome"] == "error"
    shared = taken_in(house, tmp_path, make_archives.overlapping(), "overlapping.zip", look=True)
    first = house.evidence("members", shared).lines[0]["member"]
    assert taken(house, sandbox, shared, first)[0].reason == "member-overlapping"
    seven = taken_in(house, tmp_path, b"no container at all", "a.7z")
    assert taken(house, sandbox, seven, "x")[0].reason == "member-unknown"


def test_a_bomb_is_refused_and_leaves_nothing_behind(house, tmp_path, sandbox):
    bomb = taken_in(house, tmp_path, a_zip("zeros", content=bytes(64 << 20)), "bomb.zip")
    [found] = taken(house, sandbox, bomb, "zeros")
    assert (found.reason, found.exhibit) == ("member-limits", None)
    assert entries_of(house, bomb, "derivative_creation")[-1].fields["outcome"] == "error"
    assert not list((house.data / "work").iterdir())


def test_large_members_go_over_disk_and_too_large_ones_nowhere(
    house, tmp_path, sandbox, monkeypatch
):
    monkeypatch.setattr(module, "MEMORY_COPY", 10_000)
    house.repo = with_settings(house, {"member_bytes": 50_000})
    sizes = (9_000, 9_000, 40_000, 45_000, 60_000)
    infos = [(f"{n}", tarfile.REGTYPE, bytes([n]) * size) for n, size in enumerate(sizes)]
    box = taken_in(house, tmp_path, a_tar(*infos), "sizes.tar")
    found = taken(house, sandbox, box, *map(str, range(5)))
    assert [one.size for one in found] == [*sizes[:4], None]
    assert found[4].reason == "member-too-large"
    for n, one in enumerate(found[:4]):
        assert content_of(house, one.exhibit, tmp_path) == bytes([n]) * sizes[n]


def test_a_container_too_large_to_copy_is_read_where_it_lies(house, tmp_path, sandbox):
    house.repo = with_settings(house, {"extraction_copy_bytes": 10})
    box = taken_in(house, tmp_path, a_zip("letter.txt"))
    [child] = taken(house, sandbox, box, "letter.txt")
    assert content_of(house, child.exhibit, tmp_path) == LETTER


def test_access_is_decided_as_for_the_parent(house, tmp_path, sandbox):
    box = taken_in(house, tmp_path, a_zip("letter.txt"))
    with pytest.raises(AccessDenied):
        taken(house, sandbox, box, "letter.txt", person="prosecutor")
    with pytest.raises(UnknownExhibit):
        taken(house, sandbox, box, "letter.txt", person="stranger")
    assert house.last("access_denied")["attempted"] == "derivative_creation"
    [child] = taken(house, sandbox, box, "letter.txt", person="analyst")
    assert house.evidence("show", child.exhibit, person="stranger").code == 2
    with pytest.raises(BadRequest):
        taken(house, sandbox, box, "")


def test_nothing_is_taken_out_of_damaged_bytes(house, tmp_path, sandbox):
    box = taken_in(house, tmp_path, a_zip("letter.txt"))
    house.flip(box, 80)
    with pytest.raises(IntegrityError):
        taken(house, sandbox, box, "letter.txt")
    assert house.last("integrity_failure")["exhibit"]["number"] == box


def test_what_is_not_what_the_listing_says_waits_in_quarantine_with_its_origin(
    house, tmp_path, sandbox, monkeypatch
):
    box = taken_in(house, tmp_path, a_zip("letter.txt"))
    other = f"sha256:{sha256(b'other').hexdigest()}"
    monkeypatch.setattr(module, "_listed", lambda *_: {"letter.txt": other})
    [found] = taken(house, sandbox, box, "letter.txt")
    assert (found.status, found.reason) == ("quarantined", "digest-mismatch")
    said = house.evidence("quarantine", "release", found.quarantine, "--motive", "looked into it")
    assert said.code == 0, said.err
    child = said.lines[0]["exhibit"]
    assert house.evidence("show", child).lines[0]["derived_from"]["exhibit"] == box


def test_an_erased_parent_gives_no_members_and_its_children_stay(house, tmp_path, sandbox):
    box = taken_in(house, tmp_path, a_zip("letter.txt", "b.txt"))
    [child] = taken(house, sandbox, box, "letter.txt")
    (tmp_path / "order").write_bytes(b"order")
    house.evidence("person", "new", "second", "--role", "custodian")
    asked = house.evidence("erase", "request", box, "--order", tmp_path / "order", "--motive", "m")
    done = house.evidence(
        "erase", "approve", asked.lines[0]["erasure"], "--motive", "m", person="second"
    )
    assert done.code == 0, done.err
    with pytest.raises(Erased):
        taken(house, sandbox, box, "b.txt")
    assert content_of(house, child.exhibit, tmp_path) == LETTER


def test_the_custody_report_names_both_ends(house, tmp_path, sandbox):
    box = taken_in(house, tmp_path, a_zip("letter.txt"))
    [child] = taken(house, sandbox, box, "letter.txt")
    said = {}
    for number in (box, child.exhibit):
        with house.repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
        history = house.repo.ledger.history(exhibit.id)
        rows = [Row(e.index, e.fields, opened(house, e)) for e in history]
        blocks = identities(
            [ExhibitFacts(number, exhibit.id, ())],
            by_exhibit(rows),
            {},
            "2026-11-27T12:00:00.000Z",
            elsewhere=False,
        )
        facts = [fact for block in blocks if block["kind"] == "facts" for fact in block["facts"]]
        [said[number]] = [fact["values"] for fact in facts if fact["name"] == "related"]
    assert said[child.exhibit] == [f"taken out of {box}, where it is the member letter.txt"]
    assert said[box] == [f"{child.exhibit} was taken out of it, the member letter.txt"]
    bundle = tmp_path / "bundle"
    asked = ("export", "--case", "KRN", "--out", bundle, "--purpose", "court")
    assert house.evidence(*asked, person="prosecutor").code == 0
    assert main([str(bundle)]) == 0  # verify.py
