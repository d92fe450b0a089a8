"""The demonstration: no server, no network, every step does what it says."""

import shutil
import subprocess
import sys

import pytest

from tests.shared import ROOT


def offline():
    """Return the start of a command without any network but its own loopback, if that can be."""
    command = ["unshare", "-rn", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
    for prefix in (command, [*command[:1], "-n", *command[2:]]):
        done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if done.returncode == 0 and shutil.which("ip"):
            return prefix
    return []


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [*offline(), sys.executable, "-m", "api.cli", "demo", "--out", str(out)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_all_three_families_come_in_and_one_item_goes_out(demo):
    out, said = demo
    assert {p.parent.name for p in (out / "samples").glob("*/*")} == {
        "mobile", "social", "heritage",
    }  # fmt: skip
    assert list(out.glob("DEMO-*.jpg"))
    assert "was refused, and the refusal is in the ledger" in said


def test_the_bundle_verifies_and_the_report_is_there(demo):
    out, _ = demo
    done = subprocess.run(
        [sys.executable, "-I", out / "bundle" / "verify.py", out / "bundle"], check=False,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert (out / "bundle" / "custody-report.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.sqlite_only("the demonstration copies the file")
def test_both_damages_are_found_in_the_copy_alone(demo):
    out, said = demo
    assert "fail  entries" in said
    assert "fail  object" in said
    for folder, code in (("data", 0), ("damaged-copy", 1)):
        words = ["--data", str(out / folder), "verify"]
        done = subprocess.run([sys.executable, "-m", "api.cli", *words], capture_output=True,
                              check=False)  # fmt: skip
        assert done.returncode == code, done.stdout


def test_it_ends_with_the_command_that_opens_the_service(demo):
    out, said = demo
    assert said.rstrip().splitlines()[-1].endswith(f"--data {out / 'data'} serve")


def test_an_existing_folder_is_not_touched(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "demo", "--out", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
