"""The pre-trade rules: small, named, each with its reason code; every intent passes all or is refused.

`trading/execute` calls `assess` with the risk book it will condition its write on, so a verdict
is never older than the book it judged; `POST /risk/assess` asks the same without trading. The
rules are pure: what they look at is the intent, the book, the limits and the `Facts`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal

from alpaquero.orders.intent import Intent, OrderClass, Purpose
from alpaquero.orders.terms import NINE_PLACES, is_whole
from alpaquero.quickly_made import dataclass, maker
from alpaquero.risk import amount_rules, glance, loss_rules, market_rules, sizing, symbol_rules
from alpaquero.risk.book import Reservation, RiskBook
from alpaquero.risk.facts import Facts
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.proposal import Answer, Proposal
from alpaquero.risk.verdict import RuleResult, Verdict

__all__ = ["RULES", "Facts", "Rule", "RuleResult", "Verdict", "assess", "reservation_for"]

_ZERO = Decimal(0)
_proposed, _approved = maker(Proposal), maker(Verdict)
_EXIT, _BRACKET = Purpose.EXIT, OrderClass.BRACKET  # Python 3.11 takes long to find them in their enums
ENTRY, EXIT = frozenset({Purpose.ENTRY}), frozenset({Purpose.EXIT})
BOTH = ENTRY | EXIT


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what judges, which purposes it judges, and the settings it goes by."""

    judge: Callable[[Proposal], Answer]
    purposes: frozenset[Purpose]
    settings: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """The reason code: the name of what judges."""
        return self.judge.__name__

    def result(self, proposal: Proposal) -> RuleResult:
        """The rule's place in the verdict."""
        if proposal.intent.purpose not in self.purposes:
            message = f"does not judge an {proposal.intent.purpose}"
            return RuleResult(self.code, True, message, applies=False)
        answer = self.judge(proposal)
        return RuleResult(self.code, answer.passed, answer.message, answer.limit, answer.used, answer.applies)


# In the order a verdict lists them. An exit is judged by few: no loss or exposure may keep it in.
RULES: tuple[Rule, ...] = (
    Rule(market_rules.trading_state, BOTH),
    Rule(market_rules.market_clock, ENTRY),
    Rule(market_rules.market_open, ENTRY, ("allow_entries_while_closed",)),
    Rule(market_rules.session_window, ENTRY, ("session_open_delay_minutes", "session_close_margin_minutes")),
    Rule(market_rules.data_freshness, ENTRY, ("price_age_limit_minutes",)),
    Rule(market_rules.signal_validity, BOTH, ("signal_validity_bars",)),
    Rule(market_rules.request_age, BOTH, ("request_validity_minutes",)),
    Rule(market_rules.blackout, ENTRY, ("blackouts",)),
    Rule(symbol_rules.direction, BOTH, ("allow_short",)),
    Rule(symbol_rules.tradable, ENTRY),
    Rule(symbol_rules.symbol_lock, ENTRY, ("locked_symbols",)),
    Rule(symbol_rules.symbol_cooldown, ENTRY, ("symbol_cooldown_minutes",)),
    Rule(market_rules.price_known, ENTRY),
    Rule(market_rules.price_collar, BOTH, ("price_collar_percent",)),
    Rule(symbol_rules.already_held, ENTRY, ("one_position_per_symbol",)),
    Rule(symbol_rules.open_positions, ENTRY, ("open_positions_limit",)),
    Rule(symbol_rules.duplicate_direction, ENTRY, ("one_open_entry_per_symbol",)),
    Rule(symbol_rules.wash_trade, ENTRY, ("refuse_wash_trades",)),
    Rule(symbol_rules.nothing_to_sell, EXIT),
    Rule(loss_rules.orders_per_minute, ENTRY, ("orders_per_minute_limit",)),
    Rule(loss_rules.daily_loss, ENTRY, ("daily_loss_limit_percent", "daily_loss_action")),
    Rule(
        loss_rules.drawdown,
        ENTRY,
        ("drawdown_limit_percent", "drawdown_release_percent", "drawdown_action"),
    ),
    Rule(loss_rules.loss_streak, ENTRY, ("loss_streak_limit_trades", "loss_streak_pause_hours")),
    Rule(
        loss_rules.stop_guard,
        ENTRY,
        ("stop_guard_limit_stops", "stop_guard_window_hours", "stop_guard_pause_hours"),
    ),
    Rule(amount_rules.equity_at_risk, ENTRY, ("equity_at_risk_percent",)),
    Rule(amount_rules.order_notional, ENTRY, ("order_notional_limit_dollars",)),
    Rule(amount_rules.position_limit, ENTRY, ("position_limit_percent",)),
    Rule(amount_rules.exposure_limit, ENTRY, ("total_exposure_limit_percent",)),
    Rule(
        amount_rules.sector_limit,
        ENTRY,
        ("sector_limit_percent", "unknown_sector_limit_percent", "sectors"),
    ),
    Rule(amount_rules.leverage_limit, ENTRY, ("leverage_limit",)),
    Rule(amount_rules.cash_reserve, ENTRY, ("cash_reserve_percent",)),
    Rule(amount_rules.buying_power, ENTRY, ("buying_power_reserve_percent",)),
    Rule(amount_rules.intraday_margin, ENTRY, ("maintenance_margin_percent",)),
    Rule(amount_rules.quantity, ENTRY),
)

_JUDGES = {purpose: tuple(rule for rule in RULES if purpose in rule.purposes) for purpose in Purpose}
# Of those what a glance leaves to be asked, by what it is in doubt of.
_ASKED = {
    (purpose, in_doubt): tuple(r for r in judges if r.code not in glance.ANSWERED or r.code in in_doubt)
    for purpose, judges in _JUDGES.items()
    for in_doubt in (glance.NONE, glance.LOSSES, glance.ANSWERED)
}


def assess(
    intent: Intent, book: RiskBook, limits: RiskLimits, facts: Facts, *, failed_only: bool = False
) -> Verdict:
    """The verdict on `intent`: every rule answers, so that a refusal names all its reasons.

    With `failed_only` its results are those of the rules that did not pass, which is all that a
    backtest counts.
    """
    proposal = _proposal(intent, book.on_day_of(facts.now), limits, facts)
    results: tuple[RuleResult, ...] = ()
    if failed_only:
        asked = _ASKED[intent.purpose, glance.in_doubt(proposal)]
        if asked:
            results = tuple([rule.result(proposal) for rule in asked if not rule.judge(proposal).passed])
    else:
        results = tuple(rule.result(proposal) for rule in RULES)
    if results and not all(result.passed for result in results):
        return Verdict(approved=False, quantity=_ZERO, results=results, bound_by=proposal.bound_by)
    if proposal.price is None or proposal.stop_distance is None:  # an exit: it is not sized by its stop
        return Verdict(
            approved=True,
            quantity=proposal.quantity,
            results=results,
            stop_loss_price=intent.stop_loss_price,
            take_profit_price=intent.take_profit_price,
        )
    stop, target = _exit_prices(proposal, proposal.price, proposal.stop_distance)
    return _approved(
        approved=True,
        quantity=proposal.quantity,
        results=results,
        stop_loss_price=stop,
        take_profit_price=target,
        reserve_notional=proposal.notional,
        bound_by=proposal.bound_by,
    )


def _exit_prices(
    proposal: Proposal, price: Decimal, distance: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """Stop and target that an entry brings: its own, and for a bracket the settings' for what it lacks."""
    stop, target = proposal.intent.stop_loss_price, proposal.intent.take_profit_price
    if proposal.intent.kind is not _BRACKET:
        return stop, target
    return (
        stop or sizing.stop_loss_price(price, distance),
        target or sizing.take_profit_price(price, proposal.limits),
    )


def reservation_for(intent: Intent, verdict: Verdict) -> Reservation:
    """What an approved intent keeps in the risk book until its order ends."""
    return Reservation(
        symbol=intent.symbol,
        side=intent.side,
        purpose=intent.purpose,
        notional=verdict.reserve_notional,
        quantity=verdict.quantity,
        forced=intent.forced,
    )


def _proposal(intent: Intent, book: RiskBook, limits: RiskLimits, facts: Facts) -> Proposal:
    price, worst, distance, bound_by, overpaid = None, _ZERO, None, None, _ZERO
    caps: dict[str, sizing.Cap] = {}
    if intent.purpose is _EXIT:
        quantity = exit_quantity(intent, book.free_quantity(intent.symbol, forced=intent.forced))
    else:
        quantity = intent.quantity or _ZERO
        price = _judged_price(intent, facts.price)
        caps = sizing.caps(intent.symbol, book, limits)
    if price is not None:
        overpaid = _overpaid(intent, price, facts)
        worst = max(_worst_price(intent, price, limits), price + overpaid)
        distance = sizing.stop_distance(price, limits, facts.average_true_range)
        if intent.stop_loss_price is not None:
            distance = price - intent.stop_loss_price
        if intent.notional is not None:
            quantity = (intent.notional / price).quantize(NINE_PLACES, ROUND_FLOOR)
        elif intent.quantity is None and distance and distance > 0:
            sized = sizing.size_entry(
                intent.symbol,
                worst_price=worst,
                stop_distance=distance + overpaid,
                book=book,
                limits=limits,
                known=caps,
            )
            quantity, bound_by = sized.quantity, sized.bound_by
    return _proposed(
        intent=intent,
        book=book,
        limits=limits,
        facts=facts,
        price=price,
        worst_price=worst,
        stop_distance=distance,
        quantity=quantity,
        bound_by=bound_by,
        overpaid=overpaid,
        caps=caps,
    )


def exit_quantity(intent: Intent, free: Decimal) -> Decimal:
    """The shares an exit wants: a number, a percentage of what is free, or all of it.

    A percentage of whole shares is whole shares.
    """
    if intent.quantity is not None:
        return intent.quantity
    if intent.percentage is None:
        return free
    step = Decimal(1) if is_whole(free) else NINE_PLACES
    return (free * intent.percentage / 100).quantize(step, ROUND_FLOOR)


def _worst_price(intent: Intent, price: Decimal, limits: RiskLimits) -> Decimal:
    """Dollars a share to count at: a limit order never pays more, any other may fill higher than judged."""
    if intent.limit_price is not None:
        return intent.limit_price
    if intent.trail_price is not None:
        price += intent.trail_price
    elif intent.trail_percent is not None:
        price += price * intent.trail_percent / 100
    return sizing.reserve_price(price, limits)


def _overpaid(intent: Intent, price: Decimal, facts: Facts) -> Decimal:
    """Dollars a share that the market is above `price`, where no limit keeps the order from paying them.

    Its stop stays where it was judged, so this is lost as well when the stop is hit.
    """
    market = facts.market
    if market is None or intent.limit_price is not None:
        return _ZERO
    if market.last is price and market.ask is None:  # a backtest's
        return _ZERO
    asked = market.for_side(intent.side)
    return _ZERO if asked is None else max(asked - price, _ZERO)


def _judged_price(intent: Intent, known: Decimal | None) -> Decimal | None:
    own = intent.limit_price or intent.stop_price
    price = own or (intent.reference_price if known is None else known)
    return price if price is not None and price.is_finite() and price > 0 else None
