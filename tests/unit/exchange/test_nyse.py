"""The calendar of the New York Stock Exchange as the exchange keeps it between starts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from alpaquero.prices import Session
from laptop.exchange import nyse

FIRST = date(1970, 1, 1)
HOURS = [(1353421800, 1353445200)]
SESSION = Session(
    date(2012, 11, 20), datetime(2012, 11, 20, 14, 30, tzinfo=UTC), datetime(2012, 11, 20, 21, tzinfo=UTC)
)


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty build folder, and nothing in memory."""
    monkeypatch.setattr(nyse, "BUILD", tmp_path / "build")
    nyse.nyse_sessions.cache_clear()
    yield tmp_path / "build"
    nyse.nyse_sessions.cache_clear()


def again() -> tuple[Session, ...]:
    """The sessions as another process finds them."""
    nyse.nyse_sessions.cache_clear()
    return nyse.nyse_sessions(FIRST)


def test_a_second_start_reads_the_sessions_that_the_first_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept are the same dates, opens and closes that exchange-calendars gives."""
    computed = nyse.nyse_sessions(FIRST)
    with monkeypatch.context() as second:
        second.delattr(nyse, "_computed_hours")
        assert again() == computed
    assert (computed[0].date, computed[-1].date) == (date(1970, 1, 2), date(2029, 12, 31))
    assert SESSION in computed


@pytest.mark.parametrize("left", ["", "[[1353421800,", "[]"])
def test_a_file_that_was_not_kept_whole_is_made_again(
    build: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """What is left of it is not read as a calendar."""
    monkeypatch.setattr(nyse, "_computed_hours", lambda *_: HOURS)
    assert again() == (SESSION,)
    [kept] = (build / "calendar").iterdir()
    whole = kept.read_text()
    kept.write_text(left)
    assert again() == (SESSION,)
    assert kept.read_text() == whole


def test_sessions_are_known_where_nothing_can_be_kept(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build folder that cannot be made costs the time, not the start."""
    build.write_text("in the way")
    monkeypatch.setattr(nyse, "_computed_hours", lambda *_: HOURS)
    assert again() == (SESSION,)
