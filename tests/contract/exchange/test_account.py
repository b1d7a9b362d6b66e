"""The account, its configuration and its activities, as alpaca-py sees them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, TimeInForce, TradeConfirmationEmail
from alpaca.trading.models import AccountConfiguration, Order, TradeAccount
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest

from .conftest import Prices, RunningExchange, Serve, Start

FOUR_DAYS = [(100, 101, 99, 100)] * 4
MADE: Prices = {
    "CALM": FOUR_DAYS,
    "RISE": [(100, 101, 99, 100), (100, 101, 99, 101), (102, 111, 101, 110), (110, 111, 109, 110)],
    "CHEAP": [(10, 10, 10, 10)] * 4,
    "PENNY": [(2, 2, 2, 2)] * 4,
}


@pytest.fixture
def made(serve: Serve, prices: Callable[[Prices], Path]) -> RunningExchange:
    """An exchange on made prices, before the second session."""
    return serve(prices(MADE))


def account(exchange: RunningExchange) -> TradeAccount:
    """The account as alpaca-py reads it."""
    shown = exchange.trading.get_account()
    assert isinstance(shown, TradeAccount)
    return shown


def order(exchange: RunningExchange, symbol: str, quantity: float, side: OrderSide = OrderSide.BUY) -> Order:
    """A market order for the day."""
    placed = exchange.trading.submit_order(
        MarketOrderRequest(symbol=symbol, qty=quantity, side=side, time_in_force=TimeInForce.DAY)
    )
    assert isinstance(placed, Order)
    return placed


def dollars(*texts: str | None) -> list[Decimal]:
    """Amounts as numbers."""
    return [Decimal(text or "NaN") for text in texts]


def configure(exchange: RunningExchange, **changes: object) -> AccountConfiguration:
    """Change some of the account's configuration the way alpaca-py does."""
    known = exchange.trading.get_account_configurations()
    assert isinstance(known, AccountConfiguration)
    changed = exchange.trading.set_account_configurations(known.model_copy(update=changes))
    assert isinstance(changed, AccountConfiguration)
    return changed


def test_a_long_position_needs_half_its_value_to_open_and_three_tenths_to_hold(made: RunningExchange) -> None:
    """A thousand shares at 101: value, margins and Regulation T power follow from it."""
    order(made, "RISE", 1000)
    made.admin.step()
    shown = account(made)
    cash = Decimal(100_000) - 1000 * Decimal("100.01")
    equity = cash + 101_000
    assert dollars(shown.cash, shown.equity, shown.long_market_value, shown.short_market_value) == [
        cash,
        equity,
        101_000,
        0,
    ]
    assert dollars(shown.initial_margin, shown.maintenance_margin) == [50_500, 30_300]
    assert dollars(shown.regt_buying_power) == [(equity - 50_500) * 2]
    assert shown.last_maintenance_margin == shown.maintenance_margin
    assert shown.last_equity == shown.equity


def test_a_short_position_counts_negative_and_needs_margin_too(made: RunningExchange) -> None:
    """A hundred shares sold short at 100: cash has the proceeds, equity what is left after them."""
    order(made, "CALM", 100, OrderSide.SELL)
    made.admin.step()
    shown = account(made)
    proceeds = 100 * Decimal("99.99")
    assert dollars(shown.cash, shown.short_market_value, shown.long_market_value) == [
        100_000 + proceeds,
        -10_000,
        0,
    ]
    assert dollars(shown.equity) == [100_000 + proceeds - 10_000]
    assert dollars(shown.initial_margin, shown.maintenance_margin) == [5_000, 3_000]


@pytest.mark.parametrize(
    ("symbol", "side", "margin"),
    [
        ("PENNY", OrderSide.BUY, 200),
        ("PENNY", OrderSide.SELL, 250),
        ("CHEAP", OrderSide.BUY, 300),
        ("CHEAP", OrderSide.SELL, 500),
    ],
)
def test_a_cheap_share_needs_more_margin(
    made: RunningExchange, symbol: str, side: OrderSide, margin: int
) -> None:
    """A hundred shares at $2 or $10: below $2.50 all of a long; of a short $2.50 or $5 a share at least."""
    order(made, symbol, 100, side)
    made.admin.step()
    assert dollars(account(made).maintenance_margin) == [margin]


def test_open_buy_orders_reduce_every_buying_power(made: RunningExchange) -> None:
    """A limit order for 9,900 dollars takes them off all three powers, and its cancel gives them back."""
    before = account(made)
    waiting = made.trading.submit_order(
        LimitOrderRequest(
            symbol="CALM", qty=100, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=99
        )
    )
    assert isinstance(waiting, Order)
    during = account(made)
    for name in ("buying_power", "regt_buying_power", "non_marginable_buying_power"):
        assert Decimal(getattr(before, name)) - 9_900 == Decimal(getattr(during, name))
    made.trading.cancel_order_by_id(waiting.id)
    assert before == account(made)


def test_the_configuration_is_that_of_a_new_paper_account(made: RunningExchange) -> None:
    """Shorting and fractions are allowed, four times margin, and the fields dropped in July 2026 are gone."""
    shown = made.trading.get_account_configurations()
    assert isinstance(shown, AccountConfiguration)
    assert (
        shown.no_shorting,
        shown.fractional_trading,
        shown.max_margin_multiplier,
        shown.suspend_trade,
        shown.trade_confirm_email,
    ) == (False, True, "4", False, TradeConfirmationEmail.ALL)
    assert not {"dtbp_check", "pdt_check"} & made.get("/v2/account/configurations").json().keys()


def test_suspended_trading_refuses_new_orders(made: RunningExchange) -> None:
    """suspend_trade shows in the account and answers 403 with Alpaca's words, until it is taken back."""
    configure(made, suspend_trade=True)
    assert account(made).trade_suspended_by_user
    with pytest.raises(APIError) as raised:
        order(made, "CALM", 1)
    assert (raised.value.status_code, raised.value.code) == (403, 40310000)
    assert raised.value.message == "new orders are rejected by user request"
    configure(made, suspend_trade=False)
    assert order(made, "CALM", 1)


def test_a_long_only_account_cannot_sell_short(made: RunningExchange) -> None:
    """no_shorting turns shorting_enabled off and refuses the sale."""
    assert account(made).shorting_enabled
    configure(made, no_shorting=True)
    assert not account(made).shorting_enabled
    with pytest.raises(APIError) as raised:
        order(made, "CALM", 1, OrderSide.SELL)
    assert (raised.value.status_code, raised.value.code) == (403, 40310000)


def test_without_fractional_trading_only_whole_shares_are_taken(made: RunningExchange) -> None:
    """fractional_trading false refuses half a share."""
    configure(made, fractional_trading=False)
    with pytest.raises(APIError) as raised:
        order(made, "CALM", 0.5)
    assert raised.value.status_code == 403


def test_the_margin_multiplier_can_be_lowered(made: RunningExchange) -> None:
    """With a multiplier of one the account buys for its cash alone."""
    configure(made, max_margin_multiplier="1")
    shown = account(made)
    assert "1" == shown.multiplier
    assert dollars(shown.buying_power, shown.regt_buying_power) == [100_000, 100_000]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_margin_multiplier": "3"},
        {"trade_confirm_email": "some"},
        {"max_options_trading_level": 4},
        {"suspend_trade": "yes"},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(made: RunningExchange, wrong: dict[str, object]) -> None:
    """422 with code 40010001, and nothing changes."""
    before = made.get("/v2/account/configurations").json()
    with pytest.raises(APIError) as raised:
        made.trading.patch("/account/configurations", wrong)
    assert (raised.value.status_code, raised.value.code) == (422, 40010001)
    assert before == made.get("/v2/account/configurations").json()


def test_configuration_and_watchlists_survive_a_kill(start: Start, tmp_path: Path) -> None:
    """What was answered is there again after kill -9."""
    first = start(tmp_path, "--sessions", "2")
    configure(first, no_shorting=True)
    made = first.trading.post("/watchlists", {"name": "mine", "symbols": ["IBM"]})
    first.process.kill()
    first.process.wait()
    second = start(tmp_path, "--sessions", "2")
    assert second.get("/v2/account/configurations").json()["no_shorting"] is True
    assert made == second.get("/v2/watchlists:by_name", name="mine").json()


def filled(exchange: RunningExchange) -> list[str]:
    """The ids of three fills, one a session, oldest first."""
    for _ in range(3):
        order(exchange, "CALM", 1)
        exchange.admin.step()
    return [str(fill["id"]) for fill in exchange.get("/v2/account/activities", direction="asc").json()]


def test_activities_are_fills_newest_first_with_new_york_times_in_their_ids(made: RunningExchange) -> None:
    """Three sessions' fills at the open, 09:30 in New York."""
    ids = filled(made)
    assert ["20121120", "20121121", "20121123"] == [name[:8] for name in ids]
    assert {name[8:12] for name in ids} == {"0930"}
    listed = made.trading.get("/account/activities")
    assert isinstance(listed, list)
    assert ids[::-1] == [fill["id"] for fill in listed]
    assert listed == made.trading.get("/account/activities/FILL")


def test_activities_are_filtered_by_time_order_and_kind(made: RunningExchange) -> None:
    """Each filter leaves what it says, and what never happens here is an empty list."""
    first, second, third = filled(made)
    chosen = made.get("/v2/account/activities", direction="asc").json()[1]

    def ids(**wanted: object) -> list[str]:
        return [fill["id"] for fill in made.get("/v2/account/activities", **wanted).json()]

    assert ids(after="2012-11-21") == [third, second]
    assert ids(until="2012-11-21T00:00:00-05:00") == [first]
    assert ids(date="2012-11-21") == [second]
    assert ids(order_id=chosen["order_id"]) == [second]
    assert ids(activity_types="FILL,DIV") == [third, second, first]
    assert ids(category="trade_activity") == [third, second, first]
    assert ids(category="non_trade_activity") == ids(activity_types="DIV") == []
    assert made.get("/v2/account/activities/JNLC").json() == []


def test_activities_are_paged_by_the_last_id(made: RunningExchange) -> None:
    """Pages of two go on after the id that the page before ended with, in both directions."""
    first, second, third = filled(made)
    for direction, order_of_ids in {"desc": [third, second, first], "asc": [first, second, third]}.items():
        query = {"direction": direction, "page_size": 2}
        page = [fill["id"] for fill in made.get("/v2/account/activities", **query).json()]
        rest = made.get("/v2/account/activities", **query, page_token=page[-1]).json()
        assert order_of_ids == [*page, *(fill["id"] for fill in rest)]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v2/account/activities/NOPE", {}),
        ("/v2/account/activities", {"activity_types": "FILL,NOPE"}),
        ("/v2/account/activities", {"category": "trade_activity", "activity_types": "FILL"}),
        ("/v2/account/activities", {"category": "other"}),
        ("/v2/account/activities", {"page_size": "101"}),
        ("/v2/account/activities", {"page_size": "9" * 5000}),
        ("/v2/account/activities", {"direction": "up"}),
        ("/v2/account/activities", {"after": "0001-01-01T00:00:00+23:59"}),
        ("/v2/account/activities", {"date": "2012-11-21", "after": "2012-11-20"}),
        ("/v2/account/activities", {"order_id": "mine"}),
    ],
)
def test_a_wrong_question_for_activities_is_refused(
    made: RunningExchange, path: str, query: dict[str, str]
) -> None:
    """422 with code 40010001."""
    answer = made.get(path, **query)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/nothing", 404, 40410000),
        ("DELETE", "/v2/account", 405, 40510000),
        ("GET", "/v2/options/contracts", 404, 40410000),
        ("GET", "/v2/wallets", 404, 40410000),
        ("POST", "/v2/positions/CALM/exercise", 404, 40410000),
        ("GET", "/v1/locates", 404, 40410000),
    ],
)
def test_what_is_not_served_answers_in_alpacas_shape(
    made: RunningExchange, method: str, path: str, status: int, code: int
) -> None:
    """An unknown path, a wrong method and routes that are not about stocks."""
    with pytest.raises(APIError) as raised:
        made.trading._request(method, path.removeprefix("/v2"), api_version=path[1:3])
    assert (raised.value.status_code, raised.value.code) == (status, code)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("//v2/account", "without a slash or /v2 behind it"),
        ("/v2/v2/account", "without a slash or /v2 behind it"),
        ("/v1beta1/news", "this exchange has no news"),
        ("/v1beta1/screener/stocks/most-actives", "this exchange has no screener"),
        ("/v1beta3/crypto/us/bars", "this exchange has no crypto"),
    ],
)
def test_a_path_that_is_not_here_says_what_is_missing_or_wrong(
    made: RunningExchange, path: str, said: str
) -> None:
    """404 whose message names the subject, or what is wrong with the address a client was given."""
    answer = made.get(path)
    assert answer.status_code == 404
    assert said in answer.json()["message"]
