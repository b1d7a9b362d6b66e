"""The bodies of performance, round trips, the equity curve and backtests."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from alpaquero.orders.kinds import Side


class AccountCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Return and risk of the account without deposits and withdrawals (time-weighted), from its closes.

    A year has 252 sessions. `calmar` is `cagr_percent` over `max_drawdown_percent`. `exposure_percent`
    is the average share of equity invested, `time_invested_percent` that of sessions with a position,
    `turnover_yearly` how often the average equity was bought and sold again. What cannot be computed
    is null. Equity is in dollars, drawdowns are in days of the calendar.
    """

    start: date
    end: date
    sessions: int
    initial_equity: float
    final_equity: float
    total_return_percent: float | None
    cagr_percent: float | None
    volatility_percent: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown_percent: float
    longest_drawdown_days: int
    best_session_percent: float | None
    worst_session_percent: float | None
    exposure_percent: float | None
    time_invested_percent: float | None
    turnover_yearly: float | None


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """The account beside a symbol that was held all the time, over the `days` both have a value of.

    `alpha_percent`, `tracking_error_percent` and `information_ratio` are annual; the two lists are
    what each had gained by a day, in percent.
    """

    symbol: str
    sessions: int
    alpha_percent: float | None
    beta: float | None
    correlation: float | None
    tracking_error_percent: float | None
    information_ratio: float | None
    total_return_percent: float | None
    benchmark_return_percent: float | None
    days: list[date]
    gain_percent: list[float]
    benchmark_gain_percent: list[float]


class AnalyticsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How the trading went. What there is nothing to compute from is null.

    Counts and averages are of the trades closed in the stretch, `realised_pnl` of the shares closed in
    it. `open_pnl` is what is held now would gain, null for a stretch that has ended. `total_pnl` is the
    change of equity without `deposits`: realised, open and `income` (dividends, fees) together. It,
    `curve` and what follows from it are the whole account's, null for a part of the trades. Slippage is
    against the prices at the orders' arrival, above 0 a cost.
    """

    trades: int
    wins: int
    losses: int
    open_trades: int
    win_rate_percent: Decimal | None
    profit_factor: Decimal | None
    payoff_ratio: Decimal | None
    expectancy: Decimal | None
    realised_pnl: Decimal
    open_pnl: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    average_holding_days: float | None
    longest_win_streak_trades: int
    longest_loss_streak_trades: int
    slippage_dollars: Decimal | None
    slippage_bps: Decimal | None
    since: datetime | None
    as_of: datetime | None
    income: Decimal | None = None
    deposits: Decimal | None = None
    total_pnl: Decimal | None = None
    total_return_percent: float | None = None
    max_drawdown_percent: float | None = None
    curve: AccountCurve | None = None
    benchmark: Benchmark | None = None


class PnlRow(msgspec.Struct, frozen=True, kw_only=True):
    """Profit and loss of a day (2026-11-20), week (2026-W47), month (2026-11), symbol, strategy or tag.

    `pnl`, `income`, `deposits`, `return_percent` and `equity` are the account's, by period alone (income
    by symbol too); `open_pnl` is told by group alone, and only up to now.
    """

    key: str
    trades: int
    wins: int
    losses: int
    win_rate_percent: Decimal | None
    profit_factor: Decimal | None
    expectancy: Decimal | None
    realised_pnl: Decimal
    open_pnl: Decimal | None
    income: Decimal | None
    pnl: Decimal | None
    deposits: Decimal | None
    return_percent: float | None
    equity: Decimal | None


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A round trip. `tag` is why it was opened, `reason` why it was closed.

    Arrival prices are what the symbol stood at when the orders reached the market; slippage is
    against them, above 0 a cost. `pnl_percent` is of the entry, null where shares came at no cost.
    """

    symbol: str
    side: Side
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    pnl_percent: Decimal | None
    strategy: str
    tag: str
    reason: str
    arrival_price: Decimal | None
    exit_arrival_price: Decimal | None
    slippage_bps: Decimal | None
    holding_days: int


class EquityMark(msgspec.Struct, frozen=True, kw_only=True):
    """Equity at a moment; `pnl` is what was gained since the account was first seen, deposits left out."""

    at: datetime
    equity: Decimal
    cash: Decimal
    drawdown_percent: Decimal
    pnl: Decimal | None


class DistributionBin(msgspec.Struct, frozen=True, kw_only=True):
    """The trades that gained from `low_percent` to below `high_percent` of their entry."""

    low_percent: Decimal
    high_percent: Decimal
    trades: int
    pnl: Decimal


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """The results of trades in percent of their entry; 0 is always an edge."""

    trades: int
    mean_percent: float | None
    median_percent: float | None
    deviation_percent: float | None
    bins: list[DistributionBin]


class MonthlyReturns(msgspec.Struct, frozen=True, kw_only=True):
    """Time-weighted returns in percent, by year and month (1 to 12), and by year."""

    months: dict[int, dict[int, float]]
    years: dict[int, float]


class BacktestAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest is queued, or was already with the same Idempotency-Key; follow it by its id."""

    id: str
    status: str


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest as a job. `figures` are null until it is done; `message` says why one failed."""

    id: str
    status: str
    message: str
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress_percent: int
    progress_note: str
    request: dict[str, Any]
    figures: dict[str, Any] | None
