"""What a captured parser can do from inside: nothing but say what it likes about its own file."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import landlock, lockdown, seccomp
from ingest.readers import packed
from ingest.sandbox import Sandbox
from tests.libarchive import needs_libarchive
from tests.shared import ROOT

FAULTS = Path(__file__).parent / "faults"
CI = os.environ.get("CI") == "true"
# The twelve of the design (06, section 3), then further ones.
TWELVE = ("read", "write", "tcp", "udp", "unix", "fork", "exec", "signal", "memory", "cpu", "large",
          "recursion")  # fmt: skip
FURTHER = ("make_folder", "link", "remove", "abstract", "thread", "signal_by_descriptor",
           "evidence", "parents_memory", "parents_environment", "parents_root", "raise_limits",
           "new_code", "ptrace", "io_uring", "unshare", "mount", "bpf", "kernel_keys",
           "x32")  # fmt: skip
# These end the process; the others are refused and the parser goes on.
ENDED = {"cpu": "timeout", "x32": "crash"}


def escapes(user):
    """Run every attempt in a process of a user, from a copy of the code that he can read."""
    scratch = Path(tempfile.mkdtemp(prefix="escapes-"))
    try:
        scratch.chmod(0o755)
        for name in ("config", "custody", "repository", "ingest", "tests"):
            shutil.copytree(
                ROOT / name, scratch / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        work = scratch / "work"
        work.mkdir(mode=0o777)
        work.chmod(0o777)
        done = subprocess.run(
            [reachable_python(scratch, user), "-m", "tests.ingest.escapes", str(work)],
            cwd=scratch,
            env={"PYTHONPATH": str(scratch), "PATH": "/usr/bin:/bin", "TMPDIR": str(work)},
            user=user,
            group="nogroup" if user else None,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {line["way"]: line for line in map(json.loads, done.stdout.splitlines())}
    finally:
        shutil.rmtree(scratch)


def reachable_python(scratch, user):
    """Return an interpreter with our packages that a user may run; ours may be in a home."""
    if user is None:
        return sys.executable
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for number, place in enumerate((Path(sys.executable).resolve(), Path("/usr/bin", minor))):
        site = scratch / f"venv{number}" / "lib" / minor / "site-packages"
        site.mkdir(parents=True)
        (site / "ours.pth").write_text(sysconfig.get_path("purelib"))
        (site.parents[2] / "pyvenv.cfg").write_text(f"home = {place.parent}\n")
        python = site.parents[2] / "bin" / "python"
        python.parent.mkdir()
        python.symlink_to(place)
        with contextlib.suppress(PermissionError, FileNotFoundError):
            command = [str(python), "-c", "import exifread"]
            if subprocess.run(command, user=user, capture_output=True, check=False).returncode == 0:
                return str(python)
    (pytest.fail if CI else pytest.skip)(f"{user} may run no interpreter with our packages")
    return ""


@pytest.fixture(scope="module", params=["root", "nobody"])
def tried(request):
    """Every attempt, as root and as an ordinary user."""
    root = os.geteuid() == 0
    if not root and request.param == "root":
        pytest.skip("only root can try as root")
    found = escapes("nobody" if root and request.param == "nobody" else None)
    assert {line["user"] == 0 for line in found.values()} == {request.param == "root"}
    return found


@pytest.mark.parametrize("way", TWELVE + FURTHER)
def test_every_way_out_is_closed_and_the_evidence_stays_readable(tried, way):
    line = tried[way]
    assert line["isolation"] == f"landlock{landlock.version()}+seccomp+rlimit"
    assert line["outcome"] == ENDED.get(way, "ok"), line
    if way in ENDED:
        assert line["result"] == "ended"
    else:
        assert line["result"].startswith("stopped: "), line
        assert line["read"], "the parser could not go on reading the evidence"
        assert line["unpacked"] == (packed.VERSION is not None)
    assert line["same"], "the evidence was changed"
    assert (line["outside"], line["kept"]) == ([], True)
    assert not any(line["heard"])
    assert line["zygote"], "the warm process went down with it"


@needs_libarchive
def test_libarchive_had_run_in_each_of_these_processes(tried):
    assert {way for way, line in tried.items() if not line["unpacked"]} == set(ENDED)


# --- the second profile: one program ---


@pytest.fixture(scope="module")
def shell():
    """A sandbox whose program is a shell: whatever a captured program may try, it tries."""
    with Sandbox(clock=lambda: datetime.now(UTC), extractors=[FAULTS / "shell"]) as sandbox:
        yield sandbox


def run(sandbox, script):
    with tempfile.TemporaryFile() as file:
        file.write(script.encode())
        record = sandbox.extract(file, name_hint="")
    return record, {fact.name: fact.value for fact in record.facts}


def test_a_program_runs_on_the_evidence_and_its_output_is_on_record(shell):
    script = "# evidence\nread -r line; echo heard: $line; echo aside >&2; exit 3"
    record, said = run(shell, script)
    assert record.outcome == "ok", record.problems
    assert said["Shell:Out"] == "heard: # evidence\n"
    assert (said["Shell:Exit"], said["Shell:Err"]) == ("3", "aside\n")
    [raw] = record.raw
    [kept] = [one for one in record.derivatives if one.kind == "raw"]
    assert (raw.tool, raw.args, raw.exit) == ("bash", ("--norc", "-c", script), 3)
    assert raw.version.startswith("GNU bash")
    assert kept.data == b"heard: # evidence\n"
    assert kept.sha256 == raw.stdout_digest
    assert (
        f"+seccomp+rlimit for {lockdown.executables(Path('/bin/bash'))[0].name}" in record.sandbox
    )
    assert any(tool.startswith("bash GNU bash") for tool in record.tools)


@pytest.mark.parametrize(
    "script",
    [
        "cat /etc/passwd", "read -r line < /etc/passwd && echo $line", "/bin/true && echo ran",
        "for x in /home/* /root/* /etc/*; do read -r y < $x && echo $y; done",
        "echo x > {scratch}/written && echo wrote", "echo x > /dev/shm/written && echo wrote",
        "exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected",
        "echo x > /dev/udp/127.0.0.1/{port} && echo sent",
        "kill -9 $PPID && echo killed", "kill -STOP $PPID && echo stopped",
        "read -r x < /proc/$PPID/environ && echo $x", "ulimit -f unlimited && echo raised",
        "cd {scratch} && mkdir made && echo made",
    ],
)  # fmt: skip
def test_a_program_reaches_no_file_network_process_or_other_program(shell, tmp_path, script):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        script = script.format(scratch=tmp_path, port=server.getsockname()[1])
        record, said = run(shell, script)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert record.outcome == "ok", record.problems
    assert said["Shell:Out"] == ""
    assert said["Shell:Exit"] != "0" or "for x" in script
    assert list(tmp_path.iterdir()) == []
    assert not Path("/dev/shm/written").exists()


def test_a_program_that_prints_too_much_is_ended_and_the_record_says_so(shell):
    record, _ = run(shell, "while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")
    assert record.outcome == "partial"
    assert record.problems == ("shell: ValueError: the program printed more than 1048576 bytes",)
    assert no_children(shell)


def test_a_program_and_all_it_left_behind_end_with_the_run(shell):
    record, _ = run(shell, "(while true; do :; done) & exit 0")
    assert record.outcome in {"ok", "timeout", "partial"}
    assert no_children(shell)


def no_children(sandbox):
    zygote = sandbox._zygote.process.pid
    return Path(f"/proc/{zygote}/task/{zygote}/children").read_text() == ""


def test_a_program_that_is_not_installed_is_a_remark_and_no_error(tmp_path):
    text = (FAULTS / "shell" / "shell.py").read_text()
    (tmp_path / "shell.py").write_text(text.replace('"bash"', '"no-such-program"'))
    with Sandbox(clock=lambda: datetime.now(UTC), extractors=[tmp_path]) as sandbox:
        record, said = run(sandbox, "echo x")
    assert (record.outcome, said) == ("ok", {})
    assert "shell: not done: no-such-program is not installed" in record.problems


# --- without isolation nothing is read ---


@pytest.mark.parametrize(
    ("missing", "why"),
    [("landlock", "the kernel has no Landlock"), ("seccomp", "the kernel takes no seccomp filter")],
)
def test_where_a_layer_is_missing_extraction_is_refused_and_not_weakened(missing, why):
    """An outer filter hides the layer, as an older kernel or a container would."""
    code = f"""if True:
        import ctypes, struct, tempfile
        from datetime import UTC, datetime
        from ingest import seccomp
        from ingest.sandbox import Sandbox
        number = {{"landlock": 444, "seccomp": 157}}[{missing!r}]
        # prctl(PR_SET_SECCOMP, …) alone of the calls of its number
        more = [(0x20, 0, 0, 16), (0x15, 0, 1, 22)] if number == 157 else []
        code = [(0x20, 0, 0, 0), (0x15, 0, len(more) + 1, number), *more,
                (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7FFF0000)]
        seccomp.Filter(b"".join(struct.pack("HBBI", *each) for each in code)).apply()
        with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox, tempfile.TemporaryFile() as file:
            file.write(b"hello")
            record = sandbox.extract(file, name_hint="a.txt")
            print(record.outcome, record.sandbox, record.format, record.problems[0])
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused none None the process could not be locked")
    assert why in done.stdout


def test_a_machine_we_have_no_numbers_for_has_no_filter():
    with pytest.raises(seccomp.NoSeccomp, match="riscv64"):
        seccomp.make(seccomp.PARSE, machine="riscv64")
    assert seccomp.make(seccomp.PARSE, machine="aarch64").code


@pytest.mark.parametrize(
    ("column", "header"),
    [
        (0, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        (1, "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_of_calls_are_the_kernels(column, header):
    if not Path(header).exists():
        pytest.skip(f"{header} is not on this machine")
    numbers = dict(
        line.split()[1:3] for line in Path(header).read_text().splitlines()
        if line.startswith("#define __NR") and line.split()[-1].isdigit()
    )  # fmt: skip
    for name, both in seccomp._NUMBERS.items():
        theirs = numbers.get(f"__NR_{name}") or numbers.get(f"__NR3264_{name}")
        if name == "newfstatat" and column == 1:
            theirs = numbers["__NR3264_fstatat"]
        assert both[column] == int(theirs or 0), name
