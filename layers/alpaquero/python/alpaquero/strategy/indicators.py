"""Indicators in plain Python: EMA, Wilder's RSI and average true range, StochRSI.

Whole series are for charts; the last values are what a signal run judges. `vectors` has the same for
many symbols and bars, `streaming` for one bar after another, and the tests hold all of them together.

A value that is not defined is None: too few bars, or nothing to divide by. Never 0 in its place,
for 0 is a value. Seeds are TA-Lib's; names are the charts': K is TA-Lib's `fastd`. A mean with
weights alpha, alpha (1 - alpha), ... is kept as the sum of 1, (1 - alpha), ...: one product less.
Sources: J. W. Wilder, New Concepts in Technical Trading Systems (1978); T. Chande and S. Kroll,
The New Technical Trader (1994).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from math import ceil, fsum, log
from operator import sub

# A range of RSI, or a distance of K and D, of no more than this is rounding noise.
TOLERANCE = 1e-9
# A seed of less than this weight is below the rounding of the mean.
_FORGOTTEN = 1e-15
# Of a sum is left after a subtraction: digits are gone.
_CANCELLED = 1e-3

Series = list[float | None]


def sma(values: Sequence[float | None], period: int) -> Series:
    """Simple mean of the last `period` values; None where any of them is.

    Each window is summed exactly: a running sum leaves noise where K and D pin at 0 and 100.

    >>> sma([1.0, 2.0, 6.0, None], 3)
    [None, None, 3.0, None]
    """
    means: Series = [None] * min(period - 1, len(values))
    for end in range(period, len(values) + 1):
        window = values[end - period : end]
        means.append(None if None in window else fsum(window) / period)  # type: ignore[arg-type]
    return means


def ema(values: Sequence[float], period: int) -> Series:
    """Exponential mean with alpha = 2 / (period + 1), seeded with the mean of the first `period`.

    >>> ema([1.0, 2.0, 3.0, 5.0], 3)
    [None, None, 2.0, 3.5]
    """
    if len(values) < period:
        return [None] * len(values)
    alpha = 2.0 / (period + 1)
    kept = 1.0 - alpha
    total = fsum(values[:period]) / period / alpha
    means: Series = [None] * (period - 1)
    means.append(alpha * total)
    for value in values[period:]:
        total = total * kept + value
        means.append(alpha * total)
    return means


def ema_last(values: Sequence[float], period: int) -> float | None:
    """The last value of `ema`, from no more of the values than it still knows of."""
    if len(values) < period:
        return None
    alpha = 2.0 / (period + 1)
    kept = 1.0 - alpha
    remembered = values[-_remembered_values(period) :]
    total = fsum(remembered[:period]) / period / alpha
    for value in remembered[period:]:
        total = total * kept + value
    return alpha * total


def rsi(closes: Sequence[float], period: int) -> Series:
    """Wilder's RSI, 0 to 100: alpha = 1 / period, seeded with the mean of the first `period` changes.

    100 when there were gains and no losses; None when there was no change at all.
    """
    strength = _strengths(closes, period, len(closes))
    return [*[None] * (len(closes) - len(strength)), *strength]


def rsi_last(closes: Sequence[float], period: int) -> float | None:
    """The last value of `rsi`."""
    strength = _strengths(closes, period, 1)
    return strength[0] if strength else None


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
    strength = _strengths(closes, rsi_period, len(closes))
    raw: Series = [None] * (len(closes) - len(strength))
    raw += _stochastics(strength, stochastic_period, len(strength))
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
    strength = _strengths(closes, rsi_period, stochastic_period + raws - 1)
    k = sma(_stochastics(strength, stochastic_period, raws), k_smoothing)[-d_smoothing:]
    return k[-1], sma(k, d_smoothing)[-1]


def moving_ema(values: Sequence[float], period: int, window: int) -> Series:
    """At every value `ema_last` of the `window` values up to it, or of all there are before as many.

    Linear in the values: what the mean of the whole series knows from before a window, and the
    window does not, has faded by the same factor as the window's own seed.

    >>> moving_ema([9.0, 1.0, 2.0, 3.0, 5.0], 3, 4)
    [None, None, 4.0, 3.5, 3.5]
    """
    _require_window(window, period)
    means = ema(values[:window], period)
    alpha = 2.0 / (period + 1)
    kept = 1.0 - alpha
    totals = _decaying_sums(values, kept)
    share = kept ** (window - period)
    for end in range(window, len(values)):
        start = end - window + 1
        seed = fsum(values[start : start + period]) / period / alpha
        means.append(alpha * (totals[end] - share * (totals[start + period - 1] - seed)))
    return means


def moving_stochastic_rsi(
    closes: Sequence[float],
    window: int,
    *,
    rsi_period: int = 14,
    stochastic_period: int = 14,
    k_smoothing: int = 3,
    d_smoothing: int = 3,
) -> tuple[Series, Series]:
    """At every close `stochastic_rsi_last` of the `window` closes up to it, or of all before as many.

    Linear in the closes, as `moving_ema`, by the sums of changes and of their sizes, whose ratio is
    RSI. Where a window's own share of the second is so small that digits cancel, it is summed anew.
    """
    periods = {
        "rsi_period": rsi_period,
        "stochastic_period": stochastic_period,
        "k_smoothing": k_smoothing,
        "d_smoothing": d_smoothing,
    }
    raws = k_smoothing + d_smoothing - 1
    count = stochastic_period + raws - 1
    _require_window(window, rsi_period + count)
    k, d = stochastic_rsi(closes[:window], **periods)
    changes = [0.0, *map(sub, closes[1:], closes)]
    sizes = list(map(abs, changes))
    kept = 1.0 - 1.0 / rsi_period
    nets, totals = _decaying_sums(changes, kept), _decaying_sums(sizes, kept)
    shares = [kept ** (window - 1 - ago - rsi_period) for ago in range(count - 1, -1, -1)]
    for end in range(window, len(closes)):
        start, first = end - window + 1, end - count + 1
        seeded = start + rsi_period
        more = totals[seeded] - fsum(sizes[start + 1 : seeded + 1])
        if totals[first] - shares[0] * more <= _CANCELLED * totals[first]:
            last_k, last_d = stochastic_rsi_last(closes[start : end + 1], **periods)
        else:
            more_net = nets[seeded] - (closes[seeded] - closes[start])
            strength = [
                50.0 + 50.0 * ((net - share * more_net) / (total - share * more))
                for net, total, share in zip(
                    nets[first : end + 1], totals[first : end + 1], shares, strict=True
                )
            ]
            ks = sma(_stochastics(strength, stochastic_period, raws), k_smoothing)[-d_smoothing:]
            last_k, last_d = ks[-1], sma(ks, d_smoothing)[-1]
        k.append(last_k)
        d.append(last_d)
    return k, d


def true_ranges(highs: Sequence[float], lows: Sequence[float], closes: Sequence[float]) -> list[float]:
    """The largest of high - low, |high - close before| and |low - close before|; the first bar has none."""
    return [
        max(high - low, abs(high - before), abs(low - before))
        for high, low, before in zip(highs[1:], lows[1:], closes, strict=False)
    ]


def average_true_ranges(
    highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], period: int
) -> Series:
    """Wilder's average true range, in the prices' unit; from index `period` on.

    Alpha = 1 / period, seeded with the mean of the first `period` ranges.
    """
    means = _wilder_means(true_ranges(highs, lows, closes), period)
    return [*[None] * min(period, len(closes)), *means]


def average_true_range(
    highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], period: int
) -> float | None:
    """The last value of `average_true_ranges`; None with `period` bars or fewer.

    >>> average_true_range([3.0, 5.0, 6.0, 9.0], [1.0, 2.0, 4.0, 8.0], [2.0, 4.0, 5.0, 9.0], 2)
    3.25
    """
    mean = None
    for mean in _wilder_means(true_ranges(highs, lows, closes), period):  # noqa: B007 - the last one
        pass
    return mean


def _decaying_sums(values: Sequence[float], kept: float) -> list[float]:
    """F[t] = kept F[t-1] + x[t], from 0."""
    return list(accumulate(values, lambda total, value: total * kept + value))


def _require_window(window: int, least: int) -> None:
    if window < least:
        raise ValueError(f"window is {window} bars; set it from {least}")


@cache
def _remembered_values(period: int) -> int:
    return period + ceil(log(_FORGOTTEN) / log(1.0 - 2.0 / (period + 1)))


def _wilder_means(values: Sequence[float], period: int) -> Iterable[float]:
    if len(values) < period:
        return
    kept = 1.0 - 1.0 / period
    total = fsum(values[:period])
    yield total / period
    for value in values[period:]:
        total = total * kept + value
        yield total / period


def _strengths(closes: Sequence[float], period: int, count: int) -> list[float]:
    """RSI at the last `count` closes; fewer where the first of them have none: once there is one it stays."""
    if len(closes) <= period:
        return []
    gain = loss = 0.0
    before = closes[0]
    for close in closes[1 : period + 1]:
        if close > before:
            gain += close - before
        else:
            loss += before - close
        before = close
    kept = 1.0 - 1.0 / period
    told = max(len(closes) - count, period)
    for close in closes[period + 1 : told]:
        if close > before:
            gain = gain * kept + (close - before)
            loss *= kept
        else:
            gain *= kept
            loss = loss * kept + (before - close)
        before = close
    found = [100.0 * (gain / (gain + loss))] if told == period and gain + loss > 0 else []
    for close in closes[max(told, period + 1) :]:
        if close > before:
            gain = gain * kept + (close - before)
            loss *= kept
        else:
            gain *= kept
            loss = loss * kept + (before - close)
        before = close
        if gain + loss > 0:
            found.append(100.0 * (gain / (gain + loss)))
    return found


def _stochastics(strength: Sequence[float], period: int, count: int) -> Series:
    """Where each of the last `count` values lies between the lowest and highest of the `period` up to it."""
    found: Series = []
    for end in range(len(strength) - count + 1, len(strength) + 1):
        if end < period:
            found.append(None)
            continue
        window = strength[end - period : end]
        low, high = min(window), max(window)
        found.append(100.0 * ((window[-1] - low) / (high - low)) if high - low > TOLERANCE else None)
    return found
