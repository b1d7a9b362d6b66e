"""The bodies of signals, runs and indicators."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from alpaquero.strategy.run import RunState


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A signal raised, or withheld with its reason (`outcome` is raised or withheld).

    `code` says which in a word: raised, or why it was withheld.
    """

    symbol: str
    outcome: str
    side: str | None
    strategy: str
    timeframe: str
    bar_close: datetime
    strength: int | None
    reference_price: Decimal | None
    reason: str
    values: dict[str, float]
    run_id: str
    code: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement of one closed bar; `late` when a newer bar had closed by then.

    `planned_at` is market time. `missed` bars before this one, from the close `missed_since` on,
    were judged by no run.
    """

    id: str
    timeframe: str
    bar_start: datetime
    bar_close: datetime
    planned_at: datetime
    state: RunState
    late: bool
    missed: int
    missed_since: datetime | None
    symbols: int
    shards: int
    reported: int
    raised: int
    withheld: int
    intents: int
    settings_version: int
    rules_version: int


class RunDetail(Run, frozen=True, kw_only=True):
    """A run with its signals, the raised first in the order of their rank.

    `valid_until` is by strategy; `missing_shards` had not reported when the run was concluded.
    """

    valid_until: dict[str, datetime]
    missing_shards: list[int]
    signals: list[Signal]


class Indicators(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's indicators on the closed, split-adjusted bars, oldest first; null where undefined.

    `closes` are the bars' last prices in dollars.
    """

    symbol: str
    strategy: str
    timeframe: str
    adjustment: str
    times: list[datetime]
    series: dict[str, list[float | None]]
    closes: list[float]
