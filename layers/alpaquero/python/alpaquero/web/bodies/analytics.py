"""The bodies of performance, round trips, the equity curve and backtests."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from alpaquero.orders.kinds import Side


class AccountCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Return and risk of the account without deposits and withdrawals (time-weighted), from its closes.

    A year has 252 sessions. `calmar` is `cagr_percent` over `max_drawdown_percent`. `exposure_percent`
    is the average share of equity invested, `time_invested_percent` that of sessions with a position,
    `turnover_yearly` how often the average equity was bought and sold again. Sharpe and Sortino take
    `risk_free_percent` a year off returns. What cannot be computed
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
    risk_free_percent: float


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


class Disposal(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one lot that one fill closed, as the tax office counts them (New York days, dollars).

    `cost` holds fees and what wash sales `carried` in; `disallowed` is the part of the loss that one
    takes away, so `taxable_gain` is `gain` plus it. `term` is `short` or `long`.
    """

    symbol: str
    source: str
    closed_by: str
    quantity: Decimal
    is_short: bool
    acquired_on: date
    held_since: date
    sold_on: date
    closed_on: date
    proceeds: Decimal
    cost: Decimal
    gain: Decimal
    carried: Decimal
    disallowed: Decimal
    taxable_gain: Decimal
    is_wash_sale: bool
    term: str
    is_date_known: bool


class TaxLot(msgspec.Struct, frozen=True, kw_only=True):
    """Shares still held; `held_since` and `cost` count what wash sales carried in."""

    symbol: str
    source: str
    quantity: Decimal
    acquired_on: date
    held_since: date
    cost: Decimal
    carried: Decimal
    is_date_known: bool


class TaxTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over disposals, in dollars."""

    proceeds: Decimal
    cost: Decimal
    disallowed: Decimal
    taxable_gain: Decimal


class TaxLots(msgspec.Struct, frozen=True, kw_only=True):
    """The disposals of a year (of all, where it is null), their sums by term, and what is held now."""

    year: int | None
    disposals: list[Disposal]
    held: list[TaxLot]
    totals: dict[str, TaxTotals]


class OrderSlippage(msgspec.Struct, frozen=True, kw_only=True):
    """One order's fills against its benchmark: `arrival`, `signal`, `stop` or `limit`.

    `beyond_bps` is against `assumed_price`, what a backtest would have filled at. Above 0 is a cost.
    """

    client_order_id: str
    symbol: str
    side: str
    order_type: str
    strategy: str
    filled_at: datetime
    quantity: Decimal
    price: Decimal
    benchmark: str
    benchmark_price: Decimal
    assumed_price: Decimal
    slippage_bps: Decimal
    assumed_bps: Decimal
    beyond_bps: Decimal
    cost: Decimal


class SlippageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Basis points over several orders, each counted once; `cost` in dollars."""

    orders: int
    mean_bps: float
    median_bps: float
    worst_bps: float
    mean_assumed_bps: float
    mean_beyond_bps: float
    cost: Decimal


class Slippage(msgspec.Struct, frozen=True, kw_only=True):
    """`all` is null while nothing was measured; `assumed_taken_bps` is what backtests pay a market order."""

    assumed_taken_bps: Decimal
    all: SlippageFigures | None
    by_symbol: dict[str, SlippageFigures]
    by_side: dict[str, SlippageFigures]
    by_benchmark: dict[str, SlippageFigures]
    by_strategy: dict[str, SlippageFigures]
    orders: list[OrderSlippage]


class BeginExport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export: New York days, both included, or a `year`; everything without either."""

    kind: Literal["trades", "fills", "orders", "equity", "tax_lots"]
    format: Literal["csv", "parquet"] = "csv"
    first: date | None = msgspec.field(name="from", default=None)
    last: date | None = msgspec.field(name="to", default=None)
    year: int | None = None


class ExportAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """An export is queued; follow it by its id."""

    id: str
    status: str


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export as a job: `queued`, `done` or `failed`. `url` is there once it is done, for five minutes."""

    id: str
    kind: str
    format: str
    status: str
    message: str
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    rows: int
    size_bytes: int
    filename: str
    url: str | None
