"""The way of a trade through the whole cloud: signal, order, fill, projections, mail; books equal broker."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from alpaquero.portfolio.pnl import open_pnl, realised_within
from alpaquero.portfolio.trades import OpenTrade, Trade
from laptop.agreement import duplicate_orders
from laptop.engine import sent_mail
from laptop.quiescence import Quiescence
from laptop.stack import LOG_GROUP, LaptopCloud
from tests.integration.asking import Caller
from tests.integration.conftest import ENTRY, SESSIONS
from tests.integration.reading import BusTap, Item, Traded, item, items
from tests.waiting import wait_for


def _order(traded: Traded, symbol: str, *, role: str | None, status: str) -> Item:
    return next(
        order["body"]
        for order in traded.orders
        if (order["body"]["symbol"], order["body"]["role"], order["body"]["status"]) == (symbol, role, status)
    )


def test_a_session_has_one_run(traded: Traded) -> None:
    """Every session traded has one run, concluded, with nothing of it missing."""
    runs = [run for run in traded.runs if run["pk"] == "paper"]
    assert len(runs) == SESSIONS
    assert {(run["state"], *run["reported"]) for run in runs} == {("concluded", "0")}


def test_a_bracket_was_entered_by_signal_and_closed_by_its_stop(traded: Traded) -> None:
    """GOOG was bought on a signal, its stop sold all of it, and the target was cancelled by that."""
    entry = _order(traded, "GOOG", role=None, status="filled")
    stop = _order(traded, "GOOG", role="stop_loss", status="filled")
    target = _order(traded, "GOOG", role="take_profit", status="canceled")
    assert entry["origin"] == "sig"
    assert stop["parent"] == target["parent"] == entry["client_order_id"]
    assert entry["filled_quantity"] == stop["filled_quantity"] != "0"


def test_orders_equal_the_exchanges(traded: Traded) -> None:
    """The books know every order that the exchange took, legs too, in its state, and no other."""
    ours = {
        order["body"]["client_order_id"]: (
            order["body"]["symbol"],
            order["body"]["side"],
            order["body"]["status"],
            Decimal(order["body"]["filled_quantity"]),
        )
        for order in traded.orders
    }
    theirs = {
        order.client_order_id: (order.symbol, order.side, order.status, order.filled_qty)
        for order in traded.report.orders
    }
    assert ours == theirs
    assert duplicate_orders(list(theirs)) == 0


def test_fills_equal_the_exchanges(traded: Traded) -> None:
    """The books hold every fill once, under the broker's activity id."""
    ours = Counter(
        (f["body"]["id"], f["body"]["side"], Decimal(f["body"]["quantity"]), Decimal(f["body"]["price"]))
        for f in traded.fills
    )
    assert ours == Counter((f.id, f.side, f.qty, f.price) for f in traded.report.fills)
    assert len(ours) >= 4


def test_money_and_positions_equal_the_exchanges(traded: Traded) -> None:
    """Baseline plus fills give the exchange's cash, the projection its positions, the risk book both."""
    flows = sum(Decimal(position["body"]["cash_flow"]) for position in traded.positions)
    held = {p["body"]["symbol"]: Decimal(p["body"]["quantity"]) for p in traded.positions}
    assert Decimal(traded.baseline["body"]["cash"]) + flows == traded.report.cash
    assert {symbol: quantity for symbol, quantity in held.items() if quantity} == traded.held
    assert Decimal(traded.risk_book["body"]["cash"]) == traded.report.cash
    assert Decimal(traded.risk_book["body"]["equity"]) == traded.report.equity


def test_the_round_trip_is_in_the_trade_history(traded: Traded) -> None:
    """The closed position is one trade, its profit what the fills say."""
    (trade,) = (t["body"] for t in traded.trades if t["body"]["symbol"] == "GOOG")
    bought, sold = (
        next(f.price * f.qty for f in traded.report.fills if (f.symbol, f.side) == ("GOOG", side))
        for side in ("buy", "sell")
    )
    assert Decimal(trade["pnl"]) == sold - bought


def test_profit_and_loss_add_up_to_the_exchanges(traded: Traded) -> None:
    """What trades realised and what is held would gain is the exchange's equity less what it began with."""
    closed = [msgspec.convert(item["body"], Trade, strict=False) for item in traded.trades]
    held = [msgspec.convert(item["body"], OpenTrade, strict=False) for item in traded.open_trades]
    values: dict[str, Decimal | None] = {p.symbol: p.market_value for p in traded.report.positions}
    trades: list[Trade | OpenTrade] = [*closed, *held]
    gain, began = open_pnl(held, values), Decimal(traded.baseline["body"]["equity"])
    assert gain is not None
    assert realised_within(trades, date.min, date.max) + gain == traded.report.equity - began
    assert {(trade.strategy, trade.arrival_price is None) for trade in trades} == {("stochrsi_ema", False)}
    assert len(traded.closes) == SESSIONS
    newest = max(traded.closes, key=lambda item: str(item["sk"]))
    assert Decimal(newest["body"]["equity"]) == traded.report.equity


def test_every_fill_was_mailed_once(traded: Traded) -> None:
    """SES has one mail for each fill, and the record of deliveries says the same."""
    mailed = Counter(mail["subject"] for mail in traded.mails)
    for fill in traded.report.fills:
        verb = "Bought" if fill.side == "buy" else "Sold"
        assert mailed[f"[paper] {verb} {fill.qty} {fill.symbol} at {fill.price:,.2f} USD"] == 1
    delivered = {delivery["sk"] for delivery in traded.deliveries if delivery["state"] == "sent"}
    assert {f"SENT#fill:{fill.id}#owner#email" for fill in traded.report.fills} <= delivered


@pytest.mark.usefixtures("fired")
def test_repeated_schedules_change_nothing(cloud: LaptopCloud, quiet: Quiescence) -> None:
    """When plan and sync come again, and twice, no order, fill or run is added at either side."""

    def everything() -> tuple[object, ...]:
        report = cloud.exchange.report()
        orders = {item["sk"]: item["version"] for item in items(cloud, "Books", "ORDER#")}
        rows = {item["sk"] for table in ("Runs", "Positions", "Analytics") for item in items(cloud, table)}
        return orders, rows, {f["sk"] for f in items(cloud, "Books", "FILL#")}, report.orders, report.fills

    quiet.wait()
    cloud.tick("sync")
    quiet.wait()
    before = everything()
    for job in ("plan", "sync", "plan", "sync"):
        cloud.tick(job)
    quiet.wait()
    assert everything() == before


@pytest.mark.parametrize("function", ["TradingSync", "PositionProject", "AnalyticsProject"])
def test_a_rebuild_of_a_cloud_that_has_traded_changes_nothing(cloud: LaptopCloud, function: str) -> None:
    """Each part is what orders, fills and the broker add up to, and its function may read them."""
    assert cloud.invoke(function, {"job": "rebuild"})["differences"] == {}


def _logged(cloud: LaptopCloud, correlation_id: str) -> dict[str, set[str]]:
    """What the functions have logged under a correlation id so far: the messages by service."""
    pages = cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=LOG_GROUP)
    found: dict[str, set[str]] = {}
    for page in pages:
        for event in page["events"]:
            line = json.loads(event["message"]) if event["message"].startswith("{") else {}
            if line.get("correlation_id") == correlation_id:
                found.setdefault(line["service"], set()).add(line["message"])
    return found


def test_one_correlation_id_goes_from_the_browser_to_the_broker_and_back(
    cloud: LaptopCloud, admin: Caller, bus: BusTap, quiet: Quiescence
) -> None:
    """Answer, access log, command, books, the broker's order, events and mail of two wishes carry one id."""
    given = {"X-Correlation-Id": "from-the-browser-7"}

    def asked(body: dict[str, str], key: str) -> str:
        answer = admin.ask("POST", "/api/orders", body=body, headers={**given, "Idempotency-Key": key})
        assert (answer.status_code, answer.headers["x-correlation-id"]) == (202, given["X-Correlation-Id"])
        return str(answer.json()["client_order_id"])

    placed = asked(ENTRY, "traced")
    refused = asked({**ENTRY, "symbol": "ZZZZ"}, "traced and refused")
    quiet.wait()
    try:
        order = item(cloud, "Books", "paper", f"ORDER#{placed}")
        assert order is not None
        assert order["body"]["correlation_id"] == given["X-Correlation-Id"]
        assert placed in {one.client_order_id for one in cloud.exchange.report().orders}
        told = wait_for(lambda: bus.find(f"refused:{refused}"), what="the refusal on the bus")
        assert told["detail"]["correlation_id"] == given["X-Correlation-Id"]
        assert "tradable" in told["detail"]["codes"]
        submitted = [e for e in bus.seen if e["detail"].get("client_order_id") == placed]
        assert {event["detail"]["correlation_id"] for event in submitted} == {given["X-Correlation-Id"]}
        assert len(submitted) >= 1

        def mailed() -> bool:
            return any(
                f"refused:{refused}, correlation id {given['X-Correlation-Id']}" in mail["body"]
                for mail in sent_mail(cloud.endpoint)
            )

        wait_for(mailed, what="the mail of the refusal")
        logged = wait_for(
            lambda: found if "notification" in (found := _logged(cloud, given["X-Correlation-Id"])) else None,
            what="the log of the notification",
        )
        assert {"answered", "a command"} <= logged["trading"]
        assert {"trading", "gateway", "notification"} <= set(logged)
    finally:
        admin.ask("DELETE", f"/api/orders/{placed}")
        quiet.wait()
        cloud.tick("sync")
