"""Screens parameter sets over many symbols at once, with numpy: an approximation of the backtest.

For grids, asked by the backtests' command; what looks good here is then run by
`alpaquero.simulation.backtest`, whose word counts. Each symbol trades by itself with its own cash.
Signals, next-bar fills, spread, stops before targets and sizes are those of the backtest. Left out:
limits across symbols, locks and pauses after losses, partial fills, shares held for other orders,
exits of the monitor. Prices are floats, rounded to cents where the backtest rounds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.simulation.backtest.terms import FillTerms
from alpaquero.strategy import registry
from alpaquero.strategy.panel import Panel

if TYPE_CHECKING:
    from alpaquero.strategy.protocol import Vectorised

Floats = npt.NDArray[np.float64]
_TINY = 1e-9  # what a float may lie beside a cent
_CENTS = 100.0


@dataclass(frozen=True)
class Screened:
    """What one parameter set came to, a number a symbol: arrays of shape (symbols,).

    `total_return` and `max_drawdown` are fractions (0.1 is 10%), `trades` round trips that ended.
    """

    parameters: Any
    total_return: Floats
    max_drawdown: Floats
    trades: npt.NDArray[np.int64]

    @property
    def mean_return(self) -> float:
        """The return of all symbols together, each with the same cash."""
        return float(self.total_return.mean())


@dataclass(frozen=True)
class _Prices:
    """Split-adjusted dollars a share, shape (bars, symbols), and what orders are made of and pay."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    taken: float  # part of a price that whoever takes the quote pays
    stop: float  # stop and target as parts of the close that was judged
    target: float
    wanted: float  # dollars at the judged close for each dollar of equity


def screen(
    panel: Panel,
    rule: str,
    grid: Sequence[Any],
    *,
    limits: RiskLimits | None = None,
    terms: FillTerms | None = None,
    window: int = 250,
    first: int = 0,
    cash: float = 100_000.0,
) -> list[Screened]:
    """The outcome of each of `grid` (the rule's `Parameters`), in their order.

    `panel` holds split-adjusted daily bars of which those before `first` are not traded; `window` is the
    settings' `minimum_history_bars`. Raises `ValueError` for a rule without array forms, or sizes by the
    average true range.
    """
    vectorised = registry.vectorised(rule)
    if vectorised is None:
        raise ValueError(f"{rule} has no array forms (batch, rolling, decide_many); use the backtest")
    limits, terms = limits or RiskLimits(), terms or FillTerms()
    if limits.sizing_method is SizingMethod.ATR:
        raise ValueError("sizing_method is atr; screening sizes by equity_at_risk or fixed_fraction")
    prices = _prices(panel, limits, terms)
    return [
        _screened(panel, prices, vectorised, parameters, window=window, first=first, cash=cash)
        for parameters in grid
    ]


def _prices(panel: Panel, limits: RiskLimits, terms: FillTerms) -> _Prices:
    opened, high, low, close = (
        np.ascontiguousarray(field.T) for field in (panel.open, panel.high, panel.low, panel.close)
    )
    most = [limits.position_limit_percent, limits.total_exposure_limit_percent]
    if limits.sizing_method is SizingMethod.FIXED_FRACTION:
        most.append(limits.fixed_fraction_percent)
    worst = 1 + float(limits.entry_reserve_margin_percent) / 100
    return _Prices(
        open=opened,
        high=high,
        low=low,
        close=close,
        taken=float(terms.half_spread_bps + terms.slippage_bps) / 10_000,
        stop=1 - float(limits.stop_loss_percent) / 100,
        target=1 + float(limits.take_profit_percent) / 100,
        wanted=min(
            float(limits.equity_at_risk_percent / limits.stop_loss_percent), float(min(most)) / 100 / worst
        ),
    )


def _screened(
    panel: Panel,
    prices: _Prices,
    vectorised: Vectorised[Any],
    parameters: Any,
    *,
    window: int,
    first: int,
    cash: float,
) -> Screened:
    values: Mapping[str, Floats] = vectorised.rolling(panel, parameters, window)
    side = np.array(vectorised.decide_many(values, parameters).side)
    settled = np.arange(panel.bars)[None, :] >= np.maximum(panel.first + window - 1, first)[:, None]
    return _traded(prices, np.ascontiguousarray(np.where(settled, side, 0).T), parameters, cash)


def _traded(prices: _Prices, side: npt.NDArray[np.int8], parameters: Any, cash_each: float) -> Screened:
    """Walks once through time with all symbols beside each other; only those that do something move."""
    bars, symbols = side.shape
    cash, held = np.full(symbols, cash_each), np.zeros(symbols)
    stop, target = np.zeros(symbols), np.zeros(symbols)
    peak, fallen = cash.copy(), np.zeros(symbols)
    trades = np.zeros(symbols, dtype=np.int64)
    equity = cash.copy()
    for bar in range(1, bars):
        signal, is_held = side[bar - 1], held > 0
        sells = np.flatnonzero(is_held & (signal < 0))
        buys = np.flatnonzero(~is_held & (signal > 0))
        if sells.size:
            cash[sells] += held[sells] * _down(prices.open[bar, sells] * (1 - prices.taken))
            held[sells] = 0
            trades[sells] += 1
        if buys.size:
            judged = prices.close[bar - 1, buys]
            shares = np.floor(equity[buys] * prices.wanted / judged + _TINY)
            cash[buys] -= shares * _up(prices.open[bar, buys] * (1 + prices.taken))
            held[buys] = shares
            stop[buys], target[buys] = _down(judged * prices.stop), _up(judged * prices.target)
        is_held = held > 0
        out = np.flatnonzero(is_held & ((prices.low[bar] <= stop) | (prices.high[bar] > target)))
        if out.size:
            cash[out] += held[out] * _exit_price(prices, bar, out, stop[out], target[out])
            held[out] = 0
            trades[out] += 1
        moving = np.flatnonzero(is_held)
        if moving.size or sells.size:
            equity = cash + held * prices.close[bar]
            np.maximum(peak, equity, out=peak)
            np.maximum(fallen, 1 - equity / peak, out=fallen)
    return Screened(parameters, equity / cash_each - 1, fallen, trades)


def _exit_price(
    prices: _Prices, bar: int, out: npt.NDArray[np.int64], stop: Floats, target: Floats
) -> Floats:
    """What happens at the open first, then the stop, then the target: as `simulation.fills` has it."""
    opened = prices.open[bar, out]
    bid = _down(opened * (1 - prices.taken))
    inside = np.where(prices.low[bar, out] <= stop, _down(stop * (1 - prices.taken)), target)
    return np.where(opened <= stop, bid, np.where(opened > target, np.maximum(target, bid), inside))


def _down(price: Floats) -> Floats:
    return np.floor(price * _CENTS + _TINY * _CENTS) / _CENTS


def _up(price: Floats) -> Floats:
    return np.ceil(price * _CENTS - _TINY * _CENTS) / _CENTS
