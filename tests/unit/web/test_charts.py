"""What a chart's body is made of: columns, a strategy's values, markers, and which bar still forms."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.protocol import BrokerClock
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill, Order, OrderEvent
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.strategy import judging
from alpaquero.strategy.run import SignalRecord
from alpaquero.strategy.settings import StrategySettings
from alpaquero.web import charts
from alpaquero.web.app import json_response
from tests.unit.orders.builders import an_order

MIDNIGHT = datetime(2024, 1, 2, 5, tzinfo=UTC)  # New York's, a Tuesday
CLOSE = MIDNIGHT.replace(hour=21)
WEEK = Columns.of(
    [Bar(MIDNIGHT + timedelta(days=n - 9), 10.0 + n, 12.0 + n, 9.0 + n, 11.0 + n, 1000) for n in range(10)]
)


def waves(count: int) -> Columns:
    """Prices to the cent that rise and fall, a bar a day."""

    def at(n: int) -> Bar:
        close = round(100 + 20 * math.sin(n / 9) + n % 7, 2)
        return Bar(MIDNIGHT + timedelta(days=n), round(close - 0.5, 2), close + 1, close - 1, close, 1234567)

    return Columns.of(at(n) for n in range(count))


TOMORROW = CLOSE + timedelta(days=1)
LAST_FIVE = CLOSE - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("start", "timeframe", "now", "is_open", "forming"),
    [
        (MIDNIGHT, Timeframe.DAY, MIDNIGHT.replace(hour=15), True, True),
        (MIDNIGHT, Timeframe.DAY, MIDNIGHT.replace(hour=12), False, True),
        (MIDNIGHT, Timeframe.DAY, CLOSE + timedelta(seconds=1), False, False),
        (MIDNIGHT, Timeframe.DAY, CLOSE + timedelta(hours=9), False, False),
        (LAST_FIVE, Timeframe.FIVE_MINUTES, CLOSE - timedelta(minutes=1), True, True),
        (LAST_FIVE, Timeframe.FIVE_MINUTES, CLOSE, False, False),
        (LAST_FIVE - timedelta(minutes=5), Timeframe.FIVE_MINUTES, LAST_FIVE, True, False),
        (CLOSE - timedelta(hours=1), Timeframe.HOUR, CLOSE - timedelta(hours=1), True, True),
    ],
)
def test_a_bar_forms_until_it_closes(
    start: datetime, timeframe: Timeframe, now: datetime, *, is_open: bool, forming: bool
) -> None:
    """A daily bar forms until its own session's close, a shorter one until its time is over."""
    next_close = CLOSE if now < CLOSE else TOMORROW
    clock = BrokerClock(now, is_open, next_close + timedelta(hours=17.5), next_close)
    assert charts.is_forming(start, timeframe, clock) is forming


def signal(day: int, outcome: str = "raised", code: str = "", timeframe: str = "1Day") -> SignalRecord:
    return SignalRecord(
        symbol="AAPL", outcome=outcome, side="buy", strategy="stochrsi_ema", timeframe=timeframe,
        bar_close=WEEK.start_at(day).replace(hour=21), strength=80, reference_price="101.5", code=code,
        message="oversold in an uptrend", values={}, run_id="r",
    )  # fmt: skip


def fill(day: int, symbol: str = "AAPL") -> Fill:
    return Fill(
        id=f"fill-{day}-{symbol}", account="paper", client_order_id="c", broker_order_id="b", symbol=symbol,
        side=Side.BUY, quantity=Decimal(3), price=Decimal("101.25"), at=WEEK.start_at(day).replace(hour=15),
    )  # fmt: skip


def test_markers_are_the_symbols_signals_and_fills_on_the_bars() -> None:
    """Other symbols' fills, other timeframes' signals and what lies beside the bars are left out."""
    found = charts.markers(
        "AAPL",
        WEEK[5:9],
        Timeframe.DAY,
        [signal(7), signal(2), signal(9), signal(8, timeframe="5Min")],
        [fill(8), fill(8, "IBM"), fill(1), fill(9)],
    )
    assert [(m.kind, m.side, m.price, m.quantity, m.text) for m in found] == [
        ("signal", "buy", Decimal("101.5"), None, "oversold in an uptrend"),
        ("fill", "buy", Decimal("101.25"), Decimal(3), "buy 3 at 101.25"),
    ]


def test_a_marker_says_what_became_of_its_signal() -> None:
    """Raised, withheld, and withheld because its strategy only shadows are told apart."""
    records = [signal(5), signal(6, "withheld", "already_held"), signal(7, "withheld", "shadow")]
    found = charts.markers("AAPL", WEEK, Timeframe.DAY, records, [])
    assert [(m.outcome, m.shadow, m.strategy) for m in found] == [
        ("raised", False, "stochrsi_ema"),
        ("withheld", False, "stochrsi_ema"),
        ("withheld", True, "stochrsi_ema"),
    ]


def an_end(day: int, status: str, **changes: Any) -> Order:
    """An order of AAPL that ended at three in the afternoon of a day, by a cancel that sync saw later."""
    at = WEEK.start_at(day).replace(hour=20)
    events = (
        OrderEvent(at=MIDNIGHT - timedelta(days=9), status="intended"),
        OrderEvent(at=at, status=status, why="why"),
    )
    return an_order(status=status, updated_at=CLOSE, history=events, limit_price=Decimal("9.50"), **changes)


def test_orders_that_came_to_nothing_are_marked_when_they_ended() -> None:
    """Cancelled, rejected and expired ones are; filled and replaced ones and cancelled legs are not."""
    told = [an_end(5, "canceled"), an_end(6, "rejected"), an_end(7, "expired", parent="entry")]
    others = [an_end(5, "filled"), an_end(5, "replaced"), an_end(5, "canceled", parent="entry")]
    others += [an_end(5, "canceled", symbol="IBM"), an_end(1, "canceled")]
    found = charts.markers("AAPL", WEEK[4:], Timeframe.DAY, [], [], ended=told + others)
    assert [(m.kind, m.outcome, m.time, m.side, m.price) for m in found] == [
        ("order", status, WEEK.start_at(day).replace(hour=20), "buy", Decimal("9.50"))
        for day, status in ((5, "canceled"), (6, "rejected"), (7, "expired"))
    ]
    assert found[0].text == "buy 10 at 9.50 canceled: why"


def test_an_order_cancelled_before_the_market_opens_is_on_the_newest_chart() -> None:
    """No bar is there yet for that day; a chart of an older span does not tell it."""
    order = an_end(9, "canceled")
    on_newest = charts.markers("AAPL", WEEK[:7], Timeframe.DAY, [], [], ended=[order], to_now=True)
    assert [m.kind for m in on_newest] == ["order"]
    assert charts.markers("AAPL", WEEK[:7], Timeframe.DAY, [], [], ended=[order]) == []


def test_an_order_by_amount_is_told_in_dollars() -> None:
    """A market order by notional has neither price nor quantity."""
    order = an_order(status="rejected", quantity=None, notional=Decimal(500))
    marker = charts.order_marker(order)
    assert (marker.text, marker.price, marker.quantity) == ("buy $500 of rejected", None, None)
    assert marker.time == order.updated_at


@pytest.mark.parametrize("forming", [False, True])
def test_indicators_are_those_that_were_judged_at_each_bar(forming: bool) -> None:
    """Each value is what `judge` saw on the bars up to there; a bar that still forms has none."""
    settings, columns = StrategySettings(minimum_history_bars=120), waves(200)
    found = charts.indicators("AAPL", columns, 30, settings, forming=forming)
    assert {len(plotted.values) for plotted in found} == {30}
    for plotted in found:
        for back in (1, 2, 29):
            seen = judging.values_at("AAPL", columns[: 200 - back], settings).get(plotted.name)
            assert plotted.values[-1 - back] == seen
        last = None if forming else judging.values_at("AAPL", columns, settings).get(plotted.name)
        assert plotted.values[-1] == last
    assert {plotted.pane for plotted in found} == {"price", "oscillator"}
    levels = {name: value for plotted in found for name, value in plotted.levels.items()}
    parameters = settings.parameters_for("AAPL")
    assert levels
    assert levels == {name: float(getattr(parameters, name)) for name in levels}


@pytest.mark.parametrize("count", [1, 5])
def test_a_short_series_has_its_indicators_left_undefined(count: int) -> None:
    """A symbol with a few bars is drawn all the same."""
    found = charts.indicators("AAPL", waves(count), count, StrategySettings(), forming=True)
    assert [plotted.values for plotted in found] == [[None] * count] * len(found)


def test_columns_take_a_fraction_of_the_time_and_bytes_of_rows() -> None:
    """10,000 bars take far less time than rows by the standard library, and 0.6 of the bytes."""
    columns = waves(10_000)
    rows = [
        {"t": b.start.isoformat(), "o": b.open, "h": b.high, "l": b.low, "c": b.close, "v": b.volume}
        for b in columns.bars()
    ]
    body = json_response(charts.bar_columns(columns)).body
    assert json.loads(body)["close"] == columns.close.tolist()
    assert len(body) < 0.6 * len(json.dumps(rows))
    ours = least_seconds(lambda: json_response(charts.bar_columns(columns)))
    # The bench holds the goal of 0.08; here a busy machine must not decide.
    assert ours < 0.3 * least_seconds(lambda: json.dumps(rows))


def least_seconds(work: Callable[[], object]) -> float:
    """The shortest of several runs: other work of the machine makes them longer only."""
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
