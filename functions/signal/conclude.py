"""Concludes a run: ranks what its shards raised and sends one order intent each to the FIFO queue.

Started by ConcludeQueue, when the last shard has reported or the deadline has passed. Everything
it writes and sends has an id derived from the run, so concluding twice changes nothing.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from alpaquero.events import bus, queues
from alpaquero.events.commands import ConcludeRun, PlaceOrder
from alpaquero.events.schemas import Event, RunConcluded, SignalRaised, SignalWithheld
from alpaquero.observability import observed, record_failed
from alpaquero.orders.identity import signal_key
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.risk.book import RiskBook
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import runs, trading_settings
from alpaquero.store.books import Books
from alpaquero.store.runs import Decision, Run, RunState, ShardReport, SignalRecord
from alpaquero.strategy.ranking import rank
from alpaquero.strategy.signal import Signal, Withheld

ALREADY_HELD = "already_held"
NOTHING_HELD = "nothing_held"
MESSAGES = {
    ALREADY_HELD: "the condition held, but the symbol is held or being bought already",
    NOTHING_HELD: "the condition held, but there is no position to sell",
}


class ConcludeSettings(FunctionSettings, frozen=True, kw_only=True):
    """What concluding needs: the order queue and the bus."""

    order_queue: Text
    bus: Text


SETTINGS = load(ConcludeSettings)


@observed("signal")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Concludes each run of the batch."""
    return queues.work_through(
        event,
        lambda record: conclude(msgspec.json.decode(record["body"], type=ConcludeRun)),
        record_failed,
    )


def conclude(command: ConcludeRun) -> None:
    """Ranks, tells and orders what the run raised, then closes it."""
    run = runs.get(SETTINGS.account, command.run_id)
    if run is None:
        raise LookupError(f"run {command.run_id} is not on record; plan it again")
    if run.state is RunState.CONCLUDED:
        return
    settings = trading_settings.of_version(run.settings_version).settings
    if command.reason == "deadline" and time.time() - run.planned_at < settings.run_deadline_seconds:
        return  # a repeat of the message that came early; the planned one is still under way
    reported = runs.reports(run.id)
    # What risk holds changes as soon as the first intent is sent: a repeat must not decide anew.
    decision = runs.decide(run.id, _decision(reported))
    found = [reported[number] for number in decision.shards]
    passed_over = decision.passed_over
    ranked = rank([signal for report in found for signal in report.raised])
    intents = [intent_of(signal, run) for signal in ranked if signal.symbol not in passed_over]
    for intent in intents:
        queues.send_in_order(
            SETTINGS.order_queue,
            PlaceOrder(intent=intent),
            group=SETTINGS.account,
            deduplication_id=intent.client_order_id,
        )
    records = [_record_raised(s, run, passed_over.get(s.symbol)) for s in ranked]
    records += [_record_withheld(w, run) for report in found for w in report.withheld]
    events = _events(run, ranked, records, len(intents), missing=len(run.shards) - len(found))
    bus.publish([bus.encoded(e, "signal") for e in events], SETTINGS.bus)
    withheld = sum(record.outcome == "withheld" for record in records)
    counted = msgspec.structs.replace(run, raised=len(ranked), withheld=withheld, intents=len(intents))
    runs.conclude(counted, records)


def _decision(reported: dict[int, ShardReport]) -> Decision:
    book = Books(SETTINGS.account).risk_book()
    raised = [signal for report in reported.values() for signal in report.raised]
    passed_over = {signal.symbol: code for signal in raised if (code := _passed_over(signal, book))}
    return Decision(shards=tuple(reported), passed_over=passed_over)


def _passed_over(signal: Signal, book: RiskBook | None) -> str | None:
    """Why nobody need be asked to trade on this signal; risk judges all the others."""
    if book is None:
        return None
    held = book.held_quantity(signal.symbol) > 0 or book.pending_entry(signal.symbol)
    if signal.side is Side.BUY:
        return ALREADY_HELD if held else None
    return None if held else NOTHING_HELD


def intent_of(signal: Signal, run: Run) -> Intent:
    """The order a signal asks for: an entry sized by risk, or the exit of the whole position."""
    return Intent(
        account=SETTINGS.account,
        origin=Origin.SIGNAL,
        purpose=Purpose.ENTRY if signal.side is Side.BUY else Purpose.EXIT,
        symbol=signal.symbol,
        side=signal.side,
        key=signal_key(
            SETTINGS.account, signal.strategy, signal.timeframe, signal.side, signal.symbol, signal.bar_close
        ),
        strategy=signal.strategy,
        timeframe=signal.timeframe,
        bar_close=signal.bar_close,
        valid_until=run.valid_until,
        reference_price=signal.reference_price,
        strength=signal.strength,
        reason=signal.reason,
        run_id=run.id,
        correlation_id=run.correlation_id,
    )


def _record_raised(signal: Signal, run: Run, passed_over: str | None) -> SignalRecord:
    return SignalRecord(
        symbol=signal.symbol,
        outcome="withheld" if passed_over else "raised",
        side=signal.side,
        strategy=signal.strategy,
        timeframe=signal.timeframe,
        bar_close=signal.bar_close,
        strength=signal.strength,
        reference_price=str(signal.reference_price),
        code=passed_over or "raised",
        message=MESSAGES[passed_over] if passed_over else signal.reason,
        values=signal.values,
        run_id=run.id,
    )


def _record_withheld(withheld: Withheld, run: Run) -> SignalRecord:
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


def _events(
    run: Run, ranked: list[Signal], records: list[SignalRecord], intents: int, missing: int
) -> list[Event]:
    """A raised condition is told even when nobody need trade on it; why not is told beside it."""
    events: list[Event] = [
        SignalRaised(
            id=f"raised:{run.id}:{signal.strategy}:{signal.symbol}",
            run_id=run.id,
            symbol=signal.symbol,
            side=signal.side,
            strategy=signal.strategy,
            timeframe=signal.timeframe,
            bar_close=signal.bar_close,
            strength=signal.strength,
            reference_price=signal.reference_price,
            reason=signal.reason,
            values=signal.values,
            occurred_at=run.bar_close,
            account=run.account,
            correlation_id=run.correlation_id,
        )
        for signal in ranked
    ]
    events += [
        SignalWithheld(
            id=f"withheld:{run.id}:{record.strategy}:{record.symbol}",
            run_id=run.id,
            symbol=record.symbol,
            strategy=record.strategy,
            timeframe=record.timeframe,
            bar_close=record.bar_close,
            code=record.code,
            message=record.message,
            occurred_at=run.bar_close,
            account=run.account,
            correlation_id=run.correlation_id,
        )
        for record in records
        if record.outcome == "withheld"
    ]
    events.append(
        RunConcluded(
            id=f"concluded:{run.id}",
            run_id=run.id,
            bar_close=run.bar_close,
            raised=len(ranked),
            withheld=sum(record.outcome == "withheld" for record in records),
            intents=intents,
            missing_shards=missing,
            occurred_at=run.bar_close,
            account=run.account,
            correlation_id=run.correlation_id,
        )
    )
    return events
