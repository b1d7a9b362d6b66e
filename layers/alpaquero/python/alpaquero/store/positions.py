"""The Positions table: positions folded from facts. `position/project` writes it, `position/api` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pynamodb.expressions.condition import Condition

from alpaquero.errors import Conflict
from alpaquero.portfolio.movements import ShareEntry
from alpaquero.portfolio.positions import Position, apply
from alpaquero.store.books import Books
from alpaquero.store.projections import (
    Projection,
    ProjectionItem,
    Reading,
    State,
    Sum,
    Taken,
    entry_of,
    transaction,
)
from alpaquero.store.tables import REGION, from_body, table_name, to_body

if TYPE_CHECKING:
    from alpaquero.store.projections import Fact

POSITION, SUM = "POSITION#", "SUM"
TRIES = 4


class PositionItem(ProjectionItem):
    """One item of the Positions table."""

    class Meta:
        table_name = table_name("POSITIONS_TABLE")
        region = REGION


class PositionProjection(Projection[Position]):
    """The position of one symbol; it carries the version of the sum that it was written with."""

    item, sk = PositionItem, SUM

    @property
    def nothing(self) -> Position:
        """The position before the first fact."""
        return Position(symbol=self.symbol)

    def settled(self, before: Position, facts: Sequence[Fact]) -> Position:
        """The position after the facts."""
        for fact in facts:
            before = apply(before, entry_of(fact))
        return before

    def decoded(self, text: str) -> State[Position]:
        """The state in an item's text."""
        return from_body(text, State[Position])

    def of(self, found: Sum[Position]) -> Position:
        """The position that a sum comes to."""
        return self.settled(found.settled, found.open_facts())

    def seen(self) -> Condition:
        """The position as it stands: a release before 2026-12 wrote it without the state."""
        item = PositionItem.found(self.account, POSITION + self.symbol)
        if item is None:
            return PositionItem.pk.does_not_exist()
        same: Condition = PositionItem.version == item.version
        if item.version is None:
            same = PositionItem.version.does_not_exist()
        same &= PositionItem.fills == item.fills
        return same

    def is_shown(self, state: State[Position]) -> bool:
        """Whether the position is there, and the one that was written with the state."""
        item = PositionItem.found(self.account, POSITION + self.symbol)
        return item is not None and item.version == state.version

    def add(
        self, state: State[Position], before: Sum[Position], facts: list[Fact], taken: Taken
    ) -> Sum[Position]:
        """Writes the fact, and the position over the one of the sum before."""
        after = self.summed(before.settled, facts, through=before.through, count=before.facts + 1)
        self._save(state, after, taken, PositionItem.version == state.version)
        return after

    def write(self, reading: Reading[Position], taken: Taken | None) -> Sum[Position]:
        """Writes the position of all facts over the one that was seen."""
        after = self.summed(self.nothing, reading.facts, count=len(reading.facts))
        self._save(reading.state, after, taken, reading.seen)
        return after

    def _save(
        self, state: State[Position], after: Sum[Position], taken: Taken | None, seen: Condition | None
    ) -> None:
        position = PositionItem(
            self.account,
            POSITION + self.symbol,
            body=to_body(self.of(after)),
            fills=after.facts,
            version=state.version + 1,
        )
        with transaction(self.symbol) as writes:
            self.put_state(writes, state, after)
            writes.save(position, condition=seen)
            if taken is not None:
                taken.put(writes)


def take(account: str, fact: Fact) -> tuple[Position, int]:
    """Keeps `fact`; the position of its symbol with it, and how many facts that is of.

    Raises `Conflict` when other workers kept coming between: let the fact come again.
    """
    projection = PositionProjection(account, fact.symbol)
    found = projection.take(fact)
    return projection.of(found), found.facts


def positions(account: str) -> list[Position]:
    """Every position ever held, closed ones too (quantity zero), by symbol."""
    found = PositionItem.query(account, PositionItem.sk.startswith(POSITION), consistent_read=True)
    return [from_body(item.body, Position) for item in found]


def entries(account: str, symbol: str) -> list[ShareEntry]:
    """What the position of `symbol` is folded from."""
    return [entry_of(fact) for fact in PositionItem.kept(account, symbol)]


def rebuild(account: str, books: Books) -> dict[str, str]:
    """Derives every position anew from the books; answers what was different, by symbol.

    Safe while facts come in: a position is written only over the one that was read. Raises `Conflict`
    when one kept changing: set trading to HALTED and rebuild again.
    """
    before = {position.symbol: position for position in positions(account)}
    symbols = {entry.symbol for entry in books.share_entries()} | before.keys()
    differences = PositionItem.make_facts(
        account, sorted(symbols), books, lambda symbol: PositionProjection(account, symbol)
    )
    for symbol in sorted(symbols):
        after = _derived_anew(account, symbol)
        if after != before.get(symbol, Position(symbol=symbol)):
            differences[symbol] = f"{_told(before.get(symbol))} before, {_told(after)} after"
    return differences


def _derived_anew(account: str, symbol: str) -> Position:
    projection = PositionProjection(account, symbol)
    for _ in range(TRIES):
        try:
            return projection.of(projection.derive(projection.state()))
        except Conflict:
            continue
    raise Conflict(f"the position of {symbol} kept changing; set trading to HALTED and rebuild again")


def _told(position: Position | None) -> str:
    if position is None:
        return "no position"
    return f"{position.quantity} at a cost of {position.cost_basis}, {position.realised_pnl} realised"
