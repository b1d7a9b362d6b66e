"""Backtests of the shipped prices with the code's own settings, for tests that compare with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.columns import Columns
from alpaquero.risk.limits import RiskLimits
from alpaquero.simulation.backtest import FillTerms, Result, run
from alpaquero.strategy.settings import StrategySettings
from laptop.exchange.history import shipped_history


@dataclass(frozen=True)
class Settings:
    """What a backtest reads of the trading settings; an empty watchlist is every symbol."""

    watchlist: tuple[str, ...] = ()
    strategies: dict[str, StrategySettings] = field(
        default_factory=lambda: {"stochrsi_ema": StrategySettings()}
    )
    risk: RiskLimits = field(default_factory=RiskLimits)
    orders: OrderSettings = field(default_factory=OrderSettings)


def backtest_of(first: str | None, sessions: int, partial_fills: float = 0.0, seed: int = 1) -> Result:
    """So many sessions from the date `first` on; None for the last ones of the prices."""
    history = shipped_history()
    dates = [session.date for session in history.sessions]
    begin = len(dates) - sessions if first is None else dates.index(date.fromisoformat(first))
    return run(
        {symbol: Columns.of(one.bars) for symbol, one in history.symbols.items()},
        sessions=history.calendar,
        settings=Settings(),
        start=dates[begin],
        end=dates[begin + sessions - 1],
        splits=[split for one in history.symbols.values() for split in one.splits],
        terms=FillTerms(seed=seed, partial_fill_probability=partial_fills),
    )
