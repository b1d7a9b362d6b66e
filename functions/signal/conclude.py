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
from alpaquero.events.runs import run_concluded
from alpaquero.observability import correlation, count, observed, record_failed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import runs, trading_settings
from alpaquero.store.books import Books
from alpaquero.strategy.conclusion import decide, records_of, wanted
from alpaquero.strategy.run import RunState


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
    correlation(command.correlation_id)
    run = runs.get(SETTINGS.account, command.run_id)
    if run is None:
        raise LookupError(f"run {command.run_id} is not on record; plan it again")
    if run.state is RunState.CONCLUDED:
        return
    settings = trading_settings.of_version(run.settings_version).settings
    if command.reason == "deadline" and time.time() - run.planned_at < settings.run_deadline(run.symbols):
        return  # a repeat of the message that came early; the planned one is still under way
    reported = runs.reports(run.id)
    # What risk holds changes as soon as the first intent is sent: a repeat must not decide anew.
    decision = runs.decision_of(run.id)
    if decision is None:
        raised = any(report.raised for report in reported.values())
        book = Books(SETTINGS.account).risk_book() if raised else None
        decision = runs.decide(run.id, decide(run, reported, book, settings.risk))
    found = [reported[number] for number in decision.shards]
    ranked, intents = wanted(run, found, decision)
    for intent in intents:
        queues.send_in_order(
            SETTINGS.order_queue,
            PlaceOrder(intent=intent),
            group=SETTINGS.account,
            deduplication_id=intent.client_order_id,
        )
    records = records_of(run, ranked, found, decision)
    withheld = sum(record.outcome == "withheld" for record in records)
    counted = msgspec.structs.replace(run, raised=len(ranked), withheld=withheld, intents=len(intents))
    bus.publish(run_concluded(counted, ranked, records, missing_shards=run.shards - len(found)), SETTINGS.bus)
    runs.conclude(counted, records)
    for metric, number in (("SignalsRaised", len(ranked)), ("SignalsWithheld", withheld)):
        if number:
            count(metric, number, account=SETTINGS.account)
