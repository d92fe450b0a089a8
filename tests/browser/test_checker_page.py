"""check.html as people use it: what they see, in six languages; no text of a bundle acts."""

import pytest

from tests.browser.checker_page import NAMES, visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return visit(tmp_path_factory.mktemp("page"))


def test_every_claim_has_a_symbol_a_word_and_its_meaning(seen):
    told = {claim: (outcome, text) for claim, outcome, text in seen["claims"]}
    assert told["digests"][0] == "pass"
    assert "✓ holds · required" in told["digests"][1]
    assert "? not checked" in told["time-stamps"][1]
    assert "✗ does not hold" in {claim: text for claim, _, text in seen["bad"]}["digests"]
    assert seen["focus"] == "verdict"
    assert "same fingerprint" in seen["same"]
    assert "another fingerprint" in seen["differs"]


def test_nothing_of_a_hostile_bundle_runs_or_asks_for_anything(seen):
    assert seen["errors"] == []
    [page, *others] = seen["asked"]
    assert page.startswith("file://")
    assert all(url.startswith("blob:") for url in others)
    assert NAMES[0] in seen["history"]  # as text
    assert "evidenceU+202Egpj.exe" in seen["history"]
    assert "\u202e" not in seen["history"] + seen["receipt"]
    assert "Withheld: case" in seen["history"]


def test_what_cannot_be_checked_at_all_has_no_verdict_of_either_kind(seen):
    for text in (seen["none"], seen["dropped"]):
        assert "holds" not in text
    assert "nothing that can be checked" in seen["none"]
    assert "failed" in seen["dropped"]  # an empty object may be a receipt, and is none


def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(seen):
    assert seen["violations"] == []
    assert [one for one in seen["wide"] if one[1] > 0] == []


def test_it_speaks_six_languages_and_says_which_nobody_reviewed(seen):
    assert len({title for _, _, title in seen["languages"].values()}) == 5
    for language, (direction, marked, _) in seen["languages"].items():
        assert marked
        assert (direction == "rtl") == (language == "ar")
