"""The Bars table: closed bars in compressed chunks, a year of days or hours, a month, or a day of minutes.

`store.series` reads and extends it for signals and charts, ingest fills it, the history's routes
show it. A chunk begins with its period: where one is stored, all bars from the period's start to the
chunk's last bar are known. It has a revision: bars behind the last keep it, any other change raises
it and leaves what stood there before in an item of its own, so a run can be judged again on the
bars it saw. Chunks are written on the condition that they are as they were read, so of two
writers of one symbol neither loses the other's bars.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from typing import Any, TypeVar

from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from alpaquero.errors import AlpaqueroError
from alpaquero.prices import chunks
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass
from alpaquero.store.tables import REGION, connection, from_body, kept_seconds, table_name, to_body

KEYS_A_PAGE = 100  # BatchGetItem's most
READERS = 4
MOST_QUERIED = 20  # symbols that are asked for by a query each
LEAST_QUERIED = 3  # periods of each
CHANGES_A_TRANSACTION = 50  # of two items at most; DynamoDB takes 100 and 4 MB
ATTEMPTS = 6
COUNTED_EVERY = timedelta(minutes=15)
KEEP_SECONDS = kept_seconds("RUNS_KEPT_DAYS", 400)  # what a revision replaced

T = TypeVar("T")
Key = tuple[str, str]
"""A symbol and a period."""


class NoSuchRevision(AlpaqueroError):
    """Bars as of a revision that is not kept any more (or never was); judge them as they are now."""


class Sizes(GlobalSecondaryIndex["ChunkItem"]):  # type: ignore[no-untyped-call]
    """How large each chunk is, without its bars; only chunks have a `size`."""

    class Meta:
        index_name = "sizes"
        projection = IncludeProjection(["bars", "last"])

    pk = UnicodeAttribute(hash_key=True)
    size = NumberAttribute(range_key=True)


class ChunkItem(Model):
    """One period of one series, or, where `sk` has an @, what a revision of it replaced."""

    class Meta:
        table_name = table_name("BARS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    chunk = BinaryAttribute(legacy_encoding=False)
    bars = NumberAttribute()
    revision = NumberAttribute()
    size = NumberAttribute(null=True)
    stored_at = NumberAttribute(null=True)
    last = NumberAttribute(null=True)
    retired = BooleanAttribute(null=True)
    replaced_from = NumberAttribute(null=True)
    replaced_until = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    sizes = Sizes()

    @classmethod
    def page(cls, keys: Sequence[Key], *, consistent: bool) -> list[dict[str, Any]]:
        """The items of at most 100 keys as DynamoDB answers them: making models takes twice the time."""
        found: list[dict[str, Any]] = []
        wanted = [{"pk": pk, "sk": sk} for pk, sk in keys]
        for attempt in range(ATTEMPTS):
            items, left = cls._batch_get_page(wanted, consistent, None)  # type: ignore[no-untyped-call]
            found += items
            if not left:
                return found
            wanted = [{name: value["S"] for name, value in key.items()} for key in left]
            time.sleep(0.05 * 2**attempt)  # the table is asked for more than it gives at once
        raise TimeoutError(f"DynamoDB left out {len(wanted)} chunks of bars; try again shortly")

    @classmethod
    def span(cls, pk: str, first: str, last: str, *, consistent: bool) -> list[dict[str, Any]]:
        """The items of one series from a period to another, as DynamoDB answers them."""
        found: list[dict[str, Any]] = []
        start: dict[str, Any] | None = None
        while True:
            answer = cls._get_connection().query(
                pk,
                range_key_condition=cls.sk.between(first, last),
                consistent_read=consistent,
                exclusive_start_key=start,
            )
            found += (item for item in answer["Items"] if "@" not in item["sk"]["S"])
            start = answer.get("LastEvaluatedKey")
            if not start:
                return found


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bars of one period as stored. A retired one was found wrong and has none until fetched again.

    `stored_at` is the wall time of the last change, in seconds since the epoch.
    """

    columns: Columns
    revision: int = 0
    retired: bool = False
    stored_at: int = 0


@dataclass(frozen=True, slots=True)
class _Change:
    key: Key
    before: Chunk | None
    after: Chunk
    replaced: tuple[Columns, int, int] | None  # the bars taken out, and the span they stood in


# ------------------------------------------------------------------------------- periods


def period(timeframe: str, start: datetime) -> str:
    """The period of the chunk that holds the bar of `start`, by the date in New York.

    >>> from datetime import UTC
    >>> [period(t, datetime(2012, 7, 2, 14, 30, tzinfo=UTC)) for t in ("1Day", "15Min", "1Min")]
    ['2012', '2012-07', '2012-07-02']
    """
    day = start.astimezone(NEW_YORK).date().isoformat()
    return day[: _characters(timeframe)]


def periods(timeframe: str, first: datetime, last: datetime) -> list[str]:
    """Every period with a part between `first` and `last`, oldest first; no weekends among days."""
    found: list[str] = []
    day, end = first.astimezone(NEW_YORK).date(), last.astimezone(NEW_YORK).date()
    while day <= end:
        name = day.isoformat()[: _characters(timeframe)]
        if len(name) < 10 or day.weekday() < 5:
            found.append(name)
        day = bounds(name)[1]
    return found


def bounds(name: str) -> tuple[date, date]:
    """The first day of a period and the first day after it.

    >>> bounds("2012-12")
    (datetime.date(2012, 12, 1), datetime.date(2013, 1, 1))
    """
    year, month, day = (int(part) for part in (name + "-01-01")[:10].split("-"))
    first = date(year, month, day)
    if len(name) == 4:
        return first, date(year + 1, 1, 1)
    if len(name) == 7:
        return first, (first + timedelta(days=31)).replace(day=1)
    return first, first + timedelta(days=1)


def start_of(name: str) -> datetime:
    """The midnight in New York with which a period begins."""
    return midnight(bounds(name)[0])


def _characters(timeframe: str) -> int:
    """How much of an ISO date names the period."""
    if timeframe in {Timeframe.DAY, Timeframe.HOUR}:
        return 4
    return 10 if timeframe == Timeframe.MINUTE else 7


def midnight(day: date) -> datetime:
    """Midnight in New York of a date."""
    return datetime.combine(day, time_of_day(), tzinfo=NEW_YORK)


def _by_period(timeframe: str, columns: Columns) -> Iterator[tuple[str, Columns]]:
    rest = columns
    while len(rest):
        name = period(timeframe, rest.start_at(0))
        end = midnight(bounds(name)[1])
        inside = rest.until(end - timedelta(seconds=1))
        yield name, inside
        rest = rest[len(inside) :]


# ------------------------------------------------------------------------------- reading


def read(
    symbols: Iterable[str],
    first: datetime,
    last: datetime,
    *,
    timeframe: str = Timeframe.DAY,
    adjustment: str = "split",
    as_of: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Columns]:
    """The stored bars of each symbol that start from `first` to `last`; one without any is absent.

    `as_of` gives, for a symbol, the revisions by period to read its chunks as of, 0 where it names
    none. Raises `BrokenChunk`, and `NoSuchRevision` when that one is not kept.
    """
    wanted = [(s, name) for s in symbols for name in periods(timeframe, first, last)]
    found = stored(wanted, timeframe=timeframe, adjustment=adjustment)
    if as_of:
        found = {
            key: _as_of(key, chunk, as_of[key[0]].get(key[1], 0), timeframe, adjustment)
            if key[0] in as_of
            else chunk
            for key, chunk in found.items()
        }
    series: dict[str, Columns] = {}
    for key in wanted:
        if key in found and len(found[key].columns):
            symbol, columns = key[0], found[key].columns
            series[symbol] = series[symbol] + columns if symbol in series else columns
    cut = {symbol: columns.since(first).until(last) for symbol, columns in series.items()}
    return {symbol: columns for symbol, columns in cut.items() if len(columns)}


def stored(
    keys: Iterable[Key],
    *,
    timeframe: str = Timeframe.DAY,
    adjustment: str = "split",
    consistent: bool = False,
) -> dict[Key, Chunk]:
    """The chunks of `keys`, those that there are; what takes several requests is read side by side.

    Few symbols over many periods are queried: DynamoDB rounds the sum of a query up to 4 KB, but each
    item of a batch.
    """
    names: dict[str, list[str]] = {}
    for symbol, name in keys:
        names.setdefault(_series(symbol, timeframe, adjustment), []).append(name)
    requests: list[Callable[[], list[dict[str, Any]]]] = []
    wanted = [(pk, name) for pk, periods_of in names.items() for name in periods_of]
    if len(names) <= MOST_QUERIED and len(wanted) >= LEAST_QUERIED * len(names):
        requests += [
            partial(ChunkItem.span, pk, min(periods_of), max(periods_of), consistent=consistent)
            for pk, periods_of in names.items()
        ]
    else:
        requests += [
            partial(ChunkItem.page, wanted[at : at + KEYS_A_PAGE], consistent=consistent)
            for at in range(0, len(wanted), KEYS_A_PAGE)
        ]
    answers = _side_by_side(requests)
    return {
        (item["pk"]["S"].split("#", 1)[0], item["sk"]["S"]): Chunk(
            chunks.decode(item["chunk"]["B"]),
            int(item["revision"]["N"]),
            item.get("retired", {}).get("BOOL", False),
            int(item.get("stored_at", {}).get("N", 0)),
        )
        for items in answers
        for item in items
        if item["sk"]["S"] in names[item["pk"]["S"]]
    }


def _side_by_side(requests: Sequence[Callable[[], T]]) -> list[T]:
    if len(requests) < 2:
        return [request() for request in requests]
    first = requests[0]()  # makes the client, which one thread must
    with ThreadPoolExecutor(READERS) as pool:
        return [first, *pool.map(lambda request: request(), requests[1:])]


def stored_periods(
    symbol: str,
    first: datetime,
    last: datetime,
    *,
    timeframe: str = Timeframe.DAY,
    adjustment: str = "split",
) -> Iterator[tuple[str, Chunk]]:
    """The chunks there are of one series from `first` to `last`, oldest first, read as they are taken."""
    span = ChunkItem.sk.between(period(timeframe, first), period(timeframe, last))
    for item in ChunkItem.query(_series(symbol, timeframe, adjustment), span, page_size=50):
        if "@" not in item.sk:
            columns = chunks.decode(item.chunk)
            yield item.sk, Chunk(columns, int(item.revision), bool(item.retired), int(item.stored_at or 0))


def retired(
    symbols: Iterable[str],
    first: datetime,
    last: datetime,
    *,
    timeframe: str = Timeframe.DAY,
    adjustment: str = "split",
) -> list[str]:
    """The symbols of which a period was found wrong and has not been fetched again."""
    wanted = [(s, name) for s in symbols for name in periods(timeframe, first, last)]
    found = stored(wanted, timeframe=timeframe, adjustment=adjustment)
    return sorted({symbol for (symbol, _), chunk in found.items() if chunk.retired})


def last_before(symbol: str, moment: datetime, *, timeframe: str, adjustment: str) -> Columns:
    """The two newest stored bars of the periods that end by `moment`; none where none can be right.

    The older one is settled, the newest may yet be published again. A chunk of one bar gives that alone.
    """
    found = ChunkItem.query(
        _series(symbol, timeframe, adjustment),
        ChunkItem.sk < period(timeframe, moment),
        scan_index_forward=False,
        page_size=4,
    )
    return _first_with_bars(found)[-2:]


def first_after(symbol: str, moment: datetime, *, timeframe: str, adjustment: str) -> Columns:
    """The oldest stored bar of the periods behind that of `moment`, by itself; none as in `last_before`."""
    found = ChunkItem.query(
        _series(symbol, timeframe, adjustment), ChunkItem.sk >= _following(timeframe, moment), page_size=4
    )
    return _first_with_bars(found)[:1]


def _first_with_bars(items: Iterable[ChunkItem]) -> Columns:
    """The bars of the first chunk that has some; none when one that was found wrong comes before."""
    for item in items:
        if "@" not in item.sk and (item.retired or item.bars):
            return chunks.decode(item.chunk)
    return Columns.empty()


def _following(timeframe: str, moment: datetime) -> str:
    """The name of the period behind that of `moment`."""
    return period(timeframe, midnight(bounds(period(timeframe, moment))[1]))


def series_kept() -> set[tuple[str, str, str]]:
    """Symbol, timeframe and adjustment of every series there is; walks the index of sizes."""
    found = {item.pk for item in ChunkItem.sizes.scan(attributes_to_get=["pk"])}
    return {(symbol, frame, adjusted) for symbol, frame, adjusted in (pk.split("#") for pk in found)}


def _as_of(key: Key, chunk: Chunk, revision: int, timeframe: str, adjustment: str) -> Chunk:
    """The chunk before the changes since `revision`, each taken back, the newest first."""
    symbol, name = key
    if chunk.revision < revision:
        raise NoSuchRevision(f"{symbol} in {name} has revision {chunk.revision}, not yet {revision}")
    if chunk.revision == revision:
        return chunk
    kept = {
        int(item.revision): item
        for item in ChunkItem.query(
            _series(symbol, timeframe, adjustment), ChunkItem.sk.startswith(f"{name}@"), consistent_read=True
        )
    }
    columns = chunk.columns
    for number in range(chunk.revision - 1, revision - 1, -1):
        if number not in kept:
            raise NoSuchRevision(
                f"the bars of {symbol} in {name} as of revision {revision} are not kept (now "
                f"{chunk.revision}); judge the run on the bars as they are now"
            )
        item = kept[number]
        before = chunks.decode(item.chunk)
        columns = _spliced(columns, before, int(item.replaced_from), int(item.replaced_until))
    return Chunk(columns, revision)


# ------------------------------------------------------------------------------- writing


def merge(
    series: Mapping[str, Columns],
    first: datetime,
    last: datetime,
    *,
    timeframe: str = Timeframe.DAY,
    adjustment: str = "split",
    known: Mapping[Key, Chunk] | None = None,
) -> dict[Key, Chunk]:
    """Puts bars in the place of all that are stored from `first` to `last`; answers the chunks touched.

    Give every bar there is in the span, and begin it with a period or within a stored chunk: a chunk
    is taken for complete from its beginning. Periods of the span without a bar are kept as empty.
    `known` are chunks just read. Raises `TimeoutError` when others keep changing the same chunks.
    """
    span = int(first.timestamp()), int(last.timestamp())
    names = periods(timeframe, first, last)
    parts: dict[Key, Columns] = {}
    for symbol, columns in series.items():
        parts.update({(symbol, name): Columns.empty() for name in names})
        parts.update({(symbol, name): inside for name, inside in _by_period(timeframe, columns)})
    have = {key: chunk for key, chunk in (known or {}).items() if key in parts}
    if known is None:
        have = stored(parts, timeframe=timeframe, adjustment=adjustment, consistent=True)
    left: Iterable[Key] = parts
    for _ in range(ATTEMPTS):
        looked_at = [(key, _change(key, have.get(key), parts[key], span)) for key in left]
        changes = [change for _, change in looked_at if change is not None]
        left = [change.key for change in _put(changes, timeframe, adjustment)]
        have.update({change.key: change.after for change in changes})
        if not left:
            return have
        for key in left:
            del have[key]
        have.update(stored(left, timeframe=timeframe, adjustment=adjustment, consistent=True))
    raise TimeoutError("chunks of bars keep being changed by others; try again shortly")


def retire(symbols: Iterable[str], before: datetime, *, timeframe: str, adjustment: str) -> None:
    """Takes out every bar of the periods that end by `before`: found wrong, they are fetched when wanted."""
    _retire_where(ChunkItem.sk < period(timeframe, before), symbols, timeframe, adjustment)


def retire_after(symbols: Iterable[str], moment: datetime, *, timeframe: str, adjustment: str) -> None:
    """Takes out every bar of the periods behind that of `moment`, as `retire`."""
    _retire_where(ChunkItem.sk >= _following(timeframe, moment), symbols, timeframe, adjustment)


def _retire_where(limit: Condition, symbols: Iterable[str], timeframe: str, adjustment: str) -> None:
    for symbol in symbols:
        names = [
            item.sk
            for item in ChunkItem.query(
                _series(symbol, timeframe, adjustment), limit, attributes_to_get=["pk", "sk"]
            )
            if "@" not in item.sk
        ]
        _retire(symbol, names, timeframe, adjustment)


def _retire(symbol: str, names: Sequence[str], timeframe: str, adjustment: str) -> None:
    left: Iterable[Key] = [(symbol, name) for name in names]
    for _ in range(ATTEMPTS):
        have = stored(left, timeframe=timeframe, adjustment=adjustment, consistent=True)
        changes = [
            _Change(
                key,
                chunk,
                Chunk(Columns.empty(), chunk.revision + 1, retired=True),
                (chunk.columns, 0, 1 << 40),
            )
            for key, chunk in have.items()
            if not chunk.retired
        ]
        left = [change.key for change in _put(changes, timeframe, adjustment)]
        if not left:
            return
    raise TimeoutError(f"chunks of {symbol} keep being changed by others; try again shortly")


def _change(key: Key, before: Chunk | None, fetched: Columns, span: tuple[int, int]) -> _Change | None:
    """What has to be written so that `fetched` stands in the chunk; None when it does already."""
    if before is None:
        return _Change(key, None, Chunk(fetched), None)
    old, new = before.columns, _spliced(before.columns, fetched, *span)
    if not before.retired and new[: len(old)] == old:
        return None if len(new) == len(old) else _Change(key, before, replace(before, columns=new), None)
    return _Change(key, before, Chunk(new, before.revision + 1), _replaced(old, new))


def _spliced(columns: Columns, inside: Columns, lowest: int, highest: int) -> Columns:
    """`columns` with `inside` in the place of the bars that start from `lowest` to `highest`."""
    low, high = bisect_left(columns.start, lowest), bisect_right(columns.start, highest)
    return columns[:low] + inside + columns[high:]


def _replaced(old: Columns, new: Columns) -> tuple[Columns, int, int]:
    """The stretch of `old` that differs in `new`, and the span of time to put it back over."""
    least = min(len(old), len(new))
    front = next((n for n in range(least) if old[n : n + 1] != new[n : n + 1]), least)
    back = next((n for n in range(least - front) if _from_end(old, n) != _from_end(new, n)), least - front)
    was, now = old[front : len(old) - back], new[front : len(new) - back]
    seconds = [*was.start, *now.start]
    return was, min(seconds, default=0), max(seconds, default=-1)


def _from_end(columns: Columns, n: int) -> Columns:
    at = len(columns) - 1 - n
    return columns[at : at + 1]


def _put(changes: Sequence[_Change], timeframe: str, adjustment: str) -> list[_Change]:
    """Writes the changes; answers those of transactions in which a chunk was not as it was read."""
    refused: list[_Change] = []
    for at in range(0, len(changes), CHANGES_A_TRANSACTION):
        group = changes[at : at + CHANGES_A_TRANSACTION]
        try:
            with TransactWrite(connection=connection()) as transaction:
                for change in group:
                    _add(transaction, change, timeframe, adjustment)
        except TransactWriteError as error:
            codes = {reason.code for reason in error.cancellation_reasons if reason}
            if not codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            refused += group
    return refused


def _add(transaction: TransactWrite, change: _Change, timeframe: str, adjustment: str) -> None:
    symbol, name = change.key
    before, after = change.before, change.after
    pk, packed, now = _series(symbol, timeframe, adjustment), chunks.encode(after.columns), int(time.time())
    item = ChunkItem(
        pk,
        name,
        chunk=packed,
        size=len(packed),
        stored_at=now,
        bars=len(after.columns),
        revision=after.revision,
        last=after.columns.start[-1] if len(after.columns) else None,
        retired=True if after.retired else None,
    )
    if before is None:
        transaction.save(item, condition=ChunkItem.pk.does_not_exist())
        return
    as_read = (ChunkItem.revision == before.revision) & (ChunkItem.bars == len(before.columns))
    transaction.save(item, condition=as_read)
    if change.replaced is not None:
        columns, lowest, highest = change.replaced
        transaction.save(
            ChunkItem(
                pk,
                f"{name}@{before.revision}",
                chunk=chunks.encode(columns),
                bars=len(columns),
                revision=before.revision,
                replaced_from=lowest,
                replaced_until=highest,
                expires_at=now + KEEP_SECONDS,
            )
        )


def _series(symbol: str, timeframe: str, adjustment: str) -> str:
    return f"{symbol}#{timeframe}#{adjustment}"


# ------------------------------------------------------------------------------- statistics


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much is stored; `newest` is the start of the newest bar of all, `as_of` when it was counted."""

    series: int
    chunks: int
    bars: int
    stored_bytes: int
    newest: datetime | None
    as_of: datetime


class StatisticsItem(Model):
    """The last count, in the same table."""

    class Meta:
        table_name = table_name("BARS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True, default="STATISTICS")
    sk = UnicodeAttribute(range_key=True, default="CURRENT")
    body = UnicodeAttribute()


def statistics() -> Statistics:
    """What is stored, counted at most once in a quarter of an hour, over an index without the bars."""
    now = datetime.now(UTC)
    try:
        counted = from_body(StatisticsItem.get("STATISTICS", "CURRENT").body, Statistics)
    except StatisticsItem.DoesNotExist:
        counted = None
    if counted is None or now - counted.as_of >= COUNTED_EVERY:
        counted = _counted(now)
        StatisticsItem(body=to_body(counted)).save()
    return counted


def _counted(now: datetime) -> Statistics:
    series: set[str] = set()
    found = bars = stored_bytes = newest = 0
    for item in ChunkItem.sizes.scan():
        series.add(item.pk)
        found += 1
        bars += int(item.bars)
        stored_bytes += int(item.size or 0)
        newest = max(newest, int(item.last or 0))
    return Statistics(
        series=len(series),
        chunks=found,
        bars=bars,
        stored_bytes=stored_bytes,
        newest=datetime.fromtimestamp(newest, UTC) if newest else None,
        as_of=now,
    )
