"""Whatever a file does to the process that reads it, the record says so; the next file is read."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.canonical import dumps
from ingest import extractors, landlock, lockdown, program
from ingest.errors import LibmagicMissing, SandboxUnavailable
from ingest.extraction import OUTCOMES, Extraction, Limits, NotARecord
from ingest.extractors import exiftool, image
from ingest.findings import Findings
from ingest.sandbox import Sandbox, check_libmagic
from tests.ingest.pictures import taken
from tests.shared import shared

FAULTS = Path(__file__).parent / "faults"
QUICK = Limits(wall_ms=700, cpu_seconds=2)
LAYERS = f"landlock{landlock.version()}+seccomp+rlimit"
# What stays for the next file: one process of ExifTool, without any below it.
KEPT_WARM = [str(lockdown.executables(place)[1]) for place in [program.find("exiftool")] if place]
PICTURE = ["c2pa", "geotiff", "image", "iptc", "picture", "xmp", "exiftool", "preview"]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def noon():
    return NOON


@pytest.fixture(scope="module")
def faulty():
    with Sandbox(clock=noon, limits=QUICK, extractors=[FAULTS / "every"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(clock=noon) as sandbox:
        yield sandbox


def look(sandbox, content, name="evidence.txt", **more):
    with tempfile.TemporaryFile() as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        record = sandbox.extract(file, name_hint=name, **more)
    # Bounded whatever the load: by these limits, which the kernel and the zygote hold it to, and
    # with its record the work on a file has ended; nothing of it is left.
    assert record.limits == sandbox._limits
    assert at_work(sandbox) in ([], KEPT_WARM)
    assert Extraction.from_json(json.loads(dumps(record.to_json()))) == record
    return record


def at_work(sandbox):
    """Return the programs that run below the zygote, or below those."""
    waiting = [sandbox._zygote.process.pid] if sandbox._zygote else []
    found = []
    while waiting:
        below = [int(each) for each in children(waiting.pop()).split()]
        found += [os.readlink(f"/proc/{each}/exe") for each in below]
        waiting += below
    return found


def values(record):
    return {fact.name: fact.value for fact in record.facts}


# --- how a run ends ---


def test_a_sound_picture_is_ok(sandbox):
    record = look(sandbox, image.SAMPLE, "a.tif")
    assert record.outcome == "ok"
    assert values(record)["Composite:DateTimeOriginal"] == "2008-10-22T16:28:39.24+02:00"
    known = {one.NAME: one.VERSION for one in extractors.everything()}
    assert record.extractors == tuple(f"{name}: {known[name]}" for name in installed(PICTURE))
    assert record.sandbox == ", ".join(
        [LAYERS, *([f"{LAYERS} for exiftool"] if program.find("exiftool") else [])]
    )
    missing = "exiftool: not done: exiftool is not installed"
    assert record.problems == (
        *([] if program.find("exiftool") else [missing]),
        "ocr: not done: it was not asked for" if program.find("tesseract")
        else "ocr: not done: tesseract is not installed",
        "not shown: no decoder here takes it for a picture",
    )  # fmt: skip
    assert record.started == record.ended == "2026-11-20T12:00:00+00:00"


def installed(names):
    """Return the extractors without those whose program this machine lacks."""
    return [name for name in names if name != "exiftool" or program.find("exiftool")]


def test_a_format_nobody_reads_is_unsupported_and_still_identified(sandbox):
    record = look(sandbox, b"MThd\0\0\0\6\0\0\0\1\0\x60", "a.mid")
    assert (record.outcome, record.format.mime) == ("unsupported", "audio/midi")


def test_a_picture_without_exif_is_ok_and_says_so(sandbox):
    record = look(
        sandbox, b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9", "a.jpg"
    )
    assert record.outcome == "ok"
    assert not any(fact.name.startswith(("IFD0:", "ExifIFD:")) for fact in record.facts)
    assert record.problems[0] == image.NO_EXIF


def test_an_empty_file_is_an_outcome(sandbox):
    record = look(sandbox, b"", "a.jpg")
    assert (record.outcome, record.format.mime) == ("unsupported", "inode/x-empty")


@pytest.mark.parametrize(
    ("fault", "outcome", "why"),
    [
        ("fine", "ok", None),
        ("spin", "timeout", "time limit: 700 ms"),
        ("sleep", "timeout", "time limit: 700 ms"),
        ("find_then_spin", "partial", "time limit: 700 ms"),
        ("crash", "crash", "ended by signal 11"),
        ("find_then_crash", "partial", "ended by signal 11"),
        ("allocate", "partial", "fault: MemoryError"),
        ("recurse", "partial", "fault: RecursionError"),
        ("recurse_in_c", "crash", "ended by signal 11"),
        ("leave", "crash", "ended early with exit code 0"),
        ("raise", "partial", "fault: RuntimeError"),
        ("flood", "partial", "fault: only the first"),
        ("many", "partial", "fault: only the first"),
        ("lie_much", "partial", "output limit: more than 1048576 bytes"),
        ("lie_without_end", "crash", "malformed output"),
        ("write_too_much", "partial", "fault: PermissionError: [Errno 1]"),
        ("write_evidence", "partial", "fault: OSError: [Errno 9]"),
        ("kill_zygote", "partial", "fault: PermissionError: [Errno 1]"),
        ("leave_a_daemon", "partial", "fault: PermissionError: [Errno 1]"),
    ],
)
def test_every_end_is_a_recorded_outcome_and_the_next_file_is_read(faulty, fault, outcome, why):
    record = look(faulty, fault)
    assert record.outcome == outcome, record.problems
    assert why is None or any(each.startswith(why) for each in record.problems)
    kept = {"find_then_spin", "find_then_crash", "raise", "flood", "many", "lie_much"}
    assert bool(record.facts) == (outcome == "ok" or fault in kept)
    assert look(faulty, image.SAMPLE, "next.tif").outcome == "ok"


def test_the_processor_limit_ends_a_run(tmp_path):
    limits = Limits(wall_ms=30_000, cpu_seconds=1)
    with Sandbox(clock=noon, limits=limits, extractors=[FAULTS / "every"]) as sandbox:
        record = look(sandbox, "spin")
        assert (record.outcome, record.problems) == ("timeout", ("processor limit: 1 s",))
        assert look(sandbox, "burn").outcome == "crash"  # it caught SIGXCPU: killed a second later


def test_a_process_that_cannot_be_locked_does_not_look(tmp_path):
    impossible = Limits(open_files=1 << 40)
    with Sandbox(clock=noon, limits=impossible) as sandbox:
        record = look(sandbox, image.SAMPLE)
    assert (record.outcome, record.sandbox, record.format) == ("refused", "none", None)
    assert "could not be locked" in record.problems[0]


# --- what the child says ---


@pytest.mark.parametrize(
    "line",
    [
        "no json", "[]", "{}", '{"fact":null}', '{"fact":{"name":"IFD0:Make"}}', '{"end":1}',
        '{"fact":{"name":"x","value":"","raw":"","source":"","tz":null,"suspect":null,"kind":null,"locator":null}}',
        '{"fact":{"name":"A:B","value":1,"raw":"","source":"","tz":null,"suspect":null,"kind":null,"locator":null}}',
        '{"fact":{"name":"A:B","value":0.5,"raw":"","source":"","tz":null,"suspect":null,"kind":null,"locator":null}}',
        '{"extractor":[]}', '{"extractor":{"a":1}}', '{"fact":[1]}', '{"format":{"mime":[]}}',
        '{"isolation":"landlock+seccomp"}', '{"refused":"no"}', '{"extractor":"authentic"}',
        '{"format":{"mime":"<b>"}}', '{"seal":{"kind":"E01","verdict":"good","detail":""}}',
        '{"end":true}\n{"problem":{"reason":"","incomplete":false}}', "[" * 100_000,
        '{"member":{"path":"a","size":-1,"modified_at":null,"sha256":null,"flags":[]}}',
        '{"member":{"path":"a","size":9007199254740992,"modified_at":null,"sha256":null,"flags":[]}}',
        '{"fact":{"name":"A:B","value":"","raw":"","source":"","tz":null,"suspect":"","kind":"x","locator":null}}',
        '{"inhibitor":{"kind":"lazy"}}', '{"raw":{}}', '{"derivative":{"kind":"text"}}',
        '{"derivative":{"kind":"text","mime":"a/b","locator":"","size":9,"sha256":"","offset":0}}',
        '{"end":true,"fact":true}', '{"fact":{"name":"A:B","value":NaN}}', "9" * 5000,
    ],
)  # fmt: skip
def test_a_child_that_breaks_the_form_is_a_crash_and_nothing_it_said_counts(faulty, line):
    record = look(faulty, f"lie {line}")
    assert record.outcome == "crash", record
    assert record.problems[0].startswith("malformed output")
    assert (record.format, record.facts) == (None, ())


_LINES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([b'{"isolation":"rlimit"}', b'{"end":true}', b'{"extractor":"image"}']),
        st.dictionaries(st.sampled_from(["fact", "format", "end", "seal"]), st.text(max_size=20))
        .map(json.dumps).map(str.encode),
    ),
    max_size=6,
)  # fmt: skip


@given(_LINES)
def test_any_output_is_read_or_refused(lines):
    output = b"".join(line + b"\n" for line in lines)
    found = Findings()
    with contextlib.suppress(NotARecord):
        found.read(output, -1, {"image": "1"}, Limits())
    assert found.facts == []


def test_a_lie_within_the_form_is_kept_within_the_limits(faulty):
    long = "x" * 5000
    line = json.dumps({"fact": dict.fromkeys(("tz", "suspect", "kind", "locator"), None) | {
        "name": "A:B", "value": long, "raw": "", "source": ""}})  # fmt: skip
    record = look(faulty, f"lie {line}")
    assert (record.outcome, len(record.facts)) == ("partial", 1)
    assert record.problems == ("output limit: a text of more than 4096 bytes",)


def test_a_lone_surrogate_never_reaches_the_record(faulty):
    line = '{"problem":{"reason":"\\ud800\\u202e","incomplete":false}}'
    record = look(faulty, f"lie {line}")
    assert "⟦U+D800⟧⟦U+202E⟧" in record.problems


def test_a_long_text_is_cut_and_what_cannot_be_seen_is_shown(faulty):
    assert len(values(look(faulty, "long"))["IFD0:Make"].encode()) <= 4096
    shown = values(look(faulty, "unseen"))["IFD0:Make"]
    assert shown == "photo⟦U+202E⟧gpj.exe⟦U+0000⟧⟦U+001B⟧[31m"


def test_the_record_is_never_larger_than_its_limit(faulty):
    assert len(dumps(look(faulty, "flood").to_json())) < 2 * QUICK.output_bytes


def test_the_claimed_name_never_reaches_the_child_or_the_plain_instrument(sandbox):
    record = look(sandbox, image.SAMPLE, "Olena of Kherson.pdf")
    assert "Kherson" not in json.dumps(record.to_json())
    assert record.format.mismatch
    known = {one.NAME: one for one in extractors.everything()}
    used = [known[name] for name in installed(PICTURE)]
    programs = [program.version(exiftool.PROGRAM)] if exiftool in used else []
    assert record.instrument()["version"] == "; ".join(
        [
            *record.format.tools,
            *(one.VERSION for one in used),
            *(f"exiftool {version}" for version in programs),
        ]
    )
    assert [tool.split()[0] for tool in record.format.tools] == ["libmagic", "siegfried"]
    dumps(record.instrument())


# --- what the child can reach ---


def test_the_limits_hold_in_the_child(faulty):
    found = values(look(faulty, "limits"))
    assert found == {
        "Test:RLIMIT_AS": str(1 << 30), "Test:RLIMIT_CPU": "2", "Test:RLIMIT_CORE": "0",
        "Test:RLIMIT_FSIZE": str(16 << 20), "Test:RLIMIT_NOFILE": "64", "Test:RLIMIT_NPROC": "0",
    }  # fmt: skip


def test_no_variable_of_the_service_reaches_the_child(faulty):
    names = values(look(faulty, "environment"))["IFD0:Make"]
    assert "HOME" not in names
    assert "PYTEST" not in names


def test_the_child_has_the_evidence_and_one_pipe_and_nothing_else_of_ours(faulty):
    reached = list(values(look(faulty, "descriptors")).values())
    assert not any("complaints" in each for each in reached)
    assert not any(each.startswith("socket:") for each in reached)
    assert sum(each.startswith("pipe:") for each in reached) == 1


def test_the_child_cannot_move_or_change_the_callers_file(faulty):
    with tempfile.TemporaryFile() as file:
        file.write(b"move_evidence and some more")
        file.seek(3)
        assert faulty.extract(file, name_hint="").outcome == "ok"
        assert file.tell() == 3


# --- the zygote ---


def test_a_dead_zygote_is_replaced(sandbox):
    """How long that takes: tests/benchmarks/bench_extraction.py."""
    look(sandbox, image.SAMPLE)
    dead = sandbox._zygote.process.pid
    os.kill(dead, signal.SIGKILL)
    assert look(sandbox, image.SAMPLE).outcome == "ok"
    assert sandbox._zygote.process.pid != dead


@pytest.mark.parametrize(
    ("how", "outcome", "why"),
    [
        (signal.SIGKILL, "crash", "the sandbox died on this file, twice"),
        (signal.SIGSTOP, "timeout", "the sandbox hung on this file, twice"),
    ],
)
def test_a_zygote_that_fails_twice_on_a_file_is_an_outcome_and_the_next_file_is_read(
    faulty, monkeypatch, how, outcome, why
):
    monkeypatch.setattr("ingest.sandbox._GRACE_SECONDS", 0.5)
    done = threading.Event()

    def again_and_again():
        met = None
        while not done.wait(0.1):
            zygote = faulty._zygote and faulty._zygote.process.pid
            if zygote and zygote != met and children(zygote):
                met = zygote
                os.kill(zygote, how)

    thread = threading.Thread(target=again_and_again)
    look(faulty, "fine")
    thread.start()
    try:
        record = look(faulty, "sleep")
    finally:
        done.set()
        thread.join()
    assert (record.outcome, record.problems) == (outcome, (why,))
    assert look(faulty, image.SAMPLE, "next.tif").outcome in {"ok", "partial"}


def test_a_zygote_that_answers_late_is_not_taken_for_one_that_hangs(faulty):
    """As on a machine with much to do, where a file's time is up before it is looked at."""
    look(faulty, "fine")
    zygote = faulty._zygote.process.pid

    def hold_up():
        while not children(zygote):
            time.sleep(0.01)
        os.kill(zygote, signal.SIGSTOP)
        time.sleep(QUICK.wall_ms / 1000 + 1)
        os.kill(zygote, signal.SIGCONT)

    thread = threading.Thread(target=hold_up)
    thread.start()
    record = look(faulty, "sleep")
    thread.join()
    assert record.outcome == "timeout"
    assert record.problems == (f"time limit: {QUICK.wall_ms} ms",)
    assert faulty._zygote.process.pid == zygote


def children(process):
    """Return the processes that a process has forked and not yet buried."""
    try:
        return Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize("content", ["fine", "sleep"])
def test_a_dead_service_leaves_no_process_behind(tmp_path, content):
    (tmp_path / "evidence").write_text(content)
    code = f"""if True:
        import datetime, os, signal, threading, time
        from pathlib import Path
        from ingest.sandbox import Sandbox
        sandbox = Sandbox(clock=lambda: datetime.datetime.now(datetime.UTC),
                          extractors=[Path({str(FAULTS / "every")!r})])
        file = open({str(tmp_path / "evidence")!r}, "rb")
        def end():
            while sandbox._zygote is None:
                time.sleep(.05)
            print(sandbox._zygote.process.pid, flush=True)
            time.sleep(.3)
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=end).start()
        sandbox.extract(file, name_hint="")
        time.sleep(60)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    zygote = int(done.stdout)
    for _ in range(100):
        if not _alive(zygote):
            return
        time.sleep(0.02)
    pytest.fail("the zygote outlived its service")


def test_two_sandboxes_run_at_the_same_time():
    def run(words):
        with Sandbox(clock=noon, limits=QUICK, extractors=[FAULTS / "every"]) as sandbox:
            ended.extend(look(sandbox, word).outcome for word in words)

    ended = []
    threads = [threading.Thread(target=run, args=[["sleep"] * 3]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == ["timeout"] * 6


def test_a_thread_may_hand_its_sandbox_to_another():
    with Sandbox(clock=noon) as sandbox:
        first = threading.Thread(target=look, args=(sandbox, image.SAMPLE))
        first.start()
        first.join()  # Linux ends the zygote with this thread
        assert look(sandbox, image.SAMPLE).outcome == "ok"


def test_many_runs_leak_no_descriptor_and_no_process(sandbox):
    look(sandbox, image.SAMPLE)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        look(sandbox, image.SAMPLE)
    assert len(os.listdir("/proc/self/fd")) == before


# --- when it cannot be started ---


def broken_python(tmp_path, module, text):
    """Return an interpreter before whose packages stands a broken one."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / f"{module}.py").write_text(text)
    start = tmp_path / "python"
    site = tmp_path / "site"
    start.write_text(f'#!/bin/sh\nPYTHONPATH={site}:$PYTHONPATH exec {sys.executable} "$@"\n')
    start.chmod(0o755)
    return (str(start), "-P")


def test_a_missing_libmagic_is_one_clear_line(tmp_path):
    python = broken_python(tmp_path, "magic", "raise ImportError('failed to find libmagic')")
    with pytest.raises(LibmagicMissing, match=r"libmagic cannot be loaded .* install") as caught:
        check_libmagic(python)
    assert "\n" not in str(caught.value)
    with pytest.raises(LibmagicMissing), Sandbox(clock=noon, python=python) as sandbox:
        look(sandbox, image.SAMPLE)


def test_an_extractor_that_cannot_be_imported_is_one_clear_line(tmp_path):
    python = broken_python(tmp_path, "exifread", "raise ImportError('no exifread')")
    with pytest.raises(SandboxUnavailable, match="ImportError: no exifread"):
        check_libmagic(python)


@pytest.mark.parametrize("python", [("/nonexistent/python",), ("/bin/false",)])
def test_a_missing_interpreter_is_one_clear_line(python):
    with pytest.raises(SandboxUnavailable, match="cannot be started"):
        check_libmagic(python)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("kill -9 $$", "it ended at once: signal 9"),
        ("echo 'ImportError: half a file' >&2; exit 1", "exit code 1, ImportError: half a file"),
        ("exit 3", "exit code 3, nothing was said"),
    ],
)
def test_a_process_that_ends_before_it_is_ready_says_how_it_ended(tmp_path, does, why):
    start = tmp_path / "python"
    start.write_text(f"#!/bin/sh\n{does}\n")
    start.chmod(0o755)
    with pytest.raises(SandboxUnavailable, match=why):
        check_libmagic((str(start),))


def test_libmagic_is_here_and_the_check_loads_nothing_into_the_service():
    code = (
        "import sys; from ingest.sandbox import check_libmagic; check_libmagic();"
        "print([m for m in ('magic', 'pylibmagic', 'exifread') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_stream_without_a_descriptor_is_refused(sandbox):
    with pytest.raises(io.UnsupportedOperation):
        sandbox.extract(io.BytesIO(b""), name_hint="")


# --- real files ---

# Samples that are sound but not to their end: packed with Brotli, broken off, records too long.
UNREAD = {"JXL2.jxl", "XMP.inx", "Matroska.mkv", "example.zip"}


def test_samples_and_hostile_files_end_with_an_outcome_in_bounded_time(sandbox):
    """04 section 8: every sample, malformed ones included, ends with an outcome class."""
    rows = shared("samples", "MANIFEST.jsonl").read_text().splitlines()
    files = [shared("samples", row["group"], row["path"]) for row in map(json.loads, rows)]
    assert len(files) == 299
    sound = {Path(row["path"]).name for row in map(json.loads, rows) if row["kind"] == "good"}
    whole = bool(os.environ.get("EVIDENCE_EVERY_SAMPLE"))
    files = files if whole else files[::3]
    files += sorted(shared("hostile", "photos").iterdir())
    files += sorted(shared("hostile", "hanging").iterdir())
    ended = {}
    for path in files:
        with path.open("rb") as file:
            record = sandbox.extract(file, name_hint=path.name)
        # None needs its limits: of processor time, which the load of the machine does not change.
        assert not any("processor limit" in problem for problem in record.problems), path
        assert at_work(sandbox) in ([], KEPT_WARM), path
        assert record.outcome in OUTCOMES
        assert record.format is not None, path
        dumps(record.to_json())
        ended.setdefault(record.outcome, []).append(path.name)
    assert set(ended) == {"ok", "partial", "unsupported"}
    assert len(ended["ok"]) >= (130 if whole else 43)
    assert set(ended["partial"]) & sound <= UNREAD


def test_a_hanging_maker_note_ends_in_time_and_the_basic_pass_keeps_its_tags():
    """hostile/README: maker notes end as a recorded timeout, the basic pass gives its tags."""
    files = sorted(shared("hostile", "hanging").iterdir())
    with Sandbox(clock=noon, limits=QUICK, extractors=[FAULTS / "slow"]) as sandbox:
        for path in files:
            record = look(sandbox, path.read_bytes(), path.name)
            assert "time limit: 700 ms" in record.problems, path
            assert record.outcome == "partial"
            assert len(record.facts) >= 8
        assert look(sandbox, taken(b"2008:10:22 16:28:39\0"), "next.tif").outcome == "ok"


def test_a_maker_note_bomb_reaches_no_limit(sandbox):
    """04 section 8."""
    for path in sorted(shared("hostile", "hanging").iterdir()):
        with path.open("rb") as file:
            record = sandbox.extract(file, name_hint=path.name)
        assert record.outcome in {"ok", "partial"}
        assert not [one for one in record.problems if "limit" in one]


def _alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
