"""With outside memory every attack is found, always; without, those that need it are not."""

from tests.attacks.matrix import ATTACKS, run

TRIALS = 10
NEEDS_MEMORY = {
    "cut entries and heads", "cut the last batch and its head", "old backup restored, gone on",
    "stolen key: edit, signed again", "stolen key: last batch rewritten",
    "stolen key: fork to one of four",
}  # fmt: skip


def test_every_attack_is_found_with_witnesses_and_none_is_imagined():
    found = run(TRIALS, seed=1)
    alarms = found.pop("(no attack: false alarms)")
    assert set(found) == {*ATTACKS, "stolen key: fork to one of four"}
    assert alarms == {"chain": 0, "signed": 0, "witnessed": 0}
    assert {name for name, counts in found.items() if counts["witnessed"] < TRIALS} == set()
    assert {name for name, counts in found.items() if counts["signed"] < TRIALS} == NEEDS_MEMORY
