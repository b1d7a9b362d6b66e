"""The Runs table: each run of the signal schedule, its shards' reports, and the signals it gave.

A run's own item stays small however many symbols it judges: every shard counts itself there.
Reports and decisions are many times as large, so they are kept compressed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from pynamodb.attributes import BinaryAttribute, NumberAttribute, NumberSetAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, UpdateError
from pynamodb.models import Model

from alpaquero.prices.bars import Timeframe
from alpaquero.store.tables import (
    REGION,
    from_body,
    kept_seconds,
    packed,
    table_name,
    to_body,
    unpacked,
)
from alpaquero.strategy.run import Run, RunState, ShardReport, SignalRecord

if TYPE_CHECKING:
    from alpaquero.strategy.conclusion import Decision

KEEP_SECONDS = kept_seconds("RUNS_KEPT_DAYS", 400)
RUN, SHARD, SIGNAL, DECISION = "RUN#", "SHARD#", "SIGNAL#", "DECISION"
_REFUSED = "ConditionalCheckFailedException"

T = TypeVar("T")


class RunItem(Model):
    """One item of the Runs table; `reported` names the shards that have, `packed` is a compressed body."""

    class Meta:
        table_name = table_name("RUNS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)
    state = UnicodeAttribute(null=True)
    reported = NumberSetAttribute(null=True)
    expires_at = NumberAttribute()


def _item(pk: str, sk: str, **attributes: Any) -> RunItem:
    return RunItem(pk, sk, expires_at=int(time.time()) + KEEP_SECONDS, **attributes)


def _run(item: RunItem) -> Run:
    return msgspec.structs.replace(
        from_body(item.body or "", Run), state=RunState(item.state), reported=len(item.reported or ())
    )


def get(account: str, identifier: str) -> Run | None:
    """The run, or None."""
    try:
        return _run(RunItem.get(account, RUN + identifier, consistent_read=True))
    except DoesNotExist:
        return None


def plan(run: Run) -> tuple[Run, bool]:
    """Records `run` unless its bar has one; answers the run on record and whether it is new."""
    item = _item(run.account, RUN + run.id, body=to_body(run), state=run.state)
    try:
        item.save(condition=RunItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != _REFUSED:
            raise
        return _run(RunItem.get(run.account, RUN + run.id, consistent_read=True)), False
    return run, True


def report(account: str, identifier: str, shard: int, found: ShardReport) -> Run:
    """Records a shard's report, the first that comes, and answers the run after it.

    The shard is counted after its report is kept: what dies in between is made good by the repeat.
    Raises `LookupError` when the run is not on record.
    """
    item = _item(RUN + identifier, f"{SHARD}{shard:05d}", packed=packed(to_body(found)))
    try:
        item.save(condition=RunItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != _REFUSED:
            raise
    counted = RunItem(account, RUN + identifier)
    try:
        counted.update(actions=[RunItem.reported.add({shard})], condition=RunItem.pk.exists())
    except UpdateError as error:
        if error.cause_response_code != _REFUSED:
            raise
        raise LookupError(
            f"run {identifier} is not on record; it has expired or was planned elsewhere"
        ) from error
    return _run(counted)


def decide(identifier: str, decision: Decision) -> Decision:
    """Records what the run's conclusion rests on, once; answers the decision on record."""
    try:
        item = _item(RUN + identifier, DECISION, packed=packed(to_body(decision)))
        item.save(condition=RunItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != _REFUSED:
            raise
        return _unpacked(RunItem.get(RUN + identifier, DECISION, consistent_read=True), type(decision))
    return decision


def reports(identifier: str) -> dict[int, ShardReport]:
    """The reports that have come, by the number of their shard, lowest first."""
    found = RunItem.query(RUN + identifier, RunItem.sk.startswith(SHARD), consistent_read=True)
    return {int(item.sk.removeprefix(SHARD)): _unpacked(item, ShardReport) for item in found}


def decision_of(identifier: str) -> Decision | None:
    """What the run's conclusion rested on, None before it."""
    from alpaquero.strategy.conclusion import Decision  # who judges a shard has no use for the risk rules

    try:
        return _unpacked(RunItem.get(RUN + identifier, DECISION, consistent_read=True), Decision)
    except DoesNotExist:
        return None


def _unpacked(item: RunItem, kind: type[T]) -> T:
    return from_body(unpacked(item.packed or b""), kind)


def reported_shards(account: str, identifier: str) -> set[int]:
    """The numbers of the shards that have reported."""
    item = RunItem.get(account, RUN + identifier, consistent_read=True)
    return {int(number) for number in item.reported or ()}


def conclude(run: Run, records: Iterable[SignalRecord]) -> bool:
    """Keeps the signals and closes the run; False when another conclusion came first."""
    with RunItem.batch_write() as batch:
        for record in records:
            sk = SIGNAL + place_of(record)
            batch.save(_item(f"SYMBOL#{record.symbol}", sk, body=to_body(record)))
    closed = msgspec.structs.replace(run, state=RunState.CONCLUDED)
    try:
        RunItem(run.account, RUN + run.id).update(
            actions=[RunItem.state.set(RunState.CONCLUDED), RunItem.body.set(to_body(closed))],
            condition=RunItem.state == RunState.PLANNED,
        )
    except UpdateError as error:
        if error.cause_response_code != _REFUSED:
            raise
        return False
    return True


def count(account: str) -> int:
    """How many runs are on record."""
    return RunItem.count(account, RunItem.sk.startswith(RUN))


def ids(account: str, timeframe: str, *, after: str = "") -> list[str]:
    """The ids of the runs of a timeframe behind the one with the id `after`, oldest first."""
    first = f"{RUN}{after}~" if after else f"{RUN}{timeframe}-"  # behind the run itself
    span = RunItem.sk.between(first, f"{RUN}{timeframe}-~")
    found = RunItem.query(account, span, attributes_to_get=["pk", "sk"], consistent_read=True)
    return [item.sk.removeprefix(RUN) for item in found]


def all_runs(account: str) -> Iterable[Run]:
    """Every run on record, by timeframe, oldest first in each."""
    return map(_run, RunItem.query(account, RunItem.sk.startswith(RUN), consistent_read=True))


def newest_runs(
    account: str,
    limit: int,
    *,
    timeframes: Sequence[str] | None = None,
    until: datetime | None = None,
    after: str | None = None,
) -> list[Run]:
    """The runs of the newest bars first, of some timeframes or all, of bars closed at `until` or before.

    `after` is the id of the run that the page before ended with.
    """
    if timeframes is None and until is None and after is None:
        return _newest_of_all(account, limit)
    last = f"{until.astimezone(UTC):%Y%m%dT%H%M%SZ}" if until else "~"
    if after is not None:
        last = min(last, after.rpartition("-")[2])
    found = [
        _run(item)
        for timeframe in timeframes or tuple(Timeframe)
        for item in RunItem.query(
            account,
            RunItem.sk.between(f"{RUN}{timeframe}-", f"{RUN}{timeframe}-{last}"),
            limit=limit + 1,
            scan_index_forward=False,
            consistent_read=True,
        )
    ]
    found.sort(key=_place, reverse=True)
    if after is not None:
        found = [run for run in found if _place(run) < (after.rpartition("-")[2], after)]
    return found[:limit]


def _newest_of_all(account: str, limit: int) -> list[Run]:
    """The newest runs of every timeframe; one request while they are few, else one or two a timeframe."""
    found: dict[str, Run] = {}
    highest = f"{RUN}~"
    while True:
        page = [_run(item) for item in _downwards(account, highest, limit + 1)]
        found |= {run.id: run for run in page}
        if len(page) <= limit:
            break
        last = page[-1]
        is_full = sum(1 for run in found.values() if run.timeframe == last.timeframe) >= limit
        highest = f"{RUN}{last.timeframe}-" if is_full else RUN + last.id
    return sorted(found.values(), key=_place, reverse=True)[:limit]


def newest_of_each(account: str) -> dict[str, Run]:
    """The newest run of each timeframe that has any; a request for each and one more."""
    found: dict[str, Run] = {}
    highest = f"{RUN}~"
    while (item := next(iter(_downwards(account, highest, 1)), None)) is not None:
        run = _run(item)
        found[run.timeframe] = run
        highest = f"{RUN}{run.timeframe}-"  # below all of its timeframe
    return found


def newest_in(found: Mapping[str, Run]) -> Run | None:
    """The run of the newest bar among those of `newest_of_each`."""
    return max(found.values(), key=_place, default=None)


def _downwards(account: str, highest: str, limit: int) -> Iterable[RunItem]:
    return RunItem.query(
        account,
        RunItem.sk.between(RUN, highest),
        limit=limit,
        scan_index_forward=False,
        consistent_read=True,
    )


def run_after(account: str, run: Run) -> Run | None:
    """The run of the next bar of the same timeframe that has one, or None."""
    first = f"{RUN}{run.id}~"  # behind the run itself, before any later one
    found = RunItem.query(
        account, RunItem.sk.between(first, f"{RUN}{run.timeframe}-~"), limit=1, consistent_read=True
    )
    return next(map(_run, found), None)


def _place(run: Run) -> tuple[str, str]:
    return run.id.rpartition("-")[2], run.id


def newest_signals(symbol: str, limit: int, *, before: str | None = None) -> list[SignalRecord]:
    """A symbol's signals, newest first, raised and withheld.

    `before` is the place a page ended at, or a time in ISO 8601, whose own signals are left out.
    """
    high = SIGNAL + (before or "~")
    found = RunItem.query(
        f"SYMBOL#{symbol}",
        RunItem.sk.between(SIGNAL, high),
        limit=limit + 1,
        scan_index_forward=False,
    )
    kept = [from_body(item.body or "", SignalRecord) for item in found if item.sk != high]
    return kept[:limit]


def signal_like(record: SignalRecord) -> SignalRecord | None:
    """The signal on record of the same symbol, bar, strategy and timeframe, or None."""
    try:
        item = RunItem.get(f"SYMBOL#{record.symbol}", SIGNAL + place_of(record), consistent_read=True)
    except DoesNotExist:
        return None
    return from_body(item.body or "", SignalRecord)


def place_of(record: SignalRecord) -> str:
    """Where a symbol's signal stands among its signals, for the page after it."""
    return f"{record.bar_close.isoformat()}#{record.strategy}#{record.timeframe}"
