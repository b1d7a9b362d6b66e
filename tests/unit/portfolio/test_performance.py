"""Slippage against the arrival price, and how results are spread."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from alpaquero.portfolio.performance import Slippage, distribution, slippage_of
from alpaquero.portfolio.trades import OrderWords, Trade, folded
from tests.unit.orders.builders import a_fill


def trades(*prices: str) -> list[Trade]:
    """One-share round trips bought at 100 and sold at each of `prices`."""
    fills = []
    for number, price in enumerate(prices):
        fills += [a_fill(2 * number, "buy", "1", "100"), a_fill(2 * number + 1, "sell", "1", price)]
    return folded(fills, {})[0]


def test_slippage_is_what_was_paid_beyond_arrival() -> None:
    """Bought 10 cents dearer and sold 5 cents cheaper than the market stood, on 4 shares: a cost."""
    words = {
        "in": OrderWords(arrival_price=Decimal("99.90")),
        "out": OrderWords(arrival_price=Decimal("110.05")),
    }
    fills = [a_fill(1, "buy", "4", "100", order="in"), a_fill(2, "sell", "4", "110", order="out")]
    closed, _ = folded(fills, words)
    assert slippage_of(closed) == Slippage(Decimal("0.60"), Decimal("7.1446"))


def test_a_short_sale_below_arrival_is_a_cost() -> None:
    """Sold at 99 when it stood at 100; nothing is known of the purchase."""
    fills = [a_fill(1, "sell", "2", "99", order="in"), a_fill(2, "buy", "2", "90")]
    closed, _ = folded(fills, {"in": OrderWords(arrival_price=Decimal(100))})
    assert slippage_of(closed) == Slippage(Decimal(2), Decimal("100.0000"))


def test_without_an_arrival_price_there_is_no_slippage() -> None:
    """None of it is known, which is not none."""
    assert slippage_of(trades("110")).bps is None


def test_results_are_counted_in_round_steps() -> None:
    """Zero is an edge, a value on an edge belongs above it, and the empty steps between are there."""
    found = distribution(trades("95", "96", "100", "103", "105"), 5)
    assert [(int(step.low), int(step.high), step.trades, int(step.pnl)) for step in found] == [
        (-6, -4, 1, -5), (-4, -2, 1, -4), (-2, 0, 0, 0), (0, 2, 1, 0), (2, 4, 1, 3), (4, 6, 1, 5),
    ]  # fmt: skip


def test_no_trade_has_no_steps() -> None:
    """Nothing to count; one trade that made nothing has one step."""
    assert distribution([], 20) == []
    (step,) = distribution(trades("100"), 20)
    assert (step.low, step.trades) == (0, 1)


@given(st.lists(st.decimals("1", "900", places=2), min_size=1, max_size=40), st.integers(5, 100))
def test_every_trade_is_in_its_step(prices: list[Decimal], wanted: int) -> None:
    """Counts and dollars add up, wins and losses never share a step, and there are not too many."""
    closed = trades(*map(str, prices))
    found = distribution(closed, wanted)
    assert sum(step.trades for step in found) == len(closed)
    assert sum(step.pnl for step in found) == sum(trade.pnl for trade in closed)
    assert len(found) <= wanted + 2
    assert all(step.low >= 0 or step.high <= 0 for step in found)
    for step in found:
        inside = [t for t in closed if t.pnl_percent is not None and step.low <= t.pnl_percent < step.high]
        assert len(inside) == step.trades
