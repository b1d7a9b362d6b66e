"""The BrokerState table: what all functions share about the broker's condition, and a dry run's orders.

`alpaquero.broker.guard` reads and writes breakers and budgets, `alpaquero.shared_breaker` the breakers of
all else that we call; `alpaquero.broker.dry_run` keeps what it would have ordered. Rows of breakers and
budgets expire a day after their last change.
"""

from __future__ import annotations

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError, PynamoDBException
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from alpaquero import wall
from alpaquero.broker.breaker import Breaker
from alpaquero.broker.budget import Window
from alpaquero.broker.protocol import BrokerOrder
from alpaquero.errors import SharedStateLost
from alpaquero.store.tables import REGION, from_body, table_name, to_body

BREAKER, BUDGET, DRY_RUN, OUTBOUND = "BREAKER", "BUDGET#", "DRY_RUN#", "OUTBOUND"
KEEP_SECONDS = 86_400
KEEP_DRY_ORDERS_SECONDS = 30 * 86_400  # the books keep them for good
_CONFLICT = "ConditionalCheckFailedException"


class BrokerStateItem(Model):
    """`<scope>` / `BREAKER` or `BUDGET#<key>`; `OUTBOUND` / what is called;
    `DRY_RUN#<account>` / client order id.

    `version` is the breaker's; of a budget `resets_at` (epoch seconds) and `remaining` decide which
    of two views is the stricter.
    """

    class Meta:
        table_name = table_name("BROKER_STATE_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    version = NumberAttribute(null=True)
    resets_at = NumberAttribute(null=True)
    remaining = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class SharedBrokerState:
    """`alpaquero.broker.guard.SharedState` over the table."""

    def read(self, scope: str) -> tuple[Breaker, dict[str, Window]]:
        """One consistent query brings both. Raises `SharedStateLost`."""
        breaker, windows = Breaker(), {}
        try:
            for item in BrokerStateItem.query(scope, consistent_read=True):
                if item.sk == BREAKER:
                    breaker = from_body(item.body, Breaker)
                else:
                    windows[item.sk.removeprefix(BUDGET)] = from_body(item.body, Window)
        except (PynamoDBException, msgspec.ValidationError) as error:
            raise SharedStateLost(str(error)) from error
        return breaker, windows

    def swap(self, scope: str, before: Breaker, after: Breaker) -> bool:
        """Compare-and-swap by the breaker's version. Raises `SharedStateLost`."""
        return _swapped(scope, BREAKER, before, after)

    def tell(self, scope: str, key: str, window: Window) -> None:
        """Keeps the later window, and of the same one the smaller rest. Raises `SharedStateLost`."""
        item = BrokerStateItem(
            scope,
            f"{BUDGET}{key}",
            body=to_body(window),
            resets_at=window.resets_at,
            remaining=window.remaining,
            expires_at=_in(KEEP_SECONDS),
        )
        is_stricter = (
            BrokerStateItem.pk.does_not_exist()
            | (BrokerStateItem.resets_at < window.resets_at)
            | (
                (BrokerStateItem.resets_at == window.resets_at)
                & (BrokerStateItem.remaining > window.remaining)
            )
        )
        _saved(item, is_stricter)


class OutboundState:
    """`alpaquero.shared_breaker.BreakerState` for webhooks, mail, SMS and the watchdog."""

    def read(self, scope: str) -> tuple[Breaker, dict[str, Window]]:
        """The breaker of what is called `scope`; there is no budget. Raises `SharedStateLost`."""
        return self._found(scope).get(scope, Breaker()), {}

    def swap(self, scope: str, before: Breaker, after: Breaker) -> bool:
        """Compare-and-swap by the breaker's version. Raises `SharedStateLost`."""
        return _swapped(OUTBOUND, scope, before, after)

    def all(self) -> dict[str, Breaker]:
        """Every breaker that a failure of the last day has moved, by name. Raises `SharedStateLost`."""
        return self._found()

    def _found(self, scope: str | None = None) -> dict[str, Breaker]:
        wanted = None if scope is None else BrokerStateItem.sk == scope
        try:
            items = BrokerStateItem.query(OUTBOUND, wanted, consistent_read=True)
            return {item.sk: from_body(item.body, Breaker) for item in items}
        except (PynamoDBException, msgspec.ValidationError) as error:
            raise SharedStateLost(str(error)) from error


class DryRunOrders:
    """The orders a dry run would have placed for one account."""

    def __init__(self, account: str) -> None:
        self._pk = f"{DRY_RUN}{account}"

    def keep(self, order: BrokerOrder) -> None:
        """Writes the order under its client order id."""
        BrokerStateItem(
            self._pk, order.client_order_id, body=to_body(order), expires_at=_in(KEEP_DRY_ORDERS_SECONDS)
        ).save()

    def kept(self) -> list[BrokerOrder]:
        """All of them, oldest first."""
        found = [
            from_body(item.body, BrokerOrder)
            for item in BrokerStateItem.query(self._pk, consistent_read=True)
        ]
        return sorted(found, key=lambda order: (order.submitted_at, order.client_order_id))


def _swapped(pk: str, sk: str, before: Breaker, after: Breaker) -> bool:
    item = BrokerStateItem(pk, sk, body=to_body(after), version=after.version, expires_at=_in(KEEP_SECONDS))
    unchanged = (
        BrokerStateItem.version == before.version if before.version else BrokerStateItem.pk.does_not_exist()
    )
    return _saved(item, unchanged)


def _saved(item: BrokerStateItem, condition: Condition) -> bool:
    try:
        item.save(condition)
    except PutError as error:
        if error.cause_response_code == _CONFLICT:
            return False
        raise SharedStateLost(str(error)) from error
    except PynamoDBException as error:
        raise SharedStateLost(str(error)) from error
    return True


def _in(seconds: int) -> int:
    return int(wall.seconds()) + seconds
