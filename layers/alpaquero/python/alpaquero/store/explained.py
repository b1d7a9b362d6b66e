"""Gathers from the tables what `alpaquero.strategy.explanation` explains; called by the signal routes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from alpaquero.lately import Shelf, kept_for
from alpaquero.orders.order import Fill, Order
from alpaquero.prices.columns import Columns
from alpaquero.risk.verdict import Verdict
from alpaquero.store import judged_bars, runs, trading_settings, verdicts
from alpaquero.store.books import Books
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy.evaluation import bars_needed, digest
from alpaquero.strategy.explanation import Asked, Evidence, explained, intent_on
from alpaquero.strategy.judging import conditions_of, values_at
from alpaquero.strategy.planning import judges, of_timeframe, timeframes
from alpaquero.strategy.run import Run, RunState
from alpaquero.strategy.signal import Withheld
from alpaquero.strategy.told import Explanation

KEPT_SECONDS = 10.0

_concluded = Shelf(KEPT_SECONDS)


def explain(account: str, symbol: str, at: datetime | None = None) -> Explanation:
    """Why `symbol` did, or did not, trade on the last bar that closed up to market time `at`."""
    current = trading_settings.lately().settings
    found: list[Evidence] = []
    for timeframe in timeframes(current.strategies):
        newest = runs.newest_runs(account, 1, timeframes=[timeframe], until=at)
        run = newest[0] if newest else None
        settings = _settings_of(run.settings_version) if run else current
        missed_since = _missed_since(account, run, at)
        for name, one in of_timeframe(settings.strategies, timeframe).items():
            if judges(one, symbol, settings.watchlist):
                about = Evidence(
                    symbol=symbol,
                    strategy=name,
                    timeframe=timeframe,
                    mode=one.mode,
                    run=run,
                    missed_since=missed_since,
                )
                found.append(_traded(account, _judged(about, settings)))
    return explained(symbol, at, found, len(current.watchlist))


def _missed_since(account: str, run: Run | None, at: datetime | None) -> datetime | None:
    """Since when bars were missed, when the bar asked for is one of them."""
    if at is None or run is None:
        return None
    following = runs.run_after(account, run)
    since = following.missed_since if following else None
    return since if since is not None and since <= at else None


@kept_for(KEPT_SECONDS)
def _settings_of(version: int) -> TradingSettings:
    """The settings that a run was planned under."""
    return trading_settings.of_version(version).settings


def _judged(about: Evidence, settings: TradingSettings) -> Evidence:
    """With the reports, the bars that were judged, and what the strategy saw in them.

    Of a concluded run that stays, but for bars that somebody corrects.
    """
    run = about.run
    if run is None or about.missed_since is not None:
        return about
    if run.state is not RunState.CONCLUDED:
        return _seen(about, run, settings)
    place = (run.id, run.planned_at, about.symbol, about.strategy)
    return _concluded.of(place, lambda: _seen(about, run, settings))


def _seen(about: Evidence, run: Run, settings: TradingSettings) -> Evidence:
    about = replace(about, reports=runs.reports(run.id), decision=runs.decision_of(run.id))
    judged = about.judged
    if judged is None:
        return about
    count = bars_needed(settings.strategies, run.timeframe)
    stored = judged_bars.read(run.timeframe, run.bar_start, count, {about.symbol: judged})
    columns = stored.get(about.symbol, Columns.empty())
    one = settings.strategies[about.strategy]
    about = replace(
        about,
        bar=next(columns[-1:].bars(), None),
        bars_changed=digest(columns) != judged.digest,
    )
    if isinstance(about.found(), Withheld) or not len(columns):
        return about
    values = values_at(about.symbol, columns, one)
    return replace(about, values=values, conditions=conditions_of(about.symbol, values, one))


def _traded(account: str, about: Evidence) -> Evidence:
    """With the verdicts on its intent, the order, its legs and fills."""
    intent = intent_on(about)
    if intent is None:
        return about
    books, identifier = Books(account), intent.client_order_id
    order = books.order(identifier)
    return replace(
        about,
        verdicts=[_asked(record) for record in verdicts.of_order(identifier)],
        order=order,
        legs=_legs(order, books) if order else (),
        fills=_fills(order, books) if order else (),
    )


def _legs(order: Order, books: Books) -> list[Order]:
    later = books.orders_after(order.created_at)
    return [one for one in later if one.parent == order.client_order_id]


def _fills(order: Order, books: Books) -> list[Fill]:
    later = books.fills_after(order.created_at)
    return [fill for fill in later if fill.client_order_id == order.client_order_id]


def _asked(record: verdicts.VerdictRecord) -> Asked:
    verdict = msgspec.json.decode(record.verdict, type=Verdict, strict=False)
    return Asked(at=record.judged_at, approved=verdict.approved, results=verdict.results)
