"""A series is read up to a closed bar, fetched no more than needed, and noticed when it was split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from alpaquero.broker.protocol import Adjustment
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.store import bars as bar_store
from alpaquero.store.series import Series, closed_series, is_rescaled, stored_series
from tests.fakes.broker import FakeMarketData
from tests.unit.signal.made import FRIDAY, bars_to, midnight

WEDNESDAY, THURSDAY, MONDAY = date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 8)
LAST = midnight(FRIDAY)

pytestmark = pytest.mark.usefixtures("tables")


@dataclass
class Asked(FakeMarketData):
    """Market data that notes from when on it was asked for which symbols."""

    calls: list[tuple[tuple[str, ...], datetime]] = field(default_factory=list)

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]:
        assert "split" == adjustment
        self.calls.append((tuple(symbols), start))
        return super().bars(symbols, timeframe, start, end, adjustment)


@pytest.fixture
def market() -> Asked:
    """Two symbols with bars up to Monday's, which is still forming on Friday evening."""
    return Asked(history={"AAPL": bars_to(MONDAY, 600), "IBM": bars_to(MONDAY, 600)})


def series(market: FakeMarketData, last: datetime = LAST, count: int = 250, symbol: str = "AAPL") -> Series:
    return closed_series([symbol], last, count, market)[symbol]


def listed(found: Series) -> list[Bar]:
    return list(found.columns.bars())


def everything(symbol: str = "AAPL") -> list[Bar]:
    years = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC)
    return list(bar_store.read([symbol], *years).get(symbol, Columns.empty()).bars())


def test_no_bar_after_the_one_judged_is_looked_at(market: Asked) -> None:
    """The bar that is forming is neither judged nor stored."""
    assert LAST == series(market).columns.start_at(-1)
    assert LAST == everything()[-1].start


def test_only_the_missing_tail_is_fetched(market: Asked) -> None:
    """The next day asks from the bar before the newest on, the overlap; then there is nothing to ask for."""
    first = listed(series(market, midnight(THURSDAY)))
    market.calls.clear()
    second = listed(series(market))
    assert [(("AAPL",), midnight(WEDNESDAY))] == market.calls
    assert second[:-1] == first
    market.calls.clear()
    assert second == listed(series(market))
    assert [] == market.calls


def test_who_is_long_behind_does_not_widen_what_others_fetch(market: Asked) -> None:
    """A symbol that is no longer traded is asked for by itself."""
    gone = [bar for bar in market.history["IBM"] if bar.start < midnight(date(2023, 9, 1))]
    market.history["IBM"] = gone
    closed_series(["AAPL", "IBM"], midnight(THURSDAY), 250, market)
    market.calls.clear()
    closed_series(["AAPL", "IBM"], LAST, 250, market)
    assert {(("AAPL",), midnight(WEDNESDAY)), (("IBM",), gone[-2].start)} == set(market.calls)


def test_a_tail_over_the_new_year_keeps_both_years(market: Asked) -> None:
    """Each year's chunk is whole after the tail has been added."""
    series(market, midnight(date(2023, 12, 28)))
    before = listed(series(market))
    assert before == listed(series(Asked()))
    assert before == [bar for bar in market.history["AAPL"] if before[0].start <= bar.start <= LAST]


def test_a_bar_published_again_is_taken_over_with_a_revision(market: Asked) -> None:
    """The newest stored bar is fetched once more; the new one stands, and what stood before can be read."""
    before = series(market, midnight(THURSDAY))
    at = next(n for n, bar in enumerate(market.history["AAPL"]) if bar.start == midnight(THURSDAY))
    late = replace(market.history["AAPL"][at], close=101.25, volume=1234)
    market.history["AAPL"][at] = late
    market.calls.clear()
    found = series(market)
    assert 1 == len(market.calls)
    assert late == listed(found)[-2]
    assert {"2024": 1} == found.revisions
    was = bar_store.read(["AAPL"], before.columns.start_at(0), midnight(THURSDAY), as_of={"AAPL": {}})
    assert before.columns == was["AAPL"]


def test_a_split_fetches_the_whole_series_again(market: Asked) -> None:
    """After a split every stored bar is wrong: none of them is judged or kept, of no year."""
    series(market, midnight(THURSDAY), count=500)
    halved = bars_to(MONDAY, 600, scale=0.5)
    market.history["AAPL"] = halved
    found = series(market)
    assert [bar for bar in halved if listed(found)[0].start <= bar.start <= LAST] == listed(found)
    assert len(found.columns) >= 250
    assert {(bar.close, bar.start) for bar in everything()} <= {(bar.close, bar.start) for bar in halved}
    assert listed(found) == listed(series(Asked()))


def test_years_that_a_split_made_wrong_are_fetched_when_wanted(market: Asked) -> None:
    """They come back with the new prices, not with the old ones."""
    series(market, midnight(THURSDAY), count=500)
    market.history["AAPL"] = bars_to(MONDAY, 600, scale=0.5)
    series(market)
    longer = listed(series(market, count=500))
    assert len(longer) >= 500
    assert [bar for bar in market.history["AAPL"] if longer[0].start <= bar.start <= LAST] == longer


def test_older_years_at_another_scale_do_not_stay_below_a_new_series(market: Asked) -> None:
    """A symbol watched anew, years of which were ingested before its split; those of another fit and stay."""
    begin, end = midnight(date(2021, 1, 1)), midnight(date(2021, 12, 31))
    for symbol in ("AAPL", "IBM"):
        older = [bar for bar in market.history[symbol] if bar.start <= end]
        bar_store.merge({symbol: Columns.of(older)}, begin, end)
    market.history["AAPL"] = bars_to(MONDAY, 600, scale=0.5)
    closed_series(["AAPL", "IBM"], LAST, 250, market)
    both = ("AAPL", "IBM")
    assert ["AAPL"] == bar_store.retired(both, begin, LAST)
    assert {"AAPL": 2022, "IBM": 2021} == {symbol: everything(symbol)[0].start.year for symbol in both}


def test_a_series_found_wrong_is_not_judged_when_it_cannot_be_fetched(
    market: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its new prices the symbol has no series; the old one is not used."""
    series(market, midnight(THURSDAY))
    changed = [replace(bar, close=50.0) for bar in market.history["AAPL"][-5:]]
    answers = iter([{"AAPL": Columns.of(changed)}, {}])
    monkeypatch.setattr(market, "bars", lambda *a, **k: next(answers))
    assert [] == listed(series(market))


def test_a_longer_history_setting_fetches_what_the_store_lacks(market: Asked) -> None:
    """Stored bars that are too few are fetched again whole, not withheld for ever."""
    series(market, count=30)
    kept = len(everything())
    assert len(series(market, count=kept + 50).columns) >= kept + 50


def test_a_symbol_that_is_young_is_not_fetched_whole_at_each_run(market: Asked) -> None:
    """The years before its first bar are known to be empty."""
    market.history["AAPL"] = [b for b in market.history["AAPL"] if b.start >= midnight(date(2023, 11, 1))]
    series(market, midnight(THURSDAY))
    market.calls.clear()
    series(market)
    assert [midnight(WEDNESDAY)] == [since for _, since in market.calls]


def test_a_late_run_of_an_earlier_bar_keeps_the_later_ones(market: Asked) -> None:
    """Judging Wednesday again neither looks at Friday nor loses it."""
    series(market)
    market.calls.clear()
    assert midnight(WEDNESDAY) == series(market, midnight(WEDNESDAY)).columns.start_at(-1)
    assert (LAST, []) == (everything()[-1].start, market.calls)


def test_stored_series_asks_nobody(market: Asked) -> None:
    """What is stored is served as it is, without the newest bar if it lacks that."""
    kept = series(market, midnight(THURSDAY)).columns
    assert {"AAPL": kept} == stored_series(["AAPL", "IBM"], LAST, 250)


def test_a_series_with_no_bar_in_common_is_in_doubt() -> None:
    """An overlap that has vanished is as bad as one that has changed; nothing stored is no doubt."""
    old, new = Columns.of(bars_to(THURSDAY, 5)), Columns.of(bars_to(MONDAY, 1))
    assert (True, False) == (is_rescaled(old, new), is_rescaled(Columns.empty(), new))


# ------------------------------------------------------------------------------- parts of the day


def session(day: date, close: int = 16) -> Session:
    def at(hour: int, minute: int) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)

    return Session(day, at(9, 30), at(close, 0))


def sessions(start: date, end: date) -> list[Session]:
    """Weekdays, Thursday with an early close."""
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    return [session(day, 13 if day == THURSDAY else 16) for day in days if day.weekday() < 5]


@pytest.mark.parametrize(
    ("timeframe", "minutes", "count"),
    [
        (Timeframe.HOUR, 60, 4),
        (Timeframe.FIFTEEN_MINUTES, 15, 14),
        (Timeframe.FIVE_MINUTES, 5, 42),
        (Timeframe.MINUTE, 1, 210),
    ],
)
def test_only_bars_of_the_regular_session_are_kept(timeframe: Timeframe, minutes: int, count: int) -> None:
    """Bars before the open and after an early close are left out; the hour of the open counts."""
    start, end = midnight(date(2023, 12, 1)), midnight(THURSDAY) + timedelta(hours=23)
    bars = []
    while start < end:
        if start.astimezone(NEW_YORK).weekday() < 5:
            bars.append(Bar(start, 1.0, 2.0, 0.5, 1.5, 10))
        start += timedelta(minutes=minutes)
    market = Asked(history={"AAPL": bars})
    last = session(THURSDAY, 13).close - timedelta(minutes=minutes)
    found = closed_series(["AAPL"], last, 30, market, timeframe=timeframe, sessions=sessions)["AAPL"].columns
    today = [start for start in found.start if start >= midnight(THURSDAY).timestamp()]
    assert (count, last) == (len(today), found.start_at(-1))
    market.calls.clear()
    again = closed_series(["AAPL"], last, 30, market, timeframe=timeframe, sessions=sessions)["AAPL"].columns
    assert (found, []) == (again, market.calls)


def test_parts_of_the_day_need_the_calendar(market: Asked) -> None:
    """Without it an early close could not be told."""
    with pytest.raises(TypeError, match="sessions"):
        closed_series(["AAPL"], LAST, 30, market, timeframe=Timeframe.HOUR)
