"""Placing and cancelling: never twice, and rejected is told from unclear."""

from __future__ import annotations

import socket
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.client import TradingClient

from alpaquero.broker import transport
from alpaquero.broker.alpaca import AlpacaSubmitter
from alpaquero.broker.protocol import OrderRequest
from alpaquero.broker.transport import OrderTransport
from alpaquero.errors import BrokerRejected, BrokerUnavailable, BrokerUnclear, OrderNotFound
from tests.fakes.http_server import Reply, ScriptedServer
from tests.unit.broker.payloads import NOT_FOUND, order, refusal

REQUEST = OrderRequest(client_order_id="aq1-sig-AAPL-k1-0", symbol="AAPL", side="buy", quantity=Decimal(3))


def test_a_bracket_is_sent_with_its_id_and_decimal_texts(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """A bracket goes out once, with our client order id, exact decimals and both exits."""
    server.script = [Reply(200, order(order_class="bracket"))]
    broker.submit(
        OrderRequest(
            client_order_id="aq1-sig-AAPL-k1-0",
            symbol="AAPL",
            side="buy",
            quantity=Decimal("0.000000001"),
            order_class="bracket",
            time_in_force="gtc",
            take_profit_price=Decimal("199.10"),
            stop_loss_price=Decimal("181.05"),
        )
    )
    assert [asked.method for asked in server.asked] == ["POST"]
    assert server.asked[0].path == "/v2/orders"
    assert server.asked[0].body == {
        "client_order_id": "aq1-sig-AAPL-k1-0",
        "symbol": "AAPL",
        "side": "buy",
        "qty": "0.000000001",
        "type": "market",
        "time_in_force": "gtc",
        "order_class": "bracket",
        "take_profit": {"limit_price": "199.10"},
        "stop_loss": {"stop_price": "181.05"},
    }


def test_the_answer_is_read_whole(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """The placed order comes back with its state as it is and its decimals exact."""
    server.script = [Reply(200, order(status="some_new_state", limit_price="187.255"))]
    placed = broker.submit(REQUEST)
    assert (placed.status, placed.quantity, placed.limit_price) == (
        "some_new_state",
        Decimal(3),
        Decimal("187.255"),
    )
    assert placed.submitted_at.isoformat() == "2026-01-05T14:30:00.123456+00:00"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, {"message": "internal server error", "code": 50010000}),
        Reply(502, b"<html><body>Bad Gateway</body></html>"),
        Reply(504, b""),
        Reply(200, b"<html>maintenance</html>"),
        Reply(200, b'{"id": "61e69015", "client_or'),
        Reply(200, b""),
        Reply(200, {"message": "ok"}),
        Reply(200, [order()]),
        Reply(200, order(client_order_id="another-order")),
        Reply(200, order(qty="NaN")),
        Reply(301, b"", {"Location": "https://example.com"}),
        Reply(403, b"<html>blocked</html>"),
        Reply(408, {"message": "request timeout"}),
        Reply(cut=True),
        Reply(200, order(), cut=True),
    ],
    ids=str,
)
def test_an_answer_that_proves_nothing_is_unclear_and_not_repeated(
    broker: AlpacaSubmitter, server: ScriptedServer, waits: list[float], reply: Reply
) -> None:
    """5xx, cut connections and senseless bodies leave the order unclear after a single POST."""
    server.script = [reply]
    with pytest.raises(BrokerUnclear):
        broker.submit(REQUEST)
    assert [asked.method for asked in server.asked] == ["POST"]
    assert waits == []


def test_a_read_time_out_is_unclear_and_not_repeated(
    broker: AlpacaSubmitter, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that takes the order and never answers leaves it unclear after a single POST."""
    monkeypatch.setattr(transport, "READ_SECONDS", 0.2)
    server.script = [Reply(stall=True)]
    with pytest.raises(BrokerUnclear, match="ReadTimeout"):
        broker.submit(REQUEST)
    assert len(server.asked) == 1


def test_the_rate_limit_means_nothing_was_done(
    broker: AlpacaSubmitter, server: ScriptedServer, waits: list[float]
) -> None:
    """A 429 on a submit is unavailable, is not repeated here, and says how long to wait."""
    server.script = [Reply(429, {"message": "too many requests."}, {"Retry-After": "7"})]
    with pytest.raises(BrokerUnavailable) as caught:
        broker.submit(REQUEST)
    assert caught.value.retry_after_seconds == 7
    assert (len(server.asked), waits) == (1, [])


def test_a_refused_connection_means_nothing_was_done() -> None:
    """When no one listens the order cannot exist, so it is unavailable and not unclear."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = TradingClient("key", "secret", raw_data=True, url_override=f"http://127.0.0.1:{port}")
        with pytest.raises(BrokerUnavailable):
            AlpacaSubmitter(OrderTransport(client)).submit(REQUEST)


def test_an_unknown_host_means_nothing_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the name does not resolve the order cannot exist."""

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    client = TradingClient("key", "secret", raw_data=True, url_override="http://broker.invalid")
    with pytest.raises(BrokerUnavailable):
        AlpacaSubmitter(OrderTransport(client)).submit(REQUEST)


@pytest.mark.parametrize(("status", "code"), [(403, 40310000), (422, 42210000), (422, 40010001)])
def test_a_refusal_is_believed_once_the_order_is_known_not_to_exist(
    broker: AlpacaSubmitter, server: ScriptedServer, status: int, code: int
) -> None:
    """A 403 or 422 is a rejection only after the lookup by our id has found nothing."""
    server.script = [refusal(status, code, "no", buying_power="12.50"), NOT_FOUND]
    with pytest.raises(BrokerRejected) as caught:
        broker.submit(REQUEST)
    assert (caught.value.status, caught.value.code, caught.value.message) == (status, code, "no")
    assert caught.value.body["buying_power"] == "12.50"
    assert server.asked[1].path == "/v2/orders:by_client_order_id"


@pytest.mark.parametrize("status", [403, 422])
def test_a_duplicate_is_the_order_itself(
    broker: AlpacaSubmitter, server: ScriptedServer, status: int
) -> None:
    """Whatever the refusal says, an order that exists under our id is the answer."""
    server.script = [
        refusal(status, 40010001, "client_order_id must be unique"),
        Reply(200, order(status="filled")),
    ]
    assert broker.submit(REQUEST).status == "filled"


@pytest.mark.parametrize(
    "lookup",
    [[Reply(502, b"")] * 3, [Reply(404, b"<html>no such page</html>")] * 3, [refusal(401, None, "x")]],
)
def test_a_refusal_that_cannot_be_checked_is_unclear(
    broker: AlpacaSubmitter, server: ScriptedServer, lookup: list[Reply]
) -> None:
    """When the lookup after a 422 fails, nobody knows whether the order exists."""
    server.script = [refusal(422, 40010001, "client_order_id must be unique"), *lookup]
    with pytest.raises(BrokerUnclear):
        broker.submit(REQUEST)


def test_an_order_of_another_symbol_under_our_id_is_not_ours(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """The lookup never passes another symbol's order off as the one we asked for."""
    server.script = [
        refusal(422, 40010001, "client_order_id must be unique"),
        Reply(200, order(symbol="MSFT")),
    ]
    with pytest.raises(BrokerRejected):
        broker.submit(REQUEST)


def test_wrong_keys_are_a_refusal_without_a_code(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A 401 has no code and is told as it is."""
    server.script = [refusal(401, None, "unauthorized.")]
    with pytest.raises(BrokerRejected) as caught:
        broker.submit(REQUEST)
    assert (caught.value.status, caught.value.code) == (401, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_order_id": ""},
        {"client_order_id": "x" * 49},
        {"quantity": Decimal(0)},
        {"quantity": Decimal("NaN")},
    ],
)
def test_a_request_without_an_id_or_quantity_cannot_be_made(wrong: dict[str, Any]) -> None:
    """An order without a usable client order id or quantity is refused before it is sent."""
    fields: dict[str, Any] = {"client_order_id": "a", "symbol": "A", "side": "buy", "quantity": Decimal(1)}
    with pytest.raises((ValueError, ArithmeticError)):
        OrderRequest(**(fields | wrong))


def test_a_cancel_is_sent_by_broker_id(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A cancel is one DELETE of the order."""
    server.script = [Reply(204)]
    broker.cancel("61e69015")
    assert [(asked.method, asked.path) for asked in server.asked] == [("DELETE", "/v2/orders/61e69015")]


@pytest.mark.parametrize("status", ["filled", "canceled", "expired", "replaced", "pending_cancel"])
def test_cancelling_what_has_ended_is_fine(
    broker: AlpacaSubmitter, server: ScriptedServer, status: str
) -> None:
    """A 422 on a cancel is fine when the order's own state says that it has ended."""
    server.script = [
        refusal(422, 42210000, f'order is already in "{status}" state'),
        Reply(200, order(status=status)),
    ]
    broker.cancel("61e69015")


def test_a_cancel_refused_for_a_live_order_is_told(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A 422 on a cancel of an order that still works is a refusal."""
    server.script = [refusal(422, 42210000, "not cancelable"), Reply(200, order(status="accepted"))]
    with pytest.raises(BrokerRejected):
        broker.cancel("61e69015")


def test_a_cancel_is_tried_again(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A cancel does no harm twice, so a 502 is followed by another try."""
    server.script = [Reply(502, b""), Reply(204)]
    broker.cancel("61e69015")
    assert len(server.asked) == 2


def test_cancelling_an_unknown_order_is_not_found(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """The broker's own 404 on a cancel is OrderNotFound."""
    server.script = [NOT_FOUND]
    with pytest.raises(OrderNotFound):
        broker.cancel("61e69015")
