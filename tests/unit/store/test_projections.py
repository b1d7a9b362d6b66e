"""Facts in any order, late, twice, from two workers, through crashes and rebuilds: one outcome.

The whole walk over all facts (`position_of`, `folded`) says what the tables must hold, byte for byte.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpaquero.errors import Conflict
from alpaquero.events.schemas import OrderFilled
from alpaquero.orders.identity import client_order_id, manual_key
from alpaquero.orders.order import Fill, OrderOrigin
from alpaquero.portfolio.movements import ShareMovement, SharesKind, Split
from alpaquero.portfolio.positions import position_of
from alpaquero.portfolio.trades import OrderWords, folded
from alpaquero.store import analytics, positions, projections, schema
from alpaquero.store.analytics import CHECK, OPEN, TRADE, AnalyticsItem, TradesProjection
from alpaquero.store.books import Books
from alpaquero.store.positions import PositionItem, PositionProjection
from alpaquero.store.projections import entry_of, facts_of, sort_key
from alpaquero.store.tables import from_body, to_body, unpacked
from tests.conftest import CREDENTIALS
from tests.faults.memory_aws import MemoryAws, unhindered
from tests.unit.orders.builders import a_fill, at
from tests.unit.store.facts import only_keep

if TYPE_CHECKING:
    from alpaquero.store.projections import Fact

PK = "paper#AAPL"
PRICES = st.sampled_from(("100", "99.97", "101.3333", "7"))
QUANTITIES = st.sampled_from(("1", "2", "3", "0.5", "0.333333333"))


class Crash(BaseException):
    """The worker is gone; its message comes again."""


@dataclass
class Plan:
    """What befalls the calls of one worker, by their number; what befalls another inside it, nothing."""

    blows: dict[int, str] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    calls: int = 0
    is_inside: bool = False

    def around(self, _: str, make: Callable[[], Any]) -> Any:
        """One call of AWS, and what happens before or after it."""
        if self.is_inside:
            return make()
        self.calls += 1
        blow = self.blows.get(self.calls, "")
        if blow == "crash before":
            raise Crash
        if blow == "overtaken":
            self.is_inside = True
            self.meanwhile()
            self.is_inside = False
        answer = make()
        if blow == "crash after":
            raise Crash
        return answer


@st.composite
def histories(draw: st.DrawFn) -> list[Fill | Split | ShareMovement]:
    """Fills of our orders and of legs, splits and movements of one symbol, some at one instant."""
    entries: list[Fill | Split | ShareMovement] = []
    for number in range(draw(st.integers(1, 12))):
        when = draw(st.integers(0, 8))
        kind = draw(st.sampled_from(("fill", "fill", "fill", "fill", "split", "moved")))
        if kind == "fill":
            name = f"leg-{number}"
            if draw(st.booleans()):
                name = client_order_id(OrderOrigin.MANUAL, "AAPL", manual_key("paper", str(number)))
            side = draw(st.sampled_from(("buy", "sell")))
            fill = a_fill(number, side, draw(QUANTITIES), draw(PRICES), minutes=when, order=name)
            entries.append(replace(fill, id=f"{draw(st.integers(0, 99)):02d}{number:02d}"))
        elif kind == "split":
            ratio, whole = draw(st.sampled_from((Decimal(2), Decimal("0.1")))), draw(st.booleans())
            entries.append(
                Split(id=f"s{number}", account="paper", symbol="AAPL", at=at(when), ratio=ratio, whole=whole,
                      cash=Decimal("1.5"))
            )  # fmt: skip
        else:
            shares = Decimal(draw(QUANTITIES)) * draw(st.sampled_from((1, -1)))
            since = at(draw(st.integers(-3, 3))) if draw(st.booleans()) else None
            entries.append(
                ShareMovement(id=f"m{number}", account="paper", symbol="AAPL", at=at(when), quantity=shares,
                              price=Decimal(5), kind=SharesKind.TRANSFER, acquired_at=since)
            )  # fmt: skip
    return entries


def told(books: Books, entries: list[Fill | Split | ShareMovement]) -> list[Fact]:
    """The entries in the books, and what they tell, each order in words of its own."""
    books.commit(
        new_fills=[entry for entry in entries if isinstance(entry, Fill)],
        movements=[entry for entry in entries if not isinstance(entry, Fill)],
    )
    return [
        msgspec.structs.replace(fact, strategy=f"by {fact.fill_id}", arrival_price=Decimal(number + 1))
        if isinstance(fact, OrderFilled)
        else fact
        for number, fact in enumerate(facts_of(books))
    ]


def rows(aws: MemoryAws, table: str, pk: str) -> dict[str, dict[str, Any]]:
    """What the table holds under a partition key, by sort key: the attributes of each item."""
    items = aws.database.tables[table].items[pk]
    return {sk: {name: next(iter(item[name].values())) for name in item} for sk, item in items.items()}


def facts_in(aws: MemoryAws, table: str) -> list[Fact]:
    """The facts that a table keeps."""
    kinds = projections._kinds()
    found = ((sk, kinds.get(f"{sk.partition('#')[0]}#"), row) for sk, row in rows(aws, table, PK).items())
    return [from_body(row["body"], kind) for _, kind, row in found if kind]


def walked(facts: list[Fact]) -> tuple[str, dict[str, str]]:
    """The position, and the trades by their sort keys, that a walk over all facts gives."""
    entries = [entry_of(fact) for fact in facts]
    words = {
        fact.client_order_id: OrderWords(
            strategy=fact.strategy, reason=fact.reason, arrival_price=fact.arrival_price
        )
        for fact in facts
        if isinstance(fact, OrderFilled)
    }
    trades, held = folded(entries, words)
    seen: Counter[datetime] = Counter()
    bodies = {}
    for trade in trades:
        seen[trade.closed_at] += 1
        number = f"#{seen[trade.closed_at]}" if seen[trade.closed_at] > 1 else ""
        bodies[f"{TRADE}{trade.closed_at.isoformat()}#AAPL{number}"] = to_body(trade)
    bodies |= {f"{OPEN}AAPL": to_body(trade) for trade in held}
    return to_body(position_of("AAPL", entries)), bodies


def has_sum(aws: MemoryAws, table: str, sk: str) -> bool:
    """Whether a state is there, and not without a sum because somebody is about to add up anew."""
    state = rows(aws, table, PK).get(sk)
    return state is not None and "packed" in state and "settled" in unpacked(state["packed"])


def assert_whole(aws: MemoryAws) -> None:
    """A projection with a sum is what a walk over the facts it keeps gives, and each trade has its check."""
    if has_sum(aws, "positions", "SUM"):
        facts, position = facts_in(aws, "positions"), rows(aws, "positions", "paper")["POSITION#AAPL"]
        assert (position["body"], int(position["fills"])) == (walked(facts)[0], len(facts))
    if has_sum(aws, "analytics", "TRADES"):
        bodies = walked(facts_in(aws, "analytics"))[1]
        assert {sk: row["body"] for sk, row in rows(aws, "analytics", "paper").items()} == bodies
        checks = {sk: row["checksum"] for sk, row in rows(aws, "analytics", PK).items() if CHECK in sk}
        assert checks == {
            sk.replace(TRADE, CHECK): str(zlib.crc32(body.encode()))
            for sk, body in bodies.items()
            if TRADE in sk
        }


@contextmanager
def limits(newest: int, batch: int) -> Iterator[MemoryAws]:
    """An empty AWS, with sums that leave so many facts open and transactions of so many changes."""
    with pytest.MonkeyPatch.context() as patched, MemoryAws().installed() as aws:
        for name, value in CREDENTIALS.items():
            patched.setenv(name, value)
        patched.setattr(projections, "NEWEST", newest)
        patched.setattr(projections, "AT_ONCE", batch)
        patched.setattr(analytics, "BATCH", batch)
        yield aws


def by_the_release_before(facts: list[Fact], ledger_of: int, *, migrated: bool) -> None:
    """The tables as they were before facts had a sum: of the trades, those of the first facts are written."""
    for fact in facts:
        only_keep(PositionItem, fact)
        only_keep(AnalyticsItem, fact)
    if not facts:
        return
    PositionItem("paper", "POSITION#AAPL", body=walked(facts)[0], fills=len(facts)).save()
    bodies = walked(facts[:ledger_of])[1]
    for sk, body in bodies.items():
        AnalyticsItem("paper", sk, body=body).save()
    written = {sk: zlib.crc32(body.encode()) for sk, body in bodies.items()}
    ledger = {"written": written, "fills": ledger_of, "version": 3}
    item = {"pk": {"S": PK}, "sk": {"S": "TRADES"}, "version": {"N": "3"}, "body": {"S": to_body(ledger)}}
    if migrated:
        item = schema.brought_up("Analytics", item, schema.FIRST)
    AnalyticsItem.from_raw_data(item).save()


def rebuilt() -> None:
    """Both projections derived anew from the books, as the functions do it."""
    positions.rebuild("paper", Books("paper"))
    analytics.rebuild("paper", Books("paper"))


def taken(fact: Fact) -> None:
    """A fact taken into both."""
    positions.take("paper", fact)
    analytics.take("paper", fact)


LIMITS = st.tuples(st.sampled_from((1, 2, 5, 24)), st.sampled_from((1, 2, 48)))
BLOWS = st.dictionaries(
    st.integers(1, 60), st.sampled_from(("crash before", "crash after", "overtaken")), max_size=5
)


def any_arrival(
    history: list[Fill | Split | ShareMovement],
    sizes: tuple[int, int],
    blows: dict[int, str],
    data: st.DataObject,
) -> None:
    """Some facts before an upgrade, the others after it in any order, with rebuilds and blows between."""
    with limits(*sizes) as aws:
        facts = told(Books("paper"), history)
        before = data.draw(st.integers(0, len(facts) // 2)) if data.draw(st.booleans()) else 0
        by_the_release_before(
            facts[:before], data.draw(st.integers(0, before)), migrated=data.draw(st.booleans())
        )
        again = data.draw(st.lists(st.sampled_from(facts), max_size=4))
        come: list[Callable[[], None]] = [partial(taken, fact) for fact in [*facts, *again]]
        come = data.draw(st.permutations([*come, *[rebuilt] * data.draw(st.integers(0, 2))]))

        def another() -> None:
            (come.pop() if come else rebuilt)()

        plan = Plan(blows, another)
        while come:
            work = come.pop()
            aws.around = plan.around
            try:
                work()
            except (Crash, Conflict):
                plan.is_inside = False
                come.insert(0, work)
            aws.around = unhindered
            assert_whole(aws)
        assert set(map(sort_key, facts_in(aws, "positions"))) == set(map(sort_key, facts))
        assert set(map(sort_key, facts_in(aws, "analytics"))) == set(map(sort_key, facts))
        assert TradesProjection("paper", "AAPL").state().sum is not None
        assert PositionProjection("paper", "AAPL").state().sum is not None


@settings(max_examples=25, deadline=None)
@given(history=histories(), sizes=LIMITS, blows=BLOWS, data=st.data())
def test_any_arrival_gives_what_a_walk_over_all_facts_gives(
    history: list[Fill | Split | ShareMovement],
    sizes: tuple[int, int],
    blows: dict[int, str],
    data: st.DataObject,
) -> None:
    """Shuffled, late, twice, two workers, crashes at any call, rebuilds, an upgrade: never anything else."""
    any_arrival(history, sizes, blows, data)


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None)
@given(history=histories(), sizes=LIMITS, blows=BLOWS, data=st.data())
def test_any_of_many_arrivals_gives_what_a_walk_over_all_facts_gives(
    history: list[Fill | Split | ShareMovement],
    sizes: tuple[int, int],
    blows: dict[int, str],
    data: st.DataObject,
) -> None:
    """The same sixty times as often."""
    any_arrival(history, sizes, blows, data)


@pytest.mark.parametrize("newest", [1, 24])
def test_a_fact_that_the_release_before_took_meanwhile_is_not_lost(newest: int) -> None:
    """While a deploy goes on it keeps facts and writes positions without the sum: later facts find them."""
    fills = [a_fill(n, "buy", "1", "100", order=f"leg-{n}") for n in range(4)]
    with limits(newest, 48) as aws:
        one, two, three, four = told(Books("paper"), [*fills])
        taken(one)
        for model in (PositionItem, AnalyticsItem):
            only_keep(model, two)
        PositionItem("paper", "POSITION#AAPL", body=walked([one, two])[0], fills=2).save()
        taken(three)
        assert rows(aws, "positions", "paper")["POSITION#AAPL"]["fills"] == "3"
        taken(four)
        analytics.take("paper", two)  # the release before cannot read the state: its message comes again
        assert_whole(aws)
        assert len(facts_in(aws, "analytics")) == 4


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_what_an_order_says_may_be_learnt_between_its_fills(data: st.DataObject) -> None:
    """Each fill counts in the words that it was told in: adding up and a walk over all facts agree on it."""
    fills = [a_fill(n, "sell" if n % 3 == 2 else "buy", "1", str(100 + n), order="one") for n in range(9)]
    with limits(2, 48) as aws:
        for fact in data.draw(st.permutations(told(Books("paper"), [*fills]))):
            taken(fact)
        come = rows(aws, "analytics", "paper")
        analytics.rebuild("paper", Books("paper"))
        assert rows(aws, "analytics", "paper") == come


def test_what_is_read_for_a_fill_does_not_grow() -> None:
    """The hundredth fill reads the items that the thirtieth did, and so does its repeat."""
    fills = [a_fill(n, "sell" if n % 2 else "buy", "1", str(100 + n % 7)) for n in range(100)]
    with limits(24, 48) as aws:
        facts = told(Books("paper"), [*fills])
        counted: list[tuple[str, ...]] = []
        for fact in [*facts, facts[0], facts[99]]:
            calls: list[str] = []

            def count(what: str, make: Callable[[], Any], calls: list[str] = calls) -> Any:
                calls.append(what.removeprefix("dynamodb."))
                return make()

            aws.around = count
            taken(fact)
            counted.append(tuple(calls))
    a_fill_more = ("GetItem", "TransactWriteItems") * 2
    assert set(counted[1:100]) == {a_fill_more}
    assert counted[100:] == [("GetItem",) * 5, ("GetItem",) * 3]
