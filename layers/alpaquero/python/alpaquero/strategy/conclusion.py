"""What becomes of the signals a run raised: which are passed over, and the intents of the others.

Called by `signal/conclude`, and by `replay` with what was stored. The risk rules are asked here as
`execute` asks them, so that a signal's record says why nothing follows; `execute` judges the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from alpaquero.orders.identity import signal_key
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.quickly_made import maker
from alpaquero.risk.book import RiskBook
from alpaquero.risk.facts import Facts
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.proposal import Proposal
from alpaquero.risk.rules import RULES, Rule
from alpaquero.rules_version import RULES_VERSION
from alpaquero.strategy.ranking import rank
from alpaquero.strategy.run import PassedOver, Run, ShardReport, SignalRecord
from alpaquero.strategy.signal import Signal, Withheld

SHADOW = "shadow"
LATE = "late"
ALREADY_HELD = "already_held"
NOTHING_HELD = "nothing_held"
LOCKED = "locked"
COOLDOWN = "cooldown"

_made_intent = maker(Intent)
# Python 3.11 takes ten times as long to find a member in its enum; a backtest asks thousands of times.
_SIGNAL, _ENTRY, _EXIT, _BUY = Origin.SIGNAL, Purpose.ENTRY, Purpose.EXIT, Side.BUY

_HOLDING_WORDS = {
    ALREADY_HELD: "the condition held, but the symbol is held or being bought already",
    NOTHING_HELD: "the condition held, but there is no position to sell",
}

# The risk rules that look at book, settings and time alone, and how a signal's record says it.
_FORESEEN = {
    "trading_state": LOCKED,
    "symbol_lock": LOCKED,
    "loss_streak": LOCKED,
    "stop_guard": LOCKED,
    "symbol_cooldown": COOLDOWN,
}
_RULES: tuple[tuple[Rule, str], ...] = tuple(
    (rule, _FORESEEN[rule.code]) for rule in RULES if rule.code in _FORESEEN
)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a conclusion rests on: the shards that had reported, the risk book, the signals passed over.

    The first conclusion decides; a repeat takes its word. `risk_book` is None when no signal was
    raised or no books were open yet.
    """

    shards: tuple[int, ...]
    passed_over: tuple[PassedOver, ...]
    risk_book: RiskBook | None
    rules_version: int


def decide(
    run: Run,
    reports: Mapping[int, ShardReport],
    book: RiskBook | None,
    limits: RiskLimits,
) -> Decision:
    """What the conclusion of `run` rests on, given the reports that have come, by shard number."""
    ranked = rank(signal for report in reports.values() for signal in report.raised)
    book = book if ranked else None
    passed: list[PassedOver] = []
    entered: set[str] = set()
    for signal in ranked:
        why = _why_passed_over(signal, run, book, limits, entered)
        if why is not None:
            code, message = why
            passed.append(
                PassedOver(strategy=signal.strategy, symbol=signal.symbol, code=code, message=message)
            )
        elif signal.side is Side.BUY:
            entered.add(signal.symbol)
    return Decision(
        shards=tuple(sorted(reports)),
        passed_over=tuple(passed),
        risk_book=book,
        rules_version=RULES_VERSION,
    )


def _why_passed_over(
    signal: Signal,
    run: Run,
    book: RiskBook | None,
    limits: RiskLimits,
    entered: Collection[str],
) -> tuple[str, str] | None:
    """Code and words of why nobody is asked to trade on this signal; None sends it to risk."""
    if signal.shadow:
        return SHADOW, f"the condition held; {signal.strategy} is a shadow strategy and trades nothing"
    if signal.side is Side.BUY and run.late:
        return LATE, "the condition held on a bar that was judged late; late runs enter nothing"
    if book is None:
        return None
    return _holding(signal, book, entered) or foreseen(
        intent_of(signal, run), book, limits, max(book.as_of, run.planned_market_at)
    )


def _holding(signal: Signal, book: RiskBook, entered: Collection[str]) -> tuple[str, str] | None:
    """A purchase of what is held or being bought, a sale of what is not."""
    held = book.held_quantity(signal.symbol) > 0 or book.pending_entry(signal.symbol)
    code = holding_code(signal.side, held=held)
    if code is not None:
        return code, _HOLDING_WORDS[code]
    if signal.side is Side.SELL:
        return None
    if signal.symbol in entered:
        return ALREADY_HELD, "the condition held, but a stronger signal of this run buys the symbol"
    return None


def holding_code(side: Side, *, held: bool) -> str | None:
    """Why a signal is passed over by what is `held` or being bought of its symbol, None when it is not."""
    if side is _BUY:
        return ALREADY_HELD if held else None
    return None if held else NOTHING_HELD


def foreseen(intent: Intent, book: RiskBook, limits: RiskLimits, now: datetime) -> tuple[str, str] | None:
    """`locked` or `cooldown` with the words of the risk rule that would refuse the intent, or None."""
    proposal = Proposal(
        intent=intent,
        book=book.on_day_of(now),
        limits=limits,
        facts=Facts(now=now),
        price=intent.reference_price,
        worst_price=intent.reference_price or Decimal(0),
        stop_distance=None,
        quantity=Decimal(0),
    )
    for rule, code in _RULES:
        result = rule.result(proposal)
        if not result.passed:
            return code, f"the condition held, but {result.message}"
    return None


def wanted(run: Run, reports: Iterable[ShardReport], decision: Decision) -> tuple[list[Signal], list[Intent]]:
    """Every signal in the order of its rank, and the intents of those that were not passed over."""
    ranked = rank(signal for report in reports for signal in report.raised)
    passed = {(one.strategy, one.symbol) for one in decision.passed_over}
    chosen = [signal for signal in ranked if (signal.strategy, signal.symbol) not in passed]
    return ranked, [intent_of(signal, run) for signal in chosen]


def foreseen_code(failed: Iterable[str]) -> str | None:
    """`locked` or `cooldown` when one of the rules that failed is among those foreseen, else None."""
    return next((_FORESEEN[code] for code in failed if code in _FORESEEN), None)


def intent_of(signal: Signal, run: Run) -> Intent:
    """The order a signal asks for in its run."""
    until = run.valid_until[signal.strategy]
    return intent_on(signal, run.account, until, run_id=run.id, correlation_id=run.correlation_id)


def intent_on(
    signal: Signal,
    account: str,
    valid_until: datetime,
    *,
    run_id: str | None = None,
    correlation_id: str = "",
) -> Intent:
    """The order a signal asks for: an entry sized by risk, or the exit of the whole position."""
    return _made_intent(
        account=account,
        origin=_SIGNAL,
        purpose=_ENTRY if signal.side is _BUY else _EXIT,
        symbol=signal.symbol,
        side=signal.side,
        key=signal_key(
            account, signal.strategy, signal.timeframe, signal.side, signal.symbol, signal.bar_close
        ),
        strategy=signal.strategy,
        timeframe=signal.timeframe,
        bar_close=signal.bar_close,
        valid_until=valid_until,
        reference_price=signal.reference_price,
        strength=signal.strength,
        reason=signal.reason,
        run_id=run_id,
        correlation_id=correlation_id,
    )


def records_of(
    run: Run, ranked: Sequence[Signal], reports: Iterable[ShardReport], decision: Decision
) -> list[SignalRecord]:
    """The records of a run's signals, raised ones first, then what could not be judged."""
    passed = {(one.strategy, one.symbol): one for one in decision.passed_over}
    records = [_raised(signal, run, passed.get((signal.strategy, signal.symbol))) for signal in ranked]
    return records + [_withheld(one, run) for report in reports for one in report.withheld]


def _raised(signal: Signal, run: Run, passed: PassedOver | None) -> SignalRecord:
    return SignalRecord(
        symbol=signal.symbol,
        outcome="withheld" if passed else "raised",
        side=signal.side,
        strategy=signal.strategy,
        timeframe=signal.timeframe,
        bar_close=signal.bar_close,
        strength=signal.strength,
        reference_price=str(signal.reference_price),
        code=passed.code if passed else "raised",
        message=passed.message if passed else signal.reason,
        values=signal.values,
        run_id=run.id,
    )


def _withheld(withheld: Withheld, run: Run) -> SignalRecord:
    return SignalRecord(
        symbol=withheld.symbol,
        outcome="withheld",
        side=None,
        strategy=withheld.strategy,
        timeframe=withheld.timeframe,
        bar_close=withheld.bar_close,
        strength=None,
        reference_price=None,
        code=withheld.code,
        message=withheld.message,
        values=withheld.values,
        run_id=run.id,
    )
