"""Positions folded from fills, splits and share movements, at average cost; called by `position/project`.

Entries may arrive in any order and more than once: they are sorted by market time and id, and a
second one with the same id is dropped, so the same set of them always gives the same position.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import NINE_DECIMALS, ShareEntry, ShareMovement, Split, in_order
from alpaquero.quickly_made import dataclass

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What one symbol's entries add up to, in shares and dollars.

    `quantity` and `cost_basis` are negative when short. `realised_pnl` counts closed shares,
    `cash_flow` is all sales less all purchases, and what a split paid in lieu of a part of a share.
    `contributed` is the cost of shares that came without a purchase, so that always
    `realised_pnl - cost_basis == cash_flow - contributed`. `opened_at` is None when nothing is held.
    """

    symbol: str
    quantity: Decimal = _ZERO
    cost_basis: Decimal = _ZERO
    realised_pnl: Decimal = _ZERO
    cash_flow: Decimal = _ZERO
    contributed: Decimal = _ZERO
    opened_at: datetime | None = None
    last_fill_at: datetime | None = None
    fills: int = 0

    @property
    def average_entry_price(self) -> Decimal:
        """Dollars a share paid on average, to nine decimals; 0 when nothing is held."""
        return per_share(self.cost_basis, self.quantity) if self.quantity else _ZERO


def position_of(symbol: str, entries: Iterable[ShareEntry]) -> Position:
    """The position that the entries of `symbol` add up to; other symbols' entries are left out."""
    position = Position(symbol=symbol)
    for entry in in_order(entry for entry in entries if entry.symbol == symbol):
        position = apply(position, entry)
    return position


def positions_of(entries: Iterable[ShareEntry]) -> dict[str, Position]:
    """The position of every symbol that was ever held, flat ones too, in order of symbol."""
    by_symbol: dict[str, list[ShareEntry]] = {}
    for entry in entries:
        by_symbol.setdefault(entry.symbol, []).append(entry)
    return {symbol: position_of(symbol, by_symbol[symbol]) for symbol in sorted(by_symbol)}


def apply(position: Position, entry: ShareEntry) -> Position:
    """The position after one more entry, which is newer than all before."""
    match entry:
        case Fill():
            return _filled(position, entry)
        case Split():
            return _split(position, entry)
        case ShareMovement():
            return _moved(position, entry)


def _filled(position: Position, fill: Fill) -> Position:
    """Shares close at average cost; what a fill leaves over opens the other side.

    Cost is carried to nine decimals and the last share takes what is left, so rounding never adds up.
    """
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    closing = _closing(position.quantity, signed)
    cost_closed = share_of(position.cost_basis, closing, position.quantity)
    quantity = position.quantity + signed
    opened = signed + closing
    return replace(
        position,
        quantity=quantity,
        cost_basis=position.cost_basis - cost_closed + opened * fill.price,
        realised_pnl=position.realised_pnl + closing * fill.price - cost_closed,
        cash_flow=position.cash_flow - signed * fill.price,
        opened_at=_opened_at(position, fill.at, quantity),
        last_fill_at=fill.at,
        fills=position.fills + 1,
    )


def _split(position: Position, split: Split) -> Position:
    """More or fewer shares at the same cost; a part of a share that was paid out is sold for that cash."""
    if not position.quantity:
        return position
    scaled, quantity = split.scaled(position.quantity), split.left(position.quantity)
    cost_closed = share_of(position.cost_basis, scaled - quantity, scaled)
    return replace(
        position,
        quantity=quantity,
        cost_basis=position.cost_basis - cost_closed,
        realised_pnl=position.realised_pnl + split.cash - cost_closed,
        cash_flow=position.cash_flow + split.cash,
        opened_at=position.opened_at if quantity else None,
    )


def _moved(position: Position, moved: ShareMovement) -> Position:
    """Shares that came bring their cost, shares that went take theirs: no gain either way."""
    closing = _closing(position.quantity, moved.quantity)
    cost_closed = share_of(position.cost_basis, closing, position.quantity)
    quantity = position.quantity + moved.quantity
    brought = (moved.quantity + closing) * moved.price
    since = moved.acquired_at or moved.at
    return replace(
        position,
        quantity=quantity,
        cost_basis=position.cost_basis - cost_closed + brought,
        contributed=position.contributed - cost_closed + brought,
        opened_at=_opened_at(position, since, quantity),
    )


def per_share(amount: Decimal, quantity: Decimal) -> Decimal:
    """`amount` a share, to at most nine decimals."""
    return _rounded(amount / quantity)


def _closing(held: Decimal, signed: Decimal) -> Decimal:
    """How many of the held shares a fill closes, with the sign of what is held."""
    if held * signed >= 0:
        return _ZERO
    return min(held, -signed) if held > 0 else max(held, -signed)


def share_of(cost: Decimal, closing: Decimal, held: Decimal) -> Decimal:
    """The part of `cost` that goes with `closing` of the `held` shares, to nine decimals."""
    if not closing:
        return _ZERO
    if closing == held:
        return cost
    return _rounded(cost * closing / held)


def _rounded(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -9:
        return value.quantize(NINE_DECIMALS, rounding=ROUND_HALF_EVEN)
    return value


def _opened_at(position: Position, at: datetime, quantity: Decimal) -> datetime | None:
    if not quantity:
        return None
    return position.opened_at if position.quantity * quantity > 0 else at
