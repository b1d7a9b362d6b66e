"""A reconciliation: our books held against the broker's own statement, read anew; for `trading/sync`.

The broker's fills and other activities of some days are compared with ours one by one and summed by
day and kind; cash and shares are compared as they are now. Pure: what was read comes in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from alpaquero.broker.explanations import CASH, SHARE_KINDS
from alpaquero.broker.protocol import BrokerActivity, BrokerFill
from alpaquero.orders.kinds import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import UNEXPLAINED, CashMovement, ShareEntry, ShareMovement
from alpaquero.portfolio.positions import positions_of
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

FILL = "FILL"  # the broker's word for an execution
MOST_DIFFERENCES = 500
_ZERO = Decimal(0)


class DifferenceKind(StrEnum):
    """How a line of the broker's statement and of our books differ."""

    NOT_IN_BOOKS = "not_in_books"
    NOT_AT_BROKER = "not_at_broker"
    DIFFERENT = "different"
    UNEXPLAINED = "unexplained"  # taken over from the broker without any activity that explains it


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """The dollars of one kind of activity on one New York day; what a purchase cost is below 0."""

    day: date
    kind: str
    our_lines: int
    broker_lines: int
    ours: Decimal
    broker: Decimal

    @property
    def difference(self) -> Decimal:
        """What the broker has more, in dollars."""
        return self.broker - self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDifference:
    """One line that differs: what each side says of it, empty where it has none."""

    difference: DifferenceKind
    id: str
    kind: str
    day: date
    symbol: str
    ours: str
    broker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What each side holds now: dollars of `cash`, or shares of a symbol."""

    name: str
    ours: Decimal
    broker: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What came of one reconciliation, of the days from `first` to `last` (New York, both included).

    `at` is market time, `since` the day the books were opened, before which nothing is compared.
    `differences` are at most 500, `differences_found` counts all.
    """

    first: date
    last: date
    since: date
    at: datetime
    wall_at: datetime
    correlation_id: str
    days: tuple[DayTotal, ...]
    differences: tuple[LineDifference, ...]
    differences_found: int
    balances: tuple[Balance, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing differs, to the cent and the share."""
        return not self.differences_found and all(one.ours == one.broker for one in self.balances)


@dataclass(frozen=True, slots=True, kw_only=True)
class OurBooks:
    """What the books hold: entries with what was there at first, cash that moved, opening cash.

    `known_before` are the ids of activities that the opening cash holds already.
    """

    opening_cash: Decimal
    entries: Sequence[ShareEntry]
    cash: Sequence[CashMovement]
    known_before: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokersWord:
    """What the broker says: its fills and other activities since the books were opened, and what it holds."""

    fills: Sequence[BrokerFill]
    activities: Sequence[BrokerActivity]
    cash: Decimal
    shares: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of either side, in the same form; `says` is what is compared."""

    id: str
    kind: str
    day: date
    symbol: str
    amount: Decimal
    says: str


def reconciled(
    books: OurBooks, broker: BrokersWord, first: date, last: date
) -> tuple[tuple[DayTotal, ...], tuple[LineDifference, ...], tuple[Balance, ...]]:
    """Totals by day and kind, lines that differ, and what each side holds now.

    An activity that moves shares is told by the balance of its symbol: our books may have it as a split.
    """
    ours = {line.id: line for line in _our_lines(books)}
    theirs = {line.id: line for line in _broker_lines(broker, books.known_before)}
    for identifier in ours.keys() & theirs.keys():  # the broker says which day it is
        ours[identifier] = _on_day(ours[identifier], theirs[identifier].day)
    ours = {i: line for i, line in ours.items() if first <= line.day <= last}
    theirs = {i: line for i, line in theirs.items() if first <= line.day <= last}
    return _totals(ours.values(), theirs.values()), _differences(ours, theirs), _balances(books, broker)


def _our_lines(books: OurBooks) -> Iterable[_Line]:
    for entry in books.entries:
        if isinstance(entry, Fill):
            yield _fill_line(entry, entry.side)
        elif isinstance(entry, ShareMovement) and entry.id.startswith(UNEXPLAINED):
            yield _Line(
                entry.id, UNEXPLAINED, _day(entry.at), entry.symbol, _ZERO, f"{entry.quantity} shares"
            )
    for moved in books.cash:
        says = f"{moved.kind} {moved.amount.normalize():f}"
        yield _Line(moved.id, moved.kind, _day(moved.at), moved.symbol or "", moved.amount, says)


def _broker_lines(broker: BrokersWord, known_before: frozenset[str]) -> Iterable[_Line]:
    for fill in broker.fills:
        yield _fill_line(fill, fill.side)
    for activity in broker.activities:
        moves_shares_alone = activity.kind in SHARE_KINDS and not activity.amount
        if activity.id in known_before or moves_shares_alone or not activity.amount:
            continue
        says = f"{activity.kind} {activity.amount.normalize():f}"
        yield _Line(activity.id, activity.kind, activity.day, activity.symbol or "", activity.amount, says)


def _fill_line(fill: Fill | BrokerFill, side: str) -> _Line:
    dollars = fill.quantity * fill.price
    says = f"{side} {fill.quantity.normalize():f} at {fill.price.normalize():f}"
    amount = -dollars if side == Side.BUY else dollars
    return _Line(fill.id, FILL, _day(fill.at), fill.symbol, amount, says)


def _on_day(line: _Line, day: date) -> _Line:
    return _Line(line.id, line.kind, day, line.symbol, line.amount, line.says)


def _totals(ours: Iterable[_Line], theirs: Iterable[_Line]) -> tuple[DayTotal, ...]:
    sums: dict[tuple[date, str], list[list[Decimal]]] = {}
    for side, lines in enumerate((ours, theirs)):
        for line in lines:
            sums.setdefault((line.day, line.kind), [[], []])[side].append(line.amount)
    return tuple(
        DayTotal(
            day=day,
            kind=kind,
            our_lines=len(mine),
            broker_lines=len(other),
            ours=sum(mine, _ZERO),
            broker=sum(other, _ZERO),
        )
        for (day, kind), (mine, other) in sorted(sums.items())
    )


def _differences(ours: Mapping[str, _Line], theirs: Mapping[str, _Line]) -> tuple[LineDifference, ...]:
    found = []
    for identifier in ours.keys() | theirs.keys():
        mine, other = ours.get(identifier), theirs.get(identifier)
        line = mine or other
        kind = _kind_of(mine, other)
        if line is None or kind is None:
            continue
        found.append(
            LineDifference(
                difference=kind,
                id=identifier,
                kind=line.kind,
                day=line.day,
                symbol=line.symbol,
                ours=mine.says if mine else "",
                broker=other.says if other else "",
            )
        )
    return tuple(sorted(found, key=lambda one: (one.day, one.kind, one.id)))


def _kind_of(ours: _Line | None, theirs: _Line | None) -> DifferenceKind | None:
    """How the two differ; None when they say the same."""
    if ours is None:
        return DifferenceKind.NOT_IN_BOOKS
    if ours.id.startswith(UNEXPLAINED):
        return DifferenceKind.UNEXPLAINED
    if theirs is None:
        return DifferenceKind.NOT_AT_BROKER
    same = (ours.symbol, ours.says) == (theirs.symbol, theirs.says)
    return None if same else DifferenceKind.DIFFERENT


def _balances(books: OurBooks, broker: BrokersWord) -> tuple[Balance, ...]:
    """Cash, then every symbol that either side holds."""
    folded = positions_of(books.entries)
    cash = books.opening_cash + sum((position.cash_flow for position in folded.values()), _ZERO)
    cash += sum((moved.amount for moved in books.cash), _ZERO)
    held = {symbol: position.quantity for symbol, position in folded.items() if position.quantity}
    return (
        Balance(name=CASH, ours=cash, broker=broker.cash),
        *(
            Balance(name=symbol, ours=held.get(symbol, _ZERO), broker=broker.shares.get(symbol, _ZERO))
            for symbol in sorted(held.keys() | broker.shares.keys())
        ),
    )


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
