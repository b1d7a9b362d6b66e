"""When an order may be placed, trades and ends: auctions' cut-offs, extended hours, expiry. Pure.

Admission and the venue ask here. Times of day are New York's. Source: Alpaca's page on placing orders
(opg orders are refused from 9:28 to 19:00, cls orders from 15:50 to 19:00; extended hours are those of
`nyse.extended_hours`; a gtc order ends at 16:15 on its 90th day). On an early close the cut-off of cls
orders lies as long before that close; on a day without a session none has been missed or is refused.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from alpaquero.prices import NEW_YORK, Session, next_session
from alpaquero.simulation import TimeInForce
from laptop.exchange.errors import forbidden, invalid
from laptop.exchange.market import Market
from laptop.exchange.nyse import extended_hours

GTC_LIFE = timedelta(days=90)
_GTC_END = time(16, 15)
_BEFORE_OPEN = timedelta(minutes=2)
_BEFORE_CLOSE = timedelta(minutes=10)
_EVENING = time(19)


def check_window(time_in_force: TimeInForce, market: Market, now: datetime) -> None:
    """Whether an auction order may be placed now. Raises RefusedError."""
    session = _session_of_day(market, now)
    if session is None or time_in_force not in {TimeInForce.OPG, TimeInForce.CLS}:
        return
    opening = time_in_force is TimeInForce.OPG
    shut = session.open - _BEFORE_OPEN if opening else session.close - _BEFORE_CLOSE
    if shut <= now < _new_york(session.date, _EVENING):
        until = f"{shut.astimezone(NEW_YORK):%I:%M%p}".lstrip("0").lower()
        raise forbidden(f"{time_in_force} orders must be submitted after 7:00pm and before {until}")


def is_working_time(market: Market, now: datetime, *, extended: bool) -> bool:
    """Whether an order placed now goes to work at once: in a session, or in the hours around it."""
    if market.open_session(now) is not None:
        return True
    session = _session_of_day(market, now)
    if not extended or session is None:
        return False
    opens, shuts = extended_hours(session)
    return opens <= now < shuts


def expiry(time_in_force: TimeInForce, market: Market, now: datetime, *, extended: bool) -> datetime:
    """When an order placed now ends unfilled. Raises RefusedError when the calendar ends before.

    A day order ends with the session that is open or comes next, in extended hours at their end.
    """
    if time_in_force is TimeInForce.GTC:
        return _new_york(now.astimezone(NEW_YORK).date() + GTC_LIFE, _GTC_END)
    if extended:
        today = _session_of_day(market, now)
        if today is not None and now < (shuts := extended_hours(today)[1]):
            return shuts
    session = market.open_session(now) or next_session(market.history.calendar, now)
    if session is None:
        raise invalid("the calendar ends here: no session is left to trade in")
    return extended_hours(session)[1] if extended else session.close


def gtc_orders_end(start: datetime, end: datetime) -> bool:
    """Whether the time of day at which gtc orders end comes after `start` and not after `end`."""
    day = start.astimezone(NEW_YORK).date()
    at = _new_york(day, _GTC_END)
    return (at if at > start else _new_york(day + timedelta(days=1), _GTC_END)) <= end


def extended_windows(market: Market, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of extended hours between two moments, in order, sessions themselves left out."""
    calendar = market.history.calendar
    first = bisect_left(calendar, start.astimezone(NEW_YORK).date(), key=_date)
    for session in calendar[first:]:
        morning, night = extended_hours(session)
        if morning >= end:
            return
        for opens, shuts in ((morning, session.open), (session.close, night)):
            if max(opens, start) < min(shuts, end):
                yield max(opens, start), min(shuts, end)


def _session_of_day(market: Market, now: datetime) -> Session | None:
    """The session of the New York day that it is."""
    calendar, day = market.history.calendar, now.astimezone(NEW_YORK).date()
    index = bisect_left(calendar, day, key=_date)
    return calendar[index] if index < len(calendar) and calendar[index].date == day else None


@lru_cache(maxsize=4096)
def _new_york(day: date, moment: time) -> datetime:
    """A time of day in New York, in UTC."""
    return datetime.combine(day, moment, tzinfo=NEW_YORK).astimezone(UTC)


def _date(session: Session) -> date:
    return session.date
