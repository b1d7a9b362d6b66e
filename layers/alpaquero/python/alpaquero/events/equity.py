"""The marks of the equity curve, as events; `risk/monitor` sends one a look, `trading/sync` an evening's."""

from __future__ import annotations

from datetime import datetime

from alpaquero.events.schemas import EquityMarked
from alpaquero.risk.book import RiskBook, market_day
from alpaquero.risk.drawdown import mark


def equity_mark(book: RiskBook, at: datetime) -> EquityMarked:
    """The mark of the book's equity at `at` (market time)."""
    return EquityMarked(
        id=f"mark:{at.isoformat()}",
        occurred_at=at,
        account=book.account,
        equity=book.equity,
        cash=book.cash,
        peak_equity=book.peak_equity,
        drawdown_percent=mark(book.peak_equity, book.equity).drawdown_percent,
    )


def evening_marks(book: RiskBook, now: datetime) -> list[EquityMarked]:
    """The mark of what the market day of `now` begins with; none when that day is known or it was made.

    A sync sets equity without a mark. When the last look before a new day was one, the curve lacks what
    `on_day_of` makes the day's start, and a rebuild, which reads it there, would begin the day otherwise.
    """
    is_marked = book.marked_at is not None and book.marked_at >= book.as_of
    # A book without a day was just opened: its baseline has that equity.
    if is_marked or not book.day or market_day(now) <= max(book.day, market_day(book.as_of)):
        return []
    return [equity_mark(book, book.as_of)]
