"""What an explanation tells: the body of `/signals/{symbol}/explain`, made by `strategy.explanation`.

Apart from it, so that a route can be described without the rules of risk and strategies.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing looked at; `holds` is None for what is only told. `by` is how far off a condition is."""

    text: str
    holds: bool | None = None
    by: float | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One link of the chain; where `passed` is false the chain ends. `at` is market time."""

    name: str
    result: str
    passed: bool = True
    at: datetime | None = None
    lines: list[Line] = []


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one bar by one strategy; `answer` is the chain in a sentence."""

    strategy: str
    timeframe: str
    mode: str
    run_id: str | None
    bar_close: datetime | None
    answer: str
    steps: list[Step]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a symbol did, or did not, trade, by each strategy that judges it; `at` is what was asked for."""

    symbol: str
    at: datetime | None
    answer: str
    chains: list[Chain]
