"""The analytics service's routes: profit and loss, performance, round trips, and backtests as jobs.

Figures are of our own books: trades folded from fills, the equity that the risk monitor marks, cash
that came and went. Statistics come from the rules in `alpaquero.portfolio`, as a backtest's do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from chalice.app import Response
from msgspec import Meta

from alpaquero.backtests.request import BacktestRequest, bars_of, settings_for
from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.events import queues
from alpaquero.events.commands import RunBacktest, RunExport
from alpaquero.lately import A_WHILE, kept_for
from alpaquero.observability import correlation_id
from alpaquero.orders.kinds import Side
from alpaquero.portfolio.comparison import compare, from_day
from alpaquero.portfolio.curve import CurveFigures, monthly_returns, thinned, turnover, yearly_returns
from alpaquero.portfolio.curve import day_of as day_of_bar
from alpaquero.portfolio.movements import CashMovement, begins
from alpaquero.portfolio.performance import distribution, slippage_of, trade_figures
from alpaquero.portfolio.pnl import (
    AccountCurve,
    AnyTrade,
    Close,
    Grouping,
    Row,
    account_curve,
    by_group,
    by_period,
    closed_within,
    curve_figures,
    day_of,
    open_pnl,
    realised_within,
)
from alpaquero.portfolio.trades import OpenTrade, Trade
from alpaquero.risk.book import RiskBook
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import analytics, backtests, trading_settings
from alpaquero.store.analytics import close_of
from alpaquero.store.backtests import Job
from alpaquero.store.books import Books
from alpaquero.web.app import Answer, after, from_cursor, json_response, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import analytics as bodies
from alpaquero.web.endpoint import Idempotent, Paged

if TYPE_CHECKING:
    from alpaquero.events.schemas import EquityMarked
    from alpaquero.portfolio import slippage as rules
    from alpaquero.portfolio.tax_lots import TaxLots

MOST_BARS = 2_000_000  # what a function gets through in its 15 minutes, with a good margin
MOST_ANSWER_BYTES = 5_500_000  # Lambda answers at most 6 MB
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)
DAYS_OF_MARKS = 5  # a mark a minute, day and night, is 1,440 a day
POINTS = 500  # of an equity curve
LOOK_BACK = timedelta(days=10)  # to the bar before the first day, over any holidays
ZERO = Decimal(0)


class AnalyticsSettings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs: the queue that `backtest` reads."""

    backtest_queue: Text


SETTINGS = load(AnalyticsSettings)
BOOKS = Books(SETTINGS.account)

app = service_app("analytics", {"analytics": lambda: analytics.newest_marks(SETTINGS.account, 1)}, works=True)


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """The query of figures over time: days in New York, both included."""

    first: Annotated[date, Meta(description="The first day, in New York.")] | None = msgspec.field(
        name="from", default=None
    )
    last: Annotated[date, Meta(description="The last day, in New York.")] | None = msgspec.field(
        name="to", default=None
    )

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day. Raises `InvalidRequest` when they are the wrong way round."""
        first, last = self.first or FIRST_DAY, self.last or LAST_DAY
        if first > last:
            raise InvalidRequest(f"from {first} is after to {last}; exchange them", "from")
        return first, last

    @property
    def moments(self) -> tuple[datetime | None, datetime | None]:
        """When the first day begins and the day after the last one, None where it is open."""
        first, last = self.days
        begun = begins(first) if self.first else None
        return begun, begins(last + timedelta(days=1)) if self.last else None


class TradesOf(Stretch, frozen=True, kw_only=True):
    """The query of figures of a part of the trades."""

    symbol: str | None = None
    strategy: str | None = None
    tag: Annotated[str, Meta(description="The reason of the entry.")] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it asks for the whole account."""
        return (self.symbol, self.strategy, self.tag) == (None, None, None)

    def holds(self, trade: AnyTrade) -> bool:
        """Whether a trade is in that part."""
        return (
            (self.symbol is None or trade.symbol == self.symbol.upper())
            and (self.strategy is None or trade.strategy == self.strategy)
            and (self.tag is None or trade.tag == self.tag)
        )


class SummaryAsked(TradesOf, frozen=True, kw_only=True):
    """The query of the summary."""

    benchmark: Annotated[str, Meta(description="A symbol with stored daily bars.")] | None = None
    risk_free_percent: (
        Annotated[float, Meta(ge=0, le=100, description="A yearly rate; by default that of the settings.")]
        | None
    ) = None

    @property
    def rate(self) -> float:
        """The yearly rate that ratios take off returns."""
        asked = self.risk_free_percent
        return _risk_free_percent() if asked is None else asked


class PnlAsked(TradesOf, frozen=True, kw_only=True):
    """The query of profit and loss."""

    by: Grouping = Grouping.DAY


class TradesAsked(TradesOf, frozen=True, kw_only=True):
    """The query of the list of trades; `from` and `to` are of their close."""

    side: Annotated[Side, Meta(description="How it was opened.")] | None = None
    result: Literal["win", "loss", "flat"] | None = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Most items of the page.")] = 50
    cursor: Annotated[str, Meta(description="`next` of the page before.")] | None = None

    def holds(self, trade: AnyTrade) -> bool:
        """Whether a round trip is wanted."""
        if not super().holds(trade) or not isinstance(trade, Trade):
            return False
        result = "win" if trade.pnl > 0 else "loss" if trade.pnl < 0 else "flat"
        return self.side in {None, trade.side} and self.result in {None, result}


class HistoryAsked(Stretch, frozen=True, kw_only=True):
    """The query of the equity curve; without `from`, `to` and `points` it is read page by page."""

    points: Annotated[int, Meta(ge=3, le=5000, description="Most points of the curve.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=5000, description="Most items of the page.")] = 500
    cursor: Annotated[str, Meta(description="`next` of the page before.")] | None = None


class DistributionAsked(TradesOf, frozen=True, kw_only=True):
    """The query of the distribution."""

    bins: Annotated[int, Meta(ge=5, le=100, description="About how many steps.")] = 20


@app.endpoint(
    "GET", public="/api/analytics/summary", service="/analytics/analytics/summary", query=SummaryAsked
)
def summary(query: SummaryAsked) -> bodies.AnalyticsSummary:
    """How the trading went: trades, profit and loss, the equity curve in figures, beside a benchmark."""
    return _summary(query)


@kept_for(A_WHILE)
def _summary(query: SummaryAsked) -> bodies.AnalyticsSummary:
    kept = _kept(query)
    found = kept.trades
    of_trades = _summary_of_trades(kept, query)
    if not query.is_whole:
        return of_trades
    account = kept.account(query)
    curve = curve_figures(account, risk_free_percent=query.rate)
    times = [close.at for close in account.whole]
    return msgspec.structs.replace(
        of_trades,
        income=sum((one.amount for one in kept.income(query)), ZERO),
        deposits=account.deposits_within,
        total_pnl=account.gain,
        total_return_percent=curve.total_return_percent if curve else None,
        max_drawdown_percent=curve.max_drawdown_percent if curve else None,
        curve=_curve_body(curve, account, found, query) if curve else None,
        benchmark=_benchmark(account.index, query),
        since=min([*times, *([of_trades.since] if of_trades.since else [])], default=None),
        as_of=max([*times, *([of_trades.as_of] if of_trades.as_of else [])], default=None),
    )


@app.endpoint("GET", public="/api/analytics/pnl", service="/analytics/analytics/pnl", query=PnlAsked)
def profit_and_loss(query: PnlAsked) -> Page[bodies.PnlRow]:
    """Profit and loss by day, week or month, oldest first; or by symbol, strategy or tag, the best first."""
    first, last = query.days
    kept = _kept(query)
    income = kept.income(query)
    if query.by in {Grouping.DAY, Grouping.WEEK, Grouping.MONTH}:
        account = kept.account(query) if query.is_whole else None
        rows = by_period(query.by, kept.trades, curve=account, income=income, first=first, last=last)
    else:
        values = kept.market_values if _is_now(query) else None
        rows = by_group(query.by, kept.trades, values=values, income=income, first=first, last=last)
    return Page(items=[_row_body(row) for row in rows])


@app.endpoint("GET", public="/api/analytics/trades", service="/analytics/analytics/trades", query=TradesAsked)
def trades(query: TradesAsked) -> Page[bodies.Trade]:
    """Round trips, newest first."""
    since, until = query.moments
    page, last = analytics.newest_trades(
        SETTINGS.account,
        query.limit,
        _after(query.cursor, analytics.TRADE),
        since=since,
        until=until,
        wanted=query.holds,
    )
    return Page(items=[_trade_body(trade) for trade in page], next=to_cursor(last) if last else None)


@app.endpoint(
    "GET", public="/api/analytics/pnl-history", service="/analytics/analytics/pnl-history", query=HistoryAsked
)
def pnl_history(query: HistoryAsked) -> Page[bodies.EquityMark]:
    """The equity curve: page by page, newest mark first, or from day to day in so many points, oldest first.

    A stretch of at most `DAYS_OF_MARKS` days is drawn from every mark, a longer one from the last of
    each day. The points kept are those that draw the line best.
    """
    opened, flows = _opened(), _cash_movements()
    if (query.first, query.last, query.points) == (None, None, None):
        page, last = _newest_marks(query.limit, _after(query.cursor, analytics.MARK))
        items = [_mark_body(close_of(mark), opened, flows) for mark in page]
        return Page(items=items, next=to_cursor(last) if last else None)
    marked = _marked(query)
    places = thinned([(one.at.timestamp(), float(one.equity)) for one in marked], query.points or POINTS)
    return Page(items=[_mark_body(marked[place], opened, flows) for place in places])


@app.endpoint(
    "GET",
    public="/api/analytics/distribution",
    service="/analytics/analytics/distribution",
    query=DistributionAsked,
)
def results(query: DistributionAsked) -> bodies.Distribution:
    """How many trades gained how many percent."""
    since, until = query.moments
    every = _closed_trades(since)
    closed = [one for one in every if query.holds(one) and (until is None or one.closed_at < until)]
    gains = [float(trade.pnl_percent) for trade in closed if trade.pnl_percent is not None]
    return bodies.Distribution(
        trades=len(gains),
        mean_percent=fmean(gains) if gains else None,
        median_percent=median(gains) if gains else None,
        deviation_percent=stdev(gains) if len(gains) > 1 else None,
        bins=[
            bodies.DistributionBin(low_percent=one.low, high_percent=one.high, trades=one.trades, pnl=one.pnl)
            for one in distribution(closed, query.bins)
        ],
    )


@app.endpoint("GET", public="/api/analytics/months", service="/analytics/analytics/months", query=Stretch)
def months(query: Stretch) -> bodies.MonthlyReturns:
    """The account's return by month and by year."""
    index = _account(query).index
    return bodies.MonthlyReturns(months=monthly_returns(index), years=yearly_returns(index))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What tables hold for one answer: the trades asked for, and the whole account's cash and closes."""

    trades: list[AnyTrade]
    closes: list[Close]
    movements: list[CashMovement]
    opened: Close | None
    book: RiskBook | None

    def account(self, query: Stretch) -> AccountCurve:
        """The account over the days asked for."""
        return account_curve(self.closes, self.movements, self.opened, *query.days)

    def income(self, query: TradesOf) -> list[CashMovement]:
        """Dividends, fees and interest of the days asked for, and of the symbol."""
        first, last = query.days
        symbol = query.symbol.upper() if query.symbol else None
        within = (one for one in self.movements if first <= day_of(one.at) <= last)
        return [one for one in within if not one.is_funding and symbol in {None, one.symbol}]

    @property
    def market_values(self) -> dict[str, Decimal | None]:
        """What each position is worth, as the monitor marked it last; None where it has no price."""
        marked = self.book.positions if self.book else {}
        values: dict[str, Decimal | None] = {}
        for trade in self.trades:
            if isinstance(trade, OpenTrade):
                held = marked.get(trade.symbol)
                values[trade.symbol] = (
                    held.market_value * trade.quantity / held.quantity if held and held.quantity else None
                )
        return values


def _kept(query: TradesOf) -> Kept:
    """What an answer needs, some seconds old at most."""
    since, _ = query.moments
    tables = _tables(since, query.days[1])
    return msgspec.structs.replace(tables, trades=[trade for trade in tables.trades if query.holds(trade)])


@kept_for(A_WHILE)
def _tables(since: datetime | None, last: date) -> Kept:
    """Reads what most answers need, much of it at the same time."""
    held, book = analytics.open_trades(SETTINGS.account), _risk_book()  # each makes its table's client
    with ThreadPoolExecutor(max_workers=4) as pool:
        closed = pool.submit(_closed_trades, since)
        closes = pool.submit(_closes, last)
        movements, opened = pool.submit(_cash_movements), pool.submit(_opened)
    return Kept(
        trades=[*closed.result(), *held],
        closes=closes.result(),
        movements=movements.result(),
        opened=opened.result(),
        book=book,
    )


@kept_for(A_WHILE)
def _closed_trades(since: datetime | None) -> list[Trade]:
    """The round trips that closed at `since` or later."""
    return analytics.trades_since(SETTINGS.account, since)


@kept_for(A_WHILE)
def _risk_book() -> RiskBook | None:
    """The risk book as the monitor marked it last."""
    return BOOKS.risk_book()


@kept_for(A_WHILE)
def _closes(last: date) -> list[Close]:
    """The account at the last mark of each day up to `last`."""
    return analytics.closes(SETTINGS.account, last)


@kept_for(A_WHILE)
def _cash_movements() -> list[CashMovement]:
    """All cash that came or went without a fill."""
    return BOOKS.cash_movements()


def _account(query: Stretch) -> AccountCurve:
    """The account over the days asked for."""
    first, last = query.days
    return account_curve(_closes(last), _cash_movements(), _opened(), first, last)


@kept_for(A_WHILE)
def _newest_marks(limit: int, after_key: str | None) -> tuple[list[EquityMarked], str | None]:
    """A page of the equity curve, newest first, and the sort key it ends at when there may be more."""
    return analytics.newest_marks(SETTINGS.account, limit, after_key)


def _is_now(query: Stretch) -> bool:
    """Whether the stretch goes on until the newest mark, so that what is held now belongs to it."""
    if query.last is None:
        return True
    newest, _ = _newest_marks(1, None)
    return all(day_of(mark.occurred_at) <= query.last for mark in newest)


@kept_for(A_WHILE)
def _opened() -> Close | None:
    """The account when it was first seen; None where its equity was not kept."""
    baseline = BOOKS.baseline()
    if baseline is None or baseline.equity is None:
        return None
    return Close(date=day_of(baseline.at), at=baseline.at, equity=baseline.equity, cash=baseline.cash)


def _summary_of_trades(kept: Kept, query: TradesOf) -> bodies.AnalyticsSummary:
    (first, last), found = query.days, kept.trades
    closed = closed_within(found, first, last)
    figures, slippage = trade_figures(closed), slippage_of(closed)
    holding = figures.average_holding
    return bodies.AnalyticsSummary(
        trades=figures.trades,
        wins=figures.wins,
        losses=figures.losses,
        open_trades=len(found) - sum(isinstance(trade, Trade) for trade in found),
        win_rate_percent=figures.win_rate_percent,
        profit_factor=figures.profit_factor,
        payoff_ratio=figures.payoff_ratio,
        expectancy=figures.expectancy,
        realised_pnl=realised_within(found, first, last),
        open_pnl=open_pnl(found, kept.market_values) if _is_now(query) else None,
        average_win=figures.average_win,
        average_loss=figures.average_loss,
        largest_win=figures.largest_win,
        largest_loss=figures.largest_loss,
        average_holding_days=holding / timedelta(days=1) if holding is not None else None,
        longest_win_streak_trades=figures.longest_win_streak_trades,
        longest_loss_streak_trades=figures.longest_loss_streak_trades,
        slippage_dollars=slippage.dollars if slippage.bps is not None else None,
        slippage_bps=slippage.bps,
        since=min((trade.opened_at for trade in closed), default=None),
        as_of=max((trade.closed_at for trade in closed), default=None),
    )


def _risk_free_percent() -> float:
    """The yearly rate of the settings in force."""
    return float(trading_settings.lately().settings.risk_free_percent)


def _curve_body(
    curve: CurveFigures, account: AccountCurve, found: Sequence[AnyTrade], query: SummaryAsked
) -> bodies.AccountCurve:
    """The figures with the turnover, which counts a trade's dollars where it was opened in the stretch."""
    first, last = query.days
    traded = sum((trade.traded for trade in found if first <= day_of(trade.opened_at) <= last), ZERO)
    equity = [(close.date, float(close.equity)) for close in account.closes]
    return bodies.AccountCurve(
        **asdict(curve), turnover_yearly=turnover(float(traded), equity), risk_free_percent=query.rate
    )


def _benchmark(index: Sequence[tuple[date, float]], query: SummaryAsked) -> bodies.Benchmark | None:
    """The account beside the symbol asked for, else SPY or the first of the watchlist with stored bars.

    Raises `NotFound` when the symbol asked for has none.
    """
    from alpaquero.store import bars  # only the summary compares

    if not index or min(value for _, value in index) <= 0:
        return None
    asked = [query.benchmark.upper()] if query.benchmark else []
    candidates = asked or ["SPY", *trading_settings.current().settings.watchlist[:1]]
    start = begins(index[0][0] - LOOK_BACK)
    stored = bars.read(candidates, start, begins(index[-1][0] + timedelta(days=1)))
    symbol = next((name for name in candidates if name in stored), None)
    if symbol is None:
        if not asked:
            return None
        raise NotFound(
            f"there are no stored daily bars of {asked[0]} from {index[0][0]} to {index[-1][0]}; fetch them "
            "with POST /api/historical/ingest",
            {"field": "benchmark"},
        )
    columns = stored[symbol]
    held = [(day_of_bar(start), close) for start, close in zip(columns.start, columns.close, strict=True)]
    found = compare(index, from_day(held, index[0][0]), risk_free_percent=query.rate)
    return bodies.Benchmark(symbol=symbol, **asdict(found))


def _marked(query: HistoryAsked) -> list[Close]:
    """The marks of a short stretch, the closes of a longer one, oldest first."""
    first, last = query.days
    closes = [close for close in _closes(last) if close.date >= first]
    if not closes or (closes[-1].date - closes[0].date).days >= DAYS_OF_MARKS:
        return closes
    after = begins(closes[-1].date + timedelta(days=1))
    return [close_of(mark) for mark in _marks_between(begins(closes[0].date), after)]


@kept_for(A_WHILE)
def _marks_between(first: datetime, last: datetime) -> list[EquityMarked]:
    """The equity curve from `first` until before `last`."""
    return analytics.marks_between(SETTINGS.account, first, last)


def _row_body(row: Row) -> bodies.PnlRow:
    return bodies.PnlRow(
        key=row.key,
        trades=row.figures.trades,
        wins=row.figures.wins,
        losses=row.figures.losses,
        win_rate_percent=row.figures.win_rate_percent,
        profit_factor=row.figures.profit_factor,
        expectancy=row.figures.expectancy,
        realised_pnl=row.realised,
        open_pnl=row.open_pnl,
        income=row.income,
        pnl=row.gain,
        deposits=row.deposits,
        return_percent=row.return_percent,
        equity=row.equity,
    )


def _trade_body(trade: Trade) -> bodies.Trade:
    """One round trip as the API answers it."""
    return bodies.Trade(
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        opened_at=trade.opened_at,
        closed_at=trade.closed_at,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        pnl=trade.pnl,
        pnl_percent=trade.pnl_percent,
        strategy=trade.strategy,
        tag=trade.tag,
        reason=trade.reason,
        arrival_price=trade.arrival_price,
        exit_arrival_price=trade.exit_arrival_price,
        slippage_bps=slippage_of([trade]).bps,
        holding_days=(day_of(trade.closed_at) - day_of(trade.opened_at)).days,
    )


def _mark_body(mark: Close, opened: Close | None, flows: Iterable[CashMovement]) -> bodies.EquityMark:
    """One point of the equity curve as the API answers it."""
    moved = sum((flow.amount for flow in flows if flow.is_funding and flow.at <= mark.at), ZERO)
    return bodies.EquityMark(
        at=mark.at,
        equity=mark.equity,
        cash=mark.cash,
        drawdown_percent=mark.drawdown_percent,
        pnl=mark.equity - opened.equity - moved if opened else None,
    )


def _after(cursor: str | None, prefix: str) -> str | None:
    """The sort key in the cursor. Raises `InvalidRequest` for one of another list."""
    key = from_cursor(cursor) if cursor else None
    if key is not None and not key.startswith(prefix):
        raise InvalidRequest("cursor is not one we gave; use `next` of the page before", "cursor")
    return key


@app.endpoint(
    "POST",
    public="/api/backtests",
    service="/analytics/backtests",
    role="trader",
    headers=Idempotent,
    body=BacktestRequest,
    status=202,
    refuses=(409,),
)
def begin_backtest(headers: Idempotent, body: BacktestRequest) -> bodies.BacktestAccepted:
    """Queues a backtest over stored bars; the same Idempotency-Key is the same backtest."""
    _check(body)
    job, new = backtests.begin(
        body, key=headers.key, requested_by=app.require("trader").username, now=datetime.now(UTC)
    )
    if new or job.status is backtests.Status.QUEUED:
        queues.send(SETTINGS.backtest_queue, RunBacktest(id=job.id, correlation_id=correlation_id()))
    return bodies.BacktestAccepted(id=job.id, status=job.status)


@app.endpoint("GET", public="/api/backtests", service="/analytics/backtests", query=Paged)
def list_backtests(query: Paged) -> Page[bodies.Backtest]:
    """Backtests, newest first."""
    page, last = backtests.newest(query.limit, after(query.cursor))
    return Page(items=[_backtest_body(job) for job in page], next=to_cursor(last) if last else None)


@app.endpoint("GET", public="/api/backtests/{id}", service="/analytics/backtests/{id}")
def one_backtest(id: str) -> bodies.Backtest:  # noqa: A002 - the route's parameter
    """How far one backtest has come, and its figures once it is done."""
    return _backtest_body(backtests.get(id))


@app.endpoint("GET", public="/api/backtests/{id}/result", service="/analytics/backtests/{id}/result")
def backtest_result(id: str) -> Answer[dict[str, Any]]:  # noqa: A002 - the route's parameter
    """Everything a backtest came to, curve and trades included."""
    return _file(id, backtests.RESULT, "application/json")


@app.endpoint(
    "GET",
    public="/api/backtests/{id}/report",
    service="/analytics/backtests/{id}/report",
    content="text/html",
)
def backtest_report(id: str) -> Response:  # noqa: A002 - the route's parameter
    """The report of a backtest: one page that needs no other host."""
    return _file(id, backtests.REPORT, "text/html; charset=utf-8")


def _file(identifier: str, name: str, content_type: str) -> Answer[Any]:
    job = backtests.get(identifier)
    if job.status is not backtests.Status.DONE:
        why = f": {job.message}" if job.message else "; it is there once the status is done"
        raise NotFound(f"Backtest {job.id} is {job.status} and has no {name}{why}")
    content = backtests.file(job.id, name)
    if len(content) > MOST_ANSWER_BYTES:
        raise NotFound(
            f"{name} of backtest {job.id} is too large to answer ({len(content):,} bytes); read "
            f"{backtests.object_key(job.id, name)} from the bucket Archive"
        )
    return Answer(body=content.decode(), status_code=200, headers={"Content-Type": content_type})


def _check(request: BacktestRequest) -> None:
    """Raises `InvalidRequest` for what no worker could run."""
    base = trading_settings.TradingSettings()
    if request.settings == "current":
        base = trading_settings.current().settings
    try:
        settings = settings_for(
            request, base.strategies, base.risk, base.orders, risk_free_percent=base.risk_free_percent
        )
    except ValueError as error:
        named = "changes" if request.changes else "timeframe" if request.timeframe else "strategies"
        raise InvalidRequest(str(error), named) from None
    bars = bars_of(request, settings.timeframes)
    if bars > MOST_BARS:
        raise InvalidRequest(
            f"That is about {bars:,} bars and a job may read {MOST_BARS:,}; ask for fewer symbols or a "
            "shorter period, or run `alpaquero backtest` on your own machine.",
            "symbols",
        )


def _backtest_body(job: Job) -> bodies.Backtest:
    """One job as the API answers it."""
    request = msgspec.to_builtins(job.request)
    return bodies.Backtest(
        id=job.id,
        status=str(job.status),
        message=job.message,
        requested_by=job.requested_by,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        progress_percent=job.progress_percent,
        progress_note=job.progress_note,
        request=request,
        figures=job.figures,
    )


# what leaves the house: tax lots, slippage, exports, the account's report


class TaxLotsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which disposals are told, and how."""

    year: Annotated[int, Meta(ge=1990, le=2200, description="A tax year; all of them by default.")] | None = (
        None
    )
    format: Annotated[Literal["json", "csv"], Meta(description="`csv` has the columns of Form 8949.")] = (
        "json"
    )


@app.endpoint(
    "GET",
    public="/api/analytics/tax-lots",
    service="/analytics/analytics/tax-lots",
    query=TaxLotsAsked,
    content=("application/json", "text/csv"),
)
def tax_lots(query: TaxLotsAsked) -> Answer[bodies.TaxLots]:
    """What each sale gained for the tax office, first in first out, wash sales marked; and what is held."""
    from alpaquero.portfolio.export_tables import Kind, csv_of, tax_lots_table
    from alpaquero.store import exports

    asked = exports.ExportRequest(kind=Kind.TAX_LOTS, year=query.year)
    found = _every_tax_lot()
    if query.format == "csv":
        return _attached(csv_of(tax_lots_table(found.disposals, asked.days)), asked.filename)
    disposals = [one for one in found.disposals if asked.days.holds(one.closed_on)]
    body = bodies.TaxLots(
        year=query.year,
        disposals=[msgspec.convert(one, bodies.Disposal, from_attributes=True) for one in disposals],
        held=[msgspec.convert(lot, bodies.TaxLot, from_attributes=True) for lot in found.open],
        totals={
            term: bodies.TaxTotals(
                proceeds=sum((one.proceeds for one in some), Decimal(0)),
                cost=sum((one.cost for one in some), Decimal(0)),
                disallowed=sum((one.disallowed for one in some), Decimal(0)),
                taxable_gain=sum((one.taxable_gain for one in some), Decimal(0)),
            )
            for term in ("short", "long")
            for some in [[one for one in disposals if one.term == term]]
        },
    )
    return json_response(body)


@kept_for(A_WHILE)
def _every_tax_lot() -> TaxLots:
    """Every tax lot of the account."""
    from alpaquero.store import exports

    return exports.tax_lots_of(BOOKS)


class SlippageAsked(Stretch, frozen=True, kw_only=True):
    """Which fills are measured, and by what a backtest is taken to lose."""

    half_spread_bps: Annotated[Decimal, Meta(description="Backtests' half_spread_bps.")] = Decimal(1)
    slippage_bps: Annotated[Decimal, Meta(description="Backtests' slippage_bps.")] = Decimal(0)


@app.endpoint(
    "GET",
    public="/api/analytics/slippage",
    service="/analytics/analytics/slippage",
    query=SlippageAsked,
)
def slippage(query: SlippageAsked) -> bodies.Slippage:
    """What fills cost beyond the market on arrival, and beyond what a backtest assumes; above 0 is lost."""
    from alpaquero.backtests.request import FillSettings
    from alpaquero.portfolio import slippage as rules

    try:
        fills = FillSettings(half_spread_bps=query.half_spread_bps, slippage_bps=query.slippage_bps)
    except ValueError as error:
        raise InvalidRequest(str(error), str(error).split(" ", 1)[0]) from None
    taken = fills.half_spread_bps + fills.slippage_bps
    orders = _slippages(query.days, taken)

    def grouped(key: Callable[[rules.OrderSlippage], str]) -> dict[str, bodies.SlippageFigures]:
        return {
            name: msgspec.convert(figures, bodies.SlippageFigures, from_attributes=True)
            for name, figures in rules.figures_by(orders, key).items()
        }

    return bodies.Slippage(
        assumed_taken_bps=taken,
        all=grouped(lambda _: "all").get("all"),
        by_symbol=grouped(lambda one: one.symbol),
        by_side=grouped(lambda one: one.side.value),
        by_benchmark=grouped(lambda one: one.benchmark.value),
        by_strategy=grouped(lambda one: one.strategy),
        orders=[msgspec.convert(one, bodies.OrderSlippage, from_attributes=True) for one in orders],
    )


@kept_for(A_WHILE)
def _slippages(days: tuple[date, date], taken_bps: Decimal) -> list[rules.OrderSlippage]:
    """The slippage of the orders that filled on these days."""
    from alpaquero.portfolio.export_tables import Days
    from alpaquero.store import exports

    return exports.slippages_of(BOOKS, Days(*days), taken_bps)


@app.endpoint(
    "GET",
    public="/api/analytics/report",
    service="/analytics/analytics/report",
    query=Stretch,
    content="text/html",
)
def account_report(query: Stretch) -> Answer[Any]:
    """The account's report: one page that needs no other host."""
    page = _report(query)
    return Answer(body=page, status_code=200, headers={"Content-Type": "text/html; charset=utf-8"})


@kept_for(A_WHILE)
def _report(query: Stretch) -> str:
    from alpaquero.backtests.request import FillSettings
    from alpaquero.portfolio import report
    from alpaquero.portfolio import slippage as rules
    from alpaquero.portfolio.export_tables import Days

    told = _summary(SummaryAsked(first=query.first, last=query.last))
    account, (since, _), days = _account(query), query.moments, Days(*query.days)
    fills = FillSettings()
    orders = _slippages(query.days, fills.half_spread_bps + fills.slippage_bps)
    book = _risk_book()
    return report.render(
        report.AccountReport(
            account=SETTINGS.account,
            environment=SETTINGS.environment,
            at=book.as_of if book else datetime.now(UTC),
            first=query.first,
            last=query.last,
            index=account.index,
            equity=[(close.date, float(close.equity)) for close in account.whole],
            curve=curve_figures(account, risk_free_percent=_risk_free_percent()),
            risk_free_percent=_risk_free_percent(),
            trades=[t for t in _closed_trades(since) if days.holds(t.closed_at)],
            realised=told.realised_pnl,
            open_pnl=told.open_pnl,
            income=told.income or ZERO,
            deposits=told.deposits or ZERO,
            slippage={
                **rules.figures_by(orders, lambda _: "all"),
                **rules.figures_by(orders, lambda one: one.symbol),
            },
        )
    )


@app.endpoint(
    "POST",
    public="/api/analytics/exports",
    service="/analytics/analytics/exports",
    role="viewer",
    body=bodies.BeginExport,
    status=202,
)
def begin_export(body: bodies.BeginExport) -> Answer[bodies.ExportAccepted]:
    """Queues a file of what a viewer may read anyhow; it is gone in a week."""
    from alpaquero.store import exports

    try:
        request = msgspec.convert(msgspec.to_builtins(body), exports.ExportRequest)
    except ValueError as error:  # msgspec's own is one
        raise InvalidRequest(str(error).split(" - ")[0], "year" if body.year else "to") from None
    job = exports.begin(request, app.require("viewer").username, datetime.now(UTC))
    queues.send(SETTINGS.backtest_queue, RunExport(id=job.id, correlation_id=correlation_id()))
    return json_response(bodies.ExportAccepted(id=job.id, status=str(job.status)), 202)


@app.endpoint("GET", public="/api/analytics/exports/{id}", service="/analytics/analytics/exports/{id}")
def one_export(id: str) -> bodies.Export:  # noqa: A002 - the route's parameter
    """How an export stands, and once it is done a link to its file, good for five minutes."""
    from alpaquero.store import exports

    job = exports.get(id)
    return bodies.Export(
        id=job.id,
        kind=job.request.kind.value,
        format=job.request.format.value,
        status=str(job.status),
        message=job.message,
        requested_by=job.requested_by,
        created_at=job.created_at,
        ended_at=job.ended_at,
        rows=job.rows,
        size_bytes=job.size_bytes,
        filename=job.request.filename,
        url=exports.url_of(job) if job.status is backtests.Status.DONE else None,
    )


def _attached(text: str, filename: str) -> Answer[Any]:
    """A CSV file as an answer of its own."""
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    return Answer(body=text, status_code=200, headers=headers)
