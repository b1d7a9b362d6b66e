"""How a trailing stop follows the price: pure, over one span at a time.

The matcher asks `follow` whether and where the stop is reached; the paper exchange also stores the
high-water mark that it answers. Source of the terms: Alpaca's description of trailing stop orders.
The mark is the best price seen since the order was placed, the highest for a sale and the lowest for
a purchase; the stop lies `trail_price` dollars or `trail_percent` percent behind it.

Only the order in which a span's prices came can say whether the mark moved before the stop was
reached, so a span is read as a candle: see `PriceSpan.reading`.
"""

from __future__ import annotations

from decimal import Decimal

from alpaquero.orders.kinds import OrderType, Side
from alpaquero.quickly_made import dataclass
from alpaquero.simulation.working import Moment, PriceSpan, Workable

_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Trail:
    """The mark after a span, or when the stop was reached; `reached` is the price and moment of that."""

    high_water_mark: Decimal
    reached: tuple[Decimal, Moment] | None


def trailing_stop_price(
    side: Side, mark: Decimal, trail_price: Decimal | None, trail_percent: Decimal | None
) -> Decimal:
    """The stop that trails behind `mark`, to a hundredth of a cent.

    >>> trailing_stop_price(Side.SELL, Decimal(200), None, Decimal(2))
    Decimal('196.0000')
    """
    distance = trail_price if trail_price is not None else mark * (trail_percent or Decimal(0)) / 100
    return (mark - distance if side is Side.SELL else mark + distance).quantize(_STEP)


def follow(order: Workable, span: PriceSpan) -> Trail:
    """Move the mark of a trailing stop through a span, until its stop is reached or the span ends.

    Raises ValueError for another type of order.
    """
    mark = order.high_water_mark
    if order.type is not OrderType.TRAILING_STOP or mark is None:
        raise ValueError(f"order {order.client_order_id}: only a trailing_stop order follows the price")
    if _is_beyond(order, span.open, mark):
        return Trail(mark, (span.open, Moment.START))
    for price in span.reading:
        if _is_beyond(order, price, mark):
            stop = trailing_stop_price(order.side, mark, order.trail_price, order.trail_percent)
            return Trail(mark, (stop, Moment.INSIDE))
        mark = max(mark, price) if order.side is Side.SELL else min(mark, price)
    return Trail(mark, None)


def _is_beyond(order: Workable, price: Decimal, mark: Decimal) -> bool:
    stop = trailing_stop_price(order.side, mark, order.trail_price, order.trail_percent)
    return price <= stop if order.side is Side.SELL else price >= stop
