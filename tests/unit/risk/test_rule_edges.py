"""Every rule at its edge: just inside, at the limit, just outside, and where it does not apply."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import OrderClass, OrderType, Purpose, Side, TimeInForce
from alpaquero.risk.activity import Activity
from alpaquero.risk.book import Lock, Reservation, TradingState
from alpaquero.risk.facts import Asset, MarketPrice, OpenOrder
from alpaquero.risk.limits import Blackout, RiskLimits, SizingMethod
from alpaquero.risk.rules import RULES, RuleResult, assess
from tests.unit.orders.builders import NOON, an_exit, an_intent, at
from tests.unit.risk.builders import a_book, entry, held, leaving, some_facts, utc

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not_applicable"
HOLDING = {"positions": {"AAPL": held("10", "1000")}}
D = Decimal


@dataclass(frozen=True)
class Edge:
    """One case: the rule, what it must say, and what differs from a buy of 50 AAPL at noon.

    `used` is what the rule must have measured, where that is of interest.
    """

    code: str
    outcome: str
    intent: dict[str, Any] = field(default_factory=dict)
    book: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    used: str | None = None
    sells: bool = False


def judged(case: Edge) -> RuleResult:
    """The rule's own answer in the whole verdict."""
    make = an_exit if case.sells else an_intent
    intent = make(**{"quantity": D(50), **case.intent})
    limits = RiskLimits(**case.limits)
    verdict = assess(intent, a_book(**case.book), limits, some_facts(**case.facts))
    [result] = [result for result in verdict.results if result.code == case.code]
    return result


SIMPLE = {"order_class": OrderClass.SIMPLE}
DOLLARS = {"quantity": None, "time_in_force": TimeInForce.DAY, **SIMPLE}


def state(word: str) -> dict[str, Any]:
    return {**HOLDING, "trading_state": TradingState(word)}


def trade(price: str, minutes_ago: float = 0) -> dict[str, Any]:
    return {"market": MarketPrice(NOON - timedelta(minutes=minutes_ago), last=D(price))}


def recent(*seconds_ago: int) -> dict[str, Any]:
    return {"recent_orders": tuple(NOON - timedelta(seconds=s) for s in sorted(seconds_ago, reverse=True))}


def losses(count: int, hours_ago: float) -> dict[str, Any]:
    return {"activity": Activity(loss_streak=count, last_loss_at=NOON - timedelta(hours=hours_ago))}


def stops(*hours_ago: float, **book: Any) -> dict[str, Any]:
    hit = tuple(sorted(NOON - timedelta(hours=h) for h in hours_ago))
    return {"activity": Activity(stop_exits=hit), **book}


def sold(minutes_ago: float, symbol: str = "AAPL") -> dict[str, Any]:
    return {"activity": Activity(last_exit_at={symbol: NOON - timedelta(minutes=minutes_ago)})}


def opened(side: Side, symbol: str = "AAPL") -> dict[str, Any]:
    return {"open_orders": (OpenOrder("o-1", symbol, side),)}


def day(start_equity: str) -> dict[str, Any]:
    return {"day": "2012-07-02", "day_start_equity": D(start_equity)}


def window(start: str, end: str, symbol: str = "AAPL") -> dict[str, Any]:
    return {"blackouts": (Blackout(symbol=symbol, start=utc(start), end=utc(end), reason="earnings"),)}


def in_tech(limit: str = "25", **more: Any) -> dict[str, Any]:
    return {
        "sectors": {"AAPL": "technology", "MSFT": "technology", "XOM": "energy"},
        "sector_limit_percent": D(limit),
        **more,
    }


LOCKED = {"locks": {"drawdown": Lock(state=TradingState.REDUCING, since=NOON, reason="15% lost")}}
DAY_LOCK = {"locks": {"daily_loss": Lock(state=TradingState.REDUCING, since=NOON, reason="5% lost")}}
CLOSED = {"now": utc("2T20:30")}
TWO_OTHERS = {"positions": {"IBM": held("1", "100")}, "reservations": {"x": entry("MSFT", "100")}}
LIMIT = {"order_type": OrderType.LIMIT, "reference_price": None}
FRACTION = {"quantity": D("0.5"), "time_in_force": TimeInForce.DAY, **SIMPLE}

EDGES = [
    Edge("trading_state", PASSED, book=state("ACTIVE")),
    Edge("trading_state", FAILED, book=state("REDUCING")),
    Edge("trading_state", FAILED, book=state("HALTED")),
    Edge("trading_state", PASSED, book=state("REDUCING"), sells=True),
    Edge("trading_state", FAILED, book=state("HALTED"), sells=True),
    # the market's clock: a minute behind the books may be two readers of it
    Edge("market_clock", PASSED, facts={"now": at(0)}),
    Edge("market_clock", PASSED, facts={"now": at(-1)}),
    Edge("market_clock", FAILED, facts={"now": at(-1) - timedelta(seconds=1)}),
    Edge("market_clock", NOT_APPLICABLE, facts={"now": at(-60)}, sells=True),
    # market open: the open counts as open, the close as closed
    Edge("market_open", FAILED, facts={"now": utc("2T13:29")}, limits={"allow_entries_while_closed": False}),
    Edge("market_open", PASSED, facts={"now": utc("2T13:30")}, limits={"allow_entries_while_closed": False}),
    Edge("market_open", PASSED, facts={"now": utc("2T19:59")}, limits={"allow_entries_while_closed": False}),
    Edge("market_open", FAILED, facts={"now": utc("2T20:00")}, limits={"allow_entries_while_closed": False}),
    Edge("market_open", PASSED, facts=CLOSED),
    Edge("market_open", FAILED, facts=CLOSED, intent={"time_in_force": TimeInForce.IOC, **SIMPLE}),
    Edge("market_open", FAILED, facts=CLOSED, intent={"time_in_force": TimeInForce.FOK, **SIMPLE}),
    Edge("market_open", PASSED, intent={"time_in_force": TimeInForce.IOC, **SIMPLE}),
    Edge("market_open", FAILED, facts={"now": utc("6T20:30")}),  # past the calendar's end
    Edge("market_open", FAILED, facts={"sessions": ()}),
    Edge("market_open", NOT_APPLICABLE, sells=True, facts=CLOSED),
    # session window
    Edge("session_window", FAILED, facts={"now": utc("2T13:39")}, limits={"session_open_delay_minutes": 10}),
    Edge("session_window", PASSED, facts={"now": utc("2T13:40")}, limits={"session_open_delay_minutes": 10}),
    Edge("session_window", PASSED, facts={"now": utc("2T13:30")}),
    Edge("session_window", PASSED, facts={"now": utc("2T19:55")}, used="5.0"),
    Edge("session_window", FAILED, facts={"now": utc("2T19:55") + timedelta(seconds=6)}, used="4.9"),
    Edge("session_window", PASSED, facts={"now": utc("2T19:59")}, limits={"session_close_margin_minutes": 0}),
    Edge("session_window", PASSED, facts=CLOSED),
    Edge("session_window", FAILED, facts=CLOSED, limits={"session_open_delay_minutes": 1}),
    # data freshness, in minutes of open market
    Edge("data_freshness", PASSED, facts=trade("100", 59.9)),
    Edge("data_freshness", PASSED, facts=trade("100", 60), used="60.0"),
    Edge("data_freshness", FAILED, facts=trade("100", 60.1)),
    Edge("data_freshness", FAILED, facts={"market": None}),
    Edge("data_freshness", PASSED, facts={**CLOSED, "market": MarketPrice(utc("2T19:00"), D(100))}),
    Edge("data_freshness", FAILED, facts={**CLOSED, "market": MarketPrice(utc("2T18:59"), D(100))}),
    Edge(  # over a night only open market counts
        "data_freshness",
        PASSED,
        facts={"now": utc("3T13:40"), "market": MarketPrice(utc("2T19:10"), D(100))},
        used="60.0",
    ),
    Edge("data_freshness", NOT_APPLICABLE, facts={"market": None}, sells=True),
    # signal validity, in bars
    Edge("signal_validity", PASSED, intent={"valid_until": at(1)}),
    Edge("signal_validity", PASSED, intent={"valid_until": at(0)}),
    Edge("signal_validity", FAILED, intent={"valid_until": at(-0.001)}),
    Edge("signal_validity", NOT_APPLICABLE),
    Edge(
        "signal_validity",
        PASSED,
        intent={"bar_close": utc("2T20:00"), "valid_until": utc("5T20:00")},
        facts={"now": utc("5T20:00")},
        used="2",
    ),
    Edge(
        "signal_validity",
        FAILED,
        intent={"bar_close": utc("2T20:00"), "valid_until": utc("5T20:00")},
        facts={"now": utc("6T20:00")},
        used="3",
    ),
    *(
        Edge(
            "signal_validity",
            outcome,
            intent={"timeframe": "5Min", "bar_close": utc("2T13:50"), "valid_until": utc("2T14:05")},
            facts={"now": utc(now)},
            used=used,
        )
        for now, outcome, used in (
            ("2T13:51", PASSED, "0"),
            ("2T14:05", PASSED, "3"),
            ("2T14:10", FAILED, "4"),
        )
    ),
    # the age of what a person asked for, in wall time; an exit may meet a holding bought since
    Edge("request_age", NOT_APPLICABLE),
    Edge("request_age", NOT_APPLICABLE, facts={"wall_now": at(900)}),
    Edge("request_age", PASSED, intent={"asked_at": at(0)}, facts={"wall_now": at(15)}, used="15.0"),
    Edge("request_age", FAILED, intent={"asked_at": at(0)}, facts={"wall_now": at(15.1)}, used="15.1"),
    Edge("request_age", FAILED, intent={"asked_at": at(0)}, facts={"wall_now": at(15.1)}, sells=True),
    Edge("request_age", PASSED, intent={"asked_at": at(1)}, facts={"wall_now": at(0)}),  # clocks differ
    Edge(
        "request_age",
        NOT_APPLICABLE,
        intent={"asked_at": at(0)},
        facts={"wall_now": at(900)},
        limits={"request_validity_minutes": 0},
    ),
    # blackout, both ends included; a queued order is judged at the open as well
    Edge("blackout", FAILED, limits=window("2T16:00", "2T17:00")),
    Edge("blackout", PASSED, limits=window("2T16:01", "2T17:00")),
    Edge("blackout", FAILED, limits=window("2T15:00", "2T16:00")),
    Edge("blackout", PASSED, limits=window("2T15:00", "2T15:59")),
    Edge("blackout", NOT_APPLICABLE, limits=window("2T15:00", "2T17:00", "IBM")),
    Edge("blackout", NOT_APPLICABLE),
    Edge("blackout", FAILED, limits=window("2T15:00", "2T17:00", "*")),
    Edge("blackout", FAILED, facts=CLOSED, limits=window("3T13:30", "3T13:30")),
    Edge("blackout", PASSED, facts=CLOSED, limits=window("3T13:31", "3T20:00")),
    Edge("blackout", NOT_APPLICABLE, limits=window("2T15:00", "2T17:00"), sells=True),
    Edge("direction", PASSED),
    Edge("direction", FAILED, intent={"side": Side.SELL}),
    Edge("direction", PASSED, sells=True),
    Edge("direction", FAILED, intent={"side": Side.BUY}, sells=True),
    # what the broker lists; a backtest has no such list
    Edge("tradable", NOT_APPLICABLE),
    Edge("tradable", PASSED, facts={"asset": Asset()}),
    Edge("tradable", FAILED, facts={"asset": Asset(listed=False)}),
    Edge("tradable", FAILED, facts={"asset": Asset(tradable=False)}),
    Edge("tradable", PASSED, facts={"asset": Asset(fractionable=False, shortable=False)}),
    Edge("tradable", FAILED, intent=FRACTION, facts={"asset": Asset(fractionable=False)}),
    Edge("tradable", PASSED, intent=FRACTION, facts={"asset": Asset()}),
    Edge("tradable", FAILED, intent={"side": Side.SELL}, facts={"asset": Asset(shortable=False)}),
    Edge("tradable", NOT_APPLICABLE, facts={"asset": Asset(tradable=False)}, sells=True),
    Edge("symbol_lock", NOT_APPLICABLE),
    Edge("symbol_lock", FAILED, limits={"locked_symbols": ("IBM", "AAPL")}),
    Edge("symbol_lock", PASSED, limits={"locked_symbols": ("IBM",)}),
    Edge("symbol_lock", NOT_APPLICABLE, limits={"locked_symbols": ("AAPL",)}, sells=True),
    Edge("symbol_cooldown", FAILED, book=sold(59.99), used="59"),
    Edge("symbol_cooldown", PASSED, book=sold(60), used="60"),
    Edge("symbol_cooldown", PASSED, book=sold(60.01)),
    Edge("symbol_cooldown", NOT_APPLICABLE, book=sold(1, "IBM")),
    Edge("symbol_cooldown", NOT_APPLICABLE, book=sold(1), limits={"symbol_cooldown_minutes": 0}),
    Edge("price_known", PASSED),
    Edge("price_known", FAILED, intent={"reference_price": None}),
    Edge("price_known", PASSED, intent={"reference_price": D("0.01")}),
    Edge("price_known", FAILED, intent={"reference_price": D("0.0001")}),
    Edge("price_known", FAILED, limits={"sizing_method": SizingMethod.ATR}),
    Edge(
        "price_known",
        PASSED,
        limits={"sizing_method": SizingMethod.ATR},
        facts={"average_true_range": D("49.99")},
    ),
    Edge(
        "price_known",
        FAILED,
        limits={"sizing_method": SizingMethod.ATR},
        facts={"average_true_range": D("50")},
    ),
    # price collar: 5% either side for a market order, past the market for a limit
    Edge("price_collar", PASSED, intent={"reference_price": D("104.9")}, facts=trade("100")),
    Edge("price_collar", PASSED, intent={"reference_price": D("105")}, facts=trade("100"), used="5.0000"),
    Edge("price_collar", FAILED, intent={"reference_price": D("105.001")}, facts=trade("100")),
    Edge("price_collar", PASSED, intent={"reference_price": D("95")}, facts=trade("100"), used="5.0000"),
    Edge("price_collar", FAILED, intent={"reference_price": D("94.999")}, facts=trade("100")),
    Edge("price_collar", PASSED, intent={**LIMIT, "limit_price": D("105")}, facts=trade("100")),
    Edge("price_collar", FAILED, intent={**LIMIT, "limit_price": D("105.01")}, facts=trade("100")),
    Edge("price_collar", PASSED, intent={**LIMIT, "limit_price": D("50")}, facts=trade("100"), used="0.0000"),
    Edge("price_collar", PASSED, intent={**LIMIT, "limit_price": D("95")}, facts=trade("100"), sells=True),
    Edge("price_collar", FAILED, intent={**LIMIT, "limit_price": D("94")}, facts=trade("100"), sells=True),
    Edge("price_collar", NOT_APPLICABLE, sells=True),
    Edge("price_collar", NOT_APPLICABLE, facts={"market": None}),
    Edge(  # a buy meets the ask
        "price_collar",
        PASSED,
        intent={"reference_price": D("105")},
        facts={"market": MarketPrice(NOON, bid=D("50"), ask=D("100"))},
    ),
    Edge("already_held", PASSED),
    Edge("already_held", FAILED, book=HOLDING),
    Edge("already_held", NOT_APPLICABLE, book=HOLDING, limits={"one_position_per_symbol": False}),
    Edge("open_positions", PASSED, book=TWO_OTHERS, limits={"open_positions_limit": 3}, used="2"),
    Edge("open_positions", FAILED, book=TWO_OTHERS, limits={"open_positions_limit": 2}, used="2"),
    Edge("open_positions", PASSED, book=HOLDING, limits={"open_positions_limit": 1}, used="0"),
    Edge("open_positions", NOT_APPLICABLE, book=TWO_OTHERS, limits={"open_positions_limit": 1}, sells=True),
    Edge("duplicate_direction", PASSED, book={"reservations": {"o": entry("IBM", "1")}}),
    Edge("duplicate_direction", FAILED, book={"reservations": {"o": entry("AAPL", "1")}}),
    Edge("duplicate_direction", PASSED, book={"reservations": {"o": leaving("AAPL", "1")}}),
    Edge(
        "duplicate_direction",
        NOT_APPLICABLE,
        book={"reservations": {"o": entry("AAPL", "1")}},
        limits={"one_position_per_symbol": False, "one_open_entry_per_symbol": False},
    ),
    Edge("wash_trade", PASSED),
    Edge("wash_trade", FAILED, facts=opened(Side.SELL)),
    Edge("wash_trade", PASSED, facts=opened(Side.BUY)),
    Edge("wash_trade", PASSED, facts=opened(Side.SELL, "IBM")),
    Edge("wash_trade", NOT_APPLICABLE, facts=opened(Side.SELL), limits={"refuse_wash_trades": False}),
    Edge("wash_trade", NOT_APPLICABLE, facts=opened(Side.BUY), sells=True),
    Edge("nothing_to_sell", PASSED, intent={"quantity": D("10")}, book=HOLDING, sells=True),
    Edge("nothing_to_sell", FAILED, intent={"quantity": D("10.1")}, book=HOLDING, sells=True),
    Edge("nothing_to_sell", FAILED, intent={"quantity": None}, sells=True),
    Edge("nothing_to_sell", NOT_APPLICABLE, book=HOLDING),
    # orders per minute: this order is counted, one of a minute ago is not
    Edge("orders_per_minute", PASSED, book=recent(1), limits={"orders_per_minute_limit": 2}, used="2"),
    Edge("orders_per_minute", FAILED, book=recent(1, 59), limits={"orders_per_minute_limit": 2}, used="3"),
    Edge("orders_per_minute", PASSED, book=recent(1, 60), limits={"orders_per_minute_limit": 2}, used="2"),
    Edge("orders_per_minute", NOT_APPLICABLE, book=recent(*range(59)), sells=True),
    # daily loss: from 5% on
    Edge("daily_loss", PASSED, book={**day("105263.10"), "equity": D("100000")}, used="4.9999"),
    Edge("daily_loss", FAILED, book={**day("100000"), "equity": D("95000")}, used="5.0000"),
    Edge("daily_loss", FAILED, book={**day("100000"), "equity": D("94000")}),
    Edge("daily_loss", PASSED, book={**day("90000"), "equity": D("95000")}, used="0.0000"),
    Edge("daily_loss", FAILED, book={**day("100000"), **DAY_LOCK}),
    Edge("daily_loss", PASSED, book={"day": "2012-06-29", "day_start_equity": D(200_000)}),  # a new day
    Edge("daily_loss", NOT_APPLICABLE, book={**day("100000"), "equity": D("90000")}, sells=True),
    # drawdown: from 15% on, and while it is locked
    Edge("drawdown", PASSED, book={"equity": D("85001")}, used="14.9990"),
    Edge("drawdown", FAILED, book={"equity": D("85000")}, used="15.0000"),
    Edge("drawdown", FAILED, book={"equity": D("84000")}),
    Edge("drawdown", FAILED, book={"equity": D("89000"), **LOCKED}),
    Edge("drawdown", NOT_APPLICABLE, book={"equity": D("10000"), **LOCKED}, sells=True),
    # loss streak: from the sixth loss on, for a day
    Edge("loss_streak", PASSED, book=losses(5, 1), used="5"),
    Edge("loss_streak", FAILED, book=losses(6, 1), used="6"),
    Edge("loss_streak", FAILED, book=losses(7, 23.99)),
    Edge("loss_streak", PASSED, book=losses(6, 24)),
    Edge("loss_streak", NOT_APPLICABLE, book=losses(50, 1), limits={"loss_streak_limit_trades": 0}),
    Edge("loss_streak", PASSED, book={**losses(6, 1), "released_at": NOON - timedelta(hours=1)}),
    Edge("loss_streak", FAILED, book={**losses(6, 1), "released_at": NOON - timedelta(hours=1.1)}),
    # stop guard: four stops within a day pause for a day from the fourth
    Edge("stop_guard", PASSED, book=stops(1, 2, 3), used="3"),
    Edge("stop_guard", FAILED, book=stops(1, 2, 3, 4), used="4"),
    Edge("stop_guard", FAILED, book=stops(0, 1, 2, 3)),
    Edge("stop_guard", PASSED, book=stops(23.99, 24), used="1"),
    Edge("stop_guard", FAILED, book=stops(23, 24, 25, 47)),
    Edge("stop_guard", PASSED, book=stops(23, 24, 25, 47.01)),
    Edge("stop_guard", FAILED, book=stops(23.99, 24, 25, 26)),
    Edge("stop_guard", PASSED, book=stops(24, 25, 26, 27)),
    Edge("stop_guard", PASSED, book=stops(1, 2, 3, 4, released_at=NOON - timedelta(hours=4))),
    Edge("stop_guard", NOT_APPLICABLE, book=stops(1, 2, 3, 4), limits={"stop_guard_limit_stops": 0}),
    # amounts: 50 shares at 102 dollars are 5,100; bought at the ask of 100.01 the stop at 97 loses 150.50
    Edge("equity_at_risk", PASSED, limits={"equity_at_risk_percent": D("0.151")}),
    Edge("equity_at_risk", PASSED, limits={"equity_at_risk_percent": D("0.1505")}, used="150.5"),
    Edge("equity_at_risk", FAILED, limits={"equity_at_risk_percent": D("0.1504")}),
    Edge("order_notional", PASSED, limits={"order_notional_limit_dollars": D("5100.01")}),
    Edge("order_notional", PASSED, limits={"order_notional_limit_dollars": D("5100")}, used="5100"),
    Edge("order_notional", FAILED, limits={"order_notional_limit_dollars": D("5099.99")}),
    Edge("position_limit", PASSED, limits={"position_limit_percent": D("5.1")}, used="5100"),
    Edge("position_limit", FAILED, limits={"position_limit_percent": D("5.0999")}),
    Edge("position_limit", FAILED, book={"reservations": {"o": entry("AAPL", "4900.01")}}),
    Edge("exposure_limit", PASSED, book={"positions": {"IBM": held("1", "89900")}}, used="95000"),
    Edge("exposure_limit", FAILED, book={"positions": {"IBM": held("1", "89900.01")}}),
    Edge("exposure_limit", FAILED, book={"positions": {"IBM": held("-1", "-89900.01")}}),
    Edge("sector_limit", PASSED, limits=in_tech("5.1"), used="5100"),
    Edge("sector_limit", FAILED, limits=in_tech("5.0999")),
    Edge("sector_limit", PASSED, limits=in_tech(), book={"positions": {"MSFT": held("1", "19900")}}),
    Edge("sector_limit", FAILED, limits=in_tech(), book={"positions": {"MSFT": held("1", "19900.01")}}),
    Edge("sector_limit", PASSED, limits=in_tech(), book={"positions": {"XOM": held("1", "90000")}}),
    Edge("sector_limit", PASSED, limits=in_tech(), book={"positions": {"IBM": held("1", "90000")}}),
    Edge("sector_limit", FAILED, limits=in_tech(), book={"reservations": {"o": entry("MSFT", "19900.01")}}),
    Edge("sector_limit", PASSED, book={"positions": {"IBM": held("1", "60000")}}),
    Edge(
        "sector_limit",
        PASSED,
        book={"positions": {"IBM": held("1", "44900")}},
        limits={"unknown_sector_limit_percent": D(50)},
    ),
    Edge(
        "sector_limit",
        FAILED,
        book={"positions": {"IBM": held("1", "44900.01")}},
        limits={"unknown_sector_limit_percent": D(50)},
    ),
    Edge("leverage_limit", PASSED, book={"positions": {"IBM": held("1", "94900")}}, used="100000"),
    Edge("leverage_limit", FAILED, book={"positions": {"IBM": held("1", "94900.01")}}),
    Edge("cash_reserve", PASSED, book={"cash": D("10100")}, used="5100"),
    Edge("cash_reserve", FAILED, book={"cash": D("10099.99")}),
    Edge("cash_reserve", FAILED, book={"cash": D("11100"), "reservations": {"o": entry("IBM", "1000.01")}}),
    Edge("buying_power", PASSED, book={"buying_power": D("5100")}, used="5100"),
    Edge("buying_power", FAILED, book={"buying_power": D("5099.99")}),
    Edge("buying_power", NOT_APPLICABLE),
    Edge(
        "buying_power",
        FAILED,
        book={"buying_power": D("5100")},
        limits={"buying_power_reserve_percent": D("0.1")},
    ),
    Edge(  # an entry that the broker does not count yet takes its share ...
        "buying_power",
        FAILED,
        book={"buying_power": D("5100"), "reservations": {"o": entry("IBM", "0.01")}},
    ),
    Edge(  # ... one that it counts does not take it twice
        "buying_power",
        PASSED,
        book={
            "buying_power": D("5100"),
            "reservations": {"o": entry("IBM", "5000")},
            "deducted": ("o",),
        },
    ),
    Edge("intraday_margin", PASSED, limits={"maintenance_margin_percent": D(100)}),
    Edge(  # 100,000 of equity carry 333,333.33 dollars of positions at 30%
        "intraday_margin", PASSED, book={"positions": {"IBM": held("1", "328233.33")}}
    ),
    Edge("intraday_margin", FAILED, book={"positions": {"IBM": held("1", "328233.34")}}),
    Edge("quantity", PASSED, intent={"quantity": D("1")}),
    Edge("quantity", FAILED, intent={"quantity": None}, book={"equity": D(90)}),
    Edge("quantity", PASSED, intent=FRACTION),
    Edge("quantity", PASSED, intent={**DOLLARS, "notional": D(1)}),
    Edge("quantity", FAILED, intent={**DOLLARS, "notional": D(1), "reference_price": D("2e9")}),
    Edge(
        "order_notional",
        PASSED,
        intent={**DOLLARS, "notional": D(600)},
        limits={"order_notional_limit_dollars": D(600)},
    ),
    Edge(
        "order_notional",
        FAILED,
        intent={**DOLLARS, "notional": D("600.01")},
        limits={"order_notional_limit_dollars": D(600)},
    ),
    Edge("equity_at_risk", PASSED, intent={"quantity": D(100), "stop_loss_price": D("80.01")}, used="2000"),
    Edge("equity_at_risk", FAILED, intent={"quantity": D(100), "stop_loss_price": D(80)}),
    Edge("price_known", FAILED, intent={"stop_loss_price": D(100)}),
    Edge("price_known", FAILED, intent={"take_profit_price": D(100)}),
    Edge("price_known", PASSED, intent={"take_profit_price": D("100.01"), "stop_loss_price": D("99.99")}),
    Edge(
        "nothing_to_sell",
        PASSED,
        intent={"quantity": None, "percentage": D(50)},
        book=HOLDING,
        sells=True,
        used="5",
    ),
    Edge("nothing_to_sell", FAILED, intent={"quantity": None, "percentage": D(9)}, book=HOLDING, sells=True),
    Edge(
        "nothing_to_sell",
        PASSED,
        intent={"quantity": None, "forced": True},
        book={**HOLDING, "reservations": {"o": leaving("AAPL", "10")}},
        sells=True,
        used="10",
    ),
    Edge("quantity", NOT_APPLICABLE, intent={"quantity": D("0.5")}, book=HOLDING, sells=True),
]


def _named(case: Edge) -> str:
    return f"{case.code}-{case.outcome}"


@pytest.mark.parametrize("case", EDGES, ids=_named)
def test_a_rule_at_its_edge(case: Edge) -> None:
    """The rule's own answer, its measure, and a refusal that says why."""
    result = judged(case)
    assert case.outcome == result.outcome, result.message
    assert result.passed is (case.outcome != FAILED)
    assert result.message
    if case.used is not None:
        assert D(case.used) == result.used
        assert result.limit is not None


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_every_rule_has_both_sides_of_its_edge(code: str) -> None:
    """No rule is without a case that it lets pass and one that it refuses."""
    outcomes = {case.outcome for case in EDGES if case.code == code}
    assert {PASSED, FAILED} <= outcomes


@pytest.mark.parametrize("rule", [r for r in RULES if Purpose.EXIT not in r.purposes], ids=lambda r: r.code)
def test_no_rule_for_entries_keeps_a_position_in(rule: Any) -> None:
    """An exit in the worst of accounts passes every rule about losses, amounts and pace."""
    ruined = a_book(
        **HOLDING,
        **LOCKED,
        **recent(*range(59)),
        **day("200000"),
        cash=D(-1),
        equity=D(1),
        peak_equity=D(200_000),
        buying_power=D(0),
        trading_state=TradingState.REDUCING,
    )
    limits = RiskLimits(locked_symbols=("AAPL",), **window("2T15:00", "2T17:00"))
    verdict = assess(an_exit(), ruined, limits, some_facts(market=None, sessions=()))
    assert verdict.approved
    assert rule.code in {result.code for result in verdict.results if not result.applies}


def test_a_verdict_looks_at_its_arguments_alone() -> None:
    """The same intent, book, limits and facts give the same verdict, and the book is not changed."""
    book, facts = a_book(**recent(5)), some_facts()
    before = replace(book)
    assert assess(an_intent(), book, RiskLimits(), facts) == assess(an_intent(), book, RiskLimits(), facts)
    assert before == book


def test_a_reservation_of_an_exit_takes_no_buying_power() -> None:
    """Only entries spend it."""
    leaving_now = {"o": Reservation("IBM", Side.SELL, Purpose.EXIT, D(0), D(5))}
    assert (
        PASSED
        == judged(
            Edge("buying_power", PASSED, book={"buying_power": D("5100"), "reservations": leaving_now})
        ).outcome
    )
