"""What the Positions and Analytics tables share: each keeps the facts that it is folded from.

A fact is a fill, a split or shares that moved, as its event told it. A fold is written under the
condition that nobody has written one of more facts: each worker reads the facts after it has put its
own, so the worker that puts last reads them all. A rebuild makes the facts those of the books.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry
from alpaquero.store.books import Books
from alpaquero.store.tables import from_body, to_body

if TYPE_CHECKING:
    from alpaquero.events.schemas import OrderFilled, PositionSplit, SharesMoved

    Fact = OrderFilled | PositionSplit | SharesMoved

FILL, SHARES, SPLIT = "FILL#", "SHARES#", "SPLIT#"


@cache
def _kinds() -> Mapping[str, type[Fact]]:
    """The events that facts are, by their sort keys; not for those who only read what is folded."""
    from alpaquero.events.schemas import OrderFilled, PositionSplit, SharesMoved

    return {FILL: OrderFilled, SHARES: SharesMoved, SPLIT: PositionSplit}


class ProjectionItem(Model):
    """One item of a projection; `fills` counts the facts behind a fold, `version` its writes."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    fills = NumberAttribute(null=True)
    version = NumberAttribute(null=True)

    @classmethod
    def keep(cls, account: str, fact: Fact) -> None:
        """Keeps `fact`; one that is kept already stays as it is."""
        item = cls(f"{account}#{fact.symbol}", sort_key(fact), body=to_body(fact))
        try:
            item.save(condition=cls.pk.does_not_exist())
        except PutError as error:
            if error.cause_response_code != "ConditionalCheckFailedException":
                raise

    @classmethod
    def kept(cls, account: str, symbol: str) -> list[Fact]:
        """Every fact kept for `symbol`: fills, then movements and splits, in the order of their ids."""
        within = cls.sk.between(FILL, f"{SPLIT}~")
        found = cls.query(f"{account}#{symbol}", within, consistent_read=True)
        return [from_body(item.body, _kinds()[item.sk[: item.sk.index("#") + 1]]) for item in found]

    @classmethod
    def make_facts(cls, account: str, symbols: Iterable[str], books: Books) -> dict[str, str]:
        """Makes the facts kept those of the books; answers what was wrong, by symbol.

        The kept are read first: a fact is in the books before it is told, so none that comes meanwhile
        is taken for a stray one.
        """
        kept = {(symbol, sort_key(fact)): fact for symbol in symbols for fact in cls.kept(account, symbol)}
        right = {(fact.symbol, sort_key(fact)): fact for fact in facts_of(books)}
        stray = [key for key, fact in kept.items() if key not in right or not _same(fact, right[key])]
        for symbol, sk in stray:
            cls(f"{account}#{symbol}", sk).delete()
        missing = [key for key in right if key not in kept or key in stray]
        for key in missing:
            cls.keep(account, right[key])
        wrong = sorted({symbol for symbol, _ in [*stray, *missing]})
        return {
            symbol: f"{sum(s == symbol for s, _ in missing)} facts were missing or wrong, "
            f"{sum(key[0] == symbol and key not in right for key in stray)} had no place"
            for symbol in wrong
        }


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
