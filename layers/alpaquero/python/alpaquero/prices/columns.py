"""Bars as columns: what the store holds, indicators read and strategies judge; no object a bar.

Columns are `array`s of the standard library, so that a cold function pays for no import; numpy
looks at them without a copy (`numpy.frombuffer`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from alpaquero.prices.bars import Bar
from alpaquero.quickly_made import dataclass

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars of one series, oldest first, a column a field, all of one length.

    `start` holds whole seconds since the epoch and `volume` whole shares (typecode q); open, high, low
    and close are US dollars (typecode d). Never changed once made.
    """

    start: array[int]
    open: array[float]
    high: array[float]
    low: array[float]
    close: array[float]
    volume: array[int]

    @classmethod
    def of(cls, bars: Iterable[Bar]) -> Columns:
        """The columns of `bars`.

        >>> Columns.of([Bar(datetime(2012, 7, 2, 4, tzinfo=UTC), 1.0, 2.0, 1.0, 2.0, 100)]).close
        array('d', [2.0])
        """
        listed = list(bars)
        opened, high, low, closed = (array("d", (getattr(bar, name) for bar in listed)) for name in PRICES)
        start = array("q", (int(bar.start.timestamp()) for bar in listed))
        return cls(start, opened, high, low, closed, array("q", (bar.volume for bar in listed)))

    @classmethod
    def empty(cls) -> Columns:
        """Columns without a bar."""
        return cls(array("q"), array("d"), array("d"), array("d"), array("d"), array("q"))

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, span: slice) -> Columns:
        return Columns(
            self.start[span],
            self.open[span],
            self.high[span],
            self.low[span],
            self.close[span],
            self.volume[span],
        )

    def __add__(self, later: Columns) -> Columns:
        """These bars and then `later`, which begin after them."""
        return Columns(
            self.start + later.start,
            self.open + later.open,
            self.high + later.high,
            self.low + later.low,
            self.close + later.close,
            self.volume + later.volume,
        )

    def bars(self) -> Iterator[Bar]:
        """The same bars as objects, for pages and rules that look at few."""
        for start, *rest in zip(
            self.start, self.open, self.high, self.low, self.close, self.volume, strict=True
        ):
            yield Bar(datetime.fromtimestamp(start, UTC), *rest)

    def until(self, last: datetime) -> Columns:
        """The bars that start at `last` or before."""
        return self[: bisect_right(self.start, int(last.timestamp()))]

    def since(self, first: datetime) -> Columns:
        """The bars that start at `first` or after."""
        return self[bisect_left(self.start, int(first.timestamp())) :]

    def start_at(self, index: int) -> datetime:
        """The start of one bar, aware UTC; negative counts from the end."""
        return datetime.fromtimestamp(self.start[index], UTC)
