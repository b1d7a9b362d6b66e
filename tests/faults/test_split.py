"""A split of a company whose shares are held, over the real exchange: AAPL two for one, 2005-02-28."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from alpaquero.events.commands import PlaceOrder
from alpaquero.orders.identity import signal_key
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.order import LegRole
from alpaquero.portfolio.lots import lots_of
from alpaquero.portfolio.movements import Split
from alpaquero.portfolio.positions import positions_of
from alpaquero.store import analytics, positions
from tests.faults.world import ACCOUNT, World

EX_DATE = date(2005, 2, 28)


def a_signal(world: World, side: Side) -> Intent:
    now = world.exchange.venue.now
    trade = world.exchange.venue.market.last_trade("AAPL", now)
    assert trade is not None
    return Intent(
        account=ACCOUNT,
        origin=Origin.SIGNAL,
        purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
        symbol="AAPL",
        side=side,
        key=signal_key(ACCOUNT, "stochrsi_ema", "1Day", side, "AAPL", now),
        reference_price=trade.price,
        valid_until=now + timedelta(days=9),
        bar_close=now,
        strategy="stochrsi_ema",
        timeframe="1Day",
        reason="the test",
        correlation_id="test",
    )


def test_books_follow_a_split_of_what_is_held() -> None:
    """Shares double, cost stays; stop, target, lots, projections and trades agree with the broker's."""
    with World(1, Counter(), partial_fills=0, first=date(2005, 2, 23)).running() as world:
        venue = world.exchange.venue
        world.sync()
        world.session()
        bought = a_signal(world, Side.BUY)
        world.send(PlaceOrder(intent=bought), bought.client_order_id)
        world.settle()
        world.session()
        world.settle()
        before = positions_of(world.books.share_entries())["AAPL"]
        stop = next(o for o in world.books.open_orders() if o.role is LegRole.STOP_LOSS)
        while venue.sessions[venue.sessions_done - 1].date < EX_DATE:
            world.session()
            world.settle()
        [split] = world.books.share_movements()
        assert isinstance(split, Split)
        after = positions_of(world.books.share_entries())["AAPL"]
        held = venue.book.positions["AAPL"]
        assert (before.quantity * 2, before.cost_basis) == (after.quantity, after.cost_basis)
        assert (held.quantity, held.cost) == (after.quantity, after.cost_basis)
        assert [after] == positions.positions(ACCOUNT)
        assert after.quantity == lots_of("AAPL", world.books.share_entries()).quantity
        now = world.books.order(stop.client_order_id)
        theirs = next(o for o in venue.book.orders.values() if o.client_order_id == stop.client_order_id)
        assert now is not None
        assert (theirs.quantity, theirs.stop_price) == (now.quantity, now.stop_price)
        sold = replace(a_signal(world, Side.SELL), quantity=None)
        world.send(PlaceOrder(intent=sold), sold.client_order_id)
        world.settle()
        world.session()
        world.settle()
        [trade] = analytics.trades(ACCOUNT)
        book = world.books.risk_book()
        assert book is not None
        assert (Decimal(100_000) + trade.pnl, after.quantity) == (venue.book.cash, trade.quantity)
        assert (venue.book.cash, {}, {}) == (book.cash, book.positions, world.books.notes().drift)
        assert not world.wrongs
