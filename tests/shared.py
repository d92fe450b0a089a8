"""Where the shared samples, hostile inputs and vectors are, if they are here at all."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def shared(*parts: str) -> Path:
    """Return a path in ../shared, or skip the test with the reason."""
    found = SHARED.joinpath(*parts)
    if not found.exists():
        pytest.skip(f"{found} is not on this machine")
    return found
