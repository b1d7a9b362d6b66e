"""Round trips folded from fills, splits and share movements; called by `analytics/project` and backtests.

A trade begins with the fill that opens a position and ends with the fill that makes it flat;
entries and exits in parts belong to one trade. A position still held is an open trade. Shares that
came without a fill are entered at their cost, and those that went leave at theirs, at no gain.
Gains are at average cost, as `portfolio.positions` has them, so both add up to the same dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, Split, in_order
from alpaquero.portfolio.positions import per_share, share_of
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

_ZERO = Decimal(0)
_FOUR_DECIMALS = Decimal("0.0001")
_NO_REASONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWords:
    """What the order of a fill says: its strategy, why it was placed, and the price when it arrived.

    `arrival_price` is dollars a share, None where the order has none to be measured by.
    """

    strategy: str = ""
    reason: str = ""
    arrival_price: Decimal | None = None


_NO_WORDS = OrderWords()


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """Dollars that the closing fills of one New York day gained, and when the last of them was.

    A trade that is never flat may be closed in parts for years, a day at a time.
    """

    at: datetime
    pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One round trip. Prices are average dollars a share, `pnl` dollars, `pnl_percent` of the entry
    (None where shares came at no cost).

    `side` is how it was opened. `strategy` and `tag` are strategy and reason of the order that opened
    it, `reason` is that of the order which closed it, each empty when unknown. `arrival_price` is
    what the shares stood at when their entries arrived at the market, `exit_arrival_price` the same
    of the exits; None unless every one of the fills has one. `parts` adds up to `pnl`.
    """

    symbol: str
    side: Side
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    pnl_percent: Decimal | None
    reason: str = ""
    strategy: str = ""
    tag: str = ""
    arrival_price: Decimal | None = None
    exit_arrival_price: Decimal | None = None
    parts: tuple[Realised, ...] = ()

    @property
    def traded(self) -> Decimal:
        """All dollars that went in and came out."""
        return self.quantity * (self.entry_price + self.exit_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade:
    """A trade whose position is still held; `quantity` and `cost` (dollars) are negative when short.

    `parts` are what shares closed already gained, `traded` all dollars that came in and went out.
    The rest as in `Trade`.
    """

    symbol: str
    side: Side
    quantity: Decimal
    cost: Decimal
    opened_at: datetime
    traded: Decimal
    strategy: str = ""
    tag: str = ""
    arrival_price: Decimal | None = None
    parts: tuple[Realised, ...] = ()

    @property
    def realised_pnl(self) -> Decimal:
        """What its closed shares gained."""
        return sum((part.pnl for part in self.parts), _ZERO)

    def open_pnl(self, market_value: Decimal) -> Decimal:
        """What the shares still held would gain at `market_value`, negative for a short position."""
        return market_value - self.cost


@dataclass(slots=True, kw_only=True)
class Begun:
    """A trade in the making: shares in and out, the dollars they cost and brought, and at arrival.

    Entries change it in place. `cost` is that of the shares still held, at average cost. Dollars at
    arrival are None once a fill had no arrival price.
    """

    side: Side
    opened_at: datetime
    strategy: str = ""
    tag: str = ""
    entered: Decimal = _ZERO
    entered_for: Decimal = _ZERO
    exited: Decimal = _ZERO
    exited_for: Decimal = _ZERO
    cost: Decimal = _ZERO
    entered_at_arrival: Decimal | None = _ZERO
    exited_at_arrival: Decimal | None = _ZERO
    parts: tuple[Realised, ...] = ()

    @property
    def held(self) -> Decimal:
        """Shares still held."""
        return self.entered - self.exited

    def plus(self, quantity: Decimal, price: Decimal, arrival: Decimal | None = None) -> Begun:
        """Itself with `quantity` more shares in at `price`."""
        self.entered += quantity
        self.entered_for += quantity * price
        self.cost += quantity * price
        self.entered_at_arrival = _more(self.entered_at_arrival, quantity, arrival)
        return self

    def less(
        self, quantity: Decimal, brought: Decimal, at: datetime, arrival: Decimal | None = None
    ) -> Begun:
        """Itself with `quantity` more shares out, which brought so many dollars."""
        closed = share_of(self.cost, quantity, self.held)
        gain = brought - closed if self.side is Side.BUY else closed - brought
        self.cost -= closed
        self.exited += quantity
        self.exited_for += brought
        self.exited_at_arrival = _more(self.exited_at_arrival, quantity, arrival)
        kept = self.parts
        if kept and kept[-1].at.astimezone(NEW_YORK).date() == at.astimezone(NEW_YORK).date():
            kept, gain = kept[:-1], kept[-1].pnl + gain
        self.parts = (*kept, Realised(at=at, pnl=gain))
        return self


def _more(dollars: Decimal | None, quantity: Decimal, price: Decimal | None) -> Decimal | None:
    return None if dollars is None or price is None else dollars + quantity * price


def trades_of(entries: Iterable[ShareEntry], reasons: Mapping[str, str] = _NO_REASONS) -> list[Trade]:
    """Every round trip, by the time it closed, then symbol.

    `reasons` maps client order ids to the reason of their order.
    """
    return folded(entries, {name: OrderWords(reason=reason) for name, reason in reasons.items()})[0]


def folded(
    entries: Iterable[ShareEntry], words: Mapping[str, OrderWords]
) -> tuple[list[Trade], list[OpenTrade]]:
    """Every round trip by the time it closed, then symbol, and every open trade by symbol.

    `words` maps client order ids to what their order says.
    """
    begun: dict[str, Begun] = {}
    trades: list[Trade] = []
    for entry in in_order(entries):
        named = entry.client_order_id or "" if isinstance(entry, Fill) else ""
        closed = _add(begun, entry, words.get(named, _NO_WORDS))
        if closed is not None:
            trades.append(closed)
    return sorted(trades, key=_place), [open_trade(symbol, begun[symbol]) for symbol in sorted(begun)]


def going_on(
    begun: Begun | None, entries: Iterable[tuple[ShareEntry, OrderWords]]
) -> tuple[list[Trade], Begun | None]:
    """The same of one symbol from the trade that is `begun`, which stays as it was, and the entries after it.

    They come in order, each once (`movements.in_order`), with what the order of each says.
    """
    going: dict[str, Begun] = {}
    trades: list[Trade] = []
    for entry, words in entries:
        if begun is not None:
            going[entry.symbol], begun = replace(begun), None
        closed = _add(going, entry, words)
        if closed is not None:
            trades.append(closed)
    return sorted(trades, key=_place), next(iter(going.values()), begun)


def _place(trade: Trade) -> tuple[datetime, str, datetime]:
    return trade.closed_at, trade.symbol, trade.opened_at


def _add(begun: dict[str, Begun], entry: ShareEntry, words: OrderWords) -> Trade | None:
    """Takes one more entry; the trade when it ends one."""
    match entry:
        case Fill():
            return _take(begun, entry, words)
        case Split():
            return _split(begun, entry)
        case ShareMovement():
            return _move(begun, entry)


def _take(begun: dict[str, Begun], fill: Fill, words: OrderWords) -> Trade | None:
    """Adds one fill to its symbol's open trade; the trade when the fill ends it."""
    arrival = words.arrival_price
    trade = begun.pop(fill.symbol, None) or _begin(fill, words)
    if fill.side is trade.side:
        begun[fill.symbol] = trade.plus(fill.quantity, fill.price, arrival)
        return None
    out = min(fill.quantity, trade.held)
    ended = trade.less(out, out * fill.price, fill.at, arrival)
    if ended.held:
        begun[fill.symbol] = ended
        return None
    rest = fill.quantity - out
    if rest:
        begun[fill.symbol] = _begin(fill, words).plus(rest, fill.price, arrival)
    return _closed(ended, fill, words.reason)


def _begin(fill: Fill, words: OrderWords) -> Begun:
    return Begun(side=fill.side, opened_at=fill.at, strategy=words.strategy, tag=words.reason)


def _split(begun: dict[str, Begun], split: Split) -> Trade | None:
    """The open trade in new shares; the trade when the cash paid in lieu ends it."""
    trade = begun.pop(split.symbol, None)
    if trade is None:
        return None
    scaled, left = split.scaled(trade.held), split.left(trade.held)
    exited = split.scaled(trade.exited)
    after = replace(trade, entered=exited + scaled, exited=exited)
    if scaled != left:
        paid, at_arrival = abs(split.cash), after.exited_at_arrival
        after = after.less(scaled - left, paid, split.at)
        after.exited_at_arrival = (
            None if at_arrival is None else at_arrival + paid
        )  # no order, so no slippage
    if left:
        begun[split.symbol] = after
        return None
    return _closed(after, split, "cash in lieu of a part of a share")


def _move(begun: dict[str, Begun], moved: ShareMovement) -> Trade | None:
    """Shares that came are entered at their cost; what went away is no longer part of a trade."""
    side = Side.BUY if moved.quantity > 0 else Side.SELL
    since = moved.acquired_at or moved.at
    trade = begun.pop(moved.symbol, None) or Begun(side=side, opened_at=since)
    quantity = abs(moved.quantity)
    if side is trade.side:
        begun[moved.symbol] = trade.plus(quantity, moved.price)
        return None
    gone = min(quantity, trade.held)
    left = _without(trade, gone)
    if left.held:
        begun[moved.symbol] = left
        return None
    if quantity > gone:
        begun[moved.symbol] = Begun(side=side, opened_at=since).plus(quantity - gone, moved.price)
    return _closed(left, moved, "the rest was moved away") if left.entered else None


def _without(trade: Begun, gone: Decimal) -> Begun:
    """The trade as if `gone` of its held shares had never been a part of it: they take their cost along."""
    cost = share_of(trade.cost, gone, trade.held)
    entered, arrival = trade.entered - gone, trade.entered_at_arrival
    return replace(
        trade,
        entered=entered,
        entered_for=trade.entered_for - cost,
        cost=trade.cost - cost,
        entered_at_arrival=None if arrival is None else share_of(arrival, entered, trade.entered),
    )


def _closed(trade: Begun, last: ShareEntry, reason: str) -> Trade:
    gain = trade.exited_for - trade.entered_for
    pnl = gain if trade.side is Side.BUY else -gain
    percent = pnl * 100 / trade.entered_for if trade.entered_for else None
    return Trade(
        symbol=last.symbol,
        side=trade.side,
        quantity=trade.entered,
        opened_at=trade.opened_at,
        closed_at=last.at,
        entry_price=per_share(trade.entered_for, trade.entered),
        exit_price=per_share(trade.exited_for, trade.exited),
        pnl=pnl,
        pnl_percent=None if percent is None else percent.quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN),
        reason=reason,
        strategy=trade.strategy,
        tag=trade.tag,
        arrival_price=_average(trade.entered_at_arrival, trade.entered),
        exit_arrival_price=_average(trade.exited_at_arrival, trade.exited),
        parts=trade.parts,
    )


def open_trade(symbol: str, trade: Begun) -> OpenTrade:
    """The trade as it stands, its position still held."""
    sign = 1 if trade.side is Side.BUY else -1
    return OpenTrade(
        symbol=symbol,
        side=trade.side,
        quantity=sign * trade.held,
        cost=sign * trade.cost,
        opened_at=trade.opened_at,
        traded=trade.entered_for + trade.exited_for,
        strategy=trade.strategy,
        tag=trade.tag,
        arrival_price=_average(trade.entered_at_arrival, trade.entered),
        parts=trade.parts,
    )


def _average(dollars: Decimal | None, shares: Decimal) -> Decimal | None:
    return None if dollars is None or not shares else per_share(dollars, shares)
