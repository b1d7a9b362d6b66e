"""What every rule is asked about, and what it answers; made by `alpaquero.risk.rules`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from alpaquero.orders.intent import Intent, Purpose
from alpaquero.orders.terms import is_fractional
from alpaquero.quickly_made import dataclass
from alpaquero.risk.book import RiskBook
from alpaquero.risk.facts import Facts
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.sizing import Cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the rules look at. Prices are raw dollars a share.

    `price` is what an entry is judged at, None when nothing tells it; `worst_price` what it is
    counted at; `stop_distance` the dollars from `price` to its stop, None when not known; `overpaid` the
    dollars that the market asks above `price` of an order without a limit. `quantity` is in shares,
    `bound_by` the cap that sized it. `caps` are what limits an entry's cost, by rule.
    """

    intent: Intent
    book: RiskBook
    limits: RiskLimits
    facts: Facts
    price: Decimal | None
    worst_price: Decimal
    stop_distance: Decimal | None
    quantity: Decimal
    bound_by: str | None = None
    overpaid: Decimal = Decimal(0)
    caps: Mapping[str, Cap] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Market time."""
        return self.facts.now

    @property
    def is_entry(self) -> bool:
        """Whether the intent opens or grows a position."""
        return self.intent.purpose is Purpose.ENTRY

    @property
    def shares(self) -> Decimal:
        """Shares the caps are asked about: one when none fits, so that the cap in the way is named."""
        return self.quantity if is_fractional(self.intent) else max(self.quantity, Decimal(1))

    @property
    def notional(self) -> Decimal:
        """Dollars an entry of these shares may cost; one for dollars costs no more than these."""
        return self.intent.notional or self.shares * self.worst_price


class Answer(NamedTuple):
    """What a rule says; `limit` and `used` in its own unit. One that does not apply has passed.

    `words` may be a function that makes them: a backtest asks many thousand verdicts and reads no word.
    """

    passed: bool
    words: str | Callable[[], str]
    limit: Decimal | None = None
    used: Decimal | None = None
    applies: bool = True

    @property
    def message(self) -> str:
        """The words."""
        return self.words if isinstance(self.words, str) else self.words()


def not_applicable(why: str | Callable[[], str]) -> Answer:
    """The answer of a rule that has nothing to judge."""
    return Answer(True, why, None, None, False)
