"""Trade updates: what the stream says of each change of the book."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from alpaquero.simulation import MatchingTerms
from alpaquero.simulation.matching import Status
from laptop.exchange.book import Changed, SharesSplit, Traded
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.terms import OrderRequest, ReplaceRequest, StopLoss, TakeProfit
from laptop.exchange.trade_updates import TradeUpdates, Update, update_body
from laptop.exchange.venue import Recorded, Venue

DAYS = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26"]
CALM = [(100.0, 101.0, 99.0, 100.0)] * 5
Data = dict[str, Any]
Followed = tuple[Venue, list[Data]]
Follow = Callable[..., Followed]


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Follow]:
    """A venue on made prices of X, before the second day, and the data of the updates it makes."""
    with ExitStack() as stack:

        def begin(
            days: Sequence[tuple[float, float, float, float]] = CALM,
            *,
            partial: float = 0.0,
            splits: str = "",
        ) -> Followed:
            data = tmp_path / "data"
            data.mkdir(exist_ok=True)
            rows = [f"{day},{','.join(map(str, bar))},1000" for day, bar in zip(DAYS, days, strict=True)]
            (data / "X.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
            (data / "splits.csv").write_text(f"symbol,ex_date,new_shares,old_shares\n{splits}")
            terms = MatchingTerms(1, Decimal(0), partial)
            first = date.fromisoformat(DAYS[1])
            venue = open_venue(folder_history(data), tmp_path / "state", terms, first=first)
            stack.callback(venue.close)
            told: list[Data] = []
            listen(venue, told)
            return venue, told

        yield begin


def limit_buy(price: int, time_in_force: str = "gtc") -> OrderRequest:
    """A limit order for 100 shares."""
    return structs.replace(
        market_buy(), type="limit", limit_price=Decimal(price), time_in_force=time_in_force
    )


def listen(venue: Venue, told: list[Data]) -> None:
    """Note the data of every update from now on."""
    updates = TradeUpdates(venue.book)

    def heard(recorded: Recorded) -> None:
        bodies: list[Data] = [update_body(update, venue.book, 1) for update in updates.follow(recorded)]
        told.extend(body["data"] for body in bodies)

    venue.listeners.append(heard)


def market_buy(quantity: int = 100) -> OrderRequest:
    """A market order, good till cancelled."""
    return OrderRequest(symbol="X", qty=Decimal(quantity), side="buy", type="market", time_in_force="gtc")


def bracket() -> OrderRequest:
    """A bracket with its target at 105 and its stop at 95."""
    return structs.replace(
        market_buy(),
        order_class="bracket",
        take_profit=TakeProfit(Decimal(105)),
        stop_loss=StopLoss(Decimal(95)),
    )


def events(told: Sequence[Data]) -> list[tuple[str, str]]:
    """Event and type of the order."""
    return [(data["event"], data["order"]["type"]) for data in told]


def test_parts_of_a_fill_are_told_one_by_one_with_the_position_after_each(follow: Follow) -> None:
    """partial_fill and fill carry their own quantity, price and execution; the order grows with them."""
    venue, told = follow(partial=1.0)
    venue.place_order(market_buy())
    venue.step()
    parts = [data for data in told if "qty" in data]
    assert [part["event"] for part in parts] == ["partial_fill", "fill"]
    trades = venue.book.trades
    assert [(Decimal(part["qty"]), Decimal(part["price"])) for part in parts] == [
        (trade.quantity, trade.price) for trade in trades
    ]
    positions = [Decimal(part["position_qty"]) for part in parts]
    assert positions == [trades[0].quantity, Decimal(100)]
    assert [Decimal(part["order"]["filled_qty"]) for part in parts] == positions
    assert [part["order"]["status"] for part in parts] == ["partially_filled", "filled"]
    assert [part["execution_id"] for part in parts] == [trade.id.partition("::")[2] for trade in trades]


def test_an_order_in_an_open_market_is_pending_and_then_new(follow: Follow) -> None:
    """Both are told at once; a queued one is accepted, and new at the open."""
    venue, told = follow()
    venue.place_order(market_buy())
    assert events(told) == [("accepted", "market")]
    venue.jump(venue.sessions[0].open + timedelta(hours=1))
    told.clear()
    venue.place_order(limit_buy(50))
    assert events(told) == [("pending_new", "limit"), ("new", "limit")]
    assert [data["order"]["status"] for data in told] == ["pending_new", "new"]


def test_a_stop_that_fills_cancels_the_target_after_it(follow: Follow) -> None:
    """The order of the events is the book's."""
    venue, told = follow([*CALM[:2], (100.0, 101.0, 90.0, 92.0), *CALM[3:]])
    venue.place_order(bracket())
    venue.step()
    told.clear()
    venue.step()
    assert events(told)[-2:] == [("fill", "stop"), ("canceled", "limit")]
    assert told[-2]["position_qty"] == "0"
    assert told[-1]["order"]["canceled_at"] == told[-1]["timestamp"]


def test_a_day_order_expires_at_the_close(follow: Follow) -> None:
    """With the time of the close."""
    venue, told = follow()
    venue.place_order(limit_buy(50, "day"))
    venue.step()
    assert events(told)[-1] == ("expired", "limit")
    assert told[-1]["timestamp"] == "2012-11-20T21:00:00Z"


def test_a_split_restates_working_orders_and_the_position(follow: Follow) -> None:
    """Orders keep their status with other terms; the next fill counts the position in new shares."""
    halved = (50.0, 50.5, 49.5, 50.0)
    venue, told = follow([CALM[0], CALM[1], halved, halved, halved], splits="X,2012-11-21,2,1\n")
    venue.place_order(market_buy())
    venue.step()
    venue.place_order(limit_buy(40))
    venue.place_order(market_buy(10))
    told.clear()
    venue.step()
    restated = [data["order"] for data in told if data["event"] == "restated"]
    assert {(order["qty"], order["limit_price"]) for order in restated} >= {("200", "20")}
    assert [data["position_qty"] for data in told if data["event"] == "fill"] == ["220"]


def test_a_broken_share_that_a_split_pays_out_is_gone_from_the_position(follow: Follow) -> None:
    """105 shares become 10 in a split of one for ten: the next fill counts from there."""
    venue, _ = follow()
    venue.place_order(market_buy(105))
    venue.step()
    updates = TradeUpdates(venue.book)
    [trade] = venue.book.trades
    bought = Traded(replace(trade, quantity=Decimal(1)), venue.book.orders[trade.order_id])
    split = SharesSplit("X", Decimal("0.1"), Decimal(500))
    [update] = updates.follow([(venue.now, split), (venue.now, bought)])
    assert update.position == 11


def test_a_replaced_order_is_told_before_the_one_in_its_place(follow: Follow) -> None:
    """`replaced` for the old one with the id of the new; the new one names the old."""
    venue, told = follow()
    venue.jump(venue.sessions[0].open + timedelta(hours=1))
    old = venue.place_order(limit_buy(50))
    told.clear()
    new = venue.replace_order(old.id, ReplaceRequest(limit_price=Decimal(51)))
    assert [data["event"] for data in told] == ["replaced", "pending_new", "new"]
    assert [data["order"]["id"] for data in told] == [old.id, new.id, new.id]
    assert (told[0]["order"]["replaced_by"], told[-1]["order"]["replaces"]) == (new.id, old.id)


def test_a_short_sale_makes_the_position_negative(follow: Follow) -> None:
    """Sold to open, the position's shares count below zero."""
    venue, told = follow()
    venue.place_order(structs.replace(market_buy(10), side="sell", time_in_force="day"))
    venue.step()
    assert [data["position_qty"] for data in told if data["event"] == "fill"] == ["-10"]


def test_a_trailing_stop_that_follows_the_market_is_told_when_it_fills_alone(follow: Follow) -> None:
    """Its mark moves with the prices without an update."""
    venue, told = follow([*CALM[:2], (100.0, 120.0, 99.0, 119.0), (119.0, 119.0, 110.0, 111.0), CALM[4]])
    venue.place_order(market_buy(10))
    venue.step()
    trailing = structs.replace(market_buy(10), side="sell", type="trailing_stop", trail_price=Decimal(5))
    order = venue.place_order(trailing)
    marks = [venue.book.orders[order.id].high_water_mark]
    for _ in range(2):
        venue.step()
        marks.append(venue.book.orders[order.id].high_water_mark)
    assert marks[-1] != marks[0]
    of_stop = [data["event"] for data in told if data["order"]["id"] == order.id]
    assert of_stop == ["accepted", "new", "fill"]


@pytest.mark.parametrize(
    "status", [status for status in Status if "filled" not in status and status != "new"]
)
def test_a_change_of_status_is_told_as_the_event_of_that_name(follow: Follow, status: Status) -> None:
    """Alpaca's events are named like the states they lead to."""
    venue, _ = follow()
    order = venue.place_order(market_buy())
    updates = TradeUpdates(venue.book)
    updates.follow([(venue.now, Changed(replace(order, status=Status.NEW)))])
    changed = replace(order, status=status)
    assert updates.follow([(venue.now, Changed(changed))]) == [Update(status.value, changed)]


def test_a_change_that_shows_nowhere_is_not_told(follow: Follow) -> None:
    """A stop-limit order that was triggered and did not fill looks as before."""
    venue, _ = follow()
    order = replace(venue.place_order(market_buy()), status=Status.NEW)
    updates = TradeUpdates(venue.book)
    updates.follow([(venue.now, Changed(order))])
    assert updates.follow([(venue.now, Changed(replace(order, triggered=True)))]) == []


def test_a_stream_that_starts_later_knows_the_position_it_finds(follow: Follow) -> None:
    """After a restart the position goes on from the book's."""
    venue, _ = follow()
    venue.place_order(market_buy(70))
    venue.step()
    told: list[Data] = []
    listen(venue, told)
    venue.place_order(market_buy(30))
    venue.step()
    assert [data["position_qty"] for data in told if data["event"] == "fill"] == ["100"]
