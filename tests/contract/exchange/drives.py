"""How each public method of alpaca-py's clients is called; `test_operations.py` runs all of it.

A drive is named after the method it is for. It prepares what the method needs, calls it, and looks at
what alpaca-py made of the answer. A method without a drive here and without a reason in
`exceptions.py` is uncovered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from alpaca.data.models import BarSet, QuoteSet, Snapshot, TradeSet
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.enums import CorporateActionType, OrderSide, OrderStatus, OrderType, TimeInForce
from alpaca.trading.models import AccountConfiguration, Order, Watchlist
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetCorporateAnnouncementsRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    UpdateWatchlistRequest,
)

from laptop.exchange.client import ExchangeAdmin

HELD = ("HELD", "PART", "SOLD", "REST")  # bought before the drives begin
QUIET = "CALM"  # never held
WORKING = "working"  # an order that is open since a session has begun, so that it can be replaced


@dataclass(frozen=True)
class World:
    """What the drives work on. The clients may be stand-ins that note which method is called."""

    admin: ExchangeAdmin
    trading: Any
    data: Any
    numbers: Iterator[int]

    def resting_order(self, client_order_id: str | None = None) -> Order:
        """A limit order that never fills."""
        request = LimitOrderRequest(
            symbol=QUIET,
            qty=1,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=50,
            client_order_id=client_order_id or f"drive-{next(self.numbers)}",
        )
        order = self.trading.submit_order(request)
        assert isinstance(order, Order)
        return order

    def watchlist(self) -> Watchlist:
        """A new watchlist of two symbols."""
        number = next(self.numbers)
        made = self.trading.create_watchlist(
            CreateWatchlistRequest(name=f"list {number}", symbols=[QUIET, "HELD"])
        )
        assert isinstance(made, Watchlist)
        return made


def prepared(admin: ExchangeAdmin, trading: Any, data: Any) -> World:
    """A world in which one session has passed, the symbols of HELD are owned and WORKING is open."""
    world = World(admin, trading, data, count())
    world.resting_order(WORKING)
    for symbol in HELD:
        order = MarketOrderRequest(
            symbol=symbol,
            qty=10,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            client_order_id=f"first-{symbol}",
        )
        trading.submit_order(order)
    admin.step()
    return world


Drive = Callable[[World], None]
DRIVES: dict[str, Drive] = {}


def drive(name: str) -> Callable[[Drive], Drive]:
    """Enter a function as the drive of a method, written `Class.method`."""

    def enter(function: Drive) -> Drive:
        DRIVES[name] = function
        return function

    return enter


@drive("TradingClient.submit_order")
def _(world: World) -> None:
    assert world.resting_order().status in {OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW}


@drive("TradingClient.get_orders")
def _(world: World) -> None:
    order = world.resting_order()
    listed = world.trading.get_orders(GetOrdersRequest(symbols=[QUIET], nested=True, limit=500))
    assert order.id in {one.id for one in listed}


@drive("TradingClient.get_order_by_id")
def _(world: World) -> None:
    order = world.resting_order()
    assert world.trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True)).id == order.id


@drive("TradingClient.get_order_by_client_id")
def _(world: World) -> None:
    order = world.resting_order()
    assert world.trading.get_order_by_client_id(order.client_order_id).id == order.id


@drive("TradingClient.replace_order_by_id")
def _(world: World) -> None:
    order = world.trading.get_order_by_client_id(WORKING)
    wanted = ReplaceOrderRequest(qty=3, limit_price=51, client_order_id=f"{WORKING}-new")
    replaced = world.trading.replace_order_by_id(order.id, wanted)
    assert (replaced.qty, replaced.limit_price, replaced.replaces) == ("3", "51", order.id)
    assert world.trading.get_order_by_id(order.id).replaced_by == replaced.id


@drive("TradingClient.cancel_order_by_id")
def _(world: World) -> None:
    order = world.resting_order()
    world.trading.cancel_order_by_id(order.id)
    assert world.trading.get_order_by_id(order.id).status is OrderStatus.CANCELED


@drive("TradingClient.cancel_orders")
def _(world: World) -> None:
    order = world.resting_order()
    answers = {answer.id: answer.status for answer in world.trading.cancel_orders()}
    assert answers[order.id] == 200


@drive("TradingClient.get_all_positions")
def _(world: World) -> None:
    assert set(HELD) <= {held.symbol for held in world.trading.get_all_positions()}


@drive("TradingClient.get_open_position")
def _(world: World) -> None:
    by_symbol = world.trading.get_open_position("HELD")
    assert world.trading.get_open_position(by_symbol.asset_id).qty == by_symbol.qty == "10"


@drive("TradingClient.close_position")
def _(world: World) -> None:
    whole = world.trading.close_position("SOLD")
    part = world.trading.close_position("PART", ClosePositionRequest(percentage="50"))
    some = world.trading.close_position("REST", ClosePositionRequest(qty="3"))
    assert [("10", OrderSide.SELL), ("5", OrderSide.SELL), ("3", OrderSide.SELL)] == [
        (order.qty, order.side) for order in (whole, part, some)
    ]
    assert whole.order_type is OrderType.MARKET


@drive("TradingClient.close_all_positions")
def _(world: World) -> None:
    answers = world.trading.close_all_positions(cancel_orders=True)
    assert {answer.symbol for answer in answers} >= {"HELD"}
    assert {answer.status for answer in answers} == {200}


@drive("TradingClient.get_portfolio_history")
def _(world: World) -> None:
    history = world.trading.get_portfolio_history(GetPortfolioHistoryRequest(period="1M", timeframe="1D"))
    assert len(history.timestamp) == len(history.equity) > 0
    assert world.trading.get_portfolio_history().timeframe


@drive("TradingClient.get_all_assets")
def _(world: World) -> None:
    assert QUIET in {asset.symbol for asset in world.trading.get_all_assets(GetAssetsRequest())}


@drive("TradingClient.get_asset")
def _(world: World) -> None:
    by_symbol = world.trading.get_asset(QUIET)
    assert world.trading.get_asset(by_symbol.id).symbol == QUIET


@drive("TradingClient.get_clock")
def _(world: World) -> None:
    assert world.trading.get_clock().is_open is False


@drive("TradingClient.get_calendar")
def _(world: World) -> None:
    wanted = GetCalendarRequest(start=date(2012, 11, 21), end=date(2012, 11, 23))
    assert [day.date for day in world.trading.get_calendar(wanted)] == [wanted.start, wanted.end]


@drive("TradingClient.get_account")
def _(world: World) -> None:
    assert world.trading.get_account().multiplier == "4"


@drive("TradingClient.get_account_configurations")
def _(world: World) -> None:
    assert isinstance(world.trading.get_account_configurations(), AccountConfiguration)


@drive("TradingClient.set_account_configurations")
def _(world: World) -> None:
    before = world.trading.get_account_configurations()
    wanted = before.model_copy(update={"no_shorting": True})
    assert world.trading.set_account_configurations(wanted).no_shorting is True
    assert world.trading.set_account_configurations(before).no_shorting is before.no_shorting


@drive("TradingClient.create_watchlist")
def _(world: World) -> None:
    assert [asset.symbol for asset in world.watchlist().assets or []] == [QUIET, "HELD"]


@drive("TradingClient.get_watchlists")
def _(world: World) -> None:
    made = world.watchlist()
    assert made.id in {one.id for one in world.trading.get_watchlists()}


@drive("TradingClient.get_watchlist_by_id")
def _(world: World) -> None:
    made = world.watchlist()
    assert world.trading.get_watchlist_by_id(made.id).name == made.name


@drive("TradingClient.update_watchlist_by_id")
def _(world: World) -> None:
    made = world.watchlist()
    changed = world.trading.update_watchlist_by_id(
        made.id, UpdateWatchlistRequest(name=f"{made.name} anew", symbols=["PART"])
    )
    assert (changed.name, [asset.symbol for asset in changed.assets]) == (f"{made.name} anew", ["PART"])


@drive("TradingClient.add_asset_to_watchlist_by_id")
def _(world: World) -> None:
    changed = world.trading.add_asset_to_watchlist_by_id(world.watchlist().id, "PART")
    assert [asset.symbol for asset in changed.assets] == [QUIET, "HELD", "PART"]


@drive("TradingClient.remove_asset_from_watchlist_by_id")
def _(world: World) -> None:
    changed = world.trading.remove_asset_from_watchlist_by_id(world.watchlist().id, "HELD")
    assert [asset.symbol for asset in changed.assets] == [QUIET]


@drive("TradingClient.delete_watchlist_by_id")
def _(world: World) -> None:
    made = world.watchlist()
    world.trading.delete_watchlist_by_id(made.id)
    assert made.id not in {one.id for one in world.trading.get_watchlists()}


def _announcements() -> GetCorporateAnnouncementsRequest:
    return GetCorporateAnnouncementsRequest(
        ca_types=[CorporateActionType.SPLIT], since=date(2012, 11, 1), until=date(2012, 12, 1)
    )


@drive("TradingClient.get_corporate_announcements")
def _(world: World) -> None:
    assert [("SPLT", 1.0, 2.0)] == [
        (told.initiating_symbol, told.old_rate, told.new_rate)
        for told in world.trading.get_corporate_announcements(_announcements())
    ]


@drive("TradingClient.get_corporate_announcement_by_id")
def _(world: World) -> None:
    told = world.trading.get_corporate_announcements(_announcements())[0]
    assert world.trading.get_corporate_announcement_by_id(UUID(str(told.id))).initiating_symbol == "SPLT"


_OPEN, _CLOSE = datetime(2012, 11, 20, 14, 30, tzinfo=UTC), datetime(2012, 11, 20, 21, tzinfo=UTC)


@drive("StockHistoricalDataClient.get_stock_bars")
def _(world: World) -> None:
    for timeframe in (TimeFrame.Day, TimeFrame.Hour, TimeFrame.Minute):
        start = _OPEN - timedelta(days=1)
        wanted = StockBarsRequest(
            symbol_or_symbols=[QUIET, "HELD"], timeframe=timeframe, start=start, end=_CLOSE
        )
        bars = world.data.get_stock_bars(wanted)
        assert isinstance(bars, BarSet)
        assert bars[QUIET]


@drive("StockHistoricalDataClient.get_stock_quotes")
def _(world: World) -> None:
    wanted = StockQuotesRequest(symbol_or_symbols=QUIET, limit=20, start=_OPEN, end=_CLOSE)
    quotes = world.data.get_stock_quotes(wanted)
    assert isinstance(quotes, QuoteSet)
    assert all(quote.bid_price < quote.ask_price for quote in quotes[QUIET])


@drive("StockHistoricalDataClient.get_stock_trades")
def _(world: World) -> None:
    wanted = StockTradesRequest(symbol_or_symbols=QUIET, limit=20, start=_OPEN, end=_CLOSE)
    trades = world.data.get_stock_trades(wanted)
    assert isinstance(trades, TradeSet)
    assert all(99 <= trade.price <= 101 for trade in trades[QUIET])


@drive("StockHistoricalDataClient.get_stock_latest_trade")
def _(world: World) -> None:
    found = world.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=[QUIET, "HELD"]))
    assert {QUIET, "HELD"} == set(found)


@drive("StockHistoricalDataClient.get_stock_latest_quote")
def _(world: World) -> None:
    found = world.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=[QUIET, "HELD"]))
    assert {QUIET, "HELD"} == set(found)


@drive("StockHistoricalDataClient.get_stock_latest_bar")
def _(world: World) -> None:
    found = world.data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=[QUIET, "HELD"]))
    assert {QUIET, "HELD"} == set(found)


@drive("StockHistoricalDataClient.get_stock_snapshot")
def _(world: World) -> None:
    found = world.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=QUIET))
    assert isinstance(found[QUIET], Snapshot)
    assert found[QUIET].daily_bar is not None
