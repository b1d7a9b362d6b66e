"""Alpaca's timeframes and where their bars begin; the market cuts bars by them.

Every bar begins on a whole multiple of its length from midnight in New York; weeks begin on Monday,
months on the first, and longer ones on January, April and so on. A bar is stamped with its beginning,
also where that is no trading day: the week of 2021-01-18, a holiday, is stamped with it.
Source: github.com/alpacahq/alpaca-trade-api-python/issues/548.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from alpaquero.prices import NEW_YORK

_FORM = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)")


class Unit(StrEnum):
    """What a timeframe counts in."""

    MINUTE = "Min"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


_ALLOWED = {
    Unit.MINUTE: range(1, 60),
    Unit.HOUR: range(1, 24),
    Unit.DAY: (1,),
    Unit.WEEK: (1,),
    Unit.MONTH: (1, 2, 3, 4, 6, 12),
}
_SHORT = {"T": Unit.MINUTE, "H": Unit.HOUR, "D": Unit.DAY, "W": Unit.WEEK, "M": Unit.MONTH}


@dataclass(frozen=True, slots=True)
class BarLength:
    """How long a bar is: `count` units."""

    count: int
    unit: Unit

    @property
    def intraday(self) -> bool:
        """Whether a day holds several."""
        return self.unit in {Unit.MINUTE, Unit.HOUR}

    @property
    def minutes(self) -> int:
        """The length of an intraday bar in minutes."""
        return self.count * (60 if self.unit is Unit.HOUR else 1)

    def first_day(self, day: date) -> date:
        """The day that the bar of `day` is stamped with, for bars of a day and longer.

        >>> BarLength(3, Unit.MONTH).first_day(date(2012, 5, 17))
        datetime.date(2012, 4, 1)
        """
        if self.unit is Unit.WEEK:
            return day - timedelta(days=day.weekday())
        if self.unit is Unit.MONTH:
            return day.replace(month=day.month - (day.month - 1) % self.count, day=1)
        return day

    def first_minute(self, minute: int) -> int:
        """The minute of the day that the intraday bar of `minute` begins with.

        >>> BarLength(1, Unit.HOUR).first_minute(9 * 60 + 30)
        540
        """
        return minute - minute % self.minutes


def parse_bar_length(text: str) -> BarLength | None:
    """The timeframe that Alpaca writes so, or None when it has no such.

    >>> parse_bar_length("15T")
    BarLength(count=15, unit=<Unit.MINUTE: 'Min'>)
    """
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    count, name = int(form[1]), form[2]
    unit = _SHORT.get(name) or Unit(name)
    return BarLength(count, unit) if count in _ALLOWED[unit] else None


@lru_cache(maxsize=16_384)
def midnight(day: date) -> datetime:
    """Midnight in New York of a day, in UTC: the stamp of its daily bar."""
    return datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)
