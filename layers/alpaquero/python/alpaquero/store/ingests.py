"""Ingest jobs in the Bars table: what is to be fetched, in which steps, and how far it has come.

The history's routes begin and show them, `historical_data/ingest` works through them. A job's id
follows from what it asks for, so the same request is the same job; its steps follow from it too, so
`steps_done` alone says where to go on. A step done twice stores the same bars again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from alpaquero.broker.protocol import Adjustment
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.regular_hours import BARS_A_SESSION
from alpaquero.store import bars
from alpaquero.store.tables import REGION, from_body, table_name, to_body

INGEST: Final = "INGEST"
BARS_A_STEP: Final = 10_000  # a page of Alpaca's
SYMBOLS_A_STEP: Final = 100
KEPT: Final = timedelta(days=90)  # after its last step
SESSIONS_A_DAY: Final = 252 / 365
_CONFLICT: Final = "ConditionalCheckFailedException"


class IngestState(StrEnum):
    """How a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which bars to fetch: whole periods, from that of `first` to that of `last` (New York dates)."""

    symbols: tuple[str, ...]
    timeframe: Timeframe
    adjustment: Adjustment
    first: date
    last: date


class Ingest(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `begun` is when it was asked for last; `without_bars` had none in any step so far."""

    id: str
    request: IngestRequest
    requested_by: str
    begun: datetime
    updated: datetime
    steps: int
    steps_done: int = 0
    bars: int = 0
    state: IngestState = IngestState.QUEUED
    without_bars: tuple[str, ...] = ()
    troubles: int = 0
    message: str = ""

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return self.state in {IngestState.QUEUED, IngestState.RUNNING}


class Step(msgspec.Struct, frozen=True):
    """What one request of about a page fetches."""

    symbols: tuple[str, ...]
    first: date
    last: date


class IngestItem(Model):
    """A job; `steps_done` is in its body too, here for the condition."""

    class Meta:
        table_name = table_name("BARS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    begun = UnicodeAttribute()
    steps_done = NumberAttribute()
    troubles = NumberAttribute()
    body = UnicodeAttribute()
    expires_at = NumberAttribute()


def steps(request: IngestRequest) -> list[Step]:
    """The steps of a job, in order: stretches of whole periods of about a page, for symbols that fit.

    >>> ten_years = IngestRequest(symbols=("AAPL", "FB", "GOOG", "IBM", "MSFT"), timeframe=Timeframe.DAY,
    ...                           adjustment="split", first=date(2003, 1, 1), last=date(2012, 12, 31))
    >>> [step.symbols for step in steps(ten_years)]
    [('AAPL', 'FB', 'GOOG'), ('IBM', 'MSFT')]
    """
    return [step for first, last in _stretches(request) for step in _of_stretch(request, first, last)]


def _stretches(request: IngestRequest) -> Iterator[tuple[date, date]]:
    first = bars.bounds(_period(request.timeframe, request.first))[0]
    end = bars.bounds(_period(request.timeframe, request.last))[1]
    while first < end:
        after = bars.bounds(_period(request.timeframe, first))[1]
        while after < end:
            longer = bars.bounds(_period(request.timeframe, after))[1]
            if _bars(request.timeframe, first, longer) > BARS_A_STEP:
                break
            after = longer
        yield first, after - timedelta(days=1)
        first = after


def _of_stretch(request: IngestRequest, first: date, last: date) -> Iterator[Step]:
    each = max(1, ceil(_bars(request.timeframe, first, last + timedelta(days=1))))
    fit = min(SYMBOLS_A_STEP, max(1, BARS_A_STEP // each))
    for at in range(0, len(request.symbols), fit):
        yield Step(request.symbols[at : at + fit], first, last)


def _bars(timeframe: Timeframe, first: date, end: date) -> float:
    return (end - first).days * SESSIONS_A_DAY * BARS_A_SESSION[timeframe]


def _period(timeframe: Timeframe, day: date) -> str:
    return bars.period(timeframe, bars.midnight(day))


def begin(request: IngestRequest, *, requested_by: str, now: datetime) -> tuple[Ingest, bool]:
    """The job for the request, and whether it begins now: one that is still open goes on as it is."""
    identifier = hashlib.sha256(to_body(request).encode()).hexdigest()[:12]
    before = get(identifier)
    if before is not None and before.is_open:
        return before, False
    job = Ingest(
        id=identifier,
        request=request,
        requested_by=requested_by,
        begun=now,
        updated=now,
        steps=len(steps(request)),
        without_bars=request.symbols,
    )
    as_read = None if before is None else IngestItem.begun == before.begun.isoformat()
    if _saved(job, IngestItem.pk.does_not_exist() if as_read is None else as_read):
        return job, True
    return get(identifier) or job, False


def get(identifier: str) -> Ingest | None:
    """The job with this id, or None."""
    try:
        return from_body(IngestItem.get(INGEST, identifier, consistent_read=True).body, Ingest)
    except IngestItem.DoesNotExist:
        return None


def newest(limit: int) -> list[Ingest]:
    """The jobs begun last, newest first."""
    found = [from_body(item.body, Ingest) for item in IngestItem.query(INGEST)]
    return sorted(found, key=lambda job: job.begun, reverse=True)[:limit]


def advance(before: Ingest, after: Ingest) -> bool:
    """Writes how far the job has come; False when another worker was here, who goes on."""
    as_read = (
        (IngestItem.begun == before.begun.isoformat())
        & (IngestItem.steps_done == before.steps_done)
        & (IngestItem.troubles == before.troubles)
    )
    return _saved(after, as_read)


def _saved(job: Ingest, condition: Condition) -> bool:
    item = IngestItem(
        INGEST,
        job.id,
        begun=job.begun.isoformat(),
        steps_done=job.steps_done,
        troubles=job.troubles,
        body=to_body(job),
        expires_at=int((job.updated + KEPT).timestamp()),
    )
    try:
        item.save(condition=condition)
    except PutError as error:
        if error.cause_response_code != _CONFLICT:
            raise
        return False
    return True


def listed(symbols: Sequence[str]) -> tuple[str, ...]:
    """Symbols in capitals, sorted, each once: so the same request is the same job."""
    return tuple(sorted({symbol.strip().upper() for symbol in symbols}))
