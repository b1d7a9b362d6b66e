"""The bodies of limits, verdicts and the trading state."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from alpaquero.risk.book import TradingState
from alpaquero.web.bodies import RuleOutcome
from alpaquero.web.bodies.trading import PlaceOrder


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Each limit with how much of it is used, in the unit its name carries."""

    trading_state: TradingState
    limits: dict[str, Decimal]
    used: dict[str, Decimal]
    as_of: datetime


class AssessTrade(PlaceOrder, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's order to judge without placing it: the fields are those of `PlaceOrder`."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a proposed trade, rule by rule; prices and quantity are those an order would have."""

    approved: bool
    quantity: Decimal
    stop_loss_price: Decimal | None
    take_profit_price: Decimal | None
    reserve_notional: Decimal
    bound_by: str | None
    rules: list[RuleOutcome]
    book_version: int
    as_of: datetime


class TradingLock(msgspec.Struct, frozen=True, kw_only=True):
    """A broken limit that holds trading down."""

    code: str
    state: TradingState
    since: datetime
    reason: str


class CurrentTradingState(msgspec.Struct, frozen=True, kw_only=True):
    """The trading state in force, what a person asked for, and what holds it lower."""

    state: TradingState
    asked: TradingState
    locks: list[TradingLock]
    flattening: bool
    author: str | None
    reason: str | None
    changed_at: datetime | None
    book_version: int


class ChangeTradingState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state to set and why; `flatten` sells every position and goes with REDUCING."""

    state: TradingState
    reason: str
    flatten: bool = False
