"""Archives of stored bars as Parquet files, in the stack's bucket or a folder, and back into the store.

`alpaquero history archive` and `restore` are the commands. A file holds one series, of bars shorter than
a day one year of it: `bars/<timeframe>/<adjustment>/<symbol>.parquet` or `…/<symbol>/<year>.parquet`,
with the columns start (UTC), open, high, low, close and volume, which pandas, polars, DuckDB and Athena
read as they are. Restoring merges: what the store has over the same span is replaced.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import PRICES, Columns
from laptop.errors import LaptopError

PREFIX: Final = "bars/"
_VALUES: Final = (*PRICES, "volume")
_METADATA: Final = "alpaquero"


class Shelf(Protocol):
    """Where archives lie."""

    def put(self, key: str, body: bytes) -> None:
        """Keeps a file, in the place of one of the same key."""

    def get(self, key: str) -> bytes:
        """A file's bytes."""

    def names(self) -> Iterator[str]:
        """The keys of all archives."""


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """A folder on this machine."""

    root: Path

    def put(self, key: str, body: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def get(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def names(self) -> Iterator[str]:
        for path in sorted((self.root / PREFIX).rglob("*.parquet")):
            yield path.relative_to(self.root).as_posix()


@dataclass(frozen=True, slots=True)
class BucketShelf:
    """The stack's bucket `Archive`; `s3` is a boto3 client."""

    s3: Any
    bucket: str

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def names(self) -> Iterator[str]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX):
            for item in page.get("Contents", []):
                yield str(item["Key"])


@dataclass(frozen=True, slots=True)
class Archived:
    """One series as a file names it."""

    symbol: str
    timeframe: Timeframe
    adjustment: str
    columns: Columns
    periods: tuple[str, ...]  # those that the store had; others were never asked for


def key_of(symbol: str, timeframe: str, adjustment: str, year: str) -> str:
    """The key of the file that holds a year of a series.

    >>> key_of("AAPL", "1Day", "split", "2012"), key_of("AAPL", "1Min", "raw", "2012")
    ('bars/1Day/split/AAPL.parquet', 'bars/1Min/raw/AAPL/2012.parquet')
    """
    folder = f"{PREFIX}{timeframe}/{adjustment}/{symbol}"
    return f"{folder}.parquet" if timeframe == Timeframe.DAY else f"{folder}/{year}.parquet"


def packed(series: Archived) -> bytes:
    """A series as a Parquet file."""
    from fastparquet import write
    from pandas import DataFrame, to_datetime

    columns = series.columns
    told = {
        "symbol": series.symbol,
        "timeframe": str(series.timeframe),
        "adjustment": series.adjustment,
        "periods": series.periods,
        "archived_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    frame = DataFrame({"start": to_datetime(columns.start, unit="s", utc=True)})
    for name in _VALUES:
        frame[name] = getattr(columns, name)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bars.parquet"
        write(
            str(path),
            frame,
            compression="ZSTD",
            write_index=False,
            stats=False,
            has_nulls=False,
            custom_metadata={_METADATA: json.dumps(told)},
        )
        return path.read_bytes()


def unpacked(key: str, body: bytes) -> Archived:
    """The series in a Parquet file. Raises `LaptopError` for a file that is none of ours."""
    from fastparquet import ParquetFile

    try:
        file = ParquetFile(BytesIO(body))
        told = json.loads(file.key_value_metadata[_METADATA])
        frame = file.to_pandas()
        start = array("q", frame["start"].dt.as_unit("s").astype("int64").to_numpy().tobytes())
        opened, high, low, closed = (
            array("d", frame[name].to_numpy(dtype="float64").tobytes()) for name in PRICES
        )
        volume = array("q", frame["volume"].to_numpy(dtype="int64").tobytes())
        columns = Columns(start, opened, high, low, closed, volume)
        return Archived(
            told["symbol"], Timeframe(told["timeframe"]), told["adjustment"], columns, tuple(told["periods"])
        )
    except Exception as error:  # a damaged file fails anywhere in the reader
        raise LaptopError(f"{key} is no archive of bars ({error}): take it out or archive again") from error


def archive(shelf: Shelf, symbols: frozenset[str], timeframe: str | None = None) -> Iterator[tuple[str, int]]:
    """Puts every stored series on the shelf, or those asked for; tells each file and its bars.

    `BARS_TABLE` and AWS's variables say which store, before this is called.
    """
    from alpaquero.store import bars

    for symbol, frame, adjustment in sorted(bars.series_kept()):
        if (symbols and symbol not in symbols) or timeframe not in {None, frame}:
            continue
        files: dict[str, Archived] = {}
        far = datetime(1, 1, 2, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
        for name, chunk in bars.stored_periods(symbol, *far, timeframe=frame, adjustment=adjustment):
            if chunk.retired:
                continue
            key = key_of(symbol, frame, adjustment, name[:4])
            before = files.get(key)
            columns = chunk.columns if before is None else before.columns + chunk.columns
            names = (name,) if before is None else (*before.periods, name)
            files[key] = Archived(symbol, Timeframe(frame), adjustment, columns, names)
        for key, series in files.items():
            if len(series.columns):
                shelf.put(key, packed(series))
                yield key, len(series.columns)


def restore(shelf: Shelf, symbols: frozenset[str], timeframe: str | None = None) -> Iterator[tuple[str, int]]:
    """Merges every archive, or those asked for, into the store; tells each file and its bars.

    Raises `LaptopError` at the end for files that were left out: a split has moved prices since.
    """
    from alpaquero.store import bars

    moved: list[str] = []
    for key in shelf.names():
        series = unpacked(key, shelf.get(key))
        if (symbols and series.symbol not in symbols) or timeframe not in {None, series.timeframe}:
            continue
        if _is_moved(series):
            moved.append(series.symbol)
            continue
        for name in series.periods:
            first = bars.start_of(name)
            end = bars.midnight(bars.bounds(name)[1]) - timedelta(seconds=1)
            columns = series.columns.since(first).until(end)
            last = columns.start_at(-1) if len(columns) else first
            bars.merge(
                {series.symbol: columns},
                first,
                last,
                timeframe=series.timeframe,
                adjustment=series.adjustment,
            )
        yield key, len(series.columns)
    if moved:
        named = ",".join(sorted(set(moved)))
        raise LaptopError(
            f"the archives of {named} were left out: the store has their prices at another scale, as after a "
            f"split; fetch them anew with `alpaquero history ingest --symbols {named} --from DAY`"
        )


def _is_moved(series: Archived) -> bool:
    """Whether the store found bars of the archive wrong, or has all that both hold at other prices."""
    from alpaquero.store import bars
    from alpaquero.store.series import is_other_price

    keys = [(series.symbol, name) for name in series.periods]
    kept = bars.stored(keys, timeframe=series.timeframe, adjustment=series.adjustment)
    if any(chunk.retired for chunk in kept.values()):
        return True
    now = {
        start: close
        for c in kept.values()
        for start, close in zip(c.columns.start, c.columns.close, strict=True)
    }
    both = [
        is_other_price(now[start], close)
        for start, close in zip(series.columns.start, series.columns.close, strict=True)
        if start in now
    ]
    return bool(both) and all(both)
