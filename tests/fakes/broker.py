"""An in-memory broker and its market data, for tests; passes the contract tests of the real adapter.

It fills market orders in `step()`, limits, stops and trailing stops when `prices` has reached them,
and keeps legs, held shares and buying power as Alpaca does. `fail_next` sets one failure.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from alpaquero.broker.protocol import (
    Adjustment,
    BrokerAccount,
    BrokerActivity,
    BrokerAsset,
    BrokerClock,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    BrokerQuote,
    BrokerTrade,
    CorporateAction,
    OrderChange,
    OrderFilter,
    OrderRequest,
)
from alpaquero.errors import BrokerRejected, BrokerUnavailable, BrokerUnclear, OrderNotFound
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK, Session

Failure = Literal["reject", "unavailable", "unclear-before-effect", "unclear-after-effect"]

START = datetime(2024, 1, 2, 21, 30, tzinfo=UTC)
OPENING_CASH = Decimal("100000.00")
MULTIPLIER = Decimal(4)
NINE_PLACES = Decimal("1e-9")
HELD, NEW, ACCEPTED, FILLED, CANCELED = "held", "new", "accepted", "filled", "canceled"
REPLACED = "replaced"


@dataclass
class _Holding:
    quantity: Decimal = Decimal(0)
    average: Decimal = Decimal(0)


@dataclass
class FakeBroker:
    """`OrderSubmitter` without a network; market time moves with `step()` alone."""

    prices: dict[str, Decimal] = field(default_factory=dict)
    cash: Decimal = OPENING_CASH
    now: datetime = START
    blocks: tuple[str, ...] = ()
    happened: list[BrokerActivity] = field(default_factory=list)
    assets: dict[str, BrokerAsset | None] = field(default_factory=dict)
    number: str = "FAKE0001"
    _orders: dict[str, BrokerOrder] = field(default_factory=dict)
    _parents: dict[str, str] = field(default_factory=dict)
    _holdings: dict[str, _Holding] = field(default_factory=dict)
    _fills: list[BrokerFill] = field(default_factory=list)
    _failures: dict[str, list[Failure]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # ------------------------------------------------------------ what a test does to it

    def fail_next(self, method: str, failure: Failure) -> None:
        """Makes the next call of `method` (`submit`, `cancel`, `account`, ...) fail so."""
        self._failures.setdefault(method, []).append(failure)

    def step(self) -> None:
        """One session: everything that can fill at `prices` fills, and a day passes."""
        self.now += timedelta(hours=17)
        self._trail()
        for order in list(self._orders.values()):
            current = self._orders[order.id]
            if current.status in (NEW, ACCEPTED, HELD) and self._reached(current):
                self.fill(current.id)
            elif current.status == ACCEPTED:
                self._orders[order.id] = replace(current, status=NEW, updated_at=self.now)
        self.now += timedelta(hours=7)

    def fill(self, order_id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> None:
        """Fills an order, or `quantity` of it, at `price` or the market's."""
        order = self._orders[order_id]
        paid = price if price is not None else self.prices[order.symbol]
        if order.quantity is None and order.notional is not None:
            order = replace(order, quantity=(order.notional / paid).quantize(NINE_PLACES, ROUND_DOWN))
        filled = quantity if quantity is not None else (order.quantity or Decimal(0)) - order.filled_quantity
        before = order.filled_quantity * (order.filled_average_price or Decimal(0))
        total = order.filled_quantity + filled
        done = total == order.quantity
        self._orders[order_id] = replace(
            order,
            quantity=None if order.notional is not None else order.quantity,
            status=FILLED if done else "partially_filled",
            filled_quantity=total,
            filled_average_price=(before + filled * paid) / total,
            updated_at=self.now,
        )
        self._book(order, filled, paid)
        if done:
            self._after_fill(order_id)

    def move_cash(self, kind: str, amount: str, symbol: str | None = None, *, told: bool = True) -> None:
        """Cash that comes or goes without a trade, told as an activity unless the broker keeps quiet."""
        self.cash += Decimal(amount)
        if told:
            self._happen(kind, symbol, amount=Decimal(amount))

    def move_shares(
        self, symbol: str, quantity: str, price: str, kind: str = "JNLS", *, told: bool = True
    ) -> None:
        """Shares that come or go without a trade; those that come cost `price` each."""
        held, moved = self._holdings.setdefault(symbol, _Holding()), Decimal(quantity)
        if moved > 0:
            held.average = (held.quantity * held.average + moved * Decimal(price)) / (held.quantity + moved)
        held.quantity += moved
        if told:
            self._happen(kind, symbol, quantity=moved)

    def split(self, symbol: str, new: int, old: int = 1, cash: str = "0") -> None:
        """The morning of a split: shares, prices and open orders follow, a part of a share is paid out."""
        ratio, held = Decimal(new) / Decimal(old), self._holdings.get(symbol, _Holding())
        cost = held.quantity * held.average
        held.quantity = (held.quantity * ratio).quantize(NINE_PLACES)
        if Decimal(cash):
            held.quantity, self.cash = held.quantity.to_integral_value(ROUND_DOWN), self.cash + Decimal(cash)
        held.average = cost / held.quantity if held.quantity else Decimal(0)
        self.prices[symbol] /= ratio
        for order in [o for o in self._orders.values() if o.symbol == symbol and not o.is_terminal]:
            self._orders[order.id] = replace(
                order,
                quantity=order.quantity * ratio if order.quantity else None,
                limit_price=order.limit_price / ratio if order.limit_price else None,
                stop_price=order.stop_price / ratio if order.stop_price else None,
                filled_quantity=order.filled_quantity * ratio,
                updated_at=self.now,
            )

    def _happen(
        self, kind: str, symbol: str | None, amount: Decimal = Decimal(0), quantity: Decimal | None = None
    ) -> None:
        day = self.now.astimezone(NEW_YORK).date()
        number = len(self.happened)
        self.happened.append(
            BrokerActivity(f"{day:%Y%m%d}000000000::{number:08}", kind, day, amount, symbol, quantity)
        )

    # ------------------------------------------------------------ OrderReader

    def account(self) -> BrokerAccount:
        self._fail("account")
        equity = self._equity()
        return BrokerAccount(
            self.number,
            self.cash,
            equity,
            self._buying_power(),
            MULTIPLIER,
            self.blocks,
            last_equity=equity,
        )

    def clock(self) -> BrokerClock:
        self._fail("clock")
        following = next(
            s for s in self.sessions(self.now.date(), self.now.date() + timedelta(9)) if s.open > self.now
        )
        return BrokerClock(self.now, False, following.open, following.close)

    def sessions(self, start: date, end: date) -> list[Session]:
        self._fail("sessions")
        days = [start + timedelta(number) for number in range((end - start).days + 1)]
        return [_session(day) for day in days if day.weekday() < 5]

    def asset(self, symbol: str) -> BrokerAsset | None:
        self._fail("asset")
        if symbol in self.assets:
            return self.assets[symbol]
        if self.prices and symbol not in self.prices:
            return None
        return BrokerAsset(symbol, tradable=True, fractionable=True, shortable=True)

    def positions(self) -> list[BrokerPosition]:
        self._fail("positions")
        return [self._position(symbol) for symbol, held in sorted(self._holdings.items()) if held.quantity]

    def position(self, symbol: str) -> BrokerPosition | None:
        self._fail("position")
        held = self._holdings.get(symbol)
        return self._position(symbol) if held and held.quantity else None

    def open_orders(self, nested: bool = True) -> list[BrokerOrder]:
        self._fail("open_orders")
        if not nested:
            return [order for order in self._orders.values() if not order.is_terminal]
        return [order for order in self._tops() if any(not o.is_terminal for o in (order, *order.legs))]

    def orders(
        self,
        status: OrderFilter = "all",
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[BrokerOrder]:
        self._fail("orders")
        found = [
            order
            for order in self._tops()
            if (status == "all" or order.is_terminal == (status == "closed"))
            and (after is None or order.submitted_at > after)
            and (until is None or order.submitted_at < until)
        ]
        return found[:limit]

    def order(self, broker_order_id: str) -> BrokerOrder:
        self._fail("order")
        if broker_order_id not in self._orders:
            raise OrderNotFound(404, 40410000, f"order not found for {broker_order_id}")
        return self._nested(self._orders[broker_order_id])

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        self._fail("order_by_client_id")
        return self._by_client_id(client_order_id)

    def fills(self, after_id: str | None = None) -> list[BrokerFill]:
        self._fail("fills")
        return [fill for fill in self._fills if after_id is None or fill.id > after_id]

    def activities(self, since: date) -> list[BrokerActivity]:
        self._fail("activities")
        return [activity for activity in self.happened if activity.day >= since]

    # ------------------------------------------------------------ OrderSubmitter

    def submit(self, request: OrderRequest) -> BrokerOrder:
        failure = self._take_failure("submit")
        if failure is not None and failure != "unclear-after-effect":
            self._raise(failure)
        earlier = self._by_client_id(request.client_order_id)
        if earlier is None:
            self._admit(request)
            earlier = self._place(request)
        if failure is not None:
            self._raise(failure)
        return earlier

    def cancel(self, broker_order_id: str) -> None:
        failure = self._take_failure("cancel")
        if failure is not None and failure != "unclear-after-effect":
            self._raise(failure)
        order = self.order(broker_order_id)
        if not order.is_terminal:
            for one in self._hangs_together(broker_order_id):
                self._end(one, CANCELED)
        if failure is not None:
            self._raise(failure)

    def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        failure = self._take_failure("replace")
        if failure is not None and failure != "unclear-after-effect":
            self._raise(failure)
        after = self._by_client_id(change.client_order_id) or self._replaced(broker_order_id, change)
        if failure is not None:
            self._raise(failure)
        return after

    # ------------------------------------------------------------ inside

    def _replaced(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        before = self.order(broker_order_id)
        if before.is_terminal or before.status == ACCEPTED:
            raise BrokerRejected(422, 42210000, f'order is in "{before.status}" state')
        after = replace(
            before,
            id=f"order-{next(self._numbers):06}",
            client_order_id=change.client_order_id,
            quantity=change.quantity or before.quantity,
            limit_price=change.limit_price or before.limit_price,
            stop_price=change.stop_price or before.stop_price,
            trail_price=change.trail if change.trail and before.trail_price else before.trail_price,
            trail_percent=change.trail if change.trail and before.trail_percent else before.trail_percent,
            time_in_force=change.time_in_force or before.time_in_force,
            submitted_at=self.now,
            updated_at=self.now,
            replaces=before.id,
            legs=(),
        )
        self._orders[after.id] = after
        self._end(before.id, REPLACED)
        self._orders[before.id] = replace(self._orders[before.id], replaced_by=after.id)
        above = self._parents.pop(before.id, None)
        self._parents = {leg: after.id if p == before.id else p for leg, p in self._parents.items()}
        if above is not None:
            self._parents[after.id] = above
        return self._nested(after)

    def _admit(self, request: OrderRequest) -> None:
        if self.blocks:
            raise BrokerRejected(403, 40310000, "account is blocked")
        if request.symbol not in self.prices:
            raise BrokerRejected(422, 42210000, f'asset "{request.symbol}" not found')
        market = self.prices[request.symbol]
        quantity = request.quantity or (request.notional or Decimal(0)) / market
        if request.side == "buy":
            cost = request.notional or quantity * (request.limit_price or market)
            if cost > self._buying_power():
                body = {"buying_power": str(self._buying_power()), "cost_basis": str(cost)}
                raise BrokerRejected(403, 40310000, "insufficient buying power", body)
            return
        held = self._position(request.symbol) if request.symbol in self._holdings else None
        available = held.available if held else Decimal(0)
        if quantity > available:
            body = {"available": str(available), "existing_qty": str(held.quantity if held else 0)}
            raise BrokerRejected(403, 40310000, "insufficient qty available for order", body)

    def _place(self, request: OrderRequest) -> BrokerOrder:
        parent = self._new(request, request.client_order_id, request.side, request.order_type, ACCEPTED)
        is_oco = request.order_class == "oco"  # its target is the parent, its stop the only leg
        parent = replace(
            parent,
            limit_price=request.take_profit_price if is_oco else request.limit_price,
            stop_price=request.stop_price,
            trail_price=request.trail_price,
            trail_percent=request.trail_percent,
            high_water_mark=self.prices[request.symbol] if request.order_type == "trailing_stop" else None,
        )
        self._orders[parent.id] = parent
        exit_side = request.side if is_oco else "sell" if request.side == "buy" else "buy"
        if request.take_profit_price is not None and not is_oco:
            target = self._new(request, f"{parent.id}-target", exit_side, "limit", HELD)
            self._orders[target.id] = replace(target, limit_price=request.take_profit_price)
            self._parents[target.id] = parent.id
        if request.stop_loss_price is not None:
            kind = "stop" if request.stop_loss_limit_price is None else "stop_limit"
            stop = self._new(request, f"{parent.id}-stop", exit_side, kind, HELD)
            self._orders[stop.id] = replace(
                stop, stop_price=request.stop_loss_price, limit_price=request.stop_loss_limit_price
            )
            self._parents[stop.id] = parent.id
        return self._nested(parent)

    def _new(
        self, request: OrderRequest, client_order_id: str, side: str, order_type: str, status: str
    ) -> BrokerOrder:
        return BrokerOrder(
            id=f"order-{next(self._numbers):06}",
            client_order_id=client_order_id,
            symbol=request.symbol,
            side=side,
            order_type=order_type,
            order_class="" if request.order_class == "simple" else request.order_class,
            time_in_force=request.time_in_force,
            quantity=request.quantity,
            notional=request.notional,
            limit_price=None,
            stop_price=None,
            status=status,
            filled_quantity=Decimal(0),
            filled_average_price=None,
            submitted_at=self.now,
            updated_at=self.now,
            extended_hours=request.extended_hours,
        )

    def _trail(self) -> None:
        """Trailing stops follow the market, and never turn back."""
        for order in self._orders.values():
            if order.high_water_mark is None or order.is_terminal:
                continue
            price = self.prices[order.symbol]
            furthest = max if order.side == "sell" else min
            mark = furthest(order.high_water_mark, price)
            trail = order.trail_price or mark * (order.trail_percent or Decimal(0)) / 100
            stop = mark - trail if order.side == "sell" else mark + trail
            self._orders[order.id] = replace(order, high_water_mark=mark, stop_price=stop)

    def _reached(self, order: BrokerOrder) -> bool:
        above = self._orders.get(self._parents.get(order.id, ""))
        if above is not None and above.order_class != "oco" and above.status != FILLED:
            return False
        price, is_buy = self.prices[order.symbol], order.side == "buy"
        if order.stop_price is not None and (
            price < order.stop_price if is_buy else price > order.stop_price
        ):
            return False
        if order.limit_price is not None:
            return price <= order.limit_price if is_buy else price >= order.limit_price
        return True

    def _after_fill(self, order_id: str) -> None:
        """A filled entry wakes its target, or its only exit; a filled exit ends the other one."""
        parent = self._parents.get(order_id)
        group = self._orders[parent or order_id].order_class
        if group == "oco":
            for other in self._hangs_together(parent or order_id):
                if other != order_id:
                    self._end(other, CANCELED)
            return
        for leg in [leg for leg, above in self._parents.items() if above == (parent or order_id)]:
            if parent is not None and leg != order_id:
                self._end(leg, CANCELED)
            elif parent is None and (self._orders[leg].order_type == "limit" or group == "oto"):
                self._orders[leg] = replace(self._orders[leg], status=NEW, updated_at=self.now)

    def _end(self, order_id: str, status: str) -> None:
        if not self._orders[order_id].is_terminal:
            self._orders[order_id] = replace(self._orders[order_id], status=status, updated_at=self.now)

    def _hangs_together(self, order_id: str) -> list[str]:
        above = self._parents.get(order_id, order_id)
        return [order_id, *(leg for leg, parent in self._parents.items() if parent == above)]

    def _book(self, order: BrokerOrder, quantity: Decimal, price: Decimal) -> None:
        held = self._holdings.setdefault(order.symbol, _Holding())
        if order.side == "buy":
            held.average = (held.quantity * held.average + quantity * price) / (held.quantity + quantity)
            held.quantity += quantity
            self.cash -= quantity * price
        else:
            held.quantity -= quantity
            self.cash += quantity * price
        fill_id = f"{self.now.astimezone(NEW_YORK):%Y%m%d%H%M%S000}::{len(self._fills):08}"
        self._fills.append(BrokerFill(fill_id, order.id, order.symbol, order.side, quantity, price, self.now))

    def _position(self, symbol: str) -> BrokerPosition:
        held = self._holdings[symbol]
        bound = sum(
            (
                (o.quantity or Decimal(0)) - o.filled_quantity
                for o in self._orders.values()
                if self._binds(o, symbol)
            ),
            Decimal(0),
        )
        price = self.prices[symbol]
        available = held.quantity - bound
        return BrokerPosition(symbol, held.quantity, available, held.average, held.quantity * price, price)

    def _binds(self, order: BrokerOrder, symbol: str) -> bool:
        """Whether an open sell holds shares; of a bracket's two exits one does."""
        if order.symbol != symbol or order.side != "sell" or order.is_terminal:
            return False
        parent = self._orders.get(self._parents.get(order.id, ""))
        if parent is None:
            return True
        only_leg = parent.order_class == "oto"
        return parent.status == FILLED and (order.order_type == "limit" or only_leg)

    def _equity(self) -> Decimal:
        held = ((h.quantity * self.prices[symbol]) for symbol, h in self._holdings.items())
        return self.cash + sum(held, Decimal(0))

    def _buying_power(self) -> Decimal:
        waiting = (
            o.notional
            or ((o.quantity or Decimal(0)) - o.filled_quantity) * (o.limit_price or self.prices[o.symbol])
            for o in self._orders.values()
            if o.side == "buy" and not o.is_terminal
        )
        equity = self._equity()
        return equity * MULTIPLIER - (equity - self.cash) - sum(waiting, Decimal(0))

    def _by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        for order in self._orders.values():
            if order.client_order_id == client_order_id:
                return self._nested(order)
        return None

    def _tops(self) -> list[BrokerOrder]:
        return [self._nested(order) for order in self._orders.values() if order.id not in self._parents]

    def _nested(self, order: BrokerOrder) -> BrokerOrder:
        legs = tuple(self._orders[leg] for leg, above in self._parents.items() if above == order.id)
        return replace(order, legs=legs)

    def _take_failure(self, method: str) -> Failure | None:
        waiting = self._failures.get(method)
        return waiting.pop(0) if waiting else None

    def _fail(self, method: str) -> None:
        failure = self._take_failure(method)
        if failure is not None:
            self._raise(failure)

    def _raise(self, failure: Failure) -> None:
        if failure == "reject":
            raise BrokerRejected(403, 40310000, "the fake was told to refuse this")
        if failure == "unavailable":
            raise BrokerUnavailable("the fake was told not to answer")
        raise BrokerUnclear(f"the fake was told to be {failure}")


@dataclass
class FakeMarketData:
    """`MarketDataReader` over what a test puts in; quotes are a cent around the price."""

    history: dict[str, list[Bar]] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    now: datetime = START
    actions: list[CorporateAction] = field(default_factory=list)
    price_source: str = ""

    def daily_bars(
        self, symbols: Sequence[str], start: datetime, end: datetime, adjustment: Adjustment = "split"
    ) -> dict[str, list[Bar]]:
        found = {
            symbol: [bar for bar in self.history.get(symbol, ()) if start <= bar.start <= end]
            for symbol in symbols
        }
        return {symbol: bars for symbol, bars in found.items() if bars}

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]:
        """The bars put in are those of whatever timeframe is asked for."""
        found = self.daily_bars(symbols, start, end, adjustment)
        return {symbol: Columns.of(bars) for symbol, bars in found.items()}

    def latest_bars(self, symbols: Sequence[str]) -> dict[str, Bar]:
        return {symbol: self.history[symbol][-1] for symbol in symbols if self.history.get(symbol)}

    def latest_quotes(self, symbols: Sequence[str]) -> dict[str, BrokerQuote]:
        cent = Decimal("0.01")
        return {
            s: BrokerQuote(s, p - cent, p + cent, self.now) for s, p in self.prices.items() if s in symbols
        }

    def latest_trades(self, symbols: Sequence[str]) -> dict[str, BrokerTrade]:
        return {s: BrokerTrade(s, p, self.now) for s, p in self.prices.items() if s in symbols}

    def corporate_actions(self, symbols: Sequence[str], start: date, end: date) -> list[CorporateAction]:
        return [
            action
            for action in self.actions
            if action.symbol in symbols and action.ex_date is not None and start <= action.ex_date <= end
        ]


def _session(day: date) -> Session:
    def at(hour: int, minute: int) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)

    return Session(day, at(9, 30), at(16, 0))
