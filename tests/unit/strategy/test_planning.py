"""Which bars are due follows from the calendar and what was judged, whatever the schedule did."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import Session, bars_of
from alpaquero.strategy.planning import (
    MOST_LATE_BARS,
    closed_bars,
    due,
    of_timeframe,
    shards_of,
    symbols_judged,
    timeframes,
    valid_until,
)
from alpaquero.strategy.settings import StrategySettings

SETTLE = timedelta(seconds=10)


def session(day: int, hours: float = 6.5) -> Session:
    opens = datetime(2024, 1, day, 14, 30, tzinfo=UTC)
    return Session(date(2024, 1, day), opens, opens + timedelta(hours=hours))


FRIDAY, MONDAY = session(5), session(8)
HALF_DAY = session(3, hours=3.5)


@pytest.mark.parametrize(
    ("timeframe", "count", "first", "last"),
    [
        (Timeframe.MINUTE, 390, "14:30-14:31", "20:59-21:00"),
        (Timeframe.FIVE_MINUTES, 78, "14:30-14:35", "20:55-21:00"),
        (Timeframe.FIFTEEN_MINUTES, 26, "14:30-14:45", "20:45-21:00"),
        (Timeframe.HOUR, 7, "14:00-15:00", "20:00-21:00"),
        (Timeframe.DAY, 1, "05:00-21:00", "05:00-21:00"),
    ],
)
def test_a_session_has_the_bars_of_its_regular_hours(
    timeframe: Timeframe, count: int, first: str, last: str
) -> None:
    """Nothing before the first or after the last bar is judged."""
    spans = [f"{start:%H:%M}-{close:%H:%M}" for start, close in bars_of(FRIDAY, timeframe)]
    assert (count, first, last) == (len(spans), spans[0], spans[-1])


def test_a_bar_ends_with_an_early_close() -> None:
    """The last hour of a half day closes with the session."""
    assert HALF_DAY.close == bars_of(HALF_DAY, Timeframe.HOUR)[-1][1]
    assert [HALF_DAY.close] == [close for _, close in bars_of(HALF_DAY, Timeframe.DAY)]


def test_a_bar_that_has_not_settled_is_not_closed() -> None:
    """One second before the settling time is over the bar before is the newest."""
    at = FRIDAY.open + timedelta(minutes=5) + SETTLE
    newest = closed_bars([FRIDAY], Timeframe.FIVE_MINUTES, at, SETTLE)[-1]
    assert FRIDAY.open + timedelta(minutes=5) == newest.close
    assert [] == closed_bars([FRIDAY], Timeframe.FIVE_MINUTES, at - timedelta(seconds=1), SETTLE)


def test_nothing_judged_before_is_no_reason_to_catch_up() -> None:
    """The first run is of the newest bar alone."""
    closed = closed_bars([FRIDAY], Timeframe.HOUR, FRIDAY.close + SETTLE, SETTLE)
    assert closed[-1:] == list(due(closed, None).bars)


def test_the_newest_bar_is_due_once() -> None:
    """Judged up to it, nothing is due."""
    closed = closed_bars([FRIDAY], Timeframe.HOUR, FRIDAY.close + SETTLE, SETTLE)
    assert () == due(closed, closed[-1].close).bars


def test_what_was_missed_is_caught_up_and_the_rest_is_told() -> None:
    """The newest and so many before it are due; those before are counted from their first on."""
    closed = closed_bars([FRIDAY], Timeframe.FIVE_MINUTES, FRIDAY.close + SETTLE, SETTLE)
    found = due(closed, closed[9].close)
    assert closed[-MOST_LATE_BARS - 1 :] == list(found.bars)
    assert (len(closed) - 10 - MOST_LATE_BARS - 1, closed[10].close) == (found.missed, found.missed_since)


@pytest.mark.parametrize(
    ("timeframe", "bars", "until"),
    [
        (Timeframe.FIVE_MINUTES, 3, MONDAY.open + timedelta(minutes=15)),
        (Timeframe.HOUR, 1, datetime(2024, 1, 8, 15, tzinfo=UTC)),
        (Timeframe.DAY, 1, MONDAY.close),
    ],
)
def test_validity_is_counted_in_bars_over_closed_days(
    timeframe: Timeframe, bars: int, until: datetime
) -> None:
    """A signal of Friday's last bar may be traded on Monday."""
    assert until == valid_until([FRIDAY, MONDAY], timeframe, FRIDAY.close, bars)


def test_a_validity_past_the_calendar_says_what_to_lower() -> None:
    """The setting to change is named."""
    with pytest.raises(LookupError, match="signal_validity_bars"):
        valid_until([FRIDAY, MONDAY], Timeframe.DAY, FRIDAY.close, 2)


def test_symbols_are_the_watchlists_and_the_strategies_own() -> None:
    """Each once, the watchlist's first, and only those that a strategy of the timeframe judges."""
    strategies = {
        "watch": StrategySettings(),
        "own": StrategySettings(symbols=("MSFT", "AAPL")),
        "fast": StrategySettings(timeframe=Timeframe.MINUTE, symbols=("GOOG",)),
    }
    assert ("IBM", "AAPL", "MSFT") == symbols_judged(strategies, ("IBM", "AAPL"), Timeframe.DAY)
    assert ("GOOG",) == symbols_judged(strategies, ("IBM", "AAPL"), Timeframe.MINUTE)
    assert () == symbols_judged(strategies, ("IBM",), Timeframe.HOUR)
    assert [Timeframe.MINUTE, Timeframe.DAY] == timeframes(strategies)
    assert ["own", "watch"] == list(of_timeframe(strategies, Timeframe.DAY))


def test_shards_hold_every_symbol_once() -> None:
    """The last one holds what is left."""
    assert [("A", "B"), ("C",)] == shards_of(("A", "B", "C"), 2)
