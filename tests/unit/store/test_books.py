"""The books are written whole or not at all, and only by who has read them last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alpaquero.errors import Conflict
from alpaquero.events.bus import EncodedEvent
from alpaquero.orders.identity import client_order_id, exit_key, manual_key
from alpaquero.orders.intent import Purpose, Side
from alpaquero.orders.lifecycle import OrderStatus
from alpaquero.orders.order import ExitStep, Fill, LegRole, Order, OrderEvent, OrderOrigin, OrderPurpose
from alpaquero.portfolio.movements import Split
from alpaquero.risk.activity import Activity, Holding
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook
from alpaquero.risk.verdict import RuleResult
from alpaquero.store import books as books_module
from alpaquero.store.books import Baseline, BookItem, Books, BrokerFigures, Snapshot, SyncNotes

AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
BOOKS = Books("paper")

pytestmark = pytest.mark.usefixtures("tables")


def order(number: int, status: str = OrderStatus.INTENDED, **other: object) -> Order:
    at = AT + timedelta(minutes=number)
    plain = Order(
        account="paper", client_order_id=f"order-{number}", symbol="AAPL", side=Side.BUY,
        origin=OrderOrigin.SIGNAL, purpose=OrderPurpose.ENTRY, status=status, created_at=at, updated_at=at,
        wall_created_at=at,
    )  # fmt: skip
    return replace(plain, **other)  # type: ignore[arg-type]


def fill(number: int) -> Fill:
    return Fill(
        id=f"20261120{number:04d}", account="paper", client_order_id=None, broker_order_id="b", symbol="AAPL",
        side=Side.BUY, quantity=Decimal("0.000000001"), price=Decimal("101.10"), at=AT,
    )  # fmt: skip


def event(number: int) -> EncodedEvent:
    return EncodedEvent(id=f"event-{number}", name="OrderUpdated", source="alpaquero.trading", detail="{}")


BOOK = RiskBook(
    account="paper", cash=Decimal("99.50"), equity=Decimal(100), peak_equity=Decimal(101), as_of=AT,
    positions={"AAPL": HeldPosition(Decimal("0.5"), Decimal("0.50"))},
    reservations={"order-1": Reservation("AAPL", Side.BUY, Purpose.ENTRY, Decimal("12.30"))},
)  # fmt: skip


def test_everything_comes_back_as_it_was_written() -> None:
    """Orders with their verdict and history, fills, risk book and baseline survive the table unchanged."""
    whole = order(
        1, role=LegRole.STOP_LOSS, exit_step=ExitStep.SELL, stop_price=Decimal("97.10"),
        verdict=(RuleResult("cash_reserve", True, "enough", Decimal(5), Decimal("95.25")),),
        history=(OrderEvent(AT, "intended", "a signal"),),
    )  # fmt: skip
    baseline = Baseline(
        account_number="A1",
        cash=Decimal("100000.00"),
        positions={"IBM": Decimal(3)},
        last_fill_id=None,
        at=AT,
    )
    BOOKS.commit(new_orders=[whole], new_fills=[fill(1)], risk_book=BOOK)
    BOOKS.open_with(baseline)
    assert BOOKS.order("order-1") == whole
    assert BOOKS.fills() == [fill(1)]
    assert BOOKS.risk_book() == BOOK
    assert BOOKS.baseline() == baseline


def test_an_order_and_the_risk_book_are_read_in_one_request() -> None:
    """Each as it was written, a large risk book too, and None for what is not there."""
    assert (None, None) == BOOKS.order_and_risk_book("order-1")
    large = replace(BOOK, highs={f"S{number}": Decimal(number) for number in range(9000)})
    BOOKS.commit(new_orders=[order(1)], risk_book=large)
    assert (order(1), large) == BOOKS.order_and_risk_book("order-1")
    assert (None, large) == BOOKS.order_and_risk_book("order-2")


def test_the_snapshot_is_what_there_is_one_of() -> None:
    """Each as it is read one by one, a large risk book too, and None for what is not there."""
    assert BOOKS.snapshot() == Snapshot(baseline=None, risk_book=None, broker=None, notes=SyncNotes())
    baseline = Baseline(account_number="A1", cash=Decimal(1), positions={}, last_fill_id=None, at=AT)
    large = replace(BOOK, highs={f"S{number}": Decimal(number) for number in range(9000)})
    figures = BrokerFigures(cash=Decimal(1), equity=Decimal(2), buying_power=Decimal(3), positions=(), at=AT)
    notes = SyncNotes(drift={"cash": Decimal(5)})
    BOOKS.open_with(baseline)
    BOOKS.keep_broker_figures(figures)
    BOOKS.commit(risk_book=large, notes=notes)
    assert BOOKS.snapshot() == Snapshot(baseline=baseline, risk_book=large, broker=figures, notes=notes)


def test_open_orders_of_one_symbol_leave_out_others_and_ended_ones() -> None:
    """Whoever trades one symbol reads no stop of another."""
    other, ended = order(2, symbol="IBM"), order(3, status=OrderStatus.FILLED)
    BOOKS.commit(new_orders=[order(1), other, ended])
    assert [order(1)] == BOOKS.open_orders_of("AAPL")
    assert [] == BOOKS.open_orders_of("MSFT")


def test_empty_books_hold_nothing() -> None:
    """Before the first write there is no order, no fill, no risk book and no baseline."""
    assert (BOOKS.order("order-1"), BOOKS.orders(), BOOKS.fills(), BOOKS.outbox()) == (None, [], [], [])
    assert (BOOKS.risk_book(), BOOKS.baseline(), BOOKS.newest_fill_ids(9)) == (None, None, [])


def test_the_first_baseline_stays() -> None:
    """What the account held when first seen is not rewritten by a later sight of it."""
    first = Baseline(account_number="A1", cash=Decimal(1), positions={}, last_fill_id=None, at=AT)
    assert BOOKS.open_with(first) == first
    later = Baseline(account_number="A1", cash=Decimal(2), positions={}, last_fill_id="f", at=AT)
    assert BOOKS.open_with(later) == first


@pytest.mark.parametrize(
    "second",
    [
        {"new_orders": [order(1)]},
        {"changed_orders": [order(1, version=3)]},
        {"changed_orders": [order(1, version=1)]},
        {"changed_orders": [order(9, version=2)]},
        {"new_fills": [fill(1)]},
        {"risk_book": BOOK},
        {"risk_book": replace(BOOK, version=3)},
    ],
    ids=[
        "order again",
        "order ahead",
        "order behind",
        "order unheard of",
        "fill again",
        "book again",
        "book ahead",
    ],
)
def test_a_write_on_what_has_changed_writes_nothing(second: dict[str, object]) -> None:
    """One condition that does not hold refuses the whole transaction, its events included."""
    BOOKS.commit(new_orders=[order(1)], new_fills=[fill(1)], risk_book=BOOK, events=[event(1)])
    with pytest.raises(Conflict):
        BOOKS.commit(**{"new_orders": [order(2)], **second}, events=[event(2)])  # type: ignore[arg-type]
    assert [o.client_order_id for o in BOOKS.orders()] == ["order-1"]
    assert BOOKS.order("order-1") == order(1)
    assert BOOKS.fills() == [fill(1)]
    assert BOOKS.risk_book() == BOOK
    assert BOOKS.outbox() == [event(1)]


def test_the_next_version_is_accepted() -> None:
    """Who has read the newest version may write the one after it."""
    BOOKS.commit(new_orders=[order(1)], risk_book=BOOK)
    changed = order(1, OrderStatus.NEW, version=2)
    BOOKS.commit(changed_orders=[changed], risk_book=replace(BOOK, version=2))
    assert BOOKS.order("order-1") == changed


@pytest.mark.parametrize(
    ("changed", "is_open"),
    [
        (order(1, OrderStatus.UNKNOWN, version=2), True),
        (order(1, OrderStatus.HELD, version=2), True),
        (order(1, "a_word_of_next_year", version=2), True),
        (order(1, OrderStatus.FILLED, version=2), False),
        (order(1, OrderStatus.REPLACED, version=2), False),
        (order(1, OrderStatus.REJECTED, version=2, exit_step=ExitStep.PROTECT), True),
        (order(1, OrderStatus.FILLED, version=2, exit_step=ExitStep.DONE), False),
    ],
    ids=lambda value: f"{value.status}-{value.exit_step}" if isinstance(value, Order) else "",
)
def test_an_order_is_open_while_there_is_something_left_to_do(changed: Order, is_open: bool) -> None:
    """Unknown states stay open; an ended exit that still has a step to do does too."""
    BOOKS.commit(new_orders=[order(1)])
    BOOKS.commit(changed_orders=[changed])
    assert BOOKS.open_orders() == ([changed] if is_open else [])


def test_orders_page_from_the_newest_to_the_oldest() -> None:
    """Pages follow each other without gap or double, whatever order they were written in."""
    for number in (3, 1, 5, 2, 4):
        BOOKS.commit(new_orders=[order(number)])
    seen, before = [], None
    while True:
        page, before = BOOKS.newest_orders(2, before)
        seen += [o.client_order_id for o in page]
        if before is None:
            break
    assert seen == [f"order-{n}" for n in (5, 4, 3, 2, 1)]


def test_ended_orders_of_a_symbol_are_looked_for_among_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oldest first, as a chart draws them; it does not go through years of orders for them."""
    for number in range(1, 7):
        symbol, status = "IBM" if number == 4 else "AAPL", "new" if number == 5 else "canceled"
        BOOKS.commit(new_orders=[order(number, status, symbol=symbol)])
    ended = BOOKS.ended_orders_of("AAPL", AT + timedelta(minutes=2))
    assert ["order-2", "order-3", "order-6"] == [one.client_order_id for one in ended]
    monkeypatch.setattr(books_module, "MOST_LOOKED_AT", 4)
    ended = BOOKS.ended_orders_of("AAPL", AT)
    assert ["order-3", "order-6"] == [one.client_order_id for one in ended]


def test_the_first_orders_and_fills_after_a_moment_are_read_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What explains an order of last year stands next to it; all that came since is not read for it."""
    for number in range(1, 6):
        BOOKS.commit(new_orders=[order(number)], new_fills=[fill(number)])
    monkeypatch.setattr(books_module, "MOST_LOOKED_AT", 2)
    found = BOOKS.orders_after(AT + timedelta(minutes=2))
    assert ["order-2", "order-3"] == [one.client_order_id for one in found]
    assert [fill(1), fill(2)] == BOOKS.fills_after(AT)


def test_the_newest_fills_are_those_with_the_highest_activity_ids() -> None:
    """Sync asks the broker for what comes after it."""
    for number in (2, 10, 9):
        BOOKS.commit(new_fills=[fill(number)])
    assert BOOKS.newest_fill_ids(2) == [fill(10).id, fill(9).id]
    assert BOOKS.fills() == [fill(2), fill(9), fill(10)]


def test_an_event_stays_in_the_outbox_until_it_is_published() -> None:
    """Only what reached the bus is deleted, and the sweeper sees only what has waited."""
    BOOKS.commit(events=[event(1), event(2)])
    assert BOOKS.outbox(older_than_seconds=3600) == []
    BOOKS.published(["event-1"])
    assert BOOKS.outbox() == [event(2)]


def test_an_event_published_twice_in_one_batch_is_deleted_once() -> None:
    """A batch of the stream may name an event twice; DynamoDB takes a key once a request."""
    BOOKS.commit(events=[event(1)])
    BOOKS.published(["event-1", "event-1"])
    assert BOOKS.outbox() == []


def test_accounts_do_not_see_each_other() -> None:
    """The books of one label hold nothing of another's."""
    BOOKS.commit(new_orders=[order(1)], new_fills=[fill(1)], events=[event(1)])
    other = Books("live")
    assert (other.orders(), other.open_orders(), other.fills(), other.outbox()) == ([], [], [], [])


def a_full_book(symbols: int) -> RiskBook:
    """Every symbol held by us, with its high, an exit under way and a sale of late."""
    names = [f"{number:04d}Q" for number in range(symbols)]
    entries = {name: client_order_id("sig", name, manual_key("paper", name)) for name in names}
    exits = {name: client_order_id("risk", name, exit_key("paper", name, "x")) for name in names}
    when = {name: AT + timedelta(microseconds=number) for number, name in enumerate(names)}
    return replace(
        BOOK,
        positions={
            name: HeldPosition(Decimal(number), Decimal(number) * 7 / 4) for number, name in enumerate(names)
        },
        reservations={
            exits[n]: Reservation(n, Side.SELL, Purpose.EXIT, Decimal(0), Decimal(1)) for n in names
        },
        deducted=tuple(sorted(exits.values())),
        highs={f"{name}:{entry}": Decimal("101.25") for name, entry in entries.items()},
        activity=Activity(
            last_exit_at=when, holdings={name: Holding(when[name], entries[name]) for name in names}
        ),
    )


def test_the_risk_book_of_a_thousand_symbols_fits_into_an_item_twice() -> None:
    """DynamoDB takes 400 KB; a book that would not fit stops sync, and with it every exit."""
    book = a_full_book(1000)
    BOOKS.commit(risk_book=book)
    item = BookItem.get("paper", "RISKBOOK")
    assert len(item.packed) < 200_000
    assert book == BOOKS.risk_book()


def test_a_risk_book_goes_from_text_to_packed_and_back() -> None:
    """A small book can be read in the console; one that grew and shrank leaves nothing behind."""
    BOOKS.commit(risk_book=BOOK)
    large = replace(a_full_book(400), version=2)
    BOOKS.commit(risk_book=large)
    assert large == BOOKS.risk_book()
    BOOKS.commit(risk_book=replace(BOOK, version=3))
    assert replace(BOOK, version=3) == BOOKS.risk_book()
    assert BookItem.get("paper", "RISKBOOK").packed is None


def a_history(number: int) -> list[Fill]:
    """So many fills, a minute apart: a share bought and sold again, a dollar lost each time."""
    return [
        replace(
            fill(1),
            id=f"20261120{place:08d}",
            side=Side.SELL if place % 2 else Side.BUY,
            quantity=Decimal(1),
            price=Decimal(99 if place % 2 else 100),
            at=AT + timedelta(minutes=place),
        )
        for place in range(number)
    ]


def test_a_new_fill_reads_few_of_the_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What most of the history adds up to is kept; the answer is that of the whole."""
    history = a_history(500)
    for place in range(0, 500, 50):
        BOOKS.commit(new_fills=history[place : place + 50])
    BOOKS.open_with(Baseline(account_number="A", cash=Decimal(0), positions={}, last_fill_id=None, at=AT))
    whole, held = BOOKS.activity(BOOK), BOOKS.held()
    BOOKS.keep_fold(None)
    read: list[int] = []
    fills = Books.fills

    def counted(self: Books, after: str = "") -> list[Fill]:
        found = fills(self, after)
        read.append(len(found))
        return found

    monkeypatch.setattr(Books, "fills", counted)
    assert (whole, held) == (BOOKS.activity(BOOK), BOOKS.held())
    assert [100, 100] == read
    assert ({}, Decimal(-250), 250) == (*held, whole.loss_streak)
    late = Split(id="split:AAPL:x", account="paper", symbol="AAPL", at=AT, ratio=Decimal(2))
    BOOKS.commit(movements=[late])
    BOOKS.activity(BOOK)
    assert 500 == read[-1]
    BOOKS.forget_fold()
    BOOKS.activity(BOOK)
    assert 500 == read[-1]


def test_the_newest_fills_are_never_in_the_kept_fold() -> None:
    """One of them may still be told late, and would be missing in it."""
    history = a_history(450)
    missing = history.pop(440)
    for place in range(0, 449, 50):
        BOOKS.commit(new_fills=history[place : place + 50])
    BOOKS.keep_fold(None)
    BOOKS.commit(new_fills=[missing])
    assert ({}, Decimal(-225)) == BOOKS.held()
