"""Alpaca's trading routes: account, clock, calendar, assets, positions, orders, activities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK, next_session
from laptop.exchange import wire
from laptop.exchange.admission import OrderRequest, buying_power, long_value, multiplier
from laptop.exchange.answers import flag, json_answer, moment, whole
from laptop.exchange.book import Order, Trade
from laptop.exchange.errors import RefusedError, invalid, malformed, not_found
from laptop.exchange.identity import account_number, derived_id
from laptop.exchange.venue import Venue

_CENT = Decimal("0.01")
_ORDER_STATES = {"open": (True,), "closed": (False,), "all": (True, False)}


def venue_of(request: Request) -> Venue:
    """The venue that the app serves."""
    venue: Venue = request.app.state.venue
    return venue


async def account(request: Request) -> Response:
    """GET /v2/account."""
    venue = venue_of(request)
    book, now = venue.book, venue.now
    held = long_value(book, venue.market, now)
    equity = book.cash + held
    power = buying_power(book, venue.market, now)
    times = multiplier(equity)
    regulation_t = power * min(times, Decimal(2)) / times
    body: wire.Json = {
        "id": derived_id(venue.seed, "account"),
        "account_number": account_number(venue.seed),
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": wire.text(book.cash),
        "equity": wire.text(equity),
        "last_equity": wire.text(book.last_equity),
        "portfolio_value": wire.text(equity),
        "long_market_value": wire.text(held),
        "short_market_value": "0",
        "position_market_value": wire.text(held),
        "buying_power": wire.text(power),
        "regt_buying_power": wire.text(regulation_t.quantize(_CENT)),
        "non_marginable_buying_power": wire.text(max(book.cash, Decimal(0))),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "initial_margin": wire.text(held / 2),
        "maintenance_margin": wire.text(held / 4),
        "last_maintenance_margin": wire.text(held / 4),
        "sma": "0",
        "multiplier": wire.text(times),
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": False,
        "balance_asof": now.astimezone(NEW_YORK).date().isoformat(),
        "created_at": wire.stamp(venue.sessions[0].open),
    }
    return json_answer(body)


async def clock(request: Request) -> Response:
    """GET /v2/clock."""
    venue = venue_of(request)
    session = venue.market.open_session(venue.now)
    upcoming = next_session(venue.market.history.calendar, venue.now)
    closing = session or upcoming
    return json_answer(
        {
            "timestamp": _local(venue.now),
            "is_open": session is not None,
            "next_open": _local(upcoming.open if upcoming else None),
            "next_close": _local(closing.close if closing else None),
        }
    )


def _local(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(NEW_YORK).isoformat()


async def calendar(request: Request) -> Response:
    """GET /v2/calendar, with `start` and `end`, both inclusive."""
    first, last = _day(request, "start", date.min), _day(request, "end", date.max)
    sessions = venue_of(request).market.history.calendar
    return json_answer([wire.calendar_body(s) for s in sessions if first <= s.date <= last])


def _day(request: Request, name: str, default: date) -> date:
    given = request.query_params.get(name)
    if not given:
        return default
    try:
        return datetime.fromisoformat(given).date()
    except ValueError:
        raise malformed(f"{name} must be a date like 2012-12-31") from None


async def assets(request: Request) -> Response:
    """GET /v2/assets, with `status`, `asset_class` and `exchange`."""
    venue, wanted = venue_of(request), request.query_params
    bodies = [_asset(venue, symbol) for symbol in venue.market.history.symbols]
    names = {"status": "status", "asset_class": "class", "exchange": "exchange"}
    filters = {field: wanted[name] for name, field in names.items() if wanted.get(name)}
    return json_answer(
        [body for body in bodies if all(body[field] == value for field, value in filters.items())]
    )


async def asset(request: Request) -> Response:
    """GET /v2/assets/{symbol or id}."""
    venue, key = venue_of(request), request.path_params["key"]
    return json_answer(_asset(venue, _symbol(venue, key, f"asset not found for {key}")))


def _asset(venue: Venue, symbol: str) -> wire.Json:
    tradable = venue.market.last_trade(symbol, venue.now) is not None
    return wire.asset_body(symbol, venue.seed, tradable=tradable)


def _symbol(venue: Venue, key: str, missing: str) -> str:
    """The symbol that a symbol or an asset id names."""
    for symbol in venue.market.history.symbols:
        if key.upper() == symbol or key.lower() == wire.asset_id(symbol, venue.seed):
            return symbol
    raise not_found(missing)


async def positions(request: Request) -> Response:
    """GET /v2/positions."""
    venue = venue_of(request)
    return json_answer([_position(venue, symbol) for symbol in sorted(venue.book.positions)])


async def position(request: Request) -> Response:
    """GET /v2/positions/{symbol or asset id}."""
    venue = venue_of(request)
    symbol = _symbol(venue, request.path_params["key"], "position does not exist")
    if symbol not in venue.book.positions:
        raise not_found("position does not exist")
    return json_answer(_position(venue, symbol))


def _position(venue: Venue, symbol: str) -> wire.Json:
    held = venue.book.held(symbol)
    trade = venue.market.last_trade(symbol, venue.now)
    owned = venue.book.positions[symbol]
    price = trade.price if trade is not None else owned.cost / owned.quantity
    previous = venue.market.previous_close(symbol, venue.now)
    return wire.position_body(symbol, owned, venue.seed, held=held, price=price, previous=previous)


async def place_order(request: Request) -> Response:
    """POST /v2/orders."""
    venue = venue_of(request)
    try:
        wanted = msgspec.json.decode(await request.body(), type=OrderRequest)
    except msgspec.ValidationError as error:
        raise malformed(f"request body is invalid: {error}") from error
    except msgspec.DecodeError as error:
        raise RefusedError(400, f"request body format is invalid: {error}", 40010000) from error
    order = venue.place_order(wanted)
    status = wire.submitted_status(order)
    return json_answer(wire.order_body(order, venue.book, venue.seed, nested=True, status=status))


async def orders(request: Request) -> Response:
    """GET /v2/orders: `status`, `symbols`, `side`, `after`, `until`, `limit`, `direction`, `nested`."""
    venue, wanted = venue_of(request), request.query_params
    states = _ORDER_STATES.get(wanted.get("status") or "open")
    if states is None:
        raise malformed("status must be open, closed or all")
    symbols = {symbol for symbol in (wanted.get("symbols") or "").upper().split(",") if symbol}
    after, until = moment(request, "after"), moment(request, "until")
    nested = flag(request, "nested")

    def fits(order: Order) -> bool:
        family = [order, *(venue.book.orders[leg] for leg in venue.book.legs.get(order.id, ()))]
        return (
            any(one.working in states for one in (family if nested else [order]))
            and (not symbols or order.symbol in symbols)
            and wanted.get("side") in {None, "", order.side.value}
            and (after is None or order.submitted_at > after)
            and (until is None or order.submitted_at < until)
        )

    everything = venue.book.orders.values()
    listed = [order for order in everything if not (nested and order.parent) and fits(order)]
    newest_first = _newest_first(wanted)
    listed.sort(key=lambda order: (order.submitted_at, order.number), reverse=newest_first)
    limit = whole(request, "limit", 50, 500)
    return json_answer(
        [wire.order_body(order, venue.book, venue.seed, nested=nested) for order in listed[:limit]]
    )


def _newest_first(wanted: Mapping[str, str]) -> bool:
    direction = wanted.get("direction") or "desc"
    if direction not in {"asc", "desc"}:
        raise malformed("direction must be asc or desc")
    return direction == "desc"


async def order_by_id(request: Request) -> Response:
    """GET /v2/orders/{id}, with `nested`."""
    venue = venue_of(request)
    order = venue.order(request.path_params["id"])
    return json_answer(wire.order_body(order, venue.book, venue.seed, nested=flag(request, "nested")))


async def order_by_client_id(request: Request) -> Response:
    """GET /v2/orders:by_client_order_id, with the legs."""
    venue, key = venue_of(request), request.query_params.get("client_order_id", "")
    if key not in venue.book.by_client_id:
        raise not_found(f"order not found for {key}")
    order = venue.book.orders[venue.book.by_client_id[key]]
    return json_answer(wire.order_body(order, venue.book, venue.seed, nested=True))


async def cancel_order(request: Request) -> Response:
    """DELETE /v2/orders/{id}."""
    venue_of(request).cancel(request.path_params["id"])
    return Response(status_code=204)


async def cancel_orders(request: Request) -> Response:
    """DELETE /v2/orders."""
    ids = venue_of(request).cancel_all()
    return json_answer([{"id": order_id, "status": 200} for order_id in ids], status=207)


async def activities(request: Request) -> Response:
    """GET /v2/account/activities and /FILL: by time or date, in pages that `page_token` goes on from."""
    venue, wanted = venue_of(request), request.query_params
    kinds = {kind for kind in (wanted.get("activity_types") or "").upper().split(",") if kind}
    kind = request.path_params.get("kind", "").upper()
    if (kind and kind != "FILL") or (kinds and "FILL" not in kinds):
        return json_answer([])
    newest_first = _newest_first(wanted)
    trades = sorted(_trades(venue.book.trades, request), key=lambda trade: trade.id, reverse=newest_first)
    if token := wanted.get("page_token"):
        trades = [t for t in trades if (t.id < token if newest_first else t.id > token)]
    page = trades[: whole(request, "page_size", 100, 100)]
    return json_answer([wire.activity_body(trade) for trade in page])


def _trades(trades: Sequence[Trade], request: Request) -> list[Trade]:
    """The trades in the time that the request asks for."""
    after, until = moment(request, "after"), moment(request, "until")
    day = request.query_params.get("date")
    if day and (after or until):
        raise invalid("date cannot be combined with after or until")
    return [
        trade
        for trade in trades
        if (after is None or trade.at > after)
        and (until is None or trade.at <= until)
        and (not day or trade.at.astimezone(NEW_YORK).date().isoformat() == day[:10])
    ]


ROUTES = [
    Route("/v2/account", account),
    Route("/v2/account/activities", activities),
    Route("/v2/account/activities/{kind}", activities),
    Route("/v2/clock", clock),
    Route("/v2/calendar", calendar),
    Route("/v2/assets", assets),
    Route("/v2/assets/{key}", asset),
    Route("/v2/positions", positions),
    Route("/v2/positions/{key}", position),
    Route("/v2/orders", place_order, methods=["POST"]),
    Route("/v2/orders", orders),
    Route("/v2/orders", cancel_orders, methods=["DELETE"]),
    Route("/v2/orders:by_client_order_id", order_by_client_id),
    Route("/v2/orders/{id}", order_by_id),
    Route("/v2/orders/{id}", cancel_order, methods=["DELETE"]),
]
