"""Entries that wait too long: which to cancel, and which to price anew.

`risk/monitor` asks each minute and sends what is due to `trading/execute`. What counts is open
market time since the entry was first asked for: an order that waits overnight for the open is not
late. Both are off by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from alpaquero.orders.kinds import OrderType, Side
from alpaquero.orders.lifecycle import is_live
from alpaquero.orders.order import Order, OrderPurpose
from alpaquero.prices.sessions import Session
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.quickly_made import dataclass

MOST_MINUTES = 100_000
MOST_PERCENT = Decimal(20)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettings:
    """How long an entry may wait. Raises `ValueError` naming the setting that does not fit.

    `entry_timeout_minutes` of open market, then it is cancelled; 0 never. `reprice_after_minutes` of
    open market, then a limit entry follows the market, each minute that it moved; 0 never.
    `reprice_limit_percent` is how far from the first limit it may follow.
    """

    entry_timeout_minutes: int = 0
    reprice_after_minutes: int = 0
    reprice_limit_percent: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        for name in ("entry_timeout_minutes", "reprice_after_minutes"):
            if not 0 <= getattr(self, name) <= MOST_MINUTES:
                raise ValueError(f"{name} is {getattr(self, name)}; set it from 0 to {MOST_MINUTES}")
        percent = self.reprice_limit_percent
        if not (percent.is_finite() and 0 < percent <= MOST_PERCENT):
            raise ValueError(f"reprice_limit_percent is {percent}; set it above 0 to {MOST_PERCENT}")
        if 0 < self.entry_timeout_minutes <= self.reprice_after_minutes:
            raise ValueError(
                f"reprice_after_minutes is {self.reprice_after_minutes}, when an entry is cancelled already; "
                f"set it below entry_timeout_minutes ({self.entry_timeout_minutes})"
            )


@dataclass(frozen=True, slots=True)
class Overdue:
    """An entry that waited too long: to cancel, or to price at `limit_price` dollars a share."""

    order: Order
    waited_minutes: int
    limit_price: Decimal | None = None


def overdue(
    orders: Iterable[Order],
    settings: OrderSettings,
    sessions: Sequence[Session],
    prices: Mapping[str, Decimal],
    now: datetime,
) -> list[Overdue]:
    """The entries at the broker that are due, by `prices` of the market now; one without stays as it is.

    `sessions` is the calendar around `now` (market time), oldest first.
    """
    found = []
    for order in orders:
        if order.purpose is not OrderPurpose.ENTRY or not is_live(order.status):
            continue
        minutes = open_minutes(sessions, order.asked_at or order.created_at, now)
        if settings.entry_timeout_minutes and minutes >= settings.entry_timeout_minutes:
            found.append(Overdue(order, minutes))
        elif settings.reprice_after_minutes and minutes >= settings.reprice_after_minutes:
            limit = _new_limit(order, settings, prices.get(order.symbol))
            if limit is not None:
                found.append(Overdue(order, minutes, limit))
    return found


def reprices(orders: Iterable[Order], settings: OrderSettings) -> list[str]:
    """The symbols whose price `overdue` needs."""
    if not settings.reprice_after_minutes:
        return []
    return sorted({o.symbol for o in orders if o.purpose is OrderPurpose.ENTRY and is_live(o.status)})


def open_minutes(sessions: Sequence[Session], since: datetime, now: datetime) -> int:
    """Whole minutes that the market was open from `since` to `now`."""
    spans = (min(s.close, now) - max(s.open, since) for s in sessions)
    return sum((span for span in spans if span > timedelta()), timedelta()) // timedelta(minutes=1)


def _new_limit(order: Order, settings: OrderSettings, price: Decimal | None) -> Decimal | None:
    """The market's price, no further from the first limit than allowed; None where nothing is gained."""
    if order.order_type is not OrderType.LIMIT or order.limit_price is None or price is None:
        return None
    if order.filled_quantity:
        return None  # its stop waits for the rest: it is filled or cancelled, not moved
    first = order.asked_limit_price or order.limit_price
    furthest = first * settings.reprice_limit_percent / 100
    if order.side is Side.BUY:
        limit = round_price(min(price, first + furthest), Direction.DOWN)
        return limit if limit > order.limit_price else None
    limit = round_price(max(price, first - furthest), Direction.UP)
    return limit if limit < order.limit_price else None
