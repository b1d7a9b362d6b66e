"""StochRSI and the EMAs of 500 symbols at the last of 250 bars, against how others compute them.

What a backtest or a screen of thousands of symbols calls (`batch`), and what a signal run calls
(`values`, plain Python without an import). The values agree before times are compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alpaquero.strategy import registry
from alpaquero.strategy.panel import Panel
from tests.benchmarks import peers, prices
from tests.benchmarks.rows import Goal, Row

BARS: Final = 250
RULE: Final = "stochrsi_ema"
VALUES: Final = ("k", "d", "ema", "ema_fast", "ema_slow")
AGREEMENT: Final = 1e-9
ROUNDS: Final = 9
BEST_OF: Final = 5
# Rounds of a peer, how often it works in each, and what the ratio should be.
PEERS: Final[Mapping[str, tuple[str, int, int, Goal | None]]] = {
    "talib": ("TA-Lib, a loop over symbols", ROUNDS, BEST_OF, Goal(at_most=0.10, of_ratio=True)),
    "pandas_wide": ("pandas, a wide frame", ROUNDS, 1, None),
    "pandas_groupby": ("pandas groupby.apply", 3, 1, None),
    "numba": ("numba over all threads, the bound", ROUNDS, BEST_OF, None),
}


def measure() -> Iterator[Row]:
    """The rows of this part."""
    series = prices.universe(prices.SYMBOLS, BARS)
    rule = registry.vectorised(RULE)
    if rule is None:
        raise RuntimeError(f"{RULE} has no form for many symbols any more")
    parameters = rule.Parameters()
    panel = Panel.of(list(series.values()))

    def batch() -> NDArray[np.float64]:
        found = rule.batch(panel, parameters)
        return np.stack([found[name] for name in VALUES], axis=1)

    def plain() -> NDArray[np.float64]:
        found = [rule.values(columns, parameters) for columns in series.values()]
        return np.array([[values[name] for name in VALUES] for values in found], dtype=float)

    with tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder:
        saved = prices.save(series, Path(folder, "bars.npz"))
        with peers.peer("indicators", str(saved)) as others:
            _require_agreement(others, Path(folder), {"batch": batch(), "plain Python": plain()})
            ours: list[float] = []
            unbatched: list[float] = []
            theirs: dict[str, list[float]] = {name: [] for name in PEERS}
            for turn in range(ROUNDS):
                ours.append(_best(batch))
                unbatched.append(_best(plain, 1))
                for name, (_, rounds, times, _) in PEERS.items():
                    if turn < rounds:
                        theirs[name].append(others.ask(work="measure", name=name, times=times)["seconds"])
    shown = f"indicators, {len(series)} symbols x {BARS} bars"
    for name, (label, _, _, goal) in PEERS.items():
        yield Row(shown, median(ours) * 1000, "ms", label, median(theirs[name]) * 1000, goal)
    label = PEERS["talib"][0]
    yield Row(f"{shown}, plain Python", median(unbatched) * 1000, "ms", label, median(theirs["talib"]) * 1000)


def _best(work: Callable[[], object], times: int = BEST_OF) -> float:
    seconds = []
    for _ in range(times):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return min(seconds)


def _require_agreement(others: peers.Peer, folder: Path, ours: Mapping[str, NDArray[np.float64]]) -> None:
    for name in PEERS:
        results = folder / f"{name}.npy"
        others.ask(work="measure", name=name, results=str(results))
        theirs = np.load(results)
        for form, values in ours.items():
            away = float(np.abs(values - theirs).max())
            if not away <= AGREEMENT:
                raise RuntimeError(f"our {form} and {name} differ by {away:g}: the times mean nothing")
