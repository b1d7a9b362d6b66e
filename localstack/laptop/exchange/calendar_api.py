"""Alpaca's clock and calendar routes, in version 2 (US stocks) and 3 (by market)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK, Session, next_session, session_at
from laptop.exchange.answers import choice, day, json_answer, moment, venue_of, words
from laptop.exchange.arrival import told_time
from laptop.exchange.errors import RefusedError
from laptop.exchange.nyse import extended_hours, settlement_date
from laptop.exchange.wire import Json

_Route = Callable[[Request], Awaitable[Response]]
_WEEK = timedelta(days=7)
# The US stock markets that keep the hours of the New York Stock Exchange: by acronym or MIC.
_MARKETS = {
    "NYSE": ("XNYS", "New York Stock Exchange"),
    "NASDAQ": ("XNAS", "NASDAQ"),
    "IEX": ("IEXG", "Investors Exchange"),
}
_ACRONYMS = {mic: acronym for acronym, (mic, _) in _MARKETS.items()} | {name: name for name in _MARKETS}


async def clock(request: Request) -> Response:
    """GET /v2/clock."""
    venue = venue_of(request)
    now = told_time(request, venue.now)
    session = venue.market.open_session(now)
    upcoming = next_session(venue.market.history.calendar, now)
    closing = session or upcoming
    return json_answer(
        {
            "timestamp": _local(now),
            "is_open": session is not None,
            "next_open": _local(upcoming.open if upcoming else None),
            "next_close": _local(closing.close if closing else None),
        }
    )


async def calendar(request: Request) -> Response:
    """GET /v2/calendar: `start` and `end`, both inclusive, are trading or settlement dates."""
    first, last = day(request, "start") or date.min, day(request, "end") or date.max
    settling = choice(request, "date_type", ("TRADING", "SETTLEMENT"), "TRADING") == "SETTLEMENT"
    sessions = venue_of(request).market.history.calendar
    days = []
    for index, session in enumerate(sessions):
        if not settling and not first <= session.date <= last:
            continue
        settled = settlement_date(sessions, index)
        if first <= (settled if settling else session.date) <= last:
            days.append(_day(session, settled))
    return json_answer(days)


def _day(session: Session, settled: date) -> Json:
    """A day of the calendar, in New York time."""
    early, late = (at.astimezone(NEW_YORK) for at in extended_hours(session))
    return {
        "date": session.date.isoformat(),
        "open": f"{session.open.astimezone(NEW_YORK):%H:%M}",
        "close": f"{session.close.astimezone(NEW_YORK):%H:%M}",
        "session_open": f"{early:%H%M}",
        "session_close": f"{late:%H%M}",
        "settlement_date": settled.isoformat(),
    }


async def clocks(request: Request) -> Response:
    """GET /v3/clock: the clocks of `markets`, now or at `time`."""
    venue = venue_of(request)
    at = moment(request, "time") or told_time(request, venue.now)
    names = words(request, "markets") or ["NYSE"]
    sessions = venue.market.history.calendar
    return json_answer({"clocks": [_clock(_market(name), sessions, at) for name in names]})


def _clock(market: Json, sessions: Sequence[Session], at: datetime) -> Json:
    today = next((s for s in sessions if s.date == at.astimezone(NEW_YORK).date()), None)
    following = next((s for s in sessions if s.open > at), None)
    if following is None:
        raise RefusedError(400, "time is out of range: the calendar ends before the next open")
    closing = session_at(sessions, at) or following
    phase, until = _phase(today, following, at)
    return {
        "market": market,
        "timestamp": _local(at),
        "is_market_day": today is not None,
        "next_market_open": _local(following.open),
        "next_market_close": _local(closing.close),
        "phase": phase,
        "phase_until": _local(until),
    }


def _phase(today: Session | None, following: Session, at: datetime) -> tuple[str, datetime]:
    """Which part of the day it is, and until when."""
    for session in (today, following):
        if session is None:
            continue
        early, late = extended_hours(session)
        ends = [("closed", early), ("pre", session.open), ("core", session.close), ("post", late)]
        for phase, end in ends:
            if at < end:
                return phase, end
    return "closed", extended_hours(following)[0]


async def market_calendar(request: Request) -> Response:
    """GET /v3/calendar/{market}: a week from today, or from `start` to `end`, both inclusive."""
    venue = venue_of(request)
    market = _market(request.path_params["market"])
    zone: tzinfo = UTC if _in_utc(request) else NEW_YORK
    first = day(request, "start") or venue.now.astimezone(NEW_YORK).date()
    last = day(request, "end") or min(first, date.max - _WEEK) + _WEEK
    sessions = venue.market.history.calendar
    days = [
        _market_day(sessions, index, zone)
        for index, session in enumerate(sessions)
        if first <= session.date <= last
    ]
    return json_answer({"market": market, "calendar": days})


def _in_utc(request: Request) -> bool:
    return "timezone" in request.query_params and choice(request, "timezone", ("UTC",), "") == "UTC"


def _market_day(sessions: Sequence[Session], index: int, zone: tzinfo) -> Json:
    session = sessions[index]
    early, late = extended_hours(session)
    times = {
        "pre_start": early,
        "pre_end": session.open,
        "core_start": session.open,
        "core_end": session.close,
        "post_start": session.close,
        "post_end": late,
    }
    shown = {name: at.astimezone(zone).isoformat() for name, at in times.items()}
    settled = settlement_date(sessions, index)
    return {"date": session.date.isoformat(), **shown, "settlement_date": settled.isoformat()}


def _market(name: str) -> Json:
    """A market by acronym or MIC."""
    acronym = _ACRONYMS.get(name.upper())
    if acronym is None:
        served = ", ".join(_ACRONYMS)
        raise RefusedError(400, f"market {name} is not served by this exchange; it has {served}")
    mic, full = _MARKETS[acronym]
    return {"acronym": acronym, "mic": mic, "name": full, "timezone": "America/New_York"}


def _local(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(NEW_YORK).isoformat()


def _answering_400(route: _Route) -> _Route:
    """The route with 400 for a wrong parameter, as the calendar service answers; the others say 422."""

    async def answer(request: Request) -> Response:
        try:
            return await route(request)
        except RefusedError as error:
            raise RefusedError(400, str(error)) from error

    return answer


ROUTES = [
    Route("/v2/clock", clock),
    Route("/v2/calendar", _answering_400(calendar)),
    Route("/v3/clock", _answering_400(clocks)),
    Route("/v3/calendar/{market}", _answering_400(market_calendar)),
]
