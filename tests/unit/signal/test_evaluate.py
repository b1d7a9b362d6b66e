"""A shard is judged on closed bars, fetched no more than needed, and reported once."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from pynamodb.exceptions import CancellationReason, TransactWriteError, VerboseClientError

from alpaquero.events.commands import EvaluateShard
from alpaquero.store import runs
from alpaquero.strategy.settings import StrategySettings
from functions.signal import evaluate
from tests.fakes.broker import FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.signal.made import a_run, bars_to, save_settings

THURSDAY, MONDAY = date(2024, 1, 4), date(2024, 1, 8)


@pytest.fixture
def market(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> FakeMarketData:
    """Two symbols with bars up to Monday's, which is still forming on Friday evening."""
    market = FakeMarketData(history={"AAPL": bars_to(MONDAY, 400), "IBM": bars_to(MONDAY, 400)})
    monkeypatch.setattr(evaluate, "_market_data", lambda: market)
    return market


def shard(number: int, *symbols: str) -> dict[str, Any]:
    command = EvaluateShard(run_id=a_run().id, shard=number, symbols=symbols, correlation_id="c")
    return {"Records": [{"messageId": "m", "body": msgspec.json.encode(command).decode()}]}


def test_a_shard_reports_once_and_the_last_one_calls_conclude(
    market: FakeMarketData, queues: FakeQueues
) -> None:
    """Judged again it changes nothing; a repeat of the last one calls again, which is harmless."""
    runs.plan(a_run())
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
    runs.plan(a_run())
    evaluate.handler(shard(0, "FB"), None)
    [withheld] = runs.reports(a_run().id)[0].withheld
    assert ("FB", "short_history") == (withheld.symbol, withheld.code)


def test_a_stale_series_is_withheld(market: FakeMarketData) -> None:
    """When Alpaca lacks the bar to judge, the one before is not judged in its place."""
    market.history["AAPL"] = bars_to(THURSDAY, 400)
    runs.plan(a_run())
    evaluate.handler(shard(0, "AAPL"), None)
    assert ["stale"] == [withheld.code for withheld in runs.reports(a_run().id)[0].withheld]


def test_a_run_is_judged_by_the_settings_it_was_planned_under(market: FakeMarketData) -> None:
    """A change in between counts from the next run on: all shards follow one version."""
    version = save_settings()
    runs.plan(a_run(settings_version=version))
    save_settings(strategies={"stochrsi_ema": StrategySettings(minimum_history_bars=9999)})
    evaluate.handler(shard(0, "AAPL"), None)
    assert () == runs.reports(a_run().id)[0].withheld


def test_an_unplanned_run_goes_back_to_its_queue(market: FakeMarketData) -> None:
    """The record fails, and is told."""
    assert 1 == len(evaluate.handler(shard(0, "AAPL"), None)["batchItemFailures"])


def test_two_shards_that_report_at_once_are_both_counted(
    market: FakeMarketData, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB refuses one of two transactions on the run; the shard tries again at once."""
    runs.plan(a_run())
    count = runs._count_report
    refused: list[Any] = []

    def busy(*args: Any) -> None:
        if len(refused) < 2:
            refused.append(args)
            raise _conflict()
        count(*args)

    monkeypatch.setattr(runs, "_count_report", busy)
    assert {"batchItemFailures": []} == evaluate.handler(shard(0, "AAPL"), None)
    assert 1 == len(runs.reports(a_run().id))


def _conflict() -> TransactWriteError:
    answer = {"Error": {"Code": "TransactionCanceledException", "Message": "conflict"}}
    reasons = [None, CancellationReason("TransactionConflict")]
    cause = VerboseClientError(answer, "TransactWriteItems", cancellation_reasons=reasons)
    return TransactWriteError("conflict", cause)
