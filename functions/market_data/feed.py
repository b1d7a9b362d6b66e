"""Polls the prices that open dashboards watch, and sends itself the next beat; started by FeedQueue.

The gateway sends the first beat when somebody begins to watch. Each beat polls quotes and trades once,
puts the prices on PushQueue for the gateway to send on, and sends the next beat with a delay: short
while the market is open, longer while it is closed or the broker does not answer. When nobody watches,
no beat follows and nothing is left running.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.market_data import SYMBOLS_A_REQUEST, connect_market_data
from alpaquero.broker.protocol import BrokerClock, BrokerQuote, BrokerTrade, ClockReader, MarketDataReader
from alpaquero.errors import BrokerError, BrokerRejected, BrokerUnavailable
from alpaquero.events import queues
from alpaquero.events.commands import FeedBeat
from alpaquero.events.live import PricesChanged, WatchedPrice, priced_symbols
from alpaquero.last_work import worked_through
from alpaquero.observability import logger, observed, record_failed
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import price_feed
from alpaquero.store.connections import open_connections

OPEN_SECONDS: Final = 3
CLOSED_SECONDS: Final = 15
TROUBLE_SECONDS: Final = 15
LONGEST_SECONDS: Final = 120
REQUESTS_A_MINUTE: Final = 60  # of the data API's 200, so that runs and orders always have theirs
SYMBOLS_A_MESSAGE: Final = 500  # some 60 KB, of the 256 that SQS takes

Price = TypeVar("Price")


class Settings(ClockSettings, frozen=True, kw_only=True):
    """What the feed reads from its environment."""

    feed_queue: Text
    push_queue: Text


SETTINGS = load(Settings)


@cache
def reader() -> ClockReader:
    """The trading API, for its clock; connected at the first beat."""
    return connect_clock(SETTINGS)


@cache
def market_data() -> MarketDataReader:
    """The data API, connected at the first beat."""
    return connect_market_data(SETTINGS)


@observed("market_data")
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers the beats of one batch."""
    done = queues.work_through(event, _beat, record_failed)
    return worked_through("market_data", event, done, detail="feed")


def _beat(record: dict[str, Any]) -> None:
    following = price_feed.claim(msgspec.json.decode(record["body"], type=FeedBeat))
    if following is None:
        return
    symbols = _watched()
    if not symbols:
        price_feed.end(following)
        symbols = _watched()
        # Whoever began to watch before the end saw a feed that was alive, so it is begun for him here.
        begun = price_feed.begin() if symbols else None
        if begun is not None:
            queues.send(SETTINGS.feed_queue, begun)
        return
    pause = _polled(symbols, following)
    if pause > price_feed.BEAT_SECONDS / 2:
        price_feed.wait(following, pause)
    queues.send(SETTINGS.feed_queue, following, delay_seconds=pause)


def _watched() -> list[str]:
    topics = (topic for topics in open_connections().values() for topic in topics)
    return sorted(priced_symbols(topics))


def _polled(symbols: Sequence[str], beat: FeedBeat) -> int:
    """Polls and sends on the prices of `symbols`; answers the seconds until the next beat."""
    poll = Poll(market_data())
    try:
        clock = reader().clock()
        prices = poll.prices(symbols, clock.now)
    except BrokerError as error:
        logger.warning("prices were not polled", reason=str(error), symbols=len(symbols))
        wait = error.retry_after_seconds if isinstance(error, BrokerUnavailable) else None
        return min(max(TROUBLE_SECONDS, math.ceil(wait or 0)), LONGEST_SECONDS)
    for number, part in enumerate(_parts(prices)):
        told = PricesChanged(
            id=f"prices:{beat.life}:{beat.beat}:{number}", occurred_at=clock.now, prices=part
        )
        queues.send(SETTINGS.push_queue, {"detail-type": "PricesChanged", "detail": told})
    return max(_pause(clock), math.ceil(poll.requests * 60 / REQUESTS_A_MINUTE))


def _pause(clock: BrokerClock) -> int:
    """Seconds until the next poll: soon in an open market, and never long after it opens."""
    if clock.is_open:
        return OPEN_SECONDS
    until_open = math.ceil((clock.next_open - clock.now).total_seconds())
    return min(max(until_open, OPEN_SECONDS), CLOSED_SECONDS)


def _parts(prices: Sequence[WatchedPrice]) -> Iterator[tuple[WatchedPrice, ...]]:
    for start in range(0, len(prices), SYMBOLS_A_MESSAGE):
        yield tuple(prices[start : start + SYMBOLS_A_MESSAGE])


class Poll:
    """One poll of the data API; `requests` counts what it costs."""

    def __init__(self, data: MarketDataReader) -> None:
        self._data = data
        self.requests = 0

    def prices(self, symbols: Sequence[str], now: datetime) -> list[WatchedPrice]:
        """The newest quote and trade of each symbol that has one. Raises `BrokerError`."""
        quotes = self._latest(self._data.latest_quotes, symbols)
        trades = self._latest(self._data.latest_trades, symbols)
        known = (symbol for symbol in symbols if symbol in quotes or symbol in trades)
        return [price_of(symbol, quotes.get(symbol), trades.get(symbol), now) for symbol in known]

    def _latest(
        self, ask: Callable[[Sequence[str]], dict[str, Price]], symbols: Sequence[str]
    ) -> dict[str, Price]:
        """What the API knows of `symbols`, those that it refuses left out.

        One symbol that it does not take fails the request for all, so a refused batch is halved.
        """
        self.requests += math.ceil(len(symbols) / SYMBOLS_A_REQUEST)
        try:
            return ask(symbols)
        except BrokerRejected as refusal:
            if refusal.status not in (400, 404, 422):
                raise
            if len(symbols) == 1:
                return {}
        middle = len(symbols) // 2
        return self._latest(ask, symbols[:middle]) | self._latest(ask, symbols[middle:])


def price_of(
    symbol: str, quote: BrokerQuote | None, trade: BrokerTrade | None, now: datetime
) -> WatchedPrice:
    """The frame's row of a symbol that has a quote, a trade or both."""
    at = max(one.at for one in (quote, trade) if one is not None)
    return WatchedPrice(
        symbol=symbol,
        bid=quote.bid if quote else None,
        ask=quote.ask if quote else None,
        last=trade.price if trade else None,
        at=at,
        age_seconds=round(max(0.0, (now - at).total_seconds()), 1),
    )
