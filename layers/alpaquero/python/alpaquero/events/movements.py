"""The events that tell of what moved without a fill: `trading/sync` puts them in the outbox with it."""

from __future__ import annotations

from alpaquero.events.bus import EncodedEvent, encoded
from alpaquero.events.schemas import CashMoved, Event, PositionSplit, SharesMoved
from alpaquero.portfolio.movements import CashMovement, Movement, ShareMovement, SharesKind, Split


def movement_told(movement: Movement) -> EncodedEvent:
    """The event of one movement; its id is the movement's, so a repeat is the same event."""
    return encoded(_event(movement), "trading")


def _event(movement: Movement) -> Event:
    identifier = f"moved:{movement.id}"
    match movement:
        case Split():
            paid = f", and {movement.cash} dollars for a part of a share" if movement.cash else ""
            return PositionSplit(
                id=identifier,
                occurred_at=movement.at,
                account=movement.account,
                movement_id=movement.id,
                symbol=movement.symbol,
                ratio=movement.ratio,
                whole=movement.whole,
                cash=movement.cash,
                message=f"each share of {movement.symbol} is {movement.ratio:.6g} shares now{paid}",
            )
        case ShareMovement():
            return SharesMoved(
                id=identifier,
                occurred_at=movement.at,
                account=movement.account,
                movement_id=movement.id,
                symbol=movement.symbol,
                quantity=movement.quantity,
                price=movement.price,
                kind=movement.kind,
                message=movement.why,
                acquired_at=movement.acquired_at,
            )
        case CashMovement():
            return CashMoved(
                id=identifier,
                occurred_at=movement.at,
                account=movement.account,
                movement_id=movement.id,
                kind=movement.kind,
                amount=movement.amount,
                symbol=movement.symbol,
                message=movement.why,
            )


def entry_of(event: PositionSplit | SharesMoved) -> Split | ShareMovement:
    """The movement that an event tells of."""
    if isinstance(event, PositionSplit):
        return Split(
            id=event.movement_id,
            account=event.account,
            symbol=event.symbol,
            at=event.occurred_at,
            ratio=event.ratio,
            whole=event.whole,
            cash=event.cash,
        )
    return ShareMovement(
        id=event.movement_id,
        account=event.account,
        symbol=event.symbol,
        at=event.occurred_at,
        quantity=event.quantity,
        price=event.price,
        kind=SharesKind(event.kind),
        why=event.message,
        acquired_at=event.acquired_at,
    )
