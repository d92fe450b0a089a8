"""A software PKCS #11 token (SoftHSM2) in a folder of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = b"1234"


def token_or_skip(folder: Path, label: str) -> str:
    """Make a token and return the URI of it, without the object; skip where there is no SoftHSM."""
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs SoftHSM (Debian: softhsm2)")
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    # The module reads its settings once in a process: one folder of tokens for all tests.
    if "SOFTHSM2_CONF" not in os.environ:
        tokens = folder / "tokens"
        tokens.mkdir()
        settings = folder / "softhsm2.conf"
        settings.write_text(
            f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(settings)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label,
         "--so-pin", "5678", "--pin", PIN.decode()],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return f"pkcs11:token={label};object={{}}?module-path={MODULE}"
