"""What the Positions and Analytics tables share: each keeps the facts that it is folded from.

A fact is a fill, a split or shares that moved, as its event told it. Beside the facts of a symbol is what
they add up to (`Sum`). A fact is kept, added to the sum and shown in the projection in one transaction, on
the condition that the sum is the one that was read: so the sum is always of every fact taken, and another
one costs the same however many there were. All facts are read again for one that is told later than the
newest few, for one that was kept without the sum (by a rebuild, by a release before 2026-12), and to derive
anew. A rebuild makes the facts those of the books.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from alpaquero.errors import Conflict
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, in_order
from alpaquero.quickly_made import dataclass
from alpaquero.store.books import Books
from alpaquero.store.tables import connection, from_body, packed, to_body, unpacked

if TYPE_CHECKING:
    from alpaquero.events.schemas import OrderFilled, PositionSplit, SharesMoved

    Fact = OrderFilled | PositionSplit | SharesMoved

FILL, SHARES, SPLIT = "FILL#", "SHARES#", "SPLIT#"
NEWEST = 24  # facts that a sum leaves open: queues and retries bring them out of order
TRIES = 6  # two workers at most take facts of one symbol at once
AT_ONCE = 90  # a transaction takes 100 items

S = TypeVar("S")


@cache
def _kinds() -> Mapping[str, type[Fact]]:
    """The events that facts are, by their sort keys; not for those who only read what is folded."""
    from alpaquero.events.schemas import OrderFilled, PositionSplit, SharesMoved

    return {FILL: OrderFilled, SHARES: SharesMoved, SPLIT: PositionSplit}


class ProjectionItem(Model):
    """One item of a projection; `fills` counts the facts behind it, `version` the writes of its symbol's sum.

    A fact that was taken has the version of the first sum that it is in; a sum is `packed`.
    """

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)
    fills = NumberAttribute(null=True)
    version = NumberAttribute(null=True)

    @classmethod
    def kept(cls, account: str, symbol: str) -> list[Fact]:
        """Every fact kept for `symbol`: fills, then movements and splits, in the order of their ids."""
        within = cls.sk.between(FILL, f"{SPLIT}~")
        found = cls.query(f"{account}#{symbol}", within, consistent_read=True)
        return [_fact_in(item.sk, item.body) for item in found]

    @classmethod
    def found(cls, pk: str, sk: str) -> ProjectionItem | None:
        """The item as it is now, or None."""
        try:
            return cls.get(pk, sk, consistent_read=True)
        except DoesNotExist:
            return None

    @classmethod
    def make_facts(
        cls, account: str, symbols: Iterable[str], books: Books, projection: Callable[[str], Projection[Any]]
    ) -> dict[str, str]:
        """Makes the facts kept those of the books, by the `projection` of a symbol; answers what was wrong.

        The kept are read first: a fact is in the books before it is told, so none that comes meanwhile
        is taken for a stray one.
        """
        kept = {(symbol, sort_key(fact)): fact for symbol in symbols for fact in cls.kept(account, symbol)}
        right = {(fact.symbol, sort_key(fact)): fact for fact in facts_of(books)}
        stray = {key for key, fact in kept.items() if key not in right or not _same(fact, right[key])}
        missing = [key for key in right if key not in kept or key in stray]
        wrong = sorted({symbol for symbol, _ in [*stray, *missing]})
        for symbol in wrong:
            projection(symbol).put_right(
                [right[key] for key in missing if key[0] == symbol],
                [key[1] for key in stray if key[0] == symbol and key not in right],
            )
        return {
            symbol: f"{sum(s == symbol for s, _ in missing)} facts were missing or wrong, "
            f"{sum(key[0] == symbol and key not in right for key in stray)} had no place"
            for symbol in wrong
        }


class Sum(msgspec.Struct, Generic[S], frozen=True, kw_only=True):
    """What the facts of a symbol add up to: `settled` is of all up to the moment `through`.

    `newest` are those after it in their order, each as its sort key and body, so that one of them may be told
    late. `facts` counts all.
    """

    settled: S
    through: datetime | None = None
    newest: tuple[tuple[str, str], ...] = ()
    facts: int = 0

    def holds(self, fact: Fact) -> bool:
        """Whether it is one of the newest."""
        return any(sk == sort_key(fact) for sk, _ in self.newest)

    def open_facts(self) -> list[Fact]:
        """The newest facts, in their order."""
        return [_fact_in(sk, body) for sk, body in self.newest]

    def open_with(self, fact: Fact) -> list[Fact] | None:
        """The newest facts with one more, in their order; None when it belongs among those settled."""
        if self.through is not None and fact.occurred_at <= self.through:
            return None
        return facts_in_order([*self.open_facts(), fact])


class State(msgspec.Struct, Generic[S], frozen=True, kw_only=True):
    """What is kept beside the facts of a symbol; without a `sum` all facts are to be read.

    `written` are trades that a release before 2026-12 wrote: sort key to CRC-32 of the body.
    """

    version: int = 0
    sum: Sum[S] | None = None
    written: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Taken:
    """The item of a fact that is taken, with the next version of the state, and what it is put on."""

    item: ProjectionItem
    condition: Condition

    def put(self, writes: TransactWrite) -> None:
        """Adds it to the writes."""
        writes.save(self.item, condition=self.condition)


@dataclass(frozen=True, slots=True)
class Reading(Generic[S]):
    """All that is known of a symbol: the state, then every fact in its order; what was `seen` still holds."""

    state: State[S]
    facts: list[Fact]
    seen: Condition | None = None


class Projection(ABC, Generic[S]):
    """The projection of one symbol in one table: `S` is what its facts add up to."""

    item: ClassVar[type[ProjectionItem]]
    sk: ClassVar[str]  # of the state

    def __init__(self, account: str, symbol: str) -> None:
        self.account, self.symbol = account, symbol
        self.pk = f"{account}#{symbol}"

    @property
    @abstractmethod
    def nothing(self) -> S:
        """What no facts add up to."""

    @abstractmethod
    def settled(self, before: S, facts: Sequence[Fact]) -> S:
        """What `before` and the facts add up to; they come in order."""

    @abstractmethod
    def decoded(self, text: str) -> State[S]:
        """The state in an item's text."""

    @abstractmethod
    def add(self, state: State[S], before: Sum[S], facts: list[Fact], taken: Taken) -> Sum[S] | None:
        """Writes the fact `taken` and what changes with it; `facts` are the newest, it among them.

        None, and nothing is written, when that is more than one transaction takes.
        """

    @abstractmethod
    def write(self, reading: Reading[S], taken: Taken | None) -> Sum[S]:
        """Writes what all facts add up to, and the fact `taken`, over what was read."""

    def seen(self) -> Condition | None:
        """What besides the state must stay as it is while all facts are read."""
        return None

    def is_shown(self, _state: State[S]) -> bool:
        """Whether the projection is there as the state was written; asked when a fact comes again."""
        return True

    def take(self, fact: Fact) -> Sum[S]:
        """Keeps a fact and brings the projection up to date; one that was taken before changes nothing.

        Raises `Conflict` when other workers kept coming between: let the fact come again.
        """
        doubtful = -1
        for tries_left in reversed(range(TRIES)):
            state = self.state()
            try:
                return self._taken(state, fact, anew=state.version == doubtful)
            except Conflict:
                if not tries_left:
                    raise
                doubtful = state.version  # when it stays: something else than the sum was not as it says
        raise AssertionError("the last try answers or raises")

    def _taken(self, state: State[S], fact: Fact, *, anew: bool) -> Sum[S]:
        if state.sum is None or anew:
            return self.derive(state, fact)
        if state.sum.holds(fact):
            return state.sum if self.is_shown(state) else self.derive(state, fact)
        facts = state.sum.open_with(fact)
        if facts is not None:
            taken = self._taking(fact, state, self.item.pk.does_not_exist())
            return self.add(state, state.sum, facts, taken) or self.derive(state, fact)
        kept = self.item.found(self.pk, sort_key(fact))
        if kept is not None and kept.version is not None and self.is_shown(state):
            return state.sum
        return self.derive(state, fact)

    def derive(self, state: State[S], fact: Fact | None = None) -> Sum[S]:
        """Writes what all facts add up to, `fact` among them. Raises `Conflict` when another worker wrote."""
        seen = self.seen()
        kept = {sort_key(one): one for one in self.item.kept(self.account, self.symbol)}
        taken = None
        if fact is not None:
            pk, key = self.item.pk, sort_key(fact)
            condition = pk.exists() if key in kept else pk.does_not_exist()
            taken = self._taking(kept.setdefault(key, fact), state, condition)
        return self.write(Reading(state, facts_in_order(kept.values()), seen), taken)

    def state(self) -> State[S]:
        """What is kept beside the facts, as it is now."""
        item = self.item.found(self.pk, self.sk)
        if item is None:
            return State()
        return self.decoded(unpacked(item.packed) if item.packed else item.body)

    def put_right(self, facts: Sequence[Fact], stray: Sequence[str]) -> None:
        """Keeps `facts` and deletes the `stray` ones, by sort key; the state is without a sum from then on.

        Raises `Conflict` when other workers kept coming between.
        """
        changes: list[Fact | str] = [*facts, *stray]
        for start in range(0, len(changes), AT_ONCE):
            for tries_left in reversed(range(TRIES)):
                try:
                    self._put_right(changes[start : start + AT_ONCE])
                except Conflict:
                    if not tries_left:
                        raise
                else:
                    break

    def _put_right(self, changes: Sequence[Fact | str]) -> None:
        state = self.state()
        with transaction(self.symbol) as writes:
            self.put_state(writes, state, None)
            for change in changes:
                if isinstance(change, str):
                    writes.delete(self.item(self.pk, change))
                else:
                    writes.save(self.item(self.pk, sort_key(change), body=to_body(change)))

    def summed(
        self, settled: S, facts: Sequence[Fact], *, through: datetime | None = None, count: int
    ) -> Sum[S]:
        """The sum of `count` facts: what is `settled` through a moment, and `facts` after it, in their order.

        All but the newest are settled with it; an instant is never torn, so what ends in it stays together.
        """
        over = len(facts) - NEWEST
        head = [fact for fact in facts if fact.occurred_at < facts[over].occurred_at] if over > 0 else []
        if head:
            settled, through = self.settled(settled, head), head[-1].occurred_at
        newest = tuple((sort_key(fact), to_body(fact)) for fact in facts[len(head) :])
        return Sum(settled=settled, through=through, newest=newest, facts=count)

    def _taking(self, fact: Fact, state: State[S], condition: Condition) -> Taken:
        item = self.item(self.pk, sort_key(fact), body=to_body(fact), version=state.version + 1)
        return Taken(item, condition)

    def put_state(
        self,
        writes: TransactWrite,
        state: State[S],
        added: Sum[S] | None,
        written: Mapping[str, int] | None = None,
    ) -> State[S]:
        """Puts the next state over `state`, as it was read; answers it."""
        left = state.written if written is None else dict(written)
        after = State(version=state.version + 1, sum=added, written=left)
        unchanged: Condition = self.item.version == state.version
        if not state.version:
            unchanged = self.item.pk.does_not_exist()
        item = self.item(self.pk, self.sk, packed=packed(to_body(after)), version=after.version)
        writes.save(item, condition=unchanged)
        return after


@contextmanager
def transaction(symbol: str) -> Iterator[TransactWrite]:
    """Writes of one symbol, all or none. Raises `Conflict` when one was not to be written any more."""
    try:
        with TransactWrite(connection=connection()) as writes:
            yield writes
    except TransactWriteError as error:
        reasons = {reason.code for reason in error.cancellation_reasons if reason}
        if error.cause_response_code == "TransactionCanceledException" and reasons <= _OVERTAKEN:
            raise Conflict(f"another worker wrote what {symbol} adds up to first; add it up again") from error
        raise


_OVERTAKEN = {"None", "ConditionalCheckFailed", "TransactionConflict"}


def facts_in_order(facts: Iterable[Fact]) -> list[Fact]:
    """The facts in the order in which they add up; see `movements.in_order`."""
    entries = [(entry_of(fact), fact) for fact in facts]
    by_id = {entry.id: fact for entry, fact in entries}
    return [by_id[entry.id] for entry in in_order(entry for entry, _ in entries)]


def _fact_in(sk: str, body: str) -> Fact:
    return from_body(body, _kinds()[sk[: sk.index("#") + 1]])


def sort_key(fact: Fact) -> str:
    """Where a fact is kept."""
    from alpaquero.events.schemas import OrderFilled, SharesMoved

    if isinstance(fact, OrderFilled):
        return FILL + fact.fill_id
    return (SHARES if isinstance(fact, SharesMoved) else SPLIT) + fact.movement_id


def facts_of(books: Books) -> list[Fact]:
    """Every fact that the books would tell, as they tell it."""
    from alpaquero.events import schemas
    from alpaquero.events.movements import movement_told
    from alpaquero.events.orders import order_filled
    from alpaquero.events.schemas import OrderFilled, PositionSplit, SharesMoved

    orders = {order.client_order_id: order for order in books.orders()}
    told = [
        order_filled(entry, orders.get(entry.client_order_id or ""))
        if isinstance(entry, Fill)
        else movement_told(entry)
        for entry in books.share_entries()
    ]
    facts = (schemas.decode(event.name, event.detail) for event in told)
    return [fact for fact in facts if isinstance(fact, OrderFilled | PositionSplit | SharesMoved)]


def entry_of(fact: Fact) -> ShareEntry:
    """What a fact adds to a fold; of a fill, the broker's order id is the one thing left out."""
    from alpaquero.events.movements import entry_of as movement_of
    from alpaquero.events.schemas import OrderFilled

    return fill_of(fact) if isinstance(fact, OrderFilled) else movement_of(fact)


def fill_of(event: OrderFilled) -> Fill:
    """The fill an event tells of."""
    return Fill(
        id=event.fill_id,
        account=event.account,
        client_order_id=event.client_order_id,
        broker_order_id="",
        symbol=event.symbol,
        side=Side(event.side),
        quantity=event.quantity,
        price=event.price,
        at=event.occurred_at,
    )


def _same(one: Fact, other: Fact) -> bool:
    """Whether both say the same of the shares in one schema; words of an order may have been learnt later."""
    return one.schema == other.schema and entry_of(one) == entry_of(other)
