"""The account's report is one page that loads nothing and says each figure with its unit."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from alpaquero.portfolio.curve import figures_of
from alpaquero.portfolio.report import AccountReport, render
from alpaquero.portfolio.slippage import SlippageFigures
from alpaquero.portfolio.trades import trades_of
from tests.unit.orders.builders import NOON, a_fill

CURVE = [(date(2012, 7, 2) + timedelta(days=n), 1000.0 + [0, 20, -30, 40][n % 4]) for n in range(40)]
TRADES = trades_of([a_fill(1, "buy", "10", "100"), a_fill(2, "sell", "10", "110")], {})
SLIPPED = SlippageFigures(
    orders=2, mean_bps=3.5, median_bps=3.5, worst_bps=6.0, mean_assumed_bps=1.0, mean_beyond_bps=2.5,
    cost=Decimal("1.25"),
)  # fmt: skip
FOUND = AccountReport(
    account="paper", environment="local", at=NOON, first=None, last=None, index=CURVE, equity=CURVE,
    curve=figures_of(CURVE), trades=TRADES, realised=Decimal(100), open_pnl=None, income=Decimal("-0.5"),
    deposits=Decimal(0), slippage={"all": SLIPPED},
)  # fmt: skip


def test_the_page_loads_nothing_and_tells_the_figures() -> None:
    """No host, no script; equity, drawdown, months, groups, slippage and every trade."""
    html = render(FOUND)
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(|\bon\w+=", html)
    for title in ("Equity", "Drawdown", "Monthly returns", "by symbol", "Slippage", "All trades"):
        assert title in html
    assert ("$100.00", "3.50", 2) == (
        re.findall(r"Realised</span><strong>([^<]+)", html)[0],
        re.findall(r"<td>Slippage</td><td>([^<]+)", html)[0],
        html.count("<svg viewBox=\"0 0 960 300\"") + html.count("<svg viewBox=\"0 0 960 160\""),
    )  # fmt: skip
    assert "1 round trips" in html


def test_the_page_says_by_which_rate_its_ratios_are() -> None:
    """A rate of 0 needs no word."""
    assert "mean daily return over its deviation" in render(FOUND)
    assert "mean daily return beyond 4.5 % a year over" in render(replace(FOUND, risk_free_percent=4.5))


def test_texts_of_the_books_are_escaped() -> None:
    """A reason may hold anything."""
    html = render(replace(FOUND, trades=[replace(TRADES[0], reason="<b>x</b>")], account="<i>"))
    assert "<b>x" not in html
    assert "<i>" not in html.replace("<i class=", "")


def test_an_account_without_a_day_says_so() -> None:
    """Nothing is drawn of nothing."""
    empty = replace(FOUND, index=[], equity=[], curve=None, trades=[], slippage={})
    html = render(empty)
    assert "<svg" not in html
    assert "No close of a session has been marked yet" in html
