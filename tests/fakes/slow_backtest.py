"""A backtest as plainly as it can be written, to hold the engine against: every bar, every order, every rule.

Nothing is skipped, kept in place or computed ahead. Each bar is judged by itself on the bars before it, the
risk book is made anew for each bar, activity is folded anew from all fills, and every rule answers in full.
Whole brackets fill at once. What a price does to an order is written out here; the rules are asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from alpaquero.orders.intent import Intent, Purpose, Side
from alpaquero.orders.order import Fill
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session, bars_of
from alpaquero.risk.activity import activity_of
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook, market_day
from alpaquero.risk.facts import Facts, MarketPrice, OpenOrder
from alpaquero.risk.locks import locked
from alpaquero.risk.rules import assess, reservation_for
from alpaquero.risk.verdict import Verdict
from alpaquero.simulation.fills import taken
from alpaquero.simulation.identity import fill_id, leg_client_order_id
from alpaquero.simulation.margin import power
from alpaquero.simulation.matching import Role, time_in
from alpaquero.simulation.path import SessionPath
from alpaquero.strategy import conclusion, judging
from alpaquero.strategy.conclusion import foreseen_code
from alpaquero.strategy.planning import of_timeframe, timeframes, valid_until
from alpaquero.strategy.ranking import rank
from alpaquero.strategy.signal import Signal, Withheld
from tests.fakes.backtests import Settings

SEED = 1  # which of two sales at one instant came first follows from the broker's ids
MILLISECOND = timedelta(milliseconds=1)
AROUND = timedelta(days=14)
AFTER_CLOSE = timedelta(minutes=30)  # when bars of a day are judged
BEFORE_ALL = datetime.fromisoformat("1990-01-01T00:00:00+00:00")


@dataclass
class Bracket:
    """A purchase with its two exits: waiting until it is `entered`, then held."""

    id: str
    quantity: Decimal
    stop: Decimal
    target: Decimal
    worth: Decimal
    entered: datetime | None = None
    protected: bool = True  # until a sale takes the place of the exits


@dataclass
class SlowBacktest:
    """The state of one run over bars shorter than a day; `play` goes through them."""

    bars: Mapping[str, Columns]
    sessions: Sequence[Session]
    settings: Settings
    spread: Decimal
    cash: Decimal
    longer: Mapping[Timeframe, Mapping[str, Columns]] = field(default_factory=dict)
    held: dict[str, Bracket] = field(default_factory=dict)
    sales: dict[str, tuple[str, Decimal]] = field(default_factory=dict)  # that wait, by symbol
    fills: list[Fill] = field(default_factory=list)
    equities: list[Decimal] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def play(self, first: int, count: int) -> None:
        """Trades `count` sessions from the place `first` on."""
        self.shortest, *_ = self.timeframes = timeframes(self.settings.strategies)
        self.series = {self.shortest: self.bars, **self.longer}
        self.by_start = {
            timeframe: {
                symbol: {bar.start: (place, bar) for place, bar in enumerate(columns.bars())}
                for symbol, columns in series.items()
            }
            for timeframe, series in self.series.items()
        }
        self.last: dict[str, Decimal] = {}
        self.equity = self.day_start = self.cash
        self.stop_ids: set[str] = set()
        self.told: datetime | None = None
        self.book = RiskBook(
            account="paper", cash=self.cash, equity=self.cash, peak_equity=self.cash, as_of=BEFORE_ALL
        )
        for session in self.sessions[first : first + count]:
            self.day_start = self.equity
            for start, close in bars_of(session, self.shortest):
                closed = {
                    timeframe: begun
                    for timeframe in self.timeframes
                    for begun, end in bars_of(session, timeframe)
                    if end == close
                }
                self._bar(start, Session(session.date, max(start, session.open), close), closed)
            self.equities.append(self.equity)

    def _bar(self, start: datetime, part: Session, closed: dict[Timeframe, datetime]) -> None:
        """One bar of the shortest timeframe; `closed` are the starts of all bars that close with it."""
        self.told = max((fill.at for fill in self.fills), default=None)
        for symbol in sorted(self.bars):
            _, bar = self.by_start[self.shortest][symbol].get(start, (0, None))
            if bar is not None:
                self._trade(symbol, bar, part)
                self.last[symbol] = Decimal(repr(bar.close))
        owned = {symbol: one for symbol, one in self.held.items() if one.entered}
        worth = sum((one.quantity * self.last[symbol] for symbol, one in owned.items()), Decimal(0))
        self.equity = self.cash + worth
        evening = closed.pop(Timeframe.DAY, None)
        for timeframe, begun in closed.items():
            self._conclude(timeframe, begun, part, part.close)
        self.book = replace(self._book(part.close), peak_equity=max(self.book.peak_equity, self.equity))
        self.book = locked(self.book, self.settings.risk, part.close)
        if evening is not None:
            self._conclude(Timeframe.DAY, evening, part, part.close + AFTER_CLOSE)

    # what prices do

    def _trade(self, symbol: str, bar: Bar, part: Session) -> None:
        prices = [Decimal(repr(price)) for price in (bar.open, bar.high, bar.low, bar.close)]
        path = SessionPath(*prices)
        if symbol in self.sales:
            identifier, quantity = self.sales.pop(symbol)
            self._fill(
                identifier, symbol, Side.SELL, quantity, taken(Side.SELL, path.open, self.spread), part.open
            )
            del self.held[symbol]
        bracket = self.held.get(symbol)
        if bracket is None:
            return
        if bracket.entered is None:
            price = taken(Side.BUY, path.open, self.spread)
            bracket.entered = self._fill(bracket.id, symbol, Side.BUY, bracket.quantity, price, part.open)
        if bracket.protected:
            self._exit(symbol, bracket, path, part)

    def _exit(self, symbol: str, bracket: Bracket, path: SessionPath, part: Session) -> None:
        """The open decides first, then the stop, then the target: a bar does not say which came first."""
        stop, target, at = bracket.stop, bracket.target, part.open
        if path.open <= stop:
            role, price = Role.STOP, taken(Side.SELL, path.open, self.spread)
        elif path.open > target:
            role, price = Role.TARGET, max(target, taken(Side.SELL, path.open, self.spread))
        elif path.low <= stop:
            role, price = Role.STOP, taken(Side.SELL, stop, self.spread)
            at = time_in(part, path.reached_from_start(stop))
        elif path.high > target:
            role, price, at = Role.TARGET, target, time_in(part, path.reached_from_start(target))
        else:
            return
        identifier = leg_client_order_id(SEED, bracket.id, role)
        if role is Role.STOP:
            self.stop_ids.add(identifier)
        assert bracket.entered is not None
        later = max(at, self._now(at), bracket.entered + MILLISECOND)
        self._fill(identifier, symbol, Side.SELL, bracket.quantity, price, later)
        del self.held[symbol]

    def _now(self, at: datetime) -> datetime:
        """No fill is listed before one that others may know of."""
        return at if self.told is None else max(at, self.told + MILLISECOND)

    def _fill(  # noqa: PLR0917 - what a fill says
        self, identifier: str, symbol: str, side: Side, quantity: Decimal, price: Decimal, at: datetime
    ) -> datetime:
        at = self._now(at)
        self.cash -= quantity * price if side is Side.BUY else -quantity * price
        self.fills.append(
            Fill(
                id=fill_id(SEED, identifier, "0", at),
                account="paper",
                client_order_id=identifier,
                broker_order_id=identifier,
                symbol=symbol,
                side=side,
                quantity=quantity,
                price=price,
                at=at,
            )
        )
        self.book = self.book.without_reservation(identifier)
        return at

    # what the rules say

    def _book(self, now: datetime) -> RiskBook:
        positions = {
            symbol: HeldPosition(one.quantity, one.quantity * self.last[symbol])
            for symbol, one in sorted(self.held.items())
            if one.entered
        }
        waiting = sum((o.quantity * o.worth for o in self.held.values() if not o.entered), Decimal(0))
        return replace(
            self.book,
            cash=self.cash,
            equity=self.equity,
            as_of=now,
            day=market_day(now),
            day_start_equity=self.day_start,
            positions=positions,
            buying_power=power(self.equity, self.equity - self.cash, waiting),
            deducted=tuple(self.book.reservations),
            activity=activity_of(self.fills, self.stop_ids, baseline={}, baseline_at=BEFORE_ALL),
        )

    def _conclude(self, timeframe: Timeframe, start: datetime, part: Session, now: datetime) -> None:
        self.book = self._book(now)
        entered: set[str] = set()
        left = self.book.buying_power or Decimal(0)
        for signal in rank(self._signals(timeframe, start, part.close)):
            held = signal.symbol in self.held
            code = conclusion.holding_code(signal.side, held=held)
            if code is None and signal.side is Side.BUY and signal.symbol in entered:
                code = conclusion.ALREADY_HELD
            if code is not None:
                self.counts[code] += 1
                continue
            intent, verdict = self._judged(signal, now)
            failed = [result.code for result in verdict.results if not result.passed]
            if (code := foreseen_code(failed)) is not None:
                self.counts[code] += 1
                continue
            entered.add(signal.symbol)
            if not verdict.approved:
                self.counts.update(f"refused {one}" for one in failed)
            elif intent.purpose is Purpose.EXIT:
                self._sell(intent, verdict, now)
            else:
                worth = taken(Side.BUY, signal.reference_price, self.spread)
                if verdict.quantity * worth > left:
                    self.counts["refused broker_rejected"] += 1
                else:
                    left -= verdict.quantity * worth
                    self._buy(intent, verdict, worth, now)

    def _signals(self, timeframe: Timeframe, start: datetime, close: datetime) -> list[Signal]:
        found = []
        for name, strategy in of_timeframe(self.settings.strategies, timeframe).items():
            for symbol, columns in self.series[timeframe].items():
                known = self.by_start[timeframe][symbol]
                last = max((place for at, (place, _) in known.items() if at <= start), default=-1)
                judged = judging.judge(
                    symbol,
                    columns[: last + 1],
                    strategy=name,
                    settings=strategy,
                    bar_start=start,
                    bar_close=close,
                )
                if isinstance(judged, Withheld):
                    self.counts[f"withheld {judged.code}"] += 1
                elif judged is not None:
                    found.append(judged)
        return found

    def _judged(self, signal: Signal, now: datetime) -> tuple[Intent, Verdict]:
        one = self.settings.strategies[signal.strategy]
        until = valid_until(self.sessions, one.timeframe, signal.bar_close, one.signal_validity_bars)
        intent = conclusion.intent_on(signal, "paper", until)
        near = tuple(s for s in self.sessions if abs(s.date - now.date()) <= AROUND)
        facts = Facts(
            now=now,
            price=signal.reference_price,
            market=MarketPrice(now, last=signal.reference_price),
            sessions=near,
            open_orders=self._open_orders(signal.symbol),
        )
        if intent.purpose is Purpose.EXIT:
            facts = Facts(now=now)
        return intent, assess(intent, self.book, self.settings.risk, facts)

    def _open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        waiting = [OpenOrder(i, symbol, Side.SELL) for s, (i, _) in self.sales.items() if s == symbol]
        return tuple(waiting)

    def _buy(self, intent: Intent, verdict: Verdict, worth: Decimal, now: datetime) -> None:
        assert verdict.stop_loss_price is not None
        assert verdict.take_profit_price is not None
        identifier = intent.client_order_id
        self.held[intent.symbol] = Bracket(
            identifier, verdict.quantity, verdict.stop_loss_price, verdict.take_profit_price, worth
        )
        self._reserve(identifier, reservation_for(intent, verdict), now)

    def _sell(self, intent: Intent, verdict: Verdict, now: datetime) -> None:
        self.held[intent.symbol].protected = False
        self.sales[intent.symbol] = intent.client_order_id, verdict.quantity
        self._reserve(intent.client_order_id, reservation_for(intent, verdict), now)

    def _reserve(self, identifier: str, reservation: Reservation, now: datetime) -> None:
        self.book = self.book.with_order(identifier, reservation, now)
