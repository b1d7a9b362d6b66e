"""The JSON bodies of both APIs, as handlers encode them and the dashboard reads them: one module a service.

Here is what several services answer. Money, prices and quantities are decimal strings, times are
ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list; `next` is an opaque cursor, null on the last page."""

    items: list[T]
    next: str | None = None


class RuleOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's answer: passed, failed or not_applicable; `limit` and `used` are in its own unit."""

    code: str
    passed: bool
    message: str
    outcome: str = "passed"
    limit: Decimal | None = None
    used: Decimal | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is ok or degraded; the open route answers nothing else.

    `last_work` is what a service that works by the clock did last; `memory_mb` the most that the
    process which answers has used.
    """

    status: str
    service: str | None = None
    version: str | None = None
    dependencies: dict[str, str] | None = None
    last_work_at: datetime | None = None
    last_work: str | None = None
    memory_mb: float | None = None


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong: `code` for programs, `message` with the fix, `details` such as the `field`."""

    code: str
    message: str
    details: dict[str, str]
    correlation_id: str


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is no success."""

    error: ErrorDetail
