"""The Analytics table: round trips and open trades folded from fills, equity marks, closes of the days.

`analytics/project` writes it, `analytics/api` reads it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from pynamodb.attributes import NumberAttribute
from pynamodb.exceptions import PutError
from pynamodb.expressions.condition import Condition

from alpaquero.errors import Conflict
from alpaquero.events.schemas import EquityMarked, OrderFilled
from alpaquero.portfolio.movements import ShareEntry, begins
from alpaquero.portfolio.pnl import Close, day_of
from alpaquero.portfolio.trades import Begun, OpenTrade, OrderWords, Trade, going_on, open_trade
from alpaquero.store.books import Books
from alpaquero.store.projections import (
    Projection,
    ProjectionItem,
    Reading,
    State,
    Sum,
    Taken,
    entry_of,
    facts_in_order,
    transaction,
)
from alpaquero.store.tables import REGION, from_body, table_name, to_body

if TYPE_CHECKING:
    from pynamodb.transactions import TransactWrite

    from alpaquero.store.projections import Fact

TRADE, MARK, TRADES, OPEN, DAY, CHECK = "TRADE#", "MARK#", "TRADES", "OPEN#", "DAY#", "CHECK#"
TRIES = 4
MOST_READ = 20_000  # trades that one page of a filtered list looks at
BATCH = 48  # a transaction takes 100 items: a trade and its check, and state, fact and open trade


Bodies = dict[str, str]  # what items hold, by their sort keys


class AnalyticsItem(ProjectionItem):
    """One item of the Analytics table; the check of a trade, beside its symbol's facts, has a `checksum`."""

    class Meta:
        table_name = table_name("ANALYTICS_TABLE")
        region = REGION

    checksum = NumberAttribute(null=True)


class TradesProjection(Projection[Begun | None]):
    """The round trips of one symbol and its open trade; facts add up to the trade that is begun.

    Beside the facts is a check for each round trip that is written, with the CRC-32 of its body. So only what
    differs is written, and no item grows with the years.
    """

    item, sk = AnalyticsItem, TRADES

    @property
    def nothing(self) -> Begun | None:
        """No trade."""
        return None

    def settled(self, before: Begun | None, facts: Sequence[Fact]) -> Begun | None:
        """The trade that is begun after the facts."""
        return going_on(before, map(_told, facts))[1]

    def decoded(self, text: str) -> State[Begun | None]:
        """The state in an item's text, also as releases before 2026-12 wrote it."""
        return from_body(text, State[Begun | None])

    def add(
        self, state: State[Begun | None], before: Sum[Begun | None], facts: list[Fact], taken: Taken
    ) -> Sum[Begun | None] | None:
        """Writes the fact, and those of the trades since `before.through` that it changed."""
        were, held = self._bodies(before.settled, before.open_facts())
        are, holds = self._bodies(before.settled, facts)
        changes = {sk: are.get(sk) for sk in {**were, **are} if were.get(sk) != are.get(sk)}
        if len(changes) > BATCH:
            return None
        after = self.summed(before.settled, facts, through=before.through, count=before.facts + 1)
        with transaction(self.symbol) as writes:
            self.put_state(writes, state, after)
            taken.put(writes)
            self._put_trades(writes, changes)
            if held != holds:
                self._put_open(writes, holds)
        return after

    def write(
        self, reading: Reading[Begun | None], taken: Taken | None, had: Bodies | None = None
    ) -> Sum[Begun | None]:
        """Writes the round trips that differ from their checks, or from what the table `had`, in parts.

        The fact is kept with the first. Until the last is written the state has no sum, so that whoever comes
        next goes on with it.
        """
        state, facts = reading.state, reading.facts
        after = self.summed(self.nothing, facts, count=len(facts))
        are, holds = self._bodies(None, facts)
        checks = self._checks()
        changes = [
            sk
            for sk in {**state.written, **checks, **are, **(had or {})}
            if sk.startswith(TRADE)
            and (
                sk in state.written
                or checks.get(sk) != _checksum(are.get(sk))
                or (had is not None and had.get(sk) != are.get(sk))
            )
        ]
        for start in range(0, max(len(changes), 1), BATCH):
            part = changes[start : start + BATCH]
            done = start + BATCH >= len(changes)
            left = {} if done else {sk: crc for sk, crc in state.written.items() if sk not in part}
            with transaction(self.symbol) as writes:
                state = self.put_state(writes, state, after if done else None, left)
                self._put_trades(writes, {sk: are.get(sk) for sk in part})
                if done:
                    self._put_open(writes, holds)
                if not start and taken is not None:
                    taken.put(writes)
        return after

    def derive_over(self, had: Bodies) -> None:
        """Derives the trades anew, whatever the table has in their place."""
        state = self.state()
        facts = facts_in_order(AnalyticsItem.kept(self.account, self.symbol))
        self.write(Reading(state, facts), None, had)

    def _bodies(self, begun: Begun | None, facts: Sequence[Fact]) -> tuple[Bodies, str | None]:
        """The round trips of the facts by sort key, and the open trade after them.

        Trades that close at one instant are numbered.
        """
        trades, held = going_on(begun, map(_told, facts))
        seen: Counter[datetime] = Counter()
        bodies = {}
        for trade in trades:
            seen[trade.closed_at] += 1
            number = f"#{seen[trade.closed_at]}" if seen[trade.closed_at] > 1 else ""
            bodies[f"{TRADE}{trade.closed_at.isoformat()}#{self.symbol}{number}"] = to_body(trade)
        return bodies, to_body(open_trade(self.symbol, held)) if held else None

    def _checks(self) -> dict[str, int]:
        found = AnalyticsItem.query(self.pk, AnalyticsItem.sk.startswith(CHECK), consistent_read=True)
        return {TRADE + item.sk.removeprefix(CHECK): int(item.checksum) for item in found}

    def _put_trades(self, writes: TransactWrite, changes: Mapping[str, str | None]) -> None:
        """Puts each trade with its check, or deletes both."""
        for sk, body in changes.items():
            trade = AnalyticsItem(self.account, sk)
            check = AnalyticsItem(self.pk, CHECK + sk.removeprefix(TRADE))
            if body is None:
                writes.delete(trade)
                writes.delete(check)
            else:
                trade.body, check.checksum = body, _checksum(body)
                writes.save(trade)
                writes.save(check)

    def _put_open(self, writes: TransactWrite, body: str | None) -> None:
        trade = AnalyticsItem(self.account, f"{OPEN}{self.symbol}", body=body)
        if body is None:
            writes.delete(trade)
        else:
            writes.save(trade)


def take(account: str, fact: Fact) -> None:
    """Keeps `fact` and writes the trades that it changes.

    Raises `Conflict` when other workers kept coming between: let the fact come again.
    """
    TradesProjection(account, fact.symbol).take(fact)


def _told(fact: Fact) -> tuple[ShareEntry, OrderWords]:
    """What a fact adds, and what it says of its order."""
    if not isinstance(fact, OrderFilled):
        return entry_of(fact), OrderWords()
    words = OrderWords(strategy=fact.strategy, reason=fact.reason, arrival_price=fact.arrival_price)
    return entry_of(fact), words


def _checksum(body: str | None) -> int | None:
    return None if body is None else zlib.crc32(body.encode())


def rebuild(account: str, books: Books) -> dict[str, str]:
    """Derives every trade anew from the books, closes of days from the marks; answers what was different.

    Safe while facts come in, as trades are written over those of the state that was read. Raises `Conflict`
    when one kept changing: set trading to HALTED and rebuild again.
    """
    before = _by_symbol(account)
    symbols = {entry.symbol for entry in books.share_entries()} | before.keys()
    differences = AnalyticsItem.make_facts(
        account, sorted(symbols), books, lambda symbol: TradesProjection(account, symbol)
    )
    for symbol in sorted(symbols):
        _derived_anew(account, symbol, before.get(symbol, {}))
    after = _by_symbol(account)
    for symbol in sorted(symbols):
        had, has = _trades_in(before.get(symbol, {})), _trades_in(after.get(symbol, {}))
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


def _derived_anew(account: str, symbol: str, had: Bodies) -> None:
    for tries_left in reversed(range(TRIES)):
        try:
            TradesProjection(account, symbol).derive_over(had)
        except Conflict:
            if not tries_left:
                raise
        else:
            return


def _by_symbol(account: str) -> dict[str, Bodies]:
    """What the table has of each symbol: round trips, then the open trade."""
    found: dict[str, Bodies] = {}
    for prefix, place in ((TRADE, 2), (OPEN, 1)):  # where a sort key has the symbol
        for item in AnalyticsItem.query(account, AnalyticsItem.sk.startswith(prefix), consistent_read=True):
            found.setdefault(item.sk.split("#")[place], {})[item.sk] = item.body
    return found


def _trades_in(bodies: Bodies) -> dict[str, Trade | OpenTrade]:
    return {
        sk: from_body(body, Trade) if sk.startswith(TRADE) else from_body(body, OpenTrade)
        for sk, body in bodies.items()
    }


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
