"""Install from a folder of wheels in a network namespace without any network, and use it.

`python -m tests.faults.offline_install [--wheels DIR]`; needs root, iproute2, and a network only
for filling the folder of wheels (as docs/handbook.md says).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.shared import ROOT

PINNED = ROOT / "requirements" / "run.txt"


def run(*words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [str(one) for one in words], env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")


def fill(wheels: Path, work: Path) -> None:
    """Make a folder of wheels, their digests beside them; the only step with a network."""
    run(sys.executable, "-m", "pip", "wheel", "-q", "--require-hashes", "-r", PINNED, "-w", wheels)
    source = work / "source"
    source.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, source)
    run("sh", "-c", "sha256sum *.whl > SHA256SUMS", cwd=wheels)


def install(wheels: Path, work: Path) -> None:
    """Install and use it where no packet leaves: every step as the handbook has it."""
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "PIP_CONFIG_FILE": os.devnull}
    alone = ["unshare", "--net"]
    venv = work / "evidence"
    run("sha256sum", "--quiet", "-c", "SHA256SUMS", cwd=wheels)
    run(*alone, sys.executable, "-m", "venv", venv, env=env)
    run(*alone, venv / "bin" / "pip", "install", "-q", "--no-index", "--find-links", wheels,
        "central-evidence-repository", env=env)  # fmt: skip
    evidence = [*alone, venv / "bin" / "evidence", "--data", work / "data"]
    (work / "statement.txt").write_text("What I saw.\n")
    run(*evidence, "init", env=env, cwd=work)
    run(*evidence, "case", "new", "KRN", "--title", "The bridge", env=env, cwd=work)
    run(*evidence, "ingest", work / "statement.txt", "--case", "KRN", env=env, cwd=work)
    run(*evidence, "verify", "--objects", env=env, cwd=work)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--wheels", type=Path, help="A folder that was filled before.")
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        wheels = chosen.wheels or work / "wheels"
        began = time.monotonic()
        if not wheels.exists():
            wheels.mkdir()
            fill(wheels, work)
        files = list(wheels.glob("*.whl"))
        size = sum(one.stat().st_size for one in files) / (1 << 20)
        print(f"{len(files)} wheels, {size:.0f} MiB, in {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        install(wheels, work)
        took = time.monotonic() - began
        print(f"without a network: installed, initialised, taken in, verified in {took:.0f} s")


if __name__ == "__main__":
    main()
