"""Alerts turn after some looks in a row, and an unknown look changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.monitoring.alerts import Alert, Finding, judged
from alpaquero.monitoring.settings import MonitoringSettings

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)


def looks(*found: bool | None, raise_after: int = 3, clear_after: int = 2) -> list[Alert]:
    """The alert after each look, one a minute."""
    alert: Alert | None = None
    after: list[Alert] = []
    for minute, is_bad in enumerate(found):
        finding = Finding(name="probe:risk", service="risk", is_bad=is_bad, message=f"look {minute}")
        now = AT + timedelta(minutes=minute)
        alert = judged(alert, finding, now, raise_after=raise_after, clear_after=clear_after)
        after.append(alert)
    return after


def test_it_takes_bad_looks_in_a_row_to_raise() -> None:
    """A good look in between begins the count anew."""
    assert [alert.raised for alert in looks(True, True, False, True, True, True)] == [False] * 5 + [True]


def test_it_takes_good_looks_in_a_row_to_clear() -> None:
    """A bad look in between begins the count anew, and the message is that of the newest bad look."""
    after = looks(True, True, True, False, True, False, False)
    assert [alert.raised for alert in after] == [False, False, True, True, True, True, False]
    assert (after[4].message, after[6].message) == ("look 4", "")


def test_the_turn_is_named_by_its_first_look() -> None:
    """The same turn has the same name however often it is told."""
    after = looks(True, True, True)
    assert after[2].since == AT
    assert after[2].turned_by == AT.isoformat()


def test_a_look_that_could_not_be_made_changes_nothing() -> None:
    """Unknown is neither bad nor good: the count goes on afterwards."""
    after = looks(True, None, True, None, True)
    assert [alert.contrary for alert in after[:4]] == [1, 1, 2, 2]
    assert after[4].raised


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_flip_needs_exactly_its_looks(found: list[bool], raise_after: int, clear_after: int) -> None:
    """Whatever the looks, it is raised only by `raise_after` bad ones in a row, cleared by good ones."""
    after = looks(*found, raise_after=raise_after, clear_after=clear_after)
    was = False
    for number, alert in enumerate(after):
        if alert.raised != was:
            needed = raise_after if alert.raised else clear_after
            assert found[number + 1 - needed : number + 1] == [alert.raised] * needed
            was = alert.raised


@pytest.mark.parametrize("wrong", [{"raise_after_probes": 0}, {"sync_lag_seconds": 59}, {"queue_depth": 0}])
def test_a_threshold_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    """The message names the setting and what it may be."""
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .* set it from"):
        MonitoringSettings(**wrong)
