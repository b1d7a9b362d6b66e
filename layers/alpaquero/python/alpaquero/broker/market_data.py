"""Alpaca's prices over alpaca-py's StockHistoricalDataClient, for signals, charts and the monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from alpaquero.broker import answers, bar_pages
from alpaquero.broker.answers import understood
from alpaquero.broker.bar_pages import BarPage
from alpaquero.broker.budget import Priority
from alpaquero.broker.deferred_pandas import deferred_pandas
from alpaquero.broker.guard import shared_guard
from alpaquero.broker.keys import BrokerKeys, read_keys
from alpaquero.broker.protocol import Adjustment, BrokerQuote, BrokerTrade, CorporateAction
from alpaquero.broker.transport import BrokerTransport
from alpaquero.errors import BrokerUnclear
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns

if TYPE_CHECKING:
    from alpaca.data.historical.stock import StockHistoricalDataClient

BARS_A_PAGE = 10_000  # across all symbols of a request
ACTIONS_A_PAGE = 1000
SYMBOLS_A_REQUEST = 200  # keeps the address well under 2 KB

T = TypeVar("T")


class MarketDataAccess(Protocol):
    """The settings a connection needs; `alpaquero.settings.DataApiSettings` has them."""

    @property
    def alpaca_data_url(self) -> str: ...
    @property
    def alpaca_data_feed(self) -> str: ...
    @property
    def data_secret(self) -> str: ...


def connect_market_data(settings: MarketDataAccess, priority: Priority = Priority.DATA) -> AlpacaMarketData:
    """The data API, by the reading keys alone. Raises `ConfigurationError` without keys.

    Who prices an order passes `Priority.ORDER`: charts and signals yield to it when the budget is short.
    """
    url = settings.alpaca_data_url.rstrip("/")
    client = _client(url, read_keys(settings.data_secret))
    transport = BrokerTransport(client, shared_guard("data", url, settings.data_secret), priority)
    return AlpacaMarketData(transport, settings.alpaca_data_feed)


def connect_alone(url: str, keys: BrokerKeys, feed: str) -> AlpacaMarketData:
    """The data API for a process that shares its request budget with nobody, as a download does."""
    return AlpacaMarketData(BrokerTransport(_client(url, keys)), feed)


def _client(url: str, keys: BrokerKeys) -> StockHistoricalDataClient:
    with deferred_pandas():
        from alpaca.data.historical.stock import StockHistoricalDataClient
    return StockHistoricalDataClient(keys.key_id, keys.secret_key, raw_data=True, url_override=url)


class AlpacaMarketData:
    """`MarketDataReader` over Alpaca's data API, every price from the one feed.

    The feed is always said: left out, Alpaca reads history from `sip`, which refuses a free plan's
    keys with 403 when the window ends less than 15 minutes ago.
    """

    def __init__(self, transport: BrokerTransport, feed: str = "iex") -> None:
        self._transport = transport
        self._feed = feed

    @property
    def price_source(self) -> str:
        """Where the prices of the last answer come from, as the paper exchange says; Alpaca says nothing."""
        return self._transport.price_source

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]:
        found: dict[str, Columns] = {}
        query = _bar_query(timeframe, start, end, adjustment)
        for chunk in _chunks(symbols):
            parameters = {"symbols": ",".join(chunk), **query, "feed": self._feed}
            for page in _pages("/stocks/bars", parameters, self._bar_page, lambda page: page.next_page_token):
                for symbol, columns in page.bars.items():
                    found[symbol] = found[symbol] + columns if symbol in found else columns
        return found

    def daily_bars(
        self, symbols: Sequence[str], start: datetime, end: datetime, adjustment: Adjustment = "split"
    ) -> dict[str, list[Bar]]:
        found = self.bars(symbols, Timeframe.DAY, start, end, adjustment)
        return {symbol: list(columns.bars()) for symbol, columns in found.items()}

    def latest_bars(self, symbols: Sequence[str]) -> dict[str, Bar]:
        return self._latest("bars", symbols, lambda _, row: answers.a_bar(row))

    def latest_quotes(self, symbols: Sequence[str]) -> dict[str, BrokerQuote]:
        return self._latest("quotes", symbols, answers.a_quote)

    def latest_trades(self, symbols: Sequence[str]) -> dict[str, BrokerTrade]:
        return self._latest("trades", symbols, answers.a_trade)

    def corporate_actions(self, symbols: Sequence[str], start: date, end: date) -> list[CorporateAction]:
        found: list[CorporateAction] = []
        for chunk in _chunks(symbols):
            parameters = {
                "symbols": ",".join(chunk),
                "start": start.isoformat(),
                "end": end.isoformat(),
                "limit": str(ACTIONS_A_PAGE),
                "sort": "asc",
            }
            for page in _pages("/corporate-actions", parameters, self._action_page, _next_token):
                found += understood(_actions_of_kinds, page)
        return sorted(found, key=lambda action: (action.ex_date or end, action.symbol, action.id))

    def _bar_page(self, path: str, parameters: dict[str, str]) -> BarPage:
        return understood(bar_pages.decode, self._transport.read_bytes(path, parameters))

    def _action_page(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        page: dict[str, Any] = self._transport.read(path, parameters, "v1")
        return page

    def _latest(
        self, kind: str, symbols: Sequence[str], read: Callable[[str, dict[str, Any]], T]
    ) -> dict[str, T]:
        def latest_values(answer: Any) -> dict[str, T]:
            return {symbol: read(symbol, row) for symbol, row in (answer[kind] or {}).items()}

        found: dict[str, T] = {}
        for chunk in _chunks(symbols):
            parameters = {"symbols": ",".join(chunk), "feed": self._feed}
            answer = self._transport.read(f"/stocks/{kind}/latest", parameters)
            found.update(understood(latest_values, answer))
        return found


def _bar_query(
    timeframe: Timeframe, start: datetime, end: datetime, adjustment: Adjustment
) -> dict[str, str]:
    return {
        "timeframe": timeframe.value,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "adjustment": adjustment,
        "limit": str(BARS_A_PAGE),
        "sort": "asc",
    }


def _pages(
    path: str,
    parameters: dict[str, str],
    ask: Callable[[str, dict[str, str]], T],
    next_token: Callable[[T], str | None],
) -> Iterator[T]:
    """Every page, as `ask` answers one. Raises `BrokerUnclear` when they do not come to an end."""
    token: str | None = None
    while True:
        page = ask(path, {**parameters, "page_token": token} if token else parameters)
        yield page
        following = next_token(page)
        if not following:
            return
        if following == token:
            raise BrokerUnclear(f"the broker's answers for {path} do not advance past one page")
        token = following


def _next_token(page: dict[str, Any]) -> str | None:
    return page.get("next_page_token")


def _actions_of_kinds(answer: Any) -> list[CorporateAction]:
    """The lists by kind, each named in the plural, as one."""
    return [
        answers.a_corporate_action(kind.removesuffix("s"), row)
        for kind, rows in answer["corporate_actions"].items()
        for row in rows
    ]


def _chunks(symbols: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(symbols), SYMBOLS_A_REQUEST):
        yield symbols[start : start + SYMBOLS_A_REQUEST]
