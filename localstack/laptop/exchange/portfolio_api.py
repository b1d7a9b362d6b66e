"""Alpaca's portfolio history: equity and profit or loss over time, by day or within days.

As Alpaca's answers show: a day's point is stamped 20:00 in New York; profit counts from the close
before (`pnl_reset=per_day`) or from the base value (`no_reset`); `base_value` is the equity at the
close before the first point. Points from before the account began are left out.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK, Session, bar_start
from laptop.exchange.account_api import ACTIVITY_TYPES
from laptop.exchange.answers import choice, day, flag, json_answer, moment, venue_of, words
from laptop.exchange.book import OPENING_CASH, Book
from laptop.exchange.equity import equity_at
from laptop.exchange.errors import malformed
from laptop.exchange.nyse import extended_hours
from laptop.exchange.venue import Venue
from laptop.exchange.wire import Json

_DAILY = "1D"
_FRAMES = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    _DAILY: timedelta(days=1),
}
_PERIOD = re.compile(r"([1-9][0-9]{0,3})([DWMA])")
_UNIX_TIME = re.compile(r"[0-9]{1,10}")
_DAYS = {"D": 1, "W": 7, "M": 31, "A": 366}
_FULL_MINUTES, _FULL_QUARTERS = timedelta(days=7), timedelta(days=30)
_LONGEST_INTRADAY = timedelta(days=31)
_REPORTING = ("market_hours", "extended_hours", "continuous")
_RESETS = ("per_day", "no_reset")
_EVENING = time(20)
_DAY, _NO_TIME = timedelta(days=1), timedelta()
_CENT, _PERCENT = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Window:
    """The times asked for. `sessions` counts sessions back from the end, as a period of days does."""

    start: datetime
    end: datetime
    timeframe: str
    reporting: str
    sessions: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """Equity at a time, and the trading day whose profit it is part of."""

    at: datetime
    equity: Decimal
    day: date


async def portfolio_history(request: Request) -> Response:
    """GET /v2/account/portfolio/history."""
    venue = venue_of(request)
    window = _window(request, venue)
    reset = choice(request, "pnl_reset", _RESETS, "per_day")
    _check_cashflow_types(request)
    if window.timeframe == _DAILY:
        points = list(_daily(venue.book, window))
    else:
        times = list(_times(venue, window))
        values = equity_at(venue.book, venue.market, [at for at, _ in times])
        points = [Point(at, value, on) for (at, on), value in zip(times, values, strict=True)]
    return json_answer(_body(venue.book, points, window.timeframe, reset))


def _check_cashflow_types(request: Request) -> None:
    """No cash comes into this account or leaves it, so none is shown, whichever type is asked for."""
    for kind in words(request, "cashflow_types"):
        if kind.upper() not in {"ALL", "NONE", *ACTIVITY_TYPES}:
            raise malformed(f"invalid cashflow_types: {kind}")


def _window(request: Request, venue: Venue) -> Window:
    """What `period`, `start`, `end`, `date_end`, `timeframe` and the hours asked for come to."""
    given = request.query_params
    start, end, period = _time(request, "start"), _time(request, "end"), given.get("period")
    if end is None and (last := day(request, "date_end")):
        end = datetime.combine(last, time.max, NEW_YORK).astimezone(UTC)
    if start and end and period:
        raise malformed("only two of start, end and period can be given")
    unit, count, length = _period(period or "1M")
    if start and not end and period:
        end = start + length
    end = min(end or venue.now, venue.now)
    sessions = count if unit == "D" and not start else None
    span = end - start if start else length
    if span < _NO_TIME:
        raise malformed("start must be before end")
    frame = given.get("timeframe") or _default_frame(span)
    if frame not in _FRAMES:
        raise malformed(f"timeframe must be one of {', '.join(_FRAMES)}")
    if frame != _DAILY and span > _LONGEST_INTRADAY:
        raise malformed("timeframe must be 1D for more than 30 days")
    if start is None:
        start = _back(_last_evening(venue.book, end) if frame == _DAILY else end, unit, count)
    elif frame == _DAILY:
        start = datetime.combine(start.astimezone(NEW_YORK).date(), time(), NEW_YORK)
    extended = "extended_hours" if flag(request, "extended_hours") else "market_hours"
    return Window(start, end, frame, choice(request, "intraday_reporting", _REPORTING, extended), sessions)


def _time(request: Request, name: str) -> datetime | None:
    """A time: RFC 3339, seconds since 1970, or a date, which is its midnight in UTC."""
    given = request.query_params.get(name, "")
    if _UNIX_TIME.fullmatch(given):
        return datetime.fromtimestamp(int(given), UTC)
    at = moment(request, name)
    return at.replace(hour=0) if at and len(given) == len("2012-12-31") else at


def _period(given: str) -> tuple[str, int, timedelta]:
    """Unit, count and about how long a period is."""
    matched = _PERIOD.fullmatch(given.upper())
    if matched is None:
        raise malformed("period must be a number and D, W, M or A, like 1M")
    count, unit = int(matched[1]), matched[2]
    return unit, count, timedelta(days=count * _DAYS[unit])


def _back(end: datetime, unit: str, count: int) -> datetime:
    """A period before `end`: months and years keep the day of the month where there is one."""
    if unit in "DW":
        return end - timedelta(days=count * _DAYS[unit])
    local = end.astimezone(NEW_YORK)
    months = local.year * 12 + local.month - 1 - count * (12 if unit == "A" else 1)
    year, month = max(months // 12, 1970), months % 12 + 1
    first = date(year, month, 1)
    last = ((first + timedelta(days=31)).replace(day=1) - _DAY).day
    return local.replace(year=year, month=month, day=min(local.day, last)).astimezone(UTC)


def _last_evening(book: Book, end: datetime) -> datetime:
    """The stamp of the last day's point: a period of days goes back from there."""
    last = end.astimezone(NEW_YORK).date()
    dates = (closing.date for closing in reversed(book.closings))
    return _evening(next((on for on in dates if on <= last), last))


def _evening(on: date) -> datetime:
    return datetime.combine(on, _EVENING, NEW_YORK)


def _default_frame(length: timedelta) -> str:
    if length < _FULL_MINUTES:
        return "1Min"
    return "15Min" if length < _FULL_QUARTERS else _DAILY


def _daily(book: Book, window: Window) -> Iterator[Point]:
    """A point a closed session."""
    last = window.end.astimezone(NEW_YORK).date()
    for closing in book.closings:
        at = _evening(closing.date)
        if window.start < at and closing.date <= last:
            yield Point(at, closing.equity, closing.date)


def _times(venue: Venue, window: Window) -> Iterator[tuple[datetime, date]]:
    """The times of an intraday history, each with the trading day that it belongs to."""
    step = _FRAMES[window.timeframe]
    sessions = [session for session in venue.sessions if session.open <= window.end]
    if window.reporting == "continuous":
        yield from _continuous(sessions, window, step)
        return
    start = window.start
    if window.sessions is not None:
        sessions = sessions[-window.sessions :]
        start = bar_start(sessions[0]) if sessions else start
    for session in sessions:
        opened, closed = session.open, session.close
        if window.reporting == "extended_hours":
            opened, closed = extended_hours(session)
        for count in range((closed - opened) // step + 1):
            at = opened + count * step
            # A start within an interval goes back to the interval's beginning.
            if start - step < at <= window.end:
                yield at, session.date


def _continuous(
    sessions: Sequence[Session], window: Window, step: timedelta
) -> Iterator[tuple[datetime, date]]:
    """Every interval of every day, from the account's first session on."""
    if not sessions:
        return
    start = max(window.start, bar_start(sessions[0]))
    at = start - (start - datetime(1970, 1, 1, tzinfo=UTC)) % step
    while at <= window.end:
        yield at, at.astimezone(NEW_YORK).date()
        at += step


def _body(book: Book, points: Sequence[Point], timeframe: str, reset: str) -> Json:
    closes = [_close_before(book, point.day) for point in points]
    as_of, base = closes[0] if closes else (None, book.last_equity)
    bases = [base if reset == "no_reset" else close for _, close in closes]
    gains = [point.equity - start for point, start in zip(points, bases, strict=True)]
    ratios = [gain / start if start else Decimal(0) for gain, start in zip(gains, bases, strict=True)]
    body: Json = {
        "timestamp": [int(point.at.timestamp()) for point in points],
        "equity": [_number(point.equity, _CENT) for point in points],
        "profit_loss": [_number(gain, _CENT) for gain in gains],
        "profit_loss_pct": [_number(ratio, _PERCENT) for ratio in ratios],
        "base_value": _number(base, _CENT),
        "timeframe": timeframe,
        "cashflow": {},
    }
    return body if as_of is None else {**body, "base_value_asof": as_of.isoformat()}


def _close_before(book: Book, day: date) -> tuple[date | None, Decimal]:
    """The last session that closed before a day, and its equity; what the account began with if none."""
    index = bisect_left(book.closings, day, key=lambda closing: closing.date)
    if not index:
        return None, OPENING_CASH
    return book.closings[index - 1].date, book.closings[index - 1].equity


def _number(amount: Decimal, step: Decimal) -> float:
    return float(amount.quantize(step))


ROUTES = [Route("/v2/account/portfolio/history", portfolio_history)]
