"""Judges one shard of a run: closed, split-adjusted bars from our store plus the missing tail from Alpaca.

Started by ShardQueue. A shard reports once, however often it is judged; the one that completes
the run calls `conclude`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache, lru_cache
from typing import Any

import msgspec

from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import MarketDataReader
from alpaquero.events import queues
from alpaquero.events.commands import ConcludeRun, EvaluateShard
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import Session
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import runs, trading_settings
from alpaquero.store.series import closed_series
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy.evaluation import bars_needed, evaluated
from alpaquero.strategy.signal import WithheldCode


class EvaluateSettings(ClockSettings, frozen=True, kw_only=True):
    """What judging needs: prices, the calendar for parts of a day, and the queue to conclude."""

    conclude_queue: Text


SETTINGS = load(EvaluateSettings)


@cache
def _market_data() -> MarketDataReader:
    return connect_market_data(SETTINGS)


@lru_cache(maxsize=8)
def _sessions(first: date, last: date) -> Sequence[Session]:
    """The calendar, asked for when bars of a part of a day are fetched."""
    from alpaquero.broker.alpaca import connect_clock  # a run of daily bars never needs it

    return connect_clock(SETTINGS).sessions(first, last)


@lru_cache(maxsize=4)
def _settings_of(version: int) -> TradingSettings:
    """A version of the settings never changes, and with a long watchlist it is worth keeping."""
    return trading_settings.of_version(version).settings


@observed("signal")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Judges each shard of the batch."""
    return queues.work_through(
        event,
        lambda record: evaluate(msgspec.json.decode(record["body"], type=EvaluateShard)),
        record_failed,
    )


def evaluate(command: EvaluateShard) -> None:
    """Judges a shard and reports it; the report that completes the run calls `conclude`."""
    correlation(command.correlation_id)
    run = runs.get(SETTINGS.account, command.run_id)
    if run is None:
        raise LookupError(f"run {command.run_id} is not on record; plan it again")
    settings, timeframe = _settings_of(run.settings_version), Timeframe(run.timeframe)
    series = closed_series(
        command.symbols,
        run.bar_start,
        bars_needed(settings.strategies, timeframe),
        _market_data(),
        timeframe=timeframe,
        sessions=_sessions,
    )
    report = evaluated(
        run,
        {symbol: one.columns for symbol, one in series.items()},
        {symbol: one.revisions for symbol, one in series.items()},
        symbols=command.symbols,
        strategies=settings.strategies,
        watchlist=settings.watchlist,
    )
    for strategy, reason in {
        one.strategy: one.message for one in report.withheld if one.code is WithheldCode.FAILED
    }.items():
        logger.error("a strategy failed; its symbols are withheld", strategy=strategy, reason=reason)
    after = runs.report(SETTINGS.account, run.id, command.shard, report)
    if after.reported >= after.shards:
        completed = ConcludeRun(run_id=run.id, reason="reported", correlation_id=run.correlation_id)
        queues.send(SETTINGS.conclude_queue, completed)
