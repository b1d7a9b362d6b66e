"""An order as our books keep it, from intent to its last state, and a fill as the broker reports it.

Written by `trading/execute` and `trading/sync` through the store; read by everyone. Changed only
by `alpaquero.orders.lifecycle`, which bumps the version and writes the history.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from alpaquero.orders.intent import OrderClass, OrderType, Side, TimeInForce
from alpaquero.quickly_made import dataclass
from alpaquero.risk.verdict import RuleResult


class OrderOrigin(StrEnum):
    """Who asked: the origins of an intent, and the two of orders we did not write ourselves."""

    SIGNAL = "sig"
    MANUAL = "man"
    RISK = "risk"
    PROTECT = "prot"
    RECOVERED = "recovered"  # our prefix, but no intent in our books
    EXTERNAL = "external"  # placed by someone else


class OrderPurpose(StrEnum):
    """What the order is for."""

    ENTRY = "entry"
    EXIT = "exit"
    LEG = "leg"
    PROTECTION = "protection"
    UNKNOWN = "unknown"


class LegRole(StrEnum):
    """What a leg does for its parent."""

    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class ExitStep(StrEnum):
    """How far an exit has come; see `alpaquero.orders.exits`."""

    CANCEL_LEGS = "cancel_legs"
    CONFIRM = "confirm"
    SELL = "sell"
    FAILED = "failed"
    PROTECT = "protect"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One change: when (market time), to which status, why, and what the broker answered."""

    at: datetime
    status: str
    why: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. Prices are raw dollars a share; `status` is one of `lifecycle.OrderStatus`, or a
    word of the broker's that we do not know yet.

    `parent` is the client order id of the order this is a leg of. `broker_updated_at` is the
    broker's own time of the state we hold; `created_at` and `updated_at` are market time.
    `wall_sent_at` is when a submission was last tried whose outcome we did not learn, `times_unclear`
    how often that was. `replaces` is the
    client order id of the order it takes the place of, `replaced_by` the broker's id of the one that
    took its own; `asked_at` and `asked_limit_price` are those of the first order in such a row, and
    `stop_taken` is the price of the stop that an exit cancelled, which its shares go back under;
    `asked_quantity` what a replacement changed the whole quantity to, what was filled included.
    `arrival_price` is what the market stood at when the order was decided: the middle of the quote, else
    the last trade; None when it was not asked.
    """

    account: str
    client_order_id: str
    symbol: str
    side: Side
    origin: OrderOrigin
    purpose: OrderPurpose
    status: str
    created_at: datetime
    updated_at: datetime
    wall_created_at: datetime
    wall_sent_at: datetime | None = None
    times_unclear: int = 0
    broker_order_id: str | None = None
    parent: str | None = None
    role: LegRole | None = None
    order_type: OrderType = OrderType.MARKET
    order_class: OrderClass = OrderClass.SIMPLE
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    extended_hours: bool = False
    filled_quantity: Decimal = Decimal(0)
    filled_average_price: Decimal | None = None
    strategy: str | None = None
    timeframe: str | None = None
    bar_close: datetime | None = None
    valid_until: datetime | None = None
    reference_price: Decimal | None = None
    arrival_price: Decimal | None = None
    reason: str = ""
    requested_by: str = ""
    run_id: str | None = None
    correlation_id: str = ""
    verdict: tuple[RuleResult, ...] = ()
    exit_step: ExitStep | None = None
    stop_taken: Decimal | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    asked_quantity: Decimal | None = None
    asked_at: datetime | None = None
    asked_limit_price: Decimal | None = None
    broker_updated_at: datetime | None = None
    version: int = 1
    history: tuple[OrderEvent, ...] = ()

    @property
    def remaining_quantity(self) -> Decimal | None:
        """Shares not filled yet, or None for an order by notional."""
        return None if self.quantity is None else self.quantity - self.filled_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; `id` is the broker's activity id and `at` market time."""

    id: str
    account: str
    client_order_id: str | None
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime
