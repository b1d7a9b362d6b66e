"""A backtest's outcome as one HTML page: no host, no script, light and dark, fit to print.

The command line writes it with `--report`, the job puts it beside its result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from alpaquero.backtests import page
from alpaquero.backtests.outcome import Outcome, TradeRow
from alpaquero.backtests.svg import Line, Marker, Span, histogram, time_chart
from alpaquero.portfolio.curve import day_of
from alpaquero.portfolio.performance import TradeFigures
from alpaquero.prices.aggregation import aggregated
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns

MOST_CHARTS = 30
MOST_TRADES = 2_000
SHORT_DAYS = 364
SHORT = "The period is shorter than a year: what is told a year is projected from it."


def render(outcome: Outcome, prices: Mapping[str, Columns]) -> str:
    """The whole page. `prices` are the bars that were tested, which its price charts show.

    Price charts are of the symbols traded most, at most `MOST_CHARTS`, by closes of days; the table of
    trades holds at most the last `MOST_TRADES`. The page says so when something is left out.
    """
    title = f"Backtest of {', '.join(outcome.asked.strategies)}"
    sections = (
        _head(outcome, title),
        page.section("Key figures", _key_figures(outcome)),
        page.section("Equity", _equity_chart(outcome)),
        page.section("Drawdown", _drawdown_chart(outcome), _drawdown_table(outcome)),
        page.section(
            "Monthly returns, %",
            page.monthly_table(
                outcome.monthly_percent, outcome.yearly_percent, outcome.benchmark_yearly_percent
            ),
        ),
        page.section("Trades", _trade_figures(outcome), _distribution(outcome)),
        page.section("By group", _groups(outcome)),
        page.section("Trades on price", *_price_charts(outcome, prices)),
        page.section("Still held at the end", _held_table(outcome)),
        page.section("What happened on the way", _activity(outcome)),
        page.section("All trades", _trades_table(outcome)),
        page.section("Settings", _settings(outcome)),
    )
    return page.document(title, *sections)


def _head(outcome: Outcome, title: str) -> str:
    asked = outcome.asked
    shown = ", ".join(asked.symbols[:12]) + (
        f" and {len(asked.symbols) - 12} more" if asked.symbols[12:] else ""
    )
    short = (asked.end - asked.start).days < SHORT_DAYS
    notes = "".join(
        f'<p class="note">{escape(note)}</p>' for note in (*outcome.notes, *((SHORT,) if short else ()))
    )
    return (
        f"<header><h1>{escape(title)}</h1>"
        f"<p>{escape(shown)} · {asked.start} to {asked.end} · {escape(asked.timeframe)} bars · "
        f"{outcome.curve.sessions:,} sessions · {page.money(asked.cash)} at the start · "
        f"prices: {escape(asked.data)}</p>"
        f"{notes}</header>"
    )


def _key_figures(outcome: Outcome) -> str:
    curve, trades = outcome.curve, outcome.trades
    tiles = [
        (name, write(value), f"buy and hold {write(held)}") for name, write, value, held in _compared(outcome)
    ]
    tiles += [
        ("Final equity", page.money(outcome.final_equity), f"from {page.money(outcome.asked.cash)}"),
        ("Trades", f"{trades.trades:,}", f"{trades.wins:,} won, {trades.losses:,} lost"),
        (
            "Win rate",
            page.share(trades.win_rate_percent),
            f"profit factor {page.number(trades.profit_factor)}",
        ),
        (
            "Expectancy a trade",
            page.money(trades.expectancy),
            f"payoff ratio {page.number(trades.payoff_ratio)}",
        ),
        (
            "Invested on average",
            page.share(curve.exposure_percent),
            f"{page.share(curve.time_invested_percent)} of sessions",
        ),
    ]
    inner = "".join(
        f"<div><span>{name}</span><strong>{value}</strong><small>{beside}</small></div>"
        for name, value, beside in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _compared(
    outcome: Outcome,
) -> list[tuple[str, Callable[[float | None], str], float | None, float | None]]:
    """Name, way of writing, value of the backtest and of the benchmark."""
    found, held = outcome.curve, outcome.benchmark
    return [
        ("Total return", page.percent, found.total_return_percent, held.total_return_percent),
        ("A year", page.percent, found.cagr_percent, held.cagr_percent),
        ("Deepest drawdown", page.percent, -found.max_drawdown_percent, -held.max_drawdown_percent),
        ("Volatility a year", page.share, found.volatility_percent, held.volatility_percent),
        ("Sharpe", page.number, found.sharpe, held.sharpe),
        ("Sortino", page.number, found.sortino, held.sortino),
        ("Calmar", page.number, found.calmar, held.calmar),
    ]


def _equity_chart(outcome: Outcome) -> str:
    equity = outcome.equity
    lines = (
        Line("benchmark", "buy and hold", equity.benchmark),
        Line("equity", "equity", equity.equity),
    )
    legend = (
        '<p class="legend"><i class="equity"></i>equity <i class="benchmark"></i>buying and holding the '
        "same symbols in equal parts, without costs</p>"
    )
    label = "Equity by session, with buying and holding the same symbols"
    return legend + time_chart(equity.days, lines, label=label, tick=page.short_money, height=300)


def _drawdown_chart(outcome: Outcome) -> str:
    line = Line("fall", "below the highest equity so far", outcome.equity.drawdown_percent)
    label = "How far equity is below its highest so far, in percent"
    return time_chart(outcome.equity.days, [line], label=label, tick=page.axis_percent, height=160, area=True)


def _drawdown_table(outcome: Outcome) -> str:
    rows = [
        (
            page.percent(-fall.depth_percent),
            fall.peak_on,
            fall.trough_on,
            fall.recovered_on or "lasts",
            fall.days,
        )
        for fall in outcome.drawdowns
    ]
    return page.table(("Depth", "Peak", "Deepest", "Recovered", "Days"), rows) if rows else "<p>None.</p>"


def _trade_figures(outcome: Outcome) -> str:
    trades = outcome.trades
    rows = (
        ("Average win", page.money(trades.average_win)),
        ("Average loss", page.money(trades.average_loss)),
        ("Largest win", page.money(trades.largest_win)),
        ("Largest loss", page.money(trades.largest_loss)),
        ("Average holding", page.duration(trades.average_holding)),
        ("Longest run of wins", f"{trades.longest_win_streak_trades:,} trades"),
        ("Longest run of losses", f"{trades.longest_loss_streak_trades:,} trades"),
        ("Fees", page.money(outcome.activity.fees)),
        ("Turnover a year", page.number(outcome.activity.turnover_yearly)),
    )
    return '<dl class="facts">' + "".join(f"<div><dt>{n}</dt><dd>{v}</dd></div>" for n, v in rows) + "</dl>"


def _distribution(outcome: Outcome) -> str:
    gains = [float(trade.pnl_percent) for trade in outcome.round_trips]
    if not gains:
        return "<p>No trade was closed, so there is no distribution.</p>"
    label = "How many trades gained how many percent"
    return "<h3>Gain a trade, % of the entry</h3>" + histogram(gains, label=label, tick=page.axis_percent)


def _groups(outcome: Outcome) -> str:
    kinds = (
        ("Symbol", outcome.by_symbol),
        ("Strategy", outcome.by_strategy),
        ("Entry", outcome.by_entry_tag),
        ("Exit", outcome.by_exit_tag),
    )
    return "".join(_group_table(kind, groups) for kind, groups in kinds if groups)


def _group_table(kind: str, groups: Mapping[str, TradeFigures]) -> str:
    rows = [
        (
            name or page.NONE, f"{part.trades:,}", page.share(part.win_rate_percent), page.money(part.pnl),
            page.number(part.profit_factor), page.money(part.expectancy), page.duration(part.average_holding),
        )
        for name, part in groups.items()
    ]  # fmt: skip
    return page.table((kind, "Trades", "Win rate", "Profit", "Profit factor", "Expectancy", "Held"), rows)


def _price_charts(outcome: Outcome, prices: Mapping[str, Columns]) -> list[str]:
    trades: dict[str, list[TradeRow]] = {}
    for trade in outcome.round_trips:
        trades.setdefault(trade.symbol, []).append(trade)
    busiest = sorted((symbol for symbol in trades if symbol in prices), key=lambda s: (-len(trades[s]), s))
    charts = [
        f"<h3>{escape(symbol)}</h3>{_price_chart(symbol, prices[symbol], trades[symbol], outcome)}"
        for symbol in busiest[:MOST_CHARTS]
    ]
    if len(busiest) > MOST_CHARTS:
        charts.append(f"<p>{len(busiest) - MOST_CHARTS} symbols that traded less have no chart.</p>")
    if charts:
        legend = (
            '<p class="legend"><i class="entry"></i>entry <i class="win"></i>exit with a gain '
            '<i class="loss"></i>exit with a loss</p>'
        )
        charts.insert(0, legend)
    return charts


def _price_chart(symbol: str, columns: Columns, trades: Sequence[TradeRow], outcome: Outcome) -> str:
    first, last = outcome.asked.start, outcome.asked.end
    if outcome.asked.timeframe != Timeframe.DAY:
        columns = aggregated(columns, Timeframe.DAY)
    known = [(day_of(start), start, close) for start, close in zip(columns.start, columns.close, strict=True)]
    shown = [bar for bar in known if first <= bar[0] <= last]
    if not shown:
        return "<p>No prices in the period.</p>"
    seconds = [start for _, start, _ in shown]
    markers, spans, when = [], [], _moments(outcome)
    for trade in trades:
        kind = "win" if trade.pnl > 0 else "loss"
        bought, sold = _place(seconds, trade.opened_at), _place(seconds, trade.closed_at)
        entry, exit_ = float(trade.entry_price), float(trade.exit_price)
        spans.append(Span(f"span {kind}", (bought, entry), (sold, exit_)))
        told = _entry_text(trade, when(trade.opened_at)), _exit_text(trade, when(trade.closed_at))
        markers.append(Marker("entry", bought, entry, told[0], upward=trade.side == "buy"))
        markers.append(Marker(kind, sold, exit_, told[1], upward=trade.side != "buy"))
    return time_chart(
        [day for day, _, _ in shown],
        [Line("price", f"{symbol} close", [close for _, _, close in shown])],
        label=f"Price of {symbol} with {len(trades)} trades",
        tick=page.axis_price,
        markers=markers,
        spans=spans,
        height=240,
    )


def _place(seconds: Sequence[int], at: datetime) -> float:
    """The place of the bar that holds `at`."""
    return max(0, bisect_left(seconds, int(at.timestamp()) + 1) - 1)


def _moments(outcome: Outcome) -> Callable[[datetime], str]:
    """How times of fills are written: bars of days know no hour, so the one that orders them is left out."""
    return page.day if outcome.asked.timeframe == Timeframe.DAY else page.when


def _entry_text(trade: TradeRow, when: str) -> str:
    verb = "bought" if trade.side == "buy" else "sold short"
    return f"{when} {verb} {trade.quantity} at {trade.entry_price}: {trade.entry_tag}"


def _exit_text(trade: TradeRow, when: str) -> str:
    verb = "sold" if trade.side == "buy" else "bought back"
    return (
        f"{when} {verb} {trade.quantity} at {trade.exit_price}: {trade.exit_tag}, "
        f"{page.money(trade.pnl)} ({page.percent(trade.pnl_percent)})"
    )


def _held_table(outcome: Outcome) -> str:
    rows = [
        (held.symbol, f"{held.quantity:f}", page.price(held.price), page.money(held.market_value))
        for held in outcome.held
    ]
    return page.table(("Symbol", "Shares", "Price", "Value"), rows) if rows else ""


def _activity(outcome: Outcome) -> str:
    done = outcome.activity
    reasons = {"withheld": done.withheld, "passed over": done.passed_over, "refused by risk": done.refused}
    counts = [("Signals", done.signals), ("Intents", done.intents), ("Fills", done.fills)]
    counts += [(what.capitalize(), sum(codes.values())) for what, codes in reasons.items()]
    facts = "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in counts)
    rows = [
        (what, code, f"{times:,}") for what, codes in reasons.items() for code, times in sorted(codes.items())
    ]
    table = page.table(("What", "Reason", "Times"), rows) if rows else ""
    return f'<dl class="facts">{facts}</dl>{table}'


def _trades_table(outcome: Outcome) -> str:
    trips, when = outcome.round_trips[-MOST_TRADES:], _moments(outcome)
    rows = [
        (
            *(trade.symbol, trade.side, f"{trade.quantity:f}"),
            *(when(trade.opened_at), page.price(trade.entry_price), trade.entry_tag),
            *(when(trade.closed_at), page.price(trade.exit_price), trade.exit_tag),
            *(page.money(trade.pnl), page.percent(trade.pnl_percent)),
        )
        for trade in trips
    ]
    columns = ("Symbol", "Side", "Shares", "Opened", "At", "Why", "Closed", "At", "Why", "Profit", "%")
    left_out = len(outcome.round_trips) - len(trips)
    note = f"<p>The first {left_out:,} are left out; the result file has them.</p>" if left_out else ""
    shown = (
        f'<details class="trades"><summary>{len(rows):,} round trips</summary>{note}'
        f"{page.table(columns, rows)}</details>"
    )
    return shown if rows else ""


def _settings(outcome: Outcome) -> str:
    asked = outcome.asked
    groups: list[tuple[str, Mapping[str, Any]]] = [
        (f"Strategy {name}", values) for name, values in asked.strategies.items()
    ]
    groups += [("Fills", asked.fills), ("Risk", asked.risk), ("Orders", asked.orders)]
    tables = "".join(
        f"<details><summary>{escape(name)}</summary>{_setting_table(values)}</details>"
        for name, values in groups
        if values
    )
    return (
        f"{tables}<p>Risk-free rate {asked.risk_free_percent} % a year, seed {asked.seed}, "
        f"rules version {escape(asked.rules_version)}, "
        f"trades SHA-256 <code>{escape(outcome.trades_sha256)}</code>.</p>"
    )


def _setting_table(values: Mapping[str, Any]) -> str:
    return page.table(("Setting", "Value"), [(key, _setting(value)) for key, value in values.items()])


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items()) or page.NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or page.NONE
    return page.NONE if value is None else str(value)
