"""An exit as persisted steps: cancel what holds the shares, confirm, sell, and if that fails put
the stop back.

`trading/execute` takes the steps, as many as the broker's state allows; `trading/sync` asks it to
go on. Each step reads the broker again, asks `next_action`, stores the step it names, then acts.
A crash in between repeats a step, and each is harmless to repeat: cancelling a cancelled order is
accepted, a sale and a stop keep their ids.

    CANCEL_LEGS -> CONFIRM -> SELL -> DONE
                                \\-> FAILED -> PROTECT -> DONE    (shares are left)
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from alpaquero.orders.lifecycle import Phase, is_live, is_terminal, phase_of
from alpaquero.orders.order import ExitStep, Order
from alpaquero.quickly_made import dataclass

__all__ = [
    "ACTIONS",
    "ExitAction",
    "ExitDecision",
    "ExitStep",
    "Situation",
    "is_another_sale",
    "is_freeing",
    "next_action",
    "situation_of",
]


class ExitAction(StrEnum):
    """What to do now."""

    CANCEL_LEGS = "cancel_legs"  # cancel every open order of the symbol except the exit's own
    SELL = "sell"  # send the exit's own order, for the quantity just read at most
    RESOLVE = "resolve"  # look the exit's own order up by its client order id
    PROTECT = "protect"  # place a gtc stop for the quantity just read
    WAIT = "wait"  # read again later
    FINISH = "finish"  # over: cancel the exit's order in our books if it was never sent


class Situation(StrEnum):
    """What the broker's state means for an exit."""

    BLOCKED = "not sold yet, other orders of the symbol are open"
    CLEAR = "not sold yet, shares are held and nothing else is open"
    FLAT = "not sold yet, and nothing is held any more"
    UNCLEAR = "the sale was sent, its outcome is not known"
    SELLING = "the sale is with the broker"
    LEFT_BARE = "the sale has ended, shares are left without another order"
    PROTECTED = "the sale has ended, shares are left and another order holds them"
    SOLD = "the sale has ended and nothing is held any more"


@dataclass(frozen=True, slots=True)
class ExitDecision:
    """What to do now, and the step to store before doing it."""

    action: ExitAction
    step: ExitStep


_FINISH = ExitDecision(ExitAction.FINISH, ExitStep.DONE)

# What a situation asks for while the sale may still succeed ...
_SELLING = {
    Situation.BLOCKED: ExitDecision(ExitAction.CANCEL_LEGS, ExitStep.CONFIRM),
    Situation.CLEAR: ExitDecision(ExitAction.SELL, ExitStep.SELL),
    Situation.FLAT: _FINISH,
    Situation.UNCLEAR: ExitDecision(ExitAction.RESOLVE, ExitStep.SELL),
    Situation.SELLING: ExitDecision(ExitAction.WAIT, ExitStep.SELL),
    # The stop is sized by the next reading: positions may lag the end of an order.
    Situation.LEFT_BARE: ExitDecision(ExitAction.WAIT, ExitStep.FAILED),
    Situation.PROTECTED: _FINISH,
    Situation.SOLD: _FINISH,
}
# ... and once it has ended: no second sale, only the stop.
_PROTECTING = _SELLING | {Situation.LEFT_BARE: ExitDecision(ExitAction.PROTECT, ExitStep.PROTECT)}

ACTIONS = MappingProxyType(
    {
        ExitStep.CANCEL_LEGS: _SELLING,
        ExitStep.CONFIRM: _SELLING,
        ExitStep.SELL: _SELLING,
        ExitStep.FAILED: _PROTECTING,
        ExitStep.PROTECT: _PROTECTING,
        ExitStep.DONE: dict.fromkeys(Situation, _FINISH),
    }
)


def situation_of(*, legs_open: int, position_quantity: Decimal, sale_status: str) -> Situation:
    """What the broker's state means for an exit; see `next_action` for the arguments."""
    match phase_of(sale_status):
        case Phase.UNCLEAR:
            return Situation.UNCLEAR
        case Phase.LIVE:
            return Situation.SELLING
        case Phase.UNSENT:
            if legs_open:
                return Situation.BLOCKED
            return Situation.CLEAR if position_quantity else Situation.FLAT
        case Phase.ENDED | Phase.GIVEN_UP:
            # Also a filled sale leaves shares when it was for a part of them. It is never sold again.
            if not position_quantity:
                return Situation.SOLD
            return Situation.PROTECTED if legs_open else Situation.LEFT_BARE


def next_action(
    step: ExitStep, *, legs_open: int, position_quantity: Decimal, sale_status: str
) -> ExitDecision:
    """What an exit at `step` does now.

    `legs_open` counts the symbol's open orders except the exit's own (stop, target, an entry not
    yet filled), `position_quantity` is in shares as just read, `sale_status` is the status of the
    exit's own order. Shares that the sale left, failed or partial, are put under a stop again.
    """
    situation = situation_of(
        legs_open=legs_open, position_quantity=position_quantity, sale_status=sale_status
    )
    return ACTIONS[step][situation]


def is_another_sale(order: Order, exit_order: Order) -> bool:
    """Whether `order`, of the same symbol, is another exit that has yet to sell, or is selling."""
    return (
        order.client_order_id != exit_order.client_order_id
        and order.exit_step not in {None, ExitStep.DONE}
        and not is_terminal(order.status)
    )


def is_freeing(order: Order) -> bool:
    """Whether it is an exit that needs all shares of its symbol free; one at the broker has what it sells."""
    return order.exit_step is not None and not is_live(order.status)
