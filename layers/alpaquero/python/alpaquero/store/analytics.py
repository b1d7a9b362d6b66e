"""The Analytics table: round trips folded from fills, and the equity curve.

`analytics/project` writes it, `analytics/api` reads it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.transactions import TransactWrite

from alpaquero.errors import Conflict
from alpaquero.events.schemas import EquityMarked, OrderFilled
from alpaquero.portfolio.trades import Trade, trades_of
from alpaquero.store.books import Books
from alpaquero.store.projections import Fact, ProjectionItem, entry_of
from alpaquero.store.tables import REGION, connection, from_body, table_name, to_body

TRADE, MARK, TRADES = "TRADE#", "MARK#", "TRADES"
TRIES = 4
BATCH = 90  # a transaction takes 100 items, one of them the ledger


class AnalyticsItem(ProjectionItem):
    """One item of the Analytics table."""

    class Meta:
        table_name = table_name("ANALYTICS_TABLE")
        region = REGION


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Which trades of a symbol are in the table: sort key to CRC-32 of the body."""

    written: dict[str, int] = {}
    fills: int = 0
    version: int = 0


def keep(account: str, fact: Fact) -> list[Fact]:
    """Keeps `fact` and returns every fact of its symbol that has come so far."""
    AnalyticsItem.keep(account, fact)
    return AnalyticsItem.kept(account, fact.symbol)


def refold(account: str, symbol: str, facts: Sequence[Fact], *, anew: bool = False) -> None:
    """Writes the round trips that `facts` add up to. Raises as `save_trades`."""
    reasons = {f.client_order_id: f.reason for f in facts if isinstance(f, OrderFilled)}
    trades = trades_of(map(entry_of, facts), reasons)
    save_trades(account, symbol, trades, fills=len(facts), anew=anew)


def rebuild(account: str, books: Books) -> dict[str, str]:
    """Derives every round trip anew from the books; answers what was different, by symbol.

    Safe while facts come in, as every fold is written over the one that was read. Raises `Conflict`
    when one kept changing: set trading to HALTED and rebuild again.
    """
    before = _by_symbol(account)
    symbols = {entry.symbol for entry in books.share_entries()} | before.keys()
    differences = AnalyticsItem.make_facts(account, sorted(symbols), books)
    for symbol in sorted(symbols):
        _refold_anew(account, symbol)
    after = _by_symbol(account)
    for symbol in sorted(symbols):
        had, has = before.get(symbol, []), after.get(symbol, [])
        if had != has:
            differences[symbol] = f"{len(had)} trades before, {len(has)} after, not the same ones"
    return differences


def _refold_anew(account: str, symbol: str) -> None:
    for tries_left in reversed(range(TRIES)):
        try:
            refold(account, symbol, AnalyticsItem.kept(account, symbol), anew=True)
        except Conflict:
            if not tries_left:
                raise
        else:
            return


def _by_symbol(account: str) -> dict[str, list[Trade]]:
    found: dict[str, list[Trade]] = {}
    for trade in trades(account):
        found.setdefault(trade.symbol, []).append(trade)
    return found


def _ledger(account: str, symbol: str) -> Ledger:
    try:
        item = AnalyticsItem.get(f"{account}#{symbol}", TRADES, consistent_read=True)
    except DoesNotExist:
        return Ledger()
    return from_body(item.body, Ledger)


def save_trades(
    account: str, symbol: str, trades: Sequence[Trade], *, fills: int, anew: bool = False
) -> None:
    """Makes the table hold exactly `trades` for `symbol`, folded from `fills` facts.

    A fold of more facts stays, unless it is derived `anew`. Only what differs is written, with the
    symbol's ledger in the same transaction. Raises `Conflict` when another worker wrote meanwhile:
    fold again.
    """
    ledger = _ledger(account, symbol)
    if ledger.fills > fills and not anew:
        return
    wanted = _bodies(symbol, trades)
    checksums = {sk: zlib.crc32(body.encode()) for sk, body in wanted.items()}
    changes = [sk for sk in {**ledger.written, **checksums} if ledger.written.get(sk) != checksums.get(sk)]
    for start in range(0, max(len(changes), 1), BATCH):
        chunk = changes[start : start + BATCH]
        written = {sk: crc for sk, crc in ledger.written.items() if sk not in chunk}
        written |= {sk: checksums[sk] for sk in chunk if sk in checksums}
        done = start + BATCH >= len(changes)
        ledger = Ledger(written=written, fills=fills if done else ledger.fills, version=ledger.version + 1)
        _write(account, symbol, ledger, {sk: wanted.get(sk) for sk in chunk})


def _bodies(symbol: str, trades: Sequence[Trade]) -> dict[str, str]:
    """Each trade's sort key and body; trades that close at one instant are numbered."""
    seen: Counter[datetime] = Counter()
    bodies = {}
    for trade in trades:
        seen[trade.closed_at] += 1
        number = f"#{seen[trade.closed_at]}" if seen[trade.closed_at] > 1 else ""
        bodies[f"{TRADE}{trade.closed_at.isoformat()}#{symbol}{number}"] = to_body(trade)
    return bodies


def _write(account: str, symbol: str, ledger: Ledger, changes: dict[str, str | None]) -> None:
    first = ledger.version == 1
    condition = AnalyticsItem.pk.does_not_exist() if first else AnalyticsItem.version == ledger.version - 1
    item = AnalyticsItem(f"{account}#{symbol}", TRADES, body=to_body(ledger), version=ledger.version)
    try:
        with TransactWrite(connection=connection()) as transaction:
            transaction.save(item, condition=condition)
            for sk, body in changes.items():
                if body is None:
                    transaction.delete(AnalyticsItem(account, sk))
                else:
                    transaction.save(AnalyticsItem(account, sk, body=body))
    except TransactWriteError as error:
        if error.cause_response_code == "TransactionCanceledException":
            raise Conflict(
                f"another worker wrote the trades of {symbol} first; fold its fills again"
            ) from error
        raise


def save_mark(account: str, mark: EquityMarked) -> None:
    """Keeps an equity mark; two of the same instant are one."""
    AnalyticsItem(account, MARK + mark.occurred_at.isoformat(), body=to_body(mark)).save()


def trades(account: str) -> list[Trade]:
    """Every round trip, by the time it closed."""
    found = AnalyticsItem.query(account, AnalyticsItem.sk.startswith(TRADE), consistent_read=True)
    return [from_body(item.body, Trade) for item in found]


def marks(account: str) -> list[EquityMarked]:
    """The whole equity curve, oldest first."""
    found = AnalyticsItem.query(account, AnalyticsItem.sk.startswith(MARK), consistent_read=True)
    return [from_body(item.body, EquityMarked) for item in found]


def marks_since(account: str, at: datetime) -> list[EquityMarked]:
    """The equity curve from `at` on, oldest first."""
    within = AnalyticsItem.sk.between(MARK + at.isoformat(), f"{MARK}~")
    return [from_body(item.body, EquityMarked) for item in AnalyticsItem.query(account, within)]


def newest_trades(account: str, limit: int, after: str | None = None) -> tuple[list[Trade], str | None]:
    """A page of round trips, newest first, and the sort key it ends at when there may be more."""
    items, last = _newest(account, TRADE, limit, after)
    return [from_body(item.body, Trade) for item in items], last


def newest_marks(account: str, limit: int, after: str | None = None) -> tuple[list[EquityMarked], str | None]:
    """A page of the equity curve, newest first, and the sort key it ends at when there may be more."""
    items, last = _newest(account, MARK, limit, after)
    return [from_body(item.body, EquityMarked) for item in items], last


def _newest(
    account: str, prefix: str, limit: int, after: str | None
) -> tuple[list[AnalyticsItem], str | None]:
    found = AnalyticsItem.query(
        account,
        AnalyticsItem.sk.startswith(prefix),
        limit=limit,
        scan_index_forward=False,
        last_evaluated_key={"pk": {"S": account}, "sk": {"S": after}} if after else None,
    )
    items = list(found)
    return items, found.last_evaluated_key["sk"]["S"] if found.last_evaluated_key else None
