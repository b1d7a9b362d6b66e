"""What a request for market data asks for, read and checked as Alpaca does; the data routes use it.

The account has the free plan: `iex` in real time, `sip` once it is fifteen minutes old. Without a feed
it gets the best that it may have now. All feeds carry the same prices and volumes.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request

from alpaquero.prices import NEW_YORK
from laptop.exchange.answers import venue_of
from laptop.exchange.errors import RefusedError
from laptop.exchange.series import Window
from laptop.exchange.timeframes import BarLength, midnight, parse_bar_length

_DEFAULT_LIMIT, _LARGEST_LIMIT = 1000, 10_000
_SYMBOL = re.compile(r"[A-Z0-9]+([./_-][A-Z0-9]+)*")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?")
_DATE_LENGTH = len("2012-12-31")
_HISTORICAL_FEEDS = {"sip", "iex", "otc", "boats"}
_LATEST_FEEDS = {*_HISTORICAL_FEEDS, "delayed_sip", "overnight"}
_ADJUSTMENTS = {"raw", "split", "dividend", "spin-off", "all"}
_SIP_DELAY = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list is asked for: of these symbols, in order, at most `limit` items.

    `window` is that of the first symbol, `later` that of the ones after it.
    """

    symbols: list[str]
    window: Window
    later: Window
    limit: int


def page_of(request: Request, mark: str, default_feed: str = "iex") -> Page:
    """The page of bars, trades, quotes or auctions that a request asks for; `mark` is in its tokens."""
    now = venue_of(request).now
    feed = feed_of(request, _HISTORICAL_FEEDS, default_feed)
    _check_asof(request)
    currency_of(request)
    start, end = moment(request, "start"), moment(request, "end", end_of_day=True)
    newest = now - _SIP_DELAY if feed == "sip" else now
    if feed == "sip" and end is not None and end > newest:
        raise RefusedError(403, "subscription does not permit querying recent SIP data")
    if start is not None and end is not None and end < start:
        raise bad("end should not be before start")
    begin = start or min(midnight(now.astimezone(NEW_YORK).date()), newest)
    window = Window(begin, end or newest, newest, newest_first=newest_first(request))
    symbols, resume = symbols_of(request), _resumed(request, mark)
    if resume is None:
        return Page(symbols, window, window, _limit(request))
    symbol, at = resume
    begun = (
        Window(window.start, min(window.end, at), newest, newest_first=True)
        if window.newest_first
        else Window(max(window.start, at), window.end, newest)
    )
    rest = [name for name in symbols if name >= symbol]
    first = begun if rest[:1] == [symbol] else window
    return Page(rest, first, window, _limit(request))


def token(symbol: str, mark: str, at: datetime) -> str:
    """Where the next page begins: base64 of SYMBOL|D|nanoseconds."""
    nanoseconds = (at - _EPOCH) // timedelta(microseconds=1) * 1000
    return urlsafe_b64encode(f"{symbol}|{mark}|{nanoseconds}".encode()).decode()


def _resumed(request: Request, mark: str) -> tuple[str, datetime] | None:
    """The symbol and time that a page token stands for."""
    given = request.query_params.get("page_token")
    if not given:
        return None
    try:
        symbol, marked, nanoseconds = urlsafe_b64decode(given.encode()).decode().split("|")
        at = _EPOCH + timedelta(microseconds=int(nanoseconds) // 1000)
    except (ValueError, OverflowError):
        raise bad("invalid page_token") from None
    if marked != mark:
        raise bad("invalid page_token: it belongs to another request")
    return symbol, at


def symbols_of(request: Request) -> list[str]:
    """The symbols asked for that this exchange has, in order of name; one it lacks has no data.

    They come from the path or from the parameter `symbols`.
    """
    single = request.path_params.get("symbol")
    names = [single] if single else (request.query_params.get("symbols") or "").split(",")
    wanted = {name.strip().upper() for name in names if name.strip()}
    if not wanted:
        raise bad("symbols is required")
    for name in sorted(wanted):
        if not _SYMBOL.fullmatch(name):
            raise bad(f"invalid symbol: {name}")
    return sorted(wanted & venue_of(request).market.history.symbols.keys())


def latest_moment(request: Request) -> datetime:
    """The market time that a request for the latest data may see."""
    now = venue_of(request).now
    feed = feed_of(request, _LATEST_FEEDS, "iex")
    currency_of(request)
    if feed == "sip":
        raise RefusedError(403, "subscription does not permit querying recent SIP data")
    return now - _SIP_DELAY if feed == "delayed_sip" else now


def feed_of(request: Request, known: set[str], default: str) -> str:
    """The feed asked for. Refuses those that the free plan does not have."""
    feed = request.query_params.get("feed") or default
    if feed not in known:
        raise bad(f"invalid feed: {feed}")
    if feed in {"otc", "boats", "overnight"}:
        raise RefusedError(403, f"subscription does not permit querying {feed.upper()} data")
    return feed


def bar_length_of(request: Request) -> BarLength:
    """The timeframe asked for."""
    given = request.query_params.get("timeframe")
    if not given:
        raise bad("timeframe is required")
    length = parse_bar_length(given)
    if length is None:
        raise bad(f"invalid timeframe: {given}")
    return length


def split_adjusted(request: Request) -> bool:
    """Whether prices are to be adjusted for splits. Dividends and spin-offs there are none."""
    wanted = (request.query_params.get("adjustment") or "raw").split(",")
    for name in wanted:
        if name not in _ADJUSTMENTS:
            raise bad(f"invalid adjustment: {name}")
    return bool({"split", "all"} & set(wanted))


def currency_of(request: Request) -> str | None:
    """The currency asked for, which has to be the dollar; None when none is named."""
    given = request.query_params.get("currency")
    if given and given.upper() != _CURRENCY:
        raise bad(f"invalid currency: {given}; this exchange has prices in {_CURRENCY} alone")
    return _CURRENCY if given else None


def moment(request: Request, name: str, *, end_of_day: bool = False) -> datetime | None:
    """A time in RFC 3339, or a date, which means its midnight in New York (or the last moment of it)."""
    given = request.query_params.get(name)
    if not given:
        return None
    read = _TIME.fullmatch(given)
    with suppress(ValueError, OverflowError):
        if read is not None and len(given) > _DATE_LENGTH:
            return datetime.fromisoformat(given).astimezone(UTC)
        if read is not None:
            day = date.fromisoformat(given) + timedelta(days=end_of_day)
            return midnight(day) - timedelta(microseconds=end_of_day)
    raise bad(f"Invalid format for parameter {name}: error parsing '{given}' as RFC3339 or 2006-01-02 time")


def day_of(request: Request, name: str, default: date) -> date:
    """A date."""
    given = request.query_params.get(name)
    if not given:
        return default
    with suppress(ValueError):
        if len(given) == _DATE_LENGTH:
            return date.fromisoformat(given)
    raise bad(f"invalid {name}: {given}; write it as 2012-12-31")


def limit_of(request: Request, default: int, largest: int) -> int:
    """How many items a page may hold."""
    given = request.query_params.get("limit")
    if not given:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", given) or not 1 <= int(given) <= largest:
        raise bad(f"invalid limit: {given}; give a number from 1 to {largest}")
    return int(given)


def _limit(request: Request) -> int:
    return limit_of(request, _DEFAULT_LIMIT, _LARGEST_LIMIT)


def _check_asof(request: Request) -> None:
    """Symbols never change their names here, so any date will do."""
    if (request.query_params.get("asof") or "-") != "-":
        day_of(request, "asof", date.min)


def newest_first(request: Request) -> bool:
    """What `sort` says: `asc`, the default, or `desc`."""
    sort = request.query_params.get("sort") or "asc"
    if sort not in {"asc", "desc"}:
        raise bad(f"invalid sort: {sort}")
    return sort == "desc"


def bad(message: str) -> RefusedError:
    """The data API's errors carry no code."""
    return RefusedError(400, message)
