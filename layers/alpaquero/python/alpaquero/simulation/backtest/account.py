"""The account that a backtest trades: orders, positions and cash at a made-up broker.

It is the paper exchange without its ledger: the same matching, orders that change in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.orders.order import Fill as BookedFill
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.simulation.backtest.terms import FillTerms, SplitDay
from alpaquero.simulation.identity import fill_id, leg_client_order_id, order_id
from alpaquero.simulation.matching import EXITS, TERMINAL, Matching, Role, Status, Stretch
from alpaquero.simulation.path import SessionPath
from alpaquero.simulation.quiet import QuietBand, quiet_band
from alpaquero.simulation.working import Fill, PriceSpan, WorkingOrder

GTC_LIFE = timedelta(days=90)  # Alpaca ends an order that is good till cancelled on its 90th day ...
_GTC_END = time(16, 15)  # ... at this time in New York
_NEVER = datetime.max.replace(tzinfo=UTC)
_ZERO = Decimal(0)
_START, _END = Fraction(0), Fraction(1)


@dataclass(slots=True, eq=False, kw_only=True)
class SimulatedOrder:
    """One order; it changes in place. Within the account it is known by its client order id."""

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    role: Role
    group: str
    time_in_force: TimeInForce
    quantity: Decimal
    status: Status
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    worth: Decimal = _ZERO
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water_mark: Decimal | None = None
    notional: Decimal | None = None
    triggered: bool = False
    filled_quantity: Decimal = _ZERO
    filled_value: Decimal = _ZERO
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    as_matched: WorkingOrder | None = None  # kept until the order changes

    @property
    def id(self) -> str:
        """What it is known by."""
        return self.client_order_id

    @property
    def working(self) -> bool:
        """Whether it can still change."""
        return self.status not in TERMINAL

    @property
    def remaining(self) -> Decimal:
        """Shares not filled."""
        return self.quantity - self.filled_quantity

    def for_matching(self) -> WorkingOrder:
        """The order as the matcher wants it."""
        if self.as_matched is None:
            self.as_matched = WorkingOrder(
                client_order_id=self.client_order_id,
                side=self.side,
                type=self.type,
                quantity=self.quantity,
                filled_quantity=self.filled_quantity,
                limit_price=self.limit_price,
                stop_price=self.stop_price,
                triggered=self.triggered,
                time_in_force=self.time_in_force,
            )
        return self.as_matched


@dataclass(frozen=True, slots=True)
class DayPrices:
    """A session's prices of one symbol, in dollars a share."""

    path: SessionPath

    def spans(self) -> Iterable[tuple[Fraction, Fraction, PriceSpan]]:
        """The open, the whole day, the close: the last one fills what a partial fill left."""
        path = self.path
        first, last = path.open, path.close
        yield _START, _START, PriceSpan(first, first, first, first, starts_session=True)
        yield (
            _START,
            _END,
            PriceSpan(first, path.high, path.low, last, starts_session=True, ends_session=True),
        )
        yield _END, _END, PriceSpan(last, last, last, last, ends_session=True)


@dataclass(slots=True)
class Watch:
    """Between which prices nothing happens to a symbol's orders, as floats; None: look at every bar."""

    low: float = 0.0
    high: float = float("inf")


@dataclass(slots=True)
class Booked:
    """A fill with what it cost beside its price."""

    fill: BookedFill
    fee: Decimal = field(default=_ZERO)


class Account(Matching[SimulatedOrder]):
    """One account at the made-up broker."""

    def __init__(self, label: str, cash: Decimal, terms: FillTerms) -> None:
        super().__init__(terms.matching)
        self.label, self.cash, self.fill_terms = label, cash, terms
        self.orders: dict[str, SimulatedOrder] = {}
        self.working: dict[str, list[SimulatedOrder]] = {}
        self.positions: dict[str, Decimal] = {}
        self.booked: list[Booked] = []
        self.watches: dict[str, Watch] = {}
        self.changes = 0  # how often orders or shares changed
        self._quiet: dict[str, QuietBand] = {}
        self._earliest = _NEVER  # no order ends before this
        self._groups: dict[str, list[SimulatedOrder]] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._session: Session | None = None

    # orders come and go

    def buy_with_exits(
        self,
        client_order_id: str,
        symbol: str,
        quantity: Decimal,
        *,
        stop: Decimal,
        target: Decimal,
        worth: Decimal,
    ) -> None:
        """Take in a market bracket; a waiting share of it counts `worth` dollars of buying power."""
        entry = self._order(client_order_id, symbol, Side.BUY, quantity, role=Role.ENTRY)
        entry.worth = worth
        legs = [
            self._order(
                leg_client_order_id(self.fill_terms.seed, client_order_id, role),
                symbol,
                Side.SELL,
                quantity,
                role=role,
                type_=kind,
                group=entry.group,
                status=Status.HELD,
            )
            for role, kind in ((Role.TARGET, OrderType.LIMIT), (Role.STOP, OrderType.STOP))
        ]
        legs[0].limit_price, legs[1].stop_price = target, stop
        self._take([entry, *legs])

    def sell(self, client_order_id: str, symbol: str, quantity: Decimal) -> None:
        """Take in a market sale."""
        self._take([self._order(client_order_id, symbol, Side.SELL, quantity)])

    def protect(self, client_order_id: str, symbol: str, quantity: Decimal, stop: Decimal) -> None:
        """Take in a stop by itself."""
        order = self._order(client_order_id, symbol, Side.SELL, quantity, type_=OrderType.STOP)
        order.stop_price = stop
        self._take([order])

    def cancel_all_of(self, symbol: str, at: datetime) -> None:
        """Cancel every open order of a symbol."""
        for order in self.open_orders(symbol):
            if order.working:
                self.end(order, Status.CANCELED, at)

    def pass_to(self, at: datetime) -> None:
        """Let market time pass; orders whose time is over end."""
        self._now = at
        if at < self._earliest:
            return
        for orders in list(self.working.values()):
            for order in list(orders):
                if order.working and order.expires_at <= at:
                    self.end(order, Status.EXPIRED, order.expires_at)
        left = (order.expires_at for orders in self.working.values() for order in orders)
        self._earliest = min(left, default=_NEVER)

    def _order(
        self,
        client_order_id: str,
        symbol: str,
        side: Side,
        quantity: Decimal,
        *,
        role: Role = Role.ALONE,
        type_: OrderType = OrderType.MARKET,
        group: str | None = None,
        status: Status = Status.ACCEPTED,
    ) -> SimulatedOrder:
        return SimulatedOrder(
            client_order_id=client_order_id,
            symbol=symbol,
            side=side,
            type=type_,
            role=role,
            group=group or order_id(self.fill_terms.seed, client_order_id),
            time_in_force=TimeInForce.GTC,
            quantity=quantity,
            status=status,
            submitted_at=self._now,
            updated_at=self._now,
            expires_at=_gtc_end(self._now),
        )

    def _take(self, orders: list[SimulatedOrder]) -> None:
        for order in orders:
            self.orders[order.client_order_id] = order
            self.working.setdefault(order.symbol, []).append(order)
        self._groups[orders[0].group] = orders
        self.changes += 1
        self._earliest = min(self._earliest, orders[0].expires_at)
        self._stir(orders[0].symbol)

    # sessions

    def open(self, session: Session) -> None:
        """The morning of a session: queued orders become working ones."""
        self.begin()
        self._session = session
        for orders in self.working.values():
            for order in orders:
                if order.status is Status.ACCEPTED:
                    order.status, order.updated_at = Status.NEW, session.open

    def split(self, day: SplitDay, price: Decimal, at: datetime) -> Decimal:
        """A split of a symbol, with `price` dollars a share after it; answers what was paid in lieu.

        As at the paper exchange: a whole forward split multiplies shares and divides prices, any other
        pays out the broken share and cancels the symbol's orders.
        """
        ratio, whole = day.ratio, day.new % day.old == 0
        cash = _ZERO
        if (held := self.positions.get(day.symbol)) is not None:
            shares = held * ratio
            cash = _ZERO if whole else (shares - int(shares)) * price
            self.cash += cash
            self._own(day.symbol, Decimal(int(shares)) if cash else shares)
        for order in self.open_orders(day.symbol):
            if not whole:
                self.change(order, at, status=Status.CANCELED, canceled_at=at)
                continue
            order.as_matched = None
            order.quantity, order.filled_quantity = order.quantity * ratio, order.filled_quantity * ratio
            for name in ("limit_price", "stop_price"):
                if (before := getattr(order, name)) is not None:
                    setattr(order, name, round_price(before / ratio, Direction.NEAREST))
        self.changes += 1
        self._stir(day.symbol)
        return cash

    def trade(self, session: Session, prices: dict[str, DayPrices]) -> None:
        """Offer a session's prices to the working orders of the symbols given."""
        parts = {symbol: list(day.spans()) for symbol, day in sorted(prices.items())}
        for number in range(3):
            for symbol, spans in parts.items():
                start, end, span = spans[number]
                band = self._quiet.get(symbol)
                if symbol in self.working and (band is None or not band.covers(span)):
                    stretch = Stretch(session, prices[symbol].path, start, end, self._now)
                    self.offer_to(symbol, stretch, span)
                    self._settle_down(symbol)

    def _settle_down(self, symbol: str) -> None:
        """Remember between which prices nothing happens to the symbol's orders, if there is such a band."""
        self._stir(symbol)
        orders = self.working.get(symbol)
        if not orders:
            return
        band = QuietBand()
        for order in orders:
            own = quiet_band(order)
            if own is None:
                return
            band = band.within(own)
        self._quiet[symbol] = band
        self.watches[symbol] = Watch(float(band.low), float(band.high))

    def _stir(self, symbol: str) -> None:
        """Look at the symbol's orders again."""
        self.watches.pop(symbol, None)
        self._quiet.pop(symbol, None)

    @property
    def reserved(self) -> Decimal:
        """Dollars of buying power that waiting entries hold."""
        waiting = (order for orders in self.working.values() for order in orders if order.side is Side.BUY)
        return sum((order.remaining * order.worth for order in waiting), _ZERO)

    # the rules ask

    @property
    def now(self) -> datetime:
        """Market time."""
        return self._now

    def current(self, order: SimulatedOrder) -> SimulatedOrder:
        """The order as it stands."""
        return order

    def open_orders(self, symbol: str) -> Sequence[SimulatedOrder]:
        """The working orders of a symbol, by client order id."""
        return sorted(self.working.get(symbol, ()), key=_client_order_id)

    def live(self, order: SimulatedOrder) -> bool:
        """Whether a working order may trade."""
        if order.status in TERMINAL:
            return False
        return order.role not in EXITS or self._groups[order.group][0].status is Status.FILLED

    def members(self, group: str) -> Sequence[SimulatedOrder]:
        """The orders of a group, its head first."""
        return self._groups[group]

    def owned(self, symbol: str) -> Decimal:
        """Shares of a symbol."""
        return self.positions.get(symbol, _ZERO)

    def held(self, symbol: str) -> Decimal:
        """Shares that working exits hold; the two exits of a pair hold theirs once."""
        holds: dict[str, Decimal] = {}
        for order in self.working.get(symbol, ()):
            if order.side is Side.SELL and self.live(order):
                holds[order.group] = max(holds.get(order.group, _ZERO), order.remaining)
        return sum(holds.values(), _ZERO)

    def is_open(self, at: datetime) -> bool:
        """Whether the market is open."""
        session = self._session
        return session is not None and session.open <= at < session.close

    def change(self, order: SimulatedOrder, at: datetime, **fields: Any) -> None:
        """Change an order's fields."""
        order.updated_at = at
        self._set(order, fields)

    def book_fill(
        self, order: SimulatedOrder, fill: Fill, at: datetime, after: dict[str, Any]
    ) -> SimulatedOrder:
        """Record a fill, and move cash and shares."""
        identifier = fill_id(self.fill_terms.seed, order.client_order_id, str(order.filled_quantity), at)
        self._set(order, after)
        signed = fill.quantity if order.side is Side.BUY else -fill.quantity
        fee = self.fill_terms.fee(fill.quantity, fill.price)
        self.cash -= signed * fill.price + fee
        self._own(order.symbol, self.owned(order.symbol) + signed)
        booked = BookedFill(
            id=identifier,
            account=self.label,
            client_order_id=order.client_order_id,
            broker_order_id=order.group,
            symbol=order.symbol,
            side=order.side,
            quantity=fill.quantity,
            price=fill.price,
            at=at,
        )
        self.booked.append(Booked(booked, fee))
        return order

    def _set(self, order: SimulatedOrder, fields: dict[str, Any]) -> None:
        was_working = order.status not in TERMINAL
        order.as_matched = None
        for name, value in fields.items():
            setattr(order, name, value)
        if was_working and order.status in TERMINAL:
            left = [one for one in self.working[order.symbol] if one is not order]
            if left:
                self.working[order.symbol] = left
            else:
                del self.working[order.symbol]
        self.changes += 1
        self._stir(order.symbol)

    def _own(self, symbol: str, quantity: Decimal) -> None:
        if quantity:
            self.positions[symbol] = quantity
        else:
            self.positions.pop(symbol, None)


@lru_cache(maxsize=64)
def _gtc_end(submitted: datetime) -> datetime:
    """When an order that is good till cancelled ends."""
    day = submitted.astimezone(NEW_YORK).date() + GTC_LIFE
    return datetime.combine(day, _GTC_END, NEW_YORK).astimezone(UTC)


def _client_order_id(order: SimulatedOrder) -> str:
    return order.client_order_id
