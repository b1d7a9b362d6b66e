"""Whatever orders, replacements, cancellations and hours come: the account's sums always hold."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from alpaquero.simulation import MatchingTerms, OrderType, Side
from laptop.exchange.book import Book, Change, Order, SharesSplit, Traded
from laptop.exchange.errors import RefusedError
from laptop.exchange.history import History, folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.terms import OrderRequest, ReplaceRequest, StopLoss, TakeProfit
from laptop.exchange.venue import Venue

DAYS = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26", "2012-11-27", "2012-11-28"]
# X moves, Y is split 2:1 and later 1:10.
BARS = {
    "X": [
        "100,101,99,100",
        "100,106,95,104",
        "103,104,96,97",
        "92,99,90,98",
        "99,108,98,107",
        "107,107,88,90",
        "91,103,91,100",
    ],
    "Y": [
        "40,41,39,40",
        "40,42,38,41",
        "20,21,19,20",
        "20,22,18,21",
        "210,215,200,205",
        "205,220,190,195",
        "196,205,195,200",
    ],
}
NOTHING = Decimal(0)


@lru_cache(maxsize=1)
def history() -> History:
    """Two symbols, seven sessions, two splits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for symbol, bars in BARS.items():
            rows = [f"{day},{bar},1000" for day, bar in zip(DAYS, bars, strict=True)]
            (folder / f"{symbol}.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
        (folder / "splits.csv").write_text(
            "symbol,ex_date,new_shares,old_shares\nY,2012-11-21,2,1\nY,2012-11-26,1,10\n"
        )
        return folder_history(folder)


class Trader:
    """Does one thing after another on a venue, mostly what is allowed; what it does follows from a seed."""

    def __init__(self, venue: Venue, seed: int) -> None:
        self._venue, self._random = venue, Random(seed)
        self._deeds = [self._place] * 10 + [self._replace] * 3 + [self._cancel, venue.step, self._pass] * 2

    def act(self) -> None:
        """One deed, or a refusal."""
        with suppress(RefusedError):
            self._random.choice([*self._deeds, self._venue.cancel_all])()

    def _pass(self) -> None:
        """Let hours pass, to any time of day or night."""
        self._venue.jump(self._venue.now + timedelta(hours=self._random.randint(1, 20)))

    def _cancel(self) -> None:
        order = self._working()
        if order is not None:
            self._venue.cancel(order.id)

    def _working(self) -> Order | None:
        working = list(self._venue.book.all_open_orders())
        return self._random.choice(working) if working else None

    def _replace(self) -> None:
        order = self._working()
        if order is None:
            return
        step = Decimal(self._random.randint(-300, 300)) / 100
        more = Decimal(self._random.randint(1, 200)) if self._random.random() < 0.3 else None
        self._venue.replace_order(
            order.id,
            ReplaceRequest(
                qty=more,
                limit_price=order.limit_price + step if order.limit_price else None,
                stop_price=order.stop_price + step if order.stop_price else None,
                trail=Decimal(2) if order.trail_price else None,
            ),
        )

    def _place(self) -> None:
        symbol, pick = self._random.choice(["X", "Y"]), self._random.choice
        side = pick(list(Side))
        kind = pick(["simple"] * 4 + ["bracket", "oco", "oto"])
        type_ = OrderType.LIMIT if kind == "oco" else pick(list(OrderType))
        plain = kind == "simple" and type_ in {OrderType.MARKET, OrderType.LIMIT}
        broken = plain and self._random.random() < 0.2
        dollars = broken and type_ is OrderType.MARKET and self._random.random() < 0.5
        time_in_force = "day" if broken else pick(["day", "gtc", *(["ioc", "fok", "opg", "cls"] * plain)])
        trails = type_ is OrderType.TRAILING_STOP
        up = 1 if side is Side.BUY else -1
        leg = pick(["target", "stop"]) if kind == "oto" else kind
        entry = -up if kind == "oco" else up
        waits = plain and type_ is OrderType.LIMIT and time_in_force in {"day", "gtc"}
        self._venue.place_order(
            OrderRequest(
                symbol=symbol,
                qty=None if dollars else Decimal("7.25") if broken else Decimal(self._random.randint(1, 150)),
                notional=Decimal(500) if dollars else None,
                side=side.value,
                type=type_.value,
                time_in_force=time_in_force,
                limit_price=self._price(symbol, pick([-1, 1])) if "limit" in type_ else None,
                stop_price=self._price(symbol, up) if type_ in {"stop", "stop_limit"} else None,
                trail_price=Decimal(3) if trails and symbol == "X" else None,
                trail_percent=Decimal(4) if trails and symbol == "Y" else None,
                extended_hours=waits and self._random.random() < 0.4,
                order_class=kind,
                take_profit=TakeProfit(self._price(symbol, entry))
                if leg in {"bracket", "oco", "target"}
                else None,
                stop_loss=StopLoss(self._price(symbol, -entry))
                if leg in {"bracket", "oco", "stop"}
                else None,
            )
        )

    def _price(self, symbol: str, direction: int) -> Decimal:
        """A price up to six per cent above or below the last one."""
        trade = self._venue.market.last_trade(symbol, self._venue.now)
        assert trade is not None
        away = 1 + Decimal(direction * self._random.randint(1, 600)) / 10_000
        return (trade.price * away).quantize(Decimal("0.01"))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), deeds=st.integers(1, 60), partial=st.sampled_from([0.0, 0.6, 1.0]))
def test_whatever_comes_the_account_adds_up_and_replays(seed: int, deeds: int, partial: float) -> None:
    """Cash moves by fills and broken shares alone, exits never exceed the shares, and the ledger replays."""
    with tempfile.TemporaryDirectory() as state:
        terms = MatchingTerms(1, Decimal(2), partial)
        venue = open_venue(history(), Path(state), terms, first=date.fromisoformat(DAYS[1]))
        told: list[tuple[datetime, Change]] = []
        venue.listeners.append(told.extend)
        trader = Trader(venue, seed)
        filled: dict[str, Decimal] = {}
        try:
            for _ in range(deeds):
                trader.act()
                check_sums(venue.book)
                check_cash(venue.book, [change for _, change in told])
                filled = check_filled(venue.book, filled)
            assert venue._ledger.book() == venue.book
        finally:
            venue.close()


def check_sums(book: Book) -> None:
    """The sums that the book keeps are those of a walk through all orders."""
    working = [order for order in book.orders.values() if order.working]
    assert book.reserved == sum((order.reserved for order in working), start=NOTHING)
    assert book.extended == {order.id for order in working if order.extended_hours}
    held: dict[str, dict[str, Decimal]] = defaultdict(dict)
    opening: dict[tuple[str, Side], int] = defaultdict(int)
    for order in working:
        if order.intent.closes and book.live(order):
            groups = held[order.symbol]
            groups[order.group] = max(groups.get(order.group, NOTHING), order.remaining)
        elif not order.intent.closes:
            opening[order.symbol, order.side] += 1
    for symbol in BARS:
        position = book.positions.get(symbol)
        assert book.held(symbol) == sum(held[symbol].values(), start=NOTHING)
        assert book.held(symbol) <= abs(position.quantity if position else NOTHING)
        for side in Side:
            assert book.opening.get((symbol, side), 0) == opening[symbol, side]
            check_resting(book, [one for one in working if (one.symbol, one.side) == (symbol, side)])
        assert not (opening[symbol, Side.BUY] and opening[symbol, Side.SELL])


def check_resting(book: Book, orders: list[Order]) -> None:
    """The best price of the plain orders of one side is the one that a walk finds."""
    if not orders:
        return
    side = book.resting(orders[0].symbol, orders[0].side)
    plain = [order for order in orders if order.rests]
    limits = [order.limit_price for order in plain if order.limit_price is not None]
    best = (max if orders[0].side is Side.BUY else min)(limits, default=None)
    found = side.best()
    assert (found[1] if found else None) == best
    assert (side.taker() is not None) == any(order.limit_price is None for order in plain)


def check_cash(book: Book, changes: list[Change]) -> None:
    """Cash is what was there at first, less what was bought, plus what was sold or paid for broken shares.

    No position is turned round by a fill, and no exit opens one.
    """
    cash, owned = Decimal(100_000), defaultdict[str, Decimal](Decimal)
    for change in changes:
        match change:
            case Traded(trade, order):
                signed = trade.quantity if trade.side is Side.BUY else -trade.quantity
                before, after = owned[trade.symbol], owned[trade.symbol] + signed
                assert before * after >= 0
                assert order.intent.closes == (abs(after) < abs(before))
                cash, owned[trade.symbol] = cash - signed * trade.price, after
            case SharesSplit(symbol, ratio, paid):
                cash += paid
                shares = owned[symbol] * ratio
                owned[symbol] = Decimal(int(shares)) if paid else shares
    assert book.cash == cash
    assert {symbol: shares for symbol, shares in owned.items() if shares} == {
        symbol: position.quantity for symbol, position in book.positions.items()
    }


def check_filled(book: Book, before: dict[str, Decimal]) -> dict[str, Decimal]:
    """What an order has filled only rises, and never above its quantity."""
    now = {order.id: order.filled_quantity for order in book.orders.values()}
    assert all(now[order_id] >= filled for order_id, filled in before.items())
    assert all(order.filled_quantity <= order.quantity for order in book.orders.values())
    return now
