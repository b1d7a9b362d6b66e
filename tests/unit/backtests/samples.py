"""A made-up outcome, whole and small, for tests of what is done with one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import sin
from typing import Any

import msgspec

from alpaquero.backtests.outcome import Activity, Asked, Equity, Held, Outcome, TradeRow
from alpaquero.portfolio import curve
from alpaquero.portfolio.performance import figures_by, trade_figures
from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns

START = date(2011, 1, 3)
SESSIONS = 500


def days(count: int = SESSIONS) -> list[date]:
    """Weekdays from `START` on."""
    every = (START + timedelta(days=number) for number in range(count * 2))
    return [day for day in every if day.weekday() < 5][:count]


def prices(symbol: str = "AAPL", count: int = SESSIONS) -> Columns:
    """Daily bars that swing around a rising line."""
    level = 50 + 10 * (sum(map(ord, symbol)) % 5)
    closes = [level * (1 + number / 900 + 0.12 * sin(number / 25 + level)) for number in range(count)]
    midnights = [datetime(day.year, day.month, day.day, 5, tzinfo=UTC) for day in days(count)]
    return Columns.of(
        Bar(at, round(close, 2), round(close * 1.01, 2), round(close * 0.99, 2), round(close, 2), 1000)
        for at, close in zip(midnights, closes, strict=True)
    )


def trade(place: int, symbol: str, pnl: str, **changes: Any) -> TradeRow:
    """A round trip that was opened at session `place` and held ten sessions."""
    calendar = days(SESSIONS)
    opened, closed = (
        datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
        for day in (calendar[place], calendar[place + 10])
    )
    entry = Decimal(str(prices(symbol).close[place]))
    row = TradeRow(
        symbol=symbol,
        strategy="stochrsi_ema",
        side="buy",
        quantity=Decimal(10),
        opened_at=opened,
        closed_at=closed,
        entry_price=entry,
        exit_price=entry + Decimal(pnl) / 10,
        pnl=Decimal(pnl),
        pnl_percent=(Decimal(pnl) * 10 / entry).quantize(Decimal("0.0001")),
        fees=Decimal(0),
        entry_tag="stochrsi_oversold_uptrend",
        exit_tag="take_profit" if Decimal(pnl) > 0 else "stop_loss",
    )
    return msgspec.structs.replace(row, **changes)


def outcome(**changes: Any) -> Outcome:
    """Two years, two symbols, twenty trades."""
    calendar = days()
    equity = [100_000 * (1 + number / 4000 + 0.05 * sin(number / 40)) for number in range(SESSIONS)]
    rows = [
        trade(place, symbol, str((place * 37) % 130 - 50))
        for place in range(5, 480, 50)
        for symbol in ("AAPL", "IBM")
    ]
    held = curve.buy_and_hold({symbol: prices(symbol) for symbol in ("AAPL", "IBM")}, calendar, 100_000)
    own = list(zip(calendar, equity, strict=True))
    made = Outcome(
        asked=Asked(
            strategies={"stochrsi_ema": {"rule": "stochrsi_ema", "rsi_period_bars": 14}},
            symbols=("AAPL", "IBM"),
            start=calendar[0],
            end=calendar[-1],
            timeframe="1Day",
            cash=Decimal(100_000),
            seed=1,
            fills={"half_spread_bps": "1"},
            risk={"stop_loss_percent": "3", "sectors": {"AAPL": "tech"}},
            orders={"entry_timeout_minutes": 0},
            data="a test's own",
            rules_version="1",
        ),
        trades_sha256="ab" * 32,
        final_equity=Decimal(str(round(equity[-1], 2))),
        final_cash=Decimal(60_000),
        curve=curve.figures_of(own, invested=[value * 0.4 for value in equity]),
        benchmark=curve.figures_of(held),
        trades=trade_figures(rows),
        by_symbol=figures_by(rows, lambda row: row.symbol),
        by_strategy=figures_by(rows, lambda row: row.strategy),
        by_entry_tag=figures_by(rows, lambda row: row.entry_tag),
        by_exit_tag=figures_by(rows, lambda row: row.exit_tag),
        activity=Activity(
            signals=44,
            withheld={"short_history": 3},
            passed_over={"already_held": 4},
            intents=25,
            refused={"position_limit": 2},
            fills=40,
            fees=Decimal("12.5"),
            traded_dollars=Decimal(40_000),
            turnover_yearly=0.2,
        ),
        drawdowns=sorted(curve.drawdowns(own), key=lambda fall: -fall.depth_percent)[:5],
        monthly_percent=curve.monthly_returns(own),
        yearly_percent=curve.yearly_returns(own),
        benchmark_yearly_percent=curve.yearly_returns(held),
        equity=Equity(
            days=calendar,
            equity=equity,
            cash=[value * 0.6 for value in equity],
            invested=[value * 0.4 for value in equity],
            drawdown_percent=curve.underwater_percent(equity),
            benchmark=[value for _, value in held],
        ),
        round_trips=rows,
        held=[
            Held(symbol="IBM", quantity=Decimal(5), price=Decimal("200.1"), market_value=Decimal("1000.5")),
        ],
    )
    return msgspec.structs.replace(made, **changes)
