"""The pre-trade rules: small, named, each with its reason code; every intent passes all or is refused.

`trading/execute` calls `assess` with the risk book it will condition its write on, so a verdict
is never older than the book it judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpaquero.orders.intent import Intent, Purpose, Side
from alpaquero.risk import sizing
from alpaquero.risk.book import Reservation, RiskBook, TradingState
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.verdict import RuleResult, Verdict

__all__ = ["ENTRY_RULES", "EXIT_RULES", "Proposal", "RuleResult", "Verdict", "assess", "reservation_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the rules look at. Prices are raw dollars a share, `now` is market time.

    `price` is what an entry is judged at, None when nothing tells it; `worst_price` what it is
    counted at. `quantity` is in shares, `bound_by` the cap that sized it.
    """

    intent: Intent
    book: RiskBook
    limits: RiskLimits
    now: datetime
    price: Decimal | None
    worst_price: Decimal
    quantity: Decimal
    bound_by: str | None = None

    @property
    def shares(self) -> Decimal:
        """Shares the caps are asked about: one when none fits, so that the cap in the way is named."""
        return max(self.quantity, Decimal(1))

    @property
    def notional(self) -> Decimal:
        """Dollars an entry of these shares may cost."""
        return self.shares * self.worst_price


Rule = Callable[[Proposal], RuleResult]


def trading_state(proposal: Proposal) -> RuleResult:
    """HALTED refuses everything; REDUCING refuses what does not shrink a position."""
    state, purpose = proposal.book.trading_state, proposal.intent.purpose
    passed = state is TradingState.ACTIVE or (state is TradingState.REDUCING and purpose is Purpose.EXIT)
    message = f"trading is {state}" + ("" if passed else f", so no {purpose} is placed")
    return RuleResult("trading_state", passed, message)


def signal_validity(proposal: Proposal) -> RuleResult:
    """An intent is refused after its time: a late order trades on news that is old."""
    until = proposal.intent.valid_until
    if until is None:
        return RuleResult("signal_validity", True, "the intent has no end")
    passed = proposal.now <= until
    return RuleResult(
        "signal_validity", passed, f"valid until {until.isoformat()}, now {proposal.now.isoformat()}"
    )


def direction(proposal: Proposal) -> RuleResult:
    """Entries buy and exits sell: the bot holds long positions only."""
    intent = proposal.intent
    passed = intent.side is (Side.BUY if intent.purpose is Purpose.ENTRY else Side.SELL)
    message = f"{intent.purpose} by {intent.side}" + ("" if passed else "; short positions are not supported")
    return RuleResult("direction", passed, message)


def price_known(proposal: Proposal) -> RuleResult:
    """An entry needs a price to be sized and limited by, and one that leaves room for its stop."""
    price = proposal.price
    if price is None:
        return RuleResult("price_known", False, "no quote and no reference price; wait for market data")
    stop = sizing.stop_loss_price(price, proposal.limits)
    passed = 0 < stop < price
    message = f"judged at {price}, stop {stop}"
    return RuleResult("price_known", passed, message if passed else message + "; too low a price for a stop")


def already_held(proposal: Proposal) -> RuleResult:
    """One position or pending entry a symbol, unless the settings allow more."""
    symbol, book = proposal.intent.symbol, proposal.book
    if not proposal.limits.one_position_per_symbol:
        return RuleResult("already_held", True, "several entries a symbol are allowed")
    if book.held_quantity(symbol):
        return RuleResult("already_held", False, f"{book.held_quantity(symbol)} {symbol} are held")
    if book.pending_entry(symbol):
        return RuleResult("already_held", False, f"an entry in {symbol} is under way")
    return RuleResult("already_held", True, f"no {symbol} held or on its way")


def nothing_to_sell(proposal: Proposal) -> RuleResult:
    """An exit sells shares that are held and that no other exit is selling."""
    symbol, book = proposal.intent.symbol, proposal.book
    held, free = book.held_quantity(symbol), book.free_quantity(symbol)
    asked = proposal.intent.quantity if proposal.intent.quantity is not None else free
    passed = 0 < asked <= free
    message = f"{held} {symbol} held, {free} free to sell" + ("" if passed else f", {asked} asked")
    return RuleResult("nothing_to_sell", passed, message, limit=free, used=asked)


def whole_quantity(proposal: Proposal) -> RuleResult:
    """An entry is at least one share and whole, for a bracket takes no fraction."""
    quantity = proposal.quantity
    passed = quantity >= 1 and quantity == quantity.to_integral_value()
    bound = f", bound by {proposal.bound_by}" if proposal.bound_by else ""
    message = f"{quantity} shares{bound}" + ("" if passed else "; an entry takes whole shares, 1 or more")
    return RuleResult("quantity", passed, message, used=quantity)


def equity_at_risk(proposal: Proposal) -> RuleResult:
    """The stop may lose at most `equity_at_risk_percent` of equity, also on a quantity someone chose."""
    limits = proposal.limits
    limit = sizing.percent_of(proposal.book.equity, limits.equity_at_risk_percent)
    loss = proposal.shares * sizing.percent_of(
        proposal.price or proposal.worst_price, limits.stop_loss_percent
    )
    message = f"the stop would lose {loss:.2f} dollars, the limit is {limit:.2f}"
    return RuleResult("equity_at_risk", loss <= limit, message, limit=limit, used=loss)


def position_limit(proposal: Proposal) -> RuleResult:
    """One symbol stays within `position_limit_percent` of equity."""
    return _cap("position_limit", "in one symbol", _caps(proposal).position, proposal)


def exposure_limit(proposal: Proposal) -> RuleResult:
    """All positions stay within `total_exposure_limit_percent` of equity."""
    return _cap("exposure_limit", "in all positions", _caps(proposal).exposure, proposal)


def leverage_limit(proposal: Proposal) -> RuleResult:
    """All positions stay within `leverage_limit` times equity."""
    return _cap("leverage_limit", "with leverage", _caps(proposal).leverage, proposal)


def cash_reserve(proposal: Proposal) -> RuleResult:
    """Cash after all entries stays above `cash_reserve_percent` of equity."""
    return _cap("cash_reserve", "of cash above the reserve", _caps(proposal).cash, proposal)


ENTRY_RULES: tuple[Rule, ...] = (
    trading_state,
    signal_validity,
    direction,
    price_known,
    already_held,
    equity_at_risk,
    position_limit,
    exposure_limit,
    leverage_limit,
    cash_reserve,
    whole_quantity,
)
EXIT_RULES: tuple[Rule, ...] = (trading_state, signal_validity, direction, nothing_to_sell)


def assess(
    intent: Intent, book: RiskBook, limits: RiskLimits, now: datetime, quote_price: Decimal | None
) -> Verdict:
    """The verdict on `intent`: every rule is asked, so that a refusal names all its reasons.

    `now` is market time; `quote_price` the last raw price in dollars, None when there is none,
    and then the intent's reference price counts.
    """
    if intent.purpose is Purpose.EXIT:
        return _assess_exit(_exit_proposal(intent, book, limits, now))
    return _assess_entry(_entry_proposal(intent, book, limits, now, quote_price))


def reservation_for(intent: Intent, verdict: Verdict) -> Reservation:
    """What an approved intent keeps in the risk book until its order ends."""
    return Reservation(
        symbol=intent.symbol,
        side=intent.side,
        purpose=intent.purpose,
        notional=verdict.reserve_notional,
        quantity=verdict.quantity,
    )


def _exit_proposal(intent: Intent, book: RiskBook, limits: RiskLimits, now: datetime) -> Proposal:
    quantity = book.free_quantity(intent.symbol) if intent.quantity is None else intent.quantity
    return Proposal(
        intent=intent,
        book=book,
        limits=limits,
        now=now,
        price=None,
        worst_price=Decimal(0),
        quantity=quantity,
    )


def _entry_proposal(
    intent: Intent, book: RiskBook, limits: RiskLimits, now: datetime, quote_price: Decimal | None
) -> Proposal:
    price = _judged_price(intent, quote_price)
    if price is None:
        worst, quantity, bound_by = Decimal(0), Decimal(0), None
    else:
        # A limit order never pays more than its limit; any other may fill higher than it was judged.
        worst = intent.limit_price or sizing.reserve_price(price, limits)
        quantity, bound_by = _entry_quantity(intent, price, worst, book, limits)
    return Proposal(
        intent=intent,
        book=book,
        limits=limits,
        now=now,
        price=price,
        worst_price=worst,
        quantity=quantity,
        bound_by=bound_by,
    )


def _judged_price(intent: Intent, quote_price: Decimal | None) -> Decimal | None:
    own = intent.limit_price or intent.stop_price
    price = own or (intent.reference_price if quote_price is None else quote_price)
    return price if price is not None and price.is_finite() and price > 0 else None


def _entry_quantity(
    intent: Intent, price: Decimal, worst: Decimal, book: RiskBook, limits: RiskLimits
) -> tuple[Decimal, str | None]:
    if intent.quantity is not None:
        return intent.quantity, None
    sized = sizing.size_entry(intent.symbol, price=price, worst_price=worst, book=book, limits=limits)
    return sized.quantity, sized.bound_by


def _caps(proposal: Proposal) -> sizing.Caps:
    return sizing.caps(proposal.intent.symbol, proposal.book, proposal.limits)


def _cap(code: str, what: str, cap: tuple[Decimal, Decimal], proposal: Proposal) -> RuleResult:
    limit, used = cap
    total = used + proposal.notional
    message = f"{used:.2f} used and {proposal.notional:.2f} asked of {limit:.2f} dollars {what}"
    return RuleResult(code, total <= limit, message, limit=limit, used=total)


def _assess_exit(proposal: Proposal) -> Verdict:
    results = tuple(rule(proposal) for rule in EXIT_RULES)
    approved = all(result.passed for result in results)
    return Verdict(approved=approved, quantity=proposal.quantity if approved else Decimal(0), results=results)


def _assess_entry(proposal: Proposal) -> Verdict:
    results = tuple(rule(proposal) for rule in ENTRY_RULES)
    if proposal.price is None or not all(result.passed for result in results):
        return Verdict(approved=False, quantity=Decimal(0), results=results, bound_by=proposal.bound_by)
    return Verdict(
        approved=True,
        quantity=proposal.quantity,
        results=results,
        stop_loss_price=sizing.stop_loss_price(proposal.price, proposal.limits),
        take_profit_price=sizing.take_profit_price(proposal.price, proposal.limits),
        reserve_notional=proposal.quantity * proposal.worst_price,
        bound_by=proposal.bound_by,
    )
