"""Exports as jobs: what was asked for, how it stands, and its file in the bucket `Archive`.

`analytics/api` begins and shows them, `analytics/backtest` makes them. A job is an item of the Analytics
table; its file is `exports/<id>/<name>`, which the bucket deletes after a week. A file is fetched by a
link that is good for five minutes: nothing in the bucket is public.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from math import prod
from typing import Annotated, Any

import msgspec
from pynamodb.exceptions import DoesNotExist

from alpaquero.errors import NotFound
from alpaquero.portfolio.curve import day_of
from alpaquero.portfolio.export_tables import (
    Days,
    Kind,
    Table,
    equity_table,
    fills_table,
    orders_table,
    tax_lots_table,
    trades_table,
)
from alpaquero.portfolio.movements import Split
from alpaquero.portfolio.slippage import Assumed, OrderSlippage, slippage_of
from alpaquero.portfolio.tax_lots import TaxLots, fees_by_fill, tax_lots
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import analytics
from alpaquero.store.analytics import AnalyticsItem
from alpaquero.store.backtests import Status, archive_client
from alpaquero.store.books import Books
from alpaquero.store.tables import from_body, table_name, to_body

EXPORTS = "EXPORTS"
URL_SECONDS = 300


class Format(StrEnum):
    """How a file is written; numbers of Parquet are floats, those of CSV exact."""

    CSV = "csv"
    PARQUET = "parquet"


CONTENT_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.PARQUET: "application/vnd.apache.parquet"}


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export: days in New York, both included, or a whole `year`; everything without either.

    Raises `ValueError` for days that contradict each other.
    """

    kind: Kind
    format: Format = Format.CSV
    first: date | None = msgspec.field(name="from", default=None)
    last: date | None = msgspec.field(name="to", default=None)
    year: Annotated[int, msgspec.Meta(ge=1990, le=2200)] | None = None

    def __post_init__(self) -> None:
        if self.year is not None and (self.first or self.last):
            raise ValueError("give from and to, or a year")
        if self.first and self.last and self.last < self.first:
            raise ValueError("to is before from; give days in order")

    @property
    def days(self) -> Days:
        """The days it is about."""
        if self.year is not None:
            return Days(date(self.year, 1, 1), date(self.year, 12, 31))
        return Days(self.first, self.last)

    @property
    def filename(self) -> str:
        """What the file is called."""
        bounds = [str(self.year)] if self.year else [str(day) for day in (self.first, self.last) if day]
        return "-".join(["alpaquero", self.kind.value, *bounds]) + f".{self.format.value}"


class ExportJob(msgspec.Struct, frozen=True, kw_only=True):
    """One export. Times are wall time; `message` says why it failed and the fix."""

    id: str
    request: ExportRequest
    requested_by: str
    created_at: datetime
    status: Status = Status.QUEUED
    message: str = ""
    rows: int = 0
    size_bytes: int = 0
    ended_at: datetime | None = None


def begin(request: ExportRequest, requested_by: str, now: datetime) -> ExportJob:
    """A new job. A repeat is a second file, which harms nobody and is gone in a week."""
    identifier = f"{now:%Y%m%dt%H%M%S}-{uuid.uuid4().hex[:8]}"
    return save(ExportJob(id=identifier, request=request, requested_by=requested_by, created_at=now))


def get(identifier: str) -> ExportJob:
    """The job. Raises `NotFound`."""
    try:
        item = AnalyticsItem.get(EXPORTS, identifier, consistent_read=True)
    except DoesNotExist:
        raise NotFound(
            f"There is no export {identifier[:40]!r}; begin one with POST /api/analytics/exports."
        ) from None
    return from_body(item.body, ExportJob)


def save(job: ExportJob, **changes: Any) -> ExportJob:
    """The job with `changes`; a second worker would write the same."""
    after = msgspec.structs.replace(job, **changes)
    AnalyticsItem(EXPORTS, after.id, body=to_body(after)).save()
    return after


def table_of(account: str, request: ExportRequest) -> Table:
    """The table that was asked for, from the books and the projections of `account`."""
    books, days = Books(account), request.days
    match request.kind:
        case Kind.TRADES:
            return trades_table(analytics.trades(account), days)
        case Kind.FILLS:
            return fills_table(books.fills(), days)
        case Kind.ORDERS:
            return orders_table(books.orders(), days)
        case Kind.EQUITY:
            return equity_table(analytics.marks(account), days)
        case Kind.TAX_LOTS:
            return tax_lots_table(tax_lots_of(books).disposals, days)


def tax_lots_of(books: Books) -> TaxLots:
    """Every tax lot of the account, fees shared out."""
    return tax_lots(books.share_entries(), fees_by_fill(books.fills(), books.cash_movements()))


def slippages_of(books: Books, days: Days, taken_bps: Decimal) -> list[OrderSlippage]:
    """The slippage of orders that filled on these days; a backtest is taken to lose `taken_bps`."""
    fills = [fill for fill in books.fills() if days.holds(fill.at)]
    orders = books.orders_of({fill.client_order_id for fill in fills if fill.client_order_id})
    filled_on = {(fill.symbol, fill.at.astimezone(NEW_YORK).date()) for fill in fills}
    splits = [entry for entry in books.share_movements() if isinstance(entry, Split)]
    return slippage_of(fills, orders, Assumed(taken_bps=taken_bps, opens=_opens(filled_on, splits)))


def _opens(wanted: set[tuple[str, date]], splits: Sequence[Split]) -> dict[tuple[str, date], Decimal]:
    """The opening prices of these symbols and days as they were then, where daily bars are stored.

    Stored bars are adjusted: a price is multiplied by the splits we held shares through since.
    """
    from alpaquero.store import bars  # slippage alone needs prices

    if not wanted:
        return {}
    days = [day for _, day in wanted]
    first, last = (datetime.combine(day, time(), NEW_YORK) for day in (min(days), max(days)))
    found: dict[tuple[str, date], Decimal] = {}
    for symbol, columns in bars.read(
        {symbol for symbol, _ in wanted}, first, last + timedelta(days=1)
    ).items():
        for start, price in zip(columns.start, columns.open, strict=True):
            day = day_of(start)
            if (symbol, day) in wanted:
                later = (
                    split.ratio
                    for split in splits
                    if split.symbol == symbol and split.at > datetime.fromtimestamp(start, UTC)
                )
                found[symbol, day] = Decimal(str(price)) * prod(later, start=Decimal(1))
    return found


def file_key(job: ExportJob) -> str:
    """Where its file is in the bucket."""
    return f"exports/{job.id}/{job.request.filename}"


def put_file(job: ExportJob, content: bytes) -> None:
    """Keeps the file of a job."""
    archive_client().put_object(
        Bucket=table_name("ARCHIVE_BUCKET"),
        Key=file_key(job),
        Body=content,
        ContentType=CONTENT_TYPES[job.request.format],
        ContentDisposition=f'attachment; filename="{job.request.filename}"',
    )


def url_of(job: ExportJob) -> str:
    """A link to the file of a job that is done, good for five minutes and for nothing else."""
    url: str = archive_client().generate_presigned_url(
        "get_object",
        Params={"Bucket": table_name("ARCHIVE_BUCKET"), "Key": file_key(job)},
        ExpiresIn=URL_SECONDS,
    )
    return url
