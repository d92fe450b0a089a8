"""Run the commands that stand in a bundle's VERIFY.txt, exactly as they are printed."""

import subprocess
from pathlib import Path

INDENT = " " * 7


def run_printed(bundle: Path, name: str = "VERIFY.txt") -> subprocess.CompletedProcess[str]:
    """Run them one after the other in the bundle's folder; the first that fails ends it."""
    lines = (bundle / name).read_text(encoding="utf-8").splitlines()
    commands = [line[len(INDENT) :] for line in lines if line.startswith(INDENT)]
    assert len(commands) > 10, name
    return subprocess.run(
        ["sh", "-e", "-c", "\n".join(line for line in commands if not line.startswith(" "))],
        cwd=bundle, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
