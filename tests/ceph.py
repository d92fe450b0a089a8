"""A real S3 server with Object Lock (Ceph RGW) for the tests that need one."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("ceph-rgw.sh")
NOT_TO_BE_HAD = 3


@cache
def _up() -> tuple[int, str, str]:
    done = subprocess.run(["bash", SCRIPT, "up"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def ceph() -> dict[str, str]:
    """Return S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY of a running server.

    Where it cannot be had the test is skipped with the reason, and fails under CI=true. A server
    that can be had but does not start is a failure everywhere.
    """
    code, out, err = _up()
    if code != 0:
        last = err.strip().splitlines()[-1] if err.strip() else str(code)
        if code != NOT_TO_BE_HAD or os.environ.get("CI") == "true":
            pytest.fail(f"no Ceph RGW: {last}")
        pytest.skip(f"no Ceph RGW here: {last}")
    lines = [line.removeprefix("export ") for line in out.splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line)
