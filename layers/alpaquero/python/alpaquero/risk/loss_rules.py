"""Rules about pace and losses: how many orders a minute, and after what losses no entry more."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from alpaquero.risk.activity import orders_within
from alpaquero.risk.book import RiskBook
from alpaquero.risk.drawdown import daily_loss_percent, mark
from alpaquero.risk.locks import DAILY_LOSS, DRAWDOWN
from alpaquero.risk.proposal import Answer, Proposal, not_applicable


def orders_per_minute(proposal: Proposal) -> Answer:
    """So many orders in any minute of market time, exits counted too; only entries are refused."""
    limit = Decimal(proposal.limits.orders_per_minute_limit)
    used = Decimal(len(orders_within(proposal.book.recent_orders, proposal.now)) + 1)
    return Answer(used <= limit, lambda: f"this would be order {used} within a minute", limit, used)


def daily_loss(proposal: Proposal) -> Answer:
    """No entry once the market day has lost so much of the equity it began with."""
    book = proposal.book
    used, limit = daily_loss_percent(book.day_start_equity, book.equity), proposal.limits
    if DAILY_LOSS in book.locks:
        return Answer(False, f"locked: {book.locks[DAILY_LOSS].reason}", limit.daily_loss_limit_percent, used)
    passed = used < limit.daily_loss_limit_percent
    return Answer(
        passed, lambda: f"equity is {used}% below the day's start", limit.daily_loss_limit_percent, used
    )


def drawdown(proposal: Proposal) -> Answer:
    """No entry from the limit on, and then not until the drawdown is below its release."""
    book, limit = proposal.book, proposal.limits.drawdown_limit_percent
    used = mark(book.peak_equity, book.equity).drawdown_percent
    if DRAWDOWN in book.locks:
        release = proposal.limits.drawdown_release_percent
        return Answer(False, f"locked until the drawdown of {used}% is below {release}%", release, used)
    return Answer(
        used < limit, lambda: f"equity is {used}% below its peak of {book.peak_equity}", limit, used
    )


def loss_streak(proposal: Proposal) -> Answer:
    """A pause after so many round trips with a loss in a row."""
    limits, activity = proposal.limits, proposal.book.activity
    if not limits.loss_streak_limit_trades:
        return not_applicable("loss_streak_limit_trades is 0")
    limit, used = Decimal(limits.loss_streak_limit_trades), Decimal(activity.loss_streak)
    last = activity.last_loss_at
    if used < limit or last is None or _released(proposal.book, last):
        return Answer(True, lambda: f"{used} losses in a row", limit, used)
    until = last + timedelta(hours=limits.loss_streak_pause_hours)
    return Answer(
        proposal.now >= until,
        lambda: f"{used} losses in a row, entries pause until {until.isoformat()}",
        limit,
        used,
    )


def stop_guard(proposal: Proposal) -> Answer:
    """A pause once so many stops were hit within a window."""
    limits, book = proposal.limits, proposal.book
    if not limits.stop_guard_limit_stops:
        return not_applicable("stop_guard_limit_stops is 0")
    pause = timedelta(hours=limits.stop_guard_pause_hours)
    window = timedelta(hours=limits.stop_guard_window_hours)
    stops: Sequence[datetime] = book.activity.stop_exits
    if book.released_at is not None:
        stops = [at for at in stops if not _released(book, at)]
    limit = limits.stop_guard_limit_stops
    # The pause runs from the stop that filled a window, also after that window has passed.
    recent = bisect_right(stops, proposal.now - pause)  # the others' pauses are over
    for first, last in zip(
        stops[max(recent - limit + 1, 0) :], stops[max(recent, limit - 1) :], strict=False
    ):
        if last - first <= window and last <= proposal.now < last + pause:
            message = f"{limit} stops were hit by {last.isoformat()}, entries pause until {last + pause}"
            return Answer(False, message, Decimal(limit), Decimal(limit))
    used = Decimal(len(stops) - bisect_right(stops, proposal.now - window))
    return Answer(
        True,
        lambda: f"{used} stops hit within {limits.stop_guard_window_hours} hours",
        Decimal(limit),
        used,
    )


def _released(book: RiskBook, at: datetime) -> bool:
    return book.released_at is not None and at <= book.released_at
