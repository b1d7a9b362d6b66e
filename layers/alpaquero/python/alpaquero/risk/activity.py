"""What an account has traded lately, as the loss and pause rules need it: a fold of fills and orders.

`trading/sync` keeps it in the risk book whenever fills were added; `Books.activity` folds it anew,
which is also how `alpaquero rebuild` gets it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, Split, in_order
from alpaquero.quickly_made import dataclass, maker

KEPT = timedelta(days=61)  # as long as the longest window and the longest pause together
MOST_STOPS = 200
ORDER_WINDOW = timedelta(minutes=1)
_ZERO = Decimal(0)
_BUY = Side.BUY  # Python 3.11 takes ten times as long to find it in its enum


@dataclass(frozen=True, slots=True)
class Holding:
    """One holding of a symbol: since when (market time), and what names it.

    `episode` is the client order id that opened it, or the fill's id when no order is known;
    `baseline` for what the account held before we came.
    """

    since: datetime
    episode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The newest doings of an account; times are market time.

    `loss_streak` counts the round trips with a loss since the last without one, `stop_exits` are
    the ends of stops that filled, `last_exit_at` when a symbol was last sold out. `folded` names
    the fills it was folded from.
    """

    folded: str = ""
    loss_streak: int = 0
    last_loss_at: datetime | None = None
    stop_exits: tuple[datetime, ...] = ()
    last_exit_at: dict[str, datetime] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)


class Execution(Protocol):
    """What the fold of shares reads of a fill; see `alpaquero.orders.order.Fill` for the fields."""

    @property
    def id(self) -> str: ...
    @property
    def client_order_id(self) -> str | None: ...
    @property
    def symbol(self) -> str: ...
    @property
    def side(self) -> Side: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def at(self) -> datetime: ...


@dataclass(slots=True)
class Running:
    """What is held of a symbol: shares, dollars since the holding began, whether its cost is known."""

    quantity: Decimal
    holding: Holding
    cash: Decimal = _ZERO
    knows_cost: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What the entries up to one of them add up to; a fold goes on from it.

    `through` is the newest fill in it by the broker's id, `at` the newest entry's market time, `movements`
    the ids of the splits and movements in it, `cash_flow` the dollars that all of them brought. Losses and
    stops before `counted_from` (an admin's release) do not count.
    """

    through: str = ""
    at: datetime | None = None
    newest_fill_at: datetime | None = None
    movements: tuple[str, ...] = ()
    counted_from: datetime | None = None
    cash_flow: Decimal = _ZERO
    running: dict[str, Running] = field(default_factory=dict)
    stops: dict[str, datetime] = field(default_factory=dict)
    exits: dict[str, datetime] = field(default_factory=dict)
    streak: int = 0
    last_loss: datetime | None = None

    @property
    def quantities(self) -> dict[str, Decimal]:
        """Shares held, negative when short, by symbol; what is flat is absent."""
        return {symbol: trade.quantity for symbol, trade in self.running.items() if trade.quantity}


def opened_with(baseline: Mapping[str, Decimal], at: datetime) -> Folded:
    """The fold before the first fill: what was held costs nobody knows what."""
    held = {symbol: quantity for symbol, quantity in baseline.items() if quantity}
    return Folded(running={s: Running(q, Holding(at, "baseline"), knows_cost=False) for s, q in held.items()})


def goes_on(before: Folded, entries: Iterable[ShareEntry], counted_from: datetime | None) -> bool:
    """Whether the entries all come after those in the fold, and what does not count is the same.

    A split that is told late, or an admin's release into the middle, needs the whole history again.
    """
    if before.at is None:
        return True
    same = counted_from == before.counted_from
    return (same or (counted_from is not None and counted_from >= before.at)) and all(
        entry.at >= before.at if isinstance(entry, Fill) else entry.at > before.at for entry in entries
    )


def fold(
    before: Folded,
    entries: Iterable[ShareEntry],
    stop_order_ids: Collection[str],
    counted_from: datetime | None,
) -> Folded:
    """The fold with the entries, in any order and with repeats; they must come after those in it."""
    going = Folding(before, stop_order_ids, counted_from)
    for entry in in_order(entries):
        going.add(entry)
    return going.result()


def activity_in(folded: Folded, mark: str = "") -> Activity:
    """What the rules count of a fold; `mark` names what it was folded from."""
    since = folded.newest_fill_at - KEPT if folded.newest_fill_at else None
    stops = sorted(at for at in folded.stops.values() if since and at >= since)
    return Activity(
        folded=mark,
        loss_streak=folded.streak,
        last_loss_at=folded.last_loss,
        stop_exits=tuple(stops[-MOST_STOPS:]),
        last_exit_at={s: at for s, at in sorted(folded.exits.items()) if since and at >= since},
        holdings={symbol: trade.holding for symbol, trade in sorted(folded.running.items())},
    )


def activity_of(
    entries: Iterable[ShareEntry],
    stop_order_ids: Collection[str],
    *,
    baseline: Mapping[str, Decimal],
    baseline_at: datetime,
    counted_from: datetime | None = None,
    folded: str = "",
) -> Activity:
    """The activity that fills, splits and share movements add up to, in any order and with repeats.

    `stop_order_ids` are the client order ids of stops. `baseline` is what was held before the
    first fill: its cost is unknown, so selling it is neither a win nor a loss. Losses and stops
    before `counted_from` (an admin's release) do not count.
    """
    return activity_in(
        fold(opened_with(baseline, baseline_at), entries, stop_order_ids, counted_from), folded
    )


_held = maker(Holding)


class Folding:
    """A fold that goes on, entry by entry; the entries come in order, each once: see `movements.in_order`."""

    def __init__(
        self, before: Folded, stop_order_ids: Collection[str], counted_from: datetime | None
    ) -> None:
        forgiven = counted_from is not None and before.at is not None and counted_from >= before.at
        self.before = before
        self.running = dict(before.running)  # what changes is copied first: see _own
        self._owned: set[str] = set()
        self.stops = {} if forgiven else dict(before.stops)
        self.exits = dict(before.exits)
        self.streak = 0 if forgiven else before.streak
        self.last_loss = None if forgiven else before.last_loss
        self.cash_flow = before.cash_flow
        self.through, self.at, self.newest_fill_at = before.through, before.at, before.newest_fill_at
        self.movements = list(before.movements)
        self._stop_order_ids = stop_order_ids
        self._counted_from = counted_from

    def add(self, entry: ShareEntry) -> None:
        """Counts one entry."""
        self.at = entry.at
        match entry:
            case Fill():
                self.through, self.newest_fill_at = max(self.through, entry.id), entry.at
                self.take(entry)
            case Split():
                self.movements.append(entry.id)
                self.split(entry)
            case ShareMovement():
                self.movements.append(entry.id)
                self.move(entry)

    def take(self, fill: Execution) -> None:
        """Counts what one fill does to the shares of its symbol."""
        signed = fill.quantity if fill.side is _BUY else -fill.quantity
        episode = fill.client_order_id or fill.id
        trade = self._own(fill.symbol)
        if trade is None:
            trade = self.running[fill.symbol] = Running(_ZERO, _held(fill.at, episode))
        before = trade.quantity
        trade.quantity += signed
        paid = signed * fill.price
        trade.cash -= paid
        self.cash_flow -= paid
        if not before:
            return
        if before * signed < 0 and fill.client_order_id in self._stop_order_ids and self._counts(fill.at):
            self.stops[episode] = fill.at
        if before * trade.quantity <= 0:
            self._closed(trade, fill, episode)

    def _own(self, symbol: str) -> Running | None:
        """What is held of the symbol, as this fold may change it."""
        trade = self.running.get(symbol)
        if trade is not None and symbol not in self._owned:
            trade = self.running[symbol] = replace(trade)
        self._owned.add(symbol)
        return trade

    def split(self, split: Split) -> None:
        trade = self._own(split.symbol)
        if trade is None:
            return
        trade.quantity, trade.cash = split.left(trade.quantity), trade.cash + split.cash
        self.cash_flow += split.cash
        if not trade.quantity:
            del self.running[split.symbol]

    def move(self, moved: ShareMovement) -> None:
        """Shares that came or went without a fill: what they cost is not counted as won or lost."""
        holding = Holding(moved.acquired_at or moved.at, moved.id)
        trade = self._own(moved.symbol) or Running(_ZERO, holding)
        trade.quantity, trade.knows_cost = trade.quantity + moved.quantity, False
        self.running[moved.symbol] = trade
        if not trade.quantity:
            del self.running[moved.symbol]

    def _closed(self, trade: Running, fill: Execution, episode: str) -> None:
        self.exits[fill.symbol] = fill.at
        del self.running[fill.symbol]
        if trade.quantity:  # sold past flat by hand: what is left begins anew at a cost we do not split
            rest = Running(trade.quantity, Holding(fill.at, episode), knows_cost=False)
            self.running[fill.symbol] = rest
        elif trade.knows_cost and self._counts(fill.at):
            lost = trade.cash < 0
            self.streak = self.streak + 1 if lost else 0
            self.last_loss = fill.at if lost else self.last_loss

    def _counts(self, at: datetime) -> bool:
        return self._counted_from is None or at > self._counted_from

    def stop_exits(self) -> tuple[datetime, ...]:
        """The ends of stops that the rules count by now; older ones are forgotten."""
        stops = sorted(self.stops.values())
        if stops and self.newest_fill_at is not None and stops[0] < (since := self.newest_fill_at - KEPT):
            self.stops = {name: at for name, at in self.stops.items() if at >= since}
            stops = sorted(self.stops.values())
        return tuple(stops[-MOST_STOPS:])

    def result(self) -> Folded:
        """What all of it adds up to."""
        since = self.newest_fill_at - KEPT if self.newest_fill_at else None
        return Folded(
            through=self.through,
            at=self.at,
            newest_fill_at=self.newest_fill_at,
            movements=tuple(self.movements),
            counted_from=self._counted_from,
            cash_flow=self.cash_flow,
            running=self.running,
            stops={name: at for name, at in self.stops.items() if since and at >= since},
            exits={symbol: at for symbol, at in self.exits.items() if since and at >= since},
            streak=self.streak,
            last_loss=self.last_loss,
        )


class LiveActivity:
    """What the rules count of a fold by now, for one who stores nothing; good until the fold goes on.

    As `activity_in`, but for exits that lie longer back than any rule looks. What takes long to gather is
    gathered when a rule asks for it.
    """

    __slots__ = ("_fold", "_stop_exits", "last_exit_at", "last_loss_at", "loss_streak")

    def __init__(self, fold: Folding) -> None:
        self.loss_streak, self.last_loss_at, self.last_exit_at = fold.streak, fold.last_loss, fold.exits
        self._fold = fold
        self._stop_exits: tuple[datetime, ...] | None = None

    @property
    def stop_exits(self) -> tuple[datetime, ...]:
        """The ends of stops that filled."""
        if self._stop_exits is None:
            self._stop_exits = self._fold.stop_exits()
        return self._stop_exits

    @property
    def holdings(self) -> dict[str, Holding]:
        """Each holding by its symbol."""
        return {symbol: trade.holding for symbol, trade in self._fold.running.items()}


def orders_within(placed: Iterable[datetime], now: datetime) -> tuple[datetime, ...]:
    """Those of the orders' times that lie in the last minute of market time, oldest first."""
    since = now - ORDER_WINDOW
    within = [at for at in placed if at > since]
    return tuple(sorted(within)) if within else ()
