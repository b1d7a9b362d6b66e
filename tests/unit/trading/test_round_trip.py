"""A signal's whole way: concluded, executed, filled by the market, synced, and the books agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from alpaquero.events.commands import ConcludeRun
from alpaquero.events.schemas import BooksDrifted, Event, OrderFilled
from alpaquero.orders.intent import Side
from alpaquero.portfolio.positions import positions_of
from alpaquero.store import runs
from alpaquero.strategy.run import run_id
from functions.signal import conclude
from tests.unit.signal.made import CLOSE, a_report, a_run, a_signal
from tests.unit.trading.world import World


def judged(world: World, day: int, side: Side) -> None:
    """A run of that day raises one signal on AAPL, and its intent is executed."""
    close = CLOSE + timedelta(days=day)
    world.broker.now = close + timedelta(minutes=30)
    run = a_run(
        id=run_id("1Day", close),
        bar_close=close,
        valid_until={"stochrsi_ema": close + timedelta(days=5)},
        shards=1,
    )
    runs.plan(run)

    runs.report("paper", run.id, 0, a_report(replace(a_signal("AAPL", side), bar_close=close)))
    command = ConcludeRun(run_id=run.id, reason="reported", correlation_id="c")
    conclude.handler({"Records": [{"messageId": "m", "body": msgspec.json.encode(command).decode()}]}, None)
    world.run_commands()
    world.settle()


@pytest.mark.parametrize(
    ("price", "signal", "left_by"),
    [
        ("96", None, ("leg", "stop_loss")),
        ("107", None, ("leg", "take_profit")),
        ("101", Side.SELL, ("exit", None)),
    ],
)
def test_a_round_trip_leaves_books_and_broker_agreed(
    world: World, published: list[Event], price: str, signal: Side | None, left_by: tuple[str, str | None]
) -> None:
    """By stop, by target and by a sell signal: one entry, one exit, flat, nothing reserved, no drift."""
    judged(world, 0, Side.BUY)
    world.broker.step()
    world.settle()
    assert world.book.held_quantity("AAPL") > 0
    if signal is not None:
        judged(world, 3, signal)
    world.broker.prices["AAPL"] = Decimal(price)
    world.broker.step()
    world.settle()

    entry, leave = world.told(OrderFilled)
    assert ("entry", "buy") == (entry.purpose, entry.side)
    assert left_by == (leave.purpose, leave.role)
    assert ("sell", entry.quantity) == (leave.side, leave.quantity)
    book = world.book
    assert ({}, {}, []) == (book.positions, book.reservations, world.books.open_orders())
    position = positions_of(world.books.fills())["AAPL"]
    assert world.broker.cash == book.cash == Decimal(100_000) + position.realised_pnl
    assert [] == world.told(BooksDrifted)
    assert 2 == len(world.broker.fills())
