"""What alpaca-py reads from the exchange: a new account, assets, announcements and market data."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment
from alpaca.data.models import BarSet
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.enums import CorporateActionType
from alpaca.trading.models import Asset, CorporateActionAnnouncement, TradeAccount
from alpaca.trading.requests import GetCorporateAnnouncementsRequest

from .conftest import NO_AUTHORITIES, RunningExchange, Start

SYMBOLS = ["AAPL", "FB", "GOOG", "IBM", "MSFT"]


@pytest.fixture(scope="module")
def shipped(start: Start, tmp_path_factory: pytest.TempPathFactory) -> RunningExchange:
    """The exchange on the shipped prices, half an hour after the close of 2013-02-22."""
    return start(tmp_path_factory.mktemp("state"), "--sessions", "5")


def daily(
    exchange: RunningExchange, symbols: list[str], first: date, last: date, adjustment: Adjustment
) -> BarSet:
    """Daily bars as alpaca-py gives them."""
    bars = exchange.data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=symbols,
            timeframe=TimeFrame.Day,
            start=datetime(first.year, first.month, first.day, tzinfo=UTC),
            end=datetime(last.year, last.month, last.day, 23, tzinfo=UTC),
            adjustment=adjustment,
        )
    )
    assert isinstance(bars, BarSet)
    return bars


def test_a_new_account_has_a_hundred_thousand_dollars_and_four_times_the_buying_power(
    shipped: RunningExchange,
) -> None:
    """The account parses, and the fields that Alpaca dropped in July 2026 are gone."""
    account = shipped.trading.get_account()
    assert isinstance(account, TradeAccount)
    assert (
        account.cash,
        account.equity,
        account.buying_power,
        account.multiplier,
    ) == ("100000", "100000", "400000", "4")
    gone = {"pattern_day_trader", "daytrade_count", "daytrading_buying_power"}
    assert not gone & shipped.get("/v2/account").json().keys()


def test_assets_are_found_by_symbol_and_by_id(shipped: RunningExchange) -> None:
    """Every symbol of the data is an asset, sorted by exchange; an unknown one answers 404."""
    assets = shipped.trading.get_all_assets()
    listed = [asset.symbol for asset in assets if isinstance(asset, Asset)]
    assert ["AAPL", "FB", "GOOG", "MSFT", "IBM"] == listed
    ibm = shipped.trading.get_asset("IBM")
    assert isinstance(ibm, Asset)
    assert ibm == shipped.trading.get_asset(str(ibm.id))
    with pytest.raises(APIError) as raised:
        shipped.trading.get_asset("NOPE")
    assert (raised.value.status_code, raised.value.code) == (404, 40410000)


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ({"exchange": "NYSE"}, ["IBM"]),
        ({"exchange": "OTC"}, []),
        ({"status": "active", "asset_class": "us_equity"}, ["AAPL", "FB", "GOOG", "MSFT", "IBM"]),
        ({"status": "inactive"}, []),
        ({"asset_class": "crypto"}, []),
        ({"attributes": "has_options,ipo"}, []),
    ],
)
def test_assets_are_filtered(shipped: RunningExchange, query: dict[str, str], symbols: list[str]) -> None:
    """By status, class, exchange and attributes."""
    assert symbols == [asset["symbol"] for asset in shipped.get("/v2/assets", **query).json()]


def test_an_asset_may_be_sold_short_and_bought_in_fractions(shipped: RunningExchange) -> None:
    """The flags say what the exchange takes."""
    asset = shipped.trading.get_asset("FB")
    assert isinstance(asset, Asset)
    assert (asset.tradable, asset.shortable, asset.easy_to_borrow, asset.fractionable, asset.marginable) == (
        (True,) * 5
    )


def announced(exchange: RunningExchange, **wanted: object) -> list[CorporateActionAnnouncement]:
    """Announcements as alpaca-py reads them."""
    request = GetCorporateAnnouncementsRequest.model_validate(
        {"ca_types": [CorporateActionType.SPLIT], **wanted}
    )
    listed = exchange.trading.get_corporate_announcements(request)
    return [one for one in listed if isinstance(one, CorporateActionAnnouncement)]


def test_splits_are_announced_by_their_ex_date(shipped: RunningExchange) -> None:
    """Microsoft's of 2003: found by date, by symbol and by id."""
    (split,) = announced(shipped, since=date(2003, 2, 18), until=date(2003, 2, 18))
    assert ("MSFT", date(2003, 2, 18), 2, 1) == (
        split.initiating_symbol,
        split.ex_date,
        split.new_rate,
        split.old_rate,
    )
    assert split == shipped.trading.get_corporate_announcement_by_id(split.id)
    spring = {"since": date(2003, 1, 1), "until": date(2003, 3, 1)}
    assert [split] == announced(shipped, **spring, symbol="MSFT")
    assert [] == announced(shipped, **spring, symbol="AAPL")
    assert [] == announced(shipped, **spring, ca_types=[CorporateActionType.DIVIDEND])
    with pytest.raises(APIError) as raised:
        shipped.trading.get_corporate_announcement_by_id(str(UUID(int=1)))
    assert (404, 40410000) == (raised.value.status_code, raised.value.code)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ca_types": ""},
        {"ca_types": "Party"},
        {"since": "2002-01-01"},
        {"until": ""},
        {"since": "2004-01-01"},
        {"date_type": "birthday"},
    ],
)
def test_a_wrong_question_for_announcements_is_refused(
    shipped: RunningExchange, wrong: dict[str, str]
) -> None:
    """422 with code 40010001: the range is 90 days at most and each parameter must be known."""
    asked = {"ca_types": "Split", "since": "2003-01-01", "until": "2003-03-01", **wrong}
    answer = shipped.get("/v2/corporate_actions/announcements", **asked)
    assert (422, 40010001) == (answer.status_code, answer.json()["code"])


def test_without_the_keys_nothing_is_answered(shipped: RunningExchange) -> None:
    """Wrong keys and a wrong admin token get Alpaca's 401 body, which has no code."""
    for path, headers in {
        "/v2/account": {"APCA-API-KEY-ID": "test-key", "APCA-API-SECRET-KEY": "wrong"},
        "/v2/stocks/bars": {},
        "/admin/status": {"Authorization": "Bearer wrong"},
    }.items():
        answer = httpx.get(shipped.url + path, headers=headers, trust_env=False, verify=NO_AUTHORITIES)
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})


def test_every_answer_says_how_much_of_the_budget_is_left(shipped: RunningExchange) -> None:
    """The limit is Alpaca's 200 a minute, scaled to days that pass in a minute."""
    first, second = (shipped.get("/v2/clock").headers for _ in range(2))
    assert first["X-RateLimit-Limit"] == "288000"
    reset = "X-RateLimit-Reset"
    if first[reset] == second[reset]:
        spent = int(first["X-RateLimit-Remaining"]) - int(second["X-RateLimit-Remaining"])
        assert spent == 1


def test_daily_bars_stop_at_the_clock(shipped: RunningExchange) -> None:
    """The last bar served is Friday's, stamped at its midnight in New York, never a later one."""
    bars = daily(shipped, SYMBOLS, date(2013, 2, 20), date(2013, 3, 1), Adjustment.RAW)
    assert set(SYMBOLS) == bars.data.keys()
    assert [datetime(2013, 2, day, 5, tzinfo=UTC) for day in (20, 21, 22)] == [
        bar.timestamp for bar in bars["IBM"]
    ]


def test_a_page_holds_its_limit_across_symbols_and_the_token_goes_on(shipped: RunningExchange) -> None:
    """Pages of seven bars put together are the same bars as one large page."""
    query = {"symbols": "MSFT,AAPL,IBM", "timeframe": "1Day", "start": "2013-02-01"}
    whole = shipped.get("/v2/stocks/bars", **query, limit=10_000).json()
    assert whole["next_page_token"] is None
    collected: dict[str, list[object]] = {}
    sizes, token = [], ""
    while token is not None:
        page = shipped.get("/v2/stocks/bars", **query, limit=7, page_token=token).json()
        sizes.append(sum(map(len, page["bars"].values())))
        for symbol, bars in page["bars"].items():
            collected.setdefault(symbol, []).extend(bars)
        token = page["next_page_token"]
    assert whole["bars"] == collected
    assert sizes == [7] * 6 + [3]


def test_bars_come_newest_first_when_asked_also_across_pages(shipped: RunningExchange) -> None:
    """Descending pages put together are the ascending ones turned round."""
    query = {"symbols": "IBM", "timeframe": "1Day", "start": "2013-02-11"}
    ascending = shipped.get("/v2/stocks/bars", **query).json()["bars"]["IBM"]
    first = shipped.get("/v2/stocks/bars", **query, sort="desc", limit=5).json()
    rest = shipped.get(
        "/v2/stocks/bars", **query, sort="desc", limit=10, page_token=first["next_page_token"]
    ).json()
    assert ascending[::-1] == first["bars"]["IBM"] + rest["bars"]["IBM"]


def test_the_default_page_is_a_thousand_bars(shipped: RunningExchange) -> None:
    """Without a limit a page ends after 1,000 bars and says that there is more."""
    page = shipped.get("/v2/stocks/bars", symbols="IBM,MSFT", timeframe="1Day", start="2000-01-01").json()
    assert sum(map(len, page["bars"].values())) == 1000
    assert page["next_page_token"]


def test_split_adjustment_divides_earlier_prices_and_multiplies_earlier_volume(
    shipped: RunningExchange,
) -> None:
    """Microsoft's 2:1 split of 2003-02-18: half the price and twice the volume before, no change after."""
    span = (date(2003, 2, 14), date(2003, 2, 18))
    raw = daily(shipped, ["MSFT"], *span, Adjustment.RAW)["MSFT"]
    adjusted = daily(shipped, ["MSFT"], *span, Adjustment.SPLIT)["MSFT"]
    assert (raw[0].close, adjusted[0].close) == (48.30, 24.15)
    assert raw[0].volume * 2 == adjusted[0].volume
    assert raw[1] == adjusted[1]


def test_two_splits_multiply(shipped: RunningExchange) -> None:
    """Apple's bars before June 2000 are divided by four."""
    span = (date(2000, 6, 20), date(2000, 6, 20))
    raw = daily(shipped, ["AAPL"], *span, Adjustment.RAW)["AAPL"]
    adjusted = daily(shipped, ["AAPL"], *span, Adjustment.SPLIT)["AAPL"]
    assert (raw[0].close, adjusted[0].close) == (101.25, 25.3125)


def test_a_symbol_without_data_is_left_out(shipped: RunningExchange) -> None:
    """No data is an empty object, not null and not an error, as alpaca-py's paging wants."""
    page = shipped.get("/v2/stocks/bars", symbols="NOPE", timeframe="1Day", start="2013-02-01").json()
    assert page == {"bars": {}, "next_page_token": None}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"symbols": ""}, "symbols is required"),
        ({"page_token": "%%%"}, "invalid page_token"),
        ({"sort": "up"}, "invalid sort"),
    ],
)
def test_a_wrong_question_for_bars_answers_400_with_a_message(
    shipped: RunningExchange, wrong: dict[str, str], said: str
) -> None:
    """The message names what is wrong."""
    answer = shipped.get("/v2/stocks/bars", **{"symbols": "IBM", "timeframe": "1Day", **wrong})
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_latest_prices_are_those_of_the_last_close_with_a_spread(shipped: RunningExchange) -> None:
    """Bid below, ask above the last close; trade and minute bar end at it."""
    close = daily(shipped, ["IBM"], date(2013, 2, 22), date(2013, 2, 22), Adjustment.RAW)["IBM"][0].close
    quote = shipped.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="IBM"))["IBM"]
    trade = shipped.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="IBM"))["IBM"]
    bar = shipped.data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="IBM"))["IBM"]
    assert quote.bid_price < close < quote.ask_price
    assert close == trade.price == bar.close
    assert datetime(2013, 2, 22, 20, 59, tzinfo=UTC) == bar.timestamp


def test_a_snapshot_holds_today_and_the_day_before(shipped: RunningExchange) -> None:
    """Daily bar, the one before it, and the latest trade of every symbol asked for."""
    snapshots = shipped.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=SYMBOLS))
    assert set(SYMBOLS) == snapshots.keys()
    bars = [snapshots["FB"].daily_bar, snapshots["FB"].previous_daily_bar]
    assert [bar.timestamp.day for bar in bars if bar is not None] == [22, 21]


def test_the_status_says_where_the_clock_is(shipped: RunningExchange) -> None:
    """The admin status counts sessions done of those to trade, and names the symbols."""
    status = shipped.admin.status()
    assert (
        status.sessions_done,
        status.sessions_total,
        status.is_open,
        status.mode,
    ) == (0, 5, False, "stepped")
    assert status.symbols == SYMBOLS
