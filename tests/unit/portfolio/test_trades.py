"""Round trips: from the fill that opens a position to the one that makes it flat."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.identity import client_order_id, manual_key
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill, OrderOrigin
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, SharesKind, Split
from alpaquero.portfolio.positions import positions_of
from alpaquero.portfolio.trades import OpenTrade, OrderWords, Realised, Trade, folded, trades_of
from alpaquero.store.tables import to_body
from tests.unit.orders.builders import a_fill, at
from tests.unit.portfolio.test_positions import FILLS


def test_a_round_trip_is_one_trade() -> None:
    """Bought and sold again: prices, times, profit in dollars and percent, and why it was closed."""
    fills = [a_fill(1, "buy", "10", "100"), a_fill(2, "sell", "10", "106", order="o2")]
    assert [
        Trade(
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(10),
            opened_at=at(1),
            closed_at=at(2),
            entry_price=Decimal(100),
            exit_price=Decimal(106),
            pnl=Decimal(60),
            pnl_percent=Decimal("6.0000"),
            reason="take profit",
            parts=(Realised(at=at(2), pnl=Decimal(60)),),
        )
    ] == trades_of(fills, {"o2": "take profit", "o1": "entry"})


def test_a_position_still_held_is_no_trade_yet() -> None:
    """Nothing is told before the position is flat."""
    assert [] == trades_of([a_fill(1, "buy", "10", "100"), a_fill(2, "sell", "9", "106")])


def test_parts_belong_to_one_trade() -> None:
    """Entries and exits in parts make one trade at average prices, closed by the last."""
    fills = [
        a_fill(1, "buy", "10", "100"),
        a_fill(2, "sell", "5", "110", order="o1"),
        a_fill(3, "buy", "5", "106"),
        a_fill(4, "sell", "10", "98", order="o2"),
    ]
    (trade,) = trades_of(fills, {"o1": "target", "o2": "stop"})
    assert (Decimal(15), Decimal(102), Decimal(102)) == (trade.quantity, trade.entry_price, trade.exit_price)
    assert (Decimal(0), Decimal("0.0000"), "stop") == (trade.pnl, trade.pnl_percent, trade.reason)
    assert (at(1), at(4)) == (trade.opened_at, trade.closed_at)


@pytest.mark.parametrize("ids", [(1, 2), (2, 1)])
@pytest.mark.parametrize("sides", [("buy", "sell"), ("sell", "buy")])
def test_what_opens_and_ends_at_one_instant_was_opened_by_our_order(
    ids: tuple[int, int], sides: tuple[str, str]
) -> None:
    """The broker names the legs of our orders: at one instant our order filled first, whatever the ids."""
    ours = client_order_id(OrderOrigin.MANUAL, "AAPL", manual_key("paper", "one"))
    fills = [
        a_fill(ids[0], sides[0], "10", "100", minutes=1, order=ours),
        a_fill(ids[1], sides[1], "10", "99", minutes=1, order="61e69015-8549-4bfd-b9c3-01e75843f47d"),
    ]
    (trade,) = trades_of(fills[::-1], {"61e69015-8549-4bfd-b9c3-01e75843f47d": "stop"})
    assert (trade.side, trade.entry_price, trade.reason) == (sides[0], Decimal(100), "stop")


def test_what_one_day_closed_is_one_part() -> None:
    """Days are New York's; the part has the moment of the day's last exit."""
    hours = (0, 1, 6, 9, 12)  # after noon in New York: the third exit is at one in the morning
    fills = [a_fill(n, "sell" if n else "buy", "1" if n else "4", str(100 + n), minutes=60 * h)
             for n, h in enumerate(hours)]  # fmt: skip
    fills[-2:] = [replace(fill, at=fill.at + timedelta(hours=4)) for fill in fills[-2:]]
    (trade,) = trades_of(fills)
    assert trade.parts == (
        Realised(at=fills[2].at, pnl=Decimal(3)),
        Realised(at=fills[4].at, pnl=Decimal(7)),
    )


def test_a_position_that_is_never_flat_does_not_outgrow_its_item() -> None:
    """Forty exits a day for a year around a thousand shares that stay: an item takes 400 KB."""
    fills = [a_fill(0, "buy", "1000", "100", minutes=-1)]
    for day in range(252):
        for number in range(40):
            side = "sell" if number % 2 else "buy"
            name = 40 * day + number + 1
            fills.append(a_fill(name, side, "1", f"{100 + number / 8}", minutes=1440 * day + number))
    (held,) = folded(fills, {})[1]
    assert len(to_body(held)) < 40_000
    assert len(held.parts) == 252


def test_a_short_round_trip_gains_when_the_price_falls() -> None:
    """Sold first and bought back lower is a profit on what it was sold for."""
    (trade,) = trades_of([a_fill(1, "sell", "10", "100"), a_fill(2, "buy", "10", "90")])
    assert (Side.SELL, Decimal(100), Decimal("10.0000")) == (trade.side, trade.pnl, trade.pnl_percent)


def test_a_fill_that_turns_a_position_ends_one_trade_and_begins_the_next() -> None:
    """The rest of the fill opens the other side at its own price."""
    fills = [a_fill(1, "buy", "10", "100"), a_fill(2, "sell", "15", "110"), a_fill(3, "buy", "5", "100")]
    first, second = trades_of(fills)
    assert (Side.BUY, Decimal(10), Decimal(100)) == (first.side, first.quantity, first.pnl)
    assert (Side.SELL, Decimal(5), Decimal(50), at(2)) == (
        second.side,
        second.quantity,
        second.pnl,
        second.opened_at,
    )


def test_symbols_do_not_mix_and_trades_come_by_their_close() -> None:
    """Trades are listed by the time they closed, then by symbol."""
    fills = [
        a_fill(1, "buy", "1", "10", symbol="MSFT"),
        a_fill(2, "buy", "1", "10"),
        a_fill(3, "sell", "1", "10", symbol="IBM"),
        a_fill(4, "sell", "1", "11", minutes=9),
        a_fill(5, "sell", "1", "12", minutes=9, symbol="MSFT"),
        a_fill(6, "buy", "1", "9", minutes=8, symbol="IBM"),
    ]
    assert [("IBM", 1), ("AAPL", 1), ("MSFT", 2)] == [(t.symbol, int(t.pnl)) for t in trades_of(fills)]


def test_a_trade_survives_the_store() -> None:
    """A trade reads back as it was written."""
    (trade,) = trades_of([a_fill(1, "buy", "3", "10"), a_fill(2, "sell", "3", "10.01")])
    assert trade == msgspec.json.decode(msgspec.json.encode(trade), type=Trade)


@given(fills=FILLS, data=st.data())
def test_trades_agree_with_positions(fills: list[Fill], data: st.DataObject) -> None:
    """In any order of arrival, a symbol that is flat has made in trades what its position realised."""
    arrived = data.draw(st.permutations(fills))
    trades = trades_of(arrived)
    assert trades_of(fills) == trades
    position = positions_of(fills)["AAPL"]
    if not position.quantity:
        assert position.realised_pnl == sum(trade.pnl for trade in trades)


@given(fills=FILLS, data=st.data())
def test_what_is_realised_and_open_is_what_the_position_has(fills: list[Fill], data: st.DataObject) -> None:
    """Parts of trades add up to the realised gain at any moment, and the open trade is the position."""
    split = Split(id="split", account="paper", symbol="AAPL", at=at(3.5), ratio=Decimal(3))
    moved = Decimal(data.draw(st.integers(-9, 9)))
    gone = ShareMovement(
        id="moved", account="paper", symbol="AAPL", at=at(5.5), quantity=moved, price=Decimal(7),
        kind=SharesKind.TRANSFER,
    )  # fmt: skip
    entries: list[ShareEntry] = [*fills]
    entries += [split] if data.draw(st.booleans()) else []
    entries += [gone] if gone.quantity else []
    closed, still_open = folded(entries, {})
    position = positions_of(entries)["AAPL"]
    trades: list[Trade | OpenTrade] = [*closed, *still_open]
    assert sum(part.pnl for trade in trades for part in trade.parts) == position.realised_pnl
    assert all(trade.pnl == sum(part.pnl for part in trade.parts) for trade in closed)
    assert [(t.quantity, t.cost, t.opened_at) for t in still_open] == (
        [(position.quantity, position.cost_basis, position.opened_at)] if position.quantity else []
    )


def test_a_trade_knows_who_opened_it_and_what_it_met_at_arrival() -> None:
    """Strategy and tag are the opening order's, arrival prices the averages over all its fills."""
    words = {
        "in": OrderWords(strategy="dips", reason="oversold", arrival_price=Decimal(99)),
        "more": OrderWords(strategy="other", reason="more", arrival_price=Decimal(103)),
        "out": OrderWords(reason="stop loss", arrival_price=Decimal(95)),
        "next": OrderWords(strategy="dips", reason="again"),
    }
    fills = [
        a_fill(1, "buy", "10", "100", order="in"),
        a_fill(2, "buy", "30", "104", order="more"),
        a_fill(3, "sell", "40", "94", order="out"),
        a_fill(4, "buy", "2", "90", order="next"),
        a_fill(5, "sell", "1", "96", order="out"),
    ]
    (trade,), (held,) = folded(fills, words)
    assert (trade.strategy, trade.tag, trade.reason) == ("dips", "oversold", "stop loss")
    assert (trade.arrival_price, trade.exit_arrival_price) == (Decimal(102), Decimal(95))
    assert (held.strategy, held.tag, held.quantity, held.cost, held.arrival_price) == (
        "dips", "again", Decimal(1), Decimal(90), None
    )  # fmt: skip
    assert (held.realised_pnl, held.open_pnl(Decimal(89))) == (Decimal(6), Decimal(-1))


def test_one_fill_without_an_arrival_price_leaves_the_trade_without() -> None:
    """An average over some of the shares would be of another trade."""
    words = {"in": OrderWords(arrival_price=Decimal(99))}
    fills = [
        a_fill(1, "buy", "1", "100", order="in"),
        a_fill(2, "buy", "1", "100", order="by hand"),
        a_fill(3, "sell", "2", "100", order="in"),
    ]
    (trade,), _ = folded(fills, words)
    assert (trade.arrival_price, trade.exit_arrival_price) == (None, Decimal(99))


def test_shares_that_came_at_no_cost_have_no_percentage() -> None:
    """A gain on nothing is not a share of anything."""
    came = ShareMovement(
        id="spun", account="paper", symbol="AAPL", at=at(0), quantity=Decimal(2), price=Decimal(0),
        kind=SharesKind.TRANSFER,
    )  # fmt: skip
    (trade,) = trades_of([came, a_fill(1, "sell", "2", "10")])
    assert (trade.pnl, trade.pnl_percent) == (Decimal(20), None)
