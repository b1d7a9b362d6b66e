"""The Bars table: chunks are read and merged by period, and no writer loses another's bars."""

from __future__ import annotations

from array import array
from datetime import UTC, date, datetime, timedelta

import pytest

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import bars
from alpaquero.store.bars import Chunk

DAY = timedelta(days=1)
START = datetime(2011, 12, 20, 5, tzinfo=UTC)
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def made(start: datetime, count: int, step: timedelta = DAY, close: float = 10.5) -> Columns:
    """Bars in a row from `start` on."""
    starts = array("q", (int((start + n * step).timestamp()) for n in range(count)))
    prices = [array("d", (p + n / 100 for n in range(count))) for p in (10.0, 12.0, 9.0, close)]
    return Columns(starts, prices[0], prices[1], prices[2], prices[3], array("q", range(1000, 1000 + count)))


def keep(columns: Columns, symbol: str = "AAPL", timeframe: str = "1Day") -> dict[tuple[str, str], Chunk]:
    """Merges over the span of the columns alone."""
    span = columns.start_at(0), columns.start_at(-1)
    return bars.merge({symbol: columns}, *span, timeframe=timeframe)


def kept(symbol: str = "AAPL", **options: object) -> Columns:
    return bars.read([symbol], FIRST, LAST, **options).get(symbol, Columns.empty())  # type: ignore[arg-type]


def test_reads_back_what_was_written_over_the_year_end() -> None:
    """A series over two years is kept in two chunks and read as one, oldest first."""
    series = made(START, 30)
    assert {("AAPL", "2011"), ("AAPL", "2012")} == set(keep(series))
    assert {"AAPL": series} == bars.read(["AAPL", "NONE"], FIRST, LAST)
    assert {"AAPL": series[3:15]} == bars.read(["AAPL"], series.start_at(3), series.start_at(14))


@pytest.mark.parametrize(
    ("timeframe", "names"),
    [
        ("1Day", ["2024"]),
        ("1Hour", ["2024"]),
        ("15Min", ["2024-05", "2024-06"]),
        ("5Min", ["2024-05", "2024-06"]),
        ("1Min", ["2024-05-31", "2024-06-03"]),
    ],
)
def test_each_timeframe_has_its_period(timeframe: str, names: list[str]) -> None:
    """Years of days and hours, months of five and fifteen minutes, days of minutes without weekends."""
    first, last = (datetime(2024, *day, 23, 59, tzinfo=NEW_YORK) for day in ((5, 31), (6, 3)))
    assert names == bars.periods(timeframe, first, last)


def test_a_period_is_of_new_york() -> None:
    """The last minutes of New Year's Eve in New York are in the old year, though UTC has the new one."""
    assert "2011-12-31" == bars.period(Timeframe.MINUTE, datetime(2012, 1, 1, 1, tzinfo=UTC))
    assert (date(2011, 12, 31), date(2012, 1, 1)) == bars.bounds("2011-12-31")


def test_series_of_another_adjustment_or_timeframe_are_apart() -> None:
    """Raw and split-adjusted bars never mix, nor do days and hours."""
    bars.merge({"AAPL": made(START, 3)}, START, START + 3 * DAY, adjustment="raw")
    keep(made(START, 3), timeframe="1Hour")
    assert Columns.empty() == kept()


def test_more_than_a_page_of_chunks_is_read() -> None:
    """Pages of a hundred are read side by side, and none is lost."""
    series = {f"S{n}": made(START, 2, close=10.0 + n) for n in range(230)}
    bars.merge(series, START, START + 2 * DAY)
    assert series == bars.read(series, FIRST, LAST)


def test_appending_keeps_the_revision() -> None:
    """Bars behind the last are no change of what was judged."""
    keep(made(START, 3))
    touched = keep(made(START, 5))
    assert [0] == [chunk.revision for chunk in touched.values()]
    assert made(START, 5) == kept()


def test_merging_the_same_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ingest may run again over what is there."""
    keep(made(START, 5))
    monkeypatch.setattr(bars, "_add", lambda *a: pytest.fail("nothing is to be written"))
    keep(made(START, 5))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (made(START, 5), made(START + 2 * DAY, 1, close=11.0)),
        (made(START, 5), made(START + 4 * DAY, 3, close=11.0)),
        (made(START + 2 * DAY, 3), made(START, 2)),
        (made(START, 5), made(START, 5, close=9.5)),
        (made(START, 2) + made(START + 4 * DAY, 2), made(START + 2 * DAY, 2)),
    ],
    ids=["changed", "changed and longer", "earlier", "all", "inserted"],
)
def test_a_change_raises_the_revision_and_what_was_judged_can_be_read(first: Columns, then: Columns) -> None:
    """Whatever changes, the bars as of revision 0 are those that stood there."""
    keep(first)
    touched = keep(then)
    assert [1] == [chunk.revision for chunk in touched.values()]
    last = first.start_at(-1)
    before = bars.read(["AAPL"], FIRST, last, as_of={"AAPL": {}})["AAPL"]
    assert first == before
    assert touched["AAPL", "2011"].columns == kept() == kept(as_of={"AAPL": {"2011": 1}})


def test_each_revision_can_be_read() -> None:
    """Three changes of one chunk are taken back one by one."""
    versions = [made(START, 4, close=10.0 + n) for n in range(4)]
    for version in versions:
        keep(version)
    assert versions == [kept(as_of={"AAPL": {"2011": n}}) for n in range(4)]


def test_a_revision_that_is_not_there_is_said() -> None:
    """Nobody is given other bars than those asked for."""
    keep(made(START, 4))
    with pytest.raises(bars.NoSuchRevision, match="not yet 3"):
        kept(as_of={"AAPL": {"2011": 3}})


def test_bars_that_the_market_withdrew_are_taken_out() -> None:
    """The span is replaced, not only the bars that came."""
    keep(made(START, 5))
    gap = made(START, 2) + made(START + 4 * DAY, 1)
    bars.merge({"AAPL": gap}, START, START + 4 * DAY)
    assert gap == kept()


def test_periods_of_the_span_without_a_bar_are_known_as_empty() -> None:
    """Who asks again sees that it was asked for; a symbol without any bar leaves nothing."""
    start = datetime(2009, 1, 1, 5, tzinfo=UTC)
    bars.merge({"AAPL": made(START, 3), "NONE": Columns.empty()}, start, START + 3 * DAY)
    found = bars.stored([("AAPL", "2010"), ("AAPL", "2008")])
    assert [("AAPL", "2010")] == list(found)
    assert Columns.empty() == found["AAPL", "2010"].columns


def test_two_writers_of_one_symbol_lose_nothing() -> None:
    """The second one read before the first wrote: it sees so, reads again and adds its own."""
    keep(made(START, 3))
    stale = bars.stored([("AAPL", "2011")])
    keep(made(START + 3 * DAY, 1))
    bars.merge({"AAPL": made(START + 4 * DAY, 1)}, START + 4 * DAY, START + 4 * DAY, known=stale)
    assert 5 == len(kept())


def test_a_writer_that_thought_there_was_nothing_loses_nothing() -> None:
    """A chunk made meanwhile is not overwritten."""
    keep(made(START, 3))
    bars.merge({"AAPL": made(START + 3 * DAY, 1)}, START + 3 * DAY, START + 3 * DAY, known={})
    assert 4 == len(kept())


def test_retired_periods_are_empty_until_they_are_fetched_again() -> None:
    """Their old bars can still be read as of their revision."""
    series = made(START, 30)
    keep(series)
    bars.retire(["AAPL"], datetime(2012, 1, 1, tzinfo=NEW_YORK), timeframe="1Day", adjustment="split")
    assert series.since(datetime(2012, 1, 1, tzinfo=UTC)) == kept()
    assert bars.stored([("AAPL", "2011")])["AAPL", "2011"].retired
    assert series == kept(as_of={"AAPL": {}})
    keep(made(START, 12, close=5.0))
    assert 30 == len(kept())
    assert not bars.stored([("AAPL", "2011")])["AAPL", "2011"].retired


def test_the_chunks_of_one_series_are_walked_in_order() -> None:
    """What a revision replaced is not among them."""
    keep(made(START, 30))
    keep(made(START, 30, close=11.0))
    assert ["2011", "2012"] == [name for name, _ in bars.stored_periods("AAPL", FIRST, LAST)]


def test_statistics_are_counted_once_in_a_while() -> None:
    """A second question within the quarter of an hour is answered from the count before."""
    keep(made(START, 30))
    first = bars.statistics()
    keep(made(START, 30), "IBM")
    assert first == bars.statistics()
    assert (1, 2, 30, START + 29 * DAY) == (first.series, first.chunks, first.bars, first.newest)


def test_many_periods_of_few_symbols_are_queried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query rounds the sum of its items up to a read unit, a batch each of them; the chunks agree."""
    series = {"AAPL": made(START, 1000), "IBM": made(START, 1000, close=11.0)}
    bars.merge(series, START, START + 1000 * DAY)
    bars.merge({"AAPL": made(START, 5, close=9.5)}, START, START + 4 * DAY)
    batched = bars.stored([(s, n) for s in series for n in ("2012", "2013")])
    monkeypatch.setattr(bars.ChunkItem, "page", lambda *a, **k: pytest.fail("a batch costs more"))
    queried = bars.stored([(s, n) for s in series for n in ("2010", "2012", "2013", "2014")])
    assert batched == {key: chunk for key, chunk in queried.items() if key in batched}
    assert {("AAPL", "2014"), ("IBM", "2014")} == set(queried) - set(batched)
