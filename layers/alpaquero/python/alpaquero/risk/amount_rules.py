"""Rules about the amount: what an entry may cost, and what its stop may lose."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.orders.terms import is_fractional
from alpaquero.risk import sizing
from alpaquero.risk.proposal import Answer, Proposal, not_applicable

_ONE = Decimal(1)


def equity_at_risk(proposal: Proposal) -> Answer:
    """The stop may lose at most `equity_at_risk_percent` of equity, also on a quantity someone chose."""
    limit = sizing.percent_of(proposal.book.equity, proposal.limits.equity_at_risk_percent)
    if proposal.stop_distance is None:
        return not_applicable("no stop to lose to; see price_known")
    loss = proposal.shares * (proposal.stop_distance + proposal.overpaid)
    return Answer(
        loss <= limit,
        lambda: f"the stop would lose {loss:.2f} dollars, the limit is {limit:.2f}",
        limit,
        loss,
    )


def order_notional(proposal: Proposal) -> Answer:
    """One order costs at most `order_notional_limit_dollars`."""
    return _cap("order_notional", "an order", proposal)


def position_limit(proposal: Proposal) -> Answer:
    """One symbol stays within `position_limit_percent` of equity."""
    return _cap("position_limit", "in one symbol", proposal)


def exposure_limit(proposal: Proposal) -> Answer:
    """All positions, long and short, stay within `total_exposure_limit_percent` of equity."""
    return _cap("exposure_limit", "in all positions", proposal)


def sector_limit(proposal: Proposal) -> Answer:
    """One sector stays within its limit; symbols without a sector share the sector `unknown`."""
    sector = proposal.limits.sector_of(proposal.intent.symbol)
    return _cap("sector_limit", "in the sector " + sector, proposal)


def leverage_limit(proposal: Proposal) -> Answer:
    """All positions stay within `leverage_limit` times equity."""
    return _cap("leverage_limit", "with leverage", proposal)


def cash_reserve(proposal: Proposal) -> Answer:
    """Cash after all entries stays above `cash_reserve_percent` of equity."""
    return _cap("cash_reserve", "of cash above the reserve", proposal)


def buying_power(proposal: Proposal) -> Answer:
    """The broker's buying power pays for it and for the entries that the broker does not count yet."""
    if proposal.book.buying_power is None:
        return not_applicable("the broker's buying power is not known before the next sync")
    return _cap("buying_power", "of buying power", proposal)


def intraday_margin(proposal: Proposal) -> Answer:
    """Equity covers `maintenance_margin_percent` of all positions, at every moment of the day.

    Source: FINRA's intraday margin rule, which took the place of the day-trade count in 2026.
    """
    return _cap("intraday_margin", "of positions that equity can margin", proposal)


def quantity(proposal: Proposal) -> Answer:
    """An entry is at least one share and whole; a simple day order may be a fraction or for dollars."""
    shares = proposal.quantity
    if is_fractional(proposal.intent):
        return Answer(shares > 0, f"{shares} shares" + ("" if shares > 0 else "; too few dollars for any"))
    passed = shares >= 1 and shares == shares.to_integral_value()
    return Answer(passed, lambda: _sized(proposal, passed=passed), _ONE, shares)


def _cap(code: str, what: str, proposal: Proposal) -> Answer:
    cap, asked = proposal.caps[code], proposal.notional
    total = cap.used + asked
    return Answer(
        total <= cap.limit,
        lambda: f"{cap.used:.2f} used and {asked:.2f} asked of {cap.limit:.2f} dollars {what}",
        cap.limit,
        total,
    )


def _sized(proposal: Proposal, *, passed: bool) -> str:
    bound = f", bound by {proposal.bound_by}" if proposal.bound_by else ""
    return f"{proposal.quantity} shares{bound}" + (
        "" if passed else "; an entry takes whole shares, 1 or more"
    )
