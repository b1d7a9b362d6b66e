"""What the risk book holds that follows from something else: reservations, peak, what movements change.

`trading/sync` keeps these level each minute, and derives them anew when it rebuilds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import datetime
from decimal import Decimal

from alpaquero.orders.intent import Purpose, Side
from alpaquero.orders.lifecycle import is_live, is_terminal
from alpaquero.orders.order import Order, OrderPurpose
from alpaquero.portfolio.movements import CashMovement, Movement, ShareMovement, SharesKind, Split
from alpaquero.risk.book import Reservation, RiskBook, market_day
from alpaquero.risk.drawdown import mark

CENT = Decimal("0.01")
_ZERO = Decimal(0)
_ENTRIES = {OrderPurpose.ENTRY, OrderPurpose.UNKNOWN}
# What a rebuild does not judge: the version counts writes, and prices move.
_NOT_COMPARED = {"version", "as_of", "marked_at", "cash", "equity", "positions"}


def left(reservation: Reservation, order: Order | None) -> Reservation | None:
    """What an order still reserves: in proportion to what is not filled, nothing once it ended."""
    if order is None or is_terminal(order.status):
        return None
    remaining = order.remaining_quantity
    if remaining is None or remaining >= reservation.quantity:
        return reservation
    # The reservation may have shrunk before, so the share is of what it is for now.
    notional = reservation.notional * remaining / reservation.quantity
    return replace(reservation, notional=notional.quantize(CENT), quantity=remaining)


def reservation_of(order: Order, book: RiskBook, price_of: Callable[[str], Decimal]) -> Reservation | None:
    """What an order at the broker reserves that has no reservation yet; None for one that takes nothing.

    Only what opens or adds to a position counts, at its limit or stop, else at `price_of` its symbol
    (dollars a share). A sale that an exit of ours has under way keeps its shares.
    """
    if not is_live(order.status) or order.role is not None:
        return None
    remaining = order.remaining_quantity or _ZERO
    if order.purpose is OrderPurpose.EXIT:
        return Reservation(order.symbol, order.side, Purpose.EXIT, _ZERO, remaining)
    if order.purpose not in _ENTRIES:
        return None
    held = book.held_quantity(order.symbol)
    closes = max(-held, _ZERO) if order.side is Side.BUY else max(held, _ZERO)
    opening = max(remaining - closes, _ZERO)
    notional = order.notional
    if notional is None:
        if not opening:
            return None
        price = order.limit_price or order.stop_price or price_of(order.symbol)
        notional = (opening * price).quantize(CENT)
    elif order.side is Side.SELL and held > 0:
        return None
    return Reservation(order.symbol, order.side, Purpose.ENTRY, notional, opening)


def with_movements(book: RiskBook, moved: Iterable[Movement]) -> RiskBook:
    """The book after movements: money that the owner moved is no gain and no loss, a split no fall."""
    for movement in moved:
        match movement:
            case CashMovement() if movement.is_funding:
                book = _funded(book, movement.amount)
            case ShareMovement(kind=SharesKind.TRANSFER):
                held = book.positions.get(movement.symbol)
                price = held.market_value / held.quantity if held else movement.price
                book = _funded(book, movement.quantity * price)
            case Split():
                book = _split(book, movement)
            case _:
                pass
    return book


def _funded(book: RiskBook, amount: Decimal) -> RiskBook:
    """Peak and the day's start moved by what was put in or taken out; the loss in dollars stays."""
    start = book.day_start_equity
    return replace(
        book,
        peak_equity=max(book.peak_equity + amount, book.equity),
        day_start_equity=None if start is None else start + amount,
    )


def _split(book: RiskBook, split: Split) -> RiskBook:
    """Highs in the new price, reservations in the new shares."""
    of_symbol = f"{split.symbol}:"
    return replace(
        book,
        highs={
            name: high / split.ratio if name == split.symbol or name.startswith(of_symbol) else high
            for name, high in book.highs.items()
        },
        reservations={
            identifier: replace(reservation, quantity=split.left(reservation.quantity))
            if reservation.symbol == split.symbol
            else reservation
            for identifier, reservation in book.reservations.items()
        },
    )


def rebuilt(
    book: RiskBook,
    open_orders: Iterable[Order],
    *,
    marks: Iterable[tuple[datetime, Decimal]],
    funding: Iterable[tuple[datetime, Decimal]],
    opened_with: Decimal | None,
) -> RiskBook:
    """The book with reservations from open orders, and peak and day's start from the equity marks.

    A reservation that is there and right stays, for the verdict priced it. `funding` is what the owner
    put in (below 0: took out), `opened_with` the equity when the account was first seen.
    """
    orders = {order.client_order_id: order for order in open_orders}
    kept = {i: still for i, r in book.reservations.items() if (still := left(r, orders.get(i))) is not None}
    missing = {
        i: r
        for i, order in orders.items()
        if i not in kept and (r := reservation_of(order, book, lambda _: _ZERO)) is not None
    }
    peak, start = _from_marks(book, marks, funding, opened_with)
    return replace(
        book,
        reservations={**kept, **missing},
        deducted=tuple(sorted(i for i in {**kept, **missing} if is_live(orders[i].status))),
        peak_equity=peak,
        day_start_equity=start,
    )


def _from_marks(
    book: RiskBook,
    marks: Iterable[tuple[datetime, Decimal]],
    funding: Iterable[tuple[datetime, Decimal]],
    opened_with: Decimal | None,
) -> tuple[Decimal, Decimal | None]:
    """The highest mark, money that was put in or taken out moved along, and what the day began with."""
    curve = [(at, equity, True) for at, equity in marks]
    moves = [(at, amount, False) for at, amount in funding]
    peak, start = opened_with or _ZERO, book.day_start_equity
    last_before: Decimal | None = None
    for at, amount, is_mark in sorted(curve + moves, key=lambda row: (row[0], row[2])):
        if is_mark:
            peak = mark(peak, amount).peak_equity
            last_before = amount if market_day(at) < book.day else last_before
        else:
            peak += amount
            last_before = last_before if last_before is None else last_before + amount
    return max(peak, book.equity), start if last_before is None else last_before


def differences(before: RiskBook, after: RiskBook) -> dict[str, str]:
    """What a rebuild changed, by field: before and after."""
    names = [f.name for f in fields(RiskBook) if f.name not in _NOT_COMPARED]
    return {
        name: f"{getattr(before, name)} before, {getattr(after, name)} after"
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
