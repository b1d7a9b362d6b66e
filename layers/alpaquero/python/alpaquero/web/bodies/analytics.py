"""The bodies of performance, round trips, the equity curve and backtests."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec


class AnalyticsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Ratios are null until there is something to divide by."""

    trades: int
    wins: int
    losses: int
    win_rate_percent: Decimal | None
    profit_factor: Decimal | None
    realised_pnl: Decimal
    average_win: Decimal | None
    average_loss: Decimal | None
    total_return_percent: Decimal | None
    max_drawdown_percent: Decimal
    since: datetime | None
    as_of: datetime | None


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    pnl_percent: Decimal


class EquityMark(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    equity: Decimal
    cash: Decimal
    drawdown_percent: Decimal


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
