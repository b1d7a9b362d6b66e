"""When a service last did its work, as the workers that events drive note it.

They call `worked_through` with their answer to the queue; the health routes tell of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pynamodb.exceptions import PynamoDBException

from alpaquero import wall
from alpaquero.observability import logger
from alpaquero.store import health

NOTED_EVERY_SECONDS = 30.0  # events come by the hundred a minute on a busy day

_noted: dict[str, float] = {}


def worked_through(
    service: str, event: Mapping[str, Any], answer: dict[str, Any], *, detail: str
) -> dict[str, Any]:
    """`answer`, the partial batch failures of an SQS batch; notes the work when any record was done."""
    records: Sequence[Any] = event["Records"]
    if len(answer["batchItemFailures"]) < len(records):
        note_work(service, detail=detail)
    return answer


def note_work(service: str, *, detail: str) -> None:
    """Notes work that an event brought, at most twice a minute and process; the work never fails by it."""
    now = wall.seconds()
    if now - _noted.get(service, 0.0) < NOTED_EVERY_SECONDS:
        return
    _noted[service] = now
    try:
        health.record_work(service, detail=detail)
    except PynamoDBException:
        logger.exception("when the service last worked was not noted", service_worked=service)
