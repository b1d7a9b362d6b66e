"""Performance: wins, losses, ratios that stay None until there is something to divide by, drawdown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpaquero.portfolio.performance import EquityPoint, max_drawdown_percent, performance_of
from alpaquero.portfolio.trades import Trade, trades_of
from tests.unit.orders.builders import a_fill, at


def trades(*prices: str) -> list[Trade]:
    """One-share round trips bought at 100 and sold at each of `prices`."""
    fills = []
    for number, price in enumerate(prices):
        fills += [a_fill(2 * number, "buy", "1", "100"), a_fill(2 * number + 1, "sell", "1", price)]
    return trades_of(fills)


def curve(*equities: str) -> list[EquityPoint]:
    """One mark a minute."""
    return [EquityPoint(at(minute), Decimal(equity)) for minute, equity in enumerate(equities)]


def test_the_summary_of_a_few_trades() -> None:
    """Two wins, one loss and one of nothing: rates of all trades, averages of their kind."""
    found = performance_of(trades("110", "95", "100", "106"), curve("1000", "1010", "1005", "1011"))
    assert (4, 2, 1, Decimal("50.0000")) == (found.trades, found.wins, found.losses, found.win_rate_percent)
    assert (Decimal(11), Decimal("3.2000")) == (found.realised_pnl, found.profit_factor)
    assert (Decimal(8), Decimal(-5)) == (found.average_win, found.average_loss)
    assert (Decimal("1.1000"), Decimal("0.4950")) == (found.total_return_percent, found.max_drawdown_percent)
    assert (at(0), at(7)) == (found.since, found.as_of)


def test_nothing_traded_gives_no_ratios() -> None:
    """Without trades and marks every ratio is None and the sums are 0."""
    found = performance_of([], [])
    assert (0, Decimal(0), Decimal(0)) == (found.trades, found.realised_pnl, found.max_drawdown_percent)
    assert {None} == {
        found.win_rate_percent, found.profit_factor, found.average_win, found.average_loss,
        found.total_return_percent, found.since, found.as_of,
    }  # fmt: skip


def test_wins_alone_have_no_profit_factor() -> None:
    """There is no loss to divide by."""
    found = performance_of(trades("110"), [])
    assert (None, Decimal("100.0000")) == (found.profit_factor, found.win_rate_percent)


def test_marks_may_come_in_any_order() -> None:
    """The curve is read by time."""
    marks = curve("1000", "1100", "990", "1050")
    assert performance_of([], marks) == performance_of([], marks[::-1])


def test_an_account_that_began_with_nothing_has_no_return() -> None:
    """A first mark of 0 is nothing to divide by."""
    assert performance_of([], curve("0", "100")).total_return_percent is None


@pytest.mark.parametrize(
    ("equities", "percent"),
    [
        ([], "0.0000"),
        (["100"], "0.0000"),
        (["100", "120", "130"], "0.0000"),
        (["100", "90", "120", "96", "130"], "20.0000"),
        (["100", "90", "80"], "20.0000"),
        (["0", "-5", "100", "50"], "50.0000"),
        (["3", "2"], "33.3333"),
    ],
)
def test_the_deepest_fall_counts(equities: list[str], percent: str) -> None:
    """From each peak to the lowest point after it."""
    assert Decimal(percent) == max_drawdown_percent(map(Decimal, equities))
