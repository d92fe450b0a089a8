"""What every extractor must do: the list is the folder's own list of files."""

import ast
import json
import os
import re
import tempfile
from datetime import UTC, datetime

import pytest

from custody.canonical import dumps
from ingest import extractors, program
from ingest.child import recognised
from ingest.extraction import Derivative, Fact, Found, Inhibitor, Member, Problem, Ran, Seal
from ingest.identify import identify
from ingest.sandbox import Sandbox

pytestmark = pytest.mark.parametrize("extractor", extractors.everything(), ids=lambda e: e.NAME)


def extracted(extractor, content, found=None):
    """Return what an extractor yields outside the sandbox; its program is not there."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        found = found or Found(identified(content), (), lambda *_: Ran(127, b"", b"not here"))
        return list(extractor.extract(file, found))


def identified(content):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return recognised(file, identify(file.fileno()), [extractors.HERE])


def needs_its_program(extractor):
    wanted = extractors.program(extractor)
    if wanted is not None and program.find(wanted.name) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{wanted.name} is not installed")
        pytest.skip(f"{wanted.name} is not installed")


def test_it_is_named_as_its_file_and_names_its_tool_and_version(extractor):
    assert extractor.NAME in extractors.names()
    assert any(character.isdigit() for character in extractor.VERSION)


def test_it_reads_formats_and_its_sample_is_one_of_them(extractor):
    assert extractor.FORMATS
    for name in extractor.FORMATS:
        assert extractor in extractors.fitting({name})
    assert extractor in extractors.fitting(identified(extractor.SAMPLE).names)


def test_nobody_is_found_for_a_format_it_does_not_read(extractor):
    assert extractor not in extractors.fitting({"application/x-unheard-of"})


def test_a_container_it_knows_has_a_short_name_that_is_no_media_type(extractor):
    for name in extractors.containers(extractor):
        assert re.fullmatch("[a-z0-9][a-z0-9.-]{0,39}", name)


def test_its_sample_gives_facts_that_have_a_canonical_form(extractor):
    needs_its_program(extractor)
    if extractors.program(extractor) is not None:
        return  # inside the sandbox, below
    items = extracted(extractor, extractor.SAMPLE)
    assert any(isinstance(item, Fact | Seal | Member | Derivative) for item in items)
    for item in items:
        dumps(item.to_json())
        assert type(item).from_json(json.loads(dumps(item.to_json()))) == item


def test_every_prefix_of_its_sample_gives_items_of_ours_and_no_exception(extractor):
    step = max(7, len(extractor.SAMPLE) // 150)
    found = Found(identified(extractor.SAMPLE), (), lambda *_: Ran(127, b"", b"not here"))
    for length in range(0, len(extractor.SAMPLE), step):
        for item in extracted(extractor, extractor.SAMPLE[:length], found):
            assert isinstance(item, Fact | Seal | Member | Inhibitor | Problem | Derivative)


@pytest.fixture(scope="module")
def sandbox():
    """Return one for all: each file has a process of its own, forked before anything was read."""
    with Sandbox(clock=lambda: datetime.now(UTC)) as found:
        yield found


def test_it_succeeds_on_its_sample_inside_the_sandbox(extractor, sandbox):
    """06 section 3, the trap: a lazy import after the lock fails."""
    needs_its_program(extractor)
    with tempfile.TemporaryFile() as file:
        file.write(extractor.SAMPLE)
        record = sandbox.extract(file, name_hint="sample", asked={extractor.NAME})
    # Others may read the same sample, and find less in it.
    assert record.outcome in {"ok", "partial"}, record.problems
    assert not [one for one in record.problems if one.startswith(f"{extractor.NAME}:")]
    assert f"{extractor.NAME}: {extractor.VERSION}" in record.extractors
    if extractors.program(extractor) is None:
        items = extracted(extractor, extractor.SAMPLE)
        assert {x for x in items if isinstance(x, Fact)} <= set(record.facts)
    else:
        assert any(one.tool == extractor.PROGRAM.name for one in record.raw)


def test_it_imports_at_the_top_and_nothing_of_the_system(extractor):
    tree = ast.parse((extractors.HERE / f"{extractor.NAME}.py").read_text())
    # A library that may be absent is imported in a `try` at the top.
    top = [*tree.body, *(n for each in tree.body if isinstance(each, ast.Try) for n in each.body)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert node in top, f"line {node.lineno}: a late import fails in the sandbox"
            names = [node.module] if isinstance(node, ast.ImportFrom) else [
                alias.name for alias in node.names
            ]  # fmt: skip
            for name in names:
                ours = name.split(".")[0] in {"config", "custody", "repository", "api", "ingest"}
                allowed = ("ingest.extraction", "ingest.normalise", "ingest.readers")
                assert not ours or name.startswith(allowed)
