"""Screening: where it equals the backtest, and what it refuses."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate

import pytest

from alpaquero.prices.columns import Columns
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.simulation.backtest import Result, run
from alpaquero.simulation.screening import screen
from alpaquero.strategies.stochrsi_ema import Parameters
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.settings import StrategySettings
from laptop.exchange.history import History, shipped_history
from tests.fakes.backtests import Settings

# Pauses after losses and locks are what screening leaves out.
UNLOCKED = RiskLimits(loss_streak_limit_trades=0, stop_guard_limit_stops=0)


@lru_cache(maxsize=1)
def _history() -> History:
    return shipped_history()


def _columns(symbol: str) -> Columns:
    """Two thousand bars."""
    return Columns.of(_history().symbols[symbol].bars[-2000:])


def _backtest(symbol: str, parameters: dict[str, float]) -> Result:
    return run(
        {symbol: _columns(symbol)},
        sessions=_history().calendar,
        settings=Settings((symbol,), {"rule": StrategySettings(parameters=parameters)}, UNLOCKED),
    )


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG", "IBM", "MSFT"])
@pytest.mark.parametrize("oversold", [20.0, 35.0])
def test_one_symbol_alone_is_screened_as_the_backtest_trades_it(symbol: str, oversold: float) -> None:
    """Without pauses after losses the round trips and the return are the backtest's, to the cent."""
    traded = _backtest(symbol, {"oversold_level": oversold})
    panel = Panel.of([_columns(symbol)])
    found = screen(panel, "stochrsi_ema", [Parameters(oversold_level=oversold)], limits=UNLOCKED)[0]
    assert found.trades.tolist() == [len(traded.trades)]
    assert abs(found.total_return[0] * 100_000 + 100_000 - float(traded.equity_end)) < 0.01
    equity = [float(row.equity) for row in traded.equity]
    deepest = max(1 - now / peak for now, peak in zip(equity, accumulate(equity, max), strict=True))
    assert found.max_drawdown[0] == pytest.approx(deepest)
    assert len(traded.trades) > 10


def test_symbols_beside_each_other_do_not_touch() -> None:
    """A symbol's outcome is the same alone and among others of other lengths."""
    columns = [_columns("AAPL"), _columns("MSFT")[500:], _columns("IBM")]
    together = screen(Panel.of(columns), "stochrsi_ema", [Parameters()])[0]
    for place, alone in enumerate(columns):
        found = screen(Panel.of([alone]), "stochrsi_ema", [Parameters()])[0]
        assert found.trades[0] == together.trades[place]
        assert found.total_return[0] == pytest.approx(together.total_return[place])


def test_a_grid_answers_in_its_order() -> None:
    """One outcome for each parameter set, with the set it is of."""
    grid = [Parameters(oversold_level=level) for level in (15.0, 20.0, 30.0)]
    found = screen(Panel.of([_columns("IBM")]), "stochrsi_ema", grid)
    assert [one.parameters for one in found] == grid
    assert found[0].trades[0] < found[2].trades[0]


def test_a_share_that_is_too_dear_is_not_bought() -> None:
    """No round trip and no loss; the same symbol with more cash trades."""
    panel = Panel.of([_columns("IBM")])
    poor, rich = (screen(panel, "stochrsi_ema", [Parameters()], cash=cash)[0] for cash in (500.0, 1e6))
    assert (poor.trades[0], poor.total_return[0], poor.max_drawdown[0]) == (0, 0.0, 0.0)
    assert rich.trades[0] > 10


def test_bars_before_the_first_are_not_traded() -> None:
    """From `first` on there is trading, and none of what came before is in the figures."""
    panel = Panel.of([_columns("IBM"), _columns("AAPL")])
    whole, half, none = (
        screen(panel, "stochrsi_ema", [Parameters()], first=first)[0] for first in (0, 1000, panel.bars)
    )
    assert (half.trades < whole.trades).all()
    assert none.trades.tolist() == [0, 0]


def test_a_size_by_the_average_true_range_is_refused() -> None:
    """What screening cannot size is an error, not another size."""
    limits = RiskLimits(sizing_method=SizingMethod.ATR)
    with pytest.raises(ValueError, match="sizing_method is atr"):
        screen(Panel.of([_columns("IBM")]), "stochrsi_ema", [Parameters()], limits=limits)
