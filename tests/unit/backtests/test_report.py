"""The page of a backtest: whole in one file, true to the outcome, safe and legible."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import msgspec
import pytest

from alpaquero.backtests import outcome as outcomes
from alpaquero.backtests import report
from alpaquero.backtests.svg import Line, histogram, time_chart
from alpaquero.portfolio.performance import trade_figures
from tests.unit.backtests.samples import days, outcome, prices, trade

PRICES = {symbol: prices(symbol) for symbol in ("AAPL", "IBM")}
VOID = {"meta", "line", "polyline", "polygon", "rect", "path"}


class Balance(HTMLParser):
    """Fails at a tag that closes what was not opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_host() -> None:
    """Every tag is closed, nothing is loaded, no script runs."""
    page = report.render(outcome(), PRICES)
    parser = Balance()
    parser.feed(page)
    assert [] == parser.open
    assert not re.search(r"https?:|<script|<link|src=|url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_page_shows_what_the_outcome_says() -> None:
    """Figures, groups, drawdowns and months stand on the page as they are in the outcome."""
    found = outcome()
    page = report.render(found, PRICES)
    assert f"${found.final_equity:,.2f}" in page
    assert f"{found.curve.sharpe:,.2f}" in page
    assert f"−{found.curve.max_drawdown_percent:,.2f}%" in page
    assert all(tag in page for tag in ("stop_loss", "take_profit", "stochrsi_oversold_uptrend"))
    assert found.drawdowns[0].trough_on.isoformat() in page
    assert f"{found.monthly_percent[2011][3]:.1f}" in page
    assert found.trades_sha256 in page


def test_each_trade_is_drawn_on_its_price() -> None:
    """One entry and one exit marker a trade, one chart a symbol, with the trade told at the marker."""
    page = report.render(outcome(), PRICES)
    assert 20 == page.count('class="marker entry"')
    assert 20 == page.count('class="marker win"') + page.count('class="marker loss"')
    assert "Price of AAPL with 10 trades" in page
    assert re.search(r"<title>\d{4}-\d\d-\d\d bought 10 at [\d.]+: stochrsi_oversold_uptrend", page)


@pytest.mark.parametrize(("timeframe", "times"), [("1Day", 0), ("5Min", 40), ("5Min, 1Day", 40)])
def test_times_of_day_are_told_where_bars_know_them(timeframe: str, times: int) -> None:
    """Of daily bars nobody knows at what time a stop was reached; the table of trades tells dates alone."""
    found = outcome()
    asked = msgspec.structs.replace(found.asked, timeframe=timeframe)
    page = report.render(msgspec.structs.replace(found, asked=asked), PRICES)
    assert times == len(re.findall(r"<td>\d{4}-\d\d-\d\d \d\d:\d\d</td>", page))


@pytest.mark.parametrize(("days", "told"), [(200, True), (800, False)])
def test_a_period_shorter_than_a_year_is_told(days: int, *, told: bool) -> None:
    """What it says of a year is a projection, and a week's luck projected looks like a fortune."""
    found = outcome()
    asked = msgspec.structs.replace(found.asked, end=found.asked.start + timedelta(days=days))
    page = report.render(msgspec.structs.replace(found, asked=asked), PRICES)
    assert told is ("shorter than a year" in page)


def test_a_backtest_without_a_trade_has_a_page() -> None:
    """Nothing traded is an outcome too: ratios are left out, no chart fails."""
    nothing = outcome(
        round_trips=[], trades=trade_figures([]), held=[], drawdowns=[],
        by_symbol={}, by_strategy={}, by_entry_tag={}, by_exit_tag={},
    )  # fmt: skip
    page = report.render(nothing, PRICES)
    assert "No trade was closed" in page
    assert "Trades on price" not in page


def test_what_a_person_named_cannot_become_markup() -> None:
    """Tags and notes are text on the page, whatever they hold."""
    bad = "<img src=x onerror=alert(1)>"
    page = report.render(
        outcome(round_trips=[trade(5, "AAPL", "3", entry_tag=bad, exit_tag=bad)], notes=[bad]), PRICES
    )
    assert bad not in page
    assert "&lt;img" in page


def test_a_long_list_says_what_is_left_out() -> None:
    """The table of trades holds the last 2,000 and the charts the busiest 30 symbols."""
    many = [trade(5, "AAPL", "1")] * (report.MOST_TRADES + 7)
    assert "first 7 are left out" in report.render(outcome(round_trips=many), PRICES)
    symbols = [f"S{number:03}" for number in range(report.MOST_CHARTS + 4)]
    page = report.render(
        outcome(round_trips=[trade(5, symbol, "1") for symbol in symbols]),
        {symbol: prices(symbol) for symbol in symbols},
    )
    assert "4 symbols that traded less have no chart" in page


def test_a_result_file_is_read_back_as_it_was() -> None:
    """Encoding and decoding give the same outcome, to the digit and the duration."""
    found = outcome()
    assert found == outcomes.decoded(outcomes.encoded(found))


def test_a_long_curve_is_thinned_but_keeps_its_extremes() -> None:
    """Ten thousand points are drawn as at most 1,500, the highest and the lowest among them."""
    values = [float(number % 97) for number in range(10_000)]
    values[4321], values[7654] = 500.0, -500.0
    drawn = time_chart(days(10_000), [Line("equity", "e", values)], label="l", tick=str)
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    heights = [float(pair.split(",")[1]) for pair in points[1].split()]
    assert len(heights) <= 1500
    assert max(heights) - min(heights) > 180  # at -500 and 500 of an axis from -600 to 600


@pytest.mark.parametrize("values", [[0.0], [1.5, 1.5], [-3.0, -2.0], [-1.0, 0.0, 0.5, 12.0]])
def test_every_value_is_in_the_histogram_once(values: list[float]) -> None:
    """The counts of all bars add up to the number of values, on either side of 0."""
    counts = re.findall(r": ([\d,]+)</title>", histogram(values, label="l", tick=str))
    assert len(values) == sum(int(count) for count in counts)


def test_a_flat_curve_is_drawn() -> None:
    """Equal values have a scale all the same."""
    assert "polyline" in time_chart(days(3), [Line("equity", "e", [5.0, 5.0, 5.0])], label="l", tick=str)
