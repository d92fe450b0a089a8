"""Entries: a closed vocabulary, nothing personal in the body, times in UTC."""

import os
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from custody.entry import (
    OUTCOMES,
    REQUIRED,
    WITHHELD,
    Act,
    Actor,
    Draft,
    parse_body,
    timestamp,
    uuid7,
)
from custody.errors import MalformedEntry
from tests.shared import ROOT

ACTOR = Actor("a", "analyst", "token", "Ann", "Unit", "NL")


def test_the_vocabulary_in_the_code_is_that_of_the_document():
    section = (ROOT / "docs" / "format.md").read_text().split("### 2.2 Types")[1].split("###")[0]
    rows = re.findall(r"^`([a-z_ ]+)`$", section, re.MULTILINE)  # lines of nothing but types
    assert {word for row in rows for word in row.split()} == {str(act) for act in Act}


def test_the_withheld_fields_in_the_code_are_those_of_the_document():
    section = (ROOT / "docs" / "format.md").read_text().split("Field names:")[1].split(".\n")[0]
    assert all(f"`{name}`" in section for name in WITHHELD)


@pytest.mark.parametrize(
    "draft",
    [
        Draft("looked", ACTOR),
        Draft(Act.CONSULTATION, ACTOR, "perhaps"),
        Draft(Act.FIXITY_CHECK, ACTOR, "done"),
        Draft(Act.CONSULTATION, ACTOR, reason="Free words!"),
        Draft(Act.CONSULTATION, ACTOR, plain={"name": "x"}),
        Draft(Act.CONSULTATION, ACTOR, withheld={"colour": "x"}),
        Draft(Act.RETRIEVAL, ACTOR, "started"),
        Draft(Act.ACCESS_DENIED, ACTOR, "refused", reason="role"),
    ],
    ids=lambda draft: f"{draft.type}-{draft.outcome}",
)
def test_what_the_vocabulary_does_not_know_is_refused(draft):
    with pytest.raises(MalformedEntry):
        draft.check()


def test_every_rule_of_required_fields_can_be_met():
    for act, fields in REQUIRED.items():
        assert fields, act
    assert "pass" in OUTCOMES


def test_a_body_holds_no_name_purpose_or_case(kept):
    secrets = ("Ann", "Unit", "NL", "bombing of the bridge", "KRN")
    withheld = {"purpose": {"code": "analysis", "text": "bombing of the bridge"}, "case": "KRN"}
    [entry] = kept.ledger.record(
        kept.draft(withheld=withheld, exhibit=None, type=Act.CONSULTATION, outcome="done")
    )
    body = entry.body.decode()
    assert not [secret for secret in secrets if f'"{secret}"' in body or f"{secret} " in body]
    assert kept.ledger.opened(entry)["case"] == "KRN"


def test_a_time_without_a_zone_is_never_recorded():
    with pytest.raises(ValueError, match="zone"):
        timestamp(datetime(2026, 1, 1))
    assert timestamp(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"


def test_ids_are_uuids_of_version_7_in_the_order_of_time():
    early = uuid7(datetime(2026, 1, 1, tzinfo=UTC), os.urandom)
    late = uuid7(datetime(2026, 1, 2, tzinfo=UTC), os.urandom)
    assert UUID(early).version == UUID(late).version == 7
    assert early < late


@pytest.mark.parametrize("body", [b"", b"[]", b'{"v":2}', b'{"v": 1}', b"x" * 70_000])
def test_bytes_that_are_no_entry_are_refused(body):
    with pytest.raises(MalformedEntry):
        parse_body(body)
