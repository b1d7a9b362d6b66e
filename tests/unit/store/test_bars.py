"""The Bars table: chunks keep bars exactly, and say when they are damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alpaquero.prices.bars import Bar
from alpaquero.store import bars


def series(start: datetime, count: int) -> list[Bar]:
    return [
        Bar(start + timedelta(days=n), 10.1 + n / 3, 11.7 + n / 3, 9.3 + n / 7, 10.9 + n / 3, 1e9 + n)
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 252])
def test_a_chunk_gives_back_the_very_bars(count: int) -> None:
    """Packing and unpacking loses no bit of any price, volume or time."""
    kept = series(datetime(2012, 1, 3, 5, tzinfo=UTC), count)
    assert kept == bars.unpack(bars.pack(kept))


@pytest.mark.parametrize("position", [0, 1, 4, 5, -1])
def test_a_damaged_chunk_is_refused(position: int) -> None:
    """One flipped bit anywhere is noticed, and the message says what to do."""
    chunk = bytearray(bars.pack(series(datetime(2012, 1, 3, 5, tzinfo=UTC), 5)))
    chunk[position] ^= 1
    with pytest.raises(bars.BrokenChunk, match="delete it"):
        bars.unpack(bytes(chunk))


@pytest.mark.parametrize("length", [0, 4, 20])
def test_a_truncated_chunk_is_refused(length: int) -> None:
    """A chunk that was cut short is damaged, not a crash."""
    chunk = bars.pack(series(datetime(2012, 1, 3, 5, tzinfo=UTC), 5))
    with pytest.raises(bars.BrokenChunk):
        bars.unpack(chunk[:length])


@pytest.mark.usefixtures("tables")
def test_reads_back_what_was_written_over_the_year_end() -> None:
    """A series over two years is kept in two chunks and read as one, oldest first."""
    kept = series(datetime(2011, 12, 20, 5, tzinfo=UTC), 30)
    bars.write({"AAPL": kept})
    assert {"AAPL": kept} == bars.read(["AAPL", "NONE"], [2012, 2011])
    assert {"AAPL": [b for b in kept if b.start.year == 2012]} == bars.read(["AAPL"], [2012])


@pytest.mark.usefixtures("tables")
def test_series_of_another_adjustment_are_apart() -> None:
    """Raw and split-adjusted bars never mix."""
    bars.write({"AAPL": series(datetime(2012, 1, 3, 5, tzinfo=UTC), 3)}, adjustment="raw")
    assert bars.read(["AAPL"], [2012]) == {}


@pytest.mark.usefixtures("tables")
def test_writing_a_year_replaces_it() -> None:
    """A corrected year takes the place of the old one."""
    old, new = series(datetime(2012, 1, 3, 5, tzinfo=UTC), 3), series(datetime(2012, 1, 3, 5, tzinfo=UTC), 5)
    bars.write({"AAPL": old})
    bars.write({"AAPL": new})
    assert {"AAPL": new} == bars.read(["AAPL"], [2012])
