"""An extractor that runs only when it is asked for."""

from ingest.extraction import Fact

NAME = "quiet"
VERSION = "quiet 1"
FORMATS = frozenset({"text/plain"})
SAMPLE = b""
ASKED = True


def extract(file, found):
    yield Fact("Test:Content", file.read().decode(), "", "test")
