"""An extractor that makes of a text every kind of thing, and repeats it everywhere."""

from ingest.extraction import DERIVATIVES, Derivative, Fact, Member, Problem, Seal

NAME = "maker"
VERSION = "maker 1"
FORMATS = frozenset({"text/plain"})
SAMPLE = b""


def extract(file, found):
    text = file.read().decode()
    for number, part in enumerate(found.further, start=2):
        yield Fact("Test:Part", part.read().decode(), str(number), "test")
    if not text:
        return
    yield Fact("Test:Text", text, text, "test")
    yield Seal("test", "absent", text)
    yield Member(text, 1)
    yield Problem(text, incomplete=False)
    for kind in DERIVATIVES:
        yield Derivative.of(kind, "text/plain", f"{kind} {text}".encode(), locator=text[:100])
