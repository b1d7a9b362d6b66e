"""A whole cold signal run as one would write it with alpaca-py and pandas: pages of JSON to signals.

`signal_run.py PAGES OUT` reads the pages of bars that Alpaca's data API answered, as a BarSet, and
writes the symbols with a signal and its side.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from alpaca.data.models import BarSet

RSI, STOCHASTIC, K, D = 14, 14, 3, 3
FAST, SLOW = 10, 30
OVERSOLD, OVERBOUGHT = 20, 80


def seeded(values: pd.Series, period: int, alpha: float) -> pd.Series:
    """An exponential mean that begins with the simple mean of its first `period` values."""
    begun = values.copy()
    begin = int(np.argmax(values.notna().to_numpy()))
    begun.iloc[begin + period - 1] = values.iloc[begin : begin + period].mean()
    begun.iloc[: begin + period - 1] = np.nan
    return begun.ewm(alpha=alpha, adjust=False).mean()


def signal(closes: pd.Series) -> str:
    """The side that the owner's rule takes at the last close, or nothing."""
    changes = closes.diff()
    gain = seeded(changes.clip(lower=0), RSI, 1 / RSI)
    loss = seeded(-changes.clip(upper=0), RSI, 1 / RSI)
    strength = 100 * gain / (gain + loss)
    low, high = strength.rolling(STOCHASTIC).min(), strength.rolling(STOCHASTIC).max()
    k_line = (100 * (strength - low) / (high - low)).rolling(K).mean()
    k, d = k_line.iloc[-1], k_line.rolling(D).mean().iloc[-1]
    fast, slow = (seeded(closes, period, 2 / (period + 1)).iloc[-1] for period in (FAST, SLOW))
    if fast > slow and max(k, d) < OVERSOLD and k - d > 1e-9:
        return "buy"
    if fast < slow and min(k, d) > OVERBOUGHT and d - k > 1e-9:
        return "sell"
    return ""


def main(pages: Path, out: Path) -> None:
    """From the pages to the signals."""
    raw: dict[str, list[dict[str, object]]] = {}
    for page in sorted(pages.iterdir()):
        for symbol, bars in json.loads(page.read_bytes())["bars"].items():
            raw.setdefault(symbol, []).extend(bars)
    found = BarSet(raw).df["close"].groupby(level="symbol").apply(signal)
    out.write_text(json.dumps({symbol: side for symbol, side in found.items() if side}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
