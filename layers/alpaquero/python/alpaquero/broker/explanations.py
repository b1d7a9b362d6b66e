"""Explains what our books and the broker's account differ in, by what the broker and the companies tell.

`trading/sync` calls it when fills do not add up to cash and shares. Every explanation is a movement
that is then part of the books; what stays unexplained is drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from alpaquero.broker.protocol import BrokerActivity, BrokerPosition, CorporateAction
from alpaquero.portfolio.movements import (
    UNEXPLAINED,
    CashMovement,
    Movement,
    ShareEntry,
    ShareMovement,
    SharesKind,
    Split,
    begins,
    clean_ratio,
)
from alpaquero.portfolio.positions import Position, position_of
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

CASH = "cash"  # beside symbols, which are in capitals
# Activities whose quantity is shares that came or went. A dividend's is what it was paid for.
# Source: the types of account activity in Alpaca's reference.
SHARE_KINDS = frozenset({"ACATS", "JNLS", "MA", "OPASN", "OPEXC", "REO", "REORG", "SPIN", "SPLIT"})
_COST_TOLERANCE = Decimal("0.01")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What our books say and what the broker says: dollars, or shares of one symbol."""

    ours: Decimal
    theirs: Decimal

    @property
    def missing(self) -> Decimal:
        """What our books lack; below 0 when they have too much."""
        return self.theirs - self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What explanations rest on: our entries, the broker's positions, activities, companies' actions.

    `known` are the ids of movements recorded already and of activities before the books were opened.
    Entries before `opened_at` are in the baseline. `now` is market time.
    """

    account: str
    entries: Sequence[ShareEntry]
    held: Mapping[str, BrokerPosition]
    activities: Sequence[BrokerActivity]
    actions: Sequence[CorporateAction]
    known: frozenset[str]
    opened_at: datetime
    now: datetime

    def position(self, symbol: str) -> Position:
        """Our position of the symbol."""
        return position_of(symbol, self.entries)


def explained(differences: Mapping[str, Difference], evidence: Evidence) -> list[Movement]:
    """The movements that explain differences; fewer differences, or none, are left with them."""
    cash = [_cash_of(a, evidence) for a in evidence.activities if a.amount and a.id not in evidence.known]
    unpaid = _missing_cash(differences) - sum((moved.amount for moved in cash), _ZERO)
    moved: list[Movement] = []
    for symbol in sorted(differences.keys() - {CASH}):
        renamed = _renamed(symbol, differences, evidence)
        split = None if renamed else _split(symbol, differences[symbol], evidence, unpaid)
        if split is not None:
            unpaid -= split.cash
            moved.append(split)
        elif renamed:
            moved += renamed
    settled = {one.symbol for one in moved}
    rest = {s: d.missing for s, d in differences.items() if s != CASH and s not in settled}
    return [*cash, *moved, *_transfers(rest, evidence)] if differences else []


def adopted_differences(
    differences: Mapping[str, Difference], evidence: Evidence, since: datetime
) -> list[Movement]:
    """Movements that take over what the broker has and nothing explains; `since` names the episode."""
    adopted: list[Movement] = []
    for name, difference in sorted(differences.items()):
        identifier = f"{UNEXPLAINED}:{name}:{since.isoformat()}"
        why = f"{difference.ours} in our books, {difference.theirs} at the broker"
        if name == CASH:
            adopted.append(
                CashMovement(
                    id=identifier, account=evidence.account, kind=UNEXPLAINED, at=evidence.now,
                    amount=difference.missing, why=why,
                )
            )  # fmt: skip
        else:
            adopted.append(
                _shares(identifier, name, difference.missing, SharesKind.UNEXPLAINED, why, evidence)
            )
    return adopted


def _missing_cash(differences: Mapping[str, Difference]) -> Decimal:
    return differences[CASH].missing if CASH in differences else _ZERO


def _cash_of(activity: BrokerActivity, evidence: Evidence) -> CashMovement:
    return CashMovement(
        id=activity.id,
        account=evidence.account,
        kind=activity.kind,
        at=min(max(begins(activity.day), evidence.opened_at), evidence.now),
        amount=activity.amount,
        symbol=activity.symbol,
        why=activity.description or activity.kind,
    )


def _transfers(rest: dict[str, Decimal], evidence: Evidence) -> Iterable[ShareMovement]:
    """Shares that activities tell of, as far as the broker's holdings bear them out."""
    for activity in evidence.activities:
        symbol, quantity = activity.symbol or "", activity.quantity or _ZERO
        missing = rest.get(symbol, _ZERO)
        is_told = activity.kind in SHARE_KINDS and activity.id not in evidence.known
        if not is_told or missing * quantity <= 0 or abs(quantity) > abs(missing):
            continue
        rest[symbol] = missing - quantity
        why = activity.description or activity.kind
        yield _shares(activity.id, symbol, quantity, SharesKind.TRANSFER, why, evidence)


def _shares(  # noqa: PLR0917 -- one value each of the movement
    identifier: str, symbol: str, quantity: Decimal, kind: SharesKind, why: str, evidence: Evidence
) -> ShareMovement:
    """Shares moved now, at the cost that makes our cost basis the broker's where it has one."""
    ours, theirs = evidence.position(symbol), evidence.held.get(symbol)
    price = _ZERO
    if theirs is not None:
        price = (theirs.quantity * theirs.average_entry_price - ours.cost_basis) / quantity
        if price <= 0 or theirs.quantity != ours.quantity + quantity:
            price = theirs.average_entry_price
    return ShareMovement(
        id=identifier,
        account=evidence.account,
        symbol=symbol,
        at=evidence.now,
        quantity=quantity,
        price=price,
        kind=kind,
        why=why,
    )


def _split(symbol: str, difference: Difference, evidence: Evidence, unpaid: Decimal) -> Split | None:
    """The split that makes our shares the broker's: one that was announced, or one that can be seen."""
    for action in evidence.actions:
        if action.symbol == symbol and action.share_ratio and action.ex_date:
            split = _split_on(symbol, action.ex_date, action.share_ratio, evidence)
            fitted = _fitted(split, difference, evidence, unpaid)
            if fitted is not None:
                return fitted
    ours, theirs = evidence.position(symbol), evidence.held.get(symbol)
    ratio = clean_ratio(difference.ours, difference.theirs)
    if ratio is None or theirs is None or unpaid:
        return None
    cost = theirs.quantity * theirs.average_entry_price
    if abs(cost - ours.cost_basis) > abs(cost) * _COST_TOLERANCE:
        return None  # a split leaves what the shares cost as it was
    today = evidence.now.astimezone(NEW_YORK).date()
    return _fitted(_split_on(symbol, today, ratio, evidence), difference, evidence, unpaid)


def _split_on(symbol: str, day: date, ratio: Decimal, evidence: Evidence) -> Split:
    return Split(
        id=f"split:{symbol}:{day.isoformat()}",
        account=evidence.account,
        symbol=symbol,
        at=begins(day),
        ratio=ratio,
    )


def _fitted(split: Split, difference: Difference, evidence: Evidence, unpaid: Decimal) -> Split | None:
    """The split as the broker's shares bear it out, with the cash for a part of a share; else None."""
    if split.id in evidence.known or not evidence.opened_at < split.at <= evidence.now:
        return None
    for candidate in (split, replace(split, whole=True)):
        after = position_of(split.symbol, [*evidence.entries, candidate])
        if after.quantity == difference.theirs:
            broken = _broken(candidate, evidence)
            return replace(candidate, cash=unpaid) if broken * unpaid > 0 else candidate
    return None


def _broken(split: Split, evidence: Evidence) -> Decimal:
    """The part of a share that the split leaves over, signed as the shares held."""
    before = position_of(split.symbol, [entry for entry in evidence.entries if entry.at < split.at])
    return split.scaled(before.quantity) - split.left(before.quantity)


def _renamed(symbol: str, differences: Mapping[str, Difference], evidence: Evidence) -> list[ShareMovement]:
    """Shares of `symbol` that go on under the name the company has now; empty when it has no other."""
    ours, gone = evidence.position(symbol), differences[symbol]
    for action in evidence.actions:
        to = action.new_symbol
        if action.symbol != symbol or to is None or to == symbol or action.ex_date is None:
            continue
        come = differences.get(to)
        if gone.theirs or come is None or come.missing != gone.ours:
            continue
        price = ours.average_entry_price
        why = f"{symbol} is {to} now"
        leaves = ShareMovement(
            id=f"renamed:{symbol}:{action.ex_date.isoformat()}:out", account=evidence.account, symbol=symbol,
            at=evidence.now, quantity=-gone.ours, price=price, kind=SharesKind.RENAMED, why=why,
        )  # fmt: skip
        arrives = replace(
            leaves, id=leaves.id.removesuffix("out") + "in", symbol=to, quantity=gone.ours,
            acquired_at=ours.opened_at,
        )  # fmt: skip
        return [leaves, arrives]
    return []
