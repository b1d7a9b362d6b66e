"""The last answers of the broker that a page may go on showing while it does not answer.

The market data routes keep quote, market status and where a chart's prices come from, and tell
with each how old it is. Rows are `LAST_KNOWN` / what it is, in the BrokerState table, for a week.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from pynamodb.exceptions import PynamoDBException

from alpaquero import wall
from alpaquero.errors import SharedStateLost
from alpaquero.store.broker_state import BrokerStateItem
from alpaquero.store.tables import from_body, to_body

LAST_KNOWN = "LAST_KNOWN"
KEEP_SECONDS = 7 * 86_400
WRITE_EVERY_SECONDS = 60.0  # pages ask every few seconds, and a minute more or less of age hurts nobody
MOST_REMEMBERED = 1000  # of one function, so that it does not grow for ever

T = TypeVar("T")

_written: dict[str, float] = {}


class _Kept(msgspec.Struct, frozen=True):
    at: float
    value: msgspec.Raw


def remember(what: str, value: Any) -> None:
    """Keeps a sound answer, at most once a minute and function. Raises `SharedStateLost`."""
    now = wall.seconds()
    if now - _written.get(what, 0.0) < WRITE_EVERY_SECONDS:
        return
    if len(_written) >= MOST_REMEMBERED:
        _written.clear()
    _written[what] = now
    body = to_body(_Kept(now, msgspec.Raw(to_body(value).encode())))
    try:
        BrokerStateItem(LAST_KNOWN, what, body=body, expires_at=int(now) + KEEP_SECONDS).save()
    except PynamoDBException as error:
        raise SharedStateLost(str(error)) from error


def recall(what: str, kind: type[T]) -> tuple[T, int] | None:
    """The last known answer with its age in seconds of wall time, or None when there is none."""
    try:
        item = BrokerStateItem.get(LAST_KNOWN, what)
    except BrokerStateItem.DoesNotExist:
        return None
    kept = from_body(item.body, _Kept)
    return msgspec.json.decode(kept.value, type=kind, strict=False), max(0, int(wall.seconds() - kept.at))
