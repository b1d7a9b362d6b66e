"""The Runs table: each run of the signal schedule, its shards' reports, and the signals it gave."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError, UpdateError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from alpaquero.store.tables import REGION, connection, from_body, table_name, to_body
from alpaquero.strategy.signal import Signal, Withheld

KEEP_SECONDS = 400 * 86_400
RUN, SHARD, SIGNAL, DECISION = "RUN#", "SHARD#", "SIGNAL#", "DECISION"
ATTEMPTS = 6  # at a counter that other shards also write to


class RunState(StrEnum):
    PLANNED = "planned"
    CONCLUDED = "concluded"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement of one closed bar. `id` is `<timeframe>-<close of the bar in UTC>`.

    `valid_until` is market time, `planned_at` wall time in seconds since the epoch.
    """

    id: str
    account: str
    timeframe: str
    bar_start: datetime
    bar_close: datetime
    valid_until: datetime
    shards: tuple[tuple[str, ...], ...]
    settings_version: int
    correlation_id: str
    planned_at: float
    state: RunState = RunState.PLANNED
    reported: int = 0
    raised: int = 0
    withheld: int = 0
    intents: int = 0


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard found; every symbol of the shard is judged, whether it is named here or not."""

    raised: tuple[Signal, ...]
    withheld: tuple[Withheld, ...]
    judged: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a conclusion rests on: the shards that had reported, and the symbols nobody need trade on.

    `passed_over` maps symbol to reason code. The first conclusion decides; a repeat takes its word.
    """

    shards: tuple[int, ...]
    passed_over: dict[str, str]


class SignalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A signal raised, or withheld with `code`, as the pages and `explain` read it."""

    symbol: str
    outcome: str
    side: str | None
    strategy: str
    timeframe: str
    bar_close: datetime
    strength: int | None
    reference_price: str | None
    code: str
    message: str
    values: dict[str, float]
    run_id: str


class RunItem(Model):
    """One item of the Runs table; `reported` is counted up by the shards, the rest is in `body`."""

    class Meta:
        table_name = table_name("RUNS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    state = UnicodeAttribute(null=True)
    reported = NumberAttribute(null=True)
    expires_at = NumberAttribute()


def _item(pk: str, sk: str, value: Any, **attributes: Any) -> RunItem:
    return RunItem(pk, sk, body=to_body(value), expires_at=int(time.time()) + KEEP_SECONDS, **attributes)


def _run(item: RunItem) -> Run:
    return msgspec.structs.replace(
        from_body(item.body, Run), state=RunState(item.state), reported=int(item.reported or 0)
    )


def run_id(timeframe: str, bar_close: datetime) -> str:
    """The run that judges the bar of `timeframe` closing at `bar_close`."""
    return f"{timeframe}-{bar_close:%Y%m%dT%H%M%SZ}"


def get(account: str, identifier: str) -> Run | None:
    """The run, or None."""
    try:
        return _run(RunItem.get(account, RUN + identifier, consistent_read=True))
    except DoesNotExist:
        return None


def plan(run: Run) -> tuple[Run, bool]:
    """Records `run` unless its bar has one; answers the run on record and whether it is new."""
    item = _item(run.account, RUN + run.id, run, state=run.state, reported=0)
    try:
        item.save(condition=RunItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return _run(RunItem.get(run.account, RUN + run.id, consistent_read=True)), False
    return run, True


def report(account: str, identifier: str, shard: int, found: ShardReport) -> Run:
    """Records a shard's report once, however often it comes, and answers the run after it.

    Raises `LookupError` when the run is not on record; then nothing is stored.
    """
    item = _item(RUN + identifier, f"{SHARD}{shard:05d}", found)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _count_report(account, identifier, item)
        except TransactWriteError as error:
            codes = {reason.code for reason in error.cancellation_reasons if reason}
            if "ConditionalCheckFailed" in codes:
                break  # this shard has reported before, or there is no such run
            if "TransactionConflict" not in codes or attempt == ATTEMPTS:
                raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - while another shard is counted
        else:
            break
    run = get(account, identifier)
    if run is None:
        raise LookupError(f"run {identifier} is not on record; it has expired or was planned elsewhere")
    return run


def _count_report(account: str, identifier: str, item: RunItem) -> None:
    with TransactWrite(connection=connection()) as transaction:
        transaction.save(item, condition=RunItem.pk.does_not_exist())
        transaction.update(
            RunItem(account, RUN + identifier),
            actions=[RunItem.reported.add(1)],
            condition=RunItem.pk.exists(),
        )


def decide(identifier: str, decision: Decision) -> Decision:
    """Records what the run's conclusion rests on, once; answers the decision on record."""
    try:
        _item(RUN + identifier, DECISION, decision).save(condition=RunItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return from_body(RunItem.get(RUN + identifier, DECISION, consistent_read=True).body, Decision)
    return decision


def reports(identifier: str) -> dict[int, ShardReport]:
    """The reports that have come, by the number of their shard, lowest first."""
    found = RunItem.query(RUN + identifier, RunItem.sk.startswith(SHARD), consistent_read=True)
    return {int(item.sk.removeprefix(SHARD)): from_body(item.body, ShardReport) for item in found}


def reported_shards(identifier: str) -> set[int]:
    """The numbers of the shards that have reported."""
    found = RunItem.query(RUN + identifier, RunItem.sk.startswith(SHARD), consistent_read=True)
    return {int(item.sk.removeprefix(SHARD)) for item in found}


def conclude(run: Run, records: Iterable[SignalRecord]) -> bool:
    """Keeps the signals and closes the run; False when another conclusion came first."""
    with RunItem.batch_write() as batch:
        for record in records:
            sk = f"{SIGNAL}{record.bar_close.isoformat()}#{record.strategy}"
            batch.save(_item(f"SYMBOL#{record.symbol}", sk, record))
    closed = msgspec.structs.replace(run, state=RunState.CONCLUDED)
    try:
        RunItem(run.account, RUN + run.id).update(
            actions=[RunItem.state.set(RunState.CONCLUDED), RunItem.body.set(to_body(closed))],
            condition=RunItem.state == RunState.PLANNED,
        )
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def count(account: str) -> int:
    """How many runs are on record."""
    return RunItem.count(account, RunItem.sk.startswith(RUN))


def newest_runs(account: str, limit: int) -> list[Run]:
    """The newest runs first."""
    found = RunItem.query(account, RunItem.sk.startswith(RUN), limit=limit, scan_index_forward=False)
    return [_run(item) for item in found]


def newest_signals(symbol: str, limit: int) -> list[SignalRecord]:
    """A symbol's signals, newest first, raised and withheld."""
    found = RunItem.query(
        f"SYMBOL#{symbol}", RunItem.sk.startswith(SIGNAL), limit=limit, scan_index_forward=False
    )
    return [from_body(item.body, SignalRecord) for item in found]
