"""Profit and loss by period and by group, from closes of the account, trades and cash; for `analytics/api`.

For the account as a whole a period's gain is the change of equity without money put in or taken out:
realised, open and income (dividends, fees, interest) together. What was realised is counted on the
day of the fill that closed the shares. Days are those of New York.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from alpaquero.portfolio.curve import CurveFigures, figures_of, time_weighted
from alpaquero.portfolio.movements import CashMovement
from alpaquero.portfolio.performance import TradeFigures, trade_figures
from alpaquero.portfolio.trades import OpenTrade, Trade
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.prices.trading_days import is_trading_day
from alpaquero.quickly_made import dataclass

_ZERO = Decimal(0)
AnyTrade = Trade | OpenTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The account at the last mark of a New York day, in dollars; `at` is market time.

    `drawdown_percent` is how far equity was below its peak, moved with deposits as the risk book does.
    """

    date: date
    at: datetime
    equity: Decimal
    cash: Decimal
    drawdown_percent: Decimal = _ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCurve:
    """The account over a stretch of days: its closes on trading days, and the newest of any day.

    `base` is what the stretch began with: the close before, or the account when it was first seen, dated
    the day before, for flows of that day came after; None when neither is known, and then the first
    close begins it. `flows` are the owner's deposits and withdrawals.
    """

    base: Close | None
    closes: tuple[Close, ...]
    newest: Close | None
    flows: tuple[CashMovement, ...]

    @property
    def whole(self) -> list[Close]:
        """The closes behind what the stretch began with."""
        return [*([self.base] if self.base else []), *self.closes]

    @property
    def index(self) -> list[tuple[date, float]]:
        """The equity without the flows, time-weighted; begins with the base where there is one."""
        flows = [(day_of(flow.at), float(flow.amount)) for flow in self.flows]
        return time_weighted([(close.date, float(close.equity)) for close in self.whole], flows)

    @property
    def gain(self) -> Decimal | None:
        """The change of equity up to the newest close without the flows; None of fewer than two."""
        ends = self._ends
        return ends and ends[1].equity - ends[0].equity - self.deposits(*ends)

    @property
    def deposits_within(self) -> Decimal | None:
        """What was put in, less what was taken out, while `gain` was made."""
        ends = self._ends
        return ends and self.deposits(*ends)

    @property
    def _ends(self) -> tuple[Close, Close] | None:
        first = self.base or next(iter(self.closes), None)
        if first is None or self.newest is None or self.newest.at <= first.at:
            return None
        return first, self.newest

    def deposits(self, before: Close, close: Close) -> Decimal:
        """What was put in, less what was taken out, between two closes."""
        return sum((f.amount for f in self.flows if before.date < day_of(f.at) <= close.date), _ZERO)


def curve_figures(curve: AccountCurve, *, risk_free_percent: float = 0.0) -> CurveFigures | None:
    """Return and risk of the time-weighted curve; None where no session has been marked.

    `initial_equity` and `final_equity` are the account's own, flows included.
    """
    index = curve.index
    based = bool(index) and curve.base is not None and index[0][0] == curve.base.date
    own = index[1:] if based else index
    if not own:
        return None
    shown = curve.closes[-len(own) :]
    found = figures_of(
        own,
        initial=index[0][1] if based else None,
        invested=[
            value * float((close.equity - close.cash) / close.equity) if close.equity > 0 else 0.0
            for (_, value), close in zip(own, shown, strict=True)
        ],
        risk_free_percent=risk_free_percent,
    )
    return replace(found, final_equity=float(shown[-1].equity))


class Grouping(StrEnum):
    """What profit and loss is told by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SYMBOL = "symbol"
    STRATEGY = "strategy"
    TAG = "tag"


_PERIODS: Mapping[Grouping, Callable[[date], str]] = {
    Grouping.DAY: date.isoformat,
    Grouping.WEEK: lambda day: f"{day.isocalendar().year}-W{day.isocalendar().week:02d}",
    Grouping.MONTH: lambda day: f"{day:%Y-%m}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Profit and loss of one period or group, in dollars. None where it is not known or has no meaning.

    `figures` are of the trades that were closed. `gain` is the change of the account's equity without
    `deposits`, `return_percent` its time-weighted return, `equity` the last of the period. `open_pnl`
    is what the group still holds would gain now.
    """

    key: str
    figures: TradeFigures
    realised: Decimal
    income: Decimal | None = None
    open_pnl: Decimal | None = None
    gain: Decimal | None = None
    deposits: Decimal | None = None
    return_percent: float | None = None
    equity: Decimal | None = None


def day_of(at: datetime) -> date:
    """The date in New York."""
    return at.astimezone(NEW_YORK).date()


def account_curve(
    closes: Iterable[Close],
    movements: Iterable[CashMovement],
    opened: Close | None,
    first: date = date.min,
    last: date = date.max,
) -> AccountCurve:
    """The account from `first` to `last`, both included.

    `opened` is the account when it was first seen. Only days the exchange trades on are closes of a
    curve: on others nothing can be earned, and a year of returns has 252.
    """
    ordered = sorted(closes, key=lambda close: close.at)
    before = [close for close in ordered if close.date < first and is_trading_day(close.date)]
    within = [close for close in ordered if first <= close.date <= last]
    if not before and opened is not None and opened.date <= last:
        before = [replace(opened, date=opened.date - timedelta(days=1))]
    return AccountCurve(
        base=before[-1] if before else None,
        closes=tuple(close for close in within if is_trading_day(close.date)),
        newest=within[-1] if within else None,
        flows=tuple(one for one in movements if one.is_funding),
    )


def realised_within(trades: Iterable[AnyTrade], first: date, last: date) -> Decimal:
    """Dollars that the shares closed from `first` to `last` gained."""
    return sum(
        (part.pnl for trade in trades for part in trade.parts if first <= day_of(part.at) <= last), _ZERO
    )


def closed_within(trades: Iterable[AnyTrade], first: date, last: date) -> list[Trade]:
    """The trades whose last share was closed from `first` to `last`."""
    return [t for t in trades if isinstance(t, Trade) and first <= day_of(t.closed_at) <= last]


def by_period(
    by: Grouping,
    trades: Sequence[AnyTrade],
    *,
    curve: AccountCurve | None,
    income: Iterable[CashMovement] = (),
    first: date = date.min,
    last: date = date.max,
) -> list[Row]:
    """A row a day, week (ISO 8601) or month in which anything was traded or the account was marked.

    Oldest first. `curve` is None for a part of the account, which has no equity of its own.
    """
    name = _PERIODS[by]
    closed: dict[str, list[Trade]] = defaultdict(list)
    for trade in closed_within(trades, first, last):
        closed[name(day_of(trade.closed_at))].append(trade)
    realised = _summed(
        (name(day_of(part.at)), part.pnl)
        for trade in trades
        for part in trade.parts
        if first <= day_of(part.at) <= last
    )
    account = _account_rows(curve, name) if curve else {}
    earned = _summed((name(day_of(one.at)), one.amount) for one in income if first <= day_of(one.at) <= last)
    rows = []
    for key in sorted({*closed, *realised, *account, *(earned if curve else ())}):
        own = account.get(key)
        rows.append(
            Row(
                key=key,
                figures=trade_figures(closed[key]),
                realised=realised.get(key, _ZERO),
                income=earned.get(key, _ZERO) if curve else None,
                gain=own.gain if own else None,
                deposits=own.deposits if own else None,
                return_percent=own.return_percent if own else None,
                equity=own.equity if own else None,
            )
        )
    return rows


def by_group(
    by: Grouping,
    trades: Sequence[AnyTrade],
    *,
    values: Mapping[str, Decimal | None] | None,
    income: Iterable[CashMovement] = (),
    first: date = date.min,
    last: date = date.max,
) -> list[Row]:
    """A row a symbol, strategy or tag, the most profitable (realised and open) first.

    `values` is the market value of what is held by symbol, None where it is not known; None as a whole
    for a stretch that has ended. Income has no group but its symbol.
    """
    groups: dict[str, list[AnyTrade]] = defaultdict(list)
    for trade in trades:
        groups[str(getattr(trade, by))].append(trade)
    earned = _summed((one.symbol or "", one.amount) for one in income if first <= day_of(one.at) <= last)
    rows = []
    for key, group in groups.items():
        closed = closed_within(group, first, last)
        row = Row(
            key=key,
            figures=trade_figures(closed),
            realised=realised_within(group, first, last),
            income=earned.get(key, _ZERO) if by is Grouping.SYMBOL else None,
            open_pnl=None if values is None else open_pnl(group, values),
        )
        if closed or row.realised or row.income or _holds(group, values):
            rows.append(row)
    return sorted(rows, key=lambda row: (-(row.realised + (row.open_pnl or _ZERO)), row.key))


def open_pnl(trades: Iterable[AnyTrade], values: Mapping[str, Decimal | None]) -> Decimal | None:
    """What all that is held would gain at `values`; None when the value of one is not known."""
    gain = _ZERO
    for trade in trades:
        if isinstance(trade, OpenTrade):
            value = values.get(trade.symbol)
            if value is None:
                return None
            gain += trade.open_pnl(value)
    return gain


def _holds(trades: Iterable[AnyTrade], values: Mapping[str, Decimal | None] | None) -> bool:
    return values is not None and any(isinstance(trade, OpenTrade) for trade in trades)


def _summed(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for key, amount in amounts:
        sums[key] += amount
    return dict(sums)


@dataclass(frozen=True, slots=True)
class _AccountRow:
    gain: Decimal
    deposits: Decimal
    return_percent: float | None
    equity: Decimal


def _account_rows(curve: AccountCurve, name: Callable[[date], str]) -> dict[str, _AccountRow]:
    """The account's part of each period's row; a first close with nothing before it begins the next."""
    index = curve.index
    levels, value = dict(index[1:]), index[0][1] if index else 0.0
    rows: dict[str, _AccountRow] = {}
    for before, close in pairwise(curve.whole):
        key, moved = name(close.date), curve.deposits(before, close)
        gain = close.equity - before.equity - moved
        after = levels.get(close.date)
        factor = after / value if after is not None and after > 0 and value > 0 else None
        value = after if after is not None else value
        known = rows.get(key)
        if known is None:
            rows[key] = _AccountRow(gain, moved, None if factor is None else (factor - 1) * 100, close.equity)
            continue
        linked = None
        if factor is not None and known.return_percent is not None:
            linked = ((1 + known.return_percent / 100) * factor - 1) * 100
        rows[key] = _AccountRow(known.gain + gain, known.deposits + moved, linked, close.equity)
    return rows
