"""Runs a backtest and puts together what it came to; called by the job, the command line and grids."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from alpaquero.backtests.outcome import Activity, Asked, Equity, Held, Outcome, TradeRow
from alpaquero.backtests.request import BacktestRequest, BacktestSettings
from alpaquero.portfolio import curve as curves
from alpaquero.portfolio.performance import figures_by, trade_figures
from alpaquero.prices.aggregation import aggregated
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.gaps import gaps
from alpaquero.prices.sessions import NEW_YORK, Session, bar_start
from alpaquero.prices.splits import SplitDay
from alpaquero.risk.limits import SizingMethod
from alpaquero.rules_version import RULES_VERSION
from alpaquero.simulation import backtest
from alpaquero.simulation.backtest import FillTerms, Result
from alpaquero.simulation.backtest.engine import ATR_PERIODS
from alpaquero.simulation.backtest.parts import regular
from alpaquero.simulation.backtest.signals import adjusted, start_seconds

MOST_DRAWDOWNS = 5
MOST_HOLES = 10  # symbols that a note names
PRICE_KNOWN = "price_known"  # the rule that refuses entries without a true range
HOLE_SESSIONS = 5  # fewer in a row are a halt, and counted as stale
_ZERO = Decimal(0)
_FOUR_DECIMALS = Decimal("0.0001")


def execute(
    request: BacktestRequest,
    settings: BacktestSettings,
    series: Mapping[str, Columns],
    sessions: Sequence[Session],
    *,
    longer: Mapping[Timeframe, Mapping[str, Columns]] | None = None,
    splits: Sequence[SplitDay] = (),
    data: str,
    notes: Sequence[str] = (),
    show: Callable[[int, int, date], None] | None = None,
) -> Outcome:
    """The outcome of a request on `series`, raw bars of its shortest timeframe, and `longer` ones of others.

    Bars begin before `request.start`, `sessions` with the bars. `data` says where they came from. Raises
    `ValueError` as `simulation.backtest.run` does, and when the period holds no session.
    """
    began = time.perf_counter()
    series = regular(series, sessions, settings.timeframe)
    result = backtest.run(
        series,
        sessions=sessions,
        settings=settings,
        longer=longer,
        start=request.start,
        end=request.end,
        splits=splits,
        terms=terms_of(request),
        cash=request.cash,
        progress=show,
    )
    if not result.equity:
        raise ValueError(
            f"there is no session with prices from {request.start} to {request.end}; choose other dates"
        )
    adjusted = {symbol: unsplit(columns, symbol, splits) for symbol, columns in series.items()}
    if settings.timeframe is not Timeframe.DAY:
        adjusted = {symbol: aggregated(columns, Timeframe.DAY) for symbol, columns in adjusted.items()}
    days = [row.at.astimezone(NEW_YORK).date() for row in result.equity]
    return msgspec.structs.replace(
        summary(
            result,
            asked=_asked(request, settings, data, days),
            held=_held(result, series, days[-1]),
            benchmark=curves.buy_and_hold(adjusted, days, float(request.cash)),
        ),
        notes=[*notes, *_holes(adjusted, result.traded), *_unsized(result, settings)],
        seconds=round(time.perf_counter() - began, 3),
    )


def _holes(series: Mapping[str, Columns], sessions: Sequence[Session]) -> list[str]:
    """What daily bars lack of the sessions traded, after a symbol's first bar; a few are named."""
    ended, holed = list[str](), list[str]()
    starts = [start_seconds(session) for session in sessions]
    for symbol, columns in series.items():
        begin = bisect_left(starts, columns.start[0]) if len(columns) else len(starts)
        first, last = bisect_left(columns.start, starts[0]), bisect_right(columns.start, starts[-1])
        if last - first == len(starts) - begin:
            continue
        missing = gaps(columns.start, Timeframe.DAY, sessions[begin:])
        if missing and missing[-1].last == bar_start(sessions[-1]):
            ended.append(f"{symbol} after {columns.start_at(last - 1).astimezone(NEW_YORK).date()}")
            missing.pop()
        longest = max(missing, key=lambda gap: gap.bars, default=None)
        if longest is not None and longest.bars >= HOLE_SESSIONS:
            day = longest.first.astimezone(NEW_YORK).date()
            holed.append(f"{symbol} {longest.bars} sessions from {day} on")
    told = []
    if holed:
        told.append(f"Bars are missing, so nothing was judged or traded then: {_few(holed)}.")
    if ended:
        told.append(f"Bars end before the last session, what is held stays at the last price: {_few(ended)}.")
    return told


def _unsized(result: Result, settings: BacktestSettings) -> list[str]:
    """Entries that nothing came of because the true range was not known yet."""
    refused, risk = result.refused.get(PRICE_KNOWN, 0), settings.risk
    if not refused or risk.sizing_method is not SizingMethod.ATR:
        return []
    wanted = risk.atr_period_bars * ATR_PERIODS
    told = (
        f"Sizes go by ATR, which needs {wanted} sessions of bars before: {refused} entries were refused for "
        "want of them. Give longer prices, begin later, or lower atr_period_bars."
    )
    return [told]


def _few(listed: Sequence[str]) -> str:
    more = len(listed) - MOST_HOLES
    return ", ".join(listed[:MOST_HOLES]) + (f" and {more} more" if more > 0 else "")


def terms_of(request: BacktestRequest) -> FillTerms:
    """How the request's orders fill."""
    fills = request.fills
    return FillTerms(
        seed=request.seed,
        half_spread_bps=fills.half_spread_bps,
        slippage_bps=fills.slippage_bps,
        partial_fill_probability=float(fills.partial_fills),
        fee_per_share=fills.fee_per_share_dollars,
        fee_percent=fills.fee_percent,
    )


def summary(
    result: Result, *, asked: Asked, held: list[Held], benchmark: Sequence[tuple[date, float]]
) -> Outcome:
    """Every figure of a result; `benchmark` is a curve over the same sessions."""
    days = [day for day, _ in benchmark]
    cash, rate = float(asked.cash), float(asked.risk_free_percent)
    own = [(day, float(row.equity)) for day, row in zip(days, result.equity, strict=True)]
    whole, held_whole = curves.begun(own, cash), curves.begun(benchmark, cash)
    rows = [_row(trade) for trade in result.trades]
    falls = sorted(curves.drawdowns(whole), key=lambda fall: (-fall.depth_percent, fall.peak_on))
    return Outcome(
        asked=asked,
        trades_sha256=result.trades_sha256,
        final_equity=result.equity_end,
        final_cash=result.cash,
        curve=curves.figures_of(
            own,
            initial=cash,
            invested=[float(row.market_value) for row in result.equity],
            risk_free_percent=rate,
        ),
        benchmark=curves.figures_of(benchmark, initial=cash, risk_free_percent=rate),
        trades=trade_figures(rows),
        by_symbol=figures_by(rows, lambda row: row.symbol),
        by_strategy=figures_by(rows, lambda row: row.strategy),
        by_entry_tag=figures_by(rows, lambda row: row.entry_tag),
        by_exit_tag=figures_by(rows, lambda row: row.exit_tag),
        activity=_activity(result, own),
        drawdowns=falls[:MOST_DRAWDOWNS],
        monthly_percent=curves.monthly_returns(whole),
        yearly_percent=curves.yearly_returns(whole),
        benchmark_yearly_percent=curves.yearly_returns(held_whole),
        equity=Equity(
            days=days,
            equity=[equity for _, equity in own],
            cash=[float(row.cash) for row in result.equity],
            invested=[float(row.market_value) for row in result.equity],
            drawdown_percent=curves.underwater_percent([equity for _, equity in whole])[1:],
            benchmark=[value for _, value in benchmark],
        ),
        round_trips=rows,
        held=held,
    )


def _asked(request: BacktestRequest, settings: BacktestSettings, data: str, days: Sequence[date]) -> Asked:
    return Asked(
        strategies={name: _plain(chosen) for name, chosen in settings.strategies.items()},
        symbols=request.symbols,
        start=days[0],
        end=days[-1],
        timeframe=", ".join(settings.timeframes),
        cash=request.cash,
        seed=request.seed,
        fills=_plain(request.fills),
        risk=_plain(settings.risk),
        orders=_plain(settings.orders),
        data=data,
        rules_version=str(RULES_VERSION),
        risk_free_percent=settings.risk_free_percent,
    )


def _plain(value: Any) -> dict[str, Any]:
    """The settings as names and values, a strategy's parameters beside its fields."""
    found: dict[str, Any] = msgspec.to_builtins(value)
    return {**found.pop("parameters"), **found} if "parameters" in found else found


def _row(trade: backtest.TradeRow) -> TradeRow:
    paid = trade.entry_price * trade.quantity
    return TradeRow(
        symbol=trade.symbol,
        strategy=trade.strategy,
        side=str(trade.side),
        quantity=trade.quantity,
        opened_at=trade.opened_at,
        closed_at=trade.closed_at,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        pnl=trade.pnl,
        pnl_percent=(trade.pnl * 100 / paid).quantize(_FOUR_DECIMALS) if paid else _ZERO,
        fees=trade.fees,
        entry_tag=trade.entry_tag,
        exit_tag=trade.exit_tag,
    )


def _activity(result: Result, own: Sequence[tuple[date, float]]) -> Activity:
    traded = sum((fill.quantity * fill.price for fill in result.fills), _ZERO)
    return Activity(
        signals=result.signals,
        withheld=dict(result.withheld),
        passed_over=dict(result.passed_over),
        intents=result.intents,
        refused=dict(result.refused),
        fills=len(result.fills),
        fees=sum((fill.fee for fill in result.fills), _ZERO),
        traded_dollars=traded,
        turnover_yearly=curves.turnover(float(traded), own),
    )


def _held(result: Result, series: Mapping[str, Columns], last: date) -> list[Held]:
    """What is still held, at the last close on or before the last session."""
    held = []
    for symbol, quantity in sorted(result.positions.items()):
        if not quantity:
            continue
        columns = series[symbol]
        shown = columns.until(datetime.combine(last, datetime.max.time(), tzinfo=NEW_YORK))
        price = Decimal(str(shown.close[-1]))
        held.append(Held(symbol=symbol, quantity=quantity, price=price, market_value=quantity * price))
    return held


def unsplit(columns: Columns, symbol: str, splits: Sequence[SplitDay]) -> Columns:
    """Raw bars as a strategy sees them after the symbol's last split: earlier prices in today's shares."""
    return adjusted(columns, [split for split in splits if split.symbol == symbol])
