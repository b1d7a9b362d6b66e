"""Judges the symbols of a shard by every strategy of its timeframe, on bars read once.

Called by `signal/evaluate` with bars of the store and the feed, and by `replay` with those of the
store as of the revisions in the report.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from hashlib import sha256

from alpaquero.prices.columns import Columns
from alpaquero.rules_version import RULES_VERSION
from alpaquero.strategy.judging import judge
from alpaquero.strategy.planning import Strategies, judges, of_timeframe
from alpaquero.strategy.run import Judged, Run, ShardReport
from alpaquero.strategy.signal import Signal, Withheld

DIGEST_DIGITS = 16
NO_REVISIONS: Mapping[str, int] = {}


def bars_needed(strategies: Strategies, timeframe: str) -> int:
    """How many bars the strategies of `timeframe` judge at most."""
    return max(one.minimum_history_bars for one in of_timeframe(strategies, timeframe).values())


def evaluated(
    run: Run,
    series: Mapping[str, Columns],
    revisions: Mapping[str, Mapping[str, int]],
    *,
    symbols: Sequence[str],
    strategies: Strategies,
    watchlist: Sequence[str],
) -> ShardReport:
    """The report on `symbols`: a symbol without a series is judged on no bars, and so withheld.

    `series` hold the bars up to the one judged, as many as `bars_needed` where they exist;
    `revisions` those of the chunks they came from, by symbol and period.
    """
    raised: list[Signal] = []
    withheld: list[Withheld] = []
    judged: dict[str, Judged] = {}
    chosen, watched = of_timeframe(strategies, run.timeframe), frozenset(watchlist)
    count = max(one.minimum_history_bars for one in chosen.values())
    for symbol in symbols:
        columns = series.get(symbol, Columns.empty())[-count:]
        last = columns.start_at(-1) if len(columns) else None
        judged[symbol] = Judged(
            bars=len(columns),
            digest=digest(columns),
            last=None if last == run.bar_start else last,
            revisions=dict(revisions.get(symbol, NO_REVISIONS)),
        )
        for name, one in chosen.items():
            if not judges(one, symbol, watched):
                continue
            found = judge(
                symbol, columns, strategy=name, settings=one, bar_start=run.bar_start, bar_close=run.bar_close
            )
            if isinstance(found, Signal):
                raised.append(found)
            elif found is not None:
                withheld.append(found)
    return ShardReport(
        raised=tuple(raised), withheld=tuple(withheld), judged=judged, rules_version=RULES_VERSION
    )


def digest(columns: Columns) -> str:
    """What tells these bars from any others: 16 hex digits over every column, as doubles but for `start`.

    >>> digest(Columns.empty()) == digest(Columns.empty()[-5:])
    True
    """
    hashed = sha256()  # processors have instructions for it
    volume = array("d", columns.volume)  # as it was when the first reports were written
    for column in (columns.start, columns.open, columns.high, columns.low, columns.close, volume):
        hashed.update(column)
    return hashed.hexdigest()[:DIGEST_DIGITS]
