"""Judges one shard of a run: closed, split-adjusted bars from our store plus the missing tail from Alpaca.

Started by ShardQueue. A shard reports once, however often it is judged; the one that completes
the run calls `conclude`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import MarketDataReader
from alpaquero.events import queues
from alpaquero.events.commands import ConcludeRun, EvaluateShard
from alpaquero.observability import observed, record_failed
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.settings import DataApiSettings, Text, load
from alpaquero.store import bars as bar_store
from alpaquero.store import runs, trading_settings
from alpaquero.store.runs import ShardReport
from alpaquero.strategy.judging import judge_many
from alpaquero.strategy.signal import Signal, Withheld

DAYS_A_SESSION = 1.6  # calendar days to fetch for each session wanted; 252 sessions are 365 days
SAME_PRICE = 1e-9


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
    series = {
        symbol: Columns.of(bars)
        for symbol, bars in closed_series(command.symbols, run.bar_start, count, _market_data()).items()
    }
    found = [
        said
        for name, chosen in strategies.items()
        for said in judge_many(
            {s: series.get(s, Columns.empty()) for s in command.symbols if s in (chosen.symbols or (s,))},
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


def closed_series(
    symbols: Sequence[str], last_start: datetime, count: int, market_data: MarketDataReader
) -> dict[str, list[Bar]]:
    """The bars of each symbol up to the one that starts at `last_start`, at least `count` if they exist.

    What the store lacks is fetched with an overlap of one bar; when that bar has changed (a split
    or a revision), or the store holds too few, the whole series is fetched again. What was fetched
    is stored.
    """
    first_start = last_start - timedelta(days=int(count * DAYS_A_SESSION))
    years = range(first_start.year, last_start.year + 1)
    stored = {s: b for s, b in bar_store.read(symbols, years).items() if b}
    series = {s: [bar for bar in b if bar.start <= last_start] for s, b in stored.items()}
    fresh = [s for s in symbols if len(series.get(s, ())) < count]
    behind = [s for s in symbols if s not in fresh and series[s][-1].start < last_start]
    if behind:
        since = min(series[s][-1].start for s in behind)
        for symbol, tail in _fetch(behind, since, last_start, market_data).items():
            if not _extends(series[symbol], tail):
                fresh.append(symbol)
                continue
            series[symbol] += [bar for bar in tail if bar.start > series[symbol][-1].start]
    if fresh:
        from_start = first_start.replace(month=1, day=1)  # whole years, as chunks hold them
        fetched = _fetch(fresh, from_start, last_start, market_data)
        series.update({s: fetched.get(s, []) for s in fresh})  # nothing is judged on a series found wrong
    changed = {s: b for s, b in series.items() if b and (s in fresh or s in behind)}
    bar_store.write({s: _touched(b, fresh=s in fresh, since=stored.get(s)) for s, b in changed.items()})
    return series


def _fetch(
    symbols: Sequence[str], start: datetime, last_start: datetime, market_data: MarketDataReader
) -> dict[str, list[Bar]]:
    """Bars from `start` to `last_start`, both included; a bar still forming starts later and is left out."""
    found = market_data.daily_bars(symbols, start, last_start, "split")
    return {s: [b for b in bars if b.start <= last_start] for s, bars in found.items()}


def _extends(stored: Sequence[Bar], tail: Sequence[Bar]) -> bool:
    """Whether `tail` carries on from the newest stored bar unchanged."""
    overlap = next((bar for bar in tail if bar.start == stored[-1].start), None)
    return overlap is not None and abs(overlap.close - stored[-1].close) <= SAME_PRICE * stored[-1].close


def _touched(bars: Sequence[Bar], *, fresh: bool, since: Sequence[Bar] | None) -> list[Bar]:
    """The bars of the years that changed: all of a fresh series, else from the newest stored year on."""
    if fresh or not since:
        return list(bars)
    return [bar for bar in bars if bar.start.year >= since[-1].start.year]
