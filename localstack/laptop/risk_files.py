"""Reads the files of sectors and blackouts that `alpaquero limits` puts into the settings.

`docs/risk.md` has their columns. What the settings would refuse they refuse themselves, with the
setting's name; what is wrong with a file is told here, with its line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from laptop.errors import LaptopError

NEW_YORK: Final = ZoneInfo("America/New_York")
_LAST_MOMENT: Final = time(23, 59, 59)


def sectors(path: Path) -> dict[str, str]:
    """The sector of each symbol. Raises `LaptopError` for a file that is none, or names a symbol twice."""
    found: dict[str, str] = {}
    for line, row in _rows(path, ("symbol", "sector")):
        symbol = row["symbol"].upper()
        if symbol in found:
            raise LaptopError(f"{path}, line {line}: {symbol} has a sector already; name each symbol once")
        found[symbol] = row["sector"]
    return found


def blackouts(path: Path) -> list[dict[str, Any]]:
    """The windows, in the form of the setting. Raises `LaptopError` for a moment nobody could place."""
    return [
        {
            "symbol": row["symbol"].upper(),
            "start": _moment(path, line, row["start"], time()),
            "end": _moment(path, line, row["end"], _LAST_MOMENT),
            "reason": row["reason"],
        }
        for line, row in _rows(path, ("symbol", "start", "end", "reason"))
    ]


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its line number, cells without the blanks around them."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != columns:
            raise LaptopError(f"{path}: the first line must be {','.join(columns)}")
        for row in reader:
            if None in row or None in row.values():
                raise LaptopError(f"{path}, line {reader.line_num}: give {len(columns)} cells")
            yield reader.line_num, {name: cell.strip() for name, cell in row.items()}


def _moment(path: Path, line: int, text: str, of_day: time) -> str:
    """The moment as ISO 8601 with its offset; a date alone is that day in New York."""
    try:
        if len(text) == len("2026-11-22"):
            return datetime.combine(date.fromisoformat(text), of_day, tzinfo=NEW_YORK).isoformat()
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise LaptopError(
            f"{path}, line {line}: {text!r} is no moment; write 2026-11-22 or 2026-11-22T16:00-05:00"
        ) from None
    if moment.tzinfo is None:
        raise LaptopError(f"{path}, line {line}: {text!r} has no time zone; add one, such as -05:00 or Z")
    return moment.isoformat()
