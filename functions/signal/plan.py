"""Plans runs: finds the bars that closed since the last tick, records a run for each once, and sends its
symbols out in shards.

Started by the rule `SignalSchedule` (or the demo, with the same event). When it fires does not
matter: a run is keyed by the close of the bar it judges, so twice or late is harmless. A bar that
a newer one has followed already is caught up as a `late` run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.protocol import ClockReader
from alpaquero.events import bus, queues
from alpaquero.events.commands import ConcludeRun, EvaluateShard
from alpaquero.events.runs import run_planned
from alpaquero.observability import count, logger, observed
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.rules_version import RULES_VERSION
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import health, runs, trading_settings
from alpaquero.store.trading_settings import SettingsVersion
from alpaquero.strategy import planning
from alpaquero.strategy.planning import ClosedBar, Due
from alpaquero.strategy.run import Run, RunState, run_id
from alpaquero.strategy.settings import MOST_SESSIONS_VALID

LOOK_BACK = timedelta(days=14)  # holds every session whose bar may be caught up, holidays or not
LOOK_AHEAD = timedelta(days=2 * MOST_SESSIONS_VALID)  # covers the validity of any signal
RESEND_AFTER_SECONDS = 30


class PlanSettings(ClockSettings, frozen=True, kw_only=True):
    """What planning needs: the clock and calendar, the shard queues, the bus."""

    shard_queue: Text
    conclude_queue: Text
    bus: Text


SETTINGS = load(PlanSettings)

_calendars: dict[date, list[Session]] = {}


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick plans by: market time, the calendar around it, and the settings in force."""

    reader: ClockReader
    now: datetime
    calendar: list[Session]
    chosen: SettingsVersion


@observed("signal")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Plans the runs of the bars that closed; answers them and the last of them, or why there is none."""
    chosen = trading_settings.current()
    reader = connect_clock(SETTINGS)
    now = reader.clock().now
    tick = Tick(reader, now, _calendar(reader, now), chosen)
    told: list[dict[str, Any]] = []
    for timeframe in planning.timeframes(chosen.settings.strategies):
        symbols = planning.symbols_judged(chosen.settings.strategies, chosen.settings.watchlist, timeframe)
        if symbols:
            told += _plan(timeframe, symbols, tick)
    if not told:
        logger.warning(
            "no symbol to judge: set the watchlist with POST /api/config, or with strategies' symbols"
        )
        return {"run_id": None, "reason": "the watchlist is empty"}
    health.record_work("signal", detail=told[-1]["run_id"])
    return {**told[-1], "runs": told}


def _plan(timeframe: Timeframe, symbols: Sequence[str], tick: Tick) -> list[dict[str, Any]]:
    """Plans what is due of one timeframe, the newest bar last, and sends again what got lost."""
    known = runs.newest_runs(SETTINGS.account, planning.MOST_LATE_BARS + 1, timeframes=[timeframe])
    closed = planning.closed_bars(
        _reaching(known[0], tick) if known else tick.calendar,
        timeframe,
        tick.now,
        _settling(timeframe, tick.chosen),
    )
    if not closed:
        raise LookupError(f"no session closed in the {LOOK_BACK.days} days before {tick.now.isoformat()}")
    if known and known[0].bar_close > tick.now:  # else nobody would know why nothing is planned
        logger.error(
            "the market's clock is behind the newest run: nothing is planned until it has caught up",
            run_id=known[0].id,
            market_time=tick.now.isoformat(),
        )
        count("MarketClockSetBack")
    for run in known:
        if run.state is RunState.PLANNED and time.time() - run.planned_at > RESEND_AFTER_SECONDS:
            # Planning died between the record and the queue, or shards were lost: sending again is harmless.
            _send_again(run)
    due = planning.due(closed, known[0].bar_close if known else None)
    if len(due.bars) > 1 and _was_left_out(timeframe, known[0], tick.chosen):
        due = planning.due(closed, None)
    planned = [_planned(bar, due, timeframe, symbols, tick) for bar in due.bars]
    return planned or [_told(run, new=False) for run in known[:1]]


def _reaching(last: Run, tick: Tick) -> list[Session]:
    """The calendar from the session of the `last` run on: after a long stop the tick's own begins later."""
    if not tick.calendar or last.bar_close >= tick.calendar[0].open:
        return tick.calendar
    first, before = last.bar_close.astimezone(NEW_YORK).date(), tick.calendar[0].date - timedelta(days=1)
    return [*tick.reader.sessions(first, before), *tick.calendar]


def _was_left_out(timeframe: Timeframe, last: Run, chosen: SettingsVersion) -> bool:
    """Whether the settings wanted no run of the timeframe for a while since the `last` one."""
    between = (trading_settings.of_version(n) for n in range(last.settings_version + 1, chosen.version))
    return any(
        not planning.symbols_judged(one.settings.strategies, one.settings.watchlist, timeframe)
        for one in between
    )


def _planned(
    bar: ClosedBar, due: Due, timeframe: Timeframe, symbols: Sequence[str], tick: Tick
) -> dict[str, Any]:
    shards = planning.shards_of(symbols, tick.chosen.settings.shard_size_symbols)
    run, is_new = runs.plan(_run(bar, due, timeframe, len(symbols), len(shards), tick))
    if is_new:
        _send_shards(run, dict(enumerate(shards)), tick.chosen)
        bus.publish([run_planned(run)], SETTINGS.bus)
    return _told(run, new=is_new)


def _told(run: Run, *, new: bool) -> dict[str, Any]:
    return {"run_id": run.id, "new": new, "state": run.state, "late": run.late}


def _settling(timeframe: Timeframe, chosen: SettingsVersion) -> timedelta:
    return planning.settling(
        timeframe,
        daily_minutes=chosen.settings.bar_settle_minutes,
        intraday_seconds=chosen.settings.intraday_settle_seconds,
    )


def _calendar(reader: ClockReader, now: datetime) -> list[Session]:
    """The sessions around market time `now`; asked once a market day, unlike the clock."""
    today = now.astimezone(NEW_YORK).date()
    if today not in _calendars:
        _calendars.clear()
        _calendars[today] = reader.sessions(today - LOOK_BACK, today + LOOK_AHEAD)
    return _calendars[today]


def _run(  # noqa: PLR0917 - what a run is made of
    bar: ClosedBar, due: Due, timeframe: Timeframe, symbols: int, shards: int, tick: Tick
) -> Run:
    identifier, oldest = run_id(timeframe, bar.close), bar == due.bars[0]
    strategies = planning.of_timeframe(tick.chosen.settings.strategies, timeframe)
    return Run(
        id=identifier,
        account=SETTINGS.account,
        timeframe=timeframe,
        bar_start=bar.start,
        bar_close=bar.close,
        valid_until={
            name: planning.valid_until(tick.calendar, timeframe, bar.close, one.signal_validity_bars)
            for name, one in strategies.items()
        },
        shards=shards,
        symbols=symbols,
        settings_version=tick.chosen.version,
        rules_version=RULES_VERSION,
        correlation_id=identifier,
        planned_at=time.time(),
        planned_market_at=tick.now,
        late=bar != due.bars[-1],
        missed=due.missed if oldest else 0,
        missed_since=due.missed_since if oldest else None,
    )


def _send_again(run: Run) -> None:
    """Sends the shards that have not reported, cut as they were, and the deadline."""
    chosen = trading_settings.of_version(run.settings_version)
    symbols = planning.symbols_judged(chosen.settings.strategies, chosen.settings.watchlist, run.timeframe)
    shards = planning.shards_of(symbols, chosen.settings.shard_size_symbols)
    reported = runs.reported_shards(run.account, run.id)
    missing = {number: shard for number, shard in enumerate(shards) if number not in reported}
    _send_shards(run, missing, chosen)


def _send_shards(run: Run, shards: dict[int, tuple[str, ...]], chosen: SettingsVersion) -> None:
    commands = [
        EvaluateShard(run_id=run.id, shard=number, symbols=symbols, correlation_id=run.correlation_id)
        for number, symbols in shards.items()
    ]
    queues.send_all(SETTINGS.shard_queue, commands)
    deadline = ConcludeRun(run_id=run.id, reason="deadline", correlation_id=run.correlation_id)
    seconds = chosen.settings.run_deadline(run.symbols)
    queues.send(SETTINGS.conclude_queue, deadline, delay_seconds=seconds)
