"""Stored bars are served by date and counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.store import bars
from alpaquero.web.app import to_cursor
from functions.historical_data import api

Call = Callable[..., tuple[int, Any]]
ROUTE = "/historical_data/historical/{symbol}"
START = datetime(2011, 12, 28, 5, tzinfo=UTC)  # New York's midnight
SERIES = [Bar(START + timedelta(days=n), 1.0, 2.0, 0.5, 1.5 + n, 10) for n in range(8)]


@pytest.fixture(autouse=True)
def stored(tables: None) -> None:
    """Eight days of AAPL, over a year's end."""
    keep("AAPL", SERIES)


def keep(symbol: str, series: list[Bar], **options: str) -> None:
    bars.merge({symbol: Columns.of(series)}, series[0].start, series[-1].start, **options)  # type: ignore[arg-type]


def closes(page: dict[str, Any]) -> list[float]:
    return [bar["close"] for bar in page["items"]]


def test_bars_of_the_dates_asked_for_are_served(call: Call) -> None:
    """Both ends belong to the range, which may span years."""
    query = {"start": "2011-12-30", "end": "2012-01-02"}
    status, page = call(api.app, ROUTE, path={"symbol": "aapl"}, query=query)
    assert (status, closes(page), page["next"]) == (200, [3.5, 4.5, 5.5, 6.5], None)


def test_pages_follow_each_other_without_gap_or_double(call: Call) -> None:
    """The cursor of one page begins the next, until there is none."""
    seen: list[float] = []
    query = {"limit": "3", "start": "2011-12-01"}
    while True:
        status, page = call(api.app, ROUTE, path={"symbol": "AAPL"}, query=query)
        assert status == 200
        seen += closes(page)
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [bar.close for bar in SERIES]


@pytest.mark.parametrize("route", [ROUTE, "/api/historical/{symbol}"])
def test_bars_say_that_they_come_from_the_store_and_how_old_they_are(call: Call, route: str) -> None:
    """They are served while Alpaca is down, so whoever reads them must see their age."""
    status, page = call(api.app, route, path={"symbol": "AAPL"})
    assert (status, page["source"], page["timeframe"], page["adjustment"]) == (200, "cache", "1Day", "split")
    assert 0 <= page["age_seconds"] < 60
    assert abs(datetime.fromisoformat(page["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_each_timeframe_and_adjustment_is_a_series_of_its_own(call: Call) -> None:
    """Minutes are kept by the day and page over its end."""
    minutes = [
        Bar(START + timedelta(days=n // 3, minutes=600 + n % 3), 1.0, 2.0, 0.5, 1.5 + n, 10) for n in range(6)
    ]
    keep("AAPL", minutes, timeframe="1Min", adjustment="raw")
    query = {"timeframe": "1Min", "adjustment": "raw", "limit": "4"}
    status, page = call(api.app, ROUTE, path={"symbol": "AAPL"}, query=query)
    assert (status, closes(page)) == (200, [1.5, 2.5, 3.5, 4.5])
    _, rest = call(api.app, ROUTE, path={"symbol": "AAPL"}, query={**query, "cursor": page["next"]})
    assert ([5.5, 6.5], None) == (closes(rest), rest["next"])


def test_a_symbol_that_is_not_stored_says_how_to_get_it(call: Call) -> None:
    """No bars at all is 404 with the fix."""
    status, answer = call(api.app, ROUTE, path={"symbol": "NOPE"})
    assert status == 404
    assert "watchlist" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "yesterday"}, "start"),
        ({"end": "2012-13-01"}, "end"),
        ({"start": "2012-02-01", "end": "2012-01-01"}, "start"),
        ({"cursor": "bm90IGEgdGltZQ"}, "cursor"),
        ({"cursor": "MjAxMi0wMS0wMVQwMDowMDowMA"}, "cursor"),
        ({"cursor": to_cursor("9999-12-31T23:59:59+00:00")}, "cursor"),
        ({"cursor": to_cursor("2012-01-03T05:00:00+00:00"), "end": "2012-01-01"}, "cursor"),
        ({"limit": "10001"}, "limit"),
        ({"timeframe": "2Min"}, "timeframe"),
        ({"adjustment": "splits"}, "adjustment"),
    ],
)
def test_a_wrong_parameter_is_named(call: Call, query: dict[str, str], field: str) -> None:
    """Anything that is no date, range or cursor of ours answers 400 with the field."""
    status, answer = call(api.app, ROUTE, path={"symbol": "AAPL"}, query=query)
    assert (status, answer["error"]["details"]["field"]) == (400, field)


def test_the_statistics_count_what_is_stored(call: Call) -> None:
    """Series, chunks and bars are counted, and the newest session is named by its New York date."""
    keep("IBM", SERIES[:2], adjustment="raw")
    status, stats = call(api.app, "/historical_data/cache/stats")
    assert status == 200
    assert {k: stats[k] for k in ("series", "chunks", "bars", "newest")} == {
        "series": 2,
        "chunks": 3,
        "bars": 10,
        "newest": "2012-01-04",
    }
    assert stats["stored_bytes"] > 0
