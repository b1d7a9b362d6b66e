"""A whole cold signal run without AWS, as a process: pages of JSON in, a shard's report out.

`signal_run_process.py PAGES OUT`; it calls what `signal/evaluate` calls between broker and store.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from alpaquero.broker import bar_pages
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.rules_version import RULES_VERSION
from alpaquero.strategy.evaluation import evaluated
from alpaquero.strategy.run import Run
from alpaquero.strategy.settings import StrategySettings

STRATEGY = "stochrsi_ema"


def run_of(last: Columns, symbols: int) -> Run:
    """The run that judges the last bar of a series."""
    start = last.start_at(-1)
    close = start + timedelta(hours=16)
    return Run(
        id="bench",
        account="bench",
        timeframe=Timeframe.DAY,
        bar_start=start,
        bar_close=close,
        valid_until={STRATEGY: close},
        shards=1,
        symbols=symbols,
        settings_version=1,
        rules_version=RULES_VERSION,
        correlation_id="bench",
        planned_at=0.0,
        planned_market_at=datetime(1970, 1, 1, tzinfo=UTC),
    )


def main(pages: Path, out: Path) -> None:
    """From the pages to the report."""
    series: dict[str, Columns] = {}
    for page in sorted(pages.iterdir()):
        for symbol, columns in bar_pages.decode(page.read_bytes()).bars.items():
            series[symbol] = series[symbol] + columns if symbol in series else columns
    symbols = tuple(series)
    report = evaluated(
        run_of(series[symbols[0]], len(symbols)),
        series,
        {},
        symbols=symbols,
        strategies={STRATEGY: StrategySettings()},
        watchlist=symbols,
    )
    out.write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
