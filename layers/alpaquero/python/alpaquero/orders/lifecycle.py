"""The life of an order: which state may follow which, and how news from the broker changes it.

Called by `trading/execute` when it writes and sends, and by `trading/sync` with whatever it
reads. News may come late, twice or in any order; the result is the same.

    INTENDED --> UNKNOWN --> LIVE (any broker state) --> ENDED
        \\__________ \\______________________________/^
                    \\--> GIVEN_UP (ended by us) --------+--> LIVE, when it turns up after all
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from alpaquero.orders.intent import Intent, Purpose, TimeInForce
from alpaquero.orders.order import ExitStep, Order, OrderEvent, OrderOrigin, OrderPurpose
from alpaquero.orders.terms import is_whole
from alpaquero.quickly_made import dataclass
from alpaquero.risk.verdict import Verdict


class OrderStatus:
    """The statuses we know: two of ours, then Alpaca's in its words.

    A status is a plain string, for Alpaca may add one: a word not listed here counts as live.
    """

    INTENDED: Final = "intended"  # written, not sent
    UNKNOWN: Final = "unknown"  # sent, outcome unclear: look it up, never resend under another id

    PENDING_NEW: Final = "pending_new"
    ACCEPTED: Final = "accepted"
    ACCEPTED_FOR_BIDDING: Final = "accepted_for_bidding"
    HELD: Final = "held"
    NEW: Final = "new"
    STOPPED: Final = "stopped"
    SUSPENDED: Final = "suspended"
    PARTIALLY_FILLED: Final = "partially_filled"
    PENDING_CANCEL: Final = "pending_cancel"
    PENDING_REPLACE: Final = "pending_replace"
    DONE_FOR_DAY: Final = "done_for_day"
    CALCULATED: Final = "calculated"

    FILLED: Final = "filled"
    CANCELED: Final = "canceled"
    EXPIRED: Final = "expired"
    REJECTED: Final = "rejected"
    REPLACED: Final = "replaced"


class Phase(IntEnum):
    """Where an order lies in its life. GIVEN_UP is ended by us, without the broker's word: never sent,
    withdrawn, refused or presumed lost. Should it turn up at the broker, what the broker says counts.
    """

    UNSENT = 0
    UNCLEAR = 1
    LIVE = 2
    GIVEN_UP = 3
    ENDED = 4


# The transition table: what may follow what. LIVE follows LIVE only when the news is newer.
FOLLOWS = MappingProxyType(
    {
        Phase.UNSENT: frozenset({Phase.UNCLEAR, Phase.LIVE, Phase.GIVEN_UP, Phase.ENDED}),
        Phase.UNCLEAR: frozenset({Phase.LIVE, Phase.GIVEN_UP, Phase.ENDED}),
        Phase.LIVE: frozenset({Phase.LIVE, Phase.ENDED}),
        Phase.GIVEN_UP: frozenset({Phase.LIVE, Phase.ENDED}),
        Phase.ENDED: frozenset[Phase](),
    }
)

TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.REPLACED,
    }
)

# How we end an order ourselves: the broker alone can say that one is filled or replaced.
OURS_TO_END = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})

LOST_AFTER = timedelta(seconds=60)  # wall time after which an UNKNOWN order the broker lacks never arrived
MOST_SENDS = 3  # of one order, each without an answer

# Live statuses in the order they come when the broker stamps two of them with the same time.
_LIVE_ORDER = (
    OrderStatus.PENDING_NEW,
    OrderStatus.ACCEPTED,
    OrderStatus.ACCEPTED_FOR_BIDDING,
    OrderStatus.HELD,
    OrderStatus.NEW,
    OrderStatus.STOPPED,
    OrderStatus.SUSPENDED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_REPLACE,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.DONE_FOR_DAY,
    OrderStatus.CALCULATED,
)
_RANK = {status: rank for rank, status in enumerate(_LIVE_ORDER)}
_UNLISTED_RANK = _RANK[OrderStatus.NEW]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerUpdate:
    """What the broker says about one order, from an answer, a poll or a stream.

    `filled_quantity` is cumulative, `at` the broker's own time of that state (`updated_at`).
    """

    status: str
    at: datetime
    filled_quantity: Decimal = Decimal(0)
    filled_average_price: Decimal | None = None
    broker_order_id: str | None = None
    replaced_by: str | None = None
    why: str = ""
    answer: str = ""


def phase_of(status: str) -> Phase:
    """Where the status lies, by itself; a word we do not know is live. See `phase_in` for an order's."""
    if status == OrderStatus.INTENDED:
        return Phase.UNSENT
    if status == OrderStatus.UNKNOWN:
        return Phase.UNCLEAR
    return Phase.ENDED if status in TERMINAL else Phase.LIVE


def phase_in(order: Order) -> Phase:
    """Where the order lies in its life: one that ended without the broker's word is GIVEN_UP."""
    ours = order.status in OURS_TO_END and order.broker_updated_at is None
    return Phase.GIVEN_UP if ours else phase_of(order.status)


def is_terminal(status: str) -> bool:
    """Whether the order has ended for good; done_for_day, calculated and held have not."""
    return status in TERMINAL


def is_live(status: str) -> bool:
    """Whether the broker has the order and may still fill it."""
    return phase_of(status) is Phase.LIVE


def intended(intent: Intent, verdict: Verdict, *, at: datetime, wall_at: datetime) -> Order:
    """The first record of an approved intent, before anything is sent.

    Stop and target are the verdict's, which has them where the class wants them. An exit begins its
    steps. `at` is market time, `wall_at` wall time. Raises `ValueError` when the verdict is not an approval.
    """
    if not verdict.approved:
        raise ValueError(f"{intent.client_order_id} was refused by risk; only an approved intent is ordered")
    return Order(
        account=intent.account,
        client_order_id=intent.client_order_id,
        symbol=intent.symbol,
        side=intent.side,
        origin=OrderOrigin(intent.origin),
        purpose=OrderPurpose(intent.purpose),
        status=OrderStatus.INTENDED,
        created_at=at,
        updated_at=at,
        wall_created_at=wall_at,
        order_type=intent.order_type,
        order_class=intent.kind,
        time_in_force=intent.time_in_force,
        quantity=None if intent.notional else verdict.quantity,
        notional=intent.notional,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trail_price=intent.trail_price,
        trail_percent=intent.trail_percent,
        take_profit_price=verdict.take_profit_price,
        stop_loss_price=verdict.stop_loss_price,
        stop_loss_limit_price=intent.stop_loss_limit_price,
        extended_hours=intent.extended_hours,
        strategy=intent.strategy,
        timeframe=intent.timeframe,
        bar_close=intent.bar_close,
        valid_until=intent.valid_until,
        reference_price=intent.reference_price,
        reason=intent.reason,
        requested_by=intent.requested_by,
        run_id=intent.run_id,
        correlation_id=intent.correlation_id,
        verdict=verdict.results,
        exit_step=ExitStep.CANCEL_LEGS if intent.purpose is Purpose.EXIT else None,
        history=(OrderEvent(at=at, status=OrderStatus.INTENDED, why=intent.reason),),
    )


def unclear(order: Order, *, at: datetime, why: str) -> Order:
    """The order after a send whose outcome we did not learn (a time-out, a 5xx), which counts.

    Only an order not heard of before becomes or stays UNKNOWN; any other is returned as it is.
    """
    if phase_of(order.status) not in {Phase.UNSENT, Phase.UNCLEAR}:
        return order
    after = replace(order, status=OrderStatus.UNKNOWN, times_unclear=order.times_unclear + 1)
    return _changed(after, at=at, why=why)


def is_lost(order: Order, wall_now: datetime) -> bool:
    """Whether it was sent so long ago that the broker must list it by now, if it ever arrived."""
    sent = order.wall_sent_at or order.wall_created_at
    return order.status == OrderStatus.UNKNOWN and wall_now - sent > LOST_AFTER


def may_be_sent_again(order: Order) -> bool:
    """Whether a lost order is sent once more under its id, which the broker takes but once.

    A stop and a replacement are not: the next look decides anew what is right by then.
    """
    return (
        order.times_unclear < MOST_SENDS
        and order.replaces is None
        and order.purpose in {OrderPurpose.ENTRY, OrderPurpose.EXIT}
    )


def given_up(order: Order, status: str, *, at: datetime, why: str, answer: str = "") -> Order:
    """The order ended by us, in `status`: it was never sent, withdrawn, refused or presumed lost.

    What the broker says of it later still counts. One that is ended already, or that the broker
    has, is returned as it is.
    """
    if Phase.GIVEN_UP not in FOLLOWS[phase_in(order)]:
        return order
    return _changed(replace(order, status=status), at=at, why=why, answer=answer)


def resized(order: Order, quantity: Decimal, *, at: datetime, why: str) -> Order:
    """An order that is not sent yet, for `quantity` shares; the same order when it is for these already.

    With a fraction it is a day order, for the broker takes no other.
    """
    force = order.time_in_force if is_whole(quantity) else TimeInForce.DAY
    if (order.quantity, order.time_in_force) == (quantity, force):
        return order
    return _changed(replace(order, quantity=quantity, time_in_force=force), at=at, why=why)


def noted(order: Order, *, at: datetime, why: str) -> Order:
    """The order with a line in its history, as who asked for its cancel; the same when it says so last."""
    if order.history and order.history[-1].why == why:
        return order
    return _changed(order, at=at, why=why)


def amended(
    order: Order,
    *,
    at: datetime,
    why: str,
    quantity: Decimal | None = None,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
) -> Order:
    """The order for the shares and at the prices that the broker has it for now, as a split leaves it.

    What is None stays.
    """
    after = replace(
        order,
        quantity=order.quantity if quantity is None else quantity,
        limit_price=order.limit_price if limit_price is None else limit_price,
        stop_price=order.stop_price if stop_price is None else stop_price,
        broker_updated_at=at,
    )
    return _changed(after, at=at, why=why)


def step_exit(order: Order, step: ExitStep, *, at: datetime, why: str) -> Order:
    """The exit order at another of its steps; the same order when it is there already."""
    if order.exit_step is step:
        return order
    return _changed(replace(order, exit_step=step), at=at, why=why)


def advance(order: Order, update: BrokerUpdate) -> Order:
    """The order after news from the broker, or the same object when the news changes nothing.

    Filled quantity only rises, also after the end (a fill may overtake the news of it); an ended
    order keeps its state; of two live states the newer by the broker's time counts. The store
    takes one version a write, so pass one update a write.
    """
    status = update.status if _may_follow(order, update) else order.status
    filled, average = order.filled_quantity, order.filled_average_price
    if update.filled_quantity > filled:
        filled, average = update.filled_quantity, update.filled_average_price
    elif update.filled_quantity == filled and average is None and filled > 0:
        average = update.filled_average_price
    seen = phase_of(update.status) >= Phase.LIVE
    after = replace(
        order,
        status=status,
        filled_quantity=filled,
        filled_average_price=average,
        broker_order_id=order.broker_order_id or update.broker_order_id,
        replaced_by=order.replaced_by or update.replaced_by,
    )
    if after == order:
        return order
    latest = max(order.broker_updated_at or update.at, update.at) if seen else order.broker_updated_at
    return _changed(
        replace(after, broker_updated_at=latest), at=update.at, why=update.why, answer=update.answer
    )


def _may_follow(order: Order, update: BrokerUpdate) -> bool:
    now, then = phase_of(update.status), phase_in(order)
    if now not in FOLLOWS[then]:
        return False
    if now is Phase.LIVE and then is Phase.LIVE and order.broker_updated_at is not None:
        return _age(update.status, update.at) > _age(order.status, order.broker_updated_at)
    return True


def _age(status: str, at: datetime) -> tuple[datetime, int, str]:
    return at, _RANK.get(status, _UNLISTED_RANK), status


def _changed(order: Order, *, at: datetime, why: str, answer: str = "") -> Order:
    event = OrderEvent(at=at, status=order.status, why=why, answer=answer)
    return replace(
        order,
        version=order.version + 1,
        updated_at=max(order.updated_at, at),
        history=(*order.history, event),
    )
