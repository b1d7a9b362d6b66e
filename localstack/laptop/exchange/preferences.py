"""What the account's owner has set: the configuration and the watchlists, as changes of the book.

The book holds them, admission obeys the configuration, the account and watchlist routes show and
change them. They are in the ledger like orders, so they survive a restart.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Configuration(msgspec.Struct, frozen=True):
    """Alpaca's account configurations, with the values of a new paper account."""

    disable_overnight_trading: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: str = "4"
    max_options_trading_level: int = 0
    no_shorting: bool = False
    ptp_no_exception_entry: bool = False
    suspend_trade: bool = False
    trade_confirm_email: str = "all"


class Watchlist(msgspec.Struct, frozen=True):
    """A named list of symbols, in the order they were added; times are market time, aware UTC."""

    id: str
    name: str
    symbols: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class Configured(msgspec.Struct, tag=True, frozen=True):
    """The configuration as it is from now on."""

    configuration: Configuration


class WatchlistKept(msgspec.Struct, tag=True, frozen=True):
    """A watchlist that is new, or as it is from now on."""

    watchlist: Watchlist


class WatchlistDeleted(msgspec.Struct, tag=True, frozen=True):
    """A watchlist that is no more."""

    id: str
