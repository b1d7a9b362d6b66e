"""What alpaca-py trades on the exchange: orders, brackets, cancels, look-ups, fills and refusals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import (
    OrderClass,
    OrderSide,
    OrderStatus,
    OrderType,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.models import Order, Position, TradeAccount
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    OrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from .conftest import Prices, RunningExchange, Serve
from .orders import bracket

# Five sessions, half an hour after the first close of which the tests begin.
CALM = [(100, 101, 99, 100)] * 5
MADE: Prices = {
    "CALM": CALM,
    "RISE": [(100, 101, 99, 100), (100, 102, 99, 101), (102, 108, 101, 107), (107, 108, 106, 107)],
    "FALL": [(100, 101, 99, 100), (100, 101, 98, 99), (99, 99, 94, 95), (95, 96, 94, 95)],
    "GAPS": [(100, 101, 99, 100), (100, 101, 99, 100), (90, 92, 88, 91), (91, 92, 90, 91)],
    "DROP": [(100, 101, 99, 100), (100, 107, 94, 96), (96, 97, 95, 96), (96, 97, 95, 96)],
}


@pytest.fixture
def made(serve: Serve, prices: Callable[[Prices], Path]) -> RunningExchange:
    """An exchange on made prices, before the second session."""
    return serve(prices(MADE))


def market(symbol: str, side: OrderSide, client_order_id: str, quantity: int = 10) -> MarketOrderRequest:
    """A plain market order for the day."""
    return MarketOrderRequest(
        symbol=symbol,
        qty=quantity,
        side=side,
        time_in_force=TimeInForce.DAY,
        client_order_id=client_order_id,
    )


def exits(symbol: str, client_order_id: str, *, target: float = 105, stop: float = 95) -> LimitOrderRequest:
    """A gtc one-cancels-other pair that sells ten shares."""
    return LimitOrderRequest(
        symbol=symbol,
        qty=10,
        side=OrderSide.SELL,
        time_in_force=TimeInForce.GTC,
        order_class=OrderClass.OCO,
        take_profit=TakeProfitRequest(limit_price=target),
        stop_loss=StopLossRequest(stop_price=stop),
        client_order_id=client_order_id,
    )


def place(exchange: RunningExchange, request: OrderRequest) -> Order:
    """Submit an order."""
    order = exchange.trading.submit_order(request)
    assert isinstance(order, Order)
    return order


def look_up(exchange: RunningExchange, client_order_id: str) -> Order:
    """An order by client order id, with its legs."""
    order = exchange.trading.get_order_by_client_id(client_order_id)
    assert isinstance(order, Order)
    return order


def legs_of(order: Order) -> tuple[Order, Order]:
    """Target and stop of a bracket."""
    target, stop = order.legs or []
    return target, stop


def states(exchange: RunningExchange, client_order_id: str) -> list[OrderStatus]:
    """The states of an order and its legs."""
    order = look_up(exchange, client_order_id)
    return [order.status, *(leg.status for leg in order.legs or [])]


def listed(exchange: RunningExchange, **wanted: object) -> list[str]:
    """The client order ids of a list of orders."""
    orders = exchange.trading.get_orders(GetOrdersRequest.model_validate(wanted))
    return [order.client_order_id for order in orders if isinstance(order, Order)]


def position(exchange: RunningExchange, symbol: str) -> Position:
    """An open position."""
    found = exchange.trading.get_open_position(symbol)
    assert isinstance(found, Position)
    return found


def refusal(exchange: RunningExchange, request: OrderRequest) -> APIError:
    """The error that an order is refused with."""
    with pytest.raises(APIError) as raised:
        exchange.trading.submit_order(request)
    error = raised.value
    assert isinstance(error, APIError)
    return error


def test_a_market_order_waits_for_the_open_and_pays_the_ask(made: RunningExchange) -> None:
    """Queued after the close, it fills at the next open; cash and position move by exactly that."""
    order = place(made, market("CALM", OrderSide.BUY, "buy"))
    assert OrderStatus.ACCEPTED == order.status
    made.admin.step()
    filled = look_up(made, "buy")
    assert (OrderStatus.FILLED, "10", "100.01") == (filled.status, filled.filled_qty, filled.filled_avg_price)
    assert datetime(2012, 11, 20, 14, 30, tzinfo=UTC) == filled.filled_at
    account = made.trading.get_account()
    assert isinstance(account, TradeAccount)
    assert ("98999.9", "99999.9") == (account.cash, account.equity)
    held = position(made, "CALM")
    assert ("10", "10", "100.01", "1000") == (
        held.qty,
        held.qty_available,
        held.avg_entry_price,
        held.market_value,
    )


def test_a_bracket_takes_its_profit_and_cancels_the_stop(made: RunningExchange) -> None:
    """Legs are held until the entry fills; the target fills when the price trades through it."""
    order = place(made, bracket("RISE", "up"))
    assert [OrderStatus.ACCEPTED, OrderStatus.HELD, OrderStatus.HELD] == [
        order.status,
        *(leg.status for leg in legs_of(order)),
    ]
    made.admin.step()
    assert [OrderStatus.FILLED, OrderStatus.NEW, OrderStatus.HELD] == states(made, "up")
    made.admin.step()
    assert [OrderStatus.FILLED, OrderStatus.FILLED, OrderStatus.CANCELED] == states(made, "up")
    target, _ = legs_of(look_up(made, "up"))
    assert "105" == target.filled_avg_price
    assert [] == made.trading.get_all_positions()


def test_a_bracket_is_stopped_and_cancels_the_target(made: RunningExchange) -> None:
    """The stop sells at the bid around the stop price on the day the low reaches it."""
    place(made, bracket("FALL", "down"))
    made.admin.step()
    made.admin.step()
    assert [OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.FILLED] == states(made, "down")
    _, stop = legs_of(look_up(made, "down"))
    assert "94.99" == stop.filled_avg_price


def test_a_gap_through_the_stop_fills_at_the_open(made: RunningExchange) -> None:
    """A stop at 95 sells for the bid around an open of 90."""
    place(made, bracket("GAPS", "gap"))
    made.admin.step()
    made.admin.step()
    _, stop = legs_of(look_up(made, "gap"))
    assert ("89.99", datetime(2012, 11, 21, 14, 30, tzinfo=UTC)) == (stop.filled_avg_price, stop.filled_at)


def test_when_both_exits_are_in_reach_on_the_day_of_entry_the_stop_is_taken(made: RunningExchange) -> None:
    """Entry at the open, then a day that reaches stop and target alike."""
    place(made, bracket("DROP", "both"))
    made.admin.step()
    assert [OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.FILLED] == states(made, "both")


def test_two_exits_hold_their_shares_once_and_a_third_sale_is_refused(made: RunningExchange) -> None:
    """The pair holds ten shares, so nothing is available, and Alpaca's error says so."""
    place(made, bracket("CALM", "held"))
    made.admin.step()
    held = position(made, "CALM")
    assert ("10", "0") == (held.qty, held.qty_available)
    error = refusal(made, market("CALM", OrderSide.SELL, "oversell"))
    assert (403, 40310000) == (error.status_code, error.code)
    for part in ('"available":"0"', '"existing_qty":"10"', '"held_for_orders":"10"'):
        assert part in str(error)


def test_cancelling_one_exit_cancels_the_other_and_frees_the_shares(made: RunningExchange) -> None:
    """The way of an exit: cancel a leg, the shares are free, sell them at the next open."""
    place(made, bracket("CALM", "exit"))
    made.admin.step()
    target, _ = legs_of(look_up(made, "exit"))
    made.trading.cancel_order_by_id(target.id)
    assert [OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.CANCELED] == states(made, "exit")
    assert "10" == position(made, "CALM").qty_available
    place(made, market("CALM", OrderSide.SELL, "sell"))
    assert "0" == position(made, "CALM").qty_available
    made.admin.step()
    assert "99.99" == look_up(made, "sell").filled_avg_price
    assert [] == made.trading.get_all_positions()


def test_a_stop_can_be_put_back_as_a_pair_or_alone(made: RunningExchange) -> None:
    """After cancelled legs, a pair or a plain stop protects the shares again."""
    place(made, market("FALL", OrderSide.BUY, "buy"))
    made.admin.step()
    pair = place(made, exits("FALL", "pair"))
    assert (OrderStatus.ACCEPTED, [OrderStatus.HELD]) == (
        pair.status,
        [leg.status for leg in pair.legs or []],
    )
    assert "0" == position(made, "FALL").qty_available
    made.trading.cancel_order_by_id(pair.id)
    alone = StopOrderRequest(
        symbol="FALL",
        qty=10,
        side=OrderSide.SELL,
        time_in_force=TimeInForce.GTC,
        stop_price=95,
        client_order_id="alone",
    )
    place(made, alone)
    made.admin.step()
    assert "94.99" == look_up(made, "alone").filled_avg_price
    assert [OrderStatus.CANCELED, OrderStatus.CANCELED] == states(made, "pair")


def test_cancelling_a_waiting_bracket_cancels_its_legs(made: RunningExchange) -> None:
    """Cancel answers nothing, does the same a second time, and nothing fills afterwards."""
    order = place(made, bracket("CALM", "never"))
    made.trading.cancel_order_by_id(order.id)
    made.trading.cancel_order_by_id(order.id)
    made.admin.step()
    assert [OrderStatus.CANCELED] * 3 == states(made, "never")
    assert [] == made.admin.report().fills


def test_a_filled_order_cannot_be_cancelled(made: RunningExchange) -> None:
    """422 with the state in the message."""
    order = place(made, market("CALM", OrderSide.BUY, "buy"))
    made.admin.step()
    with pytest.raises(APIError, match='order is already in \\\\"filled\\\\" state') as raised:
        made.trading.cancel_order_by_id(order.id)
    assert (422, 42210000) == (raised.value.status_code, raised.value.code)


def test_a_client_order_id_is_taken_once_for_all_times(made: RunningExchange) -> None:
    """Open, filled or cancelled: the second order with the id answers 422 and changes nothing."""
    place(made, market("CALM", OrderSide.BUY, "filled"))
    made.admin.step()
    cancelled = place(made, market("CALM", OrderSide.BUY, "cancelled"))
    made.trading.cancel_order_by_id(cancelled.id)
    place(made, market("CALM", OrderSide.BUY, "open"))
    for client_order_id in ("filled", "cancelled", "open"):
        error = refusal(made, market("CALM", OrderSide.BUY, client_order_id))
        assert (422, 40010001) == (error.status_code, error.code)
        assert "client_order_id must be unique" in error.message
    assert 3 == made.admin.report().orders_accepted


def test_a_day_order_that_does_not_fill_expires_at_the_close(made: RunningExchange) -> None:
    """A limit that the day does not trade through is over with the day, a gtc one is not."""
    for time_in_force in (TimeInForce.DAY, TimeInForce.GTC):
        request = LimitOrderRequest(
            symbol="CALM",
            qty=1,
            side=OrderSide.BUY,
            time_in_force=time_in_force,
            limit_price=99,
            client_order_id=time_in_force.value,
        )
        place(made, request)
    made.admin.step()
    assert (OrderStatus.EXPIRED, OrderStatus.NEW) == (
        look_up(made, "day").status,
        look_up(made, "gtc").status,
    )


def test_orders_are_listed_by_state_symbol_and_time(made: RunningExchange) -> None:
    """Open by default, newest first; legs stand alone, or under their parent when nested."""
    first = place(made, bracket("RISE", "first"))
    made.admin.step()
    second = place(made, market("CALM", OrderSide.BUY, "second"))
    target, stop = (leg.client_order_id for leg in legs_of(first))
    assert {"second", target, stop} == set(listed(made))
    assert ["first"] == listed(made, status=QueryOrderStatus.CLOSED)
    assert ["second", "first"] == listed(made, status=QueryOrderStatus.ALL, nested=True)
    assert ["first", "second"] == listed(made, status=QueryOrderStatus.ALL, nested=True, direction="asc")
    assert ["second"] == listed(made, status=QueryOrderStatus.ALL, limit=1)
    assert ["second"] == listed(made, symbols=["CALM"])
    assert ["second"] == listed(made, after=first.submitted_at)
    assert "second" not in listed(made, status=QueryOrderStatus.ALL, until=first.submitted_at)
    nested = made.trading.get_order_by_id(first.id, GetOrderByIdRequest(nested=True))
    flat = made.trading.get_order_by_id(first.id)
    assert isinstance(nested, Order)
    assert isinstance(flat, Order)
    assert ([target, stop], None) == ([leg.client_order_id for leg in nested.legs or []], flat.legs)
    assert second.id == look_up(made, "second").id


def test_an_unknown_order_or_position_answers_404(made: RunningExchange) -> None:
    """All look-ups say so with Alpaca's code."""
    nobody = UUID(int=1)
    look_ups: list[Callable[[], object]] = [
        lambda: made.trading.get_order_by_id(nobody),
        lambda: made.trading.get_order_by_client_id("nobody"),
        lambda: made.trading.cancel_order_by_id(nobody),
        lambda: made.trading.get_open_position("CALM"),
    ]
    for ask in look_ups:
        with pytest.raises(APIError) as raised:
            ask()
        assert (404, 40410000) == (raised.value.status_code, raised.value.code)


def test_all_orders_are_cancelled_at_once(made: RunningExchange) -> None:
    """Every open order is answered with status 200 and is cancelled."""
    ids = {place(made, market("CALM", OrderSide.BUY, f"c{n}")).id for n in range(3)}
    answers = made.trading.cancel_orders()
    assert ids == {answer.id for answer in answers if not isinstance(answer, str)}
    assert [] == listed(made)


def test_fills_are_read_page_by_page_in_both_directions(made: RunningExchange) -> None:
    """Each page starts after the id of the last one; ids begin with New York time."""
    for day in range(3):
        for number in range(2):
            place(made, market("CALM", OrderSide.BUY, f"d{day}n{number}"))
        made.admin.step()

    def pages(direction: str) -> list[dict[str, str]]:
        collected: list[dict[str, str]] = []
        page: object = None
        while page != []:
            token = {"page_token": collected[-1]["id"]} if collected else {}
            query = {"direction": direction, "page_size": "2", **token}
            page = made.trading.get("/account/activities/FILL", query)
            assert isinstance(page, list)
            collected.extend(page)
        return collected

    upwards = pages("asc")
    assert upwards == pages("desc")[::-1]
    assert ["20121120093000000"] * 2 == [fill["id"].split("::")[0] for fill in upwards[:2]]
    assert {fill.id for fill in made.admin.report().fills} == {fill["id"] for fill in upwards}
    assert upwards == made.trading.get("/account/activities", {"direction": "asc"})
    assert ("fill", "10", "0", "10") == tuple(upwards[0][k] for k in ("type", "qty", "leaves_qty", "cum_qty"))


@pytest.mark.parametrize(
    ("request_", "status", "code", "said"),
    [
        (bracket("CALM", "x", stop=100), 422, 42210000, "stop_loss.stop_price must be <= base_price - 0.01"),
        (bracket("CALM", "x", target=100), 422, 42210000, "take_profit.limit_price must be >= base_price"),
        (bracket("CALM", "x", stop=95.123), 422, 42210000, "sub-penny increment"),
        (market("NOPE", OrderSide.BUY, "x"), 422, 42210000, 'asset \\"NOPE\\" not found'),
        (market("CALM", OrderSide.BUY, "x", 4000), 403, 40310000, "insufficient buying power"),
        (exits("CALM", "x"), 422, 42210000, "oco orders must be exit orders"),
        (exits("CALM", "x", stop=101), 422, 42210000, '"market_price":"100"'),
        (market("CALM", OrderSide.BUY, "x" * 129), 422, 40010001, "no more than 128 characters"),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_alpacas_code(
    made: RunningExchange, request_: OrderRequest, status: int, code: int, said: str
) -> None:
    """Status, code and message are Alpaca's, and nothing enters the book."""
    error = refusal(made, request_)
    assert (status, code) == (error.status_code, error.code)
    assert said in str(error)
    assert 0 == made.admin.report().orders_accepted


def test_buying_power_counts_orders_that_wait(made: RunningExchange) -> None:
    """Two orders that fit alone do not fit together; cancelling the first makes room."""
    first = place(made, market("CALM", OrderSide.BUY, "first", 3000))
    error = refusal(made, market("CALM", OrderSide.BUY, "second", 1001))
    assert '"buying_power":"99970"' in str(error)
    assert '"cost_basis":"100110.01"' in str(error)
    made.trading.cancel_order_by_id(first.id)
    place(made, market("CALM", OrderSide.BUY, "second", 1001))


def test_the_report_agrees_with_the_account_to_the_last_digit(made: RunningExchange) -> None:
    """After entries and exits the exchange's own truth and Alpaca's routes say the same."""
    for symbol in MADE:
        place(made, bracket(symbol, f"b-{symbol}"))
    for _ in range(3):
        made.admin.step()
    report, account = made.admin.report(), made.trading.get_account()
    assert isinstance(account, TradeAccount)
    assert (report.cash, report.equity) == (Decimal(account.cash or 0), Decimal(account.equity or 0))
    moved = sum(fill.qty * fill.price * (1 if fill.side == "sell" else -1) for fill in report.fills)
    assert Decimal(100_000) + moved == report.cash
    assert len(MADE) == report.orders_accepted
    assert ["CALM"] == [held.symbol for held in report.positions]


def test_every_type_time_and_class_that_alpaca_py_can_ask_for_is_taken(made: RunningExchange) -> None:
    """After the close they queue; each answer says what was asked for, and nothing is left out."""
    common: dict[str, Any] = {"symbol": "CALM", "qty": 1, "side": OrderSide.BUY}
    day, gtc = TimeInForce.DAY, TimeInForce.GTC
    asked: list[OrderRequest] = [
        LimitOrderRequest(**common, time_in_force=day, limit_price=99, extended_hours=True),
        StopOrderRequest(**common, time_in_force=gtc, stop_price=105),
        StopLimitOrderRequest(**common, time_in_force=day, stop_price=105, limit_price=106),
        TrailingStopOrderRequest(**common, time_in_force=gtc, trail_percent=5),
        TrailingStopOrderRequest(**common, time_in_force=day, trail_price=4),
        MarketOrderRequest(**common, time_in_force=TimeInForce.IOC),
        MarketOrderRequest(**common, time_in_force=TimeInForce.FOK),
        MarketOrderRequest(symbol="CALM", notional=50, side=OrderSide.BUY, time_in_force=day),
        LimitOrderRequest(
            **common,
            time_in_force=gtc,
            limit_price=98,
            order_class=OrderClass.OTO,
            stop_loss=StopLossRequest(stop_price=90),
        ),
    ]
    for request in asked:
        order = place(made, request)
        assert (request.type, request.time_in_force) == (order.type, order.time_in_force)
        assert (request.order_class or OrderClass.SIMPLE) == order.order_class
    waiting = [order for order in made.trading.get_orders() if isinstance(order, Order)]
    assert {"105", "104"} == {str(order.stop_price) for order in waiting if order.hwm}
    made.admin.step()
    left = {order.type for order in made.trading.get_orders() if isinstance(order, Order)}
    assert {OrderType.LIMIT, OrderType.STOP, OrderType.TRAILING_STOP} == left


def test_a_replaced_order_is_found_under_both_ids(made: RunningExchange) -> None:
    """PATCH answers the new order; the old one names it, and only the new one can trade."""
    old = place(
        made,
        LimitOrderRequest(
            symbol="CALM",
            qty=5,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=90,
            client_order_id="old",
        ),
    )
    with pytest.raises(APIError, match="cannot replace order in accepted status"):
        made.trading.replace_order_by_id(old.id, ReplaceOrderRequest(qty=6))
    made.admin.step()
    new = made.trading.replace_order_by_id(
        old.id, ReplaceOrderRequest(limit_price=99.5, client_order_id="new")
    )
    assert isinstance(new, Order)
    assert (old.id, "99.5", "5") == (new.replaces, new.limit_price, new.qty)
    before = look_up(made, "old")
    assert (OrderStatus.REPLACED, new.id) == (before.status, before.replaced_by)
    made.admin.step()
    assert [OrderStatus.FILLED] == states(made, "new")
    assert "5" == position(made, "CALM").qty


def test_orders_are_paged_by_the_id_of_the_last_one(made: RunningExchange) -> None:
    """Both cursors are exclusive; together, or with a time, they are refused."""
    ids = [str(place(made, market("CALM", OrderSide.BUY, f"n{n}", 1)).id) for n in range(5)]

    def page(**wanted: str) -> list[str]:
        answer = made.get("/v2/orders", **wanted)
        assert 200 == answer.status_code
        return [order["id"] for order in answer.json()]

    assert [ids[2], ids[1]] == page(before_order_id=ids[3], limit="2")
    assert [ids[3], ids[4]] == page(after_order_id=ids[2], direction="asc")
    assert [] == page(asset_class="us_option")
    for both in ({"before_order_id": ids[1]}, {"after": "2012-01-01"}):
        assert 422 == made.get("/v2/orders", after_order_id=ids[0], **both).status_code
    assert 404 == made.get("/v2/orders", after_order_id=str(UUID(int=1))).status_code
    assert 422 == made.get("/v2/orders/no-uuid").status_code
