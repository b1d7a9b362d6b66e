"""A shard is judged on closed bars, fetched no more than needed, and reported once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from alpaquero.events.commands import EvaluateShard
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session
from alpaquero.store import runs
from alpaquero.strategy.evaluation import digest
from alpaquero.strategy.settings import Mode, StrategySettings
from functions.signal import evaluate
from tests.fakes.broker import FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.signal.made import CLOSE, FRIDAY, a_run, bars_to, save_settings

THURSDAY, MONDAY = date(2024, 1, 4), date(2024, 1, 8)


@pytest.fixture
def market(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> FakeMarketData:
    """Two symbols with bars up to Monday's, which is still forming on Friday evening."""
    market = FakeMarketData(history={"AAPL": bars_to(MONDAY, 400), "IBM": bars_to(MONDAY, 400)})
    monkeypatch.setattr(evaluate, "_market_data", lambda: market)
    evaluate._settings_of.cache_clear()
    return market


def planned(strategies: dict[str, StrategySettings] | None = None, **run: Any) -> None:
    """A run under settings that watch three symbols."""
    changes = {} if strategies is None else {"strategies": strategies}
    version = save_settings(watchlist=("AAPL", "IBM", "FB"), **changes)
    runs.plan(a_run(settings_version=version, **run))


def shard(number: int, *symbols: str) -> dict[str, Any]:
    command = EvaluateShard(run_id=a_run().id, shard=number, symbols=symbols, correlation_id="c")
    return {"Records": [{"messageId": "m", "body": msgspec.json.encode(command).decode()}]}


def test_a_shard_reports_once_and_the_last_one_calls_conclude(
    market: FakeMarketData, queues: FakeQueues
) -> None:
    """Judged again it changes nothing; a repeat of the last one calls again, which is harmless."""
    planned()
    assert {"batchItemFailures": []} == evaluate.handler(shard(0, "AAPL"), None)
    evaluate.handler(shard(0, "AAPL"), None)
    assert (1, {}) == (len(runs.reports(a_run().id)), queues.messages)
    evaluate.handler(shard(1, "IBM"), None)
    assert ["reported"] == [body["reason"] for body in queues.bodies("conclude-queue")]
    run = runs.get("paper", a_run().id)
    assert run is not None
    assert 2 == run.reported


def test_a_symbol_without_prices_is_withheld_with_its_reason(market: FakeMarketData) -> None:
    """It is in the report, so that nobody wonders."""
    planned()
    evaluate.handler(shard(0, "FB"), None)
    [withheld] = runs.reports(a_run().id)[0].withheld
    assert ("FB", "short_history") == (withheld.symbol, withheld.code)


def test_a_stale_series_is_withheld(market: FakeMarketData) -> None:
    """When Alpaca lacks the bar to judge, the one before is not judged in its place."""
    market.history["AAPL"] = bars_to(THURSDAY, 400)
    planned()
    evaluate.handler(shard(0, "AAPL"), None)
    assert ["stale"] == [withheld.code for withheld in runs.reports(a_run().id)[0].withheld]


def test_a_run_is_judged_by_the_settings_it_was_planned_under(market: FakeMarketData) -> None:
    """A change in between counts from the next run on: all shards follow one version."""
    planned()
    save_settings(strategies={"stochrsi_ema": StrategySettings(minimum_history_bars=9999)})
    evaluate.handler(shard(0, "AAPL"), None)
    assert () == runs.reports(a_run().id)[0].withheld


def test_an_unplanned_run_goes_back_to_its_queue(market: FakeMarketData) -> None:
    """The record fails, and is told."""
    assert 1 == len(evaluate.handler(shard(0, "AAPL"), None)["batchItemFailures"])


def test_a_shard_that_died_before_it_was_counted_is_counted_by_the_repeat(
    market: FakeMarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is kept first; the queue brings the message again and the shard counts once."""
    planned()

    def dies(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the function was killed")

    with monkeypatch.context() as killed:
        killed.setattr(runs.RunItem, "update", dies)
        assert 1 == len(evaluate.handler(shard(0, "AAPL"), None)["batchItemFailures"])
    run = runs.get("paper", a_run().id)
    assert (0, {0}) == (run.reported if run else None, set(runs.reports(a_run().id)))
    for _ in range(2):
        evaluate.handler(shard(0, "AAPL"), None)
    run = runs.get("paper", a_run().id)
    assert 1 == (run.reported if run else None)


def test_a_report_names_what_every_symbol_was_judged_on(market: FakeMarketData) -> None:
    """How many bars, and a digest that a replay compares; a symbol without bars too."""
    planned()
    evaluate.handler(shard(0, "AAPL", "FB"), None)
    judged = runs.reports(a_run().id)[0].judged
    assert {"AAPL": 250, "FB": 0} == {symbol: one.bars for symbol, one in judged.items()}
    assert judged["AAPL"].digest == digest(Columns.of(bars_to(FRIDAY, 250)))


def test_several_strategies_judge_the_bars_read_once(market: FakeMarketData) -> None:
    """Each judges its own symbols with its own history; a shadow says so in what it withholds."""
    planned(
        strategies={
            "a": StrategySettings(),
            "b": StrategySettings(mode=Mode.SHADOW, symbols=("IBM",), minimum_history_bars=300),
            "hourly": StrategySettings(timeframe=Timeframe.HOUR),
        }
    )
    market.history["IBM"] = bars_to(MONDAY, 200)
    evaluate.handler(shard(0, "AAPL", "IBM"), None)
    report = runs.reports(a_run().id)[0]
    assert {"AAPL": 300, "IBM": 199} == {symbol: one.bars for symbol, one in report.judged.items()}
    assert [("IBM", "a", False), ("IBM", "b", True)] == [
        (one.symbol, one.strategy, one.shadow) for one in report.withheld
    ]


def test_a_strategy_that_fails_takes_no_other_with_it(
    market: FakeMarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its symbols are withheld with the reason; the strategies beside it are judged as ever."""

    def fails(columns: Columns, parameters: object) -> dict[str, float | None]:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr("alpaquero.strategies.ema_cross.values", fails)
    planned(strategies={"a": StrategySettings(), "b": StrategySettings(rule="ema_cross", mode=Mode.SHADOW)})
    assert {"batchItemFailures": []} == evaluate.handler(shard(0, "AAPL", "IBM"), None)
    withheld = runs.reports(a_run().id)[0].withheld
    assert [("AAPL", "b", "failed"), ("IBM", "b", "failed")] == [
        (one.symbol, one.strategy, one.code) for one in withheld
    ]
    assert "ema_cross failed: ZeroDivisionError: float division by zero" in withheld[0].message


def test_a_run_of_minutes_judges_bars_of_minutes(
    market: FakeMarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bars are those of the run's timeframe, of regular sessions alone."""
    opens = datetime(2024, 1, 5, 14, 30, tzinfo=UTC)
    session = Session(FRIDAY, opens, CLOSE)
    monkeypatch.setattr(evaluate, "_sessions", lambda first, last: [session])
    five = timedelta(minutes=5)
    market.history["AAPL"] = [
        Bar(opens + n * five, 100.0 + n % 7, 108.0, 99.0, 100.0 + n % 7, 10) for n in range(-5, 78)
    ]
    close = opens + 60 * five
    planned(
        strategies={"fast": StrategySettings(timeframe=Timeframe.FIVE_MINUTES, minimum_history_bars=50)},
        id="5Min-x",
        timeframe="5Min",
        bar_start=close - five,
        bar_close=close,
        valid_until={"fast": close + 3 * five},
    )
    evaluate.evaluate(EvaluateShard(run_id="5Min-x", shard=0, symbols=("AAPL",), correlation_id="c"))
    report = runs.reports("5Min-x")[0]
    assert (50, ()) == (report.judged["AAPL"].bars, report.withheld)
