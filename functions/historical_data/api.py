"""The historical data service's routes: the stored bars and their gaps, how much is stored, ingests.

Bars are served from our own store alone, so they are there while Alpaca is not. Only the gap report
asks the broker, for its calendar, and only then is its client loaded.
"""

from __future__ import annotations

from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from alpaquero.broker.protocol import Adjustment
from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.events import queues
from alpaquero.events.commands import IngestBars
from alpaquero.lately import A_WHILE, kept_for
from alpaquero.observability import correlation_id
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.gaps import gaps
from alpaquero.prices.regular_hours import BARS_A_SESSION
from alpaquero.prices.sessions import NEW_YORK, bars_of
from alpaquero.prices.symbols import is_symbol
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import bars, ingests
from alpaquero.web.app import after, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import historical_data as bodies
from alpaquero.web.parameters import known_form

if TYPE_CHECKING:
    from alpaquero.broker.protocol import ClockReader

FIRST_DAY = date(1990, 1, 1)  # before any bar that Alpaca serves
ONE_SECOND = timedelta(seconds=1)
LOST_AFTER = timedelta(minutes=20)  # a job that has not moved as long has lost its message
MOST_CHECKED = 200_000  # bars of a gap report
MOST_SYMBOLS = 1000
MOST_STEPS = 20_000


class HistorySettings(ClockSettings, frozen=True, kw_only=True):
    """What these routes need: the calendar for gaps, the queue that ingests go by."""

    ingest_queue: Text


class IngestWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bars to fetch: New York dates, both included; `end` is today at the latest, and when left out."""

    symbols: list[str]
    start: date
    end: date | None = None
    timeframe: Timeframe = Timeframe.DAY
    adjustment: Adjustment = "split"


SETTINGS = load(HistorySettings)


@cache
def reader() -> ClockReader:
    """The trading API, for clock and calendar; connected at the first gap report."""
    from alpaquero.broker.alpaca import connect_clock

    return connect_clock(SETTINGS)


app = service_app(
    "historical_data",
    {"bars": lambda: bars.read(["SPY"], midnight(FIRST_DAY), midnight(FIRST_DAY))},
    works=True,
)


class SeriesAsked(Struct, frozen=True, kw_only=True):
    """Which stored bars."""

    timeframe: Timeframe = Timeframe.DAY
    adjustment: Adjustment = "split"
    start: Annotated[date, Meta(description="A New York date; by default the first stored bar's.")] | None = (
        None
    )
    end: Annotated[date, Meta(description="A New York date, included; by default today.")] | None = None


class BarsAsked(SeriesAsked, frozen=True, kw_only=True):
    """A page of stored bars."""

    limit: Annotated[int, Meta(ge=1, le=10_000, description="Most bars of the page.")] = 500
    cursor: Annotated[str, Meta(description="`next` of the page before.")] | None = None


class GapsAsked(SeriesAsked, frozen=True, kw_only=True):
    """A report of the gaps in stored bars."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="How many of the first gaps.")] = 100


@app.endpoint(
    "GET",
    public="/api/historical/{symbol}",
    service="/historical_data/historical/{symbol}",
    query=BarsAsked,
)
def historical(symbol: str, query: BarsAsked) -> bodies.History:
    """Stored bars from `start` to `end` (New York dates), oldest first; asks nobody but our own store."""
    return _history(symbol, query)


@kept_for(A_WHILE)
def _history(symbol: str, query: BarsAsked) -> bodies.History:
    symbol, timeframe, adjustment = known_form(symbol), query.timeframe, query.adjustment
    today = datetime.now(NEW_YORK).date()
    start, end = max(query.start or FIRST_DAY, FIRST_DAY), min(query.end or today, today)
    if start > end:
        raise InvalidRequest(f"start {start} is after end {end}; exchange them", "start")
    limit, cursor = query.limit, after(query.cursor)
    first = moment(cursor) + ONE_SECOND if cursor else midnight(start)
    last = midnight(end + timedelta(days=1)) - ONE_SECOND
    if first > last:
        raise InvalidRequest(f"cursor belongs to a later page than one up to {end}; begin anew", "cursor")
    found, as_of = taken(symbol, first, last, limit + 1, timeframe=timeframe, adjustment=adjustment)
    if not len(found) and not cursor:
        raise not_stored(symbol, timeframe, start, end)
    page = [
        bodies.Bar(time=b.start, open=b.open, high=b.high, low=b.low, close=b.close, volume=b.volume)
        for b in found[:limit].bars()
    ]
    return bodies.History(
        symbol=symbol,
        timeframe=timeframe,
        adjustment=adjustment,
        source="cache",
        as_of=as_of,
        age_seconds=int((datetime.now(UTC) - as_of).total_seconds()),
        items=page,
        next=to_cursor(page[-1].time.isoformat()) if len(found) > limit else None,
    )


def not_stored(symbol: str, timeframe: str, start: date, end: date) -> NotFound:
    """The answer where the store has no bar."""
    return NotFound(
        f"no {timeframe} bars of {symbol[:20]!r} are stored from {start} to {end}; ask for them with "
        "POST /api/historical/ingest, or put the symbol on the watchlist",
        {"field": "symbol"},
    )


def taken(
    symbol: str, first: datetime, last: datetime, count: int, *, timeframe: Timeframe, adjustment: Adjustment
) -> tuple[Columns, datetime]:
    """The first `count` stored bars from `first` to `last`, and when the newest of them was stored."""
    found, stored_at = Columns.empty(), 0
    stored = bars.stored_periods(symbol, first, last, timeframe=timeframe, adjustment=adjustment)
    for _, chunk in stored:
        inside = chunk.columns.since(first).until(last)
        if len(inside):
            found, stored_at = found + inside, chunk.stored_at
        if len(found) >= count:
            break
    return found[:count], datetime.fromtimestamp(stored_at, UTC)


@app.endpoint(
    "GET",
    public="/api/historical/{symbol}/gaps",
    service="/historical_data/historical/{symbol}/gaps",
    query=GapsAsked,
    refuses=(502, 503),
)
def missing(symbol: str, query: GapsAsked) -> bodies.Gaps:
    """What the calendar promises from `start` (the first stored bar) to `end`, and the store lacks.

    A report on more bars than it can check ends earlier, and says at which `end`.
    """
    return _missing(symbol, query)


@kept_for(A_WHILE)
def _missing(symbol: str, query: GapsAsked) -> bodies.Gaps:
    symbol, timeframe, adjustment = known_form(symbol), query.timeframe, query.adjustment
    now = reader().clock().now
    today = now.astimezone(NEW_YORK).date()
    start, end = max(query.start or FIRST_DAY, FIRST_DAY), min(query.end or today, today)
    if start > end:
        raise InvalidRequest(f"start {start} is after end {end}; exchange them", "start")
    first, last = midnight(start), midnight(end + timedelta(days=1)) - ONE_SECOND
    found, _ = taken(symbol, first, last, MOST_CHECKED, timeframe=timeframe, adjustment=adjustment)
    if not len(found):
        raise not_stored(symbol, timeframe, start, end)
    if query.start is None:
        start = found.start_at(0).astimezone(NEW_YORK).date()
    closed = [s for s in reader().sessions(start, end) if s.close <= now]
    if len(closed) > (most := MOST_CHECKED // BARS_A_SESSION[timeframe]):
        closed = closed[:most]
        end = closed[-1].date
    holes = gaps(found.start, timeframe, closed)
    return bodies.Gaps(
        symbol=symbol,
        timeframe=timeframe,
        adjustment=adjustment,
        start=start,
        end=end,
        expected=sum(len(bars_of(session, timeframe)) for session in closed),
        missing=sum(hole.bars for hole in holes),
        gaps=len(holes),
        items=[bodies.Gap(first=h.first, last=h.last, bars=h.bars) for h in holes[: query.limit]],
    )


@app.endpoint(
    "POST",
    public="/api/historical/ingest",
    service="/historical_data/historical/ingest",
    role="trader",
    body=IngestWanted,
    status=202,
)
def ingest(body: IngestWanted) -> bodies.Ingest:
    """Begins to fetch bars into the store; the same request while it is under way is the same job."""
    symbols = ingests.listed(body.symbols)
    if not symbols or len(symbols) > MOST_SYMBOLS:
        raise InvalidRequest(f"give 1 to {MOST_SYMBOLS} symbols", "symbols")
    wrong = [symbol for symbol in symbols if not is_symbol(symbol)]
    if wrong:
        raise InvalidRequest(f"{wrong[0][:20]!r} is no symbol; write it like AAPL or BRK.B", "symbols")
    today = datetime.now(NEW_YORK).date()
    end = min(body.end or today, today)
    if not FIRST_DAY <= body.start <= end:
        raise InvalidRequest(f"start must lie between {FIRST_DAY} and the end, {end}", "start")
    request = ingests.IngestRequest(
        symbols=symbols,
        timeframe=body.timeframe,
        adjustment=body.adjustment,
        first=body.start,
        last=end,
    )
    if len(ingests.steps(request)) > MOST_STEPS:
        raise InvalidRequest("that is too much for one ingest; give fewer symbols or less time", "symbols")
    job, is_new = ingests.begin(request, requested_by=app.principal().username, now=datetime.now(UTC))
    if is_new or datetime.now(UTC) - job.updated > LOST_AFTER:
        command = IngestBars(id=job.id, begun=job.begun.isoformat(), correlation_id=correlation_id())
        queues.send(SETTINGS.ingest_queue, command)
    return ingest_body(job)


class JobsAsked(Struct, frozen=True, kw_only=True):
    """How many ingests."""

    limit: Annotated[int, Meta(ge=1, le=500, description="How many of the newest.")] = 50


@app.endpoint(
    "GET", public="/api/historical/ingest", service="/historical_data/historical/ingest", query=JobsAsked
)
def ingest_jobs(query: JobsAsked) -> Page[bodies.Ingest]:
    """The ingests begun last, newest first."""
    return Page(items=[ingest_body(job) for job in ingests.newest(query.limit)], next=None)


@app.endpoint("GET", public="/api/historical/ingest/{id}", service="/historical_data/historical/ingest/{id}")
def ingest_job(id: str) -> bodies.Ingest:  # noqa: A002 - the path's own name
    """One ingest and how far it has come."""
    job = ingests.get(id)
    if job is None:
        raise NotFound(f"there is no ingest {id[:20]!r}; begin one with POST /api/historical/ingest")
    return ingest_body(job)


def ingest_body(job: ingests.Ingest) -> bodies.Ingest:
    """A job as the API answers it."""
    return bodies.Ingest(
        id=job.id,
        state=job.state,
        symbols=list(job.request.symbols),
        timeframe=job.request.timeframe,
        adjustment=job.request.adjustment,
        start=job.request.first,
        end=job.request.last,
        steps=job.steps,
        steps_done=job.steps_done,
        bars=job.bars,
        without_bars=list(job.without_bars),
        message=job.message,
        requested_by=job.requested_by,
        begun=job.begun,
        updated=job.updated,
    )


@app.endpoint("GET", public="/api/cache/stats", service="/historical_data/cache/stats")
def cache_stats() -> bodies.CacheStatistics:
    """How many series, chunks, bars and bytes are stored."""
    stored = bars.statistics()
    return bodies.CacheStatistics(
        series=stored.series,
        chunks=stored.chunks,
        bars=stored.bars,
        stored_bytes=stored.stored_bytes,
        newest=stored.newest.astimezone(NEW_YORK).date() if stored.newest else None,
        as_of=stored.as_of,
    )


def moment(text: str) -> datetime:
    """The time in a cursor. Raises `InvalidRequest` for a cursor that is not ours."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not FIRST_DAY.year <= found.year < MAXYEAR:
        raise InvalidRequest("cursor is not one we gave; use `next` of the page before", "cursor")
    return found


def midnight(session: date) -> datetime:
    """The start of a session's daily bar."""
    return datetime.combine(session, time(), tzinfo=NEW_YORK).astimezone(UTC)
