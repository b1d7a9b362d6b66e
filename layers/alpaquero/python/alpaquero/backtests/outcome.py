"""What a backtest came to, as its result file and the report hold it; made by `backtests.execution`.

The same structs are the answer of `alpaquero backtest --json`, the job's `result.json` and what
`backtests.report` draws.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from alpaquero.portfolio.curve import CurveFigures, Drawdown
from alpaquero.portfolio.performance import TradeFigures


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was tested: enough to run it again and get the same trades.

    `strategies` maps each instance to its rule and parameters; `risk` and `orders` are the limits and
    order settings in force, `risk_free_percent` the yearly rate that ratios take off returns. Money is in
    dollars.
    """

    strategies: dict[str, dict[str, Any]]
    symbols: tuple[str, ...]
    start: date
    end: date
    timeframe: str
    cash: Decimal
    seed: int
    fills: dict[str, Any]
    risk: dict[str, Any]
    orders: dict[str, Any]
    data: str
    rules_version: str
    risk_free_percent: Decimal = Decimal(0)


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One round trip; `pnl` is dollars after `fees`, `pnl_percent` of what was paid to enter."""

    symbol: str
    strategy: str
    side: str
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    pnl_percent: Decimal
    fees: Decimal
    entry_tag: str
    exit_tag: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position still open at the end, at the last price."""

    symbol: str
    quantity: Decimal
    price: Decimal
    market_value: Decimal


class Equity(msgspec.Struct, frozen=True, kw_only=True):
    """The curve by session, columns of one length: dollars, and percent below the highest so far.

    `invested` is the market value of positions; `benchmark` is buying and holding the same symbols.
    """

    days: list[date]
    equity: list[float]
    cash: list[float]
    invested: list[float]
    drawdown_percent: list[float]
    benchmark: list[float]


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on the way; counts by reason code say where signals and intents ended.

    A signal is `withheld` when it could not be judged, `passed_over` when there was nothing to do
    for it, and `refused` when a risk rule said no to its intent.
    """

    signals: int
    withheld: dict[str, int]
    passed_over: dict[str, int]
    intents: int
    refused: dict[str, int]
    fills: int
    fees: Decimal
    traded_dollars: Decimal
    turnover_yearly: float | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one backtest; figures are None when there is nothing to compute them from."""

    asked: Asked
    trades_sha256: str
    final_equity: Decimal
    final_cash: Decimal
    curve: CurveFigures
    benchmark: CurveFigures
    trades: TradeFigures
    by_symbol: dict[str, TradeFigures]
    by_strategy: dict[str, TradeFigures]
    by_entry_tag: dict[str, TradeFigures]
    by_exit_tag: dict[str, TradeFigures]
    activity: Activity
    drawdowns: list[Drawdown]
    monthly_percent: dict[int, dict[int, float]]
    yearly_percent: dict[int, float]
    benchmark_yearly_percent: dict[int, float]
    equity: Equity
    round_trips: list[TradeRow]
    held: list[Held]
    notes: list[str] = []
    seconds: float = 0.0


_ENCODER = msgspec.json.Encoder(decimal_format="string")


def encoded(outcome: Outcome) -> bytes:
    """The outcome as JSON: Decimals as texts, durations as ISO 8601."""
    return _ENCODER.encode(outcome)


def decoded(text: bytes) -> Outcome:
    """The outcome in a result file. Raises `msgspec.ValidationError` for one of another version."""
    return msgspec.json.decode(text, type=Outcome)


def figures(outcome: Outcome) -> dict[str, Any]:
    """The figures without curve, trades and settings: small enough for an item of a table."""
    kept = (
        "trades_sha256", "final_equity", "final_cash", "curve", "benchmark", "trades", "by_strategy",
        "by_entry_tag", "by_exit_tag", "activity", "drawdowns", "yearly_percent", "notes", "seconds",
    )  # fmt: skip
    found: dict[str, Any] = msgspec.json.decode(
        _ENCODER.encode({name: getattr(outcome, name) for name in kept})
    )
    return found
