"""Screens parameter sets over many symbols at once, with numpy: an approximation of the backtest.

For grids, asked by the backtests' command; what looks good here is then run by
`alpaquero.simulation.backtest`, whose word counts. Each symbol trades by itself with its own cash.
Signals, next-bar fills, spread, stops before targets and sizes are those of the backtest. Left out:
limits across symbols, locks and pauses after losses, partial fills, shares held for other orders,
exits of the monitor. Prices are floats, rounded to cents where the backtest rounds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.simulation.backtest.terms import FillTerms
from alpaquero.strategy import registry
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.sweep import judged
from alpaquero.strategy.vectors import CHUNK_VALUES

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]
_AHEAD = 32  # bars looked at together for a stop or target
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
    """Split-adjusted dollars a share, shape (symbols, bars), and what orders are made of and pay."""

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
    if registry.vectorised(rule) is None:
        raise ValueError(f"{rule} has no array forms (batch, rolling, decide_many); use the backtest")
    limits, terms = limits or RiskLimits(), terms or FillTerms()
    if limits.sizing_method is SizingMethod.ATR:
        raise ValueError("sizing_method is atr; screening sizes by equity_at_risk or fixed_fraction")
    prices = _prices(panel, limits, terms)
    return [
        _screened(panel, prices, rule, parameters, window=window, first=first, cash=cash)
        for parameters in grid
    ]


def _prices(panel: Panel, limits: RiskLimits, terms: FillTerms) -> _Prices:
    most = [limits.position_limit_percent, limits.total_exposure_limit_percent]
    if limits.sizing_method is SizingMethod.FIXED_FRACTION:
        most.append(limits.fixed_fraction_percent)
    worst = 1 + float(limits.entry_reserve_margin_percent) / 100
    return _Prices(
        open=panel.open,
        high=panel.high,
        low=panel.low,
        close=panel.close,
        taken=float(terms.half_spread_bps + terms.slippage_bps) / 10_000,
        stop=1 - float(limits.stop_loss_percent) / 100,
        target=1 + float(limits.take_profit_percent) / 100,
        wanted=min(
            float(limits.equity_at_risk_percent / limits.stop_loss_percent), float(min(most)) / 100 / worst
        ),
    )


def _screened(
    panel: Panel, prices: _Prices, rule: str, parameters: Any, *, window: int, first: int, cash: float
) -> Screened:
    side = judged(rule, panel, parameters, window).decisions.side
    places = np.flatnonzero(side)
    rows, bars = np.divmod(places, panel.bars)
    places = places[(bars >= np.maximum(panel.first + window - 1, first)[rows]) & (bars < panel.bars - 1)]
    bought = side.ravel()[places] > 0
    trades, held = _traded(prices, places[bought], places[~bought], cash)
    total, fallen = np.empty(len(side)), np.empty(len(side))
    step = max(CHUNK_VALUES // panel.bars, 1)
    for start in range(0, len(side), step):
        rows_now = slice(start, min(start + step, len(side)))
        total[rows_now], fallen[rows_now] = _equity(prices.close, held, rows_now, cash)
    return Screened(parameters, total, fallen, trades)


@dataclass(frozen=True)
class _Held:
    """What symbols held: from bar `start` on `shares` beside `cash` dollars; rows in order, then time.

    Places are flat indices of (symbols, bars). Each row begins with a stretch at its first bar.
    """

    start: Places
    cash: Floats
    shares: Floats


def _traded(prices: _Prices, buys: Places, sells: Places, cash_each: float) -> tuple[Counts, _Held]:
    """The round trips: in each turn of the loop, the next one of every symbol that has one left.

    `buys` and `sells` are the places of the bars judged so, in order; orders fill at the next open.
    """
    symbols, bars = prices.close.shape
    cash, trades = np.full(symbols, cash_each), np.zeros(symbols, dtype=np.int64)
    row = np.arange(symbols)
    next_buy = np.searchsorted(buys, row * bars)
    starts, moneys, shares_held = [row * bars], [cash.copy()], [np.zeros(symbols)]
    while True:
        row = row[(next_buy[row] < len(buys))]
        row = row[buys[next_buy[row]] < (row + 1) * bars]
        if not len(row):
            break
        judged_at = buys[next_buy[row]]
        judged_close = prices.close.ravel()[judged_at]
        shares = np.floor(cash[row] * prices.wanted / judged_close + _TINY)
        affords = shares > 0
        next_buy[row[~affords]] += 1
        entering, judged_at, judged_close, shares = (
            values[affords] for values in (row, judged_at, judged_close, shares)
        )
        entry = judged_at + 1
        cash[entering] -= shares * _up(prices.open.ravel()[entry] * (1 + prices.taken))
        starts.append(entry)
        moneys.append(cash[entering])
        shares_held.append(shares)
        stop, target = _down(judged_close * prices.stop), _up(judged_close * prices.target)
        end = (entering + 1) * bars
        sold = _following(sells, entry, end)  # the bar at whose open a SELL is filled
        out = _first_hit(prices, entry, np.minimum(sold, end), stop, target)
        by_sell = (out == sold) & (sold < end)
        left = out < end
        leaving, at = entering[left], out[left]
        opened = _down(prices.open.ravel()[at] * (1 - prices.taken))
        price = np.where(by_sell[left], opened, _exit_price(prices, at, stop[left], target[left]))
        cash[leaving] += shares[left] * price
        trades[leaving] += 1
        starts.append(at)
        moneys.append(cash[leaving])
        shares_held.append(np.zeros(len(leaving)))
        next_buy[entering] = len(buys)
        next_buy[leaving] = np.searchsorted(buys, at)
    start, money, held = np.concatenate(starts), np.concatenate(moneys), np.concatenate(shares_held)
    order = np.argsort(start, kind="stable")  # of two at one bar the later one holds
    return trades, _Held(start[order], money[order], held[order])


def _following(sells: Places, entry: Places, end: Places) -> Places:
    """The bar after the first of `sells` from each entry on; `end` where none comes before it."""
    found = np.append(sells, np.iinfo(np.int64).max - 1)[np.searchsorted(sells, entry)] + 1
    sold: Places = np.minimum(found, end)
    return sold


def _first_hit(prices: _Prices, entry: Places, end: Places, stop: Floats, target: Floats) -> Places:
    """The first bar from each entry on that reaches stop or target; `end` where none before it does."""
    found, looking, begin = end.copy(), np.arange(len(entry)), entry.copy()
    low, high = prices.low.ravel(), prices.high.ravel()
    ahead = np.arange(_AHEAD)
    while len(looking):
        seen = np.minimum(begin[looking, np.newaxis] + ahead, end[looking, np.newaxis] - 1)
        hit = low.take(seen) <= stop[looking, np.newaxis]
        hit |= high.take(seen) > target[looking, np.newaxis]
        first = hit.argmax(axis=1)
        is_hit = hit[np.arange(len(looking)), first]
        found[looking[is_hit]] = seen[is_hit, first[is_hit]]
        begin[looking] += _AHEAD
        looking = looking[~is_hit & (begin[looking] < end[looking])]
    return found


def _equity(close: Floats, held: _Held, rows: slice, cash_each: float) -> tuple[Floats, Floats]:
    """The return of each row, and how far its equity fell from its peak at most, marked at every close."""
    closes = close[rows]
    bars = close.shape[1]
    span = slice(*np.searchsorted(held.start, (rows.start * bars, rows.stop * bars)))
    lasting = np.diff(held.start[span], append=rows.stop * bars)
    equity = np.repeat(held.shares[span], lasting).reshape(closes.shape)
    equity *= closes
    equity += np.repeat(held.cash[span], lasting).reshape(closes.shape)
    share_of_peak = equity / np.maximum.accumulate(equity, axis=1)
    return equity[:, -1] / cash_each - 1, 1 - share_of_peak.min(axis=1)


def _exit_price(prices: _Prices, at: Places, stop: Floats, target: Floats) -> Floats:
    """What happens at the open first, then the stop, then the target: as `simulation.fills` has it."""
    opened = prices.open.ravel()[at]
    bid = _down(opened * (1 - prices.taken))
    inside = np.where(prices.low.ravel()[at] <= stop, _down(stop * (1 - prices.taken)), target)
    return np.where(opened <= stop, bid, np.where(opened > target, np.maximum(target, bid), inside))


def _down(price: Floats) -> Floats:
    return np.floor(price * _CENTS + _TINY * _CENTS) / _CENTS


def _up(price: Floats) -> Floats:
    return np.ceil(price * _CENTS - _TINY * _CENTS) / _CENTS
