"""Indicators: EMA, Wilder's RSI and StochRSI, whole series for charts and last values for signals;
Wilder's average true range for the size of a position.

A value that is not defined is None: too few bars, or nothing to divide by. Never 0 in its place,
for 0 is a value. Seeds are TA-Lib's; names are the charts': K is TA-Lib's `fastd`.
Sources: J. W. Wilder, New Concepts in Technical Trading Systems (1978); T. Chande and S. Kroll,
The New Technical Trader (1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import fsum

# A range of RSI, or a distance of K and D, of no more than this is rounding noise.
TOLERANCE = 1e-9

Series = list[float | None]


def sma(values: Sequence[float | None], period: int) -> Series:
    """Simple mean of the last `period` values; None where any of them is.

    Each window is summed exactly: a running sum leaves noise where K and D pin at 0 and 100.

    >>> sma([1.0, 2.0, 6.0, None], 3)
    [None, None, 3.0, None]
    """
    means: Series = [None] * min(period - 1, len(values))
    for end in range(period, len(values) + 1):
        window = [value for value in values[end - period : end] if value is not None]
        means.append(fsum(window) / period if len(window) == period else None)
    return means


def ema(values: Sequence[float], period: int) -> Series:
    """Exponential mean with alpha = 2 / (period + 1), seeded with the mean of the first `period`.

    >>> ema([1.0, 2.0, 3.0, 5.0], 3)
    [None, None, 2.0, 3.5]
    """
    if len(values) < period:
        return [None] * len(values)
    alpha = 2.0 / (period + 1)
    mean = fsum(values[:period]) / period
    means: Series = [None] * (period - 1)
    means.append(mean)
    for value in values[period:]:
        mean += alpha * (value - mean)
        means.append(mean)
    return means


def ema_last(values: Sequence[float], period: int) -> float | None:
    """The last value of `ema`, to the same bits, without keeping the others."""
    if len(values) < period:
        return None
    alpha = 2.0 / (period + 1)
    mean = fsum(values[:period]) / period
    for value in values[period:]:
        mean += alpha * (value - mean)
    return mean


def rsi(closes: Sequence[float], period: int) -> Series:
    """Wilder's RSI, 0 to 100: alpha = 1 / period, seeded with the mean of the first `period` changes.

    100 when there were gains and no losses; None when there was no change at all.
    """
    averages = _gains_and_losses(closes, period)
    return [*[None] * min(period, len(closes)), *(_strength(gain, loss) for gain, loss in averages)]


def stochastic_rsi(
    closes: Sequence[float],
    *,
    rsi_period: int = 14,
    stochastic_period: int = 14,
    k_smoothing: int = 3,
    d_smoothing: int = 3,
) -> tuple[Series, Series]:
    """K and D, 0 to 100, as charts draw them, from the first close on.

    raw = 100 * (RSI - lowest RSI) / (highest RSI - lowest RSI) over `stochastic_period` values;
    None when that range is zero, as on a steady rise. K is the mean of `k_smoothing` raws, D of
    `d_smoothing` Ks.
    """
    strength = rsi(closes, rsi_period)
    ends = range(1, len(strength) + 1)
    raw = [_stochastic(strength[max(end - stochastic_period, 0) : end], stochastic_period) for end in ends]
    k = sma(raw, k_smoothing)
    return k, sma(k, d_smoothing)


def stochastic_rsi_last(
    closes: Sequence[float],
    *,
    rsi_period: int = 14,
    stochastic_period: int = 14,
    k_smoothing: int = 3,
    d_smoothing: int = 3,
) -> tuple[float | None, float | None]:
    """The last K and D of `stochastic_rsi`, to the same bits, from the last few raws alone."""
    raws = k_smoothing + d_smoothing - 1
    averages = _gains_and_losses(closes, rsi_period)[-(stochastic_period + raws - 1) :]
    strength = [_strength(gain, loss) for gain, loss in averages]
    ends = range(len(strength) - raws + 1, len(strength) + 1)
    raw = [
        _stochastic(strength[max(end - stochastic_period, 0) : max(end, 0)], stochastic_period)
        for end in ends
    ]
    k = sma(raw, k_smoothing)
    return k[-1], sma(k, d_smoothing)[-1]


def average_true_range(
    highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], period: int
) -> float | None:
    """Wilder's average true range at the last bar, in the prices' unit; None with `period` bars or fewer.

    A bar's true range is the largest of high - low, |high - close before| and |low - close before|;
    the first bar has none. Alpha = 1 / period, seeded with the mean of the first `period` ranges.

    >>> average_true_range([3.0, 5.0, 6.0, 9.0], [1.0, 2.0, 4.0, 8.0], [2.0, 4.0, 5.0, 9.0], 2)
    3.25
    """
    ranges = [
        max(high - low, abs(high - before), abs(low - before))
        for high, low, before in zip(highs[1:], lows[1:], closes, strict=False)
    ]
    if len(ranges) < period:
        return None
    mean = fsum(ranges[:period]) / period
    for value in ranges[period:]:
        mean += (value - mean) / period
    return mean


def _gains_and_losses(closes: Sequence[float], period: int) -> list[tuple[float, float]]:
    """Wilder's mean gain and mean loss, from the close at index `period` on."""
    changes = [after - before for before, after in pairwise(closes)]
    if len(changes) < period:
        return []
    gain = fsum(change for change in changes[:period] if change > 0) / period
    loss = -fsum(change for change in changes[:period] if change < 0) / period
    alpha = 1.0 / period
    kept = 1.0 - alpha
    found = [(gain, loss)]
    for change in changes[period:]:
        gain *= kept
        loss *= kept
        if change > 0:
            gain += alpha * change
        else:
            loss -= alpha * change
        found.append((gain, loss))
    return found


def _strength(gain: float, loss: float) -> float | None:
    total = gain + loss
    return 100.0 * (gain / total) if total > 0 else None


def _stochastic(window: Sequence[float | None], period: int) -> float | None:
    known = [value for value in window if value is not None]
    if len(known) < period:
        return None
    low, high = min(known), max(known)
    if high - low <= TOLERANCE:
        return None
    return 100.0 * ((known[-1] - low) / (high - low))
