"""The portfolio history: equity and profit by day and within days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import PortfolioHistory
from alpaca.trading.requests import GetPortfolioHistoryRequest, MarketOrderRequest

from .conftest import RunningExchange, Serve

NEW_YORK = ZoneInfo("America/New_York")
# Bought at 100.01 on the 20th: worth 104, 110 and, two for one, 2 x 56 at the next closes.
PRICES = {
    "RISE": [(100, 101, 99, 100), (100, 105, 99, 104), (104, 111, 103, 110), (55, 57, 54, 56)],
    "CALM": [(100, 101, 99, 100)] * 4,
}
SPENT = Decimal("1000.1")


@pytest.fixture
def traded(serve: Serve, prices: Callable[..., Path]) -> RunningExchange:
    """Three sessions in which ten shares are held, the last after a split."""
    folder = prices(PRICES)
    (folder / "splits.csv").write_text("symbol,ex_date,new_shares,old_shares\nRISE,2012-11-23,2,1\n")
    exchange = serve(folder)
    exchange.trading.submit_order(
        MarketOrderRequest(symbol="RISE", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    for _ in range(3):
        exchange.admin.step()
    return exchange


def history(exchange: RunningExchange, **wanted: object) -> PortfolioHistory:
    """The history as alpaca-py reads it."""
    shown = exchange.trading.get_portfolio_history(GetPortfolioHistoryRequest.model_validate(wanted))
    assert isinstance(shown, PortfolioHistory)
    return shown


def local(stamp: int) -> str:
    """A time stamp in New York."""
    return datetime.fromtimestamp(stamp, NEW_YORK).strftime("%d %H:%M")


def equity(value: int) -> float:
    """Equity when the ten shares are worth so much in all."""
    return float(100_000 - SPENT + value)


def test_a_day_is_stamped_eight_in_the_evening_and_counts_from_the_day_before(
    traded: RunningExchange,
) -> None:
    """Three closes; profit of each day, in dollars and as a part of the equity before."""
    shown = history(traded, period="1M", timeframe="1D")
    assert ["20 20:00", "21 20:00", "23 20:00"] == [local(stamp) for stamp in shown.timestamp]
    assert [equity(1040), equity(1100), equity(1120)] == shown.equity
    assert [39.9, 60, 20] == shown.profit_loss
    assert [0.0004, 0.0006, 0.0002] == shown.profit_loss_pct
    assert (100_000, "1D", {}) == (shown.base_value, shown.timeframe, shown.cashflow)


def test_without_reset_profit_counts_from_the_base_value(traded: RunningExchange) -> None:
    """The base is the close before the first point, and its date is named."""
    body = traded.get(
        "/v2/account/portfolio/history", period="2D", timeframe="1D", pnl_reset="no_reset"
    ).json()
    assert ("2012-11-21", equity(1100)) == (body["base_value_asof"], body["base_value"])
    assert [20.0] == body["profit_loss"]


def test_a_period_of_days_ends_with_the_last_close(traded: RunningExchange) -> None:
    """Calendar days back: three from Friday the 23rd leave out Tuesday the 20th and Thanksgiving."""
    shown = history(traded, period="3D", timeframe="1D")
    assert ["21 20:00", "23 20:00"] == [local(stamp) for stamp in shown.timestamp]


def test_start_and_end_are_days_when_days_are_shown(traded: RunningExchange) -> None:
    """Any time of a trading day starts at that day's close; the end is inclusive."""
    shown = history(
        traded,
        start=datetime(2012, 11, 20, 22, tzinfo=UTC),
        end=datetime(2012, 11, 21, 23, tzinfo=UTC),
        timeframe="1D",
    )
    assert [equity(1040), equity(1100)] == shown.equity
    assert [equity(1040)] == history(traded, period="1W", date_end=date(2012, 11, 20), timeframe="1D").equity


def test_a_day_within_goes_from_the_open_to_the_close(traded: RunningExchange) -> None:
    """The half day after Thanksgiving in quarters of an hour; it ends at what the book recorded."""
    shown = history(traded, period="1D", timeframe="15Min")
    assert (15, "23 09:30", "23 13:00") == (
        len(shown.timestamp),
        local(shown.timestamp[0]),
        local(shown.timestamp[-1]),
    )
    assert (equity(20 * 55), equity(1120)) == (shown.equity[0], shown.equity[-1])
    assert (0, 20) == (shown.profit_loss[0], shown.profit_loss[-1])


def test_equity_within_the_days_meets_every_recorded_close(traded: RunningExchange) -> None:
    """Fills, splits and prices folded again give the equity that the book noted as each session closed."""
    within = history(traded, period="1M", timeframe="5Min")
    by_day = history(traded, period="1M", timeframe="1D")
    last: dict[str, float] = {}
    for stamp, value in zip(within.timestamp, within.equity, strict=True):
        last[local(stamp)[:2]] = value
    assert by_day.equity == list(last.values())


def test_the_opening_of_the_account_is_before_its_first_fill(traded: RunningExchange) -> None:
    """In hours around the session the equity is the cash it began with until the fill at the open."""
    shown = history(
        traded,
        start=datetime(2012, 11, 20, 9, tzinfo=UTC),
        end=datetime(2012, 11, 21, 1, tzinfo=UTC),
        timeframe="1H",
        intraday_reporting="extended_hours",
    )
    assert ("20 04:00", "20 20:00", 17) == (
        local(shown.timestamp[0]),
        local(shown.timestamp[-1]),
        len(shown.timestamp),
    )
    assert [100_000] * 6 == shown.equity[:6]
    assert shown.equity[6] != 100_000


def test_continuous_reporting_goes_through_nights_and_holidays(traded: RunningExchange) -> None:
    """From the evening before Thanksgiving to its end: every hour, at the last close."""
    shown = history(
        traded,
        start=datetime(2012, 11, 21, 22, tzinfo=UTC),
        end=datetime(2012, 11, 23, 4, tzinfo=UTC),
        timeframe="1H",
        intraday_reporting="continuous",
    )
    steps = {later - earlier for earlier, later in zip(shown.timestamp, shown.timestamp[1:], strict=False)}
    assert ({timedelta(hours=1).total_seconds()}, 31) == (steps, len(shown.timestamp))
    assert {equity(1100)} == set(shown.equity)


@pytest.mark.parametrize(
    ("period", "timeframe"), [("1D", "1Min"), ("1W", "15Min"), ("1M", "1D"), ("1A", "1D")]
)
def test_the_timeframe_follows_from_the_period(traded: RunningExchange, period: str, timeframe: str) -> None:
    """Minutes for less than a week, quarters of an hour for less than thirty days, else days."""
    assert timeframe == history(traded, period=period).timeframe


def test_a_new_account_has_no_history(serve: Serve, prices: Callable[..., Path]) -> None:
    """Empty lists, and the cash it began with as the base."""
    shown = history(serve(prices(PRICES)), period="1M")
    assert ([], [], [], 100_000) == (shown.timestamp, shown.equity, shown.profit_loss, shown.base_value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeframe": "1Hour"},
        {"period": "1Y"},
        {"period": "month"},
        {"period": "1M", "start": "2012-11-20", "end": "2012-11-21"},
        {"period": "1A", "timeframe": "1H"},
        {"start": "2012-11-23", "end": "2012-11-20"},
        {"start": "soon"},
        {"intraday_reporting": "always"},
        {"pnl_reset": "never"},
        {"cashflow_types": "CASH"},
    ],
)
def test_a_wrong_question_for_the_history_is_refused(traded: RunningExchange, wrong: dict[str, str]) -> None:
    """422 with code 40010001."""
    answer = traded.get("/v2/account/portfolio/history", **wrong)
    assert (422, 40010001) == (answer.status_code, answer.json()["code"])
