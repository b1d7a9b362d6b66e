"""Charts, quotes and the market's clock: live from the feed, or last known with their age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from alpaquero import wall
from alpaquero.errors import BrokerUnavailable
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill, OrderEvent
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.store import bars as bar_store
from alpaquero.store import last_known, runs, trading_settings
from alpaquero.store.books import Books
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy.run import Run, SignalRecord
from alpaquero.strategy.settings import Mode, StrategySettings
from functions.market_data import api
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.unit.orders.builders import an_order

Call = Callable[..., tuple[int, Any]]
CHART = "/api/chart/{symbol}"
MIDNIGHT = datetime(2024, 1, 2, 5, tzinfo=UTC)  # New York's, a Tuesday
CLOSE = MIDNIGHT.replace(hour=21)
BARS = [Bar(MIDNIGHT + timedelta(days=n - 9), 10.0 + n, 12.0 + n, 9.0 + n, 11.0 + n, 1000) for n in range(10)]


def signal(day: int) -> SignalRecord:
    return SignalRecord(
        symbol="AAPL", outcome="raised", side="buy", strategy="stochrsi_ema", timeframe="1Day",
        bar_close=BARS[day].start.replace(hour=21), strength=80, reference_price="101.5", code="",
        message="oversold in an uptrend", values={}, run_id="r",
    )  # fmt: skip


def recorded(*signals: SignalRecord) -> None:
    """Concludes a run with these signals."""
    run = Run(
        id="r", account="paper", timeframe="1Day", bar_start=BARS[8].start, bar_close=BARS[8].start,
        valid_until={}, shards=1, symbols=1, settings_version=0, rules_version=1, correlation_id="r",
        planned_at=0.0, planned_market_at=CLOSE,
    )  # fmt: skip
    runs.plan(run)
    runs.conclude(run, signals)


def fill(day: int) -> Fill:
    return Fill(
        id=f"fill-{day}", account="paper", client_order_id="c", broker_order_id="b", symbol="AAPL",
        side=Side.BUY, quantity=Decimal(3), price=Decimal("101.25"), at=BARS[day].start.replace(hour=15),
    )  # fmt: skip


@dataclass
class Feed:
    """The broker and its data behind the routes, and the wall time that passes."""

    broker: FakeBroker
    market: FakeMarketData
    seconds: float = 1_800_000_000.0
    is_away: bool = False

    def clock(self) -> Any:
        if self.is_away:
            raise BrokerUnavailable("away")
        return self.broker.clock()

    def sessions(self, *days: Any) -> Any:
        return self.broker.sessions(*days)

    def data(self) -> FakeMarketData:
        if self.is_away:
            raise BrokerUnavailable("away")
        return self.market


@pytest.fixture
def feed(tables: None, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Half an hour after the close of the last of ten bars."""
    broker = FakeBroker(now=CLOSE + timedelta(minutes=30))
    market = FakeMarketData(history={"AAPL": BARS}, prices={"AAPL": Decimal("20.5")}, now=broker.now)
    feed = Feed(broker, market)
    monkeypatch.setattr(api, "reader", lambda: feed)
    monkeypatch.setattr(api, "market_data", feed.data)
    monkeypatch.setattr(wall, "seconds", lambda: feed.seconds)
    monkeypatch.setattr(last_known, "_written", {})
    api._sessions.cache_clear()
    return feed


def chart(call: Call, **query: str) -> Any:
    """The chart of AAPL as it was asked for."""
    status, body = call(api.app, CHART, path={"symbol": "aapl"}, query=query)
    assert status == 200, body
    return body


@pytest.mark.usefixtures("feed")
def test_the_chart_gives_the_newest_bars_oldest_first(call: Call) -> None:
    """`limit` keeps the newest bars, and stored signals and fills are on them."""
    recorded(signal(8))
    Books("paper").commit(new_fills=[fill(9)])
    body = chart(call, limit="3")
    assert body["bars"]["close"] == [18.0, 19.0, 20.0]
    assert body["bars"]["time"] == [int(bar.start.timestamp()) for bar in BARS[-3:]]
    assert [marker["kind"] for marker in body["markers"]] == ["signal", "fill"]
    assert (body["symbol"], body["forming"], body["as_of"]) == ("AAPL", False, "2024-01-02T21:30:00Z")
    assert (body["source"], body["age_seconds"], body["feed"]) == ("live", 0, "paper exchange")


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize(
    ("query", "closes"),
    [
        ({"from": "2023-12-31"}, [18.0, 19.0, 20.0]),
        ({"to": "2023-12-26"}, [11.0, 12.0, 13.0]),
        ({"from": "2023-12-25", "to": "2023-12-27"}, [12.0, 13.0, 14.0]),
        ({"from": "2023-12-25", "to": "2023-12-30", "limit": "2"}, [16.0, 17.0]),
        ({"to": "2023-12-26T05:00:00Z", "from": "2023-12-26T05:00:00+00:00"}, [13.0]),
        ({"from": "2023-12-31", "to": "2031-01-01"}, [18.0, 19.0, 20.0]),
    ],
)
def test_a_chart_of_a_span_holds_the_newest_bars_in_it(
    call: Call, query: dict[str, str], closes: list[float]
) -> None:
    """Both ends belong to the span; a day is New York's, a time without zone is UTC."""
    assert chart(call, **query)["bars"]["close"] == closes


def test_bars_of_a_part_of_the_day_are_those_of_the_regular_session(call: Call, feed: Feed) -> None:
    """What Alpaca gives of the hours before and after is left out, and the last one may be forming."""
    opening = MIDNIGHT.replace(hour=14, minute=30)
    at = [opening - timedelta(minutes=5), *(opening + timedelta(minutes=5 * n) for n in range(3))]
    at += [CLOSE, CLOSE + timedelta(minutes=5)]
    feed.market.history = {"AAPL": [replace(BARS[0], start=start) for start in at]}
    body = chart(call, timeframe="5Min")
    assert body["bars"]["time"] == [int(start.timestamp()) for start in at[1:4]]
    assert (body["timeframe"], body["forming"]) == ("5Min", False)
    feed.broker.now = at[3] + timedelta(minutes=1)
    during = replace(feed.broker.clock(), is_open=True)
    feed.clock = lambda: during  # type: ignore[method-assign]
    assert chart(call, timeframe="5Min")["forming"] is True


@pytest.mark.parametrize(
    ("source", "synthetic"),
    [("", False), ("recorded", False), ("synthetic", True), ("recorded, synthetic", True)],
)
def test_a_chart_says_when_its_prices_are_made_up(
    call: Call, feed: Feed, source: str, synthetic: bool
) -> None:
    """As the answer's header says; Alpaca sends none, and its prices are real."""
    feed.market.price_source = source
    assert chart(call)["synthetic"] is synthetic


def test_a_chart_shows_the_indicators_of_the_strategy_that_judges_its_bars(call: Call, feed: Feed) -> None:
    """The first that judges symbol and timeframe, or the one asked for, a shadow one too."""
    feed.market.history = {
        "AAPL": [
            replace(BARS[0], start=MIDNIGHT - timedelta(days=n), close=10.0 + n % 5)
            for n in range(300, -1, -1)
        ]
    }
    strategies = {
        "hourly": StrategySettings(timeframe=Timeframe.HOUR),
        "others": StrategySettings(symbols=("IBM",)),
        "mine": StrategySettings(minimum_history_bars=100),
        "quiet": StrategySettings(minimum_history_bars=100, mode=Mode.SHADOW),
    }
    chosen = TradingSettings(watchlist=("AAPL",), strategies=strategies)
    trading_settings.save(chosen, author="ana", reason="test", after_version=0, now=CLOSE)
    first = chart(call, limit="20")
    assert first["strategy"] == "mine"
    assert {len(plotted["values"]) for plotted in first["indicators"]} == {20}
    assert all(value is not None for plotted in first["indicators"] for value in plotted["values"])
    assert chart(call, limit="20", strategy="quiet")["strategy"] == "quiet"
    feed.market.history = {"AAPL": [replace(BARS[0], start=MIDNIGHT.replace(hour=15))]}
    assert chart(call, timeframe="15Min")["strategy"] is None
    for wrong in ("nobody", "hourly"):
        status, answer = call(api.app, CHART, path={"symbol": "AAPL"}, query={"strategy": wrong})
        assert (status, answer["error"]["details"]["field"]) == (400, "strategy")


def test_while_the_feed_is_away_stored_bars_are_shown_with_their_age(
    call: Call, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked as cached, with when they were stored and where the prices came from; none is forming."""
    feed.broker.now = MIDNIGHT.replace(hour=12)  # the day's session is still to come
    feed.market.price_source = "synthetic"
    live = chart(call, limit="3")
    bar_store.merge({"AAPL": Columns.of(BARS)}, BARS[0].start, BARS[-1].start)
    stored = next(bar_store.stored_periods("AAPL", BARS[0].start, BARS[-1].start))[1].stored_at
    feed.is_away = True
    feed.seconds = stored + 90.0
    cached = chart(call, limit="3")
    assert (cached["source"], cached["age_seconds"], cached["synthetic"]) == ("cache", 90, True)
    assert (cached["bars"], cached["as_of"]) == (live["bars"], live["as_of"])
    assert (live["forming"], cached["forming"]) == (True, False)


def test_without_stored_bars_the_feeds_failure_is_told(call: Call, feed: Feed) -> None:
    """Nothing is shown in the place of what nobody has."""
    feed.is_away = True
    status, answer = call(api.app, CHART, path={"symbol": "AAPL"})
    assert (status, answer["error"]["code"]) == (503, "broker_unavailable")


@pytest.mark.parametrize(
    ("route", "path"), [("/api/latest/{symbol}", {"symbol": "AAPL"}), ("/api/market_status", None)]
)
def test_while_the_broker_is_away_the_last_known_answer_is_given_with_its_age(
    call: Call, feed: Feed, route: str, path: dict[str, str] | None
) -> None:
    """Quote and clock are what they were; before anything is known the failure is told."""
    feed.is_away = True
    assert call(api.app, route, path=path)[0] == 503
    feed.is_away = False
    _, live = call(api.app, route, path=path)
    feed.is_away = True
    feed.seconds += 75
    status, cached = call(api.app, route, path=path)
    assert (status, live["source"], live["age_seconds"]) == (200, "live", 0)
    assert cached == live | {"source": "cache", "age_seconds": 75}


def test_answers_are_kept_once_a_minute_at_most(call: Call, feed: Feed) -> None:
    """A page that asks every few seconds does not cost a write each time."""
    call(api.app, "/api/market_status")
    feed.seconds += 59
    feed.broker.now += timedelta(hours=1)
    call(api.app, "/api/market_status")
    feed.is_away = True
    assert call(api.app, "/api/market_status")[1]["age_seconds"] == 59
    feed.is_away = False
    feed.seconds += 1
    call(api.app, "/api/market_status")
    feed.is_away = True
    assert call(api.app, "/api/market_status")[1]["age_seconds"] == 0


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("symbol", ["NOPE", "a b", "<script>", "TOOLONGSYMBOL", "%2e%2e"])
@pytest.mark.parametrize("route", ["/api/chart/{symbol}", "/market_data/quote/{symbol}"])
def test_an_unknown_symbol_is_not_found_and_says_how_to_look_it_up(
    call: Call, route: str, symbol: str
) -> None:
    """Whatever is no symbol of the feed answers 404 with the way to find one."""
    status, answer = call(api.app, route, path={"symbol": symbol})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert "/v2/assets" in answer["error"]["message"]


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize(
    "query",
    [
        {"timeframe": "7Min"},
        {"limit": "0"},
        {"limit": "many"},
        {"limit": "10001"},
        {"from": "yesterday"},
        {"to": "2024-13-01"},
        {"from": "2024-01-02", "to": "2024-01-01"},
        {"to": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_wrong_parameter_is_named(call: Call, query: dict[str, str]) -> None:
    """A query the chart cannot serve answers 400 with the field."""
    status, answer = call(api.app, CHART, path={"symbol": "AAPL"}, query=query)
    assert (status, answer["error"]["details"]["field"]) == (400, next(iter(query)))


@pytest.mark.usefixtures("feed")
def test_the_quote_and_the_market_status_come_from_the_feed(call: Call) -> None:
    """Bid, ask and last travel as text; the clock is the market's."""
    status, quote = call(api.app, "/api/latest/{symbol}", path={"symbol": "AAPL"})
    assert (status, quote["bid"], quote["ask"], quote["last"]) == (200, "20.49", "20.51", "20.5")
    status, market = call(api.app, "/api/market_status")
    assert (status, market["is_open"], market["now"]) == (200, False, "2024-01-02T21:30:00Z")


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("query", [{"from": "2030-01-01"}, {"to": "0001-01-01"}, {"to": "1980-01-01"}])
def test_a_span_without_bars_is_told_apart_from_an_unknown_symbol(call: Call, query: dict[str, str]) -> None:
    """The future and the time before all bars answer 404 naming the span, and ask nobody for it."""
    status, answer = call(api.app, CHART, path={"symbol": "AAPL"}, query=query)
    assert (status, answer["error"]["details"]["field"]) == (404, next(iter(query)))
    assert "no 1Day bars of AAPL" in answer["error"]["message"]


@pytest.mark.usefixtures("feed")
def test_a_chart_from_the_beginning_of_time_holds_what_there_is(call: Call) -> None:
    """Whoever wants everything asks from the year 1."""
    assert len(chart(call, **{"from": "0001-01-01"})["bars"]["time"]) == len(BARS)


@pytest.mark.usefixtures("feed")
def test_an_order_that_waited_for_weeks_and_ended_is_on_the_chart(call: Call) -> None:
    """It is marked where it ended, though it was written before the first bar; another symbol's is not."""
    written, at = BARS[0].start - timedelta(days=60), BARS[8].start.replace(hour=15)
    order = an_order(
        status="canceled", created_at=written, updated_at=at, history=(OrderEvent(at=at, status="canceled"),)
    )
    other = replace(order, client_order_id="other", symbol="IBM")
    waiting = replace(order, client_order_id="waiting", status="new")
    Books("paper").commit(new_orders=[order, other, waiting])
    assert [(m["kind"], m["outcome"]) for m in chart(call, limit="3")["markers"]] == [("order", "canceled")]


@pytest.mark.usefixtures("feed")
def test_the_signals_of_an_old_span_are_on_its_chart(call: Call) -> None:
    """However many newer ones there are: those of an hourly strategy hide a daily one's in weeks."""
    close = BARS[9].start.replace(hour=21)
    newer = [
        structs.replace(signal(9), bar_close=close + timedelta(minutes=n)) for n in range(api.SIGNALS_A_CHART)
    ]
    recorded(signal(3), *newer)
    body = chart(call, to=BARS[5].start.isoformat())
    assert [marker["time"] for marker in body["markers"]] == [f"{signal(3).bar_close:%Y-%m-%dT%H:%M:%SZ}"]
