"""Runs, the signals they raised or withheld, the indicators these were judged on, and why it went so."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.lately import A_WHILE, kept_for
from alpaquero.prices.bars import Timeframe
from alpaquero.settings import FunctionSettings, load
from alpaquero.store import runs
from alpaquero.strategy.run import Run, RunState, SignalRecord
from alpaquero.strategy.told import Explanation
from alpaquero.web.app import after, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import signal as bodies
from alpaquero.web.bodies.signal import Indicators, Signal
from alpaquero.web.endpoint import Paged
from alpaquero.web.parameters import known_form

if TYPE_CHECKING:
    from alpaquero.strategy.settings import StrategySettings

RUNS_A_LOOK = 100  # runs read at a time in search of those that have signals
RUNS_LOOKED_AT = 1000
MOST_KEPT_RUNS, MOST_KEPT_SIGNALS = 32, 200  # in this process, of concluded runs
LONGEST_ID = 40  # of a run, with room; DynamoDB refuses a key of over 1,024 bytes


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a run: the shards its conclusion went without, and the signals it recorded."""

    missing_shards: list[int] = []
    signals: list[SignalRecord] = []


SETTINGS = load(FunctionSettings)
_concluded: dict[tuple[str, float], Outcome] = {}
app = service_app("signal", works=True, dependencies={"runs": lambda: runs.newest_runs(SETTINGS.account, 1)})


class SignalsAsked(Paged, frozen=True, kw_only=True):
    """Which signals are listed; `cursor` goes with a symbol alone."""

    symbol: Annotated[str, Meta(description="Those of one symbol alone.")] | None = None


@app.endpoint("GET", public="/api/signals", service="/signal/signals", query=SignalsAsked, refuses=(404,))
def signals(query: SignalsAsked) -> Page[Signal]:
    """The newest signals of all symbols, or of one `symbol`, newest first."""
    return _of_symbol(known_form(query.symbol), query) if query.symbol else _of_all(query.limit)


@app.endpoint("GET", public="/api/signals/{symbol}", service="/signal/signals/{symbol}", query=Paged)
def signals_of(symbol: str, query: Paged) -> Page[Signal]:
    """The newest signals of one symbol, newest first, from `cursor` on."""
    return _of_symbol(known_form(symbol), query)


class MomentAsked(Struct, frozen=True, kw_only=True):
    """Which bar is explained."""

    at: Annotated[datetime, Meta(description="A time; without a zone it is UTC. By default now.")] | None = (
        None
    )


@app.endpoint(
    "GET",
    public="/api/signals/{symbol}/explain",
    service="/signal/signals/{symbol}/explain",
    query=MomentAsked,
)
def explain(symbol: str, query: MomentAsked) -> Explanation:
    """Why a symbol did, or did not, trade: on the newest bar, or on the last that closed up to `at`."""
    from alpaquero.store import explained  # with strategies and risk rules: for this route alone

    return explained.explain(SETTINGS.account, known_form(symbol), _utc(query.at))


class RunsAsked(Paged, frozen=True, kw_only=True):
    """Which runs are listed."""

    timeframe: Annotated[Timeframe, Meta(description="Those that judged such bars alone.")] | None = None


@app.endpoint("GET", public="/api/runs", service="/signal/runs", query=RunsAsked)
def newest_runs(query: RunsAsked) -> Page[bodies.Run]:
    """The runs of the newest bars first, of one `timeframe` or of all, from `cursor` on."""
    found = runs.newest_runs(
        SETTINGS.account,
        query.limit,
        timeframes=[query.timeframe] if query.timeframe else None,
        after=after(query.cursor),
    )
    full = len(found) == query.limit
    return Page(items=[_run(run) for run in found], next=to_cursor(found[-1].id) if full else None)


@app.endpoint("GET", public="/api/runs/{id}", service="/signal/runs/{id}")
def one_run(id: str) -> bodies.RunDetail:  # noqa: A002 - the path's own name
    """A run with all its signals."""
    run = runs.get(SETTINGS.account, id) if len(id) <= LONGEST_ID else None
    if run is None:
        raise NotFound(f"There is no run {id[:60]}; GET /runs lists them.")
    outcome = _outcome_of(run)
    return bodies.RunDetail(
        **msgspec.structs.asdict(_run(run)),
        valid_until=run.valid_until,
        missing_shards=outcome.missing_shards,
        signals=[_body(record) for record in outcome.signals],
    )


class IndicatorsAsked(Struct, frozen=True, kw_only=True):
    """Whose indicators, and of how many bars."""

    limit: Annotated[int, Meta(ge=1, le=5000, description="How many of the newest bars.")] = 500
    strategy: Annotated[str, Meta(description="A strategy of the settings.")] | None = None


@app.endpoint(
    "GET", public="/api/indicators/{symbol}", service="/signal/indicators/{symbol}", query=IndicatorsAsked
)
def indicators(symbol: str, query: IndicatorsAsked) -> Indicators:
    """The indicators of one `strategy`, else of the first that judges the symbol, on `limit` stored bars.

    Empty while no bar is stored: the first run fetches the history.
    """
    return _indicators(symbol, query)


@kept_for(A_WHILE)
def _indicators(symbol: str, query: IndicatorsAsked) -> Indicators:
    from alpaquero.store.series import stored_series
    from alpaquero.strategy.judging import chart

    symbol, limit = known_form(symbol), query.limit
    name, chosen = _strategy_for(symbol, query.strategy)
    newest = runs.newest_runs(SETTINGS.account, 1, timeframes=[chosen.timeframe])
    count = limit + chosen.minimum_history_bars
    found = stored_series([symbol], newest[0].bar_start, count, timeframe=chosen.timeframe) if newest else {}
    times: list[datetime] = []
    series: dict[str, list[float | None]] = {}
    closes: list[float] = []
    if symbol in found:
        columns = found[symbol][-count:]
        series = {key: values[-limit:] for key, values in chart(symbol, columns, chosen).items()}
        times = [datetime.fromtimestamp(start, UTC) for start in columns.start[-limit:]]
        closes = [float(close) for close in columns.close[-limit:]]
    return Indicators(
        symbol=symbol,
        strategy=name,
        timeframe=chosen.timeframe,
        adjustment="split",
        times=times,
        series=series,
        closes=closes,
    )


def _strategy_for(symbol: str, asked: str | None) -> tuple[str, StrategySettings]:
    from alpaquero.store import trading_settings
    from alpaquero.strategy.planning import judges

    settings = trading_settings.lately().settings
    if asked is not None and asked not in settings.strategies:
        raise InvalidRequest(f"strategy must be one of {', '.join(settings.strategies)}", "strategy")
    named = {asked: settings.strategies[asked]} if asked else settings.strategies
    for name, one in named.items():
        if asked or judges(one, symbol, settings.watchlist):
            return name, one
    raise NotFound(f"No strategy judges {symbol}; add it to the watchlist and wait for the next run.")


def _utc(at: datetime | None) -> datetime | None:
    try:
        return at and (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InvalidRequest("at must be a time such as 2012-07-03T20:00:00Z", "at") from None


def _of_symbol(symbol: str, query: Paged) -> Page[Signal]:
    found = runs.newest_signals(symbol, query.limit, before=after(query.cursor))
    following = to_cursor(runs.place_of(found[-1])) if len(found) == query.limit else None
    return Page(items=[_body(record) for record in found], next=following)


def _of_all(limit: int) -> Page[Signal]:
    """The signals of the newest runs that have any, looked for in so many runs and no more."""
    last = None
    found: list[SignalRecord] = []
    for _ in range(0, RUNS_LOOKED_AT, RUNS_A_LOOK):
        page = runs.newest_runs(SETTINGS.account, RUNS_A_LOOK, after=last)
        for run in page:
            if run.raised or run.withheld:
                found += _outcome_of(run).signals
            if len(found) >= limit:
                return Page(items=[_body(record) for record in found[:limit]])
        if len(page) < RUNS_A_LOOK:
            break
        last = page[-1].id
    return Page(items=[_body(record) for record in found])


def _outcome_of(run: Run) -> Outcome:
    """What came of the run; of a concluded one nothing changes, so it is kept here."""
    place = (run.id, run.planned_at)
    if place in _concluded:
        return _concluded[place]
    found = _derived(run)
    if run.state is RunState.CONCLUDED and len(found.signals) <= MOST_KEPT_SIGNALS:
        if len(_concluded) >= MOST_KEPT_RUNS:
            _concluded.pop(next(iter(_concluded)), None)
        _concluded[place] = found
    return found


def _derived(run: Run) -> Outcome:
    """What the run's conclusion recorded, derived from its reports and decision."""
    from alpaquero.strategy.conclusion import records_of, wanted

    decision = runs.decision_of(run.id)
    if decision is None:
        return Outcome()
    missing = sorted(set(range(run.shards)) - set(decision.shards))
    reports = runs.reports(run.id)
    kept = [reports[number] for number in decision.shards]
    ranked, _ = wanted(run, kept, decision)
    return Outcome(missing_shards=missing, signals=records_of(run, ranked, kept, decision))


def _run(run: Run) -> bodies.Run:
    return bodies.Run(
        id=run.id,
        timeframe=run.timeframe,
        bar_start=run.bar_start,
        bar_close=run.bar_close,
        planned_at=run.planned_market_at,
        state=run.state,
        late=run.late,
        missed=run.missed,
        missed_since=run.missed_since,
        symbols=run.symbols,
        shards=run.shards,
        reported=run.reported,
        raised=run.raised,
        withheld=run.withheld,
        intents=run.intents,
        settings_version=run.settings_version,
        rules_version=run.rules_version,
    )


def _body(record: SignalRecord) -> Signal:
    return Signal(
        symbol=record.symbol,
        outcome=record.outcome,
        side=record.side,
        strategy=record.strategy,
        timeframe=record.timeframe,
        bar_close=record.bar_close,
        strength=record.strength,
        reference_price=None if record.reference_price is None else Decimal(record.reference_price),
        reason=record.message,
        values=record.values,
        run_id=record.run_id,
        code=record.code,
    )
