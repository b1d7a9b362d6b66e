"""Runs strategies over past sessions by the rules that trade live; asked by the command and the job.

A session goes as one of `alpaquero demo` goes: the market trades what waits, the books are brought
level, signals on the closed bars are ranked and judged by risk one after the other, orders wait for
the next open; then equity is marked, locks come and go, and what risk wants done is done. On bars of a
part of a day each bar goes so, and what waits trades at the open of the next one that is there. Strategies
of several timeframes go through the bars of the shortest; each is judged as a bar of its own closes, days in
the evening. The rules are the live ones: `strategy.conclusion`, `risk.rules`, `risk.locks`, `risk.exits`,
`orders.timeouts`, `simulation.matching`. Nothing is looked at in a bar in which nothing can happen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Protocol, cast

from alpaquero.orders.identity import client_order_id, exit_key, is_ours
from alpaquero.orders.intent import Intent, OrderType, Purpose, Side
from alpaquero.orders.order import ExitStep, Order, OrderOrigin, OrderPurpose
from alpaquero.orders.protection import in_todays_shares, stop_price_under
from alpaquero.orders.timeouts import OrderSettings, overdue
from alpaquero.portfolio.movements import Split, begins, in_order
from alpaquero.portfolio.trades import trades_of
from alpaquero.prices.aggregation import aggregated
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.prices.splits import SplitDay
from alpaquero.quickly_made import maker
from alpaquero.risk import derived
from alpaquero.risk.activity import Execution, Folded, Folding, LiveActivity, orders_within
from alpaquero.risk.book import Reservation, RiskBook, TradingState, market_day
from alpaquero.risk.exits import due_exits, next_exit, with_highs
from alpaquero.risk.facts import Facts, MarketPrice, OpenOrder
from alpaquero.risk.limits import HUNDRED, RiskLimits, SizingMethod
from alpaquero.risk.locks import locked
from alpaquero.risk.rules import assess, reservation_for
from alpaquero.risk.verdict import Verdict
from alpaquero.simulation.backtest import signals
from alpaquero.simulation.backtest.account import Account, Booked, SimulatedOrder, Watch
from alpaquero.simulation.backtest.live_book import LiveBook, LivePositions
from alpaquero.simulation.backtest.parts import check_same_scale, regular
from alpaquero.simulation.backtest.result import Result, TradeRow
from alpaquero.simulation.backtest.round_trips import RoundTrips, path_of
from alpaquero.simulation.backtest.signals import Raised
from alpaquero.simulation.backtest.terms import AFTER_CLOSE, FillTerms
from alpaquero.simulation.fills import taken
from alpaquero.simulation.margin import power
from alpaquero.simulation.matching import EXITS, TERMINAL, Role, Status
from alpaquero.simulation.path import SessionPath
from alpaquero.strategy import conclusion, indicators
from alpaquero.strategy.planning import timeframes, valid_until
from alpaquero.strategy.ranking import rank
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.signal import Signal

ATR_PERIODS = 8  # bars for each bar of the period, as `store.risk_facts` asks for
BROKER_REJECTED = "broker_rejected"
_ZERO = Decimal(0)
_facts, _market_price = maker(Facts), maker(MarketPrice)
# Python 3.11 takes ten times as long to find a member in its enum.
_BUY, _ENTRY, _EXIT, _ATR = Side.BUY, Purpose.ENTRY, Purpose.EXIT, SizingMethod.ATR
_DAILY = Timeframe.DAY
_ENTERED, _EXITED, _STOP = OrderPurpose.ENTRY, OrderPurpose.EXIT, OrderType.STOP
_MARGIN = Decimal("0.001")  # percent: how far from a limit nothing need be looked at
_FOUR_DECIMALS = Decimal("0.0001")


class Trading(Protocol):
    """What a backtest reads of the trading settings (`alpaquero.store.trading_settings`)."""

    @property
    def watchlist(self) -> tuple[str, ...]:
        """The symbols of a strategy that names none; empty is every symbol that has bars."""

    @property
    def strategies(self) -> Mapping[str, StrategySettings]:
        """The strategies by name."""

    @property
    def risk(self) -> RiskLimits:
        """The limits."""

    @property
    def orders(self) -> OrderSettings:
        """How long an entry may wait."""


def run(
    bars: Mapping[str, Columns],
    *,
    sessions: Sequence[Session],
    settings: Trading,
    longer: Mapping[Timeframe, Mapping[str, Columns]] | None = None,
    start: date | None = None,
    end: date | None = None,
    splits: Sequence[SplitDay] = (),
    terms: FillTerms | None = None,
    cash: Decimal = Decimal(100_000),
    account: str = "paper",
    progress: Callable[[int, int, date], None] | None = None,
) -> Result:
    """Trades the sessions from `start` to `end`, both included; None is as far as the bars go.

    `bars` are raw bars by symbol, of the shortest timeframe that a strategy judges, which orders trade on;
    `longer` are those of the others. What lies before `start` is for the indicators to settle. `sessions` is
    the calendar, oldest first, from before `start` (with bars of a part of a day: from the first bar) until
    some sessions past `end`, as many as a signal is valid for. A signal on a bar trades from the open of the
    next one on. An empty watchlist is every symbol that has bars. `progress` is told how many sessions of how
    many are done.
    Raises `ValueError` where the calendar does not fit, where bars of a timeframe are missing, and where
    those of two timeframes are told at different scales.
    """
    shortest, *others = timeframes(settings.strategies) or [Timeframe.DAY]
    bars = regular(bars, sessions, shortest)
    first, last = _traded(bars, sessions, start, end)
    judged = {shortest: (bars, signals.Calendar.of(sessions, first, last, shortest))}
    for timeframe in others:
        given = (longer or {}).get(timeframe)
        if given is None:
            raise ValueError(f"there are no bars of {timeframe}, which a strategy judges; give them too")
        check_same_scale(bars, given, timeframe)
        calendar = signals.Calendar.of(sessions, first, last, timeframe)
        judged[timeframe] = regular(given, sessions, timeframe), calendar
    for one in settings.strategies.values():
        calendar, validity = judged[one.timeframe][1], one.signal_validity_bars
        if len(calendar.traded) - 1 + validity >= calendar.begins[-1]:
            raise ValueError(
                f"sessions end {sessions[-1].date}; give {validity} more than the last one traded, "
                f"{sessions[last].date}, for signals are valid that long"
            )
    return Backtest(judged, settings, splits, terms or FillTerms(), cash, account).play(progress)


def _traded(
    bars: Mapping[str, Columns], sessions: Sequence[Session], start: date | None, end: date | None
) -> tuple[int, int]:
    """The places of the first and the last session that are traded."""
    held = [columns for columns in bars.values() if len(columns)]
    if not held:
        raise ValueError("there are no bars to trade; name symbols and dates that have some")
    begin, finish = min(one.start[0] for one in held), max(one.start[-1] for one in held)
    first = bisect_left(sessions, datetime.fromtimestamp(begin, NEW_YORK).date(), key=_date)
    last = bisect_right(sessions, finish, key=signals.start_seconds) - 1
    if start is not None:
        first = max(first, bisect_left(sessions, start, key=_date))
    if end is not None:
        last = min(last, bisect_right(sessions, end, key=_date) - 1)
    if first > last:
        raise ValueError(f"no session from {start} to {end} has bars; choose other dates")
    return first, last


Judged = tuple[Mapping[str, Columns], signals.Calendar]
"""The bars of one timeframe by symbol, and the calendar of its steps."""


class Backtest:
    """One backtest, from the first session to the last."""

    def __init__(  # noqa: PLR0917 - what `run` was given
        self,
        judged: Mapping[Timeframe, Judged],
        settings: Trading,
        splits: Sequence[SplitDay],
        terms: FillTerms,
        cash: Decimal,
        label: str,
    ) -> None:
        """`judged` are the bars of each timeframe with the calendar of them, the shortest first."""
        self.timeframe, (bars, calendar) = next(iter(judged.items()))
        self.bars = {symbol: bars[symbol] for symbol in sorted(bars) if len(bars[symbol])}
        self.calendar, self.settings, self.limits, self.terms = calendar, settings, settings.risk, terms
        self.account = Account(label, cash, terms)
        self.is_daily, self.is_mixed = self.timeframe is _DAILY, len(judged) > 1
        self.splits: dict[int, list[SplitDay]] = defaultdict(list)  # by the first place of their day
        self.splits_of: dict[str, list[SplitDay]] = defaultdict(list)
        for split in sorted(splits, key=lambda one: (one.ex_date, one.symbol)):
            if split.symbol in self.bars:
                if (at := calendar.place_of(split.ex_date)) is not None:
                    self.splits[at].append(split)
                self.splits_of[split.symbol].append(split)
        self.places = {symbol: calendar.places(columns) for symbol, columns in self.bars.items()}
        self.found = self._found(judged)
        self.equity = self.peak = self.day_start = self.initial = cash
        self.number = -1  # of the session that `day_start` is of
        self.days = dict(judged[_DAILY][0] if _DAILY in judged else {})  # else what shorter bars add up to
        self.power = _ZERO  # what the broker lets be bought yet
        self.prices: dict[str, Decimal] = {}  # the last close of what is held
        self.reservations: dict[str, Reservation] = {}
        self.recent: tuple[datetime, ...] = ()
        self.told: dict[str, tuple[str, str]] = {}  # of each order its strategy and its tag
        self.purposes: dict[str, OrderPurpose] = {}
        self.stops: dict[str, Decimal] = {}  # of each entry its stop
        self.stop_ids: set[str] = set()
        self.folding = Folding(Folded(), self.stop_ids, None)
        self.fills_folded = 0
        self.traded_lately = True  # whether the fold knows more than the book's activity
        self.trades: list[TradeRow] = []  # round trips that are whole already ...
        self.in_trades = set[int]()  # ... and the places of their fills
        self.movements: list[Split] = []
        self.equities: list[Decimal] = []  # after each step
        self.cash: list[Decimal] = []
        self.counts = Counter[str]()
        self.passed_over, self.refused = Counter[str](), Counter[str]()
        opened = calendar.sessions[calendar.first].open
        self.book: Any = LiveBook(  # to mypy the fields of a risk book cannot be set
            account=label,
            cash=cash,
            equity=cash,
            peak_equity=cash,
            as_of=opened,
            reservations=self.reservations,
            positions=cast("Any", LivePositions(self.account.positions, self.prices)),  # no dictionary
        )
        self.quiet_until = 0  # the place of the first step in which an order may trade or end
        risk, orders = settings.risk, settings.orders
        # The part of its peak, and of what the day began with, at which equity is near a limit.
        self.least_of_peak = 1 - (risk.drawdown_limit_percent - _MARGIN) / HUNDRED
        self.least_of_day = 1 - (risk.daily_loss_limit_percent - _MARGIN) / HUNDRED
        self.least_of_any = max(self.least_of_peak, self.least_of_day)
        # Whether risk itself does something to a position that rests.
        self.restless = bool(
            risk.trailing_stop_percent or risk.maximum_holding_days or orders.entry_timeout_minutes
        )

    def _found(self, judged: Mapping[Timeframe, Judged]) -> signals.Found:
        """What the strategies say of the bars of their timeframes, by the step in which a bar closes."""
        all_found = signals.Found()
        for name, one in self.settings.strategies.items():
            own = self.settings.watchlist if one.symbols is None else one.symbols
            chosen = tuple(self.bars) if one.symbols is None and not own else own
            bars, calendar = judged[one.timeframe]
            wanted = {symbol: bars[symbol] for symbol in chosen if symbol in self.bars and symbol in bars}
            if calendar is self.calendar:
                signals.find(name, one, wanted, self.splits_of, calendar, all_found)
            else:
                found = signals.Found()
                signals.find(name, one, wanted, self.splits_of, calendar, found)
                all_found.take(found, self.calendar.closing_with(calendar))
        return all_found

    def play(self, progress: Callable[[int, int, date], None] | None) -> Result:
        """Every step, then the result."""
        traded, by_place = self.calendar.traded, self.found.by_place
        account, equities, cash = self.account, self.equities, self.cash
        numbers, sessions, told = self.calendar.numbers, len(self.calendar.days), 0
        trips, place = RoundTrips.of(self), 0
        raised_at = sorted(by_place, reverse=True)
        while place < len(traded):
            ended: int | None = None
            if not (account.positions or account.working or self.book.locks):
                while raised_at and (raised_at[-1] < place or self._is_idle(by_place[raised_at[-1]])):
                    raised_at.pop()
                idle = (raised_at[-1] if raised_at else len(traded)) - place
                if idle:
                    self.rest(idle)
                    place += idle
                if trips is not None and place < len(traded):
                    ended = trips.take(place)
            if ended is not None:
                place = ended
            elif place < len(traded):
                self._step(place, traded[place], by_place.get(place, ()))
                equities.append(self.equity)
                cash.append(account.cash)
                place += 1
            if progress is not None and numbers[place - 1] >= told:
                told = numbers[place - 1] + 1
                progress(told, sessions, traded[place - 1].date)
        return self._result()

    def _is_idle(self, raised: Sequence[Raised]) -> bool:
        """Whether nothing can come of the signals while nothing is held; then they are counted."""
        for one in raised:
            if one.side is _BUY:
                return False
        for one in raised:
            self.pass_over(one, held=False)
        return True

    def rest(self, steps: int) -> None:
        """Notes equity after the next steps, in which all of it is cash."""
        held = self.account.cash
        self.equities += [held] * steps
        self.cash += [held] * steps
        self.equity = held
        self.peak = max(self.peak, held)

    def mark(self, equities: Sequence[Decimal], cash: Decimal) -> None:
        """Notes equity after the next steps, with as much cash after each, and the highest there was."""
        if equities:
            self.equities += equities
            self.cash += [cash] * len(equities)
            highest = max(equities)
            self.equity, self.peak = equities[-1], max(self.peak, highest)

    # a step: a session, or the part of one that a bar covers

    def _step(self, place: int, session: Session, raised: Sequence[Raised]) -> None:
        account, now = self.account, self.calendar.evenings[place]
        loud = (
            place >= self.quiet_until
            or now >= account.earliest
            or place in self.splits
            or self.restless
            or bool(self.book.locks)
        )
        if loud:
            self._trade(place, session)
            account.pass_to(now)
            self._release()
        if self.is_daily:
            self.day_start = self.equity
        else:
            self._begin_day(place)
        self._mark(place)
        concluded = False
        late: Sequence[Raised] = ()
        if raised and self.is_mixed:
            runs = self._runs(raised)
            late = runs.pop(_DAILY, ())
            for run in runs.values():
                concluded |= self._judge(place, session, now, run)
        elif raised:
            concluded = self._judge(place, session, now, raised)
        if loud or concluded or self._near_a_limit():
            self._watch(place, now)
            self.quiet_until = self._next_place(place)
        elif self.equity > self.peak:
            self.peak = self.equity
        if late and self._judge(place, session, session.close + AFTER_CLOSE, late):
            self.quiet_until = place + 1

    @staticmethod
    def _runs(raised: Sequence[Raised]) -> dict[Timeframe, list[Raised]]:
        """The signals of a step by the runs that live has for them: one a timeframe, the shortest first."""
        by_timeframe: dict[Timeframe, list[Raised]] = defaultdict(list)
        for one in raised:
            by_timeframe[one.source.settings.timeframe].append(one)
        return {timeframe: by_timeframe[timeframe] for timeframe in Timeframe if timeframe in by_timeframe}

    def _judge(self, place: int, session: Session, now: datetime, raised: Sequence[Raised]) -> bool:
        """Concludes a run; whether risk had to be asked about any of its signals."""
        left = [one for one in raised if not self.needs_no_book(one)]
        if left:
            self.account.pass_to(now)
            self._conclude(place, session, now, left)
        return bool(left)

    def _begin_day(self, place: int) -> None:
        """Keeps what there was at the close of the session before."""
        number = self.calendar.numbers[place]
        if number != self.number:
            begin = self.calendar.begins[number]
            self.number, self.day_start = number, self.equities[begin - 1] if begin else self.initial

    def _next_place(self, place: int) -> int:
        """The place of the first step after `place` in which an order may trade."""
        watches, following, found = self.account.watches, place + 1, len(self.calendar.traded)
        for symbol in self.account.working:
            watch = watches.get(symbol)
            until = following if watch is None else self._until(symbol, watch, following)
            if until == following:
                return following
            found = min(found, until)
        return found

    def _until(self, symbol: str, watch: Watch, place: int) -> int:
        """The place of the symbol's first bar from `place` on that leaves what is watched."""
        if watch.until < place:
            places, columns = self.places[symbol], self.bars[symbol]
            lows, highs, low, high = columns.low, columns.high, watch.low_float, watch.high_float
            while place < len(places):
                index = places[place]
                if index >= 0 and (lows[index] < low or highs[index] > high):
                    break
                place += 1
            watch.until = place
        return watch.until

    def _trade(self, place: int, session: Session) -> None:
        """The market trades: splits, what waits, and the closes that positions are worth."""
        account = self.account
        account.pass_to(session.open)
        if place in self.splits:
            account.open(session)
            for split in self.splits[place]:
                self._split(split, place, session)
        watches = account.watches
        touched: dict[str, SessionPath] = {}
        for symbol in account.working:
            watch = watches.get(symbol)
            if watch is not None and (watch.until > place or self._until(symbol, watch, place) > place):
                continue
            if (index := self.places[symbol][place]) >= 0:
                touched[symbol] = path_of(self.bars[symbol], index)
        if touched:
            account.open(session)
            account.trade(session, touched)

    def _split(self, split: SplitDay, place: int, session: Session) -> None:
        """A split of a symbol: shares and orders, then what the books fold."""
        symbol, account = split.symbol, self.account
        index = self.places[symbol][place]
        last = self.prices.get(symbol)
        price = (
            Decimal(repr(self.bars[symbol].open[index]))
            if index >= 0
            else (last or split.ratio) / split.ratio
        )
        held = symbol in account.positions
        cash = account.split(split, price, session.open)
        if last is not None:
            self.prices[symbol] = last / split.ratio
        if not held:
            return
        movement = Split(
            id=f"split:{symbol}:{split.ex_date}",
            account=account.label,
            symbol=symbol,
            at=begins(split.ex_date),
            ratio=split.ratio,
            whole=bool(cash),
            cash=cash,
        )
        self._fold()
        self.folding.add(movement)
        self.movements.append(movement)
        self.book.highs = derived.with_movements(self.book, [movement]).highs

    def _release(self) -> None:
        """What a sync does to reservations: ended orders reserve nothing any more."""
        for identifier, reservation in list(self.reservations.items()):
            order = self.account.orders[identifier]
            if order.status in TERMINAL:
                del self.reservations[identifier]
            elif order.filled_quantity:
                left = derived.left(reservation, self._as_order(order))
                if left is not None:
                    self.reservations[identifier] = left

    def _mark(self, place: int) -> None:
        """The closes that positions are worth, and equity at them."""
        worth, prices, places, bars = _ZERO, self.prices, self.places, self.bars
        for symbol, shares in self.account.positions.items():
            if (index := places[symbol][place]) >= 0:
                prices[symbol] = price = Decimal(repr(bars[symbol].close[index]))
            else:
                price = prices[symbol]
            worth += shares * price
        self.equity = self.account.cash + worth

    def _fold(self) -> None:
        """Folds the fills that came since it was last asked."""
        booked = self.account.booked
        if len(booked) > self.fills_folded:
            for fill in self._in_order(booked[self.fills_folded :]):
                self.folding.take(fill)
                self.folding.newest_fill_at = fill.at
            self.fills_folded, self.traded_lately = len(booked), True

    def _in_order(self, fills: Sequence[Booked]) -> Iterable[Execution]:
        """The fills as `movements.in_order` has them, but for purchases of different symbols at one instant.

        Their order changes nothing, and no id has to be made to know it.
        """
        placed = [(one.at, not is_ours(one.client_order_id), one) for one in fills]
        sold = [(at, is_leg) for at, is_leg, one in placed if one.side is not _BUY]
        alike = {(at, is_leg, one.symbol) for at, is_leg, one in placed}
        if len(set(sold)) < len(sold) or len(alike) < len(placed):
            return in_order([self.account.record_of(one) for one in fills])
        return [one for _, _, one in sorted(placed, key=itemgetter(0, 1))]

    def book_at(self, now: datetime) -> LiveBook:
        """The risk book as it stands; the one there is."""
        account, book = self.account, self.book
        self._fold()
        if self.traded_lately or self.movements:
            book.activity = LiveActivity(self.folding)
            self.traded_lately = False
        self.power = power(self.equity, self.equity - account.cash, account.reserved)
        book.cash, book.equity, book.peak_equity = account.cash, self.equity, self.peak
        book.as_of, book.day, book.day_start_equity = now, market_day(now), self.day_start
        book.deducted, book.buying_power = tuple(self.reservations), self.power
        book.recent_orders = self.recent
        live: LiveBook = book
        return live

    # signals become orders

    def _conclude(self, place: int, session: Session, now: datetime, raised: Sequence[Raised]) -> None:
        self.counts["signals"] += len(raised)
        book, entered = self.book_at(now), set[str]()
        for signal in rank([one.signal(session) for one in raised]):
            if signal.side is _BUY and signal.symbol in entered:
                self.passed_over[conclusion.ALREADY_HELD] += 1
                continue
            intent = self.intent_on(signal, place)
            verdict = self.judged(intent, book, place, now)
            # Live asks the foreseen rules first and then all of them: the verdict answers both.
            code = conclusion.foreseen_code(rule.code for rule in verdict.failed)
            if code is not None:
                self.passed_over[code] += 1
                continue
            self.counts["intents"] += 1
            entered.add(signal.symbol)
            self._place(intent, verdict, now)

    def intent_on(self, signal: Signal, place: int) -> Intent:
        """The intent of a signal on the bar at `place`."""
        one = self.settings.strategies[signal.strategy]
        if one.timeframe is self.timeframe:
            until = self.calendar.close_after(place, one.signal_validity_bars)
        else:
            sessions = self.calendar.sessions
            until = valid_until(sessions, one.timeframe, signal.bar_close, one.signal_validity_bars)
        return conclusion.intent_on(signal, self.account.label, until)

    def needs_no_book(self, raised: Raised) -> bool:
        """Counts what is passed over for what is held, or not, without asking risk."""
        symbol = raised.source.symbol
        return self.pass_over(raised, held=symbol in self.account.positions or self._is_bought(symbol))

    def pass_over(self, raised: Raised, *, held: bool) -> bool:
        """Counts what is passed over when its symbol is `held`, or being bought, or is not."""
        code = conclusion.SHADOW if raised.source.shadow else conclusion.holding_code(raised.side, held=held)
        if code is None:
            return False
        self.passed_over[code] += 1
        self.counts["signals"] += 1
        return True

    def _is_bought(self, symbol: str) -> bool:
        """Whether an entry in the symbol has not ended."""
        working = self.account.working.get(symbol)
        if not working:
            return False
        return any(order.client_order_id in self.reservations and order.side is _BUY for order in working)

    def judged(self, intent: Intent, book: RiskBook, place: int, now: datetime) -> Verdict:
        """What risk says about an intent, which has no prices of its own to round."""
        return assess(intent, book, self.limits, self._facts(intent, place, now), failed_only=True)

    def _place(self, intent: Intent, verdict: Verdict, now: datetime) -> None:
        """Sends the order of an intent that risk approved, and takes it into the book."""
        if not verdict.approved:
            for rule in verdict.failed:
                self.refused[rule.code] += 1
            return
        identifier, account = intent.client_order_id, self.account
        if intent.purpose is _EXIT:
            account.cancel_all_of(intent.symbol, now)
            account.sell(identifier, intent.symbol, min(verdict.quantity, account.owned(intent.symbol)))
        elif not self._enter(identifier, intent, verdict):
            self.refused[BROKER_REJECTED] += 1
            return
        self.reservations[identifier] = reservation_for(intent, verdict)
        self.note_order(intent, now)

    def note_order(self, intent: Intent, at: datetime) -> None:
        """Remembers whose order was placed, why and when."""
        identifier = intent.client_order_id
        self.told[identifier] = intent.strategy or "", intent.reason
        self.purposes[identifier] = _ENTERED if intent.purpose is _ENTRY else _EXITED
        self.note_time(at)

    def note_time(self, at: datetime) -> None:
        """Remembers when an order was placed."""
        self.recent = (*orders_within(self.recent, at), at)
        self.book.recent_orders = self.recent

    def _enter(self, identifier: str, intent: Intent, verdict: Verdict) -> bool:
        """Sends an entry; whether the broker takes it: no bracket on what is held, none without power."""
        account, stop, target = self.account, verdict.stop_loss_price, verdict.take_profit_price
        worth = self.worth_of(intent, verdict)
        if stop is None or target is None or worth is None:
            return False
        self.power -= verdict.quantity * worth
        account.buy_with_exits(
            identifier, intent.symbol, verdict.quantity, stop=stop, target=target, worth=worth
        )
        self.stops[identifier] = stop
        self.stop_ids.add(account.members(account.orders[identifier].group)[-1].client_order_id)
        return True

    def worth_of(self, intent: Intent, verdict: Verdict) -> Decimal | None:
        """Dollars of buying power that a share of an entry takes; None when the broker refuses it."""
        reference, owned = intent.reference_price, self.account.owned(intent.symbol)
        if verdict.stop_loss_price is None or verdict.take_profit_price is None or reference is None or owned:
            return None
        worth = taken(_BUY, reference, self.terms.half_spread_bps)
        return worth if verdict.quantity * worth <= self.power else None

    def _facts(self, intent: Intent, place: int, now: datetime) -> Facts:
        """What a verdict rests on besides the book: the last close, the calendar, the symbol's orders."""
        if intent.purpose is _EXIT:
            return Facts(now=now)
        at = self.calendar.traded[place].close
        price = intent.reference_price
        symbol = intent.symbol
        return _facts(
            now=now,
            price=price,
            market=_market_price(at, last=price),
            sessions=self.calendar.around(place),
            open_orders=self._open_orders(symbol),
            average_true_range=self._true_range(symbol, place),
        )

    def _open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        if symbol not in self.account.working:
            return ()
        orders = self.account.open_orders(symbol)
        return tuple([OpenOrder(one.client_order_id, symbol, one.side) for one in orders])

    def _true_range(self, symbol: str, place: int) -> Decimal | None:
        """The average true range where the size or the stop needs it."""
        if self.limits.sizing_method is not _ATR:
            return None
        wanted = self.limits.atr_period_bars * ATR_PERIODS
        columns, index = self._daily(symbol, place)
        if index + 1 < wanted:
            return None
        today = self.calendar.traded[place].date
        known = [split for split in self.splits_of.get(symbol, ()) if split.ex_date <= today]
        window = signals.adjusted(columns[index + 1 - wanted : index + 1], known)
        value = indicators.average_true_range(
            window.high.tolist(), window.low.tolist(), window.close.tolist(), self.limits.atr_period_bars
        )
        return None if value is None else Decimal(str(value)).quantize(_FOUR_DECIMALS)

    def _daily(self, symbol: str, place: int) -> tuple[Columns, int]:
        """The symbol's daily bars, and the place of the newest that has closed."""
        if self.is_daily:
            return self.bars[symbol], self.places[symbol][place]
        if (columns := self.days.get(symbol)) is None:
            columns = self.days[symbol] = aggregated(self.bars[symbol], Timeframe.DAY)
        closed = self.calendar.last_closed(place)
        if closed is None:
            return columns, -1
        return columns, bisect_right(columns.start, signals.start_seconds(closed)) - 1

    # what risk does

    def _watch(self, place: int, now: datetime) -> None:
        """Marks equity, locks and releases trading, then sells, cancels and protects what is due."""
        self.peak = max(self.peak, self.equity)
        limits, book = self.limits, self.book
        if book.locks or self._near_a_limit():
            after = locked(self.book_at(now), limits, now)
            book.locks, book.trading_state, book.asked_state = (
                after.locks,
                after.trading_state,
                after.asked_state,
            )
        if self.account.positions and (limits.trailing_stop_percent or limits.maximum_holding_days):
            self._sell_due(place, now)
        if limits.protect_missing_stops and self.account.changed:
            self._protect(now)
        if self.settings.orders.entry_timeout_minutes:
            self._cancel_overdue(place, now)

    def _near_a_limit(self) -> bool:
        return self.is_near_a_limit(self.equity, self.peak, self.day_start)

    def is_near_a_limit(self, equity: Decimal, peak: Decimal, day_start: Decimal) -> bool:
        """Whether drawdown or the day's loss may have reached their limit; never no when one has."""
        return equity <= peak * self.least_of_peak or equity <= day_start * self.least_of_day

    def _sell_due(self, place: int, now: datetime) -> None:
        prices = dict(self.prices) if self.limits.trailing_stop_percent else {}
        book = self.book_at(now)
        self.book.highs = with_highs(book, prices).highs
        for due in due_exits(book, self.limits, prices, now):
            intent = next_exit(due, book, now, "", self._look_up)
            if intent is not None:
                self._place(intent, self.judged(intent, book, place, now), now)
                self.told[intent.client_order_id] = "", due.code

    def _look_up(self, identifier: str) -> Order | None:
        order = self.account.orders.get(identifier)
        return None if order is None else self._as_order(order)

    def _protect(self, now: datetime) -> None:
        """Puts a stop under the shares that none covers, as after 90 days or a split that broke shares."""
        account = self.account
        if self.book.trading_state is TradingState.HALTED:
            return
        changed, account.changed = sorted(account.changed & account.positions.keys()), set()
        for symbol in changed:
            shares = account.positions[symbol]
            working = account.working.get(symbol, [])
            stops = [o for o in working if o.type is _STOP and account.live(o)]
            covered = sum([order.remaining for order in stops], _ZERO)
            selling = any(self.purposes.get(o.client_order_id) is _EXITED for o in working)
            if covered >= shares or selling:
                continue
            self._fold()
            running = self.folding.running.get(symbol)
            if running is None or not is_ours(running.holding.episode):
                continue
            for order in [o for o in working if o.side is _BUY and o.filled_quantity]:
                account.end(order, Status.CANCELED, now)
            bare = min(shares - covered, shares - account.held(symbol))
            if bare > 0:
                self._stop_under(symbol, running.holding.episode, bare)

    def _stop_under(self, symbol: str, episode: str, bare: Decimal) -> None:
        account, price = self.account, self.prices[symbol]
        key, revision = exit_key(account.label, symbol, episode), 0
        while (identifier := client_order_id(OrderOrigin.PROTECT, symbol, key, revision)) in account.orders:
            revision += 1
        if (last := self.stops.get(episode)) is not None:
            last = in_todays_shares(last, symbol, account.orders[episode].submitted_at, self.movements)
        stop = stop_price_under(price, price, last, self.limits.stop_loss_percent)
        account.protect(identifier, symbol, bare, stop)
        self.stop_ids.add(identifier)
        self.purposes[identifier] = OrderPurpose.PROTECTION
        self.told[identifier] = "", "protection"

    def _cancel_overdue(self, place: int, now: datetime) -> None:
        account = self.account
        entries = [o for orders in account.working.values() for o in orders if o.role is Role.ENTRY]
        late = overdue(
            [self._as_order(one) for one in entries],
            self.settings.orders,
            self.calendar.around(place),
            {},
            now,
        )
        for one in late:
            account.end(account.orders[one.order.client_order_id], Status.CANCELED, now)

    def _as_order(self, order: SimulatedOrder) -> Order:
        """The order as the books would keep it, for rules that ask for one."""
        purpose = self.purposes.get(order.client_order_id, OrderPurpose.LEG)
        return Order(
            account=self.account.label,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            origin=OrderOrigin.SIGNAL,
            purpose=purpose,
            status=order.status.value,
            created_at=order.submitted_at,
            updated_at=order.updated_at,
            wall_created_at=order.submitted_at,
            order_type=order.type,
            quantity=order.quantity,
            filled_quantity=order.filled_quantity,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            exit_step=ExitStep.DONE if purpose is OrderPurpose.EXIT else None,
            broker_updated_at=order.updated_at,
        )

    # the result

    def _result(self) -> Result:
        account = self.account
        return Result(
            booked=account.booked,
            seed=self.terms.seed,
            trades=tuple(self._round_trips()),
            traded=self.calendar.days,
            equities=self._at_closes(self.equities),
            cash_after=self._at_closes(self.cash),
            signals=self.counts["signals"],
            intents=self.counts["intents"],
            withheld={str(code): count for code, count in sorted(self.found.withheld.items()) if count},
            passed_over=dict(sorted(self.passed_over.items())),
            refused=dict(sorted(self.refused.items())),
            positions=dict(sorted(account.positions.items())),
            cash=account.cash,
            equity_end=self.equity,
            sessions=len(self.calendar.days),
        )

    def _at_closes(self, marks: list[Decimal]) -> list[Decimal]:
        """Those of the marks that were made at the close of a session."""
        if self.is_daily:
            return marks
        ends = self.calendar.begins[1 : len(self.calendar.days) + 1]
        return [marks[end - 1] for end in ends]

    def round_trip(self, intent: Intent, entry: Booked, leg: Booked, tag: str) -> None:
        """Takes in a whole round trip, the fill that opened it and the one that closed it, both booked."""
        self.folding.take(entry)
        self.folding.take(leg)
        self.folding.newest_fill_at, self.traded_lately = leg.at, True
        self.fills_folded = len(self.account.booked)
        self.in_trades.update((self.fills_folded - 2, self.fills_folded - 1))
        self.trades.append(_trade(entry, leg, intent.strategy or "", intent.reason, tag))

    def _round_trips(self) -> list[TradeRow]:
        """Every round trip by the time it closed, with its strategy, tags and fees."""
        fills_of: dict[str, list[Booked]] = defaultdict(list)
        for place, one in enumerate(self.account.booked):
            if place not in self.in_trades:
                fills_of[one.symbol].append(one)
        if not fills_of:
            return self.trades
        rows, rest, split = [*self.trades], list[Booked](), {moved.symbol for moved in self.movements}
        for symbol, fills in fills_of.items():
            whole = 0 if symbol in split else _whole_trips(fills)
            for entry, leg in zip(fills[:whole:2], fills[1:whole:2], strict=True):
                strategy, tag = self.told[entry.client_order_id]
                rows.append(_trade(entry, leg, strategy, tag, self._reason(leg)))
            rest += fills[whole:]
        return sorted([*rows, *self._folded_trips(rest)], key=_closed)

    def _reason(self, fill: Booked) -> str:
        """Why the order of a fill was placed."""
        order = self.account.orders[fill.client_order_id]
        return order.role.words if order.role in EXITS else self.told.get(order.id, ("", ""))[1]

    def _folded_trips(self, booked: Sequence[Booked]) -> Iterator[TradeRow]:
        """The round trips that fills in parts and splits add up to."""
        entered: dict[tuple[str, datetime], str] = {}
        fees: dict[str, list[tuple[datetime, Decimal]]] = defaultdict(list)
        for fill in booked:
            if fill.side is _BUY:
                entered.setdefault((fill.symbol, fill.at), fill.client_order_id)
            if fill.fee:
                fees[fill.symbol].append((fill.at, fill.fee))
        reasons = {fill.client_order_id: self._reason(fill) for fill in booked}
        for trade in trades_of([*map(self.account.record_of, booked), *self.movements], reasons):
            strategy, tag = self.told[entered[trade.symbol, trade.opened_at]]
            paid = sum(
                (fee for at, fee in fees[trade.symbol] if trade.opened_at <= at <= trade.closed_at), _ZERO
            )
            yield TradeRow(
                symbol=trade.symbol,
                strategy=strategy,
                side=trade.side,
                quantity=trade.quantity,
                opened_at=trade.opened_at,
                closed_at=trade.closed_at,
                entry_price=trade.entry_price,
                exit_price=trade.exit_price,
                pnl=trade.pnl - paid,
                fees=paid,
                entry_tag=tag,
                exit_tag=trade.reason,
            )


def _whole_trips(fills: Sequence[Booked]) -> int:
    """How many of a symbol's fills, from none held on, are each bought at once and sold again at once."""
    whole = 0
    for entry, leg in zip(fills[::2], fills[1::2], strict=False):
        if entry.side is not _BUY or leg.side is _BUY or entry.quantity != leg.quantity:
            break
        whole += 2
    return whole


def _trade(entry: Booked, leg: Booked, strategy: str, entry_tag: str, exit_tag: str) -> TradeRow:
    """The round trip of the fill that opened it and the one that closed it."""
    paid = entry.fee + leg.fee if entry.fee or leg.fee else _ZERO
    return TradeRow(
        symbol=entry.symbol,
        strategy=strategy,
        side=entry.side,
        quantity=entry.quantity,
        opened_at=entry.at,
        closed_at=leg.at,
        entry_price=entry.price,
        exit_price=leg.price,
        pnl=leg.quantity * leg.price - entry.quantity * entry.price - paid,
        fees=paid,
        entry_tag=entry_tag,
        exit_tag=exit_tag,
    )


def _date(session: Session) -> date:
    return session.date


def _closed(trade: TradeRow) -> tuple[datetime, str, datetime]:
    return trade.closed_at, trade.symbol, trade.opened_at
