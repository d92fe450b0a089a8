"""What took effect holds: some of the interleavings (`tests.faults.interleavings` runs 1,000)."""

from tests.faults.interleavings import rounds_in
from tests.one_house import one_house


def test_no_read_after_a_revocation_no_export_after_a_withdrawal_no_entry_missing(
    tmp_path_factory, tmp_path, monkeypatch
):
    with one_house(tmp_path_factory) as made:
        found = rounds_in(made.enter(monkeypatch), tmp_path, rounds=ROUNDS, seed=8)
    assert found.broken == []
    for seen in ("retrieval/started", "consent_withdrawn/done", "access_denied/refused"):
        assert found.counts[seen], found.counts
    assert found.counts["dissemination/aborted"] + found.counts["export: access-denied"]


ROUNDS = 10  # a second; the command runs 1,000
