"""A stop that goes under shares which have none: its price, its order, and when a refused one is tried again.

For `trading/execute`; the backtest asks for the price alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.orders.lifecycle import OrderStatus
from alpaquero.orders.order import Order, OrderOrigin, OrderPurpose
from alpaquero.orders.terms import is_whole
from alpaquero.portfolio.movements import ShareMovement, Split
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.quickly_made import dataclass
from alpaquero.risk.verdict import RuleResult

LONGEST_PAUSE = timedelta(hours=1)  # between two tries of a stop that the broker refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStop:
    """A stop to place: what its id is made of, shares, dollars a share (None: by the settings), and why."""

    key: str
    quantity: Decimal
    price: Decimal | None
    reason: str
    correlation_id: str


def stop_price_under(
    average_entry_price: Decimal, current_price: Decimal, last_stop: Decimal | None, percent: Decimal
) -> Decimal:
    """The stop for shares held: the last one there was, else `percent` below cost, in dollars a share.

    When the market is there already, a broker refuses such a stop: then `percent` below the market.
    """
    below_cost, below_market = (
        round_price(price * (1 - percent / 100), Direction.DOWN)
        for price in (average_entry_price, current_price)
    )
    wanted = below_cost if last_stop is None else last_stop
    return wanted if wanted < current_price else below_market


def protection_of(
    wanted: WantedStop,
    identifier: str,
    *,
    account: str,
    symbol: str,
    price: Decimal,
    at: datetime,
    wall_at: datetime,
) -> Order:
    """The record of a stop that goes under shares which have none."""
    return Order(
        account=account,
        client_order_id=identifier,
        symbol=symbol,
        side=Side.SELL,
        origin=OrderOrigin.PROTECT,
        purpose=OrderPurpose.PROTECTION,
        status=OrderStatus.INTENDED,
        created_at=at,
        updated_at=at,
        wall_created_at=wall_at,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC if is_whole(wanted.quantity) else TimeInForce.DAY,
        quantity=wanted.quantity,
        stop_price=price,
        reason=wanted.reason,
        requested_by="risk",
        correlation_id=wanted.correlation_id,
        verdict=(RuleResult("protection", True, "a stop only shrinks a position"),),
    )


def try_again_at(tried: Sequence[Order]) -> datetime:
    """The wall time from which a stop may be placed anew: from the third refusal in a row each doubles it."""
    in_a_row = list(takewhile(lambda order: order.status == OrderStatus.REJECTED, reversed(tried)))
    if len(in_a_row) < 3:
        return datetime.min.replace(tzinfo=UTC)
    pause = min(timedelta(minutes=2 ** min(len(in_a_row) - 2, 6)), LONGEST_PAUSE)
    return in_a_row[0].wall_created_at + pause


def in_todays_shares(
    price: Decimal, symbol: str, since: datetime, moved: Iterable[Split | ShareMovement]
) -> Decimal:
    """A stop that was set at market time `since`, in dollars a share as `symbol` has been split from then on.

    A broker moves its own orders with a split, or ends them; what we kept of them it does not know.
    """
    for one in moved:
        if isinstance(one, Split) and one.symbol == symbol and one.at > since:
            price /= one.ratio
    return round_price(price, Direction.DOWN)
