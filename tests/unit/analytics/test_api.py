"""Performance, round trips and the equity curve as the routes answer them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.schemas import EquityMarked
from alpaquero.orders.intent import Side
from alpaquero.portfolio.movements import CashMovement
from alpaquero.portfolio.trades import OpenTrade, Realised, Trade
from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.risk.book import HeldPosition, RiskBook
from alpaquero.store import analytics, bars, trading_settings
from alpaquero.store.books import Baseline, Books
from alpaquero.store.tables import to_body
from functions.analytics import api

Call = Callable[..., tuple[int, Any]]
AT = datetime(2026, 11, 20, 15, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def trade(number: int, pnl: str, **changes: Any) -> Trade:
    """A share bought at 100 and sold so many days later."""
    one, closed = Decimal(1), AT + timedelta(days=number)
    given = {
        "symbol": "AAPL", "side": Side.BUY, "quantity": one, "opened_at": AT, "closed_at": closed,
        "entry_price": Decimal(100), "exit_price": 100 + Decimal(pnl), "pnl": Decimal(pnl),
        "pnl_percent": Decimal(pnl), "reason": "take profit", "strategy": "dips", "tag": "oversold",
        "parts": (Realised(at=closed, pnl=Decimal(pnl)),),
    }  # fmt: skip
    return Trade(**{**given, **changes})


def mark(number: float, equity: str, cash: str = "1") -> EquityMarked:
    """The account so many days after noon of a Friday in winter."""
    return EquityMarked(
        id=f"mark:{number}", occurred_at=AT + timedelta(days=number), equity=Decimal(equity),
        cash=Decimal(cash), peak_equity=Decimal(110), drawdown_percent=Decimal("1.5"),
    )  # fmt: skip


def kept(*trades: Trade, held: tuple[OpenTrade, ...] = ()) -> None:
    """Keeps the trades under the sort keys that the projection gives them."""
    for number, trade in enumerate(trades):
        sk = f"{analytics.TRADE}{trade.closed_at.isoformat()}#{trade.symbol}#{number}"
        analytics.AnalyticsItem("paper", sk, body=to_body(trade)).save()
    for one in held:
        analytics.AnalyticsItem("paper", f"{analytics.OPEN}{one.symbol}", body=to_body(one)).save()


OPEN = OpenTrade(
    symbol="MSFT", side=Side.BUY, quantity=Decimal(2), cost=Decimal(80), opened_at=AT, traded=Decimal(170),
    strategy="trend", tag="crossed", parts=(Realised(at=AT, pnl=Decimal(5)),),
)  # fmt: skip


@pytest.fixture
def books(tables: None) -> Books:
    """Books that were opened with 1,000 dollars on the Friday morning, and hold 2 MSFT at 45."""
    opened = Books("paper")
    opened.open_with(
        Baseline(
            account_number="A", cash=Decimal(1000), positions={}, last_fill_id=None,
            at=AT - timedelta(hours=1), equity=Decimal(1000),
        )
    )  # fmt: skip
    book = opened.risk_book() or RiskBook(
        account="paper", cash=Decimal(0), equity=Decimal(0), peak_equity=Decimal(0), as_of=AT, version=0
    )
    held = {"MSFT": HeldPosition(quantity=Decimal(2), market_value=Decimal(90))}
    opened.commit(risk_book=replace(book, positions=held).next_version())
    return opened


def test_the_summary_of_nothing_has_no_ratios(call: Call) -> None:
    """Before the first trade and mark there is nothing to divide by, and no curve."""
    status, answer = call(api.app, "/api/analytics/summary")
    assert (status, answer["trades"], answer["open_pnl"]) == (200, 0, "0")
    unknown = (
        "win_rate_percent", "profit_factor", "expectancy", "slippage_bps", "slippage_dollars", "since",
        "curve", "benchmark", "total_pnl", "max_drawdown_percent", "total_return_percent",
        "average_holding_days",
    )  # fmt: skip
    assert {name: answer[name] for name in unknown} == dict.fromkeys(unknown)


def test_the_summary_is_over_all_trades_and_sessions(call: Call, books: Books) -> None:
    """Wins, losses, return and the deepest drawdown follow from what is stored; weekends are no sessions."""
    kept(trade(1, "6"), trade(2, "-3"), trade(3, "6"))
    for number, equity in enumerate(("1100", "500", "3000", "990", "1089")):
        analytics.save_mark("paper", mark(number, equity))
    status, answer = call(api.app, "/analytics/analytics/summary")
    assert status == 200
    money = ("realised_pnl", "profit_factor", "average_loss", "total_pnl", "deposits", "income", "expectancy")
    assert [Decimal(answer[name]) for name in money] == [9, 4, -3, 89, 0, 0, 3]
    assert (answer["wins"], answer["losses"], answer["win_rate_percent"]) == (2, 1, "66.6667")
    assert answer["average_holding_days"] == 2
    curve = answer["curve"]
    assert (curve["sessions"], curve["initial_equity"], curve["final_equity"]) == (3, 1000, 1089)
    assert answer["total_return_percent"] == curve["total_return_percent"] == pytest.approx(8.9)
    assert answer["max_drawdown_percent"] == pytest.approx(10)
    assert None not in (curve["sharpe"], curve["sortino"], curve["volatility_percent"], curve["calmar"])


def test_ratios_take_off_the_rate_of_the_settings_unless_another_is_asked_for(
    call: Call, books: Books
) -> None:
    """Sharpe, Sortino and alpha fall with the rate; the answer says by which."""
    for number, equity in enumerate(("1100", "500", "3000", "990", "1089")):
        analytics.save_mark("paper", mark(number, equity))
    settings = trading_settings.TradingSettings(risk_free_percent=Decimal("4.5"))
    trading_settings.save(settings, author="ana", reason="test", after_version=0, now=AT)

    def told(**query: str) -> dict[str, Any]:
        _, answer = call(api.app, "/api/analytics/summary", query=query)
        curve: dict[str, Any] = answer["curve"]
        return curve

    own, none, same = told(), told(risk_free_percent="0"), told(risk_free_percent="4.5")
    assert (own["risk_free_percent"], none["risk_free_percent"]) == (4.5, 0)
    assert own == same
    assert (own["sharpe"] < none["sharpe"], own["sortino"] < none["sortino"]) == (True, True)


def test_money_put_in_is_no_gain(call: Call, books: Books) -> None:
    """A deposit is told apart, a dividend is income, and neither is a trade's."""
    deposit = CashMovement(id="d", account="paper", kind="CSD", at=AT, amount=Decimal(500))
    dividend = CashMovement(id="v", account="paper", kind="DIV", at=AT, amount=Decimal(3), symbol="MSFT")
    books.commit(movements=[deposit, dividend])
    analytics.save_mark("paper", mark(0, "1515"))
    _, answer = call(api.app, "/api/analytics/summary")
    assert [Decimal(answer[name]) for name in ("total_pnl", "deposits", "income")] == [15, 500, 3]
    assert answer["total_return_percent"] == pytest.approx(1)
    _, rows = call(api.app, "/api/analytics/pnl")
    assert [(row["key"], row["pnl"], row["deposits"], row["income"]) for row in rows["items"]] == [
        ("2026-11-20", "15", "500", "3")
    ]
    _, history = call(api.app, "/api/analytics/pnl-history")
    assert history["items"][0]["pnl"] == "15"


def test_what_is_held_counts_at_the_monitors_prices(call: Call, books: Books) -> None:
    """Open gain is market value less cost, parts sold are realised, what has ended holds nothing."""
    kept(trade(0, "6"), held=(OPEN,))
    analytics.save_mark("paper", mark(3, "1021"))
    _, answer = call(api.app, "/api/analytics/summary")
    assert (answer["realised_pnl"], answer["open_pnl"], answer["open_trades"]) == ("11", "10", 1)
    _, ended = call(api.app, "/api/analytics/summary", query={"to": "2026-11-22"})
    assert (ended["realised_pnl"], ended["open_pnl"]) == ("11", None)
    _, now = call(api.app, "/api/analytics/summary", query={"to": "2026-11-23"})
    assert now["open_pnl"] == "10"
    _, rows = call(api.app, "/api/analytics/pnl", query={"by": "symbol"})
    assert [(row["key"], row["realised_pnl"], row["open_pnl"]) for row in rows["items"]] == [
        ("MSFT", "5", "10"), ("AAPL", "6", "0"),
    ]  # fmt: skip


def test_a_part_of_the_trades_has_no_equity_of_its_own(call: Call, books: Books) -> None:
    """A strategy's summary is of its trades; curve, deposits and benchmark are the account's alone."""
    kept(trade(1, "6"), trade(2, "-1", strategy="trend", tag="crossed"), held=(OPEN,))
    analytics.save_mark("paper", mark(0, "1000"))
    _, answer = call(api.app, "/api/analytics/summary", query={"strategy": "trend"})
    assert (answer["trades"], answer["realised_pnl"], answer["open_pnl"]) == (1, "4", "10")
    assert {answer[name] for name in ("curve", "total_pnl", "deposits", "max_drawdown_percent")} == {None}
    _, rows = call(api.app, "/api/analytics/pnl", query={"by": "month", "symbol": "aapl"})
    assert [(row["key"], row["realised_pnl"], row["pnl"]) for row in rows["items"]] == [
        ("2026-11", "5", None)
    ]


def stored(symbol: str, *closes: float) -> None:
    """Daily bars of a symbol from the Thursday before on, sessions alone."""
    days = [date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 24)]
    columns = Columns.of(
        Bar(datetime(day.year, day.month, day.day, 5, tzinfo=UTC), close, close, close, close, 10)
        for day, close in zip(days, closes, strict=True)
    )
    first, last = columns.start_at(0), columns.start_at(-1)
    bars.merge({symbol: columns}, first, last, timeframe="1Day", adjustment="split")


def test_the_account_is_held_against_a_benchmark(call: Call, books: Books) -> None:
    """SPY when its bars are stored, else any symbol that is asked for; one that is not stored is named."""
    for number, equity in ((0, "1100"), (3, "990"), (4, "1188")):
        analytics.save_mark("paper", mark(number, equity))
    assert call(api.app, "/api/analytics/summary")[1]["benchmark"] is None
    stored("SPY", 100, 105, 99.75, 109.725)
    found = call(api.app, "/api/analytics/summary")[1]["benchmark"]
    assert (found["symbol"], found["sessions"], found["beta"]) == ("SPY", 3, pytest.approx(2))
    assert found["correlation"] == pytest.approx(1)
    assert found["gain_percent"] == pytest.approx([0, 10, -1, 18.8])
    assert found["benchmark_gain_percent"] == pytest.approx([0, 5, -0.25, 9.725])
    stored("QQQ", 1, 1, 1, 1)
    other = call(api.app, "/api/analytics/summary", query={"benchmark": "qqq"})[1]["benchmark"]
    assert (other["symbol"], other["beta"]) == ("QQQ", None)
    status, refused = call(api.app, "/api/analytics/summary", query={"benchmark": "NONE"})
    assert (status, refused["error"]["details"]["field"]) == (404, "benchmark")


@pytest.mark.parametrize(
    ("query", "gains"),
    [
        ({}, ["9", "0", "4", "-3", "6"]),
        ({"symbol": "msft"}, ["4"]),
        ({"strategy": "trend"}, ["-3"]),
        ({"tag": "crossed"}, ["-3"]),
        ({"side": "sell"}, ["9"]),
        ({"result": "win"}, ["9", "4", "6"]),
        ({"result": "loss"}, ["-3"]),
        ({"result": "flat"}, ["0"]),
        ({"from": "2026-11-22", "to": "2026-11-23"}, ["4", "-3"]),
        ({"result": "win", "to": "2026-11-23"}, ["4", "6"]),
    ],
)
def test_trades_are_found_by_what_they_are(call: Call, query: dict[str, str], gains: list[str]) -> None:
    """Each filter alone and together, also from page to page."""
    kept(
        trade(1, "6"), trade(2, "-3", strategy="trend", tag="crossed"), trade(3, "4", symbol="MSFT"),
        trade(4, "0"), trade(5, "9", side=Side.SELL),
    )  # fmt: skip
    seen: list[str] = []
    asked = {**query, "limit": "2"}
    while True:
        status, page = call(api.app, "/api/analytics/trades", query=asked)
        assert status == 200
        seen += [item["pnl"] for item in page["items"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert seen == gains


def test_a_trade_tells_who_opened_it_and_its_slippage(call: Call) -> None:
    """Bought at 100 when the market stood at 99.50, sold at 106 as it stood: half a dollar of 205.5."""
    kept(trade(3, "6", arrival_price=Decimal("99.5"), exit_arrival_price=Decimal(106)))
    (found,) = call(api.app, "/api/analytics/trades")[1]["items"]
    assert (found["strategy"], found["tag"], found["reason"]) == ("dips", "oversold", "take profit")
    assert (found["slippage_bps"], found["holding_days"], found["side"]) == ("24.3309", 3, "buy")
    _, answer = call(api.app, "/api/analytics/summary")
    assert (Decimal(answer["slippage_dollars"]), answer["slippage_bps"]) == (Decimal("0.5"), "24.3309")


def test_a_page_that_looks_at_too_many_goes_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rare kind of trade is looked for in steps: a page may be empty and still have a next."""
    monkeypatch.setattr(analytics, "MOST_READ", 2)
    kept(*(trade(number, "-1" if number > 1 else "5") for number in range(1, 6)))
    first = call(api.app, "/api/analytics/trades", query={"result": "win"})[1]
    assert (first["items"], first["next"] is None) == ([], False)
    second = call(api.app, "/api/analytics/trades", query={"result": "win", "cursor": first["next"]})[1]
    third = call(api.app, "/api/analytics/trades", query={"result": "win", "cursor": second["next"]})[1]
    assert [item["pnl"] for item in third["items"]] == ["5"]


def test_a_short_curve_is_of_marks_and_a_long_one_of_days(call: Call, books: Books) -> None:
    """Oldest first; thinned to the points that draw it best."""
    for hour in range(20):
        analytics.save_mark("paper", mark(hour / 24 - 0.6, str(1000 + hour)))
    _, day = call(api.app, "/api/analytics/pnl-history", query={"from": "2026-11-20", "to": "2026-11-20"})
    assert [item["equity"] for item in day["items"]] == [str(1000 + hour) for hour in range(5, 20)]
    _, few = call(api.app, "/api/analytics/pnl-history", query={"points": "3"})
    assert [item["equity"] for item in few["items"]][::2] == ["1000", "1019"]
    analytics.save_mark("paper", mark(30, "1500"))
    _, long = call(api.app, "/api/analytics/pnl-history", query={"from": "2026-11-01"})
    assert [item["equity"] for item in long["items"]] == ["1004", "1019", "1500"]


def test_results_are_spread_in_steps(call: Call) -> None:
    """Counts by percent gained, with mean, median and deviation; of nothing there are none."""
    assert call(api.app, "/api/analytics/distribution")[1] == {
        "trades": 0, "mean_percent": None, "median_percent": None, "deviation_percent": None, "bins": [],
    }  # fmt: skip
    kept(trade(1, "6"), trade(2, "-3"), trade(3, "3"))
    _, found = call(api.app, "/api/analytics/distribution", query={"bins": "5"})
    assert (found["trades"], found["mean_percent"], found["median_percent"]) == (3, 2, 3)
    assert [(step["low_percent"], step["trades"], step["pnl"]) for step in found["bins"]] == [
        ("-4", 1, "-3"), ("-2", 0, "0"), ("0", 0, "0"), ("2", 1, "3"), ("4", 0, "0"), ("6", 1, "6"),
    ]  # fmt: skip


def test_months_compound_to_years(call: Call, books: Books) -> None:
    """Each month from the end of the one before, the first from when the account was first seen."""
    for number, equity in ((0, "1100"), (13, "990"), (45, "1089")):
        analytics.save_mark("paper", mark(number, equity))
    _, found = call(api.app, "/api/analytics/months")
    assert found["months"] == {
        "2026": {"11": pytest.approx(10), "12": pytest.approx(-10)},
        "2027": {"1": pytest.approx(10)},
    }
    assert found["years"] == {"2026": pytest.approx(-1), "2027": pytest.approx(10)}


@pytest.mark.parametrize(
    ("route", "query", "field"),
    [
        ("summary", {"from": "2026-11-21", "to": "2026-11-20"}, "from"),
        ("summary", {"from": "yesterday"}, "from"),
        ("pnl", {"by": "year"}, "by"),
        ("trades", {"result": "draw"}, "result"),
        ("pnl-history", {"points": "2"}, "points"),
        ("distribution", {"bins": "1000"}, "bins"),
    ],
)
def test_a_query_that_makes_no_sense_names_its_field(
    call: Call, route: str, query: dict[str, str], field: str
) -> None:
    """400, with the field to correct."""
    status, answer = call(api.app, f"/api/analytics/{route}", query=query)
    assert (status, answer["error"]["details"]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("route", "field", "whole"),
    [
        ("/api/analytics/trades", "pnl", ["5", "4", "3", "2", "1"]),
        ("/api/analytics/pnl-history", "equity", ["105", "104", "103", "102", "101"]),
    ],
)
def test_lists_page_from_the_newest_to_the_oldest(
    call: Call, route: str, field: str, whole: list[str]
) -> None:
    """Following `next` gives every item once, newest first."""
    kept(*(trade(n, str(n)) for n in range(1, 6)))
    for number in range(1, 6):
        analytics.save_mark("paper", mark(number, str(100 + number)))
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        status, page = call(api.app, route, query=query)
        assert status == 200
        seen += [item[field] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == whole


def test_a_cursor_that_is_not_ours_is_refused(call: Call) -> None:
    """A made-up cursor answers 400 with the field."""
    status, answer = call(api.app, "/api/analytics/trades", query={"cursor": "bm9uc2Vuc2U"})
    assert (status, answer["error"]["details"]["field"]) == (400, "cursor")
