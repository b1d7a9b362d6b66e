"""Slippage is measured against the market at the decision and against what a backtest would assume."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.orders.order import LegRole
from alpaquero.portfolio.slippage import (
    Assumed,
    Benchmark,
    OrderSlippage,
    figures_by,
    figures_of,
    slippage_of,
)
from tests.unit.orders.builders import a_fill, an_order

DAY = date(2012, 7, 2)  # of the builders' fills


def measured(*prices: str, assumed: Assumed | None = None, **changes: Any) -> OrderSlippage:
    """The slippage of one order that filled one share at each of the prices, minutes after noon."""
    order = an_order(arrival_price=Decimal(100), **changes)
    identifier = order.client_order_id
    fills = [a_fill(n, order.side, "1", price, order=identifier) for n, price in enumerate(prices, 1)]
    [found] = slippage_of(fills, {identifier: order}, assumed or Assumed())
    return found


@pytest.mark.parametrize(("side", "bps", "cost"), [("buy", "50", "1"), ("sell", "-50", "-1")])
def test_a_worse_price_than_on_arrival_is_a_cost(side: str, bps: str, cost: str) -> None:
    """Half a dollar above 100: fifty basis points lost by a buyer, gained by a seller."""
    found = measured("100", "101", side=Side(side))
    assert (found.benchmark, found.price) == (Benchmark.ARRIVAL, Decimal("100.5"))
    assert (found.slippage_bps, found.cost) == (Decimal(bps), Decimal(cost))


def test_beyond_is_what_the_backtest_did_not_assume() -> None:
    """Bought ten basis points above arrival, of which the backtest takes three for granted."""
    found = measured("100.10", assumed=Assumed(taken_bps=Decimal(3)))
    assert (found.assumed_price, found.assumed_bps, found.beyond_bps) == (
        Decimal("100.03"), Decimal(3), Decimal("7.00"),
    )  # fmt: skip


def test_what_waits_for_the_open_is_assumed_to_fill_there() -> None:
    """Decided the evening before: the gap is slippage, and the backtest has it too."""
    evening = datetime(2012, 6, 29, 20, 5, tzinfo=UTC)
    opens = Assumed(taken_bps=Decimal(1), opens={("AAPL", DAY): Decimal(102)})
    found = measured("102.0204", assumed=opens, created_at=evening)
    assert (found.slippage_bps, found.assumed_price) == (Decimal("202.04"), Decimal("102.0102"))
    assert found.beyond_bps == Decimal("1.00")
    assert measured("102", assumed=opens).assumed_price == Decimal("100.01")


@pytest.mark.parametrize(("opened", "assumed"), [("98", "97"), ("95", "95")])
def test_a_stop_is_measured_by_its_price_and_a_gap_by_the_open(opened: str, assumed: str) -> None:
    """The backtest fills a stop at itself, or at the open when that is beyond it already."""
    found = measured(
        "94", side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(97),
        created_at=datetime(2012, 6, 29, 15, tzinfo=UTC),
        assumed=Assumed(taken_bps=Decimal(0), opens={("AAPL", DAY): Decimal(opened)}),
    )  # fmt: skip
    assert (found.benchmark, found.benchmark_price) == (Benchmark.STOP, Decimal(97))
    assert found.assumed_price == Decimal(assumed)


def test_a_target_is_measured_by_what_it_asked_for() -> None:
    """A limit never pays the spread, and may fill better than it asked for."""
    found = measured(
        "106.5", side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(106),
        role=LegRole.TAKE_PROFIT,
    )  # fmt: skip
    assert (found.benchmark, found.assumed_price, found.cost) == (
        Benchmark.LIMIT, Decimal(106), Decimal("-0.5"),
    )  # fmt: skip


def test_an_auction_pays_no_spread() -> None:
    """The opening and closing auctions have one price for both sides."""
    assert measured("100", time_in_force=TimeInForce.CLS).assumed_price == Decimal(100)


def test_without_a_price_of_the_market_the_signals_close_stands_in() -> None:
    """Orders of earlier versions kept the signal's price alone; without any, nothing is measured."""
    order = an_order(reference_price=Decimal(100))
    fill = a_fill(1, "buy", "1", "101", order=order.client_order_id)
    [found] = slippage_of([fill], {order.client_order_id: order}, Assumed())
    assert found.benchmark is Benchmark.SIGNAL
    assert [] == slippage_of([fill], {order.client_order_id: an_order()}, Assumed())
    assert [] == slippage_of([fill], {}, Assumed())


def test_figures_count_orders_and_name_the_worst() -> None:
    """Mean, median and worst in basis points, by any key, the dearest group first."""
    some = [measured("100.10"), measured("100.20"), measured("100.90"), measured("99", symbol="MSFT")]
    assert figures_of([]) is None
    groups = figures_by(some, lambda one: one.symbol)
    assert list(groups) == ["AAPL", "MSFT"]
    found = groups["AAPL"]
    assert (found.orders, found.median_bps, found.worst_bps) == (3, 20.0, 90.0)
    assert found.mean_bps == pytest.approx(40.0)
    assert found.mean_beyond_bps == pytest.approx(39.0, abs=0.02)
    assert found.cost == Decimal("1.20")
