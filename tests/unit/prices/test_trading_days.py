"""The exchange's rules of its holidays, against the calendar that the paper exchange trades by."""

from __future__ import annotations

from datetime import date, timedelta

from alpaquero.prices.trading_days import is_trading_day
from laptop.exchange.nyse import nyse_sessions

# Terror, funerals of presidents, a hurricane: in no rule.
CLOSED_BESIDES = {
    date(2001, 9, 11), date(2001, 9, 12), date(2001, 9, 13), date(2001, 9, 14), date(2004, 6, 11),
    date(2007, 1, 2), date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9),
}  # fmt: skip
FIRST, LAST = date(1999, 1, 1), date(2029, 12, 31)


def test_the_rules_are_the_calendar_of_thirty_years() -> None:
    """Every day from 1999 to 2029 is as exchange-calendars has it, but for days that no rule names."""
    sessions = {session.date for session in nyse_sessions(FIRST)}
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    assert {day for day in days if is_trading_day(day) != (day in sessions)} == CLOSED_BESIDES
