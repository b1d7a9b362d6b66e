"""Positions folded from fills, at average cost; called by `position/project`.

Fills may arrive in any order and more than once: they are sorted by market time and id, and a
second one with the same id is dropped, so the same set of fills always gives the same position.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill

_ZERO = Decimal(0)
_NINE_DECIMALS = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What one symbol's fills add up to, in shares and dollars.

    `quantity` and `cost_basis` are negative when short. `realised_pnl` counts closed shares,
    `cash_flow` is all sales less all purchases. `opened_at` is None when nothing is held.
    """

    symbol: str
    quantity: Decimal = _ZERO
    cost_basis: Decimal = _ZERO
    realised_pnl: Decimal = _ZERO
    cash_flow: Decimal = _ZERO
    opened_at: datetime | None = None
    last_fill_at: datetime | None = None
    fills: int = 0

    @property
    def average_entry_price(self) -> Decimal:
        """Dollars a share paid on average, to nine decimals; 0 when nothing is held."""
        return per_share(self.cost_basis, self.quantity) if self.quantity else _ZERO


def in_order(fills: Iterable[Fill]) -> list[Fill]:
    """The fills by market time, then id, each id once.

    Raises `ValueError` when two fills share an id and differ: one of them is wrong.
    """
    by_id: dict[str, Fill] = {}
    for fill in fills:
        if by_id.setdefault(fill.id, fill) != fill:
            raise ValueError(f"two different fills carry the id {fill.id}; read it from the broker again")
    return sorted(by_id.values(), key=lambda fill: (fill.at, fill.id))


def position_of(symbol: str, fills: Iterable[Fill]) -> Position:
    """The position that the fills of `symbol` add up to; other symbols' fills are left out."""
    position = Position(symbol=symbol)
    for fill in in_order(fill for fill in fills if fill.symbol == symbol):
        position = apply(position, fill)
    return position


def positions_of(fills: Iterable[Fill]) -> dict[str, Position]:
    """The position of every symbol that was ever traded, flat ones too, in order of symbol."""
    every = list(fills)
    return {symbol: position_of(symbol, every) for symbol in sorted({fill.symbol for fill in every})}


def apply(position: Position, fill: Fill) -> Position:
    """The position after one more fill, which is newer than all before.

    Shares close at average cost; what a fill leaves over opens the other side. Cost is carried to
    nine decimals and the last share takes what is left, so rounding never adds up.
    """
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    closing = _closing(position.quantity, signed)
    cost_closed = _share_of(position.cost_basis, closing, position.quantity)
    quantity = position.quantity + signed
    opened = signed + closing
    return replace(
        position,
        quantity=quantity,
        cost_basis=position.cost_basis - cost_closed + opened * fill.price,
        realised_pnl=position.realised_pnl + closing * fill.price - cost_closed,
        cash_flow=position.cash_flow - signed * fill.price,
        opened_at=_opened_at(position, fill, quantity),
        last_fill_at=fill.at,
        fills=position.fills + 1,
    )


def per_share(amount: Decimal, quantity: Decimal) -> Decimal:
    """`amount` a share, to at most nine decimals."""
    return _rounded(amount / quantity)


def _closing(held: Decimal, signed: Decimal) -> Decimal:
    """How many of the held shares a fill closes, with the sign of what is held."""
    if held * signed >= 0:
        return _ZERO
    return min(held, -signed) if held > 0 else max(held, -signed)


def _share_of(cost: Decimal, closing: Decimal, held: Decimal) -> Decimal:
    if closing == held:
        return cost
    return _rounded(cost * closing / held)


def _rounded(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -9:
        return value.quantize(_NINE_DECIMALS, rounding=ROUND_HALF_EVEN)
    return value


def _opened_at(position: Position, fill: Fill, quantity: Decimal) -> datetime | None:
    if not quantity:
        return None
    return position.opened_at if position.quantity * quantity > 0 else fill.at
