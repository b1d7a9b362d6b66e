"""The bodies of orders, and of closing positions."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from alpaquero.orders.kinds import OrderClass, OrderType, Side, TimeInForce
from alpaquero.orders.order import ExitStep, LegRole, OrderOrigin, OrderPurpose
from alpaquero.web.bodies import RuleOutcome


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's order. `Idempotency-Key` is a header.

    A purchase is for a `quantity` of shares or `notional` dollars, without either sized by risk; a
    sale for a `quantity` or a `percentage` of the position, without either all of it. Without
    `order_class` a purchase is a bracket, whose stop and target the settings give where it has none.
    """

    symbol: str
    side: Side
    quantity: Decimal | None = None
    notional: Decimal | None = None
    percentage: Decimal | None = None
    order_type: OrderType = OrderType.MARKET
    order_class: OrderClass | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    extended_hours: bool = False
    reason: str = ""


class ReplaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of an open order; `quantity` is the whole, what is filled included."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None
    reason: str = ""


class ClosePosition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sell a position at market, or a part of it; `force` also ends another exit under way."""

    quantity: Decimal | None = None
    percentage: Decimal | None = None
    force: bool = False
    reason: str = ""


class ClosePositions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sell every position at market; `force` also ends other exits under way."""

    force: bool = False
    reason: str = ""


class SyncAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A sync or a rebuild is queued; its log lines and events carry what follows."""

    correlation_id: str
    status: str = "queued"


class Reconcile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which days to hold against the broker's statement, both included; all since the books were opened."""

    first: date | None = msgspec.field(name="from", default=None)
    last: date | None = msgspec.field(name="to", default=None)


class ReconciledDay(msgspec.Struct, frozen=True, kw_only=True):
    """The dollars of one kind of activity (`FILL` or the broker's word) on one day, on either side."""

    day: date
    kind: str
    our_lines: int
    broker_lines: int
    ours: Decimal
    broker: Decimal
    difference: Decimal


class ReconciledLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that differs: `not_in_books`, `not_at_broker`, `different` or `unexplained`."""

    difference: str
    id: str
    kind: str
    day: date
    symbol: str
    ours: str
    broker: str


class ReconciledBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars of `cash`, or shares of a symbol, that either side holds."""

    name: str
    ours: Decimal
    broker: Decimal


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The last reconciliation; `agrees` when nothing differs, to the cent and the share.

    `since` is the day the books were opened. `differences` are at most 500 of `differences_found`.
    """

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    since: date
    at: datetime
    wall_at: datetime
    correlation_id: str
    agrees: bool
    days: list[ReconciledDay]
    differences: list[ReconciledLine]
    differences_found: int
    balances: list[ReconciledBalance]


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution at the broker, in market time; without our order's id when the order was not ours."""

    id: str
    at: datetime
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    value: Decimal
    client_order_id: str | None
    broker_order_id: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An order that never was: `codes` are the rules that refused it, or `command_failed`.

    `at` is market time, `wall_at` wall time.
    """

    id: str
    at: datetime
    wall_at: datetime
    client_order_id: str
    symbol: str
    side: str
    codes: list[str]
    message: str


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The order is queued for the risk check; follow it by its client order id."""

    client_order_id: str
    status: Literal["queued", "replacement queued", "cancel queued"] = "queued"


class OrdersAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """Several orders that are queued, to be placed or cancelled."""

    client_order_ids: list[str]
    status: Literal["queued", "cancel queued"] = "queued"


class OrderStep(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order's log: market time, the status after it, why, and what the broker answered."""

    at: datetime
    status: str
    why: str
    answer: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    client_order_id: str
    broker_order_id: str | None
    parent: str | None
    role: LegRole | None
    origin: OrderOrigin
    purpose: OrderPurpose
    symbol: str
    side: Side
    order_type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    quantity: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    stop_loss_price: Decimal | None
    take_profit_price: Decimal | None
    status: str
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    reason: str
    created_at: datetime
    updated_at: datetime
    verdict: list[RuleOutcome]
    history: list[OrderStep]
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    extended_hours: bool = False
    requested_by: str = ""
    run_id: str | None = None
    correlation_id: str = ""
    exit_step: ExitStep | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    arrival_price: Decimal | None = None
