"""The Positions table: positions folded from facts. `position/project` writes it, `position/api` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.expressions.condition import Condition

from alpaquero.errors import Conflict
from alpaquero.portfolio.movements import ShareEntry
from alpaquero.portfolio.positions import Position, position_of
from alpaquero.store.books import Books
from alpaquero.store.projections import ProjectionItem, entry_of
from alpaquero.store.tables import REGION, from_body, table_name, to_body

if TYPE_CHECKING:
    from alpaquero.store.projections import Fact

POSITION = "POSITION#"
TRIES = 4


class PositionItem(ProjectionItem):
    """One item of the Positions table."""

    class Meta:
        table_name = table_name("POSITIONS_TABLE")
        region = REGION


def keep(account: str, fact: Fact) -> list[Fact]:
    """Keeps `fact` and returns every fact of its symbol that has come so far."""
    PositionItem.keep(account, fact)
    return PositionItem.kept(account, fact.symbol)


def save(account: str, position: Position, *, fills: int) -> bool:
    """Keeps `position`, folded from `fills` facts; False when one of more facts is kept already."""
    condition = PositionItem.pk.does_not_exist() | (PositionItem.fills <= fills)
    return _saved(_item(account, position, fills), condition)


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
    differences = PositionItem.make_facts(account, sorted(symbols), books)
    for symbol in sorted(symbols):
        after = _refolded(account, symbol)
        if after != before.get(symbol, Position(symbol=symbol)):
            differences[symbol] = f"{_told(before.get(symbol))} before, {_told(after)} after"
    return differences


def _refolded(account: str, symbol: str) -> Position:
    for _ in range(TRIES):
        try:
            was = PositionItem.get(account, POSITION + symbol, consistent_read=True).fills
            unchanged: Condition = PositionItem.fills == was
        except DoesNotExist:
            unchanged = PositionItem.pk.does_not_exist()
        facts = PositionItem.kept(account, symbol)
        position = position_of(symbol, map(entry_of, facts))
        if _saved(_item(account, position, len(facts)), unchanged):
            return position
    raise Conflict(f"the position of {symbol} kept changing; set trading to HALTED and rebuild again")


def _item(account: str, position: Position, fills: int) -> PositionItem:
    return PositionItem(account, POSITION + position.symbol, body=to_body(position), fills=fills)


def _saved(item: PositionItem, condition: Condition) -> bool:
    try:
        item.save(condition=condition)
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _told(position: Position | None) -> str:
    if position is None:
        return "no position"
    return f"{position.quantity} at a cost of {position.cost_basis}, {position.realised_pnl} realised"
