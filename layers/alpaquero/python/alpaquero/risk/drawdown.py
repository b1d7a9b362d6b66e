"""Equity marks, drawdown, the day's loss, and positions whose stop is missing.

Called by `risk/monitor` and the rules; `trading/execute` asks for missing stops again before it acts,
`position/api` shows what guards a position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from alpaquero.orders.intent import OrderClass, OrderType, Side
from alpaquero.orders.lifecycle import OrderStatus, is_live, is_terminal
from alpaquero.orders.order import LegRole, Order, OrderPurpose
from alpaquero.quickly_made import dataclass
from alpaquero.risk.limits import HUNDRED

_STOPS = {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP}
_FOUR_DECIMALS = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The highest equity so far, in dollars, and how far below it equity is, in percent (0 or more)."""

    peak_equity: Decimal
    drawdown_percent: Decimal


@dataclass(frozen=True, slots=True)
class MissingStop:
    """A held symbol (shares negative when short) and how many of its shares open stops cover."""

    symbol: str
    held: Decimal
    covered: Decimal


def mark(peak_equity: Decimal, equity: Decimal) -> Drawdown:
    """The peak and drawdown after a mark of `equity` dollars; percent to four decimals.

    >>> mark(Decimal(100), Decimal(90))
    Drawdown(peak_equity=Decimal('100'), drawdown_percent=Decimal('10.0000'))
    """
    peak = max(peak_equity, equity)
    if peak <= 0:
        return Drawdown(peak, Decimal(0))
    return Drawdown(peak, ((peak - equity) * HUNDRED / peak).quantize(_FOUR_DECIMALS))


def daily_loss_percent(day_start_equity: Decimal | None, equity: Decimal) -> Decimal:
    """How far equity is below what the market day began with, in percent (0 or more), to four decimals.

    >>> daily_loss_percent(Decimal(200), Decimal(190))
    Decimal('5.0000')
    """
    if day_start_equity is None or day_start_equity <= 0:
        return Decimal(0)
    return max((day_start_equity - equity) * HUNDRED / day_start_equity, Decimal(0)).quantize(_FOUR_DECIMALS)


def missing_stops(positions: Mapping[str, Decimal], open_orders: Iterable[Order]) -> list[MissingStop]:
    """Held symbols whose shares are not all covered by live stops, in order of symbol.

    `positions` maps symbol to shares. A stop counts only while the broker has it, is not taking
    it back, and the entry it is a leg of is filled (legs wait for the whole entry). The shares that an
    exit at the broker sells need none, those it leaves do: it may wait there for months. A symbol whose
    exit is not at the broker is left out: that frees all shares, and puts the stop back itself.
    """
    orders = [order for order in open_orders if not is_terminal(order.status)]
    sides = {order.client_order_id: order.side for order in orders}
    exits = [order for order in orders if order.purpose is OrderPurpose.EXIT]
    exiting = {order.symbol for order in exits if not is_live(order.status)}
    parents = {order.parent for order in orders}
    covered: dict[tuple[str, Side], Decimal] = {}
    for order in orders:
        if _protects(order, sides):
            key = order.symbol, order.side
            covered[key] = covered.get(key, Decimal(0)) + (order.remaining_quantity or Decimal(0))
    leaving: dict[str, Decimal] = {}
    for order in exits:
        if not _protects(order, sides) and order.client_order_id not in parents:  # an OCO's stop counts once
            leaving[order.symbol] = leaving.get(order.symbol, Decimal(0)) + (order.remaining_quantity or 0)
    found = []
    for symbol, held in sorted(positions.items()):
        closing = Side.SELL if held > 0 else Side.BUY
        cover = covered.get((symbol, closing), Decimal(0))
        if symbol not in exiting and cover + leaving.get(symbol, Decimal(0)) < abs(held):
            found.append(MissingStop(symbol, held, cover))
    return found


def guarding(symbol: str, held: Decimal, open_orders: Iterable[Order]) -> tuple[list[Order], list[Order]]:
    """The live stops and the live targets of the shares held of a symbol, the nearest to the price first.

    A stop counts as in `missing_stops`; what a trailing stop has no price for yet comes last.
    """
    orders = [order for order in open_orders if order.symbol == symbol and not is_terminal(order.status)]
    sides = {order.client_order_id: order.side for order in orders}
    closing, way = (Side.SELL, -1) if held > 0 else (Side.BUY, 1)
    found = [order for order in orders if order.side is closing and _at_work(order, sides)]

    def near(price: Decimal | None, sign: int) -> tuple[bool, Decimal]:
        return price is None, sign * (price or Decimal(0))

    stops = [order for order in found if order.order_type in _STOPS]
    targets = [order for order in found if _takes_profit(order)]
    return (
        sorted(stops, key=lambda order: near(order.stop_price, way)),
        sorted(targets, key=lambda order: near(order.limit_price, -way)),
    )


def _takes_profit(order: Order) -> bool:
    return order.order_type is OrderType.LIMIT and (
        order.role is LegRole.TAKE_PROFIT or order.order_class is OrderClass.OCO
    )


def _protects(order: Order, open_sides: Mapping[str, Side]) -> bool:
    return order.order_type in _STOPS and _at_work(order, open_sides)


def _at_work(order: Order, open_sides: Mapping[str, Side]) -> bool:
    return (
        is_live(order.status)
        and order.status != OrderStatus.PENDING_CANCEL
        # An open parent of the other side is the entry; one of the same side is the other half of an OCO.
        and open_sides.get(order.parent or "", order.side) is order.side
    )
