"""What changes shares or cash without a fill: splits, shares that came or went, cash of the broker's.

`trading/sync` records them in the books; every fold of fills (positions, lots, trades, activity)
takes them in their place among the fills.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

from alpaquero.orders.identity import is_ours
from alpaquero.orders.order import Fill
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

_ZERO = Decimal(0)
NINE_DECIMALS = Decimal("1e-9")
_LARGEST_TERM = 100  # of a split's ratio, as companies do them: 1 for 50, 3 for 2


class SharesKind(StrEnum):
    """Why shares came or went without a fill."""

    OPENING = "opening"  # held when the account was first seen
    TRANSFER = "transfer"  # journaled, transferred, assigned, spun off: the broker says so
    RENAMED = "renamed"  # the company has another symbol now
    UNEXPLAINED = "unexplained"  # the broker holds what nothing we can read explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split of an open position: each share became `ratio` shares as `at` (market time) began.

    With `whole` the broker keeps no part of a share, and paid `cash` dollars in lieu of it.
    """

    id: str
    account: str
    symbol: str
    at: datetime
    ratio: Decimal
    whole: bool = False
    cash: Decimal = _ZERO

    def scaled(self, shares: Decimal) -> Decimal:
        """`shares` after the split, to nine decimals, before a part of a share is paid out."""
        return (shares * self.ratio).quantize(NINE_DECIMALS, rounding=ROUND_HALF_EVEN).normalize() + 0

    def left(self, shares: Decimal) -> Decimal:
        """What `shares` held have become: whole ones only where the broker pays out the rest."""
        scaled = self.scaled(shares)
        return scaled.to_integral_value(rounding=ROUND_DOWN) if self.whole else scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareMovement:
    """Shares that came (`quantity` above 0) or went without a fill, at `price` dollars a share of cost.

    No cash moves. `acquired_at` is when they were bought, where that is known.
    """

    id: str
    account: str
    symbol: str
    at: datetime
    quantity: Decimal
    price: Decimal
    kind: SharesKind
    why: str = ""
    acquired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMovement:
    """Dollars that came or went without a fill; `kind` is the broker's word: FEE, DIV, CSD, INT, ...

    `unexplained` is our word for a difference that no activity of the broker's explains.
    """

    id: str
    account: str
    kind: str
    at: datetime
    amount: Decimal
    symbol: str | None = None
    why: str = ""

    @property
    def is_funding(self) -> bool:
        """Whether the owner put money in or took it out: neither a gain nor a loss."""
        return self.kind in FUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a movement is kept in the books: one of the three is there."""

    split: Split | None = None
    shares: ShareMovement | None = None
    cash: CashMovement | None = None


# Deposits, withdrawals, journals and transfers of cash, in the broker's words.
# Source: https://docs.alpaca.markets/docs/account-activities (TradeActivity types).
FUNDING = frozenset({"CSD", "CSW", "JNLC", "ACATC", "TRANS", "JNL"})
UNEXPLAINED = "unexplained"

ShareEntry = Fill | Split | ShareMovement
Movement = Split | ShareMovement | CashMovement
_Entry = TypeVar("_Entry", bound=ShareEntry)


def in_order(entries: Iterable[_Entry]) -> list[_Entry]:
    """The entries by market time; at one instant splits, what is not a leg's fill, then id; each id once.

    A leg works once its entry is filled, so at one instant its fill is the later one, whatever the ids.
    Raises `ValueError` when two entries share an id and differ: one of them is wrong.
    """
    by_id: dict[str, _Entry] = {}
    for entry in entries:
        known = by_id.setdefault(entry.id, entry)
        if known is not entry and known != entry:
            kind = "fills" if isinstance(entry, Fill) else "entries"
            raise ValueError(f"two different {kind} carry the id {entry.id}; read it from the broker again")
    return sorted(by_id.values(), key=_place)


def _place(entry: ShareEntry) -> tuple[datetime, int, str]:
    if isinstance(entry, Split):
        return entry.at, 0, entry.id
    # The broker names the legs of our orders, so that an id of theirs is not ours.
    of_leg = isinstance(entry, Fill) and not is_ours(entry.client_order_id or "")
    return entry.at, 2 if of_leg else 1, entry.id


def begins(day: date) -> datetime:
    """When a split of that ex date takes effect: midnight in New York, before the day's first fill."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def clean_ratio(before: Decimal, after: Decimal) -> Decimal | None:
    """The ratio of a split that made `after` shares of `before`, None when no company splits so.

    A split has small whole numbers on both sides, and one of them is 1 or the other at most twice it.

    >>> clean_ratio(Decimal(7), Decimal(14)), clean_ratio(Decimal(30), Decimal(20))
    (Decimal('2'), None)
    """
    if before == after or before * after <= 0:
        return None
    ratio = Fraction(after) / Fraction(before)
    new, old = ratio.numerator, ratio.denominator
    is_plain = old == 1 or new == 1 or (old == 2 and new == 3)
    if not is_plain or max(new, old) > _LARGEST_TERM:
        return None
    return Decimal(new) / Decimal(old)
