"""The bodies of account, positions and portfolio."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from alpaquero.risk.book import TradingState


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account as our books have it, with the broker's own figures beside it."""

    account: str
    environment: str
    trading_state: TradingState
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    position_value: Decimal
    broker_cash: Decimal
    broker_equity: Decimal
    as_of: datetime


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """An order at the broker that sells at a price (buys back, when short), and the shares it is for.

    The price is null while the broker has not said where a trailing stop stands.
    """

    price: Decimal | None
    quantity: Decimal


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A holding at the newest price, or at that of the last sync: `source` is then `cache`.

    `stops` and `targets` are all that guard it, the nearest first; `stop_price` and `target_price` are
    the nearest of each.
    """

    symbol: str
    quantity: Decimal
    average_entry_price: Decimal
    current_price: Decimal
    market_value: Decimal
    cost_basis: Decimal
    unrealised_pnl: Decimal
    unrealised_pnl_percent: Decimal
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    opened_at: datetime | None = None
    sector: str = ""
    broker_quantity: Decimal | None = None
    source: str = "live"
    age_seconds: int = 0
    stops: list[Guard] = []
    targets: list[Guard] = []


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one purchase that are still held (of one sale, below 0, when short)."""

    source: str
    opened_at: datetime
    holding_days: int
    quantity: Decimal
    cost_basis: Decimal
    market_value: Decimal
    unrealised_pnl: Decimal


class ClosedLot(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one purchase that one sale closed, first in, first out."""

    source: str
    closed_by: str
    opened_at: datetime
    closed_at: datetime
    holding_days: int
    quantity: Decimal
    cost_basis: Decimal
    proceeds: Decimal
    realised_pnl: Decimal


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """How many shares an entry would buy now, the cap that decides, and what each cap allows."""

    quantity: Decimal
    bound_by: str
    caps: dict[str, Decimal]


class PositionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol: the position (null when flat), its lots, and what another entry could buy.

    `reconciled` says that our shares are the broker's as the last sync read them.
    """

    symbol: str
    position: Position | None
    realised_pnl: Decimal
    lots: list[Lot]
    closed_lots: list[ClosedLot]
    reconciled: bool
    sizing: Sizing | None


class PortfolioDay(msgspec.Struct, frozen=True, kw_only=True):
    """The last equity mark of a market day; `deposits` are net, and no part of `pnl`."""

    date: date
    equity: Decimal
    cash: Decimal
    deposits: Decimal
    pnl: Decimal
    drawdown_percent: Decimal


class PortfolioSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The portfolio at the newest prices, or at those of the last sync: `source` is then `cache`."""

    value: Decimal
    cash: Decimal
    buying_power: Decimal
    position_value: Decimal
    exposure_percent: Decimal
    exposure_by_symbol: dict[str, Decimal]
    unrealised_pnl: Decimal
    realised_pnl: Decimal
    as_of: datetime
    exposure_by_sector: dict[str, Decimal] = {}
    day_pnl: Decimal | None = None
    income: Decimal = Decimal(0)
    deposits: Decimal = Decimal(0)
    total_pnl: Decimal = Decimal(0)
    differences: dict[str, Decimal] = {}
    source: str = "live"
    age_seconds: int = 0
