"""Charts show closed and forming bars with what the bot did on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.protocol import BrokerClock
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.prices.bars import Bar
from alpaquero.store import runs
from alpaquero.store.books import Books
from alpaquero.strategy.run import Run, SignalRecord
from functions.market_data import api
from tests.fakes.broker import FakeBroker, FakeMarketData

Call = Callable[..., tuple[int, Any]]
MIDNIGHT = datetime(2024, 1, 2, 5, tzinfo=UTC)  # New York's, a Tuesday
BARS = [
    Bar(MIDNIGHT + timedelta(days=n - 9), 10.0 + n, 12.0 + n, 9.0 + n, 11.0 + n, 1000.0) for n in range(10)
]


def clock(now: datetime, is_open: bool, close: datetime) -> BrokerClock:
    return BrokerClock(now=now, is_open=is_open, next_open=close + timedelta(hours=17.5), next_close=close)


CLOSE = MIDNIGHT.replace(hour=21)


@pytest.mark.parametrize(
    ("now", "is_open", "next_close", "forming"),
    [
        (MIDNIGHT.replace(hour=15), True, CLOSE, True),
        (MIDNIGHT.replace(hour=12), False, CLOSE, True),
        (CLOSE + timedelta(seconds=1), False, CLOSE + timedelta(days=1), False),
        (CLOSE + timedelta(hours=9), False, CLOSE + timedelta(days=1), False),
    ],
    ids=["session open", "before the open", "just closed", "next morning"],
)
def test_a_bar_forms_until_its_session_closes(
    now: datetime, is_open: bool, next_close: datetime, forming: bool
) -> None:
    """The last bar counts as forming exactly until its own session's close."""
    assert api.is_forming(BARS[-1], clock(now, is_open, next_close)) is forming


def signal(day: int, outcome: str = "raised") -> SignalRecord:
    return SignalRecord(
        symbol="AAPL", outcome=outcome, side="buy", strategy="stochrsi_ema", timeframe="1Day",
        bar_close=BARS[day].start.replace(hour=21), strength=80, reference_price="101.5", code="",
        message="oversold in an uptrend", values={}, run_id="r",
    )  # fmt: skip


def fill(day: int, symbol: str = "AAPL") -> Fill:
    return Fill(
        id=f"fill-{day}-{symbol}", account="paper", client_order_id="c", broker_order_id="b", symbol=symbol,
        side=Side.BUY, quantity=Decimal(3), price=Decimal("101.25"), at=BARS[day].start.replace(hour=15),
    )  # fmt: skip


def test_markers_are_the_symbols_signals_and_fills_on_the_bars() -> None:
    """Withheld signals, other symbols' fills and what lies before the first bar are left out."""
    body = api.chart_body(
        "AAPL",
        BARS[5:],
        clock(CLOSE, False, CLOSE + timedelta(days=1)),
        [signal(7), signal(6, "withheld"), signal(2)],
        [fill(8), fill(8, "IBM"), fill(1)],
    )
    assert [(m.kind, m.side, m.price, m.quantity, m.text) for m in body.markers] == [
        ("signal", "buy", Decimal("101.5"), None, "oversold in an uptrend"),
        ("fill", "buy", Decimal("101.25"), Decimal(3), "buy 3 at 101.25"),
    ]
    assert (body.synthetic, body.adjustment, len(body.bars)) == (False, "split", 5)


@pytest.fixture
def broker(tables: None, monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    """The in-memory broker and its data behind the routes."""
    broker = FakeBroker(now=CLOSE + timedelta(minutes=30))
    market = FakeMarketData(history={"AAPL": BARS}, prices={"AAPL": Decimal("20.5")}, now=broker.now)
    monkeypatch.setattr(api, "reader", lambda: broker)
    monkeypatch.setattr(api, "market_data", lambda: market)
    return broker


@pytest.mark.usefixtures("broker")
def test_the_chart_gives_the_newest_bars_oldest_first(call: Call) -> None:
    """`limit` keeps the newest bars, and stored signals and fills are on them."""
    run = Run(
        id="r", account="paper", timeframe="1Day", bar_start=BARS[8].start, bar_close=BARS[8].start,
        valid_until={}, shards=1, symbols=1, settings_version=0, rules_version=1, correlation_id="r",
        planned_at=0.0, planned_market_at=CLOSE,
    )  # fmt: skip
    runs.plan(run)
    runs.conclude(run, [signal(8)])
    Books("paper").commit(new_fills=[fill(9)])
    status, chart = call(api.app, "/api/chart/{symbol}", path={"symbol": "aapl"}, query={"limit": "3"})
    assert status == 200
    assert [bar["close"] for bar in chart["bars"]] == [18.0, 19.0, 20.0]
    assert [marker["kind"] for marker in chart["markers"]] == ["signal", "fill"]
    assert (chart["symbol"], chart["forming"], chart["as_of"]) == ("AAPL", False, "2024-01-02T21:30:00Z")


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("symbol", ["NOPE", "a b", "<script>", "TOOLONGSYMBOL", "%2e%2e"])
@pytest.mark.parametrize("route", ["/api/chart/{symbol}", "/market_data/quote/{symbol}"])
def test_an_unknown_symbol_is_not_found_and_says_how_to_look_it_up(
    call: Call, route: str, symbol: str
) -> None:
    """Whatever is no symbol of the feed answers 404 with the way to find one."""
    status, answer = call(api.app, route, path={"symbol": symbol})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert "/v2/assets" in answer["error"]["message"]


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("query", [{"timeframe": "7Min"}, {"limit": "0"}, {"limit": "many"}])
def test_a_wrong_parameter_is_named(call: Call, query: dict[str, str]) -> None:
    """A query the chart cannot serve answers 400 with the field."""
    status, answer = call(api.app, "/api/chart/{symbol}", path={"symbol": "AAPL"}, query=query)
    assert (status, answer["error"]["details"]["field"]) == (400, next(iter(query)))


@pytest.mark.usefixtures("broker")
def test_the_quote_and_the_market_status_come_from_the_feed(call: Call) -> None:
    """Bid, ask and last travel as text; the clock is the market's."""
    status, quote = call(api.app, "/api/latest/{symbol}", path={"symbol": "AAPL"})
    assert (status, quote["bid"], quote["ask"], quote["last"]) == (200, "20.49", "20.51", "20.5")
    status, market = call(api.app, "/api/market_status")
    assert (status, market["is_open"], market["now"]) == (200, False, "2024-01-02T21:30:00Z")


def test_a_broker_that_is_away_is_told_as_such(call: Call, broker: FakeBroker) -> None:
    """The market status answers 503 while the broker does not."""
    broker.fail_next("clock", "unavailable")
    status, answer = call(api.app, "/api/market_status")
    assert (status, answer["error"]["code"]) == (503, "broker_unavailable")
