"""A stock split as prices tell of it; backtests and the paper exchange trade across it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True)
class SplitDay:
    """From the morning of `ex_date` on, `old` shares are `new` shares."""

    symbol: str
    ex_date: date
    new: int
    old: int

    @property
    def ratio(self) -> Decimal:
        """How many shares one share becomes; below 1 in a reverse split."""
        return Decimal(self.new) / Decimal(self.old)
