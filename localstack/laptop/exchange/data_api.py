"""Alpaca's market data routes for stocks: bars, latest bars, quotes and trades, snapshots."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK, Bar
from laptop.exchange import wire
from laptop.exchange.answers import json_answer, moment, venue_of, whole
from laptop.exchange.errors import RefusedError
from laptop.exchange.venue import Venue

_DEFAULT_LIMIT, _LARGEST_LIMIT = 1000, 10_000
_DAY_NAMES = {"1Day", "1D", "Day"}
_FEEDS = {"", "iex", "sip", "delayed_sip", "boats", "overnight", "otc"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def bars(request: Request) -> Response:
    """GET /v2/stocks/bars: daily bars of many symbols, `limit` counted across them, paged by token."""
    venue, wanted = venue_of(request), request.query_params
    symbols = _symbols(request)
    timeframe = wanted.get("timeframe") or ""
    if timeframe not in _DAY_NAMES:
        raise _bad(f"invalid timeframe: {timeframe or 'missing'}; this exchange serves 1Day")
    adjustment = wanted.get("adjustment") or "raw"
    if adjustment not in {"raw", "split"}:
        raise _bad(f"invalid adjustment: {adjustment}; this exchange serves raw and split")
    newest_first = _newest_first(request)
    today = datetime.combine(venue.now.astimezone(NEW_YORK).date(), time(), tzinfo=NEW_YORK)
    start = moment(request, "start") or today.astimezone(UTC)
    end = moment(request, "end", end_of_day=True) or venue.now
    limit = whole(request, "limit", _DEFAULT_LIMIT, _LARGEST_LIMIT)
    from_symbol, from_start = _position(wanted.get("page_token"))
    page: dict[str, list[wire.Json]] = {}
    token = None
    for symbol in symbols:
        if symbol < from_symbol:
            continue
        known = venue.market.daily_bars(symbol, venue.now, split_adjusted=adjustment == "split")
        chosen = _between(known, start, end, newest_first=newest_first)
        if symbol == from_symbol and from_start is not None:
            first = from_start
            chosen = [bar for bar in chosen if (bar.start <= first if newest_first else bar.start >= first)]
        if not chosen:
            continue
        if not limit:
            token = _token(symbol, chosen[0])
            break
        page[symbol] = [wire.bar_body(bar) for bar in chosen[:limit]]
        if len(chosen) > limit:
            token = _token(symbol, chosen[limit])
            break
        limit -= len(chosen)
    return json_answer({"bars": page, "next_page_token": token})


def _between(known: Sequence[Bar], start: datetime, end: datetime, *, newest_first: bool) -> Sequence[Bar]:
    first = bisect_left(known, start, key=lambda bar: bar.start)
    last = bisect_right(known, end, key=lambda bar: bar.start)
    chosen = known[first:last]
    return chosen[::-1] if newest_first else chosen


def _token(symbol: str, bar: Bar) -> str:
    """Where the next page begins: base64 of SYMBOL|D|nanoseconds."""
    nanoseconds = int((bar.start - _EPOCH).total_seconds()) * 1_000_000_000
    return urlsafe_b64encode(f"{symbol}|D|{nanoseconds}".encode()).decode()


def _position(token: str | None) -> tuple[str, datetime | None]:
    if not token:
        return "", None
    try:
        symbol, _, nanoseconds = urlsafe_b64decode(token.encode()).decode().split("|")
        return symbol, datetime.fromtimestamp(int(nanoseconds) // 1_000_000_000, UTC)
    except ValueError:
        raise _bad("invalid page_token") from None


def _newest_first(request: Request) -> bool:
    sort = request.query_params.get("sort") or "asc"
    if sort not in {"asc", "desc"}:
        raise _bad(f"invalid sort: {sort}")
    return sort == "desc"


def _symbols(request: Request) -> list[str]:
    """The symbols asked for that this exchange has, in order of name; one it lacks has no data."""
    names = [name.strip().upper() for name in (request.query_params.get("symbols") or "").split(",")]
    if not any(names):
        raise _bad("symbols is required")
    if (feed := request.query_params.get("feed") or "") not in _FEEDS:
        raise _bad(f"invalid feed: {feed}")
    for name in names:
        if not name.replace(".", "").replace("-", "").replace("_", "").isalnum():
            raise _bad(f"invalid symbol: {name}")
    return sorted(set(names) & venue_of(request).market.history.symbols.keys())


def _bad(message: str) -> RefusedError:
    """The data API's errors carry no code."""
    return RefusedError(400, message)


def _latest(name: str, look: Callable[[Venue, str], wire.Json | None]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        venue = venue_of(request)
        found = {symbol: look(venue, symbol) for symbol in _symbols(request)}
        return json_answer({name: {symbol: body for symbol, body in found.items() if body is not None}})

    return answer


def _latest_bar(venue: Venue, symbol: str) -> wire.Json | None:
    bar = venue.market.minute_bar(symbol, venue.now)
    return None if bar is None else wire.bar_body(bar)


def _latest_quote(venue: Venue, symbol: str) -> wire.Json | None:
    quoted = venue.market.quote(symbol, venue.now)
    return None if quoted is None else wire.quote_body(*quoted)


def _latest_trade(venue: Venue, symbol: str) -> wire.Json | None:
    trade = venue.market.last_trade(symbol, venue.now)
    return None if trade is None else wire.trade_body(trade)


async def latest_bars(request: Request) -> Response:
    """GET /v2/stocks/bars/latest: the last minute, cut out of the synthetic path."""
    return _latest("bars", _latest_bar)(request)


async def latest_quotes(request: Request) -> Response:
    """GET /v2/stocks/quotes/latest."""
    return _latest("quotes", _latest_quote)(request)


async def latest_trades(request: Request) -> Response:
    """GET /v2/stocks/trades/latest."""
    return _latest("trades", _latest_trade)(request)


async def snapshots(request: Request) -> Response:
    """GET /v2/stocks/snapshots: symbols at the top level, no wrapper."""
    venue = venue_of(request)
    bodies: dict[str, wire.Json] = {}
    for symbol in _symbols(request):
        days = venue.market.daily_bars(symbol, venue.now, split_adjusted=False)
        if not days:
            continue
        bodies[symbol] = {
            "latestTrade": _latest_trade(venue, symbol),
            "latestQuote": _latest_quote(venue, symbol),
            "minuteBar": _latest_bar(venue, symbol),
            "dailyBar": wire.bar_body(days[-1]),
            "prevDailyBar": wire.bar_body(days[-2]) if len(days) > 1 else None,
        }
    return json_answer(bodies)


ROUTES = [
    Route("/v2/stocks/bars", bars),
    Route("/v2/stocks/bars/latest", latest_bars),
    Route("/v2/stocks/quotes/latest", latest_quotes),
    Route("/v2/stocks/trades/latest", latest_trades),
    Route("/v2/stocks/snapshots", snapshots),
]
