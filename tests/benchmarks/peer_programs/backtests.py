"""The owner's rule backtested by backtesting.py and by vectorbt, indicators by TA-Lib in both.

`backtests.py BARS`: bars of many symbols as `tests.benchmarks.prices.save` writes them. Entries with a
stop 3% below and a target 6% above, exits on the rule's SELL, orders filled at the next open.
"""

from __future__ import annotations

import sys
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import talib
import vectorbt as vbt
from backtesting import Backtest, Strategy
from speaking import answer_requests

RSI, STOCHASTIC, K, D = 14, 14, 3, 3
FAST, SLOW = 10, 30
OVERSOLD, OVERBOUGHT = 20, 80
STOP, TARGET, SIZE, CASH = 0.03, 0.06, 0.1, 100_000
SEEN = 250  # bars that ours waits for before it judges
_SAVED = np.load(sys.argv[1])
DATES = pd.to_datetime(_SAVED["start"], unit="s")
FIELDS = ("open", "high", "low", "close", "volume")
BARS = {field: np.ascontiguousarray(_SAVED[field]) for field in FIELDS}  # a row a symbol


def sides(k: Any, d: Any, fast: Any, slow: Any) -> tuple[Any, Any]:
    """Where the rule buys and where it sells."""
    with np.errstate(invalid="ignore"):
        buys = (fast > slow) & (np.maximum(k, d) < OVERSOLD) & (k - d > 1e-9)
        sells = (fast < slow) & (np.minimum(k, d) > OVERBOUGHT) & (d - k > 1e-9)
    return buys, sells


def k_and_d(closes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """StochRSI as charts show it; K is what TA-Lib calls fastd."""
    _, k = talib.STOCHRSI(closes, RSI, STOCHASTIC, K, 0)
    return k, talib.SMA(k, D)


class Owners(Strategy):
    """The owner's rule in backtesting.py."""

    def init(self) -> None:
        """Indicators over the whole series."""
        closes = np.asarray(self.data.Close)
        self.k, self.d = self.I(k_and_d, closes)
        self.fast, self.slow = self.I(talib.EMA, closes, FAST), self.I(talib.EMA, closes, SLOW)

    def next(self) -> None:
        """One bar."""
        if len(self.data) < SEEN:
            return
        k, d, fast, slow = self.k[-1], self.d[-1], self.fast[-1], self.slow[-1]
        if self.position:
            if fast < slow and min(k, d) > OVERBOUGHT and d - k > 1e-9:
                self.position.close()
        elif fast > slow and max(k, d) < OVERSOLD and k - d > 1e-9:
            price = self.data.Close[-1]
            self.buy(size=SIZE, sl=price * (1 - STOP), tp=price * (1 + TARGET))


def frames(symbols: int) -> list[pd.DataFrame]:
    """The bars as backtesting.py takes them."""
    names = [field.capitalize() for field in FIELDS]
    return [
        pd.DataFrame({name: BARS[field][s] for name, field in zip(names, FIELDS, strict=True)}, index=DATES)
        for s in range(symbols)
    ]


def by_backtesting(symbols: int) -> dict[str, Any]:
    """One backtest after the other."""
    given = frames(symbols)
    began, trades = process_time(), 0
    for frame in given:
        stats = Backtest(frame, Owners, cash=CASH, finalize_trades=True).run()
        trades += int(stats["# Trades"])
    return {"seconds": process_time() - began, "trades": trades}


_STOCHRSI, _EMA, _SMA = vbt.talib("STOCHRSI"), vbt.talib("EMA"), vbt.talib("SMA")


def by_vectorbt(symbols: int) -> dict[str, Any]:
    """All symbols as the columns of one frame."""
    wide = {field: pd.DataFrame(BARS[field][:symbols].T, index=DATES) for field in FIELDS}
    began = process_time()
    closes = wide["close"]
    k = _STOCHRSI.run(closes, timeperiod=RSI, fastk_period=STOCHASTIC, fastd_period=K).fastd.to_numpy()
    d = _SMA.run(k, timeperiod=D).real.to_numpy()
    fast = _EMA.run(closes, timeperiod=FAST).real.to_numpy()
    slow = _EMA.run(closes, timeperiod=SLOW).real.to_numpy()
    buys, sells = sides(k, d, fast, slow)
    buys[: SEEN - 1] = sells[: SEEN - 1] = False
    following = wide["open"].shift(-1).to_numpy()
    portfolio = vbt.Portfolio.from_signals(
        closes,
        pd.DataFrame(buys, index=DATES),
        pd.DataFrame(sells, index=DATES),
        price=pd.DataFrame(np.where(np.isnan(following), closes.to_numpy(), following), index=DATES),
        size=SIZE,
        size_type="percent",
        open=wide["open"],
        high=wide["high"],
        low=wide["low"],
        sl_stop=STOP,
        tp_stop=TARGET,
        init_cash=CASH,
        freq="1D",
    )
    returns = portfolio.total_return()
    trades = int(portfolio.trades.count().sum() if symbols > 1 else portfolio.trades.count().iloc[0])
    return {"seconds": process_time() - began, "trades": trades, "mean_return": float(np.mean(returns))}


def flags(results: str) -> dict[str, Any]:
    """Where the rule buys (1) and sells (-1) by TA-Lib over the whole series, to compare with ours."""
    found = np.zeros(BARS["close"].shape, np.int8)
    for row, closes in zip(found, BARS["close"], strict=True):
        buys, sells = sides(*k_and_d(closes), talib.EMA(closes, FAST), talib.EMA(closes, SLOW))
        row[buys], row[sells] = 1, -1
    found[:, : SEEN - 1] = 0
    np.save(results, found)
    return {}


if __name__ == "__main__":
    answer_requests({"backtesting.py": by_backtesting, "vectorbt": by_vectorbt, "flags": flags})
