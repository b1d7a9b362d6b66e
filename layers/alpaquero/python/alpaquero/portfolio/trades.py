"""Round trips folded from fills, splits and share movements; called by `analytics/project`.

A trade begins with the fill that opens a position and ends with the fill that makes it flat;
entries and exits in parts belong to one trade. A position still held is no trade yet. Shares that
came without a fill are entered at their cost, and those that went leave at theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, Split, in_order
from alpaquero.portfolio.positions import per_share

_ZERO = Decimal(0)
_FOUR_DECIMALS = Decimal("0.0001")
_NO_REASONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One round trip. Prices are average dollars a share, `pnl` dollars, `pnl_percent` of the entry.

    `side` is how it was opened; `reason` is that of the order which closed it, empty when unknown.
    """

    symbol: str
    side: Side
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    pnl_percent: Decimal
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class _Open:
    """A trade in the making: shares in and out, and the dollars they cost and brought."""

    side: Side
    opened_at: datetime
    entered: Decimal = _ZERO
    entered_for: Decimal = _ZERO
    exited: Decimal = _ZERO
    exited_for: Decimal = _ZERO

    def plus(self, quantity: Decimal, price: Decimal) -> _Open:
        """Itself with `quantity` more shares in at `price`."""
        self.entered += quantity
        self.entered_for += quantity * price
        return self

    def less(self, quantity: Decimal, brought: Decimal) -> _Open:
        """Itself with `quantity` more shares out, which brought so many dollars."""
        self.exited += quantity
        self.exited_for += brought
        return self


def trades_of(entries: Iterable[ShareEntry], reasons: Mapping[str, str] = _NO_REASONS) -> list[Trade]:
    """Every round trip, by the time it closed, then symbol.

    `reasons` maps client order ids to the reason of their order.
    """
    open_trades: dict[str, _Open] = {}
    trades: list[Trade] = []
    for entry in in_order(entries):
        match entry:
            case Fill():
                closed = _take(open_trades, entry, reasons)
            case Split():
                closed = _split(open_trades, entry)
            case ShareMovement():
                closed = _move(open_trades, entry)
        if closed is not None:
            trades.append(closed)
    return sorted(trades, key=lambda trade: (trade.closed_at, trade.symbol, trade.opened_at))


def _take(open_trades: dict[str, _Open], fill: Fill, reasons: Mapping[str, str]) -> Trade | None:
    """Adds one fill to its symbol's open trade; the trade when the fill ends it."""
    begun = open_trades.pop(fill.symbol, None) or _Open(side=fill.side, opened_at=fill.at)
    if fill.side is begun.side:
        open_trades[fill.symbol] = begun.plus(fill.quantity, fill.price)
        return None
    out = min(fill.quantity, begun.entered - begun.exited)
    ended = begun.less(out, out * fill.price)
    if ended.exited < ended.entered:
        open_trades[fill.symbol] = ended
        return None
    rest = fill.quantity - out
    if rest:
        open_trades[fill.symbol] = _Open(side=fill.side, opened_at=fill.at).plus(rest, fill.price)
    return _closed(ended, fill, reasons.get(fill.client_order_id or "", ""))


def _split(open_trades: dict[str, _Open], split: Split) -> Trade | None:
    """The open trade in new shares; the trade when the cash paid in lieu ends it."""
    begun = open_trades.pop(split.symbol, None)
    if begun is None:
        return None
    held = begun.entered - begun.exited
    scaled, left = split.scaled(held), split.left(held)
    exited = split.scaled(begun.exited)
    after = replace(begun, entered=exited + scaled, exited=exited).less(scaled - left, abs(split.cash))
    if left:
        open_trades[split.symbol] = after
        return None
    return _closed(after, split, "cash in lieu of a part of a share")


def _move(open_trades: dict[str, _Open], moved: ShareMovement) -> Trade | None:
    """Shares that came are entered at their cost; what went away is no longer part of a trade."""
    side = Side.BUY if moved.quantity > 0 else Side.SELL
    since = moved.acquired_at or moved.at
    begun = open_trades.pop(moved.symbol, None) or _Open(side=side, opened_at=since)
    quantity = abs(moved.quantity)
    if side is begun.side:
        open_trades[moved.symbol] = begun.plus(quantity, moved.price)
        return None
    gone = min(quantity, begun.entered - begun.exited)
    entered = begun.entered - gone
    left = replace(begun, entered=entered, entered_for=begun.entered_for * entered / begun.entered)
    if left.exited < left.entered:
        open_trades[moved.symbol] = left
        return None
    if quantity > gone:
        open_trades[moved.symbol] = _Open(side=side, opened_at=since).plus(quantity - gone, moved.price)
    return _closed(left, moved, "the rest was moved away") if left.entered else None


def _closed(trade: _Open, last: ShareEntry, reason: str) -> Trade:
    gain = trade.exited_for - trade.entered_for
    pnl = gain if trade.side is Side.BUY else -gain
    percent = pnl * 100 / trade.entered_for
    return Trade(
        symbol=last.symbol,
        side=trade.side,
        quantity=trade.entered,
        opened_at=trade.opened_at,
        closed_at=last.at,
        entry_price=per_share(trade.entered_for, trade.entered),
        exit_price=per_share(trade.exited_for, trade.exited),
        pnl=pnl,
        pnl_percent=percent.quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN),
        reason=reason,
    )
