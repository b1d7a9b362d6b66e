"""Round trips folded from fills; called by `analytics/project`.

A trade begins with the fill that opens a position and ends with the fill that makes it flat;
entries and exits in parts belong to one trade. A position still held is no trade yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.positions import in_order, per_share

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A trade in the making: shares in and out, and the dollars they cost and brought."""

    side: Side
    opened_at: datetime
    entered: Decimal = _ZERO
    entered_for: Decimal = _ZERO
    exited: Decimal = _ZERO
    exited_for: Decimal = _ZERO


def trades_of(fills: Iterable[Fill], reasons: Mapping[str, str] = _NO_REASONS) -> list[Trade]:
    """Every round trip, by the time it closed, then symbol.

    `reasons` maps client order ids to the reason of their order.
    """
    open_trades: dict[str, _Open] = {}
    trades: list[Trade] = []
    for fill in in_order(fills):
        closed = _take(open_trades, fill, reasons)
        if closed is not None:
            trades.append(closed)
    return sorted(trades, key=lambda trade: (trade.closed_at, trade.symbol, trade.opened_at))


def _take(open_trades: dict[str, _Open], fill: Fill, reasons: Mapping[str, str]) -> Trade | None:
    """Adds one fill to its symbol's open trade; the trade when the fill ends it."""
    begun = open_trades.pop(fill.symbol, None) or _Open(side=fill.side, opened_at=fill.at)
    if fill.side is begun.side:
        open_trades[fill.symbol] = replace(
            begun,
            entered=begun.entered + fill.quantity,
            entered_for=begun.entered_for + fill.quantity * fill.price,
        )
        return None
    out = min(fill.quantity, begun.entered - begun.exited)
    ended = replace(begun, exited=begun.exited + out, exited_for=begun.exited_for + out * fill.price)
    if ended.exited < ended.entered:
        open_trades[fill.symbol] = ended
        return None
    rest = fill.quantity - out
    if rest:
        open_trades[fill.symbol] = _Open(
            side=fill.side, opened_at=fill.at, entered=rest, entered_for=rest * fill.price
        )
    return _closed(ended, fill, reasons.get(fill.client_order_id or "", ""))


def _closed(trade: _Open, last: Fill, reason: str) -> Trade:
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
