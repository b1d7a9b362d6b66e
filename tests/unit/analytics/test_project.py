"""Round trips and the equity curve are the same whatever way the facts come."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.schemas import EquityMarked, OrderFilled, PositionChanged
from alpaquero.portfolio.trades import Begun
from alpaquero.store import analytics
from alpaquero.store.projections import State, transaction
from functions.analytics import project

Batch = Callable[..., dict[str, Any]]
AT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def filled(number: int, side: str, quantity: str, price: str, minute: int | None = None) -> OrderFilled:
    return OrderFilled(
        id=f"filled:{number}",
        occurred_at=AT + timedelta(minutes=number if minute is None else minute),
        account="paper",
        fill_id=f"2026112009{number:04d}::x",
        client_order_id=f"order-{number}",
        symbol="AAPL",
        side=side,
        purpose="entry",
        role=None,
        quantity=Decimal(quantity),
        price=Decimal(price),
        reason=f"reason {number}",
    )


FILLS = (
    filled(1, "buy", "10", "100"),
    filled(2, "sell", "4", "110"),
    filled(3, "sell", "6", "105"),
    filled(4, "buy", "2", "50"),
    filled(5, "sell", "2", "49"),
    filled(6, "buy", "1", "60"),
)


def results() -> list[tuple[Decimal, str]]:
    return [(trade.pnl, trade.reason) for trade in analytics.trades("paper")]


def test_fills_become_round_trips(delivered: Batch) -> None:
    """Each way from flat to flat is one trade with the reason of the order that closed it."""
    assert project.handler(delivered(*FILLS), None) == {"batchItemFailures": []}
    assert [(Decimal(70), "reason 3"), (Decimal(-2), "reason 5")] == results()


@pytest.mark.parametrize("seed", range(12))
def test_order_and_repeats_do_not_matter(delivered: Batch, seed: int) -> None:
    """Shuffled and doubled fills leave the same trades, and none of the passing wrong ones."""
    draw = random.Random(seed)
    come = [*FILLS, *draw.sample(FILLS, 3)]
    draw.shuffle(come)
    for fill in come:
        project.handler(delivered(fill), None)
    assert [(Decimal(70), "reason 3"), (Decimal(-2), "reason 5")] == results(), f"seed {seed}"


def test_trades_that_close_at_one_instant_are_all_kept(delivered: Batch) -> None:
    """Two round trips that end at the same moment do not overwrite each other."""
    sides = ("buy", "sell", "buy", "sell")
    project.handler(
        delivered(*(filled(n, side, "1", str(100 + n), minute=1) for n, side in enumerate(sides))), None
    )
    assert [Decimal(1), Decimal(1)] == [trade.pnl for trade in analytics.trades("paper")]


@pytest.mark.parametrize("first", [1, 2])
def test_a_worker_that_is_overtaken_adds_its_fill_to_the_others(
    delivered: Batch, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """The transaction of a worker that read before another wrote fails, and it reads again."""
    project.handler(delivered(FILLS[0]), None)
    read = analytics.TradesProjection.state

    def overtaken(self: analytics.TradesProjection) -> State[Begun | None]:
        seen = read(self)
        monkeypatch.setattr(analytics.TradesProjection, "state", read)
        project.handler(delivered(FILLS[3 - first]), None)
        return seen

    monkeypatch.setattr(analytics.TradesProjection, "state", overtaken)
    assert project.handler(delivered(FILLS[first]), None) == {"batchItemFailures": []}
    assert [(Decimal(70), "reason 3")] == results()


def test_a_worker_that_is_always_overtaken_gives_its_fill_back(
    delivered: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not go on for ever: the message comes again, and counts then."""
    read = analytics.TradesProjection.state

    def overtaken(self: analytics.TradesProjection) -> State[Begun | None]:
        seen = read(self)
        with transaction(self.symbol) as writes:
            self.put_state(writes, seen, None)
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(analytics.TradesProjection, "state", overtaken)
        assert project.handler(delivered(FILLS[0]), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    project.handler(delivered(*FILLS[:3]), None)
    assert [(Decimal(70), "reason 3")] == results()


def mark(minute: int, equity: str) -> EquityMarked:
    return EquityMarked(
        id=f"mark:{minute}",
        occurred_at=AT + timedelta(minutes=minute),
        equity=Decimal(equity),
        cash=Decimal(5),
        peak_equity=Decimal(200),
        drawdown_percent=Decimal(1),
    )


def test_the_equity_curve_is_in_order_and_without_doubles(delivered: Batch) -> None:
    """Marks that come late and twice make one curve, oldest first."""
    project.handler(delivered(mark(3, "103"), mark(1, "101"), mark(2, "102"), mark(1, "101")), None)
    assert [Decimal(101), Decimal(102), Decimal(103)] == [m.equity for m in analytics.marks("paper")]


def test_pages_go_from_the_newest_to_the_oldest(delivered: Batch) -> None:
    """Each page continues where the one before ended, and the last one says so."""
    project.handler(delivered(*(mark(n, str(n)) for n in range(5))), None)
    first, key = analytics.newest_marks("paper", 3)
    assert [int(m.equity) for m in first] == [4, 3, 2]
    second, end = analytics.newest_marks("paper", 3, key)
    assert ([int(m.equity) for m in second], end) == ([1, 0], None)


def test_a_fact_that_is_not_ours_goes_back(delivered: Batch) -> None:
    """An event that the bus rule should not send here is a failure, not a loss."""
    stray = PositionChanged(
        id="p", occurred_at=AT, symbol="AAPL", quantity=Decimal(1), average_entry_price=Decimal(1),
        realised_pnl=Decimal(0), fills=1,
    )  # fmt: skip
    assert project.handler(delivered(stray), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
