"""The account that a backtest trades: orders, positions and cash at a made-up broker.

It is the paper exchange without its ledger: the same matching, orders that change in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.orders.order import Fill as BookedFill
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.prices.splits import SplitDay
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.simulation.backtest.terms import FillTerms
from alpaquero.simulation.identity import fill_id, leg_client_order_id, order_id
from alpaquero.simulation.matching import END, EXITS, START, TERMINAL, Matching, Role, Status, Stretch
from alpaquero.simulation.path import SessionPath
from alpaquero.simulation.quiet import quiet_band
from alpaquero.simulation.working import Fill, PriceSpan

GTC_LIFE = timedelta(days=90)  # Alpaca ends an order that is good till cancelled on its 90th day ...
_GTC_END = time(16, 15)  # ... at this time in New York
_NEVER = datetime.max.replace(tzinfo=UTC)
_ZERO = Decimal(0)
_ABOVE_ALL = Decimal("Infinity")
# Python 3.11 takes ten times as long to find a member in its enum.
_BUY, _SELL, _GTC = Side.BUY, Side.SELL, TimeInForce.GTC
_ACCEPTED, _NEW, _HELD, _FILLED = Status.ACCEPTED, Status.NEW, Status.HELD, Status.FILLED
_LEGS = ((Role.TARGET, OrderType.LIMIT), (Role.STOP, OrderType.STOP))


class SimulatedOrder(msgspec.Struct, eq=False, kw_only=True, gc=False):
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

    def for_matching(self) -> SimulatedOrder:
        """The order as the matcher reads it: itself."""
        return self


class Watch(msgspec.Struct, eq=False, gc=False):
    """Between which prices nothing happens to a symbol's orders, in dollars and as floats.

    `until` is the place of the first session that leaves them, as far as whoever watches has looked.
    """

    low: Decimal
    high: Decimal
    low_float: float
    high_float: float
    until: int = -1

    def covers(self, low: Decimal, high: Decimal) -> bool:
        """Whether all prices from `low` to `high` lie between them."""
        return self.low <= low and high <= self.high


class Booked(msgspec.Struct, eq=False, gc=False):
    """A fill with what it cost beside its price; its id is made when it is asked for."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime
    fee: Decimal
    filled_before: Decimal
    id: str = ""

    def id_by(self, seed: int) -> str:
        """The broker's id of it."""
        if not self.id:
            self.id = fill_id(seed, self.client_order_id, str(self.filled_before), self.at)
        return self.id


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
        self.changed: set[str] = set()  # symbols whose orders or shares did, until someone empties it
        self.earliest = _NEVER  # no order's time is over before this
        self._groups: dict[str, tuple[SimulatedOrder, ...]] = {}
        self._queued: list[SimulatedOrder] = []  # until the next morning
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
        entry = self._order(client_order_id, symbol, _BUY, quantity, role=Role.ENTRY)
        entry.worth = worth
        legs = [
            self._order(
                leg_client_order_id(self.fill_terms.seed, client_order_id, role),
                symbol,
                _SELL,
                quantity,
                role=role,
                type_=kind,
                group=entry.group,
                status=_HELD,
            )
            for role, kind in _LEGS
        ]
        legs[0].limit_price, legs[1].stop_price = target, stop
        self._take(entry, *legs)

    def sell(self, client_order_id: str, symbol: str, quantity: Decimal) -> None:
        """Take in a market sale."""
        self._take(self._order(client_order_id, symbol, _SELL, quantity))

    def protect(self, client_order_id: str, symbol: str, quantity: Decimal, stop: Decimal) -> None:
        """Take in a stop by itself."""
        order = self._order(client_order_id, symbol, _SELL, quantity, type_=OrderType.STOP)
        order.stop_price = stop
        self._take(order)

    def cancel_all_of(self, symbol: str, at: datetime) -> None:
        """Cancel every open order of a symbol."""
        for order in self.open_orders(symbol):
            if order.working:
                self.end(order, Status.CANCELED, at)

    def pass_to(self, at: datetime) -> None:
        """Let market time pass; orders whose time is over end."""
        self._now = at
        if at < self.earliest:
            return
        for orders in list(self.working.values()):
            for order in list(orders):
                if order.working and order.expires_at <= at:
                    self.end(order, Status.EXPIRED, order.expires_at)
        left = (order.expires_at for orders in self.working.values() for order in orders)
        self.earliest = min(left, default=_NEVER)

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
        status: Status = _ACCEPTED,
    ) -> SimulatedOrder:
        return SimulatedOrder(
            client_order_id=client_order_id,
            symbol=symbol,
            side=side,
            type=type_,
            role=role,
            group=group or order_id(self.fill_terms.seed, client_order_id),
            time_in_force=_GTC,
            quantity=quantity,
            status=status,
            submitted_at=self._now,
            updated_at=self._now,
            expires_at=_gtc_end(self._now),
        )

    def _take(self, head: SimulatedOrder, *legs: SimulatedOrder) -> None:
        """Take in an order with its legs, which wait for it."""
        group = self._groups[head.group] = (head, *legs)
        for order in group:
            self.orders[order.client_order_id] = order
        self.working.setdefault(head.symbol, []).extend(group)
        self._queued.append(head)
        self.earliest = min(self.earliest, head.expires_at)
        self._stir(head.symbol)

    # sessions

    def open(self, session: Session) -> None:
        """The morning of a session: queued orders become working ones."""
        self.begin()
        self._session = session
        for order in self._queued:
            if order.status is _ACCEPTED:
                order.status, order.updated_at = _NEW, session.open
        self._queued.clear()

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
            order.quantity, order.filled_quantity = order.quantity * ratio, order.filled_quantity * ratio
            for name in ("limit_price", "stop_price"):
                if (before := getattr(order, name)) is not None:
                    setattr(order, name, round_price(before / ratio, Direction.NEAREST))
        self._stir(day.symbol)
        return cash

    def trade(self, session: Session, prices: Mapping[str, SessionPath]) -> None:
        """Offer a session's prices to the working orders of the symbols given."""
        ordered = sorted(prices.items())
        for symbol, path in ordered:
            if not self._is_quiet(symbol, path.open, path.open):
                at = path.open
                self._offer(
                    symbol, Stretch(session, path, START, START, self._now), PriceSpan(at, at, at, at, True)
                )
        loud = [one for one in ordered if not self._is_quiet(one[0], one[1].low, one[1].high)]
        for symbol, path in loud:
            span = PriceSpan(path.open, path.high, path.low, path.close, True, True)
            self._offer(symbol, Stretch(session, path, START, END, self._now), span)
        for symbol, path in loud:
            if not self._is_quiet(symbol, path.close, path.close):
                at = path.close
                self._offer(
                    symbol,
                    Stretch(session, path, END, END, self._now),
                    PriceSpan(at, at, at, at, False, True),
                )

    def _offer(self, symbol: str, stretch: Stretch, span: PriceSpan) -> None:
        """Offer a part of a session's prices, and remember what the symbol's orders then wait for."""
        self.offer_to(symbol, stretch, span)
        self._settle_down(symbol)

    def _is_quiet(self, symbol: str, low: Decimal, high: Decimal) -> bool:
        """Whether prices from `low` to `high` do nothing to the symbol's orders."""
        watch = self.watches.get(symbol)
        return watch.covers(low, high) if watch is not None else symbol not in self.working

    def _settle_down(self, symbol: str) -> None:
        """Remember between which prices nothing happens to the symbol's orders, if there is such a band."""
        self.watches.pop(symbol, None)
        orders = self.working.get(symbol)
        if not orders:
            return
        low, high = _ZERO, _ABOVE_ALL
        for order in orders:
            own = quiet_band(order)
            if own is None:
                return
            low, high = max(low, own.low), min(high, own.high)
        self.watches[symbol] = Watch(low, high, float(low), float(high))

    def _stir(self, symbol: str) -> None:
        """Look at the symbol's orders again."""
        self.watches.pop(symbol, None)
        self.changed.add(symbol)

    @property
    def reserved(self) -> Decimal:
        """Dollars of buying power that waiting entries hold."""
        if not self.working:
            return _ZERO
        waiting = (order for orders in self.working.values() for order in orders if order.side is _BUY)
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
        return sorted(self.working.get(symbol, ()), key=_by_id)

    def live(self, order: SimulatedOrder) -> bool:
        """Whether a working order may trade."""
        if order.status in TERMINAL:
            return False
        return order.role not in EXITS or self._groups[order.group][0].status is _FILLED

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
            if order.side is _SELL and self.live(order):
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
        filled = order.filled_quantity
        self._set(order, after)
        self.book(order.client_order_id, order.symbol, order.side, fill, at, filled)
        return order

    def book(  # noqa: PLR0917 - what a fill says
        self,
        identifier: str,
        symbol: str,
        side: Side,
        fill: Fill,
        at: datetime,
        filled_before: Decimal = _ZERO,
    ) -> Booked:
        """Book a fill of the order `identifier`, and move cash and shares."""
        quantity, price = fill.quantity, fill.price
        signed = quantity if side is _BUY else -quantity
        fee = self.fill_terms.fee(quantity, price)
        self.cash -= signed * price + fee
        self._own(symbol, self.owned(symbol) + signed)
        booked = Booked(identifier, symbol, side, quantity, price, at, fee, filled_before)
        self.booked.append(booked)
        return booked

    def record_of(self, booked: Booked) -> BookedFill:
        """The fill of one of the orders as the books would keep it."""
        return BookedFill(
            id=booked.id_by(self.fill_terms.seed),
            account=self.label,
            client_order_id=booked.client_order_id,
            broker_order_id=self.orders[booked.client_order_id].group,
            symbol=booked.symbol,
            side=booked.side,
            quantity=booked.quantity,
            price=booked.price,
            at=booked.at,
        )

    def cost(self, side: Side, fill: Fill) -> Decimal:
        """Dollars that a fill takes from cash, with its fee; below zero when it brings some."""
        signed = fill.quantity if side is _BUY else -fill.quantity
        return signed * fill.price + self.fill_terms.fee(fill.quantity, fill.price)

    def _set(self, order: SimulatedOrder, fields: dict[str, Any]) -> None:
        was_working = order.status not in TERMINAL
        for name, value in fields.items():
            setattr(order, name, value)
        if was_working and order.status in TERMINAL:
            left = self.working[order.symbol]
            left.remove(order)
            if not left:
                del self.working[order.symbol]
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


_by_id = attrgetter("client_order_id")
