"""The venue without HTTP: partial fills, splits, the running clock, and a book that replays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from alpaquero.orders.kinds import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.trades import trades_of
from alpaquero.simulation import MatchingTerms, SessionPath
from alpaquero.simulation.matching import Status, Stretch
from laptop.exchange.book import Order, Trade
from laptop.exchange.clock import ClockMode
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.terms import OrderRequest, StopLoss, TakeProfit
from laptop.exchange.venue import Venue

from .served_bars import split_adjusted_days

DAYS = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26"]
CALM = [(100, 101, 99, 100)] * 5
Open = Callable[..., Venue]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a venue on made prices of the symbol X, before the second day; closes it after the test."""
    with ExitStack() as stack:

        def begin(
            days: Sequence[tuple[float, float, float, float]],
            *,
            partial: float = 0.0,
            splits: str = "",
            state: str = "state",
        ) -> Venue:
            data = tmp_path / "data"
            data.mkdir(exist_ok=True)
            rows = [f"{day},{','.join(map(str, bar))},1000" for day, bar in zip(DAYS, days, strict=True)]
            text = "\n".join(["timestamp,open,high,low,close,volume", *rows])
            (data / "X.csv").write_text(text)
            (data / "splits.csv").write_text(f"symbol,ex_date,new_shares,old_shares\n{splits}")
            terms = MatchingTerms(1, Decimal(0), partial)
            first = date.fromisoformat(DAYS[1])
            venue = open_venue(folder_history(data), tmp_path / state, terms, first=first)
            stack.callback(venue.close)
            return venue

        yield begin


def buy(venue: Venue, client_order_id: str = "entry", quantity: int = 100) -> Order:
    """A gtc bracket of X: target 105, stop 95."""
    return venue.place_order(
        OrderRequest(
            symbol="X",
            qty=Decimal(quantity),
            side="buy",
            type="market",
            time_in_force="gtc",
            order_class="bracket",
            client_order_id=client_order_id,
            take_profit=TakeProfit(Decimal(105)),
            stop_loss=StopLoss(Decimal(95)),
        )
    )


def trades(venue: Venue) -> list[tuple[str, Decimal, Decimal, datetime]]:
    """Side, quantity, price and time of every fill."""
    return [(t.side.value, t.quantity, t.price, t.at) for t in venue.book.trades]


def test_a_partly_filled_entry_fills_its_rest_in_the_same_session_and_then_has_its_exits(
    opened: Open,
) -> None:
    """Two fills at the open add up; the legs go live with the second one."""
    venue = opened(CALM, partial=1.0)
    order = buy(venue)
    venue.step()
    quantities = [trade.quantity for trade in venue.book.trades]
    assert len(quantities) == 2
    assert venue.book.trades[0].id < venue.book.trades[1].id
    assert sum(quantities) == 100
    assert [trade.leaves for trade in venue.book.trades] == [quantities[1], 0]
    target, stop = venue.book.legs_of(order)
    assert (target.status, stop.status) == (Status.NEW, Status.HELD)
    assert venue.book.held("X") == 100


def test_a_partly_filled_stop_sells_the_rest_and_nothing_is_sold_twice(opened: Open) -> None:
    """The target is cancelled with the stop's first fill, the rest follows at once as a market order."""
    venue = opened([*CALM[:2], (99, 100, 94, 96), *CALM[:2]], partial=1.0)
    order = buy(venue)
    venue.step()
    venue.step()
    target, stop = venue.book.legs_of(order)
    assert (target.status, stop.status) == (Status.CANCELED, Status.FILLED)
    sold = [trade for trade in venue.book.trades if trade.side.value == "sell"]
    assert [trade.price for trade in sold] == [Decimal(95), Decimal(95)]
    assert sold[0].at + timedelta(milliseconds=1) == sold[1].at
    assert sold[0].id < sold[1].id
    assert sum(trade.quantity for trade in sold) == 100
    assert venue.book.positions == {}


@pytest.mark.parametrize("partial", [0.0, 1.0])
@pytest.mark.parametrize("name", ["one", "two", "three", "four"])
def test_a_position_that_a_gap_stops_out_at_once_was_bought_first(
    opened: Open, name: str, partial: float
) -> None:
    """The stop's fills are later than the entry's, by time and by id: they fold as a purchase, stopped."""
    venue = opened([CALM[0], (90, 91, 89, 90), *CALM[2:]], partial=partial)
    _, stop = venue.book.legs_of(buy(venue, name))
    venue.step()
    fills = [told(trade) for trade in venue.book.trades]
    assert sorted(fills, key=lambda fill: fill.at) == sorted(fills, key=lambda fill: fill.id) == fills
    assert len({fill.at for fill in fills}) == len(fills) >= 2
    (trade,) = trades_of(fills, {stop.client_order_id: "stop"})
    assert (trade.side, trade.quantity, trade.reason) == (Side.BUY, Decimal(100), "stop")


def told(trade: Trade) -> Fill:
    """A fill as the books keep it."""
    return Fill(
        id=trade.id,
        account="paper",
        client_order_id=trade.client_order_id,
        broker_order_id=trade.order_id,
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        at=trade.at,
    )


def test_a_partly_filled_target_leaves_the_stop_the_rest(opened: Open) -> None:
    """What the target sold, the stop no longer holds; the shares are never held twice."""
    venue = opened([*CALM[:2], (101, 106, 100, 103), (100, 101, 94, 95), CALM[0]], partial=1.0)
    order = buy(venue)
    venue.step()
    venue.step()
    target, stop = venue.book.legs_of(order)
    assert target.status is Status.PARTIALLY_FILLED
    left = Decimal(100) - target.filled_quantity
    assert (stop.quantity, venue.book.held("X"), venue.book.positions["X"].quantity) == (left, left, left)
    while venue.book.positions:
        venue.step()
    assert sum(trade.quantity for trade in venue.book.trades if trade.side.value == "sell") == 100


def test_a_split_multiplies_shares_and_divides_the_exits_prices(opened: Open) -> None:
    """2:1 before the third day: the position is worth the same and is protected at half the price."""
    halved = [(50, 50.5, 49.5, 50)] * 3
    venue = opened([*CALM[:2], *halved], splits="X,2012-11-21,2,1\n")
    order = buy(venue)
    venue.step()
    worth = venue.book.cash + 100 * Decimal(100)
    venue.step()
    target, stop = venue.book.legs_of(order)
    assert (target.limit_price, stop.stop_price) == (Decimal("52.50"), Decimal("47.50"))
    assert {target.quantity, stop.quantity} == {Decimal(200)}
    assert venue.book.positions["X"].quantity == 200
    assert venue.book.cash + 200 * Decimal(50) == worth == venue.book.last_equity
    adjusted = split_adjusted_days(venue.market, "X", venue.now)
    assert [(bar.close, bar.volume) for bar in adjusted] == [(50, 2000), (50, 2000), (50, 1000)]


def test_a_split_is_not_known_before_its_day(opened: Open) -> None:
    """The evening before, adjusted bars are still raw: no look ahead."""
    venue = opened([*CALM[:2], *[(50, 50.5, 49.5, 50)] * 3], splits="X,2012-11-21,2,1\n")
    venue.step()
    bars = split_adjusted_days(venue.market, "X", venue.now)
    assert [bar.close for bar in bars] == [100, 100]


def test_a_reverse_split_pays_the_broken_share_and_cancels_the_exits(opened: Open) -> None:
    """1:10 of 105 shares: ten are left, half a share is paid at the open, and nothing waits any more."""
    venue = opened([*CALM[:2], *[(1000, 1010, 990, 1000)] * 3], splits="X,2012-11-21,1,10\n")
    order = buy(venue, quantity=105)
    venue.step()
    cash = venue.book.cash
    venue.step()
    assert venue.book.positions["X"].quantity == 10
    assert venue.book.cash == cash + Decimal(500)
    assert {leg.status for leg in venue.book.legs_of(order)} == {Status.CANCELED}
    assert venue.book.held("X") == 0


def test_running_in_small_steps_trades_what_the_path_passes(opened: Open) -> None:
    """On a rising day the low comes first: bought at the open, sold at the target later that day."""
    venue = opened([CALM[0], (100, 106, 96, 104), *CALM[:3]])
    buy(venue)
    venue.set_clock(ClockMode.RUNNING, 60, wall=0)
    for tick in range(1, 500):
        venue.run_to(tick / 8)
    bought, sold = trades(venue)[:2]
    hundred = Decimal(100)
    assert bought == ("buy", hundred, hundred, datetime(2012, 11, 20, 14, 30, tzinfo=UTC))
    assert sold[:3] == ("sell", hundred, Decimal(105))
    assert datetime(2012, 11, 20, 17, tzinfo=UTC) < sold[3] < datetime(2012, 11, 20, 19, tzinfo=UTC)


def test_a_market_order_in_an_open_session_fills_at_the_price_of_the_moment(opened: Open) -> None:
    """A third into a rising day the path is at its low."""
    venue = opened([CALM[0], (100, 106, 96, 104), *CALM[:3]])
    venue.set_clock(ClockMode.RUNNING, 60, wall=0)
    wall = 0.0
    while venue.market.open_session(venue.now) is None:
        wall += 0.25
        venue.run_to(wall)
    venue.run_to(wall + 40 / 3)
    price = venue.market.quote("X", venue.now)
    assert price is not None
    buy(venue)
    venue.run_to(wall + 40 / 3 + 0.25)
    assert venue.book.trades[0].price == price[0].ask
    assert venue.book.trades[0].price < 97


def test_the_ledger_gives_the_same_book_again_and_cannot_be_rewritten(opened: Open, tmp_path: Path) -> None:
    """The book in memory is the fold of the ledger; SQLite refuses to change a row of it."""
    venue = opened([*CALM[:2], (99, 100, 94, 96), *CALM[:2]], partial=1.0)
    for number in range(5):
        buy(venue, f"entry-{number}", 10 + number)
    venue.step()
    venue.cancel(next(iter(venue.book.all_open_orders())).id)
    venue.step()
    copy = tmp_path / "copy.sqlite"
    venue.copy_book(copy)
    assert venue._ledger.book() == venue.book
    database = sqlite3.connect(copy)
    try:
        for statement in ("DELETE FROM ledger", "UPDATE ledger SET kind = ''"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute(statement)
    finally:
        database.close()


def test_arrival_order_changes_neither_fills_nor_cash(opened: Open) -> None:
    """The same orders the other way round give the same fills, ids included."""

    def run(state: str, numbers: Sequence[int]) -> tuple[list[object], Decimal]:
        venue = opened([*CALM[:2], (99, 100, 94, 96), *CALM[:2]], partial=0.5, state=state)
        for number in numbers:
            buy(venue, f"entry-{number}", 10 * number)
        for _ in range(4):
            venue.step()
        return list(venue.book.trades), venue.book.cash

    assert run("one", range(1, 9)) == run("other", range(8, 0, -1))


def test_a_moment_of_any_fraction_has_a_market_time(opened: Open) -> None:
    """Where a path crosses a price is a fraction of dozens of digits; it is still a time of the session."""
    venue = opened(CALM)
    session = venue.sessions[1]
    path = SessionPath(*map(Decimal, ("10", "12", "9", "11")))
    stretch = Stretch(session, path, Fraction(0), Fraction(1), session.open)
    third = Fraction(10**40 + 7, 3 * 10**40)
    assert stretch.time(third) == session.open + (session.close - session.open) / 3
    assert (stretch.time(Fraction(0)), stretch.time(Fraction(1))) == (session.open, session.close)
