"""Fetches history and stores it: a job in steps of about a page, gone on with in message after message.

Started by IngestQueue; a person asks with POST /api/historical/ingest. After each step the job's
progress is written, and before the time of an invocation is up a message to itself goes on where it
stopped. When the broker does not answer, or the request budget has no room for work that nobody waits
for, the next message comes later. Doing a step twice stores the same bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec

from alpaquero import deadline
from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.budget import Priority
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import ClockReader, MarketDataReader
from alpaquero.errors import BrokerRejected, BrokerUnavailable, BrokerUnclear
from alpaquero.events import queues
from alpaquero.events.commands import IngestBars
from alpaquero.last_work import worked_through
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.regular_hours import in_session
from alpaquero.prices.sessions import LENGTHS, NEW_YORK, Session, bar_start, last_closed_session
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import bars, ingests
from alpaquero.store.ingests import Ingest, IngestState, Step
from alpaquero.store.series import rescaled_after, rescaled_before

LEAST_SECONDS: Final = 25  # what a step may take: 20 s of tries, then the writes
SETTLE: Final = {Timeframe.DAY: timedelta(minutes=20)}  # by then a bar is as good as final
SETTLE_INTRADAY: Final = timedelta(minutes=1)
TROUBLES: Final = 20  # in a row; then somebody has to look
PAUSE_SECONDS: Final = 30
LONGEST_PAUSE_SECONDS: Final = 900  # SQS's longest delay


class IngestSettings(ClockSettings, frozen=True, kw_only=True):
    """What fetching needs: prices, clock and calendar, the queue to go on by."""

    ingest_queue: Text


SETTINGS = load(IngestSettings)


@cache
def reader() -> ClockReader:
    """The trading API, for clock and calendar; connected at the first step."""
    return connect_clock(SETTINGS)


@cache
def market_data() -> MarketDataReader:
    """The data API, behind everything else that uses the budget."""
    return connect_market_data(SETTINGS, Priority.BULK)


@observed("historical_data")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Goes on with the job of each message."""
    done = queues.work_through(
        event,
        lambda record: go_on(msgspec.json.decode(record["body"], type=IngestBars)),
        record_failed,
    )
    return worked_through("historical_data", event, done, detail="ingest")


def go_on(command: IngestBars) -> None:
    """Does steps of the job while the time lasts, then sends the message on."""
    correlation(command.correlation_id)
    job = ingests.get(command.id)
    if job is None:
        raise LookupError(f"ingest {command.id} is not on record; ask for it again")
    plan = ingests.steps(job.request)
    while job.is_open and job.begun.isoformat() == command.begun:
        if deadline.seconds_left() < LEAST_SECONDS:
            queues.send(SETTINGS.ingest_queue, command)
            return
        try:
            after = _done(job, plan)
        except (BrokerUnavailable, BrokerUnclear) as error:
            _later(job, command, error)
            return
        except BrokerRejected as error:
            after = _failed(job, f"the broker refused: {error}")
        if not ingests.advance(job, after):
            logger.info("another worker goes on with this ingest", id=job.id)
            return
        job = after


def _done(job: Ingest, plan: Sequence[Step]) -> Ingest:
    """The job after its next step."""
    found = 0
    without = set(job.without_bars)
    message = "" if job.troubles else job.message
    if job.steps_done < len(plan):
        step = plan[job.steps_done]
        message = _retire_rescaled(job, step, plan) or message
        by_symbol = _stored(job, step)
        found = sum(by_symbol.values())
        without -= by_symbol.keys()
    done = min(job.steps_done + 1, len(plan))
    return msgspec.structs.replace(
        job,
        steps_done=done,
        bars=job.bars + found,
        state=IngestState.DONE if done == len(plan) else IngestState.RUNNING,
        without_bars=tuple(sorted(without)),
        troubles=0,
        message=message,
        updated=datetime.now(UTC),
    )


def _stored(job: Ingest, step: Step) -> dict[str, int]:
    """Fetches and stores one step; answers how many bars each symbol has in it."""
    request = job.request
    timeframe = request.timeframe
    now = reader().clock().now
    first = bars.midnight(step.first)
    last_day = min(step.last, now.astimezone(NEW_YORK).date())
    sessions = reader().sessions(step.first, last_day) if step.first <= last_day else []
    last = last_closed_start(timeframe, sessions, now)
    if last is None or last < first:
        return {}
    found = market_data().bars(step.symbols, timeframe, first, last, request.adjustment)
    kept = {
        symbol: in_session(columns.since(first).until(last), timeframe, sessions)
        for symbol, columns in found.items()
    }
    kept = {symbol: columns for symbol, columns in kept.items() if len(columns)}
    bars.merge(kept, first, last, timeframe=timeframe, adjustment=request.adjustment)
    return {symbol: len(columns) for symbol, columns in kept.items()}


def _retire_rescaled(job: Ingest, step: Step, plan: Sequence[Step]) -> str:
    """Takes out what is stored on either side of the job where a split has moved it since; says of whom.

    A job that goes on after a night asks before each step: the split may be of this morning.
    """
    timeframe, adjustment, rescaled = job.request.timeframe, job.request.adjustment, list[str]()
    begun, today = (at.astimezone(NEW_YORK).date() for at in (job.begun, datetime.now(UTC)))
    for is_end, day, taken_out in (
        (step.first == plan[0].first or begun < today, step.first, rescaled_before),
        (step.last == plan[-1].last, step.last, rescaled_after),
    ):
        if is_end:
            rescaled += taken_out(
                step.symbols, bars.midnight(day), market_data(), timeframe=timeframe, adjustment=adjustment
            )
    if not rescaled:
        return ""
    logger.warning("bars from before a split are taken out; fetch them again", symbols=rescaled)
    named = ", ".join(sorted(set(rescaled)))
    return f"stored bars of {named} were from before a split and are taken out; fetch those years again"


def last_closed_start(timeframe: Timeframe, sessions: Sequence[Session], now: datetime) -> datetime | None:
    """The start of the newest bar that is as good as final; None when the stretch has none yet."""
    if timeframe is Timeframe.DAY:
        session = last_closed_session(sessions, now, SETTLE[timeframe])
        return None if session is None else bar_start(session)
    if not sessions:
        return None
    return min(now - SETTLE_INTRADAY - LENGTHS[timeframe], sessions[-1].close - timedelta(seconds=1))


def _later(job: Ingest, command: IngestBars, error: BrokerUnavailable | BrokerUnclear) -> None:
    """Sends the message on with a delay; after too many troubles in a row the job has failed."""
    after = msgspec.structs.replace(
        job,
        troubles=job.troubles + 1,
        message=str(error),
        state=IngestState.RUNNING,
        updated=datetime.now(UTC),
    )
    if after.troubles > TROUBLES:
        after = _failed(after, f"the broker did not answer {TROUBLES} times in a row: {error}")
    if ingests.advance(job, after) and after.is_open:
        asked = error.retry_after_seconds if isinstance(error, BrokerUnavailable) else None
        pause = min(LONGEST_PAUSE_SECONDS, int(asked or PAUSE_SECONDS) + 1)
        queues.send(SETTINGS.ingest_queue, command, delay_seconds=pause)


def _failed(job: Ingest, message: str) -> Ingest:
    fix = "; ask for it again, what is stored is kept"
    return msgspec.structs.replace(
        job, state=IngestState.FAILED, message=message + fix, updated=datetime.now(UTC)
    )
