"""Between which prices nothing can happen to an order, so that nobody need look at it.

The exchange and the backtest keep one band a symbol: the common part of its orders' bands. While a span
of prices lies in it, no order of the symbol fills, triggers or follows.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.simulation.matching import Matched
from alpaquero.simulation.trailing import trailing_stop_price
from alpaquero.simulation.working import PriceSpan

_ABOVE_ALL = Decimal("Infinity")
_LEAST_STEP = Decimal("1e-9")  # finer than any price
_WAITING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
# Python 3.11 takes ten times as long to find a member in its enum.
_MARKET, _LIMIT, _STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT
_BUY, _SELL = Side.BUY, Side.SELL


class QuietBand(msgspec.Struct, frozen=True, gc=False):
    """A range of prices, both ends in it."""

    low: Decimal = Decimal(0)
    high: Decimal = _ABOVE_ALL

    def covers(self, span: PriceSpan) -> bool:
        """Whether the whole span lies in the band."""
        return self.low <= span.low and span.high <= self.high

    def within(self, other: QuietBand) -> QuietBand:
        """The common part of two bands."""
        return QuietBand(max(self.low, other.low), min(self.high, other.high))


def quiet_band(order: Matched) -> QuietBand | None:
    """The band of one order; None for one that may trade at any price."""
    if order.time_in_force not in _WAITING or order.type is _MARKET:
        return None
    if order.type is _LIMIT or (order.triggered and order.type is _STOP_LIMIT):
        return _limit_band(order)
    return None if order.triggered else _stop_band(order)


def _limit_band(order: Matched) -> QuietBand | None:
    if order.limit_price is None:
        return None
    return QuietBand(low=order.limit_price) if order.side is _BUY else QuietBand(high=order.limit_price)


def _stop_band(order: Matched) -> QuietBand | None:
    """Short of the stop; for a trailing stop also not beyond its mark, which would move it."""
    stop, mark = order.stop_price, order.high_water_mark
    if mark is not None:
        stop = trailing_stop_price(order.side, mark, order.trail_price, order.trail_percent)
    if stop is None:
        return None
    if order.side is _SELL:
        return QuietBand(stop + _LEAST_STEP, _ABOVE_ALL if mark is None else mark)
    return QuietBand(Decimal(0) if mark is None else mark, stop - _LEAST_STEP)
