"""Windows that move over series: their values roughly at every bar, and exactly at the few that may decide.

Called by a strategy's `decide_every`. Live judges each bar on a window of its own. What the whole
series adds to that is known to be small, so the series' own values, with a bound, tell where nothing
can be decided; the rest, some bars in a hundred, are computed as `vectors` computes windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from alpaquero.quickly_made import dataclass
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.protocol import Decisions, Judged
from alpaquero.strategy.vectors import (
    CHUNK_VALUES,
    FORGOTTEN,
    Floats,
    cancelled,
    padded_bars,
    run,
    spans,
    stochastic_rsi_last,
)

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
T = TypeVar("T", bound=np.generic)

SLACK_POINTS = 0.1  # what K and D lie from those of the window at most, where they are not unsure
_SLACK_DOLLARS, _SLACK_SHARE = 1e-8, 1e-12  # the same of EMAs, whose rounding grows with the price
_LEAST_RANGE = 1e-6  # of balances, far above rounding


@dataclass(frozen=True, slots=True)
class RoughStochastic:
    """K and D, points, shape (rows, windows), NaN where the window has none.

    Off by `SLACK_POINTS` at most, but for those that are `unsure`.
    """

    k: Floats
    d: Floats
    unsure: Flags


class Windows:
    """The windows of some rows of a panel. Arrays are (rows, windows); the first ends at bar `window` - 1.

    Rough values live in buffers that the next rows take over.
    """

    def __init__(self, panel: Panel, rows: slice, window: int, buffers: _Buffers) -> None:
        self.rows = rows
        self._closes, self._window, self._buffers = panel.close[rows], window, buffers
        self._first = panel.first[rows]
        self._bars = panel.bars
        self._count = self._bars - window + 1
        self._sums: list[Floats] = []
        self._emas: dict[int, Floats] = {}
        self._dearest = self._closes.max(axis=1, keepdims=True)

    def places(self, flags: Flags) -> Places:
        """Where `flags` are set in windows that are whole, as flat indices."""
        if self._first.any():
            flags = flags & (np.arange(self._count) >= self._first[:, np.newaxis])
        return np.flatnonzero(flags)

    def stochastic_rsi(
        self, *, rsi_period: int, stochastic_period: int, k_smoothing: int, d_smoothing: int
    ) -> RoughStochastic:
        """K and D of the whole series at the end of each window.

        A window has c E less in the numerator and in the denominator T of a balance at most: c is the
        share of what was before the window in its oldest balance, E the sum at the window's seed plus
        the seed, which is that sum over Wilder's factor^(p - 1) at most. A balance is off by 4 c E / T
        then, and a raw by 8 times that over its range. A sum falls by no more than Wilder's factor a
        bar, so the first one in a range bounds the others.
        """
        closes, lags = self._closes, stochastic_period + k_smoothing + d_smoothing - 2
        first = self._window - lags  # the bar of the oldest balance of the first window
        share = (1.0 - 1.0 / rsi_period) ** (first - rsi_period)
        changes, sizes = self._buffers.padded("x", closes), self._buffers.padded("size", closes)
        np.subtract(closes[:, 1:], closes[:, :-1], out=changes[:, 1 : self._bars])
        np.abs(changes, out=sizes)
        kept = 1.0 - 1.0 / rsi_period
        net = run(changes, kept, self._buffers.padded("net", closes))
        total = run(sizes, kept, self._buffers.padded("total", closes))
        self._sums = [net, total]

        with np.errstate(invalid="ignore", divide="ignore"):
            balances = np.divide(
                net[:, first : self._bars], total[:, first : self._bars], out=changes[:, first : self._bars]
            )
            low = _extremes(balances.T, stochastic_period, np.minimum, self._two("low", balances)).T
            high = _extremes(balances.T, stochastic_period, np.maximum, self._two("high", balances)).T
            span = np.subtract(high, low, out=high)
            narrow = span < _LEAST_RANGE
            raw = np.subtract(balances[:, stochastic_period - 1 :], low, out=low)
            raw /= span
        raws, width = k_smoothing + d_smoothing - 1, span.shape[1]
        span *= total[:, first : first + width]
        least = _extremes(span.T, raws, np.minimum, self._two("least", span)).T
        before = total[:, rsi_period : rsi_period + self._count]  # at the seed, which kept^(1-p) bounds too
        least *= (
            kept ** (stochastic_period - 1) * SLACK_POINTS / (3200.0 * share * (1 + kept ** (1 - rsi_period)))
        )
        unsure = ~(least >= before)  # NaN is unsure
        unsure |= _within(narrow, raws)
        k = _means(raw, k_smoothing, 100.0, self._buffers.like("k", raw))
        d = _means(k, d_smoothing, 1.0, self._buffers.like("d", k))
        return RoughStochastic(k[:, d_smoothing - 1 :], d, unsure)

    def _two(self, name: str, values: Floats) -> tuple[Floats, Floats]:
        return self._buffers.like(name, values).T, self._buffers.like(f"{name} too", values).T

    def stochastic_rsi_at(
        self, where: Places, *, rsi_period: int, stochastic_period: int, k_smoothing: int, d_smoothing: int
    ) -> tuple[Floats, Floats]:
        """K and D of the windows at `where`, flat indices, as live computes them; after `stochastic_rsi`."""
        rows, starts = np.divmod(where, self._count)
        lags = stochastic_period + k_smoothing + d_smoothing - 2
        begin = rows * self._sums[0].shape[1] + starts
        seen = begin + np.arange(self._window - lags, self._window)[:, np.newaxis]
        bars = np.arange(self._window - lags, self._window) - rsi_period  # from the seed on
        shares = (1.0 - 1.0 / rsi_period) ** bars[:, np.newaxis]
        seeds = (
            self._closes[rows, starts + rsi_period] - self._closes[rows, starts],
            np.abs(np.diff(_stretches(self._closes, rsi_period + 1, rows, starts))).sum(axis=1),
        )
        net, total = (
            sums.take(seen) - shares * (sums.take(begin + rsi_period) - seed)
            for sums, seed in zip(self._sums, seeds, strict=True)
        )
        unsure = cancelled(total[0], self._sums[1].take(seen[0]))
        with np.errstate(invalid="ignore", divide="ignore"):  # what is unsure is computed anew below
            k, d = _k_and_d(net / total, stochastic_period, k_smoothing)
        anew = np.flatnonzero(unsure)
        if len(anew):
            k[anew], d[anew] = stochastic_rsi_last(
                _stretches(self._closes, self._window, rows[anew], starts[anew]),
                rsi_period=rsi_period,
                stochastic_period=stochastic_period,
                k_smoothing=k_smoothing,
                d_smoothing=d_smoothing,
            )
        return k, d

    def ema(self, period: int) -> tuple[Floats, Floats]:
        """The EMA of the whole series at the end of each window, and what it is off by, shape (rows, 1).

        Both the sum that a window has not seen and the seed it has instead lie between 0 and the
        dearest close.
        """
        alpha = 2.0 / (period + 1)
        closes = self._buffers.padded("x", self._closes)
        np.multiply(self._closes, alpha, out=closes[:, : self._bars])
        out = self._buffers.padded(f"ema {period}", self._closes)
        self._emas[period] = run(closes, 1.0 - alpha, out)
        off = ((1.0 - alpha) ** (self._window - period) + _SLACK_SHARE) * self._dearest + _SLACK_DOLLARS
        return self._emas[period][:, self._window - 1 : self._bars], off

    def ema_at(self, where: Places, period: int) -> Floats:
        """The EMA of the windows at `where`, flat indices, as live computes it; after `ema`."""
        rows, starts = np.divmod(where, self._count)
        running = self._emas[period]
        begin = rows * running.shape[1] + starts
        share = (1.0 - 2.0 / (period + 1)) ** (self._window - period)
        found: Floats = running.take(begin + self._window - 1)
        if share >= FORGOTTEN:
            seeds = _stretches(self._closes, period, rows, starts).mean(axis=1)
            found -= share * (running.take(begin + period - 1) - seeds)
        return found


class Everywhere:
    """What was decided at every bar of a panel, put together from its rows' windows."""

    def __init__(self, panel: Panel, window: int, tags: tuple[str, ...]) -> None:
        shape = (len(panel.columns), panel.bars)
        self._panel, self._window = panel, window
        self._buffers = _Buffers(min(_rows_at_a_time(panel), shape[0]), padded_bars(panel.bars))
        self.judged = Judged(
            Decisions(
                side=np.zeros(shape, np.int8),
                strength=np.zeros(shape, np.int16),
                tag=np.zeros(shape, np.int8),
                tags=tags,
            ),
            undefined=np.zeros(shape, np.bool_),
        )

    def windows(self) -> Iterator[Windows]:
        """Those of as many rows at a time as stay in the processor's cache; none where no series has one."""
        if self._panel.bars < self._window:
            return
        step = _rows_at_a_time(self._panel)
        for start in range(0, len(self._panel.columns), step):
            rows = slice(start, min(start + step, len(self._panel.columns)))
            yield Windows(self._panel, rows, self._window, self._buffers)

    def put(self, windows: Windows, undefined: Flags, places: Places, decided: Decisions) -> None:
        """What holds of all windows of some rows, and what was decided at `places`; -1 as side is a sale."""
        first, decisions = self._window - 1, self.judged.decisions
        self.judged.undefined[windows.rows, first:] = undefined
        row, column = np.divmod(places, undefined.shape[1])
        at = (row + windows.rows.start) * self._panel.bars + column + first
        for whole, there in (
            (decisions.side, decided.side),
            (decisions.strength, decided.strength),
            (decisions.tag, decided.tag),
        ):
            whole.reshape(-1)[at] = there


def pick(values: npt.NDArray[T], places: Places) -> npt.NDArray[T]:
    """The values at flat indices, whether or not they lie beside each other in memory."""
    if values.flags.c_contiguous:
        return values.ravel()[places]
    rows, columns = np.divmod(places, values.shape[1])
    return values[rows, columns]


def _rows_at_a_time(panel: Panel) -> int:
    return max(CHUNK_VALUES // panel.bars, 1)


class _Buffers:
    """Memory by name that all chunks use in turn: fresh pages would cost more than the work on them."""

    def __init__(self, rows: int, bars: int) -> None:
        self._shape, self._made = (rows, bars), dict[str, Floats]()

    def padded(self, name: str, values: Floats) -> Floats:
        """As many rows as `values`, of whole blocks; 0 before and after the values."""
        found = self._named(name)[: len(values)]
        found[:, 0] = 0.0
        found[:, values.shape[1] :] = 0.0
        return found

    def like(self, name: str, values: Floats) -> Floats:
        """The shape of `values`."""
        return self._named(name)[: len(values), : values.shape[1]]

    def _named(self, name: str) -> Floats:
        if name not in self._made:
            self._made[name] = np.empty(self._shape)
        return self._made[name]


def _extremes(
    values: Floats, period: int, extreme: np.ufunc, buffers: tuple[Floats, Floats] | None = None
) -> Floats:
    """The extreme of each `period` values down a column, by doubling; the last step may overlap."""
    reached, size = values, 1
    into, other = buffers or (None, None)
    while size < period:
        step = min(size, period - size)
        count = len(reached) - step
        reached = extreme(reached[:count], reached[step:], out=None if into is None else into[:count])
        size, into, other = size + step, other, into
    return reached


def _k_and_d(balances: Floats, stochastic_period: int, k_smoothing: int) -> tuple[Floats, Floats]:
    """K and D of the balances that a D rests on, oldest first, shape (balances, places)."""
    low = _extremes(balances, stochastic_period, np.minimum)
    high = _extremes(balances, stochastic_period, np.maximum)
    raw = (balances[stochastic_period - 1 :] - low) / spans(low, high)
    k = _means(raw.T, k_smoothing, 100.0).T
    return k[-1], k.sum(axis=0) / len(k)


def _means(values: Floats, period: int, scale: float, out: Floats | None = None) -> Floats:
    """`scale` times the mean of each `period` values in a row."""
    width = values.shape[1] - period + 1
    into = None if out is None else out[:, :width]
    if period == 1:
        return np.multiply(values, scale, out=into)
    total = np.add(values[:, :width], values[:, 1 : 1 + width], out=into)
    for later in range(2, period):
        total += values[:, later : later + width]
    total *= scale / period
    return total


def _within(flags: Flags, period: int) -> Flags:
    """Where one of each `period` flags in a row is set."""
    width = flags.shape[1] - period + 1
    found = np.zeros((len(flags), width), np.bool_)
    if flags.any():
        for later in range(period):
            found |= flags[:, later : later + width]
    return found


def _stretches(values: Floats, length: int, rows: Places, starts: Places) -> Floats:
    """`length` values of a row from each start on, shape (starts, length)."""
    found: Floats = values[rows[:, np.newaxis], starts[:, np.newaxis] + np.arange(length)]
    return found
