"""Bars, quotes and trades: pages, absent symbols, many symbols."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.market_data import AlpacaMarketData
from alpaquero.errors import BrokerUnclear
from alpaquero.prices.bars import Bar
from tests.fakes.http_server import Reply, ScriptedServer

START, END = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC)


def bar(day: int) -> dict[str, Any]:
    return {
        "t": f"2026-01-{day:02}T05:00:00Z",
        "o": 1.5,
        "h": 2,
        "l": 1,
        "c": 1.75,
        "v": 100,
        "n": 3,
        "vw": 1.6,
    }


def test_bars_come_through_all_pages(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """Pages follow next_page_token, and a symbol split over two pages is whole."""
    server.script = [
        Reply(200, {"bars": {"AAPL": [bar(5), bar(6)]}, "next_page_token": "QUFQTA=="}),
        Reply(200, {"bars": {"AAPL": [bar(7)], "IBM": [bar(5)]}, "next_page_token": None}),
    ]
    bars = market_data.daily_bars(["AAPL", "IBM", "NONE"], START, END)
    assert {symbol: len(found) for symbol, found in bars.items()} == {"AAPL": 3, "IBM": 1}
    assert bars["AAPL"][0] == Bar(datetime(2026, 1, 5, 5, tzinfo=UTC), 1.5, 2.0, 1.0, 1.75, 100)
    first, second = (asked.query for asked in server.asked)
    assert (first["symbols"], first["timeframe"], first["adjustment"], first["limit"]) == (
        "AAPL,IBM,NONE",
        "1Day",
        "split",
        "10000",
    )
    assert second["page_token"] == "QUFQTA=="


@pytest.mark.parametrize("bars", [{}, None])
def test_no_data_is_an_empty_answer(market_data: AlpacaMarketData, server: ScriptedServer, bars: Any) -> None:
    """A stretch without bars is empty, whether the broker writes {} or null."""
    server.script = [Reply(200, {"bars": bars, "next_page_token": None})]
    assert market_data.daily_bars(["AAPL"], START, END) == {}


def test_every_price_names_its_feed(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """Left to its default, Alpaca refuses a free plan's keys any window that ends now."""
    server.script = [Reply(200, {"bars": {}, "next_page_token": None}), Reply(200, {"trades": {}})]
    market_data.daily_bars(["AAPL"], START, END)
    market_data.latest_trades(["AAPL"])
    assert [asked.query["feed"] for asked in server.asked] == ["iex", "iex"]


def test_a_page_token_that_repeats_is_an_error(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """A broker that hands out the same page for ever is unclear, not an endless loop."""
    server.script = [Reply(200, {"bars": {}, "next_page_token": "x"})] * 2
    with pytest.raises(BrokerUnclear):
        market_data.daily_bars(["AAPL"], START, END)


def test_many_symbols_go_in_several_requests(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """The address stays short, and every symbol is asked for once."""
    server.script = [Reply(200, {"bars": {}, "next_page_token": None})] * 3
    symbols = [f"S{n}" for n in range(401)]
    market_data.daily_bars(symbols, START, END)
    assert symbols == [symbol for asked in server.asked for symbol in asked.query["symbols"].split(",")]
    assert len(server.asked) == 3


def test_the_latest_prices(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """Quotes and trades are decimals, bars floats; a symbol without one is absent."""
    at = "2026-01-05T14:30:00.5Z"
    server.script = [
        Reply(200, {"quotes": {"AAPL": {"bp": 187.1, "ap": 187.12, "t": at}}}),
        Reply(200, {"trades": {"AAPL": {"p": 187.11, "t": at}}}),
        Reply(200, {"bars": {"AAPL": bar(5)}}),
    ]
    quote = market_data.latest_quotes(["AAPL", "NONE"])["AAPL"]
    assert (quote.bid, quote.ask) == (Decimal("187.1"), Decimal("187.12"))
    assert market_data.latest_trades(["AAPL"])["AAPL"].price == Decimal("187.11")
    assert market_data.latest_bars(["AAPL"])["AAPL"].close == 1.75
    assert [asked.path for asked in server.asked] == [
        f"/v2/stocks/{kind}/latest" for kind in ("quotes", "trades", "bars")
    ]
