"""Archives hold every bit of the store's bars, and give them back without claiming more than was stored."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import PRICES, Columns
from alpaquero.store import bars
from laptop.archive import Archived, BucketShelf, FolderShelf, archive, packed, restore, unpacked
from laptop.cli import history
from laptop.errors import LaptopError
from tests.unit.prices.test_chunks import bars as made
from tests.unit.prices.test_chunks import bits

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
ALL = frozenset[str]()


def keep(columns: Columns, symbol: str = "AAPL", **options: str) -> None:
    bars.merge({symbol: columns}, columns.start_at(0), columns.start_at(-1), **options)  # type: ignore[arg-type]


def empty_the_store() -> None:
    for item in list(bars.ChunkItem.scan()):
        item.delete()


def test_every_bit_comes_back_from_a_file() -> None:
    """Prices that lie on no decimal step too."""
    plain = made(300)
    third = Columns(
        plain.start, plain.open, plain.high, plain.low, type(plain.close)("d", (p / 3 for p in plain.close)),
        plain.volume,
    )  # fmt: skip
    kept = Archived("AAPL", Timeframe.DAY, "split", third, ("2012",))
    back = unpacked("k", packed(kept))
    assert bits(third) == bits(back.columns)
    assert (kept.symbol, kept.timeframe, kept.periods) == (back.symbol, back.timeframe, back.periods)


def test_a_file_that_is_none_of_ours_is_refused() -> None:
    """The message names it."""
    with pytest.raises(LaptopError, match=r"a\.parquet"):
        unpacked("a.parquet", b"PAR1 nonsense PAR1")


@pytest.mark.usefixtures("tables")
def test_a_store_that_was_lost_is_as_it_was(tmp_path: Path) -> None:
    """Days of two years with one between that was never asked for, and minutes, each in its file."""
    days = made(200)
    later = made(1200)[1100:]
    keep(days)
    keep(later)
    minutes = Columns.of(
        [bar for n, bar in enumerate(made(3).bars()) if n < 3],
    )
    keep(minutes, "IBM", timeframe="1Min", adjustment="raw")
    shelf = FolderShelf(tmp_path)
    assert [
        ("bars/1Day/split/AAPL.parquet", 300),
        ("bars/1Min/raw/IBM/2012.parquet", 3),
    ] == list(archive(shelf, ALL))
    empty_the_store()
    assert 2 == len(list(restore(shelf, ALL)))
    assert days + later == bars.read(["AAPL"], FIRST, LAST)["AAPL"]
    assert ["2012", "2015"] == [name for name, _ in bars.stored_periods("AAPL", FIRST, LAST)]
    assert minutes == bars.read(["IBM"], FIRST, LAST, timeframe="1Min", adjustment="raw")["IBM"]


@pytest.mark.usefixtures("tables")
def test_restoring_keeps_bars_that_came_after_the_archive(tmp_path: Path) -> None:
    """The year goes on behind the archived bars."""
    keep(made(100))
    shelf = FolderShelf(tmp_path)
    assert 1 == len(list(archive(shelf, ALL)))
    keep(made(120)[100:])
    assert 1 == len(list(restore(shelf, ALL)))
    assert made(120) == bars.read(["AAPL"], FIRST, LAST)["AAPL"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("found_out", [True, False])
def test_an_archive_from_before_a_split_is_left_out(tmp_path: Path, *, found_out: bool) -> None:
    """Be it that the store's bars were taken out as wrong or are at the new scale; others come back."""
    whole = made(400)
    for symbol in ("AAPL", "IBM"):
        keep(whole, symbol)
    shelf = FolderShelf(tmp_path)
    assert 2 == len(list(archive(shelf, ALL)))
    halved = replace(whole, **{name: array("d", (p / 2 for p in getattr(whole, name))) for name in PRICES})
    empty_the_store()
    if found_out:
        keep(whole[:300])
        bars.retire(["AAPL"], whole.start_at(-1), timeframe="1Day", adjustment="split")
    else:
        keep(halved[300:])
    left = bars.read(["AAPL"], FIRST, LAST)
    restored = restore(shelf, ALL)
    assert ("bars/1Day/split/IBM.parquet", 400) == next(restored)
    with pytest.raises(LaptopError, match=r"AAPL .* split; .*history ingest --symbols AAPL"):
        next(restored)
    assert left == bars.read(["AAPL"], FIRST, LAST)
    assert whole == bars.read(["IBM"], FIRST, LAST)["IBM"]


@pytest.mark.usefixtures("tables")
def test_a_bar_that_differs_comes_back_from_the_archive(tmp_path: Path) -> None:
    """One price that was published again is no split: the archive's stands."""
    keep(made(100))
    shelf = FolderShelf(tmp_path)
    assert 1 == len(list(archive(shelf, ALL)))
    one = made(100)[:1]
    keep(replace(one, close=array("d", [one.close[0] + 0.01])))
    assert 1 == len(list(restore(shelf, ALL)))
    assert made(100) == bars.read(["AAPL"], FIRST, LAST)["AAPL"]


@pytest.mark.usefixtures("tables")
def test_only_what_is_asked_for_is_archived(tmp_path: Path) -> None:
    """By symbol and by timeframe."""
    keep(made(5))
    keep(made(5), "IBM")
    keep(made(5), "IBM", timeframe="1Hour")
    found = [key for key, _ in archive(FolderShelf(tmp_path), frozenset({"IBM"}), "1Day")]
    assert ["bars/1Day/split/IBM.parquet"] == found


@pytest.mark.usefixtures("tables")
def test_the_bucket_holds_archives_as_a_folder_does() -> None:
    """The same keys, the same bytes, and other things in the bucket are none of its business."""
    import boto3

    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="archive")
    s3.put_object(Bucket="archive", Key="backtests/1/result.json", Body=b"{}")
    shelf = BucketShelf(s3, "archive")
    keep(made(5))
    assert [("bars/1Day/split/AAPL.parquet", 5)] == list(archive(shelf, ALL))
    empty_the_store()
    assert [("bars/1Day/split/AAPL.parquet", 5)] == list(restore(shelf, ALL))
    assert made(5) == bars.read(["AAPL"], FIRST, LAST)["AAPL"]


def test_files_that_were_restored_before_an_error_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has to mend the one must know which others are there."""

    def files() -> Iterator[tuple[str, int]]:
        yield "bars/1Day/split/IBM.parquet", 400
        raise LaptopError("the archives of AAPL were left out")

    with pytest.raises(LaptopError, match="left out"):
        history._told("Restored", files(), as_json=True)
    assert [{"file": "bars/1Day/split/IBM.parquet", "bars": 400}] == json.loads(capsys.readouterr().out)
