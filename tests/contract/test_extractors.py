"""What every extractor must do: the list is the folder's own list of files."""

import ast
import io
import json
import tempfile
from datetime import UTC, datetime

import pytest

from custody.canonical import dumps
from ingest import extractors
from ingest.extraction import Fact, Inhibitor, Member, Seal
from ingest.sandbox import Sandbox

pytestmark = pytest.mark.parametrize("extractor", extractors.everything(), ids=lambda e: e.NAME)


def test_it_is_named_as_its_file_and_names_its_tool_and_version(extractor):
    assert extractor.NAME in extractors.names()
    assert any(character.isdigit() for character in extractor.VERSION)


def test_it_reads_media_types_and_is_found_by_them(extractor):
    assert extractor.FORMATS
    for mime in extractor.FORMATS:
        assert extractor in extractors.for_format(mime)


def test_nobody_is_found_for_a_format_it_does_not_read(extractor):
    assert extractor not in extractors.for_format("application/x-unheard-of")


def test_its_sample_gives_facts_that_have_a_canonical_form(extractor):
    items = list(extractor.extract(io.BytesIO(extractor.SAMPLE)))
    assert any(isinstance(item, Fact | Seal | Member) for item in items)
    for item in items:
        dumps(item.to_json())
        assert type(item).from_json(json.loads(dumps(item.to_json()))) == item


def test_every_prefix_of_its_sample_gives_items_of_ours_and_no_exception(extractor):
    for length in range(0, len(extractor.SAMPLE), 7):
        for item in extractor.extract(io.BytesIO(extractor.SAMPLE[:length])):
            assert isinstance(item, Fact | Seal | Member | Inhibitor)


def test_it_succeeds_on_its_sample_inside_the_sandbox(extractor):
    """06 section 3, the trap: a lazy import after the lock fails."""
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox, tempfile.TemporaryFile() as file:
        file.write(extractor.SAMPLE)
        record = sandbox.extract(file, name_hint="sample")
    assert record.outcome == "ok", record.inhibitors
    assert record.extractors == (f"{extractor.NAME}: {extractor.VERSION}",)
    assert list(record.facts) == [
        item for item in extractor.extract(io.BytesIO(extractor.SAMPLE)) if isinstance(item, Fact)
    ]


def test_it_imports_at_the_top_and_nothing_of_the_system(extractor):
    tree = ast.parse((extractors.HERE / f"{extractor.NAME}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert node in tree.body, f"line {node.lineno}: a late import fails in the sandbox"
            names = [node.module] if isinstance(node, ast.ImportFrom) else [
                alias.name for alias in node.names
            ]  # fmt: skip
            for name in names:
                ours = name.split(".")[0] in {"config", "custody", "repository", "api", "ingest"}
                assert not ours or name == "ingest.extraction"
