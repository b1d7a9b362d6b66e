"""A strategy's values and decisions at every bar of many symbols, as live judges each; for backtests.

By the strategy's numpy forms where it has them, else by its plain ones, bar after bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpaquero.orders.intent import Side
from alpaquero.strategy import registry
from alpaquero.strategy.judging import rounded_values
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.protocol import Decisions, Strategy
from alpaquero.strategy.vectors import Floats, rounded


@dataclass(frozen=True, slots=True)
class Sweep:
    """Values, rounded to 1e-9, and decisions; arrays are (symbols, bars) as the panel's. NaN is undefined."""

    values: Mapping[str, Floats]
    decisions: Decisions


def sweep(rule: str, panel: Panel, parameters: Any, window: int) -> Sweep:
    """Judges every bar on the `window` bars that end there; before a symbol has as many there is nothing."""
    vectorised = registry.vectorised(rule)
    if vectorised is None:
        return _bar_by_bar(registry.strategy(rule), panel, parameters, window)
    found = {name: rounded(values) for name, values in vectorised.rolling(panel, parameters, window).items()}
    too_early = np.arange(panel.bars) < (panel.first + window - 1)[:, np.newaxis]
    for values in found.values():
        values[too_early] = np.nan
    return Sweep(found, vectorised.decide_many(found, parameters))


def _bar_by_bar(rule: Strategy[Any], panel: Panel, parameters: Any, window: int) -> Sweep:
    shape = (len(panel.columns), panel.bars)
    found: dict[str, Floats] = {}
    side, strength, tag = np.zeros(shape, np.int8), np.zeros(shape, np.int16), np.zeros(shape, np.int8)
    tags: dict[str, int] = {}
    for row, columns in enumerate(panel.columns):
        for end in range(window, len(columns) + 1):
            where = (row, panel.first[row] + end - 1)
            values = rounded_values(rule, columns[end - window : end], parameters)
            for name, value in values.items():
                found.setdefault(name, np.full(shape, np.nan))[where] = value
            if not all(name in values for name in rule.REQUIRED):
                continue
            decision = rule.decide(values, parameters)
            if decision is not None:
                side[where] = 1 if decision.side is Side.BUY else -1
                strength[where] = decision.strength
                tag[where] = tags.setdefault(decision.tag, len(tags))
    return Sweep(found, Decisions(side=side, strength=strength, tag=tag, tags=tuple(tags)))
