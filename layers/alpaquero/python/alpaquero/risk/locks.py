"""The trading state: what a person asked for, and what the broken limits hold it at.

Called by `risk/monitor` (locks come and go) and by the trading state's route (a person's change).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from alpaquero.risk.book import Lock, RiskBook, StateChange, TradingState, market_day
from alpaquero.risk.drawdown import daily_loss_percent, mark
from alpaquero.risk.limits import BreachAction, RiskLimits

DRAWDOWN, DAILY_LOSS = "drawdown", "daily_loss"
_RANK = {TradingState.HALTED: 0, TradingState.REDUCING: 1, TradingState.ACTIVE: 2}


def is_raise(before: TradingState, after: TradingState) -> bool:
    """Whether `after` lets more through than `before`."""
    return _RANK[after] > _RANK[before]


def asked_state(book: RiskBook) -> TradingState:
    """What a person asked for: the state without any lock."""
    return book.asked_state or book.trading_state


def set_by_person(book: RiskBook, state: TradingState, change: StateChange, *, flatten: bool) -> RiskBook:
    """The book after a person set the state; market time of the change is the book's `as_of`.

    Raising it to ACTIVE lets go of every lock and of a flatten, and measures losses anew from
    here: else the next minute would lock again. A lower one keeps the locks.
    """
    asked = replace(book, trading_state=state, asked_state=None, state_changed=change)
    if state is TradingState.ACTIVE:
        return replace(
            asked,
            locks={},
            flatten_since=None,
            peak_equity=book.equity if book.locks else book.peak_equity,
            day_start_equity=book.equity if book.locks else book.day_start_equity,
            released_at=book.as_of,
        )
    since = (book.flatten_since or book.as_of) if flatten else book.flatten_since
    return _settled(replace(asked, flatten_since=since), state)


def locked(book: RiskBook, limits: RiskLimits, now: datetime) -> RiskBook:
    """The book with the locks its figures ask for at market time `now`, and without those it outgrew.

    A drawdown locks at its limit and is released below `drawdown_release_percent`; a daily loss
    is released when the market day is over. With the action TELL nothing is locked.
    """
    locks = {code: lock for code, lock in book.locks.items() if not _released(code, lock, book, limits)}
    for code, action, used, limit in _measures(book, limits):
        if used >= limit and action is not BreachAction.TELL and code not in locks:
            reason = f"{used}% lost, the limit is {limit}%"
            locks[code] = Lock(state=TradingState(action.value), since=now, reason=reason)
    if locks == book.locks:
        return book
    return _settled(replace(book, locks=locks), asked_state(book))


def _measures(book: RiskBook, limits: RiskLimits) -> list[tuple[str, BreachAction, Decimal, Decimal]]:
    drawdown = mark(book.peak_equity, book.equity).drawdown_percent
    daily = daily_loss_percent(book.day_start_equity, book.equity)
    return [
        (DRAWDOWN, limits.drawdown_action, drawdown, limits.drawdown_limit_percent),
        (DAILY_LOSS, limits.daily_loss_action, daily, limits.daily_loss_limit_percent),
    ]


def _released(code: str, lock: Lock, book: RiskBook, limits: RiskLimits) -> bool:
    if code == DRAWDOWN:
        return mark(book.peak_equity, book.equity).drawdown_percent < limits.drawdown_release_percent
    return daily_loss_percent(book.day_start_equity, book.equity) < limits.daily_loss_limit_percent and (
        market_day(lock.since) != book.day
    )


def _settled(book: RiskBook, asked: TradingState) -> RiskBook:
    """The book with the lowest of the asked state and its locks in force."""
    state = min([asked, *(lock.state for lock in book.locks.values())], key=_RANK.__getitem__)
    return replace(book, trading_state=state, asked_state=asked if book.locks else None)
