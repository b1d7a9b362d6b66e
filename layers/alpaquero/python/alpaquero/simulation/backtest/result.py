"""What a backtest answers: fills, round trips, equity by session, and what came of each signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from hashlib import sha256

import msgspec

from alpaquero.orders.intent import Side
from alpaquero.prices.sessions import Session
from alpaquero.simulation.backtest.account import Booked
from alpaquero.simulation.backtest.terms import AFTER_CLOSE


class FillRow(msgspec.Struct, frozen=True, gc=False):
    """One fill; `price` in dollars a share, `fee` in dollars."""

    id: str
    at: datetime
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """One round trip. Prices are average dollars a share, `pnl` dollars after `fees`.

    `strategy` is the name of the instance that entered; the tags are those of the orders.
    """

    symbol: str
    strategy: str
    side: Side
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    fees: Decimal
    entry_tag: str
    exit_tag: str


class EquityRow(msgspec.Struct, frozen=True, gc=False):
    """The account after a session's close, in dollars."""

    at: datetime
    equity: Decimal
    cash: Decimal
    market_value: Decimal


@dataclass(frozen=True)
class Result:
    """A backtest's result; money in dollars, counts by reason code.

    `booked` are the fills in the order they came, their ids follow from `seed`. `traded` are the
    sessions, `equities` and `cash_after` what there was after the close of each.
    """

    booked: Sequence[Booked]
    seed: int
    trades: tuple[TradeRow, ...]
    traded: Sequence[Session]
    equities: Sequence[Decimal]
    cash_after: Sequence[Decimal]
    signals: int
    intents: int
    withheld: dict[str, int] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    cash: Decimal = Decimal(0)
    equity_end: Decimal = Decimal(0)
    sessions: int = 0

    @cached_property
    def fills(self) -> tuple[FillRow, ...]:
        """Every fill with the broker's id, in the order they came."""
        return tuple(
            FillRow(
                id=one.id_by(self.seed),
                at=one.at,
                client_order_id=one.client_order_id,
                symbol=one.symbol,
                side=one.side,
                quantity=one.quantity,
                price=one.price,
                fee=one.fee,
            )
            for one in self.booked
        )

    @cached_property
    def equity(self) -> list[EquityRow]:
        """The account after each session's close."""
        marks = zip(self.traded, self.equities, self.cash_after, strict=True)
        return [
            EquityRow(day.close + AFTER_CLOSE, equity, cash, equity - cash) for day, equity, cash in marks
        ]

    @cached_property
    def trades_sha256(self) -> str:
        """The hash of the fills, as `alpaquero demo` prints it."""
        return trades_sha256(
            (
                fill.at.isoformat().replace("+00:00", "Z"),
                fill.client_order_id,
                fill.side.value,
                plain(fill.quantity),
                plain(fill.price),
            )
            for fill in self.fills
        )


def trades_sha256(fills: Iterable[tuple[str, ...]]) -> str:
    """The hash of the sorted (market time, client order id, side, quantity, price), all as text."""
    rows = sorted("|".join(fill) for fill in fills)
    return sha256("\n".join(rows).encode()).hexdigest()


def plain(number: Decimal) -> str:
    """A number in plain digits without trailing zeros.

    >>> plain(Decimal("1E+2")), plain(Decimal("1.50"))
    ('100', '1.5')
    """
    return format(number.normalize(), "f") if number else "0"
