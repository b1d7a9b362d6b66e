"""Which days New York's stock exchange trades on, by its rules; what counts as a day of returns.

Called where no calendar of the broker's is at hand. The rules are those of NYSE Rule 7.2 since 1998,
https://www.nyse.com/markets/hours-calendars. Days of mourning and storms are in no rule, so they count
as trading days here: orders and signals go by the broker's calendar.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_FIRST_JUNETEENTH = 2022


def is_trading_day(day: date) -> bool:
    """Whether the exchange's rules have a session on `day`.

    >>> is_trading_day(date(2026, 11, 25)), is_trading_day(date(2026, 11, 26))
    (True, False)
    """
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    fixed = [date(year, 7, 4), date(year, 12, 25)]
    if year >= _FIRST_JUNETEENTH:
        fixed.append(date(year, 6, 19))
    new_year = date(year, 1, 1)  # on a Saturday it is not made up for: the year's books are closed first
    return frozenset({
        new_year + timedelta(days=1) if new_year.weekday() == _SUNDAY else new_year,
        _nth(year, 1, _MONDAY, 3),
        _nth(year, 2, _MONDAY, 3),
        _easter(year) - timedelta(days=2),
        _nth(year, 6, _MONDAY, 1) - timedelta(days=7),
        _nth(year, 9, _MONDAY, 1),
        _nth(year, 11, _THURSDAY, 4),
        *map(_observed, fixed),
    })  # fmt: skip


def _observed(day: date) -> date:
    """A holiday on a Saturday is kept on the Friday, one on a Sunday on the Monday."""
    return day + timedelta(days={_SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0))


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """The first such weekday of a month, or the second, third, fourth."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    The anonymous algorithm, as J. Meeus has it in "Astronomical Algorithms" (1991), chapter 8.
    """
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    month, day = divmod(h + k - 7 * m + 114, 31)
    return date(year, month, day + 1)
