"""Alpaca's market data routes for stocks: bars, trades, quotes, auctions, the latest of each, snapshots.

Every answer says in the header X-Price-Source where its numbers come from: `recorded` history,
`synthetic` (made up to fit it), or both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from laptop.exchange import data_query as query
from laptop.exchange import reference_api, wire
from laptop.exchange.answers import json_answer, venue_of
from laptop.exchange.data_wire import SOURCE_HEADER, page_of_many, page_of_one
from laptop.exchange.errors import RefusedError
from laptop.exchange.market import Market
from laptop.exchange.series import Run, Series, Window

_DAILY, _INTRADAY, _TICKS = "D", "M", "T"

# The runs of a symbol in a window.
Runs = Callable[[str, Window], Iterator[Run]]
Look = Callable[[Market, str, datetime], wire.Json | None]
Endpoint = Callable[[Request], Awaitable[Response]]


async def bars(request: Request) -> Response:
    """GET /v2/stocks/bars and /v2/stocks/{symbol}/bars: `limit` is counted across symbols."""
    length, adjusted = query.bar_length_of(request), query.split_adjusted(request)
    series = _series(request)
    page = query.page_of(request, _INTRADAY if length.intraday else _DAILY)
    return _paged(
        request,
        "bars",
        page,
        _INTRADAY if length.intraday else _DAILY,
        lambda symbol, window: series.bars(symbol, length, window, adjusted=adjusted),
    )


async def trades(request: Request) -> Response:
    """GET /v2/stocks/trades and /v2/stocks/{symbol}/trades."""
    page = query.page_of(request, _TICKS)
    return _paged(request, "trades", page, _TICKS, _series(request).trades)


async def quotes(request: Request) -> Response:
    """GET /v2/stocks/quotes and /v2/stocks/{symbol}/quotes."""
    page = query.page_of(request, _TICKS)
    return _paged(request, "quotes", page, _TICKS, _series(request).quotes)


async def auctions(request: Request) -> Response:
    """GET /v2/stocks/auctions and /v2/stocks/{symbol}/auctions: of the SIP, so fifteen minutes late."""
    if (feed := request.query_params.get("feed") or "sip") != "sip":
        raise query.bad(f"invalid feed: {feed}; auctions are of the feed sip")
    page = query.page_of(request, _DAILY, default_feed="sip")
    return _paged(request, "auctions", page, _DAILY, _series(request).auctions)


def _series(request: Request) -> Series:
    return _series_of(venue_of(request).market)


@lru_cache(maxsize=4)
def _series_of(market: Market) -> Series:
    """A market's series, with what they have encoded so far."""
    return Series(market)


def _paged(request: Request, name: str, page: query.Page, mark: str, runs: Runs) -> Response:
    lines: dict[str, list[bytes]] = {}
    sources: set[str] = set()
    token, left, window = None, page.limit, page.window
    for symbol in page.symbols:
        for run in runs(symbol, window):
            if not run.lines:
                continue
            if left:
                lines.setdefault(symbol, []).extend(run.lines[:left])
                sources.add(_source(synthetic=run.synthetic))
            if len(run.lines) > left:
                token = query.token(symbol, mark, run.stamps[left])
                break
            left -= len(run.lines)
        if token is not None:
            break
        window = page.later
    rest = b',"currency":"USD"' if query.currency_of(request) else b""
    single = request.path_params.get("symbol")
    body = (
        page_of_many(name, lines, token, rest)
        if single is None
        else page_of_one(name, single.upper(), lines.get(single.upper(), []), token, rest)
    )
    return Response(body, media_type="application/json", headers=_headers(sources))


def _source(*, synthetic: bool) -> str:
    return "synthetic" if synthetic else "recorded"


def _headers(sources: set[str]) -> dict[str, str]:
    return {SOURCE_HEADER: ", ".join(sorted(sources))} if sources else {}


def _latest_bar(market: Market, symbol: str, now: datetime) -> wire.Json | None:
    bar = market.minute_bar(symbol, now)
    return None if bar is None else wire.bar_body(bar)


def _latest_quote(market: Market, symbol: str, now: datetime) -> wire.Json | None:
    quoted = market.quote(symbol, now)
    return None if quoted is None else wire.quote_body(*quoted)


def _latest_trade(market: Market, symbol: str, now: datetime) -> wire.Json | None:
    trade = market.last_trade(symbol, now)
    return None if trade is None else wire.trade_body(trade)


def _snapshot(market: Market, symbol: str, now: datetime) -> wire.Json | None:
    """What there is of a symbol; a part that is not there yet is left out."""
    today, before = (market.daily_bar(symbol, now, back) for back in (0, 1))
    parts = {
        "latestTrade": _latest_trade(market, symbol, now),
        "latestQuote": _latest_quote(market, symbol, now),
        "minuteBar": _latest_bar(market, symbol, now),
        "dailyBar": today and wire.bar_body(today),
        "prevDailyBar": before and wire.bar_body(before),
    }
    return {name: part for name, part in parts.items() if part is not None} or None


def _latest(name: str, look: Look) -> Endpoint:
    """The route of the latest bar, quote or trade of many symbols."""

    async def answer(request: Request) -> Response:
        found = _found(request, look)
        return _told({name: found, **_currency(request)})

    return answer


def _latest_single(name: str, look: Look) -> Endpoint:
    """The route of the latest bar, quote or trade of one symbol."""

    async def answer(request: Request) -> Response:
        symbol = request.path_params["symbol"].upper()
        found = _found(request, look)
        if symbol not in found:
            raise RefusedError(404, f"no {name} found for {symbol}")
        return _told({name: found[symbol], "symbol": symbol, **_currency(request)})

    return answer


def _found(request: Request, look: Look) -> dict[str, wire.Json]:
    now, market = query.latest_moment(request), venue_of(request).market
    looked = {symbol: look(market, symbol, now) for symbol in query.symbols_of(request)}
    return {symbol: body for symbol, body in looked.items() if body is not None}


def _currency(request: Request) -> wire.Json:
    named = query.currency_of(request)
    return {"currency": named} if named else {}


def _told(body: object) -> Response:
    """An answer of the latest prices, which are always a point of a path that was made up."""
    answer = json_answer(body)
    answer.headers[SOURCE_HEADER] = _source(synthetic=True)
    return answer


async def snapshots(request: Request) -> Response:
    """GET /v2/stocks/snapshots: symbols at the top level, no wrapper."""
    return _told(_found(request, _snapshot))


async def snapshot(request: Request) -> Response:
    """GET /v2/stocks/{symbol}/snapshot."""
    symbol = request.path_params["symbol"].upper()
    found = _found(request, _snapshot)
    if symbol not in found:
        raise RefusedError(404, f"no snapshot found for {symbol}")
    return _told({"symbol": symbol, **found[symbol], **_currency(request)})


_PREFIX = "/v2/stocks"
_PAGED = {"bars": bars, "trades": trades, "quotes": quotes, "auctions": auctions}
_LOOKS = {"bar": _latest_bar, "trade": _latest_trade, "quote": _latest_quote}
ROUTES = [
    *(Route(f"{_PREFIX}/{name}", route) for name, route in _PAGED.items()),
    *(Route(f"{_PREFIX}/{name}s/latest", _latest(f"{name}s", look)) for name, look in _LOOKS.items()),
    Route(f"{_PREFIX}/snapshots", snapshots),
    *reference_api.ROUTES,
    *(Route(f"{_PREFIX}/{{symbol}}/{name}", route) for name, route in _PAGED.items()),
    *(
        Route(f"{_PREFIX}/{{symbol}}/{name}s/latest", _latest_single(name, look))
        for name, look in _LOOKS.items()
    ),
    Route(f"{_PREFIX}/{{symbol}}/snapshot", snapshot),
]
