"""Exits: the shares are freed, sold once, and protected again when the sale fails."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from alpaquero.orders.exits import (
    ACTIONS,
    ExitAction,
    ExitDecision,
    ExitStep,
    Situation,
    next_action,
    situation_of,
)

TEN, NONE = Decimal(10), Decimal(0)


def test_every_step_knows_what_to_do_in_every_situation() -> None:
    """The table has no hole."""
    assert set(itertools.product(ExitStep, Situation)) == {
        (step, situation) for step, row in ACTIONS.items() for situation in row
    }


@pytest.mark.parametrize(
    ("legs_open", "held", "sale", "situation"),
    [
        (2, TEN, "intended", Situation.BLOCKED),
        (1, NONE, "intended", Situation.BLOCKED),
        (0, TEN, "intended", Situation.CLEAR),
        (0, NONE, "intended", Situation.FLAT),
        (0, TEN, "unknown", Situation.UNCLEAR),
        (0, TEN, "new", Situation.SELLING),
        (0, NONE, "partially_filled", Situation.SELLING),
        (0, TEN, "a_word_of_next_year", Situation.SELLING),
        (0, NONE, "filled", Situation.SOLD),
        (0, TEN, "filled", Situation.LEFT_BARE),
        (0, NONE, "canceled", Situation.SOLD),
        (0, TEN, "rejected", Situation.LEFT_BARE),
        (0, TEN, "expired", Situation.LEFT_BARE),
        (1, TEN, "canceled", Situation.PROTECTED),
    ],
)
def test_what_the_brokers_state_means(legs_open: int, held: Decimal, sale: str, situation: Situation) -> None:
    """An ended sale is over once nothing is held; shares left without another order need a stop."""
    assert situation == situation_of(legs_open=legs_open, position_quantity=held, sale_status=sale)


@pytest.mark.parametrize(
    ("step", "legs_open", "held", "sale", "decision"),
    [
        (ExitStep.CANCEL_LEGS, 2, TEN, "intended", ExitDecision(ExitAction.CANCEL_LEGS, ExitStep.CONFIRM)),
        (ExitStep.CANCEL_LEGS, 0, TEN, "intended", ExitDecision(ExitAction.SELL, ExitStep.SELL)),
        (ExitStep.CONFIRM, 1, TEN, "intended", ExitDecision(ExitAction.CANCEL_LEGS, ExitStep.CONFIRM)),
        (ExitStep.CONFIRM, 0, TEN, "intended", ExitDecision(ExitAction.SELL, ExitStep.SELL)),
        (ExitStep.CONFIRM, 0, NONE, "intended", ExitDecision(ExitAction.FINISH, ExitStep.DONE)),
        (ExitStep.SELL, 0, TEN, "intended", ExitDecision(ExitAction.SELL, ExitStep.SELL)),
        (ExitStep.SELL, 1, TEN, "intended", ExitDecision(ExitAction.CANCEL_LEGS, ExitStep.CONFIRM)),
        (ExitStep.SELL, 0, TEN, "unknown", ExitDecision(ExitAction.RESOLVE, ExitStep.SELL)),
        (ExitStep.SELL, 0, TEN, "accepted", ExitDecision(ExitAction.WAIT, ExitStep.SELL)),
        (ExitStep.SELL, 0, NONE, "filled", ExitDecision(ExitAction.FINISH, ExitStep.DONE)),
        (ExitStep.SELL, 0, TEN, "rejected", ExitDecision(ExitAction.WAIT, ExitStep.FAILED)),
        (ExitStep.SELL, 0, TEN, "filled", ExitDecision(ExitAction.WAIT, ExitStep.FAILED)),
        (ExitStep.FAILED, 0, TEN, "filled", ExitDecision(ExitAction.PROTECT, ExitStep.PROTECT)),
        (ExitStep.FAILED, 0, TEN, "rejected", ExitDecision(ExitAction.PROTECT, ExitStep.PROTECT)),
        (ExitStep.FAILED, 0, NONE, "rejected", ExitDecision(ExitAction.FINISH, ExitStep.DONE)),
        (ExitStep.PROTECT, 0, TEN, "rejected", ExitDecision(ExitAction.PROTECT, ExitStep.PROTECT)),
        (ExitStep.PROTECT, 1, TEN, "rejected", ExitDecision(ExitAction.FINISH, ExitStep.DONE)),
        (ExitStep.DONE, 1, TEN, "intended", ExitDecision(ExitAction.FINISH, ExitStep.DONE)),
    ],
)
def test_what_a_step_does_next(
    step: ExitStep, legs_open: int, held: Decimal, sale: str, decision: ExitDecision
) -> None:
    """Nothing is sold while something else holds the shares, and nothing is left unprotected."""
    assert decision == next_action(step, legs_open=legs_open, position_quantity=held, sale_status=sale)


@dataclass
class Broker:
    """Ten shares under a stop and a target; the sale's fate is given."""

    fate: str
    legs: int = 2
    held: Decimal = TEN
    sale: str = "intended"
    sold: Decimal = NONE
    did: list[ExitAction] = field(default_factory=list)

    def act(self, action: ExitAction) -> None:
        self.did.append(action)
        if action is ExitAction.CANCEL_LEGS:
            self.legs = 0
        elif action is ExitAction.SELL:
            assert self.legs == 0, "the shares are held by a leg"
            self.sale = self.fate
            if self.fate == "filled":
                self.held, self.sold = NONE, self.sold + TEN
        elif action is ExitAction.PROTECT:
            self.legs = 1


def run(broker: Broker, *, crash_before_acting_at: int | None = None) -> list[ExitStep]:
    """Drives an exit to its end; a crash stores the step of one round and loses its action."""
    step, steps = ExitStep.CANCEL_LEGS, []
    for turn in range(20):
        decision = next_action(
            step, legs_open=broker.legs, position_quantity=broker.held, sale_status=broker.sale
        )
        step = decision.step
        steps.append(step)
        if turn != crash_before_acting_at:
            broker.act(decision.action)
        if step is ExitStep.DONE:
            return steps
    raise AssertionError(f"the exit never ends: {steps}")


@pytest.mark.parametrize("crash", [None, 0, 1, 2, 3])
def test_an_exit_sells_once_however_it_is_interrupted(crash: int | None) -> None:
    """A crash between storing a step and acting on it repeats the step; ten shares are sold, not twenty."""
    broker = Broker(fate="filled")
    run(broker, crash_before_acting_at=crash)
    assert (TEN, NONE, 0) == (broker.sold, broker.held, broker.legs)


@pytest.mark.parametrize("fate", ["rejected", "canceled", "expired"])
@pytest.mark.parametrize("crash", [None, 0, 1, 2, 3, 4])
def test_a_failed_exit_puts_the_stop_back(fate: str, crash: int | None) -> None:
    """Shares that could not be sold are under a stop again when the exit is done."""
    broker = Broker(fate=fate)
    run(broker, crash_before_acting_at=crash)
    assert (TEN, 1, 1) == (broker.held, broker.legs, broker.did.count(ExitAction.PROTECT))


def test_an_exit_ends_when_the_stop_was_faster() -> None:
    """If a leg sells the shares while it is cancelled, nothing is sold again."""
    broker = Broker(fate="filled", legs=0, held=NONE)
    assert [ExitStep.DONE] == run(broker)
    assert [ExitAction.FINISH] == broker.did
