"""The live view tells each event in a line."""

from __future__ import annotations

import pytest

from alpaquero.events.schemas import EVENTS
from laptop.watch import told

QUIET = {"SignalWithheld"}  # five a run, counted in RunConcluded


@pytest.mark.parametrize("name", sorted(set(EVENTS) - QUIET))
def test_every_event_has_a_line(name: str) -> None:
    """An event with nothing but its time is told, its missing fields left blank."""
    line = told({"detail-type": name, "detail": {"occurred_at": "2012-03-05T21:00:00Z", "bar_close": ""}})
    assert line is not None
    assert line.startswith("2012-03-05 21:00  ")


@pytest.mark.parametrize("name", [*sorted(QUIET), "SomethingNew"])
def test_other_events_are_passed_over(name: str) -> None:
    """An event without a line of its own shows nothing."""
    assert told({"detail-type": name, "detail": {"occurred_at": "2012-03-05T21:00:00Z"}}) is None


def test_every_told_field_is_the_events_own() -> None:
    """A line names only fields that its event has."""
    from string import Formatter

    from laptop.watch import _TOLD

    for name, pattern in _TOLD.items():
        named = {field for _, field, _, _ in Formatter().parse(pattern) if field}
        assert named <= set(EVENTS[name].__struct_fields__), name


def test_dollars_are_told_to_the_cent() -> None:
    """What the books keep to the last digit is read to the cent, and a fall to a hundredth of a per cent."""
    detail = {
        "occurred_at": "2012-03-05T21:00:00Z",
        "equity": "99788.5068",
        "cash": "100000",
        "drawdown_percent": "0.2115",
    }
    line = told({"detail-type": "EquityMarked", "detail": detail})
    assert line == "2012-03-05 21:00  equity 99,788.51, cash 100,000.00, drawdown 0.21%"
