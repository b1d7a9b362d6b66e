"""Round trips in numbers, by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpaquero.portfolio.performance import figures_by, trade_figures

AT = datetime(2012, 1, 3, 15, tzinfo=UTC)


@dataclass(frozen=True)
class RoundTrip:
    """A trade as the figures see it."""

    pnl: Decimal
    opened_at: datetime
    closed_at: datetime
    symbol: str = "AAPL"


def trips(*gains: int, symbol: str = "AAPL") -> list[RoundTrip]:
    """One trade a day with these gains, each held two days longer than the one before."""
    return [
        RoundTrip(
            Decimal(gain), AT + timedelta(days=n) - timedelta(days=2 * n), AT + timedelta(days=n), symbol
        )
        for n, gain in enumerate(gains)
    ]


def test_figures_by_hand() -> None:
    """Two wins of 10 and 20, two losses of 6 each, one trade that made nothing."""
    found = trade_figures(reversed(trips(10, 20, -6, 0, -6)))
    assert (5, 2, 2, Decimal(18)) == (found.trades, found.wins, found.losses, found.pnl)
    assert (Decimal(40), Decimal("2.5"), Decimal("2.5")) == (
        found.win_rate_percent, found.profit_factor, found.payoff_ratio
    )  # fmt: skip
    assert (Decimal("3.6"), Decimal(15), Decimal(-6)) == (
        found.expectancy, found.average_win, found.average_loss
    )  # fmt: skip
    assert (Decimal(20), Decimal(-6)) == (found.largest_win, found.largest_loss)
    assert timedelta(days=4) == found.average_holding


def test_streaks_run_by_the_time_of_closing() -> None:
    """Three wins in a row; a trade that made nothing ends a streak of losses."""
    found = trade_figures(trips(1, 1, 1, -1, -1, 0, -1))
    assert (3, 2) == (found.longest_win_streak_trades, found.longest_loss_streak_trades)


def test_expectancy_is_what_the_rates_and_averages_say() -> None:
    """Win rate times average win plus loss rate times average loss is the mean profit."""
    found = trade_figures(trips(9, -3, -3, 5))
    assert found.expectancy == Decimal("0.5") * 7 + Decimal("0.5") * -3


def test_without_losses_there_is_no_profit_factor() -> None:
    """Nothing to divide by is None, not infinity."""
    found = trade_figures(trips(5))
    assert (None, None, None) == (found.profit_factor, found.payoff_ratio, found.average_loss)


def test_no_trades_have_no_figures() -> None:
    """All counts 0, all ratios None."""
    found = trade_figures([])
    assert (0, Decimal(0), None, None, None) == (
        found.trades, found.pnl, found.win_rate_percent, found.expectancy, found.average_holding
    )  # fmt: skip


def test_groups_are_told_the_most_profitable_first() -> None:
    """Each group has the figures of its own trades."""
    found = figures_by(trips(1, symbol="IBM") + trips(5, -2, symbol="AAPL"), lambda trip: trip.symbol)
    assert [("AAPL", Decimal(3)), ("IBM", Decimal(1))] == [(name, part.pnl) for name, part in found.items()]
