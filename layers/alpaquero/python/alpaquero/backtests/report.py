"""A backtest's outcome as one HTML page: no host, no script, light and dark, fit to print.

The command line writes it with `--report`, the job puts it beside its result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from importlib.resources import files
from typing import Any

from alpaquero.backtests.outcome import Outcome, TradeRow
from alpaquero.backtests.svg import Line, Marker, Span, histogram, time_chart
from alpaquero.portfolio.curve import day_of
from alpaquero.portfolio.performance import TradeFigures
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK

MOST_CHARTS = 30
MOST_TRADES = 2_000
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_NONE = "–"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(outcome: Outcome, prices: Mapping[str, Columns]) -> str:
    """The whole page. `prices` are the bars that were tested, which its price charts show.

    Price charts are of the symbols traded most, at most `MOST_CHARTS`; the table of trades holds at
    most the last `MOST_TRADES`. The page says so when something is left out.
    """
    title = f"Backtest of {', '.join(outcome.asked.strategies)}"
    sections = (
        _head(outcome, title),
        _section("Key figures", _key_figures(outcome)),
        _section("Equity", _equity_chart(outcome)),
        _section("Drawdown", _drawdown_chart(outcome), _drawdown_table(outcome)),
        _section("Monthly returns, %", _monthly_table(outcome)),
        _section("Trades", _trade_figures(outcome), _distribution(outcome)),
        _section("By group", _groups(outcome)),
        _section("Trades on price", *_price_charts(outcome, prices)),
        _section("Still held at the end", _held_table(outcome)),
        _section("What happened on the way", _activity(outcome)),
        _section("All trades", _trades_table(outcome)),
        _section("Settings", _settings(outcome)),
    )
    style = (files("alpaquero.backtests") / "report.css").read_text("utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _section(title: str, *parts: str) -> str:
    inner = "".join(parts)
    return f"<section><h2>{title}</h2>{inner}</section>" if inner else ""


def _head(outcome: Outcome, title: str) -> str:
    asked = outcome.asked
    shown = ", ".join(asked.symbols[:12]) + (
        f" and {len(asked.symbols) - 12} more" if asked.symbols[12:] else ""
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in outcome.notes)
    return (
        f"<header><h1>{escape(title)}</h1>"
        f"<p>{escape(shown)} · {asked.start} to {asked.end} · {escape(asked.timeframe)} bars · "
        f"{outcome.curve.sessions:,} sessions · {_money(asked.cash)} at the start · "
        f"prices: {escape(asked.data)}</p>"
        f"{notes}</header>"
    )


def _key_figures(outcome: Outcome) -> str:
    curve, trades = outcome.curve, outcome.trades
    tiles = [
        (name, write(value), f"buy and hold {write(held)}") for name, write, value, held in _compared(outcome)
    ]
    tiles += [
        ("Final equity", _money(outcome.final_equity), f"from {_money(outcome.asked.cash)}"),
        ("Trades", f"{trades.trades:,}", f"{trades.wins:,} won, {trades.losses:,} lost"),
        ("Win rate", _share(trades.win_rate_percent), f"profit factor {_number(trades.profit_factor)}"),
        ("Expectancy a trade", _money(trades.expectancy), f"payoff ratio {_number(trades.payoff_ratio)}"),
        (
            "Invested on average",
            _share(curve.exposure_percent),
            f"{_share(curve.time_invested_percent)} of sessions",
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
        ("Total return", _percent, found.total_return_percent, held.total_return_percent),
        ("A year", _percent, found.cagr_percent, held.cagr_percent),
        ("Deepest drawdown", _percent, -found.max_drawdown_percent, -held.max_drawdown_percent),
        ("Volatility a year", _share, found.volatility_percent, held.volatility_percent),
        ("Sharpe", _number, found.sharpe, held.sharpe),
        ("Sortino", _number, found.sortino, held.sortino),
        ("Calmar", _number, found.calmar, held.calmar),
    ]


def _equity_chart(outcome: Outcome) -> str:
    equity = outcome.equity
    lines = (
        Line("benchmark", "buy and hold", equity.benchmark),
        Line("equity", "equity", equity.equity),
    )
    legend = (
        '<p class="legend"><i class="equity"></i>equity <i class="benchmark"></i>buying and holding the '
        "same symbols in equal parts</p>"
    )
    label = "Equity by session, with buying and holding the same symbols"
    return legend + time_chart(equity.days, lines, label=label, tick=_short_money, height=300)


def _drawdown_chart(outcome: Outcome) -> str:
    line = Line("fall", "below the highest equity so far", outcome.equity.drawdown_percent)
    label = "How far equity is below its highest so far, in percent"
    return time_chart(outcome.equity.days, [line], label=label, tick=_axis_percent, height=160, area=True)


def _drawdown_table(outcome: Outcome) -> str:
    rows = [
        (_percent(-fall.depth_percent), fall.peak_on, fall.trough_on, fall.recovered_on or "lasts", fall.days)
        for fall in outcome.drawdowns
    ]
    return _table(("Depth", "Peak", "Deepest", "Recovered", "Days"), rows) if rows else "<p>None.</p>"


def _monthly_table(outcome: Outcome) -> str:
    most = max((abs(v) for months in outcome.monthly_percent.values() for v in months.values()), default=0.0)
    head = "".join(f"<th>{name}</th>" for name in ("", *_MONTHS, "Year", "Buy and hold"))
    body = "".join(
        f"<tr><th>{year}</th>"
        + "".join(_shaded(months.get(month), most) for month in range(1, 13))
        + f"<td><b>{_plain(outcome.yearly_percent.get(year))}</b></td>"
        f"<td>{_plain(outcome.benchmark_yearly_percent.get(year))}</td></tr>"
        for year, months in outcome.monthly_percent.items()
    )
    table = f'<table class="months"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'


def _shaded(value: float | None, most: float) -> str:
    """A cell the darker the further its month was from 0."""
    if value is None:
        return "<td></td>"
    part = round(60 * abs(value) / most) if most else 0
    return f'<td class="{"win" if value > 0 else "loss"}" style="--part:{part}%">{value:.1f}</td>'


def _trade_figures(outcome: Outcome) -> str:
    trades = outcome.trades
    rows = (
        ("Average win", _money(trades.average_win)),
        ("Average loss", _money(trades.average_loss)),
        ("Largest win", _money(trades.largest_win)),
        ("Largest loss", _money(trades.largest_loss)),
        ("Average holding", _duration(trades.average_holding)),
        ("Longest run of wins", f"{trades.longest_win_streak_trades:,} trades"),
        ("Longest run of losses", f"{trades.longest_loss_streak_trades:,} trades"),
        ("Fees", _money(outcome.activity.fees)),
        ("Turnover a year", _number(outcome.activity.turnover_yearly)),
    )
    return '<dl class="facts">' + "".join(f"<div><dt>{n}</dt><dd>{v}</dd></div>" for n, v in rows) + "</dl>"


def _distribution(outcome: Outcome) -> str:
    gains = [float(trade.pnl_percent) for trade in outcome.round_trips]
    if not gains:
        return "<p>No trade was closed, so there is no distribution.</p>"
    label = "How many trades gained how many percent"
    return "<h3>Gain a trade, % of the entry</h3>" + histogram(gains, label=label, tick=_axis_percent)


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
            name or _NONE, f"{part.trades:,}", _share(part.win_rate_percent), _money(part.pnl),
            _number(part.profit_factor), _money(part.expectancy), _duration(part.average_holding),
        )
        for name, part in groups.items()
    ]  # fmt: skip
    return _table((kind, "Trades", "Win rate", "Profit", "Profit factor", "Expectancy", "Held"), rows)


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
    known = [(day_of(start), start, close) for start, close in zip(columns.start, columns.close, strict=True)]
    shown = [bar for bar in known if first <= bar[0] <= last]
    if not shown:
        return "<p>No prices in the period.</p>"
    seconds = [start for _, start, _ in shown]
    markers, spans = [], []
    for trade in trades:
        kind = "win" if trade.pnl > 0 else "loss"
        bought, sold = _place(seconds, trade.opened_at), _place(seconds, trade.closed_at)
        entry, exit_ = float(trade.entry_price), float(trade.exit_price)
        spans.append(Span(f"span {kind}", (bought, entry), (sold, exit_)))
        markers.append(Marker("entry", bought, entry, _entry_text(trade), upward=trade.side == "buy"))
        markers.append(Marker(kind, sold, exit_, _exit_text(trade), upward=trade.side != "buy"))
    return time_chart(
        [day for day, _, _ in shown],
        [Line("price", f"{symbol} close", [close for _, _, close in shown])],
        label=f"Price of {symbol} with {len(trades)} trades",
        tick=_axis_price,
        markers=markers,
        spans=spans,
        height=240,
    )


def _place(seconds: Sequence[int], at: datetime) -> float:
    """The place of the bar that holds `at`."""
    return max(0, bisect_left(seconds, int(at.timestamp()) + 1) - 1)


def _entry_text(trade: TradeRow) -> str:
    verb = "bought" if trade.side == "buy" else "sold short"
    return f"{_when(trade.opened_at)} {verb} {trade.quantity} at {trade.entry_price}: {trade.entry_tag}"


def _exit_text(trade: TradeRow) -> str:
    verb = "sold" if trade.side == "buy" else "bought back"
    return (
        f"{_when(trade.closed_at)} {verb} {trade.quantity} at {trade.exit_price}: {trade.exit_tag}, "
        f"{_money(trade.pnl)} ({_percent(trade.pnl_percent)})"
    )


def _held_table(outcome: Outcome) -> str:
    rows = [
        (held.symbol, f"{held.quantity:f}", _price(held.price), _money(held.market_value))
        for held in outcome.held
    ]
    return _table(("Symbol", "Shares", "Price", "Value"), rows) if rows else ""


def _activity(outcome: Outcome) -> str:
    done = outcome.activity
    reasons = {"withheld": done.withheld, "passed over": done.passed_over, "refused by risk": done.refused}
    counts = [("Signals", done.signals), ("Intents", done.intents), ("Fills", done.fills)]
    counts += [(what.capitalize(), sum(codes.values())) for what, codes in reasons.items()]
    facts = "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in counts)
    rows = [
        (what, code, f"{times:,}") for what, codes in reasons.items() for code, times in sorted(codes.items())
    ]
    table = _table(("What", "Reason", "Times"), rows) if rows else ""
    return f'<dl class="facts">{facts}</dl>{table}'


def _trades_table(outcome: Outcome) -> str:
    trips = outcome.round_trips[-MOST_TRADES:]
    rows = [
        (
            *(trade.symbol, trade.side, f"{trade.quantity:f}"),
            *(_when(trade.opened_at), _price(trade.entry_price), trade.entry_tag),
            *(_when(trade.closed_at), _price(trade.exit_price), trade.exit_tag),
            *(_money(trade.pnl), _percent(trade.pnl_percent)),
        )
        for trade in trips
    ]
    columns = ("Symbol", "Side", "Shares", "Opened", "At", "Why", "Closed", "At", "Why", "Profit", "%")
    left_out = len(outcome.round_trips) - len(trips)
    note = f"<p>The first {left_out:,} are left out; the result file has them.</p>" if left_out else ""
    shown = f"<details><summary>{len(rows):,} round trips</summary>{note}{_table(columns, rows)}</details>"
    return shown if rows else ""


def _settings(outcome: Outcome) -> str:
    asked = outcome.asked
    groups: list[tuple[str, Mapping[str, Any]]] = [
        (f"Strategy {name}", values) for name, values in asked.strategies.items()
    ]
    groups += [("Fills", asked.fills), ("Risk", asked.risk), ("Orders", asked.orders)]
    tables = "".join(
        f"<details><summary>{escape(name)}</summary>"
        f"{_table(('Setting', 'Value'), [(key, _setting(value)) for key, value in values.items()])}</details>"
        for name, values in groups
        if values
    )
    return (
        f"{tables}<p>Seed {asked.seed}, rules version {escape(asked.rules_version)}, "
        f"trades SHA-256 <code>{escape(outcome.trades_sha256)}</code>.</p>"
    )


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items()) or _NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or _NONE
    return _NONE if value is None else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _written(write: Callable[[float], str], value: float | Decimal | None) -> str:
    return _NONE if value is None else write(float(value)).replace("-", "−")


def _money(value: float | Decimal | None) -> str:
    return _written(lambda amount: f"{'-' if amount < 0 else ''}${abs(amount):,.2f}", value)


def _short_money(value: float) -> str:
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= size:
            return f"${value / size:,.5g}{unit}"
    return f"${value:,.5g}"


def _price(value: Decimal) -> str:
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def _axis_price(value: float) -> str:
    return f"{value:,.6g}"


def _percent(value: float | Decimal | None) -> str:
    return _written(lambda part: f"{part:+,.2f}%", value)


def _share(value: float | Decimal | None) -> str:
    """A percentage that is never below 0."""
    return _written(lambda part: f"{part:,.2f}%", value)


def _axis_percent(value: float) -> str:
    return f"{value:.4g}%"


def _plain(value: float | None) -> str:
    return _written(lambda part: f"{part:,.1f}", value)


def _number(value: float | Decimal | None) -> str:
    return _written(lambda part: f"{part:,.2f}", value)


def _duration(value: timedelta | None) -> str:
    if value is None:
        return _NONE
    hours = value.total_seconds() / 3600
    return f"{hours / 24:,.1f} days" if hours >= 24 else f"{hours:,.1f} hours"


def _when(at: datetime) -> str:
    return at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M")
