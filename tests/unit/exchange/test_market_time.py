"""The venue's clock in its modes: real time, paused, jumping; and what a jump trades on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alpaquero.simulation import MatchingTerms
from laptop.exchange.clock import AFTER_CLOSE, ClockMode, later_in_real_time
from laptop.exchange.errors import RefusedError
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.terms import OrderRequest
from laptop.exchange.venue import Venue

DAYS = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26", "2012-11-27"]
Open = Callable[..., Venue]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a venue on made prices of the symbol X, the evening before the second day."""
    with ExitStack() as stack:

        def begin(state: str = "state", partial: float = 0.0) -> Venue:
            data = tmp_path / "data"
            data.mkdir(exist_ok=True)
            rows = [f"{day},{100 + i},{103 + i},{97 + i},{101 + i},1000" for i, day in enumerate(DAYS)]
            (data / "X.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
            terms = MatchingTerms(1, Decimal(0), partial)
            first = date.fromisoformat(DAYS[1])
            venue = open_venue(folder_history(data), tmp_path / state, terms, first=first)
            stack.callback(venue.close)
            return venue

        yield begin


def place(venue: Venue) -> None:
    """A market order, a limit order below the market and one that never fills."""
    for number, (type_, price) in enumerate([("market", None), ("limit", 98), ("limit", 50)]):
        venue.place_order(
            OrderRequest(
                symbol="X",
                qty=Decimal(10),
                side="buy",
                type=type_,
                time_in_force="gtc",
                limit_price=None if price is None else Decimal(price),
                client_order_id=f"order-{number}",
            )
        )


def test_in_real_time_a_second_is_a_second_by_night_as_by_day(opened: Open) -> None:
    """Sixteen hours of wall time are sixteen hours of market time."""
    venue = opened()
    venue.set_clock(ClockMode.REAL, 60, wall=100)
    began = venue.now
    for seconds in (1, 3600, 16 * 3600):
        venue.run_to(100 + seconds)
        assert venue.now == began + timedelta(seconds=seconds)


def test_real_time_stops_half_an_hour_past_the_last_close(opened: Open) -> None:
    """As running time does; it never goes back when it stands beyond."""
    sessions = opened().sessions
    end = sessions[-1].close + AFTER_CLOSE
    assert later_in_real_time(sessions[-1].close, 10_000, sessions) == end
    beyond = end + timedelta(hours=1)
    assert later_in_real_time(beyond, 10, sessions) == beyond


@pytest.mark.parametrize("mode", [ClockMode.RUNNING, ClockMode.REAL])
def test_a_paused_clock_stands_still_and_goes_on_where_it_stood(opened: Open, mode: ClockMode) -> None:
    """Wall time that passes during the pause is not made up for."""
    venue = opened()
    venue.set_clock(mode, 60, wall=0)
    venue.run_to(5)
    venue.pause(10)
    stood = venue.now
    venue.run_to(1000)
    assert (venue.now, venue.paused) == (stood, True)
    venue.pause(2000, paused=False)
    assert venue.now == stood
    venue.run_to(2001)
    gone = venue.now - stood
    assert timedelta(0) < gone
    assert gone == timedelta(seconds=1) or mode is ClockMode.RUNNING


def test_a_jump_trades_exactly_what_steps_would(opened: Open) -> None:
    """Fills, cash and equity are the same, partial fills included; the clock stands at the asked time."""
    stepped, jumped = opened("one", 0.7), opened("other", 0.7)
    to = stepped.sessions[2].close + AFTER_CLOSE
    for venue in (stepped, jumped):
        place(venue)
    for _ in range(3):
        stepped.step()
    jumped.jump(to)
    assert jumped.now == stepped.now == to
    assert jumped.book.trades == stepped.book.trades != []
    assert (jumped.book.cash, jumped.book.last_equity) == (stepped.book.cash, stepped.book.last_equity)


def test_a_jump_into_a_session_trades_up_to_that_moment(opened: Open) -> None:
    """Half of the second session has passed; the rest is left to a step."""
    venue = opened()
    place(venue)
    session = venue.sessions[1]
    middle = session.open + (session.close - session.open) / 2
    venue.jump(middle)
    assert (venue.now, venue.sessions_done) == (middle, 1)
    assert all(trade.at <= middle for trade in venue.book.trades)
    venue.step()
    assert venue.sessions_done == 2


def test_a_jump_back_or_past_the_prices_is_refused_and_changes_nothing(opened: Open) -> None:
    """409, and the message says where the clock is or where the prices end."""
    venue = opened()
    place(venue)
    before = venue.now
    for to, said in [
        (before - timedelta(seconds=1), r"the clock is at 2012-11-19T21:30:00\+00:00 and never goes back"),
        (datetime(2013, 1, 2, tzinfo=UTC), r"the prices end at 2012-11-27T21:30:00\+00:00"),
    ]:
        with pytest.raises(RefusedError, match=said) as raised:
            venue.jump(to)
        assert raised.value.status == 409
    assert (venue.now, venue.book.trades) == (before, [])
