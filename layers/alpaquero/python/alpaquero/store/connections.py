"""The Connections table: open dashboards with what they watch, and the one-time tickets that let them in.

The gateway writes it; the price feed reads what is watched, and keeps its lease here (`store.price_feed`).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import DeleteError, UpdateError
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from alpaquero.quickly_made import dataclass
from alpaquero.store.tables import REGION, table_name

CONNECTION, TICKET = "CONNECTION", "TICKET"
TICKET_SECONDS = 30
CONNECTIONS_A_USER = 20
CONNECTION_SECONDS = 2 * 3600 + 600  # API Gateway ends a connection after two hours

Clock = Callable[[], float]


class ConnectionItem(Model):
    """An open connection (`sk` is its id) or a ticket (`sk` is its hash); `expires_at` in epoch seconds."""

    class Meta:
        table_name = table_name("CONNECTIONS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    username = UnicodeAttribute()
    role = UnicodeAttribute()
    topics = UnicodeSetAttribute(null=True)
    expires_at = NumberAttribute()


@dataclass(frozen=True, slots=True)
class TicketHolder:
    """Who a ticket was given to."""

    username: str
    role: str


def issue_ticket(username: str, role: str, now: Clock = time.time) -> str:
    """A new ticket, good for one connection within 30 seconds. The table holds its hash alone."""
    ticket = secrets.token_urlsafe(32)
    ConnectionItem(
        TICKET, _hashed(ticket), username=username, role=role, expires_at=int(now()) + TICKET_SECONDS
    ).save(ConnectionItem.pk.does_not_exist())
    return ticket


def redeem_ticket(ticket: str, now: Clock = time.time) -> TicketHolder | None:
    """The holder of `ticket`, once; None when it is unknown, spent or too old.

    The conditional delete decides: of two that bring the same ticket only one gets in.
    """
    try:
        item = ConnectionItem.get(TICKET, _hashed(ticket), consistent_read=True)
        item.delete(ConnectionItem.expires_at > int(now()))
    except ConnectionItem.DoesNotExist:
        return None
    except DeleteError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return None
    return TicketHolder(item.username, item.role)


def remember_connection(connection_id: str, username: str, role: str, now: Clock = time.time) -> None:
    """Adds an open dashboard to those that events are pushed to."""
    ConnectionItem(
        CONNECTION, connection_id, username=username, role=role, expires_at=int(now()) + CONNECTION_SECONDS
    ).save()


def connections_of(username: str, now: Clock = time.time) -> int:
    """How many dashboards of a user are open; one that died unseen counts until an event is sent to it."""
    expired = int(now())
    return sum(
        item.username == username and item.expires_at > expired
        for item in ConnectionItem.query(CONNECTION, consistent_read=True)
    )


def forget_connection(connection_id: str) -> None:
    """Removes a closed dashboard; one that is not there is fine."""
    ConnectionItem(CONNECTION, connection_id).delete()


def open_connections(now: Clock = time.time) -> dict[str, frozenset[str]]:
    """The dashboards that are open, expired ones left out, each with the topics it watches."""
    expired = int(now())
    return {
        item.sk: frozenset(item.topics or ())
        for item in ConnectionItem.query(CONNECTION, consistent_read=True)
        if item.expires_at > expired
    }


def topics_of(connection_id: str) -> frozenset[str] | None:
    """What a dashboard watches; None when it is not known to be open."""
    try:
        return frozenset(ConnectionItem.get(CONNECTION, connection_id, consistent_read=True).topics or ())
    except ConnectionItem.DoesNotExist:
        return None


def watch(connection_id: str, topics: frozenset[str]) -> bool:
    """Adds topics to what an open dashboard watches; False when it is not known to be open."""
    return _changed(connection_id, ConnectionItem.topics.add(set(topics)))


def unwatch(connection_id: str, topics: frozenset[str]) -> bool:
    """Takes topics away; False when the dashboard is not known to be open."""
    return _changed(connection_id, ConnectionItem.topics.delete(set(topics)))


def _changed(connection_id: str, change: Action) -> bool:
    try:
        # One atomic update, so that two messages of a dashboard never undo each other.
        ConnectionItem(CONNECTION, connection_id).update([change], ConnectionItem.pk.exists())
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _hashed(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
