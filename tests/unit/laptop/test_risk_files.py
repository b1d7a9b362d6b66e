"""The files of sectors and blackouts: read as docs/risk.md says, refused with the line that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alpaquero.risk.limits import RiskLimits
from laptop import risk_files
from laptop.errors import LaptopError

Write = Callable[[str], Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    """Writes a file and answers where it is."""

    def write(text: str) -> Path:
        path = tmp_path / "given.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_sectors_are_read(file: Write) -> None:
    """One a symbol, blanks around them dropped."""
    given = file("symbol,sector\nAAPL, technology\nxom,energy\n")
    assert {"AAPL": "technology", "XOM": "energy"} == risk_files.sectors(given)


def test_a_date_alone_is_the_whole_day_in_new_york(file: Write) -> None:
    """Summer and winter time as it is there; a moment keeps its own zone."""
    given = file(
        "symbol,start,end,reason\nAAPL,2026-10-29,2026-11-02,earnings\n*,2026-12-09T13:00Z,2026-12-09T15:00Z,\n"
    )
    first, second = risk_files.blackouts(given)
    assert ("2026-10-29T00:00:00-04:00", "2026-11-02T23:59:59-05:00", "earnings") == (
        first["start"], first["end"], first["reason"],
    )  # fmt: skip
    assert ("*", "2026-12-09T13:00:00+00:00", "") == (second["symbol"], second["start"], second["reason"])


def test_what_is_read_fits_the_settings(file: Write) -> None:
    """The settings take it as it is sent."""
    windows = risk_files.blackouts(file("symbol,start,end,reason\n*,2026-10-29,2026-10-29,x\n"))
    limits = msgspec.convert({"blackouts": windows, "sectors": {"AAPL": "technology"}}, RiskLimits)
    assert ("*", "technology") == (limits.blackouts[0].symbol, limits.sector_of("AAPL"))


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (risk_files.sectors, "ticker,sector\n", "the first line must be symbol,sector"),
        (risk_files.sectors, "", "the first line must be symbol,sector"),
        (risk_files.sectors, "symbol,sector\nAAPL\n", "line 2: give 2 cells"),
        (risk_files.sectors, "symbol,sector\nAAPL,a,b\n", "line 2: give 2 cells"),
        (risk_files.sectors, "symbol,sector\nAAPL,a\naapl,b\n", "line 3: AAPL has a sector already"),
        (
            risk_files.blackouts,
            "symbol,start,end,reason\nA,soon,2026-10-29,x\n",
            "line 2: 'soon' is no moment",
        ),
        (
            risk_files.blackouts,
            "symbol,start,end,reason\nA,2026-10-29T10:00,2026-10-29,x\n",
            "line 2: '2026-10-29T10:00' has no time zone",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    file: Write, read: Callable[[Path], Any], text: str, words: str
) -> None:
    """Nothing is guessed."""
    with pytest.raises(LaptopError, match=words):
        read(file(text))
