"""The Analytics table: round trips and open trades folded from fills, equity marks, closes of the days.

`analytics/project` writes it, `analytics/api` reads it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from alpaquero.errors import Conflict
from alpaquero.events.schemas import EquityMarked, OrderFilled
from alpaquero.portfolio.movements import begins
from alpaquero.portfolio.pnl import Close, day_of
from alpaquero.portfolio.trades import OpenTrade, OrderWords, Trade, folded
from alpaquero.store.books import Books
from alpaquero.store.projections import ProjectionItem, entry_of
from alpaquero.store.tables import REGION, connection, from_body, table_name, to_body

if TYPE_CHECKING:
    from alpaquero.store.projections import Fact

TRADE, MARK, TRADES, OPEN, DAY = "TRADE#", "MARK#", "TRADES", "OPEN#", "DAY#"
TRIES = 4
MOST_READ = 20_000  # trades that one page of a filtered list looks at
BATCH = 90  # a transaction takes 100 items, one of them the ledger


class AnalyticsItem(ProjectionItem):
    """One item of the Analytics table."""

    class Meta:
        table_name = table_name("ANALYTICS_TABLE")
        region = REGION


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Which trades of a symbol, the open one too, are in the table: sort key to CRC-32 of the body."""

    written: dict[str, int] = {}
    fills: int = 0
    version: int = 0


def keep(account: str, fact: Fact) -> list[Fact]:
    """Keeps `fact` and returns every fact of its symbol that has come so far."""
    AnalyticsItem.keep(account, fact)
    return AnalyticsItem.kept(account, fact.symbol)


def refold(account: str, symbol: str, facts: Sequence[Fact], *, anew: bool = False) -> None:
    """Writes the round trips and the open trade that `facts` add up to. Raises as `save_trades`."""
    words = {
        f.client_order_id: OrderWords(strategy=f.strategy, reason=f.reason, arrival_price=f.arrival_price)
        for f in facts
        if isinstance(f, OrderFilled)
    }
    closed, held = folded(map(entry_of, facts), words)
    save_trades(account, symbol, closed, held, fills=len(facts), anew=anew)


def rebuild(account: str, books: Books) -> dict[str, str]:
    """Derives every trade anew from the books, closes of days from the marks; answers what was different.

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
    missing = _close_days_anew(account)
    return differences | ({"days": f"{missing} closes were missing or wrong"} if missing else {})


def _close_days_anew(account: str) -> int:
    """Makes the close of each day its last mark; how many were not. Years of marks are not read for it."""
    kept = {close.date: close for close in closes(account)}
    oldest = AnalyticsItem.query(account, AnalyticsItem.sk.startswith(MARK), limit=1)
    newest, _ = newest_marks(account, 1)
    days = [day_of(from_body(item.body, EquityMarked).occurred_at) for item in oldest]
    days += [day_of(mark.occurred_at) for mark in newest]
    wrong = 0
    for number in range((days[-1] - days[0]).days + 1 if days else 0):
        day = days[0] + timedelta(days=number)
        mark = _last_mark(account, day)
        if mark is not None and kept.get(day) != close_of(mark):
            wrong += _save_close(account, mark)
    return wrong


def _last_mark(account: str, day: date) -> EquityMarked | None:
    found = AnalyticsItem.query(
        account,
        _marks_within(begins(day), begins(day + timedelta(days=1))),
        scan_index_forward=False,
        limit=1,
        consistent_read=True,
    )
    return next((from_body(item.body, EquityMarked) for item in found), None)


def _refold_anew(account: str, symbol: str) -> None:
    for tries_left in reversed(range(TRIES)):
        try:
            refold(account, symbol, AnalyticsItem.kept(account, symbol), anew=True)
        except Conflict:
            if not tries_left:
                raise
        else:
            return


def _by_symbol(account: str) -> dict[str, list[Trade | OpenTrade]]:
    found: dict[str, list[Trade | OpenTrade]] = {}
    known: list[Trade | OpenTrade] = [*trades(account), *open_trades(account)]
    for trade in known:
        found.setdefault(trade.symbol, []).append(trade)
    return found


def _ledger(account: str, symbol: str) -> Ledger:
    try:
        item = AnalyticsItem.get(f"{account}#{symbol}", TRADES, consistent_read=True)
    except DoesNotExist:
        return Ledger()
    return from_body(item.body, Ledger)


def save_trades(
    account: str,
    symbol: str,
    trades: Sequence[Trade],
    held: Sequence[OpenTrade] = (),
    *,
    fills: int,
    anew: bool = False,
) -> None:
    """Makes the table hold exactly `trades` and the open one, if `held`, for `symbol`, of `fills` facts.

    A fold of more facts stays, unless it is derived `anew`. Only what differs is written, with the
    symbol's ledger in the same transaction. Raises `Conflict` when another worker wrote meanwhile:
    fold again.
    """
    ledger = _ledger(account, symbol)
    if ledger.fills > fills and not anew:
        return
    wanted = _bodies(symbol, trades) | {f"{OPEN}{symbol}": to_body(trade) for trade in held}
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
    """Keeps an equity mark, and the close of its day while it is the newest; two of one instant are one."""
    AnalyticsItem(account, MARK + mark.occurred_at.isoformat(), body=to_body(mark)).save()
    _save_close(account, mark)


def _save_close(account: str, mark: EquityMarked) -> bool:
    """Whether `mark` is its day's close now and was not before."""
    close, moment = close_of(mark), int(mark.occurred_at.timestamp() * 1000)
    item = AnalyticsItem(account, DAY + close.date.isoformat(), body=to_body(close), version=moment)
    try:
        item.save(condition=AnalyticsItem.pk.does_not_exist() | (AnalyticsItem.version <= moment))
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def close_of(mark: EquityMarked) -> Close:
    at = mark.occurred_at
    return Close(
        date=day_of(at), at=at, equity=mark.equity, cash=mark.cash, drawdown_percent=mark.drawdown_percent
    )


def closes(account: str, last: date = date.max) -> list[Close]:
    """The account at the last mark of each New York day up to `last`, oldest first."""
    within = AnalyticsItem.sk.between(DAY, f"{DAY}{last.isoformat()}")
    return [from_body(item.body, Close) for item in AnalyticsItem.query(account, within)]


def trades(account: str) -> list[Trade]:
    """Every round trip, by the time it closed."""
    return trades_since(account, None)


def trades_since(account: str, at: datetime | None) -> list[Trade]:
    """The round trips that closed at `at` or later, by the time they closed."""
    since = f"{TRADE}{at.isoformat()}" if at else TRADE
    within = AnalyticsItem.sk.between(since, f"{TRADE}~")
    found = AnalyticsItem.query(account, within, consistent_read=True)
    return [from_body(item.body, Trade) for item in found]


def open_trades(account: str) -> list[OpenTrade]:
    """The trade of each position that is held, by symbol."""
    found = AnalyticsItem.query(account, AnalyticsItem.sk.startswith(OPEN), consistent_read=True)
    return [from_body(item.body, OpenTrade) for item in found]


def marks(account: str) -> list[EquityMarked]:
    """The whole equity curve, oldest first."""
    found = AnalyticsItem.query(account, AnalyticsItem.sk.startswith(MARK), consistent_read=True)
    return [from_body(item.body, EquityMarked) for item in found]


def marks_since(account: str, at: datetime) -> list[EquityMarked]:
    """The equity curve from `at` on, oldest first."""
    within = AnalyticsItem.sk.between(MARK + at.isoformat(), f"{MARK}~")
    return [from_body(item.body, EquityMarked) for item in AnalyticsItem.query(account, within)]


def marks_between(account: str, first: datetime, last: datetime) -> list[EquityMarked]:
    """The equity curve from `first` until before `last`, oldest first."""
    found = AnalyticsItem.query(account, _marks_within(first, last))
    return [from_body(item.body, EquityMarked) for item in found]


def _marks_within(first: datetime, last: datetime) -> Condition:
    """From `first` until before `last`."""
    before = last - timedelta(microseconds=1)
    return AnalyticsItem.sk.between(MARK + first.isoformat(), MARK + before.isoformat())


def newest_trades(
    account: str,
    limit: int,
    after: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    wanted: Callable[[Trade], bool] = lambda _: True,
) -> tuple[list[Trade], str | None]:
    """A page of the round trips that are `wanted`, newest first, and the sort key to go on after.

    They closed at `since` or later and before `until`. A page looks at `MOST_READ` trades at most, so
    it may hold fewer than `limit` and still not be the last.
    """
    within = AnalyticsItem.sk.between(
        f"{TRADE}{since.isoformat()}" if since else TRADE,
        f"{TRADE}{until.isoformat()}" if until else f"{TRADE}~",
    )
    found = AnalyticsItem.query(
        account,
        within,
        page_size=min(max(2 * limit, 50), 1000),
        scan_index_forward=False,
        last_evaluated_key={"pk": {"S": account}, "sk": {"S": after}} if after else None,
    )
    page: list[Trade] = []
    last = None
    for number, item in enumerate(found):
        if number == MOST_READ:
            return page, last
        trade = from_body(item.body, Trade)
        if wanted(trade):
            if len(page) == limit:
                return page, last
            page.append(trade)
        last = item.sk
    return page, None


def newest_marks(account: str, limit: int, after: str | None = None) -> tuple[list[EquityMarked], str | None]:
    """A page of the equity curve, newest first, and the sort key it ends at when there may be more."""
    found = AnalyticsItem.query(
        account,
        AnalyticsItem.sk.startswith(MARK),
        limit=limit,
        scan_index_forward=False,
        last_evaluated_key={"pk": {"S": account}, "sk": {"S": after}} if after else None,
    )
    items = list(found)
    last = found.last_evaluated_key["sk"]["S"] if found.last_evaluated_key else None
    return [from_body(item.body, EquityMarked) for item in items], last
