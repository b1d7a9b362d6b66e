"""StochRSI and EMA of the last bar of many symbols, as TA-Lib, pandas and numba give them.

All seed as TA-Lib does, so that the values agree with ours; only then are times compared.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numba
import numpy as np
import pandas as pd
import talib
from speaking import answer_requests

EMAS = (9, 10, 30)
RSI, STOCHASTIC, K, D = 14, 14, 3, 3
_SAVED = np.load(sys.argv[1])
CLOSES = np.ascontiguousarray(_SAVED["close"])  # a row a symbol
WIDE = pd.DataFrame(CLOSES.T)
LONG = WIDE.stack().swaplevel().sort_index().rename("close")


def by_talib() -> np.ndarray:
    """A loop over symbols; K is what TA-Lib calls fastd."""
    found = np.empty((len(CLOSES), 5))
    for row, closes in zip(found, CLOSES, strict=True):
        _, k = talib.STOCHRSI(closes, RSI, STOCHASTIC, K, 0)
        d = talib.SMA(k, D)
        row[:] = k[-1], d[-1], *(talib.EMA(closes, period)[-1] for period in EMAS)
    return found


def _seeded(values: Any, period: int, alpha: float) -> Any:
    """An exponential mean that begins with the simple mean of its first `period` values."""
    seeded = values.copy()
    begin = int(np.argmax(values.notna().to_numpy().reshape(len(values), -1)[:, 0]))
    seeded.iloc[begin + period - 1] = values.iloc[begin : begin + period].mean()
    seeded.iloc[: begin + period - 1] = np.nan
    return seeded.ewm(alpha=alpha, adjust=False).mean()


def _with_pandas(closes: Any) -> list[Any]:
    """The five values of a frame (a column a symbol) or of one series."""
    changes = closes.diff()
    gain = _seeded(changes.clip(lower=0), RSI, 1 / RSI)
    loss = _seeded(-changes.clip(upper=0), RSI, 1 / RSI)
    strength = 100 * gain / (gain + loss)
    low, high = strength.rolling(STOCHASTIC).min(), strength.rolling(STOCHASTIC).max()
    k = (100 * (strength - low) / (high - low)).rolling(K).mean()
    d = k.rolling(D).mean()
    return [each.iloc[-1] for each in (k, d, *(_seeded(closes, period, 2 / (period + 1)) for period in EMAS))]


def by_pandas_wide() -> np.ndarray:
    """One frame, a column a symbol."""
    return np.stack(_with_pandas(WIDE), axis=1)


def by_pandas_groupby() -> np.ndarray:
    """One long series, grouped by symbol."""
    found = LONG.groupby(level=0).apply(lambda closes: pd.Series(_with_pandas(closes)))
    return found.to_numpy().reshape(len(CLOSES), 5)


@numba.njit(parallel=True, cache=False)
def _bound(closes: np.ndarray) -> np.ndarray:
    symbols, bars = closes.shape
    found = np.empty((symbols, 5))
    for s in numba.prange(symbols):
        row = closes[s]
        gain = loss = 0.0
        for t in range(1, RSI + 1):
            change = row[t] - row[t - 1]
            if change > 0:
                gain += change
            else:
                loss -= change
        gain /= RSI
        loss /= RSI
        strength = np.empty(bars)
        strength[RSI] = 100 * gain / (gain + loss)
        for t in range(RSI + 1, bars):
            change = row[t] - row[t - 1]
            gain = (gain * (RSI - 1) + max(change, 0.0)) / RSI
            loss = (loss * (RSI - 1) + max(-change, 0.0)) / RSI
            strength[t] = 100 * gain / (gain + loss)
        raws = np.empty(K + D - 1)
        for back in range(K + D - 1):
            end = bars - (K + D - 2) + back
            low = high = strength[end - 1]
            for t in range(end - STOCHASTIC, end):
                low = min(low, strength[t])
                high = max(high, strength[t])
            raws[back] = 100 * (strength[end - 1] - low) / (high - low)
        total = 0.0
        for first in range(D):
            k = raws[first : first + K].mean()
            total += k
            found[s, 0] = k
        found[s, 1] = total / D
        for place in range(len(EMAS)):
            period = EMAS[place]
            mean = row[:period].mean()
            alpha = 2 / (period + 1)
            for t in range(period, bars):
                mean += alpha * (row[t] - mean)
            found[s, 2 + place] = mean
    return found


def by_numba() -> np.ndarray:
    """A compiled loop, symbols over all threads: what this machine can do at best from Python."""
    return _bound(CLOSES)


PEERS = {
    "talib": by_talib,
    "pandas_wide": by_pandas_wide,
    "pandas_groupby": by_pandas_groupby,
    "numba": by_numba,
}


def measure(name: str, results: str = "", times: int = 1) -> dict[str, Any]:
    """Seconds of one round of a peer, the best of `times`; with `results`, its values go there."""
    seconds = []
    for _ in range(times):
        began = perf_counter()
        found = PEERS[name]()
        seconds.append(perf_counter() - began)
    if results:
        np.save(Path(results), found)
    return {"seconds": min(seconds)}


if __name__ == "__main__":
    answer_requests({"measure": measure})
