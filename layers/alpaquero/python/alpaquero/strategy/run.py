"""The records of a run: what was planned, what its shards reported, what became of its signals.

Made by the functions of `signal`, kept by `alpaquero.store.runs`, read by `explain` and `replay`.
Nothing here reads a clock or a table, so the same inputs give the same bytes again.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from alpaquero.strategy.signal import Signal, Withheld


class RunState(StrEnum):
    PLANNED = "planned"
    CONCLUDED = "concluded"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement of one closed bar. `id` is `<timeframe>-<close of the bar in UTC>`.

    `shards` and `symbols` are how many; the symbols themselves travel with each shard and are named
    in its report. `valid_until` (market time) is by strategy. `planned_at` is wall time in seconds
    since the epoch, `planned_market_at` market time. A `late` run judges a bar that a newer one had
    followed by then: it enters nothing. `missed` bars before this one, from the close
    `missed_since` on, were too many to catch up.
    """

    id: str
    account: str
    timeframe: str
    bar_start: datetime
    bar_close: datetime
    valid_until: dict[str, datetime]
    shards: int
    symbols: int
    settings_version: int
    rules_version: int
    correlation_id: str
    planned_at: float
    planned_market_at: datetime
    late: bool = False
    missed: int = 0
    missed_since: datetime | None = None
    state: RunState = RunState.PLANNED
    reported: int = 0
    raised: int = 0
    withheld: int = 0
    intents: int = 0


class Judged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bars a symbol was judged on: how many, their digest, and the chunk revisions above 0.

    `last` is the start of the last of them where that was not the bar to judge: the missing ones may
    be stored later.
    """

    bars: int
    digest: str
    last: datetime | None = None
    revisions: dict[str, int] = {}


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard found; `judged` names every symbol of it, whether anything was found or not."""

    raised: tuple[Signal, ...]
    withheld: tuple[Withheld, ...]
    judged: dict[str, Judged]
    rules_version: int


class PassedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that nobody is asked to trade on, and why."""

    strategy: str
    symbol: str
    code: str
    message: str


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


def run_id(timeframe: str, bar_close: datetime) -> str:
    """The run that judges the bar of `timeframe` closing at `bar_close`."""
    return f"{timeframe}-{bar_close:%Y%m%dT%H%M%SZ}"
