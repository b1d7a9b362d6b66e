"""The historical data service's routes: the stored bars, and how much is stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import bars
from alpaquero.web import bodies
from alpaquero.web.app import service_app, to_cursor

FIRST_DAY = date(1990, 1, 1)  # before any bar that Alpaca serves

app = service_app("historical_data", {"bars": lambda: bars.read(["SPY"], [FIRST_DAY.year])})


@app.endpoint("GET", service="/historical_data/historical/{symbol}")
def historical(symbol: str) -> bodies.Page[bodies.Bar]:
    """Stored split-adjusted daily bars from `start` to `end` (New York dates), oldest first."""
    today = datetime.now(NEW_YORK).date()
    start, end = day("start", FIRST_DAY), min(day("end", today), today)
    if start > end:
        raise InvalidRequest(f"start {start} is after end {end}; exchange them", "start")
    limit, cursor = app.limit(default=500, most=10_000), app.after()
    after = moment(cursor) if cursor else midnight(max(start, FIRST_DAY)) - timedelta(seconds=1)
    found = bars.read([symbol.upper()], range(after.year, end.year + 1)).get(symbol.upper())
    if found is None and not cursor:
        raise NotFound(
            f"no bars of {symbol[:20]!r} are stored from {start} to {end}; put the symbol on the watchlist "
            "with POST /api/config, the next run stores its bars",
            {"field": "symbol"},
        )
    wanted = [bar for bar in found or [] if after < bar.start <= midnight(end)]
    page = [
        bodies.Bar(time=b.start, open=b.open, high=b.high, low=b.low, close=b.close, volume=b.volume)
        for b in wanted[:limit]
    ]
    return bodies.Page(items=page, next=to_cursor(page[-1].time.isoformat()) if len(wanted) > limit else None)


@app.endpoint("GET", service="/historical_data/cache/stats")
def cache_stats() -> bodies.CacheStatistics:
    """How many series, chunks, bars and bytes are stored."""
    stored = bars.statistics()
    return bodies.CacheStatistics(
        series=stored.series,
        chunks=stored.chunks,
        bars=stored.bars,
        stored_bytes=stored.stored_bytes,
        newest=stored.newest.astimezone(NEW_YORK).date() if stored.newest else None,
    )


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
