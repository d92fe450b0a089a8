"""Whether libarchive is there: what needs it is skipped without it, and fails where CI is true."""

import os

import pytest

from ingest.readers import packed

needs_libarchive = pytest.mark.skipif(
    packed.VERSION is None and os.environ.get("CI") != "true",
    reason="libarchive (Debian: libarchive13) is not installed",
)
