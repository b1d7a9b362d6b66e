"""The position service's routes: the account, its positions and the portfolio, from our own books.

Cash is what the account held when first seen plus the cash flow of every fill since; a position
is what it held then plus what was filled since. The broker's own figures stand beside ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache

import msgspec

from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import BrokerPosition, BrokerTrade, MarketDataReader
from alpaquero.errors import BrokerUnclear, NotFound
from alpaquero.orders.order import LegRole, Order, OrderPurpose
from alpaquero.portfolio.positions import Position
from alpaquero.risk.book import RiskBook
from alpaquero.settings import DataApiSettings, load
from alpaquero.store import positions
from alpaquero.store.books import Baseline, Books, BrokerFigures
from alpaquero.web import bodies
from alpaquero.web.app import service_app

SETTINGS = load(DataApiSettings)
BOOKS = Books(SETTINGS.account)
ZERO, HUNDRED = Decimal(0), Decimal(100)
PERCENT_STEP = Decimal("0.0001")
NOT_OPEN = "the books are not open yet: the first sync opens them, within a minute of the start"

app = service_app(
    "position",
    {"books": BOOKS.risk_book, "positions": lambda: positions.positions(SETTINGS.account)},
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
    trading_state: str
    as_of: datetime

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


@cache
def market_data() -> MarketDataReader:
    """The data API, connected at the first request."""
    return connect_market_data(SETTINGS)


@app.endpoint("GET", public="/api/account", service="/position/account")
def account() -> bodies.Account:
    """The account as our books have it, the broker's figures beside it.

    Both are of the last sync and at the prices the broker used then, so they agree to the cent or
    something is wrong. Positions and the portfolio are at the newest prices.
    """
    ours, theirs = portfolio(at_last_sync=True), figures()
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


@app.endpoint("GET", public="/api/positions", service="/position/positions")
def open_positions() -> bodies.Page[bodies.Position]:
    """Every open position with the stop and the target that guard it, by symbol."""
    guards = BOOKS.open_orders()
    return bodies.Page(items=[position_body(holding, guards) for holding in portfolio().holdings])


@app.endpoint("GET", public="/api/portfolio/summary", service="/position/portfolio/summary")
def summary() -> bodies.PortfolioSummary:
    """The portfolio in one view."""
    return summary_body(portfolio(), figures().buying_power)


def position_body(holding: Holding, open_orders: Iterable[Order]) -> bodies.Position:
    """One position as the API answers it."""
    stop, target = guards_of(holding.symbol, open_orders)
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
        stop_price=stop,
        target_price=target,
        opened_at=holding.opened_at,
    )


def guards_of(symbol: str, open_orders: Iterable[Order]) -> tuple[Decimal | None, Decimal | None]:
    """The prices of the open stop and the open target of a symbol, as far as there are any."""
    stop = target = None
    for order in open_orders:
        if order.symbol != symbol:
            continue
        if order.role is LegRole.TAKE_PROFIT:
            target = order.limit_price
        elif order.role is LegRole.STOP_LOSS or order.purpose is OrderPurpose.PROTECTION:
            stop = order.stop_price
    return stop, target


def summary_body(ours: Portfolio, buying_power: Decimal) -> bodies.PortfolioSummary:
    """The portfolio as the API answers it; exposure by symbol is in per cent of equity."""
    exposure = {h.symbol: percent(abs(h.market_value), ours.equity) for h in ours.holdings}
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
    )


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """`part` of `whole` in per cent, 0 of nothing."""
    return (part / whole * HUNDRED).quantize(PERCENT_STEP) if whole else ZERO


def figures() -> BrokerFigures:
    """The broker's own figures as the last sync kept them. Raises `NotFound` before the first sync."""
    kept = BOOKS.broker_figures()
    if kept is None:
        raise NotFound(NOT_OPEN)
    return kept


def portfolio(*, at_last_sync: bool = False) -> Portfolio:
    """Our books as they are, at the newest prices or at those of the last sync.

    Raises `NotFound` before the first sync has opened the books.
    """
    baseline, risk_book = BOOKS.baseline(), BOOKS.risk_book()
    if baseline is None or risk_book is None:
        raise NotFound(NOT_OPEN)
    folded = positions.positions(SETTINGS.account)
    at_broker = {p.symbol: p for p in figures().positions}
    held = {p.symbol for p in folded if p.quantity} | {
        s for s, quantity in baseline.positions.items() if quantity
    }
    unpriced = sorted(held - at_broker.keys() if at_last_sync else held)
    trades = market_data().latest_trades(unpriced) if unpriced else {}
    return valued(folded, baseline, risk_book, trades, at_broker)


def valued(
    folded: Iterable[Position],
    baseline: Baseline,
    risk_book: RiskBook,
    trades: Mapping[str, BrokerTrade],
    at_broker: Mapping[str, BrokerPosition],
) -> Portfolio:
    """The baseline and every fill since, at the last trades' prices.

    A symbol without a trade is valued as the broker does it, and one held before we came has the
    broker's entry price, for we did not see it bought. Raises `BrokerUnclear` when neither has a
    price.
    """
    since = {position.symbol: position for position in folded}
    held = sorted(since.keys() | baseline.positions.keys())
    found = (
        holding(s, since.get(s), baseline.positions.get(s, ZERO), trades.get(s), at_broker.get(s))
        for s in held
    )
    return Portfolio(
        cash=baseline.cash + sum((p.cash_flow for p in since.values()), ZERO),
        realised_pnl=sum((p.realised_pnl for p in since.values()), ZERO),
        holdings=tuple(h for h in found if h is not None),
        trading_state=risk_book.trading_state,
        as_of=max([risk_book.as_of, *(trade.at for trade in trades.values())]),
    )


def holding(
    symbol: str,
    since: Position | None,
    before: Decimal,
    trade: BrokerTrade | None,
    at_broker: BrokerPosition | None,
) -> Holding | None:
    """What is held of `symbol`: `before` shares and those filled since; None when that is nothing."""
    quantity = before + (since.quantity if since else ZERO)
    if not quantity:
        return None
    price = trade.price if trade else (at_broker.current_price if at_broker else None)
    if since is not None and not before:
        entry: Decimal | None = since.average_entry_price
    else:
        entry = at_broker.average_entry_price if at_broker else None
    if price is None or entry is None:
        raise BrokerUnclear(
            f"neither market data nor the broker has a price of {symbol}, which our books hold"
        )
    return Holding(
        symbol=symbol,
        quantity=quantity,
        average_entry_price=entry,
        current_price=price,
        opened_at=since.opened_at if since else None,
    )
