"""The account, positions and portfolio are our books at today's prices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero import wall
from alpaquero.broker.protocol import BrokerPosition, BrokerTrade
from alpaquero.errors import BrokerUnavailable, BrokerUnclear
from alpaquero.events.schemas import EquityMarked, OrderFilled
from alpaquero.orders.intent import OrderType, Side
from alpaquero.orders.order import LegRole, Order, OrderOrigin, OrderPurpose
from alpaquero.portfolio.movements import CashMovement
from alpaquero.portfolio.positions import Position
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.risk.limits import RiskLimits
from alpaquero.store import analytics, health, positions
from alpaquero.store.books import Baseline, Books, BrokerFigures
from alpaquero.store.tables import to_body
from functions.position import api
from tests.fakes.broker import FakeMarketData
from tests.unit.store.facts import only_keep

Call = Callable[..., tuple[int, Any]]
AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
BOOK = RiskBook(
    account="paper", cash=Decimal(0), equity=Decimal(0), peak_equity=Decimal(0), as_of=AT,
    trading_state=TradingState.REDUCING,
)  # fmt: skip


LIMITS = RiskLimits(sectors={"AAPL": "technology"})


def baseline(cash: str, **held: str) -> Baseline:
    quantities = {symbol: Decimal(quantity) for symbol, quantity in held.items()}
    return Baseline(account_number="A", cash=Decimal(cash), positions=quantities, last_fill_id=None, at=AT)


def folded(symbol: str, quantity: str, cost: str, cash_flow: str, realised: str = "0") -> Position:
    return Position(
        symbol=symbol, quantity=Decimal(quantity), cost_basis=Decimal(cost), realised_pnl=Decimal(realised),
        cash_flow=Decimal(cash_flow), opened_at=AT if Decimal(quantity) else None, last_fill_at=AT, fills=1,
    )  # fmt: skip


def trade(symbol: str, price: str, minutes: int = 0) -> BrokerTrade:
    return BrokerTrade(symbol=symbol, price=Decimal(price), at=AT + timedelta(minutes=minutes))


def at_broker(symbol: str, average: str, price: str) -> BrokerPosition:
    one = Decimal(1)
    return BrokerPosition(symbol, one, one, Decimal(average), one, Decimal(price))


def test_cash_is_the_baseline_and_the_cash_flow_of_every_fill() -> None:
    """Closed positions count with what they brought, open ones with what they cost."""
    ours = api.valued(
        [folded("AAPL", "10", "1000", "-1000"), folded("IBM", "0", "0", "55.25", "55.25")],
        Decimal(100000), [], BOOK, {"AAPL": trade("AAPL", "104.5", 3)}, {},
    )  # fmt: skip
    assert (ours.cash, ours.position_value, ours.equity) == (
        Decimal("99055.25"),
        Decimal("1045.0"),
        Decimal("100100.25"),
    )
    assert (ours.unrealised_pnl, ours.realised_pnl) == (Decimal("45.0"), Decimal("55.25"))
    assert ours.as_of == AT + timedelta(minutes=3)
    assert [h.symbol for h in ours.holdings] == ["AAPL"]


def test_shares_of_unknown_cost_have_the_brokers() -> None:
    """What came without a cost that we know is shown at the broker's entry price."""
    ours = api.valued(
        [folded("AAPL", "6", "0", "400")], Decimal(1000), [], BOOK, {"AAPL": trade("AAPL", "100")},
        {"AAPL": at_broker("AAPL", "90", "99")},
    )  # fmt: skip
    assert [(h.quantity, h.average_entry_price, h.current_price) for h in ours.holdings] == [
        (Decimal(6), Decimal(90), Decimal(100))
    ]
    assert ours.equity == Decimal(1400 + 600)


def test_deposits_are_no_gain_and_dividends_are() -> None:
    """Both are cash; only what the owner did not put in himself counts as income."""
    moved = [cash_moved("CSD", "500"), cash_moved("DIV", "12.5"), cash_moved("FEE", "-0.5")]
    ours = api.valued([], Decimal(1000), moved, BOOK, {}, {})
    assert (ours.cash, ours.deposits, ours.income) == (Decimal(1512), Decimal(500), Decimal(12))


def cash_moved(kind: str, amount: str, days: int = 0) -> CashMovement:
    return CashMovement(
        id=f"{kind}:{days}", account="paper", kind=kind, at=AT + timedelta(days=days), amount=Decimal(amount)
    )


def mark(days: int, equity: str) -> EquityMarked:
    return EquityMarked(
        id=f"m{days}", occurred_at=AT + timedelta(days=days), equity=Decimal(equity), cash=Decimal(1),
        peak_equity=Decimal(equity), drawdown_percent=Decimal(0),
    )  # fmt: skip


def test_a_days_gain_leaves_deposits_out() -> None:
    """Equity rose by 600 over two days, 500 of it put in: the rest was earned."""
    days = api.days_of([mark(0, "1000"), mark(3, "1500"), mark(4, "1600")], [cash_moved("CSD", "500", 2)])
    assert [(1600, 0, 100), (1500, 500, 0)] == [(d.equity, d.deposits, d.pnl) for d in days]


def test_a_holding_that_nobody_can_price_is_not_made_up() -> None:
    """Without a trade and without the broker's price there is no equity to tell."""
    with pytest.raises(BrokerUnclear, match="AAPL"):
        api.valued([folded("AAPL", "10", "1000", "-1000")], Decimal(1), [], BOOK, {}, {})


def test_a_short_position_gains_when_the_price_falls() -> None:
    """Quantity, value and cost are negative when short, the gain positive."""
    ours = api.valued(
        [folded("AAPL", "-10", "-1000", "1000")], Decimal(0), [], BOOK, {"AAPL": trade("AAPL", "90")}, {}
    )
    body = api.position_body(ours.holdings[0], [], LIMITS, None)
    assert (body.market_value, body.unrealised_pnl, body.unrealised_pnl_percent) == (-900, 100, 10)
    summary = api.summary_body(ours, Decimal(7), LIMITS, day_start=Decimal(90), differences={})
    assert (summary.day_pnl, summary.total_pnl) == (10, 100)
    assert summary.exposure_by_sector == {"technology": 900}
    assert (summary.value, summary.exposure_percent, summary.exposure_by_symbol) == (100, 900, {"AAPL": 900})


def leg(symbol: str, role: LegRole, price: str, shares: str = "10") -> Order:
    stop = role is LegRole.STOP_LOSS
    return Order(
        account="paper", client_order_id=f"{symbol}-{role}-{price}", symbol=symbol, side=Side.SELL,
        quantity=Decimal(shares),
        origin=OrderOrigin.SIGNAL, purpose=OrderPurpose.LEG, status="new", created_at=AT, updated_at=AT,
        wall_created_at=AT, role=role, order_type=OrderType.STOP if stop else OrderType.LIMIT,
        stop_price=Decimal(price) if stop else None, limit_price=None if stop else Decimal(price),
    )  # fmt: skip


def held(symbol: str) -> api.Holding:
    ten = Decimal(10)
    return api.Holding(
        symbol=symbol, quantity=ten, average_entry_price=ten, current_price=ten, opened_at=None
    )


def test_a_position_shows_its_own_stop_and_target() -> None:
    """The open legs of the symbol give the prices; other symbols' do not."""
    orders = [
        leg("AAPL", LegRole.STOP_LOSS, "97"),
        leg("AAPL", LegRole.TAKE_PROFIT, "106"),
        leg("IBM", LegRole.STOP_LOSS, "1"),
    ]
    apple, ibm, microsoft = (
        api.position_body(held(s), orders, LIMITS, None) for s in ("AAPL", "IBM", "MSFT")
    )
    assert (apple.stop_price, apple.target_price) == (Decimal(97), Decimal(106))
    assert (ibm.stop_price, ibm.target_price) == (Decimal(1), None)
    assert (microsoft.stop_price, microsoft.stops, microsoft.targets) == (None, [], [])


def test_a_position_of_several_brackets_shows_each_stop_and_target() -> None:
    """All of them with their shares, the nearest first; the single price is the nearest."""
    orders = [
        leg("AAPL", LegRole.STOP_LOSS, "90", "4"),
        leg("AAPL", LegRole.STOP_LOSS, "97", "6"),
        leg("AAPL", LegRole.TAKE_PROFIT, "120", "4"),
        leg("AAPL", LegRole.TAKE_PROFIT, "106", "6"),
    ]
    body = api.position_body(held("AAPL"), orders, LIMITS, None)
    assert ["6 at 97", "4 at 90"] == [f"{stop.quantity} at {stop.price}" for stop in body.stops]
    assert ["6 at 106", "4 at 120"] == [f"{target.quantity} at {target.price}" for target in body.targets]
    assert (body.stop_price, body.target_price) == (Decimal(97), Decimal(106))


@pytest.fixture
def prices(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest trade of AAPL, half a dollar above the price of the last sync."""
    newest = FakeMarketData(prices={"AAPL": Decimal("105.0")})
    monkeypatch.setattr(api, "market_data", lambda: newest)


@pytest.mark.usefixtures("prices")
def test_before_the_first_sync_the_account_says_so(call: Call) -> None:
    """No books, no figures: the answer says when there will be some."""
    status, answer = call(api.app, "/api/account")
    assert status == 404
    assert "first sync" in answer["error"]["message"]


@pytest.mark.usefixtures("prices")
def test_the_account_is_as_of_the_last_sync_on_both_sides(call: Call) -> None:
    """Our figures and the broker's are of one moment and at the same prices, so they can be compared."""
    open_books()
    status, account = call(api.app, "/api/account")
    assert status == 200
    assert {
        "cash": "99000",
        "equity": "100045.0",
        "broker_cash": "99000.00",
        "broker_equity": "100045.00",
        "buying_power": "198000.00",
        "trading_state": "REDUCING",
        "environment": "local",
    }.items() <= account.items()


@pytest.mark.usefixtures("prices")
def test_positions_and_portfolio_are_at_the_newest_prices(call: Call) -> None:
    """A position's worth follows the market between two syncs; money travels as text."""
    open_books()
    status, page = call(api.app, "/position/positions")
    assert status == 200
    assert [
        (p["symbol"], p["unrealised_pnl"], p["stop_price"], p["target_price"]) for p in page["items"]
    ] == [("AAPL", "50.0", "97", None)]
    status, summary = call(api.app, "/api/portfolio/summary")
    assert (status, summary["value"], summary["exposure_percent"]) == (200, "100050.0", "1.0495")


def open_books() -> None:
    """Ten AAPL bought at 100 dollars and a last sync at 104.50."""
    books = Books("paper")
    books.open_with(baseline("100000"))
    books.commit(risk_book=BOOK, new_orders=[leg("AAPL", LegRole.STOP_LOSS, "97")])
    positions.PositionItem(
        "paper", "POSITION#AAPL", body=to_body(folded("AAPL", "10", "1000", "-1000")), fills=1
    ).save()
    held = BrokerPosition(
        symbol="AAPL",
        quantity=Decimal(10),
        available=Decimal(0),
        average_entry_price=Decimal(100),
        market_value=Decimal(1045),
        current_price=Decimal("104.5"),
    )
    books.keep_broker_figures(
        BrokerFigures(
            cash=Decimal("99000.00"),
            equity=Decimal("100045.00"),
            buying_power=Decimal("198000.00"),
            positions=(held,),
            at=AT,
        )
    )


@pytest.mark.usefixtures("prices")
def test_a_position_is_shown_with_its_lots(call: Call) -> None:
    """Each purchase with its own cost and gain, what was sold of it, and what an entry could buy."""
    open_books()
    for number, (side, quantity, price) in enumerate((("buy", 8, 100), ("buy", 4, 90), ("sell", 2, 110))):
        fact = OrderFilled(
            id=f"f{number}", occurred_at=AT + timedelta(days=number), account="paper", fill_id=f"f{number}",
            client_order_id="o", symbol="AAPL", side=side, purpose="entry", role=None,
            quantity=Decimal(quantity), price=Decimal(price), reason="",
        )  # fmt: skip
        only_keep(positions.PositionItem, fact)
    status, detail = call(api.app, "/api/positions/{symbol}", path={"symbol": "aapl"})
    assert status == 200
    assert [("f0", "6", "30.0"), ("f1", "4", "60.0")] == [
        (lot["source"], lot["quantity"], lot["unrealised_pnl"]) for lot in detail["lots"]
    ]
    assert [("f0", "f2", "2", "20", 2)] == [
        (lot["source"], lot["closed_by"], lot["quantity"], lot["realised_pnl"], lot["holding_days"])
        for lot in detail["closed_lots"]
    ]
    assert (True, "10", True) == (
        detail["reconciled"], detail["position"]["broker_quantity"], detail["sizing"] is not None,
    )  # fmt: skip
    assert 404 == call(api.app, "/api/positions/{symbol}", path={"symbol": "IBM"})[0]


@pytest.mark.usefixtures("prices")
def test_the_history_goes_back_as_far_as_asked(call: Call) -> None:
    """One row a market day, the newest first; a number that makes no sense is refused."""
    open_books()
    for days in range(-5, 1):
        analytics.save_mark("paper", mark(days, str(1000 + days)))
    status, page = call(api.app, "/api/portfolio/history", query={"days": "3"})
    assert (200, ["2026-11-20", "2026-11-19", "2026-11-18"]) == (status, [d["date"] for d in page["items"]])
    assert 400 == call(api.app, "/api/portfolio/history", query={"days": "0"})[0]


class _Away(FakeMarketData):
    """Market data that does not answer."""

    def latest_trades(self, symbols: Any) -> dict[str, BrokerTrade]:
        raise BrokerUnavailable("the feed is down")


@pytest.mark.usefixtures("tables")
def test_positions_are_shown_at_the_last_syncs_prices_while_market_data_is_away(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List and summary answer with the broker's prices of then, marked with their age."""
    open_books()
    monkeypatch.setattr(api, "market_data", _Away)
    health.record_work("trading", detail="sync")
    synced = health.last_work()["trading"].at
    monkeypatch.setattr(wall, "now", lambda: synced + timedelta(seconds=90))
    (listed,) = call(api.app, "/api/positions")[1]["items"]
    summary = call(api.app, "/api/portfolio/summary")[1]
    assert (listed["current_price"], listed["source"], listed["age_seconds"]) == ("104.5", "cache", 90)
    assert (summary["value"], summary["source"], summary["age_seconds"]) == ("100045.0", "cache", 90)


def test_nobody_reads_the_account_without_signing_in(call: Call) -> None:
    """A public route without a caller answers 401."""
    assert call(api.app, "/api/account", role=None)[0] == 401
