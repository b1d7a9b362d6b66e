"""The analytics service's routes: performance, round trips, the equity curve, and backtests as jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from chalice.app import Response

from alpaquero.backtests.request import BacktestRequest, bars_of, settings_for
from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.events import queues
from alpaquero.events.commands import RunBacktest
from alpaquero.events.schemas import EquityMarked
from alpaquero.observability import correlation_id
from alpaquero.portfolio.performance import EquityPoint, performance_of
from alpaquero.portfolio.trades import Trade
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import analytics, backtests, trading_settings
from alpaquero.store.backtests import Job
from alpaquero.web.app import json_response, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import analytics as bodies

MOST_BARS = 2_000_000  # what a function gets through in its 15 minutes, with a good margin
MOST_ANSWER_BYTES = 5_500_000  # Lambda answers at most 6 MB
MOST_KEY_CHARACTERS = 200


class AnalyticsSettings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs: the queue that `backtest` reads."""

    backtest_queue: Text


SETTINGS = load(AnalyticsSettings)

app = service_app("analytics", {"analytics": lambda: analytics.newest_marks(SETTINGS.account, 1)})


@app.endpoint("GET", public="/api/analytics/summary", service="/analytics/analytics/summary")
def summary() -> bodies.AnalyticsSummary:
    """Performance over every round trip and the whole equity curve."""
    marks = (EquityPoint(mark.occurred_at, mark.equity) for mark in analytics.marks(SETTINGS.account))
    performance = performance_of(analytics.trades(SETTINGS.account), marks)
    return msgspec.convert(performance, bodies.AnalyticsSummary, from_attributes=True)


@app.endpoint("GET", public="/api/analytics/trades", service="/analytics/analytics/trades")
def trades() -> Page[bodies.Trade]:
    """Round trips, newest first."""
    page, last = analytics.newest_trades(SETTINGS.account, app.limit(), after(analytics.TRADE))
    return Page(items=[_trade_body(trade) for trade in page], next=to_cursor(last) if last else None)


@app.endpoint("GET", public="/api/analytics/pnl-history", service="/analytics/analytics/pnl-history")
def pnl_history() -> Page[bodies.EquityMark]:
    """The equity curve, newest mark first."""
    page, last = analytics.newest_marks(
        SETTINGS.account, app.limit(default=500, most=5000), after(analytics.MARK)
    )
    return Page(items=[_mark_body(mark) for mark in page], next=to_cursor(last) if last else None)


@app.endpoint("POST", public="/api/backtests", service="/analytics/backtests", role="trader")
def begin_backtest() -> object:
    """Queues a backtest over stored bars; the same Idempotency-Key is the same backtest."""
    key = app.header("Idempotency-Key") or ""
    if not 1 <= len(key) <= MOST_KEY_CHARACTERS:
        raise InvalidRequest(
            f"Send an Idempotency-Key header of at most {MOST_KEY_CHARACTERS} characters, so that a repeat "
            "is not a second backtest.",
            "Idempotency-Key",
        )
    request = app.body(BacktestRequest)
    _check(request)
    job, new = backtests.begin(
        request, key=key, requested_by=app.require("trader").username, now=datetime.now(UTC)
    )
    if new or job.status is backtests.Status.QUEUED:
        queues.send(SETTINGS.backtest_queue, RunBacktest(id=job.id, correlation_id=correlation_id()))
    return json_response(bodies.BacktestAccepted(id=job.id, status=str(job.status)), 202)


@app.endpoint("GET", public="/api/backtests", service="/analytics/backtests")
def list_backtests() -> Page[bodies.Backtest]:
    """Backtests, newest first."""
    page, last = backtests.newest(app.limit(), app.after())
    return Page(items=[_backtest_body(job) for job in page], next=to_cursor(last) if last else None)


@app.endpoint("GET", public="/api/backtests/{id}", service="/analytics/backtests/{id}")
def one_backtest(id: str) -> bodies.Backtest:  # noqa: A002 - the route's parameter
    """How far one backtest has come, and its figures once it is done."""
    return _backtest_body(backtests.get(id))


@app.endpoint("GET", public="/api/backtests/{id}/result", service="/analytics/backtests/{id}/result")
def backtest_result(id: str) -> Response:  # noqa: A002 - the route's parameter
    """Everything a backtest came to, curve and trades included."""
    return _file(id, backtests.RESULT, "application/json")


@app.endpoint("GET", public="/api/backtests/{id}/report", service="/analytics/backtests/{id}/report")
def backtest_report(id: str) -> Response:  # noqa: A002 - the route's parameter
    """The report of a backtest: one page that needs no other host."""
    return _file(id, backtests.REPORT, "text/html; charset=utf-8")


def _file(identifier: str, name: str, content_type: str) -> Response:
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
    return Response(body=content.decode(), status_code=200, headers={"Content-Type": content_type})


def _check(request: BacktestRequest) -> None:
    """Raises `InvalidRequest` for what no worker could run."""
    base = trading_settings.TradingSettings()
    if request.settings == "current":
        base = trading_settings.current().settings
    try:
        settings = settings_for(request, base.strategies, base.risk, base.orders)
    except ValueError as error:
        raise InvalidRequest(str(error), "changes" if request.changes else "strategies") from None
    bars = bars_of(request, settings.timeframe)
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


def after(prefix: str) -> str | None:
    """The sort key in the cursor. Raises `InvalidRequest` for one of another list."""
    key = app.after()
    if key is not None and not key.startswith(prefix):
        raise InvalidRequest("cursor is not one we gave; use `next` of the page before", "cursor")
    return key


def _trade_body(trade: Trade) -> bodies.Trade:
    """One round trip as the API answers it."""
    return msgspec.convert(trade, bodies.Trade, from_attributes=True)


def _mark_body(mark: EquityMarked) -> bodies.EquityMark:
    """One equity mark as the API answers it."""
    return bodies.EquityMark(
        at=mark.occurred_at,
        equity=mark.equity,
        cash=mark.cash,
        drawdown_percent=mark.drawdown_percent,
    )
