"""The clock and the calendar, in both versions of the API."""

from __future__ import annotations

from datetime import date, time

import pytest
from alpaca.trading.models import Calendar, Clock
from alpaca.trading.requests import GetCalendarRequest

from .conftest import RunningExchange, Start


@pytest.fixture(scope="module")
def shipped(start: Start, tmp_path_factory: pytest.TempPathFactory) -> RunningExchange:
    """The exchange on the shipped prices, half an hour after the close of 2013-02-22."""
    return start(tmp_path_factory.mktemp("state"), "--sessions", "5")


def days(exchange: RunningExchange, first: date, last: date) -> list[Calendar]:
    """The calendar as alpaca-py reads it."""
    listed = exchange.trading.get_calendar(GetCalendarRequest(start=first, end=last))
    return [day for day in listed if isinstance(day, Calendar)]


def test_the_clock_tells_new_york_time_and_the_next_session(shipped: RunningExchange) -> None:
    """Half an hour after Friday's close the market is closed until Monday morning."""
    assert isinstance(shipped.trading.get_clock(), Clock)
    assert {
        "timestamp": "2013-02-22T16:30:00-05:00",
        "is_open": False,
        "next_open": "2013-02-25T09:30:00-05:00",
        "next_close": "2013-02-25T16:00:00-05:00",
    } == shipped.get("/v2/clock").json()


def test_the_calendar_has_holidays_and_early_closes(shipped: RunningExchange) -> None:
    """Thanksgiving is missing, the day after closes at one and its after-hours end at five."""
    listed = days(shipped, date(2012, 11, 21), date(2012, 11, 26))
    assert [(21, time(16)), (23, time(13)), (26, time(16))] == [
        (day.date.day, day.close.time()) for day in listed
    ]
    early = shipped.get("/v2/calendar", start="2012-11-23", end="2012-11-23").json()
    assert [("0400", "1700")] == [(day["session_open"], day["session_close"]) for day in early]


def test_the_calendar_goes_from_1970_to_2029(shipped: RunningExchange) -> None:
    """The first and the last session are those of Alpaca's calendar."""
    listed = shipped.get("/v2/calendar").json()
    assert "1970-01-02" == listed[0]["date"]
    assert listed[-1]["date"] >= "2029-12-31"


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        ("2013-02-21", "2013-02-26"),
        ("2017-09-01", "2017-09-07"),
        ("2017-09-05", "2017-09-07"),
        ("2024-05-28", "2024-05-29"),
        ("2025-10-10", "2025-10-14"),
        ("2025-11-10", "2025-11-12"),
    ],
)
def test_trades_settle_by_the_rule_of_their_time(shipped: RunningExchange, traded: str, settles: str) -> None:
    """Three days, two from September 2017, one from May 2024; bank holidays settle nothing."""
    (day,) = shipped.get("/v2/calendar", start=traded, end=traded).json()
    assert settles == day["settlement_date"]
    asked = {"start": settles, "end": settles, "date_type": "SETTLEMENT"}
    assert traded in [day["date"] for day in shipped.get("/v2/calendar", **asked).json()]


@pytest.mark.parametrize(
    ("time_", "phase", "until"),
    [
        ("2013-02-22T08:59:59Z", "closed", "2013-02-22T04:00:00-05:00"),
        ("2013-02-22T09:00:00Z", "pre", "2013-02-22T09:30:00-05:00"),
        ("2013-02-22T14:30:00Z", "core", "2013-02-22T16:00:00-05:00"),
        ("2013-02-22T21:00:00Z", "post", "2013-02-22T20:00:00-05:00"),
        ("2013-02-23T01:00:00Z", "closed", "2013-02-25T04:00:00-05:00"),
        ("2012-11-23T19:00:00Z", "post", "2012-11-23T17:00:00-05:00"),
    ],
)
def test_the_clock_of_a_market_tells_the_phase_of_the_day(
    shipped: RunningExchange, time_: str, phase: str, until: str
) -> None:
    """Closed, before, in and after the core session, and until when."""
    (clock,) = shipped.get("/v3/clock", markets="NYSE", time=time_).json()["clocks"]
    assert (phase, until) == (clock["phase"], clock["phase_until"])


def test_the_clock_of_a_market_is_now_by_default(shipped: RunningExchange) -> None:
    """NYSE at the exchange's own time, on a market day, after hours."""
    assert {
        "market": {
            "acronym": "NYSE",
            "mic": "XNYS",
            "name": "New York Stock Exchange",
            "timezone": "America/New_York",
        },
        "timestamp": "2013-02-22T16:30:00-05:00",
        "is_market_day": True,
        "next_market_open": "2013-02-25T09:30:00-05:00",
        "next_market_close": "2013-02-25T16:00:00-05:00",
        "phase": "post",
        "phase_until": "2013-02-22T20:00:00-05:00",
    } == shipped.get("/v3/clock").json()["clocks"][0]


def test_the_calendar_of_a_market_is_a_week_from_today(shipped: RunningExchange) -> None:
    """By acronym or MIC, in the market's time or in UTC."""
    answer = shipped.get("/v3/calendar/XNAS").json()
    assert "NASDAQ" == answer["market"]["acronym"]
    assert ["22", "25", "26", "27", "28", "01"] == [day["date"][-2:] for day in answer["calendar"]]
    (day,) = shipped.get("/v3/calendar/NYSE", start="2012-11-23", end="2012-11-23", timezone="UTC").json()[
        "calendar"
    ]
    assert {
        "date": "2012-11-23",
        "pre_start": "2012-11-23T09:00:00+00:00",
        "pre_end": "2012-11-23T14:30:00+00:00",
        "core_start": "2012-11-23T14:30:00+00:00",
        "core_end": "2012-11-23T18:00:00+00:00",
        "post_start": "2012-11-23T18:00:00+00:00",
        "post_end": "2012-11-23T22:00:00+00:00",
        "settlement_date": "2012-11-28",
    } == day


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v2/calendar", {"start": "soon"}),
        ("/v2/calendar", {"date_type": "OTHER"}),
        ("/v3/calendar/XLON", {}),
        ("/v3/calendar/NYSE", {"timezone": "Europe/Rome"}),
        ("/v3/clock", {"markets": "NYSE,LSE"}),
        ("/v3/clock", {"time": "2199-01-01T00:00:00Z"}),
        ("/v3/clock", {"time": "noon"}),
    ],
)
def test_a_wrong_question_for_clock_or_calendar_answers_400(
    shipped: RunningExchange, path: str, query: dict[str, str]
) -> None:
    """The calendar service answers 400 with a message, where the others answer 422."""
    answer = shipped.get(path, **query)
    assert (400, True) == (answer.status_code, bool(answer.json()["message"]))
