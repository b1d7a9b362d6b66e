"""Positions are folded from fills, whatever way the fills come."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.events.schemas import EquityMarked, Event, OrderFilled, PositionChanged
from alpaquero.portfolio.positions import Position
from alpaquero.store import positions, projections
from alpaquero.store.projections import State
from functions.position import project
from tests.unit.store.facts import only_keep

Batch = Callable[..., dict[str, Any]]
AT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def filled(number: int, side: str, quantity: str, price: str, symbol: str = "AAPL") -> OrderFilled:
    return OrderFilled(
        id=f"filled:{symbol}:{number}",
        occurred_at=AT + timedelta(minutes=number),
        account="paper",
        correlation_id="run-1",
        fill_id=f"2026112009{number:02d}::{symbol}",
        client_order_id=f"order-{number}",
        symbol=symbol,
        side=side,
        purpose="entry",
        role=None,
        quantity=Decimal(quantity),
        price=Decimal(price),
        reason="",
    )


FILLS = (
    filled(1, "buy", "10", "100"),
    filled(2, "buy", "5", "103"),
    filled(3, "sell", "12", "110"),
    filled(4, "sell", "3", "90.5"),
    filled(5, "buy", "2", "91"),
)
FOLDED = Position(
    symbol="AAPL",
    quantity=Decimal(2),
    cost_basis=Decimal(182),
    realised_pnl=Decimal("76.5"),
    cash_flow=Decimal("-105.5"),
    opened_at=AT + timedelta(minutes=5),
    last_fill_at=AT + timedelta(minutes=5),
    fills=5,
)


def test_a_position_is_what_its_fills_add_up_to(published: list[Event], delivered: Batch) -> None:
    """Quantity, cost, gain and cash flow follow from the fills, and each change is told."""
    assert project.handler(delivered(*FILLS), None) == {"batchItemFailures": []}
    assert positions.positions("paper") == [FOLDED]
    last = published[-1]
    assert isinstance(last, PositionChanged)
    assert ("position:AAPL:202611200905::AAPL", Decimal(2), Decimal(91), Decimal("76.5"), 5, "run-1") == (
        last.id, last.quantity, last.average_entry_price, last.realised_pnl, last.fills, last.correlation_id,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_order_and_repeats_do_not_matter(published: list[Event], delivered: Batch, seed: int) -> None:
    """Fills that come shuffled and doubled give the very same position, and the same event ids."""
    draw = random.Random(seed)
    come = [*FILLS, *draw.sample(FILLS, 3)]
    draw.shuffle(come)
    for size in iter(lambda: draw.randint(1, 4), None):
        batch, come = come[:size], come[size:]
        project.handler(delivered(*batch), None)
        if not come:
            break
    assert positions.positions("paper") == [FOLDED], f"seed {seed}"
    assert {f"position:AAPL:{fill.fill_id}" for fill in FILLS} == {event.id for event in published}


def test_a_repeat_mends_a_crash_between_keeping_and_folding(published: list[Event], delivered: Batch) -> None:
    """A fill that was kept and not folded is folded and told when its message comes again."""
    only_keep(positions.PositionItem, FILLS[0])
    assert positions.positions("paper") == []
    project.handler(delivered(FILLS[0]), None)
    assert Decimal(10) == positions.positions("paper")[0].quantity
    assert [event.id for event in published] == ["position:AAPL:202611200901::AAPL"]


@pytest.mark.parametrize("again", [0, 1])
def test_a_repeat_mends_a_position_that_was_lost(
    published: list[Event], delivered: Batch, monkeypatch: pytest.MonkeyPatch, again: int
) -> None:
    """Of the newest facts and of older ones."""
    monkeypatch.setattr(projections, "NEWEST", 1)
    project.handler(delivered(*FILLS), None)
    positions.PositionItem("paper", "POSITION#AAPL").delete()
    project.handler(delivered(FILLS[-again]), None)
    assert positions.positions("paper") == [FOLDED]


@pytest.mark.parametrize("first", [0, 1])
def test_a_worker_that_is_overtaken_adds_its_fill_to_the_others(
    published: list[Event], delivered: Batch, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """A worker that read what there was before another wrote cannot put the older position on top."""
    read = positions.PositionProjection.state

    def overtaken(self: positions.PositionProjection) -> State[Position]:
        seen = read(self)
        monkeypatch.setattr(positions.PositionProjection, "state", read)
        project.handler(delivered(FILLS[1 - first]), None)  # the other worker, from start to end
        return seen

    monkeypatch.setattr(positions.PositionProjection, "state", overtaken)
    assert project.handler(delivered(FILLS[first]), None) == {"batchItemFailures": []}
    assert Decimal(15) == positions.positions("paper")[0].quantity
    assert [event.fills for event in published if isinstance(event, PositionChanged)] == [1, 2]


def test_a_fact_that_cannot_be_added_up_stops_no_other(published: list[Event], delivered: Batch) -> None:
    """It goes back, and is not kept: the next fill of its symbol is taken."""
    project.handler(delivered(FILLS[0]), None)
    worse = msgspec.structs.replace(FILLS[2], side="sideways")
    assert project.handler(delivered(worse), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert project.handler(delivered(FILLS[1]), None) == {"batchItemFailures": []}
    assert Decimal(15) == positions.positions("paper")[0].quantity


def test_symbols_do_not_mix(published: list[Event], delivered: Batch) -> None:
    """Each symbol is folded from its own fills."""
    project.handler(delivered(FILLS[0], filled(1, "buy", "7", "20", "IBM")), None)
    assert {"AAPL": Decimal(10), "IBM": Decimal(7)} == {
        p.symbol: p.quantity for p in positions.positions("paper")
    }


def test_only_the_bad_record_of_a_batch_fails(published: list[Event], delivered: Batch) -> None:
    """A message that is no fill goes back to its queue; the fills around it are taken."""
    mark = EquityMarked(
        id="m",
        occurred_at=AT,
        equity=Decimal(1),
        cash=Decimal(1),
        peak_equity=Decimal(1),
        drawdown_percent=Decimal(0),
    )
    batch = delivered(FILLS[0], mark, FILLS[1])
    batch["Records"].append({"messageId": "junk", "body": "{"})
    assert project.handler(batch, None) == {
        "batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "junk"}]
    }
    assert Decimal(15) == positions.positions("paper")[0].quantity


def test_a_position_is_told_again_when_the_bus_refused_it(
    published: list[Event], delivered: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed publication sends the fill back to the queue, and its repeat tells."""
    refusals = itertools.chain([True], itertools.repeat(False))
    publish = project.publish

    def sometimes(events: Any, bus: str) -> None:
        if next(refusals):
            raise ConnectionError("the bus is away")
        publish(events, bus)

    monkeypatch.setattr(project, "publish", sometimes)
    assert project.handler(delivered(FILLS[0]), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert project.handler(delivered(FILLS[0]), None) == {"batchItemFailures": []}
    assert len(published) == 1
