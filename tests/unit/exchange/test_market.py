"""What the market shows at a moment: minutes that make the day, the forming bar, nothing from later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.prices import Bar, Session
from laptop.exchange.errors import ExchangeError
from laptop.exchange.history import History, SymbolHistory, folder_history
from laptop.exchange.market import TRADES_A_MINUTE, Market, closed_minutes
from laptop.exchange.series import Series, Window
from laptop.exchange.tape import tape_of
from laptop.exchange.timeframes import midnight, parse_bar_length

from .served_bars import split_adjusted_days

HEADER = "timestamp,open,high,low,close,volume"
MINUTE = timedelta(minutes=1)
FULL = Session(
    date(2012, 11, 21), datetime(2012, 11, 21, 14, 30, tzinfo=UTC), datetime(2012, 11, 21, 21, tzinfo=UTC)
)
EARLY = Session(
    date(2012, 11, 23), datetime(2012, 11, 23, 14, 30, tzinfo=UTC), datetime(2012, 11, 23, 18, tzinfo=UTC)
)

Folder = Callable[..., History]
prices = st.decimals(min_value="0.01", max_value="5000", places=2).map(float)


@st.composite
def daily_bars(draw: st.DrawFn) -> tuple[Session, Bar]:
    """A daily bar of a full or a half session."""
    session = draw(st.sampled_from([FULL, EARLY]))
    o, c, one, other = (draw(prices) for _ in range(4))
    volume = draw(st.integers(0, 10**9))
    return session, Bar(midnight(session.date), o, max(o, c, one, other), min(o, c, one, other), c, volume)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Writes CSV files and reads them as a history."""

    def write(splits: str = "", **rows: list[str]) -> History:
        for symbol, lines in rows.items():
            (tmp_path / f"{symbol}.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        if splits:
            (tmp_path / "splits.csv").write_text(f"symbol,ex_date,new_shares,old_shares\n{splits}\n")
        return folder_history(tmp_path)

    return write


def market_of(session: Session, bar: Bar) -> Market:
    """A market with one symbol and one day."""
    history = SymbolHistory("X", [session.date], [bar], ())
    return Market(History({"X": history}, [session], [session], "print"), Decimal(1))


@given(daily_bars())
def test_the_minutes_of_a_day_make_its_daily_bar_exactly(day: tuple[Session, Bar]) -> None:
    """Open, high, low, close and volume, on full and on half days, whatever the bar."""
    session, bar = day
    columns = market_of(session, bar).minutes("X", session)
    assert columns is not None
    assert len(columns.indices) == (session.close - session.open) // MINUTE
    made = (columns.opens[0], max(columns.highs), min(columns.lows), columns.closes[-1], sum(columns.volumes))
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == made


@given(day=daily_bars(), minute=st.integers(0, 209))
def test_a_minute_is_the_part_of_the_path_that_orders_are_matched_on(
    day: tuple[Session, Bar], minute: int
) -> None:
    """Bars and fills come from the same prices."""
    session, bar = day
    market = market_of(session, bar)
    columns, path = market.minutes("X", session), market.path("X", session)
    assert columns is not None
    assert path is not None
    begin, end = (market.fraction(session, session.open + part * MINUTE) for part in (minute, minute + 1))
    span = path.span(begin, end)
    shown = [part[minute] for part in (columns.opens, columns.highs, columns.lows, columns.closes)]
    assert [float(price) for price in (span.open, span.high, span.low, span.close)] == shown


@given(daily_bars())
def test_the_trades_of_a_minute_make_its_bar(day: tuple[Session, Bar]) -> None:
    """First, highest, lowest and last price and the volume, minute by minute."""
    session, bar = day
    columns = market_of(session, bar).minutes("X", session)
    assert columns is not None
    trades = list(tape_of(columns, session, len(columns.indices)))
    assert [trade.at for trade in trades] == sorted(trade.at for trade in trades)
    assert len({trade.id for trade in trades}) == len(trades)
    for index in columns.indices:
        four = trades[index * TRADES_A_MINUTE : (index + 1) * TRADES_A_MINUTE]
        minute = session.open + index * MINUTE
        assert all(minute <= trade.at < minute + MINUTE for trade in four)
        of_minute = [trade.price for trade in four]
        made = (of_minute[0], max(of_minute), min(of_minute), of_minute[-1], sum(t.size for t in four))
        parts = (columns.opens, columns.highs, columns.lows, columns.closes, columns.volumes)
        assert tuple(part[index] for part in parts) == made


@given(day=daily_bars(), seconds=st.integers(0, 23_399))
def test_the_forming_bar_grows_into_the_daily_bar(day: tuple[Session, Bar], seconds: int) -> None:
    """Never beyond the day's range or volume, closing at the last trade; whole at the close."""
    session, bar = day
    market = market_of(session, bar)
    now = min(session.open + timedelta(seconds=seconds), session.close - timedelta(seconds=1))
    forming, trade = market.daily_bar("X", now), market.last_trade("X", now)
    assert forming is not None
    assert trade is not None
    assert (bar.start, bar.open, float(trade.price)) == (forming.start, forming.open, forming.close)
    assert bar.low <= forming.low <= forming.high <= bar.high
    assert forming.volume <= bar.volume
    closed = market.daily_bar("X", session.close)
    assert closed is not None
    assert (bar.open, bar.high, bar.low, bar.close) == (closed.open, closed.high, closed.low, closed.close)


def test_the_last_minute_bar_is_one_that_is_over(folder: Folder) -> None:
    """Before the first minute closes it is the last one of the day before, or none."""
    market = Market(folder(X=["2012-11-20,10,12,9,11,390", "2012-11-21,20,22,19,21,390"]), Decimal(1))
    first, second = market.history.sessions
    assert market.minute_bar("X", first.open + MINUTE / 2) is None
    before = market.minute_bar("X", second.open + MINUTE / 2)
    after = market.minute_bar("X", second.open + MINUTE)
    assert before is not None
    assert after is not None
    assert (first.close - MINUTE, second.open) == (before.start, after.start)
    assert before.close == 11


MINUTES = [
    "2012-11-20T14:30:00Z,10,11,9.5,10.5,100",
    "2012-11-20T14:31:00Z,10.6,10.7,10.4,10.5,50",
    "2012-11-20T14:35:00Z,12,12.5,11.75,12.25,200",
]


def test_a_minute_file_is_served_as_it_is_and_sums_to_its_days(folder: Folder) -> None:
    """Times in UTC or New York; minutes without a row have no bar; the label says recorded."""
    local = [row.replace("T14:", "T09:").replace("Z", "") for row in MINUTES]
    history = folder(X=MINUTES, Y=local)
    assert history.symbols["X"].bars == history.symbols["Y"].bars
    assert history.symbols["X"].bars == [Bar(midnight(date(2012, 11, 20)), 10, 12.5, 9.5, 12.25, 350)]
    market = Market(history, Decimal(1))
    session = history.sessions[0]
    length = parse_bar_length("1Min")
    assert length is not None
    window = Window(session.open, session.close, session.close)
    (run,) = Series(market).bars("X", length, window, adjusted=False)
    assert [session.open + minute * MINUTE for minute in (0, 1, 5)] == run.stamps
    assert run.synthetic is False
    assert b'"o":12.0,"h":12.5,"l":11.75,"c":12.25,"v":200' in run.lines[-1]


def test_between_recorded_minutes_the_price_rests_and_then_jumps(folder: Folder) -> None:
    """An order sees the last close until the next minute that traded, and a gap at its start."""
    market = Market(folder(X=MINUTES), Decimal(1))
    session = market.history.sessions[0]
    path = market.path("X", session)
    assert path is not None
    quiet, jump = (market.fraction(session, session.open + minute * MINUTE) for minute in (3, 5))
    assert path.price_at(quiet) == Decimal("10.5")
    assert path.span(quiet, jump).high == Decimal("10.5")
    assert path.span(jump, jump).open == Decimal(12)
    assert path.reached(Decimal(11), quiet) == jump
    closed = closed_minutes(market.history.symbols["X"].minutes[session.date], session, session.open + MINUTE)
    assert closed == 1


def test_minutes_outside_the_session_are_left_out_and_said_so(folder: Folder) -> None:
    """Pre-market rows do not make the day; one line says how many they were."""
    history = folder(X=["2012-11-20T13:00:00Z,1,1,1,1,5", *MINUTES])
    assert history.symbols["X"].bars[0].low == 9.5
    assert list(history.notes) == ["X.csv: 1 minutes outside the regular sessions are not used"]


def test_a_reverse_split_multiplies_earlier_prices(folder: Folder) -> None:
    """One share for ten: ten times the price and a tenth of the volume before, from its morning on."""
    rows = ["2012-11-20,1,1.2,0.9,1.1,1000", "2012-11-21,11,12,10,11.5,100"]
    market = Market(folder(X=rows, splits="X,2012-11-21,1,10"), Decimal(1))
    before, after = (session.close for session in market.history.sessions)
    for now, expected in ((before, (1.1, 1000)), (after, (11, 100))):
        bar = split_adjusted_days(market, "X", now)[0]
        assert expected == (bar.close, bar.volume)
    assert market.previous_close("X", after) == Decimal(11)


def test_a_three_for_two_split_is_divided_to_six_places(folder: Folder) -> None:
    """A ratio that no decimal holds exactly is rounded on the wire alone."""
    rows = ["2012-11-20,10,10,10,10,100", "2012-11-21,7,7,7,7,100"]
    market = Market(folder(X=rows, splits="X,2012-11-21,3,2"), Decimal(1))
    bar = split_adjusted_days(market, "X", market.history.sessions[1].close)[0]
    assert (6.666667, 150) == (bar.close, bar.volume)


@pytest.mark.parametrize("split", ["X,2012-11-21,2,2", "X,2012-11-21,0,1", "X,2012-11-21,1.5,1"])
def test_a_split_of_broken_or_equal_shares_is_refused(folder: Folder, split: str) -> None:
    """The message names the line and shows how to write one."""
    with pytest.raises(ExchangeError, match=r"splits\.csv line 2: .* is no split; write whole shares"):
        folder(X=["2012-11-20,1,1,1,1,1"], splits=split)


@pytest.mark.parametrize(
    ("timeframe", "stamps"),
    [
        ("1Min", 390),
        ("7Min", 57),
        ("1Hour", 7),
        ("23H", 1),
        ("1D", 1),
        ("1W", 1),
        ("12Month", 1),
    ],
)
def test_every_timeframe_cuts_a_day_into_its_bars(folder: Folder, timeframe: str, stamps: int) -> None:
    """Whatever the length, the bars of a day have its volume between them."""
    market = Market(folder(X=["2012-11-20,10,12,9,11,12345"]), Decimal(1))
    session = market.history.sessions[0]
    length = parse_bar_length(timeframe)
    assert length is not None
    window = Window(datetime(2012, 1, 1, tzinfo=UTC), session.close, session.close)
    runs = list(Series(market).bars("X", length, window, adjusted=False))
    lines = [line for run in runs for line in run.lines]
    assert stamps == len(lines)
    assert sum(int(line.split(b'"v":')[1].split(b",")[0]) for line in lines) == 12_345


def test_the_first_hour_of_a_session_is_found_by_its_stamp(folder: Folder) -> None:
    """Hours begin on the clock: who asks up to that stamp, before the open, gets the bar."""
    market = Market(folder(X=["2012-11-20,10,12,9,11,12345"]), Decimal(1))
    session = market.history.sessions[0]
    nine = session.open - 30 * MINUTE
    length = parse_bar_length("1Hour")
    assert length is not None
    window = Window(nine, nine, session.close)
    runs = Series(market).bars("X", length, window, adjusted=False)
    assert [nine] == [stamp for run in runs for stamp in run.stamps]


@pytest.mark.parametrize("wrong", ["60Min", "0Min", "24Hour", "2Day", "2Week", "5Month", "Day", "1min", ""])
def test_a_timeframe_that_alpaca_does_not_have_is_none(wrong: str) -> None:
    """Alpaca's own limits: 59 minutes, 23 hours, one day, one week, and divisors of a year."""
    assert parse_bar_length(wrong) is None
