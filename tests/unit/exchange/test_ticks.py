"""What the market data streams carry between two moments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.simulation import MatchingTerms
from laptop.exchange import ticks
from laptop.exchange.clock import ClockMode
from laptop.exchange.history import folder_history
from laptop.exchange.nyse import nyse_sessions
from laptop.exchange.opening import open_venue
from laptop.exchange.ticks import MadeUpSource, MarketSource, Moment, moments, tick_spacing
from laptop.exchange.venue import Venue

DAYS = ["2012-11-20", "2012-11-21", "2012-11-23"]  # the last one closes early
SESSIONS = [session for session in nyse_sessions(date(2012, 11, 20)) if str(session.date) in DAYS]
START, END = SESSIONS[0].open - timedelta(hours=1), SESSIONS[-1].close + timedelta(hours=1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    """A venue with X, which trades on all of DAYS, and GONE, which trades on the first alone."""
    data = tmp_path / "data"
    data.mkdir()
    header = "timestamp,open,high,low,close,volume"
    for symbol, days in (("X", DAYS), ("GONE", DAYS[:1])):
        rows = [f"{day},100,101,99,100.5,39000" for day in days]
        (data / f"{symbol}.csv").write_text("\n".join([header, *rows]))
    with ExitStack() as stack:
        opened = open_venue(folder_history(data), tmp_path / "state", MatchingTerms(1, Decimal(1), 0.0))
        stack.callback(opened.close)
        yield opened


def wanted(since: datetime = ALWAYS, **channels: str) -> Mapping[str, Mapping[str, datetime]]:
    """A subscription to one symbol a channel."""
    return {channel: {symbol: since} for channel, symbol in channels.items()}


def bar_starts(venue: Venue, after: datetime, until: datetime, want: ticks.Wanted) -> list[object]:
    """The starts of the minute bars."""
    frames = MarketSource(venue).points(after, until, want)
    return [message.body["t"] for frame in frames for message in frame if message.kind == "b"]


def test_a_moment_belongs_to_the_stretch_that_ends_with_it() -> None:
    """The open is a tick and no minute's close; the close of the session is both."""
    opened, closed = SESSIONS[0].open, SESSIONS[0].close
    assert moments(SESSIONS, START, opened, HOUR) == [Moment(opened, tick=True, minute=False)]
    assert moments(SESSIONS, opened, opened + MINUTE, HOUR) == [
        Moment(opened + MINUTE, tick=False, minute=True)
    ]
    assert moments(SESSIONS, closed - MINUTE, END, HOUR)[0] == Moment(closed, tick=True, minute=True)
    assert moments(SESSIONS, closed, SESSIONS[1].open - MINUTE, HOUR) == []


def test_every_minute_of_a_session_closes_once_on_short_days_too() -> None:
    """390 minutes, and 210 on the day after Thanksgiving."""
    for session, minutes in zip(SESSIONS, (390, 390, 210), strict=True):
        passing = moments(SESSIONS, session.open, session.close, HOUR)
        assert sum(moment.minute for moment in passing) == minutes


@given(
    cuts=st.lists(st.datetimes(START.replace(tzinfo=None), END.replace(tzinfo=None)), max_size=5),
    spacing=st.integers(1, 20_000),
)
def test_however_a_stretch_is_cut_up_its_moments_are_the_same(cuts: list[datetime], spacing: int) -> None:
    """Nothing is sent twice and nothing is left out where one look at the clock ends and the next begins."""
    step = timedelta(seconds=max(spacing, 60))
    places = [START, *sorted(cut.replace(tzinfo=UTC) for cut in cuts), END]
    pieces = [moment for after, until in pairwise(places) for moment in moments(SESSIONS, after, until, step)]
    assert pieces == moments(SESSIONS, START, END, step)


def test_a_session_at_60_seconds_has_some_hundred_ticks_and_not_one_a_second(venue: Venue) -> None:
    """Four a wall second at a pace, one a second in real time, one in five minutes when stepped."""
    session = venue.sessions[0]

    def count() -> float:
        return (session.close - session.open) / tick_spacing(venue, session)

    assert count() == 78
    venue.set_clock(ClockMode.RUNNING, 60.0, 0.0)
    assert 120 <= count() <= 160
    venue.set_clock(ClockMode.REAL, 60.0, 0.0)
    assert tick_spacing(venue, session) == timedelta(seconds=1)


def test_minute_bars_and_the_growing_day_come_at_each_close(venue: Venue) -> None:
    """The last daily bar of a session is the session's own."""
    session = venue.sessions[0]
    frames = list(MarketSource(venue).points(session.open, session.close, wanted(bars="X", dailyBars="*")))
    assert len(frames) == 390
    assert [message.kind for message in frames[0]] == ["b", "d", "d"]
    body = frames[-1][-1].body
    assert [body[field] for field in "SohlcT"] == ["X", 100, 101, 99, 100.5, "d"]
    starts = [frame[0].body["t"] for frame in frames]
    assert starts == [session.open + MINUTE * index for index in range(390)]


def test_a_symbol_that_does_not_trade_in_a_session_sends_nothing(venue: Venue) -> None:
    """Its last price stands, but no trade happens."""
    session = venue.sessions[1]
    want = wanted(trades="GONE", quotes="GONE", bars="GONE", dailyBars="GONE")
    assert [frame for frame in MarketSource(venue).points(session.open, session.close, want) if frame] == []


def test_a_delayed_feed_is_a_quarter_of_an_hour_behind(venue: Venue) -> None:
    """Its present is the market's 15 minutes ago."""
    assert MarketSource(venue, 15 * MINUTE).now() == venue.now - 15 * MINUTE


def test_what_passed_before_a_subscription_is_not_sent(venue: Venue) -> None:
    """Each symbol has its own beginning, the wildcard too."""
    session = venue.sessions[0]
    noon = session.open + 3 * HOUR
    late = bar_starts(venue, session.open, session.close, wanted(noon, bars="*"))
    assert late[0] == noon
    both = {"bars": {"*": noon, "X": noon - HOUR}}
    assert bar_starts(venue, session.open, session.close, both)[0] == noon - HOUR


def test_of_a_long_stretch_the_end_is_sent(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump over sessions is bounded: the newest messages, whole moments only."""
    monkeypatch.setattr(ticks, "MOST_POINTS", 21)
    want = wanted(bars="X", dailyBars="X")
    sent = bar_starts(venue, START, END, want)
    assert sent == [SESSIONS[-1].close - MINUTE * index for index in range(10, 0, -1)]


def test_the_test_feed_has_a_trade_and_a_quote_a_second_and_a_bar_a_minute() -> None:
    """In wall time; the price in a bar lies between its low and its high."""
    start = datetime(2026, 1, 3, 3, 0, 0, 500_000, tzinfo=UTC)
    want = wanted(trades="*", quotes="FAKEPACA", bars="FAKEPACA")
    frames = list(MadeUpSource().points(start, start + MINUTE, want))
    kinds = [message.kind for frame in frames for message in frame]
    assert [kinds.count(kind) for kind in "tqb"] == [60, 60, 1]
    [bar] = [message.body for frame in frames for message in frame if message.kind == "b"]
    assert bar["t"] == start.replace(microsecond=0)
    assert isinstance(bar["l"], float)
    assert isinstance(bar["h"], float)
    assert bar["l"] < bar["h"]
