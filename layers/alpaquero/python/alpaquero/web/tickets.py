"""A person's order as an intent: what `POST /orders` queues, and what `POST /risk/assess` judges alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from alpaquero.errors import InvalidRequest
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.terms import TermsError, on_ticks
from alpaquero.web.bodies.trading import PlaceOrder


def manual_intent(
    body: PlaceOrder, *, account: str, key: str, username: str, asked_at: datetime, correlation_id: str
) -> Intent:
    """The intent that a person's order makes, its prices on their step; `key` is from `manual_key`.

    Raises `InvalidRequest` that names the field, for one no broker could take.
    """
    with named_fields():
        side = body.side
        return on_ticks(
            Intent(
                account=account,
                origin=Origin.MANUAL,
                purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
                symbol=body.symbol.upper(),
                side=side,
                key=key,
                order_type=body.order_type,
                order_class=body.order_class,
                time_in_force=body.time_in_force,
                quantity=body.quantity,
                notional=body.notional,
                percentage=body.percentage,
                limit_price=body.limit_price,
                stop_price=body.stop_price,
                trail_price=body.trail_price,
                trail_percent=body.trail_percent,
                take_profit_price=body.take_profit_price,
                stop_loss_price=body.stop_loss_price,
                stop_loss_limit_price=body.stop_loss_limit_price,
                extended_hours=body.extended_hours,
                asked_at=asked_at,
                reason=body.reason or "placed by hand",
                requested_by=username,
                correlation_id=correlation_id,
            )
        )


@contextmanager
def named_fields() -> Iterator[None]:
    """Terms that do not fit are the caller's to mend: the answer names the field."""
    try:
        yield
    except TermsError as error:
        raise InvalidRequest(str(error), error.field) from None
    except ValueError as error:
        raise InvalidRequest(str(error), "symbol") from None
