"""The indicators with numpy: last bars of many symbols, whole series, each bar of a window that moves.

Called by strategies that have forms for many bars at once. Arrays are (symbols, bars), oldest bar
first; NaN is undefined. All equal the plain ones to 1e-9.

EMA and Wilder's mean are linear in their input, so a last value is a product with a fixed row of
weights. With F[t] = kept F[t-1] + x[t] over the whole series, the mean of a window that has its
seed at s is F[t] - kept^(t-s) (F[s] - seed[s]), so every window costs what one series does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from alpaquero.strategy.indicators import TOLERANCE
from alpaquero.strategy.protocol import ROUNDING_DIGITS, Decisions

Floats = npt.NDArray[np.float64]

_BLOCK_BARS = 32  # of a recursion: one matrix product within, one step of the loop from block to block
_FEW_VALUES = 128  # one product is quicker than blocks, as over the blocks of one symbol's ten years
CHUNK_VALUES = 32_768  # of a panel at a time, so that what is worked on stays in the processor's cache
FORGOTTEN = 1e-18  # a share of what was before a window that no rounding shows
_CANCELLED = 1e-3  # of a sum is left after a subtraction: digits are gone, so it is computed anew


def ema_last(values: Floats, period: int) -> Floats:
    """`indicators.ema_last` of each row."""
    if values.shape[1] < period:
        return np.full(len(values), np.nan)
    found: Floats = values @ _ema_weights(period, values.shape[1])
    return found


def emas_last(values: Floats, periods: tuple[int, ...]) -> tuple[Floats, ...]:
    """`ema_last` for several periods in one matrix product. Rows must have as many values as the longest."""
    weights = np.stack([_ema_weights(period, values.shape[1]) for period in periods])
    return tuple(weights @ values.T)


def rsi_last(closes: Floats, period: int) -> Floats:
    """`indicators.rsi_last` of each row."""
    found: Floats = 50.0 + 50.0 * _balances(closes, period, 1)[-1]
    return found


def stochastic_rsi_last(
    closes: Floats,
    *,
    rsi_period: int = 14,
    stochastic_period: int = 14,
    k_smoothing: int = 3,
    d_smoothing: int = 3,
) -> tuple[Floats, Floats]:
    """`indicators.stochastic_rsi_last` of each row: K and D."""
    raws = k_smoothing + d_smoothing - 1
    balances = _balances(closes, rsi_period, stochastic_period + raws - 1)
    return _k_and_d(list(balances), stochastic_period, k_smoothing, d_smoothing)


def average_true_range_last(highs: Floats, lows: Floats, closes: Floats, period: int) -> Floats:
    """`indicators.average_true_range` of each row."""
    ranges = true_ranges(highs, lows, closes)
    if ranges.shape[1] < period:
        return np.full(len(closes), np.nan)
    found: Floats = ranges @ _wilder_weights(period, ranges.shape[1]) / period
    return found


def true_ranges(highs: Floats, lows: Floats, closes: Floats) -> Floats:
    """`indicators.true_ranges` of each row, one column fewer than there are bars."""
    before = closes[:, :-1]
    span = np.maximum(highs[:, 1:], before)
    span -= np.minimum(lows[:, 1:], before)
    return span


def ema(values: Floats, period: int) -> Floats:
    """`indicators.ema` of each row."""
    alpha = 2.0 / (period + 1)
    return alpha * _seeded_sums(values, kept=1.0 - alpha, period=period, seed_weight=1.0 / period / alpha)


def rsi(closes: Floats, period: int) -> Floats:
    """`indicators.rsi` of each row."""
    return 50.0 + 50.0 * _balance_series(closes, period)


def stochastic_rsi(
    closes: Floats,
    *,
    rsi_period: int = 14,
    stochastic_period: int = 14,
    k_smoothing: int = 3,
    d_smoothing: int = 3,
) -> tuple[Floats, Floats]:
    """`indicators.stochastic_rsi` of each row: K and D."""
    balances = _balance_series(closes, rsi_period)
    lagged = _lagged(balances, stochastic_period)
    low, high = np.minimum.reduce(lagged), np.maximum.reduce(lagged)
    raw = (balances - low) / spans(low, high)
    k = 100.0 * _mean(_lagged(raw, k_smoothing))
    return k, _mean(_lagged(k, d_smoothing))


def average_true_ranges(highs: Floats, lows: Floats, closes: Floats, period: int) -> Floats:
    """`indicators.average_true_ranges` of each row."""
    sums = _seeded_sums(true_ranges(highs, lows, closes), kept=1.0 - 1.0 / period, period=period)
    return np.hstack([np.full((len(closes), 1), np.nan), sums / period])


def rolling_ema(values: Floats, period: int, window: int, *, ago: int = 0) -> Floats:
    """The EMA of the `window` values that end at each bar, as it stood `ago` bars before that end.

    NaN before the first whole window. Raises `ValueError` when the window is shorter than the EMA.
    """
    alpha = 2.0 / (period + 1)
    return alpha * _rolling_sums(
        values, kept=1.0 - alpha, period=period, seed_weight=1.0 / period / alpha, window=window, ago=ago
    )


def rolling_average_true_range(
    highs: Floats, lows: Floats, closes: Floats, period: int, window: int
) -> Floats:
    """Wilder's average true range of the `window` bars that end at each bar."""
    ranges = true_ranges(highs, lows, closes)
    sums = _rolling_sums(ranges, kept=1.0 - 1.0 / period, period=period, seed_weight=1.0, window=window - 1)
    return np.hstack([np.full((len(closes), 1), np.nan), sums / period])


def rolling_stochastic_rsi(
    closes: Floats,
    window: int,
    *,
    rsi_period: int = 14,
    stochastic_period: int = 14,
    k_smoothing: int = 3,
    d_smoothing: int = 3,
) -> tuple[Floats, Floats]:
    """K and D of the `window` closes that end at each bar; NaN before the first whole window.

    All RSIs that a K rests on are those of its own window. Raises `ValueError` when the window is
    shorter than D needs.
    """
    lags = stochastic_period + k_smoothing + d_smoothing - 2
    if window < rsi_period + lags:
        raise ValueError(f"window is {window} bars; set it from {rsi_period + lags}, which D needs")
    k, d = np.full(closes.shape, np.nan), np.full(closes.shape, np.nan)

    for rows in _chunks(closes):
        chunk = closes[rows]
        balances, unsure = _rolling_balances(chunk, rsi_period, lags, window)
        if not balances:
            continue
        with np.errstate(invalid="ignore"):  # what is unsure is computed anew below
            k[rows, window - 1 :], d[rows, window - 1 :] = _k_and_d(
                balances, stochastic_period, k_smoothing, d_smoothing
            )
        row, end = np.nonzero(unsure)
        where = (rows.start + row, end + window - 1)
        k[where], d[where] = stochastic_rsi_last(
            np.lib.stride_tricks.sliding_window_view(chunk, window, axis=1)[row, end],
            rsi_period=rsi_period,
            stochastic_period=stochastic_period,
            k_smoothing=k_smoothing,
            d_smoothing=d_smoothing,
        )
    return k, d


def rounded(values: Floats) -> Floats:
    """To 1e-9, as decisions look at values."""
    return np.round(values, ROUNDING_DIGITS)


def any_undefined(*values: Floats) -> npt.NDArray[np.bool_]:
    """Where one of `values` is NaN."""
    return np.isnan(sum(values))


def decisions(
    buys: tuple[npt.NDArray[np.bool_], str],
    sells: tuple[npt.NDArray[np.bool_], str],
    *,
    strength: npt.NDArray[np.int_] | int,
) -> Decisions:
    """Decisions where `buys` and `sells` are true, each with its tag; `strength` counts only there."""
    side = buys[0].astype(np.int8) - sells[0].astype(np.int8)
    return Decisions(
        side=side,
        strength=np.where(side, strength, 0).astype(np.int16),
        tag=sells[0].astype(np.int8),
        tags=(buys[1], sells[1]),
    )


def _balances(closes: Floats, period: int, count: int) -> Floats:
    """(gains - losses) / (gains + losses) at the last `count` closes, shape (count, symbols).

    RSI is 50 + 50 of these: both sums are of one sign, so nothing cancels and -1 and 1 are exact.
    """
    found = np.full((count, len(closes)), np.nan)
    changes = closes[:, 1:] - closes[:, :-1]
    bars = changes.shape[1]
    if bars < period:
        return found
    head = max(bars - count + 1, period)
    weights, steps = _wilder_weights(period, head), _wilder_steps(period, bars - head + 1)
    sums = np.empty((2, bars - head + 1, len(closes)))
    sums[0, 0], sums[0, 1:] = changes[:, :head] @ weights, changes[:, head:].T
    np.abs(changes, out=changes)
    sums[1, 0], sums[1, 1:] = changes[:, :head] @ weights, changes[:, head:].T
    net, total = steps @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        np.divide(net, total, out=found[-len(net) :])
    return found


def _rolling_balances(
    closes: Floats, period: int, count: int, window: int
) -> tuple[list[Floats], npt.NDArray[np.bool_]]:
    """The last `count` balances of each window, oldest first, and where their digits have cancelled."""
    kept = 1.0 - 1.0 / period
    changes = closes[:, 1:] - closes[:, :-1]
    windows = closes.shape[1] - window + 1
    if windows < 1:
        return [], np.zeros((len(closes), 0), dtype=np.bool_)
    sums, excess = [], []
    for signed in (changes, np.abs(changes)):
        running = _recursion(signed, kept)
        seeded = period - 1  # index, in the first window's changes, of the last one in its seed
        seed = moving(signed, period, np.add)[:, :windows]
        sums.append(running)
        excess.append(running[:, seeded : seeded + windows] - seed)
    found: list[Floats] = []
    unsure = np.zeros((len(closes), windows), dtype=np.bool_)
    for ago in range(count - 1, -1, -1):
        last = window - 2 - ago
        share = kept ** (last - period + 1)
        net, total = (
            running[:, last : last + windows] - share * over
            for running, over in zip(sums, excess, strict=True)
        )
        if ago == count - 1:
            unsure = cancelled(total, sums[1][:, last : last + windows])
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(np.divide(net, total, out=net))
    return found, unsure


def cancelled(left: Floats, sums: Floats) -> npt.NDArray[np.bool_]:
    """Where too few digits are `left` of the oldest sums: what a window adds is the same for both."""
    return (left <= _CANCELLED * sums) & (sums > 0)


def _balance_series(closes: Floats, period: int) -> Floats:
    """The balances at every close."""
    changes = closes[:, 1:] - closes[:, :-1]
    kept = 1.0 - 1.0 / period
    net, total = (_seeded_sums(signed, kept=kept, period=period) for signed in (changes, np.abs(changes)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.hstack([np.full((len(closes), 1), np.nan), net / total])


def _seeded_sums(values: Floats, *, kept: float, period: int, seed_weight: float = 1.0) -> Floats:
    """The recursion of each row from its seed on; NaN before."""
    if values.shape[1] < period:
        return np.full(values.shape, np.nan)
    seeded = values.copy()
    seeded[:, : period - 1] = 0.0
    seeded[:, period - 1] = seed_weight * values[:, :period].sum(axis=1)
    found = _recursion(seeded, kept)
    found[:, : period - 1] = np.nan
    return found


def _lagged(values: Floats, count: int) -> list[Floats]:
    """`values` as they were `count` - 1 bars ago, ..., a bar ago and now; NaN before the first."""
    before = np.hstack([np.full((len(values), count - 1), np.nan), values])
    return [before[:, ago : ago + values.shape[1]] for ago in range(count)]


def _k_and_d(
    balances: list[Floats], stochastic_period: int, k_smoothing: int, d_smoothing: int
) -> tuple[Floats, Floats]:
    """K and D from the balances they rest on, oldest first, arrays of any one shape."""
    raws = k_smoothing + d_smoothing - 1
    ranges = zip(
        _extremes(balances, stochastic_period, np.minimum),
        _extremes(balances, stochastic_period, np.maximum),
        balances[-raws:],
        strict=True,
    )
    raw = []
    for low, high, last in ranges:
        raw.append((last - low) / spans(low, high))
    k = [_mean(raw[end - k_smoothing : end]) for end in range(k_smoothing, raws + 1)]
    return 100.0 * k[-1], 100.0 * _mean(k)


def spans(low: Floats, high: Floats) -> Floats:
    """The range of balances; NaN where it is rounding noise."""
    span = high - low
    span[span <= TOLERANCE / 50.0] = np.nan
    return span


def _extremes(values: list[Floats], period: int, extreme: np.ufunc) -> Iterator[Floats]:
    """The extreme of each `period` values in a row: what all of these share once, then the rest."""
    count = len(values) - period + 1
    shared = values[count - 1 : period]
    if not shared:
        for first in range(count):
            yield extreme.reduce(values[first : first + period])
        return
    core = extreme.reduce(shared)
    before, after = [core], [core]
    for value in reversed(values[: count - 1]):
        before.append(extreme(before[-1], value))
    for value in values[period:]:
        after.append(extreme(after[-1], value))
    for first in range(count):
        yield extreme(before[count - 1 - first], after[first])


def _mean(values: list[Floats]) -> Floats:
    total = values[0].copy()
    for value in values[1:]:
        total += value
    total /= len(values)
    return total


def _rolling_sums(
    values: Floats, *, kept: float, period: int, seed_weight: float, window: int, ago: int = 0
) -> Floats:
    """The recursion of each window of `values`, `ago` bars before its end; NaN before the first whole one."""
    if window - ago < period:
        raise ValueError(f"window is {window} bars; set it from {period + ago}")
    found = np.full(values.shape, np.nan)
    windows = values.shape[1] - window + 1
    if windows < 1:
        return found
    last = window - 1 - ago
    share = kept ** (last - period + 1)
    for rows in _chunks(values):
        running = _recursion(values[rows], kept)
        if share < FORGOTTEN:
            found[rows, window - 1 :] = running[:, last : last + windows]
            continue
        seed = moving(values[rows], period, np.add)[:, :windows]
        over = running[:, period - 1 : period - 1 + windows] - seed_weight * seed
        found[rows, window - 1 :] = running[:, last : last + windows] - share * over
    return found


def _recursion(values: Floats, kept: float) -> Floats:
    """F[t] = kept F[t-1] + x[t] along each row, from 0."""
    rows, bars = values.shape
    if rows * bars <= _FEW_VALUES:
        found: Floats = values @ _steps(kept, _FEW_VALUES)[:bars, :bars]
        return found
    padded = np.zeros((rows, padded_bars(bars)))
    padded[:, :bars] = values
    return run(padded, kept)[:, :bars]


def run(values: Floats, kept: float, out: Floats | None = None) -> Floats:
    """`_recursion` of rows of `padded_bars` length, which it changes; into `out` where that is given.

    What goes from block to block is a recursion over the blocks' ends. A product a row is too small
    for BLAS to start threads for, which would cost more.
    """
    rows, bars = values.shape
    steps = _steps(kept, _BLOCK_BARS)
    if bars <= _BLOCK_BARS:
        found: Floats = values @ steps[:bars, :bars]
        return found
    blocks = values.reshape(rows, -1, _BLOCK_BARS)
    carried = _recursion(blocks @ steps[:, -1], kept**_BLOCK_BARS)
    blocks[:, 1:, 0] += kept * carried[:, :-1]
    into = None if out is None else out.reshape(blocks.shape)
    found = np.matmul(blocks, steps, out=into)
    return found.reshape(rows, bars)


def padded_bars(bars: int) -> int:
    """As many bars as whole blocks hold."""
    return bars if bars <= _BLOCK_BARS else -(-bars // _BLOCK_BARS) * _BLOCK_BARS


def moving(values: Floats, period: int, operation: Callable[..., Floats]) -> Floats:
    """`operation` over each `period` values in a row, by doubling, so that a sum has no cancellation.

    Shape (symbols, bars - period + 1).
    """
    bars = values.shape[1] - period + 1
    doubled, size = values, 1
    found: Floats | None = None
    reached = 0
    while True:
        if period & size:
            part = doubled[:, reached : reached + bars]
            found = part if found is None else operation(found, part)
            reached += size
        if size * 2 > period:
            break
        doubled = operation(doubled[:, :-size], doubled[:, size:])
        size *= 2
    return values[:, :0] if found is None else found


def _chunks(values: Floats) -> Iterator[slice]:
    rows = max(CHUNK_VALUES // max(values.shape[1], 1), 1)
    for start in range(0, len(values), rows):
        yield slice(start, min(start + rows, len(values)))


@lru_cache(maxsize=256)
def _ema_weights(period: int, count: int) -> Floats:
    """The weight of each of `count` values in the EMA at the last of them."""
    alpha = 2.0 / (period + 1)
    weights: Floats = alpha * (1.0 - alpha) ** np.arange(count - 1.0, -1.0, -1.0)
    weights[:period] = (1.0 - alpha) ** (count - period) / period
    return weights


@lru_cache(maxsize=256)
def _wilder_weights(period: int, count: int) -> Floats:
    """The weight of each of `count` values in Wilder's sum (the mean times `period`) at the last of them."""
    weights: Floats = (1.0 - 1.0 / period) ** np.arange(count - 1.0, -1.0, -1.0)
    weights[:period] = (1.0 - 1.0 / period) ** (count - period)
    return weights


@lru_cache(maxsize=256)
def _wilder_steps(period: int, count: int) -> Floats:
    """What turns a sum and the values after it, `count` in all, into the sums at each of them."""
    ago = np.subtract.outer(np.arange(count), np.arange(count))
    return np.where(ago >= 0, (1.0 - 1.0 / period) ** np.maximum(ago, 0), 0.0)


@lru_cache(maxsize=64)
def _steps(kept: float, bars: int) -> Floats:
    """What turns so many values into their recursion, in one matrix product."""
    ago = np.subtract.outer(np.arange(bars), np.arange(bars)).T
    return np.where(ago >= 0, kept ** np.maximum(ago, 0), 0.0)
