"""Alpaca's position routes: list, look up, close one or all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import takewhile

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import bar_start, last_closed_session
from alpaquero.simulation import OrderType, Side, TimeInForce
from laptop.exchange import order_wire, wire
from laptop.exchange.answers import flag, json_answer, number, venue_of
from laptop.exchange.assets_api import symbol_of
from laptop.exchange.book import Position, Trade
from laptop.exchange.errors import RefusedError, malformed, not_found
from laptop.exchange.terms import OrderRequest
from laptop.exchange.venue import Venue

_MISSING = "position does not exist"
_ALL = Decimal(100)
_NINE_PLACES = Decimal("1e-9")
_WHOLE = Decimal(1)
_NONE = Decimal(0)
_NO_WAIT = timedelta()


async def positions(request: Request) -> Response:
    """GET /v2/positions."""
    venue = venue_of(request)
    today = _fills_of_today(venue)
    return json_answer([_body(venue, symbol, today) for symbol in sorted(venue.book.positions)])


async def position(request: Request) -> Response:
    """GET /v2/positions/{symbol or asset id}."""
    venue = venue_of(request)
    symbol = _held_symbol(venue, request.path_params["key"])
    return json_answer(_body(venue, symbol, _fills_of_today(venue)))


async def close_position(request: Request) -> Response:
    """DELETE /v2/positions/{symbol or asset id}: all of it, `qty` shares or a `percentage`."""
    venue = venue_of(request)
    symbol = _held_symbol(venue, request.path_params["key"])
    quantity, percentage = number(request, "qty"), number(request, "percentage")
    if quantity is not None and percentage is not None:
        raise malformed("only one of qty and percentage can be given")
    held = venue.book.positions[symbol].quantity
    if percentage is not None:
        quantity = _part(abs(held), percentage)
    return json_answer(_close(venue, symbol, abs(held) if quantity is None else quantity))


async def close_positions(request: Request) -> Response:
    """DELETE /v2/positions: every position, with `cancel_orders` after every open order is cancelled."""
    venue = venue_of(request)
    if flag(request, "cancel_orders"):
        venue.cancel_all()
    answers: list[wire.Json] = []
    for symbol, owned in sorted(venue.book.positions.items()):
        try:
            status, body = 200, _close(venue, symbol, abs(owned.quantity))
        except RefusedError as error:
            status, body = error.status, error.body
        answers.append({"symbol": symbol, "status": status, "body": body})
    return json_answer(answers, status=207)


def _held_symbol(venue: Venue, key: str) -> str:
    """The symbol of an open position that a symbol or an asset id names."""
    symbol = symbol_of(venue, key)
    if symbol is None or symbol not in venue.book.positions:
        raise not_found(_MISSING)
    return symbol


def _part(held: Decimal, percentage: Decimal) -> Decimal:
    """A percentage of a position: of whole shares a whole number, else to nine decimals."""
    if percentage > _ALL:
        raise malformed("percentage must be between 0 and 100")
    step = _WHOLE if held == held.to_integral_value() else _NINE_PLACES
    part = (held * percentage / _ALL).quantize(step, ROUND_FLOOR)
    if not part:
        raise malformed(f"percentage {wire.text(percentage)} of {wire.text(held)} shares is no share")
    return part


def _close(venue: Venue, symbol: str, quantity: Decimal) -> wire.Json:
    """Place the market order that closes shares of a position, as a client would."""
    side = Side.SELL if venue.book.positions[symbol].quantity > 0 else Side.BUY
    order = venue.place_order(
        OrderRequest(
            symbol=symbol,
            qty=quantity,
            side=side.value,
            type=OrderType.MARKET.value,
            time_in_force=TimeInForce.DAY.value,
        )
    )
    status = order_wire.submitted_status(order)
    return order_wire.order_body(order, venue.book, venue.seed, nested=True, status=status)


def _body(venue: Venue, symbol: str, today: Mapping[str, Sequence[Trade]]) -> wire.Json:
    owned = venue.book.positions[symbol]
    trade = venue.market.last_trade(symbol, venue.now)
    price = trade.price if trade is not None else owned.cost / owned.quantity
    last = venue.market.previous_close(symbol, venue.now)
    basis = _basis_of_today(owned, today.get(symbol, ()), price if last is None else last)
    return wire.position_body(symbol, owned, venue.seed, held=venue.book.held(symbol), price=price, day=basis)


def _basis_of_today(owned: Position, traded: Sequence[Trade], last: Decimal) -> wire.DayBasis:
    """Shares held overnight count from the last close, those opened today from what was paid.

    What was closed today is taken from the shares held overnight first.
    """
    direction = 1 if owned.quantity > 0 else -1
    opening = Side.BUY if direction > 0 else Side.SELL
    opened = [trade for trade in traded if trade.side is opening]
    bought = sum((trade.quantity for trade in opened), start=_NONE)
    closed = sum((trade.quantity for trade in traded if trade.side is not opening), start=_NONE)
    shares = abs(owned.quantity)
    overnight = shares - bought + closed
    kept = min(max(overnight - closed, _NONE), shares)
    if kept == shares:
        return wire.DayBasis(last, owned.quantity * last)
    paid = sum((trade.quantity * trade.price for trade in opened), start=_NONE) / bought
    return wire.DayBasis(last, direction * (kept * last + (shares - kept) * paid))


def _fills_of_today(venue: Venue) -> dict[str, list[Trade]]:
    """The fills since the midnight before the session that is open or closed last, by symbol."""
    sessions = venue.market.history.sessions
    session = venue.market.open_session(venue.now) or last_closed_session(sessions, venue.now, _NO_WAIT)
    since = venue.now if session is None else bar_start(session)
    fills: dict[str, list[Trade]] = defaultdict(list)
    for trade in takewhile(lambda trade: trade.at >= since, reversed(venue.book.trades)):
        fills[trade.symbol].append(trade)
    return fills


ROUTES = [
    Route("/v2/positions", positions),
    Route("/v2/positions", close_positions, methods=["DELETE"]),
    Route("/v2/positions/{key}", position),
    Route("/v2/positions/{key}", close_position, methods=["DELETE"]),
]
