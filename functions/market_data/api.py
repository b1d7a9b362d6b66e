"""The market data service's routes: charts with what the bot saw and did on them, quotes, market status.

All answer while Alpaca does not: bars from our store, quote and clock as last known, each marked with
its age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from math import ceil
from typing import TYPE_CHECKING, Annotated, Final, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from alpaquero import lately, wall
from alpaquero.broker.protocol import BrokerClock, ClockReader, MarketDataReader
from alpaquero.errors import (
    BrokerError,
    BrokerUnavailable,
    BrokerUnclear,
    InvalidRequest,
    NotFound,
    SharedStateLost,
)
from alpaquero.observability import logger
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.settings import ClockSettings, load
from alpaquero.store import last_known
from alpaquero.web.app import service_app
from alpaquero.web.bodies import market_data as bodies
from alpaquero.web.parameters import known_form, unknown

if TYPE_CHECKING:
    from alpaquero.strategy.settings import StrategySettings

ADJUSTMENT: Final = "split"
DAYS_BESIDES: Final = 10  # of a window, for holidays
SIGNALS_A_CHART: Final = 500
LONGEST_WAIT: Final = timedelta(days=90)  # how long an order may be open before it ends: Alpaca's GTC
MOST_BARS: Final = 10_000
A_MOMENT: Final = "A day in New York such as 2012-07-03, or a time such as 2012-07-03T13:30:00Z."
SYNTHETIC: Final = "synthetic"
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before any bar that Alpaca serves

CLOCK: Final = "CLOCK"

T = TypeVar("T")

SETTINGS = load(ClockSettings)


class ChartReader(MarketDataReader, Protocol):
    """The data API, which says of its last answer where prices come from."""

    @property
    def price_source(self) -> str: ...


class Origin(msgspec.Struct, frozen=True):
    """Where the prices of a chart came from when they were last fetched."""

    synthetic: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a chart was asked for: the newest `limit` bars that start from `first` to `last`."""

    symbol: str
    timeframe: Timeframe
    limit: int
    first: datetime | None
    last: datetime | None

    @property
    def key(self) -> str:
        """The name under which the origin of these prices is remembered."""
        return f"CHART#{self.symbol}#{self.timeframe}"

    def window(self, now: datetime, lead: int) -> tuple[datetime, datetime]:
        """From when to when bars are read, so that `lead` bars before the first are there too."""
        from alpaquero.prices.regular_hours import BARS_A_SESSION
        from alpaquero.store.series import DAYS_A_SESSION

        end = now if self.last is None else min(self.last, now)
        sessions = ceil((self.limit + lead) / BARS_A_SESSION[self.timeframe])
        start = end - timedelta(days=DAYS_BESIDES + sessions * DAYS_A_SESSION)
        if self.first is not None:
            ahead = ceil(lead / BARS_A_SESSION[self.timeframe])
            start = max(start, self.first - timedelta(days=DAYS_BESIDES + ahead * DAYS_A_SESSION))
        return start, end

    def shown(self, columns: Columns) -> int:
        """How many of the last of `columns` are shown."""
        asked = columns if self.first is None else columns.since(self.first)
        return min(len(asked), self.limit)


@dataclass(frozen=True, slots=True)
class Read:
    """The bars of a chart and what is told with them."""

    columns: Columns
    clock: BrokerClock
    synthetic: bool | None
    age_seconds: int | None = None  # None is live


@cache
def reader() -> ClockReader:
    """The trading API, for clock and calendar; connected at the first request."""
    from alpaquero.broker.alpaca import connect_clock

    return connect_clock(SETTINGS)


@cache
def market_data() -> ChartReader:
    """The data API, connected at the first request."""
    from alpaquero.broker.market_data import connect_market_data

    return connect_market_data(SETTINGS)


app = service_app("market_data", {"broker": lambda: reader().clock()}, works=True)


class ChartAsked(Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """Which bars are drawn, and with whose indicators."""

    timeframe: Timeframe = Timeframe.DAY
    limit: Annotated[int, Meta(ge=1, le=MOST_BARS, description="How many of the newest bars.")] = 250
    first: Annotated[str, Meta(description=A_MOMENT)] | None = None
    last: Annotated[str, Meta(description=A_MOMENT)] | None = None
    strategy: Annotated[str, Meta(description="A strategy of the settings that judges such bars.")] | None = (
        None
    )


@app.endpoint(
    "GET",
    public="/api/chart/{symbol}",
    service="/market_data/chart/{symbol}",
    query=ChartAsked,
    refuses=(502, 503),
)
def chart(symbol: str, query: ChartAsked) -> bodies.Chart:
    """Bars of a symbol with a strategy's indicators, its signals, our fills, our orders that came to nothing.

    The newest `limit` bars of `timeframe`, within `from` and `to`; `strategy` names whose indicators.
    """
    return _chart(symbol, query)


@lately.kept_for(lately.A_WHILE)
def _chart(symbol: str, query: ChartAsked) -> bodies.Chart:
    from alpaquero.store import runs  # all for this route alone, strategies and risk rules with it
    from alpaquero.store.books import Books
    from alpaquero.web import charts

    wanted = _wanted(known_form(symbol), query)
    name, strategy = _strategy(wanted, query.strategy)
    read = _read(wanted, strategy.minimum_history_bars if strategy else 0)
    shown = wanted.shown(read.columns)
    if not shown:
        raise no_bars(wanted)
    bars = read.columns[-shown:]
    # Stored bars are closed ones, whatever the clock said when it was last known.
    is_live = read.age_seconds is None
    forming = is_live and charts.is_forming(bars.start_at(-1), wanted.timeframe, read.clock)
    books = Books(SETTINGS.account)
    until = bars.start_at(-1) + timedelta(days=1)  # what a bar gave is on record under its close
    signals = runs.newest_signals(wanted.symbol, SIGNALS_A_CHART, before=until.isoformat())
    fills = books.fills_since(bars.start_at(0))
    ended = books.ended_orders_of(wanted.symbol, bars.start_at(0) - LONGEST_WAIT)
    return bodies.Chart(
        symbol=wanted.symbol,
        timeframe=wanted.timeframe,
        adjustment=ADJUSTMENT,
        feed="paper exchange" if SETTINGS.environment == "local" else f"Alpaca {SETTINGS.alpaca_data_feed}",
        synthetic=read.synthetic,
        source="live" if is_live else "cache",
        age_seconds=read.age_seconds or 0,
        strategy=name,
        bars=charts.bar_columns(bars),
        forming=forming,
        indicators=charts.indicators(wanted.symbol, read.columns, shown, strategy, forming=forming)
        if strategy
        else [],
        markers=charts.markers(
            wanted.symbol,
            bars,
            wanted.timeframe,
            signals,
            fills,
            ended=ended,
            to_now=wanted.last is None,
        ),
        as_of=read.clock.now,
    )


@app.endpoint("GET", public="/api/latest/{symbol}", service="/market_data/quote/{symbol}", refuses=(502, 503))
def quote(symbol: str) -> bodies.Quote:
    """The newest bid, ask and trade of a symbol, or those last known."""
    symbol = known_form(symbol)
    key = f"QUOTE#{symbol}"
    try:
        best = market_data().latest_quotes([symbol]).get(symbol)
        trade = market_data().latest_trades([symbol]).get(symbol)
    except (BrokerUnavailable, BrokerUnclear) as error:
        kept, age = _recalled(key, bodies.Quote, error)
        return msgspec.structs.replace(kept, source="cache", age_seconds=age)
    if best is None or trade is None:
        raise unknown(symbol)
    found = bodies.Quote(
        symbol=symbol, bid=best.bid, ask=best.ask, last=trade.price, at=max(best.at, trade.at)
    )
    _remember(key, found)
    return found


@app.endpoint("GET", public="/api/market_status", service="/market_data/market-status", refuses=(502, 503))
def market_status() -> bodies.MarketStatus:
    """Whether the market is open, and the next edges of the session, or what was last known of them."""
    clock, age = _clock()
    return bodies.MarketStatus(
        is_open=clock.is_open,
        now=clock.now,
        next_open=clock.next_open,
        next_close=clock.next_close,
        source="live" if age is None else "cache",
        age_seconds=age or 0,
    )


def no_bars(wanted: Wanted) -> NotFound:
    """The answer where a symbol has no bars: in the span asked for, or at all."""
    if wanted.first is None and wanted.last is None:
        return unknown(wanted.symbol)
    first = "the beginning" if wanted.first is None else wanted.first.isoformat()
    last = "now" if wanted.last is None else wanted.last.isoformat()
    return NotFound(
        f"there are no {wanted.timeframe} bars of {wanted.symbol} from {first} to {last}; "
        "ask for another span",
        {"field": "to" if wanted.first is None else "from"},
    )


# ---------------------------------------------------------------------------- what is asked for


def _wanted(symbol: str, query: ChartAsked) -> Wanted:
    first, last = _moment("from", query.first, time.min), _moment("to", query.last, time.max)
    if first is not None and last is not None and first > last:
        raise InvalidRequest("from must not be after to", "from")
    return Wanted(symbol, query.timeframe, query.limit, first, last)


def _moment(name: str, text: str | None, hour: time) -> datetime | None:
    """A query parameter that is a time, or a day in New York that begins or ends at `hour`.

    What lies before `BEGINNING` is as good as that: no bar does.
    """
    if text is None:
        return None
    try:
        if len(text) == len("2012-07-03"):
            at = datetime.combine(date.fromisoformat(text), hour, tzinfo=NEW_YORK)
        else:
            at = datetime.fromisoformat(text)
        return max(BEGINNING, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{name} must be as 2012-07-03 or 2012-07-03T13:30:00Z", name) from None


def _strategy(wanted: Wanted, asked: str | None) -> tuple[str | None, StrategySettings | None]:
    """Whose indicators are drawn: the one asked for, else the first that judges these bars, or nobody's.

    Raises `InvalidRequest` for a strategy that is not set, or judges other bars.
    """
    from alpaquero.store import trading_settings
    from alpaquero.strategy.planning import judges

    settings = trading_settings.lately().settings
    if asked is None:
        for name, one in settings.strategies.items():
            if one.timeframe == wanted.timeframe and judges(one, wanted.symbol, settings.watchlist):
                return name, one
        return None, None
    if asked not in settings.strategies:
        raise InvalidRequest(f"strategy must be one of {', '.join(settings.strategies)}", "strategy")
    chosen = settings.strategies[asked]
    if chosen.timeframe != wanted.timeframe:
        raise InvalidRequest(f"{asked} judges bars of {chosen.timeframe}; ask for that timeframe", "strategy")
    return asked, chosen


# ---------------------------------------------------------------------------- live, or last known


def _read(wanted: Wanted, lead: int) -> Read:
    """The bars asked for and `lead` before them: the feed's, or the stored ones while it does not answer."""
    clock, clock_age = _clock(or_wall=True)
    start, end = wanted.window(clock.now, lead)
    if start > end:
        raise no_bars(wanted)
    away: BrokerError = BrokerUnavailable("the broker's clock does not answer")
    if clock_age is None:
        try:
            return _live(wanted, start, end, clock)
        except (BrokerUnavailable, BrokerUnclear) as error:
            away = error
    return _stored(wanted, start, end, clock, away)


def _live(wanted: Wanted, start: datetime, end: datetime, clock: BrokerClock) -> Read:
    data = market_data()
    found = data.bars([wanted.symbol], wanted.timeframe, start, end, ADJUSTMENT).get(wanted.symbol)
    if found is None:
        raise no_bars(wanted)
    origin = Origin(SYNTHETIC in data.price_source)
    _remember(wanted.key, origin)
    if wanted.timeframe is not Timeframe.DAY:
        from alpaquero.prices.regular_hours import in_session

        days = _sessions(start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date())
        found = in_session(found, wanted.timeframe, days)
    return Read(found, clock, origin.synthetic)


def _stored(wanted: Wanted, start: datetime, end: datetime, clock: BrokerClock, error: BrokerError) -> Read:
    """The stored bars. Raises `error` when there are none."""
    from alpaquero.store import bars as bar_store

    columns, stored_at = Columns.empty(), 0
    for _, chunk in bar_store.stored_periods(
        wanted.symbol, start, end, timeframe=wanted.timeframe, adjustment=ADJUSTMENT
    ):
        columns, stored_at = columns + chunk.columns, max(stored_at, chunk.stored_at)
    columns = columns.since(start).until(end)
    if not len(columns):
        raise error
    logger.warning("a chart was served from the store", symbol=wanted.symbol, reason=str(error))
    origin = last_known.recall(wanted.key, Origin)
    age = max(0, int(wall.seconds()) - stored_at)
    return Read(columns, clock, None if origin is None else origin[0].synthetic, age)


def _clock(*, or_wall: bool = False) -> tuple[BrokerClock, int | None]:
    """The market's clock, or the last known with its age in seconds; None as age is live.

    Raises `BrokerError` when none is known, or with `or_wall` answers a market that is closed now.
    """
    try:
        clock = reader().clock()
    except (BrokerUnavailable, BrokerUnclear) as error:
        try:
            return _recalled(CLOCK, BrokerClock, error)
        except BrokerError:
            if not or_wall:
                raise
            now = wall.now()
            return BrokerClock(now, False, now, now), 0
    _remember(CLOCK, clock)
    return clock, None


def _remember(key: str, answer: object) -> None:
    """Keeps an answer for when the broker is away; this caller has it, whatever becomes of that."""
    try:
        last_known.remember(key, answer)
    except SharedStateLost:
        logger.exception("an answer was not kept for when the broker does not answer", what=key)


def _recalled(key: str, kind: type[T], error: BrokerError) -> tuple[T, int]:
    """What was last known, with its age. Raises `error` when there is nothing."""
    found = last_known.recall(key, kind)
    if found is None:
        raise error
    logger.warning("the last known answer was served", what=key, age_seconds=found[1], reason=str(error))
    return found


@lru_cache(maxsize=16)
def _sessions(first: date, last: date) -> Sequence[Session]:
    """The calendar between two days; it does not change while a function lives."""
    return reader().sessions(first, last)
