"""The trading side of Alpaca over alpaca-py's TradingClient.

Connected by what each caller may do: `connect_clock` for who needs market time, `connect_reader`
for sync, `connect_submitter` for execute. Answers are read by `alpaquero.broker.answers` and bodies
made by `alpaquero.broker.bodies`, since alpaca-py's own models pass decimals through floats.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

from alpaquero.broker import answers
from alpaquero.broker.answers import every, understood
from alpaquero.broker.bodies import change_body, order_body
from alpaquero.broker.budget import Priority
from alpaquero.broker.deferred_pandas import deferred_pandas
from alpaquero.broker.guard import shared_guard
from alpaquero.broker.keys import LIVE_HOST, PAPER_URL, BrokerKeys, read_keys, refuse_foreign_keys
from alpaquero.broker.protocol import (
    BrokerAccount,
    BrokerActivity,
    BrokerAsset,
    BrokerClock,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    ClockReader,
    OrderChange,
    OrderFilter,
    OrderReader,
    OrderRequest,
    OrderSubmitter,
    with_legs,
)
from alpaquero.broker.transport import BrokerTransport, OrderTransport
from alpaquero.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    BrokerUnclear,
    KeysRefused,
    OrderNotFound,
)
from alpaquero.prices.sessions import Session

if TYPE_CHECKING:
    from alpaquero.broker.dry_run import DryRunReader

NO_SUCH_THING = 40410000  # the code beside Alpaca's own 404; a proxy's 404 has none
ORDERS_A_PAGE = 500
FILLS_A_PAGE = ACTIVITIES_A_PAGE = 100
CANCEL_IS_UNDER_WAY = "pending_cancel"
DRY_RUN, LIVE = "dry_run", "live"

Transport = TypeVar("Transport", bound=BrokerTransport)


class ClockAccess(Protocol):
    """The settings a clock needs; `alpaquero.settings.ClockSettings` has them."""

    @property
    def alpaca_trading_url(self) -> str: ...
    @property
    def data_secret(self) -> str: ...


class TradingAccess(Protocol):
    """The settings a connection needs; `alpaquero.settings.TradingApiSettings` has them."""

    @property
    def account(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def alpaca_trading_url(self) -> str: ...
    @property
    def trading_secret(self) -> str: ...


def connect_clock(settings: ClockAccess) -> ClockReader:
    """Market time by the reading keys. Raises `ConfigurationError` without keys.

    Clock and calendar are the same on both of Alpaca's hosts: paper keys ask the paper host also
    when trading is live.
    """
    keys = read_keys(settings.data_secret)
    url = settings.alpaca_trading_url
    if keys.are_paper and f"//{LIVE_HOST}" in url:
        url = PAPER_URL
    return AlpacaClock(_transport(BrokerTransport, url, keys, settings.data_secret, Priority.SYNC))


def connect_reader(settings: TradingAccess) -> OrderReader:
    """The trading API for sync, which only looks. Raises `ConfigurationError` without keys."""
    reader = AlpacaReader(_trading_transport(BrokerTransport, settings, Priority.SYNC))
    if settings.environment == DRY_RUN:
        from alpaquero.broker.dry_run import DryRunReader

        return _dry(DryRunReader, reader, settings)
    return reader


def connect_submitter(settings: TradingAccess) -> OrderSubmitter:
    """The trading API for execute, which places and cancels. Raises `ConfigurationError` without keys.

    In the environment `dry_run` nothing is sent. No order leaves for another account than the books
    are of, and in `live` none before an admin has confirmed the account.
    """
    if settings.environment == DRY_RUN:
        from alpaquero.broker.dry_run import DryRunBroker

        reader = AlpacaReader(_trading_transport(BrokerTransport, settings, Priority.ORDER))
        return _dry(DryRunBroker, reader, settings)

    def interlock(account: Callable[[], BrokerAccount]) -> None:
        number = account().account_number
        _require_own_account(settings.account, number)
        if settings.environment == LIVE:
            _require_confirmation(number)

    return AlpacaSubmitter(_trading_transport(OrderTransport, settings, Priority.ORDER), interlock)


def _trading_transport(kind: type[Transport], settings: TradingAccess, priority: Priority) -> Transport:
    keys = read_keys(settings.trading_secret)
    refuse_foreign_keys(keys, settings.alpaca_trading_url, settings.trading_secret)
    return _transport(kind, settings.alpaca_trading_url, keys, settings.trading_secret, priority)


def _transport(
    kind: type[Transport], url: str, keys: BrokerKeys, secret: str, priority: Priority
) -> Transport:
    with deferred_pandas():
        from alpaca.trading.client import TradingClient
    client = TradingClient(keys.key_id, keys.secret_key, raw_data=True, url_override=url.rstrip("/"))
    return kind(client, shared_guard("trading", url, secret), priority)


DryKind = TypeVar("DryKind", bound="DryRunReader")


def _dry(kind: type[DryKind], reader: OrderReader, settings: TradingAccess) -> DryKind:
    from alpaquero.store.broker_state import DryRunOrders

    return kind(reader, DryRunOrders(settings.account))


def _no_interlock(_account: Callable[[], BrokerAccount]) -> None:
    """For who knows where the orders go."""


def _require_own_account(label: str, number: str) -> None:
    """Refuses an account that the books called `label` are not of: its cash and shares are not theirs."""
    from alpaquero.store.books import Books

    baseline = Books(label).baseline()
    trouble = baseline.other_account(number) if baseline else ""
    if trouble:
        raise BrokerRejected(403, None, f"{trouble}; nothing was sent")


def _require_confirmation(number: str) -> None:
    """Refuses as long as no admin has confirmed the very account that the keys trade."""
    from alpaquero.store import live_trading

    given = live_trading.confirmation()
    if given is None or given.account_number != number:
        raise BrokerRejected(
            403,
            None,
            f"live trading of the account ending in {number[-4:]} is not confirmed; nothing was sent. An "
            "admin confirms it once: POST /api/live-trading with its account_number and a reason",
        )


class AlpacaClock:
    """`ClockReader` over Alpaca's trading API."""

    def __init__(self, transport: BrokerTransport) -> None:
        self._transport = transport

    def clock(self) -> BrokerClock:
        return understood(answers.a_clock, self._transport.read("/clock"))

    def sessions(self, start: date, end: date) -> list[Session]:
        rows = self._transport.read("/calendar", {"start": start.isoformat(), "end": end.isoformat()})
        return understood(every(answers.a_session), rows)

    def asset(self, symbol: str) -> BrokerAsset | None:
        try:
            row = self._transport.read(f"/assets/{quote(symbol, safe='')}")
        except BrokerRejected as refusal:
            if _is_not_found(refusal):
                return None
            raise
        return understood(answers.an_asset, row)


class AlpacaReader(AlpacaClock):
    """`OrderReader` over Alpaca's trading API."""

    def account(self) -> BrokerAccount:
        return understood(answers.an_account, self._transport.read("/account"))

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

    def activities(self, since: date) -> list[BrokerActivity]:
        found: list[BrokerActivity] = []
        # The broker's `after` leaves the day itself out.
        after = datetime.combine(since - timedelta(days=1), time(), UTC).isoformat()
        parameters = {"category": "non_trade_activity", "direction": "asc", "after": after}
        while True:
            page = self._transport.read(
                "/account/activities", {**parameters, "page_size": str(ACTIVITIES_A_PAGE)}
            )
            rows = understood(every(dict), page)
            counted = [row for row in rows if row.get("status") != "canceled"]
            found += understood(every(answers.an_activity), counted)
            if len(rows) < ACTIVITIES_A_PAGE:
                return found
            if rows[-1]["id"] == parameters.get("page_token"):
                raise BrokerUnclear("the broker's list of activities does not advance past one page")
            parameters["page_token"] = str(rows[-1]["id"])

    def _all_orders(
        self, parameters: dict[str, str], after: datetime | None, limit: int | None
    ) -> list[BrokerOrder]:
        """Pages by time of submission, each page beginning a moment early so that none falls between.

        Where more orders than a page holds share one moment, time cannot part them: from there on the
        pages follow the id of the last order, which Alpaca does not take together with times.
        """
        found: dict[str, BrokerOrder] = {}
        window: dict[str, str] = {} if after is None else {"after": after.isoformat()}
        by_id = {name: value for name, value in parameters.items() if name != "until"}
        until = parameters.get("until")
        while True:
            given = by_id if "after_order_id" in window else parameters
            page_parameters = {**given, **window, "direction": "asc", "limit": str(ORDERS_A_PAGE)}
            page = understood(every(answers.an_order), self._transport.read("/orders", page_parameters))
            wanted = [o for o in page if until is None or o.submitted_at < datetime.fromisoformat(until)]
            known = len(found)
            found.update((order.id, order) for order in wanted)
            if limit is not None and len(found) >= limit:
                return list(found.values())[:limit]
            if sum(1 for _ in with_legs(page)) < ORDERS_A_PAGE or len(wanted) < len(page):
                return list(found.values())
            if len(found) > known and "after_order_id" not in window:
                window = {"after": (page[-1].submitted_at - timedelta(microseconds=1)).isoformat()}
            elif window.get("after_order_id") == page[-1].id:
                raise BrokerUnclear("the broker's list of orders does not advance past one page")
            else:
                window = {"after_order_id": page[-1].id}


class AlpacaSubmitter(AlpacaReader):
    """`OrderSubmitter` over Alpaca's trading API; `interlock` is asked before the first order leaves."""

    def __init__(
        self,
        transport: OrderTransport,
        interlock: Callable[[Callable[[], BrokerAccount]], None] = _no_interlock,
    ) -> None:
        super().__init__(transport)
        self._orders = transport
        self._interlock = interlock
        self._is_confirmed = False

    def submit(self, request: OrderRequest) -> BrokerOrder:
        self._confirm()
        try:
            answer = self._orders.post("/orders", order_body(request))
        except BrokerRejected as refusal:
            earlier = self._placed_earlier(request.client_order_id, refusal)
            if earlier is None or (earlier.symbol, earlier.side) != (request.symbol, request.side):
                raise
            return earlier
        return _ours(understood(answers.an_order, answer), request.client_order_id)

    def cancel(self, broker_order_id: str) -> None:
        """As in `OrderSubmitter`. A 422 is told apart by the order's state, not by its text."""
        try:
            self._orders.delete(_order_path(broker_order_id))
        except BrokerRejected as refusal:
            if refusal.status != 422:
                raise _order_not_found(refusal) or refusal from None
            order = self.order(broker_order_id)
            if not order.is_terminal and order.status != CANCEL_IS_UNDER_WAY:
                raise

    def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        self._confirm()
        try:
            answer = self._orders.patch(_order_path(broker_order_id), change_body(change))
        except BrokerRejected as refusal:
            earlier = self._placed_earlier(change.client_order_id, refusal)
            if earlier is None:
                raise _order_not_found(refusal) or refusal from None
            return earlier
        return _ours(understood(answers.an_order, answer), change.client_order_id)

    def _confirm(self) -> None:
        if self._is_confirmed:
            return
        try:
            self._interlock(self.account)
        except BrokerUnclear as error:  # of the question, and no order has left
            raise BrokerUnavailable(
                f"the account could not be asked for before the order: {error}"
            ) from error
        self._is_confirmed = True

    def _placed_earlier(self, client_order_id: str, refusal: BrokerRejected) -> BrokerOrder | None:
        """The order that already has the id: no code or text says reliably that it exists."""
        if isinstance(refusal, KeysRefused):
            return None  # keys that may not trade have placed nothing, and could not look either
        try:
            return self.order_by_client_id(client_order_id)
        except BrokerError as error:
            raise BrokerUnclear(
                f"the broker refused {client_order_id} ({refusal.message}) and could not be asked "
                "whether it already has that order"
            ) from error


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
