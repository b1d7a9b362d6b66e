"""The indicators with kept state: one new value at a time, for a live chart or a feed of ticks.

Each `update` answers what the whole series of `indicators` has at that bar, to 1e-9, at a cost that
does not grow with the history. A signal run does not use them: it judges a window of its own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import fsum

from alpaquero.strategy.indicators import TOLERANCE


@dataclass(slots=True)
class Ema:
    """`indicators.ema`, value by value.

    >>> mean = Ema(3)
    >>> [mean.update(value) for value in (1.0, 2.0, 3.0, 5.0)]
    [None, None, 2.0, 3.5]
    """

    period: int
    _mean: float | None = None
    _seed: list[float] = field(default_factory=list)

    def update(self, value: float) -> float | None:
        """The mean with `value`; None until `period` values have come."""
        if self._mean is not None:
            self._mean += 2.0 / (self.period + 1) * (value - self._mean)
            return self._mean
        self._seed.append(value)
        if len(self._seed) == self.period:
            self._mean = fsum(self._seed) / self.period
        return self._mean


@dataclass(slots=True)
class Sma:
    """`indicators.sma`, value by value; a value that is None spoils the means it is in."""

    period: int
    _window: deque[float | None] = field(init=False)

    def __post_init__(self) -> None:
        self._window = deque(maxlen=self.period)

    def update(self, value: float | None) -> float | None:
        """The mean of the last `period` values; None where one of them is missing."""
        self._window.append(value)
        known = [one for one in self._window if one is not None]
        return fsum(known) / self.period if len(known) == self.period else None


@dataclass(slots=True)
class WilderSum:
    """Wilder's mean times its period: seeded with the sum of the first `period` values."""

    period: int
    total: float = 0.0
    count: int = 0

    def update(self, value: float) -> float | None:
        """The sum with `value`; None until `period` values have come."""
        self.count += 1
        if self.count > self.period:
            self.total *= 1.0 - 1.0 / self.period
        self.total += value
        return self.total if self.count >= self.period else None


@dataclass(slots=True)
class Rsi:
    """`indicators.rsi`, close by close."""

    period: int
    _before: float | None = None
    _gain: WilderSum = field(init=False)
    _loss: WilderSum = field(init=False)

    def __post_init__(self) -> None:
        self._gain, self._loss = WilderSum(self.period), WilderSum(self.period)

    def update(self, close: float) -> float | None:
        """RSI with `close`, 0 to 100; None until there are `period` changes and one that is not 0."""
        before, self._before = self._before, close
        if before is None:
            return None
        gain = self._gain.update(max(close - before, 0.0))
        loss = self._loss.update(max(before - close, 0.0))
        if gain is None or loss is None or gain + loss <= 0:
            return None
        return 100.0 * (gain / (gain + loss))


@dataclass(slots=True, kw_only=True)
class StochasticRsi:
    """`indicators.stochastic_rsi`, close by close."""

    rsi_period: int = 14
    stochastic_period: int = 14
    k_smoothing: int = 3
    d_smoothing: int = 3
    _rsi: Rsi = field(init=False)
    _window: deque[float] = field(init=False)
    _k: Sma = field(init=False)
    _d: Sma = field(init=False)

    def __post_init__(self) -> None:
        self._rsi = Rsi(self.rsi_period)
        self._window = deque(maxlen=self.stochastic_period)
        self._k, self._d = Sma(self.k_smoothing), Sma(self.d_smoothing)

    def update(self, close: float) -> tuple[float | None, float | None]:
        """K and D with `close`."""
        strength = self._rsi.update(close)
        if strength is not None:
            self._window.append(strength)
        raw = None
        if len(self._window) == self.stochastic_period:
            low, high = min(self._window), max(self._window)
            if high - low > TOLERANCE:
                raw = 100.0 * ((self._window[-1] - low) / (high - low))
        k = self._k.update(raw)
        return k, self._d.update(k)


@dataclass(slots=True)
class AverageTrueRange:
    """`indicators.average_true_ranges`, bar by bar."""

    period: int
    _before: float | None = None
    _sum: WilderSum = field(init=False)

    def __post_init__(self) -> None:
        self._sum = WilderSum(self.period)

    def update(self, high: float, low: float, close: float) -> float | None:
        """The average with this bar, in the prices' unit; None until `period` bars follow the first."""
        before, self._before = self._before, close
        if before is None:
            return None
        total = self._sum.update(max(high - low, abs(high - before), abs(low - before)))
        return None if total is None else total / self.period
