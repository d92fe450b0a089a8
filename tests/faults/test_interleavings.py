"""What took effect holds: some of the interleavings (`tests.faults.interleavings` runs 1,000)."""

from tests.faults.interleavings import rounds_in
from tests.one_house import one_house


def test_no_read_after_a_revocation_no_export_after_a_withdrawal_no_entry_missing(
    tmp_path_factory, tmp_path, monkeypatch
):
    with one_house(tmp_path_factory) as made:
        found = rounds_in(made.enter(monkeypatch), tmp_path, rounds=ROUNDS, seed=8)
    assert found.broken == []
    assert found.counts["retrieval/started"] > ROUNDS  # reads were there to be judged
    assert found.counts["consent_withdrawn/done"] == ROUNDS
    for name in ("read: unknown-exhibit", "export: access-denied"):
        assert found.counts[f"afterwards, {name}"] == ROUNDS


ROUNDS = 10  # a second; the command runs 1,000
