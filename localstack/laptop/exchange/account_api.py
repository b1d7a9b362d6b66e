"""Alpaca's trading routes but the orders: account, clock, calendar, assets, positions, activities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK, next_session
from laptop.exchange import order_wire, wire
from laptop.exchange.admission import buying_power, long_value, multiplier
from laptop.exchange.answers import json_answer, moment, newest_first, venue_of, whole
from laptop.exchange.book import Trade
from laptop.exchange.errors import invalid, malformed, not_found
from laptop.exchange.identity import account_number, derived_id
from laptop.exchange.venue import Venue

_CENT = Decimal("0.01")


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


async def activities(request: Request) -> Response:
    """GET /v2/account/activities and /FILL: by time or date, in pages that `page_token` goes on from."""
    venue, wanted = venue_of(request), request.query_params
    kinds = {kind for kind in (wanted.get("activity_types") or "").upper().split(",") if kind}
    kind = request.path_params.get("kind", "").upper()
    if (kind and kind != "FILL") or (kinds and "FILL" not in kinds):
        return json_answer([])
    descending = newest_first(request)
    trades = sorted(_trades(venue.book.trades, request), key=lambda trade: trade.id, reverse=descending)
    if token := wanted.get("page_token"):
        trades = [t for t in trades if (t.id < token if descending else t.id > token)]
    page = trades[: whole(request, "page_size", 100, 100)]
    return json_answer([order_wire.activity_body(trade) for trade in page])


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
]
