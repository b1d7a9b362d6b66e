"""A backtest through the whole cloud: asked for by the public API, run by a function, kept in a bucket."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alpaquero.backtests.execution import execute
from alpaquero.backtests.outcome import decoded
from alpaquero.backtests.request import BacktestRequest, settings_for
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.bars import Timeframe
from alpaquero.risk.limits import RiskLimits
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.web.bodies.analytics import Backtest, BacktestAccepted
from laptop.backtests.prices import Store
from laptop.errors import LaptopError
from laptop.stack import LaptopCloud
from tests.integration.asking import Caller
from tests.integration.reading import Traded, depth
from tests.waiting import wait_for

KEY = {"idempotency-key": "a backtest of the tests"}


def _ended(admin: Caller, identifier: str) -> Backtest | None:
    answer = admin.ask("GET", f"/api/backtests/{identifier}")
    assert answer.status_code == 200, answer.text
    job = msgspec.json.decode(answer.content, type=Backtest)
    return job if job.status in {"done", "failed"} else None


def test_a_backtest_runs_over_the_stored_bars(cloud: LaptopCloud, admin: Caller, traded: Traded) -> None:
    """Queued with 202, done with figures; result and report are answered, and lie in the bucket."""
    clock = cloud.exchange.status()
    assert clock.session is not None
    asked = {
        "symbols": [traded.symbol],
        "start": str(clock.session.date.replace(day=1)),
        "end": str(clock.session.date),
    }
    answer = admin.ask("POST", "/api/backtests", body=asked, headers=KEY)
    assert answer.status_code == 202, answer.text
    accepted = msgspec.json.decode(answer.content, type=BacktestAccepted)
    job = wait_for(lambda: _ended(admin, accepted.id), what="the backtest to end")
    assert (job.status, job.message) == ("done", "")
    found = decoded(admin.ask("GET", f"/api/backtests/{job.id}/result").content)
    assert (found.asked.symbols, found.trades_sha256) == (
        (traded.symbol,),
        (job.figures or {})["trades_sha256"],
    )
    page = admin.ask("GET", f"/api/backtests/{job.id}/report")
    assert page.text.startswith("<!doctype html>")
    listed = cloud.client("s3").list_objects_v2(
        Bucket=cloud.outputs["Archive"], Prefix=f"backtests/{job.id}/"
    )
    assert {item["Key"].rsplit("/", 1)[1] for item in listed["Contents"]} == {
        "report.html.gz",
        "result.json.gz",
    }


def test_the_command_line_reads_the_same_bars(
    cloud: LaptopCloud, ports: dict[str, int], traded: Traded
) -> None:
    """`--data store` reads what the stack has stored, oldest first; without any it says what to run."""
    assert ports["historical_data"]
    columns = Store(cloud, [traded.symbol]).read([Timeframe.DAY]).series[traded.symbol]
    assert len(columns) > 50
    assert sorted(columns.start) == list(columns.start)
    with pytest.raises(LaptopError, match="alpaquero history ingest --symbols ZZZZ"):
        Store(cloud, ["ZZZZ"]).read([Timeframe.DAY])


def test_bars_of_five_minutes_are_fetched_and_tested(cloud: LaptopCloud, admin: Caller) -> None:
    """Stored by an ingest, tested by a job; the command line trades the same on what the store has."""
    span = {"symbols": ["IBM"], "timeframe": "5Min", "end": "2012-04-13"}
    _ingested(admin, span | {"start": "2012-04-10"})
    changes = {"minimum_history_bars": 78, "fast_period_bars": 2, "slow_period_bars": 6}
    asked = span | {
        "start": "2012-04-11",
        "strategies": ["ema_cross"],
        "changes": {f"strategy.{name}": value for name, value in changes.items()},
    }
    answer = admin.ask("POST", "/api/backtests", body=asked, headers={"idempotency-key": "of five minutes"})
    assert answer.status_code == 202, answer.text
    job = wait_for(lambda: _ended(admin, answer.json()["id"]), what="the backtest to end")
    assert (job.status, job.message) == ("done", "")
    found = decoded(admin.ask("GET", f"/api/backtests/{job.id}/result").content)
    assert (found.asked.timeframe, list(map(str, found.equity.days))) == (
        "5Min",
        ["2012-04-11", "2012-04-12", "2012-04-13"],
    )
    assert found.activity.withheld == {}
    assert found.activity.fills > 0
    prices = Store(cloud, ["IBM"]).read([Timeframe.FIVE_MINUTES])
    assert len(prices.series["IBM"]) >= 4 * 78
    request = msgspec.convert(asked, BacktestRequest, strict=False)
    settings = settings_for(request, TradingSettings().strategies, RiskLimits(), OrderSettings())
    here = execute(request, settings, prices.series, prices.sessions, data="the store")
    assert here.activity.signals == found.activity.signals > 0
    assert here.trades_sha256 == found.trades_sha256


def test_a_strategy_of_days_is_tested_beside_one_of_minutes(cloud: LaptopCloud, admin: Caller) -> None:
    """The job reads the stored bars of both timeframes; the command line trades the same on them."""
    span = {"symbols": ["MSFT"], "end": "2012-04-13"}
    _ingested(admin, span | {"start": "2012-04-09", "timeframe": "15Min"})
    _ingested(admin, span | {"start": "2012-01-03", "timeframe": "1Day"})
    of_days = {"timeframe": "1Day", "minimum_history_bars": 40}
    of_minutes = {
        "timeframe": "15Min",
        "minimum_history_bars": 26,
        "fast_period_bars": 2,
        "slow_period_bars": 6,
    }
    asked = span | {
        "start": "2012-04-10",
        "strategies": ["ema_cross", "stochrsi_ema"],
        "changes": {f"strategies.ema_cross.{name}": value for name, value in of_minutes.items()}
        | {f"strategies.stochrsi_ema.{name}": value for name, value in of_days.items()},
    }
    answer = admin.ask("POST", "/api/backtests", body=asked, headers={"idempotency-key": "of two timeframes"})
    assert answer.status_code == 202, answer.text
    job = wait_for(lambda: _ended(admin, answer.json()["id"]), what="the backtest to end")
    assert (job.status, job.message) == ("done", "")
    found = decoded(admin.ask("GET", f"/api/backtests/{job.id}/result").content)
    assert (found.asked.timeframe, found.activity.withheld) == ("15Min, 1Day", {})
    prices = Store(cloud, ["MSFT"]).read([Timeframe.FIFTEEN_MINUTES, Timeframe.DAY])
    request = msgspec.convert(asked, BacktestRequest, strict=False)
    settings = settings_for(request, TradingSettings().strategies, RiskLimits(), OrderSettings())
    here = execute(
        request,
        settings,
        prices.series,
        prices.sessions,
        longer={Timeframe.DAY: prices.of(Timeframe.DAY)},
        data="the store",
    )
    assert here.activity.signals == found.activity.signals > 0
    assert here.trades_sha256 == found.trades_sha256


def _ingested(admin: Caller, asked: dict[str, Any]) -> None:
    began = admin.ask("POST", "/api/historical/ingest", body=asked)
    assert began.status_code == 202, began.text
    path = f"/api/historical/ingest/{began.json()['id']}"
    wait_for(lambda: admin.ask("GET", path).json()["state"] == "done", what="the bars to be stored")


def test_a_repeat_is_the_same_backtest(cloud: LaptopCloud, admin: Caller) -> None:
    """The same key and request answer one id and leave no message; without bars it ends with the fix."""
    asked = {"symbols": ["ZZZZ"], "start": "2012-01-03", "end": "2012-02-03"}
    first, again = (
        msgspec.json.decode(
            admin.ask("POST", "/api/backtests", body=asked, headers={"idempotency-key": "unknown"}).content,
            type=BacktestAccepted,
        )
        for _ in range(2)
    )
    assert first.id == again.id
    job = wait_for(lambda: _ended(admin, first.id), what="the backtest to end")
    assert job.status == "failed"
    assert "alpaquero history ingest --symbols ZZZZ" in job.message
    wait_for(lambda: depth(cloud, "BacktestQueue") == 0, what="BacktestQueue to be empty")
