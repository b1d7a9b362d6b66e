"""Signals raised and withheld, and the indicators they were judged on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpaquero.errors import NotFound
from alpaquero.prices.bars import Timeframe
from alpaquero.settings import FunctionSettings, load
from alpaquero.store import bars as bar_store
from alpaquero.store import runs, trading_settings
from alpaquero.store.runs import SignalRecord
from alpaquero.strategy.judging import chart
from alpaquero.web.app import service_app
from alpaquero.web.bodies import Indicators, Page, Signal

YEARS_SHOWN = 2

SETTINGS = load(FunctionSettings)
app = service_app("signal", {"runs": lambda: runs.newest_runs(SETTINGS.account, 1)})


@app.endpoint("GET", public="/api/signals", service="/signal/signals")
def signals() -> Page[Signal]:
    """The newest signals of the watchlist, or of one `symbol`, newest first."""
    symbol = app.query("symbol")
    watchlist = trading_settings.current().settings.watchlist
    return _newest([symbol.upper()] if symbol else list(watchlist))


@app.endpoint("GET", service="/signal/signals/{symbol}")
def signals_of(symbol: str) -> Page[Signal]:
    """The newest signals of one symbol."""
    return _newest([symbol.upper()])


@app.endpoint("GET", public="/api/indicators/{symbol}", service="/signal/indicators/{symbol}")
def indicators(symbol: str) -> Indicators:
    """The rule's indicators on the stored bars of this year and the last."""
    symbol = symbol.upper()
    newest = runs.newest_runs(SETTINGS.account, 1)
    if not newest:
        raise NotFound("No run has judged a bar yet; the first one fetches the history.")
    last = newest[0].bar_start
    columns = bar_store.read([symbol], last - timedelta(days=366 * YEARS_SHOWN), last).get(symbol)
    if columns is None:
        raise NotFound(f"No bars of {symbol} are stored; add it to the watchlist and wait for the next run.")
    settings = trading_settings.current().settings
    series: dict[str, list[float | None]] = {}
    for chosen in settings.of_timeframe(Timeframe.DAY).values():
        series |= chart(symbol, columns, chosen)
    return Indicators(
        symbol=symbol,
        timeframe=Timeframe.DAY,
        adjustment="split",
        times=[columns.start_at(n) for n in range(len(columns))],
        series=series,
    )


def _newest(symbols: list[str]) -> Page[Signal]:
    limit = app.limit()
    found = [record for symbol in symbols for record in runs.newest_signals(symbol, limit)]
    found.sort(key=lambda record: (record.bar_close, record.symbol), reverse=True)
    return Page(items=[_body(record) for record in found[:limit]])


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
    )
