"""A download goes on where it was broken off, and the exchange reads what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alpaquero.broker.protocol import Adjustment, CorporateAction
from alpaquero.errors import BrokerUnavailable
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import bar_start
from laptop.errors import LaptopError
from laptop.exchange.history import folder_history
from laptop.exchange.nyse import nyse_sessions
from laptop.price_download import PriceFolder, Wanted, download, missing
from tests.fakes.broker import FakeMarketData

FIRST, LAST = date(2012, 3, 1), date(2012, 4, 30)
SESSIONS = [s for s in nyse_sessions(FIRST) if FIRST <= s.date <= LAST]
NOW = datetime(2012, 5, 1, tzinfo=UTC)
WANTED = Wanted(("AAPL", "IBM"), Timeframe.DAY, FIRST, LAST)
DAYS = [Bar(bar_start(s), 10.25, 12.5, 9.0, 10.0 + n / 100, 1000 + n) for n, s in enumerate(SESSIONS)]


class Data(FakeMarketData):
    """Notes what it was asked, and breaks off after some answers."""

    def __init__(self) -> None:
        super().__init__(history={"AAPL": list(DAYS), "IBM": list(DAYS)})
        self.asked: list[tuple[str, datetime]] = []
        self.breaks_after = 1_000

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]:
        assert "raw" == adjustment
        if len(self.asked) >= self.breaks_after:
            raise ConnectionError("the line is dead")
        self.asked.append((symbols[0], start))
        return super().bars(symbols, timeframe, start, end, adjustment)


def run(folder: Path, data: FakeMarketData, wanted: Wanted = WANTED, now: datetime = NOW) -> list[str]:
    return download(wanted, PriceFolder(folder), data, SESSIONS, now, sleep=lambda _: None)


def test_the_exchange_reads_what_was_downloaded(tmp_path: Path) -> None:
    """The same bars come out, with the splits beside them."""
    data = Data()
    split = CorporateAction("1", "forward_split", "IBM", date(2012, 4, 2), Decimal(2))
    paid = CorporateAction("2", "cash_dividend", "IBM", date(2012, 4, 2), cash=Decimal(1))
    data.actions = [
        split,
        paid,
        CorporateAction("3", "reverse_split", "AAPL", date(2012, 4, 3), Decimal("0.1")),
    ]
    assert [] == run(tmp_path, data)
    history = folder_history(tmp_path)
    assert DAYS == list(history.symbols["AAPL"].bars)
    assert [(2, 1)] == [(s.new, s.old) for s in history.symbols["IBM"].splits]
    assert [(1, 10)] == [(s.new, s.old) for s in history.symbols["AAPL"].splits]


def test_a_download_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    """What was complete is not fetched again."""
    data = Data()
    data.breaks_after = 1
    with pytest.raises(ConnectionError):
        run(tmp_path, data)
    data.breaks_after = 1_000
    data.asked.clear()
    run(tmp_path, data)
    assert ["IBM"] == [symbol for symbol, _ in data.asked]
    assert DAYS == list(PriceFolder(tmp_path).columns("AAPL").bars())


def test_a_stretch_that_was_written_in_part_is_fetched_again(tmp_path: Path) -> None:
    """A process that died while it wrote leaves neither half a line nor a bar twice."""
    data = Data()
    run(tmp_path, data, Wanted(("AAPL",), Timeframe.DAY, FIRST, date(2012, 3, 30)))
    with (tmp_path / "AAPL.csv").open("a") as file:
        file.write("2012-04-02,10.25,12.5,9,10.22,1022\n2012-04-03,10.2")
    run(tmp_path, data)
    assert DAYS == list(PriceFolder(tmp_path).columns("AAPL").bars())


def test_what_is_asked_for_later_fetches_what_is_new(tmp_path: Path) -> None:
    """From the day after the last one on."""
    data = Data()
    earlier = datetime(2012, 4, 2, 12, tzinfo=UTC)
    run(tmp_path, data, now=earlier)
    assert date(2012, 3, 30) == PriceFolder(tmp_path).covered()["AAPL"].last
    data.asked.clear()
    run(tmp_path, data)
    assert {datetime(2012, 3, 31, 4, tzinfo=UTC)} == {start for _, start in data.asked}
    assert DAYS == list(PriceFolder(tmp_path).columns("IBM").bars())


def test_an_earlier_beginning_fetches_all_of_it(tmp_path: Path) -> None:
    """A file has no hole in front of what it had."""
    data = Data()
    run(tmp_path, data, Wanted(("AAPL",), Timeframe.DAY, date(2012, 4, 2), LAST))
    run(tmp_path, data)
    assert DAYS == list(PriceFolder(tmp_path).columns("AAPL").bars())


def test_minutes_are_those_of_the_regular_session(tmp_path: Path) -> None:
    """The exchange reads them as a file of minutes."""
    opened = SESSIONS[0].open
    starts = [opened + timedelta(minutes=n) for n in range(-30, 420, 3)]
    data = Data()
    data.history = {"AAPL": [Bar(at, 10.25, 12.5, 9.0, 10.0, 5) for at in starts]}
    run(tmp_path, data, Wanted(("AAPL",), Timeframe.MINUTE, FIRST, FIRST))
    kept = PriceFolder(tmp_path).columns("AAPL")
    assert (130, opened) == (len(kept), kept.start_at(0))
    assert 260 == sum(gap.bars for gap in missing(PriceFolder(tmp_path), "AAPL", SESSIONS))


def test_a_folder_holds_one_kind_of_bars_of_a_symbol(tmp_path: Path) -> None:
    """Minutes beside days in one file would be refused by the exchange later."""
    run(tmp_path, Data())
    with pytest.raises(LaptopError, match="another --data"):
        run(tmp_path, Data(), Wanted(("AAPL",), Timeframe.MINUTE, FIRST, LAST))


def test_missing_sessions_and_symbols_are_told(tmp_path: Path) -> None:
    """A day that Alpaca lacks is a gap; a symbol without any bar is named."""
    data = Data()
    del data.history["AAPL"][5:7]
    wanted = Wanted(("AAPL", "NONE"), Timeframe.DAY, FIRST, LAST)
    assert ["NONE"] == run(tmp_path, data, wanted)
    [gap] = missing(PriceFolder(tmp_path), "AAPL", SESSIONS)
    assert (DAYS[5].start, DAYS[6].start, 2) == (gap.first, gap.last, gap.bars)


def test_a_used_up_budget_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the broker says, then the download goes on."""
    data, slept = Data(), list[float]()
    failures = iter([BrokerUnavailable("rate limit", 42.0)])
    whole = Data.bars

    def bars(self: Data, *args: object, **options: object) -> dict[str, Columns]:
        for failure in failures:
            raise failure
        return whole(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Data, "bars", bars)
    download(WANTED, PriceFolder(tmp_path), data, SESSIONS, NOW, sleep=slept.append)
    assert [42.0] == slept
    assert DAYS == list(PriceFolder(tmp_path).columns("AAPL").bars())
