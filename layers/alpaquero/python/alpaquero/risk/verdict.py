"""What the risk rules say about an intent; stored with the order and shown by the orders API."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's answer; `limit` and `used` (what was measured) are in the rule's own unit where it has one.

    A rule that does not apply to the intent, or is switched off, passes with `applies` false.
    """

    code: str
    passed: bool
    message: str
    limit: Decimal | None = None
    used: Decimal | None = None
    applies: bool = True

    @property
    def outcome(self) -> str:
        """`passed`, `failed` or `not_applicable`."""
        if not self.applies:
            return "not_applicable"
        return "passed" if self.passed else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer of all rules. `quantity` is in shares, 0 when nothing can be traded.

    `reserve_notional` is the cash, in dollars, to reserve until the order ends; `bound_by` names
    the cap that decided a sized quantity. Stop and target are set for an approved entry only.
    """

    approved: bool
    quantity: Decimal
    results: tuple[RuleResult, ...]
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    reserve_notional: Decimal = Decimal(0)
    bound_by: str | None = None

    @property
    def failed(self) -> tuple[RuleResult, ...]:
        """The rules that did not pass, in the order they are listed."""
        return tuple(result for result in self.results if not result.passed)
