"""The historical data service's routes: the stored bars, and how much is stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import cast, get_args

from alpaquero.broker.protocol import Adjustment
from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import bars
from alpaquero.web import bodies
from alpaquero.web.app import service_app, to_cursor

FIRST_DAY = date(1990, 1, 1)  # before any bar that Alpaca serves
ONE_SECOND = timedelta(seconds=1)

app = service_app(
    "historical_data", {"bars": lambda: bars.read(["SPY"], midnight(FIRST_DAY), midnight(FIRST_DAY))}
)


@app.endpoint("GET", public="/api/historical/{symbol}", service="/historical_data/historical/{symbol}")
def historical(symbol: str) -> bodies.History:
    """Stored bars from `start` to `end` (New York dates), oldest first; asks nobody but our own store."""
    symbol, timeframe, adjustment = symbol.upper(), frame(), adjusted()
    today = datetime.now(NEW_YORK).date()
    start, end = day("start", FIRST_DAY), min(day("end", today), today)
    if start > end:
        raise InvalidRequest(f"start {start} is after end {end}; exchange them", "start")
    limit, cursor = app.limit(default=500, most=10_000), app.after()
    first = moment(cursor) + ONE_SECOND if cursor else midnight(max(start, FIRST_DAY))
    last = midnight(end + timedelta(days=1)) - ONE_SECOND
    found, as_of = taken(symbol, first, last, limit + 1, timeframe=timeframe, adjustment=adjustment)
    if not len(found) and not cursor:
        raise NotFound(
            f"no {timeframe} bars of {symbol[:20]!r} are stored from {start} to {end}; ask for them with "
            "POST /api/historical/ingest, or put the symbol on the watchlist",
            {"field": "symbol"},
        )
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


def frame() -> Timeframe:
    """The query parameter `timeframe`. Raises `InvalidRequest` for one we do not keep."""
    text = app.query("timeframe") or Timeframe.DAY.value
    try:
        return Timeframe(text)
    except ValueError:
        kept = ", ".join(Timeframe)
        raise InvalidRequest(f"timeframe {text[:20]!r} is not kept; use {kept}", "timeframe") from None


def adjusted() -> Adjustment:
    """The query parameter `adjustment`. Raises `InvalidRequest` for one Alpaca has not."""
    text = app.query("adjustment") or "split"
    for adjustment in get_args(Adjustment):
        if text == adjustment:
            return cast(Adjustment, adjustment)
    raise InvalidRequest(f"adjustment must be one of {', '.join(get_args(Adjustment))}", "adjustment")


def day(name: str, default: date) -> date:
    """The query parameter `name` as a date. Raises `InvalidRequest` for anything else."""
    text = app.query(name)
    if text is None:
        return default
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be a date such as 2012-12-31", name) from None


def moment(text: str) -> datetime:
    """The time in a cursor. Raises `InvalidRequest` for a cursor that is not ours."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found.year < FIRST_DAY.year:
        raise InvalidRequest("cursor is not one we gave; use `next` of the page before", "cursor")
    return found


def midnight(session: date) -> datetime:
    """The start of a session's daily bar."""
    return datetime.combine(session, time(), tzinfo=NEW_YORK).astimezone(UTC)
