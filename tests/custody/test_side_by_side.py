"""Work in several processes: the order stays, nothing is read far ahead, and a death is no pass."""

import os

import pytest

from custody import audit_form, side_by_side
from custody.audit_form import audit_openings
from custody.errors import LedgerUnavailable
from custody.side_by_side import side_by_side as spread


def square_or_die(n):
    if n < 0:
        os._exit(9)  # as by a signal: no word of why
    return n * n


def test_results_come_in_the_order_of_the_pieces_and_few_are_read_ahead(monkeypatch):
    monkeypatch.setattr(side_by_side, "FEW", 3)
    read = []
    pieces = (read.append(n) or n for n in range(40))
    found = spread(square_or_die, pieces, processes=2)
    assert [next(found) for _ in range(10)] == [n * n for n in range(10)]
    assert len(read) < 20
    assert list(found) == [n * n for n in range(10, 40)]


def test_a_process_that_dies_ends_the_check_and_passes_nothing(monkeypatch):
    monkeypatch.setattr(side_by_side, "FEW", 1)
    with pytest.raises(LedgerUnavailable, match="nothing is proved"):
        list(spread(square_or_die, [1, 2, -1, 3, 4], processes=2))


def test_other_processes_find_what_this_one_would(kept, monkeypatch):
    for n in range(12):
        kept.ledger.record(kept.draft(n))
    with kept.database.writing() as session:
        connection = session.connection()
        for trigger in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'opening'"
        ).scalars():
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql(
            "UPDATE opening SET sealed = (SELECT sealed FROM opening WHERE idx = 3 AND field = "
            "'case') WHERE idx IN (7, 9) AND field = 'purpose'"
        )
    monkeypatch.setattr(audit_form, "_BATCH", 3)
    with kept.database.reading() as session:
        here = audit_openings(session, kept.wrapping_key)
        monkeypatch.setattr(side_by_side, "FEW", 0)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        assert audit_openings(session, kept.wrapping_key) == here
    assert [(one.outcome, one.subject) for one in here] == [("fail", "entry 7")]
