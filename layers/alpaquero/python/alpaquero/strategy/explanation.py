"""Why a symbol did, or did not, trade on a bar: the chain from schedule tick to fill, in words.

Built from records alone, which `alpaquero.store.explained` gathers; shown by the route
`/signals/{symbol}/explain` and by `alpaquero explain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from itertools import groupby

from alpaquero.orders.intent import Intent
from alpaquero.orders.lifecycle import is_terminal
from alpaquero.orders.order import Fill, Order
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass
from alpaquero.risk.verdict import RuleResult
from alpaquero.strategy.conclusion import Decision, intent_of
from alpaquero.strategy.protocol import Condition
from alpaquero.strategy.ranking import rank
from alpaquero.strategy.run import Judged, PassedOver, Run, RunState, ShardReport
from alpaquero.strategy.signal import Signal, Withheld
from alpaquero.strategy.told import Chain, Explanation, Line, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Risk's answer to the intent, rule by rule, at a market time."""

    at: datetime
    approved: bool
    results: Sequence[RuleResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is on record of one symbol, strategy and bar.

    `missed_since` is the close of the first of the bars that no run judged, when the bar asked for
    is one of them. `bars_changed` says that the stored bars are not those that were judged.
    """

    symbol: str
    strategy: str
    timeframe: str
    mode: str
    run: Run | None
    missed_since: datetime | None = None
    reports: dict[int, ShardReport] = field(default_factory=dict)
    decision: Decision | None = None
    bar: Bar | None = None
    bars_changed: bool = False
    values: dict[str, float] = field(default_factory=dict)
    conditions: Sequence[Condition] = ()
    verdicts: Sequence[Asked] = ()
    order: Order | None = None
    legs: Sequence[Order] = ()
    fills: Sequence[Fill] = ()

    @property
    def judged(self) -> Judged | None:
        """The bars the symbol was judged on; None when no shard with it has reported."""
        return next((r.judged[self.symbol] for r in self.reports.values() if self.symbol in r.judged), None)

    def found(self) -> Signal | Withheld | None:
        """What the strategy said in the report."""
        for report in self.reports.values():
            said: tuple[Signal | Withheld, ...] = (*report.raised, *report.withheld)
            for one in said:
                if (one.symbol, one.strategy) == (self.symbol, self.strategy):
                    return one
        return None


def explained(symbol: str, at: datetime | None, evidence: Sequence[Evidence], watched: int) -> Explanation:
    """The explanation by every strategy that judges `symbol`; `watched` symbols are on the watchlist."""
    chains = [chain(one) for one in evidence]
    if not chains:
        answer = (
            f"no strategy judges {symbol}: it is not among the {watched} symbols of the watchlist, "
            "nor among the symbols of a strategy"
        )
        return Explanation(symbol=symbol, at=at, answer=answer, chains=[])
    answer = "; ".join(f"{one.strategy}: {one.answer}" for one in chains)
    return Explanation(symbol=symbol, at=at, answer=answer, chains=chains)


def chain(evidence: Evidence) -> Chain:
    """The links on record, up to the one where it ended."""
    steps: list[Step] = []
    for link in (_schedule, _bar, _condition, _signal, _ranking, _verdict, _order, _fills):
        step = link(evidence)
        if step is not None:
            steps.append(step)
            if not step.passed:
                break
    run = evidence.run
    return Chain(
        strategy=evidence.strategy,
        timeframe=evidence.timeframe,
        mode=evidence.mode,
        run_id=run.id if run else None,
        bar_close=run.bar_close if run else None,
        answer=_answer(steps, traded=bool(evidence.fills)),
        steps=steps,
    )


def _answer(steps: Sequence[Step], *, traded: bool) -> str:
    last = steps[-1]
    if not last.passed:
        return f"it did not trade: {last.result}"
    return f"it traded: {last.result}" if traded else f"under way: {last.result}"


def _schedule(evidence: Evidence) -> Step | None:
    run = evidence.run
    if evidence.missed_since is not None:
        text = (
            f"no run judged the {evidence.timeframe} bars from the one that closed "
            f"{_at(evidence.missed_since)} on: nothing fired in time, and they were too many to catch up"
        )
        return Step(name="schedule", result=text, passed=False)
    if run is None:
        text = (
            f"no run of a {evidence.timeframe} bar is on record up to then; the schedule plans the next one"
        )
        return Step(name="schedule", result=text, passed=False)
    how = "late, after a newer bar had closed: it may exit and enters nothing" if run.late else "in time"
    lines = [
        Line(text=f"{run.symbols} symbols, {run.reported} of {run.shards} shards reported"),
        Line(text=f"settings version {run.settings_version}, rules version {run.rules_version}"),
    ]
    return Step(
        name="schedule", result=f"run {run.id} was planned {how}", at=run.planned_market_at, lines=lines
    )


def _bar(evidence: Evidence) -> Step | None:
    run, judged = evidence.run, evidence.judged
    if run is None:
        return None
    if judged is None:
        why = (
            "has not reported yet" if run.state is RunState.PLANNED else "did not report before the deadline"
        )
        return Step(name="bar", result=f"the shard with {evidence.symbol} {why}", passed=False)
    lines = [Line(text=f"{judged.bars} bars were judged, digest {judged.digest}")]
    if judged.revisions:
        named = ", ".join(f"{period} at {number}" for period, number in sorted(judged.revisions.items()))
        lines.append(Line(text=f"revised chunks: {named}"))
    if evidence.bars_changed:
        lines.append(Line(text="the stored bars are no longer those that were judged", holds=False))
    bar = evidence.bar
    text = f"no bar of {evidence.symbol} was found"
    if bar is not None:
        text = (
            f"{_named(run.timeframe, bar.start, run.bar_close)}: open {bar.open}, high {bar.high}, "
            f"low {bar.low}, close {bar.close}, volume {bar.volume:,}"
        )
    return Step(name="bar", result=text, at=run.bar_close, lines=lines)


def _named(timeframe: str, start: datetime, close: datetime) -> str:
    """A day is a session of New York; its first moment in UTC would say nothing to a trader."""
    if timeframe == Timeframe.DAY:
        return f"the session of {start.astimezone(NEW_YORK):%Y-%m-%d}"
    return f"the bar from {_at(start)}, closed {_at(close)}"


def _condition(evidence: Evidence) -> Step | None:
    found = evidence.found()
    if isinstance(found, Withheld):
        lines = [_value(name, value) for name, value in sorted(found.values.items())]
        return Step(name="values", result=f"{found.code}: {found.message}", passed=False, lines=lines)
    lines = [_value(name, value) for name, value in sorted(evidence.values.items())]
    lines += [_compared(condition) for condition in evidence.conditions]
    if found is not None:
        held = f"every condition of {found.side.upper()} held"
        return Step(name="values", result=held, lines=lines)
    return Step(name="values", result=_failing(evidence.conditions), passed=False, lines=lines)


def _value(name: str, value: float) -> Line:
    return Line(text=f"{name} = {value:g}")


def _compared(condition: Condition) -> Line:
    off = None if condition.holds else round(abs(condition.left - condition.right), 9)
    text = f"{condition.side.upper()}: {condition.text}: {condition.left:g} against {condition.right:g}"
    return Line(text=text, holds=condition.holds, by=off)


def _failing(conditions: Sequence[Condition]) -> str:
    """What failed on the side that came closest, and by how much; of the other only how many."""
    by_side = {side: list(group) for side, group in groupby(conditions, key=lambda condition: condition.side)}
    if not by_side:
        return "no condition held"
    closest, *others = sorted(by_side, key=lambda side: sum(not one.holds for one in by_side[side]))
    named = ", ".join(
        f"{one.text} ({one.left:g} against {one.right:g}, off by {abs(one.left - one.right):g})"
        for one in by_side[closest]
        if not one.holds
    )
    rest = [
        f"{side.upper()} on {sum(not one.holds for one in by_side[side])} of {len(by_side[side])} conditions"
        for side in others
    ]
    return "; ".join([f"{closest.upper()} failed on {named}", *rest])


def _signal(evidence: Evidence) -> Step | None:
    run, found = evidence.run, evidence.found()
    if run is None or not isinstance(found, Signal):
        return None
    if evidence.decision is None:
        return Step(name="signal", result="the run has not been concluded yet", passed=False)
    if not any(evidence.symbol in evidence.reports[n].judged for n in evidence.decision.shards):
        text = "its shard reported after the run was concluded at its deadline"
        return Step(name="signal", result=text, passed=False)
    raised = f"{found.side.upper()} at {found.reference_price}, strength {found.strength}, {found.reason}"
    passed = _passed_over(evidence)
    if passed is not None:
        return Step(name="signal", result=f"{passed.code}: {passed.message} ({raised})", passed=False)
    return Step(name="signal", result=f"raised {raised}", at=found.bar_close)


def _passed_over(evidence: Evidence) -> PassedOver | None:
    decision = evidence.decision
    over = decision.passed_over if decision else ()
    wanted = (evidence.strategy, evidence.symbol)
    return next((one for one in over if (one.strategy, one.symbol) == wanted), None)


def _ranking(evidence: Evidence) -> Step | None:
    intent, decision = intent_on(evidence), evidence.decision
    if intent is None or decision is None:
        return None
    passed = {(one.strategy, one.symbol) for one in decision.passed_over}
    ranked = [
        (signal.strategy, signal.symbol)
        for signal in rank(s for n in decision.shards for s in evidence.reports[n].raised)
        if (signal.strategy, signal.symbol) not in passed
    ]
    place = ranked.index((evidence.strategy, evidence.symbol)) + 1
    text = f"number {place} of {len(ranked)}: exits first, then strength, then symbol"
    lines = [
        Line(text=f"intent {intent.client_order_id}: {intent.purpose}, valid until {_at(intent.valid_until)}")
    ]
    return Step(name="ranking", result=text, lines=lines)


def intent_on(evidence: Evidence) -> Intent | None:
    """The intent that the signal became, None when it was passed over or there was none."""
    found = evidence.found()
    if evidence.run is None or evidence.decision is None or not isinstance(found, Signal):
        return None
    return None if _passed_over(evidence) else intent_of(found, evidence.run)


def _verdict(evidence: Evidence) -> Step | None:
    order = evidence.order
    asked = evidence.verdicts[-1] if evidence.verdicts else None
    results = asked.results if asked else (order.verdict if order else ())
    if not results:
        return Step(name="verdict", result="execute has not judged the intent yet", passed=False)
    failed = [one for one in results if not one.passed]
    at = asked.at if asked else (order.created_at if order else None)
    text = "risk approved" if not failed else "risk refused: " + ", ".join(one.code for one in failed)
    return Step(name="verdict", result=text, passed=not failed, at=at, lines=[_rule(one) for one in results])


def _rule(one: RuleResult) -> Line:
    measured = "" if one.limit is None else f" (used {one.used} of {one.limit})"
    return Line(text=f"{one.code}: {one.message}{measured}", holds=one.passed if one.applies else None)


def _order(evidence: Evidence) -> Step | None:
    order = evidence.order
    if order is None:
        return Step(name="order", result="approved, and not written to the books yet", passed=False)
    sold = "whole position" if order.quantity is None else f"{order.quantity} shares"
    text = f"{order.side} {sold}, {order.order_type}, {order.order_class}: {order.status}"
    lines = [
        Line(
            text=f"{_at(one.at)} {one.status}"
            + "".join(f": {part}" for part in (one.why, one.answer) if part)
        )
        for one in order.history
    ]
    lines += [
        Line(text=f"{leg.role or 'leg'}: {leg.status}, {leg.filled_quantity} filled") for leg in evidence.legs
    ]
    return Step(name="order", result=text, at=order.created_at, lines=lines)


def _fills(evidence: Evidence) -> Step | None:
    if evidence.order is None:
        return None
    if not evidence.fills:
        ended = is_terminal(evidence.order.status)
        return Step(name="fills", result=f"no fill; the order is {evidence.order.status}", passed=not ended)
    total = sum(fill.quantity for fill in evidence.fills)
    lines = [Line(text=f"{_at(f.at)} {f.side} {f.quantity} at {f.price} ({f.id})") for f in evidence.fills]
    average = sum(fill.quantity * fill.price for fill in evidence.fills) / total
    text = f"{total} filled at {average:.4f} on average"
    return Step(name="fills", result=text, at=evidence.fills[-1].at, lines=lines)


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "any time"
