"""The prices that benchmarks share: made-up symbols whose days resemble real ones, the same at each run."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alpaquero.prices.columns import PRICES, Columns
from laptop.exchange.history import shipped_history
from laptop.exchange.synthetic import synthetic_history

SEED: Final = 1
SYMBOLS: Final = 500
FIELDS: Final = (*PRICES, "volume")


@lru_cache(maxsize=4)
def universe(symbols: int, bars: int) -> dict[str, Columns]:
    """The last `bars` daily bars of the first `symbols` made-up symbols."""
    made = synthetic_history(shipped_history(), symbols, SEED)
    return {name: Columns.of(history.bars[-bars:]) for name, history in made.symbols.items()}


def matrix(series: dict[str, Columns], field: str) -> NDArray[np.float64]:
    """One field of all symbols: a row a symbol, a column a bar."""
    return np.array([np.frombuffer(getattr(columns, field)) for columns in series.values()])


def save(series: dict[str, Columns], path: Path) -> Path:
    """The bars as the peers read them: an array a field, rows are symbols, and the bars' starts."""
    start = np.array(next(iter(series.values())).start)
    arrays = {"start": start, **{field: matrix(series, field) for field in FIELDS}}
    np.savez(path, allow_pickle=False, **arrays)
    return path
