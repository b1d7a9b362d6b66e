"""Runs, signals, indicators and explanations as the routes answer them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alpaquero.events.commands import ConcludeRun
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import bars as bar_store
from alpaquero.store import runs
from alpaquero.strategy.run import run_id
from functions.signal import api, conclude
from tests.unit.signal.made import CLOSE, FRIDAY, a_report, a_run, a_signal, bars_to, midnight, save_settings

Call = Callable[..., tuple[int, Any]]

pytestmark = pytest.mark.usefixtures("published", "queues")


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the signals that another one's runs had."""
    monkeypatch.setattr(api, "_concluded", {})


def concluded(day: int, *symbols: str) -> str:
    """A run of a day that raised a signal on each symbol; answers its id."""
    close = CLOSE + timedelta(days=day)
    run = a_run(id=run_id("1Day", close), bar_close=close, shards=1, valid_until={"stochrsi_ema": close})
    runs.plan(run)
    signals = [replace(a_signal(symbol), bar_close=close) for symbol in symbols]
    runs.report("paper", run.id, 0, a_report(*signals))
    conclude.conclude(ConcludeRun(run_id=run.id, reason="reported", correlation_id="c"))
    return run.id


def test_runs_are_listed_newest_first_and_paged(call: Call) -> None:
    """A page ends with a cursor that the next page begins after."""
    ids = [concluded(day) for day in range(3)]
    status, first = call(api.app, "/api/runs", query={"limit": "2"})
    assert (200, [ids[2], ids[1]]) == (status, [run["id"] for run in first["items"]])
    _, second = call(api.app, "/api/runs", query={"limit": "2", "cursor": first["next"]})
    assert ([ids[0]], None) == ([run["id"] for run in second["items"]], second["next"])


def test_runs_of_one_timeframe_are_listed_alone(call: Call) -> None:
    """Another timeframe's are left out, and one that there is not is refused."""
    concluded(0)
    _, hours = call(api.app, "/signal/runs", query={"timeframe": "1Hour"})
    assert [] == hours["items"]
    status, answer = call(api.app, "/api/runs", query={"timeframe": "7Min"})
    assert (400, "timeframe") == (status, answer["error"]["details"]["field"])


def test_a_run_is_shown_with_its_signals(call: Call) -> None:
    """Counts, what was missing, and each signal with its code."""
    identifier = concluded(0, "AAPL", "IBM")
    status, run = call(api.app, "/api/runs/{id}", path={"id": identifier})
    assert (200, "concluded", 2, []) == (status, run["state"], run["raised"], run["missing_shards"])
    assert [("AAPL", "raised"), ("IBM", "raised")] == [(s["symbol"], s["code"]) for s in run["signals"]]
    status, answer = call(api.app, "/api/runs/{id}", path={"id": "1Day-never"})
    assert (404, "not_found") == (status, answer["error"]["code"])


def test_the_newest_signals_of_all_symbols_come_first(call: Call) -> None:
    """Runs without a signal are passed over; as many as asked for are given."""
    concluded(0, "AAPL")
    concluded(1)
    concluded(2, "IBM", "MSFT")
    _, page = call(api.app, "/api/signals", query={"limit": "2"})
    assert ["IBM", "MSFT"] == [signal["symbol"] for signal in page["items"]]
    _, page = call(api.app, "/api/signals")
    assert ["IBM", "MSFT", "AAPL"] == [signal["symbol"] for signal in page["items"]]


def test_the_signals_of_a_concluded_run_are_read_once(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second page asks for runs alone, for what a run concluded never changes; few runs are kept."""
    monkeypatch.setattr(api, "MOST_KEPT_RUNS", 2)
    for day in range(3):
        concluded(day, "AAPL")
    read: list[str] = []
    decision_of = runs.decision_of

    def counted(identifier: str) -> object:
        read.append(identifier)
        return decision_of(identifier)

    monkeypatch.setattr(runs, "decision_of", counted)
    for _ in range(2):
        _, page = call(api.app, "/api/signals", query={"limit": "2"})
        assert ["AAPL", "AAPL"] == [signal["symbol"] for signal in page["items"]]
    assert len(read) == 2
    call(api.app, "/api/signals")
    assert len(api._concluded) == 2


def test_the_signals_of_one_symbol_are_paged(call: Call) -> None:
    """By their path or by a query, newest first."""
    for day in range(3):
        concluded(day, "AAPL")
    _, first = call(api.app, "/api/signals/{symbol}", path={"symbol": "aapl"}, query={"limit": "2"})
    _, second = call(
        api.app,
        "/signal/signals/{symbol}",
        path={"symbol": "AAPL"},
        query={"limit": "2", "cursor": first["next"]},
    )
    closes = [signal["bar_close"] for page in (first, second) for signal in page["items"]]
    assert sorted(closes, reverse=True) == closes
    assert (3, None) == (len(closes), second["next"])
    assert 3 == len(call(api.app, "/api/signals", query={"symbol": "aapl"})[1]["items"])


def test_indicators_are_those_of_the_strategy_that_judges_the_symbol(call: Call) -> None:
    """As many bars as asked for, each series as long; a symbol nobody judges is not found."""
    save_settings()
    concluded(0)
    columns = Columns.of(bars_to(FRIDAY, 300))
    first, last = columns.start_at(0), midnight(FRIDAY)
    bar_store.merge({"AAPL": columns}, first, last, timeframe="1Day", adjustment="split", known=None)
    status, found = call(api.app, "/api/indicators/{symbol}", path={"symbol": "AAPL"}, query={"limit": "30"})
    assert (200, "stochrsi_ema", 30) == (status, found["strategy"], len(found["times"]))
    assert {"k", "d", "ema", "ema_fast", "ema_slow"} == found["series"].keys()
    assert {30} == {len(series) for series in found["series"].values()}
    assert [float(close) for close in columns.close[-30:]] == found["closes"]
    assert 404 == call(api.app, "/api/indicators/{symbol}", path={"symbol": "IBM"})[0]
    query = {"strategy": "nope"}
    status, answer = call(api.app, "/api/indicators/{symbol}", path={"symbol": "AAPL"}, query=query)
    assert (400, "strategy") == (status, answer["error"]["details"]["field"])


def test_indicators_are_empty_while_no_bar_is_stored(call: Call) -> None:
    """Before the first run, and for a symbol without history, the answer has no times and no failure."""
    save_settings()
    assert (200, [], {}) == indicators_of(call, "AAPL")
    concluded(0)
    assert (200, [], {}) == indicators_of(call, "AAPL")


def indicators_of(call: Call, symbol: str) -> tuple[int, list[str], dict[str, list[float]]]:
    """The status, times and series of a symbol's indicators."""
    status, found = call(api.app, "/api/indicators/{symbol}", path={"symbol": symbol})
    return status, found["times"], found["series"]


def test_an_explanation_takes_a_time(call: Call) -> None:
    """The bar up to then is explained; what is no time is refused."""
    save_settings()
    path = {"symbol": "aapl"}
    status, told = call(api.app, "/api/signals/{symbol}/explain", path=path)
    assert (200, "AAPL", "schedule") == (status, told["symbol"], told["chains"][0]["steps"][-1]["name"])
    query = {"at": "yesterday"}
    status, answer = call(api.app, "/api/signals/{symbol}/explain", path=path, query=query)
    assert (400, "at") == (status, answer["error"]["details"]["field"])


@pytest.mark.parametrize(
    "route", ["/api/signals/{symbol}", "/api/signals/{symbol}/explain", "/api/indicators/{symbol}"]
)
@pytest.mark.parametrize("symbol", ["A" * 3000, "a b", "AAPL#1Day"])
def test_what_cannot_be_a_symbol_is_not_found(call: Call, route: str, symbol: str) -> None:
    """Nothing that long or strange reaches the tables, which would refuse it with a failure."""
    status, answer = call(api.app, route, path={"symbol": symbol})
    assert (404, True) == (status, "BRK.B" in answer["error"]["message"])


def test_what_cannot_be_a_run_is_not_found(call: Call) -> None:
    """DynamoDB takes keys of 1,024 bytes; a longer id is no run of ours."""
    assert 404 == call(api.app, "/api/runs/{id}", path={"id": "1Day-" + "9" * 2000})[0]


def test_a_time_with_a_zone_is_understood(call: Call) -> None:
    """`at` of New York is not read as UTC; a moment before all time is refused."""
    runs.plan(a_run(settings_version=save_settings()))
    path, query = {"symbol": "AAPL"}, {"at": CLOSE.astimezone(NEW_YORK).isoformat()}
    _, told = call(api.app, "/api/signals/{symbol}/explain", path=path, query=query)
    assert [a_run().id] == [chain["run_id"] for chain in told["chains"]]
    query = {"at": "0001-01-01T00:00:00+14:00"}
    status, answer = call(api.app, "/api/signals/{symbol}/explain", path=path, query=query)
    assert (400, "at") == (status, answer["error"]["details"]["field"])
