"""Chunks: every bit of every bar comes back, in little room, and damage is noticed."""

from __future__ import annotations

import subprocess
import sys
import zlib
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.prices import chunks
from alpaquero.prices.columns import Columns
from laptop.exchange.history import shipped_history

START = int(datetime(2012, 1, 3, 5, tzinfo=UTC).timestamp())
DAY = 86_400

floats = st.floats(allow_nan=True, allow_infinity=True)
cents = st.integers(1, 10_000_000).map(lambda whole: whole / 100)
thirds = st.integers(1, 1_000_000).map(lambda whole: whole / 300)
numbers = st.one_of(floats, cents, thirds, st.integers(0, 1 << 60).map(float))


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    """Columns of any numbers, each column of one kind or mixed, with any times."""
    count = draw(st.integers(0, 20))
    starts = draw(st.lists(st.integers(-(1 << 33), 1 << 40), min_size=count, max_size=count))
    kinds = draw(st.lists(st.sampled_from([cents, thirds, numbers]), min_size=4, max_size=4))
    prices = (array("d", draw(st.lists(kind, min_size=count, max_size=count))) for kind in kinds)
    volumes = draw(st.lists(st.integers(0, (1 << 63) - 1), min_size=count, max_size=count))
    return Columns(array("q", starts), *prices, array("q", volumes))  # type: ignore[call-arg]


def bits(columns: Columns) -> list[bytes]:
    """What has to come back: floats compare equal where their bits differ, and NaN never does."""
    names = ("start", "open", "high", "low", "close", "volume")
    return [getattr(columns, name).tobytes() for name in names]


def bars(count: int) -> Columns:
    """Daily bars on a grid of cents."""
    rows = [(n, 10.1 + n / 100, 11.7 + n / 100, 9.3, 10.9 + n / 100, 10**6 + n) for n in range(count)]
    each = list(zip(*rows, strict=True)) or [()] * 6
    starts, *prices, volumes = each
    return Columns(
        array("q", (START + n * DAY for n in starts)),
        *(array("d", column) for column in prices),
        array("q", volumes),  # type: ignore[call-arg]
    )


@given(columns())
def test_every_bit_comes_back(given: Columns) -> None:
    """Whatever the numbers are, on a grid of cents or not."""
    assert bits(given) == bits(chunks.decode(chunks.encode(given)))


@given(columns())
def test_every_bit_comes_back_without_numpy(given: Columns) -> None:
    """The plain form gives the same as the one with numpy."""
    chunk = chunks.encode(given)
    kept = sys.modules.pop("numpy", None)
    try:
        assert bits(given) == bits(chunks.decode(chunk))
    finally:
        if kept is not None:
            sys.modules["numpy"] = kept


def test_decoding_does_not_load_numpy() -> None:
    """A cold function pays for no import."""
    told = "from alpaquero.prices import chunks; from alpaquero.prices.columns import Columns; import sys; "
    told += "chunks.decode(chunks.encode(Columns.empty())); print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(chunks.__file__).parents[2])},
    )
    assert "False\n" == done.stdout


@pytest.mark.parametrize("ratio", [2, 3, 7])
def test_prices_adjusted_for_a_split_come_back(ratio: int) -> None:
    """A price off the grid of cents survives exactly, and one adjusted by three costs more room."""
    plain = bars(250)
    adjusted = Columns(
        plain.start,
        *(array("d", (p / ratio for p in getattr(plain, name))) for name in ("open", "high", "low", "close")),
        plain.volume,  # type: ignore[call-arg]
    )
    assert bits(adjusted) == bits(chunks.decode(chunks.encode(adjusted)))


def test_ten_years_of_days_take_no_more_than_33_kilobytes() -> None:
    """The real prices of IBM, a chunk a year, as they are stored."""
    years: dict[int, list[object]] = {}
    for bar in shipped_history().symbols["IBM"].bars[-2520:]:
        years.setdefault(bar.start.year, []).append(bar)
    sizes = [len(chunks.encode(Columns.of(year))) for year in years.values()]  # type: ignore[arg-type]
    assert sum(sizes) <= 33_000


def test_volumes_with_parts_of_shares_are_refused() -> None:
    """No feed tells any; a chunk that says it has them is fetched again."""
    body = bytearray(chunks.encode(bars(5))[5:])
    body[17] = 2  # decimals of the volumes
    chunk = bytes([chunks.VERSION]) + zlib.crc32(body).to_bytes(4, "big") + bytes(body)
    with pytest.raises(chunks.BrokenChunk, match="whole shares"):
        chunks.decode(chunk)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_one_flipped_bit_anywhere_is_noticed(count: int) -> None:
    """The message says what to do."""
    chunk = chunks.encode(bars(count))
    for position in range(len(chunk)):
        broken = bytearray(chunk)
        broken[position] ^= 1
        with pytest.raises(chunks.BrokenChunk, match="delete it"):
            chunks.decode(bytes(broken))


def test_a_truncated_chunk_is_refused() -> None:
    """A chunk that was cut short anywhere is damaged, not a crash."""
    chunk = chunks.encode(bars(5))
    for length in range(len(chunk)):
        with pytest.raises(chunks.BrokenChunk):
            chunks.decode(chunk[:length])


@given(st.binary(max_size=60))
def test_bytes_with_a_right_checksum_that_make_no_sense_are_refused(body: bytes) -> None:
    """Whoever wrote them: decoding raises BrokenChunk or nothing."""
    chunk = bytes([chunks.VERSION]) + zlib.crc32(body).to_bytes(4, "big") + body
    with pytest.raises(chunks.BrokenChunk):
        chunks.decode(chunk)


def test_minutes_with_gaps_and_the_hour_that_is_set_forward_come_back() -> None:
    """Steps between bars may be anything, as over a weekend of daylight saving."""
    at = datetime(2012, 3, 9, 20, 59, tzinfo=UTC)
    starts = [at, at + timedelta(minutes=1), at + timedelta(days=2, hours=16, minutes=31)]
    three = bars(3)
    kept = Columns(
        array("q", (int(s.timestamp()) for s in starts)),
        three.open,
        three.high,
        three.low,
        three.close,
        three.volume,
    )
    assert kept == chunks.decode(chunks.encode(kept))
