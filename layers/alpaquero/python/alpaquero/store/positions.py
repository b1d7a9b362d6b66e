"""The Positions table: positions folded from fills. `position/project` writes it, `position/api` reads it."""

from __future__ import annotations

from pynamodb.exceptions import PutError

from alpaquero.events.schemas import OrderFilled
from alpaquero.portfolio.positions import Position
from alpaquero.store.projections import ProjectionItem
from alpaquero.store.tables import REGION, from_body, table_name, to_body

POSITION = "POSITION#"


class PositionItem(ProjectionItem):
    """One item of the Positions table."""

    class Meta:
        table_name = table_name("POSITIONS_TABLE")
        region = REGION


def keep_fill(account: str, fill: OrderFilled) -> list[OrderFilled]:
    """Keeps `fill` and returns every fill of its symbol that has come so far."""
    PositionItem.keep_fill(account, fill)
    return PositionItem.kept_fills(account, fill.symbol)


def save(account: str, position: Position, *, fills: int) -> bool:
    """Keeps `position`, folded from `fills` fills; False when one of more fills is kept already."""
    item = PositionItem(account, POSITION + position.symbol, body=to_body(position), fills=fills)
    try:
        item.save(condition=PositionItem.pk.does_not_exist() | (PositionItem.fills <= fills))
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def positions(account: str) -> list[Position]:
    """Every position ever held, closed ones too (quantity zero), by symbol."""
    found = PositionItem.query(account, PositionItem.sk.startswith(POSITION), consistent_read=True)
    return [from_body(item.body, Position) for item in found]
