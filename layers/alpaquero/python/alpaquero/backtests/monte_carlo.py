"""Monte Carlo over a backtest: how far luck alone spreads its result; called by `backtest monte-carlo`.

Three questions, three ways to draw a history:

- `order`: the same trades in another order. The end is the same, the drawdown is not.
- `trades`: as many trades drawn with replacement (B. Efron, "Bootstrap Methods: Another Look at the
  Jackknife", Annals of Statistics 7 (1979), 1-26).
- `sessions`: stretches of sessions of random length, with replacement, so that what follows one
  another stays together and trades may overlap (D. N. Politis, J. P. Romano, "The Stationary
  Bootstrap", Journal of the American Statistical Association 89 (1994), 1303-1313).

Trades and sessions are returns on equity and compound, so trades that were held at once are taken
as one after another: `sessions` is the way for a portfolio of many symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from random import Random

import msgspec

PERCENTILES = (5, 25, 50, 75, 95)
MEAN_STRETCH_SESSIONS = 20  # about a month: what volatility needs to calm down again
_BAND_POINTS = 200


class Method(StrEnum):
    """How a history is drawn."""

    ORDER = "order"
    TRADES = "trades"
    SESSIONS = "sessions"


class Bands(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles over all histories, by their number (5, 25, 50, 75, 95).

    `final_equity` is in dollars, drawdown in percent of the peak. `equity` holds a curve a
    percentile: dollars after each of `steps` returns, at most 200 of them.
    """

    method: Method
    histories: int
    returns: int
    seed: int
    initial_equity: float
    final_equity: dict[int, float]
    max_drawdown_percent: dict[int, float]
    loss_percent: float
    steps: list[int]
    equity: dict[int, list[float]]


def bands(
    returns: Sequence[float],
    *,
    method: Method,
    initial_equity: float,
    histories: int = 1000,
    seed: int = 1,
    show: Callable[[int], None] = lambda _done: None,
) -> Bands:
    """Draws `histories` from `returns` (fractions of equity) and tells how their results spread.

    `loss_percent` is the share of histories that end below where they began. Raises `ValueError`
    with fewer than two returns, for then there is nothing to draw.
    """
    if len(returns) < 2:
        raise ValueError(
            f"{len(returns)} returns are too few to draw from; test a longer period or more symbols"
        )
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    steps = _steps(len(returns))
    finals, falls = [], []
    curves: list[list[float]] = [[] for _ in steps]
    for done in range(histories):
        path = _path(_drawn(returns, method, random), initial_equity)
        finals.append(path[-1])
        falls.append(_deepest_fall_percent(path))
        for place, step in enumerate(steps):
            curves[place].append(path[step])
        show(done + 1)
    ordered = [sorted(values) for values in curves]
    return Bands(
        method=method,
        histories=histories,
        returns=len(returns),
        seed=seed,
        initial_equity=initial_equity,
        final_equity=_percentiles(sorted(finals)),
        max_drawdown_percent=_percentiles(sorted(falls)),
        loss_percent=100 * sum(final < initial_equity for final in finals) / histories,
        steps=steps,
        equity={part: [percentile(values, part) for values in ordered] for part in PERCENTILES},
    )


def _drawn(returns: Sequence[float], method: Method, random: Random) -> Sequence[float]:
    if method is Method.ORDER:
        return random.sample(returns, len(returns))
    if method is Method.TRADES:
        return random.choices(returns, k=len(returns))
    return list(_stretches(returns, random))


def _stretches(returns: Sequence[float], random: Random) -> Iterator[float]:
    """As many returns as there are, in stretches that go round the end and are 20 long on average."""
    place = random.randrange(len(returns))
    for _ in returns:
        yield returns[place]
        ends = random.random() < 1 / MEAN_STRETCH_SESSIONS
        place = random.randrange(len(returns)) if ends else (place + 1) % len(returns)


def _path(returns: Sequence[float], initial: float) -> list[float]:
    equity = initial
    path = [equity]
    for value in returns:
        equity *= 1 + value
        path.append(equity)
    return path


def _deepest_fall_percent(path: Sequence[float]) -> float:
    peak = deepest = 0.0
    for equity in path:
        peak = max(peak, equity)
        deepest = max(deepest, (peak - equity) / peak * 100)
    return deepest


def _steps(count: int) -> list[int]:
    """The numbers of returns after which the bands are told, the first and the last among them."""
    points = min(count, _BAND_POINTS)
    return sorted({round(place * count / points) for place in range(points + 1)})


def _percentiles(ordered: Sequence[float]) -> dict[int, float]:
    return {part: percentile(ordered, part) for part in PERCENTILES}


def percentile(ordered: Sequence[float], part: float) -> float:
    """The percentile of sorted values, linear between two of them, as numpy's default.

    >>> percentile([0.0, 10.0], 25)
    2.5
    """
    place = (len(ordered) - 1) * part / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
