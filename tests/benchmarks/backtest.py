"""The owner's rule over ten years of daily bars, 1 and 500 symbols: backtesting.py and vectorbt beside ours.

The live-parity engine goes by the rules that trade live: risk, sizing, the life of each order. At 500
symbols it is measured twice: each symbol by itself in an account of its own, which is what backtesting.py
does too, and as one portfolio whose limits let every symbol trade, which backtesting.py cannot do; each
makes some 20,000 trades. Where the rule buys and sells is compared first, bar by bar, with TA-Lib's values
over the whole series. Peers compile and warm up before they are timed, and so does the engine. Times are
processor time, for a loaded machine makes each of them wait; none of the four starts threads.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

import numpy as np

from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session
from alpaquero.risk.limits import RiskLimits
from alpaquero.simulation.backtest import Result, run
from alpaquero.simulation.screening import screen
from alpaquero.strategy import registry
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.sweep import sweep
from laptop.exchange.history import shipped_history
from tests.benchmarks import peers, prices
from tests.benchmarks.rows import Goal, Row

BARS: Final = 2520
RULE: Final = "stochrsi_ema"
CASH_A_SYMBOL: Final = Decimal(100_000)
ROUNDS: Final = 7
SHORT_ROUNDS: Final = 21  # of one symbol: what disturbs a round of some milliseconds doubles it
LONG_ROUNDS: Final = 3  # 500 symbols take backtesting.py a quarter of a minute
FIVE_TIMES: Final = Goal(at_most=0.2, of_ratio=True)
# The rule sees windows of 250 bars, TA-Lib the whole series: a flag on the edge of a level may differ.
DIFFERING_FLAGS: Final = 1e-4
# A five-hundredth of the portfolio in each symbol, and no pause for all when some of them lose.
_EACH_TRADES: Final = RiskLimits(
    position_limit_percent=Decimal("0.19"),
    order_notional_limit_dollars=Decimal(1_000_000),
    orders_per_minute_limit=200,
    daily_loss_limit_percent=Decimal(99),
    drawdown_limit_percent=Decimal(99),
    drawdown_release_percent=Decimal(98),
    loss_streak_limit_trades=0,
    stop_guard_limit_stops=0,
)


@dataclass(frozen=True)
class Settings:
    """The part of the trading settings that a backtest reads."""

    risk: RiskLimits
    watchlist: tuple[str, ...] = ()
    strategies: dict[str, StrategySettings] = field(default_factory=lambda: {RULE: StrategySettings()})
    orders: OrderSettings = field(default_factory=OrderSettings)


def measure() -> Iterator[Row]:
    """The rows of this part."""
    series = prices.universe(prices.SYMBOLS, BARS)
    with tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder:
        saved = prices.save(series, Path(folder, "bars.npz"))
        with peers.peer("backtests", str(saved)) as others:
            _require_agreement(others, series, Path(folder, "flags.npy"))
            for count in (1, prices.SYMBOLS):
                yield from _rows(others, dict(list(series.items())[:count]))


def _rows(others: peers.Peer, series: dict[str, Columns]) -> Iterator[Row]:
    count, shown = len(series), f"backtest, {len(series)} x {BARS:,} daily bars"
    rounds, long_rounds = (SHORT_ROUNDS, SHORT_ROUNDS) if count == 1 else (ROUNDS, LONG_ROUNDS)
    _live_parity(dict(list(series.items())[:1]))
    for work in ("vectorbt", *(["backtesting.py"] if count == 1 else [])):
        others.ask(work=work, symbols=count)
    times: dict[str, list[float]] = {
        name: [] for name in ("engine", "portfolio", "array path", "backtesting.py", "vectorbt")
    }
    trades: dict[str, int] = {}
    for turn in range(rounds):
        if turn < long_rounds:
            alone = [_live_parity({symbol: columns}) for symbol, columns in series.items()]
            times["engine"].append(sum(seconds for seconds, _ in alone))
            trades["engine"] = sum(len(result.trades) for _, result in alone)
            if count > 1:
                seconds, result = _live_parity(series)
                times["portfolio"].append(seconds)
                trades["portfolio"] = len(result.trades)
        seconds, trades["array path"] = _array_path(series)
        times["array path"].append(seconds)
        for name in ("backtesting.py", "vectorbt") if turn < long_rounds else ("vectorbt",):
            answer = others.ask(work=name, symbols=count)
            times[name].append(answer["seconds"])
            trades[name] = answer["trades"]
    sys.stderr.write(f"trades of {count} symbols: {trades}\n")
    took = {name: median(each) * 1000 for name, each in times.items() if each}
    peer = ("backtesting.py", took["backtesting.py"])
    yield Row(f"{shown}, engine", took["engine"], "ms", *peer, FIVE_TIMES)
    if count > 1:
        yield Row(f"{shown}, engine, one portfolio", took["portfolio"], "ms", *peer, FIVE_TIMES)
    goal = Goal(at_most=0.6, of_ratio=True) if count > 1 else None
    yield Row(f"{shown}, array path", took["array path"], "ms", "vectorbt", took["vectorbt"], goal)


def _array_path(series: dict[str, Columns]) -> tuple[float, int]:
    """Screening of one parameter set, from columns to figures."""
    began = process_time()
    panel = Panel.of(list(series.values()))
    (found,) = screen(panel, RULE, [registry.strategy(RULE).Parameters()], limits=RiskLimits())
    return process_time() - began, int(found.trades.sum())


@lru_cache
def _calendar() -> Sequence[Session]:
    return shipped_history().calendar


def _live_parity(series: dict[str, Columns]) -> tuple[float, Result]:
    calendar, settings = _calendar(), Settings(RiskLimits() if len(series) == 1 else _EACH_TRADES)
    began = process_time()
    result = run(series, sessions=calendar, settings=settings, cash=CASH_A_SYMBOL * len(series))
    return process_time() - began, result


def _require_agreement(others: peers.Peer, series: dict[str, Columns], results: Path) -> None:
    others.ask(work="flags", results=str(results))
    theirs = np.load(results)
    settings = StrategySettings()
    panel = Panel.of(list(series.values()))
    parameters = registry.strategy(RULE).Parameters()
    ours = sweep(RULE, panel, parameters, settings.minimum_history_bars).decisions.side
    differing = int((ours != theirs).sum())
    if differing > DIFFERING_FLAGS * (theirs != 0).sum():
        raise RuntimeError(f"{differing} of {(theirs != 0).sum()} signals differ: the times mean nothing")
