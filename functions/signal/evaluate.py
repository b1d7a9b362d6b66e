"""Judges one shard of a run: closed, split-adjusted bars from our store plus the missing tail from Alpaca.

Started by ShardQueue. A shard reports once, however often it is judged; the one that completes
the run calls `conclude`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import MarketDataReader
from alpaquero.events import queues
from alpaquero.events.commands import ConcludeRun, EvaluateShard
from alpaquero.observability import observed, record_failed
from alpaquero.prices.bars import Timeframe
from alpaquero.settings import DataApiSettings, Text, load
from alpaquero.store import runs, trading_settings
from alpaquero.store.runs import ShardReport
from alpaquero.store.series import closed_series
from alpaquero.strategy.judging import judge_many
from alpaquero.strategy.signal import Signal, Withheld


class EvaluateSettings(DataApiSettings, frozen=True, kw_only=True):
    """What judging needs: prices and the queue to conclude."""

    conclude_queue: Text


SETTINGS = load(EvaluateSettings)


@cache
def _market_data() -> MarketDataReader:
    return connect_market_data(SETTINGS)


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
    run = runs.get(SETTINGS.account, command.run_id)
    if run is None:
        raise LookupError(f"run {command.run_id} is not on record; plan it again")
    settings = trading_settings.of_version(run.settings_version).settings
    strategies = settings.of_timeframe(Timeframe(run.timeframe))
    count = max(chosen.minimum_history_bars for chosen in strategies.values())
    series = closed_series(
        command.symbols, run.bar_start, count, _market_data(), timeframe=Timeframe(run.timeframe)
    )
    found = [
        said
        for name, chosen in strategies.items()
        for said in judge_many(
            {s: series[s].columns for s in command.symbols if s in (chosen.symbols or (s,))},
            strategy=name,
            settings=chosen,
            bar_start=run.bar_start,
            bar_close=run.bar_close,
        ).values()
    ]
    report = ShardReport(
        raised=tuple(f for f in found if isinstance(f, Signal)),
        withheld=tuple(f for f in found if isinstance(f, Withheld)),
        judged=len(command.symbols),
    )
    after = runs.report(SETTINGS.account, run.id, command.shard, report)
    if after.reported >= len(after.shards):
        completed = ConcludeRun(run_id=run.id, reason="reported", correlation_id=run.correlation_id)
        queues.send(SETTINGS.conclude_queue, completed)
