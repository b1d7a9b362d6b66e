"""What an account has traded lately, as the loss and pause rules need it: a fold of fills and orders.

`trading/sync` keeps it in the risk book whenever fills were added; `Books.activity` folds it anew,
which is also how `alpaquero rebuild` gets it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, Split, in_order

KEPT = timedelta(days=61)  # as long as the longest window and the longest pause together
MOST_STOPS = 200
ORDER_WINDOW = timedelta(minutes=1)
_ZERO = Decimal(0)


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


@dataclass(slots=True)
class _Running:
    quantity: Decimal
    holding: Holding
    cash: Decimal = _ZERO
    knows_cost: bool = True


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
    fold = _Fold(stop_order_ids, counted_from)
    for symbol, quantity in baseline.items():
        if quantity:
            holding = Holding(baseline_at, "baseline")
            fold.running[symbol] = _Running(quantity, holding, knows_cost=False)
    newest = None
    for entry in in_order(entries):
        match entry:
            case Fill():
                fold.take(entry)
                newest = entry.at
            case Split():
                fold.split(entry)
            case ShareMovement():
                fold.move(entry)
    return fold.result(newest, folded)


class _Fold:
    def __init__(self, stop_order_ids: Collection[str], counted_from: datetime | None) -> None:
        self.running: dict[str, _Running] = {}
        self.stops: dict[str, datetime] = {}
        self.exits: dict[str, datetime] = {}
        self.streak = 0
        self.last_loss: datetime | None = None
        self._stop_order_ids = stop_order_ids
        self._counted_from = counted_from

    def take(self, fill: Fill) -> None:
        signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
        episode = fill.client_order_id or fill.id
        trade = self.running.get(fill.symbol) or _Running(_ZERO, Holding(fill.at, episode))
        before = trade.quantity
        trade.quantity += signed
        trade.cash -= signed * fill.price
        self.running[fill.symbol] = trade
        if before * signed < 0 and fill.client_order_id in self._stop_order_ids and self._counts(fill.at):
            self.stops[episode] = fill.at
        if before and before * trade.quantity <= 0:
            self._closed(trade, fill, episode)

    def split(self, split: Split) -> None:
        trade = self.running.get(split.symbol)
        if trade is None:
            return
        trade.quantity, trade.cash = split.left(trade.quantity), trade.cash + split.cash
        if not trade.quantity:
            del self.running[split.symbol]

    def move(self, moved: ShareMovement) -> None:
        """Shares that came or went without a fill: what they cost is not counted as won or lost."""
        holding = Holding(moved.acquired_at or moved.at, moved.id)
        trade = self.running.get(moved.symbol) or _Running(_ZERO, holding)
        trade.quantity, trade.knows_cost = trade.quantity + moved.quantity, False
        self.running[moved.symbol] = trade
        if not trade.quantity:
            del self.running[moved.symbol]

    def _closed(self, trade: _Running, fill: Fill, episode: str) -> None:
        self.exits[fill.symbol] = fill.at
        del self.running[fill.symbol]
        if trade.quantity:  # sold past flat by hand: what is left begins anew at a cost we do not split
            rest = _Running(trade.quantity, Holding(fill.at, episode), knows_cost=False)
            self.running[fill.symbol] = rest
        elif trade.knows_cost and self._counts(fill.at):
            lost = trade.cash < 0
            self.streak = self.streak + 1 if lost else 0
            self.last_loss = fill.at if lost else self.last_loss

    def _counts(self, at: datetime) -> bool:
        return self._counted_from is None or at > self._counted_from

    def result(self, newest: datetime | None, folded: str) -> Activity:
        since = newest - KEPT if newest else None
        return Activity(
            folded=folded,
            loss_streak=self.streak,
            last_loss_at=self.last_loss,
            stop_exits=tuple(sorted(at for at in self.stops.values() if since and at >= since))[-MOST_STOPS:],
            last_exit_at={s: at for s, at in sorted(self.exits.items()) if since and at >= since},
            holdings={symbol: trade.holding for symbol, trade in sorted(self.running.items())},
        )


def orders_within(placed: Iterable[datetime], now: datetime) -> tuple[datetime, ...]:
    """Those of the orders' times that lie in the last minute of market time, oldest first."""
    return tuple(sorted(at for at in placed if at > now - ORDER_WINDOW))
