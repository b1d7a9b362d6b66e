"""A bar is planned once, a shard reports once, a run is concluded once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import runs
from alpaquero.strategy.run import (
    Judged,
    Run,
    RunState,
    ShardReport,
    SignalRecord,
    run_id,
)
from alpaquero.strategy.signal import Signal, Withheld, WithheldCode

CLOSE = datetime(2026, 11, 20, 21, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def run(day: int = 0, **other: object) -> Run:
    close = CLOSE + timedelta(days=day)
    fields: dict[str, object] = {
        "id": run_id("1Day", close), "account": "paper", "timeframe": "1Day", "bar_start": close,
        "bar_close": close, "valid_until": {"s": close}, "shards": 2, "symbols": 2, "settings_version": 0,
        "rules_version": 1, "correlation_id": "c", "planned_at": 1.5, "planned_market_at": close, **other,
    }  # fmt: skip
    return Run(**fields)  # type: ignore[arg-type]


def report(symbol: str) -> ShardReport:
    raised = Signal(
        symbol=symbol, side=Side.BUY, strategy="s", timeframe="1Day", bar_start=CLOSE, bar_close=CLOSE,
        strength=80, reference_price=Decimal("101.10"), reason="r", values={"k": 1.5},
    )  # fmt: skip
    withheld = Withheld(
        symbol="FB", strategy="s", timeframe="1Day", bar_close=CLOSE, code=WithheldCode.STALE, message="m"
    )
    judged = {
        symbol: Judged(bars=250, digest="0" * 16, revisions={"2026": 1}),
        "FB": Judged(bars=0, digest=""),
    }
    return ShardReport(raised=(raised,), withheld=(withheld,), judged=judged, rules_version=1)


def record(symbol: str, day: int, outcome: str = "raised", timeframe: str = "1Day") -> SignalRecord:
    return SignalRecord(
        symbol=symbol, outcome=outcome, side="buy", strategy="s", timeframe=timeframe,
        bar_close=CLOSE + timedelta(days=day), strength=80, reference_price="101.10", code="", message="",
        values={}, run_id="r",
    )  # fmt: skip


def test_a_bar_has_one_run_however_often_it_is_planned() -> None:
    """The run on record is answered to who plans it again, with other shards or not."""
    assert runs.plan(run()) == (run(), True)
    assert runs.plan(run(shards=7, planned_at=9.0)) == (run(), False)
    assert runs.get("paper", run().id) == run()
    assert runs.count("paper") == 1


def test_a_shard_counts_once_however_often_it_reports() -> None:
    """A repeated report neither counts nor replaces the first."""
    runs.plan(run())
    assert runs.report("paper", run().id, 1, report("IBM")).reported == 1
    assert runs.report("paper", run().id, 1, report("MSFT")).reported == 1
    assert runs.report("paper", run().id, 0, report("AAPL")).reported == 2
    assert runs.reports(run().id) == {0: report("AAPL"), 1: report("IBM")}
    assert runs.reported_shards("paper", run().id) == {0, 1}


def test_a_report_for_a_run_that_is_not_on_record_is_refused() -> None:
    """No run comes into being by its report."""
    with pytest.raises(LookupError, match="not on record"):
        runs.report("paper", "1Day-never", 0, report("AAPL"))
    assert runs.get("paper", "1Day-never") is None


def test_a_run_is_concluded_once() -> None:
    """The second conclusion learns that it came late; counts of the first stay."""
    runs.plan(run())
    counted = run(raised=1, withheld=1, intents=1)
    assert runs.conclude(counted, [record("AAPL", 0)])
    assert not runs.conclude(run(raised=7), [record("AAPL", 0)])
    found = runs.get("paper", run().id)
    assert found is not None
    assert (found.state, found.raised, found.intents) == (RunState.CONCLUDED, 1, 1)
    assert len(runs.newest_signals("AAPL", 10)) == 1


def test_the_newest_come_first() -> None:
    """Runs and signals are listed from the newest, as many as asked for."""
    for day in (1, 0, 2):
        runs.plan(run(day))
        runs.conclude(run(day), [record("AAPL", day), record("IBM", day, "withheld")])
    assert [r.bar_close for r in runs.newest_runs("paper", 2)] == [CLOSE + timedelta(days=d) for d in (2, 1)]
    assert runs.newest_signals("AAPL", 2) == [record("AAPL", 2), record("AAPL", 1)]
    assert [s.outcome for s in runs.newest_signals("IBM", 5)] == ["withheld"] * 3


def test_a_strategy_has_a_signal_of_each_timeframe_on_one_close() -> None:
    """One whose timeframe was changed at the close keeps both: an hour and a day end together."""
    both = [record("AAPL", 0, timeframe=timeframe) for timeframe in ("1Day", "1Hour")]
    for one in both:
        runs.plan(run(id=run_id(one.timeframe, CLOSE), timeframe=one.timeframe))
        runs.conclude(run(id=run_id(one.timeframe, CLOSE)), [one])
    assert [runs.signal_like(one) for one in both] == both
    newest = runs.newest_signals("AAPL", 1)
    assert (
        sorted([*newest, *runs.newest_signals("AAPL", 1, before=runs.place_of(newest[0]))], key=str) == both
    )


def test_runs_are_found_up_to_a_moment_in_any_zone() -> None:
    """Four o'clock in New York is nine in the evening UTC: the bar that closed then has closed."""
    runs.plan(run())
    local = CLOSE.astimezone(NEW_YORK)
    assert [found.id for found in runs.newest_runs("paper", 1, until=local)] == [run().id]
    assert runs.newest_runs("paper", 1, until=local - timedelta(seconds=1)) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20])
def test_the_newest_runs_of_all_timeframes_are_those_of_each(limit: int) -> None:
    """However few are asked for, they are the newest of all timeframes, as one by one would give them."""
    counts = {"1Day": 4, "1Hour": 2, "15Min": 6, "1Min": 1}
    planned = []
    for place, (timeframe, number) in enumerate(counts.items()):
        for day in range(number):
            close = CLOSE + timedelta(days=day, minutes=place)
            identifier = run_id(timeframe, close)
            planned.append(run(id=identifier, timeframe=timeframe, bar_close=close, bar_start=close))
            runs.plan(planned[-1])
    expected = sorted(planned, key=lambda one: one.bar_close, reverse=True)[:limit]
    assert runs.newest_runs("paper", limit) == expected
    assert runs.newest_runs("paper", limit, timeframes=tuple(Timeframe)) == expected
    each = runs.newest_of_each("paper")
    assert {name: one.bar_close for name, one in each.items()} == {
        name: max(one.bar_close for one in planned if one.timeframe == name) for name in counts
    }
    assert runs.newest_in(each) == max(planned, key=lambda one: one.bar_close)
    assert runs.newest_of_each("other") == {}
    assert runs.newest_in({}) is None
