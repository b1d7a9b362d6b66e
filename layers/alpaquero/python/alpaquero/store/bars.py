"""The Bars table: closed bars in compressed chunks, one a symbol and year for daily bars.

A chunk is one version byte, the CRC-32 of what follows (big endian), then zlib of six columns:
start times as 64-bit seconds, then open, high, low, close, volume as 64-bit floats.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from alpaquero.errors import AlpaqueroError
from alpaquero.prices.bars import Bar
from alpaquero.store.tables import REGION, table_name

VERSION = 1


class BrokenChunk(AlpaqueroError):
    """A stored chunk does not match its checksum or version; delete it and it is fetched again."""


class ChunkItem(Model):
    """One year of one series."""

    class Meta:
        table_name = table_name("BARS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    chunk = BinaryAttribute(legacy_encoding=False)
    bars = NumberAttribute()


def pack(bars: Sequence[Bar]) -> bytes:
    """`bars`, oldest first, as one chunk."""
    columns = [array("q", (int(b.start.timestamp()) for b in bars))]
    columns += [array("d", (getattr(b, c) for b in bars)) for c in ("open", "high", "low", "close", "volume")]
    if sys.byteorder == "big":
        for column in columns:
            column.byteswap()
    body = zlib.compress(b"".join(c.tobytes() for c in columns), 6)
    return bytes([VERSION]) + zlib.crc32(body).to_bytes(4, "big") + body


def unpack(chunk: bytes) -> list[Bar]:
    """The bars of one chunk, oldest first. Raises `BrokenChunk`."""
    if chunk[:1] != bytes([VERSION]) or zlib.crc32(chunk[5:]) != int.from_bytes(chunk[1:5], "big"):
        raise BrokenChunk(
            "a stored chunk of bars is damaged or of another version; delete it to fetch it again"
        )
    body = zlib.decompress(chunk[5:])
    count = len(body) // 48
    columns: list[array[float] | array[int]] = []
    for position in range(6):
        column: array[float] | array[int] = array("q" if position == 0 else "d")
        column.frombytes(body[position * 8 * count : (position + 1) * 8 * count])
        if sys.byteorder == "big":
            column.byteswap()
        columns.append(column)
    return [Bar(datetime.fromtimestamp(t, UTC), *rest) for t, *rest in zip(*columns, strict=True)]


def _series(symbol: str, timeframe: str, adjustment: str) -> str:
    return f"{symbol}#{timeframe}#{adjustment}"


def read(
    symbols: Iterable[str], years: Iterable[int], *, timeframe: str = "1Day", adjustment: str = "split"
) -> dict[str, list[Bar]]:
    """The stored bars of `years` for each symbol, oldest first; a symbol without any is absent."""
    wanted = [(_series(s, timeframe, adjustment), str(y)) for s in symbols for y in sorted(years)]
    chunks = {(item.pk, item.sk): item.chunk for item in ChunkItem.batch_get(wanted)}
    found: dict[str, list[Bar]] = defaultdict(list)
    for pk, sk in wanted:
        if (pk, sk) in chunks:
            found[pk.split("#", 1)[0]] += unpack(chunks[pk, sk])
    return dict(found)


def write(series: Mapping[str, Sequence[Bar]], *, timeframe: str = "1Day", adjustment: str = "split") -> None:
    """Stores whole years: every chunk that a symbol's `bars` touch is replaced by them."""
    with ChunkItem.batch_write() as batch:
        for symbol, bars in series.items():
            by_year: dict[int, list[Bar]] = defaultdict(list)
            for bar in bars:
                by_year[bar.start.year].append(bar)
            for year, chunk in by_year.items():
                batch.save(
                    ChunkItem(
                        _series(symbol, timeframe, adjustment), str(year), chunk=pack(chunk), bars=len(chunk)
                    )
                )


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much is stored; `newest` is the start of the newest bar of all."""

    series: int
    chunks: int
    bars: int
    stored_bytes: int
    newest: datetime | None


def statistics() -> Statistics:
    """Counts what is stored by reading the whole table: for a page a person asks for, not for a run."""
    chunks = list(ChunkItem.scan())
    newest_year = max((item.sk for item in chunks), default="")
    ends = [unpack(item.chunk)[-1].start for item in chunks if item.sk == newest_year and item.bars]
    return Statistics(
        series=len({item.pk for item in chunks}),
        chunks=len(chunks),
        bars=sum(int(item.bars) for item in chunks),
        stored_bytes=sum(len(item.chunk) for item in chunks),
        newest=max(ends, default=None),
    )
