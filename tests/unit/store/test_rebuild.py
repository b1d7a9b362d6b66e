"""A rebuild makes both projections what the books add up to, whatever was wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.errors import Conflict
from alpaquero.events.schemas import BooksRebuilt, EquityMarked, Event, OrderFilled
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import Split
from alpaquero.portfolio.positions import position_of
from alpaquero.portfolio.trades import trades_of
from alpaquero.store import analytics, positions
from alpaquero.store.books import Baseline, Books
from alpaquero.store.projections import facts_of
from functions.analytics import project as analytics_project
from functions.position import project as position_project
from tests.unit.orders.builders import a_fill, an_order, at
from tests.unit.store.facts import only_keep

FILLS = [a_fill(1, "buy", "10", "100"), a_fill(2, "sell", "10", "110"), a_fill(4, "buy", "3", "90")]
SPLIT = Split(id="split:AAPL:x", account="paper", symbol="AAPL", at=at(5), ratio=Decimal(2))
REBUILT = BooksRebuilt(id="r", occurred_at=at(9), account="paper", differences={})


@pytest.fixture
def books(tables: None) -> Books:
    """Ten AAPL bought and sold, three bought and split, two IBM held from the beginning."""
    opened = Books("paper")
    opened.open_with(
        Baseline(
            account_number="A", cash=Decimal(1000), positions={"IBM": Decimal(2)}, last_fill_id=None,
            at=at(0), entry_prices={"IBM": Decimal(50)},
        )
    )  # fmt: skip
    opened.commit(new_fills=FILLS, movements=[SPLIT])
    return opened


def tell(books: Books, leaving_out: int | None = None) -> None:
    """Brings the projections what the books tell, all but one fact."""
    for number, fact in enumerate(facts_of(books)):
        if number != leaving_out:
            positions.take("paper", fact)
            analytics.take("paper", fact)


def is_sound(books: Books) -> bool:
    """Whether both projections are folds of the books."""
    entries = books.share_entries()
    folded = {s: position_of(s, entries) for s in ("AAPL", "IBM")}
    return ({p.symbol: p for p in positions.positions("paper")}, analytics.trades("paper")) == (
        folded,
        trades_of(entries, {f.client_order_id or "": "filled outside of Alpaquero" for f in FILLS}),
    )


def test_sound_projections_are_left_as_they_are(books: Books) -> None:
    """Nothing is different, twice."""
    tell(books)
    for _ in range(2):
        assert ({}, {}) == (positions.rebuild("paper", books), analytics.rebuild("paper", books))
    assert is_sound(books)


@pytest.mark.parametrize("missing", range(5))
def test_a_fact_that_never_came_is_brought(books: Books, missing: int) -> None:
    """What was under way when a queue was lost is in the books still."""
    tell(books, leaving_out=missing)
    assert positions.rebuild("paper", books)
    assert analytics.rebuild("paper", books)
    assert is_sound(books)


def test_empty_tables_are_filled(books: Books) -> None:
    """As after a table was lost."""
    assert {"AAPL", "IBM"} == positions.rebuild("paper", books).keys()
    analytics.rebuild("paper", books)
    assert is_sound(books)


def test_trades_that_were_lost_or_spoilt_are_written_again(books: Books) -> None:
    """Whatever their checks say, and one that nothing gives goes."""
    tell(books)
    right = {item.sk: item.body for item in analytics.AnalyticsItem.query("paper")}
    lost = next(sk for sk in right if sk.startswith(analytics.TRADE))
    analytics.AnalyticsItem("paper", f"{lost}#2", body=right[lost]).save()
    for body in (None, right[lost].replace("100", "101")):
        item = analytics.AnalyticsItem("paper", lost, body=body)
        item.save() if body else item.delete()
        assert ["AAPL"] == list(analytics.rebuild("paper", books))
        assert {item.sk: item.body for item in analytics.AnalyticsItem.query("paper")} == right
    assert analytics.rebuild("paper", books) == {}


def test_a_fact_that_the_books_lack_goes(books: Books) -> None:
    """A fill of nowhere leaves the position and the trades, and is told."""
    tell(books)
    stray = OrderFilled(
        id="s", occurred_at=at(6), account="paper", fill_id="stray", client_order_id="", symbol="AAPL",
        side="sell", purpose="unknown", role=None, quantity=Decimal(6), price=Decimal(1), reason="",
    )  # fmt: skip
    only_keep(positions.PositionItem, stray)
    analytics.take("paper", stray)
    found = positions.rebuild("paper", books)
    assert ["AAPL"] == list(found)
    assert ["AAPL"] == list(analytics.rebuild("paper", books))
    assert is_sound(books)


def test_a_fill_that_comes_meanwhile_is_kept(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trading goes on during a rebuild: what is written and told in between is not taken for a stray one."""
    tell(books)
    late = a_fill(7, "sell", "6", "60")
    fills = Books.fills
    come: list[Fill] = []

    def meanwhile(self: Books) -> list[Fill]:
        if not come:
            come.append(late)
            self.commit(new_fills=[late])
            for fact in facts_of(self):
                positions.take("paper", fact)
        return fills(self)

    monkeypatch.setattr(Books, "fills", meanwhile)
    positions.rebuild("paper", books)
    analytics.rebuild("paper", books)
    aapl = next(p for p in positions.positions("paper") if p.symbol == "AAPL")
    assert Decimal(0) == aapl.quantity == position_of("AAPL", books.share_entries()).quantity


def test_a_position_that_keeps_changing_says_what_to_do(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than write over news it gives up, and names the fix."""
    tell(books)
    kept = positions.PositionItem.kept.__func__  # type: ignore[attr-defined]

    def overtaken(cls: type[Any], account: str, symbol: str) -> Any:
        found = kept(cls, account, symbol)
        item = cls.get(account, positions.POSITION + symbol)
        item.fills += 1
        item.save()
        return found

    monkeypatch.setattr(positions.PositionItem, "kept", classmethod(overtaken))
    with pytest.raises(Conflict, match="HALTED"):
        positions.rebuild("paper", books)


def test_both_projections_rebuild_when_the_books_were(
    books: Books, delivered: Callable[..., dict[str, Any]], published: list[Event]
) -> None:
    """On the event from the bus, and as a job of the command line that answers what was different."""
    for handler in (position_project.handler, analytics_project.handler):
        assert {"batchItemFailures": []} == handler(delivered(REBUILT), None)
        assert {"differences": {}} == handler({"job": "rebuild"}, None)
    assert is_sound(books)


def test_a_word_of_an_order_learnt_later_is_no_difference(books: Books) -> None:
    """The fill is the same, whatever its order's reason was when it was told."""
    for fact in facts_of(books):
        told = replace_reason(fact)
        positions.take("paper", told)
    assert {} == positions.rebuild("paper", books)


def replace_reason(fact: Any) -> Any:
    """The same fill under another reason."""
    return msgspec.structs.replace(fact, reason="x") if isinstance(fact, OrderFilled) else fact


def test_what_older_facts_lack_is_filled(books: Books) -> None:
    """Fills told in schema 1 had no strategy; a rebuild takes them anew, and their trades with it."""
    entry = an_order(client_order_id="entry", strategy="dips", reason="oversold", arrival_price=Decimal(99))
    fills = [
        a_fill(5, "buy", "4", "100", order="entry", symbol="MSFT"),
        a_fill(6, "sell", "1", "104", symbol="MSFT"),
    ]
    books.commit(new_orders=[entry], new_fills=fills)
    for fact in facts_of(books):
        old = (
            msgspec.structs.replace(fact, strategy="", arrival_price=None, schema=1)
            if as_fill(fact)
            else fact
        )
        analytics.take("paper", old)
    assert [trade.strategy for trade in analytics.open_trades("paper") if trade.symbol == "MSFT"] == [""]
    assert "MSFT" in analytics.rebuild("paper", books)
    held = next(trade for trade in analytics.open_trades("paper") if trade.symbol == "MSFT")
    assert (held.strategy, held.tag, held.arrival_price) == ("dips", "oversold", Decimal(99))
    assert (held.quantity, held.realised_pnl) == (Decimal(3), Decimal(4))
    assert analytics.rebuild("paper", books) == {}


def as_fill(fact: object) -> bool:
    return isinstance(fact, OrderFilled)


def test_closes_of_days_follow_from_the_marks(books: Books) -> None:
    """Marks kept before there were closes, and a close that is wrong: each day's is its last mark again."""
    tell(books)
    marks = [
        a_mark(minutes, str(equity)) for minutes, equity in ((0, 100), (9, 101), (1440, 102), (5760, 105))
    ]
    for mark in marks:
        analytics.save_mark("paper", mark)
    closes = analytics.closes("paper")
    assert [(str(close.date), close.equity) for close in closes] == [
        ("2012-07-02", 101), ("2012-07-03", 102), ("2012-07-06", 105),
    ]  # fmt: skip
    analytics.AnalyticsItem("paper", f"{analytics.DAY}2012-07-02").delete()
    analytics._save_close("paper", msgspec.structs.replace(marks[2], equity=Decimal(7)))
    assert analytics.rebuild("paper", books) == {"days": "2 closes were missing or wrong"}
    assert analytics.closes("paper") == closes
    assert analytics.rebuild("paper", books) == {}


def a_mark(minutes: float, equity: str) -> EquityMarked:
    """The account so many minutes after noon."""
    return EquityMarked(
        id=f"mark:{minutes}", occurred_at=at(minutes), account="paper", equity=Decimal(equity),
        cash=Decimal(1), peak_equity=Decimal(1), drawdown_percent=Decimal(0),
    )  # fmt: skip


def test_a_mark_that_comes_late_does_not_close_its_day(books: Books) -> None:
    """In any order and twice, the close is the day's last mark."""
    for minutes in (9, 0, 9, 4):
        analytics.save_mark("paper", a_mark(minutes, str(100 + minutes)))
    assert [(close.at, close.equity) for close in analytics.closes("paper")] == [(at(9), Decimal(109))]
