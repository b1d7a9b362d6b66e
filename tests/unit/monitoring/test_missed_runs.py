"""A run is overdue by the wall's clock from the first look that missed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alpaquero.monitoring.missed_runs import MissingRun, overdue, still_missing, told

AT = datetime(2026, 11, 20, 21, 15, tzinfo=UTC)


def missing(name: str, at: datetime) -> MissingRun:
    return MissingRun(run_id=name, timeframe="1Day", bar_close=AT, seen_at=at)


def test_the_first_look_counts() -> None:
    """A run that stays away keeps its first moment, one that came is forgotten, a new one begins."""
    later = AT + timedelta(minutes=5)
    before = [missing("a", AT), missing("b", AT)]
    after = still_missing(before, [missing("b", later), missing("c", later)])
    assert [(run.run_id, run.seen_at) for run in after] == [("b", AT), ("c", later)]


def test_a_run_is_overdue_after_the_patience() -> None:
    """Not a moment before, and telling it does not make it come."""
    patience = timedelta(minutes=15)
    run = missing("a", AT)
    assert overdue([run], AT + patience - timedelta(seconds=1), patience) == []
    assert overdue([run], AT + patience, patience) == [run]
    assert [run.told for run in told([run, missing("b", AT)], ["a"])] == [True, False]
