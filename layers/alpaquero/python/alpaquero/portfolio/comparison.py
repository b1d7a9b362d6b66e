"""An equity curve held against a benchmark's: alpha, beta, correlation, tracking error; for `analytics/api`.

Both are compared by their returns over the same days. Figures are floats, percentages of the number
100, and None when there is nothing to compute them from. A year has 252 sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import sqrt
from statistics import correlation, covariance, fmean, stdev, variance

from alpaquero.portfolio.curve import NO_VARIATION, SESSIONS_A_YEAR, daily_rate, returns
from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a curve went beside its benchmark over `sessions` returns of both.

    `alpha_percent` is a year's, `tracking_error_percent` and `information_ratio` are annual.
    `days` are those both have a value of, with what each had gained by then, in percent.
    """

    sessions: int
    alpha_percent: float | None
    beta: float | None
    correlation: float | None
    tracking_error_percent: float | None
    information_ratio: float | None
    total_return_percent: float | None
    benchmark_return_percent: float | None
    days: list[date]
    gain_percent: list[float]
    benchmark_gain_percent: list[float]


def compare(
    curve: Sequence[tuple[date, float]],
    benchmark: Sequence[tuple[date, float]],
    *,
    risk_free_percent: float = 0.0,
) -> Comparison:
    """The comparison over the days that both curves have, each in order of time.

    A day that comes twice counts with its last value. `risk_free_percent` is a yearly rate. Raises
    `ValueError` when a curve falls to 0 or below.
    """
    theirs = dict(benchmark)
    ours = {day: value for day, value in curve if day in theirs}
    days = list(ours)
    own, other = [ours[day] for day in days], [theirs[day] for day in days]
    gains, held = returns(own), returns(other)
    slope = beta(gains, held)
    return Comparison(
        sessions=len(gains),
        alpha_percent=alpha_percent(gains, held, risk_free_percent=risk_free_percent),
        beta=slope,
        correlation=correlation_of(gains, held),
        tracking_error_percent=tracking_error_percent(gains, held),
        information_ratio=information_ratio(gains, held),
        total_return_percent=(own[-1] / own[0] - 1) * 100 if gains else None,
        benchmark_return_percent=(other[-1] / other[0] - 1) * 100 if gains else None,
        days=days,
        gain_percent=[(value / own[0] - 1) * 100 for value in own],
        benchmark_gain_percent=[(value / other[0] - 1) * 100 for value in other],
    )


def from_day(series: Sequence[tuple[date, float]], first: date) -> list[tuple[date, float]]:
    """The series from `first` on; where that day has no value, with the last one before in its place."""
    before = [value for day, value in series if day <= first]
    return [
        *([(first, before[-1])] if before else []),
        *((day, value) for day, value in series if day > first),
    ]


def beta(gains: Sequence[float], benchmark: Sequence[float]) -> float | None:
    """Covariance with the benchmark's returns over their variance; None where they do not vary.

    W. F. Sharpe, "Capital Asset Prices", Journal of Finance 19 (1964), 425-442.
    """
    if len(gains) < 2 or stdev(benchmark) <= NO_VARIATION:
        return None
    return covariance(gains, benchmark) / variance(benchmark)


def alpha_percent(
    gains: Sequence[float], benchmark: Sequence[float], *, risk_free_percent: float = 0.0
) -> float | None:
    """The mean daily return beyond what beta explains, compounded to a year of 252 sessions, in percent.

    M. C. Jensen, "The Performance of Mutual Funds in the Period 1945-1964", Journal of Finance 23
    (1968), 389-416.
    """
    slope = beta(gains, benchmark)
    if slope is None:
        return None
    rate = daily_rate(risk_free_percent)
    mean = fmean(gains) - rate - slope * (fmean(benchmark) - rate)
    return ((1 + mean) ** SESSIONS_A_YEAR - 1) * 100 if mean > -1 else None


def correlation_of(gains: Sequence[float], benchmark: Sequence[float]) -> float | None:
    """Pearson's correlation of both returns; None where one of them does not vary."""
    if len(gains) < 2 or min(stdev(gains), stdev(benchmark)) <= NO_VARIATION:
        return None
    return correlation(gains, benchmark)


def tracking_error_percent(gains: Sequence[float], benchmark: Sequence[float]) -> float | None:
    """The sample deviation (n - 1) of the daily differences times the root of 252, in percent."""
    if len(gains) < 2:
        return None
    return stdev(_active(gains, benchmark)) * sqrt(SESSIONS_A_YEAR) * 100


def information_ratio(gains: Sequence[float], benchmark: Sequence[float]) -> float | None:
    """Mean daily difference over its sample deviation, times the root of 252.

    T. H. Goodwin, "The Information Ratio", Financial Analysts Journal 54 (1998), 34-43.
    """
    if len(gains) < 2:
        return None
    active = _active(gains, benchmark)
    deviation = stdev(active)
    return fmean(active) / deviation * sqrt(SESSIONS_A_YEAR) if deviation > NO_VARIATION else None


def _active(gains: Sequence[float], benchmark: Sequence[float]) -> list[float]:
    return [own - other for own, other in zip(gains, benchmark, strict=True)]
