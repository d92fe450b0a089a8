"""A real S3 server with Object Lock (Ceph RGW) for the tests that need one."""

import os
import subprocess
from functools import cache

import pytest

from tests.shared import shared


@cache
def _up() -> tuple[int, str, str]:
    script = shared("tools", "ceph-rgw.sh")
    done = subprocess.run([script, "up"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def ceph() -> dict[str, str]:
    """Return S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY of a running server.

    Where it cannot be had the test is skipped with the reason, and fails under CI=true.
    """
    code, out, err = _up()
    if code != 0:
        reason = f"no Ceph RGW here: {err.strip().splitlines()[-1] if err.strip() else code}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    lines = [line.removeprefix("export ") for line in out.splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line)
