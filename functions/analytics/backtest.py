"""Runs backtests as jobs, stored bars in, result and report out, and writes exports; fed by BacktestQueue.

A job that cannot be run says why in its item and is not tried again. One that the broker or a table
held up comes again after a minute, one whose function ran out of time once more, and then it fails.

A job may have two messages: whoever repeats a request before it is begun sends another. The job keeps
which one runs it; that message brings it again should its worker end, so the others are done with.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from alpaquero import deadline
from alpaquero.backtests import outcome as outcomes
from alpaquero.backtests import report
from alpaquero.backtests.request import BacktestRequest, BacktestSettings, settings_for
from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.protocol import ClockReader
from alpaquero.errors import BrokerError, Conflict, RequestError
from alpaquero.events import queues
from alpaquero.events.commands import RunBacktest, RunExport
from alpaquero.last_work import worked_through
from alpaquero.observability import correlation, correlation_id, logger, observed, record_failed
from alpaquero.portfolio.export_tables import ColumnType, Table, columns_of, csv_of
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.risk.limits import SizingMethod
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import backtests, exports, trading_settings
from alpaquero.store import bars as bar_store
from alpaquero.store.backtests import Job, Status
from alpaquero.store.exports import ExportJob
from alpaquero.store.risk_facts import ATR_PERIODS
from alpaquero.strategy.settings import MOST_SESSIONS_VALID

TRY_AGAIN_SECONDS = 60
HELD_UP = (BrokerError, BotoCoreError, ClientError, PynamoDBException)
RUNNING_FOR = timedelta(minutes=16)  # longer than Lambda lets a function run
KEEP_SECONDS = 20.0  # for report, files and the last word, when the time is up
TELL_EVERY_PERCENT = 5
ADJUSTED = "Prices are adjusted for splits, so numbers of shares before a split are not those that traded."
DAYS_A_BAR = {  # calendar days that hold one bar of warm-up, generously
    Timeframe.DAY: 1.6,
    Timeframe.HOUR: 0.35,
    Timeframe.FIFTEEN_MINUTES: 0.1,
    Timeframe.FIVE_MINUTES: 0.04,
    Timeframe.MINUTE: 0.01,
}


class BacktestJobSettings(ClockSettings, frozen=True, kw_only=True):
    """What a job needs: the market's calendar, and its queue to put a message back."""

    backtest_queue: Text


SETTINGS = load(BacktestJobSettings)


class CannotRun(Exception):
    """The job as it was asked for cannot be run; the message says the fix."""


@cache
def _calendar() -> ClockReader:
    return connect_clock(SETTINGS)


@observed("analytics")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Runs the job of each message."""
    done = queues.work_through(event, take, record_failed)
    return worked_through("analytics", event, done, detail="backtest")


def take(record: dict[str, Any]) -> None:
    """Runs one job to its end, or puts the message back for later."""
    message = msgspec.json.decode(record["body"])
    correlation(message["correlation_id"])
    if message.get("type") == RunExport.__name__:
        try:
            export(exports.get(msgspec.convert(message, RunExport).id))
        except HELD_UP:
            queues.deliver_again_after(SETTINGS.backtest_queue, record, TRY_AGAIN_SECONDS)
            raise
        return
    job = _begun(msgspec.convert(message, RunBacktest).id, record)
    if job is None:
        return
    try:
        run(job)
    except HELD_UP:
        queues.deliver_again_after(SETTINGS.backtest_queue, record, TRY_AGAIN_SECONDS)
        backtests.save(backtests.get(job.id), status=Status.QUEUED, progress_note="comes again in a minute")
        raise
    except (CannotRun, ValueError, RequestError) as error:
        _fail(backtests.get(job.id), str(error))
    except Exception:
        logger.exception("the backtest failed", backtest=job.id)
        _fail(
            backtests.get(job.id),
            _went_wrong(),
        )


def _begun(identifier: str, record: dict[str, Any]) -> Job | None:
    """The job, marked as run for this message; None when the message has nothing left to do."""
    job, message = backtests.get(identifier), record["messageId"]
    if job.ended:
        return None
    if _is_run_elsewhere(job):
        if job.run_by not in {"", message}:
            return None
        queues.deliver_again_after(SETTINGS.backtest_queue, record, int(RUNNING_FOR.total_seconds()))
        raise RuntimeError(f"backtest {job.id} is run by another worker; looking again later")
    if job.attempts >= backtests.MOST_ATTEMPTS:
        _fail(job, _too_large(job))
        return None
    begun = {"attempts": job.attempts + 1, "started_at": _now(), "run_by": message}
    try:
        return backtests.save(job, status=Status.RUNNING, progress_note="reading bars", **begun)
    except Conflict:  # another message's worker was quicker
        return _begun(identifier, record)


def run(job: Job) -> None:
    """Reads what is stored, runs the backtest and keeps what it came to."""
    from alpaquero.backtests.execution import execute  # with it comes numpy

    request = job.request
    current = trading_settings.current().settings if request.settings == "current" else None
    base = current or trading_settings.TradingSettings()
    settings = settings_for(
        request, base.strategies, base.risk, base.orders, risk_free_percent=base.risk_free_percent
    )
    longer = {timeframe: stored(request, settings, timeframe) for timeframe in settings.timeframes}
    series = longer.pop(settings.timeframe)
    warming = max(warm_up(settings, timeframe) for timeframe in settings.timeframes)
    sessions = _calendar().sessions(
        request.start - warming, request.end + timedelta(days=2 * MOST_SESSIONS_VALID)
    )
    telling = Telling(job)
    found = execute(
        request,
        settings,
        series,
        sessions,
        longer=longer,
        data="the bar store",
        notes=[ADJUSTED],
        show=telling.show,
    )
    page = report.render(found, series)
    backtests.put_file(job.id, backtests.RESULT, outcomes.encoded(found), "application/json")
    backtests.put_file(job.id, backtests.REPORT, page.encode(), "text/html; charset=utf-8")
    backtests.save(
        telling.job,
        status=Status.DONE,
        ended_at=_now(),
        progress_percent=100,
        progress_note="",
        figures=outcomes.figures(found),
    )


def export(job: ExportJob) -> None:
    """Writes the file of an export; one that fails says so, and is tried again when AWS was to blame."""
    if job.status is Status.DONE:
        return
    try:
        table = exports.table_of(SETTINGS.account, job.request)
        is_csv = job.request.format is exports.Format.CSV
        content = csv_of(table).encode() if is_csv else parquet_of(table)
        exports.put_file(job, content)
    except (BotoCoreError, ClientError, PynamoDBException):
        raise
    except Exception:
        logger.exception("the export failed", export=job.id)
        exports.save(job, status=Status.FAILED, ended_at=_now(), message=_went_wrong())
        return
    exports.save(job, status=Status.DONE, ended_at=_now(), rows=len(table.rows), size_bytes=len(content))


def parquet_of(table: Table) -> bytes:
    """The table as one Parquet file: numbers as doubles, times as UTC, days as dates at midnight."""
    import pandas as pd
    from fastparquet import write

    frame = pd.DataFrame(columns_of(table))
    types = {
        ColumnType.NUMBER: "float64",
        ColumnType.TEXT: "object",
        ColumnType.TIME: "datetime64[ns, UTC]",
        ColumnType.DAY: "datetime64[ns]",
    }
    for name, kind in table.columns:
        is_time = kind in {ColumnType.TIME, ColumnType.DAY}
        column = pd.to_datetime(frame[name], utc=kind is ColumnType.TIME) if is_time else frame[name]
        frame[name] = column.astype(types[kind])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "export.parquet"
        write(str(path), frame, compression="SNAPPY", object_encoding="utf8", write_index=False)
        return path.read_bytes()


def warm_up(settings: BacktestSettings, timeframe: Timeframe) -> timedelta:
    """How long before the first session its bars begin, generously; days where sizes go by their range."""
    days = settings.history_bars(timeframe) * DAYS_A_BAR[timeframe]
    if settings.risk.sizing_method is SizingMethod.ATR:
        days = max(days, settings.risk.atr_period_bars * ATR_PERIODS * DAYS_A_BAR[Timeframe.DAY])
    return timedelta(days=ceil(days) + 10)


def stored(request: BacktestRequest, settings: BacktestSettings, timeframe: Timeframe) -> dict[str, Columns]:
    """The stored bars of every symbol, its warm-up included. Raises `CannotRun` when some are missing."""
    first = _midnight(request.start - warm_up(settings, timeframe))
    last = _midnight(request.end + timedelta(days=1)) - timedelta(seconds=1)
    found = bar_store.read(request.symbols, first, last, timeframe=timeframe)
    wrong = set(bar_store.retired(request.symbols, first, last, timeframe=timeframe))
    missing = [s for s in request.symbols if s in wrong or not _covers(found.get(s), request)]
    if missing:
        named = ",".join(missing[:20])
        raise CannotRun(
            f"not all bars of {named} are stored from {request.start} to {request.end}; run "
            f"`alpaquero history ingest --symbols {named} --timeframe {timeframe} "
            f"--from {first.date()} --to {request.end}` and ask again"
        )
    return found


def _covers(columns: Columns | None, request: BacktestRequest) -> bool:
    """Whether there is any bar within the period."""
    return columns is not None and len(columns.since(_midnight(request.start))) > 0


class Telling:
    """Keeps how far a job has come in its item, and ends it when the function's time is up."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def show(self, done: int, total: int, day: date) -> None:
        """One session is done. Raises `CannotRun` when there is no time for more."""
        if deadline.seconds_left() < KEEP_SECONDS:
            raise CannotRun(_too_large(self.job))
        percent = min(done * 100 // max(total, 1), 99)
        if percent >= self.job.progress_percent + TELL_EVERY_PERCENT:
            self.job = backtests.save(
                self.job, progress_percent=percent, progress_note=f"session {done} of {total}, {day}"
            )


def _too_large(job: Job) -> str:
    asked = job.request
    return (
        f"{len(asked.symbols)} symbols from {asked.start} to {asked.end} do not fit into the 15 minutes that "
        "a function may run; ask for fewer symbols or a shorter period, or run `alpaquero backtest` on your "
        "own machine"
    )


def _is_run_elsewhere(job: Job) -> bool:
    started = job.started_at
    return job.status is Status.RUNNING and started is not None and _now() - started < RUNNING_FOR


def _went_wrong() -> str:
    return f"Something went wrong here; the log has it under the correlation id {correlation_id()}."


def _fail(job: Job, message: str) -> None:
    backtests.save(job, status=Status.FAILED, ended_at=_now(), message=message, progress_note="")
    logger.warning("the backtest failed", backtest=job.id, reason=message)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)


def _now() -> datetime:
    return datetime.now(UTC)
