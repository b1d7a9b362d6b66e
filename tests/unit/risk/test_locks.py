"""Trading is as free as the person and every broken limit let it be, whichever is lower."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.risk.book import RiskBook, StateChange, TradingState
from alpaquero.risk.limits import BreachAction, RiskLimits
from alpaquero.risk.locks import asked_state, is_raise, locked, set_by_person
from tests.unit.orders.builders import NOON, at
from tests.unit.risk.builders import a_book

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
ANA = StateChange(author="ana", reason="a bad feeling", at=NOON)
LIMITS = RiskLimits()
TODAY = {"day": "2012-07-02", "day_start_equity": Decimal(100_000)}


def worth(equity: str, **changes: Any) -> RiskBook:
    """A book of this equity; its peak is 100,000, the day's start too unless given."""
    return a_book(**{**TODAY, "equity": Decimal(equity), **changes})


@pytest.mark.parametrize(
    ("equity", "start", "codes"),
    [
        ("85001", "85001", []),
        ("85000", "85000", ["drawdown"]),
        ("95001", "100000", []),
        ("95000", "100000", ["daily_loss"]),
        ("80000", "100000", ["daily_loss", "drawdown"]),
    ],
)
def test_a_limit_locks_at_its_edge(equity: str, start: str, codes: list[str]) -> None:
    """Drawdown and the day's loss lock at their limit, each under its own name."""
    after = locked(worth(equity, day_start_equity=Decimal(start)), LIMITS, NOON)
    assert codes == sorted(after.locks)
    assert (REDUCING if codes else ACTIVE) is after.trading_state


@pytest.mark.parametrize(
    ("action", "state"),
    [(BreachAction.TELL, ACTIVE), (BreachAction.REDUCING, REDUCING), (BreachAction.HALTED, HALTED)],
)
def test_the_setting_says_what_a_breach_does(action: BreachAction, state: TradingState) -> None:
    """Tell alone, only shrink, or stop everything."""
    after = locked(worth("80000"), RiskLimits(drawdown_action=action, daily_loss_action=action), NOON)
    assert state is after.trading_state


@pytest.mark.parametrize(("equity", "state"), [("90000", REDUCING), ("90001", ACTIVE), ("89999", REDUCING)])
def test_a_drawdown_is_released_below_its_release(equity: str, state: TradingState) -> None:
    """Not at the limit, where it would flutter, but once it is below the lower setting."""
    start = {"day_start_equity": Decimal(80_000)}
    before = locked(worth("80000", **start), LIMITS, NOON)
    after = locked(replace(before, equity=Decimal(equity)), LIMITS, at(60))
    assert state is after.trading_state
    assert (after.asked_state is None) is (state is ACTIVE)


def test_a_daily_loss_is_released_with_the_day() -> None:
    """Regaining the money the same day does not release it; the next market day does."""
    before = locked(worth("94000"), LIMITS, NOON)
    regained = locked(replace(before, equity=Decimal(100_000)), LIMITS, at(60))
    assert REDUCING is regained.trading_state
    next_day = locked(before.on_day_of(at(24 * 60)), LIMITS, at(24 * 60))
    assert (ACTIVE, {}) == (next_day.trading_state, next_day.locks)


def test_what_changes_nothing_is_the_same_book() -> None:
    """A minute without news writes nothing."""
    calm = worth("100000")
    assert calm is locked(calm, LIMITS, NOON)
    broken = locked(worth("80000"), LIMITS, NOON)
    assert broken is locked(broken, LIMITS, at(1))


def test_a_lock_never_lets_more_through_than_a_person_did() -> None:
    """Halted by a person stays halted when the lock comes, and when it goes."""
    halted = set_by_person(worth("100000"), HALTED, ANA, flatten=False)
    broken = locked(replace(halted, equity=Decimal(84_000), day_start_equity=Decimal(84_000)), LIMITS, NOON)
    assert (HALTED, HALTED) == (broken.trading_state, asked_state(broken))
    assert HALTED is locked(replace(broken, equity=Decimal(99_000)), LIMITS, at(1)).trading_state


def test_a_person_may_lower_what_is_locked() -> None:
    """The lock stays below, and comes back into force when the person's state is raised again."""
    broken = locked(worth("84000", day_start_equity=Decimal(84_000)), LIMITS, NOON)
    halted = set_by_person(broken, HALTED, ANA, flatten=False)
    assert (HALTED, ["drawdown"]) == (halted.trading_state, list(halted.locks))
    reduced = set_by_person(halted, REDUCING, ANA, flatten=False)
    assert (REDUCING, ["drawdown"]) == (reduced.trading_state, list(reduced.locks))


def test_raising_to_active_lets_go_of_every_lock() -> None:
    """Losses are measured anew from there, else the next minute would lock again."""
    broken = locked(worth("84000"), LIMITS, NOON)
    raised = set_by_person(broken, ACTIVE, ANA, flatten=False)
    assert (ACTIVE, {}, Decimal(84_000), Decimal(84_000), NOON) == (
        raised.trading_state, raised.locks, raised.peak_equity, raised.day_start_equity, raised.released_at,
    )  # fmt: skip
    assert raised is locked(raised, LIMITS, at(1))


def test_raising_without_a_lock_keeps_the_peak() -> None:
    """A person who halts and goes on does not forget how high the account once was."""
    raised = set_by_person(worth("99000"), ACTIVE, ANA, flatten=False)
    assert (Decimal(100_000), Decimal(100_000)) == (raised.peak_equity, raised.day_start_equity)


def test_a_flatten_lasts_until_trading_is_active() -> None:
    """It begins once and is not begun again by a repeat; ACTIVE ends it."""
    asked = set_by_person(worth("100000"), REDUCING, ANA, flatten=True)
    repeated = set_by_person(replace(asked, as_of=at(5)), REDUCING, ANA, flatten=True)
    assert NOON == repeated.flatten_since == set_by_person(repeated, HALTED, ANA, flatten=False).flatten_since
    assert set_by_person(repeated, ACTIVE, ANA, flatten=False).flatten_since is None


@pytest.mark.parametrize(
    ("before", "after", "raises"),
    [
        (HALTED, REDUCING, True),
        (HALTED, ACTIVE, True),
        (REDUCING, ACTIVE, True),
        (REDUCING, REDUCING, False),
        (ACTIVE, HALTED, False),
    ],
)
def test_what_a_raise_is(before: TradingState, after: TradingState, raises: bool) -> None:
    """More let through than before."""
    assert raises is is_raise(before, after)
