"""What the exchange takes, refuses, replaces and fills, order by order, on made prices without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpaquero.simulation import MatchingTerms, Side
from alpaquero.simulation.matching import Status
from laptop.exchange.book import Changed, Order
from laptop.exchange.clock import ClockMode
from laptop.exchange.errors import RefusedError
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.order_wire import order_body
from laptop.exchange.preferences import Configuration, Configured
from laptop.exchange.terms import OrderRequest, ReplaceRequest, StopLoss, TakeProfit
from laptop.exchange.venue import Venue

DAYS = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26"]
CALM = [(100, 101, 99, 100)] * 5
Bars = Sequence[tuple[float, float, float, float]]
Open = Callable[..., Venue]
BEFORE_OPEN = datetime(2012, 11, 20, 14, 0, tzinfo=UTC)
IN_SESSION = datetime(2012, 11, 20, 15, 0, tzinfo=UTC)
EVENING = datetime(2012, 11, 20, 0, 30, tzinfo=UTC)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a venue on prices of X, half an hour past the first close (16:30 in New York)."""
    with ExitStack() as stack:

        def begin(days: Bars = CALM, *, partial: float = 0.0, half_spread_bps: int = 0) -> Venue:
            rows = [f"{day},{','.join(map(str, bar))},1000" for day, bar in zip(DAYS, days, strict=True)]
            (tmp_path / "data").mkdir()
            (tmp_path / "data" / "X.csv").write_text(
                "\n".join(["timestamp,open,high,low,close,volume", *rows])
            )
            terms = MatchingTerms(1, Decimal(half_spread_bps), partial)
            venue = open_venue(
                folder_history(tmp_path / "data"), tmp_path / "s", terms, first=date.fromisoformat(DAYS[1])
            )
            stack.callback(venue.close)
            return venue

        yield begin


def ask(side: str = "buy", type_: str = "market", **fields: Any) -> OrderRequest:
    """Ten shares of X for the day."""
    known: dict[str, Any] = {"symbol": "X", "qty": Decimal(10), "time_in_force": "day"}
    decimal = {name: Decimal(value) if type(value) is int else value for name, value in fields.items()}
    return OrderRequest(side=side, type=type_, **{**known, **decimal})


def bracket(side: str = "buy", **fields: Any) -> OrderRequest:
    """A gtc bracket around 100."""
    target, stop = (105, 95) if side == "buy" else (95, 105)
    legs: dict[str, Any] = {"take_profit": TakeProfit(Decimal(target)), "stop_loss": StopLoss(Decimal(stop))}
    return ask(side, order_class="bracket", time_in_force="gtc", **legs, **fields)


def refused(venue: Venue, request: OrderRequest) -> tuple[int, object, object]:
    """Status, code and message of a refusal; the book is as before."""
    before = len(venue.book.orders)
    with pytest.raises(RefusedError) as raised:
        venue.place_order(request)
    assert len(venue.book.orders) == before
    return raised.value.status, raised.value.body.get("code"), raised.value.body["message"]


def now_of(venue: Venue, order: Order) -> Order:
    """The order as the book has it now."""
    return venue.book.orders[order.id]


INVALID, MALFORMED, FORBIDDEN = (422, 42210000), (422, 40010001), (403, 40310000)


@pytest.mark.parametrize(
    ("request_", "answer", "message"),
    [
        (ask(qty=None), MALFORMED, "qty or notional is required"),
        (ask(notional=5), MALFORMED, "only one of qty or notional is accepted"),
        (ask(qty=0), MALFORMED, "qty must be > 0"),
        (ask(qty=Decimal("NaN")), MALFORMED, "qty must be > 0"),
        (ask(qty=Decimal("1e999")), MALFORMED, "qty is too large"),
        (ask(type_="mit"), MALFORMED, "invalid order type"),
        (ask(side="hold"), MALFORMED, "invalid side"),
        (ask(time_in_force="gtd"), MALFORMED, "invalid time_in_force"),
        (ask(limit_price=99), MALFORMED, "market orders require no stop or limit price"),
        (ask(type_="limit"), MALFORMED, "limit orders require a limit price"),
        (ask(type_="stop"), MALFORMED, "stop orders require a stop price"),
        (
            ask(type_="stop_limit", stop_price=101),
            MALFORMED,
            "stop limit orders require both stop and limit price",
        ),
        (ask(type_="limit", limit_price=-1), MALFORMED, "limit price must be > 0"),
        (ask(trail_price=1), MALFORMED, "market orders must not have trail_price"),
        (
            ask(type_="trailing_stop"),
            MALFORMED,
            "trailing stop orders must specify one of trail_price or trail_percent",
        ),
        (
            ask(type_="trailing_stop", trail_percent=Decimal("0.05")),
            MALFORMED,
            "trail_percent must be greater than or equal to 0.1",
        ),
        (ask(qty=None, notional=Decimal("0.5")), INVALID, "notional must be >= 1.00"),
        (ask(qty=Decimal("0.5"), time_in_force="gtc"), INVALID, "fractional orders must be DAY orders"),
        (bracket(qty=Decimal("1.5")), INVALID, "fractional orders must be DAY orders"),
        (ask("sell", qty=Decimal("0.5")), INVALID, "fractional orders cannot be sold short"),
        (
            ask(extended_hours=True),
            INVALID,
            "extended hours order must be DAY or GTC limit orders",
        ),
        (
            ask(type_="trailing_stop", trail_price=1, time_in_force="ioc"),
            INVALID,
            "trailing stop orders must be DAY or GTC orders",
        ),
        (ask(type_="stop", stop_price=99), INVALID, "stop price must be greater than current price"),
        (
            ask(position_intent="buy_to_close"),
            INVALID,
            "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
        ),
        (
            ask(time_in_force="opg"),
            FORBIDDEN,
            "opg orders must be submitted after 7:00pm and before 9:28am",
        ),
        (
            ask(time_in_force="cls"),
            FORBIDDEN,
            "cls orders must be submitted after 7:00pm and before 3:50pm",
        ),
        (ask(qty=4001), FORBIDDEN, "insufficient buying power"),
    ],
)
def test_an_order_that_alpaca_refuses_is_refused_in_its_words(
    opened: Open, request_: OrderRequest, answer: tuple[int, int], message: str
) -> None:
    """Status, code and message are Alpaca's, and nothing enters the book."""
    assert refused(opened(), request_) == (*answer, message)


def test_unknown_fields_are_passed_over_and_words_need_no_case_for_the_symbol(opened: Open) -> None:
    """The symbol may be in small letters, and `simple` is the empty class."""
    order = opened().place_order(ask(symbol="x", order_class="simple"))
    assert (order.symbol, order.order_class) == ("X", "")


@pytest.mark.parametrize(
    ("time_in_force", "at", "price"),
    [
        ("opg", datetime(2012, 11, 20, 14, 30, tzinfo=UTC), 100),
        ("cls", datetime(2012, 11, 20, 21, tzinfo=UTC), 104),
    ],
)
def test_an_auction_order_placed_in_the_evening_gets_the_next_print(
    opened: Open, time_in_force: str, at: datetime, price: int
) -> None:
    """After 19:00 it is queued; it fills at the official first or last price."""
    venue = opened([CALM[0], (100, 106, 96, 104), *CALM[:3]])
    venue.jump(EVENING)
    order = venue.place_order(ask(time_in_force=time_in_force))
    assert order.status is Status.ACCEPTED
    venue.step()
    filled = now_of(venue, order)
    assert (filled.filled_at, filled.filled_value) == (at, Decimal(price * 10))


def test_what_an_auction_or_an_instant_does_not_fill_is_cancelled(opened: Open) -> None:
    """A limit that the print or the first price is not better than ends there, its reservation with it."""
    venue = opened()
    venue.jump(EVENING)
    orders = [
        venue.place_order(ask(type_="limit", limit_price=Decimal("99.5"), time_in_force=time_in_force))
        for time_in_force in ("opg", "cls", "ioc", "fok")
    ]
    venue.step()
    assert {now_of(venue, order).status for order in orders} == {Status.CANCELED}
    assert venue.book.reserved == 0


def test_an_ioc_order_keeps_what_it_filled_at_once(opened: Open) -> None:
    """With a certain partial fill the rest is cancelled in the same moment."""
    venue = opened(partial=1.0)
    order = venue.place_order(ask(time_in_force="ioc", qty=100))
    venue.step()
    after = now_of(venue, order)
    assert after.status is Status.CANCELED
    assert 0 < after.filled_quantity < 100
    assert venue.book.positions["X"].quantity == after.filled_quantity


def test_an_order_for_dollars_shows_no_quantity_and_buys_what_they_pay_for(opened: Open) -> None:
    """`qty` stays null, `filled_qty` has nine decimals at most, the cash falls by the dollars at most."""
    venue = opened([CALM[0], (96, 101, 95, 100), *CALM[:3]])
    order = venue.place_order(ask(qty=None, notional=500))
    venue.step()
    body = order_body(now_of(venue, order), venue.book, 1, nested=True)
    assert (body["notional"], body["qty"], body["filled_qty"]) == ("500", None, "5.208333333")
    assert Decimal(99_500) <= venue.book.cash < Decimal("99500.01")


def test_a_sale_for_dollars_brings_them_in_at_the_bid(opened: Open) -> None:
    """The shares are reckoned at what a sale gets, not at what a purchase pays."""
    venue = opened(half_spread_bps=50)
    venue.place_order(ask())
    venue.step()
    order = venue.place_order(ask("sell", qty=None, notional=199))
    venue.step()
    assert now_of(venue, order).filled_quantity == 2
    assert now_of(venue, order).filled_value == 199


def test_a_trailing_stop_shows_its_mark_and_sells_when_the_price_turns(opened: Open) -> None:
    """The mark rises to 108 before the day falls to 96, so it sells at 103."""
    venue = opened([*CALM[:2], (100, 108, 96, 97), *CALM[:2]])
    venue.place_order(ask())
    venue.step()
    order = venue.place_order(ask("sell", "trailing_stop", trail_price=5, time_in_force="gtc"))
    body = order_body(order, venue.book, 1, nested=False)
    assert (body["hwm"], body["stop_price"], body["trail_price"]) == ("100", "95", "5")
    venue.step()
    sold = now_of(venue, order)
    assert (sold.status, sold.filled_value) == (Status.FILLED, Decimal(1030))
    assert datetime(2012, 11, 21, 16, tzinfo=UTC) < (sold.filled_at or IN_SESSION)
    body = order_body(sold, venue.book, 1, nested=False)
    assert (body["hwm"], body["stop_price"]) == ("108", "103")


def test_the_rest_of_a_stop_reached_with_the_closing_price_still_trades_in_the_session(opened: Open) -> None:
    """The day's last price is the trailing stop: both parts are filled by the close."""
    venue = opened([*CALM[:2], (100, 106, 99, 103), *CALM[:2]], partial=1.0)
    venue.place_order(ask(qty=100))
    venue.step()
    venue.place_order(ask("sell", "trailing_stop", trail_price=3, time_in_force="gtc", qty=100))
    venue.step()
    sold = [trade.at for trade in venue.book.trades if trade.side is Side.SELL]
    assert sold == [venue.sessions[1].close] * 2


def test_an_order_for_extended_hours_trades_at_the_last_close(opened: Open) -> None:
    """At 16:30 the market stands at 100: a bid above it fills there, one below waits and expires at 20:00."""
    venue = opened()
    better = venue.place_order(ask(type_="limit", limit_price=101, extended_hours=True))
    lower = venue.place_order(ask(type_="limit", limit_price=98, extended_hours=True))
    assert (better.status, lower.expires_at) == (Status.NEW, datetime(2012, 11, 20, 1, tzinfo=UTC))
    venue.jump(datetime(2012, 11, 20, 3, tzinfo=UTC))
    filled = now_of(venue, better)
    assert (filled.status, filled.filled_value) == (Status.FILLED, Decimal(1000))
    assert now_of(venue, lower).status is Status.EXPIRED


def test_a_short_sale_counts_three_per_cent_above_the_ask_and_is_bought_back(opened: Open) -> None:
    """Reserved as 10 x 103 while it waits; then a negative position that a purchase closes and no more."""
    venue = opened([*CALM[:2], (90, 91, 89, 90), *CALM[:2]])
    venue.place_order(ask("sell"))
    assert venue.book.reserved == Decimal(1030)
    venue.step()
    position = venue.book.positions["X"]
    assert [position.quantity, position.cost, venue.book.cash] == [-10, -1000, 101_000]
    status, code, message = refused(venue, ask("buy", qty=11))
    assert (status, code) == FORBIDDEN
    assert message == "insufficient qty available for order (requested: 11, available: 10)"
    cover = venue.place_order(ask("buy"))
    assert [cover.intent.value, venue.book.held("X")] == ["buy_to_close", 10]
    venue.step()
    assert venue.book.positions == {}
    assert venue.book.cash == Decimal(100_100)


def test_a_short_bracket_is_stopped_above_its_entry(opened: Open) -> None:
    """Sold at 100, bought back at the stop of 105 when the price rises to it."""
    venue = opened([*CALM[:2], (101, 106, 100, 104), *CALM[:2]])
    order = venue.place_order(bracket("sell"))
    venue.step()
    venue.step()
    target, stop = venue.book.legs_of(order)
    assert [target.status, stop.status, stop.filled_value] == [Status.CANCELED, Status.FILLED, 1050]
    assert venue.book.cash == Decimal(99_950)


@pytest.mark.parametrize(
    ("configuration", "request_", "message"),
    [
        (Configuration(no_shorting=True), ask("sell"), "account is not allowed to short"),
        (Configuration(max_margin_multiplier="1"), ask("sell"), "account is not allowed to short"),
        (Configuration(max_margin_multiplier="1"), ask(qty=1001), "insufficient buying power"),
        (
            Configuration(fractional_trading=False),
            ask(qty=Decimal("0.5")),
            "fractional trading is disabled for this account",
        ),
        (Configuration(suspend_trade=True), ask(), "new orders are rejected by user request"),
    ],
)
def test_the_accounts_configuration_is_obeyed(
    opened: Open, configuration: Configuration, request_: OrderRequest, message: str
) -> None:
    """What the owner switched off is forbidden."""
    venue = opened()
    venue.keep(Configured(configuration))
    assert refused(venue, request_) == (*FORBIDDEN, message)


def test_orders_on_the_way_to_both_sides_are_refused(opened: Open) -> None:
    """With no position, a waiting purchase forbids a short sale, whatever their prices."""
    venue = opened()
    venue.place_order(ask(type_="limit", limit_price=90))
    status, code, message = refused(venue, ask("sell", "limit", limit_price=110))
    assert (status, code, message) == (
        *FORBIDDEN,
        "cannot open a short sell while a long buy order is open",
    )


@pytest.mark.parametrize(
    ("waiting", "new", "refused_"),
    [
        (ask("sell", "limit", limit_price=110, qty=5), ask(), True),
        (ask("sell", "limit", limit_price=110, qty=5), ask(type_="limit", limit_price=110), True),
        (ask("sell", "limit", limit_price=110, qty=5), ask(type_="limit", limit_price=109), False),
        (ask("sell", "stop", stop_price=90, qty=5), ask(type_="limit", limit_price=80), True),
        (ask("sell", "trailing_stop", trail_price=9, qty=5), ask(), False),
        (ask("sell", "limit", limit_price=110, qty=5), ask(type_="trailing_stop", trail_price=9), False),
    ],
)
def test_two_orders_of_one_account_never_meet(
    opened: Open, waiting: OrderRequest, new: OrderRequest, refused_: bool
) -> None:
    """Alpaca's table: without a limit always, two limits when they cross; trailing stops are exempt."""
    venue = opened()
    venue.place_order(ask())
    venue.step()
    existing = venue.place_order(waiting)
    if not refused_:
        venue.place_order(new)
        return
    with pytest.raises(RefusedError) as raised:
        venue.place_order(new)
    body = raised.value.body
    assert (raised.value.status, body["code"], body["existing_order_id"]) == (*FORBIDDEN, existing.id)
    assert body["message"] == "potential wash trade detected. use complex orders"
    assert "opposite side" in str(body["reject_reason"])


def test_the_legs_of_a_complex_order_stand_in_nobodys_way(opened: Open) -> None:
    """A purchase beside the exits of a bracket is taken; a cancelled order blocks no more."""
    venue = opened()
    venue.place_order(bracket())
    venue.step()
    venue.place_order(ask(type_="limit", limit_price=99))


def test_a_replaced_order_names_its_successor_which_fills_in_its_place(opened: Open) -> None:
    """The old one is over, the new one has the change, and buying power counts it alone."""
    venue = opened([*CALM[:2], (99, 100, 96, 98), *CALM[:2]])
    old = venue.place_order(ask(type_="limit", limit_price=90, time_in_force="gtc"))
    venue.jump(IN_SESSION)
    new = venue.replace_order(old.id, ReplaceRequest(qty=Decimal(20), limit_price=Decimal(97)))
    over = now_of(venue, old)
    assert (over.status, over.replaced_by, over.replaced_at) == (Status.REPLACED, new.id, IN_SESSION)
    assert [new.replaces, new.quantity, new.limit_price, new.status] == [old.id, 20, 97, Status.NEW]
    assert venue.book.reserved == Decimal(20 * 97)
    venue.step()
    venue.step()
    assert now_of(venue, new).status is Status.FILLED


def test_a_leg_can_be_moved_and_still_ends_the_other(opened: Open) -> None:
    """The stop of a bracket goes from 95 to 98 and sells there; the target is cancelled."""
    venue = opened([*CALM[:2], (99, 100, 96, 98), *CALM[:2]])
    order = venue.place_order(bracket())
    venue.step()
    _, stop = venue.book.legs_of(order)
    moved = venue.replace_order(stop.id, ReplaceRequest(stop_price=Decimal(98)))
    assert [leg.id for leg in venue.book.legs_of(order)][1] == moved.id
    assert venue.book.held("X") == 10
    venue.step()
    target, sold = venue.book.legs_of(order)
    assert [target.status, sold.status, sold.filled_value] == [Status.CANCELED, Status.FILLED, 980]


def test_the_target_of_a_pair_is_replaced_with_its_stop_still_under_it(opened: Open) -> None:
    """The stop becomes the leg of the new order, so nested answers and cancellations find it."""
    venue = opened()
    venue.place_order(ask())
    venue.step()
    exits: dict[str, Any] = {"take_profit": TakeProfit(Decimal(110)), "stop_loss": StopLoss(Decimal(90))}
    pair = venue.place_order(ask("sell", "limit", order_class="oco", time_in_force="gtc", **exits))
    venue.jump(datetime(2012, 11, 21, 15, tzinfo=UTC))
    new = venue.replace_order(pair.id, ReplaceRequest(limit_price=Decimal(112)))
    (stop,) = venue.book.legs_of(new)
    assert (stop.parent, stop.group, venue.book.legs_of(pair)) == (new.id, new.group, [])
    venue.cancel(new.id)
    assert venue.book.held("X") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (ReplaceRequest(), "order parameters are not changed"),
        (ReplaceRequest(limit_price=Decimal(90)), "order parameters are not changed"),
        (ReplaceRequest(stop_price=Decimal(90)), "limit orders require no stop price"),
        (ReplaceRequest(trail=Decimal(1)), "trail is only valid for trailing_stop orders"),
        (ReplaceRequest(qty=Decimal("1.5")), "qty must be an integer"),
        (ReplaceRequest(limit_price=Decimal(0)), "limit price must be > 0"),
        (ReplaceRequest(qty=Decimal(5000)), "insufficient buying power"),
        (ReplaceRequest(time_in_force="soon"), "invalid time_in_force"),
    ],
)
def test_a_replacement_that_cannot_be_leaves_the_order_as_it_is(
    opened: Open, change: ReplaceRequest, message: str
) -> None:
    """The message says why; the old order still waits."""
    venue = opened()
    order = venue.place_order(ask(type_="limit", limit_price=90, time_in_force="gtc"))
    venue.jump(IN_SESSION)
    with pytest.raises(RefusedError, match=message):
        venue.replace_order(order.id, change)
    assert now_of(venue, order).status is Status.NEW


def test_orders_that_are_queued_or_over_cannot_be_replaced(opened: Open) -> None:
    """Accepted, filled and replaced orders each say their state."""
    venue = opened()
    order = venue.place_order(ask())
    change = ReplaceRequest(qty=Decimal(5))
    with pytest.raises(RefusedError, match="cannot replace order in accepted status"):
        venue.replace_order(order.id, change)
    venue.step()
    with pytest.raises(RefusedError, match="cannot replace order in filled status"):
        venue.replace_order(order.id, change)


def test_the_quantity_of_a_bracket_stays(opened: Open) -> None:
    """Prices of complex orders may move, their size may not."""
    venue = opened()
    order = venue.place_order(bracket())
    venue.step()
    target, _ = venue.book.legs_of(order)
    with pytest.raises(RefusedError, match="qty cannot be changed for advanced orders"):
        venue.replace_order(target.id, ReplaceRequest(qty=Decimal(5)))


def test_an_exit_wakes_up_for_no_more_shares_than_are_left(opened: Open) -> None:
    """What was sold between the parts of an entry is not sold again by its exits."""
    venue = opened(partial=1.0)
    entry = venue.place_order(
        bracket(type_="limit", limit_price=Decimal("99.5"), qty=100, client_order_id="e")
    )
    venue.set_clock(ClockMode.RUNNING, 60, wall=0)
    wall = 0.0
    while not venue.book.trades:
        wall += 0.05
        venue.run_to(wall)
    first = venue.book.trades[0].quantity
    venue.place_order(ask("sell", qty=first))
    while now_of(venue, entry).working:
        wall += 0.05
        venue.run_to(wall)
    owned = venue.book.positions["X"].quantity if "X" in venue.book.positions else Decimal(0)
    assert venue.book.held("X") <= owned
    assert sum(trade.quantity for trade in venue.book.trades if trade.side is Side.SELL) <= 100


def test_a_resting_order_is_not_missed_by_the_clock_that_skips_quiet_prices(opened: Open) -> None:
    """Ticked finely through a day that dips to 96: the orders there fill, those below do not."""
    venue = opened([CALM[0], (100, 106, 96, 104), *CALM[:3]])
    venue.set_clock(ClockMode.RUNNING, 60, wall=0)
    orders = {
        price: venue.place_order(ask(type_="limit", limit_price=price, time_in_force="gtc", qty=1))
        for price in range(90, 100)
    }
    for tick in range(1, 4000):
        venue.run_to(tick / 50)
    assert [price for price, order in orders.items() if now_of(venue, order).filled_at] == [97, 98, 99]


@pytest.mark.parametrize(
    ("limit", "bar", "hour"),
    [
        # On its way from 98 up to 107 in the middle third of the day, the price passes 102 at 12:38 New York.
        (106, (100, 107, 98, 106), 17.6),
        # The stop is reached at 12:38; the limit when the price falls back in the last third.
        (101, (100, 107, 98, 100.5), 20.8),
    ],
)
def test_a_stop_limit_order_trades_when_its_limit_allows_after_its_stop(
    opened: Open, limit: int, bar: tuple[float, float, float, float], hour: float
) -> None:
    """At once where the limit lies beyond the stop, else when the price comes back to the limit."""
    venue = opened([CALM[0], bar, *CALM[:3]])
    order = venue.place_order(ask(type_="stop_limit", stop_price=102, limit_price=limit))
    venue.step()
    filled = now_of(venue, order).filled_at
    assert filled is not None
    assert filled.hour + filled.minute / 60 == pytest.approx(hour, abs=0.1)


def test_a_stop_limit_bracket_whose_price_ran_away_enters_when_it_comes_back(opened: Open) -> None:
    """The first day gaps over stop and limit; the second comes back to the limit, short of the stop."""
    days = [CALM[0], (103, 104, 102.5, 103), (101.5, 101.8, 100, 101), *CALM[:2]]
    venue = opened(days)
    entry = venue.place_order(bracket(type_="stop_limit", stop_price=102, limit_price=101))
    venue.step()
    assert now_of(venue, entry).triggered
    venue.step()
    assert now_of(venue, entry).filled_value == 1010
    assert [leg.status for leg in venue.book.legs_of(entry)] == [Status.NEW, Status.HELD]


def test_nothing_is_filled_before_it_was_submitted(opened: Open) -> None:
    """Not by a part of a millisecond either."""
    venue = opened()
    venue.jump(IN_SESSION.replace(microsecond=654_321))
    order = venue.place_order(ask())
    venue.jump(IN_SESSION.replace(second=1))
    assert now_of(venue, order).filled_at == order.submitted_at


def test_a_market_order_filled_in_two_parts_is_done_at_the_price_of_the_moment(opened: Open) -> None:
    """In a stepped session that is already open too: the rest does not wait for the close."""
    venue = opened([CALM[0], (100, 110, 99, 110), *CALM[:3]], partial=1.0)
    venue.jump(IN_SESSION)
    order = venue.place_order(ask())
    venue.step()
    first, second = venue.book.trades
    assert (first.price, first.at) == (second.price, IN_SESSION)
    assert now_of(venue, order).filled_at == IN_SESSION + timedelta(milliseconds=1)


def test_a_gtc_order_ends_a_quarter_past_four_on_its_ninetieth_day(opened: Open) -> None:
    """New York's time, daylight saving or not; on a day without a session too."""
    venue = opened()
    order = venue.place_order(ask(type_="limit", limit_price=90, time_in_force="gtc"))
    assert order.submitted_at == datetime(2012, 11, 19, 21, 30, tzinfo=UTC)
    assert order.expires_at == datetime(2013, 2, 17, 21, 15, tzinfo=UTC)


def test_an_order_whose_time_is_over_between_sessions_expires_then(opened: Open) -> None:
    """Neither before nor at the next session's close, but at its own time."""
    venue = opened()
    order = venue.place_order(ask(type_="limit", limit_price=90, time_in_force="gtc"))
    ends = datetime(2012, 11, 22, 21, 15, tzinfo=UTC)
    venue.book.apply(Changed(replace(order, expires_at=ends)))
    venue.jump(ends - timedelta(seconds=1))
    assert now_of(venue, order).working
    venue.jump(ends)
    assert (now_of(venue, order).status, now_of(venue, order).expired_at) == (Status.EXPIRED, ends)


def test_an_order_is_not_replaced_by_an_auction_order_that_would_come_too_late(opened: Open) -> None:
    """At 15:55 nothing more is taken for the close, new or in another's place."""
    venue = opened()
    order = venue.place_order(ask(type_="limit", limit_price=90))
    venue.jump(datetime(2012, 11, 20, 20, 55, tzinfo=UTC))
    with pytest.raises(RefusedError, match="cls orders must be submitted after 7:00pm and before 3:50pm"):
        venue.replace_order(order.id, ReplaceRequest(time_in_force="cls"))


def test_a_fill_is_listed_after_every_fill_that_was_known_before_it(opened: Open) -> None:
    """Whoever pages on from the last activity id misses none, however little time has passed."""
    venue = opened()
    venue.jump(IN_SESSION)
    for passed in range(1, 9):
        venue.place_order(ask(qty=1))
        venue.jump(IN_SESSION + timedelta(microseconds=passed))
    ids = [trade.id for trade in venue.book.trades]
    assert len(ids) == 8
    assert ids == sorted(ids)


def test_the_limit_of_a_stop_limit_order_can_follow_the_price_that_ran_past_it(opened: Open) -> None:
    """Its stop was reached, so it is a limit order now: where the stop lies no longer matters."""
    venue = opened([*CALM[:2], (80, 81, 78, 80), (80, 81, 78, 80), CALM[0]])
    venue.place_order(ask())
    venue.step()
    order = venue.place_order(
        ask("sell", "stop_limit", stop_price=95, limit_price=94, time_in_force="gtc"),
    )
    venue.jump(datetime(2012, 11, 21, 16, 0, tzinfo=UTC))
    assert now_of(venue, order).triggered
    with pytest.raises(RefusedError, match="stop price must be less than current price"):
        venue.replace_order(order.id, ReplaceRequest(stop_price=Decimal(96)))
    new = venue.replace_order(order.id, ReplaceRequest(limit_price=Decimal(78)))
    venue.step()
    assert now_of(venue, new).status is Status.FILLED
