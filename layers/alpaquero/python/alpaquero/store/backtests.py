"""Backtests as jobs: what was asked and how far it has come, and the files of those that are done.

`analytics/api` begins and lists them, `analytics/backtest` works on them. A job is an item of the
Analytics table; its result and report are objects in the bucket `Archive`, under `backtests/<id>/`.
"""

from __future__ import annotations

import gzip
import hashlib
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError
from pynamodb.transactions import TransactWrite

from alpaquero import aws
from alpaquero.backtests.request import BacktestRequest
from alpaquero.errors import Conflict, NotFound
from alpaquero.store.analytics import AnalyticsItem
from alpaquero.store.tables import connection, from_body, table_name, to_body

JOBS, KEYS = "BACKTESTS", "BACKTESTKEYS"
RESULT, REPORT = "result.json", "report.html"
MOST_ATTEMPTS = 2  # one that ran out of its time once may do so again, a third try would too


class Status(StrEnum):
    """Where a job stands; `done` and `failed` are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest. Times are wall time; `message` says why it failed and the fix.

    `progress_percent` and `progress_note` are told while it runs; `figures` holds the outcome without
    its curve and trades once it is done; `run_by` is the id of the message whose worker has begun it.
    """

    id: str
    request: BacktestRequest
    requested_by: str
    created_at: datetime
    status: Status = Status.QUEUED
    message: str = ""
    progress_percent: int = 0
    progress_note: str = ""
    attempts: int = 0
    started_at: datetime | None = None
    run_by: str = ""
    ended_at: datetime | None = None
    figures: dict[str, Any] | None = None
    version: int = 1

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in {Status.DONE, Status.FAILED}


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What an Idempotency-Key stands for: the job it began and the request, hashed."""

    id: str
    request: str


def begin(request: BacktestRequest, *, key: str, requested_by: str, now: datetime) -> tuple[Job, bool]:
    """The job for this request and Idempotency-Key, and whether it is new.

    The same key with the same request is the same job. Raises `Conflict` when the key was used for
    another request.
    """
    digest = _digest(to_body(request))
    mark = _digest(f"{requested_by}/{key}")
    job = Job(id=_id(now, mark), request=request, requested_by=requested_by, created_at=now)
    claim = AnalyticsItem(KEYS, mark, body=to_body(_Claim(id=job.id, request=digest)))
    item = AnalyticsItem(JOBS, job.id, body=to_body(job), version=job.version)
    try:
        with TransactWrite(connection=connection()) as transaction:
            transaction.save(claim, condition=AnalyticsItem.pk.does_not_exist())
            transaction.save(item, condition=AnalyticsItem.pk.does_not_exist())
    except TransactWriteError as error:
        if error.cause_response_code != "TransactionCanceledException":
            raise
        return _claimed(mark, digest), False
    return job, True


def _claimed(mark: str, digest: str) -> Job:
    found = from_body(AnalyticsItem.get(KEYS, mark, consistent_read=True).body, _Claim)
    if found.request != digest:
        raise Conflict(
            f"This Idempotency-Key began backtest {found.id}, which is another request; send a new key."
        )
    return get(found.id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _id(now: datetime, mark: str) -> str:
    """Sorts by time; the mark tells two of one second apart."""
    return f"{now:%Y%m%dt%H%M%S}-{mark[:8]}"


def get(identifier: str) -> Job:
    """The job. Raises `NotFound`."""
    try:
        item = AnalyticsItem.get(JOBS, identifier, consistent_read=True)
    except DoesNotExist:
        raise NotFound(f"There is no backtest {identifier[:40]!r}; see GET /api/backtests.") from None
    return from_body(item.body, Job)


def newest(limit: int, after: str | None = None) -> tuple[list[Job], str | None]:
    """A page of jobs, newest first, and the id it ends at when there may be more."""
    found = AnalyticsItem.query(
        JOBS,
        limit=limit,
        scan_index_forward=False,
        last_evaluated_key={"pk": {"S": JOBS}, "sk": {"S": after}} if after else None,
    )
    jobs = [from_body(item.body, Job) for item in found]
    return jobs, found.last_evaluated_key["sk"]["S"] if found.last_evaluated_key else None


def save(job: Job, **changes: Any) -> Job:
    """The job with `changes`, written over the one that was read. Raises `Conflict` if that changed."""
    after = msgspec.structs.replace(job, **changes, version=job.version + 1)
    item = AnalyticsItem(JOBS, after.id, body=to_body(after), version=after.version)
    try:
        item.save(condition=AnalyticsItem.version == job.version)
    except PutError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            raise Conflict(f"another worker is at backtest {job.id}") from error
        raise
    return after


@lru_cache(maxsize=1)
def archive_client() -> Any:
    """The client of the bucket `Archive`, which exports use too."""
    return aws.client("s3")


def object_key(identifier: str, name: str) -> str:
    """Where a file of a backtest is in the bucket."""
    return f"backtests/{identifier}/{name}.gz"


def put_file(identifier: str, name: str, content: bytes, content_type: str) -> None:
    """Keeps one file of a backtest, compressed, over the one of an earlier try."""
    archive_client().put_object(
        Bucket=table_name("ARCHIVE_BUCKET"),
        Key=object_key(identifier, name),
        Body=gzip.compress(content, mtime=0),
        ContentType=content_type,
        ContentEncoding="gzip",
    )


def file(identifier: str, name: str) -> bytes:
    """One file of a backtest, as it was put. Raises `NotFound` while there is none."""
    client = archive_client()
    try:
        found = client.get_object(Bucket=table_name("ARCHIVE_BUCKET"), Key=object_key(identifier, name))
    except client.exceptions.NoSuchKey:
        raise NotFound(f"Backtest {identifier} has no {name}; it is there once its status is done.") from None
    return gzip.decompress(found["Body"].read())
