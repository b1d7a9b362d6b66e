"""A run is recomputed from what was stored to the same bytes, and whatever is changed behind it shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alpaquero.events.commands import ConcludeRun, EvaluateShard
from alpaquero.orders.intent import Intent
from alpaquero.prices import chunks
from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.risk.book import TradingState
from alpaquero.risk.rules import assess
from alpaquero.rules_version import RULES_VERSION
from alpaquero.store import bars as bar_store
from alpaquero.store import runs, trading_settings, verdicts
from alpaquero.store.books import Books
from alpaquero.store.replay import Replayed, Tally, replay, replay_all
from alpaquero.store.runs import RunItem
from alpaquero.store.tables import from_body, packed, to_body, unpacked
from alpaquero.store.verdicts import VerdictRecord
from alpaquero.strategy.conclusion import Decision
from alpaquero.strategy.run import Run, ShardReport
from alpaquero.strategy.settings import StrategySettings
from functions.signal import conclude, evaluate
from tests.fakes.broker import FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.risk.builders import a_book, some_facts
from tests.unit.signal.made import CLOSE, FRIDAY, a_run, bars_to, save_settings

SYMBOLS = tuple(f"S{n}" for n in range(12))
# Wide levels, so that waves of made prices raise signals at many phases.
WIDE = StrategySettings(
    parameters={
        "oversold_level": 99.0,
        "overbought_level": 99.5,
        "extreme_overbought_level": 99.6,
    }
)
NOW = CLOSE + timedelta(minutes=30)


def wave(phase: int) -> list[Bar]:
    """Prices that rise on the whole and swing, each phase elsewhere in its swing."""
    return [
        replace(bar, close=close, open=close, high=close + 1, low=close - 1)
        for n, bar in enumerate(bars_to(FRIDAY, 700))
        for close in [100 + n / 10 + 6 * math.sin((n + 3 * phase) / 5) + math.sin(n * 1.7)]
    ]


def evaluated(run: Run, shard: int, *symbols: str) -> None:
    evaluate.evaluate(EvaluateShard(run_id=run.id, shard=shard, symbols=symbols, correlation_id="c"))


@pytest.fixture
def run(published: list[Any], queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of two shards, concluded, with signals, and a verdict on each of its intents."""
    market = FakeMarketData(history={symbol: wave(n) for n, symbol in enumerate(SYMBOLS[:-1])})
    market.history["S10"] = wave(10)[:-1]  # the bar to judge is late
    monkeypatch.setattr(evaluate, "_market_data", lambda: market)
    evaluate._settings_of.cache_clear()
    version = save_settings(
        watchlist=SYMBOLS,
        strategies={"stochrsi_ema": WIDE, "quiet": StrategySettings()},
        shard_size_symbols=6,
    )
    until = {"stochrsi_ema": CLOSE + timedelta(days=5), "quiet": CLOSE + timedelta(days=5)}
    planned = a_run(settings_version=version, valid_until=until, symbols=12)
    runs.plan(planned)
    Books("paper").commit(risk_book=a_book(as_of=NOW))
    evaluated(planned, 0, *SYMBOLS[:6])
    evaluated(planned, 1, *SYMBOLS[6:])
    conclude.conclude(ConcludeRun(run_id=planned.id, reason="reported", correlation_id="c"))
    for body in queues.bodies("order-queue"):
        judged(msgspec.json.encode(body["intent"]), version)
    found = runs.get("paper", planned.id)
    assert found is not None
    return found


def judged(intent: bytes, version: int) -> None:
    """Keeps the verdict's record as execute does."""
    wanted = msgspec.json.decode(intent, type=Intent, strict=False)
    book, facts = a_book(as_of=NOW), some_facts(now=NOW)
    limits = trading_settings.of_version(version).settings.risk
    record = VerdictRecord(
        client_order_id=wanted.client_order_id,
        judged_at=NOW,
        wall_at=NOW,
        rules_version=RULES_VERSION,
        settings_version=version,
        intent=wanted,
        book=book,
        facts=facts,
        verdict=verdicts.canonical(assess(wanted, book, limits, facts)),
    )
    verdicts.item_of(record).save()


def replayed(run: Run) -> Replayed:
    tally = Tally()
    replay(run, tally)
    return tally.result()


def test_a_run_is_recomputed_to_the_same_bytes(run: Run) -> None:
    """Reports, decision, signals, counts and verdicts, none of them empty."""
    result = replayed(run)
    assert () == result.differences
    assert (1, 12, 0) == (result.runs, result.symbols, result.mismatches)
    assert run.raised == result.signals > 0
    assert run.intents == result.intents == result.verdicts > 0
    assert run.withheld > 0  # a symbol without bars, by both strategies


def test_all_runs_and_verdicts_are_counted_once(run: Run) -> None:
    """Also a verdict that no run asked for, such as a person's; open runs are told apart."""
    runs.plan(a_run(id="1Day-20240108T210000Z"))
    record = next(verdicts.every())
    other = replace(record.intent, run_id=None, key="a" * 20)
    lone = msgspec.structs.replace(record, client_order_id=other.client_order_id, intent=other)
    verdicts.item_of(lone).save()
    *_, tally = replay_all("paper")
    result = tally.result()
    assert (1, 1, run.intents + 1, 0) == (
        result.runs,
        result.open_runs,
        result.verdicts,
        result.mismatches,
    )


def test_a_bar_that_was_revised_since_is_read_as_it_was(run: Run) -> None:
    """The revision keeps the bars that were judged."""
    changed = [replace(bar, close=bar.close * 1.01, high=bar.high * 1.02) for bar in wave(0)]
    columns = Columns.of(changed)
    bar_store.merge({"S0": columns}, columns.start_at(0), columns.start_at(-1), known=None)
    assert bar_store.stored([("S0", "2024")])["S0", "2024"].revision > 0
    assert () == replayed(run).differences


def test_a_bar_that_came_after_the_run_does_not_change_it(run: Run) -> None:
    """A symbol was withheld as stale; the bar that was missing is stored behind the others by now."""
    report = runs.reports(run.id)[1]
    assert [("S10", "stale")] == [
        (one.symbol, one.code) for one in report.withheld if one.symbol == "S10" and one.strategy == "quiet"
    ]
    late = Columns.of(wave(10)[-1:])
    before = bar_store.stored([("S10", "2024")])
    bar_store.merge({"S10": late}, late.start_at(0), late.start_at(0), known=before)
    after = bar_store.stored([("S10", "2024")])["S10", "2024"]
    assert (late.start[0], 0) == (after.columns.start[-1], after.revision)
    assert () == replayed(run).differences


def tamper_chunk(run: Run) -> None:
    """A stored close is another one, with the same revision."""
    item = bar_store.ChunkItem.get("S0#1Day#split", "2023")
    columns = chunks.decode(bytes(item.chunk))
    columns.close[-1] += 0.01
    item.chunk = chunks.encode(columns)
    item.save()


def lose_chunk(run: Run) -> None:
    """A chunk is gone."""
    bar_store.ChunkItem.get("S0#1Day#split", "2023").delete()


def break_chunk(run: Run) -> None:
    """A chunk's bytes are damaged."""
    item = bar_store.ChunkItem.get("S0#1Day#split", "2023")
    item.chunk = bytes(item.chunk)[:-3] + b"abc"
    item.save()


def tamper_report(run: Run) -> None:
    """A report has a signal less."""
    edit(f"RUN#{run.id}", "SHARD#00000", ShardReport, lambda report: {"raised": report.raised[1:]})


def forget_symbol(run: Run) -> None:
    """A report does not name a symbol of its shard."""
    edit(
        f"RUN#{run.id}",
        "SHARD#00001",
        ShardReport,
        lambda report: {"judged": {s: one for s, one in report.judged.items() if s != "S11"}},
    )


def tamper_decision(run: Run) -> None:
    """A decision rests on a book of an account that may not trade."""

    def halted(decision: Decision) -> dict[str, Any]:
        assert decision.risk_book is not None
        return {"risk_book": replace(decision.risk_book, trading_state=TradingState.HALTED)}

    edit(f"RUN#{run.id}", "DECISION", Decision, halted)


def tamper_signal(run: Run) -> None:
    """A signal's record names another price."""
    [record] = runs.newest_signals(bought(run), 1)
    runs.conclude(run, [msgspec.structs.replace(record, reference_price="1")])


def lose_signal(run: Run) -> None:
    """A signal's record is gone."""
    [record] = runs.newest_signals(bought(run), 1)
    RunItem.get(f"SYMBOL#{record.symbol}", runs.SIGNAL + runs.place_of(record)).delete()


def tamper_counts(run: Run) -> None:
    """The run says that it raised another number."""
    item = RunItem.get("paper", f"RUN#{run.id}")
    item.body = to_body(msgspec.structs.replace(run, raised=run.raised + 1))
    item.save()


def tamper_verdict(run: Run) -> None:
    """A verdict approves other shares than its rules did."""
    for record in verdicts.every():
        text = record.verdict.replace('"approved":', '"approved_then":', 1)
        verdicts.item_of(msgspec.structs.replace(record, verdict=text)).save()


def tamper_intent(run: Run) -> None:
    """The intent that was judged is not the one that the run asks for."""
    for record in verdicts.every():
        other = replace(record.intent, strength=1)
        verdicts.item_of(msgspec.structs.replace(record, intent=other)).save()


def edit(pk: str, sk: str, kind: Any, change: Callable[[Any], dict[str, Any]]) -> None:
    item = RunItem.get(pk, sk)
    value = from_body(unpacked(bytes(item.packed or b"")), kind)
    item.packed = packed(to_body(msgspec.structs.replace(value, **change(value))))
    item.save()


def bought(run: Run) -> str:
    """A symbol with a signal."""
    return next(r.symbol for report in runs.reports(run.id).values() for r in report.raised)


@pytest.mark.parametrize(
    ("tamper", "where"),
    [
        (tamper_chunk, "report of shard 0"),
        (lose_chunk, "report of shard 0"),
        (break_chunk, "report of shard 0"),
        (tamper_report, "report of shard 0"),
        (forget_symbol, "report of shard 1"),
        (tamper_decision, "decision"),
        (tamper_signal, "signal of stochrsi_ema"),
        (lose_signal, "signal of stochrsi_ema"),
        (tamper_counts, "counts"),
        (tamper_verdict, "verdict on aq1-sig-"),
        (tamper_intent, "intent aq1-sig-"),
    ],
)
def test_whatever_is_changed_behind_a_run_shows(run: Run, tamper: Callable[[Run], None], where: str) -> None:
    """The mismatch says where, with stored and recomputed lines."""
    tamper(run)
    again = runs.get("paper", run.id)
    assert again is not None
    result = replayed(again)
    assert result.mismatches > 0
    assert any(one.what.startswith(where) for one in result.differences)
    assert all("--- stored" in one.diff for one in result.differences)


def test_what_another_version_of_the_rules_decided_is_told_apart(run: Run) -> None:
    """There a difference is a change of the rules, and no mismatch."""
    tamper_report(run)
    edit(f"RUN#{run.id}", "SHARD#00000", ShardReport, lambda report: {"rules_version": RULES_VERSION + 1})
    edit(f"RUN#{run.id}", "DECISION", Decision, lambda report: {"rules_version": RULES_VERSION + 1})
    result = replayed(run)
    assert (0, True) == (result.mismatches, result.other_rules > 0)
