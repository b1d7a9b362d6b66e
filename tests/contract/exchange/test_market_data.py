"""All market data of the spec for stocks, with alpaca-py where it knows the route, in an open session."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from alpaca.data.enums import Adjustment
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.models import BarSet, QuoteSet, TradeSet
from alpaca.data.models.corporate_actions import CorporateActionsSet
from alpaca.data.requests import (
    CorporateActionsRequest,
    StockBarsRequest,
    StockQuotesRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from .conftest import KEYS, RunningExchange, Start

THANKSGIVING_WEEK = {"start": "2012-11-19", "end": "2012-11-23"}
FRIDAY = date(2013, 2, 22)


@pytest.fixture(scope="module")
def shipped(start: Start, tmp_path_factory: pytest.TempPathFactory) -> RunningExchange:
    """The exchange on the shipped prices, half an hour after the close of 2013-02-22."""
    return start(tmp_path_factory.mktemp("state"), "--sessions", "5")


@pytest.fixture(scope="module")
def made_up(start: Start, tmp_path_factory: pytest.TempPathFactory) -> RunningExchange:
    """A synthetic universe of thirty symbols."""
    return start(tmp_path_factory.mktemp("state"), "--sessions", "5", "--synthetic", "30")


def pages(exchange: RunningExchange, path: str, **query: object) -> Iterator[httpx.Response]:
    """All pages of a list."""
    token = ""
    while token is not None:
        answer = exchange.get(path, **query, page_token=token)
        assert answer.status_code == 200, answer.text
        yield answer
        token = answer.json()["next_page_token"]


def bars_of(
    exchange: RunningExchange, timeframe: TimeFrame, adjustment: Adjustment = Adjustment.RAW
) -> BarSet:
    """The bars of IBM since Thanksgiving's week, as alpaca-py gives them."""
    bars = exchange.data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols="IBM",
            timeframe=timeframe,
            start=datetime(2012, 11, 19, 5, tzinfo=UTC),
            end=datetime(2012, 11, 24, tzinfo=UTC),
            adjustment=adjustment,
        )
    )
    assert isinstance(bars, BarSet)
    return bars


def test_minutes_hours_weeks_and_months_hold_what_the_days_hold(shipped: RunningExchange) -> None:
    """The same first, highest, lowest, last price and volume of the week in every timeframe."""
    units = [
        (TimeFrame.Minute, 3 * 390 + 210),
        (TimeFrame(15, TimeFrameUnit.Minute), 3 * 26 + 14),
        (TimeFrame.Hour, 3 * 7 + 4),
        (TimeFrame.Day, 4),
        (TimeFrame.Week, 1),
    ]
    sums = set()
    for timeframe, count in units:
        bars = bars_of(shipped, timeframe)["IBM"]
        assert count == len(bars), timeframe.value
        high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
        sums.add((bars[0].open, high, low, bars[-1].close, sum(bar.volume for bar in bars)))
    assert len(sums) == 1


def test_bars_are_stamped_with_their_beginning_in_new_york(shipped: RunningExchange) -> None:
    """Hours from 9:00, days at midnight, weeks on Monday, quarters on the first of October."""
    hours = [bar.timestamp for bar in bars_of(shipped, TimeFrame.Hour)["IBM"]]
    assert [datetime(2012, 11, 23, hour, tzinfo=UTC) for hour in (14, 15, 16, 17)] == hours[-4:]
    query = {"symbols": "IBM", "start": "2012-09-25", "end": "2012-11-30"}
    expected = {
        "1Week": ["2012-10-01T04:00:00Z", "2012-10-08T04:00:00Z"],
        "3Month": ["2012-10-01T04:00:00Z"],
        "1Month": ["2012-10-01T04:00:00Z", "2012-11-01T04:00:00Z"],
    }
    for timeframe, stamps in expected.items():
        bars = shipped.get("/v2/stocks/bars", **query, timeframe=timeframe).json()["bars"]["IBM"]
        assert stamps == [bar["t"] for bar in bars][: len(stamps)]


def test_made_up_minutes_say_so_and_recorded_days_say_so(shipped: RunningExchange) -> None:
    """The header X-Price-Source; no body has a field that Alpaca's have not."""
    for timeframe, source in {"1Min": "synthetic", "1Day": "recorded", "1Week": "recorded"}.items():
        answer = shipped.get("/v2/stocks/bars", symbols="IBM", timeframe=timeframe, **THANKSGIVING_WEEK)
        assert answer.headers["X-Price-Source"] == source
    for path in ("trades", "quotes", "trades/latest"):
        answer = shipped.get(f"/v2/stocks/{path}", symbols="IBM", **THANKSGIVING_WEEK)
        assert answer.headers["X-Price-Source"] == "synthetic"


def test_historic_trades_make_the_minute_bars_and_quotes_lie_around_them(shipped: RunningExchange) -> None:
    """A session's trades sum to its volume; at each trade's time there is a bid below and an ask above."""
    open_, close = datetime(2012, 11, 20, 14, 30, tzinfo=UTC), datetime(2012, 11, 20, 21, tzinfo=UTC)
    wanted: dict[str, Any] = {"symbol_or_symbols": "IBM", "start": open_, "end": close}
    trades = shipped.data.get_stock_trades(StockTradesRequest(**wanted))
    quotes = shipped.data.get_stock_quotes(StockQuotesRequest(**wanted))
    assert isinstance(trades, TradeSet)
    assert isinstance(quotes, QuoteSet)
    day = bars_of(shipped, TimeFrame.Day)["IBM"][1]
    assert day.volume == sum(trade.size for trade in trades["IBM"])
    assert (day.high, day.low) == (
        max(trade.price for trade in trades["IBM"]),
        min(trade.price for trade in trades["IBM"]),
    )
    assert day.trade_count == len(trades["IBM"])
    for trade, quote in zip(trades["IBM"], quotes["IBM"], strict=True):
        assert trade.timestamp == quote.timestamp
        assert quote.bid_price < trade.price < quote.ask_price


@pytest.mark.parametrize(("path", "name"), [("bars", "bars"), ("trades", "trades"), ("quotes", "quotes")])
@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_of_every_list_put_together_are_the_whole(
    shipped: RunningExchange, path: str, name: str, sort: str
) -> None:
    """Over symbols and sessions, in both directions; tokens are base64 of symbol, mark and nanoseconds."""
    query = {"symbols": "MSFT,IBM", "timeframe": "1Min", "sort": sort}
    span = {"start": "2012-11-21T20:55:00Z", "end": "2012-11-23T14:34:00Z"}
    whole = shipped.get(f"/v2/stocks/{path}", **query, **span).json()
    assert whole["next_page_token"] is None
    collected: dict[str, list[object]] = {}
    for page in pages(shipped, f"/v2/stocks/{path}", **query, **span, limit=3):
        for symbol, items in page.json()[name].items():
            collected.setdefault(symbol, []).extend(items)
        if token := page.json()["next_page_token"]:
            assert urlsafe_b64decode(token).decode().startswith(("IBM|", "MSFT|"))
    assert whole[name] == collected
    stamps = [item["t"] for item in whole[name]["IBM"]]
    assert sorted(stamps, reverse=sort == "desc") == stamps


def test_start_and_end_are_included_and_a_date_is_the_whole_day(shipped: RunningExchange) -> None:
    """Both ends of a minute range; an end that is a date takes in its session."""
    query = {"symbols": "IBM", "timeframe": "1Min"}
    span = {"start": "2012-11-20T14:31:00Z", "end": "2012-11-20T09:33:00-05:00"}
    minutes = shipped.get("/v2/stocks/bars", **query, **span).json()["bars"]["IBM"]
    assert [bar["t"][14:16] for bar in minutes] == ["31", "32", "33"]
    day = {"start": "2012-11-20", "end": "2012-11-20", "limit": 10_000}
    assert len(shipped.get("/v2/stocks/bars", **query, **day).json()["bars"]["IBM"]) == 390


def test_one_symbol_in_the_path_answers_without_the_symbols_level(shipped: RunningExchange) -> None:
    """Lists, latest values and the snapshot name their symbol beside what was asked for."""
    many = shipped.get("/v2/stocks/bars", symbols="IBM", timeframe="1Day", **THANKSGIVING_WEEK).json()
    one = shipped.get("/v2/stocks/IBM/bars", timeframe="1Day", **THANKSGIVING_WEEK).json()
    assert one == {"bars": many["bars"]["IBM"], "symbol": "IBM", "next_page_token": None}
    for name in ("bar", "trade", "quote"):
        many = shipped.get(f"/v2/stocks/{name}s/latest", symbols="IBM").json()
        one = shipped.get(f"/v2/stocks/IBM/{name}s/latest").json()
        assert one == {name: many[f"{name}s"]["IBM"], "symbol": "IBM"}
        assert shipped.get(f"/v2/stocks/NOPE/{name}s/latest").status_code == 404
    many = shipped.get("/v2/stocks/snapshots", symbols="IBM").json()
    assert shipped.get("/v2/stocks/IBM/snapshot").json() == {"symbol": "IBM", **many["IBM"]}
    unknown = shipped.get("/v2/stocks/NOPE/bars", timeframe="1Day", start="2012-11-20").json()
    assert unknown == {"bars": [], "symbol": "NOPE", "next_page_token": None}


def test_auctions_open_and_close_each_day(shipped: RunningExchange) -> None:
    """Prices of the daily bar, at the session's open and close, early close included."""
    days = shipped.get("/v2/stocks/auctions", symbols="IBM", **THANKSGIVING_WEEK).json()["auctions"]["IBM"]
    bars = bars_of(shipped, TimeFrame.Day)["IBM"]
    assert [(bar.open, bar.close) for bar in bars] == [(day["o"][0]["p"], day["c"][0]["p"]) for day in days]
    assert (days[-1]["d"], days[-1]["c"][0]["t"]) == ("2012-11-23", "2012-11-23T18:00:00Z")


def test_codes_of_exchanges_and_conditions_are_told(shipped: RunningExchange) -> None:
    """Every code that trades, quotes and auctions carry is in the tables."""
    exchanges = shipped.get("/v2/stocks/meta/exchanges").json()
    trade = shipped.get("/v2/stocks/trades/latest", symbols="IBM").json()["trades"]["IBM"]
    quote = shipped.get("/v2/stocks/quotes/latest", symbols="IBM").json()["quotes"]["IBM"]
    assert {trade["x"], quote["ax"], quote["bx"]} <= exchanges.keys()
    of_trades = shipped.get("/v2/stocks/meta/conditions/trade", tape=trade["z"]).json()
    of_quotes = shipped.get("/v2/stocks/meta/conditions/quote", tape=quote["z"]).json()
    assert {*trade["c"], "O", "6"} <= of_trades.keys()
    assert set(quote["c"]) <= of_quotes.keys()
    assert shipped.get("/v2/stocks/meta/conditions/trade").status_code == 400


def test_splits_are_corporate_actions_once_they_took_effect(shipped: RunningExchange) -> None:
    """Found by day, symbol and type, paged, and by id; what the files do not know is not there."""
    client = CorporateActionsClient(KEYS.key_id, KEYS.secret_key, url_override=shipped.url)
    wanted = CorporateActionsRequest(start=date(2000, 1, 1), end=FRIDAY)
    found = client.get_corporate_actions(wanted)
    assert isinstance(found, CorporateActionsSet)
    splits = [(split.symbol, split.ex_date, split.new_rate) for split in found["forward_splits"]]
    assert splits == [
        ("AAPL", date(2000, 6, 21), 2),
        ("MSFT", date(2003, 2, 18), 2),
        ("AAPL", date(2005, 2, 28), 2),
    ]
    span = {"start": "2000-01-01", "end": "2013-02-22"}
    listed = [
        split
        for page in pages(shipped, "/v1/corporate-actions", **span, limit=1)
        for split in page.json()["corporate_actions"]["forward_splits"]
    ]
    assert len(listed) == 3
    by_id = shipped.get("/v1/corporate-actions", ids=listed[1]["id"]).json()
    assert by_id["corporate_actions"] == {"forward_splits": [listed[1]]}
    none = shipped.get("/v1/corporate-actions", **span, types="cash_dividend").json()
    assert none == {"corporate_actions": {}, "next_page_token": None}


def test_the_free_plan_reads_the_sip_a_quarter_of_an_hour_late(shipped: RunningExchange) -> None:
    """403 for recent SIP data and for feeds that cost; the old is there; delayed_sip lags."""
    query = {"symbols": "IBM", "timeframe": "1Day", "start": "2013-02-20"}
    recent = shipped.get("/v2/stocks/bars", **query, feed="sip", end="2013-02-22T21:20:00Z")
    assert (recent.status_code, recent.json()) == (
        403,
        {"message": "subscription does not permit querying recent SIP data"},
    )
    assert shipped.get("/v2/stocks/bars", **query, feed="sip", end="2013-02-22T21:00:00Z").status_code == 200
    assert len(shipped.get("/v2/stocks/bars", **query, feed="sip").json()["bars"]["IBM"]) == 3
    for feed in ("sip", "otc", "boats"):
        assert shipped.get("/v2/stocks/trades/latest", symbols="IBM", feed=feed).status_code == 403
    assert shipped.get("/v2/stocks/trades/latest", symbols="IBM", feed="delayed_sip").status_code == 200


def test_no_adjustment_but_for_splits_changes_anything(shipped: RunningExchange) -> None:
    """`all` is as `split`, and `dividend` alone as `raw`, because no dividends are simulated."""

    def close(adjustment: str) -> float:
        query = {"timeframe": "1Day", "start": "2003-02-14", "end": "2003-02-14", "adjustment": adjustment}
        bar = shipped.get("/v2/stocks/MSFT/bars", **query).json()["bars"][0]
        return float(bar["c"])

    assert (close("raw"), close("dividend"), close("spin-off")) == (48.3, 48.3, 48.3)
    assert (close("split"), close("all"), close("split,dividend")) == (24.15, 24.15, 24.15)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start": "yesterday"}, "Invalid format for parameter start"),
        ({"end": "2012-13-01"}, "Invalid format for parameter end"),
        ({"start": "2012-11-20 14:30:00"}, "Invalid format for parameter start"),
        ({"start": "2012-11-20", "end": "2012-11-19"}, "end should not be before start"),
        ({"limit": "0"}, "invalid limit"),
        ({"limit": "10001"}, "invalid limit"),
        ({"feed": "nasdaq"}, "invalid feed"),
        ({"currency": "EUR"}, "invalid currency"),
        ({"asof": "soon"}, "invalid asof"),
        ({"symbols": "IB%M"}, "invalid symbol"),
        ({"adjustment": "split,none"}, "invalid adjustment: none"),
        ({"timeframe": "2Day"}, "invalid timeframe: 2Day"),
    ],
)
def test_a_wrong_parameter_answers_400_and_names_it(
    shipped: RunningExchange, wrong: dict[str, str], said: str
) -> None:
    """The data API's errors have a message and no code."""
    answer = shipped.get("/v2/stocks/bars", **{"symbols": "IBM", "timeframe": "1Day", **wrong})
    assert answer.status_code == 400
    assert answer.json().keys() == {"message"}
    assert said in answer.json()["message"]


def test_a_token_of_another_list_is_refused(shipped: RunningExchange) -> None:
    """A page of minutes does not go on as a page of days."""
    query = {"symbols": "IBM", **THANKSGIVING_WEEK, "limit": 1}
    token = shipped.get("/v2/stocks/bars", **query, timeframe="1Min").json()["next_page_token"]
    answer = shipped.get("/v2/stocks/bars", **query, timeframe="1Day", page_token=token)
    assert answer.status_code == 400


def test_the_currency_is_repeated_when_it_was_named(shipped: RunningExchange) -> None:
    """Only then, as Alpaca does."""
    query = {"symbols": "IBM", "timeframe": "1Day", **THANKSGIVING_WEEK}
    assert shipped.get("/v2/stocks/bars", **query, currency="USD").json()["currency"] == "USD"
    assert "currency" not in shipped.get("/v2/stocks/bars", **query).json()


def test_nothing_later_than_the_clock_is_ever_told(shipped: RunningExchange) -> None:
    """Asked for the days to come, every list ends with Friday's session."""
    limit = datetime(2013, 2, 22, 21, tzinfo=UTC)
    for path, name in {"bars": "bars", "trades": "trades", "quotes": "quotes"}.items():
        query = {"symbols": "IBM", "timeframe": "5Min", "start": "2013-02-22", "end": "2013-03-01"}
        items = shipped.get(f"/v2/stocks/{path}", **query, sort="desc").json()[name]["IBM"]
        newest = datetime.fromisoformat(items[0]["t"])
        assert limit - timedelta(minutes=5) <= newest < limit


def test_a_synthetic_universe_trades_and_is_labelled(made_up: RunningExchange) -> None:
    """Names, assets and headers say that it is made up; alpaca-py reads and trades it as any other."""
    symbols = made_up.admin.status().symbols
    assert symbols == [f"SYN{number:04}" for number in range(1, 31)]
    asset = made_up.get("/v2/assets/SYN0007").json()
    assert (asset["name"], asset["tradable"]) == ("SYN0007 (synthetic: made-up prices)", True)
    query = {"symbols": ",".join(symbols), "timeframe": "1Day", "start": "2012-03-01", "limit": 1000}
    answers = list(pages(made_up, "/v2/stocks/bars", **query))
    assert {answer.headers["X-Price-Source"] for answer in answers} == {"synthetic"}
    counts = [sum(map(len, answer.json()["bars"].values())) for answer in answers]
    assert sum(counts) % len(symbols) == 0
    assert set(counts[:-1]) == {1000}
