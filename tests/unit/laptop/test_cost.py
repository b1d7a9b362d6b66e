"""What a month costs: straight lines through what was measured, times dated prices, and what stands."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from alpaquero.store.trading_settings import TradingSettings
from laptop.cli import main
from laptop.cost.metering import KEPT, asked_of, handled
from laptop.cost.model import DAY, HOURS, SESSIONS, Bill, Load, Part, containers, month, uses_of
from laptop.cost.page import PAGE, page_as_it_should_be
from laptop.cost.plant import Consumer, Plant, plant
from laptop.cost.work import SHARD_SYMBOLS, Measurements, RunStretch, Stretch, Work, together
from laptop.errors import LaptopError
from laptop.marked import begin, page_with

PLANT = Plant(
    schedules={"plan": ("SignalPlan", 5), "sync": ("TradingSync", 1)},
    consumers=(Consumer("SignalEvaluate", fifo=False, by_bus=False), Consumer("TradingExecute", True, False)),
    tables=1,
    alarms=3,
    dashboards=0,
    secrets=2,
    log_days=30,
)


def stretch(times: float = 1, log_bytes: float = 0, **done: Work) -> Stretch:
    """Work of functions by their names."""
    return Stretch(times=times, log_bytes=log_bytes, done=done)


def run_of(symbols: int) -> RunStretch:
    """Two runs: evaluation takes 10 ms and 2 ms a symbol and writes 4 units a symbol; two orders in all."""
    return RunStretch(
        symbols=symbols,
        shards=1,
        orders=2,
        kept_bytes=1000 + 10 * symbols,
        stretch=stretch(
            times=2,
            SignalPlan=Work(invocations=2, milliseconds=60),
            SignalEvaluate=Work(invocations=2, milliseconds=20 + 4 * symbols, writes=8 * symbols),
            SignalConclude=Work(invocations=2, milliseconds=40, events=2),
            TradingSync=Work(invocations=2, milliseconds=200),
            TradingExecute=Work(invocations=2, milliseconds=100, writes=20),
        ),
    )


MEASURED = Measurements(
    taken_on=date(2026, 11, 23),
    where="nowhere",
    ticks={
        "plan": stretch(times=4, SignalPlan=Work(invocations=4, milliseconds=40, reads=12)),
        "sync": stretch(times=1, TradingSync=Work(invocations=1, milliseconds=100)),
    },
    runs=[run_of(50), run_of(10)],
    page=stretch(PositionApi=Work(invocations=2, milliseconds=20, reads=4)),
)


def part(bill: Bill, name: str) -> Part:
    """A part of the bill."""
    return next(one for one in bill.parts if one.name == name)


def test_memory_given_by_parameter_is_what_is_priced() -> None:
    """Twice the memory is twice the GB-seconds; a name that is none of the template's is refused."""
    done = stretch(TradingSync=Work(invocations=1, milliseconds=1000), TradingApi=Work(milliseconds=1000))
    before, after = uses_of(done, plant()), uses_of(done, plant({"WorkerMemory": "1024"}))
    assert (before["lambda_compute"], after["lambda_compute"]) == (1.0, 1.5)
    with pytest.raises(LaptopError, match="no parameter Memory"):
        plant({"Memory": "1024"})


def test_schedules_tick_day_and_night_at_the_template_s_rates() -> None:
    """Daily bars leave plan its five minutes; bars of a minute need it each minute."""
    daily = part(month(Load(symbols=10), MEASURED, PLANT), "schedules").uses
    assert daily["lambda_requests"] == pytest.approx(HOURS * 60 * (1 / 5 + 1))
    assert daily["dynamodb_reads"] == pytest.approx(HOURS * 60 / 5 * 3)
    minutes = part(month(Load(symbols=10, bar_minutes=1), MEASURED, PLANT), "schedules").uses
    assert minutes["lambda_requests"] == pytest.approx(HOURS * 60 * 2)


def test_a_symbol_costs_the_same_at_any_size() -> None:
    """The line through the two sizes: 4 write units and 2 ms a symbol, whatever a run takes itself."""
    for symbols in (10, 1000):
        uses = part(month(Load(symbols=symbols, bar_minutes=5), MEASURED, PLANT), "symbols").uses
        runs = SESSIONS * 78
        assert uses["dynamodb_writes"] == pytest.approx(runs * symbols * 4)
        assert uses["lambda_compute"] == pytest.approx(runs * symbols * 0.002 * 512 / 1024)


def test_shards_and_runs_grow_apart() -> None:
    """101 symbols are three shards of one run: three evaluations with their messages, one conclusion."""
    bill = month(Load(symbols=101), MEASURED, PLANT)
    assert part(bill, "shards").uses["lambda_requests"] == pytest.approx(3 * SESSIONS)
    assert part(bill, "shards").uses["sqs_requests"] == pytest.approx(3 * SESSIONS * 2)
    # Plan's own invocation is the schedule's tick; what it does more is the run's.
    assert part(bill, "runs").uses["lambda_requests"] == pytest.approx(SESSIONS)
    assert part(bill, "runs").uses["events"] == pytest.approx(SESSIONS)


def test_an_order_costs_what_ran_for_it() -> None:
    """Execution by the FIFO queue; the tick of sync that the schedule sent anyway is taken off."""
    uses = part(month(Load(symbols=10, orders_a_day=3), MEASURED, PLANT), "orders").uses
    assert uses["dynamodb_writes"] == pytest.approx(3 * SESSIONS * 10)
    assert uses["sqs_fifo_requests"] == pytest.approx(3 * SESSIONS * 2)
    assert uses["lambda_requests"] == pytest.approx(3 * SESSIONS)
    assert not part(month(Load(symbols=10, orders_a_day=0), MEASURED, PLANT), "orders").usd


def test_without_an_order_nothing_is_made_up() -> None:
    """Measurements in which nothing was traded cannot say what an order costs."""
    idle = [
        RunStretch(symbols=n, shards=1, orders=0, kept_bytes=0, stretch=run_of(n).stretch) for n in (10, 50)
    ]
    measured = Measurements(
        taken_on=MEASURED.taken_on, where="", ticks=MEASURED.ticks, runs=idle, page=MEASURED.page
    )
    with pytest.raises(ValueError, match="no order was placed"):
        month(Load(symbols=10), measured, PLANT)


def test_free_tiers_hold_for_the_sum() -> None:
    """1.5 million invocations in two parts cost a tenth of a dollar after the first million."""
    bill = Bill((Part("a", "", {"lambda_requests": 9e5}), Part("b", "", {"lambda_requests": 6e5})))
    assert (bill.usd, bill.usd_after_free) == (Decimal("0.3"), Decimal("0.1"))


def test_messages_by_bus_are_sent_at_our_cost() -> None:
    """Send, receive and delete where bus or topic fill the queue; code that sends is counted as a call."""
    by_bus = Plant(
        schedules={}, consumers=(Consumer("GatewayPush", False, True),), tables=0, alarms=0, dashboards=0,
        secrets=0, log_days=1,
    )  # fmt: skip
    work = Work(invocations=2, calls={"execute-api": 5, "sqs": 1})
    uses = uses_of(stretch(GatewayPush=work), by_bus)
    assert (uses["sqs_requests"], uses["socket_messages"]) == (7, 5)
    assert uses_of(stretch(HealthProbe=work), by_bus)["api_requests"] == 5


def test_bars_of_a_day_are_one_run_a_session() -> None:
    """390 minutes make 390, 78, 26 bars or one."""
    assert [Load(symbols=1, bar_minutes=n).runs / SESSIONS for n in (1, 5, 15, DAY)] == [390, 78, 26, 1]


def test_the_shard_size_is_the_settings() -> None:
    """What the model reckons with is what a new stack has."""
    assert TradingSettings().shard_size_symbols == SHARD_SYMBOLS


def test_log_lines_tell_times_and_memory() -> None:
    """Handlers name their function, APIs their service; another stack's lines and others are left out."""
    lines = [
        json.dumps({"message": "handled", "function_name": "x-Sync-1", "milliseconds": 5, "memory_mb": 60}),
        json.dumps({"message": "handled", "function_name": "x-Sync-1", "milliseconds": 7, "memory_mb": 70}),
        json.dumps({"message": "handled", "function_name": "other", "milliseconds": 7}),
        json.dumps({"message": "answered", "service": "market_data", "milliseconds": 3}),
        json.dumps({"message": 'an order was "handled"', "milliseconds": 3}),
        'START RequestId: "handled"',
    ]
    found = handled(lines, {"x-Sync-1": "TradingSync"})
    assert found["TradingSync"] == Work(invocations=2, milliseconds=12, memory_mb=70)
    assert found["MarketDataApi"].invocations == 1
    assert set(found) == {"TradingSync", "MarketDataApi"}


def test_counts_become_work_by_service() -> None:
    """DynamoDB's in units, events by their number, all else by requests."""
    parts = [asked_of("dynamodb", 3, 1.5, 2), asked_of("events", 1, 0, 4), asked_of("sqs", 2, 0, 0)]
    assert together({"F": work} for work in parts)["F"] == Work(
        reads=1.5, writes=2, events=4, calls={"events": 1, "sqs": 2}
    )


def test_the_plant_is_the_template_s() -> None:
    """Schedules with their rates, every queue with its function, what stands."""
    found = plant()
    assert set(found.schedules) == {"plan", "sync", "monitor", "probe", "digest"}
    assert found.schedules["sync"] == ("TradingSync", 1)
    consumers = {one.function: one for one in found.consumers}
    assert consumers["TradingExecute"].fifo
    assert not consumers["SignalEvaluate"].by_bus
    assert all(consumers[name].by_bus for name in ("PositionProject", "GatewayPush", "NotificationDeliver"))
    assert found.alarms >= 3


def test_the_measurements_fit_the_template() -> None:
    """Every schedule was measured, and runs of two sizes; else `alpaquero cost --meter` must be run again."""
    measured = Measurements.load()
    assert set(measured.ticks) == set(plant().schedules)
    assert len({run.symbols for run in measured.runs}) == 2


def test_the_page_is_what_the_model_says() -> None:
    """infra/cost.md's tables, from the repository's measurements: `alpaquero cost --write` writes them."""
    is_current = PAGE.read_text() == page_as_it_should_be(Measurements.load(), plant())
    assert is_current, "run `alpaquero cost --write` and commit infra/cost.md"


def test_a_page_without_its_markers_is_refused() -> None:
    """Nothing is written where nobody said."""
    with pytest.raises(ValueError, match="lost its markers"):
        page_with("# What it costs", begin("alpaquero cost --write"), "")


def test_twelve_containers_cost_the_same_asleep() -> None:
    """Twelve tasks of a quarter CPU for 730 hours are most of it."""
    each = containers()
    assert each["12 Fargate tasks, 0.25 vCPU and 0.5 GB"] == Decimal("108.120300")
    assert sum(each.values()) > 100


def test_the_command_says_dollars(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, the sum and the parts it is made of."""
    assert main(["cost", "--symbols", "1000", "--minutes", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    parts = sum(Decimal(one["usd"]) for one in told["parts"])
    assert Decimal(told["usd_a_month"]) == parts > Decimal(told["usd_a_month_after_free"]) > 0


def test_metered_needs_a_stack_that_is_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is guessed where nothing runs."""
    assert main(["cost", "--metered", "--state", str(tmp_path)]) == 1
    assert "start it with `alpaquero up`" in capsys.readouterr().err


def test_metered_tells_what_a_demo_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A demo is down when it is asked for; what it used was kept in its folder."""
    kept = stretch(log_bytes=1e9, TradingSync=Work(invocations=2e6, milliseconds=4e6, writes=1e6))
    (tmp_path / KEPT).write_bytes(msgspec.json.encode(kept))
    assert main(["cost", "--metered", "--state", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    usd = {line["what"]: Decimal(line["usd"]) for line in told["cost"]}
    assert (usd["lambda_requests"], usd["dynamodb_writes"], usd["log_bytes"]) == (
        Decimal("0.4"),
        Decimal("0.625"),
        Decimal("0.5"),
    )
    assert told["functions"]["TradingSync"]["average_ms"] == 2
