"""Backtests by the rules that trade live: see `alpaquero.simulation.backtest.engine.run`."""

from alpaquero.simulation.backtest.engine import Trading, run
from alpaquero.simulation.backtest.result import EquityRow, FillRow, Result, TradeRow
from alpaquero.simulation.backtest.terms import FillTerms

__all__ = ["EquityRow", "FillRow", "FillTerms", "Result", "TradeRow", "Trading", "run"]
