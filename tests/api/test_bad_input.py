"""Everything a person does wrong on the command line: one clear line, the right exit code."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import repository.initialise
from ingest.batch import Failure, ingest
from ingest.sources import Source, Thing, Watch, find, opened
from ingest.staging import intend, stage
from repository.errors import StoreFull
from repository.purpose import parse
from repository.submissions import Declaration, open_submission
from tests.house import CODE, run


def one_line(said):
    return len(said.err.strip().splitlines()) == 1 and "Traceback" not in said.err


def exhibits(house):
    return [line["exhibit"] for line in house.evidence("list", "--case", CODE).lines]


def test_a_missing_file_stops_everything_before_it_begins(house, files):
    said = house.evidence(
        "ingest", files / "a.txt", files / "nothing", "--case", CODE, "--no-extract"
    )
    assert (said.code, exhibits(house)) == (2, [])
    assert one_line(said)


def test_a_folder_where_a_file_is_meant(house, files, tmp_path):
    said = house.evidence("ingest", files, "--case", CODE, "--no-extract", "--sha256", "0" * 64)
    assert said.code == 2
    assert one_line(said)
    house.ingest(files / "a.txt")
    said = house.evidence("retrieve", "KRN-000001", "--out", tmp_path, "--purpose", "court")
    assert said.code == 2
    assert one_line(said)
    said = house.evidence("receipt", "check", tmp_path)
    assert said.code == 2
    assert one_line(said)


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(house, files, monkeypatch):
    """As it is for anybody but root, whom everything may be told."""
    access, there = os.access, os.open

    def is_it(path):
        return not isinstance(path, int) and os.fsencode(path).endswith(b"/a.txt")

    def closed(path, *flags, **more):
        if is_it(path):
            raise PermissionError(13, "Permission denied")
        return there(path, *flags, **more)

    monkeypatch.setattr(
        os, "access", lambda path, *a, **k: not is_it(path) and access(path, *a, **k)
    )
    monkeypatch.setattr(os, "open", closed)
    (files / "b.txt").write_text("second")
    words = [files / "a.txt", files / "b.txt", "--case", CODE, "--no-extract"]
    said = house.evidence("ingest", *words)
    assert said.code == 2, said.err
    assert [line["status"] for line in said.lines] == ["failed", "registered"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_named_and_the_rest_goes_on(house, files):
    (files / "sub").chmod(0)
    said = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    (files / "sub").chmod(0o700)
    assert said.code == 2
    assert sorted(line["status"] for line in said.lines) == ["failed", "registered", "registered"]


def test_a_folder_that_cannot_be_read_is_a_failure_among_successes(house, files, monkeypatch):
    """The same as any user, root included: the folder vanishes between listing and reading."""
    real = os.scandir

    def scandir(folder):
        if os.fsdecode(folder).endswith("sub"):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    with monkeypatch.context() as patch:
        patch.setattr("ingest.sources.os.scandir", scandir)
        said = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert said.code == 2
    failed = [line for line in said.lines if line["status"] == "failed"]
    assert [line["path"] for line in failed] == ["in/sub"]
    assert len(exhibits(house)) == 2


def test_an_empty_file_is_evidence(house, files, tmp_path):
    [line] = house.ingest(files / "empty")
    assert line["size"] == 0
    out = tmp_path / "out"
    said = house.evidence("retrieve", line["exhibit"], "--out", out, "--purpose", "court")
    assert said.code == 0, said.err
    assert out.read_bytes() == b""
    bundle = tmp_path / "bundle"
    assert house.evidence(
        "export", "--case", CODE, "--out", bundle, "--purpose", "court"
    ).code == 0  # fmt: skip
    assert house.evidence("verify", bundle).code == 0


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_not_registered(house, tmp_path, change):
    file = tmp_path / "log"
    file.write_bytes(b"x" * (9 << 20))
    actor, case = house.custodian, house.case
    submission, _ = open_submission(
        house.repo, actor, case, Declaration(parse("court")), sources=[b"log"]
    )
    source = next(iter(find([str(file)])))
    [[intent]] = intend(house.repo, submission, [[source.path]])

    class Changing:
        """The open file, changed by somebody else after the first block."""

        def __init__(self, inner):
            self.inner, self.done = inner, False

        def readinto(self, buffer):
            got = self.inner.readinto(buffer)
            if not self.done:
                self.done = True
                if change == "shrink":
                    os.truncate(file, 5 << 20)
                else:
                    with file.open("r+b") as other:
                        other.seek(0, os.SEEK_END if change == "grow" else os.SEEK_SET)
                        other.write(b"y")
            return got

    from ingest.errors import SourceChanged

    with opened(source) as inner, pytest.raises(SourceChanged, match="changed while it was read"):
        stage(
            house.repo, intent, Changing(inner), size=source.size, declared={},
            unchanged=Watch(source, inner),
        )  # fmt: skip
    assert house.repo.store.find("evidence", intent.row.key) is None
    assert exhibits(house) == []
    [again] = house.ingest(file)
    assert again["status"] == "registered"


def test_a_changing_file_does_not_stop_the_batch_and_exits_1(house, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "still").write_bytes(b"still")
    growing = folder / "growing"
    growing.write_bytes(b"x" * (64 << 20))
    stop = threading.Event()

    def grow():
        with growing.open("ab") as file:
            while not stop.is_set():
                file.write(b"y")
                file.flush()
                time.sleep(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    said = house.evidence("ingest", folder, "--case", CODE, "--no-extract")
    stop.set()
    writer.join()
    assert said.code == 1
    assert {line["path"]: line["status"] for line in said.lines} == {
        "folder/growing": "failed", "folder/still": "registered",
    }  # fmt: skip


def small_disk(tmp_path):
    """Return the start of a command that runs with `tmp_path/full` on a disk of 12 MiB."""
    mount = tmp_path / "full"
    mount.mkdir()
    for prefix in (["unshare", "-m"], ["unshare", "-rm"]):
        script = f'mount -t tmpfs -o size=12m none {mount} && exec "$@"'
        command = [*prefix, "sh", "-c", script, "sh"]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command, mount
    if os.environ.get("CI") == "true":
        pytest.fail("CI can mount a small disk")
    pytest.skip("a small disk cannot be mounted here")


def test_a_full_disk_is_one_line_exit_3_and_nothing_is_half_done(tmp_path):
    command, mount = small_disk(tmp_path)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(16 << 20))
    script = f"""
set -e
E="{sys.executable} -m api.cli --data {mount}/d --json"
$E init >/dev/null 2>&1
$E case new KRN --title T >/dev/null
echo small > {mount}/small
$E ingest {mount}/small --case KRN --no-extract > {tmp_path}/one 2>/dev/null
$E ingest {big} --case KRN --no-extract > {tmp_path}/out 2> {tmp_path}/err && exit 9
echo $? > {tmp_path}/code
ls -A {mount}/d/store/evidence/o/* | grep -c part > {tmp_path}/parts || true
$E verify > {tmp_path}/verify
"""
    done = subprocess.run([*command, "bash", "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "code").read_text().strip() == "3"
    said = (tmp_path / "err").read_text()
    assert "full" in said
    assert "Traceback" not in said
    assert (tmp_path / "parts").read_text().strip() == "0"


def test_a_full_store_does_not_register_and_the_next_run_goes_on(house, files):
    class Full:
        """The house's store on a day without room."""

        name = house.repo.store.name

        def __getattr__(self, name):
            return getattr(house.repo.store, name)

        def put(self, blocks, **_):
            for _ in blocks:
                raise StoreFull("the disk of the object store is full")

    import dataclasses

    full = dataclasses.replace(house.repo, store=Full())
    submission, _ = open_submission(
        house.repo, house.custodian, house.case, Declaration(parse("court")), sources=[b"x"]
    )
    things = [Thing((source,)) for source in find([str(files / "a.txt")])]
    with pytest.raises(StoreFull):
        list(ingest(full, house.custodian, house.case, submission, things))
    assert exhibits(house) == []
    said = house.evidence(
        "ingest", files / "a.txt", "--case", CODE, "--no-extract", "--submission", submission.id
    )
    assert (said.code, len(exhibits(house))) == (0, 1)


@pytest.mark.sqlite_only("it locks the file")
def test_a_database_locked_by_another_process(house, files):
    other = sqlite3.connect(house.data / "evidence.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    os.environ["EVIDENCE_DATABASE_TIMEOUT"] = "0.3"
    try:
        said = house.evidence("ingest", files / "a.txt", "--case", CODE, "--no-extract")
        read = house.evidence("list", "--case", CODE)
    finally:
        del os.environ["EVIDENCE_DATABASE_TIMEOUT"]
        other.execute("ROLLBACK")
        other.close()
    for answer in (said, read):
        assert answer.code == 3
        assert "locked by another process" in answer.err
        assert one_line(answer)
    assert exhibits(house) == []


def test_a_second_init_changes_nothing(house):
    before = sorted((p, p.stat().st_mtime_ns) for p in house.data.glob("*") if p.is_file())
    said = house.evidence("init")
    assert said.code == 2
    assert one_line(said)
    assert sorted((p, p.stat().st_mtime_ns) for p in house.data.glob("*") if p.is_file()) == before


@pytest.mark.sqlite_only("a database that is named is not in the folder")
def test_init_fills_a_folder_that_is_there_and_writes_nothing_beside_it(tmp_path):
    """As an account may that owns a folder below /var/lib, or a disk that is mounted there."""
    place = tmp_path / "theirs" / "data"
    place.mkdir(parents=True)
    (place / ".init-99").mkdir()  # a run that was killed
    before, around = place.stat().st_ino, (tmp_path / "theirs").stat().st_mtime_ns
    assert run("--data", place, "init").code == 0
    assert place.stat().st_ino == before
    assert (tmp_path / "theirs").stat().st_mtime_ns == around
    assert "none has worked here yet" in run("--data", place, "status").out  # it is whole


@pytest.mark.sqlite_only("a database that is named is not in the folder")
def test_of_two_inits_at_once_the_second_changes_nothing(tmp_path, monkeypatch):
    place, build = tmp_path / "data", repository.initialise._build
    place.mkdir()

    def built_meanwhile(settings, origin):
        build(settings, origin)
        other = [sys.executable, "-m", "api.cli", "--data", place, "init"]
        assert subprocess.run(other, capture_output=True, check=False).returncode == 0
        kept.update((one, one.read_bytes()) for one in place.glob("[!.]*/*.*") if one.is_file())

    kept: dict[Path, bytes] = {}
    monkeypatch.setattr(repository.initialise, "_build", built_meanwhile)
    said = run("--data", place, "init")
    assert said.code != 0
    assert one_line(said)
    assert kept
    assert all(one.read_bytes() == data for one, data in kept.items())


def test_no_repository_here(tmp_path):
    said = run("--data", tmp_path / "none", "list", "--case", CODE)
    assert said.code == 2
    assert "evidence init" in said.err
    assert one_line(said)
    assert not (tmp_path / "none").exists()


def test_a_port_in_use_is_said_before_anything_starts(house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = house.evidence("serve", "--port", taken.getsockname()[1])
    assert said.code == 3
    assert "in use" in said.err
    assert one_line(said)


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--case", "NONE"],
        ["case", "show", "NONE"],
        ["export", "--case", "NONE", "--out", "x", "--purpose", "court"],
        ["show", "KRN-000099"],
        ["show", "nonsense"],
        ["retrieve", "KRN-000099", "--out", "x", "--purpose", "court"],
        ["export", "--case", "KRN", "KRN-000099", "--out", "x", "--purpose", "court"],
    ],
)
def test_unknown_cases_and_exhibits_are_wrong_use_and_recorded(house, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = house.evidence(*words)
    assert said.code == 2, said.err
    assert one_line(said)
    assert house.last("access_denied")["reason"] in ("unknown-case", "unknown-exhibit")
    assert not Path("x").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["ingest", "--case", "KRN"],
        ["case", "new", "krn", "--title", "T"],
        ["case", "new", "ТЕСТ", "--title", "T"],
        ["case", "new", "KRN", "--title", "again"],
        ["case", "new", "NEW", "--title", " "],
        ["case", "grant", "KRN", "nobody", "analyst"],
        ["case", "grant", "KRN", "analyst", "king"],
        ["person", "new", "analyst", "--role", "analyst"],
        ["token", "new", "nobody"],
        ["token", "new", "analyst", "--expires", "yesterday"],
        ["token", "new", "analyst", "--expires", "2001-01-01"],
        ["token", "revoke", "nothing"],
        ["quarantine", "release", "QUA-x", "--motive", "m"],
        ["quarantine", "reject", "QUA-x", "--motive", " "],
        ["ledger", "proof", "-1"],
        ["retrieve", "KRN-000001", "--out", "x", "--purpose", "court", "--range", "5-x"],
        ["--as", "nobody", "list", "--case", "KRN"],
        ["serve", "--port", "99999"],
        ["case", "new", "NEW", "--title", "\udcff"],
        ["--as", "\udcff", "list", "--case", "KRN"],
    ],
    ids=ascii,
)
def test_wrong_words_are_exit_2_without_a_traceback(house, words):
    said = house.evidence(*words)
    assert said.code == 2, said.err
    assert said.err.strip()
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["--digest", "md5:xyz"], ["--digest", "crc:00"], ["--digest", "nonsense"],
        ["--sha256", "12"],
        ["--digest", "sha1:" + "0" * 40, "--digest", "sha1:" + "1" * 40],
        ["--collected-at", "yesterday"], ["--submission", "nonsense"], ["--purpose", " "],
        ["--family", "nonsense"], ["--place", "\udcff"], [""], ["x" * 300],
    ],
    ids=ascii,
)  # fmt: skip
def test_wrong_declarations_take_nothing_in(house, files, words):
    said = house.evidence("ingest", files / "a.txt", "--case", CODE, "--no-extract", *words)
    assert said.code == 2, said.err
    assert exhibits(house) == []


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe.jpg", b"new\nline", b"\xe2\x80\xaegpj.exe", b"a\tb\x1b[31m", b"x" * 255,
     "ملف.jpg".encode(), b"-rf", b" ", b"'; DROP TABLE exhibit; --"],
)  # fmt: skip
def test_awkward_names_are_data_and_come_back_byte_for_byte(house, tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(b"content")
    said = house.evidence("ingest", folder, "--case", CODE, "--no-extract")
    assert said.code == 0, said.err
    assert len(said.lines) == 1
    people = run("--data", house.data, "list", "--case", CODE)
    assert people.out.count("\n") == 1
    assert "\x1b" not in people.out
    assert "\u202e" not in people.out
    from repository.exhibits import find_exhibit

    with house.repo.database.reading() as session:
        assert find_exhibit(session, "KRN-000001").path == b"in/" + name
    bundle = tmp_path / "bundle"
    exported = house.evidence("export", "--case", CODE, "--out", bundle, "--purpose", "court")
    assert exported.code == 0, exported.err
    assert house.evidence("verify", bundle).code == 0


def test_links_and_devices_in_a_folder_are_named_and_not_followed(house, files):
    (files / "link").symlink_to("/etc/passwd")
    os.mkfifo(files / "pipe")
    said = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert said.code == 2
    failed = {line["path"] for line in said.lines if line["status"] == "failed"}
    assert failed == {"in/link", "in/pipe"}
    assert len(exhibits(house)) == 3


def test_standard_input_is_taken_in(house):
    said = run(
        "--data", house.data, "--json", "ingest", "-", "--case", CODE, stdin=b"from a pipe" * 1000
    )
    assert said.code == 0, said.err
    assert said.lines[0]["path"] == "-"
    assert said.lines[0]["size"] == 11_000
    twice = run("--data", house.data, "ingest", "-", "-", "--case", CODE, stdin=b"x")
    assert twice.code == 2


def test_a_damaged_receipt_is_exit_1(house, files, tmp_path):
    [line] = house.ingest(files / "a.txt")
    text = Path(line["receipt"]).read_text()
    for damaged in (text.replace(line["sha256"], "sha256:" + "0" * 64, 1), "{}", "", "[1", "\x00"):
        file = tmp_path / "receipt.json"
        file.write_text(damaged)
        said = house.evidence("receipt", "check", file)
        assert said.code == 1, damaged[:30]
        assert one_line(said)


def test_unknown_settings_are_refused(house):
    for text in ('colour = "red"\n', "lock_days = -1\n", "not toml", 'tsa_urls = ["https://x"]\n'):
        file = house.data / "other.toml"
        file.write_text('origin = "x/y"\n' + text)
        said = run("--data", house.data, "--config", file, "list", "--case", CODE)
        assert said.code == 2, text
        assert one_line(said)


@pytest.mark.sqlite_only("the file lies in the folder")
@pytest.mark.parametrize("name", ["with space", "a#b", "what?", "100%", "%41", "ملف", "a'b"])
def test_a_data_folder_may_be_called_anything(tmp_path, name):
    data = tmp_path / name / "data"
    data.parent.mkdir()
    assert run("--data", data, "init").code == 0
    assert run("--data", data, "case", "new", "KRN", "--title", "T").code == 0
    (tmp_path / "file").write_bytes(b"content")
    assert run("--data", data, "ingest", tmp_path / "file", "--case", "KRN").code == 0
    assert run("--data", data, "verify").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["file", name])
    assert (data / "evidence.db").exists()
    assert len(list((data / "store" / "evidence").rglob("*.manifest"))) == 1


def test_a_batch_ends_with_the_highest_code_of_its_files(house, files):
    from api.commands.context import worst

    assert worst([0, 2, 1]) == 1
    assert worst([0, 1, 3, 4]) == 4
    assert worst([0, 2]) == 2
    assert worst([0]) == 0
    assert isinstance(Failure(b"x", StoreFull("x")).error, StoreFull)
    assert Source(None, b"-", None).problem is None
