"""Pages of bars from bytes to columns: exact, tolerant where the general way is, refused where it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alpaquero.broker import bar_pages
from alpaquero.broker.market_data import AlpacaMarketData
from alpaquero.errors import BrokerRejected, BrokerUnclear
from alpaquero.prices.bars import Timeframe
from tests.fakes.http_server import Reply, ScriptedServer

START, END = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC)
ROW = {"t": "2026-01-05T05:00:00Z", "o": 0.1, "h": 3, "l": "0.05", "c": 1.75, "v": 100, "n": 3, "vw": 1.6}


def page(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"bars": {"AAPL": rows, "NONE": []}, "next_page_token": "x"}).encode()


def test_a_page_is_its_bars_and_its_token() -> None:
    """Each field is the number that was written, a symbol without bars is left out."""
    found = bar_pages.decode(page(ROW))
    assert list(found.bars) == ["AAPL"]
    assert found.next_page_token == "x"
    columns = found.bars["AAPL"]
    moment = int(datetime(2026, 1, 5, 5, tzinfo=UTC).timestamp())
    assert (columns.start[0], columns.open[0], columns.high[0]) == (moment, 0.1, 3.0)
    assert (columns.low[0], columns.close[0], columns.volume[0]) == (0.05, 1.75, 100)


def test_volumes_are_whole_shares() -> None:
    """A volume with parts of a share is rounded; the bars beside it keep theirs."""
    rows = [{**ROW, "v": volume} for volume in (100, 99.6, 1e6)]
    assert [100, 100, 1_000_000] == bar_pages.decode(page(*rows)).bars["AAPL"].volume.tolist()


@pytest.mark.parametrize("moment", ["2026-01-05T05:00:00.123456789Z", "2026-01-05T00:00:00-05:00"])
def test_a_moment_is_read_in_any_form_that_names_its_zone(moment: str) -> None:
    """Nanoseconds are cut, an offset is counted in."""
    found = bar_pages.decode(page({**ROW, "t": moment}))
    assert found.bars["AAPL"].start[0] == int(datetime(2026, 1, 5, 5, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("wrong", [{"t": "2026-01-05T05:00:00"}, {"o": None}, {"c": "dear"}])
def test_what_is_no_bar_is_refused(wrong: dict[str, Any]) -> None:
    """A time without a zone, or a price that is no number, makes the page unsound."""
    with pytest.raises(ValueError, match=r"zone|float"):
        bar_pages.decode(page({**ROW, **wrong}))


def test_a_page_that_is_none_is_unclear(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """An answer of another shape is unclear, never an empty series."""
    server.script = [Reply(200, {"bars": [1, 2]})]
    with pytest.raises(BrokerUnclear):
        market_data.bars(["AAPL"], Timeframe.DAY, START, END)


def test_a_refusal_is_read_as_any_other(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """Unparsed answers are the sound ones alone: a refusal keeps its code and message."""
    server.script = [Reply(403, {"code": 40310000, "message": "no such feed"})]
    with pytest.raises(BrokerRejected, match="no such feed"):
        market_data.bars(["AAPL"], Timeframe.DAY, START, END)


def test_other_reads_are_parsed_after_a_page(market_data: AlpacaMarketData, server: ScriptedServer) -> None:
    """Keeping the bytes of one answer does not keep those of the next."""
    server.script = [Reply(200, {"bars": {}}), Reply(200, {"trades": {}})]
    assert market_data.bars(["AAPL"], Timeframe.DAY, START, END) == {}
    assert market_data.latest_trades(["AAPL"]) == {}
