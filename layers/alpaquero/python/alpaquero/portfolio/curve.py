"""What an equity curve says: return, risk, drawdowns, months; for backtests and `analytics/api`.

Statistics are floats, because they are estimates; percentages are of the number 100. A figure is
None when there is nothing to compute it from. A year has 252 sessions and 365.25 days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

SESSIONS_A_YEAR = 252
DAYS_A_YEAR = 365.25
NO_VARIATION = 1e-12  # returns that differ by rounding alone have no deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """One fall of equity from a peak until that peak is reached again.

    `depth_percent` is the deepest point in percent of the peak, above 0. `recovered_on` is None
    while it lasts; `days` counts from the peak to the recovery, or to the curve's end.
    """

    depth_percent: float
    peak_on: date
    trough_on: date
    recovered_on: date | None
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFigures:
    """Return and risk of an equity curve, from its value at the close of each session.

    `volatility_percent`, `sharpe` and `sortino` are annual. `calmar` is the yearly growth over the
    deepest drawdown of the whole curve: T. W. Young, "Calmar Ratio: A Smoother Tool", Futures 20
    (October 1991), 40, has it of 36 months. `exposure_percent` is the average share of equity that was
    invested, `time_invested_percent` the share of sessions with any position.
    """

    start: date
    end: date
    sessions: int
    initial_equity: float
    final_equity: float
    total_return_percent: float | None
    cagr_percent: float | None
    volatility_percent: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown_percent: float
    longest_drawdown_days: int
    best_session_percent: float | None
    worst_session_percent: float | None
    exposure_percent: float | None = None
    time_invested_percent: float | None = None


def figures_of(
    curve: Sequence[tuple[date, float]],
    *,
    initial: float | None = None,
    invested: Sequence[float] = (),
    risk_free_percent: float = 0.0,
) -> CurveFigures:
    """The figures of a daily equity `curve`, without money put in or taken out (see `time_weighted`).

    `initial` is the equity before the first session, so that what that session earned counts too.
    `invested` is the market value held at each point, in dollars, or empty when it is not known.
    `risk_free_percent` is a yearly rate. Raises `ValueError` for a curve without a point, or
    `invested` of another length.
    """
    if not curve:
        raise ValueError("an equity curve needs at least one point")
    if invested and len(invested) != len(curve):
        raise ValueError(f"{len(invested)} invested values for {len(curve)} points of equity; give one each")
    whole = list(curve) if initial is None else begun(curve, initial)
    (start, first), (end, last) = whole[0], whole[-1]
    equities = [equity for _, equity in whole]
    daily = returns(equities) if min(equities) > 0 else []  # who owes money has no return
    falls = drawdowns(whole)
    depth = max((fall.depth_percent for fall in falls), default=0.0)
    yearly = cagr_percent(first, last, (end - start).days)
    return CurveFigures(
        start=start,
        end=end,
        sessions=len(curve),
        initial_equity=first,
        final_equity=last,
        total_return_percent=(last / first - 1) * 100 if first > 0 else None,
        cagr_percent=yearly,
        volatility_percent=volatility_percent(daily),
        sharpe=sharpe(daily, risk_free_percent=risk_free_percent),
        sortino=sortino(daily, risk_free_percent=risk_free_percent),
        calmar=yearly / depth if yearly is not None and depth > 100 * NO_VARIATION else None,
        max_drawdown_percent=depth,
        longest_drawdown_days=max((fall.days for fall in falls), default=0),
        best_session_percent=max(daily) * 100 if daily else None,
        worst_session_percent=min(daily) * 100 if daily else None,
        exposure_percent=_average_exposure(curve, invested),
        time_invested_percent=100 * fmean(value != 0 for value in invested) if invested else None,
    )


def begun(curve: Sequence[tuple[date, float]], initial: float) -> list[tuple[date, float]]:
    """The curve with what there was before its first session, which is dated like it."""
    return [(curve[0][0], initial), *curve]


def time_weighted(
    curve: Sequence[tuple[date, float]], flows: Iterable[tuple[date, float]]
) -> list[tuple[date, float]]:
    """What the curve's first value would have become without money put in (above 0) or taken out.

    Each day's return is (equity + taken out) / (equity before + put in) - 1, and the days are linked:
    what is put in works from the morning on, what is taken out until the evening. It is the daily
    time-weighted return of the Global Investment Performance Standards (2020), 2.A.20 to 2.A.24. A
    flow counts on the first day of the curve on or after its own. Days before there was any money are
    left out. Who owes money has no return: the value stays at or below 0 from then on.
    """
    moved = sorted(flows)
    funded = next((place for place, (_, equity) in enumerate(curve) if equity > 0), len(curve))
    linked = list(curve[funded : funded + 1])
    for (day_before, before), (day, equity) in pairwise(curve[funded:]):
        within = [amount for on, amount in moved if day_before < on <= day]
        paid_in = sum(amount for amount in within if amount > 0)
        paid_out = -sum(amount for amount in within if amount < 0)
        value = linked[-1][1]
        if value > 0 and before + paid_in > 0:
            value *= (equity + paid_out) / (before + paid_in)
        linked.append((day, value))
    return linked


def returns(equities: Sequence[float]) -> list[float]:
    """The simple return of each step, as a fraction: one fewer than there are values.

    Raises `ValueError` when equity reaches 0, after which there is no return.
    """
    if min(equities, default=1.0) <= 0:
        raise ValueError("equity fell to 0 or below, so returns are not defined; look at the trades")
    return [after / before - 1 for before, after in pairwise(equities)]


def cagr_percent(first: float, last: float, days: int) -> float | None:
    """The compound annual growth rate: (last / first) ** (365.25 / days) - 1, in percent.

    >>> round(cagr_percent(100.0, 121.0, 731), 2)
    10.0
    """
    if days <= 0 or first <= 0 or last <= 0:
        return None
    return float(((last / first) ** (DAYS_A_YEAR / days) - 1) * 100)


def volatility_percent(daily: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1) of daily returns times the root of 252, in percent."""
    return stdev(daily) * sqrt(SESSIONS_A_YEAR) * 100 if len(daily) > 1 else None


def sharpe(daily: Sequence[float], *, risk_free_percent: float = 0.0) -> float | None:
    """Mean excess return over its sample deviation, times the root of 252.

    W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994), 49-58.
    """
    if len(daily) < 2:
        return None
    excess = _excess(daily, risk_free_percent)
    deviation = stdev(excess)
    return fmean(excess) / deviation * sqrt(SESSIONS_A_YEAR) if deviation > NO_VARIATION else None


def sortino(daily: Sequence[float], *, risk_free_percent: float = 0.0) -> float | None:
    """Mean excess return over its downside deviation, times the root of 252.

    The downside deviation is the root of the mean square of all shortfalls, a day without one
    counting as 0: F. A. Sortino, L. N. Price, "Performance Measurement in a Downside Risk
    Framework", Journal of Investing 3 (1994), 59-64.
    """
    if len(daily) < 2:
        return None
    excess = _excess(daily, risk_free_percent)
    downside = sqrt(fmean(min(0.0, value) ** 2 for value in excess))
    return fmean(excess) / downside * sqrt(SESSIONS_A_YEAR) if downside > NO_VARIATION else None


def _excess(daily: Sequence[float], risk_free_percent: float) -> list[float]:
    """Daily returns less the risk-free rate of a session."""
    rate = daily_rate(risk_free_percent)
    return [value - rate for value in daily]


def daily_rate(yearly_percent: float) -> float:
    """The rate of a session, as a fraction, that compounds to the yearly one."""
    return float((1 + yearly_percent / 100) ** (1 / SESSIONS_A_YEAR) - 1)


def drawdowns(curve: Sequence[tuple[date, float]]) -> list[Drawdown]:
    """Every fall from a peak, in order of time; one at a time, from peak to recovery."""
    found: list[Drawdown] = []
    peak_on, peak = curve[0] if curve else (date.min, 0.0)
    trough_on, trough = peak_on, peak
    for day, equity in [*curve, (None, 0.0)]:
        if day is not None and equity < peak:
            if equity < trough:
                trough_on, trough = day, equity
            continue
        if trough < peak:
            found.append(
                Drawdown(
                    depth_percent=(peak - trough) / peak * 100,
                    peak_on=peak_on,
                    trough_on=trough_on,
                    recovered_on=day,
                    days=((day or curve[-1][0]) - peak_on).days,
                )
            )
        if day is not None:
            peak_on, peak, trough_on, trough = day, equity, day, equity
    return found


def underwater_percent(equities: Sequence[float]) -> list[float]:
    """At each point how far equity is below the highest so far, in percent, 0 or less.

    >>> underwater_percent([100.0, 120.0, 90.0])
    [0.0, 0.0, -25.0]
    """
    falls, peak = [], 0.0
    for equity in equities:
        peak = max(peak, equity)
        falls.append((equity / peak - 1) * 100 if peak > 0 else 0.0)
    return falls


def monthly_returns(curve: Sequence[tuple[date, float]]) -> dict[int, dict[int, float]]:
    """Percent by year and month, each from the month before; the first from the curve's first point.

    The months of a year compound to what `yearly_returns` gives.
    """
    months: dict[int, dict[int, float]] = {}
    for (year, month), value in _by_period(curve, lambda day: (day.year, day.month)).items():
        months.setdefault(year, {})[month] = value
    return months


def yearly_returns(curve: Sequence[tuple[date, float]]) -> dict[int, float]:
    """Percent by year, each from the end of the year before; the first from the curve's first point."""
    return {year: value for (year, _), value in _by_period(curve, lambda day: (day.year, 0)).items()}


def _by_period(
    curve: Sequence[tuple[date, float]], period: Callable[[date], tuple[int, int]]
) -> dict[tuple[int, int], float]:
    ends: dict[tuple[int, int], float] = {}
    for day, equity in curve:
        ends[period(day)] = equity
    before = curve[0][1] if curve else 0.0
    found = {}
    for key, equity in ends.items():
        if before:  # of an account lost to the last cent nothing returns
            found[key] = (equity / before - 1) * 100
        before = equity
    return found


def turnover(traded_dollars: float, curve: Sequence[tuple[date, float]]) -> float | None:
    """How often a year the average equity was bought and sold again.

    Half of all dollars traded (a purchase and its sale are one turn) over the mean equity, by the
    years the curve spans. None for a curve within one day.
    """
    days = (curve[-1][0] - curve[0][0]).days if curve else 0
    average = fmean(equity for _, equity in curve) if curve else 0.0
    if days <= 0 or average <= 0:
        return None
    return traded_dollars / 2 / average / (days / DAYS_A_YEAR)


def buy_and_hold(
    series: Mapping[str, Columns], days: Sequence[date], cash: float
) -> list[tuple[date, float]]:
    """The equity of buying every symbol once for the same share of `cash`, and holding it.

    `series` are split-adjusted daily bars. A symbol is bought at the first open on or after
    `days[0]`, fractions allowed, without costs; until then its share stays cash. Raises `ValueError`
    without a symbol.
    """
    if not series:
        raise ValueError("buy and hold needs at least one symbol")
    share = cash / len(series)
    totals = [0.0] * len(days)
    for columns in series.values():
        for place, value in enumerate(_held(columns, days, share)):
            totals[place] += value
    return list(zip(days, totals, strict=True))


def _held(columns: Columns, days: Sequence[date], share: float) -> list[float]:
    """What `share` dollars became at the close of each day, in one symbol."""
    bought_at = 0.0
    values, place, value = [], 0, share
    starts = [day_of(second) for second in columns.start]
    while place < len(starts) and days and starts[place] < days[0]:
        place += 1
    for day in days:
        while place < len(starts) and starts[place] <= day:
            bought_at = bought_at or columns.open[place]
            value = share * columns.close[place] / bought_at
            place += 1
        values.append(value)
    return values


def day_of(second: int) -> date:
    """The New York date of a bar's start, given in seconds since the epoch."""
    return datetime.fromtimestamp(second, NEW_YORK).date()


def _average_exposure(curve: Sequence[tuple[date, float]], invested: Sequence[float]) -> float | None:
    shares = [
        abs(value) / equity * 100 for (_, equity), value in zip(curve, invested, strict=False) if equity > 0
    ]
    return fmean(shares) if shares else None


def thinned(points: Sequence[tuple[float, float]], wanted: int) -> list[int]:
    """The places of `wanted` points, 3 or more, that draw the line best, the first and the last among them.

    Largest triangle three buckets: S. Steinarsson, "Downsampling Time Series for Visual
    Representation", University of Iceland (2013), section 4.2. A point is (time, value).
    """
    if wanted >= len(points):
        return list(range(len(points)))
    kept, inner = [0], wanted - 2
    edges = [1 + number * (len(points) - 2) // inner for number in range(inner + 1)]
    for number in range(inner):
        following = points[edges[number + 1] : edges[number + 2] if number + 2 <= inner else len(points)]
        middle = fmean(time for time, _ in following), fmean(value for _, value in following)
        areas = {
            place: _area(points[kept[-1]], points[place], middle)
            for place in range(edges[number], edges[number + 1])
        }
        kept.append(max(areas, key=areas.__getitem__))
    return [*kept, len(points) - 1]


def _area(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> float:
    """Twice the area of a triangle."""
    return abs((one[0] - three[0]) * (two[1] - one[1]) - (one[0] - two[0]) * (three[1] - one[1]))
