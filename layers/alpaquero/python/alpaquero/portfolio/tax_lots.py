"""Tax lots: what each sale gained for the US tax office, wash sales taken into account.

`analytics/api` and exports call it; the lots that the dashboard shows are `portfolio.lots`, which
knows no tax. Shares go first in, first out (26 CFR 1.1012-1(c)(1)). The rules are those of IRS
Publication 550 (https://www.irs.gov/publications/p550), chapter 4, "Basis of Investment Property",
"Holding Period" and "Wash Sales", and of 26 CFR 1.1091-1 and 1.1091-2:

- a loss is not deductible as far as as many shares were bought within 30 days before or after the
  sale; it is added to the cost of these, whose holding period takes in that of the shares sold;
- losses are matched in the order of sale, purchases in the order of purchase, each share once;
- shares left of the very purchase that was sold from replace nothing (Revenue Ruling 56-602), nor do
  shares sold in the same sale: the fills of one order on one day are one sale;
- commissions and fees are part of what a purchase cost and lower what a sale brought.

It knows one account: purchases of the same shares elsewhere, and options on them, are for the owner to
add. Losses of short sales are replaced by short sales alone. It is a record, not advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType

from alpaquero.orders.kinds import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import (
    CashMovement,
    ShareEntry,
    ShareMovement,
    SharesKind,
    Split,
    in_order,
)
from alpaquero.portfolio.positions import share_of
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

WASH_DAYS = 30
FEE = "FEE"  # the broker's word for what regulators charge on a day's sales
_ZERO = Decimal(0)
_CENT = Decimal("0.01")
_NO_FEES: Mapping[str, Decimal] = MappingProxyType({})


class Term(StrEnum):
    """How long shares were held: `long` is more than a year."""

    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLot:
    """Shares still held; `quantity` is negative when short, `cost` what they were opened for, in dollars.

    `cost` holds `carried`, losses of wash sales that these shares replaced; they count as held since
    `held_since`. `is_date_known` is false for shares that were there before the books.
    """

    symbol: str
    source: str
    quantity: Decimal
    acquired_on: date
    held_since: date
    cost: Decimal
    carried: Decimal
    is_date_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposal:
    """Shares of one lot that one fill closed. Dates are New York's, money is in dollars.

    `cost` holds fees and the losses `carried` into these shares. `disallowed` is the part of the loss
    that a wash sale takes away, 0 or more. A short sale has `is_short` and was sold before it was
    acquired; its `closed_on` is the day of delivery.
    """

    symbol: str
    source: str
    closed_by: str
    quantity: Decimal
    is_short: bool
    acquired_on: date
    held_since: date
    sold_on: date
    closed_on: date
    proceeds: Decimal
    cost: Decimal
    carried: Decimal
    disallowed: Decimal
    term: Term
    is_date_known: bool

    @property
    def gain(self) -> Decimal:
        """Proceeds less cost, before a wash sale takes anything away."""
        return self.proceeds - self.cost

    @property
    def taxable_gain(self) -> Decimal:
        """What counts: the gain, or the loss as far as it is deductible now."""
        return self.gain + self.disallowed

    @property
    def is_wash_sale(self) -> bool:
        """Whether any of the loss is not deductible."""
        return self.disallowed > 0


@dataclass(frozen=True, slots=True)
class TaxLots:
    """The lots still open, oldest first, and every disposal, by the time it was closed."""

    open: tuple[TaxLot, ...]
    disposals: tuple[Disposal, ...]


@dataclass(slots=True, kw_only=True)
class _Shares:
    """Shares of one history; `amount` is what they were bought, or sold short, for."""

    symbol: str
    source: str
    purchase: str
    is_short: bool
    acquired_on: date
    held_since: date
    quantity: Decimal
    amount: Decimal
    carried: Decimal = _ZERO
    may_replace: bool = True
    is_date_known: bool = True

    def part(self, quantity: Decimal) -> _Shares:
        """Takes `quantity` off into shares of their own."""
        amount = share_of(self.amount, quantity, self.quantity)
        carried = share_of(self.carried, quantity, self.quantity)
        taken = replace(self, quantity=quantity, amount=amount, carried=carried)
        self.quantity -= quantity
        self.amount -= amount
        self.carried -= carried
        return taken


@dataclass(slots=True, kw_only=True)
class _Sale:
    """A disposal in the making: `waiting` shares whose `loss` may still turn out to be a wash sale's."""

    shares: _Shares
    closed_by: str
    closed_on: date
    amount: Decimal
    disallowed: Decimal = _ZERO
    waiting: Decimal = _ZERO
    loss: Decimal = _ZERO

    def __post_init__(self) -> None:
        gain = self.amount - self.shares.amount
        self.loss = max(gain if self.shares.is_short else -gain, _ZERO)
        self.waiting = self.shares.quantity if self.loss else _ZERO


@dataclass(slots=True)
class _Account:
    """All lots of an account, by symbol, the oldest first, and what was sold, in order."""

    fees: Mapping[str, Decimal]
    lots: dict[str, list[_Shares]] = field(default_factory=dict)
    sales: list[_Sale] = field(default_factory=list)
    waiting: dict[str, list[_Sale]] = field(default_factory=dict)
    renamed: dict[str, tuple[list[_Shares], list[_Sale]]] = field(default_factory=dict)

    def trade(self, fills: Sequence[Fill]) -> None:
        """The fills of one order on one day: closes what is open the other way, opens the rest."""
        sold: list[_Sale] = []
        opened: list[_Shares] = []
        for fill in fills:
            is_buy = fill.side is Side.BUY
            fee = self.fees.get(fill.id, _ZERO)
            amount = fill.quantity * fill.price + (fee if is_buy else -fee)
            rest, left = fill.quantity, amount
            for piece in self._take(fill.symbol, fill.quantity, is_short=is_buy):
                part = share_of(left, piece.quantity, rest)
                rest, left = rest - piece.quantity, left - part
                sold.append(_Sale(shares=piece, closed_by=fill.id, closed_on=_day(fill), amount=part))
            if rest:
                opened.append(_bought(fill, rest, left))
        self._record(fills[0].symbol, sold)
        for lot in opened:
            self._open(lot)

    def move(self, moved: ShareMovement) -> None:
        """Shares that came at their cost, or went without a gain; under a new name they stay the same."""
        if moved.kind is SharesKind.RENAMED and self._rename(moved):
            return
        rest = abs(moved.quantity)
        is_short = moved.quantity < 0
        rest -= sum((p.quantity for p in self._take(moved.symbol, rest, is_short=not is_short)), _ZERO)
        if rest:
            since = (moved.acquired_at or moved.at).astimezone(NEW_YORK).date()
            came = _Shares(
                symbol=moved.symbol, source=moved.id, purchase=moved.id, is_short=is_short,
                acquired_on=since, held_since=since, quantity=rest, amount=rest * moved.price,
                may_replace=False, is_date_known=moved.acquired_at is not None,
            )  # fmt: skip
            self.lots.setdefault(moved.symbol, []).append(came)

    def _rename(self, moved: ShareMovement) -> bool:
        """Lots and losses that wait go to the new symbol as they are; whether both halves are known."""
        name, _, half = moved.id.rpartition(":")
        if half == "out":
            self.renamed[name] = self.lots.pop(moved.symbol, []), self.waiting.pop(moved.symbol, [])
            return True
        if name not in self.renamed:
            return False
        lots, waiting = self.renamed.pop(name)
        for lot in lots:
            lot.symbol = moved.symbol
        self.lots.setdefault(moved.symbol, []).extend(lots)
        self.waiting.setdefault(moved.symbol, []).extend(waiting)
        return True

    def split(self, split: Split) -> None:
        """Every lot in new shares at its old cost; the newest takes what rounding leaves over."""
        for sale in self.waiting.get(split.symbol, ()):
            sale.waiting *= split.ratio
        lots = self.lots.get(split.symbol, [])
        held = sum((lot.quantity for lot in lots), _ZERO)
        if not held:
            return
        for lot in lots:
            lot.quantity = split.scaled(lot.quantity)
        lots[-1].quantity += split.scaled(held) - sum((lot.quantity for lot in lots), _ZERO)
        broken = split.scaled(held) - split.left(held)
        if not broken:
            return
        left, rest, sold = abs(split.cash), broken, []
        for piece in self._take(split.symbol, broken, is_short=lots[0].is_short):
            part = share_of(left, piece.quantity, rest)
            rest, left = rest - piece.quantity, left - part
            day = split.at.astimezone(NEW_YORK).date()
            sold.append(_Sale(shares=piece, closed_by=split.id, closed_on=day, amount=part))
        self._record(split.symbol, sold)

    def _take(self, symbol: str, wanted: Decimal, *, is_short: bool) -> list[_Shares]:
        """Takes up to `wanted` shares off the oldest lots, which are short or not."""
        lots, pieces = self.lots.get(symbol, []), []
        while wanted and lots and lots[0].is_short is is_short:
            quantity = min(lots[0].quantity, wanted)
            pieces.append(lots.pop(0) if quantity == lots[0].quantity else lots[0].part(quantity))
            wanted -= quantity
        return pieces

    def _record(self, symbol: str, sold: Sequence[_Sale]) -> None:
        """Keeps sales; a loss looks for replacements bought before it, then waits for later ones."""
        self.sales += sold
        for sale in sold:
            for lot in list(self.lots.get(symbol, ())):
                self._replace(sale, lot)
            if sale.waiting:
                self.waiting.setdefault(symbol, []).append(sale)

    def _open(self, lot: _Shares) -> None:
        """Takes a purchase into the lots; it replaces the shares of losses that wait for one."""
        self.lots.setdefault(lot.symbol, []).append(lot)
        earliest = lot.acquired_on - timedelta(days=WASH_DAYS)
        left = [s for s in self.waiting.get(lot.symbol, ()) if s.waiting and s.closed_on >= earliest]
        self.waiting[lot.symbol] = left
        for sale in left:
            self._replace(sale, lot)

    def _replace(self, sale: _Sale, lot: _Shares) -> None:
        """Makes shares of `lot` the replacement of what the sale lost, as far as the rules let it."""
        apart = abs((sale.closed_on - lot.acquired_on).days)
        fits = lot.may_replace and lot.is_short is sale.shares.is_short and apart <= WASH_DAYS
        if not (fits and sale.waiting and lot.quantity) or lot.purchase == sale.shares.purchase:
            return
        quantity = min(sale.waiting, lot.quantity)
        loss = share_of(sale.loss, quantity, sale.waiting)
        if quantity == lot.quantity:
            taken = lot
        else:
            taken = lot.part(quantity)
            lots = self.lots[lot.symbol]
            lots.insert(next(place for place, one in enumerate(lots) if one is lot), taken)
        taken.may_replace = False
        taken.carried += loss
        taken.amount += -loss if taken.is_short else loss
        taken.held_since -= sale.closed_on - sale.shares.held_since
        sale.disallowed += loss
        sale.loss -= loss
        sale.waiting -= quantity


def tax_lots(entries: Iterable[ShareEntry], fees: Mapping[str, Decimal] = _NO_FEES) -> TaxLots:
    """The lots and disposals of an account, from all its entries, in any order and with repeats.

    `fees` are dollars by fill id, as `fees_by_fill` gives them. A sale of the last 30 days may still
    become a wash sale by a later purchase.
    """
    account = _Account(fees)
    for event in _events(entries):
        match event:
            case list():
                account.trade(event)
            case Split():
                account.split(event)
            case ShareMovement():
                account.move(event)
    lots = [lot for held in account.lots.values() for lot in held]
    return TaxLots(
        tuple(map(_lot, sorted(lots, key=lambda lot: (lot.symbol, lot.acquired_on)))),
        tuple(map(_disposal, account.sales)),
    )


def fees_by_fill(fills: Iterable[Fill], movements: Iterable[CashMovement]) -> dict[str, Decimal]:
    """What the broker charged as `FEE`, in dollars by fill id, above 0 when it cost something.

    Regulators charge sales, and the broker books a day's charges as one: each is shared out by dollars
    among the fills sold on its day, or the last day before it with a sale, of its symbol if it has one.
    A charge before any sale is left out.
    """
    sold: dict[date, list[Fill]] = {}
    for fill in in_order(fills):
        if fill.side is Side.SELL:
            sold.setdefault(_day(fill), []).append(fill)
    fees: dict[str, Decimal] = {}
    for charge in movements:
        if charge.kind == FEE:
            _share_out(charge, sold, fees)
    return fees


def _share_out(charge: CashMovement, sold: Mapping[date, Sequence[Fill]], fees: dict[str, Decimal]) -> None:
    until = charge.at.astimezone(NEW_YORK).date()
    for day in sorted((day for day in sold if day <= until), reverse=True):
        charged = [fill for fill in sold[day] if charge.symbol in {None, "", fill.symbol}]
        rest = sum((fill.quantity * fill.price for fill in charged), _ZERO)
        left = -charge.amount
        for fill in charged:
            dollars = fill.quantity * fill.price
            part = share_of(left, dollars, rest)
            fees[fill.id] = fees.get(fill.id, _ZERO) + part
            rest, left = rest - dollars, left - part
        if charged:
            return


def term_of(held_since: date, closed_on: date) -> Term:
    """Long when held for more than one year, counted from the day after the purchase.

    Publication 550, "Holding Period"; months as in Revenue Ruling 66-7.

    >>> term_of(date(2008, 2, 5), date(2009, 2, 5)), term_of(date(2008, 2, 5), date(2009, 2, 6))
    (<Term.SHORT: 'short'>, <Term.LONG: 'long'>)
    """
    first = held_since + timedelta(days=1)
    try:
        year_later = first.replace(year=first.year + 1)
    except ValueError:  # 29 February
        year_later = date(first.year + 1, 3, 1)
    return Term.LONG if closed_on >= year_later else Term.SHORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Form8949Row:
    """One row of Form 8949 (https://www.irs.gov/forms-pubs/about-form-8949), money in dollars and cents.

    Part I is short term, part II long term; the letters are the form's columns.
    """

    part: str
    description: str  # (a)
    date_acquired: str  # (b)
    date_sold: str  # (c)
    proceeds: Decimal  # (d)
    cost: Decimal  # (e)
    code: str  # (f)
    adjustment: Decimal  # (g)
    gain: Decimal  # (h)


def form_8949(disposals: Iterable[Disposal]) -> list[Form8949Row]:
    """The rows for a tax return, short term first; each amount is rounded to the cent, the gain follows."""
    rows = [_form_row(one) for one in disposals]
    return sorted(rows, key=lambda row: row.part)


def _form_row(one: Disposal) -> Form8949Row:
    proceeds, cost, adjustment = (_cents(v) for v in (one.proceeds, one.cost, one.disallowed))
    return Form8949Row(
        part="II" if one.term is Term.LONG else "I",
        description=f"{one.quantity.normalize():f} sh. {one.symbol}",
        date_acquired=f"{one.acquired_on:%m/%d/%Y}" if one.is_date_known else "VARIOUS",
        date_sold=f"{one.closed_on:%m/%d/%Y}",
        proceeds=proceeds,
        cost=cost,
        code="W" if one.is_wash_sale else "",
        adjustment=adjustment,
        gain=proceeds - cost + adjustment,
    )


def _cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT, rounding=ROUND_HALF_UP)


def _events(entries: Iterable[ShareEntry]) -> list[list[Fill] | Split | ShareMovement]:
    """The entries in order; the fills of one order on one day are one event when none came between."""
    events: list[list[Fill] | Split | ShareMovement] = []
    newest: dict[str, list[Fill]] = {}
    ordered = in_order(entries)
    ordered.sort(key=lambda e: (e.at, isinstance(e, ShareMovement) and e.id.endswith(":in")))
    for entry in ordered:
        if not isinstance(entry, Fill):
            newest.pop(entry.symbol, None)
            events.append(entry)
            continue
        group = newest.get(entry.symbol)
        if group is not None and _is_same_order(group[-1], entry):
            group.append(entry)
            continue
        newest[entry.symbol] = [entry]
        events.append(newest[entry.symbol])
    return events


def _is_same_order(one: Fill, other: Fill) -> bool:
    same = one.broker_order_id == other.broker_order_id and one.side is other.side
    return bool(one.broker_order_id) and same and _day(one) == _day(other)


def _day(fill: Fill) -> date:
    return fill.at.astimezone(NEW_YORK).date()


def _bought(fill: Fill, quantity: Decimal, amount: Decimal) -> _Shares:
    return _Shares(
        symbol=fill.symbol,
        source=fill.id,
        purchase=fill.broker_order_id or fill.id,
        is_short=fill.side is Side.SELL,
        acquired_on=_day(fill),
        held_since=_day(fill),
        quantity=quantity,
        amount=amount,
    )


def _lot(held: _Shares) -> TaxLot:
    sign = -1 if held.is_short else 1
    return TaxLot(
        symbol=held.symbol,
        source=held.source,
        quantity=sign * held.quantity,
        acquired_on=held.acquired_on,
        held_since=held.held_since,
        cost=sign * held.amount,
        carried=held.carried,
        is_date_known=held.is_date_known,
    )


def _disposal(sale: _Sale) -> Disposal:
    shares = sale.shares
    short = shares.is_short
    return Disposal(
        symbol=shares.symbol,
        source=shares.source,
        closed_by=sale.closed_by,
        quantity=shares.quantity,
        is_short=short,
        acquired_on=sale.closed_on if short else shares.acquired_on,
        held_since=shares.held_since,
        sold_on=shares.acquired_on if short else sale.closed_on,
        closed_on=sale.closed_on,
        proceeds=shares.amount if short else sale.amount,
        cost=sale.amount if short else shares.amount,
        carried=shares.carried,
        disallowed=sale.disallowed,
        term=Term.SHORT if short else term_of(shares.held_since, sale.closed_on),
        is_date_known=shares.is_date_known,
    )
