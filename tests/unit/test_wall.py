"""The seconds by which what is kept grows old: two clocks, of which either may be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero import wall
from alpaquero.wall import lapsed

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
ROUNDING = 1e-3  # seconds, of floats that count since 1970


class Clocks:
    """Wall time and the monotonic clock, each moved by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = BEGIN, 1000.0
        monkeypatch.setattr(wall, "now", lambda: self.wall)
        monkeypatch.setattr(wall, "time", SimpleNamespace(monotonic=lambda: self.monotonic))
        lapsed()  # what passed before is none of the test's

    def pass_by(self, *, wall_seconds: float, monotonic_seconds: float) -> None:
        """Lets each clock go on by its own seconds."""
        self.wall += timedelta(seconds=wall_seconds)
        self.monotonic += monotonic_seconds


@pytest.mark.parametrize(
    ("wall_seconds", "monotonic_seconds", "counted"),
    [(60, 60, 60), (3600, 0.1, 3600), (-3600, 7, 7), (0, 0, 0)],
    ids=["both go on", "frozen", "wall time set back", "neither"],
)
def test_the_clock_that_says_more_counts(
    monkeypatch: pytest.MonkeyPatch, wall_seconds: float, monotonic_seconds: float, counted: float
) -> None:
    """A sandbox that was frozen for an hour is an hour older, and no set-back keeps anything young."""
    clocks = Clocks(monkeypatch)
    before = lapsed()
    clocks.pass_by(wall_seconds=wall_seconds, monotonic_seconds=monotonic_seconds)
    assert lapsed() - before == pytest.approx(counted)


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.integers(0, 10_000)), max_size=20))
def test_no_step_of_either_clock_is_lost_and_none_goes_back(steps: list[tuple[int, int]]) -> None:
    """Whatever the clocks do between two looks, the seconds in between are no fewer than either counted."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        clocks = Clocks(monkeypatch)
        for wall_seconds, monotonic_seconds in steps:
            before = lapsed()
            clocks.pass_by(wall_seconds=wall_seconds, monotonic_seconds=monotonic_seconds)
            passed = lapsed() - before
            assert passed >= max(monotonic_seconds, wall_seconds) - ROUNDING
