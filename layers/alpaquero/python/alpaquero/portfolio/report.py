"""The account's report as one HTML page, made as a backtest's is; `analytics/api` answers it.

It loads nothing, runs nothing and fits a printer. Figures come from `portfolio.pnl`, `curve`,
`performance` and `slippage`; this only writes them down, each with its unit and what it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape

from alpaquero.backtests import page
from alpaquero.backtests.svg import Line, histogram, time_chart
from alpaquero.portfolio.curve import (
    CurveFigures,
    drawdowns,
    monthly_returns,
    underwater_percent,
    yearly_returns,
)
from alpaquero.portfolio.performance import TradeFigures, figures_by, trade_figures
from alpaquero.portfolio.slippage import SlippageFigures
from alpaquero.portfolio.trades import Trade
from alpaquero.quickly_made import dataclass

MOST_TRADES = 2_000
MOST_FALLS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """What the page tells of the days from `first` to `last`. Money is in dollars, `at` market time.

    `index` is equity without deposits and withdrawals (time-weighted), `equity` the account's own, both
    at the close of each day. `slippage` is by symbol, with the whole under `all`.
    `curve` was computed with `risk_free_percent` a year.
    """

    account: str
    environment: str
    at: datetime
    first: date | None
    last: date | None
    index: Sequence[tuple[date, float]]
    equity: Sequence[tuple[date, float]]
    curve: CurveFigures | None
    trades: Sequence[Trade]
    realised: Decimal
    open_pnl: Decimal | None
    income: Decimal
    deposits: Decimal
    slippage: Mapping[str, SlippageFigures]
    risk_free_percent: float = 0.0


def render(found: AccountReport) -> str:
    """The whole page; it says what there is nothing to say about."""
    trades = trade_figures(found.trades)
    title = f"Account {found.account}"
    return page.document(
        title,
        _head(found, title),
        page.section("Key figures", _tiles(found, trades)),
        page.section("Equity", _equity(found)),
        page.section("Drawdown", _drawdown(found)),
        page.section("Monthly returns, %", _months(found)),
        page.section("Profit and loss by symbol", _groups("Symbol", figures_by(found.trades, _symbol))),
        page.section("Profit and loss by strategy", _groups("Strategy", figures_by(found.trades, _strategy))),
        page.section("Gain a trade, % of the entry", _distribution(found.trades)),
        page.section("Slippage, hundredths of a percent", _slippage(found.slippage)),
        page.section("What the figures mean", _definitions(found, trades)),
        page.section("All trades", _trades(found.trades)),
    )


def _head(found: AccountReport, title: str) -> str:
    days = f"{found.first or 'the beginning'} to {found.last or 'now'}"
    return (
        f"<header><h1>{escape(title)}</h1><p>{escape(found.environment)} · {days} · "
        f"as of {page.when(found.at)} in New York</p></header>"
    )


def _tiles(found: AccountReport, trades: TradeFigures) -> str:
    curve = found.curve
    tiles = [
        ("Equity", page.money(curve.final_equity if curve else None), "at the last close"),
        ("Total return", page.percent(curve.total_return_percent if curve else None), "time-weighted"),
        ("Deepest drawdown", page.percent(-curve.max_drawdown_percent if curve else None), "from a peak"),
        ("Sharpe", page.number(curve.sharpe if curve else None), "a year"),
        ("Realised", page.money(found.realised), f"{trades.trades:,} trades closed"),
        ("Open", page.money(found.open_pnl), "of what is held"),
        ("Dividends, fees, interest", page.money(found.income), "in the period"),
        ("Put in, less taken out", page.money(found.deposits), "in the period"),
        ("Win rate", page.share(trades.win_rate_percent), f"{trades.wins:,} won, {trades.losses:,} lost"),
        ("Expectancy a trade", page.money(trades.expectancy), f"payoff {page.number(trades.payoff_ratio)}"),
    ]
    inner = "".join(
        f"<div><span>{name}</span><strong>{value}</strong><small>{beside}</small></div>"
        for name, value, beside in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _equity(found: AccountReport) -> str:
    if not found.equity:
        return "<p>No close of a session has been marked yet.</p>"
    days = [day for day, _ in found.equity]
    line = Line("equity", "equity", [value for _, value in found.equity])
    return time_chart(
        days, [line], label="Equity at the close of each session", tick=page.short_money, height=300
    )


def _drawdown(found: AccountReport) -> str:
    if not found.index:
        return ""
    days, values = [day for day, _ in found.index], [value for _, value in found.index]
    line = Line("fall", "below the highest so far", underwater_percent(values))
    label = "How far equity is below its highest so far, in percent, deposits left out"
    chart = time_chart(days, [line], label=label, tick=page.axis_percent, height=160, area=True)
    falls = sorted(drawdowns(found.index), key=lambda fall: -fall.depth_percent)[:MOST_FALLS]
    rows = [
        (
            page.percent(-fall.depth_percent), fall.peak_on, fall.trough_on,
            fall.recovered_on or "lasts", fall.days,
        )
        for fall in falls
    ]  # fmt: skip
    return chart + (page.table(("Depth", "Peak", "Deepest", "Recovered", "Days"), rows) if rows else "")


def _months(found: AccountReport) -> str:
    return (
        page.monthly_table(monthly_returns(found.index), yearly_returns(found.index)) if found.index else ""
    )


def _groups(kind: str, groups: Mapping[str, TradeFigures]) -> str:
    rows = [
        (
            name or page.NONE, f"{part.trades:,}", page.share(part.win_rate_percent), page.money(part.pnl),
            page.number(part.profit_factor), page.money(part.expectancy), page.duration(part.average_holding),
        )
        for name, part in groups.items()
    ]  # fmt: skip
    columns = (kind, "Trades", "Win rate", "Profit", "Profit factor", "Expectancy", "Held")
    return page.table(columns, rows) if rows else ""


def _distribution(trades: Sequence[Trade]) -> str:
    gains = [float(trade.pnl_percent) for trade in trades if trade.pnl_percent is not None]
    label = "How many trades gained how many percent"
    return histogram(gains, label=label, tick=page.axis_percent) if gains else ""


def _slippage(groups: Mapping[str, SlippageFigures]) -> str:
    rows = [
        (
            name, f"{part.orders:,}", page.number(part.mean_bps), page.number(part.median_bps),
            page.number(part.worst_bps), page.number(part.mean_assumed_bps),
            page.number(part.mean_beyond_bps), page.money(part.cost),
        )
        for name, part in groups.items()
    ]  # fmt: skip
    columns = ("Of", "Orders", "Mean", "Median", "Worst", "Backtest assumes", "Beyond that", "Cost")
    return page.table(columns, rows) if rows else ""


def _definitions(found: AccountReport, trades: TradeFigures) -> str:
    """Each figure with its unit and formula."""
    curve = found.curve
    rate = found.risk_free_percent
    gained = f"mean daily return beyond {rate:g} % a year" if rate else "mean daily return"
    rows = [
        ("Return a year", page.percent(curve.cagr_percent if curve else None), "%",
         "(last / first) ^ (365.25 / days) - 1, deposits and withdrawals left out"),
        ("Volatility", page.share(curve.volatility_percent if curve else None), "% a year",
         "sample deviation of daily returns times the root of 252"),
        ("Sharpe", page.number(curve.sharpe if curve else None), "a year",
         f"{gained} over its deviation, times the root of 252 (Sharpe 1994)"),
        ("Sortino", page.number(curve.sortino if curve else None), "a year",
         "the same over the deviation of losses alone (Sortino and Price 1994)"),
        ("Calmar", page.number(curve.calmar if curve else None), "ratio",
         "return a year over the deepest drawdown"),
        ("Longest drawdown", str(curve.longest_drawdown_days if curve else page.NONE), "days",
         "from a peak until it is reached again, or to the end"),
        ("Invested on average", page.share(curve.exposure_percent if curve else None), "% of equity",
         "what was held at each close"),
        ("Profit factor", page.number(trades.profit_factor), "ratio", "what wins made over what losses cost"),
        ("Payoff ratio", page.number(trades.payoff_ratio), "ratio", "average win over average loss"),
        ("Expectancy", page.money(trades.expectancy), "$ a trade", "mean profit of a closed trade"),
        ("Largest win", page.money(trades.largest_win), "$", "of one trade"),
        ("Largest loss", page.money(trades.largest_loss), "$", "of one trade"),
        ("Average holding", page.duration(trades.average_holding), "time", "from first share to last"),
        ("Slippage", page.number(_whole_slippage(found)), "1/100 %",
         "fills against the market when the order was decided, above 0 a cost (Perold 1988)"),
    ]  # fmt: skip
    return page.table(("Figure", "Value", "Unit", "What it is"), rows)


def _whole_slippage(found: AccountReport) -> float | None:
    whole = found.slippage.get("all")
    return whole.mean_bps if whole else None


def _trades(trades: Sequence[Trade]) -> str:
    shown = sorted(trades, key=lambda trade: trade.closed_at)[-MOST_TRADES:]
    rows = [
        (
            *(trade.symbol, trade.side.value, f"{trade.quantity:f}", trade.strategy or page.NONE),
            *(page.when(trade.opened_at), page.price(trade.entry_price)),
            *(page.when(trade.closed_at), page.price(trade.exit_price)),
            *(page.money(trade.pnl), page.percent(trade.pnl_percent), trade.reason),
        )
        for trade in shown
    ]
    columns = (
        "Symbol", "Side", "Shares", "Strategy", "Opened", "At", "Closed", "At", "Profit", "%", "Why closed",
    )  # fmt: skip
    left_out = len(trades) - len(shown)
    note = f"<p>The first {left_out:,} are left out; an export has them.</p>" if left_out else ""
    table = page.table(columns, rows)
    return (
        f'<details class="trades"><summary>{len(rows):,} round trips</summary>{note}{table}</details>'
        if rows
        else "<p>No trade was closed.</p>"
    )


def _symbol(trade: Trade) -> str:
    return trade.symbol


def _strategy(trade: Trade) -> str:
    return trade.strategy
