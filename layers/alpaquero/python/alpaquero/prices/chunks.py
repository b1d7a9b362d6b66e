"""Bars at rest: the compact, exact form in which the bar store keeps a stretch of one series.

A chunk is a header, then zlib of five columns of whole numbers, little endian, each shuffled: all
lowest bytes first, then all second ones, and so on, which puts equal bytes side by side for zlib.

| header | holds |
|---|---|
| 1 byte | version |
| 4 bytes | CRC-32 of all that follows, big endian like every number of the header |
| 4 bytes | how many bars |
| 8 and 4 bytes | start of the first bar in seconds since the epoch; the unit of `steps` in seconds |
| 1 byte | decimals of the prices; 255: floats as they are |
| 1 byte | 0 |
| 5 bytes | width of each column's numbers in bytes |

The columns are `steps` (from one start to the next), `path` (open from the close before, close from
the open, in turn), `above` (high from open), `below` (low from open) and `volume`. Prices are counted
in steps of 10**-decimals, the fewest decimals that give back every bit of every price. Where none do,
as after a split of three for two, `path`, `above` and `below` hold the bits of the floats instead.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, repeat
from math import gcd
from operator import add, sub, truediv
from typing import TypeAlias

from alpaquero.errors import AlpaqueroError
from alpaquero.prices.columns import Columns

VERSION = 2  # 1 was another layout, never released
RAW = 255
DECIMALS = (0, 2, 3, 4, 6)
PROBED = 16

_HEADER = struct.Struct(">IqIBB5B")
_PREFIX = 5  # version and checksum
_TYPES = {1: "b", 2: "h", 4: "i", 8: "q"}
_LITTLE = sys.byteorder == "little"

Four: TypeAlias = "tuple[array[float], array[float], array[float], array[float]]"


class BrokenChunk(AlpaqueroError):
    """A stored chunk does not match its checksum or version; delete it and it is fetched again."""


def encode(columns: Columns) -> bytes:
    """`columns`, oldest first, as one chunk; `decode` gives back every bit of them.

    >>> one = Columns(array("q", [1341201600]), *(array("d", [x]) for x in (1, 2, 1, 2)), array("q", [9]))
    >>> decode(encode(one)) == one
    True
    """
    first, unit, steps = _steps(columns.start)
    prices, turns = _priced(columns)
    shuffled = [_shuffled(numbers) for numbers in (steps, *turns, columns.volume)]
    widths = (width for width, _ in shuffled)
    header = _HEADER.pack(len(columns), first, unit, prices, 0, *widths)
    rest = header + zlib.compress(b"".join(body for _, body in shuffled), 9)
    return bytes([VERSION]) + zlib.crc32(rest).to_bytes(4, "big") + rest


def decode(chunk: bytes) -> Columns:
    """The bars of one chunk. Raises `BrokenChunk`.

    Needs nothing but the standard library; with numpy loaded already it is faster.
    """
    checksum = int.from_bytes(chunk[1:_PREFIX], "big")
    if chunk[:1] != bytes([VERSION]) or zlib.crc32(chunk[_PREFIX:]) != checksum:
        raise BrokenChunk(
            "a stored chunk of bars is damaged or of another version; delete it to fetch it again"
        )
    try:
        return _decoded(chunk)
    except (struct.error, zlib.error, KeyError, ValueError) as error:
        raise BrokenChunk(f"a chunk of bars makes no sense ({error}); delete it to fetch it again") from error


def _decoded(chunk: bytes) -> Columns:
    count, first, unit, prices, volume_decimals, *widths = _HEADER.unpack_from(chunk, _PREFIX)
    if volume_decimals:
        raise ValueError("volumes are whole shares")
    body = zlib.decompress(memoryview(chunk)[_PREFIX + _HEADER.size :])
    lengths = (max(count - 1, 0), 2 * count, count, count, count)
    columns: list[array[int]] = []
    offset = 0
    for width, length in zip(widths, lengths, strict=True):
        columns.append(_unshuffled(body[offset : offset + width * length], width, length))
        offset += width * length
    if offset != len(body):
        raise ValueError("the columns do not add up")
    if not count:
        return Columns.empty()
    steps, path, above, below, volume = columns
    start = array("q", accumulate(chain((first,), map(unit.__mul__, steps))))
    if prices == RAW:
        four = _floats(path[::2]), _floats(above), _floats(below), _floats(path[1::2])
    else:
        four = _four(path, above, below, 10.0**prices)
    return Columns(start, *four, array("q", volume))


def _four(path: array[int], above: array[int], below: array[int], scale: float) -> Four:
    """Open, high, low and close in dollars, from what they differ by."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        walked = numpy.cumsum(numpy.frombuffer(path, path.typecode), dtype="q").reshape(-1, 2)
        opened = walked[:, 0]
        high = opened + numpy.frombuffer(above, above.typecode)
        low = opened + numpy.frombuffer(below, below.typecode)
        return (
            array("d", (opened / scale).tobytes()),
            array("d", (high / scale).tobytes()),
            array("d", (low / scale).tobytes()),
            array("d", (walked[:, 1] / scale).tobytes()),
        )
    taken = list(accumulate(path))
    start = taken[::2]
    return (
        _scaled(start, scale),
        _scaled(map(add, start, above), scale),
        _scaled(map(add, start, below), scale),
        _scaled(taken[1::2], scale),
    )


def _steps(start: array[int]) -> tuple[int, int, list[int]]:
    """The first start, the unit in seconds, and how many of it lie between one start and the next."""
    if not start:
        return 0, 1, []
    seconds = list(map(sub, start[1:], start))
    unit = gcd(*seconds) or 1
    if unit >= 1 << 32:
        unit = 1
    return start[0], unit, [step // unit for step in seconds]


def _priced(columns: Columns) -> tuple[int, list[Sequence[int]]]:
    """The decimals of the prices, and `path`, `above` and `below` in steps of them."""
    count = len(columns)
    together = columns.open + columns.high + columns.low + columns.close
    decimals, whole = _whole(together)
    opened, high, low, closed = (whole[n * count : (n + 1) * count] for n in range(4))
    path = list(chain.from_iterable(zip(opened, closed, strict=True)))
    if decimals == RAW:
        return RAW, [path, high, low]
    walk = path[:1] + list(map(sub, path[1:], path))
    return decimals, [walk, list(map(sub, high, opened)), list(map(sub, low, opened))]


def _whole(values: array[float]) -> tuple[int, Sequence[int]]:
    """`values` as whole numbers of the coarsest step that gives back every bit, or their bits."""
    for decimals in DECIMALS:
        scale = 10.0**decimals
        try:
            # A few values tell most of the wrong scales.
            whole = None if _exact(values[:PROBED], scale) is None else _exact(values, scale)
        except (OverflowError, ValueError):  # an infinity, no number
            break
        if whole is not None:
            return decimals, whole
    return RAW, array("q", values.tobytes())


def _exact(values: array[float], scale: float) -> list[int] | None:
    """`values` in steps of 1 / scale, None unless that gives back every bit."""
    whole = [round(value * scale) for value in values]
    return whole if _fits(whole) and _scaled(whole, scale).tobytes() == values.tobytes() else None


def _fits(whole: Sequence[int]) -> bool:
    """Whether differences of these stay within 64 bits, and their floats are exact."""
    return all(abs(number) < 1 << 53 for number in (min(whole, default=0), max(whole, default=0)))


def _scaled(whole: Iterable[int], scale: float) -> array[float]:
    return array("d", whole if scale == 1.0 else map(truediv, whole, repeat(scale)))


def _floats(bits: array[int]) -> array[float]:
    return array("d", array("q", bits).tobytes())


def _shuffled(numbers: Sequence[int]) -> tuple[int, bytes]:
    """The narrowest width that holds all numbers, and their bytes by significance."""
    most = max((n if n >= 0 else ~n for n in (min(numbers), max(numbers))), default=0) if numbers else 0
    width = next(width for width in _TYPES if most < 1 << (8 * width - 1))
    column = array(_TYPES[width], numbers)
    if not _LITTLE:
        column.byteswap()
    body = column.tobytes()
    return width, b"".join(body[byte::width] for byte in range(width))


def _unshuffled(body: bytes, width: int, count: int) -> array[int]:
    column: array[int] = array(_TYPES[width])
    if len(body) != width * count:
        raise ValueError("a column is cut short")
    in_order = bytearray(len(body))
    for byte in range(width):
        in_order[byte::width] = body[byte * count : (byte + 1) * count]
    column.frombytes(in_order)
    if not _LITTLE:
        column.byteswap()
    return column
