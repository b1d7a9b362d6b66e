"""Whole round trips at once: from a signal while nothing is held until what it bought is sold again.

Asked by `engine.Backtest.play` in a backtest of one symbol. What risk says, at what prices orders fill,
and when, is asked of the functions that trade live; left out is the life of the orders in between. A trip
that anything else could touch is left to the sessions one by one: `take` then changes nothing. Both ways
give the same result to the last digit: `tests/unit/simulation/test_round_trips.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from alpaquero.orders.intent import Intent
from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.prices.columns import Columns
from alpaquero.risk.verdict import Verdict
from alpaquero.simulation.backtest.account import GTC_LIFE
from alpaquero.simulation.backtest.signals import Raised
from alpaquero.simulation.fills import match, match_exits
from alpaquero.simulation.identity import leg_client_order_id
from alpaquero.simulation.matching import Role, after_entry, time_in
from alpaquero.simulation.path import SessionPath
from alpaquero.simulation.working import Fill, Moment, PriceSpan, WorkingOrder

if TYPE_CHECKING:
    from alpaquero.simulation.backtest.engine import Backtest

# Python 3.11 takes ten times as long to find a member in its enum.
_BUY, _SELL, _GTC = Side.BUY, Side.SELL, TimeInForce.GTC
_MARKET, _STOP, _LIMIT = OrderType.MARKET, OrderType.STOP, OrderType.LIMIT
_AS_ENTRY, _AS_STOP, _AS_TARGET = Role.ENTRY, Role.STOP, Role.TARGET
_AT_FIRST_PRICE = Moment.START


class Sale(NamedTuple):
    """A filled exit: in the session at which place, as the stop or the target, when."""

    place: int
    role: Role
    fill: Fill
    at: datetime


class RoundTrips:
    """The round trips of a backtest's only symbol."""

    def __init__(self, test: Backtest, symbol: str) -> None:
        self.test, self.account, self.symbol = test, test.account, symbol
        self.traded, self.raised = test.calendar.traded, test.found.by_place
        self.places, self.columns = test.places[symbol], test.bars[symbol]
        self.matching = test.terms.matching
        self.raising = sorted(self.raised)
        self.sells = sorted(
            {place for place, raised in self.raised.items() for one in raised if one.side is _SELL}
        )

    @classmethod
    def of(cls, test: Backtest) -> RoundTrips | None:
        """Those of the backtest; None where symbols compete or orders may change before they fill."""
        if len(test.bars) != 1 or not test.is_daily or test.splits_of:
            return None
        if test.restless or test.terms.partial_fill_probability:
            return None
        return cls(test, next(iter(test.bars)))

    def take(self, place: int) -> int | None:
        """Buys on the signal of session `place` and sells again; the place of the session of the sale.

        Called while nothing is held and no order works. What the last session raised is not judged yet.
        None, and nothing has changed, where the sessions have to be gone through.
        """
        test, raised, cash = self.test, self.raised[place], self.account.cash
        if len(raised) != 1 or self._near_a_limit([cash]):
            return None
        if raised[0].side is not _BUY or raised[0].source.shadow:
            return None
        before = test.day_start, test.equity
        test.day_start, test.equity = test.equity, cash
        sold = self._trip(place, raised[0])
        if sold is None:
            test.day_start, test.equity = before
        return sold

    def _trip(self, place: int, raised: Raised) -> int | None:
        """Buys and sells again; the place of the sale."""
        test, account, session = self.test, self.account, self.traded[place]
        cash, now = account.cash, test.calendar.evenings[place]
        intent = test.intent_on(raised.signal(session), place)
        verdict = test.judged(intent, test.book_at(now), place, now)
        if not verdict.approved or test.worth_of(intent, verdict) is None:
            return None
        bought = self._purchase(place + 1, verdict)
        sale = None if bought is None else self._sale(place + 1, verdict)
        if bought is None or sale is None or self.traded[sale.place].date - session.date >= GTC_LIFE:
            return None
        paid = cash - account.cost(_BUY, bought)
        marks = self._marks(place + 1, sale.place, bought.quantity, paid)
        if self._near_a_limit([*marks, paid - account.cost(_SELL, sale.fill)]):
            return None
        test.counts["signals"] += 1
        test.counts["intents"] += 1
        begin, end = bisect_left(self.raising, place + 1), bisect_left(self.raising, sale.place)
        for between in self.raising[begin:end]:
            for one in self.raised[between]:
                test.pass_over(one, held=True)
        test.rest(1)
        test.mark(marks, paid)
        test.note_time(now)
        self._book(intent, bought, sale, self.traded[place + 1].open)
        return sale.place

    # the two fills

    def _purchase(self, place: int, verdict: Verdict) -> Fill | None:
        """The entry's fill at the open of session `place`, None when that has no bar."""
        if place >= len(self.places) or self.places[place] < 0:
            return None
        order = WorkingOrder(_AS_ENTRY, _BUY, _MARKET, verdict.quantity, time_in_force=_GTC)
        opened = Decimal(repr(self.columns.open[self.places[place]]))
        return match(order, PriceSpan(opened, opened, opened, opened, True), self.matching)

    def _sale(self, place: int, verdict: Verdict) -> Sale | None:
        """How the bracket ends from session `place` on; None where a sale's signal or a gap comes first."""
        stop, target = _exits(verdict)
        lowest, highest = float(stop.stop_price or 0), float(target.limit_price or 0)
        lows, highs, first = self.columns.low, self.columns.high, self.places[place]
        sells = bisect_left(self.sells, place)
        last = self.sells[sells] if sells < len(self.sells) else len(self.places) - 1
        for index in range(first, min(first + last - place + 1, len(lows))):
            if lows[index] <= lowest or highs[index] >= highest:
                at, path = place + index - first, path_of(self.columns, index)
                outcome = match_exits(stop, target, _span(path), self.matching)
                if outcome is not None and self.places[at] == index:  # else a session had no bar
                    order, fill = outcome
                    when = self._time(at, path, order, fill, self.traded[place].open)
                    return Sale(at, _AS_STOP if order is stop else _AS_TARGET, fill, when)
        return None

    def _time(
        self, place: int, path: SessionPath, order: WorkingOrder, fill: Fill, entered: datetime
    ) -> datetime:
        """When in its session an exit filled: at the open, or when the path reached its price."""
        session, level = self.traded[place], order.limit_price or order.stop_price
        if fill.moment is _AT_FIRST_PRICE or level is None:
            return after_entry(session.open, entered)
        return after_entry(time_in(session, path.reached_from_start(level)), entered)

    # what follows

    def _near_a_limit(self, equities: Sequence[Decimal]) -> bool:
        """Whether equity, marked so after the next sessions, may reach a limit at one of them."""
        test = self.test
        before, peak = test.equity, test.peak
        if min(equities) > max(before, peak, *equities) * test.least_of_any:
            return False
        for equity in equities:
            peak = max(peak, equity)
            if test.is_near_a_limit(equity, peak, before):
                return True
            before = equity
        return False

    def _marks(self, begin: int, end: int, shares: Decimal, cash: Decimal) -> list[Decimal]:
        """Equity after each session from place `begin` until `end`, each with a bar."""
        first = self.places[begin]
        closes = self.columns.close[first : first + end - begin]
        return [cash + shares * close for close in map(Decimal, map(repr, closes))]

    def _book(self, intent: Intent, bought: Fill, sale: Sale, opened: datetime) -> None:
        account, entry = self.account, intent.client_order_id
        leg = leg_client_order_id(account.fill_terms.seed, entry, sale.role)
        if sale.role is _AS_STOP:
            self.test.stop_ids.add(leg)
        came = account.book(entry, self.symbol, _BUY, bought, opened)
        went = account.book(leg, self.symbol, _SELL, sale.fill, sale.at)
        self.test.round_trip(intent, came, went, sale.role.words)


def _exits(verdict: Verdict) -> tuple[WorkingOrder, WorkingOrder]:
    """The stop and the target of a bracket, known by their roles until one fills."""
    quantity, stop, target = verdict.quantity, verdict.stop_loss_price, verdict.take_profit_price
    return (
        WorkingOrder(_AS_STOP, _SELL, _STOP, quantity, stop_price=stop, time_in_force=_GTC),
        WorkingOrder(_AS_TARGET, _SELL, _LIMIT, quantity, limit_price=target, time_in_force=_GTC),
    )


def _span(path: SessionPath) -> PriceSpan:
    return PriceSpan(path.open, path.high, path.low, path.close, True, True)


def path_of(columns: Columns, index: int) -> SessionPath:
    """The prices of a bar."""
    return SessionPath(
        Decimal(repr(columns.open[index])),
        Decimal(repr(columns.high[index])),
        Decimal(repr(columns.low[index])),
        Decimal(repr(columns.close[index])),
    )
