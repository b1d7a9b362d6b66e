"""A reconciliation reads the broker's statement anew and keeps what our books have otherwise."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from alpaquero.broker.statement import DifferenceKind, Reconciliation
from alpaquero.events import queues as sending
from alpaquero.events.commands import SyncBooks
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store.books import FILL, BookItem
from functions.trading import sync
from tests.unit.trading.world import World


def kept(world: World) -> Reconciliation:
    found = world.books.reconciliation()
    assert found is not None
    return found


def test_trades_fees_and_dividends_reconcile_to_the_cent(world: World) -> None:
    """A round trip, what the broker charged and paid: nothing differs, and the answer is kept."""
    world.hold()
    world.begin_exit()
    world.settle()
    world.broker.step()
    world.broker.move_cash("FEE", "-0.03")
    world.broker.move_cash("DIV", "4.20")
    answer = sync.handler({"job": "reconcile"}, None)
    assert (answer["agrees"], answer["differences"]) == (True, 0)
    found = kept(world)
    assert found.agrees
    assert {"DIV", "FEE", "FILL"} == {total.kind for total in found.days}
    assert all(not total.difference for total in found.days)
    assert [("cash", world.broker.cash)] == [(one.name, one.ours) for one in found.balances]


def test_a_fill_that_was_lost_here_is_read_again_by_the_sync_before(world: World) -> None:
    """What a sync can mend is mended; what it cannot is named."""
    world.hold()
    [fill] = world.books.fills()
    world.books.forget_fold()
    BookItem("paper", FILL + fill.id, body="").delete()
    assert sync.handler({"job": "reconcile"}, None)["agrees"]
    world.broker._fills[0] = world.broker._fills[0].__class__(
        fill.id, "b", "AAPL", "buy", fill.quantity, Decimal("99.5"), fill.at
    )
    found = sync.handler({"job": "reconcile"}, None)
    assert (found["agrees"], found["differences"]) == (False, 1)
    [line] = kept(world).differences
    assert (DifferenceKind.DIFFERENT, fill.id) == (line.difference, line.id)


def test_days_may_be_given_and_a_message_asks_once(world: World) -> None:
    """Of several messages that ask for the same days one reads; other days are left out."""
    world.hold()
    day = world.broker.now.astimezone(NEW_YORK).date()
    for _ in range(2):
        asked = SyncBooks(
            reason="reconcile", correlation_id="asked-by-ana", first=day + timedelta(days=1),
            last=day + timedelta(days=2),
        )  # fmt: skip
        sending.send("sync-queue", asked)
    assert {"batchItemFailures": []} == sync.handler({"Records": world.queues.receive("sync-queue")}, None)
    found = kept(world)
    assert (found.first, found.last) == (day + timedelta(days=1), day + timedelta(days=2))
    assert (found.correlation_id, found.days, found.agrees) == ("asked-by-ana", (), True)


def test_nothing_is_reconciled_before_the_books_are_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to do first."""
    monkeypatch.setattr("functions.trading.sync.sync", dict)
    monkeypatch.setattr("alpaquero.store.books.Books.baseline", lambda _: None)
    with pytest.raises(LookupError, match="run a sync first"):
        sync.reconcile()
