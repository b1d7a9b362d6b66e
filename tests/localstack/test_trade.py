"""The whole way of a trade on LocalStack's free core: signal, order, fill, position, mail, by the APIs."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, LOG_GROUP, LaptopCloud
from laptop.watch import Watch
from tests.fakes.tokens import token
from tests.integration.asking import Caller, sign_in
from tests.integration.reading import items
from tests.localstack.conftest import SESSIONS, VIEWER, VIEWER_PASSWORD
from tests.waiting import wait_for


def _listed(caller: Caller, path: str) -> list[dict[str, Any]]:
    answer = caller.ask("GET", path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    listed: list[dict[str, Any]] = answer.json()["items"]
    return listed


def test_each_session_had_one_run(admin: Caller) -> None:
    """Every session traded has one run, and it was concluded."""
    runs = _listed(admin, "/api/runs?limit=100")
    assert Counter(run["state"] for run in runs) == {"concluded": SESSIONS}


def test_a_signal_became_an_order_and_a_fill(localstack: LaptopCloud, admin: Caller) -> None:
    """The orders that the API shows are the exchange's, those of a signal filled among them."""
    orders = _listed(admin, "/api/orders?limit=100")
    theirs = localstack.exchange.report().orders
    assert {(one["client_order_id"], one["symbol"], one["status"]) for one in orders} == {
        (one.client_order_id, one.symbol, str(one.status)) for one in theirs
    }
    assert [one for one in orders if one["origin"] == "sig" and one["status"] == "filled"]


def test_fills_became_positions(localstack: LaptopCloud, admin: Caller) -> None:
    """The API's positions are the exchange's, and the books hold each of its fills once."""
    held = {one["symbol"]: Decimal(one["quantity"]) for one in _listed(admin, "/api/positions")}
    report = localstack.exchange.report()
    assert held == {one.symbol: one.qty for one in report.positions}
    assert held
    fills = [item["body"]["id"] for item in items(localstack, "Books", "FILL#")]
    assert Counter(fills) == Counter(fill.id for fill in report.fills)


def test_the_account_is_the_exchanges(localstack: LaptopCloud, admin: Caller) -> None:
    """Cash and equity as the API shows them are the exchange's."""
    account, report = admin.ask("GET", "/api/account").json(), localstack.exchange.report()
    assert (Decimal(account["cash"]), Decimal(account["equity"])) == (report.cash, report.equity)


def test_each_fill_was_mailed_once(localstack: LaptopCloud) -> None:
    """SES was asked for one mail a fill."""
    mailed = Counter(mail["subject"] for mail in localstack.sent_mail())
    for fill in localstack.exchange.report().fills:
        verb = "Bought" if fill.side == "buy" else "Sold"
        assert mailed[f"[paper] {verb} {fill.qty} {fill.symbol} at {fill.price:,.2f} USD"] == 1


def test_nothing_was_given_up_and_no_error_logged(localstack: LaptopCloud) -> None:
    """No message went to a dead letter queue, and the log group of the template tells of no error."""
    assert Quiescence(localstack, ACCOUNT).dead_letters() == 0
    pages = localstack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=LOG_GROUP)
    lines = [event["message"] for page in pages for event in page["events"]]
    assert [line for line in lines if '"level":"INFO"' in line]
    assert not [line for line in lines if '"level":"ERROR"' in line]


@pytest.mark.parametrize("bearer", [None, "no-token", token()])
def test_strangers_are_sent_away(visitor: Caller, bearer: str | None) -> None:
    """Without a token, with a malformed one, and with another issuer's."""
    answer = visitor.having(bearer).ask("GET", "/api/orders")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_a_viewer_looks_and_does_not_trade(localstack: LaptopCloud, visitor: Caller) -> None:
    """The role in the issuer's token counts at each route."""
    viewer = visitor.having(sign_in(localstack, VIEWER, VIEWER_PASSWORD)["AccessToken"])
    assert viewer.ask("GET", "/api/orders").status_code == 200
    order = {"symbol": "GOOG", "side": "buy", "quantity": "1", "order_type": "market"}
    refused = viewer.ask("POST", "/api/orders", body=order, headers={"Idempotency-Key": "viewer-1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")


def test_an_order_by_hand_goes_the_same_way(localstack: LaptopCloud, admin: Caller) -> None:
    """An order placed by the API reaches the exchange, comes over the bus, and is cancelled by the API."""
    watch = Watch(localstack)
    entry = {"symbol": "AAPL", "side": "buy", "quantity": "1", "order_type": "limit", "limit_price": "400.00"}
    placed = admin.ask("POST", "/api/orders", body=entry, headers={"Idempotency-Key": "by-hand-1"})
    assert placed.status_code == 202, placed.text
    name, quiet = placed.json()["client_order_id"], Quiescence(localstack, ACCOUNT)
    quiet.wait()
    assert name in {order.client_order_id for order in localstack.exchange.report().orders}
    told = wait_for(
        lambda: [event for event in watch.events() if event["detail"].get("client_order_id") == name],
        what="the order to come over the bus",
    )
    assert told[0]["detail-type"] == "OrderSubmitted"
    assert admin.ask("DELETE", f"/api/orders/{name}").status_code == 202
    quiet.wait()
    localstack.tick("sync")
    assert admin.ask("GET", f"/api/orders/{name}").json()["status"] == "canceled"


def test_a_session_is_renewed_and_ended(localstack: LaptopCloud, visitor: Caller) -> None:
    """The cookie of a sign-in renews the session until it is signed out; a wrong password opens none."""
    keys = localstack.credentials
    wrong = visitor.ask("POST", "/api/auth/sign-in", body={"username": keys.email, "password": "wrong"})
    assert wrong.status_code == 401
    right = visitor.ask("POST", "/api/auth/sign-in", body={"username": keys.email, "password": keys.password})
    cookie = {"Cookie": right.headers["set-cookie"].split(";")[0]}
    assert visitor.ask("POST", "/api/auth/refresh", headers=cookie).status_code == 200
    assert visitor.ask("POST", "/api/auth/sign-out", headers=cookie).status_code == 204
    assert visitor.ask("POST", "/api/auth/refresh", headers=cookie).status_code == 401


def test_the_dashboards_socket_is_known_to_be_missing(visitor: Caller) -> None:
    """It polls then; the answer says why."""
    answer = visitor.ask("GET", "/ws?ticket=x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_page_may_ask_and_others_may_not(localstack: LaptopCloud, visitor: Caller) -> None:
    """The preflight names the dashboard's origin alone."""
    origin = f"http://localhost:{localstack.ports['dashboard']}"
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    answer = visitor.ask("OPTIONS", "/api/orders", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
