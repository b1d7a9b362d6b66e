"""Plans a run: finds the newest closed bar, records its run once, and sends its symbols out in shards.

Started by the rule `SignalSchedule` (or the demo, with the same event). When it fires does not
matter: a run is keyed by the close of the bar it judges, so twice or late is harmless.
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import Any

from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.protocol import ClockReader
from alpaquero.events import bus, queues
from alpaquero.events.commands import ConcludeRun, EvaluateShard
from alpaquero.events.schemas import RunPlanned
from alpaquero.observability import logger, observed
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import NEW_YORK, Session, bar_start, last_closed_session
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import health, runs, trading_settings
from alpaquero.store.runs import Run, RunState
from alpaquero.store.trading_settings import TradingSettings

LOOK_BACK = timedelta(days=10)  # longer than any stretch of closed days
LOOK_AHEAD = timedelta(days=30)  # covers the validity of a signal
RESEND_AFTER_SECONDS = 30


class PlanSettings(ClockSettings, frozen=True, kw_only=True):
    """What planning needs: the clock and calendar, the shard queues, the bus."""

    shard_queue: Text
    conclude_queue: Text
    bus: Text


SETTINGS = load(PlanSettings)

_calendars: dict[date, list[Session]] = {}


@observed("signal")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Plans the run of the newest closed bar; answers its id, or why there is none."""
    chosen = trading_settings.current()
    if not chosen.settings.watchlist:
        logger.warning("the watchlist is empty: set it with POST /api/config, nothing is judged until then")
        return {"run_id": None, "reason": "the watchlist is empty"}
    reader = connect_clock(SETTINGS)
    now = reader.clock().now
    calendar = _calendar(reader, now)
    session = last_closed_session(calendar, now, timedelta(minutes=chosen.settings.bar_settle_minutes))
    if session is None:
        raise LookupError(f"no session closed in the {LOOK_BACK.days} days before {now.isoformat()}")
    run, is_new = runs.plan(_run(session, calendar, chosen.settings, chosen.version))
    if is_new:
        _send_shards(run, set(range(len(run.shards))), chosen.settings)
        _announce(run, now)
    elif run.state is RunState.PLANNED and time.time() - run.planned_at > RESEND_AFTER_SECONDS:
        # Planning died between the record and the queue, or shards were lost: sending again is harmless.
        _send_shards(run, set(range(len(run.shards))) - runs.reported_shards(run.id), chosen.settings)
    health.record_work("signal", detail=run.id)
    return {"run_id": run.id, "new": is_new, "state": run.state}


def _calendar(reader: ClockReader, now: datetime) -> list[Session]:
    """The sessions around market time `now`; asked once a market day, unlike the clock."""
    today = now.astimezone(NEW_YORK).date()
    if today not in _calendars:
        _calendars.clear()
        _calendars[today] = reader.sessions(today - LOOK_BACK, today + LOOK_AHEAD)
    return _calendars[today]


def _run(session: Session, calendar: list[Session], settings: TradingSettings, version: int) -> Run:
    symbols, size = settings.watchlist, settings.shard_size_symbols
    identifier = runs.run_id(Timeframe.DAY, session.close)
    return Run(
        id=identifier,
        account=SETTINGS.account,
        timeframe=Timeframe.DAY,
        bar_start=bar_start(session),
        bar_close=session.close,
        valid_until=_valid_until(session, calendar, _validity(settings)),
        shards=tuple(tuple(symbols[i : i + size]) for i in range(0, len(symbols), size)),
        settings_version=version,
        correlation_id=identifier,
        planned_at=time.time(),
    )


def _validity(settings: TradingSettings) -> int:
    """How many bars the signals of a daily run stay valid."""
    return max(s.signal_validity_bars for s in settings.of_timeframe(Timeframe.DAY).values())


def _valid_until(session: Session, calendar: list[Session], bars: int) -> datetime:
    """The close of the last of the `bars` sessions in which a signal on this one may still be traded."""
    later = [s.close for s in calendar if s.close > session.close]
    if len(later) < bars:
        raise LookupError(f"the calendar ends before {bars} more sessions; lower signal_validity_bars")
    return later[bars - 1]


def _announce(run: Run, now: datetime) -> None:
    planned = RunPlanned(
        id=f"planned:{run.id}",
        occurred_at=now,
        account=run.account,
        correlation_id=run.correlation_id,
        run_id=run.id,
        timeframe=run.timeframe,
        bar_close=run.bar_close,
        symbols=sum(len(shard) for shard in run.shards),
        shards=len(run.shards),
    )
    bus.publish([bus.encoded(planned, "signal")], SETTINGS.bus)


def _send_shards(run: Run, numbers: set[int], settings: TradingSettings) -> None:
    for number in sorted(numbers):
        shard = EvaluateShard(
            run_id=run.id, shard=number, symbols=run.shards[number], correlation_id=run.correlation_id
        )
        queues.send(SETTINGS.shard_queue, shard)
    deadline = ConcludeRun(run_id=run.id, reason="deadline", correlation_id=run.correlation_id)
    queues.send(SETTINGS.conclude_queue, deadline, delay_seconds=settings.run_deadline_seconds)
