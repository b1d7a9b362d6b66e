"""A shard is judged on closed bars, fetched no more than needed, and reported once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import msgspec
import pytest
from pynamodb.exceptions import CancellationReason, TransactWriteError, VerboseClientError

from alpaquero.broker.protocol import Adjustment
from alpaquero.events.commands import EvaluateShard
from alpaquero.prices.bars import Bar
from alpaquero.store import bars as bar_store
from alpaquero.store import runs
from alpaquero.strategy.settings import StrategySettings
from functions.signal import evaluate
from functions.signal.evaluate import closed_series
from tests.fakes.broker import FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.signal.made import FRIDAY, a_run, bars_to, midnight, save_settings

THURSDAY, MONDAY = date(2024, 1, 4), date(2024, 1, 8)
LAST = midnight(FRIDAY)


@dataclass
class Asked(FakeMarketData):
    """Market data that notes from when on it was asked for which symbols."""

    calls: list[tuple[tuple[str, ...], datetime]] = field(default_factory=list)

    def daily_bars(
        self, symbols: Sequence[str], start: datetime, end: datetime, adjustment: Adjustment = "split"
    ) -> dict[str, list[Bar]]:
        assert "split" == adjustment
        self.calls.append((tuple(symbols), start))
        return super().daily_bars(symbols, start, end, adjustment)


@pytest.fixture
def market(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Two symbols with bars up to Monday's, which is still forming on Friday evening."""
    market = Asked(bars={"AAPL": bars_to(MONDAY, 400), "IBM": bars_to(MONDAY, 400)})
    monkeypatch.setattr(evaluate, "_market_data", lambda: market)
    return market


def shard(number: int, *symbols: str) -> dict[str, Any]:
    command = EvaluateShard(run_id=a_run().id, shard=number, symbols=symbols, correlation_id="c")
    return {"Records": [{"messageId": "m", "body": msgspec.json.encode(command).decode()}]}


def test_no_bar_after_the_one_judged_is_looked_at(market: Asked) -> None:
    """The bar that is forming is neither judged nor stored."""
    series = closed_series(["AAPL"], LAST, 250, market)
    assert LAST == series["AAPL"][-1].start
    assert LAST == bar_store.read(["AAPL"], [2024])["AAPL"][-1].start


def test_only_the_missing_tail_is_fetched(market: Asked) -> None:
    """The next day asks from the newest stored bar on, the overlap; then there is nothing to ask for."""
    first = closed_series(["AAPL"], midnight(THURSDAY), 250, market)["AAPL"]
    market.calls.clear()
    second = closed_series(["AAPL"], LAST, 250, market)["AAPL"]
    assert [(("AAPL",), midnight(THURSDAY))] == market.calls
    assert second[:-1] == first
    market.calls.clear()
    assert second == closed_series(["AAPL"], LAST, 250, market)["AAPL"]
    assert [] == market.calls


def test_a_tail_over_the_new_year_keeps_both_years(market: Asked) -> None:
    """Each year's chunk is whole after the tail has been added."""
    closed_series(["AAPL"], midnight(date(2023, 12, 28)), 250, market)
    before = closed_series(["AAPL"], LAST, 250, market)["AAPL"]
    assert before == closed_series(["AAPL"], LAST, 250, Asked())["AAPL"]


def test_a_changed_overlap_bar_fetches_the_whole_series_again(market: Asked) -> None:
    """After a split every stored bar is wrong: none of them is judged or kept."""
    closed_series(["AAPL"], midnight(THURSDAY), 250, market)
    halved = bars_to(MONDAY, 400, scale=0.5)
    market.bars["AAPL"] = halved
    series = closed_series(["AAPL"], LAST, 250, market)["AAPL"]
    wanted = [bar for bar in halved if series[0].start <= bar.start <= LAST]
    assert wanted == series
    assert len(series) >= 250
    assert series == closed_series(["AAPL"], LAST, 250, Asked())["AAPL"]


def test_a_series_found_wrong_is_not_judged_when_it_cannot_be_fetched(
    market: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its new prices the symbol has no series; the old one is not used."""
    closed_series(["AAPL"], midnight(THURSDAY), 250, market)
    changed = [replace(market.bars["AAPL"][-3], close=50.0)]
    answers = iter([{"AAPL": changed}, {}])
    monkeypatch.setattr(market, "daily_bars", lambda *a, **k: next(answers))
    assert {"AAPL": []} == closed_series(["AAPL"], LAST, 250, market)


def test_a_longer_history_setting_fetches_what_the_store_lacks(market: Asked) -> None:
    """Stored bars that are too few are fetched again whole, not withheld for ever."""
    closed_series(["AAPL"], LAST, 30, market)
    stored = sum(len(bars) for bars in bar_store.read(["AAPL"], range(2020, 2025)).values())
    series = closed_series(["AAPL"], LAST, stored + 50, market)["AAPL"]
    assert len(series) >= stored + 50


def test_a_shard_reports_once_and_the_last_one_calls_conclude(market: Asked, queues: FakeQueues) -> None:
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


def test_a_symbol_without_prices_is_withheld_with_its_reason(market: Asked) -> None:
    """It is in the report, so that nobody wonders."""
    runs.plan(a_run())
    evaluate.handler(shard(0, "FB"), None)
    [withheld] = runs.reports(a_run().id)[0].withheld
    assert ("FB", "short_history") == (withheld.symbol, withheld.code)


def test_a_stale_series_is_withheld(market: Asked) -> None:
    """When Alpaca lacks the bar to judge, the one before is not judged in its place."""
    market.bars["AAPL"] = bars_to(THURSDAY, 400)
    runs.plan(a_run())
    evaluate.handler(shard(0, "AAPL"), None)
    assert ["stale"] == [withheld.code for withheld in runs.reports(a_run().id)[0].withheld]


def test_a_run_is_judged_by_the_settings_it_was_planned_under(market: Asked) -> None:
    """A change in between counts from the next run on: all shards follow one version."""
    version = save_settings()
    runs.plan(a_run(settings_version=version))
    save_settings(strategies={"stochrsi_ema": StrategySettings(minimum_history_bars=9999)})
    evaluate.handler(shard(0, "AAPL"), None)
    assert () == runs.reports(a_run().id)[0].withheld


def test_an_unplanned_run_goes_back_to_its_queue(market: Asked) -> None:
    """The record fails, and is told."""
    assert 1 == len(evaluate.handler(shard(0, "AAPL"), None)["batchItemFailures"])


def test_two_shards_that_report_at_once_are_both_counted(
    market: Asked, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
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
