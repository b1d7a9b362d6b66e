"""Recomputes runs from what was stored and compares byte for byte; called by `alpaquero replay`.

A run is bars at their revisions -> reports -> ranking, decision and intents -> signals; each intent's
verdicts come from the record that `execute` left. Whatever was decided under another version of the
rules is told apart: there a difference is a change of the rules, not a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from functools import lru_cache
from typing import Any

import msgspec

from alpaquero.orders.intent import Intent
from alpaquero.prices.chunks import BrokenChunk
from alpaquero.rules_version import RULES_VERSION
from alpaquero.store import judged_bars, runs, trading_settings, verdicts
from alpaquero.store.bars import NoSuchRevision
from alpaquero.store.tables import to_body
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.store.verdicts import VerdictRecord
from alpaquero.strategy.conclusion import decide, records_of, wanted
from alpaquero.strategy.evaluation import bars_needed, evaluated
from alpaquero.strategy.planning import shards_of, symbols_judged
from alpaquero.strategy.run import Run, RunState, ShardReport

DIFF_LINES = 60


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """Where what was recomputed is not what is stored; `diff` has stored lines as -, recomputed as +."""

    run_id: str
    what: str
    diff: str


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What was recomputed and what differed. `other_rules` are differences under another rules version."""

    runs: int
    symbols: int
    signals: int
    intents: int
    verdicts: int
    mismatches: int
    other_rules: int
    open_runs: int
    differences: tuple[Mismatch, ...] = ()
    rules_version: int = RULES_VERSION


class Tally:
    """Counts what a replay has seen, over one run or many."""

    def __init__(self) -> None:
        self.runs = self.symbols = self.signals = self.intents = self.verdicts = self.open_runs = 0
        self.judged: set[str] = set()  # client order ids whose verdicts were compared
        self.mismatches: list[Mismatch] = []
        self.other_rules: list[Mismatch] = []

    def compare(self, run: str, what: str, stored: Any, again: Any, rules_version: int) -> None:
        """Notes a difference when the canonical bytes are not the same."""
        kept, computed = to_body(stored), to_body(again)
        if kept == computed:
            return
        found = Mismatch(run_id=run, what=what, diff=_diff(kept, computed))
        (self.mismatches if rules_version == RULES_VERSION else self.other_rules).append(found)

    def result(self) -> Replayed:
        """The counts, and every difference, the mismatches first."""
        return Replayed(
            runs=self.runs,
            symbols=self.symbols,
            signals=self.signals,
            intents=self.intents,
            verdicts=self.verdicts,
            mismatches=len(self.mismatches),
            other_rules=len(self.other_rules),
            open_runs=self.open_runs,
            differences=(*self.mismatches, *self.other_rules),
        )


def replay_all(account: str) -> Iterator[Tally]:
    """Every run on record, oldest first in each timeframe, then the verdicts that no run asked for.

    Gives the same tally after each step, for whoever shows progress.
    """
    tally = Tally()
    for run in runs.all_runs(account):
        replay(run, tally)
        yield tally
    for record in verdicts.every():
        if record.client_order_id not in tally.judged and record.intent.account == account:
            _compare_verdict(record.intent.run_id or record.client_order_id, record, tally)
    yield tally


def replay(run: Run, tally: Tally) -> None:
    """Recomputes one run and notes in `tally` what differs; one that is not concluded is only counted."""
    if run.state is not RunState.CONCLUDED:
        tally.open_runs += 1
        return
    tally.runs += 1
    settings = _settings(run.settings_version)
    reports, decision = runs.reports(run.id), runs.decision_of(run.id)
    for number, report in reports.items():
        tally.symbols += len(report.judged)
        again = _reported_again(run, number, report, settings)
        tally.compare(run.id, f"report of shard {number}", report, again, report.rules_version)
    if decision is None:
        tally.compare(run.id, "decision", None, "a concluded run has one", run.rules_version)
        return
    kept = {number: reports[number] for number in decision.shards if number in reports}
    decided = decide(run, kept, decision.risk_book, settings.risk)
    tally.compare(run.id, "decision", decision, decided, decision.rules_version)
    ranked, intents = wanted(run, kept.values(), decided)
    records = records_of(run, ranked, kept.values(), decided)
    for record in records:
        what = f"signal of {record.strategy} on {record.symbol}"
        tally.compare(run.id, what, runs.signal_like(record), record, decision.rules_version)
    told = {"raised": run.raised, "withheld": run.withheld, "intents": run.intents}
    counted = {
        "raised": len(ranked),
        "withheld": sum(record.outcome == "withheld" for record in records),
        "intents": len(intents),
    }
    tally.compare(run.id, "counts", told, counted, decision.rules_version)
    tally.signals += len(ranked)
    tally.intents += len(intents)
    for intent in intents:
        _replay_verdicts(run, intent, tally)


@lru_cache(maxsize=16)
def _settings(version: int) -> TradingSettings:
    return trading_settings.of_version(version).settings


@lru_cache(maxsize=16)
def _shards(version: int, timeframe: str) -> list[tuple[str, ...]]:
    settings = _settings(version)
    symbols = symbols_judged(settings.strategies, settings.watchlist, timeframe)
    return shards_of(symbols, settings.shard_size_symbols)


def _reported_again(run: Run, number: int, report: ShardReport, settings: TradingSettings) -> Any:
    """The report on the shard's symbols as they were cut, or what keeps the bars from being read."""
    shards = _shards(run.settings_version, run.timeframe)
    if number >= len(shards):
        return f"the settings make {len(shards)} shards"
    count = bars_needed(settings.strategies, run.timeframe)
    try:
        series = judged_bars.read(run.timeframe, run.bar_start, count, report.judged)
    except (BrokenChunk, NoSuchRevision) as error:
        return str(error)
    return evaluated(
        run,
        series,
        {symbol: one.revisions for symbol, one in report.judged.items()},
        symbols=shards[number],
        strategies=settings.strategies,
        watchlist=settings.watchlist,
    )


def _replay_verdicts(run: Run, intent: Intent, tally: Tally) -> None:
    """An intent that was never judged (its command failed) has no verdict to compare."""
    for record in verdicts.of_order(intent.client_order_id):
        tally.compare(run.id, f"intent {record.client_order_id}", record.intent, intent, record.rules_version)
        _compare_verdict(run.id, record, tally)


def _compare_verdict(run: str, record: VerdictRecord, tally: Tally) -> None:
    tally.verdicts += 1
    tally.judged.add(record.client_order_id)
    stored = msgspec.json.decode(record.verdict)
    again = msgspec.json.decode(verdicts.judged_again(record))
    tally.compare(run, f"verdict on {record.client_order_id}", stored, again, record.rules_version)


def _diff(stored: str, again: str) -> str:
    old, new = (msgspec.json.format(text, indent=1).splitlines() for text in (stored, again))
    found = list(unified_diff(old, new, "stored", "recomputed", lineterm="", n=1))
    left = len(found) - DIFF_LINES
    return "\n".join([*found[:DIFF_LINES], *([f"... {left} lines more"] if left > 0 else [])])
