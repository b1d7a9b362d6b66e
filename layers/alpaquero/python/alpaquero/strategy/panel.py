"""Bars of many symbols as numpy arrays, for strategies that judge many bars at once.

Made by backtests and by whoever judges thousands of symbols; a signal run never imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from alpaquero.prices.columns import Columns

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """The columns of many series, each field an array of shape (symbols, bars), made when first read.

    Series end together: a shorter one repeats its first bar on the left, and what stands there
    means nothing. `first[i]` is where the bars of series i begin.
    """

    columns: tuple[Columns, ...]

    @classmethod
    def of(cls, series: Sequence[Columns]) -> Panel:
        """The panel of `series`. Raises `ValueError` when one of them has no bar."""
        if not series or not all(map(len, series)):
            raise ValueError("a series without a bar has no place in a panel; leave it out")
        return cls(tuple(series))

    @cached_property
    def bars(self) -> int:
        """The length of the longest series."""
        return max(map(len, self.columns))

    @cached_property
    def first(self) -> npt.NDArray[np.int64]:
        """The index of each series' first bar, shape (symbols,)."""
        return np.array([self.bars - len(one) for one in self.columns], dtype=np.int64)

    @cached_property
    def open(self) -> Floats:
        """US dollars."""
        return self._field("open")

    @cached_property
    def high(self) -> Floats:
        """US dollars."""
        return self._field("high")

    @cached_property
    def low(self) -> Floats:
        """US dollars."""
        return self._field("low")

    @cached_property
    def close(self) -> Floats:
        """US dollars."""
        return self._field("close")

    @cached_property
    def volume(self) -> Floats:
        """Shares."""
        return self._field("volume")

    def _field(self, name: str) -> Floats:
        made = np.empty((len(self.columns), self.bars))
        for row, one in zip(made, self.columns, strict=True):
            column = getattr(one, name)
            values = np.frombuffer(column, column.typecode)
            row[-len(values) :] = values
            row[: -len(values)] = values[0]
        return made
