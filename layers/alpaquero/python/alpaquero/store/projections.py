"""What the Positions and Analytics tables share: each keeps the fills that it is folded from.

A fold is written under the condition that nobody has written one of more fills: each worker reads
the fills after it has put its own, so the worker that puts last reads them all.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from alpaquero.events.schemas import OrderFilled
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.store.tables import from_body, to_body

FILL = "FILL#"


class ProjectionItem(Model):
    """One item of a projection; `fills` counts the fills behind a fold, `version` its writes."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    fills = NumberAttribute(null=True)
    version = NumberAttribute(null=True)

    @classmethod
    def keep_fill(cls, account: str, fill: OrderFilled) -> None:
        """Keeps `fill`; one that is kept already stays as it is."""
        item = cls(f"{account}#{fill.symbol}", FILL + fill.fill_id, body=to_body(fill))
        try:
            item.save(condition=cls.pk.does_not_exist())
        except PutError as error:
            if error.cause_response_code != "ConditionalCheckFailedException":
                raise

    @classmethod
    def kept_fills(cls, account: str, symbol: str) -> list[OrderFilled]:
        """Every fill kept for `symbol`, in the order of their ids."""
        found = cls.query(f"{account}#{symbol}", cls.sk.startswith(FILL), consistent_read=True)
        return [from_body(item.body, OrderFilled) for item in found]


def fill_of(event: OrderFilled) -> Fill:
    """The fill an event tells of; the broker's order id is the one thing it leaves out."""
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
