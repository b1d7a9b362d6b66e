"""Slippage: what fills cost beyond the market's price, and beyond what a backtest would have assumed.

`analytics/api` calls it. An order's slippage is the distance of its average fill from its benchmark, in
basis points of it, above 0 when it cost money: A. F. Perold, "The Implementation Shortfall: Paper
Versus Reality", Journal of Portfolio Management 14 (1988), 4-9. Statistics are floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from statistics import fmean, median

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.orders.order import Fill, LegRole, Order
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

_BASIS_POINTS = Decimal(10_000)
_HUNDREDTH = Decimal("0.01")
_ZERO = Decimal(0)
_OPENS_AT = time(9, 30)
_TARGETS = frozenset({OrderType.LIMIT})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})


class Benchmark(StrEnum):
    """What an order's fills are measured against."""

    ARRIVAL = "arrival"  # the market when the order was decided
    SIGNAL = "signal"  # the close that the signal was raised at: nothing better is kept
    STOP = "stop"  # the price that woke a stop
    LIMIT = "limit"  # the price that a target asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSlippage:
    """The slippage of one order. Prices are dollars a share; basis points are above 0 for a cost.

    `assumed_price` is what a backtest with the same prices fills at: the session's open for what
    waited for it (None where no bar tells it and the benchmark stands in), spread and slippage
    settings included. `beyond_bps` is how far the fills were from that; `cost` is dollars lost to
    the benchmark.
    """

    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    strategy: str
    filled_at: datetime
    quantity: Decimal
    price: Decimal
    benchmark: Benchmark
    benchmark_price: Decimal
    assumed_price: Decimal
    slippage_bps: Decimal
    assumed_bps: Decimal
    beyond_bps: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippageFigures:
    """The slippage of several orders, in basis points; `cost` in dollars. Mean and median count orders."""

    orders: int
    mean_bps: float
    median_bps: float
    worst_bps: float
    mean_assumed_bps: float
    mean_beyond_bps: float
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What backtests assume of fills: `taken_bps` is half the spread and slippage, which no limit pays.

    `opens` are raw opening prices by symbol and New York date.
    """

    taken_bps: Decimal = Decimal(1)
    opens: Mapping[tuple[str, date], Decimal] = field(default_factory=dict)


def slippage_of(fills: Iterable[Fill], orders: Mapping[str, Order], assumed: Assumed) -> list[OrderSlippage]:
    """The slippage of every order that filled, by the time of its last fill.

    `orders` are by client order id. An order without a benchmark (placed elsewhere, or a trailing stop
    whose price is not known) is left out.
    """
    by_order: dict[str, list[Fill]] = {}
    for fill in fills:
        by_order.setdefault(fill.client_order_id or "", []).append(fill)
    found = [
        _measured(orders[identifier], sorted(of_order, key=lambda fill: (fill.at, fill.id)), assumed)
        for identifier, of_order in by_order.items()
        if identifier in orders
    ]
    return sorted((one for one in found if one), key=lambda one: (one.filled_at, one.client_order_id))


def figures_of(slippages: Sequence[OrderSlippage]) -> SlippageFigures | None:
    """The figures of several orders, None of none."""
    if not slippages:
        return None
    bps = [float(one.slippage_bps) for one in slippages]
    return SlippageFigures(
        orders=len(bps),
        mean_bps=fmean(bps),
        median_bps=median(bps),
        worst_bps=max(bps),
        mean_assumed_bps=fmean(float(one.assumed_bps) for one in slippages),
        mean_beyond_bps=fmean(float(one.beyond_bps) for one in slippages),
        cost=sum((one.cost for one in slippages), _ZERO),
    )


def figures_by(
    slippages: Iterable[OrderSlippage], key: Callable[[OrderSlippage], str]
) -> dict[str, SlippageFigures]:
    """The figures of each group that `key` names, the dearest first."""
    groups: dict[str, list[OrderSlippage]] = {}
    for one in slippages:
        groups.setdefault(key(one), []).append(one)
    found = {name: figures for name, group in groups.items() if (figures := figures_of(group))}
    return dict(sorted(found.items(), key=lambda pair: (-pair[1].cost, pair[0])))


def _measured(order: Order, fills: Sequence[Fill], assumed: Assumed) -> OrderSlippage | None:
    measure = _benchmark(order)
    if measure is None:
        return None
    benchmark, against = measure
    quantity = sum((fill.quantity for fill in fills), _ZERO)
    paid = sum((fill.quantity * fill.price for fill in fills), _ZERO)
    price = paid / quantity
    expected = _assumed_price(order, benchmark, against, fills[0], assumed)
    return OrderSlippage(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        strategy=order.strategy or "",
        filled_at=fills[-1].at,
        quantity=quantity,
        price=price.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN),
        benchmark=benchmark,
        benchmark_price=against,
        assumed_price=expected,
        slippage_bps=_lost_bps(order.side, price, against),
        assumed_bps=_lost_bps(order.side, expected, against),
        beyond_bps=_lost_bps(order.side, price, expected),
        cost=(paid - quantity * against) * (1 if order.side is Side.BUY else -1),
    )


def _benchmark(order: Order) -> tuple[Benchmark, Decimal] | None:
    """What an order is measured against; a stop by the price that wakes it, a target by what it asked."""
    if order.order_type in _STOPS:
        return (Benchmark.STOP, order.stop_price) if order.stop_price else None
    if order.role is LegRole.TAKE_PROFIT and order.limit_price:
        return Benchmark.LIMIT, order.limit_price
    if order.arrival_price:
        return Benchmark.ARRIVAL, order.arrival_price
    return (Benchmark.SIGNAL, order.reference_price) if order.reference_price else None


def _assumed_price(
    order: Order, benchmark: Benchmark, against: Decimal, first: Fill, assumed: Assumed
) -> Decimal:
    """What `alpaquero.simulation.fills` would fill the order at, from what is known of the day."""
    day = first.at.astimezone(NEW_YORK).date()
    opened = assumed.opens.get((order.symbol, day)) if _waited_for(day, order) else None
    if order.order_type in _TARGETS and order.limit_price:
        price = order.limit_price
        return min(price, opened or price) if order.side is Side.BUY else max(price, opened or price)
    price = against
    if opened is not None:
        beyond = opened < against if order.side is Side.SELL else opened > against
        price = opened if benchmark is not Benchmark.STOP or beyond else against
    taken = _ZERO if order.time_in_force in _AUCTIONS else assumed.taken_bps
    return price * (1 + (taken if order.side is Side.BUY else -taken) / _BASIS_POINTS)


def _waited_for(day: date, order: Order) -> bool:
    """Whether the order was there before that day's session opened."""
    decided = order.created_at.astimezone(NEW_YORK)
    return (decided.date(), decided.time()) < (day, _OPENS_AT)


def _lost_bps(side: Side, price: Decimal, against: Decimal) -> Decimal:
    lost = price - against if side is Side.BUY else against - price
    return (lost / against * _BASIS_POINTS).quantize(_HUNDREDTH, rounding=ROUND_HALF_EVEN)
