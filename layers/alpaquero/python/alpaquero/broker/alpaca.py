"""The trading side of Alpaca over alpaca-py's TradingClient; connected by execute, sync and the read APIs.

Bodies are built and read here rather than by alpaca-py's models: its order models send quantities
and prices as floats, ours as decimal texts (both are accepted, see `alpaquero.broker.answers`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote

from alpaquero.broker import answers
from alpaquero.broker.answers import every, understood
from alpaquero.broker.deferred_pandas import deferred_pandas
from alpaquero.broker.keys import BrokerKeys, read_keys
from alpaquero.broker.protocol import (
    BrokerAccount,
    BrokerClock,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderFilter,
    OrderRequest,
    with_legs,
)
from alpaquero.broker.transport import BrokerTransport
from alpaquero.errors import BrokerError, BrokerRejected, BrokerUnclear, OrderNotFound
from alpaquero.prices.sessions import Session

NO_SUCH_THING = 40410000  # the code beside Alpaca's own 404; a proxy's 404 has none
ORDERS_A_PAGE = 500
FILLS_A_PAGE = 100
CANCEL_IS_UNDER_WAY = "pending_cancel"


class TradingAccess(Protocol):
    """The settings a connection needs; `alpaquero.settings.TradingApiSettings` has them."""

    @property
    def alpaca_trading_url(self) -> str: ...
    @property
    def trading_secret(self) -> str: ...


def connect_reader(settings: TradingAccess) -> AlpacaReader:
    """The trading API for those who only look. Raises `ConfigurationError` without keys."""
    return AlpacaReader(_transport(settings.alpaca_trading_url, read_keys(settings.trading_secret)))


def connect_submitter(settings: TradingAccess) -> AlpacaSubmitter:
    """The trading API for those who place and cancel. Raises `ConfigurationError` without keys."""
    return AlpacaSubmitter(_transport(settings.alpaca_trading_url, read_keys(settings.trading_secret)))


def _transport(url: str, keys: BrokerKeys) -> BrokerTransport:
    with deferred_pandas():
        from alpaca.trading.client import TradingClient
    client = TradingClient(keys.key_id, keys.secret_key, raw_data=True, url_override=url.rstrip("/"))
    return BrokerTransport(client)


class AlpacaReader:
    """`OrderReader` over Alpaca's trading API."""

    def __init__(self, transport: BrokerTransport) -> None:
        self._transport = transport

    def account(self) -> BrokerAccount:
        return understood(answers.an_account, self._transport.read("/account"))

    def clock(self) -> BrokerClock:
        return understood(answers.a_clock, self._transport.read("/clock"))

    def sessions(self, start: date, end: date) -> list[Session]:
        rows = self._transport.read("/calendar", {"start": start.isoformat(), "end": end.isoformat()})
        return understood(every(answers.a_session), rows)

    def positions(self) -> list[BrokerPosition]:
        return understood(every(answers.a_position), self._transport.read("/positions"))

    def position(self, symbol: str) -> BrokerPosition | None:
        try:
            row = self._transport.read(f"/positions/{quote(symbol, safe='')}")
        except BrokerRejected as refusal:
            if _is_not_found(refusal):
                return None
            raise
        return understood(answers.a_position, row)

    def open_orders(self, nested: bool = True) -> list[BrokerOrder]:
        return self._all_orders({"status": "open", "nested": _flag(nested)}, after=None, limit=None)

    def orders(
        self,
        status: OrderFilter = "all",
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[BrokerOrder]:
        parameters = {"status": status, "nested": _flag(True)}
        if until is not None:
            parameters["until"] = until.isoformat()
        return self._all_orders(parameters, after=after, limit=limit)

    def order(self, broker_order_id: str) -> BrokerOrder:
        try:
            row = self._transport.read(_order_path(broker_order_id), {"nested": _flag(True)})
        except BrokerRejected as refusal:
            raise _order_not_found(refusal) or refusal from None
        return understood(answers.an_order, row)

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        try:
            row = self._transport.read("/orders:by_client_order_id", {"client_order_id": client_order_id})
        except BrokerRejected as refusal:
            if _is_not_found(refusal):
                return None
            raise
        order = _ours(understood(answers.an_order, row), client_order_id)
        if order.order_class and not order.legs:
            return self.order(order.id)  # this lookup has no `nested`, and a bracket needs its legs
        return order

    def fills(self, after_id: str | None = None) -> list[BrokerFill]:
        found: list[BrokerFill] = []
        token = after_id
        while True:
            parameters = {"direction": "asc", "page_size": str(FILLS_A_PAGE)}
            if token is not None:
                parameters["page_token"] = token
            page = understood(
                every(answers.a_fill), self._transport.read("/account/activities/FILL", parameters)
            )
            found += page
            if len(page) < FILLS_A_PAGE:
                return found
            if page[-1].id == token:
                raise BrokerUnclear("the broker's list of fills does not advance past one page")
            token = page[-1].id

    def _all_orders(
        self, parameters: dict[str, str], after: datetime | None, limit: int | None
    ) -> list[BrokerOrder]:
        """Pages by time of submission, each page beginning a moment early so that none falls between."""
        found: dict[str, BrokerOrder] = {}
        while True:
            page_parameters = {**parameters, "direction": "asc", "limit": str(ORDERS_A_PAGE)}
            if after is not None:
                page_parameters["after"] = after.isoformat()
            page = understood(every(answers.an_order), self._transport.read("/orders", page_parameters))
            known = len(found)
            found.update((order.id, order) for order in page)
            if limit is not None and len(found) >= limit:
                return list(found.values())[:limit]
            if sum(1 for _ in with_legs(page)) < ORDERS_A_PAGE:
                return list(found.values())
            if len(found) == known:
                raise BrokerUnclear("the broker's list of orders does not advance past one page")
            after = page[-1].submitted_at - timedelta(microseconds=1)


class AlpacaSubmitter(AlpacaReader):
    """`OrderSubmitter` over Alpaca's trading API."""

    def submit(self, request: OrderRequest) -> BrokerOrder:
        try:
            answer = self._transport.post("/orders", _order_body(request))
        except BrokerRejected as refusal:
            if refusal.status not in (403, 422):
                raise
            earlier = self._placed_earlier(request, refusal)
            if earlier is None:
                raise
            return earlier
        return _ours(understood(answers.an_order, answer), request.client_order_id)

    def cancel(self, broker_order_id: str) -> None:
        """As in `OrderSubmitter`. A 422 is told apart by the order's state, not by its text."""
        try:
            self._transport.delete(_order_path(broker_order_id))
        except BrokerRejected as refusal:
            if refusal.status != 422:
                raise _order_not_found(refusal) or refusal from None
            order = self.order(broker_order_id)
            if not order.is_terminal and order.status != CANCEL_IS_UNDER_WAY:
                raise

    def _placed_earlier(self, request: OrderRequest, refusal: BrokerRejected) -> BrokerOrder | None:
        """The order that already has the request's id: a 422 does not say reliably that it exists."""
        try:
            order = self.order_by_client_id(request.client_order_id)
        except BrokerError as error:
            raise BrokerUnclear(
                f"the broker refused {request.client_order_id} ({refusal.message}) and could not be asked "
                "whether it already has that order"
            ) from error
        if order is None or (order.symbol, order.side) != (request.symbol, request.side):
            return None
        return order


def _order_body(request: OrderRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side,
        "qty": _plain(request.quantity),
        "type": request.order_type,
        "time_in_force": request.time_in_force,
    }
    if request.order_class != "simple":
        body["order_class"] = request.order_class
    body.update(_prices({"limit_price": request.limit_price, "stop_price": request.stop_price}.items()))
    if request.take_profit_price is not None:
        body["take_profit"] = {"limit_price": _plain(request.take_profit_price)}
    if request.stop_loss_price is not None:
        body["stop_loss"] = {"stop_price": _plain(request.stop_loss_price)}
    return body


def _prices(prices: Iterable[tuple[str, Decimal | None]]) -> dict[str, str]:
    return {name: _plain(price) for name, price in prices if price is not None}


def _plain(number: Decimal) -> str:
    """The number in digits, never with an exponent."""
    return format(number, "f")


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _order_path(broker_order_id: str) -> str:
    return f"/orders/{quote(broker_order_id, safe='')}"


def _ours(order: BrokerOrder, client_order_id: str) -> BrokerOrder:
    if order.client_order_id != client_order_id:
        raise BrokerUnclear(
            f"the broker answered for {order.client_order_id} when asked for {client_order_id}"
        )
    return order


def _is_not_found(refusal: BrokerRejected) -> bool:
    return refusal.status == 404 and refusal.code == NO_SUCH_THING


def _order_not_found(refusal: BrokerRejected) -> OrderNotFound | None:
    if not _is_not_found(refusal):
        return None
    return OrderNotFound(refusal.status, refusal.code, refusal.message, refusal.body)
