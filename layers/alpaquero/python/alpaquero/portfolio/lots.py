"""Lots: which purchase each share held came from, and what each closed one gained; for `position/api`.

Shares are sold first in, first out, as brokers report them to the US tax office unless told otherwise
(26 CFR 1.1012-1(c)(1), https://www.law.cornell.edu/cfr/text/26/1.1012-1). A short lot is opened by a
sale and closed by a purchase. Wash-sale adjustments are not made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, Split, in_order
from alpaquero.portfolio.positions import share_of
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Shares of one fill or movement that are still held; both figures negative when short.

    `source` is the id of the fill or movement, `cost` in dollars.
    """

    source: str
    opened_at: datetime
    quantity: Decimal
    cost: Decimal

    def holding_days(self, now: datetime) -> int:
        """Days in New York since it was opened."""
        return days_between(self.opened_at, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLot:
    """Shares of one lot that one fill closed; `proceeds` less `cost` is the gain, in dollars.

    Quantity, cost and proceeds are negative for a short lot: it was sold first.
    """

    source: str
    closed_by: str
    opened_at: datetime
    closed_at: datetime
    quantity: Decimal
    cost: Decimal
    proceeds: Decimal

    @property
    def pnl(self) -> Decimal:
        """What closing it gained."""
        return self.proceeds - self.cost

    @property
    def holding_days(self) -> int:
        """Days in New York from opening to closing."""
        return days_between(self.opened_at, self.closed_at)


@dataclass(slots=True)
class Lots:
    """The lots of one symbol, the oldest first, and those that were closed, in order of closing."""

    open: list[Lot] = field(default_factory=list)
    closed: list[ClosedLot] = field(default_factory=list)

    @property
    def quantity(self) -> Decimal:
        """Shares in open lots."""
        return sum((lot.quantity for lot in self.open), _ZERO)

    @property
    def cost_basis(self) -> Decimal:
        """What the open lots cost."""
        return sum((lot.cost for lot in self.open), _ZERO)

    @property
    def realised_pnl(self) -> Decimal:
        """What the closed lots gained."""
        return sum((lot.pnl for lot in self.closed), _ZERO)


def lots_of(symbol: str, entries: Iterable[ShareEntry]) -> Lots:
    """The lots that the entries of `symbol` leave, in any order and with repeats."""
    lots = Lots()
    for entry in in_order(entry for entry in entries if entry.symbol == symbol):
        match entry:
            case Fill():
                _fill(lots, entry)
            case Split():
                _split(lots, entry)
            case ShareMovement():
                _move(lots, entry)
    return lots


def days_between(opened_at: datetime, closed_at: datetime) -> int:
    """Days from one moment to another by the calendar of New York, 0 on the same day."""
    return (closed_at.astimezone(NEW_YORK).date() - opened_at.astimezone(NEW_YORK).date()).days


def _fill(lots: Lots, fill: Fill) -> None:
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    rest = signed
    for lot, closing in _taken(lots, -signed):
        lots.closed.append(_closed(lot, fill.id, fill.at, closing.quantity * fill.price, closing))
        rest += closing.quantity
    if rest:
        lots.open.append(Lot(source=fill.id, opened_at=fill.at, quantity=rest, cost=rest * fill.price))


def _move(lots: Lots, moved: ShareMovement) -> None:
    """Shares that went take the oldest lots with them, without a gain."""
    rest = moved.quantity
    for _, gone in _taken(lots, -moved.quantity):
        rest += gone.quantity
    if rest:
        since = moved.acquired_at or moved.at
        lots.open.append(Lot(source=moved.id, opened_at=since, quantity=rest, cost=rest * moved.price))


def _split(lots: Lots, split: Split) -> None:
    """Every lot in new shares at its old cost; the newest takes what rounding leaves over.

    A part of a share that the broker paid out is taken from the oldest lot.
    """
    held = lots.quantity
    if not held:
        return
    scaled = [replace(lot, quantity=split.scaled(lot.quantity)) for lot in lots.open]
    over = split.scaled(held) - sum((lot.quantity for lot in scaled), _ZERO)
    lots.open = [*scaled[:-1], replace(scaled[-1], quantity=scaled[-1].quantity + over)]
    broken = split.scaled(held) - split.left(held)
    pieces = list(_taken(lots, broken))
    cash = split.cash
    for number, (lot, piece) in enumerate(pieces):
        share = cash if number == len(pieces) - 1 else share_of(split.cash, piece.quantity, broken)
        cash -= share
        lots.closed.append(_closed(lot, split.id, split.at, share, piece))


def _closed(lot: Lot, by: str, at: datetime, proceeds: Decimal, piece: Lot) -> ClosedLot:
    return ClosedLot(
        source=lot.source,
        closed_by=by,
        opened_at=lot.opened_at,
        closed_at=at,
        quantity=piece.quantity,
        cost=piece.cost,
        proceeds=proceeds,
    )


def _taken(lots: Lots, wanted: Decimal) -> list[tuple[Lot, Lot]]:
    """Takes up to `wanted` shares (signed as held) off the oldest lots; each lot with the piece taken."""
    pieces: list[tuple[Lot, Lot]] = []
    while wanted and lots.open and lots.open[0].quantity * wanted > 0:
        lot = lots.open[0]
        quantity = min(lot.quantity, wanted) if wanted > 0 else max(lot.quantity, wanted)
        cost = share_of(lot.cost, quantity, lot.quantity)
        pieces.append((lot, replace(lot, quantity=quantity, cost=cost)))
        if quantity == lot.quantity:
            del lots.open[0]
        else:
            lots.open[0] = replace(lot, quantity=lot.quantity - quantity, cost=lot.cost - cost)
        wanted -= quantity
    return pieces
