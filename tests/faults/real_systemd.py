"""The units of `config/deploy/systemd` under a real systemd, installed as the handbook says.

    python -m tests.faults.real_systemd [--keep FOLDER]

Needs root, Debian's systemd-container (systemd-nspawn) and its own Python 3.11; the network of the
machine is used by pip alone. The machine's root file system is the lower layer of an overlay, which
is booted and thrown away. Inside, `real_systemd.sh` follows the handbook and says what held; what
it could not make hold ends it, with the journal of the units.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.shared import ROOT, shared

PYTHON = "/usr/bin/python3.11"  # Debian's: one below /root is hidden from a unit (ProtectHome=)
LOCKS = "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"
SAMPLES = ("samples/exif-samples/jpg/Canon_40D.jpg", "samples/exif-samples/jpg/gps/DSCN0042.jpg")
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /real_systemd.sh
[Install]
WantedBy=multi-user.target
"""


@contextmanager
def machine(folder: Path) -> Iterator[Path]:
    """Give a root file system that is this machine's, and what is written to it is thrown away."""
    for name in ("written", "work", "root"):
        (folder / name).mkdir()
    layers = f"lowerdir=/,upperdir={folder / 'written'},workdir={folder / 'work'}"
    root = folder / "root"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, root], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", root], check=True)


def prepare(root: Path) -> None:
    """Install the program into it, and what is to be done when it has booted."""
    for old in (root / "etc/systemd/system/multi-user.target.wants").glob("*"):
        old.unlink()  # what else this machine runs
    (root / "result").mkdir()
    (root / "in").mkdir()
    for name in SAMPLES:
        shutil.copy(shared(name), root / "in")
    (root / "in" / "statement.txt").write_text("What I saw.\n")
    shutil.copytree(ROOT / "config" / "deploy", root / "deploy")
    shutil.copytree(ROOT, root / "source", ignore=shutil.ignore_patterns(".git", "*.pyc"))
    shutil.copy(Path(__file__).with_suffix(".sh"), root / "real_systemd.sh")
    (root / "etc/systemd/system/drive.service").write_text(UNIT)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "drive.service").symlink_to("/etc/systemd/system/drive.service")
    installing = f"{PYTHON} -m venv /opt/evidence && /opt/evidence/bin/pip install -q /source"
    inside(root, "--pipe", "/bin/sh", "-c", installing, timeout=600)


def inside(root: Path, *words: str, timeout: float) -> None:
    """Run something, or boot, in a container of that root."""
    # The container's own filter would take away what the sandbox of extraction needs.
    command = ["systemd-nspawn", "-q", "-D", str(root), "--register=no", "--keep-unit",
               f"--system-call-filter={LOCKS}", *words]  # fmt: skip
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{words}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def main() -> int:
    """Print what held; 1 if anything did not."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--keep", type=Path, help="Copy the logs of inside to here.")
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        with machine(Path(temporary)) as root:
            prepare(root)
            inside(root, "--boot", timeout=900)
            result = root / "result"
            if chosen.keep is not None:
                shutil.copytree(result, chosen.keep)
            code = (result / "code").read_text().strip()
            print((result / "said").read_text(), end="")
            if code != "0":
                print((result / "log").read_text()[-3000:])
                print((result / "journal").read_text()[-6000:])
                print("failed  what is said above is all that held")
    return 0 if code == "0" else 1


if __name__ == "__main__":
    sys.exit(main())
