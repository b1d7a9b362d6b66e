"""Decides every simulated fill, for the paper exchange and the backtest.

Pure: an order and a stretch of prices go in, a fill or nothing comes out. A random draw depends on
the seed and the client order id alone, so the order in which orders arrive changes nothing.

The rules, as Alpaca's paper trading has them (fills at the quote, no limit on size, no fees):

- a market order fills at the first price of the span; a buy pays the ask, a sell gets the bid;
- a stop fills at the first price when that is already beyond it (a gap), else at the stop itself,
  both times as a market order; a trailing stop likewise, behind its mark (`alpaquero.simulation.trailing`);
- a limit fills at the first price when that is through it, else at the limit, and only when the
  price trades strictly through it;
- an order for the opening or the closing auction (`opg`, `cls`) fills whole, at the session's first
  or last price without a spread, or not at all;
- an immediate order (`ioc`, `fok`) sees the first price of a span and nothing after it; `fok` fills
  whole, `ioc` may fill in part like any other;
- an order for dollars fills whole, for the shares that the dollars buy, to nine decimals;
- when the stop and the target of one position are both reached inside a span, the stop wins,
  because prices of a span do not say which came first.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from hashlib import sha256
from typing import TypeVar

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.simulation.trailing import follow
from alpaquero.simulation.working import Fill, MatchingTerms, Moment, PriceSpan, Quote, Workable

_DRAW_BITS = 53  # what a float holds exactly
_BASIS_POINTS = Decimal(10_000)
_SHARE_STEP = Decimal("1e-9")
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG})
_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_WHOLE = _AUCTIONS | {TimeInForce.FOK}
_AS_THEY_COME = frozenset({TimeInForce.DAY, TimeInForce.GTC})

# Python 3.11 takes ten times as long to find a member in its enum.
_BUY, _SELL = Side.BUY, Side.SELL
_MARKET, _LIMIT, _STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT
_TRAILING_STOP = OrderType.TRAILING_STOP
_UP, _DOWN = Direction.UP, Direction.DOWN
_START, _INSIDE = Moment.START, Moment.INSIDE

O = TypeVar("O", bound=Workable)  # noqa: E741 - an order


def quote_around(price: Decimal, half_spread_bps: Decimal) -> Quote:
    """The quote around a traded price, each side rounded to its step away from the price.

    >>> quote_around(Decimal("100"), Decimal(1))
    Quote(bid=Decimal('99.99'), ask=Decimal('100.01'))
    """
    return Quote(
        bid=taken(_SELL, price, half_spread_bps),
        ask=taken(_BUY, price, half_spread_bps),
    )


def taken(side: Side, price: Decimal, half_spread_bps: Decimal) -> Decimal:
    """What an order that takes the quote around `price` pays or gets."""
    half = price * half_spread_bps / _BASIS_POINTS
    if side is _BUY:
        return round_price(price + half, _UP)
    return round_price(price - half, _DOWN)


def match(order: Workable, span: PriceSpan, terms: MatchingTerms) -> Fill | None:
    """The fill that `order` gets in `span`, or None."""
    execution = _execution(order, span, terms.half_spread_bps)
    if execution is None:
        return None
    price, moment = execution
    quantity = _fill_quantity(order, price, terms)
    return Fill(quantity=quantity, price=price, moment=moment) if quantity else None


def is_over(order: Workable, span: PriceSpan) -> bool:
    """Whether what `span` left of an order is cancelled: auctions and immediate orders do not wait."""
    if order.time_in_force is TimeInForce.CLS:
        return span.ends_session
    return order.time_in_force in _AT_ONCE


def match_exits(stop: O, target: O, span: PriceSpan, terms: MatchingTerms) -> tuple[O, Fill] | None:
    """The one of two exits that fills in `span`: what happens at its first price first, then the stop."""
    of_stop, of_target = match(stop, span, terms), match(target, span, terms)
    if of_stop is None:
        return None if of_target is None else (target, of_target)
    if of_target is None or of_stop.moment is not _INSIDE or of_target.moment is _INSIDE:
        return stop, of_stop
    return target, of_target


def triggers(order: Workable, span: PriceSpan) -> bool:
    """Whether the stop of a stop, stop-limit or trailing-stop order is reached in `span`."""
    return _trigger(order, span) is not None


def rest_after(order: Workable, fill: Fill, span: PriceSpan) -> PriceSpan:
    """What is left of `span` once `order` was filled in it: all that the exits of that entry may see.

    After a fill at the first price that is the whole span. After one inside, the extreme on the far
    side of the order's own price is still to come; the other one may lie before the fill, so there
    only the fill price and the last price count.
    """
    if fill.moment is _START:
        return PriceSpan(span.open, span.high, span.low, span.close, ends_session=span.ends_session)
    if fill.moment is Moment.END:
        return PriceSpan(span.close, span.close, span.close, span.close, ends_session=span.ends_session)
    level = _level(order, span)
    limited = _works_as_limit(order)
    falling = (order.side is _BUY) is limited
    certain = limited or order.type is OrderType.STOP
    return PriceSpan(
        open=level,
        high=span.high if certain and not falling else max(level, span.close),
        low=span.low if certain and falling else min(level, span.close),
        close=span.close,
        ends_session=span.ends_session,
    )


def _level(order: Workable, span: PriceSpan) -> Decimal:
    """The price at which an order that filled inside `span` was reached; never beyond its limit."""
    limit = order.limit_price
    if limit is not None and _works_as_limit(order):
        return limit
    trigger = _trigger(order, span)
    if trigger is None:
        raise ValueError(f"order {order.client_order_id}: a {order.type} order fills at the start of a span")
    if limit is None:
        return trigger[0]
    return min(trigger[0], limit) if order.side is _BUY else max(trigger[0], limit)


def _works_as_limit(order: Workable) -> bool:
    """Whether it is a limit order, or a stop-limit whose stop was reached in an earlier span."""
    return order.type is _LIMIT or (order.type is _STOP_LIMIT and order.triggered)


def _execution(order: Workable, span: PriceSpan, half_spread_bps: Decimal) -> tuple[Decimal, Moment] | None:
    """Price and moment at which the order trades in the span."""
    if order.time_in_force not in _AS_THEY_COME:
        if order.time_in_force in _AUCTIONS:
            return _auction_execution(order, span)
        span = PriceSpan(span.open, span.open, span.open, span.open)
    if order.type is _MARKET or (order.triggered and order.type is not _STOP_LIMIT):
        return taken(order.side, span.open, half_spread_bps), _START
    if order.type is _LIMIT or order.triggered:
        return _limit_execution(order, span, half_spread_bps)
    trigger = _trigger(order, span)
    if trigger is None or order.type is _STOP_LIMIT:
        return trigger and _stop_limit_execution(order, span, trigger, half_spread_bps)
    return taken(order.side, trigger[0], half_spread_bps), trigger[1]


def _stop_limit_execution(
    order: Workable, span: PriceSpan, trigger: tuple[Decimal, Moment], half_spread_bps: Decimal
) -> tuple[Decimal, Moment] | None:
    """A stop-limit whose stop was reached trades as a limit in what the span is sure to have left."""
    level, moment = trigger
    if moment is _START:
        return _limit_execution(order, span, half_spread_bps)
    rest = PriceSpan(level, max(level, span.close), min(level, span.close), span.close)
    limited = _limit_execution(order, rest, half_spread_bps)
    return None if limited is None else (limited[0], _INSIDE)


def _trigger(order: Workable, span: PriceSpan) -> tuple[Decimal, Moment] | None:
    """The price at which the order's stop is reached: the first price after a gap, else the stop."""
    if order.type is _TRAILING_STOP:
        return follow(order, span).reached
    stop = order.stop_price
    if stop is None:
        return None
    if order.side is _SELL:
        gapped, reached = span.open <= stop, span.low <= stop
    else:
        gapped, reached = span.open >= stop, span.high >= stop
    if gapped:
        return span.open, _START
    return (stop, _INSIDE) if reached else None


def _auction_execution(order: Workable, span: PriceSpan) -> tuple[Decimal, Moment] | None:
    """An auction's one price, the first of a session or the last; a limit has to be better than it."""
    opening = order.time_in_force is TimeInForce.OPG
    if not (span.starts_session if opening else span.ends_session):
        return None
    price, moment = (span.open, _START) if opening else (span.close, Moment.END)
    if order.limit_price is None:
        return price, moment
    through = price < order.limit_price if order.side is _BUY else price > order.limit_price
    return (price, moment) if through else None


def _limit_execution(
    order: Workable, span: PriceSpan, half_spread_bps: Decimal
) -> tuple[Decimal, Moment] | None:
    """A limit trades at the first price when through it (never worse than the limit), else at the limit."""
    limit = order.limit_price
    if limit is None:
        return None
    selling = order.side is _SELL
    if span.open > limit if selling else span.open < limit:
        crossed = taken(order.side, span.open, half_spread_bps)
        return max(limit, crossed) if selling else min(limit, crossed), _START
    reached = span.high > limit if selling else span.low < limit
    return (limit, _INSIDE) if reached else None


def _fill_quantity(order: Workable, price: Decimal, terms: MatchingTerms) -> Decimal:
    """All that is open, or once in an order's life a whole-share part of it, as the draw says."""
    if order.notional is not None:
        shares = (order.notional / price).quantize(_SHARE_STEP, rounding=ROUND_FLOOR)
        return shares if order.side is _BUY else min(shares, order.quantity)
    still_open = order.quantity - order.filled_quantity
    if order.filled_quantity or still_open <= 1 or order.time_in_force in _WHOLE:
        return still_open
    chance = terms.partial_fill_probability
    if not chance or _draw(terms.seed, order.client_order_id, "partial") >= chance:
        return still_open
    share = Decimal(_draw(terms.seed, order.client_order_id, "share"))
    part = (still_open * share).to_integral_value(rounding=ROUND_FLOOR)
    return max(Decimal(1), part)


def _draw(seed: int, client_order_id: str, what: str) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    digest = sha256(f"{seed}/{client_order_id}/{what}".encode()).digest()
    return (int.from_bytes(digest) >> (8 * len(digest) - _DRAW_BITS)) / 2.0**_DRAW_BITS
