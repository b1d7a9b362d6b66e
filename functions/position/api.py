"""The position service's routes: the account, its positions and the portfolio, from our own books.

Cash is what the account held when first seen, plus the cash flow of every fill and what came or went
without one since; a position is folded from fills, splits and shares that moved, in lots first in,
first out. The broker's own figures stand beside ours, with what the two differ in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from alpaquero import wall
from alpaquero.errors import BrokerUnavailable, BrokerUnclear, NotFound
from alpaquero.lately import A_MOMENT, A_WHILE, kept_for
from alpaquero.observability import logger
from alpaquero.portfolio.movements import CashMovement
from alpaquero.portfolio.positions import Position
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.settings import DataApiSettings, load
from alpaquero.store import positions
from alpaquero.store.books import Books, BrokerFigures
from alpaquero.web.app import service_app
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import position as bodies

if TYPE_CHECKING:
    from alpaquero.broker.protocol import BrokerPosition, BrokerTrade, MarketDataReader
    from alpaquero.events.schemas import EquityMarked
    from alpaquero.orders.order import Order
    from alpaquero.risk.limits import RiskLimits

SETTINGS = load(DataApiSettings)
BOOKS = Books(SETTINGS.account)
ZERO, HUNDRED = Decimal(0), Decimal(100)
PERCENT_STEP = Decimal("0.0001")
DAYS, MOST_DAYS = 30, 366
CASH_KEPT_SECONDS = 60.0  # of one version of the risk book
UNPRICED = (404, 502, 503)  # before the first sync, or neither market data nor the broker has a price
NOT_OPEN = "the books are not open yet: the first sync opens them, within a minute of the start"

app = service_app(
    "position",
    {"books": BOOKS.risk_book, "positions": lambda: positions.positions(SETTINGS.account)},
    works=True,
)


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Shares held (negative when short) at today's price, in dollars."""

    symbol: str
    quantity: Decimal
    average_entry_price: Decimal
    current_price: Decimal
    opened_at: datetime | None

    @property
    def market_value(self) -> Decimal:
        """What the shares are worth."""
        return self.quantity * self.current_price

    @property
    def cost_basis(self) -> Decimal:
        """What the shares cost."""
        return self.quantity * self.average_entry_price


class Portfolio(msgspec.Struct, frozen=True, kw_only=True):
    """Our books at today's prices."""

    cash: Decimal
    realised_pnl: Decimal
    holdings: tuple[Holding, ...]
    trading_state: TradingState
    as_of: datetime
    income: Decimal = ZERO
    deposits: Decimal = ZERO
    age_seconds: int | None = None  # of the last sync's prices; None is live

    @property
    def source(self) -> str:
        """Where the prices are from, as the API says it."""
        return "live" if self.age_seconds is None else "cache"

    @property
    def position_value(self) -> Decimal:
        """What all positions are worth."""
        return sum((h.market_value for h in self.holdings), ZERO)

    @property
    def equity(self) -> Decimal:
        """Cash and positions."""
        return self.cash + self.position_value

    @property
    def unrealised_pnl(self) -> Decimal:
        """What closing all positions now would gain."""
        return sum((h.market_value - h.cost_basis for h in self.holdings), ZERO)


class OpenedBooks(msgspec.Struct, frozen=True, kw_only=True):
    """What the books of an account have one of, since the first sync."""

    opening_cash: Decimal
    risk_book: RiskBook
    broker: BrokerFigures
    differences: dict[str, Decimal]


@cache
def market_data() -> MarketDataReader:
    """The data API, connected at the first request that wants a price."""
    from alpaquero.broker.market_data import connect_market_data

    return connect_market_data(SETTINGS)


@app.endpoint("GET", public="/api/account", service="/position/account", refuses=UNPRICED)
def account() -> bodies.Account:
    """The account as our books have it, the broker's figures beside it.

    Both are of the last sync and at the prices the broker used then, so they agree to the cent or
    something is wrong. Positions and the portfolio are at the newest prices.
    """
    books = opened_books()
    ours, theirs = portfolio(books, at_last_sync=True), books.broker
    return bodies.Account(
        account=SETTINGS.account,
        environment=SETTINGS.environment,
        trading_state=ours.trading_state,
        cash=ours.cash,
        equity=ours.equity,
        buying_power=theirs.buying_power,
        position_value=ours.position_value,
        broker_cash=theirs.cash,
        broker_equity=theirs.equity,
        as_of=ours.as_of,
    )


@app.endpoint("GET", public="/api/positions", service="/position/positions", refuses=UNPRICED)
def open_positions() -> Page[bodies.Position]:
    """Every open position with the stops and the targets that guard it, by symbol."""
    books, guards, limits = opened_books(), BOOKS.open_orders(), risk_limits()
    ours, at_broker = portfolio(books), broker_positions(books)
    return Page(
        items=[
            aged(position_body(holding, guards, limits, at_broker.get(holding.symbol)), ours)
            for holding in ours.holdings
        ]
    )


@app.endpoint(
    "GET", public="/api/positions/{symbol}", service="/position/positions/{symbol}", refuses=UNPRICED
)
def one_position(symbol: str) -> bodies.PositionDetail:
    """One symbol with its lots and what another entry could buy; 404 for one that was never held."""
    from alpaquero.portfolio.lots import lots_of

    symbol = symbol.upper()
    entries = positions.entries(SETTINGS.account, symbol)
    if not entries:
        raise NotFound(f"{symbol} was never held; GET /api/positions lists what is.")
    books = opened_books()
    ours = portfolio(books)
    held = next((h for h in ours.holdings if h.symbol == symbol), None)
    lots, theirs, limits = lots_of(symbol, entries), broker_positions(books).get(symbol), risk_limits()
    price = held.current_price if held else None
    return bodies.PositionDetail(
        symbol=symbol,
        position=aged(position_body(held, BOOKS.open_orders(), limits, theirs), ours) if held else None,
        realised_pnl=lots.realised_pnl,
        lots=[
            bodies.Lot(
                source=lot.source,
                opened_at=lot.opened_at,
                holding_days=lot.holding_days(ours.as_of),
                quantity=lot.quantity,
                cost_basis=lot.cost,
                market_value=lot.quantity * price,
                unrealised_pnl=lot.quantity * price - lot.cost,
            )
            for lot in lots.open
            if price is not None
        ],
        closed_lots=[
            bodies.ClosedLot(
                source=lot.source,
                closed_by=lot.closed_by,
                opened_at=lot.opened_at,
                closed_at=lot.closed_at,
                holding_days=lot.holding_days,
                quantity=lot.quantity,
                cost_basis=lot.cost,
                proceeds=lot.proceeds,
                realised_pnl=lot.pnl,
            )
            for lot in lots.closed
        ],
        reconciled=lots.quantity == (theirs.quantity if theirs else ZERO),
        sizing=sizing_body(symbol, price, limits, books.risk_book),
    )


@kept_for(A_WHILE)
def equity_marks(since: datetime) -> list[EquityMarked]:
    """The equity curve from `since` on, which the risk monitor draws once a minute."""
    from alpaquero.store import analytics

    return analytics.marks_since(SETTINGS.account, since)


class DaysAsked(Struct, frozen=True, kw_only=True):
    """How far back."""

    days: Annotated[int, Meta(ge=1, le=MOST_DAYS, description="Days back from the last sync.")] = DAYS


@app.endpoint(
    "GET",
    public="/api/portfolio/history",
    service="/position/portfolio/history",
    query=DaysAsked,
    refuses=(404,),
)
def history(query: DaysAsked) -> Page[bodies.PortfolioDay]:
    """Equity at the end of each market day, the newest first."""
    book = BOOKS.risk_book()
    if book is None:
        raise NotFound(NOT_OPEN)
    since = book.as_of - timedelta(days=query.days + 1)
    marks = equity_marks(since)
    return Page(items=days_of(marks, cash_movements(book.version))[: query.days])


@app.endpoint("GET", public="/api/portfolio/summary", service="/position/portfolio/summary", refuses=UNPRICED)
def summary() -> bodies.PortfolioSummary:
    """The portfolio in one view."""
    books = opened_books()
    return summary_body(
        portfolio(books),
        books.broker.buying_power,
        risk_limits(),
        day_start=books.risk_book.day_start_equity,
        differences=books.differences,
    )


def position_body(
    holding: Holding,
    open_orders: Iterable[Order],
    limits: RiskLimits,
    at_broker: BrokerPosition | None,
) -> bodies.Position:
    """One position as the API answers it."""
    stops, targets = guards_of(holding, open_orders)
    gain = holding.market_value - holding.cost_basis
    return bodies.Position(
        symbol=holding.symbol,
        quantity=holding.quantity,
        average_entry_price=holding.average_entry_price,
        current_price=holding.current_price,
        market_value=holding.market_value,
        cost_basis=holding.cost_basis,
        unrealised_pnl=gain,
        unrealised_pnl_percent=percent(gain, abs(holding.cost_basis)),
        stop_price=stops[0].price if stops else None,
        target_price=targets[0].price if targets else None,
        opened_at=holding.opened_at,
        sector=limits.sector_of(holding.symbol),
        broker_quantity=at_broker.quantity if at_broker else ZERO,
        stops=stops,
        targets=targets,
    )


def aged(body: bodies.Position, ours: Portfolio) -> bodies.Position:
    """The position, marked with where its price is from and how old it is."""
    return msgspec.structs.replace(body, source=ours.source, age_seconds=ours.age_seconds or 0)


def sizing_body(
    symbol: str, price: Decimal | None, limits: RiskLimits, book: RiskBook
) -> bodies.Sizing | None:
    """What an entry at `price` would buy; None without a price, or when sizes go by the true range."""
    from alpaquero.risk import sizing

    distance = None if price is None else sizing.stop_distance(price, limits, None)
    if price is None or not distance:
        return None
    worst = sizing.reserve_price(price, limits)
    sized = sizing.size_entry(symbol, worst_price=worst, stop_distance=distance, book=book, limits=limits)
    return bodies.Sizing(quantity=sized.quantity, bound_by=sized.bound_by, caps=sized.caps)


def days_of(marks: Sequence[EquityMarked], movements: Iterable[CashMovement]) -> list[bodies.PortfolioDay]:
    """The last mark of each market day with its gain, the newest first; the oldest only begins the row."""
    closing = {day_of(mark.occurred_at): mark for mark in marks}
    deposits: dict[date, Decimal] = {}
    for movement in movements:
        if movement.is_funding:
            day = day_of(movement.at)
            deposits[day] = deposits.get(day, ZERO) + movement.amount
    days, following = sorted(closing), []
    for before, day in pairwise(days):
        moved = sum((amount for on, amount in deposits.items() if before < on <= day), ZERO)
        mark = closing[day]
        following.append(
            bodies.PortfolioDay(
                date=day,
                equity=mark.equity,
                cash=mark.cash,
                deposits=moved,
                pnl=mark.equity - closing[before].equity - moved,
                drawdown_percent=mark.drawdown_percent,
            )
        )
    return following[::-1]


def day_of(at: datetime) -> date:
    """The market day, in New York."""
    return at.astimezone(NEW_YORK).date()


def guards_of(held: Holding, open_orders: Iterable[Order]) -> tuple[list[bodies.Guard], list[bodies.Guard]]:
    """The stops and the targets that guard a position, the nearest first."""
    from alpaquero.risk.drawdown import guarding

    stops, targets = guarding(held.symbol, held.quantity, open_orders)
    return (
        [bodies.Guard(price=stop.stop_price, quantity=stop.remaining_quantity or ZERO) for stop in stops],
        [bodies.Guard(price=one.limit_price, quantity=one.remaining_quantity or ZERO) for one in targets],
    )


def summary_body(
    ours: Portfolio,
    buying_power: Decimal,
    limits: RiskLimits,
    *,
    day_start: Decimal | None,
    differences: dict[str, Decimal],
) -> bodies.PortfolioSummary:
    """The portfolio as the API answers it; exposure by symbol and sector is in per cent of equity.

    The day's gain is over what the market day began with, deposits left out.
    """
    exposure = {h.symbol: percent(abs(h.market_value), ours.equity) for h in ours.holdings}
    by_sector: dict[str, Decimal] = {}
    for holding in ours.holdings:
        sector = limits.sector_of(holding.symbol)
        by_sector[sector] = by_sector.get(sector, ZERO) + abs(holding.market_value)
    return bodies.PortfolioSummary(
        value=ours.equity,
        cash=ours.cash,
        buying_power=buying_power,
        position_value=ours.position_value,
        exposure_percent=percent(sum((abs(h.market_value) for h in ours.holdings), ZERO), ours.equity),
        exposure_by_symbol=exposure,
        unrealised_pnl=ours.unrealised_pnl,
        realised_pnl=ours.realised_pnl,
        as_of=ours.as_of,
        exposure_by_sector={s: percent(value, ours.equity) for s, value in sorted(by_sector.items())},
        day_pnl=None if day_start is None else ours.equity - day_start,
        income=ours.income,
        deposits=ours.deposits,
        total_pnl=ours.realised_pnl + ours.unrealised_pnl + ours.income,
        differences=differences,
        source=ours.source,
        age_seconds=ours.age_seconds or 0,
    )


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """`part` of `whole` in per cent, 0 of nothing."""
    return (part / whole * HUNDRED).quantize(PERCENT_STEP) if whole else ZERO


def opened_books() -> OpenedBooks:
    """What the account has one of, in one request. Raises `NotFound` before the first sync."""
    found = BOOKS.snapshot()
    if found.baseline is None or found.risk_book is None or found.broker is None:
        raise NotFound(NOT_OPEN)
    return OpenedBooks(
        opening_cash=found.baseline.cash,
        risk_book=found.risk_book,
        broker=found.broker,
        differences=found.notes.drift,
    )


def broker_positions(books: OpenedBooks) -> dict[str, BrokerPosition]:
    """The broker's positions as the last sync read them, by symbol."""
    return {position.symbol: position for position in books.broker.positions}


def risk_limits() -> RiskLimits:
    """The limits in force, which hold the map of sectors."""
    from alpaquero.store import trading_settings  # with strategies: the account's figures need none

    return trading_settings.lately().settings.risk


@kept_for(CASH_KEPT_SECONDS)
def cash_movements(_version: int) -> list[CashMovement]:
    """All cash that came or went without a fill, which is written with a new version of the risk book."""
    return BOOKS.cash_movements()


def portfolio(books: OpenedBooks, *, at_last_sync: bool = False) -> Portfolio:
    """Our books as they are, at the newest prices or at those of the last sync.

    While market data does not answer it is the last sync's, with their age.
    """
    folded = positions.positions(SETTINGS.account)
    at_broker = broker_positions(books)
    held = {p.symbol for p in folded if p.quantity}
    unpriced = sorted(held - at_broker.keys() if at_last_sync else held)
    trades, age = newest_trades(unpriced)
    moved = cash_movements(books.risk_book.version)
    ours = valued(folded, books.opening_cash, moved, books.risk_book, trades, at_broker)
    return msgspec.structs.replace(ours, age_seconds=age)


def newest_trades(symbols: Sequence[str]) -> tuple[Mapping[str, BrokerTrade], int | None]:
    """The newest trades; none, and the age of the last sync, while market data does not answer."""
    if not symbols:
        return {}, None
    try:
        return last_trades(tuple(symbols)), None
    except (BrokerUnavailable, BrokerUnclear) as error:
        from alpaquero.store import health

        synced = health.last_work_of("trading")
        age = int((wall.now() - synced.at).total_seconds()) if synced else health.KEEP_SECONDS
        logger.warning("positions are shown at the prices of the last sync", age_seconds=age, why=str(error))
        return {}, max(0, age)


@kept_for(A_MOMENT)
def last_trades(symbols: tuple[str, ...]) -> Mapping[str, BrokerTrade]:
    """The newest trades, a moment old at most: each request counts in the broker's budget."""
    return market_data().latest_trades(symbols)


def valued(  # noqa: PLR0917 -- the books' parts, one argument each
    folded: Iterable[Position],
    opening_cash: Decimal,
    movements: Iterable[CashMovement],
    risk_book: RiskBook,
    trades: Mapping[str, BrokerTrade],
    at_broker: Mapping[str, BrokerPosition],
) -> Portfolio:
    """The opening cash and all that came since, at the last trades' prices.

    A symbol without a trade is valued as the broker does it. Raises `BrokerUnclear` when neither has
    a price.
    """
    every, moved = sorted(folded, key=lambda p: p.symbol), list(movements)
    found = (holding(p, trades.get(p.symbol), at_broker.get(p.symbol)) for p in every if p.quantity)
    deposits = sum((m.amount for m in moved if m.is_funding), ZERO)
    income = sum((m.amount for m in moved if not m.is_funding), ZERO)
    return Portfolio(
        cash=opening_cash + deposits + income + sum((p.cash_flow for p in every), ZERO),
        realised_pnl=sum((p.realised_pnl for p in every), ZERO),
        holdings=tuple(found),
        trading_state=risk_book.trading_state,
        as_of=max([risk_book.as_of, *(trade.at for trade in trades.values())]),
        income=income,
        deposits=deposits,
    )


def holding(position: Position, trade: BrokerTrade | None, at_broker: BrokerPosition | None) -> Holding:
    """The position at the newest price; at the broker's cost where ours is not known."""
    price = trade.price if trade else (at_broker.current_price if at_broker else None)
    if price is None:
        raise BrokerUnclear(
            f"neither market data nor the broker has a price of {position.symbol}, which our books hold"
        )
    entry = position.average_entry_price
    if not entry and at_broker is not None:
        entry = at_broker.average_entry_price
    return Holding(
        symbol=position.symbol,
        quantity=position.quantity,
        average_entry_price=entry,
        current_price=price,
        opened_at=position.opened_at,
    )
