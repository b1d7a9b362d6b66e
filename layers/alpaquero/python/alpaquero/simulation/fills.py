"""Decides every simulated fill, for the paper exchange.

Pure: an order and a stretch of prices go in, a fill or nothing comes out. A random draw depends on
the seed and the client order id alone, so the order in which orders arrive changes nothing.

The rules, as Alpaca's paper trading has them (fills at the quote, no limit on size, no fees):

- a market order fills at the first price of the span; a buy pays the ask, a sell gets the bid;
- a stop fills at the first price when that is already beyond it (a gap), else at the stop itself,
  both times as a market order;
- a limit fills at the first price when that is through it, else at the limit, and only when the
  price trades strictly through it;
- when the stop and the target of one position are both reached inside a span, the stop wins,
  because prices of a span do not say which came first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from hashlib import sha256

from alpaquero.prices.ticks import Direction, round_price

_DRAW_BITS = 53  # what a float holds exactly
_BASIS_POINTS = Decimal(10_000)


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """The order types that the matcher knows."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class Moment(StrEnum):
    """When in a span a fill happened: at its first price, or at some time inside it."""

    START = "start"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """What the matcher needs to know of an order. Quantities in shares, prices in dollars.

    `triggered` is true once the stop of a stop or stop-limit order was reached in an earlier span:
    such an order goes on as a market or a limit order.
    """

    client_order_id: str
    side: Side
    type: OrderType
    quantity: Decimal
    filled_quantity: Decimal = Decimal(0)
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggered: bool = False

    def __post_init__(self) -> None:
        """Refuse an order that lacks the price its type needs."""
        if self.type in {OrderType.LIMIT, OrderType.STOP_LIMIT} and self.limit_price is None:
            raise ValueError(f"order {self.client_order_id}: give a {self.type} order a limit_price")
        if self.type in {OrderType.STOP, OrderType.STOP_LIMIT} and self.stop_price is None:
            raise ValueError(f"order {self.client_order_id}: give a {self.type} order a stop_price")


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """A stretch of traded prices: the first, the extremes, the last, and whether it begins a session."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    starts_session: bool = False


@dataclass(frozen=True, slots=True)
class MatchingTerms:
    """What fills depend on besides the order and the prices."""

    seed: int
    half_spread_bps: Decimal = Decimal(1)
    partial_fill_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Quote:
    """Bid and ask, each on its price step."""

    bid: Decimal
    ask: Decimal


@dataclass(frozen=True, slots=True)
class Fill:
    """Shares traded at a price, at the first price of the span or inside it."""

    quantity: Decimal
    price: Decimal
    moment: Moment


def quote_around(price: Decimal, half_spread_bps: Decimal) -> Quote:
    """The quote around a traded price, each side rounded to its step away from the price.

    >>> quote_around(Decimal("100"), Decimal(1))
    Quote(bid=Decimal('99.99'), ask=Decimal('100.01'))
    """
    half = price * half_spread_bps / _BASIS_POINTS
    return Quote(
        bid=round_price(price - half, Direction.DOWN),
        ask=round_price(price + half, Direction.UP),
    )


def match(order: WorkingOrder, span: PriceSpan, terms: MatchingTerms) -> Fill | None:
    """The fill that `order` gets in `span`, or None."""
    execution = _execution(order, span, terms.half_spread_bps)
    if execution is None:
        return None
    price, moment = execution
    return Fill(quantity=_fill_quantity(order, terms), price=price, moment=moment)


def match_exits(
    stop: WorkingOrder, target: WorkingOrder, span: PriceSpan, terms: MatchingTerms
) -> tuple[WorkingOrder, Fill] | None:
    """The one of two exits that fills in `span`: what happens at its first price first, then the stop."""
    fills = [(leg, match(leg, span, terms)) for leg in (stop, target)]
    reached = [(leg, fill) for leg, fill in fills if fill is not None]
    return min(reached, key=lambda pair: pair[1].moment is Moment.INSIDE, default=None)


def triggers(order: WorkingOrder, span: PriceSpan) -> bool:
    """Whether the stop of a stop or stop-limit order is reached in `span`."""
    return _trigger(order, span) is not None


def rest_after(order: WorkingOrder, fill: Fill, span: PriceSpan) -> PriceSpan:
    """What is left of `span` once `order` was filled in it: all that the exits of that entry may see.

    After a fill at the first price that is the whole span. After one inside, the extreme on the far
    side of the order's own price is still to come; the other one may lie before the fill, so there
    only the fill price and the last price count.
    """
    if fill.moment is Moment.START:
        return replace(span, starts_session=False)
    level = order.limit_price if order.type is OrderType.LIMIT else order.stop_price
    if level is None:
        raise ValueError(f"order {order.client_order_id}: a {order.type} order fills at the start of a span")
    falling = (order.side is Side.BUY) is (order.type is OrderType.LIMIT)
    certain = order.type is not OrderType.STOP_LIMIT
    return PriceSpan(
        open=level,
        high=span.high if certain and not falling else max(level, span.close),
        low=span.low if certain and falling else min(level, span.close),
        close=span.close,
    )


def _execution(
    order: WorkingOrder, span: PriceSpan, half_spread_bps: Decimal
) -> tuple[Decimal, Moment] | None:
    """Price and moment at which the order trades in the span."""
    if order.type is OrderType.MARKET or (order.type is OrderType.STOP and order.triggered):
        return _taken(order.side, span.open, half_spread_bps), Moment.START
    if order.type is OrderType.LIMIT or order.triggered:
        return _limit_execution(order, span, half_spread_bps)
    trigger = _trigger(order, span)
    if trigger is None:
        return None
    level, moment = trigger
    if order.type is OrderType.STOP:
        return _taken(order.side, level, half_spread_bps), moment
    if moment is Moment.START:
        return _limit_execution(order, span, half_spread_bps)
    rest = PriceSpan(level, max(level, span.close), min(level, span.close), span.close)
    limited = _limit_execution(order, rest, half_spread_bps)
    return None if limited is None else (limited[0], Moment.INSIDE)


def _trigger(order: WorkingOrder, span: PriceSpan) -> tuple[Decimal, Moment] | None:
    """The price at which the order's stop is reached: the first price after a gap, else the stop."""
    stop = order.stop_price
    if stop is None:
        return None
    if order.side is Side.SELL:
        gapped, reached = span.open <= stop, span.low <= stop
    else:
        gapped, reached = span.open >= stop, span.high >= stop
    if gapped:
        return span.open, Moment.START
    return (stop, Moment.INSIDE) if reached else None


def _limit_execution(
    order: WorkingOrder, span: PriceSpan, half_spread_bps: Decimal
) -> tuple[Decimal, Moment] | None:
    """A limit trades at the first price when through it (never worse than the limit), else at the limit."""
    limit = order.limit_price
    if limit is None:
        return None
    taken = _taken(order.side, span.open, half_spread_bps)
    if order.side is Side.SELL:
        at_start, reached, price = span.open > limit, span.high > limit, max(limit, taken)
    else:
        at_start, reached, price = span.open < limit, span.low < limit, min(limit, taken)
    if at_start:
        return price, Moment.START
    return (limit, Moment.INSIDE) if reached else None


def _taken(side: Side, price: Decimal, half_spread_bps: Decimal) -> Decimal:
    """What an order that takes the quote around `price` pays or gets."""
    quote = quote_around(price, half_spread_bps)
    return quote.ask if side is Side.BUY else quote.bid


def _fill_quantity(order: WorkingOrder, terms: MatchingTerms) -> Decimal:
    """All that is open, or once in an order's life a whole-share part of it, as the draw says."""
    still_open = order.quantity - order.filled_quantity
    if order.filled_quantity or still_open <= 1:
        return still_open
    if _draw(terms.seed, order.client_order_id, "partial") >= terms.partial_fill_probability:
        return still_open
    share = Decimal(_draw(terms.seed, order.client_order_id, "share"))
    part = (still_open * share).to_integral_value(rounding=ROUND_FLOOR)
    return max(Decimal(1), part)


def _draw(seed: int, client_order_id: str, what: str) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    digest = sha256(f"{seed}/{client_order_id}/{what}".encode()).digest()
    return (int.from_bytes(digest) >> (8 * len(digest) - _DRAW_BITS)) / 2.0**_DRAW_BITS
