"""Positions: what they show, and how they are closed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, OrderStatus, OrderType, PositionSide, TimeInForce
from alpaca.trading.models import ClosePositionResponse, Order, Position
from alpaca.trading.requests import ClosePositionRequest, LimitOrderRequest, MarketOrderRequest

from .conftest import Prices, RunningExchange, Serve

MADE: Prices = {
    "CALM": [(100, 101, 99, 100)] * 5,
    "RISE": [(100, 101, 99, 100), (100, 101, 99, 101), (102, 111, 101, 110), (110, 111, 109, 110)],
}


@pytest.fixture
def made(serve: Serve, prices: Callable[[Prices], Path]) -> RunningExchange:
    """An exchange on made prices, before the second session."""
    return serve(prices(MADE))


def hold(
    exchange: RunningExchange, symbol: str, quantity: float, side: OrderSide = OrderSide.BUY
) -> Position:
    """Buy, or sell short, at the next open, and let that session close."""
    exchange.trading.submit_order(
        MarketOrderRequest(symbol=symbol, qty=quantity, side=side, time_in_force=TimeInForce.DAY)
    )
    exchange.admin.step()
    return position(exchange, symbol)


def position(exchange: RunningExchange, symbol: str) -> Position:
    """A position as alpaca-py reads it."""
    shown = exchange.trading.get_open_position(symbol)
    assert isinstance(shown, Position)
    return shown


def close(exchange: RunningExchange, symbol: str, options: ClosePositionRequest | None = None) -> Order:
    """Close a position or a part of it."""
    order = exchange.trading.close_position(symbol, options)
    assert isinstance(order, Order)
    return order


def refusal(exchange: RunningExchange, symbol: str, **options: str) -> APIError:
    """What closing a position is refused with."""
    with pytest.raises(APIError) as raised:
        exchange.trading.delete(f"/positions/{symbol}", options)
    return raised.value


def test_a_long_position_shows_cost_value_and_profit(made: RunningExchange) -> None:
    """Ten shares at 100.01, worth 101 at the close; found by symbol and by asset id."""
    held = hold(made, "RISE", 10)
    assert ("10", "10", PositionSide.LONG) == (held.qty, held.qty_available, held.side)
    assert ("100.01", "1000.1", "1010") == (held.avg_entry_price, held.cost_basis, held.market_value)
    assert ("9.9", "0.00989901") == (held.unrealized_pl, held.unrealized_plpc)
    assert ("101", "100", "0.01") == (held.current_price, held.lastday_price, held.change_today)
    assert held == made.trading.get_open_position(held.asset_id)
    assert [held] == made.trading.get_all_positions()


def test_shares_bought_today_gain_from_their_price_the_others_from_the_last_close(
    made: RunningExchange,
) -> None:
    """The first day counts from the fill, the next from the close; shares added then from their fill."""
    assert "9.9" == hold(made, "RISE", 10).unrealized_intraday_pl
    later = hold(made, "RISE", 10)
    bought = Decimal("102.02")
    assert Decimal(later.unrealized_intraday_pl or "") == 10 * (110 - 101) + 10 * (110 - bought)
    made.admin.step()
    assert "0" == position(made, "RISE").unrealized_intraday_pl


def test_a_short_position_is_negative_and_loses_as_the_price_rises(made: RunningExchange) -> None:
    """Quantity, value and cost are below zero; the entry price is not."""
    held = hold(made, "RISE", 10, OrderSide.SELL)
    assert ("-10", "-10", PositionSide.SHORT) == (held.qty, held.qty_available, held.side)
    assert ("99.99", "-999.9", "-1010") == (held.avg_entry_price, held.cost_basis, held.market_value)
    assert ("-10.1", "-0.01010101") == (held.unrealized_pl, held.unrealized_plpc)
    assert "-10.1" == held.unrealized_intraday_pl


def test_closing_a_position_sells_all_of_it_at_the_market(made: RunningExchange) -> None:
    """DELETE answers the day order; once it has filled the position is gone."""
    hold(made, "CALM", 10)
    order = close(made, "CALM")
    assert ("10", OrderSide.SELL, OrderType.MARKET, TimeInForce.DAY, OrderStatus.ACCEPTED) == (
        order.qty,
        order.side,
        order.type,
        order.time_in_force,
        order.status,
    )
    made.admin.step()
    assert [] == made.trading.get_all_positions()
    assert (404, 40410000) == (refusal(made, "CALM").status_code, refusal(made, "CALM").code)


def test_closing_a_short_position_buys_it_back(made: RunningExchange) -> None:
    """The order is a buy of the shares that were sold."""
    held = hold(made, "CALM", 10, OrderSide.SELL)
    order = close(made, str(held.asset_id))
    assert ("10", OrderSide.BUY) == (order.qty, order.side)
    made.admin.step()
    assert [] == made.trading.get_all_positions()


@pytest.mark.parametrize(
    ("options", "quantity"),
    [
        (ClosePositionRequest(qty="4"), "4"),
        (ClosePositionRequest(percentage="50"), "5"),
        (ClosePositionRequest(percentage="100"), "10"),
        (ClosePositionRequest(percentage="39.9"), "3"),
    ],
)
def test_a_part_is_closed_by_quantity_or_percentage(
    made: RunningExchange, options: ClosePositionRequest, quantity: str
) -> None:
    """A percentage of whole shares is a whole number of them."""
    hold(made, "CALM", 10)
    assert quantity == close(made, "CALM", options).qty


def test_a_percentage_of_broken_shares_may_be_broken(made: RunningExchange) -> None:
    """Half of two and a half shares."""
    hold(made, "CALM", 2.5)
    assert "1.25" == close(made, "CALM", ClosePositionRequest(percentage="50")).qty


@pytest.mark.parametrize(
    "wrong",
    [
        {"qty": "1", "percentage": "10"},
        {"percentage": "101"},
        {"percentage": "0"},
        {"percentage": "5"},
        {"qty": "-1"},
        {"qty": "NaN"},
        {"qty": "1e-10"},
        {"qty": "9" * 400},
        {"percentage": "all"},
    ],
)
def test_a_part_that_cannot_be_is_refused(made: RunningExchange, wrong: dict[str, str]) -> None:
    """422, and no order is placed. Five per cent of ten shares is no whole share."""
    hold(made, "CALM", 10)
    assert 422 == refusal(made, "CALM", **wrong).status_code
    assert [] == made.trading.get_orders()


def test_shares_that_another_order_holds_cannot_be_closed(made: RunningExchange) -> None:
    """403 with the numbers, as for any order that sells too much."""
    hold(made, "CALM", 10)
    made.trading.submit_order(
        LimitOrderRequest(
            symbol="CALM", qty=4, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, limit_price=150
        )
    )
    shown = position(made, "CALM")
    assert ("10", "6") == (shown.qty, shown.qty_available)
    refused = refusal(made, "CALM")
    assert (403, 40310000) == (refused.status_code, refused.code)
    assert "6" == close(made, "CALM", ClosePositionRequest(qty="6")).qty


def test_all_positions_are_closed_long_and_short(made: RunningExchange) -> None:
    """207 with an order a position."""
    hold(made, "CALM", 10)
    hold(made, "RISE", 5, OrderSide.SELL)
    answers = made.trading.close_all_positions()
    shown = [
        (one.symbol, one.status, one.body.side)
        for one in answers
        if isinstance(one, ClosePositionResponse) and isinstance(one.body, Order)
    ]
    assert [("CALM", 200, OrderSide.SELL), ("RISE", 200, OrderSide.BUY)] == shown
    made.admin.step()
    assert [] == made.trading.get_all_positions()


@pytest.mark.parametrize(("cancel", "status"), [(False, 403), (True, 200)])
def test_closing_all_cancels_open_orders_only_when_asked(
    made: RunningExchange, cancel: bool, status: int
) -> None:
    """Shares held by an order stay held unless cancel_orders is true."""
    hold(made, "CALM", 10)
    made.trading.submit_order(
        LimitOrderRequest(
            symbol="CALM", qty=10, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, limit_price=150
        )
    )
    (answer,) = made.trading.close_all_positions(cancel_orders=cancel)
    assert isinstance(answer, ClosePositionResponse)
    assert ("CALM", status) == (answer.symbol, answer.status)


def test_nothing_held_is_nothing_to_close(made: RunningExchange) -> None:
    """An empty list, and 404 for a symbol that nobody has heard of."""
    assert [] == made.trading.close_all_positions()
    assert (404, 40410000) == (refusal(made, "NOPE").status_code, refusal(made, "NOPE").code)
